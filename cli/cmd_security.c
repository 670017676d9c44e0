/* cmd_security.c - pome security get, set, approve, deny; personalize; authority show, create. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/policy_request.h"

#include <pome/security.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

command_run cmd_security_approve, cmd_security_deny, cmd_security_get, cmd_security_set, cmd_personalize, cmd_authority_show, cmd_authority_create;

static void print_hex(const uint8_t *bytes, size_t n)
{
    while (n--)
        printf("%02x", *bytes++);
}

static const char what_it_is[] = "\"pome authority create --authority FOLDER\" makes one; as one file: cat signer.key signer.pem root.pem (mode 0600)";

static int fail(const struct pome_error *err, const pome_bundle *b, const char *what, const char *name)
{
    struct pome_authority_info i = POME_AUTHORITY_INFO_INIT;
    struct pome_error why = {0};
    bool unusable = b && !pome_authority(false, &i, &why) && why.code == err->code; /* the authority, that is */
    const char *hint = unusable && why.code == POME_ERROR_NOT_FOUND ? "give the folder of the authority that signed it with --authority PATH"
                       : unusable && why.code == POME_ERROR_INVALID_DATA ? what_it_is
                       : !b && err->code == POME_ERROR_NOT_FOUND      ? "\"pome list\" shows all machines"
                       : err->code == POME_ERROR_BUSY               ? "stop the machine first"
                       : err->code == POME_ERROR_PERMISSION         ? "give the authority that signed it with --authority PATH, or let it trust this one: "
                                                                       "\"pome personalize NAME --all\""
                       : err->code == POME_ERROR_NOT_FOUND          ? "the machine's kernel hook makes one when its kernel is updated"
                       : err->code == POME_ERROR_INVALID_DATA       ? "in the machine, make the boot set again"
                                                                    : NULL;
    return cli_fail(err, hint, "cannot %s \"%s\"", what, name);
}

/* asked: NULL when Recovery asks for nothing. */
static void print_policy(const struct pome_boot_policy *p, const struct pome_policy_request *asked, const char *name, bool json)
{
    if (json) {
        printf("{\"security\":\"%s\",\"signedSet\":\"%s\",\"pendingSet\":", pome_security_name(p->security), p->signed_set);
        cli_json_string(stdout, p->pending_set[0] ? p->pending_set : NULL);
        printf(",\"version\":");
        cli_json_string(stdout, p->version);
        printf(",\"requested\":");
        cli_json_string(stdout, asked && asked->valid ? pome_security_name(asked->wanted) : NULL);
        printf(",\"authority\":\"");
        print_hex(p->authority, sizeof p->authority);
        printf("\"}\n");
        return;
    }
    printf("Security:    %s\nSigned set:  %s\n", pome_security_name(p->security), p->signed_set);
    if (asked && asked->valid)
        printf("Asked for:   %s, by Recovery; \"pome security approve %s\" or \"pome security deny %s\" answers\n", pome_security_name(asked->wanted),
               name, name);
    else if (asked)
        printf("Asked for:   something that cannot be followed: %s\n", asked->why);
    if (p->pending_set[0])
        printf("Pending set: %s, made in the machine; %s\n", p->pending_set,
               p->security == POME_SECURITY_FULL ? "not started before it is signed" : "started without a signature");
    if (p->pending_set[0] && p->security == POME_SECURITY_FULL)
        printf("             \"pome personalize %s\" signs it\n", name);
    printf("Version:     %s\nAuthority:   ", p->version);
    print_hex(p->authority, sizeof p->authority);
    printf("\n");
}

int cmd_security_get(int argc, char **argv)
{
    bool json = false;
    const char *name;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "as JSON", 0, 0}, {0}};
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    struct pome_error err = {0};
    struct pome_boot_policy p = POME_BOOT_POLICY_INIT;
    struct pome_policy_request r = POME_POLICY_REQUEST_INIT;
    pome_bundle *b = pome_bundle_open(name, &err);
    if (!b || !pome_bundle_boot_policy(b, &p, &err))
        status = fail(&err, b, "read the security of", name);
    else
        print_policy(&p, pome_bundle_policy_request(b, &r, NULL) ? &r : NULL, name, json), status = CLI_OK;
    pome_bundle_free(b);
    return status;
}

/* What a verb that changes the policy has made of it, when that is wanted as JSON. */
static int changed(pome_bundle *b, const char *name, bool json)
{
    struct pome_error err = {0};
    struct pome_boot_policy p = POME_BOOT_POLICY_INIT;
    struct pome_policy_request r = POME_POLICY_REQUEST_INIT;
    if (!json)
        return CLI_OK;
    if (!pome_bundle_boot_policy(b, &p, &err))
        return fail(&err, b, "read the security of", name);
    print_policy(&p, pome_bundle_policy_request(b, &r, NULL) ? &r : NULL, name, true);
    return CLI_OK;
}

#define JSON_OPTION(to) {"json", 0, CLI_FLAG, &(to), NULL, "as \"pome security get --json\", when it is done", 0, 0}

int cmd_security_set(int argc, char **argv)
{
    const char *words[2], *authority = NULL;
    bool json = false;
    const struct cli_option options[] = {
        {"authority", 0, CLI_TEXT, &authority, "PATH", "the signing authority: its folder, or one PEM file", 0, 0},
        JSON_OPTION(json),
        {0},
    };
    enum pome_security level;
    int status = cli_options(argc, argv, options, 2, 2, words);
    if (status != CLI_GO_ON)
        return status;
    if (!cli_security("security set", words[1], &level))
        return CLI_USAGE;
    struct pome_error err = {0};
    cli_use_authority(authority);
    pome_bundle *b = pome_bundle_open(words[0], &err);
    bool ok = b && pome_bundle_set_security(b, level, &err);
    status = ok ? changed(b, words[0], json) : fail(&err, b, "set the security of", words[0]);
    pome_bundle_free(b);
    return status;
}

static int fail_request(const struct pome_error *err, const pome_bundle *b, const char *name)
{
    if (b && err->code == POME_ERROR_NOT_FOUND && strstr(err->message, "asked for nothing"))
        return cli_fail(err, "in Recovery, \"security reduced\" asks (pome start NAME --recovery); \"pome security set\" needs no request",
                        "cannot answer \"%s\"", name);
    return err->code == POME_ERROR_INVALID_STATE ? cli_fail(err, "\"pome security deny NAME\" takes the request away", "cannot answer \"%s\"", name)
                                                 : fail(err, b, "answer", name);
}

/* The level that is approved: the one that was named, else the one that is asked for when the owner says yes to it. */
static bool agreed(const struct pome_policy_request *r, const char *name, const char *word, enum pome_security *level)
{
    if (word)
        return true;
    *level = r->wanted;
    if (!isatty(STDIN_FILENO)) {
        cli_usage("security approve", "without a terminal to ask on, say what is approved: pome security approve %s %s", name, pome_security_name(r->wanted));
        return false;
    }
    return policy_request_ask(r, name);
}

int cmd_security_approve(int argc, char **argv)
{
    const char *words[2], *authority = NULL;
    bool json = false;
    const struct cli_option options[] = {
        {"authority", 0, CLI_TEXT, &authority, "PATH", "the signing authority: its folder, or one PEM file", 0, 0},
        JSON_OPTION(json),
        {0},
    };
    enum pome_security level = POME_SECURITY_FULL;
    int status = cli_options(argc, argv, options, 1, 2, words);
    if (status != CLI_GO_ON)
        return status;
    if (words[1] && !cli_security("security approve", words[1], &level))
        return CLI_USAGE;
    struct pome_error err = {0};
    struct pome_policy_request r = POME_POLICY_REQUEST_INIT;
    cli_use_authority(authority);
    pome_bundle *b = pome_bundle_open(words[0], &err);
    if (!b || !pome_bundle_policy_request(b, &r, &err))
        status = fail_request(&err, b, words[0]);
    else if (r.valid && !agreed(&r, words[0], words[1], &level))
        status = isatty(STDIN_FILENO) ? CLI_FAILED : CLI_USAGE;
    else if (!pome_bundle_policy_approve(b, level, &err))
        status = fail_request(&err, b, words[0]);
    else
        cli_note("approved: \"%s\" has %s security from its next start on", words[0], pome_security_name(level)), status = changed(b, words[0], json);
    pome_bundle_free(b);
    return status;
}

int cmd_security_deny(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {JSON_OPTION(json), {0}};
    const char *name;
    struct pome_error err = {0};
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    pome_bundle *b = pome_bundle_open(name, &err);
    if (b && pome_bundle_policy_deny(b, &err))
        cli_note("refused: \"%s\" keeps its security", name), status = changed(b, name, json);
    else
        status = fail_request(&err, b, name);
    pome_bundle_free(b);
    return status;
}

int cmd_personalize(int argc, char **argv)
{
    const char *name, *authority = NULL;
    bool all = false, json = false;
    const struct cli_option options[] = {
        JSON_OPTION(json),
        {"all", 0, CLI_FLAG, &all, NULL, "issue every ticket anew, for a machine that was copied or an authority that was replaced", 0, 0},
        {"authority", 0, CLI_TEXT, &authority, "PATH", "the signing authority: its folder, or one PEM file", 0, 0},
        {0},
    };
    int status = cli_options(argc, argv, options, 1, 1, &name);
    if (status != CLI_GO_ON)
        return status;
    struct pome_error err = {0};
    struct pome_boot_policy p = POME_BOOT_POLICY_INIT;
    cli_use_authority(authority);
    pome_bundle *b = pome_bundle_open(name, &err);
    if (b && pome_bundle_personalize(b, all, &err) && pome_bundle_boot_policy(b, &p, &err)) {
        cli_note("\"%s\": boot set %s is signed", name, p.signed_set);
        status = changed(b, name, json);
    } else {
        status = fail(&err, b, "personalize", name);
    }
    pome_bundle_free(b);
    return status;
}

static int authority(int argc, char **argv, bool make)
{
    bool json = false;
    const char *folder = NULL;
    const struct cli_option options[] = {
        {"authority", 0, CLI_TEXT, &folder, "PATH", "its folder, or one PEM file", 0, 0},
        {"json", 0, CLI_FLAG, &json, NULL, "as JSON", 0, 0},
        {0},
    };
    int status = cli_options(argc, argv, options, 0, 0, NULL);
    if (status != CLI_GO_ON)
        return status;
    struct pome_error err = {0};
    struct pome_authority_info i = POME_AUTHORITY_INFO_INIT;
    cli_use_authority(folder);
    if (!pome_authority(make, &i, &err))
        return cli_fail(&err, err.code == POME_ERROR_NOT_FOUND      ? "\"pome authority create\" makes one; so does the first \"pome create\""
                               : err.code == POME_ERROR_INVALID_DATA ? what_it_is
                                                                     : NULL,
                        "cannot open the signing authority");
    if (json) {
        printf("{\"path\":");
        cli_json_string(stdout, i.path);
        printf(",\"name\":");
        cli_json_string(stdout, i.name);
        printf(",\"digest\":\"");
        print_hex(i.digest, sizeof i.digest);
        printf("\"}\n");
    } else {
        struct stat st;
        printf("%s %s\nName:   %s\nDigest: ", !stat(i.path, &st) && S_ISDIR(st.st_mode) ? "Folder:" : "File:  ", i.path, i.name);
        print_hex(i.digest, sizeof i.digest);
        printf("\n");
    }
    return CLI_OK;
}

int cmd_authority_show(int argc, char **argv)
{
    return authority(argc, argv, false);
}

int cmd_authority_create(int argc, char **argv)
{
    return authority(argc, argv, true);
}

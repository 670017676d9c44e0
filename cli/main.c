/* main.c - pome(1): finds the verb in the table and runs it. */
#include "cli/commands.h"
#include "cli/manual.h"
#include "cli/options.h"
#include "cli/output.h"

#include <pome/version.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

command_run cmd_version;

int cmd_version(int argc, char **argv)
{
    bool json = false;
    const struct cli_option options[] = {{"json", 0, CLI_FLAG, &json, NULL, "a JSON object", 0, 0}, {0}};
    int status = cli_options(argc, argv, options, 0, 0, NULL);
    if (status != CLI_GO_ON)
        return status;
    printf(json ? "{\"version\":\"%s\"}\n" : "pome %s\n", pome_version());
    return CLI_OK;
}

/* "  image ...     Restore images: build info verify": the verbs of a group on one line. */
static void print_group_line(const struct command_group *g)
{
    size_t n = strlen(g->word);
    printf("  %s ... %*s%s:", g->word, n < 6 ? (int)(6 - n) : 0, "", g->help);
    for (const struct command *c = commands; c->name; c++)
        if (!strncmp(c->name, g->word, n) && c->name[n] == ' ')
            printf(" %s", c->name + n + 1);
    putchar('\n');
}

/* "  Running machines: stop pause wait", where the first of a family stands. */
static void print_family(const struct command *first)
{
    for (const struct command *c = commands; c != first; c++)
        if (c->family == first->family)
            return;
    printf("  %s:", first->family);
    for (const struct command *c = first; c->name; c++)
        if (c->family == first->family)
            printf(" %s", c->name);
    putchar('\n');
}

static int print_help(void)
{
    puts("Usage: pome VERB [arguments]\nVirtual machines for 64-bit Arm guests, as bundles on disk. Verbs:");
    for (const struct command *c = commands; c->name; c++)
        if (c->family)
            print_family(c);
        else if (!strchr(c->name, ' '))
            printf("  %-10s %s\n", c->name, c->help);
    for (const struct command_group *g = command_groups; g->word; g++)
        print_group_line(g);
    puts("\n\"pome help VERB\" tells more. Before the verb: --quiet (errors only), --version.\n"
         "Status: 0 done, 1 failed, 2 usage, 3 not found, 4 wrong state, 5 permission,\n"
         "6 in use, 69 missing feature, 75 try again, 124 timed out, 130 interrupted.");
    return CLI_OK;
}

/* For the makers of manual pages and completions. */
static int print_verbs_json(void)
{
    for (const struct command *c = commands; c->name; c++) {
        fputs(c == commands ? "[{\"name\":" : ",\n {\"name\":", stdout);
        cli_json_string(stdout, c->name);
        fputs(",\"synopsis\":", stdout);
        cli_json_string(stdout, c->synopsis);
        fputs(",\"help\":", stdout);
        cli_json_string(stdout, c->help);
        putchar('}');
    }
    puts("]");
    return CLI_OK;
}

/* The verbs that begin with this word; how many there are. */
static int print_group(const char *word)
{
    size_t n = strlen(word);
    int found = 0;
    for (const struct command *c = commands; c->name; c++)
        if (!strncmp(c->name, word, n) && c->name[n] == ' ' && ++found)
            printf("  pome %-48s %s\n", c->synopsis, c->help);
    return found;
}

static int unknown(const char *verb)
{
    const char *near = command_suggest(verb);
    if (near)
        return cli_usage(NULL, "\"%s\" is not a verb; did you mean \"%s\"?", verb, near);
    return cli_usage(NULL, "\"%s\" is not a verb", verb);
}

static int run(int argc, char **argv)
{
    static char two[64];
    const struct command *c = command_find(argv[0]);
    if (!c && argc >= 2 && snprintf(two, sizeof two, "%s %s", argv[0], argv[1]) < (int)sizeof two && (c = command_find(two))) {
        argv++;
        argc--;
        argv[0] = two;
    }
    if (!c) {
        bool help = argc < 2 || argv[1][0] == '-';
        if (help && print_group(argv[0]))
            return argc < 2 ? CLI_USAGE : CLI_OK;
        return unknown(argc >= 2 && !help ? two : argv[0]);
    }
    cli_set_verb(c->name);
    return c->run(argc, argv);
}

/* "help", "help VERB", "help WORD WORD", "help --json". */
static int help(int argc, char **argv)
{
    char verb[64];
    if (!argc)
        return print_help();
    if (!strcmp(argv[0], "--json"))
        return print_verbs_json();
    snprintf(verb, sizeof verb, argc > 1 ? "%s %s" : "%s", argv[0], argc > 1 ? argv[1] : "");
    if (command_find(verb))
        manual_show(verb); /* returns when there is no page or no terminal */
    return run(argc > 1 ? 3 : 2, argc > 1 ? (char *[]){argv[0], argv[1], "--help", NULL} : (char *[]){argv[0], "--help", NULL});
}

/* A reader that has seen enough (pome list | head) is no error to tell of. */
static bool reader_is_gone(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

/* Output that was lost is a failure, whatever the verb thought of itself. */
static int finish(int status)
{
    errno = 0;
    if (!fflush(stdout) && !ferror(stdout))
        return status;
    if (!reader_is_gone())
        fprintf(stderr, "pome: standard output: %s\n", errno ? strerror(errno) : "could not be written");
    return status ? status : CLI_FAILED;
}

/* A closed standard descriptor would be given to the next file that is opened: a disk must not become standard output. */
static void open_standard_descriptors(void)
{
    int fd;
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
        ;
    if (fd >= 0)
        close(fd);
}

static int dispatch(int argc, char **argv)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return print_help();
        if (!strcmp(argv[i], "--version"))
            return run(1, (char *[]){"version", NULL});
        if (!strcmp(argv[i], "--quiet") || !strcmp(argv[i], "-q"))
            cli_set_quiet(true);
        else
            return cli_usage(NULL, "%s: no such option before the verb", argv[i]);
    }
    if (i == argc) {
        print_help();
        return CLI_USAGE;
    }
    if (!strcmp(argv[i], "help"))
        return help(argc - i - 1, argv + i + 1);
    return run(argc - i, argv + i);
}

int main(int argc, char **argv)
{
    open_standard_descriptors();
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is a write error, not our death in the middle of a file */
    signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files is a write error too */
    return finish(dispatch(argc, argv));
}

/* devices.c - see devices.h. */
#include "cli/devices.h"

#include "cli/output.h"

#include <pome/device.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool wrong(struct pome_error *err, const char *option, const char *text, const char *why)
{
    *err = (struct pome_error){.code = POME_ERROR_INVALID_CONFIGURATION};
    snprintf(err->message, sizeof err->message, "%s %.100s: %.100s", option, text, why);
    return false;
}

static bool number(const char *text, unsigned most, unsigned *to)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    *to = (unsigned)v;
    return text[0] >= '0' && text[0] <= '9' && !*end && v <= most;
}

/* --- --net KIND[,KEY=VALUE]... --- */

static bool set_isolation(struct pome_network_options *o, const char *value)
{
    static const char *const words[] = {"none", "host", "all"};
    for (unsigned i = 0; i < 3; i++)
        if (!strcmp(words[i], value)) {
            o->isolation = (enum pome_network_isolation)i;
            return true;
        }
    return false;
}

static bool set_kind(struct pome_network_options *o, const char *kind)
{
    unsigned fd;
    if (!strcmp(kind, "user"))
        o->kind = POME_NETWORK_NAT;
    else if (!strncmp(kind, "fd:", 3) && number(kind + 3, 1 << 20, &fd)) {
        o->kind = POME_NETWORK_FD;
        o->fd = (int)fd;
    } else if (!strncmp(kind, "unix:", 5) && kind[5]) {
        o->kind = POME_NETWORK_SOCKET;
        o->path = kind + 5;
    } else {
        return false;
    }
    return true;
}

/* words: a copy of the text, cut up here; o points into it. */
static bool parse_network(char *words, const char *text, struct pome_network_options *o, struct pome_error *err)
{
    char *rest, *word = strtok_r(words, ",", &rest);
    if (!word || !set_kind(o, word))
        return wrong(err, "--net", text, "there are user, fd:NUMBER, unix:PATH and none");
    while ((word = strtok_r(NULL, ",", &rest))) {
        char *value = strchr(word, '=');
        if (!value)
            return wrong(err, "--net", text, "what follows the kind is mac=ADDRESS, mtu=NUMBER, isolation=none, host or all");
        *value++ = 0;
        if (!strcmp(word, "mac"))
            o->mac_address = value;
        else if (!(!strcmp(word, "mtu") && number(value, 65535, &o->mtu)) && !(!strcmp(word, "isolation") && set_isolation(o, value)))
            return wrong(err, "--net", text, "what follows the kind is mac=ADDRESS, mtu=NUMBER, isolation=none, host or all");
    }
    return true;
}

static bool add_network(pome_config *config, const char *text, struct pome_error *err)
{
    struct pome_network_options o = POME_NETWORK_OPTIONS_INIT;
    char words[512];
    if (!strcmp(text, "none"))
        return true;
    if ((size_t)snprintf(words, sizeof words, "%s", text) >= sizeof words)
        return wrong(err, "--net", text, "too long");
    return parse_network(words, text, &o, err) && pome_config_add_network(config, &o, err);
}

/* --- --forward --- */

bool cli_parse_forward(const char *text, struct pome_forward_options *o, char *address, struct pome_error *err)
{
    static const char form[] = "the form is [tcp:|udp:][ADDRESS:]HOSTPORT:GUESTPORT";
    char words[128];
    o->udp = !strncmp(text, "udp:", 4);
    const char *p = o->udp || !strncmp(text, "tcp:", 4) ? text + 4 : text;
    if ((size_t)snprintf(words, sizeof words, "%s", p) >= sizeof words)
        return wrong(err, "--forward", text, form);
    char *guest = strrchr(words, ':');
    if (!guest)
        return wrong(err, "--forward", text, form);
    *guest++ = 0;
    char *host = strrchr(words, ':');
    address[0] = 0;
    if (host) {
        *host++ = 0;
        size_t n = strlen(words);
        bool brackets = n > 2 && words[0] == '[' && words[n - 1] == ']';
        snprintf(address, 64, "%.*s", (int)(brackets ? n - 2 : n), words + brackets);
        o->host_address = address;
    } else {
        host = words;
    }
    return (number(host, 65535, &o->host_port) && number(guest, 65535, &o->guest_port)) || wrong(err, "--forward", text, form);
}

/* TAG=FOLDER[:ro|:rw] */
static bool add_share(pome_config *config, const char *text, struct pome_error *err)
{
    struct pome_share_options o = POME_SHARE_OPTIONS_INIT;
    char words[4096];
    if ((size_t)snprintf(words, sizeof words, "%s", text) >= sizeof words || !strchr(words, '='))
        return wrong(err, "--share", text, "the form is TAG=FOLDER or TAG=FOLDER:rw");
    char *path = strchr(words, '='), *end = strrchr(words, ':');
    *path++ = 0;
    if (end > path && (!strcmp(end, ":rw") || !strcmp(end, ":ro"))) {
        o.writable = end[2] == 'w';
        *end = 0;
    }
    o.tag = words;
    o.path = path;
    return pome_config_add_share(config, &o, err);
}

static bool add_balloon(pome_config *config, struct pome_error *err)
{
    pome_device *balloon = pome_device_new(POME_DEVICE_BALLOON, err);
    bool ok = balloon && pome_config_add_device(config, balloon, err);
    if (!ok)
        pome_device_free(balloon);
    return ok;
}

/* NAME=SOCKET; "hvc" and "hvcN" are no names but terminals. */
static bool add_port(pome_config *config, const char *text, struct pome_error *err)
{
    struct pome_console_port_options o = POME_CONSOLE_PORT_OPTIONS_INIT;
    char words[256];
    if (strlen(text) >= sizeof words || !strchr(text, '='))
        return wrong(err, "--port", text, "the form is NAME=SOCKET");
    strcpy(words, text);
    char *path = strchr(words, '=');
    *path++ = 0;
    bool terminal = !strncmp(words, "hvc", 3) && strspn(words + 3, "0123456789") == strlen(words + 3);
    o.name = terminal ? NULL : words;
    o.socket_path = path;
    return pome_config_add_console_port(config, &o, err);
}

bool cli_add_devices(pome_config *config, const struct cli_devices *d, struct pome_error *err)
{
    for (size_t i = 0; i < d->shares.n; i++)
        if (!add_share(config, d->shares.items[i], err))
            return false;
    if (d->balloon && !add_balloon(config, err))
        return false;
    if (d->vsock && !pome_config_add_sockets(config, d->vsock, err))
        return false;
    for (size_t i = 0; i < d->ports.n; i++)
        if (!add_port(config, d->ports.items[i], err))
            return false;
    for (size_t i = 0; i < d->networks.n; i++)
        if (!add_network(config, d->networks.items[i], err))
            return false;
    if (d->forwards.n && !d->networks.n && !add_network(config, "user", err)) /* who forwards wants a network */
        return false;
    for (size_t i = 0; i < d->forwards.n; i++) {
        struct pome_forward_options o = POME_FORWARD_OPTIONS_INIT;
        char address[64];
        if (!cli_parse_forward(d->forwards.items[i], &o, address, err) || !pome_config_add_forward(config, &o, err))
            return false;
    }
    return true;
}

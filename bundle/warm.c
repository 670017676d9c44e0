/* warm.c - Warm.json. See warm.h. */
#include "bundle/warm.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WARM_VERSION = 1, WARM_BYTES_MAX = 4096 };

void bundle_warm_of(const struct settings *s, uint64_t ecid, struct bundle_warm *out)
{
    *out = (struct bundle_warm){.ecid = ecid};
    for (size_t i = 0; i < s->n_networks; i++) {
        if (s->networks[i].type == SETTINGS_BRIDGED)
            continue;
        uint8_t *mac = out->mac[out->n_macs++];
        if (!settings_parse_mac(s->networks[i].mac, mac))
            settings_mac_of(ecid, (unsigned)i, mac);
    }
}

bool bundle_warm_write(struct bundle *b, const struct bundle_warm *w, struct pome_error *err)
{
    char ecid[20], mac[20];
    json_t *macs = json_array();
    snprintf(ecid, sizeof ecid, "%016" PRIx64, w->ecid);
    for (size_t i = 0; i < w->n_macs; i++) {
        const uint8_t *m = w->mac[i];
        snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
        json_array_append_new(macs, json_string(mac));
    }
    json_t *j = json_pack("{s:i, s:s, s:o}", "version", WARM_VERSION, "ecid", ecid, "macAddresses", macs);
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    bool ok = text ? bundle_member_write(b, BUNDLE_WARM, text, strlen(text), err) : pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory", b->path);
    free(text);
    json_decref(j);
    return ok;
}

static bool take(json_t *j, struct bundle_warm *out)
{
    const char *ecid;
    int version;
    json_t *macs, *mac;
    size_t i;
    *out = (struct bundle_warm){0};
    if (json_unpack_ex(j, NULL, JSON_STRICT, "{s:i, s:s, s:o}", "version", &version, "ecid", &ecid, "macAddresses", &macs) || version != WARM_VERSION ||
        !json_is_array(macs) || json_array_size(macs) > SETTINGS_MAX_ITEMS || strlen(ecid) != 16 || strspn(ecid, "0123456789abcdefABCDEF") != 16)
        return false;
    out->ecid = strtoull(ecid, NULL, 16);
    json_array_foreach(macs, i, mac)
        if (!json_is_string(mac) || !settings_parse_mac(json_string_value(mac), out->mac[out->n_macs++]))
            return false;
    return out->ecid;
}

bool bundle_warm_parse(const void *text, size_t n, struct bundle_warm *out)
{
    json_t *j = n < WARM_BYTES_MAX ? json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool ok = j && take(j, out);
    json_decref(j);
    return ok;
}

bool bundle_warm_read(const struct bundle *b, struct bundle_warm *out, bool *there, struct pome_error *err)
{
    char text[WARM_BYTES_MAX];
    struct stat st;
    *there = !fstatat(b->dir_fd, bundle_member_name(BUNDLE_WARM), &st, AT_SYMLINK_NOFOLLOW);
    if (!*there)
        return errno == ENOENT || pome_fail_errno(err, "%s/%s", b->path, bundle_member_name(BUNDLE_WARM));
    int fd = bundle_member_open(b, BUNDLE_WARM, O_RDONLY, err);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    return (n > 0 && bundle_warm_parse(text, (size_t)n, out)) || pome_fail(err, POME_ERROR_INVALID_BUNDLE, "%s/%s: does not say whose memory the saved machine is", b->path, bundle_member_name(BUNDLE_WARM));
}

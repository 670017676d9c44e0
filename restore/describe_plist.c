/* describe_plist.c - facts about property lists: who a virtual Mac is, for the two that say so; every key, for all. */
#include "base/error.h"
#include "formats/identity.h"
#include "restore/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool tell_pair(void *user, const char *key, struct pl *value)
{
    struct facts *f = user;
    describe_plist_node(f, key, value);
    return !f->stopped;
}

void describe_plist_node(struct facts *f, const char *key, const struct pl *node)
{
    uint64_t number;
    size_t n = 0;
    bool flag;
    double real;
    char text[32];
    const uint8_t *data = pl_data(node, &n);
    if (pl_is_dict(node)) {
        fact_dict(f, key, NULL);
        pl_walk(node, tell_pair, f);
        fact_end(f);
    } else if (pl_is_array(node)) {
        fact_list(f, key, NULL);
        for (size_t i = 0; i < pl_count(node) && !f->stopped; i++)
            describe_plist_node(f, NULL, pl_item(node, i));
        fact_end(f);
    } else if (data) {
        fact_data(f, key, NULL, data, n);
    } else if (pl_negative(node, &number)) {
        fact_negative(f, key, NULL, number);
    } else if (pl_integer(node, &number)) {
        fact_number(f, key, NULL, number);
    } else if (pl_boolean(node, &flag)) {
        fact_flag(f, key, NULL, flag);
    } else if (pl_real(node, &real)) {
        snprintf(text, sizeof text, "%.17g", real);
        fact_text(f, key, NULL, text);
    } else {
        fact_any_text(f, key, NULL, pl_text(node) ? pl_text(node) : "(another type)");
    }
}

/* HardwareModel and MachineIdentifier, in the encodings that a Mac takes. */
static void tell_identity(struct facts *f, const void *bytes, size_t n)
{
    struct hardware_model m;
    uint64_t ecid;
    char text[80];
    if (machine_identifier_read(bytes, n, &ecid, NULL)) {
        fact_text(f, "meaning", "What it is", "machine identifier of a virtual Mac");
        snprintf(text, sizeof text, "%016" PRIX64, ecid);
        fact_text(f, "ecid", "ECID", text);
    } else if (hardware_model_read(bytes, n, &m, NULL)) {
        const struct platform *p = platform_of(m.platform);
        fact_text(f, "meaning", "What it is", "hardware model of a virtual machine");
        fact_text(f, "platform", "Platform", p ? p->name : "not known");
        snprintf(text, sizeof text, "%u.%u.%u", m.minimum_os[0], m.minimum_os[1], m.minimum_os[2]);
        fact_text(f, "minimum_host", "Host needed", text);
    }
}

bool describe_plist(struct source *s, struct facts *f, struct pome_error *err)
{
    if (s->bytes > PLIST_MAX_BYTES)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %llu bytes, a property list has at most %d", s->name, (unsigned long long)s->bytes, PLIST_MAX_BYTES);
    char *bytes = malloc((size_t)s->bytes + 1);
    struct pl *root = NULL;
    bool ok = bytes || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", s->name);
    ok = ok && source_read(s, 0, bytes, (size_t)s->bytes, err) && (root = pl_parse(bytes, (size_t)s->bytes, s->name, err));
    if (ok) {
        tell_identity(f, bytes, (size_t)s->bytes);
        describe_plist_node(f, "list", root);
    }
    pl_free(root);
    free(bytes);
    return ok;
}

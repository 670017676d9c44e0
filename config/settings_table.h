/*
 * settings_table.h - the keys of Config.json as tables, for settings.c, settings_check.c and settings_json.c only.
 *
 * How it works. Keys are rows; a row belongs to a section: the top of the file, the object "boot", or one of the lists, whose items
 * are all made by the same rows. Reading, checking and writing walk over the same tables. What one row cannot know (two keys
 * together) is said in checks[] of settings_check.c.
 */
#ifndef CONFIG_SETTINGS_TABLE_H
#define CONFIG_SETTINGS_TABLE_H

#include "config/rules.h"
#include "config/settings.h"

enum kind { U32, U64, TEXT, WORD, FLAG };

struct row {
    const char *key;
    enum kind kind;
    size_t at, size;
    const char *const *words; /* WORD: kept as its number. TEXT: what is allowed; NULL: anything */
    enum config_rule rule;    /* broken when a number is not min..max, or check says no */
    uint64_t min, max;
    bool (*check)(const char *text);
    bool required, fixed; /* fixed: not after the installation */
    bool seen; /* by the guest: a saved machine cannot go on with another one */
};

/* key NULL: the top of the file. count_at 0: a single object. */
struct section {
    const char *key;
    const struct row *rows;
    size_t at, count_at, item_bytes;
    bool no_device; /* Pome does not have it yet */
    bool host_only; /* the guest does not see it */
};

enum { SETTINGS_FIELD = 96 };
extern const struct section settings_sections[]; /* the first one is the top */
extern const size_t settings_n_sections;

/* By their keys; NULL when there is none. */
const struct section *settings_section(const char *key);
const struct row *settings_row(const struct section *c, const char *key);

/* How many items a section has in s (1 for what is no list), and where the i-th is. */
size_t settings_count(const struct section *c, const struct settings *s);
void *settings_item(const struct section *c, const struct settings *s, size_t i);

/* A row's value, for U32, U64 and WORD. */
uint64_t settings_number(const struct row *r, const void *value);

/* "memorySize", "boot.kernel", "networks[0].mtu"; returns field. */
const char *settings_field(const struct section *c, size_t i, const char *key, char field[SETTINGS_FIELD]);

/* A text that is none of r->words: the finding. */
void settings_check_word(const struct row *r, const char *word, const char *path, const char *field, struct findings *out);

#endif

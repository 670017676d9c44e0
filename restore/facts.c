/* facts.c - telling facts. */
#include "restore/facts.h"

static void tell(struct facts *f, struct pome_fact fact)
{
    fact.detail = f->detail;
    f->stopped = f->stopped || !f->fn(f->user, &fact);
}

void fact_text(struct facts *f, const char *key, const char *title, const char *text)
{
    if (text && *text)
        fact_any_text(f, key, title, text);
}

void fact_any_text(struct facts *f, const char *key, const char *title, const char *text)
{
    tell(f, (struct pome_fact){.type = POME_FACT_TEXT, .key = key, .title = title, .text = text});
}

void fact_negative(struct facts *f, const char *key, const char *title, uint64_t below_zero)
{
    tell(f, (struct pome_fact){.type = POME_FACT_NEGATIVE, .key = key, .title = title, .number = below_zero});
}

void fact_number(struct facts *f, const char *key, const char *title, uint64_t number)
{
    tell(f, (struct pome_fact){.type = POME_FACT_NUMBER, .key = key, .title = title, .number = number});
}

void fact_hex(struct facts *f, const char *key, const char *title, uint64_t number)
{
    tell(f, (struct pome_fact){.type = POME_FACT_HEX, .key = key, .title = title, .number = number});
}

void fact_size(struct facts *f, const char *key, const char *title, uint64_t bytes)
{
    tell(f, (struct pome_fact){.type = POME_FACT_SIZE, .key = key, .title = title, .number = bytes});
}

void fact_flag(struct facts *f, const char *key, const char *title, bool flag)
{
    tell(f, (struct pome_fact){.type = POME_FACT_FLAG, .key = key, .title = title, .number = flag});
}

void fact_data(struct facts *f, const char *key, const char *title, const void *bytes, size_t n)
{
    tell(f, (struct pome_fact){.type = POME_FACT_DATA, .key = key, .title = title, .data = bytes, .bytes = n});
}

void fact_dict(struct facts *f, const char *key, const char *title)
{
    tell(f, (struct pome_fact){.type = POME_FACT_DICT, .key = key, .title = title});
}

void fact_list(struct facts *f, const char *key, const char *title)
{
    tell(f, (struct pome_fact){.type = POME_FACT_LIST, .key = key, .title = title});
}

void fact_end(struct facts *f)
{
    tell(f, (struct pome_fact){.type = POME_FACT_END});
}

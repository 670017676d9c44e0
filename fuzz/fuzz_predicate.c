/* fuzz_predicate.c - any text as a predicate (log/predicate.h), tried on records made of the same text. */
#include "log/predicate.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    struct log_predicate *p = log_predicate_parse(text, NULL);
    const struct log_record r = {.level = LOG_LEVEL_INFO, .pid = 1, .process = "kernel", .subsystem = "", .category = "c", .message = text, .boot = ""};
    if (p)
        log_predicate_holds(p, &r);
    log_predicate_free(p);
    free(text);
    return 0;
}

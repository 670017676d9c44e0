/* fuzz_journal.c - the guest's journal (log/journal.h). The first two bytes say where it is cut: both parts, one after the other in two readers,
 * must say what one reader says. */
#include "log/journal.h"
#include "log/record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What matters of the records, as one number; how often: without those that a new reader cannot know to be repeated. */
static uint64_t feed(struct journal *j, const uint8_t *data, size_t n, uint64_t sum)
{
    static char line[LOG_LINE_MAX + 1];
    struct log_record r;
    for (size_t i = 0; i < n; i++)
        if (journal_feed(j, data[i], &r)) {
            if (!r.message[0] || r.guest_ns < 0 || r.level >= LOG_LEVELS || strlen(r.message) > LOG_MESSAGE_MAX)
                abort();
            r.boot = "";
            for (size_t k = 0, size = record_write(&r, line); k < size; k++)
                sum = (sum ^ (uint8_t)line[k]) * 0x100000001b3;
        }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct journal one, two;
    static uint8_t rest[LOG_JOURNAL_UNFINISHED_MAX];
    if (size < 2)
        return 0;
    size_t cut = (size_t)(data[0] | data[1] << 8) % (size - 1);
    data += 2;
    size -= 2;
    journal_init(&one);
    uint64_t whole = feed(&one, data, size, 1);
    journal_init(&one);
    uint64_t parts = feed(&one, data, cut, 1);
    size_t n = journal_unfinished(&one, rest);
    journal_init(&two);
    memcpy(two.boot, one.boot, sizeof two.boot); /* what it knows of earlier entries is not saved */
    two.last_us = one.last_us;
    two.n_last = one.n_last;
    two.n_again = one.n_again;
    two.again = one.again;
    parts = feed(&two, rest, n, parts);
    parts = feed(&two, data + cut, size - cut, parts);
    if (whole != parts && size < sizeof rest)
        abort();
    return 0;
}

/* fuzz_log.c - lines of the log store, and the guest's console (log/record.h, console.h). */
#include "log/console.h"
#include "log/record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char line[LOG_LINE_MAX + 1], out[LOG_LINE_MAX + 1];
    static struct console_line c;
    struct log_record r, again;
    size_t n = size < LOG_LINE_MAX ? size : LOG_LINE_MAX;
    enum console_speaker speaker = CONSOLE_FIRMWARE;
    memcpy(line, data, n);
    line[n] = 0;
    if (record_read(line, n, &r)) {
        size_t k = record_write(&r, out);
        if (k > LOG_LINE_MAX || (strlen(r.message) > 0 && !record_read(out, k - 1, &again)))
            abort();
    }
    c.n = 0;
    c.escape = 0;
    for (size_t i = 0; i < size; i++)
        if (console_line_feed(&c, data[i])) {
            struct log_record s = {0};
            console_line_parse(c.text, &speaker, &s);
            if (!s.message || !s.process)
                abort();
            record_write(&s, out);
            c.n = 0;
        }
    return 0;
}

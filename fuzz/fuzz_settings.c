/* fuzz_settings.c - Config.json (config/settings.h). */
#include "config/settings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s, again;
    struct pome_error err = {0};
    if (settings_read(data, size, "Config.json", &s, &err)) {
        size_t n;
        char *text = settings_write(&s, &n);
        if (!text || !settings_read(text, n, "again", &again, &err) || again.memory_bytes != s.memory_bytes)
            abort();
        free(text);
    } else if (!err.message[0]) {
        abort();
    }
    return 0;
}

/*
 * fuzz_foreign.c - machines of other tools (bundle/foreign.h). The first byte says whose file the rest is: tart, UTM, VirtualBuddy, macosvm, vfkit.
 */
#include "bundle/foreign.h"
#include "bundle/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {"config.json", "config.plist", ".vbdata/Config.plist", "machine.json", "run.sh"};
static char folder[64];

static void remove_folder(void)
{
    remove_tree(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[128];
    static struct foreign f;
    if (!folder[0]) {
        strcpy(folder, "/tmp/pome-fuzz-XXXXXX");
        if (!mkdtemp(folder))
            abort();
        atexit(remove_folder);
    }
    if (!size || size > 1 << 16)
        return 0;
    unsigned which = data[0] % (sizeof files / sizeof *files);
    if (which == 2) {
        snprintf(path, sizeof path, "%s/.vbdata", folder);
        mkdir(path, 0700);
    }
    snprintf(path, sizeof path, "%s/%s", folder, files[which]);
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(data + 1, 1, size - 1, out) != size - 1 || fclose(out))
        abort();
    struct findings l = {0};
    struct pome_error err = {0};
    if (foreign_open(which < 3 ? folder : path, &f, &l, &err)) {
        struct findings again = {0};
        settings_check(&f.settings, NULL, &again); /* what was taken over is what Pome allows, but for what import adds */
        for (size_t i = 0; i < again.n; i++)
            if (again.items[i].rule->severity == POME_FINDING_ERROR && strcmp(again.items[i].rule->code, "boot-kernel-missing"))
                abort();
        findings_free(&again);
    } else if (!err.message[0]) {
        abort();
    }
    findings_free(&l);
    snprintf(path, sizeof path, "%s/%s", folder, files[which]);
    remove(path);
    if (which == 2) {
        snprintf(path, sizeof path, "%s/.vbdata", folder);
        remove(path);
    }
    return 0;
}

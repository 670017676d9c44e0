/* fuzz_manifest.c - BuildManifest.plist, Restore.plist and SystemVersion.plist (restore/manifest.h), through formats/plist.h. */
#include "restore/manifest.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest m;
    struct restore_plist r;
    struct pome_error err = {0};
    char name[MANIFEST_TEXT];
    if (manifest_read(data, size, &m, &err)) {
        for (size_t i = 0; i < m.n; i++)
            if (strlen(m.components[i].path) >= MANIFEST_PATH || m.components[i].digest_bytes > 64)
                abort();
        manifest_free(&m);
    } else if (!err.message[0]) {
        abort();
    }
    restore_plist_read(data, size, "pome1ap", &r, &err);
    struct pl *root = pl_parse(data, size, "fuzz", &err);
    if (root)
        system_version_of(root, name, &err);
    pl_free(root);
    return 0;
}

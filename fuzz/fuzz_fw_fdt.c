/* fuzz_fw_fdt.c - the firmware's editor of device trees: its output is a tree that libfdt finds sound enough to walk. */
#include "firmware/fdt_edit.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t to[1 << 17];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fdt_chosen chosen = {"console=ttyAMA0", 0x1000, 0x2000};
    size_t n, args;
    fdt_bootargs(data, size, &args);
    if (fdt_edit_chosen(data, size, &chosen, to, sizeof to, &n))
        return 0;
    /* What was written is read again without complaint, and has our arguments. */
    const char *text = fdt_bootargs(to, n, &args);
    if (n > sizeof to || !text || !fw_same(text, chosen.bootargs))
        abort();
    return 0;
}

/* fuzz_ipsw.c - restore images as Recovery reads them inside the guest (restore/build/recovery/ipsw.h). */
#include "restore/build/recovery/ipsw.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"OS", "KernelCache", "RecoveryCommandLine"};
    struct pome_error err;
    struct ipsw i;
    struct ipsw_component c;
    char text[64];
    if (!ipsw_open(data, size, &i, &err))
        return 0;
    ipsw_text(&i, "ProductVersion", text, sizeof text);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        if (ipsw_component(&i, names[k], &c, &err))
            ipsw_verify(&c, names[k], &err);
    return 0;
}

/*
 * fuzz_move.c - any bytes as a kept translation: x64_move_load refuses them, or puts what they say into the code memory, and nothing else.
 * Nothing is run: that a file says what was written is for the digests of cpu/jit/cache.c.
 */
#include "cpu/jit/jit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct x64_code *code;
    static struct x64_config config;
    struct x64_block out;
    struct pome_error err;
    if (!code) {
        jit_configure(&config, jit_helpers, 12);
        if (!x64_host_supported(&err) || !(code = x64_code_create(1 * MiB, &err)) || !x64_code_prepare(code, &config, &err))
            return 0;
    }
    if (!x64_move_load(code, data, size, &out))
        x64_code_reset(code);
    else
        for (unsigned i = 0; i < out.n_links; i++)
            x64_link(code, out.link[i].patch, NULL);
    return 0;
}

/*
 * fuzz_fw_img4.c - the firmware's IMG4 reader, certificates, signature and policy included: whatever is accepted lies inside the input.
 * The first 80 bytes are what the machine trusts, so that the corpus can hold tickets that pass: digest of the root certificate,
 * boot nonce.
 */
#include "firmware/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct der part, const uint8_t *data, size_t size)
{
    if (part.p < data || part.n > size || (size_t)(part.p - data) > size - part.n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct machine machine = {0x8877665544332211, 0x70, 0xfe70, 1, {0}, {0}, {{7, 7}, {0}}};
    struct im4p p;
    struct ticket t;
    struct policy policy;
    size_t at, end;
    if (size < sizeof machine.anchor + sizeof machine.boot_nonce)
        return 0;
    memcpy(machine.anchor, data, sizeof machine.anchor);
    memcpy(machine.boot_nonce, data + sizeof machine.anchor, sizeof machine.boot_nonce);
    data += sizeof machine.anchor + sizeof machine.boot_nonce;
    size -= sizeof machine.anchor + sizeof machine.boot_nonce;
    if (!im4p_peek(data, size, size, &at, &end) && (at > end || end > size))
        abort();
    if (!im4p_parse((struct der){data, size}, &p))
        inside(p.payload, data, size);
    if (!img4_open((struct der){data, size}, "illb", &machine, &p, &t)) {
        inside(p.payload, data, size);
        inside(t.images, data, size);
    }
    ticket_open((struct der){data, size}, &machine, &t);
    policy_open((struct der){data, size}, &machine, &policy);
    return 0;
}

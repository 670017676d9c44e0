/* host.c - features of the host, less those that POME_X64_WITHOUT names. */
#include "x64/host.h"
#include "base/error.h"
#include "x64/x64.h"
#include <cpuid.h>
#include <pthread.h>
#include <stdlib.h>

static struct x64_host host;

/* XCR0: which register sets the operating system saves. */
static uint64_t read_xcr0(void)
{
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

bool x64_without(const char *name)
{
    const char *list = getenv("POME_X64_WITHOUT"), *at = list;
    size_t n = strlen(name);
    while (at && (at = strstr(at, name))) {
        bool starts = at == list || at[-1] == ',', ends = at[n] == 0 || at[n] == ',';
        if (starts && ends)
            return true;
        at += n;
    }
    return false;
}

static void hide(void)
{
#define HIDE(field)     \
    if (x64_without(#field)) \
        host.field = false;
    HIDE(popcnt) HIDE(aes) HIDE(pclmul) HIDE(avx) HIDE(avx2) HIDE(fma) HIDE(f16c) HIDE(bmi1) HIDE(bmi2) HIDE(lzcnt)
    HIDE(sha) HIDE(gfni) HIDE(pin) HIDE(vpin) HIDE(pair) HIDE(rdx) HIDE(twin) HIDE(stay) HIDE(later) HIDE(over) HIDE(high) HIDE(loop) HIDE(family) HIDE(carry) HIDE(exclusive) HIDE(share) HIDE(masked) HIDE(avx512vl) HIDE(avx512_vbmi) HIDE(avx512_bitalg) HIDE(avx512_popcnt) HIDE(avx512_vnni) HIDE(fptraps)
#undef HIDE
    if (!host.avx)
        host.avx2 = host.fma = host.f16c = host.bmi1 = host.bmi2 = host.avx512vl = false; /* all of them are VEX or EVEX coded */
    if (!host.avx2)
        host.avx512vl = false;
    if (!host.avx512vl)
        host.masked = host.avx512_vbmi = host.avx512_bitalg = host.avx512_popcnt = host.avx512_vnni = false;
}

static void find(void)
{
    uint32_t a, b, c, d;
    host.pin = host.vpin = host.pair = host.rdx = host.twin = host.stay = host.later = host.over = host.high = host.loop = host.family = host.carry = host.exclusive = host.share = host.masked = host.fptraps = true;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return;
    host.sse42 = c & bit_SSE4_2, host.popcnt = c & bit_POPCNT, host.aes = c & bit_AES, host.pclmul = c & bit_PCLMUL;
    uint64_t xcr0 = c & bit_OSXSAVE ? read_xcr0() : 0;
    bool ymm = (xcr0 & 6) == 6, zmm = (xcr0 & 0xe6) == 0xe6;
    host.avx = ymm && c & bit_AVX, host.fma = ymm && c & bit_FMA, host.f16c = ymm && c & bit_F16C;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        host.avx2 = ymm && b & bit_AVX2, host.bmi1 = b & bit_BMI, host.bmi2 = b & bit_BMI2;
        host.sha = b & bit_SHA, host.gfni = c & bit_GFNI;
        host.avx512vl = zmm && b & bit_AVX512F && b & bit_AVX512VL && b & bit_AVX512BW && b & bit_AVX512DQ;
        host.avx512_vbmi = c & bit_AVX512VBMI, host.avx512_bitalg = c & bit_AVX512BITALG;
        host.avx512_popcnt = c & bit_AVX512VPOPCNTDQ, host.avx512_vnni = c & bit_AVX512VNNI;
    }
    if (__get_cpuid(0x80000001, &a, &b, &c, &d))
        host.lzcnt = c & bit_LZCNT;
    hide();
}

const struct x64_host *x64_host(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find);
    return &host;
}

bool x64_host_supported(struct pome_error *err)
{
    if (x64_host()->sse42)
        return true;
    return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "this processor has no SSE4.2 (x86-64-v2): translated code needs it");
}

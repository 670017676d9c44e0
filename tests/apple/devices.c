/* devices.c - the platform's devices where they are, as XNU finds them. */
#include "tests/apple/guest.h"

void test_devices(void)
{
    /* PL011: transmitter not full, nothing received, identification */
    CHECK_EQ(rd32(UART + 0x18) & (1 << 4), 1 << 4);
    CHECK_EQ(rd32(UART + 0x30), 0x301);
    CHECK_EQ(rd32(UART + 0x38), 0);
    CHECK_EQ(rd32(UART + 0xfe0), 0x11);
    /* PL031: a date of this century, and it is set by a write */
    uint32_t now = rd32(RTC);
    CHECK(now > 1600000000);
    CHECK_EQ(rd32(RTC + 0xfe0), 0x31);
    /* PL061: power button not pressed */
    CHECK_EQ(rd32(GPIO + 0xfe0), 0x61);
    CHECK_EQ(rd32(GPIO + 8 * 4) & 8, 0);
    CHECK(*(volatile uint8_t *)PVPANIC & 1);
    /* PCI Express: slot 0 is empty, others answer by their vendor */
    CHECK_EQ(rd32(ECAM), 0xffffffff);
    CHECK_EQ(rd32(ECAM + (1 << 15)), rd32(CFG + 0x10) == 0x20 ? 0x1a00106b : 0x10441af4); /* Apple's disk; entropy */
    /* the distributor is where it was said, and has 256 SPIs */
    CHECK_EQ(rd32(GICD + 4) & 31, 8);
    CHECK_EQ(rd32(GICD + 0xffe8) & 0xf0, 0x30);
}

/* ---- as a ROM of the user's, with Apple's board number: configuration region, backdoor ---- */

enum { ROOT = 0, AUX = 0x10000, USB = 0x100000, TO_GUEST = 0x00030001, FROM_GUEST = 0x00010001 };

static struct {
    struct { uint64_t gpa; uint32_t bytes, flags; } d[3];
    struct { uint32_t zero[2], sector, more; } command;
    volatile uint8_t result;
    uint32_t data[256] __attribute__((aligned(512)));
} request;

static uint8_t ask(uint64_t unit, uint32_t sector, uint32_t bytes, uint32_t flags)
{
    request.d[0].gpa = (uint64_t)&request.command;
    request.d[0].bytes = sizeof request.command;
    request.d[0].flags = 1;
    request.d[1].gpa = (uint64_t)request.data;
    request.d[1].bytes = bytes;
    request.d[1].flags = flags;
    request.d[2].gpa = (uint64_t)&request.result;
    request.d[2].bytes = 1;
    request.command.sector = sector;
    request.result = 0xee;
    asm volatile("dsb sy" : : : "memory");
    wr64(BACKDOOR + unit + 0x408, (uint64_t)&request);
    asm volatile("dsb sy" : : : "memory");
    return request.result;
}

static void configuration_region(void)
{
    CHECK_EQ(rd32(CFG + 0x08), 1);
    CHECK_EQ(rd32(CFG + 0x2c), 1);
    CHECK_EQ(rd32(CFG + 0x28), 0); /* no restore asked for */
    for (unsigned i = 0; i < n_cpus(); i++)
        CHECK_EQ(rd32(CFG + 0x100 + 4 * i), i);
    CHECK_EQ(rd32(CFG + 0x3a0), 0x00412f44); /* "D/A", by both readings */
    CHECK_EQ(rd32(CFG + 0x520), 0x00412f44);
    wr32(CFG + 0x300, 0x12345678); /* scratch */
    CHECK_EQ(rd32(CFG + 0x300), 0x12345678);
}

static void backdoor(void)
{
    CHECK_EQ(rd32(BACKDOOR + ROOT), 1);
    CHECK_EQ(rd32(BACKDOOR + ROOT + 4), 2);
    CHECK_EQ(rd32(BACKDOOR + ROOT + 8), 0x420);
    uint32_t sectors = rd32(BACKDOOR + ROOT + 0x420);
    bool ours = sectors == 2048 && rd32(BACKDOOR + AUX + 0x420) == 64; /* disks of the test's own; others are only read */
    CHECK(sectors >= 2048);
    CHECK_EQ(rd32(BACKDOOR + USB + 4), 0x1a01);
    CHECK_EQ(rd32(BACKDOOR + 0x20000), 0); /* no such unit */
    CHECK_EQ(ask(ROOT, 3, 1024, TO_GUEST), 0);
    CHECK(!ours || (request.data[0] == 3 && request.data[128] == 4)); /* the host wrote each sector's number at its start */
    if (ours) {
        request.data[0] = 0xabcd0005;
        CHECK_EQ(ask(AUX, 5, 512, FROM_GUEST), 0);
        request.data[0] = 0;
        CHECK_EQ(ask(AUX, 5, 512, TO_GUEST), 0);
        CHECK_EQ(request.data[0], 0xabcd0005);
    }
    CHECK_EQ(ask(ROOT, sectors - 1, 1024, TO_GUEST), 1); /* past the end */
    CHECK_EQ(ask(ROOT, 0, 100, TO_GUEST), 1);
    CHECK_EQ(ask(ROOT, 0, 0, TO_GUEST), 1);
    CHECK_EQ(ask(USB, 0, 512, TO_GUEST), 0xee); /* nobody answers */
    wr64(BACKDOOR + ROOT + 0x408, 0x10); /* no memory: ignored */
}

void test_boot_rom(void)
{
    if (rd32(CFG + 0x10) != 0x20)
        return;
    configuration_region();
    backdoor();
}

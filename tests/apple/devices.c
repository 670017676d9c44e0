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
    CHECK_EQ(rd32(ECAM + (1 << 15)) & 0xffff, 0x1af4);
    /* the distributor is where it was said, and has 256 SPIs */
    CHECK_EQ(rd32(GICD + 4) & 31, 8);
    CHECK_EQ(rd32(GICD + 0xffe8) & 0xf0, 0x30);
}

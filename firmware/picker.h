/* picker.h - asks on the console what to start. */
#ifndef FIRMWARE_PICKER_H
#define FIRMWARE_PICKER_H

#include "firmware/fw.h"

/* Shows numbered items (at most 9) and waits for a digit: its item's index, or -1 when no key comes for so long. */
int picker_ask(const char *const *items, int n, uint64_t timeout_us);

#endif

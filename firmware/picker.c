/* picker.c - a list on the console; a key is its item's digit. */
#include "firmware/picker.h"

int picker_ask(const char *const *items, int n, uint64_t timeout_us)
{
    fw_print("\n");
    for (int i = 0; i < n; i++)
        fw_print("  %u  %s\n", (uint32_t)i + 1, items[i]);
    fw_print("What is to be started? (1-%u, within %lu seconds) ", (uint32_t)n, timeout_us / 1000000);
    for (;;) {
        int key = fw_key(timeout_us); /* any key shows that somebody is there: the time begins anew */
        if (key < 0) {
            fw_print("no answer\n");
            return -1;
        }
        if (key >= '1' && key < '1' + n) {
            fw_print("%c\n", key);
            return key - '1';
        }
    }
}

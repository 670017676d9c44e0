/* guid.c - GUIDs. */
#include "formats/guid.h"

#include <stdio.h>
#include <string.h>

/* Place of each byte of the text in storage. */
static const uint8_t mixed[16] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool guid_parse(const char *text, uint8_t guid[16])
{
    if (strlen(text) != GUID_TEXT - 1)
        return false;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            if (*text++ != '-')
                return false;
        int hi = digit(text[0]), lo = digit(text[1]);
        if (hi < 0 || lo < 0)
            return false;
        guid[mixed[i]] = (uint8_t)(hi << 4 | lo);
        text += 2;
    }
    return true;
}

static void print(const uint8_t *b, char *text)
{
    snprintf(text, GUID_TEXT, "%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", b[0], b[1], b[2], b[3], b[4], b[5],
             b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

void guid_text_raw(const uint8_t guid[16], char text[GUID_TEXT])
{
    print(guid, text);
}

void guid_text(const uint8_t guid[16], char text[GUID_TEXT])
{
    uint8_t b[16];
    for (int i = 0; i < 16; i++)
        b[i] = guid[mixed[i]];
    print(b, text);
}

void guid_from_random(uint8_t guid[16])
{
    guid[7] = (uint8_t)((guid[7] & 0x0f) | 0x40);
    guid[8] = (uint8_t)((guid[8] & 0x3f) | 0x80);
}

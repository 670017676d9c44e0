/* guid.h - GUIDs as GPT stores them: 16 bytes, the first three fields little-endian (UEFI 2.10, appendix A). */
#ifndef FORMATS_GUID_H
#define FORMATS_GUID_H

#include <stdbool.h>
#include <stdint.h>

enum { GUID_TEXT = 37 };

/* "69646961-6700-11AA-AA11-00306543ECAC" -> 61 69 64 69 00 67 aa 11 aa 11 00 30 65 43 ec ac. */
bool guid_parse(const char *text, uint8_t guid[16]);

/* Upper-case, with NUL. raw: bytes in the order they are stored, as boot-volume has them. */
void guid_text(const uint8_t guid[16], char text[GUID_TEXT]);
void guid_text_raw(const uint8_t guid[16], char text[GUID_TEXT]);

/* Makes 16 random bytes a version 4 GUID. */
void guid_from_random(uint8_t guid[16]);

#endif

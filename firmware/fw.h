/* fw.h - what both stages share: memory, text output, time, power. Freestanding; includes nothing of the host. */
#ifndef FIRMWARE_FW_H
#define FIRMWARE_FW_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every function that can fail returns NULL, or the reason as a constant text for the log. */
typedef const char *fw_why;

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int byte, size_t n);
void *memmove(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *bytes, int byte, size_t n);
int strcmp(const char *a, const char *b);
size_t strlen(const char *s);

bool fw_same(const char *a, const char *b);
bool fw_starts_with(const char *s, const char *prefix);

/* Integers from bytes of any alignment. Memory is of Device type while the MMU is off, where unaligned accesses
 * fault, so these go by bytes; nothing hot uses them. */
uint16_t fw_le16(const void *p);
uint32_t fw_le32(const void *p);
uint64_t fw_le64(const void *p);
uint32_t fw_be32(const void *p);
void fw_put_le32(void *p, uint32_t v);
void fw_put_be32(void *p, uint32_t v);
void fw_put_be64(void *p, uint64_t v);

/* printf of %s %c %u %x %lu %lx %% with width and zero padding; to the UART. */
void fw_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t fw_now_us(void);
uint32_t fw_cfg32(uint32_t offset);
uint64_t fw_cfg64(uint32_t offset);

/* The next character from the console, or -1 when none comes for so long. */
int fw_key(uint64_t timeout_us);

/* The guest cannot be started: tells the machine so (pvpanic), or powers it off where there is no such device. */
_Noreturn void fw_give_up(void);
_Noreturn void fw_power_off(void);

/* Waits for ever. */
_Noreturn void fw_wait(void);

#endif

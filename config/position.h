/* position.h - where in a JSON text a key or an item stands. */
#ifndef CONFIG_POSITION_H
#define CONFIG_POSITION_H

#include <stdbool.h>
#include <stddef.h>

/* The line and column (from 1, in bytes) of "networks[0].mtu" in n bytes of JSON that were parsed before: of the key, or of an array's item. False when it
 * is not there. */
bool json_position(const char *text, size_t n, const char *path, int *line, int *column);

#endif

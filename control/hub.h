/*
 * hub.h - the guest's console among its users: a ring of what it said last, the copy (a terminal, standard output), and the viewers.
 *
 * Bytes are numbered from 0. Every reader has the number of its next byte; the ring holds the newest HUB_RING of them. The copy loses
 * nothing: while it is behind, the guest's output is not read, and the guest waits. A viewer that is behind misses bytes.
 */
#ifndef CONTROL_HUB_H
#define CONTROL_HUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HUB_RING = 1 << 18, HUB_COPY_BEHIND = 1 << 16 };

struct hub {
    int from_guest, to_guest, copy; /* borrowed; -1: none. copy: our own, non-blocking where that is possible */
    bool copy_is_socket;
    uint64_t copied, end;           /* next byte of the copy; bytes so far */
    char *ring;
};

bool hub_init(struct hub *h, int from_guest, int to_guest, int copy_to);
void hub_finish(struct hub *h);

/* Reads what the guest said and writes the copy, as far as neither blocks. True when there is something new. */
bool hub_pump(struct hub *h);

/* What to wait for. */
bool hub_wants_output(const struct hub *h);  /* that from_guest can be read */
bool hub_copy_is_behind(const struct hub *h); /* that copy can be written */

/* The oldest byte that is still there. */
uint64_t hub_begin(const struct hub *h);

/* Where a viewer begins who wants to see the last `recent` bytes: at the beginning of a line, if there is one. */
uint64_t hub_recent(const struct hub *h, size_t recent);

/* A piece of what there is from *at on: sets *piece, returns its length, moves nothing. *at before hub_begin() is the caller's to put right. */
size_t hub_piece(const struct hub *h, uint64_t at, const char **piece);

/* Types; how many bytes were taken. */
size_t hub_type(struct hub *h, const char *bytes, size_t n);

#endif

/*
 * console.h - a byte stream in each direction between a guest's serial port and two file descriptors of the host.
 *
 * Lossless and bounded: each direction has one ring; when the guest-to-host ring is full, console_put takes less and the
 * device tells its guest to wait; when the host-to-guest ring is full, nothing more is read from the descriptor. The
 * descriptors may be of any kind (file, pipe, terminal, socket), blocking or not: a thread each serves them. In their place there may be a socket
 * to which one program at a time connects; what the guest says while there is none is dropped.
 */
#ifndef BACKEND_CONSOLE_H
#define BACKEND_CONSOLE_H

#include "base/loop.h"

#define CONSOLE_OUT_BYTES 65536 /* rings */
#define CONSOLE_IN_BYTES  4096

struct console;

struct console_options {
    int in_fd, out_fd; /* borrowed, open until console_destroy; -1: none (no input; output is dropped after the tap) */
    const char *socket; /* path, instead of descriptors; removed with the console. Borrowed during console_create */
    /* Sees every byte of guest output once, in order, on the console's own thread; NULL: nobody. */
    void (*tap)(void *ctx, const uint8_t *bytes, size_t n);
    void *tap_ctx;
};
/* Errors: those of unix_socket_listen; OUT_OF_MEMORY. */
struct console *console_create(struct loop *loop, const struct console_options *options, struct pome_error *err);

/* Writes out what the guest has sent (gives up after drain_ms when nobody reads), stops the threads, frees. Not on the
 * loop's thread, device detached. NULL allowed. */
void console_destroy(struct console *c, unsigned drain_ms);

/* The device's side; any thread. */
struct console_client {
    void (*input)(void *ctx); /* on the loop: console_get has something */
    void (*room)(void *ctx);  /* on the loop: console_put, which took less than it was given, takes bytes again */
    void (*opened)(void *ctx); /* on the loop: console_is_open may say something else; NULL: never mind */
    void *ctx;
};
void console_attach(struct console *c, const struct console_client *client); /* NULL: detach (not while the loop runs) */
size_t console_put(struct console *c, const uint8_t *bytes, size_t n);       /* guest to host: how many were taken */
size_t console_get(struct console *c, uint8_t *bytes, size_t n);             /* host to guest: how many there were */
void console_ask(struct console *c);                                         /* `input` comes once more if there is something */

bool console_is_open(struct console *c); /* somebody is there; always, without a socket */

/* Waits until the host has taken everything put so far; false after timeout_ms. */
bool console_flush(struct console *c, unsigned timeout_ms);

/* Held: nothing more is read from in_fd when this returns; what is not read stays with whoever reads it next. Any thread but the loop's. */
void console_hold(struct console *c, bool held);
/* Input that was read and the guest has not taken yet: copies it, at most CONSOLE_IN_BYTES; returns how much. */
size_t console_pending(struct console *c, uint8_t *bytes);

/* Input as if it came from in_fd (a caller that reads keys itself, tests); how many bytes were taken. Any thread. */
size_t console_type(struct console *c, const uint8_t *bytes, size_t n);

#endif

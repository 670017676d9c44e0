/*
 * panic_watch.h - notices from one of its consoles that a guest's kernel panicked.
 *
 * Kernels with a pvpanic driver tell the board; many (Debian's cloud kernel) have none. What every panicking kernel does is
 * print "Kernel panic - not syncing: REASON", and then either reboot (panic=N) or print "---[ end Kernel panic ..." and
 * spin for ever. The first makes a reset that follows a panic rather than a reboot; the second, when it stays the
 * last line for a second, means that the guest is dead. Only lines with the kernel's time stamp count.
 *
 * Darwin prints "panic(cpu N caller ADDRESS): REASON" and starts the machine anew. Its lines have no stamp, so these count where no Linux has spoken.
 */
#ifndef VM_PANIC_WATCH_H
#define VM_PANIC_WATCH_H

#include "base/loop.h"

enum { PANIC_LINE = 256 };

struct panic_watch {
    struct loop *loop; /* borrowed */
    struct loop_timer timer;
    void (*dead)(void *ctx, const char *why); /* on the loop's thread */
    void *ctx;
    char line[PANIC_LINE];
    size_t n;
    bool armed; /* the end marker is the last thing it said */
    char boot_failed[PANIC_LINE]; /* the firmware's last "boot failed: ..." before a kernel spoke; else empty */
    bool linux_spoke;
    char why[PANIC_LINE]; /* "Kernel panic - not syncing: ...", "panic(cpu ..." when one was seen; else empty */
};

/* dead(ctx, why) is called at most once, a second after the kernel's last words. */
void panic_watch_init(struct panic_watch *w, struct loop *loop, void (*dead)(void *ctx, const char *why), void *ctx);
/* Forgets; before the next boot. */
void panic_watch_reset(struct panic_watch *w);
/* Console output as it comes; one thread at a time. */
void panic_watch_bytes(struct panic_watch *w, const uint8_t *bytes, size_t n);

#endif

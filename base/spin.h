/* spin.h - what a thread says to its core while it waits for another. Header only. */
#ifndef BASE_SPIN_H
#define BASE_SPIN_H

static inline void spin_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif

/*
 * hypercall.h - what a guest's HVC means: a function is a row, in psci.c or apple_calls.c.
 *
 * SMC Calling Convention 1.1 (DEN 0028): the function's number is in w0, arguments in x1 to x3, the result in x0. A call changes no other
 * register but where its row's function says so, and no flag.
 */
#ifndef CPU_HYPERCALL_H
#define CPU_HYPERCALL_H

#include "cpu/vcpu.h"

enum { HYPERCALL_UNKNOWN = -1 }; /* what an unknown function answers: NOT_SUPPORTED */

struct arguments { uint64_t a[3]; }; /* x1..x3, cut to 32 bits for the 32-bit forms */

struct hypercall {
    uint32_t id;    /* 0 ends a table */
    bool has_64;    /* the same with bit 30 set */
    int64_t (*call)(struct vcpu *c, const struct arguments *x);
    const char *name;
};

extern const struct hypercall psci_calls[], apple_calls[];

/* NULL: this machine has no such function. */
const struct hypercall *hypercall_find(const struct vcpu *c, uint32_t id);

#endif

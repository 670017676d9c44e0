/*
 * mmu.h - the stage-1 page-table walk of the EL1&0 regime (DDI 0487 D8), as a function of registers and memory.
 */
#ifndef CPU_MMU_H
#define CPU_MMU_H

#include "base/bits.h"
#include "mem/mem.h"

/* What a leaf allows and is, after hierarchical attributes. W bits of a clean page with DBM are in MMU_CLEAN_W. */
enum {
    MMU_R0 = 1, MMU_W0 = 2, MMU_X0 = 4, /* EL0 */
    MMU_R1 = 8, MMU_W1 = 16, MMU_X1 = 32, /* EL1 */
    MMU_USER = 64,     /* EL0 may access: PAN stops EL1 */
    MMU_GUARDED = 128, /* BTI */
    MMU_DEVICE = 256,
    MMU_GLOBAL = 512,
    MMU_LARGE = 1024,  /* the leaf (or contiguous group) is larger than 4 KiB */
    MMU_DBM = 2048,    /* clean, writable once marked dirty */
    MMU_ROM = 4096,    /* memory that stores do not reach (set by the TLB, not the walk) */
};

struct mmu_regime {
    uint64_t sctlr, tcr, ttbr0, ttbr1, mair;
    unsigned pa_bits;
    struct mem *mem;
};

struct mmu_leaf {
    uint64_t pa;        /* of the address itself */
    uint32_t prot;
    uint8_t attr;       /* MAIR byte */
    uint8_t sh;         /* shareability field */
    uint64_t size;      /* of the mapping (contiguous group included), for TLB maintenance */
    uint64_t descriptor_gpa;
    uint64_t descriptor;
};

struct mmu_fault {
    uint8_t fsc;        /* fault status code as in ESR.DFSC */
};
enum { FSC_ADDRESS_SIZE = 0x00, FSC_TRANSLATION = 0x04, FSC_ACCESS_FLAG = 0x08, FSC_PERMISSION = 0x0c,
       FSC_EXTERNAL = 0x10, FSC_EXTERNAL_WALK = 0x14, FSC_ALIGNMENT = 0x21, FSC_TLB_CONFLICT = 0x30,
       FSC_ATOMIC = 0x35 };

enum mmu_access { MMU_READ, MMU_WRITE, MMU_FETCH };

/* Translates va for an access by EL0 or EL1. Sets the access flag (TCR.HA), and the dirty state (TCR.HD) when a write
 * is allowed by it, in memory. false: *fault. Permission is checked; pan: PSTATE.PAN applies. */
bool mmu_translate(const struct mmu_regime *r, uint64_t va, enum mmu_access access, bool el0, bool pan, struct mmu_leaf *leaf,
                   struct mmu_fault *fault);

/* true when prot allows the access */
bool mmu_allows(uint32_t prot, enum mmu_access access, bool el0, bool pan);

/* log2 of the granule of the half that va is in */
unsigned mmu_granule_bits(uint64_t tcr, uint64_t va);

#endif

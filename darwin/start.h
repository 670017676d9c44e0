/*
 * start.h - how a Darwin kernel is entered: where its parts lie in memory, what boot_args says of them, what the boot loader
 * fills into the device tree. Used by the host for `pome boot`, and by stage 2 in the guest for installed machines.
 *
 * How it works
 *   One offset relates all: physical = virtual - virt_base + ram_gpa, for the kernel's segments and for all that is placed with it. The kernel maps
 *   memory in blocks of 32 MiB before anything else, so both bases are multiples of that (XNU, osfmk/arm64/start.s and arm_vm_init.c).
 *
 *       ram_gpa ...     trust cache                   right below the kernel, in the hole that its link address leaves: a release kernel takes it nowhere else
 *                                                     (XNU, arm_vm_prot_init: "EXTRADATA")
 *       kernel          segments                      at their offsets
 *       above it        RAM disk, device tree,        from the next page on: the RAM disk's place depends on no size but the kernel's; a tree below the kernel would
 *                       boot_args                     be taken for one that hardware protects, and a kernel for machines without it does not map that (SecureDTIsLockedDown)
 *       top             topOfKernelData               the kernel takes memory from here on
 *       ...             free
 *       mem_end         frame buffer                  the last MiBs of RAM are none of the kernel's
 *
 *   Everything begins at a page of 16 KiB.
 */
#ifndef DARWIN_START_H
#define DARWIN_START_H

#include "darwin/adt.h"
#include "darwin/macho.h"

enum {
    DARWIN_PAGE = 0x4000,
    DARWIN_BOOT_ARGS_BYTES = 0x480, /* of struct boot_args, version 2 */
    DARWIN_COMMAND_LINE = 1024,     /* bytes in it, with its end */
    DARWIN_REVISION_MAX = 3,
    DARWIN_SCREEN_WIDTH = 1024, DARWIN_SCREEN_HEIGHT = 768, /* of the frame buffer, 32 bits a pixel; nobody looks at it */
};

struct darwin_range {
    uint64_t gpa, bytes; /* 0 bytes: none */
};

/* What is to be placed. */
struct darwin_parts {
    uint64_t ram_gpa, ram_bytes;
    const struct macho *kernel;
    uint64_t tree_bytes; /* of the tree as it will be, or more */
    uint64_t trust_cache_bytes, ramdisk_bytes;
};

struct darwin_layout {
    uint64_t ram_gpa, ram_bytes, virt_base;
    uint64_t entry_gpa;
    struct darwin_range kernel, tree, trust_cache, ramdisk, boot_args, screen;
    uint64_t top;
};

/* Errors: INVALID_CONFIGURATION (names what does not fit), NOT_SUPPORTED (no entry, an address that the kernel could not start at). */
bool darwin_plan(const struct darwin_parts *p, struct darwin_layout *l, struct pome_error *err);

/* Physical address of a virtual one. */
uint64_t darwin_gpa(const struct darwin_layout *l, uint64_t address);

/*
 * The kernel takes a row of trust caches: u32 how many, u32 where each begins, then they themselves (XNU, osfmk/kern/trustcache.h: struct
 * serialized_trust_caches). Writes one of n bytes as such a row of n + DARWIN_TRUST_CACHES_HEAD.
 */
enum { DARWIN_TRUST_CACHES_HEAD = 8 };
void darwin_trust_caches(const void *cache, size_t n, uint8_t *out);

/* boot_args. revision 1 to 3: from 2 on there are bootFlags. Errors: INVALID_CONFIGURATION (a command line of more than 1023 bytes). */
bool darwin_boot_args(const struct darwin_layout *l, unsigned revision, const char *command_line, uint8_t out[DARWIN_BOOT_ARGS_BYTES], struct pome_error *err);

/* What the boot loader fills in. */
struct darwin_chosen {
    const struct darwin_layout *layout;
    const void *seed;     /* of the kernel's random numbers */
    size_t seed_bytes;
    const void *nvram;    /* the current bank; NULL: leave what the tree has */
    size_t nvram_bytes;
    const char *firmware; /* who starts the kernel: "pome-1.0" */
    uint64_t ecid;        /* 0: leave it */
};

/* Fills /chosen and its memory-map, and adds the nodes that no kernel starts without if they are missing (/options, /defaults). What fails is t->failed. */
void darwin_fill(struct adt *t, const struct darwin_chosen *c);
/* A boot loader's view of the CPUs: those from n_cpus on are removed; one is running, the rest wait; all know the counter's frequency.
 * Errors: INVALID_CONFIGURATION: the tree has fewer. */
bool darwin_fill_cpus(struct adt *t, unsigned n_cpus, uint32_t counter_hz, struct pome_error *err);
/* Bytes that darwin_fill may add to a tree. */
size_t darwin_fill_bytes(const struct darwin_chosen *c);

#endif

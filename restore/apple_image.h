/*
 * apple_image.h - writes restore images shaped like those of macOS for virtual machines: identities of several devices and variants,
 * Image4 components (LZFSE, LZSS), disk images, trust caches, root hashes, a global ticket. Nothing in them is Apple's. For tests; not part
 * of the library.
 */
#ifndef RESTORE_APPLE_IMAGE_H
#define RESTORE_APPLE_IMAGE_H

#include <pome/error.h>

#include <stdint.h>

struct apple_image {
    const char *work;    /* folder for what is made on the way */
    const char *os;      /* file: the raw disk of the OS image; NULL: one of os_bytes is made up, a GPT with one APFS partition */
    uint64_t os_bytes;   /* 0: 64 MiB */
    bool encrypted;      /* the OS and its cryptexes are .dmg.aea, with apple_image_key */
    const char *version, *build;  /* NULL: "13.6", "22Z120" */
    const char *min_host;         /* NULL: "13.0.0" */
    bool without_vm;     /* only Macs' identities */
};

extern const uint8_t apple_image_key[32];

bool apple_image_make(const struct apple_image *options, const char *path, struct pome_error *err);

#endif

/*
 * pome/inspect.h - what is in a file: restore images, disk images, encrypted archives, Image4 files, trust caches, Darwin kernels,
 * Apple device trees. By content, not by name.
 *
 * A description is a tree of facts, told one after the other: what `pome image info` prints, as text or JSON, and `pome image diff`
 * compares. Files may be many gigabytes: they are read in pieces.
 */
#ifndef POME_INSPECT_H
#define POME_INSPECT_H

#include <pome/error.h>
#include <pome/progress.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pome_file_kind {
    POME_FILE_UNKNOWN,
    POME_FILE_RESTORE_IMAGE, /* .ipsw: see also pome/restore_image.h */
    POME_FILE_DISK_IMAGE,    /* UDIF, .dmg */
    POME_FILE_ARCHIVE,       /* Apple Encrypted Archive, .aea */
    POME_FILE_IM4P, POME_FILE_IM4M, POME_FILE_IM4R, POME_FILE_IMG4,
    POME_FILE_TRUST_CACHE,
    POME_FILE_RAW_DISK,      /* a disk as it is: a partition map, or an APFS container. Can be described only. Since: 0.2 */
    POME_FILE_DARWIN_KERNEL, /* Mach-O executable or file set. Can be described only. Since: 0.2 */
    POME_FILE_DEVICE_TREE,   /* Apple device tree. Can be described only. Since: 0.2 */
    POME_FILE_PROPERTY_LIST, /* BuildManifest.plist, HardwareModel, MachineIdentifier, ... Can be described only. Since: 0.2 */
};

/* UNKNOWN and *err when the file cannot be read (NOT_FOUND, IO, ...) or is of no kind that is known (NOT_SUPPORTED).   Since: 0.1. */
POME_API enum pome_file_kind pome_file_kind(const char *path, struct pome_error *err);

/* "disk image (UDIF)". Static. */
POME_API const char *pome_file_kind_name(enum pome_file_kind kind);

enum pome_fact_type {
    POME_FACT_TEXT,   /* text */
    POME_FACT_NUMBER, /* number */
    POME_FACT_HEX,    /* number, best shown in hexadecimal */
    POME_FACT_SIZE,   /* number, of bytes */
    POME_FACT_FLAG,   /* number: 0 or 1 */
    POME_FACT_DATA,   /* data, bytes */
    POME_FACT_DICT,   /* begins a group of facts with keys */
    POME_FACT_LIST,   /* begins a list */
    POME_FACT_END,    /* ends the group or list that began last */
    POME_FACT_NEGATIVE, /* number, how far below zero. Since: 0.2 */
};

/* One fact; all of it is borrowed for the call. */
struct pome_fact {
    enum pome_fact_type type;
    const char *key;     /* for programs: "uncompressed_bytes"; in a list: what tells the item from the others, or NULL. NULL at END */
    const char *title;   /* for people: "Uncompressed"; NULL: show the key */
    const char *text;
    uint64_t number;
    const uint8_t *data;
    size_t bytes;
    bool detail;         /* too much for a summary */
};

/* Told every fact, the outermost group included. False ends the description, which then fails with OPERATION_CANCELLED. */
typedef bool pome_fact_fn(void *user, const struct pome_fact *fact);

struct pome_inspect_options {
    size_t size;                /* of this struct: POME_INSPECT_OPTIONS_INIT */
    const uint8_t *archive_key; /* 32 bytes, for encrypted archives; NULL: none */
};
#define POME_INSPECT_OPTIONS_INIT {sizeof(struct pome_inspect_options), NULL}

/* Describes a file. options may be NULL.
 * Errors: NOT_SUPPORTED (of no known kind), INVALID_RESTORE_IMAGE, INVALID_DISK_IMAGE, INVALID_DATA (damaged), NOT_FOUND, IO.   Since: 0.1. */
POME_API bool pome_file_describe(const char *path, const struct pome_inspect_options *options, pome_fact_fn *fact, void *user,
                                 struct pome_error *err);

/* Reads all of a disk image, archive, Image4 file or trust cache and compares every checksum and MAC in it, uncompressing payloads. bytes (NULL
 * allowed) is how many were read. Restore images: pome_restore_image_verify. progress may be NULL.
 * Errors: as above; NOT_SUPPORTED (an archive without a key); OPERATION_CANCELLED.   Since: 0.1. */
POME_API bool pome_file_verify(const char *path, const struct pome_inspect_options *options, uint64_t *bytes, pome_progress_fn *progress,
                               void *user, struct pome_error *err);

/* Writes what is inside to out_path, which appears when it is whole (holes stay holes): the disk of a disk image, the content of an archive and
 * the disk of an image in it, the uncompressed payload of an IM4P or IMG4.
 * Errors: as above; EXISTS; OUT_OF_DISK_SPACE.   Since: 0.1. */
POME_API bool pome_file_extract(const char *path, const struct pome_inspect_options *options, const char *out_path,
                                pome_progress_fn *progress, void *user, struct pome_error *err);

#ifdef __cplusplus
}
#endif
#endif

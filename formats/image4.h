/*
 * image4.h - Apple's Image4 containers (docs/boot.md §2): IM4P payload, IM4M ticket, IM4R restore info, IMG4 of all three.
 *
 * Reading never copies; structs point into the bytes given. Writing goes into the caller's buffer. Payloads may be
 * gigabytes, so headers are made and read without them.
 */
#ifndef FORMATS_IMAGE4_H
#define FORMATS_IMAGE4_H

#include "formats/der.h"
#include "formats/sha384.h"

enum {
    IMAGE4_HEAD_MAX = 512,      /* bytes that surely hold the header of an IM4P or IMG4 that we write or accept */
    IMAGE4_TICKET_MAX = 16384,  /* IM4M of at most IMAGE4_GROUPS_MAX groups */
    IMAGE4_IM4R_MAX = 64,
    IMAGE4_GROUPS_MAX = 32,
    IMAGE4_PROPERTIES_MAX = 32, /* in a group */
};

/* --- IM4P --------------------------------------------------------------------------------------------------------- */

struct im4p {
    char type[5];             /* 4cc */
    char description[128];    /* cut, non-ASCII as '?' */
    uint64_t payload_offset;  /* from the first byte of the IM4P */
    uint64_t payload_size;
    uint64_t size;            /* of the whole IM4P */
};

/* Reads the header of an IM4P of `total` bytes from its first n bytes (n >= IMAGE4_HEAD_MAX or n == total). What follows the payload (KBAG,
 * compression, PAYP) is not looked at. Errors: INVALID_DATA. */
bool im4p_read_head(const void *bytes, size_t n, uint64_t total, struct im4p *p, struct pome_error *err);

enum { IMAGE4_KEYBAGS_MAX = 4, IMAGE4_LZSS = 0, IMAGE4_LZFSE = 1 };

struct im4p_keybag {
    uint64_t kind; /* 1 production, 2 development */
    const uint8_t *iv, *key;
    size_t iv_bytes, key_bytes;
};

/* What may stand after the payload. */
struct im4p_tail {
    size_t keybags;
    struct im4p_keybag keybag[IMAGE4_KEYBAGS_MAX];
    bool has_compression;
    uint64_t compression, uncompressed_bytes; /* IMAGE4_LZFSE, ... */
    const uint8_t *properties;                /* of PAYP: a set of named values, for image4_walk_set; NULL: none */
    size_t properties_bytes;
};

/* Reads the n bytes between the end of the payload and the end of the IM4P. Borrows them. Errors: INVALID_DATA. */
bool im4p_read_tail(const void *bytes, size_t n, struct im4p_tail *t, struct pome_error *err);

/* Writes what stands before a payload of payload_size bytes into head[IMAGE4_HEAD_MAX]; nothing stands after it. type: 4 characters,
 * description: ASCII, at most 127. Returns the length; 0 when the payload is over 4 GiB - 1 or a text is not allowed. */
size_t im4p_write_head(const char *type, const char *description, uint64_t payload_size, uint8_t *head);

/* --- IM4M --------------------------------------------------------------------------------------------------------- */

enum im4m_kind { IM4M_INTEGER, IM4M_BOOLEAN, IM4M_OCTETS, IM4M_TEXT };

struct im4m_property {
    char name[5];
    enum im4m_kind kind;
    uint64_t integer;      /* INTEGER, BOOLEAN */
    const uint8_t *bytes;  /* OCTETS, TEXT (not NUL-terminated) */
    size_t size;
};

struct im4m_group {
    char name[5]; /* MANP or an image's type */
    size_t n;
    struct im4m_property properties[IMAGE4_PROPERTIES_MAX];
};

struct im4m {
    size_t n;
    struct im4m_group groups[IMAGE4_GROUPS_MAX];
    size_t signature_size;  /* 0: unsigned */
    size_t certificate_size;
    const uint8_t *whole;   /* the DER, for its digest */
    size_t whole_size;
};

/* Reads a ticket. Properties of other DER types are kept as OCTETS of their contents. Errors: INVALID_DATA. */
bool im4m_read(const void *bytes, size_t n, struct im4m *m, struct pome_error *err);

/* What im4m_walk calls, in the order of the ticket; false ends the walk. group NULL: a property of no group. */
struct im4m_visitor {
    void *user;
    bool (*group)(void *user, const char name[5]);
    bool (*property)(void *user, const struct im4m_property *p);
    bool (*group_end)(void *user);
};

/* Goes through a ticket of any size, where im4m_read has limits: signature and certificates are said in the end. Returns false with *err
 * (INVALID_DATA) when it is not one, or as it was when the visitor ended it. */
bool im4m_walk(const void *bytes, size_t n, const struct im4m_visitor *v, size_t *signature_bytes, size_t *certificates, struct pome_error *err);

/* The same for the inside of a set of properties (PAYP, IM4R). */
bool image4_walk_set(const void *bytes, size_t n, const struct im4m_visitor *v, struct pome_error *err);

/* The insides of the sets. IM4R: SEQ{ "IM4R", SET }. */
bool im4r_set(const void *bytes, size_t n, const uint8_t **set, size_t *set_bytes, struct pome_error *err);

/* NULL when there is none of that name. */
const struct im4m_group *im4m_group(const struct im4m *m, const char *name);
const struct im4m_property *im4m_property(const struct im4m_group *g, const char *name);

/* Writes an unsigned ticket (empty signature, no certificates); groups and properties in the order of their names. Returns its length in
 * out[size], which begins at out[0]; 0 when it does not fit. */
size_t im4m_write(const struct im4m_group *groups, size_t n, uint8_t *out, size_t size);

/* Adds a property to a group being built. Bytes are borrowed. */
void im4m_add_integer(struct im4m_group *g, const char *name, uint64_t value);
void im4m_add_boolean(struct im4m_group *g, const char *name, bool value);
void im4m_add_octets(struct im4m_group *g, const char *name, const void *bytes, size_t n);
void im4m_add_text(struct im4m_group *g, const char *name, const char *text);

/* --- IM4R --------------------------------------------------------------------------------------------------------- */

/* Writes IM4R with BNCN: the boot nonce generator, 8 little-endian bytes. Returns its length. */
size_t im4r_write(uint64_t boot_nonce_generator, uint8_t out[IMAGE4_IM4R_MAX]);
bool im4r_read(const void *bytes, size_t n, uint64_t *boot_nonce_generator, struct pome_error *err);

/* --- IMG4 --------------------------------------------------------------------------------------------------------- */

/* An IMG4 is: head, IM4P (im4p_size bytes), tail. Both are made here; im4r_size may be 0 for none. They are written to head[IMAGE4_HEAD_MAX]
 * and tail[IMAGE4_TICKET_MAX + IMAGE4_HEAD_MAX]. False when a size is over 4 GiB. */
struct img4_frame {
    size_t head_size, tail_size;
    uint8_t head[IMAGE4_HEAD_MAX];
    uint8_t tail[IMAGE4_TICKET_MAX + IMAGE4_HEAD_MAX];
};
bool img4_frame(uint64_t im4p_size, const uint8_t *im4m, size_t im4m_size, const uint8_t *im4r, size_t im4r_size,
                struct img4_frame *f);

/* An IMG4 in memory, taken apart. */
struct img4 {
    struct im4p im4p;
    const uint8_t *im4p_bytes;
    size_t im4p_size;
    const uint8_t *im4m_bytes; /* NULL: none */
    size_t im4m_size;
    const uint8_t *im4r_bytes; /* NULL: none */
    size_t im4r_size;
    size_t size; /* of the whole; more bytes may follow it (flash) */
};
bool img4_read(const void *bytes, size_t n, struct img4 *i, struct pome_error *err);

#endif

/*
 * tool.c - pome-tool, the part of Recovery that is no shell script: NVRAM banks, restore images, digests. A static arm64 program,
 * embedded in the Recovery ramdisk; guest/recovery/bin/ calls it.
 *
 * It says what failed on standard error, as "pome-tool: ...", and ends with 1; 2 is a mistake in the call.
 */
#include "restore/build/recovery/ipsw.h"

#include "base/bits.h"
#include "base/error.h"
#include "firmware/boot_args.h"
#include "formats/image4.h"
#include "formats/nvram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

enum { BLOCK = 1 << 20, HOLE = 4096 };

#define NVRAM_AT UINT64_C(0xA00000) /* docs/boot.md §4 */

struct mapped {
    const uint8_t *bytes;
    size_t n;
};

/* A file or a block device as memory. */
static bool map_file(const char *path, struct mapped *m, struct pome_error *err)
{
    struct stat s;
    uint64_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s) || (S_ISBLK(s.st_mode) && ioctl(fd, BLKGETSIZE64, &n))) {
        pome_fail_errno(err, "%s", path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    m->n = S_ISBLK(s.st_mode) ? n : (size_t)s.st_size;
    void *p = m->n ? mmap(NULL, m->n, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    bool ok = p != MAP_FAILED || (m->n ? pome_fail_errno(err, "%s", path) : pome_fail(err, POME_ERROR_INVALID_DATA, "%s: empty", path));
    close(fd);
    m->bytes = p;
    return ok;
}

static void print_hex(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", bytes[i]);
}

/* --- nvram DEVICE list | get NAME | set NAME VALUE | delete NAME --- */

static uint8_t banks[2][NVRAM_BANK_BYTES];

static bool load_banks(int fd, const char *path, int *current, uint32_t *generation, struct pome_error *err)
{
    if (pread(fd, banks, sizeof banks, NVRAM_AT) != sizeof banks)
        return pome_fail_errno(err, "%s: cannot read NVRAM", path);
    *current = nvram_current(banks[0], banks[1]);
    return (*current >= 0 && nvram_bank_valid(banks[*current], generation)) ||
           pome_fail(err, POME_ERROR_INVALID_DATA, "%s: neither NVRAM bank is valid", path);
}

/* The changed bank goes to the place of the other one: whenever the power fails, one of them is whole. */
static bool store_bank(int fd, const char *path, int current, uint32_t generation, struct pome_error *err)
{
    memcpy(banks[!current], banks[current], NVRAM_BANK_BYTES);
    nvram_bank_finish(banks[!current], generation + 1);
    off_t at = (off_t)(NVRAM_AT + (current ? 0 : NVRAM_BANK_BYTES));
    return (pwrite(fd, banks[!current], NVRAM_BANK_BYTES, at) == NVRAM_BANK_BYTES && !fsync(fd)) ||
           pome_fail_errno(err, "%s: cannot write NVRAM", path);
}

static bool find_variable(const uint8_t *bank, const char *name, enum nvram_partition *where, struct nvram_variable *v)
{
    for (*where = NVRAM_COMMON; *where <= NVRAM_SYSTEM; (*where)++)
        if (nvram_find(bank, *where, name, v))
            return true;
    *where = NVRAM_COMMON;
    return false;
}

/* Bytes that are no printable ASCII as %xx, as nvram(8) of macOS shows them. */
static void print_value(const struct nvram_variable *v)
{
    uint8_t *value = malloc(v->size + 1);
    if (!value)
        return;
    nvram_value(v, value);
    for (size_t i = 0; i < v->size; i++)
        printf(value[i] >= ' ' && value[i] <= '~' && value[i] != '%' ? "%c" : "%%%02x", value[i]);
    free(value);
    putchar('\n');
}

static bool nvram_list(const uint8_t *bank)
{
    struct nvram_variable v;
    for (enum nvram_partition p = NVRAM_COMMON; p <= NVRAM_SYSTEM; p++)
        for (size_t cursor = 0; nvram_next(bank, p, &cursor, &v);) {
            printf("%s\t", v.name);
            print_value(&v);
        }
    return true;
}

static bool nvram_command(int argc, char **argv, struct pome_error *err)
{
    const char *path = argv[0], *verb = argv[1], *name = argc > 2 ? argv[2] : NULL;
    struct nvram_variable v;
    enum nvram_partition where = NVRAM_COMMON;
    uint32_t generation = 0;
    int current = -1, fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return pome_fail_errno(err, "%s", path);
    bool ok = load_banks(fd, path, &current, &generation, err);
    if (!ok)
        goto end;
    uint8_t *bank = banks[current];
    if (!strcmp(verb, "list") && argc == 2) {
        ok = nvram_list(bank);
        goto end;
    }
    bool found = name && find_variable(bank, name, &where, &v);
    if (!strcmp(verb, "set") && argc == 4) {
        ok = nvram_set(bank, where, name, argv[3], strlen(argv[3]), err) && store_bank(fd, path, current, generation, err);
    } else if (!found) {
        ok = pome_fail(err, POME_ERROR_NOT_FOUND, "there is no variable \"%s\"", name ? name : "");
    } else if (!strcmp(verb, "get") && argc == 3) {
        print_value(&v);
    } else if (!strcmp(verb, "delete") && argc == 3) {
        nvram_remove(bank, where, name);
        ok = store_bank(fd, path, current, generation, err);
    } else {
        ok = pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "nvram: \"%s\" is not known here", verb);
    }
end:
    close(fd);
    return ok;
}

/* --- image DEVICE info | verify NAME | cat NAME | digest NAME | size NAME --- */

static bool write_all(int fd, const uint8_t *p, size_t n, struct pome_error *err)
{
    while (n) {
        ssize_t w = write(fd, p, MIN(n, (size_t)BLOCK));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return pome_fail_errno(err, "cannot write");
        p += w;
        n -= (size_t)w;
    }
    return true;
}

static bool image_info(const struct ipsw *i)
{
    char version[64] = "?", build[64] = "?";
    ipsw_text(i, "ProductVersion", version, sizeof version);
    ipsw_text(i, "ProductBuildVersion", build, sizeof build);
    printf("%s (%s)\n", version, build);
    return true;
}

static bool image_command(int argc, char **argv, struct pome_error *err)
{
    struct mapped m;
    struct ipsw i;
    struct ipsw_component c;
    const char *verb = argv[1], *name = argc > 2 ? argv[2] : NULL;
    if (!map_file(argv[0], &m, err) || !ipsw_open(m.bytes, m.n, &i, err))
        return false;
    if (!strcmp(verb, "info"))
        return image_info(&i);
    if (!name)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "image: which component?");
    if (!ipsw_component(&i, name, &c, err))
        return false;
    if (!strcmp(verb, "verify"))
        return ipsw_verify(&c, name, err);
    if (!strcmp(verb, "cat"))
        return ipsw_verify(&c, name, err) && write_all(STDOUT_FILENO, c.bytes, c.n, err);
    if (!strcmp(verb, "size"))
        return printf("%" PRIu64 "\n", c.compressed ? c.uncompressed_bytes : c.n) > 0;
    if (strcmp(verb, "digest"))
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "image: \"%s\" is not known here", verb);
    print_hex(c.compressed ? c.uncompressed_digest : c.digest, SHA384_BYTES);
    putchar('\n');
    return true;
}

/* --- write PATH SIZE < bytes: exactly SIZE bytes over the beginning of a device or file; zeros become holes of a file --- */

static bool is_zero(const uint8_t *p, size_t n)
{
    return !p[0] && !memcmp(p, p + 1, n - 1);
}

static size_t read_block(uint8_t *block, size_t n)
{
    size_t have = 0;
    while (have < n) {
        ssize_t r = read(STDIN_FILENO, block + have, n - have);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            break;
        have += (size_t)r;
    }
    return have;
}

static bool write_block(int fd, bool holes, const uint8_t *block, size_t n, uint64_t at, const char *path, struct pome_error *err)
{
    for (size_t done = 0; done < n;) {
        size_t step = MIN(n - done, (size_t)(holes ? HOLE : BLOCK));
        if (!(holes && step == HOLE && is_zero(block + done, step)) &&
            pwrite(fd, block + done, step, (off_t)(at + done)) != (ssize_t)step)
            return pome_fail_errno(err, "%s: cannot write at %" PRIu64, path, at + done);
        done += step;
    }
    return true;
}

static bool write_command(int argc, char **argv, struct pome_error *err)
{
    static uint8_t block[BLOCK];
    const char *path = argv[0];
    uint64_t size = strtoull(argv[1], NULL, 10), done = 0;
    struct stat s;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &s))
        return pome_fail_errno(err, "%s", path);
    bool holes = S_ISREG(s.st_mode), ok = !holes || !ftruncate(fd, 0) || pome_fail_errno(err, "%s", path);
    for (size_t n; ok && done < size && (n = read_block(block, MIN(size - done, (uint64_t)BLOCK))) > 0; done += n)
        ok = write_block(fd, holes, block, n, done, path, err);
    if (ok && done != size)
        ok = pome_fail(err, POME_ERROR_INVALID_DATA, "%s: %" PRIu64 " bytes came, %" PRIu64 " were announced", path, done, size);
    if (ok && ((holes && ftruncate(fd, (off_t)size)) || fsync(fd)))
        ok = pome_fail_errno(err, "%s", path);
    close(fd);
    return ok;
}

/* --- sha384 PATH [SIZE]: of the first SIZE bytes --- */

static bool sha384_command(int argc, char **argv, struct pome_error *err)
{
    struct mapped m;
    uint8_t digest[SHA384_BYTES];
    if (!map_file(argv[0], &m, err))
        return false;
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : m.n;
    if (n > m.n)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: has %zu bytes, wanted %" PRIu64, argv[0], m.n, n);
    sha384(m.bytes, n, digest);
    print_hex(digest, sizeof digest);
    putchar('\n');
    return true;
}

/* --- im4p-digest PATH: of the IM4P in an IMG4 or IM4P file, what a ticket names --- */

static bool im4p_digest_command(int argc, char **argv, struct pome_error *err)
{
    struct mapped m;
    struct img4 i;
    uint8_t digest[SHA384_BYTES];
    if (!map_file(argv[0], &m, err))
        return false;
    if (img4_read(m.bytes, m.n, &i, NULL))
        sha384(i.im4p_bytes, i.im4p_size, digest);
    else
        sha384(m.bytes, m.n, digest);
    print_hex(digest, sizeof digest);
    putchar('\n');
    return true;
}

/* --- lists TICKET DIGEST: succeeds when the ticket lists an image with this digest (not whether it is signed: the firmware looks at that) --- */

static bool is_listed(const struct im4m *m, const char *hex)
{
    uint8_t digest[SHA384_BYTES] = {0};
    for (size_t i = 0; i < sizeof digest; i++)
        if (sscanf(hex + 2 * i, "%2hhx", &digest[i]) != 1) /* ends at the first that is missing */
            return false;
    for (size_t i = 0; i < m->n; i++) {
        const struct im4m_property *p = im4m_property(&m->groups[i], "DGST");
        if (p && p->size == SHA384_BYTES && !memcmp(p->bytes, digest, sizeof digest))
            return true;
    }
    return false;
}

static bool lists_command(int argc, char **argv, struct pome_error *err)
{
    static struct im4m m;
    struct mapped ticket;
    return map_file(argv[0], &ticket, err) && im4m_read(ticket.bytes, ticket.n, &m, err) &&
           ((strlen(argv[1]) == 2 * SHA384_BYTES && is_listed(&m, argv[1])) || pome_fail(err, POME_ERROR_NOT_FOUND, "%s: does not list it", argv[0]));
}

/* --- boot-args TEXT: says which words full security leaves out --- */

static bool boot_args_command(int argc, char **argv, struct pome_error *err)
{
    const char *word;
    bool any = false;
    size_t at = 0, n;
    while ((n = boot_args_word(argv[0], strlen(argv[0]), &at, &word)))
        if (!boot_args_allowed(word, n))
            any = printf("Full security leaves out, and Recovery always: %.*s\n", (int)n, word) > 0;
    if (any)
        printf("It lets through: %s\n", boot_args_list);
    return true;
}

static const struct {
    const char *name, *usage;
    int least; /* words after the name */
    bool (*run)(int argc, char **argv, struct pome_error *err);
} commands[] = {
    {"nvram", "DEVICE list | get NAME | set NAME VALUE | delete NAME", 2, nvram_command},
    {"image", "DEVICE info | verify NAME | cat NAME | digest NAME | size NAME", 2, image_command},
    {"write", "PATH SIZE", 2, write_command},
    {"sha384", "PATH [SIZE]", 1, sha384_command},
    {"im4p-digest", "PATH", 1, im4p_digest_command},
    {"lists", "TICKET DIGEST", 2, lists_command},
    {"boot-args", "TEXT", 1, boot_args_command},
};

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++) {
        if (strcmp(argv[1], commands[i].name) || argc - 2 < commands[i].least)
            continue;
        if (commands[i].run(argc - 2, argv + 2, &err) && !fflush(stdout))
            return 0;
        fprintf(stderr, "pome-tool: %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(stderr, "usage: pome-tool %s %s\n", commands[i].name, commands[i].usage);
    return 2;
}

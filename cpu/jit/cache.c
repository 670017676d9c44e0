/*
 * cache.c - translations kept in a file from one start to the next.
 *
 * How it works
 *   The file is a header, entries, and an index (a hash table of offsets). An entry is the guest code that a block was made of, where in its page
 *   it lay, in which mode, and the compiled block as x64_move_save wrote it. Nothing in it depends on addresses, so the same code
 *   is found wherever and for whomever it is loaded: kernels at another address, libraries in other processes, other machines.
 *
 *   What is found is used only if all guest words are equal to those of the entry, so no digest is trusted to say what the guest runs. Against
 *   a damaged file each entry carries a digest, checked when it is used, and header with index another one, checked at the start.
 *   Against strangers: the file must belong to us, mode 0600, no link.
 *
 *   One file per identity: this program's build, the host's features, the configuration, the switches in the environment. The file is
 *   read through a few windows (entries lie in the order of their first use, so a start like the last one reads forwards). It is never
 *   changed: who has something new at the end writes a new file, from the old one and an unlinked temporary that collected
 *   what was compiled, under a second name that is locked, then renames it. Of two that end at once one gives up.
 */
#include "cpu/jit/cache.h"
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ENTRY_MAX = 32 * 1024, WINDOWS = 4, WINDOW_BYTES = 128 * 1024, NEAR_BYTES = 64 * 1024, FAR_READ = 4 * 1024, LOG_BYTES = 128 * 1024,
    KEY_WORDS = 3, WORTH_WRITING = 64 * 1024, MAX_WORDS = 1024, FILE_MAX = 1 << 30, FILES_KEPT = 4,
};

struct header {
    char magic[8];
    uint64_t build, identity; /* digests */
    uint64_t index_at;        /* file offset; entries lie before it */
    uint64_t n_slots;         /* a power of two */
    uint64_t digest;          /* of this header with digest 0, and of the index */
};
static const char magic[8] = "pomejit";
#define FILE_NAME "translations-" /* in the user's cache folder; then its identity */

struct slot {
    uint32_t key, at;       /* offset / 8; 0: empty */
    uint32_t code, n_words; /* digest of the guest code, and how much that is: seldom is a wrong entry looked at */
};

struct entry {
    uint64_t digest;   /* of all that follows */
    uint32_t bytes;    /* of the whole entry, a multiple of 8 */
    uint32_t image_bytes;
    uint32_t mode, n_guest;
    uint16_t page_offset, n_words;
    uint32_t zero;
    /* words, padded to 8; image, padded to 8 */
};

struct window {
    uint64_t from, to; /* of the file; equal: empty */
    uint64_t used;
    uint8_t *data;
};

struct cache {
    char *path;
    bool in_users_folder;
    uint64_t build, identity, max_bytes;
    /* Entries by offset: those of the file, then those of the log, of which the last are in `pending`. */
    int file, log;     /* -1: there is none. The log is a temporary without a name */
    uint64_t log_from, pending_from, end;
    uint8_t *pending;
    bool log_failed;
    struct slot *slots;
    uint64_t n_slots, n_entries;
    struct window window[WINDOWS];
    uint64_t clock;
    uint32_t words[MAX_WORDS];
};

/* ---- digests ---- */

static uint64_t digest(uint64_t h, const void *data, size_t bytes) /* bytes: a multiple of 8 */
{
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i += 8) {
        h = (h ^ le64_get(p + i)) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    return h;
}

static uint64_t digest_of_entry(const struct entry *e)
{
    return digest(e->bytes, &e->bytes, e->bytes - offsetof(struct entry, bytes));
}

static uint64_t digest_of_header(struct header h, const struct slot *slots)
{
    h.digest = 0; /* a copy */
    return digest(digest(1, &h, sizeof h), slots, h.n_slots * sizeof *slots);
}

static uint32_t key_of(uint32_t mode, uint16_t page_offset, const uint32_t *words, unsigned room)
{
    uint64_t h = (uint64_t)mode << 16 | page_offset;
    for (unsigned i = 0; i < KEY_WORDS; i++) {
        h = (h ^ (i < room ? words[i] : 0)) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return (uint32_t)(h >> 32);
}

static uint32_t digest_of_code(const uint8_t *code, unsigned n_words)
{
    uint64_t h = digest(n_words, code, n_words / 2 * 8);
    if (n_words % 2)
        h = (h ^ le32_get(code + 4 * (n_words - 1))) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

/* The linker's build id of the object we are in. */
static int find_build(struct dl_phdr_info *info, size_t size, void *to)
{
    uintptr_t here = (uintptr_t)magic;
    uint64_t *build = to, h = 0;
    bool ours = false;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type == PT_LOAD && here - (info->dlpi_addr + p->p_vaddr) < p->p_memsz)
            ours = true;
        const uint8_t *n = (const uint8_t *)info->dlpi_addr + p->p_vaddr, *end = n + p->p_memsz;
        while (p->p_type == PT_NOTE && n + sizeof(ElfW(Nhdr)) <= end) {
            ElfW(Nhdr) note;
            memcpy(&note, n, sizeof note);
            const uint8_t *desc = n + sizeof note + align_up(note.n_namesz, 4);
            if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(n + sizeof note, "GNU", 4) && desc + note.n_descsz <= end)
                for (unsigned k = 0; k < note.n_descsz; k++)
                    h = (h ^ desc[k]) * UINT64_C(0x100000001b3) + 1;
            n = desc + align_up(note.n_descsz, 4);
        }
    }
    if (ours)
        *build = h;
    return ours;
}

/* ---- the file ---- */

static bool read_all(int file, void *to, size_t bytes, uint64_t at)
{
    while (bytes) {
        ssize_t n = pread(file, to, bytes, (off_t)at);
        if (n <= 0)
            return false;
        to = (uint8_t *)to + n, bytes -= (size_t)n, at += (uint64_t)n;
    }
    return true;
}

static bool write_all(int file, const void *from, size_t bytes)
{
    while (bytes) {
        ssize_t n = write(file, from, bytes);
        if (n <= 0)
            return false;
        from = (const uint8_t *)from + n, bytes -= (size_t)n;
    }
    return true;
}

/* NULL, or what is wrong with the file. */
static const char *open_file(struct cache *k)
{
    struct stat s;
    struct header h;
    k->file = open(k->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (k->file < 0)
        return errno == ENOENT ? NULL : strerror(errno);
    if (fstat(k->file, &s) || !S_ISREG(s.st_mode) || s.st_uid != geteuid() || (s.st_mode & 077))
        return "needed a regular file of this user with mode 0600";
    uint64_t size = (uint64_t)s.st_size;
    if (!read_all(k->file, &h, sizeof h, 0) || memcmp(h.magic, magic, sizeof magic))
        return "not a file of translations";
    if (h.build != k->build || h.identity != k->identity)
        return "made by another build, or on another host";
    if (size > FILE_MAX || !is_pow2(h.n_slots) || h.n_slots > size / sizeof(struct slot) ||
        h.index_at != size - h.n_slots * sizeof(struct slot) || h.index_at < sizeof h || h.index_at % 8)
        return "its index lies outside";
    struct slot *slots = malloc(h.n_slots * sizeof *slots);
    if (!slots || !read_all(k->file, slots, h.n_slots * sizeof *slots, h.index_at) || digest_of_header(h, slots) != h.digest) {
        free(slots);
        return "its index is damaged";
    }
    free(k->slots);
    k->slots = slots;
    k->n_slots = h.n_slots;
    for (uint64_t i = 0; i < h.n_slots; i++)
        k->n_entries += slots[i].at != 0;
    k->end = k->log_from = k->pending_from = h.index_at;
    return k->n_entries < h.n_slots ? NULL : "its index is full"; /* searches end at an empty slot */
}

static bool start_empty(struct cache *k)
{
    if (k->file >= 0)
        close(k->file);
    free(k->slots);
    k->file = -1;
    k->n_slots = 1024;
    k->n_entries = 0;
    k->slots = calloc(k->n_slots, sizeof *k->slots);
    k->end = k->log_from = k->pending_from = sizeof(struct header);
    return k->slots != NULL;
}

static char *default_path(const struct cache *k)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *path;
    char folder[512];
    int n = xdg && xdg[0] == '/' ? snprintf(folder, sizeof folder, "%s", xdg)
                                 : home && home[0] == '/' ? snprintf(folder, sizeof folder, "%s/.cache", home) : -1;
    if (n < 0 || n >= (int)sizeof folder)
        return NULL;
    mkdir(folder, 0700);
    if (asprintf(&path, "%s/pome", folder) < 0)
        return NULL;
    mkdir(path, 0700);
    free(path);
    uint64_t name = digest(k->build, &k->identity, sizeof k->identity);
    return asprintf(&path, "%s/pome/" FILE_NAME "%016llx", folder, (unsigned long long)name) < 0 ? NULL : path;
}

/* Builds and hosts change: only the newest few files in the user's folder are worth their space. */
static void prune(const char *path)
{
    char folder[600], victim[600] = "";
    const char *slash = strrchr(path, '/');
    if ((size_t)(slash - path) >= sizeof folder)
        return;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = 0;
    for (unsigned round = 0; round < 16; round++) {
        DIR *d = opendir(folder);
        struct dirent *e;
        struct stat s;
        time_t oldest = 0;
        unsigned n = 0;
        while (d && (e = readdir(d))) {
            if (strncmp(e->d_name, FILE_NAME, strlen(FILE_NAME)) || fstatat(dirfd(d), e->d_name, &s, AT_SYMLINK_NOFOLLOW) || !S_ISREG(s.st_mode))
                continue;
            if (!n++ || s.st_mtime < oldest) {
                oldest = s.st_mtime;
                snprintf(victim, sizeof victim, "%s", e->d_name);
            }
        }
        if (d && n > FILES_KEPT)
            unlinkat(dirfd(d), victim, 0);
        if (d)
            closedir(d);
        if (n <= FILES_KEPT)
            return;
    }
}

/* A file without a name, where the cache is. */
static int open_log(const char *path)
{
    char *name, *slash;
    if (asprintf(&name, "./%s.XXXXXX", path) < 0)
        return -1;
    char *real = path[0] == '/' ? name + 2 : name;
    slash = strrchr(real, '/');
    char kept = slash[1];
    slash[1] = 0; /* the folder */
    int f = open(real, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (f < 0) { /* not every file system can */
        slash[1] = kept;
        f = mkostemp(real, O_CLOEXEC);
        if (f >= 0)
            unlink(real);
    }
    free(name);
    return f;
}

static void note(const struct cache_options *o, const char *path, const char *what)
{
    char text[400];
    snprintf(text, sizeof text, "translations kept in %s: %s: not used", path, what);
    if (o->note)
        o->note(o->note_ctx, text);
}

struct cache *cache_open(const struct cache_options *o)
{
    struct cache *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->file = k->log = -1;
    k->identity = o->identity;
    k->max_bytes = MIN(o->max_bytes, (uint64_t)FILE_MAX);
    dl_iterate_phdr(find_build, &k->build);
    k->path = !k->build ? NULL : o->path ? strdup(o->path) : default_path(k);
    k->in_users_folder = !o->path;
    k->pending = malloc(LOG_BYTES);
    if (!k->path || !k->pending || (k->log = open_log(k->path)) < 0) {
        if (k->path && o->path) /* asked for */
            note(o, k->path, strerror(errno));
        cache_close(k);
        return NULL;
    }
    const char *wrong = open_file(k);
    if (wrong)
        note(o, k->path, wrong);
    if ((wrong || k->file < 0) && !start_empty(k)) {
        cache_close(k);
        return NULL;
    }
    return k;
}

/* ---- reading ---- */

static bool load(struct cache *k, struct window *w, uint64_t from, size_t bytes)
{
    bool in_log = from >= k->log_from;
    if (!w->data && !(w->data = aligned_alloc(64, WINDOW_BYTES)))
        return false;
    bytes = (size_t)MIN((uint64_t)bytes, (in_log ? k->pending_from : k->log_from) - from);
    w->from = w->to = 0;
    if (!read_all(in_log ? k->log : k->file, w->data, bytes, in_log ? from - k->log_from : from))
        return false;
    w->from = from;
    w->to = from + bytes;
    return true;
}

/* [at, at + bytes) of the entries in memory, or NULL. */
static const void *view(struct cache *k, uint64_t at, size_t bytes)
{
    struct window *oldest = k->window, *w;
    if (at >= k->end || bytes > k->end - at)
        return NULL;
    if (at >= k->pending_from)
        return k->pending + (at - k->pending_from);
    for (w = k->window; w < k->window + WINDOWS; w++) {
        if (at >= w->from && at + bytes <= w->to)
            goto found;
        if (w->used < oldest->used)
            oldest = w;
    }
    size_t wanted = MAX(bytes, (size_t)FAR_READ);
    for (w = k->window; w < k->window + WINDOWS; w++)
        if (w->to && at + NEAR_BYTES >= w->to && at < w->to + NEAR_BYTES) { /* goes on where a window ends */
            oldest = w;
            wanted = WINDOW_BYTES;
        }
    w = oldest;
    if (!load(k, w, at, wanted))
        return NULL;
found:
    w->used = ++k->clock;
    return at + bytes <= w->to ? w->data + (at - w->from) : NULL;
}

static size_t words_bytes(unsigned n_words)
{
    return align_up(4 * n_words, 8);
}

static bool entry_fits(const struct entry *e)
{
    return e->bytes <= ENTRY_MAX && e->bytes % 8 == 0 && e->n_words && e->n_words <= MAX_WORDS && e->image_bytes <= ENTRY_MAX &&
           e->page_offset < 4096 && e->page_offset % 4 == 0 && e->n_words <= (4096u - e->page_offset) / 4 &&
           e->bytes == sizeof *e + words_bytes(e->n_words) + align_up(e->image_bytes, 8);
}

/* The entry at this offset if it is what we look for. */
static const struct entry *entry_at(struct cache *k, uint64_t at, uint32_t mode, uint16_t page_offset, const uint8_t *code, unsigned room)
{
    struct entry head;
    const struct entry *e = view(k, at, sizeof *e);
    if (!e)
        return NULL;
    head = *e;
    if (!entry_fits(&head) || head.mode != mode || head.page_offset != page_offset || head.n_words > room ||
        !(e = view(k, at, head.bytes)))
        return NULL;
    memcpy(k->words, code, 4 * head.n_words);
    if (memcmp(k->words, e + 1, 4 * head.n_words) || digest_of_entry(e) != e->digest)
        return NULL;
    return e;
}

const uint8_t *cache_find(struct cache *k, uint32_t mode, uint16_t page_offset, const uint8_t *code, unsigned room,
                          struct cache_block *b, size_t *bytes)
{
    uint32_t first[KEY_WORDS], mask = (uint32_t)(k->n_slots - 1);
    memcpy(first, code, 4 * MIN(room, (unsigned)KEY_WORDS));
    uint32_t key = key_of(mode, page_offset, first, room);
    for (uint32_t at = key & mask; k->slots[at].at; at = (at + 1) & mask) {
        const struct slot *s = &k->slots[at];
        if (s->key != key || s->n_words > room || digest_of_code(code, s->n_words) != s->code)
            continue;
        const struct entry *e = entry_at(k, 8 * (uint64_t)s->at, mode, page_offset, code, room);
        if (!e)
            continue;
        *b = (struct cache_block){mode, page_offset, e->n_words, e->n_guest, k->words, e->n_words};
        *bytes = e->image_bytes;
        return (const uint8_t *)(e + 1) + words_bytes(e->n_words);
    }
    return NULL;
}

/* ---- writing ---- */

static void slot_put(struct slot *slots, uint64_t n_slots, struct slot s)
{
    uint64_t at = s.key & (n_slots - 1);
    while (slots[at].at)
        at = (at + 1) & (n_slots - 1);
    slots[at] = s;
}

/* A table of n_slots with the entries from `from` on, moved down by `by`. */
static struct slot *rehash(const struct cache *k, uint64_t n_slots, uint64_t from, uint64_t by)
{
    struct slot *to = calloc(n_slots, sizeof *to);
    for (uint64_t i = 0; to && i < k->n_slots; i++)
        if (k->slots[i].at && 8 * (uint64_t)k->slots[i].at >= from)
            slot_put(to, n_slots, (struct slot){k->slots[i].key, k->slots[i].at - (uint32_t)(by / 8), k->slots[i].code, k->slots[i].n_words});
    return to;
}

static bool make_room(struct cache *k, size_t bytes)
{
    if (k->end - k->log_from + bytes > k->max_bytes)
        return false;
    if (k->end - k->pending_from + bytes > LOG_BYTES) {
        k->log_failed |= !write_all(k->log, k->pending, k->end - k->pending_from);
        k->pending_from = k->end;
    }
    if (k->log_failed || 4 * (k->n_entries + 1) <= 3 * k->n_slots)
        return !k->log_failed;
    struct slot *bigger = rehash(k, 2 * k->n_slots, 0, 0);
    if (!bigger)
        return false;
    free(k->slots);
    k->slots = bigger;
    k->n_slots *= 2;
    return true;
}

void cache_add(struct cache *k, const struct cache_block *b, const uint8_t *image, size_t bytes)
{
    size_t total = sizeof(struct entry) + words_bytes(b->n_words) + align_up(bytes, 8);
    if (total > ENTRY_MAX || !make_room(k, total))
        return;
    uint8_t *to = k->pending + (k->end - k->pending_from), *words = to + sizeof(struct entry);
    struct entry *e = (struct entry *)(void *)to;
    memset(to, 0, total);
    *e = (struct entry){.bytes = (uint32_t)total, .image_bytes = (uint32_t)bytes, .mode = b->mode, .n_guest = b->n_guest,
                        .page_offset = b->page_offset, .n_words = b->n_words};
    memcpy(words, b->words, 4 * b->n_words);
    memcpy(words + words_bytes(b->n_words), image, bytes);
    e->digest = digest_of_entry(e);
    slot_put(k->slots, k->n_slots, (struct slot){key_of(b->mode, b->page_offset, b->words, b->room), (uint32_t)(k->end / 8),
                                                 digest_of_code(words, b->n_words), b->n_words});
    k->n_entries++;
    k->end += total;
}

static bool copy(int to, int from, uint64_t at, uint64_t bytes, uint8_t *buffer)
{
    for (size_t n; bytes; at += n, bytes -= n) {
        n = (size_t)MIN(bytes, (uint64_t)LOG_BYTES);
        if (!read_all(from, buffer, n, at) || !write_all(to, buffer, n))
            return false;
    }
    return true;
}

/* Header, entries, index. The old entries are left out when all together are too many. */
static bool write_file(struct cache *k, int to)
{
    bool drop_old = k->end > k->max_bytes;
    uint64_t old_bytes = k->log_from - sizeof(struct header), log_bytes = k->end - k->log_from;
    struct header h = {.build = k->build, .identity = k->identity, .n_slots = k->n_slots,
                       .index_at = k->end - (drop_old ? old_bytes : 0)};
    struct slot *slots = rehash(k, k->n_slots, drop_old ? k->log_from : 0, drop_old ? old_bytes : 0);
    if (!slots)
        return false;
    memcpy(h.magic, magic, sizeof magic);
    h.digest = digest_of_header(h, slots);
    bool ok = write_all(k->log, k->pending, k->end - k->pending_from) && write_all(to, &h, sizeof h) &&
              (drop_old || copy(to, k->file, sizeof h, old_bytes, k->pending)) && copy(to, k->log, 0, log_bytes, k->pending) &&
              write_all(to, slots, k->n_slots * sizeof *slots) && !fsync(to);
    free(slots);
    return ok;
}

/* The second name, locked: nobody else writes it, and who died while writing leaves it behind for the next. */
static int open_new(const char *name)
{
    struct stat mine, there;
    int f = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f < 0)
        return -1;
    if (flock(f, LOCK_EX | LOCK_NB) || fstat(f, &mine) || lstat(name, &there) || mine.st_ino != there.st_ino || fchmod(f, 0600) ||
        ftruncate(f, 0)) {
        close(f); /* another is at it, or has just renamed it */
        return -1;
    }
    return f;
}

static void save(struct cache *k)
{
    char *name;
    if (asprintf(&name, "%s.new", k->path) < 0)
        return;
    int f = open_new(name);
    if (f >= 0 && (!write_file(k, f) || rename(name, k->path)))
        unlink(name);
    if (f >= 0)
        close(f);
    free(name);
    if (k->in_users_folder)
        prune(k->path);
}

void cache_close(struct cache *k)
{
    if (!k)
        return;
    if (k->slots && !k->log_failed && k->end - k->log_from >= WORTH_WRITING)
        save(k);
    for (unsigned i = 0; i < WINDOWS; i++)
        free(k->window[i].data);
    if (k->file >= 0)
        close(k->file);
    if (k->log >= 0)
        close(k->log);
    free(k->slots);
    free(k->pending);
    free(k->path);
    free(k);
}

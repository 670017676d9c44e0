/* watch.c - what is written to RAM. See watch.h. */
#include "mem/watch.h"

#include "base/bits.h"
#include "base/error.h"
#include "mem/inside.h"
#include "mem/lazy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Older headers: uapi/linux/userfaultfd.h and uapi/linux/fs.h of Linux 6.7. */
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#endif
#ifndef PAGEMAP_SCAN
#define PAGEMAP_SCAN          _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_WRITTEN       (1 << 1)
#define PAGE_IS_PRESENT       (1 << 3)
#define PAGE_IS_SWAPPED       (1 << 4)
#define PM_SCAN_WP_MATCHING   (1 << 0)
#define PM_SCAN_CHECK_WPASYNC (1 << 1)
struct page_region {
    uint64_t start, end, categories;
};
struct pm_scan_arg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages, category_inverted, category_mask, category_anyof_mask, return_mask;
};
#endif

enum { RUNS = 256 };

struct mem_watch {
    int fd, pages_fd;
    uint8_t *gone[MEM_REGIONS_MAX]; /* by MEM_WATCH_BYTES: given back to the host since */
};

static size_t n_parts(const struct mem_region *r)
{
    return (size_t)((r->bytes + MEM_WATCH_BYTES - 1) / MEM_WATCH_BYTES);
}

static bool watch_region(struct mem_watch *w, const struct mem_region *r, uint8_t **gone)
{
    struct uffdio_register reg = {.range = {(uintptr_t)r->hva, r->bytes}, .mode = UFFDIO_REGISTER_MODE_WP};
    *gone = calloc(n_parts(r), 1);
    return *gone && !ioctl(w->fd, UFFDIO_REGISTER, &reg);
}

/* One of its pages can be asked about. */
static bool can_be_asked(const struct mem_watch *w, const struct mem_region *r)
{
    struct page_region run;
    struct pm_scan_arg scan = {.size = sizeof scan, .flags = PM_SCAN_CHECK_WPASYNC, .start = (uintptr_t)r->hva, .end = (uintptr_t)r->hva + 4096, .vec = (uintptr_t)&run,
                               .vec_len = 1, .category_mask = PAGE_IS_WRITTEN, .return_mask = PAGE_IS_WRITTEN};
    return ioctl(w->pages_fd, PAGEMAP_SCAN, &scan) >= 0;
}

static void watch_free(struct mem_watch *w)
{
    if (w->fd >= 0)
        close(w->fd); /* nothing is protected any more */
    if (w->pages_fd >= 0)
        close(w->pages_fd);
    for (size_t i = 0; i < MEM_REGIONS_MAX; i++)
        free(w->gone[i]);
    free(w);
}

bool mem_watch_begin(struct mem *m, struct pome_error *err)
{
    const char *off = getenv("POME_MEMORY_AHEAD");
    struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_WP_ASYNC};
    struct mem_watch *w = off && !strcmp(off, "0") ? NULL : calloc(1, sizeof *w);
    mem_settle(m);
    if (!w || m->watch) {
        free(w);
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "memory is not watched");
    }
    w->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    w->pages_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bool ok = w->fd >= 0 && w->pages_fd >= 0 && !ioctl(w->fd, UFFDIO_API, &api);
    for (size_t i = 0; ok && i < m->n; i++)
        ok = m->region[i].read_only || (watch_region(w, &m->region[i], &w->gone[i]) && can_be_asked(w, &m->region[i]));
    if (!ok) {
        watch_free(w);
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "this host does not tell what is written to memory");
    }
    pthread_mutex_lock(&m->watch_lock);
    m->watch = w;
    pthread_mutex_unlock(&m->watch_lock);
    return true;
}

void mem_watch_end(struct mem *m)
{
    pthread_mutex_lock(&m->watch_lock);
    struct mem_watch *w = m->watch;
    m->watch = NULL;
    pthread_mutex_unlock(&m->watch_lock);
    if (w)
        watch_free(w);
}

/* Parts that [from, to) of the region touches. */
static void set_parts(uint8_t *parts, uint64_t from, uint64_t to)
{
    for (uint64_t i = from / MEM_WATCH_BYTES; i * MEM_WATCH_BYTES < to; i++)
        parts[i] = 1;
}

static void take_gone(struct mem *m, size_t region, uint8_t *changed)
{
    pthread_mutex_lock(&m->watch_lock);
    uint8_t *gone = m->watch->gone[region];
    for (size_t i = 0; i < n_parts(&m->region[region]); i++) {
        changed[i] |= gone[i];
        gone[i] = 0;
    }
    pthread_mutex_unlock(&m->watch_lock);
}

bool mem_watch_take(struct mem *m, uint64_t gpa, uint8_t *changed, struct pome_error *err)
{
    const struct mem_region *r = mem_find(m, gpa);
    assert(m->watch && r && r->gpa == gpa && !r->read_only);
    const uint64_t begin = (uintptr_t)r->hva;
    struct page_region run[RUNS];
    struct pm_scan_arg scan = {.size = sizeof scan, .flags = PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC, .start = begin, .end = begin + r->bytes, .vec = (uintptr_t)run,
                               .vec_len = RUNS, .category_mask = PAGE_IS_WRITTEN, .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED, .return_mask = PAGE_IS_WRITTEN};
    for (; scan.start < scan.end; scan.start = scan.walk_end) {
        long n = ioctl(m->watch->pages_fd, PAGEMAP_SCAN, &scan);
        if (n < 0)
            return pome_fail_errno(err, "asking what was written to memory");
        for (long i = 0; i < n; i++)
            set_parts(changed, run[i].start - begin, run[i].end - begin);
    }
    take_gone(m, (size_t)(r - m->region), changed);
    return true;
}

void watch_gone(struct mem *m, const void *hva, uint64_t bytes)
{
    pthread_mutex_lock(&m->watch_lock);
    for (size_t i = 0; m->watch && i < m->n; i++) {
        const uint64_t at = (uint64_t)(uintptr_t)hva - (uintptr_t)m->region[i].hva;
        if (at < m->region[i].bytes && m->watch->gone[i])
            set_parts(m->watch->gone[i], at, at + bytes);
    }
    pthread_mutex_unlock(&m->watch_lock);
}

/* lazy.c - memory whose contents come when it is first touched. See lazy.h. */
#include "mem/lazy.h"

#include "base/bits.h"
#include "base/error.h"
#include "mem/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

enum { PAGE = 4096, MESSAGES = 16 };
enum { QUIET_MS = 10, PATIENCE_MS = 1000 }; /* of who fetches all: see give_way */
enum { MISSING, COMING, THERE };

struct mem_lazy {
    struct mem_source source;
    uint8_t *hva;
    uint64_t bytes;
    size_t n_chunks;
    _Atomic uint8_t *chunk; /* MISSING, COMING, THERE */
    int fd, stop_fd;
    _Atomic bool stop;
    _Atomic unsigned faults; /* how many chunks somebody waited for */
    pthread_t server, fetcher; /* serves who waits; fetches all, then ends the other */
    uint8_t *buffer[MEM_LAZY_WORKERS];
    pthread_mutex_t lock;
    pthread_cond_t changed; /* of the next two */
    bool is_settled, hurry; /* all is there; somebody waits for that, or for the end */
};

static size_t chunk_size(const struct mem_lazy *l, size_t chunk)
{
    return (size_t)MIN((uint64_t)l->source.chunk_bytes, l->bytes - (uint64_t)chunk * l->source.chunk_bytes);
}

/* A page that is there already is as good. `from` NULL: zeros. */
static void place(struct mem_lazy *l, uint64_t offset, size_t n, const uint8_t *from)
{
    const uint64_t at = (uintptr_t)l->hva + offset;
    size_t done = 0;
    while (done < n) {
        struct uffdio_copy copy = {.dst = at + done, .src = (uintptr_t)from + done, .len = n - done};
        struct uffdio_zeropage zero = {.range = {at + done, n - done}};
        int e = ioctl(l->fd, from ? UFFDIO_COPY : UFFDIO_ZEROPAGE, from ? (void *)&copy : (void *)&zero) ? errno : 0;
        int64_t some = from ? copy.copy : zero.zeropage;
        if (e && e != EAGAIN && e != EEXIST)
            return; /* no longer registered: the kernel makes zeros */
        done += some > 0 ? (size_t)some : e == EEXIST ? PAGE : 0;
    }
}

static void wake(struct mem_lazy *l, size_t chunk)
{
    struct uffdio_range r = {(uintptr_t)l->hva + (uint64_t)chunk * l->source.chunk_bytes, chunk_size(l, chunk)};
    ioctl(l->fd, UFFDIO_WAKE, &r);
}

/* For somebody who waits for it, or ahead of him. */
static void fetch(struct mem_lazy *l, unsigned worker, size_t chunk)
{
    uint8_t missing = MISSING;
    bool zero = l->source.is_zero(l->source.ctx, chunk);
    if (!atomic_compare_exchange_strong(&l->chunk[chunk], &missing, COMING)) {
        if (missing == THERE)
            wake(l, chunk);
        return;
    }
    zero = zero || !l->source.fill(l->source.ctx, worker, chunk, l->buffer[worker]);
    place(l, (uint64_t)chunk * l->source.chunk_bytes, chunk_size(l, chunk), zero ? NULL : l->buffer[worker]);
    atomic_store(&l->chunk[chunk], THERE);
}

static void *serve(void *arg)
{
    struct mem_lazy *l = arg;
    struct pollfd p[2] = {{.fd = l->fd, .events = POLLIN}, {.fd = l->stop_fd, .events = POLLIN}};
    struct uffd_msg m[MESSAGES];
    while (!atomic_load(&l->stop)) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            break;
        ssize_t n = read(l->fd, m, sizeof m);
        for (ssize_t i = 0; i < n / (ssize_t)sizeof *m; i++)
            if (m[i].event == UFFD_EVENT_PAGEFAULT) {
                atomic_fetch_add_explicit(&l->faults, 1, memory_order_relaxed);
                fetch(l, 0, (size_t)((m[i].arg.pagefault.address - (uintptr_t)l->hva) / l->source.chunk_bytes));
            }
    }
    return NULL;
}

static void settle(struct mem_lazy *l)
{
    struct uffdio_range all = {(uintptr_t)l->hva, l->bytes};
    ioctl(l->fd, UFFDIO_UNREGISTER, &all); /* what is still missing is zero, and the kernel makes it */
    ioctl(l->fd, UFFDIO_WAKE, &all); /* since faults take the lock of their mapping only (Linux 6.7), one can come in between its own wake-up and its end */
    atomic_store(&l->stop, true);
    eventfd_write(l->stop_fd, 1);
    pthread_join(l->server, NULL);
    l->source.release(l->source.ctx);
    pthread_mutex_lock(&l->lock);
    l->is_settled = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static void wait_ms(struct mem_lazy *l, unsigned ms)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    uint64_t ns = (uint64_t)end.tv_nsec + ms * UINT64_C(1000000);
    end.tv_sec += (time_t)(ns / 1000000000);
    end.tv_nsec = (long)(ns % 1000000000);
    pthread_cond_timedwait(&l->changed, &l->lock, &end);
}

/* The lock is held. */
static void hurry(struct mem_lazy *l)
{
    l->hurry = true;
    pthread_cond_broadcast(&l->changed);
}

/* A guest that has just begun to run wants other chunks than the next in order, and soon: as long as it waits for some every now and then, it has the host's
 * processors to itself, for a while. */
static void give_way(struct mem_lazy *l)
{
    unsigned before, after = atomic_load(&l->faults);
    pthread_mutex_lock(&l->lock);
    for (unsigned ms = 0; ms < PATIENCE_MS && !l->hurry; ms += QUIET_MS) {
        before = after;
        wait_ms(l, QUIET_MS);
        after = atomic_load(&l->faults);
        if (after && after == before)
            break;
    }
    pthread_mutex_unlock(&l->lock);
}

/* Neighbours together. */
static void place_pages(struct mem_lazy *l, const uint32_t *pages, size_t n, const uint8_t *from)
{
    for (size_t i = 0, k; i < n; i += k) {
        for (k = 1; i + k < n && pages[i + k] == pages[i] + k; k++)
            ;
        if ((pages[i] + (uint64_t)k) * PAGE <= l->bytes)
            place(l, (uint64_t)pages[i] * PAGE, k * PAGE, from + i * PAGE);
    }
}

static void fetch_first(struct mem_lazy *l)
{
    const uint32_t *pages = NULL;
    size_t n = 1;
    for (size_t i = 0; n && l->source.first && !atomic_load(&l->stop); i++) {
        n = l->source.first(l->source.ctx, 1, i, &pages, l->buffer[1]);
        place_pages(l, pages, n, l->buffer[1]);
    }
}

static void *fetch_all(void *arg)
{
    struct mem_lazy *l = arg;
    fetch_first(l);
    give_way(l);
    for (size_t i = 0; i < l->n_chunks && !atomic_load(&l->stop); i++)
        if (!l->source.is_zero(l->source.ctx, i))
            fetch(l, 1, i);
    for (size_t i = 0; i < l->n_chunks; i++)
        while (atomic_load(&l->chunk[i]) == COMING)
            sched_yield(); /* the other thread has it */
    settle(l);
    return NULL;
}

static bool open_faults(struct mem_lazy *l, struct pome_error *err)
{
    l->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register reg = {.range = {(uintptr_t)l->hva, l->bytes}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    if (l->fd < 0 || ioctl(l->fd, UFFDIO_API, &api) || ioctl(l->fd, UFFDIO_REGISTER, &reg))
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "this host does not offer userfaultfd");
    l->stop_fd = eventfd(0, EFD_CLOEXEC);
    return l->stop_fd >= 0 || pome_fail_errno(err, "eventfd");
}

static bool start_threads(struct mem_lazy *l, struct pome_error *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* signals are for the program's own threads */
    int e = pthread_create(&l->server, NULL, serve, l);
    if (!e && (e = pthread_create(&l->fetcher, NULL, fetch_all, l))) {
        atomic_store(&l->stop, true);
        eventfd_write(l->stop_fd, 1);
        pthread_join(l->server, NULL);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = e;
    return !e || pome_fail_errno(err, "threads for guest memory");
}

static void lazy_free(struct mem_lazy *l)
{
    if (l->fd >= 0)
        close(l->fd);
    if (l->stop_fd >= 0)
        close(l->stop_fd);
    for (unsigned i = 0; i < MEM_LAZY_WORKERS; i++)
        free(l->buffer[i]);
    pthread_cond_destroy(&l->changed);
    free((void *)l->chunk);
    free(l);
}

bool mem_lazy_start(struct mem *m, uint64_t gpa, const struct mem_source *source, struct pome_error *err)
{
    const struct mem_region *r = mem_find(m, gpa);
    assert(r && r->gpa == gpa && !r->read_only && !m->lazy && is_pow2(source->chunk_bytes) && source->chunk_bytes >= PAGE);
    struct mem_lazy *l = calloc(1, sizeof *l);
    if (!l)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to restore guest memory");
    *l = (struct mem_lazy){.source = *source, .hva = r->hva, .bytes = r->bytes, .fd = -1, .stop_fd = -1, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    l->n_chunks = (size_t)((r->bytes + source->chunk_bytes - 1) / source->chunk_bytes);
    l->chunk = calloc(l->n_chunks, 1);
    bool ok = l->chunk;
    for (unsigned i = 0; i < MEM_LAZY_WORKERS; i++)
        ok &= (l->buffer[i] = aligned_alloc(PAGE, source->chunk_bytes)) != NULL;
    ok = ok || pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory to restore guest memory");
    if (ok && open_faults(l, err) && start_threads(l, err)) {
        m->lazy = l;
        return true;
    }
    lazy_free(l);
    return false;
}

void mem_settle(struct mem *m)
{
    struct mem_lazy *l = m->lazy;
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    hurry(l);
    while (!l->is_settled)
        pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

bool lazy_is_coming(const struct mem *m)
{
    return m->lazy && !atomic_load(&m->lazy->stop);
}

void lazy_end(struct mem *m)
{
    struct mem_lazy *l = m->lazy;
    if (!l)
        return;
    atomic_store(&l->stop, true);
    pthread_mutex_lock(&l->lock);
    hurry(l);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->fetcher, NULL);
    m->lazy = NULL;
    lazy_free(l);
}

void mem_touch(const struct mem *m, const void *hva, uint64_t bytes)
{
    const struct mem_lazy *l = m->lazy;
    if (!l || !bytes || atomic_load_explicit(&l->stop, memory_order_relaxed))
        return;
    const volatile uint8_t *p = hva;
    for (uint64_t i = 0; i < bytes; i += PAGE)
        (void)p[i];
    (void)p[bytes - 1];
}

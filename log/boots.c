/* boots.c - where each boot begins in the store. */
#include "log/boots.h"

#include "log/segments.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char file[] = "boots", temporary[] = ".boots.new";

static size_t print(const struct boot_place *p, char line[128])
{
    return (size_t)snprintf(line, 128, "%" PRIu32 " %" PRIu64 " %" PRId64 " %s\n", p->segment, p->offset, p->realtime_ns, p->uuid);
}

static bool parse(const char *line, struct boot_place *p)
{
    char after;
    return sscanf(line, "%" SCNu32 " %" SCNu64 " %" SCNd64 " %36[0-9A-F-]%c", &p->segment, &p->offset, &p->realtime_ns, p->uuid, &after) == 5 && after == '\n';
}

size_t boots_read(int dir_fd, struct boot_place *places, size_t max)
{
    size_t n = 0;
    char line[128];
    int fd = openat(dir_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    if (!f && fd >= 0)
        close(fd);
    for (long read = 0; f && read < 2 * BOOTS_MAX_BYTES && fgets(line, sizeof line, f); read += (long)strlen(line)) {
        struct boot_place p;
        if (!parse(line, &p))
            continue;
        if (n == max)
            memmove(places, places + 1, --n * sizeof *places);
        places[n++] = p;
    }
    if (f)
        fclose(f);
    return n;
}

/* Writes the newer half anew: what it loses is found by reading. */
static void shorten(int dir_fd)
{
    enum { KEEP = 256 };
    struct boot_place *places = malloc(KEEP * sizeof *places);
    size_t n = places ? boots_read(dir_fd, places, KEEP) : 0;
    uint32_t first = segment_at_or_after(dir_fd, 1);
    char line[128];
    int fd = openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && places;
    for (size_t i = 0; ok && i < n; i++) {
        size_t k = print(&places[i], line);
        ok = places[i].segment < first || write(fd, line, k) == (ssize_t)k;
    }
    ok = ok && !fsync(fd);
    if (fd >= 0)
        close(fd);
    if (!ok || renameat(dir_fd, temporary, dir_fd, file))
        unlinkat(dir_fd, temporary, 0);
    free(places);
}

void boots_add(int dir_fd, const struct boot_place *place)
{
    struct stat st;
    char line[128];
    size_t n = print(place, line);
    int fd = openat(dir_fd, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    bool large = !fstat(fd, &st) && st.st_size > BOOTS_MAX_BYTES;
    if (write(fd, line, n) != (ssize_t)n) { /* a torn line: the next one begins after it */
        ssize_t ignored = write(fd, "\n", 1);
        (void)ignored;
    }
    close(fd);
    if (large)
        shorten(dir_fd);
}

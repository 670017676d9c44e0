/* segments.c - the files of a log folder. */
#include "log/segments.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *segment_name(uint32_t number, char *name)
{
    snprintf(name, SEGMENT_NAME_BYTES, "%08u.log", number % 100000000);
    return name;
}

static uint32_t number_of(const char *name)
{
    uint32_t n = 0;
    for (int i = 0; i < 8; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        n = n * 10 + (uint32_t)(name[i] - '0');
    }
    return strcmp(name + 8, ".log") ? 0 : n;
}

/* Calls each with every segment's number, in no order. */
static void walk(int dir_fd, void (*each)(void *user, uint32_t number), void *user)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d));) {
        uint32_t n = number_of(e->d_name);
        if (n)
            each(user, n);
    }
    closedir(d);
}

struct search {
    uint32_t from, best;
};

static void nearest(void *user, uint32_t number)
{
    struct search *s = user;
    if (number >= s->from && (!s->best || number < s->best))
        s->best = number;
}

uint32_t segment_at_or_after(int dir_fd, uint32_t from)
{
    struct search s = {from, 0};
    walk(dir_fd, nearest, &s);
    return s.best;
}

static void largest(void *user, uint32_t number)
{
    uint32_t *best = user;
    if (number > *best)
        *best = number;
}

uint32_t segment_last(int dir_fd)
{
    uint32_t best = 0;
    walk(dir_fd, largest, &best);
    return best;
}

void segments_prune(int dir_fd, uint32_t keep_from)
{
    for (uint32_t n; (n = segment_at_or_after(dir_fd, 1)) && n < keep_from;) {
        char name[SEGMENT_NAME_BYTES];
        if (unlinkat(dir_fd, segment_name(n, name), 0))
            return;
    }
}

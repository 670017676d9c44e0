/* snapshot_text.c - the small files in Snapshots. */
#include "bundle/snapshot_text.h"

#include "base/file_io.h"
#include "bundle/snapshot_place.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char description[] = "Snapshot.json";

bool snapshot_text_put(int dir, const char *name, const char *text)
{
    char temporary[300];
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && file_write_whole(fd, text, strlen(text)) && !fsync(fd) && !renameat(dir, temporary, dir, name) && !fsync(dir);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool snapshot_text_get(int dir, const char *name, char *text, size_t room)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    return n > 0;
}

/* "" when there is none. */
void snapshot_current_get(const struct bundle *b, char name[SNAPSHOT_NAME_MAX + 1])
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", snapshot_folder, snapshot_current);
    snapshot_text_get(b->dir_fd, path, name, SNAPSHOT_NAME_MAX + 1);
}

bool snapshot_current_set(const struct bundle *b, const char *name)
{
    int dir = openat(b->dir_fd, snapshot_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = dir >= 0 && snapshot_text_put(dir, snapshot_current, name);
    if (dir >= 0)
        close(dir);
    return ok;
}

bool snapshot_description_put(int dir, const char *parent, int64_t created_s, bool has_memory)
{
    json_t *j = json_pack("{s:i, s:s, s:I, s:b}", "version", 1, "parent", parent, "created", (json_int_t)created_s, "memory", has_memory);
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    bool ok = text && snapshot_text_put(dir, description, text);
    free(text);
    json_decref(j);
    return ok;
}

bool snapshot_description_get(int dir, struct snapshot *s)
{
    int fd = openat(dir, description, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char text[1024];
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        close(fd);
    json_t *j = n > 0 ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
    const char *parent = "";
    json_int_t created = 0;
    int version = 0, memory = 0;
    bool ok = j && !json_unpack(j, "{s:i, s:s, s:I, s:b}", "version", &version, "parent", &parent, "created", &created, "memory", &memory) && version == 1 &&
              strlen(parent) <= SNAPSHOT_NAME_MAX;
    if (ok) {
        strcpy(s->parent, parent);
        s->created_s = created;
        s->has_memory = memory;
    }
    json_decref(j);
    return ok;
}

/*
 * download.c - HTTP through libcurl (the only file that knows it).
 *
 * How it works. What has come lies in OUTPUT.part; OUTPUT.part.info has three lines: the URL, the validator (strong ETag, or Last-Modified) and
 * the whole size. With both, a request asks for the rest with Range and If-Range (RFC 9110, 13.1.5 and 14.2): 206 goes on, 200 begins
 * anew. The SHA-1 runs along; what was there already is read again first.
 */
#include "restore/download.h"
#include "base/bits.h"
#include "base/error.h"
#include "base/file_io.h"
#include "formats/sha384.h"
#include "restore/libcurl.h"

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 5, PATH = 4096, TEXT = 512, SLOW_SECONDS = 60, REDIRECTIONS = 10 };

static void init(void)
{
    libcurl.curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* A handle with what all requests have in common. NULL and *err. */
static CURL *request(const char *url, char message[CURL_ERROR_SIZE], struct pome_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    bool https = !strncasecmp(url, "https://", 8);
    if (!https && strncasecmp(url, "http://", 7)) {
        pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.100s: neither http:// nor https://", url);
        return NULL;
    }
    if (!libcurl_load(err))
        return NULL;
    pthread_once(&once, init);
    CURL *c = libcurl.curl_easy_init();
    if (!c) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for a connection");
        return NULL;
    }
    message[0] = 0;
    libcurl.curl_easy_setopt(c, CURLOPT_URL, url);
    libcurl.curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    libcurl.curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https");
    libcurl.curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    libcurl.curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTIONS);
    libcurl.curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    libcurl.curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 30L);
    libcurl.curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    libcurl.curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)SLOW_SECONDS);
    libcurl.curl_easy_setopt(c, CURLOPT_USERAGENT, "pome/" POME_VERSION_STRING);
    libcurl.curl_easy_setopt(c, CURLOPT_ERRORBUFFER, message);
    return c;
}

static bool network_error(const char *url, CURLcode code, const char *message, struct pome_error *err)
{
    return pome_fail(err, POME_ERROR_NETWORK, "%.100s: %s", url, message[0] ? message : libcurl.curl_easy_strerror(code));
}

/* --- small ones --- */

struct gathering {
    uint8_t *bytes;
    size_t n, max;
    bool too_much;
};

static size_t gather(char *bytes, size_t one, size_t n, void *user)
{
    struct gathering *g = user;
    g->too_much = n > g->max - g->n;
    uint8_t *more = g->too_much ? NULL : realloc(g->bytes, g->n + n + 1);
    if (!more)
        return 0;
    g->bytes = more;
    memcpy(more + g->n, bytes, n);
    g->n += n;
    return n;
}

uint8_t *download_small(const char *url, size_t max, size_t *n, struct pome_error *err)
{
    char message[CURL_ERROR_SIZE];
    struct gathering g = {.max = max};
    CURL *c = request(url, message, err);
    if (!c)
        return NULL;
    libcurl.curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, gather);
    libcurl.curl_easy_setopt(c, CURLOPT_WRITEDATA, &g);
    libcurl.curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
    libcurl.curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)SLOW_SECONDS);
    CURLcode code = libcurl.curl_easy_perform(c);
    libcurl.curl_easy_cleanup(c);
    *n = g.n;
    if (code == CURLE_OK && g.n)
        return g.bytes;
    if (g.too_much)
        pome_fail(err, POME_ERROR_INVALID_DATA, "%.100s: more than %zu bytes", url, max);
    else if (code == CURLE_OK)
        pome_fail(err, POME_ERROR_NETWORK, "%.100s: nothing came", url);
    else
        network_error(url, code, message, err);
    free(g.bytes);
    return NULL;
}

/* --- large ones --- */

struct transfer {
    const struct pome_download_options *o;
    pome_progress_fn *progress;
    void *user;
    struct pome_error *err;
    char part[PATH], info[PATH + 8];
    int fd;                /* of the part, locked */
    uint64_t have, total;  /* bytes in it; of the whole file, 0: not known */
    char validator[TEXT];  /* "": none */
    EVP_MD_CTX *sha1;
    CURL *curl;

    /* Of the answer that is coming in. */
    long status;
    uint64_t range_begin, range_total, length;
    bool has_range, begun;
    char etag[TEXT], modified[TEXT];
    bool failed, cancelled; /* failed: *err is filled */
};

/* --- what is known of a part --- */

static void strip_end(char *line)
{
    line[strcspn(line, "\r\n")] = 0;
}

/* The part of an earlier call, if it is of this URL and can be gone on with. */
static void read_info(struct transfer *t)
{
    char url[PATH], total[32];
    struct stat st;
    FILE *f = fopen(t->info, "r");
    bool ok = f && fgets(url, sizeof url, f) && fgets(t->validator, sizeof t->validator, f) && fgets(total, sizeof total, f);
    if (f)
        fclose(f);
    if (ok) {
        strip_end(url);
        strip_end(t->validator);
        t->total = strtoull(total, NULL, 10);
        ok = !strcmp(url, t->o->url) && t->validator[0] && !fstat(t->fd, &st) && (!t->total || (uint64_t)st.st_size <= t->total);
    }
    t->have = ok ? (uint64_t)st.st_size : 0;
    if (!ok) {
        t->validator[0] = 0;
        t->total = 0;
    }
}

static bool write_info(struct transfer *t)
{
    FILE *f = fopen(t->info, "w");
    if (!f)
        return pome_fail_errno(t->err, "%s: cannot write", t->info);
    fprintf(f, "%s\n%s\n%llu\n", t->o->url, t->validator, (unsigned long long)t->total);
    return !fclose(f) || pome_fail_errno(t->err, "%s: cannot write", t->info);
}

static void forget(struct transfer *t)
{
    unlink(t->info);
    unlink(t->part);
}

/* --- the answer's head --- */

/* The value of a header of this name, without white space around. */
static bool header_is(const char *line, size_t n, const char *name, char value[TEXT])
{
    size_t k = strlen(name);
    if (n <= k || strncasecmp(line, name, k) || line[k] != ':')
        return false;
    for (k++; k < n && (line[k] == ' ' || line[k] == '\t'); k++)
        ;
    while (n > k && (uint8_t)line[n - 1] <= ' ')
        n--;
    snprintf(value, TEXT, "%.*s", (int)MIN(n - k, (size_t)TEXT - 1), line + k);
    return true;
}

static size_t take_header(char *line, size_t one, size_t n, void *user)
{
    struct transfer *t = user;
    char value[TEXT];
    unsigned long long begin, end, total;
    if (n > 5 && !strncmp(line, "HTTP/", 5)) { /* of a redirection or the last one: the last one counts */
        t->has_range = false;
        t->length = 0;
        t->etag[0] = t->modified[0] = 0;
    } else if (header_is(line, n, "Content-Range", value) && sscanf(value, "bytes %llu-%llu/%llu", &begin, &end, &total) == 3) {
        t->has_range = true;
        t->range_begin = begin;
        t->range_total = total;
    } else if (header_is(line, n, "Content-Length", value)) {
        t->length = strtoull(value, NULL, 10);
    } else if (header_is(line, n, "ETag", value) && value[0] == '"') { /* weak ones do not promise the same bytes */
        strcpy(t->etag, value);
    } else if (header_is(line, n, "Last-Modified", value)) {
        strcpy(t->modified, value);
    }
    return n;
}

static bool enough_space(struct transfer *t)
{
    char copy[PATH];
    struct statvfs v;
    snprintf(copy, sizeof copy, "%s", t->part);
    uint64_t need = t->total - MIN(t->have, t->total);
    if (statvfs(dirname(copy), &v) || need <= (uint64_t)v.f_bavail * v.f_frsize)
        return true;
    return pome_fail(t->err, POME_ERROR_OUT_OF_DISK_SPACE, "%s: %llu MiB are needed, %llu MiB are free", t->part, (unsigned long long)(need / MiB),
                     (unsigned long long)((uint64_t)v.f_bavail * v.f_frsize / MiB));
}

/* At the first byte of a good answer: goes on, or begins anew. */
static bool begin_body(struct transfer *t)
{
    t->begun = true;
    if (t->status == 206 && (!t->has_range || t->range_begin != t->have))
        return pome_fail(t->err, POME_ERROR_NETWORK, "%.100s: the server sends another part than was asked for", t->o->url);
    if (t->status != 206) {
        t->have = 0;
        EVP_DigestInit_ex(t->sha1, EVP_sha1(), NULL);
        if (ftruncate(t->fd, 0))
            return pome_fail_errno(t->err, "%s: cannot write", t->part);
    }
    t->total = t->status == 206 ? t->range_total : t->length;
    snprintf(t->validator, sizeof t->validator, "%s", t->etag[0] ? t->etag : t->modified);
    if (t->o->bytes && t->total && t->total != t->o->bytes)
        return pome_fail(t->err, POME_ERROR_INVALID_DATA, "%.100s: has %llu bytes, needed %llu", t->o->url, (unsigned long long)t->total,
                         (unsigned long long)t->o->bytes);
    return enough_space(t) && write_info(t);
}

/* --- the answer's body --- */

static bool show(struct transfer *t)
{
    struct pome_progress p = {.step = t->o->output, .step_number = 1, .step_count = 1, .done = t->have, .total = t->total,
                              .fraction = t->total ? MIN(1.0, (double)t->have / (double)t->total) : 0};
    return !t->progress || t->progress(t->user, &p);
}

static size_t take_body(char *bytes, size_t one, size_t n, void *user)
{
    struct transfer *t = user;
    libcurl.curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
    if (t->status != 200 && t->status != 206)
        return n; /* an error's page */
    uint64_t most = t->o->bytes ? t->o->bytes : UINT64_MAX;
    if ((!t->begun && !begin_body(t)) || (n > most - MIN(t->have, most) && !pome_fail(t->err, POME_ERROR_INVALID_DATA, "%.100s: more than %llu bytes come",
                                                                                     t->o->url, (unsigned long long)most)) ||
        !file_write_at(t->fd, t->part, bytes, n, t->have, t->err)) {
        t->failed = true;
        return 0;
    }
    EVP_DigestUpdate(t->sha1, bytes, n);
    t->have += n;
    return n;
}

static int tick(void *user, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
    struct transfer *t = user;
    t->cancelled = !show(t);
    return t->cancelled;
}

/* --- requests --- */

enum answer { DONE, AGAIN, FAILED };

/* One request. AGAIN: the connection broke, *err says how. */
static enum answer ask(struct transfer *t)
{
    char message[CURL_ERROR_SIZE], line[TEXT + 16];
    struct curl_slist *headers = NULL;
    CURL *c = request(t->o->url, message, t->err);
    if (!c)
        return FAILED;
    t->curl = c;
    t->begun = t->has_range = false;
    t->length = 0;
    if (t->have) {
        libcurl.curl_easy_setopt(c, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)t->have);
        snprintf(line, sizeof line, "If-Range: %s", t->validator);
        headers = libcurl.curl_slist_append(NULL, line);
        libcurl.curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    }
    libcurl.curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    libcurl.curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    libcurl.curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    libcurl.curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    libcurl.curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, tick);
    libcurl.curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    libcurl.curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    CURLcode code = libcurl.curl_easy_perform(c);
    libcurl.curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &t->status);
    libcurl.curl_easy_cleanup(c);
    libcurl.curl_slist_free_all(headers);
    if (t->cancelled) {
        pome_fail(t->err, POME_ERROR_OPERATION_CANCELLED, "cancelled: %llu bytes lie in %s for the next time", (unsigned long long)t->have, t->part);
        return FAILED;
    }
    if (t->failed)
        return FAILED;
    if (t->status == 416 || (code == CURLE_RANGE_ERROR && t->have)) { /* nothing after what we have, or a server without ranges: anew */
        t->have = 0;
        pome_fail(t->err, POME_ERROR_NETWORK, "%.100s: the server refuses the rest of the file", t->o->url);
        return AGAIN;
    }
    if (t->status >= 400) {
        bool gone = t->status == 404 || t->status == 410;
        pome_fail(t->err, gone ? POME_ERROR_NOT_FOUND : POME_ERROR_NETWORK, "%.100s: the server answers %ld%s", t->o->url, t->status,
                  gone ? " (it has no such file)" : "");
        return t->status >= 500 ? AGAIN : FAILED;
    }
    if (code != CURLE_OK) {
        network_error(t->o->url, code, message, t->err);
        static const CURLcode hopeless[] = {CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_COULDNT_RESOLVE_HOST, CURLE_TOO_MANY_REDIRECTS,
                                            CURLE_PEER_FAILED_VERIFICATION};
        for (size_t i = 0; i < ARRAY_SIZE(hopeless); i++)
            if (code == hopeless[i])
                return FAILED;
        return AGAIN;
    }
    if (t->total && t->have < t->total) {
        pome_fail(t->err, POME_ERROR_NETWORK, "%.100s: ends after %llu of %llu bytes", t->o->url, (unsigned long long)t->have, (unsigned long long)t->total);
        return AGAIN;
    }
    return DONE;
}

/* Waits before the n-th try, a second longer each time; false: cancelled. */
static bool wait_a_bit(struct transfer *t, unsigned n)
{
    for (unsigned i = 0; i < 10 * n; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        if (!show(t))
            return pome_fail(t->err, POME_ERROR_OPERATION_CANCELLED, "cancelled: %llu bytes lie in %s for the next time", (unsigned long long)t->have,
                             t->part);
    }
    return true;
}

static bool transfer(struct transfer *t)
{
    uint64_t best = t->have;
    for (unsigned tries = 0;;) {
        enum answer a = ask(t);
        if (a != AGAIN)
            return a == DONE;
        if (t->have > best) { /* something came: patience begins anew */
            best = t->have;
            tries = 0;
        }
        if (!t->validator[0] && t->have) { /* it cannot be said that the rest belongs to it */
            t->have = 0;
            best = 0;
        }
        if (++tries == TRIES || !wait_a_bit(t, tries))
            return false;
    }
}

/* --- before and after --- */

/* The SHA-1 of what is there already. */
static bool digest_part(struct transfer *t)
{
    uint8_t *block = malloc(MiB);
    bool ok = block || pome_fail(t->err, POME_ERROR_OUT_OF_MEMORY, "%s: no memory to read it", t->part);
    EVP_DigestInit_ex(t->sha1, EVP_sha1(), NULL);
    for (uint64_t at = 0; ok && at < t->have;) {
        size_t n = (size_t)MIN(t->have - at, MiB);
        ok = file_read_at(t->fd, t->part, block, n, at, t->err);
        EVP_DigestUpdate(t->sha1, block, n);
        at += n;
    }
    free(block);
    return ok;
}

static bool check(struct transfer *t)
{
    uint8_t want[20], got[20];
    char text[41];
    if (t->o->bytes && t->have != t->o->bytes) {
        forget(t);
        return pome_fail(t->err, POME_ERROR_INVALID_DATA, "%.100s: has %llu bytes, needed %llu", t->o->url, (unsigned long long)t->have,
                         (unsigned long long)t->o->bytes);
    }
    EVP_DigestFinal_ex(t->sha1, got, NULL);
    if (!t->o->sha1)
        return true;
    hex_parse(t->o->sha1, want, sizeof want);
    if (!memcmp(got, want, sizeof want))
        return true;
    hex_upper(got, sizeof got, text);
    forget(t);
    return pome_fail(t->err, POME_ERROR_INVALID_DATA, "%.100s: its SHA-1 is %s, needed %s", t->o->url, text, t->o->sha1);
}

static bool publish(struct transfer *t)
{
    char copy[PATH];
    snprintf(copy, sizeof copy, "%s", t->part);
    if (fsync(t->fd) || renameat2(AT_FDCWD, t->part, AT_FDCWD, t->o->output, RENAME_NOREPLACE))
        return pome_fail_errno(t->err, "%s: cannot write", t->o->output);
    unlink(t->info);
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        fsync(folder);
        close(folder);
    }
    return true;
}

static bool open_part(struct transfer *t)
{
    struct stat st;
    uint8_t digest[20];
    if (snprintf(t->part, PATH, "%s.part", t->o->output) >= PATH - 8 || strlen(t->o->url) >= PATH)
        return pome_fail(t->err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path or the URL is too long", t->o->output);
    snprintf(t->info, sizeof t->info, "%s.info", t->part);
    if (t->o->sha1 && !hex_parse(t->o->sha1, digest, sizeof digest))
        return pome_fail(t->err, POME_ERROR_INVALID_CONFIGURATION, "\"%.60s\" is not a SHA-1: 40 hexadecimal digits", t->o->sha1);
    if (!lstat(t->o->output, &st))
        return pome_fail(t->err, POME_ERROR_EXISTS, "%s exists already", t->o->output);
    t->fd = open(t->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (t->fd < 0)
        return pome_fail_errno(t->err, "%s: cannot create", t->part);
    if (flock(t->fd, LOCK_EX | LOCK_NB))
        return pome_fail(t->err, POME_ERROR_BUSY, "%s: another process downloads to it", t->part);
    t->sha1 = EVP_MD_CTX_new();
    return t->sha1 || pome_fail(t->err, POME_ERROR_OUT_OF_MEMORY, "no memory for the download");
}

bool download(const struct pome_download_options *options, pome_progress_fn *progress, void *user, struct pome_error *err)
{
    struct pome_error unused;
    struct transfer *t = calloc(1, sizeof *t);
    if (!t)
        return pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the download");
    *t = (struct transfer){.o = options, .progress = progress, .user = user, .err = err ? err : &unused, .fd = -1};
    bool ok = open_part(t);
    if (ok) {
        read_info(t);
        /* All of it is there already: only its end was missed. */
        bool whole = t->have && t->have == t->total;
        ok = digest_part(t) && (whole || transfer(t)) && check(t) && publish(t);
        if (!ok && !t->have)
            forget(t);
    }
    EVP_MD_CTX_free(t->sha1);
    if (t->fd >= 0)
        close(t->fd);
    free(t);
    return ok;
}

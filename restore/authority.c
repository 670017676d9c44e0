/*
 * authority.c - the local signing authority (docs/boot.md section 2).
 *
 * The one file of restore/ that knows libcrypto. A new authority is made in a folder beside its place and renamed, so that two first
 * uses at once end with one of them.
 */
#include "restore/authority.h"
#include "base/error.h"
#include "bundle/bundle.h"
#include "formats/im4m_seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { KEY_BITS = 3072, EXPONENT = 65537, SIGNATURE_BYTES = KEY_BITS / 8, CERTIFICATE_MAX = 4096, SERIAL_BYTES = 8, RANDOM_BYTES = 4 + 2 * SERIAL_BYTES };
static const char signer_name[] = "Pome boot tickets"; /* the boot ROM knows it: firmware/certificate.c */

struct authority {
    char path[PATH_MAX], name[128];
    EVP_PKEY *key;                      /* the signer's */
    uint8_t chain[2 * CERTIFICATE_MAX]; /* DER: the signer's certificate, the root */
    size_t chain_size;
    const uint8_t *root;
    size_t root_size;
    uint8_t anchor[SHA384_BYTES];
};

bool authority_folder(char path[PATH_MAX], struct pome_error *err)
{
    const char *own = getenv("POME_AUTHORITY");
    if (own && *own)
        return snprintf(path, PATH_MAX, "%s", own) < PATH_MAX || pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "POME_AUTHORITY is too long");
    if (!bundle_home(path, err)) /* ".../vms" */
        return false;
    char *slash = strrchr(path, '/');
    if ((size_t)(slash - path) + sizeof "/authority" > PATH_MAX)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is too long", path);
    strcpy(slash, "/authority");
    return true;
}

/* --- files --- */

static bool join(char out[PATH_MAX], const char *folder, const char *name, struct pome_error *err)
{
    return snprintf(out, PATH_MAX, "%s/%s", folder, name) < PATH_MAX ||
           pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is too long", folder);
}

/* Opens a file of the authority. Secret ones must be their owner's only. */
static FILE *open_path(const char *path, bool secret, struct pome_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st)) {
        pome_fail_errno(err, "%s: cannot open it", path);
    } else if (!S_ISREG(st.st_mode)) {
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s: is not a regular file", path);
    } else if (secret && st.st_mode & 077) {
        pome_fail(err, POME_ERROR_PERMISSION, "%s: others may read or write it (mode %04o): make it yours with chmod 600", path, st.st_mode & 07777);
    } else {
        return fdopen(fd, "r");
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static FILE *open_file(const char *folder, const char *name, bool secret, struct pome_error *err)
{
    char path[PATH_MAX];
    return join(path, folder, name, err) ? open_path(path, secret, err) : NULL;
}

static bool save(const char *folder, const char *name, EVP_PKEY *key, X509 *certificate, struct pome_error *err)
{
    char path[PATH_MAX];
    if (!join(path, folder, name, err))
        return false;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f)
        return pome_fail_errno(err, "%s: cannot make it", path);
    bool ok = key ? PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) : PEM_write_X509(f, certificate);
    ok = ok && !fflush(f) && !fsync(fd);
    if (fclose(f) || !ok)
        return pome_fail_errno(err, "%s: cannot write it", path);
    return true;
}

static bool sync_folder(const char *path, struct pome_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && !fsync(fd);
    if (!ok)
        pome_fail_errno(err, "%s: cannot sync it", path);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool make_folders(const char *path, struct pome_error *err)
{
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        if (mkdir(part, 0700) && errno != EEXIST)
            return pome_fail_errno(err, "%s: cannot make the folder", part);
    }
    return true;
}

/* --- making one --- */

static bool set_name(X509_NAME *n, const char *name)
{
    return X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    return ok;
}

/* A certificate for `key` by `issuer` (NULL: by itself), without an end (RFC 5280, 4.1.2.5). */
struct naming {
    const char *name, *begin; /* begin: ASN.1 time, NULL: now */
    uint8_t serial[SERIAL_BYTES];
};

static X509 *make_certificate(const struct naming *as, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *x = X509_new();
    uint8_t serial[SERIAL_BYTES];
    if (!x)
        goto fail;
    memcpy(serial, as->serial, sizeof serial);
    serial[0] &= 0x7f; /* positive */
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    ASN1_TIME *begin = X509_getm_notBefore(x);
    if (!ok || !X509_set_version(x, X509_VERSION_3) || (as->begin ? !ASN1_TIME_set_string(begin, as->begin) : !X509_gmtime_adj(begin, 0)) ||
        !ASN1_TIME_set_string(X509_getm_notAfter(x), "99991231235959Z") || !set_name(X509_get_subject_name(x), as->name) ||
        !X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) || !X509_set_pubkey(x, key) ||
        !add_extension(x, issuer ? issuer : x, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE,pathlen:0") ||
        !add_extension(x, issuer ? issuer : x, NID_key_usage, issuer ? "critical,digitalSignature" : "critical,keyCertSign") ||
        !X509_sign(x, issuer ? issuer_key : key, EVP_sha384()))
        goto fail;
    return x;
fail:
    X509_free(x);
    return NULL;
}

/* Root and signer: their numbers and the name from `random`. Both NULL: no memory. */
static void make_certificates(const uint8_t random[RANDOM_BYTES], const char *begin, EVP_PKEY *root_key, EVP_PKEY *key, X509 **root, X509 **signer)
{
    char name[64];
    struct naming as = {name, begin, {0}};
    snprintf(name, sizeof name, "Pome local authority %02X%02X%02X%02X", random[0], random[1], random[2], random[3]);
    memcpy(as.serial, random + 4, SERIAL_BYTES);
    *root = make_certificate(&as, root_key, NULL, NULL);
    as.name = signer_name;
    memcpy(as.serial, random + 4 + SERIAL_BYTES, SERIAL_BYTES);
    *signer = *root ? make_certificate(&as, key, *root, root_key) : NULL;
    if (!*signer) {
        X509_free(*root);
        *root = NULL;
    }
}

/* Keys and certificates in a folder that is there and empty. */
static bool fill(const char *folder, struct pome_error *err)
{
    uint8_t random[RANDOM_BYTES];
    EVP_PKEY *root_key = EVP_RSA_gen(KEY_BITS), *key = EVP_RSA_gen(KEY_BITS);
    X509 *root = NULL, *signer = NULL;
    if (root_key && key && RAND_bytes(random, sizeof random) == 1)
        make_certificates(random, NULL, root_key, key, &root, &signer);
    if (!signer)
        pome_fail(err, POME_ERROR_INTERNAL, "%s: keys for a signing authority cannot be made", folder);
    bool ok = signer && save(folder, "root.key", root_key, NULL, err) && save(folder, "root.pem", NULL, root, err) &&
         save(folder, "signer.key", key, NULL, err) && save(folder, "signer.pem", NULL, signer, err) && sync_folder(folder, err);
    X509_free(signer);
    X509_free(root);
    EVP_PKEY_free(key);
    EVP_PKEY_free(root_key);
    return ok;
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"root.key", "root.pem", "signer.key", "signer.pem"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (join(path, folder, names[i], NULL))
            unlink(path);
    rmdir(folder);
}

static bool make(const char *folder, struct pome_error *err)
{
    char temporary[PATH_MAX], parent[PATH_MAX];
    if (snprintf(temporary, sizeof temporary, "%s.tmp-XXXXXX", folder) >= (int)sizeof temporary)
        return pome_fail(err, POME_ERROR_INVALID_CONFIGURATION, "%.60s: the path is too long", folder);
    if (!make_folders(folder, err))
        return false;
    if (!mkdtemp(temporary))
        return pome_fail_errno(err, "%s: cannot make the folder", temporary);
    bool ok = fill(temporary, err);
    if (ok && rename(temporary, folder) && errno != EEXIST && errno != ENOTEMPTY)
        ok = pome_fail_errno(err, "%s: cannot make it", folder);
    remove_folder(temporary); /* of one that failed, or came second */
    snprintf(parent, sizeof parent, "%s", folder);
    char *slash = strrchr(parent, '/');
    if (slash > parent)
        *slash = 0;
    return ok && (!slash || sync_folder(slash > parent ? parent : "/", err));
}

/* --- opening --- */

static X509 *read_certificate(const char *folder, const char *name, struct pome_error *err)
{
    FILE *f = open_file(folder, name, false, err);
    if (!f)
        return NULL;
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    fclose(f);
    if (!x)
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s/%s: holds no certificate", folder, name);
    return x;
}

static EVP_PKEY *read_key(const char *folder, const char *name, struct pome_error *err)
{
    FILE *f = open_file(folder, name, true, err);
    if (!f)
        return NULL;
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, (void *)""); /* one with a password is refused, not asked for */
    fclose(f);
    if (!key)
        pome_fail(err, POME_ERROR_INVALID_DATA, "%s/%s: holds no private key without a password", folder, name);
    return key;
}

static size_t put_der(X509 *x, uint8_t *out)
{
    int n = i2d_X509(x, NULL);
    if (n <= 0 || n > CERTIFICATE_MAX)
        return 0;
    unsigned char *p = out;
    return (size_t)i2d_X509(x, &p);
}

/* A key that the boot ROM can check signatures of. */
static bool fits(EVP_PKEY *key)
{
    BIGNUM *e = NULL;
    bool ok = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) == KEY_BITS && EVP_PKEY_get_bn_param(key, "e", &e) &&
              BN_is_word(e, EXPONENT);
    BN_free(e);
    return ok;
}

/* Fits together, and is what the boot ROM takes. */
static bool check(struct authority *a, X509 *root, X509 *signer, struct pome_error *err)
{
    EVP_PKEY *root_key = X509_get0_pubkey(root);
    char name[sizeof signer_name + 1] = "";
    if (!fits(root_key) || !fits(X509_get0_pubkey(signer)))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: both keys must be RSA with %d bits and exponent %d", a->path, KEY_BITS, EXPONENT);
    X509_NAME_get_text_by_NID(X509_get_subject_name(signer), NID_commonName, name, sizeof name);
    if (strcmp(name, signer_name) || X509_NAME_cmp(X509_get_issuer_name(signer), X509_get_subject_name(root)) || X509_verify(signer, root_key) != 1)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: the signer's certificate is not one for \"%s\" from the root", a->path, signer_name);
    if (X509_check_private_key(signer, a->key) != 1)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: the signer's key is not the one of its certificate", a->path);
    return true;
}

static bool read_folder(struct authority *a, X509 **root, X509 **signer, struct pome_error *err)
{
    *root = read_certificate(a->path, "root.pem", err);
    *signer = *root ? read_certificate(a->path, "signer.pem", err) : NULL;
    a->key = *signer ? read_key(a->path, "signer.key", err) : NULL;
    return a->key;
}

static bool only_a_key(FILE *f)
{
    unsigned objects = 0;
    for (char line[256]; fgets(line, sizeof line, f);)
        objects += !strncmp(line, "-----BEGIN ", 11);
    return objects == 1;
}

/* The certificates of a key that came alone: root and signer are this key. All in them, and the signatures (RSA, PKCS #1 1.5), follows from the key, so
 * that each call makes the same ones and machines go on to trust them. */
static bool certify_alone(struct authority *a, X509 **root, X509 **signer, struct pome_error *err)
{
    uint8_t digest[SHA384_BYTES];
    unsigned char *der = NULL;
    if (!fits(a->key))
        return pome_fail(err, POME_ERROR_INVALID_DATA, "%s: the key must be RSA with %d bits and exponent %d, it is %s with %d bits (openssl genrsa %d makes one)",
                         a->path, KEY_BITS, EXPONENT, OBJ_nid2sn(EVP_PKEY_get_base_id(a->key)), EVP_PKEY_get_bits(a->key), KEY_BITS);
    int n = i2d_PUBKEY(a->key, &der);
    if (n > 0) {
        sha384(der, (size_t)n, digest);
        make_certificates(digest, "20000101000000Z", a->key, a->key, root, signer);
        OPENSSL_free(der);
    }
    return *root || pome_fail(err, POME_ERROR_INTERNAL, "%s: no certificates can be made for the key", a->path);
}

/* One file with all that signing needs: the signer's key and certificate, then the root's certificate; or one key alone. */
static bool read_bundle(struct authority *a, X509 **root, X509 **signer, struct pome_error *err)
{
    FILE *f = open_path(a->path, true, err);
    if (!f)
        return false;
    a->key = PEM_read_PrivateKey(f, NULL, NULL, (void *)"");
    rewind(f);
    *signer = PEM_read_X509(f, NULL, NULL, NULL);
    *root = *signer ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
    rewind(f);
    bool alone = a->key && !*signer && only_a_key(f);
    fclose(f);
    if (alone)
        return certify_alone(a, root, signer, err);
    return (a->key && *root) || pome_fail(err, POME_ERROR_INVALID_DATA,
                                          "%s: holds neither a private key without a password alone nor one with the signer's certificate and the root's, in PEM", a->path);
}

static bool load(struct authority *a, struct pome_error *err)
{
    struct stat st;
    X509 *root = NULL, *signer = NULL;
    bool file = !stat(a->path, &st) && S_ISREG(st.st_mode);
    bool ok = (file ? read_bundle : read_folder)(a, &root, &signer, err) && check(a, root, signer, err);
    if (ok) {
        size_t n = put_der(signer, a->chain);
        a->root = a->chain + n;
        a->root_size = n ? put_der(root, a->chain + n) : 0;
        a->chain_size = n + a->root_size;
        ok = a->root_size || pome_fail(err, POME_ERROR_INVALID_DATA, "%s: a certificate is larger than %d bytes", a->path, CERTIFICATE_MAX);
    }
    if (ok) {
        sha384(a->root, a->root_size, a->anchor);
        X509_NAME_get_text_by_NID(X509_get_subject_name(root), NID_commonName, a->name, sizeof a->name);
    }
    X509_free(signer);
    X509_free(root);
    return ok;
}

struct authority *authority_open(const char *folder, bool make_it, struct pome_error *err)
{
    struct stat st;
    struct authority *a = calloc(1, sizeof *a);
    if (!a) {
        pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the signing authority");
        return NULL;
    }
    bool ok = folder ? snprintf(a->path, sizeof a->path, "%s", folder) < (int)sizeof a->path : authority_folder(a->path, err);
    if (ok && make_it && stat(a->path, &st) && errno == ENOENT)
        ok = make(a->path, err);
    if (ok && load(a, err))
        return a;
    authority_close(a);
    return NULL;
}

void authority_close(struct authority *a)
{
    if (!a)
        return;
    EVP_PKEY_free(a->key);
    free(a);
}

const uint8_t *authority_anchor(const struct authority *a)
{
    return a->anchor;
}

const char *authority_path(const struct authority *a)
{
    return a->path;
}

const char *authority_name(const struct authority *a)
{
    return a->name;
}

const uint8_t *authority_root(const struct authority *a, size_t *n)
{
    *n = a->root_size;
    return a->root;
}

/* --- signing and checking --- */

bool authority_sign(const struct authority *a, uint8_t *im4m, size_t *n, size_t room, struct pome_error *err)
{
    struct im4m_parts p;
    uint8_t signature[SIGNATURE_BYTES];
    size_t size = sizeof signature;
    if (!im4m_take_apart(im4m, *n, &p, err))
        return false;
    uint8_t *body = malloc(p.body_size);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (body)
        memcpy(body, p.body, p.body_size); /* it is put together in the place where it lies */
    bool ok = body && md && EVP_DigestSignInit(md, NULL, EVP_sha384(), NULL, a->key) == 1 &&
              EVP_DigestSign(md, signature, &size, body, p.body_size) == 1 && size == sizeof signature;
    if (!ok)
        pome_fail(err, POME_ERROR_INTERNAL, "%s: cannot sign", a->path);
    p = (struct im4m_parts){body, p.body_size, signature, sizeof signature, a->chain, a->chain_size};
    if (ok && !(*n = im4m_put_together(&p, im4m, room)))
        ok = pome_fail(err, POME_ERROR_INTERNAL, "a signed ticket does not fit %zu bytes", room);
    EVP_MD_CTX_free(md);
    free(body);
    return ok;
}

static bool signature_right(X509 *signer, const struct im4m_parts *p)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestVerifyInit(md, NULL, EVP_sha384(), NULL, X509_get0_pubkey(signer)) == 1 &&
              EVP_DigestVerify(md, p->signature, p->signature_size, p->body, p->body_size) == 1;
    EVP_MD_CTX_free(md);
    return ok;
}

bool ticket_verify(const void *im4m, size_t n, const uint8_t anchor[SHA384_BYTES], struct pome_error *err)
{
    struct im4m_parts p;
    uint8_t digest[SHA384_BYTES];
    if (!im4m_take_apart(im4m, n, &p, err))
        return false;
    if (!p.signature_size)
        return pome_fail(err, POME_ERROR_INVALID_DATA, "ticket: it is not signed");
    const unsigned char *at = p.certificates, *end = at + p.certificates_size;
    X509 *signer = d2i_X509(NULL, &at, (long)(end - at));
    const unsigned char *root_at = at;
    X509 *root = signer ? d2i_X509(NULL, &at, (long)(end - at)) : NULL;
    bool ok = root && at == end;
    if (!ok) {
        pome_fail(err, POME_ERROR_INVALID_DATA, "ticket: it does not hold two certificates");
    } else {
        sha384(root_at, (size_t)(end - root_at), digest);
        ok = !memcmp(digest, anchor, sizeof digest) ||
             pome_fail(err, POME_ERROR_INVALID_DATA, "ticket: it was signed by another authority than this machine's");
        ok = ok && ((X509_verify(signer, X509_get0_pubkey(root)) == 1 && signature_right(signer, &p)) ||
                    pome_fail(err, POME_ERROR_INVALID_DATA, "ticket: its signature is wrong"));
    }
    X509_free(root);
    X509_free(signer);
    return ok;
}

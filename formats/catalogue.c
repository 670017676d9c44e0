/*
 * catalogue.c - MobileDeviceSoftwareVersionsByVersion -> number -> MobileDeviceSoftwareVersions -> device -> build -> Restore.
 *
 * Between device and Restore there may be more levels ("Unknown", "Universal"), and several numbers name the same builds.
 */
#include "formats/catalogue.h"
#include "base/error.h"
#include "formats/plist.h"
#include "formats/sha384.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char device[] = "VirtualMac2,1";

struct reading {
    struct catalogue *c;
    struct pome_error *err;
};

static bool copy(const struct pl *dict, const char *key, char *out, size_t size)
{
    const char *text = pl_text(pl_get(dict, key));
    size_t n = text ? strlen(text) : 0;
    for (size_t i = 0; i < n; i++)
        if (text[i] <= 0x20 || text[i] > 0x7e)
            return false;
    return n && n < size && strcpy(out, text);
}

/* One image; what cannot be used (another scheme, no URL, a name that is too long) is passed over. */
static bool add(struct reading *r, const struct pl *restore)
{
    struct catalogue_offer o = {0};
    const char *sha1 = pl_text(pl_get(restore, "FirmwareSHA1"));
    if (!copy(restore, "ProductVersion", o.version, sizeof o.version) || !copy(restore, "BuildVersion", o.build, sizeof o.build) ||
        !copy(restore, "FirmwareURL", o.url, sizeof o.url) || (strncmp(o.url, "https://", 8) && strncmp(o.url, "http://", 7)))
        return true;
    o.has_sha1 = sha1 && hex_parse(sha1, o.sha1, sizeof o.sha1);
    for (size_t i = 0; i < r->c->n; i++)
        if (!strcmp(r->c->offers[i].build, o.build))
            return true;
    if (r->c->n == CATALOGUE_OFFERS_MAX)
        return pome_fail(r->err, POME_ERROR_INVALID_RESTORE_IMAGE_CATALOG, "the catalogue has more than %d images", CATALOGUE_OFFERS_MAX);
    r->c->offers[r->c->n++] = o;
    return true;
}

static bool find_images(void *user, const char *key, struct pl *value)
{
    return strcmp(key, "Restore") ? pl_walk(value, find_images, user) : add(user, value);
}

static bool find_device(void *user, const char *key, struct pl *value)
{
    return pl_walk(pl_get(pl_get(value, "MobileDeviceSoftwareVersions"), device), find_images, user);
}

/* By version, then by build: "26.10" is after "26.2". */
static int newest_first(const void *x, const void *y)
{
    const struct catalogue_offer *a = x, *b = y;
    int order = strverscmp(b->version, a->version);
    return order ? order : strverscmp(b->build, a->build);
}

bool catalogue_read(const void *bytes, size_t n, struct catalogue *c, struct pome_error *err)
{
    struct pl *root = pl_parse(bytes, n, "the catalogue", err);
    const struct pl *versions = pl_get(root, "MobileDeviceSoftwareVersionsByVersion");
    struct reading r = {c, err};
    bool ok = pl_is_dict(versions);
    *c = (struct catalogue){0};
    if (!ok)
        pome_fail(err, POME_ERROR_INVALID_RESTORE_IMAGE_CATALOG, "%s", root ? "the catalogue has no MobileDeviceSoftwareVersionsByVersion"
                                                                             : "the catalogue is not a property list");
    else if (!(c->offers = calloc(CATALOGUE_OFFERS_MAX, sizeof *c->offers)))
        ok = pome_fail(err, POME_ERROR_OUT_OF_MEMORY, "no memory for the catalogue");
    else
        ok = pl_walk(versions, find_device, &r) &&
             (c->n || pome_fail(err, POME_ERROR_NO_SUPPORTED_RESTORE_IMAGES_IN_CATALOG, "the catalogue has no image for virtual Macs (%s)", device));
    pl_free(root);
    if (ok)
        qsort(c->offers, c->n, sizeof *c->offers, newest_first);
    else
        catalogue_free(c);
    return ok;
}

void catalogue_free(struct catalogue *c)
{
    free(c->offers);
    *c = (struct catalogue){0};
}

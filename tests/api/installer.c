/*
 * installer.c - an installation in the background: reports and completion come on this thread when it dispatches, fractions never go back, cancelling leaves
 * a bundle that is not installed and can be installed, an installer starts once, and can be freed at any moment.
 *
 * usage: installer RESTORE_IMAGE_MAKER
 */
#include "kit.h"

#include <pome/installer.h>

#include <poll.h>
#include <unistd.h>

static double last;
static unsigned reports, stop_after;

static bool progress(void *user, const struct pome_progress *p)
{
    CHECK(p->fraction >= last && p->fraction <= 1 && p->step[0]);
    last = p->fraction;
    return ++reports != stop_after;
}

static pome_installer *begin(pome_bundle *b, pome_restore_image *i, struct outcome *o)
{
    pome_installer *it = pome_installer_new(b, i, false, &err);
    unsigned before = o->ok + o->failed;
    last = 0;
    reports = 0;
    CHECK(it && !pome_installer_wait(it, 0, &err) && err.code == POME_ERROR_INVALID_STATE);
    CHECK(pome_installer_start(it, progress, kit_done, o, &err));
    CHECK(!pome_installer_start(it, progress, kit_done, o, &err) && err.code == POME_ERROR_INVALID_STATE);
    CHECK(o->ok + o->failed == before && !reports); /* nothing is called before the first dispatch */
    return it;
}

static void all(pome_bundle *b, pome_restore_image *i)
{
    struct outcome o = {0};

    stop_after = 1; /* cancelled by the answer to the first report */
    pome_installer *it = begin(b, i, &o);
    bool ok = pome_installer_wait(it, LONG_MS, &err);
    if (!ok) { /* it may have been over already */
        CHECK(err.code == POME_ERROR_OPERATION_CANCELLED && o.failed == 1 && !pome_bundle_is_installed(b));
    }
    pome_installer_free(it);
    CHECK(o.ok + o.failed == 1);

    stop_after = 0;
    if (!pome_bundle_is_installed(b)) {
        it = begin(b, i, &o);
        pome_installer_free(it); /* at once */
        CHECK(o.ok + o.failed == 2);
    }
    if (!pome_bundle_is_installed(b)) {
        it = begin(b, i, &o);
        struct pollfd p = {.fd = pome_installer_fd(it), .events = POLLIN};
        do
            CHECK(poll(&p, 1, LONG_MS) == 1);
        while (!pome_installer_dispatch(it));
        CHECK(pome_installer_wait(it, 0, &err) && last == 1);
        pome_installer_free(it);
        CHECK(o.ok == 1 && o.failed == 2);
    }
    CHECK(pome_bundle_is_installed(b));

    it = begin(b, i, &o); /* installed already: refused, by the completion */
    CHECK(!pome_installer_wait(it, LONG_MS, &err) && err.code == POME_ERROR_INVALID_STATE);
    pome_installer_free(it);
    pome_installer_free(NULL);
}

int main(int argc, char **argv)
{
    char folder[] = "/tmp/pome-installer-XXXXXX", image[64], bundle[64], command[1024];
    CHECK(mkdtemp(folder));
    setenv("HOME", folder, 1);
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("XDG_DATA_HOME", folder, 1);
    snprintf(image, sizeof image, "%s/small.ipsw", folder);
    snprintf(bundle, sizeof bundle, "%s/small.bundle", folder);
    snprintf(command, sizeof command, "'%s' '%s' '%s'", argv[1], folder, image);
    CHECK(!system(command));
    struct pome_bundle_options o = POME_BUNDLE_OPTIONS_INIT;
    pome_restore_image *i = pome_restore_image_load(image, &err);
    pome_bundle *b = i ? pome_bundle_create(bundle, i, &o, &err) : NULL;
    CHECK(b);
    all(b, i);
    pome_bundle_free(b);
    pome_restore_image_free(i);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    CHECK(!system(command));
    return 0;
}

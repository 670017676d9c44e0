/*
 * install-and-boot.c - installs a restore image into a new bundle and starts it, its console on this terminal.
 *
 *     install-and-boot debian.ipsw NAME
 */
#include <pome/bundle.h>
#include <pome/installer.h>
#include <pome/restore_image.h>
#include <pome/vm.h>

#include <stdio.h>
#include <unistd.h>

static bool show_progress(void *user, const struct pome_progress *p)
{
    fprintf(stderr, "\r%3.0f%% %-40s", p->fraction * 100, p->step);
    return true; /* false would cancel */
}

static bool boot(pome_bundle *bundle, struct pome_error *err)
{
    struct pome_start_options o = POME_START_OPTIONS_INIT;
    o.console_in = STDIN_FILENO;
    o.console_out = STDOUT_FILENO;
    pome_vm *vm = pome_vm_new_from_bundle(bundle, &o, err);
    bool ok = vm && pome_vm_start_wait(vm, -1, err) && pome_vm_wait(vm, -1, err);
    if (ok && pome_vm_stop_reason(vm) != POME_STOP_GUEST_OFF) {
        *err = *pome_vm_error(vm);
        ok = false;
    }
    pome_vm_free(vm);
    return ok;
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: %s IMAGE NAME\n", argv[0]);
        return 2;
    }
    struct pome_bundle_options o = POME_BUNDLE_OPTIONS_INIT;
    o.memory_size = UINT64_C(1) << 30;
    o.disk_size = UINT64_C(8) << 30;
    pome_restore_image *image = pome_restore_image_load(argv[1], &err);
    pome_bundle *bundle = image ? pome_bundle_create(argv[2], image, &o, &err) : NULL;
    bool ok = bundle && pome_install(bundle, image, false, show_progress, NULL, &err);
    fputs(ok ? "\n" : "", stderr);
    ok = ok && boot(bundle, &err);
    if (!ok)
        fprintf(stderr, "%s: %s\n", pome_error_name(err.code), err.message);
    pome_bundle_free(bundle);
    pome_restore_image_free(image);
    return ok ? 0 : 1;
}

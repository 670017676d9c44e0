/*
 * glib.c - a machine in a GLib main loop, as in a GTK or GNOME program: the descriptor is a source, completions come in the loop.
 *
 *     glib KERNEL [INITRD]        starts, pauses a second later, resumes after another, stops after a third
 */
#include <pome/vm.h>

#include <glib-unix.h>
#include <unistd.h>

struct app {
    GMainLoop *loop;
    pome_vm *vm;
    int status;
};

static gboolean stop(gpointer user);
static gboolean resume(gpointer user);

static void done(void *user, const struct pome_error *err)
{
    struct app *app = user;
    if (err) {
        g_printerr("%s\n", err->message);
        app->status = 1;
        g_main_loop_quit(app->loop);
    }
}

static void on_event(void *user, pome_vm *vm, const struct pome_vm_event *e)
{
    struct app *app = user;
    if (e->kind == POME_VM_EVENT_STATE)
        g_printerr("%s\n", pome_vm_state_name(e->state));
    if (e->kind == POME_VM_EVENT_STATE && e->state == POME_VM_PAUSED)
        g_timeout_add(1000, resume, app);
    if (e->kind == POME_VM_EVENT_STATE && e->before == POME_VM_RESUMING)
        g_timeout_add(1000, stop, app);
    if (e->kind == POME_VM_EVENT_STOPPED)
        g_main_loop_quit(app->loop);
}

/* Each may be refused, when the guest has ended by itself in between: the error says so. */
static gboolean begin(struct app *app, bool (*operation)(pome_vm *, pome_done *, void *, struct pome_error *))
{
    struct pome_error err = {0};
    if (!operation(app->vm, done, app, &err))
        done(app, &err);
    return G_SOURCE_REMOVE;
}

static gboolean pause_it(gpointer user)
{
    return begin(user, pome_vm_pause);
}

static gboolean resume(gpointer user)
{
    return begin(user, pome_vm_resume);
}

static gboolean stop(gpointer user)
{
    return begin(user, pome_vm_stop);
}

static gboolean dispatch(gint fd, GIOCondition condition, gpointer user)
{
    pome_vm_dispatch(((struct app *)user)->vm);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    struct pome_error err = {0};
    struct app app = {.loop = g_main_loop_new(NULL, FALSE)};
    pome_config *config = pome_config_new();
    pome_config_set_console(config, -1, STDOUT_FILENO);
    bool ok = argc > 1 && pome_config_set_linux_boot(config, argv[1], argc > 2 ? argv[2] : NULL, "console=ttyAMA0", &err);
    app.vm = ok ? pome_vm_new(config, &err) : NULL;
    pome_config_free(config);
    if (app.vm && pome_vm_subscribe(app.vm, on_event, &app, &err) && pome_vm_start(app.vm, done, &app, &err)) {
        g_unix_fd_add(pome_vm_fd(app.vm), G_IO_IN, dispatch, &app);
        g_timeout_add(1000, pause_it, &app);
        g_main_loop_run(app.loop);
    } else {
        g_printerr("%s\n", argc > 1 ? err.message : "usage: glib KERNEL [INITRD]");
        app.status = argc > 1 ? 1 : 2;
    }
    pome_vm_free(app.vm);
    g_main_loop_unref(app.loop);
    return app.status;
}

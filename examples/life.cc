/*
 * life.cc - a machine is led through its life from C++: each word is an operation, each answer and each change of state is told.
 *
 *     life KERNEL INITRD|- "COMMAND LINE" OPERATION...
 *     life vmlinuz initrd.gz "console=ttyAMA0" start pause save stop restore resume request-stop
 *
 * Operations: start, pause, resume, save and restore (the file life.saved), reset, stop, request-stop (the power button; after three seconds
 * the plug is pulled), wait (until the guest stops by itself). The guest's console is this terminal. Status 1: an operation was refused or failed.
 */
#include <pome/save.h>
#include <pome/vm.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <unistd.h>

namespace {

constexpr int for_ever = -1;
const char saved[] = "life.saved";

struct deleter {
    void operator()(pome_config *c) const { pome_config_free(c); }
    void operator()(pome_vm *vm) const { pome_vm_free(vm); }
};
using config_ptr = std::unique_ptr<pome_config, deleter>;
using vm_ptr = std::unique_ptr<pome_vm, deleter>;

bool request_stop(pome_vm *vm, pome_error *err)
{
    pome_stop_options o = POME_STOP_OPTIONS_INIT;
    o.timeout_ms = 3000;
    o.force = true;
    return pome_vm_request_stop(vm, &o, err) && pome_vm_wait(vm, for_ever, err);
}

const struct {
    const char *word;
    bool (*run)(pome_vm *vm, pome_error *err);
} operations[] = {
    {"start", [](pome_vm *vm, pome_error *e) { return pome_vm_start_wait(vm, for_ever, e); }},
    {"pause", [](pome_vm *vm, pome_error *e) { return pome_vm_pause_wait(vm, for_ever, e); }},
    {"resume", [](pome_vm *vm, pome_error *e) { return pome_vm_resume_wait(vm, for_ever, e); }},
    {"save", [](pome_vm *vm, pome_error *e) { return pome_vm_save_wait(vm, saved, nullptr, for_ever, e); }},
    {"restore", [](pome_vm *vm, pome_error *e) { return pome_vm_restore_wait(vm, saved, nullptr, for_ever, e); }},
    {"reset", [](pome_vm *vm, pome_error *e) { return pome_vm_reset(vm, e); }},
    {"stop", [](pome_vm *vm, pome_error *e) { return pome_vm_stop_wait(vm, for_ever, e); }},
    {"request-stop", request_stop},
    {"wait", [](pome_vm *vm, pome_error *e) { return pome_vm_wait(vm, for_ever, e); }},
};

void on_event(void *, pome_vm *, const pome_vm_event *e)
{
    switch (e->kind) {
    case POME_VM_EVENT_STATE: std::fprintf(stderr, "  %s -> %s\n", pome_vm_state_name(e->before), pome_vm_state_name(e->state)); break;
    case POME_VM_EVENT_STOPPED: std::fprintf(stderr, "  stopped: %s\n", pome_stop_reason_name(e->reason)); break;
    case POME_VM_EVENT_GUEST_RESET: std::fputs("  the guest starts again\n", stderr); break;
    case POME_VM_EVENT_STOP_IGNORED: std::fputs("  it ignores the power button\n", stderr); break;
    case POME_VM_EVENT_GUEST_PANIC:
    case POME_VM_EVENT_FAULT: std::fprintf(stderr, "  %s\n", e->error->message); break;
    default: break;
    }
}

bool carry_out(const char *word, pome_vm *vm, pome_error *err)
{
    for (const auto &o : operations)
        if (!std::strcmp(o.word, word)) {
            std::fprintf(stderr, "%s\n", word);
            return o.run(vm, err);
        }
    err->code = POME_ERROR_INVALID_CONFIGURATION;
    std::snprintf(err->message, sizeof err->message, "\"%.40s\" is no operation", word);
    return false;
}

} // namespace

int main(int argc, char **argv)
{
    pome_error err{};
    if (argc < 5) {
        std::fputs("usage: life KERNEL INITRD|- \"COMMAND LINE\" OPERATION...\n", stderr);
        return 2;
    }
    config_ptr config(pome_config_new());
    pome_config_set_console(config.get(), STDIN_FILENO, STDOUT_FILENO);
    vm_ptr vm;
    if (pome_config_set_linux_boot(config.get(), argv[1], std::strcmp(argv[2], "-") ? argv[2] : nullptr, argv[3], &err))
        vm.reset(pome_vm_new(config.get(), &err));
    bool ok = vm && pome_vm_subscribe(vm.get(), on_event, nullptr, &err);
    for (int i = 4; i < argc && ok; i++)
        ok = carry_out(argv[i], vm.get(), &err);
    if (!ok)
        std::fprintf(stderr, "%s: %s\n", pome_error_name(static_cast<pome_error_code>(err.code)), err.message);
    return ok ? 0 : 1;
}

/* fuzz_kernel.c - a file given as a kernel, of whatever kind its first bytes say (machine/kernel.c), to machines of both platforms. */
#include "machine/machine.h"

#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void set_line(void *ctx, unsigned cpu, bool level)
{
}

static struct machine *create(enum machine_platform platform, const void *rom, size_t rom_bytes)
{
    static const struct cpu_irq_port port = {.set_irq = set_line, .set_fiq = set_line};
    static struct loop *loop;
    struct pome_error err;
    if (!loop && !(loop = loop_create(&err)))
        abort();
    const struct machine_config c = {.platform = platform, .n_cpus = 2, .ram_bytes = 128 << 20, .loop = loop, .rom = rom, .rom_bytes = rom_bytes};
    struct machine *m = machine_create(&c, &port, NULL, &err);
    if (!m)
        abort();
    return m;
}

/* The first byte chooses the machine, the rest is the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t firmware[64];
    static struct machine *machines[3];
    static char path[32];
    static int fd;
    if (!fd) {
        fd = memfd_create("kernel", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        machines[0] = create(MACHINE_GENERIC, NULL, 0);
        machines[1] = create(MACHINE_APPLE, NULL, 0);
        machines[2] = create(MACHINE_GENERIC, firmware, sizeof firmware);
    }
    if (!size || ftruncate(fd, 0) || pwrite(fd, data + 1, size - 1, 0) != (ssize_t)size - 1)
        return 0;
    struct machine *m = machines[data[0] % 3];
    struct pome_error err;
    struct machine_entry entry;
    const struct machine_kernel what = {.kernel_path = path, .initrd_path = data[0] & 0x80 ? path : NULL, .cmdline = "console=ttyAMA0"};
    if (machine_load_kernel(m, &what, &err) && !machine_entry(m, &entry))
        abort(); /* loaded, and nothing to start */
    return 0;
}

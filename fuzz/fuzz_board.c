/*
 * fuzz_board.c - accesses of any kind to the interrupt controller (registers, CPU interface, wires, messages), the UART, the
 * clock, the GPIO, the flash and fw_cfg. The CPU inputs must always agree with what the controller would acknowledge.
 */
#include "dev/cfi_flash.h"
#include "dev/fw_cfg.h"
#include "dev/gicv3.h"
#include "dev/pl011.h"
#include "dev/pl031.h"
#include "dev/pl061.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CPUS 3

static struct bus bus;
static struct gicv3 *gic;
static struct device *dev[6];
static bool level[2][CPUS];

static void set_irq(void *ctx, unsigned cpu, bool on)
{
    level[1][cpu] = on;
}
static void set_fiq(void *ctx, unsigned cpu, bool on)
{
    level[0][cpu] = on;
}

static const struct {
    uint64_t gpa;
    uint32_t bytes;
} range[] = { { 0x08000000, GIC_DIST_BYTES }, { 0x080a0000, CPUS * GIC_FRAME_BYTES }, { 0x09000000, 0x1000 },
              { 0x09010000, 0x1000 },         { 0x09030000, 0x1000 },         { 0x04000000, CFI_FLASH_BLOCK },
              { 0x09020000, FW_CFG_MMIO_BYTES } };

static void start(void)
{
    static const struct cpu_irq_port port = { .set_irq = set_irq, .set_fiq = set_fiq };
    struct loop *loop = loop_create(NULL);
    struct mem *mem = mem_create();
    if (!loop || !mem)
        abort();
    bus_init(&bus, mem, loop);
    gic = gicv3_create(CPUS, CPU_CLUSTERS, 96, &port);
    dev[0] = gicv3_dist(gic);
    dev[1] = pl011_create(gicv3_spi(gic, 1), NULL);
    dev[2] = pl031_create(gicv3_spi(gic, 2), loop);
    dev[3] = pl061_create(gicv3_spi(gic, 3));
    dev[4] = cfi_flash_create(flash_image_open(NULL, CFI_FLASH_BLOCK, loop, NULL));
    dev[5] = fw_cfg_create();
    fw_cfg_add(dev[5], "a file", "contents", 8);
    fw_cfg_set(dev[5], FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, strdup("a kernel"), 8);
    bus_map(&bus, range[0].gpa, range[0].bytes, dev[0]);
    bus_map(&bus, range[1].gpa, range[1].bytes, gicv3_redist(gic));
    for (unsigned i = 1; i < 6; i++)
        bus_map(&bus, range[i + 1].gpa, range[i + 1].bytes, dev[i]);
}

static uint64_t number(const uint8_t **p, const uint8_t *end, unsigned bytes)
{
    uint64_t v = 0;
    for (; bytes && *p < end; bytes--)
        v = v << 8 | *(*p)++;
    return v;
}

static void check(unsigned cpu)
{
    bool irq = level[1][cpu], fiq = level[0][cpu];
    if (irq && fiq)
        abort(); /* there is one best interrupt */
    uint64_t id = gicv3_icc_read(gic, cpu, ICC_IAR1);
    if ((id < 1020) != irq)
        abort();
    if (id < 1020)
        gicv3_icc_write(gic, cpu, ICC_EOIR1, id);
    fiq = level[0][cpu];
    id = gicv3_icc_read(gic, cpu, ICC_IAR0);
    if ((id < 1020) != fiq)
        abort();
    if (id < 1020)
        gicv3_icc_write(gic, cpu, ICC_EOIR0, id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!gic)
        start();
    for (unsigned i = 0; i < 6; i++)
        dev[i]->type->reset(dev[i]);
    const uint8_t *p = data, *end = data + size;
    while (p < end) {
        uint8_t op = *p++;
        unsigned cpu = (op >> 6) % CPUS, n = op & 7;
        uint64_t v;
        switch (op >> 3 & 7) {
        case 0: case 1: case 2: {
            const unsigned r = n % ARRAY_SIZE(range), bytes = 1u << (number(&p, end, 1) & 3);
            uint64_t at = range[r].gpa + number(&p, end, 3) % range[r].bytes;
            if (op & 0x40)
                bus_write(&bus, at, bytes, number(&p, end, bytes));
            else
                bus_read(&bus, at, bytes, &v);
            break;
        }
        case 3: gicv3_icc_read(gic, cpu, (enum icc_reg)(number(&p, end, 1) % ICC_REG_COUNT)); break;
        case 4: {
            enum icc_reg reg = (enum icc_reg)(number(&p, end, 1) % ICC_REG_COUNT);
            gicv3_icc_write(gic, cpu, reg, number(&p, end, 8));
            break;
        }
        case 5: gicv3_ppi(gic, cpu, 16 + (unsigned)number(&p, end, 1) % 16, n & 1); break;
        case 6: gicv3_message(gic, number(&p, end, 1), (uint32_t)number(&p, end, 2)); break;
        case 7: check(cpu); break;
        }
    }
    return 0;
}

/*
 * pl011.c - Arm PrimeCell UART (DDI 0183G), 16-deep FIFOs, no DMA, no line errors.
 *
 * Bytes go to the console at once while it takes them; when it does not, they fill the transmit FIFO, and TXFF makes the
 * guest wait. Received bytes stay in the console until the FIFO has room, so nothing is lost in either direction. A FIFO that
 * the guest has emptied is filled again from the loop, a moment later: a driver reads in its interrupt handler until nothing is
 * left, and would not leave it while the host has more to give.
 *
 * Deviation: bytes are sent also while CR says that the UART or its transmitter is off (early consoles do not care).
 * Deviation: the receive timeout interrupt comes at once when the FIFO holds anything, not 32 bit times later.
 */
#include "dev/pl011.h"

#include <stdlib.h>

#define REGS(R)                                                                                              \
    R(DR, 0x000, RW)     /* data                            3.3.1  */                                        \
    R(RSR, 0x004, RW)    /* receive status, error clear     3.3.2  */                                        \
    R(FR, 0x018, RO)     /* flags                           3.3.3  */                                        \
    R(ILPR, 0x020, RW)   /* IrDA low-power counter          3.3.4  */                                        \
    R(IBRD, 0x024, RW)   /* baud rate, integer              3.3.5  */                                        \
    R(FBRD, 0x028, RW)   /* baud rate, fraction             3.3.6  */                                        \
    R(LCR_H, 0x02c, RW)  /* line control                    3.3.7  */                                        \
    R(CR, 0x030, RW)     /* control                         3.3.8  */                                        \
    R(IFLS, 0x034, RW)   /* FIFO levels for interrupts      3.3.9  */                                        \
    R(IMSC, 0x038, RW)   /* interrupt mask                  3.3.10 */                                        \
    R(RIS, 0x03c, RO)    /* raw interrupts                  3.3.11 */                                        \
    R(MIS, 0x040, RO)    /* masked interrupts               3.3.12 */                                        \
    R(ICR, 0x044, WO)    /* interrupt clear                 3.3.13 */                                        \
    R(DMACR, 0x048, RW)  /* DMA control: kept, no DMA       3.3.14 */                                        \
    R(PID0, 0xfe0, RO)   R(PID1, 0xfe4, RO)  R(PID2, 0xfe8, RO)  R(PID3, 0xfec, RO)                          \
    R(CID0, 0xff0, RO)   R(CID1, 0xff4, RO)  R(CID2, 0xff8, RO)  R(CID3, 0xffc, RO)
enum { REGS(REG_ENUM) };
static const struct mmio_reg regs[] = { REGS(REG_ROW) };

#define FIFO 16u

#define FR_CTS  BIT(0)
#define FR_DSR  BIT(1)
#define FR_DCD  BIT(2)
#define FR_BUSY BIT(3)
#define FR_RXFE BIT(4)
#define FR_TXFF BIT(5)
#define FR_RXFF BIT(6)
#define FR_TXFE BIT(7)

#define LCR_H_FEN BIT(4)
#define CR_UARTEN BIT(0)
#define CR_LBE    BIT(7)
#define CR_RXE    BIT(9)

#define INT_RX BIT(4)
#define INT_TX BIT(5)
#define INT_RT BIT(6)

struct pl011_state {
    uint32_t ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr;
    uint32_t rx_n, tx_n;
    uint8_t rx[FIFO], tx[FIFO];
};

struct pl011 {
    struct device device;
    struct pl011_state s;
    struct irq_line irq;
    struct console *console;
};

static const struct state_field state[] = {
    STATE(struct pl011_state, ilpr),  STATE(struct pl011_state, ibrd), STATE(struct pl011_state, fbrd),
    STATE(struct pl011_state, lcr_h), STATE(struct pl011_state, cr),   STATE(struct pl011_state, ifls),
    STATE(struct pl011_state, imsc),  STATE(struct pl011_state, ris),  STATE(struct pl011_state, dmacr),
    STATE(struct pl011_state, rx_n),  STATE(struct pl011_state, tx_n), STATE(struct pl011_state, rx),
    STATE(struct pl011_state, tx),
};

static uint32_t depth(const struct pl011 *d)
{
    return d->s.lcr_h & LCR_H_FEN ? FIFO : 1;
}

/* 3.3.9: eighths of the FIFO. Reserved encodings act as the highest level. */
static uint32_t level(const struct pl011 *d, unsigned shift)
{
    static const uint8_t levels[8] = { 2, 4, 8, 12, 14, 14, 14, 14 };
    return d->s.lcr_h & LCR_H_FEN ? levels[d->s.ifls >> shift & 7] : 1;
}

static void update(struct pl011 *d)
{
    irq_set(&d->irq, d->s.ris & d->s.imsc);
}

static bool receives(const struct pl011 *d)
{
    return (d->s.cr & (CR_UARTEN | CR_RXE)) == (CR_UARTEN | CR_RXE) && !(d->s.cr & CR_LBE);
}

static void rx_push(struct pl011 *d, uint8_t byte)
{
    d->s.rx[d->s.rx_n++] = byte;
    d->s.ris |= INT_RT;
    if (d->s.rx_n >= level(d, 3))
        d->s.ris |= INT_RX;
}

/* Moves what the console has into the FIFO, as far as there is room. */
static void fill(struct pl011 *d)
{
    uint8_t bytes[FIFO];
    if (!d->console || !receives(d) || d->s.rx_n >= depth(d))
        return;
    size_t n = console_get(d->console, bytes, depth(d) - d->s.rx_n);
    for (size_t i = 0; i < n; i++)
        rx_push(d, bytes[i]);
}

static uint32_t rx_pop(struct pl011 *d)
{
    if (!d->s.rx_n)
        return 0;
    uint8_t byte = d->s.rx[0];
    memmove(d->s.rx, d->s.rx + 1, --d->s.rx_n);
    if (d->s.rx_n < level(d, 3))
        d->s.ris &= ~INT_RX;
    if (!d->s.rx_n) {
        d->s.ris &= ~INT_RT;
        if (d->console)
            console_ask(d->console);
    }
    update(d);
    return byte;
}

/* Gives the console as much of the transmit FIFO as it takes. */
static void drain(struct pl011 *d)
{
    size_t n = d->console ? console_put(d->console, d->s.tx, d->s.tx_n) : d->s.tx_n;
    d->s.tx_n -= (uint32_t)n;
    memmove(d->s.tx, d->s.tx + n, d->s.tx_n);
    if (d->s.tx_n <= level(d, 0))
        d->s.ris |= INT_TX;
}

static void transmit(struct pl011 *d, uint8_t byte)
{
    if (d->s.cr & CR_LBE) {
        if (d->s.rx_n < depth(d))
            rx_push(d, byte);
        d->s.ris |= INT_TX;
    } else if (d->s.tx_n < FIFO) { /* else: the guest did not look at TXFF */
        d->s.tx[d->s.tx_n++] = byte;
        if (d->s.tx_n > level(d, 0))
            d->s.ris &= ~INT_TX;
        drain(d);
    }
    update(d);
}

static uint32_t flags(const struct pl011 *d)
{
    return (uint32_t)(FR_CTS | FR_DSR | FR_DCD | (d->s.tx_n ? FR_BUSY : FR_TXFE) |
                      (d->s.tx_n >= depth(d) ? FR_TXFF : 0) | (d->s.rx_n >= depth(d) ? FR_RXFF : 0) |
                      (d->s.rx_n ? 0 : FR_RXFE));
}

static uint64_t pl011_read(void *dev, uint32_t reg, unsigned bytes)
{
    static const uint8_t id[8] = { 0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 }; /* 3.3.15: revision 1, 16-deep */
    struct pl011 *d = dev;
    switch (reg) {
    case REG_DR: return rx_pop(d);
    case REG_FR: return flags(d);
    case REG_ILPR: return d->s.ilpr;
    case REG_IBRD: return d->s.ibrd;
    case REG_FBRD: return d->s.fbrd;
    case REG_LCR_H: return d->s.lcr_h;
    case REG_CR: return d->s.cr;
    case REG_IFLS: return d->s.ifls;
    case REG_IMSC: return d->s.imsc;
    case REG_RIS: return d->s.ris;
    case REG_MIS: return d->s.ris & d->s.imsc;
    case REG_DMACR: return d->s.dmacr;
    }
    return reg >= REG_PID0 ? id[(reg - REG_PID0) / 4] : 0;
}

/* Switching the FIFOs empties them (3.3.7); what is on its way out still goes out. */
static void write_lcr_h(struct pl011 *d, uint32_t v)
{
    if ((d->s.lcr_h ^ v) & LCR_H_FEN) {
        d->s.rx_n = 0;
        d->s.ris &= ~(INT_RX | INT_RT);
    }
    d->s.lcr_h = v & 0xff;
}

static void pl011_write(void *dev, uint32_t reg, unsigned bytes, uint64_t value)
{
    struct pl011 *d = dev;
    uint32_t v = (uint32_t)value;
    switch (reg) {
    case REG_DR: transmit(d, (uint8_t)v); return;
    case REG_ILPR: d->s.ilpr = v & 0xff; break;
    case REG_IBRD: d->s.ibrd = v & 0xffff; break;
    case REG_FBRD: d->s.fbrd = v & 0x3f; break;
    case REG_LCR_H: write_lcr_h(d, v); break;
    case REG_CR: d->s.cr = v & 0xff87; break;
    case REG_IFLS: d->s.ifls = v & 0x3f; break;
    case REG_IMSC: d->s.imsc = v & 0x7ff; break;
    case REG_ICR: d->s.ris &= ~v; break;
    case REG_DMACR: d->s.dmacr = v & 7; break;
    }
    fill(d);
    update(d);
}

static void input(void *ctx)
{
    struct pl011 *d = ctx;
    bus_lock(d->device.bus);
    fill(d);
    update(d);
    bus_unlock(d->device.bus);
}

static void room(void *ctx)
{
    struct pl011 *d = ctx;
    bus_lock(d->device.bus);
    drain(d);
    update(d);
    bus_unlock(d->device.bus);
}

bool pl011_flush(struct device *dev)
{
    struct pl011 *d = (struct pl011 *)dev;
    bool empty = !d->s.tx_n;
    if (!empty) {
        drain(d);
        update(d);
    }
    return empty;
}

static void reset(void *dev)
{
    struct pl011 *d = dev;
    if (d->s.tx_n)
        drain(d); /* what the guest has sent is not undone by a reset */
    d->s = (struct pl011_state){ .cr = 0x300, .ifls = 0x12 };
    update(d);
}

static void restored(void *dev)
{
    struct pl011 *d = dev;
    d->s.rx_n = MIN(d->s.rx_n, FIFO);
    d->s.tx_n = MIN(d->s.tx_n, FIFO);
    if (d->s.tx_n)
        drain(d);
    update(d);
}

static void destroy(void *dev)
{
    struct pl011 *d = dev;
    if (d->console)
        console_attach(d->console, NULL);
    free(d);
}

static const struct device_type pl011_type = {
    .name = "pl011",
    DEVICE_REGS(regs),
    .sizes = 1 | 2 | 4,
    .read = pl011_read,
    .write = pl011_write,
    .reset = reset,
    .restored = restored,
    .destroy = destroy,
    DEVICE_STATE(struct pl011, s, state),
};

struct device *pl011_create(struct irq_line irq, struct console *console)
{
    struct pl011 *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->device.type = &pl011_type;
    d->irq = irq;
    d->console = console;
    reset(d);
    if (console)
        console_attach(console, &(struct console_client){ .input = input, .room = room, .ctx = d });
    return &d->device;
}

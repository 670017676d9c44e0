/*
 * sysreg.c - MRS and MSR: the table sysregs.inc looked up, access rights, and the behaviour of single registers.
 *
 * Order of checks as in the manual's pseudocode: does it exist at this EL (else UNDEFINED), does a control bit trap it
 * (EC 0x18, or 0x07 for FP), then the access.
 */
#include "cpu/vcpu.h"
#include "fp/fp.h"

enum access { RW0, RO0, R0W1, RW1, RO1, WO1 };
enum verdict { ALLOWED, UNDEFINED, TRAPPED, FP_TRAPPED };

typedef enum verdict check_fn(const struct vcpu *c, bool write);
typedef uint64_t read_fn(struct vcpu *c, enum sysreg r);
typedef void write_fn(struct vcpu *c, enum sysreg r, uint64_t value);

struct row {
    const char *name;
    uint16_t enc;
    uint8_t access;
    check_fn *check;
    read_fn *read;
    write_fn *write;
    uint64_t mask;
};
static const struct row rows[SR_COUNT];

/* ---- checks ---- */
static enum verdict unless(const struct vcpu *c, uint64_t reg, uint64_t bit)
{
    return c->el || (reg & bit) ? ALLOWED : TRAPPED;
}
#define CHECK(name) static enum verdict sysreg_check_##name(const struct vcpu *c, bool write)
CHECK(none) { return ALLOWED; }
CHECK(ctr) { return unless(c, c->sr[SR_SCTLR_EL1], SCTLR_UCT); }
CHECK(daif) { return unless(c, c->sr[SR_SCTLR_EL1], SCTLR_UMA); }
CHECK(scxtnum) { return c->el || !(c->sr[SR_SCTLR_EL1] & SCTLR_TSCXT) ? ALLOWED : TRAPPED; }
CHECK(pauth) { return c->base_mode & CPU_MODE_PAUTH ? ALLOWED : UNDEFINED; }
CHECK(fp) { return c->s.mode & CPU_MODE_FP_TRAP ? FP_TRAPPED : ALLOWED; }
CHECK(spsel1) { return c->spsel ? ALLOWED : UNDEFINED; } /* SP_EL0 is the current SP when SPSel is 0 */
CHECK(cntpct) { return unless(c, c->sr[SR_CNTKCTL_EL1], BIT(0)); }
CHECK(cntvct) { return unless(c, c->sr[SR_CNTKCTL_EL1], BIT(1)); }
CHECK(cntfrq) { return unless(c, c->sr[SR_CNTKCTL_EL1], BIT(0) | BIT(1)); }
CHECK(cntv) { return unless(c, c->sr[SR_CNTKCTL_EL1], BIT(8)); }
CHECK(cntp) { return unless(c, c->sr[SR_CNTKCTL_EL1], BIT(9)); }
CHECK(mdcc) { return c->el || !(c->sr[SR_MDSCR_EL1] & BIT(12)) ? ALLOWED : TRAPPED; }

/* ---- plain storage ---- */
static uint64_t sysreg_read_field(struct vcpu *c, enum sysreg r) { return c->sr[r]; }
static uint64_t sysreg_read_none(struct vcpu *c, enum sysreg r) { return 0; }
static void sysreg_write_none(struct vcpu *c, enum sysreg r, uint64_t v) {}
static void sysreg_write_field(struct vcpu *c, enum sysreg r, uint64_t v)
{
    c->sr[r] = (c->sr[r] & ~rows[r].mask) | (v & rows[r].mask);
}

/* ---- identification ---- */
static uint64_t sysreg_read_ccsidr(struct vcpu *c, enum sysreg r)
{
    /* NumSets-1, Associativity-1, log2(line)-4: 64 KiB 4-way L1s, 1 MiB 8-way L2; beyond: UNKNOWN, zero */
    static const uint64_t l1 = 255 << 13 | 3 << 3 | 2, l2 = 2047 << 13 | 7 << 3 | 2;
    switch (c->sr[SR_CSSELR_EL1]) {
    case 0: case 1: return l1;
    case 2: return l2;
    }
    return 0;
}

static uint64_t sysreg_read_dczid(struct vcpu *c, enum sysreg r)
{
    bool denied = !c->el && !(c->sr[SR_SCTLR_EL1] & SCTLR_DZE);
    return (denied ? BIT(4) : 0) | c->s.dczid_el0;
}

/* ---- control ---- */
static void sysreg_write_sctlr(struct vcpu *c, enum sysreg r, uint64_t v)
{
    const uint64_t res1 = BIT(11) | BIT(29) | BIT(28) | BIT(22) | BIT(8) | BIT(7); /* no AArch32, no ExS, LSMAOC */
    uint64_t mask = SCTLR_M | SCTLR_A | BIT(2) | SCTLR_SA | SCTLR_SA0 | SCTLR_UMA | BIT(12) | SCTLR_DZE | SCTLR_UCT | SCTLR_NTWI |
                    SCTLR_NTWE | SCTLR_WXN | SCTLR_TSCXT | SCTLR_SPAN | SCTLR_UCI | SCTLR_DSSBS;
    if (c->base_mode & CPU_MODE_PAUTH)
        mask |= SCTLR_ENDA | SCTLR_ENDB | SCTLR_ENIA | SCTLR_ENIB | SCTLR_BT0 | SCTLR_BT1;
    uint64_t old = c->sr[r];
    c->sr[r] = (v & mask) | res1;
    if ((old ^ c->sr[r]) & (SCTLR_M | SCTLR_WXN))
        tlb_regime_changed(c);
    vcpu_update_mode(c);
}
static void sysreg_write_cpacr(struct vcpu *c, enum sysreg r, uint64_t v)
{
    sysreg_write_field(c, r, v);
    vcpu_update_mode(c);
}
static void sysreg_write_ttbr(struct vcpu *c, enum sysreg r, uint64_t v)
{
    uint64_t old = c->sr[r];
    c->sr[r] = v;
    if (old == v)
        return;
    if (r == SR_TTBR1_EL1 && (old ^ v) & ones(48) & ~UINT64_C(1))
        tlb_regime_changed(c);
    else
        tlb_context_changed(c);
}
static void sysreg_write_regime(struct vcpu *c, enum sysreg r, uint64_t v)
{
    uint64_t old = c->sr[r];
    sysreg_write_field(c, r, v);
    if (old != c->sr[r])
        tlb_regime_changed(c);
}
static uint64_t sysreg_read_isr(struct vcpu *c, enum sysreg r)
{
    return __atomic_load_n(&c->s.lines, __ATOMIC_SEQ_CST); /* the same places as in DAIF */
}

/* ---- PSTATE ---- */
static uint64_t sysreg_read_sp_el0(struct vcpu *c, enum sysreg r) { return c->s.sp_el[0]; }
static void sysreg_write_sp_el0(struct vcpu *c, enum sysreg r, uint64_t v) { c->s.sp_el[0] = v; }
static uint64_t sysreg_read_spsel(struct vcpu *c, enum sysreg r) { return c->spsel; }
static void sysreg_write_spsel(struct vcpu *c, enum sysreg r, uint64_t v)
{
    pstate_set_sp(c, c->el, v & 1);
    vcpu_update_mode(c);
}
static uint64_t sysreg_read_currentel(struct vcpu *c, enum sysreg r) { return (uint64_t)c->el << 2; }
static uint64_t sysreg_read_pan(struct vcpu *c, enum sysreg r) { return c->pan ? PSTATE_PAN : 0; }
static void sysreg_write_pan(struct vcpu *c, enum sysreg r, uint64_t v)
{
    uint8_t pan = v & PSTATE_PAN ? 1 : 0;
    if (pan != c->pan) {
        c->pan = pan;
        tlb_pan_changed(c);
    }
}
static uint64_t sysreg_read_nzcv(struct vcpu *c, enum sysreg r) { return ir_flags_to_nzcv(c->s.flags); }
static void sysreg_write_nzcv(struct vcpu *c, enum sysreg r, uint64_t v) { c->s.flags = ir_flags_from_nzcv(v); }
static uint64_t sysreg_read_daif(struct vcpu *c, enum sysreg r) { return c->s.daif; }
static void sysreg_write_daif(struct vcpu *c, enum sysreg r, uint64_t v) { c->s.daif = v & PSTATE_DAIF; }
static uint64_t sysreg_read_dit(struct vcpu *c, enum sysreg r) { return c->dit ? PSTATE_DIT : 0; }
static void sysreg_write_dit(struct vcpu *c, enum sysreg r, uint64_t v) { c->dit = v & PSTATE_DIT ? 1 : 0; }
static uint64_t sysreg_read_ssbs(struct vcpu *c, enum sysreg r) { return c->ssbs ? PSTATE_SSBS : 0; }
static void sysreg_write_ssbs(struct vcpu *c, enum sysreg r, uint64_t v) { c->ssbs = v & PSTATE_SSBS ? 1 : 0; }
static uint64_t sysreg_read_fpcr(struct vcpu *c, enum sysreg r) { return c->s.fpcr; }
static void sysreg_write_fpcr(struct vcpu *c, enum sysreg r, uint64_t v)
{
    c->s.fpcr = v & FPCR_MASK;
    vcpu_update_mode(c);
}
static uint64_t sysreg_read_fpsr(struct vcpu *c, enum sysreg r) { return c->s.fpsr; }
static void sysreg_write_fpsr(struct vcpu *c, enum sysreg r, uint64_t v) { c->s.fpsr = v & 0x0800009f; }

/* ---- thread registers in struct cpu_state ---- */
#define IN_STATE(field)                                                                             \
    static uint64_t sysreg_read_##field(struct vcpu *c, enum sysreg r) { return c->s.field; }       \
    static void sysreg_write_##field(struct vcpu *c, enum sysreg r, uint64_t v) { c->s.field = rows[r].mask ? v & rows[r].mask : v; }
IN_STATE(tpidr_el0)
IN_STATE(tpidrro_el0)
IN_STATE(tpidr_el1)
IN_STATE(elr_el1)
IN_STATE(spsr_el1)
IN_STATE(esr_el1)
IN_STATE(far_el1)

/* ---- timers ---- */
static uint64_t sysreg_read_cntct(struct vcpu *c, enum sysreg r) { return counter_now(c->set); }
static void sysreg_write_cntkctl(struct vcpu *c, enum sysreg r, uint64_t v)
{
    sysreg_write_field(c, r, v);
    timer_update(c);
}
/* CTL: ENABLE, IMASK, ISTATUS. CVAL, TVAL: a signed 32-bit view of CVAL - count (D11.2.4). */
static uint64_t ctl(struct vcpu *c, enum sysreg r, enum sysreg cval)
{
    uint64_t v = c->sr[r];
    bool met = v & 1 && counter_now(c->set) >= c->sr[cval];
    if (met)
        timer_update(c); /* who sees ISTATUS has the interrupt too, the timer thread may be late */
    return v | (met ? BIT(2) : 0);
}
#define TIMER(x, X)                                                                                                      \
    static uint64_t sysreg_read_ctl_##x(struct vcpu *c, enum sysreg r) { return ctl(c, r, SR_CNT##X##_CVAL_EL0); }        \
    static void sysreg_write_ctl_##x(struct vcpu *c, enum sysreg r, uint64_t v) { c->sr[r] = v & 3; timer_update(c); }    \
    static void sysreg_write_cval_##x(struct vcpu *c, enum sysreg r, uint64_t v) { c->sr[r] = v; timer_update(c); }       \
    static uint64_t sysreg_read_tval_##x(struct vcpu *c, enum sysreg r)                                                  \
    {                                                                                                                    \
        return (uint32_t)(c->sr[SR_CNT##X##_CVAL_EL0] - counter_now(c->set));                                            \
    }                                                                                                                    \
    static void sysreg_write_tval_##x(struct vcpu *c, enum sysreg r, uint64_t v)                                         \
    {                                                                                                                    \
        c->sr[SR_CNT##X##_CVAL_EL0] = counter_now(c->set) + (uint64_t)sext(v, 32);                                       \
        timer_update(c);                                                                                                 \
    }
TIMER(p, P)
TIMER(v, V)

/* ---- GIC CPU interface ---- */
#define ICC_READ(reg) \
    static uint64_t sysreg_read_icc_##reg(struct vcpu *c, enum sysreg r) { return c->set->board.icc_read(c->set->board.ctx, c->id, ICC_##reg); }
#define ICC_WRITE(reg) \
    static void sysreg_write_icc_##reg(struct vcpu *c, enum sysreg r, uint64_t v) { c->set->board.icc_write(c->set->board.ctx, c->id, ICC_##reg, v); }
ICC_READ(IAR0) ICC_READ(HPPIR0) ICC_READ(RPR) ICC_READ(IAR1) ICC_READ(HPPIR1)
ICC_WRITE(EOIR0) ICC_WRITE(EOIR1) ICC_WRITE(DIR) ICC_WRITE(SGI1R) ICC_WRITE(ASGI1R) ICC_WRITE(SGI0R)
ICC_READ(PMR) ICC_WRITE(PMR) ICC_READ(BPR0) ICC_WRITE(BPR0) ICC_READ(BPR1) ICC_WRITE(BPR1)
ICC_READ(AP0R0) ICC_WRITE(AP0R0) ICC_READ(AP1R0) ICC_WRITE(AP1R0) ICC_READ(CTLR) ICC_WRITE(CTLR)
ICC_READ(SRE) ICC_WRITE(SRE) ICC_READ(IGRPEN0) ICC_WRITE(IGRPEN0) ICC_READ(IGRPEN1) ICC_WRITE(IGRPEN1)

/* ---- debug ---- */
static void sysreg_write_oslar(struct vcpu *c, enum sysreg r, uint64_t v)
{
    c->sr[SR_OSLSR_EL1] = bits_set(c->sr[SR_OSLSR_EL1], 1, 1, v & 1);
}
static uint64_t sysreg_read_claimset(struct vcpu *c, enum sysreg r) { return 0xff; }
static void sysreg_write_claimset(struct vcpu *c, enum sysreg r, uint64_t v) { c->sr[SR_DBGCLAIMCLR_EL1] |= v & 0xff; }
static void sysreg_write_claimclr(struct vcpu *c, enum sysreg r, uint64_t v) { c->sr[r] &= ~(v & 0xff); }

static const struct row rows[SR_COUNT] = {
#define SYSREG(name, op0, op1, crn, crm, op2, access, check, read, write, reset, mask, section) \
    [SR_##name] = {#name, SYSREG_ENC(op0, op1, crn, crm, op2), access, sysreg_check_##check, sysreg_read_##read, sysreg_write_##write, mask},
#include "cpu/sysregs.inc"
#undef SYSREG
};

const char *sysreg_name(enum sysreg r)
{
    return rows[r].name;
}

/* ---- saved state ---- */

enum sysreg_storage sysreg_storage(enum sysreg r)
{
    const struct row *row = &rows[r];
    if (row->read == sysreg_read_ctl_p || row->read == sysreg_read_ctl_v)
        return SYSREG_STORAGE;
    if (row->read != sysreg_read_field)
        return SYSREG_NO_STORAGE;
    return row->write == sysreg_write_none && r != SR_RVBAR_EL1 && r != SR_OSLSR_EL1 ? SYSREG_IDENTITY : SYSREG_STORAGE;
}

void sysreg_load(struct vcpu *c, enum sysreg r, uint64_t v)
{
    uint64_t mask = r == SR_RVBAR_EL1 ? UINT64_MAX : r == SR_OSLSR_EL1 ? BIT(1) : rows[r].mask;
    if (r == SR_SCTLR_EL1)
        sysreg_write_sctlr(c, r, v);
    else
        c->sr[r] = (c->sr[r] & ~mask) | (v & mask);
}

/* Encoding to row + 1; 0: none. Built before the first vCPU runs. */
static uint8_t index_of[1 << 16];
static_assert(SR_COUNT < 255, "index_of holds bytes");

static void __attribute__((constructor)) build_index(void)
{
    for (unsigned i = 0; i < SR_COUNT; i++)
        index_of[rows[i].enc] = i + 1;
}

uint32_t sysreg_iss(uint32_t enc, unsigned rt, bool read)
{
    return bits_get(enc, 15, 14) << 20 | bits_get(enc, 2, 0) << 17 | bits_get(enc, 13, 11) << 14 | bits_get(enc, 10, 7) << 10 |
           rt << 5 | bits_get(enc, 6, 3) << 1 | read;
}

static bool id_space(uint32_t enc)
{
    return enc >> 7 == SYSREG_ENC(3, 0, 0, 0, 0) >> 7;
}

static enum verdict rights(const struct vcpu *c, const struct row *row, bool write)
{
    static const struct { bool read0, write0, read1, write1; } can[] = {
        [RW0] = {1, 1, 1, 1}, [RO0] = {1, 0, 1, 0}, [R0W1] = {1, 0, 1, 1},
        [RW1] = {0, 0, 1, 1}, [RO1] = {0, 0, 1, 0}, [WO1] = {0, 0, 0, 1},
    };
    bool ok = c->el ? (write ? can[row->access].write1 : can[row->access].read1)
                    : (write ? can[row->access].write0 : can[row->access].read0);
    return ok ? row->check(c, write) : UNDEFINED;
}

static bool refuse(struct vcpu *c, enum verdict v, uint32_t enc, unsigned rt, bool read, uint64_t return_pc)
{
    /* FEAT_IDST: EL0 reads of the ID space are reported as trapped, so that software can emulate them (D17.2.66) */
    bool ids = bits_get(enc, 15, 14) == 3 && bits_get(enc, 10, 7) == 0 && bits_get(enc, 13, 11) != 3;
    if (v == UNDEFINED && !c->el && read && ids && (id_space(enc) || index_of[enc]))
        v = TRAPPED;
    if (v == TRAPPED)
        raise_sync(c, EC_SYSREG, sysreg_iss(enc, rt, read), return_pc);
    else if (v == FP_TRAPPED)
        raise_sync(c, EC_FP, 0x1e00000, return_pc);
    else
        raise_undefined(c, return_pc);
    return false;
}

bool sysreg_read(struct vcpu *c, uint32_t enc, unsigned rt, uint64_t return_pc, uint64_t *value)
{
    enc &= 0xffff;
    unsigned i = index_of[enc];
    *value = 0;
    c->stats.sysreg++;
    if (!i && c->el && id_space(enc) && bits_get(enc, 6, 3) >= 1)
        return true; /* reserved ID registers read as zero */
    enum verdict v = i ? rights(c, &rows[i - 1], false) : UNDEFINED;
    if (v != ALLOWED)
        return refuse(c, v, enc, rt, true, return_pc);
    *value = rows[i - 1].read(c, i - 1);
    return true;
}

bool sysreg_write(struct vcpu *c, uint32_t enc, unsigned rt, uint64_t return_pc, uint64_t value)
{
    enc &= 0xffff;
    unsigned i = index_of[enc];
    c->stats.sysreg++;
    enum verdict v = i ? rights(c, &rows[i - 1], true) : UNDEFINED;
    if (v != ALLOWED)
        return refuse(c, v, enc, rt, false, return_pc);
    rows[i - 1].write(c, i - 1, value);
    return true;
}

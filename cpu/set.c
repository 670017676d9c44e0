/* set.c - the vCPUs of a machine: creation, threads, start and stop. */
#include "cpu/cpu.h"
#include "base/error.h"
#include "base/bits.h"

static const char *const model_names[CPU_MODEL_COUNT] = {
    [CPU_MODEL_DEFAULT] = "default",
    [CPU_MODEL_APPLE] = "apple",
};

const char *cpu_model_name(enum cpu_model model)
{
    return model < CPU_MODEL_COUNT ? model_names[model] : NULL;
}

bool cpu_model_find(const char *name, enum cpu_model *model)
{
    for (unsigned i = 0; i < CPU_MODEL_COUNT; i++)
        if (!strcmp(name, model_names[i])) {
            *model = i;
            return true;
        }
    return false;
}

struct cpu_set *cpu_set_create(const struct cpu_options *options, struct pome_error *err)
{
    pome_fail(err, POME_ERROR_NOT_SUPPORTED, "the CPU engine is not there yet");
    return NULL;
}
void cpu_set_destroy(struct cpu_set *set) {}
struct cpu_irq_port cpu_set_irq_port(struct cpu_set *set) { return (struct cpu_irq_port){.ctx = set}; }
uint64_t cpu_mpidr(unsigned cpu) { return (uint64_t)(cpu >> 4) << 8 | (cpu & 15); }
void cpu_power_on(struct cpu_set *set, unsigned cpu, uint64_t pc, uint64_t x0) {}
bool cpu_set_start(struct cpu_set *set, struct pome_error *err) { return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "no CPU engine"); }
void cpu_set_stop(struct cpu_set *set) {}
enum cpu_end cpu_set_join(struct cpu_set *set, struct pome_error *err) { return CPU_END_ERROR; }
void cpu_set_reset(struct cpu_set *set) {}
void cpu_set_pause(struct cpu_set *set) {}
void cpu_set_resume(struct cpu_set *set) {}
void cpu_dump(struct cpu_set *set, unsigned cpu, FILE *to) {}
void cpu_set_stats(struct cpu_set *set, struct cpu_stats *out) { *out = (struct cpu_stats){0}; }
void cpu_stats_print(const struct cpu_stats *stats, FILE *to)
{
    const char *sep = "{";
#define S(name, text) fprintf(to, "%s\"" #name "\":%llu", sep, (unsigned long long)stats->name), sep = ",";
    CPU_STATS(S)
#undef S
    fputc('}', to);
}

/* rules.c - the table of rules as data. */
#include "config/rules.h"

const struct rule config_rules[CONFIG_RULE_COUNT] = {
#define ROW(id, code, severity, allowed, advice, source) [RULE_##id] = {code, POME_FINDING_##severity, allowed, advice, false},
    CONFIG_RULES(ROW)
#undef ROW
};

const char *config_rule_source(enum config_rule rule)
{
    static const char *const sources[CONFIG_RULE_COUNT] = {
#define ROW(id, code, severity, allowed, advice, source) [RULE_##id] = source,
        CONFIG_RULES(ROW)
#undef ROW
    };
    return (unsigned)rule < CONFIG_RULE_COUNT ? sources[rule] : "";
}

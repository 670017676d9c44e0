/* findings.h - what a check found, for people and for programs. */
#ifndef CLI_FINDINGS_H
#define CLI_FINDINGS_H

#include <pome/finding.h>

#include <stdbool.h>
#include <stdio.h>

struct cli_findings {
    bool json;
    FILE *out; /* where text goes; JSON goes to standard output */
    size_t n, errors, warnings, repairable;
};

/* The pome_finding_fn; user is the struct cli_findings. Text is
 *     error: dev.bundle/Config.json:3:5: cpuCount: 33, needed 1 to 32  [cpu-count-range]
 *       do:  choose ...
 * JSON is items of the list that cli_findings_begin and cli_findings_end put brackets around. */
void cli_finding(void *user, const struct pome_finding *f);

/* "{"findings":[" and "],"errors":1,...}": nothing unless json. */
void cli_findings_begin(struct cli_findings *l, FILE *out, bool json);
void cli_findings_end(const struct cli_findings *l);

#endif

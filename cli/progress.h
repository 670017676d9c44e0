/* progress.h - showing a long call: a bar on a terminal, plain lines elsewhere, events with --json. Ctrl-C cancels. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <pome/progress.h>

struct cli_progress {
    bool json;             /* one event object per line on standard output */
    bool terminal, drawn;
    const char *title;     /* borrowed */
    int64_t begun_ms, part_begun_ms, shown_ms; /* part: since the fraction went on from 0 */
    uint32_t step_number;
    char step[64];
    double fraction;
    int64_t step_begun_ms;
    int shown_percent;
};

/* Begins: takes SIGINT and SIGTERM (the first cancels, a second one kills). One at a time in a process. */
void cli_progress_begin(struct cli_progress *p, const char *title, bool json);

/* The pome_progress_fn; user is the struct cli_progress. Returns false after Ctrl-C. */
bool cli_progress_show(void *user, const struct pome_progress *report);

/* Ends: clears the bar, gives the signals back. ok: prints "title: done in 12 s" unless --quiet. */
void cli_progress_end(struct cli_progress *p, bool ok);

#endif

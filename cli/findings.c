/* findings.c - what a check found, for people and for programs. */
#include "cli/findings.h"
#include "cli/output.h"

static void text(FILE *out, const struct pome_finding *f)
{
    fprintf(out, "%s: ", pome_severity_name(f->severity));
    if (f->path)
        fputs(f->path, out);
    if (f->line)
        fprintf(out, ":%d:%d", f->line, f->column);
    if (f->path)
        fputs(": ", out);
    if (f->field)
        fprintf(out, "%s: ", f->field);
    fputs(f->found, out);
    if (f->severity != POME_FINDING_NOTE || f->expected[0])
        fprintf(out, ", needed %s", f->expected);
    fprintf(out, "  [%s]\n", f->code);
    if (f->advice[0])
        fprintf(out, "  do:  %s\n", f->advice);
}

static void member(const char *name, const char *value)
{
    printf(",\"%s\":", name);
    cli_json_string(stdout, value);
}

static void json(const struct pome_finding *f, bool first)
{
    fputs(first ? "{\"code\":" : ",\n {\"code\":", stdout);
    cli_json_string(stdout, f->code);
    member("severity", pome_severity_name(f->severity));
    member("path", f->path);
    member("field", f->field);
    if (f->line)
        printf(",\"line\":%d,\"column\":%d", f->line, f->column);
    member("found", f->found);
    member("expected", f->expected);
    member("advice", f->advice);
    printf(",\"repairable\":%s}", f->repairable ? "true" : "false");
}

void cli_finding(void *user, const struct pome_finding *f)
{
    struct cli_findings *l = user;
    if (l->json)
        json(f, !l->n);
    else
        text(l->out, f);
    l->n++;
    l->errors += f->severity == POME_FINDING_ERROR;
    l->warnings += f->severity == POME_FINDING_WARNING;
    l->repairable += f->repairable;
}

void cli_findings_begin(struct cli_findings *l, FILE *out, bool as_json)
{
    *l = (struct cli_findings){.json = as_json, .out = out};
    if (as_json)
        fputs("{\"findings\":[", stdout);
}

void cli_findings_end(const struct cli_findings *l)
{
    if (l->json)
        printf("],\"errors\":%zu,\"warnings\":%zu}\n", l->errors, l->warnings);
}

/* pome/finding.h - what a check found: the same for configurations, bundles and machines of other tools. */
#ifndef POME_FINDING_H
#define POME_FINDING_H

#include <pome/error.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum pome_severity {
    POME_FINDING_NOTE = 0,    /* worth knowing; nothing is wrong */
    POME_FINDING_WARNING = 1, /* works, but not as it says or not for long */
    POME_FINDING_ERROR = 2,   /* cannot be used like this */
};

/* One finding. Texts are borrowed and valid during the call, UTF-8, in English, never NULL but where it says so. */
struct pome_finding {
    size_t size;      /* of this struct, as the library knows it */
    const char *code; /* stable, for programs: "memory-range" */
    enum pome_severity severity;
    const char *path;  /* the file it is in; NULL: none */
    const char *field; /* the place in it: "networks[0].mtu", "GPT, primary header"; NULL: all of it */
    int line, column;  /* in a text file, from 1; 0: not known */
    const char *found;
    const char *expected;
    const char *advice; /* what to do */
    bool repairable;    /* pome_bundle_repair() can put it right */
};

/* Called for each finding, in the order of the check. */
typedef void pome_finding_fn(void *user, const struct pome_finding *finding);

/* "note", "warning", "error". Static storage. */
POME_API const char *pome_severity_name(enum pome_severity severity);

#ifdef __cplusplus
}
#endif
#endif

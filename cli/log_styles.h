/* log_styles.h - one record of a log as text: the styles of log(1) on a Mac. */
#ifndef CLI_LOG_STYLES_H
#define CLI_LOG_STYLES_H

#include <pome/log.h>

struct log_style {
    const char *name;
    void (*begin)(void);
    void (*print)(const struct pome_log_record *r);
    void (*end)(void);
    const char *between; /* records */
};

/* NULL: there is none of that name. */
const struct log_style *log_style_find(const char *name);

#endif

/* pome/version.h - which Pome this is. */
#ifndef POME_VERSION_H
#define POME_VERSION_H

#include <pome/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "0.2.0". Static storage. */
POME_API const char *pome_version(void);

#ifdef __cplusplus
}
#endif
#endif

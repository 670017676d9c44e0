/* version.c - the library's version, from meson.build. */
#include <pome/version.h>

const char *pome_version(void)
{
    return POME_VERSION_STRING;
}

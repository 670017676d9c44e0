/* error.c - filling struct pome_error. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int32_t code;
    int exit_status;
    const char *name, *meaning;
} errors[] = {
#define ROW(name, number, meaning, exit_status) {number, exit_status, #name, meaning},
    POME_ERRORS(ROW)
#undef ROW
};

static size_t find(int32_t code)
{
    size_t n = sizeof errors / sizeof *errors;
    for (size_t i = 0; i < n; i++)
        if (errors[i].code == code)
            return i;
    return n;
}

const char *pome_error_name(int32_t code)
{
    size_t i = find(code);
    return i < sizeof errors / sizeof *errors ? errors[i].name : "UNKNOWN";
}

const char *pome_error_meaning(int32_t code)
{
    size_t i = find(code);
    return i < sizeof errors / sizeof *errors ? errors[i].meaning : "an error without a name";
}

int pome_error_exit_status(int32_t code)
{
    size_t i = find(code);
    return i < sizeof errors / sizeof *errors ? errors[i].exit_status : 1;
}

bool pome_fail(struct pome_error *err, enum pome_error_code code, const char *format, ...)
{
    if (!err)
        return false;
    va_list ap;
    va_start(ap, format);
    err->code = code;
    err->os_errno = 0;
    vsnprintf(err->message, sizeof err->message, format, ap);
    va_end(ap);
    return false;
}

static enum pome_error_code code_of_errno(int e)
{
    switch (e) {
    case ENOENT:
    case ENOTDIR: return POME_ERROR_NOT_FOUND;
    case EEXIST: return POME_ERROR_EXISTS;
    case ENOSPC:
    case EDQUOT: return POME_ERROR_OUT_OF_DISK_SPACE;
    case EACCES:
    case EPERM:
    case EROFS: return POME_ERROR_PERMISSION;
    case EBUSY:
    case EAGAIN: return POME_ERROR_BUSY;
    case ENOMEM: return POME_ERROR_OUT_OF_MEMORY;
    case EINTR:
    case ECANCELED: return POME_ERROR_OPERATION_CANCELLED;
    case ETIMEDOUT: return POME_ERROR_TIMED_OUT;
    default: return POME_ERROR_IO;
    }
}

bool pome_fail_errno(struct pome_error *err, const char *format, ...)
{
    int e = errno;
    if (!err)
        return false;
    va_list ap;
    va_start(ap, format);
    err->code = code_of_errno(e);
    err->os_errno = e;
    vsnprintf(err->message, sizeof err->message, format, ap);
    va_end(ap);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(e));
    return false;
}

bool pome_fail_context(struct pome_error *err, const char *format, ...)
{
    if (!err)
        return false;
    char old[sizeof err->message];
    memcpy(old, err->message, sizeof old);
    va_list ap;
    va_start(ap, format);
    vsnprintf(err->message, sizeof err->message, format, ap);
    va_end(ap);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", old);
    return false;
}

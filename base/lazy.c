/* lazy.c - libraries that are loaded when they are needed. */
#include "base/lazy.h"
#include "base/error.h"
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

static bool load(void *pointers, const char *const *names, size_t n, const char *file, const char *package, struct pome_error *err)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s cannot be loaded (%s): it is in the package %s", file, dlerror(), package);
    for (size_t i = n; i-- > 0;) { /* the first comes last: it says that all are there */
        void *f = dlsym(library, names[i]);
        if (!f)
            return pome_fail(err, POME_ERROR_NOT_SUPPORTED, "%s has no function %s: a newer package %s is needed", file, names[i], package);
        memcpy((char *)pointers + i * sizeof f, &f, sizeof f);
    }
    return true;
}

bool lazy_load(void *pointers, const char *const *names, size_t n, const char *file, const char *package, struct pome_error *err)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static const char nothing[sizeof(void *)];
    pthread_mutex_lock(&lock);
    bool ok = memcmp(pointers, nothing, sizeof nothing) || load(pointers, names, n, file, package, err);
    pthread_mutex_unlock(&lock);
    return ok;
}

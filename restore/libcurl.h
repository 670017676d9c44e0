/* libcurl.h - what we use of libcurl, loaded when it is needed (base/lazy.h). */
#ifndef RESTORE_LIBCURL_H
#define RESTORE_LIBCURL_H

#include "base/lazy.h"

#define CURL_DISABLE_TYPECHECK /* macros that are no calls of the functions themselves */
#include <curl/curl.h>

#define LIBCURL(F)                                                                                                            \
    F(curl_global_init) F(curl_easy_init) F(curl_easy_setopt) F(curl_easy_perform) F(curl_easy_getinfo) F(curl_easy_strerror) \
    F(curl_easy_cleanup) F(curl_slist_append) F(curl_slist_free_all)

struct libcurl {
    LIBCURL(LAZY_MEMBER)
};
extern struct libcurl libcurl;

/* Before any of them is called. */
bool libcurl_load(struct pome_error *err);

#endif

/* libslirp.h - what we use of libslirp, loaded when it is needed (base/lazy.h). */
#ifndef BACKEND_LIBSLIRP_H
#define BACKEND_LIBSLIRP_H

#include "base/lazy.h"

#include <slirp/libslirp.h>

#define LIBSLIRP(F)                                                                                                 \
    F(slirp_add_hostxfwd) F(slirp_cleanup) F(slirp_handle_timer) F(slirp_input) F(slirp_new)                        \
    F(slirp_pollfds_fill) F(slirp_pollfds_poll) F(slirp_state_load) F(slirp_state_save) F(slirp_state_version)      \
    F(slirp_version_string)

struct libslirp {
    LIBSLIRP(LAZY_MEMBER)
};
extern struct libslirp libslirp;

/* Before any of them is called. */
bool libslirp_load(struct pome_error *err);

#endif

/* libarchive.h - what we use of libarchive, loaded when it is needed (base/lazy.h). */
#ifndef BUNDLE_LIBARCHIVE_H
#define BUNDLE_LIBARCHIVE_H

#include "base/lazy.h"

#include <archive.h>
#include <archive_entry.h>

#define LIBARCHIVE(F)                                                                                                         \
    F(archive_entry_filetype) F(archive_entry_free) F(archive_entry_hardlink) F(archive_entry_new)                            \
    F(archive_entry_mtime) F(archive_entry_mtime_is_set) F(archive_entry_mtime_nsec) F(archive_entry_pathname)                 \
    F(archive_entry_set_filetype) F(archive_entry_set_mtime) F(archive_entry_set_pathname)                                    \
    F(archive_entry_set_pathname_utf8) F(archive_entry_set_perm) F(archive_entry_set_size) F(archive_entry_size)              \
    F(archive_entry_size_is_set) F(archive_entry_sparse_add_entry) F(archive_entry_symlink) F(archive_errno)                  \
    F(archive_error_string) F(archive_read_data) F(archive_read_data_block) F(archive_read_free) F(archive_read_new)          \
    F(archive_read_next_header) F(archive_read_open_filename) F(archive_read_support_filter_zstd)                             \
    F(archive_read_support_format_tar) F(archive_set_error) F(archive_write_add_filter_none) F(archive_write_close)           \
    F(archive_write_data) F(archive_write_fail) F(archive_write_finish_entry) F(archive_write_free)                           \
    F(archive_write_header) F(archive_write_new) F(archive_write_open) F(archive_write_open_fd)                               \
    F(archive_write_set_bytes_in_last_block) F(archive_write_set_bytes_per_block) F(archive_write_set_format_pax)             \
    F(archive_write_set_format_zip) F(archive_write_zip_set_compression_store)

struct libarchive {
    LIBARCHIVE(LAZY_MEMBER)
};
extern struct libarchive libarchive;

/* Before any of them is called. */
bool libarchive_load(struct pome_error *err);

#endif

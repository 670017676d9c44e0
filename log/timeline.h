/*
 * timeline.h - records in the order in which things happened.
 *
 * The guest's kernel speaks late: before its console driver runs it keeps what it says, and then says all of it at once. But
 * its lines carry its own clock, which runs at the host's rate. The smallest difference between a line's arrival and its
 * guest time, over one boot, is when the guest's clock began; with it every kernel line is put where it belongs among the host's.
 */
#ifndef LOG_TIMELINE_H
#define LOG_TIMELINE_H

#include "log/predicate.h"

struct log_timeline;

/* Over a reader, which belongs to the timeline from now on. NULL when there is no memory (the reader is then closed). */
struct log_timeline *log_timeline_open(struct log_reader *r);
void log_timeline_close(struct log_timeline *t); /* NULL is fine */

/* Only these from now on: predicate (borrowed, NULL: all), of level `lowest` and above. The beginnings of boots are wanted always when there is no predicate.
 * What is not wanted costs no memory. */
void log_timeline_filter(struct log_timeline *t, const struct log_predicate *predicate, enum log_level lowest);

/* The next record, valid until the next call; kernel lines have realtime_ns and monotonic_ns of when they were said. One boot is held
 * in memory at a time. False at the end; called again it goes on with what was written since, ordered in itself. */
bool log_timeline_next(struct log_timeline *t, struct log_record *record);

/* Behind the newest record. */
void log_timeline_seek_end(struct log_timeline *t);

/* As log_read_seek_last_boot. */
bool log_timeline_seek_last_boot(struct log_timeline *t);

#endif

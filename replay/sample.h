/* sample - some of an application's recorded calls as an archive of its own, for as long as it is
 * needed: what a short trial of a gateway is made of.
 *
 * Calls are of one kind that have method, path, model, API, features, status and being streamed in
 * common.  The latest of each kind comes before the second of any, so that few calls have seen
 * every way in which an application asks.  Only calls whose request and answer are on record.
 */
#ifndef REPLAY_SAMPLE_H
#define REPLAY_SAMPLE_H

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "capture/archive.h"

#define SAMPLE_CALLS_MAX 100000

struct sample_options {
    const struct archive *archive;
    struct str app;
    int64_t from_us, to_us; /* started in [from, to) */
    size_t calls;           /* at most */
    bool only_good;         /* answered well, to the end */
    const char *parent;     /* the folder in which a fresh one is made */
    int64_t now_us;
};

struct sample;
/* ERR_USAGE if there is no such call. */
int sample_open(const struct sample_options *o, struct sample **ret, struct err *err);
/* Removes it. */
void sample_close(struct sample *s);
DEFINE_CLEANUP(struct sample, sample_close)
const char *sample_path(const struct sample *s);   /* of the archive */
const char *sample_folder(const struct sample *s); /* goes with it: for what is made of it */
const struct archive *sample_archive(const struct sample *s);
size_t sample_calls(const struct sample *s);
size_t sample_kinds(const struct sample *s);
uint64_t sample_seen(const struct sample *s); /* calls that it was taken from */
/* Calls a second in the busiest ten seconds of all that it was taken from. */
double sample_peak(const struct sample *s);
int64_t sample_from_us(const struct sample *s); /* of those in it, the first and the last start */
int64_t sample_to_us(const struct sample *s);

#endif

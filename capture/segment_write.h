/* segment_write - writes one segment file: exchanges in, sealed archive out. */
#ifndef CAPTURE_SEGMENT_WRITE_H
#define CAPTURE_SEGMENT_WRITE_H

#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "capture/exchange.h"

/* What the manifest says; all of it known before the first exchange, and none of it from a clock,
 * so that sealing again gives the same bytes. */
struct segment_info {
    const char *id;   /* UUID */
    const char *date; /* "2026-10-01" */
    struct str writer;
    uint64_t exchanges;
    uint64_t first_sequence, last_sequence;
    uint64_t writer_exchanges; /* of the journal, over all its segments */
    int64_t first_started_us;
    const char *created_by; /* "weir 0.1.0" */
};

struct segment_writer;
/* Creates path (0600, must not exist). */
int segment_create(const char *path, const struct segment_info *info, struct segment_writer **ret,
                   struct err *err);
/* *ret_offset: of the frame with its bodies in the file; -1 if it has none. */
int segment_add(struct segment_writer *w, const struct exchange *x, int64_t *ret_offset,
                struct err *err);
/* Writes what is left, fsyncs and closes; frees w in any case. */
int segment_finish(struct segment_writer *w, uint8_t ret_sha[static SHA256_BYTES],
                   uint64_t *ret_bytes, struct err *err);
/* Gives up and removes nothing; NULL is fine. */
void segment_abandon(struct segment_writer *w);

#endif

/* segment_read - reads a segment file: all of it in order, or one exchange at its offset.
 *
 * Nothing in the file is trusted: what does not check out is ERR_CORRUPT with the byte offset of
 * the zstd frame.  Messages name no path.
 */
#ifndef CAPTURE_SEGMENT_READ_H
#define CAPTURE_SEGMENT_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "capture/exchange.h"

struct segment_manifest {
    struct str id, date, writer, created_by;
    uint64_t exchanges;
    uint64_t first_sequence, last_sequence;
    uint64_t writer_exchanges;
};

struct segment_reader;
int segment_open(const char *path, struct segment_reader **ret, struct err *err);
void segment_close(struct segment_reader *r);
DEFINE_CLEANUP(struct segment_reader, segment_close)
const struct segment_manifest *segment_manifest(const struct segment_reader *r);

/* The next exchange, with or without bodies and chunks (the same choice for every call): 1 = *ret
 * set, valid until the next call; 0 = end, all that the manifest promises was there; -1. */
int segment_next(struct segment_reader *r, bool bodies, struct exchange *ret, struct err *err);
/* Where the bodies of the exchange that segment_next gave last begin; -1 if it has none.  Only with
 * bodies. */
int64_t segment_offset(const struct segment_reader *r);
/* One exchange by its id: its line is looked for, its bodies are read at offset (a ledger's
 * segment_offset, -1 = it has none).  1 = *ret set, valid until the next call, 0 = not in here. */
int segment_find(struct segment_reader *r, struct uuid id, int64_t offset, struct exchange *ret,
                 struct err *err);

/* For a caller that has kept id and *_stored_bytes of an exchange: sets its bodies and chunks,
 * valid until the next call, without looking for its line. */
int segment_bodies(struct segment_reader *r, int64_t offset, struct exchange *x, struct err *err);

/* Decodes every frame and every member of the file.  On failure *ret_frame is where the frame
 * begins that does not check out. */
int segment_walk(const char *path, uint64_t *ret_frame, struct err *err);

#endif

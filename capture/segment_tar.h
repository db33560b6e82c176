/* segment_tar - members of a segment's tar, from zstd frames in memory.  Private to segment_read.
 */
#ifndef CAPTURE_SEGMENT_TAR_H
#define CAPTURE_SEGMENT_TAR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

struct segment_tar;

/* Reads file from byte `at` on: a frame's first.  one_frame stops at that frame's end. */
struct segment_tar *segment_tar_open(struct str file, size_t at, bool one_frame);
void segment_tar_close(struct segment_tar *t);
DEFINE_CLEANUP(struct segment_tar, segment_tar_close)
/* 1 = *ret_name set until the next call, 0 = end, -1. */
int segment_tar_next(struct segment_tar *t, const char **ret_name, struct err *err);
/* A piece of the member's bytes, valid until the next call: 1, 0 = end of the member, -1. */
int segment_tar_piece(struct segment_tar *t, struct str *ret, struct err *err);
/* The rest of the member appended to out; ERR_LIMIT beyond max_bytes. */
int segment_tar_read(struct segment_tar *t, size_t max_bytes, struct buf *out, struct err *err);
/* Where the frame begins that is being decoded. */
uint64_t segment_tar_frame(const struct segment_tar *t);

/* Decodes all frames of file, whatever is in them; on failure *ret_frame is where the bad one
 * begins. */
int segment_frames_check(struct str file, uint64_t *ret_frame, struct err *err);

#endif

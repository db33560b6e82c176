/* parquet_encode - values to the bytes of a page, for parquet_write alone.  All append to out. */
#ifndef CAPTURE_PARQUET_ENCODE_H
#define CAPTURE_PARQUET_ENCODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* The RLE/bit-packing hybrid, without a length or width before it; width from 1 to 32. */
void encode_hybrid(struct buf *out, const uint32_t *codes, size_t count, unsigned width);
/* DELTA_BINARY_PACKED; differences wrap around at 32 bits for INT32, as its readers compute. */
void encode_delta(struct buf *out, const int64_t *values, size_t count, bool is_32);
void encode_plain_ints(struct buf *out, const int64_t *values, size_t count, bool is_32);
void encode_plain_bools(struct buf *out, const int64_t *values, size_t count);
/* Length in 4 bytes, then the bytes. */
void encode_plain_string(struct buf *out, struct str s);

/* s, or a copy in scratch with every broken sequence replaced by U+FFFD (one for each maximal
 * subpart, as Unicode 15 chapter 3.9 recommends and browsers do). */
struct str encode_utf8(struct str s, struct buf *scratch);

#endif

/* parquet_decode - the bytes of a page to values, for parquet_values alone.
 *
 * Input is untrusted.  It must have PAGE_SLACK readable bytes past its end, and outputs room for
 * PAGE_SLACK values more than asked for, so that the inner loops need no check per value.
 */
#ifndef CAPTURE_PARQUET_DECODE_H
#define CAPTURE_PARQUET_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define PAGE_SLACK 64u

/* RLE/bit-packing hybrid of width 1: is_null[i] = 1 where the level is 0. *ret_present counts the
 * rest. */
int decode_levels(struct str in, size_t count, uint8_t *is_null, size_t *ret_present,
                  struct err *err);

/* A width byte and the hybrid: count codes below limit. */
int decode_codes(struct str in, size_t count, size_t limit, uint32_t *ret, struct err *err);
/* The same, looked up in a dictionary of integers. */
int decode_lookup(struct str in, size_t count, const int64_t *dictionary, size_t dictionary_len,
                  int64_t *ret, struct err *err);

/* bits is 32 or 64. */
int decode_plain_ints(struct str in, size_t count, unsigned bits, int64_t *ret, struct err *err);
int decode_plain_bools(struct str in, size_t count, int64_t *ret, struct err *err);
/* Hybrid of width 1, behind its length in 4 bytes. */
int decode_rle_bools(struct str in, size_t count, int64_t *ret, struct err *err);
/* DELTA_BINARY_PACKED, exactly count values; *ret_used says how many bytes they took. */
int decode_delta(struct str in, size_t count, unsigned bits, int64_t *ret, size_t *ret_used,
                 struct err *err);

/* Strings borrow from in, or from arena where in has them in pieces. */
int decode_plain_strings(struct str in, size_t count, struct str *ret, struct err *err);
int decode_delta_length(struct str in, size_t count, struct arena *arena, struct str *ret,
                        struct err *err);
/* DELTA_BYTE_ARRAY; ERR_LIMIT beyond max_bytes in all. */
int decode_delta_strings(struct str in, size_t count, size_t max_bytes, struct arena *arena,
                         struct str *ret, struct err *err);

#endif

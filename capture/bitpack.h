/* bitpack - unsigned integers of a fixed number of bits, least significant bit first, as Parquet
 * packs them: in groups of 8 values, so that a group of width w takes exactly w bytes.
 *
 * Unpacking is the innermost loop of every scan: one unrolled loop per width, each value a shifted
 * 8-byte load.  Hence BITPACK_SLACK readable bytes past the input and a whole group of room in the
 * output.
 */
#ifndef CAPTURE_BITPACK_H
#define CAPTURE_BITPACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define BITPACK_GROUP 8u
#define BITPACK_SLACK 16u

/* Bits needed for value: 0 for 0. */
static inline unsigned bitpack_width(uint64_t value)
{
    return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
}
/* Appends count values, the last group filled up with zeros. */
void bitpack_add32(struct buf *out, const uint32_t *values, size_t count, unsigned width);
void bitpack_add64(struct buf *out, const uint64_t *values, size_t count, unsigned width);
/* Reads groups * width bytes into groups * 8 values; width at most 32 and 64. */
void bitpack_get32(const uint8_t *in, size_t groups, unsigned width, uint32_t *ret);
void bitpack_get64(const uint8_t *in, size_t groups, unsigned width, uint64_t *ret);

#endif

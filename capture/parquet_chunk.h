/* parquet_chunk - the values of one column in the row group being filled, and their encoding, for
 * parquet_write alone.
 *
 * Only values are kept: nulls are a bit per row.  A string column starts as a dictionary of codes
 * and becomes plain bytes for the rest of the group once the dictionary passes
 * CHUNK_DICTIONARY_BYTES.
 */
#ifndef CAPTURE_PARQUET_CHUNK_H
#define CAPTURE_PARQUET_CHUNK_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"
#include "capture/parquet.h"
#include "capture/parquet_encode.h"
#include "capture/parquet_format.h"

#define CHUNK_DICTIONARY_BYTES (1u << 20)
#define CHUNK_DICTIONARY_INTS  32768u
#define CHUNK_SLOTS            (4 * CHUNK_DICTIONARY_INTS)
#define CHUNK_SLOTS_LEAST      64u
#define CHUNK_PAGE_ROWS        PARQUET_GROUP_ROWS
#define CHUNK_PAGE_BYTES       (1u << 20) /* of PLAIN strings */
/* A longer minimum or maximum of a string column is left out of the statistics. */
#define CHUNK_STATISTICS_BYTES 64u

struct chunk {
    struct parquet_column column; /* the name is the writer's */
    uint8_t *null_bits;           /* one per row, least significant first; made by the first null */
    size_t null_count;
    VEC(int64_t) ints;
    VEC(uint32_t) codes;
    struct map dictionary;
    size_t dictionary_bytes; /* as a PLAIN dictionary page */
    size_t plain_bytes;      /* all values, as PLAIN pages */
    bool is_plain;           /* values are in plain, not in codes */
    struct buf plain;
    size_t value_count;
    struct str last; /* the previous string, which is often the next one, too */
};

/* Scratch shared by all chunks of a writer. */
struct chunk_tools {
    struct ZSTD_CCtx_s *zstd;
    struct buf chunk; /* what chunk_encode made: page headers and compressed pages */
    struct buf page, packed;
    uint32_t *levels;  /* CHUNK_PAGE_ROWS */
    uint32_t *codes;   /* PARQUET_GROUP_ROWS */
    int64_t *distinct; /* CHUNK_DICTIONARY_INTS */
    uint32_t *slots;   /* CHUNK_SLOTS: index + 1 into distinct, 0 = free */
    size_t distinct_count;
};

int chunk_tools_init(struct chunk_tools *t, struct err *err);
void chunk_tools_release(struct chunk_tools *t);

void chunk_release(struct chunk *c);
/* Empties it for the next group. */
void chunk_clear(struct chunk *c);
void chunk_add_null(struct chunk *c, size_t row);
/* Return roughly how many bytes of memory the value took.  s must be UTF-8. */
size_t chunk_add_int(struct chunk *c, int64_t value);
size_t chunk_add_string(struct chunk *c, struct str s);

/* Encodes the chunk into t->chunk, to stand at file_offset; statistics and the path live in names.
 */
int chunk_encode(struct chunk *c, size_t row_count, uint64_t file_offset, struct chunk_tools *t,
                 struct arena *names, struct pq_column_meta *ret, struct err *err);

#endif

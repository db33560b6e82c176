/* parquet - flat Parquet files (parquet-format 2.10), written and read.
 *
 * Written: one row group per PARQUET_GROUP_ROWS rows; strings as a dictionary where that is smaller
 * than PLAIN, integers as a dictionary or DELTA_BINARY_PACKED, whichever is smaller, booleans
 * PLAIN; optional columns with RLE definition levels; zstd pages (data page v1) with their CRC;
 * statistics; key-value metadata.  Equal rows make equal bytes. Read: the same, and what DuckDB
 * writes for the same schema: PLAIN, PLAIN_DICTIONARY, RLE_DICTIONARY, RLE, DELTA_BINARY_PACKED,
 * DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY; data page v1 and v2; zstd, gzip, snappy, uncompressed.
 * Every length and offset in a file is untrusted: bad ones are ERR_CORRUPT with the byte offset.
 *
 * The seal.  Page CRCs leave page headers and the footer unprotected, where one flipped bit can
 * change values without breaking the format.  So between the last page and the footer, in bytes no
 * Parquet reader looks at, our files carry one CRC-32C per column chunk (page headers included) and
 * one of the footer: parquet_open checks the footer, parquet_read the chunk.  A file that says it
 * is weir's and has no seal is corrupt.  Files of other writers have their page CRCs checked, if
 * any.
 *
 *     u32 CRC-32C of each chunk, group by group; u32 of the footer; u32 footer length in bytes;
 *     u32 number of chunks; u32 CRC-32C of the seal so far; "weirseal"     (little endian)
 */
#ifndef CAPTURE_PARQUET_H
#define CAPTURE_PARQUET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define PARQUET_COLUMNS_MAX      256
#define PARQUET_GROUP_ROWS       49152        /* written; a scan has one group a thread decoded */
#define PARQUET_GROUP_BYTES      (96u << 20)  /* a group with this much buffered is written early */
#define PARQUET_GROUP_ROWS_MAX   (8u << 20)   /* read */
#define PARQUET_GROUPS_MAX       65536        /* read */
#define PARQUET_PAGE_BYTES_MAX   (256u << 20) /* read, uncompressed */
#define PARQUET_CHUNK_BYTES_MAX  (1024u << 20) /* read, compressed */
#define PARQUET_FOOTER_BYTES_MAX (32u << 20)
#define PARQUET_STRING_BYTES_MAX (16u << 20) /* written: one value */

enum parquet_type {
    PARQUET_STRING, /* BYTE_ARRAY, UTF8 */
    PARQUET_INT64,  /* INT64, signed */
    PARQUET_INT32,
    PARQUET_BOOL,
    PARQUET_TIMESTAMP_US, /* INT64, TIMESTAMP(isAdjustedToUTC, MICROS) */
    PARQUET_DECIMAL_12,   /* INT64, DECIMAL(18, 12) */
    PARQUET_OTHER,        /* in files of other writers: listed, but cannot be read or written */
};

struct parquet_column {
    const char *name;
    enum parquet_type type;
    bool optional;
};

/* A value on its way in. */
struct parquet_cell {
    bool is_null;
    int64_t i;    /* every type but STRING */
    struct str s; /* STRING; invalid UTF-8 is replaced by U+FFFD on writing */
};

struct parquet_writer;
/* Creates path (0600, replaced if it exists); the columns are copied. */
int parquet_create(const char *path, const struct parquet_column *columns, size_t column_count,
                   struct parquet_writer **ret, struct err *err);
void parquet_add_metadata(struct parquet_writer *w, const char *key, struct str value);
/* One cell per column, in order; strings are copied.  A null in a required column, and a value its
 * type cannot hold, are ERR_USAGE; a failure leaves the row out.  Memory is bounded by
 * PARQUET_GROUP_ROWS and PARQUET_GROUP_BYTES, not by the number of rows. */
int parquet_add_row(struct parquet_writer *w, const struct parquet_cell *cells, struct err *err);
/* Writes the footer, fsyncs and closes; frees w in any case. */
int parquet_finish(struct parquet_writer *w, struct err *err);
/* Gives up and removes nothing; NULL is fine. */
void parquet_abandon(struct parquet_writer *w);
DEFINE_CLEANUP(struct parquet_writer, parquet_abandon)

/* One handle may serve several threads, each with values of its own; the file may not change while
 * it is open. */
struct parquet_file;
int parquet_open(const char *path, struct parquet_file **ret, struct err *err);
void parquet_close(struct parquet_file *f);
DEFINE_CLEANUP(struct parquet_file, parquet_close)
size_t parquet_column_count(const struct parquet_file *f);
const struct parquet_column *parquet_column_at(const struct parquet_file *f, size_t index);
/* -1 if there is none. */
int parquet_column_find(const struct parquet_file *f, const char *name);
size_t parquet_group_count(const struct parquet_file *f);
uint64_t parquet_group_rows(const struct parquet_file *f, size_t group);
uint64_t parquet_rows(const struct parquet_file *f);
/* NULL-ptr str if absent. */
struct str parquet_metadata(const struct parquet_file *f, const char *key);

/* Statistics of a chunk of an integer-like column; false if the file has none (also when all are
 * null).  Bounds: every value lies within, but min and max need not occur. */
bool parquet_int_range(const struct parquet_file *f, size_t group, size_t column, int64_t *ret_min,
                       int64_t *ret_max);

/* The same of a string column, bytewise.  Valid as long as f. */
bool parquet_str_range(const struct parquet_file *f, size_t group, size_t column,
                       struct str *ret_min, struct str *ret_max);
/* Whether, by its statistics, no row of the chunk has a value. */
bool parquet_is_all_null(const struct parquet_file *f, size_t group, size_t column);

/* What decoding needs for a moment; several values of one thread may share it. */
struct parquet_scratch;
struct parquet_scratch *parquet_scratch_new(void);
void parquet_scratch_free(struct parquet_scratch *s);

/* A decoded column chunk; zero-initialised at first, then reused from call to call, for any file.
 */
struct parquet_values {
    size_t count;           /* rows */
    uint8_t *is_null;       /* one byte a row, or NULL when no row is null */
    int64_t *ints;          /* every type but STRING: one a row, 0 where null */
    uint32_t *codes;        /* STRING: index into dictionary, one a row, 0 where null */
    struct str *dictionary; /* values, not necessarily UTF-8 in files of other writers; [0] is there
                               even when dictionary_len is 0.  A PLAIN chunk is given one too.
                               Nearly always distinct, but equal values may have two codes: map
                               entries through the values, never compare codes */
    size_t dictionary_len;
    struct parquet_scratch *scratch;    /* set by the caller, or NULL for one of its own */
    struct parquet_values_store *store; /* private */
};
/* After a failure ret shows no rows. */
int parquet_read(struct parquet_file *f, size_t group, size_t column, struct parquet_values *ret,
                 struct err *err);
void parquet_values_release(struct parquet_values *v);
DEFINE_CLEANUP_VALUE(struct parquet_values, parquet_values_release)

#endif

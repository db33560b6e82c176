/* parquet_format - Parquet's metadata as C structs (parquet.thrift of parquet-format 2.10), for
 * capture/parquet_*.c alone.
 *
 * Each struct begins with the `present` bits capture/thrift asks for; constants in comments are the
 * field ids, which THRIFT_BIT takes.
 */
#ifndef CAPTURE_PARQUET_FORMAT_H
#define CAPTURE_PARQUET_FORMAT_H

#include "base/buf.h"
#include "capture/parquet.h"
#include "capture/thrift.h"

#define PQ_MAGIC       "PAR1"
#define PQ_MAGIC_BYTES 4u
#define PQ_TAIL_BYTES  8u /* footer length, magic */
#define PQ_CREATED_BY  "weir version "

/* Fixed part of the seal, after the chunks' checksums; see parquet.h. */
#define PQ_SEAL_MAGIC "weirseal"
#define PQ_SEAL_BYTES 24u

enum pq_physical {
    PQ_BOOLEAN = 0,
    PQ_INT32 = 1,
    PQ_INT64 = 2,
    PQ_BYTE_ARRAY = 6,
};

enum pq_repetition {
    PQ_REQUIRED = 0,
    PQ_OPTIONAL = 1,
};

enum pq_converted {
    PQ_CONVERTED_UTF8 = 0,
    PQ_CONVERTED_DECIMAL = 5,
    PQ_CONVERTED_TIMESTAMP_MICROS = 10,
    PQ_CONVERTED_INT_8 = 15,
    PQ_CONVERTED_INT_64 = 18,
};

enum pq_encoding {
    PQ_PLAIN = 0,
    PQ_PLAIN_DICTIONARY = 2,
    PQ_RLE = 3,
    PQ_DELTA_BINARY_PACKED = 5,
    PQ_DELTA_LENGTH_BYTE_ARRAY = 6,
    PQ_DELTA_BYTE_ARRAY = 7,
    PQ_RLE_DICTIONARY = 8,
};

enum pq_codec {
    PQ_UNCOMPRESSED = 0,
    PQ_SNAPPY = 1,
    PQ_GZIP = 2,
    PQ_ZSTD = 6,
};

enum pq_page_type {
    PQ_DATA_PAGE = 0,
    PQ_INDEX_PAGE = 1,
    PQ_DICTIONARY_PAGE = 2,
    PQ_DATA_PAGE_V2 = 3,
};

struct pq_empty {
    uint32_t present;
};

struct pq_decimal_type {
    uint32_t present;
    int32_t scale;     /* 1 */
    int32_t precision; /* 2 */
};

struct pq_time_unit {
    uint32_t present;       /* bits: 1 millis, 2 micros, 3 nanos */
    struct pq_empty micros; /* 2 */
};

struct pq_timestamp_type {
    uint32_t present;
    bool is_utc;              /* 1 */
    struct pq_time_unit unit; /* 2 */
};

struct pq_int_type {
    uint32_t present; /* 1, the bit width, is an i8 and unread: the physical type bounds it */
    bool is_signed;   /* 2 */
};

struct pq_logical_type {
    uint32_t present; /* bits: 1 string, 4 enum, 5 decimal, 8 timestamp, 10 integer, 12 json, … */
    struct pq_empty string;             /* 1 */
    struct pq_decimal_type decimal;     /* 5 */
    struct pq_timestamp_type timestamp; /* 8 */
    struct pq_int_type integer;         /* 10 */
};

struct pq_schema_element {
    uint32_t present;
    int32_t type;                   /* 1 */
    int32_t repetition;             /* 3 */
    struct str name;                /* 4 */
    int32_t num_children;           /* 5 */
    int32_t converted_type;         /* 6 */
    int32_t scale;                  /* 7 */
    int32_t precision;              /* 8 */
    struct pq_logical_type logical; /* 10 */
};

struct pq_statistics {
    uint32_t present;
    int64_t null_count; /* 3 */
    struct str max;     /* 5 */
    struct str min;     /* 6 */
    bool is_max_exact;  /* 7 */
    bool is_min_exact;  /* 8 */
};

struct pq_key_value {
    uint32_t present;
    struct str key;   /* 1 */
    struct str value; /* 2 */
};

struct pq_column_meta {
    uint32_t present;
    int32_t type;                    /* 1 */
    struct thrift_list encodings;    /* 2: int32_t */
    struct thrift_list path;         /* 3: struct str */
    int32_t codec;                   /* 4 */
    int64_t num_values;              /* 5 */
    int64_t uncompressed_bytes;      /* 6 */
    int64_t compressed_bytes;        /* 7 */
    int64_t data_page_offset;        /* 9 */
    int64_t dictionary_page_offset;  /* 11 */
    struct pq_statistics statistics; /* 12 */
};

struct pq_column_chunk {
    uint32_t present;
    struct str file_path;       /* 1 */
    int64_t file_offset;        /* 2 */
    struct pq_column_meta meta; /* 3 */
};

struct pq_row_group {
    uint32_t present;
    struct thrift_list columns; /* 1: struct pq_column_chunk */
    int64_t total_bytes;        /* 2: uncompressed */
    int64_t num_rows;           /* 3 */
    int64_t file_offset;        /* 5 */
    int64_t compressed_bytes;   /* 6 */
    int32_t ordinal;            /* 7: an i16, so only where it fits */
};

struct pq_column_order {
    uint32_t present;
    struct pq_empty type_order; /* 1 */
};

struct pq_file_meta {
    uint32_t present;
    int32_t version;                  /* 1 */
    struct thrift_list schema;        /* 2: struct pq_schema_element */
    int64_t num_rows;                 /* 3 */
    struct thrift_list row_groups;    /* 4: struct pq_row_group */
    struct thrift_list metadata;      /* 5: struct pq_key_value */
    struct str created_by;            /* 6 */
    struct thrift_list column_orders; /* 7: struct pq_column_order */
};

struct pq_data_page {
    uint32_t present;
    int32_t num_values; /* 1 */
    int32_t encoding;   /* 2 */
    int32_t definition; /* 3: encoding of the levels */
    int32_t repetition; /* 4 */
};

struct pq_dictionary_page {
    uint32_t present;
    int32_t num_values; /* 1 */
    int32_t encoding;   /* 2 */
};

struct pq_data_page_v2 {
    uint32_t present;
    int32_t num_values;       /* 1 */
    int32_t num_nulls;        /* 2 */
    int32_t num_rows;         /* 3 */
    int32_t encoding;         /* 4 */
    int32_t definition_bytes; /* 5 */
    int32_t repetition_bytes; /* 6 */
    bool is_compressed;       /* 7: true if absent */
};

struct pq_page_header {
    uint32_t present;
    int32_t type;                         /* 1 */
    int32_t uncompressed_bytes;           /* 2 */
    int32_t compressed_bytes;             /* 3 */
    int32_t crc;                          /* 4 */
    struct pq_data_page data;             /* 5 */
    struct pq_dictionary_page dictionary; /* 7 */
    struct pq_data_page_v2 data_v2;       /* 8 */
};

#define PQ_DECIMAL_SCALE     12
#define PQ_DECIMAL_PRECISION 18

/* How each of our types stands in the schema. */
struct pq_type_row {
    enum pq_physical physical;
    int32_t converted; /* only where there is a logical type */
    int16_t logical;   /* the field of pq_logical_type, 0 = none */
};
extern const struct pq_type_row pq_types[PARQUET_OTHER];

extern const struct thrift_shape pq_file_meta_shape;
extern const struct thrift_shape pq_page_header_shape;

#endif

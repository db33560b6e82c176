#include "config.h"

#include "capture/parquet_format.h"

const struct pq_type_row pq_types[PARQUET_OTHER] = {
    [PARQUET_STRING] = {PQ_BYTE_ARRAY, PQ_CONVERTED_UTF8,             1},
    [PARQUET_INT64] = { PQ_INT64,     0,                             0},
    [PARQUET_INT32] = { PQ_INT32,     0,                             0},
    [PARQUET_BOOL] = { PQ_BOOLEAN,   0,                             0},
    [PARQUET_TIMESTAMP_US] = { PQ_INT64,     PQ_CONVERTED_TIMESTAMP_MICROS, 8},
    [PARQUET_DECIMAL_12] = { PQ_INT64,     PQ_CONVERTED_DECIMAL,          5},
};

#define MUST true
#define MAY  false

#define FIELD(type, field_id, field_kind, must, member)                                            \
    {                                                                                              \
        .id = (field_id), .kind = (field_kind), .required = (must),                                \
        .offset = offsetof(struct type, member), .name = #member                                   \
    }
#define STRUCT(type, field_id, must, member, of)                                                   \
    {                                                                                              \
        .id = (field_id), .kind = THRIFT_STRUCT, .required = (must),                               \
        .offset = offsetof(struct type, member), .shape = &(of), .name = #member                   \
    }
#define LIST(type, field_id, must, member, of)                                                     \
    {                                                                                              \
        .id = (field_id), .kind = THRIFT_LIST, .required = (must),                                 \
        .offset = offsetof(struct type, member), .shape = &(of), .name = #member                   \
    }
#define LIST_OF(type, field_id, must, member, item_kind)                                           \
    {                                                                                              \
        .id = (field_id), .kind = THRIFT_LIST, .required = (must),                                 \
        .offset = offsetof(struct type, member), .item = (item_kind), .name = #member              \
    }
#define SHAPE(type, text, rows)                                                                    \
    {                                                                                              \
        .name = (text), .fields = (rows), .field_count = ARRAY_LEN(rows),                          \
        .size = sizeof(struct type)                                                                \
    }

static const struct thrift_shape empty_shape = { .name = "Empty", .size = sizeof(struct pq_empty) };

static const struct thrift_field decimal_fields[] = {
    FIELD(pq_decimal_type, 1, THRIFT_I32, MUST, scale),
    FIELD(pq_decimal_type, 2, THRIFT_I32, MUST, precision),
};
static const struct thrift_shape decimal_shape =
    SHAPE(pq_decimal_type, "DecimalType", decimal_fields);

static const struct thrift_field time_unit_fields[] = {
    STRUCT(pq_time_unit, 2, MAY, micros, empty_shape),
};
static const struct thrift_shape time_unit_shape =
    SHAPE(pq_time_unit, "TimeUnit", time_unit_fields);

static const struct thrift_field timestamp_fields[] = {
    FIELD(pq_timestamp_type, 1, THRIFT_BOOL, MUST, is_utc),
    STRUCT(pq_timestamp_type, 2, MUST, unit, time_unit_shape),
};
static const struct thrift_shape timestamp_shape =
    SHAPE(pq_timestamp_type, "TimestampType", timestamp_fields);

static const struct thrift_field int_fields[] = {
    FIELD(pq_int_type, 2, THRIFT_BOOL, MUST, is_signed),
};
static const struct thrift_shape int_shape = SHAPE(pq_int_type, "IntType", int_fields);

static const struct thrift_field logical_fields[] = {
    STRUCT(pq_logical_type, 1, MAY, string, empty_shape),
    STRUCT(pq_logical_type, 5, MAY, decimal, decimal_shape),
    STRUCT(pq_logical_type, 8, MAY, timestamp, timestamp_shape),
    STRUCT(pq_logical_type, 10, MAY, integer, int_shape),
};
static const struct thrift_shape logical_shape =
    SHAPE(pq_logical_type, "LogicalType", logical_fields);

static const struct thrift_field schema_fields[] = {
    FIELD(pq_schema_element, 1, THRIFT_I32, MAY, type),
    FIELD(pq_schema_element, 3, THRIFT_I32, MAY, repetition),
    FIELD(pq_schema_element, 4, THRIFT_BINARY, MUST, name),
    FIELD(pq_schema_element, 5, THRIFT_I32, MAY, num_children),
    FIELD(pq_schema_element, 6, THRIFT_I32, MAY, converted_type),
    FIELD(pq_schema_element, 7, THRIFT_I32, MAY, scale),
    FIELD(pq_schema_element, 8, THRIFT_I32, MAY, precision),
    STRUCT(pq_schema_element, 10, MAY, logical, logical_shape),
};
static const struct thrift_shape schema_shape =
    SHAPE(pq_schema_element, "SchemaElement", schema_fields);

static const struct thrift_field statistics_fields[] = {
    FIELD(pq_statistics, 3, THRIFT_I64, MAY, null_count),
    FIELD(pq_statistics, 5, THRIFT_BINARY, MAY, max),
    FIELD(pq_statistics, 6, THRIFT_BINARY, MAY, min),
    FIELD(pq_statistics, 7, THRIFT_BOOL, MAY, is_max_exact),
    FIELD(pq_statistics, 8, THRIFT_BOOL, MAY, is_min_exact),
};
static const struct thrift_shape statistics_shape =
    SHAPE(pq_statistics, "Statistics", statistics_fields);

static const struct thrift_field key_value_fields[] = {
    FIELD(pq_key_value, 1, THRIFT_BINARY, MUST, key),
    FIELD(pq_key_value, 2, THRIFT_BINARY, MAY, value),
};
static const struct thrift_shape key_value_shape =
    SHAPE(pq_key_value, "KeyValue", key_value_fields);

static const struct thrift_field column_meta_fields[] = {
    FIELD(pq_column_meta, 1, THRIFT_I32, MUST, type),
    LIST_OF(pq_column_meta, 2, MUST, encodings, THRIFT_I32),
    LIST_OF(pq_column_meta, 3, MUST, path, THRIFT_BINARY),
    FIELD(pq_column_meta, 4, THRIFT_I32, MUST, codec),
    FIELD(pq_column_meta, 5, THRIFT_I64, MUST, num_values),
    FIELD(pq_column_meta, 6, THRIFT_I64, MUST, uncompressed_bytes),
    FIELD(pq_column_meta, 7, THRIFT_I64, MUST, compressed_bytes),
    FIELD(pq_column_meta, 9, THRIFT_I64, MUST, data_page_offset),
    FIELD(pq_column_meta, 11, THRIFT_I64, MAY, dictionary_page_offset),
    STRUCT(pq_column_meta, 12, MAY, statistics, statistics_shape),
};
static const struct thrift_shape column_meta_shape =
    SHAPE(pq_column_meta, "ColumnMetaData", column_meta_fields);

static const struct thrift_field column_chunk_fields[] = {
    FIELD(pq_column_chunk, 1, THRIFT_BINARY, MAY, file_path),
    FIELD(pq_column_chunk, 2, THRIFT_I64, MUST, file_offset),
    STRUCT(pq_column_chunk, 3, MUST, meta, column_meta_shape),
};
static const struct thrift_shape column_chunk_shape =
    SHAPE(pq_column_chunk, "ColumnChunk", column_chunk_fields);

static const struct thrift_field row_group_fields[] = {
    LIST(pq_row_group, 1, MUST, columns, column_chunk_shape),
    FIELD(pq_row_group, 2, THRIFT_I64, MUST, total_bytes),
    FIELD(pq_row_group, 3, THRIFT_I64, MUST, num_rows),
    FIELD(pq_row_group, 5, THRIFT_I64, MAY, file_offset),
    FIELD(pq_row_group, 6, THRIFT_I64, MAY, compressed_bytes),
    FIELD(pq_row_group, 7, THRIFT_I16, MAY, ordinal),
};
static const struct thrift_shape row_group_shape =
    SHAPE(pq_row_group, "RowGroup", row_group_fields);

static const struct thrift_field column_order_fields[] = {
    STRUCT(pq_column_order, 1, MAY, type_order, empty_shape),
};
static const struct thrift_shape column_order_shape =
    SHAPE(pq_column_order, "ColumnOrder", column_order_fields);

static const struct thrift_field file_meta_fields[] = {
    FIELD(pq_file_meta, 1, THRIFT_I32, MUST, version),
    LIST(pq_file_meta, 2, MUST, schema, schema_shape),
    FIELD(pq_file_meta, 3, THRIFT_I64, MUST, num_rows),
    LIST(pq_file_meta, 4, MUST, row_groups, row_group_shape),
    LIST(pq_file_meta, 5, MAY, metadata, key_value_shape),
    FIELD(pq_file_meta, 6, THRIFT_BINARY, MAY, created_by),
    LIST(pq_file_meta, 7, MAY, column_orders, column_order_shape),
};
const struct thrift_shape pq_file_meta_shape =
    SHAPE(pq_file_meta, "FileMetaData", file_meta_fields);

static const struct thrift_field data_page_fields[] = {
    FIELD(pq_data_page, 1, THRIFT_I32, MUST, num_values),
    FIELD(pq_data_page, 2, THRIFT_I32, MUST, encoding),
    FIELD(pq_data_page, 3, THRIFT_I32, MUST, definition),
    FIELD(pq_data_page, 4, THRIFT_I32, MUST, repetition),
};
static const struct thrift_shape data_page_shape =
    SHAPE(pq_data_page, "DataPageHeader", data_page_fields);

static const struct thrift_field dictionary_page_fields[] = {
    FIELD(pq_dictionary_page, 1, THRIFT_I32, MUST, num_values),
    FIELD(pq_dictionary_page, 2, THRIFT_I32, MUST, encoding),
};
static const struct thrift_shape dictionary_page_shape =
    SHAPE(pq_dictionary_page, "DictionaryPageHeader", dictionary_page_fields);

static const struct thrift_field data_page_v2_fields[] = {
    FIELD(pq_data_page_v2, 1, THRIFT_I32, MUST, num_values),
    FIELD(pq_data_page_v2, 2, THRIFT_I32, MUST, num_nulls),
    FIELD(pq_data_page_v2, 3, THRIFT_I32, MUST, num_rows),
    FIELD(pq_data_page_v2, 4, THRIFT_I32, MUST, encoding),
    FIELD(pq_data_page_v2, 5, THRIFT_I32, MUST, definition_bytes),
    FIELD(pq_data_page_v2, 6, THRIFT_I32, MUST, repetition_bytes),
    FIELD(pq_data_page_v2, 7, THRIFT_BOOL, MAY, is_compressed),
};
static const struct thrift_shape data_page_v2_shape =
    SHAPE(pq_data_page_v2, "DataPageHeaderV2", data_page_v2_fields);

static const struct thrift_field page_header_fields[] = {
    FIELD(pq_page_header, 1, THRIFT_I32, MUST, type),
    FIELD(pq_page_header, 2, THRIFT_I32, MUST, uncompressed_bytes),
    FIELD(pq_page_header, 3, THRIFT_I32, MUST, compressed_bytes),
    FIELD(pq_page_header, 4, THRIFT_I32, MAY, crc),
    STRUCT(pq_page_header, 5, MAY, data, data_page_shape),
    STRUCT(pq_page_header, 7, MAY, dictionary, dictionary_page_shape),
    STRUCT(pq_page_header, 8, MAY, data_v2, data_page_v2_shape),
};
const struct thrift_shape pq_page_header_shape =
    SHAPE(pq_page_header, "PageHeader", page_header_fields);

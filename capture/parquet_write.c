#include "config.h"

#include "capture/parquet.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/crc.h"
#include "base/file.h"
#include "base/le.h"
#include "base/map.h"
#include "base/vec.h"
#include "capture/bitpack.h"
#include "capture/parquet_chunk.h"
#include "capture/parquet_format.h"

#define DECIMAL_LIMIT INT64_C(1000000000000000000) /* 18 digits */

struct parquet_writer {
    int fd;
    uint64_t offset; /* of the next byte, from the start of the file */
    struct chunk *chunks;
    size_t column_count;
    struct chunk_tools tools;
    size_t row_count; /* of the group being filled */
    size_t group_bytes;
    uint64_t total_rows;
    VEC(struct pq_row_group) groups;
    VEC(uint32_t) checksums; /* CRC-32C of each chunk written */
    VEC(struct pq_key_value) metadata;
    struct arena names; /* what the footer points to */
    struct buf utf8;
    bool is_broken; /* a write failed: the file is good for nothing */
};

static void writer_free(struct parquet_writer *w)
{
    for (size_t c = 0; c < w->column_count; c++)
        chunk_release(&w->chunks[c]);
    free(w->chunks);
    chunk_tools_release(&w->tools);
    vec_release(&w->groups);
    vec_release(&w->checksums);
    vec_release(&w->metadata);
    arena_release(&w->names);
    buf_release(&w->utf8);
    free(w);
}

void parquet_abandon(struct parquet_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    writer_free(w);
}

static int write_bytes(struct parquet_writer *w, struct str bytes, struct err *err)
{
    if (fd_write_all(w->fd, bytes, err) < 0)
        return -1;
    w->offset += bytes.len;
    return 0;
}

int parquet_create(const char *path, const struct parquet_column *columns, size_t column_count,
                   struct parquet_writer **ret, struct err *err)
{
    assert(column_count > 0 && column_count <= PARQUET_COLUMNS_MAX);

    CLEANUP(parquet_abandon) struct parquet_writer *w = mem_calloc(1, sizeof(*w));
    w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (w->fd < 0)
        return err_sys(err, "cannot create '%s'", path);
    w->chunks = mem_calloc(column_count, sizeof(*w->chunks));
    w->column_count = column_count;
    for (size_t c = 0; c < column_count; c++) {
        assert(columns[c].type != PARQUET_OTHER);
        w->chunks[c].column = columns[c];
        w->chunks[c].column.name = arena_str(&w->names, str_from(columns[c].name)).ptr;
    }
    if (chunk_tools_init(&w->tools, err) < 0 || write_bytes(w, STR(PQ_MAGIC), err) < 0)
        return err_wrap(err, "'%s'", path);
    *ret = TAKE(w);
    return 0;
}

void parquet_add_metadata(struct parquet_writer *w, const char *key, struct str value)
{
    struct pq_key_value pair = {
        .present = THRIFT_BIT(2),
        .key = arena_str(&w->names, str_from(key)),
        .value = arena_str(&w->names, value),
    };

    vec_push(&w->metadata, pair);
}

static int check_cell(const struct parquet_column *column, const struct parquet_cell *cell,
                      struct err *err)
{
    if (cell->is_null) {
        if (!column->optional)
            return err_set(err, ERR_USAGE, "column '%s' cannot be null", column->name);
        return 0;
    }
    bool fits = true;
    if (column->type == PARQUET_INT32)
        fits = cell->i >= INT32_MIN && cell->i <= INT32_MAX;
    else if (column->type == PARQUET_BOOL)
        fits = cell->i == 0 || cell->i == 1;
    else if (column->type == PARQUET_DECIMAL_12)
        fits = cell->i > -DECIMAL_LIMIT && cell->i < DECIMAL_LIMIT;
    if (!fits)
        return err_set(err, ERR_USAGE, "column '%s' cannot hold %" PRId64, column->name, cell->i);
    if (column->type == PARQUET_STRING && cell->s.len > PARQUET_STRING_BYTES_MAX)
        return err_set(err, ERR_USAGE, "column '%s': %zu bytes of text, more than %u", column->name,
                       cell->s.len, PARQUET_STRING_BYTES_MAX);
    return 0;
}

/* Encodes, writes and empties one column's chunk; describes it in ret. */
static int flush_chunk(struct parquet_writer *w, struct chunk *chunk, struct pq_column_chunk *ret,
                       struct err *err)
{
    struct buf *bytes = &w->tools.chunk;

    memset(ret, 0, sizeof(*ret));
    if (chunk_encode(chunk, w->row_count, w->offset, &w->tools, &w->names, &ret->meta, err) < 0)
        return err_wrap(err, "column '%s'", chunk->column.name);
    vec_push(&w->checksums, crc32c(bytes->ptr, bytes->len));
    chunk_clear(chunk);
    return write_bytes(w, buf_str(bytes), err);
}

static int write_group(struct parquet_writer *w, struct err *err)
{
    struct pq_column_chunk *chunks = arena_alloc(&w->names, w->column_count * sizeof(*chunks));
    struct pq_row_group group = {
        .present = THRIFT_BIT(5) | THRIFT_BIT(6),
        .columns = {chunks, w->column_count},
        .num_rows = (int64_t)w->row_count,
        .file_offset = (int64_t)w->offset,
    };

    for (size_t c = 0; c < w->column_count; c++) {
        if (flush_chunk(w, &w->chunks[c], &chunks[c], err) < 0)
            return -1;
        group.total_bytes += chunks[c].meta.uncompressed_bytes;
        group.compressed_bytes += chunks[c].meta.compressed_bytes;
    }
    if (w->groups.len <= INT16_MAX) {
        group.ordinal = (int32_t)w->groups.len;
        group.present |= THRIFT_BIT(7);
    }
    vec_push(&w->groups, group);
    w->total_rows += w->row_count;
    w->row_count = w->group_bytes = 0;
    return 0;
}

/* After a failure some chunks are gone, so nothing more may be written. */
static int flush_group(struct parquet_writer *w, struct err *err)
{
    if (w->is_broken)
        return err_set(err, ERR_SYS, "an earlier write failed");
    if (write_group(w, err) < 0) {
        w->is_broken = true;
        return -1;
    }
    return 0;
}

int parquet_add_row(struct parquet_writer *w, const struct parquet_cell *cells, struct err *err)
{
    for (size_t c = 0; c < w->column_count; c++)
        if (check_cell(&w->chunks[c].column, &cells[c], err) < 0)
            return -1;
    if (w->row_count == PARQUET_GROUP_ROWS || w->group_bytes >= PARQUET_GROUP_BYTES)
        if (flush_group(w, err) < 0)
            return -1;
    for (size_t c = 0; c < w->column_count; c++) {
        struct chunk *chunk = &w->chunks[c];
        if (cells[c].is_null)
            chunk_add_null(chunk, w->row_count);
        else if (chunk->column.type == PARQUET_STRING)
            w->group_bytes += chunk_add_string(chunk, encode_utf8(cells[c].s, &w->utf8));
        else
            w->group_bytes += chunk_add_int(chunk, cells[c].i);
    }
    w->row_count++;
    return 0;
}

static struct pq_schema_element make_leaf(const struct parquet_column *column)
{
    const struct pq_type_row *row = &pq_types[column->type];
    struct pq_schema_element leaf = {
        .present = THRIFT_BIT(1) | THRIFT_BIT(3),
        .type = (int32_t)row->physical,
        .repetition = column->optional ? PQ_OPTIONAL : PQ_REQUIRED,
        .name = str_from(column->name),
        .converted_type = row->converted,
    };

    if (row->logical) {
        leaf.present |= THRIFT_BIT(6) | THRIFT_BIT(10);
        leaf.logical.present = THRIFT_BIT(row->logical);
        leaf.logical.timestamp.is_utc = true;
        leaf.logical.timestamp.unit.present = THRIFT_BIT(2);
        leaf.logical.decimal.scale = PQ_DECIMAL_SCALE;
        leaf.logical.decimal.precision = PQ_DECIMAL_PRECISION;
    }
    if (column->type == PARQUET_DECIMAL_12) {
        leaf.present |= THRIFT_BIT(7) | THRIFT_BIT(8);
        leaf.scale = PQ_DECIMAL_SCALE;
        leaf.precision = PQ_DECIMAL_PRECISION;
    }
    return leaf;
}

/* The root, then a leaf per column. */
static struct thrift_list make_schema(struct parquet_writer *w)
{
    struct pq_schema_element *elements =
        arena_alloc(&w->names, (w->column_count + 1) * sizeof(*elements));

    elements[0] = (struct pq_schema_element){
        .present = THRIFT_BIT(5),
        .name = STR("schema"),
        .num_children = (int32_t)w->column_count,
    };
    for (size_t c = 0; c < w->column_count; c++)
        elements[c + 1] = make_leaf(&w->chunks[c].column);
    return (struct thrift_list){ elements, w->column_count + 1 };
}

static void make_footer(struct parquet_writer *w, struct buf *ret)
{
    struct pq_column_order *orders = arena_alloc(&w->names, w->column_count * sizeof(*orders));

    for (size_t c = 0; c < w->column_count; c++)
        orders[c].present = THRIFT_BIT(1);
    struct pq_file_meta meta = {
        .present = THRIFT_BIT(6) | THRIFT_BIT(7) | (w->metadata.len ? THRIFT_BIT(5) : 0),
        .version = 2,
        .schema = make_schema(w),
        .num_rows = (int64_t)w->total_rows,
        .row_groups = {w->groups.ptr,    w->groups.len  },
        .metadata = { w->metadata.ptr, w->metadata.len},
        .created_by = STR(PQ_CREATED_BY PACKAGE_VERSION),
        .column_orders = { orders,          w->column_count},
    };
    thrift_write(&pq_file_meta_shape, &meta, ret);
}

static void add_u32(struct buf *out, uint32_t value)
{
    uint8_t bytes[4];

    le32_put(bytes, value);
    buf_add(out, bytes, sizeof(bytes));
}

/* Seal, footer, footer length, magic. */
static int write_tail(struct parquet_writer *w, struct err *err)
{
    CLEANUP(buf_release) struct buf footer = { 0 };
    CLEANUP(buf_release) struct buf tail = { 0 };

    make_footer(w, &footer);
    if (footer.len > PARQUET_FOOTER_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "too many rows for one file: the footer takes %zu bytes",
                       footer.len);
    for (size_t i = 0; i < w->checksums.len; i++)
        add_u32(&tail, w->checksums.ptr[i]);
    add_u32(&tail, crc32c(footer.ptr, footer.len));
    add_u32(&tail, (uint32_t)footer.len);
    add_u32(&tail, (uint32_t)w->checksums.len);
    add_u32(&tail, crc32c(tail.ptr, tail.len));
    buf_add_text(&tail, PQ_SEAL_MAGIC);
    buf_add_str(&tail, buf_str(&footer));
    add_u32(&tail, (uint32_t)footer.len);
    buf_add_text(&tail, PQ_MAGIC);
    return write_bytes(w, buf_str(&tail), err);
}

int parquet_finish(struct parquet_writer *writer, struct err *err)
{
    CLEANUP(parquet_abandon) struct parquet_writer *w = writer;

    if ((w->row_count > 0 || w->is_broken) && flush_group(w, err) < 0)
        return -1;
    if (write_tail(w, err) < 0)
        return -1;
    if (fsync(w->fd) < 0)
        return err_sys(err, "cannot sync");
    int fd = w->fd;
    w->fd = -1;
    if (close(fd) < 0)
        return err_sys(err, "cannot close");
    return 0;
}

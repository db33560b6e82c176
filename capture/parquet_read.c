#include "config.h"

#include "capture/parquet.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/file.h"
#include "base/le.h"
#include "capture/parquet_file.h"

void parquet_close(struct parquet_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    buf_release(&f->footer);
    buf_release(&f->seal);
    arena_release(&f->arena);
    free(f);
}

static int read_range(const struct parquet_file *f, uint64_t offset, size_t len, struct buf *ret,
                      struct err *err)
{
    buf_clear(ret);
    char *to = buf_reserve(ret, len + 1);
    int got = fd_read_at(f->fd, to, len, (off_t)offset, err);
    if (got < 0)
        return -1;
    if (got == 0)
        return err_set(err, ERR_CORRUPT, "the file shrank while it was read");
    ret->len = len;
    return 0;
}

/* Magic at both ends, and the footer's bytes. */
static int read_footer(struct parquet_file *f, struct err *err)
{
    CLEANUP(buf_release) struct buf end = { 0 };

    if (f->size < PQ_MAGIC_BYTES + PQ_TAIL_BYTES)
        return err_set(err, ERR_CORRUPT, "only %" PRIu64 " bytes: no Parquet file, or cut short",
                       f->size);
    if (read_range(f, 0, PQ_MAGIC_BYTES, &end, err) < 0)
        return -1;
    if (!str_eq(buf_str(&end), STR(PQ_MAGIC)))
        return err_set(err, ERR_CORRUPT, "no Parquet file: it does not begin with PAR1");
    if (read_range(f, f->size - PQ_TAIL_BYTES, PQ_TAIL_BYTES, &end, err) < 0)
        return -1;
    if (str_eq(str_sub(buf_str(&end), 4, 4), STR("PARE")))
        return err_set(err, ERR_UNSUPPORTED, "the footer is encrypted");
    if (!str_eq(str_sub(buf_str(&end), 4, 4), STR(PQ_MAGIC)))
        return err_set(err, ERR_CORRUPT, "cut short: it does not end with PAR1");
    uint32_t len = le32_get((const uint8_t *)end.ptr);
    if (len > f->size - PQ_MAGIC_BYTES - PQ_TAIL_BYTES)
        return err_set(err, ERR_CORRUPT, "a footer of %u bytes is longer than the file", len);
    if (len > PARQUET_FOOTER_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "a footer of %u bytes, more than %u", len,
                       PARQUET_FOOTER_BYTES_MAX);
    f->data_end = f->size - PQ_TAIL_BYTES - len;
    return read_range(f, f->data_end, len, &f->footer, err);
}

/* Finds and checks the seal before the footer, if there is one. */
static int read_seal(struct parquet_file *f, struct err *err)
{
    CLEANUP(buf_release) struct buf tail = { 0 };

    if (f->data_end < PQ_MAGIC_BYTES + PQ_SEAL_BYTES)
        return 0;
    if (read_range(f, f->data_end - PQ_SEAL_BYTES, PQ_SEAL_BYTES, &tail, err) < 0)
        return -1;
    const uint8_t *at = (const uint8_t *)tail.ptr;
    if (!str_eq(str_sub(buf_str(&tail), 16, 8), STR(PQ_SEAL_MAGIC)))
        return 0;
    uint64_t chunks = le32_get(at + 8), bytes = chunks * 4 + PQ_SEAL_BYTES;
    if (bytes > f->data_end - PQ_MAGIC_BYTES)
        return err_set(err, ERR_CORRUPT, "the seal before the footer is damaged");
    if (read_range(f, f->data_end - bytes, (size_t)bytes, &f->seal, err) < 0)
        return -1;
    if (crc32c(f->seal.ptr, (size_t)bytes - 12) != le32_get(at + 12))
        return err_set(err, ERR_CORRUPT, "the seal before the footer is damaged");
    if (le32_get(at + 4) != f->footer.len || crc32c(f->footer.ptr, f->footer.len) != le32_get(at))
        return err_set(err, ERR_CORRUPT,
                       "the footer at byte %" PRIu64 " does not match its checksum", f->data_end);
    f->data_end -= bytes;
    f->seal_chunks = (size_t)chunks;
    return 0;
}

/* Whether a leaf is annotated the way our type is; files from before logical types have only the
 * converted type, which says the same. */
static bool is_annotated(const struct pq_schema_element *e, int16_t logical, int32_t converted)
{
    if (e->present & THRIFT_BIT(10))
        return e->logical.present == THRIFT_BIT(logical);
    return (e->present & THRIFT_BIT(6)) && e->converted_type == converted;
}

static enum parquet_type int64_type(const struct pq_schema_element *e)
{
    if (is_annotated(e, 8, PQ_CONVERTED_TIMESTAMP_MICROS)) {
        const struct pq_timestamp_type *t = &e->logical.timestamp;
        bool is_ours =
            !(e->present & THRIFT_BIT(10)) || (t->is_utc && (t->unit.present & THRIFT_BIT(2)));
        return is_ours ? PARQUET_TIMESTAMP_US : PARQUET_OTHER;
    }
    if (is_annotated(e, 5, PQ_CONVERTED_DECIMAL)) {
        int32_t scale = e->present & THRIFT_BIT(10) ? e->logical.decimal.scale : e->scale;
        return scale == PQ_DECIMAL_SCALE ? PARQUET_DECIMAL_12 : PARQUET_OTHER;
    }
    return PARQUET_INT64;
}

/* Signed integers of any width up to the physical one. */
static bool is_plain_int(const struct pq_schema_element *e)
{
    if (e->present & THRIFT_BIT(10))
        return e->logical.present == THRIFT_BIT(10) && e->logical.integer.is_signed;
    return !(e->present & THRIFT_BIT(6)) ||
           (e->converted_type >= PQ_CONVERTED_INT_8 && e->converted_type <= PQ_CONVERTED_INT_64);
}

static enum parquet_type type_of(const struct pq_schema_element *e)
{
    if (e->type == PQ_BYTE_ARRAY && is_annotated(e, 1, PQ_CONVERTED_UTF8))
        return PARQUET_STRING;
    if (e->type == PQ_BOOLEAN)
        return PARQUET_BOOL;
    if (e->type == PQ_INT32 && is_plain_int(e))
        return PARQUET_INT32;
    if (e->type != PQ_INT64)
        return PARQUET_OTHER;
    enum parquet_type type = int64_type(e);
    return type == PARQUET_INT64 && !is_plain_int(e) ? PARQUET_OTHER : type;
}

static int add_column(struct parquet_file *f, const struct pq_schema_element *e, struct err *err)
{
    struct parquet_column *column = &f->columns[f->column_count++];

    if (str_find_char(e->name, '\0', 0) >= 0)
        return err_set(err, ERR_CORRUPT, "a column's name contains a NUL");
    column->name = arena_str(&f->arena, e->name).ptr;
    if (!(e->present & THRIFT_BIT(1)) || e->num_children > 0)
        return err_set(err, ERR_UNSUPPORTED, "column '%s' is nested", column->name);
    if (e->repetition != PQ_REQUIRED && e->repetition != PQ_OPTIONAL)
        return err_set(err, ERR_UNSUPPORTED, "column '%s' holds lists", column->name);
    column->type = type_of(e);
    column->optional = e->repetition == PQ_OPTIONAL;
    return 0;
}

static int read_schema(struct parquet_file *f, struct err *err)
{
    const struct pq_schema_element *elements = f->meta.schema.items;
    size_t len = f->meta.schema.len;

    if (len < 2)
        return err_set(err, ERR_CORRUPT, "the schema has no columns");
    if (len - 1 > PARQUET_COLUMNS_MAX)
        return err_set(err, ERR_LIMIT, "%zu columns, more than %d", len - 1, PARQUET_COLUMNS_MAX);
    f->columns = arena_alloc(&f->arena, (len - 1) * sizeof(*f->columns));
    for (size_t i = 1; i < len; i++)
        if (add_column(f, &elements[i], err) < 0)
            return -1;
    if (elements[0].num_children < 0 || (size_t)elements[0].num_children != f->column_count)
        return err_set(err, ERR_CORRUPT, "the schema's root does not fit its columns");
    return 0;
}

static int check_chunk(const struct parquet_file *f, const struct pq_column_chunk *chunk,
                       size_t column, int64_t num_rows, struct err *err)
{
    const struct pq_schema_element *leaf =
        &((const struct pq_schema_element *)f->meta.schema.items)[column + 1];
    const struct pq_column_meta *meta = &chunk->meta;
    const struct str *path = meta->path.items;

    if ((chunk->present & THRIFT_BIT(1)) && chunk->file_path.len > 0)
        return err_set(err, ERR_UNSUPPORTED, "its data is in another file");
    if (meta->path.len != 1 || !str_eq(path[0], leaf->name) || meta->type != leaf->type ||
        meta->num_values != num_rows)
        return err_set(err, ERR_CORRUPT, "name, type or count does not match the schema");
    if (meta->data_page_offset < (int64_t)PQ_MAGIC_BYTES || meta->compressed_bytes < 0)
        return err_set(err, ERR_CORRUPT, "bad offset or length");
    uint64_t start = parquet_chunk_start(meta);
    if (start < PQ_MAGIC_BYTES || start > f->data_end ||
        (uint64_t)meta->compressed_bytes > f->data_end - start)
        return err_set(err, ERR_CORRUPT, "bytes %" PRIu64 " to %" PRIu64 " are outside the data",
                       start, start + (uint64_t)meta->compressed_bytes);
    return 0;
}

static int check_group(const struct parquet_file *f, size_t g, struct err *err)
{
    const struct pq_row_group *group = parquet_group_at(f, g);
    const struct pq_column_chunk *chunks = group->columns.items;

    if (group->columns.len != f->column_count)
        return err_set(err, ERR_CORRUPT, "row group %zu has %zu columns instead of %zu", g,
                       group->columns.len, f->column_count);
    if (group->num_rows < 0)
        return err_set(err, ERR_CORRUPT, "row group %zu has a negative count", g);
    if (group->num_rows > PARQUET_GROUP_ROWS_MAX)
        return err_set(err, ERR_LIMIT, "row group %zu has %" PRId64 " rows, more than %u", g,
                       group->num_rows, PARQUET_GROUP_ROWS_MAX);
    for (size_t c = 0; c < f->column_count; c++)
        if (check_chunk(f, &chunks[c], c, group->num_rows, err) < 0)
            return err_wrap(err, "row group %zu, column '%s'", g, f->columns[c].name);
    return 0;
}

static int check_groups(const struct parquet_file *f, struct err *err)
{
    uint64_t rows = 0;

    if (f->meta.row_groups.len > PARQUET_GROUPS_MAX)
        return err_set(err, ERR_LIMIT, "%zu row groups, more than %d", f->meta.row_groups.len,
                       PARQUET_GROUPS_MAX);
    for (size_t g = 0; g < f->meta.row_groups.len; g++) {
        if (check_group(f, g, err) < 0)
            return -1;
        rows += (uint64_t)parquet_group_at(f, g)->num_rows;
    }
    if (f->meta.num_rows < 0 || rows != (uint64_t)f->meta.num_rows)
        return err_set(err, ERR_CORRUPT,
                       "%" PRIu64 " rows in the groups, but %" PRId64 " in the footer", rows,
                       f->meta.num_rows);
    if (f->seal.len > 0 && f->seal_chunks != f->meta.row_groups.len * f->column_count)
        return err_set(err, ERR_CORRUPT, "the seal does not fit the row groups");
    return 0;
}

static int open_file(struct parquet_file *f, const char *path, struct err *err)
{
    struct stat st;
    size_t used = 0;

    f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 || fstat(f->fd, &st) < 0)
        return err_sys(err, "cannot open");
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_USAGE, "no regular file");
    f->size = (uint64_t)st.st_size;
    if (read_footer(f, err) < 0 || read_seal(f, err) < 0)
        return -1;
    uint64_t footer_at = f->size - PQ_TAIL_BYTES - f->footer.len;
    if (thrift_read(buf_str(&f->footer), &pq_file_meta_shape, &f->arena, &f->meta, &used, err) < 0)
        return err_wrap(err, "footer at byte %" PRIu64, footer_at);
    if (f->seal.len == 0 && str_starts_with(f->meta.created_by, STR(PQ_CREATED_BY)))
        return err_set(err, ERR_CORRUPT, "the seal before the footer is missing");
    if (read_schema(f, err) < 0 || check_groups(f, err) < 0)
        return err_wrap(err, "footer at byte %" PRIu64, footer_at);
    return 0;
}

int parquet_open(const char *path, struct parquet_file **ret, struct err *err)
{
    CLEANUP(parquet_close) struct parquet_file *f = mem_calloc(1, sizeof(*f));

    f->fd = -1;
    if (open_file(f, path, err) < 0)
        return err_wrap(err, "'%s'", path);
    *ret = TAKE(f);
    return 0;
}

size_t parquet_column_count(const struct parquet_file *f)
{
    return f->column_count;
}

const struct parquet_column *parquet_column_at(const struct parquet_file *f, size_t index)
{
    assert(index < f->column_count);
    return &f->columns[index];
}

int parquet_column_find(const struct parquet_file *f, const char *name)
{
    for (size_t c = 0; c < f->column_count; c++)
        if (strcmp(f->columns[c].name, name) == 0)
            return (int)c;
    return -1;
}

size_t parquet_group_count(const struct parquet_file *f)
{
    return f->meta.row_groups.len;
}

uint64_t parquet_group_rows(const struct parquet_file *f, size_t group)
{
    assert(group < f->meta.row_groups.len);
    return (uint64_t)parquet_group_at(f, group)->num_rows;
}

uint64_t parquet_rows(const struct parquet_file *f)
{
    return (uint64_t)f->meta.num_rows;
}

struct str parquet_metadata(const struct parquet_file *f, const char *key)
{
    const struct pq_key_value *pairs = f->meta.metadata.items;

    for (size_t i = 0; i < f->meta.metadata.len; i++)
        if (str_eq(pairs[i].key, str_from(key)) && (pairs[i].present & THRIFT_BIT(2)))
            return pairs[i].value;
    return (struct str){ NULL, 0 };
}

static int64_t int_statistic(struct str s)
{
    const uint8_t *at = (const uint8_t *)s.ptr;

    if (s.len == 1)
        return at[0] != 0;
    if (s.len == 4)
        return (int32_t)le32_get(at);
    return (int64_t)(le32_get(at) | (uint64_t)le32_get(at + 4) << 32);
}

bool parquet_int_range(const struct parquet_file *f, size_t group, size_t column, int64_t *ret_min,
                       int64_t *ret_max)
{
    assert(group < f->meta.row_groups.len && column < f->column_count);

    const struct pq_column_meta *meta = parquet_chunk_at(f, group, column);
    const struct pq_statistics *s = &meta->statistics;
    const uint32_t both = THRIFT_BIT(5) | THRIFT_BIT(6);
    size_t width = meta->type == PQ_BOOLEAN ? 1 : meta->type == PQ_INT32 ? 4 : 8;
    enum parquet_type type = f->columns[column].type;

    if (type == PARQUET_STRING || type == PARQUET_OTHER || !(meta->present & THRIFT_BIT(12)))
        return false;
    if ((s->present & both) != both || s->min.len != width || s->max.len != width)
        return false;
    *ret_min = int_statistic(s->min);
    *ret_max = int_statistic(s->max);
    return *ret_min <= *ret_max;
}

bool parquet_str_range(const struct parquet_file *f, size_t group, size_t column,
                       struct str *ret_min, struct str *ret_max)
{
    assert(group < f->meta.row_groups.len && column < f->column_count);

    const struct pq_column_meta *meta = parquet_chunk_at(f, group, column);
    const struct pq_statistics *s = &meta->statistics;
    const uint32_t both = THRIFT_BIT(5) | THRIFT_BIT(6);

    if (f->columns[column].type != PARQUET_STRING || !(meta->present & THRIFT_BIT(12)) ||
        (s->present & both) != both)
        return false;
    *ret_min = s->min;
    *ret_max = s->max;
    return str_cmp(s->min, s->max) <= 0;
}

bool parquet_is_all_null(const struct parquet_file *f, size_t group, size_t column)
{
    assert(group < f->meta.row_groups.len && column < f->column_count);

    const struct pq_column_meta *meta = parquet_chunk_at(f, group, column);
    const struct pq_statistics *s = &meta->statistics;

    return f->columns[column].optional && (meta->present & THRIFT_BIT(12)) &&
           (s->present & THRIFT_BIT(3)) && s->null_count == meta->num_values;
}

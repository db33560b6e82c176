#include "config.h"

#include "capture/parquet_chunk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/crc.h"
#include "base/le.h"
#include "capture/bitpack.h"

#define ZSTD_LEVEL 3
/* For what hardly shrinks, as packed codes of random values do: at this level nothing is entropy
 * coded, so that reading is a copy instead of most of a scan's time. */
#define ZSTD_LEVEL_STORE (-100)

/* Memory of a dictionary entry beside its bytes: entry, slots, alignment. */
#define ENTRY_BYTES 64u

static_assert(CHUNK_PAGE_ROWS <= PARQUET_GROUP_ROWS, "pages are parts of groups");

int chunk_tools_init(struct chunk_tools *t, struct err *err)
{
    t->levels = mem_calloc(CHUNK_PAGE_ROWS, sizeof(*t->levels));
    t->codes = mem_calloc(PARQUET_GROUP_ROWS, sizeof(*t->codes));
    t->distinct = mem_calloc(CHUNK_DICTIONARY_INTS, sizeof(*t->distinct));
    t->slots = mem_calloc(CHUNK_SLOTS, sizeof(*t->slots));
    t->zstd = ZSTD_createCCtx();
    if (!t->zstd)
        return err_set(err, ERR_LIMIT, "no memory for zstd");
    return 0;
}

void chunk_tools_release(struct chunk_tools *t)
{
    ZSTD_freeCCtx(t->zstd);
    buf_release(&t->chunk);
    buf_release(&t->page);
    buf_release(&t->packed);
    free(t->levels);
    free(t->codes);
    free(t->distinct);
    free(t->slots);
}

void chunk_release(struct chunk *c)
{
    free(c->null_bits);
    vec_release(&c->ints);
    vec_release(&c->codes);
    map_release(&c->dictionary);
    buf_release(&c->plain);
}

void chunk_clear(struct chunk *c)
{
    free(c->null_bits);
    c->null_bits = NULL;
    c->null_count = c->value_count = c->dictionary_bytes = c->plain_bytes = 0;
    vec_clear(&c->ints);
    vec_clear(&c->codes);
    map_release(&c->dictionary);
    c->dictionary = (struct map){ 0 };
    buf_clear(&c->plain);
    c->is_plain = false;
    c->last = (struct str){ NULL, 0 };
}

void chunk_add_null(struct chunk *c, size_t row)
{
    assert(row < PARQUET_GROUP_ROWS);

    if (!c->null_bits)
        c->null_bits = mem_calloc(PARQUET_GROUP_ROWS / 8, 1);
    c->null_bits[row / 8] |= (uint8_t)(1u << (row % 8));
    c->null_count++;
}

size_t chunk_add_int(struct chunk *c, int64_t value)
{
    vec_push(&c->ints, value);
    c->value_count++;
    return sizeof(value);
}

/* From codes to bytes, for good or until the next group. */
static void make_plain(struct chunk *c)
{
    for (size_t i = 0; i < c->codes.len; i++)
        encode_plain_string(&c->plain, c->dictionary.entries[c->codes.ptr[i]].key);
    vec_clear(&c->codes);
    map_release(&c->dictionary);
    c->dictionary = (struct map){ 0 };
    c->is_plain = true;
}

size_t chunk_add_string(struct chunk *c, struct str s)
{
    c->value_count++;
    c->plain_bytes += 4 + s.len;
    if (c->is_plain) {
        encode_plain_string(&c->plain, s);
        return 4 + s.len;
    }
    if (c->codes.len > 0 && str_eq(s, c->last)) {
        uint32_t code = c->codes.ptr[c->codes.len - 1];
        vec_push(&c->codes, code);
        return sizeof(code);
    }
    bool is_new = false;
    struct map_entry *entry = map_put(&c->dictionary, s, &is_new);
    if (is_new)
        entry->value = c->dictionary.len - 1;
    vec_push(&c->codes, (uint32_t)entry->value);
    c->last = entry->key;
    if (!is_new)
        return sizeof(uint32_t);
    c->dictionary_bytes += 4 + s.len;
    if (c->dictionary_bytes > CHUNK_DICTIONARY_BYTES)
        make_plain(c);
    return 4 + s.len + ENTRY_BYTES;
}

static bool is_null(const struct chunk *c, size_t row)
{
    return c->null_bits && c->null_bits[row / 8] >> (row % 8) & 1;
}

/* The distinct integers in order of appearance, and a code for each value; false if there are more
 * than CHUNK_DICTIONARY_INTS. */
static bool find_distinct(const struct chunk *c, struct chunk_tools *t)
{
    size_t slots = CHUNK_SLOTS_LEAST;

    while (slots < CHUNK_SLOTS &&
           slots < 4 * c->ints.len) /* clearing all is most of a small file */
        slots *= 2;
    t->distinct_count = 0;
    memset(t->slots, 0, slots * sizeof(*t->slots));
    for (size_t i = 0; i < c->ints.len; i++) {
        int64_t value = c->ints.ptr[i];
        uint64_t hash = (uint64_t)value * UINT64_C(0x9e3779b97f4a7c15);
        size_t slot = (hash >> 32) & (slots - 1);
        while (t->slots[slot] && t->distinct[t->slots[slot] - 1] != value)
            slot = (slot + 1) & (slots - 1);
        if (!t->slots[slot]) {
            if (t->distinct_count == CHUNK_DICTIONARY_INTS)
                return false;
            t->distinct[t->distinct_count++] = value;
            t->slots[slot] = (uint32_t)t->distinct_count;
        }
        t->codes[i] = t->slots[slot] - 1;
    }
    return true;
}

/* How a chunk is to be written. */
struct plan {
    enum pq_encoding encoding; /* of the values: RLE_DICTIONARY, DELTA_BINARY_PACKED or PLAIN */
    unsigned width;            /* bits of a code */
    const uint32_t *codes;
    size_t dictionary_count;
};

static unsigned code_width(size_t dictionary_count)
{
    unsigned width = bitpack_width(dictionary_count - 1);

    return width ? width : 1; /* some readers know no width of 0 */
}

static bool is_32(const struct chunk *c)
{
    return c->column.type == PARQUET_INT32;
}

static struct plan plan_ints(const struct chunk *c, struct chunk_tools *t)
{
    struct plan plan = { .encoding = PQ_DELTA_BINARY_PACKED };

    if (!find_distinct(c, t))
        return plan;
    unsigned width = code_width(t->distinct_count);
    buf_clear(&t->packed);
    encode_hybrid(&t->packed, t->codes, c->ints.len, width);
    size_t dictionary_bytes = t->distinct_count * (is_32(c) ? 4 : 8) + t->packed.len;
    buf_clear(&t->packed);
    encode_delta(&t->packed, c->ints.ptr, c->ints.len, is_32(c));
    if (dictionary_bytes > t->packed.len)
        return plan;
    return (struct plan){ PQ_RLE_DICTIONARY, width, t->codes, t->distinct_count };
}

static struct plan plan_strings(struct chunk *c)
{
    if (!c->is_plain) {
        unsigned width = code_width(c->dictionary.len);
        if (c->dictionary_bytes + c->value_count * width / 8 < c->plain_bytes)
            return (struct plan){ PQ_RLE_DICTIONARY, width, c->codes.ptr, c->dictionary.len };
        make_plain(c);
    }
    return (struct plan){ .encoding = PQ_PLAIN };
}

static struct plan make_plan(struct chunk *c, struct chunk_tools *t)
{
    if (c->value_count == 0 || c->column.type == PARQUET_BOOL)
        return (struct plan){ .encoding = PQ_PLAIN };
    return c->column.type == PARQUET_STRING ? plan_strings(c) : plan_ints(c, t);
}

/* Compresses t->page and appends it to t->chunk behind its header, whose sizes it fills in. */
static int add_page(struct chunk_tools *t, struct pq_page_header *header,
                    struct pq_column_meta *meta, struct err *err)
{
    size_t room = ZSTD_compressBound(t->page.len);

    buf_clear(&t->packed);
    char *to = buf_reserve(&t->packed, room);
    size_t len = ZSTD_compressCCtx(t->zstd, to, room, t->page.ptr, t->page.len, ZSTD_LEVEL);
    if (!ZSTD_isError(len) && len > t->page.len - t->page.len / 8)
        len = ZSTD_compressCCtx(t->zstd, to, room, t->page.ptr, t->page.len, ZSTD_LEVEL_STORE);
    if (ZSTD_isError(len))
        return err_set(err, ERR_LIMIT, "cannot compress: %s", ZSTD_getErrorName(len));
    header->present |= THRIFT_BIT(4);
    header->uncompressed_bytes = (int32_t)t->page.len;
    header->compressed_bytes = (int32_t)len;
    header->crc = (int32_t)crc32_ieee(0, to, len);
    size_t start = t->chunk.len;
    thrift_write(&pq_page_header_shape, header, &t->chunk);
    meta->uncompressed_bytes += (int64_t)(t->chunk.len - start + t->page.len);
    buf_add(&t->chunk, to, len);
    meta->compressed_bytes += (int64_t)(t->chunk.len - start);
    return 0;
}

static int add_dictionary_page(const struct chunk *c, const struct plan *plan,
                               struct chunk_tools *t, struct pq_column_meta *meta, struct err *err)
{
    struct pq_page_header header = {
        .present = THRIFT_BIT(7),
        .type = PQ_DICTIONARY_PAGE,
        .dictionary = {.num_values = (int32_t)plan->dictionary_count, .encoding = PQ_PLAIN},
    };

    buf_clear(&t->page);
    if (c->column.type == PARQUET_STRING) {
        for (size_t i = 0; i < c->dictionary.len; i++)
            encode_plain_string(&t->page, c->dictionary.entries[i].key);
    } else {
        encode_plain_ints(&t->page, t->distinct, t->distinct_count, is_32(c));
    }
    return add_page(t, &header, meta, err);
}

/* A data page on its way: rows [row, row_end), values [value, value_end), and for PLAIN strings
 * bytes [at, at_end) of the chunk's plain. */
struct page_span {
    size_t row, row_end;
    size_t value, value_end;
    size_t at, at_end;
};

/* Moves the span to the page after it. */
static void next_span(const struct chunk *c, size_t row_count, struct page_span *s)
{
    *s = (struct page_span){ s->row_end,   s->row_end, s->value_end,
                             s->value_end, s->at_end,  s->at_end };
    for (; s->row_end < row_count && s->row_end - s->row < CHUNK_PAGE_ROWS; s->row_end++) {
        if (is_null(c, s->row_end))
            continue;
        if (c->is_plain) {
            size_t len = 4 + (size_t)le32_get((const uint8_t *)c->plain.ptr + s->at_end);
            if (s->at_end > s->at && s->at_end - s->at + len > CHUNK_PAGE_BYTES)
                return;
            s->at_end += len;
        }
        s->value_end++;
    }
}

/* Definition levels with their length before them, as data page v1 has them. */
static void add_levels(const struct chunk *c, const struct page_span *s, struct chunk_tools *t)
{
    size_t count = s->row_end - s->row, start = t->page.len;

    for (size_t i = 0; i < count; i++)
        t->levels[i] = !is_null(c, s->row + i);
    memset(buf_reserve(&t->page, 4), 0, 4);
    t->page.len += 4;
    encode_hybrid(&t->page, t->levels, count, 1);
    le32_put((uint8_t *)t->page.ptr + start, (uint32_t)(t->page.len - start - 4));
}

static void add_values(const struct chunk *c, const struct plan *plan, const struct page_span *s,
                       struct chunk_tools *t)
{
    size_t count = s->value_end - s->value;

    if (plan->encoding == PQ_RLE_DICTIONARY) {
        buf_add_byte(&t->page, (char)plan->width);
        encode_hybrid(&t->page, plan->codes + s->value, count, plan->width);
    } else if (plan->encoding == PQ_DELTA_BINARY_PACKED) {
        encode_delta(&t->page, c->ints.ptr + s->value, count, is_32(c));
    } else if (count == 0) {
        return;
    } else if (c->column.type == PARQUET_STRING) {
        buf_add(&t->page, c->plain.ptr + s->at, s->at_end - s->at);
    } else {
        assert(c->column.type == PARQUET_BOOL);
        encode_plain_bools(&t->page, c->ints.ptr + s->value, count);
    }
}

static int add_data_page(const struct chunk *c, const struct plan *plan, const struct page_span *s,
                         struct chunk_tools *t, struct pq_column_meta *meta, struct err *err)
{
    struct pq_page_header header = {
        .present = THRIFT_BIT(5),
        .type = PQ_DATA_PAGE,
        .data = {.num_values = (int32_t)(s->row_end - s->row),
                 .encoding = (int32_t)plan->encoding,
                 .definition = PQ_RLE,
                 .repetition = PQ_RLE},
    };

    buf_clear(&t->page);
    if (c->column.optional)
        add_levels(c, s, t);
    add_values(c, plan, s, t);
    return add_page(t, &header, meta, err);
}

/* The bytes of an integer statistic, as PLAIN without a length has them. */
static struct str int_bytes(const struct chunk *c, int64_t value, struct arena *names)
{
    char bytes[8];
    size_t len = c->column.type == PARQUET_BOOL ? 1 : is_32(c) ? 4 : 8;

    le32_put((uint8_t *)bytes, (uint32_t)value);
    le32_put((uint8_t *)bytes + 4, (uint32_t)((uint64_t)value >> 32));
    return arena_str(names, (struct str){ bytes, len });
}

static void int_bounds(const struct chunk *c, struct arena *names, struct pq_statistics *ret)
{
    int64_t min = c->ints.ptr[0], max = min;

    for (size_t i = 1; i < c->ints.len; i++) {
        min = c->ints.ptr[i] < min ? c->ints.ptr[i] : min;
        max = c->ints.ptr[i] > max ? c->ints.ptr[i] : max;
    }
    ret->min = int_bytes(c, min, names);
    ret->max = int_bytes(c, max, names);
}

static void widen(struct str s, bool is_first, struct pq_statistics *ret)
{
    if (is_first || str_cmp(s, ret->min) < 0)
        ret->min = s;
    if (is_first || str_cmp(s, ret->max) > 0)
        ret->max = s;
}

static void string_bounds(const struct chunk *c, struct arena *names, struct pq_statistics *ret)
{
    for (size_t i = 0; i < c->dictionary.len; i++)
        widen(c->dictionary.entries[i].key, i == 0, ret);
    for (size_t at = 0; at < c->plain.len;) {
        size_t len = le32_get((const uint8_t *)c->plain.ptr + at);
        widen((struct str){ c->plain.ptr + at + 4, len }, at == 0, ret);
        at += 4 + len;
    }
    ret->min = arena_str(names, str_sub(ret->min, 0, CHUNK_STATISTICS_BYTES + 1));
    ret->max = arena_str(names, str_sub(ret->max, 0, CHUNK_STATISTICS_BYTES + 1));
}

static void make_statistics(const struct chunk *c, struct arena *names, struct pq_statistics *ret)
{
    *ret = (struct pq_statistics){ .present = THRIFT_BIT(3), .null_count = (int64_t)c->null_count };
    if (c->value_count == 0)
        return;
    if (c->column.type == PARQUET_STRING)
        string_bounds(c, names, ret);
    else
        int_bounds(c, names, ret);
    if (ret->min.len > CHUNK_STATISTICS_BYTES || ret->max.len > CHUNK_STATISTICS_BYTES)
        return;
    ret->present |= THRIFT_BIT(5) | THRIFT_BIT(6) | THRIFT_BIT(7) | THRIFT_BIT(8);
    ret->is_min_exact = ret->is_max_exact = true;
}

static void make_meta(const struct chunk *c, const struct plan *plan, struct arena *names,
                      struct pq_column_meta *ret)
{
    int32_t *encodings = arena_alloc(names, 3 * sizeof(*encodings));
    struct str *path = arena_alloc(names, sizeof(*path));
    size_t count = 0;

    encodings[count++] = (int32_t)plan->encoding;
    if (plan->encoding == PQ_RLE_DICTIONARY)
        encodings[count++] = PQ_PLAIN; /* of the dictionary itself */
    if (c->column.optional)
        encodings[count++] = PQ_RLE; /* of the levels */
    *path = str_from(c->column.name);
    *ret = (struct pq_column_meta){
        .present = THRIFT_BIT(12),
        .type = (int32_t)pq_types[c->column.type].physical,
        .encodings = {encodings, count},
        .path = { path,     1    },
        .codec = PQ_ZSTD,
    };
    make_statistics(c, names, &ret->statistics);
}

int chunk_encode(struct chunk *c, size_t row_count, uint64_t file_offset, struct chunk_tools *t,
                 struct arena *names, struct pq_column_meta *ret, struct err *err)
{
    assert(c->value_count + c->null_count == row_count && row_count > 0);

    struct plan plan = make_plan(c, t);
    buf_clear(&t->chunk);
    make_meta(c, &plan, names, ret);
    ret->num_values = (int64_t)row_count;
    if (plan.encoding == PQ_RLE_DICTIONARY) {
        ret->dictionary_page_offset = (int64_t)file_offset;
        ret->present |= THRIFT_BIT(11);
        if (add_dictionary_page(c, &plan, t, ret, err) < 0)
            return -1;
    }
    ret->data_page_offset = (int64_t)(file_offset + t->chunk.len);
    struct page_span span = { 0 };
    while (span.row_end < row_count) {
        next_span(c, row_count, &span);
        if (add_data_page(c, &plan, &span, t, ret, err) < 0)
            return -1;
    }
    return 0;
}

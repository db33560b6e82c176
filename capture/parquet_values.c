#include "config.h"

#include "capture/parquet.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/crc.h"
#include "base/file.h"
#include "base/le.h"
#include "base/map.h"
#include "base/vec.h"
#include "capture/parquet_codec.h"
#include "capture/parquet_decode.h"
#include "capture/parquet_file.h"

/* Text of one chunk's dictionary; a PLAIN chunk's values count once each. */
#define STRINGS_BYTES_MAX ((size_t)512 << 20)

/* Of all pages of a chunk together: a small hostile file cannot keep us unpacking for long. */
#define UNPACKED_BYTES_MAX ((size_t)4 << 30)

/* Past this many collisions a value is added again rather than looked for: hostile files cannot
 * make the search quadratic, and codes need not be distinct. */
#define PROBES_MAX 32u

/* Rows after which a column may count as one whose values hardly ever repeat. */
#define UNIQUE_ROWS 4096u

struct parquet_scratch {
    struct buf raw;  /* the chunk as it is in the file */
    struct buf page; /* the data page being decoded */
    struct ZSTD_DCtx_s *zstd;
};

/* Everything that is kept from one chunk to the next. */
struct parquet_values_store {
    uint8_t *nulls;
    int64_t *ints;
    uint32_t *codes;
    size_t nulls_cap, ints_cap, codes_cap; /* rows */
    struct parquet_scratch *scratch, *own_scratch;
    struct buf dictionary_page; /* kept: the dictionary borrows from it */
    VEC(struct str) dictionary;
    int64_t *lookup; /* the dictionary of an integer column */
    size_t lookup_len, lookup_cap;
    struct arena strings;   /* dictionary entries that came from data pages */
    struct arena page_text; /* what one page's strings need to be put together */
    struct str *texts;      /* one page's strings */
    size_t texts_cap;
    uint32_t *slots; /* of the search for equal strings: index + 1, 0 = free */
    size_t slot_count;
    size_t indexed; /* dictionary entries in slots */
};

/* The chunk being read. */
struct cursor {
    const struct pq_column_meta *meta;
    struct parquet_values_store *s;
    enum parquet_type type;
    bool optional;
    bool is_sealed; /* the chunk's checksum was right: page CRCs need no check */
    bool has_dictionary;
    size_t row_count; /* of the group */
    size_t rows;      /* decoded so far */
    size_t nulls;
    size_t unpacked_bytes;
};

/* A page as it is in scratch->raw. */
struct page {
    struct pq_page_header header;
    struct str body;
};

struct parquet_scratch *parquet_scratch_new(void)
{
    struct parquet_scratch *s = mem_calloc(1, sizeof(*s));

    s->zstd = ZSTD_createDCtx();
    return s;
}

void parquet_scratch_free(struct parquet_scratch *s)
{
    if (!s)
        return;
    buf_release(&s->raw);
    buf_release(&s->page);
    ZSTD_freeDCtx(s->zstd);
    free(s);
}

void parquet_values_release(struct parquet_values *v)
{
    struct parquet_values_store *s = v->store;

    *v = (struct parquet_values){ 0 };
    if (!s)
        return;
    free(s->nulls);
    free(s->ints);
    free(s->codes);
    parquet_scratch_free(s->own_scratch);
    buf_release(&s->dictionary_page);
    vec_release(&s->dictionary);
    free(s->lookup);
    arena_release(&s->strings);
    arena_release(&s->page_text);
    free(s->texts);
    free(s->slots);
    free(s);
}

/* Room for count items and the slack decoders ask for; the contents are lost. */
static void *make_room(void *items, size_t *cap, size_t count, size_t size)
{
    if (items && *cap >= count)
        return items;
    free(items);
    *cap = count;
    return mem_realloc(NULL, (count + PAGE_SLACK) * size);
}

/* Makes the whole of the reserved bytes readable, slack included. */
static uint8_t *reserve_page(struct buf *page, size_t len)
{
    buf_clear(page);
    uint8_t *at = (uint8_t *)buf_reserve(page, len + PAGE_SLACK);
    memset(at + len, 0, PAGE_SLACK);
    page->len = len;
    return at;
}

/* Reads the chunk's bytes and checks them against the seal. */
static int load_chunk(struct parquet_file *f, size_t group, size_t column, struct cursor *c,
                      struct err *err)
{
    uint64_t start = parquet_chunk_start(c->meta), len = (uint64_t)c->meta->compressed_bytes;

    if (len > PARQUET_CHUNK_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "%" PRIu64 " bytes, more than %u", len,
                       PARQUET_CHUNK_BYTES_MAX);
    uint8_t *at = reserve_page(&c->s->scratch->raw, (size_t)len);
    int got = fd_read_at(f->fd, at, (size_t)len, (off_t)start, err);
    if (got <= 0)
        return got < 0 ? -1 : err_set(err, ERR_CORRUPT, "the file shrank while it was read");
    if (f->seal.len == 0)
        return 0;
    size_t index = group * f->column_count + column;
    if (crc32c(at, (size_t)len) != le32_get((const uint8_t *)f->seal.ptr + 4 * index))
        return err_set(err, ERR_CORRUPT,
                       "bytes %" PRIu64 " to %" PRIu64 " do not match their checksum", start,
                       start + len);
    c->is_sealed = true;
    return 0;
}

/* Takes the page at *pos and moves past it. */
static int next_page(struct cursor *c, size_t *pos, struct page *ret, struct err *err)
{
    struct str rest = str_sub(buf_str(&c->s->scratch->raw), *pos, c->s->scratch->raw.len);
    struct pq_page_header *h = &ret->header;
    size_t used = 0;

    if (rest.len == 0)
        return err_set(err, ERR_CORRUPT, "the pages have %zu of %zu rows", c->rows, c->row_count);
    if (thrift_read(rest, &pq_page_header_shape, &c->s->page_text, h, &used, err) < 0)
        return -1;
    if (h->compressed_bytes < 0 || (size_t)h->compressed_bytes > rest.len - used)
        return err_set(err, ERR_CORRUPT, "a length of %d bytes reaches beyond the chunk",
                       h->compressed_bytes);
    if (h->uncompressed_bytes < 0)
        return err_set(err, ERR_CORRUPT, "a negative length");
    if ((uint32_t)h->uncompressed_bytes > PARQUET_PAGE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "%d bytes, more than %u", h->uncompressed_bytes,
                       PARQUET_PAGE_BYTES_MAX);
    ret->body = str_sub(rest, used, (size_t)h->compressed_bytes);
    *pos += used + (size_t)h->compressed_bytes;
    if ((h->present & THRIFT_BIT(4)) && !c->is_sealed &&
        crc32_ieee(0, ret->body.ptr, ret->body.len) != (uint32_t)h->crc)
        return err_set(err, ERR_CORRUPT, "the checksum is wrong");
    return 0;
}

static int unpack(struct cursor *c, struct str packed, int32_t codec, size_t len, struct buf *ret,
                  struct err *err)
{
    c->unpacked_bytes += len;
    if (c->unpacked_bytes > UNPACKED_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "the pages unpack to more than %zu bytes",
                       UNPACKED_BYTES_MAX);
    uint8_t *to = reserve_page(ret, len);
    return parquet_decompress(codec, c->s->scratch->zstd, packed, to, len, err);
}

static bool is_string(const struct cursor *c)
{
    return c->type == PARQUET_STRING;
}

static unsigned int_bits(const struct cursor *c)
{
    return c->meta->type == PQ_INT32 ? 32 : 64;
}

static int read_dictionary(struct cursor *c, const struct page *page, struct err *err)
{
    struct parquet_values_store *s = c->s;
    const struct pq_dictionary_page *d = &page->header.dictionary;

    if (c->has_dictionary || c->rows > 0 || c->type == PARQUET_BOOL)
        return err_set(err, ERR_CORRUPT, "a dictionary where none belongs");
    if (!(page->header.present & THRIFT_BIT(7)) || d->num_values < 0)
        return err_set(err, ERR_CORRUPT, "bad head of a dictionary");
    if (d->encoding != PQ_PLAIN && d->encoding != PQ_PLAIN_DICTIONARY)
        return err_set(err, ERR_UNSUPPORTED, "dictionary with encoding %d", d->encoding);
    if (unpack(c, page->body, c->meta->codec, (size_t)page->header.uncompressed_bytes,
               &s->dictionary_page, err) < 0)
        return -1;
    c->has_dictionary = true;
    struct str in = buf_str(&s->dictionary_page);
    size_t count = (size_t)d->num_values;
    if (count > in.len / 4) /* the least any value takes */
        return err_set(err, ERR_CORRUPT, "too few values in the dictionary");
    if (count > PARQUET_GROUP_ROWS_MAX)
        return err_set(err, ERR_LIMIT, "a dictionary of %zu values, more than %u", count,
                       PARQUET_GROUP_ROWS_MAX);
    if (is_string(c)) {
        free(s->dictionary.ptr);
        s->dictionary.ptr = mem_calloc(count + 1, sizeof(*s->dictionary.ptr));
        s->dictionary.cap = count + 1;
        s->dictionary.len = count;
        return decode_plain_strings(in, count, s->dictionary.ptr, err);
    }
    s->lookup = make_room(s->lookup, &s->lookup_cap, count, sizeof(*s->lookup));
    s->lookup_len = count;
    return decode_plain_ints(in, count, int_bits(c), s->lookup, err);
}

static void index_entry(struct parquet_values_store *s, size_t entry)
{
    struct str text = s->dictionary.ptr[entry];
    size_t slot = map_hash(text) & (s->slot_count - 1);

    for (unsigned i = 0; i < PROBES_MAX; i++, slot = (slot + 1) & (s->slot_count - 1)) {
        if (s->slots[slot] == 0) {
            s->slots[slot] = (uint32_t)entry + 1;
            return;
        }
    }
}

/* At most half of the slots are taken. */
static void grow_index(struct parquet_values_store *s)
{
    if (s->slot_count < 2 * (s->dictionary.len + 1)) {
        s->slot_count = s->slot_count ? s->slot_count : 1024;
        while (s->slot_count < 4 * (s->dictionary.len + 1))
            s->slot_count *= 2;
        free(s->slots);
        s->slots = mem_calloc(s->slot_count, sizeof(*s->slots));
        s->indexed = 0;
    }
    for (; s->indexed < s->dictionary.len; s->indexed++)
        index_entry(s, s->indexed);
}

/* The code of a string from a data page. */
static uint32_t intern(struct parquet_values_store *s, struct str text)
{
    size_t slot = map_hash(text) & (s->slot_count - 1);

    for (unsigned i = 0; i < PROBES_MAX; i++, slot = (slot + 1) & (s->slot_count - 1)) {
        uint32_t found = s->slots[slot];
        if (found == 0)
            break;
        if (str_eq(s->dictionary.ptr[found - 1], text))
            return found - 1;
    }
    vec_push(&s->dictionary, arena_str(&s->strings, text));
    grow_index(s);
    return (uint32_t)s->dictionary.len - 1;
}

/* Searching is not worth it where nearly all values are new. */
static bool is_unique(const struct cursor *c)
{
    return c->rows >= UNIQUE_ROWS && c->s->dictionary.len > c->rows - c->rows / 16;
}

/* Gives the first count texts codes of their own; source is what they borrow from. */
static void append_all(struct cursor *c, struct str source, size_t count)
{
    struct parquet_values_store *s = c->s;
    struct str copy = arena_str(&s->strings, source);

    for (size_t i = 0; i < count; i++) {
        struct str text = { copy.ptr + (s->texts[i].ptr - source.ptr), s->texts[i].len };
        s->codes[c->rows + i] = (uint32_t)s->dictionary.len;
        vec_push(&s->dictionary, text);
    }
}

static int intern_all(struct cursor *c, size_t count, struct err *err)
{
    struct parquet_values_store *s = c->s;

    grow_index(s);
    for (size_t i = 0; i < count; i++) {
        if (s->strings.total_bytes > STRINGS_BYTES_MAX)
            return err_set(err, ERR_LIMIT, "more than %zu bytes of text in a row group",
                           STRINGS_BYTES_MAX);
        s->codes[c->rows + i] = intern(s, s->texts[i]);
    }
    return 0;
}

/* Decoders of one page's values: count values from in to s->ints or s->codes at c->rows. */
typedef int (*values_fn)(struct cursor *c, struct str in, size_t count, struct err *err);

static int plain_ints(struct cursor *c, struct str in, size_t count, struct err *err)
{
    return decode_plain_ints(in, count, int_bits(c), c->s->ints + c->rows, err);
}

static int lookup_ints(struct cursor *c, struct str in, size_t count, struct err *err)
{
    return decode_lookup(in, count, c->s->lookup, c->s->lookup_len, c->s->ints + c->rows, err);
}

static int delta_ints(struct cursor *c, struct str in, size_t count, struct err *err)
{
    size_t used;

    return decode_delta(in, count, int_bits(c), c->s->ints + c->rows, &used, err);
}

static int plain_bools(struct cursor *c, struct str in, size_t count, struct err *err)
{
    return decode_plain_bools(in, count, c->s->ints + c->rows, err);
}

static int rle_bools(struct cursor *c, struct str in, size_t count, struct err *err)
{
    return decode_rle_bools(in, count, c->s->ints + c->rows, err);
}

static int coded_strings(struct cursor *c, struct str in, size_t count, struct err *err)
{
    return decode_codes(in, count, c->s->dictionary.len, c->s->codes + c->rows, err);
}

static int plain_strings(struct cursor *c, struct str in, size_t count, struct err *err)
{
    if (decode_plain_strings(in, count, c->s->texts, err) < 0)
        return -1;
    if (!is_unique(c) || c->s->strings.total_bytes + in.len > STRINGS_BYTES_MAX)
        return intern_all(c, count, err);
    append_all(c, in, count);
    return 0;
}

static int delta_length_strings(struct cursor *c, struct str in, size_t count, struct err *err)
{
    if (decode_delta_length(in, count, &c->s->page_text, c->s->texts, err) < 0)
        return -1;
    return intern_all(c, count, err);
}

static int delta_strings(struct cursor *c, struct str in, size_t count, struct err *err)
{
    if (decode_delta_strings(in, count, PARQUET_PAGE_BYTES_MAX, &c->s->page_text, c->s->texts,
                             err) < 0)
        return -1;
    return intern_all(c, count, err);
}

static const struct decoder {
    int32_t physical, encoding;
    values_fn fn;
    bool needs_dictionary;
} decoders[] = {
    {PQ_INT64,       PQ_PLAIN,                   plain_ints,           false},
    { PQ_INT64,      PQ_RLE_DICTIONARY,          lookup_ints,          true },
    { PQ_INT64,      PQ_PLAIN_DICTIONARY,        lookup_ints,          true },
    { PQ_INT64,      PQ_DELTA_BINARY_PACKED,     delta_ints,           false},
    { PQ_INT32,      PQ_PLAIN,                   plain_ints,           false},
    { PQ_INT32,      PQ_RLE_DICTIONARY,          lookup_ints,          true },
    { PQ_INT32,      PQ_PLAIN_DICTIONARY,        lookup_ints,          true },
    { PQ_INT32,      PQ_DELTA_BINARY_PACKED,     delta_ints,           false},
    { PQ_BOOLEAN,    PQ_PLAIN,                   plain_bools,          false},
    { PQ_BOOLEAN,    PQ_RLE,                     rle_bools,            false},
    { PQ_BYTE_ARRAY, PQ_PLAIN,                   plain_strings,        false},
    { PQ_BYTE_ARRAY, PQ_RLE_DICTIONARY,          coded_strings,        true },
    { PQ_BYTE_ARRAY, PQ_PLAIN_DICTIONARY,        coded_strings,        true },
    { PQ_BYTE_ARRAY, PQ_DELTA_LENGTH_BYTE_ARRAY, delta_length_strings, false},
    { PQ_BYTE_ARRAY, PQ_DELTA_BYTE_ARRAY,        delta_strings,        false},
};

static int decode_values(struct cursor *c, int32_t encoding, struct str in, size_t count,
                         struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(decoders); i++) {
        const struct decoder *d = &decoders[i];
        if (d->physical != c->meta->type || d->encoding != encoding)
            continue;
        if (count == 0) /* some writers leave out even the head of an encoding */
            return 0;
        if (d->needs_dictionary && !c->has_dictionary)
            return err_set(err, ERR_CORRUPT, "dictionary codes without a dictionary");
        if (is_string(c) && !d->needs_dictionary)
            c->s->texts =
                make_room(c->s->texts, &c->s->texts_cap, c->row_count, sizeof(*c->s->texts));
        return d->fn(c, in, count, err);
    }
    return err_set(err, ERR_UNSUPPORTED, "encoding %d", encoding);
}

/* The values of a page stand together at its front: moves them, last first, to their rows.  Without
 * branches, as nulls often come at random: a null row loads some value and masks it away. */
static void spread_ints(int64_t *ints, const uint8_t *is_null, size_t count, size_t present)
{
    for (size_t i = count; i-- > 0;) {
        present -= 1u - is_null[i];
        ints[i] = ints[present] & ((int64_t)is_null[i] - 1);
    }
}

static void spread_codes(uint32_t *codes, const uint8_t *is_null, size_t count, size_t present)
{
    for (size_t i = count; i-- > 0;) {
        present -= 1u - is_null[i];
        codes[i] = codes[present] & ((uint32_t)is_null[i] - 1);
    }
}

static void spread_values(struct cursor *c, size_t count, size_t present)
{
    struct parquet_values_store *s = c->s;
    const uint8_t *is_null = s->nulls + c->rows;

    if (present == 0 && is_string(c))
        memset(s->codes + c->rows, 0, count * sizeof(*s->codes));
    else if (present == 0)
        memset(s->ints + c->rows, 0, count * sizeof(*s->ints));
    else if (is_string(c))
        spread_codes(s->codes + c->rows, is_null, count, present);
    else
        spread_ints(s->ints + c->rows, is_null, count, present);
}

/* A data page's parts, whichever version it is. */
struct data_page {
    size_t count;
    int32_t encoding;
    struct str levels, values;
};

static int split_v1(struct cursor *c, const struct page *page, struct data_page *ret,
                    struct err *err)
{
    const struct pq_data_page *d = &page->header.data;

    if (!(page->header.present & THRIFT_BIT(5)) || d->num_values < 0)
        return err_set(err, ERR_CORRUPT, "bad head of a data page");
    ret->count = (size_t)d->num_values;
    ret->encoding = d->encoding;
    if (unpack(c, page->body, c->meta->codec, (size_t)page->header.uncompressed_bytes,
               &c->s->scratch->page, err) < 0)
        return -1;
    ret->values = buf_str(&c->s->scratch->page);
    if (!c->optional)
        return 0;
    if (d->definition != PQ_RLE)
        return err_set(err, ERR_UNSUPPORTED, "levels with encoding %d", d->definition);
    const uint8_t *at = (const uint8_t *)c->s->scratch->page.ptr;
    if (ret->values.len < 4 || le32_get(at) > ret->values.len - 4)
        return err_set(err, ERR_CORRUPT, "bad length of the levels");
    ret->levels = str_sub(ret->values, 4, le32_get(at));
    ret->values = str_sub(ret->values, 4 + ret->levels.len, ret->values.len);
    return 0;
}

/* Levels come first and are never compressed. */
static int split_v2(struct cursor *c, const struct page *page, struct data_page *ret,
                    struct err *err)
{
    const struct pq_data_page_v2 *d = &page->header.data_v2;
    size_t whole = (size_t)page->header.uncompressed_bytes;

    if (!(page->header.present & THRIFT_BIT(8)) || d->num_values < 0 ||
        d->num_rows != d->num_values || d->repetition_bytes != 0 || d->definition_bytes < 0)
        return err_set(err, ERR_CORRUPT, "bad head of a data page");
    size_t level_bytes = (size_t)d->definition_bytes;
    if (level_bytes > page->body.len || level_bytes > whole || (level_bytes > 0 && !c->optional))
        return err_set(err, ERR_CORRUPT, "bad length of the levels");
    ret->count = (size_t)d->num_values;
    ret->encoding = d->encoding;
    ret->levels = str_sub(page->body, 0, level_bytes);
    bool is_packed = !(d->present & THRIFT_BIT(7)) || d->is_compressed;
    if (unpack(c, str_sub(page->body, level_bytes, page->body.len),
               is_packed ? c->meta->codec : PQ_UNCOMPRESSED, whole - level_bytes,
               &c->s->scratch->page, err) < 0)
        return -1;
    ret->values = buf_str(&c->s->scratch->page);
    return 0;
}

static int decode_data(struct cursor *c, const struct data_page *page, struct err *err)
{
    size_t present = page->count;

    if (page->count > c->row_count - c->rows)
        return err_set(err, ERR_CORRUPT, "more rows than the group's %zu", c->row_count);
    if (c->optional &&
        decode_levels(page->levels, page->count, c->s->nulls + c->rows, &present, err) < 0)
        return err_wrap(err, "levels");
    if (decode_values(c, page->encoding, page->values, present, err) < 0)
        return -1;
    if (present < page->count)
        spread_values(c, page->count, present);
    c->nulls += page->count - present;
    c->rows += page->count;
    return 0;
}

static int read_page(struct cursor *c, size_t *pos, struct err *err)
{
    struct page page;
    struct data_page data = { 0 };

    arena_reset(&c->s->page_text);
    if (next_page(c, pos, &page, err) < 0)
        return -1;
    if (page.header.type == PQ_INDEX_PAGE)
        return 0;
    if (page.header.type == PQ_DICTIONARY_PAGE)
        return read_dictionary(c, &page, err);
    if (page.header.type != PQ_DATA_PAGE && page.header.type != PQ_DATA_PAGE_V2)
        return err_set(err, ERR_UNSUPPORTED, "page of type %d", page.header.type);
    bool is_v1 = page.header.type == PQ_DATA_PAGE;
    if ((is_v1 ? split_v1(c, &page, &data, err) : split_v2(c, &page, &data, err)) < 0)
        return -1;
    return decode_data(c, &data, err);
}

static void start_chunk(struct cursor *c)
{
    struct parquet_values_store *s = c->s;

    if (c->optional)
        s->nulls = make_room(s->nulls, &s->nulls_cap, c->row_count, sizeof(*s->nulls));
    if (is_string(c))
        s->codes = make_room(s->codes, &s->codes_cap, c->row_count, sizeof(*s->codes));
    else
        s->ints = make_room(s->ints, &s->ints_cap, c->row_count, sizeof(*s->ints));
    vec_clear(&s->dictionary);
    arena_reset(&s->strings);
    s->lookup_len = 0;
    if (s->indexed > 0)
        memset(s->slots, 0, s->slot_count * sizeof(*s->slots));
    s->indexed = 0;
}

static void show_values(const struct cursor *c, struct parquet_values *ret)
{
    struct parquet_values_store *s = c->s;

    if (s->dictionary.len == 0) { /* [0] must be there */
        vec_push(&s->dictionary, ((struct str){ "", 0 }));
        vec_clear(&s->dictionary);
    }
    *ret = (struct parquet_values){
        .scratch = ret->scratch,
        .count = c->row_count,
        .is_null = c->nulls > 0 ? s->nulls : NULL,
        .ints = is_string(c) ? NULL : s->ints,
        .codes = is_string(c) ? s->codes : NULL,
        .dictionary = s->dictionary.ptr,
        .dictionary_len = s->dictionary.len,
        .store = s,
    };
}

static int read_chunk(struct parquet_file *f, size_t group, size_t column, struct cursor *c,
                      struct err *err)
{
    uint64_t start = parquet_chunk_start(c->meta);
    size_t pos = 0;

    if (c->type == PARQUET_OTHER)
        return err_set(err, ERR_UNSUPPORTED, "a type that is not read");
    if (load_chunk(f, group, column, c, err) < 0)
        return -1;
    start_chunk(c);
    while (c->rows < c->row_count) {
        size_t at = pos;
        if (read_page(c, &pos, err) < 0)
            return err_wrap(err, "page at byte %" PRIu64, start + at);
    }
    return 0;
}

int parquet_read(struct parquet_file *f, size_t group, size_t column, struct parquet_values *ret,
                 struct err *err)
{
    assert(group < parquet_group_count(f) && column < f->column_count);

    if (!ret->store)
        ret->store = mem_calloc(1, sizeof(*ret->store));
    if (!ret->scratch && !ret->store->own_scratch)
        ret->store->own_scratch = parquet_scratch_new();
    ret->store->scratch = ret->scratch ? ret->scratch : ret->store->own_scratch;
    /* what it showed is about to go */
    *ret = (struct parquet_values){ .scratch = ret->scratch, .store = ret->store };
    if (!ret->store->scratch->zstd)
        return err_set(err, ERR_LIMIT, "no memory for zstd");
    struct cursor c = {
        .meta = parquet_chunk_at(f, group, column),
        .s = ret->store,
        .type = f->columns[column].type,
        .optional = f->columns[column].optional,
        .row_count = (size_t)parquet_group_rows(f, group),
    };
    if (read_chunk(f, group, column, &c, err) < 0)
        return err_wrap(err, "column '%s' of row group %zu", f->columns[column].name, group);
    show_values(&c, ret);
    return 0;
}

#include "config.h"

#include "capture/parquet.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/crc.h"
#include "base/file.h"
#include "base/le.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define FILE_BYTES_MAX (256u << 20)

/* A value that depends on nothing but where it stands. */
static uint64_t mix(uint64_t seed, uint64_t row, uint64_t column)
{
    uint64_t h = seed * UINT64_C(0x9e3779b97f4a7c15) + row * UINT64_C(0xff51afd7ed558ccd) + column;

    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    h = (h ^ h >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
    return h ^ h >> 32;
}

/* What a column's values look like. */
enum look {
    SAME,
    FEW,  /* 10 */
    MANY, /* 20,000: a dictionary, in large groups */
    ALL,  /* the whole range of the type */
    RISING,
    RUNS, /* each value 100 times */
    LOOK_COUNT,
};

enum nulls {
    NO_NULLS, /* though there might be */
    SOME_NULLS,
    NULL_RUNS,
    ONLY_NULLS,
    NULLS_COUNT,
};

struct made_column {
    struct parquet_column column;
    enum look look;
    enum nulls nulls;
};

#define MADE_MAX ((PARQUET_OTHER)*LOOK_COUNT * NULLS_COUNT + PARQUET_OTHER * LOOK_COUNT)

static struct made_column made[MADE_MAX];
static struct parquet_column made_columns[MADE_MAX];
static char made_names[MADE_MAX][40];
static size_t made_count;

static void add_made(enum parquet_type type, enum look look, bool optional, enum nulls nulls)
{
    size_t c = made_count++;

    snprintf(made_names[c], sizeof(made_names[c]), "t%d_l%d_%s%d", (int)type, (int)look,
             optional ? "n" : "r", (int)nulls);
    made[c] = (struct made_column){
        {made_names[c], type, optional},
        look, nulls
    };
    made_columns[c] = made[c].column;
}

/* Every type, look and kind of nulls. */
static void make_columns(void)
{
    made_count = 0;
    for (int type = 0; type < PARQUET_OTHER; type++) {
        for (int look = 0; look < LOOK_COUNT; look++) {
            add_made((enum parquet_type)type, (enum look)look, false, NO_NULLS);
            for (int nulls = 0; nulls < NULLS_COUNT; nulls++)
                add_made((enum parquet_type)type, (enum look)look, true, (enum nulls)nulls);
        }
    }
    ck_assert_uint_le(made_count, PARQUET_COLUMNS_MAX);
}

static bool made_null(const struct made_column *m, size_t c, uint64_t seed, uint64_t row)
{
    if (!m->column.optional || m->nulls == NO_NULLS)
        return false;
    if (m->nulls == SOME_NULLS)
        return mix(seed, row, c + 1000) % 3 == 0;
    return m->nulls == ONLY_NULLS || row / 700 % 2 == 0;
}

static uint64_t made_number(const struct made_column *m, size_t c, uint64_t seed, uint64_t row)
{
    switch (m->look) {
    case SAME:
        return 7;
    case RISING:
        return row * 1000 + mix(seed, row, c) % 1000;
    case RUNS:
        return mix(seed, row / 100, c) % 50;
    default:
        return mix(seed, row, c) % (m->look == FEW ? 10 : m->look == MANY ? 20000 : UINT64_MAX);
    }
}

static int64_t fit(enum parquet_type type, uint64_t n)
{
    if (type == PARQUET_BOOL)
        return n & 1;
    if (type == PARQUET_INT32)
        return (int32_t)(uint32_t)n;
    if (type == PARQUET_DECIMAL_12)
        return (int64_t)n % INT64_C(1000000000000000000);
    return (int64_t)n;
}

/* Text lives until the next call. */
static struct parquet_cell made_cell(size_t c, uint64_t seed, uint64_t row)
{
    static char text[120];
    const struct made_column *m = &made[c];
    struct parquet_cell cell = { .is_null = made_null(m, c, seed, row) };

    if (cell.is_null)
        return cell;
    uint64_t n = made_number(m, c, seed, row);
    if (m->column.type != PARQUET_STRING) {
        cell.i = fit(m->column.type, n);
        return cell;
    }
    int len = n % 50 == 0 ? 0
                          : snprintf(text, sizeof(text), "%" PRIu64 "%*s", n, (int)(n % 40),
                                     n % 3 ? "" : "\xc3\xa4");
    cell.s = (struct str){ text, (size_t)len };
    return cell;
}

static void write_made(const char *path, uint64_t seed, uint64_t rows)
{
    struct parquet_writer *w = NULL;
    struct err err = { 0 };
    static char texts[MADE_MAX][120];
    static struct parquet_cell cells[MADE_MAX];

    ck_assert_msg(parquet_create(path, made_columns, made_count, &w, &err) == 0, "%s", err.text);
    parquet_add_metadata(w, "test.seed", STR("some value"));
    for (uint64_t row = 0; row < rows; row++) {
        for (size_t c = 0; c < made_count; c++) {
            cells[c] = made_cell(c, seed, row);
            if (cells[c].s.len) {
                memcpy(texts[c], cells[c].s.ptr, cells[c].s.len);
                cells[c].s.ptr = texts[c];
            }
        }
        ck_assert_msg(parquet_add_row(w, cells, &err) == 0, "%s", err.text);
    }
    ck_assert_msg(parquet_finish(w, &err) == 0, "%s", err.text);
}

static void check_column(struct parquet_file *f, size_t c, uint64_t seed, struct parquet_values *v)
{
    uint64_t row = 0;
    struct err err = { 0 };

    for (size_t g = 0; g < parquet_group_count(f); g++) {
        ck_assert_msg(parquet_read(f, g, c, v, &err) == 0, "%s", err.text);
        ck_assert_uint_eq(v->count, parquet_group_rows(f, g));
        for (size_t i = 0; i < v->count; i++, row++) {
            struct parquet_cell want = made_cell(c, seed, row);
            bool is_null = v->is_null && v->is_null[i];
            bool same = is_null == want.is_null;
            if (made[c].column.type == PARQUET_STRING)
                same = same && (is_null ? v->codes[i] == 0
                                        : v->codes[i] < v->dictionary_len &&
                                              str_eq(v->dictionary[v->codes[i]], want.s));
            else
                same = same && v->ints[i] == (is_null ? 0 : want.i);
            if (!same) /* ck_assert per value would be slow */
                ck_abort_msg("column %s, row %" PRIu64, made_names[c], row);
        }
    }
    ck_assert_uint_eq(row, parquet_rows(f));
}

static const uint64_t row_counts[] = { 0,    1,     2,     7,     8,     9,     33,
                                       1000, 49151, 49152, 49153, 98304, 131075 };

START_TEST(every_type_and_pattern_comes_back_as_written)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    CLEANUP(parquet_values_release) struct parquet_values v = { 0 };
    struct err err = { 0 };
    const char *path = temp_path("made.parquet");
    uint64_t seed = (uint64_t)_i + 1, rows = row_counts[_i];

    make_columns();
    write_made(path, seed, rows);
    ck_assert_msg(parquet_open(path, &f, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(parquet_rows(f), rows);
    /* So many columns fill the memory a group may take before its rows. */
    ck_assert_uint_ge(parquet_group_count(f), (rows + PARQUET_GROUP_ROWS - 1) / PARQUET_GROUP_ROWS);
    for (size_t g = 0; g < parquet_group_count(f); g++)
        ck_assert_uint_le(parquet_group_rows(f, g), PARQUET_GROUP_ROWS);
    ck_assert_uint_eq(parquet_column_count(f), made_count);
    ck_assert(str_eq(parquet_metadata(f, "test.seed"), STR("some value")));
    ck_assert_ptr_null(parquet_metadata(f, "test.sees").ptr);
    for (size_t c = 0; c < made_count; c++) {
        const struct parquet_column *column = parquet_column_at(f, c);
        ck_assert_str_eq(column->name, made_names[c]);
        ck_assert_int_eq(column->type, made[c].column.type);
        ck_assert_int_eq(column->optional, made[c].column.optional);
        ck_assert_int_eq(parquet_column_find(f, made_names[c]), (int)c);
        check_column(f, c, seed, &v);
    }
    ck_assert_int_eq(parquet_column_find(f, "t9"), -1);
}
END_TEST

/* One column of a type. */
static struct parquet_writer *create_one(const char *path, enum parquet_type type, bool optional)
{
    struct parquet_column column = { "one", type, optional };
    struct parquet_writer *w = NULL;
    struct err err;

    ck_assert_int_eq(parquet_create(path, &column, 1, &w, &err), 0);
    return w;
}

START_TEST(a_group_ends_after_its_rows)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    struct parquet_writer *w = create_one(temp_path("one"), PARQUET_INT64, false);
    struct err err = { 0 };

    for (int64_t i = 0; i < PARQUET_GROUP_ROWS + 1; i++) {
        struct parquet_cell cell = { .i = i };
        ck_assert_int_eq(parquet_add_row(w, &cell, &err), 0);
    }
    ck_assert_int_eq(parquet_finish(w, &err), 0);
    ck_assert_int_eq(parquet_open(temp_path("one"), &f, &err), 0);
    ck_assert_uint_eq(parquet_group_count(f), 2);
    ck_assert_uint_eq(parquet_group_rows(f, 0), PARQUET_GROUP_ROWS);
    ck_assert_uint_eq(parquet_group_rows(f, 1), 1);
    ck_assert_uint_eq(parquet_rows(f), PARQUET_GROUP_ROWS + 1);
}
END_TEST

START_TEST(equal_rows_make_equal_bytes_with_mode_0600)
{
    CLEANUP(buf_release) struct buf a = { 0 };
    CLEANUP(buf_release) struct buf b = { 0 };
    struct err err;
    struct stat st;

    make_columns();
    write_made(temp_path("a"), 5, 3000);
    write_made(temp_path("b"), 99, 10);
    write_made(temp_path("b"), 5, 3000); /* replaces it */
    ck_assert_int_eq(file_read(temp_path("a"), FILE_BYTES_MAX, &a, &err), 0);
    ck_assert_int_eq(file_read(temp_path("b"), FILE_BYTES_MAX, &b, &err), 0);
    ck_assert_uint_eq(a.len, b.len);
    ck_assert_int_eq(memcmp(a.ptr, b.ptr, a.len), 0);
    ck_assert_int_eq(stat(temp_path("a"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
}
END_TEST

START_TEST(statistics_bound_the_values)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    struct err err = { 0 };

    make_columns();
    write_made(temp_path("made"), 3, 5000);
    ck_assert_int_eq(parquet_open(temp_path("made"), &f, &err), 0);
    for (size_t c = 0; c < made_count; c++) {
        int64_t min = INT64_MAX, max = INT64_MIN, got_min, got_max;
        bool any = false;
        for (uint64_t row = 0; row < 5000; row++) {
            struct parquet_cell cell = made_cell(c, 3, row);
            any |= !cell.is_null;
            if (!cell.is_null && cell.i < min)
                min = cell.i;
            if (!cell.is_null && cell.i > max)
                max = cell.i;
        }
        bool has = parquet_int_range(f, 0, c, &got_min, &got_max);
        ck_assert_int_eq(has, any && made[c].column.type != PARQUET_STRING);
        if (has) {
            ck_assert_int_eq(got_min, min);
            ck_assert_int_eq(got_max, max);
        }
    }
}
END_TEST

static const struct refused_row {
    enum parquet_type type;
    bool is_null;
    int64_t i;
    const char *message;
} refused_rows[] = {
    {PARQUET_INT64,       true,  0,                     "column 'one' cannot be null"         },
    { PARQUET_INT32,      false, INT64_C(1) << 31,      "column 'one' cannot hold 2147483648" },
    { PARQUET_INT32,      false, -(INT64_C(1) << 32),   "column 'one' cannot hold -4294967296"},
    { PARQUET_BOOL,       false, 2,                     "column 'one' cannot hold 2"          },
    { PARQUET_DECIMAL_12, false, 1000000000000000000LL,
     "column 'one' cannot hold 1000000000000000000"                                           },
};

START_TEST(a_refused_row_is_left_out_and_the_rest_stays)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    const struct refused_row *row = &refused_rows[_i];
    struct parquet_writer *w = create_one(temp_path("one"), row->type, false);
    struct parquet_cell good = { .i = 1 }, bad = { .is_null = row->is_null, .i = row->i };
    struct err err = { 0 };

    ck_assert_int_eq(parquet_add_row(w, &good, &err), 0);
    ck_assert_int_eq(parquet_add_row(w, &bad, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_str_eq(err.text, row->message);
    ck_assert_int_eq(parquet_add_row(w, &good, &err), 0);
    ck_assert_int_eq(parquet_finish(w, &err), 0);
    ck_assert_int_eq(parquet_open(temp_path("one"), &f, &err), 0);
    ck_assert_uint_eq(parquet_rows(f), 2);
}
END_TEST

/* Broken text, and what it becomes: Unicode 15, table 3-8 and others. */
static const struct utf8_row {
    struct str in, out;
} utf8_rows[] = {
    {STR_INIT("plain ascii, longer than a word"),       STR_INIT("plain ascii, longer than a word")       },
    { STR_INIT("a\0b"),                                 STR_INIT("a\0b")                                  },
    { STR_INIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"),
     STR_INIT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")                                                     },
    { STR_INIT("\xff"),                                 STR_INIT("\xef\xbf\xbd")                          },
    { STR_INIT("x\xc3"),                                STR_INIT("x\xef\xbf\xbd")                         },
    { STR_INIT("\xc0\xaf"),                             STR_INIT("\xef\xbf\xbd\xef\xbf\xbd")              },
    { STR_INIT("\xe2\x82z"),                            STR_INIT("\xef\xbf\xbdz")                         },
    { STR_INIT("\xed\xa0\x80"),                         STR_INIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")  },
    { STR_INIT("\xf0\x9f\x98"),                         STR_INIT("\xef\xbf\xbd")                          },
    { STR_INIT("\xf4\x90\x80\x80!"),
     STR_INIT("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd!")                                        },
    { STR_INIT("ok\xe0\x9f\x80"),                       STR_INIT("ok\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd")},
};

START_TEST(broken_utf8_is_replaced)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    CLEANUP(parquet_values_release) struct parquet_values v = { 0 };
    struct parquet_writer *w = create_one(temp_path("one"), PARQUET_STRING, false);
    struct err err = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(utf8_rows); i++) {
        struct parquet_cell cell = { .s = utf8_rows[i].in };
        ck_assert_int_eq(parquet_add_row(w, &cell, &err), 0);
    }
    ck_assert_int_eq(parquet_finish(w, &err), 0);
    ck_assert_int_eq(parquet_open(temp_path("one"), &f, &err), 0);
    ck_assert_int_eq(parquet_read(f, 0, 0, &v, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(utf8_rows); i++)
        ck_assert_msg(str_eq(v.dictionary[v.codes[i]], utf8_rows[i].out), "row %zu", i);
}
END_TEST

START_TEST(long_text_makes_more_pages_and_groups_and_too_long_text_is_refused)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    CLEANUP(parquet_values_release) struct parquet_values v = { 0 };
    struct parquet_writer *w = create_one(temp_path("one"), PARQUET_STRING, false);
    struct err err = { 0 };
    size_t len = 3u << 19, rows = 100, seen = 0;
    char *text = mem_calloc(PARQUET_STRING_BYTES_MAX + 1, 1);

    memset(text, 'x', PARQUET_STRING_BYTES_MAX);
    for (size_t i = 0; i < rows; i++) {
        struct parquet_cell cell = {
            .s = {text, len}
        };
        snprintf(text, 20, "%019zu", i);
        ck_assert_int_eq(parquet_add_row(w, &cell, &err), 0);
    }
    struct parquet_cell too_long = {
        .s = {text, PARQUET_STRING_BYTES_MAX + 1}
    };
    ck_assert_int_eq(parquet_add_row(w, &too_long, &err), -1);
    ck_assert_int_eq(parquet_finish(w, &err), 0);
    ck_assert_int_eq(parquet_open(temp_path("one"), &f, &err), 0);
    ck_assert_uint_eq(parquet_group_count(f), 2); /* 150 MiB by 96 MiB */
    for (size_t g = 0; g < 2; g++) {
        ck_assert_msg(parquet_read(f, g, 0, &v, &err) == 0, "%s", err.text);
        for (size_t i = 0; i < v.count; i++, seen++) {
            struct str s = v.dictionary[v.codes[i]];
            snprintf(text, 20, "%019zu", seen);
            ck_assert_uint_eq(s.len, len);
            ck_assert_int_eq(memcmp(s.ptr, text, len), 0);
        }
    }
    ck_assert_uint_eq(seen, rows);
    free(text);
}
END_TEST

/* 40 rows in 6 columns, small enough to break each bit of. */
static void write_small(const char *path)
{
    static const struct parquet_column columns[] = {
        {"when",  PARQUET_TIMESTAMP_US, false},
        { "who",  PARQUET_STRING,       true },
        { "id",   PARQUET_STRING,       false},
        { "n",    PARQUET_INT32,        true },
        { "ok",   PARQUET_BOOL,         true },
        { "cost", PARQUET_DECIMAL_12,   true },
    };
    struct parquet_writer *w = NULL;
    struct err err;
    char id[30];

    ck_assert_int_eq(parquet_create(path, columns, ARRAY_LEN(columns), &w, &err), 0);
    parquet_add_metadata(w, "k", STR("v"));
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof(id), "id-%d", i * 977);
        struct parquet_cell cells[ARRAY_LEN(columns)] = {
            [0].i = 1700000000000000 + i * 1234,
            [1].s = str_from(i % 3 ? "alice" : "bob"),
            [2].s = str_from(id),
            [3].i = i % 5,
            [4].i = i % 2,
            [5].i = i * 1000003,
        };
        cells[1].is_null = i % 7 == 0;
        cells[3].is_null = i > 30;
        cells[4].is_null = i % 2 == 0;
        ck_assert_int_eq(parquet_add_row(w, cells, &err), 0);
    }
    ck_assert_int_eq(parquet_finish(w, &err), 0);
}

/* Reads everything: 0 and a hash of all there is, or -1. */
static int read_all(const char *path, uint32_t *ret_hash, struct err *err)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    CLEANUP(parquet_values_release) struct parquet_values v = { 0 };

    if (parquet_open(path, &f, err) < 0)
        return -1;
    *ret_hash = (uint32_t)parquet_rows(f);
    for (size_t g = 0; g < parquet_group_count(f); g++) {
        for (size_t c = 0; c < parquet_column_count(f); c++) {
            if (parquet_read(f, g, c, &v, err) < 0)
                return -1;
            if (v.ints)
                *ret_hash = crc32_ieee(*ret_hash, v.ints, v.count * sizeof(*v.ints));
            for (size_t i = 0; v.codes && i < v.count; i++)
                *ret_hash = crc32_ieee(*ret_hash, v.dictionary[v.codes[i]].ptr,
                                       v.dictionary[v.codes[i]].len);
            if (v.is_null)
                *ret_hash = crc32_ieee(*ret_hash, v.is_null, v.count);
        }
    }
    return 0;
}

/* Overwrites path in place: open and truncate would cost most of the time. */
static void put_file(int fd, struct str bytes)
{
    ck_assert_int_eq(ftruncate(fd, (off_t)bytes.len), 0);
    ck_assert_int_eq(pwrite(fd, bytes.ptr, bytes.len, 0), (ssize_t)bytes.len);
}

START_TEST(a_file_cut_anywhere_is_an_error)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    const char *path = temp_path("small");
    struct err err = { 0 };
    uint32_t hash;

    write_small(path);
    ck_assert_int_eq(file_read(path, FILE_BYTES_MAX, &bytes, &err), 0);
    for (size_t len = bytes.len; len-- > 0;) {
        ck_assert_int_eq(truncate(path, (off_t)len), 0);
        err = (struct err){ 0 };
        ck_assert_msg(read_all(path, &hash, &err) < 0, "cut to %zu bytes", len);
        ck_assert_msg(err.code == ERR_CORRUPT || err.code == ERR_LIMIT, "%zu: %s", len, err.text);
    }
}
END_TEST

START_TEST(a_flipped_bit_anywhere_is_an_error)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    const char *path = temp_path("small");
    struct err err = { 0 };
    uint32_t hash;

    write_small(path);
    ck_assert_int_eq(file_read(path, FILE_BYTES_MAX, &bytes, &err), 0);
    ck_assert_int_eq(read_all(path, &hash, &err), 0);
    int fd = open(path, O_WRONLY);
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        char flipped = (char)(bytes.ptr[bit / 8] ^ (1 << bit % 8));
        ck_assert_int_eq(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
        err = (struct err){ 0 };
        ck_assert_msg(read_all(path, &hash, &err) < 0, "bit %zu of byte %zu", bit % 8, bit / 8);
        ck_assert_int_ne(err.code, ERR_NONE);
        ck_assert_int_ne(err.code, ERR_SYS);
        ck_assert_int_eq(pwrite(fd, &bytes.ptr[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    close(fd);
    ck_assert_int_eq(read_all(path, &hash, &err), 0);
}
END_TEST

/* The same file as another program might have written it: no seal, and not created by weir. */
static void unseal(struct buf *bytes)
{
    size_t footer_len = le32_get((uint8_t *)bytes->ptr + bytes->len - 8);
    size_t footer_at = bytes->len - 8 - footer_len;
    uint32_t chunks = le32_get((uint8_t *)bytes->ptr + footer_at - 16);
    size_t seal_at = footer_at - 24 - 4 * (size_t)chunks;
    ptrdiff_t by = str_find(buf_str(bytes), STR("weir version"), footer_at);

    ck_assert_int_gt(by, 0);
    bytes->ptr[by] = 'm';
    memmove(bytes->ptr + seal_at, bytes->ptr + footer_at, bytes->len - footer_at);
    bytes->len -= footer_at - seal_at;
}

START_TEST(files_of_others_are_read_and_their_page_checksums_checked)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    const char *path = temp_path("small");
    struct err err = { 0 };
    uint32_t hash, unsealed_hash;

    write_small(path);
    ck_assert_int_eq(read_all(path, &hash, &err), 0);
    ck_assert_int_eq(file_read(path, FILE_BYTES_MAX, &bytes, &err), 0);
    unseal(&bytes);
    int fd = open(path, O_WRONLY);
    put_file(fd, buf_str(&bytes));
    ck_assert_msg(read_all(path, &unsealed_hash, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(hash, unsealed_hash);

    /* The last byte of the last page stands before the footer. */
    size_t last = bytes.len - 8 - le32_get((uint8_t *)bytes.ptr + bytes.len - 8) - 1;
    bytes.ptr[last] ^= 1;
    put_file(fd, buf_str(&bytes));
    close(fd);
    ck_assert_int_eq(read_all(path, &hash, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "column 'cost' of row group 0: page at byte"));
    ck_assert_ptr_nonnull(strstr(err.text, "the checksum is wrong"));
}
END_TEST

START_TEST(damage_to_files_of_others_never_crashes_and_never_passes_in_a_page)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    const char *path = temp_path("small");
    struct err err = { 0 };
    uint32_t hash, other;
    size_t changed = 0;

    write_small(path);
    ck_assert_int_eq(file_read(path, FILE_BYTES_MAX, &bytes, &err), 0);
    unseal(&bytes);
    int fd = open(path, O_WRONLY);
    put_file(fd, buf_str(&bytes));
    ck_assert_int_eq(read_all(path, &hash, &err), 0);
    for (size_t bit = 0; bit < bytes.len * 8; bit++) {
        char flipped = (char)(bytes.ptr[bit / 8] ^ (1 << bit % 8));
        ck_assert_int_eq(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
        if (read_all(path, &other, &err) == 0 && other != hash)
            changed++;
        ck_assert_int_eq(pwrite(fd, &bytes.ptr[bit / 8], 1, (off_t)(bit / 8)), 1);
    }
    close(fd);
    /* Only page headers and the footer are open to it, and few of their bits: 12 when written. */
    ck_assert_uint_lt(changed, 40);
}
END_TEST

START_TEST(random_damage_to_files_of_others_never_crashes)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(buf_release) struct buf broken = { 0 };
    const char *path = temp_path("small");
    struct err err = { 0 };
    uint32_t hash;

    write_small(path);
    ck_assert_int_eq(file_read(path, FILE_BYTES_MAX, &bytes, &err), 0);
    unseal(&bytes);
    int fd = open(path, O_WRONLY);
    for (uint64_t turn = 0; turn < 20000; turn++) {
        buf_clear(&broken);
        buf_add_str(&broken, buf_str(&bytes));
        for (uint64_t k = 0; k <= mix(turn, 0, 0) % 4; k++)
            broken.ptr[mix(turn, k, 1) % broken.len] = (char)mix(turn, k, 2);
        put_file(fd, buf_str(&broken));
        read_all(path, &hash, &err);
    }
    close(fd);
}
END_TEST

START_TEST(a_write_that_fails_anywhere_is_an_error)
{
    struct rlimit before, limit;
    struct err err;
    unsigned failures = 0;

    make_columns();
    write_made(temp_path("whole"), 4, 50);
    struct stat st;
    ck_assert_int_eq(stat(temp_path("whole"), &st), 0);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (off_t max = 0; max < st.st_size; max += 1 + st.st_size / 97) {
        struct parquet_writer *w = NULL;
        struct parquet_cell cells[MADE_MAX];
        limit = before;
        limit.rlim_cur = (rlim_t)max;
        err = (struct err){ 0 };
        setrlimit(RLIMIT_FSIZE, &limit); /* no assertion until it is undone: Check writes, too */
        int got = parquet_create(temp_path("cut"), made_columns, made_count, &w, &err);
        for (uint64_t row = 0; got == 0 && row < 50; row++) {
            for (size_t c = 0; c < made_count; c++) {
                cells[c] = made_cell(c, 4, row);
                cells[c].s = STR("always the same");
            }
            got = parquet_add_row(w, cells, &err);
        }
        if (w)
            got = parquet_finish(w, &err);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        struct stat cut;
        ck_assert_int_eq(stat(temp_path("cut"), &cut), 0);
        ck_assert_msg(got == -1 || cut.st_size <= max, "%ld of %ld", (long)max, (long)st.st_size);
        if (got == 0)
            break;
        ck_assert_int_eq(err.code, ERR_SYS);
        failures++;
    }
    ck_assert_uint_gt(failures, 20);
}
END_TEST

START_TEST(a_full_disk_and_a_missing_folder_are_errors)
{
    struct parquet_column column = { "one", PARQUET_INT64, false };
    struct parquet_writer *w = NULL;
    struct err err = { 0 };

    ck_assert_int_eq(parquet_create(temp_path("no/such/folder"), &column, 1, &w, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot create"));
    ck_assert_int_eq(parquet_create("/dev/full", &column, 1, &w, &err), -1);
    ck_assert_int_eq(err.code, ERR_SYS);
    ck_assert_ptr_null(w);
    parquet_abandon(NULL);
}
END_TEST

static void expect_refused(struct str bytes, const char *message)
{
    struct parquet_file *f = NULL;
    struct err err = { 0 };

    ck_assert_int_eq(file_replace(temp_path("bad"), bytes, 0600, &err), 0);
    ck_assert_int_eq(parquet_open(temp_path("bad"), &f, &err), -1);
    ck_assert_msg(strstr(err.text, message) != NULL, "%s", err.text);
}

START_TEST(what_is_no_parquet_file_is_refused_with_the_reason)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct parquet_file *f = NULL;
    struct err err = { 0 };

    expect_refused(STR(""), "only 0 bytes");
    expect_refused(STR("PAR1PAR1"), "only 8 bytes");
    expect_refused(STR("hello hello hello"), "does not begin with PAR1");
    expect_refused(STR("PAR1 hello hello"), "does not end with PAR1");
    expect_refused(STR("PAR1....\4\0\0\0PARE"), "encrypted");
    expect_refused(STR("PAR1....\xff\0\0\0PAR1"), "a footer of 255 bytes is longer than the file");
    expect_refused(STR("PAR1\0\1\0\0\0PAR1"), "FileMetaData.version is missing");
    ck_assert_int_eq(parquet_open(temp_path("none"), &f, &err), -1);
    ck_assert_int_eq(err.code, ERR_SYS);
    ck_assert_int_eq(parquet_open(temp_folder, &f, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "no regular file"));

    write_small(temp_path("small"));
    ck_assert_int_eq(file_read(temp_path("small"), FILE_BYTES_MAX, &bytes, &err), 0);
    ptrdiff_t seal = str_find(buf_str(&bytes), STR("weirseal"), 0);
    ck_assert_int_gt(seal, 0);
    bytes.ptr[seal] = 'W';
    expect_refused(buf_str(&bytes), "the seal before the footer is missing");
    bytes.ptr[seal] = 'w';
    bytes.ptr[seal - 1] ^= 1;
    expect_refused(buf_str(&bytes), "the seal before the footer is damaged");
    bytes.ptr[seal - 1] ^= 1;
    bytes.ptr[seal + 12] ^= 1;
    expect_refused(buf_str(&bytes), "does not match its checksum");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, every_type_and_pattern_comes_back_as_written, 0,
                        (int)ARRAY_LEN(row_counts));
    tcase_add_test(tc, a_group_ends_after_its_rows);
    tcase_add_test(tc, equal_rows_make_equal_bytes_with_mode_0600);
    tcase_add_test(tc, statistics_bound_the_values);
    tcase_add_loop_test(tc, a_refused_row_is_left_out_and_the_rest_stays, 0,
                        (int)ARRAY_LEN(refused_rows));
    tcase_add_test(tc, broken_utf8_is_replaced);
    tcase_add_test(tc, long_text_makes_more_pages_and_groups_and_too_long_text_is_refused);
    tcase_add_test(tc, a_file_cut_anywhere_is_an_error);
    tcase_add_test(tc, a_flipped_bit_anywhere_is_an_error);
    tcase_add_test(tc, files_of_others_are_read_and_their_page_checksums_checked);
    tcase_add_test(tc, damage_to_files_of_others_never_crashes_and_never_passes_in_a_page);
    tcase_add_test(tc, random_damage_to_files_of_others_never_crashes);
    tcase_add_test(tc, a_write_that_fails_anywhere_is_an_error);
    tcase_add_test(tc, a_full_disk_and_a_missing_folder_are_errors);
    tcase_add_test(tc, what_is_no_parquet_file_is_refused_with_the_reason);
}
CHECK_MAIN("capture/parquet", add_tests)

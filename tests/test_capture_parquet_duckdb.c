#include "config.h"

#include "capture/parquet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check_main.h"

/* Files that DuckDB 1.5.6 made with
 *
 *     COPY (SELECT i::BIGINT AS id, (i*i % 97)::INTEGER AS n,
 *               CASE WHEN i % 3 = 0 THEN NULL ELSE 'g' || (i % 4) END AS word,
 *               'unique-' || (i * 7919 % 100003) AS text, i % 2 = 0 AS flag,
 *               make_timestamptz(1762000000000000 + i * 1000003) AS at,
 *               CASE WHEN i % 5 = 0 THEN NULL ELSE (i * 0.000000000123)::DECIMAL(18,12) END AS
 * cost, i::DOUBLE AS other FROM range(300) t(i)) TO ... (FORMAT parquet, COMPRESSION ...,
 * PARQUET_VERSION ...)
 *
 * tests/interop makes larger ones where npm is within reach. */
#define ROWS 300

static const char *const files[] = {
    "duckdb-v1-gzip", "duckdb-v1-snappy", "duckdb-v1-uncompressed", "duckdb-v1-zstd",
    "duckdb-v2-gzip", "duckdb-v2-snappy", "duckdb-v2-uncompressed", "duckdb-v2-zstd",
};

static struct parquet_file *open_corpus(const char *name)
{
    const char *srcdir = getenv("srcdir");
    struct parquet_file *f = NULL;
    struct err err = { 0 };
    char path[4096];

    snprintf(path, sizeof(path), "%s/fuzz/corpus/parquet/%s.parquet", srcdir ? srcdir : ".", name);
    ck_assert_msg(parquet_open(path, &f, &err) == 0, "%s", err.text);
    return f;
}

static void expect_text(const struct parquet_values *v, size_t row, bool is_null, const char *text)
{
    ck_assert_int_eq(v->is_null && v->is_null[row], is_null);
    if (is_null)
        return;
    struct str got = v->dictionary[v->codes[row]];
    ck_assert_msg(str_eq(got, str_from(text)), "row %zu: %.*s", row, STR_ARG(got));
}

static void expect_int(const struct parquet_values *v, size_t row, bool is_null, int64_t value)
{
    ck_assert_int_eq(v->is_null && v->is_null[row], is_null);
    ck_assert_int_eq(v->ints[row], is_null ? 0 : value);
}

static const struct column_row {
    const char *name;
    enum parquet_type type;
} columns[] = {
    {"id",     PARQUET_INT64       },
    { "n",     PARQUET_INT32       },
    { "word",  PARQUET_STRING      },
    { "text",  PARQUET_STRING      },
    { "flag",  PARQUET_BOOL        },
    { "at",    PARQUET_TIMESTAMP_US},
    { "cost",  PARQUET_DECIMAL_12  },
    { "other", PARQUET_OTHER       },
};

START_TEST(what_duckdb_writes_reads_as_it_was_made)
{
    CLEANUP(parquet_close) struct parquet_file *f = open_corpus(files[_i]);
    struct parquet_values v[ARRAY_LEN(columns)] = { 0 };
    struct err err = { 0 };
    char text[40];

    ck_assert_uint_eq(parquet_column_count(f), ARRAY_LEN(columns));
    ck_assert_uint_eq(parquet_rows(f), ROWS);
    ck_assert_uint_eq(parquet_group_count(f), 1);
    for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
        ck_assert_str_eq(parquet_column_at(f, c)->name, columns[c].name);
        ck_assert_int_eq(parquet_column_at(f, c)->type, columns[c].type);
        int got = parquet_read(f, 0, c, &v[c], &err);
        ck_assert_msg(got == (columns[c].type == PARQUET_OTHER ? -1 : 0), "%s", err.text);
    }
    for (size_t i = 0; i < ROWS; i++) {
        int64_t n = (int64_t)i;
        expect_int(&v[0], i, false, n);
        expect_int(&v[1], i, false, n * n % 97);
        snprintf(text, sizeof(text), "g%zu", i % 4);
        expect_text(&v[2], i, i % 3 == 0, text);
        snprintf(text, sizeof(text), "unique-%zu", i * 7919 % 100003);
        expect_text(&v[3], i, false, text);
        expect_int(&v[4], i, false, i % 2 == 0);
        expect_int(&v[5], i, false, 1762000000000000 + n * 1000003);
        expect_int(&v[6], i, i % 5 == 0, n * 123);
    }
    for (size_t c = 0; c < ARRAY_LEN(columns); c++)
        parquet_values_release(&v[c]);
}
END_TEST

START_TEST(a_column_of_another_type_is_refused_alone)
{
    CLEANUP(parquet_close) struct parquet_file *f = open_corpus(files[0]);
    CLEANUP(parquet_values_release) struct parquet_values v = { 0 };
    struct err err = { 0 };

    ck_assert_int_eq(parquet_read(f, 0, 7, &v, &err), -1);
    ck_assert_int_eq(err.code, ERR_UNSUPPORTED);
    ck_assert_str_eq(err.text, "column 'other' of row group 0: a type that is not read");
    ck_assert_int_eq(parquet_read(f, 0, 0, &v, &err), 0);
    ck_assert_uint_eq(v.count, ROWS);
}
END_TEST

START_TEST(ranges_come_from_duckdbs_statistics)
{
    CLEANUP(parquet_close) struct parquet_file *f = open_corpus(files[_i]);
    int64_t min = 0, max = 0;

    ck_assert(parquet_int_range(f, 0, 5, &min, &max));
    ck_assert_int_eq(min, 1762000000000000);
    ck_assert_int_eq(max, 1762000000000000 + (ROWS - 1) * INT64_C(1000003));
    ck_assert(!parquet_int_range(f, 0, 2, &min, &max));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, what_duckdb_writes_reads_as_it_was_made, 0, (int)ARRAY_LEN(files));
    tcase_add_test(tc, a_column_of_another_type_is_refused_alone);
    tcase_add_loop_test(tc, ranges_come_from_duckdbs_statistics, 0, (int)ARRAY_LEN(files));
}
CHECK_MAIN("capture/parquet from DuckDB", add_tests)

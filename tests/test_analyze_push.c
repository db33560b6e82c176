#include "config.h"

#include "tests/check_main.h"

#include <stdio.h>
#include <string.h>

#include "analyze/clickhouse.h"
#include "analyze/push_s3.h"
#include "analyze/push_table.h"
#include "analyze/where_sql.h"

/* --- where the server is --- */

static int open_url(const char *url, struct clickhouse **ret, struct err *err)
{
    const struct clickhouse_options o = { .url = str_from(url) };

    return clickhouse_open(&o, ret, err);
}

static const struct {
    const char *url, *table;
} urls[] = {
    {"clickhouse://h/d",                  "`d`.`weir_ledger`"},
    { "clickhouse://h:1/d",               "`d`.`weir_ledger`"},
    { "clickhouses://h/d?table=t_1",      "`d`.`t_1`"        },
    { "clickhouses://[::1]:8443/d",       "`d`.`weir_ledger`"},
    { "clickhouse://[::1]/d?table=Usage", "`d`.`Usage`"      },
};

START_TEST(a_url_names_database_and_table)
{
    CLEANUP(clickhouse_close) struct clickhouse *c = NULL;
    struct err err;

    ck_assert_int_eq(open_url(urls[_i].url, &c, &err), 0);
    ck_assert_str_eq(clickhouse_table(c), urls[_i].table);
}
END_TEST

static const char *const bad_urls[] = {
    "http://h/d",
    "clickhouse://h",
    "clickhouse://h/",
    "clickhouse:///d",
    "clickhouse://h/d/e",
    "clickhouse://h/d`; DROP TABLE x",
    "clickhouse://h/d?table=",
    "clickhouse://h/d?table=a-b",
    "clickhouse://h/d?user=me",
    "clickhouse://me:hunter2@h/d",
    "clickhouse://h:99999/d",
};

START_TEST(any_other_url_is_refused_without_showing_it)
{
    CLEANUP(clickhouse_close) struct clickhouse *c = NULL;
    struct err err;

    ck_assert_int_eq(open_url(bad_urls[_i], &c, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_ptr_null(strstr(err.text, "hunter2"));
}
END_TEST

static const struct {
    const char *url, *bucket, *prefix;
} stores[] = {
    {"s3://data",           "data",    ""     },
    { "s3://data/",         "data",    ""     },
    { "s3://data/a/b=1/",   "data",    "a/b=1"},
    { "s3://data//a",       "data",    "a"    },
    { "s3://my.data/x-_.~", "my.data", "x-_.~"},
};

START_TEST(a_store_s_url_names_bucket_and_prefix)
{
    struct str bucket, prefix;
    struct err err;

    ck_assert_int_eq(push_s3_url(str_from(stores[_i].url), &bucket, &prefix, &err), 0);
    ck_assert(str_eq(bucket, str_from(stores[_i].bucket)));
    ck_assert(str_eq(prefix, str_from(stores[_i].prefix)));
}
END_TEST

static const char *const bad_stores[] = { "S3://data", "s3://data/a b", "s3://data/a//b",
                                          "s3://data/a?x", "s3://data/\xc3\xa4" };

START_TEST(a_prefix_that_would_need_escapes_is_refused)
{
    struct str bucket, prefix;
    struct err err;

    ck_assert_int_eq(push_s3_url(str_from(bad_stores[_i]), &bucket, &prefix, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
}
END_TEST

static const struct {
    const char *bucket, *endpoint, *key;
} bad_options[] = {
    {"A",    NULL,                  "k" },
    { "a/b", NULL,                  "k" },
    { "abc", "ftp://h",             "k" },
    { "abc", "http://h/path",       "k" },
    { "abc", "http://me:secret@h/", "k" },
    { "abc", NULL,                  NULL},
};

START_TEST(a_store_without_a_name_a_host_or_a_key_is_refused)
{
    const struct s3_options o = { .bucket = str_from(bad_options[_i].bucket),
                                  .endpoint = bad_options[_i].endpoint,
                                  .access_key = bad_options[_i].key,
                                  .secret_key = bad_options[_i].key };
    CLEANUP(s3_close) struct s3 *s = NULL;
    struct err err;

    ck_assert_int_eq(s3_open(&o, &s, &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_ptr_null(strstr(err.text, "secret@"));
}
END_TEST

/* --- filters --- */

static const struct {
    const char *where, *sql;
} filters[] = {
    {"status >= 400",                "ifNull(status >= 400, 0)"                                    },
    { "not cached_input_tokens = 1", "(NOT ifNull(cached_input_tokens = 1, 0))"                    },
    { "team is null",                "(team = '')"                                                 },
    { "first_token_us is not null",  "(NOT isNull(first_token_us))"                                },
    { "stream and not billable",     "(ifNull(stream != 0, 0) AND (NOT ifNull(billable != 0, 0)))" },
    { "app in ('a', 'it''s')",       "ifNull(app IN ('a', 'it\\'s'), 0)"                           },
    { "app = 'back\\slash'",         "ifNull(app = 'back\\\\slash', 0)"                            },
    { "reported_cost_usd < 0.5",     "ifNull(reported_cost_pusd < 500000000000, 0)"                },
    { "provider = 'bedrock'",        "ifNull(provider = 'aws.bedrock', 0)"                         },
    { "started_at in '1970-01-01'",
     "ifNull(started_at_us >= 0 AND started_at_us < 86400000000, 0)"                               },
    { "model ~ 'a*'",                "((length(model) >= 1 AND substring(model, 1, 1) = 'a'))"     },
    { "model !~ '*b'",               "(NOT (length(model) >= 1 AND substring(model, -1) = 'b'))"   },
    { "model ~ 'exact'",             "((model = 'exact'))"                                         },
    { "model ~ '*x*'",               "((length(model) >= 0 AND position(substring(model, 1, "
                       "greatest(toInt64(length(model)) - 0, 0)), 'x') > 0))"},
};

START_TEST(a_filter_becomes_sql_that_passes_the_same_rows)
{
    CLEANUP(where_free) struct where *w = NULL;
    CLEANUP(buf_release) struct buf sql = { 0 };
    struct err err;

    ck_assert_int_eq(where_parse(str_from(filters[_i].where), NULL, &w, &err), 0);
    ck_assert_int_eq(where_sql(w, &sql, &err), 0);
    ck_assert_str_eq(buf_cstr(&sql), filters[_i].sql);
}
END_TEST

static const char *const unsayable[] = { "model ~ 'a?'", "model ~ '*a*b*'" };

START_TEST(a_filter_that_sql_reads_otherwise_is_refused)
{
    CLEANUP(where_free) struct where *w = NULL;
    CLEANUP(buf_release) struct buf sql = { 0 };
    struct err err;

    ck_assert_int_eq(where_parse(str_from(unsayable[_i]), NULL, &w, &err), 0);
    ck_assert_int_eq(where_sql(w, &sql, &err), -1);
    ck_assert_int_eq(err.code, ERR_UNSUPPORTED);
}
END_TEST

/* --- rows --- */

START_TEST(long_strings_have_long_lengths)
{
    CLEANUP(buf_release) struct buf text = { 0 }, out = { 0 };

    for (int i = 0; i < 300; i++)
        buf_add_byte(&text, 'x');
    clickhouse_put_string(&out, buf_str(&text));
    ck_assert_uint_eq(out.len, 302);
    ck_assert_int_eq((uint8_t)out.ptr[0], 0xac);
    ck_assert_int_eq((uint8_t)out.ptr[1], 0x02);
}
END_TEST

START_TEST(integers_are_little_endian)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    clickhouse_put_int(&out, -2, 8);
    clickhouse_put_int(&out, 0x0102, 2);
    ck_assert_uint_eq(out.len, 10);
    ck_assert_mem_eq(out.ptr, "\xfe\xff\xff\xff\xff\xff\xff\xff\x02\x01", 10);
}
END_TEST

START_TEST(the_table_has_every_column_of_the_ledger)
{
    CLEANUP(clickhouse_close) struct clickhouse *c = NULL;
    CLEANUP(buf_release) struct buf sql = { 0 };
    struct err err;

    ck_assert_int_eq(open_url("clickhouse://h/d", &c, &err), 0);
    push_table_schema(c, &sql);
    for (int i = 0; i < LEDGER_COLUMN_COUNT; i++) {
        char line[80];
        snprintf(line, sizeof(line), ",\n    %s ", push_table_column((enum ledger_column)i));
        ck_assert_msg(strstr(buf_cstr(&sql), line), "%s", line);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_url_names_database_and_table, 0, ARRAY_LEN(urls));
    tcase_add_loop_test(tc, any_other_url_is_refused_without_showing_it, 0, ARRAY_LEN(bad_urls));
    tcase_add_loop_test(tc, a_store_s_url_names_bucket_and_prefix, 0, ARRAY_LEN(stores));
    tcase_add_loop_test(tc, a_prefix_that_would_need_escapes_is_refused, 0, ARRAY_LEN(bad_stores));
    tcase_add_loop_test(tc, a_store_without_a_name_a_host_or_a_key_is_refused, 0,
                        ARRAY_LEN(bad_options));
    tcase_add_loop_test(tc, a_filter_becomes_sql_that_passes_the_same_rows, 0, ARRAY_LEN(filters));
    tcase_add_loop_test(tc, a_filter_that_sql_reads_otherwise_is_refused, 0, ARRAY_LEN(unsayable));
    tcase_add_test(tc, long_strings_have_long_lengths);
    tcase_add_test(tc, integers_are_little_endian);
    tcase_add_test(tc, the_table_has_every_column_of_the_ledger);
}

CHECK_MAIN("analyze/push", add_tests)

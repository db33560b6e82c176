/* Rows as RFC 4180 has them, as spreadsheets write them, and as neither should. */
#include "config.h"

#include "base/csv.h"

#include <stdio.h>
#include <string.h>

#include "tests/check_main.h"

static struct err err;

static FILE *open_text(struct str text)
{
    FILE *file = tmpfile();

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text.ptr, 1, text.len, file), text.len);
    rewind(file);
    return file;
}

/* All rows as "line:[field][field] ", errors as "!" and their text. */
static void read_all(struct str text, char separator, struct buf *ret)
{
    FILE *file = open_text(text);
    CLEANUP(csv_reader_free) struct csv_reader *r = csv_reader_new(file, separator);
    const struct str *fields;
    size_t count;
    int got, errors = 0;

    while ((got = csv_reader_next(r, &fields, &count, &err)) != 0) {
        buf_addf(ret, "%s", ret->len ? " " : "");
        if (got < 0) {
            buf_addf(ret, "!%s", err.text);
            if (++errors == 4)
                break;
            continue;
        }
        buf_addf(ret, "%d:", (int)csv_reader_line(r));
        for (size_t i = 0; i < count; i++)
            buf_addf(ret, "[%.*s]", STR_ARG(fields[i]));
    }
    fclose(file);
}

static const struct row {
    char separator;
    const char *text, *expected;
} rows[] = {
    {',',   "",                     ""                   },
    { ',',  "\n\r\n\n",             ""                   },
    { ',',  "a",                    "1:[a]"              },
    { ',',  "a,b\n",                "1:[a][b]"           },
    { ',',  "a,b\r\nc,d\r\n",       "1:[a][b] 2:[c][d]"  },
    { ',',  "a,b\r",                "1:[a][b]"           },
    { ',',  "a\n\n\nb",             "1:[a] 4:[b]"        },
    { ',',  "\r\na",                "2:[a]"              },
    { ',',  ",",                    "1:[][]"             },
    { ',',  "a,\n,b\n",             "1:[a][] 2:[][b]"    },
    { ',',  "\"\"\n",               "1:[]"               },
    { ',',  "\"a\",\"b,c\"",        "1:[a][b,c]"         },
    { ',',  "\"a\"\"b\",\"\"\"\"",  "1:[a\"b][\"]"       },
    { ',',  "\"a\r\nb\",c\nd",      "1:[a\r\nb][c] 3:[d]"},
    { ',',  "\"a\"\r\n\"b\"\r\n",   "1:[a] 2:[b]"        },
    { ',',  "\"a\"\r",              "1:[a]"              },
    { ',',  "a\"b,5\" disk\n",      "1:[a\"b][5\" disk]" },
    { ',',  " \"a\" , b",           "1:[ \"a\" ][ b]"    },
    { ',',  "a\rb,c\n",             "1:[a\rb][c]"        },
    { ',',
     "\xef\xbb\xbf"
      "a,b\n",                      "1:[a][b]"           },
    { ',',  "\xef\xbb\xbf",         ""                   },
    { ',',  "\xef\xbb\xbf\"a,\"\n", "1:[a,]"             },
    { ',',
     "a,\xef\xbb\xbf"
      "b",                          "1:[a][\xef\xbb\xbf"
      "b]"                                     },
    { ';',  "a,b;\"c;d\"\n",        "1:[a,b][c;d]"       },
    { '\t', "a\tb c\t\"d\te\"\n",   "1:[a][b c][d\te]"   },
    { '|',  "a||b",                 "1:[a][][b]"         },
};

START_TEST(a_text_gives_its_rows)
{
    CLEANUP(buf_release) struct buf got = { 0 };

    read_all(str_from(rows[_i].text), rows[_i].separator, &got);
    ck_assert_str_eq(buf_cstr(&got), rows[_i].expected);
}
END_TEST

static const struct row broken[] = {
    {',',  "a\n\"b\nc\n",         "1:[a] !line 2: a field begins with a quote that is never closed"},
    { ',', "\"",                  "!line 1: a field begins with a quote that is never closed"      },
    { ',', "a,\"b\"c,d\ne\n",
     "!line 1: text after the closing quote of field 2 (a quote within a quoted field is written "
      "twice) 2:[e]"                                                                               },
    { ',', "x\n\"a\nb\" ,d\ne\n",
     "1:[x] !line 3: text after the closing quote of field 1 (a quote within a quoted field is "
      "written twice) 4:[e]"                                                                       },
    { ',', "\"a\"\rb\nc",
     "!line 1: text after the closing quote of field 1 (a quote within a quoted field is written "
      "twice) 2:[c]"                                                                               },
};

START_TEST(a_broken_row_is_named_by_its_line_and_reading_goes_on_after_it)
{
    CLEANUP(buf_release) struct buf got = { 0 };

    read_all(str_from(broken[_i].text), ',', &got);
    ck_assert_str_eq(buf_cstr(&got), broken[_i].expected);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
}
END_TEST

START_TEST(utf_16_is_named_as_such_and_stays_an_error)
{
    static const struct str texts[] = { STR_INIT("\xff\xfe"
                                                 "a\0,\0"),
                                        STR_INIT("\xfe\xff\0a\0,") };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        CLEANUP(buf_release) struct buf got = { 0 };
        read_all(texts[i], ',', &got);
        ck_assert_ptr_nonnull(strstr(buf_cstr(&got), "UTF-16"));
        ck_assert_ptr_null(strstr(buf_cstr(&got), "["));
    }
}
END_TEST

START_TEST(nul_and_other_bytes_are_data)
{
    FILE *file = open_text(STR("a\0b,\xff\x01\n"));
    CLEANUP(csv_reader_free) struct csv_reader *r = csv_reader_new(file, ',');
    const struct str *fields;
    size_t count;

    ck_assert_int_eq(csv_reader_next(r, &fields, &count, &err), 1);
    ck_assert_uint_eq(count, 2);
    ck_assert(str_eq(fields[0], STR("a\0b")));
    ck_assert(str_eq(fields[1], STR("\xff\x01")));
    fclose(file);
}
END_TEST

/* _i: 0 = a plain field, 1 = a quoted one. */
START_TEST(a_row_may_have_its_limit_of_bytes_and_not_one_more)
{
    for (size_t extra = 0; extra < 2; extra++) {
        CLEANUP(buf_release) struct buf text = { 0 };
        size_t len = CSV_ROW_BYTES_MAX - 2 + extra;
        buf_add_text(&text, _i ? "xy,\"" : "xy,");
        memset(buf_reserve(&text, len), 'z', len);
        text.len += len;
        buf_add_text(&text, _i ? "\"\nnext" : "\nnext");
        FILE *file = open_text(buf_str(&text));
        CLEANUP(csv_reader_free) struct csv_reader *r = csv_reader_new(file, ',');
        const struct str *fields;
        size_t count;
        ck_assert_int_eq(csv_reader_next(r, &fields, &count, &err), extra ? -1 : 1);
        ck_assert(extra ? err.code == ERR_LIMIT : count == 2 && fields[1].len == len);
        ck_assert_int_eq(csv_reader_next(r, &fields, &count, &err), 1);
        ck_assert(str_eq(fields[0], STR("next")));
        ck_assert_uint_eq(csv_reader_line(r), 2);
        fclose(file);
    }
}
END_TEST

START_TEST(a_row_may_have_its_limit_of_fields_and_not_one_more)
{
    for (size_t extra = 0; extra < 2; extra++) {
        CLEANUP(buf_release) struct buf text = { 0 };
        for (size_t i = 1; i < CSV_FIELDS_MAX + extra; i++)
            buf_add_byte(&text, ',');
        buf_add_text(&text, "\nnext");
        FILE *file = open_text(buf_str(&text));
        CLEANUP(csv_reader_free) struct csv_reader *r = csv_reader_new(file, ',');
        const struct str *fields;
        size_t count;
        ck_assert_int_eq(csv_reader_next(r, &fields, &count, &err), extra ? -1 : 1);
        ck_assert(extra ? err.code == ERR_LIMIT : count == CSV_FIELDS_MAX);
        ck_assert_int_eq(csv_reader_next(r, &fields, &count, &err), 1);
        ck_assert(str_eq(fields[0], STR("next")));
        fclose(file);
    }
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_a_system_error_each_time)
{
    FILE *file = fopen("/", "r");
    CLEANUP(csv_reader_free) struct csv_reader *r = csv_reader_new(file, ',');
    const struct str *fields;
    size_t count;

    ck_assert_int_eq(csv_reader_next(r, &fields, &count, &err), -1);
    ck_assert_int_eq(err.code, ERR_SYS);
    ck_assert_int_eq(csv_reader_next(r, &fields, &count, &err), -1);
    fclose(file);
}
END_TEST

static const struct field_row {
    const char *field, *expected;
} written[] = {
    {"a",          "a"              },
    { "",          "\"\""           },
    { "a b",       "a b"            },
    { "a,b",       "\"a,b\""        },
    { "a;b",       "a;b"            },
    { "a\"b",      "\"a\"\"b\""     },
    { "a\nb",      "\"a\nb\""       },
    { "a\r",       "\"a\r\""        },
    { "=1+1",      "\"'=1+1\""      },
    { "+1+1",      "\"'+1+1\""      },
    { "-cmd|x",    "\"'-cmd|x\""    },
    { "@SUM(A1)",  "\"'@SUM(A1)\""  },
    { "\t=1",      "\"'\t=1\""      },
    { "=\"x\"",    "\"'=\"\"x\"\"\""},
    { "-1",        "-1"             },
    { "+1.5e3",    "+1.5e3"         },
    { "-0.000001", "-0.000001"      },
    { "-",         "\"'-\""         },
    { "1=2",       "1=2"            },
};

START_TEST(a_field_is_quoted_where_it_must_be_and_no_formula_leaves)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    csv_add_field(&out, str_from(written[_i].field), ',', true);
    ck_assert_str_eq(buf_cstr(&out), written[_i].expected);
    buf_clear(&out);
    csv_add_field(&out, STR("x"), ',', true);
    csv_add_field(&out, str_from(written[_i].field), ',', false);
    const char *expected = *written[_i].field ? written[_i].expected : "";
    ck_assert_int_eq(strncmp(buf_cstr(&out), "x,", 2), 0);
    ck_assert_str_eq(buf_cstr(&out) + 2, expected);
}
END_TEST

START_TEST(a_first_field_never_reads_as_a_byte_order_mark)
{
    static const char *const fields[] = { "\xef\xbb\xbf"
                                          "a",
                                          "\xff\xfe"
                                          "a",
                                          "\xfe\xff" };

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        CLEANUP(buf_release) struct buf text = { 0 }, got = { 0 }, expected = { 0 };
        csv_add_field(&text, str_from(fields[i]), ',', true);
        read_all(buf_str(&text), ',', &got);
        buf_addf(&expected, "1:[%s]", fields[i]);
        ck_assert_str_eq(buf_cstr(&got), buf_cstr(&expected));
    }
}
END_TEST

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 16;
}

START_TEST(what_is_written_reads_back_whatever_it_is)
{
    static const char bytes[] = "a,\"\r\n; \tb=";
    uint32_t state = 7;

    for (int round = 0; round < 3000; round++) {
        CLEANUP(buf_release) struct buf text = { 0 };
        char fields_in[5][8];
        size_t lens[5], count = 1 + next_random(&state) % 5, got;
        for (size_t i = 0; i < count; i++) {
            lens[i] = next_random(&state) % 8;
            for (size_t k = 0; k < lens[i]; k++)
                fields_in[i][k] = bytes[next_random(&state) % (sizeof(bytes) - 1)];
            if (lens[i] && strchr("=\t\r", fields_in[i][0]))
                fields_in[i][0] = 'x'; /* formulas are changed on purpose */
            csv_add_field(&text, (struct str){ fields_in[i], lens[i] }, ',', i == 0);
        }
        buf_add_text(&text, "\r\n");
        FILE *file = fmemopen(text.ptr, text.len, "r");
        CLEANUP(csv_reader_free) struct csv_reader *r = csv_reader_new(file, ',');
        const struct str *fields;
        ck_assert_msg(csv_reader_next(r, &fields, &got, &err) == 1, "%s", buf_cstr(&text));
        ck_assert_uint_eq(got, count);
        for (size_t i = 0; i < count; i++)
            ck_assert_msg(str_eq(fields[i], (struct str){ fields_in[i], lens[i] }), "round %d: %s",
                          round, buf_cstr(&text));
        ck_assert_int_eq(csv_reader_next(r, &fields, &got, &err), 0);
        fclose(file);
    }
}
END_TEST

/* The reader works in blocks: shift a text with every kind of byte across the border of one. */
START_TEST(rows_read_the_same_wherever_a_block_ends)
{
    static const char tail[] = "\n\"a\"\"b\r\n\",c\r\n\r\n\"\",d\n";

    for (size_t shift = 0; shift <= sizeof(tail); shift++) {
        CLEANUP(buf_release) struct buf text = { 0 }, got = { 0 };
        size_t len = (64u << 10) - shift;
        memset(buf_reserve(&text, len), 'z', len);
        text.len = len;
        buf_add_text(&text, tail);
        read_all(buf_str(&text), ',', &got);
        ck_assert_uint_gt(got.len, len);
        ck_assert_str_eq(buf_cstr(&got) + len + 4, " 2:[a\"b\r\n][c] 5:[][d]");
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_text_gives_its_rows, 0, ARRAY_LEN(rows));
    tcase_add_loop_test(tc, a_broken_row_is_named_by_its_line_and_reading_goes_on_after_it, 0,
                        ARRAY_LEN(broken));
    tcase_add_test(tc, utf_16_is_named_as_such_and_stays_an_error);
    tcase_add_test(tc, nul_and_other_bytes_are_data);
    tcase_add_loop_test(tc, a_row_may_have_its_limit_of_bytes_and_not_one_more, 0, 2);
    tcase_add_test(tc, a_row_may_have_its_limit_of_fields_and_not_one_more);
    tcase_add_test(tc, a_file_that_cannot_be_read_is_a_system_error_each_time);
    tcase_add_loop_test(tc, a_field_is_quoted_where_it_must_be_and_no_formula_leaves, 0,
                        ARRAY_LEN(written));
    tcase_add_test(tc, a_first_field_never_reads_as_a_byte_order_mark);
    tcase_add_test(tc, what_is_written_reads_back_whatever_it_is);
    tcase_add_test(tc, rows_read_the_same_wherever_a_block_ends);
}
CHECK_MAIN("base/csv", add_tests)

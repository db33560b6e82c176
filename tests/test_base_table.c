/* Aligned columns, whatever the bytes in them. */
#include "config.h"

#include "base/table.h"

#include "tests/check_main.h"

static void expect(const struct table *t, const char *expected)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    table_print(t, &out);
    ck_assert_str_eq(buf_cstr(&out), expected);
}

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
    CLEANUP(table_free) struct table *t = table_new();

    table_add_column(t, "model", false);
    table_add_column(t, "n", true);
    table_add_column(t, "note", false);
    table_add_cell(t, STR("m-1"));
    table_add_cellf(t, "%d", 12345);
    table_add_cell(t, STR(""));
    table_add_cell(t, STR("model-2"));
    table_add_cellf(t, "%d", 7);
    table_add_cell(t, STR("x"));
    table_add_rule(t);
    table_add_cell(t, STR("all"));
    table_add_cellf(t, "%s", "");
    table_add_cell(t, (struct str){ 0 });
    expect(t, "model        n  note\n"
              "--------------------\n"
              "m-1      12345\n"
              "model-2      7  x\n"
              "--------------------\n"
              "all\n");
}
END_TEST

START_TEST(width_counts_code_points)
{
    CLEANUP(table_free) struct table *t = table_new();

    table_add_column(t, "größe", true);
    table_add_column(t, "€", true);
    table_add_cell(t, STR("ü"));
    table_add_cell(t, STR("😀😀"));
    expect(t, "größe   €\n"
              "---------\n"
              "    ü  😀😀\n");
}
END_TEST

static const struct row {
    const char *cell, *shown;
} cells[] = {
    {"a\nb\tc",           "a?b?c"           },
    { "\x1b[31mred",      "?[31mred"        },
    { "\x7f",             "?"               },
    { "\xc2\x9b"
      "31m",         "?31m"            }, /* CSI as a C1 control */
    { "\xe2\x80\xae"
      "abc",         "?abc"            }, /* right-to-left override */
    { "\xff\xfe",         "??"              },
    { "\xc3",             "?"               }, /* cut short */
    { "\xc0\x80",         "??"              }, /* overlong */
    { "\xed\xa0\x80",     "???"             }, /* a surrogate */
    { "\xf4\x90\x80\x80", "????"            }, /* past U+10FFFF */
    { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    { "\xef\xbf\xbd",     "\xef\xbf\xbd"    },
    { "\xc2\xa0"
      "a",           "\xc2\xa0"
      "a"                    },
};

START_TEST(nothing_reaches_the_terminal_that_could_steer_it)
{
    CLEANUP(table_free) struct table *t = table_new();
    CLEANUP(buf_release) struct buf expected = { 0 };

    table_add_column(t, "12345678", false);
    table_add_cell(t, str_from(cells[_i].cell));
    buf_addf(&expected, "12345678\n--------\n%s\n", cells[_i].shown);
    expect(t, buf_cstr(&expected));
}
END_TEST

START_TEST(a_table_may_be_empty_or_end_within_a_row)
{
    CLEANUP(table_free) struct table *t = table_new();

    expect(t, "");
    table_add_column(t, "a", false);
    table_add_column(t, "b", false);
    expect(t, "a  b\n----\n");
    table_add_cell(t, STR("x"));
    expect(t, "a  b\n----\nx\n");
}
END_TEST

START_TEST(a_rule_before_the_end_or_twice_is_drawn_where_a_row_follows)
{
    CLEANUP(table_free) struct table *t = table_new();

    table_add_column(t, "a", false);
    table_add_rule(t);
    table_add_cell(t, STR("x"));
    table_add_rule(t);
    table_add_rule(t);
    table_add_cell(t, STR("y"));
    table_add_rule(t);
    expect(t, "a\n-\n-\nx\n-\n-\ny\n");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, columns_are_as_wide_as_their_widest_cell);
    tcase_add_test(tc, width_counts_code_points);
    tcase_add_loop_test(tc, nothing_reaches_the_terminal_that_could_steer_it, 0, ARRAY_LEN(cells));
    tcase_add_test(tc, a_table_may_be_empty_or_end_within_a_row);
    tcase_add_test(tc, a_rule_before_the_end_or_twice_is_drawn_where_a_row_follows);
}
CHECK_MAIN("base/table", add_tests)

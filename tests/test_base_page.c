/* A document in all its forms: the same cells everywhere, what was recorded never markup, and
 * nothing of a drawing program's answer but shapes. */
#include "config.h"

#include "base/page.h"

#include <sys/stat.h>

#include "base/document_print.h"
#include "base/file.h"
#include "base/json.h"
#include "base/picture.h"
#include "base/plot.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define USD(n) ((i128)(n)*1000000000000)

static void make_document(struct document *d)
{
    static const struct column_def columns[] = {
        {"day",  "day", false},
        { "usd", "USD", true },
        { "us",  "p95", true },
    };

    *d = (struct document){ .title = STR("a title"),
                            .format = STR("weir-test/1"),
                            .subtitle = STR("from a to b"),
                            .ending = STR("the end"),
                            .page_ending = STR("The end."),
                            .usd_digits = 2 };
    document_fact(d, "of", STR("2026-10"));
    document_section(d, "things", "Things");
    document_columns(d, columns, ARRAY_LEN(columns));
    document_text(d, STR("2026-10-01"));
    document_number(d, CELL_USD, USD(3) / 2);
    document_number(d, CELL_US, 1250000);
    document_text(d, STR("<b>&\"'\x01"));
    document_number(d, CELL_USD, 0);
    document_none(d);
    document_chart(d, CHART_STACK, 1, 1, "Chart", "What it shows");
    document_note(d, "a note on %s", "<things>");
}

static const struct {
    struct cell cell;
    const char *text, *exact;
} cells[] = {
    {{ .kind = CELL_NONE },                             "-",         ""               },
    { { .kind = CELL_TEXT, .text = STR_INIT("x") },     "x",         "x"              },
    { { .kind = CELL_COUNT, .n = 1234567 },             "1,234,567", "1234567"        },
    { { .kind = CELL_USD, .n = 1005000000000 },         "1.00",      "1.005000000000" },
    { { .kind = CELL_USD_CHANGE, .n = 1250000000000 },  "+1.25",     "1.250000000000" },
    { { .kind = CELL_USD_CHANGE, .n = -1250000000000 }, "-1.25",     "-1.250000000000"},
    { { .kind = CELL_SHARE, .n = 528140 },              "52.8 %",    "0.528140"       },
    { { .kind = CELL_CHANGE, .n = 7411000 },            "+741.1 %",  "7.411000"       },
    { { .kind = CELL_CHANGE, .n = -350000 },            "-35.0 %",   "-0.350000"      },
    { { .kind = CELL_NUMBER, .n = 1254900 },            "1.25",      "1.254900"       },
    { { .kind = CELL_US, .n = 532400 },                 "532 ms",    "532400"         },
    { { .kind = CELL_US, .n = 1254000 },                "1.25 s",    "1254000"        },
    { { .kind = CELL_US, .n = 61250000 },               "61.2 s",    "61250000"       },
    { { .kind = CELL_NUMBER, .n = 45250001 },           "45.3",      "45.250001"      },
};

START_TEST(a_cell_reads_the_same_everywhere)
{
    CLEANUP(buf_release) struct buf text = { 0 }, exact = { 0 };
    struct document d = { .usd_digits = 2 };

    cell_format(&d, &cells[_i].cell, &text);
    cell_format_exact(&cells[_i].cell, &exact);
    ck_assert_str_eq(buf_cstr(&text), cells[_i].text);
    ck_assert_str_eq(buf_cstr(&exact), cells[_i].exact);
}
END_TEST

static const struct {
    i128 part, whole;
    int64_t want;
} ratios[] = {
    {1,          3,      333333    },
    { 2,         3,      666667    },
    { -2,        3,      -666667   },
    { 1,         -4,     -250000   },
    { 0,         5,      0         },
    { USD(1000), USD(1), 1000000000},
};

START_TEST(ratios_are_rounded_to_the_nearest_millionth)
{
    ck_assert(ratio_of(ratios[_i].part, ratios[_i].whole) == ratios[_i].want);
}
END_TEST

START_TEST(what_was_recorded_is_no_markup)
{
    CLEANUP(document_release) struct document d;
    CLEANUP(buf_release) struct buf page = { 0 };
    struct err err;

    make_document(&d);
    ck_assert_int_eq(page_print(&d, NULL, &page, &err), -1);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&page), "<th scope=\"row\">&lt;b&gt;&amp;&quot;' </th>"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&page), "a note on &lt;things&gt;"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&page), "The chart is missing"));
    ck_assert_ptr_null(strstr(buf_cstr(&page), "<b>"));
}
END_TEST

START_TEST(numbers_that_are_compared_say_whose_they_are)
{
    static const struct column_def columns[] = {
        {"figure", "figure", false},
        { "a",     "a.yaml", true },
        { "b",     "<none>", true },
    };
    CLEANUP(document_release)
    struct document d = { .title = STR("t"), .format = STR("weir-test/1"), .usd_digits = 2 };
    CLEANUP(buf_release) struct buf page = { 0 };
    struct err err;

    document_section(&d, "summary", "Summary");
    document_columns(&d, columns, ARRAY_LEN(columns));
    document_text(&d, STR("answered"));
    document_number(&d, CELL_SHARE, 950000);
    document_number(&d, CELL_SHARE, 911000);
    document_text(&d, STR("change"));
    document_number(&d, CELL_USD_CHANGE, USD(2));
    document_number(&d, CELL_CHANGE, 100000);
    ck_assert_int_eq(page_print(&d, NULL, &page, &err), 0);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&page), "95.0 % <small>a.yaml</small></dd><dd>91.1 % "
                                                  "<small>&lt;none&gt;</small></dd>"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&page), "+2.00 USD</dd><dd>+10.0 %</dd>"));
}
END_TEST

START_TEST(json_and_csv_hold_what_the_text_holds)
{
    CLEANUP(document_release) struct document d;
    CLEANUP(buf_release) struct buf text = { 0 }, csv = { 0 }, json = { 0 };
    CLEANUP(json_decref) json_t *read = NULL;
    struct err err;

    make_document(&d);
    document_print_text(&d, &text);
    document_print_csv(&d, &csv);
    document_print_json(&d, &json);
    ck_assert_msg(json_parse(buf_str(&json), &read, &err) == 0, "%s", err.text);
    ck_assert_str_eq(json_string_value(json_get(read, "of")), "2026-10");
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "\nthe end\n"));
    json_t *row =
        json_array_get(json_get(json_array_get(json_get(read, "sections"), 0), "rows"), 0);
    ck_assert_str_eq(json_string_value(json_get(row, "usd")), "1.500000000000");
    ck_assert_int_eq(json_integer_value(json_get(row, "us")), 1250000);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "2026-10-01  1.50  1.25 s\n"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&csv), "things,2026-10-01,usd,1.500000000000\r\n"));
}
END_TEST

/* --- charts --- */

START_TEST(gnuplot_is_told_numbers_and_no_names)
{
    CLEANUP(document_release) struct document d;
    CLEANUP(buf_release) struct buf script = { 0 };

    make_document(&d);
    plot_script(d.list.ptr[0], &script);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&script), "1 \"01\" 1.500000000000\n"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&script), "2 \" b     \" 0.000000000000\n"));
    ck_assert_ptr_null(strchr(buf_cstr(&script), '&'));
    ck_assert_ptr_null(strstr(buf_cstr(&script), "set ytics 1\n"));
}
END_TEST

START_TEST(few_things_are_counted_in_whole_ones)
{
    static const struct column_def columns[] = {
        {"wave", "wave", false},
        { "a",   "a",    true },
        { "b",   "b",    true },
    };

    for (int count = 2; count <= 3; count++) {
        CLEANUP(document_release) struct document d = { .format = STR("weir-test/1") };
        CLEANUP(buf_release) struct buf script = { 0 };
        document_section(&d, "waves", "Waves");
        document_columns(&d, columns, ARRAY_LEN(columns));
        document_text(&d, STR("pilots"));
        document_number(&d, CELL_COUNT, 3);
        document_number(&d, CELL_COUNT, count);
        document_chart(&d, CHART_STACK, 1, 2, "Chart", "What it shows");
        plot_script(d.list.ptr[0], &script);
        ck_assert_int_eq(strstr(buf_cstr(&script), "set ytics 1\n") != NULL, count == 2);
    }
}
END_TEST

static const struct {
    const char *svg, *want; /* NULL = refused */
} answers[] = {
    {"<?xml version=\"1.0\"?><svg width=\"1\"><title>Gnuplot</title><defs><path id='a' d='M0'/>"
      "</defs><g id=\"x\" color=\"black\"><path stroke='rgb( 10,  0,  3)' class=\"c\" d='M1,2  '/>"
      "</g></svg>",                                               "<g><path stroke=\"var(--c3)\" d=\"M1,2\"/></g>\n"},
    { "<svg><g fill=\"none\"></g><g><g></g><text> 7</text></g></svg>", "<g><text>7</text></g>\n"                         },
    { "<svg><g><rect fill = 'rgb(2,2,2)' x = '1'/></g></svg>",
     "<g><rect fill=\"var(--grid)\" x=\"1\"/></g>\n"                                                                     },
    { "<svg><script>alert(1)</script><g onclick=\"x()\" fill=\"url(http://a/)\"><path "
      "d=\"M1\"/></g>"
      "</svg>",                                                   "<g fill=\"currentColor\"><path d=\"M1\"/></g>\n" },
    { "<svg><image href=\"http://a/\"/><g><line x1=\"1\"/></g></svg>",
     "<g><line x1=\"1\"/></g>\n"                                                                                         },
    { "<svg><g><path d=\"M1\"/></svg>",                                NULL                                              },
    { "<svg></g></svg>",                                               NULL                                              },
    { "<svg><g><path d=M1/></g></svg>",                                NULL                                              },
    { "<svg><g><path d=\"M1",                                          NULL                                              },
    { "",                                                              NULL                                              },
    { "gnuplot: no such terminal",                                     NULL                                              },
};

START_TEST(of_its_answer_only_shapes_are_kept)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;
    int r = plot_clean(str_from(answers[_i].svg), &out, &err);

    ck_assert_int_eq(r, answers[_i].want ? 0 : -1);
    ck_assert_str_eq(buf_cstr(&out), answers[_i].want ? answers[_i].want : "");
}
END_TEST

START_TEST(groups_within_groups_have_an_end)
{
    CLEANUP(buf_release) struct buf deep = { 0 }, out = { 0 };
    struct err err;

    for (int i = 0; i < 1000; i++)
        buf_add_text(&deep, "<g>");
    ck_assert_int_eq(plot_clean(buf_str(&deep), &out, &err), -1);
}
END_TEST

static const struct {
    const char *script, *says;
} programs[] = {
    {"#!/bin/sh\nexit 1\n",                               "failed with status"},
    { "#!/bin/sh\ncat > /dev/null; echo no picture\n",    "no whole picture"  },
    { "#!/bin/sh\ncat > /dev/null; exec yes '<g></g>'\n", "prints more than"  },
    { "#!/bin/sh\nkill -9 $$\n",                          "failed with status"},
};

START_TEST(a_program_that_fails_costs_the_chart_only)
{
    CLEANUP(document_release) struct document d;
    CLEANUP(buf_release) struct buf page = { 0 };
    struct err err;

    temp_folder_make();
    make_document(&d);
    const char *path = temp_path("gnuplot");
    ck_assert_int_eq(file_replace(path, str_from(programs[_i].script), 0700, &err), 0);
    ck_assert_int_eq(page_print(&d, path, &page, &err), -1);
    ck_assert_msg(strstr(err.text, programs[_i].says), "%s", err.text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&page), "1.50"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&page), "</html>"));
    temp_folder_remove();
}
END_TEST

START_TEST(a_chart_of_nothing_is_not_drawn)
{
    CLEANUP(document_release) struct document d;

    make_document(&d);
    ck_assert(plot_has_data(d.list.ptr[0]));
    d.list.ptr[0]->cells.ptr[1].n = 0;
    ck_assert(!plot_has_data(d.list.ptr[0]));
}
END_TEST

/* --- a picture that stands alone --- */

static const char shapes_of_any_chart[] = "#!/bin/sh\ncat > \"$0.told\"; echo \"<svg><g "
                                          "stroke='rgb(10,0,2)' fill='none'><path d='M1'/></g>"
                                          "<g fill='rgb(2,2,2)'><path d='M2'/></g></svg>\"\n";

START_TEST(a_picture_has_a_title_a_text_and_plain_colours)
{
    CLEANUP(document_release) struct document d;
    CLEANUP(buf_release) struct buf out = { 0 };
    static const char *const wants[] = {
        "<title>a title</title>",
        "<g id=\"things\" role=\"img\" aria-labelledby=\"things-t things-d\"",
        "<title id=\"things-t\">Chart</title>\n<desc id=\"things-d\">What it shows</desc>",
        ">USD</text>",
        "stroke=\"#b5530a\"",
        "fill=\"#c9d1da\"",
        "prefers-color-scheme:dark",
    };
    struct err err;

    temp_folder_make();
    make_document(&d);
    const char *path = temp_path("gnuplot");
    ck_assert_int_eq(file_replace(path, str_from(shapes_of_any_chart), 0700, &err), 0);
    ck_assert_msg(picture_print(&d, path, &out, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < ARRAY_LEN(wants); i++)
        ck_assert_msg(strstr(buf_cstr(&out), wants[i]) != NULL, "%s", wants[i]);
    ck_assert_ptr_null(strstr(buf_cstr(&out), "var("));
    ck_assert_ptr_null(strstr(buf_cstr(&out), "currentColor"));
    ck_assert_ptr_null(strstr(buf_cstr(&out), "Nothing to draw"));
    buf_clear(&out);
    d.list.ptr[0]->cells.ptr[1].n = 0;
    ck_assert_int_eq(picture_print(&d, path, &out, &err), 0);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "as all is zero or not known: Things<"));
    temp_folder_remove();
}
END_TEST

START_TEST(without_its_program_there_is_no_picture)
{
    CLEANUP(document_release) struct document d;
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;

    make_document(&d);
    ck_assert_int_eq(picture_print(&d, "/nonexistent/gnuplot", &out, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot start '/nonexistent/gnuplot'"));
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* Two lines over rows of which the second has a gap and a value on its own. */
static void make_lines(struct document *d, size_t rows)
{
    static const struct column_def columns[] = {
        {"day", "day", false},
        { "a",  "a",   true },
        { "b",  "b",   true },
    };
    struct section *s;

    *d = (struct document){ .title = STR("t") };
    s = document_section(d, "lines", "Lines");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < rows; i++) {
        document_textf(d, "2026-W%02zu", i + 1);
        document_number(d, CELL_NUMBER, 1500000);
        if (i % 5 == 2)
            document_number(d, CELL_COUNT, 7);
        else
            document_none(d);
    }
    document_chart(d, CHART_LINES, 1, 2, "Lines", "What they show");
    ck_assert_uint_eq(section_rows(s), rows);
}

START_TEST(lines_have_labels_as_there_is_room_and_values_alone_are_seen)
{
    CLEANUP(document_release) struct document few, many;
    CLEANUP(buf_release) struct buf script = { 0 };
    size_t labels = 0;

    make_lines(&few, 10);
    plot_script(few.list.ptr[0], &script);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&script), "\"2026-W02\" 2, "));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&script), "$dots0"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&script), "3 \"2026-W03\" 1.500000 7\n"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&script), "4 \"2026-W04\" 1.500000 ?\n"));
    buf_clear(&script);
    make_lines(&many, 90);
    plot_script(many.list.ptr[0], &script);
    ck_assert_ptr_null(strstr(buf_cstr(&script), "$dots0"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&script), "$dots1 << END\n3 7\n8 7\n"));
    const char *tics = strstr(buf_cstr(&script), "set xtics (");
    for (const char *end = strchr(tics, '\n'); tics < end; tics++)
        labels += *tics == 'W';
    ck_assert_uint_ge(labels, 8);
    ck_assert_uint_le(labels, 12); /* of 9 letters, in 880 */
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_cell_reads_the_same_everywhere, 0, ARRAY_LEN(cells));
    tcase_add_loop_test(tc, ratios_are_rounded_to_the_nearest_millionth, 0, ARRAY_LEN(ratios));
    tcase_add_test(tc, what_was_recorded_is_no_markup);
    tcase_add_test(tc, numbers_that_are_compared_say_whose_they_are);
    tcase_add_test(tc, json_and_csv_hold_what_the_text_holds);
    tcase_add_test(tc, gnuplot_is_told_numbers_and_no_names);
    tcase_add_test(tc, few_things_are_counted_in_whole_ones);
    tcase_add_loop_test(tc, of_its_answer_only_shapes_are_kept, 0, ARRAY_LEN(answers));
    tcase_add_test(tc, groups_within_groups_have_an_end);
    tcase_add_loop_test(tc, a_program_that_fails_costs_the_chart_only, 0, ARRAY_LEN(programs));
    tcase_add_test(tc, a_chart_of_nothing_is_not_drawn);
    tcase_add_test(tc, a_picture_has_a_title_a_text_and_plain_colours);
    tcase_add_test(tc, without_its_program_there_is_no_picture);
    tcase_add_test(tc, lines_have_labels_as_there_is_room_and_values_alone_are_seen);
}
CHECK_MAIN("base/page", add_tests)

/* The parser must take what the table offers, refuse the rest in words that help, and never guess.
 */
#include "config.h"

#include "cli/parse.h"

#include <string.h>

#include "tests/check_main.h"

static const char *const formats[] = { "text", "json", NULL };

static int run_nothing(const struct invocation *inv)
{
    (void)inv;
    return EXIT_OK;
}

static const struct option_def import_options[] = {
    OPTION_ARCHIVE,
    OPTION_FORMAT(formats),
    {.kind = OPTION_LIST, .name = "where", .letter = 'w',         .value = "EXPR",            .help = "a filter" },
    { .kind = OPTION_FLAG,                  .name = "verbose",              .letter = 'v', .help = "say more"},
    { .kind = OPTION_FLAG,                  .name = "quiet",              .letter = 'q',   .help = "say less"   },
    OPTIONS_END,
};

static const struct command import = {
    .path = "capture import",
    .operands = "FILE...",
    .operands_min = 1,
    .operands_max = 2,
    .options = import_options,
    .run = run_nothing,
};
static const struct command prices = { .path = "analyze prices", .options = import_options };
static const struct command prices_show = {
    .path = "analyze prices show",
    .options = import_options,
};
static const struct command *const table[] = { &import, &prices, &prices_show, NULL };

static struct err err;

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static int parse(const char *const *words, struct invocation *ret)
{
    char *copy[16] = { 0 }; /* as argv: the parser takes no other */
    size_t count = 0;

    for (; words[count]; count++)
        copy[count] = mem_strdup(words[count]);
    static char *kept[16]; /* the words live as long as argv would: until the next parse */
    for (size_t i = 0; i < ARRAY_LEN(kept); i++)
        free(kept[i]);
    memcpy(kept, copy, sizeof(kept));
    return invocation_parse(&import, count, kept, ret, &err);
}

START_TEST(the_longest_path_that_fits_is_the_command)
{
    static const struct {
        const char *words[4];
        const struct command *command;
        size_t used;
    } rows[] = {
        {{ "capture", "import", "x" },      &import,      2},
        { { "analyze", "prices", "shown" }, &prices,      2},
        { { "analyze", "prices", "show" },  &prices_show, 3},
        { { "capture" },                    NULL,         0},
        { { "import" },                     NULL,         0},
        { { "capture import" },             NULL,         0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *words[4];
        size_t used, count = 0;
        for (; rows[i].words[count]; count++)
            words[count] = mem_strdup(rows[i].words[count]);
        ck_assert_ptr_eq(command_find(table, count, words, &used), rows[i].command);
        ck_assert_uint_eq(used, rows[i].used);
        while (count > 0)
            free(words[--count]);
    }
}
END_TEST

START_TEST(options_and_operands_may_be_mixed)
{
    CLEANUP(invocation_release) struct invocation inv;

    ck_assert_int_eq(parse(WORDS("a", "--archive", "dir", "--format=json", "b", "-v"), &inv), 0);
    ck_assert_str_eq(invocation_get(&inv, "archive"), "dir");
    ck_assert_str_eq(invocation_get(&inv, "format"), "json");
    ck_assert(invocation_has(&inv, "verbose"));
    ck_assert(!invocation_has(&inv, "quiet"));
    ck_assert_uint_eq(invocation_operand_count(&inv), 2);
    ck_assert_str_eq(invocation_operand(&inv, 0), "a");
    ck_assert_str_eq(invocation_operand(&inv, 1), "b");
}
END_TEST

START_TEST(letters_join_and_take_values_with_or_without_a_blank)
{
    CLEANUP(invocation_release) struct invocation inv;

    ck_assert_int_eq(parse(WORDS("-vqadir", "-f", "text", "x"), &inv), 0);
    ck_assert(invocation_has(&inv, "verbose") && invocation_has(&inv, "quiet"));
    ck_assert_str_eq(invocation_get(&inv, "archive"), "dir");
    ck_assert_str_eq(invocation_get(&inv, "format"), "text");
}
END_TEST

START_TEST(the_last_value_counts_and_a_list_keeps_all)
{
    CLEANUP(invocation_release) struct invocation inv;

    ck_assert_int_eq(
        parse(WORDS("-a", "1", "--archive=2", "-w", "x=1", "--where", "y=2", "f"), &inv), 0);
    ck_assert_str_eq(invocation_get(&inv, "archive"), "2");
    const char *const *list = invocation_list(&inv, "where");
    ck_assert_str_eq(list[0], "x=1");
    ck_assert_str_eq(list[1], "y=2");
    ck_assert_ptr_null(list[2]);
}
END_TEST

START_TEST(what_was_not_given_is_null_and_an_empty_list)
{
    CLEANUP(invocation_release) struct invocation inv;

    ck_assert_int_eq(parse(WORDS("-a", "d", "f"), &inv), 0);
    ck_assert_ptr_null(invocation_get(&inv, "format"));
    ck_assert_ptr_null(invocation_list(&inv, "where")[0]);
}
END_TEST

START_TEST(two_dashes_end_the_options_and_one_is_an_operand)
{
    CLEANUP(invocation_release) struct invocation inv;

    ck_assert_int_eq(parse(WORDS("-a", "d", "-", "--", "--format"), &inv), 0);
    ck_assert_str_eq(invocation_operand(&inv, 0), "-");
    ck_assert_str_eq(invocation_operand(&inv, 1), "--format");
}
END_TEST

START_TEST(a_value_may_be_empty_or_begin_with_a_dash)
{
    CLEANUP(invocation_release) struct invocation inv;

    ck_assert_int_eq(parse(WORDS("--archive=", "--where", "-1", "f"), &inv), 0);
    ck_assert_str_eq(invocation_get(&inv, "archive"), "");
    ck_assert_str_eq(invocation_get(&inv, "where"), "-1");
}
END_TEST

START_TEST(help_is_granted_before_anything_is_found_missing)
{
    static const char *const rows[][4] = {
        {"--help", NULL,     NULL,        NULL},
        { "-h",    NULL,     NULL,        NULL},
        { "-vh",   NULL,     NULL,        NULL},
        { "x",     "--help", "--unknown", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(invocation_release) struct invocation inv;
        ck_assert_int_eq(parse(rows[i], &inv), 0);
        ck_assert(inv.help);
    }
}
END_TEST

static const struct refusal {
    const char *words[8];
    const char *text;
} refusals[] = {
    {{ "f" },                       "--archive DIR is missing: the archive's folder"     },
    { { "-a", "d" },                "FILE... is missing"                                 },
    { { "-a", "d", "1", "2", "3" }, "'3' is one argument too many"                       },
    { { "--achive", "d" },          "unknown option '--achive': did you mean --archive?" },
    { { "--zzz", "d" },             "unknown option '--zzz'"                             },
    { { "--zzz=1" },                "unknown option '--zzz'"                             },
    { { "--hepl" },                 "unknown option '--hepl': did you mean --help?"      },
    { { "-vx" },                    "unknown option '-x'"                                },
    { { "--archive" },              "--archive needs a value: --archive DIR"             },
    { { "-va" },                    "--archive needs a value: --archive DIR"             },
    { { "--verbose=yes" },          "--verbose takes no value"                           },
    { { "--format", "xml" },        "--format cannot be 'xml': choose one of text, json" },
    { { "--format", "" },           "--format cannot be '': choose one of text, json"    },
    { { "--format", "TEXT" },       "--format cannot be 'TEXT': choose one of text, json"},
};

/* Loop test: _i is the row. */
START_TEST(a_wrong_command_line_is_refused_in_words)
{
    CLEANUP(invocation_release) struct invocation inv;

    ck_assert_int_eq(parse(refusals[_i].words, &inv), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_str_eq(err.text, refusals[_i].text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, the_longest_path_that_fits_is_the_command);
    tcase_add_test(tc, options_and_operands_may_be_mixed);
    tcase_add_test(tc, letters_join_and_take_values_with_or_without_a_blank);
    tcase_add_test(tc, the_last_value_counts_and_a_list_keeps_all);
    tcase_add_test(tc, what_was_not_given_is_null_and_an_empty_list);
    tcase_add_test(tc, two_dashes_end_the_options_and_one_is_an_operand);
    tcase_add_test(tc, a_value_may_be_empty_or_begin_with_a_dash);
    tcase_add_test(tc, help_is_granted_before_anything_is_found_missing);
    tcase_add_loop_test(tc, a_wrong_command_line_is_refused_in_words, 0, ARRAY_LEN(refusals));
}
CHECK_MAIN("cli/parse", add_tests)

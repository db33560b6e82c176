/* Help, manual and completion are only as good as the tables: bad ones must not get past here. */
#include "config.h"

#include "cli/table_check.h"

#include <string.h>

#include "base/mem.h"
#include "tests/check_main.h"

static int run_nothing(const struct invocation *inv)
{
    (void)inv;
    return EXIT_OK;
}

static const struct option_def no_options[] = { OPTIONS_END };
static const struct example examples[] = {
    {"weir a b", "Do it"},
    { NULL,      NULL   }
};
static const struct command_group groups[] = {
    {"a",   "things"},
    { NULL, NULL    }
};

static const struct command good = {
    .path = "a b",
    .summary = "do a thing",
    .operands = "",
    .options = no_options,
    .description = "Does a thing.",
    .examples = examples,
    .run = run_nothing,
};

static struct err err;

START_TEST(the_tables_of_weir_are_good)
{
    ck_assert_msg(commands_check(commands, command_groups, &err) == 0, "%s", err.text);
}
END_TEST

START_TEST(a_good_table_passes)
{
    const struct command *const table[] = { &good, NULL };

    ck_assert_msg(commands_check(table, groups, &err) == 0, "%s", err.text);
}
END_TEST

START_TEST(a_command_that_is_there_twice_is_refused)
{
    const struct command *const table[] = { &good, &good, NULL };

    ck_assert_int_eq(commands_check(table, groups, &err), -1);
    ck_assert_str_eq(err.text, "command 'a b': is there twice");
}
END_TEST

static void expect_refused(const struct command *command, const char *text)
{
    const struct command *const table[] = { command, NULL };

    ck_assert_int_eq(commands_check(table, groups, &err), -1);
    ck_assert_str_eq(err.text, text);
}

START_TEST(a_row_that_is_incomplete_is_refused)
{
    struct command c = good;

    c.summary = "";
    expect_refused(&c, "command 'a b': the summary is missing");
    c.summary = "do a thing.";
    expect_refused(&c, "command 'a b': ends with a full stop");
    c.summary = "do a\nthing";
    expect_refused(&c, "command 'a b': is not one line of plain ASCII");
    c = good, c.description = NULL;
    expect_refused(&c, "command 'a b': the description is missing or not plain ASCII");
    c = good, c.run = NULL;
    expect_refused(&c, "command 'a b': the path, operands, options or run is missing");
    c = good, c.operands = "FILE";
    expect_refused(&c, "command 'a b': the operands and their number disagree");
    c = good, c.operands_max = -1;
    expect_refused(&c, "command 'a b': the operands and their number disagree");
    c = good, c.path = "c d";
    expect_refused(&c, "command 'c d': its group has no row in command_groups");
    c = good, c.path = "a";
    expect_refused(&c, "command 'a': is a group as well");
}
END_TEST

START_TEST(an_example_that_cannot_run_or_says_nothing_is_refused)
{
    static const struct example other[] = {
        {"ls a", "List"},
        { NULL,  NULL  }
    };
    static const struct example mute[] = {
        {"weir a b", NULL},
        { NULL,      NULL}
    };
    struct command c = good;

    c.examples = NULL;
    expect_refused(&c, "command 'a b': has no example");
    c.examples = other;
    expect_refused(&c, "command 'a b': an example does not begin with 'weir'");
    c.examples = mute;
    expect_refused(&c, "command 'a b': an example does not say what it is for");
}
END_TEST

static const struct refusal {
    struct option_def options[3];
    const char *text;
} refusals[] = {
    {{ { .kind = OPTION_FLAG, .name = "all" }, OPTIONS_END },
     "command 'a b', option 'all': the help is missing"                                 },
    { { { .kind = OPTION_FLAG, .name = "all", .help = "take all." }, OPTIONS_END },
     "command 'a b', option 'all': ends with a full stop"                               },
    { { { .kind = OPTION_FLAG, .name = "All", .help = "take all" }, OPTIONS_END },
     "command 'a b', option 'All': the name is not lower-case words joined by '-'"      },
    { { { .kind = OPTION_FLAG, .help = "take all" }, OPTIONS_END },
     "command 'a b', option '?': the name is not lower-case words joined by '-'"        },
    { { { .kind = OPTION_FLAG, .name = "help", .help = "take all" }, OPTIONS_END },
     "command 'a b', option 'help': --help and -h are every command's already"          },
    { { { .kind = OPTION_FLAG, .name = "here", .letter = 'h', .help = "look" }, OPTIONS_END },
     "command 'a b', option 'here': --help and -h are every command's already"          },
    { { { .kind = OPTION_VALUE, .name = "to", .help = "until" }, OPTIONS_END },
     "command 'a b', option 'to': a flag has no value's name, any other option has one" },
    { { { .kind = OPTION_FLAG, .name = "all", .value = "X", .help = "take all" }, OPTIONS_END },
     "command 'a b', option 'all': a flag has no value's name, any other option has one"},
    { { { .kind = OPTION_FLAG, .name = "all", .help = "take all", .required = true }, OPTIONS_END },
     "command 'a b', option 'all': a flag is neither required, chosen nor a path"       },
    { { { .kind = OPTION_FLAG, .name = "all", .help = "take all" },
        { .kind = OPTION_FLAG, .name = "all", .help = "take all" },
        OPTIONS_END },
     "command 'a b', option 'all': the name is there twice"                             },
    { { { .kind = OPTION_FLAG, .name = "all", .letter = 'a', .help = "take all" },
        { .kind = OPTION_FLAG, .name = "any", .letter = 'a', .help = "take any" },
        OPTIONS_END },
     "command 'a b', option 'any': the letter is there twice"                           },
};

/* Loop test: _i is the row. */
START_TEST(an_option_that_breaks_a_rule_is_refused)
{
    struct command c = good;

    c.options = refusals[_i].options;
    expect_refused(&c, refusals[_i].text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, the_tables_of_weir_are_good);
    tcase_add_test(tc, a_good_table_passes);
    tcase_add_test(tc, a_command_that_is_there_twice_is_refused);
    tcase_add_test(tc, a_row_that_is_incomplete_is_refused);
    tcase_add_test(tc, an_example_that_cannot_run_or_says_nothing_is_refused);
    tcase_add_loop_test(tc, an_option_that_breaks_a_rule_is_refused, 0, ARRAY_LEN(refusals));
}
CHECK_MAIN("cli/tables", add_tests)

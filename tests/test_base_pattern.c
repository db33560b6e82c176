/* Patterns match bytes, say what is wrong with them, and cannot run away. */
#include "config.h"

#include "base/pattern.h"

#include <string.h>

#include "base/buf.h"
#include "tests/check_main.h"

static struct err err;

static struct pattern *compile(const char *regex)
{
    struct pattern *p = NULL;

    ck_assert_msg(pattern_compile(str_from(regex), &p, &err) == 0, "%s", err.text);
    return p;
}

static const struct row {
    const char *regex;
    struct str text;
    bool matches;
} rows[] = {
    {"gpt-5.*",                STR_INIT("my gpt-5-mini"),   true },
    { "^gpt-5",                STR_INIT("my gpt-5-mini"),   false},
    { "^$",                    STR_INIT(""),                true },
    { "",                      STR_INIT(""),                true },
    { "a\\x00b",               STR_INIT("xa\0b"),           true },
    { "^\\xff.$",              STR_INIT("\xff\xfe"),        true },
    { "(?i)claude",            STR_INIT("CLAUDE"),          true },
    { "claude",                STR_INIT("CLAUDE"),          false},
    { "^(\\w+)-\\1$",          STR_INIT("ab-ab"),           true },
    { "\\bsk-[a-z0-9]{8,}\\b", STR_INIT("key sk-abcdef12"), true },
};

START_TEST(a_pattern_matches_bytes_anywhere)
{
    CLEANUP(pattern_free) struct pattern *p = compile(rows[_i].regex);
    bool limited = true;

    ck_assert_int_eq(pattern_matches(p, rows[_i].text, &limited), rows[_i].matches);
    ck_assert(!limited);
    ck_assert_int_eq(pattern_matches(p, rows[_i].text, NULL), rows[_i].matches);
}
END_TEST

START_TEST(an_empty_text_may_have_no_address)
{
    CLEANUP(pattern_free) struct pattern *p = compile("^$");

    ck_assert(pattern_matches(p, (struct str){ 0 }, NULL));
}
END_TEST

static const struct bad_row {
    const char *regex, *error;
} bad[] = {
    {"a(b",             "pattern 'a(b': missing closing parenthesis (at byte 3)"               },
    { "*",              "pattern '*': quantifier does not follow a repeatable item (at byte 0)"},
    { "[z-a]",          "at byte"                                                              },
    { "(*UTF)a",        "at byte"                                                              },
    { "\\",             "at byte"                                                              },
    { "(?<n>a)(?<n>b)", "at byte"                                                              },
};

START_TEST(what_is_wrong_with_a_pattern_is_said_with_its_place)
{
    struct pattern *p = NULL;

    ck_assert_int_eq(pattern_compile(str_from(bad[_i].regex), &p, &err), -1);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_msg(strstr(err.text, bad[_i].error) != NULL, "%s", err.text);
}
END_TEST

START_TEST(a_pattern_longer_than_its_limit_is_refused)
{
    CLEANUP(buf_release) struct buf regex = { 0 };
    struct pattern *p = NULL;

    memset(buf_reserve(&regex, PATTERN_BYTES_MAX + 1), 'a', PATTERN_BYTES_MAX + 1);
    regex.len = PATTERN_BYTES_MAX + 1;
    ck_assert_int_eq(pattern_compile(buf_str(&regex), &p, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
}
END_TEST

/* The work doubles with each a: 2^16 steps are within the limit, 2^21 are not. */
START_TEST(a_match_that_runs_away_is_stopped_and_counts_as_none)
{
    CLEANUP(pattern_free) struct pattern *p = compile("^(a+)+$");
    bool limited = true;

    ck_assert(!pattern_matches(p, STR("aaaaaaaaaaaaaaaa!"), &limited));
    ck_assert(!limited);
    ck_assert(!pattern_matches(p, STR("aaaaaaaaaaaaaaaaaaaaa!"), &limited));
    ck_assert(limited);
    ck_assert(pattern_matches(p, STR("aaa"), &limited)); /* and works on */
    ck_assert(!limited);
}
END_TEST

START_TEST(a_match_that_recurses_too_deep_is_stopped)
{
    CLEANUP(pattern_free) struct pattern *p = compile("^(?:(.)(?1)*|x)*(\\((?:[^()]|(?2))*\\))$");
    CLEANUP(buf_release) struct buf text = { 0 };
    bool limited = false;

    memset(buf_reserve(&text, 1 << 20), '(', 1 << 20);
    text.len = 1 << 20;
    ck_assert(!pattern_matches(p, buf_str(&text), &limited));
    ck_assert(limited);
}
END_TEST

START_TEST(matches_are_found_one_after_another_with_what_stands_before_them_in_view)
{
    CLEANUP(pattern_free) struct pattern *p = NULL;
    struct str text = STR("ab xab ab");
    struct pattern_place place = { 0 };

    ck_assert_int_eq(pattern_compile(STR("(?<!x)ab|z*"), &p, &err), 0);
    ck_assert(pattern_find(p, text, 0, &place));
    ck_assert(place.start == 0 && place.end == 2);
    ck_assert(pattern_find(p, text, 2, &place));
    ck_assert(place.start == 7 && place.end == 9);
    ck_assert(!pattern_find(p, text, 9, &place)); /* an empty match is none */
    ck_assert(!place.limited);
}
END_TEST

START_TEST(a_lower_limit_stops_a_match_earlier)
{
    CLEANUP(pattern_free) struct pattern *p = NULL;
    struct pattern_place place;
    struct str text = STR("aaaaaaaaaaaaaaaaaa");

    ck_assert_int_eq(pattern_compile(STR("(?:a+)+[bc]"), &p, &err), 0);
    pattern_set_limit(p, 1000);
    ck_assert(!pattern_find(p, text, 0, &place));
    ck_assert(place.limited);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_pattern_matches_bytes_anywhere, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, an_empty_text_may_have_no_address);
    tcase_add_loop_test(tc, what_is_wrong_with_a_pattern_is_said_with_its_place, 0, ARRAY_LEN(bad));
    tcase_add_test(tc, a_pattern_longer_than_its_limit_is_refused);
    tcase_add_test(tc, a_match_that_runs_away_is_stopped_and_counts_as_none);
    tcase_add_test(tc, a_match_that_recurses_too_deep_is_stopped);
    tcase_add_test(tc, matches_are_found_one_after_another_with_what_stands_before_them_in_view);
    tcase_add_test(tc, a_lower_limit_stops_a_match_earlier);
}
CHECK_MAIN("base/pattern", add_tests)

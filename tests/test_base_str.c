/* Borrowed strings: comparing, finding, splitting, globbing; empty ones without an address too. */
#include "config.h"

#include "base/str.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/check_main.h"

static const struct str nothing = { NULL, 0 };

START_TEST(equality_is_of_all_bytes)
{
    ck_assert(str_eq(STR("a\0b"), STR("a\0b")));
    ck_assert(!str_eq(STR("a\0b"), STR("a\0c")));
    ck_assert(!str_eq(STR("a"), STR("ab")));
    ck_assert(!str_eq(STR("a"), STR("A")));
    ck_assert(str_eq(nothing, STR("")));
    ck_assert(str_eq(str_from(NULL), nothing));
}
END_TEST

START_TEST(equality_without_case_is_ascii_only_and_of_all_bytes)
{
    ck_assert(str_ieq(STR("Content-TYPE"), STR("content-type")));
    ck_assert(!str_ieq(STR("a\0b"), STR("a\0c"))); /* a NUL is no end */
    ck_assert(!str_ieq(STR("\xc4"), STR("\xe4")));
    ck_assert(!str_ieq(STR("["), STR("{")));
    ck_assert(!str_ieq(STR("@"), STR("`")));
    ck_assert(str_ieq(nothing, STR("")));
}
END_TEST

static int lower_of(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* Eight bytes are compared at a time: any pair, anywhere in texts around that length. */
START_TEST(equality_without_case_is_that_of_each_byte)
{
    size_t len = (size_t)_i;
    char a[20] = "aZ-\xc3\x89 x9Qr[@`{~Ab", b[20];

    memcpy(b, a, sizeof(b));
    for (size_t at = 0; at < len; at++) {
        char saved = a[at];
        for (int pair = 0; pair < 65536; pair++) {
            a[at] = (char)(pair >> 8);
            b[at] = (char)(pair & 255);
            bool want = lower_of(pair >> 8) == lower_of(pair & 255);
            if (str_ieq_bytes(a, b, len) != want)
                ck_abort_msg("%d and %d at %zu of %zu", pair >> 8, pair & 255, at, len);
        }
        a[at] = b[at] = saved;
        /* Others may differ by their case meanwhile. */
        a[at] = (char)lower_of((unsigned char)a[at]);
    }
}
END_TEST

START_TEST(order_is_by_bytes_with_the_shorter_first)
{
    static const struct str ascending[] = { STR_INIT(""),  STR_INIT("\0"),  STR_INIT("A"),
                                            STR_INIT("a"), STR_INIT("a\0"), STR_INIT("ab"),
                                            STR_INIT("b"), STR_INIT("\xff") };

    for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
        for (size_t k = 0; k < ARRAY_LEN(ascending); k++) {
            int order = str_cmp(ascending[i], ascending[k]);
            ck_assert_int_eq((order > 0) - (order < 0), (i > k) - (i < k));
        }
    ck_assert_int_eq(str_cmp(nothing, STR("")), 0);
}
END_TEST

START_TEST(starts_and_ends_are_found)
{
    ck_assert(str_starts_with(STR("gpt-5-mini"), STR("gpt-5")));
    ck_assert(!str_starts_with(STR("gpt"), STR("gpt-5")));
    ck_assert(str_starts_with(STR("x"), nothing));
    ck_assert(str_starts_with(nothing, nothing));
    ck_assert(!str_starts_with(nothing, STR("x")));
    ck_assert(str_ends_with(STR("body.json"), STR(".json")));
    ck_assert(!str_ends_with(STR("json"), STR(".json")));
    ck_assert(str_ends_with(nothing, STR("")));
    ck_assert(str_istarts_with(STR("BEARER x"), STR("bearer ")));
    ck_assert(!str_starts_with(STR("BEARER x"), STR("bearer ")));
    ck_assert(str_iends_with(STR("a.JSON"), STR(".json")));
    ck_assert(!str_ends_with(STR("a.JSON"), STR(".json")));
}
END_TEST

START_TEST(the_first_match_at_or_after_a_place_is_found)
{
    struct str s = STR("abcabc\0abc");

    ck_assert_int_eq(str_find(s, STR("abc"), 0), 0);
    ck_assert_int_eq(str_find(s, STR("abc"), 1), 3);
    ck_assert_int_eq(str_find(s, STR("abc"), 4), 7);
    ck_assert_int_eq(str_find(s, STR("abc"), 8), -1);
    ck_assert_int_eq(str_find(s, STR("\0a"), 0), 6);
    ck_assert_int_eq(str_find(s, STR(""), 10), 10);
    ck_assert_int_eq(str_find(s, STR(""), 11), -1);
    ck_assert_int_eq(str_find(s, STR("a"), 99), -1);
    ck_assert_int_eq(str_find(nothing, STR("a"), 0), -1);
    ck_assert_int_eq(str_find(nothing, nothing, 0), 0);
    ck_assert_int_eq(str_find(STR("ab"), STR("abc"), 0), -1);
    ck_assert_int_eq(str_find_char(s, 'c', 3), 5);
    ck_assert_int_eq(str_find_char(s, '\0', 0), 6);
    ck_assert_int_eq(str_find_char(s, 'c', 10), -1);
    ck_assert_int_eq(str_find_char(nothing, 'c', 0), -1);
}
END_TEST

START_TEST(a_part_is_cut_to_what_there_is)
{
    ck_assert(str_eq(str_sub(STR("abcdef"), 2, 3), STR("cde")));
    ck_assert(str_eq(str_sub(STR("abcdef"), 4, SIZE_MAX), STR("ef")));
    ck_assert(str_eq(str_sub(STR("abcdef"), 6, 1), STR("")));
    ck_assert(str_eq(str_sub(STR("abcdef"), SIZE_MAX, SIZE_MAX), STR("")));
    ck_assert_ptr_null(str_sub(nothing, 0, 5).ptr);
}
END_TEST

START_TEST(blanks_at_the_ends_are_trimmed)
{
    ck_assert(str_eq(str_trim(STR(" \t\r\n a b \n")), STR("a b")));
    ck_assert(str_eq(str_trim(STR(" \t")), STR("")));
    ck_assert(str_eq(str_trim(STR("\v\fx\0")), STR("\v\fx\0")));
    ck_assert_uint_eq(str_trim(nothing).len, 0);
}
END_TEST

static const struct split_row {
    const char *text, *parts;
} splits[] = {
    {"a,b,c", "[a][b][c]"},
    { "",     "[]"       },
    { ",",    "[][]"     },
    { "a",    "[a]"      },
    { "a,",   "[a][]"    },
    { ",,a",  "[][][a]"  },
};

START_TEST(splitting_gives_every_part_once)
{
    struct str rest = str_from(splits[_i].text), head;
    char got[100] = "";

    while (str_split(&rest, ',', &head))
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "[%.*s]", STR_ARG(head));
    ck_assert_str_eq(got, splits[_i].parts);
    rest = nothing;
    ck_assert(!str_split(&rest, ',', &head));
}
END_TEST

static const struct glob_row {
    const char *pattern, *text;
    bool matches;
} globs[] = {
    {"",         "",                true },
    { "",        "a",               false},
    { "*",       "",                true },
    { "**",      "abc",             true },
    { "?",       "",                false},
    { "?",       "a",               true },
    { "a?c",     "abc",             true },
    { "gpt-5*",  "gpt-5-mini",      true },
    { "gpt-5*",  "gpt-5",           true },
    { "gpt-5*",  "gpt-4o",          false},
    { "*-mini",  "gpt-5-mini",      true },
    { "*-mini",  "gpt-5-mini-2025", false},
    { "*a*b*c*", "xxaxxbxxcxx",     true },
    { "*a*b*c",  "abcabcab",        false},
    { "*abc",    "ababcabc",        true },
    { "a*b*a",   "aba",             true },
    { "a*a",     "a",               false},
    { "[a]",     "a",               false},
    { "[a]",     "[a]",             true },
};

START_TEST(a_glob_matches_the_whole_text)
{
    ck_assert_msg(str_glob(str_from(globs[_i].pattern), str_from(globs[_i].text)) ==
                      globs[_i].matches,
                  "%s on %s", globs[_i].pattern, globs[_i].text);
}
END_TEST

/* Straight from the definition, exponential and plain. */
static bool glob_by_hand(const char *pattern, const char *text)
{
    if (!*pattern)
        return !*text;
    if (*pattern == '*')
        return glob_by_hand(pattern + 1, text) || (*text && glob_by_hand(pattern, text + 1));
    return *text && (*pattern == '?' || *pattern == *text) && glob_by_hand(pattern + 1, text + 1);
}

START_TEST(all_short_globs_agree_with_the_definition)
{
    static const char pattern_bytes[] = "ab*?", text_bytes[] = "ab";

    for (unsigned p = 0; p < 4 * 4 * 4 * 4 * 4; p++) {
        char pattern[6] = "";
        for (unsigned i = 0, rest = p; i < 5; i++, rest /= 4)
            pattern[i] = pattern_bytes[rest % 4];
        for (unsigned t = 1; t < 128; t++) { /* the highest bit ends the text */
            char text[8] = "";
            for (unsigned i = 0; t >> i > 1; i++)
                text[i] = text_bytes[t >> i & 1];
            if (str_glob(str_from(pattern), str_from(text)) != glob_by_hand(pattern, text))
                ck_abort_msg("%s on %s", pattern, text);
        }
    }
}
END_TEST

START_TEST(integers_are_read_whole_or_not_at_all)
{
    static const char *const bad[] = { "",
                                       "-",
                                       "+1",
                                       " 1",
                                       "1 ",
                                       "1.0",
                                       "0x1",
                                       "--1",
                                       "1e3",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "92233720368547758070",
                                       "18446744073709551616" };
    int64_t value = 7;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!str_to_i64(str_from(bad[i]), &value), "%s", bad[i]);
    ck_assert_int_eq(value, 7);
    ck_assert(!str_to_i64(nothing, &value));
    ck_assert(str_to_i64(STR("9223372036854775807"), &value) && value == INT64_MAX);
    ck_assert(str_to_i64(STR("-9223372036854775808"), &value) && value == INT64_MIN);
    ck_assert(str_to_i64(STR("-0"), &value) && value == 0);
    ck_assert(str_to_i64(STR("000000000000000000000000012"), &value) && value == 12);
}
END_TEST

START_TEST(a_string_without_an_address_prints_as_empty)
{
    char text[20];

    snprintf(text, sizeof(text), "<%.*s%.*s>", STR_ARG(nothing), STR_ARG(STR("x")));
    ck_assert_str_eq(text, "<x>");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, equality_is_of_all_bytes);
    tcase_add_test(tc, equality_without_case_is_ascii_only_and_of_all_bytes);
    tcase_add_loop_test(tc, equality_without_case_is_that_of_each_byte, 1, 19);
    tcase_add_test(tc, order_is_by_bytes_with_the_shorter_first);
    tcase_add_test(tc, starts_and_ends_are_found);
    tcase_add_test(tc, the_first_match_at_or_after_a_place_is_found);
    tcase_add_test(tc, a_part_is_cut_to_what_there_is);
    tcase_add_test(tc, blanks_at_the_ends_are_trimmed);
    tcase_add_loop_test(tc, splitting_gives_every_part_once, 0, ARRAY_LEN(splits));
    tcase_add_loop_test(tc, a_glob_matches_the_whole_text, 0, ARRAY_LEN(globs));
    tcase_add_test(tc, all_short_globs_agree_with_the_definition);
    tcase_add_test(tc, integers_are_read_whole_or_not_at_all);
    tcase_add_test(tc, a_string_without_an_address_prints_as_empty);
}
CHECK_MAIN("base/str", add_tests)

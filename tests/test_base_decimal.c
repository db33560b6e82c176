/* Exact decimals against arithmetic done by hand on digit strings. */
#include "config.h"

#include "base/decimal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/check_main.h"

#define LIMIT_TEXT     "85070591730234615865843651857942052864" /* 2^126 */
#define LIMIT_LESS_ONE "85070591730234615865843651857942052863"

static const struct row {
    const char *text;
    int scale;
    enum decimal_result result;
    const char *value; /* at scale 0 */
} rows[] = {
    {"0",                           0,  DECIMAL_OK,      "0"                                     },
    { "-0",                         3,  DECIMAL_OK,      "0"                                     },
    { "1",                          12, DECIMAL_OK,      "1000000000000"                         },
    { "+1.5",                       1,  DECIMAL_OK,      "15"                                    },
    { "-1.5",                       1,  DECIMAL_OK,      "-15"                                   },
    { "007.50",                     2,  DECIMAL_OK,      "750"                                   },
    { "5.",                         1,  DECIMAL_OK,      "50"                                    },
    { ".5",                         1,  DECIMAL_OK,      "5"                                     },
    { "1.2e3",                      0,  DECIMAL_OK,      "1200"                                  },
    { "1.2E+3",                     0,  DECIMAL_OK,      "1200"                                  },
    { "1200e-2",                    0,  DECIMAL_OK,      "12"                                    },
    { "3e-06",                      12, DECIMAL_OK,      "3000000"                               },
    { "2.5e-07",                    12, DECIMAL_OK,      "250000"                                },
    { "0.000000000001",             12, DECIMAL_OK,      "1"                                     },
    { "1.10",                       1,  DECIMAL_OK,      "11"                                    },
    { "100e-2",                     0,  DECIMAL_OK,      "1"                                     },
 /* Half to even, and what is just above or below half. */
    { "0.5",                        0,  DECIMAL_ROUNDED, "0"                                     },
    { "1.5",                        0,  DECIMAL_ROUNDED, "2"                                     },
    { "2.5",                        0,  DECIMAL_ROUNDED, "2"                                     },
    { "-0.5",                       0,  DECIMAL_ROUNDED, "0"                                     },
    { "-1.5",                       0,  DECIMAL_ROUNDED, "-2"                                    },
    { "-2.5",                       0,  DECIMAL_ROUNDED, "-2"                                    },
    { "2.50000000000000001",        0,  DECIMAL_ROUNDED, "3"                                     },
    { "2.5000000",                  0,  DECIMAL_ROUNDED, "2"                                     },
    { "2.4999999",                  0,  DECIMAL_ROUNDED, "2"                                     },
    { "0.05",                       0,  DECIMAL_ROUNDED, "0"                                     },
    { "0.09",                       0,  DECIMAL_ROUNDED, "0"                                     },
    { "5e-1",                       0,  DECIMAL_ROUNDED, "0"                                     },
    { "51e-2",                      0,  DECIMAL_ROUNDED, "1"                                     },
    { "9.995",                      2,  DECIMAL_ROUNDED, "1000"                                  },
    { "9e-99999",                   12, DECIMAL_ROUNDED, "0"                                     },
    { "1e-99999999999999999999999", 12, DECIMAL_ROUNDED, "0"                                     },
    { "0e99999999999999999999999",  12, DECIMAL_OK,      "0"                                     },
    { "0.0e-99999",                 0,  DECIMAL_OK,      "0"                                     },
 /* Range. */
    { LIMIT_LESS_ONE,               0,  DECIMAL_OK,      LIMIT_LESS_ONE                          },
    { "-" LIMIT_LESS_ONE,           0,  DECIMAL_OK,      "-" LIMIT_LESS_ONE                      },
    { LIMIT_LESS_ONE ".4",          0,  DECIMAL_ROUNDED, LIMIT_LESS_ONE                          },
    { LIMIT_LESS_ONE ".5",          0,  DECIMAL_RANGE,   NULL                                    },
    { LIMIT_TEXT,                   0,  DECIMAL_RANGE,   NULL                                    },
    { "-" LIMIT_TEXT,               0,  DECIMAL_RANGE,   NULL                                    },
    { "1e38",                       0,  DECIMAL_RANGE,   NULL                                    },
    { "1e26",                       12, DECIMAL_RANGE,   NULL                                    },
    { "8e25",                       12, DECIMAL_OK,      "80000000000000000000000000000000000000"},
    { "1e99999999999999999999999",  0,  DECIMAL_RANGE,   NULL                                    },
 /* No number. */
    { "",                           0,  DECIMAL_BAD,     NULL                                    },
    { "+",                          0,  DECIMAL_BAD,     NULL                                    },
    { ".",                          0,  DECIMAL_BAD,     NULL                                    },
    { "-.",                         0,  DECIMAL_BAD,     NULL                                    },
    { "+-1",                        0,  DECIMAL_BAD,     NULL                                    },
    { "--1",                        0,  DECIMAL_BAD,     NULL                                    },
    { "1e",                         0,  DECIMAL_BAD,     NULL                                    },
    { "1e+",                        0,  DECIMAL_BAD,     NULL                                    },
    { "1e+-1",                      0,  DECIMAL_BAD,     NULL                                    },
    { "e5",                         0,  DECIMAL_BAD,     NULL                                    },
    { "1.2.3",                      0,  DECIMAL_BAD,     NULL                                    },
    { "1,2",                        0,  DECIMAL_BAD,     NULL                                    },
    { " 1",                         0,  DECIMAL_BAD,     NULL                                    },
    { "1 ",                         0,  DECIMAL_BAD,     NULL                                    },
    { "1e5.0",                      0,  DECIMAL_BAD,     NULL                                    },
    { "0x10",                       0,  DECIMAL_BAD,     NULL                                    },
    { "inf",                        0,  DECIMAL_BAD,     NULL                                    },
    { "NaN",                        0,  DECIMAL_BAD,     NULL                                    },
    { "1_000",                      0,  DECIMAL_BAD,     NULL                                    },
};

START_TEST(a_text_has_its_value_or_is_refused)
{
    const struct row *row = &rows[_i];
    char text[DECIMAL_TEXT_BYTES];
    i128 value = 77;

    ck_assert_msg(decimal_parse(str_from(row->text), row->scale, &value) == row->result, "%s",
                  row->text);
    ck_assert_str_eq(decimal_format(value, 0, text), row->value ? row->value : "77");
}
END_TEST

START_TEST(a_text_may_be_as_long_as_it_likes)
{
    enum { ZEROS = 300000 };
    char *text = mem_calloc(1, ZEROS + 50);
    i128 value;

    memset(text, '0', ZEROS);
    memcpy(text, "0.", 2);
    strcpy(text + ZEROS, "1e299999"); /* 0.00...01 with 299,999 places */
    ck_assert_int_eq(decimal_parse(str_from(text), 0, &value), DECIMAL_OK);
    ck_assert(value == 1);
    memset(text, '0', ZEROS);
    text[0] = '2';
    strcpy(text + ZEROS, "e-299999");
    ck_assert_int_eq(decimal_parse(str_from(text), 0, &value), DECIMAL_OK);
    ck_assert(value == 2);
    free(text);
}
END_TEST

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* A value of any size up to 2^126. */
static i128 random_value(uint64_t *state)
{
    i128 value = (i128)((u128)next_random(state) << 64 | next_random(state));

    value >>= 1 + next_random(state) % 127;
    return next_random(state) & 1 ? value / 2 : -(value / 2);
}

START_TEST(what_is_formatted_parses_back_at_every_scale)
{
    uint64_t state = 42;

    for (int round = 0; round < 200000; round++) {
        i128 value = random_value(&state), back;
        int scale = round % 39;
        char text[DECIMAL_TEXT_BYTES];
        decimal_format(value, scale, text);
        if (decimal_parse(str_from(text), scale, &back) != DECIMAL_OK || back != value)
            ck_abort_msg("%s at scale %d", text, scale);
        if (scale > 0 && strlen(strchr(text, '.') + 1) != (size_t)scale)
            ck_abort_msg("%s has not %d places", text, scale);
    }
}
END_TEST

START_TEST(formatting_holds_at_the_ends_of_the_type)
{
    i128 most = (i128)(~(u128)0 >> 1), least = -most - 1;
    char text[DECIMAL_TEXT_BYTES];

    ck_assert_str_eq(decimal_format(most, 0, text), "170141183460469231731687303715884105727");
    ck_assert_str_eq(decimal_format(least, 0, text), "-170141183460469231731687303715884105728");
    ck_assert_str_eq(decimal_format(least, 39, text), "-0.170141183460469231731687303715884105728");
    ck_assert_str_eq(decimal_format(least, 12, text), "-170141183460469231731687303.715884105728");
    ck_assert_str_eq(decimal_format(-1, 6, text), "-0.000001");
    ck_assert_str_eq(decimal_format(0, 2, text), "0.00");
    ck_assert_str_eq(decimal_format(-1250000, 6, text), "-1.250000");
}
END_TEST

/* Drops the last `drop` digits of a digit string, rounding half to even, as one does on paper. */
static void round_by_hand(char *digits, size_t drop)
{
    size_t len = strlen(digits), keep = len - drop;
    int order = strcmp(digits + keep, "5");

    if (drop == 0)
        return;
    if (digits[keep] == '5') { /* half only if zeros follow */
        order = 0;
        for (size_t i = keep + 1; i < len; i++)
            order |= digits[i] != '0';
    }
    bool odd = keep > 0 && (digits[keep - 1] - '0') % 2 == 1;
    bool up = order > 0 || (order == 0 && odd);
    digits[keep] = '\0';
    for (size_t i = keep; up && i > 0; i--) {
        up = digits[i - 1] == '9';
        digits[i - 1] = up ? '0' : (char)(digits[i - 1] + 1);
    }
    if (up) {
        memmove(digits + 1, digits, keep + 1);
        digits[0] = '1';
    }
}

/* Digits made at random, a third of them ending in what sits on a border. */
static size_t random_digits(uint64_t *state, char *digits, size_t drop)
{
    static const char *const tails[] = { "5", "50000", "49999", "50001", "0", "99999" };
    size_t len = drop + next_random(state) % (37 - drop);

    for (size_t i = 0; i < len; i++)
        digits[i] = (char)('0' + next_random(state) % 10);
    digits[len] = '\0';
    const char *tail = tails[next_random(state) % ARRAY_LEN(tails)];
    if (next_random(state) % 3 == 0)
        for (size_t i = 0; i < drop; i++)
            digits[len - drop + i] = i < strlen(tail) ? tail[i] : '0';
    return len;
}

static const char *without_leading_zeros(const char *digits)
{
    while (*digits == '0')
        digits++;
    return *digits ? digits : "0";
}

START_TEST(rounding_agrees_with_rounding_by_hand)
{
    uint64_t state = 4711;

    for (int round = 0; round < 100000; round++) {
        char digits[50], text[60], expected[50], got[DECIMAL_TEXT_BYTES];
        size_t drop = next_random(&state) % 20;
        size_t len = random_digits(&state, digits, drop);
        bool negative = next_random(&state) & 1;
        i128 whole, by_parse;
        strcpy(expected, digits);
        round_by_hand(expected, drop);
        bool zero = *without_leading_zeros(expected) == '0';
        snprintf(text, sizeof(text), "%s%s", negative ? "-" : "", len ? digits : "0");
        if (decimal_parse(str_from(text), 0, &whole) != DECIMAL_OK)
            ck_abort_msg("%s", text);
        decimal_format(decimal_round(whole, (int)drop), 0, got);
        if (strcmp(got + (negative && !zero), without_leading_zeros(expected)) != 0)
            ck_abort_msg("%s / 10^%zu: %s, by hand %s", text, drop, got, expected);
        snprintf(text, sizeof(text), "%s%se-%zu", negative ? "-" : "", len ? digits : "0", drop);
        decimal_parse(str_from(text), 0, &by_parse);
        if (by_parse != decimal_round(whole, (int)drop))
            ck_abort_msg("%s: parsing and rounding differ", text);
    }
}
END_TEST

START_TEST(every_way_to_write_a_value_gives_the_same)
{
    uint64_t state = 99;

    for (int round = 0; round < 50000; round++) {
        i128 value = random_value(&state) >> 60, back;
        int shift = (int)(next_random(&state) % 30), scale = (int)(next_random(&state) % 12);
        char digits[DECIMAL_TEXT_BYTES], text[80];
        decimal_format(value, shift, digits);
        snprintf(text, sizeof(text), "%s000e%d", digits, shift - scale);
        if (shift == 0)
            snprintf(text, sizeof(text), "%se%d", digits, -scale);
        if (decimal_parse(str_from(text), scale, &back) != DECIMAL_OK || back != value)
            ck_abort_msg("%s at scale %d", text, scale);
    }
}
END_TEST

START_TEST(rounding_a_value_is_half_to_even_on_both_sides)
{
    static const struct {
        int value, digits, expected;
    } halves[] = {
        {25,   1,  2 },
        { 35,  1,  4 },
        { -25, 1,  -2},
        { -35, 1,  -4},
        { 26,  1,  3 },
        { 24,  1,  2 },
        { 5,   1,  0 },
        { -5,  1,  0 },
        { 15,  1,  2 },
        { 7,   0,  7 },
        { 150, 2,  2 },
        { 250, 2,  2 },
        { 251, 2,  3 },
        { 49,  2,  0 },
        { 50,  2,  0 },
        { 51,  2,  1 },
        { -51, 2,  -1},
        { 99,  37, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(halves); i++)
        ck_assert_int_eq((int)decimal_round(halves[i].value, halves[i].digits), halves[i].expected);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_text_has_its_value_or_is_refused, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, a_text_may_be_as_long_as_it_likes);
    tcase_add_test(tc, what_is_formatted_parses_back_at_every_scale);
    tcase_add_test(tc, formatting_holds_at_the_ends_of_the_type);
    tcase_add_test(tc, rounding_agrees_with_rounding_by_hand);
    tcase_add_test(tc, every_way_to_write_a_value_gives_the_same);
    tcase_add_test(tc, rounding_a_value_is_half_to_even_on_both_sides);
}
CHECK_MAIN("base/decimal", add_tests)

/* Why a cost changed: months, price and volume and mix, the fewest causes, gaps of capture. */
#include "config.h"

#include <stdlib.h>

#include "analyze/closing.h"
#include "analyze/culprit.h"
#include "analyze/gaps.h"
#include "analyze/month.h"
#include "analyze/pvm.h"
#include "base/file.h"
#include "llm/price.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define USD(n)   ((i128)(n)*PUSD_PER_USD)
#define MATCHES  2000
#define SEGMENTS 12
#define CAUSES   10

/* xorshift64*: the same on every machine. */
static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * UINT64_C(2685821657736338717);
}

static int64_t below(uint64_t limit)
{
    return (int64_t)(next_random() % limit);
}

/* --- months --- */

static const struct {
    const char *text;
    int days;
    const char *before, *after;
} months[] = {
    {"2026-10",  31, "2026-09", "2026-11"},
    { "2026-01", 31, "2025-12", "2026-02"},
    { "2026-12", 31, "2026-11", "2027-01"},
    { "2024-02", 29, "2024-01", "2024-03"},
    { "2100-02", 28, "2100-01", "2100-03"},
};

START_TEST(a_month_knows_its_days_and_neighbours)
{
    char text[MONTH_TEXT_BYTES];
    struct month m;

    ck_assert(month_parse(str_from(months[_i].text), &m));
    ck_assert_str_eq(month_format(m, text), months[_i].text);
    ck_assert_int_eq(month_days(m), months[_i].days);
    ck_assert_str_eq(month_format(month_before(m), text), months[_i].before);
    ck_assert_str_eq(month_format(month_after(m), text), months[_i].after);
}
END_TEST

static const char *const no_months[] = { "",      "2026",       "2026-00", "2026-13", "2026-1",
                                         "26-10", "2026-10-01", "2026/10", "0000-10", "202a-10" };

START_TEST(what_is_no_month_is_refused)
{
    struct month m;

    ck_assert(!month_parse(str_from(no_months[_i]), &m));
}
END_TEST

START_TEST(a_day_is_over_when_the_next_begins_in_the_zone)
{
    CLEANUP(tz_close) struct tz *tz = NULL;
    struct month m = { 2026, 10 };
    struct err err;

    ck_assert_int_eq(tz_open(STR("+02:00"), &tz, &err), 0);
    int64_t second = civil_to_us((struct civil){ .year = 2026, .month = 10, .day = 2 });
    ck_assert_int_eq(month_days_over(m, second - 1, NULL), 0);
    ck_assert_int_eq(month_days_over(m, second, NULL), 1);
    ck_assert_int_eq(month_days_over(m, second - 2 * 3600 * US_PER_SECOND, tz), 1);
    ck_assert_int_eq(month_days_over(m, second - 2 * 3600 * US_PER_SECOND - 1, tz), 0);
    ck_assert_int_eq(month_days_over(m, INT64_MAX / 2, NULL), 31);
}
END_TEST

/* --- price, volume, mix --- */

START_TEST(twice_the_tokens_at_the_same_shares_and_prices_are_volume)
{
    struct pvm_segment s[] = {
        {.q0 = 100,  .q1 = 200, .c0 = USD(10), .c1 = USD(20)},
        { .q0 = 300, .q1 = 600, .c0 = USD(3),  .c1 = USD(6) },
    };
    struct pvm_parts p;

    pvm_run(s, 2, &p);
    ck_assert(p.volume_pusd == USD(13));
    ck_assert(p.mix_pusd == 0 && p.rate_pusd == 0 && p.new_pusd == 0 && p.other_pusd == 0);
}
END_TEST

START_TEST(the_same_tokens_on_the_dearer_model_are_mix)
{
    struct pvm_segment s[] = {
        {.q0 = 100,  .q1 = 200, .c0 = USD(10), .c1 = USD(20)},
        { .q0 = 100, .q1 = 0,   .c0 = USD(1),  .c1 = 0      },
    };
    struct pvm_parts p;

    pvm_run(s, 2, &p);
    ck_assert(p.mix_pusd == USD(9) && p.volume_pusd == 0 && p.rate_pusd == 0);
    ck_assert(p.lost_pusd == -USD(1));
}
END_TEST

START_TEST(another_price_is_rate_and_another_model_new)
{
    struct pvm_segment s[] = {
        {.q0 = 100, .q1 = 100, .c0 = USD(10), .c1 = USD(15)},
        { .q0 = 0,  .q1 = 7,   .c0 = 0,       .c1 = USD(2) },
        { .q0 = 0,  .q1 = 0,   .c0 = USD(1),  .c1 = USD(4) },
    };
    struct pvm_parts p;

    pvm_run(s, 3, &p);
    ck_assert(p.rate_pusd == USD(5) && p.new_pusd == USD(2) && p.other_pusd == USD(3));
    ck_assert(pvm_sum(&p) == USD(10));
}
END_TEST

START_TEST(parts_of_anything_add_up_to_the_last_digit)
{
    seed = UINT64_C(20261122) + (uint64_t)_i;
    for (int round = 0; round < MATCHES; round++) {
        struct pvm_segment s[SEGMENTS];
        struct pvm_parts p, sums = { 0 };
        i128 change = 0;
        size_t count = (size_t)below(SEGMENTS + 1);
        for (size_t i = 0; i < count; i++) {
            s[i] = (struct pvm_segment){
                .q0 = below(3) ? below(UINT64_C(1) << (1 + below(50))) : 0,
                .q1 = below(3) ? below(UINT64_C(1) << (1 + below(50))) : 0,
                .c0 = below(4) ? (i128)below(UINT64_C(1) << (1 + below(62))) * below(1000) : 0,
                .c1 = below(4) ? (i128)below(UINT64_C(1) << (1 + below(62))) * below(1000) : 0,
            };
            change += s[i].c1 - s[i].c0;
        }
        pvm_run(s, count, &p);
        ck_assert_msg(pvm_sum(&p) == change, "seed %d, round %d", 20261122 + _i, round);
        for (size_t i = 0; i < count; i++) {
            ck_assert(pvm_sum(&s[i].parts) == s[i].c1 - s[i].c0);
            sums.lost_pusd += s[i].parts.lost_pusd;
        }
        ck_assert(sums.lost_pusd == p.lost_pusd);
    }
}
END_TEST

static const struct {
    struct pvm_segment s;
    enum pvm_doubt want;
} doubts[] = {
    {{ .q0 = 1000, .q1 = 1000, .c0 = USD(1) / 100, .c1 = USD(1) / 50 },  PVM_PLAUSIBLE},
    { { .q0 = 1000, .q1 = 1000, .c0 = USD(1) / 1000, .c1 = USD(1) / 5 }, PVM_RATE_ROSE},
    { { .q0 = 1000, .q1 = 1000, .c0 = USD(1) / 5, .c1 = USD(1) / 1000 }, PVM_RATE_FELL},
    { { .q0 = 0, .q1 = 1000, .c0 = 0, .c1 = USD(2) },                    PVM_TOO_DEAR },
    { { .q0 = 0, .q1 = 1000, .c0 = 0, .c1 = USD(1) / 2 },                PVM_PLAUSIBLE},
    { { .q0 = 1000, .q1 = 0, .c0 = USD(5), .c1 = USD(5) },               PVM_PLAUSIBLE},
    { { .q0 = 1000000, .q1 = 1000000, .c0 = 1, .c1 = 1000 },             PVM_PLAUSIBLE},
};

START_TEST(a_rate_that_no_price_list_changes_to_is_doubted)
{
    ck_assert_int_eq(pvm_doubt(&doubts[_i].s), doubts[_i].want);
}
END_TEST

/* --- causes --- */

START_TEST(causes_come_in_the_direction_of_the_change)
{
    struct culprit c[] = {
        {USD(10),  USD(40), 0},
        { USD(10), USD(5),  1},
        { USD(0),  USD(10), 2},
        { USD(1),  USD(2),  3},
    };

    /* +36 in all: 30 alone are more than four fifths of it */
    ck_assert_uint_eq(culprit_rank(c, 4), 1);
    ck_assert_uint_eq(c[0].index, 0);
    ck_assert_uint_eq(c[3].index, 1);
}
END_TEST

START_TEST(nothing_changed_has_no_causes)
{
    struct culprit c[] = {
        {USD(1),  USD(2), 0},
        { USD(2), USD(1), 1},
    };

    ck_assert_uint_eq(culprit_rank(c, 2), 0);
    ck_assert_uint_eq(culprit_rank(NULL, 0), 0);
}
END_TEST

/* Every subset is tried. */
static int fewest(const struct culprit *c, int count, i128 change)
{
    int best = count;

    for (unsigned set = 0; set < 1u << count; set++) {
        i128 sum = 0;
        for (int i = 0; i < count; i++)
            if (set >> i & 1)
                sum += c[i].after - c[i].before;
        bool enough = change > 0 ? sum * 100 >= change * CULPRIT_PERCENT
                                 : sum * 100 <= change * CULPRIT_PERCENT;
        if (enough && __builtin_popcount(set) < best)
            best = __builtin_popcount(set);
    }
    return best;
}

START_TEST(no_smaller_set_explains_as_much)
{
    seed = UINT64_C(4711) + (uint64_t)_i;
    for (int round = 0; round < 100; round++) {
        struct culprit c[CAUSES];
        i128 change = 0, sum = 0;
        for (size_t i = 0; i < CAUSES; i++) {
            c[i] = (struct culprit){ below(100), below(100), i };
            change += c[i].after - c[i].before;
        }
        size_t n = culprit_rank(c, CAUSES);
        for (size_t i = 0; i < n; i++)
            sum += c[i].after - c[i].before;
        if (change == 0)
            continue;
        ck_assert(change > 0 ? sum * 100 >= change * 80 : sum * 100 <= change * 80);
        ck_assert_int_eq((int)n, fewest(c, CAUSES, change));
    }
}
END_TEST

/* --- gaps --- */

static int64_t hours[GAPS_EARLIER + 31 * 24];

static void fill_hours(int64_t by_day, int64_t at_night)
{
    for (size_t i = 0; i < ARRAY_LEN(hours); i++)
        hours[i] = i % 24 >= 8 && i % 24 < 18 ? by_day : at_night;
}

START_TEST(silence_where_there_is_always_some_is_a_gap)
{
    CLEANUP(gaps_release) struct gaps g = { 0 };

    fill_hours(10, 0);
    for (size_t i = 9; i < 14; i++)
        hours[GAPS_EARLIER + 2 * 24 + i] = 0;
    gaps_find(hours, ARRAY_LEN(hours), &g);
    ck_assert_uint_eq(g.list.len, 1);
    ck_assert_uint_eq(g.list.ptr[0].from, 2 * 24 + 9);
    ck_assert_uint_eq(g.list.ptr[0].hours, 5);
    ck_assert_int_eq(g.list.ptr[0].expected, 50);
}
END_TEST

START_TEST(nights_weekends_and_a_first_month_are_no_gaps)
{
    CLEANUP(gaps_release) struct gaps nights = { 0 };
    CLEANUP(gaps_release) struct gaps first = { 0 };

    fill_hours(10, 0);
    gaps_find(hours, ARRAY_LEN(hours), &nights);
    ck_assert_uint_eq(nights.list.len, 0);
    for (size_t i = 0; i < ARRAY_LEN(hours); i++)
        hours[i] = i > GAPS_EARLIER + 100 ? 5 : 0;
    gaps_find(hours, ARRAY_LEN(hours), &first);
    ck_assert_uint_eq(first.list.len, 0);
}
END_TEST

START_TEST(an_hour_that_few_call_in_may_be_silent)
{
    CLEANUP(gaps_release) struct gaps g = { 0 };

    fill_hours(3, 0);
    for (size_t i = 9; i < 12; i++) /* 9 were to be expected */
        hours[GAPS_EARLIER + i] = 0;
    gaps_find(hours, ARRAY_LEN(hours), &g);
    ck_assert_uint_eq(g.list.len, 0);
    hours[GAPS_EARLIER + 12] = 0; /* 12 */
    gaps_find(hours, ARRAY_LEN(hours), &g);
    ck_assert_uint_eq(g.list.len, 1);
}
END_TEST

/* --- closed months --- */

static const char book_text[] = "format: weir-prices/1\n"
                                "provider: openai\n"
                                "sources: {test: {title: test prices, date: 2026-01-01}}\n"
                                "entries:\n"
                                "  - id: alpha\n"
                                "    source: test\n"
                                "    checked: 2026-01-01\n"
                                "    per_million: {input: \"1\", output: \"3\"}\n";

static const char overlay_text[] = "format: weir-prices/1\n"
                                   "provider: openai\n"
                                   "sources: {test: {title: test prices, date: 2026-01-01}}\n"
                                   "entries:\n"
                                   "  - id: alpha\n"
                                   "    source: test\n"
                                   "    checked: 2026-01-01\n"
                                   "    per_million: {input: \"2\", output: \"6\"}\n";

static char *copy_path(const char *name)
{
    return mem_strdup(temp_path(name));
}

START_TEST(a_closed_month_keeps_its_prices)
{
    CLEANUP(price_book_free) struct price_book *book = NULL;
    CLEANUP(price_book_free) struct price_book *kept = NULL;
    CLEANUP(price_book_free) struct price_book *damaged = NULL;
    struct month m = { 2026, 10 };
    struct closing c;
    struct err err;

    temp_folder_make();
    char *paths[] = { copy_path("book.yaml"), copy_path("overlay.yaml") };
    char *dir = copy_path("state");
    ck_assert_int_eq(file_replace(paths[0], str_from(book_text), 0600, &err), 0);
    ck_assert_int_eq(file_replace(paths[1], str_from(overlay_text), 0600, &err), 0);
    ck_assert_int_eq(closing_find(dir, m, &c, &err), 0);
    for (size_t i = 0; i < 2; i++)
        ck_assert_msg(price_book_load(&book, paths[i], &err) == 0, "%s", err.text);
    ck_assert_msg(closing_write(dir, m, book, paths, 2, 0, &err) == 0, "%s", err.text);
    /* prices change */
    ck_assert_int_eq(file_replace(paths[0], str_from(overlay_text), 0600, &err), 0);
    ck_assert_int_eq(closing_find(dir, m, &c, &err), 1);
    ck_assert_int_eq(closing_find(dir, month_after(m), &c, &err), 0);
    ck_assert_msg(closing_load(dir, &c, &kept, &err) == 0, "%s", err.text);
    ck_assert_str_eq(price_book_hash(kept), price_book_hash(book));
    /* and somebody touches what was kept */
    CLEANUP(buf_release) struct buf touched = { 0 };
    buf_addf(&touched, "%s/prices/%s/0001/prices.yaml", dir, c.hash);
    ck_assert_int_eq(file_replace(buf_cstr(&touched), str_from(book_text), 0600, &err), 0);
    ck_assert_int_eq(closing_load(dir, &c, &damaged, &err), -1);
    ck_assert_int_eq(err.code, ERR_CORRUPT);
    ck_assert_int_eq(file_replace(temp_path("state/2026-10.json"), STR("{}"), 0600, &err), 0);
    ck_assert_int_eq(closing_find(dir, m, &c, &err), -1);
    free(paths[0]);
    free(paths[1]);
    free(dir);
    temp_folder_remove();
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_month_knows_its_days_and_neighbours, 0, ARRAY_LEN(months));
    tcase_add_loop_test(tc, what_is_no_month_is_refused, 0, ARRAY_LEN(no_months));
    tcase_add_test(tc, a_day_is_over_when_the_next_begins_in_the_zone);
    tcase_add_test(tc, twice_the_tokens_at_the_same_shares_and_prices_are_volume);
    tcase_add_test(tc, the_same_tokens_on_the_dearer_model_are_mix);
    tcase_add_test(tc, another_price_is_rate_and_another_model_new);
    tcase_add_loop_test(tc, parts_of_anything_add_up_to_the_last_digit, 0, 4);
    tcase_add_loop_test(tc, a_rate_that_no_price_list_changes_to_is_doubted, 0, ARRAY_LEN(doubts));
    tcase_add_test(tc, causes_come_in_the_direction_of_the_change);
    tcase_add_test(tc, nothing_changed_has_no_causes);
    tcase_add_loop_test(tc, no_smaller_set_explains_as_much, 0, 4);
    tcase_add_test(tc, silence_where_there_is_always_some_is_a_gap);
    tcase_add_test(tc, nights_weekends_and_a_first_month_are_no_gaps);
    tcase_add_test(tc, an_hour_that_few_call_in_may_be_silent);
    tcase_add_test(tc, a_closed_month_keeps_its_prices);
}
CHECK_MAIN("analyze/report", add_tests)

/* Calls directly and through a gateway, side by side: shares, ratios, and how sure they are. */
#include "config.h"

#include "analyze/arms.h"

#include <math.h>
#include <stdio.h>

#include "analyze/report.h"
#include "base/file.h"
#include "capture/ledger.h"
#include "tests/check_main.h"
#include "tests/engine_sample.h"
#include "tests/temp_folder.h"

#define FIRST_US INT64_C(1790812800000000) /* 2026-10-01 */
#define DAYS     10
#define EACH     20 /* of an arm in a day */

static struct err err;
static struct price_book *book;
static struct ledgers ledgers;

static void set_up(void)
{
    temp_folder_make();
    const char *path = temp_path("book.yaml");
    ck_assert_int_eq(file_replace(path, str_from(book_text), 0600, &err), 0);
    book = NULL;
    ck_assert_msg(price_book_load(&book, path, &err) == 0, "%s", err.text);
    ledgers = (struct ledgers){ 0 };
}

static void tear_down(void)
{
    price_book_free(book);
    ledgers_release(&ledgers);
    temp_folder_remove();
}

/* Through the gateway calls use twice the input, are slower by 40 ms, and fail 1 in 5. */
static struct exchange call_of(const char *app, const char *arm, int day, int number)
{
    bool on_gateway = arm[0] == 'g';
    bool fails = on_gateway && number % 5 == 0;
    struct exchange x = {
        .started_us = FIRST_US + (day * INT64_C(24) + number % 24) * 3600 * US_PER_SECOND,
        .writer = STR("w"),
        .origin = STR("proxy"),
        .arm = str_from(arm),
        .status = fails ? 500 : 200,
        .path = STR("/v1/chat/completions"),
        .request_us = -1,
        .head_us = -1,
        .first_token_us = 100000 + (on_gateway ? 40000 : 0),
        .end_us = 500000,
        .requests = 1,
        .facts = {.provider = PROVIDER_OPENAI,
                  .api = API_CHAT,
                  .recognised_by = "host",
                  .billable = true,
                  .error_class = fails ? ERROR_CLASS_STATUS_5XX : ERROR_CLASS_NONE,
                  .model = STR("plain"),
                  .usage_source = USAGE_SOURCE_REPORTED,
                  .part_count = 1},
    };

    x.who.app = str_from(app);
    x.facts.parts[0].model = STR("plain");
    /* Days differ, both arms alike. */
    usage_set(&x.facts.parts[0].usage, USAGE_INPUT, (on_gateway ? 2000 : 1000) * (1 + day % 3));
    usage_set(&x.facts.parts[0].usage, USAGE_OUTPUT, 0);
    return x;
}

static void add_calls(struct parquet_writer *w, const char *app, const char *arm, int days)
{
    CLEANUP(arena_release) struct arena scratch = { 0 };

    for (int day = 0; day < days; day++)
        for (int i = 0; i < EACH; i++) {
            struct exchange x = call_of(app, arm, day, i);
            struct parquet_cell cells[LEDGER_COLUMN_COUNT];
            ledger_cells(&x, 0, -1, &scratch, cells);
            ck_assert_msg(parquet_add_row(w, cells, &err) == 0, "%s", err.text);
        }
}

static struct parquet_writer *begin(void)
{
    struct parquet_writer *w = NULL;

    ck_assert_msg(ledger_create(temp_path("l.parquet"), &w, &err) == 0, "%s", err.text);
    return w;
}

static struct engine_query query_of(struct parquet_writer *w)
{
    ck_assert_msg(parquet_finish(w, &err) == 0, "%s", err.text);
    ck_assert_msg(ledgers_add_path(&ledgers, temp_folder, INT64_MIN, INT64_MAX, &err) == 0, "%s",
                  err.text);
    return (struct engine_query){
        .ledgers = &ledgers,
        .book = book,
        .from_us = FIRST_US,
        .to_us = FIRST_US + 31 * US_PER_DAY,
    };
}

static void read_month(const struct engine_query *q, struct report_month *ret)
{
    ck_assert_msg(report_month_read(q, NULL, (struct month){ 2026, 10 }, NULL, NULL, ret, &err) ==
                      0,
                  "%s", err.text);
}

START_TEST(both_arms_are_told_apart_and_compared)
{
    CLEANUP(report_month_release) struct report_month m = { 0 };
    CLEANUP(arms_release) struct arms a = { 0 };
    struct parquet_writer *w = begin();

    add_calls(w, "bot", "direct", DAYS);
    add_calls(w, "bot", "gateway", DAYS);
    add_calls(w, "mail", "direct", DAYS);
    add_calls(w, "old", "", DAYS);
    struct engine_query q = query_of(w);
    read_month(&q, &m);
    ck_assert(arms_has_gateway(&m.parts[REPORT_ARMS].result));
    arms_make(&m.parts[REPORT_ARMS].result, &m.parts[REPORT_ARM_DAYS].result, &a);
    ck_assert_uint_eq(a.apps.len, 3);
    const struct arms_app *bot = &a.apps.ptr[0];
    ck_assert_int_eq(bot->sides[ARM_GATEWAY].requests, DAYS * EACH);
    ck_assert_int_eq(bot->sides[ARM_GATEWAY].errors, DAYS * EACH / 5);
    ck_assert_int_eq(bot->sides[ARM_DIRECT].errors, 0);
    ck_assert_int_eq(arms_requests(&a.all), 4 * DAYS * EACH);
    ck_assert_int_eq(a.all.sides[ARM_UNSAID].requests, DAYS * EACH);
    ck_assert(arms_cost(&a.all) == engine_cost(&m.parts[REPORT_DAILY].result.totals));
    /* Twice the tokens on each day: 2, and no doubt of it. */
    ck_assert_double_eq_tol(bot->cost_ratio, 2, 1e-9);
    ck_assert_double_eq_tol(bot->cost_low, 2, 1e-6);
    ck_assert_double_eq_tol(bot->cost_high, 2, 1e-6);
    ck_assert(a.apps.ptr[1].cost_ratio < 0 && a.apps.ptr[1].cost_low < 0);
    int64_t direct = sketch_quantile(&bot->sides[ARM_DIRECT].first_token_us, 0.95),
            gateway = sketch_quantile(&bot->sides[ARM_GATEWAY].first_token_us, 0.95);
    ck_assert_int_ge(gateway - direct, 38000);
    ck_assert_int_le(gateway - direct, 42000);
}
END_TEST

/* A ratio of 1 with days that scatter: its interval covers 1, and says that it is not sure. */
START_TEST(a_ratio_that_scatters_by_day_has_an_interval)
{
    CLEANUP(report_month_release) struct report_month m = { 0 };
    CLEANUP(arms_release) struct arms a = { 0 };
    CLEANUP(arena_release) struct arena scratch = { 0 };
    struct parquet_writer *w = begin();

    for (int day = 0; day < DAYS; day++)
        for (int arm = 0; arm < 2; arm++) {
            struct exchange x = call_of("bot", "direct", day, 1);
            struct parquet_cell cells[LEDGER_COLUMN_COUNT];
            x.arm = arm ? STR("gateway") : STR("direct");
            usage_set(&x.facts.parts[0].usage, USAGE_INPUT, 1000 + (day + arm) % 2 * 500);
            ledger_cells(&x, 0, -1, &scratch, cells);
            ck_assert_int_eq(parquet_add_row(w, cells, &err), 0);
        }
    struct engine_query q = query_of(w);
    read_month(&q, &m);
    arms_make(&m.parts[REPORT_ARMS].result, &m.parts[REPORT_ARM_DAYS].result, &a);
    ck_assert_double_eq_tol(a.all.cost_ratio, 1, 1e-9);
    ck_assert_double_lt(a.all.cost_low, 0.9);
    ck_assert_double_gt(a.all.cost_high, 1.1);
}
END_TEST

START_TEST(few_days_give_a_ratio_and_no_interval)
{
    CLEANUP(report_month_release) struct report_month m = { 0 };
    CLEANUP(arms_release) struct arms a = { 0 };
    struct parquet_writer *w = begin();

    add_calls(w, "bot", "direct", ARMS_BLOCKS_MIN);
    add_calls(w, "bot", "gateway", ARMS_BLOCKS_MIN - 1);
    struct engine_query q = query_of(w);
    read_month(&q, &m);
    arms_make(&m.parts[REPORT_ARMS].result, &m.parts[REPORT_ARM_DAYS].result, &a);
    ck_assert_double_gt(a.all.cost_ratio, 0);
    ck_assert(a.all.cost_low < 0 && a.all.cost_high < 0);
}
END_TEST

/* --- the section --- */

static bool has_section(const struct engine_query *q)
{
    CLEANUP(report_month_release) struct report_month now = { 0 }, before = { 0 };
    CLEANUP(document_release) struct document d = { 0 };
    struct engine_query earlier = *q;

    read_month(q, &now);
    earlier.from_us = FIRST_US - 30 * US_PER_DAY;
    earlier.to_us = FIRST_US;
    ck_assert_int_eq(
        report_month_read(&earlier, NULL, (struct month){ 2026, 9 }, NULL, NULL, &before, &err), 0);
    struct report_input in = {
        .now = &now,
        .before = &before,
        .days = 31,
        .days_before = 30,
        .is_closed = true,
        .zone = STR("UTC"),
        .book_hash = price_book_hash(book),
        .pin = STR(""),
        .where = STR(""),
        .top = 20,
    };
    report_build(&in, &d);
    for (size_t i = 0; i < d.list.len; i++)
        if (str_eq(d.list.ptr[i]->id, STR("gateway")))
            return true;
    return false;
}

START_TEST(a_month_without_a_gateway_has_no_section_for_it)
{
    struct parquet_writer *w = begin();

    add_calls(w, "bot", "direct", DAYS);
    if (_i)
        add_calls(w, "bot", "gateway", 1);
    struct engine_query q = query_of(w);
    ck_assert_int_eq(has_section(&q), _i);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, both_arms_are_told_apart_and_compared);
    tcase_add_test(tc, a_ratio_that_scatters_by_day_has_an_interval);
    tcase_add_test(tc, few_days_give_a_ratio_and_no_interval);
    tcase_add_loop_test(tc, a_month_without_a_gateway_has_no_section_for_it, 0, 2);
}
CHECK_MAIN("analyze/arms", add_tests)

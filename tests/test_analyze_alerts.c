/* What alerts are made of, one by one: the season under noise and outliers, the state file cut and
 * flipped anywhere, the signature, the line of blocks. */
#include "config.h"

#include "analyze/alerts_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analyze/season.h"
#include "analyze/trend_print.h"
#include "analyze/webhook.h"
#include "base/file.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define NOW_US INT64_C(1760000000000000)
#define DAYS   56

static struct err err;
static uint64_t seed;

static double normal(void)
{
    double sum = -6;

    for (int i = 0; i < 12; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        sum += (double)(seed >> 11) / 9007199254740992.0;
    }
    return sum;
}

START_TEST(a_season_is_not_moved_by_a_few_odd_days)
{
    static const double week[7] = { 100, 110, 120, 110, 90, 20, 10 };
    double values[DAYS], worst = 0;

    seed = 20261122;
    printf("season: seed %llu\n", (unsigned long long)seed);
    for (int run = 0; run < 200; run++) {
        double growth = 0.004 * normal();
        struct season s;
        for (int d = 0; d < DAYS; d++)
            values[d] = week[season_weekday(20000 + d)] * exp(growth * d + 0.05 * normal());
        for (int d = run % 7; d < DAYS; d += 13)
            values[d] *= d % 2 ? 50 : 0;
        struct season_days days = { .values = values, .count = DAYS, .first_day = 20000 };
        ck_assert(season_fit(&days, 0.02, &s));
        ck_assert_uint_eq(s.used, DAYS);
        for (int d = DAYS; d < DAYS + 7; d++) {
            double want = week[season_weekday(20000 + d)] * exp(growth * d);
            double off = fabs(season_expect(&s, 20000 + d) / want - 1);
            worst = off > worst ? off : worst;
        }
        ck_assert_double_gt(s.spread, 0.01);
        ck_assert_double_lt(s.spread, 0.11);
    }
    printf("season: worst day off by %.1f %%\n", 100 * worst);
    ck_assert_double_lt(worst, 0.25);
}
END_TEST

START_TEST(a_season_of_nothing_expects_nothing)
{
    double values[DAYS] = { 0 };
    struct season_days days = { .values = values, .count = DAYS, .first_day = -3 };
    struct season s;

    ck_assert(season_fit(&days, 0.02, &s));
    ck_assert(season_expect(&s, 60) == 0 && s.growth == 0);
    ck_assert(season_residual(&s, 60, 0) == 0);
    days.count = SEASON_MIN_DAYS - 1;
    ck_assert(!season_fit(&days, 0.02, &s));
    ck_assert_int_eq(season_weekday(0), 3);
    ck_assert_int_eq(season_weekday(-4), 6);
}
END_TEST

/* --- state --- */

static void add(struct alerts *a, const char *key)
{
    vec_push(&a->list, (struct alert){ .key = str_from(key), .of = "all" });
}

static void told(const char *path, const char *key, int64_t at_us)
{
    CLEANUP(alerts_state_close) struct alerts_state s = { .lock_fd = -1 };
    CLEANUP(alerts_release) struct alerts a = { 0 };

    add(&a, key);
    ck_assert_msg(alerts_state_open(path, &s, &err) == 0, "%s", err.text);
    ck_assert_msg(alerts_state_save(&s, &a, at_us, &err) == 0, "%s", err.text);
}

static bool knows(const char *path, const char *key)
{
    CLEANUP(alerts_state_close) struct alerts_state s = { .lock_fd = -1 };
    CLEANUP(alerts_release) struct alerts a = { 0 };

    add(&a, key);
    ck_assert_msg(alerts_state_open(path, &s, &err) == 0, "%s", err.text);
    return alerts_state_mark(&s, &a) == 0;
}

START_TEST(what_was_told_is_known_until_its_period_is_long_over)
{
    const char *path = temp_path("state");

    ck_assert(!knows(path, "a\"\n:1"));
    told(path, "a\"\n:1", NOW_US);
    told(path, "b", NOW_US + US_PER_DAY);
    ck_assert(knows(path, "a\"\n:1") && knows(path, "b") && !knows(path, "c"));
    told(path, "c", NOW_US + (ALERTS_STATE_DAYS + 1) * US_PER_DAY);
    ck_assert(!knows(path, "a\"\n:1"));
    ck_assert(knows(path, "b") && knows(path, "c"));
}
END_TEST

START_TEST(a_damaged_state_is_told_and_never_crashes)
{
    CLEANUP(buf_release) struct buf whole = { 0 };
    const char *path = temp_path("state");
    size_t refused = 0;

    told(path, "change:team:cx:2026-10", NOW_US);
    ck_assert_int_eq(file_read(path, 1000, &whole, &err), 0);
    for (size_t i = 0; i < 2 * whole.len; i++) {
        CLEANUP(alerts_state_close) struct alerts_state s = { .lock_fd = -1 };
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_add(&text, whole.ptr, i < whole.len ? i : whole.len);
        if (i >= whole.len)
            text.ptr[i - whole.len] = (char)(text.ptr[i - whole.len] ^ (1 << i % 7));
        ck_assert_int_eq(file_replace(path, buf_str(&text), 0600, &err), 0);
        if (alerts_state_open(path, &s, &err) == 0)
            continue; /* a letter of the key, or a digit of the time */
        refused++;
        ck_assert_ptr_nonnull(strstr(err.text, "is damaged: put a copy back, or remove it"));
    }
    ck_assert_uint_gt(refused, whole.len);
}
END_TEST

/* --- the rest --- */

/* The key and message of RFC 4231, case 2, cut where the timestamp ends. */
START_TEST(a_post_is_signed_as_documented)
{
    char text[WEBHOOK_SIGNATURE_BYTES];
    uint8_t mac[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    hmac_sha256(STR("Jefe"), STR("1760000000.{\"a\":1}"), mac);
    webhook_sign(STR("Jefe"), STR("1760000000"), STR("{\"a\":1}"), text);
    ck_assert_int_eq(strncmp(text, "sha256=", 7), 0);
    ck_assert_str_eq(text + 7, hex_encode(mac, sizeof(mac), hex));
}
END_TEST

START_TEST(nobody_there_is_an_error_that_keeps_the_path_to_itself)
{
    struct webhook hook = { .url = STR("http://127.0.0.1:1/s3cr3t"),
                            .timeout_us = US_PER_SECOND,
                            .tries = 1 };

    ck_assert_int_eq(webhook_post(&hook, STR("{}"), &err), -1);
    ck_assert_ptr_null(strstr(err.text, "s3cr3t"));
    ck_assert_ptr_nonnull(strstr(err.text, "127.0.0.1"));
    hook.url = STR("ftp://x/");
    ck_assert_int_eq(webhook_post(&hook, STR("{}"), &err), -1);
}
END_TEST

START_TEST(a_line_goes_from_the_lowest_to_the_highest)
{
    static const double values[] = { 1, 8, 4.5, 0, 8 };
    static const uint8_t known[] = { 1, 1, 1, 0, 1 };
    CLEANUP(buf_release) struct buf line = { 0 };

    trend_sparkline(values, known, ARRAY_LEN(values), false, &line);
    ck_assert_str_eq(buf_cstr(&line), "_#= #");
    buf_clear(&line);
    trend_sparkline(values, known, ARRAY_LEN(values), true, &line);
    ck_assert_str_eq(buf_cstr(&line), "▁█▅ █");
    buf_clear(&line);
    trend_sparkline(values, known, 1, false, &line);
    ck_assert_str_eq(buf_cstr(&line), "_");
}
END_TEST

START_TEST(the_month_looked_at_is_that_of_yesterday)
{
    static const struct {
        const char *now;
        int64_t today, month, before;
    } rows[] = {
        {"2025-03-01T00:00:00Z",  20148, 20120, 20089},
        { "2025-02-28T23:59:59Z", 20147, 20120, 20089},
        { "2025-03-02T00:00:00Z", 20149, 20148, 20120},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t us;
        ck_assert(timestamp_parse(str_from(rows[i].now), &us));
        struct alerts_span span = alerts_span_at(NULL, us);
        ck_assert_int_eq(span.today, rows[i].today);
        ck_assert_int_eq(span.month_day, rows[i].month);
        ck_assert_int_eq(span.before_day, rows[i].before);
        ck_assert_int_eq(span.first_day, rows[i].month - ALERTS_BASE_DAYS);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, a_season_is_not_moved_by_a_few_odd_days);
    tcase_add_test(tc, a_season_of_nothing_expects_nothing);
    tcase_add_test(tc, what_was_told_is_known_until_its_period_is_long_over);
    tcase_add_test(tc, a_damaged_state_is_told_and_never_crashes);
    tcase_add_test(tc, a_post_is_signed_as_documented);
    tcase_add_test(tc, nobody_there_is_an_error_that_keeps_the_path_to_itself);
    tcase_add_test(tc, a_line_goes_from_the_lowest_to_the_highest);
    tcase_add_test(tc, the_month_looked_at_is_that_of_yesterday);
}
CHECK_MAIN("analyze/alerts", add_tests)

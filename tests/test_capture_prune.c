/* Pruning must remove what is due and nothing else, and leave an archive that still verifies. */
#include "config.h"

#include "capture/prune.h"

#include "capture/seal.h"
#include "capture/verify.h"
#include "tests/capture_sample.h"
#include "tests/check_main.h"

#define FIRST_DAY "2026-10-01"
#define DAY       "2026-10-02"

static struct archive *archive;

static void setup(void)
{
    struct seal_stats stats;

    sample_setup();
    archive = sample_archive("a");
    sample_journal(archive, 1, 5); /* two on the first day */
    ck_ok(seal_run(archive, NULL, &stats, &sample_err));
}

static void teardown(void)
{
    archive_close(archive);
    sample_teardown();
}

static int64_t at(const char *time)
{
    int64_t us = 0;

    ck_assert(timestamp_parse(str_from(time), &us));
    return us;
}

static struct prune_stats prune(const char *now, int64_t bodies_days, int64_t ledger_days)
{
    struct prune_options opts = {
        .now_us = at(now),
        .bodies_us = bodies_days < 0 ? -1 : bodies_days * US_PER_DAY,
        .ledger_us = ledger_days < 0 ? -1 : ledger_days * US_PER_DAY,
    };
    struct prune_stats stats;

    ck_ok(prune_run(archive, &opts, &stats, &sample_err));
    return stats;
}

static struct verify_stats verify(void)
{
    struct verify_options opts = { 0 };
    struct verify_stats stats;

    ck_ok(verify_run(archive, &opts, &stats, &sample_err));
    return stats;
}

static size_t files(const char *kind, const char *date)
{
    char path[64];

    snprintf(path, sizeof(path), "a/%s/date=%s", kind, date);
    return sample_count(sample_path(path), "");
}

/* When a day's bodies go that are kept 30 days. */
static const struct {
    const char *now;
    size_t first_day, day;
} moments[] = {
    {"2026-10-31T23:59:59Z",  1, 1}, /* the first day ended 29 days and 24 hours ago, less 1 s */
    { "2026-11-01T00:00:00Z", 0, 1},
    { "2026-11-02T00:00:00Z", 0, 0},
};

START_TEST(bodies_go_once_their_day_ended_long_enough_ago)
{
    prune(moments[_i].now, 30, 400);
    ck_assert_uint_eq(files("segments", FIRST_DAY), moments[_i].first_day);
    ck_assert_uint_eq(files("segments", DAY), moments[_i].day);
    ck_assert_uint_eq(files("ledger", FIRST_DAY), 1);
    ck_assert_uint_eq(files("ledger", DAY), 1);
    struct verify_stats stats = verify();
    ck_assert_uint_eq(stats.findings, 0);
    ck_assert_uint_eq(stats.pruned_segments, 2 - moments[_i].first_day - moments[_i].day);
    ck_assert_uint_eq(stats.exchanges, 5);
}
END_TEST

START_TEST(ledgers_go_with_their_segments)
{
    struct prune_stats stats = prune("2028-01-01", -1, 400);

    ck_assert_uint_eq(stats.segments, 2);
    ck_assert_uint_eq(stats.ledgers, 2);
    ck_assert_uint_gt(stats.bytes, 1000);
    ck_assert(!file_exists(sample_path("a/segments/date=" DAY)));
    ck_assert(!file_exists(sample_path("a/ledger/date=" DAY)));
    ck_assert_uint_eq(verify().findings, 0);
    ck_assert_uint_eq(verify().pruned_ledgers, 2);
}
END_TEST

START_TEST(bodies_first_and_ledgers_later_is_as_good)
{
    ck_assert_uint_eq(prune("2026-12-01", 30, 400).segments, 2);
    ck_assert_uint_eq(verify().chain_lines, 4);
    ck_assert_uint_eq(prune("2026-12-01", 30, 400).segments, 0); /* nothing is said twice */
    ck_assert_uint_eq(verify().chain_lines, 4);
    ck_assert_uint_eq(prune("2028-01-01", 30, 400).ledgers, 2);
    ck_assert_uint_eq(verify().chain_lines, 6);
    ck_assert_uint_eq(verify().findings, 0);
}
END_TEST

static void count_note(void *ctx, const char *path)
{
    ck_assert(file_exists(path));
    ++*(int *)ctx;
}

START_TEST(a_dry_run_tells_and_changes_nothing)
{
    int notes = 0;
    struct prune_options opts = { .now_us = at("2028-01-01"),
                                  .bodies_us = 0,
                                  .ledger_us = -1,
                                  .dry_run = true,
                                  .note = count_note,
                                  .ctx = &notes };
    struct prune_stats stats;

    ck_ok(prune_run(archive, &opts, &stats, &sample_err));
    ck_assert_uint_eq(stats.segments, 2);
    ck_assert_int_eq(notes, 2);
    ck_assert_uint_eq(files("segments", DAY), 1);
    ck_assert_uint_eq(verify().chain_lines, 2);
}
END_TEST

START_TEST(what_a_crash_left_behind_the_line_is_no_damage_and_goes_next_time)
{
    struct buf file = { 0 };
    char *path = mem_strdup(sample_only(sample_path("a/segments/date=" DAY), ".tar.zst"));

    sample_read(path, &file);
    prune("2026-12-01", 30, -1);
    ck_assert_int_eq(mkdir(sample_path("a/segments/date=" DAY), 0700), 0);
    sample_write(path, buf_str(&file)); /* as if it had not come to the unlink */
    ck_assert_uint_eq(verify().findings, 0);
    ck_assert_uint_eq(prune("2026-10-03", 30, -1).segments, 1);
    ck_assert(!file_exists(path));
    ck_assert_uint_eq(verify().findings, 0);
    buf_release(&file);
    free(path);
}
END_TEST

START_TEST(a_damaged_chain_stops_pruning)
{
    struct buf file = { 0 };
    struct prune_options opts = { .now_us = at("2028-01-01"), .bodies_us = 0, .ledger_us = 0 };
    struct prune_stats stats;

    sample_read(sample_path("a/chain"), &file);
    file.ptr[20] ^= 1;
    sample_write(sample_path("a/chain"), buf_str(&file));
    ck_assert_int_eq(prune_run(archive, &opts, &stats, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
    ck_assert_uint_eq(files("segments", DAY), 1);
    buf_release(&file);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, bodies_go_once_their_day_ended_long_enough_ago, 0,
                        (int)ARRAY_LEN(moments));
    tcase_add_test(tc, ledgers_go_with_their_segments);
    tcase_add_test(tc, bodies_first_and_ledgers_later_is_as_good);
    tcase_add_test(tc, a_dry_run_tells_and_changes_nothing);
    tcase_add_test(tc, what_a_crash_left_behind_the_line_is_no_damage_and_goes_next_time);
    tcase_add_test(tc, a_damaged_chain_stops_pruning);
}

CHECK_MAIN("capture/prune", add_tests)

/* Calls that two ledgers hold: named where statistics can tell, and never invented. */
#include "config.h"

#include "analyze/overlap.h"

#include <string.h>

#include "analyze/scan.h"
#include "base/file.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define DAY_US INT64_C(1790812800000000) /* 2026-10-01 */

static struct err err;

/* Which call a ledger holds: its number makes its identifiers, 0 = it has none. */
struct held {
    int call;
    int content; /* of the imported record; 0 = came through a proxy */
    size_t part, parts;
};
#define CALL(n)                                                                                    \
    {                                                                                              \
        n, 0, 0, 1                                                                                 \
    }
#define RECORD(n, of)                                                                              \
    {                                                                                              \
        n, of, 0, 1                                                                                \
    }
#define PART(n, i)                                                                                 \
    {                                                                                              \
        n, 0, i, 2                                                                                 \
    }

static void write_ledger(const char *path, const struct held *held, size_t count)
{
    CLEANUP(arena_release) struct arena scratch = { 0 };
    struct parquet_writer *w = NULL;

    ck_assert_msg(ledger_create(path, &w, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < count; i++) {
        struct parquet_cell cells[LEDGER_COLUMN_COUNT];
        char content[33];
        struct exchange x = { .started_us = DAY_US + held[i].call,
                              .writer = str_from(path), /* no file is a copy */
                              .sequence = i + 1,
                              .origin = STR("proxy"),
                              .requests = 1 };
        x.facts.recognised_by = "host";
        x.facts.part_count = held[i].parts;
        x.id.bytes[15] = (uint8_t)held[i].call;
        snprintf(content, sizeof(content), "%032x", (unsigned)held[i].content);
        if (held[i].content)
            x.content_id = str_from(content);
        ledger_cells(&x, held[i].part, -1, &scratch, cells);
        ck_assert_msg(parquet_add_row(w, cells, &err) == 0, "%s", err.text);
    }
    ck_assert_msg(parquet_finish(w, &err) == 0, "%s", err.text);
}

static const struct overlap_case {
    const char *name;
    struct held one[3], other[3];
    size_t one_count, other_count;
    bool shared;
} cases[] = {
    {"all calls",                { CALL(1), CALL(2), CALL(3) },  { CALL(1), CALL(2), CALL(3) },  3, 3, true },
    { "the last and the first",  { CALL(1), CALL(2), CALL(3) },  { CALL(3), CALL(4) },           3, 2, true },
    { "one record, other times", { RECORD(1, 7) },               { RECORD(2, 7) },               1, 1, true },
    { "exported",                { CALL(1), CALL(2) },           { RECORD(1, 8), RECORD(2, 9) }, 2, 2, true },
    { "nothing",                 { RECORD(1, 5), RECORD(2, 6) }, { RECORD(3, 7), RECORD(4, 8) }, 2, 2, false},
    { "no identifiers",          { CALL(0) },                    { CALL(0) },                    1, 1, false},
    { "the parts of one call",   { PART(1, 0) },                 { PART(1, 1) },                 1, 1, false},
    { "one part of two",         { PART(1, 0), PART(1, 1) },     { PART(1, 1) },                 2, 1, true },
    { "no row",                  { CALL(1) },                    { CALL(1) },                    1, 0, false},
};

/* As every report reads them. */
static int scan_all(const struct ledgers *l)
{
    struct scan_options options = { .from_us = INT64_MIN, .to_us = INT64_MAX };
    const struct block *b;
    int more;

    options.columns.want[LEDGER_REQUESTS] = true;
    CLEANUP(scan_feed_free) struct scan_feed *feed = scan_feed_new(l, &options);
    CLEANUP(scan_close) struct scan *scan = NULL; /* goes before its feed */
    ck_assert_int_eq(scan_new(feed, &scan, &err), 0);
    while ((more = scan_next(scan, &b, &err)) > 0)
        continue;
    return more;
}

static void ck_told(const struct overlap_case *c, int r)
{
    if (!c->shared) {
        ck_assert_msg(r == 0, "%s: %s", c->name, err.text);
        return;
    }
    ck_assert_msg(r == -1, "%s", c->name);
    ck_assert_msg(err.code == ERR_USAGE && strstr(err.text, "a.parquet") &&
                      strstr(err.text, "b.parquet") && strstr(err.text, "00000000-0000"),
                  "%s: %s", c->name, err.text);
}

START_TEST(calls_that_two_ledgers_hold_are_an_error_that_names_both)
{
    const struct overlap_case *c = &cases[_i];
    CLEANUP(ledgers_release) struct ledgers l = { 0 };
    CLEANUP(ledgers_release) struct ledgers folder = { 0 };
    const char *const paths[] = { temp_path("x/a.parquet"), temp_path("x/b.parquet") };

    ck_assert_int_eq(dir_make(temp_path("x"), &err), 0);
    write_ledger(paths[0], c->one, c->one_count);
    write_ledger(paths[1], c->other, c->other_count);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        ck_assert_int_eq(ledgers_add_path(&l, paths[i], INT64_MIN, INT64_MAX, &err), 0);
    ck_told(c, scan_all(&l));
    ck_told(c, overlap_check(&l, &err));
    l.count_shared = true;
    ck_assert_int_eq(scan_all(&l), 0);
    ck_assert_int_eq(overlap_check(&l, &err), 0);
    ck_assert_int_eq(ledgers_add_path(&folder, temp_path("x"), INT64_MIN, INT64_MAX, &err), 0);
    ck_told(c, overlap_check(&folder, &err));
}
END_TEST

/* Import sees to it there, and what is not looked for costs nothing. */
START_TEST(one_archive_is_not_looked_through)
{
    CLEANUP(archive_close) struct archive *a = NULL;
    CLEANUP(ledgers_release) struct ledgers one = { 0 };

    ck_assert_int_eq(archive_open(temp_path("archive"), true, &a, &err), 0);
    ck_assert_int_eq(dir_make(temp_path("archive/ledger/date=2026-10-01"), &err), 0);
    write_ledger(temp_path("archive/ledger/date=2026-10-01/"
                           "0190f000-0000-7000-8000-00000000000a.parquet"),
                 cases[0].one, 3);
    ck_assert_int_eq(ledgers_add_archive(&one, a, INT64_MIN, INT64_MAX, &err), 0);
    ck_assert(!overlap_is_possible(&one));
    write_ledger(temp_path("b.parquet"), cases[0].other, 2);
    ck_assert_int_eq(ledgers_add_path(&one, temp_path("b.parquet"), INT64_MIN, INT64_MAX, &err), 0);
    ck_assert(overlap_is_possible(&one));
    ck_assert_int_eq(scan_all(&one), -1);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, calls_that_two_ledgers_hold_are_an_error_that_names_both, 0,
                        ARRAY_LEN(cases));
    tcase_add_test(tc, one_archive_is_not_looked_through);
}
CHECK_MAIN("analyze/overlap", add_tests)

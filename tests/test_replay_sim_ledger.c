/* Calls of ledgers, in the order of time. */
#include "config.h"

#include "replay/sim_ledger.h"

#include "base/timestamp.h"
#include "capture/ledger.h"
#include "policy/plan.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define START_US    (INT64_C(1790812800) * US_PER_SECOND) /* 2026-10-01 */
#define USAGE(unit) (LEDGER_USAGE + USAGE_##unit)

/* A row as a proxy writes it, but for what the test says. */
static void fill_row(struct parquet_cell *c, int64_t at_us)
{
    for (int i = 0; i < LEDGER_COLUMN_COUNT; i++)
        c[i] = (struct parquet_cell){ .is_null = ledger_columns()[i].optional, .s = STR("") };
    c[LEDGER_EXCHANGE_ID].s = STR("x");
    c[LEDGER_PARTS].i = c[LEDGER_REQUESTS].i = 1;
    c[LEDGER_STARTED_AT].i = at_us;
    c[LEDGER_PROVIDER].s = STR("openai");
    c[LEDGER_API].s = STR("chat");
    c[LEDGER_MODEL] = (struct parquet_cell){ .s = STR("m-2026") };
    c[LEDGER_MODEL_REQUESTED] = (struct parquet_cell){ .s = STR("m") };
    c[LEDGER_APP] = (struct parquet_cell){ .s = STR("bot") };
    c[LEDGER_STREAM].i = 1;
    c[LEDGER_STATUS].i = 200;
    c[LEDGER_FIRST_TOKEN_US] = (struct parquet_cell){ .i = 400000 };
    c[LEDGER_END_US] = (struct parquet_cell){ .i = 1400000 };
    c[USAGE(INPUT)] = (struct parquet_cell){ .i = 1000 };
    c[USAGE(CACHED_INPUT)] = (struct parquet_cell){ .i = 300 };
    c[USAGE(OUTPUT)] = (struct parquet_cell){ .i = 100 };
    c[USAGE(REASONING)] = (struct parquet_cell){ .i = 40 };
    c[LEDGER_USAGE_SOURCE].s = STR("reported");
}

static void write_ledger(const char *path, const struct parquet_cell (*rows)[LEDGER_COLUMN_COUNT],
                         size_t count)
{
    struct parquet_writer *w;
    struct err err = { 0 };

    ck_assert_msg(ledger_create(path, &w, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(parquet_add_row(w, rows[i], &err) == 0, "%s", err.text);
    ck_assert_msg(parquet_finish(w, &err) == 0, "%s", err.text);
}

static void write_times(const char *path, const int64_t *at_s, size_t count)
{
    struct parquet_cell(*rows)[LEDGER_COLUMN_COUNT] = mem_calloc(count, sizeof(*rows));

    for (size_t i = 0; i < count; i++)
        fill_row(rows[i], START_US + at_s[i] * US_PER_SECOND);
    write_ledger(path, (const struct parquet_cell(*)[LEDGER_COLUMN_COUNT])rows, count);
    free(rows);
}

struct reading {
    struct sim_speeds *speeds;
    struct sim_ledgers *ledgers;
    struct sim_classes classes;
    struct sim_ledgers_stats stats;
    struct sim_arrival calls[1000];
    size_t count;
    uint64_t late;
};

static void read_span(const char *const *paths, size_t count, const int64_t span_us[2],
                      struct reading *ret)
{
    struct err err = { 0 };
    size_t some;

    *ret = (struct reading){ .speeds = sim_speeds_new() };
    ck_assert_msg(sim_ledgers_open(paths, count, span_us, ret->speeds, &ret->ledgers, &err) == 0,
                  "%s", err.text);
    sim_ledgers_stats(ret->ledgers, &ret->stats);
    CLEANUP(sim_source_free)
    struct sim_source *s = sim_ledgers_source(ret->ledgers, &ret->classes);
    do { /* a few at a time: batches must join without a seam */
        ck_assert_msg(s->fill(s, ret->calls + ret->count, 3, &some, &err) == 0, "%s", err.text);
        ret->count += some;
    } while (some);
    ret->late = s->late;
}

static void read_all(const char *const *paths, size_t count, struct reading *ret)
{
    const int64_t span_us[] = { INT64_MIN, INT64_MAX };

    read_span(paths, count, span_us, ret);
}

static void reading_release(struct reading *r)
{
    sim_classes_release(&r->classes);
    sim_ledgers_close(r->ledgers);
    sim_speeds_free(r->speeds);
}

START_TEST(ledgers_that_overlap_come_in_the_order_of_time)
{
    static const int64_t first[] = { 5, 1, 9, 30, 20 }, second[] = { 2, 8, 8, 25 },
                         third[] = { 40, 3 };
    const char *paths[] = { temp_path("a.parquet"), temp_path("b.parquet"),
                            temp_path("c.parquet") };
    static const int64_t want[] = { 1, 2, 3, 5, 8, 8, 9, 20, 25, 30, 40 };
    struct reading r;

    write_times(paths[0], first, ARRAY_LEN(first));
    write_times(paths[1], second, ARRAY_LEN(second));
    write_times(paths[2], third, ARRAY_LEN(third));
    read_all(paths, 3, &r);
    ck_assert_uint_eq(r.count, ARRAY_LEN(want));
    for (size_t i = 0; i < r.count; i++)
        ck_assert_int_eq(r.calls[i].at_us, START_US + want[i] * US_PER_SECOND);
    ck_assert_uint_eq(r.late, 0);
    ck_assert_uint_eq(r.stats.calls, ARRAY_LEN(want));
    ck_assert_int_eq(r.stats.first_us, START_US + US_PER_SECOND);
    ck_assert_int_eq(r.stats.last_us, START_US + 40 * US_PER_SECOND);
    reading_release(&r);
}
END_TEST

/* More ledgers at once than are held: what comes late is taken as of then, and counted. */
START_TEST(what_is_out_of_order_beyond_the_bound_comes_late)
{
    char paths[SIM_LEDGER_OPEN_MAX + 6][sizeof(temp_folder) + 20];
    const char *list[SIM_LEDGER_OPEN_MAX + 6];
    struct reading r;

    for (int64_t i = 0; i < SIM_LEDGER_OPEN_MAX + 6; i++) {
        const int64_t times[] = { i, 1000 + i };
        snprintf(paths[i], sizeof(paths[i]), "%s/%03d.parquet", temp_folder, (int)i);
        list[i] = paths[i];
        write_times(paths[i], times, 2);
    }
    read_all(list, ARRAY_LEN(list), &r);
    ck_assert_uint_eq(r.count, 2 * ARRAY_LEN(list));
    for (size_t i = 1; i < r.count; i++)
        ck_assert_int_le(r.calls[i - 1].at_us, r.calls[i].at_us);
    ck_assert_uint_eq(r.late, 6);
    reading_release(&r);
}
END_TEST

START_TEST(a_row_becomes_a_call)
{
    struct parquet_cell rows[6][LEDGER_COLUMN_COUNT];
    const char *path = temp_path("a.parquet");
    struct reading r;

    for (int64_t i = 0; i < 6; i++)
        fill_row(rows[i], START_US + i);
    rows[1][LEDGER_REQUESTS].i = 20; /* a sum */
    rows[2][LEDGER_API].s = STR("models");
    rows[3][LEDGER_PART].i = 1;
    rows[4][LEDGER_STATUS].i = 529;
    rows[4][LEDGER_ERROR_CLASS] = (struct parquet_cell){ .s = STR("overloaded") };
    rows[4][LEDGER_UPSTREAM] = (struct parquet_cell){ .s = STR("azure-eu") };
    rows[5][LEDGER_STATUS].i = 400;
    rows[5][LEDGER_ERROR_CLASS] = (struct parquet_cell){ .s = STR("status_4xx") };
    rows[5][LEDGER_ADDED_US] = (struct parquet_cell){ .i = 150000 };
    write_ledger(path, (const struct parquet_cell(*)[LEDGER_COLUMN_COUNT])rows, 6);
    read_all(&path, 1, &r);
    ck_assert_uint_eq(r.count, 3);
    ck_assert_uint_eq(r.stats.sums, 1);
    ck_assert_uint_eq(r.stats.others, 1);
    const struct sim_arrival *a = &r.calls[0];
    const struct sim_class *c = &r.classes.list.ptr[a->class];
    ck_assert_uint_eq(a->first_us, 400000);
    ck_assert_uint_eq(a->end_us, 1400000);
    ck_assert_uint_eq(a->tokens[PRICE_PART_FRESH], 700);
    ck_assert_uint_eq(a->tokens[PRICE_PART_CACHED], 300);
    ck_assert_uint_eq(a->tokens[PRICE_PART_OUTPUT], 60);
    ck_assert_uint_eq(a->tokens[PRICE_PART_REASONING], 40);
    ck_assert_int_eq(a->failure, PLAN_FAILURES);
    ck_assert(str_eq(c->upstream, STR("openai")) && str_eq(c->model, STR("m")));
    ck_assert(str_eq(c->answered, STR("m-2026")) && str_eq(c->app, STR("bot")));
    ck_assert(str_eq(sim_class_family(c), STR("openai")));
    ck_assert_int_eq(r.calls[1].failure, PLAN_FAILED_STATUS);
    ck_assert_uint_eq(r.calls[1].status, 529);
    ck_assert(!(r.calls[1].flags & SIM_EVERYWHERE));
    ck_assert(str_eq(r.classes.list.ptr[r.calls[1].class].upstream, STR("azure-eu")));
    ck_assert(r.calls[2].flags & SIM_EVERYWHERE);
    ck_assert_uint_eq(r.calls[2].end_us, 1250000); /* what was tried before is not its own time */
    ck_assert_uint_eq(r.calls[2].class, a->class);
    reading_release(&r);
}
END_TEST

START_TEST(only_the_span_counts)
{
    static const int64_t times[] = { 1, 2, 3, 4 };
    const int64_t span_us[] = { START_US + 2 * US_PER_SECOND, START_US + 4 * US_PER_SECOND };
    const char *path = temp_path("a.parquet");
    struct reading r;

    write_times(path, times, ARRAY_LEN(times));
    read_span(&path, 1, span_us, &r);
    ck_assert_uint_eq(r.count, 2);
    ck_assert_uint_eq(r.stats.calls, 2);
    reading_release(&r);
}
END_TEST

START_TEST(speeds_are_those_of_the_answers)
{
    static const int64_t times[] = { 1, 2, 3, 4 };
    const char *path = temp_path("a.parquet");
    const struct sim_speed *s;
    struct reading r;

    write_times(path, times, ARRAY_LEN(times));
    read_all(&path, 1, &r);
    s = sim_speeds_find(r.speeds, STR("openai"), STR("m"));
    ck_assert_int_eq(s->from[SIM_FIRST], SIM_FROM_RECORDED);
    ck_assert_int_eq(s->from[SIM_WHOLE], SIM_FROM_ASSUMED);
    ck_assert_int_ge(sim_dist_draw(&s->part[SIM_FIRST], UINT64_MAX), 396000);
    ck_assert_int_le(sim_dist_draw(&s->part[SIM_FIRST], UINT64_MAX), 404000);
    /* a second for 100 tokens, in ns */
    ck_assert_int_ge(sim_dist_draw(&s->part[SIM_PER_TOKEN], 0), 9900000);
    ck_assert_int_le(sim_dist_draw(&s->part[SIM_PER_TOKEN], 0), 10100000);
    ck_assert_int_eq(sim_speeds_find(r.speeds, STR("azure"), STR("m"))->from[SIM_FIRST],
                     SIM_FROM_MODEL);
    ck_assert_int_eq(sim_speeds_find(r.speeds, STR("openai"), STR("n"))->from[SIM_FIRST],
                     SIM_FROM_UPSTREAM);
    ck_assert_int_eq(sim_speeds_find(r.speeds, STR("azure"), STR("n"))->from[SIM_FIRST],
                     SIM_FROM_ALL);
    reading_release(&r);
}
END_TEST

START_TEST(a_file_that_is_no_ledger_is_named)
{
    const char *path = temp_path("a.parquet");
    const int64_t span_us[] = { INT64_MIN, INT64_MAX };
    CLEANUP(sim_speeds_free) struct sim_speeds *speeds = sim_speeds_new();
    struct sim_ledgers *l;
    struct err err = { 0 };
    FILE *f = fopen(path, "w");

    fputs("nothing of the kind", f);
    fclose(f);
    ck_assert_int_eq(sim_ledgers_open(&path, 1, span_us, speeds, &l, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "a.parquet"));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, ledgers_that_overlap_come_in_the_order_of_time);
    tcase_add_test(tc, what_is_out_of_order_beyond_the_bound_comes_late);
    tcase_add_test(tc, a_row_becomes_a_call);
    tcase_add_test(tc, only_the_span_counts);
    tcase_add_test(tc, speeds_are_those_of_the_answers);
    tcase_add_test(tc, a_file_that_is_no_ledger_is_named);
}

CHECK_MAIN("replay/sim_ledger", add_tests)

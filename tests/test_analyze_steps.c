/* What was tried: counted by the engine, and priced as the first choice would have been, which must
 * be what a ledger says in which that choice answered. */
#include "config.h"

#include <stdlib.h>

#include "analyze/engine.h"
#include "base/file.h"
#include "tests/check_main.h"
#include "tests/engine_sample.h"
#include "tests/temp_folder.h"

#define CALLS    600
#define FIRST_US INT64_C(1790000000000000) /* 2026-09-21 */

static struct err err;
static struct price_book *book;
static struct exchange calls[CALLS];
static struct exchange_attempt attempts[CALLS][3];
static uint64_t seed;

static uint64_t pick(uint64_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (seed >> 33) % n;
}

static void setup(void)
{
    temp_folder_make();
    const char *path = temp_path("book.yaml");
    ck_assert_int_eq(file_replace(path, str_from(book_text), 0600, &err), 0);
    book = NULL;
    ck_assert_msg(price_book_load(&book, path, &err) == 0, "%s", err.text);
}

static void teardown(void)
{
    price_book_free(book);
    temp_folder_remove();
}

/* One in three says nothing of attempts, one in five comes in two parts. */
static void make_call(size_t i)
{
    static const char *const models[] = { "plain", "long", "dated" };
    struct exchange *x = &calls[i];
    struct call_facts *f = &x->facts;
    struct exchange_attempt *a = attempts[i];

    *x = (struct exchange){ .started_us = FIRST_US + (int64_t)i * US_PER_SECOND,
                            .writer = STR("w0"),
                            .origin = STR("proxy"),
                            .status = 200 };
    x->who.app = pick(2) ? STR("a") : STR("b");
    f->provider = PROVIDER_OPENAI;
    f->recognised_by = "host";
    f->billable = true;
    f->model = str_from(models[pick(ARRAY_LEN(models))]);
    f->part_count = 1 + (pick(5) == 0);
    for (size_t p = 0; p < f->part_count; p++) {
        f->parts[p].model = f->model;
        usage_set(&f->parts[p].usage, USAGE_INPUT, (int64_t)pick(5000));
        usage_set(&f->parts[p].usage, USAGE_OUTPUT, (int64_t)pick(500));
    }
    f->has_reported_cost = pick(4) == 0;
    f->reported_cost_pusd = (int64_t)pick(1000000000);
    f->reported_cost_field = "usage.cost";
    x->attempts = a;
    x->attempt_count = pick(3) ? 1 + pick(3) : 0;
    for (size_t k = 0; k < x->attempt_count; k++)
        a[k] = (struct exchange_attempt){ .upstream = STR("one"),
                                          .model = str_from(models[pick(ARRAY_LEN(models))]),
                                          .status = pick(2) ? 200 : 503,
                                          .bytes = pick(2),
                                          .start_us = 10 + (int64_t)(k * pick(1000)),
                                          .duration_us = -1 };
    if (x->attempt_count)
        a[x->attempt_count - 1].model = f->model;
}

static void write_calls(const char *path)
{
    CLEANUP(arena_release) struct arena scratch = { 0 };
    struct parquet_writer *w = NULL;
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];

    ck_assert_msg(ledger_create(path, &w, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < CALLS; i++)
        for (size_t part = 0; part < ledger_rows(&calls[i]); part++) {
            ledger_cells(&calls[i], part, -1, &scratch, cells);
            ck_assert_int_eq(parquet_add_row(w, cells, &err), 0);
        }
    ck_assert_int_eq(parquet_finish(w, &err), 0);
}

static void run(const char *path, const struct engine_whatif *whatif, struct dimension **by,
                struct engine_result *ret)
{
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };

    ck_assert_int_eq(ledgers_add_path(&ledgers, path, INT64_MIN, INT64_MAX, &err), 0);
    ck_assert_int_eq(dimension_new(STR("app"), NULL, by, &err), 0);
    struct engine_query q = { .ledgers = &ledgers,
                              .book = book,
                              .from_us = INT64_MIN,
                              .to_us = INT64_MAX,
                              .dimensions = by,
                              .dimension_count = 1,
                              .measures = ENGINE_MONEY | ENGINE_STEPS,
                              .threads = 2,
                              .whatif = whatif };
    ck_assert_msg(engine_run(&q, ret, &err) == 0, "%s", err.text);
}

static bool fell_back(const struct exchange *x)
{
    return x->attempt_count &&
           !str_eq(x->attempts[0].model, x->attempts[x->attempt_count - 1].model);
}

START_TEST(a_fallback_is_priced_as_if_the_first_choice_had_answered)
{
    static const struct engine_whatif first = { .first_choice = true, .tokens_micro = 1000000 };
    CLEANUP(engine_result_release) struct engine_result have = { 0 }, want = { 0 };
    struct dimension *by[2] = { 0 };
    size_t fallbacks = 0;

    seed = (uint64_t)_i;
    for (size_t i = 0; i < CALLS; i++)
        make_call(i);
    write_calls(temp_path("was.parquet"));
    for (size_t i = 0; i < CALLS; i++) {
        struct exchange *x = &calls[i];
        if (!fell_back(x))
            continue;
        fallbacks++;
        for (size_t p = 0; p < x->facts.part_count; p++)
            x->facts.parts[p].model = x->attempts[0].model;
        x->facts.has_reported_cost = false;
    }
    write_calls(temp_path("if.parquet"));
    run(temp_path("was.parquet"), &first, &by[0], &have);
    run(temp_path("if.parquet"), NULL, &by[1], &want);
    ck_assert_uint_gt(fallbacks, CALLS / 10);
    ck_assert_uint_eq(have.rows.len, 2);
    for (size_t i = 0; i < 2; i++)
        for (size_t source = 0; source < COST_SOURCE_COUNT; source++)
            ck_assert(have.rows.ptr[i].sums.cost_pusd[source] ==
                      want.rows.ptr[i].sums.cost_pusd[source]);
    dimension_free(by[0]);
    dimension_free(by[1]);
}
END_TEST

START_TEST(attempts_are_counted_once_an_exchange)
{
    CLEANUP(engine_result_release) struct engine_result r = { 0 };
    struct dimension *by = NULL;
    struct engine_steps want = { 0 }, have = { 0 };
    uint64_t waits = 0;

    seed = (uint64_t)_i;
    for (size_t i = 0; i < CALLS; i++) {
        const struct exchange *x = &calls[i];
        make_call(i);
        if (!x->attempt_count)
            continue;
        want.known++;
        want.extra += (int64_t)x->attempt_count - 1;
        want.fallbacks += fell_back(x);
        want.added_us += x->attempts[x->attempt_count - 1].start_us - 10;
        for (size_t k = 0; k + 1 < x->attempt_count; k++)
            want.cut += x->attempts[k].status == 200 && x->attempts[k].bytes;
    }
    write_calls(temp_path("was.parquet"));
    run(temp_path("was.parquet"), NULL, &by, &r);
    for (size_t i = 0; i < r.rows.len; i++) {
        const struct engine_steps *s = &r.rows.ptr[i].detail->steps;
        have.known += s->known;
        have.extra += s->extra;
        have.fallbacks += s->fallbacks;
        have.cut += s->cut;
        have.added_us += s->added_us;
        waits += s->added.total;
    }
    ck_assert_int_eq(have.known, want.known);
    ck_assert_int_eq(have.extra, want.extra);
    ck_assert_int_eq(have.fallbacks, want.fallbacks);
    ck_assert_int_eq(have.cut, want.cut);
    ck_assert_int_eq(have.added_us, want.added_us);
    ck_assert_uint_le(waits, (uint64_t)want.known);
    ck_assert_uint_gt(waits, 0);
    dimension_free(by);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_fallback_is_priced_as_if_the_first_choice_had_answered, 1, 11);
    tcase_add_loop_test(tc, attempts_are_counted_once_an_exchange, 1, 11);
}
CHECK_MAIN("analyze/steps", add_tests)

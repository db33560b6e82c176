/* Ours against theirs: what every difference is called, and that its parts add up. */
#include "config.h"

#include "analyze/reconcile.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define DAY(n)   (INT64_C(1790812800000000) + (n)*US_PER_DAY) /* 2026-10-01 + n */
#define USD(n)   ((i128)((n)*1000000) * (PUSD_PER_USD / 1000000))
#define MICRO(n) ((i128)(n)*1000000)

/* 1 USD a million in, 0.1 cached, 3 out; half of that in a batch. */
static const char book_text[] =
    "format: weir-prices/1\n"
    "provider: openai\n"
    "sources: {test: {title: test prices, date: 2026-01-01}}\n"
    "entries:\n"
    "  - id: alpha\n"
    "    source: test\n"
    "    checked: 2026-01-01\n"
    "    per_million: {input: \"1\", cached_input: \"0.1\", output: \"3\"}\n"
    "    tiers: {batch: {times: \"0.5\"}}\n";

static struct price_book *book;
static struct err err;

static void set_up(void)
{
    temp_folder_make();
    const char *path = temp_path("book.yaml");
    ck_assert_int_eq(file_replace(path, str_from(book_text), 0600, &err), 0);
    book = NULL;
    ck_assert_msg(price_book_load(&book, path, &err) == 0, "%s", err.text);
}

static void tear_down(void)
{
    price_book_free(book);
    temp_folder_remove();
}

static struct reconcile_ours ours(int day, const char *model, int64_t input, int64_t cached,
                                  int64_t output)
{
    struct reconcile_ours x = {
        .day_us = DAY(day), .provider = PROVIDER_OPENAI, .model = str_from(model), .requests = 1
    };

    x.micro[BILL_INPUT] = MICRO(input);
    x.micro[BILL_CACHED_INPUT] = MICRO(cached);
    x.micro[BILL_OUTPUT] = MICRO(output);
    /* a millionth of a USD is a million pusd */
    x.cost_pusd = (i128)input * 1000000 + (i128)cached * 100000 + (i128)output * 3000000;
    return x;
}

static struct invoice_line theirs(int day, const char *model, enum bill_unit unit, int64_t quantity,
                                  double usd)
{
    return (struct invoice_line){ .provider = PROVIDER_OPENAI,
                                  .from_us = DAY(day),
                                  .to_us = DAY(day + 1),
                                  .model = str_from(model),
                                  .unit = unit,
                                  .has_quantity = quantity >= 0,
                                  .quantity_micro = MICRO(quantity < 0 ? 0 : quantity),
                                  .has_cost = usd >= 0,
                                  .cost_pusd = usd < 0 ? 0 : USD(usd) };
}

static void run(const struct invoice_line *lines, size_t line_count,
                const struct reconcile_ours *own, size_t own_count, struct reconcile *ret)
{
    struct invoice v = { 0 };

    for (size_t i = 0; i < line_count; i++)
        vec_push(&v.lines, lines[i]);
    struct reconcile_options o = {
        .invoice = &v, .ours = own, .ours_count = own_count, .book = book
    };
    reconcile_run(&o, ret);
    invoice_release(&v);
}

/* Whatever the reason: the parts make up the difference, and the classes the whole. */
static void check_sums(const struct reconcile *r)
{
    i128 sum = 0;

    for (size_t i = 0; i < r->cells.len; i++) {
        const struct reconcile_cell *c = &r->cells.ptr[i];
        if (c->rate_known)
            ck_assert(c->quantity_pusd + c->price_pusd == c->theirs_pusd - c->ours_pusd);
    }
    for (int c = 0; c < RECONCILE_CLASS_COUNT; c++)
        sum += r->class_pusd[c];
    ck_assert(sum == r->theirs_pusd - r->ours_pusd);
}

/* One cell of input tokens of alpha: ours against theirs. */
static const struct row {
    const char *what;
    int64_t ours, theirs; /* theirs -1: not said */
    double usd;           /* -1: not said */
    enum bill_unit unit;
    enum reconcile_class class;
} rows[] = {
    {"equal to the last digit",       1000000, 1000000, 1,    BILL_INPUT, RECONCILE_MATCH   },
    { "a usage export without costs", 1000000, 1000000, -1,   BILL_INPUT, RECONCILE_MATCH   },
    { "more than we saw",             1000000, 1500000, 1.5,  BILL_INPUT, RECONCILE_MISSING },
    { "nothing that we saw",          0,       1500000, 1.5,  BILL_INPUT, RECONCILE_MISSING },
    { "less than we saw",             1000000, 500000,  0.5,  BILL_INPUT, RECONCILE_LATE    },
    { "half the price: a batch",      1000000, 1000000, 0.5,  BILL_INPUT, RECONCILE_TIER    },
    { "another price",                1000000, 1000000, 0.85, BILL_INPUT, RECONCILE_PRICE   },
    { "rounded to cents",             1234567, 1234567, 1.23, BILL_INPUT, RECONCILE_ROUNDING},
    { "a sum that is ours",           1000000, -1,      1,    BILL_NONE,  RECONCILE_MATCH   },
    { "a sum beyond ours",            1000000, -1,      1.4,  BILL_NONE,  RECONCILE_MISSING },
    { "storage",                      0,       3,       0.3,  BILL_OTHER, RECONCILE_OTHER   },
};

START_TEST(a_difference_has_its_class)
{
    CLEANUP(reconcile_release) struct reconcile r;
    const struct row *row = &rows[_i];
    struct invoice_line line =
        theirs(0, row->unit == BILL_NONE ? "" : "alpha", row->unit, row->theirs, row->usd);
    struct reconcile_ours own = ours(0, "alpha", row->ours, 0, 0);

    run(&line, 1, &own, row->ours ? 1 : 0, &r);
    ck_assert_uint_eq(r.cells.len, 1);
    ck_assert_msg(r.cells.ptr[0].class == row->class, "%s: %s", row->what,
                  reconcile_class_name(r.cells.ptr[0].class));
    check_sums(&r);
}
END_TEST

START_TEST(input_split_differently_is_a_matter_of_the_cache)
{
    CLEANUP(reconcile_release) struct reconcile r;
    const struct invoice_line lines[] = {
        theirs(0, "alpha", BILL_INPUT, 400, 0.0004),
        theirs(0, "alpha", BILL_CACHED_INPUT, 600, 0.00006),
        theirs(0, "alpha", BILL_OUTPUT, 10, 0.00003),
    };
    struct reconcile_ours own = ours(0, "alpha", 1000, 0, 10);

    run(lines, ARRAY_LEN(lines), &own, 1, &r);
    ck_assert_uint_eq(r.class_cells[RECONCILE_CACHE], 2);
    ck_assert_uint_eq(r.class_cells[RECONCILE_MATCH], 1);
    check_sums(&r);
}
END_TEST

START_TEST(a_display_name_meets_the_identifier)
{
    CLEANUP(reconcile_release) struct reconcile r;
    const struct invoice_line lines[] = { theirs(0, "Alpha", BILL_OUTPUT, 10, 0.00003) };
    const struct reconcile_ours own[] = { ours(0, "alpha-20250929", 0, 0, 10) };

    run(lines, 1, own, 1, &r);
    ck_assert_uint_eq(r.cells.len, 1);
    ck_assert_int_eq(r.cells.ptr[0].class, RECONCILE_MATCH);
}
END_TEST

START_TEST(the_same_ratio_every_day_is_a_price)
{
    CLEANUP(reconcile_release) struct reconcile r;
    struct invoice_line lines[4];
    struct reconcile_ours own[4];

    for (int d = 0; d < 4; d++) {
        own[d] = ours(d, "alpha", 1000000 * (d + 1), 0, 0);
        lines[d] = theirs(d, "", BILL_NONE, -1, 0.85 * (d + 1));
    }
    run(lines, 4, own, 4, &r);
    ck_assert_uint_eq(r.class_cells[RECONCILE_PRICE], 4);
    check_sums(&r);
}
END_TEST

START_TEST(days_and_months_are_not_mixed)
{
    CLEANUP(reconcile_release) struct reconcile r;
    struct invoice_line line = theirs(0, "alpha", BILL_INPUT, 3000000, 3);
    struct reconcile_ours own[3];

    line.to_us = DAY(31);
    for (int d = 0; d < 3; d++)
        own[d] = ours(d * 10, "alpha", 1000000, 0, 0);
    run(&line, 1, own, 3, &r);
    ck_assert_uint_eq(r.cells.len, 1);
    ck_assert_int_eq(r.cells.ptr[0].class, RECONCILE_MATCH);
}
END_TEST

START_TEST(a_usage_and_a_cost_export_do_not_count_twice)
{
    CLEANUP(reconcile_release) struct reconcile r;
    struct invoice_line lines[] = {
        theirs(0, "alpha", BILL_INPUT, 1000000, -1),
        theirs(0, "alpha", BILL_INPUT, 1000000, 1),
    };
    struct reconcile_ours own = ours(0, "alpha", 1000000, 0, 0);

    lines[1].file = 1;
    run(lines, ARRAY_LEN(lines), &own, 1, &r);
    ck_assert_uint_eq(r.cells.len, 1);
    ck_assert_int_eq(r.cells.ptr[0].class, RECONCILE_MATCH);
    ck_assert(r.theirs_pusd == USD(1));
}
END_TEST

START_TEST(other_providers_and_days_are_left_alone)
{
    CLEANUP(reconcile_release) struct reconcile r;
    const struct invoice_line line = theirs(0, "alpha", BILL_INPUT, 1000000, 1);
    struct reconcile_ours own[] = { ours(0, "alpha", 1000000, 0, 0), ours(0, "beta", 1000000, 0, 0),
                                    ours(9, "alpha", 1000000, 0, 0) };

    own[1].provider = PROVIDER_ANTHROPIC;
    run(&line, 1, own, 3, &r);
    ck_assert_uint_eq(r.cells.len, 1);
    ck_assert(r.ours_pusd == USD(1));
}
END_TEST

/* Whatever is on either side, nothing of it is lost and the parts add up. */
START_TEST(sums_hold_for_random_sides)
{
    static const char *const models[] = { "alpha", "beta", "", "Alpha" };
    struct invoice_line lines[40];
    struct reconcile_ours own[40];

    srand(7 + (unsigned)_i);
    for (int round = 0; round < 50; round++) {
        CLEANUP(reconcile_release) struct reconcile r;
        i128 all_theirs = 0, all_ours = 0;
        for (int i = 0; i < 40; i++) {
            lines[i] =
                theirs(rand() % 3, models[rand() % 4], (enum bill_unit)(rand() % BILL_IMAGES),
                       rand() % 5 ? rand() % 1000000 : -1, (rand() % 1000) / 100.0);
            own[i] = ours(rand() % 3, models[rand() % 2], rand() % 1000000, rand() % 1000000,
                          rand() % 1000000);
            all_theirs += lines[i].cost_pusd;
        }
        run(lines, 40, own, 40, &r);
        for (int i = 0; i < 40; i++)
            all_ours += own[i].cost_pusd;
        check_sums(&r);
        ck_assert(r.theirs_pusd == all_theirs);
        ck_assert(r.ours_pusd == all_ours);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, a_difference_has_its_class, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, input_split_differently_is_a_matter_of_the_cache);
    tcase_add_test(tc, a_display_name_meets_the_identifier);
    tcase_add_test(tc, the_same_ratio_every_day_is_a_price);
    tcase_add_test(tc, days_and_months_are_not_mixed);
    tcase_add_test(tc, a_usage_and_a_cost_export_do_not_count_twice);
    tcase_add_test(tc, other_providers_and_days_are_left_alone);
    tcase_add_loop_test(tc, sums_hold_for_random_sides, 0, 4);
}
CHECK_MAIN("analyze/reconcile", add_tests)

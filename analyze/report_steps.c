/* report_steps - retries and fallbacks, and what they cost in time and money. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>

#include "analyze/report_fold.h"
#include "base/figure.h"

/* Of REPORT_STEPS. */
enum { FIRST_UPSTREAM, FIRST_MODEL, FIRST_ERROR, UPSTREAM, KEYS };

static const struct column_def columns[] = {
    {"first_upstream",    "first choice",   false},
    { "first_model",      "model",          false},
    { "first_error",      "failed with",    false},
    { "upstream",         "answered by",    false},
    { "requests",         "requests",       true },
    { "extra_attempts",   "more attempts",  true },
    { "fallbacks",        "fallbacks",      true },
    { "added_p50_us",     "added wait p50", true },
    { "added_p95_us",     "added wait p95", true },
    { "cost_usd",         "USD",            true },
    { "first_choice_usd", "first choice",   true },
    { "extra_usd",        "more",           true },
};

static bool is_shown(const struct engine_row *row)
{
    return row->detail->steps.extra > 0 || row->detail->steps.fallbacks > 0;
}

/* Most requests first, equals by name. */
static int compare(const void *a, const void *b, void *result)
{
    const struct engine_row *x = *(const struct engine_row *const *)a;
    const struct engine_row *y = *(const struct engine_row *const *)b;
    const struct engine_result *r = result;
    int c = 0;

    if (x->sums.requests != y->sums.requests)
        return x->sums.requests < y->sums.requests ? 1 : -1;
    for (size_t i = 0; i < KEYS && !c; i++)
        c = str_cmp(dimension_value(r->dimensions[i], x->codes[i]),
                    dimension_value(r->dimensions[i], y->codes[i]));
    return c;
}

static void add_wait(struct document *d, const struct sketch *s, double q)
{
    int64_t us = sketch_quantile(s, q);

    if (us < 0)
        document_none(d);
    else
        document_number(d, CELL_US, us);
}

/* What the same use would have cost at the first choice; none where nobody can say. */
static void add_money(const struct report_input *in, const struct engine_row *row,
                      struct document *d)
{
    const struct engine_result *steps = &in->now->parts[REPORT_STEPS].result;
    const struct engine_result *first = &in->now->parts[REPORT_FIRST].result;
    struct str keys[KEYS];
    const struct engine_row *then = NULL;
    i128 now = engine_cost(&row->sums);

    for (size_t i = 0; i < KEYS; i++)
        keys[i] = dimension_value(steps->dimensions[i], row->codes[i]);
    if (row->detail->steps.fallbacks > 0 && first->dimension_count)
        then = engine_find(first, keys);
    document_number(d, CELL_USD, now);
    if (!then || then->sums.unpriced_requests > row->sums.unpriced_requests) {
        document_none(d);
        document_none(d);
        return;
    }
    document_number(d, CELL_USD, engine_cost(&then->sums));
    document_number(d, CELL_USD_CHANGE, now - engine_cost(&then->sums));
}

static void add_row(const struct report_input *in, const struct engine_row *row, struct document *d)
{
    const struct engine_result *r = &in->now->parts[REPORT_STEPS].result;
    const struct engine_steps *s = &row->detail->steps;

    for (size_t i = 0; i < KEYS; i++) {
        struct str value = dimension_value(r->dimensions[i], row->codes[i]);
        document_text(d, i == FIRST_ERROR ? value : fold_name(value));
    }
    document_number(d, CELL_COUNT, row->sums.requests);
    document_number(d, CELL_COUNT, s->extra);
    document_number(d, CELL_COUNT, s->fallbacks);
    add_wait(d, &s->added, 0.5);
    add_wait(d, &s->added, 0.95);
    add_money(in, row, d);
}

struct totals {
    int64_t known, extra, fallbacks, cut, added_us;
};

static void add_up(const struct engine_result *r, struct totals *ret)
{
    *ret = (struct totals){ 0 };
    for (size_t i = 0; i < r->rows.len; i++) {
        const struct engine_steps *s = &r->rows.ptr[i].detail->steps;
        ret->known += s->known;
        ret->extra += s->extra;
        ret->fallbacks += s->fallbacks;
        ret->cut += s->cut;
        ret->added_us += s->added_us;
    }
}

static void add_notes(const struct report_input *in, struct document *d)
{
    char known[FIGURE_BYTES], extra[FIGURE_BYTES], cut[FIGURE_BYTES];
    struct totals now, before;

    add_up(&in->now->parts[REPORT_STEPS].result, &now);
    add_up(&in->before->parts[REPORT_STEPS].result, &before);
    double seconds = (double)now.added_us / (double)US_PER_SECOND;
    bool is_long = seconds >= 7200;
    if (now.known == 0) {
        document_note(d, "What was tried is not recorded: only traffic through weir's proxy says "
                         "it. Where applications retry themselves, each attempt is a request of "
                         "its own and in the cost.");
        return;
    }
    document_note(d,
                  "Of %s requests that say what was tried, %" PRId64 " were answered by another "
                  "than the first choice (%" PRId64 " the month before). More attempts than one "
                  "each: %s; callers waited %.1f %s longer in all.",
                  figure_count(now.known, known).ptr, now.fallbacks, before.fallbacks,
                  figure_count(now.extra, extra).ptr, is_long ? seconds / 3600 : seconds,
                  is_long ? "hours" : "seconds");
    if (now.cut)
        document_note(d,
                      "Attempts that broke off in the middle of an answer: %s. They may have been "
                      "billed, and are in no sum here.",
                      figure_count(now.cut, cut).ptr);
    document_note(d, "The first choice's cost is that of the same use by its model at the provider "
                     "that answered; - where the price book does not know it.");
}

void report_add_steps(const struct report_input *in, struct document *d)
{
    const struct engine_result *r = &in->now->parts[REPORT_STEPS].result;
    const struct engine_row **rows = mem_calloc(r->rows.len + 1, sizeof(*rows));
    size_t count = 0;

    document_section(d, "fallbacks", "Retries and fallbacks, and what they cost");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < r->rows.len; i++)
        if (is_shown(&r->rows.ptr[i]))
            rows[count++] = &r->rows.ptr[i];
    if (count)
        qsort_r(rows, count, sizeof(struct engine_row *), compare,
                (struct engine_result *)(uintptr_t)r);
    for (size_t i = 0; i < count && i < in->top; i++)
        add_row(in, rows[i], d);
    if (count > in->top)
        document_note(d, "And %zu others with fewer requests.", count - in->top);
    add_notes(in, d);
    free(rows);
}

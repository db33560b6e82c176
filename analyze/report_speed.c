/* report_speed - how fast answers came and how many failed, by model, app and day. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "analyze/report_fold.h"

static const struct column_def columns[] = {
    {"requests",                   "requests",        true},
    { "errors",                    "errors",          true},
    { "error_rate",                "error rate",      true},
    { "error_rate_before",         "before",          true},
    { "first_token_p50_us",        "first token p50", true},
    { "first_token_p95_us",        "first token p95", true},
    { "first_token_p95_before_us", "before",          true},
    { "total_p50_us",              "total p50",       true},
    { "total_p95_us",              "total p95",       true},
    { "total_p95_before_us",       "before",          true},
};

static void add_rate(struct document *d, const struct engine_row *row)
{
    if (row)
        document_share(d, engine_failed(row->detail), row->sums.requests);
    else
        document_none(d);
}

static void add_quantile(struct document *d, const struct sketch *s, double q)
{
    int64_t us = s ? sketch_quantile(s, q) : -1;

    if (us < 0)
        document_none(d);
    else
        document_number(d, CELL_US, us);
}

static void add_row(struct document *d, const struct engine_row *now,
                    const struct engine_row *before)
{
    document_number(d, CELL_COUNT, now->sums.requests);
    document_number(d, CELL_COUNT, engine_failed(now->detail));
    add_rate(d, now);
    add_rate(d, before);
    add_quantile(d, &now->detail->first_token_us, 0.5);
    add_quantile(d, &now->detail->first_token_us, 0.95);
    add_quantile(d, before ? &before->detail->first_token_us : NULL, 0.95);
    add_quantile(d, &now->detail->duration_us, 0.5);
    add_quantile(d, &now->detail->duration_us, 0.95);
    add_quantile(d, before ? &before->detail->duration_us : NULL, 0.95);
}

/* Most requests first, equals by name. */
static int compare(const void *a, const void *b, void *result)
{
    const struct engine_row *x = *(const struct engine_row *const *)a;
    const struct engine_row *y = *(const struct engine_row *const *)b;
    const struct engine_result *r = result;

    if (x->sums.requests != y->sums.requests)
        return x->sums.requests < y->sums.requests ? 1 : -1;
    return str_cmp(dimension_value(r->dimensions[0], x->codes[0]),
                   dimension_value(r->dimensions[0], y->codes[0]));
}

static void add_table(const struct report_input *in, enum report_part part, const char *name,
                      struct document *d)
{
    const struct engine_result *now = &in->now->parts[part].result;
    const struct engine_result *before = &in->before->parts[part].result;
    const struct engine_row **rows = mem_calloc(now->rows.len + 1, sizeof(*rows));

    document_column(d, str_from(name), str_from(name), false);
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < now->rows.len; i++)
        rows[i] = &now->rows.ptr[i];
    qsort_r(rows, now->rows.len, sizeof(struct engine_row *), compare,
            (struct engine_result *)(uintptr_t)now);
    for (size_t i = 0; i < now->rows.len && i < in->top; i++) {
        struct str value = dimension_value(now->dimensions[0], rows[i]->codes[0]);
        document_text(d, fold_name(value));
        add_row(d, rows[i], engine_find(before, &value));
    }
    if (now->rows.len > in->top)
        document_note(d, "And %zu others with fewer requests.", now->rows.len - in->top);
    free(rows);
}

static void add_days(const struct report_input *in, struct document *d)
{
    const struct engine_result *now = &in->now->parts[REPORT_BY_DAY].result;
    char month[MONTH_TEXT_BYTES];
    static const struct column_def day_columns[] = {
        {"day",                 "day",             false},
        { "requests",           "requests",        true },
        { "errors",             "errors",          true },
        { "error_rate",         "error rate",      true },
        { "first_token_p95_us", "first token p95", true },
        { "total_p95_us",       "total p95",       true },
    };

    document_section(d, "speed_by_day", "Latency and errors by day");
    document_columns(d, day_columns, ARRAY_LEN(day_columns));
    month_format(in->now->month, month);
    for (int day = 1; day <= in->days; day++) {
        char text[MONTH_TEXT_BYTES + 16];
        snprintf(text, sizeof(text), "%s-%02d", month, day);
        struct str value = str_from(text);
        const struct engine_row *row = engine_find(now, &value);
        document_text(d, value);
        document_number(d, CELL_COUNT, row ? row->sums.requests : 0);
        document_number(d, CELL_COUNT, row ? engine_failed(row->detail) : 0);
        add_rate(d, row);
        add_quantile(d, row ? &row->detail->first_token_us : NULL, 0.95);
        add_quantile(d, row ? &row->detail->duration_us : NULL, 0.95);
    }
    document_chart(d, CHART_LINES, 4, 2, "The 95th percentile of each day, seconds",
                   "Two lines over the days of the month: the time to the first token, and to the "
                   "end of the answer. The table below has the same figures.");
}

void report_add_speed(const struct report_input *in, struct document *d)
{
    document_section(d, "speed_by_model", "Latency and errors by model");
    add_table(in, REPORT_BY_MODEL, "model", d);
    document_note(d, "Half of the answers were faster than p50, 95 of 100 faster than p95; within "
                     "0.8 %%. Times are - where they were not recorded.");
    document_section(d, "speed_by_app", "Latency and errors by app");
    add_table(in, REPORT_BY_APP, "app", d);
    add_days(in, d);
}

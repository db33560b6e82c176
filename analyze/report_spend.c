/* report_spend - who and what the money went to, and day by day. */
#include "config.h"

#include "analyze/report_fold.h"

#define STACK_SERIES 6 /* models with a colour of their own; the rest is one */

static const struct spend_table {
    const char *id, *title, *name;
    enum report_part part;
    int keys[FOLD_KEYS_MAX];
    const char *note;
} tables[] = {
    {"by_business_unit",
     "Spend by business unit",                "business_unit",
     REPORT_WHO,                                                             { 0, -1, -1 },
     NULL                                                                                       },
    { "by_team",         "Spend by team",     "team",          REPORT_WHO,   { 1, -1, -1 }, NULL},
    { "by_app",          "Spend by app",      "app",           REPORT_WHO,   { 2, -1, -1 }, NULL},
    { "by_model",        "Spend by model",    "model",         REPORT_DAILY, { 2, -1, -1 }, NULL},
    { "by_provider",     "Spend by provider", "provider",      REPORT_DAILY, { 1, -1, -1 }, NULL},
    { "by_end_user",
     "Spend by end user",                     "end_user",
     REPORT_USERS,                                                           { 0, -1, -1 },
     "End users are known by a keyed fingerprint only."                                         },
};

static const struct column_def columns[] = {
    {"cost_usd",         "USD",      true},
    { "share",           "share",    true},
    { "before_cost_usd", "before",   true},
    { "change_usd",      "change",   true},
    { "change",          "change %", true},
    { "requests",        "requests", true},
    { "input_tokens",    "input",    true},
    { "output_tokens",   "output",   true},
};

static void add_row(struct document *d, struct str name, const struct fold_row *row, i128 all)
{
    i128 now = engine_cost(&row->now), before = engine_cost(&row->before);

    document_text(d, name);
    if (engine_cost_is_unknown(&row->now))
        document_none(d);
    else
        document_number(d, CELL_USD, now);
    document_share(d, now, all);
    document_number(d, CELL_USD, before);
    document_number(d, CELL_USD_CHANGE, now - before);
    document_change(d, before, now);
    document_number(d, CELL_COUNT, row->now.requests);
    document_number(d, CELL_COUNT, row->now.input_tokens);
    document_number(d, CELL_COUNT, row->now.output_tokens);
}

static void add_table(const struct report_input *in, const struct spend_table *t,
                      struct document *d)
{
    CLEANUP(fold_release) struct fold f = { 0 };
    struct fold_row rest = { 0 };
    i128 all = engine_cost(&in->now->parts[REPORT_DAILY].result.totals);

    document_section(d, t->id, t->title);
    document_column(d, str_from(t->name), str_from(t->title + sizeof("Spend by")), false);
    document_columns(d, columns, ARRAY_LEN(columns));
    fold_make(in, t->part, t->keys, &f);
    for (size_t i = 0; i < f.rows.len; i++) {
        const struct fold_row *row = &f.rows.ptr[i];
        if (i < in->top || f.rows.len == in->top + 1) {
            add_row(d, fold_name(row->keys[0]), row, all);
            continue;
        }
        engine_add_sums(&rest.now, &row->now);
        engine_add_sums(&rest.before, &row->before);
    }
    if (f.rows.len > in->top + 1) {
        CLEANUP(buf_release) struct buf name = { 0 };
        buf_addf(&name, "(%zu others)", f.rows.len - in->top);
        add_row(d, buf_str(&name), &rest, all);
    }
    if (t->note)
        document_note(d, "%s", t->note);
}

void report_add_spend(const struct report_input *in, struct document *d)
{
    for (size_t i = 0; i < ARRAY_LEN(tables); i++)
        add_table(in, &tables[i], d);
}

/* --- day by day --- */

struct stack {
    i128 cost[32][STACK_SERIES + 1]; /* by day of the month, and model; the last are the others */
    int64_t requests[32];
};

static size_t series_of(const struct fold *models, size_t series, struct str model)
{
    for (size_t i = 0; i < series; i++)
        if (str_eq(models->rows.ptr[i].keys[0], model))
            return i;
    return STACK_SERIES;
}

static void fill_stack(const struct engine_result *r, const struct fold *models, size_t series,
                       struct stack *ret)
{
    for (size_t i = 0; i < r->rows.len; i++) {
        const struct engine_row *row = &r->rows.ptr[i];
        struct str day = dimension_value(r->dimensions[0], row->codes[0]);
        struct str model = dimension_value(r->dimensions[2], row->codes[2]);
        int64_t n;
        if (!str_to_i64(str_sub(day, day.len - 2, 2), &n) || n < 1 || n > 31)
            continue;
        ret->requests[n] += row->sums.requests;
        ret->cost[n][series_of(models, series, model)] += engine_cost(&row->sums);
    }
}

static void add_day(struct document *d, const struct report_input *in, const struct stack *s,
                    int day, size_t series)
{
    char month[MONTH_TEXT_BYTES];
    i128 sum = 0;

    for (size_t i = 0; i <= STACK_SERIES; i++)
        sum += s->cost[day][i];
    document_textf(d, "%s-%02d", month_format(in->now->month, month), day);
    document_number(d, CELL_COUNT, s->requests[day]);
    document_number(d, CELL_USD, sum);
    for (size_t i = 0; i < series; i++)
        document_number(d, CELL_USD, s->cost[day][i]);
    document_number(d, CELL_USD, s->cost[day][STACK_SERIES]);
}

void report_add_daily(const struct report_input *in, struct document *d)
{
    static const struct column_def first[] = {
        {"day",       "day",      false},
        { "requests", "requests", true },
        { "cost_usd", "USD",      true },
    };
    CLEANUP(fold_release) struct fold models = { 0 };
    const struct engine_result *r = &in->now->parts[REPORT_DAILY].result;
    struct stack stack = { 0 };
    size_t series = 0;

    document_section(d, "daily", "Day by day");
    document_columns(d, first, ARRAY_LEN(first));
    fold_make(in, REPORT_DAILY, (int[]){ 2, -1, -1 }, &models);
    for (; series < STACK_SERIES && series < models.rows.len &&
           engine_cost(&models.rows.ptr[series].now) > 0;
         series++) {
        CLEANUP(buf_release) struct buf name = { 0 };
        struct str model = fold_name(models.rows.ptr[series].keys[0]);
        buf_addf(&name, "model %.*s", STR_ARG(model));
        document_column(d, buf_str(&name), model, true);
    }
    document_column(d, STR("other_models"), STR("other models"), true);
    fill_stack(r, &models, series, &stack);
    for (int day = 1; day <= in->days; day++)
        add_day(d, in, &stack, day, series);
    document_chart(d, CHART_STACK, 3, series + 1, "Cost of each day, USD",
                   "A bar for each day, made of the models that cost most. The table below has "
                   "the same figures.");
}

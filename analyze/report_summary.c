/* report_summary - the first screen: what it came to, how that compares, and how far to trust it.
 */
#include "config.h"

#include <inttypes.h>

#include "analyze/report_fold.h"
#include "base/figure.h"
#include "llm/price.h"

#define FLOOR_PUSD PUSD_PER_USD /* a change below it is no news, whatever its percentage */

static const struct column_def columns[] = {
    {"figure", "figure", false},
    { "usd",   "USD",    true },
    { "ratio", "ratio",  true },
    { "note",  "note",   false},
};

static const char *usd(const struct document *d, i128 pusd, char text[static FIGURE_BYTES])
{
    return figure_amount(pusd, d->usd_digits, text).ptr;
}

/* Without what cannot have cost that. */
static i128 plausible_cost(const struct engine_result *r)
{
    return engine_cost(&r->totals) - r->suspicious_pusd;
}

static i128 cost_of_days(const struct engine_result *daily, int days)
{
    i128 sum = 0;

    for (size_t i = 0; i < daily->rows.len; i++) {
        struct str day = dimension_value(daily->dimensions[0], daily->rows.ptr[i].codes[0]);
        int64_t number;
        if (str_to_i64(str_sub(day, day.len - 2, 2), &number) && number <= days)
            sum += engine_cost(&daily->rows.ptr[i].sums);
    }
    return sum;
}

static int working_days(struct month m, int days)
{
    int n = 0;

    for (int day = 1; day <= days; day++)
        n += civil_weekday((struct civil){ .year = m.year, .month = m.month, .day = day }) < 5;
    return n;
}

static void add_total(const struct report_input *in, struct document *d)
{
    const struct engine_result *r = &in->now->parts[REPORT_DAILY].result;
    const struct engine_sums *t = &r->totals;
    char requests[FIGURE_BYTES], input[FIGURE_BYTES], output[FIGURE_BYTES];

    document_text(d, STR("total"));
    document_number(d, CELL_USD, engine_cost(t));
    document_none(d);
    document_textf(d, "%.*s requests, %.*s tokens of input, %.*s of output, in %d days",
                   STR_ARG(figure_count(t->requests, requests)),
                   STR_ARG(figure_count(t->input_tokens, input)),
                   STR_ARG(figure_count(t->output_tokens, output)), in->days);
    if (r->suspicious_count == 0)
        return;
    document_text(d, STR("price errors in it"));
    document_number(d, CELL_USD, r->suspicious_pusd);
    document_share(d, r->suspicious_pusd, engine_cost(t));
    document_textf(d, "calls whose reported cost cannot be right for their usage: %zu",
                   r->suspicious_count);
    document_text(d, STR("total without them"));
    document_number(d, CELL_USD, plausible_cost(r));
    document_none(d);
    document_text(d, STR(""));
}

static void add_comparison(struct document *d, const char *name, i128 before, i128 after,
                           const char *note)
{
    i128 change = after - before, size = change < 0 ? -change : change;

    document_text(d, str_from(name));
    document_number(d, CELL_USD_CHANGE, change);
    document_change(d, before, after);
    if (before <= 0 && after > 0)
        document_textf(d, "%s: new, there was no cost before", note);
    else if (size < FLOOR_PUSD)
        document_textf(d, "%s; less than 1 USD", note);
    else
        document_text(d, str_from(note));
}

/* Whether costs that cannot be right are most of a rise. */
static bool is_price_error(i128 suspicious_pusd, i128 rise_pusd)
{
    return suspicious_pusd > 0 && rise_pusd > 0 && suspicious_pusd > rise_pusd / 2;
}

static void add_change(const struct report_input *in, struct document *d)
{
    const struct engine_result *now = &in->now->parts[REPORT_DAILY].result;
    const struct engine_result *before = &in->before->parts[REPORT_DAILY].result;
    int equal = in->days < in->days_before ? in->days : in->days_before;
    char month[MONTH_TEXT_BYTES], a[FIGURE_BYTES], b[FIGURE_BYTES];
    CLEANUP(buf_release) struct buf note = { 0 };

    month_format(in->before->month, month);
    i128 cost0 = engine_cost(&before->totals), cost1 = engine_cost(&now->totals);
    buf_addf(&note, "on %s of %d days, %s USD", month, in->days_before, usd(d, cost0, a));
    if (is_price_error(now->suspicious_pusd, cost1 - cost0))
        buf_add_text(&note, ": a price error, not a rise in use");
    else if (is_price_error(before->suspicious_pusd, cost0 - cost1))
        buf_add_text(&note, ": a price error of that month, not a fall in use");
    add_comparison(d, "change", cost0, cost1, buf_cstr(&note));
    i128 day0 = cost_of_days(before, equal), day1 = cost_of_days(now, equal);
    buf_clear(&note);
    buf_addf(&note, "the first %d days of each: %s after %s USD, %d working days after %d", equal,
             usd(d, day1, a), usd(d, day0, b), working_days(in->now->month, equal),
             working_days(in->before->month, equal));
    add_comparison(d, "change on equal days", day0, day1, buf_cstr(&note));
    if (now->suspicious_count || before->suspicious_count)
        add_comparison(d, "change without price errors", plausible_cost(before),
                       plausible_cost(now), "what use and prices really did");
}

static void add_forecast(const struct report_input *in, struct document *d)
{
    const struct forecast *f = in->forecast;
    char low[FIGURE_BYTES], high[FIGURE_BYTES], naive[FIGURE_BYTES];

    document_text(d, STR("forecast"));
    if (in->is_closed || !f || (!f->has_expected && !f->has_naive)) {
        document_none(d);
        document_none(d);
        document_text(d, in->is_closed ? STR("the month is over") : STR("too few days to go by"));
        return;
    }
    document_number(d, CELL_USD, f->has_expected ? f->expected_pusd : f->naive_pusd);
    document_none(d);
    if (f->has_expected)
        document_textf(d, "%d of 100 such months end between %s and %s; at the rate so far: %s",
                       FORECAST_CONFIDENCE, usd(d, f->low_pusd, low), usd(d, f->high_pusd, high),
                       f->has_naive ? usd(d, f->naive_pusd, naive) : "-");
    else
        document_text(d, STR("at the rate so far; too few days to know weekdays by"));
}

static struct engine_sums spent_of(const struct engine_result *r, const struct report_budget *b)
{
    struct engine_sums sum = { 0 };

    if (!b->dimension)
        return r->totals;
    for (size_t row = 0; row < r->rows.len; row++)
        for (size_t k = 0; k < r->dimension_count; k++)
            if (str_eq(str_from(dimension_name(r->dimensions[k])), str_from(b->dimension)) &&
                str_eq(dimension_value(r->dimensions[k], r->rows.ptr[row].codes[k]), b->value))
                engine_add_sums(&sum, &r->rows.ptr[row].sums);
    return sum;
}

static void add_budgets(const struct report_input *in, struct document *d)
{
    char limit[FIGURE_BYTES];

    for (size_t i = 0; i < in->budget_count; i++) {
        const struct report_budget *b = &in->budgets[i];
        struct engine_sums sum = spent_of(&in->now->parts[REPORT_WHO].result, b);
        i128 cost = engine_cost(&sum);
        document_textf(d, "budget of %.*s", STR_ARG(b->name));
        document_number(d, CELL_USD, cost);
        document_share(d, cost, b->month_pusd);
        document_textf(d, "of %s USD%s%s", usd(d, b->month_pusd, limit),
                       cost > b->month_pusd ? ": over budget" : "",
                       sum.requests == 0              ? ": nothing was recorded of it"
                       : engine_cost_is_unknown(&sum) ? ": what it cost is not known"
                                                      : "");
    }
    if (in->budget_count)
        return;
    document_text(d, STR("budgets"));
    document_none(d);
    document_none(d);
    document_text(d, STR("none configured"));
}

static void add_share_of_requests(struct document *d, const char *name, int64_t requests,
                                  int64_t all, const char *note)
{
    char text[FIGURE_BYTES];

    document_text(d, str_from(name));
    document_none(d);
    document_share(d, requests, all);
    document_textf(d, "%.*s requests %s", STR_ARG(figure_count(requests, text)), note);
}

/* Where the money figure comes from, each with its share. */
static void add_trust(const struct report_input *in, struct document *d)
{
    static const struct {
        const char *name, *note;
    } sources[COST_SOURCE_COUNT] = {
        [COST_REPORTED] = {"reported",   "as the provider itself reported it"   },
        [COST_TABLE] = { "table",     "reported usage times the price book"  },
        [COST_GATEWAY] = { "gateway",   "as a gateway on the way worked it out"},
        [COST_ESTIMATED] = { "estimated", "estimated usage times the price book" },
    };
    const struct engine_result *r = &in->now->parts[REPORT_DAILY].result;
    i128 cost = engine_cost(&r->totals);
    char requests[FIGURE_BYTES];

    for (size_t i = 0; i < COST_SOURCE_COUNT; i++) {
        document_textf(d, "cost %s", sources[i].name);
        document_number(d, CELL_USD, r->totals.cost_pusd[i]);
        document_share(d, r->totals.cost_pusd[i], cost);
        document_text(d, str_from(sources[i].note));
    }
    add_share_of_requests(d, "unpriced", r->totals.unpriced_requests, r->totals.requests,
                          "used what the price book has no price for; not in the total");
    add_share_of_requests(d, "usage unknown", r->totals.unknown_requests, r->totals.requests,
                          "do not say what they used; not in the total");
    document_text(d, STR("unattributed"));
    document_number(d, CELL_USD, engine_cost(&r->unattributed));
    document_share(d, engine_cost(&r->unattributed), cost);
    document_textf(d, "%.*s requests without app or team",
                   STR_ARG(figure_count(r->unattributed.requests, requests)));
}

void report_add_summary(const struct report_input *in, struct document *d)
{
    document_section(d, "summary", "At a glance");
    document_columns(d, columns, ARRAY_LEN(columns));
    add_total(in, d);
    add_change(in, d);
    add_forecast(in, d);
    add_budgets(in, d);
    add_trust(in, d);
    if (in->pin.len)
        document_note(d, "%.*s", STR_ARG(in->pin));
    if (in->where.len)
        document_note(d, "Only what passes this filter: %.*s", STR_ARG(in->where));
    if (!in->is_closed)
        document_note(d, "The month is not over: its days that are, against as many of the month "
                         "before.");
}

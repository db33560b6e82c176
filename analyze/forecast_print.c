#include "config.h"

#include "analyze/forecast_print.h"

#include <stdlib.h>

#include "base/csv.h"
#include "base/figure.h"
#include "base/json.h"
#include "base/table.h"
#include "base/timestamp.h"
#include "llm/price.h"

static i128 sort_value(const struct forecast *f)
{
    return f->has_expected ? f->expected_pusd : f->has_naive ? f->naive_pusd : f->actual_pusd;
}

static int compare_rows(const void *a, const void *b)
{
    const struct forecast_row *x = a, *y = b;
    i128 vx = sort_value(&x->forecast), vy = sort_value(&y->forecast);

    return vx != vy ? (vx < vy ? 1 : -1) : str_cmp(x->name, y->name);
}

void forecast_table_sort(struct forecast_table *t)
{
    if (t->rows.len)
        qsort(t->rows.ptr, t->rows.len, sizeof(*t->rows.ptr), compare_rows);
}

/* --- for people --- */

static void add_usd(struct table *t, i128 pusd, bool known, int digits)
{
    char text[FIGURE_BYTES];

    table_add_cell(t, known ? figure_usd(pusd, digits, text) : STR("-"));
}

static void add_line(struct table *t, struct str name, const struct forecast *f, int digits)
{
    bool estimates = f->has_expected && f->days_left > 0;

    table_add_cell(t, name);
    add_usd(t, f->actual_pusd, true, digits);
    add_usd(t, f->expected_pusd, f->has_expected, digits);
    add_usd(t, f->low_pusd, f->has_expected, digits);
    add_usd(t, f->high_pusd, f->has_expected, digits);
    add_usd(t, f->naive_pusd, f->has_naive, digits);
    if (estimates)
        table_add_cellf(t, "%+.1f %%", 700 * f->growth);
    else
        table_add_cell(t, STR("-"));
}

void forecast_print_text(const struct forecast_table *t, struct buf *out)
{
    static const char *const right[] = { "so far USD", "at its end", "at least",
                                         "at most",    "naive",      "growth a week" };
    CLEANUP(table_free) struct table *table = table_new();
    char at[TIMESTAMP_TEXT_BYTES];
    int digits = figure_usd_digits(sort_value(&t->all));

    table_add_column(table, t->by.len ? t->by.ptr : "", false);
    for (size_t i = 0; i < ARRAY_LEN(right); i++)
        table_add_column(table, right[i], true);
    for (size_t i = 0; i < t->rows.len; i++)
        add_line(table, t->rows.ptr[i].name.len ? t->rows.ptr[i].name : STR("(none)"),
                 &t->rows.ptr[i].forecast, digits);
    if (t->rows.len)
        table_add_rule(table);
    add_line(table, STR("all"), &t->all, digits);
    table_print(table, out);
    buf_addf(out,
             "\n%.*s as of %s, days in %.*s: %d known, %d left; at least and at most hold in %d of "
             "100 cases\n",
             STR_ARG(t->month), timestamp_format(t->now_us, at), STR_ARG(t->zone),
             t->all.days_known, t->all.days_left, FORECAST_CONFIDENCE);
    if (!t->all.has_expected)
        buf_add_text(out,
                     "fewer than 14 whole days say what is usual: nothing but the naive figure\n");
}

/* --- for machines --- */

static struct str exact_usd(i128 pusd, bool known, char text[static FIGURE_BYTES])
{
    return known ? figure_usd(pusd, PUSD_SCALE, text) : STR("");
}

static void add_csv(const struct forecast *f, struct str name, struct buf *out)
{
    const struct {
        i128 pusd;
        bool known;
    } cells[] = {
        {f->actual_pusd,    true           },
        { f->expected_pusd, f->has_expected},
        { f->low_pusd,      f->has_expected},
        { f->high_pusd,     f->has_expected},
        { f->naive_pusd,    f->has_naive   },
    };
    char text[FIGURE_BYTES];

    csv_add_field(out, name, ',', true);
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        csv_add_field(out, exact_usd(cells[i].pusd, cells[i].known, text), ',', false);
    buf_addf(out, ",%d,%d\n", f->days_known, f->days_left);
}

void forecast_print_csv(const struct forecast_table *t, struct buf *out)
{
    buf_addf(out, "%s,actual_usd,expected_usd,low_usd,high_usd,naive_usd,days_known,days_left\n",
             t->by.len ? t->by.ptr : "group");
    for (size_t i = 0; i < t->rows.len; i++)
        add_csv(&t->rows.ptr[i].forecast, t->rows.ptr[i].name, out);
    add_csv(&t->all, t->by.len ? STR("(all)") : STR("all"), out);
}

static void add_members(const struct forecast *f, struct buf *out)
{
    char text[FIGURE_BYTES];

    json_add_str(out, "actual_usd", exact_usd(f->actual_pusd, true, text));
    if (f->has_expected) {
        json_add_str(out, "expected_usd", exact_usd(f->expected_pusd, true, text));
        json_add_str(out, "low_usd", exact_usd(f->low_pusd, true, text));
        json_add_str(out, "high_usd", exact_usd(f->high_pusd, true, text));
        json_add_key(out, "growth_a_day");
        buf_addf(out, "%.6f", f->growth);
    }
    if (f->has_naive)
        json_add_str(out, "naive_usd", exact_usd(f->naive_pusd, true, text));
    json_add_int(out, "days_known", f->days_known);
    json_add_int(out, "days_left", f->days_left);
}

void forecast_print_json(const struct forecast_table *t, struct buf *out)
{
    char at[TIMESTAMP_TEXT_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "month", t->month);
    json_add_str(out, "at", str_from(timestamp_format(t->now_us, at)));
    json_add_str(out, "zone", t->zone);
    json_add_int(out, "confidence_percent", FORECAST_CONFIDENCE);
    json_add_key(out, "all");
    buf_add_byte(out, '{');
    add_members(&t->all, out);
    buf_add_byte(out, '}');
    json_add_key(out, "rows");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < t->rows.len; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_add_key(out, t->by.ptr);
        if (t->rows.ptr[i].name.len)
            json_add_string(out, t->rows.ptr[i].name);
        else
            buf_add_text(out, "null");
        add_members(&t->rows.ptr[i].forecast, out);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}\n");
}

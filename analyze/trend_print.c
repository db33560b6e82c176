#include "config.h"

#include "analyze/trend_print.h"

#include <stdlib.h>

#include "base/csv.h"
#include "base/figure.h"
#include "base/json.h"
#include "base/table.h"

#define LEVELS 8

static const char *const blocks[LEVELS] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const ascii[LEVELS] = { "_", ".", "-", "~", "=", "+", "*", "#" };
static const char *const titles[TREND_METRICS] = {
    [TREND_REQUESTS] = "requests",
    [TREND_ERRORS] = "errors %",
    [TREND_FIRST_P50] = "first token p50 s",
    [TREND_FIRST_P95] = "first token p95 s",
    [TREND_TOTAL_P50] = "total p50 s",
    [TREND_TOTAL_P95] = "total p95 s",
    [TREND_SPEED] = "tokens/s",
    [TREND_COST] = "cost USD",
};
static const int digits[TREND_METRICS] = {
    [TREND_REQUESTS] = 0,  [TREND_ERRORS] = 2,    [TREND_FIRST_P50] = 3, [TREND_FIRST_P95] = 3,
    [TREND_TOTAL_P50] = 3, [TREND_TOTAL_P95] = 3, [TREND_SPEED] = 1,
};

const char *trend_metric_title(enum trend_metric metric)
{
    return titles[metric];
}

/* The values of a group, and which are known. */
struct line {
    double *values;
    uint8_t *known;
    size_t count;
    double low, high;
    bool any;
};

static void read_line(const struct trend *t, const struct trend_group *g, enum trend_metric metric,
                      struct line *l)
{
    l->any = false;
    for (size_t i = 0; i < t->buckets.len; i++) {
        l->known[i] = g->rows[i] && trend_value(g->rows[i], metric, &l->values[i]);
        if (!l->known[i])
            continue;
        l->low = !l->any || l->values[i] < l->low ? l->values[i] : l->low;
        l->high = !l->any || l->values[i] > l->high ? l->values[i] : l->high;
        l->any = true;
    }
}

void trend_sparkline(const double *values, const uint8_t *known, size_t count, bool unicode,
                     struct buf *out)
{
    double low = 0, high = 0;
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        if (!known[i])
            continue;
        low = !any || values[i] < low ? values[i] : low;
        high = !any || values[i] > high ? values[i] : high;
        any = true;
    }
    for (size_t i = 0; i < count; i++) {
        int level = 0;
        if (known[i] && high > low)
            level = (int)((values[i] - low) / (high - low) * (LEVELS - 1) + 0.5);
        buf_add_text(out, !known[i] ? " " : unicode ? blocks[level] : ascii[level]);
    }
}

static void add_number(struct table *t, double value, bool known, enum trend_metric metric,
                       int places)
{
    char text[FIGURE_BYTES];

    if (known && metric == TREND_COST) /* rounded as everywhere: halves to even, of 1e-12 USD */
        table_add_cell(t, figure_usd((i128)(value * 1e12 + 0.5), places, text));
    else if (known)
        table_add_cellf(t, "%.*f", places, value);
    else
        table_add_cell(t, STR("-"));
}

void trend_group_name(const struct trend *t, const struct trend_group *g, struct buf *out)
{
    for (size_t i = 1; i < t->result->dimension_count; i++) {
        struct str value = dimension_value(t->result->dimensions[i], g->codes[i]);
        buf_add_text(out, i > 1 ? ", " : "");
        buf_addf(out, "%s ", dimension_name(t->result->dimensions[i]));
        for (size_t k = 0; k < value.len; k++)
            buf_add_byte(out, (unsigned char)value.ptr[k] < ' ' ? '?' : value.ptr[k]);
        if (!value.len)
            buf_add_text(out, "(none)");
    }
    if (t->result->dimension_count == 1)
        buf_add_text(out, "all");
}

static void print_group(const struct trend *t, const struct trend_group *g,
                        const struct trend_print_options *o, struct line *l, struct buf *out)
{
    static const char *const right[] = { "first", "last", "lowest", "highest" };
    CLEANUP(table_free) struct table *table = table_new();
    size_t n = t->buckets.len, shown = n > TREND_LINE_MAX ? TREND_LINE_MAX : n;

    trend_group_name(t, g, out);
    buf_add_byte(out, '\n');
    table_add_column(table, "", false);
    for (size_t i = 0; i < ARRAY_LEN(right); i++)
        table_add_column(table, right[i], true);
    table_add_column(table, "", false);
    for (enum trend_metric metric = 0; metric < TREND_METRICS; metric++) {
        CLEANUP(buf_release) struct buf spark = { 0 };
        read_line(t, g, metric, l);
        if (!l->any)
            continue;
        table_add_cell(table, str_from(titles[metric]));
        int places = metric == TREND_COST ? figure_usd_digits(engine_cost(&t->result->totals))
                                          : digits[metric];
        add_number(table, l->values[0], l->known[0], metric, places);
        add_number(table, l->values[n - 1], l->known[n - 1], metric, places);
        add_number(table, l->low, true, metric, places);
        add_number(table, l->high, true, metric, places);
        trend_sparkline(l->values + n - shown, l->known + n - shown, shown, o->unicode, &spark);
        table_add_cell(table, buf_str(&spark));
    }
    table_print(table, out);
    buf_add_byte(out, '\n');
}

void trend_print_text(const struct trend *t, const struct trend_print_options *o, struct buf *out)
{
    struct line l = { .values = mem_calloc(t->buckets.len + 1, sizeof(*l.values)),
                      .known = mem_calloc(t->buckets.len + 1, 1) };

    for (size_t i = 0; i < t->groups.len && i < o->top; i++)
        print_group(t, &t->groups.ptr[i], o, &l, out);
    if (t->groups.len > o->top)
        buf_addf(out, "%zu more groups; --top shows more\n", t->groups.len - o->top);
    if (t->buckets.len)
        buf_addf(out, "%zu %s%s, %.*s to %.*s in %.*s\n", t->buckets.len,
                 dimension_name(t->result->dimensions[0]), t->buckets.len == 1 ? "" : "s",
                 STR_ARG(t->buckets.ptr[0]), STR_ARG(t->buckets.ptr[t->buckets.len - 1]),
                 STR_ARG(o->zone));
    else
        buf_add_text(out, "nothing was recorded\n");
    free(l.values);
    free(l.known);
}

/* --- for machines --- */

static void add_exact(const struct engine_row *row, enum trend_metric metric, struct buf *out)
{
    char text[FIGURE_BYTES];
    double value;

    if (!trend_value(row, metric, &value))
        return;
    if (metric == TREND_COST)
        buf_add_str(out, figure_usd(engine_cost(&row->sums), PUSD_SCALE, text));
    else
        buf_addf(out, "%.*f", metric == TREND_REQUESTS ? 0 : 6, value);
}

void trend_print_csv(const struct trend *t, struct buf *out)
{
    const struct engine_result *r = t->result;

    for (size_t i = 0; i < r->dimension_count; i++)
        csv_add_field(out, str_from(dimension_name(r->dimensions[i])), ',', i == 0);
    for (enum trend_metric m = 0; m < TREND_METRICS; m++)
        csv_add_field(out, str_from(trend_metric_name(m)), ',', false);
    buf_add_byte(out, '\n');
    for (size_t i = 0; i < r->rows.len; i++) {
        for (size_t d = 0; d < r->dimension_count; d++)
            csv_add_field(out, dimension_value(r->dimensions[d], r->rows.ptr[i].codes[d]), ',',
                          d == 0);
        for (enum trend_metric m = 0; m < TREND_METRICS; m++) {
            buf_add_byte(out, ',');
            add_exact(&r->rows.ptr[i], m, out);
        }
        buf_add_byte(out, '\n');
    }
}

static void add_row_json(const struct engine_result *r, const struct engine_row *row,
                         struct buf *out)
{
    char text[FIGURE_BYTES];
    double value;

    buf_add_byte(out, '{');
    for (size_t d = 0; d < r->dimension_count; d++) {
        struct str name = dimension_value(r->dimensions[d], row->codes[d]);
        json_add_key(out, dimension_name(r->dimensions[d]));
        if (name.len)
            json_add_string(out, name);
        else
            buf_add_text(out, "null");
    }
    for (enum trend_metric m = 0; m < TREND_METRICS; m++) {
        if (!trend_value(row, m, &value))
            continue;
        if (m == TREND_COST) {
            json_add_str(out, trend_metric_name(m),
                         figure_usd(engine_cost(&row->sums), PUSD_SCALE, text));
        } else {
            json_add_key(out, trend_metric_name(m));
            buf_addf(out, "%.*f", m == TREND_REQUESTS ? 0 : 6, value);
        }
    }
    buf_add_byte(out, '}');
}

void trend_print_json(const struct trend *t, const struct trend_print_options *o, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "bucket", str_from(dimension_name(t->result->dimensions[0])));
    json_add_str(out, "zone", o->zone);
    json_add_key(out, "rows");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < t->result->rows.len; i++) {
        buf_add_text(out, i ? "," : "");
        add_row_json(t->result, &t->result->rows.ptr[i], out);
    }
    buf_add_text(out, "]}\n");
}

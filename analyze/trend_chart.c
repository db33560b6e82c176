#include "config.h"

#include "analyze/trend_chart.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/plot.h"

static_assert(TREND_LINES_MAX == PLOT_COLOURS, "a colour each");

/* Without the year where it goes without saying: "10-06", "10-06 13h". */
static void add_bucket(struct document *d, struct str name)
{
    if (name.len == 10)
        document_text(d, str_sub(name, 5, 5));
    else if (name.len > 13)
        document_textf(d, "%.*s %.*sh", STR_ARG(str_sub(name, 5, 5)),
                       STR_ARG(str_sub(name, 11, 2)));
    else
        document_text(d, name);
}

static void add_value(struct document *d, const struct engine_row *row, enum trend_metric metric)
{
    double value;

    if (!row || !trend_value(row, metric, &value))
        document_none(d);
    else if (metric == TREND_COST)
        document_number(d, CELL_USD, engine_cost(&row->sums));
    else if (metric == TREND_REQUESTS)
        document_number(d, CELL_COUNT, row->sums.requests);
    else
        document_number(d, CELL_NUMBER, (i128)llround(value * (double)RATIO_ONE));
}

static void add_cell_text(const struct document *d, const struct cell *c, struct buf *out)
{
    if (c)
        cell_format(d, c, out);
    else
        buf_add_byte(out, '-');
}

/* " app bot: first 1.2, last 1.4, lowest 1.1, highest 2.0;" - what a line shows. */
static void add_line_text(const struct document *d, const struct section *s, size_t column,
                          struct buf *out)
{
    const struct cell *first = NULL, *last = NULL, *low = NULL, *high = NULL;

    for (size_t row = 0; row < section_rows(s); row++) {
        const struct cell *c = section_cell(s, row, column);
        if (c->kind == CELL_NONE)
            continue;
        first = first ? first : c;
        last = c;
        low = !low || c->n < low->n ? c : low;
        high = !high || c->n > high->n ? c : high;
    }
    const struct {
        const char *word;
        const struct cell *cell;
    } parts[] = {
        {": first ",    first},
        { ", last ",    last },
        { ", lowest ",  low  },
        { ", highest ", high },
    };
    buf_addf(out, " %.*s", STR_ARG(s->columns.ptr[column].title));
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        buf_add_text(out, parts[i].word);
        add_cell_text(d, parts[i].cell, out);
    }
    buf_add_byte(out, ';');
}

/* "31 days" */
static void add_steps(const struct trend *t, struct buf *out)
{
    buf_addf(out, "%zu %s%s", t->buckets.len, dimension_name(t->result->dimensions[0]),
             t->buckets.len == 1 ? "" : "s");
}

static void add_section(const struct trend *t, enum trend_metric metric, size_t lines,
                        struct document *d)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct section *s = document_section(d, trend_metric_name(metric), trend_metric_title(metric));

    document_column(d, STR("bucket"), STR("bucket"), false);
    for (size_t i = 0; i < lines; i++) {
        CLEANUP(buf_release) struct buf name = { 0 };
        char id[16];
        snprintf(id, sizeof(id), "g%zu", i + 1);
        trend_group_name(t, &t->groups.ptr[i], &name);
        document_column(d, str_from(id), buf_str(&name), true);
    }
    for (size_t b = 0; b < t->buckets.len; b++) {
        add_bucket(d, t->buckets.ptr[b]);
        for (size_t i = 0; i < lines; i++)
            add_value(d, t->groups.ptr[i].rows[b], metric);
    }
    add_steps(t, &text);
    buf_add_byte(&text, '.');
    for (size_t i = 0; i < lines; i++)
        add_line_text(d, s, 1 + i, &text);
    document_chart(d, CHART_LINES, 1, lines, trend_metric_title(metric), buf_cstr(&text));
}

void trend_chart(const struct trend *t, const struct trend_print_options *o, struct document *ret)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    size_t lines = t->groups.len < o->top ? t->groups.len : o->top;

    lines = lines < TREND_LINES_MAX ? lines : TREND_LINES_MAX;
    *ret = (struct document){ .usd_digits = 2 };
    buf_add_text(&text, "Speed, errors and cost");
    for (size_t i = 1; i < t->result->dimension_count; i++)
        buf_addf(&text, "%s%s", i > 1 ? ", " : " by ", dimension_name(t->result->dimensions[i]));
    ret->title = arena_str(&ret->arena, buf_str(&text));
    buf_clear(&text);
    if (t->buckets.len == 0) {
        ret->subtitle = STR("nothing was recorded");
        return;
    }
    add_steps(t, &text);
    buf_addf(&text, ", %.*s to %.*s in %.*s", STR_ARG(t->buckets.ptr[0]),
             STR_ARG(t->buckets.ptr[t->buckets.len - 1]), STR_ARG(o->zone));
    if (t->groups.len > lines)
        buf_addf(&text, "; without %zu with fewer requests", t->groups.len - lines);
    ret->subtitle = arena_str(&ret->arena, buf_str(&text));
    for (enum trend_metric metric = 0; metric < TREND_METRICS; metric++)
        add_section(t, metric, lines, ret);
}

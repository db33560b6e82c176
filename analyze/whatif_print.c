#include "config.h"

#include "analyze/whatif_print.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/csv.h"
#include "base/figure.h"
#include "base/json.h"
#include "base/table.h"

#define SHOWN_USD_DIGITS 6
#define SHOWN_LEFT_OUT   20 /* groups in the text form; the others tell by their cost */

static const char *const note_names[WHATIF_NOTE_COUNT] = {
    "unpriced",     "cached_at_input", "tier_assumed",  "cache_writes_unknown",
    "reported_now", "unpriced_now",    "unknown_usage",
};

static bool is_interval(const struct whatif *w)
{
    return w->low_micro != w->high_micro;
}

/* --- text --- */

static void add_usd(struct table *t, i128 pusd, bool known)
{
    char text[FIGURE_BYTES];

    table_add_cell(t, known ? figure_usd(pusd, SHOWN_USD_DIGITS, text) : STR("-"));
}

static void add_change(struct table *t, i128 pusd, bool known)
{
    char text[FIGURE_BYTES];

    table_add_cell(t, known ? figure_usd_change(pusd, SHOWN_USD_DIGITS, text) : STR("-"));
}

static void add_costs(struct table *t, const struct whatif *w, const struct whatif_costs *c)
{
    bool both = c->now_known && c->then_known;

    add_usd(t, c->now_pusd, c->now_known);
    add_usd(t, c->low_pusd, c->then_known);
    if (is_interval(w))
        add_usd(t, c->high_pusd, c->then_known);
    add_change(t, c->low_pusd - c->now_pusd, both);
    if (is_interval(w))
        add_change(t, c->high_pusd - c->now_pusd, both);
}

static void add_columns(struct table *t, const struct whatif *w)
{
    const struct engine_result *r = &w->now;

    for (size_t d = 0; d < r->dimension_count; d++)
        table_add_column(t, dimension_name(r->dimensions[d]), false);
    table_add_column(t, "requests", true);
    table_add_column(t, "now USD", true);
    if (!is_interval(w)) {
        table_add_column(t, "then USD", true);
        table_add_column(t, "change", true);
        return;
    }
    table_add_column(t, "then from USD", true);
    table_add_column(t, "to USD", true);
    table_add_column(t, "change from", true);
    table_add_column(t, "to", true);
}

/* A sum that lacks something says so in its name. */
static void add_sum(struct table *t, const struct whatif *w, const char *name,
                    const struct whatif_sum *sum)
{
    char text[FIGURE_BYTES];

    snprintf(text, sizeof(text), "%s%s",
             sum->left_out_groups || sum->left_out_requests ? "known of " : "", name);
    table_add_cell(t, str_from(text));
    for (size_t d = 1; d < w->now.dimension_count; d++)
        table_add_cell(t, STR(""));
    table_add_cell(t, sum->requests ? figure_count(sum->requests, text) : STR(""));
    add_costs(t, w, &sum->costs);
}

static const char *why_left_out(const struct whatif_row *row)
{
    bool now = row->notes & WHATIF_UNPRICED_NOW, then = row->notes & WHATIF_UNPRICED;

    return now && then ? "no price, now and then"
           : now       ? "no price now"
           : then      ? "no price then"
                       : "nobody says what was used";
}

static void add_name(const struct engine_result *r, const struct engine_row *row, struct buf *out)
{
    for (size_t d = 0; d < r->dimension_count; d++) {
        struct str value = dimension_value(r->dimensions[d], row->codes[d]);
        buf_add_text(out, d ? " " : "");
        buf_add_str(out, value.len ? value : STR("(none)"));
    }
}

static void print_left_out(const struct whatif *w, struct buf *out)
{
    size_t groups = w->changed.left_out_groups, listed = 0;
    char requests[FIGURE_BYTES];

    if (groups == 0)
        return;
    buf_addf(out,
             "not in the sums: %.*s request%s of %zu %s whose cost, now or then, is not known\n",
             STR_ARG(figure_count(w->changed.left_out_requests, requests)),
             figure_plural(w->changed.left_out_requests), groups, groups == 1 ? "group" : "groups");
    for (size_t i = 0; i < w->now.rows.len && listed < SHOWN_LEFT_OUT; i++) {
        const struct whatif_row *row = &w->rows[i];
        if (!row->is_swapped || (row->costs.now_known && row->costs.then_known))
            continue;
        listed++;
        buf_add_text(out, "  ");
        add_name(&w->now, &w->now.rows.ptr[i], out);
        buf_addf(out, ": %.*s request%s, %s\n",
                 STR_ARG(figure_count(w->now.rows.ptr[i].sums.requests, requests)),
                 figure_plural(w->now.rows.ptr[i].sums.requests), why_left_out(row));
    }
    if (listed < groups)
        buf_addf(out, "  and %zu more: --format json lists them\n", groups - listed);
}

/* What does not change and lacks something: in the words of spend. */
static void print_rest(const struct whatif_sum *rest, struct buf *out)
{
    if (rest->left_out_requests)
        buf_addf(out,
                 "the rest, unpriced: %" PRId64 " request%s used models or units without a price; "
                 "they are not in the cost\n",
                 rest->left_out_requests, figure_plural(rest->left_out_requests));
    if (rest->unknown_requests)
        buf_addf(out,
                 "the rest, unknown usage: %" PRId64 " request%s whose answer does not say all "
                 "that was used; their cost is not known\n",
                 rest->unknown_requests, figure_plural(rest->unknown_requests));
}

static void print_notes(const struct whatif *w, struct buf *out)
{
    char low[DECIMAL_TEXT_BYTES], high[DECIMAL_TEXT_BYTES];

    for (int i = 0; i < WHATIF_NOTE_COUNT; i++) {
        enum whatif_note note = (enum whatif_note)(1 << i);
        size_t groups = 0;
        for (size_t r = 0; r < w->now.rows.len; r++)
            groups += w->rows[r].is_swapped && w->rows[r].notes & note ? 1 : 0;
        if (groups > 0)
            buf_addf(out, "%zu %s: %s\n", groups, groups == 1 ? "group" : "groups",
                     whatif_note_text(note));
    }
    if (w->low_micro != WHATIF_MICRO || w->high_micro != WHATIF_MICRO)
        buf_addf(out,
                 "tokens then: %s to %s times those recorded, as another tokenizer may count "
                 "(--tokens-ratio)\n",
                 decimal_format(w->low_micro, 6, low), decimal_format(w->high_micro, 6, high));
    buf_add_text(out, "answers as long as they were, and caches hit as often, are assumed\n");
}

void whatif_print_text(const struct whatif *w, struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();
    const struct engine_result *r = &w->now;
    char text[FIGURE_BYTES];

    add_columns(t, w);
    for (size_t i = 0; i < r->rows.len; i++) {
        if (!w->rows[i].is_swapped)
            continue;
        for (size_t d = 0; d < r->dimension_count; d++) {
            struct str value = dimension_value(r->dimensions[d], r->rows.ptr[i].codes[d]);
            table_add_cell(t, value.len ? value : STR("(none)"));
        }
        table_add_cell(t, figure_count(r->rows.ptr[i].sums.requests, text));
        add_costs(t, w, &w->rows[i].costs);
    }
    table_add_rule(t);
    add_sum(t, w, "these", &w->changed);
    add_sum(t, w, "the rest", &w->rest);
    add_sum(t, w, "all", &w->all);
    table_print(t, out);
    buf_add_byte(out, '\n');
    print_left_out(w, out);
    print_rest(&w->rest, out);
    print_notes(w, out);
}

/* --- for machines --- */

static struct str exact_usd(i128 pusd, char text[static FIGURE_BYTES])
{
    return str_from(decimal_format(pusd, PUSD_SCALE, text));
}

static void add_note_names(uint32_t notes, struct buf *out)
{
    size_t start = out->len;

    for (int i = 0; i < WHATIF_NOTE_COUNT; i++)
        if (notes >> i & 1)
            buf_addf(out, "%s%s", out->len > start ? " " : "", note_names[i]);
}

static void add_usd_field(i128 pusd, bool known, struct buf *out)
{
    char text[FIGURE_BYTES];

    csv_add_field(out, known ? exact_usd(pusd, text) : STR(""), ',', false);
}

void whatif_print_csv(const struct whatif *w, struct buf *out)
{
    const struct engine_result *r = &w->now;
    char text[FIGURE_BYTES];

    for (size_t d = 0; d < r->dimension_count; d++)
        csv_add_field(out, str_from(dimension_name(r->dimensions[d])), ',', d == 0);
    buf_add_text(out, ",requests,now_usd,then_low_usd,then_high_usd,notes\n");
    for (size_t i = 0; i < r->rows.len; i++) {
        CLEANUP(buf_release) struct buf notes = { 0 };
        const struct whatif_row *row = &w->rows[i];
        if (!row->is_swapped)
            continue;
        for (size_t d = 0; d < r->dimension_count; d++)
            csv_add_field(out, dimension_value(r->dimensions[d], r->rows.ptr[i].codes[d]), ',',
                          d == 0);
        csv_add_field(out, str_from(decimal_format(r->rows.ptr[i].sums.requests, 0, text)), ',',
                      false);
        add_usd_field(row->costs.now_pusd, row->costs.now_known, out);
        add_usd_field(row->costs.low_pusd, row->costs.then_known, out);
        add_usd_field(row->costs.high_pusd, row->costs.then_known, out);
        add_note_names(row->notes, &notes);
        csv_add_field(out, buf_str(&notes), ',', false);
        buf_add_byte(out, '\n');
    }
}

static void add_costs_json(const struct whatif_costs *c, uint32_t notes, struct buf *out)
{
    char text[FIGURE_BYTES];

    if (c->now_known)
        json_add_str(out, "now_usd", exact_usd(c->now_pusd, text));
    if (c->then_known) {
        json_add_str(out, "then_low_usd", exact_usd(c->low_pusd, text));
        json_add_str(out, "then_high_usd", exact_usd(c->high_pusd, text));
    }
    json_add_key(out, "notes");
    buf_add_byte(out, '[');
    for (int i = 0; i < WHATIF_NOTE_COUNT; i++) {
        if (!(notes >> i & 1))
            continue;
        if (out->ptr[out->len - 1] != '[')
            buf_add_byte(out, ',');
        json_add_string(out, str_from(note_names[i]));
    }
    buf_add_byte(out, ']');
}

static void add_sum_json(const char *name, const struct whatif_sum *sum, struct buf *out)
{
    json_add_key(out, name);
    buf_add_byte(out, '{');
    json_add_int(out, "requests", sum->requests);
    json_add_int(out, "left_out_requests", sum->left_out_requests);
    json_add_int(out, "unknown_usage_requests", sum->unknown_requests);
    add_costs_json(&sum->costs, sum->notes, out);
    buf_add_byte(out, '}');
}

void whatif_print_json(const struct whatif *w, struct buf *out)
{
    const struct engine_result *r = &w->now;
    char text[FIGURE_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "tokens_ratio_low", str_from(decimal_format(w->low_micro, 6, text)));
    json_add_str(out, "tokens_ratio_high", str_from(decimal_format(w->high_micro, 6, text)));
    add_sum_json("changed", &w->changed, out);
    add_sum_json("rest", &w->rest, out);
    add_sum_json("all", &w->all, out);
    json_add_key(out, "rows");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < r->rows.len; i++) {
        if (!w->rows[i].is_swapped)
            continue;
        if (out->ptr[out->len - 1] != '[')
            buf_add_byte(out, ',');
        buf_add_byte(out, '{');
        for (size_t d = 0; d < r->dimension_count; d++)
            json_add_str(out, dimension_name(r->dimensions[d]),
                         dimension_value(r->dimensions[d], r->rows.ptr[i].codes[d]));
        json_add_int(out, "requests", r->rows.ptr[i].sums.requests);
        add_costs_json(&w->rows[i].costs, w->rows[i].notes, out);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}\n");
}

#include "config.h"

#include "analyze/whatif_print.h"

#include "base/csv.h"
#include "base/figure.h"
#include "base/json.h"
#include "base/table.h"

#define SHOWN_USD_DIGITS 6

static const char *const note_names[WHATIF_NOTE_COUNT] = {
    "unpriced",     "cached_at_input", "tier_assumed",  "cache_writes_unknown",
    "reported_now", "unpriced_now",    "unknown_usage",
};

static bool is_known(const struct whatif_row *row)
{
    return !(row->notes & WHATIF_UNPRICED);
}

static bool is_known_now(const struct whatif_row *row)
{
    return !(row->notes & WHATIF_UNPRICED_NOW);
}

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

static void add_costs(struct table *t, const struct whatif *w, const struct whatif_row *row)
{
    bool both = is_known(row) && is_known_now(row);

    add_usd(t, row->now_pusd, is_known_now(row));
    add_usd(t, row->low_pusd, is_known(row));
    if (is_interval(w))
        add_usd(t, row->high_pusd, is_known(row));
    add_change(t, row->low_pusd - row->now_pusd, both);
    if (is_interval(w))
        add_change(t, row->high_pusd - row->now_pusd, both);
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

static void add_sum(struct table *t, const struct whatif *w, const char *name,
                    const struct whatif_row *row)
{
    table_add_cell(t, str_from(name));
    for (size_t d = 1; d < w->now.dimension_count; d++)
        table_add_cell(t, STR(""));
    table_add_cell(t, STR(""));
    add_costs(t, w, row);
}

static void print_notes(const struct whatif *w, struct buf *out)
{
    char low[DECIMAL_TEXT_BYTES], high[DECIMAL_TEXT_BYTES];

    for (int i = 0; i < WHATIF_NOTE_COUNT; i++) {
        enum whatif_note note = (enum whatif_note)(1 << i);
        size_t groups = 0;
        for (size_t r = 0; r < w->now.rows.len; r++)
            groups += w->rows[r].notes & note ? 1 : 0;
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
        add_costs(t, w, &w->rows[i]);
    }
    table_add_rule(t);
    add_sum(t, w, "these", &w->changed);
    add_sum(t, w, "the rest", &w->rest);
    add_sum(t, w, "all", &w->all);
    table_print(t, out);
    buf_add_byte(out, '\n');
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
        csv_add_field(out, is_known_now(row) ? exact_usd(row->now_pusd, text) : STR(""), ',',
                      false);
        csv_add_field(out, is_known(row) ? exact_usd(row->low_pusd, text) : STR(""), ',', false);
        csv_add_field(out, is_known(row) ? exact_usd(row->high_pusd, text) : STR(""), ',', false);
        add_note_names(row->notes, &notes);
        csv_add_field(out, buf_str(&notes), ',', false);
        buf_add_byte(out, '\n');
    }
}

static void add_costs_json(const struct whatif_row *row, struct buf *out)
{
    char text[FIGURE_BYTES];

    if (is_known_now(row))
        json_add_str(out, "now_usd", exact_usd(row->now_pusd, text));
    if (is_known(row)) {
        json_add_str(out, "then_low_usd", exact_usd(row->low_pusd, text));
        json_add_str(out, "then_high_usd", exact_usd(row->high_pusd, text));
    }
    json_add_key(out, "notes");
    buf_add_byte(out, '[');
    for (int i = 0; i < WHATIF_NOTE_COUNT; i++) {
        if (!(row->notes >> i & 1))
            continue;
        if (out->ptr[out->len - 1] != '[')
            buf_add_byte(out, ',');
        json_add_string(out, str_from(note_names[i]));
    }
    buf_add_byte(out, ']');
}

static void add_sum_json(const char *name, const struct whatif_row *row, struct buf *out)
{
    json_add_key(out, name);
    buf_add_byte(out, '{');
    add_costs_json(row, out);
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
        add_costs_json(&w->rows[i], out);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}\n");
}

#include "config.h"

#include "analyze/reconcile_print.h"

#include <inttypes.h>

#include "base/csv.h"
#include "base/figure.h"
#include "base/json.h"
#include "base/table.h"
#include "base/timestamp.h"
#include "llm/price.h"

#define SHOWN_USD_DIGITS 6

static bool is_settled(enum reconcile_class c)
{
    return c == RECONCILE_MATCH || c == RECONCILE_ROUNDING;
}

/* "2026-10-07", or "2026-10" for a month. */
static struct str span_text(const struct reconcile_cell *c, char text[static TIMESTAMP_TEXT_BYTES])
{
    struct str day = str_from(timestamp_format_date(c->from_us, text));

    return c->to_us - c->from_us > US_PER_DAY ? str_sub(day, 0, 7) : day;
}

/* Whole, or with up to six digits behind the point. */
static struct str quantity_text(i128 micro, char text[static FIGURE_BYTES])
{
    if (micro % 1000000 == 0)
        return str_from(decimal_format(micro / 1000000, 0, text));
    return str_from(decimal_format(micro, 6, text));
}

/* Without a quantity of theirs, ours cannot be set beside it. */
static bool shows_quantity(const struct reconcile_cell *c)
{
    return c->unit != BILL_NONE && (c->has_quantity || !c->lines);
}

static void add_quantity(struct table *t, i128 micro, bool known)
{
    char text[FIGURE_BYTES];

    if (!known)
        table_add_cell(t, STR("-"));
    else if (micro % 1000000 == 0)
        table_add_cell(t, figure_count(micro / 1000000, text));
    else
        table_add_cell(t, quantity_text(micro, text));
}

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

static void print_cells(const struct reconcile *r, bool all, struct buf *out)
{
    static const char *const left[] = { "UTC", "provider", "model", "what" };
    static const char *const right[] = { "ours",       "theirs",   "ours USD",
                                         "theirs USD", "quantity", "price" };
    CLEANUP(table_free) struct table *t = table_new();
    char text[TIMESTAMP_TEXT_BYTES];

    for (size_t i = 0; i < ARRAY_LEN(left); i++)
        table_add_column(t, left[i], false);
    for (size_t i = 0; i < ARRAY_LEN(right); i++)
        table_add_column(t, right[i], true);
    table_add_column(t, "reason", false);
    for (size_t i = 0; i < r->cells.len; i++) {
        const struct reconcile_cell *c = &r->cells.ptr[i];
        if (!all && is_settled(c->class))
            continue;
        table_add_cell(t, span_text(c, text));
        table_add_cell(t, str_from(provider_name(c->provider)));
        table_add_cell(t, c->model.len ? c->model : STR("(all)"));
        table_add_cell(t, str_from(bill_unit_name(c->unit)));
        add_quantity(t, c->ours_micro, shows_quantity(c));
        add_quantity(t, c->theirs_micro, shows_quantity(c));
        add_usd(t, c->ours_pusd, true);
        add_usd(t, c->theirs_pusd, c->has_cost || c->rate_known || !c->lines);
        add_change(t, c->quantity_pusd, c->rate_known);
        add_change(t, c->price_pusd, c->rate_known);
        table_add_cell(t, str_from(reconcile_class_name(c->class)));
    }
    table_print(t, out);
}

static void print_reasons(const struct reconcile *r, struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();

    table_add_column(t, "reason", false);
    table_add_column(t, "cells", true);
    table_add_column(t, "theirs - ours USD", true);
    table_add_column(t, "", false);
    for (int k = 0; k < RECONCILE_CLASS_COUNT; k++) {
        enum reconcile_class c = (enum reconcile_class)k;
        if (!r->class_cells[c])
            continue;
        table_add_cell(t, str_from(reconcile_class_name(c)));
        table_add_cellf(t, "%zu", r->class_cells[c]);
        add_change(t, r->class_pusd[c], true);
        table_add_cell(t, str_from(reconcile_class_advice(c)));
    }
    table_add_rule(t);
    table_add_cell(t, STR("all"));
    table_add_cellf(t, "%zu", r->cells.len);
    add_change(t, r->theirs_pusd - r->ours_pusd, true);
    table_add_cell(t, STR(""));
    table_print(t, out);
}

static void print_files(const struct invoice *v, struct buf *out)
{
    char text[FIGURE_BYTES];

    for (size_t i = 0; i < v->files.len; i++) {
        const struct invoice_file *f = &v->files.ptr[i];
        buf_addf(out, "%.*s: %s, %" PRIu64 " rows", STR_ARG(f->path),
                 invoice_format_name(f->format), f->rows);
        if (f->empty_rows)
            buf_addf(out, ", %" PRIu64 " of them empty", f->empty_rows);
        if (f->other_rows)
            buf_addf(out, ", %" PRIu64 " of other services, credits or taxes left out (%.*s USD)",
                     f->other_rows, STR_ARG(figure_usd(f->other_pusd, 2, text)));
        buf_add_byte(out, '\n');
    }
}

void reconcile_print_text(const struct reconcile *r, const struct invoice *v, bool all,
                          struct buf *out)
{
    char text[FIGURE_BYTES];
    size_t settled = r->class_cells[RECONCILE_MATCH] + r->class_cells[RECONCILE_ROUNDING];

    print_files(v, out);
    buf_add_byte(out, '\n');
    if (all || settled < r->cells.len) {
        print_cells(r, all, out);
        buf_add_byte(out, '\n');
    }
    print_reasons(r, out);
    buf_addf(out, "\nours %.*s USD", STR_ARG(figure_usd(r->ours_pusd, SHOWN_USD_DIGITS, text)));
    buf_addf(out, ", theirs %.*s USD\n",
             STR_ARG(figure_usd(r->theirs_pusd, SHOWN_USD_DIGITS, text)));
}

/* --- for machines --- */

static struct str exact_usd(i128 pusd, char text[static FIGURE_BYTES])
{
    return str_from(decimal_format(pusd, PUSD_SCALE, text));
}

void reconcile_print_csv(const struct reconcile *r, struct buf *out)
{
    char text[FIGURE_BYTES], day[TIMESTAMP_TEXT_BYTES];

    buf_add_text(out, "from,provider,model,unit,ours_quantity,theirs_quantity,ours_usd,theirs_usd,"
                      "quantity_usd,price_usd,reason\n");
    for (size_t i = 0; i < r->cells.len; i++) {
        const struct reconcile_cell *c = &r->cells.ptr[i];
        const i128 parts[] = { c->quantity_pusd, c->price_pusd };
        csv_add_field(out, span_text(c, day), ',', true);
        csv_add_field(out, str_from(provider_name(c->provider)), ',', false);
        csv_add_field(out, c->model, ',', false);
        csv_add_field(out, str_from(bill_unit_name(c->unit)), ',', false);
        csv_add_field(out, shows_quantity(c) ? quantity_text(c->ours_micro, text) : STR(""), ',',
                      false);
        csv_add_field(out, shows_quantity(c) ? quantity_text(c->theirs_micro, text) : STR(""), ',',
                      false);
        csv_add_field(out, exact_usd(c->ours_pusd, text), ',', false);
        csv_add_field(out, exact_usd(c->theirs_pusd, text), ',', false);
        for (size_t p = 0; p < ARRAY_LEN(parts); p++)
            csv_add_field(out, c->rate_known ? exact_usd(parts[p], text) : STR(""), ',', false);
        csv_add_field(out, str_from(reconcile_class_name(c->class)), ',', false);
        buf_add_byte(out, '\n');
    }
}

static void add_cell_json(const struct reconcile_cell *c, const struct invoice *v, struct buf *out)
{
    char text[FIGURE_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "from", str_from(timestamp_format(c->from_us, text)));
    json_add_str(out, "to", str_from(timestamp_format(c->to_us, text)));
    json_add_str(out, "provider", str_from(provider_name(c->provider)));
    if (c->model.len)
        json_add_str(out, "model", c->model);
    json_add_str(out, "unit", str_from(bill_unit_name(c->unit)));
    if (shows_quantity(c)) {
        json_add_str(out, "ours_quantity", quantity_text(c->ours_micro, text));
        json_add_str(out, "theirs_quantity", quantity_text(c->theirs_micro, text));
    }
    json_add_str(out, "ours_usd", exact_usd(c->ours_pusd, text));
    json_add_str(out, "theirs_usd", exact_usd(c->theirs_pusd, text));
    if (c->rate_known) {
        json_add_str(out, "quantity_usd", exact_usd(c->quantity_pusd, text));
        json_add_str(out, "price_usd", exact_usd(c->price_pusd, text));
    }
    json_add_str(out, "reason", str_from(reconcile_class_name(c->class)));
    if (c->lines) {
        json_add_str(out, "file", v->files.ptr[c->file].path);
        json_add_int(out, "row", (int64_t)c->first_row);
        json_add_int(out, "lines", (int64_t)c->lines);
    }
    buf_add_byte(out, '}');
}

static void add_reasons_json(const struct reconcile *r, struct buf *out)
{
    char text[FIGURE_BYTES];

    json_add_key(out, "reasons");
    buf_add_byte(out, '[');
    for (int k = 0; k < RECONCILE_CLASS_COUNT; k++) {
        if (!r->class_cells[k])
            continue;
        if (out->ptr[out->len - 1] != '[')
            buf_add_byte(out, ',');
        buf_add_byte(out, '{');
        json_add_str(out, "reason", str_from(reconcile_class_name((enum reconcile_class)k)));
        json_add_int(out, "cells", (int64_t)r->class_cells[k]);
        json_add_str(out, "usd", exact_usd(r->class_pusd[k], text));
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

void reconcile_print_json(const struct reconcile *r, const struct invoice *v, struct buf *out)
{
    char text[FIGURE_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "ours_usd", exact_usd(r->ours_pusd, text));
    json_add_str(out, "theirs_usd", exact_usd(r->theirs_pusd, text));
    add_reasons_json(r, out);
    json_add_key(out, "cells");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < r->cells.len; i++) {
        if (i)
            buf_add_byte(out, ',');
        add_cell_json(&r->cells.ptr[i], v, out);
    }
    buf_add_text(out, "]}\n");
}

#include "config.h"

#include "analyze/export.h"

#include "base/csv.h"
#include "base/json.h"
#include "base/timestamp.h"

/* A line under way: in a header, names instead of values. */
struct line {
    struct buf *out;
    enum export_form form;
    bool is_header;
    size_t start;
};

static struct line line_begin(struct buf *out, enum export_form form)
{
    struct line l = { .out = out, .form = form, .start = out->len };

    if (form == EXPORT_JSONL)
        buf_add_byte(out, '{');
    return l;
}

static void line_end(struct line *l)
{
    buf_add_text(l->out, l->form == EXPORT_JSONL ? "}\n" : "\n");
}

static void add_field(struct line *l, struct str text)
{
    csv_add_field(l->out, text, ',', l->out->len == l->start);
}

static void add_text(struct line *l, const char *name, struct str value)
{
    if (l->form == EXPORT_CSV)
        add_field(l, l->is_header ? str_from(name) : value);
    else if (value.len > 0)
        json_add_str(l->out, name, value);
}

static void add_int(struct line *l, const char *name, int64_t value)
{
    char text[DECIMAL_TEXT_BYTES];

    if (l->form == EXPORT_CSV)
        add_text(l, name, str_from(decimal_format(value, 0, text)));
    else
        json_add_int(l->out, name, value);
}

static void add_bool(struct line *l, const char *name, bool value)
{
    if (l->form == EXPORT_CSV)
        add_text(l, name, value ? STR("true") : STR("false"));
    else
        json_add_bool(l->out, name, value);
}

static void add_usd(struct line *l, const char *name, i128 pusd)
{
    char text[DECIMAL_TEXT_BYTES];

    add_text(l, name, str_from(decimal_format(pusd, PUSD_SCALE, text)));
}

/* --- groups --- */

static const char *const source_columns[COST_SOURCE_COUNT] = {
    [COST_REPORTED] = "reported_cost_usd",
    [COST_TABLE] = "table_cost_usd",
    [COST_GATEWAY] = "gateway_cost_usd",
    [COST_ESTIMATED] = "estimated_cost_usd",
};

static void add_group(struct line *l, const struct engine_result *r, const struct engine_row *row)
{
    const struct engine_sums *s = &row->sums;

    for (size_t d = 0; d < r->dimension_count; d++)
        add_text(l, dimension_name(r->dimensions[d]),
                 dimension_value(r->dimensions[d], row->codes[d]));
    add_int(l, "requests", s->requests);
    for (size_t u = 0; u < USAGE_UNIT_COUNT; u++)
        if (u != USAGE_TOOL_CALLS)
            add_int(l, usage_unit_name((enum usage_unit)u),
                    row->detail ? row->detail->units[u] : 0);
    if (engine_cost_is_unknown(s))
        add_text(l, "cost_usd", (struct str){ 0 });
    else
        add_usd(l, "cost_usd", engine_cost(s));
    for (size_t i = 0; i < COST_SOURCE_COUNT; i++)
        add_usd(l, source_columns[i], s->cost_pusd[i]);
    add_usd(l, "cache_savings_usd", s->cache_savings_pusd);
    add_int(l, "unknown_requests", s->unknown_requests);
    add_int(l, "unpriced_requests", s->unpriced_requests);
}

void export_add_group_header(const struct engine_result *r, enum export_form form, struct buf *out)
{
    const struct engine_row none = { .codes = { 0 } };

    if (form == EXPORT_JSONL)
        return;
    struct line l = line_begin(out, form);
    l.is_header = true;
    add_group(&l, r, &none);
    line_end(&l);
}

void export_add_group(const struct engine_result *r, const struct engine_row *row,
                      enum export_form form, struct buf *out)
{
    struct line l = line_begin(out, form);

    add_group(&l, r, row);
    line_end(&l);
}

/* --- rows --- */

static const enum ledger_column row_columns[] = {
    LEDGER_EXCHANGE_ID,
    LEDGER_PART,
    LEDGER_STARTED_AT,
    LEDGER_APP,
    LEDGER_TEAM,
    LEDGER_BUSINESS_UNIT,
    LEDGER_ENVIRONMENT,
    LEDGER_END_USER,
    LEDGER_PURPOSE,
    LEDGER_KEY_ID,
    LEDGER_TRACE_ID,
    LEDGER_UPSTREAM,
    LEDGER_ARM,
    LEDGER_PROVIDER,
    LEDGER_API,
    LEDGER_MODEL_REQUESTED,
    LEDGER_MODEL,
    LEDGER_SERVICE_TIER,
    LEDGER_GEO,
    LEDGER_STREAM,
    LEDGER_STATUS,
    LEDGER_ERROR_CLASS,
    LEDGER_FINISH_REASON,
    LEDGER_BILLABLE,
    LEDGER_FIRST_TOKEN_US,
    LEDGER_END_US,
    LEDGER_USAGE_SOURCE,
};

static const char *const source_words[COST_SOURCE_COUNT] = {
    [COST_REPORTED] = "reported",
    [COST_TABLE] = "table",
    [COST_GATEWAY] = "gateway",
    [COST_ESTIMATED] = "estimated",
};

void export_row_columns(struct scan_columns *ret)
{
    *ret = (struct scan_columns){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(row_columns); i++)
        ret->want[row_columns[i]] = true;
}

static void add_cell(struct line *l, const struct block *b, enum ledger_column c, size_t row)
{
    const struct parquet_column *column = &ledger_columns()[c];
    char text[TIMESTAMP_TEXT_BYTES];

    if (l->is_header || block_is_null(b, c, row))
        add_text(l, column->name, (struct str){ 0 });
    else if (column->type == PARQUET_STRING)
        add_text(l, column->name, block_str(b, c, row));
    else if (column->type == PARQUET_TIMESTAMP_US)
        add_text(l, column->name, str_from(timestamp_format(block_int(b, c, row), text)));
    else if (column->type == PARQUET_BOOL)
        add_bool(l, column->name, block_int(b, c, row) != 0);
    else
        add_int(l, column->name, block_int(b, c, row));
}

/* Which figure the cost is; "" where there is none. */
static struct str source_of(const struct engine_sums *s, bool has_cost)
{
    for (size_t i = 0; has_cost && i < COST_SOURCE_COUNT; i++)
        if (s->cost_pusd[i] != 0)
            return str_from(source_words[i]);
    return has_cost ? STR("table") : STR("");
}

static void add_row(struct line *l, const struct engine_seen *seen)
{
    const struct block *b = seen->block;
    const struct engine_sums *s = seen->sums;

    for (size_t i = 0; i < ARRAY_LEN(row_columns); i++)
        add_cell(l, b, row_columns[i], seen->row);
    add_int(l, "requests", s->requests);
    for (size_t u = 0; u < USAGE_UNIT_COUNT; u++)
        if (u != USAGE_TOOL_CALLS)
            add_cell(l, b, (enum ledger_column)(LEDGER_USAGE + u), seen->row);
    bool billed = !l->is_header && block_int(b, LEDGER_BILLABLE, seen->row) && !seen->is_repeated;
    bool is_known = s->unknown_requests == 0 && s->unpriced_requests == 0;
    bool has_cost = billed && (is_known || engine_cost(s) != 0);
    if (has_cost)
        add_usd(l, "cost_usd", engine_cost(s));
    else
        add_text(l, "cost_usd", (struct str){ 0 });
    add_text(l, "cost_source", source_of(s, has_cost));
    add_bool(l, "unknown_usage", s->unknown_requests > 0);
    add_bool(l, "unpriced", s->unpriced_requests > 0);
    add_bool(l, "repeated", seen->is_repeated);
}

void export_add_row_header(enum export_form form, struct buf *out)
{
    const struct engine_sums none = { 0 };
    const struct engine_seen seen = { .sums = &none };

    if (form == EXPORT_JSONL)
        return;
    struct line l = line_begin(out, form);
    l.is_header = true;
    add_row(&l, &seen);
    line_end(&l);
}

void export_add_row(const struct engine_seen *seen, enum export_form form, struct buf *out)
{
    struct line l = line_begin(out, form);

    add_row(&l, seen);
    line_end(&l);
}

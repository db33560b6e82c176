#include "config.h"

#include <inttypes.h>

#include "analyze/engine_remote_parts.h"
#include "analyze/push_table.h"

/* Added to times so that they divide alike before 1970. */
#define EPOCH_SHIFT_US (REMOTE_EPOCH_SHIFT_DAYS * US_PER_DAY)

void remote_fill_kinds(enum clickhouse_kind *kinds, size_t from, size_t count,
                       enum clickhouse_kind kind)
{
    for (size_t i = 0; i < count; i++)
        kinds[from + i] = kind;
}

static const char *unit_name(enum usage_unit u)
{
    return ledger_columns()[LEDGER_USAGE + u].name;
}

/* --- which rows --- */

/* As far as a Date goes. */
void remote_add_dates(int64_t from_us, int64_t to_us, struct buf *out)
{
    int64_t from = from_us / US_PER_DAY;
    int64_t to = to_us > INT64_MIN + 1 ? (to_us - 1) / US_PER_DAY : 0;

    if (from > 0 && from <= PUSH_DATE_MAX)
        buf_addf(out, " AND date >= toDate(%" PRId64 ")", from);
    if (to > 0 && to < PUSH_DATE_MAX)
        buf_addf(out, " AND date <= toDate(%" PRId64 ")", to);
}

void remote_add_span(const struct engine_query *q, struct buf *out)
{
    buf_addf(out, "started_at_us >= %" PRId64 " AND started_at_us < %" PRId64, q->from_us,
             q->to_us);
    remote_add_dates(q->from_us, q->to_us, out);
}

/* --- usage --- */

static bool is_plain_unit(enum usage_unit u)
{
    for (size_t i = 0; i < PLAIN_COUNT; i++)
        if (plain_units[i] == u)
            return true;
    return false;
}

void remote_add_value(struct buf *out, enum usage_unit u)
{
    buf_addf(out, "ifNull(%s, 0)", unit_name(u));
}

static void add_within(struct buf *out, enum usage_unit part, enum usage_unit other,
                       enum usage_unit whole)
{
    buf_add_text(out, " AND ");
    remote_add_value(out, part);
    if (other != part) {
        buf_add_text(out, " + ");
        remote_add_value(out, other);
    }
    buf_add_text(out, " <= ");
    remote_add_value(out, whole);
}

/* is_plain_row of engine_price, of rows whose usage is known. */
void remote_add_plain(int64_t limit, struct buf *out)
{
    buf_add_text(out, "(isNull(reported_cost_pusd) AND requests <= 1 AND isNotNull(");
    buf_addf(out, "%s)", unit_name(USAGE_INPUT));
    for (int u = 0; u < USAGE_UNIT_COUNT; u++) {
        enum usage_unit unit = (enum usage_unit)u;
        if (unit == USAGE_TOOL_CALLS)
            continue;
        buf_add_text(out, " AND ");
        remote_add_value(out, unit);
        if (is_plain_unit(unit)) {
            buf_add_text(out, " >= 0 AND ");
            remote_add_value(out, unit);
            buf_addf(out, " < %" PRId64, limit);
        } else {
            buf_add_text(out, " = 0");
        }
    }
    add_within(out, USAGE_CACHE_WRITE_5M, USAGE_CACHE_WRITE_1H, USAGE_CACHE_WRITE);
    add_within(out, USAGE_CACHED_INPUT, USAGE_CACHE_WRITE, USAGE_INPUT);
    add_within(out, USAGE_REASONING, USAGE_REASONING, USAGE_OUTPUT);
    buf_add_text(out, ")");
}

/* --- what a price depends on --- */

/* Only Hugging Face's depends on the path; and only a fallback has had a first choice. */
static void add_key_column(enum ledger_column c, struct buf *out)
{
    if (c == LEDGER_PATH)
        buf_addf(out, "if(provider = '%s', path, '')", provider_name(PROVIDER_HUGGINGFACE));
    else if (c == LEDGER_FIRST_MODEL)
        buf_add_text(out, "if(ifNull(fallback, 0) != 0, first_model, '')");
    else
        buf_add_text(out, push_table_column(c));
}

void remote_add_keys(const struct remote *r, struct buf *out)
{
    for (size_t i = 0; i < r->key_count; i++) {
        if (i > 0)
            buf_add_text(out, ", ");
        add_key_column(r->keys[i], out);
    }
}

void remote_add_key(const struct remote *r, const struct clickhouse_value *values, struct buf *out)
{
    buf_add_text(out, out->len ? ", (" : "(");
    for (size_t i = 0; i < r->key_count; i++) {
        if (i > 0)
            buf_add_text(out, ", ");
        clickhouse_add_text(out, values[i].s);
    }
    buf_add_text(out, ")");
}

/* --- groups --- */

void remote_add_dimensions(const struct remote *r, enum clickhouse_kind *kinds, struct buf *out)
{
    for (size_t i = 0; i < r->column_count; i++) {
        const struct parquet_column *column = &ledger_columns()[r->columns[i]];
        const char *name = push_table_column(r->columns[i]);
        if (r->columns[i] == LEDGER_STARTED_AT) {
            buf_addf(out, "toInt64(0) AS d%zu, ", i);
            kinds[i] = CLICKHOUSE_INT;
        } else if (column->type == PARQUET_STRING) {
            buf_addf(out, "%s AS d%zu, ", name, i);
            kinds[i] = CLICKHOUSE_STRING;
        } else {
            buf_addf(out, "toInt64(%s) AS d%zu, ", name, i);
            kinds[i] = column->optional ? CLICKHOUSE_NULLABLE : CLICKHOUSE_INT;
        }
    }
}

void remote_add_groups(const struct remote *r, struct buf *out)
{
    for (size_t i = 0; i < r->column_count; i++)
        buf_addf(out, "d%zu, ", i);
    buf_add_text(out, "slot");
}

void remote_add_slot(const struct remote *r, struct buf *out)
{
    if (r->slot_us)
        buf_addf(out, "intDiv(started_at_us + %" PRId64 ", %" PRId64 ") AS slot", EPOCH_SHIFT_US,
                 r->slot_us);
    else
        buf_add_text(out, "toInt64(0) AS slot");
}

/* --- sketches --- */

/* Buckets are as wide as the power of two below a value, by 2^SKETCH_BITS: 1 for small ones.
 * roundToExp2 is made of integers, so is all of this; sketch_bucket of the result is that of the
 * value. */
void remote_add_low(struct buf *out, const char *value)
{
    CLEANUP(buf_release) struct buf v = { 0 };

    buf_addf(&v, "greatest(toInt64(ifNull(%s, 0)), toInt64(0))", value);
    buf_addf(out, "toInt64(%s - %s %% greatest(intDiv(roundToExp2(%s), %u), toInt64(1)))",
             buf_cstr(&v), buf_cstr(&v), buf_cstr(&v), 1u << SKETCH_BITS);
}

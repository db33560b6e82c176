/* engine_remote_cell - the row of a result as a block of one row, and the group it is of. */
#include "config.h"

#include "analyze/engine_remote_parts.h"

#define EPOCH_SHIFT_US (REMOTE_EPOCH_SHIFT_DAYS * US_PER_DAY)
#define SPAN_DAYS_MAX  40000 /* over a century: as many slots are looked at */

static const uint32_t code_zero = 0;

void remote_set_text(struct remote *r, enum ledger_column c, struct str text)
{
    r->texts[c] = text;
    r->cell.columns[c] =
        (struct block_column){ .codes = &code_zero, .dict = &r->texts[c], .dict_len = 1 };
}

void remote_set_int(struct remote *r, enum ledger_column c, const struct clickhouse_value *v)
{
    r->ints[c] = v->i;
    r->nulls[c] = v->is_null;
    r->cell.columns[c] = (struct block_column){ .ints = &r->ints[c], .is_null = &r->nulls[c] };
}

void remote_clear_cell(struct remote *r)
{
    r->cell.rows = 1;
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        r->cell.columns[c] = (struct block_column){ .absent = true };
}

/* What rules make has a dictionary of all that they made so far, which whoever looks at a block
 * goes through: a cell keeps its own word, or each would cost as much as there were before it. */
static void apply_rules(struct remote *r)
{
    const struct block_who_rules rules = { .attribution = r->query->attribution };

    block_who_apply(&r->who, &rules, &r->cell);
    for (size_t i = 0; i < BLOCK_WHO_COLUMNS; i++)
        remote_set_text(r, block_who_columns[i], block_str(&r->cell, block_who_columns[i], 0));
}

bool remote_start_cell(struct remote *r, const struct clickhouse_value *values)
{
    uint8_t passes = true;

    remote_clear_cell(r);
    for (size_t i = 0; i < r->column_count; i++) {
        if (ledger_columns()[r->columns[i]].type == PARQUET_STRING)
            remote_set_text(r, r->columns[i], values[i].s);
        else
            remote_set_int(r, r->columns[i], &values[i]);
    }
    if (r->query->attribution)
        apply_rules(r);
    if (r->where)
        where_rows(r->where, &r->cell, &passes);
    return passes;
}

int remote_codes(struct remote *r, const struct clickhouse_value *span, uint32_t *ret,
                 struct err *err)
{
    for (size_t i = 0; i < r->query->dimension_count; i++) {
        struct dimension *d = r->tally->dimensions[i];
        if (dimension_is_bucket(d))
            remote_set_int(r, LEDGER_STARTED_AT, &span[1]);
        dimension_prepare(d, &r->cell);
        ret[i] = dimension_code(d, &r->cell, 0);
        if (!dimension_is_bucket(d))
            continue;
        remote_set_int(r, LEDGER_STARTED_AT, &span[0]);
        if (dimension_code(d, &r->cell, 0) != ret[i])
            return err_set(err, ERR_UNSUPPORTED,
                           "--engine cannot split by '%s' in this zone: it changes within a "
                           "quarter of an hour",
                           dimension_name(d));
    }
    return 0;
}

/* --- buckets --- */

static bool is_one_code(struct remote *r, struct dimension *d, int64_t from_us, int64_t to_us)
{
    struct clickhouse_value first = { .i = from_us }, last = { .i = to_us };

    remote_set_int(r, LEDGER_STARTED_AT, &first);
    uint32_t code = dimension_code(d, &r->cell, 0);
    remote_set_int(r, LEDGER_STARTED_AT, &last);
    return code == dimension_code(d, &r->cell, 0);
}

/* Whether every slot of that width lies within one bucket. */
static bool fits(struct remote *r, struct dimension *d, int64_t width_us)
{
    int64_t from_us = (r->first_us + EPOCH_SHIFT_US) / width_us * width_us - EPOCH_SHIFT_US;

    for (; from_us <= r->last_us; from_us += width_us)
        if (!is_one_code(r, d, from_us, from_us + width_us - 1))
            return false;
    return true;
}

/* Whole days where that is exact; the check in remote_codes is what counts. */
int remote_choose_slots(struct remote *r, struct err *err)
{
    static const int64_t widths[] = { US_PER_DAY, US_PER_DAY / 24, US_PER_DAY / 96 };
    size_t at = 0;

    if (r->first_us < -EPOCH_SHIFT_US || (r->last_us - r->first_us) / US_PER_DAY > SPAN_DAYS_MAX)
        return err_set(err, ERR_UNSUPPORTED,
                       "the table's times span more than a century: "
                       "ask for less time, or without --engine");
    for (size_t i = 0; i < r->query->dimension_count; i++) {
        if (!dimension_is_bucket(r->tally->dimensions[i]))
            continue;
        CLEANUP(dimension_free) struct dimension *d = dimension_clone(r->tally->dimensions[i]);
        while (at + 1 < ARRAY_LEN(widths) && !fits(r, d, widths[at]))
            at++;
        r->slot_us = widths[at];
    }
    return 0;
}

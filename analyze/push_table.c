#include "config.h"

#include "analyze/push_table.h"

#include "base/timestamp.h"

static const struct type {
    const char *name, *nullable;
    unsigned bytes;
} types[] = {
    [PARQUET_STRING] = {"String", "String",          0},
    [PARQUET_INT64] = { "Int64", "Nullable(Int64)", 8},
    [PARQUET_INT32] = { "Int32", "Nullable(Int32)", 4},
    [PARQUET_BOOL] = { "UInt8", "Nullable(UInt8)", 1},
    [PARQUET_TIMESTAMP_US] = { "Int64", "Nullable(Int64)", 8},
    [PARQUET_DECIMAL_12] = { "Int64", "Nullable(Int64)", 8},
};

const char *push_table_column(enum ledger_column c)
{
    if (c == LEDGER_STARTED_AT)
        return "started_at_us";
    return c == LEDGER_REPORTED_COST ? "reported_cost_pusd" : ledger_columns()[c].name;
}

void push_table_schema(const struct clickhouse *c, struct buf *out)
{
    const struct parquet_column *columns = ledger_columns();

    buf_add_text(out, "CREATE TABLE IF NOT EXISTS ");
    clickhouse_add_table(c, "", out);
    buf_add_text(out, " (\n    segment String,\n    row UInt32,\n    date Date");
    for (int i = 0; i < LEDGER_COLUMN_COUNT; i++) {
        const struct type *t = &types[columns[i].type];
        buf_addf(out, ",\n    %s %s", push_table_column((enum ledger_column)i),
                 columns[i].optional ? t->nullable : t->name);
    }
    buf_add_text(out, "\n) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMM(date)"
                      " ORDER BY (date, segment, row)");
}

void push_table_segments_schema(const struct clickhouse *c, struct buf *out)
{
    buf_add_text(out, "CREATE TABLE IF NOT EXISTS ");
    clickhouse_add_table(c, "_segments", out);
    buf_add_text(out, " (\n    segment String,\n    rows UInt64\n) ENGINE = ReplacingMergeTree"
                      " ORDER BY segment");
}

void push_table_insert(const struct clickhouse *c, struct buf *out)
{
    buf_add_text(out, "INSERT INTO ");
    clickhouse_add_table(c, "", out);
    buf_add_text(out, " (segment, row, date");
    for (int i = 0; i < LEDGER_COLUMN_COUNT; i++)
        buf_addf(out, ", %s", push_table_column((enum ledger_column)i));
    buf_add_text(out, ") FORMAT RowBinary");
}

static int64_t date_of(int64_t us)
{
    int64_t day = us < 0 ? 0 : us / US_PER_DAY;

    return day > PUSH_DATE_MAX ? PUSH_DATE_MAX : day;
}

/* What the engine makes of a column that is not there. */
static int64_t absent_value(enum ledger_column c)
{
    return c == LEDGER_REQUESTS ? 1 : 0;
}

static void put_number(const struct block *b, enum ledger_column c, size_t row, struct buf *out)
{
    const struct parquet_column *column = &ledger_columns()[c];
    bool is_null = block_is_null(b, c, row);

    if (column->optional)
        buf_add_byte(out, is_null);
    if (is_null && column->optional)
        return;
    int64_t value = b->columns[c].absent ? absent_value(c) : block_int(b, c, row);
    clickhouse_put_int(out, value, types[column->type].bytes);
}

void push_table_row(struct str segment, uint32_t number, const struct block *b, size_t row,
                    struct buf *out)
{
    clickhouse_put_string(out, segment);
    clickhouse_put_int(out, number, 4);
    clickhouse_put_int(out, date_of(block_int(b, LEDGER_STARTED_AT, row)), 2);
    for (int i = 0; i < LEDGER_COLUMN_COUNT; i++) {
        enum ledger_column c = (enum ledger_column)i;
        if (ledger_columns()[i].type == PARQUET_STRING)
            clickhouse_put_string(out, block_str(b, c, row));
        else
            put_number(b, c, row, out);
    }
}

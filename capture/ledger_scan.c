#include "config.h"

#include "capture/ledger_scan.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

struct ledger_scan {
    struct parquet_file *file;
    int columns[LEDGER_COLUMN_COUNT]; /* of the file; -1 = not asked for, or not there */
    struct parquet_values values[LEDGER_COLUMN_COUNT];
    struct parquet_scratch *scratch, *own_scratch; /* of all values */
    size_t group;                                  /* the next to be read */
    uint64_t row, count; /* in the group under way; row is one past the current one */
};

void ledger_scan_close(struct ledger_scan *s)
{
    if (!s)
        return;
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        parquet_values_release(&s->values[c]);
    parquet_scratch_free(s->own_scratch);
    parquet_close(s->file);
    free(s);
}

int ledger_scan_open(const char *path, const enum ledger_column *columns, size_t column_count,
                     struct ledger_scan **ret, struct err *err)
{
    CLEANUP(ledger_scan_close) struct ledger_scan *s = mem_calloc(1, sizeof(*s));
    int all[LEDGER_COLUMN_COUNT];

    if (ledger_open(path, &s->file, all, err) < 0)
        return -1;
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        s->columns[c] = -1;
    for (size_t i = 0; i < column_count; i++)
        s->columns[columns[i]] = all[columns[i]];
    *ret = TAKE(s);
    return 0;
}

void ledger_scan_use(struct ledger_scan *s, struct parquet_scratch *scratch)
{
    assert(s->group == 0);
    s->scratch = scratch;
}

static int read_group(struct ledger_scan *s, struct err *err)
{
    uint64_t rows = parquet_group_rows(s->file, s->group);

    if (!s->scratch)
        s->scratch = s->own_scratch = parquet_scratch_new();
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        if (s->columns[c] < 0)
            continue;
        s->values[c].scratch = s->scratch;
        if (parquet_read(s->file, s->group, (size_t)s->columns[c], &s->values[c], err) < 0)
            return -1;
        if (s->values[c].count != rows)
            return err_set(err, ERR_CORRUPT,
                           "column '%s' has %zu values in group %zu of %" PRIu64 " rows",
                           ledger_columns()[c].name, s->values[c].count, s->group, rows);
    }
    s->group++;
    s->count = rows;
    s->row = 0;
    return 0;
}

int ledger_scan_next(struct ledger_scan *s, struct err *err)
{
    while (s->row == s->count) {
        if (s->group == parquet_group_count(s->file))
            return 0;
        if (read_group(s, err) < 0)
            return -1;
    }
    s->row++;
    return 1;
}

bool ledger_scan_is_null(const struct ledger_scan *s, enum ledger_column column)
{
    const struct parquet_values *v = &s->values[column];

    assert(s->row > 0);
    return s->columns[column] < 0 || (v->is_null && v->is_null[s->row - 1]);
}

int64_t ledger_scan_int(const struct ledger_scan *s, enum ledger_column column)
{
    return ledger_scan_is_null(s, column) ? 0 : s->values[column].ints[s->row - 1];
}

struct str ledger_scan_str(const struct ledger_scan *s, enum ledger_column column)
{
    const struct parquet_values *v = &s->values[column];

    return ledger_scan_is_null(s, column) ? STR("") : v->dictionary[v->codes[s->row - 1]];
}

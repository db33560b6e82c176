#include "config.h"

#include "replay/sim_block.h"

#include <string.h>

void sim_block_release(struct sim_block *b)
{
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        parquet_values_release(&b->values[c]);
    parquet_close(b->file);
    parquet_scratch_free(b->scratch);
    memset(b, 0, sizeof(*b));
}

int sim_block_open(struct sim_block *b, const char *path, struct err *err)
{
    parquet_close(TAKE(b->file));
    if (!b->scratch)
        b->scratch = parquet_scratch_new();
    return ledger_open(path, &b->file, b->map, err); /* its failure names the file */
}

int sim_block_load(struct sim_block *b, size_t group, const enum ledger_column *columns,
                   size_t count, struct err *err)
{
    memset(b->has, 0, sizeof(b->has));
    b->rows = parquet_group_rows(b->file, group);
    for (size_t i = 0; i < count; i++) {
        enum ledger_column c = columns[i];
        if (b->map[c] < 0 || parquet_is_all_null(b->file, group, (size_t)b->map[c]))
            continue;
        b->values[c].scratch = b->scratch;
        if (parquet_read(b->file, group, (size_t)b->map[c], &b->values[c], err) < 0)
            return err_wrap(err, "column '%s'", ledger_columns()[c].name);
        if (b->values[c].count != b->rows)
            return err_set(err, ERR_CORRUPT, "column '%s' has %zu values in a group of %zu rows",
                           ledger_columns()[c].name, b->values[c].count, b->rows);
        b->has[c] = true;
    }
    return 0;
}

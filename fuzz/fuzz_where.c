/* The filter language over arbitrary text: parse, and evaluate over one empty and one small block.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>

#include "analyze/where.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct str words[] = { STR_INIT("cx"), STR_INIT("") };
static const uint32_t codes[] = { 0, 1 };
static const int64_t numbers[] = { -1, 200 };
static const uint8_t nulls[] = { 0, 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(where_free) struct where *w = NULL;
    struct block b = { .rows = 2 };
    struct err err;

    if (where_parse((struct str){ (const char *)data, size }, NULL, &w, &err) < 0)
        return 0;
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        b.columns[c] = ledger_columns()[c].type == PARQUET_STRING
                           ? (struct block_column){ .codes = codes, .dict = words, .dict_len = 2 }
                           : (struct block_column){ .ints = numbers, .is_null = nulls };
    where_prepare(w, &b);
    for (size_t row = 0; row < b.rows; row++)
        where_row(w, &b, row);
    return 0;
}

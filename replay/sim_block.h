/* sim_block - one row group of a ledger, its columns decoded. */
#ifndef REPLAY_SIM_BLOCK_H
#define REPLAY_SIM_BLOCK_H

#include "capture/ledger.h"

struct sim_block {
    struct parquet_file *file;
    int map[LEDGER_COLUMN_COUNT]; /* the file's columns; -1 = not there */
    struct parquet_values values[LEDGER_COLUMN_COUNT];
    bool has[LEDGER_COLUMN_COUNT]; /* decoded for this group */
    struct parquet_scratch *scratch;
    size_t rows;
};

/* Zero-initialised is ready.  Opens a ledger in place of the one before. */
int sim_block_open(struct sim_block *b, const char *path, struct err *err);
int sim_block_load(struct sim_block *b, size_t group, const enum ledger_column *columns,
                   size_t count, struct err *err);
void sim_block_release(struct sim_block *b);
DEFINE_CLEANUP_VALUE(struct sim_block, sim_block_release)

static inline bool sim_block_is_null(const struct sim_block *b, enum ledger_column c, size_t row)
{
    return !b->has[c] || (b->values[c].is_null && b->values[c].is_null[row]);
}
/* 0 where null. */
static inline int64_t sim_block_int(const struct sim_block *b, enum ledger_column c, size_t row)
{
    return b->has[c] ? b->values[c].ints[row] : 0;
}
static inline struct str sim_block_str(const struct sim_block *b, enum ledger_column c, size_t row)
{
    if (sim_block_is_null(b, c, row))
        return STR("");
    return b->values[c].dictionary[b->values[c].codes[row]];
}
/* A number for the string, below the dictionary's length plus one; 0 where null. */
static inline uint32_t sim_block_code(const struct sim_block *b, enum ledger_column c, size_t row)
{
    return sim_block_is_null(b, c, row) ? 0 : b->values[c].codes[row] + 1;
}

#endif

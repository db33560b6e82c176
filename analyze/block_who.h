/* block_who - attribution rules over a block: the six columns that say who caused a call, made from
 * what the ledger keeps.  Zero-initialised is ready; names are kept from block to block, until
 * they are far more than a block's rows. */
#ifndef ANALYZE_BLOCK_WHO_H
#define ANALYZE_BLOCK_WHO_H

#include "analyze/composite.h"
#include "analyze/scan.h"
#include "base/map.h"
#include "base/vec.h"

#define BLOCK_WHO_COLUMNS 6

struct block_who {
    /* A column as the rules make it: codes into its own dictionary, code 0 = empty. */
    struct block_who_column {
        struct map values;
        VEC(struct str) dict;
        VEC(uint32_t) codes;
    } columns[BLOCK_WHO_COLUMNS];
    struct composite seen; /* combinations of what the rules read */
};

/* Whom to ask; NULL = attribution_apply. */
struct block_who_rules {
    const struct attribution *attribution;
    void (*apply)(void *ctx, const struct attribution_input *in, struct exchange_who *ret);
    void *ctx;
};

/* app ... purpose: what is made. */
extern const enum ledger_column block_who_columns[BLOCK_WHO_COLUMNS];
bool block_who_makes(enum ledger_column c);
/* Adds what is read: what some rule may look at, and the recorded columns. */
void block_who_add_columns(struct scan_columns *ret);
/* Adds what these rules look at, beside the recorded columns. */
void block_who_add_inputs(const struct attribution *a, struct scan_columns *ret);
/* Replaces the columns of the block; they are valid until the next call. */
void block_who_apply(struct block_who *w, const struct block_who_rules *rules, struct block *b);
void block_who_release(struct block_who *w);

#endif

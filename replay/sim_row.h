/* sim_row - a row of a ledger as a call. */
#ifndef REPLAY_SIM_ROW_H
#define REPLAY_SIM_ROW_H

#include "replay/sim_arrival.h"
#include "replay/sim_block.h"

enum sim_row_kind {
    SIM_ROW_CALL,
    SIM_ROW_PART,  /* another model's share of a call that has a row already */
    SIM_ROW_SUM,   /* of several calls: nobody knows when they came */
    SIM_ROW_OTHER, /* lists of models, files, token counting */
};

/* A row group with what the texts of its dictionaries mean, by their codes. */
struct sim_rows {
    struct sim_block block;
    VEC(uint8_t) is_other; /* of an API: no call to a model */
    VEC(uint8_t) error;    /* of an error class: enum error_class */
    VEC(uint32_t) user;    /* of an end user: a hash, not 0 */
};

void sim_rows_release(struct sim_rows *r);
DEFINE_CLEANUP_VALUE(struct sim_rows, sim_rows_release)
/* Of the ledger that block has open. */
int sim_rows_load(struct sim_rows *r, size_t group, struct err *err);

enum sim_row_kind sim_row_kind(const struct sim_rows *r, size_t row);
static inline int64_t sim_row_time(const struct sim_rows *r, size_t row)
{
    return sim_block_int(&r->block, LEDGER_STARTED_AT, row);
}
/* Where the answer came from; the provider's name where the row has no upstream. */
struct str sim_row_upstream(const struct sim_block *b, size_t row);
/* The model asked for, else the one that answered. */
struct str sim_row_model(const struct sim_block *b, size_t row);
/* All but the class. */
void sim_row_read(const struct sim_rows *r, size_t row, struct sim_arrival *ret);

/* Classes by the codes of a row group's dictionaries: no text is looked at twice.  Zero-initialised
 * is ready. */
struct sim_row_classes {
    struct sim_row_entry *entries; /* open addressing */
    size_t len, cap;
};
void sim_row_classes_clear(struct sim_row_classes *c); /* before another group */
void sim_row_classes_release(struct sim_row_classes *c);
int sim_row_class(struct sim_row_classes *c, const struct sim_block *b, size_t row,
                  struct sim_classes *classes, uint32_t *ret, struct err *err);

#endif

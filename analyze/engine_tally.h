/* engine_tally - what has been counted so far: an engine_result that grows and merges, for
 * analyze/engine*.c alone. */
#ifndef ANALYZE_ENGINE_TALLY_H
#define ANALYZE_ENGINE_TALLY_H

#include "analyze/engine.h"

void tally_init(struct engine_result *t, const struct engine_query *q,
                struct dimension *const *dimensions);
/* The index of the row of these codes, made if new. */
int tally_group(struct engine_result *t, const uint32_t *codes, size_t *ret, struct err *err);
/* sums gives requests and tokens. */
void tally_unpriced(struct engine_result *t, struct str provider, struct str model,
                    bool unit_missing, const struct engine_sums *sums);
/* Adds to the same of the group, or as one more. */
void tally_charge(struct engine_detail *d, const struct engine_charge *c);
/* Its texts are copied. */
void tally_suspicious(struct engine_result *t, const struct engine_suspicious *s);
/* Adds what another thread counted, by the values of its dimensions. */
int tally_merge(struct engine_result *to, const struct engine_result *from, struct err *err);
/* Sorts everything and makes the totals. */
void tally_finish(struct engine_result *t);

#endif

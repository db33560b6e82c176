/* repeats - answers that were fetched more than once, and are billed once.
 *
 * OpenAI answers a background request with a ticket; whoever asks for it by its id gets the answer,
 * with its usage, as often as he asks (GET /v1/responses/ID; runs of assistants likewise), and a
 * stream that was cut can be taken up again that way.  Results of a batch are a file that can be
 * read twice.  A fetch is known by its path, which ends in the answer's id; a batch by its path
 * alone.  Of all rows that carry the usage of one answer, the request that made it counts if it
 * reported the usage, else the first fetch.
 *
 * Memory grows with the number of answers fetched, not with rows.
 */
#ifndef ANALYZE_REPEATS_H
#define ANALYZE_REPEATS_H

#include "analyze/scan.h"
#include "base/map.h"
#include "base/timestamp.h"

/* How long before the period the request that made an answer is looked for: OpenAI keeps responses
 * for 30 days ("Data controls", 2026-08). */
#define REPEATS_LOOK_BACK_US (31 * US_PER_DAY)

struct repeats {
    struct map answers; /* provider and id of fetched answers; value: enum in repeats.c */
    bool last;          /* what was said of the last row with part 0: its other parts follow it */
};

/* Looks through the ledgers of [from_us - REPEATS_LOOK_BACK_US, to_us) for fetches and what made
 * them. */
int repeats_find(const struct archive *a, int64_t from_us, int64_t to_us, struct repeats *ret,
                 struct err *err);
void repeats_release(struct repeats *r);
DEFINE_CLEANUP_VALUE(struct repeats, repeats_release)
/* The columns repeats_is_one reads. */
void repeats_columns(struct scan_columns *ret);
/* Whether the row's usage has been counted with another row.  Call once per billable row, in scan
 * order; a first fetch that counts is remembered. */
bool repeats_is_one(struct repeats *r, const struct block *b, size_t row);

#endif

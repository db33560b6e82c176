/* repeats - answers that were fetched more than once, and are billed once.
 *
 * OpenAI answers a background request with a ticket; whoever asks for it by its id gets the answer,
 * with its usage, as often as he asks (GET /v1/responses/ID; runs of assistants likewise), and a
 * stream that was cut can be taken up again that way.  Results of a batch are a file that can be
 * read twice.  A fetch is known by its path, whose last segment is the answer's id (ids hold a
 * digit, names of calls do not); a batch by its path alone.  Of all rows that carry the usage of
 * one answer, the request that made it counts if it reported the usage, else the first fetch.
 *
 * Memory grows with the number of answers fetched, not with rows.
 */
#ifndef ANALYZE_REPEATS_H
#define ANALYZE_REPEATS_H

#include "analyze/scan.h"
#include "base/map.h"
#include "base/timestamp.h"
#include "base/vec.h"

/* How long before the period the request that made an answer is looked for: OpenAI keeps responses
 * for 30 days ("Data controls", 2026-08). */
#define REPEATS_LOOK_BACK_US (31 * US_PER_DAY)

/* A row whose usage has been counted with another one. */
struct repeats_row {
    uint64_t place; /* ledger * 2^32 + row group, as scan_place */
    uint32_t row;
};

struct repeats {
    struct map answers;           /* provider and id of fetched answers; value: enum in repeats.c */
    VEC(struct repeats_row) rows; /* ascending */
};

/* The rows of [from_us, to_us) to leave out, of billable ones; which of several fetches counts is
 * the first in the order of ledgers, whatever filter a report has.  earlier are the ledgers of
 * REPEATS_LOOK_BACK_US before, or NULL. */
int repeats_find(const struct ledgers *ledgers, const struct ledgers *earlier, int64_t from_us,
                 int64_t to_us, struct repeats *ret, struct err *err);
/* Its steps, for rows that come from elsewhere: first every row of the days asked for, then those
 * of REPEATS_LOOK_BACK_US before, too, then those asked for in order, with what repeats_of is asked
 * by in ledger and group.  Rows that have nothing to do with a fetch may be missing. */
void repeats_columns(struct scan_columns *ret);
void repeats_note_fetches(struct repeats *r, const struct block *b);
void repeats_note_makers(struct repeats *r, const struct block *b);
void repeats_note_rows(struct repeats *r, const struct block *b, int64_t from_us, int64_t to_us);
void repeats_release(struct repeats *r);
DEFINE_CLEANUP_VALUE(struct repeats, repeats_release)
/* Those of one row group, NULL if there are none. */
const struct repeats_row *repeats_of(const struct repeats *r, uint64_t place, size_t *ret_count);

/* Whether a block may hold a fetch at all, by the distinct values of path and api: mostly not, and
 * then nothing else of this file is needed. */
void repeats_hint_columns(struct scan_columns *ret);
bool repeats_may_be_in(const struct block *b);

#endif

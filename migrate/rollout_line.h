/* rollout_line - one line of a rollout's ledger: weir-rollout(5).
 *
 * A line has one spelling: members in one order, none that is empty, numbers without superfluous
 * digits, characters escaped only where JSON demands it.  What is spelled otherwise was not written
 * by weir and is refused, so that reading and writing a line again gives the same bytes.
 */
#ifndef MIGRATE_ROLLOUT_LINE_H
#define MIGRATE_ROLLOUT_LINE_H

#include "migrate/rollout.h"

struct rollout_line {
    struct rollout_entry entry;
    struct str prev; /* the hash of the line before */
};

extern const char rollout_no_hash[ROLLOUT_SHA_BYTES]; /* what the first line follows: zeros */

/* Appends the line without its newline; entry.hash does not matter.  What it is not fit for
 * (a name too long, a share out of range) rollout_line_parse finds. */
void rollout_line_format(const struct rollout_line *l, struct buf *out);
/* Strings point into text, or into arena.  The error is what comes after "entry 12: ". */
int rollout_line_parse(struct str text, struct arena *arena, struct rollout_line *ret,
                       struct err *err);
/* Appends a text for people as `detail` takes it: one line, no control characters, of a length that
 * fits. */
void rollout_line_add_detail(struct str text, struct buf *out);

/* Exactly 64 hex digits in lower case. */
bool rollout_is_sha(struct str s);

#endif

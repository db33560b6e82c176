/* scrub_chunks - where chunks end in a body that changes (private to capture/scrub).
 *
 * A border keeps its place among the bytes that stay.  Within what is replaced it moves behind the
 * replacement, so a mark belongs to the chunk in which the match began.
 */
#ifndef CAPTURE_SCRUB_CHUNKS_H
#define CAPTURE_SCRUB_CHUNKS_H

#include "capture/scrub.h"

/* Walks the borders of b's chunks as the changed body is written. */
struct scrub_borders {
    struct exchange_chunk *chunks;
    size_t count, next;
    uint64_t was;           /* the next border, in the body as it was */
    uint64_t last, written; /* where the last pass ended: in the body as it was, and now */
    uint64_t before;        /* the border before the next one, in what is written */
};

struct scrub_borders scrub_borders_of(const struct scrub_body *b);
/* What was the body up to `was` is now what is written up to `now`; the bytes since the last call
 * stayed as long as they were wherever both have some. */
void scrub_borders_pass(struct scrub_borders *s, uint64_t was, uint64_t now);
/* The body is over. */
void scrub_borders_end(struct scrub_borders *s, uint64_t now);

#endif

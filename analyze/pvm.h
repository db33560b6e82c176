/* pvm - why a cost changed: price, volume and mix, taken apart so that the parts add up exactly.
 *
 *     volume  all segments at the old shares and the old rates, at the new total quantity
 *     mix     the shares of the segments changed; one that fell away counts here
 *     rate    the cost of a token of the segment changed
 *     new     segments that were not there before
 *     other   segments that cost something without tokens, on either side
 *
 * Of a segment with q0, q1 tokens that cost c0, c1, of Q0, Q1 in all: volume = c0 Q1/Q0 - c0,
 * mix = c0 q1/q0 - c0 Q1/Q0, rate = c1 - c0 q1/q0.  The two quotients are rounded once, to 1e-12
 * USD, and used on both sides, so nothing is lost: the parts of each segment add up to c1 - c0.
 */
#ifndef ANALYZE_PVM_H
#define ANALYZE_PVM_H

#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"

struct pvm_parts {
    i128 volume_pusd, mix_pusd, rate_pusd, new_pusd, other_pusd;
    i128 lost_pusd; /* within mix: of segments without tokens now */
};

struct pvm_segment {
    int64_t q0, q1; /* tokens, not negative */
    i128 c0, c1;    /* 1e-12 USD */
    struct pvm_parts parts;
};

/* Fills the parts of each segment and their sums. */
void pvm_run(struct pvm_segment *segments, size_t count, struct pvm_parts *ret);
/* Without lost, which is within mix. */
i128 pvm_sum(const struct pvm_parts *p);

/* A rate no price list changes to: beyond 100 times the old one or below a hundredth of it, or
 * above 1 USD per thousand tokens.  Less than 1e-4 USD on the dearer side is left alone. */
enum pvm_doubt {
    PVM_PLAUSIBLE,
    PVM_TOO_DEAR,
    PVM_RATE_ROSE,
    PVM_RATE_FELL,
};
enum pvm_doubt pvm_doubt(const struct pvm_segment *s);

#endif

/* fault_limiter - a provider's own limits: requests and tokens in a time, as a fault of the kind
 * `quota` states them.
 *
 * Buckets that start full, hold what the limit allows in its time and fill evenly.  Where failed
 * requests count (OpenAI, Gemini), what is refused is taken out as well, until a bucket lacks as
 * much as it holds: who goes on at full speed is refused for good, and back within twice the time
 * after that.  Pure: time is passed in and must not run backwards by more than it is ignored.
 */
#ifndef REPLAY_FAULT_LIMITER_H
#define REPLAY_FAULT_LIMITER_H

#include "replay/fault.h"

/* Of one quota.  Zero-initialised is full. */
struct fault_limiter {
    int64_t at_us;
    int64_t requests_used, tokens_used; /* in millionths */
};

/* One attempt that asks for so many tokens; false = refused, with when to come back.
 * refused_anyway: another fault has refused it already; it is only counted, if failures are. */
bool fault_limiter_take(struct fault_limiter *l, const struct fault *quota, int64_t at_us,
                        int64_t tokens, bool refused_anyway);
/* What is left at that time, and when all of it is back; wait_us (may be NULL): until an attempt
 * of so many tokens would not be refused. */
void fault_limiter_tell(const struct fault_limiter *l, const struct fault *quota, int64_t at_us,
                        int64_t tokens, struct fault_limit *ret, int64_t *ret_wait_us);

#endif

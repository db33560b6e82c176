/* sim_ending - what the policy makes of a fault: policy/failure over the very bytes that the fault
 * is on the wire, read once for each fault and provider, not once for each call.
 */
#ifndef REPLAY_SIM_ENDING_H
#define REPLAY_SIM_ENDING_H

#include "base/vec.h"
#include "policy/steer.h"
#include "replay/fault.h"

struct sim_ending {
    struct fault fault;
    enum fault_dialect dialect;
    enum api api;
    struct steer_end end;
};

/* Zero-initialised is ready. */
struct sim_endings {
    VEC(struct sim_ending *) list;
};

void sim_endings_release(struct sim_endings *e);
DEFINE_CLEANUP_VALUE(struct sim_endings, sim_endings_release)
/* Of a refusal, or of an error event before the first piece.  Valid as long as e. */
const struct steer_end *sim_ending_of(struct sim_endings *e, const struct fault *f,
                                      enum fault_dialect dialect, enum api api);

#endif

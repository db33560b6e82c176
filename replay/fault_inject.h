/* fault_inject - what becomes of an answer when faults strike it: another answer, ready to be
 * played.  Pure: the same answer, faults and setting give the same bytes at the same times. */
#ifndef REPLAY_FAULT_INJECT_H
#define REPLAY_FAULT_INJECT_H

#include "replay/answer.h"
#include "replay/fault.h"

struct fault_setting {
    struct fault_saying saying; /* with a limit: the answer's headers tell of it */
    bool is_stream;             /* asked for */
    unsigned speed; /* of what was recorded (replay/play); what faults say is not scaled */
    uint64_t seed;  /* where an answer is cut up */
};

/* A reference; a itself if nothing changes.  Of an answer that is no 2xx, what is in its body is
 * not touched.  A quota among the faults is one that refuses. */
struct answer *fault_inject(struct answer *a, const struct fault *faults, size_t count,
                            const struct fault_setting *setting);

#endif

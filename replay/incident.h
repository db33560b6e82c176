/* incident - how long a gateway takes to lead calls away from a target that faults strike, until
 * calls go well again, and back: the same reckoning for what is simulated (replay/sim_result) and
 * for what happens live (replay/trouble sees attempts, replay/drill sees calls).
 *
 * An incident is what strikes one target, an upstream and the model it is asked for, within one
 * stretch of the scenario between two edges of what is about that target.  Its moments:
 *
 *     failover   first fault  ->  the answer begins of the first call that met the incident, or was
 *                                 led around it, and is answered by another target
 *     restored   first fault  ->  the last call was over after which more than 1 of the last 100
 *                                 calls, in the order they were over, had failed; never, if one
 *                                 of the very last calls did, too
 *     recovery   its stretch ends  ->  the answer begins of the first attempt made there since;
 *                                 not asked where other faults begin there as it ends
 *
 * Live, only the gateway knows which calls it led around: any attempt counts that is a call's
 * first, after the first fault, if the target has itself been the first choice of a call.  And live
 * an answer begins when it leaves the stand-in.
 *
 * Times are µs on a clock of the caller's.
 */
#ifndef REPLAY_INCIDENT_H
#define REPLAY_INCIDENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "base/vec.h"

#define INCIDENTS_MAX          2000
#define INCIDENT_WINDOW_CALLS  100 /* of which so many at most may fail: 99 % success */
#define INCIDENT_WINDOW_FAILED 1
#define INCIDENT_LAST_CALLS    10 /* of all: one that failed means that it goes on */

struct incident {
    uint32_t target;           /* as its owner numbers them */
    uint32_t before;           /* the target's one before it, plus one; 0 = none */
    int64_t from_us, until_us; /* of the stretch; until may be INT64_MAX */
    bool goes_on;              /* other faults begin there at its end */
    int64_t first_us;          /* fault */
    uint64_t struck;
    int64_t failover_us;  /* when that was; -1 = never */
    int64_t last_bad_us;  /* when the last 100 calls were last too bad; -1 = never */
    int64_t recovered_us; /* when that was; -1 = never */
};

/* Zero-initialised is ready. */
struct incidents {
    VEC(struct incident) list;
    uint64_t dropped;    /* beyond INCIDENTS_MAX */
    uint32_t first_open; /* from which on they may go on */
    uint32_t failed;     /* of the last INCIDENT_WINDOW_CALLS calls */
    u128 window;         /* those, and some before them: 1 = failed */
};

void incidents_release(struct incidents *in);
DEFINE_CLEANUP_VALUE(struct incidents, incidents_release)

/* A fault strikes.  last is the target's: the number of its last incident plus one, 0 = none.
 * Returns whether it is of that incident, and counts it; if not, another one begins. */
bool incidents_struck_again(struct incidents *in, uint32_t last, int64_t now_us);
/* Of the stretch it has from_us, until_us and goes_on alone.  Returns the number plus one, 0 =
 * there are too many. */
uint32_t incidents_begin(struct incidents *in, uint32_t target, uint32_t *last, int64_t now_us,
                         const struct incident *stretch);
/* One more, as it is: for who has them from elsewhere, in the order of their first faults. */
uint32_t incidents_add(struct incidents *in, const struct incident *one);

/* An attempt that was answered well. */
struct incident_answer {
    uint32_t target, last; /* the target's last incident plus one */
    /* The incidents plus one that the call met, or was led around, the first and the last; 0 =
     * none. Both are the same if there was one. */
    uint32_t met[2];
    int64_t attempt_us;  /* when it began */
    int64_t answered_us; /* when its answer began */
};
void incidents_answered(struct incidents *in, const struct incident_answer *a);

/* A call is over, in that order. */
void incidents_call_over(struct incidents *in, bool failed, int64_t now_us);

enum incident_span {
    INCIDENT_FAILOVER,
    INCIDENT_RESTORED,
    INCIDENT_RECOVERY, /* none while faults last there */
};
/* How long it took; -1 = it never came.  False: there is none. */
bool incident_span(const struct incidents *in, size_t number, enum incident_span span,
                   int64_t last_us, int64_t *ret);
/* The longest of all of them; last_us is when the last call was over. */
bool incidents_longest(const struct incidents *in, enum incident_span span, int64_t last_us,
                       int64_t *ret);

#endif

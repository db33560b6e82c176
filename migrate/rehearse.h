/* rehearse - how long a rollback takes, measured where it will happen.
 *
 * On the actuator itself: an application that nobody is, `weir-rehearsal`, goes to the gateway with
 * all of its calls and back again, each way seen to run.  The shares of all others stay what they
 * are.
 */
#ifndef MIGRATE_REHEARSE_H
#define MIGRATE_REHEARSE_H

#include "migrate/step.h"

#define REHEARSE_APP        "weir-rehearsal"
#define REHEARSE_ROUNDS_MAX 1000

struct rehearsal {
    enum step_result result; /* STEP_DONE = all rounds were made */
    unsigned rounds;
    int64_t p50_us, p99_us, slowest_us; /* of both ways, by nearest rank */
};

/* For apps of one actuator (the first one's direct, gateway and key are the dummy's): a line
 * REHEARSED for each, with the 99th percentile.  ret_why: a sentence unless STEP_DONE. */
int rehearse_run(const struct step_context *c, const struct programme_app *const *apps,
                 size_t count, unsigned rounds, struct rehearsal *ret, struct buf *ret_why,
                 struct err *err);

#endif

/* drive_plan - when each request is made: as it was recorded, and as often as a scenario raises the
 * load then, by the same chance as in the simulator.
 */
#ifndef REPLAY_DRIVE_PLAN_H
#define REPLAY_DRIVE_PLAN_H

#include "base/vec.h"
#include "replay/scenario.h"
#include "replay/trace.h"

#define DRIVE_PLAN_MAX 16000000 /* requests; 16 bytes for each, if the load is raised */

struct drive_moment {
    uint64_t since_us; /* the drive began */
    uint32_t request;  /* of the trace */
};

struct drive_plan {
    const struct trace *trace;
    unsigned speed;                  /* see replay/play */
    VEC(struct drive_moment) raised; /* none: each request of the trace once */
    bool is_raised;
};

/* load: a scenario whose load is made, from the first request on, or NULL.  ERR_USAGE if that
 * leaves no request, or there is no schedule to raise. */
int drive_plan_make(const struct trace *t, unsigned speed, const struct scenario *load,
                    uint64_t seed, struct drive_plan *ret, struct err *err);
void drive_plan_release(struct drive_plan *p);
size_t drive_plan_len(const struct drive_plan *p);
void drive_plan_at(const struct drive_plan *p, size_t index, struct drive_moment *ret);

#endif

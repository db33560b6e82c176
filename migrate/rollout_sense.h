/* rollout_sense - whether entries make sense one after the other: a chain may be whole and still be
 * nobody's history.
 *
 * Per actuator at most one step is open; it goes INTENT, APPLIED, VERIFIED, COMMITTED, of which
 * APPLIED and VERIFIED may be repeated (whoever finishes a step after a crash does so), and ABORTED
 * ends it anywhere.  A step moves each application once, from the share that is committed: upwards
 * if it is an advance, never upwards if it is a rollback, not at all if it is a rehearsal, which is
 * never committed.  Epochs only grow.  ACCEPTED ends the open step of its actuator and sets shares.
 */
#ifndef MIGRATE_ROLLOUT_SENSE_H
#define MIGRATE_ROLLOUT_SENSE_H

#include "base/map.h"
#include "base/vec.h"
#include "migrate/rollout.h"

struct rollout_open_step {
    const struct rollout_entry *intent;
    bool is_applied, is_verified;
};

/* Zero-initialised is the beginning. */
struct rollout_sense {
    struct map shares; /* committed, of each application that was ever moved */
    VEC(struct rollout_open_step) open;
    uint64_t epoch; /* the highest so far */
    /* To find an application that one step names twice: the turn in which it was named last. */
    struct map named;
    uint64_t turn;
};

/* Takes an entry, which must live as long as s; ERR_CORRUPT, and s as before, if it makes no sense:
 * the text is what comes after "entry 12: ". */
int rollout_sense_take(struct rollout_sense *s, const struct rollout_entry *e, struct err *err);
void rollout_sense_release(struct rollout_sense *s);

#endif

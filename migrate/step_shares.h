/* step_shares - the shares that an actuator has live, and those that it is to have after a step.
 *
 * A step changes the applications that it moves, and no other: whatever the plan says of them by
 * now, those with calls on the gateway keep what is live.  A plan's new key or gateway counts from
 * an application's next step upwards on.
 */
#ifndef MIGRATE_STEP_SHARES_H
#define MIGRATE_STEP_SHARES_H

#include "migrate/step.h"

struct step_shares {
    struct actuator_share *list; /* sorted by app */
    size_t len;
    uint64_t epoch; /* of what is live */
};

/* Of live bytes, which somebody else's need not be; none if there are no bytes.  Strings in arena.
 */
int step_shares_read(const struct actuator *a, const struct actuator_live *live,
                     struct arena *arena, struct step_shares *ret, struct err *err);
/* NULL = none. */
const struct actuator_share *step_shares_find(const struct step_shares *s, struct str app);
/* After the step.  ERR_USAGE: a move that is none. */
int step_shares_after(const struct portfolio *p, const struct step_wanted *w,
                      const struct actuator_live *live, struct arena *arena,
                      struct step_shares *ret, struct err *err);

#endif

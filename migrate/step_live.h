/* step_live - what is live of an actuator, held against the rollout's ledger.
 */
#ifndef MIGRATE_STEP_LIVE_H
#define MIGRATE_STEP_LIVE_H

#include "migrate/step.h"

/* Of the bytes of an actuator's file: the marker that render wrote into them; "" if they are not
 * there or not ours. */
void step_marker(const struct actuator *a, struct str bytes,
                 char ret[static ACTUATOR_MARKER_BYTES]);
/* Whether these are the live bytes; an empty sha stands for no file. */
bool step_is_live(const struct actuator_live *live, struct str sha);
/* 1 live is what the ledger says; 0 it is not, and ret_why says how. */
int step_look(const struct step_context *c, const struct portfolio *p, const struct actuator *a,
              const struct actuator_live *live, struct buf *ret_why);
/* DRIFTED, unless that is the latest that is known of the actuator already. */
int step_note_drift(const struct step_context *c, const struct actuator *a,
                    const struct actuator_live *live, struct str why, struct err *err);

#endif

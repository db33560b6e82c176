/* sim_set - one number of a plan changed wherever it stands, to see what difference it makes.
 */
#ifndef REPLAY_SIM_SET_H
#define REPLAY_SIM_SET_H

#include "policy/plan.h"

/* "breaker.failures", "timeouts.first_token", ... */
struct sim_set_key;
/* NULL if there is none of that name. */
const struct sim_set_key *sim_set_find(struct str name);
/* All names, for messages: "breaker.failures, ..." */
const char *sim_set_names(void);
/* Sets it in every route; text is a number, a duration or a factor, as the key wants it.  ERR_USAGE
 * if it is not, or if no route has it. */
int sim_set(struct plan *p, const struct sim_set_key *key, struct str text, struct err *err);

#endif

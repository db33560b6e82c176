/* sim_quota - what providers let through before they say 429: as stated, and as a scenario says
 * (replay/fault_limiter).
 */
#ifndef REPLAY_SIM_QUOTA_H
#define REPLAY_SIM_QUOTA_H

#include "base/map.h"
#include "replay/fault_limiter.h"

#define SIM_QUOTAS_MAX 1000

/* Of the targets that match two shell patterns, each by itself. */
struct sim_quota {
    struct str upstream, model;
    struct fault fault;
};

/* "UPSTREAM[/MODEL]=rpm:600,tpm:1000000"; strings are borrowed from text. */
int sim_quota_parse(const char *text, struct sim_quota *ret, struct err *err);

/* How full the buckets are, by target and quota.  Zero-initialised is ready. */
struct sim_quotas {
    struct map levels;
};

void sim_quotas_release(struct sim_quotas *q);

/* What is asked of a target. */
struct sim_quota_ask {
    uint32_t target;
    int64_t now_us, tokens;
    const struct sim_quota *stated; /* NULL = none */
    const struct fault *faults;     /* those that are quotas count */
    size_t fault_count;
    bool refused_anyway; /* by another fault */
};
/* Takes it; or the quota that refuses it, and when to come back. */
const struct fault *sim_quotas_take(struct sim_quotas *q, const struct sim_quota_ask *ask,
                                    int64_t *ret_wait_us);

#endif

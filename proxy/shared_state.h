/* shared_state - what all workers know together: the policy's state and what is counted of it, in
 * one region of memory that the parent maps before it forks.
 *
 * One lock for all of it, held for the length of a call into policy/ (around a microsecond).  It is
 * robust: a process that dies with it leaves what it was writing half done, which is one call's
 * worth of one slot, and the next to come goes on from there (shared_state_recoveries counts).
 * What a dead worker held of limits and budgets is given back by the parent
 * (policy_forget_holder).
 */
#ifndef PROXY_SHARED_STATE_H
#define PROXY_SHARED_STATE_H

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "policy/state.h"

/* Different (kind, labels) that are counted apart; what comes later is counted as "other". */
#define SHARED_COUNTERS_MAX      1024
#define SHARED_COUNTER_BYTES_MAX 184 /* of labels; longer names are cut */

enum shared_counter_kind {
    SHARED_DECISIONS, /* labels: rule, outcome, mode */
    SHARED_ATTEMPTS,  /* labels: upstream, why, outcome */
    SHARED_COUNTER_KINDS,
};
#define SHARED_LABELS 3

struct shared_counter {
    uint64_t key; /* 0 = free */
    uint64_t n;
    uint32_t kind;
    char labels[SHARED_COUNTER_BYTES_MAX]; /* rule="x",outcome="y",mode="z" */
};

struct shared_state;

int shared_state_open(struct shared_state **ret, struct err *err);
/* Of this process; the others keep theirs. */
void shared_state_close(struct shared_state *s);
DEFINE_CLEANUP(struct shared_state, shared_state_close)

/* The policy's state, until unlock. */
struct policy_state *shared_state_lock(struct shared_state *s);
void shared_state_unlock(struct shared_state *s);
/* The counter with these values of the kind's labels, which stays where it is; only while locked.
 */
uint32_t shared_state_counter(struct shared_state *s, enum shared_counter_kind kind,
                              const struct str values[static SHARED_LABELS]);
/* Adds one to it; only while locked. */
void shared_state_count(struct shared_state *s, uint32_t counter);
/* How often a process died with the lock, or wrote over it; only while locked. */
uint64_t shared_state_recoveries(const struct shared_state *s);
/* Copies what was counted; returns how many.  Locks. */
size_t shared_state_counters(struct shared_state *s,
                             struct shared_counter ret[static SHARED_COUNTERS_MAX]);

#endif

/* sim_result - what came of simulated calls: counted, never kept, so that a month takes no more
 * memory than a minute.
 *
 * Durations are kept as sketches (within SKETCH_ERROR), money as integers of 1e-12 USD: equal runs
 * give equal results.
 */
#ifndef REPLAY_SIM_RESULT_H
#define REPLAY_SIM_RESULT_H

#include "base/arena.h"
#include "base/decimal.h"
#include "base/sketch.h"
#include "base/str.h"
#include "base/vec.h"
#include "policy/policy.h"
#include "replay/incident.h"
#include "replay/sim_speed.h"

#define SIM_BUCKETS_MAX  400 /* of the timeline */
#define SIM_BUCKET_SHOWN 6   /* targets that it tells apart */

/* What a caller's user gets in the end.  The first PLAN_FAILURES are those failures. */
enum sim_outcome {
    SIM_UNAVAILABLE = PLAN_FAILURES, /* no target was in use */
    SIM_LEFT,                        /* the caller's own time was over */
    SIM_DENIED,
    SIM_LIMITED,
    SIM_CONCURRENCY,
    SIM_BUDGET,
    SIM_BAD_ANSWER, /* 200, and of no use */
    SIM_ANSWERED,
    SIM_OUTCOMES,
};
extern const char *const sim_outcome_names[SIM_OUTCOMES];

struct sim_app {
    struct str name;
    uint64_t calls, outcome[SIM_OUTCOMES];
    uint64_t tries;                    /* of callers, the first one included */
    uint64_t attempts;                 /* at targets */
    uint64_t rerouted;                 /* answered by another target than the first choice */
    uint64_t unpriced;                 /* answered, and the book or the tokens say no cost */
    struct sketch added, first, total; /* µs, of answered calls, from when the user asked */
    i128 low_pusd, high_pusd; /* what was answered; and failed attempts that may be billed */
};

struct sim_target {
    struct str upstream, model;
    const struct sim_speed *speed;
    uint64_t attempts, answered, failed[PLAN_FAILURES], struck, over_quota, abandoned;
    uint32_t in_flight, most_in_flight;
    int64_t second; /* the one being counted */
    uint32_t in_second, most_in_second;
    struct sketch first, total; /* µs, of attempts that went well */
    i128 low_pusd, high_pusd;
    uint32_t incident_plus_one; /* that is on, or was the last one */
    uint32_t shown_plus_one;    /* its place in buckets */
};

struct sim_bucket {
    uint64_t calls, answered, attempts, rerouted;
    uint64_t of_target[SIM_BUCKET_SHOWN];
    struct sketch first;
};

/* What a rule said, by its mode and outcome. */
struct sim_rule_count {
    uint64_t n[PLAN_MODE_ENFORCE + 1][POLICY_OUTCOMES];
};

struct sim_result {
    struct arena arena;
    VEC(struct sim_app) apps;
    VEC(struct sim_target) targets; /* those of the policy, then what calls asked for themselves */
    VEC(struct sim_bucket) buckets;
    struct incidents incidents;
    VEC(struct sim_rule_count) rules;
    struct sim_app all; /* of sim_result_finish */
    int64_t start_us, bucket_us;
    uint64_t notes_dropped;
    uint64_t late; /* calls out of order */
    uint64_t spike_added, spike_left_out;
    uint32_t shown;  /* targets in buckets */
    int64_t last_us; /* when the last call was over */
};

void sim_result_init(struct sim_result *r, int64_t start_us, int64_t end_us);
void sim_result_release(struct sim_result *r);
DEFINE_CLEANUP_VALUE(struct sim_result, sim_result_release)

uint32_t sim_result_app(struct sim_result *r, struct str name);
uint32_t sim_result_target(struct sim_result *r, struct str upstream, struct str model);

/* A call that is over. */
struct sim_done {
    uint32_t app;
    enum sim_outcome outcome;
    uint32_t tries, attempts;
    bool rerouted, unpriced;
    uint32_t target;          /* that answered */
    uint32_t met[2];          /* incidents plus one that struck it or led it away */
    int64_t asked_us;         /* Unix time */
    int64_t attempt_us;       /* the one that answered began */
    int64_t first_us, now_us; /* first token; the end */
    int64_t low_pusd, high_pusd;
};
void sim_result_done(struct sim_result *r, const struct sim_done *d);

void sim_result_attempt(struct sim_result *r, uint32_t target, int64_t now_us);
/* A fault strikes; returns whether it is of the target's last incident. */
bool sim_result_struck(struct sim_result *r, uint32_t target, int64_t now_us);
void sim_result_note(struct sim_result *r, const struct policy_decisions *notes);
/* Adds up, after the last call. */
void sim_result_finish(struct sim_result *r);

#endif

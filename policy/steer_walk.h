/* steer_walk - through a route's tree: which target is next, and after how long a wait.
 *
 * A walk is the path from the root to where it is: a frame for each node entered.  Only steer uses
 * it; what a call does to the health of targets is steer's.
 */
#ifndef POLICY_STEER_WALK_H
#define POLICY_STEER_WALK_H

#include "policy/health.h"
#include "policy/steer.h"

enum walk_phase { WALK_ATTEMPT, WALK_WAIT, WALK_LAST_WAIT, WALK_OVER };

#define WALK_FRAMES (PLAN_DEPTH_MAX + 1)

/* A node that has been entered. */
struct walk_frame {
    uint32_t entered_low; /* µs since the call began, 48 bits */
    uint16_t entered_high;
    uint16_t repetition;
    uint16_t item, first; /* FALLBACK: the one being tried; the one drawn first */
    uint32_t waited_us;   /* of what answers asked for */
    uint64_t done;        /* FALLBACK: items that do not come again in this round */
};

/* What is in a struct steer. */
struct walk {
    uint32_t route, asked, target, would_be, unit, slot;
    uint32_t root, node, attempts;
    uint16_t status;
    uint8_t failure, phase, mode;
    int8_t should_retry; /* 1, -1; 0 = not said */
    bool is_stream, may_repeat, longest_waits;
    bool is_probe, told;
    bool skipped, shifted; /* something was passed over since the last attempt */
    bool all_out;
    int64_t attempt_at_us; /* up to here it is looked at again when an attempt has ended well */
    uint64_t sticky, seed;
    int64_t began_us, deadline_us, retry_after_us;
    struct walk_frame frames[WALK_FRAMES];
} __attribute__((may_alias));

static_assert(sizeof(struct walk) <= sizeof(struct steer), "a walk fits what callers hold");

typedef void (*walk_passed_fn)(void *ctx, enum policy_outcome outcome, uint32_t target,
                               int64_t until_us);

/* One call of steer's. */
struct go {
    struct walk *w;
    const struct tree *all;
    struct tree_arrays tree;
    struct policy_state *state;
    int64_t now_us;
    struct policy_decisions *notes;
    struct steer_step *ret;
    walk_passed_fn passed; /* is told, with the go, of targets that are passed over */
    bool is_dry;           /* only to see what would be done */
    uint32_t unit;         /* whose health was looked for last, and where it is */
    struct health *health;
    uint32_t seen_unit; /* looked at last in this walk, and how it is; POLICY_NONE = none */
    struct health_seen seen;
    struct health scratch; /* of a target for which the state has no room */
};

enum walk_what { WALK_MOVE_ATTEMPT, WALK_MOVE_WAIT, WALK_MOVE_END };

struct walk_move {
    enum walk_what what;
    const struct tree_node *node; /* of an ATTEMPT */
    struct health_seen seen;
    int64_t until_us; /* of a WAIT */
    bool is_last;     /* nothing follows it */
};

static inline const struct tree_node *walk_node(const struct go *g, uint32_t node)
{
    return &g->tree.nodes[node];
}
static inline const struct tree_unit *walk_unit(const struct go *g, uint32_t unit)
{
    return &g->tree.units[unit];
}

/* From the root; after the attempt failed as w->failure and w->status say; after the wait. */
void walk_enter(struct go *g, struct walk_move *ret);
void walk_failed(struct go *g, struct walk_move *ret);
void walk_waited(struct go *g, struct walk_move *ret);

/* The timers of an attempt that begins now: its own, what spans leave, and the deadline. */
void walk_timers(const struct go *g, const struct tree_node *n, int64_t ret[PLAN_TIMERS]);
struct health *walk_health(struct go *g, uint32_t unit);

#endif

/* tree - the routes of a plan compiled to flat arrays: nodes by number, targets by number, and what
 * is remembered of each target.
 *
 * Children of a node have numbers in a row, so that an item is first + i.  What a node's items are
 * dealt by is here as well: for each call an item gets a score from the call's key, its own name
 * and its weight, and the lowest score is chosen (weighted rendezvous hashing): raising the share
 * of an item can only move keys to it, and adding one takes keys from the others in proportion.
 *
 *     PICK      an item without weight has weight 1; 0 = only when all others are out
 *     POOL      if the first item has no weight, all are alike; else those without have 0
 *     FALLBACK  if any item has one, one of those above 0 comes first
 */
#ifndef POLICY_TREE_H
#define POLICY_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/err.h"
#include "base/mem.h"
#include "policy/plan.h"
#include "policy/state.h"

struct policy_target;

struct tree_node {
    const struct plan_node *plan;
    enum plan_kind kind;
    uint32_t parent, first, count; /* POLICY_NONE for a root; items of a group */
    uint32_t depth;                /* 0 = root */
    uint32_t target;               /* of a TARGET */
    uint32_t unit;                 /* of a TARGET that is remembered; else POLICY_NONE */
    uint32_t repetitions;
    bool has_span;   /* one that limits the walk of a call */
    bool spans_here; /* it or a node above it has */
    bool has_units;  /* any target below, or itself, is remembered */
    bool is_drawn;   /* its items are dealt by weight */
    uint64_t share_key;
    uint64_t share; /* as an item: weight in millionths, by the rules above */
    /* What an attempt at a TARGET may take, and a node's span, of calls that are streams [1] or not
     * [0]; PLAN_FOREVER = any, or no timer of such calls. */
    int64_t attempt_us[2][PLAN_TIMERS], span_us[2][PLAN_TIMERS];
};

/* How one target is remembered: policy/health has the meaning.  Unset values are replaced by what
 * their kind of memory has for a default. */
struct tree_unit {
    uint64_t key; /* of its slot in the state */
    uint32_t target;
    uint32_t group; /* the node whose targets are the hosts that `most_percent` is of */
    enum plan_memory memory;
    uint32_t failures, percent, minimum, probes, most_percent;
    bool in_a_row; /* failures; else within the window */
    bool out_set;  /* else an answer's retry-after says it */
    int64_t window_us, out_us;
    int64_t bucket_us, half_us;          /* parts of the windows, as policy/health counts in them */
    struct plan_when counted, at_once;   /* at_once: puts it out by itself */
    uint32_t slow_percent, slow_samples; /* 0 = slowness is not looked at */
    int64_t slow_window_us;
};

struct tree;

/* ERR_LIMIT: deeper than PLAN_DEPTH_MAX.  A group without items is one whose items are all out. */
int tree_new(const struct plan *plan, struct tree **ret, struct err *err);
void tree_free(struct tree *t);
DEFINE_CLEANUP(struct tree, tree_free)

const struct plan *tree_plan(const struct tree *t);
uint32_t tree_root(const struct tree *t, uint32_t route);
size_t tree_route_count(const struct tree *t);
size_t tree_node_count(const struct tree *t);
const struct tree_node *tree_node(const struct tree *t, uint32_t node);
size_t tree_unit_count(const struct tree *t);
const struct tree_unit *tree_unit(const struct tree *t, uint32_t unit);

/* The targets of a policy: each (upstream, model) once, in the order of the plan. */
size_t tree_target_count(const struct tree *t);
const struct policy_target *tree_target(const struct tree *t, uint32_t target);
uint32_t tree_target_find(const struct tree *t, struct str upstream, struct str model);
/* The first unit that remembers a target, POLICY_NONE = none. */
uint32_t tree_target_unit(const struct tree *t, uint32_t target);

/* 64 bits that depend on all of both. */
static inline uint64_t tree_mix(uint64_t a, uint64_t b)
{
    uint64_t x = a + UINT64_C(0x9e3779b97f4a7c15) * (b + 1);

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

#define TREE_LOG_STEPS  256
#define TREE_LOG_DIGITS 40 /* binary, behind the point */

/* For who decides: the same as by the functions above, without a call for each. */
struct tree_arrays {
    const struct tree_node *nodes;
    const struct tree_unit *units;
    const uint64_t *log2_of; /* 1 + i / TREE_LOG_STEPS, in units of 2^-TREE_LOG_DIGITS */
};
struct tree_arrays tree_arrays(const struct tree *t);

/* The score of an item for a key: the lower comes first; they are compared by tree_score_less. */
struct tree_score {
    uint64_t log, share;
};
static inline struct tree_score tree_score(const struct tree_arrays *t,
                                           const struct tree_node *item, uint64_t key)
{
    /* -log2(u / 2^64), by straight lines between 257 points: off by less than 0.3 %, and by the
     * same for all. */
    uint64_t u = tree_mix(key, item->share_key) | 1;
    int zeros = __builtin_clzll(u);
    uint64_t m = u << zeros; /* its highest bit is set */
    size_t step = m >> 55 & (TREE_LOG_STEPS - 1);
    uint64_t rest = m >> 35 & ((1u << 20) - 1);
    uint64_t low = t->log2_of[step];
    uint64_t log = low + ((t->log2_of[step + 1] - low) * rest >> 20);

    return (struct tree_score){
        .log = ((uint64_t)zeros + 1) * (UINT64_C(1) << TREE_LOG_DIGITS) - log,
        .share = item->share,
    };
}
static inline bool tree_score_less(struct tree_score a, struct tree_score b)
{
    /* log / share, without dividing */
    return (i128)a.log * b.share < (i128)b.log * a.share;
}

#endif

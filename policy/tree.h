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

#define TREE_MIX_STEP UINT64_C(0x9e3779b97f4a7c15)

/* Of which the upper 32 bits depend on all of x. */
static inline uint64_t tree_stir(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    return (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
}

/* 64 bits that depend on all of both. */
static inline uint64_t tree_mix(uint64_t a, uint64_t b)
{
    uint64_t x = tree_stir(a + TREE_MIX_STEP * (b + 1));

    return x ^ x >> 31;
}

#define TREE_LOG_STEPS  256
#define TREE_LOG_DIGITS 40 /* binary, behind the point */
#define TREE_LOG_SPARE  17 /* that a logarithm, 65 at most, leaves free above */

/* An item as it is dealt to: of its node, what a score takes. */
struct tree_share {
    uint64_t step;   /* of its share_key in tree_mix */
    uint64_t of_one; /* 2^63 / share; 0 = it has none */
};

/* For who decides: the same as by the functions above, without a call for each. */
struct tree_arrays {
    const struct tree_node *nodes;
    const struct tree_unit *units;
    const struct tree_share *shares; /* by node */
    const uint64_t *log2_of;         /* 1 + i / TREE_LOG_STEPS, in units of 2^-TREE_LOG_DIGITS */
};
struct tree_arrays tree_arrays(const struct tree *t);

/* The score of an item with a share for a key: the lowest comes first, the first of equals.  A
 * greater share makes it less or leaves it, since of_one only falls.  It is made of a draw. */
static inline uint64_t tree_draw(const struct tree_share *item, uint64_t key)
{
    return tree_stir(key + item->step);
}

static inline uint64_t tree_score(const struct tree_arrays *t, const struct tree_share *item,
                                  uint64_t draw)
{
    /* -log2(draw / 2^64), by straight lines between 257 points: too much by less than 0.3 %, never
     * too little, and by the same for all. */
    draw |= 1;
    int zeros = __builtin_clzll(draw);
    uint64_t m = draw << zeros; /* its highest bit is set */
    size_t step = m >> 55 & (TREE_LOG_STEPS - 1);
    uint64_t rest = m >> 35 & ((1u << 20) - 1);
    uint64_t low = t->log2_of[step];
    uint64_t log = low + ((t->log2_of[step + 1] - low) * rest >> 20);

    log = ((uint64_t)zeros + 1) * (UINT64_C(1) << TREE_LOG_DIGITS) - log;
    return (uint64_t)((u128)(log << TREE_LOG_SPARE) * item->of_one >> 64);
}

/* It is at least this, which most of many lose by: -log2(x) > 1.375 (1 - x). */
static inline uint64_t tree_score_least(const struct tree_share *item, uint64_t draw)
{
    uint64_t left = ~draw >> (64 - TREE_LOG_DIGITS - TREE_LOG_SPARE);

    return (uint64_t)((u128)(left + (left >> 2) + (left >> 3)) * item->of_one >> 64);
}

#endif

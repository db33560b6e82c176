/* Buckets: what is in one drains by `most` each window, and a call fits if the bucket does not
 * overflow.  The level is kept in tokens times the microseconds of the window, so that draining for
 * any number of microseconds is a whole number and nothing is ever rounded. */
#include "config.h"

#include <assert.h>
#include <string.h>

#include "policy/admit_parts.h"

#define BUCKETS     2 /* requests, tokens */
#define HELD_MAX    UINT16_MAX
#define NEVER_DRAIN (3600 * INT64_C(24) * 366 * 1000000)

static_assert((int)PLAN_LIMIT_REQUESTS == 0 && (int)PLAN_LIMIT_TOKENS == 1, "the buckets");

struct counters {
    i128 level[BUCKETS];
    int64_t per_us[BUCKETS], most[BUCKETS]; /* 0 = the limit has none */
    int64_t last_us;
    uint32_t under_way;
    uint16_t held[POLICY_HOLDERS_MAX]; /* of them, by holder */
};

static_assert(sizeof(struct counters) <= POLICY_SLOT_DATA_BYTES, "a slot holds it");

static void drain(struct counters *c, int64_t now_us)
{
    int64_t passed = now_us - c->last_us;

    /* Another process's clock may be a little ahead. */
    if (passed <= 0)
        return;
    c->last_us = now_us;
    for (int i = 0; i < BUCKETS; i++) {
        i128 drained = (i128)passed * c->most[i];
        c->level[i] = c->level[i] > drained ? c->level[i] - drained : 0;
    }
}

/* After a change of the configuration as many tokens stay in it as there were. */
static void adjust(struct counters *c, const struct policy_limit *l)
{
    for (int i = 0; i < BUCKETS; i++) {
        if (c->per_us[i] == l->per_us[i] && c->most[i] == l->most[i])
            continue;
        c->level[i] = c->per_us[i] ? c->level[i] / c->per_us[i] * l->per_us[i] : 0;
        c->per_us[i] = l->per_us[i];
        c->most[i] = l->most[i];
    }
}

static int64_t ceil_div(i128 a, int64_t b)
{
    i128 q = (a + b - 1) / b;

    return q > NEVER_DRAIN ? NEVER_DRAIN : (int64_t)q;
}

/* The slot may go once it is as good as new. */
static void keep(struct policy_state *s, uint32_t slot, const struct counters *c)
{
    int64_t until = c->last_us;

    for (int i = 0; i < BUCKETS && !c->under_way; i++)
        if (c->most[i] && c->level[i]) {
            int64_t empty = c->last_us + ceil_div(c->level[i], c->most[i]);
            until = empty > until ? empty : until;
        }
    policy_state_keep(s, slot, c->under_way ? INT64_MAX : until);
}

void limit_look(struct policy_state *s, uint32_t slot, const struct policy_limit *l,
                const struct limit_want *want, int64_t now_us, struct limit_answer *ret)
{
    struct counters *c = policy_state_at(s, slot);

    *ret = (struct limit_answer){ 0 };
    adjust(c, l);
    if (c->last_us == 0)
        c->last_us = now_us;
    drain(c, now_us);
    for (int i = 0; i < BUCKETS; i++) {
        if (!c->most[i])
            continue;
        i128 over = c->level[i] + ((i128)want->n[i] - c->most[i]) * c->per_us[i];
        ret->refused[i] = over > 0;
        if (over <= 0)
            continue;
        ret->value[i] = (int64_t)((c->level[i] + c->per_us[i] - 1) / c->per_us[i]) + want->n[i];
        /* From now, though the bucket was last looked at by a clock that may be ahead. */
        int64_t wait = ceil_div(over, c->most[i]) + (c->last_us - now_us);
        ret->wait_us = wait > ret->wait_us ? wait : ret->wait_us;
    }
    if (l->most[PLAN_LIMIT_CONCURRENT]) {
        ret->value[PLAN_LIMIT_CONCURRENT] = (int64_t)c->under_way + 1;
        ret->refused[PLAN_LIMIT_CONCURRENT] = c->under_way >= l->most[PLAN_LIMIT_CONCURRENT];
    }
}

bool limit_take(struct policy_state *s, uint32_t slot, const struct limit_want *want,
                uint32_t holder, int64_t now_us)
{
    struct counters *c = policy_state_at(s, slot);
    bool is_held = false;

    assert(holder < POLICY_HOLDERS_MAX);
    drain(c, now_us);
    for (int i = 0; i < BUCKETS; i++)
        c->level[i] += (i128)want->n[i] * c->per_us[i];
    if (want->n[PLAN_LIMIT_CONCURRENT] && c->held[holder] < HELD_MAX) {
        c->held[holder]++;
        c->under_way++;
        is_held = true;
    }
    keep(s, slot, c);
    return is_held;
}

void limit_correct(struct policy_state *s, uint32_t slot, int64_t tokens, int64_t now_us)
{
    struct counters *c = policy_state_at(s, slot);

    drain(c, now_us);
    c->level[PLAN_LIMIT_TOKENS] += (i128)tokens * c->per_us[PLAN_LIMIT_TOKENS];
    if (c->level[PLAN_LIMIT_TOKENS] < 0)
        c->level[PLAN_LIMIT_TOKENS] = 0;
    keep(s, slot, c);
}

static void give_back(struct policy_state *s, uint32_t slot, uint32_t holder, uint16_t count)
{
    struct counters *c = policy_state_at(s, slot);

    if (count > c->held[holder])
        count = c->held[holder];
    c->held[holder] = (uint16_t)(c->held[holder] - count);
    c->under_way = c->under_way > count ? c->under_way - count : 0;
    keep(s, slot, c);
}

void limit_release(struct policy_state *s, uint32_t slot, uint32_t holder, int64_t now_us)
{
    drain(policy_state_at(s, slot), now_us);
    give_back(s, slot, holder, 1);
}

void limit_forget(struct policy_state *s, uint32_t slot, uint32_t holder, int64_t now_us)
{
    drain(policy_state_at(s, slot), now_us);
    give_back(s, slot, holder, HELD_MAX);
}

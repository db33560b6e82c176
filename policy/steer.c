#include "config.h"

#include "policy/steer.h"

#include <assert.h>
#include <string.h>

#include "policy/health.h"
#include "policy/steer_walk.h"

/* --- notes --- */

static void note(const struct go *g, enum policy_outcome outcome, uint32_t target, int64_t value,
                 int64_t bound)
{
    if (!g->notes)
        return;
    struct policy_decision one = {
        .rule = g->w->route,
        .target = target,
        .mode = (enum plan_mode)g->w->mode,
        .outcome = outcome,
        .at_us = g->now_us,
        .value = value,
        .bound = bound,
    };
    policy_note(g->notes, &one);
}

/* --- steps --- */

static void answer(struct go *g, enum policy_outcome why)
{
    g->w->phase = WALK_OVER;
    /* Whose timers nobody looks at. */
    g->ret->what = STEER_ANSWER;
    g->ret->why = why;
    g->ret->target = POLICY_NONE;
    g->ret->until_us = 0;
}

static void give_up(struct go *g)
{
    if (g->w->attempts)
        note(g, POLICY_GAVE_UP, POLICY_NONE, g->w->attempts, 0);
    answer(g, POLICY_GAVE_UP);
}

/* When the first of the targets is back. */
static int64_t back_at(struct go *g, uint32_t number)
{
    const struct tree_node *n = walk_node(g, number);
    int64_t first = PLAN_FOREVER;

    if (n->kind == PLAN_TARGET)
        return n->unit == POLICY_NONE ? g->now_us : walk_health(g, n->unit)->until_us;
    for (uint32_t i = 0; i < n->count; i++) {
        int64_t at = back_at(g, n->first + i);
        first = at < first ? at : first;
    }
    return first < g->now_us ? g->now_us : first;
}

static void unavailable(struct go *g)
{
    uint32_t root = g->w->root;

    g->w->phase = WALK_OVER;
    *g->ret = (struct steer_step){
        .what = STEER_UNAVAILABLE,
        .why = POLICY_GAVE_UP,
        .target = POLICY_NONE,
        .until_us = back_at(g, root),
    };
    note(g, POLICY_GAVE_UP, POLICY_NONE, 0, 0);
}

static enum policy_outcome why_of(const struct walk *w, const struct tree_node *n,
                                  const struct health_seen *seen)
{
    if (seen->level == HEALTH_PROBE)
        return POLICY_PROBE;
    if (w->attempts)
        return n->target == w->target ? POLICY_RETRY : POLICY_FALLBACK;
    return w->shifted ? POLICY_SHIFTED : w->skipped ? POLICY_FALLBACK : POLICY_FIRST;
}

static void take(struct go *g, uint32_t unit, const struct health_seen *seen)
{
    struct walk *w = g->w;

    w->unit = unit;
    w->is_probe = false;
    w->told = false;
    if (unit == POLICY_NONE)
        return;
    w->is_probe = seen->level == HEALTH_PROBE && seen->half_open;
    health_begin(walk_health(g, unit), seen, g->now_us);
}

static void attempt(struct go *g, const struct tree_node *n, const struct health_seen *seen)
{
    struct walk *w = g->w;

    g->ret->what = STEER_ATTEMPT;
    g->ret->why = why_of(w, n, seen);
    g->ret->target = n->target;
    g->ret->until_us = 0;
    walk_timers(g, n, g->ret->timer_us);
    note(g, g->ret->why, n->target, w->attempts + 1, 0);
    w->phase = WALK_ATTEMPT;
    w->target = n->target;
    w->attempts++;
    w->attempt_at_us = g->now_us;
    if (!g->is_dry)
        take(g, n->unit, seen);
}

static void wait(struct go *g, int64_t until_us, bool is_last)
{
    g->w->phase = is_last ? WALK_LAST_WAIT : WALK_WAIT;
    *g->ret = (struct steer_step){
        .what = STEER_WAIT,
        .why = is_last ? POLICY_GAVE_UP : POLICY_RETRY,
        .target = g->w->target,
        .until_us = until_us,
    };
}

/* What the walk came to. */
static void carry_out(struct go *g, const struct walk_move *move)
{
    switch (move->what) {
    case WALK_MOVE_ATTEMPT:
        attempt(g, move->node, &move->seen);
        break;
    case WALK_MOVE_WAIT:
        wait(g, move->until_us, move->is_last);
        break;
    case WALK_MOVE_END:
        if (g->w->attempts)
            give_up(g);
        else
            unavailable(g);
        break;
    }
}

static void note_passed(void *ctx, enum policy_outcome outcome, uint32_t target, int64_t until_us)
{
    const struct go *g = ctx;

    if (g->w->all_out)
        return; /* it was noted before */
    int64_t value = until_us > g->now_us ? until_us - g->now_us : 0;

    if (outcome == POLICY_SKIPPED)
        g->w->skipped = true;
    else
        g->w->shifted = true;
    note(g, outcome, target, value, 0);
}

/* Not all of it: what a scratch is for sets it. */
static void start(struct go *g, struct steer *s, const struct policy *p, struct policy_state *state,
                  int64_t now_us)
{
    g->w = (struct walk *)s;
    g->all = policy_tree(p);
    g->tree = tree_arrays(g->all);
    g->state = state;
    g->now_us = now_us;
    g->notes = NULL;
    g->ret = NULL;
    g->passed = note_passed;
    g->is_dry = false;
    g->unit = g->seen_unit = POLICY_NONE;
}

/* In observe and warn the call goes where it asked to; what would have been done is noted. */
static void begin_as_asked(struct go *g)
{
    struct walk *w = g->w;
    const struct health_seen none = { .level = HEALTH_USUAL };
    struct walk_move move;

    g->is_dry = true;
    walk_enter(g, &move);
    carry_out(g, &move);
    g->is_dry = false;
    w->would_be = w->target;
    w->target = w->asked;
    w->attempts = 1;
    w->attempt_at_us = g->now_us;
    w->phase = WALK_ATTEMPT;
    *g->ret = (struct steer_step){
        .what = STEER_ATTEMPT,
        .why = POLICY_FIRST,
        .target = w->asked,
    };
    for (int i = 0; i < PLAN_TIMERS; i++)
        g->ret->timer_us[i] = PLAN_FOREVER;
    if (w->asked == POLICY_NONE)
        take(g, POLICY_NONE, &none);
    else if (w->would_be == w->asked)
        take(g, move.node->unit, &none);
    else
        take(g, tree_target_unit(g->all, w->asked), &none);
}

void steer_begin(struct steer *s, const struct policy *p, struct policy_state *state,
                 const struct steer_call *call, int64_t now_us, struct policy_decisions *notes,
                 struct steer_step *ret)
{
    struct go g;
    struct walk_move move;

    start(&g, s, p, state, now_us);
    memset(g.w, 0, offsetof(struct walk, frames));
    g.notes = notes;
    g.ret = ret;
    g.w->sticky = call->sticky;
    g.w->seed = call->seed;
    g.w->began_us = now_us;
    g.w->deadline_us = call->deadline_us > 0 ? call->deadline_us : PLAN_FOREVER;
    g.w->route = call->route;
    g.w->root = tree_root(g.all, call->route);
    g.w->asked = call->asked;
    g.w->target = g.w->unit = g.w->would_be = POLICY_NONE;
    g.w->mode = (uint8_t)call->mode;
    g.w->is_stream = call->is_stream;
    g.w->may_repeat = call->may_repeat;
    g.w->longest_waits = call->longest_waits;
    if (now_us >= g.w->deadline_us) {
        unavailable(&g);
    } else if (call->mode != PLAN_MODE_ENFORCE) {
        begin_as_asked(&g);
    } else {
        walk_enter(&g, &move);
        carry_out(&g, &move);
    }
}

/* --- what attempts came to --- */

static uint32_t count_out(struct go *g, uint32_t number, uint32_t *ret_all)
{
    const struct tree_node *n = walk_node(g, number);
    uint32_t out = 0;

    if (n->kind == PLAN_TARGET) {
        ++*ret_all;
        return n->unit != POLICY_NONE &&
               health_is_out(walk_health(g, n->unit), walk_unit(g, n->unit), g->now_us);
    }
    for (uint32_t i = 0; i < n->count; i++)
        out += count_out(g, n->first + i, ret_all);
    return out;
}

/* With this one, no more than the share of its group may be out. */
static bool may_go_out(struct go *g, const struct tree_unit *u)
{
    uint32_t all = 0;

    if (u->most_percent >= 100)
        return true;
    uint64_t out = count_out(g, u->group, &all);
    return (out + 1) * 100 <= (uint64_t)u->most_percent * all;
}

static void tell_good(struct go *g)
{
    struct walk *w = g->w;

    if (w->unit == POLICY_NONE || w->told)
        return;
    health_good(walk_health(g, w->unit), walk_unit(g, w->unit), w->is_probe, g->now_us);
    w->is_probe = false;
    w->told = true;
}

static void tell_bad(struct go *g, const struct steer_end *end, int status)
{
    struct walk *w = g->w;

    if (w->unit == POLICY_NONE)
        return;
    const struct tree_unit *u = walk_unit(g, w->unit);
    struct health *h = walk_health(g, w->unit);
    if (end->failure == PLAN_FAILED_FIRST_TOKEN || (end->late && end->failure == PLAN_FAILED_HEAD))
        health_first_token(h, u, w->is_stream ? g->now_us - w->attempt_at_us : -1, g->now_us);
    if (!plan_when_has(&u->counted, end->failure, status)) {
        tell_good(g);
        return;
    }
    if (health_bad(h, u, end->failure, status, w->is_probe, g->now_us) &&
        (w->is_probe || may_go_out(g, u)))
        health_put_out(h, u, end->retry_after_us, g->now_us);
    w->is_probe = false;
}

static void tell_first_token(struct go *g, int64_t us)
{
    struct walk *w = g->w;

    if (w->phase != WALK_ATTEMPT || w->unit == POLICY_NONE)
        return;
    if (w->is_stream)
        health_first_token(walk_health(g, w->unit), walk_unit(g, w->unit), us, g->now_us);
    if (w->is_probe)
        tell_good(g);
}

void steer_first_token(struct steer *s, const struct policy *p, struct policy_state *state,
                       int64_t first_token_us, int64_t now_us)
{
    struct go g;

    start(&g, s, p, state, now_us);
    tell_first_token(&g, first_token_us);
}

/* What rules over statuses see of a failure without one. */
static int status_of(const struct plan *plan, const struct steer_end *end)
{
    if (end->status)
        return end->status;
    switch (end->failure) {
    case PLAN_FAILED_CONNECT:
        return end->late ? plan->connect_late_status : plan->refused_status;
    case PLAN_FAILED_HEAD:
    case PLAN_FAILED_FIRST_TOKEN:
        return plan->late_status;
    default:
        return 0;
    }
}

/* Only where the walk would have begun with the same target is it known how it would go on. */
static void note_what_would_follow(struct go *g)
{
    struct walk *w = g->w;
    struct walk_move move;

    if (w->would_be != w->asked || w->asked == POLICY_NONE)
        return;
    g->is_dry = true;
    walk_failed(g, &move);
    if (move.what == WALK_MOVE_WAIT && !move.is_last)
        note(g, POLICY_RETRY, w->target, move.until_us - g->now_us, 0);
    else
        carry_out(g, &move);
    g->is_dry = false;
}

void steer_ended(struct steer *s, const struct policy *p, struct policy_state *state,
                 const struct steer_end *end, int64_t now_us, struct policy_decisions *notes,
                 struct steer_step *ret)
{
    struct go g;
    struct walk_move move;

    start(&g, s, p, state, now_us);
    struct walk *w = g.w;
    assert(w->phase == WALK_ATTEMPT);
    g.notes = notes;
    g.ret = ret;
    if (end->first_token_us >= 0)
        tell_first_token(&g, end->first_token_us);
    if (!end->failed) {
        tell_good(&g);
        answer(&g, POLICY_FIRST);
        return;
    }
    w->failure = (uint8_t)end->failure;
    w->status = (uint16_t)status_of(tree_plan(g.all), end);
    w->retry_after_us = end->retry_after_us;
    w->should_retry = end->should_retry_set ? (int8_t)(end->should_retry ? 1 : -1) : 0;
    tell_bad(&g, end, w->status);
    if (w->mode != PLAN_MODE_ENFORCE) {
        note_what_would_follow(&g);
        answer(&g, POLICY_GAVE_UP);
    } else if (end->answer_began || !w->may_repeat || now_us >= w->deadline_us ||
               w->attempts >= STEER_ATTEMPTS_MAX) {
        give_up(&g);
    } else {
        walk_failed(&g, &move);
        carry_out(&g, &move);
    }
}

void steer_waited(struct steer *s, const struct policy *p, struct policy_state *state,
                  int64_t now_us, struct policy_decisions *notes, struct steer_step *ret)
{
    struct go g;
    struct walk_move move;

    start(&g, s, p, state, now_us);
    g.notes = notes;
    assert(g.w->phase == WALK_WAIT || g.w->phase == WALK_LAST_WAIT);
    g.ret = ret;
    if (now_us >= g.w->deadline_us) {
        give_up(&g);
        return;
    }
    walk_waited(&g, &move);
    carry_out(&g, &move);
}

void steer_abandon(struct steer *s, const struct policy *p, struct policy_state *state,
                   int64_t now_us)
{
    struct go g;

    start(&g, s, p, state, now_us);
    if (g.w->phase == WALK_ATTEMPT && g.w->is_probe)
        health_give_back(walk_health(&g, g.w->unit));
    g.w->is_probe = false;
    g.w->phase = WALK_OVER;
}

uint32_t steer_attempts(const struct steer *s)
{
    return ((const struct walk *)s)->attempts;
}

/* --- health, to be shown --- */

void steer_view(const struct policy *p, struct policy_state *state, uint32_t target, int64_t now_us,
                struct steer_target_view *ret)
{
    const struct tree *t = policy_tree(p);
    uint32_t unit = tree_target_unit(t, target);

    *ret = (struct steer_target_view){ .baseline_us = -1, .now_us = -1 };
    if (unit == POLICY_NONE)
        return;
    const struct tree_unit *u = tree_unit(t, unit);
    uint32_t slot = policy_state_find(state, POLICY_SLOT_TARGET, u->key);
    if (slot == POLICY_NONE)
        return;
    struct health *h = policy_state_at(state, slot);
    struct health_call call = { .now_us = now_us };
    struct health_seen seen = health_look(h, u, &call);
    ret->until_us = seen.until_us;
    ret->baseline_us = h->baseline_us ? (int64_t)h->baseline_us : -1;
    ret->now_us = health_median(h, u, now_us);
    ret->attempts = h->attempts;
    ret->failures = h->failures;
    if (seen.half_open)
        ret->health = STEER_HALF_OPEN;
    else if (seen.level == HEALTH_OUT)
        ret->health = STEER_OPEN;
    else if (h->is_slow && u->slow_percent)
        ret->health = STEER_SLOW;
}

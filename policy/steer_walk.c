#include "config.h"

#include "policy/steer_walk.h"

#include <string.h>

#define NO_ITEM     UINT16_MAX
#define DONE_BITS   64 /* items that are kept apart; those behind come in order, once */
#define WAITED_MAX  UINT32_MAX
#define SKIPPED_AS  PLAN_FAILED_CONNECT /* what rules see of a target that is out, beside what */
#define SKIPPED_503 503                 /* drove it out */

/* What an attempt, or all of a node, came to. */
enum came_to {
    CAME_NOTHING, /* nothing has been tried yet */
    CAME_SHIFTED, /* a target was passed over because it is slow */
    CAME_SKIPPED, /* all that there was is out */
    CAME_FAILED,
};
struct result {
    enum came_to came;
    enum plan_failure failure;
    int status;
};

static struct health *find_health(struct go *g, uint64_t key)
{
    if (!policy_state_is(g->state, g->w->slot, POLICY_SLOT_TARGET, key)) {
        uint32_t slot = policy_state_own_slot(g->state, POLICY_SLOT_TARGET, key, g->now_us);
        if (slot == POLICY_NONE) {
            g->scratch = (struct health){ 0 };
            return &g->scratch;
        }
        g->w->slot = slot;
    }
    return policy_state_at(g->state, g->w->slot);
}

struct health *walk_health(struct go *g, uint32_t unit)
{
    if (g->unit != unit) {
        g->health = find_health(g, walk_unit(g, unit)->key);
        g->unit = unit;
    }
    return g->health;
}

static struct walk_frame *frame_of(const struct go *g, const struct tree_node *n)
{
    return &g->w->frames[n->depth];
}

/* --- times --- */

static int64_t entered_at(const struct walk *w, const struct walk_frame *f)
{
    return w->began_us + ((int64_t)f->entered_high << 32 | f->entered_low);
}

static void enter_frame(struct walk *w, struct walk_frame *f, int64_t now_us)
{
    uint64_t since = now_us > w->began_us ? (uint64_t)(now_us - w->began_us) : 0;

    if (since >> 48)
        since = (UINT64_C(1) << 48) - 1;
    *f = (struct walk_frame){
        .entered_low = (uint32_t)since,
        .entered_high = (uint16_t)(since >> 32),
        .first = NO_ITEM,
    };
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When a node's span is over: whatever of it runs before the first piece of an answer. */
static int64_t span_end(const struct go *g, const struct tree_node *n)
{
    const int64_t *spans = n->span_us[g->w->is_stream];

    if (!n->has_span)
        return PLAN_FOREVER;
    int64_t until_token = earlier(spans[PLAN_TIMER_HEAD], spans[PLAN_TIMER_FIRST_TOKEN]);
    int64_t until_end = earlier(spans[PLAN_TIMER_TOTAL], spans[PLAN_TIMER_WHOLE]);
    return plan_add_us(entered_at(g->w, frame_of(g, n)), earlier(until_token, until_end));
}

/* The earliest of its own and of those above it. */
static int64_t until_of(const struct go *g, const struct tree_node *n)
{
    int64_t until = PLAN_FOREVER;

    for (; n->spans_here; n = walk_node(g, n->parent)) {
        until = earlier(until, span_end(g, n));
        if (n->parent == POLICY_NONE)
            break;
    }
    return until;
}

static void shorten(int64_t timers[PLAN_TIMERS], const int64_t spans[PLAN_TIMERS],
                    int64_t passed_us)
{
    for (int i = 0; i < PLAN_TIMERS; i++) {
        int64_t left = spans[i];
        if (left < PLAN_FOREVER && i != PLAN_TIMER_IDLE)
            left -= passed_us;
        timers[i] = earlier(timers[i], left);
    }
}

void walk_timers(const struct go *g, const struct tree_node *n, int64_t ret[PLAN_TIMERS])
{
    bool stream = g->w->is_stream;

    memcpy(ret, n->attempt_us[stream], PLAN_TIMERS * sizeof(*ret));
    for (const struct tree_node *i = n; i->spans_here; i = walk_node(g, i->parent)) {
        if (i->has_span)
            shorten(ret, i->span_us[stream], g->now_us - entered_at(g->w, frame_of(g, i)));
        if (i->parent == POLICY_NONE)
            break;
    }
    if (g->w->deadline_us == PLAN_FOREVER)
        return;
    int64_t left = g->w->deadline_us - g->now_us;
    ret[PLAN_TIMER_HEAD] = earlier(ret[PLAN_TIMER_HEAD], left);
    if (stream) {
        ret[PLAN_TIMER_FIRST_TOKEN] = earlier(ret[PLAN_TIMER_FIRST_TOKEN], left);
        ret[PLAN_TIMER_TOTAL] = earlier(ret[PLAN_TIMER_TOTAL], left);
    } else {
        ret[PLAN_TIMER_WHOLE] = earlier(ret[PLAN_TIMER_WHOLE], left);
    }
}

/* --- waits --- */

/* From 0 to 2^20. */
static int64_t chance(struct walk *w, uint64_t what)
{
    uint64_t drawn = tree_mix(w->seed, (uint64_t)w->attempts << 8 | what);

    return w->longest_waits ? 1 << 20 : (int64_t)(drawn >> 44);
}

static int64_t part_of(int64_t us, int64_t percent, int64_t of_a_million)
{
    return (int64_t)((i128)us * percent * of_a_million / 100 >> 20);
}

static int64_t backoff_wait(struct walk *w, const struct plan_backoff *b, int64_t repetition)
{
    struct plan_backoff plain = *b;
    int64_t cap = b->cap.set ? b->cap.n : PLAN_FOREVER;

    plain.spread_percent = plain.jitter_percent = 0;
    plain.jitter_us = 0;
    int64_t us = plan_backoff_longest(&plain, repetition), wait = us;
    if (b->full_jitter)
        wait = part_of(us, 100, chance(w, 4));
    if (us < PLAN_FOREVER / 1000) {
        int64_t spread = 2 * chance(w, 1) - (1 << 20);
        wait +=
            part_of(us, b->spread_percent, spread) + part_of(us, b->jitter_percent, chance(w, 2));
    }
    wait = plan_add_us(wait > 0 ? wait : 0, part_of(b->jitter_us, 100, chance(w, 3)));
    return b->cap_is_last && wait > cap ? cap : wait;
}

/* The wait before the next repetition, -1 = there is none. */
static int64_t next_wait(struct go *g, const struct plan_retry *retry, struct walk_frame *f)
{
    const struct plan_retry_after *after = &retry->retry_after;
    struct walk *w = g->w;
    int64_t asked = w->retry_after_us;

    if (asked < 0 || !after->honoured.set || !after->honoured.n ||
        (after->only_429 && w->status != 429))
        return backoff_wait(w, &retry->backoff, f->repetition);
    int64_t sum = plan_add_us(f->waited_us, asked);
    if (asked > after->longest_us || (after->sum_us && sum > after->sum_us))
        return after->gives_up ? -1 : backoff_wait(w, &retry->backoff, f->repetition);
    f->waited_us = sum < WAITED_MAX ? (uint32_t)sum : WAITED_MAX;
    return plan_add_us(asked, part_of(retry->backoff.jitter_us, 100, chance(w, 3)));
}

/* Whether a node's rule says that it is to be repeated; what an answer itself says of it goes
 * first, where answers are listened to. */
static bool wants_repetition(const struct go *g, const struct plan_retry *retry,
                             const struct result *r)
{
    int8_t said = g->w->should_retry;

    if (said && retry->retry_after.honoured.set && retry->retry_after.honoured.n)
        return said > 0;
    return plan_when_has(&retry->on, r->failure, r->status);
}

/* --- health --- */

static struct health_seen look_at(struct go *g, const struct tree_node *n)
{
    if (n->unit == POLICY_NONE)
        return (struct health_seen){ .level = HEALTH_USUAL };
    if (g->seen_unit == n->unit) /* a group has, which then went there */
        return g->seen;
    struct health_call call = {
        .now_us = g->now_us,
        .draw = tree_mix(g->w->seed, n->unit),
        .all_out = g->w->all_out,
    };
    g->seen = health_look(walk_health(g, n->unit), walk_unit(g, n->unit), &call);
    g->seen_unit = n->unit;
    return g->seen;
}

/* A group is as well as the best of its targets; what led to its being out is not one thing. */
static struct health_seen look(struct go *g, const struct tree_node *n)
{
    struct health_seen best = { .level = HEALTH_USUAL };

    if (n->kind == PLAN_TARGET)
        return look_at(g, n);
    if (!n->has_units && n->count)
        return best;
    best = (struct health_seen){
        .level = HEALTH_OUT,
        .failure = SKIPPED_AS,
        .status = SKIPPED_503,
    };
    for (uint32_t i = 0; i < n->count; i++) {
        struct health_seen seen = look(g, walk_node(g, n->first + i));
        if (seen.level < best.level)
            best = seen;
        if (best.level == HEALTH_USUAL)
            break;
    }
    return best;
}

static bool is_usable(const struct health_seen *seen)
{
    return seen->level == HEALTH_USUAL || seen->level == HEALTH_PROBE;
}

static void passed_over(struct go *g, const struct tree_node *n, const struct health_seen *seen)
{
    enum policy_outcome outcome = seen->level == HEALTH_OUT ? POLICY_SKIPPED : POLICY_SHIFTED;

    g->passed(g, outcome, n->target, seen->until_us);
}

/* --- choosing by weight --- */

/* What the items of a group are dealt by: the same for a caller as long as it has a key. */
static uint64_t key_for(const struct go *g, const struct tree_node *n, const struct walk_frame *f)
{
    const struct walk *w = g->w;

    if (n->kind == PLAN_POOL || (n->kind == PLAN_PICK && !w->sticky))
        return tree_mix(w->seed, w->attempts);
    if (!w->sticky)
        return tree_mix(w->seed, (uint64_t)n->first << 16 | f->repetition);
    return w->sticky;
}

/* The item with the lowest score among those whose level is at best `worst`; NO_ITEM. */
static uint32_t lowest(struct go *g, const struct tree_node *n, uint64_t key,
                       enum health_level worst)
{
    const struct tree_share *shares = g->tree.shares + n->first;
    uint64_t best = UINT64_MAX; /* no score is */
    uint32_t found = NO_ITEM;

    for (uint32_t i = 0; i < n->count; i++) {
        uint64_t drawn = tree_draw(&shares[i], key);
        if (tree_score_least(&shares[i], drawn) >= best || !shares[i].of_one)
            continue;
        uint64_t score = tree_score(&g->tree, &shares[i], drawn);
        if (score >= best)
            continue;
        const struct tree_node *item = walk_node(g, n->first + i);
        if (worst < HEALTH_OUT && item->has_units && look(g, item).level > worst)
            continue;
        best = score;
        found = i;
    }
    return found;
}

/* The first without a share: they come when nothing else is left. */
static uint32_t first_without_share(struct go *g, const struct tree_node *n)
{
    for (uint32_t i = 0; i < n->count; i++) {
        const struct tree_node *item = walk_node(g, n->first + i);
        if (!item->share && look(g, item).level < HEALTH_OUT)
            return i;
    }
    return NO_ITEM;
}

/* Who the call belongs to; if that one is not well, the next that is. */
static uint32_t draw(struct go *g, const struct tree_node *n, const struct walk_frame *f)
{
    uint64_t key = key_for(g, n, f);
    uint32_t found = lowest(g, n, key, HEALTH_OUT);

    if (found != NO_ITEM) {
        const struct tree_node *item = walk_node(g, n->first + found);
        if (!item->has_units)
            return found;
        struct health_seen seen = look(g, item);
        if (is_usable(&seen))
            return found;
        uint32_t other = lowest(g, n, key, HEALTH_PROBE);
        if (other != NO_ITEM || seen.level == HEALTH_OUT)
            passed_over(g, item, &seen);
        if (other == NO_ITEM)
            other = lowest(g, n, key, HEALTH_LATER);
        if (other != NO_ITEM)
            return other;
    }
    return n->kind == PLAN_FALLBACK ? NO_ITEM : first_without_share(g, n);
}

/* --- FALLBACK --- */

static bool is_done(const struct walk_frame *f, uint32_t i)
{
    if (i == f->first)
        return true;
    if (f->item != f->first && f->item >= DONE_BITS)
        return i <= f->item;
    return i < DONE_BITS && f->done >> i & 1;
}

static void set_done(struct walk_frame *f, uint32_t i)
{
    if (i < DONE_BITS)
        f->done |= UINT64_C(1) << i;
    else
        f->item = (uint16_t)i;
}

static bool leads_to(const struct plan_when *when, const struct result *r)
{
    switch (r->came) {
    case CAME_NOTHING:
        return true;
    case CAME_SHIFTED:
        return plan_when_has(when, PLAN_FAILED_FIRST_TOKEN, 0) ||
               plan_when_has(when, PLAN_FAILED_HEAD, 0);
    case CAME_SKIPPED:
        if (plan_when_has(when, SKIPPED_AS, SKIPPED_503))
            return true;
        break;
    case CAME_FAILED:
        break;
    }
    return plan_when_has(when, r->failure, r->status);
}

/* The items in the order in which this call tries them: that of the plan, or by score. */
static void order_of(struct go *g, const struct tree_node *n, const struct walk_frame *f,
                     uint8_t ret[DONE_BITS])
{
    uint32_t count = n->count < DONE_BITS ? n->count : DONE_BITS;
    uint64_t scores[DONE_BITS];
    uint64_t key = key_for(g, n, f);

    for (uint32_t i = 0; i < count; i++) {
        const struct tree_share *share = &g->tree.shares[n->first + i];
        uint64_t score =
            share->of_one ? tree_score(&g->tree, share, tree_draw(share, key)) : UINT64_MAX;
        uint32_t at = i;
        for (; at && score < scores[at - 1]; at--) {
            scores[at] = scores[at - 1];
            ret[at] = ret[at - 1];
        }
        scores[at] = score;
        ret[at] = (uint8_t)i;
    }
}

/* The next item after r, NO_ITEM = none; *r grows into what a group comes to without any. */
static uint32_t next_item(struct go *g, const struct tree_node *n, struct result *r)
{
    struct walk_frame *f = frame_of(g, n);
    uint8_t order[DONE_BITS];
    bool reorder = n->plan->any_order && n->is_drawn;
    uint32_t later = NO_ITEM;
    struct health_seen later_seen = { .level = HEALTH_LATER };

    if (reorder)
        order_of(g, n, f, order);
    for (uint32_t k = 0; k < n->count; k++) {
        uint32_t i = reorder && k < DONE_BITS ? order[k] : k;
        if (is_done(f, i))
            continue;
        const struct tree_node *item = walk_node(g, n->first + i);
        if (!leads_to(&item->plan->when, r)) {
            if (r->came == CAME_FAILED)
                set_done(f, i);
            continue;
        }
        struct health_seen seen = look(g, item);
        if (is_usable(&seen)) {
            if (later != NO_ITEM)
                passed_over(g, walk_node(g, n->first + later), &later_seen);
            return i;
        }
        if (seen.level == HEALTH_LATER) {
            if (later == NO_ITEM) {
                later = i;
                later_seen = seen;
            }
            if (r->came == CAME_NOTHING)
                r->came = CAME_SHIFTED;
            continue;
        }
        set_done(f, i);
        passed_over(g, item, &seen);
        if (r->came < CAME_SKIPPED)
            *r = (struct result){ CAME_SKIPPED, seen.failure, seen.status };
    }
    return later;
}

/* --- the walk --- */

/* One step of the walk: into a child, or out of a node with a result, or a move for steer. */
enum turn { TURN_IN, TURN_OUT, TURN_MOVE };

static enum turn go_to_item(struct go *g, const struct tree_node *n, uint32_t item,
                            struct result *r)
{
    if (item == NO_ITEM) {
        if (r->came < CAME_SKIPPED)
            *r = (struct result){ CAME_SKIPPED, SKIPPED_AS, SKIPPED_503 };
        return TURN_OUT;
    }
    g->w->node = n->first + item;
    return TURN_IN;
}

static enum turn fall_back(struct go *g, const struct tree_node *n, struct result *r)
{
    struct walk_frame *f = frame_of(g, n);
    uint32_t item = next_item(g, n, r);

    if (item != NO_ITEM) {
        set_done(f, item);
        f->item = (uint16_t)item;
    }
    return go_to_item(g, n, item, r);
}

static enum turn enter_fallback(struct go *g, const struct tree_node *n, struct result *r)
{
    struct walk_frame *f = frame_of(g, n);

    f->done = 0;
    f->item = f->first = NO_ITEM;
    if (n->is_drawn) {
        uint32_t item = draw(g, n, f);
        if (item != NO_ITEM) {
            f->item = f->first = (uint16_t)item;
            return go_to_item(g, n, item, r);
        }
    }
    return fall_back(g, n, r);
}

/* The item that attempt `repetition` goes to; if all of it is out, the next that is not. */
static enum turn enter_tier(struct go *g, const struct tree_node *n, struct result *r)
{
    const struct plan_value *each = &n->plan->attempts_per_item;
    uint32_t at = 0, item = NO_ITEM;

    if (each->set && each->n > 0 && n->count)
        at = (uint32_t)(frame_of(g, n)->repetition / each->n % n->count);
    for (uint32_t i = 0; i < n->count && item == NO_ITEM; i++) {
        uint32_t k = (at + i) % n->count;
        const struct tree_node *tier = walk_node(g, n->first + k);
        struct health_seen seen = look(g, tier);
        if (seen.level < HEALTH_OUT)
            item = k;
        else
            passed_over(g, tier, &seen);
    }
    return go_to_item(g, n, item, r);
}

static enum turn enter_target(struct go *g, const struct tree_node *n, struct walk_move *ret,
                              struct result *r)
{
    ret->seen = look_at(g, n);
    if (ret->seen.level == HEALTH_OUT) {
        passed_over(g, n, &ret->seen);
        *r = (struct result){ CAME_SKIPPED, ret->seen.failure, ret->seen.status };
        return TURN_OUT;
    }
    ret->what = WALK_MOVE_ATTEMPT;
    ret->node = n;
    return TURN_MOVE;
}

/* The beginning of a round: of the first, or of a repetition. */
static enum turn enter_round(struct go *g, const struct tree_node *n, struct walk_move *ret,
                             struct result *r)
{
    *r = (struct result){ .came = CAME_NOTHING };
    switch (n->kind) {
    case PLAN_TARGET:
        return enter_target(g, n, ret, r);
    case PLAN_FALLBACK:
        return enter_fallback(g, n, r);
    case PLAN_TIERS:
        return enter_tier(g, n, r);
    case PLAN_PICK:
    case PLAN_POOL:
        break;
    }
    return go_to_item(g, n, draw(g, n, frame_of(g, n)), r);
}

/* r is what there is to go on from afterwards. */
static enum turn wait_until(struct go *g, const struct result *r, int64_t until_us,
                            struct walk_move *ret)
{
    g->w->failure = (uint8_t)r->failure;
    g->w->status = (uint16_t)r->status;
    ret->what = WALK_MOVE_WAIT;
    ret->until_us = until_us;
    return TURN_MOVE;
}

/* A span that is over is a failure of its own, whatever came before. */
static bool is_over(const struct go *g, const struct tree_node *n, struct result *r)
{
    if (g->now_us < span_end(g, n))
        return false;
    if (r->failure != PLAN_FAILED_STREAM)
        *r = (struct result){ CAME_FAILED, PLAN_FAILED_HEAD, tree_plan(g->all)->late_status };
    return true;
}

/* What has just been put out is not tried again, nor waited for. */
static bool has_gone_out(struct go *g, const struct tree_node *n)
{
    return n->has_units && look(g, n).level == HEALTH_OUT;
}

/* A round of a node has come to r: once more? */
static enum turn end_round(struct go *g, const struct tree_node *n, struct walk_move *ret,
                           struct result *r)
{
    const struct plan_retry *retry = &n->plan->retry;
    struct walk_frame *f = frame_of(g, n);
    uint32_t repetitions = g->w->all_out ? 0 : n->repetitions;

    if (r->came != CAME_FAILED || is_over(g, n, r) || !wants_repetition(g, retry, r))
        return TURN_OUT;
    bool is_last = f->repetition >= repetitions;
    int64_t until = until_of(g, n);
    if ((is_last && !retry->backoff.also_at_the_end) || g->now_us >= until || has_gone_out(g, n))
        return TURN_OUT;
    int64_t wait = next_wait(g, retry, f);
    int64_t at = wait < 0 ? PLAN_FOREVER : plan_add_us(g->now_us, wait);
    if (wait < 0 || at >= g->w->deadline_us)
        return TURN_OUT; /* no more, or the caller would be gone */
    if (at >= until) {
        /* Behind the route's own span nothing follows; of others, what is above goes on. */
        if (span_end(g, walk_node(g, g->w->root)) <= until)
            return TURN_OUT;
        ret->is_last = false;
        return wait_until(g, r, until, ret);
    }
    if (wait > 0) {
        ret->is_last = is_last;
        return wait_until(g, r, at, ret);
    }
    if (is_last)
        return TURN_OUT;
    f->repetition++;
    return enter_round(g, n, ret, r);
}

/* A child of n has come to r. */
static enum turn leave_child(struct go *g, const struct tree_node *n, struct walk_move *ret,
                             struct result *r)
{
    if (n->kind == PLAN_FALLBACK && g->now_us < until_of(g, n)) {
        enum turn turn = fall_back(g, n, r);
        if (turn != TURN_OUT)
            return turn;
    }
    return end_round(g, n, ret, r);
}

static const struct tree_node *here(const struct go *g)
{
    return walk_node(g, g->w->node);
}

/* Goes on until there is something to do. */
static void walk_on(struct go *g, enum turn turn, struct result *r, struct walk_move *ret)
{
    g->seen_unit = POLICY_NONE;
    while (turn != TURN_MOVE) {
        if (turn == TURN_IN) {
            enter_frame(g->w, frame_of(g, here(g)), g->now_us);
            turn = enter_round(g, here(g), ret, r);
        } else if (here(g)->parent == POLICY_NONE) {
            ret->what = WALK_MOVE_END;
            return;
        } else {
            g->w->node = here(g)->parent;
            turn = leave_child(g, here(g), ret, r);
        }
    }
}

void walk_enter(struct go *g, struct walk_move *ret)
{
    struct result r = { .came = CAME_NOTHING };

    g->w->node = g->w->root;
    walk_on(g, TURN_IN, &r, ret);
    if (ret->what != WALK_MOVE_END || g->w->all_out)
        return;
    /* Everything is out: once more over all of it, with what health leaves open then. */
    g->w->all_out = true;
    g->w->node = g->w->root;
    walk_on(g, TURN_IN, &r, ret);
}

void walk_failed(struct go *g, struct walk_move *ret)
{
    struct result r = { CAME_FAILED, (enum plan_failure)g->w->failure, g->w->status };

    g->w->skipped = g->w->shifted = false;
    walk_on(g, end_round(g, here(g), ret, &r), &r, ret);
}

void walk_waited(struct go *g, struct walk_move *ret)
{
    const struct tree_node *n = here(g);
    struct result r = { CAME_FAILED, (enum plan_failure)g->w->failure, g->w->status };
    enum turn turn = TURN_OUT;

    if (!is_over(g, n, &r) && g->w->phase == WALK_WAIT && g->now_us < until_of(g, n)) {
        frame_of(g, n)->repetition++;
        turn = enter_round(g, n, ret, &r);
    }
    walk_on(g, turn, &r, ret);
}

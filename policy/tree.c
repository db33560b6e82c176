#include "config.h"

#include "policy/tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/timestamp.h"
#include "base/vec.h"
#include "policy/health.h"
#include "policy/policy.h"

#define MILLION    1000000
#define NAME_BYTES 256 /* of a target that is looked for; longer ones take memory */

struct tree {
    const struct plan *plan;
    VEC(struct tree_node) nodes;
    VEC(struct tree_share) shares; /* of each */
    VEC(struct tree_unit) units;
    VEC(struct policy_target) targets;
    VEC(uint32_t) unit_of; /* of each target, the first */
    VEC(uint32_t) roots;
    struct map names; /* of targets: upstream, NUL, model */
    /* log2(1 + i / TREE_LOG_STEPS), made here without a floating-point digit: shares are the same
     * on every machine. */
    uint64_t log2_of[TREE_LOG_STEPS + 1];
};

/* --- shares --- */

/* log2 of m / 2^32, m from 2^32 to 2^33: a binary digit for each squaring. */
static uint64_t log2_of(uint64_t m)
{
    uint64_t log = 0;

    for (int digit = 1; digit <= TREE_LOG_DIGITS; digit++) {
        m = (uint64_t)((i128)m * m >> 32);
        log <<= 1;
        if (m >> 33) {
            m >>= 1;
            log |= 1;
        }
    }
    return log;
}

static void make_logs(struct tree *t)
{
    for (uint64_t i = 0; i < TREE_LOG_STEPS; i++)
        t->log2_of[i] = log2_of((UINT64_C(1) << 32) + (i << 32) / TREE_LOG_STEPS);
    t->log2_of[TREE_LOG_STEPS] = UINT64_C(1) << TREE_LOG_DIGITS;
}

static bool has_weights(const struct plan_node *n)
{
    for (const struct plan_node *i = n->items; i; i = i->next)
        if (i->weight.set)
            return true;
    return false;
}

static uint64_t share_of(const struct plan_node *group, const struct plan_node *item)
{
    if (group->kind == PLAN_POOL && !group->items->weight.set)
        return MILLION;
    if (item->weight.set)
        return item->weight.n > 0 ? (uint64_t)item->weight.n : 0;
    return group->kind == PLAN_PICK ? MILLION : 0;
}

/* --- targets and what is remembered of them --- */

static struct str name_of_target(struct buf *out, struct str upstream, struct str model)
{
    buf_clear(out);
    buf_add_str(out, upstream);
    buf_add(out, "", 1);
    buf_add_str(out, model);
    return buf_str(out);
}

static uint32_t add_target(struct tree *t, const struct plan_node *n, struct buf *name)
{
    bool is_new;
    struct map_entry *e = map_put(&t->names, name_of_target(name, n->upstream, n->model), &is_new);

    if (is_new) {
        e->value = t->targets.len;
        vec_push(&t->targets, ((struct policy_target){ n->upstream, n->model, n }));
        vec_push(&t->unit_of, POLICY_NONE);
    }
    return (uint32_t)e->value;
}

static uint32_t number_or(struct plan_value v, uint32_t unset)
{
    return !v.set || v.n < 0 ? unset : v.n > INT32_MAX ? INT32_MAX : (uint32_t)v.n;
}

static int64_t time_or(struct plan_value v, int64_t unset)
{
    return v.set && v.n > 0 ? v.n : unset;
}

/* What passes as a target's own fault where a configuration does not say. */
static void count_usual(struct plan_when *w)
{
    static const int statuses[] = { 408, 429 };

    plan_when_add_kinds(w, PLAN_KINDS_ALL &
                               ~(PLAN_KIND(STATUS) | PLAN_KIND(CONTEXT) | PLAN_KIND(CONTENT)));
    w->never = PLAN_KIND(CONTEXT) | PLAN_KIND(CONTENT);
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        plan_when_add_status(w, statuses[i]);
    plan_when_add_statuses(w, 500, PLAN_STATUS_MAX - 1);
}

/* What the gateways that have such a memory do if they are not told (gateways.md, part B), and
 * weir-config(5) for the breaker. */
static const struct {
    uint32_t failures, percent, minimum, most_percent;
    int64_t window_us, out_us;
} defaults[] = {
    [PLAN_MEMORY_NONE] = {0,  0,  0,  100, 0,                  0                 },
    [PLAN_MEMORY_COOLDOWN] = { 0, 51, 5,  100, 60 * US_PER_SECOND, 5 * US_PER_SECOND },
    [PLAN_MEMORY_EJECTION] = { 5, 0,  5,  10,  10 * US_PER_SECOND, 30 * US_PER_SECOND},
    [PLAN_MEMORY_RATIO] = { 0, 50, 5,  100, 60 * US_PER_SECOND, 30 * US_PER_SECOND},
    [PLAN_MEMORY_BREAKER] = { 0, 0,  10, 100, 60 * US_PER_SECOND, 15 * US_PER_SECOND},
};

/* LiteLLM's own rule (gateways.md, B.1): more than half of the calls of a minute; 401, 404, and 429
 * if there is another deployment, at once; a single one cools down for nothing else, and none for a
 * connection. */
static void set_cooldown(struct tree_unit *u, const struct plan_health *h, size_t hosts)
{
    static const int at_once[] = { 401, 404 };

    if (!h->counted.set)
        u->counted.kinds &= ~PLAN_KIND(CONNECT);
    for (size_t i = 0; i < ARRAY_LEN(at_once); i++) {
        plan_when_add_status(&u->counted, at_once[i]);
        plan_when_add_status(&u->at_once, at_once[i]);
    }
    if (hosts > 1)
        plan_when_add_status(&u->at_once, 429);
    else
        u->percent = 0;
}

static void set_health(struct tree_unit *u, const struct plan_health *h, size_t hosts)
{
    u->memory = h->memory;
    u->percent = number_or(h->percent, h->failures.set ? 0 : defaults[h->memory].percent);
    u->failures = number_or(h->failures, u->percent ? 0 : defaults[h->memory].failures);
    u->minimum = number_or(h->minimum, defaults[h->memory].minimum);
    u->probes = number_or(h->probes, 1);
    u->most_percent = number_or(h->most, defaults[h->memory].most_percent);
    u->in_a_row = !h->window.set || h->memory == PLAN_MEMORY_EJECTION;
    u->window_us = time_or(h->window, defaults[h->memory].window_us);
    u->out_us = time_or(h->out, defaults[h->memory].out_us);
    u->out_set = h->out.set;
    u->counted = h->counted;
    if (!h->counted.set)
        count_usual(&u->counted);
    if (h->memory == PLAN_MEMORY_COOLDOWN && !h->failures.set && !h->percent.set)
        set_cooldown(u, h, hosts);
}

static void set_slow(struct tree_unit *u, const struct plan_slow *slow)
{
    if (!slow->factor_percent.set || slow->factor_percent.n <= 100)
        return;
    u->slow_percent = number_or(slow->factor_percent, 0);
    u->slow_samples = number_or(slow->samples, 20);
    u->slow_window_us = time_or(slow->window, 60 * US_PER_SECOND);
}

/* The key says what is remembered: a window of another length begins anew. */
static uint64_t key_of(const struct tree *t, const struct tree_unit *u)
{
    const struct policy_target *target = &t->targets.ptr[u->target];
    uint64_t key = policy_key(target->upstream.ptr, target->upstream.len, 1);

    key = policy_key(target->model.ptr, target->model.len, key);
    key = tree_mix(key, (uint64_t)u->memory);
    return tree_mix(tree_mix(key, (uint64_t)u->window_us), (uint64_t)u->slow_window_us);
}

static void add_unit(struct tree *t, uint32_t number, const struct plan_route *route)
{
    struct tree_node *n = &t->nodes.ptr[number];
    struct tree_unit u = { .target = n->target, .group = number };
    uint32_t from = number;

    while (from != POLICY_NONE && t->nodes.ptr[from].plan->health.memory == PLAN_MEMORY_NONE)
        from = t->nodes.ptr[from].parent;
    set_slow(&u, &route->slow);
    if (from == POLICY_NONE && !u.slow_percent)
        return;
    u.group = from == POLICY_NONE || from == number ? n->parent : from;
    if (u.group == POLICY_NONE)
        u.group = number;
    if (from != POLICY_NONE)
        set_health(&u, &t->nodes.ptr[from].plan->health, t->nodes.ptr[u.group].plan->len);
    u.bucket_us = u.window_us >= HEALTH_BUCKETS ? u.window_us / HEALTH_BUCKETS : 1;
    u.half_us = u.slow_window_us > 1 ? u.slow_window_us / 2 : 1;
    u.key = key_of(t, &u);
    n->unit = (uint32_t)t->units.len;
    n->has_units = true;
    if (t->unit_of.ptr[n->target] == POLICY_NONE)
        t->unit_of.ptr[n->target] = n->unit;
    vec_push(&t->units, u);
}

/* --- nodes --- */

/* Whether calls that are streams (or not) have that timer. */
static bool has_timer(bool is_stream, int timer)
{
    if (is_stream)
        return timer != PLAN_TIMER_WHOLE;
    return timer != PLAN_TIMER_FIRST_TOKEN && timer != PLAN_TIMER_TOTAL;
}

static void set_times(struct tree_node *n, const struct plan_node *plan)
{
    for (int stream = 0; stream < 2; stream++)
        for (int i = 0; i < PLAN_TIMERS; i++) {
            bool has = has_timer(stream, i);
            n->attempt_us[stream][i] =
                has ? time_or(plan->attempt.of[i], PLAN_FOREVER) : PLAN_FOREVER;
            n->span_us[stream][i] = has ? time_or(plan->span.of[i], PLAN_FOREVER) : PLAN_FOREVER;
            n->has_span |= n->span_us[stream][i] < PLAN_FOREVER;
        }
}

/* Items of the same name in one group are not the same item. */
static uint64_t share_key_of(const struct plan_node *item, struct map *seen, struct buf *name)
{
    struct str text =
        item->kind == PLAN_TARGET ? name_of_target(name, item->upstream, item->model) : item->name;
    struct map_entry *e = map_put(seen, text, NULL);

    return policy_key(text.ptr, text.len, ++e->value);
}

static void add_items(struct tree *t, uint32_t parent, struct buf *name)
{
    const struct plan_node *group = t->nodes.ptr[parent].plan;
    CLEANUP(map_release) struct map seen = { 0 };

    t->nodes.ptr[parent].first = (uint32_t)t->nodes.len;
    t->nodes.ptr[parent].is_drawn = group->kind == PLAN_PICK || group->kind == PLAN_POOL ||
                                    (group->kind == PLAN_FALLBACK && has_weights(group));
    for (const struct plan_node *i = group->items; i; i = i->next) {
        struct tree_node n = {
            .plan = i,
            .kind = i->kind,
            .parent = parent,
            .depth = t->nodes.ptr[parent].depth + 1,
            .target = POLICY_NONE,
            .unit = POLICY_NONE,
        };
        if (t->nodes.ptr[parent].is_drawn) {
            n.share_key = share_key_of(i, &seen, name);
            n.share = share_of(group, i);
        }
        vec_push(&t->nodes, n);
        t->nodes.ptr[parent].count++;
    }
}

static int add_node(struct tree *t, uint32_t number, const struct plan_route *route,
                    struct buf *name, struct err *err)
{
    struct tree_node *n = &t->nodes.ptr[number];
    const struct plan_node *plan = n->plan;

    if (n->depth > PLAN_DEPTH_MAX)
        return err_set(err, ERR_LIMIT, "%.*s:%u:%u: groups within groups deeper than %d",
                       STR_ARG(plan->at.file), plan->at.line, plan->at.column, PLAN_DEPTH_MAX);
    set_times(n, plan);
    n->spans_here = n->has_span || (n->parent != POLICY_NONE && t->nodes.ptr[n->parent].spans_here);
    n->repetitions = number_or(plan->retry.count, 0);
    if (n->repetitions >= PLAN_ATTEMPTS_MAX)
        n->repetitions = PLAN_ATTEMPTS_MAX;
    if (n->kind != PLAN_TARGET) {
        add_items(t, number, name);
        return 0;
    }
    n->target = add_target(t, plan, name);
    add_unit(t, number, route);
    return 0;
}

static int add_route(struct tree *t, const struct plan_route *route, struct err *err)
{
    CLEANUP(buf_release) struct buf name = { 0 };
    uint32_t root = (uint32_t)t->nodes.len;

    assert(route->root);
    vec_push(&t->roots, root);
    vec_push(&t->nodes, ((struct tree_node){
                            .plan = route->root,
                            .kind = route->root->kind,
                            .parent = POLICY_NONE,
                            .target = POLICY_NONE,
                            .unit = POLICY_NONE,
                        }));
    for (uint32_t i = root; i < t->nodes.len; i++)
        if (add_node(t, i, route, &name, err) < 0)
            return -1;
    for (size_t i = t->nodes.len; i-- > root + 1;)
        t->nodes.ptr[t->nodes.ptr[i].parent].has_units |= t->nodes.ptr[i].has_units;
    return 0;
}

int tree_new(const struct plan *plan, struct tree **ret, struct err *err)
{
    CLEANUP(tree_free) struct tree *t = mem_calloc(1, sizeof(*t));

    t->plan = plan;
    make_logs(t);
    for (const struct plan_route *r = plan->routes; r; r = r->next)
        if (add_route(t, r, err) < 0)
            return -1;
    for (size_t i = 0; i < t->nodes.len; i++) {
        const struct tree_node *n = &t->nodes.ptr[i];
        vec_push(&t->shares, ((struct tree_share){
                                 .step = TREE_MIX_STEP * (n->share_key + 1),
                                 .of_one = n->share ? (UINT64_C(1) << 63) / n->share : 0,
                             }));
    }
    *ret = TAKE(t);
    return 0;
}

void tree_free(struct tree *t)
{
    if (!t)
        return;
    vec_release(&t->nodes);
    vec_release(&t->shares);
    vec_release(&t->units);
    vec_release(&t->targets);
    vec_release(&t->unit_of);
    vec_release(&t->roots);
    map_release(&t->names);
    free(t);
}

/* --- looking --- */

const struct plan *tree_plan(const struct tree *t)
{
    return t->plan;
}

uint32_t tree_root(const struct tree *t, uint32_t route)
{
    assert(route < t->roots.len);
    return t->roots.ptr[route];
}

size_t tree_route_count(const struct tree *t)
{
    return t->roots.len;
}

size_t tree_node_count(const struct tree *t)
{
    return t->nodes.len;
}

const struct tree_node *tree_node(const struct tree *t, uint32_t node)
{
    assert(node < t->nodes.len);
    return &t->nodes.ptr[node];
}

struct tree_arrays tree_arrays(const struct tree *t)
{
    return (struct tree_arrays){ t->nodes.ptr, t->units.ptr, t->shares.ptr, t->log2_of };
}

size_t tree_unit_count(const struct tree *t)
{
    return t->units.len;
}

const struct tree_unit *tree_unit(const struct tree *t, uint32_t unit)
{
    assert(unit < t->units.len);
    return &t->units.ptr[unit];
}

size_t tree_target_count(const struct tree *t)
{
    return t->targets.len;
}

const struct policy_target *tree_target(const struct tree *t, uint32_t target)
{
    assert(target < t->targets.len);
    return &t->targets.ptr[target];
}

uint32_t tree_target_find(const struct tree *t, struct str upstream, struct str model)
{
    char space[NAME_BYTES];
    CLEANUP(buf_release) struct buf name = { 0 };
    struct str text = { space, upstream.len + 1 + model.len };

    if (text.len > sizeof(space)) {
        text = name_of_target(&name, upstream, model);
    } else {
        if (upstream.len)
            memcpy(space, upstream.ptr, upstream.len);
        space[upstream.len] = '\0';
        if (model.len)
            memcpy(space + upstream.len + 1, model.ptr, model.len);
    }
    const struct map_entry *e = map_find(&t->names, text);
    return e ? (uint32_t)e->value : POLICY_NONE;
}

uint32_t tree_target_unit(const struct tree *t, uint32_t target)
{
    assert(target < t->unit_of.len);
    return t->unit_of.ptr[target];
}

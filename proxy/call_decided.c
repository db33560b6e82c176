/* A call under a policy: what of it is recorded, counted and told. */
#include "config.h"

#include <string.h>

#include "proxy/call_policy.h"
#include "proxy/shared_state.h"
#include "proxy/worker.h"

#define SAID_ATTEMPTS_MAX 8 /* of one call, whose decisions are remembered */

/* --- attempts --- */

static const struct proxy_upstream *upstream_of(const struct call_policy *p, uint32_t target)
{
    return target == POLICY_NONE ? p->upstream : p->conf->upstreams[target];
}

static uint64_t since_beginning(const struct call_policy *p)
{
    return loop_now_us(p->call->worker->loop) - p->call->recording.began_us;
}

static void add_attempt(struct call_policy *p, const struct call_attempt *a)
{
    if (p->attempt_count < CALL_POLICY_ATTEMPTS)
        p->attempts[p->attempt_count++] = *a;
    else if (p->attempt_count < EXCHANGE_STEPS_MAX) {
        vec_push(&p->more_attempts, *a);
        p->attempt_count++;
    }
}

/* Targets that were passed over since the last attempt. */
static void add_skipped(struct call_policy *p)
{
    for (; p->notes_seen < p->notes.count; p->notes_seen++) {
        const struct policy_decision *d = &p->notes.list[p->notes_seen];
        if (d->outcome != POLICY_SKIPPED || d->target == POLICY_NONE || !p->is_live)
            continue;
        add_attempt(
            p, &(struct call_attempt){ .upstream = upstream_of(p, d->target),
                                       .model = policy_target(p->conf->policy, d->target)->model,
                                       .is_skipped = true,
                                       .why = POLICY_SKIPPED,
                                       .start_us = since_beginning(p) });
    }
}

void call_decided_attempt(struct call_policy *p)
{
    uint32_t target = p->is_live ? p->steered.step.target : POLICY_NONE;

    add_skipped(p);
    add_attempt(p, &(struct call_attempt){ .upstream = upstream_of(p, target),
                                           .model = p->model,
                                           .why = p->steered.step.why,
                                           .start_us = since_beginning(p) });
}

void call_decided_attempt_ended(struct call_policy *p, const struct steer_end *end)
{
    struct call_attempt *a = call_policy_last_attempt(p);

    if (!a || a->duration_us)
        return;
    /* A request of which nothing left, and one that was refused, cost nothing. */
    p->may_cost |= p->call->anything_sent && end->failed &&
                   !(p->steered.has_head && p->steered.watch.status >= 400);
    a->status = p->steered.has_head ? p->steered.watch.status : 0;
    a->error = steered_error_class(&p->steered, end);
    a->duration_us = since_beginning(p) - a->start_us;
}

/* --- counting --- */

/* Which counter it is: what it is about and the words that go with it decide, and they are as many
 * as a configuration has rules and upstreams, of which few are in use. */
static size_t place_of(const void *about, uint32_t words)
{
    uint64_t hash = ((uint64_t)(uintptr_t)about ^ words) * UINT64_C(0x9e3779b97f4a7c15);

    return hash >> 32 & (PROXY_COUNTERS - 1);
}

static bool is_counter_of(const struct proxy_counter *c, const void *about, uint32_t words)
{
    return c->about == about && c->words == words;
}

static uint32_t words_of(const struct policy_decision *d)
{
    return (uint32_t)d->outcome << 8 | (uint32_t)d->mode;
}

static void count_decision(const struct call_policy *p, const struct policy_decision *d)
{
    struct shared_state *s = p->call->worker->shared;
    const struct policy_rule *rule = policy_rule(p->conf->policy, d->rule);
    uint32_t words = words_of(d);
    struct proxy_counter *place = &p->conf->counters[place_of(rule, words)];

    if (!is_counter_of(place, rule, words)) {
        const struct str values[SHARED_LABELS] = {
            rule->id,
            str_from(policy_outcome_names[d->outcome]),
            str_from(plan_mode_names[d->mode]),
        };
        *place = (struct proxy_counter){ rule, words,
                                         shared_state_counter(s, SHARED_DECISIONS, values) };
    }
    shared_state_count(s, place->counter);
}

static struct proxy_tried *tried_of(const struct call_policy *p, const struct call_attempt *a,
                                    uint32_t *ret_words)
{
    *ret_words =
        (uint32_t)a->status << 18 | (uint32_t)a->why << 8 | (uint32_t)a->error << 1 | a->is_skipped;
    return &p->conf->tried[place_of(a->upstream, *ret_words)];
}

static void prepare_begin(const struct call_attempt *a, struct proxy_tried *place)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct exchange_attempt as = { .upstream = a->upstream->name,
                                   .skipped = a->is_skipped,
                                   .status = a->status,
                                   .error_class = a->error };

    exchange_attempt_begin_to_json(&as, &text);
    place->begin_len = text.len <= sizeof(place->begin) ? (uint8_t)text.len : 0;
    if (place->begin_len)
        memcpy(place->begin, text.ptr, text.len);
}

static void count_attempt(const struct call_policy *p, const struct call_attempt *a)
{
    struct shared_state *s = p->call->worker->shared;
    uint32_t words;
    struct proxy_tried *place = tried_of(p, a, &words);

    if (!is_counter_of(&place->as, a->upstream, words)) {
        const struct str values[SHARED_LABELS] = {
            a->upstream->name,
            str_from(policy_outcome_names[a->why]),
            a->is_skipped ? STR("skipped")
            : a->error    ? str_from(error_class_name(a->error))
                          : STR("ok"),
        };
        place->as = (struct proxy_counter){ a->upstream, words,
                                            shared_state_counter(s, SHARED_ATTEMPTS, values) };
        prepare_begin(a, place);
    }
    shared_state_count(s, place->as.counter);
}

static bool is_same(const struct policy_decision *a, const struct policy_decision *b)
{
    return a->rule == b->rule && a->target == b->target && a->mode == b->mode &&
           a->outcome == b->outcome && a->value == b->value && a->bound == b->bound;
}

static struct proxy_said *said_of(const struct call_policy *p, const struct policy_decision *d)
{
    uint32_t words = d->rule * 31 + d->target * 7 + (uint32_t)d->outcome * 3 + (uint32_t)d->value;

    return &p->conf->said[words & (PROXY_SAID - 1)];
}

static void count_all(struct call_policy *p)
{
    for (size_t i = 0; i < p->notes.count; i++) {
        const struct policy_decision *d = &p->notes.list[i];
        const struct proxy_said *said = said_of(p, d);
        if (said->json.ptr && is_same(&said->made, d))
            shared_state_count(p->call->worker->shared, said->counter);
        else
            count_decision(p, d);
    }
    for (size_t i = 0; i < p->attempt_count; i++)
        count_attempt(p, call_policy_attempt(p, i));
}

/* --- the record --- */

/* They have been counted. */
static void fill_attempts(struct call_policy *p, struct exchange *x)
{
    struct exchange_attempt *to =
        arena_alloc(&p->call->worker->arena, (p->attempt_count + 1) * sizeof(*to));

    for (size_t i = 0; i < p->attempt_count; i++) {
        const struct call_attempt *a = call_policy_attempt(p, i);
        uint32_t words;
        const struct proxy_tried *counted = tried_of(p, a, &words);
        bool is_first = a->why == POLICY_FIRST || a->is_skipped;
        to[i] = (struct exchange_attempt){
            .upstream = a->upstream->name,
            .model = a->model,
            .skipped = a->is_skipped,
            .status = a->status,
            .error_class = a->error,
            .start_us = (int64_t)a->start_us,
            .duration_us = a->is_skipped ? -1 : (int64_t)a->duration_us,
            .bytes = a->bytes,
            .rule = is_first ? STR("") : str_from(policy_outcome_names[a->why]),
        };
        if (!a->model.len && is_counter_of(&counted->as, a->upstream, words))
            to[i].begin = (struct str){ counted->begin, counted->begin_len };
    }
    x->attempts = to;
    x->attempt_count = p->attempt_count;
}

/* "up-b gpt-5", "602 of 600": what came instead, or how far beyond. */
static struct str detail_of(struct call_policy *p, const struct policy_decision *d)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (d->outcome == POLICY_INSTEAD)
        buf_add_str(&text, policy_class_model(p->class));
    if (d->target != POLICY_NONE) {
        const struct policy_target *t = policy_target(p->conf->policy, d->target);
        buf_add_str(&text, t->upstream);
        buf_add_text(&text, t->model.len ? " " : "");
        buf_add_str(&text, t->model);
    }
    if (d->value || d->bound) {
        buf_add_text(&text, text.len ? ", " : "");
        buf_add_int(&text, d->value);
        buf_add_text(&text, " of ");
        buf_add_int(&text, d->bound);
    }
    return arena_str(&p->call->worker->arena, buf_str(&text));
}

static void fill_upstream(const struct call_policy *p, struct exchange *x)
{
    const struct proxy_upstream *u = p->call->upstream;

    if (u == p->upstream)
        return;
    x->upstream = u->name;
    x->arm = u->arm;
    x->scheme = u->tls ? STR("https") : STR("http");
    x->host = u->authority;
}

/* --- the record: decisions --- */

/* Of attempts there are few: what differs is their place among a call's. */
static bool is_usual(const struct policy_decision *d)
{
    bool is_attempt = d->outcome == POLICY_FIRST || d->outcome == POLICY_RETRY ||
                      d->outcome == POLICY_FALLBACK || d->outcome == POLICY_PROBE;

    return is_attempt && d->value <= SAID_ATTEMPTS_MAX && !d->bound;
}

/* It has been counted. */
static void remember(const struct call_policy *p, const struct policy_decision *d,
                     const struct exchange_decision *as)
{
    CLEANUP(buf_release) struct buf json = { 0 };
    struct proxy_said *said = said_of(p, d);
    const struct policy_rule *rule = policy_rule(p->conf->policy, d->rule);
    uint32_t words = words_of(d);
    const struct proxy_counter *counted = &p->conf->counters[place_of(rule, words)];

    if (said->json.ptr || !is_counter_of(counted, rule, words))
        return;
    exchange_decision_to_json(as, &json);
    *said = (struct proxy_said){ *d, counted->counter,
                                 arena_str(&p->conf->said_texts, buf_str(&json)) };
}

static void fill_decisions(struct call_policy *p, struct exchange *x)
{
    struct exchange_decision *to =
        arena_alloc(&p->call->worker->arena, (p->notes.count + 1) * sizeof(*to));

    for (size_t i = 0; i < p->notes.count; i++) {
        const struct policy_decision *d = &p->notes.list[i];
        const struct proxy_said *said = said_of(p, d);
        if (said->json.ptr && is_same(&said->made, d)) {
            to[i].json = said->json;
            continue;
        }
        to[i] = (struct exchange_decision){
            .rule = policy_rule(p->conf->policy, d->rule)->id,
            .mode = str_from(plan_mode_names[d->mode]),
            .outcome = str_from(policy_outcome_names[d->outcome]),
            .detail = detail_of(p, d),
        };
        if (is_usual(d))
            remember(p, d, &to[i]);
    }
    x->decisions = to;
    x->decision_count = p->notes.count;
}

/* Refusals and warnings; where calls go is in the record only. */
static void log_decisions(const struct call_policy *p)
{
    struct worker *w = p->call->worker;

    for (size_t i = 0; i < p->notes.count; i++) {
        const struct policy_decision *d = &p->notes.list[i];
        if (d->mode < PLAN_MODE_WARN || d->outcome > POLICY_SOFT_BUDGET)
            continue;
        log_event(&w->log, LOG_LEVEL_WARN, loop_wall_us(w->loop), "policy",
                  LOG_STR("exchange", str_from(p->call->trace.exchange_id)),
                  LOG_STR("rule", policy_rule(p->conf->policy, d->rule)->id),
                  LOG_STR("mode", str_from(plan_mode_names[d->mode])),
                  LOG_STR("outcome", str_from(policy_outcome_names[d->outcome])));
    }
}

struct str call_policy_warnings(struct call_policy *p)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    for (size_t i = 0; i < p->notes.count; i++) {
        const struct policy_decision *d = &p->notes.list[i];
        bool is_soft = d->outcome == POLICY_SOFT_BUDGET && d->mode >= PLAN_MODE_WARN;
        if ((d->mode != PLAN_MODE_WARN && !is_soft) || d->outcome > POLICY_SOFT_BUDGET)
            continue;
        buf_addf(&text, "%s; rule=%.*s; outcome=%s", text.len ? ", warn" : "warn",
                 STR_ARG(policy_rule(p->conf->policy, d->rule)->id),
                 policy_outcome_names[d->outcome]);
    }
    return text.len ? arena_str(&p->arena, buf_str(&text)) : STR("");
}

/* --- the end --- */

void call_decided_read_used(struct call_policy *p, struct str whole, struct policy_used *ret)
{
    const struct proxy_call *call = p->call;
    struct call_used_of of = {
        .request = call->request,
        .answer = http1_head(call->answer),
        .known = call_policy_recognise(p),
        .whole = whole,
        .prices = p->conf->prices,
        .shapes = p->conf->shapes,
        .arena = &p->call->worker->arena,
        .facts = p->conf->facts,
        .at_us = call_policy_now(p),
    };

    call_used_read(&p->used, &of, ret);
}

static void read_used(struct call_policy *p, enum error_class error, struct policy_used *ret)
{
    const struct proxy_call *call = p->call;
    bool may_cost = p->walks ? p->may_cost : call->anything_sent;

    *ret = p->was_sent && (may_cost || error == ERROR_CLASS_NONE) ? (struct policy_used){ -1, -1 }
                                                                  : (struct policy_used){ 0 };
    if (!p->used.is_on || !p->was_sent || error != ERROR_CLASS_NONE || !call->answer_done)
        return;
    if (p->is_used_read)
        *ret = p->used_read;
    else
        call_decided_read_used(p, STR(""), ret);
}

/* An attempt that nobody waits for any more: the caller has left, or is at fault. */
static void end_walk(struct call_policy *p, struct policy_state *state, enum error_class error)
{
    struct steer_end end = steered_lost(&p->steered);
    bool is_ours = error == ERROR_CLASS_CLIENT_GONE || error == ERROR_CLASS_DENIED;

    p->may_cost |= p->call->anything_sent;
    if (is_ours || p->call->state == CALL_WAIT) {
        steered_abandon(&p->steered, state, call_policy_now(p));
        end.failed = false;
    } else {
        steered_ended(&p->steered, state, &end, call_policy_now(p), &p->notes);
    }
    call_decided_attempt_ended(p, &end);
    if (is_ours && p->attempt_count)
        call_policy_last_attempt(p)->error = error;
}

void call_policy_end(struct proxy_call *call, enum error_class error, struct exchange *x)
{
    struct call_policy *p = call->policy;
    struct policy_used used;
    struct policy_state *state;

    loop_defer_cancel(call->worker->loop, &p->task);
    if (call_policy_is_walking(p) && !p->ended_well) {
        state = call_policy_lock(p);
        end_walk(p, state, error);
        call_policy_unlock(p);
    }
    read_used(p, error, &used);
    state = call_policy_lock(p);
    if (p->ended_well) {
        struct steer_end end = steered_good(&p->steered);
        steered_ended(&p->steered, state, &end, call_policy_now(p), &p->notes);
        call_decided_attempt_ended(p, &end);
    }
    if (p->has_claims)
        policy_settle(p->conf->policy, state, &p->claims, &used, call_policy_now(p));
    p->has_claims = false;
    add_skipped(p);
    count_all(p);
    call_policy_unlock(p);
    log_decisions(p);
    fill_attempts(p, x);
    fill_decisions(p, x);
    fill_upstream(p, x);
}

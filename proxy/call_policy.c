/* A call under a policy: its request, and what is decided of it. */
#include "config.h"

#include "proxy/call_policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "capture/attribution.h"
#include "proxy/call_cutover.h"
#include "proxy/call_scrub.h"
#include "proxy/denial.h"
#include "proxy/names.h"

#define SPARES_MAX 256
#define CACHE_LINE 64 /* bytes; the fields of struct call_policy are put by it */

/* True: the path says something of the model, or asks for a stream. */
static bool recognise_path(struct call_policy *p)
{
    bool asks;

    p->known_for = p->call->upstream;
    p->known =
        proxy_policy_recognise(p->conf, p->known_for, p->call->request->method, p->bare, &asks);
    p->known_at = p->conf->recognised_anew;
    return asks;
}

const struct recognition *call_policy_recognise_anew(struct call_policy *p)
{
    recognise_path(p);
    return p->known;
}

/* --- who asks, and for what --- */

static struct str keep_text(struct call_policy *p, struct str text)
{
    return text.len ? arena_str(&p->arena, text) : STR("");
}

static void take_who(struct call_policy *p, const struct exchange_who *who)
{
    p->subject.app = keep_text(p, who->app);
    p->subject.team = keep_text(p, who->team);
    p->subject.business_unit = keep_text(p, who->business_unit);
    p->user = keep_text(p, who->end_user);
}

static struct call_policy *new_room(void)
{
    size_t bytes = (sizeof(struct call_policy) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);

    return memset(mem_check(aligned_alloc(CACHE_LINE, bytes)), 0, bytes);
}

static struct call_policy *new_policy(struct proxy_call *call)
{
    struct worker *w = call->worker;
    struct call_policy *p = w->policies;

    if (p)
        w->policies = p->next_spare;
    else
        p = new_room();
    w->spare_policies -= w->spare_policies > 0;
    memset(p, 0, offsetof(struct call_policy, arena));
    p->used.is_on = p->used.is_unknown = p->used.in_events = false;
    p->claims.count = 0;
    p->notes.count = p->notes.dropped = 0;
    p->call = call;
    p->conf = call->conf->policy;
    p->upstream = call->upstream;
    ptrdiff_t query = str_find_char(call->rest, '?', 0);
    p->rest = call->rest;
    p->bare = query < 0 ? call->rest : str_sub(call->rest, 0, (size_t)query);
    p->subject.upstream = call->upstream->name;
    p->subject.api = call->upstream->api;
    if (call->client_key)
        p->subject.role = call->client_key->role;
    const struct exchange_who *kept = call_cutover_who(call);
    take_who(p, kept ? kept : &call->worker->exchange.who);
    return p;
}

static void release(struct worker *w, struct call_policy *p)
{
    struct buf *bufs[] = { &p->kept, &p->tail, &p->path, &p->held, &p->used.first, &p->used.last };

    loop_timer_cancel(w->loop, &p->timer);
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        buf_release(bufs[i]);
    vec_release(&p->more_attempts);
    arena_release(&p->arena);
    free(p);
}

/* Of what it holds; the rest is cleared where the next call begins, which writes to it. */
static void clear(struct worker *w, struct call_policy *p)
{
    struct buf *bufs[] = { &p->kept, &p->tail, &p->path, &p->held, &p->used.first, &p->used.last };

    p->call = NULL;
    if (p->arena.total_bytes)
        arena_reset(&p->arena);
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        if (bufs[i]->ptr)
            worker_take_back(w, bufs[i]);
    vec_clear(&p->more_attempts);
}

void call_policy_free(struct call_policy *p)
{
    if (!p)
        return;
    struct worker *w = p->call->worker;

    loop_defer_cancel(w->loop, &p->task);
    w->held_bytes -= p->body.len;
    steered_release(&p->steered);
    codec_close(p->used.codec);
    p->used.codec = NULL;
    policy_class_unref(p->class);
    if (w->spare_policies >= SPARES_MAX) {
        release(w, p);
        return;
    }
    clear(w, p);
    p->next_spare = w->policies;
    w->policies = p;
    w->spare_policies++;
}

void call_policy_free_spares(struct worker *w)
{
    for (struct call_policy *p = w->policies, *next; p; p = next) {
        next = p->next_spare;
        release(w, p);
    }
    w->policies = NULL;
}

/* What the body says, with its encoding undone.  False: it cannot be read. */
static bool read_body(struct call_policy *p)
{
    const struct http1_head *head = p->call->request;
    struct str encoding = names_value(head, NAME_CODING), body = p->body;
    CLEANUP(buf_release) struct buf plain = { 0 };
    CLEANUP(codec_close) struct codec *codec = NULL;
    struct err err;

    if (encoding.len && !str_ieq(encoding, STR("identity"))) {
        if (codec_open(encoding, &codec, &err) < 0 ||
            codec_decode(codec, body, CALL_POLICY_BODY_BYTES, &plain, &err) < 0 ||
            (!p->is_over && !codec_is_complete(codec)))
            return false;
        body = arena_str(&p->arena, buf_str(&plain));
    }
    asked_read_body(body, names_value(head, NAME_TYPE), &p->arena, &p->asked);
    if (codec) /* what is found is not where it is sent */
        p->asked.body_len = 0;
    return true;
}

/* --- deciding --- */

/* Where every target is out of use nobody refused the call: that is how they failed it, and counts
 * as a failure wherever failures are counted. */
static enum error_class class_of(struct call_policy *p, enum denial_kind kind)
{
    if (kind != DENIAL_UNAVAILABLE)
        return ERROR_CLASS_DENIED;
    for (size_t i = p->attempt_count; i > 0; i--) {
        const struct call_attempt *a = call_policy_attempt(p, i - 1);
        if (!a->is_skipped && a->error != ERROR_CLASS_NONE)
            return a->error;
    }
    return ERROR_CLASS_OVERLOADED;
}

void call_policy_deny(struct call_policy *p, const struct policy_admission *a)
{
    static const enum denial_kind kinds[] = {
        [POLICY_NO_ACCESS] = DENIAL_ACCESS,
        [POLICY_NO_LIMIT] = DENIAL_LIMIT,
        [POLICY_NO_CONCURRENCY] = DENIAL_CONCURRENCY,
        [POLICY_NO_BUDGET] = DENIAL_BUDGET,
    };
    CLEANUP(buf_release) struct buf body = { 0 };
    struct denial denial = { 0 };
    struct denial_why why = { .api = p->upstream->api,
                              .model = p->asked.model,
                              .retry_after_us = a->retry_after_us };

    if (a->rule != POLICY_NONE)
        why.rule = policy_rule(p->conf->policy, a->rule)->id;
    why.kind = a->verdict != POLICY_GO ? kinds[a->verdict]
               : p->walks              ? DENIAL_UNAVAILABLE
                                       : DENIAL_UNREADABLE;
    denial_make(&why, &denial, &body);
    call_deny(p->call, &denial.reply, buf_str(&body), class_of(p, why.kind));
}

/* A model that cannot be told for sure would be a way past every access rule. */
static bool is_evasive(const struct call_policy *p, bool was_read)
{
    bool has_body = p->call->request->framing != HTTP1_NO_BODY && !p->asked.path_len;

    return p->body_is == CALL_POLICY_HELD && policy_plan(p->conf->policy)->access && has_body &&
           (p->is_over || !was_read || p->asked.is_ambiguous) &&
           policy_class_mode(p->class) == PLAN_MODE_ENFORCE;
}

static uint32_t target_asked(const struct call_policy *p)
{
    uint32_t target = policy_target_find(p->conf->policy, p->upstream->name, p->subject.model);

    return target != POLICY_NONE ? target
                                 : policy_target_find(p->conf->policy, p->upstream->name, STR(""));
}

/* The call's identifier was made of random bytes, of which these are. */
static uint64_t random_seed(const struct proxy_call *call)
{
    uint64_t seed;

    memcpy(&seed, call->trace.id.bytes + sizeof(call->trace.id.bytes) - sizeof(seed), sizeof(seed));
    return seed;
}

/* 0 = shares need not be kept by anything. */
static uint64_t sticky_of(const struct call_policy *p)
{
    struct str user = p->user.len ? p->user : p->asked.user, app = p->subject.app;

    return user.len ? policy_key(user.ptr, user.len, policy_key(app.ptr, app.len, 0)) : 0;
}

static void begin_walk(struct call_policy *p, struct policy_state *state)
{
    enum plan_mode mode = policy_class_route_mode(p->class);
    struct steer_call call = {
        .route = policy_class_route(p->class),
        .mode = mode,
        .asked = mode == PLAN_MODE_ENFORCE ? POLICY_NONE : target_asked(p),
        .sticky = sticky_of(p),
        .seed = random_seed(p->call),
        .is_stream = p->asked.is_stream,
        .may_repeat = p->body_is == CALL_POLICY_HELD || p->call->request->framing == HTTP1_NO_BODY,
    };

    p->walks = true;
    p->is_live = call.mode == PLAN_MODE_ENFORCE;
    steered_begin(&p->steered, p->conf->policy, state, &call, call_policy_now(p), &p->notes);
}

/* Whether what the walk decides can be done: the request must be at hand. */
static bool can_walk(const struct call_policy *p)
{
    bool has_body = p->call->request->framing != HTTP1_NO_BODY;
    bool at_hand = p->body_is == CALL_POLICY_HELD && (p->asked.path_len || p->asked.body_len);

    return policy_class_route(p->class) != POLICY_NONE && !p->is_over &&
           (at_hand || !has_body || policy_class_route_mode(p->class) != PLAN_MODE_ENFORCE);
}

/* Another model is to be asked for, and there is no place to write it. */
static bool cannot_replace(const struct call_policy *p)
{
    return policy_class_model(p->class).len &&
           (p->is_over || (!p->asked.path_len && !p->asked.body_len));
}

static void admit(struct call_policy *p, struct policy_admission *ret)
{
    struct policy_ask ask = {
        .now_us = call_policy_now(p),
        .input_tokens =
            (int64_t)(p->body.len > p->call->request_bytes ? p->body.len : p->call->request_bytes),
        .output_tokens = p->asked.output_tokens,
        .holder = (uint32_t)p->call->worker->number,
    };
    struct policy_state *state = call_policy_lock(p);

    policy_admit(p->conf->policy, state, p->class, &ask, &p->claims, &p->notes, ret);
    p->has_claims = ret->verdict == POLICY_GO && p->claims.count;
    if (ret->verdict == POLICY_GO && can_walk(p))
        begin_walk(p, state);
    call_policy_unlock(p);
}

/* True: the call is refused. */
static bool decide(struct call_policy *p)
{
    struct policy_admission a = { .rule = POLICY_NONE };
    bool was_read = !p->body.len || read_body(p);

    p->is_decided = true;
    call_scrub_who(p->call, &p->subject, &p->user);
    p->subject.model = p->asked.model;
    p->class = policy_class_ref(policy_resolve(p->conf->cache, &p->subject));
    if (is_evasive(p, was_read) || cannot_replace(p)) {
        call_policy_deny(p, &a);
        return true;
    }
    admit(p, &a);
    p->model = policy_class_model(p->class);
    p->used.is_on = p->has_claims && policy_class_counts_tokens(p->class);
    if (a.verdict != POLICY_GO)
        call_policy_deny(p, &a);
    return a.verdict != POLICY_GO;
}

/* --- the request --- */

/* What is to be done with the body, by what is known before it.  False: no rule is in use for this
 * application. */
static bool body_for(struct call_policy *p, enum call_policy_body *ret)
{
    enum plan_mode mode = policy_plan(p->conf->policy)->mode;
    bool asks = p->conf->asks_model || attribution_needs_body(p->call->conf->conf->attribution);

    if (!asks || !p->conf->is_of_one_mode) { /* else it is the same for all */
        p->subject.model = p->asked.model;
        const struct policy_class *c = policy_resolve(p->conf->cache, &p->subject);
        asks = asks || policy_class_route(c) != POLICY_NONE;
        mode = policy_class_mode(c);
    }
    if (!asks)
        *ret = CALL_POLICY_PASSES;
    else if (p->conf->enforces && mode == PLAN_MODE_ENFORCE)
        *ret = CALL_POLICY_HELD;
    else
        *ret = CALL_POLICY_SEEN;
    return mode != PLAN_MODE_OFF;
}

/* True: it is on its way, or refused; else it goes as it would without a policy. */
static bool go(struct call_policy *p)
{
    if (p->walks && p->is_live) {
        call_walk_step(p);
        return true;
    }
    p->was_sent = true;
    if (p->walks)
        call_walk_watch(p);
    if (p->body_is != CALL_POLICY_HELD && !p->model.len)
        return false;
    call_walk_send(p, p->upstream);
    return true;
}

bool call_policy_begin(struct proxy_call *call)
{
    struct call_policy *p;

    if (!call->conf->policy || !call->worker->shared)
        return false;
    p = call->policy = new_policy(call);
    if (recognise_path(p))
        asked_read_path(p->rest, &p->arena, &p->asked);
    if (!body_for(p, &p->body_is)) {
        call_policy_free(p);
        call->policy = NULL;
        return false;
    }
    if (call->request->framing != HTTP1_NO_BODY && p->body_is != CALL_POLICY_PASSES) {
        if (p->body_is == CALL_POLICY_HELD)
            call_hold_request(call);
        return p->body_is == CALL_POLICY_HELD;
    }
    return decide(p) || go(p);
}

/* What was held goes out, and the rest as it comes. */
static void let_go(struct call_policy *p)
{
    struct proxy_call *call = p->call;

    p->body_is = CALL_POLICY_PASSES;
    p->was_sent = true;
    call_begin_upstream(call);
    call_send_body(call, p->body);
    call->worker->held_bytes -= p->body.len;
    p->body = STR("");
    buf_release(&p->kept);
}

static bool is_within(struct str s, struct str all)
{
    return s.len && (uintptr_t)s.ptr - (uintptr_t)all.ptr < all.len;
}

void call_policy_move_body(struct call_policy *p, const char *to)
{
    struct str *read[] = { &p->asked.model, &p->asked.user, &p->subject.model };

    for (size_t i = 0; i < ARRAY_LEN(read); i++)
        if (is_within(*read[i], p->body))
            read[i]->ptr = to + (read[i]->ptr - p->body.ptr);
    p->body.ptr = to;
    p->body_is_lent = p->body_leaves = false;
}

static void copy_body(struct call_policy *p)
{
    if (!p->kept.ptr)
        p->kept = worker_lend(p->call->worker);
    buf_add_str(&p->kept, p->body);
    call_policy_move_body(p, p->kept.ptr);
}

void call_policy_keep_request(struct proxy_call *call)
{
    if (call->policy && call->policy->body_is_lent)
        copy_body(call->policy);
}

bool call_policy_keep_leaving(struct call_policy *p, size_t n)
{
    struct proxy_call *call = p->call;

    if (n < call->out.len) {
        copy_body(p);
        return false;
    }
    if (p->kept.ptr)
        buf_release(&p->kept);
    p->kept = call->out;
    p->body_leaves = false;
    call->out = (struct buf){ 0 };
    return true;
}

/* A piece at a time: most bodies are one, and copied but to where they leave. */
static bool hold_body(struct call_policy *p, struct str bytes)
{
    struct worker *w = p->call->worker;

    if (p->body.len + bytes.len > CALL_POLICY_BODY_BYTES ||
        w->held_bytes + bytes.len > CALL_HELD_BYTES_MAX) {
        p->is_over = true;
        return false;
    }
    w->held_bytes += bytes.len;
    if (!p->body.len) {
        p->body = bytes;
        p->body_is_lent = true;
        if (!p->call->is_lent)
            copy_body(p);
        return true;
    }
    call_policy_keep_request(p->call);
    buf_add_str(&p->kept, bytes);
    p->body = buf_str(&p->kept);
    return true;
}

bool call_policy_request_body(struct proxy_call *call, struct str bytes)
{
    struct call_policy *p = call->policy;

    if (p->is_decided || p->body_is == CALL_POLICY_PASSES)
        return false;
    if (p->is_over || hold_body(p, bytes))
        return p->body_is == CALL_POLICY_HELD;
    if (p->body_is != CALL_POLICY_HELD)
        return false;
    if (decide(p))
        return true;
    let_go(p);
    return false;
}

bool call_policy_request_end(struct proxy_call *call, const struct http1_header *trailers,
                             size_t count)
{
    struct call_policy *p = call->policy;

    if (p->is_decided || p->body_is == CALL_POLICY_PASSES)
        return false;
    if (p->body_is == CALL_POLICY_HELD && call->request->framing == HTTP1_CHUNKED)
        http1_write_last_chunk(&p->tail, trailers, count);
    return decide(p) || go(p);
}

#include "config.h"

#include "proxy/call_cutover.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/jscan.h"
#include "policy/cutover.h"
#include "proxy/call_policy.h"

#define UNIT_DOMAIN "cutover"
#define UNIT_MARK   "weir:" /* as credentials are marked in a record */

struct call_cutover {
    struct arena arena;
    /* As the head says it, kept for the body's end. */
    struct exchange_who who;
    struct str key_id;
    bool holds, is_over; /* over: more than may be held */
    struct buf body;
    /* What was decided. */
    const struct proxy_upstream *asked;
    int64_t epoch; /* 0 = the call is not part of a cutover any more */
    int32_t share;
    char unit[FINGERPRINT_TEXT_BYTES];
};

/* --- keys --- */

static struct str header_of(const struct http1_head *head, struct str name)
{
    const struct http1_header *h = http1_find(head, name);

    return h ? str_trim(h->value) : STR("");
}

static bool is_in_body(struct cutover_key key)
{
    return key.kind == CUTOVER_KEY_USER || key.kind == CUTOVER_KEY_METADATA;
}

/* What was held, with its encoding undone; "" = it cannot be read. */
static struct str open_body(struct proxy_call *call, struct buf *plain)
{
    struct call_cutover *c = call->cutover;
    struct str encoding = header_of(call->request, STR("content-encoding"));
    CLEANUP(codec_close) struct codec *codec = NULL;
    struct err err;

    if (c->is_over)
        return STR("");
    if (!encoding.len || str_ieq(encoding, STR("identity")))
        return buf_str(&c->body);
    if (codec_open(encoding, &codec, &err) < 0 ||
        codec_decode(codec, buf_str(&c->body), CALL_POLICY_BODY_BYTES, plain, &err) < 0 ||
        !codec_is_complete(codec))
        return STR("");
    return buf_str(plain);
}

/* Whom the body is for, in whatever words its provider has for that. */
static void add_user(const struct proxy_call *call, struct str body, struct buf *out)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct call_facts *facts = mem_calloc(1, sizeof(*facts)); /* 7 KB */
    struct call asked = { .method = call->request->method,
                          .host = call->upstream->authority,
                          .path = call->rest,
                          .request_body = body,
                          .response_body_missing = true };

    call_read(&asked, &arena, facts);
    buf_add_str(out, facts->end_user);
    free(facts);
}

static void add_member(struct jscan *s, struct str name, struct buf *out)
{
    CLEANUP(buf_release) struct buf plain = { 0 };
    struct str key, raw;

    if (jscan_peek(s) != JSCAN_OBJECT || !jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key)) {
        buf_clear(&plain);
        jscan_unescape(key, &plain);
        if (!str_eq(buf_str(&plain), name) || jscan_peek(s) != JSCAN_STRING || out->len)
            jscan_skip(s);
        else if (jscan_string_raw(s, &raw, NULL))
            jscan_unescape(raw, out);
    }
}

/* As the providers call it: OpenAI's and Anthropic's, Bedrock's, Gemini's. */
static void add_metadata(struct str body, struct str name, struct buf *out)
{
    struct jscan s;
    struct str key;

    jscan_init(&s, body);
    if (!jscan_enter_object(&s))
        return;
    while (jscan_next_member(&s, &key))
        if (str_eq(key, STR("metadata")) || str_eq(key, STR("requestMetadata")) ||
            str_eq(key, STR("labels")))
            add_member(&s, name, out);
        else
            jscan_skip(&s);
}

/* Adds what tells the caller apart: nothing if there is no such thing. */
static void add_key(struct proxy_call *call, struct cutover_key key, struct buf *out)
{
    CLEANUP(buf_release) struct buf plain = { 0 };

    switch (key.kind) {
    case CUTOVER_KEY_HEADER:
        buf_add_str(out, header_of(call->request, key.name));
        break;
    case CUTOVER_KEY_USER:
        add_user(call, open_body(call, &plain), out);
        break;
    case CUTOVER_KEY_METADATA:
        add_metadata(open_body(call, &plain), key.name, out);
        break;
    case CUTOVER_KEY_KEY_ID:
        buf_add_str(out, call->cutover->key_id);
        break;
    case CUTOVER_KEY_ADDRESS:
        buf_add_text(out, call->address);
        break;
    case CUTOVER_KEY_REQUEST:
        buf_add_text(out, call->trace.exchange_id);
        break;
    }
}

/* --- deciding --- */

static void make_unit(struct proxy_call *call, struct str app, struct str key)
{
    CLEANUP(buf_release) struct buf both = { 0 };

    buf_add_str(&both, app);
    buf_add_byte(&both, '\0');
    buf_add_str(&both, key);
    key_fingerprint(&call->worker->key, UNIT_DOMAIN, buf_str(&both), call->cutover->unit);
}

static void decide(struct proxy_call *call, const struct cutover_app *a)
{
    const struct proxy_upstream *gateway = proxy_conf_upstream(call->conf, a->gateway);
    struct call_cutover *c = call->cutover;
    CLEANUP(buf_release) struct buf key = { 0 };
    struct proxy_stats *stats = call->worker->stats;

    c->epoch = (int64_t)call->worker->cutover->epoch;
    c->share = a->share;
    add_key(call, a->key, &key);
    if (key.len)
        make_unit(call, a->app, buf_str(&key));
    /* The parent saw to it that there is one: but for a configuration that a worker could not take.
     */
    if (gateway && cutover_moves(a, buf_str(&key))) {
        call->upstream = gateway;
        call->is_foreign = !proxy_upstream_may_have_key(gateway, c->asked);
        stats->cutover_calls_gateway++;
    } else {
        stats->cutover_calls_direct++;
    }
}

/* --- at the door --- */

static void fill(const struct proxy_call *call, struct exchange *x)
{
    const struct call_cutover *c = call->cutover;

    x->cutover_epoch = c->epoch;
    x->cutover_share = c->share;
    x->cutover_unit = str_from(c->unit);
    if (call->upstream == c->asked)
        return;
    x->upstream = call->upstream->name;
    x->arm = call->upstream->arm;
    x->scheme = call->upstream->tls ? STR("https") : STR("http");
    x->host = call->upstream->authority;
}

/* In the record, the header that tells callers apart says no more than the unit. */
static void hide_header(struct worker *w, struct str name, struct exchange *x)
{
    CLEANUP(buf_release) struct buf mark = { 0 };
    struct str shown;

    buf_addf(&mark, UNIT_MARK "%.*s", STR_ARG(x->cutover_unit));
    shown = arena_str(&w->arena, buf_str(&mark));
    for (size_t i = 0; i < x->request_header_count; i++)
        if (str_ieq(x->request_headers[i].name, name))
            x->request_headers[i].value = shown;
    if (str_eq(name, STR("user-agent")))
        x->user_agent = shown;
}

static void keep_who(struct call_cutover *c, const struct exchange_who *who)
{
    c->who = (struct exchange_who){
        .app = arena_str(&c->arena, who->app),
        .team = arena_str(&c->arena, who->team),
        .business_unit = arena_str(&c->arena, who->business_unit),
        .environment = arena_str(&c->arena, who->environment),
        .end_user = arena_str(&c->arena, who->end_user),
        .purpose = arena_str(&c->arena, who->purpose),
    };
}

void call_cutover_begin(struct proxy_call *call, struct exchange *x)
{
    struct worker *w = call->worker;
    const struct cutover_app *a = cutover_find(w->cutover, x->who.app, call->upstream->name);

    if (!a)
        return;
    struct call_cutover *c = call->cutover = mem_calloc(1, sizeof(*c));
    c->asked = call->upstream;
    c->key_id = arena_str(&c->arena, x->key_id);
    c->holds = is_in_body(a->key) && call->request->framing != HTTP1_NO_BODY;
    if (c->holds) {
        keep_who(c, &x->who);
        return;
    }
    decide(call, a);
    fill(call, x);
    if (a->key.kind == CUTOVER_KEY_HEADER && x->cutover_unit.len)
        hide_header(w, a->key.name, x);
}

void call_cutover_free(struct proxy_call *call)
{
    struct call_cutover *c = TAKE(call->cutover);

    if (!c)
        return;
    call->worker->held_bytes -= c->body.len;
    buf_release(&c->body);
    arena_release(&c->arena);
    free(c);
}

const struct exchange_who *call_cutover_who(const struct proxy_call *call)
{
    const struct call_cutover *c = call->cutover;

    return c && c->who.app.ptr ? &c->who : NULL;
}

bool call_cutover_is_foreign(const struct proxy_call *call, const struct proxy_upstream *from,
                             const struct proxy_upstream *to)
{
    const struct proxy_upstream *asked = call->cutover ? call->cutover->asked : from;

    if (to == asked)
        return false;
    return to != from || !proxy_upstream_may_have_key(to, asked);
}

void call_cutover_end(const struct proxy_call *call, struct exchange *x)
{
    if (call->cutover->epoch)
        fill(call, x);
}

/* --- the body --- */

bool call_cutover_waits(struct proxy_call *call)
{
    if (!call->cutover->holds)
        return false;
    call_hold_request(call);
    return true;
}

/* What was held, decided on, goes the way of every call.  False: there is nobody to send the rest
 * to. */
static bool let_go(struct proxy_call *call)
{
    struct call_cutover *c = call->cutover;
    const struct cutover_app *a = cutover_find(call->worker->cutover, c->who.app, c->asked->name);
    struct buf held;

    c->holds = false;
    if (a) /* it may be over since the call began */
        decide(call, a);
    held = c->body;
    c->body = (struct buf){ 0 };
    call->worker->held_bytes -= held.len;
    call_go(call);
    call->is_lent = false; /* that is about to go */
    if (call_is_open(call) && held.len)
        call_pass_body(call, buf_str(&held));
    buf_release(&held);
    return call_is_open(call);
}

bool call_cutover_request_body(struct proxy_call *call, struct str bytes)
{
    struct call_cutover *c = call->cutover;
    struct worker *w = call->worker;

    if (!c->holds)
        return false;
    if (c->body.len + bytes.len <= CALL_POLICY_BODY_BYTES &&
        w->held_bytes + bytes.len <= CALL_HELD_BYTES_MAX) {
        buf_add_str(&c->body, bytes);
        w->held_bytes += bytes.len;
        return true;
    }
    c->is_over = true;
    return !let_go(call);
}

bool call_cutover_request_end(struct proxy_call *call)
{
    return call->cutover->holds && !let_go(call);
}

#include "config.h"

#include "proxy/call_scrub.h"

#include <assert.h>
#include <stdlib.h>

#include "base/json.h"
#include "capture/attribution.h"
#include "capture/body_decode.h"
#include "capture/body_labels.h"
#include "capture/key.h"
#include "capture/scrub.h"
#include "llm/provider.h"

#define LABELS_MAX  64
#define UNREAD_MARK "[redacted]" /* a value that the rules could not be applied to */

/* A body that waits. */
struct held_body {
    struct buf bytes;
    VEC(struct exchange_chunk) chunks; /* as it came */
    bool waits;                        /* to be recorded; else it is only read */
    bool is_over;                      /* more than may be held: what came is thrown away */
    struct str content_type, encoding; /* in the hold's arena */
};

struct call_scrub {
    struct scrub *scrub; /* of the call's configuration; NULL = no rule applies */
    bool reads_request;  /* for attribution */
    bool request_done, is_amended;
    struct held_body request, answer;
    struct attribution_input in; /* what the head said, as it was sent */
    struct exchange_who who;     /* found with the body's help */
    struct str labels;           /* to be recorded */
    struct buf note;
    bool request_decoded, answer_decoded;
    bool request_missing, answer_missing;
    struct arena arena; /* holds the strings above */
};

static struct proxy_stats *stats_of(struct proxy_call *call)
{
    return call->worker->stats;
}

/* --- what was done, for the record's note --- */

static void add_note(struct call_scrub *h, const char *what, struct str text)
{
    buf_addf(&h->note, "%s%s: %.*s", h->note.len ? "; " : "", what, STR_ARG(text));
}

/* Of the redaction that was just done. */
static void note_report(struct proxy_call *call, const char *what)
{
    CLEANUP(buf_release) struct buf report = { 0 };
    uint64_t values = scrub_report(call->scrub->scrub, &report);

    if (!values)
        return;
    stats_of(call)->values_redacted += values;
    buf_addf(&report, " redacted");
    add_note(call->scrub, what, buf_str(&report));
}

/* --- heads --- */

static struct str scrub_value(struct proxy_call *call, struct str value, struct arena *arena)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;

    switch (scrub_text(call->scrub->scrub, value, &out, &err)) {
    case SCRUB_SAME:
        return value;
    case SCRUB_CHANGED:
        return arena_str(arena, buf_str(&out));
    case SCRUB_FAILED:
        break;
    }
    return STR(UNREAD_MARK);
}

static void scrub_headers(struct proxy_call *call, struct call_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        headers[i].value = scrub_value(call, headers[i].value, &call->worker->arena);
}

static bool applies(const struct call_scrub *h, unsigned places)
{
    return h->scrub && scrub_applies(h->scrub, places);
}

/* One label as member of an object, cleaned. */
static void add_label(struct proxy_call *call, struct buf *json, struct str name, struct str value)
{
    if (applies(call->scrub, SCRUB_HEADS))
        value = scrub_value(call, value, &call->scrub->arena);
    json_add_string(json, name);
    buf_add_byte(json, ':');
    json_add_string(json, value);
    buf_add_byte(json, ',');
}

/* The labels of the head, {"name":"value",...}, cleaned one by one. */
static struct str clean_labels(struct proxy_call *call, struct str labels, struct arena *arena)
{
    CLEANUP(json_decref) json_t *doc = NULL;
    CLEANUP(buf_release) struct buf json = { 0 };
    struct err err;
    const char *name;
    json_t *value;

    if (!labels.len || json_parse(labels, &doc, &err) < 0)
        return STR("");
    buf_add_byte(&json, '{');
    json_object_foreach(doc, name, value)
        add_label(call, &json, str_from(name), str_from(json_string_value(value)));
    json.len -= json.len > 1; /* the last comma */
    buf_add_byte(&json, '}');
    return arena_str(arena, buf_str(&json));
}

static void clean_request_head(struct proxy_call *call, struct exchange *x)
{
    struct arena *arena = &call->worker->arena;

    scrub_headers(call, x->request_headers, x->request_header_count);
    x->heads_are_clean = false; /* what a rule puts in may be anything */
    x->path = scrub_value(call, x->path, arena);
    x->query = scrub_value(call, x->query, arena);
    x->user_agent = scrub_value(call, x->user_agent, arena);
    x->who.app = scrub_value(call, x->who.app, arena); /* callers name themselves */
    x->labels = clean_labels(call, x->labels, arena);
    note_report(call, "request head");
}

/* --- beginning --- */

static struct str header_value(const struct call_header *headers, size_t count, const char *name,
                               struct arena *arena)
{
    return arena_str(arena, call_header_find(headers, count, name));
}

/* What the head says, kept until the body is there. */
static void keep_input(struct proxy_call *call, const struct exchange *x)
{
    struct call_scrub *h = call->scrub;
    struct arena *a = &h->arena;

    h->in = (struct attribution_input){
        .host = arena_str(a, x->host),
        .path = arena_str(a, x->path),
        .key_id = arena_str(a, x->key_id),
        .user_agent = arena_str(a, x->user_agent),
        .client_address = arena_str(a, x->client_address),
        .upstream = arena_str(a, x->upstream),
        .labels = arena_str(a, x->labels),
        .given = { .app = arena_str(a, x->who.app) },
        .app_is_certain = call->client_key && call->client_key->app.len,
    };
    h->request.content_type =
        header_value(x->request_headers, x->request_header_count, "content-type", a);
    h->request.encoding =
        header_value(x->request_headers, x->request_header_count, "content-encoding", a);
}

void call_scrub_begin(struct proxy_call *call, struct exchange *x)
{
    const struct conf *conf = call->conf->conf;
    struct scrub *scrub = conf_scrub_for(conf, x->upstream, x->who.app);
    bool reads_request = attribution_needs_body(conf->attribution) && !call->hides_bodies;

    assert(!call->scrub);
    if (!scrub && !reads_request)
        return;
    struct call_scrub *h = mem_calloc(1, sizeof(*h));
    call->scrub = h;
    h->scrub = scrub;
    h->request.waits = applies(h, SCRUB_REQUESTS) && !call->hides_bodies;
    h->answer.waits = applies(h, SCRUB_ANSWERS) && !call->hides_bodies;
    h->reads_request = reads_request || h->request.waits;
    keep_input(call, x);
    if (applies(h, SCRUB_HEADS))
        clean_request_head(call, x);
}

static void forget_body(struct proxy_call *call, struct held_body *b)
{
    uint64_t bytes = b->bytes.len + b->chunks.len * sizeof(*b->chunks.ptr);

    stats_of(call)->bodies_held_bytes -= bytes;
    buf_release(&b->bytes);
    vec_release(&b->chunks);
}

void call_scrub_free(struct call_scrub *h)
{
    if (!h)
        return;
    buf_release(&h->request.bytes);
    buf_release(&h->answer.bytes);
    vec_release(&h->request.chunks);
    vec_release(&h->answer.chunks);
    buf_release(&h->note);
    arena_release(&h->arena);
    free(h);
}

/* --- holding --- */

static void hold_bytes(struct proxy_call *call, struct held_body *b, struct str bytes)
{
    const struct conf_redaction *limits = &call->conf->conf->redaction;
    struct proxy_stats *stats = stats_of(call);
    uint64_t more = bytes.len + sizeof(*b->chunks.ptr);
    uint64_t have = b->bytes.len + b->chunks.len * sizeof(*b->chunks.ptr);

    if (b->is_over)
        return;
    if (have + more > (uint64_t)limits->hold_bytes ||
        stats->bodies_held_bytes + more > (uint64_t)limits->hold_total_bytes) {
        forget_body(call, b);
        b->is_over = true;
        return;
    }
    buf_add_str(&b->bytes, bytes);
    vec_push(&b->chunks,
             ((struct exchange_chunk){ loop_now_us(call->worker->loop) - call->recording.began_us,
                                       bytes.len }));
    stats->bodies_held_bytes += more;
}

bool call_scrub_request(struct proxy_call *call, struct str bytes)
{
    struct call_scrub *h = call->scrub;

    if (!h || (!h->request.waits && !h->reads_request))
        return false;
    hold_bytes(call, &h->request, bytes);
    return h->request.waits;
}

bool call_scrub_answer(struct proxy_call *call, struct str bytes)
{
    struct call_scrub *h = call->scrub;

    if (!h || !h->answer.waits)
        return false;
    hold_bytes(call, &h->answer, bytes);
    return true;
}

void call_scrub_answer_head(struct proxy_call *call, struct exchange *x)
{
    struct call_scrub *h = call->scrub;

    if (!h)
        return;
    h->answer.content_type =
        header_value(x->response_headers, x->response_header_count, "content-type", &h->arena);
    h->answer.encoding =
        header_value(x->response_headers, x->response_header_count, "content-encoding", &h->arena);
    if (applies(h, SCRUB_HEADS)) {
        scrub_headers(call, x->response_headers, x->response_header_count);
        x->heads_are_clean = false;
        note_report(call, "answer head");
    }
}

/* --- letting go --- */

/* A body with its content encoding undone. */
struct opened {
    struct str body;
    struct exchange_chunk *chunks; /* NULL: as they came */
    bool was_encoded;
};

/* -1: nothing can be seen in it. */
static int open_body(struct held_body *b, struct buf *out, struct arena *arena, struct opened *ret,
                     struct err *err)
{
    struct str encoding = str_trim(b->encoding);
    struct body_decoding d = {
        .body = buf_str(&b->bytes),
        .encoding = encoding,
        .media_type = b->content_type,
        .told = encoding.len && !str_ieq(encoding, STR("identity")),
        .chunks = b->chunks.ptr,
        .chunk_count = b->chunks.len,
        .out = out,
        .ret_chunks = arena_alloc(arena, (b->chunks.len + 1) * sizeof(*d.ret_chunks)),
    };

    *ret = (struct opened){ .body = d.body, .chunks = b->chunks.ptr };
    switch (body_decode(&d, err)) {
    case BODY_ENCODED:
        return -1;
    case BODY_DECODED:
        *ret = (struct opened){ buf_str(out), d.ret_chunks, true };
        break;
    case BODY_PLAIN:
        break;
    }
    return 0;
}

static void record_pieces(struct proxy_call *call, bool is_request, struct str body,
                          const struct exchange_chunk *chunks, size_t count)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        struct str piece = str_sub(body, at, (size_t)chunks[i].bytes);
        if (piece.len || !is_request)
            recorder_held(call->worker->recorder, &call->recording, is_request, piece,
                          chunks[i].offset_us);
        at += piece.len;
    }
}

static void leave_out(struct proxy_call *call, bool is_request, const char *why)
{
    struct call_scrub *h = call->scrub;

    *(is_request ? &h->request_missing : &h->answer_missing) = true;
    stats_of(call)->bodies_withheld++;
    add_note(h, is_request ? "request body" : "answer body", str_from(why));
}

/* Records what of a body may be. */
static void record_body(struct proxy_call *call, bool is_request, const struct opened *o)
{
    struct call_scrub *h = call->scrub;
    struct held_body *b = is_request ? &h->request : &h->answer;
    CLEANUP(buf_release) struct buf clean = { 0 };
    struct scrub_body x = {
        .place = is_request ? SCRUB_REQUESTS : SCRUB_ANSWERS,
        .body = o->body,
        .content_type = b->content_type,
        .chunks = o->chunks,
        .chunk_count = b->chunks.len,
        .out = &clean,
    };
    struct err err;

    switch (scrub_body(h->scrub, &x, &err)) {
    case SCRUB_SAME: /* with its encoding */
        record_pieces(call, is_request, buf_str(&b->bytes), b->chunks.ptr, b->chunks.len);
        return;
    case SCRUB_CHANGED:
        record_pieces(call, is_request, buf_str(&clean), o->chunks, b->chunks.len);
        *(is_request ? &h->request_decoded : &h->answer_decoded) = o->was_encoded;
        note_report(call, is_request ? "request body" : "answer body");
        return;
    case SCRUB_FAILED:
        leave_out(call, is_request, err.text);
    }
}

/* --- who --- */

struct labelling {
    struct proxy_call *call;
    struct buf *raw, *clean;
    size_t count;
};

static void take_label(void *ctx, struct str name, struct str value)
{
    struct labelling *l = ctx;

    if (l->count++ >= LABELS_MAX)
        return;
    value = str_sub(value, 0, BODY_LABEL_BYTES_MAX);
    while (value.len && ((unsigned char)value.ptr[value.len - 1] & 0xc0) == 0xc0)
        value.len--; /* a character that was cut */
    buf_add_byte(l->raw, ',');
    json_add_string(l->raw, name);
    buf_add_byte(l->raw, ':');
    json_add_string(l->raw, value);
    add_label(l->call, l->clean, name, value);
}

/* The head's labels and the body's: as sent, for the rules, and as they may be recorded. */
static void add_body_labels(struct proxy_call *call, struct str body)
{
    struct call_scrub *h = call->scrub;
    CLEANUP(buf_release) struct buf raw = { 0 }, clean = { 0 };
    struct labelling l = { call, &raw, &clean, 0 };
    struct str head = h->in.labels, kept = head;

    if (applies(h, SCRUB_HEADS))
        kept = clean_labels(call, head, &h->arena);
    body_labels(body, take_label, &l);
    if (!l.count)
        return;
    struct str tail = { clean.ptr, clean.len - 1 }; /* without its last comma */
    CLEANUP(buf_release) struct buf json = { 0 };
    buf_addf(&json, "{%.*s%s%.*s}", STR_ARG(str_sub(kept, 1, kept.len < 2 ? 0 : kept.len - 2)),
             kept.len > 2 ? "," : "", STR_ARG(tail));
    h->labels = arena_str(&h->arena, buf_str(&json));
    buf_clear(&json);
    struct str more = { raw.ptr, raw.len };
    buf_addf(&json, "{%.*s%.*s}", STR_ARG(str_sub(head, 1, head.len < 2 ? 0 : head.len - 2)),
             STR_ARG(head.len > 2 ? more : str_sub(more, 1, more.len)));
    h->in.labels = arena_str(&h->arena, buf_str(&json));
}

/* Once more, with what the body says. */
static void attribute(struct proxy_call *call, struct str body)
{
    struct call_scrub *h = call->scrub;
    struct call asked = {
        .method = call->request->method,
        .host = h->in.host,
        .path = h->in.path,
        .request_body = body,
        .response_body_missing = true,
    };
    char user[FINGERPRINT_TEXT_BYTES] = "";
    struct call_facts *facts = mem_calloc(1, sizeof(*facts));

    call_read(&asked, &h->arena, facts);
    if (facts->end_user.len)
        key_fingerprint(&call->worker->key, "user", facts->end_user, user);
    h->in.provider = facts->provider ? str_from(provider_name(facts->provider)) : STR("");
    h->in.model = arena_str(&h->arena, facts->model_requested);
    h->in.end_user = h->in.given.end_user = arena_str(&h->arena, str_from(user));
    free(facts);
    add_body_labels(call, body);
    attribution_apply(call->conf->conf->attribution, &h->in, &h->who);
    if (applies(h, SCRUB_HEADS))
        h->who.app = scrub_value(call, h->who.app, &h->arena);
    h->is_amended = true;
}

void call_scrub_request_end(struct proxy_call *call)
{
    struct call_scrub *h = call->scrub;
    CLEANUP(buf_release) struct buf plain = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct opened o;
    struct err err = { 0 };

    if (!h || h->request_done)
        return;
    h->request_done = true;
    if (h->request.is_over && h->request.waits)
        leave_out(call, true, "longer than redaction may hold");
    if (h->request.is_over || !h->request.bytes.len)
        return;
    if (open_body(&h->request, &plain, &arena, &o, &err) < 0) {
        if (h->request.waits)
            leave_out(call, true, err.text);
    } else {
        attribute(call, o.body);
        if (h->request.waits)
            record_body(call, true, &o);
    }
    forget_body(call, &h->request);
}

void call_scrub_who(const struct proxy_call *call, struct policy_subject *subject, struct str *user)
{
    const struct call_scrub *h = call->scrub;

    if (!h || !h->is_amended)
        return;
    subject->app = h->who.app;
    subject->team = h->who.team;
    subject->business_unit = h->who.business_unit;
    *user = h->who.end_user;
}

static void record_answer(struct proxy_call *call)
{
    struct call_scrub *h = call->scrub;
    CLEANUP(buf_release) struct buf plain = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct opened o;
    struct err err = { 0 };

    if (h->answer.is_over)
        leave_out(call, false, "longer than redaction may hold");
    if (h->answer.is_over || !h->answer.bytes.len)
        return;
    if (open_body(&h->answer, &plain, &arena, &o, &err) < 0)
        leave_out(call, false, err.text);
    else
        record_body(call, false, &o);
    forget_body(call, &h->answer);
}

void call_scrub_end(struct proxy_call *call, struct exchange *x)
{
    struct call_scrub *h = call->scrub;

    if (!h)
        return;
    call_scrub_request_end(call);
    record_answer(call);
    x->request_body_missing |= h->request_missing;
    x->response_body_missing |= h->answer_missing;
    x->request_body_decoded = h->request_decoded;
    x->response_body_decoded = h->answer_decoded;
    if (h->is_amended) {
        x->who = h->who;
        x->labels = h->labels;
    }
    if (h->note.len) {
        if (x->body_note)
            add_note(h, "bodies", str_from(x->body_note));
        x->body_note = buf_cstr(&h->note);
    }
}

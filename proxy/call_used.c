#include "config.h"

#include "proxy/call_used.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "llm/call.h"
#include "llm/cost_shape.h"
#include "proxy/names.h"

void call_used_release(struct call_used *u)
{
    codec_close(u->codec);
    buf_release(&u->first);
    buf_release(&u->last);
    *u = (struct call_used){ 0 };
}

void call_used_head(struct call_used *u, const struct http1_head *head)
{
    call_used_head_as(u, framing_guess(names_value(head, NAME_TYPE), STR("")),
                      names_value(head, NAME_CODING));
}

void call_used_head_as(struct call_used *u, enum framing framing, struct str encoding)
{
    struct err err;

    codec_close(u->codec);
    u->codec = NULL;
    buf_clear(&u->first);
    buf_clear(&u->last);
    u->in_events = framing == FRAMING_SSE || framing == FRAMING_NDJSON;
    u->is_unknown = encoding.len && !str_ieq(encoding, STR("identity")) &&
                    codec_open(encoding, &u->codec, &err) < 0;
}

/* The end of a stream: twice as much is kept, then the older half is thrown away. */
static void keep_last(struct call_used *u, struct str bytes)
{
    if (bytes.len >= 2 * CALL_USED_LAST_BYTES) {
        buf_clear(&u->last);
        bytes = str_sub(bytes, bytes.len - CALL_USED_LAST_BYTES, CALL_USED_LAST_BYTES);
    }
    if (u->last.len + bytes.len > 2 * CALL_USED_LAST_BYTES)
        buf_consume(&u->last, u->last.len - CALL_USED_LAST_BYTES);
    buf_add_str(&u->last, bytes);
}

static void keep(struct call_used *u, struct str bytes)
{
    size_t most = u->in_events ? CALL_USED_FIRST_BYTES : CALL_USED_WHOLE_BYTES;
    struct str fits = str_sub(bytes, 0, most - u->first.len);

    buf_add_str(&u->first, fits);
    bytes = str_sub(bytes, fits.len, bytes.len);
    if (bytes.len && u->in_events)
        keep_last(u, bytes);
    else if (bytes.len)
        u->is_unknown = true;
}

void call_used_body(struct call_used *u, struct str bytes)
{
    CLEANUP(buf_release) struct buf plain = { 0 };
    struct err err;

    if (u->is_unknown)
        return;
    if (u->codec) {
        if (codec_decode(u->codec, bytes, CALL_USED_WHOLE_BYTES * 16u, &plain, &err) < 0) {
            u->is_unknown = true;
            return;
        }
        bytes = buf_str(&plain);
    }
    keep(u, bytes);
}

void call_used_take(struct call_used *u, struct buf *bytes)
{
    size_t most = u->in_events ? CALL_USED_FIRST_BYTES : CALL_USED_WHOLE_BYTES;

    if (u->codec || u->is_unknown || u->first.len || bytes->len > most) {
        call_used_body(u, buf_str(bytes));
        return;
    }
    struct buf room = u->first;
    u->first = *bytes;
    *bytes = room;
}

/* Whole events only: the last one that the beginning cuts, and the first one that the end does, are
 * left out.  Neither can be the one with the usage: that is near the beginning or the last. */
static struct str join(const struct call_used *u, struct buf *out)
{
    struct str first = buf_str(&u->first), last = buf_str(&u->last);

    if (!last.len)
        return first;
    if (u->first.len + u->last.len > CALL_USED_FIRST_BYTES + CALL_USED_LAST_BYTES) {
        while (first.len && first.ptr[first.len - 1] != '\n')
            first.len--;
        ptrdiff_t end = str_find_char(last, '\n', 0);
        last = str_sub(last, end < 0 ? last.len : (size_t)end + 1, last.len);
        buf_add_str(out, first);
        buf_add_byte(out, '\n');
    } else {
        buf_add_str(out, first);
    }
    buf_add_str(out, last);
    return buf_str(out);
}

/* --- what of a stream is enough --- */

#define EVENTS_FIRST 2 /* the model, and of Anthropic's the input */
#define EVENTS_LAST  4 /* the usage, and what may come behind it */

/* Where the event before `from` begins; 0 = at the beginning, or lines end otherwise. */
static size_t event_before(struct str s, size_t from)
{
    for (size_t i = from < 2 ? 0 : from - 2; i > 1; i--) {
        const char *at = memrchr(s.ptr, '\n', i);
        if (!at)
            return 0;
        i = (size_t)(at - s.ptr);
        if (i > 0 && s.ptr[i - 1] == '\n')
            return i + 1;
    }
    return 0;
}

/* The first events of a stream and the last: reading it all is dear, and these APIs repeat at the
 * end what counts.  False: the usage is not in them. */
static bool shorten(const struct recognition *known, struct str body, struct buf *out)
{
    size_t first = 0, last = body.len;
    bool is_known =
        known->api == API_CHAT || known->api == API_MESSAGES || known->api == API_RESPONSES;

    for (int i = 0; is_known && i < EVENTS_FIRST; i++) {
        ptrdiff_t end = str_find(body, STR("\n\n"), first);
        first = end < 0 ? body.len : (size_t)end + 2;
    }
    for (int i = 0; is_known && i < EVENTS_LAST; i++)
        last = event_before(body, last);
    if (!is_known || last <= first)
        return false;
    struct str rest = str_sub(body, last, body.len);
    if (str_find(rest, STR("\"usage\":{"), 0) < 0 && str_find(rest, STR("\"usage\": {"), 0) < 0)
        return false;
    buf_add_str(out, str_sub(body, 0, first));
    buf_add_str(out, rest);
    return true;
}

static int64_t tokens_of(const struct usage *u)
{
    return (usage_has(u, USAGE_INPUT) ? u->n[USAGE_INPUT] : 0) +
           (usage_has(u, USAGE_OUTPUT) ? u->n[USAGE_OUTPUT] : 0);
}

/* -1: it has no price. */
static int64_t cost_of(const struct call_facts *f, const struct call_used_of *of)
{
    i128 sum = 0;

    if (f->has_reported_cost && !call_cost_is_estimate(str_from(f->reported_cost_field)))
        return policy_nusd(f->reported_cost_pusd);
    for (size_t i = 0; i < f->part_count; i++) {
        struct price_query q = { .provider = f->provider,
                                 .model = f->parts[i].model.len ? f->parts[i].model : f->model,
                                 .service_tier = f->service_tier,
                                 .geo = f->geo,
                                 .at_us = of->at_us,
                                 .variant = f->variant };
        struct price_result r;
        price_cache_of(of->prices, &q, &f->parts[i].usage, &r);
        if (r.status == PRICE_UNKNOWN_MODEL)
            return -1;
        sum += r.cost_pusd;
    }
    return policy_nusd(sum);
}

static void take_facts(const struct call_facts *f, const struct call_used_of *of,
                       struct policy_used *ret)
{
    if (!f->billable && f->error_class != ERROR_CLASS_NONE) {
        *ret = (struct policy_used){ 0 };
        return;
    }
    if (!f->billable || f->usage_source != USAGE_SOURCE_REPORTED || !f->part_count)
        return;
    ret->tokens = 0;
    for (size_t i = 0; i < f->part_count; i++)
        ret->tokens += tokens_of(&f->parts[i].usage);
    if (of->prices)
        ret->nusd = cost_of(f, of);
}

/* --- of an answer whose shape is known --- */

static bool is_within(const struct price_rates *r, const struct usage *u, int64_t at_us)
{
    int64_t input = usage_has(u, USAGE_INPUT) ? u->n[USAGE_INPUT] : 0;

    return at_us >= r->from_us && at_us < r->until_us && input >= r->input_from &&
           input < r->input_until;
}

/* -1: it has no price. */
static int64_t cost_by_rates(const struct cost_shape_found *f, const struct call_used_of *of)
{
    struct price_query q = *f->query;
    struct price_result r;
    i128 pusd;

    q.at_us = of->at_us;
    if (!is_within(f->rates, &f->usage, of->at_us))
        price_cache_rates(of->prices, &q,
                          usage_has(&f->usage, USAGE_INPUT) ? f->usage.n[USAGE_INPUT] : 0,
                          f->rates);
    if (price_rates_cost(f->rates, &f->usage, of->at_us, &pusd))
        return policy_nusd(pusd);
    price_cache_of(of->prices, &q, &f->usage, &r);
    return r.status == PRICE_UNKNOWN_MODEL ? -1 : policy_nusd(r.cost_pusd);
}

static bool read_shape(const struct call *call, const struct call_used_of *of,
                       struct policy_used *ret)
{
    struct cost_shape_found found;

    if (!cost_shapes_find(of->shapes, call, of->known, of->arena, &found))
        return false;
    ret->tokens = tokens_of(&found.usage);
    if (of->prices)
        ret->nusd = cost_by_rates(&found, of);
    return true;
}

/* --- reading --- */

#define COST_HEADERS_MAX 16

static void take_headers(struct call *call, const struct http1_head *head, struct arena *arena)
{
    struct call_header *to = arena_alloc(arena, (head->header_count + 1) * sizeof(*to));

    for (size_t i = 0; i < head->header_count; i++)
        to[i] = (struct call_header){ head->headers[i].name, head->headers[i].value };
    call->response_headers = to;
    call->response_header_count = head->header_count;
}

/* Those that the cost can depend on.  False: more than there is room for. */
static bool take_cost_headers(struct call *call, const struct http1_head *head,
                              struct call_header to[static COST_HEADERS_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < head->header_count; i++) {
        if (!(names_of(&head->headers[i]) & NAME_COST))
            continue;
        if (count == COST_HEADERS_MAX)
            return false;
        to[count++] = (struct call_header){ head->headers[i].name, head->headers[i].value };
    }
    call->response_headers = to;
    call->response_header_count = count;
    return true;
}

static bool read_plain(struct call *call, const struct call_used_of *of, struct policy_used *ret)
{
    struct call_header headers[COST_HEADERS_MAX];

    if (!take_cost_headers(call, of->answer, headers))
        return false;
    if (of->shapes && read_shape(call, of, ret))
        return true;
    if (!cost_shapes_read(of->shapes, call, of->known, of->arena, of->facts))
        return false;
    take_facts(of->facts, of, ret);
    return true;
}

void call_used_read(const struct call_used *u, const struct call_used_of *of,
                    struct policy_used *ret)
{
    CLEANUP(buf_release) struct buf body = { 0 }, some = { 0 };
    struct call_facts *facts = of->facts;

    *ret = (struct policy_used){ -1, -1 };
    if (u->is_unknown)
        return;
    struct call call = { .method = of->request->method,
                         .request_body_missing = true,
                         .status = (int)of->answer->status,
                         .response_body = of->whole.len ? of->whole : join(u, &body) };
    if (!u->in_events && read_plain(&call, of, ret))
        return;
    take_headers(&call, of->answer, of->arena);
    struct str whole = call.response_body;
    bool is_short = u->in_events && shorten(of->known, whole, &some);
    if (is_short)
        call.response_body = buf_str(&some);
    call_read_as(&call, of->known, of->arena, facts);
    if (is_short && facts->usage_source != USAGE_SOURCE_REPORTED) {
        call.response_body = whole;
        call_read_as(&call, of->known, of->arena, facts);
    }
    take_facts(facts, of, ret);
}

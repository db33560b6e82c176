#include "config.h"

#include "llm/cost_shape.h"

#include <stdlib.h>
#include <string.h>

#include "llm/read.h"

#define MODEL_BYTES_MAX  4096 /* of a shape, without long values that nobody looks at */
#define PASSED_BYTES_MAX 32   /* of such a value, else it is left out */
#define TRIES_MAX        6    /* shapes of one kind that an answer is compared with */
#define HEADERS_MAX      16
#define CREDIT_INIT      32 /* shapes learned in vain until learning becomes rare */
#define CREDIT_MAX       256
#define RARELY           64 /* answers without a known shape, of which one is learned then */
#define COUNT_DIGITS_MAX 10

/* What an answer must be alike in before its body is looked at. */
struct kind {
    int status;
    enum api api;
    enum provider provider;
    const struct api_row *row;
    const struct wire *wire;
    struct str model, geo; /* of the recognition */
    struct call_header headers[HEADERS_MAX];
    size_t header_count, type_at; /* content-type: the only one whose value is looked at */
};

struct shape {
    struct arena arena; /* of all its strings */
    struct kind kind;
    struct str body; /* as the first was, but for what was left out */
    size_t hole_count;
    struct shape_hole holes[DRAFT_HOLES_MAX];
    int64_t values[DRAFT_HOLES_MAX]; /* of the holes with counts, */
    bool repeats_count;              /* one of which stands in two places: the last one is it */
    struct counts counts;
    const char *id_prefix; /* where that decides: of recognise_ids, "" = none of them */
    bool asks_id;
    struct str said_model;
    struct price_query query;
    struct price_rates rates;
};

struct cost_shapes {
    struct shape *list[COST_SHAPES_MAX]; /* the one met last comes first */
    size_t count;
    int credit;
    unsigned misses;
    struct reading reading; /* what settle wants to know: never more than the head of it is used */
    struct call_facts facts;
};

struct cost_shapes *cost_shapes_new(void)
{
    struct cost_shapes *s = mem_calloc(1, sizeof(*s));

    s->credit = CREDIT_INIT;
    s->reading.facts = &s->facts;
    return s;
}

static void free_shape(struct shape *shape)
{
    if (shape)
        arena_release(&shape->arena);
    free(shape);
}
DEFINE_CLEANUP(struct shape, free_shape)

void cost_shapes_free(struct cost_shapes *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        free_shape(s->list[i]);
    free(s);
}

/* --- drafts --- */

static bool is_digits(struct str s)
{
    bool is = s.len > 0 && s.len <= COUNT_DIGITS_MAX;

    for (size_t i = 0; i < s.len && is; i++)
        is = s.ptr[i] >= '0' && s.ptr[i] <= '9';
    return is && (s.len == 1 || s.ptr[0] != '0');
}

void shape_note(struct shape_draft *d, const struct jscan *s, size_t from, int count)
{
    bool is_plain = s->text.ptr == d->body.ptr && !s->failed && d->hole_count < DRAFT_HOLES_MAX;

    if (is_plain && count >= 0)
        is_plain = is_digits(str_sub(s->text, from, s->at - from));
    if (is_plain)
        d->holes[d->hole_count++] = (struct shape_hole){ from, s->at, count };
    else
        d->is_odd = true;
}

/* --- comparing --- */

static bool is_of_kind(const struct kind *k, const struct call *call,
                       const struct recognition *known)
{
    bool is = k->api == known->api && k->provider == known->provider && k->row == known->row &&
              k->wire == known->wire && k->status == call->status &&
              k->header_count == call->response_header_count && str_eq(k->model, known->model) &&
              str_eq(k->geo, known->geo) && !call->response_cut && !call->response_body_missing;

    for (size_t i = 0; i < k->header_count && is; i++)
        is = str_eq(k->headers[i].name, call->response_headers[i].name);
    return is && str_eq(k->headers[k->type_at].value, call->response_headers[k->type_at].value);
}

/* A body being compared. */
struct compared {
    struct jscan scan;
    struct counts *counts;
    struct str id;
};

static bool take_digits(struct compared *c, int count)
{
    struct str body = c->scan.text;
    size_t from = c->scan.at, at = from;
    int64_t n = 0;

    for (; at < body.len && body.ptr[at] >= '0' && body.ptr[at] <= '9'; at++) {
        if (at - from == COUNT_DIGITS_MAX)
            return false;
        n = n * 10 + (body.ptr[at] - '0');
    }
    if (at == from || (body.ptr[from] == '0' && at - from > 1) || n > USAGE_VALUE_MAX)
        return false;
    c->counts->n[count] = n;
    c->scan.at = at;
    return true;
}

/* The body's value in the place of a hole. */
static bool take_value(struct compared *c, int count)
{
    bool escaped = false;

    if (count >= 0)
        return take_digits(c, count);
    if (count == DRAFT_ID)
        return jscan_string_raw(&c->scan, &c->id, &escaped) && !escaped;
    jscan_skip(&c->scan);
    return !c->scan.failed;
}

/* The holes that end before `at` of the shape, in which the body is alike. */
static size_t pass_holes(const struct shape *shape, size_t hole, size_t at, struct counts *counts)
{
    for (; hole < shape->hole_count && shape->holes[hole].to < at; hole++)
        if (shape->repeats_count && shape->holes[hole].count >= 0)
            counts->n[shape->holes[hole].count] = shape->values[hole];
    return hole;
}

/* Shape and body are compared up to where they differ: there a hole's value must begin or be under
 * way, or have ended (a number ends with the byte after it), and behind the body's value in its
 * place it goes on.  Values that are alike, with the byte after them, would be taken alike. */
static bool is_alike(const struct shape *shape, struct compared *c)
{
    struct str body = c->scan.text;
    size_t at = 0 /* in the shape */, hole = 0;

    for (;;) {
        size_t len = repeat_common_len(str_sub(shape->body, at, SIZE_MAX),
                                       str_sub(body, c->scan.at, SIZE_MAX));
        at += len;
        c->scan.at += len;
        if (at == shape->body.len && c->scan.at == body.len) {
            pass_holes(shape, hole, SIZE_MAX, c->counts);
            return true;
        }
        hole = pass_holes(shape, hole, at, c->counts);
        if (hole == shape->hole_count || shape->holes[hole].from > at)
            return false;
        c->scan.at -= at - shape->holes[hole].from;
        if (!take_value(c, shape->holes[hole].count))
            return false;
        at = shape->holes[hole++].to;
    }
}

/* --- finding --- */

static const char *prefix_of(struct str id)
{
    for (size_t i = 0; i < recognise_id_count; i++)
        if (str_starts_with(id, str_from(recognise_ids[i].prefix)))
            return recognise_ids[i].prefix;
    return "";
}

/* The usage of a body, if it has that shape and makes sense. */
static bool take_shape(struct cost_shapes *s, const struct shape *shape, struct str body,
                       struct arena *arena, struct usage *ret)
{
    struct counts counts = shape->counts;
    struct compared c = { .counts = &counts };

    c.scan.text = body;
    if (!is_alike(shape, &c))
        return false;
    if (shape->asks_id && c.id.ptr && prefix_of(c.id) != shape->id_prefix)
        return false;
    s->facts.api = shape->kind.api;
    s->facts.provider = shape->query.provider;
    s->reading.arena = arena;
    s->reading.text[SLOT_MODEL] = shape->said_model;
    s->reading.note = NULL;
    return settle(&s->reading, &counts, ret) == 0 &&
           (usage_has(ret, USAGE_INPUT) || usage_has(ret, USAGE_OUTPUT));
}

bool cost_shapes_find(struct cost_shapes *s, const struct call *call,
                      const struct recognition *known, struct arena *arena,
                      struct cost_shape_found *ret)
{
    int tries = 0;

    for (size_t i = 0; i < s->count && tries < TRIES_MAX; i++) {
        struct shape *shape = s->list[i];
        if (!is_of_kind(&shape->kind, call, known))
            continue;
        tries++;
        if (!take_shape(s, shape, call->response_body, arena, &ret->usage))
            continue;
        memmove(s->list + 1, s->list, i * sizeof(*s->list));
        s->list[0] = shape;
        s->credit += s->credit < CREDIT_MAX;
        ret->query = &shape->query;
        ret->rates = &shape->rates;
        return true;
    }
    return false;
}

/* --- learning --- */

static bool fill_kind(struct shape *shape, const struct call *call, const struct recognition *known)
{
    struct kind *k = &shape->kind;
    bool has_type = false;

    *k = (struct kind){ .status = call->status,
                        .api = known->api,
                        .provider = known->provider,
                        .row = known->row,
                        .wire = known->wire,
                        .model = arena_str(&shape->arena, known->model),
                        .geo = arena_str(&shape->arena, known->geo) };
    for (; k->header_count < call->response_header_count; k->header_count++) {
        const struct call_header *h = &call->response_headers[k->header_count];
        if (k->header_count == HEADERS_MAX)
            return false;
        if (!has_type && str_ieq(h->name, STR("content-type"))) {
            k->type_at = k->header_count;
            has_type = true;
        }
        k->headers[k->header_count] = (struct call_header){ arena_str(&shape->arena, h->name),
                                                            arena_str(&shape->arena, h->value) };
    }
    return has_type;
}

/* The body without the long values that nobody looks at: "" stands for them. */
static bool fill_body(struct shape *shape, const struct shape_draft *d)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    size_t at = 0;

    for (size_t i = 0; i < d->hole_count; i++) {
        struct shape_hole hole = d->holes[i];
        bool is_long = hole.count == DRAFT_PASSED && hole.to - hole.from > PASSED_BYTES_MAX;
        if (hole.from < at)
            return false;
        buf_add_str(&text, str_sub(d->body, at, hole.from - at));
        at = hole.to;
        shape->holes[i] = (struct shape_hole){ .from = text.len, .count = hole.count };
        buf_add_str(&text, is_long ? STR("\"\"") : str_sub(d->body, hole.from, at - hole.from));
        shape->holes[i].to = text.len;
        if (text.len > MODEL_BYTES_MAX)
            return false;
    }
    buf_add_str(&text, str_sub(d->body, at, d->body.len));
    shape->hole_count = d->hole_count;
    shape->body = arena_str(&shape->arena, buf_str(&text));
    return text.len <= MODEL_BYTES_MAX;
}

/* All counts stand in holes, the last hole of each has its value, and one id at most is there. */
static bool fill_counts(struct shape *shape, const struct reading *r)
{
    const struct shape_draft *d = r->draft;
    uint64_t present = 0;
    int64_t n[COUNT_COUNT], value;
    int ids = 0;

    for (size_t i = 0; i < d->hole_count; i++) {
        const struct shape_hole *hole = &d->holes[i];
        ids += hole->count == DRAFT_ID;
        if (hole->count < 0)
            continue;
        if (!str_to_i64(str_sub(d->body, hole->from, hole->to - hole->from), &value))
            return false;
        shape->values[i] = value;
        shape->repeats_count |= present >> hole->count & 1;
        n[hole->count] = value;
        present |= UINT64_C(1) << hole->count;
    }
    if (present != r->counts.present || ids > 1)
        return false;
    for (int i = 0; i < COUNT_COUNT; i++)
        if (present >> i & 1 && n[i] != r->counts.n[i])
            return false;
    shape->counts = r->counts;
    return true;
}

static void fill_query(struct shape *shape, const struct call_facts *f)
{
    struct str model = f->parts[0].model.len ? f->parts[0].model : f->model;

    shape->query = (struct price_query){ .provider = f->provider,
                                         .model = arena_str(&shape->arena, model),
                                         .service_tier = arena_str(&shape->arena, f->service_tier),
                                         .geo = arena_str(&shape->arena, f->geo),
                                         .variant = arena_str(&shape->arena, f->variant) };
}

/* Nothing was read that a shape has no place for. */
static bool is_simple(const struct reading *r)
{
    const struct call_facts *f = r->facts;
    const uint64_t calls = UINT64_C(1) << USAGE_TOOL_CALLS;

    return r->wire->has_shapes && !r->draft->is_odd && f->part_count == 1 && !r->part_count &&
           !r->parts_bad && !f->has_reported_cost && !r->counts.bad && !r->counts.bad_part &&
           !(r->tools.present & ~calls) && !r->image_tool.present && !r->metrics.present &&
           !r->text[SLOT_SECONDS].len && r->images < 0;
}

static bool is_same_usage(const struct usage *a, const struct usage *b)
{
    const uint32_t calls = 1u << USAGE_TOOL_CALLS;
    bool same = (a->present & ~calls) == (b->present & ~calls);

    for (enum usage_unit u = 0; u < USAGE_UNIT_COUNT && same; u++)
        same = u == USAGE_TOOL_CALLS || !usage_has(a, u) || a->n[u] == b->n[u];
    return same;
}

/* In the place of the one not met for longest. */
static void keep(struct cost_shapes *s, struct shape *shape)
{
    if (s->count == COST_SHAPES_MAX)
        free_shape(s->list[--s->count]);
    memmove(s->list + 1, s->list, s->count * sizeof(*s->list));
    s->list[0] = shape;
    s->count++;
}

bool cost_shapes_want(struct cost_shapes *s)
{
    return s->credit > 0 || ++s->misses % RARELY == 0;
}

void shape_learn(struct cost_shapes *s, const struct reading *r, const struct recognition *known)
{
    CLEANUP(free_shape) struct shape *shape = NULL;
    struct usage usage;

    if (!is_simple(r))
        return;
    s->credit -= s->credit > 0;
    shape = mem_calloc(1, sizeof(*shape));
    if (!fill_kind(shape, r->call, known) || !fill_body(shape, r->draft) || !fill_counts(shape, r))
        return;
    fill_query(shape, r->facts);
    shape->said_model = arena_str(&shape->arena, r->text[SLOT_MODEL]);
    shape->asks_id = known->provider == PROVIDER_UNKNOWN;
    shape->id_prefix = prefix_of(r->text[SLOT_ID]);
    /* What was read is what the shape says of it, or it says nothing. */
    if (take_shape(s, shape, r->draft->body, r->arena, &usage) &&
        is_same_usage(&usage, &r->facts->parts[0].usage))
        keep(s, TAKE(shape));
}

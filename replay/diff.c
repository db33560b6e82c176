#include "config.h"

#include "replay/diff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/map.h"
#include "capture/segment_read.h"
#include "llm/framing.h"
#include "llm/tool_calls.h"
#include "replay/drive_record.h"
#include "replay/request.h"

#define ABSENT UINT32_MAX
#define NOBODY SIZE_MAX

const char *const diff_aspect_names[DIFF_ASPECT_COUNT] = {
#define X(constant, name, what) name,
    DIFF_ASPECTS(X)
#undef X
};

const char *const diff_aspect_whats[DIFF_ASPECT_COUNT] = {
#define X(constant, name, what) what,
    DIFF_ASPECTS(X)
#undef X
};

struct entry {
    struct uuid id, of;               /* of: the exchange it repeats, else itself */
    int64_t started_us, input_tokens; /* -1 = not reported */
    uint8_t digest[REQUEST_DIGEST_BYTES];
    bool has_digest;
    uint32_t values[DIFF_ASPECT_COUNT]; /* index in texts; ABSENT = it has none */
};

struct diff_side {
    VEC(struct entry) entries;
    struct map texts;
};

struct diff_side *diff_side_new(void)
{
    return mem_calloc(1, sizeof(struct diff_side));
}

void diff_side_free(struct diff_side *s)
{
    if (!s)
        return;
    vec_release(&s->entries);
    map_release(&s->texts);
    free(s);
}

size_t diff_side_len(const struct diff_side *s)
{
    return s->entries.len;
}

/* --- what an exchange has --- */

static void set(struct diff_side *s, struct entry *e, enum diff_aspect aspect, struct str text)
{
    e->values[aspect] = (uint32_t)(map_put(&s->texts, text, NULL) - s->texts.entries);
}

struct events {
    struct buf all, last;
};

/* Runs of one shape are one: answers differ in length. */
static int on_event(void *ctx, const struct framing_event *event, struct err *err)
{
    struct events *e = ctx;
    CLEANUP(buf_release) struct buf shape = { 0 };

    (void)err;
    if (event->name.len)
        buf_addf(&shape, "%.*s ", STR_ARG(event->name));
    if (str_eq(event->data, STR("[DONE]")))
        buf_add_str(&shape, event->data);
    else
        diff_shape(event->data, &shape);
    if (str_eq(buf_str(&shape), buf_str(&e->last)))
        return 0;
    buf_addf(&e->all, "%s%.*s", e->all.len ? " > " : "", STR_ARG(buf_str(&shape)));
    buf_clear(&e->last);
    buf_add_str(&e->last, buf_str(&shape));
    return 0;
}

static void set_body(struct diff_side *s, struct entry *e, const struct exchange *x,
                     struct str type)
{
    enum framing framing = framing_guess(type, str_sub(x->response_body, 0, 1024));
    struct events events = { 0 };
    CLEANUP(buf_release) struct buf shape = { 0 };
    struct err ignored;
    bool cut;

    if (framing == FRAMING_OPAQUE)
        return;
    if (framing == FRAMING_JSON) {
        diff_shape(x->response_body, &shape);
        set(s, e, DIFF_SHAPE, buf_str(&shape));
        return;
    }
    CLEANUP(framer_free) struct framer *f = framer_new(framing, on_event, &events);
    if (framer_feed(f, x->response_body, &ignored) < 0 || framer_finish(f, &cut, &ignored) < 0)
        buf_add_text(&events.all, " > (broken)");
    set(s, e, DIFF_EVENTS, buf_str(&events.all));
    buf_release(&events.all);
    buf_release(&events.last);
}

static void set_tools(struct diff_side *s, struct entry *e, const struct exchange *x,
                      struct str type)
{
    CLEANUP(tool_calls_release) struct tool_calls calls = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err ignored;

    tool_calls_read(&calls, framing_guess(type, str_sub(x->response_body, 0, 1024)),
                    x->response_body, &ignored);
    for (size_t i = 0; i < calls.list.len; i++) {
        buf_addf(&text, "%s%.*s(", i ? ", " : "", STR_ARG(buf_str(&calls.list.ptr[i].name)));
        diff_shape(buf_str(&calls.list.ptr[i].arguments), &text);
        buf_add_byte(&text, ')');
    }
    /* None is a value, too, where functions were offered. */
    if (calls.list.len || x->facts.features & CALL_TOOLS)
        set(s, e, DIFF_TOOLS, buf_str(&text));
}

static void set_usage(struct diff_side *s, struct entry *e, const struct call_facts *f)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct usage sum = { 0 };

    for (size_t i = 0; i < f->part_count; i++)
        usage_add_all(&sum, &f->parts[i].usage);
    for (int u = 0; u < USAGE_UNIT_COUNT; u++)
        if (u != USAGE_TOOL_CALLS && usage_has(&sum, (enum usage_unit)u))
            buf_addf(&text, "%s%s", text.len ? " " : "", usage_unit_name((enum usage_unit)u));
    set(s, e, DIFF_USAGE, buf_str(&text));
    if (usage_has(&sum, USAGE_INPUT))
        e->input_tokens = sum.n[USAGE_INPUT];
}

static struct str media_type(const struct exchange *x)
{
    struct str type =
                   call_header_find(x->response_headers, x->response_header_count, "content-type"),
               first = STR("");

    return type.len && str_split(&type, ';', &first) ? str_trim(first) : STR("");
}

static bool is_of(const struct exchange *x, const char *run, struct entry *e)
{
    CLEANUP(json_decref) json_t *labels = NULL;
    struct err ignored;

    e->of = x->id;
    if (x->labels.len && json_parse(x->labels, &labels, &ignored) == 0)
        uuid_parse(json_get_str(labels, DRIVE_LABEL_OF), &e->of);
    return !run || (labels && str_eq(json_get_str(labels, DRIVE_LABEL_RUN), str_from(run)));
}

static void add_exchange(struct diff_side *s, const struct exchange *x, const char *run)
{
    struct request r = { x->method, x->path, x->query, x->request_body };
    struct entry e = { .id = x->id, .started_us = x->started_us, .input_tokens = -1 };
    struct str type = media_type(x);
    char status[16];

    if (!is_of(x, run, &e))
        return;
    memset(e.values, 0xff, sizeof(e.values));
    e.has_digest = !x->request_body_missing && !x->request_body_encoded;
    if (e.has_digest)
        request_digest(&r, e.digest);
    snprintf(status, sizeof(status), "%d", x->status);
    set(s, &e, DIFF_STATUS, str_from(status));
    set(s, &e, DIFF_ERROR, str_from(error_class_name(x->facts.error_class)));
    if (x->status) {
        set(s, &e, DIFF_TYPE, type);
        set(s, &e, DIFF_FINISH, x->facts.finish_reason);
        set(s, &e, DIFF_MODEL, x->facts.model);
        set_usage(s, &e, &x->facts);
    }
    if (x->status && !x->response_body_missing && !x->response_body_encoded) {
        set_body(s, &e, x, type);
        set_tools(s, &e, x, type);
    }
    vec_push(&s->entries, e);
}

struct adding {
    struct diff_side *side;
    const char *run;
};

static int add_segment(void *ctx, const char *path, struct err *err)
{
    const struct adding *adding = ctx;
    struct diff_side *s = adding->side;
    CLEANUP(segment_close) struct segment_reader *r = NULL;
    struct exchange x;
    int got;

    if (segment_open(path, &r, err) < 0)
        return -1;
    while ((got = segment_next(r, true, &x, err)) > 0) {
        if (x.facts.api == API_USAGE_ROW)
            continue;
        if (s->entries.len == DIFF_EXCHANGES_MAX)
            return err_set(err, ERR_LIMIT, "more than %d exchanges to compare", DIFF_EXCHANGES_MAX);
        add_exchange(s, &x, adding->run);
    }
    return got;
}

int diff_side_add(struct diff_side *s, const struct archive *a, const char *run, struct err *err)
{
    struct adding adding = { s, run };
    uint64_t missing;

    return archive_segments_walk(a, add_segment, &adding, &missing, err);
}

/* --- pairs --- */

/* Who waits under a key, in the order they were made. */
struct queues {
    struct map heads;
    size_t *next; /* of each entry; NOBODY ends */
};

static int by_time(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;

    if (a->started_us != b->started_us)
        return a->started_us < b->started_us ? -1 : 1;
    return memcmp(&a->id, &b->id, sizeof(a->id));
}

static struct str key_of(const struct entry *e, bool by_digest)
{
    if (!by_digest)
        return (struct str){ (const char *)&e->of, sizeof(e->of) };
    return (struct str){ (const char *)e->digest, e->has_digest ? sizeof(e->digest) : 0 };
}

/* The last one first, so that each becomes the head of its queue. */
static void queue_up(struct queues *q, const struct diff_side *s, bool by_digest,
                     const bool *is_taken)
{
    q->next = mem_calloc(s->entries.len + 1, sizeof(*q->next));
    for (size_t i = s->entries.len; i-- > 0;) {
        struct str key = key_of(&s->entries.ptr[i], by_digest);
        bool is_new;
        if (!key.len || is_taken[i])
            continue;
        struct map_entry *e = map_put(&q->heads, key, &is_new);
        q->next[i] = is_new ? NOBODY : (size_t)e->value;
        e->value = i;
    }
}

static size_t take_first(struct queues *q, struct str key)
{
    struct map_entry *e = key.len ? map_find(&q->heads, key) : NULL;

    if (!e || e->value == (uint64_t)NOBODY)
        return NOBODY;
    size_t at = (size_t)e->value;
    e->value = q->next[at];
    return at;
}

/* pairs[i] = the base's entry that the other's entry i goes with. */
static size_t *pair_up(const struct diff_side *base, const struct diff_side *other)
{
    size_t *pairs = mem_calloc(other->entries.len + 1, sizeof(*pairs));
    bool *is_taken = mem_calloc(base->entries.len + 1, sizeof(*is_taken));

    for (size_t i = 0; i < other->entries.len; i++)
        pairs[i] = NOBODY;
    for (int by_digest = 0; by_digest < 2; by_digest++) {
        struct queues q = { 0 };
        queue_up(&q, base, by_digest, is_taken);
        for (size_t i = 0; i < other->entries.len; i++) {
            if (pairs[i] != NOBODY)
                continue;
            pairs[i] = take_first(&q, key_of(&other->entries.ptr[i], by_digest));
            if (pairs[i] != NOBODY)
                is_taken[pairs[i]] = true;
        }
        map_release(&q.heads);
        free(q.next);
    }
    free(is_taken);
    return pairs;
}

/* --- comparing --- */

static struct str value_of(const struct diff_side *s, const struct entry *e, enum diff_aspect a)
{
    return e->values[a] == ABSENT ? (struct str){ 0 } : s->texts.entries[e->values[a]].key;
}

/* 1 = differs, 0 = does not, -1 = cannot be compared. */
static int compare(const struct diff_side *sa, const struct entry *a, const struct diff_side *sb,
                   const struct entry *b, enum diff_aspect aspect)
{
    if (aspect == DIFF_INPUT) {
        if (a->input_tokens < 0 || b->input_tokens < 0)
            return -1;
        int64_t larger = a->input_tokens > b->input_tokens ? a->input_tokens : b->input_tokens;
        int64_t by = a->input_tokens > b->input_tokens ? a->input_tokens - b->input_tokens
                                                       : b->input_tokens - a->input_tokens;
        return by * 100 > larger;
    }
    struct str va = value_of(sa, a, aspect), vb = value_of(sb, b, aspect);
    if (!va.ptr && !vb.ptr)
        return -1;
    return !va.ptr || !vb.ptr || !str_eq(va, vb);
}

static char *text_of(const struct diff_side *s, const struct entry *e, enum diff_aspect aspect)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct str value = value_of(s, e, aspect);

    if (aspect == DIFF_INPUT)
        buf_addf(&text, "%lld", (long long)e->input_tokens);
    else if (!value.ptr)
        buf_add_text(&text, "(none)");
    else
        buf_add_str(&text, value);
    return mem_strdup(buf_cstr(&text));
}

static void add_example(struct diff_count *c, const struct diff_side *sa, const struct entry *a,
                        const struct diff_side *sb, const struct entry *b, enum diff_aspect aspect)
{
    struct diff_example e;

    if (c->examples.len == DIFF_EXAMPLES_MAX)
        return;
    uuid_format(a->id, e.id_base);
    uuid_format(b->id, e.id_other);
    e.base = text_of(sa, a, aspect);
    e.other = text_of(sb, b, aspect);
    vec_push(&c->examples, e);
}

static double log_choose(uint64_t n, uint64_t k)
{
    return lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1);
}

/* P(at least `differ` of `compared` differ | as many differ in both together): the upper tail of
 * the hypergeometric distribution (Fisher 1935). */
static double fisher(uint64_t differ, uint64_t compared, uint64_t noise, uint64_t noise_compared)
{
    uint64_t all = compared + noise_compared, bad = differ + noise;
    uint64_t most = bad < compared ? bad : compared;
    double p = 0, whole = log_choose(all, compared);

    for (uint64_t k = differ; k <= most; k++)
        if (compared - k <= all - bad)
            p += exp(log_choose(bad, k) + log_choose(all - bad, compared - k) - whole);
    return p < 1 ? p : 1;
}

static void compare_all(const struct diff_side *base, const struct diff_side *other,
                        const size_t *pairs, bool is_noise, struct diff *d)
{
    for (size_t i = 0; i < other->entries.len; i++) {
        if (pairs[i] == NOBODY)
            continue;
        const struct entry *a = &base->entries.ptr[pairs[i]], *b = &other->entries.ptr[i];
        for (int aspect = 0; aspect < DIFF_ASPECT_COUNT; aspect++) {
            struct diff_count *c = &d->counts[aspect];
            int r = compare(base, a, other, b, (enum diff_aspect)aspect);
            if (r < 0)
                continue;
            if (is_noise) {
                c->noise_compared++;
                c->noise_differ += r > 0;
                continue;
            }
            c->compared++;
            c->differ += r > 0;
            if (r > 0)
                add_example(c, base, a, other, b, (enum diff_aspect)aspect);
        }
    }
}

static void sort(const struct diff_side *s)
{
    if (s->entries.len)
        qsort(s->entries.ptr, s->entries.len, sizeof(*s->entries.ptr), by_time);
}

void diff_compare(const struct diff_side *base, const struct diff_side *other,
                  const struct diff_side *noise, struct diff *ret)
{
    *ret = (struct diff){ .has_noise = noise != NULL };
    sort(base);
    sort(other);
    size_t *pairs = pair_up(base, other);
    for (size_t i = 0; i < other->entries.len; i++)
        *(pairs[i] == NOBODY ? &ret->only_other : &ret->pairs) += 1;
    ret->only_base = base->entries.len - ret->pairs;
    compare_all(base, other, pairs, false, ret);
    free(pairs);
    if (noise) {
        sort(noise);
        pairs = pair_up(base, noise);
        compare_all(base, noise, pairs, true, ret);
        free(pairs);
    }
    for (int i = 0; i < DIFF_ASPECT_COUNT; i++) {
        struct diff_count *c = &ret->counts[i];
        c->p = noise ? fisher(c->differ, c->compared, c->noise_differ, c->noise_compared) : 1;
    }
}

bool diff_is_finding(const struct diff *d, enum diff_aspect aspect, double alpha)
{
    const struct diff_count *c = &d->counts[aspect];

    return c->differ && (!d->has_noise || c->p < alpha);
}

void diff_release(struct diff *d)
{
    for (int i = 0; i < DIFF_ASPECT_COUNT; i++) {
        for (size_t k = 0; k < d->counts[i].examples.len; k++) {
            free(d->counts[i].examples.ptr[k].base);
            free(d->counts[i].examples.ptr[k].other);
        }
        vec_release(&d->counts[i].examples);
    }
}

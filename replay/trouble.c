#include "config.h"

#include "replay/trouble.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/map.h"
#include "replay/fault_inject.h"
#include "replay/fault_limiter.h"
#include "replay/incident.h"
#include "replay/play.h"

#define LIVE_INDEX 0x10000u /* faults set over control are numbered from here in the book */

struct upstream {
    struct str name;
    uint64_t attempts;                  /* also the number of the next one */
    uint64_t struck, answered, refused; /* refused: by a status of 400 and more */
    /* In the scenario's time, and one more, so that 0 is never. */
    int64_t first_struck, last_struck;
    int64_t elsewhere;  /* another one answered well after first_struck */
    int64_t good_again; /* an attempt here went well after last_struck */
    bool was_shut;
};

/* An upstream and the model it is asked for. */
struct target {
    uint32_t upstream, incident_plus_one; /* the last one */
    struct str model;
    bool is_first_choice; /* of a call at least; what is not known may be */
};

struct trail {
    uint16_t upstream, status; /* status 0 = no answer */
};

/* One call, known by what is asked. */
struct call_book {
    uint32_t attempts;
    uint32_t met[2]; /* the first and the last incident that struck it, plus one */
    struct trail trail[TROUBLE_TRAIL];
};

struct trouble {
    struct trouble_options options;
    struct scenario *live; /* NULL = none */
    bool has_started;
    uint64_t start_us; /* the loop's time at which the scenario's is 0; wraps */
    uint64_t live_us;  /* and that of the live faults */
    VEC(struct upstream) upstreams;
    struct arena arena;
    struct map cells;  /* "upstream model status": attempts */
    struct map struck; /* fault's index: attempts */
    struct map models;
    struct map quotas;  /* fault, upstream, model: limiter */
    struct map digests; /* to the place in calls */
    VEC(struct call_book) calls;
    uint64_t calls_not_kept;
    struct map targets_by; /* "upstream model": to the place in targets */
    VEC(struct target) targets;
    struct incidents incidents; /* in the scenario's time */
};

struct trouble *trouble_new(const struct trouble_options *options)
{
    struct trouble *t = mem_calloc(1, sizeof(*t));

    t->options = *options;
    return t;
}

static void release_quotas(struct trouble *t)
{
    for (size_t i = 0; i < t->quotas.len; i++)
        free(t->quotas.entries[i].ptr);
    map_release(&t->quotas);
    t->quotas = (struct map){ 0 };
}

static void release_book(struct trouble *t)
{
    release_quotas(t);
    map_release(&t->cells);
    map_release(&t->struck);
    map_release(&t->models);
    map_release(&t->digests);
    map_release(&t->targets_by);
    t->cells = t->struck = t->models = t->digests = t->targets_by = (struct map){ 0 };
    vec_release(&t->calls);
    vec_release(&t->targets);
    incidents_release(&t->incidents);
    t->incidents = (struct incidents){ 0 };
    t->calls_not_kept = 0;
}

void trouble_free(struct trouble *t)
{
    if (!t)
        return;
    release_book(t);
    scenario_free(t->options.scenario);
    scenario_free(t->live);
    vec_release(&t->upstreams);
    arena_release(&t->arena);
    free(t);
}

void trouble_reset(struct trouble *t)
{
    release_book(t);
    for (size_t i = 0; i < t->upstreams.len; i++)
        t->upstreams.ptr[i] = (struct upstream){ .name = t->upstreams.ptr[i].name };
}

size_t trouble_add_upstream(struct trouble *t, struct str name)
{
    for (size_t i = 0; i < t->upstreams.len; i++)
        if (str_eq(t->upstreams.ptr[i].name, name))
            return i;
    vec_push(&t->upstreams, ((struct upstream){ .name = arena_str(&t->arena, name) }));
    return t->upstreams.len - 1;
}

struct str trouble_upstream(const struct trouble *t, size_t number)
{
    return t->upstreams.ptr[number].name;
}

/* --- the clock --- */

void trouble_set_time(struct trouble *t, uint64_t now_us, int64_t at_us)
{
    t->has_started = true;
    t->start_us = now_us - (uint64_t)at_us;
}

void trouble_start(struct trouble *t, uint64_t now_us)
{
    if (!t->has_started)
        trouble_set_time(t, now_us, 0);
}

int64_t trouble_time_us(const struct trouble *t, uint64_t now_us)
{
    return t->has_started ? (int64_t)(now_us - t->start_us) : -1;
}

bool trouble_refuses(const struct trouble *t, size_t upstream, uint64_t now_us)
{
    struct str name = t->upstreams.ptr[upstream].name;
    int64_t at_us = trouble_time_us(t, now_us);

    return (t->options.scenario && at_us >= 0 &&
            scenario_refuses_all(t->options.scenario, name, at_us)) ||
           (t->live && scenario_refuses_all(t->live, name, (int64_t)(now_us - t->live_us)));
}

bool trouble_fails_tls(const struct trouble *t, size_t upstream, uint64_t now_us)
{
    struct str name = t->upstreams.ptr[upstream].name;
    int64_t at_us = t->has_started ? trouble_time_us(t, now_us) : 0;

    return (t->options.scenario && scenario_fails_tls(t->options.scenario, name, at_us)) ||
           (t->live && scenario_fails_tls(t->live, name, (int64_t)(now_us - t->live_us)));
}

void trouble_note_shut(struct trouble *t, size_t upstream)
{
    t->upstreams.ptr[upstream].was_shut = true;
}

/* The loop's time of the next edge behind at_us. */
static uint64_t edge_after(const struct scenario *s, int64_t at_us, uint64_t now_us)
{
    int64_t edge_us = s && at_us >= 0 ? scenario_next_edge(s, at_us) : -1;

    return edge_us < 0 ? UINT64_MAX : now_us + (uint64_t)(edge_us - at_us);
}

uint64_t trouble_next_edge_us(const struct trouble *t, uint64_t now_us)
{
    uint64_t a = edge_after(t->options.scenario, trouble_time_us(t, now_us), now_us);
    uint64_t b = edge_after(t->live, (int64_t)(now_us - t->live_us), now_us);

    return a < b ? a : b;
}

/* The live faults end by hand, before the next ones (NULL = none) begin: an edge of what is about
 * their targets, where incidents are over unless something else is about them still. */
static void end_live(struct trouble *t, const struct scenario *next, uint64_t now_us)
{
    int64_t at_us = trouble_time_us(t, now_us), live_us = (int64_t)(now_us - t->live_us);

    for (size_t i = 0; t->live && i < t->incidents.list.len; i++) {
        struct incident *one = &t->incidents.list.ptr[i];
        const struct target *target = &t->targets.ptr[one->target];
        struct str upstream = t->upstreams.ptr[target->upstream].name;
        if (one->until_us <= at_us || one->from_us > at_us ||
            !scenario_is_about(t->live, upstream, target->model, live_us))
            continue;
        one->until_us = at_us;
        one->goes_on = (next && scenario_is_about(next, upstream, target->model, 0)) ||
                       (t->options.scenario &&
                        scenario_is_about(t->options.scenario, upstream, target->model, at_us));
    }
}

int trouble_set(struct trouble *t, struct str yaml, uint64_t now_us, struct err *err)
{
    struct scenario *s;

    if (scenario_parse(yaml, "faults", &s, err) < 0)
        return -1;
    end_live(t, s, now_us);
    scenario_free(t->live);
    t->live = s;
    t->live_us = now_us;
    return 0;
}

void trouble_clear(struct trouble *t, uint64_t now_us)
{
    end_live(t, NULL, now_us);
    scenario_free(TAKE(t->live));
}

/* --- an attempt --- */

struct strike {
    const struct trouble_attempt *attempt;
    struct upstream *upstream;
    uint64_t number;
    struct str model; /* or "other" */
    int64_t at_us, tokens;
    struct fault faults[2 * SCENARIO_DRAWN_MAX];
    size_t count;
    struct fault_limit limit;
    bool has_limit;
    char digest[2 * REQUEST_DIGEST_BYTES + 1];
};

static bool ends_attempt(const struct fault *f)
{
    return f->kind->stage != FAULT_PACE && f->kind->stage != FAULT_QUOTA;
}

/* index is what the scenario's faults are numbered from in the book.  What ends an attempt already
 * is not joined by another end. */
static void draw_from(struct strike *s, const struct scenario *scenario, uint64_t seed,
                      int64_t at_us, uint32_t index)
{
    struct scenario_attempt a = {
        .at_us = at_us,
        .upstream = s->upstream->name,
        .model = s->attempt->facts->model_requested,
        .app = s->attempt->app,
        .is_stream = s->attempt->facts->stream,
        .number = s->number,
    };

    if (!scenario)
        return;
    bool has_end = false;
    struct fault drawn[SCENARIO_DRAWN_MAX];
    size_t count = scenario_draw(scenario, seed, &a, drawn);
    for (size_t i = 0; i < s->count; i++)
        has_end |= ends_attempt(&s->faults[i]);
    for (size_t i = 0; i < count; i++) {
        drawn[i].index += index;
        if (!has_end || !ends_attempt(&drawn[i]))
            s->faults[s->count++] = drawn[i];
    }
}

static void draw(const struct trouble *t, struct strike *s)
{
    int64_t live_us = (int64_t)(s->attempt->now_us - t->live_us);

    draw_from(s, t->live, t->options.seed, live_us, LIVE_INDEX);
    draw_from(s, t->options.scenario, t->options.seed, s->at_us, 0);
}

static struct fault_limiter *limiter_of(struct trouble *t, const struct strike *s,
                                        const struct fault *quota)
{
    CLEANUP(buf_release) struct buf key = { 0 };

    buf_add(&key, &quota->index, sizeof(quota->index));
    if (t->quotas.len < TROUBLE_QUOTAS_MAX)
        buf_addf(&key, "%.*s %.*s", STR_ARG(s->upstream->name), STR_ARG(s->model));
    struct map_entry *e = map_put(&t->quotas, buf_str(&key), NULL);
    if (!e->ptr)
        e->ptr = mem_calloc(1, sizeof(struct fault_limiter));
    return e->ptr;
}

/* Quotas that let it through are no faults any more; one that does not is the first of all. */
static void ask_quotas(struct trouble *t, struct strike *s)
{
    struct fault refusing = { 0 };
    bool refused = false;
    size_t kept = 0;

    for (size_t i = 0; i < s->count; i++)
        refused |= ends_attempt(&s->faults[i]);
    for (size_t i = 0; i < s->count; i++) {
        struct fault f = s->faults[i];
        if (f.kind->stage != FAULT_QUOTA) {
            s->faults[kept++] = f;
            continue;
        }
        struct fault_limiter *l = limiter_of(t, s, &f);
        bool fits = fault_limiter_take(l, &f, s->at_us, s->tokens, refused);
        if (!s->has_limit || !fits)
            fault_limiter_tell(l, &f, s->at_us, s->tokens, &s->limit, &f.retry_after_us);
        s->has_limit = true;
        if (!fits && !refusing.kind)
            refusing = f;
    }
    s->count = kept;
    if (!refusing.kind)
        return;
    for (size_t i = kept < ARRAY_LEN(s->faults) ? kept : kept - 1; i > 0; i--)
        s->faults[i] = s->faults[i - 1];
    s->faults[0] = refusing;
    s->count += kept < ARRAY_LEN(s->faults);
}

static struct answer *inject(struct trouble *t, const struct strike *s, struct answer *a)
{
    const struct trouble_attempt *at = s->attempt;
    uint64_t wall_us = t->options.date_us ? (uint64_t)(t->options.date_us + s->at_us) : at->wall_us;
    struct fault_setting setting = {
        .saying = {
            .dialect = fault_dialect(at->facts->provider, at->facts->api),
            .model = at->facts->model_requested,
            .number = s->number,
            .wall_us = (int64_t)wall_us,
            .limit = s->has_limit ? &s->limit : NULL,
        },
        .is_stream = at->facts->stream,
        .speed = at->speed,
        .seed = t->options.seed ^ s->number,
    };

    return fault_inject(a, s->faults, s->count, &setting);
}

/* --- the book --- */

static struct str model_name(struct trouble *t, struct str model)
{
    if (!model.len)
        return STR("unknown");
    if (map_find(&t->models, model))
        return model;
    if (t->models.len >= TROUBLE_MODELS_MAX)
        return STR("other");
    return map_put(&t->models, model, NULL)->key;
}

static void count_cell(struct trouble *t, const struct strike *s, unsigned status)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    uint16_t code = (uint16_t)status;
    uint32_t upstream = (uint32_t)s->attempt->upstream;

    buf_add(&key, &upstream, sizeof(upstream));
    buf_add(&key, &code, sizeof(code));
    buf_add_str(&key, s->model);
    map_put(&t->cells, buf_str(&key), NULL)->value++;
    for (size_t i = 0; i < s->count; i++) {
        struct str index = { (const char *)&s->faults[i].index, sizeof(s->faults[i].index) };
        map_put(&t->struck, index, NULL)->value++;
    }
    s->upstream->struck += s->count > 0;
    s->upstream->answered += status >= 200 && status < 400;
    s->upstream->refused += status >= 400;
}

/* Which of the book's moments this is one of. */
static void note_moments(struct trouble *t, const struct strike *s, unsigned status)
{
    struct upstream *here = s->upstream;
    int64_t at = s->at_us + 1;

    if (s->count) {
        here->first_struck = here->first_struck ? here->first_struck : at;
        here->last_struck = at;
        here->good_again = 0;
        return;
    }
    if (status < 200 || status > 299)
        return;
    if (here->last_struck && !here->good_again)
        here->good_again = at;
    for (size_t i = 0; i < t->upstreams.len; i++) {
        struct upstream *u = &t->upstreams.ptr[i];
        if (u != here && u->first_struck && !u->elsewhere)
            u->elsewhere = at;
    }
}

/* NULL: there are too many. */
static struct call_book *count_call(struct trouble *t, const struct strike *s,
                                    const uint8_t *digest, unsigned status)
{
    struct str key = { (const char *)digest, REQUEST_DIGEST_BYTES };
    struct map_entry *e = map_find(&t->digests, key);

    if (!e && t->calls.len >= TROUBLE_CALLS_MAX) {
        t->calls_not_kept++;
        return NULL;
    }
    if (!e) {
        e = map_put(&t->digests, key, NULL);
        e->value = t->calls.len;
        vec_push(&t->calls, ((struct call_book){ 0 }));
    }
    struct call_book *c = &t->calls.ptr[e->value];
    if (c->attempts < TROUBLE_TRAIL)
        c->trail[c->attempts] = (struct trail){ (uint16_t)s->attempt->upstream, (uint16_t)status };
    c->attempts++;
    return c;
}

/* --- incidents --- */

static struct target *target_of(struct trouble *t, const struct strike *s)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    uint32_t upstream = (uint32_t)s->attempt->upstream;
    bool is_new;

    buf_add(&key, &upstream, sizeof(upstream));
    if (t->targets.len < TROUBLE_MODELS_MAX)
        buf_add_str(&key, s->model);
    struct map_entry *e = map_put(&t->targets_by, buf_str(&key), &is_new);
    if (is_new) {
        e->value = t->targets.len;
        vec_push(&t->targets,
                 ((struct target){ .upstream = upstream,
                                   .model = str_sub(e->key, sizeof(upstream), e->key.len) }));
    }
    return &t->targets.ptr[e->value];
}

/* Of the scenario, or of the live faults, in the scenario's time. */
static struct incident find_stretch(const struct trouble *t, const struct strike *s)
{
    int64_t live_us = (int64_t)(s->attempt->now_us - t->live_us), ahead_us = s->at_us - live_us;
    struct scenario_stretch stretch = { .until_us = PLAN_FOREVER }, live;

    if (t->options.scenario)
        scenario_stretch_of(t->options.scenario, s->upstream->name, s->model, s->at_us, &stretch);
    if (t->live) {
        scenario_stretch_of(t->live, s->upstream->name, s->model, live_us, &live);
        if (live.from_us + ahead_us > stretch.from_us)
            stretch.from_us = live.from_us + ahead_us;
        if (live.until_us != PLAN_FOREVER && live.until_us + ahead_us < stretch.until_us) {
            stretch.until_us = live.until_us + ahead_us;
            stretch.goes_on = live.goes_on;
        }
    }
    return (struct incident){ .from_us = stretch.from_us,
                              .until_us = stretch.until_us,
                              .goes_on = stretch.goes_on };
}

static int64_t answer_begins_us(const struct answer *a, unsigned speed)
{
    uint64_t us = a->chunk_count ? a->chunks[0].at_us : a->head_us;

    return (int64_t)(a->is_exact ? us : play_due_us(us, speed));
}

/* Who met an incident, and was answered elsewhere; and who was led around it, for all that can be
 * seen here. */
static void note_answer(struct trouble *t, const struct strike *s, const struct target *here,
                        const struct call_book *c, const struct answer *a)
{
    struct incident_answer answer = {
        .target = (uint32_t)(here - t->targets.ptr),
        .last = here->incident_plus_one,
        .met = {c ? c->met[0] : 0, c ? c->met[1] : 0},
        .attempt_us = s->at_us,
        .answered_us = s->at_us + answer_begins_us(a, s->attempt->speed),
    };

    incidents_answered(&t->incidents, &answer);
    if (c && c->attempts > 1)
        return;
    for (uint32_t i = t->incidents.first_open; i < t->incidents.list.len; i++) {
        const struct incident *one = &t->incidents.list.ptr[i];
        answer.met[0] = answer.met[1] = i + 1;
        if (one->failover_us < 0 && t->targets.ptr[one->target].is_first_choice)
            incidents_answered(&t->incidents, &answer);
    }
}

static void note_struck(struct trouble *t, const struct strike *s, struct target *here,
                        struct call_book *c)
{
    if (!incidents_struck_again(&t->incidents, here->incident_plus_one, s->at_us)) {
        struct incident stretch = find_stretch(t, s);
        incidents_begin(&t->incidents, (uint32_t)(here - t->targets.ptr), &here->incident_plus_one,
                        s->at_us, &stretch);
    }
    if (!c)
        return;
    if (c->met[0] <= t->incidents.first_open) /* none, or of a call before that asked the same */
        c->met[0] = here->incident_plus_one;
    c->met[1] = here->incident_plus_one;
}

static void note_incidents(struct trouble *t, const struct strike *s, struct call_book *c,
                           const struct answer *a)
{
    struct target *here = target_of(t, s);

    here->is_first_choice |= !c || c->attempts == 1;
    if (s->count)
        note_struck(t, s, here, c);
    else if (t->incidents.list.len && a->status >= 200 && a->status <= 299 && !a->is_cut)
        note_answer(t, s, here, c, a);
}

static void log_attempt(struct trouble *t, const struct strike *s, unsigned status)
{
    CLEANUP(buf_release) struct buf line = { 0 };

    if (!t->options.log)
        return;
    buf_add_byte(&line, '{');
    json_add_str(&line, "upstream", s->upstream->name);
    json_add_int(&line, "attempt", (int64_t)s->number);
    json_add_str(&line, "api", str_from(api_name(s->attempt->facts->api)));
    json_add_str(&line, "model", s->attempt->facts->model_requested);
    json_add_bool(&line, "stream", s->attempt->facts->stream);
    json_add_str(&line, "call", str_from(s->digest));
    json_add_int(&line, "status", status);
    json_add_key(&line, "faults");
    buf_add_byte(&line, '[');
    for (size_t i = 0; i < s->count; i++) {
        buf_add_text(&line, i ? "," : "");
        json_add_string(&line, str_from(s->faults[i].kind->name));
    }
    buf_add_text(&line, "]}\n");
    t->options.log(t->options.ctx, buf_str(&line));
}

struct answer *trouble_strike(struct trouble *t, const struct trouble_attempt *attempt,
                              struct answer *a)
{
    struct strike s = { .attempt = attempt, .upstream = &t->upstreams.ptr[attempt->upstream] };
    struct request_asked asked;

    trouble_start(t, attempt->now_us);
    s.number = s.upstream->attempts++;
    s.at_us = trouble_time_us(t, attempt->now_us);
    s.model = model_name(t, attempt->facts->model_requested);
    request_asked(attempt->request, &asked);
    s.tokens = asked.tokens;
    draw(t, &s);
    ask_quotas(t, &s);
    if (s.count || s.has_limit)
        a = inject(t, &s, a);
    unsigned status = a->has_no_head ? 0 : a->status;
    hex_encode(asked.digest, sizeof(asked.digest), s.digest);
    count_cell(t, &s, status);
    struct call_book *c = count_call(t, &s, asked.digest, status);
    note_moments(t, &s, status);
    note_incidents(t, &s, c, a);
    log_attempt(t, &s, status);
    return a;
}

void trouble_strike_handshake(struct trouble *t, size_t upstream, uint64_t now_us)
{
    static const struct call_facts unknown;
    const struct trouble_attempt attempt = { .upstream = upstream,
                                             .facts = &unknown,
                                             .now_us = now_us };
    struct strike s = { .attempt = &attempt, .upstream = &t->upstreams.ptr[upstream] };
    CLEANUP(answer_unref) struct answer *none = answer_new(0);

    trouble_start(t, now_us);
    s.number = s.upstream->attempts++;
    s.at_us = trouble_time_us(t, now_us);
    s.model = model_name(t, STR(""));
    draw(t, &s);
    count_cell(t, &s, 0);
    note_moments(t, &s, 0);
    note_incidents(t, &s, NULL, none);
    log_attempt(t, &s, 0);
}

/* --- what is told --- */

static void tell_moment(const char *key, int64_t at, struct buf *out)
{
    if (at)
        json_add_int(out, key, at - 1);
}

static void tell_upstreams(const struct trouble *t, struct buf *out)
{
    json_add_key(out, "upstreams");
    buf_add_byte(out, '{');
    for (size_t i = 0; i < t->upstreams.len; i++) {
        const struct upstream *u = &t->upstreams.ptr[i];
        CLEANUP(buf_release) struct buf name = { 0 };

        buf_add_str(&name, u->name);
        json_add_key(out, buf_cstr(&name));
        buf_add_byte(out, '{');
        json_add_int(out, "attempts", (int64_t)u->attempts);
        json_add_int(out, "answered", (int64_t)u->answered);
        json_add_int(out, "refused", (int64_t)u->refused);
        json_add_int(out, "struck", (int64_t)u->struck);
        if (u->was_shut)
            json_add_bool(out, "was_shut", true);
        tell_moment("first_struck_us", u->first_struck, out);
        tell_moment("last_struck_us", u->last_struck, out);
        tell_moment("elsewhere_us", u->elsewhere, out);
        tell_moment("good_again_us", u->good_again, out);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, '}');
}

static void tell_cells(const struct trouble *t, struct buf *out)
{
    json_add_key(out, "attempts");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < t->cells.len; i++) {
        struct str key = t->cells.entries[i].key;
        uint32_t upstream;
        uint16_t status;

        memcpy(&upstream, key.ptr, sizeof(upstream));
        memcpy(&status, key.ptr + sizeof(upstream), sizeof(status));
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "upstream", t->upstreams.ptr[upstream].name);
        json_add_str(out, "model", str_sub(key, sizeof(upstream) + sizeof(status), key.len));
        json_add_int(out, "status", status);
        json_add_int(out, "attempts", (int64_t)t->cells.entries[i].value);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void tell_incidents(const struct trouble *t, struct buf *out)
{
    json_add_key(out, "incidents");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < t->incidents.list.len; i++) {
        const struct incident *one = &t->incidents.list.ptr[i];
        const struct target *target = &t->targets.ptr[one->target];
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "upstream", t->upstreams.ptr[target->upstream].name);
        json_add_str(out, "model", target->model);
        json_add_int(out, "from_us", one->from_us);
        if (one->until_us != PLAN_FOREVER)
            json_add_int(out, "until_us", one->until_us);
        if (one->goes_on)
            json_add_bool(out, "goes_on", true);
        json_add_int(out, "first_us", one->first_us);
        json_add_int(out, "struck", (int64_t)one->struck);
        if (one->failover_us >= 0)
            json_add_int(out, "elsewhere_us", one->failover_us);
        if (one->recovered_us >= 0)
            json_add_int(out, "recovered_us", one->recovered_us);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void tell_clock(const struct trouble *t, uint64_t now_us, struct buf *out)
{
    json_add_int(out, "seed", (int64_t)t->options.seed);
    json_add_bool(out, "started", t->has_started);
    json_add_int(out, "at_us", trouble_time_us(t, now_us));
}

void trouble_tell_stats(const struct trouble *t, uint64_t now_us, struct buf *out)
{
    buf_add_byte(out, '{');
    tell_clock(t, now_us, out);
    tell_upstreams(t, out);
    tell_incidents(t, out);
    tell_cells(t, out);
    buf_add_text(out, "}\n");
}

static void tell_call(const struct trouble *t, const struct map_entry *e, struct buf *out)
{
    const struct call_book *c = &t->calls.ptr[e->value];
    char digest[2 * REQUEST_DIGEST_BYTES + 1];

    buf_add_byte(out, '{');
    json_add_str(out, "call", str_from(hex_encode(e->key.ptr, e->key.len, digest)));
    json_add_int(out, "attempts", c->attempts);
    json_add_key(out, "trail");
    buf_add_byte(out, '[');
    for (uint32_t i = 0; i < c->attempts && i < TROUBLE_TRAIL; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "upstream", t->upstreams.ptr[c->trail[i].upstream].name);
        json_add_int(out, "status", c->trail[i].status);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}");
}

void trouble_tell_calls(const struct trouble *t, bool all, struct buf *out)
{
    uint64_t attempts = 0, by_count[TROUBLE_TRAIL + 1] = { 0 };
    uint32_t most = 0;

    for (size_t i = 0; i < t->calls.len; i++) {
        uint32_t n = t->calls.ptr[i].attempts;
        attempts += n;
        most = n > most ? n : most;
        by_count[n < TROUBLE_TRAIL ? n : TROUBLE_TRAIL]++;
    }
    buf_add_byte(out, '{');
    json_add_int(out, "calls", (int64_t)t->calls.len);
    json_add_int(out, "attempts", (int64_t)attempts);
    json_add_int(out, "most", most);
    json_add_int(out, "attempts_of_calls_not_kept", (int64_t)t->calls_not_kept);
    json_add_key(out, "calls_with_attempts"); /* 1, 2, ... 8 and more */
    buf_add_byte(out, '[');
    for (int i = 1; i <= TROUBLE_TRAIL; i++)
        buf_addf(out, "%s%llu", i > 1 ? "," : "", (unsigned long long)by_count[i]);
    buf_add_byte(out, ']');
    if (all) {
        json_add_key(out, "each");
        buf_add_byte(out, '[');
        for (size_t i = 0; i < t->digests.len; i++) {
            buf_add_text(out, i ? "," : "");
            tell_call(t, &t->digests.entries[i], out);
        }
        buf_add_byte(out, ']');
    }
    buf_add_text(out, "}\n");
}

static void tell_fault(const struct trouble *t, const struct scenario *s, size_t number,
                       uint32_t from, struct buf *out)
{
    CLEANUP(buf_release) struct buf scope = { 0 };
    int64_t from_us, to_us;
    struct fault f = scenario_fault(s, number, &from_us, &to_us);
    uint32_t index = from + f.index;
    const struct map_entry *e =
        map_find(&t->struck, (struct str){ (const char *)&index, sizeof(index) });

    scenario_fault_scope(s, number, &scope);
    buf_add_byte(out, '{');
    json_add_str(out, "fault", str_from(f.kind->name));
    json_add_str(out, "on", buf_str(&scope));
    json_add_int(out, "from_us", from_us);
    if (to_us != PLAN_FOREVER)
        json_add_int(out, "to_us", to_us);
    json_add_bool(out, "live", from > 0);
    json_add_str(out, "expected", str_from(fault_expected_names[fault_expected(&f)]));
    json_add_int(out, "struck", e ? (int64_t)e->value : 0);
    buf_add_byte(out, '}');
}

void trouble_tell_faults(const struct trouble *t, uint64_t now_us, struct buf *out)
{
    const struct scenario *both[] = { t->options.scenario, t->live };
    const uint32_t from[] = { 0, LIVE_INDEX };
    bool is_first = true;

    buf_add_byte(out, '{');
    tell_clock(t, now_us, out);
    if (both[0])
        json_add_str(out, "scenario", scenario_about(both[0]).name);
    json_add_key(out, "faults");
    buf_add_byte(out, '[');
    for (size_t b = 0; b < ARRAY_LEN(both); b++)
        for (size_t i = 0; both[b] && i < scenario_fault_count(both[b]); i++) {
            buf_add_text(out, is_first ? "" : ",");
            tell_fault(t, both[b], i, from[b], out);
            is_first = false;
        }
    buf_add_text(out, "]}\n");
}

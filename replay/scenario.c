#include "config.h"

#include "replay/scenario.h"

#include <stdlib.h>

#include "replay/scenario_parts.h"

#define MILLION            INT64_C(1000000)
#define LOAD_MAX           (MILLION * MILLION)
#define LISTS_MAX          (UINT32_C(1) << 16) /* entries of the lists of one set of candidates */
#define LISTS_TOGETHER_MAX (UINT32_C(1) << 24)

/* Between two edges the same faults can strike.  lists[first[i]] to lists[first[i + 1]] are those
 * after i edges have passed. */
struct segments {
    size_t edge_count;
    int64_t *edges;
    uint32_t *first;
    uint16_t *lists;
};

struct scenario_scope {
    uint64_t salt; /* of the upstream */
    const struct segments *segments;
};

void scenario_free(struct scenario *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->segments.len; i++) {
        struct segments *g = s->segments.entries[i].ptr;
        free(g->edges);
        free(g->first);
        free(g->lists);
        free(g);
    }
    for (size_t i = 0; i < s->scopes.len; i++)
        free(s->scopes.entries[i].ptr);
    map_release(&s->segments);
    map_release(&s->scopes);
    vec_release(&s->entries);
    vec_release(&s->loads);
    vec_release(&s->edges);
    arena_release(&s->arena);
    free(s);
}

/* --- what it says --- */

struct scenario_about scenario_about(const struct scenario *s)
{
    return s->about;
}

size_t scenario_fault_count(const struct scenario *s)
{
    return s->entries.len;
}

bool scenario_has_load(const struct scenario *s)
{
    return s->loads.len > 0;
}

/* Where in the window, in 2^-20. */
static int64_t share_of(const struct scenario_window *w, int64_t at_us)
{
    int64_t length_us = w->to_us - w->from_us, done_us = at_us - w->from_us;

    if (length_us < INT64_C(1) << 40)
        return (done_us << 20) / length_us;
    return done_us / (length_us >> 20);
}

static inline int64_t ramp_at(const struct scenario_ramp *r, const struct scenario_window *w,
                              int64_t at_us)
{
    if (r->from == r->to)
        return r->from;
    return (int64_t)(r->from + (i128)(r->to - r->from) * share_of(w, at_us) / (1 << 20));
}

int64_t scenario_ramp_at(const struct scenario_ramp *r, const struct scenario_window *w,
                         int64_t at_us)
{
    return ramp_at(r, w, at_us);
}

static struct fault fault_at(const struct scenario_entry *e, int64_t at_us)
{
    struct fault f = e->fault;

    if (e->has_ramp) {
        f.factor_percent = (uint32_t)ramp_at(&e->factor, &e->window, at_us);
        f.delay_us = ramp_at(&e->delay, &e->window, at_us);
    }
    return f;
}

struct fault scenario_fault(const struct scenario *s, size_t index, int64_t *ret_from_us,
                            int64_t *ret_to_us)
{
    const struct scenario_entry *e = &s->entries.ptr[index];

    *ret_from_us = e->window.from_us;
    *ret_to_us = e->window.to_us;
    return fault_at(e, e->window.from_us);
}

static void add_names(struct buf *out, const char *what, const struct scenario_names *names)
{
    for (size_t i = 0; i < names->len; i++)
        buf_addf(out, "%s%s%.*s", out->len ? " " : "", i ? "or " : what, STR_ARG(names->list[i]));
}

void scenario_fault_scope(const struct scenario *s, size_t index, struct buf *out)
{
    const struct scenario_entry *e = &s->entries.ptr[index];
    CLEANUP(buf_release) struct buf text = { 0 };

    add_names(&text, "", &e->upstreams);
    add_names(&text, "model ", &e->models);
    add_names(&text, "app ", &e->apps);
    buf_add_str(out, text.len ? buf_str(&text) : STR("everything"));
}

int64_t scenario_length_us(const struct scenario *s)
{
    int64_t end_us = 0;

    for (size_t i = 0; i < s->entries.len; i++)
        if (s->entries.ptr[i].window.to_us > end_us)
            end_us = s->entries.ptr[i].window.to_us;
    for (size_t i = 0; i < s->loads.len; i++)
        if (s->loads.ptr[i].window.to_us > end_us)
            end_us = s->loads.ptr[i].window.to_us;
    return end_us;
}

/* --- edges --- */

static int compare_times(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* Sorts, and leaves each one once. */
static size_t sort_times(int64_t *list, size_t len)
{
    size_t kept = 0;

    if (len)
        qsort(list, len, sizeof(*list), compare_times);
    for (size_t i = 0; i < len; i++)
        if (!kept || list[kept - 1] != list[i])
            list[kept++] = list[i];
    return kept;
}

static void add_edges(struct scenario *s, const struct scenario_window *w)
{
    vec_push(&s->edges, w->from_us);
    if (w->to_us != PLAN_FOREVER)
        vec_push(&s->edges, w->to_us);
}

void scenario_finish(struct scenario *s)
{
    for (size_t i = 0; i < s->entries.len; i++)
        add_edges(s, &s->entries.ptr[i].window);
    for (size_t i = 0; i < s->loads.len; i++)
        add_edges(s, &s->loads.ptr[i].window);
    s->edges.len = sort_times(s->edges.ptr, s->edges.len);
}

/* How many of them are not after at_us.  Without branches that could be guessed wrong. */
static size_t passed(const int64_t *edges, size_t len, int64_t at_us)
{
    size_t from = 0;

    while (len > 1) {
        size_t half = len / 2;
        from += half * (edges[from + half - 1] <= at_us);
        len -= half;
    }
    return from + (len && edges[from] <= at_us);
}

int64_t scenario_next_edge(const struct scenario *s, int64_t at_us)
{
    size_t i = passed(s->edges.ptr, s->edges.len, at_us);

    return i < s->edges.len ? s->edges.ptr[i] : -1;
}

/* --- load --- */

static bool fits(const struct scenario_names *names, struct str name)
{
    for (size_t i = 0; i < names->len; i++)
        if (str_glob(names->list[i], name))
            return true;
    return names->len == 0;
}

static bool is_within(const struct scenario_window *w, int64_t at_us)
{
    return at_us >= w->from_us && at_us < w->to_us;
}

int64_t scenario_load_micro(const struct scenario *s, int64_t at_us, struct str app,
                            struct str model)
{
    int64_t load = MILLION;

    for (size_t i = 0; i < s->loads.len; i++) {
        const struct scenario_load *l = &s->loads.ptr[i];
        if (!is_within(&l->window, at_us) || !fits(&l->apps, app) || !fits(&l->models, model))
            continue;
        i128 product = (i128)load * ramp_at(&l->times, &l->window, at_us) / MILLION;
        load = product > LOAD_MAX ? LOAD_MAX : (int64_t)product;
    }
    return load;
}

/* What may begin or end at one of its edges is told by those nearest to at_us. */
static void add_edge(int64_t edge_us, bool begins, int64_t at_us, struct scenario_stretch *ret)
{
    if (edge_us <= at_us) {
        ret->from_us = edge_us > ret->from_us ? edge_us : ret->from_us;
    } else if (edge_us < ret->until_us) {
        ret->until_us = edge_us;
        ret->goes_on = begins;
    } else if (edge_us == ret->until_us && edge_us != PLAN_FOREVER) {
        ret->goes_on |= begins;
    }
}

void scenario_stretch_of(const struct scenario *s, struct str upstream, struct str model,
                         int64_t at_us, struct scenario_stretch *ret)
{
    *ret = (struct scenario_stretch){ .until_us = PLAN_FOREVER };
    for (size_t i = 0; i < s->entries.len; i++) {
        const struct scenario_entry *e = &s->entries.ptr[i];
        if (!fits(&e->upstreams, upstream) || !fits(&e->models, model))
            continue;
        add_edge(e->window.from_us, true, at_us, ret);
        add_edge(e->window.to_us, false, at_us, ret);
    }
}

bool scenario_is_about(const struct scenario *s, struct str upstream, struct str model,
                       int64_t at_us)
{
    for (size_t i = 0; i < s->entries.len; i++) {
        const struct scenario_entry *e = &s->entries.ptr[i];
        if (is_within(&e->window, at_us) && fits(&e->upstreams, upstream) &&
            fits(&e->models, model))
            return true;
    }
    return false;
}

static bool is_kind(const struct scenario_entry *e, const char *name)
{
    return str_eq(str_from(e->fault.kind->name), str_from(name));
}

/* Whether it strikes every attempt at the upstream then. */
static bool strikes_all(const struct scenario_entry *e, struct str upstream, int64_t at_us)
{
    return e->on == FAULT_ON_ANY && is_within(&e->window, at_us) &&
           ramp_at(&e->chance, &e->window, at_us) == MILLION && !e->models.len && !e->apps.len &&
           fits(&e->upstreams, upstream);
}

bool scenario_refuses_all(const struct scenario *s, struct str upstream, int64_t at_us)
{
    for (size_t i = 0; i < s->entries.len; i++) {
        const struct scenario_entry *e = &s->entries.ptr[i];
        if ((is_kind(e, "connect_refused") || is_kind(e, "dns_failure")) &&
            strikes_all(e, upstream, at_us))
            return true;
    }
    return false;
}

bool scenario_fails_tls(const struct scenario *s, struct str upstream, int64_t at_us)
{
    for (size_t i = 0; i < s->entries.len; i++)
        if (is_kind(&s->entries.ptr[i], "tls_failure") &&
            strikes_all(&s->entries.ptr[i], upstream, at_us))
            return true;
    return false;
}

/* From first to last. */
static bool is_nameless(const struct scenario_entry *e)
{
    return is_kind(e, "dns_failure") && e->chance.from == e->chance.to &&
           e->window.to_us == PLAN_FOREVER;
}

bool scenario_has_no_name(const struct scenario *s, struct str upstream)
{
    for (size_t i = 0; i < s->entries.len; i++)
        if (is_nameless(&s->entries.ptr[i]) && strikes_all(&s->entries.ptr[i], upstream, 0))
            return true;
    return false;
}

const char *scenario_stand_in(const struct scenario *s, size_t index, struct scenario_means means)
{
    const struct scenario_entry *e = &s->entries.ptr[index];
    bool is_for_all = e->on == FAULT_ON_ANY && e->chance.from == MILLION &&
                      e->chance.to == MILLION && !e->models.len && !e->apps.len;

    if ((is_kind(e, "connect_refused") && is_for_all) ||
        (is_kind(e, "tls_failure") && is_for_all && means.has_tls) ||
        (is_nameless(e) && is_for_all && e->window.from_us <= 0 && means.has_names))
        return NULL;
    return e->fault.kind->nearest;
}

/* --- drawing --- */

static uint64_t mixed(uint64_t n) /* splitmix64 */
{
    n += UINT64_C(0x9e3779b97f4a7c15);
    n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
    return n ^ n >> 31;
}

/* All that is drawn for one attempt follows from this. */
static uint64_t attempt_hash(uint64_t salt, uint64_t seed, uint64_t number)
{
    return mixed(mixed(salt ^ seed) + number);
}

/* A hash as a number below a million, without the division that would take longer than all else. */
static bool is_drawn(uint64_t hash, int64_t chance)
{
    return (int64_t)((u128)hash * (u128)MILLION >> 64) < chance;
}

struct drawing {
    uint64_t hash;
    int64_t at_us;
    unsigned on;
    size_t len;
    bool has_end;
    struct fault *ret;
};

static void draw_entry(struct drawing *d, const struct scenario_entry *e)
{
    if (!is_within(&e->window, d->at_us) || !(e->on & d->on) || (e->ends_attempt && d->has_end) ||
        d->len == SCENARIO_DRAWN_MAX)
        return;
    int64_t chance = ramp_at(&e->chance, &e->window, d->at_us);
    if (chance < MILLION && !is_drawn(mixed(d->hash ^ mixed(e->fault.index + UINT64_C(1))), chance))
        return;
    d->has_end |= e->ends_attempt;
    d->ret[d->len++] = fault_at(e, d->at_us);
}

size_t scenario_draw(const struct scenario *s, uint64_t seed, const struct scenario_attempt *a,
                     struct fault ret[SCENARIO_DRAWN_MAX])
{
    struct drawing d = { .hash = attempt_hash(map_hash(a->upstream), seed, a->number),
                         .at_us = a->at_us,
                         .on = a->is_stream ? FAULT_ON_STREAM : FAULT_ON_WHOLE,
                         .ret = ret };

    for (size_t i = 0; i < s->entries.len; i++) {
        const struct scenario_entry *e = &s->entries.ptr[i];
        if (fits(&e->upstreams, a->upstream) && fits(&e->models, a->model) &&
            fits(&e->apps, a->app))
            draw_entry(&d, e);
    }
    return d.len;
}

size_t scenario_draw_scoped(const struct scenario *s, const struct scenario_scope *scope,
                            uint64_t seed, int64_t at_us, bool is_stream, uint64_t number,
                            struct fault ret[SCENARIO_DRAWN_MAX])
{
    const struct segments *g = scope->segments;
    size_t i = passed(g->edges, g->edge_count, at_us);
    uint32_t next = g->first[i], end = g->first[i + 1];

    if (next == end)
        return 0;
    struct drawing d = { .hash = attempt_hash(scope->salt, seed, number),
                         .at_us = at_us,
                         .on = is_stream ? FAULT_ON_STREAM : FAULT_ON_WHOLE,
                         .ret = ret };
    for (; next < end; next++)
        draw_entry(&d, &s->entries.ptr[g->lists[next]]);
    return d.len;
}

/* --- scopes --- */

/* One list for all times: what has too many edges is looked through. */
static void one_segment(struct segments *g, const uint16_t *candidates, size_t len)
{
    g->first = mem_calloc(2, sizeof(*g->first));
    g->first[1] = (uint32_t)len;
    g->lists = mem_calloc(len + 1, sizeof(*g->lists));
    for (size_t i = 0; i < len; i++)
        g->lists[i] = candidates[i];
}

static void find_edges(const struct scenario *s, struct segments *g, const uint16_t *candidates,
                       size_t len)
{
    g->edges = mem_calloc(2 * len + 1, sizeof(*g->edges));
    for (size_t i = 0; i < len; i++) {
        const struct scenario_window *w = &s->entries.ptr[candidates[i]].window;
        g->edges[g->edge_count++] = w->from_us;
        if (w->to_us != PLAN_FOREVER)
            g->edges[g->edge_count++] = w->to_us;
    }
    g->edge_count = sort_times(g->edges, g->edge_count);
}

/* false: the lists would be too long. */
static bool fill_lists(const struct scenario *s, struct segments *g, const uint16_t *candidates,
                       size_t len)
{
    VEC(uint16_t) lists = { 0 };

    g->first = mem_calloc(g->edge_count + 2, sizeof(*g->first));
    for (size_t edge = 0; edge < g->edge_count && lists.len <= LISTS_MAX; edge++) {
        g->first[edge + 1] = (uint32_t)lists.len;
        for (size_t i = 0; i < len; i++)
            if (is_within(&s->entries.ptr[candidates[i]].window, g->edges[edge]))
                vec_push(&lists, candidates[i]);
    }
    g->first[g->edge_count + 1] = (uint32_t)lists.len;
    g->lists = lists.ptr;
    return lists.len <= LISTS_MAX && s->segment_entries + lists.len <= LISTS_TOGETHER_MAX;
}

static const struct segments *segments_of(struct scenario *s, const uint16_t *candidates,
                                          size_t len)
{
    struct str key = { (const char *)candidates, len * sizeof(*candidates) };
    bool is_new;
    struct map_entry *entry = map_put(&s->segments, key, &is_new);

    if (!is_new)
        return entry->ptr;
    struct segments *g = mem_calloc(1, sizeof(*g));
    entry->ptr = g;
    find_edges(s, g, candidates, len);
    if (fill_lists(s, g, candidates, len)) {
        s->segment_entries += g->first[g->edge_count + 1];
        return g;
    }
    free(g->edges);
    free(g->first);
    free(g->lists);
    *g = (struct segments){ 0 };
    one_segment(g, candidates, len);
    return g;
}

static void add_part(struct buf *key, struct str name)
{
    buf_add(key, &name.len, sizeof(name.len));
    buf_add_str(key, name);
}

const struct scenario_scope *scenario_scope_of(struct scenario *s, struct str upstream,
                                               struct str model, struct str app)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    uint16_t candidates[SCENARIO_FAULTS_MAX];
    size_t len = 0;
    bool is_new;

    add_part(&key, upstream);
    add_part(&key, model);
    add_part(&key, app);
    if (s->scopes.len >= SCENARIO_SCOPES_MAX && !map_find(&s->scopes, buf_str(&key)))
        return NULL;
    struct map_entry *entry = map_put(&s->scopes, buf_str(&key), &is_new);
    if (!is_new)
        return entry->ptr;
    for (size_t i = 0; i < s->entries.len; i++) {
        const struct scenario_entry *e = &s->entries.ptr[i];
        if (fits(&e->upstreams, upstream) && fits(&e->models, model) && fits(&e->apps, app))
            candidates[len++] = (uint16_t)i;
    }
    struct scenario_scope *scope = mem_calloc(1, sizeof(*scope));
    scope->salt = map_hash(upstream);
    scope->segments = segments_of(s, candidates, len);
    entry->ptr = scope;
    return scope;
}

bool scenario_scope_is_empty(const struct scenario_scope *scope)
{
    return scope->segments->first[scope->segments->edge_count + 1] == 0;
}

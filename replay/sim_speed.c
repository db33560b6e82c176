#include "config.h"

#include "replay/sim_speed.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/timestamp.h"
#include "base/vec.h"

#define MS           INT64_C(1000)
#define NS_PER_US    1000
#define STATED_MAX   1000
#define TOKENS_LEAST 2 /* of fewer the time for each says nothing */

const char *const sim_speed_from_names[] = {
    [SIM_FROM_RECORDED] = "recorded",
    [SIM_FROM_MODEL] = "this model elsewhere",
    [SIM_FROM_UPSTREAM] = "this upstream's other models",
    [SIM_FROM_ALL] = "all that was recorded",
    [SIM_FROM_STATED] = "stated",
    [SIM_FROM_ASSUMED] = "assumed",
};

/* What is assumed where nothing was recorded and nothing stated: a mid-sized chat model at a large
 * provider.  Results say so. */
static const struct {
    int64_t median, p95;
} assumed[SIM_SPEED_PARTS] = {
    [SIM_FIRST] = {700 * MS,             2000 * MS         },
    [SIM_PER_TOKEN] = { 15 * MS * NS_PER_US, 40 * MS *NS_PER_US},
    [SIM_REST] = { 4 * US_PER_SECOND,   15 * US_PER_SECOND},
    [SIM_WHOLE] = { 4 * US_PER_SECOND,   15 * US_PER_SECOND},
};

struct recorded {
    struct str upstream, model;
    struct sketch part[SIM_SPEED_PARTS];
};

struct stated {
    struct str upstream, model;                            /* shell patterns */
    int64_t median[SIM_SPEED_PARTS], p95[SIM_SPEED_PARTS]; /* -1 = not said */
};

struct sim_speeds {
    struct map by_name; /* upstream NUL model */
    VEC(struct recorded) recorded;
    VEC(struct stated) stated;
    struct map found; /* struct sim_speed */
    struct arena arena;
};

struct sim_speeds *sim_speeds_new(void)
{
    return mem_calloc(1, sizeof(struct sim_speeds));
}

void sim_speeds_free(struct sim_speeds *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->recorded.len; i++)
        for (size_t p = 0; p < SIM_SPEED_PARTS; p++)
            sketch_release(&s->recorded.ptr[i].part[p]);
    vec_release(&s->recorded);
    vec_release(&s->stated);
    for (size_t i = 0; i < s->found.len; i++)
        free(s->found.entries[i].ptr);
    map_release(&s->found);
    map_release(&s->by_name);
    arena_release(&s->arena);
    free(s);
}

static void make_key(struct str upstream, struct str model, struct buf *key)
{
    buf_add_str(key, upstream);
    buf_add_byte(key, '\0');
    buf_add_str(key, model);
}

uint32_t sim_speeds_place(struct sim_speeds *s, struct str upstream, struct str model)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    bool is_new;

    make_key(upstream, model, &key);
    if (s->by_name.len >= SIM_SPEEDS_MAX && !map_find(&s->by_name, buf_str(&key))) {
        buf_clear(&key);
        make_key(STR(""), STR(""), &key);
        upstream = model = STR("");
    }
    struct map_entry *e = map_put(&s->by_name, buf_str(&key), &is_new);
    if (is_new) {
        struct recorded r = { arena_str(&s->arena, upstream),
                              arena_str(&s->arena, model),
                              { { 0 } } };
        e->value = s->recorded.len;
        vec_push(&s->recorded, r);
    }
    return (uint32_t)e->value;
}

void sim_speeds_add(struct sim_speeds *s, uint32_t place, const struct sim_sample *sample)
{
    struct sketch *part = s->recorded.ptr[place].part;

    if (!sample->is_stream) {
        sketch_add(&part[SIM_WHOLE], sample->end_us);
        return;
    }
    if (sample->first_us < 0 || sample->first_us > sample->end_us)
        return;
    sketch_add(&part[SIM_FIRST], sample->first_us);
    sketch_add(&part[SIM_REST], sample->end_us - sample->first_us);
    if (sample->tokens >= TOKENS_LEAST)
        sketch_add(&part[SIM_PER_TOKEN],
                   (sample->end_us - sample->first_us) * NS_PER_US / sample->tokens);
}

/* --- stated --- */

static const struct {
    struct str name;
    enum sim_speed_part part;
    bool is_p95;
} keys[] = {
    {STR_INIT("first"),      SIM_FIRST,     false},
    { STR_INIT("first-p95"), SIM_FIRST,     true },
    { STR_INIT("token"),     SIM_PER_TOKEN, false},
    { STR_INIT("token-p95"), SIM_PER_TOKEN, true },
    { STR_INIT("rest"),      SIM_REST,      false},
    { STR_INIT("rest-p95"),  SIM_REST,      true },
    { STR_INIT("whole"),     SIM_WHOLE,     false},
    { STR_INIT("whole-p95"), SIM_WHOLE,     true },
};

static int read_pair(struct stated *st, struct str pair, const char *text, struct err *err)
{
    struct str name;
    int64_t us;

    str_split(&pair, ':', &name);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (!str_eq(str_trim(name), keys[i].name))
            continue;
        if (!duration_parse(str_trim(pair), &us))
            return err_set(err, ERR_USAGE, "speed '%s': '%.*s' is not a duration such as 600ms",
                           text, STR_ARG(pair));
        if (keys[i].part == SIM_PER_TOKEN)
            us *= NS_PER_US;
        (keys[i].is_p95 ? st->p95 : st->median)[keys[i].part] = us;
        return 0;
    }
    return err_set(
        err, ERR_USAGE,
        "speed '%s': '%.*s' is none of first, token, rest and whole, each also with -p95", text,
        STR_ARG(name));
}

int sim_speeds_state(struct sim_speeds *s, const char *text, struct err *err)
{
    struct str rest = str_from(text), target, pair;
    struct stated st;

    memset(&st, 0xff, sizeof(st));
    if (!str_split(&rest, '=', &target) || rest.len == 0 || s->stated.len >= STATED_MAX)
        return err_set(err, ERR_USAGE,
                       "speed '%s': write UPSTREAM[/MODEL]=first:600ms,token:20ms,whole:4s", text);
    while (rest.len) {
        str_split(&rest, ',', &pair);
        if (read_pair(&st, pair, text, err) < 0)
            return -1;
    }
    for (size_t p = 0; p < SIM_SPEED_PARTS; p++)
        if (st.median[p] < 0 && st.p95[p] >= 0)
            return err_set(err, ERR_USAGE, "speed '%s': a p95 needs its median beside it", text);
    str_split(&target, '/', &st.upstream);
    st.upstream = arena_str(&s->arena, st.upstream);
    st.model = arena_str(&s->arena, target.ptr ? target : STR("*"));
    vec_push(&s->stated, st);
    return 0;
}

/* --- found --- */

static bool is_about(const struct recorded *r, enum sim_speed_from from, struct str upstream,
                     struct str model)
{
    bool here = str_eq(r->upstream, upstream), same = str_eq(r->model, model);

    return from == SIM_FROM_ALL || (from == SIM_FROM_RECORDED && here && same) ||
           (from == SIM_FROM_MODEL && same) || (from == SIM_FROM_UPSTREAM && here);
}

static bool find_recorded(const struct sim_speeds *s, struct str upstream, struct str model,
                          enum sim_speed_part p, struct sim_speed *ret)
{
    for (int from = SIM_FROM_RECORDED; from <= SIM_FROM_ALL; from++) {
        CLEANUP(sketch_release) struct sketch sum = { 0 };
        for (size_t i = 0; i < s->recorded.len; i++)
            if (is_about(&s->recorded.ptr[i], (enum sim_speed_from)from, upstream, model))
                sketch_merge(&sum, &s->recorded.ptr[i].part[p]);
        if (sum.total == 0)
            continue;
        sim_dist_of(&sum, &ret->part[p]);
        ret->from[p] = (enum sim_speed_from)from;
        return true;
    }
    return false;
}

static bool find_stated(const struct sim_speeds *s, struct str upstream, struct str model,
                        enum sim_speed_part p, struct sim_speed *ret)
{
    for (size_t i = s->stated.len; i-- > 0;) { /* the last one counts */
        const struct stated *st = &s->stated.ptr[i];
        if (st->median[p] < 0 || !str_glob(st->upstream, upstream) || !str_glob(st->model, model))
            continue;
        sim_dist_stated(st->median[p], st->p95[p] < 0 ? st->median[p] : st->p95[p], &ret->part[p]);
        ret->from[p] = SIM_FROM_STATED;
        return true;
    }
    return false;
}

static struct sim_speed *find(const struct sim_speeds *s, struct str upstream, struct str model)
{
    struct sim_speed *ret = mem_calloc(1, sizeof(*ret));

    for (int p = 0; p < SIM_SPEED_PARTS; p++) {
        enum sim_speed_part part = (enum sim_speed_part)p;
        if (find_stated(s, upstream, model, part, ret) ||
            find_recorded(s, upstream, model, part, ret))
            continue;
        sim_dist_stated(assumed[p].median, assumed[p].p95, &ret->part[p]);
        ret->from[p] = SIM_FROM_ASSUMED;
    }
    return ret;
}

const struct sim_speed *sim_speeds_find(struct sim_speeds *s, struct str upstream, struct str model)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    bool is_new;

    make_key(upstream, model, &key);
    struct map_entry *e = map_put(&s->found, buf_str(&key), &is_new);
    if (is_new)
        e->ptr = find(s, upstream, model);
    return e->ptr;
}

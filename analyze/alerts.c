#include "config.h"

#include "analyze/alerts.h"

#include <stdarg.h>
#include <stdlib.h>

#include "analyze/alerts_parts.h"
#include "analyze/culprit.h"

static const char *const kinds[ALERT_KIND_COUNT] = {
    [ALERT_PRICE] = "price",       [ALERT_GAP] = "gap",
    [ALERT_BUDGET] = "budget",     [ALERT_OVERRUN] = "overrun",
    [ALERT_CHANGE] = "change",     [ALERT_SPIKE] = "spike",
    [ALERT_DRIFT] = "drift",       [ALERT_UNATTRIBUTED] = "unattributed",
    [ALERT_UNPRICED] = "unpriced", [ALERT_ERRORS] = "errors",
    [ALERT_LATENCY] = "latency",
};

const char *alert_kind_name(enum alert_kind kind)
{
    return kinds[kind];
}

/* --- spans --- */

static struct civil civil_of(int64_t day)
{
    return civil_from_us(day * US_PER_DAY);
}

static int64_t month_start(int64_t day)
{
    return day - (civil_of(day).day - 1);
}

struct alerts_span alerts_span_at(const struct tz *tz, int64_t now_us)
{
    struct alerts_span span = { .today = series_day_of(tz, now_us) };

    span.month_day = month_start(span.today - 1);
    span.before_day = month_start(span.month_day - 1);
    span.first_day = span.month_day - ALERTS_BASE_DAYS;
    if (span.first_day > span.before_day)
        span.first_day = span.before_day;
    return span;
}

int64_t alerts_day_us(const struct tz *tz, int64_t day)
{
    return tz ? tz_to_utc(tz, civil_of(day)) : day * US_PER_DAY;
}

/* --- what is read --- */

static int read_errors(const struct engine_query *query, const struct alerts_input *in,
                       struct alerts_speed *ret, struct err *err)
{
    struct engine_query q = *query;

    if (dimension_new(str_from(ret->of), in->tz, &ret->by_day[0], err) < 0 ||
        dimension_new(STR("day"), in->tz, &ret->by_day[1], err) < 0)
        return -1;
    q.dimensions = ret->by_day;
    q.dimension_count = ARRAY_LEN(ret->by_day);
    q.measures = ENGINE_ERRORS;
    if (engine_run(&q, &ret->days, err) == 0)
        return 0;
    if (err->code != ERR_LIMIT)
        return -1;
    engine_result_release(&ret->days); /* as many models as that are no models: none is watched */
    return 0;
}

static int read_speed(const struct engine_query *query, const struct alerts_input *in,
                      struct alerts_speed *ret, struct err *err)
{
    int64_t today_us = alerts_day_us(in->tz, in->span.today);
    int64_t recent_us = alerts_day_us(in->tz, in->span.today - ALERTS_WEEK);
    struct engine_query q = *query;

    if (dimension_new(str_from(ret->of), in->tz, &ret->dimension, err) < 0)
        return -1;
    q.dimensions = &ret->dimension;
    q.dimension_count = 1;
    q.measures = ENGINE_LATENCY;
    q.from_us = recent_us;
    q.to_us = today_us;
    if (engine_run(&q, &ret->now, err) < 0)
        return -1;
    q.from_us = alerts_day_us(in->tz, in->span.today - ALERTS_WEEK - ALERTS_SHIFT_DAYS);
    q.to_us = recent_us;
    if (engine_run(&q, &ret->before, err) < 0)
        return -1;
    q.to_us = today_us;
    return read_errors(&q, in, ret, err);
}

static int read_keys(const struct engine_query *query, struct alerts_input *in, struct err *err)
{
    static const char *const names[] = { "app", "team", "key_id" };
    struct engine_query q = *query;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (dimension_new(str_from(names[i]), in->tz, &in->keys.dimensions[i], err) < 0)
            return -1;
    q.dimensions = in->keys.dimensions;
    q.dimension_count = ARRAY_LEN(names);
    q.measures = ENGINE_MONEY;
    q.from_us = alerts_day_us(in->tz, in->span.month_day);
    q.to_us = alerts_day_us(in->tz, in->span.today);
    if (engine_run(&q, &in->keys.now, err) < 0)
        return -1;
    q.to_us = q.from_us;
    q.from_us = alerts_day_us(in->tz, in->span.before_day);
    return engine_run(&q, &in->keys.before, err);
}

int alerts_read(const struct engine_query *query, struct alerts_input *in, struct err *err)
{
    static const char *const speeds[ALERTS_SPEEDS] = { "app", "model" };

    if (series_read(query, in->tz, &in->series, err) < 0 || read_keys(query, in, err) < 0)
        return -1;
    for (size_t i = 0; i < ALERTS_SPEEDS; i++) {
        in->speed[i].of = speeds[i];
        if (read_speed(query, in, &in->speed[i], err) < 0)
            return -1;
    }
    return 0;
}

void alerts_input_release(struct alerts_input *in)
{
    series_release(&in->series);
    for (size_t i = 0; i < ALERTS_SPEEDS; i++) {
        engine_result_release(&in->speed[i].now);
        engine_result_release(&in->speed[i].before);
        engine_result_release(&in->speed[i].days);
        dimension_free(in->speed[i].dimension);
        dimension_free(in->speed[i].by_day[0]);
        dimension_free(in->speed[i].by_day[1]);
    }
    engine_result_release(&in->keys.now);
    engine_result_release(&in->keys.before);
    for (size_t i = 0; i < ARRAY_LEN(in->keys.dimensions); i++)
        dimension_free(in->keys.dimensions[i]);
}

/* --- what is told --- */

struct str alerts_day_text(struct arena *arena, int64_t day)
{
    char text[TIMESTAMP_TEXT_BYTES];

    return arena_str(arena, str_from(timestamp_format_date(day * US_PER_DAY, text)));
}

struct str alerts_month_text(struct arena *arena, int64_t day)
{
    return str_sub(alerts_day_text(arena, day), 0, 7);
}

struct alert *alerts_add(struct alerts *a, enum alert_kind kind, const char *of, struct str name,
                         struct str period, struct str detail)
{
    CLEANUP(buf_release) struct buf key = { 0 };

    buf_addf(&key, "%s:%s:%.*s:%.*s%s%.*s", kinds[kind], of, STR_ARG(name), STR_ARG(period),
             detail.len ? ":" : "", STR_ARG(detail));
    vec_push(&a->list, (struct alert){ .kind = kind,
                                       .of = of,
                                       .name = arena_str(&a->arena, name),
                                       .period = arena_str(&a->arena, period),
                                       .detail = arena_str(&a->arena, detail),
                                       .key = arena_str(&a->arena, buf_str(&key)),
                                       .is_new = true });
    return &a->list.ptr[a->list.len - 1];
}

void alerts_say(struct alerts *a, struct alert *alert, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list args;

    va_start(args, fmt);
    buf_addvf(&text, fmt, args);
    va_end(args);
    alert->text = arena_str(&a->arena, buf_str(&text));
}

struct str alerts_subject(const struct alert *alert, struct arena *arena)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (str_eq(str_from(alert->of), STR("all")))
        return STR("all");
    buf_addf(&text, alert->name.len ? "%s %.*s" : "no %s", alert->of, STR_ARG(alert->name));
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '_' && i < strlen(alert->of) + 3)
            text.ptr[i] = ' ';
    return arena_str(arena, buf_str(&text));
}

/* --- culprits --- */

bool alerts_is_in(const struct alerts_scope *scope, const struct series_cell *cell)
{
    return scope->is_all || cell->codes[scope->name] == scope->code;
}

/* Team, app and model; what the alert is about goes without saying. */
static struct str culprit_name(const struct alerts_input *in, const struct alerts_scope *scope,
                               const uint32_t *codes, struct arena *arena)
{
    static const enum series_name parts[] = { SERIES_TEAM, SERIES_APP, SERIES_MODEL };
    CLEANUP(buf_release) struct buf name = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct str text = series_text(&in->series, parts[i], codes[i]);
        if (!scope->is_all && scope->name == parts[i])
            continue;
        if (name.len)
            buf_add_text(&name, " / ");
        if (text.len)
            buf_add_str(&name, text);
        else
            buf_addf(&name, "no %s", series_name(parts[i]));
    }
    return arena_str(arena, buf_str(&name));
}

struct segments {
    struct map places; /* team, app and model */
    VEC(struct culprit) list;
};

static void add_segments(const struct alerts_input *in, const struct alerts_scope *scope,
                         const struct alerts_days *days, struct segments *to)
{
    for (size_t i = 0; i < in->series.cells.len; i++) {
        const struct series_cell *c = &in->series.cells.ptr[i];
        const uint32_t codes[] = { c->codes[SERIES_TEAM], c->codes[SERIES_APP],
                                   c->codes[SERIES_MODEL] };
        bool is_new;
        if (c->in_doubt || !days->roles[c->day] || !alerts_is_in(scope, c))
            continue;
        struct map_entry *e =
            map_put(&to->places, (struct str){ (const char *)codes, sizeof(codes) }, &is_new);
        if (is_new) {
            e->value = to->list.len;
            vec_push(&to->list, (struct culprit){ .index = e->value });
        }
        struct culprit *segment = &to->list.ptr[e->value];
        *(days->roles[c->day] == ALERTS_NOW ? &segment->after : &segment->before) += c->pusd;
    }
}

static double share(i128 part, i128 whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}

void alerts_name_culprits(const struct alerts_input *in, const struct alerts_scope *scope,
                          const struct alerts_days *days, struct alerts *a, struct alert *alert)
{
    struct segments segments = { 0 };
    i128 now = 0, before = 0;

    add_segments(in, scope, days, &segments);
    for (size_t i = 0; i < segments.list.len; i++) {
        struct culprit *c = &segments.list.ptr[i];
        c->before = (i128)((double)c->before * days->scale);
        now += c->after;
        before += c->before;
    }
    size_t count = culprit_rank(segments.list.ptr, segments.list.len);
    for (size_t i = 0; i < count && i < ALERTS_CULPRITS_MAX; i++) {
        const struct culprit *c = &segments.list.ptr[i];
        uint32_t codes[3];
        memcpy(codes, segments.places.entries[c->index].key.ptr, sizeof(codes));
        vec_push(&alert->culprits,
                 (struct alert_culprit){ .name = culprit_name(in, scope, codes, &a->arena),
                                         .now_pusd = c->after,
                                         .before_pusd = c->before,
                                         .share_now = share(c->after, now),
                                         .share_before = share(c->before, before) });
    }
    alert->culprits_more = count > ALERTS_CULPRITS_MAX ? count - ALERTS_CULPRITS_MAX : 0;
    vec_release(&segments.list);
    map_release(&segments.places);
}

/* --- all of them --- */

/* A total order: kind, dearest, key. */
static int compare_alerts(const void *a, const void *b)
{
    const struct alert *x = a, *y = b;
    i128 dx = x->now_pusd - x->before_pusd, dy = y->now_pusd - y->before_pusd;

    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (dx != dy)
        return dx < dy ? 1 : -1;
    return str_cmp(x->key, y->key);
}

void alerts_find(const struct alerts_input *in, struct alerts *ret)
{
    *ret = (struct alerts){ 0 };
    ret->month = alerts_month_text(&ret->arena, in->span.month_day);
    alerts_find_faults(in, ret);
    alerts_find_budgets(in, ret);
    alerts_find_spend(in, ret);
    alerts_find_shifts(in, ret);
    if (ret->list.len)
        qsort(ret->list.ptr, ret->list.len, sizeof(*ret->list.ptr), compare_alerts);
}

void alerts_release(struct alerts *a)
{
    for (size_t i = 0; i < a->list.len; i++)
        vec_release(&a->list.ptr[i].culprits);
    vec_release(&a->list);
    arena_release(&a->arena);
}

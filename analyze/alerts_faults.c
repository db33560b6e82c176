/* alerts_faults - what makes numbers wrong: prices, gaps, models without a price, calls of nobody.
 */
#include "config.h"

#include <inttypes.h>

#include "analyze/alerts_parts.h"
#include "analyze/culprit.h"

/* --- prices --- */

struct doubt {
    const struct series_cell *first;
    i128 pusd, usual_pusd;
    int64_t tokens;
    uint32_t last_day, days;
    bool has_usual;
};

static void tell_doubt(const struct alerts_input *in, const struct doubt *d, struct alerts *a)
{
    const struct series *s = &in->series;
    CLEANUP(buf_release) struct buf model = { 0 };
    char cost[FIGURE_BYTES], usual[FIGURE_BYTES], tokens[FIGURE_BYTES];

    buf_addf(&model, "%.*s/%.*s",
             STR_ARG(series_text(s, SERIES_PROVIDER, d->first->codes[SERIES_PROVIDER])),
             STR_ARG(series_text(s, SERIES_MODEL, d->first->codes[SERIES_MODEL])));
    struct alert *alert = alerts_add(a, ALERT_PRICE, "model", buf_str(&model), a->month, STR(""));
    struct str day = alerts_day_text(&a->arena, s->first_day + d->first->day);
    alert->has_money = true;
    alert->now_pusd = d->pusd;
    alert->before_pusd = d->usual_pusd;
    figure_usd(d->pusd, 2, cost);
    figure_usd(d->usual_pusd, 2, usual);
    struct str count = figure_count(d->tokens, tokens);
    if (d->has_usual)
        alerts_say(a, alert,
                   "model %.*s: a price that cannot be right, %s USD for %.*s tokens on %" PRIu32
                   " days from %.*s, %s USD at its usual rate: not counted as a rise",
                   STR_ARG(buf_str(&model)), cost, STR_ARG(count), d->days, STR_ARG(day), usual);
    else
        alerts_say(a, alert,
                   "model %.*s: a price that cannot be right, %s USD for %.*s tokens on %" PRIu32
                   " days from %.*s: not counted as a rise",
                   STR_ARG(buf_str(&model)), cost, STR_ARG(count), d->days, STR_ARG(day));
}

static void find_doubts(const struct alerts_input *in, struct alerts *a)
{
    int64_t month = in->span.month_day - in->series.first_day;
    struct map places = { 0 };
    VEC(struct doubt) doubts = { 0 };

    for (size_t i = 0; i < in->series.cells.len; i++) {
        const struct series_cell *c = &in->series.cells.ptr[i];
        bool is_new;
        if (!c->in_doubt || c->day < month)
            continue;
        struct map_entry *e =
            map_put(&places,
                    (struct str){ (const char *)&c->codes[SERIES_PROVIDER], 2 * sizeof(*c->codes) },
                    &is_new);
        if (is_new) {
            e->value = doubts.len;
            vec_push(&doubts, (struct doubt){ .first = c, .last_day = c->day, .days = 1 });
        }
        struct doubt *d = &doubts.ptr[e->value];
        if (c->day < d->first->day)
            d->first = c;
        d->days += c->day != d->last_day;
        d->last_day = c->day;
        d->pusd += c->pusd;
        d->usual_pusd += c->usual_pusd;
        d->has_usual |= c->usual_pusd > 0;
        d->tokens += c->tokens;
    }
    for (size_t i = 0; i < doubts.len; i++)
        tell_doubt(in, &doubts.ptr[i], a);
    vec_release(&doubts);
    map_release(&places);
}

/* --- gaps --- */

static void find_gaps(const struct alerts_input *in, struct alerts *a)
{
    int64_t month_us = alerts_day_us(in->tz, in->span.month_day);

    for (size_t i = 0; i < in->series.gaps.len; i++) {
        const struct series_gap *g = &in->series.gaps.ptr[i];
        char from[TIMESTAMP_TEXT_BYTES];
        if (g->to_us <= month_us)
            continue;
        timestamp_format(g->from_us, from);
        struct alert *alert = alerts_add(a, ALERT_GAP, "all", STR(""), str_from(from), STR(""));
        alerts_say(a, alert,
                   "nothing recorded for %" PRId64 " hours from %s, where %" PRId64
                   " requests are usual: these days are compared with nothing",
                   (g->to_us - g->from_us) / (3600 * US_PER_SECOND), from, g->expected);
    }
}

/* --- calls of nobody --- */

static bool is_nobodys(const struct engine_row *row)
{
    return row->codes[0] == 0 && row->codes[1] == 0;
}

/* Culprits by key, from both months. */
static void name_keys(const struct alerts_input *in, struct alerts *a, struct alert *alert)
{
    const struct engine_result *results[] = { &in->keys.before, &in->keys.now };
    struct map places = { 0 };
    VEC(struct culprit) list = { 0 };
    bool is_new;

    for (size_t r = 0; r < ARRAY_LEN(results); r++)
        for (size_t i = 0; i < results[r]->rows.len; i++) {
            const struct engine_row *row = &results[r]->rows.ptr[i];
            if (!is_nobodys(row))
                continue;
            struct map_entry *e =
                map_put(&places, dimension_value(in->keys.dimensions[2], row->codes[2]), &is_new);
            if (is_new) {
                e->value = list.len;
                vec_push(&list, (struct culprit){ .index = e->value });
            }
            *(r ? &list.ptr[e->value].after : &list.ptr[e->value].before) +=
                engine_cost(&row->sums);
        }
    size_t count = culprit_rank(list.ptr, list.len);
    for (size_t i = 0; i < count && i < ALERTS_CULPRITS_MAX; i++) {
        const struct culprit *c = &list.ptr[i];
        struct str key = places.entries[c->index].key;
        CLEANUP(buf_release) struct buf name = { 0 };
        buf_addf(&name, key.len ? "key %.*s" : "no key", STR_ARG(key));
        double all_now = (double)engine_cost(&in->keys.now.totals);
        double all_before = (double)engine_cost(&in->keys.before.totals);
        vec_push(&alert->culprits,
                 (struct alert_culprit){ .name = arena_str(&a->arena, buf_str(&name)),
                                         .now_pusd = c->after,
                                         .before_pusd = c->before,
                                         .share_now = all_now > 0 ? (double)c->after / all_now : 0,
                                         .share_before =
                                             all_before > 0 ? (double)c->before / all_before : 0 });
    }
    alert->culprits_more = count > ALERTS_CULPRITS_MAX ? count - ALERTS_CULPRITS_MAX : 0;
    vec_release(&list);
    map_release(&places);
}

static void find_unattributed(const struct alerts_input *in, struct alerts *a)
{
    i128 cost = engine_cost(&in->keys.now.unattributed), all = engine_cost(&in->keys.now.totals);
    char now[FIGURE_BYTES], whole[FIGURE_BYTES];

    if (cost < in->limits->floor_pusd || cost * CONF_MICRO < all * in->limits->unattributed_micro)
        return;
    struct alert *alert = alerts_add(a, ALERT_UNATTRIBUTED, "all", STR(""), a->month, STR(""));
    alert->has_money = true;
    alert->now_pusd = cost;
    alert->before_pusd = engine_cost(&in->keys.before.unattributed);
    figure_usd(cost, figure_usd_digits(all), now);
    figure_usd(all, figure_usd_digits(all), whole);
    alerts_say(a, alert,
               "nobody owns %.1f %% of the month, %s USD of %s USD: add attribution rules",
               100 * (double)cost / (double)all, now, whole);
    name_keys(in, a, alert);
}

/* --- models without a price --- */

static void find_unpriced(const struct alerts_input *in, struct alerts *a)
{
    for (size_t i = 0; i < in->keys.now.unpriced.len; i++) {
        const struct engine_unpriced *u = &in->keys.now.unpriced.ptr[i];
        CLEANUP(buf_release) struct buf model = { 0 };
        char input[FIGURE_BYTES], output[FIGURE_BYTES];
        buf_addf(&model, "%.*s/%.*s", STR_ARG(u->provider),
                 STR_ARG(u->model.len ? u->model : STR("(none)")));
        struct alert *alert =
            alerts_add(a, ALERT_UNPRICED, "model", buf_str(&model), a->month, STR(""));
        struct str in_text = figure_count(u->input_tokens, input);
        struct str out_text = figure_count(u->output_tokens, output);
        alerts_say(a, alert,
                   "model %.*s: %s, %" PRId64 " requests, %.*s tokens in, %.*s out are in no sum",
                   STR_ARG(buf_str(&model)),
                   u->unit_missing ? "the price book lacks a unit it used" : "no price",
                   u->requests, STR_ARG(in_text), STR_ARG(out_text));
    }
}

void alerts_find_faults(const struct alerts_input *in, struct alerts *a)
{
    find_doubts(in, a);
    find_gaps(in, a);
    find_unattributed(in, a);
    find_unpriced(in, a);
}

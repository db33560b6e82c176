#include "config.h"

#include "migrate/status.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/timestamp.h"

#define BISECTIONS 60

/* --- the plan's calendar --- */

static int64_t start_of(const struct programme *p, const struct programme_app *app)
{
    int64_t us = programme_date(app);

    return us > p->start_us ? us : p->start_us;
}

/* The part of its stages that it is through by then, each as long as it bakes. */
static double planned_of(const struct programme *p, const struct programme_app *app, int64_t at_us)
{
    int64_t us = start_of(p, app);
    size_t stages = 0;

    for (; stages < app->stage_count && us <= at_us; stages++)
        us += app->stages[stages].bake_us;
    return app->stage_count ? (double)stages / (double)app->stage_count : 0;
}

double status_planned(const struct programme *p, int64_t at_us)
{
    double sum = 0;
    size_t count = 0;

    for (size_t i = 0; i < p->app_count; i++) {
        if (p->apps[i].retired)
            continue;
        sum += planned_of(p, &p->apps[i], at_us);
        count++;
    }
    return count ? sum / (double)count : 0;
}

/* When the last stage of all begins. */
static int64_t plan_end(const struct programme *p)
{
    int64_t end_us = p->start_us;

    for (size_t i = 0; i < p->app_count; i++) {
        const struct programme_app *app = &p->apps[i];
        int64_t us = start_of(p, app);
        for (size_t s = 0; !app->retired && s < app->stage_count; s++)
            us += app->stages[s].bake_us;
        end_us = us > end_us ? us : end_us;
    }
    return end_us;
}

/* From now to the moment at which the plan is where things are: behind is negative. */
static int64_t time_ahead(const struct programme *p, double planned, double done, int64_t now_us)
{
    bool is_behind = done < planned;
    int64_t low = is_behind ? p->start_us - 1 : now_us, high = is_behind ? now_us : plan_end(p);

    if (!(done < planned) && !(done > planned))
        return 0;
    /* The plan's progress is a staircase that never falls: behind, the end of the step that is
     * done; ahead, its beginning. */
    for (int i = 0; i < BISECTIONS && high - low > 1; i++) {
        int64_t middle = low + (high - low) / 2;
        double there = status_planned(p, middle);
        bool is_past = is_behind ? there > done : !(there < done);
        *(is_past ? &high : &low) = middle;
    }
    return high - now_us;
}

/* --- evidence --- */

static double number_of(const json_t *o, const char *key)
{
    const json_t *n = json_get(o, key);

    return json_is_number(n) ? json_number_value(n) : (double)INFINITY;
}

/* The last verdict in the ledger. */
static void read_evidence(const struct portfolio *p, const struct rollout_entry *e,
                          struct arena *arena, struct status_evidence *ret)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(json_decref) json_t *v = NULL;
    struct err ignored;
    const json_t *gate;
    size_t i;

    if (!e || !e->evidence.len || rollout_get_blob(p->rollout, e->evidence, &text, &ignored) < 0 ||
        json_parse(buf_str(&text), &v, &ignored) < 0)
        return;
    *ret = (struct status_evidence){ .is_there = true, .excluded = (double)INFINITY };
    ret->says = arena_str(arena, json_get_str(v, "says"));
    ret->why = arena_str(arena, json_get_str(v, "why"));
    ret->at_us = e->at_us;
    json_array_foreach(json_get(v, "gates"), i, gate)
    {
        if (!str_eq(json_get_str(gate, "metric"), str_from(gate_metric_name(GATE_ERROR))))
            continue;
        ret->excluded = number_of(gate, "excluded_ratio");
        ret->units[0] = json_integer_value(json_get(json_get(gate, "units"), "direct"));
        ret->units[1] = json_integer_value(json_get(json_get(gate, "units"), "gateway"));
    }
}

static void take_verdict(const struct verdict *v, int64_t now_us, struct status_evidence *ret)
{
    *ret = (struct status_evidence){
        .is_there = true,
        .says = str_from(verdict_says_name(v->says)),
        .why = v->why,
        .excluded = (double)INFINITY,
        .at_us = now_us,
    };
    for (size_t i = 0; i < v->gate_count; i++) {
        const struct verdict_gate *g = &v->gates[i];
        if (g->gate->metric != GATE_ERROR)
            continue;
        ret->excluded = g->evidence.excluded;
        ret->units[0] = g->units[0];
        ret->units[1] = g->units[1];
    }
}

/* --- spend --- */

static const struct arms_app *arms_of(const struct arms *a, struct str app)
{
    size_t low = 0, high = a ? a->apps.len : 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = str_cmp(a->apps.ptr[middle].app, app);
        if (c == 0)
            return &a->apps.ptr[middle];
        *(c < 0 ? &low : &high) = c < 0 ? middle + 1 : middle;
    }
    return NULL;
}

static void read_spend(struct status *s)
{
    const struct programme *p = s->in->portfolio->programme;
    const struct arms *a = s->in->arms;
    i128 all = a ? arms_cost(&a->all) : 0;

    s->moved_per_million = -1;
    if (all <= 0)
        return;
    s->moved_per_million = (int64_t)(a->all.sides[ARM_GATEWAY].cost_pusd * RATIO_ONE / all);
    s->spend = mem_calloc(p->app_count + 1, sizeof(*s->spend));
    for (size_t i = 0; i < p->app_count; i++) {
        const struct arms_app *app = arms_of(a, p->apps[i].name);
        s->spend[i] = app ? (int64_t)(arms_cost(app) * RATIO_ONE / all) : 0;
    }
}

/* --- applications --- */

static void add_app(struct status *s, size_t index)
{
    const struct status_input *in = s->in;
    const struct portfolio_app *a = &in->portfolio->apps[index];
    const struct verdict *v = in->verdicts ? in->verdicts[index] : NULL;
    struct status_app *ret = &s->apps[s->app_count++];
    struct decide_input d = {
        .portfolio = in->portfolio,
        .verdict = v,
        .spend_per_million = s->spend,
        .now_us = in->now_us,
    };

    *ret = (struct status_app){
        .app = a,
        .phase = portfolio_phase(a, in->now_us),
        .spend_per_million = s->spend ? s->spend[index] : -1,
        .arms = arms_of(in->arms, a->app->name),
        .planned = planned_of(in->portfolio->programme, a->app, in->now_us),
    };
    decide(&d, a, &s->arena, &ret->decision);
    if (v)
        take_verdict(v, in->now_us, &ret->evidence);
    else
        read_evidence(in->portfolio, a->last_verdict, &s->arena, &ret->evidence);
    if (a->app->stage_count && a->share > 0)
        ret->done = (double)(portfolio_stage(a) + 1) / (double)a->app->stage_count;
    s->phases[ret->phase]++;
    if (!a->app->retired) {
        s->planned += ret->planned;
        s->done += ret->done;
    }
    if (ret->evidence.is_there && a->first_us && ret->evidence.excluded > s->success.excluded)
        s->success.excluded = ret->evidence.excluded;
}

static void add_waves(struct status *s)
{
    const struct programme *p = s->in->portfolio->programme;

    s->waves = arena_alloc(&s->arena, (p->wave_count + 1) * sizeof(*s->waves));
    for (size_t w = 0; w <= p->wave_count; w++)
        s->waves[w] = (struct status_wave){ .wave = w < p->wave_count ? &p->waves[w] : NULL };
    for (size_t i = 0; i < s->app_count; i++) {
        const struct programme_wave *of = s->apps[i].app->app->wave;
        struct status_wave *w = &s->waves[of ? (size_t)(of - p->waves) : p->wave_count];
        if (s->apps[i].app->app->retired)
            continue;
        w->apps++;
        w->phases[s->apps[i].phase]++;
        w->planned += s->apps[i].planned;
        w->done += s->apps[i].done;
    }
    s->wave_count = p->wave_count + (s->waves[p->wave_count].apps > 0);
    for (size_t w = 0; w < s->wave_count; w++) {
        if (!s->waves[w].apps)
            continue;
        s->waves[w].planned /= (double)s->waves[w].apps;
        s->waves[w].done /= (double)s->waves[w].apps;
    }
}

/* The latest of an actuator: in a drift no step begins or goes on. */
static void add_drifts(struct status *s)
{
    const struct rollout *r = s->in->portfolio->rollout;
    const struct programme *p = s->in->portfolio->programme;

    s->drifts = arena_alloc(&s->arena, (p->actuator_count + 1) * sizeof(struct rollout_entry *));
    for (size_t a = 0; a < p->actuator_count; a++) {
        for (size_t i = rollout_count(r); i-- > 0;) {
            const struct rollout_entry *e = rollout_at(r, i);
            if (!str_eq(e->actuator, p->actuators[a].name))
                continue;
            if (e->kind == ROLLOUT_DRIFTED)
                s->drifts[s->drift_count++] = e;
            break;
        }
    }
}

static void add_untold(struct status *s)
{
    const struct rollout *r = s->in->portfolio->rollout;

    for (size_t i = rollout_count(r); i-- > 0 && s->untold_count < STATUS_UNTOLD;) {
        const struct rollout_entry *e = rollout_at(r, i);
        if (e->at_us < s->in->now_us - STATUS_UNTOLD_US)
            return;
        if (e->kind == ROLLOUT_UNTOLD)
            s->untold[s->untold_count++] = e;
    }
}

void status_make(const struct status_input *in, struct status *ret)
{
    const struct programme *p = in->portfolio->programme;
    size_t planned = 0;

    *ret = (struct status){ .in = in };
    success_make(in->portfolio, in->arms, &ret->success);
    read_spend(ret);
    ret->apps = mem_calloc(p->app_count + 1, sizeof(*ret->apps));
    for (size_t i = 0; i < p->app_count; i++) {
        planned += !p->apps[i].retired;
        if (!p->apps[i].retired || in->portfolio->apps[i].share > 0)
            add_app(ret, i);
    }
    if (planned) {
        ret->planned /= (double)planned;
        ret->done /= (double)planned;
    }
    ret->ahead_us = time_ahead(p, ret->planned, ret->done, in->now_us);
    add_waves(ret);
    add_drifts(ret);
    add_untold(ret);
    ret->ahead = rollout_ahead(in->portfolio->rollout, in->now_us);
}

void status_release(struct status *s)
{
    free(s->apps);
    free(s->spend);
    arena_release(&s->arena);
}

#include "config.h"

#include "migrate/programme_lint.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/timestamp.h"
#include "migrate/programme_lint_print.h"
#include "migrate/rollout.h"

const struct programme_rule_row programme_rules[PROGRAMME_RULE_COUNT] = {
#define X(constant, id, severity, fix) { id, fix, PROGRAMME_##severity },
    PROGRAMME_RULES(X)
#undef X
};

const char *programme_severity_name(enum programme_severity s)
{
    static const char *const names[] = { "note", "warning", "error" };

    return names[s];
}

void programme_lint_release(struct programme_lint *l)
{
    vec_release(&l->findings);
    free(l->slots);
    arena_release(&l->arena);
}

void programme_find(struct programme_lint *l, enum programme_rule rule, struct programme_place at,
                    struct str app, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list ap;

    if (l->findings.len == PROGRAMME_FINDINGS_MAX) {
        l->dropped++;
        return;
    }
    va_start(ap, fmt);
    buf_addvf(&text, fmt, ap);
    va_end(ap);
    vec_push(
        &l->findings,
        (struct programme_finding){
            .rule = rule, .at = at, .app = app, .text = arena_str(&l->arena, buf_str(&text)) });
}

size_t programme_lint_count(const struct programme_lint *l, enum programme_severity severity)
{
    size_t count = 0;

    for (size_t i = 0; i < l->findings.len; i++)
        count += programme_rules[l->findings.ptr[i].rule].severity == severity;
    return count;
}

struct linting {
    const struct programme *p;
    const struct inventory *seen;
    const struct conf *conf;
    struct programme_lint *l;
};

#define FIND(g, rule, a, ...)                                                                      \
    programme_find((g)->l, PROGRAMME_RULE_##rule, (a)->at, (a)->name, __VA_ARGS__)

bool programme_key_is_sticky(struct str key)
{
    return key.len && !str_eq(key, STR("request"));
}

/* --- one application by itself --- */

static void check_people(const struct linting *g, const struct programme_app *a)
{
    if (!a->owner.len)
        FIND(g, NO_OWNER, a, "'%s' has no owner", a->name.ptr);
    if (!a->deputy.len)
        FIND(g, NO_DEPUTY, a, "'%s' has no deputy", a->name.ptr);
    else if (str_eq(a->owner, a->deputy))
        FIND(g, NO_DEPUTY, a, "'%s' has '%s' for its owner and deputy", a->name.ptr, a->owner.ptr);
    if (a->risk == PROGRAMME_RISK_HIGH && !a->approvals.len)
        FIND(g, NO_APPROVAL, a, "'%s' is of high risk, and nobody needs to approve", a->name.ptr);
    if (a->risk == PROGRAMME_RISK_HIGH && a->is_auto)
        FIND(g, AUTO_RISK, a, "'%s' is of high risk, and watch may advance it", a->name.ptr);
    if (!a->rehearsal_age_us || !a->preflight_age_us)
        FIND(g, NO_EVIDENCE, a, "'%s' advances without a %s", a->name.ptr,
             a->rehearsal_age_us ? "preflight" : "rehearsal");
    if (!a->readiness.len)
        FIND(g, NO_READINESS, a, "'%s' advances without any check of readiness", a->name.ptr);
}

/* What the driver says of a share of this application; one finding is enough. */
static void check_actuator(const struct linting *g, const struct programme_app *a)
{
    struct actuator_caps caps = actuator_caps(a->actuator);
    struct err why;

    for (size_t i = 0; i < a->stage_count; i++) {
        int32_t share = a->stages[i].share;
        if (share % caps.resolution == 0)
            continue;
        FIND(g, RESOLUTION, a, "'%s': %g %% is no share that %s can hold: its steps are %g %%",
             a->name.ptr, share / 100.0, a->actuator->driver->name, caps.resolution / 100.0);
        break;
    }
    for (size_t i = 0; a->actuator->driver->admits && i < a->stage_count; i++) {
        struct actuator_share share = { .app = a->name,
                                        .direct = a->direct,
                                        .gateway = a->gateway,
                                        .key = a->key,
                                        .share = a->stages[i].share };
        if (a->actuator->driver->admits(a->actuator, &share, &why) == 0)
            continue;
        if (!a->key.len)
            FIND(g, NO_KEY, a, "'%s' has no key", a->name.ptr);
        else if (!str_eq(a->direct, a->gateway))
            FIND(g, KEY, a, "'%s': %s", a->name.ptr, why.text);
        break;
    }
    if (a->direct.len && str_eq(a->direct, a->gateway))
        FIND(g, SAME_WAY, a, "'%s' goes to '%s' before and after", a->name.ptr, a->direct.ptr);
}

/* Where a gate stands; of the built-in one, its application. */
static struct programme_place place_of(const struct programme_app *a,
                                       const struct programme_gate *gate)
{
    return gate->at.line ? gate->at : a->at;
}

static void check_units(const struct linting *g, const struct programme_app *a)
{
    bool sticky = programme_key_is_sticky(a->key) && actuator_caps(a->actuator).is_sticky;

    for (size_t i = 0; a->key.len && i < a->gate_count; i++) {
        const struct programme_gate *gate = &a->gates[i];
        const char *metric = gate_metric_name(gate->metric);
        if (gate->per_request && sticky)
            programme_find(g->l, PROGRAMME_RULE_UNIT_REQUEST, place_of(a, gate), a->name,
                           "'%s' counts requests for %s, but its key %s is sticky", a->name.ptr,
                           metric, a->key.ptr);
        if (!gate->per_request && !sticky)
            programme_find(g->l, PROGRAMME_RULE_UNIT_KEY, place_of(a, gate), a->name,
                           "'%s' counts keys for %s, but nothing keeps a key on its side",
                           a->name.ptr, metric);
    }
}

static void check_stages(const struct linting *g, const struct programme_app *a)
{
    bool is_stage = a->rollback_to <= 0;

    for (size_t i = 0; i < a->stage_count; i++) {
        CLEANUP(buf_release) struct buf bake = { 0 };
        is_stage = is_stage || (a->stages[i].share == a->rollback_to && i + 1 < a->stage_count);
        if (a->stages[i].bake_us >= US_PER_DAY)
            continue;
        programme_add_duration(a->stages[i].bake_us, &bake);
        FIND(g, SHORT_BAKE, a, "'%s' bakes %s at %g %%: less than a day's cycle", a->name.ptr,
             buf_cstr(&bake), a->stages[i].share / 100.0);
        break;
    }
    if (!is_stage)
        FIND(g, ROLLBACK_TO, a, "'%s' goes back to %g %%, which is no stage below 100 %% of it",
             a->name.ptr, (double)a->rollback_to / 100.0);
}

/* The proxy looks its upstreams up by name; a configuration without any is another program's. */
static void check_upstream(const struct linting *g, const struct programme_app *a, struct str name)
{
    struct nearest near;

    if (!name.len)
        return;
    nearest_init(&near, name);
    for (size_t i = 0; i < g->conf->upstream_count; i++) {
        if (str_eq(g->conf->upstreams[i].name, name))
            return;
        nearest_offer(&near, g->conf->upstreams[i].name.ptr);
    }
    FIND(g, NO_UPSTREAM, a, "'%s': '%s' is no upstream of the configuration%s%s%s", a->name.ptr,
         name.ptr, near.best ? ": did you mean '" : "", near.best ? near.best : "",
         near.best ? "'?" : "");
}

static void check_ways(const struct linting *g, const struct programme_app *a)
{
    const struct inventory_app *is = g->seen ? inventory_find(g->seen, a->name) : NULL;
    const struct inventory_list *ways = is ? &is->lists[INVENTORY_UPSTREAMS] : NULL;
    bool is_weir = strcmp(a->actuator->driver->name, "weir") == 0;

    if (is_weir && g->conf && g->conf->upstream_count) {
        check_upstream(g, a, a->direct);
        check_upstream(g, a, a->gateway);
    }
    for (size_t i = 0; is_weir && ways && i < ways->items.len; i++) {
        const struct inventory_item *way = &ways->items.ptr[i];
        if (!str_eq(way->name, a->direct) && !str_eq(way->name, a->gateway))
            FIND(g, OTHER_WAYS, a, "'%s' calls '%s' as well: %.3g %% of its calls", a->name.ptr,
                 way->name.ptr, 100.0 * (double)way->requests / (double)is->requests);
    }
}

/* --- the whole --- */

static void check_alpha(const struct linting *g)
{
    struct programme_place at = { 0 };
    double spent = 0;

    for (size_t i = 0; i < g->p->app_count; i++) {
        const struct programme_app *a = &g->p->apps[i];
        for (size_t k = 0; k < a->gate_count; k++) {
            spent += programme_alpha(g->p, 0, a, &a->gates[k]);
            if (a->gates[k].alpha > 0 && !at.line)
                at = a->gates[k].at;
        }
    }
    if (spent > g->p->alpha_total * (1 + 1e-9))
        programme_find(g->l, PROGRAMME_RULE_ALPHA, at, STR(""),
                       "all gates together may roll back falsely with a chance of %.3g, the "
                       "programme allows %.3g",
                       spent, g->p->alpha_total);
}

enum mark { UNSEEN, UNDER_WAY, SEEN };

/* The way of needs from here; the one that comes back to itself is told from there on. */
struct walk {
    const struct linting *g;
    enum mark *marks;
    struct frame {
        const struct programme_app *app;
        size_t next;
    } * way;
    size_t len;
};

static void tell_cycle(const struct walk *w, const struct programme_app *back)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    size_t from = w->len;

    while (from > 0 && w->way[from - 1].app != back)
        from--;
    for (size_t i = from - 1; i < w->len; i++)
        buf_addf(&text, "'%s' needs ", w->way[i].app->name.ptr);
    FIND(w->g, NEEDS_CYCLE, back, "%s'%s'", buf_cstr(&text), back->name.ptr);
}

static void walk_needs(struct walk *w, const struct programme_app *from)
{
    const struct programme *p = w->g->p;

    w->way[w->len++] = (struct frame){ from, 0 };
    w->marks[from - p->apps] = UNDER_WAY;
    while (w->len) {
        struct frame *top = &w->way[w->len - 1];
        if (top->next == top->app->needs.len) {
            w->marks[top->app - p->apps] = SEEN;
            w->len--;
            continue;
        }
        const struct programme_app *to = programme_find_app(p, top->app->needs.list[top->next++]);
        enum mark *mark = &w->marks[to - p->apps];
        if (*mark == UNDER_WAY)
            tell_cycle(w, to);
        if (*mark != UNSEEN)
            continue;
        *mark = UNDER_WAY;
        w->way[w->len++] = (struct frame){ to, 0 };
    }
}

static void check_cycles(const struct linting *g)
{
    struct walk w = { .g = g,
                      .marks = mem_calloc(g->p->app_count + 1, sizeof(*w.marks)),
                      .way = mem_calloc(g->p->app_count + 1, sizeof(*w.way)) };

    for (size_t i = 0; i < g->p->app_count; i++)
        if (w.marks[i] == UNSEEN)
            walk_needs(&w, &g->p->apps[i]);
    free(w.marks);
    free(w.way);
}

static void check_names(const struct linting *g)
{
    const struct programme_place nowhere = { 0 };

    if (!g->p->app_count)
        programme_find(g->l, PROGRAMME_RULE_NO_APPS, nowhere, STR(""), "there are no applications");
    if (!g->seen) {
        programme_find(g->l, PROGRAMME_RULE_NO_ARCHIVE, nowhere, STR(""),
                       "there is no archive to look into");
        return;
    }
    for (size_t i = 0; i < g->seen->apps.len; i++) {
        const struct inventory_app *a = g->seen->apps.ptr[i];
        if (a->name.len && a->requests && !programme_find_app(g->p, a->name))
            programme_find(g->l, PROGRAMME_RULE_NOT_PLANNED, nowhere, a->name,
                           "'%s' was recorded, and is not in the plan", a->name.ptr);
    }
    for (size_t i = 0; i < g->p->app_count; i++) {
        const struct programme_app *a = &g->p->apps[i];
        const struct inventory_app *is = inventory_find(g->seen, a->name);
        if (!a->retired && (!is || !is->requests))
            FIND(g, NO_TRAFFIC, a, "no call of '%s' was recorded", a->name.ptr);
    }
}

static void check_used(const struct linting *g)
{
    const struct programme_place nowhere = { 0 };
    const struct programme *p = g->p;
    bool *used = mem_calloc(p->actuator_count + 1, sizeof(*used));

    for (size_t i = 0; i < p->app_count; i++)
        if (p->apps[i].actuator)
            used[p->apps[i].actuator - p->actuators] = true;
    for (size_t i = 0; i < p->actuator_count; i++)
        if (!used[i])
            programme_find(g->l, PROGRAMME_RULE_UNUSED, nowhere, STR(""),
                           "no application uses the actuator '%s'", p->actuators[i].name.ptr);
    for (size_t i = 0; i < p->wave_count; i++)
        if (!p->waves[i].app_count)
            programme_find(g->l, PROGRAMME_RULE_UNUSED, p->waves[i].at, STR(""),
                           "no application is in the wave '%s'", p->waves[i].name.ptr);
    free(used);
}

static int compare_findings(const void *a, const void *b)
{
    const struct programme_finding *x = a, *y = b;

    if (x->at.line != y->at.line)
        return x->at.line < y->at.line ? -1 : 1;
    if (x->at.column != y->at.column)
        return x->at.column < y->at.column ? -1 : 1;
    if (x->rule != y->rule)
        return x->rule < y->rule ? -1 : 1;
    return str_cmp(x->text, y->text);
}

void programme_lint(const struct programme *p, const struct inventory *seen,
                    const struct conf *conf, struct programme_lint *ret)
{
    struct linting g = { p, seen, conf, ret };

    *ret = (struct programme_lint){ .slots = mem_calloc(p->app_count + 1, sizeof(*ret->slots)),
                                    .slot_count = p->app_count };
    for (size_t i = 0; i < p->app_count; i++) {
        ret->slots[i].app = &p->apps[i];
        if (p->apps[i].retired)
            continue;
        check_people(&g, &p->apps[i]);
        check_actuator(&g, &p->apps[i]);
        check_units(&g, &p->apps[i]);
        check_stages(&g, &p->apps[i]);
        check_ways(&g, &p->apps[i]);
    }
    check_names(&g);
    check_alpha(&g);
    check_cycles(&g);
    check_used(&g);
    programme_lint_power(p, seen, ret);
    programme_lint_calendar(p, ret);
    if (ret->findings.len)
        qsort(ret->findings.ptr, ret->findings.len, sizeof(*ret->findings.ptr), compare_findings);
}

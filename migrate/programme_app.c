/* An application of a plan, and the defaults for all of them. */
#include "config.h"

#include <stddef.h>

#include "base/decimal.h"
#include "base/nearest.h"
#include "migrate/programme_parts.h"
#include "migrate/rollout.h"

/* One call in a thousand: more than that is what people notice, and what a comparison can tell. */
#define ENOUGH_PER_MILLION 1000

/* An application while it is read: what is said once may be for all of its stages and gates. */
struct draft {
    struct programme_app app;
    int64_t bake_us;
    bool unit_said[PROGRAMME_GATES];
};

/* --- gates --- */

static int read_metric(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    enum gate_metric metric;
    struct nearest near;

    if (n->kind != YAML_SCALAR)
        return programme_wrong(r, n, "the name of a metric");
    if (gate_metric_parse(n->text, &metric)) {
        *(enum gate_metric *)to = metric;
        return 0;
    }
    nearest_init(&near, n->text);
    for (int i = 0; i < GATE_METRIC_COUNT; i++)
        nearest_offer(&near, gate_metric_name((enum gate_metric)i));
    return yaml_err(r->y, n, r->err, "unknown metric '%.*s'%s%s%s", STR_ARG(n->text),
                    near.best ? ": did you mean '" : ": see METRICS in weir-programme(5)",
                    near.best ? near.best : "", near.best ? "'?" : "");
}

/* In the metric's unit, see struct programme_gate. */
static int read_threshold(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    struct programme_gate *gate = to;
    struct str text = n->kind == YAML_SCALAR ? n->text : STR("");
    i128 value;

    switch (gate->metric) {
    case GATE_FIRST_TOKEN:
    case GATE_TOTAL:
        return programme_read_duration(r, n, &gate->threshold);
    case GATE_COST:
        if (!str_ends_with(text, STR(" USD")) ||
            decimal_parse(str_trim(str_sub(text, 0, text.len - 4)), 9, &value) != DECIMAL_OK ||
            value < 0 || value > INT64_C(1000000000000000))
            return programme_wrong(r, n, "an amount such as 0.02 USD");
        gate->threshold = (int64_t)value;
        return 0;
    case GATE_ATTEMPTS:
        return yaml_int(r->y, n, &gate->threshold, r->err) < 0 ? -1
               : gate->threshold > 0 && gate->threshold < 1000
                   ? 0
                   : programme_wrong(r, n, "a number of attempts from 1 to 999");
    default:
        return yaml_err(r->y, n, r->err,
                        "the metric %s has no threshold: it happens or does not; leave it out",
                        gate_metric_name(gate->metric));
    }
}

static int read_unit(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    static const char *const units[] = { "key", "request", NULL };
    int unit;

    if (programme_read_choice(r, n, units, &unit) < 0)
        return -1;
    ((struct programme_gate *)to)->per_request = unit == 1;
    return 0;
}

#define AT(member) offsetof(struct programme_gate, member)
static const struct programme_key gate_keys[] = {
    KEY_READ("metric", AT(metric), "what counts as a failure", NULL, read_metric),
    KEY_READ("unit", 0, "what is counted: each key once, or each request", NULL, read_unit),
    KEY("harm_ratio", RATIO, AT(harm_ratio), "up to so many times the failures is no harm"),
    KEY("safe_ratio", RATIO, AT(safe_ratio), "so many times must be excluded before an advance"),
    KEY("alpha", CHANCE, AT(alpha), "chance of a false rollback"),
    KEY("beta", CHANCE, AT(beta), "chance of a false advance"),
    KEY("min_units", COUNT, AT(min_units), "units before an advance"),
    KEY("min_time", DURATION, AT(min_us), "time before an advance"),
    KEY_READ("threshold", 0, "beyond it is a failure, instead of the baseline's p95", NULL,
             read_threshold),
    KEY("enough", PART, AT(enough_per_million),
        "share of failures below which nothing need be compared"),
    KEY("cap", PART, AT(cap_per_million), "share of failures that is rolled back at once"),
    KEY_END,
};
#undef AT

static const struct programme_gate default_gate = {
    .metric = GATE_ERROR,
    .harm_ratio = 1,
    .safe_ratio = 2,
    .beta = 0.05,
    .min_units = 100,
    .min_us = US_PER_DAY,
    .threshold = -1,
    .cap_per_million = -1,
    .enough_per_million = ENOUGH_PER_MILLION,
};

static int read_gate(struct programme_reader *r, const struct yaml_node *n, struct draft *d)
{
    struct programme_gate *gate = &d->app.gates[d->app.gate_count];

    *gate = default_gate;
    gate->at = programme_place(n);
    if (n->kind == YAML_MAP && !yaml_get(n, "metric"))
        return yaml_err(r->y, n, r->err, "a gate needs a metric, such as error");
    if (programme_read_map(r, n, gate_keys, gate) < 0)
        return -1;
    if (gate->safe_ratio <= gate->harm_ratio)
        return yaml_err(r->y, n, r->err,
                        "safe_ratio must be above harm_ratio: between them nothing is decided");
    for (size_t i = 0; i < d->app.gate_count; i++)
        if (d->app.gates[i].metric == gate->metric)
            return yaml_err(r->y, n, r->err, "a second gate on %s: an application has one of each",
                            gate_metric_name(gate->metric));
    d->unit_said[d->app.gate_count++] = yaml_get(n, "unit") != NULL;
    return 0;
}

static int read_gates(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    struct draft *d = to;

    if (programme_want(r, n, YAML_LIST, PROGRAMME_GATES, "a list of gates") < 0)
        return -1;
    if (!n->len)
        return yaml_err(r->y, n, r->err,
                        "no gates: an advance would be blind; leave the key out "
                        "for one on error");
    d->app.gate_count = 0;
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (read_gate(r, i, d) < 0)
            return -1;
    return 0;
}

/* --- stages --- */

#define AT(member) offsetof(struct programme_stage, member)
static const struct programme_key stage_keys[] = {
    KEY("share", SHARE, AT(share), "of the application's calls, to the gateway"),
    KEY("bake", DURATION, AT(bake_us), "at least so long before the next stage"),
    KEY_END,
};
#undef AT

static int read_stages(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    struct programme_app *app = &((struct draft *)to)->app;
    int32_t before = 0;

    if (programme_want(r, n, YAML_LIST, PROGRAMME_STAGES, "a list such as [1%, 5%, 25%, 100%]") < 0)
        return -1;
    app->stage_count = 0;
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        struct programme_stage *stage = &app->stages[app->stage_count++];
        *stage = (struct programme_stage){ .bake_us = -1 };
        if (i->kind == YAML_MAP ? programme_read_map(r, i, stage_keys, stage) < 0
                                : programme_read_share(r, i, &stage->share) < 0)
            return -1;
        if (stage->share <= before)
            return yaml_err(r->y, i, r->err,
                            "a stage of %g%% after %g%%: stages rise from above 0%%",
                            stage->share / 100.0, before / 100.0);
        before = stage->share;
    }
    if (before != ROLLOUT_ALL)
        return yaml_err(r->y, n, r->err, "the last stage is not 100%%: the move would never end");
    return 0;
}

/* --- an application --- */

static int read_actuator(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    const struct programme *p = r->p;
    struct nearest near;

    if (n->kind != YAML_SCALAR)
        return programme_wrong(r, n, "the name of an actuator");
    nearest_init(&near, n->text);
    for (size_t i = 0; i < p->actuator_count; i++) {
        if (str_eq(p->actuators[i].name, n->text)) {
            *(const struct actuator **)to = &p->actuators[i];
            return 0;
        }
        nearest_offer(&near, p->actuators[i].name.ptr);
    }
    return programme_no_such(r, n, "actuators", &near);
}

static int read_wave(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    struct nearest near;

    if (n->kind != YAML_SCALAR)
        return programme_wrong(r, n, "the name of a wave");
    const struct programme_wave *wave = programme_find_wave(r->p, n->text);
    if (wave) {
        *(const struct programme_wave **)to = wave;
        return 0;
    }
    nearest_init(&near, n->text);
    for (size_t i = 0; i < r->p->wave_count; i++)
        nearest_offer(&near, r->p->waves[i].name.ptr);
    return programme_no_such(r, n, "waves", &near);
}

static int read_level(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    static const char *const levels[] = { "unknown", "low", "medium", "high", NULL };
    int level;

    if (programme_read_choice(r, n, levels, &level) < 0)
        return -1;
    *(enum programme_risk *)to = (enum programme_risk)level;
    return 0;
}

static int read_score(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    int64_t score;

    if (yaml_int(r->y, n, &score, r->err) < 0)
        return -1;
    if (score < 0 || score > 1000)
        return programme_wrong(r, n, "a score from 0 to 1000");
    *(int *)to = (int)score;
    return 0;
}

#define AT(member) offsetof(struct draft, app.member)
static const struct programme_key risk_keys[] = {
    KEY_READ("level", AT(risk), "low, medium, high or unknown", NULL, read_level),
    KEY_READ("score", AT(risk_score), "as discover counted it", NULL, read_score),
    KEY("reasons", NAMES, AT(reasons), "what it is made of, mainly"),
    KEY_END,
};

static int read_risk(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    if (n->kind == YAML_MAP)
        return programme_read_map(r, n, risk_keys, to);
    return read_level(r, n, &((struct draft *)to)->app.risk);
}

static int read_back_to(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    int64_t *ret = to;
    int32_t share;

    if (n->kind == YAML_SCALAR && str_eq(n->text, STR("last_good"))) {
        *ret = -1;
        return 0;
    }
    if (n->kind == YAML_SCALAR && str_eq(n->text, STR("direct"))) {
        *ret = 0;
        return 0;
    }
    if (programme_read_share(r, n, &share) < 0)
        return programme_wrong(r, n, "last_good, direct or a share such as 5%");
    *ret = share;
    return 0;
}

static int read_age(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    if (n->kind == YAML_SCALAR && str_eq(n->text, STR("none"))) {
        *(int64_t *)to = 0;
        return 0;
    }
    if (programme_read_duration(r, n, to) < 0)
        return programme_wrong(r, n, "a duration such as 7d, or none");
    return *(int64_t *)to ? 0 : programme_wrong(r, n, "a duration above 0, or none");
}

/* "R1" to "R12", and no other spelling: it is compared with those. */
static bool is_check(struct str s)
{
    int64_t number;

    return s.len > 1 && s.ptr[0] == 'R' && s.ptr[1] >= '1' && s.ptr[1] <= '9' &&
           str_to_i64(str_sub(s, 1, SIZE_MAX), &number) && number <= 12;
}

static int read_readiness(struct programme_reader *r, const struct yaml_node *n, void *to)
{
    struct programme_names *ret = to;

    if (programme_read_names(r, n, ret) < 0)
        return -1;
    const struct yaml_node *i = n->kind == YAML_LIST ? n->items : n;
    for (size_t k = 0; k < ret->len; k++, i = i->next)
        if (!is_check(ret->list[k]))
            return programme_wrong(r, i, "a check of readiness: R1 to R12");
    return 0;
}

static const struct programme_key rollback_keys[] = {
    KEY("within", DURATION, AT(rollback_us), "a rollback must be seen to run within this"),
    KEY_READ("to", AT(rollback_to), "last_good, direct or a share", NULL, read_back_to),
    KEY_END,
};
static const struct programme_key evidence_keys[] = {
    KEY_READ("rehearsal", AT(rehearsal_age_us), "how old a rehearsal may be, or none", NULL,
             read_age),
    KEY_READ("preflight", AT(preflight_age_us), "how old a preflight may be, or none", NULL,
             read_age),
    KEY_END,
};

/* What an application may say, and defaults for all of them. */
const struct programme_key programme_default_keys[] = {
    KEY_READ("actuator", AT(actuator), "what moves its traffic", NULL, read_actuator),
    KEY("direct", TEXT, AT(direct), "where its calls go now"),
    KEY("gateway", TEXT, AT(gateway), "where they are to go"),
    KEY("key", TEXT, AT(key), "what keeps a caller on its side"),
    KEY_READ("stages", 0, "shares, one after another", stage_keys, read_stages),
    KEY("bake", DURATION, offsetof(struct draft, bake_us), "at least so long at each stage"),
    KEY_READ("gates", 0, "what decides over an advance and a rollback", gate_keys, read_gates),
    KEY_MAP("rollback", "how it goes back", rollback_keys),
    KEY_MAP("evidence", "what must have been tried before", evidence_keys),
    KEY_READ("readiness", AT(readiness), "checks that must pass", NULL, read_readiness),
    KEY("approvals", NAMES, AT(approvals), "roles that must approve before the first stage"),
    KEY("auto", BOOL, AT(is_auto), "whether watch may advance it"),
    KEY_END,
};
const struct programme_key programme_app_keys[] = {
    KEY("owner", TEXT, AT(owner), "who answers for it"),
    KEY("deputy", TEXT, AT(deputy), "who does when the owner is away"),
    KEY("channel", TEXT, AT(channel), "where its people are told"),
    KEY("team", TEXT, AT(team), "who runs it"),
    KEY_READ("risk", 0, "how much depends on it", risk_keys, read_risk),
    KEY("needs", NAMES, AT(needs), "applications that must be through"),
    KEY_READ("wave", AT(wave), "which it belongs to", NULL, read_wave),
    KEY("date", DATE, AT(date_us), "when it begins; without, with its wave"),
    KEY("retired", BOOL, AT(retired), "no part of it any more"),
    KEY_ALSO(programme_default_keys),
    KEY_END,
};
#undef AT

/* --- defaults, and what is made of them --- */

/* Where the plan says nothing. */
static void set_defaults(struct draft *d)
{
    static const int32_t shares[] = { 100, 500, 2500, 5000, ROLLOUT_ALL };

    *d = (struct draft){ .bake_us = 7 * US_PER_DAY };
    d->app = (struct programme_app){
        .owner = STR(""),
        .deputy = STR(""),
        .channel = STR(""),
        .team = STR(""),
        .direct = STR(""),
        .gateway = STR(""),
        .key = STR(""),
        .stage_count = ARRAY_LEN(shares),
        .gates = { default_gate },
        .gate_count = 1,
        .rollback_us = 30 * US_PER_SECOND,
        .rollback_to = -1,
        .rehearsal_age_us = 7 * US_PER_DAY,
        .preflight_age_us = 14 * US_PER_DAY,
    };
    for (size_t i = 0; i < ARRAY_LEN(shares); i++)
        d->app.stages[i] = (struct programme_stage){ .share = shares[i], .bake_us = -1 };
}

static int finish_app(struct programme_reader *r, const struct yaml_node *n, struct draft *d)
{
    struct programme_app *app = &d->app;

    app->name = arena_str(&r->p->arena, n->key->text);
    app->at = programme_place(n->key);
    for (size_t i = 0; i < app->stage_count; i++)
        if (app->stages[i].bake_us < 0)
            app->stages[i].bake_us = d->bake_us;
    for (size_t i = 0; i < app->gate_count; i++)
        if (!d->unit_said[i])
            app->gates[i].per_request = str_eq(app->key, STR("request"));
    if (app->retired)
        return 0;
    if (!app->actuator)
        return yaml_err(r->y, n->key, r->err, "'%s' has no actuator: name one here, or in defaults",
                        app->name.ptr);
    return 0;
}

int programme_read_apps(struct programme_reader *r, const struct yaml_node *defaults,
                        const struct yaml_node *apps)
{
    struct programme *p = r->p;
    struct draft base;

    set_defaults(&base);
    if (defaults && programme_read_map(r, defaults, programme_default_keys, &base) < 0)
        return -1;
    if (!apps)
        return 0;
    if (programme_want(r, apps, YAML_MAP, PROGRAMME_APPS_MAX, "a map of applications by name") < 0)
        return -1;
    struct programme_app *list = arena_alloc(&p->arena, (apps->len + 1) * sizeof(*list));
    for (const struct yaml_node *n = apps->items; n; n = n->next) {
        struct draft d = base;
        if (programme_check_name(r, n->key, "an application") < 0 ||
            programme_read_map(r, n, programme_app_keys, &d) < 0 || finish_app(r, n, &d) < 0)
            return -1;
        list[p->app_count++] = d.app;
    }
    p->apps = r->apps = list;
    return 0;
}

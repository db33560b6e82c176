/* How many days of an application's own traffic a gate needs at each stage, before it can let the
 * next one begin: by excluding a ratio, or by showing that failures are few enough. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "base/map.h"
#include "base/timestamp.h"
#include "migrate/programme_lint.h"
#include "migrate/rollout.h"

#define CHANCE 0.8 /* with which the gate has decided by then, if the gateway does no harm */

/* alpha says only when a rollback comes: it does not matter here. */
#define ANY_ALPHA 0.01

#define EXCEEDED       0.05 /* by the p95 of the baseline, by definition */
#define NEVER          ((double)INFINITY)
#define UNITS_MOST     1e9 /* beyond: never */
#define BISECTIONS     14  /* of units on a scale of logarithms: to a percent or so */
#define RATES_PER_FOLD 3   /* rates are rounded up to so many steps for each factor of two */

void programme_powers_release(struct programme_powers *c)
{
    map_release(&c->ratio);
    map_release(&c->few);
}

static double from_bits(uint64_t bits)
{
    double d;

    memcpy(&d, &bits, sizeof(d));
    return d;
}

static uint64_t to_bits(double d)
{
    uint64_t bits;

    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

/* Units of both arms until the ratio is excluded, at a failure rate of 1. */
static double units_for_ratio(struct programme_powers *cache, const struct programme_gate *gate,
                              int32_t share, int32_t next)
{
    double key[4] = { gate->harm_ratio, gate->beta, gate_required(gate->safe_ratio, next), share };
    bool is_new;
    struct map_entry *e =
        map_put(&cache->ratio, (struct str){ (const char *)key, sizeof(key) }, &is_new);

    if (is_new) {
        struct gate_power power;
        gate_power(share, 1, gate->harm_ratio, key[2], ANY_ALPHA, gate->beta, CHANCE, &power);
        e->value = to_bits(power.to_promote < 0 ? NEVER : power.to_promote);
    }
    return from_bits(e->value);
}

/* Units on the gateway until fewer than `most` of them are shown to fail, of which `rate` do. */
static double bisect_few(double rate, double most, double beta)
{
    double low = 0, high = log(UNITS_MOST);

    if (gate_share_bound(rate * UNITS_MOST, UNITS_MOST, beta) > most)
        return NEVER;
    for (int i = 0; i < BISECTIONS; i++) {
        double middle = (low + high) / 2, n = exp(middle);
        if (gate_share_bound(rate * n, n, beta) <= most)
            high = middle;
        else
            low = middle;
    }
    return exp(high);
}

static double units_for_few(struct programme_powers *cache, const struct programme_gate *gate,
                            double rate, int32_t next)
{
    double most = (double)gate->enough_per_million / 1e6 * ROLLOUT_ALL / next;
    double rounded = rate > 0 ? exp2(ceil(log2(rate) * RATES_PER_FOLD) / RATES_PER_FOLD) : 0;
    bool is_new;

    if (rate >= most || gate->enough_per_million <= 0)
        return NEVER;
    if (most >= 1)
        return 0;
    if (rounded >= most)
        rounded = rate;
    double key[3] = { rounded, most, gate->beta };
    struct map_entry *e =
        map_put(&cache->few, (struct str){ (const char *)key, sizeof(key) }, &is_new);
    if (is_new)
        e->value = to_bits(bisect_few(rounded, most, gate->beta));
    return from_bits(e->value);
}

/* The part of values beyond a threshold; -1 if there are none. */
static double part_beyond(const struct sketch *s, int64_t threshold)
{
    double low = 0, high = 1;

    if (!s->total)
        return -1;
    for (int i = 0; i < 20; i++) {
        double middle = (low + high) / 2;
        if (sketch_quantile(s, middle) > threshold)
            high = middle;
        else
            low = middle;
    }
    return 1 - low;
}

static double per(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* How often one request fails, and which of them can; -1: not known. */
static double rate_of(const struct programme_gate *gate, const struct inventory_app *a,
                      double *ret_part)
{
    *ret_part = 1;
    switch (gate->metric) {
    case GATE_ERROR:
        return per(a->errors, a->requests);
    case GATE_FIRST_TOKEN:
        *ret_part = a->first_token_us.total ? 1 : 0;
        return gate->threshold < 0 ? EXCEEDED : part_beyond(&a->first_token_us, gate->threshold);
    case GATE_TOTAL:
        *ret_part = a->duration_us.total ? 1 : 0;
        return gate->threshold < 0 ? EXCEEDED : part_beyond(&a->duration_us, gate->threshold);
    case GATE_COST:
        return gate->threshold < 0 ? EXCEEDED : -1;
    case GATE_TRUNCATED:
        *ret_part = per(a->streams, a->requests);
        return per(a->truncated, a->streams);
    case GATE_ABANDONED:
        return per(a->abandoned, a->requests);
    case GATE_TOOL_SCHEMA:
        *ret_part = per(a->tools, a->requests);
        return a->tools ? -1 : 0;
    default:
        return -1; /* attempts are the gateway's: nothing of it was recorded yet */
    }
}

/* Keys per request, where the traffic tells; 1 is the most that can be. */
static double keys_per_request(const struct programme_app *app, const struct inventory_app *a)
{
    if (!a->requests)
        return 1;
    if (str_eq(app->key, STR("end_user")))
        return per((int64_t)distinct_count(&a->users), a->requests);
    if (str_eq(app->key, STR("key_id")))
        return per((int64_t)a->lists[INVENTORY_KEYS].items.len, a->requests);
    return 1;
}

void programme_power(struct programme_powers *cache, const struct programme_app *app, size_t g,
                     const struct inventory_app *a, struct programme_power *ret)
{
    const struct programme_gate *gate = &app->gates[g];
    double part, rate = rate_of(gate, a, &part);
    double keys = gate->per_request ? 1 : keys_per_request(app, a);

    ret->units_per_day = (double)a->requests * part * keys / inventory_days(a);
    /* A key fails that has one failing call among its own. */
    ret->rate = rate < 0 ? -1 : keys > 0 && keys < 1 ? 1 - pow(1 - rate, 1 / keys) : rate;
    for (size_t i = 0; i + 1 < app->stage_count; i++) {
        int32_t share = app->stages[i].share, next = app->stages[i + 1].share;
        double units = NEVER;
        if (ret->rate < 0) {
            ret->days[i] = -1;
            continue;
        }
        if (ret->rate > 0)
            units = units_for_ratio(cache, gate, share, next) / ret->rate;
        if (units / ret->units_per_day * (double)US_PER_DAY > (double)app->stages[i].bake_us) {
            double few = units_for_few(cache, gate, ret->rate, next) * ROLLOUT_ALL / share;
            units = few < units ? few : units;
        }
        if (units < (double)gate->min_units)
            units = (double)gate->min_units;
        ret->days[i] = ret->units_per_day > 0 ? units / ret->units_per_day : NEVER;
        if (ret->days[i] < (double)gate->min_us / (double)US_PER_DAY)
            ret->days[i] = (double)gate->min_us / (double)US_PER_DAY;
    }
}

/* The stage at which the gate needs most beyond what it bakes. */
static void tell(struct programme_lint *l, const struct programme_app *app, size_t g,
                 const struct programme_power *power)
{
    const struct programme_gate *gate = &app->gates[g];
    const char *metric = gate_metric_name(gate->metric);
    struct programme_place place = gate->at.line ? gate->at : app->at;
    double worst = 0;
    size_t at = 0;

    for (size_t i = 0; i + 1 < app->stage_count; i++) {
        double beyond = power->days[i] - (double)app->stages[i].bake_us / (double)US_PER_DAY;
        if (beyond > worst) {
            worst = beyond;
            at = i;
        }
    }
    if (worst <= 0)
        return;
    if (isinf(worst))
        programme_find(l, PROGRAMME_RULE_BLIND_GATE, place, app->name,
                       power->units_per_day > 0
                           ? "'%s': the gate on %s can never decide at %g %%: nothing to compare"
                           : "'%s': the gate on %s can never decide at %g %%: no such call was "
                             "recorded",
                       app->name.ptr, metric, app->stages[at].share / 100.0);
    else
        programme_find(l, PROGRAMME_RULE_SLOW_GATE, place, app->name,
                       "'%s': the gate on %s needs about %.0f days at %g %%, which bakes %.3g: "
                       "%.3g units a day%s, %.3g %% fail",
                       app->name.ptr, metric, ceil(power->days[at]), app->stages[at].share / 100.0,
                       (double)app->stages[at].bake_us / (double)US_PER_DAY, power->units_per_day,
                       gate->per_request || str_eq(app->key, STR("end_user")) ||
                               str_eq(app->key, STR("key_id"))
                           ? ""
                           : " at most",
                       power->rate * 100);
}

void programme_lint_power(const struct programme *p, const struct inventory *seen,
                          struct programme_lint *l)
{
    CLEANUP(programme_powers_release) struct programme_powers cache = { 0 };

    for (size_t i = 0; i < p->app_count; i++) {
        const struct programme_app *app = &p->apps[i];
        const struct inventory_app *a = seen ? inventory_find(seen, app->name) : NULL;
        l->slots[i].spend_per_million = -1;
        if (seen && seen->cost_pusd > 0)
            l->slots[i].spend_per_million =
                a ? (int64_t)(a->cost_pusd * 1000000 / seen->cost_pusd) : 0;
        for (size_t g = 0; g < app->gate_count; g++) {
            struct programme_power *power = &l->slots[i].power[g];
            *power = (struct programme_power){ .units_per_day = -1, .rate = -1 };
            for (size_t s = 0; s < PROGRAMME_STAGES; s++)
                power->days[s] = -1;
            if (!a || !a->requests || app->retired)
                continue;
            programme_power(&cache, app, g, a, power);
            tell(l, app, g, power);
        }
    }
}

/* How risky an application's move is: thirteen factors of 0 to 3 points, each with a weight.  What
 * cannot be known counts one point and is named, so that somebody asks. */
#include "config.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/timestamp.h"
#include "migrate/inventory.h"
#include "migrate/rollout.h"

#define LOW_MOST    8
#define MEDIUM_MOST 16

/* The timeout that SDKs come with (openai-python, openai-node: 600 s). */
#define TIMEOUT_US (600 * US_PER_SECOND)

/* A gate on errors with the usual numbers, at half the traffic. */
#define POWER_SHARE (ROLLOUT_ALL / 2)
#define POWER_RATIO 2.0
#define POWER_ALPHA 0.01
#define POWER_BETA  0.05

static const struct {
    const char *name, *what;
    int weight;
} factors[] = {
#define X(constant, name, weight, what) { name, what, weight },
    INVENTORY_FACTORS(X)
#undef X
};

const char *inventory_factor_name(enum inventory_factor factor)
{
    return factors[factor].name;
}

int inventory_factor_weight(enum inventory_factor factor)
{
    return factors[factor].weight;
}

struct weighing {
    struct inventory *inv;
    struct inventory_app *a;
    double units_at_rate_1; /* until the gate can promote, at a failure rate of 1 */
};

__attribute__((format(printf, 4, 5))) static void
give(const struct weighing *w, enum inventory_factor f, int points, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf why = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_addvf(&why, fmt, ap);
    va_end(ap);
    w->a->risk.points[f] = points;
    w->a->risk.why[f] = arena_str(&w->inv->arena, buf_str(&why));
}

static void unknown(const struct weighing *w, enum inventory_factor f)
{
    give(w, f, 1, "not known: %s", factors[f].what);
    w->a->risk.unknown[f] = true;
    w->a->risk.unknown_count++;
}

/* 0 for none, 1 below a tenth, 2 below a half, else 3. */
static int points_of_share(int64_t part, int64_t whole)
{
    return part == 0 ? 0 : part * 10 < whole ? 1 : part * 2 < whole ? 2 : 3;
}

static double percent(int64_t part, int64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void weigh_audience(const struct weighing *w)
{
    const struct inventory_app *a = w->a;

    if (a->declared == PROGRAMME_RISK_HIGH)
        give(w, INVENTORY_AUDIENCE, 3, "the configuration says that much depends on it");
    else if (a->environment.len && !str_istarts_with(a->environment, STR("prod")))
        give(w, INVENTORY_AUDIENCE, 0, "it is no production");
    else if (distinct_count(&a->users) > 1)
        give(w, INVENTORY_AUDIENCE, 2, "%llu end users wait for its answers",
             (unsigned long long)distinct_count(&a->users));
    else
        unknown(w, INVENTORY_AUDIENCE);
}

static void weigh_volume(const struct weighing *w)
{
    const struct inventory_app *a = w->a;
    double a_day = (double)a->requests / inventory_days(a);
    double rate = a->requests ? (double)a->errors / (double)a->requests : 0;

    if (a->requests == 0) {
        give(w, INVENTORY_VOLUME, 3, "nothing of it was recorded");
        return;
    }
    if (rate <= 0) {
        give(w, INVENTORY_VOLUME,
             a_day >= 1000  ? 0
             : a_day >= 100 ? 1
             : a_day >= 10  ? 2
                            : 3,
             "%.3g calls a day, none of which failed", a_day);
        return;
    }
    double days = w->units_at_rate_1 / rate / a_day;
    give(w, INVENTORY_VOLUME,
         days <= 7    ? 0
         : days <= 21 ? 1
         : days <= 60 ? 2
                      : 3,
         "a gate on errors needs about %.0f days at half the traffic", days < 1 ? 1 : days);
}

static void weigh_use(const struct weighing *w)
{
    const struct inventory_app *a = w->a;
    int64_t shaped = a->tools > a->structured ? a->tools : a->structured;
    size_t writers = a->lists[INVENTORY_WRITERS].items.len;

    give(w, INVENTORY_STREAMING, points_of_share(a->streams, a->requests),
         "%.0f %% of calls stream", percent(a->streams, a->requests));
    give(w, INVENTORY_STRUCTURE, points_of_share(shaped, a->requests),
         "%.0f %% of calls use tools or structured output", percent(shaped, a->requests));
    if (writers)
        give(w, INVENTORY_EFFECTS, 3, "tools that change something: %s%s",
             a->lists[INVENTORY_WRITERS].items.ptr[0].name.ptr, writers > 1 ? ", ..." : "");
    else if (a->tools && !a->tool_bodies)
        unknown(w, INVENTORY_EFFECTS);
    give(w, INVENTORY_ENDPOINTS, points_of_share(a->other_apis, a->requests),
         "%.0f %% of calls are neither chat nor embeddings", percent(a->other_apis, a->requests));
    give(w, INVENTORY_SPECIALS, points_of_share(a->specials, a->requests),
         "%.0f %% of calls use caching, reasoning or search", percent(a->specials, a->requests));
    if (a->known_sdk + a->unknown_sdk == 0)
        unknown(w, INVENTORY_CLIENT);
    else
        give(w, INVENTORY_CLIENT, points_of_share(a->unknown_sdk, a->known_sdk + a->unknown_sdk),
             "%.0f %% of calls come from no known SDK",
             percent(a->unknown_sdk, a->known_sdk + a->unknown_sdk));
}

/* Errors of days over what chance alone would make of them: the variance of their number over its
 * mean. */
static double burst_factor(const struct inventory_app *a)
{
    double rate = a->requests ? (double)a->errors / (double)a->requests : 0, sum = 0;

    for (size_t i = 0; i < a->days.len; i++) {
        double expected = rate * (double)a->days.ptr[i].requests;
        double off = (double)a->days.ptr[i].errors - expected;
        sum += expected > 0 ? off * off / expected : 0;
    }
    return a->days.len > 1 ? sum / (double)(a->days.len - 1) : 0;
}

static void weigh_behaviour(const struct weighing *w)
{
    const struct inventory_app *a = w->a;
    int64_t p95 = sketch_quantile(&a->duration_us, 0.95);
    double burst = burst_factor(a);

    if (p95 < 0)
        unknown(w, INVENTORY_LATENCY);
    else
        give(w, INVENTORY_LATENCY,
             p95 * 10 < TIMEOUT_US  ? 0
             : p95 * 4 < TIMEOUT_US ? 1
             : p95 * 2 < TIMEOUT_US ? 2
                                    : 3,
             "1 in 20 answers takes more than %.0f s", (double)p95 / 1e6);
    if (a->days.len < 3)
        unknown(w, INVENTORY_BURSTS);
    else
        give(w, INVENTORY_BURSTS,
             burst <= 1.5  ? 0
             : burst <= 3  ? 1
             : burst <= 10 ? 2
                           : 3,
             "errors come in bursts, %.1f times as uneven as by chance", burst);
    if (a->owner.len)
        give(w, INVENTORY_OWNER, 1, "no rollback of it was tried yet");
    else
        give(w, INVENTORY_OWNER, 3, "nobody is named as its owner");
    unknown(w, INVENTORY_DATA);
    unknown(w, INVENTORY_ERROR_TEXT);
}

static int weighted(const struct inventory_risk *r, int f)
{
    return r->points[f] * factors[f].weight;
}

/* What weighs most first; of equals what is known, then in the order of the table. */
static void put_in_order(struct inventory_risk *r)
{
    for (int f = 0; f < INVENTORY_FACTOR_COUNT; f++) {
        int at = f;
        for (; at > 0; at--) {
            int before = r->order[at - 1];
            int more = weighted(r, f) - weighted(r, before);
            if (more < 0 || (more == 0 && !(r->unknown[before] && !r->unknown[f])))
                break;
            r->order[at] = before;
        }
        r->order[at] = f;
    }
}

void inventory_weigh(struct inventory *inv)
{
    struct gate_power power;

    gate_power(POWER_SHARE, 1, 1, POWER_RATIO, POWER_ALPHA, POWER_BETA, 0.8, &power);
    for (size_t i = 0; i < inv->apps.len; i++) {
        struct inventory_app *a = inv->apps.ptr[i];
        struct weighing w = { inv, a, power.to_promote };
        a->risk = (struct inventory_risk){ 0 };
        weigh_audience(&w);
        weigh_volume(&w);
        weigh_use(&w);
        weigh_behaviour(&w);
        for (int f = 0; f < INVENTORY_FACTOR_COUNT; f++)
            a->risk.score += weighted(&a->risk, f);
        a->risk.level = a->risk.score <= LOW_MOST      ? PROGRAMME_RISK_LOW
                        : a->risk.score <= MEDIUM_MOST ? PROGRAMME_RISK_MEDIUM
                                                       : PROGRAMME_RISK_HIGH;
        if (a->declared > a->risk.level)
            a->risk.level = a->declared;
        put_in_order(&a->risk);
        a->is_counted = true;
    }
}

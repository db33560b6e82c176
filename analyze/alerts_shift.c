/* alerts_shift - errors and latency of the last week against the four weeks before it. */
#include "config.h"

#include <inttypes.h>
#include <math.h>

#include "analyze/alerts_parts.h"

struct pair {
    const struct alerts_input *in;
    struct alerts *alerts;
    const char *of;
    struct str name;
    const struct engine_row *now, *before;
};

static int64_t errors_of(const struct engine_row *row)
{
    return row->sums.requests - row->detail->errors[ERROR_CLASS_NONE];
}

static struct alert *add(const struct pair *p, enum alert_kind kind, struct str detail)
{
    return alerts_add(p->alerts, kind, p->of, p->name, p->alerts->month, detail);
}

/* Square roots of counts have the same spread whatever the counts (Anscombe 1948). */
static void watch_errors(const struct pair *p)
{
    int64_t now = errors_of(p->now), before = errors_of(p->before);
    int64_t requests = p->now->sums.requests, requests_before = p->before->sums.requests;
    double times = (double)p->in->limits->shift_micro / (double)CONF_MICRO;

    if (now < ALERTS_ERRORS_MIN || requests < ALERTS_REQUESTS_MIN ||
        requests_before < ALERTS_REQUESTS_MIN)
        return;
    double expected = (double)before / (double)requests_before * (double)requests;
    double z = 2 * (sqrt((double)now + 0.375) - sqrt(expected + 0.375));
    if ((double)now < times * expected || z < ALERTS_ERRORS_Z)
        return;
    struct alert *alert = add(p, ALERT_ERRORS, STR(""));
    struct str subject = alerts_subject(alert, &p->alerts->arena);
    alerts_say(p->alerts, alert,
               "%.*s: %.1f %% of requests failed in the last %d days (%" PRId64 " of %" PRId64
               "), %.1f %% in the %d days before",
               STR_ARG(subject), 100 * (double)now / (double)requests, ALERTS_WEEK, now, requests,
               100 * (double)before / (double)requests_before, ALERTS_SHIFT_DAYS);
}

static void watch_sketch(const struct pair *p, const char *what, const struct sketch *now,
                         const struct sketch *before)
{
    static const struct {
        double q;
        const char *name;
    } quantiles[] = {
        {0.5,   "p50"},
        { 0.95, "p95"},
    };
    double times = (double)p->in->limits->shift_micro / (double)CONF_MICRO;

    if (now->total < ALERTS_REQUESTS_MIN || before->total < ALERTS_REQUESTS_MIN)
        return;
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++) {
        double x = (double)sketch_quantile(now, quantiles[i].q);
        double y = (double)sketch_quantile(before, quantiles[i].q);
        if (y <= 0 || x < times * y)
            continue;
        struct alert *alert = add(p, ALERT_LATENCY, str_from(what));
        struct str subject = alerts_subject(alert, &p->alerts->arena);
        alerts_say(p->alerts, alert,
                   "%.*s: %s, %s, %.2f s in the last %d days, %.2f s in the %d days before",
                   STR_ARG(subject), what, quantiles[i].name, x / 1e6, ALERTS_WEEK, y / 1e6,
                   ALERTS_SHIFT_DAYS);
        return;
    }
}

void alerts_find_shifts(const struct alerts_input *in, struct alerts *a)
{
    for (size_t i = 0; i < ALERTS_SPEEDS; i++) {
        const struct alerts_speed *s = &in->speed[i];
        for (size_t r = 0; r < s->now.rows.len; r++) {
            const struct engine_row *now = &s->now.rows.ptr[r];
            struct str name = dimension_value(s->dimension, now->codes[0]);
            const struct engine_row *before = engine_find(&s->before, &name);
            if (!before || !name.len)
                continue;
            struct pair p = { in, a, s->of, name, now, before };
            watch_errors(&p);
            watch_sketch(&p, "first token", &now->detail->first_token_us,
                         &before->detail->first_token_us);
            watch_sketch(&p, "whole answer", &now->detail->duration_us,
                         &before->detail->duration_us);
        }
    }
}

/* alerts_shift - errors and latency of the last week against the four weeks before it. */
#include "config.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "analyze/alerts_parts.h"

struct pair {
    const struct alerts_input *in;
    struct alerts *alerts;
    const char *of;
    struct str name;
};

static struct alert *add(const struct pair *p, enum alert_kind kind, struct str period,
                         struct str detail)
{
    return alerts_add(p->alerts, kind, p->of, p->name, period, detail);
}

/* --- errors --- */

struct error_day {
    int64_t day, requests, errors;
};

/* The days of one subject, in time. */
struct error_days {
    struct error_day list[ALERTS_WEEK + ALERTS_SHIFT_DAYS];
    size_t count, before; /* of them before the last week */
};

struct share {
    int64_t requests, errors;
};

static double of(const struct share *s)
{
    return s->requests > 0 ? (double)s->errors / (double)s->requests : 0;
}

/* Worst first. */
static int compare_days(const void *a, const void *b)
{
    const struct error_day *x = a, *y = b;
    double left = (double)x->errors * (double)y->requests;
    double right = (double)y->errors * (double)x->requests;

    if (left != right)
        return left < right ? 1 : -1;
    return x->day < y->day ? -1 : x->day > y->day;
}

/* Sums without the worst day in seven. */
static struct share without_worst(const struct error_day *days, size_t count)
{
    struct error_day sorted[ALERTS_WEEK + ALERTS_SHIFT_DAYS];
    struct share sum = { 0 };

    memcpy(sorted, days, count * sizeof(*days));
    qsort(sorted, count, sizeof(*sorted), compare_days);
    for (size_t i = (count + 6) / 7; i < count; i++) {
        sum.requests += sorted[i].requests;
        sum.errors += sorted[i].errors;
    }
    return sum;
}

/* Square roots of counts have the same spread whatever the counts (Anscombe 1948). */
static bool is_beyond(const struct pair *p, const struct share *now, double usual)
{
    double times = (double)p->in->limits->shift_micro / (double)CONF_MICRO;
    double expected = usual * (double)now->requests;
    double z = 2 * (sqrt((double)now->errors + 0.375) - sqrt(expected + 0.375));

    return now->errors >= ALERTS_ERRORS_MIN && (double)now->errors >= times * expected &&
           z >= ALERTS_ERRORS_Z;
}

static void say_shift(const struct pair *p, const struct share *now, const struct share *before)
{
    struct alert *alert = add(p, ALERT_ERRORS, p->alerts->month, STR(""));
    struct str subject = alerts_subject(alert, &p->alerts->arena);

    alerts_say(p->alerts, alert,
               "%.*s: %.1f %% of requests failed in the last %d days (%" PRId64 " of %" PRId64
               "), %.1f %% in the %d days before; the worst day in seven left out",
               STR_ARG(subject), 100 * of(now), ALERTS_WEEK, now->errors, now->requests,
               100 * of(before), ALERTS_SHIFT_DAYS);
}

/* The worst share of a day that is usual. */
static double worst_before(const struct error_days *d)
{
    double worst = 0;

    for (size_t i = 0; i < d->before; i++) {
        const struct share day = { d->list[i].requests, d->list[i].errors };
        if (day.requests >= ALERTS_DAY_MIN && of(&day) > worst)
            worst = of(&day);
    }
    return worst;
}

static void watch_bursts(const struct pair *p, const struct error_days *d,
                         const struct share *before)
{
    double worst = worst_before(d);

    for (size_t i = d->before; i < d->count; i++) {
        const struct share day = { d->list[i].requests, d->list[i].errors };
        if (day.requests < ALERTS_DAY_MIN || !is_beyond(p, &day, worst))
            continue;
        struct str date = alerts_day_text(&p->alerts->arena, d->list[i].day);
        struct alert *alert = add(p, ALERT_ERRORS, date, STR(""));
        struct str subject = alerts_subject(alert, &p->alerts->arena);
        alerts_say(p->alerts, alert,
                   "%.*s: %.1f %% of requests failed on %.*s (%" PRId64 " of %" PRId64
                   "), %.1f %% in the %d days before and at most %.1f %% of a day",
                   STR_ARG(subject), 100 * of(&day), STR_ARG(date), day.errors, day.requests,
                   100 * of(before), ALERTS_SHIFT_DAYS, 100 * worst);
    }
}

static void watch_errors(const struct pair *p, const struct error_days *d)
{
    struct share now = without_worst(d->list + d->before, d->count - d->before);
    struct share before = without_worst(d->list, d->before), all = { 0 };

    for (size_t i = d->before; i < d->count; i++)
        all.requests += d->list[i].requests;
    if (all.requests < ALERTS_REQUESTS_MIN || before.requests < ALERTS_REQUESTS_MIN)
        return;
    if (is_beyond(p, &now, of(&before)))
        say_shift(p, &now, &before);
    else
        watch_bursts(p, d, &before);
}

static bool day_number(struct str date, int64_t *ret)
{
    int64_t us;

    if (!timestamp_parse(date, &us))
        return false;
    *ret = us / US_PER_DAY;
    return true;
}

/* Rows come by subject, then by day. */
static void find_errors(const struct alerts_input *in, const struct alerts_speed *s,
                        struct alerts *a)
{
    const struct engine_result *r = &s->days;
    struct error_days days = { 0 };

    for (size_t i = 0; i < r->rows.len; i++) {
        const struct engine_row *row = &r->rows.ptr[i];
        struct str name = dimension_value(r->dimensions[0], row->codes[0]);
        struct error_day day = { .requests = row->sums.requests };
        bool is_last = i + 1 == r->rows.len || r->rows.ptr[i + 1].codes[0] != row->codes[0];
        day.errors = engine_failed(row->detail);
        if (day_number(dimension_value(r->dimensions[1], row->codes[1]), &day.day) &&
            days.count < ARRAY_LEN(days.list)) {
            days.before += day.day < in->span.today - ALERTS_WEEK;
            days.list[days.count++] = day;
        }
        if (!is_last)
            continue;
        struct pair p = { .in = in, .alerts = a, .of = s->of, .name = name };
        if (name.len)
            watch_errors(&p, &days);
        days = (struct error_days){ 0 };
    }
}

/* --- latency --- */

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
        struct alert *alert = add(p, ALERT_LATENCY, p->alerts->month, str_from(what));
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
        find_errors(in, s, a);
        for (size_t r = 0; r < s->now.rows.len; r++) {
            const struct engine_row *now = &s->now.rows.ptr[r];
            struct str name = dimension_value(s->dimension, now->codes[0]);
            const struct engine_row *before = engine_find(&s->before, &name);
            if (!before || !name.len)
                continue;
            struct pair p = { .in = in, .alerts = a, .of = s->of, .name = name };
            watch_sketch(&p, "first token", &now->detail->first_token_us,
                         &before->detail->first_token_us);
            watch_sketch(&p, "whole answer", &now->detail->duration_us,
                         &before->detail->duration_us);
        }
    }
}

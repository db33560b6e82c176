#include "config.h"

#include "analyze/season.h"

#include <math.h>
#include <stdlib.h>

#include "base/vec.h"

#define SOFTENING   0.1    /* of the mean level */
#define FITTED      8.0    /* numbers taken from the days: levels and growth */
#define MEDIAN_LOSS 1.5708 /* variance of a median over that of a mean: pi / 2 */

struct doubles {
    VEC(double) list;
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double season_median(double *values, size_t count)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof(*values), compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static double spread_of(struct doubles *d)
{
    double middle = season_median(d->list.ptr, d->list.len);

    for (size_t i = 0; i < d->list.len; i++)
        d->list.ptr[i] = fabs(d->list.ptr[i] - middle);
    return SEASON_DEVIATION * season_median(d->list.ptr, d->list.len);
}

int season_weekday(int64_t day)
{
    return (int)(((day + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
}

static bool is_usable(const struct season_days *d, size_t i)
{
    return !d->skip || !d->skip[i];
}

static double find_growth(const struct season_days *d, double limit)
{
    struct doubles slopes = { 0 };

    for (size_t i = 0; i < d->count; i++) {
        if (!is_usable(d, i) || d->values[i] <= 0)
            continue;
        for (size_t j = i + 7; j < d->count; j += 7)
            if (is_usable(d, j) && d->values[j] > 0)
                vec_push(&slopes.list, log(d->values[j] / d->values[i]) / (double)(j - i));
    }
    double growth =
        slopes.list.len < SEASON_MIN_DAYS ? 0 : season_median(slopes.list.ptr, slopes.list.len);
    vec_release(&slopes.list);
    return growth > limit ? limit : growth < -limit ? -limit : growth;
}

static void find_levels(const struct season_days *d, struct season *s)
{
    struct doubles all = { 0 }, own = { 0 };

    for (size_t i = 0; i < d->count; i++)
        if (is_usable(d, i))
            vec_push(&all.list, d->values[i] * exp(s->growth * (double)(d->count - 1 - i)));
    s->used = all.list.len;
    double middle = season_median(all.list.ptr, all.list.len);
    for (int weekday = 0; weekday < 7; weekday++) {
        vec_clear(&own.list);
        for (size_t i = 0; i < d->count; i++)
            if (is_usable(d, i) && season_weekday(d->first_day + (int64_t)i) == weekday)
                vec_push(&own.list, d->values[i] * exp(s->growth * (double)(d->count - 1 - i)));
        s->level[weekday] = own.list.len ? season_median(own.list.ptr, own.list.len) : middle;
        s->mean += s->level[weekday] / 7;
    }
    vec_release(&all.list);
    vec_release(&own.list);
}

static void find_spreads(const struct season_days *d, struct season *s)
{
    struct doubles residuals = { 0 }, ratios = { 0 };

    for (size_t i = 0; i < d->count; i++) {
        int64_t day = d->first_day + (int64_t)i;
        double expected = season_expect(s, day);
        if (!is_usable(d, i) || expected <= 0 || expected < s->mean / 2)
            continue;
        vec_push(&residuals.list, season_residual(s, day, d->values[i]));
        vec_push(&ratios.list, d->values[i] / expected);
    }
    double n = (double)s->used, shrunk = sqrt(n / (n - FITTED)); /* n >= SEASON_MIN_DAYS */
    s->spread = shrunk * spread_of(&residuals);
    s->spread_plain = shrunk * spread_of(&ratios);
    vec_release(&residuals.list);
    vec_release(&ratios.list);
}

bool season_fit(const struct season_days *days, double growth_limit, struct season *ret)
{
    struct season_days d = *days;
    size_t usable = 0;

    if (d.count > SEASON_MAX_DAYS) {
        size_t cut = d.count - SEASON_MAX_DAYS;
        d = (struct season_days){ .values = d.values + cut,
                                  .skip = d.skip ? d.skip + cut : NULL,
                                  .count = SEASON_MAX_DAYS,
                                  .first_day = d.first_day + (int64_t)cut };
    }
    for (size_t i = 0; i < d.count; i++)
        usable += is_usable(&d, i);
    if (usable < SEASON_MIN_DAYS)
        return false;
    *ret = (struct season){ .growth = find_growth(&d, growth_limit),
                            .at = d.first_day + (int64_t)d.count - 1 };
    find_levels(&d, ret);
    find_spreads(&d, ret);
    return true;
}

double season_expect(const struct season *s, int64_t day)
{
    return s->level[season_weekday(day)] * exp(s->growth * (double)(day - s->at));
}

double season_error(const struct season *s, int64_t day)
{
    double n = (double)s->used, away = (double)(day - s->at) + n / 2;

    return sqrt(MEDIAN_LOSS / n + MEDIAN_LOSS * 12 * away * away / (n * n * n));
}

double season_residual(const struct season *s, int64_t day, double value)
{
    double soft = SOFTENING * s->mean;

    if (soft <= 0)
        return value > 0 ? 1 : 0; /* nothing was ever usual here */
    return log((value + soft) / (season_expect(s, day) + soft));
}

#include "config.h"

#include "analyze/forecast.h"

#include <math.h>
#include <stdlib.h>

#include "analyze/season.h"
#include "base/mem.h"
#include "llm/price.h"

#define NORMAL_80   1.2816 /* standard deviations to either side that hold 80 % */
#define MEDIAN_LOSS 1.5708 /* variance of a median over that of a mean: pi / 2 */

static void sum_known(const struct forecast_input *in, struct forecast *ret)
{
    int64_t today = in->first_day + (int64_t)in->count;
    i128 over = 0;

    for (size_t i = 0; i < in->count; i++) {
        int64_t day = in->first_day + (int64_t)i;
        if (day < in->from_day || day >= in->to_day)
            continue;
        over += in->days[i];
        ret->days_known++;
    }
    ret->actual_pusd = over;
    if (today >= in->from_day && today < in->to_day)
        ret->actual_pusd += in->today_pusd;
    ret->days_left = (int)(in->to_day - in->from_day) - ret->days_known;
    ret->has_naive = ret->days_known > 0;
    if (ret->has_naive)
        ret->naive_pusd = over + over * ret->days_left / ret->days_known;
}

static bool fit(const struct forecast_input *in, struct season *ret)
{
    size_t count = in->count < FORECAST_WINDOW_DAYS ? in->count : FORECAST_WINDOW_DAYS;
    size_t from = in->count - count;
    double values[FORECAST_WINDOW_DAYS];

    for (size_t i = 0; i < count; i++)
        values[i] = (double)in->days[from + i];
    struct season_days days = { .values = values,
                                .skip = in->skip ? in->skip + from : NULL,
                                .count = count,
                                .first_day = in->first_day + (int64_t)from };
    return season_fit(&days, FORECAST_GROWTH_LIMIT, ret);
}

/* The days of the period that are not over: their sum, and the variance of its error. */
static double expect_rest(const struct forecast_input *in, const struct season *s,
                          double *ret_variance)
{
    int64_t today = in->first_day + (int64_t)in->count, from = today;
    double rest = 0, squares = 0, by_weekday[7] = { 0 }, n = (double)s->used;

    if (from < in->from_day)
        from = in->from_day;
    for (int64_t day = from; day < in->to_day; day++) {
        double expected = season_expect(s, day);
        if (day == today && expected < (double)in->today_pusd)
            expected = (double)in->today_pusd;
        rest += expected;
        squares += expected * expected;
        by_weekday[season_weekday(day)] += expected;
    }
    for (int weekday = 0; weekday < 7; weekday++)
        squares += by_weekday[weekday] * by_weekday[weekday] * MEDIAN_LOSS / (n / 7);
    /* Growth is known best in the middle of the past days. */
    double away = n / 2 + (double)(from - today) + (double)(in->to_day - from) / 2;
    squares += rest * rest * away * away * 12 * MEDIAN_LOSS / (n * n * n);
    *ret_variance = s->spread_plain * s->spread_plain * squares;
    return rest;
}

void forecast_run(const struct forecast_input *in, struct forecast *ret)
{
    int64_t today = in->first_day + (int64_t)in->count;
    bool is_in = today >= in->from_day && today < in->to_day;
    struct season s;

    *ret = (struct forecast){ 0 };
    sum_known(in, ret);
    ret->has_expected = fit(in, &s) || ret->days_left == 0;
    ret->expected_pusd = ret->low_pusd = ret->high_pusd = ret->actual_pusd;
    if (!ret->has_expected || ret->days_left == 0)
        return;
    i128 over = ret->actual_pusd - (is_in ? in->today_pusd : 0);
    double variance;
    ret->growth = s.growth;
    ret->expected_pusd = over + (i128)expect_rest(in, &s, &variance);
    double width = NORMAL_80 * sqrt(variance);
    ret->low_pusd = ret->expected_pusd - (i128)width;
    ret->high_pusd = ret->expected_pusd + (i128)width;
    if (ret->low_pusd < ret->actual_pusd)
        ret->low_pusd = ret->actual_pusd;
}

/* forecast - what a period will have come to when it is over.
 *
 * What is known plus, for each day that is left, what its weekday usually comes to
 * (analyze/season over the FORECAST_WINDOW_DAYS before, growth included).  Beside it stands the
 * naive figure, the same again for every day that is left, for whoever wants to know what the
 * method changes.
 *
 * The interval is made to hold the truth in 80 of 100 cases.  Three errors of independent causes
 * make it: days differ (by the spread of past ones), levels are medians of few days, and growth is
 * the slope of few weeks.
 *
 * Pure: no clock, no engine.  Sums are exact; what is expected is an estimate.
 */
#ifndef ANALYZE_FORECAST_H
#define ANALYZE_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"

#define FORECAST_WINDOW_DAYS  42
#define FORECAST_GROWTH_LIMIT 0.02 /* a day */
#define FORECAST_CONFIDENCE   80   /* of 100 */

/* Days are days since 1970-01-01 by the local calendar; all borrowed. */
struct forecast_input {
    const i128 *days;    /* 1e-12 USD of one day after another; the last one is over */
    const uint8_t *skip; /* 1 = not what the day really came to; NULL = all are */
    size_t count;
    int64_t first_day;        /* of days[0] */
    i128 today_pusd;          /* of the day that follows, so far */
    int64_t from_day, to_day; /* of the period; the second is not in it */
};

struct forecast {
    i128 actual_pusd;                        /* of the period so far, today included */
    i128 expected_pusd, low_pusd, high_pusd; /* at its end */
    i128 naive_pusd;
    bool has_expected;         /* else there are too few days to go by: SEASON_MIN_DAYS */
    bool has_naive;            /* a day of the period is over */
    int days_known, days_left; /* today is left */
    double growth;             /* a day, of the last weeks: 0.01 = 1 % */
};

void forecast_run(const struct forecast_input *in, struct forecast *ret);

#endif

/* season - what a day should come to, from the days before: a level for each weekday and a slow
 * growth, neither of which a few odd days can move.
 *
 * Growth is the median slope of ln(value) over all pairs of days that are whole weeks apart
 * (Theil and Sen), so weekends do not count as change.  A level is the median of its weekday's
 * values, each moved to the last day by the growth.  Spread is 1.4826 times the median absolute
 * deviation, which for normal noise is its standard deviation (Iglewicz and Hoaglin 1993).
 *
 * These are estimates and therefore doubles: sums of money stay integers elsewhere.  Days are days
 * since 1970-01-01 by the local calendar.
 */
#ifndef ANALYZE_SEASON_H
#define ANALYZE_SEASON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEASON_MIN_DAYS  14  /* fewer usable ones say nothing of weekdays */
#define SEASON_MAX_DAYS  400 /* growth looks at pairs: their square */
#define SEASON_DEVIATION 1.4826

struct season_days {
    const double *values;
    const uint8_t *skip; /* 1 = not usable (no capture, a wrong price); NULL = all are */
    size_t count;
    int64_t first_day; /* of values[0] */
};

struct season {
    double level[7]; /* Monday first, on day at */
    double mean;     /* of the levels */
    double growth;   /* of ln(value) a day: 0.01 is about 1 % */
    int64_t at;
    /* Of days on which at least half the mean is expected: quiet weekends are always near. */
    double spread;       /* of season_residual */
    double spread_plain; /* of value / expected */
    size_t used;         /* days */
};

/* growth_limit bounds growth both ways: 0 = none.  false if there is too little to go by. */
bool season_fit(const struct season_days *days, double growth_limit, struct season *ret);
double season_expect(const struct season *s, int64_t day);
/* The standard error of ln(expected) in spreads: levels are medians, growth is a slope, and the
 * farther away a day is the less it says. */
double season_error(const struct season *s, int64_t day);
/* ln(value / expected), softened by a tenth of the mean level, so that days on which little is
 * usual do not count as many times too much. */
double season_residual(const struct season *s, int64_t day, double value);
/* Monday = 0. */
int season_weekday(int64_t day);

/* Puts values into another order; 0 for none. */
double season_median(double *values, size_t count);

#endif

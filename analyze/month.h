/* month - a calendar month in a zone, its days, and the one before. */
#ifndef ANALYZE_MONTH_H
#define ANALYZE_MONTH_H

#include "base/timestamp.h"

#define MONTH_TEXT_BYTES 16

struct month {
    int year, month; /* 1 to 12 */
};

/* "2026-10", years 1 to 9998; false if it is none. */
bool month_parse(struct str text, struct month *ret);
/* "2026-10".  Returns ret. */
char *month_format(struct month m, char ret[static MONTH_TEXT_BYTES]);
struct month month_before(struct month m);
struct month month_after(struct month m);
/* 28 to 31. */
int month_days(struct month m);
/* The first moment of a day of it, in tz (NULL = UTC); day 1 begins the month, and the day past the
 * last one ends it. */
int64_t month_day_us(struct month m, int day, const struct tz *tz);
/* How many of its days are over at that moment: 0 to month_days. */
int month_days_over(struct month m, int64_t now_us, const struct tz *tz);

#endif

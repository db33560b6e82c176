#include "config.h"

#include "analyze/period.h"

/* "digits" of exactly len characters at from. */
static bool digits_at(struct str text, size_t from, size_t len, int *ret)
{
    int value = 0;

    if (from + len > text.len)
        return false;
    for (size_t i = from; i < from + len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (text.ptr[i] - '0');
    }
    *ret = value;
    return true;
}

static int64_t to_utc(const struct tz *tz, struct civil c)
{
    return tz ? tz_to_utc(tz, c) : civil_to_us(c);
}

/* 0 = not of this form; else how many parts (year, month, day) the text has. */
static int scan_date(struct str text, struct civil *ret)
{
    *ret = (struct civil){ .month = 1, .day = 1 };
    if (!digits_at(text, 0, 4, &ret->year) || ret->year < 1)
        return 0;
    if (text.len == 4)
        return 1;
    if (text.ptr[4] != '-' || !digits_at(text, 5, 2, &ret->month) || ret->month < 1 ||
        ret->month > 12)
        return 0;
    if (text.len == 7)
        return 2;
    if (text.ptr[7] != '-' || !digits_at(text, 8, 2, &ret->day) || text.len != 10)
        return 0;
    struct civil normal = civil_from_us(civil_to_us(*ret));
    return normal.day == ret->day && normal.month == ret->month ? 3 : 0;
}

bool period_parse(struct str text, const struct tz *tz, int64_t *ret_from_us, int64_t *ret_to_us)
{
    struct civil from;
    int parts = scan_date(text, &from);

    if (parts == 0) {
        if (!timestamp_parse(text, ret_from_us))
            return false;
        *ret_to_us = *ret_from_us + 1;
        return true;
    }
    struct civil to = from;
    if (parts == 1)
        to.year++;
    else if (parts == 2 && ++to.month > 12)
        to = (struct civil){ .year = from.year + 1, .month = 1, .day = 1 };
    else if (parts == 3)
        to = civil_from_us(civil_to_us(from) + US_PER_DAY);
    *ret_from_us = to_utc(tz, from);
    *ret_to_us = to_utc(tz, to);
    return true;
}

#include "config.h"

#include "analyze/month.h"

#include <stdio.h>

bool month_parse(struct str text, struct month *ret)
{
    int digits[6];

    if (text.len != 7 || text.ptr[4] != '-')
        return false;
    for (size_t i = 0, n = 0; i < 7; i++) {
        if (i == 4)
            continue;
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        digits[n++] = text.ptr[i] - '0';
    }
    struct month m = { ((digits[0] * 10 + digits[1]) * 10 + digits[2]) * 10 + digits[3],
                       digits[4] * 10 + digits[5] };
    if (m.year < 1 || m.year > 9998 || m.month < 1 || m.month > 12)
        return false;
    *ret = m;
    return true;
}

char *month_format(struct month m, char ret[static MONTH_TEXT_BYTES])
{
    snprintf(ret, MONTH_TEXT_BYTES, "%04d-%02d", m.year % 10000, m.month % 100);
    return ret;
}

struct month month_before(struct month m)
{
    return m.month > 1 ? (struct month){ m.year, m.month - 1 } : (struct month){ m.year - 1, 12 };
}

struct month month_after(struct month m)
{
    return m.month < 12 ? (struct month){ m.year, m.month + 1 } : (struct month){ m.year + 1, 1 };
}

int month_days(struct month m)
{
    return civil_from_us(
               civil_to_us((struct civil){ .year = m.year, .month = m.month + 1, .day = 0 }))
        .day;
}

int64_t month_day_us(struct month m, int day, const struct tz *tz)
{
    struct civil c =
        civil_from_us(civil_to_us((struct civil){ .year = m.year, .month = m.month, .day = day }));

    return tz ? tz_to_utc(tz, c) : civil_to_us(c);
}

int month_days_over(struct month m, int64_t now_us, const struct tz *tz)
{
    int days = month_days(m), over = 0;

    while (over < days && month_day_us(m, over + 2, tz) <= now_us)
        over++;
    return over;
}

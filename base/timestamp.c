#include "config.h"

#include "base/timestamp.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    if (clock_gettime(id, &now) < 0)
        return 0; /* cannot happen: the two clocks below always exist on Linux */
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Quotient rounded down, and the rest that goes with it (never negative). */
static int64_t floor_div(int64_t a, int64_t b, int64_t *ret_rest)
{
    int64_t q = a / b, rest = a % b;

    if (rest < 0) {
        rest += b;
        q--;
    }
    *ret_rest = rest;
    return q;
}

/* Days since 1970-01-01 of a proleptic Gregorian date.  Years are counted from March here, so that
 * the leap day comes last, and in cycles of 400 years of 146,097 days. */
static int64_t days_from_civil(int64_t year, int month, int64_t day)
{
    int64_t year_of_cycle;
    int64_t cycle = floor_div(month <= 2 ? year - 1 : year, 400, &year_of_cycle);
    int64_t month_from_march = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;

    return cycle * 146097 + year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 +
           day_of_year - 719468;
}

struct civil civil_from_us(int64_t us)
{
    int64_t in_day, day_of_cycle;
    int64_t cycle = floor_div(floor_div(us, US_PER_DAY, &in_day) + 719468, 146097, &day_of_cycle);
    int64_t year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
    int64_t day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t second = in_day / US_PER_SECOND;

    return (struct civil){
        .year = (int)(cycle * 400 + year_of_cycle + (month_from_march >= 10)),
        .month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9),
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = (int)(second / 3600),
        .minute = (int)(second / 60 % 60),
        .second = (int)(second % 60),
        .microsecond = (int)(in_day % US_PER_SECOND),
    };
}

static bool is_within(int value, int limit)
{
    return value >= -limit && value <= limit;
}

int64_t civil_to_us(struct civil c)
{
    int64_t month;

    assert(c.year >= -9999 && c.year <= 19999);
    assert(is_within(c.month, 1000000) && is_within(c.day, 1000000) && is_within(c.hour, 1000000) &&
           is_within(c.minute, 1000000) && is_within(c.second, 1000000) &&
           is_within(c.microsecond, 1000000));
    int64_t year = c.year + floor_div(c.month - 1, 12, &month);
    int64_t seconds = days_from_civil(year, (int)month + 1, c.day) * 86400 +
                      (int64_t)c.hour * 3600 + (int64_t)c.minute * 60 + c.second;
    return seconds * US_PER_SECOND + c.microsecond;
}

int civil_weekday(struct civil c)
{
    int64_t rest;

    floor_div(days_from_civil(c.year, c.month, c.day) + 3, 7, &rest); /* day 0 was a Thursday */
    return (int)rest;
}

/* What is left to read of a text. */
struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_any(struct cursor *c, const char *wanted)
{
    for (; *wanted; wanted++)
        if (take(c, *wanted))
            return true;
    return false;
}

static bool take_word(struct cursor *c, struct str word)
{
    struct str rest = { c->at, (size_t)(c->end - c->at) };

    if (!str_istarts_with(rest, word))
        return false;
    c->at += word.len;
    return true;
}

/* Exactly count digits. */
static bool take_digits(struct cursor *c, int count, int *ret)
{
    int value = 0;

    for (int i = 0; i < count; i++, c->at++) {
        if (c->at == c->end || *c->at < '0' || *c->at > '9')
            return false;
        value = value * 10 + (*c->at - '0');
    }
    *ret = value;
    return true;
}

/* The first `places` digits of a fraction as an integer of that many places; the rest is cut.
 * At least one digit must follow the point, which is already read. */
static bool take_fraction(struct cursor *c, int places, int64_t *ret)
{
    int64_t value = 0;
    int count = 0;

    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        if (count < places)
            value = value * 10 + (*c->at - '0');
        count += count <= places;
    }
    for (int i = count; i < places; i++)
        value *= 10;
    *ret = value;
    return count > 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (leap && month == 2);
}

/* Second 60 is a leap second, which POSIX folds into the one that follows. */
static bool is_valid(const struct civil *c)
{
    return c->year >= 1 && c->year <= 9999 && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= days_in_month(c->year, c->month) && c->hour <= 23 && c->minute <= 59 &&
           c->second <= 60;
}

/* hh:mm[:ss[.fraction]]; ISO 8601 allows a comma for the point. */
static bool take_time(struct cursor *c, struct civil *ret)
{
    int64_t fraction = 0;

    if (!take_digits(c, 2, &ret->hour) || !take(c, ':') || !take_digits(c, 2, &ret->minute))
        return false;
    if (!take(c, ':'))
        return true;
    if (!take_digits(c, 2, &ret->second))
        return false;
    if (take_any(c, ".,") && !take_fraction(c, 6, &fraction))
        return false;
    ret->microsecond = (int)fraction;
    return true;
}

/* +hh:mm, +hhmm or +hh, as seconds to add to UTC. */
static bool take_offset(struct cursor *c, int32_t *ret)
{
    int hours, minutes = 0;
    bool negative = take(c, '-');

    if ((!negative && !take(c, '+')) || !take_digits(c, 2, &hours))
        return false;
    bool colon = take(c, ':');
    if ((colon || c->at < c->end) && !take_digits(c, 2, &minutes))
        return false;
    if (hours > 23 || minutes > 59)
        return false;
    *ret = (negative ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

/* What may follow a time: nothing, Z, UTC, GMT or an offset, after a blank or not. */
static bool take_zone(struct cursor *c, int32_t *ret_offset)
{
    *ret_offset = 0;
    if (c->at == c->end)
        return true;
    take(c, ' ');
    return take_any(c, "Zz") || take_word(c, STR("UTC")) || take_word(c, STR("GMT")) ||
           take_offset(c, ret_offset);
}

static bool parse_rfc3339(struct str text, int64_t *ret_us)
{
    struct cursor c = { text.ptr, text.ptr + text.len };
    struct civil civil = { 0 };
    int32_t offset = 0;

    if (!take_digits(&c, 4, &civil.year) || !take(&c, '-') || !take_digits(&c, 2, &civil.month) ||
        !take(&c, '-') || !take_digits(&c, 2, &civil.day))
        return false;
    if (c.at < c.end && (!take_any(&c, "Tt ") || !take_time(&c, &civil) || !take_zone(&c, &offset)))
        return false;
    if (c.at != c.end || !is_valid(&civil))
        return false;
    *ret_us = civil_to_us(civil) - offset * US_PER_SECOND;
    return true;
}

/* Below which whole part a number of Unix time has which unit. */
static const struct unix_unit {
    int64_t below;
    int64_t us;          /* of one unit; 0: a unit is 1/1000 us */
    int fraction_digits; /* that count for something */
} unix_units[] = {
    {INT64_C(100000000000),        US_PER_SECOND, 6},
    { INT64_C(100000000000000),    1000,          3},
    { INT64_C(100000000000000000), 1,             0},
    { INT64_MAX,                   0,             0},
};

static bool parse_unix(struct str text, int64_t *ret_us)
{
    ptrdiff_t point = str_find_char(text, '.', 0);
    struct str whole_text = point < 0 ? text : str_sub(text, 0, (size_t)point);
    int64_t whole, fraction = 0;

    if (whole_text.ptr[0] == '-' || !str_to_i64(whole_text, &whole) || whole < 100000000)
        return false;
    const struct unix_unit *unit = unix_units;
    while (whole >= unit->below && unit->below < INT64_MAX)
        unit++;
    if (point >= 0) {
        struct cursor c = { text.ptr + point + 1, text.ptr + text.len };
        if (!take_fraction(&c, unit->fraction_digits, &fraction) || c.at != c.end)
            return false;
    }
    *ret_us = unit->us ? whole * unit->us + fraction : whole / 1000;
    return true;
}

bool timestamp_parse(struct str text, int64_t *ret_us)
{
    if (text.len == 0)
        return false;
    return text.len > 4 && text.ptr[4] == '-' ? parse_rfc3339(text, ret_us)
                                              : parse_unix(text, ret_us);
}

static const struct str weekdays[] = {
    STR_INIT("Monday"), STR_INIT("Tuesday"),  STR_INIT("Wednesday"), STR_INIT("Thursday"),
    STR_INIT("Friday"), STR_INIT("Saturday"), STR_INIT("Sunday"),
};

static const struct str months[] = {
    STR_INIT("Jan"), STR_INIT("Feb"), STR_INIT("Mar"), STR_INIT("Apr"),
    STR_INIT("May"), STR_INIT("Jun"), STR_INIT("Jul"), STR_INIT("Aug"),
    STR_INIT("Sep"), STR_INIT("Oct"), STR_INIT("Nov"), STR_INIT("Dec"),
};

/* A weekday, whole or by its first three letters. */
static bool take_weekday(struct cursor *c)
{
    for (size_t i = 0; i < ARRAY_LEN(weekdays); i++)
        if (take_word(c, weekdays[i]) || take_word(c, str_sub(weekdays[i], 0, 3)))
            return true;
    return false;
}

static bool take_month(struct cursor *c, int *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(months); i++) {
        if (take_word(c, months[i])) {
            *ret = (int)i + 1;
            return true;
        }
    }
    return false;
}

/* hh:mm:ss between blanks. */
static bool take_http_time(struct cursor *c, struct civil *ret)
{
    return take(c, ' ') && take_digits(c, 2, &ret->hour) && take(c, ':') &&
           take_digits(c, 2, &ret->minute) && take(c, ':') && take_digits(c, 2, &ret->second);
}

/* What follows "Fri, ": "31 Jan 2025 17:31:33 GMT" or "31-Jan-25 17:31:33 GMT". */
static bool take_http_date(struct cursor *c, struct civil *ret)
{
    if (!take_digits(c, 2, &ret->day))
        return false;
    if (take(c, '-')) {
        if (!take_month(c, &ret->month) || !take(c, '-') || !take_digits(c, 2, &ret->year))
            return false;
        ret->year += ret->year < 70 ? 2000 : 1900;
    } else if (!take(c, ' ') || !take_month(c, &ret->month) || !take(c, ' ') ||
               !take_digits(c, 4, &ret->year)) {
        return false;
    }
    return take_http_time(c, ret) && take(c, ' ') &&
           (take_word(c, STR("GMT")) || take_word(c, STR("UTC")));
}

/* What follows "Fri" in the form of asctime: " Jan 31 17:31:33 2025"; the day may begin with a
 * blank. */
static bool take_asctime(struct cursor *c, struct civil *ret)
{
    if (!take(c, ' ') || !take_month(c, &ret->month) || !take(c, ' ') ||
        !take_digits(c, take(c, ' ') ? 1 : 2, &ret->day))
        return false;
    return take_http_time(c, ret) && take(c, ' ') && take_digits(c, 4, &ret->year);
}

bool timestamp_parse_http(struct str text, int64_t *ret_us)
{
    struct cursor c = { text.ptr, text.ptr + text.len };
    struct civil civil = { 0 };

    if (text.len == 0 || !take_weekday(&c))
        return false;
    if (take(&c, ',') ? !take(&c, ' ') || !take_http_date(&c, &civil) : !take_asctime(&c, &civil))
        return false;
    if (c.at != c.end || !is_valid(&civil))
        return false;
    *ret_us = civil_to_us(civil);
    return true;
}

static char *put_digits(char *at, int value, int digits)
{
    for (int i = digits; i-- > 0; value /= 10)
        at[i] = (char)('0' + value % 10);
    return at + digits;
}

static char *put_date(char *at, const struct civil *c)
{
    if (c->year < 0 || c->year > 9999)
        return at + snprintf(at, TIMESTAMP_TEXT_BYTES, "%04d-%02d-%02d", c->year, c->month, c->day);
    at = put_digits(at, c->year, 4);
    *at++ = '-';
    at = put_digits(at, c->month, 2);
    *at++ = '-';
    return put_digits(at, c->day, 2);
}

/* By hand: printf would take most of the time that a record takes to write. */
char *timestamp_format(int64_t us, char ret[static TIMESTAMP_TEXT_BYTES])
{
    struct civil c = civil_from_us(us);
    char *at = put_date(ret, &c);

    *at++ = 'T';
    at = put_digits(at, c.hour, 2);
    *at++ = ':';
    at = put_digits(at, c.minute, 2);
    *at++ = ':';
    at = put_digits(at, c.second, 2);
    if (c.microsecond) {
        *at++ = '.';
        at = put_digits(at, c.microsecond, 6);
    }
    *at++ = 'Z';
    *at = '\0';
    assert(at < ret + TIMESTAMP_TEXT_BYTES);
    return ret;
}

char *timestamp_format_date(int64_t us, char ret[static TIMESTAMP_TEXT_BYTES])
{
    struct civil c = civil_from_us(us);

    *put_date(ret, &c) = '\0';
    return ret;
}

static const struct duration_unit {
    struct str name;
    int64_t us;
} duration_units[] = {
    {STR_INIT("us"),  1                   },
    { STR_INIT("ms"), 1000                },
    { STR_INIT("s"),  US_PER_SECOND       },
    { STR_INIT("m"),  60 * US_PER_SECOND  },
    { STR_INIT("h"),  3600 * US_PER_SECOND},
    { STR_INIT("d"),  US_PER_DAY          },
    { STR_INIT("w"),  7 * US_PER_DAY      },
};

bool duration_parse(struct str text, int64_t *ret_us)
{
    size_t digits = 0;
    int64_t count, us;

    while (digits < text.len && text.ptr[digits] >= '0' && text.ptr[digits] <= '9')
        digits++;
    if (!str_to_i64(str_sub(text, 0, digits), &count))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(duration_units); i++) {
        if (!str_eq(str_sub(text, digits, SIZE_MAX), duration_units[i].name))
            continue;
        if (__builtin_mul_overflow(count, duration_units[i].us, &us))
            return false;
        *ret_us = us;
        return true;
    }
    return false;
}

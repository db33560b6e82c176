#include "config.h"

#include "base/decimal.h"

#include <assert.h>
#include <string.h>

#define I128_LIMIT     ((i128)1 << 126)
#define EXPONENT_CLAMP INT64_C(100000000000000000)

struct scan {
    struct str text;
    size_t at;
};

static bool take(struct scan *s, char c)
{
    if (s->at < s->text.len && s->text.ptr[s->at] == c) {
        s->at++;
        return true;
    }
    return false;
}

static bool is_digit(const struct scan *s)
{
    return s->at < s->text.len && s->text.ptr[s->at] >= '0' && s->text.ptr[s->at] <= '9';
}

/* Reads the exponent, clamped far beyond what any text in memory could make up for with zeros. */
static bool scan_exponent(struct scan *s, int64_t *ret)
{
    bool negative = false;
    int64_t value = 0;

    if (!take(s, 'e') && !take(s, 'E')) {
        *ret = 0;
        return true;
    }
    if (!take(s, '+'))
        negative = take(s, '-');
    if (!is_digit(s))
        return false;
    for (; is_digit(s); s->at++)
        if (value < EXPONENT_CLAMP)
            value = value * 10 + (s->text.ptr[s->at] - '0');
    *ret = negative ? -value : value;
    return true;
}

/* The significant digits and where the point stands, counted from the first digit. */
struct digits {
    size_t first;   /* index of the first digit or point in text */
    size_t end;     /* past the last digit or point */
    int64_t before; /* digits before the point */
    int64_t exponent;
    bool negative;
};

static bool scan_number(struct str text, struct digits *ret)
{
    struct scan s = { text, 0 };
    int64_t count = 0;

    *ret = (struct digits){ 0 };
    if (!take(&s, '+'))
        ret->negative = take(&s, '-');
    ret->first = s.at;
    for (; is_digit(&s); s.at++)
        count++;
    ret->before = count;
    if (take(&s, '.'))
        for (; is_digit(&s); s.at++)
            count++;
    ret->end = s.at;
    return count > 0 && scan_exponent(&s, &ret->exponent) && s.at == text.len;
}

/* What is left of the digits once the wanted ones are taken: 0 none, 1 below half, 2 half, 3 above.
 */
static int remainder_class(int first_digit, bool any_after)
{
    if (first_digit == 0 && !any_after)
        return 0;
    if (first_digit == 5 && !any_after)
        return 2;
    return first_digit >= 5 ? 3 : 1;
}

/* *value * 10 + digit, unless that is out of range. */
static bool append_digit(i128 *value, int digit)
{
    if (*value > (I128_LIMIT - 1 - digit) / 10)
        return false;
    *value = *value * 10 + digit;
    return true;
}

enum decimal_result decimal_parse(struct str text, int scale, i128 *ret)
{
    struct digits d;
    i128 value = 0;

    if (!scan_number(text, &d))
        return DECIMAL_BAD;
    int64_t wanted = d.before + d.exponent + scale; /* digits that stay, counted from the left */
    int64_t seen = 0;
    int first_left = 0;
    bool any_after = false;
    for (size_t i = d.first; i < d.end; i++) {
        if (text.ptr[i] == '.')
            continue;
        int digit = text.ptr[i] - '0';
        if (seen < wanted && !append_digit(&value, digit))
            return DECIMAL_RANGE;
        if (seen == wanted)
            first_left = digit;
        any_after |= seen > wanted && digit != 0;
        seen++;
    }
    for (; seen < wanted && value != 0; seen++)
        if (!append_digit(&value, 0))
            return DECIMAL_RANGE;
    int left = remainder_class(first_left, any_after);
    if (left == 3 || (left == 2 && value % 2 != 0))
        value++;
    if (value >= I128_LIMIT)
        return DECIMAL_RANGE;
    *ret = d.negative ? -value : value;
    return left ? DECIMAL_ROUNDED : DECIMAL_OK;
}

char *decimal_format(i128 value, int scale, char ret[static DECIMAL_TEXT_BYTES])
{
    assert(scale >= 0 && scale < 40);
    char digits[DECIMAL_TEXT_BYTES];
    bool negative = value < 0;
    u128 rest = negative ? -(u128)value : (u128)value;
    int n = 0, at = 0;

    while (rest > 0 || n <= scale) {
        digits[n++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    if (negative)
        ret[at++] = '-';
    while (n > scale)
        ret[at++] = digits[--n];
    if (scale > 0)
        ret[at++] = '.';
    while (n > 0)
        ret[at++] = digits[--n];
    ret[at] = '\0';
    return ret;
}

i128 decimal_round(i128 value, int digits)
{
    assert(digits >= 0 && digits < 38);
    i128 unit = 1;
    for (int i = 0; i < digits; i++)
        unit *= 10;
    i128 whole = value / unit, rest = value % unit;
    i128 twice = (rest < 0 ? -rest : rest) * 2;
    if (twice > unit || (twice == unit && whole % 2 != 0))
        whole += value < 0 ? -1 : 1;
    return whole;
}

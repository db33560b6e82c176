#include "config.h"

#include "base/figure.h"

#define FIGURE_CENTS_FROM ((i128)10 * 1000000000000) /* 10 USD */

struct str figure_usd(i128 pusd, int digits, char text[static FIGURE_BYTES])
{
    return str_from(decimal_format(decimal_round(pusd, FIGURE_USD_DIGITS - digits), digits, text));
}

int figure_usd_digits(i128 largest_pusd)
{
    return largest_pusd >= FIGURE_CENTS_FROM ? 2 : 6;
}

struct str figure_usd_change(i128 pusd, int digits, char text[static FIGURE_BYTES])
{
    i128 rounded = decimal_round(pusd, FIGURE_USD_DIGITS - digits);

    text[0] = '+';
    decimal_format(rounded, digits, text + (rounded > 0));
    return str_from(text);
}

/* Commas into the whole part of number, a sign before it or not. */
static struct str add_commas(struct str number, char text[static FIGURE_BYTES])
{
    ptrdiff_t point = str_find_char(number, '.', 0);
    size_t whole = point < 0 ? number.len : (size_t)point, at = 0;

    for (size_t i = 0; i < number.len; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0 && number.ptr[i - 1] >= '0')
            text[at++] = ',';
        text[at++] = number.ptr[i];
    }
    text[at] = '\0';
    return (struct str){ text, at };
}

struct str figure_amount(i128 pusd, int digits, char text[static FIGURE_BYTES])
{
    char plain[FIGURE_BYTES];

    return add_commas(figure_usd(pusd, digits, plain), text);
}

struct str figure_amount_change(i128 pusd, int digits, char text[static FIGURE_BYTES])
{
    char plain[FIGURE_BYTES];

    return add_commas(figure_usd_change(pusd, digits, plain), text);
}

struct str figure_count(i128 n, char text[static FIGURE_BYTES])
{
    char digits[DECIMAL_TEXT_BYTES];

    return add_commas(str_from(decimal_format(n, 0, digits)), text);
}

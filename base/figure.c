#include "config.h"

#include "base/figure.h"

#include <string.h>

struct str figure_usd(i128 pusd, int digits, char text[static FIGURE_BYTES])
{
    return str_from(decimal_format(decimal_round(pusd, FIGURE_USD_DIGITS - digits), digits, text));
}

struct str figure_usd_change(i128 pusd, int digits, char text[static FIGURE_BYTES])
{
    i128 rounded = decimal_round(pusd, FIGURE_USD_DIGITS - digits);

    text[0] = '+';
    decimal_format(rounded, digits, text + (rounded > 0));
    return str_from(text);
}

struct str figure_count(i128 n, char text[static FIGURE_BYTES])
{
    char digits[DECIMAL_TEXT_BYTES];
    size_t len = strlen(decimal_format(n, 0, digits)), at = 0;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            text[at++] = ',';
        text[at++] = digits[i];
    }
    return (struct str){ text, at };
}

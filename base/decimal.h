/* decimal - exact fixed-point numbers: an integer count of 10^-scale units. */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stdbool.h>

#include "base/str.h"

/* The only typedefs of plain types: C has no other name for them without the extension. */
__extension__ typedef __int128 i128;
__extension__ typedef unsigned __int128 u128;

#define DECIMAL_TEXT_BYTES 48 /* enough for any i128 at any scale below 40 */

enum decimal_result {
    DECIMAL_OK,
    DECIMAL_ROUNDED, /* digits below 10^-scale were rounded half to even */
    DECIMAL_BAD,     /* not [+-]digits[.digits][(e|E)[+-]digits]; "5." and ".5" are fine too */
    DECIMAL_RANGE,   /* 2^126 units of 10^-scale, or more */
};

/* The whole of text, times 10^scale, into *ret (set on OK and ROUNDED).  No blanks, no "inf".  Two
 * texts of equal value give the same result, however long they are. */
enum decimal_result decimal_parse(struct str text, int scale, i128 *ret);

/* "-1.250000" for (-1250000, scale 6); keeps exactly `scale` (0 to 39) fraction digits.  Returns
 * ret. */
char *decimal_format(i128 value, int scale, char ret[static DECIMAL_TEXT_BYTES]);

/* value / 10^digits (0 to 37), rounded half to even: for output only. */
i128 decimal_round(i128 value, int digits);

#endif

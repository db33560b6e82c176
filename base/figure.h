/* figure - numbers as people read them: the same in every report. */
#ifndef BASE_FIGURE_H
#define BASE_FIGURE_H

#include "base/decimal.h"
#include "base/str.h"

#define FIGURE_BYTES      80
#define FIGURE_USD_DIGITS 12 /* amounts are whole numbers of 1e-12 USD */

/* 1e-12 USD rounded half to even to that many digits behind the point: "1234.50".  In text. */
struct str figure_usd(i128 pusd, int digits, char text[static FIGURE_BYTES]);
/* The same with its sign even where it is a plus, and 0 without one: a difference. */
struct str figure_usd_change(i128 pusd, int digits, char text[static FIGURE_BYTES]);
/* The same two with commas, for pages and reports: "1,234.50". */
struct str figure_amount(i128 pusd, int digits, char text[static FIGURE_BYTES]);
struct str figure_amount_change(i128 pusd, int digits, char text[static FIGURE_BYTES]);
/* How many digits a table is worth whose largest sum this is: cents from 10 USD on, else
 * millionths, as most calls cost less than a cent. */
int figure_usd_digits(i128 largest_pusd);
/* The end of "1 request", "2 requests". */
static inline const char *figure_plural(i128 n)
{
    return n == 1 ? "" : "s";
}
/* 1234567 as "1,234,567". */
struct str figure_count(i128 n, char text[static FIGURE_BYTES]);

#endif

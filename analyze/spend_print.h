/* spend_print - a spend result as text, CSV or JSON: the same numbers in each. */
#ifndef ANALYZE_SPEND_PRINT_H
#define ANALYZE_SPEND_PRINT_H

#include "analyze/spend.h"
#include "base/buf.h"

struct spend_print_options {
    struct str tz_name; /* of the buckets, for the heading */
    const char *price_book_hash;
};

/* The aligned table with its notes, amounts rounded to 1e-6 USD.  Returns lines for a person. */
void spend_print_text(const struct engine_result *s, const struct spend_print_options *o,
                      struct buf *out);
/* One line per group and no totals: what a spreadsheet sums itself. */
void spend_print_csv(const struct engine_result *s, struct buf *out);
/* One object, see weir-analyze-spend(1); amounts are decimal strings with 12 digits. */
void spend_print_json(const struct engine_result *s, const struct spend_print_options *o,
                      struct buf *out);

#endif

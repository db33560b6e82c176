/* whatif_print - what would have been paid, as text, CSV or JSON: the same numbers in each. */
#ifndef ANALYZE_WHATIF_PRINT_H
#define ANALYZE_WHATIF_PRINT_H

#include "analyze/whatif.h"
#include "base/buf.h"

/* Groups whose price would change, their sum, the rest, and all; amounts rounded to 1e-6 USD. */
void whatif_print_text(const struct whatif *w, struct buf *out);
/* The same groups, exactly. */
void whatif_print_csv(const struct whatif *w, struct buf *out);
void whatif_print_json(const struct whatif *w, struct buf *out);

#endif

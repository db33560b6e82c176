/* reconcile_print - a reconciliation as text, CSV or JSON: the same numbers in each. */
#ifndef ANALYZE_RECONCILE_PRINT_H
#define ANALYZE_RECONCILE_PRINT_H

#include "analyze/reconcile.h"
#include "base/buf.h"

/* Differences (all: matches, too), then the reasons with what to do about each. */
void reconcile_print_text(const struct reconcile *r, const struct invoice *v, bool all,
                          struct buf *out);
/* A line for each cell. */
void reconcile_print_csv(const struct reconcile *r, struct buf *out);
void reconcile_print_json(const struct reconcile *r, const struct invoice *v, struct buf *out);

#endif

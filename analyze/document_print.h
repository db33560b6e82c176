/* document_print - a document as text, CSV and JSON. */
#ifndef ANALYZE_DOCUMENT_PRINT_H
#define ANALYZE_DOCUMENT_PRINT_H

#include "analyze/document.h"

/* Headings, aligned tables and notes; amounts rounded. */
void document_print_text(const struct document *d, struct buf *out);
/* One line per cell - section, row (its first cells), column, value - as tables of different
 * columns have no other form in one file.  Amounts are exact. */
void document_print_csv(const struct document *d, struct buf *out);
/* One object, see weir-analyze-report(1). */
void document_print_json(const struct document *d, struct buf *out);

#endif

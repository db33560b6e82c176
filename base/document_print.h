/* document_print - a document as text, CSV and JSON. */
#ifndef BASE_DOCUMENT_PRINT_H
#define BASE_DOCUMENT_PRINT_H

#include "base/document.h"

/* Headings, aligned tables and notes; amounts rounded. */
void document_print_text(const struct document *d, struct buf *out);
/* One line per cell - section, row (its first cells), column, value - as tables of different
 * columns have no other form in one file.  Amounts are exact. */
void document_print_csv(const struct document *d, struct buf *out);
/* One object: the format, the facts, the sections with their rows; see weir-analyze-report(1). */
void document_print_json(const struct document *d, struct buf *out);

#endif

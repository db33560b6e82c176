/* page - a document as one HTML file: no script, nothing from elsewhere, light and dark, printable.
 *
 * Each chart stands above the table whose figures it draws.  Everything that was recorded is
 * escaped; the page forbids itself to load anything (Content-Security-Policy).
 */
#ifndef BASE_PAGE_H
#define BASE_PAGE_H

#include "base/document.h"
#include "base/err.h"

/* gnuplot: the program that draws, NULL = no charts.  Returns 0, or -1 if charts are missing: then
 * the page is complete but for them and says so, and err says why. */
int page_print(const struct document *d, const char *gnuplot, struct buf *out, struct err *err);
/* Appends text as markup has it; controls become blanks. */
void page_escape(struct str text, struct buf *out);

#endif

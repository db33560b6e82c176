/* picture - the charts of a document as one SVG file that stands alone.
 *
 * Title, legend, and one chart under another, each with its title and text as the alternative of
 * the picture.  Colours are plain values, which every reader of SVG understands; one that knows
 * CSS takes the dark ones where the reader's theme is dark.
 */
#ifndef BASE_PICTURE_H
#define BASE_PICTURE_H

#include "base/document.h"
#include "base/err.h"

/* All charts share the names of the first section's series.  Sections without anything to draw are
 * named under the last chart.  gnuplot: a name in the PATH, or a path.  Nothing is appended on
 * failure. */
int picture_print(const struct document *d, const char *gnuplot, struct buf *out, struct err *err);

#endif

/* plot - a section's chart as SVG, drawn by gnuplot.
 *
 * gnuplot is an external program: started without a shell, fed through a socket, stopped when it
 * has said nothing for PLOT_PATIENCE_S, and never given a word that was recorded - its input is
 * numbers and what weir itself calls things.  Of its output only shapes and text are kept: no ids,
 * no fonts, colours as CSS variables (--c1 to --c7, --grid, and currentColor), so that the same
 * numbers give the same bytes and the page's theme applies.
 */
#ifndef BASE_PLOT_H
#define BASE_PLOT_H

#include "base/document.h"
#include "base/err.h"

#define PLOT_COLOURS    7
#define PLOT_PATIENCE_S 10
#define PLOT_BYTES_MAX  (4u << 20)
#define PLOT_WIDTH      960
#define PLOT_HEIGHT     320

/* Whether there is anything to draw. */
bool plot_has_data(const struct section *s);
/* Appends the shapes, which go into <svg viewBox="0 0 PLOT_WIDTH PLOT_HEIGHT">; nothing on failure.
 * program is a name in the PATH, or a path. */
int plot_draw(const struct section *s, const char *program, struct buf *out, struct err *err);
/* The colour of a series, 1 to PLOT_COLOURS. */
size_t plot_colour(const struct chart *c, size_t series);

/* What gnuplot is told, and what is kept of its answer: for tests. */
void plot_script(const struct section *s, struct buf *out);
int plot_clean(struct str svg, struct buf *out, struct err *err);

#endif

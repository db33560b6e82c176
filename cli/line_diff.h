/* line_diff - two texts as a unified diff, three lines of context. */
#ifndef CLI_LINE_DIFF_H
#define CLI_LINE_DIFF_H

#include "base/buf.h"

/* Appends nothing if they are the same.  The difference is the smallest there is unless the texts
 * differ in very many lines: then lines are held against those in the same place, or all are
 * replaced. */
void line_diff(struct str before, struct str after, const char *before_name, const char *after_name,
               struct buf *out);

#endif

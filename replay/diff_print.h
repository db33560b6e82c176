/* diff_print - what two recordings differ in, as text, CSV or JSON. */
#ifndef REPLAY_DIFF_PRINT_H
#define REPLAY_DIFF_PRINT_H

#include "base/buf.h"
#include "replay/diff.h"

/* examples: of each aspect, at most. */
void diff_print_text(const struct diff *d, double alpha, size_t examples, struct buf *out);
void diff_print_csv(const struct diff *d, double alpha, struct buf *out);
void diff_print_json(const struct diff *d, double alpha, size_t examples, struct buf *out);

#endif

/* lint_print - findings, proof and keys as text or JSON. */
#ifndef REPLAY_LINT_PRINT_H
#define REPLAY_LINT_PRINT_H

#include "base/buf.h"
#include "replay/lint.h"

/* "180 s", "1.5 s", "250 ms", "never". */
void lint_print_us(int64_t us, struct buf *out);

/* Of one plan. */
void lint_print_text(const struct lint *l, const struct plan *p, const struct proof *proof,
                     const struct prove_options *o, struct buf *out);
void lint_print_json(const struct lint *l, const struct plan *p, const struct proof *proof,
                     const struct prove_options *o, struct buf *out);

#endif

/* drill_print - what a drill came to, as text, JSON or JUnit's XML. */
#ifndef REPLAY_DRILL_PRINT_H
#define REPLAY_DRILL_PRINT_H

#include "base/buf.h"
#include "replay/drill.h"
#include "replay/fidelity.h"

struct drill_print_in {
    const struct drill_result *result;
    const struct drill_options *options;
    const struct slo *slos;
    size_t slo_count;
    const struct fidelity *fidelity; /* NULL = nothing was simulated */
};

/* Whether an assertion holds; one that does not apply, or cannot be measured live, does. */
bool drill_holds(const struct drill_result *r, const struct slo *s);
void drill_print_text(const struct drill_print_in *in, struct buf *out);
void drill_print_json(const struct drill_print_in *in, struct buf *out);
void drill_print_junit(const struct drill_print_in *in, struct buf *out);

#endif

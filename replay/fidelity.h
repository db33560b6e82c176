/* fidelity - a drill beside the simulation of the same calls, configuration, scenario and seed.
 */
#ifndef REPLAY_FIDELITY_H
#define REPLAY_FIDELITY_H

#include "base/buf.h"
#include "replay/drill.h"
#include "replay/sim_result.h"

#define FIDELITY_ROWS 7

struct fidelity_row {
    struct slo metric; /* of which the bound means nothing */
    bool has_live, has_simulated;
    i128 live, simulated; /* in the metric's unit; PLAN_FOREVER = never */
};

struct fidelity {
    struct fidelity_row rows[FIDELITY_ROWS];
    size_t count;
    struct arena arena;
};

void fidelity_compare(const struct drill_result *live, const struct sim_result *simulated,
                      struct fidelity *ret);
void fidelity_release(struct fidelity *f);
DEFINE_CLEANUP_VALUE(struct fidelity, fidelity_release)

/* metric | live | simulated | difference: of shares in percentage points, else in percent. */
void fidelity_print_text(const struct fidelity *f, struct buf *out);
/* A member `fidelity` of an object: shares and counts in millionths, durations in us. */
void fidelity_print_json(const struct fidelity *f, struct buf *out);

#endif

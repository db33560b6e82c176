/* sim_figures - the figures of a run that sweeps look at, and what several runs say of them.
 */
#ifndef REPLAY_SIM_FIGURES_H
#define REPLAY_SIM_FIGURES_H

#include "base/document.h"
#include "replay/sim_result.h"

enum sim_figure {
    SIM_FIGURE_ANSWERED, /* shares and numbers for each call: in millionths */
    SIM_FIGURE_REROUTED,
    SIM_FIGURE_ATTEMPTS,
    SIM_FIGURE_ADDED_P95, /* µs */
    SIM_FIGURE_FIRST_P95,
    SIM_FIGURE_FAILOVER, /* the longest of all incidents; absent where there was none */
    SIM_FIGURE_RESTORED,
    SIM_FIGURE_RECOVERY,
    SIM_FIGURE_COST, /* at most, 1e-12 USD */
    SIM_FIGURES,
};

struct sim_figure_def {
    const char *name, *title;
    enum cell_kind kind;
};
extern const struct sim_figure_def sim_figure_defs[SIM_FIGURES];

struct sim_figures {
    bool has[SIM_FIGURES];
    int64_t n[SIM_FIGURES]; /* PLAN_FOREVER = it never came */
};

void sim_figures_of(const struct sim_result *r, struct sim_figures *ret);

/* The mean, and half the width of its 95 % confidence interval by Student's t. */
struct sim_mean {
    size_t count, never; /* of runs that have it; of these those where it never came, which are not
                            in the mean */
    int64_t mean, half;  /* half -1 = of fewer than two runs nothing can be said */
};
void sim_figures_mean(const struct sim_figures *list, size_t count, enum sim_figure f,
                      struct sim_mean *ret);

#endif

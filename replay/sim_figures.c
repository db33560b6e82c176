#include "config.h"

#include "replay/sim_figures.h"

#include <math.h>

#include "replay/sim_report.h"

const struct sim_figure_def sim_figure_defs[SIM_FIGURES] = {
    [SIM_FIGURE_ANSWERED] = {"answered",   "answered",        CELL_SHARE },
    [SIM_FIGURE_REROUTED] = { "rerouted",  "by another",      CELL_SHARE },
    [SIM_FIGURE_ATTEMPTS] = { "attempts",  "attempts/call",   CELL_NUMBER},
    [SIM_FIGURE_ADDED_P95] = { "added_p95", "added p95",       CELL_US    },
    [SIM_FIGURE_FIRST_P95] = { "first_p95", "first token p95", CELL_US    },
    [SIM_FIGURE_FAILOVER] = { "failover",  "failover",        CELL_US    },
    [SIM_FIGURE_RESTORED] = { "restored",  "99 % again",      CELL_US    },
    [SIM_FIGURE_RECOVERY] = { "recovery",  "recovery",        CELL_US    },
    [SIM_FIGURE_COST] = { "cost_most", "USD at most",     CELL_USD   },
};

void sim_figures_of(const struct sim_result *r, struct sim_figures *ret)
{
    static const struct slo asks[SIM_FIGURES] = {
        [SIM_FIGURE_ANSWERED] = {.metric = SLO_SUCCESS  },
        [SIM_FIGURE_REROUTED] = { .metric = SLO_REROUTED},
        [SIM_FIGURE_ATTEMPTS] = { .metric = SLO_ATTEMPTS},
        [SIM_FIGURE_ADDED_P95] = { .metric = SLO_ADDED,    .quantile = 0.95 },
        [SIM_FIGURE_FIRST_P95] = { .metric = SLO_FIRST,                      .quantile = 0.95 },
        [SIM_FIGURE_FAILOVER] = { .metric = SLO_FAILOVER},
        [SIM_FIGURE_RESTORED] = { .metric = SLO_RESTORED},
        [SIM_FIGURE_RECOVERY] = { .metric = SLO_RECOVERY},
        [SIM_FIGURE_COST] = { .metric = SLO_COST},
    };

    *ret = (struct sim_figures){ 0 };
    for (size_t f = 0; f < SIM_FIGURES; f++) {
        i128 value;
        ret->has[f] = sim_report_value(r, &asks[f], &value);
        ret->n[f] = ret->has[f] ? (value > PLAN_FOREVER ? PLAN_FOREVER : (int64_t)value) : 0;
    }
}

/* Student's t, two-sided 95 %, by degrees of freedom. */
static double t_quantile(size_t freedom)
{
    static const double t[] = { 0,     12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365,
                                2.306, 2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
                                2.120, 2.110,  2.101, 2.093, 2.086, 2.080, 2.074, 2.069,
                                2.064, 2.060,  2.056, 2.052, 2.048, 2.045, 2.042 };

    return freedom < ARRAY_LEN(t) ? t[freedom] : freedom < 60 ? 2.021 : freedom < 120 ? 2 : 1.98;
}

static bool counts(const struct sim_figures *one, enum sim_figure f)
{
    return one->has[f] && one->n[f] != PLAN_FOREVER;
}

void sim_figures_mean(const struct sim_figures *list, size_t count, enum sim_figure f,
                      struct sim_mean *ret)
{
    double squares = 0;
    i128 sum = 0;
    size_t n = 0;

    *ret = (struct sim_mean){ .half = -1 };
    for (size_t i = 0; i < count; i++) {
        ret->count += list[i].has[f];
        ret->never += list[i].has[f] && list[i].n[f] == PLAN_FOREVER;
        sum += counts(&list[i], f) ? list[i].n[f] : 0;
        n += counts(&list[i], f);
    }
    if (n == 0)
        return;
    ret->mean = (int64_t)(sum / (i128)n);
    for (size_t i = 0; i < count; i++)
        if (counts(&list[i], f)) {
            double d = (double)(list[i].n[f] - ret->mean);
            squares += d * d;
        }
    if (n > 1)
        ret->half =
            (int64_t)(t_quantile(n - 1) * sqrt(squares / (double)(n - 1) / (double)n) + 0.5);
}

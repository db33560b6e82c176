/* slo - what must hold of a run, as people write it, and whether it does: simulated or live.
 *
 *     success >= 99.5%          p95 added <= 2s          attempts <= 1.2
 *     app cx: success >= 99%    failover <= 2s           cost <= 100
 *
 * Metrics are shares (success, rerouted, denied, left), durations (added, first, total, with a
 * percentile in front; failover, restored, recovery), counts for each call (attempts, tries) and
 * USD (cost).
 */
#ifndef REPLAY_SLO_H
#define REPLAY_SLO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/decimal.h"
#include "base/document.h"
#include "base/err.h"

enum slo_metric {
    SLO_SUCCESS,  /* answered, of all calls */
    SLO_REROUTED, /* answered by another target than the first choice */
    SLO_DENIED,   /* refused by access, limits and budgets */
    SLO_LEFT,     /* not answered while the caller's own time lasted */
    SLO_ADDED,    /* until the attempt that answered began */
    SLO_FIRST,    /* until the first token */
    SLO_TOTAL,    /* until the end */
    SLO_FAILOVER, /* from the first fault to the first answer from elsewhere; the longest of all */
    SLO_RESTORED, /* from the first fault until 99 of 100 calls go well again; likewise */
    SLO_RECOVERY, /* from the end of faults to the first answer from there; likewise */
    SLO_ATTEMPTS, /* of gateways, for each call */
    SLO_TRIES,    /* of callers, for each call */
    SLO_COST,     /* at most */
    SLO_METRICS,
};

struct slo {
    struct str text;
    struct str app; /* "" = all */
    enum slo_metric metric;
    double quantile; /* of a duration that has many: 0.95 */
    enum { SLO_AT_LEAST, SLO_AT_MOST, SLO_ABOVE, SLO_BELOW } how;
    i128 bound; /* millionths of a share or number, µs, 1e-12 USD */
};

/* ERR_USAGE says what can be written.  Strings are copied to the arena. */
int slo_parse(struct str text, struct arena *arena, struct slo *ret, struct err *err);
bool slo_holds(const struct slo *s, i128 value);
/* As a cell of the metric's kind. */
enum cell_kind slo_kind(const struct slo *s);

#endif

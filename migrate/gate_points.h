/* gate_points - the prior of migrate/gate, for its power as well.
 *
 * In logarithms: for a ratio r against null, a unit on the gateway adds log(r / null) + t and one
 * beside it t, where t = gate_log_total(r, null, share).
 */
#ifndef MIGRATE_GATE_POINTS_H
#define MIGRATE_GATE_POINTS_H

#include <stdint.h>

#include "migrate/gate.h"

/* The middle of the i-th of GATE_POINTS equal steps of log r. */
double gate_point(double from, double to, int i);
/* log of the mean of exp(logs), summed in order. */
double gate_log_mean(const double logs[static GATE_POINTS]);
/* log((null w + 1 - w) / (ratio w + 1 - w)). */
double gate_log_total(double ratio, double null, int32_t share);

#endif

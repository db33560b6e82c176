/* spend - what recorded traffic cost, grouped: the engine's money, in the order a reader wants. */
#ifndef ANALYZE_SPEND_H
#define ANALYZE_SPEND_H

#include "analyze/engine.h"

/* As engine_run; rows are sorted buckets first in time order, then dearest first, then by name. */
int spend_run(const struct engine_query *query, struct engine_result *ret, struct err *err);

#endif

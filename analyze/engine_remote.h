/* engine_remote - the engine's question put to ClickHouse, for analyze/engine.c alone.
 *
 * ClickHouse adds up tokens by (group, what a price depends on, period and length between which no
 * rate changes); prices are laid on the sums here, as the embedded engine does with its cells.
 * Rows that no whole rates describe are fetched and go through the embedded engine itself, as do
 * those of answers that were fetched again, and all rows that a query wants to see.  Measures
 * beside money are sums by group, and counts by bucket of a sketch; rules of attribution are
 * applied here to groups by what they look at.  So both give the same numbers to the last digit;
 * what could not is refused: filters by times or counts beside what is decided here, and fetched
 * answers of files that have no order.
 */
#ifndef ANALYZE_ENGINE_REMOTE_H
#define ANALYZE_ENGINE_REMOTE_H

#include "analyze/engine.h"

/* As engine_run, of a query with remote. */
int engine_remote_run(const struct engine_query *query, struct engine_result *ret, struct err *err);

#endif

/* period - spans of time as users name them. */
#ifndef ANALYZE_PERIOD_H
#define ANALYZE_PERIOD_H

#include "base/timestamp.h"

/* Reads "2026", "2026-10", "2026-10-07" or a full time (timestamp_parse): the half-open span it
 * names, in tz (NULL = UTC); a full time names one microsecond. */
bool period_parse(struct str text, const struct tz *tz, int64_t *ret_from_us, int64_t *ret_to_us);

#endif

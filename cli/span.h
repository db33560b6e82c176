/* span - the period that --from and --to name, or --month. */
#ifndef CLI_SPAN_H
#define CLI_SPAN_H

#include <stdint.h>

#include "base/timestamp.h"
#include "cli/command.h"

struct span {
    int64_t from_us, to_us; /* the second is not in it; INT64_MIN, INT64_MAX = open */
};

/* All in tz (NULL = UTC).  ERR_USAGE for what is no time or month, and for a span that holds none.
 */
int span_parse(const struct invocation *inv, const struct tz *tz, struct span *ret,
               struct err *err);

/* The rows of an option table that span_parse reads. */
#define OPTIONS_SPAN                                                                               \
    OPTION(VALUE, .name = "from", .value = "TIME",                                                 \
           .help = "the first moment that counts: 2026, 2026-10, 2026-10-07 or a full time"),      \
        OPTION(VALUE, .name = "to", .value = "TIME",                                               \
               .help = "the end of what counts, itself not included: as for --from"),              \
        OPTION(VALUE, .name = "month", .value = "YYYY-MM",                                         \
               .help = "only this month, in place of --from and --to")

#endif

/* spend - what recorded traffic cost, grouped: the engine's money, in the order a reader wants. */
#ifndef ANALYZE_SPEND_H
#define ANALYZE_SPEND_H

#include "analyze/engine.h"

struct spend_options {
    const struct archive *archive;
    const struct price_book *book;
    const struct attribution *attribution; /* NULL = as recorded */
    const struct where *where;             /* NULL = everything */
    int64_t from_us, to_us;                /* INT64_MIN / INT64_MAX = unbounded; half open */
    struct dimension *const *dimensions;
    size_t dimension_count;
    unsigned threads; /* 0 = 1 */
};

/* As engine_run with ENGINE_MONEY, over an archive; rows are sorted buckets first in time order,
 * then dearest first, then by name. */
int spend_run(const struct spend_options *options, struct engine_result *ret, struct err *err);

#endif

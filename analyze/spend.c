#include "config.h"

#include "analyze/spend.h"

#include <stdlib.h>

/* A total order, so output never depends on the order of files or on a hash. */
static int compare_rows(const void *a, const void *b, void *result)
{
    const struct engine_row *x = a, *y = b;
    const struct engine_result *s = result;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < s->dimension_count; i++) {
            const struct dimension *d = s->dimensions[i];
            if (dimension_is_bucket(d) != (pass == 0))
                continue;
            int r = str_cmp(dimension_value(d, x->codes[i]), dimension_value(d, y->codes[i]));
            if (r)
                return r;
        }
        i128 cx = engine_cost(&x->sums), cy = engine_cost(&y->sums);
        if (pass == 0 && cx != cy)
            return cx < cy ? 1 : -1;
    }
    return 0;
}

int spend_run(const struct engine_query *query, struct engine_result *ret, struct err *err)
{
    if (engine_run(query, ret, err) < 0)
        return -1;
    if (ret->rows.len)
        qsort_r(ret->rows.ptr, ret->rows.len, sizeof(*ret->rows.ptr), compare_rows, ret);
    return 0;
}

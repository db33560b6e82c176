/* slo_print - assertions as people and CI systems read them. */
#ifndef REPLAY_SLO_PRINT_H
#define REPLAY_SLO_PRINT_H

#include <stddef.h>

#include "base/buf.h"
#include "replay/slo.h"

/* "99.5 %", "1.2 s", "never" (PLAN_FOREVER). */
void slo_add_value(const struct slo *s, i128 value, struct buf *out);

/* Assertions over one run. */
struct slo_suite {
    struct str name;
    const struct slo *slos;
    size_t count;
    /* The value of a metric; false: it does not apply, and the assertion holds. */
    bool (*value)(const void *ctx, const struct slo *s, i128 *ret);
    const void *ctx;
};

/* Test suites in JUnit's XML, which every CI system reads. */
void slo_junit(const struct slo_suite *suites, size_t count, struct buf *out);

#endif

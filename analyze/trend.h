/* trend - speed, errors and money of each group, bucket of time by bucket. */
#ifndef ANALYZE_TREND_H
#define ANALYZE_TREND_H

#include "analyze/engine.h"

#define TREND_STEPS_MAX 100000 /* of more, only those in which something was are listed */

enum trend_metric {
    TREND_REQUESTS,
    TREND_ERRORS,    /* percent of requests */
    TREND_FIRST_P50, /* seconds */
    TREND_FIRST_P95,
    TREND_TOTAL_P50,
    TREND_TOTAL_P95,
    TREND_SPEED, /* output tokens of a second of answering, waiting included */
    TREND_COST,  /* USD */
    TREND_METRICS,
};

struct trend_group {
    uint32_t codes[DIMENSIONS_MAX];
    int64_t requests;
    const struct engine_row **rows; /* one a bucket, NULL where nothing was */
};

struct trend {
    const struct engine_result *result; /* borrowed: its first dimension is the bucket */
    VEC(struct str) buckets;            /* in time, from the first to the last with a row */
    VEC(struct trend_group) groups;     /* most requests first */
};

/* result: by bucket, then what to group by, with MONEY, ERRORS and LATENCY. */
void trend_build(const struct engine_result *result, struct trend *ret);
void trend_release(struct trend *t);
DEFINE_CLEANUP_VALUE(struct trend, trend_release)

const char *trend_metric_name(enum trend_metric metric); /* "first_token_p50_s" */
/* false if the row cannot say. */
bool trend_value(const struct engine_row *row, enum trend_metric metric, double *ret);

#endif

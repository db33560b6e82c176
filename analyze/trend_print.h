/* trend_print - trends as lines of blocks for people, as rows for machines. */
#ifndef ANALYZE_TREND_PRINT_H
#define ANALYZE_TREND_PRINT_H

#include "analyze/trend.h"
#include "base/buf.h"

struct trend_print_options {
    size_t top;   /* groups of the text form */
    bool unicode; /* blocks, else ASCII */
    struct str zone;
};

#define TREND_LINE_MAX 60 /* buckets in a line: of more, the last ones */

void trend_print_text(const struct trend *t, const struct trend_print_options *o, struct buf *out);
void trend_print_csv(const struct trend *t, struct buf *out);
void trend_print_json(const struct trend *t, const struct trend_print_options *o, struct buf *out);

/* For people: "first token p50 s"; and "app bot, model gpt-5". */
const char *trend_metric_title(enum trend_metric metric);
void trend_group_name(const struct trend *t, const struct trend_group *g, struct buf *out);

/* One character a value, from lowest to highest; a blank where known is 0. */
void trend_sparkline(const double *values, const uint8_t *known, size_t count, bool unicode,
                     struct buf *out);

#endif

/* forecast_print - forecasts of several groups beside each other. */
#ifndef ANALYZE_FORECAST_PRINT_H
#define ANALYZE_FORECAST_PRINT_H

#include "analyze/forecast.h"
#include "base/buf.h"
#include "base/vec.h"

struct forecast_table {
    struct str month; /* "2026-10" */
    struct str by;    /* "" = the whole alone */
    struct str zone;
    int64_t now_us;
    struct forecast all;
    VEC(struct forecast_row {
        struct str name;
        struct forecast forecast;
    })
    rows; /* dearest first */
};

/* Puts the dearest first, equals by name. */
void forecast_table_sort(struct forecast_table *t);
void forecast_print_text(const struct forecast_table *t, struct buf *out);
void forecast_print_csv(const struct forecast_table *t, struct buf *out);
void forecast_print_json(const struct forecast_table *t, struct buf *out);

#endif

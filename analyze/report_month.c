/* report_month - the engine's answers that a report is made of. */
#include "config.h"

#include <stdlib.h>

#include "analyze/arms.h"
#include "analyze/report.h"
#include "analyze/series.h"

#define HOUR_US (INT64_C(3600) * US_PER_SECOND)

static const struct part_def {
    const char *dimensions[REPORT_DIMENSIONS_MAX];
    uint32_t measures;
} part_defs[REPORT_PARTS] = {
    [REPORT_DAILY] = {{ "day", "provider", "model" },                                  ENGINE_MONEY                  },
    [REPORT_WHO] = { { "business_unit", "team", "app", "model" },                    ENGINE_MONEY                  },
    [REPORT_USERS] = { { "end_user" },                                                 ENGINE_MONEY                  },
    [REPORT_ERRORS] = { { "error_class", "status" },                                    ENGINE_MONEY                  },
    [REPORT_BY_MODEL] = { { "model" },                                                    ENGINE_ERRORS | ENGINE_LATENCY},
    [REPORT_BY_APP] = { { "app" },                                                      ENGINE_ERRORS | ENGINE_LATENCY},
    [REPORT_STEPS] = { { "first_upstream", "first_model", "first_error", "upstream" },
                      ENGINE_MONEY | ENGINE_STEPS                                                                    },
    [REPORT_FIRST] = { { "first_upstream", "first_model", "first_error", "upstream" },
                      ENGINE_MONEY                                                                                   },
    [REPORT_POLICY] = { { "decisions", "team" },                                        ENGINE_MONEY                  },
    [REPORT_ARMS] = { { "app", "arm" },                                               ARMS_MEASURES                 },
    [REPORT_ARM_DAYS] = { { "app", "arm", "day" },                                        ENGINE_MONEY                  },
    [REPORT_BY_DAY] = { { "day" },                                                      ENGINE_ERRORS | ENGINE_LATENCY},
};

static int read_part(const struct engine_query *query, const struct tz *tz,
                     const struct part_def *def, struct report_table *ret, struct err *err)
{
    struct engine_query q = *query;
    size_t count = 0;

    for (; count < REPORT_DIMENSIONS_MAX && def->dimensions[count]; count++)
        if (dimension_new(str_from(def->dimensions[count]), tz, &ret->dimensions[count], err) < 0)
            return -1;
    q.dimensions = ret->dimensions;
    q.dimension_count = count;
    q.measures = def->measures;
    return engine_run(&q, &ret->result, err);
}

static bool has_fallbacks(const struct engine_result *steps)
{
    for (size_t i = 0; i < steps->rows.len; i++)
        if (steps->rows.ptr[i].detail->steps.fallbacks > 0)
            return true;
    return false;
}

int report_month_read(const struct engine_query *query, const struct tz *tz, struct month month,
                      void (*tell)(void *ctx, int done), void *ctx, struct report_month *ret,
                      struct err *err)
{
    static const struct engine_whatif first = { .first_choice = true, .tokens_micro = 1000000 };
    struct engine_query q = *query;

    *ret = (struct report_month){ .month = month };
    for (int i = 0; i < REPORT_PARTS; i++) {
        if (tell)
            tell(ctx, i);
        q.whatif = i == REPORT_FIRST ? &first : NULL;
        if (i == REPORT_FIRST && !has_fallbacks(&ret->parts[REPORT_STEPS].result))
            continue;
        if (i == REPORT_ARM_DAYS && !arms_has_gateway(&ret->parts[REPORT_ARMS].result))
            continue;
        if (read_part(&q, tz, &part_defs[i], &ret->parts[i], err) < 0)
            return -1;
    }
    return 0;
}

void report_month_release(struct report_month *m)
{
    for (size_t i = 0; i < REPORT_PARTS; i++) {
        engine_result_release(&m->parts[i].result);
        for (size_t d = 0; d < REPORT_DIMENSIONS_MAX; d++)
            dimension_free(m->parts[i].dimensions[d]);
    }
}

int report_traffic_read(const struct engine_query *query, struct report_traffic *ret,
                        struct err *err)
{
    CLEANUP(engine_result_release) struct engine_result hours = { 0 };
    CLEANUP(dimension_free) struct dimension *hour = NULL;
    struct engine_query q = *query;
    int64_t at_us;

    *ret = (struct report_traffic){ .from_us = q.from_us };
    if (dimension_new(STR("hour"), NULL, &hour, err) < 0)
        return -1;
    q.dimensions = &hour;
    q.dimension_count = 1;
    q.measures = 0;
    if (engine_run(&q, &hours, err) < 0)
        return -1;
    for (int64_t us = q.from_us; us < q.to_us; us += HOUR_US)
        vec_push(&ret->requests, 0);
    for (size_t i = 0; i < hours.rows.len; i++) {
        const struct engine_row *row = &hours.rows.ptr[i];
        if (timestamp_parse(dimension_value(hour, row->codes[0]), &at_us) && at_us >= q.from_us)
            ret->requests.ptr[(at_us - q.from_us) / HOUR_US] = row->sums.requests;
    }
    return 0;
}

void report_traffic_release(struct report_traffic *t)
{
    vec_release(&t->requests);
}

int report_forecast_read(const struct engine_query *query, const struct tz *tz, struct month month,
                         struct forecast *ret, struct err *err)
{
    CLEANUP(series_release) struct series series = { 0 };

    *ret = (struct forecast){ 0 };
    if (series_read(query, tz, &series, err) < 0)
        return -1;
    i128 *days = mem_calloc(series.days, sizeof(*days));
    struct forecast_input in = {
        .days = days,
        .skip = series.unseen,
        .count = series.days - 1,
        .first_day = series.first_day,
        .from_day = month_day_us(month, 1, NULL) / US_PER_DAY,
        .to_day = month_day_us(month, month_days(month) + 1, NULL) / US_PER_DAY,
    };
    series_sum_days(&series, SERIES_NAMES, 0, days);
    in.today_pusd = days[in.count];
    forecast_run(&in, ret);
    free(days);
    return 0;
}

/* alerts - what somebody should look at, and who caused it.
 *
 *     series (what each day cost), speed (errors, latency), who (keys, what has no price)
 *       -> alerts_find -> a list of alerts, each with a key that names it once per period
 *
 * The month looked at is that of the last day that is over; of its days, only those on which
 * everything was recorded count, and only costs that can be right.  An alert about money needs
 * three things at once: a rise that days do not make by themselves (a statistic), one that matters
 * relative to what is usual (a share), and one that matters at all (the floor).
 *
 *     change    a month over the one before, on equal days, and on equal weekdays
 *     spike     a day over its weekday's median: ln residual beyond ALERTS_SPIKE_Z spreads
 *     drift     an upper CUSUM of the residuals, slack ALERTS_DRIFT_SLACK, limit ALERTS_DRIFT_LIMIT
 *     errors    the share of the last week against that of the four weeks before, each without its
 *               worst day in seven, so that a burst neither is a shift nor hides one; and a day
 *               beyond the worst of those weeks
 *
 * What is usual is analyze/season over ALERTS_BASE_DAYS before the month.  Pure: no clock.
 */
#ifndef ANALYZE_ALERTS_H
#define ANALYZE_ALERTS_H

#include "analyze/forecast.h"
#include "analyze/series.h"
#include "capture/conf.h"

#define ALERTS_BASE_DAYS    56
#define ALERTS_BASE_MIN     28   /* of them must be usable */
#define ALERTS_GROWTH_LIMIT 0.01 /* a day: more is no growth but a drift */
#define ALERTS_CHANGE_DAYS  7    /* equal days, at least */
#define ALERTS_SPREAD_MIN   0.05 /* less is taken as this: nothing is that regular for long */
#define ALERTS_SPIKE_Z      5.0
#define ALERTS_DRIFT_SLACK  0.5 /* and twice the error of what is usual */
#define ALERTS_DRIFT_LIMIT  10.0
#define ALERTS_DRIFT_CLIP   4.0 /* no day counts more */
#define ALERTS_DRIFT_DAYS   3   /* of rise, at least */
#define ALERTS_WEEK         7   /* days, of what is recent */
#define ALERTS_SHIFT_DAYS   28  /* days, of what errors and latency are held against */
#define ALERTS_ERRORS_MIN   20
#define ALERTS_REQUESTS_MIN 200
#define ALERTS_ERRORS_Z     5.0
#define ALERTS_DAY_MIN      50 /* requests of a day whose share of errors means something */
#define ALERTS_LATE_DAYS    3  /* of a month: what came late for the one before is looked at */
#define ALERTS_CULPRITS_MAX 10 /* named; the rest is counted */

enum alert_kind {
    ALERT_PRICE,
    ALERT_GAP,
    ALERT_BUDGET,
    ALERT_OVERRUN,
    ALERT_CHANGE,
    ALERT_SPIKE,
    ALERT_DRIFT,
    ALERT_UNATTRIBUTED,
    ALERT_UNPRICED,
    ALERT_ERRORS,
    ALERT_LATENCY,
    ALERT_KIND_COUNT,
};

struct alert_culprit {
    struct str name; /* "support-bot / gpt-5" */
    i128 now_pusd, before_pusd;
    double share_now, share_before; /* of what the alert is about */
};

struct alert {
    enum alert_kind kind;
    const char *of;    /* "all", "team", "model", ... */
    struct str name;   /* whose; "" of all, and of what has no name */
    struct str period; /* "2026-10", "2026-10-12", "2026-W41" */
    struct str detail; /* tells alerts of one kind, subject and period apart: "80%" */
    struct str key;    /* all of these */
    struct str text;   /* one sentence */
    bool has_money;
    i128 now_pusd, before_pusd;
    VEC(struct alert_culprit) culprits; /* dearest change first */
    size_t culprits_more;
    bool is_new; /* the caller's: was not told before */
};

struct alerts {
    VEC(struct alert) list;
    struct str month; /* "2026-10" */
    struct arena arena;
};

/* Latency of the days of now and of those before, and errors of each of all these days. */
struct alerts_speed {
    const char *of; /* "app", "model" */
    struct dimension *dimension, *by_day[2];
    struct engine_result now, before, days;
};
#define ALERTS_SPEEDS 2

/* Of the month, and of the one before: by app, team, key. */
struct alerts_keys {
    struct dimension *dimensions[3];
    struct engine_result now, before;
};

struct alerts_span {
    int64_t today;                 /* days since 1970-01-01: the first that is not over */
    int64_t month_day, before_day; /* the first of the month, and of the one before */
    int64_t first_day;             /* of the series */
};

struct alerts_input {
    const struct conf_alerts *limits;
    const enum series_name *by;
    size_t by_count;
    const struct conf_budget *const *budgets;
    size_t budget_count;
    const struct tz *tz;
    struct alerts_span span;
    struct series series;
    struct alerts_speed speed[ALERTS_SPEEDS];
    struct alerts_keys keys;
};

/* Which days are needed to look at the month of the day before now. */
struct alerts_span alerts_span_at(const struct tz *tz, int64_t now_us);
/* The first moment of a local day. */
int64_t alerts_day_us(const struct tz *tz, int64_t day);
/* Asks the engine; query spans first_day to now.  in->span, tz and limits are set. */
int alerts_read(const struct engine_query *query, struct alerts_input *in, struct err *err);
void alerts_input_release(struct alerts_input *in);
DEFINE_CLEANUP_VALUE(struct alerts_input, alerts_input_release)

void alerts_find(const struct alerts_input *in, struct alerts *ret);
/* Whether anything was recorded of what a budget is for: a mistyped name never has spent anything.
 */
bool alerts_budget_has_calls(const struct alerts_input *in, const struct conf_budget *b);
void alerts_release(struct alerts *a);
DEFINE_CLEANUP_VALUE(struct alerts, alerts_release)

const char *alert_kind_name(enum alert_kind kind);

#endif

/* report - a month of traffic as a document: what it cost, who caused it, why it changed.
 *
 *     for the month and the one before: report_month_read   the engine's numbers of a span
 *     report_traffic_read                                   requests an hour, for gaps of capture
 *     report_build                                          all of it as a document
 *
 * Every number comes from the engine.  Months may be priced from different books: a closed month
 * keeps the one it was closed with.
 */
#ifndef ANALYZE_REPORT_H
#define ANALYZE_REPORT_H

#include "analyze/engine.h"
#include "analyze/forecast.h"
#include "analyze/month.h"
#include "base/document.h"

enum report_part {
    REPORT_DAILY,    /* by day, provider, model: money */
    REPORT_WHO,      /* by business unit, team, app, model: money */
    REPORT_USERS,    /* by end user: money */
    REPORT_ERRORS,   /* by error class, status: money */
    REPORT_BY_MODEL, /* speed and errors */
    REPORT_BY_APP,   /* likewise */
    REPORT_BY_DAY,   /* likewise */
    REPORT_STEPS,    /* by first choice, what became of it, and who answered: money, steps */
    REPORT_FIRST,    /* the same, priced as the first choice; empty if that is all the same */
    REPORT_POLICY,   /* by what rules said, and team: money */
    REPORT_ARMS,     /* by app and arm: money, speed and errors */
    REPORT_ARM_DAYS, /* by app, arm and day: money; empty if nothing went through a gateway */
    REPORT_PARTS,
};

#define REPORT_DIMENSIONS_MAX 4

struct report_month {
    struct month month;
    struct report_table {
        struct dimension *dimensions[REPORT_DIMENSIONS_MAX];
        struct engine_result result;
    } parts[REPORT_PARTS];
};

/* query: the span, ledgers, book and filter; its dimensions and measures are not looked at.
 * tell(ctx, done) is called before each of REPORT_PARTS passes; may be NULL. */
int report_month_read(const struct engine_query *query, const struct tz *tz, struct month month,
                      void (*tell)(void *ctx, int done), void *ctx, struct report_month *ret,
                      struct err *err);
void report_month_release(struct report_month *m);
DEFINE_CLEANUP_VALUE(struct report_month, report_month_release)

/* Requests in each hour of [from_us, to_us) of the query, which begin at a full hour of UTC. */
struct report_traffic {
    VEC(int64_t) requests;
    int64_t from_us;
};
int report_traffic_read(const struct engine_query *query, struct report_traffic *ret,
                        struct err *err);
void report_traffic_release(struct report_traffic *t);
DEFINE_CLEANUP_VALUE(struct report_traffic, report_traffic_release)

/* What a month that is not over will come to; query: from FORECAST_WINDOW_DAYS before today or the
 * month's first day, whichever is earlier, to now.  The number of weir analyze forecast. */
int report_forecast_read(const struct engine_query *query, const struct tz *tz, struct month month,
                         struct forecast *ret, struct err *err);

/* What one may spend in the month. */
struct report_budget {
    struct str name;       /* "app support-bot" */
    const char *dimension; /* "app", "team", "business_unit"; NULL = everything */
    struct str value;
    i128 month_pusd;
};

struct report_input {
    const struct report_month *now, *before;
    int days, days_before;           /* that were read of each, from the first one on */
    bool is_closed;                  /* the month is over */
    const struct forecast *forecast; /* of a month that is not; NULL = none */
    const struct report_traffic
        *traffic; /* from GAPS_EARLIER hours before the month; NULL = none */
    const struct report_budget *budgets;
    size_t budget_count;
    const struct tz *tz;
    struct str zone;
    int64_t now_us;
    const char *book_hash, *book_hash_before;
    struct str pin;   /* a sentence on where the prices come from */
    struct str where; /* the filter as it was given, "" = none */
    size_t top;       /* rows of a table, the rest is summed */
};

void report_build(const struct report_input *in, struct document *ret);

#endif

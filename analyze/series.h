/* series - what each day cost, by who caused it and what was called: the engine's money of the last
 * months in cells of (day, business unit, team, app, provider, model), and which days and cells say
 * something other than what was used.
 *
 * A day is unseen if nothing was recorded yet, or while something is usually called (analyze/gaps).
 * A cell is in doubt if its rate cannot be right: more than 1 USD per thousand tokens, or so far
 * from the model's own median rate of a day that neither more output nor more cache explains it.
 */
#ifndef ANALYZE_SERIES_H
#define ANALYZE_SERIES_H

#include "analyze/engine.h"
#include "analyze/gaps.h"

enum series_name {
    SERIES_BUSINESS_UNIT,
    SERIES_TEAM,
    SERIES_APP,
    SERIES_PROVIDER,
    SERIES_MODEL,
    SERIES_NAMES,
};

/* Of tokens: the output of a model costs at most 8 times its input or so, cached input a tenth. */
#define SERIES_RATE_UP   8.0
#define SERIES_RATE_DOWN 20.0
/* Days of use that make a usual rate. */
#define SERIES_RATE_DAYS 5

struct series_cell {
    uint32_t day;                 /* after first_day */
    uint32_t codes[SERIES_NAMES]; /* series_text */
    int64_t requests, tokens;
    i128 pusd, estimated_pusd;
    i128 usual_pusd; /* if in doubt: at the model's usual rate, 0 = it has none */
    bool in_doubt;
};

struct series_gap {
    int64_t from_us, to_us, expected; /* requests */
};

struct series {
    int64_t first_day;             /* days since 1970-01-01, local */
    size_t days;                   /* the last one is today, which is not over */
    VEC(struct series_cell) cells; /* by day */
    uint8_t *unseen;               /* a byte a day */
    VEC(struct series_gap) gaps;
    /* private */
    struct dimension *dimensions[1 + SERIES_NAMES];
    struct engine_result result;
};

/* query: ledgers, book and filter, from the first moment of a local day to now. */
int series_read(const struct engine_query *query, const struct tz *tz, struct series *ret,
                struct err *err);
void series_release(struct series *s);
DEFINE_CLEANUP_VALUE(struct series, series_release)

const char *series_name(enum series_name name); /* "business_unit" */
/* Of a cell's code, empty for 0. */
struct str series_text(const struct series *s, enum series_name name, uint32_t code);
/* false if nothing has that name. */
bool series_find(const struct series *s, enum series_name name, struct str text, uint32_t *ret);
/* Adds up each of days; name SERIES_NAMES = all cells, else those with that code. */
void series_sum_days(const struct series *s, enum series_name name, uint32_t code, i128 *ret);
/* The local day a moment is in. */
int64_t series_day_of(const struct tz *tz, int64_t us);

#endif

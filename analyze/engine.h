/* engine - the one way from ledgers to numbers: filter, group, price and count, for every report.
 *
 *     query: ledgers, span, filter, dimensions, measures, price book, threads
 *     result: one row per group, with what was measured; totals; what could not be priced
 *
 * Money is exact (1e-12 USD integers, 128-bit sums).  No number depends on the order of rows, on
 * how they are split into files, or on the number of threads: sums are integers, sketches merge
 * exactly, lists are cut by a total order.  A cost the provider reported beats the table.  What
 * cannot be priced is listed with its tokens, never counted as 0; usage nobody reported is counted
 * as unknown, never as 0 tokens.
 *
 * Cost: only the columns that the question needs are read, row groups that cannot match are not;
 * rows of a group are numbered by their combination of group and price (analyze/composite), tokens
 * are added up per combination, and each combination is priced once (llm/price: price_rates).  Rows
 * that no whole rates describe - reported costs, images, fractions of 1e-12 USD - are priced one by
 * one, to the same result.  Memory grows with groups and threads, not with rows.
 */
#ifndef ANALYZE_ENGINE_H
#define ANALYZE_ENGINE_H

#include "analyze/dimension.h"
#include "analyze/ledgers.h"
#include "analyze/where.h"
#include "base/distinct.h"
#include "base/map.h"
#include "base/sketch.h"
#include "llm/call.h"
#include "llm/price.h"

#define ENGINE_GROUPS_MAX     5000000
#define ENGINE_SUSPICIOUS_MAX 100
#define ENGINE_THREADS_MAX    64

/* Where a cost comes from. */
enum cost_source {
    COST_REPORTED,  /* the provider's own figure */
    COST_TABLE,     /* reported usage times the price book */
    COST_GATEWAY,   /* no price here, but a gateway on the way named one from a table of its own */
    COST_ESTIMATED, /* estimated usage times the price book */
    COST_SOURCE_COUNT,
};

/* What is measured; ENGINE_MONEY fills struct engine_sums, the others struct engine_detail. */
enum engine_measure {
    ENGINE_MONEY = 1 << 0,
    ENGINE_ERRORS = 1 << 1,
    ENGINE_LATENCY = 1 << 2,
    ENGINE_USERS = 1 << 3,   /* end_user */
    ENGINE_TIMES = 1 << 4,   /* first and last seen */
    ENGINE_UNITS = 1 << 5,   /* every unit of usage; only with ENGINE_MONEY */
    ENGINE_CHARGES = 1 << 6, /* what the cost is made of; only with ENGINE_MONEY */
    ENGINE_STEPS = 1 << 7,   /* retries and fallbacks */
};

struct engine_sums {
    int64_t requests; /* counted whatever is measured */
    int64_t input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens;
    i128 cost_pusd[COST_SOURCE_COUNT];
    /* What the table's calls would have cost more had nothing been read from or written to a cache;
     * negative where writing cost more than reading saved. */
    i128 cache_savings_pusd;
    int64_t unknown_requests;  /* billable, but nobody said how much was used, or how much input */
    int64_t unpriced_requests; /* used something the book has no price for */
    int64_t costed_requests;   /* billable, and all that they cost is known, be it nothing */
};

/* So much of a unit at one price.  The charges of a group come to its cost, exactly. */
#define ENGINE_CHARGE_REQUEST PRICE_ITEM_REQUEST
#define ENGINE_CHARGE_WHOLE   (-1) /* a cost that was reported: n are requests, prices unknown */

struct engine_charge {
    enum cost_source source;
    int unit; /* enum usage_unit, or one of the above */
    int64_t n;
    i128 list_yusd, unit_yusd; /* of one, 1e-24 USD: before the user's discount, and after it */
    i128 cost_pusd;            /* n at unit_yusd, rounded call by call */
    uint32_t flags; /* enum price_flag of any of it; LONG_CONTEXT and ELSEWHERE are of all of it */
};

/* Of exchanges, not of the requests a row may stand for. */
struct engine_steps {
    int64_t known;     /* that say what was tried */
    int64_t extra;     /* attempts beyond the first of each */
    int64_t fallbacks; /* answered by another than the first choice */
    int64_t cut;       /* attempts that failed in the middle of an answer */
    int64_t added_us;  /* what attempts before the last took, in all */
    struct sketch added;
};

struct engine_detail {
    int64_t errors[ERROR_CLASS_COUNT]; /* requests; [ERROR_CLASS_NONE] are those without */
    struct sketch duration_us;         /* start to end, of each exchange where known */
    struct sketch first_token_us;
    struct distinct users;
    int64_t first_us, last_us; /* INT64_MAX, INT64_MIN if it has no rows */
    struct engine_steps steps;
    /* Of billable rows whose usage no other row has counted; TOOL_CALLS, which nobody bills, is 0.
     */
    int64_t units[USAGE_UNIT_COUNT];
    VEC(struct engine_charge) charges; /* by source, unit, flags and prices */
};

struct engine_row {
    uint32_t codes[DIMENSIONS_MAX]; /* per dimension, see dimension_value */
    struct engine_sums sums;
    struct engine_detail *detail; /* NULL unless asked for */
};

struct engine_unpriced {
    struct str provider, model;
    bool unit_missing; /* the model has an entry, but not for everything it used */
    int64_t requests, input_tokens, output_tokens;
};

struct engine_suspicious {
    struct str exchange_id, model, reason;
    i128 cost_pusd;
};

/* Prices the usage of one model as that of another. */
struct engine_swap {
    enum provider from_provider; /* PROVIDER_UNKNOWN = any */
    struct str from;             /* a model as recorded, or a glob */
    enum provider to_provider;   /* PROVIDER_UNKNOWN = as recorded */
    struct str to;
};

/* What if: reported costs of what is swapped do not count. */
struct engine_whatif {
    const struct engine_swap *swaps; /* the first that fits counts */
    size_t swap_count;
    struct str tier;   /* "" = as recorded; of what is swapped, or of everything without swaps */
    bool first_choice; /* prices what a fallback answered as the model that was the first choice */
    int64_t tokens_micro; /* tokens of what is swapped, in millionths of those recorded */
};

/* Makes q, of what was, that of what if; false if it is the same. */
bool engine_swap_query(const struct engine_whatif *whatif, struct price_query *q);

/* A row that counts, as it is priced. */
struct engine_seen {
    const struct block *block;
    size_t row;
    const struct engine_sums *sums;
    bool is_repeated; /* fetched again: its usage is another row's */
};

struct clickhouse;

/* All borrowed for the run; dimensions also by the result. */
struct engine_query {
    const struct ledgers *ledgers;
    const struct ledgers *earlier; /* of the 31 days before from_us, read only if answers were
                                      fetched (analyze/repeats); NULL = none */
    const struct price_book *book; /* may be NULL without ENGINE_MONEY */
    const struct attribution *attribution; /* NULL = as recorded */
    const struct where *where;             /* NULL = everything */
    int64_t from_us, to_us;                /* INT64_MIN / INT64_MAX = unbounded; half open */
    struct dimension *const *dimensions;
    size_t dimension_count;
    uint32_t measures;                  /* enum engine_measure */
    unsigned threads;                   /* 0 = 1 */
    const struct engine_whatif *whatif; /* NULL = as it was */
    /* Called for each row in the ledgers' order, in one thread, however many threads says; reads
     * these columns beside what is measured.  Only with ENGINE_MONEY; NULL = not called. */
    int (*on_row)(void *ctx, const struct engine_seen *seen, struct err *err);
    void *ctx;
    const struct scan_columns *columns;
    /* Where ledgers were pushed to (analyze/push_clickhouse): grouping happens there, to the same
     * numbers, and no ledger is read.  NULL = here. */
    struct clickhouse *remote;
};

struct engine_result {
    struct dimension *const *dimensions;
    size_t dimension_count;
    uint32_t measures;
    VEC(struct engine_row) rows; /* by the values of their dimensions, bytewise */
    struct engine_sums totals;
    struct engine_sums unattributed;          /* neither app nor team is known; with ENGINE_MONEY */
    VEC(struct engine_unpriced) unpriced;     /* most requests first */
    VEC(struct engine_suspicious) suspicious; /* dearest first, the first ENGINE_SUSPICIOUS_MAX */
    size_t suspicious_count;
    i128 suspicious_pusd;      /* of all of them */
    int64_t repeated_requests; /* fetched an answer again whose usage another row has counted */
    int64_t flagged[PRICE_FLAG_COUNT]; /* requests priced from the table, per bit of price_flag */
    uint64_t groups_read, groups_skipped; /* row groups */
    uint64_t slow_rows;                   /* priced one by one */
    /* private */
    struct map groups, unpriced_models;
    struct arena arena;
};

/* ret is empty on failure and needs engine_result_release in any case. */
int engine_run(const struct engine_query *query, struct engine_result *ret, struct err *err);
void engine_result_release(struct engine_result *r);
DEFINE_CLEANUP_VALUE(struct engine_result, engine_result_release)

i128 engine_cost(const struct engine_sums *s);
/* Nothing of it has a cost that anybody could know: not to be shown as zero. */
bool engine_cost_is_unknown(const struct engine_sums *s);
/* Requests that failed: not those whose caller left, nor those that a policy refused, which say
 * nothing of who was called.  What migrate's gates do not count as failures of an arm either. */
int64_t engine_failed(const struct engine_detail *d);
void engine_add_sums(struct engine_sums *to, const struct engine_sums *s);
/* The row of a group by the texts of its dimensions, NULL if there is none: where reports look up
 * what they have shown before. */
const struct engine_row *engine_find(const struct engine_result *r, const struct str *values);

#endif

/* spend - what recorded traffic cost, grouped: tokens from the ledger, money from the price book.
 *
 * Money is exact (1e-12 USD integers, 128-bit sums) and does not depend on the order of rows.  A
 * cost the provider reported beats the table.  What cannot be priced is listed with its tokens,
 * never counted as 0; usage nobody reported is counted as unknown, never as 0 tokens; calls no rule
 * claims are a row of their own.
 */
#ifndef ANALYZE_SPEND_H
#define ANALYZE_SPEND_H

#include "analyze/dimension.h"
#include "analyze/where.h"
#include "llm/price.h"

#define SPEND_GROUPS_MAX     5000000
#define SPEND_SUSPICIOUS_MAX 100

enum spend_cost {
    SPEND_REPORTED,  /* the provider's own figure */
    SPEND_TABLE,     /* reported usage times the price book */
    SPEND_GATEWAY,   /* no price here, but a gateway on the way named one from a table of its own */
    SPEND_ESTIMATED, /* estimated usage times the price book */
    SPEND_COST_COUNT,
};

struct spend_sums {
    int64_t requests;
    int64_t input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens;
    i128 cost_pusd[SPEND_COST_COUNT];
    int64_t unknown_requests;  /* billable, but nobody said how much was used, or how much input */
    int64_t unpriced_requests; /* used something the book has no price for */
};

struct spend_row {
    uint32_t codes[DIMENSIONS_MAX]; /* per dimension, see dimension_value */
    struct spend_sums sums;
};

struct spend_unpriced {
    struct str provider, model;
    bool unit_missing; /* the model has an entry, but not for everything it used */
    int64_t requests, input_tokens, output_tokens;
};

struct spend_suspicious {
    struct str exchange_id, model, reason;
    i128 cost_pusd;
};

struct spend_options {
    const struct archive *archive;
    const struct price_book *book;
    const struct attribution *attribution; /* NULL = as recorded */
    struct where *where;                   /* NULL = everything */
    int64_t from_us, to_us;                /* INT64_MIN / INT64_MAX = unbounded; half open */
    struct dimension *const *dimensions;
    size_t dimension_count;
};

struct spend {
    struct dimension *const *dimensions; /* borrowed from the options */
    size_t dimension_count;
    VEC(struct spend_row) rows; /* buckets first in time order, then dearest first */
    struct spend_sums totals;
    struct spend_sums unattributed;          /* neither app nor team is known */
    VEC(struct spend_unpriced) unpriced;     /* most requests first */
    VEC(struct spend_suspicious) suspicious; /* dearest first, the first SPEND_SUSPICIOUS_MAX */
    size_t suspicious_count;
    int64_t repeated_requests; /* fetched an answer again whose usage another row has counted */
    int64_t
        flagged[PRICE_FLAG_COUNT]; /* requests priced from the table, per bit of enum price_flag */
    /* private */
    struct map groups, unpriced_models;
    struct arena arena;
};

i128 spend_cost(const struct spend_sums *s);

/* ret is empty on failure and needs spend_release in any case. */
int spend_run(const struct spend_options *options, struct spend *ret, struct err *err);
void spend_release(struct spend *s);
DEFINE_CLEANUP_VALUE(struct spend, spend_release)

#endif

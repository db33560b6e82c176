/* engine_worker - one thread's share of a run: blocks in, a tally out; for analyze/engine*.c alone.
 */
#ifndef ANALYZE_ENGINE_WORKER_H
#define ANALYZE_ENGINE_WORKER_H

#include "analyze/composite.h"
#include "analyze/engine.h"
#include "analyze/repeats.h"
#include "base/vec.h"

/* Units of usage that whole rates describe, in the order of the sums below. */
enum plain_unit {
    PLAIN_INPUT,
    PLAIN_CACHED,
    PLAIN_WRITE,
    PLAIN_WRITE_5M,
    PLAIN_WRITE_1H,
    PLAIN_OUTPUT,
    PLAIN_REASONING,
    PLAIN_COUNT,
};
extern const enum usage_unit plain_units[PLAIN_COUNT];

/* What is added up per combination of group and price. */
struct cell {
    int64_t rows, requests;
    int64_t n[PLAIN_COUNT];
};

/* What a combination of provider, model, tier, ... pays during a block: [0] for short inputs, [1]
 * from short_until on.  Rows of long_until tokens or more are priced one by one. */
struct pricing {
    struct price_rates rates[2];
    int64_t short_until, long_until;
    bool is_plain; /* else every billable row is priced one by one */
    bool is_swapped;
};

/* A reported cost that cannot be right. */
struct odd_row {
    uint32_t row;
    i128 cost_pusd;
    const char *reason;
};

struct worker {
    const struct engine_query *query;
    const struct repeats
        *repeats; /* NULL = none are known; meet is then set if there may be some */
    bool meet;
    struct engine_result *tally;
    struct price_cache *prices;
    struct scan *scan; /* NULL: blocks come with the column of exchange ids */
    /* of the block under way */
    const struct block *block;
    uint64_t place;
    struct composite groups, keys, cells; /* keys: what a price depends on */
    VEC(uint32_t) group_rows;             /* by group: index into tally->rows, or GROUP_UNSEEN */
    VEC(struct pricing) pricings;         /* by key */
    VEC(struct cell) sums; /* by cell, twice for the two lengths, and one for the rest */
    VEC(uint32_t) slow;    /* rows to be priced one by one */
    VEC(uint32_t) repeated;
    VEC(struct odd_row) odd;
    VEC(struct engine_charge) charges; /* of the row under way */
    VEC(uint8_t) sources, providers;   /* of the block's dictionaries */
    VEC(const int64_t *) others;       /* columns with units that no plain row uses */
    VEC(uint8_t) flags;                /* of each row */
    VEC(struct engine_row *) details;  /* by group, of the measures beside money */
    bool has_parts, has_requests;      /* part != 0, requests != 1 */
};

#define GROUP_UNSEEN UINT32_MAX
#define WORKER_ADDED_MAX_US                                                                        \
    (INT64_C(1000) * US_PER_DAY) /* what is longer is no wait; sums of them fit */

void worker_release(struct worker *w);
void worker_columns(const struct engine_query *q, struct scan_columns *ret);
/* Adds a block to the tally. */
int worker_add(struct worker *w, const struct block *b, uint64_t place, struct err *err);

/* The tally's row of a group of the block; a pointer until the next call. */
int worker_group(struct worker *w, uint32_t group, struct engine_row **ret, struct err *err);
/* Requests a row stands for: 0 for further parts of an exchange. */
int64_t worker_requests(const struct block *b, size_t row);
bool worker_is_unattributed(const struct block *b, size_t row);
enum usage_source worker_parse_source(struct str name);
enum error_class worker_parse_error(struct str name);

/* engine_price.c: money. */
int worker_price_block(struct worker *w, struct err *err);
/* A part was used whose price is no whole rate: then the cell's rows are priced one by one. */
bool worker_cell_needs_rows(const struct cell *c, const struct price_rates *r);
/* Adds to ret what the cell's rows used and cost. */
void worker_price_cell(struct worker *w, const struct cell *c, const struct price_rates *r,
                       enum usage_source source, struct engine_sums *ret);
/* Adds what they are charged to w->charges: as price_cache_items would, call by call. */
void worker_charge_cell(struct worker *w, const struct cell *c, const struct price_rates *r,
                        enum usage_source source);
/* Adds what a row came to, and w->charges, to its group. */
int worker_add_row(struct worker *w, size_t row, const struct engine_sums *s, struct err *err);
/* engine_row.c: one row that no whole rates describe. */
void worker_price_row(struct worker *w, size_t row, bool is_repeated, struct engine_sums *ret);
/* Lists the odd rows by their exchange's id, a column that is read for nothing else. */
int worker_list_odd(struct worker *w, struct err *err);
/* Returns whether it is what if, not what was. */
bool worker_query_of(const struct worker *w, size_t row, struct price_query *ret);
/* Instead of worker_price_block: row by row, each shown to the query. */
int worker_show_rows(struct worker *w, struct err *err);

#endif

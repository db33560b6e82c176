/* reconcile - our ledger against a provider's invoice, line by line, and why they differ.
 *
 * Both sides are summed into cells: a span of days in UTC, which is what providers bill by, a
 * provider, a model and a kind of token.  Days, or months where the invoice has no days.  For each
 * cell the difference in money is split so that the parts add up exactly:
 *
 *     theirs - ours = (their quantity - our quantity) * our rate   quantity
 *                   + their cost - their quantity * our rate       price
 *
 * where our rate is what our quantity cost us on average, or the book's list price where we have
 * none.  An invoice that names no quantities, or no models, is compared by its sums alone.
 */
#ifndef ANALYZE_RECONCILE_H
#define ANALYZE_RECONCILE_H

#include "analyze/invoice.h"
#include "llm/price.h"

/* X(constant, name, what to do about it) */
#define RECONCILE_CLASSES(X)                                                                       \
    X(MATCH, "match", "")                                                                          \
    X(ROUNDING, "rounding", "the export rounds each line to cents")                                \
    X(MISSING, "missing traffic", "billed, but not recorded: who calls past the proxy?")           \
    X(LATE, "late", "recorded, but not billed yet, or billed to another account")                  \
    X(CACHE, "cache", "the same input, split differently between cached and not")                  \
    X(TIER, "tier", "their cost is that of another service tier")                                  \
    X(TOOLS, "tools", "fees of tools, which answers do not report in full")                        \
    X(PRICE, "price",                                                                              \
      "the same quantity at another price: a contract, or the book is out of date")                \
    X(UNPRICED, "unpriced", "the book has no price for the model")                                 \
    X(OTHER, "other", "nothing that passes through a proxy: storage, sessions, support")

enum reconcile_class {
#define X(constant, name, advice) RECONCILE_##constant,
    RECONCILE_CLASSES(X)
#undef X
        RECONCILE_CLASS_COUNT
};

/* What we have, summed: one for each day, provider, model, tier; two where a part of it has a cost
 * that is not made of prices. */
struct reconcile_ours {
    int64_t day_us; /* its beginning, UTC */
    enum provider provider;
    struct str model, tier;
    int64_t requests;
    i128 micro[BILL_UNIT_COUNT]; /* millionths; NONE, REQUESTS and OTHER unused */
    i128 cost_pusd;
    bool is_split;                   /* of which each kind cost this: else the book says it */
    i128 part_pusd[BILL_UNIT_COUNT]; /* comes to cost_pusd */
    bool is_reported;                /* the provider's own figure for the calls as a whole */
    bool is_unpriced;                /* some of it */
};

/* What the engine counted of the ledgers: one query by UTC day, provider, model and tier. */
struct engine_query;
struct reconcile_side {
    VEC(struct reconcile_ours) rows;
    struct arena arena;
};
/* q needs no dimensions and no measures; ret needs reconcile_side_release in any case. */
int reconcile_count_ours(const struct engine_query *q, struct reconcile_side *ret, struct err *err);
void reconcile_side_release(struct reconcile_side *s);
DEFINE_CLEANUP_VALUE(struct reconcile_side, reconcile_side_release)

struct reconcile_cell {
    int64_t from_us, to_us;
    enum provider provider;
    struct str model; /* in the words of the side that has it; "" = all */
    enum bill_unit unit;
    enum reconcile_class class;
    bool is_check;                 /* a usage export's, beside costs: not in the sums */
    bool has_quantity;             /* theirs is known */
    bool has_cost;                 /* likewise: a usage export has quantities only */
    bool rate_known;               /* quantity and price parts are set */
    i128 ours_micro, theirs_micro; /* millionths */
    i128 ours_pusd, theirs_pusd;
    i128 quantity_pusd, price_pusd; /* the two parts; together theirs - ours */
    uint64_t lines;                 /* of theirs */
    uint64_t first_row;             /* of them, and its file, to find it */
    uint32_t file;
};

struct reconcile_options {
    const struct invoice *invoice;
    const struct reconcile_ours *ours; /* of the invoice's span and providers; others are ignored */
    size_t ours_count;
    const struct price_book *book;
};

struct reconcile {
    VEC(struct reconcile_cell) cells; /* by span, provider, model, unit */
    i128 ours_pusd, theirs_pusd;
    i128 class_pusd[RECONCILE_CLASS_COUNT]; /* theirs - ours, of the cells of each class */
    size_t class_cells[RECONCILE_CLASS_COUNT];
    struct arena arena;
};

/* The span the invoice covers, and its providers as bits of enum provider. */
void reconcile_span(const struct invoice *v, int64_t *ret_from_us, int64_t *ret_to_us,
                    uint64_t *ret_providers);
/* ret needs reconcile_release.  What ours and the invoice own must outlive it. */
void reconcile_run(const struct reconcile_options *o, struct reconcile *ret);
void reconcile_release(struct reconcile *r);
DEFINE_CLEANUP_VALUE(struct reconcile, reconcile_release)

const char *reconcile_class_name(enum reconcile_class c);
const char *reconcile_class_advice(enum reconcile_class c);

#endif

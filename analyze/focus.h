/* focus - the groups of a run as rows of FOCUS, the FinOps Open Cost and Usage Specification.
 *
 * A row has one price: a group becomes a row for each of its charges.  ListCost and ContractedCost
 * are exactly PricingQuantity times their unit prices; EffectiveCost is the engine's cost, which is
 * rounded to 1e-12 USD call by call, so that the rows come to what every other report shows.  Costs
 * that were reported, and whose prices are unknown, are a quantity of dollars at one dollar each.
 *
 * What has no price is not in the rows: a cost of 0 would be a lie.  The caller says so.
 *
 * Source: FOCUS 1.2 (2025-05-29) and 1.4 (2026-06-04), columns and attributes; focus.finops.org.
 */
#ifndef ANALYZE_FOCUS_H
#define ANALYZE_FOCUS_H

#include "analyze/billing.h"
#include "analyze/engine.h"
#include "base/buf.h"

/* The dimensions of a run for focus_add_rows, in this order; the first is hour, day or month, in
 * UTC. */
#define FOCUS_DIMENSIONS(X)                                                                        \
    X(BUCKET, "day")                                                                               \
    X(PROVIDER, "provider")                                                                        \
    X(MODEL, "model")                                                                              \
    X(TIER, "service_tier")                                                                        \
    X(GEO, "geo")                                                                                  \
    X(KEY, "key_id")                                                                               \
    X(APP, "app")                                                                                  \
    X(TEAM, "team")                                                                                \
    X(BUSINESS_UNIT, "business_unit")                                                              \
    X(ENVIRONMENT, "environment")                                                                  \
    X(PURPOSE, "purpose")

enum focus_dimension {
#define X(constant, name) FOCUS_BY_##constant,
    FOCUS_DIMENSIONS(X)
#undef X
        FOCUS_DIMENSION_COUNT
};

enum focus_version {
    FOCUS_1_2 = 1 << 0,
    FOCUS_1_4 = 1 << 1,
};

struct focus_options {
    enum focus_version version;
    const struct billing *billing;
};

/* FOCUS_DIMENSION_COUNT names, the first replaced by bucket unless that is NULL. */
const char *focus_dimension_name(enum focus_dimension d, const char *bucket);
/* Appends the header line. */
void focus_add_header(const struct focus_options *o, struct buf *out);
/* Appends the lines of a group of a run with ENGINE_CHARGES.  ERR_LIMIT if a cost has more digits
 * than fit. */
int focus_add_rows(const struct focus_options *o, const struct engine_result *r,
                   const struct engine_row *group, struct buf *out, struct err *err);

#endif

/* arms - the calls of each application that went directly, and those that went through a gateway
 * (the ledger's column arm): how many, what they cost, how many failed, how fast they were.
 *
 * The ratio of what a call costs is between means, and its interval (95 %) a jackknife over blocks
 * of time, days or hours: calls of one day resemble each other more than chance would have it.  It
 * compares what was asked of either: callers are split by chance during a cutover, so that the two
 * ask alike; before and after one they need not.
 */
#ifndef ANALYZE_ARMS_H
#define ANALYZE_ARMS_H

#include "analyze/engine.h"

#define ARMS_BLOCKS_MIN 3 /* with both arms in them; fewer give no interval */

enum arm {
    ARM_DIRECT,
    ARM_GATEWAY,
    ARM_UNSAID, /* nobody has said which */
    ARM_COUNT,
};

struct arms_side {
    int64_t requests, errors;
    i128 cost_pusd;
    struct sketch first_token_us, duration_us;
};

struct arms_app {
    struct str app; /* of the dimension; "" = without one, and of the whole */
    struct arms_side sides[ARM_COUNT];
    double cost_ratio;          /* gateway / direct, for a call; negative = cannot be said */
    double cost_low, cost_high; /* negative = likewise */
};

struct arms {
    struct arms_app all;
    VEC(struct arms_app) apps; /* by name, as the engine has them */
};

/* The measures that `whole` needs; `blocks` needs ENGINE_MONEY. */
#define ARMS_MEASURES (ENGINE_MONEY | ENGINE_ERRORS | ENGINE_LATENCY)

/* whole: by app and arm; blocks: by app, arm and day (or hour), NULL = no intervals.  Strings are
 * those of their dimensions. */
void arms_make(const struct engine_result *whole, const struct engine_result *blocks,
               struct arms *ret);
void arms_release(struct arms *a);
DEFINE_CLEANUP_VALUE(struct arms, arms_release)
/* Whether anything of a result by app and arm went through a gateway. */
bool arms_has_gateway(const struct engine_result *whole);
/* All calls, and what they cost. */
int64_t arms_requests(const struct arms_app *a);
i128 arms_cost(const struct arms_app *a);

#endif

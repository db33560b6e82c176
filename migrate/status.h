/* status - where a programme stands: each application and wave, what is in the way, how far ahead
 * of its plan it is, and what it has come to so far.
 *
 * Pure, of the portfolio, what was judged and what the ledgers say; nothing live is asked.
 */
#ifndef MIGRATE_STATUS_H
#define MIGRATE_STATUS_H

#include "analyze/arms.h"
#include "base/document.h"
#include "migrate/decide.h"
#include "migrate/portfolio.h"
#include "migrate/success.h"
#include "migrate/verdict.h"

#define STATUS_PHASES    (PORTFOLIO_BACK + 1)
#define STATUS_UNTOLD    5 /* at most, of so many days */
#define STATUS_UNTOLD_US (7 * INT64_C(86400000000))

struct status_input {
    const struct portfolio *portfolio;
    const struct verdict *const *verdicts; /* by the programme's apps, NULL = not judged now; or
                                              NULL: then the last ones in the ledger are shown */
    const struct arms *arms;               /* NULL = the archive was not read */
    int64_t arms_from_us;
    int64_t now_us;
};

/* What gates have seen of an application. */
struct status_evidence {
    bool is_there;
    struct str says, why;
    double excluded; /* error: so many times more and above are excluded; INFINITY = none */
    int64_t units[2];
    int64_t at_us;
};

struct status_app {
    const struct portfolio_app *app;
    enum portfolio_phase phase;
    struct decision decision;
    struct status_evidence evidence;
    int64_t spend_per_million; /* -1 = not known */
    const struct arms_app *arms;
    double planned, done; /* of its stages, 0 to 1: as the plan has it by now, and as it is */
};

/* In the plan's waves, and last of all what is in none (wave NULL). */
struct status_wave {
    const struct programme_wave *wave;
    size_t apps, phases[STATUS_PHASES];
    double planned, done;
};

struct status {
    const struct status_input *in;
    struct status_app *apps; /* as the programme's, but for retired ones */
    size_t app_count;
    struct status_wave *waves;
    size_t wave_count;
    size_t phases[STATUS_PHASES];
    double planned, done;
    int64_t ahead_us; /* of the plan; negative = behind */
    int64_t *spend;   /* by the programme's apps, see struct decide_input; NULL = unknown */
    int64_t moved_per_million; /* of the spend: what goes through the gateway; -1 = not known */
    const struct rollout_entry **drifts; /* that nobody has accepted or overcome */
    size_t drift_count;
    const struct rollout_entry
        *untold[STATUS_UNTOLD]; /* hooks that failed lately, the last first */
    size_t untold_count;
    const struct rollout_entry *ahead; /* see rollout_ahead; NULL = none */
    struct success success;
    struct arena arena;
};

/* Holds pointers into `in`. */
void status_make(const struct status_input *in, struct status *ret);
void status_release(struct status *s);
DEFINE_CLEANUP_VALUE(struct status, status_release)

/* The plan's progress at a moment: apps are through their stages one bake after the other. */
double status_planned(const struct programme *p, int64_t at_us);

void status_build(const struct status *s, struct document *ret);

#endif

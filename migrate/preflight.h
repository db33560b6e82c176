/* preflight - an application's own recorded calls through the gateway that it is to move to, before
 * any caller's do.
 *
 *     1. noise: the recording against itself, made directly once more (replay/passage)
 *     2. through the gateway, one call at a time: what callers would notice, and what became of the
 *        requests on their way
 *     3. through the gateway at twice the rate of the busiest seconds on record
 *     4. directly and through the gateway while a provider fails (replay/drill): the gateway must
 *        not make it worse
 *
 * For 3 and 4 only calls are taken that went well: what fails then, fails because of that.  If the
 * plan names no scenario, a third of the attempts at the provider fails for a second, and then half
 * of them are turned away for another.
 *
 * The verdict is a document; its JSON is the evidence that the rollout's entry names, and is bytes
 * for bytes what the command prints.  No words of prompts or answers are in it.
 */
#ifndef MIGRATE_PREFLIGHT_H
#define MIGRATE_PREFLIGHT_H

#include "base/document.h"
#include "capture/archive.h"
#include "migrate/programme.h"
#include "replay/drill.h"
#include "replay/passage.h"
#include "replay/slo.h"

/* By so much may fewer calls go well than directly under the same faults: 1 %. */
#define PREFLIGHT_SUCCESS_MARGIN 10000
#define PREFLIGHT_NOISE_ALPHA    0.01
/* Load: times the peak, and calls a second at least. */
#define PREFLIGHT_LOAD_TIMES 2
#define PREFLIGHT_LOAD_LEAST 20
/* Attempts at providers for each call, while they fail: SDKs try again beside that. */
#define PREFLIGHT_ATTEMPTS_MAX 4000000

struct preflight_options {
    const char *self; /* weir */
    const struct programme *programme;
    const struct programme_app *app;
    const struct archive *archive;
    struct str key; /* goes with each call through the gateway; "" = none */
    int64_t now_us;
    bool without_faults;           /* 1 and 2 alone: a pass says nothing of how it fails */
    const struct scenario *faults; /* the plan's, read; NULL = it has none */
};

struct preflight_finding {
    bool is_failure; /* else a remark */
    struct str what;
};

struct preflight {
    size_t calls, kinds;
    uint64_t seen;
    int64_t from_us, to_us;
    struct str target;
    struct passage passage;
    bool has_drills;
    struct str scenario;                    /* as the plan has it; "" = the usual */
    struct drill_result drills[2];          /* directly, through the gateway */
    struct drill_result load;               /* through it, at twice the peak; with has_drills */
    double peak, rate;                      /* calls a second: recorded, and of load */
    VEC(struct preflight_finding) findings; /* failures first */
    size_t failures;
    struct arena arena;
};

/* ERR_USAGE if there is no gateway to try, or nothing to try it with. */
int preflight_run(const struct preflight_options *o, struct preflight *ret, struct err *err);
void preflight_release(struct preflight *p);
DEFINE_CLEANUP_VALUE(struct preflight, preflight_release)
/* A call differs in an aspect more than the recording does from itself. */
bool preflight_differs(const struct diff *d, enum diff_aspect aspect);
void preflight_build(const struct preflight_options *o, const struct preflight *p,
                     struct document *ret);

#endif

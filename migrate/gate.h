/* gate - whether the gateway does harm, decided while it goes on: a conditional e-process.
 *
 * Callers are split between direct and gateway by chance, the gateway's part being w.  If the arm
 * does not matter, each failure lies on the gateway with chance w, whatever the rate of failures is
 * and however it moves: only failures count, and what hits both arms cancels.  With a ratio r of
 * failure rates it lies there with theta(r, w) = r w / (r w + 1 - w).  For failures i on arm c_i:
 *
 *     E_harm = sum over r > r0 of p(r) prod theta(r, w_i)/theta(r0, w_i), or of the complements
 *     E_safe = the same for r < r1 against r1
 *
 * Both are nonnegative supermartingales under "r <= r0" and "r >= r1": the chance that one ever
 * reaches 1/alpha is at most alpha, however often it is looked at (Ville 1939).  After Lindon and
 * Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022.
 *
 * w may differ from failure to failure, so evidence goes on from one stage to the next.  What is
 * kept are counts per w: enough for any r0 and r1, and the same whatever order they came in.
 * A unit (a sticky key) counts once: its first failure.
 */
#ifndef MIGRATE_GATE_H
#define MIGRATE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define GATE_POINTS 48 /* of the prior, evenly spaced in log r */
#define GATE_REACH  20 /* the prior goes from r0 to 20 r0, and from r1 to r1 / 20 */
#define GATE_SPLITS 64 /* different w */

/* X(constant, word, what counts as an exceedance) */
#define GATE_METRICS(X)                                                                            \
    X(ERROR, "error", "no good answer: an error, a cut or stalled stream, or 246/446/412 codes")   \
    X(FIRST_TOKEN, "exceed_ttft", "time to first token over the baseline's p95")                   \
    X(TOTAL, "exceed_total", "total time over the baseline's p95")                                 \
    X(COST, "exceed_cost", "cost over the baseline's p95")                                         \
    X(TRUNCATED, "stream_truncated", "a stream that ended early")                                  \
    X(TOOL_SCHEMA, "tool_schema", "a tool call whose arguments do not fit the tool's schema")      \
    X(ATTEMPTS, "attempts_per_call", "more attempts at the provider than the baseline's p95")      \
    X(ABANDONED, "abandoned", "a caller who left before the answer was whole")

enum gate_metric {
#define X(constant, word, what) GATE_##constant,
    GATE_METRICS(X)
#undef X
        GATE_METRIC_COUNT
};

struct gate_split {
    int32_t share;       /* w, of ROLLOUT_ALL: strictly between 0 and all of it */
    int64_t units[2];    /* [1] on the gateway */
    int64_t failures[2]; /* units that failed, likewise */
};

struct gate_counts {
    struct gate_split splits[GATE_SPLITS];
    size_t len;
};

/* One unit, or one failure, at a share; false if there are too many shares. */
bool gate_count_unit(struct gate_counts *c, int32_t share, bool on_gateway);
bool gate_count_failure(struct gate_counts *c, int32_t share, bool on_gateway);

struct gate_evidence {
    double log_harm, log_safe; /* natural logarithms of E_harm and E_safe now */
    double excluded;  /* the smallest r1 whose E_safe is 1/beta now: "ratios from here on are
                         excluded"; infinite = none yet */
    double share_log; /* log of the e-value against "the split is as intended" (all units) */
};

/* Natural logarithms of E_harm against r0 and E_safe against r1.  No counts: 0. */
double gate_log_harm(const struct gate_counts *c, double harm_ratio);
double gate_log_safe(const struct gate_counts *c, double safe_ratio);
/* Pure; the logarithms are summed in a fixed order, so the same counts give the same bits on the
 * same mathematics library, and the same 9 digits on any. */
void gate_weigh(const struct gate_counts *c, double harm_ratio, double safe_ratio, double beta,
                struct gate_evidence *ret);

/* The ratio that must be excluded before the gateway's part becomes next_share: the one by which
 * all failures of the application together would grow by as much there as by safe_ratio at 100 %.
 * So 1 % need not prove what only 50 % can.  E_safe's bound grows with the ratio it is held
 * against, so `excluded` holds for all ratios and at all times at once: beta is spent once. */
double gate_required(double safe_ratio, int32_t next_share);

/* The upper bound of a share, true at all times at once but with chance beta: the e-process above
 * with "the share is p or more" instead.  No units: 1. */
double gate_share_bound(double failures, double units, double beta);

/* Power.  Units (both arms) until E_safe reaches 1/beta with chance power (0.5, 0.8) when there is
 * no difference, and until E_harm reaches 1/alpha when the ratio is safe_ratio; at a fixed share;
 * rate is that of the direct arm.  -1 = more than 1e12, or never.
 *
 * Some milliseconds: failures are walked through one by one.  Both numbers are inverse to the rate,
 * so whoever asks for many applications keeps what it got for (share, ratios, chances) at rate 1
 * and divides. */
struct gate_power {
    double to_promote, to_catch;
};
void gate_power(int32_t share, double rate, double harm_ratio, double safe_ratio, double alpha,
                double beta, double power, struct gate_power *ret);

const char *gate_metric_name(enum gate_metric metric);
const char *gate_metric_what(enum gate_metric metric);
bool gate_metric_parse(struct str word, enum gate_metric *ret);

#endif

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
#define GATE_SPLITS 64 /* different w */

/* X(constant, word, what counts as an exceedance) */
#define GATE_METRICS(X)                                                                            \
    X(ERROR, "error", "no good answer: an error, a cut or stalled stream, or 246/446/412 codes")   \
    X(FIRST_TOKEN, "exceed_ttft", "time to first token over the baseline's p95")                   \
    X(TOTAL, "exceed_total", "total time over the baseline's p95")                                 \
    X(COST, "exceed_cost", "cost over the baseline's p95")                                         \
    X(TRUNCATED, "stream_truncated", "a stream that ended early")                                  \
    X(TOOL_SCHEMA, "tool_schema", "a tool call whose arguments do not fit the tool's schema")      \
    X(ATTEMPTS, "attempts_per_call", "more attempts at the provider than the baseline's p95")

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

/* Pure; the logarithms are summed in a fixed order, so the same counts give the same bits. */
void gate_weigh(const struct gate_counts *c, double harm_ratio, double safe_ratio, double beta,
                struct gate_evidence *ret);

/* Power.  Units (both arms) until E_safe reaches 1/beta with chance power (0.5, 0.8) when there is
 * no difference, and until E_harm reaches 1/alpha when the ratio is safe_ratio; at a fixed share
 * and rate of failures.  -1 = more than 1e12. */
struct gate_power {
    double to_promote, to_catch;
};
void gate_power(int32_t share, double rate, double harm_ratio, double safe_ratio, double alpha,
                double beta, double power, struct gate_power *ret);

const char *gate_metric_name(enum gate_metric metric);
const char *gate_metric_what(enum gate_metric metric);
bool gate_metric_parse(struct str word, enum gate_metric *ret);

#endif

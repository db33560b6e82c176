/* verdict - what the archive says of an application's cutover so far: the gates' judgement.
 *
 * A pure function of (the archive's chain of sealed ledgers up to a line, the plan by its hash, the
 * rollout's steps before a moment, prices by their hash, that moment): anyone who has these gets
 * the same JSON byte for byte.  weir-gate(7).
 *
 * A call's arm is the one it was sent to first; its share is the recorded one (cutover_share), else
 * that of the step that was committed when it began.  Left out are calls that cannot be laid to
 * chance: those between INTENT and COMMITTED without a recorded share, those that had no key to be
 * split by (but at 100 %, where caps see them), rows that sum several calls, those of other
 * upstreams.
 *
 * Units are counted per attempt of the programme at this application: since the last step that took
 * it from 0.  The k-th attempt may spend alpha / 2^k, so that all of them spend at most alpha.
 */
#ifndef MIGRATE_VERDICT_H
#define MIGRATE_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "capture/archive.h"
#include "llm/price.h"
#include "migrate/baseline.h"
#include "migrate/gate.h"
#include "migrate/programme.h"
#include "migrate/rollout.h"

enum verdict_says {
    VERDICT_HOLD, /* cannot tell yet, no data, the split is not what was intended */
    VERDICT_PROMOTE,
    VERDICT_ROLLBACK,
};

/* Frozen before the first step: of direct calls from the days before it. */
struct verdict_threshold {
    int64_t value; /* see struct programme_gate; -1 = no baseline */
    int64_t calls; /* it was taken from */
    int64_t from_us, to_us;
};

/* Calls of one arm; failed: by the gate's metric. */
struct verdict_calls {
    int64_t all, measured, failed;
};

struct verdict_gate {
    const struct programme_gate *gate;
    enum verdict_says says;
    struct verdict_threshold threshold;
    struct gate_counts counts;
    struct gate_evidence evidence;
    double alpha;     /* of this attempt */
    double required;  /* the ratio that must be excluded before the next stage: gate_required */
    int64_t units[2]; /* of counts, all shares together */
    struct verdict_calls calls[2];
    bool cap_tripped;
    /* It is exceeded in the latest hour, and so it is by what goes straight to the same upstream,
     * of whatever application: its provider fails, and going back would help nobody. */
    bool cap_excused;
    struct verdict_calls beside; /* those calls */
    int64_t in_outages; /* calls at the gateway in such hours: the attempt's cap is without them */
    int64_t gateway_per_million; /* of calls that failed there; -1 = none */
    double bound;   /* the share that fails there is below this, with confidence 1 - beta */
    struct str why; /* a sentence */
};

struct verdict {
    struct str app;
    enum verdict_says says;
    struct str why; /* the decisive gate's, or why nothing can be said */
    int64_t from_us, until_us;
    int32_t share;    /* in force */
    unsigned attempt; /* from 1 */
    int64_t calls[2], left_out;
    int64_t keyless; /* calls that had nothing to be split by: none moves below 100 % */
    int64_t last_us; /* the latest call that was looked at; 0 = none */
    bool split_is_off;
    double split_log; /* of the e-value against the intended split, the worst of its gates */
    struct verdict_gate gates[PROGRAMME_GATES];
    size_t gate_count;
    uint64_t chain_lines;   /* of the archive that were looked at */
    struct str chain_sha;   /* of the last of them */
    uint64_t ledgers;       /* that were read */
    struct str ledgers_sha; /* SHA-256 over "SHA  ID" and a newline for each of them, in order */
    uint64_t entries;       /* of the rollout before until_us */
    struct str rollout_sha; /* of the last of them */
    struct str plan_sha, prices_sha;
    struct arena arena;
};

struct verdict_input {
    const struct programme *programme;
    const struct rollout *rollout;
    const struct archive *archive;
    const struct price_book *prices; /* for exceed_cost; NULL = that gate holds */
    int64_t until_us;                /* calls that began before, and steps */
    uint64_t chain_lines;            /* only so many; 0 = all there are */
    struct baselines *baselines;     /* of looks before, and of this one; NULL = all is read */
};

#define VERDICT_BASELINE_US    (INT64_C(28) * 86400 * 1000000) /* before the first step */
#define VERDICT_BASELINE_CALLS 200                             /* fewer make no threshold */
#define VERDICT_QUANTILE       0.95    /* of the direct calls: the threshold */
#define VERDICT_SPLIT          0.001   /* chance of taking an intended split for a wrong one */
#define VERDICT_CAP_DEVIATIONS 3.0     /* of the interval that must lie beyond a cap */
#define VERDICT_UNITS_MAX      8000000 /* keys of all applications together */

/* Judges several applications in two passes over the ledgers (baseline, calls), however many there
 * are; ret has one per app, in that order.  ERR_CORRUPT if a ledger is not what the chain says. */
int verdict_judge(const struct verdict_input *in, const struct programme_app *const *apps,
                  size_t count, struct verdict **ret, struct err *err);
void verdict_free(struct verdict *list, size_t count);

/* JSON, keys in a fixed order, doubles with 9 significant digits. */
void verdict_print_json(const struct verdict *v, struct buf *out);
void verdict_print_text(const struct verdict *v, struct buf *out);

const char *verdict_says_name(enum verdict_says says); /* "hold", "promote", "rollback" */

#endif

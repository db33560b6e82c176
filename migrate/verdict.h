/* verdict - what the archive says of an application's cutover so far: the gates' judgement.
 *
 * A pure function of (ledgers by their hash, plan by its hash, the rollout's committed steps, until
 * when): anyone who has these gets the same JSON byte for byte.  A call's arm is the recorded one;
 * its share is that of the step whose epoch it carries, else of the step that was committed when it
 * began.  Calls between INTENT and COMMITTED of a step that carry no epoch are left out.
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

struct verdict_gate {
    const struct programme_gate *gate;
    enum verdict_says says;
    struct verdict_threshold threshold;
    struct gate_counts counts;
    struct gate_evidence evidence;
    double alpha;
    bool cap_tripped;
    int64_t gateway_per_million; /* of units that failed there; -1 = none */
    struct str why;              /* a sentence */
};

struct verdict {
    struct str app;
    enum verdict_says says;
    struct str why; /* the decisive gate's, or why nothing can be said */
    int64_t from_us, until_us;
    int32_t share;    /* in force */
    unsigned attempt; /* from 1 */
    int64_t calls[2], left_out;
    int64_t last_us; /* the latest call that was looked at; 0 = none */
    bool split_is_off;
    struct verdict_gate gates[PROGRAMME_GATES];
    size_t gate_count;
    struct str ledgers_sha; /* over the chain's lines of the ledgers that were read */
    struct str plan_sha;
    struct arena arena;
};

struct verdict_input {
    const struct programme *programme;
    const struct rollout *rollout;
    const struct archive *archive;
    const struct price_book *prices; /* for exceed_cost; NULL = that gate holds */
    int64_t until_us;                /* calls that began before */
};

/* Judges several applications in one pass over the ledgers; ret has one per app, in that order. */
int verdict_judge(const struct verdict_input *in, const struct programme_app *const *apps,
                  size_t count, struct verdict **ret, struct err *err);
void verdict_free(struct verdict *list, size_t count);

/* JSON, keys in a fixed order, doubles with 9 significant digits. */
void verdict_print_json(const struct verdict *v, struct buf *out);
void verdict_print_text(const struct verdict *v, struct buf *out);

const char *verdict_says_name(enum verdict_says says); /* "hold", "promote", "rollback" */

#endif

/* whatif - the same usage, priced as another model's or in another service tier.
 *
 * Groups are those of the question's dimensions, which hold provider and model.  Another model has
 * another tokenizer: how many tokens it would count is given as an interval of ratios, and so is
 * the cost.  That it would answer as briefly, and its cache hold as much, is assumed.
 */
#ifndef ANALYZE_WHATIF_H
#define ANALYZE_WHATIF_H

#include "analyze/engine.h"

#define WHATIF_SWAPS_MAX 64
#define WHATIF_MICRO     INT64_C(1000000) /* ratios are in millionths */

/* Published comparisons of the same texts: Claude 3.5 counts 16 % (articles) to 30 % (code) more
 * tokens than GPT-4o ("hidden costs in AI deployment", 2025-05), Claude Opus 4.7 up to 35 % more
 * than 4.6 (Anthropic, migration guide, 2026-04).  Either way round. */
#define WHATIF_LOW_MICRO  740000
#define WHATIF_HIGH_MICRO 1350000

/* What a reader of a group's new cost should know; bits. */
enum whatif_note {
    WHATIF_UNPRICED = 1 << 0,       /* the book has no price for all of it */
    WHATIF_CACHE_AT_INPUT = 1 << 1, /* no price for cached input: at the input price */
    WHATIF_TIER_ASSUMED = 1 << 2,   /* no price for the tier: at the standard price */
    WHATIF_WRITES_UNKNOWN = 1 << 3, /* writing to the cache costs extra there; none is recorded */
    WHATIF_REPORTED = 1 << 4,       /* what was reported now is compared with the book */
    WHATIF_UNPRICED_NOW = 1 << 5,   /* as UNPRICED, of what was used */
    WHATIF_UNKNOWN = 1 << 6,        /* of some requests nobody said what they used */
    WHATIF_NOTE_COUNT = 7,
};

struct whatif_costs {
    bool now_known, then_known; /* false: nobody could know all of it, and its costs mean nothing */
    i128 now_pusd, low_pusd, high_pusd;
};

struct whatif_row {
    bool is_swapped;
    uint32_t notes;
    struct whatif_costs costs;
};

/* Costs are of what is known both now and then, so that the two may be compared; the rest of it is
 * counted.  They are unknown if nothing is known. */
struct whatif_sum {
    uint32_t notes; /* of all its groups */
    struct whatif_costs costs;
    size_t groups, left_out_groups;      /* in the costs, and not at all */
    int64_t requests, left_out_requests; /* of groups that stay as they are, single ones */
    int64_t unknown_requests;            /* of the former, that do not say all that they used */
};

struct whatif {
    struct engine_result now, then, most; /* rows are alike; most is empty if the ratio is one */
    struct whatif_row *rows;              /* of now.rows */
    struct whatif_sum changed, rest, all;
    int64_t low_micro, high_micro;
};

/* "A=B", each "MODEL" or "PROVIDER/MODEL", adds one or two swaps to ret; texts point into text.
 * ERR_USAGE. */
int whatif_parse_swap(struct str text, struct engine_swap ret[static 2], size_t *ret_count,
                      struct err *err);
/* "0.9..1.3" or "1". */
int whatif_parse_ratio(struct str text, int64_t *ret_low_micro, int64_t *ret_high_micro,
                       struct err *err);

/* provider_at and model_at: the places of those dimensions in query, whose measures are not looked
 * at.  ret needs whatif_release in any case. */
struct whatif_question {
    const struct engine_query *query;
    const struct engine_whatif *whatif; /* tokens_micro is not looked at */
    size_t provider_at, model_at;
    int64_t low_micro, high_micro;
};
int whatif_run(const struct whatif_question *question, struct whatif *ret, struct err *err);
void whatif_release(struct whatif *w);
DEFINE_CLEANUP_VALUE(struct whatif, whatif_release)

/* Whether a model that a run found no price for is one that something was priced as. */
bool whatif_is_asked(const struct whatif_question *question, const struct whatif *w,
                     const struct engine_unpriced *u);

/* In words, for WHATIF_... a bit. */
const char *whatif_note_text(enum whatif_note note);

#endif

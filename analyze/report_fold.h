/* report_fold - groups of two months side by side, by one or more of their dimensions. */
#ifndef ANALYZE_REPORT_FOLD_H
#define ANALYZE_REPORT_FOLD_H

#include "analyze/report.h"

#define FOLD_KEYS_MAX 3

struct fold_row {
    struct str keys[FOLD_KEYS_MAX]; /* borrowed from the months' dimensions */
    struct engine_sums now, before;
};

struct fold {
    VEC(struct fold_row) rows; /* dearest first, then what was dearest before, then by keys */
    struct map index;
};

/* keys: positions of dimensions of the part, -1 for those not wanted. */
void fold_make(const struct report_input *in, enum report_part part,
               const int keys[static FOLD_KEYS_MAX], struct fold *ret);
void fold_release(struct fold *f);
DEFINE_CLEANUP_VALUE(struct fold, fold_release)

/* What the table calls the value of a dimension: "(none)" where there is none. */
struct str fold_name(struct str value);

/* The sections, in their order. */
void report_add_summary(const struct report_input *in, struct document *d);
void report_add_spend(const struct report_input *in, struct document *d);
void report_add_daily(const struct report_input *in, struct document *d);
void report_add_change(const struct report_input *in, struct document *d);
void report_add_speed(const struct report_input *in, struct document *d);
void report_add_steps(const struct report_input *in, struct document *d);
void report_add_policy(const struct report_input *in, struct document *d);
void report_add_arms(const struct report_input *in, struct document *d);
void report_add_findings(const struct report_input *in, struct document *d);

/* Whether the cost per token of a segment is one that no price list changes to, in words; NULL if
 * it is not. */
const char *report_doubt(const struct fold_row *row);

#endif

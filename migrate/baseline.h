/* baseline - what an application's direct calls were like before its first step, remembered from
 * one look to the next: thresholds are frozen then, and the calls that they come from need not be
 * read again (migrate/verdict).
 *
 *     weir baseline 1 VERSION SHA256 of the rest
 *     KEY METRIC CALLS VALUE
 *
 * The key is a hash of all that they depend on: the plan, the prices, the application, the days and
 * each ledger of them as the chain has it.  A file that is damaged, of another version or of
 * something else is as none: it can be deleted at any time.  Nothing is done on its word: who acts
 * on a verdict judges once more without it (watch_pass), and weir migrate gate never asks it.
 */
#ifndef MIGRATE_BASELINE_H
#define MIGRATE_BASELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "migrate/gate.h"

#define BASELINE_FILE      "baseline.cache" /* in the rollout's folder */
#define BASELINE_BYTES_MAX (16u << 20)

struct baseline_metric {
    char key[SHA256_HEX_BYTES];
    enum gate_metric metric;
    int64_t calls, value; /* how many there were; their quantile (VERDICT_QUANTILE) */
};

struct baselines {
    VEC(struct baseline_metric) list;
    VEC(struct baseline_metric) used; /* since it was read: what is kept */
    bool is_changed;
};

/* Adds nothing if there is no such file, or it is not whole. */
void baselines_read(const char *folder, struct baselines *ret);
void baselines_release(struct baselines *b);
DEFINE_CLEANUP_VALUE(struct baselines, baselines_release)
bool baselines_find(struct baselines *b, const char *key, enum gate_metric metric,
                    struct baseline_metric *ret);
void baselines_put(struct baselines *b, const struct baseline_metric *m);
/* What was found or put, if that is not what the file has. */
int baselines_write(const char *folder, const struct baselines *b, struct err *err);

#endif

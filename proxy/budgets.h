/* budgets - what budgets have spent, kept over restarts: a file in the archive's folder.
 *
 *     {"saved_at":"2026-11-22T21:00:00Z","budgets":[
 *      {"rule":"budget team cx month","period":682,"spent_nusd":123456789}]}
 *
 * Replaced whole (rename), at most once a second and when it has changed; and at the end.  So a
 * crash of the machine forgets one second of spending, a crash of the parent alone likewise; a
 * worker's nothing.  What was reserved then is not in it.
 */
#ifndef PROXY_BUDGETS_H
#define PROXY_BUDGETS_H

#include "base/buf.h"
#include "base/err.h"
#include "policy/policy.h"
#include "proxy/shared_state.h"

#define BUDGETS_FILE      "budgets"
#define BUDGETS_BYTES_MAX (64u << 20)

struct budgets;

struct budgets *budgets_new(const char *path);
void budgets_free(struct budgets *b);
DEFINE_CLEANUP(struct budgets, budgets_free)

/* Into the state, for the budgets of p that are in the file and whose period is not over.  A file
 * that is not there is fine. */
int budgets_load(struct budgets *b, const struct policy *p, struct shared_state *s, int64_t now_us,
                 struct err *err);
/* From the state, if it has changed since. */
int budgets_save(struct budgets *b, const struct policy *p, struct shared_state *s, int64_t now_us,
                 struct err *err);

#endif

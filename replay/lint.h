/* lint - what is known to go wrong with a fallback configuration, and what became of its keys.
 *
 * Rules are rows of one table: id, how bad, how to put it right, where the rule is from.  Readers
 * of configurations (replay/foreign) and the checks over their plans (lint_check) report against
 * them.
 */
#ifndef REPLAY_LINT_H
#define REPLAY_LINT_H

#include "base/vec.h"
#include "policy/plan.h"
#include "replay/lint_prove.h"

#define LINT_FINDINGS_MAX 10000 /* more are counted, not kept */

enum lint_rule {
    LINT_UNREACHABLE,
    LINT_NOTHING_ENDS_IT,
    LINT_NOT_TRIED,
    LINT_KEY_UNKNOWN,
    LINT_SAME_TARGET,
    LINT_TIMEOUT_TINY,
    LINT_ALLOWED_FAILS_3,
    LINT_NUM_RETRIES_UNSAID,
    LINT_TIMEOUT_UNSAID,
    LINT_FALLBACK_UNKNOWN,
    LINT_FALLBACK_CYCLE,
    LINT_MAX_FALLBACKS,
    LINT_WEIGHT_MISSING,
    LINT_WILDCARD_COOLDOWN,
    LINT_NO_FALLBACK,
    LINT_SMALLER_CONTEXT,
    LINT_MOCK,
    LINT_OVERRIDDEN,
    LINT_RETRY_AFTER_SPELLING,
    LINT_408_MISSING,
    LINT_CODES_EMPTY,
    LINT_PICK_NO_FALLBACK,
    LINT_CB_CONFIG,
    LINT_ATTEMPTS_OVER_5,
    LINT_ZERO_WEIGHTS,
    LINT_NO_DEFAULT,
    LINT_RETRY_ON_429_503,
    LINT_ATTEMPTS_PER_PRIORITY,
    LINT_MAX_EJECTION,
    LINT_CODES_WITHOUT_TRIGGER,
    LINT_POLICY_ALONE,
    LINT_STREAM_IDLE_UNSAID,
    LINT_RETRIES_400,
    LINT_ROUTING_MISMATCH,
    LINT_UNKNOWN_VARIANT,
    LINT_UNKNOWN_PROVIDER,
    LINT_DENY_ALL,
    LINT_INSTEAD_REFUSED,
    LINT_RULES,
};

enum lint_severity {
    LINT_NOTE,    /* worth knowing; no finding for the exit status */
    LINT_WARNING, /* a documented trap */
    LINT_ERROR,   /* it cannot do what it is there for */
};

struct lint_rule_row {
    const char *id;
    enum lint_severity severity;
    const char *fix;    /* one line, no full stop */
    const char *source; /* of the rule */
};

extern const struct lint_rule_row lint_rules[LINT_RULES];
extern const char *const lint_severity_names[];

struct lint_finding {
    enum lint_rule rule;
    struct plan_place at;
    struct str text;
};

enum lint_fidelity {
    LINT_EXACT,
    LINT_APPROXIMATED,
    LINT_UNSUPPORTED,
    LINT_ASIDE, /* says nothing about where a call goes */
};

extern const char *const lint_fidelity_names[];

/* What became of a key. */
struct lint_key {
    struct plan_place at;
    struct str path; /* "router_settings.num_retries" */
    enum lint_fidelity fidelity;
    const char *note; /* how it is approximated, why unsupported; "" */
};

struct lint {
    struct arena arena;
    VEC(struct lint_finding) findings;
    VEC(struct lint_key) keys;
    size_t dropped; /* findings beyond LINT_FINDINGS_MAX */
};

void lint_release(struct lint *l);
DEFINE_CLEANUP_VALUE(struct lint, lint_release)

void lint_find(struct lint *l, enum lint_rule rule, struct plan_place at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void lint_key(struct lint *l, struct plan_place at, struct str path, enum lint_fidelity fidelity,
              const char *note);

/* The rules that hold for every format: over the routes and what was proved of them. */
void lint_check(struct lint *l, const struct plan *p, const struct proof *proof,
                const struct prove_options *o);

/* Of them, those about access (lint_check calls it). */
void lint_check_access(struct lint *l, const struct plan *p);
/* What the policy's own limits refuse of a plan, as the proxy would: ERR_LIMIT with the place. */
int lint_compile(const struct plan *p, struct err *err);

/* Findings by file, line, column and rule. */
void lint_sort(struct lint *l);
size_t lint_count(const struct lint *l, enum lint_severity severity);

#endif

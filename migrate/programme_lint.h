/* programme_lint - what is unwise in a plan that can be read: pure, of the plan and what was
 * recorded.
 *
 * The calendar takes each application through its stages, each as long as it bakes or its slowest
 * gate needs, whichever is more, past freezes; what moves at the same time follows from it.
 */
#ifndef MIGRATE_PROGRAMME_LINT_H
#define MIGRATE_PROGRAMME_LINT_H

#include "base/buf.h"
#include "base/vec.h"
#include "migrate/inventory.h"
#include "migrate/programme.h"

#define PROGRAMME_FINDINGS_MAX 20000

enum programme_severity {
    PROGRAMME_NOTE,
    PROGRAMME_WARNING, /* unwise */
    PROGRAMME_ERROR,   /* will not work, or not be safe */
};

/* X(constant, id, severity, how to mend it) */
#define PROGRAMME_RULES(X)                                                                         \
    X(NO_APPS, "no-apps", WARNING,                                                                 \
      "name the applications: weir migrate discover lists those that were seen")                   \
    X(NOT_PLANNED, "not-planned", WARNING,                                                         \
      "add it, or leave it with 'retired: true' and a reason in a comment")                        \
    X(NO_TRAFFIC, "no-traffic", WARNING,                                                           \
      "correct its name, or the attribution rules; gates see what is attributed to it")            \
    X(NO_OWNER, "no-owner", WARNING, "say who answers for it: 'owner: NAME'")                      \
    X(NO_DEPUTY, "no-deputy", WARNING, "say who does when the owner is away: 'deputy: NAME'")      \
    X(NO_DATE, "no-date", WARNING, "give it a wave or a date: without, it may begin at any time")  \
    X(DATE_FROZEN, "date-frozen", ERROR, "begin after the freeze")                                 \
    X(DATE_OUTSIDE, "date-outside", ERROR, "move the date, or the span that it should lie in")     \
    X(TOO_LATE, "too-late", WARNING, "begin earlier, bake shorter, or give the wave more time")    \
    X(NEEDS_CYCLE, "needs-cycle", ERROR, "take one of the needs away: nothing in it can begin")    \
    X(NEEDS_ORDER, "needs-order", ERROR, "let it begin later, or what it needs earlier")           \
    X(SAME_OWNER, "same-owner", ERROR,                                                             \
      "let one of them begin later: nobody watches two moves at once")                             \
    X(IN_FLIGHT, "apps-in-flight", WARNING, "spread the dates, or raise caps.apps_in_flight")      \
    X(SPEND, "spend-moving", WARNING, "spread the dates, or raise caps.spend_moving")              \
    X(ALPHA, "alpha-overspent", ERROR,                                                             \
      "lower the gates' alpha, leave them out (then they share), or raise alpha_total")            \
    X(KEY, "key", ERROR, "use a key that the actuator can hash, see weir-cutover(5)")              \
    X(NO_KEY, "no-key", ERROR,                                                                     \
      "name what keeps a caller on its side: an empty key sends all calls one way")                \
    X(UNIT_REQUEST, "unit-request", ERROR,                                                         \
      "leave unit out: ten errors of one sticky caller are one failure")                           \
    X(UNIT_KEY, "unit-key", ERROR, "use 'unit: request', or a key that is sticky")                 \
    X(RESOLUTION, "resolution", ERROR, "use larger stages, or another actuator")                   \
    X(SAME_WAY, "same-way", ERROR, "direct and gateway must be two")                               \
    X(NO_UPSTREAM, "no-upstream", ERROR,                                                           \
      "name it under upstreams of the configuration, or correct it here")                          \
    X(OTHER_WAYS, "other-ways", NOTE,                                                              \
      "calls that do not ask for 'direct' stay where they are: is that what you want?")            \
    X(SHORT_BAKE, "short-bake", WARNING,                                                           \
      "stay a day at least: nights and mornings have errors of their own")                         \
    X(SLOW_GATE, "slow-gate", WARNING,                                                             \
      "bake longer, use a higher safe_ratio, or rely on preflight and leave the gate out")         \
    X(BLIND_GATE, "blind-gate", WARNING,                                                           \
      "use another metric: this one never fails here, so nothing can be compared")                 \
    X(ROLLBACK_TO, "rollback-to", WARNING, "go back to last_good, direct, or one of its stages")   \
    X(NO_APPROVAL, "no-approval", ERROR, "name who must approve: 'approvals: [ROLE]'")             \
    X(AUTO_RISK, "auto-risk", WARNING, "let a person advance what much depends on")                \
    X(NO_EVIDENCE, "no-evidence", WARNING, "ask for a rehearsal and a preflight")                  \
    X(NO_READINESS, "no-readiness", WARNING, "name the checks that must pass: 'readiness: [R1]'")  \
    X(UNUSED, "unused", NOTE, "take it out, or use it")                                            \
    X(NO_ARCHIVE, "no-archive", NOTE,                                                              \
      "name the archive: gates, spend and names were not held against what was recorded")

enum programme_rule {
#define X(constant, id, severity, fix) PROGRAMME_RULE_##constant,
    PROGRAMME_RULES(X)
#undef X
        PROGRAMME_RULE_COUNT
};

struct programme_rule_row {
    const char *id, *fix;
    enum programme_severity severity;
};
extern const struct programme_rule_row programme_rules[PROGRAMME_RULE_COUNT];

struct programme_finding {
    enum programme_rule rule;
    struct programme_place at; /* line 0 = the plan as a whole */
    struct str app;            /* "" = of none */
    struct str text;
};

/* How long a gate takes, by the application's own traffic; -1 = not known, INFINITY = never. */
struct programme_power {
    double units_per_day;
    double rate; /* of failures, per unit */
    double days[PROGRAMME_STAGES];
};

/* An application in the calendar; all 0 where it has no date. */
struct programme_slot {
    const struct programme_app *app;
    int64_t from_us, full_us, through_us; /* first stage, 100 %, all done: at the earliest */
    int64_t spend_per_million;            /* -1 = not known */
    struct programme_power power[PROGRAMME_GATES];
};

struct programme_lint {
    VEC(struct programme_finding) findings; /* by place */
    size_t dropped;                         /* beyond PROGRAMME_FINDINGS_MAX */
    struct programme_slot *slots;           /* as the programme's apps */
    size_t slot_count;
    struct arena arena;
};

/* seen may be NULL: then nothing is said that needs traffic; so may conf, weir's configuration. */
void programme_lint(const struct programme *p, const struct inventory *seen,
                    const struct conf *conf, struct programme_lint *ret);
void programme_lint_release(struct programme_lint *l);
DEFINE_CLEANUP_VALUE(struct programme_lint, programme_lint_release)
size_t programme_lint_count(const struct programme_lint *l, enum programme_severity severity);
const char *programme_severity_name(enum programme_severity s);

/* What was asked of gate_power before: zero-initialised is empty. */
struct programme_powers {
    struct map ratio, few; /* bytes of what was asked for: bits of a double */
};
void programme_powers_release(struct programme_powers *c);
DEFINE_CLEANUP_VALUE(struct programme_powers, programme_powers_release)
/* Of one gate of app, with traffic like that of a. */
void programme_power(struct programme_powers *cache, const struct programme_app *app, size_t gate,
                     const struct inventory_app *a, struct programme_power *ret);

/* Parts of programme_lint, for programme_*.c alone. */
void programme_find(struct programme_lint *l, enum programme_rule rule, struct programme_place at,
                    struct str app, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void programme_lint_power(const struct programme *p, const struct inventory *seen,
                          struct programme_lint *l);
void programme_lint_calendar(const struct programme *p, struct programme_lint *l);
bool programme_key_is_sticky(struct str key);

#endif

/* plan - who may call which model, and where a call goes next: configuration, read and checked.
 *
 * One model for weir's own `policy:` section and for what other gateways are configured with
 * (replay/foreign).  A route is a tree:
 *
 *     TARGET    one upstream and model
 *     FALLBACK  the items in order: the next one when what failed before is in its `when`; if they
 *               have weights, one is drawn to come first
 *     PICK      one of the items, by weight; what it says is what the caller gets
 *     POOL      one of the items for every attempt: who retries may get another
 *     TIERS     the items in order under one budget of attempts, `attempts_per_item` each
 *
 * `retry` repeats a node with all that is below it, and for a POOL or TIERS it is the budget of
 * attempts.  `attempt` limits each attempt at a target; `span` limits a node with all repetitions.
 *
 * A plan is values and nothing else: no clock, no state, no I/O.  Every value knows where it was
 * written; line 0 says that it is the format's default.  Durations are microseconds.
 */
#ifndef POLICY_PLAN_H
#define POLICY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/provider.h"

#define PLAN_NODES_MAX    20000 /* of all routes of a plan: fallbacks of fallbacks multiply */
#define PLAN_DEPTH_MAX    32
#define PLAN_ATTEMPTS_MAX 1000 /* of one node */
#define PLAN_FOREVER      INT64_MAX

struct plan_place {
    struct str file;
    uint32_t line, column; /* from 1; 0 = nowhere: a default */
};

struct plan_value {
    int64_t n;
    bool set;
    struct plan_place at;
};

/* How an attempt can end other than well.  Three of them have a status, which rules may ask for. */
enum plan_failure {
    PLAN_FAILED_CONNECT,     /* refused, reset, no such host, TLS */
    PLAN_FAILED_HEAD,        /* no head of an answer in time */
    PLAN_FAILED_FIRST_TOKEN, /* a head, but nothing of the answer in time */
    PLAN_FAILED_STATUS,
    PLAN_FAILED_CONTEXT, /* a 400: more tokens than the model takes */
    PLAN_FAILED_CONTENT, /* a 400: the provider's content filter */
    PLAN_FAILED_STREAM,  /* after the first token: cut, stalled, or an error event */
    PLAN_FAILURES,
};

#define PLAN_STATUS_MAX 600 /* statuses are below, and a multiple of 8 */

/* A set of failures. */
struct plan_when {
    uint32_t kinds;                      /* bits of enum plan_failure; STATUS = any status */
    uint32_t never;                      /* bits: not these, whatever their status */
    uint8_t status[PLAN_STATUS_MAX / 8]; /* bits: these as well */
    bool set;                            /* said, or a default of the format */
    struct plan_place at;
};

/* The wait before repetition n (from 0): min(base * factor^n, cap), times 1 + spread, plus up to
 * jitter. */
struct plan_backoff {
    struct plan_value base, cap;
    unsigned factor_percent; /* 200 = doubles; 0 or 100 = stays */
    unsigned spread_percent; /* 20 = times 0.8 to 1.2 */
    unsigned jitter_percent; /* plus 0 to this share of the wait */
    int64_t jitter_us;       /* plus 0 to this */
    bool first_twice;        /* the first step comes twice */
    bool also_at_the_end;    /* once more behind the last attempt */
    bool cap_is_last;        /* the cap holds for what jitter made of it, too */
    bool full_jitter;        /* instead of it, anything from 0 to it */
};

/* What of an answer's retry-after is kept to. */
struct plan_retry_after {
    struct plan_value honoured; /* 1 or 0 */
    int64_t longest_us;         /* longer ones are not waited for */
    int64_t sum_us;             /* of all that are waited for; 0 = any */
    bool gives_up;              /* at longer ones: no more repetitions; else the backoff holds */
    bool only_429;
};

struct plan_retry {
    struct plan_value count; /* repetitions: attempts less one */
    struct plan_when on;
    struct plan_backoff backoff;
    struct plan_retry_after retry_after;
};

enum plan_timer {
    PLAN_TIMER_CONNECT,     /* until a connection, TLS included */
    PLAN_TIMER_HEAD,        /* until the head of an answer */
    PLAN_TIMER_FIRST_TOKEN, /* until the first piece of a stream */
    PLAN_TIMER_IDLE,        /* between two pieces, the first included */
    PLAN_TIMER_TOTAL,       /* until the end of a stream */
    PLAN_TIMER_WHOLE,       /* until the end of an answer that is no stream */
    PLAN_TIMERS,
};

/* From the beginning of what they limit, but for idle. */
struct plan_timeouts {
    struct plan_value of[PLAN_TIMERS];
};

/* What is remembered of a target between calls. */
enum plan_memory {
    PLAN_MEMORY_NONE,
    PLAN_MEMORY_COOLDOWN, /* out for a fixed time */
    PLAN_MEMORY_EJECTION, /* out ever longer, up to a share of the hosts */
    PLAN_MEMORY_RATIO,    /* out when a share of the calls in a window failed */
    PLAN_MEMORY_BREAKER,  /* closed, open, half open with probes */
};

struct plan_health {
    enum plan_memory memory;
    struct plan_value failures; /* in a row, or in the window */
    struct plan_value percent;  /* of the calls in the window */
    struct plan_value minimum;  /* calls before a share counts */
    struct plan_value window;
    struct plan_value out;    /* for how long */
    struct plan_value probes; /* in half open */
    struct plan_value most;   /* percent of the hosts that may be out */
    struct plan_when counted;
    struct plan_place at;
};

/* Shift away when first tokens come later than the target's own baseline times the factor. */
struct plan_slow {
    struct plan_value factor_percent, window, samples;
    struct plan_place at;
};

enum plan_kind {
    PLAN_TARGET,
    PLAN_FALLBACK,
    PLAN_PICK,
    PLAN_POOL,
    PLAN_TIERS,
};

struct plan_node {
    enum plan_kind kind;
    struct plan_place at;
    struct str name;            /* what messages call it */
    struct str upstream, model; /* of a target; model "" = as asked */
    struct plan_value weight;   /* in a PICK or POOL, in millionths */
    struct plan_when when;      /* failures of items before that lead here; the first needs none */
    struct plan_retry retry;
    struct plan_timeouts attempt, span;
    struct plan_health health;
    bool any_order; /* FALLBACK: all items with a weight come in any order, not just one first */
    struct plan_value attempts_per_item; /* TIERS; unset = all attempts go to the first */
    struct plan_node *items, *last, *next;
    size_t len;
};

enum plan_mode {
    PLAN_MODE_OFF,
    PLAN_MODE_OBSERVE,
    PLAN_MODE_WARN,
    PLAN_MODE_ENFORCE,
    PLAN_MODE_UNSAID, /* as the plan's */
};

struct plan_names {
    struct str *list; /* shell patterns */
    size_t len;
};

struct plan_route {
    struct str name;
    struct plan_place at;
    struct str api; /* "" = any */
    struct plan_names models, apps;
    struct plan_names upstreams; /* where a call must have asked to go; none = one of the targets */
    enum plan_mode mode;
    struct plan_slow slow;
    struct plan_node *root;
    struct plan_route *next;
};

/* Who may not use what; `instead` names what they get. */
struct plan_access {
    struct plan_place at;
    struct plan_names teams, apps, roles, business_units, allow, deny;
    struct str instead;
    enum plan_mode mode;
    struct plan_access *next;
};

enum plan_limited {
    PLAN_LIMIT_REQUESTS,
    PLAN_LIMIT_TOKENS,
    PLAN_LIMIT_CONCURRENT,
    PLAN_LIMITS,
};

struct plan_limit {
    struct plan_place at;
    struct plan_names teams, apps, models, business_units;
    struct plan_value most[PLAN_LIMITS];
    int64_t per_us[PLAN_LIMITS];     /* the window of each; 0 for CONCURRENT */
    struct plan_value assume_output; /* tokens, of a call that sets no bound; unset = the plan's */
    enum plan_mode mode;
    struct plan_limit *next;
};

enum plan_budget_of {
    PLAN_BUDGET_ALL,
    PLAN_BUDGET_BUSINESS_UNIT,
    PLAN_BUDGET_TEAM,
    PLAN_BUDGET_APP,
};
enum plan_budget_per {
    PLAN_BUDGET_DAY,
    PLAN_BUDGET_WEEK, /* from Monday */
    PLAN_BUDGET_MONTH,
    PLAN_BUDGET_PERS,
};

/* What may be spent in a period, of UTC's calendar: providers bill by that. */
struct plan_budget {
    struct plan_place at;
    enum plan_budget_of of;
    enum plan_budget_per per;
    struct str name;         /* whose; "" of ALL */
    int64_t nusd;            /* 1e-9 USD */
    const int64_t *alert_at; /* millionths of it, ascending */
    size_t alert_at_len;
    bool hard; /* nothing more once it is spent; else thresholds are told, and that is all */
    struct plan_value assume_output;
    enum plan_mode mode;
    struct plan_budget *next;
};

/* What holds for all calls of an application: the weaker of this and a rule's own mode. */
struct plan_app {
    struct str name;
    enum plan_mode mode;
    struct plan_app *next;
};

/* Whom calls to an upstream are paid to. */
struct plan_upstream {
    struct str name;
    enum provider provider;
    struct plan_upstream *next;
};

struct plan {
    struct arena arena; /* holds all of it */
    const char *format; /* "weir", "litellm", ... */
    enum plan_mode mode;
    struct plan_route *routes, *last_route;
    struct plan_access *access;
    struct plan_limit *limits;
    struct plan_budget *budgets;
    struct plan_app *apps;
    struct plan_upstream *upstreams;
    /* Tokens of a call that does not say: of its input, and at most of its output. */
    int64_t assume_input, assume_output;
    size_t nodes;
    /* What a failure without a status looks like to rules over statuses; 0 = like none. */
    int refused_status, connect_late_status, late_status;
};

#define PLAN_ASSUME_INPUT  16384
#define PLAN_ASSUME_OUTPUT 4096

struct plan *plan_new(const char *format);
void plan_free(struct plan *p);
DEFINE_CLEANUP(struct plan, plan_free)

/* A new route at the end, a new node; both belong to the plan.  NULL with ERR_LIMIT beyond
 * PLAN_NODES_MAX. */
struct plan_route *plan_add_route(struct plan *p, struct str name, struct plan_place at);
struct plan_node *plan_node_new(struct plan *p, enum plan_kind kind, struct str name,
                                struct plan_place at, struct err *err);
void plan_node_add(struct plan_node *parent, struct plan_node *child);

static inline struct plan_value plan_default(int64_t n)
{
    return (struct plan_value){ .n = n, .set = true };
}

/* Sets and questions. */
void plan_when_add_kinds(struct plan_when *w, uint32_t kinds);
void plan_when_add_status(struct plan_when *w, int status);
void plan_when_add_statuses(struct plan_when *w, int from, int to);
#define PLAN_KIND(name) (UINT32_C(1) << PLAN_FAILED_##name)
#define PLAN_KINDS_ALL  ((UINT32_C(1) << PLAN_FAILURES) - 1)
/* What can still be answered by another target: everything before the first token. */
#define PLAN_KINDS_EARLY (PLAN_KINDS_ALL & ~PLAN_KIND(STREAM))
/* status is 0 where there is none. */
bool plan_when_has(const struct plan_when *w, enum plan_failure kind, int status);

/* The longest wait before repetition n, from 0. */
int64_t plan_backoff_longest(const struct plan_backoff *b, int64_t n);
/* a + b and a * n, PLAN_FOREVER where that is or would be beyond. */
int64_t plan_add_us(int64_t a, int64_t b);
int64_t plan_times_us(int64_t a, int64_t n);

/* "observe"; and back: false if it is none. */
extern const char *const plan_mode_names[];
bool plan_mode_parse(struct str text, enum plan_mode *ret);

#endif

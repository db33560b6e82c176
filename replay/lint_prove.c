#include "config.h"

#include "replay/lint_prove.h"

#include <assert.h>

#include "base/timestamp.h"

#define TIMER(name) (1u << PLAN_TIMER_##name)
#define ROW(...)                                                                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

#define TO_HEAD (TIMER(HEAD) | TIMER(FIRST_TOKEN) | TIMER(TOTAL))
/* Of a span, what ends it while attempts in it fail at once: no answer has begun. */
#define SPAN_TIMERS (TO_HEAD | TIMER(WHOLE))

/* clang-format off: one a line */
const struct prove_fault_row prove_faults[PROVE_FAULTS] = {
    [PROVE_REFUSED] =
        ROW("refused", "refuses the connection", PLAN_FAILED_CONNECT, 0, 0, true, false),
    [PROVE_BLACKHOLE] = ROW("blackhole", "does not answer the connection", PLAN_FAILED_CONNECT, 0,
                            TIMER(CONNECT) | TO_HEAD, true, false),
    [PROVE_400] = ROW("400", "answers 400", PLAN_FAILED_STATUS, 400, 0, false, false),
    [PROVE_CONTEXT] = ROW("too long", "answers 400: context length exceeded", PLAN_FAILED_CONTEXT,
                          400, 0, false, false),
    [PROVE_401] = ROW("401", "answers 401", PLAN_FAILED_STATUS, 401, 0, false, false),
    [PROVE_429] = ROW("429", "answers 429", PLAN_FAILED_STATUS, 429, 0, true, false),
    [PROVE_429_LATER] =
        ROW("429 later", "answers 429 with retry-after", PLAN_FAILED_STATUS, 429, 0, true, false),
    [PROVE_500] = ROW("500", "answers 500", PLAN_FAILED_STATUS, 500, 0, true, true),
    [PROVE_503] = ROW("503", "answers 503", PLAN_FAILED_STATUS, 503, 0, true, true),
    [PROVE_529] = ROW("529", "answers 529", PLAN_FAILED_STATUS, 529, 0, true, true),
    [PROVE_SILENT_WHOLE] = ROW("silent", "takes the request and says nothing", PLAN_FAILED_HEAD, 0,
                               TIMER(HEAD) | TIMER(WHOLE), true, true),
    [PROVE_SILENT] = ROW("silent stream", "takes the request of a stream and says nothing",
                         PLAN_FAILED_HEAD, 0, TO_HEAD, true, true),
    [PROVE_STALL_FIRST] = ROW("no token", "sends a head and no token", PLAN_FAILED_FIRST_TOKEN, 0,
                              TIMER(FIRST_TOKEN) | TIMER(IDLE) | TIMER(TOTAL), true, true),
    [PROVE_STALL_MID] = ROW("stall", "stops in the middle of a stream", PLAN_FAILED_STREAM, 0,
                            TIMER(IDLE) | TIMER(TOTAL), true, true),
};
/* clang-format on */

/* What an attempt, or all of a node, came to. */
struct result {
    int64_t end_us; /* PLAN_FOREVER = nothing ended it */
    bool cut;       /* by the timer of a node above */
    enum plan_failure failure;
    int status;
};

struct walk {
    const struct plan *plan;
    const struct prove_options *o;
    struct prove_route *route;
    enum prove_fault fault;
    bool silent;      /* do not note when rungs are tried */
    bool counting;    /* attempts alone: time stands still, so that no span ends them */
    bool chooses;     /* something was chosen, which could have been another */
    int64_t later_us; /* added to the times noted */
    int64_t root_end; /* of the route's own span */
    int64_t attempts;
};

static struct result walk(struct walk *w, const struct plan_node *n, int64_t now, int64_t cut);

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void note_rung(struct walk *w, const struct plan_node *n, int64_t now)
{
    bool is_new;

    if (w->silent)
        return;
    struct map_entry *e = map_put(&w->route->by_name, n->name, &is_new);
    if (is_new) {
        e->value = w->route->rungs.len;
        struct prove_rung rung = { .node = n };
        for (int i = 0; i < PROVE_FAULTS; i++)
            rung.at_us[i] = -1;
        vec_push(&w->route->rungs, rung);
    }
    int64_t *at = &w->route->rungs.ptr[e->value].at_us[w->fault];
    now = plan_add_us(now, w->later_us);
    if (*at < 0 || now < *at)
        *at = now;
}

/* The timer of t that ends the fault first, or -1. */
static int first_timer(const struct plan_timeouts *t, unsigned timers, int64_t *ret_us)
{
    int found = -1;

    *ret_us = PLAN_FOREVER;
    for (int i = 0; i < PLAN_TIMERS; i++)
        if (timers >> i & 1 && t->of[i].set && t->of[i].n > 0 && t->of[i].n < *ret_us) {
            *ret_us = t->of[i].n;
            found = i;
        }
    return found;
}

/* One attempt at a target. */
static struct result attempt(struct walk *w, const struct plan_node *n, int64_t now, int64_t cut)
{
    const struct prove_fault_row *f = &prove_faults[w->fault];
    struct result r = { .end_us = now, .failure = f->failure, .status = f->status };

    w->attempts++;
    if (f->failure == PLAN_FAILED_CONNECT)
        r.status = w->plan->refused_status;
    if (!f->timers)
        return r;
    int64_t us;
    int timer = first_timer(&n->attempt, f->timers, &us);
    r.end_us = plan_add_us(now, us);
    r.status = r.failure == PLAN_FAILED_STREAM ? 0 : w->plan->late_status;
    if (timer == PLAN_TIMER_CONNECT)
        r.status = w->plan->connect_late_status;
    else if (r.failure == PLAN_FAILED_CONNECT)
        r.failure = PLAN_FAILED_HEAD;
    if (r.end_us > cut) {
        r.end_us = cut;
        r.cut = true;
    }
    if (w->counting && us < PLAN_FOREVER)
        r.end_us = now;
    return r;
}

/* Whether a is worse than b: it ends later; where attempts are counted, it ends, with more. */
static bool is_worse(const struct walk *w, const struct result *a, int64_t attempts,
                     const struct result *b, int64_t most)
{
    if (!w->counting)
        return a->end_us > b->end_us;
    bool ends = a->end_us < PLAN_FOREVER;
    return b->end_us < 0 || (b->end_us == PLAN_FOREVER ? ends : ends && attempts > most);
}

/* The worst of several from the same moment. */
static struct result worst_of(struct walk *w, const struct plan_node *n, int64_t now, int64_t cut)
{
    struct result worst = { .end_us = -1 };
    int64_t before = w->attempts, most = before;

    assert(n->items);
    for (const struct plan_node *i = n->items; i; i = i->next) {
        w->attempts = before;
        struct result r = walk(w, i, now, cut);
        if (is_worse(w, &r, w->attempts, &worst, most))
            worst = r;
        most = w->attempts > most ? w->attempts : most;
    }
    w->chooses |= n->len > 1;
    w->attempts = most;
    return worst;
}

static struct result pool_attempt(struct walk *w, const struct plan_node *n, int64_t now,
                                  int64_t cut)
{
    bool silent = w->silent;

    note_rung(w, n, now);
    w->silent = true;
    struct result r = worst_of(w, n, now, cut);
    w->silent = silent;
    return r;
}

/* Whether one of several is drawn first by weight. */
static bool is_drawn(const struct plan_node *n)
{
    for (const struct plan_node *i = n->items; i; i = i->next)
        if (i->weight.set)
            return true;
    return false;
}

/* The longest that items behind n may take that were drawn before it: one of them, or all if they
 * come in any order. */
static int64_t longest_drawn(struct walk *w, const struct plan_node *n, bool all, int64_t cut)
{
    int64_t longest = 0, attempts = w->attempts;
    bool silent = w->silent;

    w->silent = true;
    for (const struct plan_node *i = n->next; i; i = i->next) {
        if (!i->weight.set || i->weight.n <= 0)
            continue;
        struct result r = walk(w, i, 0, cut);
        if (all)
            longest = plan_add_us(longest, r.end_us);
        else if (r.end_us > longest)
            longest = r.end_us;
    }
    w->silent = silent;
    w->attempts = attempts;
    return longest;
}

static struct result in_plan_order(struct walk *w, const struct plan_node *n, int64_t now,
                                   int64_t cut)
{
    struct result r = { .end_us = now };
    bool drawn = is_drawn(n);

    for (const struct plan_node *i = n->items; i; i = i->next) {
        if (i != n->items && !plan_when_has(&i->when, r.failure, r.status))
            continue;
        if (r.end_us >= cut || r.end_us == PLAN_FOREVER)
            break;
        int64_t later = w->later_us;
        if (drawn)
            w->later_us = plan_add_us(later, longest_drawn(w, i, n->any_order, cut));
        r = walk(w, i, r.end_us, cut);
        w->later_us = later;
    }
    return r;
}

/* A failure that nothing follows ends the list with whichever item was drawn first. */
static struct result in_order(struct walk *w, const struct plan_node *n, int64_t now, int64_t cut)
{
    int64_t before = w->attempts;
    struct result worst = in_plan_order(w, n, now, cut);
    int64_t most = w->attempts;
    bool silent = w->silent, drawn = is_drawn(n);

    w->silent = true;
    for (const struct plan_node *i = drawn ? n->items : NULL; i; i = i->next) {
        if (!i->weight.set || i->weight.n <= 0)
            continue;
        w->chooses = true;
        w->attempts = before;
        struct result r = walk(w, i, now, cut);
        if (is_worse(w, &r, w->attempts, &worst, most))
            worst = r;
        most = w->attempts > most ? w->attempts : most;
    }
    w->silent = silent;
    w->attempts = most;
    return worst;
}

/* All of a node once, without its repetitions. */
static struct result once(struct walk *w, const struct plan_node *n, int64_t now, int64_t cut)
{
    switch (n->kind) {
    case PLAN_TARGET:
        note_rung(w, n, now);
        return attempt(w, n, now, cut);
    case PLAN_FALLBACK:
        return in_order(w, n, now, cut);
    case PLAN_POOL:
        return pool_attempt(w, n, now, cut);
    case PLAN_PICK:
    case PLAN_TIERS:
        break;
    }
    return worst_of(w, n, now, cut);
}

/* The item of TIERS that attempt i goes to. */
static const struct plan_node *tier_of(const struct plan_node *n, int64_t i)
{
    const struct plan_node *item = n->items;
    size_t at = 0;

    if (n->attempts_per_item.set && n->attempts_per_item.n > 0)
        at = (size_t)(i / n->attempts_per_item.n) % n->len;
    while (at-- && item->next)
        item = item->next;
    return item;
}

/* The wait that retry asks for before repetition i; false = there is none. */
static bool wait_asked(const struct walk *w, const struct plan_retry *retry, int64_t i,
                       int64_t *waited, int64_t *ret)
{
    const struct plan_retry_after *after = &retry->retry_after;
    int64_t asked = w->o->retry_after_us;

    *ret = plan_backoff_longest(&retry->backoff, i);
    if (w->fault != PROVE_429_LATER || !after->honoured.set || !after->honoured.n)
        return true;
    if (asked > after->longest_us || (after->sum_us && *waited + asked > after->sum_us))
        return !after->gives_up;
    *waited += asked;
    *ret = plan_add_us(asked, retry->backoff.jitter_us);
    return true;
}

/* Repetition i, after one that came to *r, must be before until: moves *r to its moment, or false =
 * there is none.  Nothing waits for the end of the route's own span, behind which nothing
 * follows. */
static bool wait_before(const struct walk *w, const struct plan_retry *retry, int64_t i,
                        int64_t *waited, int64_t until, struct result *r)
{
    int64_t wait;

    if (!wait_asked(w, retry, i, waited, &wait))
        return false;
    if (w->counting)
        return true;
    int64_t at = plan_add_us(r->end_us, wait);
    if (at >= until && until == w->root_end)
        return false;
    r->end_us = at;
    return true;
}

static struct result walk(struct walk *w, const struct plan_node *n, int64_t now, int64_t cut)
{
    const struct prove_fault_row *f = &prove_faults[w->fault];
    int64_t span, count = n->retry.count.set ? n->retry.count.n : 0, waited = 0;
    struct result r = { .end_us = now };

    first_timer(&n->span, f->timers ? f->timers : SPAN_TIMERS, &span);
    if (w->counting)
        span = PLAN_FOREVER;
    int64_t own = plan_add_us(now, span), until = earlier(own, cut);
    if (n == w->route->route->root)
        w->root_end = own;
    for (int64_t i = 0; i <= count && now < until && w->attempts < PROVE_ATTEMPTS_MAX; i++) {
        const struct plan_node *it = n->kind == PLAN_TIERS ? tier_of(n, i) : n;
        r = it == n ? once(w, n, now, until) : walk(w, it, now, until);
        if (r.cut || r.end_us == PLAN_FOREVER || !plan_when_has(&n->retry.on, r.failure, r.status))
            break;
        if (i == count && !n->retry.backoff.also_at_the_end)
            break;
        if (!wait_before(w, &n->retry, i, &waited, until, &r))
            break;
        now = r.end_us;
    }
    if (r.end_us >= until && until < PLAN_FOREVER) {
        r.end_us = until;
        r.cut = own > cut;
        if (!r.cut && r.failure != PLAN_FAILED_STREAM) {
            r.failure = PLAN_FAILED_HEAD;
            r.status = w->plan->late_status;
        }
    }
    return r;
}

/* Answers that the SDKs try again after (B.4): no connection, 408, 409, 429 and from 500. */
static bool client_tries_again(const struct prove_options *o, const struct result *r)
{
    if (r->end_us >= o->deadline_us || r->failure == PLAN_FAILED_HEAD)
        return true;
    if (r->failure == PLAN_FAILED_STREAM)
        return false;
    return !r->status || r->status == 408 || r->status == 409 || r->status == 429 ||
           r->status >= 500;
}

static void prove_one(struct walk *w)
{
    const struct prove_fault_row *f = &prove_faults[w->fault];
    struct prove_end *end = &w->route->ends[w->fault];

    w->attempts = 0;
    struct result r = walk(w, w->route->route->root, 0, PLAN_FOREVER);
    end->at_us = r.end_us;
    end->attempts = w->attempts;
    if (w->chooses) {
        w->silent = w->counting = true;
        w->attempts = 0;
        walk(w, w->route->route->root, 0, PLAN_FOREVER);
        end->attempts = w->attempts > end->attempts ? w->attempts : end->attempts;
        w->silent = w->counting = w->chooses = false;
    }
    end->calls = end->attempts * (client_tries_again(w->o, &r) ? w->o->client->retries + 1 : 1);
    end->cost = f->billed ? end->calls : 1;
}

/* Every rung has a row, tried or not, in the order of the tree. */
static void note_all(struct walk *w, const struct plan_node *n, unsigned depth)
{
    assert(depth <= PLAN_DEPTH_MAX);
    if (n->kind == PLAN_TARGET || n->kind == PLAN_POOL) {
        bool is_new;
        struct map_entry *e = map_put(&w->route->by_name, n->name, &is_new);
        if (!is_new)
            return;
        e->value = w->route->rungs.len;
        struct prove_rung rung = { .node = n };
        for (int i = 0; i < PROVE_FAULTS; i++)
            rung.at_us[i] = -1;
        vec_push(&w->route->rungs, rung);
        return;
    }
    for (const struct plan_node *i = n->items; i; i = i->next)
        note_all(w, i, depth + 1);
}

void prove(const struct plan *p, const struct prove_options *o, struct proof *ret)
{
    for (const struct plan_route *r = p->routes; r; r = r->next) {
        vec_push(&ret->routes, ((struct prove_route){ .route = r }));
        struct prove_route *to = &ret->routes.ptr[ret->routes.len - 1];
        struct walk w = { .plan = p, .o = o, .route = to };
        note_all(&w, r->root, 0);
        for (w.fault = 0; w.fault < PROVE_FAULTS; w.fault++)
            prove_one(&w);
    }
}

void proof_release(struct proof *p)
{
    for (size_t i = 0; i < p->routes.len; i++) {
        vec_release(&p->routes.ptr[i].rungs);
        map_release(&p->routes.ptr[i].by_name);
    }
    vec_release(&p->routes);
}

enum prove_verdict prove_verdict_of(const struct prove_route *r, const struct prove_rung *rung,
                                    enum prove_fault fault, const struct prove_options *o)
{
    int64_t at = rung->at_us[fault];

    if (at >= 0 && at < o->deadline_us)
        return PROVE_REACHED;
    if (at == PLAN_FOREVER || (at < 0 && r->ends[fault].at_us == PLAN_FOREVER))
        return PROVE_NEVER;
    return at < 0 ? PROVE_NOT_TRIED : PROVE_TOO_LATE;
}

static int64_t most_of(const struct prove_route *r, size_t offset)
{
    int64_t most = 0;

    for (int i = 0; i < PROVE_FAULTS; i++) {
        int64_t n;
        memcpy(&n, (const char *)&r->ends[i] + offset, sizeof(n));
        most = n > most ? n : most;
    }
    return most;
}

int64_t prove_attempts_most(const struct prove_route *r)
{
    return most_of(r, offsetof(struct prove_end, attempts));
}

int64_t prove_calls_most(const struct prove_route *r)
{
    return most_of(r, offsetof(struct prove_end, calls));
}

int64_t prove_cost_most(const struct prove_route *r)
{
    return most_of(r, offsetof(struct prove_end, cost));
}

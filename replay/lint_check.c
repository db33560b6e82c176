/* The rules that hold for every format. */
#include "config.h"

#include "base/buf.h"
#include "base/timestamp.h"
#include "policy/policy.h"
#include "replay/lint.h"
#include "replay/lint_print.h"

#define TINY_US (100 * INT64_C(1000))

struct check {
    struct lint *lint;
    const struct plan *plan;
    const struct prove_options *o;
};

/* The names of the faults for which the rung has that verdict, and when it would be tried at
 * worst. */
static bool faults_with(const struct prove_route *r, const struct prove_rung *rung,
                        const struct prove_options *o, enum prove_verdict verdict,
                        struct buf *names, int64_t *worst)
{
    *worst = 0;
    buf_clear(names);
    for (int f = 0; f < PROVE_FAULTS; f++) {
        /* After the first token no gateway can begin anew. */
        if (!prove_faults[f].outage || prove_faults[f].failure == PLAN_FAILED_STREAM)
            continue;
        if (prove_verdict_of(r, rung, (enum prove_fault)f, o) != verdict)
            continue;
        buf_addf(names, "%s%s", names->len ? ", " : "", prove_faults[f].what);
        *worst = rung->at_us[f] > *worst ? rung->at_us[f] : *worst;
    }
    return names->len > 0;
}

/* A fallback for what is too long, not for outages. */
static bool is_for_requests(const struct prove_rung *rung)
{
    for (int f = 0; f < PROVE_FAULTS; f++)
        if (prove_faults[f].outage && rung->at_us[f] >= 0)
            return false;
    return rung->at_us[PROVE_CONTEXT] >= 0;
}

static void check_rung(const struct check *c, const struct prove_route *r,
                       const struct prove_rung *rung)
{
    CLEANUP(buf_release) struct buf names = { 0 };
    CLEANUP(buf_release) struct buf when = { 0 };
    CLEANUP(buf_release) struct buf deadline = { 0 };
    const struct plan_node *n = rung->node;
    int64_t worst;

    lint_print_us(c->o->deadline_us, &deadline);
    if (faults_with(r, rung, c->o, PROVE_TOO_LATE, &names, &worst)) {
        lint_print_us(worst, &when);
        lint_find(c->lint, LINT_UNREACHABLE, n->at,
                  "route '%.*s': '%.*s' is tried after %s when what comes before %s; the caller "
                  "waits %s",
                  STR_ARG(r->route->name), STR_ARG(n->name), buf_cstr(&when), buf_cstr(&names),
                  buf_cstr(&deadline));
    }
    if (faults_with(r, rung, c->o, PROVE_NEVER, &names, &worst))
        lint_find(c->lint, LINT_NOTHING_ENDS_IT, n->at,
                  "route '%.*s': '%.*s' is never tried when what comes before %s: no timeout fires",
                  STR_ARG(r->route->name), STR_ARG(n->name), buf_cstr(&names));
    if (!is_for_requests(rung) && faults_with(r, rung, c->o, PROVE_NOT_TRIED, &names, &worst))
        lint_find(c->lint, LINT_NOT_TRIED, n->at,
                  "route '%.*s': '%.*s' is not tried when what comes before %s",
                  STR_ARG(r->route->name), STR_ARG(n->name), buf_cstr(&names));
}

/* A stream that stops is waited for by the caller alone. */
static void check_stall(const struct check *c, const struct prove_route *r)
{
    if (r->ends[PROVE_STALL_MID].at_us == PLAN_FOREVER)
        lint_find(c->lint, LINT_STREAM_IDLE_UNSAID, r->route->at,
                  "route '%.*s': nothing ends a stream that stops in the middle",
                  STR_ARG(r->route->name));
}

static void check_route(const struct check *c, const struct prove_route *r)
{
    for (size_t i = 0; i < r->rungs.len; i++)
        check_rung(c, r, &r->rungs.ptr[i]);
    check_stall(c, r);
    if (r->rungs.len == 1)
        lint_find(c->lint, LINT_NO_FALLBACK, r->route->at, "route '%.*s' has one target",
                  STR_ARG(r->route->name));
}

/* Values copied from a node above are the same place: said once. */
static bool is_said(const struct lint *l, enum lint_rule rule, struct plan_place at)
{
    for (size_t i = 0; i < l->findings.len; i++) {
        const struct lint_finding *f = &l->findings.ptr[i];
        if (f->rule == rule && f->at.line == at.line && f->at.column == at.column &&
            str_eq(f->at.file, at.file))
            return true;
    }
    return false;
}

static void check_timeouts(const struct check *c, const struct plan_timeouts *t)
{
    for (int i = 0; i < PLAN_TIMERS; i++) {
        const struct plan_value *v = &t->of[i];
        if (!v->set || !v->at.line || v->n <= 0 || v->n >= TINY_US || i == PLAN_TIMER_CONNECT ||
            is_said(c->lint, LINT_TIMEOUT_TINY, v->at))
            continue;
        CLEANUP(buf_release) struct buf text = { 0 };
        lint_print_us(v->n, &text);
        lint_find(c->lint, LINT_TIMEOUT_TINY, v->at, "this timeout is %s", buf_cstr(&text));
    }
}

/* Targets of one fallback that are called the same are the same. */
static void check_same(const struct check *c, const struct plan_node *n)
{
    CLEANUP(map_release) struct map seen = { 0 };
    bool is_new;

    for (const struct plan_node *i = n->items; i; i = i->next) {
        map_put(&seen, i->name, &is_new);
        if (!is_new && i->kind == PLAN_TARGET)
            lint_find(c->lint, LINT_SAME_TARGET, i->at, "'%.*s' was tried before",
                      STR_ARG(i->name));
    }
}

static void check_node(const struct check *c, const struct plan_node *n)
{
    check_timeouts(c, &n->attempt);
    check_timeouts(c, &n->span);
    if (n->kind == PLAN_FALLBACK)
        check_same(c, n);
    for (const struct plan_node *i = n->items; i; i = i->next)
        check_node(c, i);
}

int lint_compile(const struct plan *p, struct err *err)
{
    CLEANUP(policy_free) struct policy *policy = NULL;
    struct plan without_budgets = *p; /* which need a price book, and nothing here knows one */

    without_budgets.budgets = NULL;
    return policy_new(&without_budgets, NULL, &policy, err);
}

void lint_check(struct lint *l, const struct plan *p, const struct proof *proof,
                const struct prove_options *o)
{
    struct check c = { .lint = l, .plan = p, .o = o };

    for (const struct plan_route *r = p->routes; r; r = r->next)
        check_node(&c, r->root);
    for (size_t i = 0; i < proof->routes.len; i++)
        check_route(&c, &proof->routes.ptr[i]);
    lint_check_access(l, p);
}

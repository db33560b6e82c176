#include "config.h"

#include "policy/plan.h"

#include <assert.h>
#include <stdlib.h>

const char *const plan_mode_names[] = {
    [PLAN_MODE_OFF] = "off",         [PLAN_MODE_OBSERVE] = "observe", [PLAN_MODE_WARN] = "warn",
    [PLAN_MODE_ENFORCE] = "enforce", [PLAN_MODE_UNSAID] = NULL,
};

bool plan_mode_parse(struct str text, enum plan_mode *ret)
{
    for (int i = 0; plan_mode_names[i]; i++)
        if (str_eq(text, str_from(plan_mode_names[i]))) {
            *ret = (enum plan_mode)i;
            return true;
        }
    return false;
}

struct plan *plan_new(const char *format)
{
    struct plan *p = mem_calloc(1, sizeof(*p));

    p->format = format;
    p->mode = PLAN_MODE_ENFORCE;
    p->assume_input = PLAN_ASSUME_INPUT;
    p->assume_output = PLAN_ASSUME_OUTPUT;
    return p;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    arena_release(&p->arena);
    free(p);
}

struct plan_route *plan_add_route(struct plan *p, struct str name, struct plan_place at)
{
    struct plan_route *r = arena_alloc(&p->arena, sizeof(*r));

    r->name = arena_str(&p->arena, name);
    r->at = at;
    r->mode = PLAN_MODE_UNSAID;
    if (p->last_route)
        p->last_route->next = r;
    else
        p->routes = r;
    p->last_route = r;
    return r;
}

struct plan_node *plan_node_new(struct plan *p, enum plan_kind kind, struct str name,
                                struct plan_place at, struct err *err)
{
    if (p->nodes == PLAN_NODES_MAX) {
        err_set(err, ERR_LIMIT,
                "%.*s:%u:%u: the routes come to more than %d targets and groups: fallbacks of "
                "fallbacks multiply",
                STR_ARG(at.file), at.line, at.column, PLAN_NODES_MAX);
        return NULL;
    }
    p->nodes++;
    struct plan_node *n = arena_alloc(&p->arena, sizeof(*n));
    n->kind = kind;
    n->name = arena_str(&p->arena, name);
    n->at = at;
    return n;
}

void plan_node_add(struct plan_node *parent, struct plan_node *child)
{
    assert(parent->kind != PLAN_TARGET && !child->next);
    if (parent->last)
        parent->last->next = child;
    else
        parent->items = child;
    parent->last = child;
    parent->len++;
}

void plan_when_add_kinds(struct plan_when *w, uint32_t kinds)
{
    w->kinds |= kinds;
    w->set = true;
}

void plan_when_add_status(struct plan_when *w, int status)
{
    w->set = true;
    if (status >= 0 && status < PLAN_STATUS_MAX)
        w->status[status / 8] |= (uint8_t)(1u << status % 8);
}

void plan_when_add_statuses(struct plan_when *w, int from, int to)
{
    for (int status = from; status <= to; status++)
        plan_when_add_status(w, status);
}

bool plan_when_has(const struct plan_when *w, enum plan_failure kind, int status)
{
    if (w->never >> kind & 1)
        return false;
    if (w->kinds >> kind & 1)
        return true;
    return status > 0 && status < PLAN_STATUS_MAX && (w->status[status / 8] >> status % 8 & 1);
}

int64_t plan_add_us(int64_t a, int64_t b)
{
    assert(a >= 0 && b >= 0);
    return a > PLAN_FOREVER - b ? PLAN_FOREVER : a + b;
}

int64_t plan_times_us(int64_t a, int64_t n)
{
    assert(a >= 0 && n >= 0);
    return n && a > PLAN_FOREVER / n ? PLAN_FOREVER : a * n;
}

int64_t plan_backoff_longest(const struct plan_backoff *b, int64_t n)
{
    int64_t cap = b->cap.set ? b->cap.n : PLAN_FOREVER;
    int64_t wait = b->base.set ? b->base.n : 0;

    if (b->first_twice && n > 0)
        n--;
    for (int64_t i = 0; i < n && wait && wait < cap && b->factor_percent > 100; i++)
        wait =
            wait > PLAN_FOREVER / b->factor_percent ? PLAN_FOREVER : wait * b->factor_percent / 100;
    if (wait > cap)
        wait = cap;
    if (wait < PLAN_FOREVER / 1000) {
        int64_t plain = wait;
        wait += plain * b->spread_percent / 100 + plain * b->jitter_percent / 100;
    }
    wait = plan_add_us(wait, b->jitter_us);
    return b->cap_is_last && wait > cap ? cap : wait;
}

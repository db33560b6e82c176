#include "config.h"

#include "migrate/portfolio.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* Of one reading. */
struct fold {
    struct portfolio *portfolio;
    size_t open_room;
};

struct portfolio_app *portfolio_find(const struct portfolio *p, struct str app)
{
    const struct programme_app *found = programme_find_app(p->programme, app);

    return found ? &p->apps[found - p->programme->apps] : NULL;
}

/* A list in the arena with room for one more: it doubles whenever its length is a power of two. */
static void *grow(struct arena *arena, void *list, size_t len, size_t item_bytes)
{
    if (len & (len - 1))
        return list;
    void *larger = arena_alloc(arena, (len ? 2 * len : 1) * item_bytes);
    if (len)
        memcpy(larger, list, len * item_bytes);
    return larger;
}

static void mark(struct portfolio_app *a, int32_t share, bool is_bad)
{
    for (size_t i = 0; i < a->checkpoint_count; i++)
        if (a->checkpoints[i].share == share)
            a->checkpoints[i].is_bad = is_bad;
}

static bool is_bad(const struct portfolio_app *a, int32_t share)
{
    for (size_t i = 0; i < a->checkpoint_count; i++)
        if (a->checkpoints[i].share == share && a->checkpoints[i].is_bad)
            return true;
    return false;
}

/* The application is at another share from now on. */
static void set_share(struct portfolio *p, struct portfolio_app *a, const struct rollout_entry *e,
                      int32_t share)
{
    a->checkpoints = grow(&p->arena, a->checkpoints, a->checkpoint_count, sizeof(*a->checkpoints));
    a->checkpoints[a->checkpoint_count] = (struct portfolio_checkpoint){
        .share = share,
        .since_us = e->at_us,
        .epoch = e->epoch,
        .is_bad = is_bad(a, share),
    };
    a->checkpoint_count++;
    if (a->share == 0 && share > 0) {
        a->attempts++;
        if (!a->first_us)
            a->first_us = e->at_us;
    }
    a->share = share;
    a->since_us = e->at_us;
    a->epoch = e->epoch;
}

/* What was committed: the intent's moves, at the commit's time. */
static void commit(struct portfolio *p, const struct rollout_entry *intent,
                   const struct rollout_entry *committed)
{
    for (size_t i = 0; i < intent->move_count; i++) {
        const struct rollout_move *m = &intent->moves[i];
        struct portfolio_app *a = portfolio_find(p, m->app);
        if (!a)
            continue;
        if (intent->why == ROLLOUT_ROLLBACK) {
            mark(a, m->from, true);
            a->rollbacks++;
            a->last_rollback = intent;
        } else {
            mark(a, m->to, false);
        }
        set_share(p, a, committed, m->to);
    }
}

static void accept(struct portfolio *p, const struct rollout_entry *e)
{
    for (size_t i = 0; i < e->move_count; i++) {
        struct portfolio_app *a = portfolio_find(p, e->moves[i].app);
        if (a && a->share != e->moves[i].to)
            set_share(p, a, e, e->moves[i].to);
    }
}

/* The open step at an actuator is taken from the list; NULL if there is none. */
static const struct rollout_entry *end_step(struct portfolio *p, struct str actuator)
{
    for (size_t i = 0; i < p->open_count; i++) {
        const struct rollout_entry *intent = p->open[i];
        if (!str_eq(intent->actuator, actuator))
            continue;
        p->open_count--;
        memmove(&p->open[i], &p->open[i + 1], (p->open_count - i) * sizeof(p->open[0]));
        return intent;
    }
    return NULL;
}

static void take_intent(struct fold *f, const struct rollout_entry *e)
{
    struct portfolio *p = f->portfolio;

    if (p->open_count == f->open_room) {
        const struct rollout_entry **larger =
            arena_alloc(&p->arena, (2 * f->open_room + 8) * sizeof(*larger));
        if (p->open_count)
            memcpy(larger, p->open, p->open_count * sizeof(*larger));
        p->open = larger;
        f->open_room = 2 * f->open_room + 8;
    }
    p->open[p->open_count++] = e;
}

static void take_committed(struct fold *f, const struct rollout_entry *e)
{
    const struct rollout_entry *intent = end_step(f->portfolio, e->actuator);

    if (intent)
        commit(f->portfolio, intent, e);
}

static void take_aborted(struct fold *f, const struct rollout_entry *e)
{
    end_step(f->portfolio, e->actuator);
}

static void take_accepted(struct fold *f, const struct rollout_entry *e)
{
    end_step(f->portfolio, e->actuator);
    accept(f->portfolio, e);
}

/* Where the latest entry of a kind about an application is kept. */
static const size_t places[ROLLOUT_KIND_COUNT] = {
    [ROLLOUT_READY] = offsetof(struct portfolio_app, ready),
    [ROLLOUT_PREFLIGHT] = offsetof(struct portfolio_app, preflight),
    [ROLLOUT_REHEARSED] = offsetof(struct portfolio_app, rehearsal),
    [ROLLOUT_JUDGED] = offsetof(struct portfolio_app, last_verdict),
    [ROLLOUT_HELD] = offsetof(struct portfolio_app, last_hold),
};

static void take_remark(struct fold *f, const struct rollout_entry *e)
{
    struct portfolio_app *a = portfolio_find(f->portfolio, e->app);

    if (a)
        memcpy((char *)a + places[e->kind], &e, sizeof(const struct rollout_entry *));
}

static void take_approved(struct fold *f, const struct rollout_entry *e)
{
    struct portfolio_app *a = portfolio_find(f->portfolio, e->app);

    if (!a)
        return;
    a->approvals = grow(&f->portfolio->arena, a->approvals, a->approval_count,
                        sizeof(const struct rollout_entry *));
    a->approvals[a->approval_count++] = e;
}

static void (*const takes[ROLLOUT_KIND_COUNT])(struct fold *f, const struct rollout_entry *e) = {
    [ROLLOUT_READY] = take_remark,     [ROLLOUT_PREFLIGHT] = take_remark,
    [ROLLOUT_REHEARSED] = take_remark, [ROLLOUT_APPROVED] = take_approved,
    [ROLLOUT_JUDGED] = take_remark,    [ROLLOUT_HELD] = take_remark,
    [ROLLOUT_INTENT] = take_intent,    [ROLLOUT_COMMITTED] = take_committed,
    [ROLLOUT_ABORTED] = take_aborted,  [ROLLOUT_ACCEPTED] = take_accepted,
};

int portfolio_read(const struct programme *p, const struct rollout *r, struct portfolio **ret,
                   struct err *err)
{
    struct portfolio *made = mem_calloc(1, sizeof(*made));
    struct fold f = { .portfolio = made };

    (void)err;
    made->programme = p;
    made->rollout = r;
    made->apps = arena_alloc(&made->arena, p->app_count * sizeof(*made->apps));
    for (size_t i = 0; i < p->app_count; i++)
        made->apps[i].app = &p->apps[i];
    for (size_t i = 0; i < rollout_count(r); i++) {
        const struct rollout_entry *e = rollout_at(r, i);
        if (takes[e->kind])
            takes[e->kind](&f, e);
    }
    made->gone = portfolio_gone(p, r, INT64_MAX);
    *ret = made;
    return 0;
}

size_t portfolio_gone(const struct programme *p, const struct rollout *r, int64_t until_us)
{
    CLEANUP(map_release) struct map names = { 0 };

    for (size_t i = 0; i < rollout_count(r); i++) {
        const struct rollout_entry *e = rollout_at(r, i);
        for (size_t m = 0; e->at_us < until_us && m < e->move_count; m++)
            if (!programme_find_app(p, e->moves[m].app))
                map_put(&names, e->moves[m].app, NULL);
    }
    return names.len;
}

void portfolio_free(struct portfolio *p)
{
    if (!p)
        return;
    arena_release(&p->arena);
    free(p);
}

int portfolio_stage(const struct portfolio_app *a)
{
    int stage = -1;

    for (size_t i = 0; i < a->app->stage_count; i++)
        if (a->app->stages[i].share <= a->share)
            stage = (int)i;
    return stage;
}

enum portfolio_phase portfolio_phase(const struct portfolio_app *a, int64_t now_us)
{
    const struct programme_app *app = a->app;

    if (a->share == 0)
        return a->first_us ? PORTFOLIO_BACK : PORTFOLIO_WAITING;
    if (a->share < ROLLOUT_ALL)
        return PORTFOLIO_MOVING;
    int64_t bake_us = app->stage_count ? app->stages[app->stage_count - 1].bake_us : 0;
    return now_us - a->since_us < bake_us ? PORTFOLIO_BAKING : PORTFOLIO_DONE;
}

int32_t portfolio_good_share(const struct portfolio_app *a)
{
    for (size_t i = a->checkpoint_count; i-- > 0;) {
        const struct portfolio_checkpoint *c = &a->checkpoints[i];
        if (c->share < a->share && !c->is_bad)
            return c->share;
    }
    return 0;
}

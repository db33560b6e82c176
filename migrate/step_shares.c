#include "config.h"

#include "migrate/step_shares.h"

#include <stdlib.h>
#include <string.h>

static int by_app(const void *a, const void *b)
{
    return str_cmp(((const struct actuator_share *)a)->app,
                   ((const struct actuator_share *)b)->app);
}

static void sort(struct step_shares *s)
{
    if (s->len)
        qsort(s->list, s->len, sizeof(*s->list), by_app);
}

int step_shares_read(const struct actuator *a, const struct actuator_live *live,
                     struct arena *arena, struct step_shares *ret, struct err *err)
{
    *ret = (struct step_shares){ 0 };
    if (!live->is_there || !live->bytes.len)
        return 0;
    if (a->driver->parse(a, buf_str(&live->bytes), arena, &ret->list, &ret->len, &ret->epoch, err) <
        0)
        return -1;
    sort(ret);
    return 0;
}

const struct actuator_share *step_shares_find(const struct step_shares *s, struct str app)
{
    const struct actuator_share wanted = { .app = app };

    return s->len ? bsearch(&wanted, s->list, s->len, sizeof(*s->list), by_app) : NULL;
}

/* --- after a step --- */

struct planner {
    const struct portfolio *portfolio;
    const struct step_wanted *wanted;
    struct step_shares live;
    const struct rollout_move **moves; /* by the programme's apps; NULL = it stays */
};

/* Where it was moved last: "" if nowhere. */
static struct str mover_of(const struct portfolio *p, struct str app)
{
    for (size_t i = rollout_count(p->rollout); i > 0; i--) {
        const struct rollout_entry *e = rollout_at(p->rollout, i - 1);
        for (size_t k = 0; k < e->move_count; k++)
            if (str_eq(e->moves[k].app, app))
                return e->actuator;
    }
    return STR("");
}

static int check_place(const struct planner *pl, const struct rollout_move *move, struct err *err)
{
    struct str here = pl->wanted->actuator->name, there = mover_of(pl->portfolio, move->app);
    const struct actuator_share *live = step_shares_find(&pl->live, move->app);

    if ((live ? live->share : 0) == move->from)
        return 0;
    return err_set(err, ERR_USAGE,
                   "'%.*s' was moved at actuator '%.*s', and the plan has it at '%.*s' now: let it "
                   "be at '%.*s' until it is back at 0",
                   STR_ARG(move->app), STR_ARG(there), STR_ARG(here), STR_ARG(there));
}

/* The shares that the ledger has committed there, for bytes that are as it says and cannot be read:
 * of what the plan does not have nothing is known then. */
static void take_committed(struct planner *pl, struct arena *arena)
{
    const struct portfolio *p = pl->portfolio;
    struct str here = pl->wanted->actuator->name;
    size_t count = p->programme->app_count;

    pl->live.list = arena_alloc(arena, (count + 1) * sizeof(*pl->live.list));
    pl->live.len = 0;
    for (size_t i = 0; i < count; i++) {
        struct str app = p->programme->apps[i].name;
        if (p->apps[i].share && str_eq(mover_of(p, app), here))
            pl->live.list[pl->live.len++] =
                (struct actuator_share){ .app = app, .share = p->apps[i].share };
    }
    sort(&pl->live);
}

static int take_move(struct planner *pl, const struct rollout_move *move, struct err *err)
{
    const struct portfolio *p = pl->portfolio;
    const struct programme_app *app = programme_find_app(p->programme, move->app);

    if (!app || app->actuator != pl->wanted->actuator)
        return err_set(err, ERR_USAGE, "'%.*s' is no application of actuator '%.*s'",
                       STR_ARG(move->app), STR_ARG(pl->wanted->actuator->name));
    if (move->to == move->from)
        return err_set(err, ERR_USAGE, "'%.*s' is at %d already", STR_ARG(move->app), move->to);
    if (move->to < 0 || move->to > ROLLOUT_ALL)
        return err_set(err, ERR_USAGE, "'%.*s': a share of %d is not within 0 to %d",
                       STR_ARG(move->app), move->to, ROLLOUT_ALL);
    size_t i = (size_t)(app - p->programme->apps);
    if (pl->moves[i])
        return err_set(err, ERR_USAGE, "'%.*s' is to move twice", STR_ARG(move->app));
    if (p->apps[i].share != move->from)
        return err_set(err, ERR_USAGE, "'%.*s' is at %d, not at %d", STR_ARG(move->app),
                       p->apps[i].share, move->from);
    pl->moves[i] = move;
    return check_place(pl, move, err);
}

/* What a program of its own says of shares need not be more than application and share. */
static bool is_whole(const struct actuator_share *s)
{
    return s->direct.len && s->gateway.len && s->key.len;
}

static struct actuator_share row_of(const struct programme_app *app,
                                    const struct actuator_share *live,
                                    const struct rollout_move *move)
{
    struct actuator_share s = {
        .app = app->name, .direct = app->direct, .gateway = app->gateway, .key = app->key
    };
    bool goes_up = move && move->to > move->from;

    if (live && live->share > 0 && !goes_up && is_whole(live))
        s = *live;
    s.share = move ? move->to : live ? live->share : 0;
    return s;
}

/* Whether there is a row for an application.  Of one at 0 that stays there it is the plan's if the
 * driver takes it, else the live one: what it lacks must not stop others' steps. */
static bool has_row(const struct planner *pl, size_t i, struct actuator_share *s)
{
    const struct actuator *a = pl->wanted->actuator;
    const struct actuator_share *live = step_shares_find(&pl->live, s->app);
    struct err ignored;

    if (pl->moves[i] || s->share)
        return true;
    if (pl->portfolio->programme->apps[i].retired)
        return false;
    if (!a->driver->admits || a->driver->admits(a, s, &ignored) == 0)
        return true;
    if (!live || !is_whole(live))
        return false;
    *s = *live;
    return true;
}

static bool is_planned(const struct planner *pl, struct str app)
{
    const struct programme_app *is = programme_find_app(pl->portfolio->programme, app);

    return is && is->actuator == pl->wanted->actuator;
}

static void collect(const struct planner *pl, struct step_shares *ret)
{
    const struct programme *p = pl->portfolio->programme;
    const struct actuator_share *dummy = pl->wanted->dummy;

    for (size_t i = 0; i < p->app_count; i++) {
        const struct programme_app *app = &p->apps[i];
        if (app->actuator != pl->wanted->actuator)
            continue;
        struct actuator_share s = row_of(app, step_shares_find(&pl->live, app->name), pl->moves[i]);
        if (has_row(pl, i, &s))
            ret->list[ret->len++] = s;
    }
    for (size_t i = 0; i < pl->live.len; i++) {
        const struct actuator_share *s = &pl->live.list[i];
        bool is_dummy = dummy && str_eq(s->app, dummy->app);
        if (s->share && is_whole(s) && !is_dummy && !is_planned(pl, s->app))
            ret->list[ret->len++] = *s;
    }
    if (dummy)
        ret->list[ret->len++] = *dummy;
    sort(ret);
}

int step_shares_after(const struct portfolio *p, const struct step_wanted *w,
                      const struct actuator_live *live, struct arena *arena,
                      struct step_shares *ret, struct err *err)
{
    struct planner pl = { .portfolio = p, .wanted = w };
    size_t count = p->programme->app_count;

    *ret = (struct step_shares){ 0 };
    if (step_shares_read(w->actuator, live, arena, &pl.live, err) < 0) {
        if (w->why != ROLLOUT_ROLLBACK) /* which nothing but drift may stop */
            return -1;
        take_committed(&pl, arena);
    }
    pl.moves = arena_alloc(arena, (count + 1) * sizeof(*pl.moves));
    memset(pl.moves, 0, (count + 1) * sizeof(*pl.moves));
    for (size_t i = 0; i < w->move_count; i++)
        if (take_move(&pl, &w->moves[i], err) < 0)
            return -1;
    ret->list = arena_alloc(arena, (count + pl.live.len + 1) * sizeof(*ret->list));
    collect(&pl, ret);
    return 0;
}

/* An application's share over time, from the rollout's entries. */
#include "config.h"

#include "migrate/verdict_parts.h"

/* A step that has begun and not ended. */
struct open_step {
    bool is_open;
    uint64_t epoch;
    int32_t from, to;
    int64_t at_us;
};

static const struct rollout_move *move_of(const struct rollout_entry *e, struct str app)
{
    for (size_t i = 0; i < e->move_count; i++)
        if (str_eq(e->moves[i].app, app))
            return &e->moves[i];
    return NULL;
}

static void add(struct history *h, int64_t from_us, int32_t share)
{
    vec_push(&h->stretches, ((struct history_stretch){ from_us, share }));
    if (share != HISTORY_BETWEEN)
        h->share = share;
}

static void begin(struct history *h, const struct rollout_entry *e, const struct rollout_move *m,
                  struct open_step *open)
{
    *open = (struct open_step){ true, e->epoch, h->share, m->to, e->at_us };
    add(h, e->at_us, HISTORY_BETWEEN);
    if (h->first_us == INT64_MAX && m->to > 0)
        h->first_us = e->at_us;
}

static void commit(struct history *h, const struct rollout_entry *e, struct open_step *open)
{
    if (open->from == 0 && open->to > 0) {
        h->attempt++;
        h->from_us = open->at_us;
        /* What was accepted was live before: it has what epoch it likes. */
        h->first_epoch = e->kind == ROLLOUT_ACCEPTED ? 0 : open->epoch;
    }
    add(h, e->at_us, open->to);
    open->is_open = false;
}

/* Until somebody puts back what was live: steps begin nowhere else. */
static bool has_drifted(const struct history *h)
{
    return h->stretches.len && h->stretches.ptr[h->stretches.len - 1].share == HISTORY_BETWEEN;
}

static void read_entry(const struct rollout_entry *e, const struct programme_app *app,
                       struct open_step *open, struct history *h)
{
    const struct rollout_move *m = move_of(e, app->name);
    bool is_here = app->actuator && str_eq(e->actuator, app->actuator->name);

    if (e->kind == ROLLOUT_INTENT && m) {
        begin(h, e, m, open);
    } else if (e->kind == ROLLOUT_INTENT && is_here && has_drifted(h)) {
        add(h, e->at_us, h->share);
    } else if (e->kind == ROLLOUT_COMMITTED && open->is_open && e->epoch == open->epoch) {
        commit(h, e, open);
    } else if (e->kind == ROLLOUT_ABORTED && open->is_open && e->epoch == open->epoch) {
        add(h, e->at_us, open->from);
        open->is_open = false;
    } else if (e->kind == ROLLOUT_DRIFTED && (is_here || m || str_eq(e->app, app->name))) {
        add(h, e->at_us, HISTORY_BETWEEN);
    } else if (e->kind == ROLLOUT_ACCEPTED && m) {
        *open = (struct open_step){ true, e->epoch, h->share, m->to, e->at_us };
        commit(h, e, open);
    } else if (e->kind == ROLLOUT_ACCEPTED && is_here) {
        add(h, e->at_us, h->share);
    }
}

void history_read(const struct rollout *r, const struct programme_app *app, int64_t until_us,
                  struct history *ret)
{
    struct open_step open = { 0 };

    *ret = (struct history){ .first_us = INT64_MAX };
    for (size_t i = 0; i < rollout_count(r); i++)
        if (rollout_at(r, i)->at_us < until_us)
            read_entry(rollout_at(r, i), app, &open, ret);
}

int32_t history_share_at(const struct history *h, int64_t at_us)
{
    size_t low = 0, high = h->stretches.len;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (h->stretches.ptr[middle].from_us <= at_us)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? 0 : h->stretches.ptr[low - 1].share;
}

void history_release(struct history *h)
{
    vec_release(&h->stretches);
}

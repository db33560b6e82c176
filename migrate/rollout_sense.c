#include "config.h"

#include "migrate/rollout_sense.h"

#include <inttypes.h>

static struct rollout_open_step *find_open(struct rollout_sense *s, struct str actuator)
{
    for (size_t i = 0; i < s->open.len; i++)
        if (str_eq(s->open.ptr[i].intent->actuator, actuator))
            return &s->open.ptr[i];
    return NULL;
}

static void end_step(struct rollout_sense *s, const struct rollout_open_step *step)
{
    size_t i = (size_t)(step - s->open.ptr);

    s->open.ptr[i] = s->open.ptr[--s->open.len];
}

static int32_t share_of(const struct rollout_sense *s, struct str app)
{
    const struct map_entry *at = map_find(&s->shares, app);

    return at ? (int32_t)at->value : 0;
}

static void set_shares(struct rollout_sense *s, const struct rollout_entry *e)
{
    for (size_t i = 0; i < e->move_count; i++)
        map_put(&s->shares, e->moves[i].app, NULL)->value = (uint64_t)e->moves[i].to;
}

/* One of a step's moves. */
static int check_move(struct rollout_sense *s, const struct rollout_entry *e,
                      const struct rollout_move *m, struct err *err)
{
    struct map_entry *named = map_put(&s->named, m->app, NULL);
    int32_t share = share_of(s, m->app);

    if (named->value == s->turn)
        return err_set(err, ERR_CORRUPT, "moves '%.*s' twice", STR_ARG(m->app));
    named->value = s->turn;
    if (m->from != share)
        return err_set(err, ERR_CORRUPT,
                       "moves '%.*s' from a share of %d of 10000, but %d was committed",
                       STR_ARG(m->app), (int)m->from, (int)share);
    if (e->why == ROLLOUT_ADVANCE && m->to <= m->from)
        return err_set(err, ERR_CORRUPT, "is an advance that does not raise '%.*s'",
                       STR_ARG(m->app));
    if (e->why == ROLLOUT_ROLLBACK && m->to > m->from)
        return err_set(err, ERR_CORRUPT, "is a rollback that raises '%.*s'", STR_ARG(m->app));
    return 0;
}

static int take_intent(struct rollout_sense *s, const struct rollout_entry *e, struct err *err)
{
    const struct rollout_open_step *open = find_open(s, e->actuator);

    if (e->why == ROLLOUT_NO_STEP || !e->actuator.len)
        return err_set(err, ERR_CORRUPT, "begins a step without 'why' or without 'actuator'");
    if (open)
        return err_set(err, ERR_CORRUPT,
                       "begins a step at '%.*s' while that of entry %" PRIu64 " has not ended",
                       STR_ARG(e->actuator), open->intent->seq);
    if (e->epoch <= s->epoch)
        return err_set(err, ERR_CORRUPT, "has epoch %" PRIu64 ", which is not after %" PRIu64,
                       e->epoch, s->epoch);
    if ((e->why == ROLLOUT_REHEARSE) != (e->move_count == 0))
        return err_set(err, ERR_CORRUPT,
                       e->move_count ? "is a rehearsal that moves something"
                                     : "begins a step that moves nothing");
    s->turn++;
    for (size_t i = 0; i < e->move_count; i++)
        if (check_move(s, e, &e->moves[i], err) < 0)
            return -1;
    vec_push(&s->open, (struct rollout_open_step){ .intent = e });
    s->epoch = e->epoch;
    return 0;
}

/* The open step that e goes on with; NULL with err. */
static struct rollout_open_step *find_step(struct rollout_sense *s, const struct rollout_entry *e,
                                           struct err *err)
{
    struct rollout_open_step *step = find_open(s, e->actuator);

    if (step && step->intent->epoch == e->epoch)
        return step;
    err_set(err, ERR_CORRUPT,
            "goes on with epoch %" PRIu64 " at '%.*s', where no such step is open", e->epoch,
            STR_ARG(e->actuator));
    return NULL;
}

static int take_applied(struct rollout_sense *s, const struct rollout_entry *e, struct err *err)
{
    struct rollout_open_step *step = find_step(s, e, err);

    if (!step)
        return -1;
    step->is_applied = true;
    return 0;
}

static int take_verified(struct rollout_sense *s, const struct rollout_entry *e, struct err *err)
{
    struct rollout_open_step *step = find_step(s, e, err);

    if (!step)
        return -1;
    if (!step->is_applied)
        return err_set(err, ERR_CORRUPT, "verifies what was not applied");
    step->is_verified = true;
    return 0;
}

static int take_committed(struct rollout_sense *s, const struct rollout_entry *e, struct err *err)
{
    struct rollout_open_step *step = find_step(s, e, err);

    if (!step)
        return -1;
    if (!step->is_verified)
        return err_set(err, ERR_CORRUPT, "commits what was not verified");
    if (step->intent->why == ROLLOUT_REHEARSE)
        return err_set(err, ERR_CORRUPT, "commits a rehearsal");
    set_shares(s, step->intent);
    end_step(s, step);
    return 0;
}

static int take_aborted(struct rollout_sense *s, const struct rollout_entry *e, struct err *err)
{
    struct rollout_open_step *step = find_step(s, e, err);

    if (!step)
        return -1;
    end_step(s, step);
    return 0;
}

static int take_accepted(struct rollout_sense *s, const struct rollout_entry *e, struct err *err)
{
    const struct rollout_open_step *step = find_open(s, e->actuator);

    if (!e->actuator.len)
        return err_set(err, ERR_CORRUPT, "accepts what is live without saying where");
    if (step)
        end_step(s, step);
    set_shares(s, e);
    if (e->epoch > s->epoch)
        s->epoch = e->epoch;
    return 0;
}

/* Kinds that are not here say what was seen or decided, at any time. */
static int (*const rules[ROLLOUT_KIND_COUNT])(struct rollout_sense *s,
                                              const struct rollout_entry *e, struct err *err) = {
    [ROLLOUT_INTENT] = take_intent,     [ROLLOUT_APPLIED] = take_applied,
    [ROLLOUT_VERIFIED] = take_verified, [ROLLOUT_COMMITTED] = take_committed,
    [ROLLOUT_ABORTED] = take_aborted,   [ROLLOUT_ACCEPTED] = take_accepted,
};

int rollout_sense_take(struct rollout_sense *s, const struct rollout_entry *e, struct err *err)
{
    return rules[e->kind] ? rules[e->kind](s, e, err) : 0;
}

void rollout_sense_release(struct rollout_sense *s)
{
    map_release(&s->shares);
    map_release(&s->named);
    vec_release(&s->open);
}

#include "config.h"

#include "migrate/step_live.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/vec.h"
#include "migrate/step_shares.h"

#define MARKER_DIGITS 12
#define PUT_BACK_US   (INT64_C(30) * 1000000)

int64_t step_now_us(const struct step_context *c)
{
    return c->wall_us + c->wait.now_us(c->wait.ctx) - c->began_us;
}

/* The plan that entries name is kept beside them, from the first that does. */
static int keep_plan(const struct step_context *c, struct err *err)
{
    char sha[ROLLOUT_SHA_BYTES];

    for (size_t i = rollout_count(c->rollout); i > 0; i--)
        if (str_eq(rollout_at(c->rollout, i - 1)->plan, c->programme->sha))
            return 0;
    return rollout_put_blob(c->rollout, c->programme->bytes, sha, err);
}

int step_note(const struct step_context *c, const struct rollout_entry *e, struct err *err)
{
    struct rollout_entry dated = *e;
    size_t count = rollout_count(c->rollout);
    int64_t last_us = count ? rollout_at(c->rollout, count - 1)->at_us : 0;
    char plan[ROLLOUT_SHA_BYTES]; /* an entry names no blob that is not there */

    /* A clock that was put back makes no entry older than the one before it. */
    dated.at_us = step_now_us(c) > last_us ? step_now_us(c) : last_us;
    if (e->plan.len && rollout_put_blob(c->rollout, c->programme->bytes, plan, err) < 0)
        return -1;
    if ((e->plan.len && keep_plan(c, err) < 0) || rollout_append(c->rollout, &dated, err) < 0)
        return -1;
    if (c->told)
        c->told(c->told_ctx, rollout_at(c->rollout, count));
    return 0;
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789abcdef", s.ptr[i]))
            return false;
    return true;
}

void step_marker(const struct actuator *a, struct str bytes, char ret[static ACTUATOR_MARKER_BYTES])
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share *shares;
    char prefix[ACTUATOR_MARKER_BYTES];
    uint64_t epoch;
    size_t count;
    struct err err;

    ret[0] = '\0';
    if (!bytes.len || a->driver->parse(a, bytes, &arena, &shares, &count, &epoch, &err) < 0)
        return;
    snprintf(prefix, sizeof(prefix), "e%" PRIu64 "-", epoch);
    struct str sought = str_from(prefix);
    for (ptrdiff_t at = str_find(bytes, sought, 0); at >= 0;
         at = str_find(bytes, sought, (size_t)at + 1)) {
        struct str digits = str_sub(bytes, (size_t)at + sought.len, MARKER_DIGITS);
        if (digits.len == MARKER_DIGITS && is_hex(digits)) {
            snprintf(ret, ACTUATOR_MARKER_BYTES, "%s%.*s", prefix, STR_ARG(digits));
            return;
        }
    }
}

bool step_is_live(const struct actuator_live *live, struct str sha)
{
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    if (!live->is_there || !sha.len)
        return !live->is_there && !sha.len;
    sha256_of(buf_str(&live->bytes), hash);
    return str_eq(str_from(hex_encode(hash, sizeof(hash), hex)), sha);
}

/* Nothing is known of it yet: an empty file, or one of ours that says what the ledger does. */
static bool is_first_state(const struct portfolio *p, const struct actuator *a,
                           const struct actuator_live *live, uint64_t *ret_epoch)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share *shares;
    size_t count;
    struct err err;

    *ret_epoch = 0;
    if (!live->is_there || !live->bytes.len)
        return true;
    if (a->driver->parse(a, buf_str(&live->bytes), &arena, &shares, &count, ret_epoch, &err) < 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct portfolio_app *app = portfolio_find(p, shares[i].app);
        if (shares[i].share != (app ? app->share : 0))
            return false;
    }
    return *ret_epoch <= rollout_epoch(p->rollout);
}

static void say_difference(const struct step_context *c, const struct actuator *a,
                           const struct actuator_live *live, const struct rollout_entry *settled,
                           struct buf *ret)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct actuator_share *shares;
    uint64_t epoch, ours = rollout_epoch(c->rollout);
    size_t count;
    struct err err;

    buf_clear(ret);
    buf_addf(ret, "actuator '%.*s': ", STR_ARG(a->name));
    if (!live->is_there)
        buf_add_text(ret, "its file is gone");
    else if (a->driver->parse(a, buf_str(&live->bytes), &arena, &shares, &count, &epoch, &err) < 0)
        buf_add_text(ret, "what is live was not written by weir migrate");
    else if (epoch > ours)
        buf_addf(ret,
                 "what is live was written at epoch %" PRIu64
                 ", and this ledger has come to %" PRIu64
                 ": another rollout changes the same traffic, or this ledger is an old copy",
                 epoch, ours);
    else
        buf_addf(ret, "what is live (epoch %" PRIu64 ") is not what the ledger says was made live",
                 epoch);
    buf_add_text(ret, "; see 'weir migrate drift'");
    if (settled && settled->after.len)
        buf_addf(ret, "; what was made live is blobs/%.*s", STR_ARG(settled->after));
}

int step_look(const struct step_context *c, const struct portfolio *p, const struct actuator *a,
              const struct actuator_live *live, struct buf *ret_why)
{
    const struct rollout_entry *settled = rollout_last_settled(c->rollout, a->name);
    uint64_t epoch;

    if (settled ? step_is_live(live, settled->after) : is_first_state(p, a, live, &epoch))
        return 1;
    say_difference(c, a, live, settled, ret_why);
    return 0;
}

int step_note_drift(const struct step_context *c, const struct actuator *a,
                    const struct actuator_live *live, struct str why, struct err *err)
{
    struct rollout_entry e = {
        .kind = ROLLOUT_DRIFTED, .actuator = a->name, .detail = why, .plan = c->programme->sha
    };
    char sha[ROLLOUT_SHA_BYTES] = "";

    for (size_t i = rollout_count(c->rollout); i > 0; i--) {
        const struct rollout_entry *last = rollout_at(c->rollout, i - 1);
        if (!str_eq(last->actuator, a->name))
            continue;
        if (last->kind == ROLLOUT_DRIFTED && step_is_live(live, last->after))
            return 0;
        break;
    }
    if (live->is_there && rollout_put_blob(c->rollout, buf_str(&live->bytes), sha, err) < 0)
        return -1;
    e.after = str_from(sha);
    return step_note(c, &e, err);
}

/* How far the plan's own dates and bakes would have let the app come by now. */
static int32_t planned_share(const struct programme_app *app, int64_t now_us)
{
    int64_t at_us = programme_date(app);
    int32_t share = 0;

    if (app->retired)
        return 0;
    for (size_t i = 0; i < app->stage_count && at_us <= now_us; i++) {
        share = app->stages[i].share;
        at_us += app->stages[i].bake_us;
    }
    return share;
}

struct drifts {
    VEC(struct step_drift) list;
};

/* What the plan and the ledger have, and what is live of it. */
static void compare_apps(const struct step_context *c, const struct portfolio *p,
                         const struct actuator *a, const struct step_shares *shares,
                         struct drifts *out)
{
    int64_t now_us = step_now_us(c);

    for (size_t i = 0; i < p->programme->app_count; i++) {
        const struct portfolio_app *app = &p->apps[i];
        if (app->app->actuator != a)
            continue;
        const struct actuator_share *share = step_shares_find(shares, app->app->name);
        int32_t live = share ? share->share : -1;
        if (live != app->share && !(live < 0 && app->share == 0))
            vec_push(&out->list,
                     ((struct step_drift){ app->app->name, planned_share(app->app, now_us),
                                           app->share, live }));
    }
    for (size_t i = 0; i < shares->len; i++) {
        const struct programme_app *app = programme_find_app(p->programme, shares->list[i].app);
        if (shares->list[i].share && (!app || app->actuator != a))
            vec_push(&out->list,
                     ((struct step_drift){ shares->list[i].app, -1, 0, shares->list[i].share }));
    }
}

int step_compare(const struct step_context *c, const struct actuator *a, struct arena *arena,
                 struct step_drift **ret, size_t *ret_count, struct buf *ret_why, struct err *err)
{
    CLEANUP(portfolio_free) struct portfolio *p = NULL;
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    struct step_shares shares;
    struct drifts drifts = { 0 };
    struct err unread;

    *ret = NULL;
    *ret_count = 0;
    if (portfolio_read(c->programme, c->rollout, &p, err) < 0 ||
        a->driver->probe(a, &live, err) < 0)
        return -1;
    bool is_same = step_look(c, p, a, &live, ret_why);
    if (step_shares_read(a, &live, arena, &shares, &unread) < 0)
        shares = (struct step_shares){ 0 };
    compare_apps(c, p, a, &shares, &drifts);
    *ret_count = drifts.list.len;
    *ret = arena_alloc(arena, (drifts.list.len + 1) * sizeof(**ret));
    for (size_t i = 0; i < drifts.list.len; i++) {
        (*ret)[i] = drifts.list.ptr[i];
        (*ret)[i].app = arena_str(arena, (*ret)[i].app);
    }
    vec_release(&drifts.list);
    if (is_same && *ret_count)
        buf_addf(ret_why,
                 "actuator '%.*s': shares are live for apps that the plan does not have there",
                 STR_ARG(a->name));
    return !is_same || *ret_count;
}

struct moves {
    VEC(struct rollout_move) list;
};

static int find_accepted(const struct portfolio *p, const struct actuator *a,
                         const struct step_shares *shares, struct moves *ret, struct err *err)
{
    for (size_t i = 0; i < p->programme->app_count; i++) {
        const struct portfolio_app *app = &p->apps[i];
        if (app->app->actuator != a)
            continue;
        const struct actuator_share *share = step_shares_find(shares, app->app->name);
        int32_t live = share ? share->share : 0;
        if (live < 0 || live > ROLLOUT_ALL)
            return err_set(err, ERR_CORRUPT, "the live share of '%.*s' is none",
                           STR_ARG(app->app->name));
        if (live != app->share)
            vec_push(&ret->list, ((struct rollout_move){ app->app->name, app->share, live }));
    }
    return 0;
}

static int accept(const struct step_context *c, const struct portfolio *p, const struct actuator *a,
                  struct moves *moves, struct err *err)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct step_shares shares;
    char sha[ROLLOUT_SHA_BYTES] = "";
    uint64_t ours = rollout_epoch(c->rollout);

    if (a->driver->probe(a, &live, err) < 0)
        return -1;
    if (step_shares_read(a, &live, &arena, &shares, err) < 0)
        return err_wrap(err, "what is live has no shares to accept: move that file away, then "
                             "--put-back, or accept that there is none");
    if (find_accepted(p, a, &shares, moves, err) < 0)
        return -1;
    if (live.is_there && rollout_put_blob(c->rollout, buf_str(&live.bytes), sha, err) < 0)
        return -1;
    struct rollout_entry e = {
        .kind = ROLLOUT_ACCEPTED,
        .actuator = a->name,
        /* A writer that was ahead is caught up with: what we write next is newer than its. */
        .epoch = shares.epoch > ours ? shares.epoch : ours + 1,
        .moves = moves->list.ptr,
        .move_count = moves->list.len,
        .after = str_from(sha),
        .plan = c->programme->sha,
        .detail = STR("what is live was taken as it is"),
    };
    return step_note(c, &e, err);
}

int step_accept(const struct step_context *c, const struct actuator *a, struct err *err)
{
    CLEANUP(portfolio_free) struct portfolio *p = NULL;
    struct moves moves = { 0 };

    if (portfolio_read(c->programme, c->rollout, &p, err) < 0)
        return -1;
    int r = accept(c, p, a, &moves, err);
    vec_release(&moves.list);
    return r;
}

/* What the ledger says is live: as it was made, or with the ledger's shares if nothing ever was. */
static int find_bytes(const struct step_context *c, const struct portfolio *p,
                      const struct actuator *a, struct buf *ret, struct err *err)
{
    const struct rollout_entry *settled = rollout_last_settled(c->rollout, a->name);
    VEC(struct actuator_share) shares = { 0 };

    if (settled && settled->after.len)
        return rollout_get_blob(c->rollout, settled->after, ret, err);
    for (size_t i = 0; i < p->programme->app_count; i++) {
        const struct programme_app *app = p->apps[i].app;
        if (app->actuator == a && (!app->retired || p->apps[i].share))
            vec_push(&shares, ((struct actuator_share){ app->name, app->direct, app->gateway,
                                                        app->key, p->apps[i].share }));
    }
    int r = a->driver->render(a, shares.ptr, shares.len, rollout_epoch(c->rollout) + 1, ret, err);
    vec_release(&shares);
    return r;
}

static int put_back(const struct step_context *c, const struct portfolio *p,
                    const struct actuator *a, struct err *err)
{
    CLEANUP(actuator_live_release) struct actuator_live before = { 0 }, live = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_wait wait = c->wait;
    struct err unheard = { 0 };

    if (a->driver->probe(a, &before, err) < 0 || find_bytes(c, p, a, &bytes, err) < 0)
        return -1;
    if (before.is_there)
        return err_set(err, ERR_USAGE, "actuator '%.*s': its file is there, and is not overwritten",
                       STR_ARG(a->name));
    wait.until_us = wait.now_us(wait.ctx) + PUT_BACK_US;
    int r = a->driver->apply(a, buf_str(&bytes), true, &wait, &unheard);
    if (a->driver->probe(a, &live, err) < 0)
        return -1;
    if (live.is_there && str_eq(buf_str(&live.bytes), buf_str(&bytes)))
        return 0;
    if (r < 0)
        *err = unheard;
    return r < 0 ? -1 : err_set(err, ERR_SYS, "its file is not what was written");
}

int step_put_back(const struct step_context *c, const struct actuator *a, struct err *err)
{
    CLEANUP(portfolio_free) struct portfolio *p = NULL;
    struct moves moves = { 0 };

    if (portfolio_read(c->programme, c->rollout, &p, err) < 0 || put_back(c, p, a, err) < 0)
        return -1;
    int r = accept(c, p, a, &moves, err);
    vec_release(&moves.list);
    return r;
}

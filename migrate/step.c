#include "config.h"

#include "migrate/step.h"

#include <inttypes.h>
#include <string.h>

#include "migrate/step_live.h"
#include "migrate/step_shares.h"

/* Looks in a row, on fresh connections, until a marker counts as running. */
#define VERIFY_TIMES   8
#define STEP_US_NORMAL (INT64_C(30) * 1000000)
#define SETTLE_US      (INT64_C(5) * 1000000)

struct step {
    const struct step_context *c;
    const struct actuator *actuator;
    struct rollout_entry entry; /* as INTENT has it; its shas point below */
    char before_sha[ROLLOUT_SHA_BYTES], after_sha[ROLLOUT_SHA_BYTES];
    struct actuator_live live; /* before: at the beginning, or as found after a crash */
    struct buf before, after;
    char marker_before[ACTUATOR_MARKER_BYTES], marker_after[ACTUATOR_MARKER_BYTES];
    int64_t limit_us; /* for each of apply and restore with what confirms them */
    bool is_applied;  /* the program has the new bytes already */
    bool is_noted;    /* and the ledger has the line for it */
    struct step_times times;
};

static void step_release(struct step *s)
{
    actuator_live_release(&s->live);
    buf_release(&s->before);
    buf_release(&s->after);
}
DEFINE_CLEANUP_VALUE(struct step, step_release)

void step_preview_release(struct step_preview *p)
{
    buf_release(&p->before);
    buf_release(&p->after);
}

static int64_t elapsed_us(const struct step *s)
{
    return s->c->wait.now_us(s->c->wait.ctx);
}

static struct actuator_wait wait_from_now(const struct step *s)
{
    struct actuator_wait wait = s->c->wait;

    wait.until_us = elapsed_us(s) + s->limit_us;
    return wait;
}

/* One of the lines after INTENT: the same step, without its moves. */
static int note(struct step *s, enum rollout_kind kind, int64_t value, struct str detail,
                struct err *err)
{
    struct rollout_entry e = {
        .kind = kind,
        .why = s->entry.why,
        .app = s->entry.app,
        .actuator = s->actuator->name,
        .epoch = s->entry.epoch,
        .before = s->entry.before,
        .after = s->entry.after,
        .plan = s->c->programme->sha,
        .value = value,
        .detail = detail,
    };

    if (step_note(s->c, &e, err) < 0)
        return err_wrap(
            err, "step e%" PRIu64 " stays open, the next command of migrate finishes or undoes it",
            s->entry.epoch);
    return 0;
}

static int apply(struct step *s, const struct buf *bytes, bool is_there, struct err *err)
{
    struct actuator_wait wait = wait_from_now(s);

    return s->actuator->driver->apply(s->actuator, buf_str(bytes), is_there, &wait, err);
}

/* Waits until the bytes are seen to run. */
static int verify(struct step *s, const struct buf *bytes, const char *marker, struct err *err)
{
    struct actuator_wait wait = wait_from_now(s);
    CLEANUP(buf_release) struct buf seen = { 0 };
    int r = actuator_verify(s->actuator, marker, buf_str(bytes), VERIFY_TIMES, &wait, &seen, err);

    if (r == 0)
        return err_set(err, ERR_LIMIT, "within %" PRId64 " ms it was not seen to run %s%s%.*s",
                       s->limit_us / 1000, marker, seen.len ? ", but " : "",
                       STR_ARG(buf_str(&seen)));
    return r < 0 ? -1 : 0;
}

/* Whether what is live already is as before the step, as far as can be told. */
static bool is_untouched(struct step *s)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    struct err err;

    if (s->actuator->driver->probe(s->actuator, &live, &err) < 0 ||
        !step_is_live(&live, s->entry.before) || !actuator_caps(s->actuator).tells_running)
        return false;
    return !live.is_running || str_eq(buf_str(&live.running), str_from(s->marker_before));
}

/* Puts back what was there; what did not run before need not run now. */
static int restore(struct step *s, const char *why, struct err *err)
{
    bool was_there = s->entry.before.len > 0;
    /* Without a file there is no marker; a program that said so before will say so again. */
    bool said_none = s->live.is_running && s->live.running.len == 0;
    bool can_be_seen = s->marker_before[0]
                           ? s->live.is_running || !actuator_caps(s->actuator).tells_running
                           : said_none;
    int64_t begin_us = elapsed_us(s);

    if (apply(s, &s->before, was_there, err) < 0 ||
        (can_be_seen && verify(s, &s->before, s->marker_before, err) < 0))
        return err_wrap(err,
                        "step e%" PRIu64 " failed (%s) and could not be undone: actuator '%.*s' "
                        "needs %s%.*s back; the next command of migrate tries again",
                        s->entry.epoch, why, STR_ARG(s->actuator->name),
                        was_there ? "the bytes of blobs/" : "its file removed",
                        STR_ARG(s->entry.before));
    s->times.restore_us = elapsed_us(s) - begin_us;
    return 0;
}

static int abort_step(struct step *s, bool is_touched, const char *why, struct buf *ret_why,
                      struct err *err)
{
    if (is_touched && !is_untouched(s) && restore(s, why, err) < 0)
        return -1;
    buf_clear(ret_why);
    if (!str_starts_with(str_from(why), STR("actuator '")))
        buf_addf(ret_why, "actuator '%.*s': ", STR_ARG(s->actuator->name));
    buf_add_text(ret_why, why);
    return note(s, ROLLOUT_ABORTED, 0, buf_str(ret_why), err);
}

/* What was to be made live did not get there.  A rollback is not put back: less traffic on the
 * gateway is what was wanted, confirmed or not. */
static int fail(struct step *s, const struct err *cause, enum step_result *ret, struct buf *ret_why,
                struct err *err)
{
    *ret = STEP_ABORTED;
    if (s->entry.why != ROLLOUT_ROLLBACK || is_untouched(s))
        return abort_step(s, true, cause->text, ret_why, err);
    return err_set(err, cause->code,
                   "the rollback e%" PRIu64 " of actuator '%.*s' is not confirmed (%s): it stays "
                   "open, and every following command of migrate goes on with it",
                   s->entry.epoch, STR_ARG(s->actuator->name), cause->text);
}

/* From where the new bytes are to be written, or are already, to the end. */
static int carry_on(struct step *s, enum step_result *ret, struct buf *ret_why, struct err *err)
{
    int64_t begin_us = elapsed_us(s);
    struct err cause = { 0 };

    if (!s->is_applied && apply(s, &s->after, true, &cause) < 0)
        return fail(s, &cause, ret, ret_why, err);
    if (!s->is_noted && note(s, ROLLOUT_APPLIED, 0, STR(""), err) < 0)
        return -1;
    if (verify(s, &s->after, s->marker_after, &cause) < 0)
        return fail(s, &cause, ret, ret_why, err);
    s->times.apply_us = elapsed_us(s) - begin_us;
    if (note(s, ROLLOUT_VERIFIED, s->times.apply_us, STR(""), err) < 0)
        return -1;
    *ret = STEP_DONE;
    if (s->entry.why != ROLLOUT_REHEARSE)
        return note(s, ROLLOUT_COMMITTED, 0, s->entry.detail, err);
    if (restore(s, "a rehearsal", err) < 0)
        return -1;
    return note(s, ROLLOUT_ABORTED, s->times.restore_us, STR("the rehearsal is over"), err);
}

static int64_t limit_of(const struct portfolio *p, const struct step_wanted *w)
{
    int64_t least_us = INT64_MAX;

    for (size_t i = 0; i < w->move_count; i++) {
        const struct programme_app *app = programme_find_app(p->programme, w->moves[i].app);
        if (app && app->rollback_us > 0 && app->rollback_us < least_us)
            least_us = app->rollback_us;
    }
    return least_us < INT64_MAX ? least_us : STEP_US_NORMAL;
}

static int render(struct step *s, const struct step_shares *shares, struct err *err)
{
    const struct actuator_driver *driver = s->actuator->driver;

    for (size_t i = 0; driver->admits && i < shares->len; i++)
        if (driver->admits(s->actuator, &shares->list[i], err) < 0)
            return -1;
    if (driver->render(s->actuator, shares->list, shares->len, s->entry.epoch, &s->after, err) < 0)
        return -1;
    actuator_marker(shares->list, shares->len, s->entry.epoch, s->marker_after);
    return 0;
}

/* The bytes that the step wants live. */
static int render_wanted(struct step *s, const struct portfolio *p, const struct step_wanted *w,
                         struct err *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct step_shares shares;

    if (step_shares_after(p, w, &s->live, &arena, &shares, err) < 0)
        return -1;
    return render(s, &shares, err);
}

static bool moves_nothing(const struct step_wanted *w)
{
    for (size_t i = 0; i < w->move_count; i++)
        if (w->moves[i].from != w->moves[i].to)
            return false;
    return w->why != ROLLOUT_REHEARSE;
}

/* Whether the program runs the file that lies there; one that was told of it a moment ago may still
 * have old workers that answer.  A rollback does not ask: it will. */
static bool runs_its_file(const struct step *s, struct buf *ret_why)
{
    CLEANUP(buf_release) struct buf seen = { 0 };
    struct actuator_wait wait = s->c->wait;
    struct err err;

    if (s->entry.why == ROLLOUT_ROLLBACK || !s->live.is_running ||
        !actuator_caps(s->actuator).tells_running ||
        str_eq(buf_str(&s->live.running), str_from(s->marker_before)))
        return true;
    wait.until_us = elapsed_us(s) + SETTLE_US;
    if (s->live.is_there && actuator_verify(s->actuator, s->marker_before, buf_str(&s->before),
                                            VERIFY_TIMES, &wait, &seen, &err) == 1)
        return true;
    buf_clear(ret_why);
    buf_addf(ret_why,
             "actuator '%.*s': its file has the marker '%s', but what runs says '%.*s': have it "
             "take up its file, or roll back",
             STR_ARG(s->actuator->name), s->marker_before, STR_ARG(buf_str(&s->live.running)));
    return false;
}

/* Up to where something is written: 1 = go on, 0 = *ret is the end of it. */
static int begin(struct step *s, const struct step_context *c, const struct step_wanted *w,
                 enum step_result *ret, struct buf *ret_why, struct err *err)
{
    CLEANUP(portfolio_free) struct portfolio *p = NULL;

    *s = (struct step){ .c = c, .actuator = w->actuator };
    *ret = STEP_NOTHING;
    if (portfolio_read(c->programme, c->rollout, &p, err) < 0)
        return -1;
    for (size_t i = 0; i < p->open_count; i++)
        if (str_eq(p->open[i]->actuator, w->actuator->name))
            return err_set(err, ERR_USAGE, "actuator '%.*s': step e%" PRIu64 " is still open",
                           STR_ARG(w->actuator->name), p->open[i]->epoch);
    s->entry = (struct rollout_entry){ .kind = ROLLOUT_INTENT,
                                       .why = w->why,
                                       .actuator = w->actuator->name,
                                       .epoch = rollout_epoch(c->rollout) + 1,
                                       .moves = w->moves,
                                       .move_count = w->move_count,
                                       .plan = c->programme->sha,
                                       .evidence = w->evidence,
                                       .detail = w->detail };
    if (w->move_count == 1)
        s->entry.app = w->moves[0].app;
    s->limit_us = limit_of(p, w);
    if (w->actuator->driver->probe(w->actuator, &s->live, err) < 0)
        return -1;
    buf_add_str(&s->before, buf_str(&s->live.bytes));
    step_marker(s->actuator, buf_str(&s->before), s->marker_before);
    *ret = STEP_DRIFT;
    if (!step_look(c, p, w->actuator, &s->live, ret_why))
        return 0;
    *ret = STEP_NOTHING;
    if (moves_nothing(w)) {
        buf_addf(ret_why, "actuator '%.*s': everything is as wanted already",
                 STR_ARG(w->actuator->name));
        return 0;
    }
    if (render_wanted(s, p, w, err) < 0)
        return -1;
    *ret = STEP_DRIFT;
    if (!runs_its_file(s, ret_why))
        return 0;
    *ret = STEP_DONE;
    return 1;
}

int step_preview(const struct step_context *c, const struct step_wanted *w,
                 struct step_preview *ret_preview, enum step_result *ret, struct buf *ret_why,
                 struct err *err)
{
    CLEANUP(step_release) struct step s = { 0 };

    if (begin(&s, c, w, ret, ret_why, err) < 0)
        return -1;
    *ret_preview = (struct step_preview){ s.before, s.after, s.live.is_there, s.entry.epoch };
    s.before = s.after = (struct buf){ 0 };
    return 0;
}

static int put_blobs(struct step *s, struct err *err)
{
    struct rollout *r = s->c->rollout;

    if (s->live.is_there && rollout_put_blob(r, buf_str(&s->before), s->before_sha, err) < 0)
        return -1;
    if (rollout_put_blob(r, buf_str(&s->after), s->after_sha, err) < 0)
        return -1;
    s->entry.before = str_from(s->before_sha);
    s->entry.after = str_from(s->after_sha);
    return 0;
}

/* A rollback does not ask: its bytes are to be there when the program is well again. */
static bool is_refused(const struct step *s, struct err *cause)
{
    const struct actuator_driver *driver = s->actuator->driver;
    struct actuator_wait wait = wait_from_now(s);

    return s->entry.why != ROLLOUT_ROLLBACK && driver->check &&
           driver->check(s->actuator, buf_str(&s->after), &wait, cause) < 0;
}

int step_run(const struct step_context *c, const struct step_wanted *w, enum step_result *ret,
             struct buf *ret_why, struct err *err)
{
    CLEANUP(step_release) struct step s = { 0 };
    struct err cause = { 0 };

    if (w->why == ROLLOUT_ROLLBACK)
        rollout_free_reserve(c->rollout);
    int r = begin(&s, c, w, ret, ret_why, err);
    if (r == 0 && *ret == STEP_DRIFT)
        return step_note_drift(c, w->actuator, &s.live, buf_str(ret_why), err);
    if (r <= 0)
        return r;
    if (put_blobs(&s, err) < 0 || step_note(c, &s.entry, err) < 0)
        return err_wrap(err, "nothing was changed");
    if (is_refused(&s, &cause)) {
        *ret = STEP_ABORTED;
        return abort_step(&s, false, cause.text, ret_why, err);
    }
    r = carry_on(&s, ret, ret_why, err);
    if (w->times)
        *w->times = s.times;
    if (r == 0 && w->why == ROLLOUT_ADVANCE)
        rollout_keep_reserve(c->rollout);
    return r;
}

static const struct actuator *find_actuator(const struct programme *p, struct str name)
{
    for (size_t i = 0; i < p->actuator_count; i++)
        if (str_eq(p->actuators[i].name, name))
            return &p->actuators[i];
    return NULL;
}

/* The step as its INTENT and its blobs have it, and what is live now. */
static int reopen(struct step *s, const struct step_context *c, const struct rollout_entry *intent,
                  struct err *err)
{
    *s = (struct step){ .c = c, .entry = *intent, .limit_us = STEP_US_NORMAL };
    s->actuator = find_actuator(c->programme, intent->actuator);
    if (!s->actuator)
        return err_set(err, ERR_USAGE,
                       "%s has no actuator '%.*s' any more, whose step e%" PRIu64
                       " is open: put it back until that has ended",
                       c->programme->file.ptr, STR_ARG(intent->actuator), intent->epoch);
    if ((intent->before.len && rollout_get_blob(c->rollout, intent->before, &s->before, err) < 0) ||
        rollout_get_blob(c->rollout, intent->after, &s->after, err) < 0)
        return -1;
    step_marker(s->actuator, buf_str(&s->before), s->marker_before);
    step_marker(s->actuator, buf_str(&s->after), s->marker_after);
    for (size_t i = rollout_count(c->rollout); i > 0; i--) {
        const struct rollout_entry *e = rollout_at(c->rollout, i - 1);
        if (e->epoch == intent->epoch && e->kind == ROLLOUT_APPLIED)
            s->is_applied = s->is_noted = true;
    }
    return s->actuator->driver->probe(s->actuator, &s->live, err);
}

/* The old bytes are live: the step had not come far, or was being undone. */
static int undo(struct step *s, enum step_result *ret, struct buf *ret_why, struct err *err)
{
    bool may_run_new =
        !actuator_caps(s->actuator).tells_running ||
        (s->live.is_running && !str_eq(buf_str(&s->live.running), str_from(s->marker_before)));

    *ret = STEP_ABORTED;
    return abort_step(s, may_run_new, "it was cut short before it took effect", ret_why, err);
}

static int recover_one(const struct step_context *c, const struct rollout_entry *intent,
                       enum step_result *ret, struct buf *ret_why, struct err *err)
{
    CLEANUP(step_release) struct step s = { 0 };

    if (reopen(&s, c, intent, err) < 0)
        return -1;
    bool is_old = step_is_live(&s.live, intent->before);
    if (is_old && intent->why != ROLLOUT_ROLLBACK)
        return undo(&s, ret, ret_why, err);
    if (is_old) {
        s.is_applied = false;
        return carry_on(&s, ret, ret_why, err);
    }
    if (step_is_live(&s.live, intent->after)) {
        *ret = STEP_ABORTED;
        if (intent->why == ROLLOUT_REHEARSE)
            return abort_step(&s, true, "a rehearsal was cut short", ret_why, err);
        if (actuator_caps(s.actuator).tells_running)
            s.is_applied =
                s.live.is_running && str_eq(buf_str(&s.live.running), str_from(s.marker_after));
        return carry_on(&s, ret, ret_why, err);
    }
    *ret = STEP_DRIFT;
    buf_clear(ret_why);
    buf_addf(ret_why,
             "actuator '%.*s': step e%" PRIu64 " was cut short, and what is live is neither what "
             "was before it nor what it wanted; see 'weir migrate drift'",
             STR_ARG(s.actuator->name), intent->epoch);
    return step_note_drift(c, s.actuator, &s.live, buf_str(ret_why), err);
}

/* Which of two ends is told: the one that a person has to look at. */
static enum step_result worse(enum step_result a, enum step_result b)
{
    static const int rank[] = {
        [STEP_NOTHING] = 0,
        [STEP_DONE] = 1,
        [STEP_ABORTED] = 2,
        [STEP_DRIFT] = 3,
    };

    return rank[a] >= rank[b] ? a : b;
}

int step_recover(const struct step_context *c, enum step_result *ret, struct buf *ret_why,
                 struct err *err)
{
    CLEANUP(portfolio_free) struct portfolio *p = NULL;
    CLEANUP(buf_release) struct buf why = { 0 };
    bool has_failed = false;

    *ret = STEP_NOTHING;
    if (portfolio_read(c->programme, c->rollout, &p, err) < 0)
        return -1;
    if (p->open_count)
        rollout_free_reserve(c->rollout);
    for (size_t i = 0; i < p->open_count; i++) {
        enum step_result result = STEP_NOTHING;
        struct err failed;
        buf_clear(&why);
        if (recover_one(c, p->open[i], &result, &why, &failed) < 0) {
            if (!has_failed)
                *err = failed;
            has_failed = true;
            continue;
        }
        if (ret_why->len && why.len)
            buf_add_text(ret_why, "\n");
        buf_add_str(ret_why, buf_str(&why));
        *ret = worse(*ret, result);
    }
    return has_failed ? -1 : 0;
}

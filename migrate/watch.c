#include "config.h"

#include "migrate/watch.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/timestamp.h"
#include "base/vec.h"

#define OUTAGE_TOLD_US US_PER_DAY /* until it is told of again */

void watch_free(struct watch *w)
{
    if (!w)
        return;
    portfolio_free(w->portfolio);
    verdict_free(w->verdicts, w->verdict_count);
    free(w->apps);
    arena_release(&w->arena);
    free(w);
}

static bool is_wanted(const struct watch_input *in, size_t index)
{
    return !in->wanted || in->wanted[index];
}

/* The verdicts of all that has traffic on the gateway. */
static int judge(const struct watch_input *in, struct watch *w, struct err *err)
{
    const struct programme *p = in->step->programme;
    const struct verdict_input asked = {
        .programme = p,
        .rollout = in->step->rollout,
        .archive = in->archive,
        .prices = in->prices,
        .baselines = in->baselines,
        .until_us = step_now_us(in->step),
    };
    VEC(const struct programme_app *) apps = { 0 };
    size_t next = 0;
    int r = 0;

    for (size_t i = 0; in->archive && i < p->app_count; i++)
        if (is_wanted(in, i) && w->portfolio->apps[i].share > 0)
            vec_push(&apps, &p->apps[i]);
    if (apps.len)
        r = verdict_judge(&asked, apps.ptr, apps.len, &w->verdicts, err);
    if (r == 0)
        w->verdict_count = apps.len;
    for (size_t i = 0; i < p->app_count && next < w->verdict_count; i++)
        if (&p->apps[i] == apps.ptr[next])
            w->apps[i].verdict = &w->verdicts[next++];
    vec_release(&apps);
    return r;
}

static void decide_one(const struct watch_input *in, struct watch *w, size_t index)
{
    struct watch_app *app = &w->apps[index];
    struct portfolio_app *place = &w->portfolio->apps[index];
    const struct decide_input asked = {
        .portfolio = w->portfolio,
        .verdict = app->verdict,
        .spend_per_million = in->spend_per_million,
        .unsealed_us = in->unsealed_us,
        .now_us = step_now_us(in->step),
        .retry = in->retry,
    };

    decide(&asked, place, &w->arena, &app->decision);
    app->is_chosen =
        app->decision.action == DECIDE_ROLLBACK ||
        (app->decision.action == DECIDE_ADVANCE && (in->by_hand || place->app->is_auto));
}

/* Each decision counts with those before it: caps hold for all that moves together. */
static void decide_all(const struct watch_input *in, struct watch *w)
{
    for (size_t i = 0; i < w->app_count; i++) {
        struct watch_app *app = &w->apps[i];
        if (!is_wanted(in, i) || app->end != WATCH_LEFT)
            continue;
        decide_one(in, w, i);
        if (app->is_chosen && app->decision.action == DECIDE_ADVANCE)
            w->portfolio->apps[i].share = app->decision.to;
    }
    for (size_t i = 0; i < w->app_count; i++)
        if (w->apps[i].decision.app && w->apps[i].end == WATCH_LEFT)
            w->portfolio->apps[i].share = w->apps[i].decision.from;
}

int watch_look(const struct watch_input *in, struct watch **ret, struct err *err)
{
    CLEANUP(watch_free) struct watch *w = mem_calloc(1, sizeof(*w));

    if (portfolio_read(in->step->programme, in->step->rollout, &w->portfolio, err) < 0)
        return -1;
    w->app_count = in->step->programme->app_count;
    w->apps = mem_calloc(w->app_count + 1, sizeof(*w->apps));
    if (judge(in, w, err) < 0)
        return -1;
    decide_all(in, w);
    *ret = TAKE(w);
    return 0;
}

struct group {
    VEC(struct rollout_move) moves;
    VEC(struct watch_app *) apps;
    struct buf evidence; /* a JSON array of verdicts */
};

static void group_release(struct group *g)
{
    vec_release(&g->moves);
    vec_release(&g->apps);
    buf_release(&g->evidence);
}
DEFINE_CLEANUP_VALUE(struct group, group_release)

static void gather(struct watch_app *apps, size_t count, enum decide_action action,
                   const struct actuator *actuator, struct group *ret)
{
    for (size_t i = 0; i < count && ret->moves.len < ROLLOUT_MOVES_MAX; i++) {
        const struct decision *d = &apps[i].decision;
        if (!apps[i].is_chosen || apps[i].end != WATCH_LEFT || d->action != action ||
            d->app->app->actuator != actuator)
            continue;
        vec_push(&ret->moves, ((struct rollout_move){ d->app->app->name, d->from, d->to }));
        vec_push(&ret->apps, &apps[i]);
        if (!apps[i].verdict)
            continue;
        buf_add_byte(&ret->evidence, ret->evidence.len ? ',' : '[');
        verdict_print_json(apps[i].verdict, &ret->evidence);
    }
    if (ret->evidence.len)
        buf_add_text(&ret->evidence, "]\n");
}

static int put_verdict(const struct step_context *c, const struct verdict *v,
                       char ret_sha[static ROLLOUT_SHA_BYTES], struct err *err)
{
    CLEANUP(buf_release) struct buf json = { 0 };

    verdict_print_json(v, &json);
    return rollout_put_blob(c->rollout, buf_str(&json), ret_sha, err);
}

/* What a rollback is for, app by app.  Of an advance the step's own evidence says it: a wave of a
 * thousand is one line of the ledger. */
static int note_verdicts(const struct step_context *c, const struct group *g, struct err *err)
{
    for (size_t i = 0; i < g->apps.len; i++) {
        const struct watch_app *app = g->apps.ptr[i];
        char sha[ROLLOUT_SHA_BYTES];
        if (!app->verdict)
            continue;
        if (put_verdict(c, app->verdict, sha, err) < 0)
            return -1;
        struct rollout_entry e = { .kind = ROLLOUT_JUDGED,
                                   .app = app->verdict->app,
                                   .plan = c->programme->sha,
                                   .evidence = str_from(sha),
                                   .detail = app->verdict->why };
        if (step_note(c, &e, err) < 0)
            return -1;
    }
    return 0;
}

/* Why it goes back is worth less than that it does: on a disk without room for it, it is left out.
 */
static int put_evidence(const struct step_context *c, enum decide_action action, struct str bytes,
                        char ret_sha[static ROLLOUT_SHA_BYTES], struct err *err)
{
    bool is_back = action == DECIDE_ROLLBACK;

    if (is_back)
        rollout_free_reserve(c->rollout);
    if (!bytes.len || rollout_put_blob(c->rollout, bytes, ret_sha, err) == 0)
        return 0;
    return is_back && err->code == ERR_SYS ? 0 : -1;
}

static int run_group(const struct step_context *c, enum decide_action action,
                     const struct actuator *actuator, const struct group *g, enum step_result *ret,
                     struct buf *ret_why, struct err *err)
{
    char sha[ROLLOUT_SHA_BYTES] = "";
    struct step_wanted wanted = {
        .actuator = actuator,
        .why = action == DECIDE_ROLLBACK ? ROLLOUT_ROLLBACK : ROLLOUT_ADVANCE,
        .moves = g->moves.ptr,
        .move_count = g->moves.len,
        .detail = g->apps.ptr[0]->decision.reason,
    };

    if (put_evidence(c, action, buf_str(&g->evidence), sha, err) < 0)
        return -1;
    wanted.evidence = str_from(sha);
    if (step_run(c, &wanted, ret, ret_why, err) < 0)
        return -1;
    /* Not before: a rollback that cannot be made would write them at every look. */
    return action == DECIDE_ROLLBACK && *ret == STEP_DONE ? note_verdicts(c, g, err) : 0;
}

static void act_on(const struct step_context *c, enum decide_action action,
                   const struct actuator *actuator, const struct group *g, struct arena *arena)
{
    static const enum watch_end ends[] = {
        [STEP_DONE] = WATCH_DONE,
        [STEP_NOTHING] = WATCH_DONE,
        [STEP_ABORTED] = WATCH_ABORTED,
        [STEP_DRIFT] = WATCH_DRIFTED,
    };
    CLEANUP(buf_release) struct buf why = { 0 };
    enum step_result result = STEP_NOTHING;
    struct err err = { 0 };

    int r = run_group(c, action, actuator, g, &result, &why, &err);
    struct str said = r < 0 ? str_from(err.text) : buf_str(&why);
    said = arena_str(arena, said);
    for (size_t i = 0; i < g->apps.len; i++) {
        g->apps.ptr[i]->end = r < 0 ? WATCH_FAILED : ends[result];
        g->apps.ptr[i]->said = said;
    }
}

void watch_act(const struct step_context *c, enum decide_action action, struct watch_app *apps,
               size_t count, struct arena *arena)
{
    for (size_t i = 0; i < c->programme->actuator_count; i++) {
        CLEANUP(group_release) struct group g = { 0 };
        gather(apps, count, action, &c->programme->actuators[i], &g);
        if (g.moves.len)
            act_on(c, action, &c->programme->actuators[i], &g, arena);
    }
}

/* The words of what is in the way: sentences have figures that change with every look. */
static void add_words(const struct decision *d, struct buf *out)
{
    for (enum decide_obstacle i = 0; i < DECIDE_OBSTACLE_COUNT; i++)
        if (d->obstacles & 1u << i)
            buf_addf(out, "%s%s", out->len ? ", " : "", decide_obstacle_name(i));
}

/* Between two of them nothing holds, and nothing is written. */
static bool is_another_outage(const struct step_context *c, const struct watch_app *app,
                              const struct rollout_entry *last)
{
    return app->decision.obstacles & 1u << DECIDE_OUTAGE &&
           step_now_us(c) - last->at_us > OUTAGE_TOLD_US;
}

static int note_hold(const struct step_context *c, const struct watch_app *app, struct err *err)
{
    const struct rollout_entry *last = app->decision.app->last_hold;
    CLEANUP(buf_release) struct buf words = { 0 };
    char sha[ROLLOUT_SHA_BYTES] = "";

    add_words(&app->decision, &words);
    if (last && str_eq(last->detail, buf_str(&words)) &&
        last->at_us >= app->decision.app->since_us && !is_another_outage(c, app, last))
        return 0;
    if (app->verdict && put_verdict(c, app->verdict, sha, err) < 0)
        return -1;
    struct rollout_entry e = { .kind = ROLLOUT_HELD,
                               .app = app->decision.app->app->name,
                               .plan = c->programme->sha,
                               .evidence = str_from(sha),
                               .detail = buf_str(&words) };
    return step_note(c, &e, err);
}

int watch_note_holds(const struct watch_input *in, const struct watch *w, struct err *err)
{
    for (size_t i = 0; i < w->app_count; i++)
        if (w->apps[i].decision.app && w->apps[i].end == WATCH_LEFT &&
            w->apps[i].decision.action == DECIDE_HOLD && note_hold(in->step, &w->apps[i], err) < 0)
            return -1;
    return 0;
}

/* What was rolled back stops its wave: the others are decided on anew. */
static int decide_again(const struct watch_input *in, struct watch *w, struct err *err)
{
    struct portfolio *fresh;

    if (portfolio_read(in->step->programme, in->step->rollout, &fresh, err) < 0)
        return -1;
    portfolio_free(w->portfolio);
    w->portfolio = fresh;
    for (size_t i = 0; i < w->app_count; i++)
        if (w->apps[i].decision.app)
            w->apps[i].decision.app = &fresh->apps[i];
    decide_all(in, w);
    return 0;
}

/* What is to be done rests on all that it is said to rest on: then everything is read. */
static int look_twice(const struct watch_input *in, struct watch **ret, struct err *err)
{
    CLEANUP(watch_free) struct watch *w = NULL;
    struct watch_input again = *in;
    bool is_chosen = false;

    if (watch_look(in, &w, err) < 0)
        return -1;
    for (size_t i = 0; i < w->app_count; i++)
        is_chosen |= w->apps[i].is_chosen;
    again.baselines = NULL;
    if (is_chosen && in->baselines)
        return watch_look(&again, ret, err);
    *ret = TAKE(w);
    return 0;
}

int watch_pass(const struct watch_input *in, struct watch **ret, struct err *err)
{
    CLEANUP(watch_free) struct watch *w = NULL;
    bool has_rolled_back = false;

    if (look_twice(in, &w, err) < 0)
        return -1;
    watch_act(in->step, DECIDE_ROLLBACK, w->apps, w->app_count, &w->arena);
    for (size_t i = 0; i < w->app_count; i++)
        has_rolled_back |= w->apps[i].end != WATCH_LEFT;
    if (has_rolled_back && decide_again(in, w, err) < 0)
        return -1;
    watch_act(in->step, DECIDE_ADVANCE, w->apps, w->app_count, &w->arena);
    if (watch_note_holds(in, w, err) < 0)
        return -1;
    *ret = TAKE(w);
    return 0;
}

const char *watch_end_name(enum watch_end end)
{
    static const char *const names[] = {
        [WATCH_LEFT] = "left",       [WATCH_DONE] = "done",     [WATCH_ABORTED] = "aborted",
        [WATCH_DRIFTED] = "drifted", [WATCH_FAILED] = "failed",
    };

    return names[end];
}

#include "config.h"

#include "cli/stepping.h"

#include <stdlib.h>

#include "base/decimal.h"
#include "base/json.h"
#include "base/timestamp.h"

/* A watch or an advance that is under way ends within this: a rollback is worth the wait. */
#define LOCK_WAIT_US (60 * US_PER_SECOND)

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(VALUE, .name = "rollout", .value = "DIR", .is_path = true,
           .help = "where the plan cannot be read: the folder of what was done (default: the one "
                   "rollout beside the plan)"),
    OPTION(VALUE, .name = "to", .value = "SHARE",
           .help = "how much stays on the gateway, such as 5% (default: what the plan says, or the "
                   "last share that was good)"),
    OPTION(FLAG, .name = "past-damage",
           .help = "where the history is damaged: cut it before its first bad entry, take what is "
                   "live as it is, and go to direct calls"),
    OPTION(FLAG, .name = "dry-run", .letter = 'n', .help = "only show what would be done"),
    OPTION(FLAG, .name = "yes", .letter = 'y',
           .help = "is not needed, and does no harm: nobody is asked before a rollback"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

struct rollbacks {
    VEC(struct watch_app) list;
    struct arena arena;
};

static void rollbacks_release(struct rollbacks *r)
{
    vec_release(&r->list);
    arena_release(&r->arena);
}
DEFINE_CLEANUP_VALUE(struct rollbacks, rollbacks_release)

/* "5%" or "5 %"; -1 = not given. */
static int read_share(const struct invocation *inv, int32_t *ret, struct err *err)
{
    const char *given = invocation_get(inv, "to");
    struct str text = str_trim(str_from(given));
    i128 share;

    /* What was good is not known from a history that is damaged. */
    *ret = invocation_has(inv, "past-damage") ? 0 : -1;
    if (!given)
        return 0;
    if (str_ends_with(text, STR("%")))
        text = str_trim(str_sub(text, 0, text.len - 1));
    if (decimal_parse(text, 2, &share) != DECIMAL_OK || share < 0 || share >= ROLLOUT_ALL)
        return err_set(err, ERR_USAGE, "--to '%s' is no share below 100 %%, such as 5%% or 0",
                       given);
    *ret = (int32_t)share;
    return 0;
}

static bool is_known_bad(const struct portfolio_app *a, int32_t share)
{
    for (size_t i = 0; i < a->checkpoint_count; i++)
        if (a->checkpoints[i].is_bad && a->checkpoints[i].share == share)
            return true;
    return false;
}

static int choose(const struct migration_apps *apps, int32_t to, struct rollbacks *ret,
                  struct err *err)
{
    for (size_t i = 0; i < apps->list.len; i++) {
        const struct portfolio_app *a = apps->list.ptr[i];
        struct watch_app app = {
            .decision = {.app = a, .from = a->share, .to = a->share}
        };
        int32_t target = to < 0 ? decide_rollback_share(a) : to;
        if (to > 0 && target < a->share && is_known_bad(a, target))
            return err_set(err, ERR_USAGE,
                           "'%.*s' was rolled back from that share before; choose another, or 0",
                           STR_ARG(a->app->name));
        if (target < a->share) {
            app.decision.to = target;
            app.decision.action = DECIDE_ROLLBACK;
            app.decision.reason = STR("a person asked for it");
            app.is_chosen = true;
        }
        vec_push(&ret->list, app);
    }
    return 0;
}

static void print(const struct invocation *inv, const struct rollbacks *r)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    bool is_json = cli_format(inv) == CLI_FORMAT_JSON;

    if (is_json) {
        buf_add_byte(&out, '{');
        json_add_bool(&out, "dry_run", invocation_has(inv, "dry-run"));
        json_add_key(&out, "apps");
        buf_add_byte(&out, '[');
    }
    for (size_t i = 0; i < r->list.len; i++)
        if (is_json)
            stepping_add_app_json(&r->list.ptr[i], &out);
        else
            stepping_add_app(&r->list.ptr[i], &out);
    if (is_json)
        buf_add_text(&out, "]}\n");
    cli_out(buf_str(&out));
}

static bool is_open(const struct portfolio *p, const struct actuator *a)
{
    for (size_t i = 0; i < p->open_count; i++)
        if (str_eq(p->open[i]->actuator, a->name))
            return true;
    return false;
}

/* What would come of a step at an actuator, for those whom it would move. */
static void preview(const struct stepping *s, const struct actuator *a, struct rollbacks *r)
{
    CLEANUP(step_preview_release) struct step_preview p = { 0 };
    CLEANUP(buf_release) struct buf why = { 0 };
    VEC(struct rollout_move) moves = { 0 };
    enum step_result result = STEP_DONE;
    struct err err;

    for (size_t i = 0; i < r->list.len; i++) {
        const struct decision *d = &r->list.ptr[i].decision;
        if (r->list.ptr[i].is_chosen && d->app->app->actuator == a)
            vec_push(&moves, ((struct rollout_move){ d->app->app->name, d->from, d->to }));
    }
    struct step_wanted wanted = {
        .actuator = a, .why = ROLLOUT_ROLLBACK, .moves = moves.ptr, .move_count = moves.len
    };
    bool has_failed = moves.len && step_preview(&s->context, &wanted, &p, &result, &why, &err) < 0;
    struct str said = arena_str(&r->arena, has_failed ? str_from(err.text) : buf_str(&why));
    for (size_t i = 0; i < r->list.len; i++) {
        struct watch_app *app = &r->list.ptr[i];
        if (!app->is_chosen || app->decision.app->app->actuator != a)
            continue;
        app->said = said;
        app->end = has_failed ? WATCH_FAILED : result == STEP_DRIFT ? WATCH_DRIFTED : WATCH_LEFT;
    }
    vec_release(&moves);
}

/* Whether the history was cut just now. */
static bool was_cut(const struct migration *m)
{
    for (size_t i = rollout_count(m->rollout); i > 0; i--) {
        const struct rollout_entry *e = rollout_at(m->rollout, i - 1);
        if (e->kind == ROLLOUT_RECOVERED && e->at_us == m->now_us)
            return true;
    }
    return false;
}

/* What was made live by the entries that were cut is nobody else's.  What cannot be taken up is
 * told as drift, by the step. */
static int take_up_live(struct stepping *s, struct err *err)
{
    struct err failed;

    cli_note(s->m.inv, "the history was damaged: it was cut, see 'weir migrate log'");
    for (size_t i = 0; i < s->m.programme->actuator_count; i++) {
        CLEANUP(arena_release) struct arena arena = { 0 };
        CLEANUP(buf_release) struct buf why = { 0 };
        const struct actuator *a = &s->m.programme->actuators[i];
        struct step_drift *apps;
        size_t count;
        int r = step_compare(&s->context, a, &arena, &apps, &count, &why, &failed);
        if (r < 0 || (r == 1 && step_accept(&s->context, a, &failed) < 0))
            cli_note(s->m.inv, "%s", failed.text);
    }
    return migration_read_again(&s->m, err);
}

static int roll_back(const struct invocation *inv, struct stepping *s, struct err *err)
{
    CLEANUP(migration_apps_release) struct migration_apps apps = { 0 };
    CLEANUP(rollbacks_release) struct rollbacks r = { 0 };
    bool is_dry = invocation_has(inv, "dry-run");
    int32_t to;

    if (!is_dry && was_cut(&s->m) && take_up_live(s, err) < 0)
        return -1;
    if (read_share(inv, &to, err) < 0 || migration_apps_named(&s->m, &apps, err) < 0 ||
        choose(&apps, to, &r, err) < 0)
        return -1;
    if (!is_dry)
        watch_act(&s->context, DECIDE_ROLLBACK, r.list.ptr, r.list.len, &r.arena);
    /* A step that was cut short would be finished or undone first: then it is looked at. */
    for (size_t i = 0; is_dry && i < s->m.programme->actuator_count; i++)
        if (!is_open(s->m.portfolio, &s->m.programme->actuators[i]))
            preview(s, &s->m.programme->actuators[i], &r);
    print(inv, &r);
    int status = stepping_status(r.list.ptr, r.list.len, STEPPING_ROLLBACK);
    /* What may be done has not been done yet, which is no hold. */
    return is_dry && status == EXIT_HOLD ? EXIT_OK : status;
}

static enum rollout_mode mode_of(const struct invocation *inv)
{
    if (invocation_has(inv, "dry-run"))
        return ROLLOUT_READ;
    return invocation_has(inv, "past-damage") ? ROLLOUT_REPAIR : ROLLOUT_WRITE;
}

static int run(const struct invocation *inv)
{
    CLEANUP(stepping_close) struct stepping s = { 0 };
    struct err err;

    if (invocation_has(inv, "past-damage") &&
        (invocation_has(inv, "to") || invocation_has(inv, "dry-run")))
        return cli_usage(inv, "--past-damage goes to direct calls, and not on trial: it takes "
                              "neither --to nor --dry-run");
    int r = stepping_open_anyhow(inv, mode_of(inv), LOCK_WAIT_US, &s, &err);
    if (r < 0 && err.code == ERR_CORRUPT && !s.m.rollout)
        cli_note(inv, "a damaged history stops every step; --past-damage rolls back to direct "
                      "calls by what comes before the damage");
    if (r == 0)
        r = roll_back(inv, &s, &err);
    return r < 0 ? migration_fail(inv, &err) : r;
}

static const struct example examples[] = {
    {"weir migrate rollback --plan programme-env.yaml all",               "everything back, now"},
    { "weir migrate rollback --plan programme-env.yaml pilots --dry-run",
     "what that would do to a wave"                                                             },
    { NULL,                                                               NULL                  },
};

const struct command command_migrate_rollback = {
    .path = "migrate rollback",
    .summary = "take applications back, at once",
    .operands = "APP|WAVE|all...",
    .operands_min = 1,
    .operands_max = -1,
    .options = options,
    .description =
        "Lowers the share of calls that goes to the gateway: at once, in any state and any freeze, "
        "without gates and without approvals. Where to is what the plan says, or the last share "
        "that was not rolled back from itself; --to names another. An application that is there "
        "already is left alone.\n"
        "\n"
        "What is live and was not written by weir migrate is not touched: take it up with 'weir "
        "migrate drift --accept' and roll back again. While somebody else writes to the same "
        "rollout this waits up to a minute.\n"
        "\n"
        "A plan that is gone or cannot be read stops nothing: the one by which the last step was "
        "committed is in the rollout, is gone by, and a note says so. Where more than one rollout "
        "lies beside the plan, --rollout says which.\n"
        "\n"
        "A history that is damaged is written by nobody; with --past-damage it is: what follows "
        "the last good entry is put into a blob, what is live is taken up as it is, and calls go "
        "to direct.",
    .exits = migration_exits,
    .examples = examples,
    .see_also = "weir-migrate-advance(1), weir-migrate-drift(1), weir-migrate-watch(1)",
    .run = run,
};

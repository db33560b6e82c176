#include "config.h"

#include "cli/stepping.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json.h"
#include "cli/line_diff.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(FLAG, .name = "yes", .letter = 'y', .help = "do it; without this it is only shown"),
    OPTION(FLAG, .name = "retry",
           .help = "also to a share that was rolled back from before, and in a wave that a "
                   "rollback has stopped"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

/* What a step would change, of one actuator. */
struct preview {
    const struct actuator *actuator;
    enum step_result result;
    struct buf diff, why;
};

struct previews {
    VEC(struct preview) list;
};

static void previews_release(struct previews *p)
{
    for (size_t i = 0; i < p->list.len; i++) {
        buf_release(&p->list.ptr[i].diff);
        buf_release(&p->list.ptr[i].why);
    }
    vec_release(&p->list);
}
DEFINE_CLEANUP_VALUE(struct previews, previews_release)

struct moves {
    VEC(struct rollout_move) list;
};

static void gather(const struct watch *w, const struct actuator *actuator, struct moves *ret)
{
    for (size_t i = 0; i < w->app_count; i++) {
        const struct decision *d = &w->apps[i].decision;
        if (w->apps[i].is_chosen && d->action == DECIDE_ADVANCE &&
            d->app->app->actuator == actuator)
            vec_push(&ret->list, ((struct rollout_move){ d->app->app->name, d->from, d->to }));
    }
}

static int preview(const struct stepping *s, const struct actuator *actuator,
                   const struct moves *moves, struct preview *ret, struct err *err)
{
    CLEANUP(step_preview_release) struct step_preview p = { 0 };
    CLEANUP(buf_release) struct buf name = { 0 }, new_name = { 0 };
    struct step_wanted wanted = { .actuator = actuator,
                                  .why = ROLLOUT_ADVANCE,
                                  .moves = moves->list.ptr,
                                  .move_count = moves->list.len };

    ret->actuator = actuator;
    if (step_preview(&s->context, &wanted, &p, &ret->result, &ret->why, err) < 0)
        return -1;
    if (ret->result != STEP_DONE)
        return 0;
    buf_addf(&name, "%.*s live", STR_ARG(actuator->name));
    buf_addf(&new_name, "%.*s e%" PRIu64, STR_ARG(actuator->name), p.epoch);
    line_diff(buf_str(&p.before), buf_str(&p.after), buf_cstr(&name), buf_cstr(&new_name),
              &ret->diff);
    return 0;
}

static int preview_all(const struct stepping *s, const struct watch *w, struct previews *ret,
                       struct err *err)
{
    const struct programme *p = s->m.programme;
    int r = 0;

    for (size_t i = 0; r == 0 && i < p->actuator_count; i++) {
        struct moves moves = { 0 };
        gather(w, &p->actuators[i], &moves);
        if (moves.list.len) {
            vec_push(&ret->list, (struct preview){ 0 });
            r = preview(s, &p->actuators[i], &moves, &ret->list.ptr[ret->list.len - 1], err);
        }
        vec_release(&moves.list);
    }
    return r;
}

static void print_text(const struct watch *w, const struct previews *p, bool is_dry)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    for (size_t i = 0; i < w->app_count; i++)
        if (w->apps[i].decision.app)
            stepping_add_app(&w->apps[i], &out);
    for (size_t i = 0; i < p->list.len; i++) {
        buf_add_byte(&out, '\n');
        buf_add_str(&out, buf_str(&p->list.ptr[i].diff));
        if (p->list.ptr[i].why.len)
            buf_addf(&out, "%s\n", buf_cstr(&p->list.ptr[i].why));
    }
    if (is_dry && p->list.len)
        buf_add_text(&out, "\nNothing was changed; --yes does it.\n");
    cli_out(buf_str(&out));
}

static void print_json(const struct watch *w, const struct previews *p, bool is_dry)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    buf_add_byte(&out, '{');
    json_add_bool(&out, "dry_run", is_dry);
    json_add_key(&out, "apps");
    buf_add_byte(&out, '[');
    for (size_t i = 0; i < w->app_count; i++)
        if (w->apps[i].decision.app)
            stepping_add_app_json(&w->apps[i], &out);
    buf_add_byte(&out, ']');
    json_add_key(&out, "steps");
    buf_add_byte(&out, '[');
    for (size_t i = 0; i < p->list.len; i++) {
        const struct preview *at = &p->list.ptr[i];
        buf_add_text(&out, i ? ",{" : "{");
        json_add_str(&out, "actuator", at->actuator->name);
        json_add_bool(&out, "drift", at->result == STEP_DRIFT);
        json_add_str(&out, "diff", buf_str(&at->diff));
        if (at->why.len)
            json_add_str(&out, "why", buf_str(&at->why));
        buf_add_byte(&out, '}');
    }
    buf_add_text(&out, "]}\n");
    cli_out(buf_str(&out));
}

/* What was looked at, and what came of it. */
static int report(const struct invocation *inv, const struct stepping *s, const struct watch *w,
                  const struct previews *p)
{
    bool is_dry = !invocation_has(inv, "yes");
    int status = stepping_status(w->apps, w->app_count, STEPPING_ADVANCE);

    if (cli_format(inv) == CLI_FORMAT_JSON)
        print_json(w, p, is_dry);
    else
        print_text(w, p, is_dry);
    for (size_t i = 0; i < p->list.len; i++)
        if (p->list.ptr[i].result == STEP_DRIFT)
            status = EXIT_DRIFT;
    if (status == EXIT_OK || status == EXIT_HOLD) {
        status = s->recovered == STEP_DRIFT ? EXIT_DRIFT : status;
        status = s->has_failed ? EXIT_FAILED : status;
    }
    return status;
}

static int advance(const struct invocation *inv, struct stepping *s, struct err *err)
{
    CLEANUP(migration_apps_release) struct migration_apps apps = { 0 };
    CLEANUP(previews_release) struct previews previews = { 0 };
    CLEANUP(watch_free) struct watch *w = NULL;

    if (migration_apps_named(&s->m, &apps, err) < 0 || stepping_read_archive(s, err) < 0)
        return -1;
    bool *wanted = stepping_wanted(&apps, s->m.programme);
    struct watch_input in = stepping_input(s);
    in.wanted = wanted;
    in.by_hand = true;
    in.retry = invocation_has(inv, "retry");
    int r = watch_look(&in, &w, err);
    if (r == 0 && !invocation_has(inv, "yes"))
        r = preview_all(s, w, &previews, err);
    if (r == 0 && invocation_has(inv, "yes"))
        watch_act(&s->context, DECIDE_ADVANCE, w->apps, w->app_count, &w->arena);
    if (r == 0)
        r = report(inv, s, w, &previews);
    free(wanted);
    return r;
}

static int run(const struct invocation *inv)
{
    CLEANUP(stepping_close) struct stepping s = { 0 };
    struct err err;
    int r = stepping_open(inv, invocation_has(inv, "yes") ? ROLLOUT_WRITE : ROLLOUT_READ,
                          STEPPING_LOCK_US, &s, &err);

    if (r == 0)
        r = advance(inv, &s, &err);
    return r < 0 ? migration_fail(inv, &err) : r;
}

static const struct example examples[] = {
    {"weir migrate advance --plan programme-env.yaml pilots",
     "what the first wave would change now, or why it may not"                 },
    { "weir migrate advance --plan programme-env.yaml search-index --yes",
     "one application goes on"                                                 },
    { NULL,                                                                NULL},
};

const struct command command_migrate_advance = {
    .path = "migrate advance",
    .summary = "move applications one stage up",
    .operands = "APP|WAVE|all...",
    .operands_min = 1,
    .operands_max = -1,
    .options = options,
    .description =
        "Looks at everything that has to hold before an application sends more of its calls to "
        "the gateway - gates, dates, freezes, bakes, approvals, readiness, preflight, rehearsal, "
        "caps - and says all that does not. What may go on is shown as the difference that would "
        "be made to what is live; with --yes it is made: one step for all applications of an "
        "actuator, whole or not at all.\n"
        "\n"
        "An application goes up one stage, never two. What holds stays where it is and does not "
        "hold up the others. A step that does not come to run within the plan's time is undone. "
        "Before anything else, a step that was cut short is finished or undone.",
    .exits = migration_exits,
    .examples = examples,
    .see_also = "weir-migrate-gate(1), weir-migrate-rollback(1), weir-migrate-watch(1), "
                "weir-programme(5), weir-rollout(5)",
    .run = run,
};

#include "config.h"

#include "cli/stepping.h"

#include <inttypes.h>

#include "base/json.h"
#include "migrate/rehearse.h"

#define ROUNDS 10

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(VALUE, .name = "rounds", .letter = 'r', .value = "N",
           .help = "how often there and back, 1 to 1000 (default 10)"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

/* The applications of one actuator, and how it went. */
struct group {
    const struct actuator *actuator;
    VEC(const struct programme_app *) apps;
    struct rehearsal rehearsal;
    struct buf why;
};

static void group_release(struct group *g)
{
    vec_release(&g->apps);
    buf_release(&g->why);
}
DEFINE_CLEANUP_VALUE(struct group, group_release)

static bool is_slow(const struct group *g, const struct programme_app *app)
{
    return app->rollback_us > 0 && g->rehearsal.p99_us > app->rollback_us;
}

static void add_text(const struct group *g, struct buf *out)
{
    const struct rehearsal *r = &g->rehearsal;

    if (r->result != STEP_DONE) {
        buf_addf(out, "%.*s\n", STR_ARG(buf_str(&g->why)));
        return;
    }
    buf_addf(out,
             "actuator '%.*s': %u rounds there and back, p50 %" PRId64 ".%03d ms, p99 %" PRId64
             ".%03d ms, slowest %" PRId64 ".%03d ms\n",
             STR_ARG(g->actuator->name), r->rounds, r->p50_us / 1000, (int)(r->p50_us % 1000),
             r->p99_us / 1000, (int)(r->p99_us % 1000), r->slowest_us / 1000,
             (int)(r->slowest_us % 1000));
    for (size_t i = 0; i < g->apps.len; i++)
        buf_addf(out, "  %.*s: %s the %" PRId64 " ms that the plan allows\n",
                 STR_ARG(g->apps.ptr[i]->name), is_slow(g, g->apps.ptr[i]) ? "over" : "within",
                 g->apps.ptr[i]->rollback_us / 1000);
}

static void add_json(const struct group *g, struct buf *out)
{
    static const char *const results[] = {
        [STEP_DONE] = "done",
        [STEP_NOTHING] = "nothing",
        [STEP_ABORTED] = "aborted",
        [STEP_DRIFT] = "drift",
    };
    const struct rehearsal *r = &g->rehearsal;

    buf_add_text(out, out->len && out->ptr[out->len - 1] == '}' ? ",{" : "{");
    json_add_str(out, "actuator", g->actuator->name);
    json_add_str(out, "result", str_from(results[r->result]));
    json_add_int(out, "rounds", r->rounds);
    json_add_int(out, "p50_us", r->p50_us);
    json_add_int(out, "p99_us", r->p99_us);
    json_add_int(out, "slowest_us", r->slowest_us);
    if (g->why.len)
        json_add_str(out, "why", buf_str(&g->why));
    json_add_key(out, "apps");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < g->apps.len; i++) {
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "app", g->apps.ptr[i]->name);
        json_add_bool(out, "slow", is_slow(g, g->apps.ptr[i]));
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}");
}

static int status_of(const struct group *g)
{
    if (g->rehearsal.result == STEP_DRIFT)
        return EXIT_DRIFT;
    if (g->rehearsal.result != STEP_DONE)
        return EXIT_NOT_READY;
    for (size_t i = 0; i < g->apps.len; i++)
        if (is_slow(g, g->apps.ptr[i]))
            return EXIT_NOT_READY;
    return EXIT_OK;
}

/* The status of what was rehearsed, added to out. */
static int rehearse_group(const struct stepping *s, const struct migration_apps *apps,
                          unsigned rounds, struct group *g, struct err *err)
{
    for (size_t i = 0; i < apps->list.len; i++)
        if (apps->list.ptr[i]->app->actuator == g->actuator)
            vec_push(&g->apps, apps->list.ptr[i]->app);
    if (!g->apps.len)
        return EXIT_OK;
    if (rehearse_run(&s->context, g->apps.ptr, g->apps.len, rounds, &g->rehearsal, &g->why, err) <
        0)
        return -1;
    return status_of(g);
}

static int rehearse(const struct invocation *inv, const struct stepping *s, unsigned rounds,
                    struct err *err)
{
    CLEANUP(migration_apps_release) struct migration_apps apps = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };
    bool is_json = cli_format(inv) == CLI_FORMAT_JSON;
    int worst = EXIT_OK;

    if (migration_apps_named(&s->m, &apps, err) < 0)
        return -1;
    if (is_json)
        buf_add_text(&out, "{\"actuators\":[");
    for (size_t i = 0; i < s->m.programme->actuator_count; i++) {
        CLEANUP(group_release) struct group g = { .actuator = &s->m.programme->actuators[i] };
        int status = rehearse_group(s, &apps, rounds, &g, err);
        if (status < 0)
            return -1;
        if (g.apps.len)
            (is_json ? add_json : add_text)(&g, &out);
        if (status && worst != EXIT_DRIFT)
            worst = status;
    }
    if (is_json)
        buf_add_text(&out, "]}\n");
    cli_out(buf_str(&out));
    return worst;
}

static int run(const struct invocation *inv)
{
    CLEANUP(stepping_close) struct stepping s = { 0 };
    const char *text = invocation_get(inv, "rounds");
    int64_t rounds = ROUNDS;
    struct err err;

    if (text &&
        (!str_to_i64(str_from(text), &rounds) || rounds < 1 || rounds > REHEARSE_ROUNDS_MAX))
        return cli_usage(inv, "--rounds '%s' is not a number from 1 to %d", text,
                         REHEARSE_ROUNDS_MAX);
    int r = stepping_open(inv, ROLLOUT_WRITE, STEPPING_LOCK_US, &s, &err);
    if (r == 0)
        r = rehearse(inv, &s, (unsigned)rounds, &err);
    return r < 0 ? migration_fail(inv, &err) : r;
}

static const struct example examples[] = {
    {"weir migrate rehearse --plan programme-env.yaml search-index --rounds 3",
     "there and back three times"                                                   },
    { NULL,                                                                     NULL},
};

const struct command command_migrate_rehearse = {
    .path = "migrate rehearse",
    .summary = "measure how long a rollback takes, where it will happen",
    .operands = "APP|WAVE|all...",
    .operands_min = 1,
    .operands_max = -1,
    .options = options,
    .description =
        "On the applications' own actuator: an application that nobody is, 'weir-rehearsal', is "
        "moved to the gateway with all of its calls and back again, each time until it is seen to "
        "run. The shares of all others stay what they are. What an actuator does at every change - "
        "reload, restart - is done, twice per round.\n"
        "\n"
        "The 99th percentile goes into the ledger; an advance asks that it is within the plan's "
        "'rollback' time and not too old.",
    .exits = migration_exits,
    .examples = examples,
    .see_also = "weir-migrate-advance(1), weir-migrate-rollback(1), weir-programme(5)",
    .run = run,
};

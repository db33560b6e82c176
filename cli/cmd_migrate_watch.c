#include "config.h"

#include "cli/stepping.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "base/timestamp.h"

#define EVERY_US     (60 * US_PER_SECOND)
#define EVERY_LEAST  US_PER_SECOND
#define EVERY_MOST   (7 * US_PER_DAY)
#define LOCK_WAIT_US (10 * US_PER_SECOND)

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION_PLAN,
    OPTION(VALUE, .name = "every", .value = "DURATION",
           .help = "how long to wait between two looks, such as 30s or 5m (default 60s)"),
    OPTION(FLAG, .name = "once", .letter = '1', .help = "look once and end, for cron"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

/* What was told of an application at the look before. */
struct told {
    enum decide_action action;
    int32_t from, to;
    uint32_t obstacles;
};

struct memory {
    VEC(struct told) list; /* by the programme's apps */
};

/* Whether anybody would want to read of it, and has not yet. */
static bool is_news(const struct watch_app *app, struct told *before)
{
    const struct decision *d = &app->decision;
    const struct told now = { d->action, d->from, d->to, d->obstacles };
    bool is_same = now.action == before->action && now.from == before->from &&
                   now.to == before->to && now.obstacles == before->obstacles;

    *before = now;
    return app->end != WATCH_LEFT || (d->action != DECIDE_NOTHING && !is_same);
}

/* A plan with more or fewer applications is a new one. */
static void make_room(struct memory *m, size_t count)
{
    if (m->list.len == count)
        return;
    vec_clear(&m->list);
    for (size_t i = 0; i < count; i++)
        vec_push(&m->list, ((struct told){ 0 }));
}

static void print(const struct invocation *inv, const struct stepping *s, const struct watch *w,
                  struct memory *memory)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    bool is_json = cli_format(inv) == CLI_FORMAT_JSON;
    char at[TIMESTAMP_TEXT_BYTES];
    int64_t now_us = step_now_us(&s->context);

    timestamp_format(now_us - now_us % US_PER_SECOND, at);
    if (is_json) {
        buf_add_byte(&out, '{');
        json_add_str(&out, "at", str_from(at));
        json_add_key(&out, "apps");
        buf_add_byte(&out, '[');
    }
    make_room(memory, w->app_count);
    for (size_t i = 0; i < w->app_count; i++) {
        if (!w->apps[i].decision.app || (!is_json && !is_news(&w->apps[i], &memory->list.ptr[i])))
            continue;
        if (!is_json)
            buf_addf(&out, "%s ", at);
        if (is_json)
            stepping_add_app_json(&w->apps[i], &out);
        else
            stepping_add_app(&w->apps[i], &out);
    }
    if (is_json)
        buf_add_text(&out, "]}\n");
    cli_out(buf_str(&out));
    cli_out_flush();
}

static int pass(const struct invocation *inv, const struct stepping *s, struct watch **ret,
                struct err *err)
{
    CLEANUP(baselines_release) struct baselines baselines = { 0 };
    const char *folder = s->m.programme->rollout.ptr;
    struct watch_input in = stepping_input(s);
    struct err why;

    baselines_read(folder, &baselines);
    in.baselines = &baselines;
    if (watch_pass(&in, ret, err) < 0)
        return -1;
    if (baselines_write(folder, &baselines, &why) < 0)
        cli_note(inv, "the next look reads the baseline again: %s", why.text);
    return 0;
}

static int look(const struct invocation *inv, struct memory *memory, struct price_keeper *prices,
                struct err *err)
{
    CLEANUP(stepping_close) struct stepping s = { 0 };
    CLEANUP(watch_free) struct watch *w = NULL;

    if (stepping_open(inv, ROLLOUT_WRITE, LOCK_WAIT_US, &s, err) < 0)
        return -1;
    s.m.keeper = prices;
    if (stepping_read_archive(&s, err) < 0)
        return -1;
    if (pass(inv, &s, &w, err) < 0)
        return -1;
    print(inv, &s, w, memory);
    int status = stepping_status(w->apps, w->app_count, STEPPING_WATCH);
    if (s.has_failed)
        return EXIT_FAILED;
    return s.recovered == STEP_DRIFT && status != EXIT_FAILED ? EXIT_DRIFT : status;
}

static int read_every(const struct invocation *inv, int64_t *ret_us)
{
    const char *text = invocation_get(inv, "every");

    *ret_us = EVERY_US;
    if (text &&
        (!duration_parse(str_from(text), ret_us) || *ret_us < EVERY_LEAST || *ret_us > EVERY_MOST))
        return cli_usage(inv, "--every '%s' is no time from 1s to 1w, such as 30s", text);
    if (text && invocation_has(inv, "once"))
        return cli_usage(inv, "--every and --once exclude each other");
    return 0;
}

/* A step under way is never broken off: signals wait until the look is over. */
static int watch_on(const struct invocation *inv, int64_t every_us)
{
    CLEANUP(price_keeper_release) struct price_keeper prices = { 0 };
    struct timespec pause = { every_us / US_PER_SECOND, every_us % US_PER_SECOND * 1000 };
    struct memory memory = { 0 };
    struct err err;
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    do {
        if (look(inv, &memory, &prices, &err) < 0)
            migration_fail(inv, &err);
    } while (!cli_out_failed() && sigtimedwait(&set, NULL, &pause) < 0);
    vec_release(&memory.list);
    return EXIT_OK;
}

static int run(const struct invocation *inv)
{
    struct memory memory = { 0 };
    struct err err;
    int64_t every_us;
    int r = read_every(inv, &every_us);

    if (r)
        return r;
    if (!invocation_has(inv, "once"))
        return watch_on(inv, every_us);
    r = look(inv, &memory, NULL, &err);
    vec_release(&memory.list);
    return r < 0 ? migration_fail(inv, &err) : r;
}

static const struct example examples[] = {
    {"weir migrate watch --plan programme-env.yaml --once", "a look, for cron"},
    { NULL,                                                 NULL              },
};

const struct command command_migrate_watch = {
    .path = "migrate watch",
    .summary = "roll back what does harm, hold what cannot be told, advance what may",
    .operands = "",
    .options = options,
    .description =
        "Judges every application that has traffic on the gateway and does what follows: rolls "
        "back where a gate says so, in any phase and any freeze; holds where nothing can be told; "
        "and moves one stage up only what the plan calls 'auto'. Gates see what is sealed: where "
        "recorded calls have waited longer for that than the plan's 'blind' says, what has traffic "
        "on the gateway holds, at 100 % too. A rollback stops the rest of its "
        "wave until a person says otherwise.\n"
        "\n"
        "Runs until it is ended, and tells what is new since the look before; or once, with "
        "--once, from cron: the exit code then says what happened. SIGINT and SIGTERM end it "
        "between two looks.",
    .exits = migration_exits,
    .examples = examples,
    .see_also = "weir-migrate-advance(1), weir-migrate-gate(1), weir-migrate-rollback(1), "
                "weir-programme(5)",
    .run = run,
};

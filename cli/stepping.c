#include "config.h"

#include "cli/stepping.h"

#include <errno.h>
#include <stdlib.h>

#include "analyze/engine.h"
#include "base/json.h"
#include "base/timestamp.h"

#define LOCK_LOOK_US  (US_PER_SECOND / 10)
#define NOTE_WAIT_US  (10 * US_PER_SECOND)
#define SPEND_SPAN_US (30 * US_PER_DAY)

static bool is_locked(const struct err *err)
{
    return err->code == ERR_LIMIT && err->sys == EWOULDBLOCK;
}

static int recover(struct stepping *s, struct err *err)
{
    const struct invocation *inv = s->m.inv;
    struct err failed;

    if (s->m.portfolio->open_count == 0)
        return 0;
    s->is_recovered = true;
    if (step_recover(&s->context, &s->recovered, &s->recovered_why, &failed) < 0) {
        s->has_failed = true;
        cli_note(inv, "%s", failed.text);
    } else if (s->recovered_why.len) {
        cli_note(inv, "%s", buf_cstr(&s->recovered_why));
    } else {
        cli_note(inv, "a step that had been cut short is finished now");
    }
    return migration_read_again(&s->m, err);
}

struct how {
    const struct invocation *inv;
    enum rollout_mode mode;
    int64_t lock_wait_us;
    bool is_anyhow; /* without a plan, if need be */
};

static int open_migration(const struct how *how, struct migration *ret, struct err *err)
{
    struct actuator_wait wait = migration_wait();
    int64_t end_us = wait.now_us(wait.ctx) + how->lock_wait_us;

    while ((how->is_anyhow ? migration_open_anyhow : migration_open)(how->inv, how->mode, ret,
                                                                     err) < 0) {
        if (!is_locked(err) || wait.now_us(wait.ctx) >= end_us)
            return -1;
        migration_close(ret);
        *ret = (struct migration){ 0 };
        wait.sleep_us(wait.ctx, LOCK_LOOK_US);
    }
    return 0;
}

static int open_by(const struct how *how, struct stepping *ret, struct err *err)
{
    struct actuator_wait wait = migration_wait();

    *ret = (struct stepping){ 0 };
    if (open_migration(how, &ret->m, err) < 0)
        return -1;
    ret->notify = notify_new(ret->m.programme, ret->m.rollout);
    ret->context = (struct step_context){
        .programme = ret->m.programme,
        .rollout = ret->m.rollout,
        .wait = wait,
        .wall_us = clock_now_us(),
        .began_us = wait.now_us(wait.ctx),
        .told = notify_told,
        .told_ctx = ret->notify,
    };
    return how->mode == ROLLOUT_READ ? 0 : recover(ret, err);
}

int stepping_open(const struct invocation *inv, enum rollout_mode mode, int64_t lock_wait_us,
                  struct stepping *ret, struct err *err)
{
    return open_by(&(struct how){ inv, mode, lock_wait_us, false }, ret, err);
}

int stepping_open_anyhow(const struct invocation *inv, enum rollout_mode mode, int64_t lock_wait_us,
                         struct stepping *ret, struct err *err)
{
    return open_by(&(struct how){ inv, mode, lock_wait_us, true }, ret, err);
}

/* Millionths, by the programme's apps. */
static void share_out(struct stepping *s, const struct engine_result *r)
{
    const struct programme *p = s->m.programme;
    i128 all = engine_cost(&r->totals);

    s->spend_per_million = mem_calloc(p->app_count + 1, sizeof(*s->spend_per_million));
    for (size_t i = 0; all > 0 && i < p->app_count; i++) {
        const struct engine_row *row = engine_find(r, &p->apps[i].name);
        if (row)
            s->spend_per_million[i] = (int64_t)(engine_cost(&row->sums) * 1000000 / all);
    }
}

static int read_spend(struct stepping *s, struct err *err)
{
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    CLEANUP(engine_result_release) struct engine_result result = { 0 };
    struct dimension *app;
    struct engine_query q = { .ledgers = &ledgers,
                              .book = s->m.prices,
                              .from_us = s->m.now_us - SPEND_SPAN_US,
                              .to_us = s->m.now_us,
                              .dimensions = &app,
                              .dimension_count = 1,
                              .measures = ENGINE_MONEY };

    if (ledgers_add_path(&ledgers, s->m.programme->archive.ptr, q.from_us, q.to_us, err) < 0 ||
        dimension_new(STR("app"), NULL, &app, err) < 0)
        return -1;
    int r = engine_run(&q, &result, err);
    if (r == 0)
        share_out(s, &result);
    dimension_free(app);
    return r;
}

int stepping_read_archive(struct stepping *s, struct err *err)
{
    int64_t since_us;

    if (!s->m.programme->archive.len)
        return 0;
    if (migration_open_archive(&s->m, err) < 0 ||
        archive_unsealed_since(s->m.archive, &since_us, err) < 0)
        return -1;
    s->unsealed_us = since_us < s->m.now_us ? s->m.now_us - since_us : 0;
    return s->m.programme->spend_moving_per_million > 0 ? read_spend(s, err) : 0;
}

int stepping_open_rollout(const struct migration *m, int64_t lock_wait_us, struct rollout **ret,
                          struct err *err)
{
    struct actuator_wait wait = migration_wait();
    int64_t end_us = wait.now_us(wait.ctx) + lock_wait_us;

    while (rollout_open(m->programme->rollout.ptr, ROLLOUT_WRITE, str_from(m->actor),
                        clock_now_us(), ret, err) < 0) {
        if (!is_locked(err) || wait.now_us(wait.ctx) >= end_us)
            return -1;
        wait.sleep_us(wait.ctx, LOCK_LOOK_US);
    }
    return 0;
}

/* What hooks missed is noted in a rollout that is opened again for it. */
struct note {
    const struct migration *m;
    struct step_context context;
    struct rollout *rollout;
};

static int note(void *ctx, const struct rollout_entry *e, struct err *err)
{
    struct note *n = ctx;

    if (!n->rollout && stepping_open_rollout(n->m, NOTE_WAIT_US, &n->rollout, err) < 0)
        return -1;
    n->context.rollout = n->rollout;
    return step_note(&n->context, e, err);
}

void stepping_tell(const struct migration *m, struct notify *n, const struct step_context *c)
{
    CLEANUP(buf_release) struct buf failed = { 0 };
    struct note notes = { .m = m, .context = *c };
    struct str line;

    if (notify_send(n, &c->wait, note, &notes, &failed)) {
        struct str rest = str_trim(buf_str(&failed));
        while (str_split(&rest, '\n', &line))
            cli_note(m->inv, "%.*s", STR_ARG(line));
    }
    rollout_close(notes.rollout);
}

void stepping_close(struct stepping *s)
{
    /* Nobody waits for hooks. */
    rollout_close(s->m.rollout);
    s->m.rollout = NULL;
    if (s->notify)
        stepping_tell(&s->m, s->notify, &s->context);
    notify_free(s->notify);
    free(s->spend_per_million);
    buf_release(&s->recovered_why);
    migration_close(&s->m);
    *s = (struct stepping){ 0 };
}

struct watch_input stepping_input(const struct stepping *s)
{
    return (struct watch_input){
        .step = &s->context,
        .archive = s->m.archive,
        .prices = s->m.prices,
        .spend_per_million = s->spend_per_million,
        .unsealed_us = s->unsealed_us,
    };
}

bool *stepping_wanted(const struct migration_apps *apps, const struct programme *p)
{
    bool *wanted = mem_calloc(p->app_count + 1, sizeof(*wanted));

    for (size_t i = 0; i < apps->list.len; i++)
        wanted[apps->list.ptr[i]->app - p->apps] = true;
    return wanted;
}

static int status_of(const struct watch_app *app, enum stepping_wish wish)
{
    switch (app->end) {
    case WATCH_FAILED:
        return EXIT_FAILED;
    case WATCH_DRIFTED:
        return EXIT_DRIFT;
    case WATCH_ABORTED:
        return wish == STEPPING_ROLLBACK ? EXIT_FAILED : EXIT_ROLLED_BACK;
    case WATCH_DONE:
        return app->decision.action == DECIDE_ROLLBACK && wish != STEPPING_ROLLBACK
                   ? EXIT_ROLLED_BACK
                   : EXIT_OK;
    case WATCH_LEFT:
        break;
    }
    if (wish == STEPPING_WATCH && app->decision.action == DECIDE_NOTHING)
        return EXIT_OK;
    if (decide_is_unready(&app->decision))
        return EXIT_NOT_READY;
    return app->decision.obstacles || app->decision.action == DECIDE_ROLLBACK ? EXIT_HOLD : EXIT_OK;
}

int stepping_status(const struct watch_app *apps, size_t count, enum stepping_wish wish)
{
    static const int worst_first[] = { EXIT_FAILED,    EXIT_DRIFT, EXIT_ROLLED_BACK,
                                       EXIT_NOT_READY, EXIT_HOLD,  EXIT_OK };
    size_t worst = ARRAY_LEN(worst_first) - 1;

    for (size_t i = 0; i < count; i++) {
        if (!apps[i].decision.app)
            continue;
        size_t rank = 0;
        while (worst_first[rank] != status_of(&apps[i], wish))
            rank++;
        if (rank < worst)
            worst = rank;
    }
    return worst_first[worst];
}

/* What happened, or will: "1 % -> 5 %", "rolled back from 25 % to 5 %: why". */
static void add_action(const struct watch_app *app, struct buf *out)
{
    const struct decision *d = &app->decision;
    static const char *const left[] = {
        [DECIDE_NOTHING] = "stays at",
        [DECIDE_HOLD] = "holds at",
        [DECIDE_ADVANCE] = "may advance from",
        [DECIDE_ROLLBACK] = "is to be rolled back from",
    };
    static const char *const ends[] = {
        [WATCH_DONE] = "",
        [WATCH_ABORTED] = ", undone",
        [WATCH_DRIFTED] = ", not touched",
        [WATCH_FAILED] = "",
    };

    if (app->end == WATCH_LEFT)
        buf_addf(out, "%s ", left[d->action]);
    else
        buf_addf(out, "%s%s from ", app->end == WATCH_DONE ? "" : "not ",
                 d->action == DECIDE_ROLLBACK ? "rolled back" : "advanced");
    migration_add_share(d->from, out);
    if (d->action == DECIDE_ADVANCE || d->action == DECIDE_ROLLBACK) {
        buf_add_text(out, " to ");
        migration_add_share(d->to, out);
    }
    if (app->end > WATCH_DONE)
        buf_addf(out, "%s: %.*s", ends[app->end], STR_ARG(app->said));
    else if (d->reason.len)
        buf_addf(out, ": %.*s", STR_ARG(d->reason));
}

void stepping_add_app(const struct watch_app *app, struct buf *out)
{
    const struct decision *d = &app->decision;

    buf_addf(out, "%.*s ", STR_ARG(d->app->app->name));
    add_action(app, out);
    buf_add_byte(out, '\n');
    for (enum decide_obstacle i = 0; i < DECIDE_OBSTACLE_COUNT; i++)
        if (d->obstacles & 1u << i)
            buf_addf(out, "  %s: %.*s\n", decide_obstacle_name(i), STR_ARG(d->why[i]));
}

void stepping_add_app_json(const struct watch_app *app, struct buf *out)
{
    const struct decision *d = &app->decision;
    char at[TIMESTAMP_TEXT_BYTES];

    buf_add_text(out, out->len && out->ptr[out->len - 1] == '}' ? ",{" : "{");
    json_add_str(out, "app", d->app->app->name);
    json_add_str(out, "action", str_from(decide_action_name(d->action)));
    json_add_int(out, "from", d->from);
    json_add_int(out, "to", d->to);
    json_add_str(out, "end", str_from(watch_end_name(app->end)));
    if (d->reason.len)
        json_add_str(out, "reason", d->reason);
    if (app->said.len)
        json_add_str(out, "said", app->said);
    if (app->verdict && app->verdict->last_us)
        json_add_str(out, "last_call", str_from(timestamp_format(app->verdict->last_us, at)));
    json_add_key(out, "obstacles");
    buf_add_byte(out, '{');
    for (enum decide_obstacle i = 0; i < DECIDE_OBSTACLE_COUNT; i++)
        if (d->obstacles & 1u << i)
            json_add_str(out, decide_obstacle_name(i), d->why[i]);
    buf_add_text(out, "}}");
}

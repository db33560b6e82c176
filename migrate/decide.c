#include "config.h"

#include "migrate/decide.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/timestamp.h"

/* Traffic that stopped so long ago proves nothing of today. */
#define FRESH_US    US_PER_DAY
#define PER_MILLION 1000000

/* What an obstacle's row looks at. */
struct question {
    const struct decide_input *in;
    const struct portfolio_app *app;
    const struct programme_app *plan;
    int stage; /* where it is; -1 = before the first */
    int32_t to;
    struct buf *say; /* the sentence, if it is one */
};

static bool is_through(const struct portfolio_app *a, int64_t now_us)
{
    return portfolio_phase(a, now_us) == PORTFOLIO_DONE;
}

/* Between the first stage and 100 %. */
static bool is_moving(const struct portfolio_app *a)
{
    return a->share > 0 && a->share < ROLLOUT_ALL;
}

static void add_duration(int64_t us, struct buf *out)
{
    int64_t minutes = (us + 60 * US_PER_SECOND - 1) / (60 * US_PER_SECOND);

    if (minutes < 120)
        buf_addf(out, "%" PRId64 " min", minutes);
    else if (minutes < 3 * 24 * 60)
        buf_addf(out, "%" PRId64 " h", (minutes + 59) / 60);
    else
        buf_addf(out, "%" PRId64 " days", (minutes + 24 * 60 - 1) / (24 * 60));
}

static bool is_frozen(const struct question *q)
{
    const struct programme_freeze *f = programme_frozen(q->in->portfolio->programme, q->in->now_us);

    if (!f)
        return false;
    buf_add_text(q->say, "nothing advances in the freeze until ");
    programme_add_time(q->in->portfolio->programme, f->to_us, q->say);
    if (f->reason.len)
        buf_addf(q->say, " (%.*s)", STR_ARG(f->reason));
    return true;
}

static bool is_early(const struct question *q)
{
    const struct programme *p = q->in->portfolio->programme;
    int64_t date_us =
        q->plan->date_us ? q->plan->date_us : (q->plan->wave ? q->plan->wave->from_us : 0);

    if (date_us < p->start_us)
        date_us = p->start_us;
    if (q->app->share > 0 || q->in->now_us >= date_us)
        return false;
    buf_add_text(q->say, "the plan has it begin at ");
    programme_add_time(p, date_us, q->say);
    return true;
}

static bool is_baking(const struct question *q)
{
    if (q->stage < 0 || q->app->share == 0)
        return false;
    int64_t bake_us = q->plan->stages[q->stage].bake_us, past_us = q->in->now_us - q->app->since_us;
    if (past_us < 0) {
        buf_add_text(q->say, "the clock is before the last step, which was at ");
        programme_add_time(q->in->portfolio->programme, q->app->since_us, q->say);
        buf_add_text(q->say, ", and no gate sees what has come since ('weir migrate verify')");
        return true;
    }
    if (past_us >= bake_us)
        return false;
    buf_add_text(q->say, "it stays at this stage for another ");
    add_duration(bake_us - past_us, q->say);
    return true;
}

/* Without calls on the gateway there is nothing to judge. */
static bool needs_verdict(const struct question *q)
{
    return q->app->share > 0;
}

static bool has_no_data(const struct question *q)
{
    const struct verdict *v = q->in->verdict;

    if (!needs_verdict(q))
        return false;
    if (!v)
        buf_add_text(q->say, "nothing is known of its calls: the archive was not read");
    else if (v->calls[1] == 0)
        buf_add_text(q->say, "the archive has no call of it through the gateway yet");
    else if (v->last_us < q->app->since_us)
        buf_add_text(q->say, "the archive has no call of it since the last step");
    else if (v->last_us < q->in->now_us - FRESH_US) {
        buf_add_text(q->say, "the archive has no call of it since ");
        programme_add_time(q->in->portfolio->programme, v->last_us, q->say);
    } else
        return false;
    return true;
}

/* Gates judge what is sealed. */
static bool is_blind(const struct question *q)
{
    const struct programme *p = q->in->portfolio->programme;

    if (!needs_verdict(q) || q->in->unsealed_us <= p->blind_us)
        return false;
    buf_add_text(q->say,
                 "the gates are blind: calls are recorded that have waited to be sealed for ");
    add_duration(q->in->unsealed_us, q->say);
    if (q->in->verdict && q->in->verdict->last_us) {
        buf_add_text(q->say, ", and the last one of it that they see began at ");
        programme_add_time(p, q->in->verdict->last_us, q->say);
    }
    buf_add_text(q->say, " ('weir capture seal')");
    return true;
}

static bool is_out(const struct question *q)
{
    const struct verdict *v = q->in->verdict;

    for (size_t i = 0; needs_verdict(q) && v && i < v->gate_count; i++) {
        const struct verdict_gate *g = &v->gates[i];
        if (!g->cap_excused || g->cap_tripped)
            continue;
        buf_addf(q->say, "%s: %.*s", gate_metric_name(g->gate->metric), STR_ARG(g->why));
        return true;
    }
    return false;
}

static bool is_split_off(const struct question *q)
{
    const struct verdict *v = q->in->verdict;

    if (!needs_verdict(q) || !v || !v->split_is_off)
        return false;
    buf_addf(q->say, "the share of calls that the archive shows is not the one intended: %.*s",
             STR_ARG(v->why));
    return true;
}

static bool is_undecided(const struct question *q)
{
    const struct verdict *v = q->in->verdict;

    if (!needs_verdict(q) || !v || v->split_is_off || v->says == VERDICT_PROMOTE)
        return false;
    buf_addf(q->say, "its gates cannot tell yet: %.*s", STR_ARG(v->why));
    return true;
}

/* Given since the app was last rolled back: what was approved before has failed since. */
static bool has_approval(const struct portfolio_app *a, struct str role)
{
    int64_t since_us = a->last_rollback ? a->last_rollback->at_us : INT64_MIN;

    for (size_t i = 0; i < a->approval_count; i++)
        if (str_eq(a->approvals[i]->detail, role) && a->approvals[i]->at_us >= since_us)
            return true;
    return false;
}

static bool lacks_approval(const struct question *q)
{
    size_t missing = 0;

    if (q->app->share > 0)
        return false;
    for (size_t i = 0; i < q->plan->approvals.len; i++) {
        struct str role = q->plan->approvals.list[i];
        if (has_approval(q->app, role))
            continue;
        buf_addf(q->say, "%s%.*s", missing++ ? ", " : "it lacks the approval of: ", STR_ARG(role));
    }
    if (missing)
        buf_addf(q->say, " ('weir migrate approve %.*s --as ROLE')", STR_ARG(q->plan->name));
    return missing > 0;
}

static bool is_not_ready(const struct question *q)
{
    const struct rollout_entry *e = q->app->ready;

    if (q->app->share > 0 || q->plan->readiness.len == 0)
        return false;
    if (!e)
        buf_addf(q->say, "its readiness was never looked at ('weir migrate ready %.*s')",
                 STR_ARG(q->plan->name));
    else if (e->value > 0)
        buf_addf(q->say, "%" PRId64 " of the readiness checks it needs did not pass%s%.*s",
                 e->value, e->detail.len ? ": " : "", STR_ARG(e->detail));
    /* Which checks it needs is the plan's word. */
    else if (!str_eq(e->plan, q->in->portfolio->programme->sha))
        buf_addf(q->say, "its readiness was looked at by another plan ('weir migrate ready %.*s')",
                 STR_ARG(q->plan->name));
    else
        return false;
    return true;
}

/* Whether an entry is older than the plan lets it be; an age of 0 asks for none. */
static bool is_old(const struct question *q, const struct rollout_entry *e, int64_t age_us)
{
    return q->in->now_us - e->at_us > age_us || e->at_us > q->in->now_us;
}

static bool lacks_preflight(const struct question *q)
{
    const struct rollout_entry *e = q->app->preflight;
    bool is_first = q->app->share == 0;

    if (q->plan->preflight_age_us <= 0)
        return false;
    if (!e)
        buf_add_text(q->say, "no recorded call of it was played through the gateway");
    else if (e->value > 0)
        buf_addf(q->say, "its last preflight failed%s%.*s", e->detail.len ? ": " : "",
                 STR_ARG(e->detail));
    /* Later stages have live evidence, which is better than any recording. */
    else if (is_first && !str_eq(e->plan, q->in->portfolio->programme->sha))
        buf_add_text(q->say, "its last preflight was of another plan");
    else if (is_first && is_old(q, e, q->plan->preflight_age_us))
        buf_add_text(q->say, "its last preflight is too old");
    else
        return false;
    buf_addf(q->say, " ('weir migrate preflight %.*s')", STR_ARG(q->plan->name));
    return true;
}

static bool lacks_rehearsal(const struct question *q)
{
    const struct rollout_entry *e = q->app->rehearsal;

    if (q->plan->rehearsal_age_us <= 0)
        return false;
    if (!e)
        buf_add_text(q->say, "its rollback was never rehearsed");
    else if (q->plan->rollback_us > 0 && e->value > q->plan->rollback_us)
        buf_addf(q->say, "its rehearsed rollback took %" PRId64 " ms, the plan allows %" PRId64,
                 e->value / 1000, q->plan->rollback_us / 1000);
    else if (is_old(q, e, q->plan->rehearsal_age_us))
        buf_add_text(q->say, "its last rehearsal is too old");
    else
        return false;
    buf_addf(q->say, " ('weir migrate rehearse %.*s')", STR_ARG(q->plan->name));
    return true;
}

static bool is_owner_busy(const struct question *q)
{
    const struct portfolio *p = q->in->portfolio;

    if (q->app->share > 0 || q->plan->owner.len == 0)
        return false;
    for (size_t i = 0; i < p->programme->app_count; i++) {
        const struct portfolio_app *other = &p->apps[i];
        if (other == q->app || other->app->retired || !is_moving(other) ||
            !str_eq(other->app->owner, q->plan->owner))
            continue;
        buf_addf(q->say, "'%.*s' of the same owner (%.*s) is moving", STR_ARG(other->app->name),
                 STR_ARG(q->plan->owner));
        return true;
    }
    return false;
}

static bool has_needs(const struct question *q)
{
    const struct portfolio *p = q->in->portfolio;
    size_t missing = 0;

    if (q->app->share > 0)
        return false;
    for (size_t i = 0; i < q->plan->needs.len; i++) {
        struct str need = q->plan->needs.list[i];
        const struct portfolio_app *other = portfolio_find(p, need);
        if (other && is_through(other, q->in->now_us))
            continue;
        buf_addf(q->say, "%s%.*s",
                 missing++ ? ", " : "not through yet, and needed: ", STR_ARG(need));
    }
    return missing > 0;
}

static bool are_too_many(const struct question *q)
{
    const struct portfolio *p = q->in->portfolio;
    int64_t moving = 0;

    if (q->app->share > 0 || p->programme->apps_in_flight <= 0)
        return false;
    for (size_t i = 0; i < p->programme->app_count; i++)
        moving += is_moving(&p->apps[i]);
    if (moving < p->programme->apps_in_flight)
        return false;
    buf_addf(q->say, "%" PRId64 " applications are moving, which is all that the plan allows",
             moving);
    return true;
}

static void add_percent(int64_t per_million, struct buf *out)
{
    buf_addf(out, "%" PRId64 ".%" PRId64 " %%", per_million / 10000, per_million / 1000 % 10);
}

static bool is_too_much_spend(const struct question *q)
{
    const struct portfolio *p = q->in->portfolio;
    const int64_t *spend = q->in->spend_per_million;
    int64_t cap = p->programme->spend_moving_per_million, sum = 0;

    if (q->app->share > 0 || cap <= 0 || cap >= PER_MILLION)
        return false;
    if (!spend) {
        buf_add_text(q->say, "the plan caps the spend that moves at once, and what the "
                             "applications spend is not known");
        return true;
    }
    for (size_t i = 0; i < p->programme->app_count; i++)
        if (is_moving(&p->apps[i]) || &p->apps[i] == q->app)
            sum += spend[i];
    if (sum <= cap)
        return false;
    add_percent(sum, q->say);
    buf_add_text(q->say, " of the month's spend would move at once, the plan allows ");
    add_percent(cap, q->say);
    return true;
}

/* Nothing was done with the app since it was rolled back, and nobody said that the wave goes on. */
static bool stops_wave(const struct portfolio_app *a)
{
    return !a->app->retired && a->last_rollback && a->epoch == a->last_rollback->epoch &&
           !has_approval(a, STR(DECIDE_ROLE_WAVE));
}

static bool is_wave_stopped(const struct question *q)
{
    const struct portfolio *p = q->in->portfolio;
    const struct programme_wave *wave = q->plan->wave;

    if (q->in->retry)
        return false;
    for (size_t i = 0; i < p->programme->app_count; i++) {
        const struct portfolio_app *other = &p->apps[i];
        if ((other != q->app && (!wave || other->app->wave != wave)) || !stops_wave(other))
            continue;
        buf_addf(q->say,
                 "'%.*s' was rolled back, which stops its wave until somebody says otherwise "
                 "('weir migrate approve %.*s --as " DECIDE_ROLE_WAVE "')",
                 STR_ARG(other->app->name), STR_ARG(other->app->name));
        return true;
    }
    return false;
}

static bool is_known_bad(const struct question *q)
{
    if (q->in->retry)
        return false;
    for (size_t i = 0; i < q->app->checkpoint_count; i++) {
        const struct portfolio_checkpoint *c = &q->app->checkpoints[i];
        if (!c->is_bad || c->share != q->to)
            continue;
        buf_add_text(q->say, "it was rolled back from this very share before ('weir migrate "
                             "advance --retry' tries again)");
        return true;
    }
    return false;
}

static bool is_step_open(const struct question *q)
{
    const struct portfolio *p = q->in->portfolio;

    for (size_t i = 0; i < p->open_count; i++) {
        if (!q->plan->actuator || !str_eq(p->open[i]->actuator, q->plan->actuator->name))
            continue;
        buf_addf(q->say, "step e%" PRIu64 " of its actuator has begun and not ended",
                 p->open[i]->epoch);
        return true;
    }
    return false;
}

static const char *const obstacle_names[] = {
#define X(constant, word) word,
    DECIDE_OBSTACLES(X)
#undef X
};

static const struct {
    bool (*stands)(const struct question *q);
    bool is_unready; /* a command of migrate removes it */
} obstacles[] = {
    [DECIDE_FREEZE] = {is_frozen,          false},
    [DECIDE_DATE] = { is_early,          false},
    [DECIDE_BAKE] = { is_baking,         false},
    [DECIDE_GATE] = { is_undecided,      false},
    [DECIDE_NO_DATA] = { has_no_data,       false},
    [DECIDE_BLIND] = { is_blind,          false},
    [DECIDE_OUTAGE] = { is_out,            false},
    [DECIDE_SPLIT] = { is_split_off,      false},
    [DECIDE_APPROVAL] = { lacks_approval,    false},
    [DECIDE_READINESS] = { is_not_ready,      true },
    [DECIDE_PREFLIGHT] = { lacks_preflight,   true },
    [DECIDE_REHEARSAL] = { lacks_rehearsal,   true },
    [DECIDE_OWNER] = { is_owner_busy,     false},
    [DECIDE_NEEDS] = { has_needs,         false},
    [DECIDE_IN_FLIGHT] = { are_too_many,      false},
    [DECIDE_SPEND] = { is_too_much_spend, false},
    [DECIDE_WAVE] = { is_wave_stopped,   false},
    [DECIDE_BAD] = { is_known_bad,      false},
    [DECIDE_OPEN_STEP] = { is_step_open,      false},
};
_Static_assert(ARRAY_LEN(obstacles) == DECIDE_OBSTACLE_COUNT, "a row for each obstacle");

static void find_obstacles(const struct decide_input *in, const struct portfolio_app *app,
                           struct arena *arena, struct decision *ret)
{
    CLEANUP(buf_release) struct buf say = { 0 };
    struct question q = {
        .in = in,
        .app = app,
        .plan = app->app,
        .stage = portfolio_stage(app),
        .to = ret->to,
        .say = &say,
    };

    for (size_t i = 0; i < DECIDE_OBSTACLE_COUNT; i++) {
        buf_clear(&say);
        if (!obstacles[i].stands(&q))
            continue;
        ret->obstacles |= 1u << i;
        ret->why[i] = arena_str(arena, buf_str(&say));
    }
}

/* Nothing is to come any more, but that nobody would see harm (of calls that are not sealed, or
 * behind a clock that was wrong), or what there is is not the gateway's. */
static void watch_over(const struct decide_input *in, const struct portfolio_app *app,
                       struct arena *arena, struct decision *ret)
{
    static const enum decide_obstacle looked_for[] = { DECIDE_BAKE, DECIDE_BLIND, DECIDE_OUTAGE };
    CLEANUP(buf_release) struct buf say = { 0 };
    struct question q = {
        .in = in, .app = app, .plan = app->app, .stage = portfolio_stage(app), .say = &say
    };
    bool is_done = is_through(app, in->now_us), is_ahead = app->since_us > in->now_us;

    for (size_t i = 0; !app->app->retired && i < ARRAY_LEN(looked_for); i++) {
        enum decide_obstacle o = looked_for[i];
        buf_clear(&say);
        if ((o == DECIDE_BLIND && is_done) || (o == DECIDE_BAKE && !is_ahead) ||
            !obstacles[o].stands(&q))
            continue;
        ret->action = DECIDE_HOLD;
        ret->obstacles |= 1u << o;
        ret->why[o] = arena_str(arena, buf_str(&say));
    }
}

static bool is_bad_share(const struct portfolio_app *app, int32_t share)
{
    for (size_t i = 0; i < app->checkpoint_count; i++)
        if (app->checkpoints[i].is_bad && app->checkpoints[i].share == share)
            return true;
    return false;
}

int32_t decide_rollback_share(const struct portfolio_app *app)
{
    int64_t to = app->app->rollback_to;

    if (to < 0)
        to = portfolio_good_share(app);
    /* Direct is where everything worked before, and below everything. */
    return to >= app->share || is_bad_share(app, (int32_t)to) ? 0 : (int32_t)to;
}

/* Of the last stage also what moves that no gate has seen. */
static struct str why_now(const struct decide_input *in, const struct portfolio_app *app,
                          int32_t to, struct arena *arena)
{
    CLEANUP(buf_release) struct buf say = { 0 };
    const struct verdict *v = in->verdict;

    if (!app->share)
        return STR("its first stage");
    buf_add_str(&say, v->why);
    if (to == ROLLOUT_ALL && v->keyless > 0)
        buf_addf(&say, "; %" PRId64 " of its %" PRId64 " calls had no key, and go with this step",
                 v->keyless, v->calls[0] + v->calls[1] + v->left_out);
    return arena_str(arena, buf_str(&say));
}

void decide(const struct decide_input *in, const struct portfolio_app *app, struct arena *arena,
            struct decision *ret)
{
    const struct programme_app *plan = app->app;
    int stage = portfolio_stage(app);

    *ret = (struct decision){ .app = app, .from = app->share, .to = app->share };
    if (in->verdict && in->verdict->says == VERDICT_ROLLBACK && app->share > 0) {
        ret->action = DECIDE_ROLLBACK;
        /* Evidence is against the gateway, whatever its part of the calls: no share was good.  It
         * stays: a share that the plan names would last until the next look. */
        ret->to = 0;
        ret->reason = arena_str(arena, in->verdict->why);
        return;
    }
    if (plan->retired || app->share >= ROLLOUT_ALL || (size_t)(stage + 1) >= plan->stage_count) {
        watch_over(in, app, arena, ret);
        return;
    }
    ret->to = plan->stages[stage + 1].share;
    find_obstacles(in, app, arena, ret);
    if (!ret->obstacles) {
        ret->action = DECIDE_ADVANCE;
        ret->reason = why_now(in, app, ret->to, arena);
    } else if (!(ret->obstacles & 1u << DECIDE_DATE)) {
        ret->action = DECIDE_HOLD;
    }
}

const char *decide_action_name(enum decide_action action)
{
    static const char *const names[] = {
        [DECIDE_NOTHING] = "nothing",
        [DECIDE_HOLD] = "hold",
        [DECIDE_ADVANCE] = "advance",
        [DECIDE_ROLLBACK] = "rollback",
    };

    return names[action];
}

const char *decide_obstacle_name(enum decide_obstacle obstacle)
{
    return obstacle_names[obstacle];
}

bool decide_is_unready(const struct decision *d)
{
    for (size_t i = 0; i < DECIDE_OBSTACLE_COUNT; i++)
        if (d->obstacles & 1u << i && obstacles[i].is_unready)
            return true;
    return false;
}

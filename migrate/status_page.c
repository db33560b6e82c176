/* status_page - where a programme stands, as a document. */
#include "config.h"

#include <inttypes.h>
#include <math.h>

#include "base/timestamp.h"
#include "migrate/status.h"

#define ROLLBACKS_SHOWN 20
#define DAY_TENTH_US    (US_PER_DAY / 10)

static const char *const phase_words[STATUS_PHASES] = {
    [PORTFOLIO_WAITING] = "waiting", [PORTFOLIO_MOVING] = "moving", [PORTFOLIO_BAKING] = "baking",
    [PORTFOLIO_DONE] = "done",       [PORTFOLIO_BACK] = "back",
};

static void add_ratio(struct document *d, double x)
{
    if (!(x >= 0) || x > 1e12)
        document_none(d);
    else
        document_number(d, CELL_NUMBER, (i128)(x * (double)RATIO_ONE + 0.5));
}

static void add_part(struct document *d, double x)
{
    document_number(d, CELL_SHARE, (i128)(x * (double)RATIO_ONE + 0.5));
}

static void add_time(const struct status *s, struct document *d, int64_t us)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (!us) {
        document_none(d);
        return;
    }
    programme_add_time(s->in->portfolio->programme, us - us % (60 * US_PER_SECOND), &text);
    document_text(d, buf_str(&text));
}

/* --- the whole --- */

static void add_ahead(const struct status *s, struct document *d)
{
    int64_t tenths = s->ahead_us / DAY_TENTH_US, size = tenths < 0 ? -tenths : tenths;

    if (!size)
        document_text(d, STR("as planned"));
    else
        document_textf(d, "%" PRId64 ".%" PRId64 " days %s the plan", size / 10, size % 10,
                       tenths < 0 ? "behind" : "ahead of");
}

static void add_whole(const struct status *s, struct document *d)
{
    static const struct column_def columns[] = {
        {"name",   "",      false},
        { "value", "value", false},
    };
    const struct programme_freeze *f = programme_frozen(s->in->portfolio->programme, s->in->now_us);

    document_section(d, "programme", "Where it stands");
    document_columns(d, columns, ARRAY_LEN(columns));
    document_text(d, STR("applications"));
    document_textf(d, "%zu: %zu done, %zu baking, %zu moving, %zu waiting, %zu back", s->app_count,
                   s->phases[PORTFOLIO_DONE], s->phases[PORTFOLIO_BAKING],
                   s->phases[PORTFOLIO_MOVING], s->phases[PORTFOLIO_WAITING],
                   s->phases[PORTFOLIO_BACK]);
    document_text(d, STR("stages"));
    document_textf(d, "%.1f %% done, %.1f %% planned by now", 100 * s->done, 100 * s->planned);
    document_text(d, STR("calendar"));
    add_ahead(s, d);
    document_text(d, STR("spend moved"));
    if (s->moved_per_million < 0)
        document_text(d, STR("not known"));
    else
        document_textf(d, "%.1f %%", (double)s->moved_per_million / 1e4);
    if (f) {
        document_text(d, STR("freeze"));
        document_textf(d, "%s", f->reason.len ? f->reason.ptr : "yes");
    }
}

static void add_waves(const struct status *s, struct document *d)
{
    static const struct column_def columns[] = {
        {"wave",     "wave",    false},
        { "from",    "from",    false},
        { "until",   "until",   false},
        { "apps",    "apps",    true },
        { "done",    "done",    true },
        { "baking",  "baking",  true },
        { "moving",  "moving",  true },
        { "waiting", "waiting", true },
        { "back",    "back",    true },
        { "planned", "planned", true },
        { "reached", "reached", true },
    };
    static const enum portfolio_phase order[] = { PORTFOLIO_DONE, PORTFOLIO_BAKING,
                                                  PORTFOLIO_MOVING, PORTFOLIO_WAITING,
                                                  PORTFOLIO_BACK };

    document_section(d, "waves", "Waves");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < s->wave_count; i++) {
        const struct status_wave *w = &s->waves[i];
        document_text(d, w->wave ? w->wave->name : STR("(none)"));
        add_time(s, d, w->wave ? w->wave->from_us : 0);
        add_time(s, d, w->wave ? w->wave->to_us : 0);
        document_number(d, CELL_COUNT, (i128)w->apps);
        for (size_t k = 0; k < ARRAY_LEN(order); k++)
            document_number(d, CELL_COUNT, (i128)w->phases[order[k]]);
        add_part(d, w->planned);
        add_part(d, w->done);
    }
    document_chart(d, CHART_STACK, 4, ARRAY_LEN(order), "Applications of each wave",
                   "One bar for each wave, of the applications that are done, baking, moving, "
                   "waiting and back. The table below has the same figures.");
}

/* --- applications --- */

static void add_next(const struct status_app *a, struct document *d)
{
    const struct decision *c = &a->decision;

    switch (c->action) {
    case DECIDE_ADVANCE:
        document_textf(d, "advance to %.6g %%", (double)c->to / 100);
        break;
    case DECIDE_ROLLBACK:
        document_textf(d, "roll back to %.6g %%", (double)c->to / 100);
        break;
    case DECIDE_HOLD:
    case DECIDE_NOTHING:
        document_text(d, str_from(decide_action_name(c->action)));
        break;
    }
}

static void add_obstacle_words(const struct decision *c, struct document *d)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    for (int i = 0; i < DECIDE_OBSTACLE_COUNT; i++)
        if (c->obstacles & 1u << i)
            buf_addf(&text, "%s%s", text.len ? ", " : "",
                     decide_obstacle_name((enum decide_obstacle)i));
    document_text(d, buf_str(&text));
}

static void add_evidence(const struct status_app *a, struct document *d)
{
    const struct status_evidence *e = &a->evidence;

    document_text(d, e->is_there ? e->says : STR(""));
    if (e->is_there)
        document_number(d, CELL_COUNT, e->units[1]);
    else
        document_none(d);
    add_ratio(d, e->is_there ? e->excluded : -1);
}

static void add_apps(const struct status *s, struct document *d)
{
    static const struct column_def columns[] = {
        {"app",            "app",           false},
        { "wave",          "wave",          false},
        { "risk",          "risk",          false},
        { "owner",         "owner",         false},
        { "phase",         "phase",         false},
        { "share",         "share",         true },
        { "stage",         "stage",         true },
        { "stages",        "of",            true },
        { "since",         "since",         false},
        { "spend_share",   "of the spend",  true },
        { "verdict",       "gates say",     false},
        { "gateway_units", "units there",   true },
        { "excluded",      "excluded from", true },
        { "rollbacks",     "rollbacks",     true },
        { "next",          "next",          false},
        { "obstacles",     "in the way",    false},
    };

    document_section(d, "apps", "Applications");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < s->app_count; i++) {
        const struct status_app *a = &s->apps[i];
        const struct programme_app *plan = a->app->app;
        document_text(d, plan->name);
        document_text(d, plan->wave ? plan->wave->name : STR(""));
        document_text(d, str_from(programme_risk_name(plan->risk)));
        document_text(d, plan->owner);
        document_text(d, str_from(phase_words[a->phase]));
        document_share(d, a->app->share, ROLLOUT_ALL);
        document_number(d, CELL_COUNT, portfolio_stage(a->app) + 1);
        document_number(d, CELL_COUNT, (i128)plan->stage_count);
        add_time(s, d, a->app->since_us);
        if (a->spend_per_million < 0)
            document_none(d);
        else
            document_number(d, CELL_SHARE, a->spend_per_million);
        add_evidence(a, d);
        document_number(d, CELL_COUNT, a->app->rollbacks);
        add_next(a, d);
        add_obstacle_words(&a->decision, d);
    }
    document_note(d, "Excluded from: so many times the errors of direct calls, and more, are ruled "
                     "out by the calls so far.");
}

/* What keeps those that could move; that a date has not come is no news. */
static void add_obstacles(const struct status *s, struct document *d)
{
    static const struct column_def columns[] = {
        {"app",       "app",  false},
        { "obstacle", "what", false},
        { "why",      "why",  false},
    };

    document_section(d, "obstacles", "What is in the way");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < s->app_count; i++) {
        const struct decision *c = &s->apps[i].decision;
        if (c->action == DECIDE_NOTHING || c->obstacles & 1u << DECIDE_DATE)
            continue;
        for (int k = 0; k < DECIDE_OBSTACLE_COUNT; k++) {
            if (!(c->obstacles & 1u << k))
                continue;
            document_text(d, s->apps[i].app->app->name);
            document_text(d, str_from(decide_obstacle_name((enum decide_obstacle)k)));
            document_text(d, c->why[k]);
        }
    }
}

/* --- what happened --- */

static void add_open(const struct status *s, struct document *d)
{
    static const struct column_def columns[] = {
        {"what",      "what",     false},
        { "actuator", "actuator", false},
        { "since",    "since",    false},
        { "detail",   "detail",   false},
    };
    const struct portfolio *p = s->in->portfolio;

    if (!p->open_count && !s->drift_count && !s->untold_count && !s->ahead)
        return;
    document_section(d, "open", "What a person has to look at");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < p->open_count; i++) {
        document_textf(d, "step e%" PRIu64 " has begun and not ended", p->open[i]->epoch);
        document_text(d, p->open[i]->actuator);
        add_time(s, d, p->open[i]->at_us);
        document_text(d, p->open[i]->detail);
    }
    for (size_t i = 0; i < s->drift_count; i++) {
        document_text(d, STR("somebody else changed what is live"));
        document_text(d, s->drifts[i]->actuator);
        add_time(s, d, s->drifts[i]->at_us);
        document_text(d, s->drifts[i]->detail);
    }
    for (size_t i = 0; i < s->untold_count; i++) {
        document_text(d, STR("somebody was not told of what was done"));
        document_text(d, STR(""));
        add_time(s, d, s->untold[i]->at_us);
        document_text(d, s->untold[i]->detail);
    }
    if (s->ahead) {
        CLEANUP(buf_release) struct buf say = { 0 };
        rollout_add_ahead(s->ahead, s->in->now_us, &say);
        buf_add_text(&say, ": see CLOCKS in weir-rollout(5)");
        document_text(d, STR("gates do not see the end of the history"));
        document_text(d, s->ahead->actuator);
        add_time(s, d, s->ahead->at_us);
        document_text(d, buf_str(&say));
    }
}

static void add_rollback(const struct status *s, const struct rollout_entry *e, struct document *d)
{
    for (size_t i = 0; i < e->move_count; i++) {
        add_time(s, d, e->at_us);
        document_text(d, e->moves[i].app);
        document_share(d, e->moves[i].from, ROLLOUT_ALL);
        document_share(d, e->moves[i].to, ROLLOUT_ALL);
        document_text(d, e->actor);
        document_text(d, e->detail);
    }
}

static void add_rollbacks(const struct status *s, struct document *d)
{
    static const struct column_def columns[] = {
        {"at",     "at",   false},
        { "app",   "app",  false},
        { "from",  "from", true },
        { "to",    "to",   true },
        { "actor", "by",   false},
        { "why",   "why",  false},
    };
    const struct rollout *r = s->in->portfolio->rollout;
    size_t shown = 0;

    if (!s->success.rollbacks)
        return;
    document_section(d, "rollbacks", "The latest rollbacks");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = rollout_count(r); i-- > 0 && shown < ROLLBACKS_SHOWN;) {
        const struct rollout_entry *e = rollout_at(r, i);
        if (e->kind != ROLLOUT_INTENT || e->why != ROLLOUT_ROLLBACK)
            continue;
        add_rollback(s, e, d);
        shown++;
    }
}

void status_build(const struct status *s, struct document *ret)
{
    const struct programme *p = s->in->portfolio->programme;
    CLEANUP(buf_release) struct buf text = { 0 };
    char at[TIMESTAMP_TEXT_BYTES];

    *ret = (struct document){ .format = STR("weir-status/1") };
    timestamp_format(s->in->now_us, at);
    document_fact(ret, "programme", p->name);
    document_fact(ret, "at", str_from(at));
    document_fact(ret, "plan", p->sha);
    document_fact(ret, "rollout_head", rollout_head(s->in->portfolio->rollout));
    buf_addf(&text, "%.*s", STR_ARG(p->name.len ? p->name : STR("Migration")));
    ret->title = arena_str(&ret->arena, buf_str(&text));
    buf_clear(&text);
    programme_add_time(p, s->in->now_us - s->in->now_us % (60 * US_PER_SECOND), &text);
    buf_addf(&text, ", times in %.*s.", STR_ARG(p->tz.len ? p->tz : STR("UTC")));
    ret->subtitle = arena_str(&ret->arena, buf_str(&text));
    buf_clear(&text);
    buf_addf(&text, "At %s, plan %.12s, %zu lines in the rollout's ledger.", at, p->sha.ptr,
             rollout_count(s->in->portfolio->rollout));
    ret->ending = ret->page_ending = arena_str(&ret->arena, buf_str(&text));
    add_whole(s, ret);
    add_open(s, ret);
    add_waves(s, ret);
    add_apps(s, ret);
    add_obstacles(s, ret);
    success_add(&s->success, ret);
    add_rollbacks(s, ret);
}

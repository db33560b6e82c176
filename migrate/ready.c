#include "config.h"

#include "migrate/ready.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "migrate/next.h"

/* What a check looks at. */
struct looking {
    const struct ready_input *in;
    const struct programme *programme;
    const struct portfolio_app *state;
    const struct programme_app *app;
    const struct inventory_app *seen; /* NULL = no call of it */
    const json_t *preflight;          /* its evidence; NULL = none */
    struct programme_powers *powers;
    struct buf *say;
};

/* --- ownership --- */

static void add_missing(struct buf *say, struct str value, const char *what)
{
    if (!value.len)
        buf_addf(say, "%s%s", say->len ? ", " : "no ", what);
}

static enum ready_result has_owner(const struct looking *l)
{
    add_missing(l->say, l->app->owner, "owner");
    add_missing(l->say, l->app->deputy, "deputy");
    add_missing(l->say, l->app->channel, "channel");
    if (l->say->len)
        return READY_FAIL;
    buf_addf(l->say, "%.*s, %.*s, %.*s", STR_ARG(l->app->owner), STR_ARG(l->app->deputy),
             STR_ARG(l->app->channel));
    return READY_PASS;
}

static bool tells_of_rollbacks(const struct programme_hook *h)
{
    static const char *const words[] = { "*", "rolled_back" };

    for (size_t i = 0; i < h->on.len; i++)
        for (size_t k = 0; k < ARRAY_LEN(words); k++)
            if (str_eq(h->on.list[i], str_from(words[k])))
                return true;
    return false;
}

static enum ready_result is_on_call(const struct looking *l)
{
    size_t hooks = 0;

    for (size_t i = 0; i < l->programme->hook_count; i++)
        hooks += tells_of_rollbacks(&l->programme->hooks[i]);
    if (!l->app->deputy.len)
        buf_add_text(l->say, "nobody stands in for its owner");
    if (!hooks)
        buf_addf(l->say, "%sno hook of the plan tells of rollbacks", l->say->len ? "; " : "");
    if (l->say->len)
        return READY_FAIL;
    buf_addf(l->say, "%zu hooks tell of rollbacks; %.*s stands in", hooks, STR_ARG(l->app->deputy));
    return READY_PASS;
}

/* --- cost --- */

static i128 part_of(const struct inventory *inv, const struct inventory_app *a)
{
    if (inv->cost_pusd > 0)
        return a ? ratio_of(a->cost_pusd, inv->cost_pusd) : 0;
    return a ? ratio_of(a->requests, inv->requests) : 0;
}

static enum ready_result is_attributed(const struct looking *l)
{
    const struct inventory *inv = l->in->seen;

    if (!inv || !inv->requests) {
        buf_add_text(l->say, "the archive has no calls");
        return READY_UNKNOWN;
    }
    i128 nobodys = part_of(inv, inventory_find(inv, STR("")));
    buf_addf(l->say, "%.2f %% of the %s is nobody's", (double)nobodys / 1e4,
             inv->cost_pusd > 0 ? "spend" : "calls");
    return RATIO_ONE - nobodys >= READY_ATTRIBUTED ? READY_PASS : READY_FAIL;
}

static const struct exchange_who *who_of(const struct looking *l)
{
    for (size_t i = 0; l->in->conf && i < l->in->conf->app_count; i++)
        if (str_eq(l->in->conf->apps[i].is.app, l->app->name))
            return &l->in->conf->apps[i].is;
    return NULL;
}

static enum plan_mode mode_of(const struct plan *p, struct str app, enum plan_mode rule)
{
    enum plan_mode mode = rule == PLAN_MODE_UNSAID ? p->mode : rule;

    for (const struct plan_app *a = p->apps; a; a = a->next)
        if (str_eq(a->name, app) && a->mode < mode)
            mode = a->mode;
    return mode;
}

static enum ready_result lacks_policy(const struct looking *l)
{
    buf_add_text(l->say, l->in->conf
                             ? "the proxy's configuration has no section policy"
                             : "the plan names no configuration of the proxy ('config: FILE')");
    return l->in->conf ? READY_FAIL : READY_UNKNOWN;
}

static bool is_budget_of(const struct plan_budget *b, const struct looking *l,
                         const struct exchange_who *who)
{
    switch (b->of) {
    case PLAN_BUDGET_APP:
        return str_eq(b->name, l->app->name);
    case PLAN_BUDGET_TEAM:
        return (who && str_eq(b->name, who->team)) ||
               (l->app->team.len && str_eq(b->name, l->app->team));
    case PLAN_BUDGET_BUSINESS_UNIT:
        return who && who->business_unit.len && str_eq(b->name, who->business_unit);
    case PLAN_BUDGET_ALL:
        break;
    }
    return false;
}

/* A gateway's own, which no file that we read tells of, by what it did. */
static bool has_gateways_budget(const struct looking *l)
{
    if (!l->seen || !l->seen->over_budget)
        return false;
    buf_addf(l->say, "its gateway refused %" PRId64 " calls on record for a budget of its own",
             l->seen->over_budget);
    return true;
}

static enum ready_result has_budget(const struct looking *l)
{
    const struct plan *p = l->in->policy;
    const struct exchange_who *who = who_of(l);
    size_t soft = 0;

    if (!p)
        return has_gateways_budget(l) ? READY_PASS : lacks_policy(l);
    for (const struct plan_budget *b = p->budgets; b; b = b->next) {
        if (!is_budget_of(b, l, who))
            continue;
        if (b->hard && mode_of(p, l->app->name, b->mode) == PLAN_MODE_ENFORCE) {
            buf_addf(l->say, "a budget of %.2f USD is enforced", (double)b->nusd / 1e9);
            if (l->seen && l->seen->denied)
                buf_addf(l->say, ", and %" PRId64 " calls on record were refused", l->seen->denied);
            else
                buf_add_text(l->say, ", which no call on record has met yet");
            return READY_PASS;
        }
        soft++;
    }
    if (has_gateways_budget(l))
        return READY_PASS;
    buf_add_text(l->say, soft ? "its budget alerts and stops nothing"
                              : "neither it nor its team or unit has a budget");
    buf_add_text(l->say, "; nor did its gateway refuse a call on record for one");
    return READY_FAIL;
}

/* --- governance --- */

static bool has_name(const struct plan_names *patterns, struct str name)
{
    for (size_t i = 0; i < patterns->len; i++)
        if (str_glob(patterns->list[i], name))
            return true;
    return false;
}

/* Nobody named is everybody. */
static bool is_about(const struct plan_access *a, const struct looking *l,
                     const struct exchange_who *who)
{
    if (a->roles.len)
        return false;
    if (a->apps.len && !has_name(&a->apps, l->app->name))
        return false;
    if (a->teams.len && !(who && has_name(&a->teams, who->team)))
        return false;
    return !a->business_units.len || (who && has_name(&a->business_units, who->business_unit));
}

static enum ready_result has_policy(const struct looking *l)
{
    const struct plan *p = l->in->policy;
    const struct exchange_who *who = who_of(l);
    size_t idle = 0;

    if (!p)
        return lacks_policy(l);
    for (const struct plan_access *a = p->access; a; a = a->next) {
        if (!is_about(a, l, who))
            continue;
        if (mode_of(p, l->app->name, a->mode) == PLAN_MODE_ENFORCE) {
            buf_addf(l->say, "a rule of access is enforced (%zu allowed, %zu denied)", a->allow.len,
                     a->deny.len);
            return READY_PASS;
        }
        idle++;
    }
    buf_add_text(l->say,
                 idle ? "its rule of access is not enforced" : "no rule of access is about it");
    return READY_FAIL;
}

static enum ready_result knows_freezes(const struct looking *l)
{
    const struct programme *p = l->programme;
    const struct programme_freeze *next = NULL;

    for (size_t i = 0; i < p->freeze_count; i++)
        if (p->freezes[i].to_us > l->in->now_us && (!next || p->freezes[i].from_us < next->from_us))
            next = &p->freezes[i];
    if (next) {
        buf_add_text(l->say, "the next freeze begins ");
        programme_add_time(p, next->from_us, l->say);
    } else {
        buf_add_text(l->say, p->freeze_count ? "all freezes are over" : "the plan has no freeze");
    }
    return p->freeze_count ? READY_PASS : READY_FAIL;
}

/* --- reliability --- */

static void add_quantile(const struct sketch *s, const char *what, struct buf *out)
{
    int64_t us = sketch_quantile(s, 0.95);

    if (us >= 0)
        buf_addf(out, ", %s p95 %.2f s", what, (double)us / 1e6);
}

static enum ready_result has_baseline(const struct looking *l)
{
    const struct inventory_app *a = l->seen;

    if (!l->in->seen) {
        buf_add_text(l->say, "the archive was not read");
        return READY_UNKNOWN;
    }
    if (!a || a->requests <= a->on_gateway) {
        buf_add_text(l->say, "the archive has no direct call of it");
        return READY_FAIL;
    }
    buf_addf(l->say, "%zu days, %" PRId64 " calls, %.2f %% errors", a->days.len, a->requests,
             100 * (double)a->errors / (double)a->requests);
    add_quantile(&a->first_token_us, "first token", l->say);
    add_quantile(&a->duration_us, "total", l->say);
    if (a->unpriced < a->requests)
        buf_addf(l->say, ", %.6f USD a call",
                 (double)a->cost_pusd / (double)PUSD_PER_USD / (double)a->requests);
    if (a->unpriced)
        buf_addf(l->say, ", %" PRId64 " without a price", a->unpriced);
    return a->days.len >= READY_BASELINE_DAYS ? READY_PASS : READY_FAIL;
}

/* 1 = there is one that counts, else what to say is said. */
static bool has_preflight(const struct looking *l)
{
    const struct rollout_entry *e = l->state->preflight;
    char at[TIMESTAMP_TEXT_BYTES];

    if (!e) {
        buf_addf(l->say, "no preflight ('weir migrate preflight %.*s')", STR_ARG(l->app->name));
        return false;
    }
    if (l->app->preflight_age_us > 0 && l->in->now_us - e->at_us > l->app->preflight_age_us) {
        buf_addf(l->say, "its preflight of %s is too old",
                 timestamp_format(e->at_us - e->at_us % US_PER_SECOND, at));
        return false;
    }
    return true;
}

static enum ready_result was_tried_failing(const struct looking *l)
{
    const struct rollout_entry *e = l->state->preflight;

    if (!has_preflight(l))
        return READY_FAIL;
    if (e->value > 0) {
        buf_addf(l->say, "its preflight failed: %.*s", STR_ARG(e->detail));
        return READY_FAIL;
    }
    buf_addf(l->say, "preflight, entry %" PRIu64 " of the ledger, passed", e->seq);
    return READY_PASS;
}

static double fact(const json_t *evidence, const char *name)
{
    struct str text = evidence ? json_get_str(evidence, name) : STR("");
    char number[40];

    if (!text.len || text.len >= sizeof(number))
        return 0;
    memcpy(number, text.ptr, text.len);
    number[text.len] = '\0';
    return strtod(number, NULL);
}

static enum ready_result bears_peak(const struct looking *l)
{
    double peak = fact(l->preflight, "peak_per_s"), rate = fact(l->preflight, "load_per_s");

    if (!has_preflight(l))
        return READY_UNKNOWN;
    if (!(rate > 0)) {
        buf_add_text(l->say, "its preflight could not measure under load");
        return READY_UNKNOWN;
    }
    buf_addf(l->say, "tried at %.1f calls a second, its peak is %.1f", rate, peak);
    return l->state->preflight->value == 0 && rate >= READY_CAPACITY_TIMES * peak ? READY_PASS
                                                                                  : READY_FAIL;
}

/* Adds what is on record of the way back; true = it is shut. */
static bool is_key_dead(const struct looking *l)
{
    const struct inventory_app *a = l->seen;
    char at[TIMESTAMP_TEXT_BYTES];

    if (!a || (a->accepted_us == INT64_MIN && a->refused_us == INT64_MIN)) {
        buf_add_text(l->say, "; no direct call shows that its old key still opens");
        return false;
    }
    bool is_dead =
        a->refused_us != INT64_MIN &&
        (a->accepted_us == INT64_MIN || a->refused_us - a->accepted_us > READY_REFUSED_US);
    int64_t us = is_dead ? a->refused_us : a->accepted_us;
    buf_addf(l->say, "; its old key was %s at %s",
             is_dead ? "refused, the last time" : "taken, the last time",
             timestamp_format(us - us % US_PER_SECOND, at));
    return is_dead;
}

static enum ready_result is_rehearsed(const struct looking *l)
{
    const struct rollout_entry *e = l->state->rehearsal;
    bool is_slow = e && l->app->rollback_us > 0 && e->value > l->app->rollback_us;
    bool is_old =
        e && l->app->rehearsal_age_us > 0 && l->in->now_us - e->at_us > l->app->rehearsal_age_us;

    if (!e) {
        buf_addf(l->say, "never ('weir migrate rehearse %.*s')", STR_ARG(l->app->name));
        return READY_FAIL;
    }
    buf_addf(l->say, "p99 %.3f s of %.0f s%s", (double)e->value / 1e6,
             (double)l->app->rollback_us / 1e6, is_old ? ", but too long ago" : "");
    return is_key_dead(l) || is_slow || is_old ? READY_FAIL : READY_PASS;
}

/* Adds what is to be said of calls that go directly until all do; true = they are too many. */
static bool lacks_key(const struct looking *l)
{
    int64_t without = inventory_keyless(l->seen, l->app->key);

    if (without < 0)
        buf_addf(l->say, "; how many of its calls have no %.*s is not on record",
                 STR_ARG(l->app->key));
    else if (without > 0)
        buf_addf(l->say,
                 "; %.2g %% of its calls have no %.*s: gates see nothing of them below 100 %%",
                 (double)without / 1e4, STR_ARG(l->app->key));
    return without > READY_KEYLESS;
}

static enum ready_result can_decide(const struct looking *l)
{
    double worst = 0;
    size_t gates = 0;

    if (!l->seen) {
        buf_add_text(l->say, "how much it is used is not on record");
        return READY_UNKNOWN;
    }
    for (size_t g = 0; g < l->app->gate_count; g++) {
        struct programme_power power;
        programme_power(l->powers, l->app, g, l->seen, &power);
        for (size_t s = 0; s + 1 < l->app->stage_count; s++) {
            double bake = (double)l->app->stages[s].bake_us / (double)US_PER_DAY;
            double over = power.days[s] / (bake > 0 ? bake : 1.0 / 24);
            if (power.days[s] < 0)
                continue;
            gates++;
            if (over <= worst)
                continue;
            worst = over;
            buf_clear(l->say);
            buf_addf(l->say,
                     isinf(over) ? "%s at %g %% never, and bakes %.3g"
                                 : "%s at %g %% needs about %.0f days, and bakes %.3g",
                     gate_metric_name(l->app->gates[g].metric),
                     (double)l->app->stages[s].share / 100,
                     isinf(over) ? bake : ceil(power.days[s]), bake);
        }
    }
    if (!gates)
        buf_add_text(l->say, "of no gate is it known how long it takes");
    if (lacks_key(l) || worst > 1)
        return READY_FAIL;
    return gates ? READY_PASS : READY_UNKNOWN;
}

/* --- expansion --- */

static enum ready_result knows_next(const struct looking *l)
{
    CLEANUP(next_release) struct next next = { 0 };
    size_t incomplete = 0;

    next_find(l->in->portfolio, NEXT_APPS, &next);
    for (size_t i = 0; i < next.list.len; i++) {
        if (!next.list.ptr[i].missing)
            continue;
        buf_addf(l->say, "%s%.*s", incomplete++ ? ", " : "something is missing of ",
                 STR_ARG(next.list.ptr[i].app->app->name));
    }
    if (!incomplete)
        buf_addf(l->say, "%zu applications are next, with all they need", next.list.len);
    else
        buf_add_text(l->say, " ('weir migrate next')");
    return incomplete ? READY_FAIL : READY_PASS;
}

/* --- all --- */

static const struct {
    const char *id;
    enum ready_result (*look)(const struct looking *l);
} checks[READY_CHECK_COUNT] = {
    [READY_CHECK_OWNER] = {"R1",   has_owner        },
    [READY_CHECK_ATTRIBUTION] = { "R2",  is_attributed    },
    [READY_CHECK_POLICY] = { "R3",  has_policy       },
    [READY_CHECK_BUDGET] = { "R4",  has_budget       },
    [READY_CHECK_BASELINE] = { "R5",  has_baseline     },
    [READY_CHECK_FALLBACK] = { "R6",  was_tried_failing},
    [READY_CHECK_CAPACITY] = { "R7",  bears_peak       },
    [READY_CHECK_REHEARSAL] = { "R8",  is_rehearsed     },
    [READY_CHECK_ON_CALL] = { "R9",  is_on_call       },
    [READY_CHECK_EXPANSION_PLAN] = { "R10", knows_next       },
    [READY_CHECK_FREEZES] = { "R11", knows_freezes    },
    [READY_CHECK_POWER] = { "R12", can_decide       },
};

const char *ready_check_id(enum ready_check check)
{
    return checks[check].id;
}

const char *ready_result_name(enum ready_result result)
{
    static const char *const names[] = {
        [READY_FAIL] = "fail", [READY_UNKNOWN] = "unknown", [READY_PASS] = "pass"
    };

    return names[result];
}

static uint32_t needed_of(const struct programme_app *app)
{
    uint32_t needed = 0;

    for (size_t i = 0; i < app->readiness.len; i++)
        for (int c = 0; c < READY_CHECK_COUNT; c++)
            if (str_ieq(app->readiness.list[i], str_from(checks[c].id)))
                needed |= 1u << c;
    return app->readiness.len ? needed : (1u << READY_CHECK_COUNT) - 1;
}

static json_t *read_preflight(const struct ready_input *in, const struct portfolio_app *a)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err ignored;
    json_t *ret = NULL;

    if (!a->preflight || !a->preflight->evidence.len ||
        rollout_get_blob(in->portfolio->rollout, a->preflight->evidence, &text, &ignored) < 0 ||
        json_parse(buf_str(&text), &ret, &ignored) < 0)
        return NULL;
    return ret;
}

static void look_at(struct ready *r, struct programme_powers *powers, struct ready_app *ret,
                    const struct portfolio_app *a)
{
    const struct ready_input *in = r->in;
    CLEANUP(json_decref) json_t *preflight = read_preflight(in, a);
    CLEANUP(buf_release) struct buf say = { 0 };
    struct looking l = {
        .in = in,
        .programme = in->portfolio->programme,
        .state = a,
        .app = a->app,
        .seen = in->seen ? inventory_find(in->seen, a->app->name) : NULL,
        .preflight = preflight,
        .powers = powers,
        .say = &say,
    };

    *ret = (struct ready_app){ .app = a, .needed = needed_of(a->app) };
    for (int c = 0; c < READY_CHECK_COUNT; c++) {
        buf_clear(&say);
        ret->results[c] = checks[c].look(&l);
        ret->why[c] = arena_str(&r->arena, buf_str(&say));
        ret->missing += ret->needed & 1u << c && ret->results[c] != READY_PASS;
    }
    r->missing += ret->missing;
}

void ready_look(const struct ready_input *in, struct ready *ret)
{
    CLEANUP(programme_powers_release) struct programme_powers powers = { 0 };

    *ret = (struct ready){ .in = in };
    ret->apps = mem_calloc(in->app_count + 1, sizeof(*ret->apps));
    for (size_t i = 0; i < in->app_count; i++)
        look_at(ret, &powers, &ret->apps[i], in->apps[i]);
}

void ready_release(struct ready *r)
{
    free(r->apps);
    arena_release(&r->arena);
}

void ready_add_missing(const struct ready_app *a, struct buf *out)
{
    size_t count = 0;

    for (int c = 0; c < READY_CHECK_COUNT; c++)
        if (a->needed & 1u << c && a->results[c] != READY_PASS)
            buf_addf(out, "%s%s: %.*s", count++ ? "; " : "", checks[c].id, STR_ARG(a->why[c]));
}

#include "config.h"

#include "migrate/verdict.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "migrate/portfolio.h"
#include "migrate/verdict_parts.h"

/* Of the calls at the gateway, against those beside it: so few measured are no sample. */
#define MEASURED_LEAST 0.5
#define MEASURED_CALLS 20 /* below this nothing is said of parts */

struct judge {
    const struct verdict_input *in;
    struct ledger_list ledgers;
    struct tallies tallies;
    size_t gone; /* see portfolio_gone */
};

static void judge_release(struct judge *j)
{
    ledger_list_release(&j->ledgers);
    tallies_release(&j->tallies);
}
DEFINE_CLEANUP_VALUE(struct judge, judge_release)

/* What printf can show of them. */
static double odds(double log_of_them)
{
    return exp(log_of_them < 690 ? log_of_them : 690);
}

static struct str say(struct arena *arena, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static struct str say(struct arena *arena, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list args;

    va_start(args, fmt);
    buf_addvf(&text, fmt, args);
    va_end(args);
    return arena_str(arena, buf_str(&text));
}

/* --- reading --- */

static bool is_frozen(const struct programme_gate *gate)
{
    return gate->threshold < 0 && (CALLS_WITH_THRESHOLD >> gate->metric & 1);
}

static bool needs_baseline(const struct programme_app *app)
{
    for (size_t i = 0; i < app->gate_count; i++)
        if (is_frozen(&app->gates[i]))
            return true;
    return false;
}

static bool is_in_baseline(const struct tally *a, const struct ledger_ref *l)
{
    return !l->is_pruned && l->day_us + US_PER_DAY > a->baseline_from_us &&
           l->day_us < a->baseline_to_us;
}

/* Of all that the thresholds depend on. */
static void baseline_key(const struct judge *j, const struct tally *a,
                         char ret[static SHA256_HEX_BYTES])
{
    CLEANUP(buf_release) struct buf text = { 0 };
    uint8_t sha[SHA256_BYTES];

    buf_addf(&text, "%.*s %s %" PRId64 " %" PRId64 "\n%.*s\n", STR_ARG(j->in->programme->sha),
             j->in->prices ? price_book_hash(j->in->prices) : "-", a->baseline_from_us,
             a->baseline_to_us, STR_ARG(a->app->name));
    for (size_t i = 0; i < j->ledgers.list.len; i++)
        if (is_in_baseline(a, &j->ledgers.list.ptr[i]))
            buf_addf(&text, "%s %s\n", j->ledgers.list.ptr[i].sha, j->ledgers.list.ptr[i].id);
    sha256_of(buf_str(&text), sha);
    hex_encode(sha, sizeof(sha), ret);
}

/* True if all thresholds of the application are known from a look before. */
static bool remember(struct judge *j, struct tally *a)
{
    char key[SHA256_HEX_BYTES];

    if (!j->in->baselines)
        return false;
    baseline_key(j, a, key);
    for (size_t g = 0; g < a->app->gate_count; g++) {
        enum gate_metric m = a->app->gates[g].metric;
        if (is_frozen(&a->app->gates[g]) &&
            !baselines_find(j->in->baselines, key, m, &a->frozen[m]))
            return false;
    }
    a->is_known = true;
    for (size_t i = 0; i < j->ledgers.list.len; i++)
        j->ledgers.list.ptr[i].is_remembered |= is_in_baseline(a, &j->ledgers.list.ptr[i]);
    return true;
}

static void memorise(struct judge *j, struct tally *a)
{
    char key[SHA256_HEX_BYTES];

    if (!j->in->baselines || a->is_known || !needs_baseline(a->app))
        return;
    baseline_key(j, a, key);
    for (size_t g = 0; g < a->app->gate_count; g++) {
        struct baseline_metric *m = &a->frozen[a->app->gates[g].metric];
        if (!is_frozen(&a->app->gates[g]))
            continue;
        m->metric = a->app->gates[g].metric;
        memcpy(m->key, key, sizeof(key));
        baselines_put(j->in->baselines, m);
    }
}

static uint32_t metrics_of(const struct programme_app *const *apps, size_t count)
{
    uint32_t metrics = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t g = 0; g < apps[i]->gate_count; g++)
            metrics |= 1u << apps[i]->gates[g].metric;
    return metrics;
}

static void extend(struct calls_wanted *w, int64_t from_us, int64_t to_us)
{
    if (from_us < w->from_us)
        w->from_us = from_us;
    if (to_us > w->to_us)
        w->to_us = to_us;
}

static int read_calls(struct judge *j, const struct programme_app *const *apps, size_t count,
                      struct err *err)
{
    struct calls_wanted before = {
        .in = j->in,
        .apps = apps,
        .app_count = count,
        .metrics = metrics_of(apps, count),
        .from_us = INT64_MAX,
        .to_us = INT64_MIN,
        .fn = tallies_add_baseline,
        .ctx = &j->tallies,
    };
    struct calls_wanted after = before;

    after.fn = tallies_add;
    after.beside = tallies_add_beside;
    after.direct = j->tallies.direct.ptr;
    after.direct_count = j->tallies.direct.len;
    for (size_t i = 0; i < count; i++) {
        struct tally *a = &j->tallies.list[i];
        if (needs_baseline(apps[i]) && !remember(j, a))
            extend(&before, a->baseline_from_us, a->baseline_to_us);
        if (a->history.attempt > 0)
            extend(&after, a->history.from_us, j->in->until_us);
    }
    before.metrics &= CALLS_WITH_THRESHOLD;
    if (before.from_us < before.to_us && calls_walk(&before, &j->ledgers, err) < 0)
        return -1;
    tallies_set_thresholds(&j->tallies);
    for (size_t i = 0; i < count; i++)
        memorise(j, &j->tallies.list[i]);
    if (after.from_us < after.to_us && calls_walk(&after, &j->ledgers, err) < 0)
        return -1;
    tallies_finish(&j->tallies);
    if (j->tallies.too_many)
        return err_set(err, ERR_LIMIT, "more than %d keys in the attempts that are judged",
                       VERDICT_UNITS_MAX);
    return 0;
}

/* --- absolute shares --- */

/* As many independent calls as these, which come in bunches of a key, are worth: by the spread of
 * the failures over keys.  Where nothing (or everything) failed the spread is not known, and keys
 * count. */
static double worth(const struct tally_spread *s, const struct verdict_calls *c)
{
    double n = (double)c->all, p = n > 0 ? (double)c->failed / n : 0;
    double squares = s->ff - 2 * p * s->nf + p * p * s->nn;

    if (s->keys < 2 || c->failed == 0 || c->failed == c->all)
        return s->keys;
    if (squares <= 0)
        return n;
    double independent = p * (1 - p) * n * n * (s->keys - 1) / (squares * s->keys);
    return independent < n ? independent : n;
}

/* Wilson's, at VERDICT_CAP_DEVIATIONS. */
static double lower_bound(double p, double n)
{
    double z = VERDICT_CAP_DEVIATIONS, zz = z * z;

    if (n <= 0)
        return 0;
    return (p + zz / (2 * n) - z * sqrt(p * (1 - p) / n + zz / (4 * n * n))) / (1 + zz / n);
}

static bool is_over(const struct verdict_calls *c, int64_t cap_per_million)
{
    return c->all >= MEASURED_CALLS &&
           (double)c->failed * 1e6 > (double)cap_per_million * (double)c->all;
}

/* Whether what goes straight to the provider fails as well in an hour, unless the gateway surely
 * fails more than twice as often: then going back would help.  The application's own calls say so
 * first, if it has enough of them. */
static bool is_outage(const struct tally *a, const struct hour_calls *h, int64_t cap)
{
    if (!a->way || h->calls[0].all >= MEASURED_CALLS)
        return false;
    const struct verdict_calls *beside = &hours_find(a->way, h->hour)->calls[0];
    const struct verdict_calls *there = &h->calls[1];
    double n = (double)there->all;
    return is_over(beside, cap) && (n <= 0 || 2.0 * (double)beside->failed / (double)beside->all >=
                                                  lower_bound((double)there->failed / n, n));
}

/* Whether calls straight to the provider have gone well since, in the last later hour that has
 * enough of them: the application itself may have no call for days. */
static bool is_well_again(const struct tally *a, int64_t cap)
{
    for (size_t i = a->way->list.len; i > 0 && a->way->list.ptr[i - 1].hour > a->hour; i--)
        if (a->way->list.ptr[i - 1].calls[0].all >= MEASURED_CALLS)
            return !is_over(&a->way->list.ptr[i - 1].calls[0], cap);
    return false;
}

static struct verdict_calls outages_of(const struct tally *a, size_t gate, int64_t cap)
{
    struct verdict_calls ret = { 0 };

    for (size_t i = 0; i < a->gates[gate].hours.list.len; i++) {
        const struct hour_calls *h = &a->gates[gate].hours.list.ptr[i];
        if (!is_outage(a, h, cap))
            continue;
        ret.all += h->calls[1].all;
        ret.failed += h->calls[1].failed;
    }
    return ret;
}

/* Calls worth so much each. */
static bool is_surely_over(const struct verdict_calls *c, double worth_each, int64_t cap)
{
    return c->all > 0 &&
           lower_bound((double)c->failed / (double)c->all, worth_each * (double)c->all) * 1e6 >
               (double)cap;
}

/* Not where the direct arm is over the cap, too: going back would help nobody.  At 100 % there is
 * none, but other applications may have one. */
static void look_at_cap(const struct tally *a, size_t i, struct verdict_gate *ret)
{
    const struct tally_gate *t = &a->gates[i];
    const struct verdict_calls *windows[2] = { t->calls, t->hour };
    int64_t cap = a->app->gates[i].cap_per_million;
    struct verdict_calls outages = outages_of(a, i, cap);

    if (cap < 0)
        return;
    ret->in_outages = outages.all;
    if (a->way)
        ret->beside = hours_find(a->way, a->hour)->calls[0];
    for (int w = 0; w < 2; w++) {
        struct verdict_calls c = windows[w][1];
        double each = c.all ? worth(&t->spread[w], &c) / (double)c.all : 0;
        if (w == 0) {
            c.all -= outages.all;
            c.failed -= outages.failed;
        }
        if (!is_surely_over(&c, each, cap) || is_over(&windows[w][0], cap))
            continue;
        if (w == 1 && is_outage(a, hours_find(&t->hours, a->hour), cap))
            ret->cap_excused = !is_well_again(a, cap);
        else
            ret->cap_tripped = true;
    }
}

/* --- one gate --- */

static int32_t next_share(const struct programme_app *app, int32_t share)
{
    for (size_t i = 0; i < app->stage_count; i++)
        if (app->stages[i].share > share)
            return app->stages[i].share;
    return ROLLOUT_ALL;
}

static void fill_gate(const struct judge *j, const struct tally *a, size_t i,
                      struct verdict_gate *ret)
{
    const struct programme_gate *gate = &a->app->gates[i];
    const struct tally_gate *t = &a->gates[i];
    const struct verdict_calls *there = &t->calls[1];

    *ret = (struct verdict_gate){
        .gate = gate,
        .threshold = {.value = t->threshold},
        .counts = t->counts,
        .alpha = ldexp(programme_alpha(j->in->programme, j->gone, a->app, gate),
                       -(int)a->history.attempt),
        .required = gate_required(gate->safe_ratio, next_share(a->app, a->history.share)),
        .calls = { t->calls[0],          t->calls[1] },
        .gateway_per_million = -1,
    };
    look_at_cap(a, i, ret);
    if (is_frozen(gate)) {
        ret->threshold.calls = a->frozen[gate->metric].calls;
        ret->threshold.from_us = a->baseline_from_us;
        ret->threshold.to_us = a->baseline_to_us;
    }
    gate_weigh(&t->counts, gate->harm_ratio, gate->safe_ratio, gate->beta, &ret->evidence);
    for (size_t s = 0; s < t->counts.len; s++)
        for (int arm = 0; arm < 2; arm++)
            ret->units[arm] += t->counts.splits[s].units[arm];
    double n = worth(&t->spread[0], there);
    if (there->all)
        ret->gateway_per_million =
            (int64_t)((double)there->failed * 1e6 / (double)there->all + 0.5);
    ret->bound = gate_share_bound(there->all ? n * (double)there->failed / (double)there->all : 0,
                                  n, gate->beta);
}

static double part(const struct verdict_calls *c)
{
    return c->all ? (double)c->measured / (double)c->all : 0;
}

/* What keeps the gate from telling at all, or an empty str. */
static struct str silence(const struct judge *j, const struct tally *a,
                          const struct verdict_gate *g, struct arena *arena)
{
    enum gate_metric metric = g->gate->metric;
    const struct verdict_calls *c = g->calls;

    if (metric == GATE_COST && !j->in->prices)
        return STR("no prices were given");
    if ((CALLS_WITH_THRESHOLD >> metric & 1) && g->threshold.value < 0)
        return say(arena,
                   "no threshold: %lld direct calls of the 28 days before the first step could be "
                   "measured, %d are needed; or say one in the plan",
                   (long long)g->threshold.calls, VERDICT_BASELINE_CALLS);
    if (!c[1].all)
        return STR("no call at the gateway has been recorded and sealed yet");
    if (c[1].all >= MEASURED_CALLS && c[0].measured + c[1].measured == 0)
        return STR("not one call could be measured, on either side: if the application makes no "
                   "such calls, take the gate out of the plan");
    if (c[1].all >= MEASURED_CALLS && part(&c[1]) < MEASURED_LEAST * part(&c[0]))
        return say(arena,
                   "only %.0f %% of the calls at the gateway could be measured, and %.0f %% "
                   "of the direct ones: what is compared is not the same",
                   part(&c[1]) * 100, part(&c[0]) * 100);
    if (g->units[0] + g->units[1] < g->gate->min_units)
        return say(arena, "%lld units so far, %lld are needed",
                   (long long)(g->units[0] + g->units[1]), (long long)g->gate->min_units);
    if (a->last_us - a->history.from_us < g->gate->min_us)
        return say(arena, "calls of %.1f hours so far, %.1f hours are needed",
                   (double)(a->last_us - a->history.from_us) / 3.6e9,
                   (double)g->gate->min_us / 3.6e9);
    return STR("");
}

static struct str excluded(const struct verdict_gate *g, struct arena *arena)
{
    if (isinf(g->evidence.excluded))
        return STR("today no ratio is excluded");
    return say(arena, "today ratios of >= %.3g x are excluded", g->evidence.excluded);
}

/* So few failures that no ratio need be told: see enough_per_million. */
static bool is_enough(const struct tally *a, const struct verdict_gate *g)
{
    double part_next = (double)next_share(a->app, a->history.share) / ROLLOUT_ALL;

    return g->gate->enough_per_million > 0 && g->evidence.log_harm <= 0 &&
           part_next * g->bound * 1e6 <= (double)g->gate->enough_per_million;
}

static struct str excuse(const struct tally *a, const struct verdict_gate *g, struct arena *arena)
{
    return say(
        arena,
        "in the latest hour more than the cap of %g %% fail at the gateway, and so do %lld of "
        "%lld calls of all applications that go to '%.*s' directly: the provider fails, and "
        "going back would help nobody",
        (double)g->gate->cap_per_million / 1e4, (long long)g->beside.failed,
        (long long)g->beside.all, STR_ARG(a->app->direct));
}

static void judge_gate(const struct judge *j, const struct tally *a, struct verdict_gate *g,
                       struct arena *arena)
{
    const struct gate_evidence *e = &g->evidence;
    struct str quiet = silence(j, a, g, arena);

    g->says = VERDICT_HOLD;
    if (e->log_harm >= -log(g->alpha)) {
        g->says = VERDICT_ROLLBACK;
        g->why = say(arena,
                     "more than %.3g x as often at the gateway: the odds are %.3g, %.3g "
                     "suffice",
                     g->gate->harm_ratio, odds(e->log_harm), 1 / g->alpha);
    } else if (g->cap_tripped) {
        g->says = VERDICT_ROLLBACK;
        g->why = say(arena, "at the gateway more than the cap of %g %%: %lld of %lld calls",
                     (double)g->gate->cap_per_million / 1e4, (long long)g->calls[1].failed,
                     (long long)g->calls[1].all);
    } else if (g->cap_excused) {
        g->why = excuse(a, g, arena);
    } else if (quiet.len) {
        g->why = quiet;
    } else if (e->excluded <= g->required) {
        g->says = VERDICT_PROMOTE;
        g->why = say(arena, "%.*s, and %.3g x had to be", STR_ARG(excluded(g, arena)), g->required);
    } else if (is_enough(a, g)) {
        g->says = VERDICT_PROMOTE;
        g->why = say(arena,
                     "fewer than %.3g %% fail at the gateway, which is few enough for the "
                     "next stage",
                     g->bound * 100);
    } else {
        g->why = say(arena, "%.*s, %.3g x must be", STR_ARG(excluded(g, arena)), g->required);
    }
}

/* --- one application --- */

static void judge_app(const struct judge *j, const struct tally *a, struct verdict *v)
{
    for (size_t i = 0; i < v->gate_count; i++) {
        struct verdict_gate *g = &v->gates[i];
        fill_gate(j, a, i, g);
        judge_gate(j, a, g, &v->arena);
        if (i == 0 || g->evidence.share_log > v->split_log)
            v->split_log = g->evidence.share_log;
    }
    v->split_is_off = v->split_log >= -log(VERDICT_SPLIT);
}

static const struct verdict_gate *first_that(const struct verdict *v, enum verdict_says says)
{
    for (size_t i = 0; i < v->gate_count; i++)
        if (v->gates[i].says == says)
            return &v->gates[i];
    return NULL;
}

static struct str gate_why(struct verdict *v, const struct verdict_gate *g)
{
    return say(&v->arena, "%s: %.*s", gate_metric_name(g->gate->metric), STR_ARG(g->why));
}

static void conclude(const struct tally *a, struct verdict *v)
{
    const struct verdict_gate *harm = first_that(v, VERDICT_ROLLBACK);
    const struct verdict_gate *hold = first_that(v, VERDICT_HOLD);

    v->says = VERDICT_HOLD;
    if (a->history.attempt == 0) {
        v->why = STR("nothing has been sent to the gateway yet");
    } else if (a->history.share == 0) {
        v->why = STR("it was rolled back: nothing goes to the gateway now");
    } else if (!v->gate_count) {
        v->why = STR("the plan has no gates for it");
    } else if (harm) {
        v->says = VERDICT_ROLLBACK;
        v->why = gate_why(v, harm);
    } else if (v->split_is_off) {
        v->why = say(&v->arena,
                     "the split is not what was intended: the odds against it are %.3g; look at "
                     "what routes, and at calls without a key",
                     odds(v->split_log));
    } else if (hold) {
        v->why = gate_why(v, hold);
    } else {
        v->says = VERDICT_PROMOTE;
        v->why = gate_why(v, &v->gates[0]);
    }
}

/* Days that this application's calls, or its baseline's, can lie in. */
static bool is_of(const struct tally *a, const struct ledger_ref *l, int64_t until_us)
{
    int64_t end_us = l->day_us + US_PER_DAY;

    if (!l->was_read && !l->is_remembered)
        return false;
    if (needs_baseline(a->app) && end_us > a->baseline_from_us && l->day_us < a->baseline_to_us)
        return true;
    return a->history.attempt > 0 && end_us > a->history.from_us && l->day_us < until_us;
}

static void hash_ledgers(const struct judge *j, const struct tally *a, struct verdict *v)
{
    CLEANUP(sha256_free) struct sha256 *h = sha256_new();
    uint8_t sha[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    for (size_t i = 0; i < j->ledgers.list.len; i++) {
        const struct ledger_ref *l = &j->ledgers.list.ptr[i];
        if (!is_of(a, l, j->in->until_us))
            continue;
        v->ledgers++;
        sha256_update(h, l->sha, strlen(l->sha));
        sha256_update(h, "  ", 2);
        sha256_update(h, l->id, strlen(l->id));
        sha256_update(h, "\n", 1);
    }
    sha256_final(h, sha);
    v->ledgers_sha = arena_str(&v->arena, str_from(hex_encode(sha, sizeof(sha), hex)));
}

/* Only what the verdict depends on: later entries change nothing in it. */
static void name_rollout(const struct rollout *r, int64_t until_us, struct verdict *v)
{
    for (size_t i = 0; i < rollout_count(r); i++)
        if (rollout_at(r, i)->at_us < until_us) {
            v->entries++;
            v->rollout_sha = rollout_at(r, i)->hash;
        }
    v->rollout_sha = arena_str(&v->arena, v->rollout_sha);
}

static void name_inputs(const struct judge *j, const struct tally *a, struct verdict *v)
{
    const struct verdict_input *in = j->in;

    v->chain_lines = j->ledgers.chain_lines;
    v->chain_sha = arena_str(&v->arena, str_from(j->ledgers.chain_sha));
    v->plan_sha = arena_str(&v->arena, in->programme->sha);
    v->prices_sha = arena_str(&v->arena, str_from(in->prices ? price_book_hash(in->prices) : ""));
    hash_ledgers(j, a, v);
    name_rollout(in->rollout, in->until_us, v);
}

int verdict_judge(const struct verdict_input *in, const struct programme_app *const *apps,
                  size_t count, struct verdict **ret, struct err *err)
{
    CLEANUP(judge_release) struct judge j = { .in = in };

    j.gone = portfolio_gone(in->programme, in->rollout, in->until_us);
    tallies_init(&j.tallies, in, apps, count);
    if (ledger_list_read(in->archive, in->chain_lines, &j.ledgers, err) < 0 ||
        read_calls(&j, apps, count, err) < 0)
        return -1;
    struct verdict *list = mem_calloc(count + 1, sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        const struct tally *a = &j.tallies.list[i];
        struct verdict *v = &list[i];
        assert(apps[i]->gate_count <= PROGRAMME_GATES);
        *v = (struct verdict){
            .from_us = a->history.attempt ? a->history.from_us : 0,
            .until_us = in->until_us,
            .share = a->history.share,
            .attempt = a->history.attempt,
            .calls = {a->calls[0], a->calls[1]},
            .left_out = a->left_out,
            .keyless = a->keyless,
            .last_us = a->last_us,
            .gate_count = apps[i]->gate_count,
        };
        v->app = arena_str(&v->arena, apps[i]->name);
        judge_app(&j, a, v);
        conclude(a, v);
        name_inputs(&j, a, v);
    }
    *ret = list;
    return 0;
}

void verdict_free(struct verdict *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        arena_release(&list[i].arena);
    free(list);
}

const char *verdict_says_name(enum verdict_says says)
{
    static const char *const names[] = {
        [VERDICT_HOLD] = "hold",
        [VERDICT_PROMOTE] = "promote",
        [VERDICT_ROLLBACK] = "rollback",
    };

    return names[says];
}

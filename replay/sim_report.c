#include "config.h"

#include "replay/sim_report.h"

#include <inttypes.h>

#include "base/figure.h"
#include "base/timestamp.h"
#include "policy/plan.h"
#include "replay/slo_print.h"

static struct str keep(struct document *d, struct buf *text)
{
    struct str kept = arena_str(&d->arena, buf_str(text));

    buf_clear(text);
    return kept;
}

/* --- values --- */

static uint64_t refused(const struct sim_app *a)
{
    return a->outcome[SIM_DENIED] + a->outcome[SIM_LIMITED] + a->outcome[SIM_CONCURRENCY] +
           a->outcome[SIM_BUDGET];
}

static bool longest(const struct sim_result *r, enum slo_metric metric, i128 *ret)
{
    enum incident_span span = metric == SLO_RECOVERY   ? INCIDENT_RECOVERY
                              : metric == SLO_FAILOVER ? INCIDENT_FAILOVER
                                                       : INCIDENT_RESTORED;
    int64_t us;

    bool found = incidents_longest(&r->incidents, span, r->last_us, &us);
    *ret = us < 0 ? PLAN_FOREVER : us;
    return found;
}

static const struct sim_app *app_of(const struct sim_result *r, struct str name)
{
    for (size_t i = 0; i < r->apps.len; i++)
        if (str_eq(r->apps.ptr[i].name, name))
            return &r->apps.ptr[i];
    return NULL;
}

static bool value_of_app(const struct sim_app *a, const struct slo *s, i128 *ret)
{
    const struct sketch *sketches[SLO_METRICS] = {
        [SLO_ADDED] = &a->added, [SLO_FIRST] = &a->first, [SLO_TOTAL] = &a->total
    };
    const uint64_t counts[SLO_METRICS] = { [SLO_SUCCESS] = a->outcome[SIM_ANSWERED],
                                           [SLO_REROUTED] = a->rerouted,
                                           [SLO_DENIED] = refused(a),
                                           [SLO_LEFT] = a->outcome[SIM_LEFT],
                                           [SLO_ATTEMPTS] = a->attempts,
                                           [SLO_TRIES] = a->tries };

    if (a->calls == 0)
        return false;
    if (s->metric == SLO_COST)
        *ret = a->high_pusd;
    else if (sketches[s->metric])
        *ret = sketch_quantile(sketches[s->metric], s->quantile);
    else
        *ret = ratio_of((i128)counts[s->metric], (i128)a->calls);
    return s->metric == SLO_COST ? *ret > 0 || a->unpriced == 0 : *ret >= 0;
}

bool sim_report_value(const struct sim_result *r, const struct slo *s, i128 *ret)
{
    const struct sim_app *app = s->app.len ? app_of(r, s->app) : &r->all;

    if (s->metric == SLO_FAILOVER || s->metric == SLO_RESTORED || s->metric == SLO_RECOVERY)
        return longest(r, s->metric, ret);
    return app && value_of_app(app, s, ret);
}

bool sim_report_holds(const struct sim_result *r, const struct slo *s)
{
    i128 value;

    return !sim_report_value(r, s, &value) || slo_holds(s, value);
}

/* --- the head --- */

static void add_head(const struct sim_report_in *in, struct document *d)
{
    const struct sim_options *o = in->runs[0].options;
    CLEANUP(buf_release) struct buf text = { 0 };
    char from[TIMESTAMP_TEXT_BYTES], seed[DECIMAL_TEXT_BYTES];

    d->format = STR("weir-simulation/1");
    timestamp_format(o->start_us, from);
    decimal_format((i128)o->seed, 0, seed);
    struct str scenario = o->scenario ? scenario_about(o->scenario).name : STR("");
    document_fact(d, "config", in->runs[0].name);
    if (in->run_count > 1)
        document_fact(d, "compared_with", in->runs[1].name);
    document_fact(d, "scenario", scenario);
    document_fact(d, "from", str_from(from));
    document_fact(d, "seed", str_from(seed));
    document_fact(d, "caller", str_from(o->caller->name));
    document_fact(d, "price_book", in->book_hash);
    buf_addf(&text, "Simulation of %.*s", STR_ARG(in->runs[0].name));
    if (in->run_count > 1)
        buf_addf(&text, " beside %.*s", STR_ARG(in->runs[1].name));
    d->title = keep(d, &text);
    buf_addf(&text, "%s calls from %s%s%.*s; seed %s, callers: %s.",
             in->recorded ? "Recorded" : "Made-up", from, scenario.len ? ", scenario " : "",
             STR_ARG(scenario), seed, o->caller->name);
    d->subtitle = keep(d, &text);
    buf_addf(&text, "seed %s, times in UTC", seed);
    if (in->book_hash.len)
        buf_addf(&text, ", price book %.12s", in->book_hash.ptr);
    d->ending = keep(d, &text);
    d->page_ending = d->ending;
}

/* --- the summary: a row a figure, a column a configuration --- */

enum figure {
    FIGURE_COUNT,
    FIGURE_SHARE, /* of the calls */
    FIGURE_EACH,  /* for each call */
    FIGURE_US,
    FIGURE_USD,
};

struct summary_row {
    const char *name;
    enum figure figure;
    i128 (*value)(const struct sim_app *a);
};

static i128 calls_of(const struct sim_app *a)
{
    return (i128)a->calls;
}
static i128 answered_of(const struct sim_app *a)
{
    return (i128)a->outcome[SIM_ANSWERED];
}
static i128 rerouted_of(const struct sim_app *a)
{
    return (i128)a->rerouted;
}
static i128 refused_of(const struct sim_app *a)
{
    return (i128)refused(a);
}
static i128 attempts_of(const struct sim_app *a)
{
    return (i128)a->attempts;
}
static i128 tries_of(const struct sim_app *a)
{
    return (i128)a->tries;
}
static i128 added_p95(const struct sim_app *a)
{
    return sketch_quantile(&a->added, 0.95);
}
static i128 added_p99(const struct sim_app *a)
{
    return sketch_quantile(&a->added, 0.99);
}
static i128 first_p50(const struct sim_app *a)
{
    return sketch_quantile(&a->first, 0.5);
}
static i128 first_p95(const struct sim_app *a)
{
    return sketch_quantile(&a->first, 0.95);
}
static i128 total_p95(const struct sim_app *a)
{
    return sketch_quantile(&a->total, 0.95);
}
static i128 low_of(const struct sim_app *a)
{
    return a->low_pusd;
}
static i128 high_of(const struct sim_app *a)
{
    return a->high_pusd;
}

static const struct summary_row summary[] = {
    {"calls",                        FIGURE_COUNT, calls_of   },
    { "answered",                    FIGURE_SHARE, answered_of},
    { "answered by another target",  FIGURE_SHARE, rerouted_of},
    { "refused by a rule",           FIGURE_SHARE, refused_of },
    { "attempts of the gateway",     FIGURE_EACH,  attempts_of},
    { "tries of callers",            FIGURE_EACH,  tries_of   },
    { "added before the answer p95", FIGURE_US,    added_p95  },
    { "added before the answer p99", FIGURE_US,    added_p99  },
    { "first token p50",             FIGURE_US,    first_p50  },
    { "first token p95",             FIGURE_US,    first_p95  },
    { "whole answer p95",            FIGURE_US,    total_p95  },
    { "cost at least",               FIGURE_USD,   low_of     },
    { "cost at most",                FIGURE_USD,   high_of    },
};

static void add_figure(struct document *d, const struct summary_row *row, const struct sim_app *a)
{
    static const enum cell_kind kinds[] = { [FIGURE_COUNT] = CELL_COUNT,
                                            [FIGURE_SHARE] = CELL_SHARE,
                                            [FIGURE_EACH] = CELL_NUMBER,
                                            [FIGURE_US] = CELL_US,
                                            [FIGURE_USD] = CELL_USD };
    bool is_ratio = row->figure == FIGURE_SHARE || row->figure == FIGURE_EACH;
    i128 value = row->value(a);

    if ((is_ratio && a->calls == 0) || value < 0 || (row->figure == FIGURE_USD && value == 0))
        document_none(d); /* a cost that is not known is not 0 */
    else
        document_number(d, kinds[row->figure], is_ratio ? ratio_of(value, (i128)a->calls) : value);
}

static void add_notes(const struct sim_report_in *in, struct document *d)
{
    const struct sim_result *r = in->runs[0].result;
    const struct sim_ledgers_stats *s = in->recorded;

    document_note(d, "Cost is that of the recorded tokens at the target that answered; another "
                     "model may use others. At most: with failed and abandoned attempts that may "
                     "be billed in full.");
    if (r->all.unpriced)
        document_note(d, "%" PRIu64 " answers have no cost: their tokens or prices are not known.",
                      r->all.unpriced);
    if (s && s->without_latency)
        document_note(d, "%" PRIu64 " calls were recorded without times: theirs are drawn.",
                      s->without_latency);
    if (s && s->sums + s->others)
        document_note(d,
                      "Left out: %" PRIu64 " rows that sum several calls, %" PRIu64
                      " that are no call to a model.",
                      s->sums, s->others);
    if (r->late)
        document_note(d,
                      "%" PRIu64 " calls were out of order by more than is held back, and came "
                      "late.",
                      r->late);
    if (r->spike_added + r->spike_left_out)
        document_note(d, "The scenario's load added %" PRIu64 " calls and left out %" PRIu64 ".",
                      r->spike_added, r->spike_left_out);
}

static void add_summary(const struct sim_report_in *in, struct document *d)
{
    document_section(d, "summary", "Summary");
    document_column(d, STR("figure"), STR("figure"), false);
    for (size_t i = 0; i < in->run_count; i++)
        document_column(d, i == 0 ? STR("value") : STR("compared"),
                        in->run_count > 1 ? in->runs[i].name : STR("value"), true);
    for (size_t row = 0; row < ARRAY_LEN(summary); row++) {
        document_text(d, str_from(summary[row].name));
        for (size_t i = 0; i < in->run_count; i++)
            add_figure(d, &summary[row], &in->runs[i].result->all);
    }
    add_notes(in, d);
}

/* --- tables with a row for each of something, of each configuration --- */

static void begin_table(const struct sim_report_in *in, struct document *d,
                        const struct column_def *columns, size_t count)
{
    if (in->run_count > 1)
        document_column(d, STR("config"), STR("config"), false);
    document_columns(d, columns, count);
}

static void begin_row(const struct sim_report_in *in, struct document *d, size_t run)
{
    if (in->run_count > 1)
        document_text(d, in->runs[run].name);
}

static void add_quantile(struct document *d, const struct sketch *s, double q)
{
    if (s->total == 0)
        document_none(d);
    else
        document_number(d, CELL_US, sketch_quantile(s, q));
}

/* What is not known is not 0. */
static void add_cost(struct document *d, i128 pusd)
{
    if (pusd == 0)
        document_none(d);
    else
        document_number(d, CELL_USD, pusd);
}

static void add_each(struct document *d, uint64_t n, uint64_t calls)
{
    if (calls == 0)
        document_none(d);
    else
        document_number(d, CELL_NUMBER, ratio_of((i128)n, (i128)calls));
}

static void add_app(struct document *d, const struct sim_app *a)
{
    document_text(d, a->name.len ? a->name : STR("-"));
    document_number(d, CELL_COUNT, (i128)a->calls);
    document_share(d, (i128)a->outcome[SIM_ANSWERED], (i128)a->calls);
    document_share(d, (i128)a->rerouted, (i128)a->calls);
    document_share(d, (i128)refused(a), (i128)a->calls);
    add_each(d, a->tries, a->calls);
    add_each(d, a->attempts, a->calls);
    add_quantile(d, &a->added, 0.5);
    add_quantile(d, &a->added, 0.95);
    add_quantile(d, &a->added, 0.99);
    add_quantile(d, &a->first, 0.95);
    add_quantile(d, &a->total, 0.95);
    add_cost(d, a->low_pusd);
    add_cost(d, a->high_pusd);
}

static void add_apps(const struct sim_report_in *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"app",         "application",     false},
        { "calls",      "calls",           true },
        { "answered",   "answered",        true },
        { "rerouted",   "by another",      true },
        { "refused",    "refused",         true },
        { "tries",      "tries/call",      true },
        { "attempts",   "attempts/call",   true },
        { "added_p50",  "added p50",       true },
        { "added_p95",  "added p95",       true },
        { "added_p99",  "added p99",       true },
        { "first_p95",  "first token p95", true },
        { "total_p95",  "whole p95",       true },
        { "cost_least", "USD at least",    true },
        { "cost_most",  "USD at most",     true },
    };

    document_section(d, "apps", "Applications");
    begin_table(in, d, columns, ARRAY_LEN(columns));
    for (size_t run = 0; run < in->run_count; run++)
        for (size_t i = 0; i < in->runs[run].result->apps.len; i++) {
            begin_row(in, d, run);
            add_app(d, &in->runs[run].result->apps.ptr[i]);
        }
    document_note(d, "Tries are the caller's own, attempts the gateway's at targets. Added is the "
                     "time until the attempt that answered began.");
}

static bool all_were_answered(const struct sim_report_in *in)
{
    for (size_t run = 0; run < in->run_count; run++)
        for (size_t o = 0; o < SIM_ANSWERED; o++)
            if (in->runs[run].result->all.outcome[o])
                return false;
    return true;
}

static void add_outcomes(const struct sim_report_in *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"app",      "application",      false},
        { "outcome", "what callers got", false},
        { "calls",   "calls",            true },
        { "share",   "share",            true },
    };

    if (all_were_answered(in))
        return;
    document_section(d, "outcomes", "Calls that were not answered");
    begin_table(in, d, columns, ARRAY_LEN(columns));
    for (size_t run = 0; run < in->run_count; run++) {
        const struct sim_result *r = in->runs[run].result;
        for (size_t i = 0; i < r->apps.len; i++)
            for (size_t o = 0; o < SIM_ANSWERED; o++) {
                const struct sim_app *a = &r->apps.ptr[i];
                if (a->outcome[o] == 0)
                    continue;
                begin_row(in, d, run);
                document_text(d, a->name.len ? a->name : STR("-"));
                document_text(d, str_from(sim_outcome_names[o]));
                document_number(d, CELL_COUNT, (i128)a->outcome[o]);
                document_share(d, (i128)a->outcome[o], (i128)a->calls);
            }
    }
}

/* "openai gpt-5", "openai" */
static struct str target_name(struct document *d, const struct sim_target *t)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_add_str(&text, t->upstream.len ? t->upstream : STR("?"));
    if (t->model.len && !str_eq(t->model, t->upstream))
        buf_addf(&text, " %.*s", STR_ARG(t->model));
    return keep(d, &text);
}

static struct str speed_of(const struct sim_target *t)
{
    enum sim_speed_from worst = SIM_FROM_RECORDED;

    if (!t->speed)
        return STR("-");
    for (size_t p = 0; p < SIM_SPEED_PARTS; p++) /* what is stated says least of the others */
        if (p != SIM_REST && t->speed->from[p] > worst)
            worst = t->speed->from[p];
    return str_from(sim_speed_from_names[worst]);
}

static void add_target(struct document *d, const struct sim_target *t)
{
    uint64_t failed = 0;

    for (size_t i = 0; i < PLAN_FAILURES; i++)
        failed += t->failed[i];
    document_text(d, target_name(d, t));
    document_text(d, speed_of(t));
    document_number(d, CELL_COUNT, (i128)t->attempts);
    document_share(d, (i128)t->answered, (i128)t->attempts);
    document_number(d, CELL_COUNT, (i128)failed);
    document_number(d, CELL_COUNT, (i128)t->struck);
    document_number(d, CELL_COUNT, (i128)t->over_quota);
    document_number(d, CELL_COUNT, (i128)t->abandoned);
    document_number(d, CELL_COUNT, t->most_in_flight);
    document_number(d, CELL_COUNT, t->most_in_second);
    add_quantile(d, &t->first, 0.95);
    add_quantile(d, &t->total, 0.95);
    add_cost(d, t->low_pusd);
    add_cost(d, t->high_pusd);
}

static void add_targets(const struct sim_report_in *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"target",          "target",          false},
        { "speed",          "its speed is",    false},
        { "attempts",       "attempts",        true },
        { "answered",       "answered",        true },
        { "failed",         "failed",          true },
        { "struck",         "struck",          true },
        { "over_quota",     "over quota",      true },
        { "abandoned",      "abandoned",       true },
        { "most_at_once",   "most at once",    true },
        { "most_in_second", "most in 1 s",     true },
        { "first_p95",      "first token p95", true },
        { "total_p95",      "whole p95",       true },
        { "cost_least",     "USD at least",    true },
        { "cost_most",      "USD at most",     true },
    };

    document_section(d, "targets", "Targets");
    begin_table(in, d, columns, ARRAY_LEN(columns));
    for (size_t run = 0; run < in->run_count; run++)
        for (size_t i = 0; i < in->runs[run].result->targets.len; i++) {
            begin_row(in, d, run);
            add_target(d, &in->runs[run].result->targets.ptr[i]);
        }
}

/* --- incidents --- */

static void add_span(struct document *d, const struct sim_result *r, size_t number,
                     enum incident_span span)
{
    int64_t us;

    if (!incident_span(&r->incidents, number, span, r->last_us, &us))
        document_none(d);
    else if (us < 0)
        document_text(d, STR("never"));
    else
        document_number(d, CELL_US, us);
}

static void add_incident(struct document *d, const struct sim_options *o,
                         const struct sim_result *r, size_t number)
{
    const struct incident *i = &r->incidents.list.ptr[number];
    char from[TIMESTAMP_TEXT_BYTES];

    document_text(d, target_name(d, &r->targets.ptr[i->target]));
    document_text(d, str_from(timestamp_format(i->first_us, from)));
    document_number(d, CELL_US, i->first_us - o->start_us);
    document_number(d, CELL_COUNT, (i128)i->struck);
    add_span(d, r, number, INCIDENT_FAILOVER);
    add_span(d, r, number, INCIDENT_RESTORED);
    add_span(d, r, number, INCIDENT_RECOVERY);
}

static void add_incidents(const struct sim_report_in *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"target",    "target",      false},
        { "first",    "first fault", false},
        { "after",    "into it",     true },
        { "struck",   "struck",      true },
        { "failover", "failover",    true },
        { "restored", "99 % again",  true },
        { "recovery", "recovery",    true },
    };

    document_section(d, "incidents", "Faults");
    begin_table(in, d, columns, ARRAY_LEN(columns));
    for (size_t run = 0; run < in->run_count; run++)
        for (size_t i = 0; i < in->runs[run].result->incidents.list.len; i++) {
            begin_row(in, d, run);
            add_incident(d, in->runs[run].options, in->runs[run].result, i);
        }
    document_note(d,
                  "Failover: from the first fault to the first call that it met, or that was "
                  "led around it, being answered by another target. 99 %% again: until "
                  "the last call after which more than 1 of the last 100 had failed. Recovery: "
                  "from the end of the faults to the first answer from there; where others begin "
                  "there at once, it is theirs to tell.");
    if (in->runs[0].result->incidents.dropped)
        document_note(d, "%" PRIu64 " more are not told apart.",
                      in->runs[0].result->incidents.dropped);
}

/* --- rules --- */

static void add_rule(const struct sim_report_in *in, struct document *d, size_t run, uint32_t rule)
{
    const struct sim_rule_count *c = &in->runs[run].result->rules.ptr[rule];
    const struct policy_rule *r = policy_rule(in->runs[run].options->policy, rule);

    for (int mode = 0; mode <= PLAN_MODE_ENFORCE; mode++)
        for (int o = 0; o < POLICY_OUTCOMES; o++) {
            if (c->n[mode][o] == 0)
                continue;
            begin_row(in, d, run);
            document_text(d, r->id);
            document_text(d, str_from(plan_mode_names[mode]));
            document_text(d, str_from(policy_outcome_names[o]));
            document_number(d, CELL_COUNT, (i128)c->n[mode][o]);
        }
}

static void add_rules(const struct sim_report_in *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"rule",     "rule",    false},
        { "mode",    "mode",    false},
        { "outcome", "outcome", false},
        { "times",   "times",   true },
    };

    document_section(d, "rules", "What rules said");
    begin_table(in, d, columns, ARRAY_LEN(columns));
    for (size_t run = 0; run < in->run_count; run++)
        for (uint32_t i = 0; i < in->runs[run].result->rules.len; i++)
            add_rule(in, d, run, i);
}

/* --- the course of time --- */

static void add_bucket(struct document *d, const struct sim_result *r, size_t i)
{
    const struct sim_bucket *b = &r->buckets.ptr[i];
    char from[TIMESTAMP_TEXT_BYTES];

    document_text(d, str_from(timestamp_format(r->start_us + (int64_t)i * r->bucket_us, from)));
    document_share(d, (i128)b->answered, (i128)b->calls);
    document_share(d, (i128)b->rerouted, (i128)b->calls);
    document_number(d, CELL_COUNT, (i128)b->calls);
    document_number(d, CELL_COUNT, (i128)b->attempts);
    add_quantile(d, &b->first, 0.5);
    add_quantile(d, &b->first, 0.95);
    for (size_t t = 0; t < r->shown; t++)
        document_number(d, CELL_COUNT, (i128)b->of_target[t]);
}

static void add_timeline(const struct sim_report_in *in, struct document *d, size_t run)
{
    static const struct column_def columns[] = {
        {"time",       "time",            false},
        { "answered",  "answered",        true },
        { "rerouted",  "by another",      true },
        { "calls",     "calls",           true },
        { "attempts",  "attempts",        true },
        { "first_p50", "first token p50", true },
        { "first_p95", "first token p95", true },
    };
    const struct sim_result *r = in->runs[run].result;
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_add_text(&text, "Course of time");
    if (in->run_count > 1)
        buf_addf(&text, ": %.*s", STR_ARG(in->runs[run].name));
    document_section(d, run == 0 ? "timeline" : "timeline_compared", buf_cstr(&text));
    document_columns(d, columns, ARRAY_LEN(columns));
    for (uint32_t shown = 1; shown <= r->shown; shown++)
        for (size_t t = 0; t < r->targets.len; t++)
            if (r->targets.ptr[t].shown_plus_one == shown) {
                struct str name = target_name(d, &r->targets.ptr[t]);
                document_column(d, name, name, true);
            }
    for (size_t i = 0; i < r->buckets.len; i++)
        add_bucket(d, r, i);
    document_chart(d, CHART_LINES, 1, 2, "Share of calls that were answered",
                   "The share of calls that were answered, and of those answered by another target "
                   "than the first choice, over time.");
    document_note(d, "Behind the first tokens: attempts at each target.");
}

/* --- assertions --- */

static void add_assertions(const struct sim_report_in *in, struct document *d)
{
    static const struct column_def columns[] = {
        {"assertion", "assertion", false},
        { "verdict",  "verdict",   false},
        { "value",    "value",     true },
    };

    if (in->slo_count == 0)
        return;
    document_section(d, "assertions", "Assertions");
    begin_table(in, d, columns, ARRAY_LEN(columns));
    for (size_t run = 0; run < in->run_count; run++)
        for (size_t i = 0; i < in->slo_count; i++) {
            const struct slo *s = &in->slos[i];
            i128 value;
            bool applies = sim_report_value(in->runs[run].result, s, &value);
            begin_row(in, d, run);
            document_text(d, s->text);
            document_text(d, !applies              ? STR("does not apply")
                             : slo_holds(s, value) ? STR("holds")
                                                   : STR("VIOLATED"));
            if (applies && value == PLAN_FOREVER)
                document_text(d, STR("never"));
            else if (applies)
                document_number(d, slo_kind(s), value);
            else
                document_none(d);
        }
}

void sim_report_build(const struct sim_report_in *in, struct document *ret)
{
    i128 cost = in->runs[0].result->all.high_pusd;

    *ret = (struct document){ .usd_digits = figure_usd_digits(cost) };
    add_head(in, ret);
    add_assertions(in, ret);
    add_summary(in, ret);
    add_apps(in, ret);
    add_outcomes(in, ret);
    add_targets(in, ret);
    add_incidents(in, ret);
    add_rules(in, ret);
    for (size_t run = 0; run < in->run_count; run++)
        add_timeline(in, ret, run);
}

static bool slo_value(const void *ctx, const struct slo *s, i128 *ret)
{
    return sim_report_value(ctx, s, ret);
}

void sim_report_junit(const struct sim_report_in *in, struct buf *out)
{
    struct slo_suite suites[SIM_REPORT_RUNS_MAX];

    for (size_t run = 0; run < in->run_count; run++)
        suites[run] = (struct slo_suite){
            .name = in->runs[run].name,
            .slos = in->slos,
            .count = in->slo_count,
            .value = slo_value,
            .ctx = in->runs[run].result,
        };
    slo_junit(suites, in->run_count, out);
}

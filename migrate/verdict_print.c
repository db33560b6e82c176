/* A verdict in JSON, the same bytes for the same inputs, and for people. */
#include "config.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "migrate/verdict.h"

#define FORMAT "weir-verdict/1"

/* 9 digits: what every mathematics library agrees on.  Infinity, which JSON lacks, is null. */
static void add_double(struct buf *out, const char *key, double value)
{
    json_add_key(out, key);
    if (isfinite(value))
        buf_addf(out, "%.9g", value == 0 ? 0 : value);
    else
        buf_add_text(out, "null");
}

static void add_arms(struct buf *out, const char *key, const int64_t n[static 2])
{
    json_add_key(out, key);
    buf_add_byte(out, '{');
    json_add_int(out, "direct", n[0]);
    json_add_int(out, "gateway", n[1]);
    buf_add_byte(out, '}');
}

static void add_splits(struct buf *out, const struct gate_counts *c)
{
    json_add_key(out, "shares");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < c->len; i++) {
        if (i)
            buf_add_byte(out, ',');
        buf_add_byte(out, '{');
        json_add_int(out, "share", c->splits[i].share);
        add_arms(out, "units", c->splits[i].units);
        add_arms(out, "failures", c->splits[i].failures);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void add_threshold(struct buf *out, const struct verdict_threshold *t)
{
    json_add_key(out, "threshold");
    if (t->value < 0 && !t->to_us) {
        buf_add_text(out, "null");
        return;
    }
    buf_add_byte(out, '{');
    json_add_key(out, "value");
    if (t->value < 0)
        buf_add_text(out, "null");
    else
        buf_add_int(out, t->value);
    if (t->to_us) {
        json_add_int(out, "baseline_calls", t->calls);
        json_add_int(out, "baseline_from_us", t->from_us);
        json_add_int(out, "baseline_to_us", t->to_us);
    }
    buf_add_byte(out, '}');
}

static void add_calls(struct buf *out, const struct verdict_gate *g)
{
    const int64_t measured[2] = { g->calls[0].measured, g->calls[1].measured };
    const int64_t failed[2] = { g->calls[0].failed, g->calls[1].failed };

    add_arms(out, "calls_measured", measured);
    add_arms(out, "calls_failed", failed);
}

static void add_gate(struct buf *out, const struct verdict_gate *g)
{
    const struct programme_gate *p = g->gate;

    buf_add_byte(out, '{');
    json_add_str(out, "metric", str_from(gate_metric_name(p->metric)));
    json_add_str(out, "unit", p->per_request ? STR("request") : STR("key"));
    json_add_str(out, "says", str_from(verdict_says_name(g->says)));
    json_add_str(out, "why", g->why);
    add_double(out, "harm_ratio", p->harm_ratio);
    add_double(out, "safe_ratio", p->safe_ratio);
    add_double(out, "required_ratio", g->required);
    add_double(out, "excluded_ratio", g->evidence.excluded);
    add_double(out, "alpha", g->alpha);
    add_double(out, "beta", p->beta);
    add_double(out, "log_e_harm", g->evidence.log_harm);
    add_double(out, "log_e_safe", g->evidence.log_safe);
    add_double(out, "log_e_split", g->evidence.share_log);
    add_arms(out, "units", g->units);
    add_splits(out, &g->counts);
    add_calls(out, g);
    json_add_int(out, "gateway_per_million", g->gateway_per_million);
    add_double(out, "gateway_bound", g->bound);
    json_add_int(out, "cap_per_million", p->cap_per_million);
    json_add_bool(out, "cap_tripped", g->cap_tripped);
    json_add_bool(out, "cap_excused", g->cap_excused);
    json_add_int(out, "beside_calls", g->beside.all);
    json_add_int(out, "beside_failed", g->beside.failed);
    json_add_int(out, "calls_in_outages", g->in_outages);
    json_add_int(out, "enough_per_million", p->enough_per_million);
    json_add_int(out, "min_units", p->min_units);
    json_add_int(out, "min_us", p->min_us);
    add_threshold(out, &g->threshold);
    buf_add_byte(out, '}');
}

static void add_inputs(struct buf *out, const struct verdict *v)
{
    json_add_key(out, "inputs");
    buf_add_byte(out, '{');
    json_add_int(out, "until_us", v->until_us);
    json_add_str(out, "plan_sha256", v->plan_sha);
    json_add_int(out, "rollout_entries", (int64_t)v->entries);
    json_add_str(out, "rollout_sha256", v->rollout_sha);
    json_add_int(out, "chain_lines", (int64_t)v->chain_lines);
    json_add_str(out, "chain_sha256", v->chain_sha);
    json_add_int(out, "ledgers", (int64_t)v->ledgers);
    json_add_str(out, "ledgers_sha256", v->ledgers_sha);
    json_add_str(out, "prices_sha256", v->prices_sha);
    buf_add_byte(out, '}');
}

void verdict_print_json(const struct verdict *v, struct buf *out)
{
    CLEANUP(buf_release) struct buf line = { 0 };

    buf_add_byte(&line, '{');
    json_add_str(&line, "format", STR(FORMAT));
    json_add_str(&line, "app", v->app);
    json_add_str(&line, "says", str_from(verdict_says_name(v->says)));
    json_add_str(&line, "why", v->why);
    json_add_int(&line, "share", v->share);
    json_add_int(&line, "attempt", v->attempt);
    json_add_int(&line, "from_us", v->from_us);
    json_add_int(&line, "last_us", v->last_us);
    add_arms(&line, "calls", v->calls);
    json_add_int(&line, "left_out", v->left_out);
    json_add_int(&line, "keyless", v->keyless);
    json_add_bool(&line, "split_is_off", v->split_is_off);
    add_double(&line, "log_e_split", v->split_log);
    json_add_key(&line, "gates");
    buf_add_byte(&line, '[');
    for (size_t i = 0; i < v->gate_count; i++) {
        if (i)
            buf_add_byte(&line, ',');
        add_gate(&line, &v->gates[i]);
    }
    buf_add_byte(&line, ']');
    add_inputs(&line, v);
    buf_add_text(&line, "}\n");
    buf_add_str(out, buf_str(&line));
}

/* --- text --- */

/* What printf can show of them. */
static double odds(double log_of_them)
{
    return exp(log_of_them < 690 ? log_of_them : 690);
}

struct unit_row {
    double divisor;
    const char *name;
};

static const struct unit_row value_units[GATE_METRIC_COUNT] = {
    [GATE_FIRST_TOKEN] = {1e3,  "ms"      },
    [GATE_TOTAL] = { 1e3, "ms"      },
    [GATE_COST] = { 1e9, "USD"     },
    [GATE_ATTEMPTS] = { 1,   "attempts"},
};

static void print_threshold(const struct verdict_gate *g, struct buf *out)
{
    const struct unit_row *u = &value_units[g->gate->metric];

    if (!u->name || g->threshold.value < 0)
        return;
    buf_addf(out, "    threshold  %.9g %s", (double)g->threshold.value / u->divisor, u->name);
    if (g->threshold.to_us)
        buf_addf(out, ", the p95 of %lld direct calls before the first step",
                 (long long)g->threshold.calls);
    else
        buf_add_text(out, ", from the plan");
    buf_add_byte(out, '\n');
}

static void print_evidence(const struct verdict_gate *g, struct buf *out)
{
    const struct programme_gate *p = g->gate;

    buf_addf(out, "    harm       odds of %.3g for more than %.3g x; %.3g roll back\n",
             odds(g->evidence.log_harm), p->harm_ratio, 1 / g->alpha);
    if (isinf(g->evidence.excluded))
        buf_addf(out,
                 "    safe       today no ratio is excluded; %.3g x must be before the next "
                 "stage\n",
                 g->required);
    else
        buf_addf(out,
                 "    safe       today ratios of >= %.3g x are excluded; %.3g x must be before "
                 "the next stage\n",
                 g->evidence.excluded, g->required);
}

static void print_gate(const struct verdict_gate *g, struct buf *out)
{
    const struct gate_counts *c = &g->counts;

    buf_addf(out, "\n  %s (%s): %s\n    %.*s\n", gate_metric_name(g->gate->metric),
             g->gate->per_request ? "by request" : "by key", verdict_says_name(g->says),
             STR_ARG(g->why));
    for (size_t i = 0; i < c->len; i++) {
        const struct gate_split *s = &c->splits[i];
        buf_addf(out, "    at %g %%: gateway %lld of %lld units failed, direct %lld of %lld\n",
                 s->share / 100.0, (long long)s->failures[1], (long long)s->units[1],
                 (long long)s->failures[0], (long long)s->units[0]);
    }
    print_evidence(g, out);
    buf_addf(out, "    calls      gateway %lld of %lld failed, direct %lld of %lld",
             (long long)g->calls[1].failed, (long long)g->calls[1].all,
             (long long)g->calls[0].failed, (long long)g->calls[0].all);
    buf_addf(out, "; at the gateway below %.3g %%\n", g->bound * 100);
    if (g->gate->cap_per_million >= 0)
        buf_addf(out, "    cap        %g %%%s\n", (double)g->gate->cap_per_million / 1e4,
                 g->cap_tripped   ? ", exceeded"
                 : g->cap_excused ? ", exceeded, as it is beside the gateway"
                                  : "");
    print_threshold(g, out);
}

void verdict_print_text(const struct verdict *v, struct buf *out)
{
    char time[TIMESTAMP_TEXT_BYTES];

    buf_addf(out, "%.*s: %s\n  %.*s\n", STR_ARG(v->app), verdict_says_name(v->says),
             STR_ARG(v->why));
    buf_addf(out,
             "  at %g %%, attempt %u; calls before %s: gateway %lld, direct %lld, left out "
             "%lld\n",
             v->share / 100.0, v->attempt, timestamp_format(v->until_us, time),
             (long long)v->calls[1], (long long)v->calls[0], (long long)v->left_out);
    if (v->keyless)
        buf_addf(out, "  %lld calls have no key: all of them move at 100 %%\n",
                 (long long)v->keyless);
    if (v->last_us)
        buf_addf(out, "  from %s", timestamp_format(v->from_us, time));
    if (v->last_us)
        buf_addf(out, " to the last call at %s\n", timestamp_format(v->last_us, time));
    buf_addf(out, "  split: odds of %.3g against the intended one%s\n", odds(v->split_log),
             v->split_is_off ? ": it is off" : "");
    for (size_t i = 0; i < v->gate_count; i++)
        print_gate(&v->gates[i], out);
    buf_addf(out, "\n  plan %.*s\n  chain line %llu %.*s\n  %llu ledgers %.*s\n",
             STR_ARG(v->plan_sha), (unsigned long long)v->chain_lines, STR_ARG(v->chain_sha),
             (unsigned long long)v->ledgers, STR_ARG(v->ledgers_sha));
    if (v->entries)
        buf_addf(out, "  rollout entry %llu %.*s\n", (unsigned long long)v->entries,
                 STR_ARG(v->rollout_sha));
}

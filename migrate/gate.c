#include "config.h"

#include "migrate/gate.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "migrate/gate_points.h"
#include "migrate/rollout.h"

/* What is told apart of the split: log r from 1 % to a factor of 20, on either side. */
#define SPLIT_NEAREST  0.01
#define SPLIT_FARTHEST 3.0

#define EXCLUDED_FROM  1e-3
#define EXCLUDED_TO    1e6
#define EXCLUDED_STEPS 44 /* halvings of a logarithm: 12 digits */

#define SHARE_LEAST 1e-12

struct metric_row {
    const char *name, *what;
};

static const struct metric_row metrics[GATE_METRIC_COUNT] = {
#define X(constant, word, text) [GATE_##constant] = { word, text },
    GATE_METRICS(X)
#undef X
};

/* --- counts --- */

/* The place of a share, made if it is new: splits stay sorted, so that counts do not depend on the
 * order in which they came. */
static struct gate_split *split_of(struct gate_counts *c, int32_t share)
{
    size_t at = 0;

    while (at < c->len && c->splits[at].share < share)
        at++;
    if (at < c->len && c->splits[at].share == share)
        return &c->splits[at];
    if (c->len == GATE_SPLITS || share <= 0 || share >= ROLLOUT_ALL)
        return NULL;
    memmove(&c->splits[at + 1], &c->splits[at], (c->len - at) * sizeof(*c->splits));
    c->splits[at] = (struct gate_split){ .share = share };
    c->len++;
    return &c->splits[at];
}

bool gate_count_unit(struct gate_counts *c, int32_t share, bool on_gateway)
{
    struct gate_split *s = split_of(c, share);

    if (s)
        s->units[on_gateway]++;
    return s != NULL;
}

bool gate_count_failure(struct gate_counts *c, int32_t share, bool on_gateway)
{
    struct gate_split *s = split_of(c, share);

    if (s)
        s->failures[on_gateway]++;
    return s != NULL;
}

/* --- evidence --- */

double gate_point(double from, double to, int i)
{
    return from * exp(log(to / from) * (i + 0.5) / GATE_POINTS);
}

double gate_log_mean(const double logs[static GATE_POINTS])
{
    double most = logs[0], sum = 0;

    for (int i = 1; i < GATE_POINTS; i++)
        most = logs[i] > most ? logs[i] : most;
    for (int i = 0; i < GATE_POINTS; i++)
        sum += exp(logs[i] - most);
    return most + log(sum / GATE_POINTS);
}

double gate_log_total(double ratio, double null, int32_t share)
{
    double w = (double)share / ROLLOUT_ALL;

    return log((null * w + (1 - w)) / (ratio * w + (1 - w)));
}

/* The logarithm of prod theta(ratio, w)/theta(null, w), and of the complements, over all counts. */
static double log_likelihood(const struct gate_counts *c, double ratio, double null, bool units)
{
    double gain = log(ratio / null), sum = 0;

    for (size_t i = 0; i < c->len; i++) {
        const struct gate_split *s = &c->splits[i];
        const int64_t *n = units ? s->units : s->failures;
        if (n[0] || n[1])
            sum +=
                (double)n[1] * gain + (double)(n[0] + n[1]) * gate_log_total(ratio, null, s->share);
    }
    return sum;
}

static double log_against(const struct gate_counts *c, double null, double to)
{
    double logs[GATE_POINTS];

    for (int i = 0; i < GATE_POINTS; i++)
        logs[i] = log_likelihood(c, gate_point(null, to, i), null, false);
    return gate_log_mean(logs);
}

double gate_log_harm(const struct gate_counts *c, double harm_ratio)
{
    assert(harm_ratio > 0);
    return log_against(c, harm_ratio, harm_ratio * GATE_REACH);
}

double gate_log_safe(const struct gate_counts *c, double safe_ratio)
{
    assert(safe_ratio > 0);
    return log_against(c, safe_ratio, safe_ratio / GATE_REACH);
}

/* Magnitudes are even in log log r: a small mismatch of many units is found as well as a large one
 * of few. */
static double log_split(const struct gate_counts *c)
{
    double logs[GATE_POINTS];
    int half = GATE_POINTS / 2;

    for (int i = 0; i < GATE_POINTS; i++) {
        double size =
            SPLIT_NEAREST * exp(log(SPLIT_FARTHEST / SPLIT_NEAREST) * (i % half) / (half - 1));
        logs[i] = log_likelihood(c, exp(i < half ? size : -size), 1, true);
    }
    return gate_log_mean(logs);
}

/* Each likelihood in E_safe grows with the ratio it is held against, so its sum does, and there is
 * one place where it passes the bound. */
static double find_excluded(const struct gate_counts *c, double beta)
{
    double goal = -log(beta), low = log(EXCLUDED_FROM), high = log(EXCLUDED_TO);

    if (gate_log_safe(c, EXCLUDED_TO) < goal)
        return HUGE_VAL;
    for (int i = 0; i < EXCLUDED_STEPS; i++) {
        double middle = (low + high) / 2;
        if (gate_log_safe(c, exp(middle)) >= goal)
            high = middle;
        else
            low = middle;
    }
    return exp(high);
}

void gate_weigh(const struct gate_counts *c, double harm_ratio, double safe_ratio, double beta,
                struct gate_evidence *ret)
{
    assert(beta > 0 && beta < 1);
    *ret = (struct gate_evidence){
        .log_harm = gate_log_harm(c, harm_ratio),
        .log_safe = gate_log_safe(c, safe_ratio),
        .excluded = find_excluded(c, beta),
        .share_log = log_split(c),
    };
}

double gate_required(double safe_ratio, int32_t next_share)
{
    assert(next_share > 0 && next_share <= ROLLOUT_ALL);
    return 1 + (safe_ratio - 1) * ROLLOUT_ALL / next_share;
}

static double log_share_below(double share, double failures, double units)
{
    double logs[GATE_POINTS];

    for (int i = 0; i < GATE_POINTS; i++) {
        double p = gate_point(share, share / GATE_REACH, i);
        logs[i] = failures * log(p / share) + (units - failures) * (log1p(-p) - log1p(-share));
    }
    return gate_log_mean(logs);
}

double gate_share_bound(double failures, double units, double beta)
{
    double low = log(SHARE_LEAST), high = 0;

    assert(failures >= 0 && failures <= units && beta > 0 && beta < 1);
    for (int i = 0; i < EXCLUDED_STEPS; i++) {
        double middle = (low + high) / 2;
        if (log_share_below(exp(middle), failures, units) >= -log(beta))
            high = middle;
        else
            low = middle;
    }
    return exp(high);
}

/* --- metrics --- */

const char *gate_metric_name(enum gate_metric metric)
{
    return metrics[metric].name;
}

const char *gate_metric_what(enum gate_metric metric)
{
    return metrics[metric].what;
}

bool gate_metric_parse(struct str word, enum gate_metric *ret)
{
    for (size_t i = 0; i < GATE_METRIC_COUNT; i++)
        if (str_eq(word, str_from(metrics[i].name))) {
            *ret = (enum gate_metric)i;
            return true;
        }
    return false;
}

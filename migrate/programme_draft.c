#include "config.h"

#include "migrate/programme_draft.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "migrate/programme_lint.h"
#include "migrate/programme_parts.h"
#include "migrate/rollout.h"

#define PILOTS        3
#define WAVE_APPS     5
#define IN_FLIGHT     5
#define SPEND_PERCENT 15
#define LAST_BAKE     7  /* days */
#define BAKES_MOST    28 /* days below 100 % that are worth waiting for a gate */
#define WEEKEND       3  /* days that each stage may lose to a freeze: fri 16:00 to mon 08:00 */
#define SEARCH_DAYS   3650
#define REASONS       3
#define FEW_USERS     20 /* with fewer, a key of end users has too little to count */
/* Callers who leave as they please are many, and a gateway a little slower than none has some more:
 * that much is no reason to go back. */
#define HARM_ABANDONED 1.25

/* What is tried, the smallest first stage first; those without a stage below 100 % need no gate. */
struct ladder {
    double safe_ratio;
    int64_t enough_per_million, min_units;
    int count;
    struct {
        int32_t share;
        int bake; /* days at least */
    } steps[5];
};
static const struct ladder ladders[] = {
    {2,  1000,   100, 5, { { 100, 1 }, { 500, 2 }, { 2500, 3 }, { 5000, 3 }, { 10000, LAST_BAKE } }},
    { 2, 1000,   100, 4, { { 500, 2 }, { 2500, 3 }, { 5000, 3 }, { 10000, LAST_BAKE } }            },
    { 3, 10000,  100, 3, { { 2500, 3 }, { 5000, 3 }, { 10000, LAST_BAKE } }                        },
    { 5, 100000, 20,  3, { { 2500, 5 }, { 5000, 5 }, { 10000, LAST_BAKE } }                        },
    { 5, 300000, 20,  2, { { 5000, 7 }, { 10000, 2 * LAST_BAKE } }                                 },
    { 2, 1000,   100, 1, { { 10000, 2 * LAST_BAKE } }                                              },
};

/* One application on its way into the file. */
struct entry {
    const struct inventory_app *seen;
    struct programme_app app; /* stages, gates and key, for their power */
    const struct ladder *ladder;
    int64_t begin_day, full_day; /* since the start */
    size_t wave;
};

struct draft {
    const struct inventory *seen;
    const struct programme_draft_options *o;
    struct programme_powers powers;
    struct entry *entries; /* in the order in which they move */
    size_t count, waves;
    size_t left_out;   /* applications whose names a plan cannot have */
    int64_t spend_cap; /* millionths */
    int first_weekday; /* of the start; Monday = 0 */
    struct buf *out;
};

/* Bytes of the character that begins here, 0 if YAML takes it for none: UTF-8 (RFC 3629) without
 * control characters, of both sets. */
static size_t character_at(struct str s, size_t at)
{
    unsigned char c = (unsigned char)s.ptr[at];
    size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 0;
    unsigned char next = at + 1 < s.len ? (unsigned char)s.ptr[at + 1] : 0;

    if (len == 1)
        return c >= ' ' && c != 0x7f;
    for (size_t i = 1; i < len; i++)
        if (at + i >= s.len || ((unsigned char)s.ptr[at + i] & 0xc0) != 0x80)
            return 0;
    /* C1; overlong; surrogates; the ends of the plane, where U+FEFF and U+FFFE are. */
    if ((c == 0xc2 && next < 0xa0) || (c == 0xe0 && next < 0xa0) || (c == 0xed && next >= 0xa0) ||
        c == 0xef)
        return 0;
    return len;
}

/* What is one line of text to YAML, and fits in a name. */
static bool is_line(struct str s)
{
    size_t at = 0, len = 1;

    while (at < s.len && len) {
        len = character_at(s, at);
        at += len;
    }
    return s.len && s.len <= PROGRAMME_NAME_BYTES && len;
}

/* What a plan can name: see programme_check_name, and what operands of commands mean. */
static bool can_be_named(struct str name)
{
    return is_line(name) && !str_eq(name, STR("all")) && !str_eq(name, STR("pilots")) &&
           !str_starts_with(name, STR("wave-"));
}

/* --- stages and gates --- */

static void set_gate(struct programme_app *app, enum gate_metric metric, const struct ladder *l)
{
    app->gates[app->gate_count++] = (struct programme_gate){
        .metric = metric,
        .per_request = str_eq(app->key, STR("request")),
        .harm_ratio = metric == GATE_ABANDONED ? HARM_ABANDONED : 1,
        .safe_ratio = l->safe_ratio,
        .beta = 0.05,
        .min_units = l->min_units,
        .min_us = US_PER_DAY,
        .threshold = -1,
        .cap_per_million = -1,
        .enough_per_million = l->enough_per_million,
    };
}

/* Days at each stage so that the gate decides; false if that takes too long. */
static bool fit_gate(struct draft *d, struct entry *e, size_t gate, const int64_t *bakes,
                     int64_t *ret_bakes)
{
    struct programme_power power;
    int64_t all = 0;

    programme_power(&d->powers, &e->app, gate, e->seen, &power);
    for (size_t i = 0; i + 1 < e->app.stage_count; i++) {
        if (power.days[i] < 0 || !(power.days[i] <= BAKES_MOST))
            return false;
        int64_t days = (int64_t)ceil(power.days[i]);
        ret_bakes[i] = days > bakes[i] ? days : bakes[i];
        all += ret_bakes[i];
    }
    return all <= BAKES_MOST;
}

/* One more gate, if it decides in time. */
static void try_gate(struct draft *d, struct entry *e, enum gate_metric metric, int64_t *bakes)
{
    struct programme_app *app = &e->app;
    int64_t fitted[PROGRAMME_STAGES];

    set_gate(app, metric, e->ladder);
    if (fit_gate(d, e, app->gate_count - 1, bakes, fitted))
        memcpy(bakes, fitted, (app->stage_count - 1) * sizeof(*bakes));
    else
        app->gate_count--;
}

static bool fit_ladder(struct draft *d, struct entry *e, const struct ladder *l)
{
    enum gate_metric slow = e->seen->first_token_us.total ? GATE_FIRST_TOKEN : GATE_TOTAL;
    int64_t bakes[PROGRAMME_STAGES], fitted[PROGRAMME_STAGES];
    struct programme_app *app = &e->app;

    e->ladder = l;
    app->gate_count = 0;
    app->stage_count = (size_t)l->count;
    for (size_t i = 0; i < app->stage_count; i++) {
        app->stages[i].share = l->steps[i].share;
        bakes[i] = l->steps[i].bake;
        app->stages[i].bake_us = bakes[i] * US_PER_DAY;
    }
    set_gate(app, GATE_ERROR, l);
    if (!fit_gate(d, e, 0, bakes, fitted))
        return false;
    memcpy(bakes, fitted, (app->stage_count - 1) * sizeof(*bakes));
    try_gate(d, e, slow, bakes);
    if (e->seen->streams)
        try_gate(d, e, GATE_ABANDONED, bakes);
    for (size_t i = 0; i < app->stage_count; i++)
        app->stages[i].bake_us = bakes[i] * US_PER_DAY;
    return true;
}

static void plan_app(struct draft *d, struct entry *e)
{
    size_t i = 0;

    e->app.key = distinct_count(&e->seen->users) >= FEW_USERS ? STR("end_user") : STR("request");
    while (!fit_ladder(d, e, &ladders[i]))
        i++;
}

/* --- order and dates --- */

static int by_risk(const void *a, const void *b)
{
    const struct inventory_app *x = ((const struct entry *)a)->seen;
    const struct inventory_app *y = ((const struct entry *)b)->seen;

    if (x->risk.level != y->risk.level)
        return x->risk.level < y->risk.level ? -1 : 1;
    if (x->risk.score != y->risk.score)
        return x->risk.score < y->risk.score ? -1 : 1;
    return str_cmp(x->name, y->name);
}

static int64_t spend_of(const struct draft *d, const struct entry *e)
{
    return d->seen->cost_pusd > 0 ? (int64_t)(e->seen->cost_pusd * 1000000 / d->seen->cost_pusd)
                                  : 0;
}

/* How long it may be under way at most: bakes, and what freezes take. */
static int64_t days_of(const struct entry *e)
{
    int64_t days = WEEKEND;

    for (size_t i = 0; i + 1 < e->app.stage_count; i++)
        days += e->app.stages[i].bake_us / US_PER_DAY + WEEKEND;
    return e->app.stage_count > 1 ? days : 0;
}

/* Tuesdays to Thursdays: no freeze, and people are there the day after. */
static bool is_good_day(const struct draft *d, int64_t day)
{
    int64_t weekday = (d->first_weekday + day) % 7;

    return weekday >= 1 && weekday <= 3;
}

static bool fits(const struct draft *d, size_t index, size_t wave_start, int64_t day)
{
    const struct entry *e = &d->entries[index];
    int64_t spend = spend_of(d, e), end = day + days_of(e);
    int moving = 1;

    for (size_t i = wave_start; i < index; i++) {
        const struct entry *other = &d->entries[i];
        bool overlap = other->begin_day <= end && other->full_day >= day;
        if (!overlap)
            continue;
        if (other->seen->owner.len && str_eq(other->seen->owner, e->seen->owner))
            return false;
        moving++;
        spend += spend_of(d, other);
    }
    return moving <= IN_FLIGHT && (moving == 1 || spend <= d->spend_cap);
}

/* A wave begins when the one before is at 100 %. */
static void set_dates(struct draft *d)
{
    int64_t from = 0, end = 0;
    size_t start = 0;

    for (size_t i = 0; i < d->count; i++) {
        struct entry *e = &d->entries[i];
        if (i && e->wave != d->entries[i - 1].wave) {
            from = end + 1;
            start = i;
        }
        int64_t day = i > start ? d->entries[i - 1].begin_day : from;
        while (day < from + SEARCH_DAYS && !(is_good_day(d, day) && fits(d, i, start, day)))
            day++;
        e->begin_day = day;
        e->full_day = day + days_of(e);
        end = e->full_day > end ? e->full_day : end;
    }
}

/* Pilots, then by fives; high risk is never in a wave with less. */
static void set_waves(struct draft *d)
{
    size_t in_wave = 0;

    for (size_t i = 0; i < d->count; i++) {
        size_t most = d->waves == 0 ? PILOTS : WAVE_APPS;
        bool rises = i && d->waves > 0 && d->entries[i].seen->risk.level == PROGRAMME_RISK_HIGH &&
                     d->entries[i - 1].seen->risk.level != PROGRAMME_RISK_HIGH;
        if (in_wave == most || rises) {
            d->waves++;
            in_wave = 0;
        }
        d->entries[i].wave = d->waves;
        in_wave++;
    }
    d->waves++;
}

/* --- writing --- */

/* Plain where it means itself; YAML's words and anything else in quotes. */
static void add_scalar(struct buf *out, struct str s)
{
    static const char *const words[] = { "true", "false", "null", "yes", "no",
                                         "on",   "off",   "y",    "n",   "all" };
    bool plain = s.len && (isalpha((unsigned char)s.ptr[0]) || s.ptr[0] == '/');

    for (size_t i = 0; plain && i < s.len; i++)
        plain = isalnum((unsigned char)s.ptr[i]) || memchr("_-./", s.ptr[i], 4);
    for (size_t i = 0; plain && i < ARRAY_LEN(words); i++)
        plain = !str_ieq(s, str_from(words[i]));
    if (plain)
        buf_add_str(out, s);
    else
        json_add_string(out, s);
}

static void add_date(const struct draft *d, int64_t day)
{
    struct civil c = civil_from_us(d->o->start_us);

    c = civil_from_us(civil_to_us((struct civil){ c.year, c.month, c.day + (int)day, 0, 0, 0, 0 }));
    buf_addf(d->out, "%04d-%02d-%02d", c.year, c.month, c.day);
}

static void add_wave_name(const struct draft *d, size_t wave)
{
    if (wave == 0)
        buf_add_text(d->out, "pilots");
    else
        buf_addf(d->out, "wave-%zu", wave + 1);
}

static void add_wave_end(const struct draft *d, size_t wave)
{
    int64_t end = 0;

    for (size_t i = 0; i < d->count; i++)
        if (d->entries[i].wave == wave && d->entries[i].full_day > end)
            end = d->entries[i].full_day;
    add_date(d, end);
}

static void add_programme(const struct draft *d)
{
    struct buf *out = d->out;
    int64_t last = 0;

    for (size_t i = 0; i < d->count; i++)
        last = d->entries[i].full_day > last ? d->entries[i].full_day : last;
    buf_addf(
        out,
        "# The plan of a migration: see weir-programme(5).  Written once by weir migrate plan,\n"
        "# from %" PRId64 " calls of %zu applications; it is yours from here on.\n"
        "#\n"
        "# Hold it to its rules: weir migrate plan.  What is next: weir migrate next.\n\n",
        d->seen->requests, d->count);
    buf_add_text(out, "programme:\n  name: ");
    add_scalar(out, d->o->name);
    buf_add_text(out, "\n  tz: ");
    add_scalar(out, d->o->tz);
    buf_add_text(out, "\n  start: ");
    add_date(d, 0);
    buf_add_text(out, "\n  end: ");
    add_date(d, last + 2 * LAST_BAKE + WEEKEND);
    buf_add_text(out, "\n  archive: ");
    add_scalar(out, d->o->archive);
    if (d->o->config.len) {
        buf_add_text(out, "\n  config: ");
        add_scalar(out, d->o->config);
    }
    buf_addf(out,
             "\n  alpha_total: 0.05      # the chance of one false rollback in all of it\n"
             "  caps:\n    apps_in_flight: %d\n    spend_moving: %" PRId64 "%%",
             IN_FLIGHT, d->spend_cap / 10000);
    if (d->spend_cap > SPEND_PERCENT * 10000)
        buf_addf(out, "     # %d%% would be usual, but one application alone is more",
                 SPEND_PERCENT);
    buf_add_text(out, "\n  freeze:                # nothing advances then; rollbacks never wait\n"
                      "    - {from: fri 16:00, to: mon 08:00, reason: weekend}\n\n");
}

static void add_defaults(const struct draft *d)
{
    buf_add_text(d->out, "actuators:\n"
                         "  proxy:                 # others: nginx, haproxy, envoy, env, exec; "
                         "see weir-actuator(5)\n"
                         "    driver: weir\n"
                         "    file: ./cutover.yaml # as cutover: {file: ...} of the proxy says\n"
                         "    socket: ./weir.sock  # as listen: {status: ...} of the proxy says\n\n"
                         "defaults:\n  actuator: proxy\n  gateway: ");
    add_scalar(d->out, d->o->gateway);
    buf_add_text(d->out,
                 "\n  rollback: {within: 30s, to: last_good}\n"
                 "  evidence: {rehearsal: 7d, preflight: 14d}\n"
                 "  readiness: [R1, R2, R5, R8, R11, R12]\n"
                 "  auto: false            # true: weir migrate watch may advance by itself\n\n");
}

static void add_waves(const struct draft *d)
{
    buf_add_text(d->out, "# A wave begins when the one before is at 100 %, and stops at any "
                         "rollback.\nwaves:\n");
    for (size_t w = 0; w < d->waves; w++) {
        size_t first = 0;
        while (d->entries[first].wave != w)
            first++;
        buf_add_text(d->out, "  ");
        add_wave_name(d, w);
        buf_add_text(d->out, ": {from: ");
        add_date(d, d->entries[first].begin_day);
        buf_add_text(d->out, ", to: ");
        add_wave_end(d, w);
        buf_add_text(d->out, "}\n");
    }
    buf_add_byte(d->out, '\n');
}

static void add_person(struct buf *out, const char *key, struct str name, const char *what)
{
    buf_addf(out, "    %s: ", key);
    if (is_line(name))
        add_scalar(out, name);
    else
        buf_addf(out, "\"\"  # %s", what);
    buf_add_byte(out, '\n');
}

static void add_risk(struct buf *out, const struct inventory_risk *r)
{
    int count = 0;

    buf_addf(out, "    risk:\n      level: %s\n      score: %d\n      reasons:\n",
             programme_risk_name(r->level), r->score);
    for (int i = 0; i < INVENTORY_FACTOR_COUNT && count < REASONS; i++) {
        if (!r->points[r->order[i]])
            continue;
        buf_add_text(out, "        - ");
        json_add_string(out, r->why[r->order[i]]);
        buf_add_byte(out, '\n');
        count++;
    }
}

static void add_stages(struct buf *out, const struct programme_app *app)
{
    buf_add_text(out, "    stages:\n");
    for (size_t i = 0; i < app->stage_count; i++)
        buf_addf(out, "      - {share: %d%%, bake: %" PRId64 "d}\n", app->stages[i].share / 100,
                 app->stages[i].bake_us / US_PER_DAY);
    if (app->stage_count == 1)
        buf_add_text(out, "      # too few calls for any gate to decide at a part of them: "
                          "preflight does\n");
    buf_add_text(out, "    gates:\n");
    for (size_t i = 0; i < app->gate_count; i++) {
        const struct programme_gate *g = &app->gates[i];
        buf_addf(out, "      - {metric: %s, ", gate_metric_name(g->metric));
        if (g->harm_ratio > 1)
            buf_addf(out, "harm_ratio: %g, ", g->harm_ratio);
        buf_addf(out, "safe_ratio: %g, enough: %g%%, min_units: %" PRId64 "}\n", g->safe_ratio,
                 (double)g->enough_per_million / 1e4, g->min_units);
    }
}

static bool has_upstream(const struct conf *conf, struct str name)
{
    for (size_t i = 0; conf && i < conf->upstream_count; i++)
        if (str_eq(conf->upstreams[i].name, name))
            return true;
    return false;
}

/* What the configuration says, or what was recorded; of calls that never went through a proxy the
 * provider, by the name of the upstream that speaks its interface. */
static struct str direct_of(const struct draft *d, const struct inventory_app *a)
{
    const struct inventory_list *ways = &a->lists[INVENTORY_UPSTREAMS];
    const struct inventory_list *providers = &a->lists[INVENTORY_PROVIDERS];
    const struct conf *conf = d->o->conf;

    for (size_t i = 0; conf && i < conf->app_count; i++)
        if (str_eq(conf->apps[i].is.app, a->name) && conf->apps[i].upstream.len)
            return conf->apps[i].upstream;
    for (size_t i = 0; i < ways->items.len; i++)
        if (has_upstream(conf, ways->items.ptr[i].name))
            return ways->items.ptr[i].name;
    if (ways->items.len && is_line(ways->items.ptr[0].name))
        return ways->items.ptr[0].name;
    if (!providers->items.len)
        return STR("direct");
    for (size_t i = 0; conf && i < conf->upstream_count; i++)
        if (str_eq(conf->upstreams[i].api, providers->items.ptr[0].name) &&
            !str_eq(conf->upstreams[i].arm, STR("gateway")))
            return conf->upstreams[i].name;
    return providers->items.ptr[0].name;
}

static void add_app(const struct draft *d, const struct entry *e)
{
    const struct inventory_app *a = e->seen;
    const struct inventory_list *ways = &a->lists[INVENTORY_UPSTREAMS];
    struct buf *out = d->out;

    if (!ways->items.len)
        ways = &a->lists[INVENTORY_PROVIDERS];
    buf_add_text(out, "  ");
    add_scalar(out, a->name);
    buf_addf(out, ":  # %.3g calls a day, %.1f %% of the spend\n",
             (double)a->requests / inventory_days(a), (double)spend_of(d, e) / 1e4);
    add_person(out, "owner", a->owner, "who answers for it?");
    buf_add_text(out, "    deputy: \"\"  # who does when the owner is away?\n");
    if (is_line(a->team))
        add_person(out, "team", a->team, "");
    add_risk(out, &a->risk);
    buf_add_text(out, "    wave: ");
    add_wave_name(d, e->wave);
    buf_add_text(out, "\n    date: ");
    add_date(d, e->begin_day);
    buf_add_text(out, "\n    direct: ");
    add_scalar(out, direct_of(d, a));
    for (size_t i = 1; i < ways->items.len && i < REASONS; i++) {
        buf_add_text(out, i == 1 ? "  # it also calls " : ", ");
        add_scalar(out, ways->items.ptr[i].name);
    }
    buf_add_text(out, "\n    key: ");
    add_scalar(out, e->app.key);
    buf_add_text(out, str_eq(e->app.key, STR("request"))
                          ? "  # not sticky; header.NAME of a conversation would be better\n"
                          : "\n");
    add_stages(out, &e->app);
    if (a->risk.level == PROGRAMME_RISK_HIGH)
        buf_add_text(out, "    approvals: [owner, security]\n");
}

/* --- all of it --- */

static void draft_release(struct draft *d)
{
    programme_powers_release(&d->powers);
    free(d->entries);
}
DEFINE_CLEANUP_VALUE(struct draft, draft_release)

static void choose(struct draft *d)
{
    int64_t most = 0;

    d->entries = mem_calloc(d->seen->apps.len + 1, sizeof(*d->entries));
    for (size_t i = 0; i < d->seen->apps.len; i++) {
        const struct inventory_app *a = d->seen->apps.ptr[i];
        if (!a->requests || !a->name.len)
            continue;
        if (can_be_named(a->name))
            d->entries[d->count++].seen = a;
        else
            d->left_out++;
    }
    for (size_t i = 0; i < d->count; i++) {
        plan_app(d, &d->entries[i]);
        int64_t spend = spend_of(d, &d->entries[i]);
        most = spend > most ? spend : most;
    }
    /* Whole percents, rounded up. */
    d->spend_cap = (most + 9999) / 10000 * 10000;
    if (d->spend_cap < SPEND_PERCENT * 10000)
        d->spend_cap = SPEND_PERCENT * 10000;
}

int programme_draft(const struct inventory *seen, const struct programme_draft_options *o,
                    struct buf *out, struct err *err)
{
    CLEANUP(draft_release) struct draft d = { .seen = seen, .o = o, .out = out };

    choose(&d);
    if (!d.count)
        return err_set(err, ERR_USAGE,
                       "no call of the archive is an application's: attribute them first, see "
                       "weir-config(5)");
    if (d.count > PROGRAMME_APPS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d applications", PROGRAMME_APPS_MAX);
    qsort(d.entries, d.count, sizeof(*d.entries), by_risk);
    d.first_weekday = civil_weekday(civil_from_us(o->start_us));
    set_waves(&d);
    set_dates(&d);
    add_programme(&d);
    add_defaults(&d);
    add_waves(&d);
    buf_add_text(out, "apps:\n");
    for (size_t i = 0; i < d.count; i++)
        add_app(&d, &d.entries[i]);
    if (d.left_out)
        buf_addf(out, "  # %zu more have names that no plan can have: attribute them anew\n",
                 d.left_out);
    return 0;
}

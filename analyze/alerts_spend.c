/* alerts_spend - costs that rose: over the month before, over a usual day, day by day. */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/alerts_parts.h"
#include "analyze/season.h"

#define PUSD 1e12

/* One subject's days. */
struct watch {
    const struct alerts_input *in;
    struct alerts *alerts;
    struct alerts_scope scope;
    size_t days, month, before; /* days in all; the first of the month, and of the one before */
    i128 *pusd;                 /* without cells in doubt */
    double *usd;
    uint8_t *roles;
    uint8_t *spiked; /* days that a spike was found on */
};

static struct str name_of(const struct watch *w)
{
    return w->scope.is_all ? STR("") : series_text(&w->in->series, w->scope.name, w->scope.code);
}

static struct alert *add(const struct watch *w, enum alert_kind kind)
{
    int64_t month_day = w->in->span.month_day;
    const char *of = w->scope.is_all ? "all" : series_name(w->scope.name);

    return alerts_add(w->alerts, kind, of, name_of(w),
                      alerts_month_text(&w->alerts->arena, month_day), STR(""));
}

static void name_culprits(const struct watch *w, double scale, struct alert *alert)
{
    struct alerts_days days = { w->roles, scale };

    alerts_name_culprits(w->in, &w->scope, &days, w->alerts, alert);
}

/* --- month over month --- */

/* The month's compared days at the weekday means of the month before: equal weekdays, where equal
 * days may have a weekend more. */
static double expect_by_weekdays(const struct watch *w)
{
    const uint8_t *unseen = w->in->series.unseen;
    double sum[7] = { 0 }, n[7] = { 0 }, expected = 0;

    for (size_t d = w->before; d < w->month; d++) {
        int weekday = season_weekday(w->in->series.first_day + (int64_t)d);
        sum[weekday] += unseen[d] ? 0 : w->usd[d];
        n[weekday] += unseen[d] ? 0 : 1;
    }
    for (size_t d = w->month; d < w->days; d++) {
        int weekday = season_weekday(w->in->series.first_day + (int64_t)d);
        if (w->roles[d] == ALERTS_NOW && n[weekday] > 0)
            expected += sum[weekday] / n[weekday];
    }
    return expected;
}

/* Days of the month and of the one before that can be compared, by their number. */
static size_t pair_days(const struct watch *w)
{
    const uint8_t *unseen = w->in->series.unseen;
    size_t pairs = 0;

    memset(w->roles, 0, w->days);
    for (size_t i = 0; w->month + i < w->days && w->before + i < w->month; i++) {
        if (unseen[w->month + i] || unseen[w->before + i])
            continue;
        w->roles[w->month + i] = ALERTS_NOW;
        w->roles[w->before + i] = ALERTS_BEFORE;
        pairs++;
    }
    return pairs;
}

static void say_change(const struct watch *w, struct alert *alert, size_t pairs)
{
    char now[FIGURE_BYTES], before[FIGURE_BYTES];
    struct str subject = alerts_subject(alert, &w->alerts->arena);

    figure_usd(alert->now_pusd, 2, now);
    figure_usd(alert->before_pusd, 2, before);
    if (alert->before_pusd <= 0)
        alerts_say(w->alerts, alert, "%.*s: new this month, %s USD", STR_ARG(subject), now);
    else
        alerts_say(w->alerts, alert,
                   "%.*s: %+.0f %% over the month before on %zu equal days, %s USD after %s USD",
                   STR_ARG(subject),
                   100 * ((double)alert->now_pusd / (double)alert->before_pusd - 1), pairs, now,
                   before);
}

static void watch_change(const struct watch *w)
{
    const struct conf_alerts *limits = w->in->limits;
    size_t pairs = pair_days(w);
    i128 now = 0, before = 0;

    for (size_t d = 0; d < w->days; d++) {
        now += w->roles[d] == ALERTS_NOW ? w->pusd[d] : 0;
        before += w->roles[d] == ALERTS_BEFORE ? w->pusd[d] : 0;
    }
    double limit = 1 + (double)limits->change_micro / (double)CONF_MICRO;
    if (pairs < ALERTS_CHANGE_DAYS || now - before < limits->floor_pusd ||
        (now - before) * CONF_MICRO <= before * limits->change_micro ||
        (double)now / PUSD <= limit * expect_by_weekdays(w))
        return;
    struct alert *alert = add(w, ALERT_CHANGE);
    alert->has_money = true;
    alert->now_pusd = now;
    alert->before_pusd = before;
    say_change(w, alert, pairs);
    name_culprits(w, 1, alert);
}

/* --- days --- */

static bool fit(const struct watch *w, struct season *ret)
{
    size_t from = w->month > ALERTS_BASE_DAYS ? w->month - ALERTS_BASE_DAYS : 0;
    struct season_days days = { .values = w->usd + from,
                                .skip = w->in->series.unseen + from,
                                .count = w->month - from,
                                .first_day = w->in->series.first_day + (int64_t)from };

    if (!season_fit(&days, ALERTS_GROWTH_LIMIT, ret) || ret->used < ALERTS_BASE_MIN)
        return false;
    if (ret->spread < ALERTS_SPREAD_MIN)
        ret->spread = ALERTS_SPREAD_MIN;
    return true;
}

/* What a rise is held against: of a day on which little is usual, half of a usual day's. */
static double base_of(const struct season *s, double expected)
{
    return expected > s->mean / 2 ? expected : s->mean / 2;
}

/* The same days of the week before the month, and how many. */
static size_t mark_weekday(const struct watch *w, size_t day)
{
    size_t n = 0;

    for (size_t d = day; d >= 7 && d - 7 + ALERTS_BASE_DAYS >= w->month; d -= 7)
        if (d - 7 < w->month && !w->in->series.unseen[d - 7]) {
            w->roles[d - 7] = ALERTS_BEFORE;
            n++;
        }
    return n;
}

static void tell_spike(const struct watch *w, const struct season *s, size_t day, size_t spikes)
{
    int64_t date = w->in->series.first_day + (int64_t)day;
    struct str day_text = alerts_day_text(&w->alerts->arena, date);
    struct alert *alert = add(w, ALERT_SPIKE);
    char now[FIGURE_BYTES], usual[FIGURE_BYTES];

    alert->has_money = true;
    alert->now_pusd = w->pusd[day];
    alert->before_pusd = (i128)(season_expect(s, date) * PUSD);
    struct str subject = alerts_subject(alert, &w->alerts->arena);
    figure_usd(alert->now_pusd, 2, now);
    figure_usd(alert->before_pusd, 2, usual);
    alerts_say(w->alerts, alert,
               "%.*s: %s USD on %.*s, where %s USD is usual (%.1f spreads); such days this month: "
               "%zu",
               STR_ARG(subject), now, STR_ARG(day_text), usual,
               season_residual(s, date, w->usd[day]) / s->spread, spikes);
    memset(w->roles, 0, w->days);
    w->roles[day] = ALERTS_NOW;
    size_t n = mark_weekday(w, day);
    name_culprits(w, n ? 1 / (double)n : 0, alert);
}

static void watch_spikes(const struct watch *w, const struct season *s)
{
    const struct conf_alerts *limits = w->in->limits;
    double share = (double)limits->spike_micro / (double)CONF_MICRO, most = 0;
    double floor_usd = (double)limits->floor_pusd / PUSD;
    size_t spikes = 0, worst = 0;

    for (size_t d = w->month; d < w->days; d++) {
        int64_t date = w->in->series.first_day + (int64_t)d;
        double expected = season_expect(s, date), excess = w->usd[d] - expected;
        w->spiked[d] = !w->in->series.unseen[d] && excess >= floor_usd &&
                       excess >= share * base_of(s, expected) &&
                       season_residual(s, date, w->usd[d]) >= ALERTS_SPIKE_Z * s->spread;
        spikes += w->spiked[d];
        if (!w->spiked[d] || excess <= most)
            continue;
        most = excess;
        worst = d;
    }
    if (spikes)
        tell_spike(w, s, worst, spikes);
}

struct run {
    size_t from, to; /* days, both in it */
    int days;        /* that counted */
    double now, expected;
};

static void tell_drift(const struct watch *w, const struct run *run)
{
    struct alert *alert = add(w, ALERT_DRIFT);
    struct arena *arena = &w->alerts->arena;
    char now[FIGURE_BYTES], usual[FIGURE_BYTES];
    size_t before = 0;

    alert->has_money = true;
    memset(w->roles, 0, w->days);
    for (size_t d = run->from; d <= run->to; d++)
        if (!w->in->series.unseen[d] && !w->spiked[d]) {
            w->roles[d] = ALERTS_NOW;
            alert->now_pusd += w->pusd[d];
        }
    alert->before_pusd = (i128)(run->expected * PUSD);
    struct str subject = alerts_subject(alert, arena);
    figure_usd(alert->now_pusd, 2, now);
    figure_usd(alert->before_pusd, 2, usual);
    alerts_say(w->alerts, alert,
               "%.*s: %+.0f %% over what is usual since %.*s, %s USD in %d days where %s USD is "
               "usual",
               STR_ARG(subject), 100 * (run->now / run->expected - 1),
               STR_ARG(alerts_day_text(arena, w->in->series.first_day + (int64_t)run->from)), now,
               run->days, usual);
    for (size_t d = w->month; d-- > 0 && before < ALERTS_SHIFT_DAYS;)
        if (!w->in->series.unseen[d]) {
            w->roles[d] = ALERTS_BEFORE;
            before++;
        }
    name_culprits(w, before ? run->days / (double)before : 0, alert);
}

/* The first day by which the rise since the sum was last 0 is beyond doubt. */
static void watch_drift(const struct watch *w, const struct season *s)
{
    const struct conf_alerts *limits = w->in->limits;
    double share = 1 + (double)limits->drift_micro / (double)CONF_MICRO, sum = 0;
    struct run run = { 0 };

    for (size_t d = w->month; d < w->days; d++) {
        int64_t date = w->in->series.first_day + (int64_t)d;
        double z = season_residual(s, date, w->usd[d]) / s->spread;
        if (w->in->series.unseen[d] || w->spiked[d])
            continue;
        z = z > ALERTS_DRIFT_CLIP ? ALERTS_DRIFT_CLIP : z;
        if (sum <= 0) {
            sum = 0;
            run = (struct run){ .from = d };
        }
        sum += z - ALERTS_DRIFT_SLACK - 2 * season_error(s, date);
        run.to = d;
        run.days++;
        run.now += w->usd[d];
        run.expected += season_expect(s, date);
        if (sum < ALERTS_DRIFT_LIMIT || run.days < ALERTS_DRIFT_DAYS ||
            run.now < share * run.expected ||
            (run.now - run.expected) * PUSD < (double)limits->floor_pusd)
            continue;
        tell_drift(w, &run);
        return;
    }
}

/* --- subjects --- */

static void watch_subject(struct watch *w)
{
    struct season s;

    for (size_t d = 0; d < w->days; d++)
        w->usd[d] = (double)w->pusd[d] / PUSD;
    memset(w->spiked, 0, w->days);
    watch_change(w);
    if (!fit(w, &s) || s.mean <= 0)
        return;
    watch_spikes(w, &s);
    watch_drift(w, &s);
}

static void add_cells(const struct watch *w, const uint32_t *order, size_t count)
{
    memset(w->pusd, 0, w->days * sizeof(*w->pusd));
    for (size_t i = 0; i < count; i++) {
        const struct series_cell *c = &w->in->series.cells.ptr[order[i]];
        if (!c->in_doubt && c->day < w->days)
            w->pusd[c->day] += c->pusd;
    }
}

struct order {
    const struct series_cell *cells;
    enum series_name name;
};

static int compare_codes(const void *a, const void *b, void *ctx)
{
    const struct order *o = ctx;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    uint32_t x = o->cells[i].codes[o->name], y = o->cells[j].codes[o->name];

    return x != y ? (x < y ? -1 : 1) : i < j ? -1 : i > j;
}

static void watch_dimension(struct watch *w, enum series_name name, uint32_t *order)
{
    const struct series *s = &w->in->series;
    struct order ctx = { s->cells.ptr, name };

    qsort_r(order, s->cells.len, sizeof(*order), compare_codes, &ctx);
    for (size_t from = 0, to; from < s->cells.len; from = to) {
        uint32_t code = s->cells.ptr[order[from]].codes[name];
        for (to = from + 1; to < s->cells.len; to++)
            if (s->cells.ptr[order[to]].codes[name] != code)
                break;
        if (to - from == s->cells.len)
            return; /* the only one: the whole has been watched */
        w->scope = (struct alerts_scope){ .name = name, .code = code };
        add_cells(w, order + from, to - from);
        watch_subject(w);
    }
}

void alerts_find_spend(const struct alerts_input *in, struct alerts *a)
{
    const struct series *s = &in->series;
    struct watch w = { .in = in,
                       .alerts = a,
                       .days = (size_t)(in->span.today - s->first_day), /* today is not over */
                       .month = (size_t)(in->span.month_day - s->first_day),
                       .before = (size_t)(in->span.before_day - s->first_day) };

    if (s->cells.len == 0)
        return;
    uint32_t *order = mem_calloc(s->cells.len, sizeof(*order));
    w.pusd = mem_calloc(w.days + 1, sizeof(*w.pusd));
    w.usd = mem_calloc(w.days + 1, sizeof(*w.usd));
    w.roles = mem_calloc(s->days + 1, 1);
    w.spiked = mem_calloc(w.days + 1, 1);
    for (uint32_t i = 0; i < s->cells.len; i++)
        order[i] = i;
    w.scope = (struct alerts_scope){ .is_all = true };
    add_cells(&w, order, s->cells.len);
    watch_subject(&w);
    for (size_t i = 0; i < in->by_count; i++)
        watch_dimension(&w, in->by[i], order);
    free(order);
    free(w.pusd);
    free(w.usd);
    free(w.roles);
    free(w.spiked);
}

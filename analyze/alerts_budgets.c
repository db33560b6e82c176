/* alerts_budgets - what may be spent, what was, and what will have been. */
#include "config.h"

#include <stdlib.h>

#include "analyze/alerts_parts.h"
#include "analyze/season.h"

/* A period that a day is in. */
struct period {
    int64_t from_day, to_day;
    struct str text;
};

static struct period period_of(enum conf_budget_per per, int64_t day, struct arena *arena)
{
    struct civil c = civil_from_us(day * US_PER_DAY);
    struct period p = { day, day + 1, alerts_day_text(arena, day) };

    if (per == CONF_BUDGET_MONTH) {
        p.from_day = day - (c.day - 1);
        p.to_day = civil_to_us((struct civil){ .year = c.year, .month = c.month + 1, .day = 1 }) /
                   US_PER_DAY;
        p.text = alerts_month_text(arena, day);
    }
    if (per == CONF_BUDGET_WEEK) {
        p.from_day = day - season_weekday(day);
        p.to_day = p.from_day + 7;
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_addf(&text, "week of %.*s", STR_ARG(alerts_day_text(arena, p.from_day)));
        p.text = arena_str(arena, buf_str(&text));
    }
    return p;
}

static const char *of_name(enum conf_budget_of of)
{
    static const char *const names[] = { "all", "business_unit", "team", "app" };

    return names[of];
}

/* false if nothing ever was of that name. */
static bool scope_of(const struct alerts_input *in, const struct conf_budget *b,
                     struct alerts_scope *ret)
{
    static const enum series_name names[] = { 0, SERIES_BUSINESS_UNIT, SERIES_TEAM, SERIES_APP };

    *ret = (struct alerts_scope){ .is_all = b->of == CONF_BUDGET_ALL, .name = names[b->of] };
    return ret->is_all || series_find(&in->series, ret->name, b->name, &ret->code);
}

static void tell_spent(const struct conf_budget *b, enum conf_budget_per per,
                       const struct period *p, i128 spent, struct alerts *a)
{
    int64_t reached = 0;
    char detail[FIGURE_BYTES], now[FIGURE_BYTES], limit[FIGURE_BYTES];

    for (size_t i = 0; i < b->alert_at_count; i++)
        if (spent * CONF_MICRO >= b->pusd[per] * b->alert_at[i])
            reached = b->alert_at[i];
    if (!reached)
        return;
    decimal_format(reached / 10000, 0, detail);
    struct str share = str_from(strcat(detail, "%"));
    struct alert *alert = alerts_add(a, ALERT_BUDGET, of_name(b->of), b->name, p->text, share);
    struct str subject = alerts_subject(alert, &a->arena);
    alert->has_money = true;
    alert->now_pusd = spent;
    alert->before_pusd = b->pusd[per];
    figure_usd(spent, figure_usd_digits(b->pusd[per]), now);
    figure_usd(b->pusd[per], figure_usd_digits(b->pusd[per]), limit);
    alerts_say(a, alert, "%.*s: %.0f %% of the budget for %.*s is spent, %s USD of %s USD",
               STR_ARG(subject), 100 * (double)spent / (double)b->pusd[per], STR_ARG(p->text), now,
               limit);
}

static void tell_overrun(const struct alerts_input *in, const struct conf_budget *b,
                         const struct period *p, const i128 *days, struct alerts *a)
{
    struct forecast_input want = { .days = days,
                                   .skip = in->series.unseen,
                                   .count = in->series.days - 1,
                                   .first_day = in->series.first_day,
                                   .today_pusd = days[in->series.days - 1],
                                   .from_day = p->from_day,
                                   .to_day = p->to_day };
    char expected[FIGURE_BYTES], low[FIGURE_BYTES], high[FIGURE_BYTES], limit[FIGURE_BYTES];
    i128 budget = b->pusd[CONF_BUDGET_MONTH];
    struct forecast f;

    forecast_run(&want, &f);
    if (!f.has_expected || f.days_left == 0 || f.expected_pusd <= budget || f.actual_pusd >= budget)
        return;
    struct alert *alert = alerts_add(a, ALERT_OVERRUN, of_name(b->of), b->name, p->text, STR(""));
    struct str subject = alerts_subject(alert, &a->arena);
    alert->has_money = true;
    alert->now_pusd = f.expected_pusd;
    alert->before_pusd = budget;
    int digits = figure_usd_digits(budget);
    figure_usd(f.expected_pusd, digits, expected);
    figure_usd(f.low_pusd, digits, low);
    figure_usd(f.high_pusd, digits, high);
    figure_usd(budget, digits, limit);
    alerts_say(a, alert,
               "%.*s: %.*s will come to %s USD (%d of 100 times between %s and %s), the budget is "
               "%s USD",
               STR_ARG(subject), STR_ARG(p->text), expected, FORECAST_CONFIDENCE, low, high, limit);
}

static void watch_budget(const struct alerts_input *in, const struct conf_budget *b,
                         struct alerts *a)
{
    int64_t today = in->span.today, first = in->series.first_day;
    struct alerts_scope scope;

    if (!scope_of(in, b, &scope))
        return;
    i128 *days = mem_calloc(in->series.days, sizeof(*days));
    /* Today included, doubtful or not: what the engine says. */
    series_sum_days(&in->series, scope.is_all ? SERIES_NAMES : scope.name, scope.code, days);
    for (int per = 0; per < CONF_BUDGET_PER_COUNT; per++) {
        struct period last = { 0 };
        /* What ended yesterday has not been seen whole before today. */
        for (int64_t day = today - 1; b->pusd[per] && day <= today; day++) {
            struct period p = period_of((enum conf_budget_per)per, day, &a->arena);
            i128 spent = 0;
            if (p.from_day == last.from_day)
                continue;
            last = p;
            for (int64_t d = p.from_day < first ? first : p.from_day; d <= today && d < p.to_day;
                 d++)
                spent += days[d - first];
            tell_spent(b, (enum conf_budget_per)per, &p, spent, a);
            if (per == CONF_BUDGET_MONTH && today >= p.from_day && today < p.to_day)
                tell_overrun(in, b, &p, days, a);
        }
    }
    free(days);
}

bool alerts_budget_has_calls(const struct alerts_input *in, const struct conf_budget *b)
{
    struct alerts_scope scope;

    return scope_of(in, b, &scope);
}

void alerts_find_budgets(const struct alerts_input *in, struct alerts *a)
{
    for (size_t i = 0; i < in->budget_count; i++)
        watch_budget(in, in->budgets[i], a);
}

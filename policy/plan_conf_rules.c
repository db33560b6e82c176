/* Access, limits, budgets. */
#include "config.h"

#include <stdlib.h>

#include "base/timestamp.h"
#include "capture/conf_keys.h"
#include "policy/plan_conf_read.h"

#define MILLION       1000000
#define PUSD_PER_NUSD 1000
#define ALERTS_MAX    32

static const struct plan_conf_range tokens = { 1, PLAN_CONF_TOKENS_MAX };

static int read_access(struct plan_reader *r, const struct yaml_node *n, struct plan_access *ret)
{
    static const char *const keys[] = { "teams", "apps",    "business_units", "roles", "allow",
                                        "deny",  "instead", "mode",           NULL };
    const struct yaml_node *instead = yaml_get(n, "instead");
    struct str text;

    if (yaml_check_keys(r->y, n, keys, r->err) < 0)
        return -1;
    ret->at = plan_conf_place(r, n);
    ret->mode = PLAN_MODE_UNSAID;
    if (plan_conf_names(r, n, "teams", &ret->teams) < 0 ||
        plan_conf_names(r, n, "apps", &ret->apps) < 0 ||
        plan_conf_names(r, n, "business_units", &ret->business_units) < 0 ||
        plan_conf_names(r, n, "roles", &ret->roles) < 0 ||
        plan_conf_names(r, n, "allow", &ret->allow) < 0 ||
        plan_conf_names(r, n, "deny", &ret->deny) < 0 ||
        plan_conf_mode(r, n, "mode", &ret->mode) < 0)
        return -1;
    if (!ret->allow.len && !ret->deny.len)
        return yaml_err(r->y, n, r->err, "an access rule needs allow or deny: what is it about?");
    if (!instead)
        return 0;
    if (yaml_str(r->y, instead, &text, r->err) < 0)
        return -1;
    if (!text.len || str_find_char(text, '*', 0) >= 0 || str_find_char(text, '?', 0) >= 0)
        return plan_conf_wrong(r, instead, "the name of one model");
    ret->instead = arena_str(&r->plan->arena, text);
    return 0;
}

/* "600/min", "2M/min", "10k/s". */
static bool parse_rate(struct str text, int64_t *ret, int64_t *ret_us)
{
    static const struct {
        const char *name;
        int64_t us;
    } windows[] = {
        {"s",     US_PER_SECOND       },
        { "min",  60 * US_PER_SECOND  },
        { "h",    3600 * US_PER_SECOND},
        { "hour", 3600 * US_PER_SECOND},
        { "day",  US_PER_DAY          },
    };
    struct str rest = text, number;
    int64_t times = 1;
    i128 value;

    if (!str_split(&rest, '/', &number) || !rest.ptr || !number.len)
        return false;
    char unit = number.ptr[number.len - 1];
    if (unit == 'k' || unit == 'M') {
        times = unit == 'k' ? 1000 : MILLION;
        number.len--;
    }
    if (decimal_parse(number, 6, &value) != DECIMAL_OK || value <= 0 ||
        value > INT64_C(1000000000) * MILLION)
        return false;
    *ret = (int64_t)(value * times / MILLION);
    for (size_t i = 0; i < ARRAY_LEN(windows); i++)
        if (str_eq(rest, str_from(windows[i].name))) {
            *ret_us = windows[i].us;
            return *ret > 0;
        }
    return false;
}

static int read_limit(struct plan_reader *r, const struct yaml_node *n, struct plan_limit *ret)
{
    static const char *const keys[] = { "team",     "app",    "model",      "business_unit",
                                        "requests", "tokens", "concurrent", "assume_output",
                                        "mode",     NULL };
    static const struct plan_conf_range concurrent = { 1, MILLION };
    static const char *const rates[] = { "requests", "tokens" };

    if (yaml_check_keys(r->y, n, keys, r->err) < 0)
        return -1;
    ret->at = plan_conf_place(r, n);
    ret->mode = PLAN_MODE_UNSAID;
    if (plan_conf_names(r, n, "team", &ret->teams) < 0 ||
        plan_conf_names(r, n, "app", &ret->apps) < 0 ||
        plan_conf_names(r, n, "model", &ret->models) < 0 ||
        plan_conf_names(r, n, "business_unit", &ret->business_units) < 0 ||
        plan_conf_count(r, n, "assume_output", tokens, &ret->assume_output) < 0 ||
        plan_conf_mode(r, n, "mode", &ret->mode) < 0 ||
        plan_conf_count(r, n, "concurrent", concurrent, &ret->most[PLAN_LIMIT_CONCURRENT]) < 0)
        return -1;
    for (int i = 0; i < PLAN_LIMIT_CONCURRENT; i++) {
        const struct yaml_node *rate = yaml_get(n, rates[i]);
        if (!rate)
            continue;
        if (rate->kind != YAML_SCALAR || !parse_rate(rate->text, &ret->most[i].n, &ret->per_us[i]))
            return plan_conf_wrong(r, rate, "a rate such as 600/min, 10k/s or 2M/day");
        ret->most[i].set = true;
        ret->most[i].at = plan_conf_key_place(r, rate);
    }
    for (int i = 0; i < PLAN_LIMITS; i++)
        if (ret->most[i].set)
            return 0;
    return yaml_err(r->y, n, r->err, "a limit needs requests, tokens or concurrent");
}

int plan_conf_rules(struct plan_reader *r, const struct yaml_node *policy)
{
    const struct yaml_node *access = yaml_get(policy, "access"),
                           *limits = yaml_get(policy, "limits");
    struct plan_access **last_access = &r->plan->access;
    struct plan_limit **last_limit = &r->plan->limits;

    if ((access && plan_conf_want_list(r, access) < 0) ||
        (limits && plan_conf_want_list(r, limits) < 0))
        return -1;
    for (const struct yaml_node *i = access ? access->items : NULL; i; i = i->next) {
        struct plan_access *a = arena_alloc(&r->plan->arena, sizeof(*a));
        if (read_access(r, i, a) < 0)
            return -1;
        *last_access = a;
        last_access = &a->next;
    }
    for (const struct yaml_node *i = limits ? limits->items : NULL; i; i = i->next) {
        struct plan_limit *l = arena_alloc(&r->plan->arena, sizeof(*l));
        if (read_limit(r, i, l) < 0)
            return -1;
        *last_limit = l;
        last_limit = &l->next;
    }
    return 0;
}

/* --- budgets, and modes of applications --- */

static int compare_shares(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* As weir analyze alerts has them. */
static int read_alert_at(struct plan_reader *r, const struct yaml_node *n, struct plan_budget *ret)
{
    static const int64_t usual[] = { MILLION / 2, MILLION * 8 / 10, MILLION };

    ret->alert_at = usual;
    ret->alert_at_len = ARRAY_LEN(usual);
    if (!n)
        return 0;
    if (n->kind != YAML_LIST || !n->len || n->len > ALERTS_MAX)
        return plan_conf_wrong(r, n, "a list of up to 32 shares such as [50%, 100%]");
    int64_t *list = arena_alloc(&r->plan->arena, n->len * sizeof(*list));
    ret->alert_at_len = 0;
    for (const struct yaml_node *i = n->items; i; i = i->next)
        if (i->kind != YAML_SCALAR || !conf_percent_parse(i->text, &list[ret->alert_at_len++]))
            return plan_conf_wrong(r, i, "a share such as 80%");
    qsort(list, ret->alert_at_len, sizeof(*list), compare_shares);
    ret->alert_at = list;
    return 0;
}

static int read_amount(struct plan_reader *r, const struct yaml_node *n, int64_t *ret)
{
    i128 pusd;

    if (n->kind != YAML_SCALAR || !conf_money_parse(n->text, &pusd))
        return plan_conf_wrong(r, n, "an amount such as 4000 USD");
    if (pusd / PUSD_PER_NUSD > INT64_MAX / 4 || pusd < PUSD_PER_NUSD)
        return plan_conf_wrong(r, n, "an amount from 0.000000001 USD to 2,000,000,000 USD");
    *ret = (int64_t)(pusd / PUSD_PER_NUSD);
    return 0;
}

static int read_budget(struct plan_reader *r, const struct yaml_node *n,
                       const struct plan_budget *whose)
{
    static const char *const keys[] = { "day",  "week", "month",         "alert_at",
                                        "hard", "mode", "assume_output", NULL };
    static const char *const periods[PLAN_BUDGET_PERS] = { "day", "week", "month" };
    const struct yaml_node *hard = yaml_get(n, "hard");
    struct plan_budget all = *whose;
    bool any = false;

    all.mode = PLAN_MODE_UNSAID;
    if (yaml_check_keys(r->y, n, keys, r->err) < 0 ||
        read_alert_at(r, yaml_get(n, "alert_at"), &all) < 0 ||
        (hard && yaml_bool(r->y, hard, &all.hard, r->err) < 0) ||
        plan_conf_mode(r, n, "mode", &all.mode) < 0 ||
        plan_conf_count(r, n, "assume_output", tokens, &all.assume_output) < 0)
        return -1;
    for (int per = 0; per < PLAN_BUDGET_PERS; per++) {
        const struct yaml_node *amount = yaml_get(n, periods[per]);
        if (!amount)
            continue;
        struct plan_budget *b = arena_alloc(&r->plan->arena, sizeof(*b));
        *b = all;
        b->per = (enum plan_budget_per)per;
        b->at = plan_conf_key_place(r, amount);
        if (read_amount(r, amount, &b->nusd) < 0)
            return -1;
        b->next = r->plan->budgets;
        r->plan->budgets = b;
        any = true;
    }
    return any ? 0 : yaml_err(r->y, n, r->err, "this budget has no amount: add day, week or month");
}

static int read_app_mode(struct plan_reader *r, const struct yaml_node *n)
{
    enum plan_mode mode = PLAN_MODE_UNSAID;

    if (plan_conf_mode(r, n, "policy", &mode) < 0)
        return -1;
    if (mode == PLAN_MODE_UNSAID)
        return 0;
    struct plan_app *app = arena_alloc(&r->plan->arena, sizeof(*app));
    *app = (struct plan_app){ .name = arena_str(&r->plan->arena, n->key->text),
                              .mode = mode,
                              .next = r->plan->apps };
    r->plan->apps = app;
    return 0;
}

static void reverse_budgets(struct plan *p)
{
    struct plan_budget *turned = NULL;

    while (p->budgets) {
        struct plan_budget *first = p->budgets;
        p->budgets = first->next;
        first->next = turned;
        turned = first;
    }
    p->budgets = turned;
}

int plan_conf_payers(struct plan_reader *r, const struct yaml_node *root)
{
    static const struct {
        const char *section;
        enum plan_budget_of of;
    } payers[] = {
        {"business_units", PLAN_BUDGET_BUSINESS_UNIT},
        { "teams",         PLAN_BUDGET_TEAM         },
        { "apps",          PLAN_BUDGET_APP          },
    };
    const struct yaml_node *all = yaml_get(root, "budget");

    if (all && read_budget(r, all, &(struct plan_budget){ .of = PLAN_BUDGET_ALL }) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(payers); i++) {
        const struct yaml_node *map = yaml_get(root, payers[i].section);
        if (map && map->kind != YAML_MAP && !yaml_is_null(map))
            return plan_conf_wrong(r, map, "a map");
        for (const struct yaml_node *n = map ? map->items : NULL; n; n = n->next) {
            const struct yaml_node *budget = yaml_get(n, "budget");
            struct plan_budget whose = { .of = payers[i].of };
            whose.name = arena_str(&r->plan->arena, n->key->text);
            if ((budget && read_budget(r, budget, &whose) < 0) ||
                (payers[i].of == PLAN_BUDGET_APP && read_app_mode(r, n) < 0))
                return -1;
        }
    }
    reverse_budgets(r->plan);
    return 0;
}

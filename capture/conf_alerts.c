/* Budgets and the section `alerts` of the configuration. */
#include "config.h"

#include <stdlib.h>

#include "base/timestamp.h"
#include "capture/conf_keys.h"

#define PUSD_DIGITS     12
#define DEFAULT_FLOOR   (20 * INT64_C(1000000000000))
#define DEFAULT_TIMEOUT (10 * US_PER_SECOND)
#define DEFAULT_TRIES   3
#define TIMEOUT_MAX     (600 * US_PER_SECOND)
#define TRIES_MAX       10

static struct str default_by[] = { STR_INIT("team") };
static const int64_t default_alert_at[] = { CONF_MICRO / 2, CONF_MICRO * 8 / 10, CONF_MICRO };

void conf_alerts_default(struct conf_alerts *ret)
{
    *ret = (struct conf_alerts){
        .by = {default_by,                     ARRAY_LEN(default_by) },
        .change_micro = CONF_MICRO * 30 / 100,
        .spike_micro = CONF_MICRO * 50 / 100,
        .drift_micro = CONF_MICRO * 15 / 100,
        .unattributed_micro = CONF_MICRO * 5 / 100,
        .shift_micro = CONF_MICRO * 2,
        .floor_pusd = DEFAULT_FLOOR,
        .webhook = { .timeout_us = DEFAULT_TIMEOUT, .tries = DEFAULT_TRIES}
    };
}

bool conf_money_parse(struct str text, i128 *ret_pusd)
{
    struct str rest = text, head;
    i128 pusd;

    if (!str_split(&rest, ' ', &head) || decimal_parse(head, PUSD_DIGITS, &pusd) != DECIMAL_OK ||
        pusd < 0 || !str_eq(str_trim(rest), STR("USD")))
        return false;
    *ret_pusd = pusd;
    return true;
}

bool conf_percent_parse(struct str text, int64_t *ret_micro)
{
    i128 micro;

    if (!str_ends_with(text, STR("%")) ||
        decimal_parse(str_sub(text, 0, text.len - 1), 4, &micro) != DECIMAL_OK || micro <= 0 ||
        micro > 10000 * (i128)CONF_MICRO)
        return false;
    *ret_micro = (int64_t)micro;
    return true;
}

static int compare_shares(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void read_alert_at(struct conf *c, const struct yaml_node *n, struct conf_budget *ret)
{
    ret->alert_at = default_alert_at;
    ret->alert_at_count = ARRAY_LEN(default_alert_at);
    if (!n)
        return;
    int64_t *list = arena_alloc(&c->arena, n->len * sizeof(*list));
    ret->alert_at_count = 0;
    for (const struct yaml_node *i = n->items; i; i = i->next)
        conf_percent_parse(i->text, &list[ret->alert_at_count++]);
    qsort(list, ret->alert_at_count, sizeof(*list), compare_shares);
    ret->alert_at = list;
}

/* An amount of 0 would be reached by the first call, and is more likely a slip. */
static int read_budget(struct conf *c, const struct yaml *y, const struct yaml_node *n,
                       struct conf_budget *ret, struct err *err)
{
    static const char *const periods[CONF_BUDGET_PER_COUNT] = { "day", "week", "month" };
    const struct yaml_node *hard = yaml_get(n, "hard");
    bool any = false, is_hard = false;

    if (hard && yaml_bool(y, hard, &is_hard, err) < 0)
        return -1;
    if (is_hard && !yaml_get(yaml_root(y), "policy"))
        return yaml_err(y, hard, err,
                        "without a section policy nothing stops at this budget: add policy: {}");
    read_alert_at(c, yaml_get(n, "alert_at"), ret);
    for (int per = 0; per < CONF_BUDGET_PER_COUNT; per++) {
        const struct yaml_node *amount = yaml_get(n, periods[per]);
        if (!amount)
            continue;
        conf_money_parse(amount->text, &ret->pusd[per]);
        if (ret->pusd[per] == 0)
            return yaml_err(y, amount, err, "a budget must be more than 0 USD");
        any = true;
    }
    return any ? 0 : yaml_err(y, n, err, "this budget has no amount: add day, week or month");
}

static int read_budgets_of(struct conf *c, const struct yaml *y, const struct yaml_node *map,
                           enum conf_budget_of of, struct err *err)
{
    for (const struct yaml_node *n = map ? map->items : NULL; n; n = n->next) {
        const struct yaml_node *budget = yaml_get(n, "budget");
        if (!budget)
            continue;
        struct conf_budget *to = &c->budgets[c->budget_count];
        *to = (struct conf_budget){ .of = of, .name = arena_str(&c->arena, n->key->text) };
        if (read_budget(c, y, budget, to, err) < 0)
            return -1;
        c->budget_count++;
    }
    return 0;
}

static int read_budgets(struct conf *c, const struct yaml *y, const struct yaml_node *root,
                        struct err *err)
{
    const struct yaml_node *all = yaml_get(root, "budget");
    const struct yaml_node *maps[] = { yaml_get(root, "business_units"), yaml_get(root, "teams"),
                                       yaml_get(root, "apps") };
    static const enum conf_budget_of of[] = { CONF_BUDGET_BUSINESS_UNIT, CONF_BUDGET_TEAM,
                                              CONF_BUDGET_APP };
    size_t room = 1;

    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        room += maps[i] ? maps[i]->len : 0;
    c->budgets = arena_alloc(&c->arena, room * sizeof(*c->budgets));
    if (all && read_budget(c, y, all, &c->budgets[c->budget_count++], err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        if (read_budgets_of(c, y, maps[i], of[i], err) < 0)
            return -1;
    return 0;
}

static void read_by(struct conf *c, const struct yaml_node *n)
{
    if (!n)
        return;
    size_t room = n->kind == YAML_LIST ? n->len : 1;
    c->alerts.by = (struct conf_names){ arena_alloc(&c->arena, room * sizeof(struct str)), 0 };
    for (const struct yaml_node *i = n->kind == YAML_LIST ? n->items : n; i;
         i = n->kind == YAML_LIST ? i->next : NULL)
        c->alerts.by.list[c->alerts.by.count++] = arena_str(&c->arena, i->text);
}

static int read_webhook(struct conf *c, const struct yaml *y, const struct yaml_node *n,
                        const char *folder, struct err *err)
{
    const struct yaml_node *url = yaml_get(n, "url"), *secret = yaml_get(n, "secret");
    const struct yaml_node *timeout = yaml_get(n, "timeout"), *tries = yaml_get(n, "tries");

    if (url)
        c->alerts.webhook.url = arena_str(&c->arena, url->text);
    c->alerts.webhook.ca = conf_path_of(c, yaml_get(n, "ca"), folder);
    if (secret) {
        const struct yaml_node *env = yaml_get(secret, "env"), *file = yaml_get(secret, "file");
        if (!env == !file)
            return yaml_err(y, secret, err, "expected either env or file");
        c->alerts.webhook.secret.env = env ? arena_str(&c->arena, env->text) : STR("");
        c->alerts.webhook.secret.file = conf_path_of(c, file, folder);
    }
    if (timeout && (!duration_parse(timeout->text, &c->alerts.webhook.timeout_us) ||
                    c->alerts.webhook.timeout_us < US_PER_SECOND / 1000 ||
                    c->alerts.webhook.timeout_us > TIMEOUT_MAX))
        return yaml_err(y, timeout, err, "expected a time from 1ms to 10m");
    if (tries && (yaml_int(y, tries, &c->alerts.webhook.tries, err) < 0 ||
                  c->alerts.webhook.tries < 1 || c->alerts.webhook.tries > TRIES_MAX))
        return yaml_err(y, tries, err, "expected a number from 1 to %d", TRIES_MAX);
    return 0;
}

int conf_read_alerts(struct conf *c, const struct yaml *y, const struct yaml_node *root,
                     const char *folder, struct err *err)
{
    const struct yaml_node *alerts = yaml_get(root, "alerts"), *n;
    const struct {
        const char *name;
        int64_t *micro;
    } shares[] = {
        {"change",        &c->alerts.change_micro      },
        { "spike",        &c->alerts.spike_micro       },
        { "drift",        &c->alerts.drift_micro       },
        { "unattributed", &c->alerts.unattributed_micro},
        { "shift",        &c->alerts.shift_micro       },
    };

    if (read_budgets(c, y, root, err) < 0)
        return -1;
    if (!alerts)
        return 0;
    read_by(c, yaml_get(alerts, "by"));
    for (size_t i = 0; i < ARRAY_LEN(shares); i++)
        if ((n = yaml_get(alerts, shares[i].name)))
            conf_percent_parse(n->text, shares[i].micro);
    if ((n = yaml_get(alerts, "floor")))
        conf_money_parse(n->text, &c->alerts.floor_pusd);
    if (c->alerts.shift_micro <= CONF_MICRO)
        return yaml_err(y, yaml_get(alerts, "shift"), err, "expected more than 100%%");
    n = yaml_get(alerts, "webhook");
    return n ? read_webhook(c, y, n, folder, err) : 0;
}

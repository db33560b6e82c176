#include "config.h"

#include "policy/plan_conf.h"

#include "base/buf.h"
#include "tests/check_main.h"

#define UPSTREAMS "upstreams: {openai: {url: x}, azure-eu: {url: x, timeouts: {head: 30s}}}\n"

static struct plan *read_ok(const char *text, struct yaml **y)
{
    struct plan *p = plan_new("weir");
    struct err err;

    ck_assert_msg(yaml_parse(str_from(text), "p.yaml", y, &err) == 0, "%s", err.text);
    ck_assert_msg(plan_conf_read(p, *y, STR("p.yaml"), &err) == 0, "%s", err.text);
    return p;
}

START_TEST(a_route_is_read_with_all_it_says)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(plan_free)
    struct plan *p =
        read_ok(UPSTREAMS
                "policy:\n"
                "  mode: enforce\n"
                "  access: [{teams: [interns], deny: [gpt-5*], instead: gpt-5-mini, mode: warn}]\n"
                "  limits: [{app: '*', requests: 600/min, tokens: 2M/min, concurrent: 200}]\n"
                "  routes:\n"
                "    - match: {api: openai, model: gpt-5*}\n"
                "      targets: [{upstream: openai, retries: 2}, {upstream: azure-eu, model: m}]\n"
                "      timeouts: {first_token: 10s, idle: 20s, total: 10m}\n"
                "      breaker: {failures: 5, window: 30s, open: 15s}\n"
                "      slow: {factor: 2.5, window: 60s, samples: 20}\n"
                "      mode: off\n",
                &y);
    const struct plan_route *r = p->routes;
    const struct plan_node *first = r->root->items, *second = first->next;

    ck_assert_int_eq(p->mode, PLAN_MODE_ENFORCE);
    ck_assert_int_eq(p->access->mode, PLAN_MODE_WARN);
    ck_assert(str_eq(p->access->deny.list[0], STR("gpt-5*")));
    ck_assert(str_eq(p->access->instead, STR("gpt-5-mini")));
    ck_assert(p->limits->most[PLAN_LIMIT_REQUESTS].n == 600);
    ck_assert(p->limits->most[PLAN_LIMIT_TOKENS].n == 2000000);
    ck_assert(p->limits->per_us[PLAN_LIMIT_TOKENS] == 60000000);
    ck_assert(p->limits->most[PLAN_LIMIT_CONCURRENT].n == 200);
    ck_assert_int_eq(r->mode, PLAN_MODE_OFF);
    ck_assert(str_eq(r->name, STR("gpt-5*")));
    ck_assert(str_eq(r->api, STR("openai")));
    ck_assert(r->slow.factor_percent.n == 250);
    ck_assert_uint_eq(r->root->len, 2);
    ck_assert(r->root->span.of[PLAN_TIMER_TOTAL].n == 600000000);
    ck_assert(first->retry.count.n == 2 && !second->retry.count.set);
    ck_assert_uint_eq(first->retry.count.at.line, 8);
    ck_assert(str_eq(second->name, STR("azure-eu m")));
    ck_assert(first->attempt.of[PLAN_TIMER_HEAD].n == 600000000);
    ck_assert(second->attempt.of[PLAN_TIMER_HEAD].n == 30000000); /* the upstream's own */
    ck_assert(second->attempt.of[PLAN_TIMER_FIRST_TOKEN].n == 10000000);
    ck_assert_int_eq(first->health.memory, PLAN_MEMORY_BREAKER);
    ck_assert(first->health.failures.n == 5 && first->health.out.n == 15000000);
}
END_TEST

START_TEST(what_leads_to_a_fallback_can_be_said)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(plan_free)
    struct plan *p = read_ok(UPSTREAMS "policy:\n"
                                       "  routes:\n"
                                       "    - targets: [{upstream: openai}, {upstream: azure-eu}]\n"
                                       "      retry: {count: 1, on: [5xx, connect]}\n"
                                       "      fallback: {on: [429, head, context]}\n",
                             &y);
    const struct plan_node *first = p->routes->root->items, *second = first->next;

    ck_assert(first->retry.count.n == 1);
    ck_assert(plan_when_has(&first->retry.on, PLAN_FAILED_STATUS, 529));
    ck_assert(!plan_when_has(&first->retry.on, PLAN_FAILED_STATUS, 429));
    ck_assert(plan_when_has(&second->when, PLAN_FAILED_STATUS, 429));
    ck_assert(plan_when_has(&second->when, PLAN_FAILED_CONTEXT, 400));
    ck_assert(!plan_when_has(&second->when, PLAN_FAILED_STATUS, 500));
    ck_assert(!plan_when_has(&second->when, PLAN_FAILED_CONNECT, 0));
}
END_TEST

START_TEST(budgets_are_those_of_the_payers_with_what_the_policy_adds)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(plan_free)
    struct plan *p = read_ok(
        "budget: {month: 20000 USD, alert_at: [90%, 30%]}\n"
        "teams: {cx: {owner: a@x, budget: {week: 0.5 USD, mode: off}}, data: {owner: b@x}}\n"
        "apps:\n"
        "  bot: {team: cx, policy: observe, budget: {day: 50 USD, month: 900 USD, hard: true,\n"
        "        mode: enforce, assume_output: 100}}\n"
        "policy: {mode: warn, assume_input: 7, assume_output: 8}\n",
        &y);
    const struct plan_budget *all = p->budgets, *team = all->next, *day = team->next,
                             *month = day->next;

    ck_assert_int_eq(p->mode, PLAN_MODE_WARN);
    ck_assert(p->assume_input == 7 && p->assume_output == 8);
    ck_assert(all->of == PLAN_BUDGET_ALL && all->per == PLAN_BUDGET_MONTH && !all->name.len);
    ck_assert(all->nusd == INT64_C(20000000000000) && !all->hard);
    ck_assert_int_eq(all->mode, PLAN_MODE_UNSAID);
    ck_assert_uint_eq(all->alert_at_len, 2);
    ck_assert(all->alert_at[0] == 300000 && all->alert_at[1] == 900000);
    ck_assert_uint_eq(all->at.line, 1);
    ck_assert(team->of == PLAN_BUDGET_TEAM && str_eq(team->name, STR("cx")));
    ck_assert(team->per == PLAN_BUDGET_WEEK && team->nusd == 500000000);
    ck_assert_int_eq(team->mode, PLAN_MODE_OFF);
    ck_assert_uint_eq(team->alert_at_len, 3);
    ck_assert(day->of == PLAN_BUDGET_APP && str_eq(day->name, STR("bot")) && day->hard);
    ck_assert(day->per == PLAN_BUDGET_DAY && month->per == PLAN_BUDGET_MONTH);
    ck_assert(day->assume_output.n == 100 && month->assume_output.n == 100);
    ck_assert_int_eq(day->mode, PLAN_MODE_ENFORCE);
    ck_assert_uint_eq(day->at.line, 4);
    ck_assert_ptr_null(month->next);
    ck_assert(str_eq(p->apps->name, STR("bot")) && !p->apps->next);
    ck_assert_int_eq(p->apps->mode, PLAN_MODE_OBSERVE);
}
END_TEST

START_TEST(whom_an_upstream_is_paid_to_is_told_by_its_host)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(plan_free)
    struct plan *p = read_ok("upstreams:\n"
                             "  a: {url: 'https://api.groq.com/openai', api: openai}\n"
                             "  b: {url: 'https://eu.openai.azure.com:443', api: azure_openai}\n"
                             "  c: {url: 'http://gateway.internal:4000', api: anthropic}\n"
                             "  d: {url: 'http://gateway.internal:4000', api: openai}\n"
                             "policy: {}\n",
                             &y);
    static const enum provider expected[] = { PROVIDER_GROQ, PROVIDER_AZURE_OPENAI,
                                              PROVIDER_ANTHROPIC, PROVIDER_UNKNOWN };
    const struct plan_upstream *u = p->upstreams;

    for (size_t i = 0; i < ARRAY_LEN(expected); i++, u = u->next)
        ck_assert_msg(u->provider == expected[i], "%s", provider_name(u->provider));
    ck_assert_ptr_null(u);
}
END_TEST

START_TEST(routes_that_say_no_name_have_one_of_their_own)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(plan_free)
    struct plan *p = read_ok(UPSTREAMS "policy:\n"
                                       "  routes:\n"
                                       "    - {match: {model: m}, targets: [{upstream: openai}]}\n"
                                       "    - {match: {model: m}, targets: [{upstream: openai}]}\n"
                                       "    - {name: x, match: {upstream: azure-eu},\n"
                                       "       targets: [{upstream: openai}]}\n",
                             &y);
    const struct plan_route *r = p->routes;

    ck_assert(str_eq(r->name, STR("m")));
    ck_assert(str_eq(r->next->name, STR("routes[1]")));
    ck_assert(str_eq(r->next->next->name, STR("x")));
    ck_assert(str_eq(r->next->next->upstreams.list[0], STR("azure-eu")));
}
END_TEST

/* What is wrong, and the message behind "p.yaml:". */
static const struct {
    const char *policy, *message;
} wrong[] = {
    {"{rotues: []}", "2:10: unknown key 'rotues': did you mean 'routes'?"},
    ROW("{mode: loud}", "2:16: expected one of off, observe, warn, enforce, got 'loud'"),
    ROW("{routes: {}}", "2:18: expected a list, got a map"),
    ROW("{routes: [{}]}", "2:19: a route needs a list of 1 to 64 targets"),
    ROW("{routes: [{targets: [{upstream: opnai}]}]}",
        "2:41: 'opnai' is not in upstreams: did you mean 'openai'?"),
    ROW("{routes: [{targets: [{upstream: openai, retires: 2}]}]}",
        "2:49: unknown key 'retires': did you mean 'retries'?"),
    ROW("{routes: [{targets: [{upstream: openai, retries: -1}]}]}",
        "2:58: expected a number from 0 to 1000, got '-1'"),
    ROW("{routes: [{targets: [{upstream: openai, retries: 1001}]}]}",
        "2:58: expected a number from 0 to 1000, got '1001'"),
    ROW("{routes: [{targets: [{upstream: openai, weight: 1}, {upstream: azure-eu}]}]}",
        "some targets have a weight and some have not"),
    ROW("{routes: [{targets: [{upstream: openai, weight: 0}]}]}", "all weights are 0"),
    ROW("{routes: [{targets: [{upstream: openai}], timeouts: {head: 10}}]}",
        "expected a duration such as 500ms, 20s or 10m, got '10'"),
    ROW("{routes: [{targets: [{upstream: openai}], timeouts: {first: 10s}}]}",
        "unknown key 'first'"),
    ROW("{routes: [{targets: [{upstream: openai}], breaker: {open: 10s}}]}",
        "a breaker needs failures or percent"),
    ROW("{routes: [{targets: [{upstream: openai}], slow: {factor: 1}}]}",
        "slow needs a factor above 1"),
    ROW("{routes: [{targets: [{upstream: openai}], fallback: {on: [6xx]}}]}",
        "expected connect, head, first_token, context, content, 4xx, 5xx or a status, got '6xx'"),
    ROW("{access: [{teams: a}]}", "an access rule needs allow or deny"),
    ROW("{limits: [{app: a}]}", "a limit needs requests, tokens or concurrent"),
    ROW("{limits: [{requests: 600}]}", "expected a rate such as 600/min"),
    ROW("{limits: [{requests: 600/fortnight}]}", "expected a rate such as 600/min"),
    ROW("{limits: [{tokens: 0/min}]}", "expected a rate such as 600/min"),
    ROW("{limits: [{tokens: 1/min, assume_output: 0}]}", "expected a number from 1 to 100000000"),
    ROW("{limits: [{concurrent: 0}]}", "expected a number from 1 to 1000000, got '0'"),
    ROW("{access: [{deny: a, instead: gpt-*}]}", "2:38: expected the name of one model"),
    ROW("{access: [{deny: a, instead: ''}]}", "expected the name of one model"),
    ROW("{access: [{deny: "
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaa}]}",
        "2:26: a pattern of more than 256 bytes"),
    ROW("{routes: [{name: a, targets: [{upstream: openai}]}, {name: a, targets: [{upstream: "
        "openai}]}"
        "]}",
        "there is a route 'a' already"),
    ROW("{assume_input: -1}", "expected a number from 1"),
    ROW("{}\nbudget: {hard: true}", "this budget has no amount"),
    ROW("{}\nbudget: {day: 4}", "3:15: expected an amount such as 4000 USD, got '4'"),
    ROW("{}\nbudget: {day: 0 USD}", "expected an amount from 0.000000001 USD"),
    ROW("{}\nbudget: {day: 1 USD, hard: yes}", "3:28: expected true or false"),
    ROW("{}\nbudget: {day: 1 USD, mode: hard}", "expected one of off, observe, warn, enforce"),
    ROW("{}\nbudget: {day: 1 USD, alert_at: 50%}", "expected a list of up to 32 shares"),
    ROW("{}\nbudget: {day: 1 USD, alert_at: [half]}", "expected a share such as 80%, got 'half'"),
    ROW("{}\nbudget: {dya: 1 USD}", "unknown key 'dya': did you mean 'day'?"),
    ROW("{}\napps: {a: {policy: loud}}", "3:20: expected one of off, observe, warn, enforce"),
};

START_TEST(what_is_wrong_is_said_with_its_place)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(plan_free) struct plan *p = plan_new("weir");
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    buf_addf(&text, UPSTREAMS "policy: %s\n", wrong[_i].policy);
    ck_assert_int_eq(yaml_parse(buf_str(&text), "p.yaml", &y, &err), 0);
    ck_assert_int_eq(plan_conf_read(p, y, STR("p.yaml"), &err), -1);
    ck_assert_int_eq(err.code, ERR_USAGE);
    ck_assert_msg(strstr(err.text, wrong[_i].message), "%s", err.text);
    ck_assert_msg(strstr(err.text, strchr(wrong[_i].policy, '\n') ? "p.yaml:3:" : "p.yaml:2:"),
                  "%s", err.text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_route_is_read_with_all_it_says);
    tcase_add_test(tc, what_leads_to_a_fallback_can_be_said);
    tcase_add_test(tc, budgets_are_those_of_the_payers_with_what_the_policy_adds);
    tcase_add_test(tc, whom_an_upstream_is_paid_to_is_told_by_its_host);
    tcase_add_test(tc, routes_that_say_no_name_have_one_of_their_own);
    tcase_add_loop_test(tc, what_is_wrong_is_said_with_its_place, 0, (int)ARRAY_LEN(wrong));
}

CHECK_MAIN("policy/plan_conf", add_tests)

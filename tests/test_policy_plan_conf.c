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
    ck_assert_msg(strstr(err.text, "p.yaml:2:"), "%s", err.text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_route_is_read_with_all_it_says);
    tcase_add_test(tc, what_leads_to_a_fallback_can_be_said);
    tcase_add_loop_test(tc, what_is_wrong_is_said_with_its_place, 0, (int)ARRAY_LEN(wrong));
}

CHECK_MAIN("policy/plan_conf", add_tests)

#include "config.h"

#include "policy/rules.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/yaml.h"
#include "policy/admit.h"
#include "policy/plan_conf.h"
#include "tests/check_main.h"

struct made {
    struct yaml *yaml;
    struct plan *plan;
    struct policy *policy;
    struct policy_cache *cache;
};

static void made_release(struct made *m)
{
    policy_cache_free(m->cache);
    policy_free(m->policy);
    plan_free(m->plan);
    yaml_free(m->yaml);
}
DEFINE_CLEANUP_VALUE(struct made, made_release)

#define UPSTREAMS                                                                                  \
    "upstreams:\n"                                                                                 \
    "  openai: {url: 'https://api.openai.com', api: openai}\n"                                     \
    "  azure: {url: 'https://x.openai.azure.com', api: azure_openai}\n"                            \
    "  local: {url: 'http://localhost:9000', api: openai}\n"

static struct made make(const char *text)
{
    CLEANUP(buf_release) struct buf all = { 0 };
    struct made m = { .plan = plan_new("weir") };
    struct err err;

    buf_addf(&all, UPSTREAMS "%s", text);
    ck_assert_msg(yaml_parse(buf_str(&all), "p.yaml", &m.yaml, &err) == 0, "%s", err.text);
    ck_assert_msg(plan_conf_read(m.plan, m.yaml, STR("p.yaml"), &err) == 0, "%s", err.text);
    ck_assert_msg(policy_new(m.plan, NULL, &m.policy, &err) == 0, "%s", err.text);
    m.cache = policy_cache_new(m.policy);
    return m;
}

/* What admission says of a caller that asks for a model. */
static const char *said(struct made *m, const struct policy_subject *s,
                        struct policy_decisions *notes)
{
    static char text[300];
    struct policy_state *state = policy_state_new(POLICY_SLOTS_MIN);
    const struct policy_class *c = policy_resolve(m->cache, s);
    struct policy_ask ask = { .now_us = 1000000 };
    struct policy_claims claims;
    struct policy_admission a;

    *notes = (struct policy_decisions){ 0 };
    policy_admit(m->policy, state, c, &ask, &claims, notes, &a);
    free(state);
    if (a.verdict == POLICY_NO_ACCESS)
        snprintf(text, sizeof(text), "denied by %.*s", STR_ARG(policy_rule(m->policy, a.rule)->id));
    else if (a.verdict != POLICY_GO)
        snprintf(text, sizeof(text), "refused");
    else
        snprintf(text, sizeof(text), "%.*s", STR_ARG(policy_class_model(c)));
    return text;
}

/* clang-format off: one a row */
static const struct {
    const char *rules;
    struct policy_subject who;
    const char *says; /* the model it gets, "" = as asked */
} accesses[] = {
    {"[{deny: gpt-5*}]",                                                     { .model = STR_INIT("gpt-5") },                       "denied by access[0]"},
    { "[{deny: gpt-5*}]",                                                    { .model = STR_INIT("GPT-5") },                       "denied by access[0]"},
    { "[{deny: GPT-5}]",                                                     { .model = STR_INIT("gpt-5") },                       "denied by access[0]"},
    { "[{deny: gpt-5*}]",                                                    { .model = STR_INIT("gpt-4.1") },                     ""                   },
    { "[{deny: '*'}]",                                                       { .model = STR_INIT("") },                            "denied by access[0]"},
    { "[{allow: gpt-*}]",                                                    { .model = STR_INIT("") },                            "denied by access[0]"},
    { "[{allow: gpt-*}]",                                                    { .model = STR_INIT("o3") },                          "denied by access[0]"},
    { "[{allow: gpt-*}]",                                                    { .model = STR_INIT("gpt-5") },                       ""                   },
    { "[{allow: gpt-*}, {allow: o3}]",                                       { .model = STR_INIT("o3") },                          ""                   },
    { "[{allow: gpt-*}, {allow: o3}]",                                       { .model = STR_INIT("o4") },                          "denied by access[0]"},
    { "[{allow: gpt-*, deny: gpt-5}]",                                       { .model = STR_INIT("gpt-5") },                       "denied by access[0]"},
    { "[{allow: gpt-*}, {deny: gpt-5}]",                                     { .model = STR_INIT("gpt-5") },                       "denied by access[1]"},
    { "[{deny: gpt-5}, {allow: gpt-*}]",                                     { .model = STR_INIT("gpt-5") },                       "denied by access[0]"},
    { "[{teams: cx, deny: '*'}]",
     { .model = STR_INIT("m"), .team = STR_INIT("cx") },
     "denied by access[0]"                                                                                                                              },
    { "[{teams: cx, deny: '*'}]",                                            { .model = STR_INIT("m"), .team = STR_INIT("data") }, ""                   },
    { "[{teams: cx, deny: '*'}]",                                            { .model = STR_INIT("m") },                           ""                   },
    { "[{teams: [cx, d*], roles: dev, deny: '*'}]",
     { .model = STR_INIT("m"), .team = STR_INIT("data") },
     ""                                                                                                                                                 },
    { "[{teams: [cx, d*], roles: dev, deny: '*'}]",
     { .model = STR_INIT("m"), .team = STR_INIT("data"), .role = STR_INIT("dev") },
     "denied by access[0]"                                                                                                                              },
    { "[{business_units: eu, apps: b?t, deny: '*'}]",
     { .model = STR_INIT("m"), .business_unit = STR_INIT("eu"), .app = STR_INIT("bot") },
     "denied by access[0]"                                                                                                                              },
    { "[{deny: gpt-5, instead: gpt-5-mini}]",                                { .model = STR_INIT("gpt-5") },                       "gpt-5-mini"         },
    { "[{allow: gpt-5-mini, instead: gpt-5-mini}]",                          { .model = STR_INIT("gpt-5") },                       "gpt-5-mini"         },
    { "[{deny: gpt-5, instead: gpt-5-mini}, {deny: gpt-5*}]",
     { .model = STR_INIT("gpt-5") },
     "denied by access[1]"                                                                                                                              },
    { "[{deny: gpt-5, instead: gpt-5-mini}, {deny: '*-mini'}]",
     { .model = STR_INIT("gpt-5") },
     "denied by access[1]"                                                                                                                              },
    { "[{deny: gpt-5, instead: gpt-5-mini}, {deny: '*-mini', instead: o3}]",
     { .model = STR_INIT("gpt-5") },
     "o3"                                                                                                                                               },
    { "[{deny: a, instead: b}, {deny: b, instead: a}]",
     { .model = STR_INIT("a") },
     "denied by access[0]"                                                                                                                              },
    { "[{deny: '*', instead: m}]",                                           { .model = STR_INIT("x") },                           "denied by access[0]"},
    { "[{deny: gpt-5, mode: observe}]",                                      { .model = STR_INIT("gpt-5") },                       ""                   },
    { "[{deny: gpt-5, mode: warn}]",                                         { .model = STR_INIT("gpt-5") },                       ""                   },
    { "[{deny: gpt-5, mode: off}]",                                          { .model = STR_INIT("gpt-5") },                       ""                   },
    { "[{allow: o3, mode: observe}, {allow: gpt-5}]",
     { .model = STR_INIT("o3") },
     "denied by access[1]"                                                                                                                              },
    { "[{deny: gpt-5, instead: x, mode: observe}]",                          { .model = STR_INIT("gpt-5") },                       ""                   },
};
/* clang-format on */

START_TEST(deny_wins_and_an_allow_list_denies_the_rest)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct policy_decisions notes;

    buf_addf(&text, "policy: {mode: enforce, access: %s}\n", accesses[_i].rules);
    CLEANUP(made_release) struct made m = make(buf_cstr(&text));
    ck_assert_str_eq(said(&m, &accesses[_i].who, &notes), accesses[_i].says);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, deny_wins_and_an_allow_list_denies_the_rest, 0,
                        (int)ARRAY_LEN(accesses));
}

CHECK_MAIN("policy/rules", add_tests)

#include "config.h"

#include "policy/rules.h"

#include <stdio.h>

#include "tests/check_main.h"
#include "tests/policy_sample.h"

/* What admission says of a caller that asks for a model. */
static const char *said(struct policy_sample *m, const struct policy_subject *s)
{
    static char text[300];
    struct policy_try t;

    policy_try_at(m, s, &(struct policy_ask){ .now_us = 1 }, &t);
    struct str model = policy_class_model(policy_resolve(m->cache, s));
    snprintf(text, sizeof(text), "%s%.*s",
             t.said.verdict == POLICY_NO_ACCESS ? "denied by "
             : t.said.verdict != POLICY_GO      ? "refused by "
                                                : "",
             STR_ARG(t.said.verdict == POLICY_GO ? model : policy_try_rule(m, &t)));
    return text;
}

/* clang-format off: one a row */
static const struct {
    const char *rules;
    struct policy_subject who;
    const char *says; /* the model it gets, "" = as asked */
} accesses[] = {
    {"[{deny: gpt-5*}]",                                                           { .model = STR_INIT("gpt-5") },                       "denied by access[0]"},
    { "[{deny: gpt-5*}]",                                                          { .model = STR_INIT("GPT-5") },                       "denied by access[0]"},
    { "[{deny: GPT-5}]",                                                           { .model = STR_INIT("gpt-5") },                       "denied by access[0]"},
    { "[{deny: gpt-5*}]",                                                          { .model = STR_INIT("gpt-4.1") },                     ""                   },
    { "[{deny: '*'}]",                                                             { .model = STR_INIT("") },                            "denied by access[0]"},
    { "[{allow: gpt-*}]",                                                          { .model = STR_INIT("") },                            "denied by access[0]"},
    { "[{allow: gpt-*}]",                                                          { .model = STR_INIT("o3") },                          "denied by access[0]"},
    { "[{allow: gpt-*}]",                                                          { .model = STR_INIT("gpt-5") },                       ""                   },
    { "[{allow: gpt-*}, {allow: o3}]",                                             { .model = STR_INIT("o3") },                          ""                   },
    { "[{allow: gpt-*}, {allow: o3}]",                                             { .model = STR_INIT("o4") },                          "denied by access[0]"},
    { "[{allow: gpt-*, deny: gpt-5}]",                                             { .model = STR_INIT("gpt-5") },                       "denied by access[0]"},
    { "[{allow: gpt-*}, {deny: gpt-5}]",                                           { .model = STR_INIT("gpt-5") },                       "denied by access[1]"},
    { "[{deny: gpt-5}, {allow: gpt-*}]",                                           { .model = STR_INIT("gpt-5") },                       "denied by access[0]"},
    { "[{teams: cx, deny: '*'}]",
     { .model = STR_INIT("m"), .team = STR_INIT("cx") },
     "denied by access[0]"                                                                                                                                    },
    { "[{teams: cx, deny: '*'}]",                                                  { .model = STR_INIT("m"), .team = STR_INIT("data") }, ""                   },
    { "[{teams: cx, deny: '*'}]",                                                  { .model = STR_INIT("m") },                           ""                   },
    { "[{teams: [cx, d*], roles: dev, deny: '*'}]",
     { .model = STR_INIT("m"), .team = STR_INIT("data") },
     ""                                                                                                                                                       },
    { "[{teams: [cx, d*], roles: dev, deny: '*'}]",
     { .model = STR_INIT("m"), .team = STR_INIT("data"), .role = STR_INIT("dev") },
     "denied by access[0]"                                                                                                                                    },
    { "[{business_units: eu, apps: b?t, deny: '*'}]",
     { .model = STR_INIT("m"), .business_unit = STR_INIT("eu"), .app = STR_INIT("bot") },
     "denied by access[0]"                                                                                                                                    },
    { "[{deny: gpt-5, instead: gpt-5-mini}]",                                      { .model = STR_INIT("gpt-5") },                       "gpt-5-mini"         },
    { "[{allow: gpt-5-mini, instead: gpt-5-mini}]",                                { .model = STR_INIT("gpt-5") },                       "gpt-5-mini"         },
    { "[{deny: gpt-5, instead: gpt-5-mini}, {deny: gpt-5*}]",
     { .model = STR_INIT("gpt-5") },
     "denied by access[1]"                                                                                                                                    },
    { "[{deny: gpt-5, instead: gpt-5-mini}, {deny: '*-mini'}]",
     { .model = STR_INIT("gpt-5") },
     "denied by access[1]"                                                                                                                                    },
    { "[{deny: gpt-5, instead: gpt-5-mini}, {deny: '*-mini', instead: o3}]",
     { .model = STR_INIT("gpt-5") },
     "o3"                                                                                                                                                     },
    { "[{deny: a, instead: b}, {deny: b, instead: a}]",
     { .model = STR_INIT("a") },
     "denied by access[0]"                                                                                                                                    },
    { "[{deny: '*', instead: m}]",                                                 { .model = STR_INIT("x") },                           "m"                  },
    { "[{deny: '*', instead: m}]",                                                 { .model = STR_INIT("m") },                           ""                   },
    { "[{deny: '*', instead: M}]",                                                 { .model = STR_INIT("m") },                           ""                   },
    { "[{deny: '*'}]",                                                             { .model = STR_INIT("") },                            "denied by access[0]"},
    { "[{teams: interns, deny: [gpt-5*], instead: gpt-5-mini}]",
     { .model = STR_INIT("gpt-5-pro"), .team = STR_INIT("interns") },
     "gpt-5-mini"                                                                                                                                             },
    { "[{teams: interns, deny: [gpt-5*], instead: gpt-5-mini}]",
     { .model = STR_INIT("gpt-5-mini"), .team = STR_INIT("interns") },
     ""                                                                                                                                                       },
    { "[{deny: gpt-5*, instead: gpt-5-mini}, {deny: gpt-5-m*}]",
     { .model = STR_INIT("gpt-5") },
     "denied by access[1]"                                                                                                                                    },
    { "[{deny: gpt-5*, instead: gpt-5-mini}, {deny: gpt-5-m*, instead: o3}]",
     { .model = STR_INIT("gpt-5") },
     "o3"                                                                                                                                                     },
    { "[{deny: gpt-5*, instead: gpt-5-mini}, {deny: gpt-*, instead: gpt-5-nano}]",
     { .model = STR_INIT("gpt-5") },
     "denied by access[0]"                                                                                                                                    },
    { "[{allow: o3, instead: o4}]",                                                { .model = STR_INIT("gpt-5") },                       "o4"                 },
    { "[{allow: o3, instead: o4}]",                                                { .model = STR_INIT("o4") },                          ""                   },
    { "[{allow: o3, instead: o4}, {allow: o3}]",
     { .model = STR_INIT("o4") },
     "denied by access[1]"                                                                                                                                    },
    { "[{deny: gpt-5, mode: observe}]",                                            { .model = STR_INIT("gpt-5") },                       ""                   },
    { "[{deny: gpt-5, mode: warn}]",                                               { .model = STR_INIT("gpt-5") },                       ""                   },
    { "[{deny: gpt-5, mode: off}]",                                                { .model = STR_INIT("gpt-5") },                       ""                   },
    { "[{allow: o3, mode: observe}, {allow: gpt-5}]",
     { .model = STR_INIT("o3") },
     "denied by access[1]"                                                                                                                                    },
    { "[{deny: gpt-5, instead: x, mode: observe}]",                                { .model = STR_INIT("gpt-5") },                       ""                   },
};
/* clang-format on */

START_TEST(deny_wins_and_an_allow_list_denies_the_rest)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "policy: {mode: enforce, access: %s}\n", accesses[_i].rules);
    CLEANUP(policy_sample_release) struct policy_sample m = policy_sample_make(buf_cstr(&text));
    ck_assert_str_eq(said(&m, &accesses[_i].who), accesses[_i].says);
}
END_TEST

static void check_note(const struct policy_sample *m, const struct policy_try *t, uint32_t index,
                       const char *expected)
{
    char text[200];
    const struct policy_decision *d = &t->notes.list[index];

    ck_assert_uint_lt(index, t->notes.count);
    snprintf(text, sizeof(text), "%.*s %s %s", STR_ARG(policy_rule(m->policy, d->rule)->id),
             plan_mode_names[d->mode], policy_outcome_names[d->outcome]);
    ck_assert_str_eq(text, expected);
}

START_TEST(each_strictness_tells_what_it_would_come_to)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy:\n"
                           "  access:\n"
                           "    - {deny: gpt-5, instead: mini, mode: enforce}\n"
                           "    - {deny: mini, instead: nano, mode: warn}\n"
                           "    - {deny: nano}\n");
    struct policy_subject s = { .model = STR("gpt-5") };
    struct policy_try t;

    policy_try_at(&m, &s, &(struct policy_ask){ .now_us = 1 }, &t);
    ck_assert_int_eq(t.said.verdict, POLICY_GO);
    ck_assert(str_eq(policy_class_model(policy_resolve(m.cache, &s)), STR("mini")));
    ck_assert_uint_eq(t.notes.count, 2);
    check_note(&m, &t, 0, "access[0] enforce instead");
    check_note(&m, &t, 1, "access[2] observe denied");
    ck_assert(!t.said.warn);
    s.model = STR("mini");
    policy_try_at(&m, &s, &(struct policy_ask){ .now_us = 1 }, &t);
    ck_assert_uint_eq(t.notes.count, 2);
    check_note(&m, &t, 0, "access[1] warn instead");
    check_note(&m, &t, 1, "access[2] observe denied");
    ck_assert(t.said.warn);
    ck_assert_uint_eq(policy_class_model(policy_resolve(m.cache, &s)).len, 0);
}
END_TEST

START_TEST(an_application_is_never_treated_more_strictly_than_it_says)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("apps: {a: {policy: observe}, b: {policy: off}, c: {policy: enforce}}\n"
                           "policy:\n"
                           "  mode: warn\n"
                           "  access: [{deny: x, mode: enforce}]\n"
                           "  limits: [{requests: 1/h, mode: enforce}, {requests: 1/day}]\n"
                           "  routes: [{targets: [{upstream: openai}], mode: enforce}]\n");
    static const struct {
        const char *app;
        enum plan_mode mode, route, limit;
        bool refused;
    } apps[] = {
        {"a",  PLAN_MODE_OBSERVE, PLAN_MODE_OBSERVE, PLAN_MODE_OBSERVE, false},
        { "b", PLAN_MODE_OFF,     PLAN_MODE_OFF,     PLAN_MODE_OFF,     false},
        { "c", PLAN_MODE_ENFORCE, PLAN_MODE_ENFORCE, PLAN_MODE_WARN,    true },
        { "d", PLAN_MODE_WARN,    PLAN_MODE_ENFORCE, PLAN_MODE_WARN,    true },
    };

    for (size_t i = 0; i < ARRAY_LEN(apps); i++) {
        struct policy_subject s = { .model = STR("x"), .app = str_from(apps[i].app) };
        const struct policy_class *c = policy_resolve(m.cache, &s);
        struct policy_try t;
        ck_assert_int_eq(policy_class_mode(c), apps[i].mode);
        ck_assert_int_eq(policy_class_route_mode(c), apps[i].route);
        policy_try_at(&m, &s, &(struct policy_ask){ .now_us = 1 }, &t);
        ck_assert_int_eq(t.said.verdict != POLICY_GO, apps[i].refused);
        ck_assert_uint_eq(t.notes.count, apps[i].mode != PLAN_MODE_OFF);
        s.model = STR("y");
        for (int k = 0; k < 3; k++)
            policy_try_at(&m, &s, &(struct policy_ask){ .now_us = 1 }, &t);
        ck_assert_int_eq(t.said.verdict != POLICY_GO, apps[i].refused);
        if (t.notes.count)
            ck_assert_int_eq(t.notes.list[t.notes.count - 1].mode, apps[i].limit);
    }
}
END_TEST

START_TEST(off_turns_everything_off)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("apps: {a: {policy: enforce}}\n"
                           "policy:\n"
                           "  mode: off\n"
                           "  access: [{deny: '*', mode: enforce}]\n"
                           "  limits: [{requests: 1/day, mode: enforce}]\n"
                           "  routes: [{targets: [{upstream: openai}], mode: enforce}]\n");
    struct policy_subject s = { .model = STR("x"), .app = STR("a") };
    const struct policy_class *c = policy_resolve(m.cache, &s);
    struct policy_try t;

    for (int i = 0; i < 3; i++) {
        policy_try_at(&m, &s, &(struct policy_ask){ .now_us = 1 }, &t);
        ck_assert_int_eq(t.said.verdict, POLICY_GO);
        ck_assert_uint_eq(t.notes.count, 0);
    }
    ck_assert_int_eq(policy_class_mode(c), PLAN_MODE_OFF);
    ck_assert(policy_class_route(c) == POLICY_NONE);
    ck_assert(!policy_class_counts_tokens(c));
}
END_TEST

/* clang-format off: one a row */
static const struct {
    struct policy_subject who;
    uint32_t route; /* 9 = none */
} routes[] = {
    {{ .api = STR_INIT("openai"), .model = STR_INIT("gpt-5") },                                  0},
    { { .api = STR_INIT("openai"), .model = STR_INIT("GPT-5-mini") },                            0},
    { { .api = STR_INIT("anthropic"), .model = STR_INIT("gpt-5") },                              9},
    { { .api = STR_INIT("openai"), .model = STR_INIT("gpt-5"), .upstream = STR_INIT("openai") },
     0                                                                                            },
    { { .api = STR_INIT("openai"), .model = STR_INIT("gpt-5"), .upstream = STR_INIT("azure") },  0},
    { { .api = STR_INIT("openai"), .model = STR_INIT("gpt-5"), .upstream = STR_INIT("local") },  9},
    { { .api = STR_INIT("openai"), .model = STR_INIT("o3"), .upstream = STR_INIT("local") },     9},
    { { .api = STR_INIT("openai"), .model = STR_INIT("llama"), .upstream = STR_INIT("local") },  2},
    { { .api = STR_INIT("openai"), .model = STR_INIT("llama"), .upstream = STR_INIT("openai") },
     9                                                                                            },
    { { .api = STR_INIT("openai"), .model = STR_INIT("o3"), .app = STR_INIT("bot") },            1},
    { { .api = STR_INIT("openai"), .model = STR_INIT("o3"), .app = STR_INIT("other") },          9},
    { { .api = STR_INIT("openai"), .model = STR_INIT("old") },                                   0}, /* by access */
};
/* clang-format on */

START_TEST(a_call_takes_the_first_route_that_is_about_it)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m = policy_sample_make(
        "policy:\n"
        "  mode: enforce\n"
        "  access: [{deny: old, instead: gpt-5-new}]\n"
        "  routes:\n"
        "    - {match: {api: openai, model: gpt-5*}, targets: [{upstream: openai}, {upstream: "
        "azure}]}\n"
        "    - {match: {model: ['gpt*', o3], app: b*}, targets: [{upstream: openai}]}\n"
        "    - {match: {model: llama, upstream: local}, targets: [{upstream: openai, model: x}]}\n"
        "    - {match: {model: '*'}, mode: off, targets: [{upstream: openai}]}\n");
    const struct policy_class *c = policy_resolve(m.cache, &routes[_i].who);

    ck_assert_uint_eq(policy_class_route(c),
                      routes[_i].route == 9 ? POLICY_NONE : routes[_i].route);
    if (routes[_i].route != 9)
        ck_assert_int_eq(policy_rule(m.policy, policy_class_route(c))->kind, POLICY_RULE_ROUTE);
}
END_TEST

START_TEST(rules_are_named_and_know_their_place)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("teams: {cx: {budget: {day: 1 USD, week: 2 USD}}}\n"
                           "budget: {month: 3 USD}\n"
                           "policy:\n"
                           "  mode: warn\n"
                           "  access: [{deny: a}, {deny: b, mode: off}]\n"
                           "  limits:\n"
                           "    - {requests: 1/s}\n"
                           "    - {tokens: 1/s, concurrent: 2}\n"
                           "  routes: [{name: r, targets: [{upstream: azure}]}]\n");
    static const char *const ids[] = { "route r",
                                       "access[0]",
                                       "access[1]",
                                       "limits[0].requests",
                                       "limits[1].tokens",
                                       "limits[1].concurrent",
                                       "budget month",
                                       "budget team cx day",
                                       "budget team cx week" };
    const struct policy_rule *r;

    ck_assert_uint_eq(policy_rule_count(m.policy), ARRAY_LEN(ids));
    for (uint32_t i = 0; i < ARRAY_LEN(ids); i++) {
        r = policy_rule(m.policy, i);
        ck_assert_msg(str_eq(r->id, str_from(ids[i])), "%.*s", STR_ARG(r->id));
        ck_assert_int_eq(r->mode, i == 2 ? PLAN_MODE_OFF : PLAN_MODE_WARN);
        ck_assert(str_eq(r->at.file, STR("p.yaml")) && r->at.line && r->at.column);
    }
    r = policy_rule(m.policy, 5);
    ck_assert_uint_eq(r->at.line, 12);
    ck_assert_uint_eq(r->at.column, 7);
}
END_TEST

START_TEST(a_class_outlives_the_cache_that_made_it)
{
    struct policy_sample m =
        policy_sample_make("policy: {access: [{deny: a, instead: b}], mode: enforce}\n");
    struct policy_subject s = { .model = STR("a") };
    const struct policy_class *c = policy_class_ref(policy_resolve(m.cache, &s));

    ck_assert_ptr_eq(policy_resolve(m.cache, &s), c);
    policy_cache_free(m.cache);
    m.cache = NULL;
    ck_assert(str_eq(policy_class_model(c), STR("b")));
    policy_class_unref(c);
    policy_sample_release(&m);
}
END_TEST

/* More subjects than are remembered, some of them longer than a key may be: each is resolved
 * rightly, and one that is held stays as it is. */
START_TEST(a_flood_of_made_up_models_changes_nothing)
{
    CLEANUP(policy_sample_release)
    struct policy_sample m =
        policy_sample_make("policy: {access: [{deny: 'm*7'}], mode: enforce}\n");
    CLEANUP(buf_release) struct buf name = { 0 };
    const struct policy_class *held =
        policy_class_ref(policy_resolve(m.cache, &(struct policy_subject){ .model = STR("m17") }));

    for (int i = 0; i < 3 * POLICY_CLASSES_MAX; i++) {
        buf_clear(&name);
        buf_addf(&name, "m%0*d", i % 1000 ? 1 : 5000, i);
        struct policy_subject s = { .model = buf_str(&name) };
        ck_assert_int_eq(said(&m, &s)[0] == 'd', i % 10 == 7);
    }
    policy_class_unref(held);
}
END_TEST

static const struct {
    const char *pattern, *text;
    bool matches;
} globs[] = {
    {"a*b",                  "ab",                       true },
    { "a*b",                 "axxb",                     true },
    { "a*b",                 "a",                        false},
    { "a*a",                 "a",                        false},
    { "*a*b*",               "xxaxxbxx",                 true },
    { "*ab*ab*",             "xabxabx",                  true },
    { "*ab*ab*",             "xababx",                   true },
    { "*ab*ab*",             "xaba",                     false},
    { "a?c",                 "abc",                      true },
    { "a?c",                 "ac",                       false},
    { "?",                   "",                         false},
    { "**",                  "",                         true },
    { "*?*",                 "",                         false},
    { "*?*",                 "x",                        true },
    { "*a?c*",               "xabaxabcx",                true },
    { "*x?",                 "axbxc",                    true },
    { "*aab",                "aaab",                     true },
    { "a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false},
};

START_TEST(a_pattern_matches_as_a_shell_would)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "policy: {mode: enforce, access: [{deny: '%s'}]}\n", globs[_i].pattern);
    CLEANUP(policy_sample_release) struct policy_sample m = policy_sample_make(buf_cstr(&text));
    struct policy_subject s = { .model = str_from(globs[_i].text) };
    ck_assert_int_eq(said(&m, &s)[0] == 'd', globs[_i].matches);
    ck_assert_int_eq(str_glob(str_from(globs[_i].pattern), s.model), globs[_i].matches);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, deny_wins_and_an_allow_list_denies_the_rest, 0,
                        (int)ARRAY_LEN(accesses));
    tcase_add_test(tc, each_strictness_tells_what_it_would_come_to);
    tcase_add_test(tc, an_application_is_never_treated_more_strictly_than_it_says);
    tcase_add_test(tc, off_turns_everything_off);
    tcase_add_loop_test(tc, a_call_takes_the_first_route_that_is_about_it, 0,
                        (int)ARRAY_LEN(routes));
    tcase_add_test(tc, rules_are_named_and_know_their_place);
    tcase_add_test(tc, a_class_outlives_the_cache_that_made_it);
    tcase_add_test(tc, a_flood_of_made_up_models_changes_nothing);
    tcase_add_loop_test(tc, a_pattern_matches_as_a_shell_would, 0, (int)ARRAY_LEN(globs));
}

CHECK_MAIN("policy/rules", add_tests)

#include "config.h"

#include "replay/lint.h"

#include <stdio.h>

#include "tests/check_main.h"
#include "tests/lint_sample.h"

#define CHAT(params) "  - {model_name: chat, litellm_params: {model: openai/x" params "}}\n"
#define BACK(params) "  - {model_name: back, litellm_params: {model: openai/y" params "}}\n"
#define TWO          "model_list:\n" CHAT(", timeout: 9") BACK(", timeout: 9")
#define ACCESS(rules)                                                                              \
    "upstreams: {a: {url: x}, b: {url: x}}\n"                                                      \
    "policy: {access: [" rules "]}\n"
#define WEIR                                                                                       \
    "upstreams: {a: {url: x}, b: {url: x}}\n"                                                      \
    "policy:\n"                                                                                    \
    "  routes:\n"

#define ROUTE                                                                                      \
    "{apiVersion: a, kind: AIGatewayRoute, metadata: {name: r}, spec: {rules: [{backendRefs:\n"    \
    " [{name: a}, {name: b, priority: 1}]}]}}\n---\n"
#define POLICY(spec)                                                                               \
    "{apiVersion: a, spec: {" spec ", targetRefs: [{name: r}]}, kind: BackendTrafficPolicy}\n"
#define FUNCTION "[functions.f.variants.v]\nmodel = \"openai::x\"\n"
#define KEY(configs)                                                                               \
    "{\"providers\": {\"a\": {}},\n\"governance\": {\"virtual_keys\": "                            \
    "[{\"provider_configs\": " configs "}]}}"

/* A configuration that has the trap, where it is, and one as near as may be that has not. */
static const struct {
    const char *id, *text, *place, *without;
} traps[] = {
    ROW("litellm-allowed-fails-3", TWO "router_settings: {allowed_fails: 3}\n", "4:19",
        TWO "router_settings: {allowed_fails: 4}\n"),
    ROW("litellm-num-retries-unsaid", TWO, "1:1", TWO "litellm_settings: {num_retries: 1}\n"),
    ROW("timeout-unsaid", "model_list:\n" CHAT(""), "2:5",
        "model_list:\n" CHAT("") "litellm_settings: {request_timeout: 30}\n"),
    ROW("fallback-unknown", TWO "router_settings: {fallbacks: [{chat: [spare]}]}\n", "4:39",
        TWO "router_settings: {fallbacks: [{chat: [back]}]}\n"),
    ROW("fallback-cycle", TWO "router_settings: {fallbacks: [{chat: [back]}, {back: [chat]}]}\n",
        "4:39", TWO "router_settings: {fallbacks: [{chat: [back]}]}\n"),
    ROW("litellm-max-fallbacks",
        TWO "router_settings: {max_fallbacks: 0, fallbacks: [{chat: [back]}]}\n", "4:57",
        TWO "router_settings: {max_fallbacks: 1, fallbacks: [{chat: [back]}]}\n"),
    ROW("litellm-weight-missing", "model_list:\n" CHAT(", weight: 2") CHAT(""), "3:5",
        "model_list:\n" CHAT(", weight: 2") CHAT(", weight: 1")),
    ROW("litellm-wildcard-never-cools",
        "model_list: [{model_name: '*', litellm_params: {model: openai/*}}]\n", "1:27", TWO),
    ROW("fallback-smaller-context",
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: x}, model_info: {max_input_tokens: 9}}\n"
        "  - {model_name: b, litellm_params: {model: y}, model_info: {max_input_tokens: 8}}\n"
        "router_settings: {fallbacks: [{a: [b]}]}\n",
        "4:36",
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: x}, model_info: {max_input_tokens: 9}}\n"
        "  - {model_name: b, litellm_params: {model: y}, model_info: {max_input_tokens: 9}}\n"
        "router_settings: {fallbacks: [{a: [b]}]}\n"),
    ROW("mock-left-in", "model_list:\n" CHAT(", mock_timeout: true"), "2:58", TWO),
    ROW("litellm-setting-overridden",
        TWO "router_settings: {num_retries: 1}\nlitellm_settings: {num_retries: 2}\n", "5:20",
        TWO "router_settings: {num_retries: 1}\nlitellm_settings: {num_retries: 1}\n"),
    ROW("timeout-tiny", "model_list:\n" CHAT(", stream_timeout: 0.001"), "2:58",
        "model_list:\n" CHAT(", stream_timeout: 1")),
    ROW("key-unknown", TWO "router_settings: {num_retires: 1}\n", "4:19",
        TWO "router_settings: {num_retries: 1}\n"),
    ROW("portkey-retry-after-spelling",
        "{\"targets\": [{\"retry\": {\"attempts\": 1, \"use_retry_after_headers\": true}}]}",
        "1:40", "{\"targets\": [{\"retry\": {\"use_retry_after_header\": true}}]}"),
    ROW("portkey-408-missing",
        "{\"strategy\": {\"mode\": \"fallback\", \"on_status_codes\": [500]},\n"
        "\"targets\": [{\"request_timeout\": 900}, {}]}",
        "1:35",
        "{\"strategy\": {\"mode\": \"fallback\", \"on_status_codes\": [500, 408]},\n"
        "\"targets\": [{\"request_timeout\": 900}, {}]}"),
    ROW("portkey-no-status-codes",
        "{\"strategy\": {\"mode\": \"fallback\", \"on_status_codes\": []}, \"targets\": [{}, {}]}",
        "1:35", "{\"strategy\": {\"mode\": \"fallback\"}, \"targets\": [{}, {}]}"),
    ROW("portkey-loadbalance-alone",
        "{\"strategy\": {\"mode\": \"loadbalance\"}, \"targets\": [{}]}", "1:51",
        "{\"strategy\": {\"mode\": \"fallback\"}, \"targets\": [{}]}"),
    ROW("portkey-cb-config",
        "{\"strategy\": {\"mode\": \"fallback\", \"cb_config\": {}}, \"targets\": [{}]}", "1:35",
        "{\"strategy\": {\"mode\": \"fallback\"}, \"targets\": [{}]}"),
    ROW("portkey-attempts-over-5", "{\"retry\": {\"attempts\": 6}, \"provider\": \"x\"}", "1:12",
        "{\"retry\": {\"attempts\": 5}, \"provider\": \"x\"}"),
    ROW("weights-sum-to-zero",
        "{\"strategy\": {\"mode\": \"loadbalance\"}, \"targets\": [{\"weight\": 0}]}", "1:39",
        "{\"strategy\": {\"mode\": \"loadbalance\"}, \"targets\": [{\"weight\": 0}, {}]}"),
    ROW("portkey-no-default",
        "{\"strategy\": {\"mode\": \"conditional\"}, \"targets\": [{\"name\": \"a\"}]}", "1:2",
        "{\"strategy\": {\"mode\": \"conditional\", \"default\": \"a\"},"
        " \"targets\": [{\"name\": \"a\"}]}"),
    ROW("nothing-ends-the-wait", "{\"strategy\": {\"mode\": \"fallback\"}, \"targets\": [{}, {}]}",
        "1:52", "{\"strategy\": {\"mode\": \"fallback\"}, \"targets\": [{}]}"),
    ROW("stream-idle-unsaid", "{\"strategy\": {\"mode\": \"fallback\"}, \"targets\": [{}]}", "1:1",
        WEIR "    - targets: [{upstream: a}]\n"),
    ROW("fallback-not-tried",
        WEIR "    - {targets: [{upstream: a}, {upstream: b}], fallback: {on: [500]}}\n", "4:33",
        WEIR "    - {targets: [{upstream: a}, {upstream: b}],\n"
             "       fallback: {on: [connect, head, first_token, 429, 5xx]}}\n"),
    ROW("fallback-unreachable",
        WEIR "    - {targets: [{upstream: a}, {upstream: b}], timeouts: {head: 601s}}\n", "4:33",
        WEIR "    - {targets: [{upstream: a}, {upstream: b}], timeouts: {head: 599s}}\n"),
    ROW("same-target-again",
        WEIR "    - targets: [{upstream: a, model: m}, {upstream: a, model: m}]\n", "4:42",
        WEIR "    - targets: [{upstream: a, model: m}, {upstream: a, model: n}]\n"),
    ROW("envoy-attempts-per-priority", ROUTE POLICY("retry: {numRetries: 3}"), "4:24",
        ROUTE POLICY("retry: {numRetries: 3, numAttemptsPerPriority: 1}")),
    ROW("envoy-retry-on", ROUTE POLICY("retry: {retryOn: {triggers: [5xx]}}"), "4:32",
        ROUTE POLICY("retry: {retryOn: {triggers: [5xx, retriable-status-codes],"
                     " httpStatusCodes: [429]}}")),
    ROW("envoy-codes-without-trigger",
        ROUTE POLICY("retry: {retryOn: {triggers: [5xx], httpStatusCodes: [429]}}"), "4:59",
        ROUTE POLICY("retry: {retryOn: {httpStatusCodes: [429]}}")),
    ROW("envoy-max-ejection", ROUTE POLICY("healthCheck: {passive: {interval: 3s}}"), "4:38",
        ROUTE POLICY("healthCheck: {passive: {maxEjectionPercent: 100}}")),
    ROW("envoy-policy-alone", POLICY("retry: {numRetries: 1}"), "1:1",
        ROUTE POLICY("retry: {numRetries: 1}")),
    ROW("tensorzero-retries-400", FUNCTION "retries = {num_retries = 1}\n", "3:12",
        FUNCTION "retries = {num_retries = 0}\n"),
    ROW("tensorzero-routing", "[models.m]\nrouting = [\"a\"]\nproviders.b.type = \"x\"\n", "2:12",
        "[models.m]\nrouting = [\"a\"]\nproviders.a.type = \"x\"\n"),
    ROW("tensorzero-variant",
        FUNCTION "[functions.f.experimentation]\nfallback_variants = [\"w\"]\n", "4:22",
        FUNCTION "[functions.f.experimentation]\nfallback_variants = [\"v\"]\n"),
    ROW("bifrost-provider-unknown", KEY("[{\"provider\": \"b\"}]"), "2:68",
        KEY("[{\"provider\": \"a\"}]")),
    ROW("bifrost-denies-all", KEY("[]"), "2:34", KEY("[{\"provider\": \"a\"}]")),
    ROW("instead-refused", ACCESS("{teams: t*, deny: m1, instead: m2}, {deny: m2, mode: enforce}"),
        "2:19", ACCESS("{teams: t*, deny: m1, instead: m2}, {teams: u, deny: m2}")),
    ROW("instead-refused", ACCESS("{deny: m1, instead: m2}, {deny: m2, instead: m1}"), "2:19",
        ACCESS("{deny: m1, instead: m2}, {deny: m2, instead: m3}")),
    ROW("instead-refused", ACCESS("{apps: a, deny: \"m*\", instead: x1}, {allow: \"m*\"}"), "2:19",
        ACCESS("{apps: a, deny: \"m*\", instead: m1}, {allow: \"m*\"}")),
    ROW("no-fallback", WEIR "    - targets: [{upstream: a}]\n", "4:7",
        WEIR "    - targets: [{upstream: a}, {upstream: b}]\n"),
};

START_TEST(a_trap_is_found_where_it_is_and_only_there)
{
    CLEANUP(lint_sample_release) struct lint_sample with = { 0 }, without = { 0 };
    char place[32];

    lint_sample_open(&with, traps[_i].text, 0);
    ck_assert_str_eq(lint_sample_place(&with, traps[_i].id, place), traps[_i].place);
    lint_sample_open(&without, traps[_i].without, 0);
    ck_assert_str_eq(lint_sample_place(&without, traps[_i].id, place), "");
}
END_TEST

START_TEST(every_rule_says_how_to_put_it_right_and_where_it_is_from)
{
    for (int i = 0; i < LINT_RULES; i++) {
        ck_assert_ptr_nonnull(lint_rules[i].id);
        ck_assert(lint_rules[i].fix[0] && lint_rules[i].source[0]);
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(lint_rules[i].id, lint_rules[j].id);
    }
}
END_TEST

/* The first route of more than one target. */
static const struct prove_route *route_of(const struct lint_sample *s)
{
    size_t i = 0;

    while (i < s->proof.routes.len && s->proof.routes.ptr[i].rungs.len < 2)
        i++;
    ck_assert_uint_lt(i, s->proof.routes.len);
    return &s->proof.routes.ptr[i];
}

static int64_t second_after(const struct lint_sample *s, enum prove_fault fault)
{
    return route_of(s)->rungs.ptr[1].at_us[fault];
}

/* A caller that waits 90 s never sees the fallback of a provider that may hang for 180 s, as in
 * octo-smart-summary#212; four attempts of 180 s and 3 s of waits between them are reached by one
 * that waits longer than 723 s. */
START_TEST(the_fallback_behind_a_deadline_is_unreachable_and_before_it_reachable)
{
    static const char ladder[] =
        WEIR "    - targets: [{upstream: a, retries: 3}, {upstream: b}]\n"
             "      retry: {on: [head], backoff: {base: 1s, factor: 1, jitter: 0}}\n"
             "      timeouts: {head: 180s}\n";
    CLEANUP(lint_sample_release) struct lint_sample late = { 0 }, in_time = { 0 }, just = { 0 };
    char place[32];

    lint_sample_open(&late, ladder, 90);
    ck_assert(second_after(&late, PROVE_SILENT) == 723 * US_PER_SECOND);
    ck_assert_str_eq(lint_sample_place(&late, "fallback-unreachable", place), "4:44");
    ck_assert_int_eq(prove_verdict_of(&late.proof.routes.ptr[0],
                                      &late.proof.routes.ptr[0].rungs.ptr[1], PROVE_SILENT,
                                      &late.o),
                     PROVE_TOO_LATE);
    lint_sample_open(&just, ladder, 723);
    ck_assert_str_eq(lint_sample_place(&just, "fallback-unreachable", place), "4:44");
    lint_sample_open(&in_time, ladder, 724);
    ck_assert_str_eq(lint_sample_place(&in_time, "fallback-unreachable", place), "");
}
END_TEST

/* When the second target is tried, in ms; -1 = not, -2 = never. */
static const struct {
    const char *what, *text;
    int64_t refused, silent, later, stall, attempts;
} times[] = {
    ROW("litellm: a group of two repeats at once, then the fallback's own two",
        "model_list:\n" CHAT(", timeout: 10") CHAT(", timeout: 10") BACK(
            ", timeout: 10") "router_settings: {num_retries: 3, fallbacks: [{chat: [back]}]}\n",
        0, 40000, 0, -1, 8),
    ROW("litellm: one deployment waits 0.5 0.5 1 2 and up to 0.75 each",
        "model_list:\n" CHAT(", timeout: 10") BACK(
            ", timeout: 10") "router_settings: {num_retries: 3, fallbacks: [{chat: [back]}]}\n",
        7000, 47000, 30750 * 3 + 2000 + 750 + 28000, -1, 8),
    ROW("litellm: retry_policy 0 leaves a class out",
        "model_list:\n" CHAT(", timeout: 10") BACK(
            ", timeout: 10") "router_settings: {num_retries: 0, fallbacks: [{chat: [back]}]}\n",
        1250, 11250, 30750, -1, 2),
    ROW("portkey: 1 2 4 seconds, then the next target",
        "{\"strategy\": {\"mode\": \"fallback\"}, \"retry\": {\"attempts\": 3},"
        " \"request_timeout\": 5000, \"targets\": [{}, {}]}",
        7000, 5000, 7000, -2, 8),
    ROW("portkey: retry-after of 30 s twice, no third",
        "{\"strategy\": {\"mode\": \"fallback\"}, \"request_timeout\": 5000,"
        " \"retry\": {\"attempts\": 3, \"use_retry_after_header\": true}, \"targets\": [{}, {}]}",
        7000, 5000, 60000, -2, 8),
    ROW("envoy: each priority in turn, out of one budget",
        ROUTE POLICY("retry: {numRetries: 3, numAttemptsPerPriority: 2, retryOn: {triggers: [5xx]},"
                     " perRetry: {timeout: 5s, backOff: {baseInterval: 100ms}}}"),
        300, 10300, -1, -1, 4),
    ROW("envoy: without a count for each priority the second is not tried",
        ROUTE POLICY("retry: {numRetries: 3, retryOn: {triggers: [5xx]}}"), -1, -1, -1, -1, 4),
    ROW("tensorzero: no wait between providers, all again after 1 to 2 s",
        "[functions.f.variants.v]\nmodel = \"m\"\nretries = {num_retries = 1}\n"
        "[models.m]\nrouting = [\"a\", \"b\"]\n[models.m.providers]\n"
        "a.timeouts.streaming.ttft_ms = 500\nb.type = \"x\"\n",
        0, 500, 0, -1, 4),
    ROW("bifrost: 0.5 1 2 s and a fifth more, then the next provider",
        "{\"providers\": {\"a\": {\"network_config\": {\"max_retries\": 3}}, \"b\": {}},\n"
        "\"governance\": {\"virtual_keys\": [{\"provider_configs\": [{\"provider\": \"a\"},"
        " {\"provider\": \"b\"}]}]}}",
        4200, 124200, 4200, -1, 5),
    ROW("weir: the target's own timers",
        WEIR "    - targets: [{upstream: a, retries: 1}, {upstream: b}]\n"
             "      timeouts: {connect: 1s, head: 20s, first_token: 3s}\n",
        625, 3000, 30000, -1, 3),
    ROW("weir: the first may be drawn last",
        WEIR "    - targets: [{upstream: a, weight: 1}, {upstream: b, weight: 9}]\n"
             "      timeouts: {head: 20s}\n",
        0, 20000, 0, -1, 2),
};

static int64_t shown(const struct lint_sample *s, enum prove_fault fault)
{
    const struct prove_route *r = route_of(s);

    switch (prove_verdict_of(r, &r->rungs.ptr[1], fault, &s->o)) {
    case PROVE_NOT_TRIED:
        return -1;
    case PROVE_NEVER:
        return -2;
    case PROVE_REACHED:
    case PROVE_TOO_LATE:
        break;
    }
    return second_after(s, fault) / 1000;
}

START_TEST(the_time_to_the_second_target_is_the_sum_of_what_comes_before)
{
    CLEANUP(lint_sample_release) struct lint_sample s = { 0 };

    lint_sample_open(&s, times[_i].text, 0);
    ck_assert_int_eq(shown(&s, PROVE_REFUSED), times[_i].refused);
    ck_assert_int_eq(shown(&s, PROVE_SILENT), times[_i].silent);
    ck_assert_int_eq(shown(&s, PROVE_429_LATER), times[_i].later);
    ck_assert_int_eq(shown(&s, PROVE_STALL_MID), times[_i].stall);
    ck_assert_int_eq(prove_attempts_most(route_of(&s)), times[_i].attempts);
}
END_TEST

/* Whom Portkey's targets ask, and for which model. */
static const struct {
    const char *text, *first, *second;
} asked[] = {
    ROW("{\"targets\": [{\"provider\": \"a\"}, {\"virtual_key\": \"b\"}]}", "a ", "b "),
    ROW("{\"custom_host\": \"{url:x}/v1\", \"override_params\": {\"model\": \"m\"}, \"targets\": ["
        "{\"provider\": \"a\"}, {\"provider\": \"a\", \"custom_host\": \"{url:y}\","
        " \"override_params\": {\"model\": \"n\"}}]}",
        "x m", "y n"),
    ROW("{\"targets\": [{\"provider\": \"a\", \"custom_host\": \"http://h/v1\"},"
        " {\"provider\": \"a\", \"custom_host\": \"{url:y\"}]}",
        "a ", "a "),
};

static const char *asks(const struct plan_node *n, struct buf *out)
{
    buf_clear(out);
    buf_addf(out, "%.*s %.*s", STR_ARG(n->upstream), STR_ARG(n->model));
    return buf_cstr(out);
}

START_TEST(portkeys_targets_have_what_stands_around_them)
{
    CLEANUP(lint_sample_release) struct lint_sample s = { 0 };
    CLEANUP(buf_release) struct buf out = { 0 };

    lint_sample_open(&s, asked[_i].text, 0);
    const struct plan_node *first = s.plan->routes->root->items;
    ck_assert_str_eq(asks(first, &out), asked[_i].first);
    ck_assert_str_eq(asks(first->next, &out), asked[_i].second);
}
END_TEST

START_TEST(an_sdk_multiplies_attempts_that_it_tries_again)
{
    CLEANUP(lint_sample_release) struct lint_sample s = { 0 };
    CLEANUP(proof_release) struct proof proof = { 0 };

    lint_sample_open(&s, WEIR "    - targets: [{upstream: a, retries: 1}, {upstream: b}]\n", 0);
    s.o.client = &callers[1];
    prove(s.plan, &s.o, &proof);
    const struct prove_end *ends = proof.routes.ptr[0].ends;
    ck_assert_int_eq(ends[PROVE_503].attempts, 3);
    ck_assert_int_eq(ends[PROVE_503].calls, 9);
    ck_assert_int_eq(ends[PROVE_503].cost, 9);
    ck_assert_int_eq(ends[PROVE_429].cost, 1); /* refused, so not billed */
    ck_assert_int_eq(ends[PROVE_400].calls, 1);
    ck_assert_int_eq(ends[PROVE_STALL_MID].calls, 1); /* nothing is tried again behind a head */
}
END_TEST

/* What cannot be read, and how the message begins. */
static const struct {
    const char *text, *message;
} unreadable[] = {
    {"{\"targets\": [{},]}",                                          "c:1:17: "                                     },
    { "model_list:\n\t- x\n",                                         "c:2:1: "                                      },
    { "hello: world\n",                                               "c:1:1: this is no configuration that is known"},
    { "",                                                             "c:1:1: this is no configuration that is known"},
    { "model_list: {}\n",                                             "c:1:13: expected a list under 'model_list'"   },
    { "model_list:\n- {model_name: a}\n",                             "c:2:3: a deployment needs litellm_params"     },
    { "{\"strategy\": {\"mode\": \"x\"}, \"targets\": [{}]}",
     "c:1:23: expected one of single, loadbalance, fallback, conditional, got 'x'"                                   },
    { "{\"strategy\": {}, \"targets\": []}",                          "c:1:29: targets is empty"                     },
    { "{\"strategy\": {}, \"targets\": [{\"request_timeout\": -1}]}",
     "c:1:50: expected a time from 0 to 10 years"                                                                    },
    { "policy: {}\n---\npolicy: {}\n",                                "c:3:1: a second document begins"              },
    { "[gateway]\nx = \n",                                            "c:2:5: expected a value"                      },
};

START_TEST(what_cannot_be_read_is_refused_with_its_place)
{
    CLEANUP(lint_sample_release) struct lint_sample s = { 0 };
    struct err err = { 0 };

    ck_assert_int_eq(lint_sample_read(&s, unreadable[_i].text, 0, &err), -1);
    ck_assert_msg(strncmp(err.text, unreadable[_i].message, strlen(unreadable[_i].message)) == 0,
                  "%s", err.text);
}
END_TEST

START_TEST(every_key_is_accounted_for_once)
{
    CLEANUP(lint_sample_release) struct lint_sample s = { 0 };
    static const char *const want[] = {
        "2:6 model_list[].model_name exact",
        "2:41 model_list[].litellm_params.model exact",
        "2:58 model_list[].litellm_params.rpm approximated",
        "2:66 model_list[].litellm_params.tags unsupported",
        "2:80 model_list[].litellm_params.api_key aside",
        "3:19 router_settings.nonsense unsupported",
    };

    lint_sample_open(
        &s,
        "model_list:\n" CHAT(
            ", rpm: 1, tags: [a, b], api_key: k") "router_settings: {nonsense: {a: 1, b: 2}}\n",
        0);
    ck_assert_uint_eq(s.lint.keys.len, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        const struct lint_key *k = &s.lint.keys.ptr[i];
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_addf(&text, "%u:%u %.*s %s", k->at.line, k->at.column, STR_ARG(k->path),
                 lint_fidelity_names[k->fidelity]);
        ck_assert_str_eq(buf_cstr(&text), want[i]);
    }
}
END_TEST

START_TEST(fallbacks_that_multiply_without_end_are_refused)
{
    CLEANUP(lint_sample_release) struct lint_sample s = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 }, all = { 0 };
    struct err err = { 0 };

    buf_add_text(&text, "model_list:\n");
    for (int i = 0; i < 12; i++) {
        buf_addf(&text, "- {model_name: m%d, litellm_params: {model: x}}\n", i);
        buf_addf(&all, "%sm%d", i ? ", " : "", i);
    }
    buf_addf(&text, "router_settings: {fallbacks: [{'*': [%s]}]}\n", buf_cstr(&all));
    ck_assert_int_eq(lint_sample_read(&s, buf_cstr(&text), 0, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_trap_is_found_where_it_is_and_only_there, 0, (int)ARRAY_LEN(traps));
    tcase_add_test(tc, every_rule_says_how_to_put_it_right_and_where_it_is_from);
    tcase_add_test(tc, the_fallback_behind_a_deadline_is_unreachable_and_before_it_reachable);
    tcase_add_loop_test(tc, the_time_to_the_second_target_is_the_sum_of_what_comes_before, 0,
                        (int)ARRAY_LEN(times));
    tcase_add_loop_test(tc, portkeys_targets_have_what_stands_around_them, 0, ARRAY_LEN(asked));
    tcase_add_test(tc, an_sdk_multiplies_attempts_that_it_tries_again);
    tcase_add_loop_test(tc, what_cannot_be_read_is_refused_with_its_place, 0,
                        (int)ARRAY_LEN(unreadable));
    tcase_add_test(tc, every_key_is_accounted_for_once);
    tcase_add_test(tc, fallbacks_that_multiply_without_end_are_refused);
}

CHECK_MAIN("replay/lint", add_tests)

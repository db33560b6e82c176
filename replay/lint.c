#include "config.h"

#include "replay/lint.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/buf.h"

#define ROW(...)                                                                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

const char *const lint_severity_names[] = {
    [LINT_NOTE] = "note",
    [LINT_WARNING] = "warning",
    [LINT_ERROR] = "error",
};

const char *const lint_fidelity_names[] = {
    [LINT_EXACT] = "exact",
    [LINT_APPROXIMATED] = "approximated",
    [LINT_UNSUPPORTED] = "unsupported",
    [LINT_ASIDE] = "aside",
};

#define LITELLM_DOCS "docs.litellm.ai, docs/proxy/config_settings and docs/routing (May 2026)"
#define LITELLM_CODE "litellm/router.py and router_utils (2026)"
#define PORTKEY_CODE "Portkey-AI/gateway src/handlers (May 2026)"
#define PORTKEY_DOCS "portkey.ai/docs, config object (August 2026)"
#define ENVOY_API    "Envoy Gateway api/v1alpha1 (August 2026)"
#define TENSORZERO   "tensorzero.com/docs, configuration reference (April 2026)"
#define BIFROST      "docs.getbifrost.ai, retries and fallbacks (2026)"
#define ARITHMETIC   "arithmetic over the timers and retries of the file"

/* clang-format off: one a line */
const struct lint_rule_row lint_rules[LINT_RULES] = {
    [LINT_UNREACHABLE] =
        ROW("fallback-unreachable", LINT_ERROR,
            "shorten the timeouts or retries of what comes before it, or allow the caller longer",
            ARITHMETIC),
    [LINT_NOTHING_ENDS_IT] = ROW("nothing-ends-the-wait", LINT_ERROR,
                                 "set a timeout that fires while nothing arrives", ARITHMETIC),
    [LINT_NOT_TRIED] = ROW("fallback-not-tried", LINT_WARNING,
                           "add the failure to what leads to the fallback", ARITHMETIC),
    [LINT_KEY_UNKNOWN] = ROW("key-unknown", LINT_WARNING, "check the spelling: it may do nothing",
                             "the keys that the format's documentation names"),
    [LINT_SAME_TARGET] = ROW("same-target-again", LINT_WARNING,
                             "name another target: what failed there will fail again", ARITHMETIC),
    [LINT_TIMEOUT_TINY] =
        ROW("timeout-tiny", LINT_WARNING, "check the unit: hardly any model answers within 100 ms",
            "units differ: LiteLLM seconds, Portkey and Bifrost milliseconds"),
    [LINT_ALLOWED_FAILS_3] =
        ROW("litellm-allowed-fails-3", LINT_WARNING,
            "use another number, or allowed_fails_policy, to get what it says", LITELLM_CODE),
    [LINT_NUM_RETRIES_UNSAID] = ROW("litellm-num-retries-unsaid", LINT_NOTE, "say num_retries",
                                    LITELLM_DOCS ": 3; code: 2"),
    [LINT_TIMEOUT_UNSAID] =
        ROW("timeout-unsaid", LINT_WARNING, "say a timeout shorter than what callers wait",
            "the format's default"),
    [LINT_FALLBACK_UNKNOWN] = ROW("fallback-unknown", LINT_ERROR,
                                  "add it to the list it is looked up in, or correct its name",
                                  "lookup by name at the time of the call"),
    [LINT_FALLBACK_CYCLE] =
        ROW("fallback-cycle", LINT_WARNING,
            "leave out of a fallback's list what it is the fallback of", LITELLM_CODE),
    [LINT_MAX_FALLBACKS] = ROW("litellm-max-fallbacks", LINT_WARNING,
                               "raise max_fallbacks, or shorten the chain", LITELLM_CODE),
    [LINT_WEIGHT_MISSING] = ROW("litellm-weight-missing", LINT_WARNING,
                                "give every deployment of the group the same kind of weight",
                                LITELLM_CODE ", simple_shuffle"),
    [LINT_WILDCARD_COOLDOWN] =
        ROW("litellm-wildcard-never-cools", LINT_WARNING,
            "name the models whose failures should count", LITELLM_CODE ", cooldown_handlers"),
    [LINT_NO_FALLBACK] =
        ROW("no-fallback", LINT_NOTE,
            "add a fallback, if calls should survive the provider's failure", ARITHMETIC),
    [LINT_SMALLER_CONTEXT] =
        ROW("fallback-smaller-context", LINT_WARNING,
            "fall back to a model that takes as many tokens", "max_input_tokens of the file"),
    [LINT_MOCK] =
        ROW("mock-left-in", LINT_WARNING, "take it out of what real callers use", LITELLM_DOCS),
    [LINT_OVERRIDDEN] = ROW("litellm-setting-overridden", LINT_WARNING, "keep one of the two",
                            LITELLM_CODE ": router_settings wins"),
    [LINT_RETRY_AFTER_SPELLING] = ROW("portkey-retry-after-spelling", LINT_WARNING,
                                      "write use_retry_after_header for the open-source gateway, "
                                      "use_retry_after_headers for the hosted one",
                                      PORTKEY_CODE "; " PORTKEY_DOCS),
    [LINT_408_MISSING] =
        ROW("portkey-408-missing", LINT_WARNING,
            "add 408 to on_status_codes: it is what request_timeout answers", PORTKEY_CODE),
    [LINT_CODES_EMPTY] = ROW("portkey-no-status-codes", LINT_ERROR,
                             "leave on_status_codes out, or name statuses", PORTKEY_CODE),
    [LINT_PICK_NO_FALLBACK] =
        ROW("portkey-loadbalance-alone", LINT_WARNING,
            "put the target into a fallback strategy of its own: no other is tried", PORTKEY_CODE),
    [LINT_CB_CONFIG] = ROW("portkey-cb-config", LINT_WARNING,
                           "expect it to work in the hosted gateway only", PORTKEY_CODE),
    [LINT_ATTEMPTS_OVER_5] = ROW(
        "portkey-attempts-over-5", LINT_WARNING,
        "use at most 5: the hosted gateway takes no more, the open-source one all", PORTKEY_DOCS),
    [LINT_ZERO_WEIGHTS] =
        ROW("weights-sum-to-zero", LINT_ERROR,
            "give at least one target a weight: none can be chosen", PORTKEY_CODE),
    [LINT_NO_DEFAULT] =
        ROW("portkey-no-default", LINT_WARNING,
            "add strategy.default: a call that no condition fits fails", PORTKEY_CODE),
    [LINT_RETRY_ON_429_503] = ROW("envoy-retry-on", LINT_WARNING,
                                  "list what providers fail with: 429, 500, 502, 503, 504, with "
                                  "the trigger retriable-status-codes",
                                  ENVOY_API),
    [LINT_ATTEMPTS_PER_PRIORITY] =
        ROW("envoy-attempts-per-priority", LINT_ERROR,
            "set retry.numAttemptsPerPriority: without it every retry goes to the same priority",
            ENVOY_API),
    [LINT_MAX_EJECTION] =
        ROW("envoy-max-ejection", LINT_WARNING,
            "set maxEjectionPercent to 100, or alwaysEjectOneEndpoint", ENVOY_API),
    [LINT_CODES_WITHOUT_TRIGGER] =
        ROW("envoy-codes-without-trigger", LINT_ERROR,
            "add the trigger retriable-status-codes: without it httpStatusCodes does nothing",
            ENVOY_API),
    [LINT_POLICY_ALONE] = ROW("envoy-policy-alone", LINT_WARNING,
                              "lint it together with the file of its route", ENVOY_API),
    [LINT_STREAM_IDLE_UNSAID] =
        ROW("stream-idle-unsaid", LINT_WARNING, "set a timeout between two pieces of a stream",
            "the format's default"),
    [LINT_RETRIES_400] =
        ROW("tensorzero-retries-400", LINT_WARNING,
            "expect a bad request to be sent that many times: every error is repeated", TENSORZERO),
    [LINT_ROUTING_MISMATCH] =
        ROW("tensorzero-routing", LINT_ERROR,
            "list every provider once in routing, and none that is not there", TENSORZERO),
    [LINT_UNKNOWN_VARIANT] =
        ROW("tensorzero-variant", LINT_ERROR, "name variants of the function", TENSORZERO),
    [LINT_UNKNOWN_PROVIDER] =
        ROW("bifrost-provider-unknown", LINT_ERROR,
            "add the provider under providers, or take it out of the key", BIFROST),
    [LINT_DENY_ALL] = ROW("bifrost-denies-all", LINT_WARNING,
                          "name what is allowed: an empty list allows nothing", BIFROST),
    [LINT_INSTEAD_REFUSED] =
        ROW("instead-refused", LINT_ERROR, "give a model that those whom it is given to may use",
            "weir's own policy, asked for a caller that the rule is about"),
};
/* clang-format on */

void lint_release(struct lint *l)
{
    arena_release(&l->arena);
    vec_release(&l->findings);
    vec_release(&l->keys);
}

void lint_find(struct lint *l, enum lint_rule rule, struct plan_place at, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list ap;

    if (l->findings.len == LINT_FINDINGS_MAX) {
        l->dropped++;
        return;
    }
    va_start(ap, fmt);
    buf_addvf(&text, fmt, ap);
    va_end(ap);
    vec_push(&l->findings, ((struct lint_finding){
                               .rule = rule,
                               .at = at,
                               .text = arena_str(&l->arena, buf_str(&text)),
                           }));
}

void lint_key(struct lint *l, struct plan_place at, struct str path, enum lint_fidelity fidelity,
              const char *note)
{
    vec_push(&l->keys, ((struct lint_key){
                           .at = at,
                           .path = arena_str(&l->arena, path),
                           .fidelity = fidelity,
                           .note = note ? note : "",
                       }));
}

static int compare_findings(const void *a, const void *b)
{
    const struct lint_finding *x = a, *y = b;
    int order = str_cmp(x->at.file, y->at.file);

    if (order == 0 && x->at.line != y->at.line)
        order = x->at.line < y->at.line ? -1 : 1;
    if (order == 0 && x->at.column != y->at.column)
        order = x->at.column < y->at.column ? -1 : 1;
    if (order == 0 && x->rule != y->rule)
        order = x->rule < y->rule ? -1 : 1;
    return order ? order : str_cmp(x->text, y->text);
}

void lint_sort(struct lint *l)
{
    if (l->findings.len)
        qsort(l->findings.ptr, l->findings.len, sizeof(*l->findings.ptr), compare_findings);
}

size_t lint_count(const struct lint *l, enum lint_severity severity)
{
    size_t n = 0;

    for (size_t i = 0; i < l->findings.len; i++)
        n += lint_rules[l->findings.ptr[i].rule].severity == severity;
    return n;
}

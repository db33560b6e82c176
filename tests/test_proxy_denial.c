/* A refusal of weir's is one of the provider's to its client: status, headers, and what SDKs read
 * of the body. */
#include "config.h"

#include "proxy/denial.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "tests/check_main.h"

#define RETRY_US INT64_C(1500400) /* to be told as no less */

struct made {
    struct denial denial;
    struct buf body;
    json_t *json;
};

static void made_release(struct made *m)
{
    json_decref(m->json);
    buf_release(&m->body);
}
DEFINE_CLEANUP_VALUE(struct made, made_release)

static void make(const struct denial_why *why, struct made *ret)
{
    struct err err = { 0 };

    *ret = (struct made){ 0 };
    denial_make(why, &ret->denial, &ret->body);
    ck_assert_msg(json_parse(buf_str(&ret->body), &ret->json, &err) == 0, "%s: %s", err.text,
                  buf_cstr(&ret->body));
}

/* "error.details.0.retryDelay": the text or the number there; "" = nothing. */
static const char *at(const json_t *json, const char *path)
{
    static char text[300];
    struct str rest = str_from(path), part;

    while (json && str_split(&rest, '.', &part)) {
        snprintf(text, sizeof(text), "%.*s", STR_ARG(part));
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(text))
                                   : json_object_get(json, text);
    }
    if (json_is_string(json))
        snprintf(text, sizeof(text), "%s", json_string_value(json));
    else if (json_is_integer(json))
        snprintf(text, sizeof(text), "%d", (int)json_integer_value(json));
    else
        snprintf(text, sizeof(text), "%s", json_is_null(json) ? "null" : "");
    return text;
}

/* "name=value name=value", in the order they are sent. */
static const char *headers_of(const struct denial *d)
{
    static char text[300];
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < d->reply.header_count; i++)
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s=%.*s", i ? " " : "",
                             STR_ARG(d->reply.headers[i].name), STR_ARG(d->reply.headers[i].value));
    return text;
}

#define LATER "retry-after=2 retry-after-ms=1501"
#define NEVER "x-should-retry=false"

static const struct {
    const char *api;
    enum denial_kind kind;
    unsigned status;
    const char *headers;
    const char *has[4][2]; /* place in the body, what is there */
} rows[] = {
    ROW("openai", DENIAL_ACCESS, 403, NEVER,
        {{ "error.type", "invalid_request_error" },
                                              { "error.code", "model_not_found" },
                                              { "error.param", "null" } }
           ),
    ROW("openai", DENIAL_LIMIT, 429, LATER,
        { { "error.type", "requests" },                                             { "error.code", "rate_limit_exceeded" }                                  }
           ),
    ROW("openai", DENIAL_CONCURRENCY, 429, LATER,
        { { "error.type", "requests" },                                             { "error.code", "rate_limit_exceeded" } }
           ),
    ROW("openai", DENIAL_BUDGET, 429, NEVER,
        { { "error.type", "insufficient_quota" },                                             { "error.code", "insufficient_quota" }                        }
           ),
    ROW("openai", DENIAL_UNAVAILABLE, 503, LATER,
        { { "error.type", "service_unavailable_error" }                                            }
           ),
    ROW("openai", DENIAL_UNREADABLE, 400, NEVER, { { "error.type", "invalid_request_error" }    }
           ),
    ROW("azure_openai", DENIAL_LIMIT, 429, LATER, { { "error.code", "rate_limit_exceeded" }                                            }
           ),
    ROW("anthropic", DENIAL_ACCESS, 403, NEVER,
        { { "type", "error" },                                             { "error.type", "permission_error" }}
           ),
    ROW("anthropic", DENIAL_LIMIT, 429, LATER,
        { { "type", "error" },                       { "error.type", "rate_limit_error" },                   { "error.details", "" } }
           ),
    ROW("anthropic", DENIAL_CONCURRENCY, 429, LATER,
        { { "type", "error" },          { "error.type", "rate_limit_error" }}
           ),
    ROW("anthropic", DENIAL_BUDGET, 429, NEVER,
        { { "type", "error" },
                                              { "error.type", "rate_limit_error" },
                                              { "error.details.error_code", "enforced_spend_limit_reached" } }
           ),
    ROW("anthropic", DENIAL_UNAVAILABLE, 503, LATER, { { "error.type", "api_error" }                }
           ),
    ROW("gemini", DENIAL_ACCESS, 403, NEVER,
        { { "error.code", "403" },
                                              { "error.status", "PERMISSION_DENIED" },
                                              { "error.details", "" } }
           ),
    ROW("gemini", DENIAL_LIMIT, 429, LATER,
        { { "error.code", "429" },
                                              { "error.status", "RESOURCE_EXHAUSTED" },
                                              { "error.details.0.@type", "type.googleapis.com/google.rpc.RetryInfo" },
                                              { "error.details.0.retryDelay", "1.501s" } }
           ),
    ROW("gemini", DENIAL_CONCURRENCY, 429, LATER,
        { { "error.status", "RESOURCE_EXHAUSTED" },     { "error.details.0.retryDelay", "1.501s" }    }
           ),
    ROW("gemini", DENIAL_BUDGET, 429, NEVER,
        { { "error.code", "429" },
                                              { "error.status", "RESOURCE_EXHAUSTED" },
                                              { "error.details", "" } }
           ),
    ROW("bedrock", DENIAL_ACCESS, 403, NEVER, { { "__type", "AccessDeniedException" }      }
           ),
    ROW("bedrock", DENIAL_LIMIT, 429, LATER, { { "__type", "ThrottlingException" }        }
           ),
    ROW("bedrock", DENIAL_CONCURRENCY, 429, LATER, { { "__type", "ThrottlingException" }                                     }
           ),
 /* its clients repeat every 429 */
    ROW("bedrock", DENIAL_BUDGET, 400, NEVER, { { "__type", "ServiceQuotaExceededException" }}
           ),
    ROW("bedrock", DENIAL_UNAVAILABLE, 503, LATER, { { "__type", "ServiceUnavailableException" }                                            }
           ),
    ROW("ollama", DENIAL_ACCESS, 403, NEVER,
        { { "error.type", "weir_error" },                                             { "error.code", "policy_access" }                                           }
           ),
    ROW("", DENIAL_BUDGET, 429, NEVER,
        { { "error.type", "weir_error" },                                             { "error.code", "policy_budget" }                          }
           ),
};

START_TEST(a_refusal_is_in_the_form_of_the_provider)
{
    const struct denial_why why = { .kind = rows[_i].kind,
                                    .api = str_from(rows[_i].api),
                                    .rule = STR("access[0]"),
                                    .model = STR("m-1"),
                                    .retry_after_us = RETRY_US };
    CLEANUP(made_release) struct made m;

    make(&why, &m);
    ck_assert_uint_eq(m.denial.reply.status, rows[_i].status);
    ck_assert_str_eq(headers_of(&m.denial), rows[_i].headers);
    for (size_t i = 0; i < ARRAY_LEN(rows[_i].has) && rows[_i].has[i][0]; i++)
        ck_assert_msg(strncmp(at(m.json, rows[_i].has[i][0]), rows[_i].has[i][1],
                              strlen(rows[_i].has[i][1])) == 0 &&
                          (rows[_i].has[i][1][0] || !at(m.json, rows[_i].has[i][0])[0]),
                      "%s of %s", rows[_i].has[i][0], buf_cstr(&m.body));
    const char *says =
        at(m.json, strcmp(rows[_i].api, "bedrock") == 0 ? "message" : "error.message");
    ck_assert_msg(strstr(says, "weir: ") == says && strstr(says, "'m-1'") &&
                      strstr(says, "access[0]"),
                  "%s", says);
}
END_TEST

/* When it is not known when to come again, no moment is told. */
START_TEST(no_moment_is_made_up)
{
    static const char *const apis[] = { "openai", "anthropic", "gemini", "bedrock" };

    for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
        const struct denial_why why = { .kind = DENIAL_CONCURRENCY, .api = str_from(apis[i]) };
        CLEANUP(made_release) struct made m;
        make(&why, &m);
        ck_assert_uint_eq(m.denial.reply.header_count, 0);
        ck_assert_str_eq(at(m.json, "error.details"), "");
        ck_assert_ptr_null(strstr(buf_cstr(&m.body), "retryDelay"));
    }
}
END_TEST

/* The model is the caller's text: quotes, line ends and half a megabyte of it. */
START_TEST(a_model_of_any_bytes_leaves_the_body_json)
{
    static const char *const apis[] = { "openai", "anthropic", "gemini", "bedrock", "" };
    CLEANUP(buf_release) struct buf model = { 0 };

    buf_add_str(&model, STR("\"},\r\nx: y\r\n\r\n{\x01\\\xff"));
    while (model.len < 500000)
        buf_add_text(&model, "m\"");
    for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
        const struct denial_why why = { .kind = DENIAL_ACCESS,
                                        .api = str_from(apis[i]),
                                        .rule = STR("access[0]"),
                                        .model = buf_str(&model) };
        CLEANUP(made_release) struct made m;
        make(&why, &m);
        ck_assert_uint_lt(m.body.len, 1500);
        ck_assert_ptr_null(strchr(buf_cstr(&m.body), '\r'));
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_refusal_is_in_the_form_of_the_provider, 0, (int)ARRAY_LEN(rows));
    tcase_add_test(tc, no_moment_is_made_up);
    tcase_add_test(tc, a_model_of_any_bytes_leaves_the_body_json);
}

CHECK_MAIN("proxy/denial", add_tests)

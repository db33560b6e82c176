/* No credential may leave a call: every header and parameter that can carry one is tried. */
#include "config.h"

#include "capture/redact.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "check_main.h"
#include "shared_data.h"

#define SECRET          "sk-planted-4f9Zq7"
#define DATA_BYTES_MAX  (64u << 20)
#define SHARED_REQUESTS "sdk-requests/parsed.jsonl"

static const struct key key = {
    .bytes = {1, 2, 3}
};
static struct arena arena;
static char fingerprint[FINGERPRINT_TEXT_BYTES]; /* of SECRET */

static void setup(void)
{
    key_fingerprint(&key, "key", STR(SECRET), fingerprint);
}

static void teardown(void)
{
    arena_release(&arena);
    arena = (struct arena){ 0 };
}

/* want has '@' where the marked fingerprint of SECRET belongs. */
static void assert_redacted(struct str got, const char *want)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    for (; *want; want++)
        if (*want == '@')
            buf_addf(&text, REDACT_MARK "%s", fingerprint);
        else
            buf_add_byte(&text, *want);
    ck_assert_msg(str_eq(got, buf_str(&text)), "got '%.*s', want '%s'", STR_ARG(got),
                  buf_cstr(&text));
}

static const struct {
    const char *name, *value, *want;
    bool caller; /* it says who calls */
} headers[] = {
    {"Authorization",                    "Bearer " SECRET,                                               "Bearer @",                      true },
    { "authorization",                   "bearer  " SECRET,                                              "bearer @",                      true },
    { "AUTHORIZATION",                   "Basic " SECRET,                                                "Basic @",                       true },
    { "authorization",                   SECRET,                                                         "@",                             true },
    { "authorization",                   "Token " SECRET,                                                "Token @",                       true },
    { "x-api-key",                       SECRET,                                                         "@",                             true },
    { "X-Api-Key",                       " " SECRET " ",                                                 "@",                             true },
    { "api-key",                         SECRET,                                                         "@",                             true },
    { "x-goog-api-key",                  SECRET,                                                         "@",                             true },
    { "Ocp-Apim-Subscription-Key",       SECRET,                                                         "@",                             true },
    { "x-weir-key",                      SECRET,                                                         "@",                             true },
    { "x-litellm-api-key",               "Bearer " SECRET,                                               "Bearer @",                      true },
    { "x-portkey-api-key",               SECRET,                                                         "@",                             true },
    { "Helicone-Auth",                   "Bearer " SECRET,                                               "Bearer @",                      true },
    { "cf-aig-authorization",            "Bearer " SECRET,                                               "Bearer @",                      true },
    { "sec-websocket-protocol",          "realtime, openai-insecure-api-key." SECRET ", openai-beta.v1",
     "realtime, openai-insecure-api-key.@, openai-beta.v1",                                                                               true },
    { "proxy-authorization",             "Basic " SECRET,                                                "Basic @",                       false},
    { "cookie",                          SECRET,                                                         "@",                             false},
    { "Set-Cookie",                      SECRET,                                                         "@",                             false},
    { "x-amz-security-token",            SECRET,                                                         "@",                             false},
    { "x-portkey-virtual-key",           SECRET,                                                         "@",                             false},
    { "x-portkey-config",                SECRET,                                                         "@",                             false},
    { "x-portkey-aws-secret-access-key", SECRET,                                                         "@",                             false},
    { "x-litellm-anything",              SECRET,                                                         "@",                             false},
    { "x-vendor-api-key",                SECRET,                                                         "@",                             false},
    { "X_Vendor_Token",                  SECRET,                                                         "@",                             false},
    { "x-client-secret",                 SECRET,                                                         "@",                             false},
    { "x-goog-iap-jwt-assertion",        SECRET,                                                         "@",                             false},
    { "x-ms-token-aad-access-token",     SECRET,                                                         "@",                             false},
    { "referer",                         "https://a.example/x?key=" SECRET "&y=1",                       "https://a.example/x?key=@&y=1", false},
    { "location",                        "/x?access_token=" SECRET,                                      "/x?access_token=@",             false},
    { ":path",                           "/v1/models?key=" SECRET,                                       "/v1/models?key=@",              true },
};

START_TEST(a_credential_header_is_replaced_by_its_fingerprint)
{
    struct redact_caller caller = { 0 };
    struct call_header h = { str_from(headers[_i].name), str_from(headers[_i].value) };
    struct str got = redact_header(&key, &arena, h, &caller);

    assert_redacted(got, headers[_i].want);
    ck_assert_str_eq(caller.key_id, headers[_i].caller ? fingerprint : "");
    /* Once more changes nothing: exports are imported again. */
    h.value = got;
    assert_redacted(redact_header(&key, &arena, h, &caller), headers[_i].want);
}
END_TEST

static const struct {
    const char *name, *value;
} harmless[] = {
    {"content-type",                      "application/json"                },
    { "x-ratelimit-remaining-tokens",     "100"                             },
    { "x-amzn-bedrock-input-token-count", "7"                               },
    { "idempotency-key",                  "stainless-retry-1"               },
    { "x-litellm-response-cost",          "0.001"                           },
    { "x-litellm-call-id",                "abc"                             },
    { "x-portkey-provider",               "openai"                          },
    { "x-portkey-trace-id",               "abc"                             },
    { "www-authenticate",                 "Bearer realm=\"x\""              },
    { "cookie",                           ""                                },
    { "x-amz-content-sha256",             "cdfab436"                        },
    { "referer",                          "https://a.example/x?page_token=9"},
};

START_TEST(a_header_that_only_looks_like_a_credential_stays)
{
    struct redact_caller caller = { 0 };
    struct call_header h = { str_from(harmless[_i].name), str_from(harmless[_i].value) };

    ck_assert(str_eq(redact_header(&key, &arena, h, &caller), h.value));
    ck_assert_str_eq(caller.key_id, "");
}
END_TEST

/* Names are looked up once: one that differs in a NUL alone must not speak for the other. */
START_TEST(a_name_that_differs_by_a_nul_is_another_name)
{
    struct call_header secret = { STR("x-nul-key"), STR(SECRET) };
    struct call_header other = { STR("x-nul-key\0"), STR("text") };

    for (int i = 0; i < 3; i++) {
        ck_assert(str_eq(redact_header(&key, &arena, other, NULL), other.value));
        assert_redacted(redact_header(&key, &arena, secret, NULL), "@");
    }
}
END_TEST

START_TEST(an_aws_signature_goes_and_its_region_and_date_stay)
{
    struct redact_caller caller = { 0 };
    struct call_header h = {
        STR("authorization"),
        STR("AWS4-HMAC-SHA256 Credential=" SECRET "/20261122/us-east-1/bedrock/aws4_request, "
            "SignedHeaders=content-type;host, Signature=" SECRET),
    };

    assert_redacted(redact_header(&key, &arena, h, &caller),
                    "AWS4-HMAC-SHA256 Credential=@/20261122/us-east-1/bedrock/aws4_request, "
                    "SignedHeaders=content-type;host, Signature=@");
    ck_assert_str_eq(caller.key_id, fingerprint);

    h.value = STR("AWS4-HMAC-SHA256 " SECRET);
    struct str got = redact_header(&key, &arena, h, NULL);
    ck_assert(str_starts_with(got, STR(REDACT_MARK)));
    ck_assert_int_lt(str_find(got, STR(SECRET), 0), 0);
}
END_TEST

static const struct {
    const char *query, *want;
    bool caller;
} queries[] = {
    {"key=" SECRET,                                                                  "key=@",                          true },
    { "alt=sse&key=" SECRET "&x=1",                                                  "alt=sse&key=@&x=1",              true },
    { "KEY=" SECRET,                                                                 "KEY=@",                          true },
    { "%6bey=" SECRET,                                                               "%6bey=@",                        true },
    { "api_key=" SECRET,                                                             "api_key=@",                      true },
    { "api-key=sk%2Dplanted-4f9Zq7",                                                 "api-key=@",                      true },
    { "access_token=" SECRET,                                                        "access_token=@",                 true },
    { "subscription-key=" SECRET,                                                    "subscription-key=@",             true },
    { "code=" SECRET,                                                                "code=@",                         false},
    { "sv=1&sig=" SECRET,                                                            "sv=1&sig=@",                     false},
    { "X-Amz-Signature=" SECRET "&X-Amz-Date=1",                                     "X-Amz-Signature=@&X-Amz-Date=1", false},
    { "X-Amz-Credential=" SECRET "%2F20261122%2Fus-east-1%2Fbedrock%2Faws4_request",
     "X-Amz-Credential=@/20261122/us-east-1/bedrock/aws4_request",                                                     true },
    { "X-Amz-Security-Token=" SECRET,                                                "X-Amz-Security-Token=@",         false},
    { "client_secret=" SECRET,                                                       "client_secret=@",                false},
    { "refresh_token=" SECRET,                                                       "refresh_token=@",                false},
    { "x_session_token=" SECRET,                                                     "x_session_token=@",              false},
    { "a=1;key=" SECRET,                                                             "a=1;key=@",                      true },
    { "flag&key=" SECRET "&",                                                        "flag&key=@&",                    true },
    { "pageToken=9&model=gpt",                                                       "pageToken=9&model=gpt",          false},
    { "",                                                                            "",                               false},
};

START_TEST(a_credential_parameter_is_replaced_by_its_fingerprint)
{
    struct redact_caller caller = { 0 };

    assert_redacted(redact_query(&key, &arena, str_from(queries[_i].query), &caller),
                    queries[_i].want);
    ck_assert_str_eq(caller.key_id, queries[_i].caller ? fingerprint : "");
}
END_TEST

START_TEST(a_url_loses_its_user_and_its_fragment)
{
    struct redact_caller caller = { 0 };

    assert_redacted(
        redact_url(&key, &arena,
                   STR("https://" SECRET "@api.example:8/v1/x?key=" SECRET "#access_token=" SECRET),
                   &caller),
        "https://api.example:8/v1/x?key=@");
    ck_assert_str_eq(caller.key_id, fingerprint);
    struct str plain = STR("/v1//x@y");
    ck_assert(str_eq(redact_url(&key, &arena, plain, NULL), plain));
}
END_TEST

START_TEST(the_first_of_the_auth_headers_says_who_calls)
{
    struct redact_caller caller = { 0 };
    struct call_header three[] = {
        {STR("x-api-key"),      STR("other")         },
        { STR("cookie"),        STR("session")       },
        { STR("authorization"), STR("Bearer " SECRET)}
    };

    redact_query(&key, &arena, STR("key=third"), &caller);
    redact_headers(&key, &arena, three, ARRAY_LEN(three), &caller);
    ck_assert_str_eq(caller.key_id, fingerprint);
}
END_TEST

START_TEST(a_realtime_client_secret_is_taken_out_of_the_answer)
{
    static const struct {
        const char *body, *want;
    } rows[] = {
        {"{\"value\":\"ek_" SECRET "\",\"expires_at\":1,\"session\":{\"model\":\"gpt\"}}",      NULL},
        { "{\"client_secret\": {\"value\": \"" SECRET "\", \"expires_at\": 1}, \"id\": \"s\"}",
         "{\"client_secret\": {\"value\": \"@\", \"expires_at\": 1}, \"id\": \"s\"}"                },
        { "{\"access_token\":\"" SECRET "\",\"token_type\":\"Bearer\"}",
         "{\"access_token\":\"@\",\"token_type\":\"Bearer\"}"                                       },
        { "grant_type=refresh_token&refresh_token=" SECRET,
         "grant_type=refresh_token&refresh_token=@"                                                 },
        { "{\"session\":{\"model\":\"gpt-realtime\"}}",
         "{\"session\":{\"model\":\"gpt-realtime\"}}"                                               },
    };
    CLEANUP(buf_release) struct buf out = { 0 };

    ck_assert(redact_is_credential_path(STR("/openai/v1/realtime/client_secrets")));
    ck_assert(!redact_is_credential_path(STR("/v1/chat/completions")));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        buf_clear(&out);
        ck_assert_int_eq(redact_body(&key, str_from(rows[i].body), &out), 0);
        ck_assert_int_lt(str_find(buf_str(&out), STR(SECRET), 0), 0);
        if (rows[i].want)
            assert_redacted(buf_str(&out), rows[i].want);
    }
}
END_TEST

START_TEST(an_answer_with_credentials_that_is_cut_anywhere_is_refused_or_clean)
{
    struct str body = STR("{\"client_secret\": {\"value\": \"" SECRET "\", \"expires_at\": 1}}");
    CLEANUP(buf_release) struct buf out = { 0 };

    for (size_t len = 1; len < body.len; len++) {
        buf_clear(&out);
        ck_assert_int_eq(redact_body(&key, str_sub(body, 0, len), &out), -1);
        ck_assert_uint_eq(out.len, 0);
    }
}
END_TEST

/* What the test knows to be secret in a recorded request's header. */
static struct str secret_of(struct str name, struct str value)
{
    static const char *const names[] = { "authorization", "x-api-key", "api-key",
                                         "x-goog-api-key" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (str_ieq(name, str_from(names[i]))) {
            ptrdiff_t id = str_find(value, STR("Credential="), 0);
            if (id >= 0) {
                struct str rest = str_sub(value, (size_t)id + 11, value.len);
                return str_sub(rest, 0, (size_t)str_find_char(rest, '/', 0));
            }
            ptrdiff_t blank = str_find_char(value, ' ', 0);
            return blank < 0 ? value : str_sub(value, (size_t)blank + 1, value.len);
        }
    return (struct str){ 0 };
}

START_TEST(the_credentials_of_every_sdk_are_found)
{
    char path[SHARED_DATA_PATH_BYTES];
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;
    struct str line;
    int requests = 0, secrets = 0;

    if (!shared_data_find(SHARED_REQUESTS, path))
        return;
    ck_assert_msg(file_read(path, DATA_BYTES_MAX, &text, &err) == 0, "%s", err.text);
    struct str rest = buf_str(&text);
    while (str_split(&rest, '\n', &line)) {
        json_t *request = NULL, *value;
        const char *name;
        if (line.len == 0)
            continue;
        ck_assert_msg(json_parse(line, &request, &err) == 0, "%s", err.text);
        json_object_foreach(json_get(request, "headers"), name, value)
        {
            struct call_header h = { str_from(name), str_from(json_string_value(value)) };
            struct redact_caller caller = { 0 };
            struct str secret = secret_of(h.name, h.value);
            struct str got = redact_header(&key, &arena, h, &caller);
            if (secret.len == 0)
                continue;
            secrets++;
            ck_assert_msg(str_find(got, secret, 0) < 0, "%s: %.*s", name, STR_ARG(got));
            ck_assert_int_eq((int)strlen(caller.key_id), 16);
        }
        requests++;
        json_decref(request);
    }
    ck_assert_int_eq(requests, 58);
    ck_assert_int_ge(secrets, 50);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_credential_header_is_replaced_by_its_fingerprint, 0,
                        ARRAY_LEN(headers));
    tcase_add_loop_test(tc, a_header_that_only_looks_like_a_credential_stays, 0,
                        ARRAY_LEN(harmless));
    tcase_add_test(tc, a_name_that_differs_by_a_nul_is_another_name);
    tcase_add_test(tc, an_aws_signature_goes_and_its_region_and_date_stay);
    tcase_add_loop_test(tc, a_credential_parameter_is_replaced_by_its_fingerprint, 0,
                        ARRAY_LEN(queries));
    tcase_add_test(tc, a_url_loses_its_user_and_its_fragment);
    tcase_add_test(tc, the_first_of_the_auth_headers_says_who_calls);
    tcase_add_test(tc, a_realtime_client_secret_is_taken_out_of_the_answer);
    tcase_add_test(tc, an_answer_with_credentials_that_is_cut_anywhere_is_refused_or_clean);
    tcase_add_test(tc, the_credentials_of_every_sdk_are_found);
}

CHECK_MAIN("capture/redact", add_tests)

#include "config.h"

#include "proxy/head.h"

#include <string.h>

#include "proxy/door.h"
#include "tests/check_main.h"

static const struct {
    const char *value, *trace;
} parents[] = {
    {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
     "0af7651916cd43dd8448eb211c80319c"                              },
    { "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
     "0af7651916cd43dd8448eb211c80319c"                              },
    { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x", ""},
    { "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",   ""},
    { "00-00000000000000000000000000000000-b7ad6b7169203331-01",   ""},
    { "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",   ""},
    { "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",   ""},
    { "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",    ""},
    { "",                                                          ""},
};

START_TEST(a_trace_id_is_taken_from_a_valid_traceparent_only)
{
    ck_assert(str_eq(head_trace_id(str_from(parents[_i].value)), str_from(parents[_i].trace)));
}
END_TEST

START_TEST(a_made_traceparent_is_valid_even_of_zeros)
{
    uint8_t random[24] = { 0 };
    char text[TRACEPARENT_BYTES + 1];

    head_make_traceparent(random, text);
    ck_assert_str_eq(text, "00-01000000000000000000000000000000-0100000000000000-01");
    memset(random, 0xab, sizeof(random));
    head_make_traceparent(random, text);
    ck_assert_uint_eq(head_trace_id(str_from(text)).len, TRACE_ID_BYTES);
}
END_TEST

static const struct {
    const char *in, *out;
} encodings[] = {
    {"gzip, deflate, br, zstd",    "gzip, deflate, br, zstd"},
    { "gzip, deflate",             "gzip, deflate"          },
    { "GZIP;q=0.8,sdch , *;q=0.1", "GZIP;q=0.8"             },
    { "identity;q=0, br",          "identity;q=0, br"       },
    { "compress",                  "identity"               },
    { "*",                         "identity"               },
    { "",                          "identity"               },
};

START_TEST(only_encodings_that_can_be_undone_are_asked_for)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    head_filter_encodings(str_from(encodings[_i].in), &out);
    ck_assert_str_eq(buf_cstr(&out), encodings[_i].out);
}
END_TEST

/* The request as the upstream gets it, with a trace that is weir's own or was received. */
static void pass_in_trace(const char *request, const struct proxy_upstream *u, bool is_made,
                          struct buf *out)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_REQUESTS, NULL);
    struct head_trace trace = { .exchange_id = "ID", .traceparent = "TP", .is_made = is_made };
    struct str in = str_from(request);
    struct http1_event e;
    struct err err;

    ck_assert_int_eq(http1_next(h, &in, &e, &err), 1);
    head_write_request(out, http1_head(h),
                       &(struct head_request){ .upstream = u,
                                               .rest = STR("/v1?x"),
                                               .trace = &trace,
                                               .payload_hash = head_payload_hash(http1_head(h)),
                                               .now_us = INT64_C(1440938160000000) });
}

static void pass(const char *request, const struct proxy_upstream *u, struct buf *out)
{
    pass_in_trace(request, u, false, out);
}

START_TEST(the_state_of_a_trace_goes_no_further_than_the_trace)
{
    static const char *const request =
        "GET /up/v1?x HTTP/1.1\r\nHost: weir\r\nTraceState: a=b\r\n\r\n";
    struct proxy_upstream u = { .authority = STR("up") };
    CLEANUP(buf_release) struct buf out = { 0 };

    pass_in_trace(request, &u, false, &out);
    ck_assert_str_eq(buf_cstr(&out), "GET /v1?x HTTP/1.1\r\nHost: up\r\nTraceState: a=b\r\n"
                                     "traceparent: TP\r\nx-weir-exchange-id: ID\r\n\r\n");
    buf_clear(&out);
    pass_in_trace(request, &u, true, &out);
    ck_assert_str_eq(buf_cstr(&out), "GET /v1?x HTTP/1.1\r\nHost: up\r\n"
                                     "traceparent: TP\r\nx-weir-exchange-id: ID\r\n\r\n");
}
END_TEST

START_TEST(a_request_keeps_its_headers_but_for_those_of_the_connection)
{
    struct proxy_upstream u = { .authority = STR("up:1"), .base_path = STR("/base") };
    CLEANUP(buf_release) struct buf out = { 0 };

    pass(
        "POST /up/v1?x HTTP/1.1\r\nHost: weir\r\nB: 1\r\na: 2\r\nB: 3\r\nTE: trailers\r\n"
        "Connection: X-Hop\r\nX-Hop: 1\r\nX-Weir-App: z\r\nExpect: 100-continue\r\n"
        "Proxy-Authorization: p\r\nAuthorization: q\r\nTraceParent: t\r\nContent-Length: 3\r\n\r\n",
        &u, &out);
    ck_assert_str_eq(buf_cstr(&out),
                     "POST /base/v1?x HTTP/1.1\r\nHost: up:1\r\nB: 1\r\na: 2\r\nB: 3\r\n"
                     "Authorization: q\r\ntraceparent: TP\r\nx-weir-exchange-id: ID\r\n"
                     "Content-Length: 3\r\n\r\n");
}
END_TEST

START_TEST(an_upstreams_own_key_replaces_all_that_a_caller_sent)
{
    struct proxy_upstream u = { .authority = STR("up"),
                                .has_key = true,
                                .key_header = STR("x-gateway"),
                                .key_value = STR("k") };
    CLEANUP(buf_release) struct buf out = { 0 };

    pass("GET /up/v1?x HTTP/1.1\r\nHost: weir\r\nAuthorization: a\r\nX-API-Key: b\r\napi-key: c\r\n"
         "x-goog-api-key: d\r\nX-Gateway: e\r\n\r\n",
         &u, &out);
    ck_assert_str_eq(buf_cstr(&out), "GET /v1?x HTTP/1.1\r\nHost: up\r\nx-gateway: k\r\n"
                                     "traceparent: TP\r\nx-weir-exchange-id: ID\r\n\r\n");
}
END_TEST

START_TEST(an_upstream_that_wants_no_key_gets_none)
{
    struct proxy_upstream u = { .authority = STR("up"), .drops_key = true };
    CLEANUP(buf_release) struct buf out = { 0 };

    pass("GET /up/v1?x HTTP/1.1\r\nHost: weir\r\nAuthorization: a\r\nX-API-Key: b\r\n"
         "api-key: c\r\nx-goog-api-key: d\r\nx-amz-security-token: e\r\nX-Kept: f\r\n\r\n",
         &u, &out);
    ck_assert_str_eq(buf_cstr(&out), "GET /v1?x HTTP/1.1\r\nHost: up\r\nX-Kept: f\r\n"
                                     "traceparent: TP\r\nx-weir-exchange-id: ID\r\n\r\n");
}
END_TEST

static const struct {
    const char *path, *without_keys, *without_ours;
} paths[] = {
    {"/v1",                "/v1",         "/v1"            },
    { "/v1?",              "/v1?",        "/v1?"           },
    { "/v1?a=b&",          "/v1?a=b&",    "/v1?a=b&"       },
    { "/v1?&a&&b=&",       "/v1?&a&&b=&", "/v1?&a&&b=&"    },
    { "/v1?key=k",         "/v1",         "/v1?key=k"      },
    { "/v1?a=1&key=k",     "/v1?a=1",     "/v1?a=1&key=k"  },
    { "/v1?key=k&a=1",     "/v1?a=1",     "/v1?key=k&a=1"  },
    { "/v1?k%65y=k&a=1",   "/v1?a=1",     "/v1?k%65y=k&a=1"},
    { "/v1?key=weir_1&a&", "/v1?a&",      "/v1?a&"         },
};

START_TEST(a_path_loses_credentials_and_nothing_else)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    door_copy_path(str_from(paths[_i].path), true, &out);
    ck_assert_str_eq(buf_cstr(&out), paths[_i].without_keys);
    buf_clear(&out);
    door_copy_path(str_from(paths[_i].path), false, &out);
    ck_assert_str_eq(buf_cstr(&out), paths[_i].without_ours);
}
END_TEST

/* The answer to a GET as the client gets it. */
static void pass_answer(const char *answer, struct buf *out)
{
    CLEANUP(http1_free) struct http1 *h = http1_new(HTTP1_RESPONSES, NULL);
    struct str in = str_from(answer);
    struct http1_event e;
    struct err err;

    ck_assert_int_eq(http1_next(h, &in, &e, &err), 1);
    head_write_response(
        out, http1_head(h),
        &(struct head_answer){
            .framing = HTTP1_NO_BODY, .keep_alive = true, .minor = 1, .exchange_id = "ID" });
}

START_TEST(a_length_without_a_body_is_told_but_in_a_204)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    pass_answer("HTTP/1.1 304 Not Modified\r\nA: b\r\nContent-Length: 5\r\n\r\n", &out);
    ck_assert_str_eq(buf_cstr(&out), "HTTP/1.1 304 Not Modified\r\nA: b\r\n"
                                     "x-weir-exchange-id: ID\r\nContent-Length: 5\r\n\r\n");
    buf_clear(&out);
    pass_answer("HTTP/1.1 204 No Content\r\nA: b\r\nContent-Length: 5\r\n\r\n", &out);
    ck_assert_str_eq(buf_cstr(&out),
                     "HTTP/1.1 204 No Content\r\nA: b\r\nx-weir-exchange-id: ID\r\n\r\n");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_trace_id_is_taken_from_a_valid_traceparent_only, 0,
                        ARRAY_LEN(parents));
    tcase_add_test(tc, a_made_traceparent_is_valid_even_of_zeros);
    tcase_add_loop_test(tc, only_encodings_that_can_be_undone_are_asked_for, 0,
                        ARRAY_LEN(encodings));
    tcase_add_test(tc, the_state_of_a_trace_goes_no_further_than_the_trace);
    tcase_add_test(tc, a_request_keeps_its_headers_but_for_those_of_the_connection);
    tcase_add_test(tc, an_upstreams_own_key_replaces_all_that_a_caller_sent);
    tcase_add_test(tc, an_upstream_that_wants_no_key_gets_none);
    tcase_add_test(tc, a_length_without_a_body_is_told_but_in_a_204);
    tcase_add_loop_test(tc, a_path_loses_credentials_and_nothing_else, 0, ARRAY_LEN(paths));
}

CHECK_MAIN("proxy/head", add_tests)

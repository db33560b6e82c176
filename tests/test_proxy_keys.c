/* Keys that applications hold, and calls signed for AWS: the built weir, from outside. */
#include "config.h"

#include "base/digest.h"
#include "base/sigv4.h"
#include "capture/redact.h"
#include "proxy/client_key.h"
#include "tests/check_main.h"
#include "tests/h2_client.h"
#include "tests/proxy_run.h"

#define AKID   "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define TOKEN  "session-token-1"

static struct proxy_run run;
static struct buf answer;
static char bot[CLIENT_KEY_TEXT_BYTES], any[CLIENT_KEY_TEXT_BYTES], old[CLIENT_KEY_TEXT_BYTES],
    gone[CLIENT_KEY_TEXT_BYTES], unknown[CLIENT_KEY_TEXT_BYTES];

/* text with the first %s replaced. */
static void put_in(const char *text, const char *what, struct buf *out)
{
    const char *at = strstr(text, "%s");

    buf_clear(out);
    buf_add(out, text, at ? (size_t)(at - text) : strlen(text));
    if (at) {
        buf_add_text(out, what);
        buf_add_text(out, at + 2);
    }
}

static void add_key(struct buf *out, const char *id, const char *key, const char *rest)
{
    buf_addf(out, "    %s: {hash: \"", id);
    client_key_hash(str_from(key), out);
    buf_addf(out, "\"%s}\n", rest);
}

static const char *const upstreams[] = {
    "oa: {url: \"http://127.0.0.1:%s/v1\", api: openai, requires_key: true, key: {env: "
    "WEIR_TEST_UP_KEY}}",
    "an: {url: \"http://127.0.0.1:%s\", api: anthropic, requires_key: true, key: {env: "
    "WEIR_TEST_UP_KEY}}",
    "ge: {url: \"http://127.0.0.1:%s\", api: gemini, requires_key: true, key: {env: "
    "WEIR_TEST_UP_KEY}}",
    "az: {url: \"http://127.0.0.1:%s\", api: azure_openai, requires_key: true, key: {env: "
    "WEIR_TEST_UP_KEY}}",
    "be: {url: \"http://127.0.0.1:%s\", api: bedrock, requires_key: true, key: {aws: {access_key: "
    "{env: WEIR_TEST_AWS_ID}, secret_key: {env: WEIR_TEST_AWS_SECRET}, session_token: {env: "
    "WEIR_TEST_AWS_TOKEN}, region: eu-west-1}}}",
};

/* The first lines go on with proxy_configure's upstreams. */
static void start(void)
{
    CLEANUP(buf_release) struct buf text = { 0 }, line = { 0 };
    char port[16];
    char *keys[] = { bot, any, old, gone, unknown };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        client_key_make(keys[i]);
    setenv("WEIR_TEST_UP_KEY", "sk-of-the-upstream", 1);
    setenv("WEIR_TEST_AWS_ID", AKID, 1);
    setenv("WEIR_TEST_AWS_SECRET", SECRET, 1);
    setenv("WEIR_TEST_AWS_TOKEN", TOKEN, 1);
    proxy_prepare(&run, "");
    snprintf(port, sizeof(port), "%d", run.upstream_port);
    for (size_t i = 0; i < ARRAY_LEN(upstreams); i++) {
        put_in(upstreams[i], port, &line);
        buf_addf(&text, "  %s\n", buf_cstr(&line));
    }
    buf_add_text(&text, "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"
                        "archive: {path: ./archive}\n"
                        "apps: {bot: {team: support}, other: {team: sales}}\n"
                        "attribution: [{user_agent: \"liar*\", app: other}]\n"
                        "clients:\n"
                        "  required: false\n"
                        "  keys:\n");
    add_key(&text, "bot-1", bot, ", app: bot");
    add_key(&text, "any-1", any, "");
    add_key(&text, "old-1", old, ", expires: 2020-01-01");
    add_key(&text, "gone-1", gone, ", revoked: true");
    proxy_configure(&run, buf_cstr(&text));
    proxy_launch(&run);
}

static void stop(void)
{
    proxy_stop(&run);
    buf_release(&answer);
}

static const char *body_of(struct buf *text)
{
    const char *end = strstr(buf_cstr(text), "\r\n\r\n");

    return end ? end + 4 : "";
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static long metric(const char *name)
{
    struct proxy_run admin = run;
    CLEANUP(buf_release) struct buf text = { 0 };
    char want[100];

    admin.port = run.admin_port;
    proxy_ask(&admin, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &text);
    snprintf(want, sizeof(want), "\n%s ", name);
    const char *at = strstr(buf_cstr(&text), want);
    ck_assert_msg(at != NULL, "no metric %s", name);
    return atol(at + strlen(want));
}

/* "POST /bot/oa/echo" with one more header line or none. */
static void ask(const char *line, const char *header)
{
    CLEANUP(buf_release) struct buf request = { 0 };

    buf_addf(&request,
             "%s HTTP/1.1\r\nHost: w\r\nConnection: close\r\n%s%sContent-Length: 2\r\n\r\n{}", line,
             header, *header ? "\r\n" : "");
    proxy_ask(&run, buf_cstr(&request), &answer);
}

static const struct {
    const char *line, *header; /* %s = the key */
    const char *upstream_sees;
} ways[] = {
    {"POST /bot/oa/echo",               "Authorization: Bearer %s", "POST /v1/echo HTTP/1.1"       },
    { "POST /bot/an/echo",              "x-api-key: %s",            "x-api-key: sk-of-the-upstream"},
    { "POST /bot/an/echo",              "authorization: bearer %s", "x-api-key: sk-of-the-upstream"},
    { "POST /bot/ge/echo?a=1&b=2",      "x-goog-api-key: %s",       "POST /echo?a=1&b=2 HTTP"      },
    { "POST /bot/az/echo",              "API-Key: %s",              "api-key: sk-of-the-upstream"  },
    { "POST /bot/ge/echo?key=%s",       "",                         "POST /echo HTTP/1.1"          },
    { "POST /bot/ge/echo?a=1&key=%s&b", "",                         "POST /echo?a=1&b HTTP/1.1"    },
    { "POST /bot/ge/echo?k%65y=%s&b",   "",                         "POST /echo?b HTTP/1.1"        },
    { "POST /bot/be/echo",
     "Authorization: AWS4-HMAC-SHA256 Credential=%s/20260101/us-east-1/bedrock/aws4_request, "
      "SignedHeaders=host, Signature=00",                           "Credential=" AKID "/"         },
    { "POST /bot/oa/echo",              "x-weir-key: %s",           "Bearer sk-of-the-upstream"    },
};

START_TEST(a_key_is_taken_wherever_a_client_puts_it_and_goes_no_further)
{
    CLEANUP(buf_release) struct buf line = { 0 }, header = { 0 };

    put_in(ways[_i].line, bot, &line);
    put_in(ways[_i].header, bot, &header);
    ask(buf_cstr(&line), buf_cstr(&header));
    ck_assert_msg(has(answer.ptr, "HTTP/1.1 200"), "%s", answer.ptr);
    ck_assert_msg(has(body_of(&answer), ways[_i].upstream_sees), "%s", body_of(&answer));
    ck_assert_msg(!has(answer.ptr, "weir_"), "%s", answer.ptr);
}
END_TEST

/* Where the upstream has no key of its own. */
START_TEST(a_key_goes_no_further_though_nothing_takes_its_place)
{
    char header[300];

    snprintf(header, sizeof(header), "Authorization: Bearer %s\r\nx-api-key: sk-mine", any);
    ask("POST /up/echo?key=mine", header);
    ck_assert_msg(has(answer.ptr, "HTTP/1.1 200"), "%s", answer.ptr);
    ck_assert(!has(answer.ptr, "weir_") && !has(answer.ptr, "Authorization"));
    ck_assert(has(answer.ptr, "x-api-key: sk-mine") && has(answer.ptr, "/echo?key=mine "));
}
END_TEST

START_TEST(the_callers_own_key_passes_where_none_of_ours_is_wanted)
{
    ask("POST /up/echo?key=theirs", "Authorization: Bearer sk-theirs");
    ck_assert(has(body_of(&answer), "POST /echo?key=theirs HTTP/1.1"));
    ck_assert(has(body_of(&answer), "Authorization: Bearer sk-theirs"));
    ask("POST /up/echo", "Authorization: Bearer weir_0000");
    ck_assert_str_eq(proxy_header(&answer, "x-weir-error"), "key_unknown");
}
END_TEST

static const struct {
    const char *upstream;
    const char *key; /* a name */
    const char *code, *body;
} refusals[] = {
    {"oa",  "",        "key_missing", "\"type\":\"invalid_request_error\",\"code\":\"invalid_api_key\""},
    { "an", "unknown", "key_unknown",
     "{\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"weir: "           },
    { "ge", "old",     "key_expired", "{\"error\":{\"code\":401,\"message\":\"weir: "                  },
    { "ge", "gone",    "key_revoked", "\"status\":\"UNAUTHENTICATED\"}}"                               },
    { "az", "cut",     "key_unknown", "\"code\":\"invalid_api_key\""                                   },
    { "be", "sk",      "key_missing", "{\"__type\":\"UnrecognizedClientException\",\"message\":"       },
};

START_TEST(who_has_no_good_key_is_told_in_the_providers_words)
{
    char line[100], header[300] = "";
    const char *name = refusals[_i].key;
    const char *key = strcmp(name, "unknown") == 0 ? unknown
                      : strcmp(name, "old") == 0   ? old
                      : strcmp(name, "gone") == 0  ? gone
                                                   : "";

    if (*key)
        snprintf(header, sizeof(header), "Authorization: Bearer %s", key);
    else if (strcmp(name, "cut") == 0)
        snprintf(header, sizeof(header), "Authorization: Bearer %.50s", bot);
    else if (strcmp(name, "sk") == 0)
        snprintf(header, sizeof(header), "Authorization: Bearer sk-1");
    snprintf(line, sizeof(line), "POST /%s/echo", refusals[_i].upstream);
    ask(line, header);
    ck_assert_msg(has(answer.ptr, "HTTP/1.1 401 Unauthorized\r\n"), "%s", answer.ptr);
    ck_assert_str_eq(proxy_header(&answer, "x-weir-error"), refusals[_i].code);
    ck_assert_str_eq(proxy_header(&answer, "WWW-Authenticate"), "Bearer realm=\"weir\"");
    ck_assert_msg(has(body_of(&answer), refusals[_i].body), "%s", body_of(&answer));

    CLEANUP(buf_release) struct buf log = { 0 };
    struct err err;
    ck_assert_int_eq(file_read(run.log_path, 1u << 20, &log, &err), 0);
    ck_assert_msg(has(buf_cstr(&log), "event=key_refused") && has(log.ptr, refusals[_i].code), "%s",
                  log.ptr);
    ck_assert_msg(!has(log.ptr, "weir_"), "%s", log.ptr);
    ck_assert_int_eq(metric("weir_keys_refused_total"), 1);
}
END_TEST

static const struct {
    const char *line, *header;
    bool admitted;
} claims[] = {
    {"POST /bot/oa/echo",    "",                  true },
    { "POST /oa/echo",       "",                  true },
    { "POST /oa/echo",       "x-weir-app: bot",   true },
    { "POST /other/oa/echo", "",                  false},
    { "POST /oa/echo",       "x-weir-app: other", false},
    { "POST /bot/oa/echo",   "x-weir-app: other", false},
    { "POST /oa/echo",       "User-Agent: liar",  true },
};

static void is_bots(void *ctx, const struct exchange *x, bool ended)
{
    int *count = ctx;

    ck_assert(ended);
    ck_assert_msg(str_eq(x->who.app, STR("bot")), "%.*s", STR_ARG(x->who.app));
    ck_assert(str_eq(x->who.team, STR("support")));
    ck_assert_msg(str_find(x->labels, STR("\"weir.client\":\"bot-1\""), 0) >= 0, "%.*s",
                  STR_ARG(x->labels));
    ck_assert_uint_eq(x->key_id.len, FINGERPRINT_TEXT_BYTES - 1);
    ++*count;
}

START_TEST(a_key_with_an_app_makes_no_calls_of_another)
{
    char header[300];
    int count = 0;

    snprintf(header, sizeof(header), "%s%sx-weir-key: %s", claims[_i].header,
             *claims[_i].header ? "\r\n" : "", bot);
    ask(claims[_i].line, header);
    ck_assert_msg(has(answer.ptr, claims[_i].admitted ? "HTTP/1.1 200" : "HTTP/1.1 403"), "%s",
                  answer.ptr);
    if (!claims[_i].admitted)
        ck_assert_str_eq(proxy_header(&answer, "x-weir-error"), "key_of_another_app");
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    proxy_each_record(&run, is_bots, &count);
    ck_assert_int_eq(count, claims[_i].admitted);
}
END_TEST

/* --- AWS --- */

/* The value of a header in what the upstream saw. */
static struct str seen(const char *name)
{
    static char want[100];
    const char *body = body_of(&answer);

    snprintf(want, sizeof(want), "\r\n%s: ", name);
    const char *at = strcasestr(body, want);
    if (!at)
        return STR("");
    at += strlen(want);
    return (struct str){ at, strcspn(at, "\r") };
}

/* What the upstream computes of the request that it got: path and body as they are there. */
static void check_signature(const char *path, const char *query, struct str body)
{
    struct sigv4_signer signer = { .access_key = STR(AKID),
                                   .secret_key = STR(SECRET),
                                   .region = STR("eu-west-1"),
                                   .service = STR("bedrock") };
    static const char *const names[] = { "Content-Type", "host", "x-amz-content-sha256",
                                         "x-amz-date", "x-amz-security-token" };
    struct sigv4_header headers[ARRAY_LEN(names)];
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES], date[SIGV4_DATE_BYTES] = "";
    size_t count = 0;
    CLEANUP(buf_release) struct buf value = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (seen(names[i]).len)
            headers[count++] = (struct sigv4_header){ str_from(names[i]), seen(names[i]) };
    sha256_of(body, digest);
    hex_encode(digest, sizeof(digest), hex);
    ck_assert(str_eq(seen("x-amz-content-sha256"), str_from(hex)));
    ck_assert(str_eq(seen("x-amz-security-token"), STR(TOKEN)));
    snprintf(date, sizeof(date), "%.*s", STR_ARG(seen("x-amz-date")));
    sigv4_authorize(&signer,
                    &(struct sigv4_request){ .method = STR("POST"),
                                             .path = str_from(path),
                                             .query = str_from(query),
                                             .headers = headers,
                                             .header_count = count,
                                             .payload_hash = str_from(hex),
                                             .date = date },
                    &value);
    ck_assert_msg(str_eq(seen("authorization"), buf_str(&value)), "%s\nwant %s", body_of(&answer),
                  buf_cstr(&value));
}

#define CONVERSE "POST /be/model/a.b-v2%3A0/converse"

START_TEST(a_call_is_signed_anew_with_the_hash_that_the_caller_sent)
{
    char headers[800];
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    sha256_of(STR("{}"), digest);
    snprintf(headers, sizeof(headers),
             "content-type: application/json\r\nx-amz-date: 20200101T000000Z\r\n"
             "x-amz-content-sha256: %s\r\nx-amz-security-token: theirs\r\nauthorization: "
             "AWS4-HMAC-SHA256 Credential=%s/20200101/us-east-1/bedrock/aws4_request, "
             "SignedHeaders=host;x-amz-date, Signature=11",
             hex_encode(digest, sizeof(digest), hex), any);
    ask(CONVERSE, headers);
    ck_assert_msg(has(answer.ptr, "HTTP/1.1 200"), "%s", answer.ptr);
    ck_assert(!has(answer.ptr, "theirs") && !has(answer.ptr, "20200101"));
    check_signature("/model/a.b-v2%3A0/converse", "", STR("{}"));
}
END_TEST

START_TEST(a_body_without_a_hash_is_held_and_signed)
{
    char header[300];

    snprintf(header, sizeof(header), "Content-Type: application/json\r\nAuthorization: Bearer %s",
             any);
    ask(CONVERSE "?b=2&a=1&X-Amz-Signature=x", header);
    ck_assert_msg(has(answer.ptr, "HTTP/1.1 200"), "%s", answer.ptr);
    check_signature("/model/a.b-v2%3A0/converse", "b=2&a=1", STR("{}"));
}
END_TEST

START_TEST(a_large_chunked_body_with_expect_is_held_and_signed)
{
    int fd = proxy_connect(run.port);
    CLEANUP(buf_release) struct buf body = { 0 };
    char text[400];

    for (int i = 0; i < 40000; i++)
        buf_addf(&body, "%08d", i);
    buf_clear(&answer);
    snprintf(text, sizeof(text),
             "POST /be/model/a.b-v2%%3A0/converse HTTP/1.1\r\nHost: w\r\nConnection: "
             "close\r\nx-api-key: %s\r\n"
             "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
             any);
    upstream_text(fd, text);
    proxy_read_all(fd, 500, &answer);
    ck_assert_str_eq(buf_cstr(&answer), "HTTP/1.1 100 Continue\r\n\r\n");
    buf_clear(&answer);
    for (size_t at = 0; at < body.len; at += 80000) {
        upstream_text(fd, "13880\r\n");
        upstream_send(fd, body.ptr + at, 80000);
        upstream_text(fd, "\r\n");
        proxy_sleep_ms(20);
    }
    upstream_text(fd, "0\r\nX-Sum: 1\r\n\r\n");
    ck_assert(proxy_read_all(fd, 10000, &answer));
    close(fd);
    buf_cstr(&answer);
    ck_assert(has(body_of(&answer), "\r\n0\r\nX-Sum: 1\r\n\r\n"));
    check_signature("/model/a.b-v2%3A0/converse", "", buf_str(&body));
}
END_TEST

START_TEST(a_call_without_a_body_is_signed_at_once)
{
    char text[400];

    snprintf(text, sizeof(text),
             "GET /be/echo HTTP/1.1\r\nHost: w\r\nConnection: close\r\nx-api-key: %s\r\n\r\n", any);
    proxy_ask(&run, text, &answer);
    ck_assert(has(body_of(&answer), "x-amz-content-sha256: e3b0c44298fc1c14"));
    ck_assert(has(body_of(&answer), "Signature="));
}
END_TEST

START_TEST(a_call_with_an_empty_body_is_signed_at_once)
{
    char text[400];

    /* The first one has to wait for its connection, the second has that. */
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof(text),
                 "POST /be/echo HTTP/1.1\r\nHost: w\r\nConnection: close\r\nx-api-key: %s\r\n"
                 "Content-Length: 0\r\n\r\n",
                 any);
        proxy_ask(&run, text, &answer);
        ck_assert_msg(has(answer.ptr, "HTTP/1.1 200"), "%s", answer.ptr);
        check_signature("/echo", "", STR(""));
    }
}
END_TEST

START_TEST(so_it_is_over_http2)
{
    static const char json[] = "{\"messages\":[]}";
    const char *extra[] = {
        "content-type", "application/json", "x-api-key", any, NULL, NULL, NULL
    };
    struct h2_client c = { 0 };

    if (_i == 1) {
        extra[4] = "content-length";
        extra[5] = "15";
    }
    h2_connect(&c, proxy_connect(run.port));
    int32_t id = h2_ask(&c, "POST", "/be/model/a.b-v2%3A0/converse", extra, json, 15);
    h2_wait(&c, id);
    ck_assert_int_eq(c.answers[id].status, 200);
    buf_clear(&answer); /* as it would be in HTTP/1.1 */
    buf_add_text(&answer, "HTTP/1.1 200 OK\r\n\r\n");
    buf_add_str(&answer, buf_str(&c.answers[id].body));
    check_signature("/model/a.b-v2%3A0/converse", "", STR(json));
    h2_close(&c);
}
END_TEST

/* --- what is kept --- */

static void look_into(const char *folder, const char *const *secrets, size_t count)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    struct err err;

    ck_assert_int_eq(dir_list_read(folder, &names, &err), 0);
    ck_assert_uint_gt(names.len, 0);
    for (size_t i = 0; i < names.len; i++) {
        CLEANUP(buf_release) struct buf bytes = { 0 };
        char path[600];
        snprintf(path, sizeof(path), "%s/%s", folder, names.names[i]);
        ck_assert_int_eq(file_read(path, 64u << 20, &bytes, &err), 0);
        for (size_t k = 0; k < count; k++)
            ck_assert_msg(str_find(buf_str(&bytes), str_from(secrets[k]), 0) < 0, "'%s' is in %s",
                          secrets[k], path);
    }
}

START_TEST(no_key_token_or_signature_is_in_the_journal)
{
    const char *const secrets[] = { any + 5,  "theirs", "sign-1", "sign-2",
                                    "cred-2", TOKEN,    SECRET,   "of-the-upstream" };
    char headers[400], folder[300];

    snprintf(headers, sizeof(headers),
             "x-amz-security-token: theirs\r\nauthorization: AWS4-HMAC-SHA256 "
             "Credential=%s/20200101/us-east-1/bedrock/aws4_request, SignedHeaders=host, "
             "Signature=sign-1",
             any);
    ask("POST /be/status/201?X-Amz-Credential=cred-2&X-Amz-Signature=sign-2"
        "&X-Amz-Security-Token=theirs",
        headers);
    ck_assert_msg(has(answer.ptr, "HTTP/1.1 201"), "%s", answer.ptr);
    snprintf(headers, sizeof(headers), "POST /ge/status/201?key=%s", any);
    ask(headers, "");
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    snprintf(folder, sizeof(folder), "%s/journal", run.archive_path);
    look_into(folder, secrets, ARRAY_LEN(secrets));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, start, stop);
    tcase_add_loop_test(tc, a_key_is_taken_wherever_a_client_puts_it_and_goes_no_further, 0,
                        ARRAY_LEN(ways));
    tcase_add_test(tc, a_key_goes_no_further_though_nothing_takes_its_place);
    tcase_add_test(tc, the_callers_own_key_passes_where_none_of_ours_is_wanted);
    tcase_add_loop_test(tc, who_has_no_good_key_is_told_in_the_providers_words, 0,
                        ARRAY_LEN(refusals));
    tcase_add_loop_test(tc, a_key_with_an_app_makes_no_calls_of_another, 0, ARRAY_LEN(claims));
    tcase_add_test(tc, a_call_is_signed_anew_with_the_hash_that_the_caller_sent);
    tcase_add_test(tc, a_body_without_a_hash_is_held_and_signed);
    tcase_add_test(tc, a_large_chunked_body_with_expect_is_held_and_signed);
    tcase_add_test(tc, a_call_without_a_body_is_signed_at_once);
    tcase_add_test(tc, a_call_with_an_empty_body_is_signed_at_once);
    tcase_add_loop_test(tc, so_it_is_over_http2, 0, 2);
    tcase_add_test(tc, no_key_token_or_signature_is_in_the_journal);
}

CHECK_MAIN("proxy/keys", add_tests)

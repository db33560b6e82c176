/* A policy and a cutover over calls that come in HTTP/2, and over bodies longer than they hold. */
#include "config.h"

#define UPSTREAM_REQUEST_MAX (40u << 20)

#include "proxy/call_policy.h"
#include "tests/check_main.h"
#include "tests/h2_client.h"
#include "tests/proxy_run.h"

#define LARGE_BYTES (CALL_POLICY_BODY_BYTES + (1u << 20))
#define LISTEN                                                                                     \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"                     \
    "archive: {path: ./archive}\n"
#define CUTOVER_TO(share)                                                                          \
    "# weir cutover 1\nepoch: 3\nmarker: m\napps:\n"                                               \
    "  bot: {direct: up, gateway: gate, key: end_user, share: " share "}\n"
#define CUTOVER CUTOVER_TO("100%")
#define ACCESS  "policy: {mode: enforce, access: [{apps: [bot], deny: [secret-model]}]}\n"
#define FALLBACK                                                                                   \
    "policy: {mode: enforce, routes: [{match: {api: openai}, targets: [{upstream: broken}, "       \
    "{upstream: up}]}]}\n"

static struct proxy_run run;
static struct h2_client client;
static struct buf large; /* a body that says who and what it is for at its beginning */

/* more: of the configuration; cutover: the file's text, or NULL. */
static void start(const char *more, const char *cutover)
{
    struct buf text = { 0 };
    char path[300];
    struct err err;

    proxy_prepare(&run, "");
    buf_addf(&text,
             "  gate: {url: \"http://127.0.0.1:%d/gate\", api: openai, arm: gateway, proxy: none}\n"
             "  broken: {url: \"http://127.0.0.1:%d/status/503\", api: openai, proxy: none}\n"
             "%s%s%s",
             run.upstream_port, run.upstream_port, LISTEN,
             cutover ? "cutover: {file: ./cutover.yaml}\n" : "", more);
    proxy_configure(&run, buf_cstr(&text));
    buf_release(&text);
    snprintf(path, sizeof(path), "%s/cutover.yaml", temp_folder);
    if (cutover)
        ck_assert_int_eq(file_replace(path, str_from(cutover), 0600, &err), 0);
    proxy_launch(&run);
    h2_connect(&client, proxy_connect(run.port));
}

static void stop(void)
{
    h2_close(&client);
    proxy_stop(&run);
    buf_release(&large);
}

static void make_large(void)
{
    buf_clear(&large);
    buf_add_text(&large, "{\"model\":\"m\",\"user\":\"someone\",\"input\":\"");
    size_t begin = large.len;
    char *at = buf_reserve(&large, LARGE_BYTES);
    for (size_t i = 0; i < LARGE_BYTES; i++)
        at[i] = (char)('a' + (begin + i) * 2654435761u / 65536 % 26);
    large.len += LARGE_BYTES;
    buf_add_text(&large, "\"}");
}

static struct h2_answer *post(const char *path, struct str body)
{
    static const char *const extra[] = { "content-type", "application/json", NULL };
    int32_t id = h2_ask(&client, "POST", path, extra, body.ptr, body.len);

    h2_wait(&client, id);
    return &client.answers[id];
}

static bool has(const struct buf *text, const char *part)
{
    return text->len && memmem(text->ptr, text->len, part, strlen(part));
}

#define ASKS(model) STR("{\"model\":\"" model "\",\"user\":\"someone\",\"input\":\"hello\"}")

/* --- in HTTP/2 --- */

START_TEST(what_a_rule_forbids_is_refused_and_the_rest_arrives_whole)
{
    start(ACCESS, NULL);
    struct h2_answer *good = post("/bot/up/v1/responses", ASKS("m"));
    ck_assert_int_eq(good->status, 200);
    ck_assert(has(&good->body, "POST /v1/responses HTTP/1.1\r\n"));
    ck_assert(has(&good->body, "\"input\":\"hello\"}"));

    struct h2_answer *bad = post("/bot/up/v1/responses", ASKS("secret-model"));
    ck_assert_int_eq(bad->status, 403);
    ck_assert(has(&bad->head, "x-weir-error: policy_access\n"));
    ck_assert(has(&bad->body, "access[0]"));
    ck_assert(!bad->reason && !client.had_goaway);
}
END_TEST

START_TEST(another_target_gets_the_same_request)
{
    start(FALLBACK, NULL);
    struct h2_answer *a = post("/bot/up/v1/responses", ASKS("m"));

    ck_assert_int_eq(a->status, 200);
    ck_assert(has(&a->body, "POST /v1/responses HTTP/1.1\r\n"));
    ck_assert(has(&a->body, "\"user\":\"someone\",\"input\":\"hello\"}"));
}
END_TEST

static const char *const policies[] = { "", ACCESS };

START_TEST(a_stream_is_moved_by_what_its_body_says)
{
    start(policies[_i], CUTOVER);
    int32_t ids[10];

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) /* together */
        ids[i] = h2_ask(&client, "POST", i % 2 ? "/bot/up/chat" : "/other/up/chat", NULL,
                        ASKS("m").ptr, ASKS("m").len);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct h2_answer *a = &client.answers[ids[i]];
        h2_wait(&client, ids[i]);
        ck_assert_int_eq(a->status, 200);
        ck_assert(
            has(&a->body, i % 2 ? "POST /gate/chat HTTP/1.1\r\n" : "POST /chat HTTP/1.1\r\n"));
        ck_assert(has(&a->body, "\"input\":\"hello\"}"));
    }
}
END_TEST

/* --- more than is held --- */

/* In HTTP/1.1, with its length; the stand-in echoes it. */
static int post_large(const char *path, struct buf *ret)
{
    struct buf request = { 0 };

    make_large();
    buf_addf(
        &request,
        "POST %s HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n%.*s",
        path, large.len, STR_ARG(buf_str(&large)));
    proxy_ask(&run, buf_cstr(&request), ret);
    buf_release(&request);
    return atoi(ret->ptr + 9);
}

static void expect_large(const struct buf *answer, const char *line)
{
    ck_assert(has(answer, line));
    ck_assert_uint_gt(answer->len, large.len);
    ck_assert_int_eq(memcmp(answer->ptr + answer->len - large.len, large.ptr, large.len), 0);
}

START_TEST(a_body_that_is_too_long_to_hold_goes_where_it_asked_to_once)
{
    struct buf answer = { 0 };

    start(FALLBACK, NULL);
    ck_assert_int_eq(post_large("/bot/up/chat", &answer), 200);
    expect_large(&answer, "POST /chat HTTP/1.1\r\n");
    ck_assert_int_eq(post_large("/bot/broken/chat", &answer), 503); /* no other is tried */
    buf_release(&answer);
}
END_TEST

START_TEST(what_cannot_be_read_to_its_end_is_not_allowed)
{
    struct buf answer = { 0 };
    int fd;

    start(ACCESS, NULL);
    make_large();
    fd = proxy_connect(run.port);
    buf_addf(&answer, "POST /bot/up/chat HTTP/1.1\r\nHost: w\r\nContent-Length: %zu\r\n\r\n",
             large.len);
    upstream_send(fd, answer.ptr, answer.len);
    buf_clear(&answer);
    upstream_send(fd, large.ptr, large.len); /* it may be refused before all of it is out */
    proxy_read_all(fd, 10000, &answer);
    ck_assert_msg(strncmp(buf_cstr(&answer), "HTTP/1.1 4", 10) == 0, "%s", answer.ptr);
    ck_assert(has(&answer, "x-weir-error: policy_"));
    close(fd);
    buf_release(&answer);
}
END_TEST

/* A call whose key is not known moves with the last step, when everything does. */
static const struct keyless_row {
    const char *policy, *cutover;
    const char *line; /* as the stand-in gets it */
    const char *upstream;
    int share;
} keyless_rows[] = {
    {"",        CUTOVER_TO("99.99%"), "POST /chat HTTP/1.1\r\n",      "up",   9999 },
    { FALLBACK, CUTOVER_TO("99.99%"), "POST /chat HTTP/1.1\r\n",      "up",   9999 },
    { "",       CUTOVER,              "POST /gate/chat HTTP/1.1\r\n", "gate", 10000},
    { FALLBACK, CUTOVER,              "POST /gate/chat HTTP/1.1\r\n", "gate", 10000},
};

struct keyless_found {
    const struct keyless_row *row;
    size_t count;
};

static void expect_no_key(void *ctx, const struct exchange *x, bool ended)
{
    struct keyless_found *found = ctx;

    ck_assert(ended);
    ck_assert_int_eq(x->cutover_epoch, 3);
    ck_assert_int_eq(x->cutover_share, found->row->share);
    ck_assert_uint_eq(x->cutover_unit.len, 0);
    ck_assert(str_eq(x->upstream, str_from(found->row->upstream)));
    ck_assert_uint_eq(x->request_bytes, large.len);
    found->count++;
}

START_TEST(a_key_is_not_looked_for_in_a_body_that_is_too_long)
{
    const struct keyless_row *row = &keyless_rows[_i];
    struct keyless_found found = { .row = row };
    struct buf answer = { 0 };

    start(row->policy, row->cutover);
    ck_assert_int_eq(post_large("/bot/up/chat", &answer), 200);
    expect_large(&answer, row->line);
    struct h2_answer *a = post("/bot/up/chat", buf_str(&large));
    ck_assert_int_eq(a->status, 200);
    ck_assert(has(&a->body, row->line) && a->bytes > large.len);
    buf_release(&answer);
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    proxy_each_record(&run, expect_no_key, &found);
    ck_assert_uint_eq(found.count, 2);
    proxy_launch(&run);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, NULL, stop);
    tcase_add_test(tc, what_a_rule_forbids_is_refused_and_the_rest_arrives_whole);
    tcase_add_test(tc, another_target_gets_the_same_request);
    tcase_add_loop_test(tc, a_stream_is_moved_by_what_its_body_says, 0, ARRAY_LEN(policies));
    tcase_add_test(tc, a_body_that_is_too_long_to_hold_goes_where_it_asked_to_once);
    tcase_add_test(tc, what_cannot_be_read_to_its_end_is_not_allowed);
    tcase_add_loop_test(tc, a_key_is_not_looked_for_in_a_body_that_is_too_long, 0,
                        ARRAY_LEN(keyless_rows));
}

CHECK_MAIN("proxy/policy_h2", add_tests)

/* A proxy with a policy: two providers, one of which fails, and who may call what. */
#include "config.h"

#include "tests/check_main.h"
#include "tests/policy_origin.h"
#include "tests/proxy_run.h"

static struct proxy_run run;
static struct policy_origin *a, *b;
static struct buf answer;

#define CHAT "/bot/a/v1/chat/completions"

/* A configuration with both providers, and policy below `policy:`. */
static void write_conf(const char *policy, int workers)
{
    struct buf text = { 0 };
    struct err err;

    buf_addf(&text,
             "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: %d}\n"
             "archive: {path: ./archive}\n"
             "reload: {watch: false}\n"
             "upstreams:\n"
             "  a: {url: \"http://127.0.0.1:%d\", api: openai, proxy: none}\n"
             "  b: {url: \"http://127.0.0.1:%d\", api: openai, proxy: none, key: {file: b.key}}\n"
             "  other: {url: \"http://127.0.0.1:%d\", api: anthropic, proxy: none}\n"
             "apps:\n"
             "  bot: {team: cx, business_unit: retail}\n"
             "  calm: {team: cx, policy: observe}\n"
             "attribution:\n"
             "  - {path_prefix: /bot, app: bot}\n"
             "%s",
             workers, a->port, b->port, a->port, policy);
    ck_assert_msg(file_replace(run.conf_path, buf_str(&text), 0600, &err) == 0, "%s", err.text);
    buf_release(&text);
}

static void begin(const char *policy, int workers)
{
    char path[300];
    struct err err;

    run = (struct proxy_run){ 0 };
    temp_folder_make();
    snprintf(run.log_path, sizeof(run.log_path), "%s/log", temp_folder);
    snprintf(run.conf_path, sizeof(run.conf_path), "%s/weir.yaml", temp_folder);
    snprintf(run.archive_path, sizeof(run.archive_path), "%s/archive", temp_folder);
    snprintf(path, sizeof(path), "%s/b.key", temp_folder);
    ck_assert_int_eq(file_replace(path, STR("sk-the-key-of-b\n"), 0600, &err), 0);
    a = policy_origin_start("A");
    b = policy_origin_start("B");
    write_conf(policy, workers);
    proxy_launch(&run);
}

static void finish(void)
{
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    policy_origin_stop(a);
    policy_origin_stop(b);
    temp_folder_remove();
    buf_release(&answer);
}

/* A call by path with that model; more: members of the body. */
static int call_with(const char *path, const char *model, const char *more)
{
    struct buf body = { 0 }, request = { 0 };

    buf_addf(&body, "{\"model\":\"%s\"%s,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
             model, more);
    buf_addf(&request,
             "POST %s HTTP/1.1\r\nHost: weir\r\nConnection: close\r\nContent-Type: application/json"
             "\r\nAuthorization: Bearer sk-the-callers-own\r\nContent-Length: %zu\r\n\r\n%s",
             path, body.len, buf_cstr(&body));
    proxy_ask(&run, buf_cstr(&request), &answer);
    buf_release(&body);
    buf_release(&request);
    return answer.len > 12 ? atoi(answer.ptr + 9) : 0;
}

static int call(const char *more)
{
    return call_with(CHAT, "gpt-4o", more);
}

static bool says(const char *part)
{
    return strstr(buf_cstr(&answer), part) != NULL;
}

#define STREAM ",\"stream\":true"
#define ROUTE_AB                                                                                   \
    "policy:\n"                                                                                    \
    "  mode: enforce\n"                                                                            \
    "  routes:\n"                                                                                  \
    "    - name: chat\n"                                                                           \
    "      match: {api: openai, model: gpt-4o}\n"                                                  \
    "      targets: [{upstream: a}, {upstream: b, model: gpt-4o-b}]\n"

START_TEST(without_trouble_the_first_target_answers)
{
    begin(ROUTE_AB, 1);
    ck_assert_int_eq(call(""), 200);
    ck_assert(says("A says hi"));
    ck_assert_int_eq(call(STREAM), 200);
    ck_assert_msg(says("\"A\"") && says("[DONE]"), "%s", answer.ptr);
    ck_assert_int_eq(a->calls, 2);
    ck_assert_int_eq(b->calls, 0);
    ck_assert(strstr(a->last, "Bearer sk-the-callers-own") != NULL);
    finish();
}
END_TEST

START_TEST(another_answers_when_the_first_refuses)
{
    static const int statuses[] = { 500, 503, 529, 429 };

    begin(ROUTE_AB, 1);
    origin_refuses(a, statuses[_i], "",
                   "{\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}");
    ck_assert_int_eq(call(_i % 2 ? STREAM : ""), 200);
    ck_assert_msg(says(_i % 2 ? "\"B\"" : "B says hi"), "%s", answer.ptr);
    ck_assert_int_eq(a->calls, 1);
    ck_assert_int_eq(b->calls, 1);
    ck_assert_msg(strstr(b->last, "\"model\":\"gpt-4o-b\"") != NULL, "%s", b->last);
    finish();
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, without_trouble_the_first_target_answers);
    tcase_add_loop_test(tc, another_answers_when_the_first_refuses, 0, 4);
}

CHECK_MAIN("proxy/policy", add_tests)

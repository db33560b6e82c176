/* weir's own proxy as an actuator, the built one: what is applied is followed by all workers, and
 * said so. */
#include "config.h"

#include "migrate/actuator.h"

#include "policy/cutover.h"
#include "tests/actuator_sample.h"
#include "tests/check_main.h"
#include "tests/proxy_run.h"

#define CALLERS 60
#define LISTEN                                                                                     \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 2, status: ./status}\n"   \
    "archive: {path: ./archive}\n"                                                                 \
    "cutover: {file: ./cutover.yaml}\n"

static struct proxy_run run;
static struct sample_actuator s;

static void start(void)
{
    struct buf text = { 0 };
    struct err err;

    proxy_prepare(&run, "");
    buf_addf(&text,
             "  gate: {url: \"http://127.0.0.1:%d/gate\", api: openai, arm: gateway, proxy: none}\n"
             "%s",
             run.upstream_port, LISTEN);
    proxy_configure(&run, buf_cstr(&text));
    buf_release(&text);
    proxy_launch(&run);
    sample_init(&s, "weir");
    sample_set(&s, "file", "%s/cutover.yaml", temp_folder);
    sample_set(&s, "socket", "%s/status", temp_folder);
    ck_assert_msg(actuator_check_settings(&s.a, &err) == 0, "%s", err.text);
}

static void stop(void)
{
    proxy_stop(&run);
}

static struct actuator_share share_of(const char *gateway, int32_t share)
{
    return (struct actuator_share){ STR("bot"), STR("up"), str_from(gateway),
                                    STR("header.x-session"), share };
}

static void step(int32_t share, uint64_t epoch, struct buf *ret)
{
    struct actuator_share all = share_of("gate", share);

    sample_step(&s.a, &all, 1, epoch, ret);
}

static bool is_moved(int number)
{
    struct buf answer = { 0 };
    char request[200];

    snprintf(request, sizeof(request),
             "GET /bot/up/chat HTTP/1.1\r\nHost: w\r\nX-Session: s%d\r\nConnection: close\r\n\r\n",
             number);
    proxy_ask(&run, request, &answer);
    bool is = strstr(answer.ptr, "GET /gate/chat ") != NULL;
    ck_assert(is || strstr(answer.ptr, "GET /chat ") != NULL);
    buf_release(&answer);
    return is;
}

static void expect_running(const char *marker)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    struct err err;

    ck_assert_msg(s.a.driver->probe(&s.a, &live, &err) == 0, "%s", err.text);
    ck_assert(live.is_running);
    ck_assert_str_eq(buf_cstr(&live.running), marker);
}

START_TEST(every_step_is_followed_by_all_workers_and_no_caller_goes_back)
{
    static const int32_t shares[] = { 100, 500, 2500, 5000, CUTOVER_ALL, 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    bool moved[CALLERS] = { false };

    start();
    expect_running("");
    for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
        step(shares[i], i + 1, &bytes);
        for (int c = 0; c < CALLERS; c++) {
            char key[16];
            snprintf(key, sizeof(key), "s%d", c);
            bool now = is_moved(c);
            ck_assert(now == (cutover_bucket(STR("bot"), str_from(key)) < (uint32_t)shares[i]));
            ck_assert(now || !moved[c] || !shares[i]);
            moved[c] = now;
        }
    }
}
END_TEST

START_TEST(without_its_file_nobody_is_moved)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_wait wait = sample_wait(20000);
    struct err err;

    start();
    step(CUTOVER_ALL, 1, &bytes);
    ck_assert(is_moved(1));
    ck_assert_msg(s.a.driver->apply(&s.a, STR(""), false, &wait, &err) == 0, "%s", err.text);
    for (int i = 0; i < 500 && is_moved(1); i++)
        proxy_sleep_ms(10);
    ck_assert(!is_moved(1));
}
END_TEST

START_TEST(what_the_proxy_refuses_is_not_said_to_run)
{
    CLEANUP(buf_release) struct buf good = { 0 }, bad = { 0 }, seen = { 0 };
    struct actuator_share wrong = share_of("nobody", 100);
    char marker[ACTUATOR_MARKER_BYTES], before[ACTUATOR_MARKER_BYTES];
    struct actuator_wait wait;
    struct err err;

    start();
    step(CUTOVER_ALL, 1, &good);
    actuator_marker(&(struct actuator_share){ 0 }, 0, 1, marker);
    struct actuator_share right = share_of("gate", CUTOVER_ALL);
    actuator_marker(&right, 1, 1, before);
    actuator_marker(&wrong, 1, 2, marker);
    ck_assert_int_eq(s.a.driver->render(&s.a, &wrong, 1, 2, &bad, &err), 0);
    sample_apply(&s.a, buf_str(&bad));
    for (int i = 0; i < 500 && proxy_metric(&run, "weir_cutovers_refused_total") < 1; i++)
        proxy_sleep_ms(10);
    wait = sample_wait(300);
    ck_assert_int_eq(actuator_verify(&s.a, marker, buf_str(&bad), 2, &wait, &seen, &err), 0);
    ck_assert_str_eq(buf_cstr(&seen), before);
    ck_assert(is_moved(1)); /* as before */
    sample_apply(&s.a, buf_str(&good));
    wait = sample_wait(20000);
    ck_assert_int_eq(actuator_verify(&s.a, before, buf_str(&good), 8, &wait, &seen, &err), 1);
}
END_TEST

START_TEST(a_proxy_that_starts_later_follows_what_was_written)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, seen = { 0 };
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };
    struct actuator_share all = share_of("gate", CUTOVER_ALL);
    struct actuator_wait wait = sample_wait(300);
    char marker[ACTUATOR_MARKER_BYTES];
    struct err err;

    start();
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    actuator_marker(&all, 1, 9, marker);
    ck_assert_int_eq(s.a.driver->render(&s.a, &all, 1, 9, &bytes, &err), 0);
    sample_apply(&s.a, buf_str(&bytes));
    ck_assert_int_eq(s.a.driver->probe(&s.a, &live, &err), 0);
    ck_assert(live.is_there && !live.is_running);
    ck_assert_int_eq(s.a.driver->check(&s.a, buf_str(&bytes), &wait, &err), -1);
    ck_assert_msg(strstr(err.text, "no proxy answers at '"), "%s", err.text);
    ck_assert_int_ne(actuator_verify(&s.a, marker, buf_str(&bytes), 2, &wait, &seen, &err), 1);
    proxy_launch(&run);
    wait = sample_wait(20000);
    ck_assert_int_eq(actuator_verify(&s.a, marker, buf_str(&bytes), 8, &wait, &seen, &err), 1);
    ck_assert(is_moved(1));
    ck_assert_int_eq(s.a.driver->check(&s.a, buf_str(&bytes), &wait, &err), 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, NULL, stop);
    tcase_add_test(tc, every_step_is_followed_by_all_workers_and_no_caller_goes_back);
    tcase_add_test(tc, without_its_file_nobody_is_moved);
    tcase_add_test(tc, what_the_proxy_refuses_is_not_said_to_run);
    tcase_add_test(tc, a_proxy_that_starts_later_follows_what_was_written);
}

CHECK_MAIN("migrate/weir", add_tests)

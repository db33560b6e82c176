/* Where a programme stands: phases, waves, days ahead or behind, evidence, success; and how long it
 * takes to say so of a thousand applications. */
#include "config.h"

#include "migrate/status.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/document_print.h"
#include "base/json.h"
#include "base/page.h"
#include "base/timestamp.h"
#include "tests/cpu_time.h"
#include "tests/rollout_sample.h"

#define MANY 1000
#define DAY  US_PER_DAY

static int64_t start_us; /* of the plan: 2026-10-05 */

/* `apps` lines of a plan whose stages are 1, 25 and 100 % of a day, a day and two days. */
static struct programme *plan(const char *apps)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct programme *p = NULL;

    buf_addf(
        &text,
        "programme: {name: g, start: 2026-10-05, end: 2026-12-18, caps: {apps_in_flight: 0, "
        "spend_moving: 100%%}}\n"
        "actuators: {edge: {driver: weir, file: ./c.yaml, socket: ./s.sock}}\n"
        "defaults: {actuator: edge, direct: a, gateway: b, key: header.x-s, stages: [1%%, 25%%, "
        "100%%], bake: 1d}\n"
        "waves: {one: {from: 2026-10-05, to: 2026-10-20}, two: {from: 2026-10-15, to: "
        "2026-11-20}}\n"
        "apps:\n%s",
        apps);
    ck_ok(programme_parse(buf_str(&text), "p.yaml", temp_folder, &p, &sample_err));
    start_us = p->start_us;
    return p;
}

static void entry(struct rollout *r, int64_t at_us, struct rollout_entry e)
{
    e.at_us = at_us;
    ck_ok(rollout_append(r, &e, &sample_err));
}

/* A whole step at a moment. */
static void step(struct rollout *r, int64_t at_us, struct rollout_entry e)
{
    e.kind = ROLLOUT_INTENT;
    e.epoch = rollout_epoch(r) + 1;
    e.actuator = STR("edge");
    entry(r, at_us, e);
    struct rollout_entry next = { .actuator = e.actuator, .epoch = e.epoch };
    next.kind = ROLLOUT_APPLIED;
    entry(r, at_us, next);
    next.kind = ROLLOUT_VERIFIED;
    next.value = 250000;
    entry(r, at_us, next);
    next.kind = ROLLOUT_COMMITTED;
    next.value = 0;
    entry(r, at_us, next);
}

static void move(struct rollout *r, int64_t at_us, const char *app, int32_t from, int32_t to)
{
    struct rollout_move m = { str_from(app), from, to };

    step(r, at_us,
         (struct rollout_entry){
             .why = to > from ? ROLLOUT_ADVANCE : ROLLOUT_ROLLBACK, .moves = &m, .move_count = 1 });
}

static struct portfolio *portfolio_of(const struct programme *p, const struct rollout *r)
{
    struct portfolio *ret = NULL;

    ck_ok(portfolio_read(p, r, &ret, &sample_err));
    return ret;
}

static const struct status_app *app_named(const struct status *s, const char *name)
{
    for (size_t i = 0; i < s->app_count; i++)
        if (str_eq(s->apps[i].app->app->name, str_from(name)))
            return &s->apps[i];
    ck_abort_msg("no app %s", name);
    return NULL;
}

/* It is no part of the plan, but its calls are where they are. */
START_TEST(a_retired_application_with_calls_on_the_gateway_is_shown)
{
    CLEANUP(programme_free)
    struct programme *p = plan(" a: {wave: one, owner: o}\n b: {wave: one, retired: true}\n");
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);

    move(r, start_us + DAY, "a", 0, 10000);
    move(r, start_us + 2 * DAY, "b", 0, 100);
    CLEANUP(portfolio_free) struct portfolio *f = portfolio_of(p, r);
    struct status_input in = { .portfolio = f, .now_us = start_us + 5 * DAY };
    CLEANUP(status_release) struct status s = { 0 };
    status_make(&in, &s);
    ck_assert_uint_eq(s.app_count, 2);
    ck_assert_int_eq(app_named(&s, "b")->app->share, 100);
    ck_assert_uint_eq(s.waves[0].apps, 1);
    ck_assert_double_eq_tol(s.done, 1, 1e-9);
    ck_assert_double_eq_tol(s.planned, 1, 1e-9);
}
END_TEST

START_TEST(phases_and_waves_are_counted)
{
    CLEANUP(programme_free)
    struct programme *p = plan(" a: {wave: one, owner: o}\n b: {wave: one, owner: p}\n c: {wave: "
                               "two, owner: q}\n d: {owner: r}\n gone: {retired: true}\n");
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);

    move(r, start_us + DAY, "a", 0, 10000);
    move(r, start_us + 2 * DAY, "b", 0, 100);
    move(r, start_us + 3 * DAY, "d", 0, 100);
    move(r, start_us + 4 * DAY, "d", 100, 0);
    CLEANUP(portfolio_free) struct portfolio *f = portfolio_of(p, r);
    struct status_input in = { .portfolio = f, .now_us = start_us + 5 * DAY };
    CLEANUP(status_release) struct status s = { 0 };
    status_make(&in, &s);
    ck_assert_uint_eq(s.app_count, 4);
    ck_assert_uint_eq(s.phases[PORTFOLIO_DONE], 1);
    ck_assert_uint_eq(s.phases[PORTFOLIO_MOVING], 1);
    ck_assert_uint_eq(s.phases[PORTFOLIO_WAITING], 1);
    ck_assert_uint_eq(s.phases[PORTFOLIO_BACK], 1);
    ck_assert_uint_eq(s.wave_count, 3); /* and what is in none */
    ck_assert_uint_eq(s.waves[2].apps, 1);
    ck_assert_ptr_null(s.waves[2].wave);
    ck_assert_double_eq_tol(app_named(&s, "b")->done, 1.0 / 3, 1e-9);
    ck_assert(app_named(&s, "d")->decision.obstacles & 1u << DECIDE_WAVE);
    ck_assert_uint_eq(s.success.steps, 3);
    ck_assert_uint_eq(s.success.rollbacks, 1);
    ck_assert_uint_eq(s.success.incidents, 0); /* nobody gave evidence */
    ck_assert_int_eq(s.success.rollback_p50_us, 250000);
    ck_assert_int_eq(s.moved_per_million, -1);
}
END_TEST

/* One application; its stages begin on days 0, 1 and 2.  share: where it is. */
static const struct {
    double now_days;
    int32_t share;
    double ahead_days;
} calendars[] = {
    {0.5,   100,   0   },
    { 1.5,  2500,  0   },
    { 1.5,  100,   -0.5}, /* it should have gone on at 1 */
    { 3,    0,     -3  }, /* it should have begun at 0 */
    { 0.25, 10000, 1.75}, /* that is due at 2 */
    { -2,   100,   2   },
    { -2,   0,     0   },
    { 9,    10000, 0   },
};

START_TEST(days_ahead_are_those_until_the_plan_is_there)
{
    CLEANUP(programme_free) struct programme *p = plan(" a: {wave: one, owner: o}\n");
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    int64_t now_us = start_us + (int64_t)(calendars[_i].now_days * (double)DAY);

    if (calendars[_i].share)
        move(r, now_us - 1000, "a", 0, calendars[_i].share);
    CLEANUP(portfolio_free) struct portfolio *f = portfolio_of(p, r);
    struct status_input in = { .portfolio = f, .now_us = now_us };
    CLEANUP(status_release) struct status s = { 0 };
    status_make(&in, &s);
    ck_assert_double_eq_tol((double)s.ahead_us / (double)DAY, calendars[_i].ahead_days, 1e-6);
}
END_TEST

START_TEST(the_last_verdict_in_the_ledger_is_the_evidence)
{
    static const char verdict[] =
        "{\"app\":\"a\",\"says\":\"rollback\",\"why\":\"twice the errors\",\"gates\":[{\"metric\":"
        "\"exceed_ttft\",\"excluded_ratio\":1.1},{\"metric\":\"error\",\"excluded_ratio\":2.4,"
        "\"units\":{\"direct\":90,\"gateway\":30}}]}";
    CLEANUP(programme_free) struct programme *p = plan(" a: {wave: one, owner: o}\n");
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    struct rollout_move m = { STR("a"), 100, 0 };
    char sha[ROLLOUT_SHA_BYTES];

    move(r, start_us, "a", 0, 100);
    ck_ok(rollout_put_blob(r, str_from(verdict), sha, &sample_err));
    entry(r, start_us + DAY,
          (struct rollout_entry){
              .kind = ROLLOUT_JUDGED, .app = STR("a"), .evidence = str_from(sha) });
    step(r, start_us + DAY,
         (struct rollout_entry){ .why = ROLLOUT_ROLLBACK,
                                 .moves = &m,
                                 .move_count = 1,
                                 .evidence = str_from(sha),
                                 .detail = STR("twice the errors") });
    CLEANUP(portfolio_free) struct portfolio *f = portfolio_of(p, r);
    struct status_input in = { .portfolio = f, .now_us = start_us + 2 * DAY };
    CLEANUP(status_release) struct status s = { 0 };
    CLEANUP(document_release) struct document d = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 };
    status_make(&in, &s);
    const struct status_evidence *e = &s.apps[0].evidence;
    ck_assert(e->is_there && str_eq(e->says, STR("rollback")));
    ck_assert_double_eq_tol(e->excluded, 2.4, 1e-9);
    ck_assert_int_eq(e->units[0], 90);
    ck_assert_int_eq(e->units[1], 30);
    ck_assert_double_eq_tol(s.success.excluded, 2.4, 1e-9);
    ck_assert_uint_eq(s.success.incidents, 1);
    ck_assert_int_eq(s.success.exposed_us, DAY);
    status_build(&s, &d);
    document_print_text(&d, &text);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "twice the errors"));
}
END_TEST

START_TEST(drift_and_open_steps_stay_until_somebody_acts)
{
    CLEANUP(programme_free) struct programme *p = plan(" a: {wave: one, owner: o}\n");
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);

    move(r, start_us, "a", 0, 100);
    entry(r, start_us + 1,
          (struct rollout_entry){
              .kind = ROLLOUT_DRIFTED, .actuator = STR("edge"), .detail = STR("by hand") });
    {
        CLEANUP(portfolio_free) struct portfolio *f = portfolio_of(p, r);
        struct status_input in = { .portfolio = f, .now_us = start_us + DAY };
        CLEANUP(status_release) struct status s = { 0 };
        status_make(&in, &s);
        ck_assert_uint_eq(s.drift_count, 1);
    }
    entry(r, start_us + 2,
          (struct rollout_entry){ .kind = ROLLOUT_ACCEPTED, .actuator = STR("edge") });
    CLEANUP(portfolio_free) struct portfolio *f = portfolio_of(p, r);
    struct status_input in = { .portfolio = f, .now_us = start_us + DAY };
    CLEANUP(status_release) struct status s = { 0 };
    status_make(&in, &s);
    ck_assert_uint_eq(s.drift_count, 0);
}
END_TEST

/* --- many --- */

static struct programme *big_plan(void)
{
    CLEANUP(buf_release) struct buf apps = { 0 };

    for (int i = 0; i < MANY; i++)
        buf_addf(&apps, " app-%04d: {wave: %s, owner: owner-%d, deputy: x, channel: c}\n", i,
                 i % 2 ? "one" : "two", i);
    return plan(buf_cstr(&apps));
}

/* All of them up a stage, in one step. */
static void move_all(struct rollout *r, int64_t at_us, int32_t from, int32_t to)
{
    static char names[MANY][16];
    static struct rollout_move moves[MANY];

    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof(names[i]), "app-%04d", i);
        moves[i] = (struct rollout_move){ str_from(names[i]), from, to };
    }
    step(r, at_us,
         (struct rollout_entry){ .why = ROLLOUT_ADVANCE, .moves = moves, .move_count = MANY });
}

static void write_big(void)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    char sha[ROLLOUT_SHA_BYTES];

    move_all(r, start_us, 0, 100);
    for (int i = 0; i < MANY; i++) {
        CLEANUP(buf_release) struct buf verdict = { 0 };
        char name[16];
        snprintf(name, sizeof(name), "app-%04d", i);
        buf_addf(&verdict,
                 "{\"app\":\"%s\",\"says\":\"hold\",\"gates\":[{\"metric\":\"error\","
                 "\"excluded_ratio\":%d}]}",
                 name, 2 + i % 9);
        ck_ok(rollout_put_blob(r, buf_str(&verdict), sha, &sample_err));
        entry(r, start_us + DAY,
              (struct rollout_entry){
                  .kind = ROLLOUT_JUDGED, .app = str_from(name), .evidence = str_from(sha) });
    }
    move_all(r, start_us + 2 * DAY, 100, 2500);
}

START_TEST(a_thousand_applications_are_told_of_in_a_second)
{
    CLEANUP(programme_free) struct programme *p = big_plan();

    write_big();
    int64_t began_us = cpu_time_us();
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_READ);
    CLEANUP(portfolio_free) struct portfolio *f = portfolio_of(p, r);
    struct status_input in = { .portfolio = f, .now_us = start_us + 3 * DAY };
    CLEANUP(status_release) struct status s = { 0 };
    CLEANUP(document_release) struct document d = { 0 };
    CLEANUP(buf_release) struct buf text = { 0 }, json = { 0 }, page = { 0 };
    CLEANUP(json_decref) json_t *parsed = NULL;
    struct err no_charts;

    status_make(&in, &s);
    status_build(&s, &d);
    document_print_text(&d, &text);
    document_print_json(&d, &json);
    page_print(&d, NULL, &page, &no_charts);
    int64_t took_us = cpu_time_us() - began_us;
    printf("status of %d applications: %" PRId64 " ms\n", MANY, took_us / 1000);
    ck_assert_uint_eq(s.phases[PORTFOLIO_MOVING], MANY);
    ck_assert_double_eq_tol(s.success.excluded, 10, 1e-9);
    ck_ok(json_parse(buf_str(&json), &parsed, &sample_err));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "app-0999"));
    /* Must show 5: on a machine with nothing else to do it takes a tenth. */
    ck_assert_int_lt(took_us, US_PER_SECOND * 3);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, phases_and_waves_are_counted);
    tcase_add_test(tc, a_retired_application_with_calls_on_the_gateway_is_shown);
    tcase_add_loop_test(tc, days_ahead_are_those_until_the_plan_is_there, 0, ARRAY_LEN(calendars));
    tcase_add_test(tc, the_last_verdict_in_the_ledger_is_the_evidence);
    tcase_add_test(tc, drift_and_open_steps_stay_until_somebody_acts);
    tcase_add_test(tc, a_thousand_applications_are_told_of_in_a_second);
}
CHECK_MAIN("migrate/status", add_tests)

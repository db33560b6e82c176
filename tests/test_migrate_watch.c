/* A look at all applications: who moves, who holds, and who is told. */
#include "config.h"

#include "migrate/watch.h"

#include "base/timestamp.h"
#include "check_main.h"
#include "migrate/notify.h"
#include "tests/step_sample.h"

static const char plan[] =
    "programme: {name: g, start: 2026-10-05, caps: {apps_in_flight: 2, spend_moving: 100%}}\n"
    "actuators: {edge: {driver: weir, file: ./c.yaml, socket: ./s.sock}}\n"
    "defaults: {actuator: edge, direct: a, gateway: b, key: header.x-id, auto: true,\n"
    "  stages: [{share: 1%, bake: 1d}, 100%], evidence: {preflight: none, rehearsal: none},\n"
    "  readiness: []}\n"
    "waves: {one: {from: 2026-10-05, to: 2026-11-30}}\n"
    "apps:\n"
    "  ant: {owner: a, wave: one}\n"
    "  bee: {owner: b, wave: one, auto: false}\n"
    "  cat: {owner: c, wave: one}\n"
    "  dog: {owner: d, wave: one}\n"
    "hooks:\n"
    "  - {on: intent, command: ['false']}\n"
    "  - {on: committed, command: [sh, -c, 'cat >> told']}\n";

enum { ANT, BEE, CAT, DOG };

static struct watch *pass(const struct step_context *c)
{
    const struct watch_input in = { .step = c };
    struct watch *w;
    struct err err;

    ck_assert_msg(watch_pass(&in, &w, &err) == 0, "%s", err.text);
    return w;
}

START_TEST(what_is_auto_moves_as_one_step_and_no_more_than_the_cap)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    struct step_context c = sample_context(p, r);
    CLEANUP(watch_free) struct watch *w = pass(&c);

    ck_assert_int_eq(w->apps[ANT].end, WATCH_DONE);
    ck_assert_int_eq(w->apps[CAT].end, WATCH_DONE);
    ck_assert_int_eq(w->apps[BEE].end, WATCH_LEFT);
    ck_assert_int_eq(w->apps[DOG].decision.action, DECIDE_HOLD);
    ck_assert_uint_eq(w->apps[DOG].decision.obstacles, 1u << DECIDE_IN_FLIGHT);
    ck_assert_uint_eq(sample->applies, 1);
    ck_assert_int_eq(sample_live("ant"), 100);
    ck_assert_int_eq(sample_live("bee"), 0);
    ck_assert_int_eq(sample_live("cat"), 100);
    ck_assert_int_eq(sample_live("dog"), 0);
}
END_TEST

START_TEST(what_holds_is_noted_when_it_is_new)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    struct step_context c = sample_context(p, r);

    watch_free(pass(&c));
    watch_free(pass(&c)); /* now the others hold as well: nobody has read the archive */
    size_t lines = rollout_count(r);
    for (int i = 0; i < 3; i++)
        watch_free(pass(&c));
    ck_assert_uint_eq(rollout_count(r), lines);
    ck_assert_uint_eq(sample->applies, 1);
}
END_TEST

/* Between two of them nothing holds, and no entry says so. */
START_TEST(an_outage_is_noted_again_on_another_day)
{
    static const int64_t after_us[] = { 0, 3600 * US_PER_SECOND, US_PER_DAY };
    static const size_t lines[] = { 1, 1, 2 };
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    struct step_context c = sample_context(p, r);
    const struct watch_input in = { .step = &c };

    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        struct watch *w;
        struct err err;
        sample->clock_us += after_us[i];
        ck_assert_msg(watch_look(&in, &w, &err) == 0, "%s", err.text);
        for (size_t a = 0; a < w->app_count; a++)
            w->apps[a].decision.action = a == ANT ? DECIDE_HOLD : DECIDE_NOTHING;
        w->apps[ANT].decision.obstacles = 1u << DECIDE_OUTAGE;
        ck_assert_msg(watch_note_holds(&in, w, &err) == 0, "%s", err.text);
        watch_free(w);
        ck_assert_uint_eq(rollout_count(r), lines[i]);
    }
    ck_assert(str_eq(rollout_at(r, 1)->detail, STR("outage")));
}
END_TEST

START_TEST(a_rollback_stops_its_wave)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct step_context c = sample_context(p, r);
    CLEANUP(watch_free) struct watch *first = pass(&c);
    CLEANUP(portfolio_free) struct portfolio *at = NULL;
    struct watch_app app = { .is_chosen = true };
    struct err err;

    ck_assert_int_eq(portfolio_read(p, r, &at, &err), 0);
    app.decision = (struct decision){
        .app = &at->apps[ANT], .action = DECIDE_ROLLBACK, .from = 100, .reason = STR("harm")
    };
    watch_act(&c, DECIDE_ROLLBACK, &app, 1, &arena);
    ck_assert_int_eq(app.end, WATCH_DONE);
    ck_assert_int_eq(sample_live("ant"), 0);
    CLEANUP(watch_free) struct watch *second = pass(&c);
    ck_assert(second->apps[DOG].decision.obstacles & 1u << DECIDE_WAVE);
    ck_assert(second->apps[ANT].decision.obstacles & 1u << DECIDE_BAD);
    ck_assert_int_eq(sample_live("dog"), 0);
}
END_TEST

static int64_t real_now_us(void *ctx)
{
    (void)ctx;
    return clock_monotonic_us();
}

static void real_sleep_us(void *ctx, int64_t us)
{
    (void)ctx;
    usleep((useconds_t)us);
}

static int note(void *ctx, const struct rollout_entry *e, struct err *err)
{
    return step_note(ctx, e, err);
}

START_TEST(a_hook_that_fails_changes_nothing_and_is_told)
{
    CLEANUP(programme_free) struct programme *p = sample_programme(plan);
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(notify_free) struct notify *n = notify_new(p, r);
    CLEANUP(buf_release) struct buf failed = { 0 };
    struct step_context c = sample_context(p, r);

    c.told = notify_told;
    c.told_ctx = n;
    watch_free(pass(&c));
    ck_assert_int_eq(sample_live("ant"), 100);
    ck_assert_int_eq(chdir(temp_folder), 0);
    /* The sample's clock would run ahead of the programs. */
    struct actuator_wait wait = { .now_us = real_now_us, .sleep_us = real_sleep_us };
    ck_assert_uint_eq(notify_send(n, &wait, note, &c, &failed), 1);
    ck_assert_int_eq(access("told", R_OK), 0);
    ck_assert_int_ge(str_find(buf_str(&failed), STR("p.yaml:"), 0), 0);
    buf_clear(&failed);
    ck_assert_uint_eq(notify_send(n, &wait, note, &c, &failed), 0); /* each is told once */
    const struct rollout_entry *last = rollout_at(r, rollout_count(r) - 1);
    ck_assert_int_eq(last->kind, ROLLOUT_UNTOLD);
    ck_assert_int_eq(last->value, 1);
    ck_assert_int_ge(str_find(last->detail, STR("the hook failed and was not told of entry "), 0),
                     0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, sample_make, sample_remove);
    tcase_add_test(tc, what_is_auto_moves_as_one_step_and_no_more_than_the_cap);
    tcase_add_test(tc, what_holds_is_noted_when_it_is_new);
    tcase_add_test(tc, an_outage_is_noted_again_on_another_day);
    tcase_add_test(tc, a_rollback_stops_its_wave);
    tcase_add_test(tc, a_hook_that_fails_changes_nothing_and_is_told);
}

CHECK_MAIN("migrate/watch", add_tests)

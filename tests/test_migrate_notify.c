/* Who is told, and how long anybody waits for it. */
#include "config.h"

#include "migrate/notify.h"

#include "check_main.h"
#include "tests/step_sample.h"

#define EVENTS 20

static size_t noted;

static int note(void *ctx, const struct rollout_entry *e, struct err *err)
{
    (void)ctx, (void)err;
    ck_assert_int_eq(e->kind, ROLLOUT_UNTOLD);
    ck_assert_int_eq(e->value, EVENTS);
    noted++;
    return 0;
}

START_TEST(a_hook_that_hangs_is_not_waited_for_again_and_again)
{
    CLEANUP(programme_free)
    struct programme *p = sample_programme("programme: {name: g, start: 2026-10-05}\n"
                                           "hooks: [{on: held, command: [sleep, 60]}]\n");
    CLEANUP(rollout_close) struct rollout *r = sample_open(p);
    CLEANUP(notify_free) struct notify *n = notify_new(p, r);
    CLEANUP(buf_release) struct buf failed = { 0 };
    struct step_context c = sample_context(p, r);
    size_t lines = 0;

    for (uint64_t i = 0; i < EVENTS; i++)
        notify_told(n, &(struct rollout_entry){ .seq = i + 1, .kind = ROLLOUT_HELD });
    int64_t begin_us = sample->clock_us;
    noted = 0;
    ck_assert_uint_eq(notify_send(n, &c.wait, note, NULL, &failed), EVENTS);
    ck_assert_uint_eq(noted, 1);
    ck_assert_int_lt(sample->clock_us - begin_us, 45 * INT64_C(1000000));
    for (size_t i = 0; i < failed.len; i++)
        lines += failed.ptr[i] == '\n';
    ck_assert_uint_eq(lines, 3);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&failed), "not tried again"));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, sample_make, sample_remove);
    tcase_add_test(tc, a_hook_that_hangs_is_not_waited_for_again_and_again);
}

CHECK_MAIN("migrate/notify", add_tests)

/* Events in the order of time. */
#include "config.h"

#include "replay/sim_queue.h"

#include "replay/sim_random.h"
#include "tests/check_main.h"

#define THINGS 5000

START_TEST(things_come_in_the_order_of_time_and_then_as_they_were_put_in)
{
    CLEANUP(sim_queue_release) struct sim_queue q = { 0 };
    int64_t at[THINGS], last_us = -1;
    uint32_t last = 0;

    ck_assert_int_eq(sim_queue_next_us(&q), INT64_MAX);
    for (uint32_t i = 0; i < THINGS; i++) { /* few moments: most are shared */
        at[i] = (int64_t)(sim_draw(1, i, SIM_DRAW_CALL) % 500);
        sim_queue_push(&q, at[i], i);
    }
    for (size_t i = 0; i < THINGS; i++) {
        int64_t next_us = sim_queue_next_us(&q), us;
        uint32_t next = sim_queue_next(&q), thing = sim_queue_pop(&q, &us);
        ck_assert_uint_eq(next, thing);
        ck_assert_int_eq(next_us, us);
        ck_assert_int_eq(us, at[thing]);
        ck_assert(us > last_us || (us == last_us && thing > last));
        last_us = us;
        last = thing;
    }
    ck_assert_uint_eq(q.len, 0);
}
END_TEST

/* As a simulation does it: what is taken out puts in something later. */
START_TEST(time_never_goes_back)
{
    CLEANUP(sim_queue_release) struct sim_queue q = { 0 };
    int64_t now = 0, us;

    for (uint32_t i = 0; i < 100; i++)
        sim_queue_push(&q, i, i);
    for (uint64_t i = 0; i < 100000; i++) {
        uint32_t thing = sim_queue_pop(&q, &us);
        ck_assert_int_ge(us, now);
        now = us;
        sim_queue_push(&q, now + (int64_t)(sim_draw(2, i, SIM_DRAW_REST) % 1000), thing);
    }
    ck_assert_uint_eq(q.len, 100);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, things_come_in_the_order_of_time_and_then_as_they_were_put_in);
    tcase_add_test(tc, time_never_goes_back);
}

CHECK_MAIN("replay/sim_queue", add_tests)

/* What ends an attempt, and when, is what ends it on the wire. */
#include "config.h"

#include "replay/sim_attempt.h"

#include "tests/check_main.h"

#define SECOND INT64_C(1000000)

static const struct steer_end *ending_of(void *ctx, const struct fault *f)
{
    struct steer_end *end = ctx;

    *end = (struct steer_end){
        .failed = true, .failure = fault_failure(f), .retry_after_us = -1, .first_token_us = -1
    };
    return end;
}

struct timers {
    int head, first_token, idle, total; /* s */
};

/* A stream has its head and first token after 1 s, a hundred tokens by 2 s; a whole answer comes
 * after 2 s. */
static void attempt_at(const struct sim_arrival *call, const struct fault *f,
                       const struct timers *t, struct sim_attempt *ret)
{
    CLEANUP(sim_speeds_free) struct sim_speeds *speeds = sim_speeds_new();
    const int seconds[PLAN_TIMERS] = { [PLAN_TIMER_HEAD] = t->head,
                                       [PLAN_TIMER_FIRST_TOKEN] = t->first_token,
                                       [PLAN_TIMER_IDLE] = t->idle,
                                       [PLAN_TIMER_TOTAL] = t->total,
                                       [PLAN_TIMER_WHOLE] = t->total };
    int64_t timer_us[PLAN_TIMERS];
    struct steer_end end;
    struct err err;

    for (int i = 0; i < PLAN_TIMERS; i++)
        timer_us[i] = seconds[i] ? seconds[i] * SECOND : PLAN_FOREVER;
    ck_assert_int_eq(sim_speeds_state(speeds, "*=first:1s,token:10ms,whole:2s", &err), 0);
    const struct sim_attempt_in in = {
        .call = call,
        .is_own = true,
        .is_first = true,
        .speed = sim_speeds_find(speeds, STR("a"), STR("m")),
        .holds_first = true,
        .reads_answers = true,
        .timer_us = timer_us,
        .faults = f,
        .fault_count = f ? 1 : 0,
        .ending = ending_of,
        .ctx = &end,
        .seed = 1,
        .number = 2,
    };
    sim_attempt(&in, ret);
}

static void attempt(const struct fault *f, const struct timers *t, bool is_stream,
                    struct sim_attempt *ret)
{
    struct sim_arrival call = { .first_us = SIM_UNKNOWN,
                                .end_us = SIM_UNKNOWN,
                                .failure = PLAN_FAILURES,
                                .flags = SIM_TOKENS | (is_stream ? SIM_STREAM : 0) };

    call.tokens[PRICE_PART_OUTPUT] = 100;
    attempt_at(&call, f, t, ret);
}

static const struct {
    const char *fault;
    uint32_t after;
    bool is_whole;
    struct timers timers;
    enum plan_failure failure; /* PLAN_FAILURES = it ends well */
    bool late, began;
    int64_t end_ms; /* 0 = never */
} rows[] = {
    /* No head: the head's timer, or else the first token's, finds that there is none. */
    ROW("silent", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_HEAD, true, false, 3000),
    ROW("silent", 0, false, { 0, 5, 0, 0 }, PLAN_FAILED_HEAD, true, false, 5000),
    ROW("silent", 0, true, { 3, 5, 0, 0 }, PLAN_FAILED_HEAD, true, false, 3000),
    ROW("silent", 0, false, { 0, 0, 0, 0 }, PLAN_FAILED_HEAD, false, false, 0),
    /* The head comes, after 1 s, and nothing behind it. */
    ROW("silent_first_token", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_FIRST_TOKEN, true, false, 5000),
    ROW("stall", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_FIRST_TOKEN, true, false, 5000),
    ROW("stall_keepalive", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_FIRST_TOKEN, true, false, 5000),
    ROW("stall", 0, false, { 3, 0, 20, 0 }, PLAN_FAILED_FIRST_TOKEN, true, false, 21000),
    ROW("stall", 0, false, { 3, 0, 0, 60 }, PLAN_FAILED_FIRST_TOKEN, true, false, 60000),
    ROW("stall", 0, false, { 3, 0, 0, 0 }, PLAN_FAILED_FIRST_TOKEN, false, false, 0),
    ROW("long_gap", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_FIRST_TOKEN, true, false, 5000),
    ROW("long_gap", 0, false, { 3, 30, 0, 0 }, PLAN_FAILURES, false, false, 17000),
    /* A head that is just in time. */
    ROW("stall", 0, false, { 1, 5, 0, 0 }, PLAN_FAILED_FIRST_TOKEN, true, false, 5000),
    /* Behind the first token it is the caller's, and for good if no timer looks. */
    ROW("stall", 50, false, { 3, 5, 20, 0 }, PLAN_FAILED_STREAM, true, true, 21500),
    ROW("stall", 50, false, { 3, 5, 0, 0 }, PLAN_FAILED_STREAM, false, true, 0),
    ROW("long_gap", 50, false, { 3, 5, 20, 0 }, PLAN_FAILURES, false, false, 17000),
    ROW("long_gap", 50, false, { 3, 5, 10, 0 }, PLAN_FAILED_STREAM, true, true, 11500),
    /* A whole answer is held to its end: it has not begun. */
    ROW("stall", 3, true, { 3, 0, 20, 0 }, PLAN_FAILED_FIRST_TOKEN, true, false, 22000),
    ROW("stall", 3, true, { 3, 0, 0, 60 }, PLAN_FAILED_FIRST_TOKEN, true, false, 60000),
    /* A slow one: 30 times as long, all of it or a part. */
    ROW("slow", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_HEAD, true, false, 3000),
    ROW("slow", 0, false, { 0, 0, 0, 0 }, PLAN_FAILURES, false, false, 60000),
    ROW("slow_head", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_HEAD, true, false, 3000),
    ROW("slow_head", 0, false, { 0, 0, 0, 0 }, PLAN_FAILURES, false, false, 31000),
    ROW("slow_first_token", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_FIRST_TOKEN, true, false, 5000),
    ROW("slow_first_token", 0, false, { 3, 0, 0, 0 }, PLAN_FAILURES, false, false, 31000),
    ROW("slow_stream", 0, false, { 3, 5, 0, 0 }, PLAN_FAILURES, false, false, 31000),
    /* What ends by itself does not wait for a timer. */
    ROW("error_first", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_FIRST_TOKEN, false, false, 1000),
    ROW("eof_clean", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_FIRST_TOKEN, false, false, 1000),
    ROW("eof_dirty", 50, false, { 3, 5, 0, 0 }, PLAN_FAILED_STREAM, false, true, 1500),
    ROW("connect_stall", 0, false, { 3, 5, 0, 0 }, PLAN_FAILED_CONNECT, true, false, 3000),
};

START_TEST(an_attempt_ends_as_it_would_on_the_wire)
{
    struct fault f = fault_usual(fault_kind_find(str_from(rows[_i].fault)));
    struct sim_attempt a;

    f.after_pieces = rows[_i].after;
    if (f.kind->params & FAULT_HAS(FACTOR))
        f.factor_percent = 3000;
    attempt(&f, &rows[_i].timers, !rows[_i].is_whole, &a);
    ck_assert_int_eq(a.end_us, rows[_i].end_ms ? rows[_i].end_ms * 1000 : PLAN_FOREVER);
    ck_assert_int_eq(a.end.failed, rows[_i].failure != PLAN_FAILURES);
    ck_assert_int_eq(a.end.failure, rows[_i].failure);
    ck_assert_int_eq(a.end.late, rows[_i].late);
    ck_assert_int_eq(a.end.answer_began, rows[_i].began);
    ck_assert(a.is_struck);
}
END_TEST

/* A recorded answer that broke off, of so many KiB. */
static const struct {
    uint8_t flags;
    enum plan_failure recorded;
    uint16_t status;
    uint32_t kib;
    enum plan_failure failure;
    bool began;
} cuts[] = {
  /* A whole one is held, so another target may still answer: it is lost as a connection is. */
    {0,            PLAN_FAILED_STREAM,  200, 1,   PLAN_FAILED_CONNECT,     false},
    { 0,           PLAN_FAILED_CONNECT, 200, 1,   PLAN_FAILED_CONNECT,     false},
    { SIM_STALLED, PLAN_FAILED_STREAM,  200, 1,   PLAN_FAILED_FIRST_TOKEN, false},
 /* One that is too large to be held is the caller's. */
    { 0,           PLAN_FAILED_STREAM,  200, 100, PLAN_FAILED_STREAM,      true },
    { 0,           PLAN_FAILED_CONNECT, 200, 100, PLAN_FAILED_STREAM,      true },
    { SIM_STREAM,  PLAN_FAILED_STREAM,  200, 1,   PLAN_FAILED_STREAM,      true },
};

START_TEST(a_recorded_answer_that_broke_off_does_so_again)
{
    struct sim_arrival call = { .first_us = cuts[_i].flags & SIM_STREAM ? 1000000 : SIM_UNKNOWN,
                                .end_us = 3000000,
                                .failure = cuts[_i].recorded,
                                .status = cuts[_i].status,
                                .answer_bytes = cuts[_i].kib << 10,
                                .flags = cuts[_i].flags };
    const struct timers timers = { 5, 0, 0, 0 };
    struct sim_attempt a;

    attempt_at(&call, NULL, &timers, &a);
    ck_assert(a.end.failed && !a.end.late && !a.is_struck);
    ck_assert_int_eq(a.end.failure, cuts[_i].failure);
    ck_assert_int_eq(a.end.answer_began, cuts[_i].began);
    ck_assert_int_eq(a.end_us, 3000000);
    ck_assert_int_eq(a.first_us == PLAN_FOREVER, !cuts[_i].began);
    ck_assert(a.may_be_billed);
}
END_TEST

/* Nothing of an answer came: not the same as one that broke off. */
START_TEST(a_recorded_connection_that_failed_does_so_again)
{
    struct sim_arrival call = { .first_us = SIM_UNKNOWN,
                                .end_us = 3000000,
                                .failure = PLAN_FAILED_CONNECT };
    const struct timers timers = { 2, 0, 0, 0 };
    struct sim_attempt a;

    attempt_at(&call, NULL, &timers, &a);
    ck_assert_int_eq(a.end.failure, PLAN_FAILED_CONNECT);
    ck_assert(a.end.late && !a.may_be_billed); /* the connection's timer */
    ck_assert_int_eq(a.end_us, 2000000);
}
END_TEST

/* Whatever the factor, and behind a stall, too. */
START_TEST(a_pace_keeps_moments_in_order)
{
    static const uint32_t percents[] = { 1, 50, 100, 1000000 };
    static const char *const kinds[] = { "slow", "slow_head", "slow_first_token", "slow_stream" };
    const struct timers none = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        for (size_t n = 0; n < 2 * ARRAY_LEN(percents); n++) {
            struct fault f = fault_usual(fault_kind_find(str_from(kinds[i])));
            struct sim_attempt a;
            f.factor_percent = percents[n / 2];
            attempt(&f, &none, n % 2, &a);
            ck_assert_int_ge(a.first_us, 0);
            ck_assert_int_le(a.first_us, a.end_us);
            ck_assert_int_lt(a.end_us, PLAN_FOREVER);
            ck_assert(!a.end.failed);
        }
}
END_TEST

/* What the table says hangs is what serve lets hang. */
START_TEST(only_what_hangs_waits_for_a_timer)
{
    const struct timers none = { 0 };
    int hanging = 0;

    for (const struct fault_kind *k = fault_kinds; k->name; k++) {
        struct fault f = fault_usual(k);
        struct sim_attempt a;
        if (k->stage != FAULT_STREAM && k->stage != FAULT_BODY)
            continue;
        attempt(&f, &none, true, &a);
        ck_assert_msg((a.end_us == PLAN_FOREVER) == k->hangs, "%s", k->name);
        hanging += k->hangs;
    }
    ck_assert_int_eq(hanging, 3);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, an_attempt_ends_as_it_would_on_the_wire, 0, (int)ARRAY_LEN(rows));
    tcase_add_loop_test(tc, a_recorded_answer_that_broke_off_does_so_again, 0,
                        (int)ARRAY_LEN(cuts));
    tcase_add_test(tc, a_recorded_connection_that_failed_does_so_again);
    tcase_add_test(tc, a_pace_keeps_moments_in_order);
    tcase_add_test(tc, only_what_hangs_waits_for_a_timer);
}

CHECK_MAIN("replay/sim_attempt", add_tests)

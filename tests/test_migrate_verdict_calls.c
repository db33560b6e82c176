/* What calls come to: failures, callers who left, and the provider beside the gateway. */
#include "config.h"

#include "migrate/verdict.h"

#include <stdio.h>

#include "tests/check_main.h"
#include "tests/verdict_sample.h"

#define PLAN(gates)                                                                                \
    "programme: {name: g, start: 2026-10-05, alpha_total: 1%}\n"                                   \
    "actuators: {proxy: {driver: weir, file: ./cutover.yaml, socket: ./weir.sock}}\n"              \
    "defaults: {actuator: proxy, direct: openai, gateway: litellm, key: header.x-session}\n"       \
    "apps:\n"                                                                                      \
    "  bot:\n"                                                                                     \
    "    stages: [1%, 50%, 100%]\n"                                                                \
    "    gates: [" gates "]\n"                                                                     \
    "  cat: {}\n"                                                                                  \
    "  dog: {gates: [" gates "]}\n"

#define ERROR_GATE "{metric: error, min_units: 10, min_time: 1h, enough: 0%}"

static const struct {
    enum error_class error;
    int status;
    bool fails;
    int streamed; /* bytes; 0 = not a stream, -1 = nothing came of one, -2 = nobody knows what */
} classes[] = {
    {ERROR_CLASS_NONE,                 200, false, 0  },
    { ERROR_CLASS_NONE,                246, true,  0  },
    { ERROR_CLASS_NONE,                -1,  true,  0  },
    { ERROR_CLASS_NONE,                404, true,  0  },
    { ERROR_CLASS_STATUS_4XX,          446, true,  0  },
    { ERROR_CLASS_DENIED,              412, true,  0  },
    { ERROR_CLASS_TRANSPORT,           -1,  true,  0  },
    { ERROR_CLASS_TIMEOUT_HEAD,        -1,  true,  0  },
    { ERROR_CLASS_TIMEOUT_FIRST_TOKEN, 200, true,  0  },
    { ERROR_CLASS_STATUS_4XX,          400, true,  0  },
    { ERROR_CLASS_RATE_LIMITED,        429, true,  0  },
    { ERROR_CLASS_QUOTA_EXHAUSTED,     429, true,  0  },
    { ERROR_CLASS_OVERLOADED,          529, true,  0  },
    { ERROR_CLASS_STATUS_5XX,          500, true,  0  },
    { ERROR_CLASS_STREAM_ERROR_EVENT,  200, true,  0  },
    { ERROR_CLASS_STREAM_CUT,          200, true,  0  },
    { ERROR_CLASS_STREAM_STALL,        200, true,  0  },
    { ERROR_CLASS_MALFORMED,           200, true,  0  },
    { ERROR_CLASS_CONTENT_FILTER,      400, false, 0  },
    { ERROR_CLASS_CONTEXT_LENGTH,      400, false, 0  },
    { ERROR_CLASS_DENIED,              403, false, 0  },
    { ERROR_CLASS_CLIENT_GONE,         -1,  true,  0  },
    { ERROR_CLASS_CLIENT_GONE,         200, true,  0  },
    { ERROR_CLASS_CLIENT_GONE,         200, true,  -1 },
    { ERROR_CLASS_CLIENT_GONE,         200, false, 500},
    { ERROR_CLASS_CLIENT_GONE,         200, false, -2 },
    { ERROR_CLASS_CLIENT_GONE,         -1,  true,  -2 },
};

START_TEST(what_the_caller_brought_upon_itself_is_no_failure)
{
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    sample_call(&s, &(struct sample_call){ .at_us = T0 + HOUR,
                                           .on_gateway = true,
                                           .epoch = epoch,
                                           .share = 5000,
                                           .unit = "u",
                                           .stream = classes[_i].streamed != 0,
                                           .answer_bytes = classes[_i].streamed > 0 ? 500 : 0,
                                           .is_unseen = classes[_i].streamed == -2,
                                           .status = classes[_i].status,
                                           .error = classes[_i].error });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->gates[0].calls[1].failed, classes[_i].fails);
    ck_assert_int_eq(v->gates[0].counts.splits[0].failures[1], classes[_i].fails);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* --- callers who left --- */

/* Calls of a unit each, a second apart; of 100 so many are left after `after`. */
struct leavers {
    const char *name;
    int count, of_100;
    bool on_gateway;
    int64_t after_us;
};

static void add_leavers(struct sample *s, uint64_t epoch, const struct leavers *l)
{
    for (int i = 0; i < l->count; i++) {
        char unit[64];
        bool leaves = i % 100 < l->of_100;
        snprintf(unit, sizeof(unit), "%s-%d", l->name, i);
        sample_call(s, &(struct sample_call){ .at_us = T0 + HOUR + i * US_PER_SECOND,
                                              .on_gateway = l->on_gateway,
                                              .epoch = epoch,
                                              .share = 5000,
                                              .unit = unit,
                                              .stream = true,
                                              .answer_bytes = 900,
                                              .total_us = leaves ? l->after_us : 400 * MS,
                                              .error = leaves ? ERROR_CLASS_CLIENT_GONE
                                                              : ERROR_CLASS_NONE });
    }
}

/* Those who cancel as they please do so either way; of a gateway that hangs in the middle of its
 * answers more do. */
static const struct {
    int direct, gateway; /* of 100 */
    enum verdict_says says;
} rates[] = {
    {30,  30, VERDICT_PROMOTE },
    { 30, 32, VERDICT_PROMOTE },
    { 30, 60, VERDICT_ROLLBACK},
    { 1,  9,  VERDICT_ROLLBACK},
    { 0,  5,  VERDICT_ROLLBACK},
};

START_TEST(a_gateway_that_hangs_is_known_by_the_callers_who_leave)
{
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE ", {metric: abandoned, harm_ratio: 1.25, safe_ratio: 2,"
                                     " min_units: 10, min_time: 1h, enough: 0%}"));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    add_leavers(&s, epoch, &(struct leavers){ "d", 1500, rates[_i].direct, false, 2000 * MS });
    add_leavers(&s, epoch, &(struct leavers){ "g", 1500, rates[_i].gateway, true, 2000 * MS });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->gates[0].calls[1].failed, 0); /* what they saw of it was no error */
    ck_assert_int_eq(v->gates[1].calls[1].measured, 1500);
    ck_assert_int_eq(v->gates[1].calls[1].failed, rates[_i].gateway * 15);
    ck_assert_msg(v->gates[1].says == rates[_i].says, "%s", v->gates[1].why.ptr);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* The threshold is 950 ms: who left before says nothing, who left after has waited too long. */
START_TEST(who_left_after_the_threshold_waited_longer_than_it)
{
    struct sample s;

    sample_begin(&s, PLAN("{metric: exceed_total, min_units: 10, min_time: 1h}"));
    sample_ledger(&s, T0 - 3 * DAY);
    for (int i = 0; i < 1000; i++)
        sample_call(&s, &(struct sample_call){ .at_us = T0 - 3 * DAY + i * US_PER_SECOND,
                                               .total_us = (i + 1) * MS });
    for (int i = 0; i < 500; i++) /* nor are these of the baseline */
        sample_call(&s, &(struct sample_call){ .at_us = T0 - 3 * DAY + i * US_PER_SECOND,
                                               .total_us = 90000 * MS,
                                               .error = ERROR_CLASS_CLIENT_GONE });
    sample_seal(&s);
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    add_leavers(&s, epoch, &(struct leavers){ "d", 200, 20, false, 600 * MS });
    add_leavers(&s, epoch, &(struct leavers){ "g", 200, 20, true, 30000 * MS });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->gates[0].threshold.calls, 1000);
    ck_assert_int_eq(v->gates[0].calls[0].measured, 160);
    ck_assert_int_eq(v->gates[0].calls[0].failed, 0);
    ck_assert_int_eq(v->gates[0].calls[1].measured, 200);
    ck_assert_int_eq(v->gates[0].calls[1].failed, 40);
    ck_assert_int_eq(v->says, VERDICT_ROLLBACK);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* --- the provider beside the gateway --- */

#define CAP_GATE "{metric: error, min_units: 10, min_time: 1h, cap: 5%, alpha: 0.000001}"

/* 400 calls of "bot" through the gateway in one hour, at 100 %, of which so many of 100 fail;
 * beside it those of others. */
static const struct {
    const char *app; /* whose */
    const char *upstream;
    int calls, of_100;
    enum error_class error;
    int64_t after_us; /* the hour of the gateway's calls */
    bool trips, excused;
} besides[] = {
    {NULL,       NULL,        0,   0,  ERROR_CLASS_NONE,       0,         true,  false},
    { "cat",     "openai",    200, 0,  ERROR_CLASS_NONE,       0,         true,  false},
    { "cat",     "openai",    200, 50, ERROR_CLASS_STATUS_5XX, 0,         false, true },
    { "dog",     "openai",    200, 50, ERROR_CLASS_OVERLOADED, 0,         false, true },
    { "unnamed", "openai",    200, 50, ERROR_CLASS_TRANSPORT,  0,         false, true },
    { "cat",     "openai",    200, 2,  ERROR_CLASS_STATUS_5XX, 0,         true,  false}, /* as ever */
    { "cat",     "openai",    200, 10, ERROR_CLASS_STATUS_5XX, 0,         true,  false}, /* seldom */
    { "cat",     "openai",    200, 22, ERROR_CLASS_STATUS_5XX, 0,         false, true },
    { "cat",     "openai",    10,  50, ERROR_CLASS_STATUS_5XX, 0,         true,  false}, /* too few */
    { "cat",     "openai",    200, 50, ERROR_CLASS_STATUS_4XX, 0,         true,  false}, /* its own */
    { "cat",     "anthropic", 200, 50, ERROR_CLASS_STATUS_5XX, 0,         true,  false}, /* another */
    { "cat",     "litellm",   200, 50, ERROR_CLASS_STATUS_5XX, 0,         true,  false},
    { "cat",     "openai",    200, 50, ERROR_CLASS_STATUS_5XX, -6 * HOUR, true,  false}, /* is over */
};

/* Calls straight to a provider, a second apart, of which so many of 100 fail. */
struct direct_calls {
    const char *app, *upstream;
    int64_t from_us;
    int count, of_100;
    enum error_class error;
};

static void add_direct(struct sample *s, const struct direct_calls *d)
{
    for (int i = 0; i < d->count; i++) {
        bool fails = i % 100 < d->of_100;
        sample_call(s, &(struct sample_call){ .app = d->app,
                                              .at_us = d->from_us + i * US_PER_SECOND,
                                              .upstream = d->upstream,
                                              .arm = "direct",
                                              .status = fails ? 500 : 200,
                                              .error = fails ? d->error : ERROR_CLASS_NONE });
    }
}

static void add_beside(struct sample *s, const char *app, size_t row)
{
    add_direct(s, &(struct direct_calls){ app, besides[row].upstream,
                                          T0 + 8 * HOUR + besides[row].after_us, besides[row].calls,
                                          besides[row].of_100, besides[row].error });
}

START_TEST(an_outage_that_others_have_without_the_gateway_trips_no_cap)
{
    struct sample s;

    sample_begin(&s, PLAN(CAP_GATE));
    uint64_t epoch = sample_step(&s, "bot", 0, ROLLOUT_ALL, T0, true);
    sample_ledger(&s, T0);
    sample_crowd(&s,
                 &(struct sample_crowd){ T0 + 8 * HOUR, "u", 400, 2, true, epoch, ROLLOUT_ALL });
    if (besides[_i].app)
        add_beside(&s, besides[_i].app, (size_t)_i);
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    const struct verdict_gate *g = &v->gates[0];
    ck_assert_int_eq(g->cap_tripped, besides[_i].trips);
    ck_assert_int_eq(g->cap_excused, besides[_i].excused);
    ck_assert_int_eq(v->says, besides[_i].trips ? VERDICT_ROLLBACK : VERDICT_HOLD);
    if (g->cap_excused) {
        char of[40];
        snprintf(of, sizeof(of), "%d of 200 calls", 2 * besides[_i].of_100);
        ck_assert_msg(strstr(v->why.ptr, of) && strstr(v->why.ptr, "'openai' directly"), "%s",
                      v->why.ptr);
        ck_assert_int_eq(g->in_outages, 400);
        ck_assert_int_eq(g->beside.failed, 2 * besides[_i].of_100);
    }
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* Nor later, when the outage is over and what failed in it is most of what there is. */
START_TEST(what_failed_in_an_outage_does_not_count_afterwards)
{
    CLEANUP(buf_release) struct buf alone = { 0 }, together = { 0 };
    struct sample s;
    struct verdict *v = NULL;

    sample_begin(&s, PLAN(CAP_GATE));
    uint64_t other = sample_step(&s, "dog", 0, 5000, T0 + 7 * HOUR + HOUR / 2, true);
    uint64_t epoch = sample_step(&s, "bot", 0, ROLLOUT_ALL, T0 + 8 * HOUR, true);
    sample_ledger(&s, T0);
    sample_call(
        &s, &(struct sample_call){
                .app = "dog", .at_us = T0 + 9 * HOUR, .epoch = other, .share = 5000, .unit = "x" });
    sample_call(
        &s,
        &(struct sample_call){
            .app = "dog", .at_us = T0 + 10 * HOUR, .epoch = other, .share = 5000, .unit = "x" });
    sample_call(&s, &(struct sample_call){ .at_us = T0 + 10 * HOUR,
                                           .on_gateway = true,
                                           .epoch = epoch,
                                           .share = ROLLOUT_ALL,
                                           .unit = "x" });
    /* Ledgers of a day are in no order. */
    sample_crowd(&s, &(struct sample_crowd){ T0 + 8 * HOUR + 200 * US_PER_SECOND, "u", 400, 2, true,
                                             epoch, ROLLOUT_ALL });
    add_beside(&s, "cat", 2);
    sample_seal(&s);
    v = sample_judge(&s, T0 + DAY);
    ck_assert(!v->gates[0].cap_tripped && !v->gates[0].cap_excused);
    ck_assert_int_eq(v->gates[0].in_outages, 400);
    verdict_print_json(v, &alone);
    verdict_free(v, 1);
    /* Whoever else is looked at: the outage's hour begins before bot's first step. */
    struct verdict_input in = sample_input(&s, T0 + DAY);
    const struct programme_app *apps[] = { programme_find_app(s.programme, STR("bot")),
                                           programme_find_app(s.programme, STR("dog")) };
    ck_ok(verdict_judge(&in, apps, 2, &v, &sample_err));
    verdict_print_json(&v[0], &together);
    ck_assert_msg(str_eq(buf_str(&alone), buf_str(&together)), "%s%s", buf_cstr(&alone),
                  buf_cstr(&together));
    verdict_free(v, 2);
    sample_end(&s);
}
END_TEST

/* An application without a call since: others tell that its provider is well again. */
static const struct {
    int calls, of_100; /* straight to the provider in the next hour, and how many fail */
    bool excused;
} sinces[] = {
    {0,   0,  true },
    { 19, 0,  true },
    { 40, 50, true },
    { 40, 0,  false},
};

START_TEST(an_outage_is_over_when_direct_calls_go_well)
{
    struct sample s;

    sample_begin(&s, PLAN(CAP_GATE));
    uint64_t epoch = sample_step(&s, "bot", 0, ROLLOUT_ALL, T0, true);
    sample_ledger(&s, T0);
    sample_crowd(&s,
                 &(struct sample_crowd){ T0 + 8 * HOUR, "u", 400, 2, true, epoch, ROLLOUT_ALL });
    add_beside(&s, "cat", 2);
    add_direct(&s, &(struct direct_calls){ "cat", "openai", T0 + 9 * HOUR, sinces[_i].calls,
                                           sinces[_i].of_100, ERROR_CLASS_STATUS_5XX });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert(!v->gates[0].cap_tripped);
    ck_assert_int_eq(v->gates[0].cap_excused, sinces[_i].excused);
    ck_assert_int_eq(v->gates[0].in_outages, 400);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* --- what is not given twice --- */

/* Three applications, one gate each: 1 % / 3, and half of that for the first attempt. */
START_TEST(who_is_taken_out_of_the_plan_leaves_nothing_to_the_others)
{
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    sample_step(&s, "dog", 0, 100, T0, true);
    sample_step(&s, "dog", 100, 0, T0 + HOUR, true);
    sample_step(&s, "bot", 0, 100, T0 + 2 * HOUR, true);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert(v->gates[0].alpha == 0.01 / 3 / 2);
    verdict_free(v, 1);
    struct programme *before = s.programme;
    ck_ok(programme_parse(STR("programme: {name: g, start: 2026-10-05, alpha_total: 1%}\n"
                              "actuators: {proxy: {driver: weir, file: ./c.yaml, socket: ./s}}\n"
                              "apps: {bot: {actuator: proxy, direct: openai, gateway: litellm,\n"
                              "  key: header.x-session, gates: [" ERROR_GATE "]}}\n"),
                          "p.yaml", temp_folder, &s.programme, &sample_err));
    v = sample_judge(&s, T0 + DAY);
    /* "dog" was moved once, "cat" never. */
    ck_assert(v->gates[0].alpha == 0.01 / 2 / 2);
    verdict_free(v, 1);
    v = sample_judge(&s, T0); /* before any of it */
    ck_assert(v->gates[0].alpha == 0.01);
    verdict_free(v, 1);
    programme_free(before);
    sample_end(&s);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, what_the_caller_brought_upon_itself_is_no_failure, 0,
                        ARRAY_LEN(classes));
    tcase_add_loop_test(tc, a_gateway_that_hangs_is_known_by_the_callers_who_leave, 0,
                        ARRAY_LEN(rates));
    tcase_add_test(tc, who_left_after_the_threshold_waited_longer_than_it);
    tcase_add_loop_test(tc, an_outage_that_others_have_without_the_gateway_trips_no_cap, 0,
                        ARRAY_LEN(besides));
    tcase_add_loop_test(tc, an_outage_is_over_when_direct_calls_go_well, 0, ARRAY_LEN(sinces));
    tcase_add_test(tc, what_failed_in_an_outage_does_not_count_afterwards);
    tcase_add_test(tc, who_is_taken_out_of_the_plan_leaves_nothing_to_the_others);
}

CHECK_MAIN("migrate/verdict_calls", add_tests)

/* What archives of made-up calls are judged to say. */
#include "config.h"

#include "migrate/verdict.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>

#include "tests/check_main.h"
#include "tests/verdict_sample.h"

#define PLAN(gates)                                                                                \
    "programme: {name: g, start: 2026-10-05, alpha_total: 1%}\n"                                   \
    "actuators: {proxy: {driver: weir, file: ./cutover.yaml, socket: ./weir.sock}}\n"              \
    "defaults: {actuator: proxy, direct: openai, gateway: litellm, key: header.x-session}\n"       \
    "apps:\n"                                                                                      \
    "  bot:\n"                                                                                     \
    "    stages: [1%, 5%, 50%, 100%]\n"                                                            \
    "    gates: [" gates "]\n"

#define ERROR_GATE "{metric: error, min_units: 10, min_time: 1h, enough: 0%}"

#define TOTAL_GATE "{metric: exceed_total, min_units: 10, min_time: 1h}"

START_TEST(nothing_begun_is_a_hold)
{
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    struct verdict *v = sample_judge(&s, T0);
    ck_assert_int_eq(v->says, VERDICT_HOLD);
    ck_assert_uint_eq(v->attempt, 0);
    ck_assert_int_eq(v->share, 0);
    ck_assert_uint_eq(v->ledgers, 0);
    verdict_free(v, 1);
    sample_step(&s, "bot", 0, 100, T0, true);
    v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->says, VERDICT_HOLD);
    ck_assert_int_eq(v->share, 100);
    ck_assert_uint_eq(v->attempt, 1);
    ck_assert(strstr(v->why.ptr, "no call at the gateway"));
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

static const struct gate_split *split(const struct verdict *v, int32_t share)
{
    const struct gate_counts *c = &v->gates[0].counts;

    for (size_t i = 0; i < c->len; i++)
        if (c->splits[i].share == share)
            return &c->splits[i];
    ck_abort_msg("no share of %d", (int)share);
    return NULL;
}

/* Three stages; "a" keys are seen in all of them. */
START_TEST(evidence_goes_on_from_stage_to_stage_and_a_key_counts_once)
{
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    uint64_t e1 = sample_step(&s, "bot", 0, 100, T0, true);
    uint64_t e2 = sample_step(&s, "bot", 100, 500, T0 + DAY, true);
    uint64_t e3 = sample_step(&s, "bot", 500, 5000, T0 + 2 * DAY, true);
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "a", 100, 10, false, e1, 100 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "g", 5, 5, true, e1, 100 });
    sample_seal(&s);
    sample_ledger(&s, T0 + DAY);
    sample_crowd(&s, &(struct sample_crowd){ T0 + DAY + HOUR, "a", 100, 5, false, e2, 500 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + DAY + HOUR, "b", 40, 4, true, e2, 500 });
    sample_seal(&s);
    sample_ledger(&s, T0 + 2 * DAY);
    /* The same keys, now on the other side: where they were first seen and failed is what counts.
     */
    sample_crowd(&s, &(struct sample_crowd){ T0 + 2 * DAY + HOUR, "a", 100, 1, true, e3, 5000 });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + 3 * DAY);
    ck_assert_uint_eq(v->gates[0].counts.len, 3);
    ck_assert_int_eq(split(v, 100)->units[0], 100);
    ck_assert_int_eq(split(v, 100)->units[1], 5);
    ck_assert_int_eq(split(v, 100)->failures[0], 10);
    ck_assert_int_eq(split(v, 100)->failures[1], 1);
    ck_assert_int_eq(split(v, 500)->units[0], 0);
    ck_assert_int_eq(split(v, 500)->units[1], 40);
    ck_assert_int_eq(split(v, 500)->failures[0], 10); /* 20 failed, 10 of them before */
    ck_assert_int_eq(split(v, 500)->failures[1], 10);
    ck_assert_int_eq(split(v, 5000)->units[1], 0);
    ck_assert_int_eq(split(v, 5000)->failures[1], 80);
    ck_assert_int_eq(v->calls[0], 200);
    ck_assert_int_eq(v->calls[1], 145);
    ck_assert_int_eq(v->share, 5000);
    ck_assert_uint_eq(v->ledgers, 3);
    /* In any order, from any number of ledgers, it is the same evidence. */
    struct gate_evidence e;
    gate_weigh(&v->gates[0].counts, 1, 2, 0.05, &e);
    ck_assert_mem_eq(&e, &v->gates[0].evidence, sizeof(e));
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* Both arms fail alike, or the gateway does twice as often. */
static const struct {
    int every_direct, every_gateway;
    enum verdict_says says;
    const char *why;
} outcomes[] = {
    {20,  20, VERDICT_PROMOTE,  "error: today ratios of >= "       },
    { 20, 5,  VERDICT_ROLLBACK, "error: more than 1 x as often"    },
    { 0,  0,  VERDICT_HOLD,     "error: today no ratio is excluded"},
    { 5,  50, VERDICT_PROMOTE,  "error: today ratios of >= "       },
};

START_TEST(evidence_says_what_is_to_be_done)
{
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "d", 1500, outcomes[_i].every_direct, false,
                                             epoch, 5000 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "g", 1500, outcomes[_i].every_gateway, true,
                                             epoch, 5000 });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_msg(v->says == outcomes[_i].says, "%s", v->why.ptr);
    ck_assert_msg(strstr(v->why.ptr, outcomes[_i].why) == v->why.ptr, "%s", v->why.ptr);
    ck_assert(!v->split_is_off);
    ck_assert(v->gates[0].alpha == 0.01 / 2);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

START_TEST(hardly_any_failures_may_be_enough)
{
    struct sample s;

    sample_begin(&s, PLAN("{metric: error, min_units: 10, min_time: 1h, enough: 1%}"));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "d", 200, 0, false, epoch, 5000 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "g", 200, 0, true, epoch, 5000 });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->says, VERDICT_HOLD); /* 1 % of 200 are 2: not shown yet */
    verdict_free(v, 1);
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + 2 * HOUR, "e", 400, 0, false, epoch, 5000 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + 2 * HOUR, "h", 400, 0, true, epoch, 5000 });
    sample_seal(&s);
    v = sample_judge(&s, T0 + DAY);
    ck_assert_msg(v->says == VERDICT_PROMOTE, "%s", v->why.ptr);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

START_TEST(few_units_and_a_short_time_hold)
{
    struct sample s;

    sample_begin(&s, PLAN("{metric: error, min_units: 4000, min_time: 1h}"));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    sample_crowd(
        &s, &(struct sample_crowd){ T0 + 600 * US_PER_SECOND, "d", 1500, 20, false, epoch, 5000 });
    sample_crowd(
        &s, &(struct sample_crowd){ T0 + 600 * US_PER_SECOND, "g", 1500, 20, true, epoch, 5000 });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->says, VERDICT_HOLD);
    ck_assert_msg(strstr(v->why.ptr, "3000 units so far, 4000 are needed"), "%s", v->why.ptr);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

START_TEST(another_attempt_begins_anew_with_half_the_chance)
{
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    uint64_t e1 = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_step(&s, "bot", 5000, 0, T0 + DAY, true);
    uint64_t e3 = sample_step(&s, "bot", 0, 500, T0 + 2 * DAY, true);
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "g", 300, 2, true, e1, 5000 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "d", 300, 0, false, e1, 5000 });
    sample_seal(&s);
    sample_ledger(&s, T0 + 2 * DAY);
    sample_crowd(&s, &(struct sample_crowd){ T0 + 2 * DAY + HOUR, "g", 20, 0, true, e3, 500 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + 2 * DAY + HOUR, "d", 380, 40, false, e3, 500 });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->says, VERDICT_ROLLBACK);
    verdict_free(v, 1);
    v = sample_judge(&s, T0 + 2 * DAY); /* rolled back: there is nothing to be done */
    ck_assert_int_eq(v->says, VERDICT_HOLD);
    ck_assert_int_eq(v->share, 0);
    verdict_free(v, 1);
    v = sample_judge(&s, T0 + 3 * DAY);
    ck_assert_uint_eq(v->attempt, 2);
    ck_assert(v->gates[0].alpha == 0.01 / 4);
    ck_assert_uint_eq(v->gates[0].counts.len, 1);
    ck_assert_int_eq(split(v, 500)->failures[1], 0);
    ck_assert_int_ne(v->says, VERDICT_ROLLBACK);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* What somebody wrote by hand and a person accepted: its calls carry the epoch that it has, which
 * is none that the ledger counted. */
START_TEST(what_was_accepted_is_judged_by_what_it_says_itself)
{
    static const struct rollout_move by_hand = { STR_INIT("bot"), 0, 5000 };
    struct rollout_entry e = { .actuator = STR("proxy"), .moves = &by_hand, .move_count = 1 };
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    uint64_t e1 = sample_step(&s, "bot", 0, 500, T0 - DAY, true);
    uint64_t e2 = sample_step(&s, "bot", 500, 0, T0 - HOUR, true);
    e.epoch = ++s.epoch;
    sample_entry(&s, &e, ROLLOUT_ACCEPTED, T0);
    sample_ledger(&s, T0);
    sample_crowd(&s,
                 &(struct sample_crowd){ T0 - HOUR - US_PER_SECOND, "o", 30, 1, true, e1, 500 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "g", 300, 5, true, e2, 5000 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "d", 300, 0, false, e2, 5000 });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->calls[1], 300);
    ck_assert_int_eq(v->says, VERDICT_ROLLBACK);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* --- what counts --- */

/* What a call that is no evidence looks like; shares by time are those of steps. */
START_TEST(what_chance_had_no_part_in_is_left_out)
{
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    uint64_t e1 = sample_step(&s, "bot", 0, 100, T0, true); /* until T0 + 2 min */
    sample_step(&s, "bot", 100, 500, T0 + DAY, false);      /* aborted */
    const struct {
        struct sample_call call;
        int calls, left_out;
    } rows[] = {
        {{ .at_us = T0 - HOUR, .user = "ann" },                                    0, 0}, /* before it began */
        { { .at_us = T0 + US_PER_SECOND, .user = "ann" },                          0, 1},
        { { .at_us = T0 + US_PER_SECOND, .epoch = e1, .share = 100, .unit = "u" }, 1, 0},
        { { .at_us = T0 + HOUR, .user = "ann" },                                   1, 0},
        { { .at_us = T0 + HOUR, .epoch = e1, .share = 100 },                       0, 1}, /* no key */
        { { .at_us = T0 + HOUR, .epoch = e1, .share = 10000 },                     1, 0}, /* all move */
        { { .at_us = T0 + HOUR, .user = "ann", .upstream = "elsewhere" },          0, 1},
        { { .at_us = T0 + HOUR, .user = "ann", .is_part_of_sum = true },           0, 1},
        { { .at_us = T0 + HOUR, .user = "ann", .app = "other" },                   0, 0},
        { { .at_us = T0 + DAY + US_PER_SECOND, .user = "ann" },                    0, 1},
        { { .at_us = T0 + DAY + HOUR, .user = "ann" },                             1, 0},
        { { .at_us = T0 + DAY + HOUR },                                            1, 0}, /* each call a unit of its own */
        { { .at_us = T0 + 2 * DAY, .user = "ann" },                                0, 0}, /* not before `until` */
    };
    int calls = 0, left_out = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sample_ledger(&s, rows[i].call.at_us);
        sample_call(&s, &rows[i].call);
        sample_seal(&s);
        calls += rows[i].calls;
        left_out += rows[i].left_out;
        struct verdict *v = sample_judge(&s, T0 + 2 * DAY);
        ck_assert_msg(v->calls[0] == calls && v->left_out == left_out, "row %zu: %d, left out %d",
                      i, (int)v->calls[0], (int)v->left_out);
        ck_assert_int_eq(v->share, 100);
        verdict_free(v, 1);
    }
    struct verdict *v = sample_judge(&s, T0 + 2 * DAY);
    ck_assert_int_eq(split(v, 100)->units[0], 3); /* u, ann, and the one without a name */
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* A step begins only where live is what the ledger says: whoever changed it has put it back. */
START_TEST(a_drift_is_over_when_a_step_begins)
{
    struct rollout_entry e = { .actuator = STR("proxy") };
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    sample_step(&s, "bot", 0, 100, T0, true);
    sample_entry(&s, &e, ROLLOUT_DRIFTED, T0 + HOUR);
    e.why = ROLLOUT_REHEARSE;
    e.epoch = ++s.epoch;
    sample_entry(&s, &e, ROLLOUT_INTENT, T0 + 3 * HOUR);
    sample_entry(&s, &e, ROLLOUT_ABORTED, T0 + 4 * HOUR);
    sample_ledger(&s, T0);
    sample_call(&s, &(struct sample_call){ .at_us = T0 + 2 * HOUR, .user = "ann" });
    sample_call(&s, &(struct sample_call){ .at_us = T0 + 5 * HOUR, .user = "ann" });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->left_out, 1);
    ck_assert_int_eq(v->calls[0], 1);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

START_TEST(a_fallback_does_not_hide_where_a_call_was_sent)
{
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    sample_call(&s, &(struct sample_call){ .at_us = T0 + HOUR,
                                           .upstream = "openai",
                                           .first = "litellm",
                                           .attempts = 2,
                                           .epoch = epoch,
                                           .share = 5000,
                                           .unit = "u" });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->calls[1], 1);
    ck_assert_int_eq(v->calls[0], 0);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* What else the application calls has its arm, too. */
START_TEST(other_upstreams_of_an_application_are_no_part_of_its_cutover)
{
    struct sample s;

    sample_begin(&s, PLAN(TOTAL_GATE));
    sample_ledger(&s, T0 - DAY);
    for (int i = 0; i < 300; i++)
        sample_call(&s, &(struct sample_call){ .at_us = T0 - DAY,
                                               .upstream = i < 50 ? "openai" : "anthropic",
                                               .arm = "direct" });
    sample_seal(&s);
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    sample_call(&s,
                &(struct sample_call){
                    .at_us = T0 + HOUR, .user = "ann", .upstream = "anthropic", .arm = "direct" });
    sample_call(&s, &(struct sample_call){
                        .at_us = T0 + HOUR, .epoch = epoch, .share = 5000, .unit = "u" });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->calls[0], 1);
    ck_assert_int_eq(v->left_out, 1);
    ck_assert_int_eq(v->gates[0].threshold.calls, 50);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* nginx and others split where the record does not see it: there the arm is what it says. */
START_TEST(behind_other_programs_the_recorded_arm_counts)
{
    struct sample s;

    sample_begin(&s, "programme: {name: g, start: 2026-10-05}\n"
                     "actuators: {proxy: {driver: env, file: ./env, restart: [true]}}\n"
                     "apps:\n"
                     "  bot: {actuator: proxy, direct: 'https://a', gateway: 'https://b',\n"
                     "        key: request, gates: [" ERROR_GATE "]}\n");
    sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    for (int i = 0; i < 30; i++)
        sample_call(&s, &(struct sample_call){ .at_us = T0 + HOUR,
                                               .user = "ann",
                                               .upstream = "somewhere",
                                               .arm = i % 3 ? "gateway" : "direct" });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->calls[0], 10);
    ck_assert_int_eq(v->calls[1], 20);
    ck_assert_int_eq(split(v, 5000)->units[1], 20); /* by request, whoever called */
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* --- thresholds --- */

/* A baseline of 1 to 1000 ms: the 95th percentile is 950. */
static void add_baseline(struct sample *s, int count)
{
    sample_ledger(s, T0 - 3 * DAY);
    for (int i = 0; i < count; i++) {
        sample_call(s, &(struct sample_call){ .at_us = T0 - 3 * DAY + i * US_PER_SECOND,
                                              .total_us = (i % 1000 + 1) * MS,
                                              .input_tokens = (i % 1000 + 1) * 1000 });
        if (i % 10 == 0) /* neither of these is of the baseline */
            sample_call(s, &(struct sample_call){ .at_us = T0 - 3 * DAY + i * US_PER_SECOND,
                                                  .on_gateway = true,
                                                  .total_us = 90000 * MS });
        if (i % 10 == 1)
            sample_call(s, &(struct sample_call){ .at_us = T0 - 3 * DAY + i * US_PER_SECOND,
                                                  .status = 500,
                                                  .total_us = 90000 * MS });
    }
    sample_seal(s);
}

START_TEST(thresholds_are_frozen_before_the_first_step)
{
    struct sample s;

    sample_begin(&s, PLAN(TOTAL_GATE));
    add_baseline(&s, 2000);
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    for (int i = 0; i < 400; i++) { /* slower than the baseline, which it leaves as it is */
        char unit[16];
        snprintf(unit, sizeof(unit), "u%d", i);
        sample_call(&s, &(struct sample_call){ .at_us = T0 + HOUR + i * US_PER_SECOND,
                                               .on_gateway = i % 2,
                                               .epoch = epoch,
                                               .share = 5000,
                                               .unit = unit,
                                               .total_us = i % 4 ? 900 * MS : 1000 * MS });
    }
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    const struct verdict_threshold *t = &v->gates[0].threshold;
    ck_assert_msg(llabs(t->value - 950 * MS) <= 950 * MS / 100, "%lld", (long long)t->value);
    ck_assert_int_eq(t->calls, 2000);
    ck_assert_int_eq(t->to_us, T0);
    ck_assert_int_eq(split(v, 5000)->failures[0], 100);
    ck_assert_int_eq(split(v, 5000)->failures[1], 0);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

START_TEST(a_baseline_of_few_calls_makes_no_threshold)
{
    struct sample s;

    sample_begin(&s, PLAN(TOTAL_GATE));
    add_baseline(&s, VERDICT_BASELINE_CALLS - 1);
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "g", 50, 0, true, epoch, 5000 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "d", 50, 0, false, epoch, 5000 });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->says, VERDICT_HOLD);
    ck_assert_int_eq(v->gates[0].threshold.value, -1);
    ck_assert_msg(strstr(v->why.ptr, "199 direct calls"), "%s", v->why.ptr);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

START_TEST(a_threshold_of_the_plan_needs_no_baseline)
{
    struct sample s;

    sample_begin(&s, PLAN("{metric: attempts_per_call, threshold: 1, min_units: 1, min_time: 1m}"));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    for (unsigned i = 1; i <= 4; i++)
        sample_call(&s, &(struct sample_call){ .at_us = T0 + HOUR,
                                               .on_gateway = true,
                                               .epoch = epoch,
                                               .share = 5000,
                                               .unit = i % 2 ? "a" : "b",
                                               .attempts = i });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->gates[0].calls[1].measured, 4);
    ck_assert_int_eq(v->gates[0].calls[1].failed, 3);
    ck_assert_int_eq(split(v, 5000)->failures[1], 2);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* Prices of the table, the same for both arms: 1 USD per million tokens. */
static const char prices[] = "format: weir-prices/1\n"
                             "provider: openai\n"
                             "sources: {test: {title: test prices, date: 2026-01-01}}\n"
                             "entries:\n"
                             "  - id: gpt-4o\n"
                             "    source: test\n"
                             "    checked: 2026-01-01\n"
                             "    per_million: {input: \"1\", output: \"3\"}\n";

START_TEST(cost_is_of_the_price_table)
{
    CLEANUP(price_book_free) struct price_book *book = NULL;
    const struct programme_app *app;
    struct verdict *v = NULL;
    struct sample s;
    FILE *file = fopen(temp_path("prices.yaml"), "w");

    ck_assert(file && fputs(prices, file) >= 0 && fclose(file) == 0);
    ck_ok(price_book_load(&book, temp_path("prices.yaml"), &sample_err));
    sample_begin(&s, PLAN("{metric: exceed_cost, min_units: 1, min_time: 1m}"));
    add_baseline(&s, 1000);
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    for (int i = 0; i < 10; i++)
        sample_call(&s, &(struct sample_call){ .at_us = T0 + HOUR,
                                               .on_gateway = true,
                                               .epoch = epoch,
                                               .share = 5000,
                                               .unit = i % 2 ? "a" : "b",
                                               .input_tokens = i < 4 ? 990000 : 100000 });
    sample_seal(&s);
    struct verdict_input in = sample_input(&s, T0 + DAY);
    app = programme_find_app(s.programme, STR("bot"));
    in.prices = book;
    ck_ok(verdict_judge(&in, &app, 1, &v, &sample_err));
    int64_t nusd = v->gates[0].threshold.value; /* 950,000 tokens are 0.95 USD */
    ck_assert_msg(llabs(nusd - 950000000) < 9500000, "%lld", (long long)nusd);
    ck_assert_int_eq(v->gates[0].calls[1].failed, 4);
    verdict_free(v, 1);
    v = sample_judge(&s, T0 + DAY);
    ck_assert(strstr(v->why.ptr, "no prices"));
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

START_TEST(streams_that_end_early_count_and_others_do_not)
{
    struct sample s;

    sample_begin(&s, PLAN("{metric: stream_truncated, min_units: 1, min_time: 1m}"));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    for (int i = 0; i < 8; i++)
        sample_call(&s, &(struct sample_call){ .at_us = T0 + HOUR + i,
                                               .epoch = epoch,
                                               .share = 5000,
                                               .unit = "u",
                                               .stream = i & 1,
                                               .truncated = i & 2,
                                               .error = i & 4 ? ERROR_CLASS_CLIENT_GONE
                                                              : ERROR_CLASS_NONE });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->gates[0].calls[0].measured, 2);
    ck_assert_int_eq(v->gates[0].calls[0].failed, 1);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* --- caps --- */

#define CAP_GATE "{metric: error, min_units: 10, min_time: 1h, cap: 5%, alpha: 0.000001}"

/* 1,000 calls at the gateway, of `keys` keys in turn; the calls of the first `bad` keys fail. */
static const struct {
    int keys, bad, direct_every;
    bool trips;
} caps[] = {
    {1000,  200, 0, true },
    { 1000, 60,  0, false}, /* 6 % of 1,000: the interval reaches below 5 % */
    { 10,   1,   0, false}, /* one key in ten, all of its calls: as likely chance */
    { 100,  30,  0, true },
    { 1000, 200, 4, false}, /* both arms: going back would help nobody */
    { 2,    1,   0, false},
};

START_TEST(a_cap_is_tripped_by_many_and_not_by_one)
{
    struct sample s;

    sample_begin(&s, PLAN(CAP_GATE));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    for (int i = 0; i < 1000; i++) {
        char unit[16];
        int key = i % caps[_i].keys;
        snprintf(unit, sizeof(unit), "u%d", key);
        sample_call(&s, &(struct sample_call){ .at_us = T0 + HOUR + i * US_PER_SECOND,
                                               .on_gateway = true,
                                               .epoch = epoch,
                                               .share = 5000,
                                               .unit = unit,
                                               .status = key < caps[_i].bad ? 500 : 200,
                                               .error = key < caps[_i].bad ? ERROR_CLASS_STATUS_5XX
                                                                           : ERROR_CLASS_NONE });
    }
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "d", 1000, caps[_i].direct_every, false,
                                             epoch, 5000 });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert_int_eq(v->gates[0].cap_tripped, caps[_i].trips);
    if (caps[_i].trips)
        ck_assert_int_eq(v->says, VERDICT_ROLLBACK);
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

START_TEST(at_the_whole_share_a_bad_hour_is_not_hidden_by_good_days)
{
    struct sample s;

    sample_begin(&s, PLAN(CAP_GATE));
    uint64_t epoch = sample_step(&s, "bot", 0, 10000, T0, true);
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "a", 3000, 0, true, epoch, 10000 });
    sample_seal(&s);
    sample_ledger(&s, T0 + DAY);
    sample_crowd(&s, &(struct sample_crowd){ T0 + DAY, "b", 60, 2, true, epoch, 10000 });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert(!v->gates[0].cap_tripped);
    verdict_free(v, 1);
    v = sample_judge(&s, T0 + 2 * DAY);
    ck_assert(v->gates[0].cap_tripped);
    ck_assert_uint_eq(v->gates[0].counts.len, 0); /* nothing to compare with */
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

START_TEST(a_split_that_is_not_as_intended_holds)
{
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "d", 2000, 20, false, epoch, 5000 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "g", 1200, 20, true, epoch, 5000 });
    sample_seal(&s);
    struct verdict *v = sample_judge(&s, T0 + DAY);
    ck_assert(v->split_is_off);
    ck_assert_int_eq(v->says, VERDICT_HOLD);
    ck_assert(strstr(v->why.ptr, "the split is not what was intended"));
    verdict_free(v, 1);
    sample_end(&s);
}
END_TEST

/* --- the same bytes --- */

static void print(const struct sample *s, int64_t until_us, uint64_t chain_lines, struct buf *ret)
{
    const struct programme_app *app = programme_find_app(s->programme, STR("bot"));
    struct verdict_input in = sample_input(s, until_us);
    struct verdict *v = NULL;

    in.chain_lines = chain_lines;
    ck_ok(verdict_judge(&in, &app, 1, &v, &sample_err));
    buf_clear(ret);
    verdict_print_json(v, ret);
    verdict_free(v, 1);
}

START_TEST(a_verdict_can_be_recomputed_byte_for_byte_later)
{
    CLEANUP(buf_release) struct buf then = { 0 }, now = { 0 };
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE ", " TOTAL_GATE));
    add_baseline(&s, 300);
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "d", 500, 20, false, epoch, 5000 });
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "g", 500, 10, true, epoch, 5000 });
    sample_seal(&s);
    print(&s, T0 + DAY, 0, &then);
    print(&s, T0 + DAY, 0, &now);
    ck_assert(str_eq(buf_str(&then), buf_str(&now)));
    /* Sealed later, of the same day; and steps after it. */
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + 2 * HOUR, "x", 500, 3, true, epoch, 5000 });
    sample_seal(&s);
    sample_step(&s, "bot", 5000, 0, T0 + DAY, true);
    print(&s, T0 + DAY, 0, &now);
    ck_assert(!str_eq(buf_str(&then), buf_str(&now)));
    print(&s, T0 + DAY, 2, &now);
    ck_assert_msg(str_eq(buf_str(&then), buf_str(&now)), "%s%s", buf_cstr(&then), buf_cstr(&now));
    sample_end(&s);
}
END_TEST

START_TEST(applications_judged_together_are_judged_as_each_alone)
{
    CLEANUP(buf_release) struct buf alone = { 0 }, together = { 0 };
    struct sample s;
    struct verdict *v = NULL;

    sample_begin(&s, PLAN(ERROR_GATE ", " TOTAL_GATE) "  cat: {}\n"
                                                      "  dog: {gates: [" ERROR_GATE "]}\n");
    add_baseline(&s, 300);
    uint64_t e1 = sample_step(&s, "bot", 0, 5000, T0, true);
    uint64_t e2 = sample_step(&s, "cat", 0, 500, T0 + DAY, true);
    sample_ledger(&s, T0 + DAY);
    for (int i = 0; i < 2000; i++) {
        char unit[16];
        snprintf(unit, sizeof(unit), "u%d", i);
        sample_call(&s, &(struct sample_call){ .app = i % 2 ? "bot" : "cat",
                                               .at_us = T0 + DAY + HOUR + i * US_PER_SECOND,
                                               .on_gateway = i / 2 % 2,
                                               .epoch = i % 2 ? e1 : e2,
                                               .share = i % 2 ? 5000 : 500,
                                               .unit = unit,
                                               .status = i % 7 ? 200 : 500,
                                               .error = i % 7 ? ERROR_CLASS_NONE
                                                              : ERROR_CLASS_STATUS_5XX });
    }
    sample_seal(&s);
    struct verdict_input in = sample_input(&s, T0 + 2 * DAY);
    const struct programme_app *apps[3] = { &s.programme->apps[0], &s.programme->apps[1],
                                            &s.programme->apps[2] };
    ck_ok(verdict_judge(&in, apps, 3, &v, &sample_err));
    for (size_t i = 0; i < 3; i++)
        verdict_print_json(&v[i], &together);
    verdict_free(v, 3);
    for (size_t i = 0; i < 3; i++) {
        ck_ok(verdict_judge(&in, &apps[i], 1, &v, &sample_err));
        verdict_print_json(v, &alone);
        verdict_free(v, 1);
    }
    ck_assert_msg(str_eq(buf_str(&alone), buf_str(&together)), "%s\n%s", buf_cstr(&alone),
                  buf_cstr(&together));
    sample_end(&s);
}
END_TEST

START_TEST(a_ledger_that_is_not_what_was_sealed_is_refused)
{
    const struct programme_app *app;
    struct verdict *v = NULL;
    struct sample s;

    sample_begin(&s, PLAN(ERROR_GATE));
    uint64_t epoch = sample_step(&s, "bot", 0, 5000, T0, true);
    sample_ledger(&s, T0);
    sample_crowd(&s, &(struct sample_crowd){ T0 + HOUR, "g", 50, 0, true, epoch, 5000 });
    sample_seal(&s);
    app = programme_find_app(s.programme, STR("bot"));
    struct verdict_input in = sample_input(&s, T0 + DAY);
    int fd = open(s.ledger_path, O_RDWR);
    char byte;
    ck_assert(fd >= 0 && pread(fd, &byte, 1, 100) == 1);
    byte ^= 1;
    ck_assert(pwrite(fd, &byte, 1, 100) == 1 && close(fd) == 0);
    ck_assert_int_eq(verdict_judge(&in, &app, 1, &v, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
    ck_assert(strstr(sample_err.text, "is not what was sealed"));
    ck_assert_int_eq(unlink(s.ledger_path), 0);
    ck_assert_int_eq(verdict_judge(&in, &app, 1, &v, &sample_err), -1);
    in.chain_lines = 7;
    ck_assert_int_eq(verdict_judge(&in, &app, 1, &v, &sample_err), -1);
    ck_assert(strstr(sample_err.text, "should have 7"));
    sample_end(&s);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, nothing_begun_is_a_hold);
    tcase_add_test(tc, evidence_goes_on_from_stage_to_stage_and_a_key_counts_once);
    tcase_add_loop_test(tc, evidence_says_what_is_to_be_done, 0, ARRAY_LEN(outcomes));
    tcase_add_test(tc, hardly_any_failures_may_be_enough);
    tcase_add_test(tc, few_units_and_a_short_time_hold);
    tcase_add_test(tc, another_attempt_begins_anew_with_half_the_chance);
    tcase_add_test(tc, what_was_accepted_is_judged_by_what_it_says_itself);
    tcase_add_test(tc, what_chance_had_no_part_in_is_left_out);
    tcase_add_test(tc, a_drift_is_over_when_a_step_begins);
    tcase_add_test(tc, a_fallback_does_not_hide_where_a_call_was_sent);
    tcase_add_test(tc, other_upstreams_of_an_application_are_no_part_of_its_cutover);
    tcase_add_test(tc, behind_other_programs_the_recorded_arm_counts);
    tcase_add_test(tc, thresholds_are_frozen_before_the_first_step);
    tcase_add_test(tc, a_baseline_of_few_calls_makes_no_threshold);
    tcase_add_test(tc, a_threshold_of_the_plan_needs_no_baseline);
    tcase_add_test(tc, cost_is_of_the_price_table);
    tcase_add_test(tc, streams_that_end_early_count_and_others_do_not);
    tcase_add_loop_test(tc, a_cap_is_tripped_by_many_and_not_by_one, 0, ARRAY_LEN(caps));
    tcase_add_test(tc, at_the_whole_share_a_bad_hour_is_not_hidden_by_good_days);
    tcase_add_test(tc, a_split_that_is_not_as_intended_holds);
    tcase_add_test(tc, a_verdict_can_be_recomputed_byte_for_byte_later);
    tcase_add_test(tc, applications_judged_together_are_judged_as_each_alone);
    tcase_add_test(tc, a_ledger_that_is_not_what_was_sealed_is_refused);
}

CHECK_MAIN("migrate/verdict", add_tests)

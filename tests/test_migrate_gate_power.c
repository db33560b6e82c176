/* What the gates' evidence does in a long run, simulated: how often it is wrong, how soon it is
 * right, and what bursts and incidents do to it.  Each test prints its seed and its figures.
 *
 * WEIR_GATE_RUNS makes it that many runs instead of 10,000 (`make soak` takes more).
 */
#include "config.h"

#include "migrate/gate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/check_main.h"

#ifdef __SANITIZE_ADDRESS__
#define RUNS 3000
#else
#define RUNS 10000
#endif

#define ALPHA 0.01
#define BETA  0.05
#define HARM  1.0
#define SAFE  2.0

static long runs(void)
{
    const char *asked = getenv("WEIR_GATE_RUNS");

    return asked && atol(asked) > 0 ? atol(asked) : RUNS;
}

/* What so few runs may be off by: nothing where there are enough. */
static double slack(double chance, long count)
{
    return runs() >= 10000 ? 0 : 3 * sqrt((double)count * chance * (1 - chance));
}

/* --- chance: splitmix64 --- */

static uint64_t state;

static double draw(void)
{
    uint64_t z = (state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) / 9007199254740992.0;
}

/* Calls until the next failure, itself counted. */
static long gap(double chance)
{
    double n = log(draw()) / log1p(-chance);

    return n > 1e9 ? 1000000000 : 1 + (long)n;
}

static void seed(uint64_t n)
{
    state = n;
    printf("seed %" PRIu64 ", ", n);
}

/* --- an application that is moved --- */

static const struct {
    long until; /* calls */
    int32_t share;
} stages[] = {
    {2000,    100 },
    { 6000,   500 },
    { 14000,  2500},
    { 100000, 5000},
};

enum outcome { HELD, ROLLED_BACK, PROMOTED };

struct trial {
    double rate, ratio;
    long calls;           /* at most */
    bool ends_at_promote; /* else a promotion is noted, and evidence of harm goes on being looked at
                           */
};

struct result {
    enum outcome outcome;
    bool promoted;
    long calls, failed; /* until the outcome; failed: on the gateway */
};

/* Evidence of harm can only pass its bound with a failure on the gateway, evidence of safety only
 * with one beside it: to look there is to look after every call. */
static bool look(const struct gate_counts *c, const struct trial *t, bool on_gateway,
                 struct result *r)
{
    if (on_gateway && gate_log_harm(c, HARM) >= -log(ALPHA)) {
        r->outcome = ROLLED_BACK;
        return true;
    }
    if (!on_gateway && !r->promoted && gate_log_safe(c, SAFE) >= -log(BETA)) {
        r->promoted = true;
        r->outcome = PROMOTED;
        return t->ends_at_promote;
    }
    return false;
}

static struct result run_trial(const struct trial *t)
{
    struct gate_counts c = { 0 };
    struct result r = { 0 };
    size_t stage = 0;
    long call = 0;

    while (call < t->calls) {
        double w = stages[stage].share / 10000.0, all = t->rate * (w * t->ratio + 1 - w);
        call += gap(all);
        if (call > stages[stage].until && stage + 1 < sizeof(stages) / sizeof(stages[0])) {
            call = stages[stage++].until; /* what has no memory begins anew with the stage */
            continue;
        }
        bool on_gateway = draw() < w * t->ratio * t->rate / all;
        if (call > t->calls)
            break;
        gate_count_failure(&c, stages[stage].share, on_gateway);
        r.failed += on_gateway;
        r.calls = call;
        if (look(&c, t, on_gateway, &r))
            break;
    }
    return r;
}

struct tally {
    long outcomes[3], promoted;
    double failed; /* on the gateway, of those rolled back */
    long *calls;   /* of those rolled back */
};

static int by_size(const void *a, const void *b)
{
    const long *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void run_trials(const struct trial *t, long count, struct tally *ret)
{
    *ret = (struct tally){ .calls = calloc((size_t)count, sizeof(long)) };
    ck_assert_ptr_nonnull(ret->calls);
    for (long i = 0; i < count; i++) {
        struct result r = run_trial(t);
        ret->promoted += r.promoted;
        if (r.outcome == ROLLED_BACK) {
            ret->failed += (double)r.failed;
            ret->calls[ret->outcomes[ROLLED_BACK]] = r.calls;
        }
        ret->outcomes[r.outcome]++;
    }
    qsort(ret->calls, (size_t)ret->outcomes[ROLLED_BACK], sizeof(long), by_size);
}

START_TEST(without_harm_hardly_any_rollback_however_often_one_looks)
{
    struct trial t = { .rate = 0.01, .ratio = 1, .calls = 40000 };
    struct tally all;

    seed(20260101);
    run_trials(&t, runs(), &all);
    printf("no harm: %ld runs of %ld calls, 1 %% fail, 1 -> 5 -> 25 -> 50 %%, looked at after each "
           "call: rolled back %.4f (at most %.2f), promoted %.4f\n",
           runs(), t.calls, (double)all.outcomes[ROLLED_BACK] / (double)runs(), ALPHA,
           (double)all.promoted / (double)runs());
    ck_assert((double)all.outcomes[ROLLED_BACK] <= ALPHA * (double)runs() + slack(ALPHA, runs()));
    ck_assert((double)all.promoted >= 0.95 * (double)runs());
    free(all.calls);
}
END_TEST

static const struct {
    double rate, ratio, caught; /* at least */
} harms[] = {
    {0.005, 2,  0.95 },
    { 0.01, 2,  0.95 },
    { 0.02, 2,  0.95 },
    { 0.05, 2,  0.95 }, /* as exceedances of a 95th percentile */
    { 0.01, 3,  0.99 },
    { 0.01, 10, 0.999},
};

START_TEST(harm_is_caught_before_it_is_promoted)
{
    struct trial t = {
        .rate = harms[_i].rate, .ratio = harms[_i].ratio, .calls = 100000, .ends_at_promote = true
    };
    struct tally all;
    long count = runs() / 5 + 1;

    seed(20260200 + (uint64_t)_i);
    run_trials(&t, count, &all);
    long caught = all.outcomes[ROLLED_BACK];
    printf("%g times the failures, of %g %%: %ld runs: rolled back %.4f, promoted %.4f, held %.4f; "
           "calls until then p50 %ld, p90 %ld; failed on the gateway %.1f\n",
           t.ratio, t.rate * 100, count, (double)caught / (double)count,
           (double)all.outcomes[PROMOTED] / (double)count,
           (double)all.outcomes[HELD] / (double)count, all.calls[caught / 2],
           all.calls[caught * 9 / 10], all.failed / (double)caught);
    ck_assert((double)caught >= harms[_i].caught * (double)count - slack(harms[_i].caught, count));
    free(all.calls);
}
END_TEST

/* --- stages that the evidence moves --- */

static const int32_t ladder[] = { 100, 500, 2500, 5000, 10000 };

/* Goes up as soon as the ratio is excluded that the next share asks for, at most a stage a day of
 * 2,000 calls.  True if it gets to 100 %. */
static bool climb(double rate, double ratio, struct result *r)
{
    struct gate_counts c = { 0 };
    size_t stage = 0;
    long since = 0, call = 0;

    *r = (struct result){ 0 };
    while (ladder[stage] < 10000 && call < 1000000) {
        double w = ladder[stage] / 10000.0, all = rate * (w * ratio + 1 - w);
        call += gap(all);
        bool on_gateway = draw() < w * ratio * rate / all;
        gate_count_failure(&c, ladder[stage], on_gateway);
        r->failed += on_gateway;
        r->calls = call;
        if (on_gateway && gate_log_harm(&c, HARM) >= -log(ALPHA))
            return false;
        if (!on_gateway && call - since >= 2000 &&
            gate_log_safe(&c, gate_required(SAFE, ladder[stage + 1])) >= -log(BETA)) {
            stage++;
            since = call;
        }
    }
    return ladder[stage] == 10000;
}

static const struct {
    double ratio, least, most; /* part that may get to 100 % */
} climbs[] = {
    {1,   0.99, 1   },
    { 2,  0,    BETA},
    { 3,  0,    BETA},
    { 10, 0,    BETA},
};

START_TEST(stages_go_up_when_the_next_share_is_safe)
{
    long count = runs() / 5 + 1, up = 0;
    long *calls = calloc((size_t)count, sizeof(*calls));
    double failed = 0;

    ck_assert_ptr_nonnull(calls);
    seed(20260600 + (uint64_t)_i);
    for (long i = 0; i < count; i++) {
        struct result r;
        up += climb(0.01, climbs[_i].ratio, &r);
        calls[i] = r.calls;
        failed += (double)r.failed;
    }
    qsort(calls, (size_t)count, sizeof(*calls), by_size);
    printf(
        "stages by evidence, %g times the failures, of 1 %%: %ld runs: %.4f got to 100 %%, calls "
        "until decided p50 %ld, p90 %ld, failed on the gateway %.1f\n",
        climbs[_i].ratio, count, (double)up / (double)count, calls[count / 2],
        calls[count * 9 / 10], failed / (double)count);
    free(calls);
    ck_assert((double)up >= climbs[_i].least * (double)count - slack(climbs[_i].least, count));
    ck_assert((double)up <= climbs[_i].most * (double)count + slack(climbs[_i].most, count));
}
END_TEST

/* --- what hits both arms --- */

#define WINDOW 20 /* calls on the gateway that a rule of thumb looks at together */

START_TEST(an_incident_of_the_provider_is_no_harm_of_the_gateway)
{
    long count = runs() / 2, back = 0, thumb = 0;

    seed(20260301);
    for (long i = 0; i < count; i++) {
        struct gate_counts c = { 0 };
        bool is_back = false, is_thumb = false;
        int seen = 0, bad = 0;
        for (long call = 0; call < 20000; call++) {
            bool fails = draw() < (call >= 8000 && call < 8500 ? 0.2 : 0.005);
            bool on_gateway = draw() < 0.1;
            if (fails)
                gate_count_failure(&c, 1000, on_gateway);
            is_back |= fails && on_gateway && gate_log_harm(&c, HARM) >= -log(ALPHA);
            seen += on_gateway;
            bad += on_gateway && fails;
            is_thumb |= seen == WINDOW && bad > WINDOW / 20;
            if (seen == WINDOW)
                seen = bad = 0;
        }
        back += is_back;
        thumb += is_thumb;
    }
    printf("incident in both arms: %ld runs of 20000 calls, 0.5 %% fail, 20 %% of 500: rolled back "
           "%.4f (at most 0.01); by a rule of less than 95 %% good of %d calls %.4f\n",
           count, (double)back / (double)count, WINDOW, (double)thumb / (double)count);
    ck_assert((double)back <= 0.01 * (double)count + slack(0.01, count));
    ck_assert((double)thumb > 0.9 * (double)count);
}
END_TEST

/* --- bursts --- */

#define BURST 10 /* failures of one key in a row */

START_TEST(bursts_of_one_key_count_once)
{
    long count = runs(), by_key = 0, by_call = 0;

    seed(20260401);
    for (long i = 0; i < count; i++) {
        struct gate_counts keys = { 0 }, calls = { 0 };
        bool key_back = false, call_back = false;
        for (int k = 0; k < 300; k++) {
            bool on_gateway = draw() < 0.1;
            gate_count_failure(&keys, 1000, on_gateway);
            for (int b = 0; b < BURST; b++)
                gate_count_failure(&calls, 1000, on_gateway);
            key_back |= on_gateway && !key_back && gate_log_harm(&keys, HARM) >= -log(ALPHA);
            call_back |= on_gateway && !call_back && gate_log_harm(&calls, HARM) >= -log(ALPHA);
        }
        by_key += key_back;
        by_call += call_back;
    }
    printf("bursts: %ld runs of 300 keys that fail %d times each, no harm: rolled back %.4f by key "
           "(at most 0.01); by call it would be %.4f\n",
           count, BURST, (double)by_key / (double)count, (double)by_call / (double)count);
    ck_assert((double)by_key <= 0.01 * (double)count + slack(0.01, count));
    ck_assert((double)by_call > 0.3 * (double)count);
}
END_TEST

/* Keys that stay where a hash puts them while shares rise, few of them with most of the calls, and
 * some that nearly always fail: the first failure of each counts, with the share of that moment. */
#define KEYS 400

struct crowd_run {
    double bucket[KEYS], chance[KEYS];
    bool failed[KEYS];
};

static void run_crowd(struct crowd_run *r, bool *ret_by_key, bool *ret_by_call)
{
    struct gate_counts keys = { 0 }, calls = { 0 };

    for (int k = 0; k < KEYS; k++) {
        r->bucket[k] = draw();
        r->chance[k] = draw() < 0.05 ? 0.5 : 0.01;
        r->failed[k] = false;
    }
    *ret_by_key = *ret_by_call = false;
    for (long call = 0; call < 12000; call++) {
        int32_t share = ladder[call / 3000]; /* 1, 5, 25, 50 % */
        int k = (int)(KEYS * pow(draw(), 3));
        bool on_gateway = r->bucket[k] < share / 10000.0;
        if (draw() >= r->chance[k])
            continue;
        gate_count_failure(&calls, share, on_gateway);
        *ret_by_call |= on_gateway && !*ret_by_call && gate_log_harm(&calls, HARM) >= -log(ALPHA);
        if (r->failed[k])
            continue;
        r->failed[k] = true;
        gate_count_failure(&keys, share, on_gateway);
        *ret_by_key |= on_gateway && !*ret_by_key && gate_log_harm(&keys, HARM) >= -log(ALPHA);
    }
}

START_TEST(uneven_keys_that_stay_where_they_are_make_no_harm)
{
    static struct crowd_run run;
    long count = runs() / 5 + 1, by_key = 0, by_call = 0;

    seed(20260402);
    for (long i = 0; i < count; i++) {
        bool key_back, call_back;
        run_crowd(&run, &key_back, &call_back);
        by_key += key_back;
        by_call += call_back;
    }
    printf(
        "uneven keys: %ld runs of 12000 calls of %d keys, 1 -> 5 -> 25 -> 50 %%, no harm: rolled "
        "back %.4f by key (at most 0.01); by call it would be %.4f\n",
        count, KEYS, (double)by_key / (double)count, (double)by_call / (double)count);
    ck_assert((double)by_key <= 0.01 * (double)count + slack(0.01, count));
    ck_assert((double)by_call > 0.1 * (double)count);
}
END_TEST

/* --- callers who leave --- */

#define LEAVE         0.3 /* of all calls, as callers please */
#define HARM_OF_LEAVE 1.25

/* Of so many of the rest the gateway hangs, until their callers leave as well. */
static const struct {
    double hangs, least, most; /* part that may be rolled back */
} leavers[] = {
    {0,    0,    ALPHA},
    { 0.5, 0.95, 1    },
};

START_TEST(callers_who_leave_as_they_please_are_no_harm)
{
    long count = runs() / 20 + 1, back = 0;
    double there = LEAVE + (1 - LEAVE) * leavers[_i].hangs;

    seed(20260701 + (uint64_t)_i);
    for (long i = 0; i < count; i++) {
        struct gate_counts c = { 0 };
        bool is_back = false;
        for (int call = 0; call < 3000 && !is_back; call++) {
            int32_t share = ladder[call / 750]; /* 1, 5, 25, 50 % */
            bool on_gateway = draw() < share / 10000.0;
            if (draw() >= (on_gateway ? there : LEAVE))
                continue;
            gate_count_failure(&c, share, on_gateway);
            is_back = on_gateway && gate_log_harm(&c, HARM_OF_LEAVE) >= -log(ALPHA);
        }
        back += is_back;
    }
    printf("30 %% of the callers leave, %g %% of the others as the gateway hangs: %ld runs of 3000 "
           "calls, 1 -> 5 -> 25 -> 50 %%, harm from %g times on: rolled back %.4f\n",
           leavers[_i].hangs * 100, count, HARM_OF_LEAVE, (double)back / (double)count);
    ck_assert((double)back >= leavers[_i].least * (double)count);
    ck_assert((double)back <= leavers[_i].most * (double)count + slack(leavers[_i].most, count));
}
END_TEST

/* --- power --- */

/* gate_power's walk against the race itself. */
START_TEST(power_is_what_happens)
{
    struct gate_power half;
    long count = runs() / 5 + 1, before = 0;

    seed(20260501);
    gate_power(2500, 0.01, HARM, SAFE, ALPHA, BETA, 0.5, &half);
    for (long i = 0; i < count; i++) {
        struct gate_counts c = { 0 };
        double all = 0.01 * (0.25 * SAFE + 0.75);
        for (long call = gap(all); (double)call <= half.to_catch; call += gap(all)) {
            bool on_gateway = draw() < 0.25 * SAFE * 0.01 / all;
            gate_count_failure(&c, 2500, on_gateway);
            if (on_gateway && gate_log_harm(&c, HARM) >= -log(ALPHA)) {
                before++;
                break;
            }
        }
    }
    printf("power: at 25 %%, 1 %% fail, twice as many are caught within %.0f calls in half of the "
           "cases; of %ld runs %.4f were\n",
           half.to_catch, count, (double)before / (double)count);
    ck_assert(fabs((double)before - 0.5 * (double)count) <=
              0.05 * (double)count + slack(0.5, count));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, without_harm_hardly_any_rollback_however_often_one_looks);
    tcase_add_loop_test(tc, harm_is_caught_before_it_is_promoted, 0,
                        (int)(sizeof(harms) / sizeof(harms[0])));
    tcase_add_loop_test(tc, stages_go_up_when_the_next_share_is_safe, 0,
                        (int)(sizeof(climbs) / sizeof(climbs[0])));
    tcase_add_test(tc, an_incident_of_the_provider_is_no_harm_of_the_gateway);
    tcase_add_test(tc, bursts_of_one_key_count_once);
    tcase_add_test(tc, uneven_keys_that_stay_where_they_are_make_no_harm);
    tcase_add_loop_test(tc, callers_who_leave_as_they_please_are_no_harm, 0,
                        (int)(sizeof(leavers) / sizeof(leavers[0])));
    tcase_add_test(tc, power_is_what_happens);
}

CHECK_MAIN("migrate/gate power", add_tests)

/* The proof of lint and the walk of calls are two readings of one plan: what is proved must hold
 * for what is done. */
#include "config.h"

#include "policy/steer.h"
#include "replay/lint_prove.h"
#include "tests/check_main.h"
#include "tests/random_plan.h"

#define PLANS         2000
#define ATTEMPTS_MOST 900 /* of plans that are looked at: a call's own limit is not the subject */

static int plan_number; /* for messages */

/* What one call met. */
struct met {
    int64_t end_us; /* PLAN_FOREVER: nothing ends the last attempt */
    int64_t attempts;
    int64_t first_us[4096]; /* by target; -1 = never */
};

/* The fault strikes every attempt: how it ends, and after how long. */
static struct steer_end strike(const struct steer_step *step, const struct prove_fault_row *f,
                               int64_t retry_after_us, int64_t *ret_us)
{
    struct steer_end end = {
        .failed = true,
        .failure = f->failure,
        .status = f->status,
        .answer_began = f->failure == PLAN_FAILED_STREAM,
        .retry_after_us = retry_after_us,
        .first_token_us = -1,
    };
    int fires = -1;

    *ret_us = f->timers ? PLAN_FOREVER : 0;
    for (int i = 0; i < PLAN_TIMERS; i++)
        if (f->timers >> i & 1 && step->timer_us[i] < *ret_us) {
            *ret_us = step->timer_us[i];
            fires = i;
        }
    end.late = fires >= 0;
    if (end.failure == PLAN_FAILED_CONNECT && fires >= 0 && fires != PLAN_TIMER_CONNECT)
        end.failure = PLAN_FAILED_HEAD;
    return end;
}

static void walk_fault(struct steer_sample *s, enum prove_fault fault, int64_t retry_after_us,
                       struct met *ret)
{
    struct steer_call call = sample_call(s);
    struct steer walk;
    struct steer_step step;
    int64_t now = 0, us;

    call.is_stream = fault != PROVE_SILENT_WHOLE;
    call.longest_waits = true;
    *ret = (struct met){ 0 };
    for (size_t i = 0; i < ARRAY_LEN(ret->first_us); i++)
        ret->first_us[i] = -1;
    steer_begin(&walk, s->policy, s->state, &call, now, NULL, &step);
    for (;;) {
        if (step.what == STEER_WAIT) {
            ck_assert_int_ge(step.until_us, now);
            now = step.until_us;
            steer_waited(&walk, s->policy, s->state, now, NULL, &step);
        } else if (step.what == STEER_ATTEMPT) {
            ret->attempts++;
            if (ret->first_us[step.target] < 0)
                ret->first_us[step.target] = now;
            struct steer_end end = strike(&step, &prove_faults[fault],
                                          fault == PROVE_429_LATER ? retry_after_us : -1, &us);
            now = plan_add_us(now, us);
            if (now == PLAN_FOREVER)
                break;
            steer_ended(&walk, s->policy, s->state, &end, now, NULL, &step);
        } else {
            break;
        }
    }
    ret->end_us = now;
}

/* The node of the rung that a target belongs to: its own, or the outermost POOL that it is in. */
static const struct tree_node *rung_of(const struct steer_sample *s, uint32_t target)
{
    const struct tree *t = policy_tree(s->policy);
    uint32_t i = 0, rung;

    while (tree_node(t, i)->target != target)
        i++;
    for (rung = i; i != POLICY_NONE; i = tree_node(t, i)->parent)
        if (tree_node(t, i)->kind == PLAN_POOL)
            rung = i;
    return tree_node(t, rung);
}

/* The proof says when a rung below a PICK is tried if it is the one that is picked. */
static bool is_picked(const struct steer_sample *s, const struct tree_node *rung)
{
    const struct tree *t = policy_tree(s->policy);

    for (uint32_t i = rung->parent; i != POLICY_NONE; i = tree_node(t, i)->parent)
        if (tree_node(t, i)->kind == PLAN_PICK)
            return true;
    return false;
}

/* When a target of the rung was first tried, -1 = never. */
static int64_t first_of(const struct steer_sample *s, const struct met *met,
                        const struct prove_rung *rung)
{
    int64_t first = -1;

    for (uint32_t i = 0; i < policy_target_count(s->policy); i++) {
        const struct tree_node *n = rung_of(s, i);
        if (met->first_us[i] >= 0 && n->plan == rung->node && !is_picked(s, n) &&
            (first < 0 || met->first_us[i] < first))
            first = met->first_us[i];
    }
    return first;
}

/* exact: nothing in the plan is left to chance, so it is not only a bound. */
static void compare(const struct steer_sample *s, const struct prove_route *r,
                    enum prove_fault fault, const struct met *met, bool exact)
{
    const struct prove_end *end = &r->ends[fault];
    const char *name = prove_faults[fault].name;

    ck_assert_msg(met->attempts <= end->attempts, "plan %d, %s: %lld attempts, proved %lld",
                  plan_number, name, (long long)met->attempts, (long long)end->attempts);
    ck_assert_msg(!exact || met->attempts == end->attempts,
                  "plan %d, %s: %lld attempts, proved %lld", plan_number, name,
                  (long long)met->attempts, (long long)end->attempts);
    ck_assert_msg(met->end_us <= end->at_us, "plan %d, %s: over at %lld, proved %lld", plan_number,
                  name, (long long)met->end_us, (long long)end->at_us);
    for (size_t i = 0; i < r->rungs.len; i++) {
        const struct prove_rung *rung = &r->rungs.ptr[i];
        int64_t proved = rung->at_us[fault], at = first_of(s, met, rung);
        /* Never, at worst; or only if it is drawn first. */
        if (proved < 0 && !exact &&
            (end->at_us == PLAN_FOREVER || prove_faults[fault].failure == PLAN_FAILED_STREAM))
            continue;
        ck_assert_msg(at < 0 || (proved >= 0 && at <= proved),
                      "plan %d, %s: '%.*s' at %lld, proved %lld", plan_number, name,
                      STR_ARG(rung->node->name), (long long)at, (long long)proved);
        ck_assert_msg(!exact || at == proved, "%s: '%.*s' at %lld, proved %lld", name,
                      STR_ARG(rung->node->name), (long long)at, (long long)proved);
    }
}

/* With choices there is a worst case for everything only without spans: whoever begins late in a
 * span has less time to wait in it, and what is behind comes sooner. */
static int prove_and_walk(uint64_t seed, bool chooses)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    CLEANUP(proof_release) struct proof proof = { 0 };
    struct random_plan r = { .s = &s,
                             .seed = tree_mix(seed, 3),
                             .chooses = chooses,
                             .one_when = chooses,
                             .always_ends = chooses,
                             .has_spans = !chooses,

                             .depth_most = 3,
                             .items_most = 3 };
    struct prove_options o = { .deadline_us = PLAN_FOREVER, .client = &callers[0] };
    static struct met met;
    int walks = 0;

    plan_number = (int)seed;
    random_plan_make(&r);
    o.retry_after_us = random_of(&r, 40) * S;
    sample_open(&s);
    prove(s.plan, &o, &proof);
    for (enum prove_fault f = 0; f < PROVE_FAULTS; f++) {
        if (proof.routes.ptr[0].ends[f].attempts > ATTEMPTS_MOST)
            continue;
        walk_fault(&s, f, o.retry_after_us, &met);
        compare(&s, &proof.routes.ptr[0], f, &met, !chooses);
        walks++;
    }
    return walks;
}

START_TEST(what_is_proved_is_what_is_done_where_nothing_is_left_to_chance)
{
    int walks = 0;

    for (uint64_t seed = 0; seed < PLANS; seed++)
        walks += prove_and_walk(seed, false);
    ck_assert_int_gt(walks, PLANS * PROVE_FAULTS * 9 / 10);
}
END_TEST

START_TEST(what_is_done_is_never_worse_than_what_is_proved)
{
    for (uint64_t seed = 0; seed < PLANS; seed++)
        prove_and_walk(PLANS + seed, true);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, what_is_proved_is_what_is_done_where_nothing_is_left_to_chance);
    tcase_add_test(tc, what_is_done_is_never_worse_than_what_is_proved);
}

CHECK_MAIN("replay/prove and steer", add_tests)

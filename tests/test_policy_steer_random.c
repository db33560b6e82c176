/* What holds for every plan, every fate of its attempts, and every seed. */
#include "config.h"

#include "policy/steer.h"
#include "policy/steer_walk.h"
#include "tests/check_main.h"
#include "tests/random_plan.h"

#define PLANS          500
#define CALLS_PER_PLAN 20 /* on one state: 10,000 sequences of events */

/* One of two that are told the same. */
struct side {
    struct policy_state *state;
    struct steer walk;
    struct steer_step step;
    struct policy_decisions notes;
};

/* Attempts at most, as the tree says. */
static int64_t attempts_bound(const struct plan_node *n)
{
    int64_t all = 0, most = 0;

    for (const struct plan_node *i = n->items; i; i = i->next) {
        int64_t one = attempts_bound(i);
        all += one;
        most = one > most ? one : most;
    }
    int64_t once = n->kind == PLAN_TARGET ? 1 : n->kind == PLAN_FALLBACK ? all : most;
    return once * (n->retry.count.n + 1);
}

static int64_t longest_wait(const struct plan_node *n)
{
    const struct plan_backoff *b = &n->retry.backoff;
    int64_t longest = n->retry.retry_after.longest_us + b->jitter_us;

    for (int64_t i = 0; i <= n->retry.count.n; i++) {
        int64_t wait = plan_backoff_longest(b, i);
        longest = wait > longest ? wait : longest;
    }
    for (const struct plan_node *i = n->items; i; i = i->next) {
        int64_t wait = longest_wait(i);
        longest = wait > longest ? wait : longest;
    }
    return longest;
}

static void check_attempt(const struct steer_sample *s, const struct side *a, int64_t now_us)
{
    const struct walk *w = (const struct walk *)&a->walk;
    struct steer_target_view view;

    ck_assert_uint_lt(a->step.target, policy_target_count(s->policy));
    for (int i = 0; i < PLAN_TIMERS; i++)
        ck_assert_int_gt(a->step.timer_us[i], 0);
    steer_view(s->policy, a->state, a->step.target, now_us, &view);
    ck_assert_msg(view.health != STEER_OPEN || a->step.why == POLICY_PROBE || w->all_out,
                  "an attempt at a target that is out");
}

static void check_step(const struct steer_sample *s, const struct side *a, int64_t now_us)
{
    const struct plan_node *root = s->plan->routes->root;

    if (a->step.what == STEER_ATTEMPT)
        check_attempt(s, a, now_us);
    if (a->step.what == STEER_WAIT) {
        ck_assert_int_gt(a->step.until_us, now_us);
        ck_assert_int_le(a->step.until_us - now_us, longest_wait(root));
    }
    if (a->step.what == STEER_UNAVAILABLE)
        ck_assert_uint_eq(steer_attempts(&a->walk), 0);
    ck_assert_int_le(steer_attempts(&a->walk), attempts_bound(root));
}

static struct steer_end random_end(struct random_plan *r, const struct steer_step *step,
                                   int64_t *ret_us)
{
    static const int statuses[] = { 400, 401, 408, 429, 500, 503, 529 };
    struct steer_end end = { .retry_after_us = -1, .first_token_us = -1 };

    *ret_us = random_of(r, 3000) * MS;
    end.failed = random_of(r, 4) > 0;
    if (!end.failed)
        return end;
    end.failure = (enum plan_failure)random_of(r, PLAN_FAILURES);
    if (end.failure == PLAN_FAILED_STATUS)
        end.status = statuses[random_of(r, ARRAY_LEN(statuses))];
    end.answer_began = end.failure == PLAN_FAILED_STREAM && random_of(r, 2);
    end.late = random_of(r, 2);
    end.should_retry_set = !random_of(r, 5);
    end.should_retry = random_of(r, 2);
    if (!random_of(r, 3))
        end.retry_after_us = random_of(r, 90) * S;
    if (step->timer_us[PLAN_TIMER_HEAD] < *ret_us)
        *ret_us = step->timer_us[PLAN_TIMER_HEAD];
    return end;
}

/* Moves a walk elsewhere, as who copies it may. */
static void move_walk(struct side *side)
{
    struct steer moved = side->walk;

    memset(&side->walk, 0xa5, sizeof(side->walk));
    side->walk = moved;
}

static void run_call(struct random_plan *r, struct side sides[2], int64_t *now_us)
{
    struct steer_sample *s = r->s;
    struct steer_call call = sample_call(s);
    struct steer_end end = { 0 };
    int64_t us = 0;

    call.seed = tree_mix(r->seed, 5);
    call.sticky = random_of(r, 2) ? random_of(r, 1000) : 0;
    call.is_stream = random_of(r, 2);
    call.may_repeat = random_of(r, 10) > 0;
    call.mode = random_of(r, 8) ? PLAN_MODE_ENFORCE : PLAN_MODE_OBSERVE;
    if (call.mode != PLAN_MODE_ENFORCE && random_of(r, 3))
        call.asked = random_of(r, (unsigned)policy_target_count(s->policy));
    call.deadline_us = random_of(r, 3) ? 0 : *now_us + 1 + random_of(r, 20) * S;
    for (int i = 0; i < 2; i++)
        steer_begin(&sides[i].walk, s->policy, sides[i].state, &call, *now_us, &sides[i].notes,
                    &sides[i].step);
    while (sides[0].step.what == STEER_ATTEMPT || sides[0].step.what == STEER_WAIT) {
        enum steer_do what = sides[0].step.what;
        bool leaves = !random_of(r, 40), has_token = random_of(r, 2);
        if (call.mode == PLAN_MODE_ENFORCE)
            check_step(s, &sides[0], *now_us);
        ck_assert_mem_eq(&sides[0].step, &sides[1].step, sizeof(sides[0].step));
        move_walk(&sides[1]);
        if (what == STEER_ATTEMPT)
            end = random_end(r, &sides[0].step, &us);
        *now_us = what == STEER_WAIT ? sides[0].step.until_us : *now_us + us;
        for (int i = 0; i < 2; i++) {
            struct side *side = &sides[i];
            if (leaves) {
                steer_abandon(&side->walk, s->policy, side->state, *now_us);
                side->step.what = STEER_ANSWER;
            } else if (what == STEER_WAIT) {
                steer_waited(&side->walk, s->policy, side->state, *now_us, &side->notes,
                             &side->step);
            } else {
                if (has_token && (!end.failed || end.answer_began))
                    steer_first_token(&side->walk, s->policy, side->state, us, *now_us);
                steer_ended(&side->walk, s->policy, side->state, &end, *now_us, &side->notes,
                            &side->step);
            }
        }
    }
    check_step(s, &sides[0], *now_us);
    ck_assert_mem_eq(&sides[0].step, &sides[1].step, sizeof(sides[0].step));
    ck_assert_uint_eq(sides[0].notes.count, sides[1].notes.count);
    *now_us += random_of(r, 5000) * MS;
}

static void run_plan(uint64_t seed)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct random_plan r = { .s = &s,
                             .seed = tree_mix(seed, 9),
                             .chooses = true,
                             .has_spans = true,
                             .remembers = true,
                             .depth_most = 3,
                             .items_most = 4 };
    struct side sides[2] = { 0 };
    int64_t now_us = 1000 * S;

    random_plan_make(&r);
    sample_open(&s);
    for (int i = 0; i < 2; i++)
        sides[i].state = policy_state_new(SAMPLE_SLOTS);
    for (int i = 0; i < CALLS_PER_PLAN; i++)
        run_call(&r, sides, &now_us);
    ck_assert_mem_eq(sides[0].state, sides[1].state, policy_state_bytes(SAMPLE_SLOTS));
    free(sides[0].state);
    free(sides[1].state);
}

START_TEST(whatever_happens_a_walk_keeps_to_its_plan_and_to_its_seed)
{
    for (uint64_t seed = 0; seed < PLANS; seed++)
        run_plan(seed);
}
END_TEST

static struct steer_end always_503(struct steer_sample *s, uint32_t target, int64_t *ret_us)
{
    (void)s;
    (void)target;
    *ret_us = 1;
    return sample_failed(503);
}

START_TEST(repetitions_within_repetitions_end_at_the_limit_of_a_call)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *root = NULL, *at = NULL;
    struct steer_call call;

    for (int depth = 0; depth <= PLAN_DEPTH_MAX; depth++) {
        struct plan_node *n =
            depth == PLAN_DEPTH_MAX ? sample_target(&s, "a", 0) : sample_node(&s, PLAN_POOL, "n");
        n->retry = sample_target(&s, "x", PLAN_ATTEMPTS_MAX)->retry;
        n->retry.backoff = (struct plan_backoff){ 0 };
        if (at)
            plan_node_add(at, n);
        root = root ? root : n;
        at = n;
    }
    sample_route(&s, root);
    sample_open(&s);
    call = sample_call(&s);
    sample_walk(&s, &call, always_503);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&s.trace), "failed"));
    ck_assert_int_eq(s.now_us, 1000 * S + STEER_ATTEMPTS_MAX);
    ck_assert_uint_eq(s.notes.count, POLICY_DECISIONS_MAX);
    ck_assert_uint_gt(s.notes.dropped, 0);
}
END_TEST

START_TEST(a_tree_deeper_than_plans_may_be_is_refused)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *root = sample_node(&s, PLAN_FALLBACK, "n"), *at = root;
    struct tree *t;
    struct err err;

    for (int depth = 0; depth < PLAN_DEPTH_MAX; depth++) {
        plan_node_add(at, sample_node(&s, PLAN_FALLBACK, "n"));
        at = at->items;
    }
    plan_node_add(at, sample_target(&s, "a", 0));
    sample_route(&s, root);
    ck_assert_int_eq(tree_new(s.plan, &t, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "deeper than 32"));
}
END_TEST

START_TEST(as_many_targets_as_a_plan_may_have_are_tried_up_to_the_limit_of_a_call)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *list = sample_node(&s, PLAN_FALLBACK, "all");
    char name[16];

    for (int i = 1; i < PLAN_NODES_MAX; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        struct plan_node *t = sample_target(&s, name, 0);
        t->weight = plan_default(i);
        t->health.memory = PLAN_MEMORY_BREAKER;
        t->health.failures = plan_default(1);
        plan_node_add(list, t);
    }
    list->any_order = _i;
    sample_route(&s, list);
    sample_open(&s);
    struct steer_call call = sample_call(&s);
    sample_walk(&s, &call, always_503);
    ck_assert_int_eq(s.now_us, 1000 * S + STEER_ATTEMPTS_MAX);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, whatever_happens_a_walk_keeps_to_its_plan_and_to_its_seed);
    tcase_add_test(tc, repetitions_within_repetitions_end_at_the_limit_of_a_call);
    tcase_add_test(tc, a_tree_deeper_than_plans_may_be_is_refused);
    tcase_add_loop_test(tc, as_many_targets_as_a_plan_may_have_are_tried_up_to_the_limit_of_a_call,
                        0, 2);
}

CHECK_MAIN("policy/steer at random", add_tests)

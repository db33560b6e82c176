#include "config.h"

#include "policy/tree.h"

#include <stdio.h>

#include "tests/check_main.h"
#include "tests/steer_sample.h"

#define KEYS 20000

/* A group of targets with these weights (millionths; -1 = none). */
static void open_weighed(struct steer_sample *s, enum plan_kind kind, const int64_t *weights,
                         int count)
{
    struct plan_node *n = sample_node(s, kind, "group");
    char name[16];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        struct plan_node *t = sample_target(s, name, 0);
        if (weights[i] >= 0)
            t->weight = plan_default(weights[i]);
        plan_node_add(n, t);
    }
    sample_route(s, n);
    sample_open(s);
}

/* The target that a caller's key is dealt to. */
static uint32_t dealt(struct steer_sample *s, uint64_t key)
{
    struct steer_call call = sample_call(s);
    struct steer walk;
    struct steer_step step;

    call.sticky = tree_mix(key, 77) | 1;
    steer_begin(&walk, s->policy, s->state, &call, s->now_us, NULL, &step);
    return step.target;
}

static void deal(struct steer_sample *s, uint32_t *ret, int *counts)
{
    for (uint64_t key = 0; key < KEYS; key++) {
        ret[key] = dealt(s, key);
        counts[ret[key]]++;
    }
}

/* Five standard deviations. */
static void check_share(int count, double share, const char *what)
{
    double expected = KEYS * share, off = count - expected;

    ck_assert_msg(off * off <= 25 * KEYS * share * (1 - share), "%s: %d of %d, expected %.0f", what,
                  count, KEYS, expected);
}

static const enum plan_kind weighed[] = { PLAN_PICK, PLAN_FALLBACK };

START_TEST(shares_are_as_the_weights_say)
{
    static const int64_t weights[] = { 700000, 200000, 0, 99000, 1000 };
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    static uint32_t of[KEYS];
    int counts[5] = { 0 };

    open_weighed(&s, weighed[_i], weights, 5);
    deal(&s, of, counts);
    check_share(counts[0], 0.7, "70 %");
    check_share(counts[1], 0.2, "20 %");
    ck_assert_int_eq(counts[2], 0);
    check_share(counts[3], 0.099, "9.9 %");
    check_share(counts[4], 0.001, "0.1 %");
}
END_TEST

START_TEST(raising_a_share_step_by_step_moves_keys_to_it_and_never_one_back)
{
    static uint32_t before[KEYS], after[KEYS];
    int64_t weights[] = { 600000, 300000, 100000 };

    for (int step = 0; step <= 20; step++) {
        CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
        int counts[3] = { 0 };
        weights[2] = step * 50000;
        weights[0] = 1000000 - weights[2]; /* the others' shares shrink as well */
        open_weighed(&s, weighed[_i], weights, 3);
        deal(&s, after, counts);
        check_share(counts[2], (double)weights[2] / (double)(weights[0] + weights[1] + weights[2]),
                    "raised");
        for (int key = 0; step && key < KEYS; key++)
            ck_assert_msg(before[key] != 2 || after[key] == 2, "step %d: key %d moved back", step,
                          key);
        memcpy(before, after, sizeof(before));
    }
}
END_TEST

START_TEST(a_new_item_takes_keys_and_moves_none_between_others)
{
    static const int64_t weights[] = { 500000, 500000, 500000, 500000 };
    CLEANUP(steer_sample_release) struct steer_sample three = { 0 }, four = { 0 };
    static uint32_t before[KEYS], after[KEYS];
    int counts[4] = { 0 };

    open_weighed(&three, weighed[_i], weights, 3);
    deal(&three, before, counts);
    memset(counts, 0, sizeof(counts));
    open_weighed(&four, weighed[_i], weights, 4);
    deal(&four, after, counts);
    check_share(counts[3], 0.25, "new");
    for (int key = 0; key < KEYS; key++)
        ck_assert(after[key] == before[key] || after[key] == 3);
}
END_TEST

START_TEST(while_an_item_is_out_its_keys_are_spread_and_then_all_its_own_again)
{
    static const int64_t weights[] = { 500000, 250000, 250000 };
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    static uint32_t before[KEYS];
    struct plan_node *root;
    int counts[3] = { 0 };

    open_weighed(&s, weighed[_i], weights, 3);
    deal(&s, before, counts);
    steer_sample_release(&s);
    s = (struct steer_sample){ 0 };
    open_weighed(&s, weighed[_i], weights, 3);
    root = s.plan->routes->root;
    root->items->health.memory = PLAN_MEMORY_EJECTION;
    root->items->health.failures = plan_default(1);
    root->items->health.most = plan_default(100);
    policy_free(s.policy);
    free(s.state);
    sample_open(&s);
    for (uint64_t key = 0; s.notes.count == 0; key++) {
        struct steer_call call = sample_call(&s);
        struct steer walk;
        struct steer_step step;
        struct steer_end end = sample_failed(503);
        call.sticky = tree_mix(key, 77) | 1;
        steer_begin(&walk, s.policy, s.state, &call, s.now_us, NULL, &step);
        s.notes.count = step.target == 0;
        if (step.target == 0)
            steer_ended(&walk, s.policy, s.state, &end, s.now_us, NULL, &step);
    }
    int moved[3] = { 0 };
    for (uint64_t key = 0; key < KEYS; key++) {
        uint32_t now = dealt(&s, key);
        ck_assert_uint_ne(now, 0);
        ck_assert(before[key] == 0 || before[key] == now);
        moved[now] += before[key] == 0;
    }
    double even = (double)(moved[1] + moved[2]) / 2;
    ck_assert(moved[1] > even * 0.9 && moved[1] < even * 1.1);
    s.now_us += 60 * S;
    for (uint64_t key = 0; key < KEYS; key++)
        ck_assert_uint_eq(dealt(&s, key), before[key]);
}
END_TEST

START_TEST(without_a_key_each_call_is_dealt_by_its_seed)
{
    static const int64_t weights[] = { 750000, 250000 };
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct steer walk;
    struct steer_step step;
    int counts[2] = { 0 };

    open_weighed(&s, PLAN_POOL, weights, 2);
    for (int i = 0; i < KEYS; i++) {
        struct steer_call call = sample_call(&s);
        steer_begin(&walk, s.policy, s.state, &call, s.now_us, NULL, &step);
        counts[step.target]++;
    }
    check_share(counts[0], 0.75, "seeds");
}
END_TEST

/* What an item without a weight counts for. */
static const struct {
    enum plan_kind kind;
    int64_t weights[3];
    double shares[3];
} unsaid[] = {
    {PLAN_PICK,      { 1000000, -1, 2000000 }, { 0.25, 0.25, 0.5 }          },
    { PLAN_POOL,     { 1000000, -1, 3000000 }, { 0.25, 0, 0.75 }            },
    { PLAN_POOL,     { -1, 1000000, 3000000 }, { 1 / 3.0, 1 / 3.0, 1 / 3.0 }},
    { PLAN_FALLBACK, { -1, 1000000, 3000000 }, { 0, 0.25, 0.75 }            },
    { PLAN_PICK,     { 0, 0, 0 },              { 1, 0, 0 }                  },
};

START_TEST(an_item_without_a_weight_counts_as_its_kind_of_group_has_it)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct steer walk;
    struct steer_step step;
    int counts[3] = { 0 };

    open_weighed(&s, unsaid[_i].kind, unsaid[_i].weights, 3);
    for (int i = 0; i < KEYS; i++) {
        struct steer_call call = sample_call(&s);
        steer_begin(&walk, s.policy, s.state, &call, s.now_us, NULL, &step);
        counts[step.target]++;
    }
    for (int i = 0; i < 3; i++)
        check_share(counts[i], unsaid[_i].shares[i], "unsaid");
}
END_TEST

START_TEST(in_any_order_every_weighed_item_comes_once_and_those_without_a_weight_behind)
{
    static const int64_t weights[] = { -1, 600000, 300000, 100000, 0 };
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    int second[5] = { 0 };

    open_weighed(&s, PLAN_FALLBACK, weights, 5);
    s.plan->routes->root->any_order = true;
    for (uint64_t key = 0; key < 2000; key++) {
        struct steer_call call = sample_call(&s);
        struct steer walk;
        struct steer_step step;
        struct steer_end end = sample_failed(503);
        uint32_t order[5];
        steer_begin(&walk, s.policy, s.state, &call, s.now_us, NULL, &step);
        for (int i = 0; i < 5; i++) {
            ck_assert_int_eq(step.what, STEER_ATTEMPT);
            order[i] = step.target;
            steer_ended(&walk, s.policy, s.state, &end, s.now_us, NULL, &step);
        }
        ck_assert_int_eq(step.what, STEER_ANSWER);
        ck_assert_uint_eq(order[3], 0);
        ck_assert_uint_eq(order[4], 4);
        ck_assert_uint_eq(order[0] + order[1] + order[2], 6);
        second[order[1]]++;
    }
    /* Drawn without putting back: 0.3*0.6/0.7 + 0.1*0.6/0.9 = 0.324 for the heaviest. */
    ck_assert_msg(second[1] > 560 && second[1] < 740, "%d of 2000", second[1]);
}
END_TEST

/* Draws at the ends, around powers of two and anywhere; shares from a millionth to a million. */
START_TEST(a_score_is_never_below_its_bound_and_falls_as_the_share_grows)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };

    open_weighed(&s, PLAN_PICK, (int64_t[]){ 1, 1 }, 2);
    struct tree_arrays t = tree_arrays(policy_tree(s.policy));
    for (uint64_t i = 0; i < 40000; i++) {
        uint64_t power = UINT64_C(1) << i % 64, any = tree_mix(i, 5);
        uint64_t draw = i < 64    ? power
                        : i < 128 ? power - 1
                        : i < 192 ? 0 - power
                        : i < 256 ? ~power
                                  : any >> tree_mix(i, 6) % 64 * (i & 1);
        uint64_t above = UINT64_MAX;
        for (uint64_t share = 1; share <= UINT64_C(1000000000000); share = share * 7 / 2 + 1) {
            struct tree_share item = { .of_one = (UINT64_C(1) << 63) / share };
            uint64_t score = tree_score(&t, &item, draw);
            ck_assert_uint_le(tree_score_least(&item, draw), score);
            ck_assert_uint_le(score, above);
            above = score;
        }
    }
}
END_TEST

START_TEST(targets_and_units_have_numbers_and_can_be_found)
{
    CLEANUP(steer_sample_release) struct steer_sample s = { 0 };
    struct plan_node *one = sample_group(&s, PLAN_FALLBACK, "ab", 0);
    struct plan_node *two = sample_group(&s, PLAN_FALLBACK, "bc", 0);

    two->health.memory = PLAN_MEMORY_RATIO;
    sample_route(&s, one);
    sample_route(&s, two);
    sample_open(&s);
    const struct tree *t = policy_tree(s.policy);
    ck_assert_uint_eq(tree_route_count(t), 2);
    ck_assert_uint_eq(tree_node_count(t), 6);
    ck_assert_uint_eq(tree_target_count(t), 3);
    ck_assert_uint_eq(tree_unit_count(t), 2);
    ck_assert_uint_eq(tree_target_find(t, STR("c"), STR("")), 2);
    ck_assert_uint_eq(tree_target_find(t, STR("c"), STR("x")), POLICY_NONE);
    ck_assert_uint_eq(tree_target_unit(t, 0), POLICY_NONE);
    const struct tree_unit *u = tree_unit(t, tree_target_unit(t, 1));
    ck_assert_int_eq(u->memory, PLAN_MEMORY_RATIO);
    ck_assert_uint_eq(u->percent, 50);
    ck_assert_uint_eq(u->group, tree_root(t, 1));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, shares_are_as_the_weights_say, 0, 2);
    tcase_add_loop_test(tc, raising_a_share_step_by_step_moves_keys_to_it_and_never_one_back, 0, 2);
    tcase_add_loop_test(tc, a_new_item_takes_keys_and_moves_none_between_others, 0, 2);
    tcase_add_loop_test(tc, while_an_item_is_out_its_keys_are_spread_and_then_all_its_own_again, 0,
                        2);
    tcase_add_test(tc, without_a_key_each_call_is_dealt_by_its_seed);
    tcase_add_loop_test(tc, an_item_without_a_weight_counts_as_its_kind_of_group_has_it, 0,
                        (int)ARRAY_LEN(unsaid));
    tcase_add_test(tc,
                   in_any_order_every_weighed_item_comes_once_and_those_without_a_weight_behind);
    tcase_add_test(tc, a_score_is_never_below_its_bound_and_falls_as_the_share_grows);
    tcase_add_test(tc, targets_and_units_have_numbers_and_can_be_found);
}

CHECK_MAIN("policy/tree", add_tests)

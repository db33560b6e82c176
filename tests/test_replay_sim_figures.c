/* Means of several runs, and what is changed between them. */
#include "config.h"

#include "replay/sim_figures.h"

#include <string.h>

#include "replay/sim_set.h"
#include "tests/check_main.h"

/* Of 1 to 5: mean 3, standard deviation 1.5811, Student's t of 4 degrees 2.776. */
START_TEST(a_mean_has_its_interval)
{
    struct sim_figures list[7] = { 0 };
    struct sim_mean m;

    for (int64_t i = 0; i < 5; i++) {
        list[i].has[SIM_FIGURE_COST] = true;
        list[i].n[SIM_FIGURE_COST] = (i + 1) * 1000;
    }
    list[5].has[SIM_FIGURE_COST] = true;
    list[5].n[SIM_FIGURE_COST] = PLAN_FOREVER; /* and the last one has none */
    sim_figures_mean(list, 7, SIM_FIGURE_COST, &m);
    ck_assert_uint_eq(m.count, 6);
    ck_assert_uint_eq(m.never, 1);
    ck_assert_int_eq(m.mean, 3000);
    ck_assert_int_eq(m.half, 1963);
    sim_figures_mean(list, 1, SIM_FIGURE_COST, &m);
    ck_assert_int_eq(m.mean, 1000);
    ck_assert_int_eq(m.half, -1);
}
END_TEST

static struct plan_node *make_route(struct plan *p)
{
    struct err err;
    struct plan_place nowhere = { 0 };
    struct plan_route *r = plan_add_route(p, STR("r"), nowhere);

    r->root = plan_node_new(p, PLAN_FALLBACK, STR("f"), nowhere, &err);
    for (int i = 0; i < 2; i++) {
        struct plan_node *t = plan_node_new(p, PLAN_TARGET, STR("t"), nowhere, &err);
        t->retry.count = plan_default(i); /* the first one never repeats */
        plan_node_add(r->root, t);
    }
    return r->root->items;
}

START_TEST(a_setting_is_changed_where_it_is_and_nowhere_else)
{
    CLEANUP(plan_free) struct plan *p = plan_new("weir");
    struct plan_node *first = make_route(p);
    struct err err = { 0 };

    ck_assert_int_eq(sim_set(p, sim_set_find(STR("retry.count")), STR("5"), &err), 0);
    ck_assert_int_eq(first->retry.count.n, 0);
    ck_assert_int_eq(first->next->retry.count.n, 5);
    ck_assert_int_eq(sim_set(p, sim_set_find(STR("timeouts.first_token")), STR("3s"), &err), 0);
    ck_assert_int_eq(first->attempt.of[PLAN_TIMER_FIRST_TOKEN].n, 3000000);
    ck_assert(first->attempt.of[PLAN_TIMER_FIRST_TOKEN].set);
    ck_assert(!first->attempt.of[PLAN_TIMER_HEAD].set);
}
END_TEST

static const struct {
    const char *key, *value, *says;
} mistakes[] = {
    {"retry.count",       "0",   "'0' is no value of retry.count"         },
    { "retry.count",      "5s",  "'5s' is no value of retry.count"        },
    { "timeouts.head",    "5",   "'5' is no value of timeouts.head"       },
    { "slow.factor",      "1",   "'1' is no value of slow.factor"         },
    { "slow.factor",      "2.5", "no route has slow.factor to be set"     },
    { "breaker.failures", "3",   "no route has breaker.failures to be set"},
};

START_TEST(a_setting_that_changes_nothing_is_a_mistake)
{
    CLEANUP(plan_free) struct plan *p = plan_new("weir");
    struct err err = { 0 };

    make_route(p);
    ck_assert_int_eq(
        sim_set(p, sim_set_find(str_from(mistakes[_i].key)), str_from(mistakes[_i].value), &err),
        -1);
    ck_assert_str_eq(err.text, mistakes[_i].says);
    ck_assert_ptr_nonnull(strstr(sim_set_names(), mistakes[_i].key));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_mean_has_its_interval);
    tcase_add_test(tc, a_setting_is_changed_where_it_is_and_nowhere_else);
    tcase_add_loop_test(tc, a_setting_that_changes_nothing_is_a_mistake, 0, ARRAY_LEN(mistakes));
}

CHECK_MAIN("replay/sim_figures", add_tests)

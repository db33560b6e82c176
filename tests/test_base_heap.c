#include "config.h"

#include "tests/check_main.h"

#include "base/heap.h"

#define COUNT 2000

struct thing {
    int padding;
    struct heap_node node;
    uint64_t at_us;
    uint64_t number; /* of the last push or move */
};

static uint64_t random_state = 88172645463325252u;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

START_TEST(an_empty_heap_has_no_first)
{
    CLEANUP(heap_release) struct heap h = { 0 };
    struct heap_node node = { 0 };
    uint64_t at_us = 7;

    ck_assert_ptr_null(heap_first(&h, &at_us));
    ck_assert_ptr_null(heap_pop(&h, NULL));
    heap_remove(&h, &node);
    ck_assert_uint_eq(at_us, 7);
}
END_TEST

START_TEST(things_of_one_time_come_in_the_order_they_were_pushed)
{
    CLEANUP(heap_release) struct heap h = { 0 };
    struct thing things[100] = { 0 };

    for (size_t i = 0; i < 100; i++)
        heap_push(&h, &things[i].node, 5);
    heap_move(&h, &things[0].node, 5);
    for (size_t i = 1; i <= 100; i++) {
        uint64_t at_us = 0;
        struct heap_node *node = heap_pop(&h, &at_us);
        ck_assert_ptr_eq(heap_owner(node, struct thing, node), &things[i % 100]);
        ck_assert_uint_eq(at_us, 5);
        ck_assert(!heap_has(node));
    }
}
END_TEST

/* Against a plain search for the least. */
static struct thing *least(struct thing *things)
{
    struct thing *best = NULL;

    for (size_t i = 0; i < COUNT; i++)
        if (heap_has(&things[i].node) &&
            (!best || things[i].at_us < best->at_us ||
             (things[i].at_us == best->at_us && things[i].number < best->number)))
            best = &things[i];
    return best;
}

static void change(struct heap *h, struct thing *t)
{
    uint64_t at_us = random_below(300);

    if (heap_has(&t->node) && random_below(2)) {
        heap_remove(h, &t->node);
        return;
    }
    t->at_us = at_us;
    if (heap_has(&t->node))
        heap_move(h, &t->node, at_us);
    else
        heap_push(h, &t->node, at_us);
    t->number = h->pushed;
}

START_TEST(whatever_is_pushed_moved_and_removed_the_least_comes_first)
{
    CLEANUP(heap_release) struct heap h = { 0 };
    struct thing *things = mem_calloc(COUNT, sizeof(*things));

    for (size_t round = 0; round < 20000; round++) {
        change(&h, &things[random_below(COUNT)]);
        if (round % 50 == 0) {
            uint64_t at_us = 0;
            struct thing *expected = least(things);
            struct heap_node *first = heap_first(&h, &at_us);
            ck_assert_ptr_eq(first, expected ? &expected->node : NULL);
        }
    }
    size_t left = h.len;
    for (struct thing *expected; (expected = least(things)); left--)
        ck_assert_ptr_eq(heap_pop(&h, NULL), &expected->node);
    ck_assert_uint_eq(left, 0);
    free(things);
}
END_TEST

START_TEST(releasing_tells_the_nodes)
{
    struct heap h = { 0 };
    struct thing t = { 0 };

    heap_push(&h, &t.node, 1);
    ck_assert(heap_has(&t.node));
    heap_release(&h);
    ck_assert(!heap_has(&t.node));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, an_empty_heap_has_no_first);
    tcase_add_test(tc, things_of_one_time_come_in_the_order_they_were_pushed);
    tcase_add_test(tc, whatever_is_pushed_moved_and_removed_the_least_comes_first);
    tcase_add_test(tc, releasing_tells_the_nodes);
}
CHECK_MAIN("base/heap", add_tests)

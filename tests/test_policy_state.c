#include "config.h"

#include "policy/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "tests/check_main.h"

static void state_free(struct policy_state *s)
{
    free(s);
}
DEFINE_CLEANUP(struct policy_state, state_free)

static uint64_t key_of(uint64_t n)
{
    return policy_key(&n, sizeof(n), 7);
}

START_TEST(a_slot_is_found_again_by_kind_and_key)
{
    CLEANUP(state_free) struct policy_state *s = policy_state_new(POLICY_SLOTS_MIN);
    uint32_t a = policy_state_slot(s, POLICY_SLOT_LIMIT, key_of(1), 5);
    uint32_t b = policy_state_slot(s, POLICY_SLOT_BUDGET, key_of(1), 5);
    uint8_t *data = policy_state_at(s, a);

    ck_assert(a != b);
    for (int i = 0; i < POLICY_SLOT_DATA_BYTES; i++)
        ck_assert_uint_eq(data[i], 0);
    ck_assert_uint_eq((uintptr_t)data % 32, 0);
    memset(data, 0xaa, POLICY_SLOT_DATA_BYTES);
    ck_assert(policy_state_slot(s, POLICY_SLOT_LIMIT, key_of(1), 9) == a);
    ck_assert(policy_state_find(s, POLICY_SLOT_LIMIT, key_of(1)) == a);
    ck_assert(policy_state_find(s, POLICY_SLOT_LIMIT, key_of(2)) == POLICY_NONE);
    ck_assert(policy_state_is(s, a, POLICY_SLOT_LIMIT, key_of(1)));
    ck_assert(!policy_state_is(s, a, POLICY_SLOT_BUDGET, key_of(1)));
    ck_assert(!policy_state_is(s, POLICY_NONE, POLICY_SLOT_LIMIT, key_of(1)));
    ck_assert(policy_state_key(s, a) == key_of(1));
    data = policy_state_at(s, b);
    ck_assert_uint_eq(data[0], 0);
}
END_TEST

START_TEST(what_is_copied_elsewhere_means_the_same)
{
    CLEANUP(state_free) struct policy_state *s = policy_state_new(POLICY_SLOTS_MIN);
    size_t bytes = policy_state_bytes(POLICY_SLOTS_MIN);
    CLEANUP(state_free) struct policy_state *copy = mem_check(aligned_alloc(64, bytes));
    uint32_t slot = policy_state_slot(s, POLICY_SLOT_TARGET, key_of(3), 0);

    memcpy(policy_state_at(s, slot), "kept", 5);
    memcpy(copy, s, bytes);
    memset(s, 0x55, bytes);
    ck_assert(policy_state_find(copy, POLICY_SLOT_TARGET, key_of(3)) == slot);
    ck_assert_str_eq(policy_state_at(copy, slot), "kept");
}
END_TEST

START_TEST(newcomers_share_one_slot_when_the_table_is_full)
{
    CLEANUP(state_free) struct policy_state *s = policy_state_new(POLICY_SLOTS_MIN);
    struct policy_state_view view;
    uint32_t slot;
    uint64_t n = 0;

    while ((slot = policy_state_own_slot(s, POLICY_SLOT_LIMIT, key_of(n), 0)) != POLICY_NONE) {
        policy_state_keep(s, slot, INT64_MAX);
        n++;
    }
    ck_assert_uint_eq(n, POLICY_SLOTS_MIN / 4 * 3 - POLICY_SLOT_KINDS);
    uint32_t shared = policy_state_slot(s, POLICY_SLOT_LIMIT, key_of(n), 1000);
    ck_assert(shared != POLICY_NONE);
    ck_assert(policy_state_slot(s, POLICY_SLOT_LIMIT, key_of(n + 1), 1000) == shared);
    /* What a configuration names still has room. */
    ck_assert(policy_state_slot(s, POLICY_SLOT_BUDGET, key_of(n), 1000) != shared);
    ck_assert(policy_state_own_slot(s, POLICY_SLOT_BUDGET, key_of(n), 1000) != POLICY_NONE);
    for (uint64_t i = 0; i < n; i++)
        ck_assert(policy_state_find(s, POLICY_SLOT_LIMIT, key_of(i)) != POLICY_NONE);
    policy_state_view(s, &view);
    ck_assert_uint_eq(view.shared, 2);
    ck_assert_uint_eq(view.used, POLICY_SLOTS_MIN / 4 * 3 + 1);
}
END_TEST

START_TEST(a_slot_past_its_time_makes_room_and_others_stay)
{
    CLEANUP(state_free) struct policy_state *s = policy_state_new(POLICY_SLOTS_MIN);
    uint64_t kept = key_of(1000), generation = policy_state_generation(s);
    uint32_t slot = policy_state_slot(s, POLICY_SLOT_LIMIT, kept, 0);

    policy_state_keep(s, slot, 5000);
    for (uint64_t i = 0; i < 500; i++) {
        uint32_t made = policy_state_own_slot(s, POLICY_SLOT_LIMIT, key_of(i), (int64_t)i * 2);
        ck_assert_msg(made != POLICY_NONE, "newcomer %d", (int)i);
        ck_assert(policy_state_find(s, POLICY_SLOT_LIMIT, key_of(i)) == made);
        ck_assert(policy_state_is(s, slot, POLICY_SLOT_LIMIT, kept));
    }
    ck_assert(policy_state_generation(s) > generation);
    ck_assert(policy_state_find(s, POLICY_SLOT_LIMIT, kept) == slot);
}
END_TEST

/* Against a model without an index: slots come and go in random order. */
START_TEST(the_index_agrees_with_a_plain_list)
{
    CLEANUP(state_free) struct policy_state *s = policy_state_new(256);
    uint32_t slots[200];
    uint64_t random = 42;

    memset(slots, 0xff, sizeof(slots));
    for (int i = 0; i < 20000; i++) {
        random = policy_key(&random, sizeof(random), (uint64_t)i);
        uint32_t n = (uint32_t)(random % ARRAY_LEN(slots));
        /* Keys that collide on purpose: four places for all. */
        uint64_t key = (uint64_t)n << 40 | (n & 3);
        if (slots[n] == POLICY_NONE) {
            slots[n] = policy_state_own_slot(s, POLICY_SLOT_HELD, key, 0);
            ck_assert(slots[n] != POLICY_NONE);
        } else {
            policy_state_drop(s, slots[n]);
            slots[n] = POLICY_NONE;
        }
        n = (uint32_t)(random >> 32) % ARRAY_LEN(slots);
        key = (uint64_t)n << 40 | (n & 3);
        ck_assert(policy_state_find(s, POLICY_SLOT_HELD, key) == slots[n]);
    }
    size_t live = 0, walked = 0;
    for (size_t i = 0; i < ARRAY_LEN(slots); i++)
        live += slots[i] != POLICY_NONE;
    for (uint32_t at = policy_state_next(s, POLICY_SLOT_HELD, POLICY_NONE); at != POLICY_NONE;
         at = policy_state_next(s, POLICY_SLOT_HELD, at))
        walked++;
    ck_assert_uint_eq(walked, live + 1); /* and the shared one */
}
END_TEST

START_TEST(a_target_stays_for_an_hour_after_it_was_last_asked_for)
{
    CLEANUP(state_free) struct policy_state *s = policy_state_new(POLICY_SLOTS_MIN);
    int64_t minute = 60 * US_PER_SECOND;
    uint32_t slot = policy_state_slot(s, POLICY_SLOT_TARGET, key_of(1), 0);

    ck_assert(policy_state_slot(s, POLICY_SLOT_TARGET, key_of(1), 40 * minute) == slot);
    for (uint64_t i = 2; i < 1000; i++)
        policy_state_slot(s, POLICY_SLOT_LIMIT, key_of(i), 90 * minute + (int64_t)i * 2);
    ck_assert(policy_state_find(s, POLICY_SLOT_TARGET, key_of(1)) == slot);
    for (uint64_t i = 2; i < 1000; i++)
        policy_state_slot(s, POLICY_SLOT_LIMIT, key_of(i), 101 * minute + (int64_t)i * 2);
    ck_assert(policy_state_find(s, POLICY_SLOT_TARGET, key_of(1)) == POLICY_NONE);
}
END_TEST

/* A process may die in the middle of a write: what it leaves must not lead out of the memory. */
START_TEST(a_table_of_noise_does_not_lead_astray)
{
    CLEANUP(state_free) struct policy_state *s = policy_state_new(POLICY_SLOTS_MIN);
    size_t bytes = policy_state_bytes(POLICY_SLOTS_MIN);
    uint64_t noise = (uint64_t)_i;

    for (size_t at = 64; at + 8 <= bytes; at += 8) {
        noise = key_of(noise);
        memcpy((char *)s + at, &noise, 8);
    }
    for (uint64_t i = 0; i < 500; i++) {
        uint32_t slot = policy_state_slot(s, POLICY_SLOT_LIMIT, key_of(i), (int64_t)i);
        ck_assert_uint_lt(slot, POLICY_SLOTS_MIN);
        memset(policy_state_at(s, slot), 0xff, POLICY_SLOT_DATA_BYTES);
    }
}
END_TEST

START_TEST(a_state_written_over_reaches_as_far_as_it_was_laid)
{
    CLEANUP(state_free) struct policy_state *s = policy_state_new(POLICY_SLOTS_MIN);
    struct policy_state_view view;

    ck_assert(!policy_state_mend(s, POLICY_SLOTS_MIN));
    memset(s, 0x7f, 64); /* all that is before the index */
    ck_assert(policy_state_mend(s, POLICY_SLOTS_MIN));
    ck_assert(!policy_state_mend(s, POLICY_SLOTS_MIN));
    policy_state_view(s, &view);
    ck_assert_uint_eq(view.slots, POLICY_SLOTS_MIN);
    for (uint64_t i = 0; i < 500; i++)
        ck_assert_uint_lt(policy_state_slot(s, POLICY_SLOT_LIMIT, key_of(i), 0), POLICY_SLOTS_MIN);
    uint32_t slot = POLICY_NONE;
    while ((slot = policy_state_next(s, POLICY_SLOT_TARGET, slot)) != POLICY_NONE)
        ck_assert_uint_lt(slot, POLICY_SLOTS_MIN);
}
END_TEST

START_TEST(keys_of_names_differ_in_all_bits)
{
    uint64_t a = policy_key("a", 1, 0), b = policy_key("b", 1, 0), seeded = policy_key("a", 1, 1);

    ck_assert(a != b && a != seeded);
    ck_assert(policy_key("a", 1, 0) == a);
    ck_assert_int_gt(__builtin_popcountll(a ^ b), 12);
    ck_assert_int_gt(__builtin_popcountll(a ^ seeded), 12);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_slot_is_found_again_by_kind_and_key);
    tcase_add_test(tc, what_is_copied_elsewhere_means_the_same);
    tcase_add_test(tc, newcomers_share_one_slot_when_the_table_is_full);
    tcase_add_test(tc, a_slot_past_its_time_makes_room_and_others_stay);
    tcase_add_test(tc, the_index_agrees_with_a_plain_list);
    tcase_add_test(tc, a_target_stays_for_an_hour_after_it_was_last_asked_for);
    tcase_add_loop_test(tc, a_table_of_noise_does_not_lead_astray, 0, 20);
    tcase_add_test(tc, a_state_written_over_reaches_as_far_as_it_was_laid);
    tcase_add_test(tc, keys_of_names_differ_in_all_bits);
}

CHECK_MAIN("policy/state", add_tests)

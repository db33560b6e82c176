/* Maps keep every key once, in the order in which they came. */
#include "config.h"

#include "base/map.h"

#include <stdio.h>
#include <string.h>

#include "tests/check_main.h"

#define KEYS 50000

static struct str key_of(uint64_t i, char room[32])
{
    return (struct str){ room, (size_t)snprintf(room, 32, "key %llu", (unsigned long long)i) };
}

START_TEST(every_key_is_found_with_its_value_and_no_other)
{
    CLEANUP(map_release) struct map map = { 0 };
    char room[32];

    for (uint64_t i = 0; i < KEYS; i++) {
        bool is_new = false;
        struct map_entry *e = map_put(&map, key_of(i, room), &is_new);
        if (!is_new || e->value != 0)
            ck_abort_msg("key %llu is not new", (unsigned long long)i);
        e->value = i * 3;
    }
    ck_assert_uint_eq(map.len, KEYS);
    for (uint64_t i = 0; i < 2 * KEYS; i++) {
        const struct map_entry *e = map_find(&map, key_of(i, room));
        if (i < KEYS ? !e || e->value != i * 3 : e != NULL)
            ck_abort_msg("key %llu", (unsigned long long)i);
    }
}
END_TEST

START_TEST(putting_again_gives_the_old_entry)
{
    CLEANUP(map_release) struct map map = { 0 };
    bool is_new;

    map_put(&map, STR("a"), NULL)->value = 5;
    ck_assert_uint_eq(map_put(&map, STR("a"), &is_new)->value, 5);
    ck_assert(!is_new);
    ck_assert_uint_eq(map.len, 1);
}
END_TEST

START_TEST(keys_are_copied_and_keep_their_order)
{
    CLEANUP(map_release) struct map map = { 0 };
    char room[32];

    for (uint64_t i = 0; i < 1000; i++)
        map_put(&map, key_of(i * 7919 % 1000, room), NULL);
    memset(room, 0, sizeof(room));
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert(str_eq(map.entries[i].key, key_of(i * 7919 % 1000, room)));
}
END_TEST

START_TEST(any_bytes_make_a_key_the_empty_one_too)
{
    CLEANUP(map_release) struct map map = { 0 };
    char zeros[40] = { 0 };

    ck_assert_ptr_null(map_find(&map, STR("")));
    for (size_t len = 0; len < sizeof(zeros); len++) /* differ in nothing but length */
        map_put(&map, (struct str){ zeros, len }, NULL)->value = len + 1;
    for (size_t len = 0; len < sizeof(zeros); len++)
        ck_assert_uint_eq(map_find(&map, (struct str){ zeros, len })->value, len + 1);
    ck_assert_uint_eq(map_find(&map, (struct str){ 0 })->value, 1);
}
END_TEST

static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A second word equal to what the first left of the state makes it zero, whatever the first was. */
START_TEST(keys_of_one_hash_are_told_apart)
{
    CLEANUP(map_release) struct map map = { 0 };
    uint64_t hash = 0;

    for (uint64_t first = 1; first <= 100; first++) {
        uint64_t state = UINT64_C(0x9e3779b97f4a7c15) ^ 16;
        uint64_t words[2] = { first, mix(state ^ first, UINT64_C(0xff51afd7ed558ccd)) };
        struct str key = { (const char *)words, sizeof(words) };
        if (first > 1)
            ck_assert_uint_eq(map_hash(key), hash);
        hash = map_hash(key);
        map_put(&map, key, NULL)->value = first;
    }
    ck_assert_uint_eq(map.len, 100);
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_uint_eq(map_find(&map, map.entries[i].key)->value, i + 1);
}
END_TEST

START_TEST(the_hash_depends_on_every_bit_and_the_length)
{
    char key[33] = "0123456789abcdefghijklmnopqrstuv";

    for (size_t len = 1; len < sizeof(key); len++) {
        uint64_t whole = map_hash((struct str){ key, len });
        ck_assert_uint_ne(whole, map_hash((struct str){ key, len - 1 }));
        for (size_t bit = 0; bit < 8 * len; bit++) {
            key[bit / 8] = (char)(key[bit / 8] ^ 1 << bit % 8);
            if (map_hash((struct str){ key, len }) == whole)
                ck_abort_msg("bit %zu of %zu bytes", bit, len);
            key[bit / 8] = (char)(key[bit / 8] ^ 1 << bit % 8);
        }
    }
}
END_TEST

/* The slots are chosen by the low bits: keys that count up must spread there as by chance. */
START_TEST(low_bits_of_the_hash_spread)
{
    static unsigned counts[1024];
    char room[32];
    double sum = 0;

    for (uint64_t i = 0; i < 1024 * 64; i++)
        counts[map_hash(key_of(i, room)) & 1023]++;
    for (size_t i = 0; i < 1024; i++)
        sum += ((double)counts[i] - 64) * ((double)counts[i] - 64) / 64;
    ck_assert_double_lt(sum, 1023 + 6 * 45.2); /* chi squared, six standard deviations */
}
END_TEST

START_TEST(a_released_map_is_empty_and_ready)
{
    struct map map = { 0 };

    map_put(&map, STR("a"), NULL);
    map_release(&map);
    ck_assert_ptr_null(map_find(&map, STR("a")));
    map_put(&map, STR("b"), NULL);
    ck_assert_uint_eq(map.len, 1);
    map_release(&map);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, every_key_is_found_with_its_value_and_no_other);
    tcase_add_test(tc, putting_again_gives_the_old_entry);
    tcase_add_test(tc, keys_are_copied_and_keep_their_order);
    tcase_add_test(tc, any_bytes_make_a_key_the_empty_one_too);
    tcase_add_test(tc, keys_of_one_hash_are_told_apart);
    tcase_add_test(tc, the_hash_depends_on_every_bit_and_the_length);
    tcase_add_test(tc, low_bits_of_the_hash_spread);
    tcase_add_test(tc, a_released_map_is_empty_and_ready);
}
CHECK_MAIN("base/map", add_tests)

#include "config.h"

#include "proxy/client_key.h"

#include <string.h>

#include "tests/check_main.h"

#define NOW INT64_C(1700000000000000)

static char good[CLIENT_KEY_TEXT_BYTES], other[CLIENT_KEY_TEXT_BYTES];

static void put_hash(const char *key, struct client_key *k)
{
    CLEANUP(buf_release) struct buf hash = { 0 };

    client_key_hash(str_from(key), &hash);
    ck_assert_int_eq(client_key_parse_hash(buf_str(&hash), k->digest), 0);
}

START_TEST(a_made_key_is_whole_and_no_two_are_the_same)
{
    client_key_make(good);
    client_key_make(other);
    ck_assert_uint_eq(strlen(good), CLIENT_KEY_TEXT_BYTES - 1);
    ck_assert(client_key_is_whole(str_from(good)) && client_key_is_whole(str_from(other)));
    ck_assert_str_ne(good, other);
}
END_TEST

START_TEST(a_key_with_any_character_changed_or_cut_is_not_whole)
{
    client_key_make(good);
    for (size_t i = 0; good[i]; i++) {
        memcpy(other, good, sizeof(other));
        other[i] = other[i] == 'f' ? '0' : 'f';
        ck_assert_msg(!client_key_is_whole(str_from(other)), "%s", other);
        ck_assert(!client_key_is_whole(str_sub(str_from(good), 0, i)));
    }
    ck_assert(client_key_is_ours(STR("weir_")) && !client_key_is_ours(STR("sk-weir_")));
}
END_TEST

/* By sha256sum. */
START_TEST(a_hash_is_that_of_the_whole_text)
{
    CLEANUP(buf_release) struct buf hash = { 0 };
    uint8_t digest[SHA256_BYTES];

    client_key_hash(STR("weir_"), &hash);
    ck_assert_str_eq(buf_cstr(&hash),
                     "sha256:"
                     "3207492ba4fb6d41beab0568274029a4589b91c67ec528c79e32b1d92bdca651");
    ck_assert_int_eq(client_key_parse_hash(STR("sha256:00"), digest), -1);
    ck_assert_int_eq(client_key_parse_hash(STR("SHA256:"), digest), -1);
    ck_assert_int_eq(client_key_parse_hash(STR(""), digest), -1);
}
END_TEST

START_TEST(a_key_is_good_until_it_ends_or_is_revoked)
{
    struct client_key keys[] = {
        {.id = STR_INIT("a"),  .expires_us = INT64_MAX},
        { .id = STR_INIT("b"), .expires_us = NOW      },
    };
    struct client_keys k = { 0 };
    const struct client_key *found = NULL;
    size_t twice;

    client_key_make(good);
    client_key_make(other);
    put_hash(good, &keys[0]);
    put_hash(other, &keys[1]);
    ck_assert_int_eq(client_keys_check(&k, str_from(good), NOW, &found), CLIENT_KEY_UNKNOWN);
    ck_assert_int_eq(client_keys_index(&k, keys, 2, &twice), 0);
    ck_assert_int_eq(client_keys_check(&k, str_from(good), NOW, &found), CLIENT_KEY_GOOD);
    ck_assert_ptr_eq(found, &keys[0]);
    ck_assert_int_eq(client_keys_check(&k, str_from(other), NOW - 1, &found), CLIENT_KEY_GOOD);
    ck_assert_int_eq(client_keys_check(&k, str_from(other), NOW, &found), CLIENT_KEY_EXPIRED);
    ck_assert_ptr_eq(found, &keys[1]);
    keys[0].revoked = true;
    ck_assert_int_eq(client_keys_check(&k, str_from(good), NOW, &found), CLIENT_KEY_REVOKED);
    client_key_make(good);
    ck_assert_int_eq(client_keys_check(&k, str_from(good), NOW, &found), CLIENT_KEY_UNKNOWN);
    ck_assert_int_eq(client_keys_check(&k, STR("weir_x"), NOW, &found), CLIENT_KEY_UNKNOWN);
    client_keys_release(&k);
}
END_TEST

START_TEST(two_keys_with_one_hash_are_an_error)
{
    struct client_key keys[3] = { 0 };
    struct client_keys k = { 0 };
    size_t twice = 0;

    keys[1].digest[0] = 1;
    ck_assert_int_eq(client_keys_index(&k, keys, 3, &twice), -1);
    ck_assert_uint_eq(twice, 2);
    client_keys_release(&k);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_made_key_is_whole_and_no_two_are_the_same);
    tcase_add_test(tc, a_key_with_any_character_changed_or_cut_is_not_whole);
    tcase_add_test(tc, a_hash_is_that_of_the_whole_text);
    tcase_add_test(tc, a_key_is_good_until_it_ends_or_is_revoked);
    tcase_add_test(tc, two_keys_with_one_hash_are_an_error);
}

CHECK_MAIN("proxy/client_key", add_tests)

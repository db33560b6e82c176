/* A key must stay the key it was, or be refused. */
#include "config.h"

#include "capture/key.h"

#include "tests/capture_sample.h"
#include "tests/check_main.h"

static const char *key_path(void)
{
    return sample_path("key");
}

START_TEST(a_key_is_made_once_private_and_read_back)
{
    struct key key, again;
    struct stat st;

    ck_assert_int_eq(key_load(key_path(), false, &key, &sample_err), -1);
    ck_ok(key_load(key_path(), true, &key, &sample_err));
    ck_ok(key_load(key_path(), true, &again, &sample_err));
    ck_assert_mem_eq(key.bytes, again.bytes, sizeof(key.bytes));
    ck_assert_int_eq(stat(key_path(), &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
    ck_assert_uint_eq(sample_count(sample_folder, ""), 1);
}
END_TEST

START_TEST(a_flipped_or_cut_key_is_refused_or_the_same_key)
{
    struct key key, again;
    struct buf file = { 0 };

    ck_ok(key_load(key_path(), true, &key, &sample_err));
    sample_read(key_path(), &file);
    for (size_t at = 0; at < file.len; at++) {
        sample_write(key_path(), str_sub(buf_str(&file), 0, at));
        if (key_load(key_path(), false, &again, &sample_err) == 0)
            ck_assert_mem_eq(key.bytes, again.bytes, sizeof(key.bytes));
        for (int bit = 0; bit < 8; bit++) {
            file.ptr[at] ^= (char)(1 << bit);
            sample_write(key_path(), buf_str(&file));
            if (key_load(key_path(), false, &again, &sample_err) == 0)
                ck_assert_mem_eq(key.bytes, again.bytes, sizeof(key.bytes));
            file.ptr[at] ^= (char)(1 << bit);
        }
    }
    buf_release(&file);
}
END_TEST

START_TEST(a_key_made_by_hand_may_lack_the_checksum)
{
    struct key key;

    sample_write(key_path(),
                 STR("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"));
    ck_assert_int_eq(chmod(key_path(), 0600), 0);
    ck_ok(key_load(key_path(), false, &key, &sample_err));
    ck_assert_uint_eq(key.bytes[31], 31);
}
END_TEST

START_TEST(a_key_that_others_may_read_is_refused_with_the_cure)
{
    struct key key;

    ck_ok(key_load(key_path(), true, &key, &sample_err));
    ck_assert_int_eq(chmod(key_path(), 0640), 0);
    ck_assert_int_eq(key_load(key_path(), true, &key, &sample_err), -1);
    ck_assert_ptr_nonnull(strstr(sample_err.text, "chmod 600"));
}
END_TEST

/* HMAC-SHA-256 with key 00..1f over "key\0sk-test" and "user\0sk-test", by openssl dgst. */
START_TEST(fingerprints_are_those_of_other_implementations_and_domains_differ)
{
    struct key key;
    char text[FINGERPRINT_TEXT_BYTES];

    for (int i = 0; i < 32; i++)
        key.bytes[i] = (uint8_t)i;
    key_fingerprint(&key, "key", STR("sk-test"), text);
    ck_assert_str_eq(text, "562aaef436a3bcc8");
    key_fingerprint(&key, "user", STR("sk-test"), text);
    ck_assert_str_eq(text, "3eb78080a94435e3");
}
END_TEST

/* Most calls show what an earlier one has shown: the answer is remembered. */
START_TEST(a_fingerprint_asked_for_again_is_the_same_and_nobody_elses)
{
    enum { VALUES = 1000 };
    static char first[VALUES][FINGERPRINT_TEXT_BYTES];
    struct key keys[2] = { 0 };
    char value[48], text[FINGERPRINT_TEXT_BYTES], other[FINGERPRINT_TEXT_BYTES];

    keys[1].bytes[31] = 1;
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < VALUES; i++) {
            int len = snprintf(value, sizeof(value), "%.*d", i % 40, i / 40);
            struct str s = { value, (size_t)len };
            key_fingerprint(&keys[i % 2], i % 3 ? "key" : "user", s, text);
            if (round == 0)
                memcpy(first[i], text, sizeof(text));
            ck_assert_str_eq(text, first[i]);
            key_fingerprint(&keys[i % 2], i % 3 ? "user" : "key", s, other);
            ck_assert_str_ne(text, other);
            key_fingerprint(&keys[1 - i % 2], i % 3 ? "key" : "user", s, other);
            ck_assert_str_ne(text, other);
        }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, sample_setup, sample_teardown);
    tcase_add_test(tc, a_key_is_made_once_private_and_read_back);
    tcase_add_test(tc, a_flipped_or_cut_key_is_refused_or_the_same_key);
    tcase_add_test(tc, a_key_made_by_hand_may_lack_the_checksum);
    tcase_add_test(tc, a_key_that_others_may_read_is_refused_with_the_cure);
    tcase_add_test(tc, fingerprints_are_those_of_other_implementations_and_domains_differ);
    tcase_add_test(tc, a_fingerprint_asked_for_again_is_the_same_and_nobody_elses);
}

CHECK_MAIN("capture/key", add_tests)

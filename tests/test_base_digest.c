/* SHA-256 (FIPS 180-4 examples), HMAC-SHA-256 (RFC 4231) and hexadecimal. */
#include "config.h"

#include "base/digest.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

static struct err err;

static const struct hash_row {
    const char *text, *hex;
} hashes[] = {
    {"",                                                          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    { "abc",                                                      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"                                                             },
};

START_TEST(sha256_gives_the_published_values_whole_and_in_pieces)
{
    const struct hash_row *row = &hashes[_i];
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    sha256_of(str_from(row->text), hash);
    ck_assert_str_eq(hex_encode(hash, sizeof(hash), hex), row->hex);
    CLEANUP(sha256_free) struct sha256 *h = sha256_new();
    for (const char *at = row->text; *at; at++)
        sha256_update(h, at, 1);
    sha256_update(h, NULL, 0);
    sha256_final(h, hash);
    ck_assert_str_eq(hex_encode(hash, sizeof(hash), hex), row->hex);
}
END_TEST

START_TEST(a_million_times_a_hash_as_published_from_memory_and_from_a_file)
{
    static const char expected[] =
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    CLEANUP(buf_release) struct buf text = { 0 };
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    memset(buf_reserve(&text, 1000000), 'a', 1000000);
    text.len = 1000000;
    sha256_of(buf_str(&text), hash);
    ck_assert_str_eq(hex_encode(hash, sizeof(hash), hex), expected);
    ck_assert_int_eq(file_replace(temp_path("a"), buf_str(&text), 0600, &err), 0);
    memset(hash, 0, sizeof(hash));
    ck_assert_int_eq(sha256_of_file(temp_path("a"), hash, &err), 0);
    ck_assert_str_eq(hex_encode(hash, sizeof(hash), hex), expected);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named)
{
    uint8_t hash[SHA256_BYTES];

    ck_assert_int_eq(sha256_of_file(temp_path("none"), hash, &err), -1);
    ck_assert_int_eq(err.code, ERR_SYS);
    ck_assert_ptr_nonnull(strstr(err.text, "none': No such file"));
    ck_assert_int_eq(sha256_of_file(temp_folder, hash, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, temp_folder));
    ck_assert_ptr_nonnull(strstr(err.text, "Is a directory"));
}
END_TEST

/* RFC 4231 section 4; a count of 0 means the text itself, else that many bytes of one value. */
static const struct hmac_row {
    const char *key;
    int key_byte, key_count;
    const char *message;
    int message_byte, message_count;
    const char *hex;
} hmacs[] = {
    {NULL,             0x0b, 20,  "Hi There",                                               0,    0,
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"                                                                                                 },
    { "Jefe",          0,    0,   "what do ya want for nothing?",                           0,    0,
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"                                                                                                 },
    { NULL,            0xaa, 20,  NULL,                                                     0xdd, 50,
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"                                                                                                 },
    { "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17"
      "\x18\x19", 0,    0,   NULL,                                                     0xcd, 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    { NULL,            0xaa, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 0,    0,
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"                                                                                                 },
    { NULL,            0xaa, 131,
     "This is a test using a larger than block-size key and a larger than block-size data. The "
      "key "
      "needs to be hashed before being used by the HMAC algorithm.",                        0,    0,  "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static struct str text_or_run(char room[200], const char *text, int byte, int count)
{
    if (text)
        return str_from(text);
    memset(room, byte, (size_t)count);
    return (struct str){ room, (size_t)count };
}

START_TEST(hmac_sha256_gives_the_values_of_rfc_4231)
{
    const struct hmac_row *row = &hmacs[_i];
    char key[200], message[200], hex[SHA256_HEX_BYTES];
    uint8_t hash[SHA256_BYTES];

    hmac_sha256(text_or_run(key, row->key, row->key_byte, row->key_count),
                text_or_run(message, row->message, row->message_byte, row->message_count), hash);
    ck_assert_str_eq(hex_encode(hash, sizeof(hash), hex), row->hex);
}
END_TEST

START_TEST(an_empty_key_and_message_are_fine)
{
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    hmac_sha256((struct str){ 0 }, (struct str){ 0 }, hash);
    ck_assert_str_eq(hex_encode(hash, sizeof(hash), hex),
                     "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}
END_TEST

START_TEST(hexadecimal_decodes_exactly_what_was_asked_for)
{
    uint8_t bytes[4] = { 9, 9, 9, 9 };

    ck_assert_int_eq(hex_decode(STR("00fFaB"), bytes, 3), 0);
    ck_assert_mem_eq(bytes, "\x00\xff\xab\x09", 4);
    ck_assert_int_eq(hex_decode(STR("00fF"), bytes, 3), -1);
    ck_assert_int_eq(hex_decode(STR("00fFa"), bytes, 2), -1);
    ck_assert_int_eq(hex_decode(STR("00fFag"), bytes, 3), -1);
    ck_assert_int_eq(hex_decode(STR("0x"), bytes, 1), -1);
    ck_assert_int_eq(hex_decode(STR(""), bytes, 0), 0);
    ck_assert_mem_eq(bytes, "\x00\xff\xab\x09", 4); /* failures wrote nothing */
}
END_TEST

START_TEST(random_bytes_differ_each_time)
{
    uint8_t a[32] = { 0 }, b[32] = { 0 };

    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    ck_assert_mem_ne(a, b, sizeof(a));
    ck_assert_mem_ne(a, (uint8_t[32]){ 0 }, sizeof(a));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, sha256_gives_the_published_values_whole_and_in_pieces, 0,
                        ARRAY_LEN(hashes));
    tcase_add_test(tc, a_million_times_a_hash_as_published_from_memory_and_from_a_file);
    tcase_add_test(tc, a_file_that_cannot_be_read_is_named);
    tcase_add_loop_test(tc, hmac_sha256_gives_the_values_of_rfc_4231, 0, ARRAY_LEN(hmacs));
    tcase_add_test(tc, an_empty_key_and_message_are_fine);
    tcase_add_test(tc, hexadecimal_decodes_exactly_what_was_asked_for);
    tcase_add_test(tc, random_bytes_differ_each_time);
}
CHECK_MAIN("base/digest", add_tests)

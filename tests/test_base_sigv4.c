#include "config.h"

#include "base/sigv4.h"

#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "tests/check_main.h"

/* The values of AWS's own signing test suite (aws-c-auth, tests/aws-signing-test-suite/v4, November
 * 2026): all that are HTTP as we accept it (no folded headers), with its normalised paths. */
static const struct {
    const char *name, *method, *path, *query, *headers, *body, *signature;
} published[] = {
    ROW("get-vanilla", "GET", "/", "", "", "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ROW("get-header-key-duplicate", "GET", "/", "",
        "My-Header1:value2\nMy-Header1:value2\nMy-Header1:value1", "",
        "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
    ROW("get-header-value-order", "GET", "/", "",
        "My-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2", "",
        "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
    ROW("get-header-value-trim", "GET", "/", "", "My-Header1: value1\nMy-Header2: \"a   b   c\"",
        "", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
    ROW("get-relative-normalized", "GET", "/example/..", "", "", "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ROW("get-relative-relative-normalized", "GET", "/example1/example2/../..", "", "", "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ROW("get-slash-dot-slash-normalized", "GET", "/./", "", "", "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ROW("get-slash-normalized", "GET", "//", "", "", "",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ROW("get-slash-pointless-dot-normalized", "GET", "/./example", "", "", "",
        "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
    ROW("get-slashes-normalized", "GET", "//example//", "", "", "",
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
    ROW("get-space-normalized", "GET", "/example space/", "", "", "",
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
    ROW("get-unreserved", "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "", "", "",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ROW("get-utf8", "GET", "/\341\210\264", "", "", "",
        "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    ROW("get-vanilla-empty-query-key", "GET", "/", "Param1=value1", "", "",
        "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
    ROW("get-vanilla-query-order-encoded", "GET", "/",
        "Param-3=Value3&Param=Value2&%E1%88%B4=Value1", "", "",
        "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"),
    ROW("get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", "", "",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ROW("get-vanilla-query-unreserved", "GET", "/",
        "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~"
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "", "", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
    ROW("get-vanilla-utf8-query", "GET", "/", "\341\210\264=bar", "", "",
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
    ROW("get-vanilla-with-session-token", "GET", "/", "",
        "X-Amz-Security-Token:6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267", "",
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
    ROW("post-vanilla", "POST", "/", "", "", "",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ROW("post-header-key-sort", "POST", "/", "", "My-Header1:value1", "",
        "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
    ROW("post-header-value-case", "POST", "/", "", "My-Header1:VALUE1", "",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
    ROW("post-vanilla-query", "POST", "/", "Param1=value1", "", "",
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
    ROW("post-x-www-form-urlencoded", "POST", "/", "",
        "Content-Type:application/"
        "x-www-form-urlencoded\nContent-Length:13\nX-Amz-Content-SHA256:"
        "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
        "Param1=value1", "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
    ROW("post-x-www-form-urlencoded-parameters", "POST", "/", "",
        "Content-Type:application/x-www-form-urlencoded; "
        "charset=utf-8\nContent-Length:13\nX-Amz-Content-SHA256:"
        "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
        "Param1=value1", "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"),
};

/* The examples of "Signature Calculations: Transferring Payload in a Single Chunk", Amazon S3 API
 * reference. */
static const struct {
    const char *method, *path, *query, *headers, *body, *signature;
} s3[] = {
    ROW("GET", "/test.txt", "", "Range:bytes=0-9", "",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    ROW("PUT", "/test%24file.text", "",
        "Date:Fri, 24 May 2013 00:00:00 GMT\nx-amz-storage-class:REDUCED_REDUNDANCY",
        "Welcome to Amazon S3.",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    ROW("PUT", "/test$file.text", "",
        "Date:Fri, 24 May 2013 00:00:00 GMT\nx-amz-storage-class:REDUCED_REDUNDANCY",
        "Welcome to Amazon S3.",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    ROW("GET", "/", "lifecycle", "", "",
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    ROW("GET", "/", "max-keys=2&prefix=J", "", "",
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
};

#define HEADERS_MAX 12

/* Adds "Name:value" lines. */
static size_t add_lines(const char *lines, struct sigv4_header *headers, size_t count)
{
    struct str rest = str_from(lines), line;

    while (rest.len && str_split(&rest, '\n', &line)) {
        size_t colon = (size_t)str_find_char(line, ':', 0);
        ck_assert_uint_lt(count, HEADERS_MAX);
        headers[count++] =
            (struct sigv4_header){ str_sub(line, 0, colon), str_sub(line, colon + 1, line.len) };
    }
    return count;
}

static const char *hash_of(const char *body)
{
    static char hex[SHA256_HEX_BYTES];
    uint8_t digest[SHA256_BYTES];

    sha256_of(str_from(body), digest);
    return hex_encode(digest, sizeof(digest), hex);
}

/* What follows "Signature=". */
static const char *signature_of(struct buf *value)
{
    const char *at = strstr(buf_cstr(value), "Signature=");

    ck_assert_msg(at != NULL, "%s", buf_cstr(value));
    return at + strlen("Signature=");
}

START_TEST(the_signing_test_suite_holds)
{
    struct sigv4_signer signer = { .access_key = STR("AKIDEXAMPLE"),
                                   .secret_key = STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                                   .region = STR("us-east-1"),
                                   .service = STR("service") };
    struct sigv4_header headers[HEADERS_MAX] = {
        {STR("Host"),        STR("example.amazonaws.com")},
        { STR("X-Amz-Date"), STR("20150830T123600Z")     },
    };
    struct sigv4_request request = { .method = str_from(published[_i].method),
                                     .path = str_from(published[_i].path),
                                     .query = str_from(published[_i].query),
                                     .headers = headers,
                                     .date = "20150830T123600Z" };
    CLEANUP(buf_release) struct buf out = { 0 }, canonical = { 0 };

    request.header_count = add_lines(published[_i].headers, headers, 2);
    request.payload_hash = str_from(hash_of(published[_i].body));
    sigv4_authorize(&signer, &request, &out);
    sigv4_canonical(&signer, &request, &canonical);
    ck_assert_msg(strcmp(signature_of(&out), published[_i].signature) == 0, "%s: %s of\n%s",
                  published[_i].name, buf_cstr(&out), buf_cstr(&canonical));
    ck_assert(str_starts_with(buf_str(&out),
                              STR("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/"
                                  "service/aws4_request, SignedHeaders=")));
}
END_TEST

START_TEST(the_examples_of_s3_hold)
{
    struct sigv4_signer signer = { .access_key = STR("AKIAIOSFODNN7EXAMPLE"),
                                   .secret_key = STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                                   .region = STR("us-east-1"),
                                   .service = STR("s3"),
                                   .path = SIGV4_PATH_LITERAL };
    const char *hash = hash_of(s3[_i].body);
    struct sigv4_header headers[HEADERS_MAX] = {
        {STR("Host"),                  STR("examplebucket.s3.amazonaws.com")},
        { STR("x-amz-date"),           STR("20130524T000000Z")              },
        { STR("x-amz-content-sha256"), str_from(hash)                       },
    };
    struct sigv4_request request = { .method = str_from(s3[_i].method),
                                     .path = str_from(s3[_i].path),
                                     .query = str_from(s3[_i].query),
                                     .headers = headers,
                                     .payload_hash = str_from(hash),
                                     .date = "20130524T000000Z" };
    CLEANUP(buf_release) struct buf out = { 0 };

    request.header_count = add_lines(s3[_i].headers, headers, 3);
    sigv4_authorize(&signer, &request, &out);
    ck_assert_str_eq(signature_of(&out), s3[_i].signature);
}
END_TEST

static const struct {
    const char *path;
    enum sigv4_path how;
    const char *canonical;
} paths[] = {
    {"/model/a.b-v2%3A0/converse", SIGV4_PATH_AGAIN,   "/model/a.b-v2%253A0/converse"},
    { "/model/a.b-v2:0/converse",  SIGV4_PATH_AGAIN,   "/model/a.b-v2%3A0/converse"  },
    { "",                          SIGV4_PATH_AGAIN,   "/"                           },
    { "/../..",                    SIGV4_PATH_AGAIN,   "/"                           },
    { "/a%2fb",                    SIGV4_PATH_AGAIN,   "/a%252fb"                    },
    { "/a//b/./c",                 SIGV4_PATH_LITERAL, "/a//b/./c"                   },
    { "/a%20b%zz(1)",              SIGV4_PATH_LITERAL, "/a%20b%25zz%281%29"          },
    { "",                          SIGV4_PATH_LITERAL, "/"                           },
};

START_TEST(a_path_is_encoded_once_more_but_for_s3)
{
    struct sigv4_signer signer = { .path = paths[_i].how };
    struct sigv4_request request = { .method = STR("GET"),
                                     .path = str_from(paths[_i].path),
                                     .date = "20260101T000000Z" };
    CLEANUP(buf_release) struct buf out = { 0 };
    struct str rest, line;

    sigv4_canonical(&signer, &request, &out);
    rest = buf_str(&out);
    ck_assert(str_split(&rest, '\n', &line) && str_split(&rest, '\n', &line));
    ck_assert_msg(str_eq(line, str_from(paths[_i].canonical)), "%.*s", STR_ARG(line));
}
END_TEST

START_TEST(a_date_is_what_the_header_says)
{
    char date[SIGV4_DATE_BYTES];

    ck_assert_str_eq(sigv4_date(INT64_C(1440938160) * 1000000 + 999999, date), "20150830T123600Z");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, the_signing_test_suite_holds, 0, ARRAY_LEN(published));
    tcase_add_loop_test(tc, the_examples_of_s3_hold, 0, ARRAY_LEN(s3));
    tcase_add_loop_test(tc, a_path_is_encoded_once_more_but_for_s3, 0, ARRAY_LEN(paths));
    tcase_add_test(tc, a_date_is_what_the_header_says);
}

CHECK_MAIN("base/sigv4", add_tests)

/* Which requests are the same, and which are not. */
#include "config.h"

#include "replay/request.h"

#include <string.h>

#include "base/mem.h"
#include "tests/check_main.h"

struct row {
    const char *path[2], *query[2], *body[2];
};

/* clang-format off: a row is what two requests differ in */
static const struct row same[] = {
    { .body = { "{\"model\":\"m\",\"stream\":true}",
                "{ \"stream\" : true,\n\t\"model\":\"m\" }" } },
    { .body = { "{\"a\":{\"x\":1,\"y\":[2,3]}}", "{\"a\":{\"y\":[2,3],\"x\":1}}" } },
    { .body = { "{\"a\":\"\\u00e9\\/\"}", "{\"a\":\"\xc3\xa9/\"}" } },
    { .body = { "{\"a\":1}", "{\"a\":1,\"user\":\"u1\",\"metadata\":{\"n\":7}}" } },
    { .body = { "{\"a\":1,\"safety_identifier\":\"x\"}", "{\"prompt_cache_key\":\"y\",\"a\":1}" } },
    { .body = { "[{\"b\":1,\"a\":2}]", " [ {\"a\":2,\"b\":1} ]\n" } },
    { .body = { "not JSON", "not JSON" } },
    { .query = { "alt=sse&key=secret-1", "key=secret-2&alt=sse" } },
    { .query = { "b=2&a=1", "a=1&b=2" } },
    { .query = { "key=secret-1", "" } },
    { .path = { "/v1/chat/completions", "/bot/openai/v1/chat/completions" } },
    { .path = { "/model/a.b-v2%3A0/converse", "/model/a.b-v2:0/converse" } },
    { .path = { "/v1/models", "/v1/models" } },
};
static const struct row different[] = {
    { .body = { "{\"model\":\"m\"}", "{\"model\":\"n\"}" } },
    { .body = { "{\"stream\":true}", "{\"stream\":false}" } },
    { .body = { "{\"a\":[1,2]}", "{\"a\":[2,1]}" } },
    { .body = { "{\"a\":1}", "{\"a\":\"1\"}" } },
    { .body = { "{\"a\":{\"user\":\"u\"}}", "{\"a\":{\"user\":\"v\"}}" } },
    { .body = { "{\"a\":1}", "" } },
    { .body = { "not JSON", "not  JSON" } },
    { .body = { "{\"stream_options\":{\"include_usage\":true}}", "{}" } },
    { .query = { "alt=sse", "" } },
    { .query = { "a=1&b=2", "a=1b=2" } },
    { .path = { "/v1/chat/completions", "/v1/completions" } },
    { .path = { "/v1/models", "/xv1/models" } },
    { .path = { "/model/a/converse", "/model/b/converse" } },
    { .path = { "/v1/models/gpt", "/v1/models" } },
    { .path = { "models", "/v1/models" } },
};
/* clang-format on */

static struct request request_of(const struct row *row, int which)
{
    return (struct request){
        .method = STR("POST"),
        .path = str_from(row->path[which] ? row->path[which] : "/v1/x"),
        .query = str_from(row->query[which]),
        .body = str_from(row->body[which]),
    };
}

static bool is_same(const struct request *a, const struct request *b)
{
    uint8_t left[REQUEST_DIGEST_BYTES], right[REQUEST_DIGEST_BYTES];

    request_digest(a, left);
    request_digest(b, right);
    ck_assert_int_eq(request_is_same_path(a->path, b->path),
                     request_is_same_path(b->path, a->path));
    return memcmp(left, right, sizeof(left)) == 0 && request_is_same_path(a->path, b->path);
}

START_TEST(what_says_the_same_is_the_same_request)
{
    struct request a = request_of(&same[_i], 0), b = request_of(&same[_i], 1);

    ck_assert(is_same(&a, &b));
}
END_TEST

START_TEST(what_asks_for_something_else_is_another_request)
{
    struct request a = request_of(&different[_i], 0), b = request_of(&different[_i], 1);

    ck_assert(!is_same(&a, &b));
}
END_TEST

START_TEST(another_method_is_another_request)
{
    struct request a = request_of(&same[0], 0), b = a;

    b.method = STR("GET");
    ck_assert(!is_same(&a, &b));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, what_says_the_same_is_the_same_request, 0, (int)ARRAY_LEN(same));
    tcase_add_loop_test(tc, what_asks_for_something_else_is_another_request, 0,
                        (int)ARRAY_LEN(different));
    tcase_add_test(tc, another_method_is_another_request);
}

CHECK_MAIN("replay/request", add_tests)

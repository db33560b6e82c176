/* What an answer used is read off a part of a stream: it must come to what all of it says. */
#include "config.h"

#include "proxy/call_used.h"

#include "tests/check_main.h"
#include "tests/cost_reading.h"
#include "tests/recorded.h"
#include "tests/shared_data.h"

static struct price_book *book;
static struct price_cache *prices;
static struct cost_shapes *shapes;

static void load_prices(void)
{
    const char *srcdir = getenv("srcdir");
    char path[1024];
    struct err err;

    snprintf(path, sizeof(path), "%s/share/prices", srcdir ? srcdir : ".");
    ck_assert_msg(price_book_load(&book, path, &err) == 0, "%s", err.text);
    prices = price_cache_new(book);
    shapes = cost_shapes_new();
}

static void free_prices(void)
{
    cost_shapes_free(shapes);
    price_cache_free(prices);
    price_book_free(book);
}

static bool is_stream(struct str body)
{
    return str_starts_with(body, STR("data:")) || str_starts_with(body, STR("event:"));
}

/* is_whole: as if it were no stream, so that all of it is read.  by_shape: as one that is like
 * others before it. */
static struct policy_used used_by(const struct call *call, bool is_whole, bool by_shape)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct call_used used = { 0 };
    static struct call_facts facts; /* never cleared, as the proxy's */
    struct http1_header headers[RECORDED_HEADERS_MAX + 1];
    struct http1_head request = { .method = call->method };
    struct http1_head answer = { .status = (unsigned)call->status, .headers = headers };
    struct recognition known;
    struct policy_used ret;

    /* Some were recorded without their head. */
    if (is_stream(call->response_body))
        headers[answer.header_count++] =
            (struct http1_header){ .name = STR("content-type"), .value = STR("text/event-stream") };
    for (size_t i = 0; i < call->response_header_count; i++)
        if (!str_ieq(call->response_headers[i].name, STR("content-encoding")))
            headers[answer.header_count++] =
                (struct http1_header){ .name = call->response_headers[i].name,
                                       .value = call->response_headers[i].value };
    recognise(call, &arena, &known);
    call_used_head(&used, &answer);
    used.in_events = used.in_events && !is_whole;
    for (size_t at = 0; at < call->response_body.len; at += 1000)
        call_used_body(&used, str_sub(call->response_body, at, 1000));
    call_used_read(&used,
                   &(struct call_used_of){ .request = &request,
                                           .answer = &answer,
                                           .known = &known,
                                           .prices = prices,
                                           .shapes = by_shape ? shapes : NULL,
                                           .arena = &arena,
                                           .facts = &facts,
                                           .at_us = INT64_C(1785000000000000) },
                   &ret);
    call_used_release(&used);
    return ret;
}

static const char *const files[] = {
    "cassettes/exchanges/anthropic.jsonl", "cassettes/exchanges/azure.jsonl",
    "cassettes/exchanges/bedrock.jsonl",   "cassettes/exchanges/google.jsonl",
    "cassettes/exchanges/openai.jsonl",    "cassettes/exchanges/other.jsonl",
};

struct tally {
    int all, streams, known, plain;
};

static void check_part(void *ctx, const struct recorded_line *l)
{
    struct tally *t = ctx;
    struct policy_used a = used_by(l->call, false, false), b = used_by(l->call, true, false);

    ck_assert_msg(a.tokens == b.tokens && a.nusd == b.nusd,
                  "%s: %lld tokens, not %lld; %lld nUSD, not %lld", l->where, (long long)a.tokens,
                  (long long)b.tokens, (long long)a.nusd, (long long)b.nusd);
    for (int i = 0; i < 2; i++) { /* the second time its shape may be known */
        a = used_by(l->call, false, true);
        ck_assert_msg(a.tokens == b.tokens && a.nusd == b.nusd,
                      "%s by its shape: %lld tokens, not %lld; %lld nUSD, not %lld", l->where,
                      (long long)a.tokens, (long long)b.tokens, (long long)a.nusd,
                      (long long)b.nusd);
    }
    t->streams += is_stream(l->call->response_body);
    t->known += a.tokens > 0;
}

START_TEST(of_every_recorded_answer_a_part_says_what_all_of_it_says)
{
    char path[SHARED_DATA_PATH_BYTES];
    struct tally t = { 0 };

    if (!shared_data_find(files[_i], path))
        return;
    recorded_each(path, files[_i], check_part, &t);
    printf("%s: %d with usage, %d event streams\n", files[_i], t.known, t.streams);
    ck_assert_int_gt(t.known, 0);
}
END_TEST

/* As recorded, and with a byte of it changed here and there: what is then no plain answer any more
 * has to be noticed. */
static void check_brief(void *ctx, const struct recorded_line *l)
{
    struct tally *t = ctx;
    CLEANUP(buf_release) struct buf body = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    static const char bytes[] = "{}[],:\"0su\\ \n-";
    struct call call = *l->call;
    uint64_t random = l->call->response_body.len;
    bool is_plain, was_plain = false;

    for (int round = 0; round < 24; round++) {
        buf_clear(&body);
        buf_add_str(&body, l->call->response_body);
        if (round && body.len) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            body.ptr[(random >> 33) % body.len] = bytes[(random >> 20) % (sizeof(bytes) - 1)];
        }
        call.response_body = buf_str(&body);
        ck_assert_msg(cost_reading_agrees(&call, &arena, &is_plain), "round %d of %s", round,
                      l->where);
        was_plain |= !round && is_plain;
        if (!was_plain)
            break;
        arena_reset(&arena);
    }
    t->plain += was_plain;
    t->all++;
}

START_TEST(of_every_recorded_answer_the_short_reading_says_what_the_long_one_does)
{
    char path[SHARED_DATA_PATH_BYTES];
    struct tally t = { 0 };

    if (!shared_data_find(files[_i], path))
        return;
    recorded_each(path, files[_i], check_brief, &t);
    printf("%s: %d of %d are plain\n", files[_i], t.plain, t.all);
    ck_assert_int_gt(t.plain, 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_unchecked_fixture(tc, load_prices, free_prices);
    tcase_add_loop_test(tc, of_every_recorded_answer_a_part_says_what_all_of_it_says, 0,
                        (int)ARRAY_LEN(files));
    tcase_add_loop_test(tc, of_every_recorded_answer_the_short_reading_says_what_the_long_one_does,
                        0, (int)ARRAY_LEN(files));
}

CHECK_MAIN("proxy/call_used", add_tests)

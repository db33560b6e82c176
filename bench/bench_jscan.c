/* The pull scanner finding the usage in response bodies, beside Jansson parsing the same bodies. */
#include "config.h"

#include <string.h>

#include "base/file.h"
#include "base/jscan.h"
#include "base/json.h"
#include "base/vec.h"
#include "bench/bench.h"
#include "llm/framing.h"

#define FILE_BYTES_MAX (64u << 20)
#define BODY_BYTES     (2u << 20)

/* JSON texts to go through one after another. */
struct texts {
    VEC(struct str) list;
    struct buf bytes;
    size_t begun_at; /* of the text being added */
};

static void texts_release(struct texts *t)
{
    vec_release(&t->list);
    buf_release(&t->bytes);
}
DEFINE_CLEANUP_VALUE(struct texts, texts_release)

static bool is_usage(struct str key)
{
    return str_eq(key, STR("usage")) || str_eq(key, STR("usageMetadata"));
}

static bool holds_usage(struct str key)
{
    return str_eq(key, STR("message")) || str_eq(key, STR("response"));
}

/* The sum of all counts in usage objects at the places where providers put them. */
static uint64_t scan_counts(struct jscan *s, bool in_usage)
{
    uint64_t sum = 0;
    int64_t number;
    struct str key;

    if (!jscan_enter_object(s))
        return 0;
    while (jscan_next_member(s, &key)) {
        if (in_usage && jscan_peek(s) == JSCAN_NUMBER)
            sum += jscan_int(s, &number) ? (uint64_t)number : 0;
        else if (in_usage || is_usage(key))
            sum += scan_counts(s, true);
        else if (holds_usage(key))
            sum += scan_counts(s, false);
        else
            jscan_skip(s);
    }
    return sum;
}

static uint64_t scan_all(void *ctx)
{
    const struct texts *t = ctx;
    uint64_t sum = 0;

    for (size_t i = 0; i < t->list.len; i++) {
        struct jscan s;
        jscan_init(&s, t->list.ptr[i]);
        sum += scan_counts(&s, false);
        if (s.failed)
            abort();
    }
    return sum;
}

static uint64_t tree_counts(const json_t *obj, bool in_usage)
{
    uint64_t sum = 0;
    const char *key;
    json_t *value;

    /* Jansson's macro casts away the const; it only reads. */
    json_object_foreach(json_incref((json_t *)(uintptr_t)obj), key, value)
    {
        if (in_usage && json_is_integer(value))
            sum += (uint64_t)json_integer_value(value);
        else if (in_usage || is_usage(str_from(key)))
            sum += tree_counts(value, true);
        else if (holds_usage(str_from(key)))
            sum += tree_counts(value, false);
    }
    json_decref((json_t *)(uintptr_t)obj);
    return sum;
}

static uint64_t parse_all(void *ctx)
{
    const struct texts *t = ctx;
    uint64_t sum = 0;

    for (size_t i = 0; i < t->list.len; i++) {
        CLEANUP(json_decref)
        json_t *doc = json_loadb(t->list.ptr[i].ptr, t->list.ptr[i].len, JSON_DECODE_ANY, NULL);
        if (!doc)
            abort();
        sum += tree_counts(doc, false);
    }
    return sum;
}

static void measure(const char *name, struct texts *t)
{
    size_t bytes = 0;

    for (size_t i = 0; i < t->list.len; i++)
        bytes += t->list.ptr[i].len;
    if (scan_all(t) != parse_all(t)) {
        fprintf(stderr, "bench_jscan: %s: scanner and parser disagree\n", name);
        exit(EXIT_FAILURE);
    }
    double scan = bench_seconds(scan_all, t), parse = bench_seconds(parse_all, t);
    bench_row_beside(name, (double)bytes / 1e6 / scan, "MB/s", "Jansson", parse / scan, ">= 5");
}

/* --- bodies of our own making --- */

static const char text_part[] = "The quick brown fox said: \\\"jump\\\" over the lazy dog.\\n";
static const char usage_part[] =
    "\"usage\":{\"prompt_tokens\":1200,\"completion_tokens\":523,\"total_tokens\":1723,"
    "\"prompt_tokens_details\":{\"cached_tokens\":1024}}}";

/* One long answer. */
static void add_long_answer(struct buf *out)
{
    buf_add_text(out, "{\"id\":\"c1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":"
                      "{\"role\":\"assistant\",\"content\":\"");
    while (out->len < BODY_BYTES)
        buf_add_text(out, text_part);
    buf_add_text(out, "\"},\"finish_reason\":\"stop\"}],");
    buf_add_text(out, usage_part);
}

/* Many short members and containers, as with log probabilities. */
static void add_logprobs(struct buf *out)
{
    buf_add_text(out, "{\"id\":\"c1\",\"choices\":[{\"logprobs\":{\"content\":[");
    for (unsigned i = 0; out->len < BODY_BYTES; i++)
        buf_addf(out,
                 "%s{\"token\":\"t%u\",\"logprob\":-0.%06u,\"bytes\":[%u,%u],\"top_logprobs\":"
                 "[{\"token\":\"x\",\"logprob\":-%u.5,\"bytes\":[1]}]}",
                 i ? "," : "", i, i * 7919 % 1000000, i % 256, i % 251, i % 9);
    buf_add_text(out, "]}}],");
    buf_add_text(out, usage_part);
}

static void add_embeddings(struct buf *out)
{
    buf_add_text(out, "{\"object\":\"list\",\"data\":[");
    for (unsigned i = 0; out->len < BODY_BYTES; i++) {
        buf_addf(out, "%s{\"object\":\"embedding\",\"index\":%u,\"embedding\":[", i ? "," : "", i);
        for (unsigned j = 0; j < 1536; j++)
            buf_addf(out, "%s%s0.%08u", j ? "," : "", j % 2 ? "-" : "",
                     (i * 1536 + j) * 7919 % 100000000);
        buf_add_text(out, "]}");
    }
    buf_add_text(out, "],\"model\":\"m\",");
    buf_add_text(out, usage_part);
}

static void measure_made(const char *name, void (*add)(struct buf *out))
{
    CLEANUP(texts_release) struct texts t = { 0 };

    add(&t.bytes);
    vec_push(&t.list, buf_str(&t.bytes));
    measure(name, &t);
}

/* --- recorded bodies --- */

static int keep_event(void *ctx, const struct framing_event *e, struct err *err)
{
    struct texts *t = ctx;
    struct jscan s;

    (void)err;
    jscan_init(&s, e->data);
    if (jscan_peek(&s) != JSCAN_OBJECT)
        return 0; /* "[DONE]" */
    /* Offsets for now: bytes may move. */
    vec_push(&t->list, ((struct str){ (const char *)(uintptr_t)t->bytes.len, e->data.len }));
    buf_add_str(&t->bytes, e->data);
    return 0;
}

static void add_exchange(struct texts *t, struct str line)
{
    CLEANUP(json_decref) json_t *exchange = NULL;
    struct err err;
    bool cut;

    if (json_parse(line, &exchange, &err) < 0)
        return;
    struct str body = json_get_str(exchange, "resp_body");
    struct str type = json_get_str(json_get(exchange, "resp_headers"), "content-type");
    CLEANUP(framer_free)
    struct framer *f = framer_new(framing_guess(type, body), keep_event, t);
    if (framer_feed(f, body, &err) == 0)
        framer_finish(f, &cut, &err);
}

static void measure_recorded(const char *folder)
{
    CLEANUP(texts_release) struct texts t = { 0 };
    CLEANUP(dir_list_release) struct dir_list files = { 0 };
    struct err err;

    if (dir_list_read(folder, &files, &err) < 0)
        return;
    for (size_t i = 0; i < files.len; i++) {
        CLEANUP(buf_release) struct buf path = { 0 }, lines = { 0 };
        struct str rest, line;
        buf_addf(&path, "%s/%s", folder, files.names[i]);
        if (file_read(buf_cstr(&path), FILE_BYTES_MAX, &lines, &err) < 0)
            continue;
        rest = buf_str(&lines);
        while (str_split(&rest, '\n', &line))
            add_exchange(&t, line);
    }
    for (size_t i = 0; i < t.list.len; i++)
        t.list.ptr[i].ptr = t.bytes.ptr + (uintptr_t)t.list.ptr[i].ptr;
    if (t.list.len)
        measure("usage scan, recorded bodies", &t);
}

int main(void)
{
    const char *given = getenv("WEIR_SHARED_DATA"), *top = getenv("top_srcdir");
    CLEANUP(buf_release) struct buf folder = { 0 };

    if (given)
        buf_add_text(&folder, given);
    else
        buf_addf(&folder, "%s/../shared/data", top ? top : ".");
    buf_add_text(&folder, "/cassettes/exchanges");
    measure_recorded(buf_cstr(&folder));
    measure_made("usage scan, 2 MB answer", add_long_answer);
    measure_made("usage scan, 2 MB of log probabilities", add_logprobs);
    measure_made("usage scan, 2 MB of embeddings", add_embeddings);
    return EXIT_SUCCESS;
}

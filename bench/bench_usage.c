/* Everything call_read finds in a call, beside Jansson merely parsing the answer's JSON.
 *
 * Jansson is given the events of a stream ready cut out, and neither host, path nor request: what
 * it is spared is on our side of the scale. */
#include "config.h"

#include <string.h>

#include "base/vec.h"
#include "bench/bench.h"
#include "llm/framing.h"
#include "tests/recorded.h"

#define BODY_BYTES (2u << 20)

struct load {
    VEC(struct recorded_call *) calls;
    VEC(json_t *) lines; /* what the calls borrow from */
    struct arena arena;
    /* The JSON texts of all answers, as offsets into bytes until done. */
    VEC(struct str) texts;
    struct buf bytes;
    size_t body_bytes;
};

static void load_release(struct load *load)
{
    for (size_t i = 0; i < load->lines.len; i++)
        json_decref(load->lines.ptr[i]);
    vec_release(&load->lines);
    vec_release(&load->calls);
    vec_release(&load->texts);
    buf_release(&load->bytes);
    arena_release(&load->arena);
}
DEFINE_CLEANUP_VALUE(struct load, load_release)

static uint64_t read_all(void *ctx)
{
    struct load *load = ctx;
    CLEANUP(arena_release) struct arena arena = { 0 };
    uint64_t sum = 0;

    for (size_t i = 0; i < load->calls.len; i++) {
        struct call_facts facts;
        call_read(&load->calls.ptr[i]->call, &arena, &facts);
        for (size_t k = 0; k < facts.part_count; k++)
            sum += (uint64_t)facts.parts[k].usage.n[USAGE_INPUT];
        arena_reset(&arena);
    }
    return sum;
}

static uint64_t parse_all(void *ctx)
{
    const struct load *load = ctx;
    uint64_t sum = 0;

    for (size_t i = 0; i < load->texts.len; i++) {
        struct str text = load->texts.ptr[i];
        CLEANUP(json_decref)
        json_t *doc = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
        sum += doc ? json_object_size(doc) : 0;
    }
    return sum;
}

static int keep_text(void *ctx, const struct framing_event *event, struct err *err)
{
    struct load *load = ctx;

    (void)err;
    /* Bytes may move: the pointer is an offset until the load is complete. */
    vec_push(&load->texts,
             ((struct str){ (const char *)(uintptr_t)load->bytes.len, event->data.len }));
    buf_add_str(&load->bytes, event->data);
    return 0;
}

static void add_call(struct load *load, struct recorded_call *recorded)
{
    const struct call *call = &recorded->call;
    struct str type =
        call_header_find(call->response_headers, call->response_header_count, "content-type");
    struct err err;
    bool cut;

    vec_push(&load->calls, recorded);
    load->body_bytes += call->response_body.len;
    enum framing kind = framing_guess(type, str_sub(call->response_body, 0, 1024));
    if (kind == FRAMING_OPAQUE)
        return;
    CLEANUP(framer_free) struct framer *f = framer_new(kind, keep_text, load);
    if (framer_feed(f, call->response_body, &err) == 0)
        framer_finish(f, &cut, &err);
}

static void measure(const char *name, struct load *load)
{
    for (size_t i = 0; i < load->texts.len; i++)
        load->texts.ptr[i].ptr = load->bytes.ptr + (uintptr_t)load->texts.ptr[i].ptr;
    double ours = bench_seconds(read_all, load), theirs = bench_seconds(parse_all, load);
    bench_row_beside(name, (double)load->body_bytes / 1e6 / ours, "MB/s", "Jansson", theirs / ours,
                     ">= 5");
}

/* --- recorded calls --- */

static void add_file(struct load *load, const char *path)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct str rest = recorded_read(path, &text), line;
    struct err err;

    while (str_split(&rest, '\n', &line)) {
        json_t *parsed;
        if (!line.len || json_parse(line, &parsed, &err) < 0)
            continue;
        vec_push(&load->lines, parsed);
        struct recorded_call *recorded = arena_alloc(&load->arena, sizeof(*recorded));
        recorded_call_read(parsed, &load->arena, recorded);
        if (recorded->call.response_body.len)
            add_call(load, recorded);
    }
}

static void measure_recorded(void)
{
    CLEANUP(load_release) struct load load = { 0 };
    CLEANUP(buf_release) struct buf folder = { 0 }, path = { 0 };
    CLEANUP(dir_list_release) struct dir_list files = { 0 };
    const char *given = getenv("WEIR_SHARED_DATA"), *top = getenv("top_srcdir");
    struct err err;

    if (given)
        buf_add_text(&folder, given);
    else
        buf_addf(&folder, "%s/../shared/data", top ? top : ".");
    buf_add_text(&folder, "/cassettes/exchanges");
    if (dir_list_read(buf_cstr(&folder), &files, &err) < 0)
        return;
    for (size_t i = 0; i < files.len; i++) {
        buf_clear(&path);
        buf_addf(&path, "%s/%s", buf_cstr(&folder), files.names[i]);
        add_file(&load, buf_cstr(&path));
    }
    if (load.calls.len)
        measure("call reading, recorded calls", &load);
}

/* --- calls of our own making --- */

static const char usage_part[] =
    "\"usage\":{\"prompt_tokens\":1200,\"completion_tokens\":523,\"total_tokens\":1723,"
    "\"prompt_tokens_details\":{\"cached_tokens\":1024}}}";

static void add_answer(struct buf *out)
{
    buf_add_text(out, "{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"m\",\"choices\":[{"
                      "\"message\":{\"role\":\"assistant\",\"content\":\"");
    while (out->len < BODY_BYTES)
        buf_add_text(out, "The quick brown fox said: \\\"jump\\\" over the lazy dog.\\n");
    buf_add_text(out, "\"},\"finish_reason\":\"stop\"}],");
    buf_add_text(out, usage_part);
}

static void add_stream(struct buf *out)
{
    while (out->len < BODY_BYTES)
        buf_add_text(out, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\","
                          "\"created\":1751568164,\"model\":\"m-2026-01-01\",\"service_tier\":"
                          "\"default\",\"system_fingerprint\":\"fp_1\",\"choices\":[{\"index\":0,"
                          "\"delta\":{\"content\":\" word\"},\"logprobs\":null,"
                          "\"finish_reason\":null}],\"usage\":null}\n\n");
    buf_add_text(out, "data: {\"choices\":[],");
    buf_add_text(out, usage_part);
    buf_add_text(out, "\n\ndata: [DONE]\n\n");
}

static void add_embeddings(struct buf *out)
{
    buf_add_text(out, "{\"object\":\"list\",\"data\":[");
    for (unsigned i = 0; out->len < BODY_BYTES; i++)
        buf_addf(out, "%s{\"object\":\"embedding\",\"embedding\":[0.%08u,-0.%08u]}", i ? "," : "",
                 i * 7919 % 100000000, i * 104729 % 100000000);
    buf_add_text(out, "],\"model\":\"m\",");
    buf_add_text(out, usage_part);
}

static void measure_made(const char *name, const char *path, void (*add)(struct buf *out))
{
    CLEANUP(load_release) struct load load = { 0 };
    CLEANUP(buf_release) struct buf body = { 0 };
    struct recorded_call recorded = {
        .call = {.method = STR("POST"),
                 .host = STR("api.openai.com"),
                 .path = str_from(path),
                 .request_body = STR("{\"model\":\"m\"}"),
                 .status = 200}
    };

    add(&body);
    recorded.call.response_body = buf_str(&body);
    add_call(&load, &recorded);
    measure(name, &load);
}

int main(void)
{
    measure_recorded();
    measure_made("call reading, 2 MB answer", "/v1/chat/completions", add_answer);
    measure_made("call reading, 2 MB stream", "/v1/chat/completions", add_stream);
    measure_made("call reading, 2 MB of embeddings", "/v1/embeddings", add_embeddings);
    return EXIT_SUCCESS;
}

/* bench_seal - decoded body bytes a second that seal takes from a journal into segment and ledger,
 * beside zstd -3 alone over the same bytes, on one core (CPU time of this process).
 *
 * The bodies are recorded ones (../shared/data), several copies of them with the compressor started
 * anew for each, and ones made up of words drawn by a seeded generator, so that neither side
 * profits from repetition between exchanges: streams of 85 KB, and short JSON calls.
 */
#include "config.h"

#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/vec.h"
#include "bench/bench.h"
#include "capture/archive.h"
#include "capture/record.h"
#include "capture/seal.h"
#include "tests/recorded.h"

#define START_US   INT64_C(1790812800000000) /* 2026-10-01 */
#define ROUNDS     3
#define CHUNKS_MAX 4096 /* of one answer */

struct shape {
    const char *name;
    size_t exchanges, request_words, response_words;
    bool stream;
};

static const struct shape shapes[] = {
    {"seal, streams of 85 KB",    700,  1200, 400, true },
    { "seal, JSON calls of 5 KB", 6000, 400,  300, false},
};

/* One exchange: its call with bodies as offsets until all are there. */
struct item {
    struct call call;
    size_t request_end, response_end; /* in bytes; each begins where the one before ends */
};

/* What is sealed, `copies` times over. */
struct load {
    const char *name;
    VEC(struct item) items;
    struct buf bytes; /* bodies of one copy */
    size_t copies;
    bool stream;
    struct arena arena;  /* of recorded bodies */
    json_t *lines[4096]; /* what recorded calls borrow from */
    size_t line_count;
};

static uint64_t seed = 88172645463325252u;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* A word of 2 to 9 letters out of some 4,000, frequent ones more often, as text has them. */
static void add_word(struct buf *out)
{
    uint64_t rank = draw() % 4000 * (draw() % 4000) / 4000, word = rank * 2654435761u;

    for (uint64_t i = 0, len = 2 + rank % 8; i < len; i++, word /= 7)
        buf_add_byte(out, (char)('a' + (word + i * 5) % 26));
    buf_add_byte(out, ' ');
}

static void add_words(struct buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_word(out);
}

static void add_request(struct buf *out, const struct shape *s)
{
    buf_addf(out,
             "{\"model\":\"gpt-4o-mini\",\"stream\":%s,\"messages\":[{\"role\":\"user\","
             "\"content\":\"",
             s->stream ? "true" : "false");
    add_words(out, s->request_words);
    buf_add_text(out, "\"}]}");
}

static void add_response(struct buf *out, const struct shape *s)
{
    const char *usage = "\"usage\":{\"prompt_tokens\":1500,\"completion_tokens\":400,"
                        "\"total_tokens\":1900}";
    unsigned long long id = draw();

    if (!s->stream) {
        buf_addf(out,
                 "{\"id\":\"chatcmpl-%llx\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{"
                 "\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\","
                 "\"content\":\"",
                 id);
        add_words(out, s->response_words);
        buf_addf(out, "\"}}],%s}", usage);
        return;
    }
    for (size_t i = 0; i < s->response_words; i++) {
        buf_addf(out,
                 "data: {\"id\":\"chatcmpl-%llx\",\"object\":\"chat.completion.chunk\",\"created\":"
                 "1790812800,\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,"
                 "\"delta\":{\"content\":\"",
                 id);
        add_word(out);
        buf_add_text(out, "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n");
    }
    buf_addf(out, "data: {\"id\":\"chatcmpl-%llx\",\"choices\":[],%s}\n\ndata: [DONE]\n\n", id,
             usage);
}

static struct call_header json_content = {
    {"content-type",      12},
    { "application/json", 16}
};
static struct call_header stream_content = {
    {"content-type",       12},
    { "text/event-stream", 17}
};

static void make_load(const struct shape *s, struct load *l)
{
    l->name = s->name;
    l->stream = s->stream;
    l->copies = 1;
    for (size_t i = 0; i < s->exchanges; i++) {
        struct item item = {
            .call = {.method = STR("POST"),
                     .host = STR("api.openai.com"),
                     .path = STR("/v1/chat/completions"),
                     .status = 200,
                     .response_headers = s->stream ? &stream_content : &json_content,
                     .response_header_count = 1}
        };
        add_request(&l->bytes, s);
        item.request_end = l->bytes.len;
        add_response(&l->bytes, s);
        item.response_end = l->bytes.len;
        vec_push(&l->items, item);
    }
}

static void must(int r, const struct err *err);

static void add_recorded(struct load *l, struct str line)
{
    struct err err;

    if (!line.len || l->line_count == sizeof(l->lines) / sizeof(l->lines[0]))
        return;
    must(json_parse(line, &l->lines[l->line_count], &err), &err);
    struct recorded_call *r = arena_alloc(&l->arena, sizeof(*r));
    recorded_call_read(l->lines[l->line_count++], &l->arena, r);
    struct item item = { .call = r->call };
    buf_add_str(&l->bytes, r->call.request_body);
    item.request_end = l->bytes.len;
    buf_add_str(&l->bytes, r->call.response_body);
    item.response_end = l->bytes.len;
    vec_push(&l->items, item);
}

/* All recorded exchanges; false where there are none. */
static bool load_recorded(struct load *l)
{
    static const char *const names[] = { "openai",  "anthropic", "google",
                                         "bedrock", "azure",     "other" };
    const char *given = getenv("WEIR_SHARED_DATA"), *top = getenv("top_srcdir");
    struct buf file = { 0 };
    char path[1024];

    l->name = "seal, recorded exchanges";
    l->copies = 20;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct str rest, line;
        snprintf(path, sizeof(path), "%s%s/cassettes/exchanges/%s.jsonl",
                 given ? given
                 : top ? top
                       : ".",
                 given ? "" : "/../shared/data", names[i]);
        if (!file_exists(path))
            return false;
        buf_clear(&file);
        rest = recorded_read(path, &file);
        while (str_split(&rest, '\n', &line))
            add_recorded(l, line);
    }
    buf_release(&file);
    return true;
}

static void must(int r, const struct err *err)
{
    if (r >= 0)
        return;
    fprintf(stderr, "bench_seal: %s\n", err->text);
    exit(1);
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Streams arrive in reads of about 190 bytes, an event each. */
static size_t cut_chunks(struct str body, struct exchange_chunk *ret)
{
    size_t count = 0;

    for (size_t at = 0; at < body.len;) {
        ptrdiff_t end = str_find(body, STR("\n\n"), at);
        size_t next = end < 0 ? body.len : (size_t)end + 2;
        ret[count] = (struct exchange_chunk){ 200000 + count * 12345, next - at };
        at = next;
        count++;
    }
    return count;
}

static struct exchange make_exchange(const struct load *l, size_t item, size_t number)
{
    const struct call *call = &l->items.ptr[item].call;
    const struct item *i = &l->items.ptr[item];
    size_t from = item ? l->items.ptr[item - 1].response_end : 0;
    struct str all = buf_str(&l->bytes);
    struct exchange x = {
        .started_us = START_US + (int64_t)number * 1000000,
        .request_us = 1000,
        .head_us = 200000,
        .first_token_us = 210000,
        .end_us = 5000000,
        .origin = STR("proxy"),
        .method = call->method,
        .scheme = STR("https"),
        .host = call->host,
        .path = call->path,
        .query = call->query,
        .status = call->status,
        .request_headers = (struct call_header *)(uintptr_t)call->request_headers,
        .request_header_count = call->request_header_count,
        .response_headers = (struct call_header *)(uintptr_t)call->response_headers,
        .response_header_count = call->response_header_count,
        .request_body = str_sub(all, from, i->request_end - from),
        .response_body = str_sub(all, i->request_end, i->response_end - i->request_end),
        .request_body_missing = call->request_body_missing,
        .response_body_missing = call->response_body_missing,
    };

    x.id = uuid7_new((uint64_t)x.started_us);
    return x;
}

static void append_all(const struct load *l, struct journal_writer *j)
{
    struct exchange_chunk *chunks = mem_calloc(CHUNKS_MAX, sizeof(*chunks));
    struct err err;
    size_t number = 0;

    for (size_t copy = 0; copy < l->copies; copy++)
        for (size_t i = 0; i < l->items.len; i++) {
            struct exchange x = make_exchange(l, i, number++);
            if (l->stream) {
                x.chunks = chunks;
                x.chunk_count = cut_chunks(x.response_body, chunks);
            }
            must(record_append(j, &x, &err), &err);
        }
    free(chunks);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

/* CPU seconds of one seal. */
static double seal_once(const struct load *l, struct seal_stats *ret_stats)
{
    CLEANUP(archive_close) struct archive *a = NULL;
    struct journal_writer *j = NULL;
    struct err err;
    char folder[] = "/tmp/weir-bench-XXXXXX";

    if (!mkdtemp(folder)) {
        perror("bench_seal: mkdtemp");
        exit(1);
    }
    must(archive_open(folder, true, &a, &err), &err);
    must(archive_journal_create(a, "w0", START_US, JOURNAL_RELAXED, &j, &err), &err);
    append_all(l, j);
    must(journal_finish(j, &err), &err);
    double from = cpu_seconds();
    must(seal_run(a, NULL, ret_stats, &err), &err);
    double took = cpu_seconds() - from;
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return took;
}

/* CPU seconds of zstd -3 over the bodies of one copy, as one stream. */
static double zstd_once(const struct load *l, size_t *ret_bytes)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_inBuffer in = { l->bytes.ptr, l->bytes.len, 0 };
    struct buf piece = { 0 };
    size_t left;

    ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, 3);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    buf_reserve(&piece, ZSTD_CStreamOutSize());
    *ret_bytes = 0;
    double from = cpu_seconds();
    do {
        ZSTD_outBuffer out = { piece.ptr, piece.cap, 0 };
        left = ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end);
        *ret_bytes += out.pos;
    } while (left > 0 && !ZSTD_isError(left));
    double took = cpu_seconds() - from;
    buf_release(&piece);
    ZSTD_freeCCtx(zstd);
    return took;
}

static void run(const struct load *l)
{
    struct seal_stats stats;
    double best = 0, zstd_best = 0, mb = (double)(l->copies * l->bytes.len) / 1e6;
    size_t zstd_bytes = 0;

    for (int i = 0; i < (bench_is_short() ? 1 : ROUNDS); i++) {
        double took = seal_once(l, &stats);
        double zstd_took = zstd_once(l, &zstd_bytes) * (double)l->copies;
        if (i == 0 || took < best)
            best = took;
        if (i == 0 || zstd_took < zstd_best)
            zstd_best = zstd_took;
    }
    if (stats.exchanges != l->copies * l->items.len) {
        fprintf(stderr, "bench_seal: not everything was sealed\n");
        exit(1);
    }
    bench_row_beside(l->name, mb / best, "MB/s", "zstd -3 alone", zstd_best / best, ">= 0.5");
    bench_row("  size of segment and ledger",
              (double)(stats.segment_bytes + stats.ledger_bytes) / 1e4 / mb, "% of bodies");
    bench_row("  size of zstd -3 alone", (double)(zstd_bytes * l->copies) / 1e4 / mb,
              "% of bodies");
}

static void load_release(struct load *l)
{
    for (size_t i = 0; i < l->line_count; i++)
        json_decref(l->lines[i]);
    vec_release(&l->items);
    buf_release(&l->bytes);
    arena_release(&l->arena);
}

int main(void)
{
    static struct load recorded, made;

    if (load_recorded(&recorded)) {
        if (bench_is_short())
            recorded.copies = 1;
        run(&recorded);
    } else {
        fprintf(stderr, "bench_seal: no recorded exchanges (set WEIR_SHARED_DATA)\n");
    }
    load_release(&recorded);
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct shape s = shapes[i];
        if (bench_is_short())
            s.exchanges /= 100;
        made = (struct load){ 0 };
        make_load(&s, &made);
        run(&made);
        load_release(&made);
    }
    return 0;
}

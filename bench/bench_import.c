/* bench_import - how fast files come into a journal: recorded exchanges, HAR, and rows of usage;
 * and a second import of the same, which adds nothing.
 *
 * The exchanges are chat calls of about 9 KB with a streamed answer.  Sealing is measured by
 * itself (bench_seal): this is reading, taking credentials out, finding time and identity, and the
 * journal with its checksums and syncs.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "bench/bench.h"
#include "capture/import.h"

#define EXCHANGES       6000
#define EXCHANGES_SHORT 50
#define ROWS            200000
#define ROWS_SHORT      1000
#define EVENTS          40 /* of one streamed answer */
#define MIB             1048576.0
#define NOW_US          INT64_C(1790899140000000)

static void die(const struct err *err)
{
    fprintf(stderr, "bench_import: %s\n", err->text);
    exit(EXIT_FAILURE);
}

static void add_words(struct buf *out, int count, unsigned seed)
{
    static const char *const words[] = { "river ", "quick ", "gate ", "order ", "late ", "meter " };
    for (int i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        buf_add_text(out, words[(seed >> 16) % ARRAY_LEN(words)]);
    }
}

/* The answer as it stands in a JSON string. */
static void add_answer(struct buf *out, unsigned n)
{
    for (int i = 0; i < EVENTS; i++) {
        buf_addf(
            out,
            "data: {\\\"id\\\":\\\"c-%u\\\",\\\"created\\\":1790899140,\\\"model\\\":\\\"gpt-5\\\","
            "\\\"choices\\\":[{\\\"delta\\\":{\\\"content\\\":\\\"",
            n);
        add_words(out, 3, n + (unsigned)i);
        buf_add_text(out, "\\\"}}]}\\n\\n");
    }
    buf_add_text(out, "data: [DONE]\\n\\n");
}

static void add_exchange(struct buf *out, unsigned n)
{
    buf_add_text(out, "{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/chat/completions\","
                      "\"req_headers\":{\"authorization\":\"Bearer sk-bench\",\"user-agent\":"
                      "\"OpenAI/JS 6\",\"content-type\":\"application/json\"},\"req_body\":\"{"
                      "\\\"model\\\":\\\"gpt-5\\\",\\\"messages\\\":[{\\\"content\\\":\\\"");
    add_words(out, 400, n);
    buf_add_text(out, "\\\"}]}\",\"status\":200,\"resp_headers\":{\"date\":\"Thu, 01 Oct 2026 "
                      "06:00:00 GMT\",\"content-type\":\"text/event-stream\"},\"resp_body\":\"");
    add_answer(out, n);
    buf_add_text(out, "\"}\n");
}

static void add_entry(struct buf *out, unsigned n)
{
    buf_add_text(out, "{\"startedDateTime\":\"2026-10-01T06:00:00Z\",\"time\":900,\"request\":{"
                      "\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/chat/completions\","
                      "\"headers\":[{\"name\":\"authorization\",\"value\":\"Bearer sk-bench\"}],"
                      "\"postData\":{\"mimeType\":\"application/json\",\"text\":\"{\\\"messages"
                      "\\\":[{\\\"content\\\":\\\"");
    add_words(out, 400, n);
    buf_add_text(out, "\\\"}]}\"}},\"response\":{\"status\":200,\"headers\":[],\"content\":{"
                      "\"size\":1,\"mimeType\":\"text/event-stream\",\"text\":\"");
    add_answer(out, n);
    buf_add_text(out, "\"}},\"timings\":{\"send\":1,\"wait\":400,\"receive\":499}}");
}

static size_t write_file(const char *path, struct buf *text)
{
    struct err err;
    if (file_replace(path, buf_str(text), 0600, &err) < 0)
        die(&err);
    size_t len = text->len;
    buf_clear(text);
    return len;
}

/* One import; seconds. */
static double import_one(struct archive *a, const struct key *key, const char *path,
                         uint64_t expect)
{
    struct import_stats stats = { 0 };
    struct import *im = NULL;
    struct err err;
    char maps[1024];
    const char *top = getenv("top_srcdir");

    snprintf(maps, sizeof(maps), "%s/share/maps", top ? top : ".");
    struct import_options o = { .key = key, .maps_folder = maps, .now_us = NOW_US };
    int64_t from = clock_monotonic_us();
    if (import_open(a, &o, &im, &err) < 0 || import_file(im, path, IMPORT_AUTO, &stats, &err) < 0 ||
        import_finish(im, &err) < 0)
        die(&err);
    double seconds = (double)(clock_monotonic_us() - from) / 1e6;
    if (stats.read != expect || stats.bad) {
        fprintf(stderr, "bench_import: read %llu of %llu\n", (unsigned long long)stats.read,
                (unsigned long long)expect);
        exit(EXIT_FAILURE);
    }
    return seconds;
}

static struct archive *fresh(const char *path, struct key *key)
{
    struct archive *a = NULL;
    struct err err;
    if (archive_open(path, true, &a, &err) < 0 || archive_key(a, key, &err) < 0)
        die(&err);
    return a;
}

static void bench_exchanges(unsigned count, struct buf *text)
{
    struct key key;
    struct archive *a = fresh("import-exchanges", &key);

    for (unsigned n = 0; n < count; n++)
        add_exchange(text, n);
    double mib = (double)write_file("exchanges.jsonl", text) / MIB;
    bench_row("import, recorded exchanges", mib / import_one(a, &key, "exchanges.jsonl", count),
              "MiB/s");
    bench_row("import, the same again", mib / import_one(a, &key, "exchanges.jsonl", count),
              "MiB/s");
    archive_close(a);
}

static void bench_har(unsigned count, struct buf *text)
{
    struct key key;
    struct archive *a = fresh("import-har", &key);

    buf_add_text(text, "{\"log\":{\"version\":\"1.2\",\"entries\":[");
    for (unsigned n = 0; n < count; n++) {
        buf_add_text(text, n ? ",\n" : "");
        add_entry(text, n);
    }
    buf_add_text(text, "]}}");
    double mib = (double)write_file("traffic.har", text) / MIB;
    bench_row("import, HAR", mib / import_one(a, &key, "traffic.har", count), "MiB/s");
    archive_close(a);
}

static void bench_rows(unsigned count, struct buf *text)
{
    struct key key;
    struct archive *a = fresh("import-rows", &key);

    buf_add_text(text, "started_at,model,input_tokens,cached_input_tokens,output_tokens,app\n");
    for (unsigned n = 0; n < count; n++)
        buf_addf(text, "2026-10-01T%02u:%02u:%02uZ,gpt-5-mini,%u,%u,%u,app-%u\n", n / 3600 % 24,
                 n / 60 % 60, n % 60, 1000 + n % 977, n % 900, n % 333, n % 12);
    write_file("rows.csv", text);
    bench_row("import, rows of usage", (double)count / 1e3 / import_one(a, &key, "rows.csv", count),
              "thousand rows/s");
    archive_close(a);
}

int main(void)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    bool is_short = bench_is_short();

    bench_exchanges(is_short ? EXCHANGES_SHORT : EXCHANGES, &text);
    bench_har(is_short ? EXCHANGES_SHORT : EXCHANGES, &text);
    bench_rows(is_short ? ROWS_SHORT : ROWS, &text);
    return EXIT_SUCCESS;
}

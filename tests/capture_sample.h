/* capture_sample - what the tests of capture/ share: a fresh folder, exchanges made up from a
 * number, and files cut, flipped and copied.
 */
#ifndef TESTS_CAPTURE_SAMPLE_H
#define TESTS_CAPTURE_SAMPLE_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/timestamp.h"
#include "capture/archive.h"
#include "capture/exchange.h"
#include "capture/record.h"

/* 2026-10-01T23:59:00Z: a minute before midnight, so that few exchanges already have two dates. */
#define SAMPLE_START_US INT64_C(1790899140000000)
#define SAMPLE_STEP_US  (INT64_C(25) * 1000000)

static char sample_folder[128];

static inline int sample_remove_one(const char *path, const struct stat *st, int type,
                                    struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void sample_remove(const char *path)
{
    nftw(path, sample_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void sample_setup(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(sample_folder, sizeof(sample_folder), "%s/weir-test-XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(sample_folder));
}

static inline void sample_teardown(void)
{
    sample_remove(sample_folder);
}

/* A path in the folder; one of four buffers in turn. */
static inline const char *sample_path(const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", sample_folder, name);
    return path;
}

#define ck_ok(call)                                                                                \
    do {                                                                                           \
        struct err *sample_err_ = &sample_err;                                                     \
        ck_assert_msg((call) >= 0, "%s: %s", #call, sample_err_->text);                            \
    } while (0)

static struct err sample_err;

struct sample_exchange {
    struct exchange x;
    struct call_header request_headers[3], response_headers[3];
    struct exchange_chunk chunks[3];
    char content_id[33], trace_id[33], response[1024], request[256];
};

/* Number n (from 1): a chat call; every third one streams, every fourth has no answer. */
static inline void sample_make(unsigned n, struct sample_exchange *s)
{
    static const char *const models[] = { "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06" };
    uint8_t random[10] = { 0 };
    struct exchange *x = &s->x;

    memset(s, 0, sizeof(*s));
    random[9] = (uint8_t)n;
    random[8] = (uint8_t)(n >> 8);
    x->started_us = SAMPLE_START_US + n * SAMPLE_STEP_US;
    x->id = uuid7_make((uint64_t)x->started_us, random);
    snprintf(s->content_id, sizeof(s->content_id), "%032x", n);
    snprintf(s->trace_id, sizeof(s->trace_id), "%032x", n * 7);
    x->content_id = str_from(s->content_id);
    x->trace_id = str_from(s->trace_id);
    x->origin = STR("import:jsonl");
    x->who.app = n % 2 ? STR("support-bot") : STR("nightly-summaries");
    x->who.team = STR("support");
    x->key_id = STR("0123456789abcdef");
    x->method = STR("POST");
    x->scheme = STR("https");
    x->host = STR("api.openai.com");
    x->path = STR("/v1/chat/completions");
    snprintf(s->request, sizeof(s->request),
             "{\"model\":\"%s\",\"user\":\"user-%u\",\"messages\":[{\"role\":\"user\",\"content\":"
             "\"question %u\"}]%s}",
             models[n % 2], n % 3, n, n % 3 == 0 ? ",\"stream\":true" : "");
    x->request_body = str_from(s->request);
    s->request_headers[0] = (struct call_header){ STR("content-type"), STR("application/json") };
    x->request_headers = s->request_headers;
    x->request_header_count = 1;
    x->request_us = 1000;
    x->head_us = x->first_token_us = x->end_us = -1;
    if (n % 4 == 0) {
        x->transport_error = ERROR_CLASS_TRANSPORT;
        return;
    }
    x->status = 200;
    x->head_us = 250000;
    x->end_us = 900000 + n;
    if (n % 3 == 0) {
        snprintf(s->response, sizeof(s->response),
                 "data: {\"id\":\"c-%u\",\"object\":\"chat.completion.chunk\",\"model\":\"%s\","
                 "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"answer\"}}]}\n\n"
                 "data: {\"id\":\"c-%u\",\"object\":\"chat.completion.chunk\",\"model\":\"%s\","
                 "\"choices\":[],\"usage\":{\"prompt_tokens\":%u,\"completion_tokens\":%u,"
                 "\"total_tokens\":%u}}\n\ndata: [DONE]\n\n",
                 n, models[n % 2], n, models[n % 2], 100 + n, n, 100 + 2 * n);
        s->response_headers[0] =
            (struct call_header){ STR("content-type"), STR("text/event-stream") };
    } else {
        snprintf(s->response, sizeof(s->response),
                 "{\"id\":\"c-%u\",\"object\":\"chat.completion\",\"model\":\"%s\",\"choices\":[{"
                 "\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\","
                 "\"content\":\"answer %u\"}}],\"usage\":{\"prompt_tokens\":%u,"
                 "\"completion_tokens\":%u,\"total_tokens\":%u}}",
                 n, models[n % 2], n, 100 + n, n, 100 + 2 * n);
        s->response_headers[0] =
            (struct call_header){ STR("content-type"), STR("application/json") };
    }
    x->response_headers = s->response_headers;
    x->response_header_count = 1;
    x->response_body = str_from(s->response);
    if (n % 3 == 0) {
        s->chunks[0] = (struct exchange_chunk){ 260000, 20 };
        s->chunks[1] = (struct exchange_chunk){ 300000, 0 };
        s->chunks[2] = (struct exchange_chunk){ 410000, x->response_body.len - 20 };
        x->chunks = s->chunks;
        x->chunk_count = 3;
        x->first_token_us = 300000;
    }
}

/* Appends numbers first to last. */
static inline void sample_append(struct journal_writer *j, unsigned first, unsigned last)
{
    static struct sample_exchange s;

    for (unsigned n = first; n <= last; n++) {
        sample_make(n, &s);
        ck_ok(record_append(j, &s.x, &sample_err));
    }
}

static inline struct archive *sample_archive(const char *name)
{
    struct archive *a = NULL;

    ck_ok(archive_open(sample_path(name), true, &a, &sample_err));
    return a;
}

/* A ready journal with numbers first to last. */
static inline void sample_journal(const struct archive *a, unsigned first, unsigned last)
{
    struct journal_writer *j = NULL;

    ck_ok(archive_journal_create(a, "test", SAMPLE_START_US, JOURNAL_RELAXED, &j, &sample_err));
    sample_append(j, first, last);
    ck_ok(journal_finish(j, &sample_err));
}

static inline void sample_read(const char *path, struct buf *ret)
{
    buf_clear(ret);
    ck_ok(file_read(path, 1u << 30, ret, &sample_err));
}

/* Replaces the file in place (journals and chains are told by name, not by inode). */
static inline void sample_write(const char *path, struct str bytes)
{
    FILE *file = fopen(path, "wb");

    ck_assert_msg(file != NULL, "cannot write %s", path);
    ck_assert_uint_eq(fwrite(bytes.ptr ? bytes.ptr : "", 1, bytes.len, file), bytes.len);
    ck_assert_int_eq(fclose(file), 0);
}

/* The only name in a folder that ends so, as a path. */
static inline const char *sample_only(const char *folder, const char *suffix)
{
    static char path[1024];
    struct dir_list names = { 0 };
    int found = 0;

    ck_ok(dir_list_read(folder, &names, &sample_err));
    for (size_t i = 0; i < names.len; i++)
        if (names.names[i][0] != '.' && str_ends_with(str_from(names.names[i]), str_from(suffix))) {
            snprintf(path, sizeof(path), "%s/%s", folder, names.names[i]);
            found++;
        }
    dir_list_release(&names);
    ck_assert_msg(found == 1, "%d files *%s in %s", found, suffix, folder);
    return path;
}

static inline size_t sample_count(const char *folder, const char *suffix)
{
    struct dir_list names = { 0 };
    size_t found = 0;

    ck_ok(dir_list_read(folder, &names, &sample_err));
    for (size_t i = 0; i < names.len; i++)
        found += str_ends_with(str_from(names.names[i]), str_from(suffix));
    dir_list_release(&names);
    return found;
}

#endif

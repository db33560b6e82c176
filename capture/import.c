#include "config.h"

#include "capture/import.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/jscan.h"
#include "base/le.h"
#include "capture/import_record.h"
#include "capture/import_who.h"
#include "capture/record.h"
#include "capture/redact.h"

#define CONTENT_ID_BYTES 16 /* of the hash; twice as many digits */
/* A journal is completed at this size, so that an import that dies late keeps what came early. */
#define JOURNAL_BYTES_MAX (UINT64_C(1) << 30)
#define PROGRESS_BYTES    (UINT64_C(64) << 20)
#define PROGRESS_RECORDS  20000

int import_open(struct archive *a, const struct import_options *options, struct import **ret,
                struct err *err)
{
    CLEANUP(import_discard) struct import *im = mem_calloc(1, sizeof(*im));

    assert(options->key);
    im->archive = a;
    im->options = *options;
    im->key = options->key;
    im->lock = -1;
    if (archive_lock(a, true, &im->lock, err) < 0) /* or two imports add the same twice */
        return -1;
    if (archive_content_ids(a, &im->known, err) < 0)
        return -1;
    *ret = TAKE(im);
    return 0;
}

static void release_record(struct import_record *rec)
{
    vec_release(&rec->request_headers);
    vec_release(&rec->response_headers);
    vec_release(&rec->chunks);
    vec_release(&rec->labels);
}

static void free_import(struct import *im)
{
    if (im->lock >= 0)
        close(im->lock);
    map_release(&im->known);
    map_release(&im->occurrences);
    arena_release(&im->arena);
    release_record(&im->record);
    free(im);
}

void import_discard(struct import *im)
{
    if (!im)
        return;
    journal_discard(im->journal);
    free_import(im);
}

int import_finish(struct import *im, struct err *err)
{
    int r = 0;
    if (im->broken)
        r = err_set(err, ERR_SYS, "what was read last could not be written: import it again");
    else if (im->journal)
        r = journal_finish(im->journal, err);
    free_import(im);
    return r;
}

struct import_record *import_begin(struct import *im)
{
    struct import_record *rec = &im->record, empty = {
        .x = {.requests = 1, .request_us = -1, .head_us = -1, .first_token_us = -1, .end_us = -1}
    };

    arena_reset(&im->arena);
    vec_clear(&rec->request_headers);
    vec_clear(&rec->response_headers);
    vec_clear(&rec->chunks);
    vec_clear(&rec->labels);
    empty.request_headers.ptr = rec->request_headers.ptr;
    empty.request_headers.cap = rec->request_headers.cap;
    empty.response_headers.ptr = rec->response_headers.ptr;
    empty.response_headers.cap = rec->response_headers.cap;
    empty.chunks.ptr = rec->chunks.ptr;
    empty.chunks.cap = rec->chunks.cap;
    empty.labels.ptr = rec->labels.ptr;
    empty.labels.cap = rec->labels.cap;
    *rec = empty;
    return rec;
}

void import_report(struct import *im, uint64_t line, const char *reason)
{
    im->stats.read++;
    im->stats.bad++;
    if (im->options.bad)
        im->options.bad(im->options.ctx, im->file, line, reason);
}

void import_progress(struct import *im, const struct import_input *in)
{
    uint64_t bytes = import_input_read_bytes(in);

    if (!im->options.progress || (bytes - im->progress_bytes < PROGRESS_BYTES &&
                                  im->stats.read - im->progress_records < PROGRESS_RECORDS))
        return;
    im->progress_bytes = bytes;
    im->progress_records = im->stats.read;
    im->options.progress(im->options.ctx, im->file, bytes, im->stats.read);
}

/* content_id and the bytes that make the exchange id: SHA-256 over the hash of (kind, raw) and the
 * number of times these bytes came in this file. */
static int identify(struct import *im, uint8_t ret_hash[static SHA256_BYTES], struct err *err)
{
    struct import_record *rec = &im->record;
    uint8_t first[SHA256_BYTES + 8];
    char hex[SHA256_HEX_BYTES];

    CLEANUP(sha256_free) struct sha256 *h = sha256_new();
    sha256_update(h, rec->kind.ptr, rec->kind.len + 1); /* kinds are literals: with their NUL */
    sha256_update(h, rec->raw.ptr, rec->raw.len);
    sha256_final(h, first);

    struct map_entry *seen =
        map_put(&im->occurrences, (struct str){ (const char *)first, CONTENT_ID_BYTES }, NULL);
    le32_put(first + SHA256_BYTES, (uint32_t)seen->value);
    le32_put(first + SHA256_BYTES + 4, (uint32_t)(seen->value >> 32));
    seen->value++;
    sha256_of((struct str){ (const char *)first, sizeof(first) }, ret_hash);
    if (rec->content_id.ptr) {
        uint8_t given[CONTENT_ID_BYTES];
        if (rec->content_id.len != 2 * CONTENT_ID_BYTES ||
            hex_decode(rec->content_id, given, CONTENT_ID_BYTES) < 0)
            return err_set(err, ERR_CORRUPT, "'content_id' is not 32 hexadecimal digits");
        memcpy(ret_hash, given, CONTENT_ID_BYTES);
    }
    hex_encode(ret_hash, CONTENT_ID_BYTES, hex);
    rec->x.content_id = arena_str(&im->arena, str_from(hex));
    return 0;
}

static void redact_one_body(struct import *im, struct str *body, bool *missing)
{
    CLEANUP(buf_release) struct buf clean = { 0 };

    if (body->len == 0)
        return;
    if (redact_body(im->key, *body, &clean) < 0) {
        *body = (struct str){ 0 };
        *missing = true;
        im->record.x.body_note = "a body of an API that hands out credentials could not be read "
                                 "well enough to be kept";
    } else if (!str_eq(*body, buf_str(&clean))) {
        *body = arena_str(&im->arena, buf_str(&clean));
        vec_clear(&im->record.chunks); /* they count bytes that are no longer these */
    }
}

/* After this, no credential is left in the record. */
static void redact(struct import *im)
{
    struct import_record *rec = &im->record;
    struct redact_caller caller = { 0 };

    redact_headers(im->key, &im->arena, rec->request_headers.ptr, rec->request_headers.len,
                   &caller);
    redact_headers(im->key, &im->arena, rec->response_headers.ptr, rec->response_headers.len, NULL);
    import_split_url(im, redact_url(im->key, &im->arena, rec->url, &caller));
    if (redact_is_credential_path(rec->x.path)) {
        redact_one_body(im, &rec->x.request_body, &rec->x.request_body_missing);
        redact_one_body(im, &rec->x.response_body, &rec->x.response_body_missing);
    }
    if (rec->credential.len && !caller.rank)
        redact_header(im->key, &im->arena,
                      (struct call_header){ STR("authorization"), rec->credential }, &caller);
    rec->credential = (struct str){ 0 };
    if (caller.key_id[0])
        rec->x.key_id = arena_str(&im->arena, str_from(caller.key_id));
}

/* Moves what the reader collected into the exchange. */
static void complete(struct import *im)
{
    struct import_record *rec = &im->record;
    struct exchange *x = &rec->x;

    x->request_headers = rec->request_headers.ptr;
    x->request_header_count = rec->request_headers.len;
    x->response_headers = rec->response_headers.ptr;
    x->response_header_count = rec->response_headers.len;
    x->chunks = rec->chunks.len ? rec->chunks.ptr : NULL;
    x->chunk_count = rec->chunks.len;
    if (x->response_body_missing)
        x->chunk_count = 0;
    if (!x->user_agent.len)
        x->user_agent = call_header_find(x->request_headers, x->request_header_count, "user-agent");
    if (!x->request_bytes)
        x->request_bytes = x->request_body.len;
    if (!x->response_bytes)
        x->response_bytes = x->response_body.len;
    if (!x->trace_id.len) {
        struct str parent =
            call_header_find(x->request_headers, x->request_header_count, "traceparent");
        if (parent.len >= 36 && parent.ptr[2] == '-') /* "00-", 32 hex digits, ... */
            x->trace_id = str_sub(parent, 3, 32);
    }
}

static int ready_journal(struct import *im, struct err *err)
{
    if (im->journal && journal_bytes(im->journal) > JOURNAL_BYTES_MAX) {
        struct journal_writer *full = TAKE(im->journal);
        if (journal_finish(full, err) < 0)
            return -1;
    }
    if (im->journal)
        return 0;
    return archive_journal_create(im->archive, "import", im->options.now_us, JOURNAL_BATCH,
                                  &im->journal, err);
}

/* Appends the record to the journal; a journal that fails is of no use any more. */
static enum import_result append(struct import *im, struct err *err)
{
    if (ready_journal(im, err) == 0) {
        if (record_append(im->journal, &im->record.x, err) == 0)
            return IMPORT_ADDED;
        if (err->code == ERR_LIMIT || err->code == ERR_USAGE)
            return IMPORT_BAD;
    }
    journal_discard(TAKE(im->journal));
    im->broken = true;
    return IMPORT_FATAL;
}

enum import_result import_add(struct import *im, struct err *err)
{
    struct import_record *rec = &im->record;
    uint8_t hash[SHA256_BYTES];

    if (import_settle_url(im, err) < 0 || identify(im, hash, err) < 0)
        return IMPORT_BAD;
    if (map_find(&im->known, rec->x.content_id))
        return IMPORT_ALREADY;
    redact(im);
    complete(im);
    if (!rec->has_time && !import_find_time(rec, &rec->x.started_us)) {
        if (!im->options.has_at) {
            im->stats.no_time++;
            err_set(err, ERR_USAGE, "carries no time: say with --at TIME when such records are of");
            return IMPORT_BAD;
        }
        rec->x.started_us = im->options.at_us;
    }
    if (!rec->has_id) {
        uint64_t us = rec->x.started_us > 0 ? (uint64_t)rec->x.started_us : 0;
        rec->x.id = uuid7_make(us, hash + CONTENT_ID_BYTES);
    }
    import_attribute(im);
    import_scrub(im);
    enum import_result r = append(im, err);
    if (r == IMPORT_ADDED)
        map_put(&im->known, rec->x.content_id, NULL);
    return r;
}

int import_add_at(struct import *im, uint64_t line, struct err *err)
{
    switch (import_add(im, err)) {
    case IMPORT_ADDED:
        im->stats.added++;
        break;
    case IMPORT_ALREADY:
        im->stats.already++;
        break;
    case IMPORT_BAD:
        import_report(im, line, err->text);
        return 0; /* counted there */
    case IMPORT_FATAL:
        return err_wrap(err, "line %llu", (unsigned long long)line);
    }
    im->stats.read++;
    return 0;
}

typedef int (*reader_fn)(struct import *im, struct import_input *in, struct err *err);

static const reader_fn readers[] = {
    [IMPORT_EXCHANGES] = import_read_exchanges,
    [IMPORT_HAR] = import_read_har,
    [IMPORT_ROWS] = import_read_rows,
};

static void add_stats(struct import_stats *to, const struct import_stats *from)
{
    to->read += from->read;
    to->added += from->added;
    to->already += from->already;
    to->bad += from->bad;
    to->ignored += from->ignored;
    to->no_time += from->no_time;
    to->bytes += from->bytes;
}

int import_file(struct import *im, const char *path, enum import_kind kind,
                struct import_stats *stats, struct err *err)
{
    CLEANUP(import_input_close) struct import_input *in = NULL;
    struct str peek;

    if (im->broken)
        return err_set(err, ERR_SYS, "'%s' was not read: the archive cannot be written", path);
    im->file = path;
    im->stats = (struct import_stats){ 0 };
    im->progress_bytes = im->progress_records = 0;
    map_release(&im->occurrences);
    if (import_input_open(path, &in, err) < 0 || import_input_peek(in, &peek, err) < 0)
        return err_wrap(err, "'%s'", path);
    if (kind == IMPORT_AUTO && im->options.map)
        kind = IMPORT_ROWS;
    if (kind == IMPORT_AUTO)
        kind = import_guess(peek);

    int r = readers[kind](im, in, err);
    im->stats.bytes = import_input_read_bytes(in);
    add_stats(stats, &im->stats);
    return r < 0 ? err_wrap(err, "'%s'", path) : 0;
}

enum import_kind import_guess(struct str peek)
{
    struct jscan s;
    struct str key;
    bool method = false;

    jscan_init(&s, peek);
    if (!jscan_enter_object(&s))
        return IMPORT_ROWS;
    while (jscan_next_member(&s, &key)) {
        if (str_eq(key, STR("log")) && jscan_peek(&s) == JSCAN_OBJECT)
            return IMPORT_HAR;
        if (str_eq(key, STR("url")))
            return IMPORT_EXCHANGES;
        method = method || str_eq(key, STR("facts")) || str_eq(key, STR("req_headers")) ||
                 str_eq(key, STR("resp_headers")) || str_eq(key, STR("req_body")) ||
                 str_eq(key, STR("resp_body"));
        jscan_skip(&s);
    }
    return method ? IMPORT_EXCHANGES : IMPORT_ROWS;
}

/* Sealing must bring every exchange of a journal into segments and ledgers once, whatever state the
 * journal was left in. */
#include "config.h"

#include "capture/seal.h"

#include "capture/ledger_scan.h"
#include "capture/segment_read.h"
#include "capture/verify.h"
#include "tests/capture_sample.h"
#include "tests/check_main.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <zlib.h>

static void print_line(void *ctx, const char *text)
{
    (void)ctx;
    printf("    %s\n", text);
}

static struct seal_stats seal(const struct archive *a)
{
    struct seal_stats stats;

    ck_ok(seal_run(a, NULL, &stats, &sample_err));
    return stats;
}

static void verify_is_clean(const struct archive *a)
{
    struct verify_options opts = { .finding = print_line };
    struct verify_stats stats;

    ck_ok(verify_run(a, &opts, &stats, &sample_err));
    ck_assert_uint_eq(stats.findings, 0);
}

struct totals {
    uint64_t exchanges, input, output;
};

static struct totals totals_of(const struct archive *a)
{
    static const enum ledger_column columns[] = { LEDGER_PART, LEDGER_USAGE + USAGE_INPUT,
                                                  LEDGER_USAGE + USAGE_OUTPUT };
    struct archive_ledgers ledgers;
    struct totals t = { 0 };
    int r = 0;

    ck_ok(archive_ledgers_list(a, INT64_MIN, INT64_MAX, &ledgers, &sample_err));
    for (size_t i = 0; i < ledgers.len; i++) {
        struct ledger_scan *scan = NULL;
        ck_ok(ledger_scan_open(ledgers.ptr[i].path, columns, 3, &scan, &sample_err));
        while ((r = ledger_scan_next(scan, &sample_err)) > 0) {
            t.exchanges += ledger_scan_int(scan, LEDGER_PART) == 0;
            t.input += (uint64_t)ledger_scan_int(scan, LEDGER_USAGE + USAGE_INPUT);
            t.output += (uint64_t)ledger_scan_int(scan, LEDGER_USAGE + USAGE_OUTPUT);
        }
        ck_assert_int_eq(r, 0);
        ledger_scan_close(scan);
    }
    archive_ledgers_release(&ledgers);
    return t;
}

/* What sample exchanges first to last add up to. */
static struct totals expected(unsigned first, unsigned last)
{
    struct totals t = { 0 };

    for (unsigned n = first; n <= last; n++) {
        t.exchanges++;
        if (n % 4) {
            t.input += 100 + n;
            t.output += n;
        }
    }
    return t;
}

static void check_totals(const struct archive *a, unsigned first, unsigned last)
{
    struct totals have = totals_of(a), want = expected(first, last);

    ck_assert_uint_eq(have.exchanges, want.exchanges);
    ck_assert_uint_eq(have.input, want.input);
    ck_assert_uint_eq(have.output, want.output);
}

static int open_only_segment(const struct archive *a, const char *date, struct segment_reader **ret)
{
    char *folder = archive_path(a, "segments/date=%s", date);
    int r = segment_open(sample_only(folder, ".tar.zst"), ret, &sample_err);

    free(folder);
    return r;
}

START_TEST(a_journal_becomes_one_segment_and_ledger_for_each_of_its_dates)
{
    struct archive *a = sample_archive("a");

    sample_journal(a, 1, 6); /* the first two before midnight */
    struct seal_stats stats = seal(a);
    ck_assert_uint_eq(stats.journals, 1);
    ck_assert_uint_eq(stats.segments, 2);
    ck_assert_uint_eq(stats.exchanges, 6);
    ck_assert_uint_eq(stats.unended, 0);
    ck_assert_uint_eq(stats.unclosed_journals, 0);
    ck_assert_uint_eq(sample_count(sample_path("a/segments/date=2026-10-01"), ".tar.zst"), 1);
    ck_assert_uint_eq(sample_count(sample_path("a/segments/date=2026-10-02"), ".tar.zst"), 1);
    ck_assert_uint_eq(sample_count(sample_path("a/ledger/date=2026-10-01"), ".parquet"), 1);
    ck_assert_uint_eq(sample_count(sample_path("a/journal"), ""), 0);
    check_totals(a, 1, 6);
    verify_is_clean(a);
    ck_assert_uint_eq(seal(a).journals, 0);
    archive_close(a);
}
END_TEST

START_TEST(segments_give_back_what_was_recorded)
{
    struct archive *a = sample_archive("a");
    struct segment_reader *r = NULL;
    struct sample_exchange s;
    struct exchange x;

    sample_journal(a, 3, 12);
    seal(a);
    ck_ok(open_only_segment(a, "2026-10-02", &r));
    for (unsigned n = 3; n <= 12; n++) {
        sample_make(n, &s);
        ck_assert_int_eq(segment_next(r, true, &x, &sample_err), 1);
        ck_assert_uint_eq(x.sequence, n - 2);
        ck_assert_mem_eq(&x.id, &s.x.id, sizeof(x.id));
        ck_assert(str_eq(x.request_body, s.x.request_body));
        ck_assert(str_eq(x.response_body, s.x.response_body));
        ck_assert_uint_eq(x.chunk_count, s.x.chunk_count);
        for (size_t i = 0; i < x.chunk_count; i++)
            ck_assert_mem_eq(&x.chunks[i], &s.x.chunks[i], sizeof(x.chunks[i]));
        ck_assert_int_eq(x.facts.provider, PROVIDER_OPENAI);
        ck_assert_int_eq(x.facts.api, API_CHAT);
        if (n % 4 == 0)
            ck_assert_int_eq(x.facts.error_class, ERROR_CLASS_TRANSPORT);
    }
    ck_assert_int_eq(segment_next(r, true, &x, &sample_err), 0);
    segment_close(r);
    archive_close(a);
}
END_TEST

START_TEST(one_exchange_is_found_by_its_id_and_offset)
{
    static const enum ledger_column columns[] = { LEDGER_EXCHANGE_ID, LEDGER_SEGMENT_OFFSET };
    struct archive *a = sample_archive("a");
    struct archive_ledgers ledgers;
    struct segment_reader *r = NULL;
    struct ledger_scan *scan = NULL;
    struct sample_exchange s;
    struct exchange x;
    struct uuid id;

    sample_journal(a, 3, 12);
    seal(a);
    ck_ok(archive_ledgers_list(a, INT64_MIN, INT64_MAX, &ledgers, &sample_err));
    ck_ok(ledger_scan_open(ledgers.ptr[0].path, columns, 2, &scan, &sample_err));
    ck_ok(open_only_segment(a, "2026-10-02", &r));
    for (unsigned n = 3; n <= 12; n++) {
        sample_make(n, &s);
        ck_assert_int_eq(ledger_scan_next(scan, &sample_err), 1);
        ck_assert(uuid_parse(ledger_scan_str(scan, LEDGER_EXCHANGE_ID), &id));
        int64_t offset = ledger_scan_int(scan, LEDGER_SEGMENT_OFFSET);
        ck_assert_int_eq(segment_find(r, id, offset, &x, &sample_err), 1);
        ck_assert(str_eq(x.request_body, s.x.request_body));
        ck_assert(str_eq(x.response_body, s.x.response_body));
    }
    id.bytes[15] ^= 1;
    ck_assert_int_eq(segment_find(r, id, 0, &x, &sample_err), 0);
    ledger_scan_close(scan);
    segment_close(r);
    archive_ledgers_release(&ledgers);
    archive_close(a);
}
END_TEST

START_TEST(end_users_are_fingerprints_in_segment_and_ledger)
{
    static const enum ledger_column columns[] = { LEDGER_END_USER };
    struct archive *a = sample_archive("a");
    struct archive_ledgers ledgers;
    struct ledger_scan *scan = NULL;
    struct segment_reader *r = NULL;
    struct exchange x;
    struct key key;
    char want[FINGERPRINT_TEXT_BYTES];

    sample_journal(a, 3, 3); /* "user":"user-0" */
    seal(a);
    ck_ok(archive_key(a, &key, &sample_err));
    key_fingerprint(&key, "user", STR("user-0"), want);
    ck_ok(archive_ledgers_list(a, INT64_MIN, INT64_MAX, &ledgers, &sample_err));
    ck_ok(ledger_scan_open(ledgers.ptr[0].path, columns, 1, &scan, &sample_err));
    ck_assert_int_eq(ledger_scan_next(scan, &sample_err), 1);
    ck_assert(str_eq(ledger_scan_str(scan, LEDGER_END_USER), str_from(want)));
    ck_ok(open_only_segment(a, "2026-10-02", &r));
    ck_assert_int_eq(segment_next(r, false, &x, &sample_err), 1);
    ck_assert(str_eq(x.who.end_user, str_from(want)));
    ck_assert(str_eq(x.facts.end_user, str_from(want)));
    segment_close(r);
    ledger_scan_close(scan);
    archive_ledgers_release(&ledgers);
    archive_close(a);
}
END_TEST

static struct journal_writer *create(const struct archive *a)
{
    struct journal_writer *j = NULL;

    ck_ok(archive_journal_create(a, "w0", SAMPLE_START_US, JOURNAL_RELAXED, &j, &sample_err));
    return j;
}

START_TEST(a_journal_whose_writer_lives_is_left_alone_and_one_whose_writer_died_is_not)
{
    struct archive *a = sample_archive("a");
    struct journal_writer *j = create(a);

    sample_append(j, 1, 3);
    ck_ok(journal_sync(j, &sample_err));
    struct seal_stats stats = seal(a);
    ck_assert_uint_eq(stats.live_journals, 1);
    ck_assert_uint_eq(stats.exchanges, 0);
    ck_ok(journal_close(j, &sample_err));
    stats = seal(a);
    ck_assert_uint_eq(stats.exchanges, 3);
    ck_assert_uint_eq(stats.unclosed_journals, 1);
    verify_is_clean(a);
    archive_close(a);
}
END_TEST

static void append_live_begin(struct journal_writer *j, uint64_t sequence)
{
    struct buf fields = { 0 };
    char id[UUID_TEXT_BYTES];

    journal_add_field(&fields, "id", str_from(uuid_format(uuid7_new(SAMPLE_START_US), id)));
    journal_add_field(&fields, "origin", STR("proxy"));
    journal_add_field(&fields, "host", STR("api.openai.com"));
    struct journal_frame f = { .type = JOURNAL_BEGIN,
                               .sequence = sequence,
                               .at_us = SAMPLE_START_US,
                               .payload = buf_str(&fields) };
    ck_ok(journal_append(j, &f, &sample_err));
    f = (struct journal_frame){ .type = JOURNAL_REQUEST,
                                .sequence = sequence,
                                .payload = STR("POST /v1/chat/completions HTTP/1.1") };
    ck_ok(journal_append(j, &f, &sample_err));
    buf_release(&fields);
}

START_TEST(a_live_exchange_without_end_is_sealed_as_truncated)
{
    struct archive *a = sample_archive("a");
    struct journal_writer *j = create(a);
    struct segment_reader *r = NULL;
    struct exchange x;

    append_live_begin(j, 1);
    ck_ok(journal_close(j, &sample_err));
    struct seal_stats stats = seal(a);
    ck_assert_uint_eq(stats.exchanges, 1);
    ck_assert_uint_eq(stats.unended, 1);
    ck_ok(open_only_segment(a, "2026-10-01", &r));
    ck_assert_int_eq(segment_next(r, true, &x, &sample_err), 1);
    ck_assert(x.truncated);
    ck_assert_int_eq(x.transport_error, ERROR_CLASS_TRANSPORT);
    segment_close(r);
    verify_is_clean(a);
    archive_close(a);
}
END_TEST

/* Of the ledger's only row. */
static bool is_truncated_in_ledger(const struct archive *a)
{
    static const enum ledger_column columns[] = { LEDGER_TRUNCATED };
    CLEANUP(ledger_scan_close) struct ledger_scan *scan = NULL;
    struct archive_ledgers ledgers;

    ck_ok(archive_ledgers_list(a, INT64_MIN, INT64_MAX, &ledgers, &sample_err));
    ck_assert_uint_eq(ledgers.len, 1);
    ck_ok(ledger_scan_open(ledgers.ptr[0].path, columns, 1, &scan, &sample_err));
    ck_assert_int_eq(ledger_scan_next(scan, &sample_err), 1);
    archive_ledgers_release(&ledgers);
    return ledger_scan_int(scan, LEDGER_TRUNCATED);
}

/* Ends of a streamed answer. */
static const struct {
    size_t left_out;       /* bytes, unseen by whoever framed the message */
    enum error_class wire; /* seen on it */
    bool truncated;
    enum error_class class;
} answers[] = {
    {0,   ERROR_CLASS_NONE,         false, ERROR_CLASS_NONE        },
    { 40, ERROR_CLASS_NONE,         true,  ERROR_CLASS_STREAM_CUT  },
    { 14, ERROR_CLASS_CLIENT_GONE,  true,  ERROR_CLASS_CLIENT_GONE },
    { 14, ERROR_CLASS_STREAM_CUT,   true,  ERROR_CLASS_STREAM_CUT  },
    { 14, ERROR_CLASS_STREAM_STALL, true,  ERROR_CLASS_STREAM_STALL},
    { 0,  ERROR_CLASS_CLIENT_GONE,  false, ERROR_CLASS_CLIENT_GONE },
};

START_TEST(an_answer_without_its_end_is_truncated_though_nothing_said_so_on_the_wire)
{
    struct archive *a = sample_archive("a");
    struct journal_writer *j = create(a);
    struct segment_reader *r = NULL;
    struct sample_exchange s;
    struct exchange x;

    sample_make(3, &s);
    s.x.response_body.len -= answers[_i].left_out;
    s.x.chunk_count = 0;
    s.x.transport_error = answers[_i].wire;
    ck_ok(record_append(j, &s.x, &sample_err));
    ck_ok(journal_finish(j, &sample_err));
    seal(a);
    ck_ok(open_only_segment(a, "2026-10-02", &r));
    ck_assert_int_eq(segment_next(r, true, &x, &sample_err), 1);
    ck_assert_int_eq(x.truncated, answers[_i].truncated);
    ck_assert_int_eq(x.facts.error_class, answers[_i].class);
    ck_assert_int_eq(is_truncated_in_ledger(a), answers[_i].truncated);
    segment_close(r);
    verify_is_clean(a);
    archive_close(a);
}
END_TEST

/* What the answer says, what was seen on the wire, whether the proxy answered itself; and what
 * became of the call. */
static const struct {
    enum error_class said, wire;
    bool is_own;
    enum error_class class;
} failures[] = {
    {ERROR_CLASS_NONE,                ERROR_CLASS_NONE,         false, ERROR_CLASS_NONE        },
    { ERROR_CLASS_RATE_LIMITED,       ERROR_CLASS_NONE,         false, ERROR_CLASS_RATE_LIMITED},
    { ERROR_CLASS_RATE_LIMITED,       ERROR_CLASS_CLIENT_GONE,  false, ERROR_CLASS_RATE_LIMITED},
    { ERROR_CLASS_RATE_LIMITED,       ERROR_CLASS_DENIED,       false, ERROR_CLASS_DENIED      },
    { ERROR_CLASS_TRANSPORT,          ERROR_CLASS_CLIENT_GONE,  false, ERROR_CLASS_CLIENT_GONE },
    { ERROR_CLASS_TRANSPORT,          ERROR_CLASS_TIMEOUT_HEAD, false, ERROR_CLASS_TIMEOUT_HEAD},
    { ERROR_CLASS_TRANSPORT,          ERROR_CLASS_STREAM_CUT,   false, ERROR_CLASS_TRANSPORT   },
    { ERROR_CLASS_STREAM_CUT,         ERROR_CLASS_CLIENT_GONE,  false, ERROR_CLASS_CLIENT_GONE },
    { ERROR_CLASS_STREAM_CUT,         ERROR_CLASS_STREAM_STALL, false, ERROR_CLASS_STREAM_STALL},
    { ERROR_CLASS_STREAM_ERROR_EVENT, ERROR_CLASS_STREAM_CUT,   false,
     ERROR_CLASS_STREAM_ERROR_EVENT                                                            },
    { ERROR_CLASS_STATUS_5XX,         ERROR_CLASS_TIMEOUT_HEAD, true,  ERROR_CLASS_TIMEOUT_HEAD},
    { ERROR_CLASS_STATUS_5XX,         ERROR_CLASS_TRANSPORT,    true,  ERROR_CLASS_TRANSPORT   },
    { ERROR_CLASS_STATUS_4XX,         ERROR_CLASS_CLIENT_GONE,  true,  ERROR_CLASS_CLIENT_GONE },
    { ERROR_CLASS_STATUS_5XX,         ERROR_CLASS_NONE,         true,  ERROR_CLASS_STATUS_5XX  },
};

START_TEST(the_ledger_says_who_failed_the_provider_or_its_caller)
{
    struct call_header own = { STR_INIT("x-weir-error"), STR_INIT("head_timeout") };
    const struct exchange x = {
        .facts.error_class = failures[_i].said,
        .transport_error = failures[_i].wire,
        .response_headers = &own,
        .response_header_count = failures[_i].is_own ? 1 : 0,
    };

    ck_assert_int_eq(exchange_error(&x), failures[_i].class);
}
END_TEST

START_TEST(half_an_import_is_left_out_and_not_known_as_imported)
{
    struct archive *a = sample_archive("a");
    struct journal_writer *j = create(a);
    struct map known = { 0 };

    sample_append(j, 1, 2);
    uint64_t whole = journal_bytes(j);
    sample_append(j, 3, 3);
    ck_ok(journal_close(j, &sample_err));
    const char *path = sample_only(sample_path("a/journal"), ".journal");
    ck_assert_int_eq(truncate(path, (off_t)whole + 300), 0); /* amid the third */
    ck_ok(archive_content_ids(a, &known, &sample_err));
    ck_assert_uint_eq(known.len, 2);
    struct seal_stats stats = seal(a);
    ck_assert_uint_eq(stats.exchanges, 2);
    ck_assert_uint_eq(stats.unfinished_imports, 1);
    ck_assert_uint_gt(stats.torn_bytes, 0);
    verify_is_clean(a);
    map_release(&known);
    ck_ok(archive_content_ids(a, &known, &sample_err));
    ck_assert_uint_eq(known.len, 2);
    map_release(&known);
    archive_close(a);
}
END_TEST

START_TEST(a_damaged_journal_stays_while_others_are_sealed_and_salvage_takes_what_precedes)
{
    struct archive *a = sample_archive("a");
    struct seal_options salvage = { .salvage = true };
    struct seal_stats stats;
    struct buf file = { 0 };

    struct journal_writer *j = create(a);
    sample_append(j, 1, 2);
    uint64_t whole = journal_bytes(j);
    sample_append(j, 3, 4);
    ck_ok(journal_finish(j, &sample_err));
    const char *path = sample_only(sample_path("a/journal"), ".ready");
    sample_read(path, &file);
    file.ptr[whole + 40] ^= 1;
    sample_write(path, buf_str(&file));
    sample_journal(a, 5, 6); /* "test-..." */
    ck_assert_int_eq(seal_run(a, NULL, &stats, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
    ck_assert_msg(strstr(sample_err.text, "frame at byte") != NULL, "%s", sample_err.text);
    ck_assert_uint_eq(stats.exchanges, 2);
    ck_assert_uint_eq(sample_count(sample_path("a/journal"), ".ready"), 1);
    ck_ok(seal_run(a, &salvage, &stats, &sample_err));
    ck_assert_uint_eq(stats.exchanges, 2);
    ck_assert_uint_eq(sample_count(sample_path("a/journal"), ".ready"), 0);
    ck_assert_uint_eq(sample_count(sample_path("a/journal"), ".damaged"), 1);
    verify_is_clean(a);
    buf_release(&file);
    archive_close(a);
}
END_TEST

START_TEST(a_renamed_copy_of_a_journal_is_refused)
{
    struct archive *a = sample_archive("a");
    struct buf file = { 0 };
    struct seal_stats stats;

    sample_journal(a, 1, 2);
    sample_read(sample_only(sample_path("a/journal"), ".ready"), &file);
    sample_write(sample_path("a/journal/copy.ready"), buf_str(&file));
    ck_assert_int_eq(seal_run(a, NULL, &stats, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_USAGE);
    ck_assert_uint_eq(stats.exchanges, 2);
    buf_release(&file);
    archive_close(a);
}
END_TEST

START_TEST(sealing_again_after_a_crash_before_the_unlink_adds_nothing)
{
    struct archive *a = sample_archive("a");
    struct buf file = { 0 };

    sample_journal(a, 1, 6);
    char *path = mem_strdup(sample_only(sample_path("a/journal"), ".ready"));
    sample_read(path, &file);
    seal(a);
    sample_write(path, buf_str(&file)); /* as if it had not been removed yet */
    struct seal_stats stats = seal(a);
    ck_assert_uint_eq(stats.segments, 0);
    ck_assert_uint_eq(sample_count(sample_path("a/journal"), ""), 0);
    check_totals(a, 1, 6);
    verify_is_clean(a);
    free(path);
    buf_release(&file);
    archive_close(a);
}
END_TEST

START_TEST(the_same_journal_always_gives_the_same_segment_bytes)
{
    struct archive *a = sample_archive("a"), *b = sample_archive("b");
    struct buf file = { 0 }, other = { 0 };

    sample_journal(a, 3, 12);
    const char *path = sample_only(sample_path("a/journal"), ".ready");
    sample_read(path, &file);
    char name[600];
    snprintf(name, sizeof(name), "%s/b/journal/%s", sample_folder, strrchr(path, '/') + 1);
    sample_write(name, buf_str(&file));
    sample_read(sample_path("a/key"), &file);
    sample_write(sample_path("b/key"), buf_str(&file));
    seal(a);
    seal(b);
    sample_read(sample_only(sample_path("a/segments/date=2026-10-02"), ".tar.zst"), &file);
    sample_read(sample_only(sample_path("b/segments/date=2026-10-02"), ".tar.zst"), &other);
    ck_assert(str_eq(buf_str(&file), buf_str(&other)));
    sample_read(sample_path("a/chain"), &file);
    sample_read(sample_path("b/chain"), &other);
    ck_assert_str_eq(buf_cstr(&file), buf_cstr(&other));
    buf_release(&file);
    buf_release(&other);
    archive_close(a);
    archive_close(b);
}
END_TEST

/* gzip of s, whole. */
static size_t gzip(struct str s, char *out, size_t room)
{
    z_stream z = { 0 };

    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)s.ptr;
    z.avail_in = (uInt)s.len;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

/* What may happen to a gzipped answer on its way, and what must come out. */
static const struct {
    const char *what;
    size_t cut, flip; /* bytes cut off the end; byte flipped, 0 = none */
    bool encoded, truncated, counted;
} codings[] = {
    {"whole",                0,  0, false, false, true },
    { "cut in its checksum", 6,  0, false, true,  true },
    { "cut in its data",     40, 0, false, true,  false},
    { "damaged",             0,  1, true,  false, false},
};

START_TEST(content_encodings_are_undone_and_chunks_mapped)
{
    struct archive *a = sample_archive("a");
    struct journal_writer *j = create(a);
    struct segment_reader *r = NULL;
    struct sample_exchange s;
    struct exchange x;
    char packed[2048];

    sample_make(3, &s);
    struct str plain = s.x.response_body;
    size_t len = gzip(plain, packed, sizeof(packed)) - codings[_i].cut;
    if (codings[_i].flip)
        packed[codings[_i].flip] ^= 1;
    s.response_headers[1] = (struct call_header){ STR("Content-Encoding"), STR("gzip") };
    s.x.response_header_count = 2;
    s.x.response_body = (struct str){ packed, len };
    s.x.response_body_encoded = true;
    s.chunks[0].bytes = 12;
    s.chunks[2].bytes = len - 12;
    ck_ok(record_append(j, &s.x, &sample_err));
    ck_ok(journal_finish(j, &sample_err));
    ck_assert_uint_eq(seal(a).encoded_bodies, codings[_i].encoded);

    ck_ok(open_only_segment(a, "2026-10-02", &r));
    ck_assert_int_eq(segment_next(r, true, &x, &sample_err), 1);
    ck_assert_int_eq(x.response_body_encoded, codings[_i].encoded);
    ck_assert_int_eq(x.truncated, codings[_i].truncated);
    ck_assert_int_eq(x.body_note != NULL, codings[_i].encoded || codings[_i].truncated);
    ck_assert_int_eq(x.facts.usage_source == USAGE_SOURCE_REPORTED, codings[_i].counted);
    if (codings[_i].encoded)
        ck_assert(str_eq(x.response_body, s.x.response_body));
    else
        ck_assert(str_starts_with(plain, x.response_body));
    ck_assert_uint_eq(x.chunk_count, 3);
    ck_assert_uint_eq(x.chunks[2].offset_us, 410000);
    ck_assert_uint_eq(x.response_bytes, len);
    segment_close(r);
    verify_is_clean(a);
    archive_close(a);
}
END_TEST

/* What was given stays; else it is when the first event with content was there as a whole. */
START_TEST(the_first_token_of_a_stream_is_found)
{
    static const struct {
        unsigned number; /* 3 and 6 stream */
        int status;      /* 0 = as it is */
        int64_t given_us, found_us;
    } rows[] = {
        {3,  0,   -1,     410000},
        { 6, 0,   300000, 300000},
        { 6, 500, -1,     -1    },
        { 5, 0,   -1,     -1    },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char name[20];
        snprintf(name, sizeof(name), "a%zu", i);
        struct archive *a = sample_archive(name);
        struct journal_writer *j = create(a);
        struct segment_reader *r = NULL;
        struct sample_exchange s;
        struct exchange x;
        sample_make(rows[i].number, &s);
        s.x.first_token_us = rows[i].given_us;
        s.x.status = rows[i].status ? rows[i].status : s.x.status;
        ck_ok(record_append(j, &s.x, &sample_err));
        ck_ok(journal_finish(j, &sample_err));
        seal(a);
        ck_ok(open_only_segment(a, "2026-10-02", &r));
        ck_assert_int_eq(segment_next(r, false, &x, &sample_err), 1);
        ck_assert_int_eq(x.first_token_us, rows[i].found_us);
        segment_close(r);
        archive_close(a);
    }
}
END_TEST

START_TEST(many_exchanges_spill_and_come_back)
{
    struct archive *a = sample_archive("a");
    struct segment_reader *r = NULL;
    struct exchange x;
    unsigned n = 0;

    sample_journal(a, 3, 2502); /* lines of more than one MiB */
    ck_assert_uint_eq(seal(a).exchanges, 2500);
    check_totals(a, 3, 2502);
    ck_ok(open_only_segment(a, "2026-10-02", &r));
    while (segment_next(r, true, &x, &sample_err) > 0)
        ck_assert_uint_eq(x.sequence, ++n);
    ck_assert_uint_eq(n, 2500);
    segment_close(r);
    verify_is_clean(a);
    archive_close(a);
}
END_TEST

START_TEST(standard_tools_read_a_segment)
{
    struct archive *a = sample_archive("a");
    char command[4096];

    if (system("tar --version >/dev/null 2>&1 && zstd --version >/dev/null 2>&1") != 0) {
        printf("SKIP standard_tools_read_a_segment: tar or zstd is not installed\n");
        archive_close(a);
        return;
    }
    sample_journal(a, 3, 12);
    seal(a);
    snprintf(command, sizeof(command),
             "cd '%s' && tar --zstd -xf '%s' && test $(wc -l <exchanges.jsonl) = 10 && "
             "test -s manifest.json && test $(ls bodies/*.request | wc -l) = 10 && zstd -qt '%s'",
             sample_folder, sample_only(sample_path("a/segments/date=2026-10-02"), ".tar.zst"),
             sample_only(sample_path("a/segments/date=2026-10-02"), ".tar.zst"));
    ck_assert_int_eq(system(command), 0);
    archive_close(a);
}
END_TEST

START_TEST(what_waits_to_be_sealed_is_told_by_its_age)
{
    struct archive *a = sample_archive("a");
    int64_t since;

    ck_ok(archive_unsealed_since(a, &since, &sample_err));
    ck_assert_int_eq(since, INT64_MAX);
    struct journal_writer *idle = create(a);
    ck_ok(journal_flush(idle, &sample_err));
    sample_write(sample_path("a/journal/x.ready"), STR("no journal"));
    ck_ok(archive_unsealed_since(a, &since, &sample_err));
    ck_assert_int_eq(since, INT64_MAX);
    unlink(sample_path("a/journal/x.ready"));
    sample_journal(a, 5, 6);
    sample_append(idle, 3, 4); /* under way, and the older */
    ck_ok(journal_flush(idle, &sample_err));
    ck_ok(archive_unsealed_since(a, &since, &sample_err));
    ck_assert_int_eq(since, SAMPLE_START_US + 3 * SAMPLE_STEP_US);
    ck_ok(journal_finish(idle, &sample_err));
    seal(a);
    ck_ok(archive_unsealed_since(a, &since, &sample_err));
    ck_assert_int_eq(since, INT64_MAX);
    archive_close(a);
}
END_TEST

START_TEST(an_empty_journal_just_goes)
{
    struct archive *a = sample_archive("a");

    ck_ok(journal_finish(create(a), &sample_err));
    struct seal_stats stats = seal(a);
    ck_assert_uint_eq(stats.journals, 1);
    ck_assert_uint_eq(stats.segments, 0);
    ck_assert(!file_exists(sample_path("a/chain")));
    verify_is_clean(a);
    archive_close(a);
}
END_TEST

/* What the process of an archive's sandbox could do: 1 = not write elsewhere, 2 = seal. */
static int work_in_sandbox(const struct archive *a)
{
    bool is_fenced = archive_enter_sandbox(a, &(struct sandbox){ 0 }) & SANDBOX_FILES;
    struct seal_stats stats;
    struct err err;

    int fd = open(sample_path("elsewhere"), O_CREAT | O_WRONLY, 0600);
    return (fd < 0 || !is_fenced ? 1 : 0) |
           (seal_run(a, NULL, &stats, &err) == 0 && stats.segments == 1 ? 2 : 0);
}

START_TEST(it_works_in_a_sandbox_that_has_the_archive_only)
{
    struct archive *a = sample_archive("a");
    int status;

    sample_journal(a, 3, 3);
    pid_t pid = fork();
    if (pid == 0)
        _exit(work_in_sandbox(a));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(status), 3);
    archive_close(a);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, sample_setup, sample_teardown);
    tcase_add_test(tc, a_journal_becomes_one_segment_and_ledger_for_each_of_its_dates);
    tcase_add_test(tc, segments_give_back_what_was_recorded);
    tcase_add_test(tc, one_exchange_is_found_by_its_id_and_offset);
    tcase_add_test(tc, end_users_are_fingerprints_in_segment_and_ledger);
    tcase_add_test(tc, a_journal_whose_writer_lives_is_left_alone_and_one_whose_writer_died_is_not);
    tcase_add_test(tc, a_live_exchange_without_end_is_sealed_as_truncated);
    tcase_add_loop_test(tc,
                        an_answer_without_its_end_is_truncated_though_nothing_said_so_on_the_wire,
                        0, (int)ARRAY_LEN(answers));
    tcase_add_loop_test(tc, the_ledger_says_who_failed_the_provider_or_its_caller, 0,
                        (int)ARRAY_LEN(failures));
    tcase_add_test(tc, half_an_import_is_left_out_and_not_known_as_imported);
    tcase_add_test(tc,
                   a_damaged_journal_stays_while_others_are_sealed_and_salvage_takes_what_precedes);
    tcase_add_test(tc, a_renamed_copy_of_a_journal_is_refused);
    tcase_add_test(tc, sealing_again_after_a_crash_before_the_unlink_adds_nothing);
    tcase_add_test(tc, the_same_journal_always_gives_the_same_segment_bytes);
    tcase_add_test(tc, the_first_token_of_a_stream_is_found);
    tcase_add_loop_test(tc, content_encodings_are_undone_and_chunks_mapped, 0,
                        (int)ARRAY_LEN(codings));
    tcase_add_test(tc, many_exchanges_spill_and_come_back);
    tcase_add_test(tc, standard_tools_read_a_segment);
    tcase_add_test(tc, what_waits_to_be_sealed_is_told_by_its_age);
    tcase_add_test(tc, an_empty_journal_just_goes);
    tcase_add_test(tc, it_works_in_a_sandbox_that_has_the_archive_only);
}

CHECK_MAIN("capture/seal", add_tests)

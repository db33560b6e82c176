/* A segment that is not what was written must be an error or fewer exchanges, never other ones. */
#include "config.h"

#include "capture/segment_read.h"
#include "capture/segment_write.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/file.h"
#include "capture/segment.h"
#include "tests/capture_sample.h"
#include "tests/check_main.h"

#define ID      "01999999-0000-7000-8000-000000000001"
#define COUNT   3
#define SEGMENT "segment.tar.zst"

static int64_t offsets[COUNT];

static const struct segment_info info = {
    .id = ID,
    .date = "2026-10-01",
    .writer = STR_INIT("w0-test"),
    .exchanges = COUNT,
    .first_sequence = 1,
    .last_sequence = COUNT,
    .writer_exchanges = COUNT,
    .first_started_us = SAMPLE_START_US,
    .created_by = "weir test",
};

static void sample(unsigned n, struct sample_exchange *s)
{
    sample_make(n, s);
    s->x.writer = STR("w0-test");
    s->x.sequence = n;
    s->x.facts.recognised_by = "host";
    s->x.facts.provider = PROVIDER_OPENAI;
    if (n == 2) /* nothing kept of this one */
        s->x.request_body = s->x.response_body = STR("");
}

static void write_sample(void)
{
    struct segment_writer *w = NULL;
    struct sample_exchange s;
    uint8_t sha[SHA256_BYTES], real[SHA256_BYTES];
    uint64_t bytes;
    struct stat st;

    ck_ok(segment_create(sample_path(SEGMENT), &info, &w, &sample_err));
    for (unsigned n = 1; n <= COUNT; n++) {
        sample(n, &s);
        ck_ok(segment_add(w, &s.x, &offsets[n - 1], &sample_err));
    }
    ck_ok(segment_finish(w, sha, &bytes, &sample_err));
    ck_ok(sha256_of_file(sample_path(SEGMENT), real, &sample_err));
    ck_assert_mem_eq(sha, real, sizeof(sha));
    ck_assert_int_eq(stat(sample_path(SEGMENT), &st), 0);
    ck_assert_uint_eq((uint64_t)st.st_size, bytes);
    ck_assert_uint_eq(st.st_mode & 0777, 0600);
}

/* Exchanges that read back, each as it was written; -1 on an error. */
static int read_back(void)
{
    struct segment_reader *r = NULL;
    struct sample_exchange s;
    struct exchange x;
    int n = 0, got;

    if (segment_open(sample_path(SEGMENT), &r, &sample_err) < 0)
        return -1;
    while ((got = segment_next(r, true, &x, &sample_err)) > 0) {
        sample((unsigned)++n, &s);
        ck_assert_int_le(n, COUNT);
        ck_assert_mem_eq(&x.id, &s.x.id, sizeof(x.id));
        ck_assert(str_eq(x.request_body, s.x.request_body));
        ck_assert(str_eq(x.response_body, s.x.response_body));
        ck_assert(str_eq(x.path, s.x.path));
        ck_assert_int_eq(segment_offset(r), offsets[n - 1]);
    }
    segment_close(r);
    return got < 0 ? -1 : n;
}

START_TEST(a_segment_reads_back_with_its_manifest)
{
    struct segment_reader *r = NULL;
    uint64_t frame;

    write_sample();
    ck_assert_int_eq(read_back(), COUNT);
    ck_assert_int_eq(offsets[1], -1);
    ck_assert_int_eq(offsets[2], offsets[0]); /* small ones share a frame */
    ck_ok(segment_walk(sample_path(SEGMENT), &frame, &sample_err));
    ck_ok(segment_open(sample_path(SEGMENT), &r, &sample_err));
    ck_assert(str_eq(segment_manifest(r)->id, STR(ID)));
    ck_assert(str_eq(segment_manifest(r)->writer, info.writer));
    ck_assert(str_eq(segment_manifest(r)->created_by, STR("weir test")));
    ck_assert_uint_eq(segment_manifest(r)->exchanges, COUNT);
    segment_close(r);
}
END_TEST

START_TEST(a_segment_cut_at_any_byte_says_where_it_ends)
{
    struct buf file = { 0 };
    uint64_t frame;

    write_sample();
    sample_read(sample_path(SEGMENT), &file);
    for (size_t at = 0; at < file.len; at++) {
        sample_write(sample_path(SEGMENT), str_sub(buf_str(&file), 0, at));
        /* Without its index or the end of the tar, all exchanges may still be there. */
        int n = read_back();
        ck_assert(n == -1 || n == COUNT);
        ck_assert_int_eq(segment_walk(sample_path(SEGMENT), &frame, &sample_err), -1);
        ck_assert_uint_le(frame, at);
        ck_assert_msg(strstr(sample_err.text, "byte") || strstr(sample_err.text, "there is no"),
                      "%zu: %s", at, sample_err.text);
    }
    buf_release(&file);
}
END_TEST

START_TEST(a_flipped_byte_is_found_in_its_frame)
{
    struct buf file = { 0 };
    uint64_t frame;
    size_t unseen = 0;

    write_sample();
    sample_read(sample_path(SEGMENT), &file);
    for (size_t at = 0; at < file.len; at++) {
        char flip = (char)(1 << at % 8);
        file.ptr[at] ^= flip;
        sample_write(sample_path(SEGMENT), buf_str(&file));
        int n = read_back();
        ck_assert(n == -1 || n == COUNT);
        if (segment_walk(sample_path(SEGMENT), &frame, &sample_err) == 0)
            unseen++; /* a bit of a frame's header that nothing hangs on: SHA-256 sees it */
        else
            ck_assert_uint_le(frame, at + 4); /* the index frame with a length of 0 */
        file.ptr[at] ^= flip;
    }
    ck_assert_uint_le(unseen, 3 * (COUNT + 4));
    buf_release(&file);
}
END_TEST

START_TEST(fewer_exchanges_than_the_manifest_promises_is_an_error)
{
    struct segment_writer *w = NULL;
    struct sample_exchange s;
    uint8_t sha[SHA256_BYTES];
    uint64_t bytes;

    /* The manifest promises one exchange more than there are. */
    struct segment_info more = info;
    more.exchanges = 2;
    ck_ok(segment_create(sample_path(SEGMENT), &more, &w, &sample_err));
    sample(1, &s);
    ck_ok(segment_add(w, &s.x, &offsets[0], &sample_err));
    ck_ok(segment_finish(w, sha, &bytes, &sample_err));
    ck_assert_int_eq(read_back(), -1);
    ck_assert_ptr_nonnull(strstr(sample_err.text, "the manifest says 2"));
}
END_TEST

START_TEST(a_large_body_passes_through_in_pieces)
{
    struct segment_writer *w = NULL;
    struct segment_reader *r = NULL;
    struct sample_exchange s;
    struct exchange x;
    struct segment_info one = info;
    uint8_t sha[SHA256_BYTES];
    uint64_t bytes;
    size_t len = (9u << 20) + 5;
    char *body = mem_calloc(1, len);

    for (size_t i = 0; i < len; i++)
        body[i] = (char)((i * i) >> 7);
    sample(1, &s);
    s.x.response_body = (struct str){ body, len };
    one.exchanges = 1;
    ck_ok(segment_create(sample_path(SEGMENT), &one, &w, &sample_err));
    ck_ok(segment_add(w, &s.x, &offsets[0], &sample_err));
    ck_ok(segment_finish(w, sha, &bytes, &sample_err));
    ck_ok(segment_open(sample_path(SEGMENT), &r, &sample_err));
    ck_assert_int_eq(segment_find(r, s.x.id, offsets[0], &x, &sample_err), 1);
    ck_assert(str_eq(x.response_body, s.x.response_body));
    segment_close(r);
    free(body);
}
END_TEST

/* The header that libarchive would give a member, as of all of them once. */
static void write_header(const char *name, la_int64_t size, time_t mtime, char ret[static 512])
{
    struct archive *tar = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    char bytes[4096];
    size_t used = 0;

    ck_assert_int_eq(archive_write_set_format_pax_restricted(tar), ARCHIVE_OK);
    ck_assert_int_eq(archive_write_set_bytes_per_block(tar, 0), ARCHIVE_OK);
    ck_assert_int_eq(archive_write_open_memory(tar, bytes, sizeof(bytes), &used), ARCHIVE_OK);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0600);
    archive_entry_set_size(entry, size);
    archive_entry_set_mtime(entry, mtime, 0);
    ck_assert_int_eq(archive_write_header(tar, entry), ARCHIVE_OK);
    ck_assert_uint_eq(used, 512);
    memcpy(ret, bytes, 512);
    archive_entry_free(entry);
    archive_write_free(tar); /* fails: the data never came */
}

START_TEST(every_member_has_the_header_that_libarchive_writes)
{
    CLEANUP(buf_release) struct buf file = { 0 };
    static char tar[64 << 10];
    char wanted[512];
    int members = 0;

    write_sample();
    ck_ok(file_read(sample_path(SEGMENT), sizeof(tar), &file, &sample_err));
    size_t len = ZSTD_decompress(tar, sizeof(tar), file.ptr, file.len);
    ck_assert(!ZSTD_isError(len));
    for (size_t at = 0; tar[at]; members++) {
        ck_assert_uint_lt(at, len);
        size_t size = strtoul(tar + at + 124, NULL, 8);
        write_header(tar + at, (la_int64_t)size, (time_t)strtoll(tar + at + 136, NULL, 8), wanted);
        ck_assert_mem_eq(tar + at, wanted, sizeof(wanted));
        at += 512 + (size + 511) / 512 * 512;
    }
    ck_assert_int_gt(members, 2 + COUNT); /* manifest, lines, and some body of each */
}
END_TEST

START_TEST(an_abandoned_segment_is_no_segment)
{
    struct segment_writer *w = NULL;
    struct sample_exchange s;

    ck_ok(segment_create(sample_path(SEGMENT), &info, &w, &sample_err));
    sample(1, &s);
    ck_ok(segment_add(w, &s.x, &offsets[0], &sample_err));
    segment_abandon(w);
    ck_assert_int_eq(read_back(), -1);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, sample_setup, sample_teardown);
    tcase_add_test(tc, a_segment_reads_back_with_its_manifest);
    tcase_add_test(tc, a_segment_cut_at_any_byte_says_where_it_ends);
    tcase_add_test(tc, a_flipped_byte_is_found_in_its_frame);
    tcase_add_test(tc, fewer_exchanges_than_the_manifest_promises_is_an_error);
    tcase_add_test(tc, a_large_body_passes_through_in_pieces);
    tcase_add_test(tc, every_member_has_the_header_that_libarchive_writes);
    tcase_add_test(tc, an_abandoned_segment_is_no_segment);
}

CHECK_MAIN("capture/segment", add_tests)

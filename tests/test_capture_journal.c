/* The journal must survive a writer dying at any byte, and must never read damage as data. */
#include "config.h"

#include "capture/journal.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/capture_sample.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define WRITER "w0-test"

static const struct str payloads[] = { STR_INIT("begin"), STR_INIT(""), STR_INIT("three") };
#define FRAMES (1 + ARRAY_LEN(payloads)) /* with FILE */

static size_t frame_ends[FRAMES];

static const char *journal_path(void)
{
    return sample_path(WRITER ".journal");
}

static struct journal_writer *create(void)
{
    struct journal_writer *j = NULL;

    ck_ok(journal_create(journal_path(), STR(WRITER), SAMPLE_START_US, JOURNAL_BATCH, &j,
                         &sample_err));
    return j;
}

/* FILE, then one exchange of three frames; returns the bytes of the file. */
static size_t write_sample(void)
{
    static const enum journal_frame_type types[] = { JOURNAL_BEGIN, JOURNAL_REQUEST_BODY,
                                                     JOURNAL_CHUNK };
    struct journal_writer *j = create();

    frame_ends[0] = journal_bytes(j);
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        struct journal_frame f = {
            .type = types[i], .sequence = 1, .at_us = i, .payload = payloads[i]
        };
        ck_ok(journal_append(j, &f, &sample_err));
        frame_ends[i + 1] = journal_bytes(j);
    }
    ck_ok(journal_close(j, &sample_err));
    return frame_ends[FRAMES - 1];
}

static void append_payload(struct journal_writer *j, size_t i)
{
    struct journal_frame f = {
        .type = i ? JOURNAL_CHUNK : JOURNAL_BEGIN, .sequence = 1, .at_us = i, .payload = payloads[i]
    };

    ck_ok(journal_append(j, &f, &sample_err));
}

static uint64_t file_bytes(void)
{
    struct stat st;

    ck_assert_int_eq(stat(journal_path(), &st), 0);
    return (uint64_t)st.st_size;
}

/* How many frames read back as they were written, or -1 on an error; *ret_torn bytes were left. */
static int read_back(uint64_t *ret_torn)
{
    struct journal_reader *j = NULL;
    struct journal_frame f;
    int n = 0, r;

    if (journal_open(journal_path(), &j, &sample_err) < 0)
        return -1;
    while ((r = journal_next(j, &f, &sample_err)) > 0) {
        if (n == 0)
            ck_assert_int_eq(f.type, JOURNAL_FILE);
        else
            ck_assert(str_eq(f.payload, payloads[n - 1]));
        n++;
    }
    *ret_torn = journal_torn_bytes(j);
    journal_reader_close(j);
    return r < 0 ? -1 : n;
}

static int whole_frames(size_t bytes)
{
    int n = 0;

    for (size_t i = 0; i < FRAMES; i++)
        n += bytes >= frame_ends[i];
    return n;
}

START_TEST(a_file_cut_at_any_byte_ends_at_its_last_whole_frame)
{
    size_t size = write_sample();

    for (size_t at = size; at-- > 0;) {
        uint64_t torn = 0;
        ck_assert_int_eq(truncate(journal_path(), (off_t)at), 0);
        int n = read_back(&torn);
        if (at < frame_ends[0]) { /* not even known to be a journal */
            ck_assert_int_eq(n, -1);
            continue;
        }
        ck_assert_int_eq(n, whole_frames(at));
        ck_assert_uint_eq(torn, at - frame_ends[n - 1]);
    }
}
END_TEST

START_TEST(a_flipped_byte_is_damage_with_its_place)
{
    struct buf file = { 0 };
    size_t size = write_sample();

    sample_read(journal_path(), &file);
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            uint64_t torn = 0;
            file.ptr[at] ^= (char)(1 << bit);
            sample_write(journal_path(), buf_str(&file));
            ck_assert_msg(read_back(&torn) == -1, "byte %zu bit %d went unnoticed", at, bit);
            ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
            ck_assert_ptr_nonnull(strstr(sample_err.text, "frame at byte "));
            file.ptr[at] ^= (char)(1 << bit);
        }
    buf_release(&file);
}
END_TEST

START_TEST(a_tail_of_zeros_is_a_torn_tail)
{
    struct buf file = { 0 };
    size_t size = write_sample();

    sample_read(journal_path(), &file);
    for (size_t at = frame_ends[0]; at <= size; at++) {
        uint64_t torn = 0;
        /* A power cut leaves the new length and, from some sector on, zeros. */
        sample_write(journal_path(), str_sub(buf_str(&file), 0, at));
        ck_assert_int_eq(truncate(journal_path(), (off_t)at + 4096), 0);
        size_t same = at; /* a frame may end in zeros of its own */
        while (same < size && file.ptr[same] == 0)
            same++;
        ck_assert_msg(read_back(&torn) == whole_frames(same), "zeros from byte %zu: %s", at,
                      sample_err.text);
        ck_assert_uint_eq(torn, at + 4096 - frame_ends[whole_frames(same) - 1]);
    }
    buf_release(&file);
}
END_TEST

START_TEST(zeros_in_the_middle_are_damage)
{
    struct buf file = { 0 };
    uint64_t torn;

    write_sample();
    sample_read(journal_path(), &file);
    memset(file.ptr + frame_ends[1], 0, frame_ends[2] - frame_ends[1]);
    sample_write(journal_path(), buf_str(&file));
    ck_assert_int_eq(read_back(&torn), -1);
    ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
    buf_release(&file);
}
END_TEST

START_TEST(a_journal_that_exists_is_not_replaced)
{
    struct journal_writer *j = NULL;

    write_sample();
    ck_assert_int_eq(journal_create(journal_path(), STR(WRITER), 0, JOURNAL_BATCH, &j, &sample_err),
                     -1);
    ck_assert_int_eq(sample_err.code, ERR_SYS);
    ck_assert_uint_eq(sample_count(sample_folder, ""), 1); /* and no temporary file is left */
}
END_TEST

START_TEST(a_live_writer_holds_a_lock_from_the_first_moment_its_file_shows)
{
    struct journal_writer *j = create();
    int fd = open(journal_path(), O_RDONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_lt(flock(fd, LOCK_SH | LOCK_NB), 0);
    ck_ok(journal_close(j, &sample_err));
    ck_assert_int_eq(flock(fd, LOCK_SH | LOCK_NB), 0);
    close(fd);
}
END_TEST

START_TEST(finishing_closes_and_marks_ready_and_discarding_leaves_nothing)
{
    struct journal_reader *r = NULL;
    struct journal_frame f;

    ck_ok(journal_finish(create(), &sample_err));
    ck_assert(!file_exists(journal_path()));
    ck_ok(journal_open(sample_path(WRITER ".ready"), &r, &sample_err));
    ck_assert(str_eq(journal_reader_writer(r), STR(WRITER)));
    while (journal_next(r, &f, &sample_err) > 0)
        ;
    ck_assert(journal_is_closed(r));
    journal_reader_close(r);

    journal_discard(create());
    ck_assert(!file_exists(journal_path()));
}
END_TEST

START_TEST(an_oversized_frame_is_refused_before_it_is_written)
{
    struct journal_writer *j = create();
    struct journal_frame f = {
        .type = JOURNAL_CHUNK, .payload = {"", JOURNAL_BODY_BYTES_MAX + 1}
    };
    uint64_t before = journal_bytes(j);

    ck_assert_int_eq(journal_append(j, &f, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_LIMIT);
    ck_assert_uint_eq(journal_bytes(j), before);
    ck_ok(journal_close(j, &sample_err));
}
END_TEST

START_TEST(the_largest_frame_comes_back)
{
    struct journal_writer *j = create();
    struct journal_reader *r = NULL;
    struct journal_frame f = { .type = JOURNAL_BEGIN, .sequence = 1 };
    char *body = malloc(JOURNAL_BODY_BYTES_MAX);

    memset(body, 'x', JOURNAL_BODY_BYTES_MAX);
    ck_ok(journal_append(j, &f, &sample_err));
    f = (struct journal_frame){
        .type = JOURNAL_CHUNK,
        .sequence = 1,
        .at_us = UINT64_MAX,
        .payload = {body, JOURNAL_BODY_BYTES_MAX}
    };
    ck_ok(journal_append(j, &f, &sample_err));
    ck_ok(journal_close(j, &sample_err));

    ck_ok(journal_open(journal_path(), &r, &sample_err));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(journal_next(r, &f, &sample_err), 1);
    ck_assert_uint_eq(f.at_us, UINT64_MAX);
    ck_assert_uint_eq(f.payload.len, JOURNAL_BODY_BYTES_MAX);
    ck_assert_mem_eq(f.payload.ptr, body, JOURNAL_BODY_BYTES_MAX);
    ck_ok(journal_read_at(r, f.offset, &f, &sample_err));
    ck_assert_int_eq(f.type, JOURNAL_CHUNK);
    ck_assert_int_eq(journal_next(r, &f, &sample_err), 0);
    journal_reader_close(r);
    free(body);
}
END_TEST

static const struct {
    struct str name;
    bool good;
} writer_names[] = {
    {STR_INIT("import-0190a1b2-0000-7000-8000-000000000000"), true },
    { STR_INIT(""),                                           false},
    { STR_INIT(".hidden"),                                    false},
    { STR_INIT("a/b"),                                        false},
    { STR_INIT("a b"),                                        false},
    { STR_INIT("a\nb"),                                       false},
};

START_TEST(what_comes_while_a_ticket_writes_stays_behind_it)
{
    struct journal_writer *j = create();
    struct journal_ticket t;
    uint64_t torn, begun = file_bytes();

    append_payload(j, 0);
    ck_ok(journal_sync_begin(j, true, &t, &sample_err));
    append_payload(j, 1);
    ck_ok(journal_flush(j, &sample_err));
    ck_assert_uint_eq(file_bytes(), begun);
    ck_ok(journal_sync_run(&t, &sample_err));
    ck_assert_uint_eq(file_bytes(), t.bytes);
    ck_ok(journal_flush(j, &sample_err)); /* while the ticket is still out */
    ck_assert_uint_eq(file_bytes(), journal_bytes(j));
    append_payload(j, 2);
    journal_sync_end(j, &t, true);
    ck_ok(journal_sync(j, &sample_err));
    ck_assert_uint_eq(file_bytes(), journal_bytes(j));
    ck_ok(journal_close(j, &sample_err));
    ck_assert_int_eq(read_back(&torn), FRAMES);
}
END_TEST

START_TEST(a_ticket_that_was_not_written_loses_nothing)
{
    struct journal_writer *j = create();
    struct journal_ticket t;
    uint64_t torn, begun = file_bytes();

    append_payload(j, 0);
    temp_limit_files(begun + 10); /* amid the frame */
    for (size_t i = 1; i < ARRAY_LEN(payloads); i++) {
        ck_ok(journal_sync_begin(j, true, &t, &sample_err));
        append_payload(j, i);
        ck_assert_int_eq(journal_sync_run(&t, &sample_err), -1);
        journal_sync_end(j, &t, false);
        ck_assert_int_eq(journal_flush(j, &sample_err), -1);
        ck_assert_uint_eq(file_bytes(), begun + 10);
    }
    temp_limit_files(RLIM_INFINITY);
    ck_ok(journal_sync(j, &sample_err));
    ck_assert_uint_eq(file_bytes(), journal_bytes(j));
    ck_ok(journal_close(j, &sample_err));
    ck_assert_int_eq(read_back(&torn), FRAMES);
}
END_TEST

START_TEST(writer_names_are_safe_in_paths_and_in_the_chain)
{
    struct journal_writer *j = NULL;
    int r = journal_create(sample_path("x.journal"), writer_names[_i].name, 0, JOURNAL_RELAXED, &j,
                           &sample_err);

    ck_assert_int_eq(r, writer_names[_i].good ? 0 : -1);
    if (r == 0)
        ck_ok(journal_close(j, &sample_err));
    else
        ck_assert_int_eq(sample_err.code, ERR_USAGE);
}
END_TEST

START_TEST(fields_cut_at_any_byte_are_malformed_or_fewer)
{
    struct buf fields = { 0 };
    struct str key, value;

    journal_add_field(&fields, "app", STR("support-bot"));
    journal_add_field_int(&fields, "end_us", -12);
    for (size_t len = 0; len <= fields.len; len++) {
        size_t at = 0, n = 0;
        int r;
        while ((r = journal_next_field(str_sub(buf_str(&fields), 0, len), &at, &key, &value)) > 0)
            n++;
        ck_assert_int_eq(r == 0, len == 0 || len == 19 || len == fields.len);
        ck_assert_uint_eq(n, (len >= 19 ? 1u : 0u) + (len == fields.len ? 1u : 0u));
    }
    ck_assert(str_eq(key, STR("end_us")) && str_eq(value, STR("-12")));
    buf_release(&fields);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, sample_setup, sample_teardown);
    tcase_add_test(tc, a_file_cut_at_any_byte_ends_at_its_last_whole_frame);
    tcase_add_test(tc, a_flipped_byte_is_damage_with_its_place);
    tcase_add_test(tc, a_tail_of_zeros_is_a_torn_tail);
    tcase_add_test(tc, zeros_in_the_middle_are_damage);
    tcase_add_test(tc, a_journal_that_exists_is_not_replaced);
    tcase_add_test(tc, a_live_writer_holds_a_lock_from_the_first_moment_its_file_shows);
    tcase_add_test(tc, finishing_closes_and_marks_ready_and_discarding_leaves_nothing);
    tcase_add_test(tc, an_oversized_frame_is_refused_before_it_is_written);
    tcase_add_test(tc, the_largest_frame_comes_back);
    tcase_add_test(tc, what_comes_while_a_ticket_writes_stays_behind_it);
    tcase_add_test(tc, a_ticket_that_was_not_written_loses_nothing);
    tcase_add_loop_test(tc, writer_names_are_safe_in_paths_and_in_the_chain, 0,
                        (int)ARRAY_LEN(writer_names));
    tcase_add_test(tc, fields_cut_at_any_byte_are_malformed_or_fewer);
}

CHECK_MAIN("capture/journal", add_tests)

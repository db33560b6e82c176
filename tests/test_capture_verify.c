/* Whatever is changed, cut, lost, added or swapped in an archive, verify must tell. */
#include "config.h"

#include "capture/verify.h"

#include <fcntl.h>

#include "capture/chain.h"
#include "capture/ledger.h"
#include "capture/seal.h"
#include "capture/segment_read.h"
#include "tests/capture_sample.h"
#include "tests/check_main.h"

#define FIRST_DAY "2026-10-01"
#define DAY       "2026-10-02"

static struct archive *archive;
static struct buf told, noted; /* lines of the last verify */

static void add_finding(void *ctx, const char *text)
{
    (void)ctx;
    buf_addf(&told, "%s\n", text);
}

static void add_note(void *ctx, const char *text)
{
    (void)ctx;
    buf_addf(&noted, "%s\n", text);
}

static uint64_t verify(bool quick, struct verify_stats *ret)
{
    struct verify_options opts = { .quick = quick, .finding = add_finding, .note = add_note };

    buf_clear(&told);
    buf_clear(&noted);
    ck_ok(verify_run(archive, &opts, ret, &sample_err));
    return ret->findings;
}

static void check_clean(void)
{
    struct verify_stats stats;

    ck_assert_msg(verify(false, &stats) == 0, "%s", buf_cstr(&told));
}

static void check_finds(const char *text)
{
    struct verify_stats stats;

    ck_assert_uint_gt(verify(false, &stats), 0);
    ck_assert_msg(strstr(buf_cstr(&told), text) != NULL, "'%s' is not in:\n%s", text,
                  buf_cstr(&told));
}

static void seal(void)
{
    struct seal_stats stats;

    ck_ok(seal_run(archive, NULL, &stats, &sample_err));
}

/* Five exchanges over two dates, sealed. */
static void setup(void)
{
    sample_setup();
    archive = sample_archive("a");
    sample_journal(archive, 1, 5);
    seal();
}

static void teardown(void)
{
    archive_close(archive);
    buf_release(&told);
    buf_release(&noted);
    sample_teardown();
}

static const char *segment_path(const char *date)
{
    char folder[64];

    snprintf(folder, sizeof(folder), "a/segments/date=%s", date);
    return sample_only(sample_path(folder), ".tar.zst");
}

static const char *ledger_path(const char *date)
{
    char folder[64];

    snprintf(folder, sizeof(folder), "a/ledger/date=%s", date);
    return sample_only(sample_path(folder), ".parquet");
}

START_TEST(a_sealed_archive_is_clean_and_counted)
{
    struct verify_stats stats;

    check_clean();
    verify(false, &stats);
    ck_assert_uint_eq(stats.chain_lines, 2);
    ck_assert_uint_eq(stats.segments, 2);
    ck_assert_uint_eq(stats.ledgers, 2);
    ck_assert_uint_eq(stats.exchanges, 5);
    ck_assert_uint_eq(stats.journals, 0);
}
END_TEST

/* Changes one byte in place. */
static void put_byte(int fd, size_t at, char byte)
{
    ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)at), 1);
}

static const char *file_of(int which)
{
    switch (which) {
    case 0:
        return sample_path("a/chain");
    case 1:
        return segment_path(DAY);
    case 2:
        return ledger_path(DAY);
    default:
        return sample_path("a/key");
    }
}

static const char *const file_names[] = { "chain", "segments/date=", "ledger/date=", "key" };

/* Loop test over the files. */
START_TEST(a_byte_flipped_anywhere_is_found_in_its_file)
{
    char *path = mem_strdup(file_of(_i));
    struct buf file = { 0 };
    struct verify_stats stats;
    size_t placed = 0;
    int fd = open(path, O_RDWR);

    ck_assert_int_ge(fd, 0);
    sample_read(path, &file);
    for (size_t at = 0; at < file.len; at++) {
        put_byte(fd, at, (char)(file.ptr[at] ^ 1 << at % 8));
        /* A letter of the key in the other case is the same key. */
        ck_assert_msg(verify(true, &stats) > 0 || _i == 3, "byte %zu went unnoticed", at);
        if (stats.findings)
            ck_assert_msg(strstr(buf_cstr(&told), file_names[_i]) != NULL, "%s", buf_cstr(&told));
        placed += strstr(buf_cstr(&told), "byte") != NULL;
        put_byte(fd, at, file.ptr[at]);
    }
    close(fd);
    printf("    %s: %zu of %zu flips placed by byte\n", file_names[_i], placed, file.len);
    if (_i < 3)
        ck_assert_uint_gt(placed, file.len * 9 / 10);
    check_clean();
    buf_release(&file);
    free(path);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_found)
{
    char *path = mem_strdup(file_of(_i));
    struct buf file = { 0 };
    struct verify_stats stats;

    sample_read(path, &file);
    for (size_t at = file.len; at-- > 0;) {
        ck_assert_int_eq(truncate(path, (off_t)at), 0);
        /* The key's checksum may be left out, and its newline. */
        ck_assert_msg(verify(true, &stats) > 0 || (_i == 3 && at >= 64), "%zu bytes seem whole",
                      at);
    }
    sample_write(path, buf_str(&file));
    check_clean();
    buf_release(&file);
    free(path);
}
END_TEST

START_TEST(damage_in_a_body_names_the_exchange)
{
    struct buf file = { 0 };
    struct sample_exchange s;
    char id[UUID_TEXT_BYTES];
    char *path = mem_strdup(segment_path(DAY));

    sample_make(3, &s); /* the first of the day: its frame follows the manifest's */
    sample_read(path, &file);
    size_t frame = (size_t)str_find(buf_str(&file), STR("\x28\xb5\x2f\xfd"), 4);
    file.ptr[frame + 60] ^= 4;
    sample_write(path, buf_str(&file));
    char text[128];
    snprintf(text, sizeof(text), "frame at byte %zu: ", frame);
    check_finds(text);
    snprintf(text, sizeof(text), "(exchange %s or one of the 2 behind it)",
             uuid_format(s.x.id, id));
    check_finds(text);
    buf_release(&file);
    free(path);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    ck_assert_int_eq(unlink(segment_path(DAY)), 0);
    check_finds(".tar.zst: is missing");
    ck_assert_int_eq(unlink(ledger_path(FIRST_DAY)), 0);
    check_finds(".parquet: is missing");
}
END_TEST

START_TEST(a_file_the_chain_does_not_know_is_named)
{
    sample_write(sample_path("a/ledger/date=" DAY "/01999999-0000-7000-8000-00000000000f.parquet"),
                 STR("PAR1"));
    check_finds("00000000000f.parquet: the chain does not know it");
    ck_assert_int_eq(mkdir(sample_path("a/segments/other"), 0700), 0);
    check_finds("segments/other: is nothing of this archive's");
}
END_TEST

START_TEST(leftovers_and_unsealed_journals_are_notes_not_findings)
{
    sample_write(sample_path("a/segments/date=" DAY "/.tmp-x.tar.zst"), STR("x"));
    sample_journal(archive, 7, 8);
    check_clean();
    ck_assert_ptr_nonnull(strstr(buf_cstr(&noted), ".tmp-x.tar.zst: left by"));
    ck_assert_ptr_nonnull(strstr(buf_cstr(&noted), "2 exchanges wait to be sealed"));
    seal();
    check_clean();
    ck_assert_uint_eq(noted.len, 0);
}
END_TEST

START_TEST(where_a_writer_died_is_noted_before_and_after_sealing)
{
    struct journal_writer *j;

    ck_ok(archive_journal_create(archive, "w0", 1790812800000000, JOURNAL_BATCH, &j, &sample_err));
    sample_append(j, 7, 9);
    ck_ok(journal_close(j, &sample_err));
    check_clean();
    ck_assert_ptr_nonnull(
        strstr(buf_cstr(&noted), "3 exchanges wait to be sealed (its writer died"));
    seal();
    check_clean();
    ck_assert_ptr_nonnull(strstr(buf_cstr(&noted),
                                 "its writer died: what it had not brought to "
                                 "disk is not here, all of it behind exchange 3 "));
}
END_TEST

START_TEST(a_damaged_journal_that_waits_is_a_finding_with_its_byte)
{
    struct buf file = { 0 };

    sample_journal(archive, 7, 8);
    char *path = mem_strdup(sample_only(sample_path("a/journal"), ".ready"));
    sample_read(path, &file);
    for (size_t at = 0; at < file.len; at++) {
        struct verify_stats stats;
        file.ptr[at] ^= (char)(1 << at % 8);
        sample_write(path, buf_str(&file));
        ck_assert_uint_gt(verify(true, &stats), 0);
        ck_assert_ptr_nonnull(strstr(buf_cstr(&told), "frame at byte "));
        file.ptr[at] ^= (char)(1 << at % 8);
        sample_write(path, str_sub(buf_str(&file), 0, at));
        ck_assert_uint_gt(verify(true, &stats), 0);
    }
    buf_release(&file);
    free(path);
}
END_TEST

/* Writes the chain again with lines changed by fn, so that all sums and links are right and only
 * what they say is wrong.  fn returns false to leave the line out. */
typedef bool (*forge_fn)(struct chain_line *line);

static void forge(forge_fn fn)
{
    struct chain c, again = { 0 };
    struct chain_line line;
    struct buf lines = { 0 };

    ck_ok(chain_open(sample_path("a/chain"), &c, &sample_err));
    while (chain_next(&c, &line, &sample_err) > 0)
        if (fn(&line))
            chain_format(&again, &line, &lines);
    chain_close(&c);
    sample_write(sample_path("a/chain"), buf_str(&lines));
    buf_release(&lines);
}

static bool drop_first_day(struct chain_line *line)
{
    return !str_eq(line->date, STR(FIRST_DAY));
}

START_TEST(a_whole_segment_taken_out_with_its_line_leaves_a_gap_in_the_journal)
{
    ck_assert_int_eq(unlink(segment_path(FIRST_DAY)), 0);
    ck_assert_int_eq(unlink(ledger_path(FIRST_DAY)), 0);
    forge(drop_first_day);
    check_finds("3 of its 5 exchanges are in the chain");
    check_finds("exchanges 1 to 2 are not there");
}
END_TEST

static bool claim_fewer(struct chain_line *line)
{
    if (str_eq(line->date, STR(FIRST_DAY)))
        return false;
    line->writer_exchanges = 3;
    return true;
}

START_TEST(a_gap_shows_even_when_the_chain_was_made_to_agree)
{
    ck_assert_int_eq(unlink(segment_path(FIRST_DAY)), 0);
    ck_assert_int_eq(unlink(ledger_path(FIRST_DAY)), 0);
    forge(claim_fewer);
    check_finds("exchanges 1 to 2 are not there");
    check_finds("manifest says otherwise");
}
END_TEST

static bool resign_ledger(struct chain_line *line)
{
    if (str_eq(line->date, STR(DAY)))
        ck_ok(sha256_of_file(ledger_path(DAY), line->ledger_sha, &sample_err));
    return true;
}

/* How a ledger may differ from its segment. */
static const struct {
    int rows;   /* more or fewer than there should be */
    int tokens; /* more in the first row */
    const char *finding;
} other_ledgers[] = {
    {-1, 0, "the ledger ends before the segment does"                  },
    { 1, 0, "the ledger has rows the segment has not"                  },
    { 0, 1, "the ledger's 'output_tokens' is not what the segment says"},
};

/* Writes the day's ledger again from its segment, with differences. */
static void write_ledger(int rows, int tokens)
{
    char *path = mem_strdup(ledger_path(DAY));
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];
    struct segment_reader *r = NULL;
    struct parquet_writer *w = NULL;
    struct arena scratch = { 0 };
    struct exchange x;

    ck_ok(segment_open(segment_path(DAY), &r, &sample_err));
    ck_ok(ledger_create(path, &w, &sample_err));
    int left = (int)segment_manifest(r)->exchanges + rows;
    while (segment_next(r, true, &x, &sample_err) > 0) {
        ledger_cells(&x, 0, segment_offset(r), &scratch, cells);
        cells[LEDGER_USAGE + USAGE_OUTPUT].i += tokens;
        tokens = 0;
        if (left-- > 0)
            ck_ok(parquet_add_row(w, cells, &sample_err));
    }
    if (left > 0)
        ck_ok(parquet_add_row(w, cells, &sample_err));
    ck_ok(parquet_finish(w, &sample_err));
    arena_release(&scratch);
    segment_close(r);
    free(path);
}

START_TEST(a_ledger_that_does_not_fit_its_segment_is_found_though_its_sum_is_right)
{
    write_ledger(other_ledgers[_i].rows, other_ledgers[_i].tokens);
    forge(resign_ledger);
    check_finds(other_ledgers[_i].finding);
}
END_TEST

START_TEST(the_same_exchanges_from_two_journals_are_found)
{
    sample_journal(archive, 4, 4);
    seal();
    check_finds("is there twice");
}
END_TEST

START_TEST(a_torn_last_line_is_told_and_repaired_by_the_next_seal)
{
    struct buf file = { 0 };

    sample_journal(archive, 7, 8);
    char *journal = mem_strdup(sample_only(sample_path("a/journal"), ".ready"));
    struct buf journal_bytes = { 0 };
    sample_read(journal, &journal_bytes);
    seal();
    sample_read(sample_path("a/chain"), &file);
    sample_write(sample_path("a/chain"), str_sub(buf_str(&file), 0, file.len - 9));
    sample_write(journal, buf_str(&journal_bytes)); /* which would still have been there */
    check_finds("without a newline");
    seal();
    check_clean();
    buf_release(&file);
    buf_release(&journal_bytes);
    free(journal);
}
END_TEST

START_TEST(a_missing_key_is_found)
{
    ck_assert_int_eq(unlink(sample_path("a/key")), 0);
    check_finds("key: there is no key file");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_sealed_archive_is_clean_and_counted);
    tcase_add_loop_test(tc, a_byte_flipped_anywhere_is_found_in_its_file, 0,
                        (int)ARRAY_LEN(file_names));
    tcase_add_loop_test(tc, a_file_cut_anywhere_is_found, 0, (int)ARRAY_LEN(file_names));
    tcase_add_test(tc, damage_in_a_body_names_the_exchange);
    tcase_add_test(tc, a_missing_file_is_named);
    tcase_add_test(tc, a_file_the_chain_does_not_know_is_named);
    tcase_add_test(tc, leftovers_and_unsealed_journals_are_notes_not_findings);
    tcase_add_test(tc, where_a_writer_died_is_noted_before_and_after_sealing);
    tcase_add_test(tc, a_damaged_journal_that_waits_is_a_finding_with_its_byte);
    tcase_add_test(tc, a_whole_segment_taken_out_with_its_line_leaves_a_gap_in_the_journal);
    tcase_add_test(tc, a_gap_shows_even_when_the_chain_was_made_to_agree);
    tcase_add_loop_test(tc, a_ledger_that_does_not_fit_its_segment_is_found_though_its_sum_is_right,
                        0, (int)ARRAY_LEN(other_ledgers));
    tcase_add_test(tc, the_same_exchanges_from_two_journals_are_found);
    tcase_add_test(tc, a_torn_last_line_is_told_and_repaired_by_the_next_seal);
    tcase_add_test(tc, a_missing_key_is_found);
}

CHECK_MAIN("capture/verify", add_tests)

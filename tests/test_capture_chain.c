/* No line of the chain may be changed, dropped, moved or half-written unnoticed. */
#include "config.h"

#include "capture/chain.h"

#include "tests/capture_sample.h"
#include "tests/check_main.h"

#define ID_1 "01999999-0000-7000-8000-000000000001"
#define ID_2 "01999999-0000-7000-8000-000000000002"

static struct chain_line segment_line(const char *id, uint64_t first, uint64_t last)
{
    struct chain_line line = {
        .kind = CHAIN_SEGMENT,
        .id = str_from(id),
        .date = STR("2026-10-01"),
        .writer = STR("w0-test"),
        .first_sequence = first,
        .last_sequence = last,
        .exchanges = last - first + 1,
        .rows = last - first + 2,
        .writer_exchanges = 10,
    };

    memset(line.segment_sha, 0xab, sizeof(line.segment_sha));
    memset(line.ledger_sha, 0xcd, sizeof(line.ledger_sha));
    return line;
}

static void append(const struct chain_line *line)
{
    struct chain c;
    struct chain_line skipped;
    struct buf text = { 0 };

    ck_ok(chain_open(sample_path("chain"), &c, &sample_err));
    while (chain_next(&c, &skipped, &sample_err) > 0)
        ;
    chain_format(&c, line, &text);
    ck_ok(chain_append(sample_path("chain"), &c, buf_str(&text), &sample_err));
    buf_release(&text);
    chain_close(&c);
}

static void write_three(void)
{
    struct chain_line one = segment_line(ID_1, 1, 4), two = segment_line(ID_2, 5, 10);
    struct chain_line three = { .kind = CHAIN_PRUNE_BODIES,
                                .id = STR(ID_1),
                                .time = STR("2026-11-22T00:00:00Z") };

    two.writer_died = true;
    append(&one);
    append(&two);
    append(&three);
}

/* Good lines, or minus the number of bad ones. */
static int read_back(size_t *ret_torn)
{
    struct chain c;
    struct chain_line line;
    int good = 0, bad = 0, r;

    ck_ok(chain_open(sample_path("chain"), &c, &sample_err));
    while ((r = chain_next(&c, &line, &sample_err)) != 0) {
        good += r > 0;
        bad += r < 0;
    }
    *ret_torn = c.torn_bytes;
    chain_close(&c);
    return bad ? -bad : good;
}

START_TEST(lines_come_back_as_they_were_written)
{
    struct chain c;
    struct chain_line line;

    write_three();
    ck_ok(chain_open(sample_path("chain"), &c, &sample_err));
    ck_assert_int_eq(chain_next(&c, &line, &sample_err), 1);
    ck_assert(!line.writer_died);
    ck_assert_int_eq(chain_next(&c, &line, &sample_err), 1);
    ck_assert(line.writer_died);
    ck_assert_uint_eq(line.number, 2);
    ck_assert(str_eq(line.id, STR(ID_2)) && str_eq(line.date, STR("2026-10-01")));
    ck_assert(str_eq(line.writer, STR("w0-test")));
    ck_assert_uint_eq(line.first_sequence, 5);
    ck_assert_uint_eq(line.last_sequence, 10);
    ck_assert_uint_eq(line.exchanges, 6);
    ck_assert_uint_eq(line.rows, 7);
    ck_assert_uint_eq(line.writer_exchanges, 10);
    ck_assert_uint_eq(line.segment_sha[31], 0xab);
    ck_assert_uint_eq(line.ledger_sha[0], 0xcd);
    ck_assert_int_eq(chain_next(&c, &line, &sample_err), 1);
    ck_assert_int_eq(line.kind, CHAIN_PRUNE_BODIES);
    ck_assert(str_eq(line.time, STR("2026-11-22T00:00:00Z")));
    ck_assert_int_eq(chain_next(&c, &line, &sample_err), 0);
    chain_close(&c);
}
END_TEST

/* So that an auditor can check links with sha256sum alone. */
START_TEST(previous_is_the_sha256_of_the_line_before_without_its_newline)
{
    struct buf file = { 0 };
    uint8_t sha[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];

    write_three();
    sample_read(sample_path("chain"), &file);
    ptrdiff_t end = str_find_char(buf_str(&file), '\n', 0);
    sha256_of(str_sub(buf_str(&file), 0, (size_t)end), sha);
    hex_encode(sha, SHA256_BYTES, hex);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&file) + end, hex));
    ck_assert_ptr_nonnull(strstr(
        buf_cstr(&file), " 0000000000000000000000000000000000000000000000000000000000000000 "));
    buf_release(&file);
}
END_TEST

START_TEST(a_flipped_bit_anywhere_is_damage_with_line_and_byte)
{
    struct buf file = { 0 };
    size_t torn;

    write_three();
    sample_read(sample_path("chain"), &file);
    for (size_t at = 0; at < file.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            file.ptr[at] ^= (char)(1 << bit);
            sample_write(sample_path("chain"), buf_str(&file));
            int r = read_back(&torn);
            ck_assert_msg(r < 0 || torn > 0, "byte %zu bit %d went unnoticed", at, bit);
            file.ptr[at] ^= (char)(1 << bit);
        }
    sample_write(sample_path("chain"), buf_str(&file));
    ck_assert_int_eq(read_back(&torn), 3);
    buf_release(&file);
}
END_TEST

START_TEST(a_cut_chain_has_whole_lines_and_a_torn_one_which_the_next_append_repairs)
{
    struct buf file = { 0 };
    struct chain_line more = segment_line(ID_2, 5, 10);
    size_t torn;

    write_three();
    sample_read(sample_path("chain"), &file);
    for (size_t at = 0; at < file.len; at++) {
        int lines = 0;
        for (size_t i = 0; i < at; i++)
            lines += file.ptr[i] == '\n';
        sample_write(sample_path("chain"), str_sub(buf_str(&file), 0, at));
        ck_assert_int_eq(read_back(&torn), lines);
        ck_assert_int_eq(torn > 0, at > 0 && file.ptr[at - 1] != '\n');
        if (at % 7)
            continue;
        append(&more);
        ck_assert_int_eq(read_back(&torn), lines + 1);
        ck_assert_uint_eq(torn, 0);
    }
    buf_release(&file);
}
END_TEST

START_TEST(a_line_dropped_or_moved_breaks_the_link)
{
    struct buf file = { 0 }, other = { 0 };
    size_t torn;

    write_three();
    sample_read(sample_path("chain"), &file);
    size_t one = (size_t)str_find_char(buf_str(&file), '\n', 0) + 1;
    size_t two = (size_t)str_find_char(buf_str(&file), '\n', one) + 1;
    sample_write(sample_path("chain"), str_sub(buf_str(&file), one, SIZE_MAX));
    ck_assert_int_lt(read_back(&torn), 0);
    buf_add(&other, file.ptr, one);
    buf_add(&other, file.ptr + two, file.len - two);
    sample_write(sample_path("chain"), buf_str(&other));
    ck_assert_int_lt(read_back(&torn), 0);
    ck_assert_ptr_nonnull(strstr(sample_err.text, "line 2 at byte"));
    buf_release(&file);
    buf_release(&other);
}
END_TEST

START_TEST(a_missing_chain_is_empty)
{
    size_t torn;

    ck_assert_int_eq(read_back(&torn), 0);
    ck_assert_uint_eq(torn, 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, sample_setup, sample_teardown);
    tcase_add_test(tc, lines_come_back_as_they_were_written);
    tcase_add_test(tc, previous_is_the_sha256_of_the_line_before_without_its_newline);
    tcase_add_test(tc, a_flipped_bit_anywhere_is_damage_with_line_and_byte);
    tcase_add_test(tc, a_cut_chain_has_whole_lines_and_a_torn_one_which_the_next_append_repairs);
    tcase_add_test(tc, a_line_dropped_or_moved_breaks_the_link);
    tcase_add_test(tc, a_missing_chain_is_empty);
}

CHECK_MAIN("capture/chain", add_tests)

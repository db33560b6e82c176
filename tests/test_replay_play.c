/* When the pieces of an answer leave. */
#include "config.h"

#include "replay/play.h"

#include <string.h>

#include "tests/check_main.h"

#define EVENTS_MAX 300

/* What a sink was given, and when. */
static struct {
    char kinds[EVENTS_MAX + 1]; /* h, b, e, c (cut), | (flush) */
    uint64_t at_us[EVENTS_MAX];
    size_t count, bytes;
    size_t full_at; /* bytes */
    bool stops;     /* the play, in the first flush */
} seen;
static struct loop *loop;
static struct play play;
static struct err err;

static void note(char kind)
{
    ck_assert_uint_lt(seen.count, EVENTS_MAX);
    seen.at_us[seen.count] = loop_now_us(loop) - play.begun_us;
    seen.kinds[seen.count++] = kind;
}

static void on_head(void *ctx, const struct answer *a)
{
    (void)ctx, (void)a;
    note('h');
}

static void on_body(void *ctx, struct str bytes)
{
    (void)ctx;
    note('b');
    seen.bytes += bytes.len;
}

static void on_end(void *ctx, enum play_end how)
{
    (void)ctx;
    note(how == PLAY_RESET ? 'r' : how == PLAY_CUT ? 'c' : 'e');
}

static void on_flush(void *ctx)
{
    struct play *p = ctx;

    note('|');
    if (seen.stops)
        play_stop(p);
}

static bool on_is_full(const void *ctx)
{
    (void)ctx;
    return seen.full_at && seen.bytes >= seen.full_at;
}

static const struct play_sink sink = {
    .head = on_head, .body = on_body, .end = on_end, .flush = on_flush, .is_full = on_is_full
};

static void setup(void)
{
    memset(&seen, 0, sizeof(seen));
    ck_assert_int_eq(loop_open(&loop, &err), 0);
    loop_read_clocks(loop);
    play = (struct play){ .loop = loop, .sink = &sink, .ctx = &play, .speed = PLAY_SPEED_RECORDED };
}

static void teardown(void)
{
    play_stop(&play);
    loop_close(loop);
}

static struct answer *answer_at(const uint64_t *at_us, size_t count)
{
    struct answer *a = answer_new(200);

    for (size_t i = 0; i < count; i++)
        answer_add_chunk(a, at_us[i], STR("piece"));
    return a;
}

static void run_to_end(void)
{
    while (play_is_on(&play))
        ck_assert_int_eq(loop_turn(loop, 1000000, &err), 0);
}

static const struct {
    uint64_t at_us;
    unsigned speed;
    uint64_t due_us;
} dues[] = {
    {0,                               1000, 0                             },
    { 5000,                           1000, 5000                          },
    { 5000,                           2000, 2500                          },
    { 5000,                           500,  10000                         },
    { 5000,                           0,    0                             },
    { UINT64_C(86400000000),          1,    UINT64_C(86400000000000)      },
    { UINT64_C(18446744073709551000), 1000, UINT64_C(18446744073709551000)},
};

START_TEST(a_piece_is_due_when_it_was_recorded_by_the_speed)
{
    ck_assert_uint_eq(play_due_us(dues[_i].at_us, dues[_i].speed), dues[_i].due_us);
}
END_TEST

START_TEST(nothing_leaves_before_it_is_due_and_each_piece_leaves_by_itself)
{
    static const uint64_t at_us[] = { 5000, 20000, 20000, 50000 };
    struct answer *a = answer_at(at_us, ARRAY_LEN(at_us));

    a->head_us = 5000;
    a->end_us = 70000;
    play_start(&play, a);
    ck_assert_str_eq(seen.kinds, "|");
    run_to_end();
    ck_assert_str_eq(seen.kinds, "|hb|bb|b|e|");
    for (size_t i = 0, piece = 0; i < seen.count; i++) {
        if (seen.kinds[i] == 'b')
            ck_assert_uint_ge(seen.at_us[i], at_us[piece++]);
        if (seen.kinds[i] == 'h')
            ck_assert_uint_ge(seen.at_us[i], 5000);
        if (seen.kinds[i] == 'e')
            ck_assert_uint_ge(seen.at_us[i], 70000);
    }
}
END_TEST

START_TEST(at_full_speed_all_leaves_at_once)
{
    static const uint64_t at_us[] = { 5000000, 20000000 };

    play.speed = PLAY_SPEED_MAX;
    play_start(&play, answer_at(at_us, ARRAY_LEN(at_us)));
    ck_assert_str_eq(seen.kinds, "hbbe|");
    ck_assert(!play_is_on(&play));
}
END_TEST

START_TEST(a_cut_answer_ends_cut)
{
    static const uint64_t at_us[] = { 0 };
    struct answer *a = answer_at(at_us, 1);

    a->is_cut = true;
    play_start(&play, a);
    ck_assert_str_eq(seen.kinds, "hbc|");
}
END_TEST

START_TEST(a_full_sink_holds_the_play_until_it_takes_more)
{
    static const uint64_t at_us[] = { 0, 0, 0, 0 };

    seen.full_at = 10;
    play_start(&play, answer_at(at_us, ARRAY_LEN(at_us)));
    ck_assert_str_eq(seen.kinds, "hbb|");
    ck_assert_int_eq(loop_turn(loop, 0, &err), 0);
    ck_assert_str_eq(seen.kinds, "hbb|");
    seen.full_at = 15;
    play_resume(&play);
    ck_assert_str_eq(seen.kinds, "hbb|b|");
    seen.full_at = 0;
    play_resume(&play);
    ck_assert_str_eq(seen.kinds, "hbb|b|be|");
}
END_TEST

START_TEST(a_large_chunk_leaves_in_pieces)
{
    struct answer *a = answer_new(200);
    struct buf large = { 0 };

    buf_reserve(&large, PLAY_PIECE_BYTES * 2 + 1);
    memset(large.ptr, 'x', PLAY_PIECE_BYTES * 2 + 1);
    large.len = PLAY_PIECE_BYTES * 2 + 1;
    answer_add_chunk(a, 0, buf_str(&large));
    answer_add_chunk(a, 0, STR("y"));
    buf_release(&large);
    play_start(&play, a);
    ck_assert_str_eq(seen.kinds, "hbbbbe|");
    ck_assert_uint_eq(seen.bytes, PLAY_PIECE_BYTES * 2 + 2);
}
END_TEST

START_TEST(a_play_may_be_stopped_while_it_plays)
{
    static const uint64_t at_us[] = { 0, 1000 };

    seen.stops = true;
    play_start(&play, answer_at(at_us, ARRAY_LEN(at_us)));
    ck_assert_str_eq(seen.kinds, "hb|");
    ck_assert(!play_is_on(&play));
    ck_assert_int_eq(loop_turn(loop, 2000, &err), 0);
    ck_assert_str_eq(seen.kinds, "hb|");
}
END_TEST

START_TEST(an_answer_that_hangs_says_all_it_has_and_then_repeats_itself_for_ever)
{
    static const uint64_t at_us[] = { 1000 };
    struct answer *a = answer_at(at_us, ARRAY_LEN(at_us));

    a->hangs = true;
    buf_add_text(&a->repeated, ": ping\n\n");
    a->repeat_us = 2000;
    play_start(&play, a);
    for (int i = 0; i < 100 && seen.count < 12; i++)
        ck_assert_int_eq(loop_turn(loop, 1000000, &err), 0);
    /* What is due in one turn leaves together: on a busy machine, several. */
    ck_assert_msg(seen.count >= 12 && strchr(seen.kinds, 'b') != NULL, "%s", seen.kinds);
    ck_assert_msg(strpbrk(seen.kinds, "ecr") == NULL, "%s", seen.kinds);
    ck_assert(play_is_hanging(&play));
    play_stop(&play);
}
END_TEST

START_TEST(an_answer_without_a_head_is_bytes_and_a_reset)
{
    static const uint64_t at_us[] = { 0 };
    struct answer *a = answer_at(at_us, ARRAY_LEN(at_us));

    a->has_no_head = a->is_cut = a->is_reset = true;
    play_start(&play, a);
    run_to_end();
    ck_assert_str_eq(seen.kinds, "br|");
}
END_TEST

START_TEST(what_a_fault_times_is_not_scaled)
{
    static const uint64_t at_us[] = { 30000 };
    struct answer *a = answer_at(at_us, ARRAY_LEN(at_us));

    a->is_exact = true;
    play.speed = PLAY_SPEED_MAX;
    play_start(&play, a);
    ck_assert_str_eq(seen.kinds, "h|");
    run_to_end();
    ck_assert_str_eq(seen.kinds, "h|be|");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_piece_is_due_when_it_was_recorded_by_the_speed, 0,
                        (int)ARRAY_LEN(dues));
    tcase_add_test(tc, nothing_leaves_before_it_is_due_and_each_piece_leaves_by_itself);
    tcase_add_test(tc, at_full_speed_all_leaves_at_once);
    tcase_add_test(tc, a_cut_answer_ends_cut);
    tcase_add_test(tc, a_full_sink_holds_the_play_until_it_takes_more);
    tcase_add_test(tc, a_large_chunk_leaves_in_pieces);
    tcase_add_test(tc, a_play_may_be_stopped_while_it_plays);
    tcase_add_test(tc, an_answer_that_hangs_says_all_it_has_and_then_repeats_itself_for_ever);
    tcase_add_test(tc, an_answer_without_a_head_is_bytes_and_a_reset);
    tcase_add_test(tc, what_a_fault_times_is_not_scaled);
}

CHECK_MAIN("replay/play", add_tests)

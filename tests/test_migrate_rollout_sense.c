/* A chain that is whole may still be nobody's history. */
#include "config.h"

#include "migrate/rollout_sense.h"

#include "migrate/rollout_line.h"
#include "tests/rollout_sample.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

#define MOVE(app_, from_, to_)                                                                     \
    .moves = &(struct rollout_move){ STR_INIT(app_), from_, to_ }, .move_count = 1
#define STEP_AT(kind_, epoch_, ...)                                                                \
    {                                                                                              \
        .kind = ROLLOUT_##kind_, .actuator = STR_INIT("edge"), .epoch = epoch_, __VA_ARGS__        \
    }

/* Entries of which the last one is refused, unless says is NULL. */
static const struct {
    const char *says;
    struct rollout_entry entries[7]; /* up to one without an actuator */
} histories[] = {
    {NULL,
     { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)), STEP_AT(APPLIED, 1),
        STEP_AT(APPLIED, 1), STEP_AT(VERIFIED, 1), STEP_AT(VERIFIED, 1), STEP_AT(COMMITTED, 1) }        },
    { NULL,
     { STEP_AT(INTENT, 5, .why = ROLLOUT_REHEARSE), STEP_AT(APPLIED, 5), STEP_AT(VERIFIED, 5),
        STEP_AT(ABORTED, 5), STEP_AT(INTENT, 7, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 1)) }              },
    { NULL,
     { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)), STEP_AT(DRIFTED, 0),
        STEP_AT(ACCEPTED, 9, MOVE("a", 0, 50)),
        STEP_AT(INTENT, 10, .why = ROLLOUT_ADVANCE, MOVE("a", 50, 100)) }                               },
    { NULL,
     { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)),
        { .kind = ROLLOUT_INTENT,
          .why = ROLLOUT_ADVANCE,
          .actuator = STR_INIT("other"),
          .epoch = 2,
          MOVE("b", 0, 1) } }                                                                           },
    { "'why' or without 'actuator'",   { STEP_AT(INTENT, 1, MOVE("a", 0, 100)) }                        },
    { "has epoch 0",                   { STEP_AT(INTENT, 0, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)) }},
    { "moves nothing",                 { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE) }                   },
    { "a rehearsal that moves",        { STEP_AT(INTENT, 1, .why = ROLLOUT_REHEARSE, MOVE("a", 0, 1)) } },
    { "but 0 was committed",           { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE, MOVE("a", 1, 100)) }},
    { "does not raise",                { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 0)) }  },
    { "a rollback that raises",        { STEP_AT(INTENT, 1, .why = ROLLOUT_ROLLBACK, MOVE("a", 0, 1)) } },
    { "no such step is open",          { STEP_AT(APPLIED, 1) }                                          },
    { "no such step is open",          { STEP_AT(VERIFIED, 1) }                                         },
    { "no such step is open",          { STEP_AT(COMMITTED, 1) }                                        },
    { "no such step is open",          { STEP_AT(ABORTED, 1) }                                          },
    { "no such step is open",
     { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)), STEP_AT(APPLIED, 2) }             },
    { "no such step is open",
     { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)), STEP_AT(ABORTED, 1),
        STEP_AT(APPLIED, 1) }                                                                           },
    { "verifies what was not applied",
     { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)), STEP_AT(VERIFIED, 1) }            },
    { "commits what was not verified",
     { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)), STEP_AT(APPLIED, 1),
        STEP_AT(COMMITTED, 1) }                                                                         },
    { "commits a rehearsal",
     { STEP_AT(INTENT, 1, .why = ROLLOUT_REHEARSE), STEP_AT(APPLIED, 1), STEP_AT(VERIFIED, 1),
        STEP_AT(COMMITTED, 1) }                                                                         },
    { "has not ended",
     { STEP_AT(INTENT, 1, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)),
        STEP_AT(INTENT, 2, .why = ROLLOUT_ADVANCE, MOVE("b", 0, 100)) }                                 },
    { "which is not after 3",
     { STEP_AT(INTENT, 3, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)), STEP_AT(ABORTED, 3),
        STEP_AT(INTENT, 3, .why = ROLLOUT_ADVANCE, MOVE("a", 0, 100)) }                                 },
    { "a blob that is not there",      { STEP_AT(DRIFTED, 0, .after = STR_INIT(ZEROS)) }                },
};

static size_t history_len(int row)
{
    size_t len = 0;

    while (histories[row].entries[len].actuator.len)
        len++;
    return len;
}

START_TEST(entries_that_make_no_sense_are_not_written)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    size_t len = history_len(_i), good = histories[_i].says ? len - 1 : len;

    for (size_t i = 0; i < good; i++)
        sample_append(r, histories[_i].entries[i]);
    if (histories[_i].says) {
        ck_assert_int_eq(rollout_append(r, &histories[_i].entries[good], &sample_err), -1);
        ck_assert_int_eq(sample_err.code, ERR_USAGE);
        ck_assert_msg(strstr(sample_err.text, histories[_i].says) != NULL, "%s", sample_err.text);
    }
    ck_assert_uint_eq(rollout_count(r), good);
    /* And it may go on. */
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_HELD });
    ck_assert_uint_eq(sample_verify(""), 0);
}
END_TEST

START_TEST(entries_that_make_no_sense_are_named_though_the_chain_is_whole)
{
    CLEANUP(buf_release) struct buf file = { 0 };
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct str prev = str_from(rollout_no_hash);
    size_t len = history_len(_i);
    const char *says = histories[_i].says;

    for (size_t i = 0; i < len; i++) {
        struct rollout_line line = { .entry = histories[_i].entries[i], .prev = prev };
        CLEANUP(buf_release) struct buf text = { 0 };
        line.entry.seq = i + 1;
        rollout_line_format(&line, &text);
        buf_add_str(&file, buf_str(&text));
        buf_add_byte(&file, '\n');
        ck_ok(rollout_line_parse(arena_str(&arena, buf_str(&text)), &arena, &line, &sample_err));
        prev = line.entry.hash;
    }
    ck_ok(dir_make(temp_path("r"), &sample_err));
    sample_write(temp_path(SAMPLE_LEDGER), buf_str(&file));
    ck_assert_uint_eq(sample_verify(""), says ? len : 0);
}
END_TEST

/* An application named twice is found however often one tries. */
START_TEST(a_step_moves_an_application_once)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    struct rollout_move moves[] = {
        {STR("a"),  0, 1},
        { STR("b"), 0, 1},
        { STR("a"), 0, 2}
    };
    struct rollout_entry e = { .kind = ROLLOUT_INTENT,
                               .why = ROLLOUT_ADVANCE,
                               .actuator = STR("edge"),
                               .epoch = 1,
                               .moves = moves,
                               .move_count = 3 };

    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(rollout_append(r, &e, &sample_err), -1);
        ck_assert_ptr_nonnull(strstr(sample_err.text, "moves 'a' twice"));
    }
    e.move_count = 2;
    sample_append(r, e);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, entries_that_make_no_sense_are_not_written, 0, ARRAY_LEN(histories));
    tcase_add_loop_test(tc, entries_that_make_no_sense_are_named_though_the_chain_is_whole, 0,
                        ARRAY_LEN(histories));
    tcase_add_test(tc, a_step_moves_an_application_once);
}

CHECK_MAIN("migrate/rollout_sense", add_tests)

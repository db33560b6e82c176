/* The bytes that were made live hold the shares that the entries say, or this is found. */
#include "config.h"

#include "migrate/portfolio.h"

#include "tests/rollout_sample.h"

static struct actuator actuator;
static struct programme_app apps[2];
static struct programme programme = {
    .actuators = &actuator, .actuator_count = 1, .apps = apps, .app_count = 2
};

static void make_programme(const char *driver)
{
    static const char *const names[] = { "chat", "search" };

    actuator = (struct actuator){ .name = STR("edge"),
                                  .driver = actuator_find_driver(str_from(driver), &sample_err) };
    ck_assert_ptr_nonnull(actuator.driver);
    for (size_t i = 0; i < 2; i++)
        apps[i] = (struct programme_app){ .name = str_from(names[i]), .actuator = &actuator };
}

/* A blob of the driver's bytes with these shares and epoch. */
static struct str put_artefact(struct rollout *r, int32_t chat, int32_t search, uint64_t epoch,
                               char sha[static ROLLOUT_SHA_BYTES])
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct actuator_share shares[2];

    for (size_t i = 0; i < 2; i++)
        shares[i] = (struct actuator_share){ .app = apps[i].name,
                                             .direct = STR("openai"),
                                             .gateway = STR("litellm"),
                                             .key = STR("header.x-session"),
                                             .share = i ? search : chat };
    ck_ok(actuator.driver->render(&actuator, shares, 2, epoch, &bytes, &sample_err));
    ck_ok(rollout_put_blob(r, buf_str(&bytes), sha, &sample_err));
    return str_from(sha);
}

static void commit(struct rollout *r, int32_t to, struct str after)
{
    struct rollout_move move = { STR("chat"), 0, to };
    struct rollout_entry e = { .kind = ROLLOUT_INTENT,
                               .why = ROLLOUT_ADVANCE,
                               .actuator = STR("edge"),
                               .epoch = 1,
                               .moves = &move,
                               .move_count = 1,
                               .after = after };

    sample_append(r, e);
    for (e.move_count = 0, e.kind = ROLLOUT_APPLIED; e.kind <= ROLLOUT_COMMITTED; e.kind++)
        sample_append(r, e);
}

/* 1 with what was found, 0 if nothing was. */
static int check(const struct rollout *r, uint64_t *ret_entry, struct buf *ret_why)
{
    CLEANUP(portfolio_free) struct portfolio *p = NULL;

    ck_ok(portfolio_read(&programme, r, &p, &sample_err));
    int found = portfolio_check_artefacts(p, ret_entry, ret_why, &sample_err);
    ck_assert_msg(found >= 0, "%s", sample_err.text);
    return found;
}

/* What was committed, what the bytes say, and what is found. */
static const struct {
    int32_t committed, chat, search;
    uint64_t epoch;
    const char *says;
} artefacts[] = {
    {500,  500, 0,  1, NULL                        },
    { 500, 100, 0,  1, "gives 'chat' 100 of 10000" },
    { 500, 500, 25, 1, "gives 'search' 25 of 10000"},
    { 500, 0,   0,  1, "gives 'chat' 0 of 10000"   },
    { 500, 500, 0,  2, "has epoch 1, but the bytes"},
};

START_TEST(bytes_that_say_other_than_the_entries_are_found)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    CLEANUP(buf_release) struct buf why = { 0 };
    char sha[ROLLOUT_SHA_BYTES];
    uint64_t entry = 0;

    make_programme("weir");
    commit(r, artefacts[_i].committed,
           put_artefact(r, artefacts[_i].chat, artefacts[_i].search, artefacts[_i].epoch, sha));
    int found = check(r, &entry, &why);
    if (!artefacts[_i].says) {
        ck_assert_int_eq(found, 0);
        return;
    }
    ck_assert_int_eq(found, 1);
    ck_assert_uint_eq(entry, 4);
    ck_assert_msg(strstr(buf_cstr(&why), artefacts[_i].says) != NULL, "%s", buf_cstr(&why));
}
END_TEST

START_TEST(bytes_that_nobody_can_read_are_found)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    CLEANUP(buf_release) struct buf why = { 0 };
    char sha[ROLLOUT_SHA_BYTES];
    uint64_t entry = 0;

    make_programme("weir");
    ck_ok(rollout_put_blob(r, STR("not a cutover\n"), sha, &sample_err));
    commit(r, 500, str_from(sha));
    ck_assert_int_eq(check(r, &entry, &why), 1);
    ck_assert_uint_eq(entry, 4);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&why), "cannot be read"));
}
END_TEST

/* An older step's bytes are history: only the last ones are live. */
START_TEST(only_what_was_made_live_last_counts)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_WRITE);
    CLEANUP(buf_release) struct buf why = { 0 };
    char sha[ROLLOUT_SHA_BYTES];
    struct rollout_move move = { STR("chat"), 500, 700 };
    uint64_t entry = 0;

    make_programme("weir");
    commit(r, 500, put_artefact(r, 100, 0, 1, sha));
    sample_append(r, (struct rollout_entry){ .kind = ROLLOUT_ACCEPTED,
                                             .actuator = STR("edge"),
                                             .epoch = 9,
                                             .moves = &move,
                                             .move_count = 1,
                                             .after = put_artefact(r, 700, 0, 8, sha) });
    ck_assert_int_eq(check(r, &entry, &why), 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, bytes_that_say_other_than_the_entries_are_found, 0,
                        ARRAY_LEN(artefacts));
    tcase_add_test(tc, bytes_that_nobody_can_read_are_found);
    tcase_add_test(tc, only_what_was_made_live_last_counts);
}

CHECK_MAIN("migrate/portfolio_artefact", add_tests)

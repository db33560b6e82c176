/* An exchange is found by the beginning of its id, and never another one instead. */
#include "config.h"

#include "capture/lookup.h"

#include "capture/seal.h"
#include "tests/capture_sample.h"
#include "tests/check_main.h"

static struct archive *archive;

static void setup(void)
{
    struct seal_stats stats;

    sample_setup();
    archive = sample_archive("a");
    sample_journal(archive, 1, 6);
    ck_ok(seal_run(archive, NULL, &stats, &sample_err));
}

static void teardown(void)
{
    archive_close(archive);
    sample_teardown();
}

static int look_up(const char *prefix, struct lookup *ret)
{
    return lookup_exchange(archive, str_from(prefix), ret, &sample_err);
}

/* Loop test over the numbers of exchanges. */
START_TEST(a_whole_id_and_its_unique_beginning_find_the_exchange)
{
    CLEANUP(lookup_release) struct lookup found = { 0 };
    struct sample_exchange s;
    char id[UUID_TEXT_BYTES];

    sample_make((unsigned)_i, &s);
    uuid_format(s.x.id, id);
    ck_assert_int_eq(look_up(id, &found), 1);
    ck_assert_mem_eq(&found.id, &s.x.id, sizeof(found.id));
    ck_assert(file_exists(found.segment_path));
    ck_assert_int_ge(found.segment_offset, 0);
    lookup_release(&found);
    for (char *c = id; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 32 : *c);
    id[14] = '\0'; /* the milliseconds, and no more */
    ck_assert_int_eq(look_up(id, &found), 1);
    ck_assert_mem_eq(&found.id, &s.x.id, sizeof(found.id));
}
END_TEST

START_TEST(a_beginning_that_several_share_is_an_error_that_names_two)
{
    struct lookup found;

    ck_assert_int_eq(look_up("01a0", &found), -1);
    ck_assert_int_eq(sample_err.code, ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sample_err.text, "several exchanges begin so"));
}
END_TEST

START_TEST(what_is_not_there_is_not_found)
{
    struct lookup found;

    ck_assert_int_eq(look_up("ffff", &found), 0);
    ck_assert_int_eq(look_up("01a0f9e8-9748-7000-8000-00000000ffff", &found), 0);
}
END_TEST

static const char *const bad_prefixes[] = {
    "", "01a", "01a0f9e89748", "zzzz", "../../etc", "01a0f9e8-9748-7000-8000-0000000000011"
};

START_TEST(what_cannot_begin_an_id_is_refused)
{
    struct lookup found;

    ck_assert_int_eq(look_up(bad_prefixes[_i], &found), -1);
    ck_assert_int_eq(sample_err.code, ERR_USAGE);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_whole_id_and_its_unique_beginning_find_the_exchange, 1, 7);
    tcase_add_test(tc, a_beginning_that_several_share_is_an_error_that_names_two);
    tcase_add_test(tc, what_is_not_there_is_not_found);
    tcase_add_loop_test(tc, what_cannot_begin_an_id_is_refused, 0, (int)ARRAY_LEN(bad_prefixes));
}

CHECK_MAIN("capture/lookup", add_tests)

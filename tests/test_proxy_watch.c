#include "config.h"

#include "proxy/watch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

static struct loop *loop;
static struct watch *watch;
static int calls;

static void on_change(void *ctx)
{
    (void)ctx;
    calls++;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(temp_path(name), "w");

    ck_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void setup(void)
{
    struct err err;

    temp_folder_make();
    calls = 0;
    ck_assert_msg(loop_open(&loop, &err) == 0, "%s", err.text);
    loop_read_clocks(loop);
    ck_assert_msg(watch_open(loop, on_change, NULL, &watch, &err) == 0, "%s", err.text);
}

static void teardown(void)
{
    watch_close(watch);
    loop_close(loop);
    temp_folder_remove();
}

/* Runs the loop for so long that what was seen is told. */
static void turn(uint64_t us)
{
    uint64_t until = loop_now_us(loop) + us;
    struct err err;

    while (loop_now_us(loop) < until)
        ck_assert_int_eq(loop_turn(loop, 20000, &err), 0);
}

/* Until fn was called for the nth time. */
static void wait_for(int n)
{
    for (int i = 0; i < 200 && calls < n; i++)
        turn(10000);
    ck_assert_int_eq(calls, n);
}

static void set(const char *a, const char *b)
{
    struct str paths[] = { str_from(a), str_from(b) };

    watch_set(watch, paths, b ? 2 : 1);
}

START_TEST(a_file_written_in_place_is_told_once)
{
    put("a", "1");
    put("b", "1");
    set(temp_path("a"), temp_path("b"));
    turn(100000);
    ck_assert_int_eq(calls, 0);
    put("a", "22");
    put("b", "22");
    wait_for(1);
    turn(200000);
    ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(a_file_renamed_over_it_is_told)
{
    struct err err;

    put("a", "1");
    set(temp_path("a"), NULL);
    ck_assert_int_eq(file_replace(temp_path("a"), STR("2"), 0600, &err), 0);
    wait_for(1);
    ck_assert_int_eq(file_replace(temp_path("a"), STR("3"), 0600, &err), 0);
    wait_for(2);
}
END_TEST

/* As a ConfigMap: weir.yaml -> ..data/weir.yaml, ..data -> ..1, and ..data is what is replaced. */
START_TEST(a_link_on_the_way_that_leads_elsewhere_is_told)
{
    ck_assert_int_eq(mkdir(temp_path("..1"), 0700), 0);
    ck_assert_int_eq(mkdir(temp_path("..2"), 0700), 0);
    put("..1/weir.yaml", "1");
    put("..2/weir.yaml", "2");
    ck_assert_int_eq(symlink("..1", temp_path("..data")), 0);
    ck_assert_int_eq(symlink("..data/weir.yaml", temp_path("weir.yaml")), 0);
    set(temp_path("weir.yaml"), NULL);
    ck_assert_int_eq(symlink("..2", temp_path("..tmp")), 0);
    turn(150000);
    ck_assert_int_eq(calls, 0);
    ck_assert_int_eq(rename(temp_path("..tmp"), temp_path("..data")), 0);
    wait_for(1);
    put("..2/weir.yaml", "3"); /* in the folder it leads to now */
    wait_for(2);
}
END_TEST

START_TEST(a_missing_file_is_told_when_it_is_there)
{
    set(temp_path("a"), NULL);
    put("a", "1");
    wait_for(1);
    ck_assert_int_eq(unlink(temp_path("a")), 0);
    wait_for(2);
}
END_TEST

START_TEST(other_files_of_the_folder_are_not_told)
{
    put("a", "1");
    set(temp_path("a"), NULL);
    put("b", "1");
    turn(200000);
    ck_assert_int_eq(calls, 0);
}
END_TEST

START_TEST(changes_that_never_end_are_told_all_the_same)
{
    put("a", "1");
    set(temp_path("a"), NULL);
    for (int i = 0; i < 60 && !calls; i++) {
        put("a", i % 2 ? "2" : "33");
        turn(20000);
    }
    ck_assert_int_gt(calls, 0);
}
END_TEST

START_TEST(what_changed_while_it_was_read_is_told_again)
{
    put("a", "1");
    set(temp_path("a"), NULL);
    put("a", "22");
    wait_for(1);
    put("a", "333");
    set(temp_path("a"), NULL); /* as after a reload: "a" is known as it was when told */
    wait_for(2);
}
END_TEST

START_TEST(where_nothing_can_be_watched_the_poll_remains)
{
    struct err err;

    put("a", "1");
    set(temp_path("a"), NULL);
    turn(100000);
    /* Written through a descriptor that stays open: no event that we take. */
    int fd = open(temp_path("a"), O_WRONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fd_write_all(fd, STR("longer"), &err), 0);
    turn(300000);
    ck_assert_int_eq(calls, 0);
    turn(WATCH_POLL_US);
    ck_assert_int_eq(calls, 1);
    close(fd);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_file_written_in_place_is_told_once);
    tcase_add_test(tc, a_file_renamed_over_it_is_told);
    tcase_add_test(tc, a_link_on_the_way_that_leads_elsewhere_is_told);
    tcase_add_test(tc, a_missing_file_is_told_when_it_is_there);
    tcase_add_test(tc, other_files_of_the_folder_are_not_told);
    tcase_add_test(tc, changes_that_never_end_are_told_all_the_same);
    tcase_add_test(tc, what_changed_while_it_was_read_is_told_again);
    tcase_add_test(tc, where_nothing_can_be_watched_the_poll_remains);
}

CHECK_MAIN("proxy/watch", add_tests)

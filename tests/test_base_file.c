/* Whole files, replacement that is all or nothing, folders, mappings and locks. */
#include "config.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/check_main.h"
#include "tests/temp_folder.h"

static struct err err;

static void replace(const char *path, const char *text)
{
    ck_assert_msg(file_replace(path, str_from(text), 0640, &err) == 0, "%s", err.text);
}

static void expect_text(const char *path, const char *text)
{
    CLEANUP(buf_release) struct buf got = { 0 };

    ck_assert_msg(file_read(path, 1000, &got, &err) == 0, "%s", err.text);
    ck_assert_str_eq(buf_cstr(&got), text);
}

static void expect_names(const char *expected)
{
    CLEANUP(dir_list_release) struct dir_list list = { 0 };
    CLEANUP(buf_release) struct buf names = { 0 };

    ck_assert_msg(dir_list_read(temp_folder, &list, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < list.len; i++)
        buf_addf(&names, "%s%s", i ? " " : "", list.names[i]);
    ck_assert_str_eq(buf_cstr(&names), expected);
}

START_TEST(reading_appends_up_to_the_limit_and_a_failure_appends_nothing)
{
    CLEANUP(buf_release) struct buf got = { 0 };

    replace(temp_path("f"), "12345");
    buf_add_text(&got, "0");
    ck_assert_int_eq(file_read(temp_path("f"), 5, &got, &err), 0);
    ck_assert_str_eq(buf_cstr(&got), "012345");
    ck_assert_int_eq(file_read(temp_path("f"), 4, &got, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "/f': larger than the limit of 4 bytes"));
    ck_assert_int_eq(file_read(temp_path("none"), 4, &got, &err), -1);
    ck_assert_int_eq(err.sys, ENOENT);
    ck_assert_int_eq(file_read(temp_folder, 4, &got, &err), -1);
    ck_assert_int_eq(err.sys, EISDIR);
    ck_assert_str_eq(buf_cstr(&got), "012345");
}
END_TEST

START_TEST(a_file_without_a_size_is_read_to_its_end)
{
    CLEANUP(buf_release) struct buf got = { 0 };

    ck_assert_int_eq(file_read("/proc/self/status", 1 << 20, &got, &err), 0);
    ck_assert_int_ge(str_find(buf_str(&got), STR("Pid:"), 0), 0);
}
END_TEST

START_TEST(writing_goes_on_through_short_writes)
{
    CLEANUP(buf_release) struct buf big = { 0 }, got = { 0 };
    int fds[2];

    memset(buf_reserve(&big, 1 << 20), 'x', 1 << 20);
    big.len = 1 << 20;
    ck_assert_int_eq(pipe(fds), 0);
    pid_t reader = fork();
    if (reader == 0) {
        char block[777];
        size_t total = 0;
        close(fds[1]);
        for (ssize_t n; (n = read(fds[0], block, sizeof(block))) > 0;)
            total += (size_t)n;
        _exit(total == 1 << 20 ? 0 : 1);
    }
    close(fds[0]);
    ck_assert_int_eq(fd_write_all(fds[1], buf_str(&big), &err), 0);
    close(fds[1]);
    int status;
    ck_assert_int_eq(waitpid(reader, &status, 0), reader);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_full_device_is_an_error)
{
    int fd = open("/dev/full", O_WRONLY);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fd_write_all(fd, STR("x"), &err), -1);
    ck_assert_int_eq(err.sys, ENOSPC);
    close(fd);
}
END_TEST

START_TEST(reading_at_an_offset_is_all_or_end)
{
    char got[4] = "";

    replace(temp_path("f"), "0123456");
    int fd = open(temp_path("f"), O_RDONLY);
    ck_assert_int_eq(fd_read_at(fd, got, 3, 4, &err), 1);
    ck_assert_str_eq(got, "456");
    ck_assert_int_eq(fd_read_at(fd, got, 3, 5, &err), 0);
    ck_assert_int_eq(fd_read_at(fd, got, 3, 100, &err), 0);
    ck_assert_int_eq(fd_read_at(fd, got, 0, 100, &err), 1);
    ck_assert_int_eq(fd_read_at(fd, got, 3, -1, &err), -1);
    ck_assert_int_eq(err.sys, EINVAL);
    close(fd);
}
END_TEST

START_TEST(replacing_makes_or_swaps_the_file_with_the_exact_mode)
{
    const char *path = temp_path("f");
    struct stat st;

    umask(077);
    replace(path, "one");
    expect_text(path, "one");
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    int old = open(path, O_RDONLY);
    replace(path, "two, which is longer");
    expect_text(path, "two, which is longer");
    char got[4] = ""; /* who holds the old file still reads it whole */
    ck_assert_int_eq(fd_read_at(old, got, 3, 0, &err), 1);
    ck_assert_str_eq(got, "one");
    close(old);
    expect_names("f");
}
END_TEST

START_TEST(a_failed_replacement_leaves_the_old_file_and_nothing_else)
{
    const struct rlimit small = { 100, 100 };
    CLEANUP(buf_release) struct buf big = { 0 };

    replace(temp_path("f"), "old");
    memset(buf_reserve(&big, 1000), 'x', 1000);
    big.len = 1000;
    pid_t child = fork();
    if (child == 0) { /* in a process of its own, as its limit on files cannot be raised again */
        signal(SIGXFSZ, SIG_IGN);
        int bad = setrlimit(RLIMIT_FSIZE, &small);
        bad |= file_replace(temp_path("f"), buf_str(&big), 0600, &err) != -1;
        bad |= err.sys != EFBIG;
        _exit(bad);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    expect_text(temp_path("f"), "old");
    expect_names("f");
}
END_TEST

START_TEST(replacing_a_folder_or_within_a_missing_one_fails_cleanly)
{
    ck_assert_int_eq(dir_make(temp_path("d"), &err), 0);
    ck_assert_int_eq(file_replace(temp_path("d"), STR("x"), 0600, &err), -1);
    ck_assert_int_eq(err.code, ERR_SYS);
    ck_assert_int_eq(file_replace(temp_path("none/f"), STR("x"), 0600, &err), -1);
    ck_assert_int_eq(err.sys, ENOENT);
    expect_names("d");
}
END_TEST

/* Killed at any moment, a writer leaves one of the texts it wrote, whole. */
START_TEST(a_writer_killed_at_any_moment_leaves_a_whole_file)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    const char *path = temp_path("f");

    memset(buf_reserve(&text, 100000), 'a', 100000);
    text.len = 100000;
    ck_assert_int_eq(file_replace(path, buf_str(&text), 0600, &err), 0);
    for (useconds_t round = 0; round < 40; round++) {
        pid_t child = fork();
        if (child == 0) {
            for (char c = 'a';; c = c == 'z' ? 'a' : (char)(c + 1)) {
                memset(text.ptr, c, text.len);
                if (file_replace(path, buf_str(&text), 0600, &err) < 0)
                    _exit(1);
            }
        }
        usleep(500 + round * 97);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        CLEANUP(buf_release) struct buf got = { 0 };
        ck_assert_int_eq(file_read(path, 100000, &got, &err), 0);
        ck_assert_uint_eq(got.len, 100000);
        ck_assert(memcmp(got.ptr, got.ptr + 1, got.len - 1) == 0);
    }
}
END_TEST

START_TEST(folders_are_made_with_their_parents_and_may_exist)
{
    struct stat st;

    umask(0);
    ck_assert_int_eq(dir_make(temp_path("a//b/c/"), &err), 0);
    ck_assert_int_eq(stat(temp_path("a/b/c"), &st), 0);
    ck_assert(S_ISDIR(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    ck_assert_int_eq(dir_make(temp_path("a/b/c"), &err), 0);
    ck_assert_int_eq(dir_make("/", &err), 0);
    ck_assert_int_eq(dir_make(".", &err), 0);
    ck_assert_int_eq(chdir(temp_folder), 0);
    ck_assert_int_eq(dir_make("x/y", &err), 0);
    ck_assert(file_exists(temp_path("x/y")));
    ck_assert_int_eq(dir_sync("x", &err), 0);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(a_folder_that_cannot_be_is_named)
{
    replace(temp_path("f"), "");
    ck_assert_int_eq(dir_make(temp_path("f"), &err), -1);
    ck_assert_int_eq(err.sys, ENOTDIR);
    ck_assert_int_eq(dir_make(temp_path("f/g"), &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "cannot make folder '"));
    ck_assert_int_eq(dir_make("", &err), -1);
    ck_assert_int_eq(dir_sync(temp_path("none"), &err), -1);
    ck_assert_int_eq(err.sys, ENOENT);
    ck_assert_int_eq(dir_sync(temp_path("f"), &err), -1);
    ck_assert_int_eq(err.sys, ENOTDIR);
}
END_TEST

START_TEST(names_come_sorted_by_bytes_and_a_missing_folder_has_none)
{
    CLEANUP(dir_list_release) struct dir_list list = { 0 };

    replace(temp_path("b"), "");
    replace(temp_path("B"), "");
    replace(temp_path("a-10"), "");
    replace(temp_path("a-9"), "");
    replace(temp_path(".hidden"), "");
    expect_names(".hidden B a-10 a-9 b");
    ck_assert_int_eq(dir_list_read(temp_path("none"), &list, &err), 0);
    ck_assert_uint_eq(list.len, 0);
    ck_assert_int_eq(dir_list_read(temp_path("b"), &list, &err), -1);
    ck_assert_int_eq(err.sys, ENOTDIR);
}
END_TEST

START_TEST(a_mapping_shows_the_whole_file)
{
    CLEANUP(file_map_close) struct file_map map = { 0 };

    replace(temp_path("f"), "some bytes");
    ck_assert_int_eq(file_map_open(temp_path("f"), &map, &err), 0);
    ck_assert(str_eq(map.bytes, STR("some bytes")));
    file_map_close(&map);
    ck_assert_ptr_null(map.bytes.ptr);
    replace(temp_path("f"), "");
    ck_assert_int_eq(file_map_open(temp_path("f"), &map, &err), 0);
    ck_assert_uint_eq(map.bytes.len, 0);
    ck_assert_int_eq(file_map_open(temp_folder, &map, &err), -1);
    ck_assert_int_eq(err.code, ERR_UNSUPPORTED);
    ck_assert_int_eq(file_map_open(temp_path("none"), &map, &err), -1);
    ck_assert_int_eq(err.sys, ENOENT);
}
END_TEST

START_TEST(a_lock_keeps_others_out_until_it_is_closed)
{
    int first = -1, second = -1;

    ck_assert_int_eq(file_lock(temp_path("lock"), false, &first, &err), 0);
    ck_assert_int_eq(file_lock(temp_path("lock"), false, &second, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "/lock' is locked by another process"));
    ck_assert_int_eq(second, -1);
    close(first);
    ck_assert_int_eq(file_lock(temp_path("lock"), false, &second, &err), 0);
    close(second);
    ck_assert_int_eq(file_lock(temp_path("none/lock"), true, &second, &err), -1);
    ck_assert_int_eq(err.sys, ENOENT);
}
END_TEST

START_TEST(waiting_for_a_lock_ends_when_its_holder_dies)
{
    int ready[2], fd;
    char byte;

    ck_assert_int_eq(pipe(ready), 0);
    pid_t holder = fork();
    if (holder == 0) {
        close(ready[0]);
        if (file_lock(temp_path("lock"), true, &fd, &err) < 0)
            _exit(1);
        close(ready[1]);
        usleep(50000);
        raise(SIGKILL);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 0);
    ck_assert_int_eq(file_lock(temp_path("lock"), false, &fd, &err), -1);
    ck_assert_int_eq(file_lock(temp_path("lock"), true, &fd, &err), 0);
    int status;
    ck_assert_int_eq(waitpid(holder, &status, 0), holder);
    ck_assert(WIFSIGNALED(status));
    close(fd);
    close(ready[0]);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, reading_appends_up_to_the_limit_and_a_failure_appends_nothing);
    tcase_add_test(tc, a_file_without_a_size_is_read_to_its_end);
    tcase_add_test(tc, writing_goes_on_through_short_writes);
    tcase_add_test(tc, a_full_device_is_an_error);
    tcase_add_test(tc, reading_at_an_offset_is_all_or_end);
    tcase_add_test(tc, replacing_makes_or_swaps_the_file_with_the_exact_mode);
    tcase_add_test(tc, a_failed_replacement_leaves_the_old_file_and_nothing_else);
    tcase_add_test(tc, replacing_a_folder_or_within_a_missing_one_fails_cleanly);
    tcase_add_test(tc, a_writer_killed_at_any_moment_leaves_a_whole_file);
    tcase_add_test(tc, folders_are_made_with_their_parents_and_may_exist);
    tcase_add_test(tc, a_folder_that_cannot_be_is_named);
    tcase_add_test(tc, names_come_sorted_by_bytes_and_a_missing_folder_has_none);
    tcase_add_test(tc, a_mapping_shows_the_whole_file);
    tcase_add_test(tc, a_lock_keeps_others_out_until_it_is_closed);
    tcase_add_test(tc, waiting_for_a_lock_ends_when_its_holder_dies);
}
CHECK_MAIN("base/file", add_tests)

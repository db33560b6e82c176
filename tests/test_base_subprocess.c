#include "config.h"

#include "base/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/check_main.h"

static char output[64];

static void make_output(void)
{
    snprintf(output, sizeof(output), "/tmp/weir-test-XXXXXX");
    close(mkstemp(output));
}

static void start_shell(const char *script, const char *const *env, struct subprocess *ret)
{
    const char *argv[] = { "sh", "-c", script, NULL };
    struct subprocess_options o = { .argv = argv, .env = env, .output = output };
    struct err err;

    make_output();
    ck_assert_msg(subprocess_start(&o, ret, &err) == 0, "%s", err.text);
}

static void wait_for(const char *text)
{
    for (int i = 0; i < 5000; i++) {
        CLEANUP(buf_release) struct buf bytes = { 0 };
        struct err err;
        ck_assert_int_eq(file_read(output, 1 << 20, &bytes, &err), 0);
        if (str_find(buf_str(&bytes), str_from(text), 0) >= 0)
            return;
        usleep(2000);
    }
    ck_abort_msg("'%s' did not come", text);
}

static void wait_over(struct subprocess *p)
{
    for (int i = 0; i < 5000 && !subprocess_is_over(p); i++)
        usleep(2000);
    ck_assert(subprocess_is_over(p));
}

START_TEST(output_and_environment_are_the_programs)
{
    static const char *const env[] = { "ONE=1", "HOME=/nowhere", NULL };
    CLEANUP(buf_release) struct buf how = { 0 };
    struct subprocess p;

    setenv("KEPT", "kept", 1);
    start_shell("echo $ONE $HOME $KEPT; echo bad >&2; exit 3", env, &p);
    wait_for("1 /nowhere kept\nbad\n");
    wait_over(&p);
    subprocess_describe(&p, &how);
    ck_assert_str_eq(buf_cstr(&how), "exit status 3");
    subprocess_stop(&p, 0);
    unlink(output);
}
END_TEST

START_TEST(all_that_it_started_ends_with_it)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct subprocess p;
    struct err err;
    int64_t child;

    start_shell("trap '' TERM; sleep 1000 & echo $!. ; wait; wait", NULL, &p);
    wait_for(".");
    ck_assert_int_eq(file_read(output, 1 << 20, &bytes, &err), 0);
    ck_assert(str_to_i64(
        str_sub(buf_str(&bytes), 0, (size_t)str_find_char(buf_str(&bytes), '.', 0)), &child));
    pid_t group = p.group;
    subprocess_stop(&p, 20000); /* does not listen to SIGTERM */
    for (int i = 0; i < 5000 && kill(-group, 0) == 0; i++)
        usleep(2000);
    ck_assert(kill((pid_t)child, 0) < 0 || kill(-group, 0) < 0);
    ck_assert(WIFSIGNALED(p.status));
    unlink(output);
}
END_TEST

/* A process that holds the lock of `path`, starts script and is then waiting to be killed;
 * afterwards there is a file "PATH.after". */
static pid_t start_owner(const char *path, const char *script)
{
    struct subprocess p;
    struct err err;
    int fds[2];
    char ready;

    make_output();
    ck_assert_int_eq(pipe(fds), 0);
    pid_t owner = fork();
    if (owner == 0) {
        const char *argv[] = { "sh", "-c", script, NULL };
        const char *afterwards[] = { "sh", "-c", "touch \"$0\".after", path, NULL };
        struct subprocess_options o = { .argv = argv, .output = output, .afterwards = afterwards };
        signal(SIGTERM, SIG_DFL); /* Check's own */
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0 || flock(fd, LOCK_EX) < 0 || subprocess_start(&o, &p, &err) < 0 ||
            write(fds[1], "x", 1) != 1)
            _exit(1);
        pause();
        _exit(0);
    }
    close(fds[1]);
    ck_assert_int_eq(read(fds[0], &ready, 1), 1);
    close(fds[0]);
    return owner;
}

/* However it ends. */
static const int ends[] = { SIGKILL, SIGTERM, SIGABRT };

START_TEST(a_lock_is_held_until_nothing_of_ours_runs)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    char path[] = "/tmp/weir-test-XXXXXX", after[100];
    int fd = mkstemp(path), status;
    struct err err;
    int64_t child;

    pid_t owner = start_owner(path, "trap '' TERM INT HUP; sleep 1000 & echo $!. ; wait; wait");
    wait_for(".");
    ck_assert_int_lt(flock(fd, LOCK_EX | LOCK_NB), 0);
    kill(owner, ends[_i]);
    ck_assert_int_eq(waitpid(owner, &status, 0), owner);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0); /* the alarm of the test ends it otherwise */
    ck_assert_int_eq(file_read(output, 1 << 20, &bytes, &err), 0);
    ck_assert(str_to_i64(
        str_sub(buf_str(&bytes), 0, (size_t)str_find_char(buf_str(&bytes), '.', 0)), &child));
    ck_assert_int_lt(kill((pid_t)child, 0), 0);
    ck_assert_int_eq(errno, ESRCH);
    snprintf(after, sizeof(after), "%s.after", path);
    ck_assert_int_eq(unlink(after), 0);
    close(fd);
    unlink(path);
    unlink(output);
}
END_TEST

START_TEST(what_is_started_may_leave_and_stay)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct subprocess p;
    struct err err;
    int64_t child;

    start_shell("setsid -w sh -c 'sleep 1000 & echo $!.'", NULL, &p);
    wait_over(&p);
    ck_assert(WIFEXITED(p.status) && WEXITSTATUS(p.status) == 0);
    subprocess_stop(&p, 0);
    ck_assert_int_eq(file_read(output, 1 << 20, &bytes, &err), 0);
    ck_assert(str_to_i64(
        str_sub(buf_str(&bytes), 0, (size_t)str_find_char(buf_str(&bytes), '.', 0)), &child));
    ck_assert_int_eq(kill((pid_t)child, 0), 0);
    kill((pid_t)child, SIGKILL);
    unlink(output);
}
END_TEST

START_TEST(a_signal_is_told_as_one)
{
    CLEANUP(buf_release) struct buf how = { 0 };
    struct subprocess p;

    start_shell("kill -ABRT $$", NULL, &p);
    wait_over(&p);
    subprocess_describe(&p, &how);
    ck_assert_str_eq(buf_cstr(&how), "signal 6 (Aborted)");
    subprocess_stop(&p, 0);
    unlink(output);
}
END_TEST

START_TEST(what_is_not_there_cannot_be_started)
{
    const char *argv[] = { "/no/such/program", NULL };
    struct subprocess_options o = { .argv = argv };
    struct subprocess p;
    struct err err;

    ck_assert_int_eq(subprocess_start(&o, &p, &err), -1);
    ck_assert_str_eq(err.text, "cannot start '/no/such/program': No such file or directory");
    ck_assert(subprocess_is_over(&p));
    subprocess_stop(&p, 1000);
}
END_TEST

static int told[2]; /* by our own handler: nobody but we may run it */

static void tell(int signal)
{
    char byte = (char)signal;

    if (write(told[1], &byte, 1) < 0)
        _exit(EXIT_FAILURE);
}

START_TEST(a_handler_of_ours_is_not_run_by_what_ends_a_program)
{
    char byte;

    ck_assert_int_eq(pipe2(told, O_NONBLOCK), 0);
    signal(SIGTERM, tell);
    for (int i = 0; i < 50; i++) {
        struct subprocess p;
        start_shell("exec sleep 60", NULL, &p);
        subprocess_stop(&p, 0);
        unlink(output);
    }
    signal(SIGTERM, SIG_DFL);
    ck_assert_int_eq(read(told[0], &byte, 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    close(told[0]);
    close(told[1]);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, output_and_environment_are_the_programs);
    tcase_add_test(tc, all_that_it_started_ends_with_it);
    tcase_add_loop_test(tc, a_lock_is_held_until_nothing_of_ours_runs, 0, ARRAY_LEN(ends));
    tcase_add_test(tc, what_is_started_may_leave_and_stay);
    tcase_add_test(tc, a_signal_is_told_as_one);
    tcase_add_test(tc, what_is_not_there_cannot_be_started);
    tcase_add_test(tc, a_handler_of_ours_is_not_run_by_what_ends_a_program);
}
CHECK_MAIN("base/subprocess", add_tests)

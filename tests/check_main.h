/* check_main - the main() every unit test program shares.  Include once, after the tests:
 *
 *     static void add_tests(TCase *tc) { tcase_add_test(tc, a_thing_holds); }
 *     CHECK_MAIN("base/str", add_tests)
 */
#ifndef TESTS_CHECK_MAIN_H
#define TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK_TIMEOUT_SECONDS 120

/* A row of a table whose cells are too long for the formatter to align: it leaves calls alone. */
#define ROW(...)                                                                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static pid_t check_main_pid;

/* With CK_FORK=no a failed assertion in a child that a test forked jumps to the runner, which would
 * go on with the remaining tests in that child: those fork as well, and the machine is full of them
 * within a second. */
static inline void check_main_only_once(void)
{
    const char *mode = getenv("CK_FORK");

    if (mode && strcmp(mode, "no") == 0 && getpid() != check_main_pid)
        _exit(EXIT_FAILURE);
}

#define CHECK_MAIN(name, add)                                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        TCase *tc = tcase_create(name);                                                            \
        tcase_set_timeout(tc, CHECK_TIMEOUT_SECONDS);                                              \
        tcase_add_checked_fixture(tc, check_main_only_once, NULL);                                 \
        check_main_pid = getpid();                                                                 \
        add(tc);                                                                                   \
        Suite *suite = suite_create(name);                                                         \
        suite_add_tcase(suite, tc);                                                                \
        SRunner *runner = srunner_create(suite);                                                   \
        srunner_run_all(runner, CK_ENV);                                                           \
        int failed = srunner_ntests_failed(runner);                                                \
        srunner_free(runner);                                                                      \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                               \
    }

#endif

/* check_main - the main() every unit test program shares.  Include once, after the tests:
 *
 *     static void add_tests(TCase *tc) { tcase_add_test(tc, a_thing_holds); }
 *     CHECK_MAIN("base/str", add_tests)
 */
#ifndef TESTS_CHECK_MAIN_H
#define TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

#define CHECK_TIMEOUT_SECONDS 120

/* A row of a table whose cells are too long for the formatter to align: it leaves calls alone. */
#define ROW(...)                                                                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

#define CHECK_MAIN(name, add)                                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        TCase *tc = tcase_create(name);                                                            \
        tcase_set_timeout(tc, CHECK_TIMEOUT_SECONDS);                                              \
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

/* shared_data - finds the recorded data that lies beside a checkout, and is no part of it.
 *
 * Tests that need it skip where it is absent (and say so), but fail under CI, which must have it.
 */
#ifndef TESTS_SHARED_DATA_H
#define TESTS_SHARED_DATA_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SHARED_DATA_PATH_BYTES 1024

/* The path of name ("eventstream/MANIFEST.json") into ret; false = skip the test. */
static inline bool shared_data_find(const char *name, char ret[static SHARED_DATA_PATH_BYTES])
{
    const char *given = getenv("WEIR_SHARED_DATA"), *srcdir = getenv("srcdir");
    static const char *const beside[] = { "../shared/data", "../../shared/data" };

    if (given) {
        snprintf(ret, SHARED_DATA_PATH_BYTES, "%s/%s", given, name);
        if (access(ret, R_OK) == 0)
            return true;
    }
    for (size_t i = 0; !given && i < 2; i++) {
        snprintf(ret, SHARED_DATA_PATH_BYTES, "%s/%s/%s", srcdir ? srcdir : ".", beside[i], name);
        if (access(ret, R_OK) == 0)
            return true;
    }
    ck_assert_msg(!getenv("CI"), "CI needs the shared data: '%s' is not to be found", name);
    printf("SKIP: no shared data '%s' (set WEIR_SHARED_DATA to its folder)\n", name);
    return false;
}

#endif

/* temp_folder - a fresh folder for each test, removed after it:
 *
 *     tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
 */
#ifndef TESTS_TEMP_FOLDER_H
#define TESTS_TEMP_FOLDER_H

#include <check.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char temp_folder[200];

static inline void temp_folder_make(void)
{
    const char *parent = getenv("TMPDIR");

    snprintf(temp_folder, sizeof(temp_folder), "%s/weir-test-XXXXXX",
             parent && *parent ? parent : "/tmp");
    ck_assert_msg(mkdtemp(temp_folder) != NULL, "cannot make '%s'", temp_folder);
}

static inline int temp_folder_remove_one(const char *path, const struct stat *st, int kind,
                                         struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static inline void temp_folder_remove(void)
{
    ck_assert_int_eq(nftw(temp_folder, temp_folder_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The path of name in the folder; one of four buffers used in turn. */
static inline const char *temp_path(const char *name)
{
    static char paths[4][600];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", temp_folder, name);
    return path;
}

/* A disk that takes no more: no file may grow beyond bytes. */
static inline void temp_limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

#endif

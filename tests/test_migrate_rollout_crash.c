/* A writer is killed before and in the middle of every change it makes to the disk, and every such
 * change is made to fail: what was acknowledged is there once, and the next writer goes on. */
#include "config.h"

#include "migrate/rollout.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/vec.h"
#include "tests/rollout_sample.h"

#define ENTRIES 3

static const char *const actions[] = { "kill", "torn", "enospc", "eio" };

/* What a writer begins with. */
enum start { START_FRESH, START_WRITTEN, START_TORN, STARTS };
static const char *const starts[STARTS] = { "fresh", "written", "torn" };

struct run {
    int status;       /* of waitpid */
    int acknowledged; /* the last entry that was */
    char said[600];   /* on stderr */
};

static const char *build_path(const char *name)
{
    static char path[2][600];
    static unsigned turn;
    const char *build = getenv("abs_top_builddir");

    snprintf(path[++turn % 2], sizeof(path[0]), "%s/%s", build ? build : ".", name);
    return path[turn % 2];
}

static void exec_writer(int from, int to, const char *action, long at)
{
    char numbers[3][24];

    snprintf(numbers[0], sizeof(numbers[0]), "%d", from);
    snprintf(numbers[1], sizeof(numbers[1]), "%d", to);
    snprintf(numbers[2], sizeof(numbers[2]), "%ld", at);
    if (action)
        setenv("FAULTFS_ACTION", action, 1);
    setenv("FAULTFS_AT", numbers[2], 1);
    setenv("LD_PRELOAD", build_path("tests/preload/faultfs.so"), 1);
    execl(build_path("tests/rollout_writer"), "rollout_writer", temp_path("r"), numbers[0],
          numbers[1], (char *)NULL);
    _exit(127);
}

/* Into a file of the test's folder, so that neither side waits for the other. */
static void redirect(int fd, const char *name)
{
    int file = open(temp_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (file < 0 || dup2(file, fd) < 0)
        _exit(126);
    close(file);
}

static struct run write_entries(int from, int to, const char *action, long at)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct run run = { 0 };
    pid_t pid = fork();

    if (pid == 0) {
        redirect(STDOUT_FILENO, "out");
        redirect(STDERR_FILENO, "log");
        exec_writer(from, to, action, at);
    }
    ck_assert_int_eq(waitpid(pid, &run.status, 0), pid);
    sample_read(temp_path("out"), &text);
    const char *all = buf_cstr(&text);
    for (const char *line = all; *line; line = strchr(line, '\n') + 1)
        run.acknowledged = atoi(line);
    sample_read(temp_path("log"), &text);
    snprintf(run.said, sizeof(run.said), "%s", buf_cstr(&text));
    return run;
}

/* The steps that a writer takes, all in order. */
static long count_steps(int from, int to)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    setenv("FAULTFS_COUNT", temp_path("count"), 1);
    struct run run = write_entries(from, to, NULL, 0);
    unsetenv("FAULTFS_COUNT");
    ck_assert_msg(run.status == 0, "%s", run.said);
    sample_read(temp_path("count"), &text);
    return atol(buf_cstr(&text));
}

static void clear_folder(const char *path)
{
    if (file_exists(path))
        ck_assert_int_eq(nftw(path, temp_folder_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The folder as a writer finds it; returns the first entry that is still to be written. */
static int prepare(enum start start)
{
    CLEANUP(buf_release) struct buf file = { 0 };

    clear_folder(temp_path("r"));
    if (start == START_FRESH)
        return 1;
    ck_assert_int_eq(write_entries(1, 2, NULL, 0).status, 0);
    if (start == START_WRITTEN)
        return 3;
    sample_read(temp_path(SAMPLE_LEDGER), &file);
    sample_write(temp_path(SAMPLE_LEDGER), str_sub(buf_str(&file), 0, file.len - 40));
    return 2;
}

/* Entries 1 to `last` once and in order, and at most one more that nobody was told of. */
static void check_entries(int last, int limit)
{
    CLEANUP(rollout_close) struct rollout *r = sample_open("r", ROLLOUT_READ);
    CLEANUP(buf_release) struct buf blob = { 0 };
    int next = 1, recovered = 0;

    for (size_t i = 0; i < rollout_count(r); i++) {
        const struct rollout_entry *e = rollout_at(r, i);
        buf_clear(&blob);
        ck_ok(rollout_get_blob(r, e->evidence, &blob, &sample_err));
        if (e->kind == ROLLOUT_RECOVERED) {
            recovered++;
            continue;
        }
        ck_assert_int_eq(e->kind, ROLLOUT_HELD);
        ck_assert_int_eq(e->value, next++);
    }
    ck_assert_int_ge(next - 1, last);
    ck_assert_int_le(next - 1, limit);
    ck_assert_int_le(recovered, 2);
}

static void check_end(const struct run *run, const char *action)
{
    if (strcmp(action, "kill") == 0 || strcmp(action, "torn") == 0) {
        ck_assert(WIFSIGNALED(run->status) && WTERMSIG(run->status) == SIGKILL);
        return;
    }
    ck_assert_msg(WIFEXITED(run->status) && WEXITSTATUS(run->status) == 1, "ended with %x",
                  (unsigned)run->status);
    ck_assert_msg(strstr(run->said, "No space left") || strstr(run->said, "Input/output error"),
                  "%s", run->said);
}

static bool can_inject(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    printf("SKIP faults: a sanitizer must be loaded before faultfs\n");
    return false;
#else
    bool is_there = access(build_path("tests/preload/faultfs.so"), R_OK) == 0 &&
                    access(build_path("tests/rollout_writer"), X_OK) == 0;
    ck_assert_msg(is_there, "make check builds tests/preload/faultfs.so and tests/rollout_writer");
    return is_there;
#endif
}

START_TEST(whatever_step_fails_nothing_acknowledged_is_lost_and_nothing_comes_twice)
{
    enum start start = (enum start)(_i % STARTS);
    const char *action = actions[_i / STARTS];

    if (!can_inject())
        return;
    int from = prepare(start);
    long steps = count_steps(from, ENTRIES);
    for (long at = 1; at <= steps; at++) {
        from = prepare(start);
        struct run run = write_entries(from, ENTRIES, action, at);
        int last = run.acknowledged ? run.acknowledged : from - 1;
        check_end(&run, action);
        /* As any reader finds it. */
        check_entries(last, last + 1);
        struct run again = write_entries(1, ENTRIES, NULL, 0);
        ck_assert_msg(again.status == 0, "%s at %ld: %s", action, at, again.said);
        check_entries(ENTRIES, ENTRIES);
        ck_assert_uint_eq(sample_verify(""), 0);
        rollout_close(sample_open("r", ROLLOUT_WRITE));
    }
    printf("%s: %ld faults (%s)\n", starts[start], steps, action);
}
END_TEST

/* --- the machine's end: only what was synced survives --- */

/* What faultfs noted last of an inode: its size when it was synced, and whether its name was. */
static void find_synced(const char *log, unsigned long long inode, long long *ret_size,
                        bool *ret_named)
{
    FILE *f = fopen(log, "r");
    char line[600], kind;
    unsigned long long found;
    long long size;

    ck_assert_ptr_nonnull(f);
    *ret_size = -1;
    *ret_named = false;
    while (fgets(line, sizeof(line), f)) {
        int fields = sscanf(line, "%c %llu %lld", &kind, &found, &size);
        if (fields < 2 || found != inode)
            continue;
        if (kind == 'C') /* the number of a file that is gone is used again */
            *ret_size = -1, *ret_named = false;
        if (kind == 'S')
            *ret_size = size;
        if (kind == 'N')
            *ret_named = true;
    }
    fclose(f);
}

static int check_synced_in(const char *folder, const char *log)
{
    DIR *dir = opendir(folder);
    int files = 0;
    struct dirent *entry;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[600];
        struct stat st;
        long long size;
        bool is_named;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        ck_assert_int_eq(lstat(path, &st), 0);
        if (!S_ISREG(st.st_mode) || strcmp(entry->d_name, "rollout.lock") == 0)
            continue;
        find_synced(log, (unsigned long long)st.st_ino, &size, &is_named);
        ck_assert_msg(size >= st.st_size, "%s: %lld bytes synced of %lld", path, size,
                      (long long)st.st_size);
        ck_assert_msg(is_named, "%s: its folder was not synced", path);
        files++;
    }
    closedir(dir);
    return files;
}

START_TEST(what_is_acknowledged_is_on_disk_with_its_name)
{
    char log[300];

    if (!can_inject())
        return;
    snprintf(log, sizeof(log), "%s/synced", temp_folder);
    for (enum start start = 0; start < STARTS; start++) {
        unlink(log);
        setenv("FAULTFS_SYNCED", log, 1);
        int from = prepare(start);
        ck_assert_int_eq(write_entries(from, ENTRIES, NULL, 0).status, 0);
        unsetenv("FAULTFS_SYNCED");
        /* The torn ledger of a test was written by the test; what replaced it was not. */
        ck_assert_int_eq(check_synced_in(temp_path("r"), log), 3);
        ck_assert_int_eq(check_synced_in(temp_path("r/blobs"), log),
                         start == START_TORN ? ENTRIES + 1 : ENTRIES);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc,
                        whatever_step_fails_nothing_acknowledged_is_lost_and_nothing_comes_twice, 0,
                        (int)(ARRAY_LEN(actions) * STARTS));
    tcase_add_test(tc, what_is_acknowledged_is_on_disk_with_its_name);
}

CHECK_MAIN("migrate/rollout_crash", add_tests)

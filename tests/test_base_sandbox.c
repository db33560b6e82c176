/* What a process can no longer do once it is in the sandbox, and what it still can. */
#include "config.h"

#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

static unsigned enter(void)
{
    static const char *const readable[] = { "/usr", "/there/is/no/such/folder" };
    const char *writable[] = { temp_path("in") };
    struct sandbox s = { .writable = writable,
                         .writable_count = 1,
                         .readable = readable,
                         .readable_count = 2,
                         .memory_bytes = 256u << 20,
                         .descriptors = 20 };

    return sandbox_enter(&s);
}

/* Each returns whether it could be done. */
static bool connects(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}

static bool opens_unix_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}

static bool runs_a_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return false; /* as a program it would end with 0: see try */
}

static bool forks(void)
{
    return fork() >= 0;
}

static bool traces(void)
{
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0;
}

static bool signals_others(void)
{
    return kill(getppid(), 0) == 0;
}

static bool writes_outside(void)
{
    return open(temp_path("out/new"), O_CREAT | O_WRONLY, 0600) >= 0;
}

static bool changes_outside(void)
{
    return open(temp_path("out/file"), O_WRONLY) >= 0;
}

static bool removes_outside(void)
{
    return unlink(temp_path("out/file")) == 0;
}

static bool moves_out(void)
{
    return rename(temp_path("in/file"), temp_path("out/file2")) == 0;
}

static bool reads_outside(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0;
}

static bool has_a_core_file(void)
{
    struct rlimit l = { .rlim_cur = 1000000, .rlim_max = 1000000 };

    return setrlimit(RLIMIT_CORE, &l) == 0 && geteuid() != 0;
}

static bool takes_too_much(void)
{
    char *volatile much = malloc(512u << 20);
    bool has = much != NULL;

    free(much);
    return has;
}

static bool works_inside(void)
{
    int fd = open(temp_path("in/new"), O_CREAT | O_RDWR, 0600);

    return fd >= 0 && write(fd, "hello", 5) == 5 && fsync(fd) == 0 && ftruncate(fd, 2) == 0 &&
           close(fd) == 0 && rename(temp_path("in/new"), temp_path("in/other")) == 0 &&
           mkdir(temp_path("in/folder"), 0700) == 0 && unlink(temp_path("in/other")) == 0 &&
           rmdir(temp_path("in/folder")) == 0;
}

static bool reads_what_is_readable(void)
{
    return open("/usr", O_RDONLY | O_DIRECTORY) >= 0;
}

static bool takes_memory(void)
{
    char *volatile some = malloc(100u << 20);
    bool has = some != NULL;

    free(some);
    return has;
}

static const struct {
    const char *what;
    bool (*can)(void);
    bool expected;
    unsigned needs; /* of the sandbox; what does not hold here cannot be tested */
} rows[] = {
    {"connect",               connects,               false, SANDBOX_CALLS},
    { "open a unix socket",   opens_unix_socket,      false, SANDBOX_CALLS},
    { "run a program",        runs_a_program,         false, SANDBOX_CALLS},
    { "fork",                 forks,                  false, SANDBOX_CALLS},
    { "trace its parent",     traces,                 false, SANDBOX_CALLS},
    { "signal its parent",    signals_others,         false, SANDBOX_CALLS},
    { "make a file outside",  writes_outside,         false, SANDBOX_FILES},
    { "open a file outside",  changes_outside,        false, SANDBOX_FILES},
    { "remove outside",       removes_outside,        false, SANDBOX_FILES},
    { "move a file out",      moves_out,              false, SANDBOX_FILES},
    { "read outside",         reads_outside,          false, SANDBOX_FILES},
    { "have a core file",     has_a_core_file,        false, SANDBOX_CALLS},
    { "take too much memory", takes_too_much,         false, SANDBOX_CALLS},
    { "work inside",          works_inside,           true,  0            },
    { "read what it may",     reads_what_is_readable, true,  0            },
    { "take memory",          takes_memory,           true,  0            },
};

/* In a process of its own: 1 = it can, 2 = it cannot, 3 = the sandbox is not there. */
static int try(bool (*can)(void), unsigned needs)
{
    int status;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if ((enter() & needs) != needs)
            _exit(3);
        _exit(can() ? 1 : 2);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status), "it died of signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

START_TEST(the_work_can_be_done_and_nothing_else)
{
    struct err err;

    ck_assert_int_eq(mkdir(temp_path("in"), 0700), 0);
    ck_assert_int_eq(mkdir(temp_path("out"), 0700), 0);
    ck_assert_int_eq(file_replace(temp_path("in/file"), STR("x"), 0600, &err), 0);
    ck_assert_int_eq(file_replace(temp_path("out/file"), STR("x"), 0600, &err), 0);
    int got = try(rows[_i].can, rows[_i].needs);
    if (got == 3)
        printf("SKIP %s: this build or kernel cannot forbid it\n", rows[_i].what);
    else
        ck_assert_msg(got == (rows[_i].expected ? 1 : 2), "%s: %d", rows[_i].what, got);
    ck_assert(file_exists(temp_path("out/file")));
    ck_assert(!file_exists(temp_path("out/file2")));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_loop_test(tc, the_work_can_be_done_and_nothing_else, 0, ARRAY_LEN(rows));
}

CHECK_MAIN("base/sandbox", add_tests)

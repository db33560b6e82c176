/* The sealer of a running proxy: in its sandbox, killed at its steps, and before a journal that
 * cannot be sealed. */
#include "config.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "base/sandbox.h"
#include "capture/seal.h"
#include "capture/verify.h"
#include "tests/check_main.h"
#include "tests/preload/faultfs.h"
#include "tests/proxy_load.h"

#define SETTINGS                                                                                   \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"                     \
    "archive: {path: ./archive, durability: strict}\n"

static struct proxy_run run;
static struct buf answer;

static void stop(void)
{
    proxy_stop(&run);
    buf_release(&answer);
}

static bool log_has(const char *part)
{
    struct buf log = { 0 };
    struct err err;

    ck_assert_int_eq(file_read(run.log_path, 64u << 20, &log, &err), 0);
    bool has = strstr(buf_cstr(&log), part) != NULL;
    buf_release(&log);
    return has;
}

static void wait_for_log(const char *part)
{
    for (int i = 0; i < 3000; i++) {
        if (log_has(part))
            return;
        proxy_sleep_ms(20);
    }
    ck_abort_msg("no '%s' in the log after a minute", part);
}

static void ask(void)
{
    proxy_ask(&run, "GET /up/made/7/3000/0/0 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n",
              &answer);
    ck_assert_msg(strncmp(buf_cstr(&answer), "HTTP/1.1 200", 12) == 0, "%s", answer.ptr);
}

/* Exchanges in segments; every journal must be sealed, and all be as it should. */
static uint64_t count_sealed(void)
{
    struct verify_options options = { 0 };
    struct verify_stats stats;
    struct archive *a = NULL;
    struct err err;

    ck_assert_int_eq(archive_open(run.archive_path, false, &a, &err), 0);
    ck_assert_msg(verify_run(a, &options, &stats, &err) == 0, "%s", err.text);
    archive_close(a);
    ck_assert_uint_eq(stats.findings, 0);
    return stats.exchanges;
}

static void kill_all(void)
{
    kill(-run.pid, SIGKILL);
    waitpid(run.pid, NULL, 0);
    for (int i = 0; i < 3000 && kill(-run.pid, 0) == 0; i++)
        proxy_sleep_ms(10); /* until the locks of the others are gone, too */
}

START_TEST(sealing_works_in_the_sandbox)
{
    proxy_start(&run, SETTINGS);
    ask();
    kill_all();
    proxy_launch(&run);
    wait_for_log("event=sealed segments=1 exchanges=1");
    wait_for_log("event=sealer_sandbox");
#if defined(HAVE_SECCOMP) && !defined(__SANITIZE_ADDRESS__)
    if (!log_has("event=sealer_sandbox files=yes calls=yes"))
        printf("SKIP: this kernel has no Landlock or no seccomp\n");
#else
    printf("SKIP: sanitizers, or a build without libseccomp, leave system calls alone\n");
    ck_assert(log_has("calls=no"));
#endif
    ck_assert_uint_eq(count_sealed(), 1);
    stop();
}
END_TEST

#ifndef __SANITIZE_ADDRESS__

static struct faultfs_control *control;

static void load_faultfs(void)
{
    static char path[1200];
    const char *build = getenv("abs_top_builddir");

    snprintf(path, sizeof(path), "%s/tests/preload/faultfs.so", build ? build : ".");
    ck_assert_msg(access(path, R_OK) == 0, "'%s' is not built", path);
    setenv("FAULTFS_CONTROL", temp_path("control"), 1);
    int fd = open(temp_path("control"), O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(fd, sizeof(*control)), 0);
    control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert(control != MAP_FAILED);
    close(fd);
    setenv("LD_PRELOAD", path, 1);
}

/* Until no journal waits but that of the worker. */
static void wait_until_sealed(void)
{
    struct archive *a = NULL;
    struct err err;
    bool waits = true;

    ck_assert_int_eq(archive_open(run.archive_path, false, &a, &err), 0);
    for (int i = 0; i < 3000 && waits; i++) {
        struct archive_journals journals = { 0 };
        ck_assert_int_eq(archive_journals_list(a, &journals, &err), 0);
        waits = false;
        for (size_t n = 0; n < journals.len; n++)
            waits |= journals.ptr[n].ready || !archive_journal_is_live(&journals.ptr[n]);
        archive_journals_release(&journals);
        proxy_sleep_ms(20);
    }
    archive_close(a);
    ck_assert_msg(!waits, "a journal is not sealed after a minute");
}

/* One exchange each time, in a journal whose writer died; the sealer dies at the given step, and
 * the next one takes over.  false: there is no such step. */
static bool seal_dying_at(long number)
{
    ask();
    kill_all();
    atomic_store(&control->seal_steps, 0);
    atomic_store(&control->kill_at, number);
    proxy_launch(&run);
    wait_until_sealed();
    bool died = atomic_load(&control->kill_at) == 0;
    if (died)
        wait_for_log("event=sealer_died signal=9 ");
    atomic_store(&control->kill_at, 0);
    return died;
}

START_TEST(killed_at_its_steps_it_seals_everything_once)
{
    const char *all = getenv("WEIR_KILLS");
    long step = 1;
    uint64_t exchanges = 0;

    proxy_prepare(&run, SETTINGS);
    load_faultfs();
    proxy_launch(&run);
    while (seal_dying_at(step)) {
        ck_assert_uint_eq(count_sealed(), ++exchanges);
        step += all ? 1 : 17;
    }
    ck_assert_uint_eq(count_sealed(), exchanges + 1);
    printf("the sealer was killed at %lu steps, of %ld at most\n", (unsigned long)exchanges, step);
    ck_assert_uint_gt(exchanges, 3);
    unsetenv("LD_PRELOAD");
    munmap(control, sizeof(*control));
    stop();
}
END_TEST

#endif

/* A journal with a byte flipped in its middle. */
static void poison(void)
{
    struct archive *a = NULL;
    struct journal_writer *j = NULL;
    struct journal_frame begin_frame = { .type = JOURNAL_BEGIN, .sequence = 1 };
    struct err err;
    char path[400];
    static char filler[10000];

    begin_frame.payload = (struct str){ filler, sizeof(filler) };
    ck_assert_int_eq(archive_open(run.archive_path, true, &a, &err), 0);
    snprintf(path, sizeof(path), "%s/journal/a-poisoned.journal", run.archive_path);
    ck_assert_msg(journal_create(path, STR("a-poisoned"), 1, JOURNAL_BATCH, &j, &err) == 0, "%s",
                  err.text);
    ck_assert_int_eq(journal_append(j, &begin_frame, &err), 0);
    ck_assert_int_eq(journal_finish(j, &err), 0);
    snprintf(path, sizeof(path), "%s/journal/a-poisoned.ready", run.archive_path);
    int fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, "!", 1, 5000), 1);
    close(fd);
    archive_close(a);
}

START_TEST(a_journal_that_cannot_be_sealed_blocks_no_other_and_is_set_aside)
{
    struct buf metrics = { 0 };
    struct proxy_run admin;

    proxy_prepare(&run, SETTINGS);
    poison(); /* its name comes first */
    proxy_launch(&run);
    ask();
    wait_for_log("event=seal_failed");
    kill_all();
    proxy_launch(&run);
    wait_for_log("event=sealed segments=1 exchanges=1");
    wait_for_log("event=journal_set_aside journal=a-poisoned failures=3");
    admin = run;
    admin.port = run.admin_port;
    proxy_ask(&admin, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &metrics);
    ck_assert(strstr(buf_cstr(&metrics), "\nweir_journals_set_aside 1\n") != NULL);
    ck_assert(strstr(metrics.ptr, "\nweir_sealer_failures_total 3\n") != NULL);
    ck_assert(strstr(metrics.ptr, "\nweir_exchanges_sealed_total 1\n") != NULL);
    ck_assert(file_exists(temp_path("archive/journal/a-poisoned.ready")));
    buf_release(&metrics);
    stop();
}
END_TEST

/* What a capture command prints of the archive. */
static void capture(const struct proxy_run *p, const char *command, struct buf *ret)
{
    char arguments[1500];

    snprintf(arguments, sizeof(arguments), "capture %s --archive '%s'", command, p->archive_path);
    proxy_command(arguments, ret);
}

START_TEST(what_waits_to_be_sealed_is_told_with_what_seals_it)
{
    CLEANUP(buf_release) struct buf said = { 0 };
    struct proxy_run p;
    char show[100];

    proxy_start(&p, "listen: {address: \"127.0.0.1:0\"}\narchive: {path: ./archive}\n");
    proxy_ask(&p, "GET /up/body/1 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n", &said);
    do /* until the journal has it: with batch after 50 ms */
        capture(&p, "ls", &said);
    while (!strstr(said.ptr, "not listed: 1 exchanges"));
    ck_assert_msg(strstr(said.ptr, "the proxy seals a journal when") != NULL, "%s", said.ptr);
    capture(&p, "seal", &said);
    ck_assert_msg(strstr(said.ptr, "is left to its writer") != NULL, "%s", said.ptr);
    ck_assert_int_eq(proxy_end(&p, SIGTERM), 0);
    capture(&p, "ls", &said);
    ck_assert_msg(strstr(said.ptr, "weir capture seal seals them") != NULL, "%s", said.ptr);
    capture(&p, "seal", &said);
    capture(&p, "ls --format csv", &said);
    ck_assert_msg(strstr(said.ptr, "not listed") == NULL, "%s", said.ptr);
    snprintf(show, sizeof(show), "show %.36s", strchr(said.ptr, '\n') + 1);
    capture(&p, show, &said);
    ck_assert_msg(strstr(said.ptr, "> GET /up/body/1\n") != NULL, "%s", said.ptr);
    ck_assert_msg(strstr(said.ptr, "upstream     up at http://127.0.0.1:") != NULL, "%s", said.ptr);
    proxy_launch(&p);
    proxy_stop(&p);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_set_timeout(tc, 1200);
    tcase_add_test(tc, what_waits_to_be_sealed_is_told_with_what_seals_it);
    tcase_add_test(tc, sealing_works_in_the_sandbox);
    tcase_add_test(tc, a_journal_that_cannot_be_sealed_blocks_no_other_and_is_set_aside);
#ifndef __SANITIZE_ADDRESS__
    tcase_add_test(tc, killed_at_its_steps_it_seals_everything_once);
#else
    printf("SKIP the sealer's steps: a sanitizer must be loaded before faultfs\n");
#endif
}

CHECK_MAIN("proxy/sealer", add_tests)

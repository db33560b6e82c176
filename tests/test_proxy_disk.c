/* A disk that is full, broken or slow for a while, under a proxy that carries traffic: faultfs.so
 * makes it so.  Whatever on_pressure says, nothing may be missing that is not counted. */
#include "config.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include "capture/seal.h"
#include "capture/verify.h"
#include "tests/check_main.h"
#include "tests/h2_client.h"
#include "tests/preload/faultfs.h"
#include "tests/proxy_load.h"
#include "tests/proxy_memory.h"

static struct proxy_run run;
static struct load load;
static struct faultfs_control *control;

static void map_control(void)
{
    int fd = open(temp_path("control"), O_RDWR | O_CREAT, 0600);

    ck_assert_int_eq(ftruncate(fd, sizeof(*control)), 0);
    control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert(control != MAP_FAILED);
    close(fd);
}

static void start(const char *durability, const char *pressure)
{
    const char *build = getenv("abs_top_builddir");
    char settings[400], path[1200];

    snprintf(settings, sizeof(settings),
             "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"
             "archive: {path: ./archive, durability: %s, on_pressure: %s,\n"
             "  segment: {bytes: 1MiB, age: 1s}}\n",
             durability, pressure);
    proxy_prepare(&run, settings);
    map_control();
    snprintf(path, sizeof(path), "%s/tests/preload/faultfs.so", build ? build : ".");
    ck_assert_msg(access(path, R_OK) == 0, "'%s' is not built", path);
    setenv("FAULTFS_CONTROL", temp_path("control"), 1);
    setenv("LD_PRELOAD", path, 1);
    proxy_launch(&run);
    unsetenv("LD_PRELOAD");
    load_start(&load, run.port, 1);
}

/* --- what the proxy says of itself --- */

static void ask_admin(const char *path, struct buf *ret)
{
    struct proxy_run admin = run;
    char request[100];

    admin.port = run.admin_port;
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    proxy_ask(&admin, request, ret);
}

static long metric(const char *name)
{
    struct buf text = { 0 };
    char want[100];

    ask_admin("/metrics", &text);
    snprintf(want, sizeof(want), "\nweir_%s ", name);
    const char *at = strstr(buf_cstr(&text), want);
    ck_assert_msg(at != NULL, "no metric %s", name);
    long value = atol(at + strlen(want));
    buf_release(&text);
    return value;
}

static bool is_ready(void)
{
    struct buf text = { 0 };

    ask_admin("/readyz", &text);
    bool ready = strncmp(buf_cstr(&text), "HTTP/1.1 200", 12) == 0;
    ck_assert(ready || strncmp(text.ptr, "HTTP/1.1 503", 12) == 0);
    buf_release(&text);
    return ready;
}

static void wait_until_ready(bool ready)
{
    for (int i = 0; i < 2500; i++) {
        if (is_ready() == ready)
            return;
        proxy_sleep_ms(20);
    }
    ck_abort_msg("/readyz does not say %s after 50 s", ready ? "200" : "503");
}

static int count_log(const char *part)
{
    struct buf log = { 0 };
    struct err err;
    int count = 0;

    ck_assert_int_eq(file_read(run.log_path, 64u << 20, &log, &err), 0);
    for (const char *at = strstr(buf_cstr(&log), part); at; at = strstr(at + 1, part))
        count++;
    buf_release(&log);
    return count;
}

/* The true disk can be slow as well, at any time: each time it is told, so is its end. */
static void wait_until_caught_up(void)
{
    for (int i = 0; i < 2500; i++) {
        int ended = count_log("event=journal_caught_up");
        if (ended > 0 && ended == count_log("event=journal_slow "))
            return;
        proxy_sleep_ms(20);
    }
    ck_abort_msg("the journal was slow %d times, and caught up %d times",
                 count_log("event=journal_slow "), count_log("event=journal_caught_up"));
}

static long memory_kib(void)
{
    return proxy_memory_kib(proxy_worker_pid(&run, 0));
}

static void check_refusal(void)
{
    struct buf answer = { 0 };

    proxy_ask(&run, "GET /up/body/1 HTTP/1.1\r\nHost: w\r\nConnection: close\r\n\r\n", &answer);
    ck_assert_msg(strncmp(buf_cstr(&answer), "HTTP/1.1 503", 12) == 0, "%s", answer.ptr);
    ck_assert_str_eq(proxy_header(&answer, "x-weir-error"), "not_recorded");
    ck_assert(strstr(answer.ptr, "{\"error\":{\"type\":\"weir_error\"") != NULL);
    buf_release(&answer);
}

/* --- how it ends --- */

/* What it counts is final once it has seen all clients leave. */
static void stop_load(void)
{
    load_stop(&load);
    proxy_wait_for(&run, "weir_exchanges_open", 0);
}

/* Stops the proxy and seals; what was received must be in the archive. */
static struct load_found end(void)
{
    struct verify_options options = { 0 };
    struct verify_stats verified;
    struct seal_stats sealed;
    struct archive *a = NULL;
    struct err err;

    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    ck_assert_int_eq(archive_open(run.archive_path, false, &a, &err), 0);
    ck_assert_msg(seal_run(a, NULL, &sealed, &err) == 0, "%s", err.text);
    ck_assert_msg(verify_run(a, &options, &verified, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(verified.findings, 0);
    archive_close(a);
    struct load_found f = load_check(&load, run.archive_path);
    ck_assert_uint_eq(f.lost_us.len, 0);
    ck_assert_uint_eq(f.twice, 0);
    ck_assert_uint_gt(f.exact, 10);
    vec_release(&f.lost_us);
    return f;
}

static void clean_up(void)
{
    kill(run.upstream, SIGKILL);
    waitpid(run.upstream, NULL, 0);
    if (control)
        munmap(control, sizeof(*control));
    control = NULL;
    temp_folder_remove();
}

/* Frames that are held, 16 MiB at most; what waits for a true disk that is slow as well, 64 MiB at
 * most; and what the calls themselves take. */
#define MEMORY_KIB (96l << 10)

static const char *const pressures[] = { "block", "drop_bodies", "refuse" };
enum { BLOCK, DROP, REFUSE };
static const char *const durabilities[] = { "strict", "batch" };
static const struct {
    const char *what, *words;
    int write_errno, sync_errno;
} faults[] = {
    {"full",            "No space left on device", ENOSPC, 0  },
    { "broken writes",  "Input/output error",      EIO,    0  },
    { "broken syncing", "Input/output error",      0,      EIO},
};
#define FAULT_ROWS (ARRAY_LEN(pressures) * ARRAY_LEN(durabilities) * ARRAY_LEN(faults))

static void check_fault_time(int pressure, size_t fault)
{
    size_t before;

    if (pressure == REFUSE)
        check_refusal();
    proxy_sleep_ms(100);
    before = load.count;
    proxy_sleep_ms(300);
    if (pressure == BLOCK)
        ck_assert_msg(load.count - before <= LOAD_CLIENTS, "%zu answers while blocked",
                      load.count - before);
    ck_assert_int_eq(count_log("event=journal_failing "), 1);
    ck_assert_int_eq(count_log("event=journal_recovered"), 0);
    ck_assert_int_gt(count_log(faults[fault].words), 0);
    for (int i = 0; i < 2500 && metric("journal_failures_total") < 2; i++)
        proxy_sleep_ms(20); /* it is tried again */
    ck_assert_int_gt(metric("journal_failures_total"), 1);
}

START_TEST(a_disk_that_fails_for_a_while_loses_nothing_uncounted)
{
    size_t i = (size_t)_i;
    int pressure = (int)(i % ARRAY_LEN(pressures));
    size_t durability = i / ARRAY_LEN(pressures) % ARRAY_LEN(durabilities);
    size_t fault = i / ARRAY_LEN(pressures) / ARRAY_LEN(durabilities);

    /* Each pressure with each fault; both ways under `make soak`. */
    if (!getenv("WEIR_KILLS") && ((size_t)pressure + fault) % ARRAY_LEN(durabilities) != durability)
        return;
    start(durabilities[durability], pressures[pressure]);
    wait_until_ready(true);
    proxy_sleep_ms(250);
    long before = memory_kib();
    atomic_store(&control->write_errno, faults[fault].write_errno);
    atomic_store(&control->sync_errno, faults[fault].sync_errno);
    wait_until_ready(false);
    check_fault_time(pressure, fault);
    long after = memory_kib();
    atomic_store(&control->write_errno, 0);
    atomic_store(&control->sync_errno, 0);
    wait_until_ready(true);
    ck_assert_int_eq(count_log("event=journal_recovered"), 1);
    load_wait(&load, 1);
    proxy_sleep_ms(300);
    stop_load();
    long dropped = metric("bodies_dropped_total"), lost = metric("exchanges_lost_total");
    struct load_found f = end();
    printf("%s, %s, %s: %zu answers, %zu without a body, %ld bodies dropped, %ld exchanges in "
           "doubt, %ld KiB more\n",
           faults[fault].what, durabilities[durability], pressures[pressure], load.count, f.marked,
           dropped, lost, after - before);
    ck_assert_int_lt(after - before, MEMORY_KIB);
    ck_assert_int_eq((long)f.dropped, dropped);
    ck_assert((pressure == BLOCK) <= (dropped == 0));
    ck_assert((faults[fault].sync_errno == 0) == (lost == 0));
    clean_up();
}
END_TEST

START_TEST(a_disk_that_takes_too_long_is_pressure)
{
    start("batch", pressures[_i]);
    wait_until_ready(true);
    proxy_sleep_ms(250);
    long before = memory_kib();
    atomic_store(&control->sync_delay_ms, 600000);
    wait_until_ready(false);
    ck_assert_int_ge(count_log("event=journal_slow "), 1);
    if (_i == REFUSE)
        check_refusal();
    ck_assert_int_lt(memory_kib() - before, MEMORY_KIB);
    atomic_store(&control->sync_delay_ms, 0);
    wait_until_ready(true);
    wait_until_caught_up();
    load_wait(&load, 1);
    stop_load();
    long dropped = metric("bodies_dropped_total");
    struct load_found f = end();
    ck_assert_int_eq((long)f.dropped, dropped);
    ck_assert(_i != BLOCK || dropped == 0);
    clean_up();
}
END_TEST

/* Streams of one connection, begun while nothing can be recorded: none is answered, then all are.
 */
START_TEST(streams_over_http2_wait_for_the_disk)
{
    static struct h2_client c;
    int32_t ids[20];
    size_t answered = 0;

    start("strict", pressures[BLOCK]);
    wait_until_ready(true);
    h2_connect(&c, proxy_connect(run.port));
    h2_wait(&c, h2_ask(&c, "GET", "/up/body/1", NULL, NULL, 0));
    atomic_store(&control->write_errno, ENOSPC);
    wait_until_ready(false);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        ids[i] = h2_ask(&c, "POST", "/up/echo", NULL, "hello", 5);
    h2_run(&c, 400);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        answered += c.answers[ids[i]].ended;
    ck_assert_uint_eq(answered, 0);
    atomic_store(&control->write_errno, 0);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        h2_wait(&c, ids[i]);
        ck_assert(c.answers[ids[i]].status == 200 && c.answers[ids[i]].ended);
    }
    h2_close(&c);
    stop_load();
    ck_assert_int_eq(metric("bodies_dropped_total") + metric("exchanges_lost_total"), 0);
    end();
    clean_up();
}
END_TEST

/* A file system of its own that is really full, until it is made larger. */
START_TEST(a_real_file_system_that_is_full_loses_nothing)
{
    char archive[300];

    proxy_prepare(&run, "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 1}\n"
                        "archive: {path: ./archive, durability: strict, on_pressure: block}\n");
    snprintf(archive, sizeof(archive), "%s", run.archive_path);
    ck_assert_int_eq(mkdir(archive, 0700), 0);
    if (mount("tmpfs", archive, "tmpfs", 0, "size=3m") < 0) {
        printf("SKIP a full file system: mounting one is not allowed here\n");
        clean_up();
        return;
    }
    proxy_launch(&run);
    wait_until_ready(true);
    load_start(&load, run.port, 1);
    wait_until_ready(false);
    ck_assert_int_gt(count_log("No space left on device"), 0);
    proxy_sleep_ms(300);
    ck_assert_int_eq(mount("tmpfs", archive, "tmpfs", MS_REMOUNT, "size=300m"), 0);
    wait_until_ready(true);
    load_wait(&load, 1);
    stop_load();
    struct load_found f = end();
    ck_assert_uint_eq(f.marked, 0);
    ck_assert_int_eq(umount(archive), 0);
    clean_up();
}
END_TEST

static void add_tests(TCase *tc)
{
#ifdef __SANITIZE_ADDRESS__
    bool can_preload = false;
#else
    bool can_preload = true;
#endif

    if (!can_preload)
        printf("SKIP disk faults: a sanitizer must be loaded before faultfs\n");
    tcase_add_loop_test(tc, a_disk_that_fails_for_a_while_loses_nothing_uncounted, 0,
                        can_preload ? FAULT_ROWS : 0);
    tcase_add_loop_test(tc, a_disk_that_takes_too_long_is_pressure, 0,
                        can_preload ? ARRAY_LEN(pressures) : 0);
    tcase_add_loop_test(tc, streams_over_http2_wait_for_the_disk, 0, can_preload ? 1 : 0);
    tcase_add_test(tc, a_real_file_system_that_is_full_loses_nothing);
}

CHECK_MAIN("proxy/disk", add_tests)

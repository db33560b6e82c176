/* The proxy is killed under load, and the machine under it, again and again on the same archive:
 * what a client received in full must be there.  WEIR_KILLS and WEIR_SEED change how often and
 * how. */
#include "config.h"

#include <dirent.h>
#include <sys/resource.h>

#include "capture/seal.h"
#include "capture/verify.h"
#include "proxy/recorder.h"
#include "tests/check_main.h"
#include "tests/proxy_load.h"

#define SETTINGS                                                                                   \
    "listen: {address: \"127.0.0.1:0\", admin: \"127.0.0.1:0\", workers: 2, grace: 1s}\n"          \
    "archive: {path: ./archive, durability: %s, segment: {bytes: 1MiB, age: 1s}}\n"

#define KILLS_MAX 1000

static struct proxy_run run;
static struct load load;
static unsigned seed;
static int kills;
static uint64_t killed_us[KILLS_MAX];
static uint64_t reborn_us[KILLS_MAX]; /* what is received later is of the next life */
static uint64_t launched_us;

/* A path for LD_PRELOAD, or NULL. */
static const char *preload;

static void start_again(void)
{
    if (preload)
        setenv("LD_PRELOAD", preload, 1);
    proxy_launch(&run);
    unsetenv("LD_PRELOAD");
    launched_us = load_now_us();
    atomic_store(&load.port, run.port);
}

static int number_from(const char *name, int otherwise)
{
    const char *text = getenv(name);

    return text && *text ? atoi(text) : otherwise;
}

/* With what faultfs.so needs, but for LD_PRELOAD, if it is to be there. */
static void begin(const char *durability)
{
    char settings[300], log[300];

    kills = number_from("WEIR_KILLS", 20);
    ck_assert_int_le(kills, KILLS_MAX);
    seed = (unsigned)number_from("WEIR_SEED", (int)(load_now_us() % 1000000));
    printf("%d kills, durability %s, WEIR_SEED=%u\n", kills, durability, seed);
    fflush(stdout);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    snprintf(settings, sizeof(settings), SETTINGS, durability);
    proxy_prepare(&run, settings);
    /* Its log lies where the sealer, too, may write. */
    ck_assert_int_eq(mkdir(run.archive_path, 0700), 0);
    snprintf(log, sizeof(log), "%s/faultfs.log", run.archive_path);
    setenv("FAULTFS_SYNCED", log, 1);
    start_again();
    load_start(&load, run.port, seed);
    srand(seed);
}

static void reap(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

/* Ends every process of the proxy at once, as a machine does. */
static void kill_group(pid_t group)
{
    kill(-group, SIGKILL);
    while (waitpid(-group, NULL, 0) > 0 || errno == EINTR)
        ;
}

/* A child of the parent: the sealer, which is the nice one, or a worker.  0: there is none. */
static pid_t child_of(pid_t parent, bool sealer)
{
    char path[64];
    pid_t pid, found = 0;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
    FILE *f = fopen(path, "r");
    while (f && fscanf(f, "%d", &pid) == 1)
        if ((getpriority(PRIO_PROCESS, (id_t)pid) == 19) == sealer && (!found || rand() % 2))
            found = pid;
    if (f)
        fclose(f);
    return found;
}

static void kill_group_and_start(void)
{
    kill_group(run.pid);
    start_again();
}

/* Its workers drain, and another weir starts meanwhile. */
static void kill_parent(void)
{
    kill(run.pid, SIGKILL);
    waitpid(run.pid, NULL, 0);
    start_again();
}

static void kill_worker(void)
{
    pid_t pid = child_of(run.pid, false);

    if (pid)
        kill(pid, SIGKILL);
}

/* Workers of parents that were killed are ours (begin), and leave within their grace. */
static bool has_orphans(void)
{
    char path[64];
    pid_t pid;
    bool found = false;

    reap();
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fscanf(f, "%d", &pid) == 1)
        found |= pid != run.upstream;
    fclose(f);
    return found;
}

/* It works for a short time every two seconds only. */
static void kill_sealer(void)
{
    pid_t pid = 0;

    for (int i = 0; i < 1200 && !(pid = child_of(run.pid, true)); i++)
        usleep(2000);
    proxy_sleep_ms(rand() % 8);
    if (pid)
        kill(pid, SIGKILL);
}

static int count_notes(const char *want, uint64_t *ret_findings);

static struct load_found end(void)
{
    struct archive *a = NULL;
    struct seal_stats sealed;
    uint64_t findings;
    struct err err;

    load_stop(&load);
    ck_assert_int_eq(proxy_end(&run, SIGTERM), 0);
    for (int i = 0; i < 6000 && has_orphans(); i++)
        proxy_sleep_ms(10);
    ck_assert(!has_orphans());
    ck_assert_int_eq(archive_open(run.archive_path, false, &a, &err), 0);
    ck_assert_msg(seal_run(a, NULL, &sealed, &err) == 0, "%s", err.text);
    archive_close(a);
    count_notes("", &findings);
    ck_assert_uint_eq(findings, 0);
    struct load_found f = load_check(&load, run.archive_path);
    printf("%zu answers received in full: %zu in the archive byte for byte, %zu lost\n", load.count,
           f.exact, f.lost_us.len);
    ck_assert_uint_eq(f.twice, 0);
    ck_assert_uint_eq(f.marked, 0);
    ck_assert_uint_gt(load.count, 5 * (size_t)kills);
    return f;
}

static void clean_up(struct load_found *f)
{
    vec_release(&f->lost_us);
    kill(run.upstream, SIGKILL);
    waitpid(run.upstream, NULL, 0);
    temp_folder_remove();
}

struct noting {
    const char *want;
    int count;
};

static void on_note(void *ctx, const char *text)
{
    struct noting *n = ctx;

    n->count += strstr(text, n->want) != NULL;
}

static void on_finding(void *ctx, const char *text)
{
    (void)ctx;
    fprintf(stderr, "verify: %s\n", text);
}

static int count_notes(const char *want, uint64_t *ret_findings)
{
    struct noting n = { .want = want };
    struct verify_options options = { .finding = on_finding, .note = on_note, .ctx = &n };
    struct verify_stats stats;
    struct archive *a = NULL;
    struct err err;

    ck_assert_int_eq(archive_open(run.archive_path, false, &a, &err), 0);
    ck_assert_msg(verify_run(a, &options, &stats, &err) == 0, "%s", err.text);
    archive_close(a);
    *ret_findings = stats.findings;
    return n.count;
}

START_TEST(whichever_process_is_killed_strict_has_all_that_was_received)
{
    static void (*const victims[])(void) = { kill_group_and_start, kill_group_and_start,
                                             kill_worker,          kill_worker,
                                             kill_parent,          kill_sealer };

    begin("strict");
    for (int i = 0; i < kills; i++) {
        proxy_sleep_ms(30 + rand() % 300);
        load_wait(&load, 6);
        victims[(size_t)rand() % ARRAY_LEN(victims)]();
    }
    struct load_found f = end();
    ck_assert_uint_eq(f.lost_us.len, 0);
    clean_up(&f);
}
END_TEST

/* --- batch --- */

/* How long this machine lets a process wait that has something to do, seen by one that has. */
struct stalls {
    pthread_t thread;
    atomic_bool stop;
    atomic_ulong longest_us;
};
static struct stalls stalls;

static void *watch_stalls(void *ctx)
{
    struct stalls *s = ctx;

    while (!atomic_load(&s->stop)) {
        uint64_t from_us = load_now_us();
        usleep(1000);
        uint64_t late_us = load_now_us() - from_us - 1000;
        if (late_us > atomic_load(&s->longest_us))
            atomic_store(&s->longest_us, late_us);
    }
    return NULL;
}

static void begin_batch(void)
{
    begin("batch");
    stalls = (struct stalls){ 0 };
    ck_assert_int_eq(pthread_create(&stalls.thread, NULL, watch_stalls, &stalls), 0);
}

static struct load_found end_batch(void)
{
    atomic_store(&stalls.stop, true);
    pthread_join(stalls.thread, NULL);
    return end();
}

/* How late its workers were at most, by their own account. */
static void ask_for_lag(void)
{
    struct proxy_run admin = run;
    struct buf page = { 0 };

    admin.port = run.admin_port;
    proxy_ask(&admin, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", &page);
    const char *at = strstr(buf_cstr(&page), "\nweir_loop_lag_seconds ");
    ck_assert_ptr_nonnull(at);
    uint64_t us = (uint64_t)(strtod(strchr(at + 1, ' '), NULL) * 1e6);
    if (us > atomic_load(&stalls.longest_us))
        atomic_store(&stalls.longest_us, us);
    buf_release(&page);
}

static void kill_all_and_start(int i, void (*meanwhile)(void))
{
    proxy_sleep_ms(100 + rand() % 300);
    load_wait(&load, 6);
    ask_for_lag();
    killed_us[i] = load_now_us();
    kill_group(run.pid);
    if (meanwhile)
        meanwhile();
    start_again();
    reborn_us[i] = launched_us;
}

/* Between being received and being written down, and the other way round. */
#define SLACK_US 5000

static void check_window(const struct load_found *f, uint64_t more_us)
{
    uint64_t findings, oldest_us = 0, stall_us = atomic_load(&stalls.longest_us);

    /* Whoever got an answer asks again at once: a worker that stands still, and so does not write,
     * lets it wait until it is killed. */
    if (atomic_load(&load.cut_after_us) > stall_us)
        stall_us = atomic_load(&load.cut_after_us);

    for (size_t n = 0; n < f->lost_us.len; n++) {
        uint64_t at_us = f->lost_us.ptr[n];
        int i = 0;
        while (i < kills && reborn_us[i] < at_us)
            i++;
        ck_assert_int_lt(i, kills); /* nobody was killed after this one */
        uint64_t age_us = killed_us[i] > at_us ? killed_us[i] - at_us : 0;
        oldest_us = age_us > oldest_us ? age_us : oldest_us;
    }
    int named = count_notes("its writer died", &findings);
    printf("what was lost had been received at most %.1f ms before, of the %.1f that are promised; "
           "the longest stall took %.1f; verify names %d journals\n",
           (double)oldest_us / 1000, (double)(RECORDER_SYNC_US + more_us) / 1000,
           (double)stall_us / 1000, named);
    ck_assert_uint_le(oldest_us, RECORDER_SYNC_US + stall_us + more_us + SLACK_US);
    if (f->lost_us.len)
        ck_assert_int_gt(named, 0);
}

START_TEST(killed_in_batch_mode_only_the_last_moments_are_lost)
{
    begin_batch();
    for (int i = 0; i < kills; i++)
        kill_all_and_start(i, NULL);
    struct load_found f = end_batch();
    check_window(&f, 0);
    clean_up(&f);
}
END_TEST

/* --- the machine's end --- */

/* What faultfs.so noted of one inode. */
struct survivor {
    uint64_t size;
    char name[200]; /* "" if its folder was not synced since it got one */
};

struct disk {
    struct map by_inode; /* index + 1 into files */
    VEC(struct survivor) files;
    uint64_t longest_sync_us;
    size_t cut, bytes, renamed, gone; /* what the cuts of a test did */
};
static struct disk disk;

static struct survivor *survivor(unsigned long long inode)
{
    char key[24];
    bool is_new;

    snprintf(key, sizeof(key), "%llu", inode);
    struct map_entry *entry = map_put(&disk.by_inode, str_from(key), &is_new);
    if (is_new) {
        entry->value = disk.files.len;
        vec_push(&disk.files, ((struct survivor){ 0 }));
    }
    return &disk.files.ptr[entry->value];
}

static void read_synced(const char *path)
{
    char line[600], name[300];
    unsigned long long inode, size, from, to;
    FILE *f = fopen(path, "r");

    map_release(&disk.by_inode);
    disk.by_inode = (struct map){ 0 };
    disk.files.len = 0;
    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "C %llu", &inode) == 1) {
            *survivor(inode) = (struct survivor){ 0 };
        } else if (sscanf(line, "S %llu %llu %llu %llu", &inode, &size, &from, &to) == 4) {
            struct survivor *s = survivor(inode);
            s->size = size > s->size ? size : s->size;
            disk.longest_sync_us =
                to - from > disk.longest_sync_us ? to - from : disk.longest_sync_us;
        } else if (sscanf(line, "N %llu %299s", &inode, name) == 2) {
            snprintf(survivor(inode)->name, sizeof(disk.files.ptr->name), "%.199s", name);
        }
    }
    if (f)
        fclose(f);
}

/* Of what was written since the last sync, the disk has some, and in place of the rest maybe
 * zeros. */
static void tear(const char *path, uint64_t synced, uint64_t size)
{
    uint64_t kept = synced;

    if (size <= synced)
        return;
    disk.cut++;
    disk.bytes += size - synced;
    if (rand() % 3)
        kept += (uint64_t)rand() % (size - synced);
    ck_assert_int_eq(truncate(path, (off_t)kept), 0);
    if (rand() % 3 == 0)
        ck_assert_int_eq(truncate(path, (off_t)((kept + 1023) / 512 * 512)), 0);
}

/* What a cut leaves is on the disk: the next one takes nothing of it. */
static void note_left(const char *path, const char *name)
{
    char log[300];
    struct stat st;

    snprintf(log, sizeof(log), "%s/faultfs.log", run.archive_path);
    FILE *f = fopen(log, "a");
    ck_assert(f && stat(path, &st) == 0);
    fprintf(f, "S %lu %lu 0 0\nN %lu %s\n", (unsigned long)st.st_ino, (unsigned long)st.st_size,
            (unsigned long)st.st_ino, name);
    ck_assert_int_eq(fclose(f), 0);
}

/* Of the same file: an inode can have been another's, whose name was noted late. */
static bool is_earlier_name(const char *earlier, const char *name)
{
    struct str a = str_from(earlier), b = str_from(name);

    if (str_starts_with(a, STR(ARCHIVE_TMP_PREFIX)))
        return str_eq(str_sub(a, sizeof(ARCHIVE_TMP_PREFIX) - 1, SIZE_MAX), b);
    return str_ends_with(a, STR(ARCHIVE_JOURNAL_SUFFIX)) &&
           str_ends_with(b, STR(ARCHIVE_READY_SUFFIX)) &&
           str_eq(str_sub(a, 0, a.len - (sizeof(ARCHIVE_JOURNAL_SUFFIX) - 1)),
                  str_sub(b, 0, b.len - (sizeof(ARCHIVE_READY_SUFFIX) - 1)));
}

static void cut_folder(const char *folder)
{
    char path[800], old[800];
    struct dirent *entry;
    struct stat st;
    DIR *dir = opendir(folder);

    while (dir && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.' && !strchr(entry->d_name, '-'))
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (lstat(path, &st) < 0 || strcmp(entry->d_name, "faultfs.log") == 0)
            continue;
        if (S_ISDIR(st.st_mode)) {
            cut_folder(path);
            continue;
        }
        struct survivor *s = survivor(st.st_ino);
        if (!s->name[0]) {
            unlink(path);
            disk.gone++;
            continue;
        }
        tear(path, s->size, (uint64_t)st.st_size);
        note_left(path, entry->d_name);
        if (is_earlier_name(s->name, entry->d_name) && rand() % 2) {
            snprintf(old, sizeof(old), "%s/%s", folder, s->name);
            rename(path, old);
            disk.renamed++;
        }
    }
    if (dir)
        closedir(dir);
}

/* false: cannot be done in this build. */
static bool find_preload(void)
{
#ifdef __SANITIZE_ADDRESS__
    printf("SKIP power cuts: a sanitizer must be loaded before faultfs\n");
    return false;
#else
    static char path[1200];
    const char *build = getenv("abs_top_builddir");

    snprintf(path, sizeof(path), "%s/tests/preload/faultfs.so", build ? build : ".");
    ck_assert_msg(access(path, R_OK) == 0, "'%s' is not built", path);
    preload = path;
    return true;
#endif
}

static void cut_power(void)
{
    char log[300];

    snprintf(log, sizeof(log), "%s/faultfs.log", run.archive_path);
    read_synced(log);
    cut_folder(run.archive_path);
}

static struct load_found cut_power_often(const char *durability)
{
    bool is_batch = strcmp(durability, "batch") == 0;

    disk = (struct disk){ 0 };
    if (is_batch)
        begin_batch();
    else
        begin(durability);
    for (int i = 0; i < kills; i++)
        kill_all_and_start(i, cut_power);
    struct load_found f = is_batch ? end_batch() : end();
    printf("cuts: %zu files lost %zu bytes that were not synced, %zu their last name, %zu were "
           "gone; the longest sync took %.1f ms\n",
           disk.cut, disk.bytes, disk.renamed, disk.gone, (double)disk.longest_sync_us / 1000);
    map_release(&disk.by_inode);
    vec_release(&disk.files);
    preload = NULL;
    return f;
}

START_TEST(when_the_power_fails_strict_has_all_that_was_received)
{
    if (!find_preload())
        return;
    struct load_found f = cut_power_often("strict");
    ck_assert_uint_eq(f.lost_us.len, 0);
    clean_up(&f);
}
END_TEST

START_TEST(when_the_power_fails_batch_loses_its_window_and_verify_says_where)
{
    if (!find_preload())
        return;
    struct load_found f = cut_power_often("batch");
    check_window(&f, 2 * disk.longest_sync_us);
    clean_up(&f);
}
END_TEST

static void add_tests(TCase *tc)
{
    /* Under `make soak`, ten times as many. */
    tcase_set_timeout(tc, 3600);
    tcase_add_test(tc, whichever_process_is_killed_strict_has_all_that_was_received);
    tcase_add_test(tc, killed_in_batch_mode_only_the_last_moments_are_lost);
    tcase_add_test(tc, when_the_power_fails_strict_has_all_that_was_received);
    tcase_add_test(tc, when_the_power_fails_batch_loses_its_window_and_verify_says_where);
}

CHECK_MAIN("proxy/kill", add_tests)

#include "config.h"

#include "proxy/sealer.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sandbox.h"
#include "base/vec.h"
#include "capture/seal.h"

#define FAILED_MAX     64 /* told of in one run; the others are in the next */
#define ASIDE_FAILURES 3u /* that is when we speak of it */
#define BACKOFF_US     UINT64_C(2000000)
#define BACKOFF_MAX_US UINT64_C(300000000)
#define MEMORY_BYTES   (UINT64_C(4) << 30) /* many times what the largest body takes */
#define DESCRIPTORS    64u
#define CLOSE_MS       2000
#define FIRST_OWN_FD   3 /* behind the standard ones: the log is among those */

/* What the child tells. */
struct report {
    uint32_t sandbox; /* bits */
    uint32_t failed_count;
    uint64_t segments, exchanges;
    char current[JOURNAL_WRITER_BYTES_MAX + 1]; /* "" = between journals */
    char failed[FAILED_MAX][JOURNAL_WRITER_BYTES_MAX + 1];
};

/* What went wrong with a journal; one with the name "" is all of sealing. */
struct setback {
    char writer[JOURNAL_WRITER_BYTES_MAX + 1];
    unsigned failures;
    uint64_t until_us; /* when it is tried again */
};

struct sealer {
    struct sealer_options o;
    struct report *report; /* shared */
    VEC(struct setback) setbacks;
    pid_t pid; /* 0 = not running */
    bool told_sandbox;
    uint64_t now_us, wall_us; /* of the tick that started the child */
};

static struct setback *find(const struct sealer *s, const char *writer)
{
    for (size_t i = 0; i < s->setbacks.len; i++)
        if (strcmp(s->setbacks.ptr[i].writer, writer) == 0)
            return &s->setbacks.ptr[i];
    return NULL;
}

static bool must_wait(const struct sealer *s, const char *writer, uint64_t now_us)
{
    const struct setback *b = find(s, writer);

    return b && b->until_us > now_us;
}

/* --- the child --- */

static void note(void *ctx, const char *text)
{
    const struct sealer *s = ctx;

    log_event(s->o.log, LOG_LEVEL_WARN, s->wall_us, "seal_note", LOG_STR("text", str_from(text)));
}

static bool on_journal(void *ctx, const char *writer, enum seal_event event)
{
    const struct sealer *s = ctx;
    struct report *r = s->report;
    size_t len = strlen(writer);

    if (event == SEAL_BEGINS && (len >= sizeof(r->current) || must_wait(s, writer, s->now_us) ||
                                 r->failed_count >= FAILED_MAX))
        return false;
    if (event == SEAL_BEGINS) {
        memcpy(r->current, writer, len + 1);
        return true;
    }
    if (event == SEAL_FAILED)
        memcpy(r->failed[r->failed_count++], writer, len + 1);
    r->current[0] = '\0';
    return true;
}

/* The bodies that are decoded here were made by others. */
static void enter_sandbox(const struct sealer *s)
{
    const struct sandbox limits = { .memory_bytes = MEMORY_BYTES, .descriptors = DESCRIPTORS };

    s->report->sandbox = archive_enter_sandbox(s->o.archive, &limits);
}

static int run_child(struct sealer *s, pid_t parent)
{
    struct seal_options options = {
        .key = s->o.key,
        .created_by = s->o.created_by,
        .note = note,
        .on_journal = on_journal,
        .ctx = s,
    };
    struct seal_stats stats = { 0 };
    struct err err;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it can be run again at any time */
    if (getppid() != parent)
        return 1;
    close_range(FIRST_OWN_FD, ~0u, 0); /* sockets of the parent, above all */
    setpriority(PRIO_PROCESS, 0, 19);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
    enter_sandbox(s);
    int r = seal_run(s->o.archive, &options, &stats, &err);
    s->report->segments = stats.segments;
    s->report->exchanges = stats.exchanges;
    if (r < 0)
        log_event(s->o.log, LOG_LEVEL_ERROR, s->wall_us, "seal_failed",
                  LOG_STR("reason", str_from(err.text)));
    if (stats.segments)
        log_event(s->o.log, LOG_LEVEL_INFO, s->wall_us, "sealed",
                  LOG_INT("segments", stats.segments), LOG_INT("exchanges", stats.exchanges),
                  LOG_INT("unended", stats.unended));
    return r < 0 ? 1 : 0;
}

/* --- the parent --- */

static bool has_work(const struct sealer *s, uint64_t now_us)
{
    CLEANUP(archive_journals_release) struct archive_journals journals = { 0 };
    struct err err;

    if (must_wait(s, "", now_us) || archive_journals_list(s->o.archive, &journals, &err) < 0)
        return false;
    for (size_t i = 0; i < journals.len; i++)
        if (!must_wait(s, journals.ptr[i].writer, now_us) &&
            (journals.ptr[i].ready || !archive_journal_is_live(&journals.ptr[i])))
            return true;
    return false;
}

void sealer_tick(struct sealer *s, uint64_t now_us, uint64_t wall_us)
{
    pid_t self = getpid();

    if (s->pid || !has_work(s, now_us))
        return;
    *s->report = (struct report){ 0 };
    s->now_us = now_us;
    s->wall_us = wall_us;
    pid_t pid = fork();
    if (pid == 0)
        s->o.leave(run_child(s, self));
    if (pid < 0) /* tried again at the next tick */
        log_event(s->o.log, LOG_LEVEL_ERROR, wall_us, "seal_not_started",
                  LOG_STR("reason", str_from(strerror(errno))));
    else
        s->pid = pid;
}

static uint64_t backoff_us(unsigned failures)
{
    uint64_t us = BACKOFF_US << (failures < 16 ? failures - 1 : 15);

    return us < BACKOFF_MAX_US ? us : BACKOFF_MAX_US;
}

static void add_failure(struct sealer *s, const char *writer, uint64_t now_us, uint64_t wall_us)
{
    struct setback *b = find(s, writer);

    if (!b) {
        struct setback new = { 0 };
        strncpy(new.writer, writer, sizeof(new.writer) - 1);
        vec_push(&s->setbacks, new);
        b = &s->setbacks.ptr[s->setbacks.len - 1];
    }
    b->failures++;
    b->until_us = now_us + backoff_us(b->failures);
    if (b->failures == ASIDE_FAILURES && *writer)
        log_event(s->o.log, LOG_LEVEL_ERROR, wall_us, "journal_set_aside",
                  LOG_STR("journal", str_from(writer)), LOG_INT("failures", b->failures));
}

/* Forgets journals that are no more; counts those that are set aside. */
static void review(struct sealer *s)
{
    CLEANUP(archive_journals_release) struct archive_journals journals = { 0 };
    struct err err;
    size_t kept = 0;
    uint64_t aside = 0;

    if (archive_journals_list(s->o.archive, &journals, &err) < 0)
        return;
    for (size_t i = 0; i < s->setbacks.len; i++) {
        struct setback b = s->setbacks.ptr[i];
        bool is_there = !b.writer[0];
        for (size_t n = 0; n < journals.len && !is_there; n++)
            is_there = strcmp(journals.ptr[n].writer, b.writer) == 0;
        if (!is_there)
            continue;
        aside += b.failures >= ASIDE_FAILURES && b.writer[0];
        s->setbacks.ptr[kept++] = b;
    }
    s->setbacks.len = kept;
    s->o.stats->journals_set_aside = aside;
}

static void tell_sandbox(struct sealer *s, uint64_t wall_us)
{
    uint32_t bits = s->report->sandbox;

    if (s->told_sandbox)
        return;
    s->told_sandbox = true;
    log_event(s->o.log, bits == (SANDBOX_FILES | SANDBOX_CALLS) ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
              wall_us, "sealer_sandbox",
              LOG_STR("files", bits & SANDBOX_FILES ? STR("yes") : STR("no")),
              LOG_STR("calls", bits & SANDBOX_CALLS ? STR("yes") : STR("no")));
}

static void take_report(struct sealer *s, bool ended_well, uint64_t now_us, uint64_t wall_us)
{
    struct report *r = s->report;
    uint32_t count = r->failed_count < FAILED_MAX ? r->failed_count : FAILED_MAX;
    struct setback *all = find(s, "");

    r->current[sizeof(r->current) - 1] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        r->failed[i][sizeof(r->failed[i]) - 1] = '\0';
        if (r->failed[i][0])
            add_failure(s, r->failed[i], now_us, wall_us);
    }
    if (r->current[0])
        add_failure(s, r->current, now_us, wall_us);
    else if (!ended_well && !count)
        add_failure(s, "", now_us, wall_us);
    if (all && (ended_well || count))
        all->failures = 0;
    s->o.stats->sealer_failures += !ended_well;
    s->o.stats->segments_sealed += r->segments;
    s->o.stats->exchanges_sealed += r->exchanges;
}

bool sealer_on_exit(struct sealer *s, pid_t pid, int status, uint64_t now_us, uint64_t wall_us)
{
    bool ended_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    if (!s || pid != s->pid)
        return false;
    s->pid = 0;
    if (WIFSIGNALED(status))
        log_event(
            s->o.log, LOG_LEVEL_ERROR, wall_us, "sealer_died", LOG_INT("signal", WTERMSIG(status)),
            LOG_STR("journal", str_sub(str_from(s->report->current), 0, JOURNAL_WRITER_BYTES_MAX)));
    tell_sandbox(s, wall_us);
    take_report(s, ended_well, now_us, wall_us);
    review(s);
    return true;
}

int sealer_open(const struct sealer_options *options, struct sealer **ret, struct err *err)
{
    void *at = mmap(NULL, sizeof(struct report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                    -1, 0);

    if (at == MAP_FAILED)
        return err_sys(err, "cannot share memory with the sealer");
    struct sealer *s = mem_calloc(1, sizeof(*s));
    s->o = *options;
    s->report = at;
    *ret = s;
    return 0;
}

static void end_child(pid_t pid)
{
    struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

    for (int ms = 0; ms < CLOSE_MS; ms += 10) {
        if (waitpid(pid, NULL, WNOHANG) != 0)
            return;
        nanosleep(&pause, NULL);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

void sealer_close(struct sealer *s)
{
    if (!s)
        return;
    if (s->pid)
        end_child(s->pid);
    munmap(s->report, sizeof(*s->report));
    vec_release(&s->setbacks);
    free(s);
}

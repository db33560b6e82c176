/* proxy_memory - how much memory a proxy's worker has for itself, and how much of it waits to be
 * written.
 *
 * Not VmRSS: that counts pages of the program's file too, which the kernel takes away and brings
 * back as it likes, and which a worker that has just begun has not seen yet.
 */
#ifndef TESTS_PROXY_MEMORY_H
#define TESTS_PROXY_MEMORY_H

#include "tests/proxy_run.h"

static inline long proxy_memory_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = -1;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        sscanf(line, "RssAnon: %ld kB", &kib);
    if (f)
        fclose(f);
    ck_assert_msg(kib > 0, "no RssAnon in %s", path);
    return kib;
}

/* Of the first worker, and what it has recorded by then. */
struct proxy_memory {
    long kib, recorded_kib;
};

static inline struct proxy_memory proxy_memory_now(const struct proxy_run *p)
{
    struct proxy_memory m = { .kib = proxy_memory_kib(proxy_worker_pid(p, 0)) };

    m.recorded_kib = proxy_metric(p, "weir_journal_bytes_total") / 1024;
    return m;
}

/* How much it has grown, but for what it has recorded since: all of that may wait for a disk that
 * is slow (64 MiB at most), and goes through a buffer that keeps its size. */
static inline long proxy_memory_grown(const struct proxy_run *p, const struct proxy_memory *before)
{
    struct proxy_memory now = proxy_memory_now(p);

    return now.kib - before->kib - (now.recorded_kib - before->recorded_kib);
}

static inline void proxy_memory_check(const struct proxy_run *p, const struct proxy_memory *before,
                                      long most_kib)
{
    long grown = proxy_memory_grown(p, before);

    ck_assert_msg(grown < most_kib, "the worker grew by %ld KiB beyond what it recorded", grown);
}

/* What TCP takes of a sender whose peer does not read. */
static inline long proxy_socket_kib(void)
{
    long max = 4l << 20;
    FILE *f = fopen("/proc/sys/net/ipv4/tcp_wmem", "r");

    if (f && fscanf(f, "%*d %*d %ld", &max) != 1)
        max = 4l << 20;
    if (f)
        fclose(f);
    return max / 1024;
}

/* Waits until more was recorded than before, and then no more for a while: whoever reads the answer
 * does not go on.  Returns how much. */
static inline long proxy_wait_until_held(const struct proxy_run *p,
                                         const struct proxy_memory *before)
{
    long kib = 0, last = -1;

    for (int quiet = 0, i = 0; quiet < 5 && i < 600; i++) {
        proxy_sleep_ms(50);
        last = kib;
        kib = proxy_metric(p, "weir_journal_bytes_total") / 1024 - before->recorded_kib;
        quiet = kib > 0 && kib == last ? quiet + 1 : 0;
    }
    ck_assert_msg(kib > 0 && kib == last, "the answer does not stop, or never comes");
    return kib;
}

#endif

/* bench_streams [check | soak] - streams open at once on one worker, each getting a chunk a second:
 * how late chunks come, by the time that each carries, and the memory that a stream takes.
 *
 *     bench_streams        rows for bench/run: as many as descriptors allow, up to 10,000
 *     bench_streams check  1,000 streams for 5 s; fails beyond bounds that a busy machine keeps
 *     bench_streams soak   $SOAK_SECONDS (600) of streams that end and begin, with journals rotated
 *                          and sealed: prints the slopes of memory and descriptors, fails if they
 * grow
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/load.h"
#include "bench/origin.h"
#include "bench/proxies.h"

#define STREAMS_MAX       10000
#define SPARE_DESCRIPTORS 400 /* of a worker, for all but streams; libcurl takes some */
#define OPENED_PER_SECOND 1000.0
#define CHECK_STREAMS     1000
#define CHECK_STALL_MS    1000.0
#define CHECK_KIB         32.0
#define SOAK_STREAMS      1000
#define SOAK_DESCRIPTORS  20
#define SOAK_KIB          2048.0 /* by which the slope may raise memory over the run: the allocator's */

struct streams {
    double count, p50_ms, p99_ms, max_ms, kib, cpu_percent;
    uint64_t errors;
};

/* A stream has two descriptors in the worker. */
static unsigned most_streams(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    rlim_t most = (limit.rlim_max - SPARE_DESCRIPTORS) / 2;
    return most < STREAMS_MAX ? (unsigned)most : STREAMS_MAX;
}

static void pin(int *ret_proxy, int *ret_origin)
{
    bool two = sysconf(_SC_NPROCESSORS_ONLN) > 1;

    *ret_proxy = two ? 0 : -1;
    *ret_origin = two ? 1 : -1;
    proxies_pin(*ret_origin);
}

static struct load *load_of(const struct proxy *p, unsigned streams, double rate, uint64_t max)
{
    struct load_options o = { .port = p->port,
                              .target = p->target,
                              .connections = streams,
                              .rate = rate,
                              .max_requests = max };

    return load_new(&o);
}

/* One stream to its end: what a worker needs once is there. */
static void warm_up(const struct proxy *p)
{
    struct proxy short_ones = *p;

    snprintf(short_ones.target, sizeof(short_ones.target), "/up/v1/stream?chunks=2&us=1000");
    struct load *l = load_of(&short_ones, 8, 0, 64);
    load_run(l, 0.5);
    load_free(l);
}

static int measure(unsigned streams, double seconds, struct streams *ret)
{
    struct proxy p = { 0 };
    int proxy_cpu, origin_cpu, origin_port, r = -1;

    pin(&proxy_cpu, &origin_cpu);
    pid_t origin = origin_start(origin_cpu, &origin_port);
    if (origin < 0)
        return -1;
    if (proxy_start(&p, PROXY_WEIR_BATCH, origin_port, "/v1/stream?chunks=1000000&us=1000000",
                    proxy_cpu)) {
        warm_up(&p);
        proxy_cpu_begin(&p);
        uint64_t before = proxy_rss(&p);
        struct load *l = load_of(&p, streams, OPENED_PER_SECOND, streams);
        load_run(l, streams / OPENED_PER_SECOND + 2);
        uint64_t errors = l->errors;
        load_clear(l);
        proxy_cpu_begin(&p);
        load_run(l, seconds);
        *ret = (struct streams){
            .count = (double)l->chunks / seconds,
            .p50_ms = histogram_us(&l->chunk, 0.50) / 1e3,
            .p99_ms = histogram_us(&l->chunk, 0.99) / 1e3,
            .max_ms = (double)l->chunk.max_ns / 1e6,
            .kib = ((double)proxy_rss(&p) - (double)before) / 1024 / streams,
            .cpu_percent = (double)proxy_cpu_ns(&p) / seconds / 1e7,
            .errors = errors + l->errors,
        };
        r = 0;
        load_free(l);
    } else {
        fprintf(stderr, "bench: %s\n", p.missing);
    }
    proxy_stop(&p);
    kill(origin, SIGKILL);
    waitpid(origin, NULL, 0);
    return r;
}

static int print_rows(void)
{
    unsigned streams = bench_is_short() ? 300 : most_streams();
    struct streams s;

    if (measure(streams, bench_is_short() ? 1 : 10, &s) < 0)
        return 1;
    if (s.errors) {
        fprintf(stderr, "bench: %.0f of %u streams broke\n", (double)s.errors, streams);
        return 1;
    }
    bench_row("streams: open at once, a chunk a second each", streams, "streams");
    bench_row("streams: chunks that arrived", s.count, "chunks/s");
    bench_row("streams: a chunk is late by, p50", s.p50_ms * 1e3, "µs");
    bench_row_beside("streams: a chunk is late by, p99", s.p99_ms, "ms", "50 ms", s.p99_ms / 50,
                     "<= 1");
    bench_row("streams: a chunk is late by, at most", s.max_ms, "ms");
    bench_row_beside("streams: memory for each", s.kib, "KiB", "24 KiB", s.kib / 24, "<= 1");
    bench_row("streams: CPU", s.cpu_percent, "% of one");
    return 0;
}

/* --- check --- */

static bool has_sanitizers(void)
{
#ifdef __SANITIZE_ADDRESS__
    return true;
#else
    return false;
#endif
}

/* A machine that stood still for a second says nothing of weir: up to three times. */
static int check(void)
{
    struct streams s = { 0 };
    bool ok = false;

    for (int i = 0; i < 3 && !ok && s.errors == 0; i++) {
        if (measure(CHECK_STREAMS, 5, &s) < 0)
            return 1;
        printf("%d streams: %.0f chunks/s, p99 %.1f ms late, %.1f KiB each, %llu broken\n",
               CHECK_STREAMS, s.count, s.p99_ms, s.kib, (unsigned long long)s.errors);
        ok = s.errors == 0 && s.count > CHECK_STREAMS * 0.9 && s.p99_ms <= CHECK_STALL_MS &&
             (has_sanitizers() || s.kib <= CHECK_KIB);
    }
    printf("%d passed, %d failed, 0 skipped\n", ok, !ok);
    return !ok;
}

/* --- soak --- */

/* Least squares over equally spaced values, per step. */
static double slope(const double *values, size_t count)
{
    double mean_x = (double)(count - 1) / 2, mean_y = 0, above = 0, below = 0;

    for (size_t i = 0; i < count; i++)
        mean_y += values[i] / (double)count;
    for (size_t i = 0; i < count; i++) {
        above += ((double)i - mean_x) * (values[i] - mean_y);
        below += ((double)i - mean_x) * ((double)i - mean_x);
    }
    return below > 0 ? above / below : 0;
}

/* The first quarter is left out: memory that is kept for later is taken there. */
static int judge(const double *rss, const double *fds, size_t count, const struct load *l)
{
    size_t from = count / 4;
    double grows = slope(rss + from, count - from) * 60,
           opens = slope(fds + from, count - from) * 60;

    printf("soak: %zu s, %llu streams ended, %llu chunks, %llu errors\n", count,
           (unsigned long long)l->completed, (unsigned long long)l->chunks,
           (unsigned long long)l->errors);
    printf("soak: chunks late by p50 %.2f ms, p99 %.2f ms, max %.1f ms\n",
           histogram_us(&l->chunk, 0.50) / 1e3, histogram_us(&l->chunk, 0.99) / 1e3,
           (double)l->chunk.max_ns / 1e6);
    printf("soak: resident %.0f KiB at %zu s, %.0f KiB at the end, slope %+.2f KiB/min\n",
           rss[from], from, rss[count - 1], grows);
    printf("soak: descriptors %.0f at %zu s, %.0f at the end, slope %+.3f/min\n", fds[from], from,
           fds[count - 1], opens);
    double minutes = (double)(count - from) / 60;
    return grows * minutes > SOAK_KIB || opens * minutes > SOAK_DESCRIPTORS || l->errors ||
           !l->completed;
}

static int soak_with(struct proxy *p, size_t seconds)
{
    double *rss = mem_calloc(seconds, sizeof(*rss)), *fds = mem_calloc(seconds, sizeof(*fds));
    struct load *l = load_of(p, SOAK_STREAMS, 0, 0);

    for (size_t i = 0; i < seconds; i++) {
        load_run(l, 1);
        if (i == 0)
            proxy_cpu_begin(p);
        rss[i] = (double)proxy_rss(p) / 1024;
        fds[i] = proxy_fds(p);
        if (i % 60 == 0)
            fprintf(stderr, "soak: %zu s, resident %.0f KiB, %.0f descriptors\n", i, rss[i],
                    fds[i]);
    }
    int r = judge(rss, fds, seconds, l);
    load_free(l);
    free(rss);
    free(fds);
    return r;
}

static int soak(void)
{
    const char *given = getenv("SOAK_SECONDS");
    long seconds = given ? atol(given) : 600;
    int proxy_cpu, origin_cpu, origin_port, r = 1;
    struct proxy p = { 0 };

    pin(&proxy_cpu, &origin_cpu);
    pid_t origin = origin_start(origin_cpu, &origin_port);
    if (origin < 0 || seconds < 8 || seconds > 7 * 86400)
        return 1;
    if (proxy_start(&p, PROXY_WEIR_ROTATING, origin_port, "/v1/stream?chunks=20&us=100000",
                    proxy_cpu))
        r = soak_with(&p, (size_t)seconds);
    else
        fprintf(stderr, "soak: %s\n", p.missing);
    proxy_stop(&p);
    kill(origin, SIGKILL);
    waitpid(origin, NULL, 0);
    return r;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "check") == 0)
        return check();
    if (argc > 1 && strcmp(argv[1], "soak") == 0)
        return soak();
    return print_rows();
}

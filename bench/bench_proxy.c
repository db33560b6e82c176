/* bench_proxy - weir recording everything, beside proxies that only forward and proxies that
 * record: CPU per request, requests a second, and the latency each adds.  bench/proxies.h has their
 * settings.
 *
 * The proxy has processor 0 to itself; the load and the origin share processor 1 (two processors
 * are needed, or all of it is on one).  A request takes 2.3 KB, its answer 0.9 KB; 64 connections.
 * Who is asked less finds the others asleep more often and pays for waking them: hence CPU per
 * request as fast as it goes and at equal load.
 *
 * Latency is measured at one rate for all, with load and origin in one thread: as two processes on
 * one processor each waits for the other's time slice, 3 to 8 ms, which is then all that p99 shows.
 * For the same reason percentiles are those of the middle one of fifty slices of time, a tenth of a
 * second each: what else comes to run on the machine for some milliseconds, be it twice a second,
 * does not reach most of them.  (Of ten slices it reached about half, and p99 was anything.)
 *
 * What p99 shows of weir in mode batch, beside HAProxy, is the thread that writes and syncs on the
 * proxy's one processor.  Without syncs an answer's p99 is 0.85 of HAProxy's.
 */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench/bench.h"
#include "bench/load.h"
#include "bench/origin.h"
#include "bench/proxies.h"

#define CONNECTIONS   64
#define UNARY         "/v1/chat/completions"
#define SLICES        50
#define STREAM_CHUNKS 50
#define STREAM        "/v1/stream?chunks=50&us=10000"
/* Of a request and its answer; what records less has not recorded all. */
#define RECORDED_MIN 2500

struct result {
    bool is_there;
    char missing[256];
    double cpu_us, rate;                 /* closed */
    double half_cpu_us;                  /* open, at the same rate for all */
    double whole[2], first[2], chunk[2]; /* open: p50, p99 in µs */
    double load_share;                   /* open: of the processor of load and origin */
};

static int origin_port;
static int proxy_cpu = -1;

static bool is_weir(enum proxy_kind kind)
{
    return kind >= PROXY_WEIR_RELAXED && kind <= PROXY_WEIR_POLICY;
}

static struct load *begin(struct proxy *p, double rate, unsigned connections, struct origin *origin)
{
    struct load_options o = { .port = p->port,
                              .target = p->target,
                              .headers = p->headers,
                              .connections = connections,
                              .rate = rate,
                              .origin = origin };

    return load_new(&o);
}

/* As fast as it goes. */
static void measure_closed(enum proxy_kind kind, double seconds, struct result *ret)
{
    struct proxy p;

    ret->is_there = false;
    if (proxy_start(&p, kind, origin_port, UNARY, proxy_cpu)) {
        struct load *l = begin(&p, 0, CONNECTIONS, NULL);
        load_run(l, seconds / 4);
        load_clear(l);
        uint64_t recorded = proxy_recorded(&p);
        proxy_cpu_begin(&p);
        int64_t from_us = clock_monotonic_us();
        load_run(l, seconds);
        double took = (double)(clock_monotonic_us() - from_us) / 1e6;
        ret->cpu_us = (double)proxy_cpu_ns(&p) / 1e3 / (double)(l->completed ? l->completed : 1);
        ret->rate = (double)l->completed / took;
        recorded = proxy_recorded(&p) - recorded;
        ret->is_there = l->completed > 0 && l->errors == 0;
        snprintf(p.missing, sizeof(p.missing), "%lu of %lu requests failed",
                 (unsigned long)l->errors, (unsigned long)(l->errors + l->completed));
        /* What is recorded late may still be in a buffer. */
        if (is_weir(kind) && recorded * 10 < l->completed * RECORDED_MIN * 9) {
            snprintf(p.missing, sizeof(p.missing), "it recorded %.0f bytes a request",
                     (double)recorded / (double)l->completed);
            ret->is_there = false;
        }
        load_free(l);
    }
    snprintf(ret->missing, sizeof(ret->missing), "%s", p.missing);
    proxy_stop(&p);
}

/* p50 and p99 of each slice. */
struct slices {
    double us[2][SLICES];
};

static void note(struct slices *s, size_t i, const struct histogram *h)
{
    s->us[0][i] = histogram_us(h, 0.50);
    s->us[1][i] = histogram_us(h, 0.99);
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void take_middle(struct slices *s, double ret[static 2])
{
    for (size_t i = 0; i < ARRAY_LEN(s->us); i++) {
        qsort(s->us[i], SLICES, sizeof(double), compare);
        ret[i] = (s->us[i][SLICES / 2 - 1] + s->us[i][SLICES / 2]) / 2;
    }
}

static double own_cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void run_slices(struct load *l, const struct proxy *p, double seconds, struct result *ret)
{
    bool streams = strstr(p->target, "stream") != NULL;
    struct slices whole, first, chunk;
    uint64_t completed = 0, errors = 0;
    double load_us = own_cpu_us();

    for (size_t i = 0; i < SLICES; i++) {
        load_run(l, seconds / SLICES);
        note(&whole, i, &l->whole);
        note(&first, i, &l->first);
        note(&chunk, i, &l->chunk);
        completed += l->completed;
        errors += l->errors;
        load_clear(l);
    }
    if (errors)
        fprintf(stderr, "bench: %s: %lu errors\n", proxy_name(p->kind), (unsigned long)errors);
    if (streams) {
        take_middle(&first, ret->first);
        take_middle(&chunk, ret->chunk);
        return;
    }
    take_middle(&whole, ret->whole);
    ret->half_cpu_us = (double)proxy_cpu_ns(p) / 1e3 / (double)(completed ? completed : 1);
    ret->load_share = (own_cpu_us() - load_us) / (seconds * 1e6);
}

/* At a rate that leaves room. */
static void measure_open(enum proxy_kind kind, const char *path, double rate, double seconds,
                         struct result *ret)
{
    struct proxy p = { 0 };
    int port;
    struct origin *o = origin_open(&port);

    if (o && proxy_start(&p, kind, port, path, proxy_cpu)) {
        struct load *l = begin(&p, rate, 4096, o);
        load_run(l, 1.0);
        load_clear(l);
        proxy_cpu_begin(&p);
        run_slices(l, &p, seconds, ret);
        load_free(l);
    }
    proxy_stop(&p);
    origin_close(o);
}

/* --- rows --- */

static void skip_row(const char *name, const struct result *r)
{
    printf("%s\t-\tskipped: %s\t\t\t\n", name, r->missing);
}

/* weir's, and beside it each of the others: value is ours, ratio ours / theirs (or theirs / ours).
 */
static void print_closed(const struct result *results)
{
    static const struct {
        enum proxy_kind kind;
        const char *cpu_aim, *rate_aim;
    } beside[] = {
        {PROXY_HAPROXY,    "<= 1.0", ""     },
        { PROXY_NGINX,     "<= 1.0", ""     },
        { PROXY_MITMPROXY, "",       ">= 20"},
        { PROXY_PORTKEY,   "",       ">= 40"},
    };
    char name[128];

    for (enum proxy_kind kind = 0; kind < PROXY_WEIR_ROTATING; kind++) {
        const struct result *r = &results[kind];
        snprintf(name, sizeof(name), "proxy: %s, CPU per request", proxy_name(kind));
        if (!r->is_there)
            skip_row(name, r);
        else if (kind != PROXY_DIRECT)
            bench_row(name, r->cpu_us, "µs");
        snprintf(name, sizeof(name), "proxy: %s, throughput", proxy_name(kind));
        if (r->is_there)
            bench_row(name, r->rate, "requests/s");
    }
    const struct result *ours = &results[PROXY_WEIR_BATCH];
    for (size_t i = 0; ours->is_there && i < ARRAY_LEN(beside); i++) {
        const struct result *r = &results[beside[i].kind];
        if (!r->is_there)
            continue;
        const char *peer = proxy_name(beside[i].kind);
        snprintf(name, sizeof(name), "proxy: weir, batch, CPU per request beside %s", peer);
        bench_row_beside(name, ours->cpu_us, "µs", peer, ours->cpu_us / r->cpu_us,
                         beside[i].cpu_aim);
        snprintf(name, sizeof(name), "proxy: weir, batch, throughput beside %s", peer);
        bench_row_beside(name, ours->rate, "requests/s", peer, ours->rate / r->rate,
                         beside[i].rate_aim);
    }
    if (ours->is_there && results[PROXY_WEIR_POLICY].is_there)
        bench_row_beside("proxy: weir, full policy, CPU per request beside none",
                         results[PROXY_WEIR_POLICY].cpu_us, "µs", "weir, batch",
                         results[PROXY_WEIR_POLICY].cpu_us / ours->cpu_us, "<= 1.1");
    if (ours->is_there && results[PROXY_WEIR_STRICT].is_there)
        bench_row_beside("proxy: weir, strict, throughput beside relaxed",
                         results[PROXY_WEIR_STRICT].rate, "requests/s", "weir, relaxed",
                         results[PROXY_WEIR_STRICT].rate / results[PROXY_WEIR_RELAXED].rate,
                         ">= 0.7");
}

static void print_latency(const char *what, const double *ours, const double *theirs,
                          const double *direct)
{
    static const char *const names[] = { "p50", "p99" };
    char name[128];

    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "proxy: %s, added at half load, %s", what, names[i]);
        double added = ours[i] - direct[i], other = theirs[i] - direct[i];
        bench_row_beside(name, added, "µs", "HAProxy", other > 0 ? added / other : 0, "<= 1.1");
    }
}

static void measure_latency(struct result *results, double seconds)
{
    static const enum proxy_kind kinds[] = { PROXY_DIRECT, PROXY_HAPROXY, PROXY_WEIR_BATCH };
    const struct result *ours = &results[PROXY_WEIR_BATCH], *theirs = &results[PROXY_HAPROXY];

    if (!ours->is_there || !theirs->is_there)
        return;
    double rate = (ours->rate < theirs->rate ? ours->rate : theirs->rate) / 2;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        measure_open(kinds[i], UNARY, rate, seconds, &results[kinds[i]]);
        measure_open(kinds[i], STREAM, rate / STREAM_CHUNKS, seconds, &results[kinds[i]]);
    }
    if (results[PROXY_WEIR_POLICY].is_there)
        measure_open(PROXY_WEIR_POLICY, UNARY, rate, seconds, &results[PROXY_WEIR_POLICY]);
    const struct result *direct = &results[PROXY_DIRECT];
    bench_row("proxy: half load", rate, "requests/s");
    bench_row("proxy: load and origin, of their processor", ours->load_share * 100, "%");
    bench_row_beside("proxy: weir, batch, CPU per request at half load", ours->half_cpu_us, "µs",
                     "HAProxy", ours->half_cpu_us / theirs->half_cpu_us, "<= 1.0");
    if (results[PROXY_WEIR_POLICY].is_there) {
        double full_us = results[PROXY_WEIR_POLICY].half_cpu_us;
        bench_row_beside("proxy: weir, full policy, CPU per request at half load", full_us, "µs",
                         "weir, batch", full_us / ours->half_cpu_us, "<= 1.1");
    }
    print_latency("answer", ours->whole, theirs->whole, direct->whole);
    print_latency("first token", ours->first, theirs->first, direct->first);
    print_latency("chunk", ours->chunk, theirs->chunk, direct->chunk);
}

int main(void)
{
    static struct result results[PROXY_KIND_COUNT];
    double seconds = bench_is_short() ? 0.5 : 5;
    const char *only = getenv("WEIR_BENCH_PROXY"); /* part of a name: just that */

    signal(SIGPIPE, SIG_IGN);
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
        proxies_pin(1);
        proxy_cpu = 0;
    }
    pid_t origin = origin_start(proxy_cpu < 0 ? -1 : 1, &origin_port);
    if (origin < 0)
        return 1;
    for (enum proxy_kind kind = 0; kind < PROXY_WEIR_ROTATING; kind++) {
        if (only && !strstr(proxy_name(kind), only)) {
            snprintf(results[kind].missing, sizeof(results[kind].missing), "not asked for");
            continue;
        }
        measure_closed(kind, seconds, &results[kind]);
    }
    print_closed(results);
    measure_latency(results, seconds);
    kill(origin, SIGKILL);
    waitpid(origin, NULL, 0);
    return 0;
}

/* proxies - what the load goes through: weir in each durability, and its peers, each with one
 * worker on loopback in front of one origin, with connections to it kept and without an access log.
 *
 *     haproxy   forwards only; option http-no-delay, or streams come in one piece
 *     nginx     forwards only; proxy_buffering off
 *     mitmproxy reverse mode, records all flows to a file (-w)
 *     portkey   @portkey-ai/gateway as npm gives it; keeps the last calls in memory only
 */
#ifndef BENCH_PROXIES_H
#define BENCH_PROXIES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum proxy_kind {
    PROXY_DIRECT, /* none */
    PROXY_WEIR_RELAXED,
    PROXY_WEIR_BATCH,
    PROXY_WEIR_STRICT,
    PROXY_WEIR_POLICY, /* batch, with a rule of every kind enforced */
    PROXY_HAPROXY,
    PROXY_NGINX,
    PROXY_MITMPROXY,
    PROXY_PORTKEY,
    PROXY_WEIR_ROTATING, /* seals all the time; not among the bench's */
    PROXY_KIND_COUNT
};

#define PROXIES_TREE_MAX 32

struct proxy {
    enum proxy_kind kind;
    pid_t pid; /* 0 = direct */
    int port;
    char folder[256]; /* its own: configuration, log, what it records */
    char target[64];  /* of a request line that reaches the origin's /stream or /unary */
    char headers[128];
    char missing[256];            /* why it cannot run */
    pid_t tree[PROXIES_TREE_MAX]; /* set by proxy_cpu_begin */
    uint64_t cpu_ns;
};

const char *proxy_name(enum proxy_kind kind);
/* path is what the origin is asked for, "/v1/...".  false: see missing. */
bool proxy_start(struct proxy *p, enum proxy_kind kind, int origin_port, const char *path, int cpu);
/* Kills it, with its children, and removes what it wrote. */
void proxy_stop(struct proxy *p);

/* CPU time that its processes, as of begin, have used since; the sealer of weir, which works when
 * nothing else does and long after the call, is none of them. */
void proxy_cpu_begin(struct proxy *p);
uint64_t proxy_cpu_ns(const struct proxy *p);
/* Resident bytes of its largest process: the worker. */
uint64_t proxy_rss(const struct proxy *p);
/* Open descriptors of the same. */
unsigned proxy_fds(const struct proxy *p);
/* Bytes it has recorded so far. */
uint64_t proxy_recorded(const struct proxy *p);

/* Puts the calling process on one processor; nothing if cpu is negative. */
void proxies_pin(int cpu);

#endif

/* upstream_stats - how each upstream answers: counters of one worker, in memory that the parent
 * reads.
 *
 * A name has its place as long as weir runs, so that what is counted only grows, whatever reloads
 * come and go and workers die.  Names beyond the last place share it.
 */
#ifndef PROXY_UPSTREAM_STATS_H
#define PROXY_UPSTREAM_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

#define UPSTREAM_STATS_MAX        64 /* places; the last one is of all others */
#define UPSTREAM_STATS_NAME_BYTES 64 /* with the NUL; longer names are cut */
#define UPSTREAM_STATS_CLASSES    4  /* 2xx to 5xx */
#define UPSTREAM_STATS_TIMES      13 /* bounds of the histogram, and one place beyond them */

struct upstream_count {
    char name[UPSTREAM_STATS_NAME_BYTES];
    uint64_t answers[UPSTREAM_STATS_CLASSES];
    uint64_t failures;
    uint64_t head_us;                         /* sum of all times */
    uint64_t times[UPSTREAM_STATS_TIMES + 1]; /* each answer in the first that it fits */
};

struct upstream_stats {
    uint64_t used; /* places whose name is complete */
    struct upstream_count places[UPSTREAM_STATS_MAX];
};

/* The place of a name, given to it if it has none. */
struct upstream_count *upstream_stats_place(struct upstream_stats *s, struct str name);
/* The head of an answer, no interim one, came so long after its call began. */
void upstream_stats_answered(struct upstream_count *c, unsigned status, uint64_t us);

/* Adds all that workers counted in Prometheus' text format: nothing before there is an upstream.
 * stride is the distance of one worker's to the next one's, in bytes.  Whatever is in that memory,
 * nothing beyond it is read. */
void upstream_stats_metrics(const struct upstream_stats *first, size_t count, size_t stride,
                            struct buf *out);

#endif

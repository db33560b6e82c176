/* sim_ledger - the calls of ledgers in the order of time, however many ledgers there are.
 *
 * A ledger is one segment of one writer, so ledgers overlap and rows are only roughly in order.
 * Row groups are read when the time of their first call has come (their statistics say when),
 * sorted, and merged.  At most SIM_LEDGER_OPEN_MAX groups (64 Ki calls each as weir writes them)
 * are held at once, whatever the length of the whole; a call that is out of order by more than that
 * is taken to come late, and counted.
 *
 * Left out, and counted: rows that sum several calls, and what is no call to a model (lists of
 * models, token counting).
 */
#ifndef REPLAY_SIM_LEDGER_H
#define REPLAY_SIM_LEDGER_H

#include "replay/sim_arrival.h"
#include "replay/sim_speed.h"

#define SIM_LEDGER_OPEN_MAX 64

/* Which ledgers, and where in time their row groups are. */
struct sim_ledgers;

struct sim_ledgers_stats {
    uint64_t calls;           /* that are simulated */
    uint64_t sums;            /* rows that stand for several calls */
    uint64_t others;          /* no call to a model */
    uint64_t without_latency; /* of calls: the answer's time was not recorded */
    uint64_t without_tokens;
    int64_t first_us, last_us; /* of calls; INT64_MAX, INT64_MIN = none */
};

/* Reads all of it once: when the calls are, and how fast each upstream and model answered (into
 * speeds).  Calls of [from_us, to_us) count. */
int sim_ledgers_open(const char *const *paths, size_t count, const int64_t span_us[2],
                     struct sim_speeds *speeds, struct sim_ledgers **ret, struct err *err);
void sim_ledgers_close(struct sim_ledgers *l);
DEFINE_CLEANUP(struct sim_ledgers, sim_ledgers_close)
void sim_ledgers_stats(const struct sim_ledgers *l, struct sim_ledgers_stats *ret);

/* From the first call on; classes are added to as they come.  Both must outlive it. */
struct sim_source *sim_ledgers_source(const struct sim_ledgers *l, struct sim_classes *classes);

#endif

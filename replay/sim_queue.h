/* sim_queue - what is due when, in a simulation: a 4-ary heap of numbers, ties broken by the order
 * in which they were put in.
 *
 * Entries are 16 bytes and hold no pointers: time, order and thing lie in one 128-bit number, so
 * that one comparison orders them and a level of the heap is one cache line.  Unlike base/heap
 * nothing can be taken out of the middle: a simulation knows when something happens before it puts
 * it in.  Zero-initialised is empty and ready.
 */
#ifndef REPLAY_SIM_QUEUE_H
#define REPLAY_SIM_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/mem.h"

#define SIM_QUEUE_THING_BITS 24 /* things are below 2^24 */

struct sim_queue {
    u128 *entries;
    size_t len, cap;
    uint64_t pushed;
};

void sim_queue_release(struct sim_queue *q);
DEFINE_CLEANUP_VALUE(struct sim_queue, sim_queue_release)
/* at_us is not negative. */
void sim_queue_push(struct sim_queue *q, int64_t at_us, uint32_t thing);
/* There must be something. */
uint32_t sim_queue_pop(struct sim_queue *q, int64_t *ret_at_us);

/* The thing that sim_queue_pop would return. */
static inline uint32_t sim_queue_next(const struct sim_queue *q)
{
    return (uint32_t)(q->entries[0] & ((1u << SIM_QUEUE_THING_BITS) - 1));
}

/* INT64_MAX when empty. */
static inline int64_t sim_queue_next_us(const struct sim_queue *q)
{
    return q->len ? (int64_t)(q->entries[0] >> 64) : INT64_MAX;
}

#endif

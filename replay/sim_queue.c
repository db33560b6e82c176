#include "config.h"

#include "replay/sim_queue.h"

#include <assert.h>
#include <stdlib.h>

#define WAYS       4
#define FIRST_CAP  1024
#define ORDER_BITS (64 - SIM_QUEUE_THING_BITS) /* 2^40 pushes before ties may be broken wrongly */

void sim_queue_release(struct sim_queue *q)
{
    free(q->entries);
    *q = (struct sim_queue){ 0 };
}

void sim_queue_push(struct sim_queue *q, int64_t at_us, uint32_t thing)
{
    uint64_t order = q->pushed++ & ((UINT64_C(1) << ORDER_BITS) - 1);
    u128 entry = (u128)(uint64_t)at_us << 64 | order << SIM_QUEUE_THING_BITS | thing;

    assert(at_us >= 0 && thing < 1u << SIM_QUEUE_THING_BITS);
    if (q->len == q->cap) {
        q->cap = q->cap ? q->cap * 2 : FIRST_CAP;
        q->entries = mem_realloc(q->entries, q->cap * sizeof(*q->entries));
    }
    size_t i = q->len++;
    while (i > 0) {
        size_t parent = (i - 1) / WAYS;
        if (q->entries[parent] <= entry)
            break;
        q->entries[i] = q->entries[parent];
        i = parent;
    }
    q->entries[i] = entry;
}

/* Where the least of the children of i is; i has some. */
static inline size_t least_child(const u128 *e, size_t len, size_t i)
{
    size_t first = i * WAYS + 1, least = first;
    size_t end = first + WAYS < len ? first + WAYS : len;

    for (size_t c = first + 1; c < end; c++)
        least = e[c] < e[least] ? c : least;
    return least;
}

uint32_t sim_queue_pop(struct sim_queue *q, int64_t *ret_at_us)
{
    u128 *e = q->entries;

    assert(q->len > 0);
    u128 first = e[0], last = e[--q->len];
    size_t i = 0;
    while (i * WAYS + 1 < q->len) {
        size_t child = least_child(e, q->len, i);
        if (e[child] >= last)
            break;
        e[i] = e[child];
        i = child;
    }
    e[i] = last;
    *ret_at_us = (int64_t)(first >> 64);
    return (uint32_t)(first & ((1u << SIM_QUEUE_THING_BITS) - 1));
}

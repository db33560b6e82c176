/* state - what the policy remembers between calls: health of targets, limits, budgets.
 *
 * One block of memory without pointers, so that it can be shared between processes, saved and
 * compared: a table of slots of one size, found by kind and key.  The keys are hashes of names, not
 * numbers of a configuration: what is remembered outlives a reload, and two processes that are on
 * different configurations for a moment still mean the same slot.
 *
 * Bounded: what a peer can make up (model names: LIMIT) takes slots until the table is three
 * quarters full, what a configuration names until it is full; then slots past their time are given
 * up, some looked at for each newcomer, and if there are none, newcomers of a kind share one slot.
 *
 * No clock, no lock: who shares the memory locks around every call that is given the state.
 */
#ifndef POLICY_STATE_H
#define POLICY_STATE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define POLICY_SLOT_BYTES      256
#define POLICY_SLOT_DATA_BYTES 224 /* of them, for whoever a slot belongs to; aligned to 32 */
#define POLICY_SLOTS_MIN       64
#define POLICY_SLOTS_DEFAULT   16384
#define POLICY_SLOTS_MAX       (1u << 22)
#define POLICY_HOLDERS_MAX     64 /* processes that share a state */

enum policy_slot_kind {
    POLICY_SLOT_FREE,
    POLICY_SLOT_TARGET, /* health of a target: policy/health */
    POLICY_SLOT_LIMIT,  /* the counters of a limit: policy/admit */
    POLICY_SLOT_BUDGET, /* what is spent and reserved: policy/admit */
    POLICY_SLOT_HELD,   /* what one holder has reserved of a BUDGET */
    POLICY_SLOT_KINDS,
};

/* Private, as is what is in the state: for the functions below. */
struct policy_slot {
    uint64_t key;
    int64_t keep_until_us;
    uint32_t kind;
    uint32_t next_free; /* of a free one: number + 1, 0 = the last */
    uint64_t unused;
    uint8_t data[POLICY_SLOT_DATA_BYTES];
};

/* Behind it: the index (twice as many numbers as slots: slot + 1, 0 = free), then the slots, the
 * first of which are those that newcomers share, one for each kind.
 *
 * Numbers read from the memory are checked before they are used: another process may have died in
 * the middle of writing them. */
struct policy_state {
    uint64_t magic;
    uint32_t count, used;
    uint32_t first_free; /* number + 1, 0 = none */
    uint32_t hand;       /* the next slot that a sweep looks at */
    uint64_t generation, shared;
    uint8_t unused[24];
};

static inline uint32_t *policy_state_index(const struct policy_state *s)
{
    return (uint32_t *)((uintptr_t)s + sizeof(*s));
}
static inline struct policy_slot *policy_state_slot_at(const struct policy_state *s, uint32_t slot)
{
    assert(slot < s->count);
    return (struct policy_slot *)((uintptr_t)policy_state_index(s) +
                                  (size_t)s->count * 2 * sizeof(uint32_t)) +
           slot;
}

/* The memory for so many slots (a power of two, POLICY_SLOTS_MIN to _MAX). */
size_t policy_state_bytes(size_t slots);
/* Lays an empty state into memory (aligned to 64 bytes, zeroed or not). */
struct policy_state *policy_state_init(void *memory, size_t slots);
/* On the heap, for one process: free() it. */
struct policy_state *policy_state_new(size_t slots);

/* The slot of that kind and key, made (zeroed) if it is not there; never POLICY_NONE.  A target's
 * stays for an hour after it was last asked for, others until policy_state_keep says. */
uint32_t policy_state_slot(struct policy_state *s, enum policy_slot_kind kind, uint64_t key,
                           int64_t now_us);
/* The same, but POLICY_NONE where policy_state_slot would share. */
uint32_t policy_state_own_slot(struct policy_state *s, enum policy_slot_kind kind, uint64_t key,
                               int64_t now_us);
/* The slot if it is there, else POLICY_NONE. */
uint32_t policy_state_find(const struct policy_state *s, enum policy_slot_kind kind, uint64_t key);
/* Whether a number kept from before still is the slot of that kind and key: cheaper than finding
 * it.  Any number may be asked about. */
static inline bool policy_state_is(const struct policy_state *s, uint32_t slot,
                                   enum policy_slot_kind kind, uint64_t key)
{
    return slot < s->count && policy_state_slot_at(s, slot)->kind == kind &&
           policy_state_slot_at(s, slot)->key == key;
}
static inline void *policy_state_at(struct policy_state *s, uint32_t slot)
{
    return policy_state_slot_at(s, slot)->data;
}
static inline uint64_t policy_state_key(const struct policy_state *s, uint32_t slot)
{
    return policy_state_slot_at(s, slot)->key;
}
/* From until_us on the slot may be given up for another; INT64_MAX = never. */
static inline void policy_state_keep(struct policy_state *s, uint32_t slot, int64_t until_us)
{
    if (slot >= POLICY_SLOT_KINDS) /* else it is shared */
        policy_state_slot_at(s, slot)->keep_until_us = until_us;
}
/* Gives it up now. */
void policy_state_drop(struct policy_state *s, uint32_t slot);
/* Walks the slots of a kind: the first after from (POLICY_NONE = from the beginning), or
 * POLICY_NONE. */
uint32_t policy_state_next(const struct policy_state *s, enum policy_slot_kind kind, uint32_t from);
/* Counts how often slots were given up; numbers kept from before are to be looked up again. */
uint64_t policy_state_generation(const struct policy_state *s);

struct policy_state_view {
    size_t slots, used;
    uint64_t shared; /* times that a newcomer had to share */
};
void policy_state_view(const struct policy_state *s, struct policy_state_view *ret);
/* Puts back what says how far the slots reach, if a process that shares the memory wrote over it:
 * so many slots were laid.  Whether it had to. */
bool policy_state_mend(struct policy_state *s, size_t slots);

/* 64 bits over a name: keys of slots, of stickiness. */
uint64_t policy_key(const void *bytes, size_t len, uint64_t seed);

#define POLICY_NONE UINT32_MAX /* no slot, no target, no route, no rule */

#endif

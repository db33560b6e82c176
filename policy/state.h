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

struct policy_state;

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
bool policy_state_is(const struct policy_state *s, uint32_t slot, enum policy_slot_kind kind,
                     uint64_t key);
void *policy_state_at(struct policy_state *s, uint32_t slot);
uint64_t policy_state_key(const struct policy_state *s, uint32_t slot);
/* From until_us on the slot may be given up for another; INT64_MAX = never. */
void policy_state_keep(struct policy_state *s, uint32_t slot, int64_t until_us);
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

/* state - what the policy remembers between calls: health of targets, limits, budgets.
 *
 * One block of memory without pointers, so that it can be shared between processes, saved and
 * compared: a table of slots of one size, found by kind and key.  The keys are hashes of names, not
 * numbers of a configuration: what is remembered outlives a reload, and two processes that are on
 * different configurations for a moment still mean the same slot.
 *
 * Bounded: what a peer can make up (model names) takes slots until the table is three quarters
 * full; then idle slots are given up, and if there are none, newcomers of a kind share one slot.
 *
 * No clock, no lock: who shares the memory locks around every call that is given the state.
 */
#ifndef POLICY_STATE_H
#define POLICY_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define POLICY_SLOT_BYTES    256
#define POLICY_SLOTS_DEFAULT 16384
#define POLICY_HOLDERS_MAX   64 /* processes that share a state */

enum policy_slot_kind {
    POLICY_SLOT_FREE,
    POLICY_SLOT_TARGET, /* health of a target: policy/health */
    POLICY_SLOT_LIMIT,  /* one counter of a limit: policy/admit */
    POLICY_SLOT_BUDGET, /* what is spent and reserved: policy/admit */
    POLICY_SLOT_HELD,   /* what one holder has of a LIMIT or BUDGET, to be given back if it dies */
    POLICY_SLOT_KINDS,
};

struct policy_state;

/* The memory for so many slots (a power of two). */
size_t policy_state_bytes(size_t slots);
/* Lays an empty state into memory (aligned to 64 bytes, zeroed or not). */
struct policy_state *policy_state_init(void *memory, size_t slots);
/* On the heap, for one process: free() it. */
struct policy_state *policy_state_new(size_t slots);

/* The slot of that kind and key, made (zeroed) if it is not there; never NULL.  The number stays
 * valid until policy_state_generation changes. */
uint32_t policy_state_slot(struct policy_state *s, enum policy_slot_kind kind, uint64_t key,
                           int64_t now_us);
void *policy_state_at(struct policy_state *s, uint32_t slot);
/* Counts how often slots were given up; numbers kept from before are to be looked up again. */
uint64_t policy_state_generation(const struct policy_state *s);

/* 64 bits over a name: keys of slots, of stickiness. */
uint64_t policy_key(const void *bytes, size_t len, uint64_t seed);

#endif

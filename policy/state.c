#include "config.h"

#include "policy/state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/timestamp.h"

#define STATE_MAGIC UINT64_C(0x31746c6f70726577)
#define LINE_BYTES  64
/* Slots looked at for each newcomer once the table is full: a bounded price, and all of the default
 * table within 256 newcomers. */
#define SWEEP_SLOTS 64
#define TARGET_STAY (3600 * US_PER_SECOND)

static_assert(sizeof(struct policy_slot) == POLICY_SLOT_BYTES, "slots are of one size");

static_assert(sizeof(struct policy_state) == LINE_BYTES, "the index begins on a line");

size_t policy_state_bytes(size_t slots)
{
    assert(slots >= POLICY_SLOTS_MIN && slots <= POLICY_SLOTS_MAX && !(slots & (slots - 1)));
    return sizeof(struct policy_state) +
           slots * (2 * sizeof(uint32_t) + sizeof(struct policy_slot));
}

struct policy_state *policy_state_init(void *memory, size_t slots)
{
    struct policy_state *s = memory;

    assert((uintptr_t)memory % LINE_BYTES == 0);
    memset(memory, 0, policy_state_bytes(slots));
    s->magic = STATE_MAGIC;
    s->count = (uint32_t)slots;
    for (uint32_t kind = 0; kind < POLICY_SLOT_KINDS; kind++) {
        *policy_state_slot_at(s, kind) =
            (struct policy_slot){ .kind = kind, .keep_until_us = INT64_MAX };
        s->used++;
    }
    for (uint32_t i = s->count; i-- > POLICY_SLOT_KINDS;) {
        policy_state_slot_at(s, i)->next_free = s->first_free;
        s->first_free = i + 1;
    }
    return s;
}

struct policy_state *policy_state_new(size_t slots)
{
    size_t bytes = policy_state_bytes(slots);

    return policy_state_init(mem_check(aligned_alloc(LINE_BYTES, bytes)), slots);
}

/* --- the index: open addressing, without tombstones --- */

static uint32_t home_of(const struct policy_state *s, uint32_t kind, uint64_t key)
{
    return (uint32_t)((key ^ key >> 32) + kind * UINT64_C(0x9e3779b9)) & (s->count * 2 - 1);
}

/* The place in the index of that slot, or the free one where it would be. */
static uint32_t place_of(const struct policy_state *s, uint32_t kind, uint64_t key)
{
    const uint32_t *index = policy_state_index(s);
    uint32_t mask = s->count * 2 - 1, at = home_of(s, kind, key);

    for (uint32_t steps = 0; steps <= mask; steps++, at = (at + 1) & mask) {
        if (index[at] == 0 || index[at] > s->count)
            break;
        const struct policy_slot *slot = policy_state_slot_at(s, index[at] - 1);
        if (slot->key == key && slot->kind == kind)
            break;
    }
    return at;
}

/* Closes the gap: moves up what would no longer be found behind it. */
static void unindex(struct policy_state *s, uint32_t kind, uint64_t key)
{
    uint32_t *index = policy_state_index(s), mask = s->count * 2 - 1;
    uint32_t gap = place_of(s, kind, key);

    if (index[gap] == 0)
        return;
    for (uint32_t at = (gap + 1) & mask, steps = 0; steps < mask; at = (at + 1) & mask, steps++) {
        if (index[at] == 0 || index[at] > s->count)
            break;
        const struct policy_slot *slot = policy_state_slot_at(s, index[at] - 1);
        uint32_t home = home_of(s, slot->kind, slot->key);
        if (((at - home) & mask) < ((at - gap) & mask))
            continue;
        index[gap] = index[at];
        gap = at;
    }
    index[gap] = 0;
}

/* --- slots --- */

void policy_state_drop(struct policy_state *s, uint32_t slot)
{
    struct policy_slot *gone = policy_state_slot_at(s, slot);

    if (slot < POLICY_SLOT_KINDS || gone->kind == POLICY_SLOT_FREE)
        return;
    unindex(s, gone->kind, gone->key);
    gone->kind = POLICY_SLOT_FREE;
    gone->next_free = s->first_free;
    s->first_free = slot + 1;
    s->used--;
    s->generation++;
}

static void sweep(struct policy_state *s, int64_t now_us)
{
    for (int i = 0; i < SWEEP_SLOTS; i++) {
        if (s->hand >= s->count || s->hand < POLICY_SLOT_KINDS)
            s->hand = POLICY_SLOT_KINDS;
        const struct policy_slot *slot = policy_state_slot_at(s, s->hand);
        if (slot->kind != POLICY_SLOT_FREE && slot->keep_until_us <= now_us)
            policy_state_drop(s, s->hand);
        s->hand++;
    }
}

uint32_t policy_state_find(const struct policy_state *s, enum policy_slot_kind kind, uint64_t key)
{
    uint32_t found = policy_state_index(s)[place_of(s, kind, key)];

    return found && found <= s->count ? found - 1 : POLICY_NONE;
}

/* What was asked for is not given up for something else that is asked for at the same moment. */
static void keep_a_while(struct policy_slot *slot, int64_t now_us)
{
    if (slot->kind == POLICY_SLOT_TARGET && slot->keep_until_us < now_us + TARGET_STAY / 2)
        slot->keep_until_us = now_us + TARGET_STAY;
    else if (slot->keep_until_us <= now_us)
        slot->keep_until_us = now_us + 1;
}

uint32_t policy_state_own_slot(struct policy_state *s, enum policy_slot_kind kind, uint64_t key,
                               int64_t now_us)
{
    uint32_t room = kind == POLICY_SLOT_LIMIT ? s->count / 4 * 3 : s->count;
    uint32_t found = policy_state_find(s, kind, key);

    assert(s->magic == STATE_MAGIC && kind > POLICY_SLOT_FREE && kind < POLICY_SLOT_KINDS);
    if (found != POLICY_NONE) {
        keep_a_while(policy_state_slot_at(s, found), now_us);
        return found;
    }
    if (s->used >= room)
        sweep(s, now_us);
    if (s->used >= room || s->first_free == 0 || s->first_free > s->count)
        return POLICY_NONE;
    uint32_t made = s->first_free - 1;
    struct policy_slot *slot = policy_state_slot_at(s, made);
    s->first_free = slot->next_free;
    *slot = (struct policy_slot){ .key = key, .kind = kind, .keep_until_us = INT64_MIN };
    keep_a_while(slot, now_us);
    policy_state_index(s)[place_of(s, kind, key)] = made + 1;
    s->used++;
    return made;
}

uint32_t policy_state_slot(struct policy_state *s, enum policy_slot_kind kind, uint64_t key,
                           int64_t now_us)
{
    uint32_t slot = policy_state_own_slot(s, kind, key, now_us);

    if (slot != POLICY_NONE)
        return slot;
    s->shared++;
    return kind;
}

uint32_t policy_state_next(const struct policy_state *s, enum policy_slot_kind kind, uint32_t from)
{
    for (uint32_t i = from == POLICY_NONE ? 0 : from + 1; i < s->count; i++)
        if (policy_state_slot_at(s, i)->kind == kind)
            return i;
    return POLICY_NONE;
}

uint64_t policy_state_generation(const struct policy_state *s)
{
    return s->generation;
}

void policy_state_view(const struct policy_state *s, struct policy_state_view *ret)
{
    *ret = (struct policy_state_view){ .slots = s->count, .used = s->used, .shared = s->shared };
}

bool policy_state_mend(struct policy_state *s, size_t slots)
{
    if (s->count == slots && s->magic == STATE_MAGIC)
        return false;
    s->magic = STATE_MAGIC;
    s->count = (uint32_t)slots;
    return true;
}

uint64_t policy_key(const void *bytes, size_t len, uint64_t seed)
{
    uint64_t h = map_hash((struct str){ bytes, len }) ^ seed * UINT64_C(0x9e3779b97f4a7c15);

    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

#include "config.h"

#include "base/map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The two halves of a 128-bit product, folded: every bit of a reaches the low bits, which choose
 * the slot.  (One 64-bit multiplication would carry upwards only.) */
static uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes a step: the mixing of wyhash's family, written for this file. */
uint64_t map_hash(struct str key)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ key.len;
    size_t i = 0;

    for (; i + 8 <= key.len; i += 8) {
        uint64_t word;
        memcpy(&word, key.ptr + i, 8);
        h = mix(h ^ word, UINT64_C(0xff51afd7ed558ccd));
    }
    uint64_t last = 0;
    if (i < key.len)
        memcpy(&last, key.ptr + i, key.len - i);
    return mix(mix(h ^ last, UINT64_C(0xc4ceb9fe1a85ec53)), UINT64_C(0x9e3779b97f4a7c15));
}

static uint32_t *slot_of(const struct map *m, struct str key, uint64_t hash)
{
    for (size_t i = hash & (m->slot_count - 1);; i = (i + 1) & (m->slot_count - 1)) {
        uint32_t *slot = &m->slots[i];
        if (*slot == 0)
            return slot;
        const struct map_entry *e = &m->entries[*slot - 1];
        if (e->hash == hash && str_eq(e->key, key))
            return slot;
    }
}

struct map_entry *map_find(const struct map *m, struct str key)
{
    if (m->len == 0)
        return NULL;
    uint32_t *slot = slot_of(m, key, map_hash(key));
    return *slot ? &m->entries[*slot - 1] : NULL;
}

static void grow(struct map *m)
{
    m->cap = m->cap ? m->cap * 2 : 16;
    assert(m->cap < UINT32_MAX / 2);
    m->entries = mem_realloc(m->entries, m->cap * sizeof(*m->entries));
    m->slot_count = m->cap * 2;
    free(m->slots);
    m->slots = mem_calloc(m->slot_count, sizeof(*m->slots));
    for (size_t i = 0; i < m->len; i++)
        *slot_of(m, m->entries[i].key, m->entries[i].hash) = (uint32_t)i + 1;
}

struct map_entry *map_put(struct map *m, struct str key, bool *ret_new)
{
    uint64_t hash = map_hash(key);

    if (m->len == m->cap)
        grow(m);
    uint32_t *slot = slot_of(m, key, hash);
    if (ret_new)
        *ret_new = *slot == 0;
    if (*slot == 0) {
        m->entries[m->len] = (struct map_entry){ .key = arena_str(&m->keys, key), .hash = hash };
        *slot = (uint32_t)++m->len;
    }
    return &m->entries[*slot - 1];
}

void map_release(struct map *m)
{
    arena_release(&m->keys);
    free(m->entries);
    free(m->slots);
    *m = (struct map){ 0 };
}

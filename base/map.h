/* map - from byte strings to 64-bit values, by open addressing.
 *
 * Keys are copied into the map and keep their insertion order, so that what is
 * built from a map does not depend on a hash.  Nothing can be removed.
 * Zero-initialised is empty and ready.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct map_entry {
    struct str key; /* owned by the map */
    uint64_t hash;
    union {
        uint64_t value;
        void *ptr;
    };
};

struct map {
    struct arena keys;
    struct map_entry *entries; /* in insertion order */
    size_t len, cap;           /* entries */
    uint32_t *slots;           /* index + 1 into entries, 0 = free */
    size_t slot_count;         /* a power of two */
};

/* The entry of key, or NULL.  Valid until the next map_put. */
struct map_entry *map_find(const struct map *m, struct str key);
/* The entry of key, made with value 0 if new; *ret_new (may be NULL) says which. */
struct map_entry *map_put(struct map *m, struct str key, bool *ret_new);
void map_release(struct map *m);
DEFINE_CLEANUP_VALUE(struct map, map_release)
/* The hash map uses: not keyed, not for untrusted floods beyond the caller's own limit. */
uint64_t map_hash(struct str key);

#endif

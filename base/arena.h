/* arena - many small allocations dropped at once.  Zero-initialised is empty and ready. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/mem.h"
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* of the newest block */
    size_t total_bytes;         /* handed out since the last reset */
};

/* Zeroed, aligned for any type, valid until reset or release. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy with a NUL past its end, so that .ptr is also a C string. */
struct str arena_str(struct arena *a, struct str s);
/* Drops everything and keeps the newest block for the next round. */
void arena_reset(struct arena *a);
void arena_release(struct arena *a);
DEFINE_CLEANUP_VALUE(struct arena, arena_release)

#endif

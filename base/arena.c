#include "config.h"

#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES_MIN (16u << 10)

struct arena_block {
    struct arena_block *next;
    size_t cap; /* bytes in data */
    alignas(max_align_t) char data[];
};

static size_t align_up(size_t size)
{
    return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

void *arena_alloc(struct arena *a, size_t size)
{
    assert(size < SIZE_MAX / 4);
    size = align_up(size ? size : 1);
    if (!a->blocks || a->blocks->cap - a->used_bytes < size) {
        size_t cap = size > BLOCK_BYTES_MIN ? size : BLOCK_BYTES_MIN;
        struct arena_block *block = mem_realloc(NULL, sizeof(*block) + cap);
        block->next = a->blocks;
        block->cap = cap;
        a->blocks = block;
        a->used_bytes = 0;
    }
    void *at = a->blocks->data + a->used_bytes;
    a->used_bytes += size;
    a->total_bytes += size;
    return memset(at, 0, size);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);

    if (s.len)
        memcpy(copy, s.ptr, s.len);
    return (struct str){ copy, s.len };
}

static void free_after(struct arena_block *block)
{
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_reset(struct arena *a)
{
    if (!a->total_bytes)
        return; /* nor is its memory touched */
    if (a->blocks) {
        free_after(a->blocks->next);
        a->blocks->next = NULL;
    }
    a->used_bytes = 0;
    a->total_bytes = 0;
}

void arena_release(struct arena *a)
{
    free_after(a->blocks);
    *a = (struct arena){ 0 };
}

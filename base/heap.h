/* heap - a binary min-heap of things due at a time, ties broken by the order they were pushed in.
 *
 * Intrusive: the owner embeds a struct heap_node and the heap holds pointers to it, so that a thing
 * can be taken out or moved without a search.  Keys lie in the heap's own array: comparing touches
 * no node.  Serves timers of the loop and events of a simulation alike.
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* Zero-initialised is in no heap. */
struct heap_node {
    size_t place; /* index + 1 in the heap, 0 = in none */
};

struct heap_entry {
    uint64_t at_us;
    uint64_t number; /* of insertion, from 1 */
    struct heap_node *node;
};

/* Zero-initialised is empty and ready. */
struct heap {
    struct heap_entry *entries;
    size_t len, cap;
    uint64_t pushed; /* so far */
};

/* Frees the array; nodes still in it are told that they are in no heap. */
void heap_release(struct heap *h);
DEFINE_CLEANUP_VALUE(struct heap, heap_release)
/* node must be in no heap. */
void heap_push(struct heap *h, struct heap_node *node, uint64_t at_us);
/* As remove and push: behind all others of the same time. */
void heap_move(struct heap *h, struct heap_node *node, uint64_t at_us);
/* Does nothing if node is in no heap. */
void heap_remove(struct heap *h, struct heap_node *node);
/* The earliest, or NULL; *ret_at_us is set if there is one. */
struct heap_node *heap_first(const struct heap *h, uint64_t *ret_at_us);
/* Takes the earliest out and returns it, or NULL; *ret_at_us (may be NULL) as above. */
struct heap_node *heap_pop(struct heap *h, uint64_t *ret_at_us);

static inline bool heap_has(const struct heap_node *node)
{
    return node->place != 0;
}

/* The struct of which member is the node. */
#define heap_owner(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif

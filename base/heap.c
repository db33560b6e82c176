#include "config.h"

#include "base/heap.h"

#include <assert.h>
#include <stdlib.h>

void heap_release(struct heap *h)
{
    for (size_t i = 0; i < h->len; i++)
        h->entries[i].node->place = 0;
    free(h->entries);
    *h = (struct heap){ 0 };
}

static bool is_before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->number < b->number;
}

static void put(struct heap *h, size_t i, struct heap_entry entry)
{
    h->entries[i] = entry;
    entry.node->place = i + 1;
}

static void sift_up(struct heap *h, size_t i, struct heap_entry entry)
{
    while (i > 0 && is_before(&entry, &h->entries[(i - 1) / 2])) {
        put(h, i, h->entries[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(h, i, entry);
}

static void sift_down(struct heap *h, size_t i, struct heap_entry entry)
{
    for (size_t child; (child = 2 * i + 1) < h->len; i = child) {
        if (child + 1 < h->len && is_before(&h->entries[child + 1], &h->entries[child]))
            child++;
        if (!is_before(&h->entries[child], &entry))
            break;
        put(h, i, h->entries[child]);
    }
    put(h, i, entry);
}

/* Places entry at the free place i, wherever that is. */
static void settle(struct heap *h, size_t i, struct heap_entry entry)
{
    if (i > 0 && is_before(&entry, &h->entries[(i - 1) / 2]))
        sift_up(h, i, entry);
    else
        sift_down(h, i, entry);
}

void heap_push(struct heap *h, struct heap_node *node, uint64_t at_us)
{
    assert(!heap_has(node));
    if (h->len == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->entries = mem_realloc(h->entries, h->cap * sizeof(*h->entries));
    }
    sift_up(h, h->len++, (struct heap_entry){ at_us, ++h->pushed, node });
}

void heap_move(struct heap *h, struct heap_node *node, uint64_t at_us)
{
    assert(heap_has(node) && h->entries[node->place - 1].node == node);
    settle(h, node->place - 1, (struct heap_entry){ at_us, ++h->pushed, node });
}

void heap_remove(struct heap *h, struct heap_node *node)
{
    if (!heap_has(node))
        return;
    size_t i = node->place - 1;
    assert(i < h->len && h->entries[i].node == node);
    node->place = 0;
    struct heap_entry last = h->entries[--h->len];
    if (i < h->len)
        settle(h, i, last);
}

struct heap_node *heap_first(const struct heap *h, uint64_t *ret_at_us)
{
    if (h->len == 0)
        return NULL;
    *ret_at_us = h->entries[0].at_us;
    return h->entries[0].node;
}

struct heap_node *heap_pop(struct heap *h, uint64_t *ret_at_us)
{
    uint64_t at_us = 0;
    struct heap_node *node = heap_first(h, &at_us);

    if (!node)
        return NULL;
    heap_remove(h, node);
    if (ret_at_us)
        *ret_at_us = at_us;
    return node;
}

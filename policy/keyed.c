#include "config.h"

#include "policy/keyed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

struct generation {
    struct keyed **places; /* open addressing; NULL = free */
    size_t count;
};

struct keyed_table {
    struct generation young, old;
    size_t places; /* of each: a power of two, at least twice what a generation holds */
    size_t most;   /* in a generation */
};

struct keyed_table *keyed_new(size_t limit)
{
    struct keyed_table *t = mem_calloc(1, sizeof(*t));

    assert(limit >= 4);
    t->most = limit / 2;
    for (t->places = 8; t->places < 2 * t->most; t->places *= 2)
        ;
    t->young.places = mem_calloc(t->places, sizeof(struct keyed *));
    t->old.places = mem_calloc(t->places, sizeof(struct keyed *));
    return t;
}

static void empty(struct keyed_table *t, struct generation *g)
{
    for (size_t i = 0; g->count && i < t->places; i++)
        if (g->places[i]) {
            keyed_unref(g->places[i]);
            g->places[i] = NULL;
            g->count--;
        }
}

void keyed_free(struct keyed_table *t)
{
    if (!t)
        return;
    empty(t, &t->young);
    empty(t, &t->old);
    free(t->young.places);
    free(t->old.places);
    free(t);
}

static struct keyed **place_of(const struct keyed_table *t, const struct generation *g,
                               struct str key, uint64_t hash)
{
    for (size_t i = hash & (t->places - 1);; i = (i + 1) & (t->places - 1)) {
        struct keyed *k = g->places[i];
        if (!k || (k->hash == hash && str_eq(k->key, key)))
            return &g->places[i];
    }
}

/* Into the young generation, which makes room first. */
static void adopt(struct keyed_table *t, struct keyed *k)
{
    if (t->young.count == t->most) {
        struct generation emptied = t->old;
        empty(t, &emptied);
        t->old = t->young;
        t->young = emptied;
    }
    *place_of(t, &t->young, k->key, k->hash) = k;
    t->young.count++;
}

struct keyed *keyed_find(struct keyed_table *t, struct str key)
{
    uint64_t hash = map_hash(key);
    struct keyed *k = *place_of(t, &t->young, key, hash);

    if (k || !t->old.count)
        return k;
    k = *place_of(t, &t->old, key, hash);
    if (!k)
        return NULL;
    /* It stays in the old one as well, which only ever goes as a whole. */
    keyed_ref(k);
    adopt(t, k);
    return k;
}

struct keyed *keyed_put(struct keyed_table *t, struct str key, size_t bytes)
{
    struct keyed *k = mem_calloc(1, bytes + key.len);
    char *text = (char *)k + bytes;

    assert(bytes >= sizeof(*k));
    if (key.len)
        memcpy(text, key.ptr, key.len);
    *k = (struct keyed){
        .hash = map_hash(key), .key = {text, key.len},
             .refs = 1
    };
    if (t)
        adopt(t, k);
    return k;
}

void keyed_ref(struct keyed *k)
{
    assert(k->refs > 0 && k->refs < UINT32_MAX);
    k->refs++;
}

void keyed_unref(struct keyed *k)
{
    assert(k->refs > 0);
    if (--k->refs)
        return;
    free(k);
}

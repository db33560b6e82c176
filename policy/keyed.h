/* keyed - counted objects by a key of bytes; when there are too many, those not asked for longest
 * are given up.
 *
 * Two generations: what is found in the old one moves to the young one; when that is half of the
 * limit, the old one goes and the young one is the old.  So a look-up costs one or two probes, and
 * giving up costs nothing per object.
 */
#ifndef POLICY_KEYED_H
#define POLICY_KEYED_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/str.h"

/* What every object begins with: one piece of memory, so that many can be held. */
struct keyed {
    uint64_t hash;
    struct str key;
    uint32_t refs;
};

struct keyed_table;

/* Of limit objects at most, and at least 4. */
struct keyed_table *keyed_new(size_t limit);
void keyed_free(struct keyed_table *t);
DEFINE_CLEANUP(struct keyed_table, keyed_free)

/* NULL if it is not there.  The table holds a reference to what it returns, until it gives it up in
 * a later keyed_find or keyed_put. */
struct keyed *keyed_find(struct keyed_table *t, struct str key);
/* A new object of so many bytes, its head included, zeroed behind that; t is NULL for one that
 * nobody finds, and the reference is the caller's. */
struct keyed *keyed_put(struct keyed_table *t, struct str key, size_t bytes);
void keyed_ref(struct keyed *k);
void keyed_unref(struct keyed *k);

#endif

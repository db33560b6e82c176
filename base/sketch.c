#include "config.h"

#include "base/sketch.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for buckets first to last, with some to spare on both sides. */
static void make_room(struct sketch *s, uint32_t first, uint32_t last)
{
    uint32_t end = s->first + s->len;

    if (s->len > 0 && first >= s->first && last < end)
        return;
    uint32_t new_first = s->len > 0 && s->first < first ? s->first : first;
    uint32_t new_end = s->len > 0 && end > last + 1 ? end : last + 1;
    new_first &= ~((1u << SKETCH_BITS) - 1);
    new_end = (new_end + (1u << SKETCH_BITS) - 1) & ~((1u << SKETCH_BITS) - 1);
    uint64_t *counts = mem_calloc(new_end - new_first, sizeof(*counts));
    if (s->len > 0)
        memcpy(counts + (s->first - new_first), s->counts, s->len * sizeof(*counts));
    free(s->counts);
    s->counts = counts;
    s->first = new_first;
    s->len = new_end - new_first;
}

void sketch_add_bucket(struct sketch *s, uint32_t bucket, uint64_t n)
{
    assert(bucket < SKETCH_BUCKETS);

    if (n == 0)
        return;
    make_room(s, bucket, bucket);
    s->counts[bucket - s->first] += n;
    s->total += n;
}

void sketch_add(struct sketch *s, int64_t value)
{
    sketch_add_bucket(s, sketch_bucket(value), 1);
}

void sketch_merge(struct sketch *to, const struct sketch *from)
{
    if (from->total == 0)
        return;
    make_room(to, from->first, from->first + from->len - 1);
    for (uint32_t i = 0; i < from->len; i++)
        to->counts[from->first - to->first + i] += from->counts[i];
    to->total += from->total;
}

/* The middle of a bucket. */
static int64_t value_of(uint32_t bucket)
{
    const uint32_t half = 1u << SKETCH_BITS;

    if (bucket < 2 * half)
        return bucket;
    unsigned shift = (bucket >> SKETCH_BITS) - 1;
    uint64_t low = (uint64_t)(bucket - (shift << SKETCH_BITS)) << shift;
    return (int64_t)(low + ((UINT64_C(1) << shift) - 1) / 2);
}

/* How far the buckets were looked at: next is the first that was not. */
struct walk {
    uint32_t next, last; /* that was not empty */
    uint64_t seen;
};

/* q never falls from one to the next. */
static int64_t walk_to(const struct sketch *s, struct walk *w, double q)
{
    double rank = ceil(q * (double)s->total);
    uint64_t wanted = rank < 1 ? 1 : (uint64_t)rank;

    for (; w->next < s->len && w->seen < wanted; w->next++) {
        if (s->counts[w->next] == 0)
            continue;
        w->seen += s->counts[w->next];
        w->last = w->next;
    }
    return value_of(s->first + w->last);
}

int64_t sketch_quantile(const struct sketch *s, double q)
{
    struct walk w = { 0 };

    return s->total ? walk_to(s, &w, q) : -1;
}

void sketch_quantiles(const struct sketch *s, size_t steps, int64_t *ret)
{
    struct walk w = { 0 };

    for (size_t i = 0; i <= steps; i++)
        ret[i] = s->total ? walk_to(s, &w, (double)i / (double)steps) : -1;
}

void sketch_release(struct sketch *s)
{
    free(s->counts);
    *s = (struct sketch){ 0 };
}

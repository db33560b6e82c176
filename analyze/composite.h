/* composite - rows numbered by the combination of codes they have in several columns: the numbers
 * are dense, in order of first appearance, so that what is kept per combination is an array.
 *
 * Columns are added one by one.  While combinations are few, a step is one look-up in a table per
 * row; past COMPOSITE_TABLE cells it is a hash of the pair.
 */
#ifndef ANALYZE_COMPOSITE_H
#define ANALYZE_COMPOSITE_H

#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define COMPOSITE_TABLE (1u << 17)

struct composite {
    size_t rows;
    uint32_t *ids;       /* of each row */
    uint32_t *first_row; /* of each id: the row it was made for */
    size_t count;        /* ids in use */
    /* private */
    size_t capacity;
    struct composite *lender; /* whose table, keys and slots it works with, NULL = its own */
    uint32_t *table;          /* COMPOSITE_TABLE cells, all 0 between steps */
    uint64_t *keys;           /* of a step: the pair behind each new id */
    size_t key_capacity;
    uint32_t *slots; /* of the hash */
    size_t slot_count;
};

/* Lets it work with the memory of another, between whose steps its own steps then fall. */
void composite_share(struct composite *c, struct composite *lender);
/* All rows alike: id 0. */
void composite_start(struct composite *c, size_t rows);
/* The ids of another, to be split further. */
void composite_copy(struct composite *c, const struct composite *from);
/* Tells apart rows by codes (below limit); is_null may be NULL, else a null row is unlike any code.
 */
void composite_split(struct composite *c, const uint32_t *codes, const uint8_t *is_null,
                     size_t limit);
/* The same by flags of 0 and 1. */
void composite_split_flags(struct composite *c, const uint8_t *flags);
void composite_release(struct composite *c);
DEFINE_CLEANUP_VALUE(struct composite, composite_release)

#endif

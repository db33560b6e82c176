/* dimension - what spend can be grouped by: any ledger column of text, small number or truth, and
 * time buckets. */
#ifndef ANALYZE_DIMENSION_H
#define ANALYZE_DIMENSION_H

#include "analyze/scan.h"
#include "base/timestamp.h"
#include "base/vec.h"

#define DIMENSIONS_MAX 16

struct dimension;

/* By name: a ledger column, or hour, day, week (ISO 8601), month, year in tz (NULL = UTC, must
 * outlive ret). */
int dimension_new(struct str name, const struct tz *tz, struct dimension **ret, struct err *err);
void dimension_free(struct dimension *d);
DEFINE_CLEANUP(struct dimension, dimension_free)
const char *dimension_name(const struct dimension *d);
bool dimension_is_bucket(const struct dimension *d);
void dimension_columns(const struct dimension *d, struct scan_columns *ret);
/* One of the same meaning, for another thread; its codes are its own. */
struct dimension *dimension_clone(const struct dimension *d);
/* Call once per block before what follows. */
void dimension_prepare(struct dimension *d, const struct block *b);
/* Numbers that tell the block's rows apart by their values: rows with equal numbers (and nullness)
 * have the same value.  Valid until the next dimension_prepare. */
struct dimension_rows {
    const uint32_t *numbers;
    const uint8_t *is_null; /* may be NULL */
    size_t limit;           /* numbers are below; 0 = all rows have one value */
};
void dimension_split(struct dimension *d, const struct block *b, struct dimension_rows *ret);
/* A small number that stands for the row's value through the whole scan; 0 = none. */
uint32_t dimension_code(struct dimension *d, const struct block *b, size_t row);
/* The code of a value, 0 if it is empty. */
uint32_t dimension_intern(struct dimension *d, struct str value);
/* The code of a value seen before; false if it was not. */
bool dimension_find(const struct dimension *d, struct str value, uint32_t *ret);
/* The value behind a code; empty for 0. */
struct str dimension_value(const struct dimension *d, uint32_t code);
/* All buckets from first to last, which are values of d, in time and with those in which nothing
 * was: how many, in a list on the heap.  0 if they are more than max, or first is none. */
size_t dimension_steps(struct dimension *d, struct str first, struct str last, size_t max,
                       struct str **ret);

#endif

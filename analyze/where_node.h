/* where_node - the parsed form of a filter, shared by its parser and its evaluation only. */
#ifndef ANALYZE_WHERE_NODE_H
#define ANALYZE_WHERE_NODE_H

#include "analyze/where.h"
#include "base/arena.h"
#include "base/vec.h"

enum where_op {
    WHERE_EQ,
    WHERE_NE,
    WHERE_LT,
    WHERE_LE,
    WHERE_GT,
    WHERE_GE,
    WHERE_GLOB,
    WHERE_NOT_GLOB,
    WHERE_IN, /* any of the values; for a period: from <= x < to */
    WHERE_PERIOD,
    WHERE_NULL,
    WHERE_TRUE, /* a true/false field standing alone */
};

enum where_kind {
    WHERE_TEST,
    WHERE_NOT, /* left */
    WHERE_AND, /* left, right */
    WHERE_OR,
};

struct where_value {
    struct str text;
    int64_t number; /* in the column's own unit */
};

struct where_node {
    enum where_kind kind;
    struct where_node *left, *right;
    /* a test */
    enum ledger_column column;
    enum where_op op;
    struct where_value *values;
    size_t value_count;
    /* per block, for text columns: does the test hold for dict[code]; the last entry is for null */
    VEC(uint8_t) pass;
};

struct where {
    struct arena arena;
    struct where_node *root;
    VEC(struct where_node *) tests;
    struct str text; /* as it was written, and the zone it was read in */
    const struct tz *tz;
    VEC(uint8_t) masks; /* of where_rows: rows bytes to each level of the tree */
};

#endif

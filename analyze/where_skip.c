/* where_skip - what the statistics of a row group say of a filter, before anything is read. */
#include "config.h"

#include "analyze/where_node.h"

struct int_range {
    int64_t min, max;
};

/* Whether a number within the range may pass. */
static bool number_may(const struct where_node *n, struct int_range r)
{
    int64_t x = n->value_count > 0 ? n->values[0].number : 0;

    switch (n->op) {
    case WHERE_EQ:
        return r.min <= x && x <= r.max;
    case WHERE_NE:
        return r.min != x || r.max != x;
    case WHERE_LT:
        return r.min < x;
    case WHERE_LE:
        return r.min <= x;
    case WHERE_GT:
        return r.max > x;
    case WHERE_GE:
        return r.max >= x;
    case WHERE_PERIOD:
        return r.max >= x && r.min < n->values[1].number;
    case WHERE_TRUE:
        return r.min != 0 || r.max != 0;
    case WHERE_IN:
        for (size_t i = 0; i < n->value_count; i++)
            if (r.min <= n->values[i].number && n->values[i].number <= r.max)
                return true;
        return false;
    default:
        return true;
    }
}

/* A null passes as the empty text does, so that must not be among the values. */
static bool text_may(const struct where_node *n, struct str min, struct str max)
{
    if (n->op != WHERE_EQ && n->op != WHERE_IN)
        return true;
    for (size_t i = 0; i < n->value_count; i++) {
        struct str text = n->values[i].text;
        if (text.len == 0 || (str_cmp(min, text) <= 0 && str_cmp(text, max) <= 0))
            return true;
    }
    return false;
}

static bool is_derived(enum ledger_column c)
{
    static const enum ledger_column who[] = { LEDGER_APP,           LEDGER_TEAM,
                                              LEDGER_BUSINESS_UNIT, LEDGER_ENVIRONMENT,
                                              LEDGER_END_USER,      LEDGER_PURPOSE };

    for (size_t i = 0; i < ARRAY_LEN(who); i++)
        if (who[i] == c)
            return true;
    return false;
}

static bool test_may(const struct where_node *n, const struct where_group *g)
{
    int column = g->columns[n->column];
    struct int_range range;
    struct str min, max;

    if (column < 0 || (g->who_is_derived && is_derived(n->column)))
        return true;
    if (ledger_columns()[n->column].type == PARQUET_STRING)
        return !parquet_str_range(g->file, g->group, (size_t)column, &min, &max) ||
               text_may(n, min, max);
    return !parquet_int_range(g->file, g->group, (size_t)column, &range.min, &range.max) ||
           number_may(n, range);
}

static bool node_may(const struct where_node *n, const struct where_group *g)
{
    switch (n->kind) {
    case WHERE_AND:
        return node_may(n->left, g) && node_may(n->right, g);
    case WHERE_OR:
        return node_may(n->left, g) || node_may(n->right, g);
    case WHERE_NOT:
        return true;
    default:
        return test_may(n, g);
    }
}

bool where_may_pass(const struct where *w, const struct where_group *g)
{
    return node_may(w->root, g);
}

#include "config.h"

#include "analyze/where.h"

#include <assert.h>
#include <string.h>

#include "analyze/where_node.h"

void where_free(struct where *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->tests.len; i++)
        vec_release(&w->tests.ptr[i]->pass);
    vec_release(&w->tests);
    vec_release(&w->masks);
    arena_release(&w->arena);
    free(w);
}

void where_columns(const struct where *w, struct scan_columns *ret)
{
    for (size_t i = 0; i < w->tests.len; i++)
        ret->want[w->tests.ptr[i]->column] = true;
}

static bool is_text(enum ledger_column c)
{
    return ledger_columns()[c].type == PARQUET_STRING;
}

/* The sign of value against the test's only value, as memcmp gives it. */
static bool order_holds(enum where_op op, int order)
{
    enum {
        BELOW = 1,
        EQUAL = 2,
        ABOVE = 4,
    };
    static const uint8_t holds[] = {
        [WHERE_EQ] = EQUAL,         [WHERE_NE] = BELOW | ABOVE, [WHERE_LT] = BELOW,
        [WHERE_LE] = BELOW | EQUAL, [WHERE_GT] = ABOVE,         [WHERE_GE] = EQUAL | ABOVE,
    };

    assert((size_t)op < ARRAY_LEN(holds));
    return holds[op] & (order < 0 ? BELOW : order > 0 ? ABOVE : EQUAL);
}

static bool text_in(const struct where_node *n, struct str s)
{
    for (size_t i = 0; i < n->value_count; i++)
        if (str_eq(n->values[i].text, s))
            return true;
    return false;
}

static bool text_holds(const struct where_node *n, struct str s)
{
    switch (n->op) {
    case WHERE_GLOB:
    case WHERE_NOT_GLOB:
        return str_glob(n->values[0].text, s) == (n->op == WHERE_GLOB);
    case WHERE_IN:
        return text_in(n, s);
    case WHERE_NULL:
        return s.len == 0;
    default:
        return order_holds(n->op, str_cmp(s, n->values[0].text));
    }
}

static bool number_in(const struct where_node *n, int64_t x)
{
    for (size_t i = 0; i < n->value_count; i++)
        if (n->values[i].number == x)
            return true;
    return false;
}

static bool number_holds(const struct where_node *n, int64_t x)
{
    switch (n->op) {
    case WHERE_PERIOD:
        return x >= n->values[0].number && x < n->values[1].number;
    case WHERE_IN:
        return number_in(n, x);
    case WHERE_TRUE:
        return x != 0;
    default: {
        int64_t y = n->values[0].number;
        return order_holds(n->op, (x > y) - (x < y));
    }
    }
}

void where_prepare(struct where *w, const struct block *b)
{
    for (size_t i = 0; i < w->tests.len; i++) {
        struct where_node *n = w->tests.ptr[i];
        const struct block_column *col = &b->columns[n->column];
        if (!is_text(n->column))
            continue;
        vec_clear(&n->pass);
        for (size_t code = 0; !col->absent && code < col->dict_len; code++)
            vec_push(&n->pass, text_holds(n, col->dict[code]));
        vec_push(&n->pass, text_holds(n, (struct str){ 0 }));
    }
}

static bool test_row(const struct where_node *n, const struct block *b, size_t row)
{
    bool null = block_is_null(b, n->column, row);

    if (is_text(n->column))
        return n->pass.ptr[null ? n->pass.len - 1 : b->columns[n->column].codes[row]];
    if (n->op == WHERE_NULL)
        return null;
    return !null && number_holds(n, b->columns[n->column].ints[row]);
}

static bool node_row(const struct where_node *n, const struct block *b, size_t row)
{
    switch (n->kind) {
    case WHERE_AND:
        return node_row(n->left, b, row) && node_row(n->right, b, row);
    case WHERE_OR:
        return node_row(n->left, b, row) || node_row(n->right, b, row);
    case WHERE_NOT:
        return !node_row(n->left, b, row);
    default:
        return test_row(n, b, row);
    }
}

bool where_row(const struct where *w, const struct block *b, size_t row)
{
    return node_row(w->root, b, row);
}

/* --- many rows at a time --- */

static void text_rows(const struct where_node *n, const struct block *b, uint8_t *keep)
{
    const struct block_column *col = &b->columns[n->column];
    const uint8_t *pass = n->pass.ptr;
    uint8_t of_null = pass[n->pass.len - 1];

    if (col->absent) {
        memset(keep, of_null, b->rows);
        return;
    }
    for (size_t row = 0; row < b->rows; row++)
        keep[row] = pass[col->codes[row]];
    for (size_t row = 0; col->is_null && row < b->rows; row++)
        keep[row] = col->is_null[row] ? of_null : keep[row];
}

static void number_rows(const struct where_node *n, const struct block *b, uint8_t *keep)
{
    const struct block_column *col = &b->columns[n->column];

    if (col->absent) {
        memset(keep, n->op == WHERE_NULL, b->rows);
        return;
    }
    for (size_t row = 0; row < b->rows; row++)
        keep[row] = test_row(n, b, row);
}

static size_t depth_of(const struct where_node *n)
{
    size_t left = n->left ? depth_of(n->left) : 0, right = n->right ? depth_of(n->right) : 0;

    return 1 + (left > right ? left : right);
}

/* masks has room for as many rows as the tree is deep. */
static void node_rows(const struct where_node *n, const struct block *b, uint8_t *keep,
                      uint8_t *masks)
{
    if (n->kind == WHERE_TEST) {
        (is_text(n->column) ? text_rows : number_rows)(n, b, keep);
        return;
    }
    node_rows(n->left, b, keep, masks);
    if (n->kind == WHERE_NOT) {
        for (size_t row = 0; row < b->rows; row++)
            keep[row] ^= 1;
        return;
    }
    node_rows(n->right, b, masks, masks + b->rows);
    if (n->kind == WHERE_AND)
        for (size_t row = 0; row < b->rows; row++)
            keep[row] &= masks[row];
    else
        for (size_t row = 0; row < b->rows; row++)
            keep[row] |= masks[row];
}

void where_rows(struct where *w, const struct block *b, uint8_t *keep)
{
    size_t bytes = b->rows * depth_of(w->root);

    where_prepare(w, b);
    if (w->masks.cap < bytes) {
        vec_release(&w->masks);
        w->masks.ptr = mem_calloc(bytes, 1);
        w->masks.cap = bytes;
    }
    node_rows(w->root, b, keep, w->masks.ptr);
}

int where_clone(const struct where *w, struct where **ret, struct err *err)
{
    return where_parse(w->text, w->tz, ret, err);
}

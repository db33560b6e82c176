#include "config.h"

#include "analyze/where_sql.h"

#include "analyze/clickhouse.h"
#include "analyze/push_table.h"
#include "analyze/where_node.h"

static const char *const comparisons[] = {
    [WHERE_EQ] = "=",  [WHERE_NE] = "!=", [WHERE_LT] = "<",
    [WHERE_LE] = "<=", [WHERE_GT] = ">",  [WHERE_GE] = ">=",
};

static bool is_text(const struct where_node *n)
{
    return ledger_columns()[n->column].type == PARQUET_STRING;
}

static void add_value(const struct where_node *n, size_t i, struct buf *out)
{
    if (is_text(n))
        clickhouse_add_text(out, n->values[i].text);
    else
        buf_addf(out, "%lld", (long long)n->values[i].number);
}

/* --- patterns: "a*", "*b", "a*b", "a*m*b" in functions of bytes.  LIKE reads letters, and no byte
 * that is not UTF-8. --- */

#define PIECES_MAX 3

static void add_start(const char *column, struct str piece, struct buf *out)
{
    if (piece.len == 0)
        return;
    buf_addf(out, " AND substring(%s, 1, %zu) = ", column, piece.len);
    clickhouse_add_text(out, piece);
}

static void add_end(const char *column, struct str piece, struct buf *out)
{
    if (piece.len == 0)
        return;
    buf_addf(out, " AND substring(%s, -%zu) = ", column, piece.len);
    clickhouse_add_text(out, piece);
}

static int add_glob(const struct where_node *n, struct buf *out, struct err *err)
{
    const char *column = push_table_column(n->column);
    struct str rest = n->values[0].text, pieces[PIECES_MAX] = { 0 }, piece;
    size_t count = 0;

    while (str_split(&rest, '*', &piece)) {
        if (count == PIECES_MAX || str_find_char(piece, '?', 0) >= 0)
            return err_set(err, ERR_UNSUPPORTED,
                           "--engine takes patterns with one or two '*' and no '?'");
        pieces[count++] = piece;
    }
    buf_add_text(out, n->op == WHERE_NOT_GLOB ? "(NOT (" : "((");
    if (count <= 1) {
        buf_addf(out, "%s = ", column);
        clickhouse_add_text(out, pieces[0]);
        buf_add_text(out, "))");
        return 0;
    }
    struct str first = pieces[0], last = pieces[count - 1];
    buf_addf(out, "length(%s) >= %zu", column, first.len + last.len);
    add_start(column, first, out);
    add_end(column, last, out);
    if (count == PIECES_MAX && pieces[1].len) {
        buf_addf(out, " AND position(substring(%s, %zu, greatest(toInt64(length(%s)) - %zu, 0)), ",
                 column, first.len + 1, column, first.len + last.len);
        clickhouse_add_text(out, pieces[1]);
        buf_add_text(out, ") > 0");
    }
    buf_add_text(out, "))");
    return 0;
}

/* --- tests --- */

static void add_in(const struct where_node *n, struct buf *out)
{
    buf_addf(out, "ifNull(%s IN (", push_table_column(n->column));
    for (size_t i = 0; i < n->value_count; i++) {
        if (i > 0)
            buf_add_text(out, ", ");
        add_value(n, i, out);
    }
    buf_add_text(out, "), 0)");
}

/* A null number passes no test but "is null"; null text is empty text. */
static int add_test(const struct where_node *n, struct buf *out, struct err *err)
{
    const char *column = push_table_column(n->column);

    switch (n->op) {
    case WHERE_GLOB:
    case WHERE_NOT_GLOB:
        return add_glob(n, out, err);
    case WHERE_IN:
        add_in(n, out);
        return 0;
    case WHERE_NULL:
        buf_addf(out, is_text(n) ? "(%s = '')" : "isNull(%s)", column);
        return 0;
    case WHERE_TRUE:
        buf_addf(out, "ifNull(%s != 0, 0)", column);
        return 0;
    case WHERE_PERIOD:
        buf_addf(out, "ifNull(%s >= %lld AND %s < %lld, 0)", column, (long long)n->values[0].number,
                 column, (long long)n->values[1].number);
        return 0;
    default:
        buf_addf(out, "ifNull(%s %s ", column, comparisons[n->op]);
        add_value(n, 0, out);
        buf_add_text(out, ", 0)");
        return 0;
    }
}

static int add_node(const struct where_node *n, struct buf *out, struct err *err)
{
    if (n->kind == WHERE_TEST)
        return add_test(n, out, err);
    buf_add_text(out, n->kind == WHERE_NOT ? "(NOT " : "(");
    if (add_node(n->left, out, err) < 0)
        return -1;
    if (n->kind != WHERE_NOT) {
        buf_add_text(out, n->kind == WHERE_AND ? " AND " : " OR ");
        if (add_node(n->right, out, err) < 0)
            return -1;
    }
    buf_add_text(out, ")");
    return 0;
}

int where_sql(const struct where *w, struct buf *out, struct err *err)
{
    return add_node(w->root, out, err);
}

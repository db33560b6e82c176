#include "config.h"

#include "analyze/where.h"

#include <assert.h>
#include <string.h>

#include "analyze/period.h"
#include "analyze/where_node.h"
#include "base/buf.h"
#include "base/decimal.h"
#include "base/nearest.h"
#include "llm/provider.h"

#define SHOWN_BYTES 70 /* of the expression around the caret */

enum token_kind {
    TOKEN_END,
    TOKEN_WORD, /* field or keyword */
    TOKEN_TEXT, /* in quotes, which are taken off; '' inside means one quote */
    TOKEN_NUMBER,
    TOKEN_OPERATOR,
};

struct token {
    enum token_kind kind;
    struct str text;
    size_t at; /* byte in the expression */
};

struct parser {
    struct str text;
    const struct tz *tz;
    struct where *where;
    struct err *err;
    size_t next; /* byte after the current token */
    struct token token;
    int depth;
};

/* "message\n  expression\n      ^": returns -1. */
static int fail_at(struct parser *p, size_t at, const char *message)
{
    char clean[SHOWN_BYTES + 1];
    size_t from = at > SHOWN_BYTES / 2 ? at - SHOWN_BYTES / 2 : 0;
    struct str shown = str_sub(p->text, from, SHOWN_BYTES);

    for (size_t i = 0; i < shown.len; i++)
        clean[i] = (unsigned char)shown.ptr[i] < ' ' ? ' ' : shown.ptr[i];
    clean[shown.len] = '\0';
    return err_set(p->err, ERR_USAGE, "%s at column %zu\n  %s\n  %*s^", message, at + 1, clean,
                   (int)(at - from), "");
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

/* Reads 'text' with the cursor at the opening quote; '' inside stands for one quote. */
static int lex_quoted(struct parser *p)
{
    char quote = p->text.ptr[p->token.at];
    CLEANUP(buf_release) struct buf out = { 0 };

    for (size_t i = p->token.at + 1; i < p->text.len; i++) {
        if (p->text.ptr[i] != quote) {
            buf_add_byte(&out, p->text.ptr[i]);
        } else if (i + 1 < p->text.len && p->text.ptr[i + 1] == quote) {
            buf_add_byte(&out, quote);
            i++;
        } else {
            p->token.kind = TOKEN_TEXT;
            p->token.text = arena_str(&p->where->arena, buf_str(&out));
            p->next = i + 1;
            return 0;
        }
    }
    return fail_at(p, p->token.at, "text without its closing quote");
}

static const char *const operators[] = { "!=", "<=", ">=", "!~", "==", "=", "<",
                                         ">",  "~",  "(",  ")",  ",",  NULL };

static int lex_operator(struct parser *p)
{
    struct str rest = str_sub(p->text, p->token.at, 2);

    for (size_t i = 0; operators[i]; i++) {
        struct str op = str_from(operators[i]);
        if (str_starts_with(rest, op)) {
            p->token.kind = TOKEN_OPERATOR;
            p->token.text = op;
            p->next = p->token.at + op.len;
            return 0;
        }
    }
    return fail_at(p, p->token.at, "unexpected character");
}

static int advance(struct parser *p)
{
    size_t at = p->next;

    while (at < p->text.len && strchr(" \t\r\n", p->text.ptr[at]))
        at++;
    p->token = (struct token){ .at = at };
    if (at == p->text.len)
        return 0;
    char c = p->text.ptr[at];
    if (c == '\'' || c == '"')
        return lex_quoted(p);
    bool negative = c == '-' && at + 1 < p->text.len && is_word(p->text.ptr[at + 1]);
    if (!is_word(c) && !negative)
        return lex_operator(p);
    size_t end = at + 1;
    while (end < p->text.len && is_word(p->text.ptr[end]))
        end++;
    p->token.text = str_sub(p->text, at, end - at);
    p->token.kind = negative || (c >= '0' && c <= '9') ? TOKEN_NUMBER : TOKEN_WORD;
    p->next = end;
    return 0;
}

static bool at_word(const struct parser *p, const char *word)
{
    return p->token.kind == TOKEN_WORD && str_ieq(p->token.text, str_from(word));
}

static bool at_operator(const struct parser *p, const char *op)
{
    return p->token.kind == TOKEN_OPERATOR && str_eq(p->token.text, str_from(op));
}

static struct where_node *new_node(struct parser *p, enum where_kind kind)
{
    struct where_node *n = arena_alloc(&p->where->arena, sizeof(*n));

    n->kind = kind;
    return n;
}

static int unknown_field(struct parser *p)
{
    const struct parquet_column *columns = ledger_columns();
    CLEANUP(buf_release) struct buf message = { 0 };
    struct nearest near;

    nearest_init(&near, p->token.text);
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        nearest_offer(&near, columns[c].name);
    buf_addf(&message, "unknown field '%.*s' (", STR_ARG(str_sub(p->token.text, 0, 40)));
    if (near.best)
        buf_addf(&message, "did you mean '%s'? ", near.best);
    buf_add_text(&message, "weir-ledger(5) lists the fields)");
    return fail_at(p, p->token.at, buf_cstr(&message));
}

static int parse_field(struct parser *p, enum ledger_column *ret)
{
    const struct parquet_column *columns = ledger_columns();

    if (p->token.kind != TOKEN_WORD)
        return fail_at(p, p->token.at, "expected the name of a field");
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        if (str_ieq(p->token.text, str_from(columns[c].name))) {
            *ret = (enum ledger_column)c;
            return advance(p);
        }
    return unknown_field(p);
}

/* Text values of the provider column may be short names: 'bedrock' for 'aws.bedrock'. */
static struct str canonical(enum ledger_column c, struct str text)
{
    enum provider provider;

    if (c == LEDGER_PROVIDER && provider_parse(text, &provider))
        return str_from(provider_name(provider));
    return text;
}

static int number_value(struct parser *p, enum ledger_column c, int64_t *ret)
{
    enum parquet_type type = ledger_columns()[c].type;
    i128 value;
    int64_t to;

    if (type == PARQUET_TIMESTAMP_US) {
        if (!period_parse(p->token.text, p->tz, ret, &to))
            return fail_at(p, p->token.at,
                           "expected a time such as '2026-10-07' or "
                           "'2026-10-07T12:00:00Z'");
        return 0;
    }
    if (type == PARQUET_BOOL) {
        *ret = at_word(p, "true");
        if (!at_word(p, "true") && !at_word(p, "false"))
            return fail_at(p, p->token.at, "expected true or false");
        return 0;
    }
    int scale = type == PARQUET_DECIMAL_12 ? 12 : 0;
    if (p->token.kind != TOKEN_NUMBER ||
        decimal_parse(p->token.text, scale, &value) != DECIMAL_OK || value > INT64_MAX ||
        value < INT64_MIN)
        return fail_at(p, p->token.at,
                       scale ? "expected an amount such as 1.25" : "expected a whole number");
    *ret = (int64_t)value;
    return 0;
}

static int parse_value(struct parser *p, struct where_node *n, struct where_value *ret)
{
    if (ledger_columns()[n->column].type != PARQUET_STRING) {
        if (number_value(p, n->column, &ret->number) < 0)
            return -1;
        return advance(p);
    }
    if (p->token.kind != TOKEN_TEXT)
        return fail_at(p, p->token.at, "expected text in quotes, such as 'support-bot'");
    bool glob = n->op == WHERE_GLOB || n->op == WHERE_NOT_GLOB;
    ret->text = glob ? p->token.text : canonical(n->column, p->token.text);
    return advance(p);
}

/* in ( a, b ) or in 'period', behind the word "in". */
static int parse_in(struct parser *p, struct where_node *n)
{
    VEC(struct where_value) values = { 0 };
    bool is_time = ledger_columns()[n->column].type == PARQUET_TIMESTAMP_US;
    int r = 0;

    if (is_time && p->token.kind == TOKEN_TEXT) {
        n->op = WHERE_PERIOD;
        n->value_count = 2;
        n->values = arena_alloc(&p->where->arena, 2 * sizeof(*n->values));
        if (!period_parse(p->token.text, p->tz, &n->values[0].number, &n->values[1].number))
            return fail_at(p, p->token.at, "expected a period such as '2026-10'");
        return advance(p);
    }
    if (!at_operator(p, "("))
        return fail_at(p, p->token.at,
                       is_time ? "expected a period in quotes, such as '2026-10', or '(' after in"
                               : "expected '(' after in");
    n->op = WHERE_IN;
    do {
        struct where_value value = { 0 };
        r = advance(p);
        if (r == 0)
            r = parse_value(p, n, &value);
        if (r == 0)
            vec_push(&values, value);
    } while (r == 0 && at_operator(p, ","));
    if (r == 0 && !at_operator(p, ")"))
        r = fail_at(p, p->token.at, "expected ',' or ')'");
    if (r == 0) {
        n->value_count = values.len;
        n->values = arena_alloc(&p->where->arena, values.len * sizeof(*n->values));
        memcpy(n->values, values.ptr, values.len * sizeof(*n->values));
        r = advance(p);
    }
    vec_release(&values);
    return r;
}

static struct where_node *negated(struct parser *p, struct where_node *n)
{
    struct where_node *not_ = new_node(p, WHERE_NOT);

    not_->left = n;
    return not_;
}

static int parse_is_null(struct parser *p, struct where_node *n, bool *ret_not)
{
    if (at_word(p, "not")) {
        *ret_not = true;
        if (advance(p) < 0)
            return -1;
    }
    if (!at_word(p, "null"))
        return fail_at(p, p->token.at, "expected null");
    n->op = WHERE_NULL;
    return advance(p);
}

static int parse_comparison(struct parser *p, struct where_node *n)
{
    static const struct {
        const char *text;
        enum where_op op;
        bool text_only;
    } rows[] = {
        {"=",   WHERE_EQ,       false},
        { "==", WHERE_EQ,       false},
        { "!=", WHERE_NE,       false},
        { "<",  WHERE_LT,       false},
        { "<=", WHERE_LE,       false},
        { ">",  WHERE_GT,       false},
        { ">=", WHERE_GE,       false},
        { "~",  WHERE_GLOB,     true },
        { "!~", WHERE_NOT_GLOB, true },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!at_operator(p, rows[i].text))
            continue;
        if (rows[i].text_only && ledger_columns()[n->column].type != PARQUET_STRING)
            return fail_at(p, p->token.at, "patterns apply to text fields only");
        n->op = rows[i].op;
        n->value_count = 1;
        n->values = arena_alloc(&p->where->arena, sizeof(*n->values));
        if (advance(p) < 0)
            return -1;
        return parse_value(p, n, &n->values[0]);
    }
    return fail_at(p, p->token.at, "expected a comparison (= != < <= > >= ~ !~ in, is null)");
}

static int parse_test(struct parser *p, struct where_node **ret)
{
    struct where_node *n = new_node(p, WHERE_TEST);
    bool negate = false;
    int r;

    if (parse_field(p, &n->column) < 0)
        return -1;
    vec_push(&p->where->tests, n);
    if (at_word(p, "not")) {
        negate = true;
        if (advance(p) < 0)
            return -1;
        if (!at_word(p, "in"))
            return fail_at(p, p->token.at, "expected in");
    }
    if (at_word(p, "in")) {
        r = advance(p) < 0 ? -1 : parse_in(p, n);
    } else if (at_word(p, "is")) {
        r = advance(p) < 0 ? -1 : parse_is_null(p, n, &negate);
    } else if (ledger_columns()[n->column].type == PARQUET_BOOL &&
               (p->token.kind != TOKEN_OPERATOR || at_operator(p, ")"))) {
        n->op = WHERE_TRUE;
        r = 0;
    } else {
        r = parse_comparison(p, n);
    }
    *ret = negate ? negated(p, n) : n;
    return r;
}

static int parse_or(struct parser *p, struct where_node **ret);

static int parse_not(struct parser *p, struct where_node **ret)
{
    int r;

    if (++p->depth > WHERE_DEPTH_MAX)
        return fail_at(p, p->token.at, "nested too deeply");
    if (at_word(p, "not")) {
        r = advance(p) < 0 ? -1 : parse_not(p, ret);
        if (r == 0)
            *ret = negated(p, *ret);
    } else if (at_operator(p, "(")) {
        r = advance(p) < 0 ? -1 : parse_or(p, ret);
        if (r == 0 && !at_operator(p, ")"))
            r = fail_at(p, p->token.at, "expected ')'");
        if (r == 0)
            r = advance(p);
    } else {
        r = parse_test(p, ret);
    }
    p->depth--;
    return r;
}

/* A chain of one binary operator, left to right. */
static int parse_chain(struct parser *p, const char *word, enum where_kind kind,
                       int (*operand)(struct parser *, struct where_node **),
                       struct where_node **ret)
{
    struct where_node *left, *right;

    if (operand(p, &left) < 0)
        return -1;
    while (at_word(p, word)) {
        if (advance(p) < 0 || operand(p, &right) < 0)
            return -1;
        struct where_node *both = new_node(p, kind);
        both->left = left;
        both->right = right;
        left = both;
    }
    *ret = left;
    return 0;
}

static int parse_and(struct parser *p, struct where_node **ret)
{
    return parse_chain(p, "and", WHERE_AND, parse_not, ret);
}

static int parse_or(struct parser *p, struct where_node **ret)
{
    return parse_chain(p, "or", WHERE_OR, parse_and, ret);
}

int where_parse(struct str text, const struct tz *tz, struct where **ret, struct err *err)
{
    CLEANUP(where_free) struct where *w = mem_calloc(1, sizeof(*w));
    struct parser p = { .text = text, .tz = tz, .where = w, .err = err };

    if (text.len > WHERE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "filter of %zu bytes is over the limit of %d", text.len,
                       WHERE_BYTES_MAX);
    if (advance(&p) < 0 || parse_or(&p, &w->root) < 0)
        return -1;
    if (p.token.kind != TOKEN_END)
        return fail_at(&p, p.token.at, "expected and, or, or the end");
    w->text = arena_str(&w->arena, text);
    w->tz = tz;
    *ret = TAKE(w);
    return 0;
}

#include "config.h"

#include "base/toml.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "base/yaml_tree.h"

#define SHOWN_BYTES_MAX 40 /* of a key or value quoted in a message */

/* What a table may still get. */
enum state {
    STATE_IMPLIED, /* named only on the way to another: its own [header] may still come */
    STATE_GIVEN,   /* by its own [header], or as one of [[ ]] */
    STATE_DOTTED,  /* by a.b = 1: more of these under the same header, no [header] */
    STATE_CLOSED,  /* inline */
    STATE_LIST,    /* of tables: [[a]] */
};

struct table {
    struct yaml_node *node;
    struct yaml_node *last; /* child */
    enum state state;
    uint32_t header;      /* under which it was made */
    struct table *newest; /* of a list */
    struct map members;   /* key to struct table; NULL for other values */
};

struct toml {
    struct yaml *yaml;
    const char *at, *end, *line_start;
    uint32_t line;
    uint32_t header; /* headers and inline tables so far */
    size_t depth;    /* of values within values */
    struct table *root, *current;
    VEC(struct table *) tables;
    struct buf text; /* scratch of strings and numbers */
};

static void toml_release(struct toml *t)
{
    for (size_t i = 0; i < t->tables.len; i++)
        map_release(&t->tables.ptr[i]->members);
    vec_release(&t->tables);
    buf_release(&t->text);
}
DEFINE_CLEANUP_VALUE(struct toml, toml_release)

/* --- places and messages --- */

static struct yaml_node here(const struct toml *t)
{
    uint32_t column = 1;

    for (const char *c = t->line_start; c < t->at; c++)
        column += ((unsigned char)*c & 0xc0) != 0x80;
    return (struct yaml_node){ .line = t->line, .column = column };
}

static int fail_here(const struct toml *t, const char *text, struct err *err)
{
    struct yaml_node place = here(t);

    return yaml_err(t->yaml, &place, err, "%s", text);
}

static struct yaml_node *node_new(struct toml *t, enum yaml_kind kind, struct err *err)
{
    if (t->yaml->nodes == YAML_NODES_MAX) {
        struct yaml_node place = here(t);
        yaml_err(t->yaml, &place, err, "more than %d values", YAML_NODES_MAX);
        err->code = ERR_LIMIT;
        return NULL;
    }
    t->yaml->nodes++;
    struct yaml_node *n = arena_alloc(&t->yaml->arena, sizeof(*n));
    *n = here(t);
    n->kind = kind;
    return n;
}

/* --- characters --- */

static bool at_end(const struct toml *t)
{
    return t->at == t->end;
}

static char peek(const struct toml *t)
{
    return at_end(t) ? '\0' : *t->at;
}

static bool looking_at(const struct toml *t, struct str text)
{
    return (size_t)(t->end - t->at) >= text.len && memcmp(t->at, text.ptr, text.len) == 0;
}

static void skip_blanks(struct toml *t)
{
    while (!at_end(t) && (*t->at == ' ' || *t->at == '\t'))
        t->at++;
}

/* Over a line's end, if there is one. */
static bool skip_newline(struct toml *t)
{
    if (looking_at(t, STR("\r\n")))
        t->at += 2;
    else if (peek(t) == '\n')
        t->at++;
    else
        return false;
    t->line++;
    t->line_start = t->at;
    return true;
}

static void skip_comment(struct toml *t)
{
    if (peek(t) != '#')
        return;
    while (!at_end(t) && *t->at != '\n' && !looking_at(t, STR("\r\n")))
        t->at++;
}

/* Over everything between values. */
static void skip_space(struct toml *t)
{
    do {
        skip_blanks(t);
        skip_comment(t);
    } while (skip_newline(t));
}

static int end_line(struct toml *t, struct err *err)
{
    skip_blanks(t);
    skip_comment(t);
    if (at_end(t) || skip_newline(t))
        return 0;
    return fail_here(t, "expected the end of the line", err);
}

/* The length of the UTF-8 sequence at p, 0 if it is none. */
static size_t utf8_len(const char *p, const char *end)
{
    unsigned char c = (unsigned char)*p;
    size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 4;

    if (c >= 0x80 && (c < 0xc2 || c > 0xf4))
        return 0;
    if ((size_t)(end - p) < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return 0;
    unsigned char second = len > 1 ? (unsigned char)p[1] : 0;
    if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
        (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f))
        return 0;
    return len;
}

/* UTF-8 throughout and no control characters, so that nothing later needs to look again. */
static int check_text(struct toml *t, struct err *err)
{
    const char *begin = t->at;

    while (!at_end(t)) {
        if (skip_newline(t))
            continue;
        unsigned char c = (unsigned char)*t->at;
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return fail_here(t, "control characters are not allowed", err);
        size_t len = utf8_len(t->at, t->end);
        if (!len)
            return fail_here(t, "this is not UTF-8", err);
        t->at += len;
    }
    t->at = t->line_start = begin;
    t->line = 1;
    return 0;
}

/* --- strings --- */

static void add_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_add_byte(out, (char)c);
    } else if (c < 0x800) {
        buf_add_byte(out, (char)(0xc0 | c >> 6));
        buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        buf_add_byte(out, (char)(0xe0 | c >> 12));
        buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_add_byte(out, (char)(0xf0 | c >> 18));
        buf_add_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
        buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind "\u" or "\U". */
static int unescape_code(struct toml *t, size_t digits, struct err *err)
{
    uint32_t code = 0;

    for (size_t i = 0; i < digits; i++) {
        int digit = hex_digit(peek(t));
        if (digit < 0)
            return fail_here(t, "expected a hexadecimal digit of an escape", err);
        code = code << 4 | (uint32_t)digit;
        t->at++;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return fail_here(t, "this escape names no character", err);
    add_utf8(&t->text, code);
    return 0;
}

/* Behind a backslash. */
static int unescape(struct toml *t, bool many_lines, struct err *err)
{
    static const char names[] = "btnfre\"\\", means[] = "\b\t\n\f\r\033\"\\";
    char c = peek(t);
    const char *at = c ? strchr(names, c) : NULL;

    if (at) {
        buf_add_byte(&t->text, means[at - names]);
        t->at++;
        return 0;
    }
    if (c == 'u' || c == 'U') {
        t->at++;
        return unescape_code(t, c == 'u' ? 4 : 8, err);
    }
    const char *before = t->at;
    skip_blanks(t);
    if (many_lines && skip_newline(t)) {
        do
            skip_blanks(t);
        while (skip_newline(t));
        return 0;
    }
    t->at = before;
    return fail_here(t, "no such escape: a backslash itself is written \\\\", err);
}

/* The body of a string of several lines; its opening quotes are read. */
static int read_long_string(struct toml *t, char quote, struct err *err)
{
    const char close[] = { quote, quote, quote };

    skip_newline(t); /* right behind the quotes it does not count */
    while (!at_end(t)) {
        if (looking_at(t, (struct str){ close, 3 })) {
            t->at += 3;
            /* Up to two more quotes belong to the text. */
            for (int i = 0; i < 2 && peek(t) == quote; i++, t->at++)
                buf_add_byte(&t->text, quote);
            return 0;
        }
        if (skip_newline(t)) {
            buf_add_byte(&t->text, '\n');
        } else if (quote == '"' && *t->at == '\\') {
            t->at++;
            if (unescape(t, true, err) < 0)
                return -1;
        } else {
            buf_add_byte(&t->text, *t->at++);
        }
    }
    return fail_here(t, "the text ends within a string", err);
}

static int read_string(struct toml *t, bool may_be_long, struct err *err)
{
    char quote = *t->at;
    const char triple[] = { quote, quote, quote };

    buf_clear(&t->text);
    if (may_be_long && looking_at(t, (struct str){ triple, 3 })) {
        t->at += 3;
        return read_long_string(t, quote, err);
    }
    t->at++;
    while (!at_end(t) && *t->at != '\n' && !looking_at(t, STR("\r\n"))) {
        char c = *t->at++;
        if (c == quote)
            return 0;
        if (c != '\\' || quote == '\'')
            buf_add_byte(&t->text, c);
        else if (unescape(t, false, err) < 0)
            return -1;
    }
    return fail_here(t, "the line ends within a string", err);
}

/* --- tables --- */

static struct table *table_new(struct toml *t, struct yaml_node *node, enum state state)
{
    struct table *table = arena_alloc(&t->yaml->arena, sizeof(*table));

    table->node = node;
    table->state = state;
    table->header = t->header;
    vec_push(&t->tables, table);
    return table;
}

static void append(struct table *parent, struct yaml_node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->node->items = child;
    parent->last = child;
    parent->node->len++;
}

static int fail_again(const struct toml *t, const struct table *in, const struct yaml_node *key,
                      struct err *err)
{
    for (const struct yaml_node *n = in->node->items; n; n = n->next)
        if (n->key && str_eq(n->key->text, key->text))
            return yaml_err(t->yaml, key, err, "'%.*s' was already given at line %u",
                            STR_ARG(str_sub(key->text, 0, SHOWN_BYTES_MAX)), n->key->line);
    return yaml_err(t->yaml, key, err, "'%.*s' was already given",
                    STR_ARG(str_sub(key->text, 0, SHOWN_BYTES_MAX)));
}

/* Hangs child, and its table if it is one, into a table under key, which is not there yet. */
static int add_member(struct toml *t, struct table *to, struct yaml_node *key,
                      struct yaml_node *child, struct table *table, struct err *err)
{
    bool is_new;
    struct map_entry *e = map_put(&to->members, key->text, &is_new);

    if (!is_new)
        return fail_again(t, to, key, err);
    e->ptr = table;
    child->key = key;
    append(to, child);
    return 0;
}

static struct table *add_table(struct toml *t, struct table *to, struct yaml_node *key,
                               enum state state, struct err *err)
{
    struct yaml_node *node = node_new(t, state == STATE_LIST ? YAML_LIST : YAML_MAP, err);

    if (!node)
        return NULL;
    node->line = key->line;
    node->column = key->column;
    struct table *table = table_new(t, node, state);
    return add_member(t, to, key, node, table, err) < 0 ? NULL : table;
}

/* One more of [[key]]. */
static struct table *add_to_list(struct toml *t, struct table *list, const struct yaml_node *key,
                                 struct err *err)
{
    struct yaml_node *node = node_new(t, YAML_MAP, err);

    if (!node)
        return NULL;
    node->line = key->line;
    node->column = key->column;
    append(list, node);
    list->newest = table_new(t, node, STATE_GIVEN);
    return list->newest;
}

/* Into the table of key on the way to another; made if it is not there; NULL = it is something
 * else. */
static struct table *descend(struct toml *t, struct table *from, struct yaml_node *key, bool dotted,
                             struct err *err)
{
    struct map_entry *e = map_find(&from->members, key->text);

    if (!e)
        return add_table(t, from, key, dotted ? STATE_DOTTED : STATE_IMPLIED, err);
    struct table *to = e->ptr;
    if (to && to->state == STATE_LIST && !dotted)
        return to->newest;
    if (!to || to->state == STATE_CLOSED || to->state == STATE_LIST ||
        (dotted && (to->state != STATE_DOTTED || to->header != t->header))) {
        fail_again(t, from, key, err);
        return NULL;
    }
    return to;
}

/* --- keys --- */

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

/* One part of a dotted key. */
static struct yaml_node *read_key(struct toml *t, struct err *err)
{
    struct yaml_node *key = node_new(t, YAML_SCALAR, err);
    const char *begin = t->at;

    if (!key)
        return NULL;
    if (peek(t) == '"' || peek(t) == '\'') {
        key->quoted = true;
        if (read_string(t, false, err) < 0)
            return NULL;
        key->text = arena_str(&t->yaml->arena, buf_str(&t->text));
        return key;
    }
    while (!at_end(t) && is_bare(*t->at))
        t->at++;
    if (t->at == begin) {
        fail_here(t, "expected a key (letters, digits, '_', '-', or a string)", err);
        return NULL;
    }
    key->text = arena_str(&t->yaml->arena, (struct str){ begin, (size_t)(t->at - begin) });
    return key;
}

/* A dotted key: the tables on its way are made, *in is set to the last, the last part returned. */
static struct yaml_node *read_path(struct toml *t, struct table **in, bool dotted, struct err *err)
{
    for (size_t depth = 0; depth < YAML_DEPTH_MAX; depth++) {
        skip_blanks(t);
        struct yaml_node *key = read_key(t, err);
        if (!key)
            return NULL;
        skip_blanks(t);
        if (peek(t) != '.')
            return key;
        t->at++;
        *in = descend(t, *in, key, dotted, err);
        if (!*in)
            return NULL;
    }
    fail_here(t, "a key of too many parts", err);
    err->code = ERR_LIMIT;
    return NULL;
}

/* --- values --- */

static int read_value(struct toml *t, struct yaml_node **ret, struct table **ret_table,
                      struct err *err);

/* Digits of a base with single underscores between them; returns how far it went. */
static size_t count_digits(struct str s, const char *digits)
{
    size_t i = 0;

    while (i < s.len) {
        bool is_digit = s.ptr[i] && strchr(digits, s.ptr[i]);
        bool between = s.ptr[i] == '_' && i > 0 && s.ptr[i - 1] != '_' && i + 1 < s.len &&
                       s.ptr[i + 1] && strchr(digits, s.ptr[i + 1]);
        if (!is_digit && !between)
            break;
        i++;
    }
    return i;
}

static void add_without_underscores(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '_' && s.ptr[i] != '+')
            buf_add_byte(out, s.ptr[i]);
}

/* "0x1f" into decimal; false if it is none, or beyond int64_t. */
static bool read_based(struct str s, struct buf *out)
{
    static const struct {
        struct str prefix;
        const char *digits;
        int shift;
    } bases[] = {
        {STR_INIT("0x"),  "0123456789abcdefABCDEF", 4},
        { STR_INIT("0o"), "01234567",               3},
        { STR_INIT("0b"), "01",                     1},
    };

    for (size_t b = 0; b < ARRAY_LEN(bases); b++) {
        if (!str_starts_with(s, bases[b].prefix))
            continue;
        struct str digits = str_sub(s, 2, s.len);
        int64_t value = 0;
        if (!digits.len || count_digits(digits, bases[b].digits) != digits.len)
            return false;
        for (size_t i = 0; i < digits.len; i++) {
            if (digits.ptr[i] == '_')
                continue;
            if (value > INT64_MAX >> bases[b].shift)
                return false;
            value = value << bases[b].shift | hex_digit(digits.ptr[i]);
        }
        buf_add_int(out, value);
        return true;
    }
    return false;
}

/* [+-]digits[.digits][e[+-]digits], no leading zeros; inf and nan. */
static bool read_number(struct str s, struct buf *out)
{
    static const char digits[] = "0123456789";
    struct str rest = s;

    if (read_based(s, out))
        return true;
    if (rest.len && (rest.ptr[0] == '+' || rest.ptr[0] == '-'))
        rest = str_sub(rest, 1, rest.len);
    if (str_eq(rest, STR("inf")) || str_eq(rest, STR("nan"))) {
        add_without_underscores(out, s);
        return true;
    }
    size_t n = count_digits(rest, digits);
    if (!n || (n > 1 && rest.ptr[0] == '0'))
        return false;
    rest = str_sub(rest, n, rest.len);
    if (rest.len && rest.ptr[0] == '.') {
        rest = str_sub(rest, 1, rest.len);
        n = count_digits(rest, digits);
        if (!n)
            return false;
        rest = str_sub(rest, n, rest.len);
    }
    if (rest.len && (rest.ptr[0] == 'e' || rest.ptr[0] == 'E')) {
        rest = str_sub(rest, 1, rest.len);
        if (rest.len && (rest.ptr[0] == '+' || rest.ptr[0] == '-'))
            rest = str_sub(rest, 1, rest.len);
        n = count_digits(rest, digits);
        if (!n)
            return false;
        rest = str_sub(rest, n, rest.len);
    }
    if (rest.len)
        return false;
    add_without_underscores(out, s);
    return true;
}

/* The shape only: "9999-99-99", "99:99...", or both. */
static bool is_moment(struct str s)
{
    static const char date[] = "dddd-dd-dd", hours[] = "dd:dd";
    const char *shape = s.len >= 10 && s.ptr[4] == '-' ? date : hours;

    if (s.len < strlen(shape))
        return false;
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == 'd' ? s.ptr[i] < '0' || s.ptr[i] > '9' : s.ptr[i] != shape[i])
            return false;
    for (size_t i = strlen(shape); i < s.len; i++)
        if (!strchr("0123456789:.-+TtZz ", s.ptr[i]))
            return false;
    return true;
}

/* Everything that is no string, array or table. */
static int read_plain(struct toml *t, struct yaml_node *n, struct err *err)
{
    const char *begin = t->at;

    while (!at_end(t) && !strchr(" \t\r\n,]}#", *t->at))
        t->at++;
    struct str s = { begin, (size_t)(t->at - begin) };
    if (s.len == 10 && is_moment(s) && t->end - t->at > 1 && *t->at == ' ' && t->at[1] >= '0' &&
        t->at[1] <= '9') {
        t->at++;
        while (!at_end(t) && !strchr(" \t\r\n,]}#", *t->at))
            t->at++;
        s.len = (size_t)(t->at - begin);
    }
    buf_clear(&t->text);
    if (str_eq(s, STR("true")) || str_eq(s, STR("false")))
        buf_add_str(&t->text, s);
    else if (is_moment(s)) {
        n->quoted = true;
        buf_add_str(&t->text, s);
    } else if (!s.len || !read_number(s, &t->text)) {
        return yaml_err(t->yaml, n, err,
                        "expected a value: text needs quotes, a number neither blanks nor leading "
                        "zeros, got '%.*s'",
                        STR_ARG(str_sub(s, 0, SHOWN_BYTES_MAX)));
    }
    n->text = arena_str(&t->yaml->arena, buf_str(&t->text));
    return 0;
}

static int read_array(struct toml *t, struct yaml_node *n, struct err *err)
{
    struct table items = { .node = n };

    t->at++;
    for (skip_space(t); peek(t) != ']'; skip_space(t)) {
        struct yaml_node *item;
        struct table *table;
        if (read_value(t, &item, &table, err) < 0)
            return -1;
        append(&items, item);
        skip_space(t);
        if (peek(t) != ',' && peek(t) != ']')
            return fail_here(t, "expected ',' or ']' of the array", err);
        if (peek(t) == ',')
            t->at++;
    }
    t->at++;
    return 0;
}

static int read_pair(struct toml *t, struct table *in, struct err *err)
{
    struct yaml_node *value, *key = read_path(t, &in, true, err);
    struct table *table;

    if (!key)
        return -1;
    if (peek(t) != '=')
        return fail_here(t, "expected '=' behind the key", err);
    t->at++;
    skip_blanks(t);
    if (map_find(&in->members, key->text))
        return fail_again(t, in, key, err);
    if (read_value(t, &value, &table, err) < 0)
        return -1;
    return add_member(t, in, key, value, table, err);
}

static int read_inline_table(struct toml *t, struct yaml_node *n, struct table **ret,
                             struct err *err)
{
    uint32_t outer = t->header;
    struct table *table = table_new(t, n, STATE_CLOSED);
    /* Its dotted keys are its own; what contains it goes on under its header. */
    static const uint32_t inline_bit = UINT32_C(1) << 31;

    t->header = (uint32_t)t->tables.len | inline_bit;
    t->at++;
    for (skip_space(t); peek(t) != '}'; skip_space(t)) {
        if (read_pair(t, table, err) < 0)
            return -1;
        skip_space(t);
        if (peek(t) != ',' && peek(t) != '}')
            return fail_here(t, "expected ',' or '}' of the inline table", err);
        if (peek(t) == ',')
            t->at++;
    }
    t->at++;
    t->header = outer;
    *ret = table;
    return 0;
}

static int read_value(struct toml *t, struct yaml_node **ret, struct table **ret_table,
                      struct err *err)
{
    char c = peek(t);
    enum yaml_kind kind = c == '[' ? YAML_LIST : c == '{' ? YAML_MAP : YAML_SCALAR;
    struct yaml_node *n = node_new(t, kind, err);
    int r;

    *ret = n;
    *ret_table = NULL;
    if (!n)
        return -1;
    if (kind != YAML_SCALAR && ++t->depth > YAML_DEPTH_MAX) {
        fail_here(t, "values within values too deep", err);
        err->code = ERR_LIMIT;
        return -1;
    }
    if (kind == YAML_LIST)
        r = read_array(t, n, err);
    else if (kind == YAML_MAP)
        r = read_inline_table(t, n, ret_table, err);
    else if (c == '"' || c == '\'') {
        n->quoted = true;
        r = read_string(t, true, err);
        if (r == 0)
            n->text = arena_str(&t->yaml->arena, buf_str(&t->text));
    } else
        r = read_plain(t, n, err);
    t->depth -= kind != YAML_SCALAR;
    return r;
}

/* --- lines --- */

/* [a.b] or [[a.b]] */
static int read_header(struct toml *t, struct err *err)
{
    bool is_list = looking_at(t, STR("[["));
    struct str close = is_list ? STR("]]") : STR("]");
    struct table *in = t->root;

    t->header++;
    t->at += close.len;
    struct yaml_node *key = read_path(t, &in, false, err);
    if (!key)
        return -1;
    if (!looking_at(t, close))
        return fail_here(t, is_list ? "expected ']]'" : "expected ']'", err);
    t->at += close.len;

    struct map_entry *e = map_find(&in->members, key->text);
    struct table *known = e ? e->ptr : NULL;
    if (is_list) {
        if (e && (!known || known->state != STATE_LIST))
            return fail_again(t, in, key, err);
        if (!e)
            known = add_table(t, in, key, STATE_LIST, err);
        t->current = known ? add_to_list(t, known, key, err) : NULL;
    } else {
        if (e && (!known || known->state != STATE_IMPLIED))
            return fail_again(t, in, key, err);
        t->current = e ? known : add_table(t, in, key, STATE_GIVEN, err);
    }
    if (!t->current)
        return -1;
    t->current->state = STATE_GIVEN;
    return 0;
}

int toml_parse(struct str text, const char *name, struct yaml **ret, struct err *err)
{
    CLEANUP(yaml_free) struct yaml *y = mem_calloc(1, sizeof(*y));
    CLEANUP(toml_release) struct toml t = { .yaml = y, .line = 1 };

    t.at = t.line_start = text.ptr ? text.ptr : "";
    t.end = t.at + text.len;
    y->name = arena_str(&y->arena, str_from(name));
    if (looking_at(&t, STR("\xef\xbb\xbf")))
        t.at = t.line_start = t.at + 3;
    if (check_text(&t, err) < 0)
        return -1;
    y->root = node_new(&t, YAML_MAP, err);
    t.root = t.current = table_new(&t, y->root, STATE_GIVEN);
    for (skip_space(&t); !at_end(&t); skip_space(&t)) {
        int r = peek(&t) == '[' ? read_header(&t, err) : read_pair(&t, t.current, err);
        if (r < 0 || end_line(&t, err) < 0)
            return -1;
    }
    *ret = TAKE(y);
    return 0;
}

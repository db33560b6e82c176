#include "config.h"

#include "base/yaml.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/vec.h"
#include "base/yaml_tree.h"

#define SHOWN_BYTES_MAX 40 /* of a value quoted in a message */

/* One open list or map while the tree is built. */
struct level {
    struct yaml_node *node;
    struct yaml_node *last; /* child, NULL before the first */
    struct yaml_node *key;  /* of a map: waits for its value */
};

struct builder {
    struct yaml *yaml;
    struct level levels[YAML_DEPTH_MAX];
    size_t depth;
    size_t documents;
    bool many; /* several documents are wanted */
    struct yaml_node *last_root;
    bool ended;                   /* the stream's end was seen */
    VEC(struct yaml_node *) keys; /* scratch for the duplicate check */
};

static void builder_release(struct builder *b)
{
    vec_release(&b->keys);
}
DEFINE_CLEANUP_VALUE(struct builder, builder_release)

static void parser_release(yaml_parser_t *p)
{
    yaml_parser_delete(p);
}
DEFINE_CLEANUP_VALUE(yaml_parser_t, parser_release)

static void event_release(yaml_event_t *e)
{
    yaml_event_delete(e);
}
DEFINE_CLEANUP_VALUE(yaml_event_t, event_release)

/* --- messages --- */

__attribute__((format(printf, 5, 0))) static int set_at(const struct yaml *y,
                                                        const struct yaml_node *n, struct err *err,
                                                        enum err_code code, const char *fmt,
                                                        va_list ap)
{
    char text[sizeof(err->text)];

    vsnprintf(text, sizeof(text), fmt, ap);
    if (!n)
        return err_set(err, code, "%.*s: %s", STR_ARG(y->name), text);
    return err_set(err, code, "%.*s:%u:%u: %s", STR_ARG(y->name), n->line, n->column, text);
}

int yaml_err(const struct yaml *y, const struct yaml_node *n, struct err *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_at(y, n, err, ERR_USAGE, fmt, ap);
    va_end(ap);
    return -1;
}

static struct yaml_node place_of(yaml_mark_t mark)
{
    return (struct yaml_node){ .line = (uint32_t)mark.line + 1,
                               .column = (uint32_t)mark.column + 1 };
}

__attribute__((format(printf, 5, 6))) static int err_mark(const struct yaml *y, yaml_mark_t mark,
                                                          struct err *err, enum err_code code,
                                                          const char *fmt, ...)
{
    struct yaml_node place = place_of(mark);
    va_list ap;

    va_start(ap, fmt);
    set_at(y, &place, err, code, fmt, ap);
    va_end(ap);
    return -1;
}

/* What libyaml's words do not say; "" if they do. */
static const char *hint_for(const char *problem)
{
    static const struct {
        const char *problem, *hint;
    } rows[] = {
        {"cannot start any token",
         ": indent with blanks, not tabs; quote what begins with @, ` or %"               },
        { "did not find expected alphabetic or numeric", ": quote what begins with * or &"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (strstr(problem, rows[i].problem))
            return rows[i].hint;
    return "";
}

static int err_syntax(const struct yaml *y, const yaml_parser_t *p, struct err *err)
{
    const char *problem = p->problem ? p->problem : "cannot be read";

    if (p->error == YAML_READER_ERROR)
        return err_set(err, ERR_USAGE, "%.*s: byte %zu: %s", STR_ARG(y->name), p->problem_offset,
                       problem);
    if (p->context)
        return err_mark(y, p->problem_mark, err, ERR_USAGE, "%s (%s from line %zu)%s", problem,
                        p->context, p->context_mark.line + 1, hint_for(problem));
    return err_mark(y, p->problem_mark, err, ERR_USAGE, "%s", problem);
}

/* --- the tree --- */

static struct yaml_node *node_new(struct builder *b, enum yaml_kind kind, const yaml_event_t *e,
                                  struct err *err)
{
    if (b->yaml->nodes == YAML_NODES_MAX) {
        err_mark(b->yaml, e->start_mark, err, ERR_LIMIT, "more than %d values", YAML_NODES_MAX);
        return NULL;
    }
    b->yaml->nodes++;
    struct yaml_node *n = arena_alloc(&b->yaml->arena, sizeof(*n));
    *n = place_of(e->start_mark);
    n->kind = kind;
    return n;
}

/* Hangs n where the document stands: as the root, a list's item, a map's key or its value. */
static int attach(struct builder *b, struct yaml_node *n, struct err *err)
{
    if (b->depth == 0) {
        if (b->last_root)
            b->last_root->next = n;
        else
            b->yaml->root = n;
        b->last_root = n;
        return 0;
    }
    struct level *top = &b->levels[b->depth - 1];
    if (top->node->kind == YAML_MAP) {
        if (!top->key) {
            if (n->kind != YAML_SCALAR)
                return yaml_err(b->yaml, n, err, "a key must be plain text, not a %s",
                                n->kind == YAML_LIST ? "list" : "map");
            if (!n->quoted && str_eq(n->text, STR("<<")))
                return yaml_err(b->yaml, n, err,
                                "merge keys ('<<') are not supported: write the keys out");
            top->key = n;
            return 0;
        }
        n->key = top->key;
        top->key = NULL;
    }
    if (top->last)
        top->last->next = n;
    else
        top->node->items = n;
    top->last = n;
    top->node->len++;
    return 0;
}

static int begin_level(struct builder *b, enum yaml_kind kind, const yaml_event_t *e,
                       struct err *err)
{
    struct yaml_node *n = node_new(b, kind, e, err);

    if (!n || attach(b, n, err) < 0)
        return -1;
    if (b->depth == YAML_DEPTH_MAX)
        return err_mark(b->yaml, e->start_mark, err, ERR_LIMIT, "nested deeper than %d levels",
                        YAML_DEPTH_MAX);
    b->levels[b->depth++] = (struct level){ .node = n };
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct yaml_node *x = *(struct yaml_node *const *)a, *y = *(struct yaml_node *const *)b;
    int order = str_cmp(x->text, y->text);

    if (order == 0)
        order = x->line < y->line ? -1 : x->line > y->line;
    return order ? order : (x->column < y->column ? -1 : x->column > y->column);
}

/* Sorts the keys (a pairwise search would let a large file take quadratic time) and names the first
 * repetition in reading order. */
static int check_duplicates(struct builder *b, const struct yaml_node *map, struct err *err)
{
    const struct yaml_node *first = NULL, *again = NULL;

    vec_clear(&b->keys);
    for (const struct yaml_node *n = map->items; n; n = n->next)
        vec_push(&b->keys, n->key);
    if (b->keys.len < 2)
        return 0;
    qsort(b->keys.ptr, b->keys.len, sizeof(*b->keys.ptr), compare_keys);
    for (size_t i = 1; i < b->keys.len; i++) {
        const struct yaml_node *x = b->keys.ptr[i - 1], *y = b->keys.ptr[i];
        if (!str_eq(x->text, y->text))
            continue;
        if (!again || y->line < again->line ||
            (y->line == again->line && y->column < again->column)) {
            first = x;
            again = y;
        }
    }
    if (!again)
        return 0;
    return yaml_err(b->yaml, again, err, "key '%.*s' was already given at line %u",
                    STR_ARG(str_sub(again->text, 0, SHOWN_BYTES_MAX)), first->line);
}

static int end_level(struct builder *b, struct err *err)
{
    assert(b->depth > 0);
    const struct yaml_node *n = b->levels[--b->depth].node;
    return n->kind == YAML_MAP ? check_duplicates(b, n, err) : 0;
}

/* The tags every YAML has (YAML 1.1 type repository), and what each makes of a scalar. */
struct core_tag {
    const char *tag;
    enum yaml_kind kind;
    bool is_text;
};

static const struct core_tag core_tags[] = {
    {"!",             YAML_SCALAR, true },
    { YAML_STR_TAG,   YAML_SCALAR, true },
    { YAML_INT_TAG,   YAML_SCALAR, false},
    { YAML_FLOAT_TAG, YAML_SCALAR, false},
    { YAML_BOOL_TAG,  YAML_SCALAR, false},
    { YAML_NULL_TAG,  YAML_SCALAR, false},
    { YAML_SEQ_TAG,   YAML_LIST,   false},
    { YAML_MAP_TAG,   YAML_MAP,    false},
};

/* *ret is set to the tag's row, NULL without a tag. */
static int check_tag(struct builder *b, const yaml_event_t *e, const yaml_char_t *tag,
                     enum yaml_kind kind, const struct core_tag **ret, struct err *err)
{
    const char *text = (const char *)tag;

    *ret = NULL;
    if (!text)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(core_tags); i++)
        if (core_tags[i].kind == kind && strcmp(core_tags[i].tag, text) == 0) {
            *ret = &core_tags[i];
            return 0;
        }
    return err_mark(b->yaml, e->start_mark, err, ERR_UNSUPPORTED,
                    "tag '%.*s' is not supported: write the value without a tag",
                    STR_ARG(str_sub(str_from(text), 0, SHOWN_BYTES_MAX)));
}

static int on_scalar(struct builder *b, const yaml_event_t *e, struct err *err)
{
    const struct core_tag *tag;

    if (check_tag(b, e, e->data.scalar.tag, YAML_SCALAR, &tag, err) < 0)
        return -1;
    struct yaml_node *n = node_new(b, YAML_SCALAR, e, err);
    if (!n)
        return -1;
    n->quoted = tag ? tag->is_text : e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    n->text = arena_str(&b->yaml->arena,
                        (struct str){ (const char *)e->data.scalar.value, e->data.scalar.length });
    return attach(b, n, err);
}

static int on_list(struct builder *b, const yaml_event_t *e, struct err *err)
{
    const struct core_tag *tag;

    if (check_tag(b, e, e->data.sequence_start.tag, YAML_LIST, &tag, err) < 0)
        return -1;
    return begin_level(b, YAML_LIST, e, err);
}

static int on_map(struct builder *b, const yaml_event_t *e, struct err *err)
{
    const struct core_tag *tag;

    if (check_tag(b, e, e->data.mapping_start.tag, YAML_MAP, &tag, err) < 0)
        return -1;
    return begin_level(b, YAML_MAP, e, err);
}

static int on_end_of_level(struct builder *b, const yaml_event_t *e, struct err *err)
{
    (void)e;
    return end_level(b, err);
}

static int on_alias(struct builder *b, const yaml_event_t *e, struct err *err)
{
    struct str name = str_from((const char *)e->data.alias.anchor);

    return err_mark(b->yaml, e->start_mark, err, ERR_UNSUPPORTED,
                    "aliases ('*%.*s') are not supported: write the value out",
                    STR_ARG(str_sub(name, 0, SHOWN_BYTES_MAX)));
}

static int on_document(struct builder *b, const yaml_event_t *e, struct err *err)
{
    if (b->documents++ == 0 || b->many)
        return 0;
    return err_mark(b->yaml, e->start_mark, err, ERR_UNSUPPORTED,
                    "a second document begins: only one is read, use one file for each");
}

static int on_end_of_stream(struct builder *b, const yaml_event_t *e, struct err *err)
{
    (void)e;
    (void)err;
    b->ended = true;
    return 0;
}

typedef int (*event_fn)(struct builder *b, const yaml_event_t *e, struct err *err);

static const event_fn on_event[] = {
    [YAML_STREAM_END_EVENT] = on_end_of_stream,
    [YAML_DOCUMENT_START_EVENT] = on_document,
    [YAML_ALIAS_EVENT] = on_alias,
    [YAML_SCALAR_EVENT] = on_scalar,
    [YAML_SEQUENCE_START_EVENT] = on_list,
    [YAML_SEQUENCE_END_EVENT] = on_end_of_level,
    [YAML_MAPPING_START_EVENT] = on_map,
    [YAML_MAPPING_END_EVENT] = on_end_of_level,
};

static int parse_event(struct builder *b, yaml_parser_t *p, struct err *err)
{
    CLEANUP(event_release) yaml_event_t event = { 0 };

    if (!yaml_parser_parse(p, &event))
        return err_syntax(b->yaml, p, err);
    assert((size_t)event.type < ARRAY_LEN(on_event));
    event_fn fn = on_event[event.type];
    return fn ? fn(b, &event, err) : 0;
}

static int parse(struct str text, const char *name, bool many, struct yaml **ret, struct err *err)
{
    CLEANUP(yaml_free) struct yaml *y = mem_calloc(1, sizeof(*y));
    CLEANUP(builder_release) struct builder b = { .yaml = y, .many = many };
    CLEANUP(parser_release) yaml_parser_t parser = { 0 };

    y->name = arena_str(&y->arena, str_from(name));
    if (!yaml_parser_initialize(&parser))
        return err_set(err, ERR_SYS, "%s: not enough memory for the YAML parser", name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.ptr ? text.ptr : ""),
                                 text.len);
    while (!b.ended)
        if (parse_event(&b, &parser, err) < 0)
            return -1;
    assert(b.depth == 0);
    *ret = TAKE(y);
    return 0;
}

int yaml_parse(struct str text, const char *name, struct yaml **ret, struct err *err)
{
    return parse(text, name, false, ret, err);
}

int yaml_parse_stream(struct str text, const char *name, struct yaml **ret, struct err *err)
{
    return parse(text, name, true, ret, err);
}

int yaml_parse_file(const char *path, struct yaml **ret, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (file_read(path, YAML_FILE_BYTES_MAX, &text, err) < 0)
        return -1;
    return yaml_parse(buf_str(&text), path, ret, err);
}

void yaml_tree_free(struct yaml *y)
{
    if (!y)
        return;
    arena_release(&y->arena);
    free(y);
}

/* --- reading it --- */

const struct yaml_node *yaml_root(const struct yaml *y)
{
    return y->root;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    struct str wanted = str_from(key);

    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (const struct yaml_node *n = map->items; n; n = n->next)
        if (str_eq(n->key->text, wanted))
            return n;
    return NULL;
}

static bool is_one_of(struct str text, const char *const *words)
{
    for (; *words; words++)
        if (str_eq(text, str_from(*words)))
            return true;
    return false;
}

bool yaml_is_null(const struct yaml_node *n)
{
    static const char *const words[] = { "", "~", "null", "Null", "NULL", NULL };

    return n->kind == YAML_SCALAR && !n->quoted && is_one_of(n->text, words);
}

static int err_expected(const struct yaml *y, const struct yaml_node *n, const char *what,
                        struct err *err)
{
    struct str shown;

    if (!n)
        return yaml_err(y, n, err, "expected %s, but it is missing", what);
    if (n->kind != YAML_SCALAR)
        return yaml_err(y, n, err, "expected %s, got a %s", what,
                        n->kind == YAML_LIST ? "list" : "map");
    if (yaml_is_null(n))
        return yaml_err(y, n, err, "expected %s, got nothing (null)", what);
    shown = str_sub(n->text, 0, SHOWN_BYTES_MAX);
    if (n->quoted)
        return yaml_err(y, n, err, "expected %s, got the text \"%.*s\"", what, STR_ARG(shown));
    return yaml_err(y, n, err, "expected %s, got '%.*s'", what, STR_ARG(shown));
}

int yaml_str(const struct yaml *y, const struct yaml_node *n, struct str *ret, struct err *err)
{
    if (!n || n->kind != YAML_SCALAR || yaml_is_null(n))
        return err_expected(y, n, "text", err);
    *ret = n->text;
    return 0;
}

int yaml_int(const struct yaml *y, const struct yaml_node *n, int64_t *ret, struct err *err)
{
    const char *what = "a whole number";
    int64_t value;

    if (!n || n->kind != YAML_SCALAR || n->quoted || !str_to_i64(n->text, &value))
        return err_expected(y, n, what, err);
    /* YAML 1.1 reads 010 as 8, YAML 1.2 as 10: neither is what everybody expects. */
    struct str digits = str_sub(n->text, n->text.ptr[0] == '-', n->text.len);
    if (digits.len > 1 && digits.ptr[0] == '0')
        return err_expected(y, n, "a whole number without leading zeros", err);
    *ret = value;
    return 0;
}

int yaml_bool(const struct yaml *y, const struct yaml_node *n, bool *ret, struct err *err)
{
    static const char *const yes[] = { "true", "True", "TRUE", NULL };
    static const char *const no[] = { "false", "False", "FALSE", NULL };

    if (!n || n->kind != YAML_SCALAR || n->quoted ||
        (!is_one_of(n->text, yes) && !is_one_of(n->text, no)))
        return err_expected(y, n, "true or false", err);
    *ret = is_one_of(n->text, yes);
    return 0;
}

int yaml_decimal(const struct yaml *y, const struct yaml_node *n, int scale, i128 *ret,
                 struct err *err)
{
    i128 value = 0;

    if (!n || n->kind != YAML_SCALAR || n->quoted)
        return err_expected(y, n, "a number", err);
    switch (decimal_parse(n->text, scale, &value)) {
    case DECIMAL_OK:
        *ret = value;
        return 0;
    case DECIMAL_ROUNDED:
        return yaml_err(y, n, err, "'%.*s' has more than %d digits after the point",
                        STR_ARG(str_sub(n->text, 0, SHOWN_BYTES_MAX)), scale);
    case DECIMAL_RANGE:
        return yaml_err(y, n, err, "'%.*s' is too large a number",
                        STR_ARG(str_sub(n->text, 0, SHOWN_BYTES_MAX)));
    case DECIMAL_BAD:
        break;
    }
    return err_expected(y, n, "a number", err);
}

static int err_unknown_key(const struct yaml *y, const struct yaml_node *key,
                           const char *const *known, struct err *err)
{
    CLEANUP(buf_release) struct buf names = { 0 };
    struct str shown = str_sub(key->text, 0, SHOWN_BYTES_MAX);
    const char *hint = nearest_of(key->text, known);

    if (hint)
        return yaml_err(y, key, err, "unknown key '%.*s': did you mean '%s'?", STR_ARG(shown),
                        hint);
    for (; *known; known++)
        buf_addf(&names, "%s%s", names.len ? ", " : "", *known);
    return yaml_err(y, key, err, "unknown key '%.*s' (known here: %s)", STR_ARG(shown),
                    buf_cstr(&names));
}

int yaml_check_keys(const struct yaml *y, const struct yaml_node *map, const char *const *known,
                    struct err *err)
{
    if (!map || map->kind != YAML_MAP)
        return err_expected(y, map, "a map (key: value)", err);
    for (const struct yaml_node *n = map->items; n; n = n->next)
        if (!is_one_of(n->key->text, known))
            return err_unknown_key(y, n->key, known, err);
    return 0;
}

#include "config.h"

#include "replay/foreign.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "base/toml.h"
#include "policy/plan_conf.h"
#include "replay/foreign_read.h"

const char *const foreign_names[] = {
    [FOREIGN_WEIR] = "weir",   [FOREIGN_LITELLM] = "litellm",       [FOREIGN_PORTKEY] = "portkey",
    [FOREIGN_ENVOY] = "envoy", [FOREIGN_TENSORZERO] = "tensorzero", [FOREIGN_BIFROST] = "bifrost",
    [FOREIGN_FORMATS] = NULL,
};

void foreign_file_release(struct foreign_file *f)
{
    yaml_free(f->tree);
    f->tree = NULL;
}

/* --- telling formats apart --- */

/* Top-level keys that only one format has; every one listed must be there. */
struct mark {
    const char *keys[2];
    enum foreign_format format;
};

static const struct mark marks[] = {
    {{ "apiVersion", "kind" },      FOREIGN_ENVOY  },
    { { "model_list", NULL },       FOREIGN_LITELLM},
    { { "router_settings", NULL },  FOREIGN_LITELLM},
    { { "litellm_settings", NULL }, FOREIGN_LITELLM},
    { { "policy", NULL },           FOREIGN_WEIR   },
    { { "upstreams", NULL },        FOREIGN_WEIR   },
};
/* These come as JSON only. */
static const struct mark json_marks[] = {
    {{ "strategy", NULL },        FOREIGN_PORTKEY},
    { { "targets", NULL },        FOREIGN_PORTKEY},
    { { "retry", "provider" },    FOREIGN_PORTKEY},
    { { "retry", "virtual_key" }, FOREIGN_PORTKEY},
    { { "providers", NULL },      FOREIGN_BIFROST},
    { { "fallbacks", "model" },   FOREIGN_BIFROST},
};
static const struct mark toml_marks[] = {
    {{ "models", NULL },     FOREIGN_TENSORZERO},
    { { "functions", NULL }, FOREIGN_TENSORZERO},
    { { "gateway", NULL },   FOREIGN_TENSORZERO},
};

static bool has_mark(const struct yaml_node *root, const struct mark *m)
{
    return yaml_get(root, m->keys[0]) && (!m->keys[1] || yaml_get(root, m->keys[1]));
}

/* The format of the first document that has a mark, or FOREIGN_FORMATS. */
static enum foreign_format find_mark(const struct yaml_node *root, const struct mark *list,
                                     size_t count)
{
    for (const struct yaml_node *doc = root; doc; doc = doc->next)
        for (size_t i = 0; i < count; i++)
            if (has_mark(doc, &list[i]))
                return list[i].format;
    return FOREIGN_FORMATS;
}

enum syntax {
    SYNTAX_YAML,
    SYNTAX_JSON,
    SYNTAX_TOML,
};

static int tell_format(const struct yaml *y, enum syntax syntax, enum foreign_format *ret,
                       struct err *err)
{
    const struct yaml_node *root = yaml_root(y);
    struct yaml_node start = { .line = 1, .column = 1 };

    *ret = syntax == SYNTAX_TOML ? find_mark(root, toml_marks, ARRAY_LEN(toml_marks))
                                 : find_mark(root, marks, ARRAY_LEN(marks));
    if (*ret == FOREIGN_FORMATS && syntax == SYNTAX_JSON)
        *ret = find_mark(root, json_marks, ARRAY_LEN(json_marks));
    if (*ret != FOREIGN_FORMATS)
        return 0;
    return yaml_err(
        y, root ? root : &start, err,
        "this is no configuration that is known here (weir's policy, LiteLLM's "
        "model_list, a Portkey config, Envoy AI Gateway's resources, TensorZero's models, "
        "Bifrost's providers)");
}

/* The first line that says something: a [header] or a key with '='. */
static bool looks_like_toml(struct str text)
{
    struct str rest = text, line;

    while (str_split(&rest, '\n', &line)) {
        line = str_trim(line);
        if (!line.len || line.ptr[0] == '#')
            continue;
        size_t i = 0;
        if (line.ptr[0] == '[') {
            ptrdiff_t close = str_find_char(line, ']', 0);
            return close > 1 && str_find_char(str_sub(line, 0, (size_t)close), ',', 0) < 0 &&
                   str_find_char(str_sub(line, 0, (size_t)close), ':', 0) < 0;
        }
        while (i < line.len && line.ptr[i] != '=' && line.ptr[i] != ':')
            i++;
        return i < line.len && line.ptr[i] == '=';
    }
    return false;
}

static enum syntax syntax_of(struct str text)
{
    struct str trimmed = str_trim(text);

    /* {key: ...} without quotes is YAML. */
    if (trimmed.len && trimmed.ptr[0] == '{') {
        struct str next = str_trim(str_sub(trimmed, 1, trimmed.len));
        return !next.len || next.ptr[0] == '"' || next.ptr[0] == '}' ? SYNTAX_JSON : SYNTAX_YAML;
    }
    return looks_like_toml(text) ? SYNTAX_TOML : SYNTAX_YAML;
}

static const enum syntax syntaxes[FOREIGN_FORMATS] = {
    [FOREIGN_PORTKEY] = SYNTAX_JSON,
    [FOREIGN_BIFROST] = SYNTAX_JSON,
    [FOREIGN_TENSORZERO] = SYNTAX_TOML,
};

/* JSON's escapes of characters beyond 0xffff, two halves, are none of YAML's: \U is, of the same
 * character.  It is two characters shorter, so columns behind it on the line are off by two. */
static void join_surrogates(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned high, low;
        char digits[13] = "";
        if (text.ptr[i] == '\\' && i + 1 < text.len && text.ptr[i + 1] != 'u') {
            buf_add(out, text.ptr + i, 2);
            i++;
            continue;
        }
        if (text.ptr[i] == '\\' && i + 12 <= text.len)
            memcpy(digits, text.ptr + i, 12);
        if (digits[0] && sscanf(digits, "\\u%4x\\u%4x", &high, &low) == 2 && high >= 0xd800 &&
            high < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
            buf_addf(out, "\\U%08x", 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            i += 11;
            continue;
        }
        buf_add_byte(out, text.ptr[i]);
    }
}

/* Jansson says whether it is JSON, and where it is not; the tree is made by base/yaml, which knows
 * where each value stands. */
static int parse_json(struct str text, const char *name, struct yaml **ret, struct err *err)
{
    CLEANUP(json_decref) json_t *json = NULL;
    CLEANUP(buf_release) struct buf joined = { 0 };

    struct err syntax;
    if (json_parse(text, &json, &syntax) < 0) /* "line:column: ..." */
        return err_set(err, ERR_USAGE, "%s:%s", name, syntax.text);
    join_surrogates(text, &joined);
    return yaml_parse(buf_str(&joined), name, ret, err);
}

int foreign_parse(struct str text, const char *name, enum foreign_format wanted,
                  struct foreign_file *ret, struct err *err)
{
    CLEANUP(foreign_file_release)
    struct foreign_file f = { .format = wanted, .name = str_from(name) };
    bool any = wanted == FOREIGN_FORMATS;
    enum syntax syntax = any ? syntax_of(text) : syntaxes[wanted];
    int r = syntax == SYNTAX_TOML   ? toml_parse(text, name, &f.tree, err)
            : syntax == SYNTAX_JSON ? parse_json(text, name, &f.tree, err)
                                    : yaml_parse_stream(text, name, &f.tree, err);

    if (r < 0)
        return -1;
    const struct yaml_node *root = yaml_root(f.tree);
    if (any && tell_format(f.tree, syntax, &f.format, err) < 0)
        return -1;
    if (f.format != FOREIGN_ENVOY && (!root || root->kind != YAML_MAP))
        return yaml_err(f.tree, root, err, "expected a map of settings");
    if (f.format != FOREIGN_ENVOY && root->next)
        return yaml_err(f.tree, root->next, err, "a second document begins: only one is read");
    *ret = f;
    f.tree = NULL;
    return 0;
}

/* --- every key --- */

static bool is_part(struct str pattern, const struct yaml_node *n, size_t *ret_len)
{
    size_t len = 0;

    while (len < pattern.len && pattern.ptr[len] != '.' && pattern.ptr[len] != '[')
        len++;
    *ret_len = len;
    struct str part = str_sub(pattern, 0, len);
    return str_eq(part, STR("*")) || (n->key && str_eq(part, n->key->text));
}

enum fit {
    FIT_NONE,
    FIT_ABOVE, /* the row is about something below */
    FIT_EXACT,
};

/* How a row's path fits the nodes from the root down to depth. */
static enum fit fit_of(const char *path, const struct yaml_node *const *chain, size_t depth)
{
    struct str rest = str_from(path);
    size_t len;

    for (size_t i = 0; i < depth; i++) {
        if (rest.len && rest.ptr[0] == '.')
            rest = str_sub(rest, 1, rest.len);
        if (str_eq(rest, STR("**")))
            return FIT_EXACT;
        if (!rest.len)
            return FIT_NONE;
        if (!chain[i]->key) {
            if (!str_starts_with(rest, STR("[]")))
                return FIT_NONE;
            rest = str_sub(rest, 2, rest.len);
            continue;
        }
        if (!is_part(rest, chain[i], &len))
            return FIT_NONE;
        rest = str_sub(rest, len, rest.len);
    }
    return !rest.len || str_eq(rest, STR(".**")) ? FIT_EXACT : FIT_ABOVE;
}

struct account {
    struct foreign *f;
    const struct foreign_key *rows;
    const struct yaml_node *chain[YAML_DEPTH_MAX + 1];
    size_t depth;
    struct buf path;
};

static void add_path(struct account *a)
{
    buf_clear(&a->path);
    for (size_t i = 0; i < a->depth; i++) {
        if (!a->chain[i]->key)
            buf_add_text(&a->path, "[]");
        else
            buf_addf(&a->path, "%s%.*s", a->path.len ? "." : "", STR_ARG(a->chain[i]->key->text));
    }
}

/* The row that a node falls under, NULL = none; *above is set if rows before it are about what lies
 * below the node. */
static const struct foreign_key *row_of(const struct account *a, bool *above)
{
    *above = false;
    for (const struct foreign_key *row = a->rows; row->path; row++) {
        enum fit fit = fit_of(row->path, a->chain, a->depth);
        if (fit == FIT_EXACT)
            return row;
        *above = *above || fit == FIT_ABOVE;
    }
    return NULL;
}

static void account_node(struct account *a, const struct yaml_node *n)
{
    bool above;

    a->chain[a->depth++] = n;
    const struct foreign_key *row = row_of(a, &above);
    if (above && n->items) {
        for (const struct yaml_node *i = n->items; i; i = i->next)
            account_node(a, i);
    } else {
        add_path(a);
        lint_key(a->f->lint, foreign_key_at(a->f, n), buf_str(&a->path),
                 row ? row->fidelity : LINT_UNSUPPORTED,
                 row ? row->note : "not a key that is known here");
        if (!row)
            lint_find(a->f->lint, LINT_KEY_UNKNOWN, foreign_key_at(a->f, n),
                      "key '%s' is not one that %s is known to read", buf_cstr(&a->path),
                      a->f->plan->format);
    }
    a->depth--;
}

void foreign_account(struct foreign *f, const struct yaml_node *root,
                     const struct foreign_key *rows)
{
    struct account a = { .f = f, .rows = rows };

    for (const struct yaml_node *n = root ? root->items : NULL; n; n = n->next)
        account_node(&a, n);
    buf_release(&a.path);
}

/* --- values --- */

struct plan_place foreign_at(const struct foreign *f, const struct yaml_node *n)
{
    if (!n)
        return (struct plan_place){ .file = f->file->name };
    return (struct plan_place){ .file = f->file->name, .line = n->line, .column = n->column };
}

struct plan_place foreign_key_at(const struct foreign *f, const struct yaml_node *n)
{
    return foreign_at(f, n && n->key ? n->key : n);
}

static bool is_missing(const struct yaml_node *n)
{
    return !n || yaml_is_null(n);
}

int foreign_time(struct foreign *f, const struct yaml_node *n, int64_t unit_us,
                 struct plan_value *ret)
{
    i128 value;

    if (is_missing(n))
        return 0;
    if (yaml_decimal(f->y, n, 6, &value, f->err) < 0)
        return -1;
    value = value * unit_us / 1000000;
    if (value < 0 || value > 3650 * (i128)US_PER_DAY)
        return yaml_err(f->y, n, f->err, "expected a time from 0 to 10 years, got '%.*s'",
                        STR_ARG(n->text));
    *ret = (struct plan_value){ .n = (int64_t)value, .set = true, .at = foreign_key_at(f, n) };
    return 0;
}

/* Go's and Kubernetes' durations: "1h2m3.5s". */
static bool go_duration(struct str text, int64_t *ret)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {
        {"ms",  1000                },
        { "us", 1                   },
        { "h",  3600 * US_PER_SECOND},
        { "m",  60 * US_PER_SECOND  },
        { "s",  US_PER_SECOND       },
    };
    i128 sum = 0;

    if (!text.len)
        return false;
    while (text.len) {
        size_t digits = 0, unit;
        i128 number;
        while (digits < text.len &&
               (text.ptr[digits] == '.' || (text.ptr[digits] >= '0' && text.ptr[digits] <= '9')))
            digits++;
        if (decimal_parse(str_sub(text, 0, digits), 6, &number) != DECIMAL_OK)
            return false;
        text = str_sub(text, digits, text.len);
        for (unit = 0; unit < ARRAY_LEN(units); unit++)
            if (str_starts_with(text, str_from(units[unit].name)))
                break;
        if (unit == ARRAY_LEN(units) || number > 3650 * (i128)86400 * 1000000)
            return false;
        sum += number * units[unit].us / 1000000;
        text = str_sub(text, strlen(units[unit].name), text.len);
        if (sum > 3650 * (i128)US_PER_DAY)
            return false;
    }
    *ret = (int64_t)sum;
    return true;
}

int foreign_duration(struct foreign *f, const struct yaml_node *n, struct plan_value *ret)
{
    struct str text;
    int64_t us;

    if (is_missing(n))
        return 0;
    if (yaml_str(f->y, n, &text, f->err) < 0)
        return -1;
    if (!go_duration(text, &us))
        return yaml_err(f->y, n, f->err, "expected a duration such as 100ms or 1m30s, got '%.*s'",
                        STR_ARG(str_sub(text, 0, 40)));
    *ret = (struct plan_value){ .n = us, .set = true, .at = foreign_key_at(f, n) };
    return 0;
}

int foreign_count(struct foreign *f, const struct yaml_node *n, int64_t max, struct plan_value *ret)
{
    int64_t value;

    if (is_missing(n))
        return 0;
    if (yaml_int(f->y, n, &value, f->err) < 0)
        return -1;
    if (value < 0 || value > max)
        return yaml_err(f->y, n, f->err, "expected a number from 0 to %lld, got '%.*s'",
                        (long long)max, STR_ARG(n->text));
    *ret = (struct plan_value){ .n = value, .set = true, .at = foreign_key_at(f, n) };
    return 0;
}

int foreign_weight(struct foreign *f, const struct yaml_node *n, struct plan_value *ret)
{
    i128 value;

    if (is_missing(n))
        return 0;
    if (yaml_decimal(f->y, n, 6, &value, f->err) < 0)
        return -1;
    if (value < 0 || value > INT64_MAX / 1000)
        return yaml_err(f->y, n, f->err, "expected a weight from 0, got '%.*s'", STR_ARG(n->text));
    *ret = (struct plan_value){ .n = (int64_t)value, .set = true, .at = foreign_key_at(f, n) };
    return 0;
}

int foreign_statuses(struct foreign *f, const struct yaml_node *n, struct plan_when *ret)
{
    int64_t status;

    if (is_missing(n))
        return 0;
    if (n->kind != YAML_LIST)
        return yaml_err(f->y, n, f->err, "expected a list of statuses such as [429, 503]");
    ret->set = true;
    ret->at = foreign_key_at(f, n);
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        if (yaml_int(f->y, i, &status, f->err) < 0)
            return -1;
        if (status < 100 || status >= PLAN_STATUS_MAX)
            return yaml_err(f->y, i, f->err, "expected a status from 100 to 599, got '%.*s'",
                            STR_ARG(i->text));
        plan_when_add_status(ret, (int)status);
    }
    return 0;
}

int foreign_get(struct foreign *f, const struct yaml_node *map, const char *key,
                enum yaml_kind kind, const struct yaml_node **ret)
{
    static const char *const kinds[] = {
        [YAML_SCALAR] = "a single value",
        [YAML_LIST] = "a list",
        [YAML_MAP] = "a map",
    };
    const struct yaml_node *n = yaml_get(map, key);

    *ret = NULL;
    if (is_missing(n))
        return 0;
    if (n->kind != kind)
        return yaml_err(f->y, n, f->err, "expected %s under '%s', got %s", kinds[kind], key,
                        kinds[n->kind]);
    *ret = n;
    return 0;
}

struct str foreign_text(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *n = yaml_get(map, key);

    return n && n->kind == YAML_SCALAR && !yaml_is_null(n) ? n->text : STR("");
}

struct plan_node *foreign_node(struct foreign *f, enum plan_kind kind, struct str name,
                               const struct yaml_node *at)
{
    return plan_node_new(f->plan, kind, name, foreign_at(f, at), f->err);
}

struct plan_node *foreign_nodef(struct foreign *f, enum plan_kind kind, const struct yaml_node *at,
                                const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf name = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_addvf(&name, fmt, ap);
    va_end(ap);
    return foreign_node(f, kind, buf_str(&name), at);
}

/* --- plans --- */

static int read_weir(struct foreign *f)
{
    return plan_conf_read(f->plan, f->y, f->file->name, f->err);
}

typedef int (*read_fn)(struct foreign *f);

static const read_fn readers[FOREIGN_FORMATS] = {
    [FOREIGN_WEIR] = read_weir,
    [FOREIGN_LITELLM] = foreign_read_litellm,
    [FOREIGN_PORTKEY] = foreign_read_portkey,
    [FOREIGN_TENSORZERO] = foreign_read_tensorzero,
    [FOREIGN_BIFROST] = foreign_read_bifrost,
};

int foreign_read(const struct foreign_file *files, size_t count, struct lint *l, struct plan **ret,
                 struct err *err)
{
    CLEANUP(plan_free) struct plan *p = plan_new(foreign_names[files->format]);
    struct foreign f = { .plan = p, .lint = l, .file = files, .y = files->tree, .err = err };

    int r = files->format == FOREIGN_ENVOY ? foreign_read_envoy(&f, files, count)
                                           : readers[files->format](&f);
    if (r < 0)
        return -1;
    *ret = TAKE(p);
    return 0;
}

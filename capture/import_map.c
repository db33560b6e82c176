#include "config.h"

#include "capture/import_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/timestamp.h"
#include "base/vec.h"
#include "base/yaml.h"

static const char *const target_names[] = {
#define X(constant, name) name,
    IMPORT_TARGETS(X)
#undef X
};
static_assert(ARRAY_LEN(target_names) == IMPORT_TARGET_USAGE, "a name for each target");

#define LABEL_PREFIX "label."

static const char *const default_nulls[] = { "", "null", "NULL", "None", "\\N" };

/* Prefixes that LiteLLM, aider and others put before a model, beside provider names and aliases. */
static const struct {
    const char *prefix;
    enum provider provider;
} model_prefixes[] = {
    {"azure_ai",                PROVIDER_AZURE_OPENAI},
    { "azure_text",             PROVIDER_AZURE_OPENAI},
    { "bedrock_converse",       PROVIDER_BEDROCK     },
    { "cohere_chat",            PROVIDER_COHERE      },
    { "codestral",              PROVIDER_MISTRAL     },
    { "ollama_chat",            PROVIDER_OLLAMA      },
    { "hosted_vllm",            PROVIDER_VLLM        },
    { "text-completion-openai", PROVIDER_OPENAI      },
    { "vertex_ai_beta",         PROVIDER_VERTEX      },
    { "github",                 PROVIDER_COMPATIBLE  },
    { "github_copilot",         PROVIDER_COMPATIBLE  },
    { "litellm_proxy",          PROVIDER_COMPATIBLE  },
    { "lm_studio",              PROVIDER_COMPATIBLE  },
};

/* How providers name their own models. */
static const struct {
    const char *glob;
    enum provider provider;
} model_names[] = {
    {"gpt-*",                  PROVIDER_OPENAI    },
    { "chatgpt-*",             PROVIDER_OPENAI    },
    { "ft:*",                  PROVIDER_OPENAI    },
    { "o1*",                   PROVIDER_OPENAI    },
    { "o3*",                   PROVIDER_OPENAI    },
    { "o4*",                   PROVIDER_OPENAI    },
    { "text-embedding-*",      PROVIDER_OPENAI    },
    { "claude-*",              PROVIDER_ANTHROPIC },
    { "gemini-*",              PROVIDER_GEMINI    },
    { "deepseek-*",            PROVIDER_DEEPSEEK  },
    { "mistral-*",             PROVIDER_MISTRAL   },
    { "codestral-*",           PROVIDER_MISTRAL   },
    { "ministral-*",           PROVIDER_MISTRAL   },
    { "command-*",             PROVIDER_COHERE    },
    { "grok-*",                PROVIDER_XAI       },
    { "voyage-*",              PROVIDER_VOYAGE    },
    { "sonar*",                PROVIDER_PERPLEXITY},
    { "anthropic.claude-*",    PROVIDER_BEDROCK   },
    { "??.anthropic.claude-*", PROVIDER_BEDROCK   },
    { "amazon.*",              PROVIDER_BEDROCK   },
};

int import_target_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(target_names); i++)
        if (str_eq(name, str_from(target_names[i])))
            return (int)i;
    for (int u = 0; u < USAGE_UNIT_COUNT; u++)
        if (str_eq(name, str_from(usage_unit_name((enum usage_unit)u))))
            return IMPORT_TARGET_USAGE + u;
    return -1;
}

void import_map_free(struct import_map *m)
{
    if (!m)
        return;
    arena_release(&m->arena);
    free(m);
}

static int read_target(const struct yaml *y, const struct yaml_node *key, int *ret_target,
                       struct str *ret_label, struct err *err)
{
    struct nearest near;

    if (str_starts_with(key->text, STR(LABEL_PREFIX)) && key->text.len > sizeof(LABEL_PREFIX) - 1) {
        *ret_target = IMPORT_TARGET_LABEL;
        *ret_label = str_sub(key->text, sizeof(LABEL_PREFIX) - 1, key->text.len);
        return 0;
    }
    *ret_target = import_target_find(key->text);
    if (*ret_target >= 0)
        return 0;
    nearest_init(&near, key->text);
    for (size_t i = 0; i < ARRAY_LEN(target_names); i++)
        nearest_offer(&near, target_names[i]);
    for (int u = 0; u < USAGE_UNIT_COUNT; u++)
        nearest_offer(&near, usage_unit_name((enum usage_unit)u));
    if (near.best)
        return yaml_err(y, key, err, "'%.*s' is nothing a column can fill: did you mean '%s'?",
                        STR_ARG(key->text), near.best);
    return yaml_err(y, key, err,
                    "'%.*s' is nothing a column can fill: see weir-map(5), or use label.%.*s",
                    STR_ARG(key->text), STR_ARG(key->text));
}

static int want(const struct yaml *y, const struct yaml_node *n, enum yaml_kind kind,
                struct err *err)
{
    static const char *const names[] = { "a single value", "a list", "a map" };
    if (n->kind == kind)
        return 0;
    return yaml_err(y, n, err, "expected %s, got %s", names[kind], names[n->kind]);
}

/* The scalars of a node that is one or a list of them. */
static int read_texts(struct import_map *m, const struct yaml *y, const struct yaml_node *n,
                      const struct str **ret, size_t *ret_count, struct err *err)
{
    size_t count = n->kind == YAML_LIST ? n->len : 1, i = 0;
    struct str *to = arena_alloc(&m->arena, (count + 1) * sizeof(*to));
    const struct yaml_node *one = n->kind == YAML_LIST ? n->items : n;

    for (; one && i < count; one = one->next) {
        if (want(y, one, YAML_SCALAR, err) < 0)
            return -1;
        to[i++] = arena_str(&m->arena, one->text);
    }
    *ret = to;
    *ret_count = i;
    return 0;
}

static int read_columns(struct import_map *m, const struct yaml *y, const struct yaml_node *n,
                        struct err *err)
{
    struct import_map_column *to = arena_alloc(&m->arena, IMPORT_MAP_COLUMNS_MAX * sizeof(*to));

    m->columns = to;
    if (want(y, n, YAML_MAP, err) < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        const struct str *sources;
        size_t count;
        struct import_map_column column = { 0 };

        if (read_target(y, i->key, &column.target, &column.label, err) < 0 ||
            read_texts(m, y, i, &sources, &count, err) < 0)
            return -1;
        column.label = arena_str(&m->arena, column.label);
        for (size_t k = 0; k < count; k++) {
            if (m->column_count == IMPORT_MAP_COLUMNS_MAX)
                return yaml_err(y, i, err, "more than %d columns", IMPORT_MAP_COLUMNS_MAX);
            column.source = sources[k];
            to[m->column_count++] = column;
        }
    }
    return 0;
}

static int read_constants(struct import_map *m, const struct yaml *y, const struct yaml_node *n,
                          struct err *err)
{
    struct import_map_constant *to = arena_alloc(&m->arena, (n->len + 1) * sizeof(*to));

    m->constants = to;
    if (want(y, n, YAML_MAP, err) < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        struct import_map_constant *c = &to[m->constant_count];
        if (read_target(y, i->key, &c->target, &c->label, err) < 0 ||
            want(y, i, YAML_SCALAR, err) < 0)
            return -1;
        c->label = arena_str(&m->arena, c->label);
        c->value = arena_str(&m->arena, i->text);
        m->constant_count++;
    }
    return 0;
}

static int read_values(struct import_map *m, const struct yaml *y, const struct yaml_node *n,
                       struct err *err)
{
    size_t count = 0;
    struct str label;

    if (want(y, n, YAML_MAP, err) < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next)
        count += i->len;
    struct import_map_value *to = arena_alloc(&m->arena, (count + 1) * sizeof(*to));
    m->values = to;
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        int target;
        if (read_target(y, i->key, &target, &label, err) < 0 || want(y, i, YAML_MAP, err) < 0)
            return -1;
        for (const struct yaml_node *v = i->items; v; v = v->next) {
            if (want(y, v, YAML_SCALAR, err) < 0)
                return -1;
            to[m->value_count++] =
                (struct import_map_value){ target, arena_str(&m->arena, v->key->text),
                                           arena_str(&m->arena, v->text) };
        }
    }
    return 0;
}

static int read_models(struct import_map *m, const struct yaml *y, const struct yaml_node *n,
                       struct err *err)
{
    static const char *const keys[] = { "match", "provider", "strip", NULL };
    struct import_map_model *to = arena_alloc(&m->arena, (n->len + 1) * sizeof(*to));
    enum provider p;

    m->models = to;
    if (want(y, n, YAML_LIST, err) < 0)
        return -1;
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        struct import_map_model *rule = &to[m->model_count];
        if (want(y, i, YAML_MAP, err) < 0 || yaml_check_keys(y, i, keys, err) < 0)
            return -1;
        const struct yaml_node *match = yaml_get(i, "match"), *strip = yaml_get(i, "strip");
        const struct yaml_node *provider = yaml_get(i, "provider");
        if (!match || !provider)
            return yaml_err(y, i, err, "a rule for models needs match and provider");
        if (yaml_str(y, match, &rule->match, err) < 0 ||
            yaml_str(y, provider, &rule->provider, err) < 0 ||
            (strip && yaml_str(y, strip, &rule->strip, err) < 0))
            return -1;
        if (!provider_parse(rule->provider, &p))
            return yaml_err(y, provider, err, "'%.*s' is no provider weir knows",
                            STR_ARG(rule->provider));
        rule->match = arena_str(&m->arena, rule->match);
        rule->provider = arena_str(&m->arena, rule->provider);
        rule->strip = arena_str(&m->arena, rule->strip);
        m->model_count++;
    }
    return 0;
}

/* A key with two words to choose from; *ret is whether it is the second. */
static int read_choice(const struct yaml *y, const struct yaml_node *root, const char *key,
                       const char *const words[static 2], bool *ret, struct err *err)
{
    const struct yaml_node *n = yaml_get(root, key);
    if (!n)
        return 0;
    if (n->kind != YAML_SCALAR ||
        (!str_eq(n->text, str_from(words[0])) && !str_eq(n->text, str_from(words[1]))))
        return yaml_err(y, n, err, "expected %s or %s", words[0], words[1]);
    *ret = str_eq(n->text, str_from(words[1]));
    return 0;
}

static int read_time(struct import_map *m, const struct yaml *y, const struct yaml_node *n,
                     struct err *err)
{
    static const char *const keys[] = { "unit", "from", NULL };
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {
        {"s",   US_PER_SECOND},
        { "ms", 1000         },
        { "us", 1            }
    };

    if (want(y, n, YAML_MAP, err) < 0 || yaml_check_keys(y, n, keys, err) < 0)
        return -1;
    const struct yaml_node *unit = yaml_get(n, "unit"), *from = yaml_get(n, "from");
    for (size_t i = 0; unit && i < ARRAY_LEN(units); i++)
        if (str_eq(unit->text, str_from(units[i].name)))
            m->time_unit_us = units[i].us;
    if (!m->time_unit_us || !from || !str_eq(from->text, STR("at")))
        return yaml_err(y, n, err, "expected {unit: s|ms|us, from: at}");
    m->relative_time = true;
    return 0;
}

static int read_scalars(struct import_map *m, const struct yaml *y, const struct yaml_node *root,
                        struct err *err)
{
    static const char *const inputs[] = { "inclusive", "exclusive" };
    static const char *const costs[] = { "reported", "unknown" };
    static const char *const columns[] = { "mapped", "targets" };
    struct str text;
    const struct yaml_node *n;

    if (read_choice(y, root, "input", inputs, &m->exclusive_input, err) < 0 ||
        read_choice(y, root, "output", inputs, &m->exclusive_output, err) < 0 ||
        read_choice(y, root, "zero_cost", costs, &m->zero_cost_unknown, err) < 0 ||
        read_choice(y, root, "names", columns, &m->identity, err) < 0)
        return -1;
    if ((n = yaml_get(root, "records")) && yaml_str(y, n, &m->records, err) < 0)
        return -1;
    if ((n = yaml_get(root, "nested")) && yaml_str(y, n, &m->nested, err) < 0)
        return -1;
    m->records = arena_str(&m->arena, m->records);
    m->nested = arena_str(&m->arena, m->nested);
    if ((n = yaml_get(root, "separator"))) {
        if (yaml_str(y, n, &text, err) < 0)
            return -1;
        if (text.len != 1 || !strchr(",\t;|", text.ptr[0]))
            return yaml_err(y, n, err, "expected one of ',' ';' '|' or a tab (\"\\t\")");
        m->separator = text.ptr[0];
    }
    return 0;
}

static int read_lists(struct import_map *m, const struct yaml *y, const struct yaml_node *root,
                      struct err *err)
{
    const struct yaml_node *n;

    if ((n = yaml_get(root, "detect")) &&
        read_texts(m, y, n, &m->detect, &m->detect_count, err) < 0)
        return -1;
    if ((n = yaml_get(root, "require")) &&
        read_texts(m, y, n, &m->require, &m->require_count, err) < 0)
        return -1;
    if ((n = yaml_get(root, "nulls")))
        return read_texts(m, y, n, &m->nulls, &m->null_count, err);
    struct str *to = arena_alloc(&m->arena, sizeof(*to) * ARRAY_LEN(default_nulls));
    for (size_t i = 0; i < ARRAY_LEN(default_nulls); i++)
        to[i] = str_from(default_nulls[i]);
    m->nulls = to;
    m->null_count = ARRAY_LEN(default_nulls);
    return 0;
}

int import_map_parse(struct str text, const char *name, struct import_map **ret, struct err *err)
{
    static const char *const keys[] = { "map",     "about",  "source",    "detect",    "columns",
                                        "names",   "values", "constants", "models",    "nulls",
                                        "require", "input",  "output",    "zero_cost", "records",
                                        "nested",  "time",   "separator", NULL };
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(import_map_free) struct import_map *m = mem_calloc(1, sizeof(*m));
    const struct yaml_node *n;

    if (yaml_parse(text, name, &y, err) < 0)
        return -1;
    const struct yaml_node *root = yaml_root(y);
    if (!root || root->kind != YAML_MAP)
        return err_set(err, ERR_USAGE, "%s: a map begins with 'map: NAME' (weir-map(5))", name);
    if (yaml_check_keys(y, root, keys, err) < 0)
        return -1;
    if (!(n = yaml_get(root, "map")))
        return yaml_err(y, root, err, "the map has no name: add 'map: NAME'");
    if (yaml_str(y, n, &m->name, err) < 0)
        return -1;
    m->name = arena_str(&m->arena, m->name);
    if (read_scalars(m, y, root, err) < 0 || read_lists(m, y, root, err) < 0)
        return -1;
    if (((n = yaml_get(root, "columns")) && read_columns(m, y, n, err) < 0) ||
        ((n = yaml_get(root, "constants")) && read_constants(m, y, n, err) < 0) ||
        ((n = yaml_get(root, "values")) && read_values(m, y, n, err) < 0) ||
        ((n = yaml_get(root, "models")) && read_models(m, y, n, err) < 0) ||
        ((n = yaml_get(root, "time")) && read_time(m, y, n, err) < 0))
        return -1;
    if (!m->column_count && !m->identity)
        return yaml_err(y, root, err, "the map names no columns: add 'columns:'");
    *ret = TAKE(m);
    return 0;
}

int import_map_load(const char *path, struct import_map **ret, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (file_read(path, IMPORT_MAP_BYTES_MAX, &text, err) < 0)
        return err_wrap(err, "map '%s'", path);
    return import_map_parse(buf_str(&text), path, ret, err);
}

/* The maps of a folder, as "a, b, c". */
static void list_maps(const char *folder, struct buf *out)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    struct err ignored;

    if (dir_list_read(folder, &names, &ignored) < 0)
        return;
    for (size_t i = 0; i < names.len; i++) {
        struct str name = str_from(names.names[i]);
        if (str_ends_with(name, STR(".yaml")))
            buf_addf(out, "%s%.*s", out->len ? ", " : "", STR_ARG(str_sub(name, 0, name.len - 5)));
    }
}

int import_map_find(const char *name, const char *folder, struct import_map **ret, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    CLEANUP(buf_release) struct buf known = { 0 };

    if (strchr(name, '/') || str_ends_with(str_from(name), STR(".yaml")) || file_exists(name))
        return import_map_load(name, ret, err);
    buf_addf(&path, "%s/%s.yaml", folder, name);
    if (file_exists(buf_cstr(&path)))
        return import_map_load(buf_cstr(&path), ret, err);
    list_maps(folder, &known);
    return err_set(err, ERR_USAGE, "no map is called '%s': known are %s; or give a file", name,
                   known.len ? buf_cstr(&known) : "none");
}

/* Where a document can be read as buckets of rows, it is not lines of rows. */
static bool is_better(const struct import_map *m, const struct import_map *than, bool json)
{
    if (!json && m->records.len)
        return false;
    if (!than)
        return true;
    if ((m->records.len > 0) != (than->records.len > 0))
        return m->records.len > 0;
    return m->detect_count > than->detect_count;
}

int import_map_detect(const char *folder, bool (*has_column)(const void *ctx, struct str name),
                      const void *ctx, bool json, struct import_map **ret, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    CLEANUP(import_map_free) struct import_map *best = NULL;
    CLEANUP(buf_release) struct buf path = { 0 };
    CLEANUP(buf_release) struct buf known = { 0 };

    if (dir_list_read(folder, &names, err) < 0)
        return err_wrap(err, "maps '%s'", folder);
    for (size_t i = 0; i < names.len; i++) {
        CLEANUP(import_map_free) struct import_map *m = NULL;
        if (!str_ends_with(str_from(names.names[i]), STR(".yaml")))
            continue;
        buf_clear(&path);
        buf_addf(&path, "%s/%s", folder, names.names[i]);
        if (import_map_load(buf_cstr(&path), &m, err) < 0)
            return -1;
        size_t has = 0;
        while (has < m->detect_count && has_column(ctx, m->detect[has]))
            has++;
        if (has == m->detect_count && has > 0 && is_better(m, best, json)) {
            import_map_free(best);
            best = TAKE(m);
        }
    }
    if (!best) {
        list_maps(folder, &known);
        return err_set(err, ERR_USAGE,
                       "neither recorded exchanges nor a table whose columns a map knows: write a "
                       "map and name it with --map (weir-map(5)); known are %s",
                       known.len ? buf_cstr(&known) : "none");
    }
    *ret = TAKE(best);
    return 0;
}

void import_map_split_model(const struct import_map *m, struct str text,
                            enum provider *ret_provider, struct str *ret_model)
{
    *ret_model = text;
    for (size_t i = 0; i < m->model_count; i++) {
        const struct import_map_model *rule = &m->models[i];
        if (!str_glob(rule->match, text))
            continue;
        provider_parse(rule->provider, ret_provider);
        if (rule->strip.len && str_starts_with(text, rule->strip))
            *ret_model = str_sub(text, rule->strip.len, text.len);
        return;
    }
    ptrdiff_t slash = str_find_char(text, '/', 0);
    if (slash > 0) {
        struct str prefix = str_sub(text, 0, (size_t)slash);
        bool known = provider_parse(prefix, ret_provider);
        for (size_t i = 0; !known && i < ARRAY_LEN(model_prefixes); i++)
            if (str_eq(prefix, str_from(model_prefixes[i].prefix))) {
                known = true;
                *ret_provider = model_prefixes[i].provider;
            }
        if (known) {
            *ret_model = str_sub(text, (size_t)slash + 1, text.len);
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(model_names); i++)
        if (str_glob(str_from(model_names[i].glob), text)) {
            *ret_provider = model_names[i].provider;
            return;
        }
    *ret_provider = PROVIDER_UNKNOWN;
}

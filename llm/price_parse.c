#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "llm/price_reading.h"

#define FORMAT_NAME "weir-prices/1"

/* --- match rules --- */

static const char *const rule_keys[] = {
    [PRICE_RULE_EQUALS] = "equals", [PRICE_RULE_PREFIX] = "prefix",
    [PRICE_RULE_SUFFIX] = "suffix", [PRICE_RULE_CONTAINS] = "contains",
    [PRICE_RULE_GLOB] = "glob",     [PRICE_RULE_REGEX] = "regex",
    [PRICE_RULE_ANY] = "any",       [PRICE_RULE_ALL] = "all",
    [PRICE_RULE_COUNT] = NULL,
};

static int read_rules(struct price_reading *r, const struct yaml_node *list, int depth,
                      struct price_rule *ret);

static int read_rule(struct price_reading *r, const struct yaml_node *n, int depth,
                     struct price_rule *ret)
{
    ret->line = n->line;
    if (n->kind == YAML_SCALAR)
        return price_read_lower(r, n, &ret->text);
    if (n->kind != YAML_MAP || n->len != 1)
        return price_read_bad(
            r, n, "a model id, or one of equals, prefix, suffix, contains, glob, regex");
    if (yaml_check_keys(r->yaml, n, rule_keys, r->err) < 0)
        return -1;
    for (int kind = 0; kind < PRICE_RULE_COUNT; kind++)
        if (str_eq(n->items->key->text, str_from(rule_keys[kind])))
            ret->kind = (enum price_rule_kind)kind;
    if (ret->kind == PRICE_RULE_ANY || ret->kind == PRICE_RULE_ALL)
        return read_rules(r, n->items, depth + 1, ret);
    if (ret->kind != PRICE_RULE_REGEX)
        return price_read_lower(r, n->items, &ret->text);
    struct err err;
    if (price_read_text(r, n->items, &ret->text) < 0)
        return -1;
    if (pattern_compile(ret->text, &ret->regex, &err) < 0)
        return yaml_err(r->yaml, n->items, r->err, "%s", err.text);
    return 0;
}

static int read_rules(struct price_reading *r, const struct yaml_node *list, int depth,
                      struct price_rule *ret)
{
    if (depth > PRICE_RULE_DEPTH_MAX)
        return yaml_err(r->yaml, list, r->err, "rules nested deeper than %d", PRICE_RULE_DEPTH_MAX);
    if (list->kind != YAML_LIST || list->len == 0)
        return price_read_bad(r, list, "a list of rules");
    ret->rules = arena_alloc(&r->file->arena, list->len * sizeof(*ret->rules));
    for (const struct yaml_node *n = list->items; n; n = n->next) {
        struct price_rule *rule = &ret->rules[ret->count++];
        if (read_rule(r, n, depth, rule) < 0)
            return -1;
    }
    return 0;
}

/* --- entries --- */

/* "openai/gpt-4o", "huggingface/groq/qwen/qwen3-32b". */
static struct str entry_name(struct price_reading *r, const struct price_entry *e)
{
    CLEANUP(buf_release) struct buf name = { 0 };

    buf_addf(&name, "%s/", provider_name(e->provider));
    if (e->route.len > 0)
        buf_addf(&name, "%.*s/", STR_ARG(e->route));
    buf_add_str(&name, e->id);
    return arena_str(&r->file->arena, buf_str(&name));
}

static int read_entry_prices(struct price_reading *r, const struct yaml_node *n,
                             struct price_entry *ret)
{
    const struct yaml_node *prices = yaml_get(n, "prices");

    if (prices)
        return price_read_periods(r, prices, n, &ret->periods, &ret->period_count);
    ret->periods = arena_alloc(&r->file->arena, sizeof(*ret->periods));
    ret->period_count = 1;
    return price_read_period(r, n, NULL, ret->periods);
}

static int read_entry(struct price_reading *r, const struct yaml_node *n, struct price_entry *ret)
{
    static const char *const dated[] = { "id",     "match",   "provider", "route",
                                         "source", "checked", "prices",   NULL };
    static const char *const plain[] = {
        "id", "match", "provider", "route", PRICE_PERIOD_KEYS, NULL
    };

    if (n->kind != YAML_MAP)
        return price_read_bad(r, n, "a map with id and prices");
    if (yaml_check_keys(r->yaml, n, yaml_get(n, "prices") ? dated : plain, r->err) < 0)
        return -1;
    const struct yaml_node *id = yaml_get(n, "id"), *match = yaml_get(n, "match"),
                           *provider = yaml_get(n, "provider"), *route = yaml_get(n, "route");
    if (!id)
        return yaml_err(r->yaml, n, r->err, "an entry needs an id");
    ret->file = r->file;
    ret->line = n->line;
    ret->provider = r->file->provider;
    if (provider && price_read_provider(r, provider, &ret->provider) < 0)
        return -1;
    if (ret->provider == PROVIDER_UNKNOWN)
        return yaml_err(r->yaml, n, r->err, "name the provider, here or at the top of the file");
    if (price_read_lower(r, id, &ret->id) < 0)
        return -1;
    if (route && price_read_lower(r, route, &ret->route) < 0)
        return -1;
    ret->name = entry_name(r, ret);
    ret->match.kind = PRICE_RULE_ANY;
    if (match && read_rules(r, match, 0, &ret->match) < 0)
        return -1;
    return read_entry_prices(r, n, ret);
}

static int read_entries(struct price_reading *r, const struct yaml_node *list)
{
    if (!list)
        return 0;
    if (list->kind != YAML_LIST)
        return price_read_bad(r, list, "a list of entries");
    r->file->entries = arena_alloc(&r->file->arena, (list->len + 1) * sizeof(*r->file->entries));
    for (const struct yaml_node *n = list->items; n; n = n->next) {
        /* Counted first, so that a regex in a half-read entry is freed. */
        struct price_entry *e = &r->file->entries[r->file->entry_count++];
        if (read_entry(r, n, e) < 0)
            return -1;
    }
    return 0;
}

/* --- the file --- */

static int read_source(struct price_reading *r, const struct yaml_node *n, struct price_source *ret)
{
    static const char *const known[] = {
        "title", "url", "version", "date", "licence", "note", NULL
    };
    struct {
        const char *key;
        struct str *text;
    } fields[] = {
        {"title",    &ret->title  },
        { "url",     &ret->url    },
        { "version", &ret->version},
        { "date",    &ret->date   },
        { "licence", &ret->licence},
        { "note",    &ret->note   },
    };

    if (n->kind != YAML_MAP)
        return price_read_bad(r, n, "a map with title, url and date");
    if (yaml_check_keys(r->yaml, n, known, r->err) < 0)
        return -1;
    ret->id = arena_str(&r->file->arena, n->key->text);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct yaml_node *value = yaml_get(n, fields[i].key);
        if (value && price_read_text(r, value, fields[i].text) < 0)
            return -1;
    }
    return 0;
}

static int read_sources(struct price_reading *r, const struct yaml_node *map)
{
    if (!map)
        return 0;
    if (map->kind != YAML_MAP)
        return price_read_bad(r, map, "a map from a short name to a source");
    r->file->sources = arena_alloc(&r->file->arena, (map->len + 1) * sizeof(*r->file->sources));
    for (const struct yaml_node *n = map->items; n; n = n->next)
        if (read_source(r, n, &r->file->sources[r->file->source_count++]) < 0)
            return -1;
    return 0;
}

static int read_head(struct price_reading *r, const struct yaml_node *root)
{
    static const char *const known[] = { "format",  "provider",  "fallback", "sources",
                                         "fees",    "entries",   "models",   "deployments",
                                         "regions", "discounts", NULL };

    if (!root || root->kind != YAML_MAP)
        return yaml_err(r->yaml, root, r->err, "expected 'format: " FORMAT_NAME "' and prices");
    const struct yaml_node *format = yaml_get(root, "format");
    if (!format)
        return yaml_err(r->yaml, root, r->err, "no 'format: " FORMAT_NAME "'");
    if (format->kind != YAML_SCALAR || !str_eq(format->text, STR(FORMAT_NAME)))
        return price_read_bad(r, format, "format '" FORMAT_NAME "'");
    if (yaml_check_keys(r->yaml, root, known, r->err) < 0)
        return -1;
    const struct yaml_node *provider = yaml_get(root, "provider"),
                           *fallback = yaml_get(root, "fallback");
    if (provider && price_read_provider(r, provider, &r->file->provider) < 0)
        return -1;
    if (!fallback)
        return 0;
    if (!provider || fallback->kind != YAML_LIST || fallback->len >= PROVIDER_COUNT)
        return price_read_bad(r, fallback, "a list of providers, in the file of one provider");
    for (const struct yaml_node *n = fallback->items; n; n = n->next)
        if (price_read_provider(r, n, &r->file->fallback[r->file->fallback_count++]) < 0)
            return -1;
    return 0;
}

static int read_all(struct price_reading *r, const struct yaml_node *root)
{
    static const char *const model_keys[] = { "map", NULL };
    struct price_file *f = r->file;

    if (read_head(r, root) < 0 || read_sources(r, yaml_get(root, "sources")) < 0 ||
        read_entries(r, yaml_get(root, "entries")) < 0)
        return -1;
    const struct yaml_node *fees = yaml_get(root, "fees"), *models = yaml_get(root, "models");
    if (fees && f->provider == PROVIDER_UNKNOWN)
        return yaml_err(r->yaml, fees, r->err, "fees belong into the file of one provider");
    if (fees && price_read_periods(r, fees, NULL, &f->fees, &f->fee_count) < 0)
        return -1;
    if (models && models->kind != YAML_MAP)
        return price_read_bad(r, models, "a map with 'map'");
    if (models && yaml_check_keys(r->yaml, models, model_keys, r->err) < 0)
        return -1;
    if (price_read_maps(r, models ? yaml_get(models, "map") : NULL, yaml_get(root, "deployments")) <
        0)
        return -1;
    if (price_read_adjusts(r, yaml_get(root, "regions"), true, &f->regions, &f->region_count) < 0)
        return -1;
    return price_read_adjusts(r, yaml_get(root, "discounts"), false, &f->discounts,
                              &f->discount_count);
}

int price_file_parse(struct str text, const char *path, struct price_file **ret, struct err *err)
{
    CLEANUP(yaml_free) struct yaml *yaml = NULL;
    CLEANUP(price_file_free) struct price_file *file = mem_calloc(1, sizeof(*file));
    const char *slash = strrchr(path, '/');

    if (yaml_parse(text, path, &yaml, err) < 0)
        return -1;
    file->path = arena_str(&file->arena, str_from(path));
    file->base_name = arena_str(&file->arena, str_from(slash ? slash + 1 : path));
    struct price_reading r = { yaml, file, err };
    if (read_all(&r, yaml_root(yaml)) < 0)
        return -1;
    *ret = TAKE(file);
    return 0;
}

static void rule_release(struct price_rule *rule)
{
    pattern_free(rule->regex);
    for (size_t i = 0; i < rule->count; i++)
        rule_release(&rule->rules[i]);
}

void price_file_free(struct price_file *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->entry_count; i++)
        rule_release(&f->entries[i].match);
    arena_release(&f->arena);
    free(f);
}

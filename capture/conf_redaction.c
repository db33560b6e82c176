/* The section `redaction` of the configuration. */
#include "config.h"

#include "base/buf.h"
#include "base/nearest.h"
#include "capture/conf_keys.h"

#define HOLD_BYTES       (4u << 20)
#define HOLD_TOTAL_BYTES (256u << 20)

struct reading {
    struct conf *conf;
    const struct yaml *yaml;
    struct err *err;
};

static int fail(const struct reading *r, const struct yaml_node *n, const struct err *why)
{
    return yaml_err(r->yaml, n, r->err, "%s", why->text);
}

/* The first of a node that is one value or a list of them. */
static const struct yaml_node *first_of(const struct yaml_node *n)
{
    return n->kind == YAML_LIST ? n->items : n;
}

static const struct yaml_node *next_of(const struct yaml_node *list, const struct yaml_node *n)
{
    return list->kind == YAML_LIST ? n->next : NULL;
}

static int read_places(const struct reading *r, const struct yaml_node *list, unsigned *ret)
{
    static const char *const names[] = { "requests", "answers", "heads", NULL };
    static const unsigned places[] = { SCRUB_REQUESTS, SCRUB_ANSWERS, SCRUB_HEADS };

    if (!list)
        return 0;
    *ret = 0;
    for (const struct yaml_node *n = first_of(list); n; n = next_of(list, n)) {
        size_t i = 0;
        while (names[i] && !str_eq(n->text, str_from(names[i])))
            i++;
        if (!names[i])
            return yaml_err(r->yaml, n, r->err, "expected requests, answers or heads, got '%.*s'",
                            STR_ARG(n->text));
        *ret |= places[i];
    }
    return 0;
}

static int add_shipped(const struct reading *r, const struct yaml_node *n, struct str name,
                       unsigned places)
{
    struct err why;

    if (scrub_add_shipped(r->conf->redaction.scrub, name, places, &why) < 0)
        return fail(r, n, &why);
    return 0;
}

/* Names, "all" (as without the key) or "none". */
static int read_rules(const struct reading *r, const struct yaml_node *map,
                      const struct yaml_node *list, unsigned places)
{
    bool is_one = list && list->kind == YAML_SCALAR;

    if (is_one && str_eq(list->text, STR("none")))
        return 0;
    if (!list || (is_one && str_eq(list->text, STR("all")))) {
        for (const char *const *name = scrub_shipped_names(); *name; name++)
            if (add_shipped(r, map, str_from(*name), places) < 0)
                return -1;
        return 0;
    }
    for (const struct yaml_node *n = first_of(list); n; n = next_of(list, n))
        if (add_shipped(r, n, n->text, places) < 0)
            return -1;
    return 0;
}

static int read_pattern(const struct reading *r, const struct yaml_node *map, unsigned places)
{
    const struct yaml_node *name = yaml_get(map, "name"), *regex = yaml_get(map, "pattern");
    const struct yaml_node *replace = yaml_get(map, "replace");
    struct scrub_pattern p = { .places = places };
    struct err why;

    if (!name || !regex)
        return yaml_err(r->yaml, map, r->err, "a pattern needs a name and a pattern");
    if (read_places(r, yaml_get(map, "apply_to"), &p.places) < 0)
        return -1;
    p.name = name->text;
    p.regex = regex->text;
    p.replace = replace ? replace->text : STR("");
    if (scrub_add_pattern(r->conf->redaction.scrub, &p, &why) < 0)
        return fail(r, str_eq(p.name, STR("")) ? name : regex, &why);
    return 0;
}

/* The names in a list, each of which must be one of known. */
static int read_names(const struct reading *r, const struct yaml_node *list,
                      const struct yaml_node *known, const char *section, struct conf_names *ret)
{
    if (!list)
        return 0;
    ret->list = arena_alloc(&r->conf->arena, (list->len + 1) * sizeof(*ret->list));
    for (const struct yaml_node *n = first_of(list); n; n = next_of(list, n)) {
        if (!known || !yaml_get(known, arena_str(&r->conf->arena, n->text).ptr))
            return yaml_err(r->yaml, n, r->err, "'%.*s' is not in %s: add it there first",
                            STR_ARG(n->text), section);
        ret->list[ret->count++] = arena_str(&r->conf->arena, n->text);
    }
    return 0;
}

static int read_limits(const struct reading *r, const struct yaml_node *map)
{
    const struct yaml_node *one = yaml_get(map, "hold_bytes"), *all = yaml_get(map, "hold_total");
    struct conf_redaction *to = &r->conf->redaction;

    if (one)
        conf_size_parse(one->text, &to->hold_bytes);
    if (all)
        conf_size_parse(all->text, &to->hold_total_bytes);
    if (to->hold_bytes > SCRUB_BODY_BYTES_MAX)
        return yaml_err(r->yaml, one, r->err, "no body larger than %uMiB can be held",
                        SCRUB_BODY_BYTES_MAX >> 20);
    if (to->hold_total_bytes < to->hold_bytes)
        return yaml_err(r->yaml, all ? all : one, r->err,
                        "hold_total is less than hold_bytes, which one body may take");
    return 0;
}

int conf_read_redaction(struct conf *c, const struct yaml *y, const struct yaml_node *root,
                        struct err *err)
{
    const struct yaml_node *map = yaml_get(root, "redaction");
    struct reading r = { c, y, err };
    unsigned places = SCRUB_EVERYWHERE;

    c->redaction.hold_bytes = HOLD_BYTES;
    c->redaction.hold_total_bytes = HOLD_TOTAL_BYTES;
    if (!map)
        return 0;
    const struct yaml_node *patterns = yaml_get(map, "patterns");
    c->redaction.scrub = scrub_new();
    if (read_places(&r, yaml_get(map, "apply_to"), &places) < 0 ||
        read_rules(&r, map, yaml_get(map, "rules"), places) < 0)
        return -1;
    for (const struct yaml_node *n = patterns ? patterns->items : NULL; n; n = n->next)
        if (read_pattern(&r, n, places) < 0)
            return -1;
    if (!scrub_applies(c->redaction.scrub, SCRUB_EVERYWHERE))
        return yaml_err(y, map, err,
                        "nothing is to be taken out: name rules or add patterns, or "
                        "remove the section");
    if (read_names(&r, yaml_get(map, "upstreams"), yaml_get(root, "upstreams"), "upstreams",
                   &c->redaction.upstreams) < 0 ||
        read_names(&r, yaml_get(map, "apps"), yaml_get(root, "apps"), "apps", &c->redaction.apps) <
            0)
        return -1;
    return read_limits(&r, map);
}

static bool has_name(const struct conf_names *names, struct str name)
{
    for (size_t i = 0; i < names->count; i++)
        if (str_eq(names->list[i], name))
            return true;
    return names->count == 0;
}

struct scrub *conf_scrub_for(const struct conf *c, struct str upstream, struct str app)
{
    const struct conf_redaction *r = &c->redaction;

    return r->scrub && has_name(&r->upstreams, upstream) && has_name(&r->apps, app) ? r->scrub
                                                                                    : NULL;
}

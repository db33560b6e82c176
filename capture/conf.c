#include "config.h"

#include "capture/conf.h"

#include <string.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/vec.h"
#include "base/yaml.h"
#include "capture/body_labels.h"
#include "capture/conf_keys.h"

void conf_free(struct conf *c)
{
    if (!c)
        return;
    attribution_free(c->attribution);
    scrub_free(c->redaction.scrub);
    yaml_free(c->yaml);
    arena_release(&c->arena);
    free(c);
}

static struct str text_of(struct conf *c, const struct yaml_node *map, const char *key)
{
    const struct yaml_node *n = yaml_get(map, key);
    return n ? arena_str(&c->arena, n->text) : STR("");
}

struct str conf_path_of(struct conf *c, const struct yaml_node *n, const char *folder)
{
    if (!n)
        return STR("");
    if (n->text.ptr[0] == '/' || !folder[0])
        return arena_str(&c->arena, n->text);
    struct buf path = { 0 };
    struct str rest = n->text;
    while (str_starts_with(rest, STR("./"))) /* for who reads it in a message */
        rest = str_sub(rest, 2, rest.len);
    buf_addf(&path, "%s/%.*s", folder, STR_ARG(rest));
    struct str ret = arena_str(&c->arena, buf_str(&path));
    buf_release(&path);
    return ret;
}

/* The scalars of a node that is one or a list of them. */
static size_t scalars(struct conf *c, const struct yaml_node *n, const struct yaml_node ***ret)
{
    size_t count = n->kind == YAML_LIST ? n->len : 1, i = 0;
    *ret = arena_alloc(&c->arena, (count + 1) * sizeof(struct yaml_node *));
    if (n->kind == YAML_SCALAR)
        (*ret)[i++] = n;
    else
        for (const struct yaml_node *item = n->items; item; item = item->next)
            (*ret)[i++] = item;
    return count;
}

static void read_upstreams(struct conf *c, const struct yaml_node *map)
{
    if (!map)
        return;
    struct conf_upstream *to = arena_alloc(&c->arena, (map->len + 1) * sizeof(*to));
    c->upstreams = to;
    for (const struct yaml_node *n = map->items; n; n = n->next)
        to[c->upstream_count++] = (struct conf_upstream){
            .name = arena_str(&c->arena, n->key->text),
            .url = text_of(c, n, "url"),
            .api = text_of(c, n, "api"),
            .arm = text_of(c, n, "arm"),
        };
}

static void read_apps(struct conf *c, const struct yaml_node *map)
{
    if (!map)
        return;
    struct conf_app *to = arena_alloc(&c->arena, (map->len + 1) * sizeof(*to));
    c->apps = to;
    for (const struct yaml_node *n = map->items; n; n = n->next) {
        struct conf_app app = {
            .is = {.app = arena_str(&c->arena, n->key->text),
                   .team = text_of(c, n, "team"),
                   .business_unit = text_of(c, n, "business_unit"),
                   .environment = text_of(c, n, "environment"),
                   .purpose = text_of(c, n, "purpose")},
            .owner = text_of(c, n, "owner"),
            .upstream = text_of(c, n, "upstream"),
            .risk = text_of(c, n, "risk"),
        };
        attribution_add_app(c->attribution, &app.is);
        to[c->app_count++] = app;
    }
}

static int no_such_name(const struct yaml *y, const struct yaml_node *n, const char *kind,
                        const struct nearest *near, struct err *err)
{
    if (near->best)
        return yaml_err(y, n, err, "'%.*s' is not in %s: did you mean '%s'?", STR_ARG(n->text),
                        kind, near->best);
    return yaml_err(y, n, err, "'%.*s' is not in %s: add it there first", STR_ARG(n->text), kind);
}

static int check_app_name(const struct conf *c, const struct yaml *y, const struct yaml_node *n,
                          struct err *err)
{
    struct nearest near;
    nearest_init(&near, n->text);
    for (size_t i = 0; i < c->app_count; i++) {
        if (str_eq(c->apps[i].is.app, n->text))
            return 0;
        nearest_offer(&near, c->apps[i].is.app.ptr);
    }
    return no_such_name(y, n, "apps", &near, err);
}

static int check_upstream_name(const struct conf *c, const struct yaml *y,
                               const struct yaml_node *n, struct err *err)
{
    struct nearest near;
    nearest_init(&near, n->text);
    for (size_t i = 0; i < c->upstream_count; i++) {
        if (str_eq(c->upstreams[i].name, n->text))
            return 0;
        nearest_offer(&near, c->upstreams[i].name.ptr);
    }
    return no_such_name(y, n, "upstreams", &near, err);
}

/* What an app is said to go to must be there. */
static int check_app_upstreams(const struct conf *c, const struct yaml *y,
                               const struct yaml_node *apps, struct err *err)
{
    for (const struct yaml_node *n = apps ? apps->items : NULL; n; n = n->next) {
        const struct yaml_node *upstream = yaml_get(n, "upstream");
        if (upstream && check_upstream_name(c, y, upstream, err) < 0)
            return -1;
    }
    return 0;
}

static int read_condition(struct conf *c, const struct yaml *y, const struct yaml_node *n,
                          struct attribution_condition *ret, struct err *err)
{
    const struct yaml_node **nodes;
    ret->pattern_count = scalars(c, n, &nodes);
    struct str *patterns = arena_alloc(&c->arena, ret->pattern_count * sizeof(*patterns));

    for (size_t i = 0; i < ret->pattern_count; i++) {
        struct err why;
        patterns[i] = nodes[i]->text;
        if (attribution_check_pattern(ret->kind, patterns[i], &why) < 0)
            return yaml_err(y, nodes[i], err, "%s", why.text);
        if (ret->kind == ATTRIBUTION_UPSTREAM && check_upstream_name(c, y, nodes[i], err) < 0)
            return -1;
    }
    ret->patterns = patterns;
    return 0;
}

static const char *const condition_names[ATTRIBUTION_CONDITION_COUNT] = {
#define X(constant, name) name,
    ATTRIBUTION_CONDITIONS(X)
#undef X
};

/* Fills conditions[ATTRIBUTION_CONDITION_COUNT + labels]. */
static int read_conditions(struct conf *c, const struct yaml *y, const struct yaml_node *rule,
                           struct attribution_condition *conditions, size_t *ret_count,
                           struct err *err)
{
    *ret_count = 0;
    for (int kind = 0; kind < ATTRIBUTION_CONDITION_COUNT; kind++) {
        const struct yaml_node *n = yaml_get(rule, condition_names[kind]);
        const struct yaml_node *one = n && kind == ATTRIBUTION_LABEL ? n->items : n;
        for (; one; one = one->next) {
            struct attribution_condition *to = &conditions[(*ret_count)++];
            to->kind = (enum attribution_condition_kind)kind;
            if (kind == ATTRIBUTION_LABEL)
                to->label = one->key->text;
            if (read_condition(c, y, one, to, err) < 0)
                return -1;
            if (kind != ATTRIBUTION_LABEL)
                break;
        }
    }
    return 0;
}

/* A member of the request's body becomes what records keep of it: a label, or the fingerprint of
 * the end user. */
static int place_body_condition(const struct yaml *y, const struct yaml_node *key,
                                struct attribution_condition *ret, struct err *err)
{
    static const struct str containers[] = { STR_INIT("metadata."), STR_INIT("labels."),
                                             STR_INIT("requestMetadata.") };
    struct str name = key->text;

    ret->kind = ATTRIBUTION_END_USER;
    if (str_eq(name, STR("user")) || str_eq(name, STR("safety_identifier")))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(containers); i++) {
        if (!str_starts_with(name, containers[i]) || name.len == containers[i].len)
            continue;
        if (body_label_is_user(str_sub(name, containers[i].len, name.len)))
            return 0;
        ret->kind = ATTRIBUTION_LABEL;
        return 1;
    }
    return yaml_err(y, key, err,
                    "'%.*s' is not looked at in bodies: known are metadata.NAME, labels.NAME, "
                    "requestMetadata.NAME, user and safety_identifier",
                    STR_ARG(name));
}

static int read_body_conditions(struct conf *c, const struct yaml *y, const struct yaml_node *map,
                                struct attribution_condition *conditions, size_t *count,
                                struct err *err)
{
    for (const struct yaml_node *n = map ? map->items : NULL; n; n = n->next) {
        struct attribution_condition *to = &conditions[(*count)++];
        int r = place_body_condition(y, n->key, to, err);
        if (r < 0)
            return -1;
        if (r > 0) {
            CLEANUP(buf_release) struct buf label = { 0 };
            ptrdiff_t dot = str_find_char(n->key->text, '.', 0);
            buf_addf(&label, "metadata%.*s",
                     STR_ARG(str_sub(n->key->text, (size_t)dot, n->key->text.len)));
            to->label = arena_str(&c->arena, buf_str(&label));
        }
        if (read_condition(c, y, n, to, err) < 0)
            return -1;
    }
    return 0;
}

static int read_rule(struct conf *c, const struct yaml *y, const struct yaml_node *rule,
                     struct err *err)
{
    const struct yaml_node *labels = yaml_get(rule, "label"), *app = yaml_get(rule, "app");
    const struct yaml_node *body = yaml_get(rule, "body");
    size_t room = ATTRIBUTION_CONDITION_COUNT + (labels ? labels->len : 0) + (body ? body->len : 0);
    struct attribution_condition *conditions = arena_alloc(&c->arena, room * sizeof(*conditions));
    struct attribution_rule to = {
        .conditions = conditions,
        .set = {.app = text_of(c, rule, "app"),
                .team = text_of(c, rule, "team"),
                .business_unit = text_of(c, rule, "business_unit"),
                .environment = text_of(c, rule, "environment"),
                .purpose = text_of(c, rule, "purpose"),
                .end_user = text_of(c, rule, "set_end_user")},
    };

    if (read_conditions(c, y, rule, conditions, &to.condition_count, err) < 0 ||
        read_body_conditions(c, y, body, conditions, &to.condition_count, err) < 0)
        return -1;
    if (app && check_app_name(c, y, app, err) < 0)
        return -1;
    const struct exchange_who *set = &to.set;
    if (set->app.len + set->team.len + set->business_unit.len + set->environment.len +
            set->purpose.len + set->end_user.len ==
        0)
        return yaml_err(y, rule, err,
                        "this rule sets nothing: add app, team, business_unit, environment, "
                        "purpose or set_end_user");
    attribution_add_rule(c->attribution, &to);
    return 0;
}

static void read_prices(struct conf *c, const struct yaml_node *n, const char *folder)
{
    const struct yaml_node **nodes;
    if (!n)
        return;
    c->price_count = scalars(c, n, &nodes);
    struct str *to = arena_alloc(&c->arena, c->price_count * sizeof(*to));
    for (size_t i = 0; i < c->price_count; i++)
        to[i] = conf_path_of(c, nodes[i], folder);
    c->prices = to;
}

static void note_unread(struct conf *c, const struct yaml_node *root)
{
    struct str *to = arena_alloc(&c->arena, (root->len + 1) * sizeof(*to));
    c->unread = to;
    for (const struct conf_key *key = conf_keys(); key->name; key++)
        if (key->type == CONF_LATER && yaml_get(root, key->name))
            to[c->unread_count++] = str_from(key->name);
}

int conf_parse(struct str text, const char *name, const char *folder, struct conf **ret,
               struct err *err)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(conf_free) struct conf *c = mem_calloc(1, sizeof(*c));

    c->attribution = attribution_new();
    conf_alerts_default(&c->alerts);
    if (yaml_parse(text, name, &y, err) < 0)
        return -1;
    const struct yaml_node *root = yaml_root(y);
    if (root) {
        if (conf_check_keys(y, root, err) < 0)
            return -1;
        const struct yaml_node *archive = yaml_get(root, "archive");
        c->archive_path = conf_path_of(c, archive ? yaml_get(archive, "path") : NULL, folder);
        c->key_file = conf_path_of(c, archive ? yaml_get(archive, "key_file") : NULL, folder);
        read_upstreams(c, yaml_get(root, "upstreams"));
        read_apps(c, yaml_get(root, "apps"));
        if (check_app_upstreams(c, y, yaml_get(root, "apps"), err) < 0)
            return -1;
        const struct yaml_node *rules = yaml_get(root, "attribution");
        for (const struct yaml_node *n = rules ? rules->items : NULL; n; n = n->next)
            if (read_rule(c, y, n, err) < 0)
                return -1;
        if (conf_read_redaction(c, y, root, err) < 0 ||
            conf_read_alerts(c, y, root, folder, err) < 0)
            return -1;
        read_prices(c, yaml_get(root, "prices"), folder);
        note_unread(c, root);
    }
    c->yaml = TAKE(y);
    *ret = TAKE(c);
    return 0;
}

int conf_load(const char *path, struct conf **ret, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(buf_release) struct buf folder = { 0 };

    if (file_read(path, CONF_BYTES_MAX, &text, err) < 0)
        return err_wrap(err, "configuration '%s'", path);
    const char *slash = strrchr(path, '/');
    if (slash)
        buf_add(&folder, path, slash == path ? 1 : (size_t)(slash - path));
    return conf_parse(buf_str(&text), path, buf_cstr(&folder), ret, err);
}

#include "config.h"

#include "replay/drill_config.h"

#include <string.h>

#include "base/decimal.h"
#include "base/http_fetch.h"
#include "base/json.h"
#include "base/yaml.h"

/* --- reading --- */

static void add_text(struct drill_config *c, const struct yaml_node *n, bool is_upstream)
{
    struct str text = arena_str(&c->arena, n->text);

    if (is_upstream)
        vec_push(&c->upstreams, text);
    else
        vec_push(&c->environment, text);
}

/* {env: NAME}, anywhere below. */
static void find_environment(struct drill_config *c, const struct yaml_node *n)
{
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        if (i->key && i->kind == YAML_SCALAR && str_eq(i->key->text, STR("env")))
            add_text(c, i, false);
        find_environment(c, i);
    }
}

int drill_config_read(struct str text, const char *name, struct drill_config *ret, struct err *err)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    struct err ignored;

    *ret = (struct drill_config){ 0 };
    if (yaml_parse(text, name, &y, &ignored) < 0 || !yaml_root(y))
        return 0; /* somebody else's format: it is not for us to say that it is wrong */
    const struct yaml_node *root = yaml_root(y), *upstreams = yaml_get(root, "upstreams");
    if (root->kind != YAML_MAP || !upstreams || upstreams->kind != YAML_MAP)
        return 0;
    ret->is_weir = true;
    ret->has_tls = yaml_get(yaml_get(root, "listen"), "tls") != NULL;
    for (const struct yaml_node *i = upstreams->items; i; i = i->next)
        add_text(ret, i->key, true);
    find_environment(ret, upstreams);
    if (ret->upstreams.len <= DRILL_PROVIDERS_MAX)
        return 0;
    drill_config_release(ret);
    return err_set(err, ERR_LIMIT, "%s: more than %d upstreams", name, DRILL_PROVIDERS_MAX);
}

void drill_config_release(struct drill_config *c)
{
    vec_release(&c->upstreams);
    vec_release(&c->environment);
    arena_release(&c->arena);
}

/* --- placeholders --- */

static const struct drill_provider *provider_of(const struct drill_places *places, struct str name)
{
    for (size_t i = 0; i < places->provider_count; i++)
        if (str_eq(places->providers[i].name, name))
            return &places->providers[i];
    return NULL;
}

static void write_address(const struct drill_places *places, const struct drill_provider *p,
                          struct buf *out)
{
    buf_addf(out, "%s://%s:%u", places->ca ? "https" : "http",
             p->has_no_name ? "no-such-host.invalid" : "127.0.0.1", p->port);
}

/* 1 = it was one, 0 = braces that are no placeholder, -1 = of a provider that is not there. */
static int fill_one(struct str inside, const struct drill_places *places, const char *config,
                    struct buf *out, struct err *err)
{
    bool is_url = str_starts_with(inside, STR("url:"));

    if (str_eq(inside, STR("port"))) {
        buf_addf(out, "%u", places->port);
        return 1;
    }
    if (config && str_eq(inside, STR("config"))) {
        buf_add_text(out, config);
        return 1;
    }
    if (places->ca && str_eq(inside, STR("ca"))) {
        buf_add_text(out, places->ca);
        return 1;
    }
    if (places->text.ptr && str_eq(inside, STR("text"))) {
        buf_add_str(out, places->text);
        return 1;
    }
    if (!is_url && !str_starts_with(inside, STR("port:")))
        return 0;
    struct str name = str_sub(inside, is_url ? 4 : 5, SIZE_MAX);
    const struct drill_provider *p = provider_of(places, name);
    if (!p)
        return err_set(err, ERR_USAGE,
                       "{%.*s}: there is no stand-in for '%.*s': name it with "
                       "--provider",
                       STR_ARG(inside), STR_ARG(name));
    if (is_url)
        write_address(places, p, out);
    else
        buf_addf(out, "%u", p->port);
    return 1;
}

int drill_fill(struct str text, const struct drill_places *places, const char *config,
               struct buf *out, struct err *err)
{
    while (text.len) {
        ptrdiff_t open = str_find_char(text, '{', 0);
        buf_add_str(out, str_sub(text, 0, open < 0 ? text.len : (size_t)open));
        if (open < 0)
            break;
        ptrdiff_t close = str_find_char(text, '}', (size_t)open);
        struct str inside =
            str_sub(text, (size_t)open + 1, close < 0 ? 0 : (size_t)(close - open - 1));
        int r = fill_one(inside, places, config, out, err);
        if (r < 0)
            return -1;
        if (r == 0)
            buf_add_byte(out, '{');
        text = str_sub(text, r ? (size_t)close + 1 : (size_t)open + 1, SIZE_MAX);
    }
    return 0;
}

int drill_config_line(struct str text, struct buf *out, struct err *err)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool ends_line = c == '\n' || c == '\r';
        if (!ends_line && c != '\t' && (c < ' ' || c == 0x7f))
            return err_set(err, ERR_USAGE, "a header cannot carry byte 0x%02x of the configuration",
                           c);
        buf_add_byte(out, ends_line ? ' ' : (char)c);
    }
    return 0;
}

/* --- weir's own --- */

struct writer {
    const struct drill_places *places;
    const struct yaml *y;
    struct buf *out;
    struct err *err;
};

static bool is_plain(const struct yaml_node *n)
{
    static const char *const words[] = { "true", "false", "null", "~", "" };
    i128 number;

    if (n->quoted)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(n->text, str_from(words[i])))
            return true;
    return decimal_parse(n->text, 9, &number) == DECIMAL_OK;
}

static void write_node(const struct writer *w, const struct yaml_node *n)
{
    if (n->kind == YAML_SCALAR && is_plain(n)) {
        buf_add_str(w->out, n->text.len ? n->text : STR("null"));
        return;
    }
    if (n->kind == YAML_SCALAR) {
        json_add_string(w->out, n->text);
        return;
    }
    buf_add_byte(w->out, n->kind == YAML_MAP ? '{' : '[');
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        buf_add_text(w->out, i == n->items ? "" : ",\n");
        if (i->key) {
            json_add_string(w->out, i->key->text);
            buf_add_byte(w->out, ':');
        }
        write_node(w, i);
    }
    buf_add_byte(w->out, n->kind == YAML_MAP ? '}' : ']');
}

/* What of an upstream is not as it is given: how it is reached. */
static bool is_drills(const struct drill_places *places, struct str key)
{
    static const char *const keys[] = { "url", "proxy", "proxy_ca" };

    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (str_eq(key, str_from(keys[i])))
            return true;
    return places->ca && str_eq(key, STR("ca"));
}

/* With the stand-in's address before the path of its own. */
static int write_upstream(const struct writer *w, const struct yaml_node *n)
{
    const struct drill_provider *p = provider_of(w->places, n->key->text);
    const struct yaml_node *url = yaml_get(n, "url");
    struct http_url parts;

    if (!p || !url || url->kind != YAML_SCALAR)
        return yaml_err(w->y, n, w->err, "the upstream '%.*s' has no url", STR_ARG(n->key->text));
    if (http_url_parse(url->text, &parts, w->err) < 0)
        return yaml_err(w->y, url, w->err, "%s", w->err->text);
    buf_addf(w->out, "{\"url\":\"");
    write_address(w->places, p, w->out);
    buf_addf(w->out, "%.*s\"", STR_ARG(str_eq(parts.target, STR("/")) ? STR("") : parts.target));
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        if (is_drills(w->places, i->key->text))
            continue;
        buf_add_byte(w->out, ',');
        json_add_string(w->out, i->key->text);
        buf_add_byte(w->out, ':');
        write_node(w, i);
    }
    buf_add_text(w->out, ",\"proxy\":\"none\"");
    if (w->places->ca) {
        buf_add_text(w->out, ",\"ca\":");
        json_add_string(w->out, str_from(w->places->ca));
    }
    buf_add_byte(w->out, '}');
    return 0;
}

static int write_upstreams(const struct writer *w, const struct yaml_node *n)
{
    buf_add_byte(w->out, '{');
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        buf_add_text(w->out, i == n->items ? "" : ",\n");
        json_add_string(w->out, i->key->text);
        buf_add_byte(w->out, ':');
        if (write_upstream(w, i) < 0)
            return -1;
    }
    buf_add_byte(w->out, '}');
    return 0;
}

static int write_weir(const struct writer *w, const struct yaml_node *root)
{
    buf_addf(w->out,
             "{\"listen\":{\"address\":\"127.0.0.1:%u\",\"workers\":1},\n\"archive\":{\"path\":",
             w->places->port);
    json_add_string(w->out, str_from(w->places->archive));
    buf_add_byte(w->out, '}');
    for (const struct yaml_node *i = root->items; i; i = i->next) {
        if (str_eq(i->key->text, STR("listen")) || str_eq(i->key->text, STR("archive")))
            continue;
        buf_add_text(w->out, ",\n");
        json_add_string(w->out, i->key->text);
        buf_add_byte(w->out, ':');
        if (!str_eq(i->key->text, STR("upstreams")))
            write_node(w, i);
        else if (write_upstreams(w, i) < 0)
            return -1;
    }
    buf_add_text(w->out, "}\n");
    return 0;
}

int drill_config_write(struct str text, const char *name, bool is_weir,
                       const struct drill_places *places, struct buf *out, struct err *err)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;

    if (!is_weir)
        return drill_fill(text, places, NULL, out, err) < 0 ? err_wrap(err, "%s", name) : 0;
    if (yaml_parse(text, name, &y, err) < 0)
        return -1;
    struct writer w = { .places = places, .y = y, .out = out, .err = err };
    return write_weir(&w, yaml_root(y));
}

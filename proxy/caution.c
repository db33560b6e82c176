#include "config.h"

#include "proxy/caution.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/yaml.h"
#include "capture/conf_keys.h"

struct finding {
    const struct proxy_conf *c;
    const char *path, *folder;
    caution_fn fn;
    void *ctx;
};

static void tell(const struct finding *f, const struct yaml_node *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void tell(const struct finding *f, const struct yaml_node *at, const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list ap;

    if (at)
        buf_addf(&text, "%s:%u:%u: ", f->path, at->line, at->column);
    va_start(ap, fmt);
    buf_addvf(&text, fmt, ap);
    va_end(ap);
    f->fn(f->ctx, buf_cstr(&text));
}

/* Whether anybody on the machine can read or change it. */
static bool is_open_to_others(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && (st.st_mode & (S_IROTH | S_IWOTH)) != 0;
}

/* --- what the document points to --- */

/* Where paths of secrets stand: the key, and that of the map it is in. */
static const struct {
    const char *key, *within;
} secret_paths[] = {
    {"file",      "key"          },
    { "file",     "aws"          },
    { "file",     "access_key"   },
    { "file",     "secret_key"   },
    { "file",     "session_token"},
    { "file",     "secret"       },
    { "key",      "tls"          },
    { "key_file", "archive"      },
};

static bool is_secret_path(const struct yaml_node *n, const struct yaml_node *within)
{
    for (size_t i = 0; n->key && within && within->key && i < ARRAY_LEN(secret_paths); i++)
        if (str_eq(n->key->text, str_from(secret_paths[i].key)) &&
            str_eq(within->key->text, str_from(secret_paths[i].within)))
            return true;
    return false;
}

/* "http://name:password@host/". */
static bool has_password(struct str text)
{
    ptrdiff_t at = str_find(text, STR("://"), 0);

    if (at < 0)
        return false;
    struct str rest = str_sub(text, (size_t)at + 3, text.len);
    ptrdiff_t slash = str_find_char(rest, '/', 0);
    rest = slash < 0 ? rest : str_sub(rest, 0, (size_t)slash);
    return str_find_char(rest, '@', 0) >= 0;
}

static void look_at_scalar(const struct finding *f, const struct yaml_node *n,
                           const struct yaml_node *within)
{
    if (has_password(n->text) && is_open_to_others(f->path))
        tell(f, n,
             "this URL has a password, and others on this machine can read '%s': chmod 600 it",
             f->path);
    if (!is_secret_path(n, within))
        return;
    struct str path = conf_path_of(f->c->conf, n, f->folder);
    if (is_open_to_others(path.ptr))
        tell(f, n, "others on this machine can read or change the secret in '%s': chmod 600 it",
             path.ptr);
}

/* YAML_DEPTH_MAX deep at most. */
static void look_at(const struct finding *f, const struct yaml_node *n,
                    const struct yaml_node *within)
{
    if (n->kind == YAML_SCALAR)
        look_at_scalar(f, n, within);
    for (const struct yaml_node *i = n->items; i; i = i->next)
        look_at(f, i, n);
}

/* --- who can listen in --- */

static void look_at_upstreams(const struct finding *f, const struct yaml_node *map)
{
    size_t i = 0;

    for (const struct yaml_node *n = map ? map->items : NULL; n; n = n->next, i++) {
        const struct proxy_upstream *u = &f->c->upstreams[i];
        const struct yaml_node *key = yaml_get(n, "key");
        if (key && !u->tls && !proxy_host_is_loopback(u->host))
            tell(f, key->key, "the key of '%.*s' goes to %.*s in clear text: give it an https url",
                 STR_ARG(u->name), STR_ARG(u->authority));
    }
}

/* Of another arm, with the same interface and another place: a cutover could move its calls. */
static bool is_for_others(const struct proxy_conf *c, const struct proxy_upstream *gateway)
{
    for (size_t i = 0; i < c->upstream_count; i++)
        if (!str_eq(c->upstreams[i].arm, STR("gateway")) &&
            str_eq(c->upstreams[i].api, gateway->api) &&
            !proxy_upstream_may_have_key(gateway, &c->upstreams[i]))
            return true;
    return false;
}

static void look_at_gateways(const struct finding *f, const struct yaml_node *map)
{
    size_t i = 0;

    if (!f->c->cutover_path.len)
        return;
    for (const struct yaml_node *n = map ? map->items : NULL; n; n = n->next, i++) {
        const struct proxy_upstream *u = &f->c->upstreams[i];
        if (str_eq(u->arm, STR("gateway")) && !u->has_key && !u->drops_key &&
            is_for_others(f->c, u))
            tell(f, n->key,
                 "'%.*s' has no key, so that no cutover can move calls to it: give it a key of its "
                 "own, or say key: pass if callers' own credentials are to reach it, or key: none",
                 STR_ARG(u->name));
    }
}

static void look_at_listen(const struct finding *f, const struct yaml_node *map)
{
    const struct proxy_listen *l = &f->c->listen;

    if (l->host.len && !l->tls_cert.len && !proxy_host_is_loopback(l->host))
        tell(f, yaml_get(map, "address"),
             "other machines can connect in clear text, keys and prompts included: add tls");
    if (l->admin_host.len && !proxy_host_is_loopback(l->admin_host))
        tell(f, yaml_get(map, "admin"),
             "other machines can ask for health and metrics: listen on 127.0.0.1 if they need not");
    if (geteuid() == 0 && !l->user.len)
        tell(f, map, "weir would run as root: add a user to become once the ports are open");
}

void cautions_find(const struct proxy_conf *c, const char *path, caution_fn fn, void *ctx)
{
    const struct yaml_node *root = yaml_root(c->conf->yaml);
    const char *slash = strrchr(path, '/');
    size_t folder_len = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;
    char *folder = mem_strndup(path, folder_len);
    struct finding f = { .c = c, .path = path, .folder = folder, .fn = fn, .ctx = ctx };
    struct stat st;

    look_at(&f, root, NULL);
    look_at_upstreams(&f, yaml_get(root, "upstreams"));
    look_at_gateways(&f, yaml_get(root, "upstreams"));
    look_at_listen(&f, yaml_get(root, "listen"));
    if (stat(c->conf->archive_path.ptr, &st) == 0 && (st.st_mode & S_IRWXO))
        tell(&f, yaml_get(yaml_get(root, "archive"), "path"),
             "others on this machine can look into '%s': chmod 700 it", c->conf->archive_path.ptr);
    free(folder);
}

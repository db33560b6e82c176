#include "config.h"

#include "proxy/proxy_conf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/le.h"
#include "base/timestamp.h"
#include "base/tls.h"
#include "proxy/proxy_conf_read.h"
#include "proxy/proxy_policy.h"

#define FILE_BYTES_MAX (1u << 20) /* keys and certificates */
#define SECOND         UINT64_C(1000000)

static const struct proxy_limits default_limits = {
    .head_bytes = 64u << 10,
    .headers = 200,
    .connections = 20000,
    .streams = 100,
    .body_bytes = 64u << 20,
    .head_us = 10 * SECOND,
    .body_us = 60 * SECOND,
    .idle_us = 120 * SECOND, /* longer than clients keep theirs: they should be the ones to close */
    .send_us = 120 * SECOND,
};

struct proxy_conf *proxy_conf_ref(struct proxy_conf *c)
{
    c->references++;
    return c;
}

void proxy_conf_unref(struct proxy_conf *c)
{
    if (!c || --c->references > 0)
        return;
    proxy_policy_free(c->policy);
    plan_free(c->plan);
    conf_free(c->conf);
    client_keys_release(&c->client_keys);
    for (size_t i = 0; i < c->secrets.len; i++)
        explicit_bzero(c->secrets.ptr[i].ptr, c->secrets.ptr[i].len);
    vec_release(&c->secrets);
    vec_release(&c->files);
    arena_release(&c->arena);
    free(c);
}

const struct proxy_upstream *proxy_conf_upstream(const struct proxy_conf *c, struct str name)
{
    for (size_t i = 0; name.len && i < c->upstream_count; i++)
        if (str_eq(c->upstreams[i].name, name))
            return &c->upstreams[i];
    return NULL;
}

bool proxy_host_is_loopback(struct str host)
{
    return str_eq(host, STR("localhost")) || str_eq(host, STR("::1")) ||
           str_starts_with(host, STR("127."));
}

/* --- values: checked by capture/conf_keys already, so reading them cannot fail --- */

struct str proxy_conf_text(struct proxy_conf_reading *r, const struct yaml_node *map,
                           const char *key)
{
    const struct yaml_node *n = map ? yaml_get(map, key) : NULL;

    return n ? arena_str(&r->c->arena, n->text) : STR("");
}

struct str proxy_conf_path(struct proxy_conf_reading *r, const struct yaml_node *map,
                           const char *key)
{
    const struct yaml_node *n = map ? yaml_get(map, key) : NULL;
    CLEANUP(buf_release) struct buf path = { 0 };

    if (!n)
        return STR("");
    if (n->text.ptr[0] != '/' && r->folder[0])
        buf_addf(&path, "%s/", r->folder);
    buf_add_str(&path, n->text);
    return arena_str(&r->c->arena, buf_str(&path));
}

struct str proxy_conf_secret(struct proxy_conf *c, struct str bytes)
{
    char *copy = arena_alloc(&c->arena, bytes.len + 1);

    if (bytes.len)
        memcpy(copy, bytes.ptr, bytes.len);
    vec_push(&c->secrets, ((struct proxy_secret){ copy, bytes.len }));
    return (struct str){ copy, bytes.len };
}

static const struct proxy_file *file_of(const struct proxy_file *files, size_t count,
                                        struct str path)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(files[i].path, path))
            return &files[i];
    return NULL;
}

int proxy_conf_file(struct proxy_conf_reading *r, struct str path, const struct yaml_node *at,
                    struct str *ret, struct err *err)
{
    struct proxy_conf *c = r->c;
    const struct proxy_file *known = file_of(c->files.ptr, c->files.len, path);
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct err why;

    if (known) {
        *ret = known->bytes;
        return 0;
    }
    if (r->paths)
        buf_add(r->paths, path.ptr, path.len + 1);
    known = file_of(r->given, r->given_count, path);
    if (!known && file_read(path.ptr, FILE_BYTES_MAX, &bytes, &why) < 0)
        return yaml_err(r->yaml, at, err, "%s", why.text);
    *ret = proxy_conf_secret(c, known ? known->bytes : buf_str(&bytes));
    if (bytes.len)
        explicit_bzero(bytes.ptr, bytes.len);
    vec_push(&c->files, ((struct proxy_file){ path, *ret }));
    return 0;
}

static void set_duration(const struct yaml_node *map, const char *key, uint64_t *ret_us)
{
    const struct yaml_node *n = map ? yaml_get(map, key) : NULL;
    int64_t us;

    if (n && duration_parse(n->text, &us))
        *ret_us = (uint64_t)us;
}

static void set_size(const struct yaml_node *map, const char *key, uint64_t *ret_bytes)
{
    const struct yaml_node *n = map ? yaml_get(map, key) : NULL;
    int64_t bytes;

    if (n && conf_size_parse(n->text, &bytes))
        *ret_bytes = (uint64_t)bytes;
}

/* A number of at least min and at most max. */
static int set_count(struct proxy_conf_reading *r, const struct yaml_node *map, const char *key,
                     const uint32_t range[2], uint32_t *ret, struct err *err)
{
    const struct yaml_node *n = map ? yaml_get(map, key) : NULL;
    int64_t value;

    if (!n)
        return 0;
    if (yaml_int(r->yaml, n, &value, err) < 0)
        return -1;
    if (value < range[0] || value > range[1])
        return yaml_err(r->yaml, n, err, "expected a number from %u to %u, got %lld", range[0],
                        range[1], (long long)value);
    *ret = (uint32_t)value;
    return 0;
}

/* The index of the value among names. */
static int choice_of(const struct yaml_node *map, const char *key, const char *const *names)
{
    const struct yaml_node *n = map ? yaml_get(map, key) : NULL;

    for (int i = 0; n && names[i]; i++)
        if (str_eq(n->text, str_from(names[i])))
            return i;
    return 0;
}

/* --- upstreams --- */

static struct str make_authority(struct proxy_conf_reading *r, const struct proxy_upstream *u)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    bool is_ipv6 = str_find_char(u->host, ':', 0) >= 0;

    buf_addf(&text, is_ipv6 ? "[%.*s]" : "%.*s", STR_ARG(u->host));
    if (u->port != (u->tls ? 443 : 80))
        buf_addf(&text, ":%u", u->port);
    return arena_str(&r->c->arena, buf_str(&text));
}

bool proxy_conf_is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || (unsigned char)text.ptr[i] >= 0x7f)
            return false;
    return true;
}

/* "https://host:port/base": the scheme is checked already. */
static int read_url(struct proxy_conf_reading *r, const struct yaml_node *n,
                    struct proxy_upstream *u, struct err *err)
{
    u->tls = str_starts_with(n->text, STR("https://"));
    struct str rest = str_sub(n->text, u->tls ? 8 : 7, n->text.len);
    ptrdiff_t slash = str_find_char(rest, '/', 0);
    struct str place = slash < 0 ? rest : str_sub(rest, 0, (size_t)slash);
    struct str path = slash < 0 ? STR("") : str_sub(rest, (size_t)slash, rest.len);
    struct str host = place;

    u->port = u->tls ? 443 : 80;
    if (str_find_char(n->text, '?', 0) >= 0 || str_find_char(n->text, '#', 0) >= 0)
        return yaml_err(r->yaml, n, err, "an upstream's URL may have a path, but no '?' or '#'");
    if (str_find_char(place, '@', 0) >= 0) /* a password, not to be repeated in a message */
        return yaml_err(r->yaml, n, err, "an upstream's URL has no user and password: see its key");
    if (!conf_address_parse(place, &host, &u->port)) {
        bool has_brackets = place.len > 2 && place.ptr[0] == '[' && place.ptr[place.len - 1] == ']';
        host = has_brackets ? str_sub(place, 1, place.len - 2) : place;
        if (!host.len || (!has_brackets && str_find_char(place, ':', 0) >= 0))
            return yaml_err(r->yaml, n, err, "expected a URL (https://host/path), got '%.*s'",
                            STR_ARG(n->text));
    }
    if (!proxy_conf_is_plain(n->text) || u->port == 0)
        return yaml_err(r->yaml, n, err, "this URL has blanks, no ASCII, or port 0");
    while (str_ends_with(path, STR("/")))
        path.len--;
    u->host = arena_str(&r->c->arena, host);
    u->base_path = arena_str(&r->c->arena, path);
    u->authority = make_authority(r, u);
    return 0;
}

static void read_hosts(struct proxy_conf_reading *r, const struct yaml_node *n,
                       struct proxy_upstream *u)
{
    if (!n)
        return;
    const struct yaml_node *first = n->kind == YAML_LIST ? n->items : n;
    struct str *to = arena_alloc(&r->c->arena, (n->len + 1) * sizeof(*to));

    u->hosts = to;
    for (const struct yaml_node *i = first; i; i = n->kind == YAML_LIST ? i->next : NULL)
        to[u->host_count++] = arena_str(&r->c->arena, i->text);
}

/* Read here, so that a change of it is seen, and by those who may. */
static int read_pem(struct proxy_conf_reading *r, struct str path, const struct yaml_node *at,
                    struct str *ret, struct err *err)
{
    if (!path.len || !r->with_secrets)
        return 0;
    if (proxy_conf_file(r, path, at, ret, err) < 0)
        return -1;
    if (str_find(*ret, STR("CERTIFICATE-----"), 0) < 0)
        return yaml_err(r->yaml, at, err, "'%.*s' holds no certificate (PEM)", STR_ARG(path));
    return 0;
}

static int read_trust(struct proxy_conf_reading *r, const struct yaml_node *n,
                      struct proxy_upstream *u, struct err *err)
{
    const struct yaml_node *proxy_ca = yaml_get(n, "proxy_ca");

    u->ca_path = proxy_conf_path(r, n, "ca");
    u->proxy_ca_path = proxy_conf_path(r, n, "proxy_ca");
    if (proxy_ca && (u->no_proxy || str_istarts_with(u->proxy, STR("http://"))))
        return yaml_err(r->yaml, proxy_ca, err,
                        "proxy_ca is of a proxy that is spoken to in TLS: make its proxy "
                        "https://..., or leave this out");
    if (read_pem(r, u->ca_path, yaml_get(n, "ca"), &u->ca_pem, err) < 0)
        return -1;
    return read_pem(r, u->proxy_ca_path, proxy_ca, &u->proxy_ca_pem, err);
}

static int read_upstream(struct proxy_conf_reading *r, const struct yaml_node *n,
                         struct proxy_upstream *u, struct err *err)
{
    static const uint32_t connection_range[2] = { 1, 1000000 };
    const struct yaml_node *timeouts = yaml_get(n, "timeouts"), *url = yaml_get(n, "url");

    *u = (struct proxy_upstream){
        .name = arena_str(&r->c->arena, n->key->text),
        .api = proxy_conf_text(r, n, "api"),
        .arm = proxy_conf_text(r, n, "arm"),
        .proxy = proxy_conf_text(r, n, "proxy"),
        .connect_us = 10 * SECOND,
        .head_us = 600 * SECOND, /* as long as the providers' own clients wait */
        .idle_us = 300 * SECOND,
    };
    if (str_eq(u->proxy, STR("none"))) {
        u->proxy = STR("");
        u->no_proxy = true;
    }
    if (!url)
        return yaml_err(r->yaml, n, err, "upstream '%.*s' has no url", STR_ARG(u->name));
    if (str_find_char(u->name, '/', 0) >= 0 || !proxy_conf_is_plain(u->name))
        return yaml_err(r->yaml, n->key, err,
                        "the name of an upstream is a part of paths: letters, digits and "
                        "signs of ASCII but no '/'");
    set_duration(timeouts, "connect", &u->connect_us);
    set_duration(timeouts, "head", &u->head_us);
    set_duration(timeouts, "idle", &u->idle_us);
    read_hosts(r, yaml_get(n, "hosts"), u);
    if (set_count(r, n, "connections", connection_range, &u->connections, err) < 0 ||
        read_url(r, url, u, err) < 0 || read_trust(r, n, u, err) < 0)
        return -1;
    return proxy_conf_read_key(r, n, u, err);
}

/* A path "/NAME/..." must have one meaning. */
static int check_names(struct proxy_conf_reading *r, const struct yaml_node *upstreams,
                       struct err *err)
{
    const struct conf *conf = r->c->conf;

    for (const struct yaml_node *n = upstreams->items; n; n = n->next)
        for (size_t i = 0; i < conf->app_count; i++)
            if (str_eq(conf->apps[i].is.app, n->key->text))
                return yaml_err(r->yaml, n->key, err,
                                "'%.*s' is an app as well: a path that begins so would have two "
                                "meanings",
                                STR_ARG(n->key->text));
    return 0;
}

static int read_upstreams(struct proxy_conf_reading *r, const struct yaml_node *map,
                          struct err *err)
{
    struct proxy_conf *c = r->c;

    if (!map || !map->len)
        return yaml_err(r->yaml, map, err,
                        "no upstreams: add where calls go, such as upstreams: {openai: {url: "
                        "\"https://api.openai.com\", api: openai}}");
    c->upstreams = arena_alloc(&c->arena, map->len * sizeof(*c->upstreams));
    for (const struct yaml_node *n = map->items; n; n = n->next)
        if (read_upstream(r, n, &c->upstreams[c->upstream_count++], err) < 0)
            return -1;
    return check_names(r, map, err);
}

/* --- the rest --- */

#define TICKETS_US_MIN SECOND
#define TICKETS_US_MAX (7 * 24 * 3600 * SECOND) /* what RFC 8446 lets a ticket live */

/* Read here, so that what is served later is what was found good. */
static int read_tls(struct proxy_conf_reading *r, const struct yaml_node *tls, struct err *err)
{
    CLEANUP(tls_context_unref) struct tls_context *context = NULL;
    struct proxy_listen *l = &r->c->listen;
    struct err why;

    l->tls_cert = proxy_conf_path(r, tls, "cert");
    l->tls_key = proxy_conf_path(r, tls, "key");
    if (!tls)
        return 0;
    if (!l->tls_cert.len || !l->tls_key.len)
        return yaml_err(r->yaml, tls, err, "tls needs both: cert and key");
    set_duration(tls, "tickets", &l->tickets_us);
    if (l->tickets_us < TICKETS_US_MIN || l->tickets_us > TICKETS_US_MAX)
        return yaml_err(r->yaml, yaml_get(tls, "tickets"), err, "expected 1s to 7d");
    if (!r->with_secrets)
        return 0;
    if (proxy_conf_file(r, l->tls_cert, yaml_get(tls, "cert"), &l->cert_pem, err) < 0 ||
        proxy_conf_file(r, l->tls_key, yaml_get(tls, "key"), &l->key_pem, err) < 0)
        return -1;
    struct tls_options o = { .cert_path = l->tls_cert.ptr,
                             .key_path = l->tls_key.ptr,
                             .cert_pem = l->cert_pem,
                             .key_pem = l->key_pem };
    if (tls_context_load(&o, &context, &why) < 0)
        return yaml_err(r->yaml, tls, err, "%s", why.text);
    l->cert_not_after = tls_context_not_after(context);
    return 0;
}

static int read_listen(struct proxy_conf_reading *r, const struct yaml_node *map, struct err *err)
{
    static const uint32_t worker_range[2] = { 1, PROXY_WORKERS_MAX };
    struct proxy_listen *l = &r->c->listen;
    const struct yaml_node *address = map ? yaml_get(map, "address") : NULL;
    const struct yaml_node *tls = map ? yaml_get(map, "tls") : NULL;
    const struct yaml_node *plain = map ? yaml_get(map, "allow_plaintext") : NULL;
    bool allow_plaintext = plain && str_eq(plain->text, STR("true"));

    *l = (struct proxy_listen){ .grace_us = 30 * SECOND, .tickets_us = 12 * 3600 * SECOND };
    if (!address && !(map && yaml_get(map, "unix")))
        return yaml_err(r->yaml, map, err,
                        "nowhere to listen: add listen: {address: \"127.0.0.1:8700\"}");
    if (address)
        conf_address_parse(proxy_conf_text(r, map, "address"), &l->host, &l->port);
    if (map && yaml_get(map, "admin"))
        conf_address_parse(proxy_conf_text(r, map, "admin"), &l->admin_host, &l->admin_port);
    l->unix_path = proxy_conf_path(r, map, "unix");
    l->unix_group = proxy_conf_text(r, map, "unix_group");
    l->status_path = proxy_conf_path(r, map, "status");
    l->user = proxy_conf_text(r, map, "user");
    l->group = proxy_conf_text(r, map, "group");
    set_duration(map, "grace", &l->grace_us);
    if (address && !tls && !allow_plaintext && !proxy_host_is_loopback(l->host))
        return yaml_err(r->yaml, address, err,
                        "'%.*s' can be reached from other machines, so it needs tls (or "
                        "allow_plaintext: true)",
                        STR_ARG(address->text));
    if (l->group.len && !l->user.len)
        return yaml_err(r->yaml, yaml_get(map, "group"), err, "a group needs a user: add user");
    if (l->unix_group.len && !l->unix_path.len)
        return yaml_err(r->yaml, yaml_get(map, "unix_group"), err,
                        "a group of no socket: add unix");
    if (read_tls(r, tls, err) < 0)
        return -1;
    return set_count(r, map, "workers", worker_range, &l->workers, err);
}

static int read_limits(struct proxy_conf_reading *r, const struct yaml_node *map, struct err *err)
{
    static const uint32_t header_range[2] = { 1, 512 }, connection_range[2] = { 1, 1000000 },
                          stream_range[2] = { 1, 1000 };
    struct proxy_limits *l = &r->c->limits;
    uint64_t head_bytes = default_limits.head_bytes;

    *l = default_limits;
    set_size(map, "head", &head_bytes);
    if (head_bytes < 1024 || head_bytes > 1u << 19)
        return yaml_err(r->yaml, yaml_get(map, "head"), err, "expected 1KiB to 512KiB");
    l->head_bytes = (uint32_t)head_bytes;
    set_size(map, "body", &l->body_bytes);
    set_duration(map, "head_time", &l->head_us);
    set_duration(map, "body_time", &l->body_us);
    set_duration(map, "idle_time", &l->idle_us);
    set_duration(map, "send_time", &l->send_us);
    if (set_count(r, map, "headers", header_range, &l->headers, err) < 0 ||
        set_count(r, map, "streams", stream_range, &l->streams, err) < 0)
        return -1;
    return set_count(r, map, "connections", connection_range, &l->connections, err);
}

static int read_archive(struct proxy_conf_reading *r, const struct yaml_node *map, struct err *err)
{
    static const char *const durabilities[] = { "batch", "strict", "relaxed", NULL };
    static const enum journal_durability durability[] = { JOURNAL_BATCH, JOURNAL_STRICT,
                                                          JOURNAL_RELAXED };
    static const char *const pressures[] = { "block", "drop_bodies", "refuse", NULL };
    struct proxy_conf *c = r->c;
    const struct yaml_node *segment = map ? yaml_get(map, "segment") : NULL;

    c->segment_bytes = UINT64_C(256) << 20;
    c->segment_age_us = 900 * SECOND;
    set_size(segment, "bytes", &c->segment_bytes);
    set_duration(segment, "age", &c->segment_age_us);
    c->durability = durability[choice_of(map, "durability", durabilities)];
    c->pressure = (enum proxy_pressure)choice_of(map, "on_pressure", pressures);
    if (!c->conf->archive_path.len)
        return yaml_err(r->yaml, map, err, "nowhere to record: add archive: {path: ./archive}");
    if (c->segment_bytes < 1u << 16 || c->segment_age_us < SECOND)
        return yaml_err(r->yaml, segment, err, "a segment holds 64KiB at least, and 1s");
    return 0;
}

static int read_cutover(struct proxy_conf_reading *r, const struct yaml_node *map, struct err *err)
{
    r->c->cutover_path = proxy_conf_path(r, map, "file");
    if (map && !r->c->cutover_path.len)
        return yaml_err(r->yaml, map, err, "cutover needs a file: add file: ./cutover.yaml");
    return 0;
}

static int read_all(struct proxy_conf_reading *r, struct err *err)
{
    const struct yaml_node *root = yaml_root(r->yaml);

    if (!root)
        return yaml_err(r->yaml, NULL, err, "the configuration is empty");
    if (read_listen(r, yaml_get(root, "listen"), err) < 0 ||
        read_archive(r, yaml_get(root, "archive"), err) < 0 ||
        read_limits(r, yaml_get(root, "limits"), err) < 0)
        return -1;
    if (read_upstreams(r, yaml_get(root, "upstreams"), err) < 0)
        return -1;
    if (read_cutover(r, yaml_get(root, "cutover"), err) < 0)
        return -1;
    return proxy_conf_read_clients(r, root, err);
}

static void read_reload(struct proxy_conf *c, const struct yaml_node *map)
{
    const struct yaml_node *watch = map ? yaml_get(map, "watch") : NULL;

    c->watch = !watch || str_eq(watch->text, STR("true"));
}

/* All but c of r is set but for yaml. */
static int parse(struct proxy_conf_reading *r, struct str text, const char *name,
                 struct proxy_conf **ret, struct err *err)
{
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = mem_calloc(1, sizeof(*c));

    c->references = 1;
    if (conf_parse(text, name, r->folder, &c->conf, err) < 0)
        return -1;
    c->text = arena_str(&c->arena, text);
    r->c = c;
    r->yaml = c->conf->yaml;
    if (read_all(r, err) < 0 || proxy_policy_read(c, r->yaml, name, err) < 0)
        return -1;
    read_reload(c, yaml_get(yaml_root(r->yaml), "reload"));
    *ret = TAKE(c);
    return 0;
}

int proxy_conf_parse(struct str text, const char *name, const char *folder, bool with_secrets,
                     struct proxy_conf **ret, struct err *err)
{
    struct proxy_conf_reading r = { .folder = folder, .with_secrets = with_secrets };

    return parse(&r, text, name, ret, err);
}

static void add_folder(const char *path, struct buf *out)
{
    const char *slash = strrchr(path, '/');

    if (slash)
        buf_add(out, path, slash == path ? 1 : (size_t)(slash - path));
}

static int load(struct proxy_conf_reading *r, const char *path, struct proxy_conf **ret,
                struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(buf_release) struct buf folder = { 0 };

    if (file_read(path, CONF_BYTES_MAX, &text, err) < 0)
        return err_wrap(err, "configuration '%s'", path);
    add_folder(path, &folder);
    r->folder = buf_cstr(&folder);
    return parse(r, buf_str(&text), path, ret, err);
}

int proxy_conf_load(const char *path, bool with_secrets, struct proxy_conf **ret, struct err *err)
{
    struct proxy_conf_reading r = { .with_secrets = with_secrets };

    return load(&r, path, ret, err);
}

int proxy_conf_reload(const char *path, struct proxy_conf **ret, struct buf *ret_paths,
                      struct err *err)
{
    struct proxy_conf_reading r = { .with_secrets = true, .paths = ret_paths };

    return load(&r, path, ret, err);
}

/* --- from one process to another: the text, then path and bytes of each file, lengths first --- */

static void pack_part(struct str part, struct buf *out)
{
    uint8_t head[4];

    le32_put(head, (uint32_t)part.len); /* 16 MiB at most */
    buf_add(out, head, sizeof(head));
    buf_add_str(out, part);
}

static bool unpack_part(struct str *rest, struct str *ret)
{
    if (rest->len < 4)
        return false;
    uint32_t len = le32_get((const uint8_t *)rest->ptr);
    if (rest->len - 4 < len)
        return false;
    *ret = str_sub(*rest, 4, len);
    *rest = str_sub(*rest, 4 + (size_t)len, rest->len);
    return true;
}

void proxy_conf_pack(const struct proxy_conf *c, struct buf *out)
{
    size_t size = 4 + c->text.len;

    for (size_t i = 0; i < c->files.len; i++)
        size += 8 + c->files.ptr[i].path.len + c->files.ptr[i].bytes.len;
    buf_reserve(out, size); /* growing would leave copies of secrets behind */
    pack_part(c->text, out);
    for (size_t i = 0; i < c->files.len; i++) {
        pack_part(c->files.ptr[i].path, out);
        pack_part(c->files.ptr[i].bytes, out);
    }
}

int proxy_conf_unpack(struct str packed, const char *path, struct proxy_conf **ret, struct err *err)
{
    VEC(struct proxy_file) files = { 0 };
    CLEANUP(buf_release) struct buf folder = { 0 };
    struct proxy_conf_reading r = { .with_secrets = true };
    struct proxy_file file;
    struct str text;

    if (!unpack_part(&packed, &text))
        return err_set(err, ERR_CORRUPT, "a packed configuration is cut short");
    while (unpack_part(&packed, &file.path) && unpack_part(&packed, &file.bytes))
        vec_push(&files, file);
    add_folder(path, &folder);
    r.folder = buf_cstr(&folder);
    r.given = files.ptr;
    r.given_count = files.len;
    int result = parse(&r, text, path, ret, err);
    vec_release(&files);
    return result;
}

/* Keys in the configuration: the upstreams' own, and those that applications hold. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "base/timestamp.h"
#include "proxy/proxy_conf_read.h"

/* What carries the credential, by the upstream's api; anything else is a bearer token. */
static const struct {
    struct str api, header, prefix;
} key_headers[] = {
    {STR_INIT("anthropic"),     STR_INIT("x-api-key"),      STR_INIT("")},
    { STR_INIT("azure_openai"), STR_INIT("api-key"),        STR_INIT("")},
    { STR_INIT("gemini"),       STR_INIT("x-goog-api-key"), STR_INIT("")},
};

static int check_secret(struct proxy_conf_reading *r, const struct yaml_node *n, struct str value,
                        struct err *err)
{
    bool is_env = str_eq(n->key->text, STR("env"));

    if (value.len && proxy_conf_is_plain(value))
        return 0;
    return yaml_err(r->yaml, n, err, "'%.*s' %s", STR_ARG(n->text),
                    value.len ? "holds what no header can: blanks or control characters"
                    : is_env  ? "is not in the environment, or empty"
                              : "is empty");
}

/* {env: NAME} or {file: PATH}; empty unless secrets are read. */
static int read_secret(struct proxy_conf_reading *r, const struct yaml_node *key, struct str *ret,
                       struct err *err)
{
    const struct yaml_node *env = yaml_get(key, "env"), *file = yaml_get(key, "file");
    struct str value;

    *ret = STR("");
    if (!env == !file)
        return yaml_err(r->yaml, key, err, "a key is either {env: NAME} or {file: PATH}");
    if (!r->with_secrets)
        return 0;
    if (env)
        value = str_from(getenv(proxy_conf_text(r, key, "env").ptr));
    else if (proxy_conf_file(r, proxy_conf_path(r, key, "file"), file, &value, err) < 0)
        return -1;
    value = str_trim(value);
    if (check_secret(r, env ? env : file, value, err) < 0)
        return -1;
    *ret = proxy_conf_secret(r->c, value);
    return 0;
}

/* --- AWS --- */

static const struct {
    const char *key;
    struct str in_file; /* as the AWS tools have it in theirs */
    size_t offset;
    bool required;
} aws_parts[] = {
    {"access_key",     STR_INIT("aws_access_key_id"),     offsetof(struct proxy_aws, access_key),    true},
    { "secret_key",    STR_INIT("aws_secret_access_key"), offsetof(struct proxy_aws, secret_key),
     true                                                                                                },
    { "session_token", STR_INIT("aws_session_token"),     offsetof(struct proxy_aws, session_token),
     false                                                                                               },
};

static struct str *aws_part(struct proxy_aws *a, size_t index)
{
    return (struct str *)(void *)((char *)a + aws_parts[index].offset);
}

/* "name = value" of one line; false if it is something else. */
static bool split_setting(struct str line, struct str *ret_name, struct str *ret_value)
{
    ptrdiff_t equals = str_find_char(line, '=', 0);

    if (equals < 0 || line.ptr[0] == '#' || line.ptr[0] == ';')
        return false;
    *ret_name = str_trim(str_sub(line, 0, (size_t)equals));
    *ret_value = str_trim(str_sub(line, (size_t)equals + 1, line.len));
    return true;
}

/* A profile of a shared credentials file: "[name]", then "aws_access_key_id = ..." and so on. */
static bool read_profile(struct proxy_conf *c, struct str text, struct str profile,
                         struct proxy_aws *a)
{
    struct str rest = text, line, name, value;
    bool is_in = false, found = false;

    while (str_split(&rest, '\n', &line)) {
        line = str_trim(line);
        if (line.len > 1 && line.ptr[0] == '[' && line.ptr[line.len - 1] == ']') {
            is_in = str_eq(str_trim(str_sub(line, 1, line.len - 2)), profile);
            found |= is_in;
        } else if (is_in && line.len && split_setting(line, &name, &value)) {
            for (size_t i = 0; i < ARRAY_LEN(aws_parts); i++)
                if (str_ieq(name, aws_parts[i].in_file))
                    *aws_part(a, i) = proxy_conf_secret(c, value);
        }
    }
    return found;
}

static int read_aws_file(struct proxy_conf_reading *r, const struct yaml_node *aws,
                         struct proxy_aws *a, struct err *err)
{
    const struct yaml_node *file = yaml_get(aws, "file");
    struct str profile = proxy_conf_text(r, aws, "profile"), text;

    if (!r->with_secrets)
        return 0;
    if (proxy_conf_file(r, proxy_conf_path(r, aws, "file"), file, &text, err) < 0)
        return -1;
    if (!profile.len)
        profile = STR("default");
    if (!read_profile(r->c, text, profile, a))
        return yaml_err(r->yaml, file, err, "'%.*s' has no profile [%.*s]", STR_ARG(file->text),
                        STR_ARG(profile));
    for (size_t i = 0; i < ARRAY_LEN(aws_parts); i++) {
        struct str part = *aws_part(a, i);
        if ((aws_parts[i].required && !part.len) || !proxy_conf_is_plain(part))
            return yaml_err(r->yaml, file, err, "'%.*s' has no proper %s in [%.*s]",
                            STR_ARG(file->text), aws_parts[i].in_file.ptr, STR_ARG(profile));
    }
    return 0;
}

static int read_aws_parts(struct proxy_conf_reading *r, const struct yaml_node *aws,
                          struct proxy_aws *a, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(aws_parts); i++) {
        const struct yaml_node *part = yaml_get(aws, aws_parts[i].key);
        if (part && read_secret(r, part, aws_part(a, i), err) < 0)
            return -1;
        if (!part && aws_parts[i].required)
            return yaml_err(r->yaml, aws, err,
                            "aws needs access_key and secret_key, or the file that has both");
    }
    return 0;
}

/* The region in bedrock-runtime.REGION.amazonaws.com; empty if it is not such a host. */
static struct str region_of(struct str host)
{
    struct str rest = host, service, region;

    if (!str_split(&rest, '.', &service) || !str_split(&rest, '.', &region))
        return STR("");
    return str_starts_with(rest, STR("amazonaws.com")) || str_starts_with(rest, STR("api.aws"))
               ? region
               : STR("");
}

static int read_aws(struct proxy_conf_reading *r, const struct yaml_node *aws,
                    struct proxy_upstream *u, struct err *err)
{
    struct proxy_aws *a = arena_alloc(&r->c->arena, sizeof(*a));
    bool has_parts = yaml_get(aws, "access_key") || yaml_get(aws, "secret_key") ||
                     yaml_get(aws, "session_token");
    const struct yaml_node *file = yaml_get(aws, "file"), *profile = yaml_get(aws, "profile");

    a->region = proxy_conf_text(r, aws, "region");
    a->service = proxy_conf_text(r, aws, "service");
    if (!a->region.len)
        a->region = region_of(u->host);
    if (!a->service.len)
        a->service = STR("bedrock");
    if (!a->region.len)
        return yaml_err(r->yaml, aws, err, "which region to sign for? add region: us-east-1");
    if (file && has_parts)
        return yaml_err(r->yaml, file, err, "a file, or the parts by themselves, not both");
    if (profile && !file)
        return yaml_err(r->yaml, profile, err, "a profile of which file? add file: PATH");
    u->aws = a;
    return file ? read_aws_file(r, aws, a, err) : read_aws_parts(r, aws, a, err);
}

/* --- an upstream's key --- */

int proxy_conf_read_key(struct proxy_conf_reading *r, const struct yaml_node *upstream,
                        struct proxy_upstream *u, struct err *err)
{
    const struct yaml_node *key = yaml_get(upstream, "key"),
                           *aws = key ? yaml_get(key, "aws") : NULL;
    const struct yaml_node *header = yaml_get(upstream, "key_header");
    struct str prefix = STR("Bearer "), secret;
    CLEANUP(buf_release) struct buf value = { 0 };

    u->drops_key = key && str_eq(key->text, STR("none"));
    u->passes_key = key && str_eq(key->text, STR("pass"));
    if (header && (!key || u->drops_key || u->passes_key))
        return yaml_err(r->yaml, header, err,
                        "no key goes into it: add key: {env: NAME} or key: {file: PATH}");
    if (!key || u->drops_key || u->passes_key)
        return 0;
    u->has_key = true;
    u->key_header = STR("authorization");
    if (aws && (yaml_get(key, "env") || yaml_get(key, "file") || header))
        return yaml_err(r->yaml, key, err, "calls are signed for aws: no other key goes with it");
    if (aws)
        return read_aws(r, aws, u, err);
    for (size_t i = 0; i < ARRAY_LEN(key_headers); i++)
        if (str_eq(key_headers[i].api, u->api)) {
            u->key_header = key_headers[i].header;
            prefix = key_headers[i].prefix;
        }
    if (header) {
        u->key_header = proxy_conf_text(r, upstream, "key_header");
        prefix = str_ieq(u->key_header, STR("authorization")) ? STR("Bearer ") : STR("");
    }
    if (read_secret(r, key, &secret, err) < 0)
        return -1;
    buf_reserve(&value, prefix.len + secret.len); /* growing would leave a copy behind */
    buf_add_str(&value, prefix);
    buf_add_str(&value, secret);
    u->key_value = proxy_conf_secret(r->c, buf_str(&value));
    explicit_bzero(value.ptr, value.len);
    return 0;
}

bool proxy_upstream_may_have_key(const struct proxy_upstream *u, const struct proxy_upstream *asked)
{
    return u->passes_key ||
           (u->tls == asked->tls && u->port == asked->port && str_ieq(u->host, asked->host));
}

/* --- what applications hold --- */

static bool is_true(const struct yaml_node *n)
{
    return n && str_eq(n->text, STR("true"));
}

static int check_app(struct proxy_conf_reading *r, const struct yaml_node *app, struct err *err)
{
    const struct conf *conf = r->c->conf;
    struct nearest near;

    nearest_init(&near, app->text);
    for (size_t i = 0; i < conf->app_count; i++) {
        if (str_eq(conf->apps[i].is.app, app->text))
            return 0;
        nearest_offer(&near, conf->apps[i].is.app.ptr);
    }
    if (near.best)
        return yaml_err(r->yaml, app, err, "'%.*s' is not in apps: did you mean '%s'?",
                        STR_ARG(app->text), near.best);
    return yaml_err(r->yaml, app, err, "'%.*s' is not in apps: add it there first",
                    STR_ARG(app->text));
}

static int read_client_key(struct proxy_conf_reading *r, const struct yaml_node *n,
                           struct client_key *k, struct err *err)
{
    const struct yaml_node *hash = yaml_get(n, "hash"), *app = yaml_get(n, "app");
    const struct yaml_node *expires = yaml_get(n, "expires");

    *k = (struct client_key){ .id = arena_str(&r->c->arena, n->key->text),
                              .app = proxy_conf_text(r, n, "app"),
                              .role = proxy_conf_text(r, n, "role"),
                              .expires_us = INT64_MAX,
                              .revoked = is_true(yaml_get(n, "revoked")) };
    if (!hash)
        return yaml_err(r->yaml, n, err, "key '%.*s' has no hash: make one with weir proxy key",
                        STR_ARG(k->id));
    if (client_key_is_ours(hash->text)) /* not to be repeated in a message */
        return yaml_err(r->yaml, hash, err,
                        "this is the key itself, which must not lie here: make another with weir "
                        "proxy key, and put the hash that it prints in its place");
    if (client_key_parse_hash(hash->text, k->digest) < 0)
        return yaml_err(r->yaml, hash, err, "expected sha256: and 64 hexadecimal digits");
    if (expires && !timestamp_parse(expires->text, &k->expires_us))
        return yaml_err(r->yaml, expires, err, "expected a date such as 2027-01-01, got '%.*s'",
                        STR_ARG(expires->text));
    return app ? check_app(r, app, err) : 0;
}

static int read_client_keys(struct proxy_conf_reading *r, const struct yaml_node *map,
                            struct err *err)
{
    struct proxy_conf *c = r->c;
    struct client_key *keys = arena_alloc(&c->arena, (map->len + 1) * sizeof(*keys));
    const struct yaml_node *at = map->items;
    size_t count = 0, twice = 0;

    for (const struct yaml_node *n = map->items; n; n = n->next)
        if (read_client_key(r, n, &keys[count++], err) < 0)
            return -1;
    if (client_keys_index(&c->client_keys, keys, count, &twice) == 0)
        return 0;
    while (twice-- > 0)
        at = at->next;
    return yaml_err(r->yaml, at, err, "another key has this hash: each is for one holder");
}

int proxy_conf_read_clients(struct proxy_conf_reading *r, const struct yaml_node *root,
                            struct err *err)
{
    const struct yaml_node *clients = yaml_get(root, "clients"),
                           *upstreams = yaml_get(root, "upstreams");
    const struct yaml_node *keys = clients ? yaml_get(clients, "keys") : NULL;
    const struct yaml_node *all = clients ? yaml_get(clients, "required") : NULL;
    struct proxy_upstream *u = r->c->upstreams;

    if (keys && read_client_keys(r, keys, err) < 0)
        return -1;
    for (const struct yaml_node *n = upstreams->items; n; n = n->next, u++) {
        const struct yaml_node *own = yaml_get(n, "requires_key"), *says = own ? own : all;
        u->requires_key = says ? is_true(says) : r->c->client_keys.count > 0;
        if (u->requires_key && !r->c->client_keys.count)
            return yaml_err(r->yaml, says, err,
                            "a key is required, and there is none: add clients: {keys: {NAME: "
                            "{hash: ...}}} with what weir proxy key prints");
    }
    return 0;
}

/* proxy_conf_read - reading the configuration, between the files of proxy_conf. */
#ifndef PROXY_PROXY_CONF_READ_H
#define PROXY_PROXY_CONF_READ_H

#include "base/yaml.h"
#include "proxy/proxy_conf.h"

struct proxy_conf_reading {
    struct proxy_conf *c;
    const struct yaml *yaml;
    const char *folder;
    bool with_secrets;
    const struct proxy_file *given; /* files that were read already; NULL = none was */
    size_t given_count;
    struct buf *paths; /* of files, as they are read; NULL = nobody asks */
};

/* The value of a key, copied; "" without it.  map may be NULL. */
struct str proxy_conf_text(struct proxy_conf_reading *r, const struct yaml_node *map,
                           const char *key);
/* Likewise, relative to the configuration's folder. */
struct str proxy_conf_path(struct proxy_conf_reading *r, const struct yaml_node *map,
                           const char *key);
/* Whether text may stand in a request target or a header as it is. */
bool proxy_conf_is_plain(struct str text);
/* The bytes of the file that at names; kept in c->files and, as all secrets, overwritten when c
 * goes.  at is where an error points. */
int proxy_conf_file(struct proxy_conf_reading *r, struct str path, const struct yaml_node *at,
                    struct str *ret, struct err *err);
/* A copy that is overwritten when c goes. */
struct str proxy_conf_secret(struct proxy_conf *c, struct str bytes);

/* The key of an upstream, if it has one: what replaces the caller's, or what to sign with. */
int proxy_conf_read_key(struct proxy_conf_reading *r, const struct yaml_node *upstream,
                        struct proxy_upstream *u, struct err *err);
/* The section clients (may be NULL), and which upstreams want its keys: after the upstreams. */
int proxy_conf_read_clients(struct proxy_conf_reading *r, const struct yaml_node *root,
                            struct err *err);

#endif

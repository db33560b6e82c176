/* proxy_conf - what the proxy reads from the configuration: listen, upstreams, limits, archive.
 *
 * Made whole or not at all, and never changed afterwards: a reload makes another one, and calls
 * under way keep theirs by its count.
 */
#ifndef PROXY_PROXY_CONF_H
#define PROXY_PROXY_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "capture/conf.h"
#include "capture/journal.h"
#include "proxy/client_key.h"

#define PROXY_WORKERS_MAX 64

/* What calls to AWS are signed with. */
struct proxy_aws {
    struct str access_key, secret_key, session_token; /* the token may be empty */
    struct str region, service;
};

struct upstream_count;
struct proxy_upstream {
    struct str name, api, arm;
    struct str host, authority; /* authority is what Host says: with the port if not the usual */
    struct str base_path;       /* "" or "/v1", without a '/' at its end */
    uint16_t port;
    bool tls;
    struct str ca_path, proxy_ca_path; /* "" = the system's */
    struct str ca_pem, proxy_ca_pem;   /* what is in them */
    struct str proxy;                  /* URL; "" = from the environment, unless no_proxy */
    bool no_proxy;
    const struct str *hosts; /* globs over the Host header */
    size_t host_count;
    bool has_key;                     /* the caller's credential is replaced by this header: */
    struct str key_header, key_value; /* the value holds the secret: into no log, no record */
    bool drops_key;                   /* "none": the caller's credential goes no further */
    bool passes_key;                  /* "pass": also of calls that a cutover moved here */
    const struct proxy_aws *aws;      /* signed instead, as authorization; NULL = not */
    bool requires_key;                /* of clients */
    uint32_t connections;             /* 0 = the default */
    uint64_t connect_us, head_us, idle_us;
    struct upstream_count *count; /* of the worker that took the configuration, else NULL */
};

enum proxy_pressure { /* what happens while the journal cannot be written */
                      PROXY_BLOCK,
                      PROXY_DROP_BODIES,
                      PROXY_REFUSE,
};

struct proxy_limits {
    uint32_t head_bytes, headers, connections;
    uint32_t streams; /* of a connection in HTTP/2 */
    uint64_t body_bytes;
    uint64_t head_us, body_us, idle_us, send_us;
};

struct proxy_secret {
    char *ptr;
    size_t len;
};

struct proxy_listen {
    struct str host, admin_host; /* "" = none */
    uint16_t port, admin_port;
    struct str unix_path, status_path; /* "" = none */
    struct str unix_group;             /* may connect to unix_path as well; "" = none */
    struct str tls_cert, tls_key;      /* "" = plain */
    struct str cert_pem, key_pem;      /* what is in them */
    int64_t cert_not_after;            /* when it ends, in seconds since the epoch */
    uint64_t tickets_us;               /* between two keys of session tickets */
    struct str user, group;            /* to become; "" = to stay */
    uint32_t workers;                  /* 0 = one for each processor */
    uint64_t grace_us;
};

/* A file that the configuration points to, as it was when read. */
struct proxy_file {
    struct str path, bytes;
};

struct plan;
struct proxy_policy;

struct proxy_conf {
    struct str text;             /* the configuration itself */
    struct conf *conf;           /* owned: apps, attribution, archive path */
    struct plan *plan;           /* owned: the section policy; NULL = none */
    struct proxy_policy *policy; /* owned: made of it by proxy_policy_make */
    struct proxy_listen listen;
    struct proxy_limits limits;
    struct proxy_upstream *upstreams;
    size_t upstream_count;
    enum journal_durability durability;
    enum proxy_pressure pressure;
    uint64_t segment_bytes, segment_age_us;
    struct client_keys client_keys;
    struct str cutover_path; /* of the file that says who goes to the gateway; "" = none */
    bool watch;              /* reload when a file changes */
    VEC(struct proxy_file) files;
    VEC(struct proxy_secret) secrets; /* to be overwritten in the end */
    struct arena arena;
    unsigned references;
};

/* with_secrets: reads the upstreams' keys from the environment and from files, which must be there,
 * and the certificate with its key, which must fit.  Errors are ERR_USAGE with file:line:column.
 * The count begins at 1. */
int proxy_conf_load(const char *path, bool with_secrets, struct proxy_conf **ret, struct err *err);
/* Likewise with secrets, and tells which files it read or was to read, also if it fails: the path
 * of each, with a NUL behind. */
int proxy_conf_reload(const char *path, struct proxy_conf **ret, struct buf *ret_paths,
                      struct err *err);
/* name and folder as conf_parse's. */
int proxy_conf_parse(struct str text, const char *name, const char *folder, bool with_secrets,
                     struct proxy_conf **ret, struct err *err);
/* The text and the files, so that another process makes the same of them: from a process that read
 * them to those that serve.  Holds secrets. */
void proxy_conf_pack(const struct proxy_conf *c, struct buf *out);
/* path is what messages call the text; its folder is what the paths in it are relative to. */
int proxy_conf_unpack(struct str packed, const char *path, struct proxy_conf **ret,
                      struct err *err);
/* Whether what a caller sent as its credential for asked may reach u, where a cutover moves its
 * call: u says so, or is at the same place. */
bool proxy_upstream_may_have_key(const struct proxy_upstream *u,
                                 const struct proxy_upstream *asked);
struct proxy_conf *proxy_conf_ref(struct proxy_conf *c);
/* Frees it with the last reference; NULL is fine. */
void proxy_conf_unref(struct proxy_conf *c);
DEFINE_CLEANUP(struct proxy_conf, proxy_conf_unref)

/* By its name, or NULL. */
const struct proxy_upstream *proxy_conf_upstream(const struct proxy_conf *c, struct str name);
/* Whether only this machine can connect there. */
bool proxy_host_is_loopback(struct str host);

#endif

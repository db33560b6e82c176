/* drill_config - a gateway's configuration with its providers replaced by stand-ins.
 *
 * weir's own (a map with `upstreams`): each upstream keeps its path and all else, at the stand-in's
 * address; `listen` and `archive` are the drill's.  Any other text: placeholders are filled in,
 *
 *     {port}        the port that the gateway is to listen on
 *     {url:NAME}    http://127.0.0.1:PORT (or https) of the stand-in for NAME
 *     {port:NAME}   its port
 *     {ca}          the file of whom to trust, where stand-ins are spoken to in TLS
 *
 * In headers of requests, also {text}: the configuration so filled in, on one line.  A gateway such
 * as Portkey takes it with each request.
 */
#ifndef REPLAY_DRILL_CONFIG_H
#define REPLAY_DRILL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"

#define DRILL_PROVIDERS_MAX 64

struct drill_provider {
    struct str name;
    uint16_t port;    /* of its stand-in */
    bool has_no_name; /* its address has a name that does not resolve (RFC 6761) */
};

/* What a drill puts in the place of what a configuration says. */
struct drill_places {
    const struct drill_provider *providers;
    size_t provider_count;
    uint16_t port;       /* of the gateway */
    const char *archive; /* a folder of weir's own gateway; what it recorded */
    const char *ca;      /* the stand-ins speak TLS, and a certificate of this one has; or NULL */
    struct str text; /* the configuration filled in, on one line; NULL = {text} is no placeholder */
};

/* What must be known of a configuration before anything can be started. */
struct drill_config {
    bool is_weir;
    bool has_tls;                /* weir's own: its listener speaks TLS */
    VEC(struct str) upstreams;   /* weir's own: their names */
    VEC(struct str) environment; /* weir's own: variables that hold upstreams' keys */
    struct arena arena;
};

/* name is what messages call the text. */
int drill_config_read(struct str text, const char *name, struct drill_config *ret, struct err *err);
void drill_config_release(struct drill_config *c);
DEFINE_CLEANUP_VALUE(struct drill_config, drill_config_release)

/* ERR_USAGE for an upstream or placeholder that no provider stands for. */
int drill_config_write(struct str text, const char *name, bool is_weir,
                       const struct drill_places *places, struct buf *out, struct err *err);
/* The configuration as {text} has it: line ends are spaces, as in JSON they may be.  ERR_USAGE if a
 * header cannot carry it. */
int drill_config_line(struct str text, struct buf *out, struct err *err);
/* Fills placeholders in: also {config}, if it is not NULL. */
int drill_fill(struct str text, const struct drill_places *places, const char *config,
               struct buf *out, struct err *err);

#endif

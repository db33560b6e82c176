/* drill_gateway - the gateway that is tried, and the places of the stand-ins behind it.
 *
 * The gateway is a process of ours, weir's own proxy or a command; its configuration is a copy
 * beside the given one in which the stand-ins' addresses are (drill_config).  Whoever stands in for
 * a provider listens at the port of its place: another process (drill) or this one (passage).
 */
#ifndef REPLAY_DRILL_GATEWAY_H
#define REPLAY_DRILL_GATEWAY_H

#include "base/loop.h"
#include "base/mem.h"
#include "base/subprocess.h"
#include "replay/drill_config.h"
#include "replay/scenario.h"

#define DRILL_READY_US_DEFAULT (30 * INT64_C(1000000))

struct drill_gateway_options {
    const char *self;              /* weir */
    const char *command;           /* for sh -c, with placeholders; NULL = weir's own proxy */
    const char *config;            /* NULL = none */
    const char *const *providers;  /* names of stand-ins beside those of weir's configuration */
    const struct scenario *faults; /* which of their names do not resolve; NULL = all do */
    int64_t ready_us;              /* for it to take connections */
    int64_t tls_us; /* the stand-ins speak TLS, with a certificate made then (Unix time); 0 = not */
    bool is_direct; /* there is none: calls go to the first stand-in */
};

struct drill_gateway {
    struct drill_gateway_options options;
    struct drill_config config;
    struct buf config_text; /* as it is given; once rendered, as the gateway has it */
    VEC(struct drill_provider) providers;
    struct drill_places places;
    uint32_t ports_seen;
    char *folder, *rendered;
    VEC(char *) texts; /* that are ours */
    struct subprocess process;
};

/* Finds free ports and a fresh folder, and writes the configuration. */
int drill_gateway_open(const struct drill_gateway_options *o, struct drill_gateway *ret,
                       struct err *err);
/* What takes them away, for subprocess_options.afterwards of a process that uses them. */
struct drill_afterwards {
    const char *argv[6];
};
struct drill_afterwards drill_gateway_afterwards(const struct drill_gateway *g);
/* Where the stand-ins' certificate and its key are, if they speak TLS. */
#define DRILL_CERT "cert.pem"
#define DRILL_KEY  "key.pem"
/* Waits until it listens; ERR_USAGE with its last words if it does not come up.  loop: turned
 * meanwhile, for stand-ins that are served by it; NULL = none. */
int drill_gateway_start(struct drill_gateway *g, struct loop *loop, struct err *err);
/* Fills placeholders in, {text} among them, as headers of requests have them. */
int drill_gateway_fill(struct drill_gateway *g, struct str text, struct buf *out, struct err *err);
/* Ends it and takes the folder and the configuration away. */
void drill_gateway_release(struct drill_gateway *g);
DEFINE_CLEANUP_VALUE(struct drill_gateway, drill_gateway_release)

/* Where calls go to: the gateway's port, or the first stand-in's. */
uint16_t drill_gateway_port(const struct drill_gateway *g);
int drill_free_port(struct drill_gateway *g, uint16_t *ret, struct err *err);
/* A text that lives as long as it. */
const char *drill_textf(struct drill_gateway *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same wait for another process of a drill; output is where its words go. */
struct drill_waiting {
    struct subprocess *process;
    const char *what, *output;
    uint16_t port;
    int64_t patience_us;
    struct loop *loop;
};
int drill_wait_ready(const struct drill_waiting *w, struct err *err);

#endif

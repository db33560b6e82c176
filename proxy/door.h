/* door - whether a request may come in: the key of weir's that it shows, and whom that makes it.
 *
 * A key may come the way each provider's client sends its own: Authorization (Bearer, alone, or as
 * the access key id of an AWS signature), x-api-key, api-key, x-goog-api-key, ?key=; or as
 * x-weir-key, which leaves the others to the caller's own credential.  The first that begins like a
 * key of ours counts.  Such a key never goes on: see head_write_request.
 */
#ifndef PROXY_DOOR_H
#define PROXY_DOOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/http1.h"
#include "base/str.h"
#include "proxy/proxy_conf.h"
#include "proxy/reply.h"
#include "proxy/route.h"

struct door {
    const struct client_key *key; /* of the configuration; NULL = none known */
    struct str shown;             /* what was shown as one: a secret; "" = nothing was */
    bool shows_none;              /* none of the credentials in headers begins like one */
};

/* Whether the request may go to route's upstream; if not, why.  With a key that has an app, route
 * is that app's. */
bool door_admits(const struct proxy_conf *c, const struct http1_head *head, struct route *route,
                 int64_t now_us, struct door *ret, enum reply_kind *ret_why);

/* A header that has a key of ours in it. */
bool door_shows_key(const struct http1_header *h);
/* Copies path, without the credentials in its query: with all, or with keys of ours only. */
void door_copy_path(struct str path, bool all, struct buf *out);

#endif

/* route - which upstream a request is for, and what of its path that upstream sees.
 *
 * In this order, and only to upstreams of the configuration:
 *
 *     Host matches an upstream's hosts         the path goes on as it is
 *     /UPSTREAM/rest                           rest
 *     /APP/UPSTREAM/rest                       rest; the app is APP
 *     x-weir-app names an app with upstream    the path goes on as it is
 *
 * x-weir-app, where sent, is the app in any case.  A path with "." or ".." segments (escaped ones,
 * too) goes nowhere: it could leave an upstream's base path.
 */
#ifndef PROXY_ROUTE_H
#define PROXY_ROUTE_H

#include "base/str.h"
#include "proxy/proxy_conf.h"

struct route_request {
    struct str host;       /* as sent, may have a port */
    struct str path;       /* origin form, with the query */
    struct str app_header; /* x-weir-app, or empty */
};

enum route_result {
    ROUTE_OK,
    ROUTE_UNKNOWN,  /* to no upstream */
    ROUTE_BAD_PATH, /* dot segments */
    ROUTE_NO_PATH,  /* "*": the server itself is asked, and weir is none but for its upstreams */
};

struct route {
    const struct proxy_upstream *upstream; /* of the configuration */
    struct str app;                        /* "" = not said */
    struct str rest;                       /* begins with '/' or '?', or is empty */
};

enum route_result route_find(const struct proxy_conf *c, const struct route_request *in,
                             struct route *ret);

#endif

/* The proxy's part of a configuration over arbitrary bytes: read and routed by, or refused with a
 * place.  No secret is asked for, so no file is read. */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proxy/proxy_conf.h"
#include "proxy/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct route_request asked[] = {
    {STR_INIT("w"),                STR_INIT("/up/x"),       STR_INIT("")   },
    { STR_INIT("a.up.example:80"), STR_INIT("/app/up/x?y"), STR_INIT("app")},
    { STR_INIT(""),                STR_INIT("/x"),          STR_INIT("bot")},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = NULL;
    struct str text = { (const char *)data, size };
    struct err err = { 0 };
    struct route route;

    if (proxy_conf_parse(text, "f", "/d", false, &c, &err) < 0) {
        assert(strncmp(err.text, "f", 1) == 0);
        return 0;
    }
    assert(c->references == 1 && c->limits.head_bytes && c->limits.headers);
    for (size_t i = 0; i < c->upstream_count; i++)
        assert(c->upstreams[i].host.len && c->upstreams[i].port && c->upstreams[i].authority.len);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        if (route_find(c, &asked[i], &route) == ROUTE_OK)
            assert(route.upstream >= c->upstreams &&
                   route.upstream < c->upstreams + c->upstream_count);
    return 0;
}

#include "config.h"

#include "proxy/route.h"

#define APP_BYTES_MAX 128

static const struct conf_app *app_named(const struct proxy_conf *c, struct str name)
{
    for (size_t i = 0; name.len && i < c->conf->app_count; i++)
        if (str_eq(c->conf->apps[i].is.app, name))
            return &c->conf->apps[i];
    return NULL;
}

static struct str without_port(struct str host)
{
    for (size_t i = host.len; i-- > 0 && host.ptr[i] != ']';)
        if (host.ptr[i] == ':')
            return str_sub(host, 0, i);
    return host;
}

static const struct proxy_upstream *upstream_of_host(const struct proxy_conf *c, struct str host)
{
    char lower[256];

    host = without_port(host);
    if (!host.len || host.len > sizeof(lower))
        return NULL;
    for (size_t i = 0; i < host.len; i++) {
        char ch = host.ptr[i];
        lower[i] = (char)(ch >= 'A' && ch <= 'Z' ? ch + ('a' - 'A') : ch);
    }
    for (size_t i = 0; i < c->upstream_count; i++)
        for (size_t j = 0; j < c->upstreams[i].host_count; j++)
            if (str_glob(c->upstreams[i].hosts[j], (struct str){ lower, host.len }))
                return &c->upstreams[i];
    return NULL;
}

/* The first segment of "/a/b?q" is "a", and "/b?q" is left. */
static struct str take_segment(struct str *path)
{
    size_t end = 1;

    if (!path->len || path->ptr[0] != '/')
        return STR("");
    while (end < path->len && path->ptr[end] != '/' && path->ptr[end] != '?')
        end++;
    struct str segment = str_sub(*path, 1, end - 1);
    *path = str_sub(*path, end, path->len);
    return segment;
}

/* "." or "..", each dot as it is or as %2e; a backslash counts as '/', as some servers read it, and
 * what follows a ';' is for others no part of the segment. */
static bool is_dots(struct str segment)
{
    size_t dots = 0, at = 0;

    while (at < segment.len && segment.ptr[at] != ';' &&
           !str_istarts_with(str_sub(segment, at, 3), STR("%3b"))) {
        if (segment.ptr[at] == '.')
            at++;
        else if (str_istarts_with(str_sub(segment, at, 3), STR("%2e")))
            at += 3;
        else
            return false;
        dots++;
    }
    return dots == 1 || dots == 2;
}

static bool has_dots(struct str path)
{
    ptrdiff_t query = str_find_char(path, '?', 0);
    size_t start = 0;

    if (query >= 0)
        path = str_sub(path, 0, (size_t)query);
    if (str_find_char(path, '.', 0) < 0 && str_find_char(path, '%', 0) < 0)
        return false;
    for (size_t i = 0; i <= path.len; i++) {
        bool is_escaped = i < path.len && (str_istarts_with(str_sub(path, i, 3), STR("%2f")) ||
                                           str_istarts_with(str_sub(path, i, 3), STR("%5c")));
        if (i < path.len && path.ptr[i] != '/' && path.ptr[i] != '\\' && !is_escaped)
            continue;
        if (is_dots(str_sub(path, start, i - start)))
            return true;
        start = i + (is_escaped ? 3 : 1);
    }
    return false;
}

/* What may be recorded as an app's name though the configuration has none of that name. */
static bool is_app_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return name.len > 0 && name.len <= APP_BYTES_MAX;
}

/* /UPSTREAM/rest or /APP/UPSTREAM/rest. */
static bool find_by_path(const struct proxy_conf *c, struct str path, struct route *ret)
{
    struct str first = take_segment(&path);
    const struct proxy_upstream *u = proxy_conf_upstream(c, first);

    if (!u && is_app_name(first)) {
        u = proxy_conf_upstream(c, take_segment(&path));
        ret->app = first;
    }
    ret->upstream = u;
    ret->rest = path;
    return u != NULL;
}

enum route_result route_find(const struct proxy_conf *c, const struct route_request *in,
                             struct route *ret)
{
    *ret = (struct route){ .rest = in->path };
    if (!in->path.len || in->path.ptr[0] != '/')
        return ROUTE_NO_PATH;
    if (has_dots(in->path))
        return ROUTE_BAD_PATH;
    ret->upstream = upstream_of_host(c, in->host);
    if (!ret->upstream && !find_by_path(c, in->path, ret)) {
        const struct conf_app *app = app_named(c, in->app_header);
        *ret = (struct route){ .rest = in->path };
        if (app)
            ret->upstream = proxy_conf_upstream(c, app->upstream);
    }
    if (!ret->upstream)
        return ROUTE_UNKNOWN;
    if (is_app_name(in->app_header))
        ret->app = in->app_header;
    return ROUTE_OK;
}

#include "config.h"

#include "proxy/cutover_file.h"

#include <errno.h>
#include <stdlib.h>

#include "base/file.h"

int cutover_file_read(const struct proxy_conf *c, struct buf *ret, struct err *err)
{
    const char *path = c->cutover_path.ptr;
    size_t before = ret->len;
    struct err why = { 0 };

    if (!c->cutover_path.len)
        return 0;
    if (file_read(path, CUTOVER_BYTES_MAX, ret, &why) == 0)
        return ret->len > before ? 0 : err_set(err, ERR_CORRUPT, "%s:1:1: the file is empty", path);
    if (why.code == ERR_SYS && why.sys == ENOENT)
        return 0;
    *err = why;
    return err_wrap(err, "cutover '%s'", path);
}

static int refuse(const struct proxy_conf *c, const struct cutover_app *a, struct err *err,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static int refuse(const struct proxy_conf *c, const struct cutover_app *a, struct err *err,
                  const char *fmt, ...)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    va_list ap;

    va_start(ap, fmt);
    buf_addvf(&text, fmt, ap);
    va_end(ap);
    return err_set(err, ERR_USAGE, "%s:%u:%u: app '%.*s': %s", c->cutover_path.ptr, a->line,
                   a->column, STR_ARG(a->app), buf_cstr(&text));
}

static int check_entry(const struct proxy_conf *c, const struct cutover_app *a, struct err *err)
{
    const struct proxy_upstream *direct = proxy_conf_upstream(c, a->direct),
                                *gateway = proxy_conf_upstream(c, a->gateway);

    if (!direct || !gateway)
        return refuse(c, a, err,
                      "the configuration has no upstream '%.*s' (direct '%.*s', gateway "
                      "'%.*s')",
                      STR_ARG(direct ? a->gateway : a->direct), STR_ARG(a->direct),
                      STR_ARG(a->gateway));
    if (!str_eq(gateway->arm, STR("gateway")))
        return refuse(c, a, err, "upstream '%.*s' has no 'arm: gateway' in the configuration",
                      STR_ARG(a->gateway));
    if (!str_eq(direct->api, gateway->api))
        return refuse(c, a, err,
                      "'%.*s' speaks '%.*s' and '%.*s' speaks '%.*s': the api must be "
                      "the same",
                      STR_ARG(a->direct), STR_ARG(direct->api), STR_ARG(a->gateway),
                      STR_ARG(gateway->api));
    if (!gateway->has_key && !gateway->drops_key && !proxy_upstream_may_have_key(gateway, direct))
        return refuse(c, a, err,
                      "'%.*s' is another place than '%.*s' and has no key: give it a key of its "
                      "own, or say key: pass if callers' own credentials are to reach it, or key: "
                      "none if it needs none",
                      STR_ARG(a->gateway), STR_ARG(a->direct));
    if (gateway->requires_key && !direct->requires_key)
        return refuse(c, a, err,
                      "'%.*s' wants a key of clients and '%.*s' does not: calls without "
                      "one would fail",
                      STR_ARG(a->gateway), STR_ARG(a->direct));
    return 0;
}

int cutover_file_parse(struct str text, const struct proxy_conf *c, struct cutover **ret,
                       struct err *err)
{
    CLEANUP(cutover_free) struct cutover *cutover = NULL;

    *ret = NULL;
    if (!text.len)
        return 0;
    if (cutover_parse(text, c->cutover_path.ptr ? c->cutover_path.ptr : "cutover", &cutover, err) <
        0)
        return -1;
    for (size_t i = 0; i < cutover->app_count; i++)
        if (check_entry(c, &cutover->apps[i], err) < 0)
            return -1;
    *ret = TAKE(cutover);
    return 0;
}

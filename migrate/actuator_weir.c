/* weir's own proxy: the file of policy/cutover.h, which it follows, and what its workers say at
 * their status socket. */
#include "config.h"

#include "migrate/actuator_tools.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "policy/cutover.h"

#define STATUS_BYTES_MAX (16u << 20)

static bool is_text(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] < ' ' || s.ptr[i] == 0x7f)
            return false;
    return s.len > 0 && s.len <= ACTUATOR_NAME_BYTES;
}

static int admits(const struct actuator *a, const struct actuator_share *s, struct err *err)
{
    struct cutover_key key;

    if (!is_text(s->app) || !is_text(s->direct) || !is_text(s->gateway))
        return actuator_fail(a, err, ERR_USAGE,
                             "application '%.*s': names and upstreams are 1 to %d bytes, none a "
                             "control character",
                             STR_ARG(is_text(s->app) ? s->app : STR("")), ACTUATOR_NAME_BYTES);
    if (str_eq(s->direct, s->gateway))
        return actuator_fail(a, err, ERR_USAGE,
                             "application '%.*s': direct and gateway are both '%.*s'",
                             STR_ARG(s->app), STR_ARG(s->direct));
    if (!cutover_key_parse(s->key, &key))
        return actuator_fail(a, err, ERR_USAGE,
                             "application '%.*s': the proxy tells callers by header.NAME (in lower "
                             "case), end_user, metadata.NAME, key_id, client_address or request, "
                             "not by '%.*s'",
                             STR_ARG(s->app), STR_ARG(is_text(s->key) ? s->key : STR("")));
    if (s->share < 0 || s->share > CUTOVER_ALL)
        return actuator_fail(a, err, ERR_USAGE, "application '%.*s': %d hundredths of a percent",
                             STR_ARG(s->app), (int)s->share);
    return 0;
}

static int read_running(const struct actuator *a, const char *path, struct buf *ret, bool *ret_is,
                        struct err *err)
{
    CLEANUP(buf_release) struct buf answer = { 0 };
    CLEANUP(json_decref) json_t *doc = NULL;

    (void)a;
    if (actuator_ask(path, STR("status\n"), STATUS_BYTES_MAX, &answer, err) < 0 ||
        json_parse(buf_str(&answer), &doc, err) < 0)
        return -1;
    struct str marker = json_get_str(json_get(doc, "cutover"), "marker");
    if (!marker.ptr)
        return err_set(err, ERR_USAGE, "its proxy follows no cutover: add 'cutover: {file: ...}'");
    buf_add_str(ret, marker);
    *ret_is = true;
    return 0;
}

static int probe(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    struct err why;

    if (actuator_read_file(a, ret, err) < 0)
        return -1;
    if (read_running(a, actuator_path(a, "socket", &path), &ret->running, &ret->is_running, &why) <
        0)
        buf_add_text(&ret->running, why.text);
    return 0;
}

static int render(const struct actuator *a, const struct actuator_share *shares, size_t count,
                  uint64_t epoch, struct buf *ret, struct err *err)
{
    struct cutover_app *apps = mem_calloc(count ? count : 1, sizeof(*apps));
    char marker[ACTUATOR_MARKER_BYTES];
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++) {
        const struct actuator_share *s = &shares[i];
        r = admits(a, s, err);
        apps[i] = (struct cutover_app){
            .app = s->app, .direct = s->direct, .gateway = s->gateway, .share = s->share
        };
        cutover_key_parse(s->key, &apps[i].key);
        for (size_t k = i; k-- > 0 && r == 0 && str_eq(shares[k].app, s->app);)
            if (str_eq(shares[k].direct, s->direct))
                r = actuator_fail(a, err, ERR_USAGE, "application '%.*s' is there twice",
                                  STR_ARG(s->app));
    }
    if (r == 0 && count > CUTOVER_APPS_MAX)
        r = actuator_fail(a, err, ERR_LIMIT, "more than %d applications", CUTOVER_APPS_MAX);
    actuator_marker(shares, count, epoch, marker);
    if (r == 0)
        cutover_render(apps, count, epoch, str_from(marker), ret);
    free(apps);
    return r;
}

static int parse(const struct actuator *a, struct str bytes, struct arena *arena,
                 struct actuator_share **ret, size_t *ret_count, uint64_t *ret_epoch,
                 struct err *err)
{
    CLEANUP(cutover_free) struct cutover *c = NULL;
    CLEANUP(buf_release) struct buf key = { 0 };

    if (cutover_parse(bytes, "cutover", &c, err) < 0) {
        err->code = ERR_CORRUPT;
        return actuator_wrap(a, err);
    }
    struct actuator_share *shares =
        arena_alloc(arena, (c->app_count ? c->app_count : 1) * sizeof(*shares));
    for (size_t i = 0; i < c->app_count; i++) {
        const struct cutover_app *from = &c->apps[i];
        buf_clear(&key);
        cutover_key_add(from->key, &key);
        shares[i] = (struct actuator_share){
            .app = arena_str(arena, from->app),
            .direct = arena_str(arena, from->direct),
            .gateway = arena_str(arena, from->gateway),
            .key = arena_str(arena, buf_str(&key)),
            .share = from->share,
        };
    }
    *ret = shares;
    *ret_count = c->app_count;
    *ret_epoch = c->epoch;
    return 0;
}

/* Whether there is a proxy that could come to run it: waiting for one that is not there takes as
 * long as the plan allows, twice. */
static int expect_follower(const struct actuator *a, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 }, running = { 0 };
    bool is_running;

    if (read_running(a, actuator_path(a, "socket", &path), &running, &is_running, err) == 0)
        return 0;
    if (err->sys == ENOENT || err->sys == ECONNREFUSED)
        return actuator_fail(a, err, ERR_SYS,
                             "no proxy answers at '%s': start it, and let its 'listen: {status: "
                             "...}' and the plan name the same socket",
                             buf_cstr(&path));
    /* One that is busy may be quicker later. */
    return err->code == ERR_USAGE ? actuator_wrap(a, err) : 0;
}

/* The proxy reads it by the same function. */
static int check(const struct actuator *a, struct str bytes, const struct actuator_wait *wait,
                 struct err *err)
{
    CLEANUP(cutover_free) struct cutover *c = NULL;

    (void)wait;
    if (cutover_parse(bytes, "cutover", &c, err) < 0)
        return actuator_wrap(a, err);
    return expect_follower(a, err);
}

static int apply(const struct actuator *a, struct str bytes, bool is_there,
                 const struct actuator_wait *wait, struct err *err)
{
    (void)wait;
    return actuator_write_file(a, bytes, is_there, err);
}

static const char *const settings[] = { "!file", "!socket", "timeout", NULL };

const struct actuator_driver actuator_weir = {
    .name = "weir",
    .caps = {
        .resolution = 1,
        .is_sticky = true,
        .is_atomic = true,
        .is_stream_safe = true,
        .tells_running = true,
    },
    .settings = settings,
    .admits = admits,
    .probe = probe,
    .render = render,
    .parse = parse,
    .check = check,
    .apply = apply,
};

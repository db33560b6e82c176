/* nginx: a file with split_clients for its http{}, and its reload.
 *
 *     # app support-bot key header.x-session direct openai gateway litellm
 *     split_clients "support-bot:$http_x_session" $weir_split_support_bot { 5.00% litellm; *
 * openai; } map $http_x_session $weir_arm_support_bot { "" openai; default $weir_split_support_bot;
 * }
 *     ...
 *     map "" $weir_rev { default "e42-1b2c3d4e5f60"; }
 *
 * The gateway's arm comes first: thresholds add up in the order of the file, so a raised share
 * keeps whom it had.  nginx refuses 0%: then the arm is left out.  Calls without a key go directly,
 * as they would all have one hash, until the share is 100%.  `nginx -T` and -t read what is on
 * disk; what runs is asked at `status`, which returns $weir_rev.
 */
#include "config.h"

#include "migrate/actuator_tools.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define PREFIX           "weir"
#define STATUS_BYTES_MAX 4096

/* --- the file --- */

/* The variable that tells callers apart; false = none does. */
static bool add_key(struct str key, struct buf *out)
{
    struct str header;

    if (str_eq(key, STR("client_address"))) {
        buf_add_text(out, "$remote_addr");
        return true;
    }
    if (str_eq(key, STR("request"))) {
        buf_add_text(out, "$request_id");
        return true;
    }
    if (!actuator_header_key(key, &header))
        return false;
    buf_add_text(out, "$http_");
    for (size_t i = 0; i < header.len; i++)
        buf_add_byte(out, header.ptr[i] == '-' ? '_' : header.ptr[i]);
    return true;
}

static bool takes_key(struct str key)
{
    CLEANUP(buf_release) struct buf ignored = { 0 };

    return add_key(key, &ignored);
}

static const struct actuator_rules rules = {
    .app = "._-:/@+",
    .upstream = "._-:",
    .takes_key = takes_key,
    .keys = "header.NAME (lower-case letters, digits and '-'), client_address and request",
};

static struct str prefix_of(const struct actuator *a)
{
    struct str prefix = actuator_setting(a, "prefix");

    return prefix.len ? prefix : STR(PREFIX);
}

/* What a variable's name may hold of it; to nginx capitals are small letters there. */
static void name(const struct actuator *a, struct str app, struct buf *ret)
{
    (void)a;
    for (size_t i = 0; i < app.len; i++) {
        int c = (unsigned char)app.ptr[i];
        buf_add_byte(ret, (char)(isalnum(c) ? tolower(c) : '_'));
    }
}

static void add_app(const struct actuator *a, const struct actuator_share *s, struct str variable,
                    struct buf *out)
{
    CLEANUP(buf_release) struct buf key = { 0 };
    struct str prefix = prefix_of(a);

    add_key(s->key, &key);
    buf_addf(out, "split_clients \"%.*s:%.*s\" $%.*s_split_%.*s { ", STR_ARG(s->app),
             STR_ARG(buf_str(&key)), STR_ARG(prefix), STR_ARG(variable));
    if (s->share)
        buf_addf(out, "%" PRId32 ".%02" PRId32 "%% %.*s; ", s->share / 100, s->share % 100,
                 STR_ARG(s->gateway));
    buf_addf(out, "* %.*s; }\n", STR_ARG(s->direct));
    struct str keyless = s->share == 10000 ? s->gateway : s->direct;
    buf_addf(out, "map %.*s $%.*s_arm_%.*s { \"\" %.*s; default $%.*s_split_%.*s; }\n",
             STR_ARG(buf_str(&key)), STR_ARG(prefix), STR_ARG(variable), STR_ARG(keyless),
             STR_ARG(prefix), STR_ARG(variable));
}

static void add_end(const struct actuator *a, struct str marker, uint64_t epoch, struct buf *out)
{
    (void)epoch;
    buf_addf(out, "map \"\" $%.*s_rev { default \"%.*s\"; }\n", STR_ARG(prefix_of(a)),
             STR_ARG(marker));
}

/* Of "... { 5.00% litellm; * openai; }". */
static bool read_share(const struct actuator *a, struct str lines, struct actuator_share *s)
{
    struct str line, word;

    (void)a;
    if (!str_split(&lines, '\n', &line))
        return false;
    ptrdiff_t at = str_find(line, STR(" { "), 0);
    if (at < 0)
        return false;
    line = str_sub(line, (size_t)at + 3, SIZE_MAX);
    str_split(&line, ' ', &word);
    s->share = 0;
    return str_eq(word, STR("*")) || actuator_percent(word, &s->share);
}

static const struct actuator_form form = {
    .name = name,
    .app = add_app,
    .end = add_end,
    .share = read_share,
};

/* --- what runs --- */

static int ask_running(const struct actuator *a, struct buf *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf answer = { 0 };
    uint64_t epoch;

    if (actuator_get(actuator_setting(a, "status"), STATUS_BYTES_MAX, &answer, err) < 0)
        return -1;
    struct str marker = str_trim(buf_str(&answer));
    if (!marker.len || !actuator_is_marker(marker, &epoch))
        return err_set(err, ERR_SYS,
                       "'status' does not answer with the value of $%.*s_rev: see weir-actuator(5)",
                       STR_ARG(prefix_of(a)));
    buf_add_str(ret, marker);
    return 0;
}

static int probe(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    struct err why;

    if (actuator_read_file(a, ret, err) < 0)
        return -1;
    if (ask_running(a, &ret->running, &why) == 0)
        ret->is_running = true;
    else
        buf_add_text(&ret->running, why.text);
    return 0;
}

/* --- changing it --- */

static int test(const struct actuator *a, const struct actuator_wait *wait, struct err *err)
{
    return actuator_command(a, "test", "nginx -t -q", wait, err);
}

/* nginx tests what lies on its disk, so this is the present configuration: a reload with it broken
 * would fail whatever the bytes, which render has made of what nginx takes.  Before the first step
 * there may be no file that it could include. */
static int check(const struct actuator *a, struct str bytes, const struct actuator_wait *wait,
                 struct err *err)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(actuator_live_release) struct actuator_live now = { 0 };
    struct actuator_share *shares;
    uint64_t epoch;
    size_t count;

    if (actuator_form_read(a, bytes, &arena, &shares, &count, &epoch, err) < 0 ||
        actuator_read_file(a, &now, err) < 0)
        return -1;
    return now.is_there ? test(a, wait, err) : 0;
}

/* 1 that marker runs, 0 another one, -1 none of ours. */
static int runs(const struct actuator *a, struct str marker)
{
    CLEANUP(buf_release) struct buf running = { 0 };
    struct err ignored;

    return ask_running(a, &running, &ignored) < 0 ? -1 : str_eq(buf_str(&running), marker);
}

static int take_up(const struct actuator *a, const struct actuator_wait *wait, struct err *err)
{
    /* A bare SIGHUP tells nobody that the configuration is bad: -t does, and -s has a status. */
    if (test(a, wait, err) < 0)
        return -1;
    return actuator_command(a, "reload", "nginx -s reload", wait, err);
}

static int apply(const struct actuator *a, struct str bytes, bool is_there,
                 const struct actuator_wait *wait, struct err *err)
{
    CLEANUP(actuator_live_release) struct actuator_live before = { 0 };
    struct str marker = STR("");

    if (actuator_read_file(a, &before, err) < 0)
        return -1;
    bool is_same = before.is_there && str_eq(buf_str(&before.bytes), bytes);
    if (actuator_write_file(a, bytes, is_there, err) < 0)
        return -1;
    /* Each reload leaves workers behind for as long as their streams last: none without need. */
    if (is_there && is_same && actuator_form_marker(a, bytes, &marker) && runs(a, marker) == 1)
        return 0;
    if (take_up(a, wait, err) == 0)
        return 0;
    /* Without the file a configuration that includes it fails, and needs not be taken up unless
     * what the file said runs. */
    return !is_there && runs(a, marker) < 0 ? 0 : -1;
}

static int admits_settings(const struct actuator *a, struct err *err)
{
    struct str prefix = prefix_of(a);

    for (size_t i = 0; i < prefix.len; i++) {
        char c = prefix.ptr[i];
        if (c == '_' || (c >= 'a' && c <= 'z') || (i > 0 && c >= '0' && c <= '9'))
            continue;
        return actuator_fail(a, err, ERR_USAGE,
                             "setting 'prefix': expected lower-case letters, digits and '_', got "
                             "'%.*s'",
                             STR_ARG(str_sub(prefix, 0, 40)));
    }
    return 0;
}

static const char *const settings[] = { "!file",  "!status", "test", "reload",
                                        "prefix", "timeout", NULL };

const struct actuator_driver actuator_nginx = {
    .name = "nginx",
    .caps = {
        .resolution = 1,
        .is_sticky = true,
        .is_atomic = true,
        .needs_reload = true,
        .is_stream_safe = true,
        .tells_running = true,
    },
    .settings = settings,
    .admits_settings = admits_settings,
    .admits = actuator_admit,
    .rules = &rules,
    .form = &form,
    .probe = probe,
    .render = actuator_form_write,
    .parse = actuator_form_read,
    .check = check,
    .apply = apply,
};

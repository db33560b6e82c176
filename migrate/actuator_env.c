/* A file of environment variables, and a command that starts anew whom they are for:
 *
 *     # weir env 1 e42-1b2c3d4e5f60: written by weir migrate, see weir-actuator(5)
 *     # app support-bot key request direct https://api.openai.com/v1 gateway http://gw:4000/v1
 *     SUPPORT_BOT_BASE_URL=http://gw:4000/v1
 *     WEIR_CUTOVER=e42-1b2c3d4e5f60
 *
 * Values need no quotes in a shell, for systemd, or for Docker: what would is refused.
 */
#include "config.h"

#include "migrate/actuator_tools.h"

#include <ctype.h>
#include <string.h>

#define NAME_DEFAULT "{app}_BASE_URL"
#define REVISION     "WEIR_CUTOVER"

static bool takes_key(struct str key)
{
    (void)key; /* all go one way */
    return true;
}

static const struct actuator_rules rules = {
    .app = "._-",
    .upstream = "._-:/%@+,=",
    .takes_key = takes_key,
    .keys = "any, 'request' say",
};

static struct str pattern_of(const struct actuator *a)
{
    struct str pattern = actuator_setting(a, "variable");

    return pattern.len ? pattern : STR(NAME_DEFAULT);
}

static void add_upper(struct str app, struct buf *out)
{
    for (size_t i = 0; i < app.len; i++) {
        int c = (unsigned char)app.ptr[i];
        buf_add_byte(out, (char)(isalnum(c) ? toupper(c) : '_'));
    }
}

/* "{app}_BASE_URL" of "support-bot" is SUPPORT_BOT_BASE_URL. */
static void name(const struct actuator *a, struct str app, struct buf *ret)
{
    struct str pattern = pattern_of(a);
    ptrdiff_t at = str_find(pattern, STR("{app}"), 0);

    if (at < 0) {
        buf_add_str(ret, pattern);
        return;
    }
    buf_add_str(ret, str_sub(pattern, 0, (size_t)at));
    if (at == 0 && isdigit((unsigned char)app.ptr[0]))
        buf_add_byte(ret, '_');
    add_upper(app, ret);
    buf_add_str(ret, str_sub(pattern, (size_t)at + 5, SIZE_MAX));
}

static int admits(const struct actuator *a, const struct actuator_share *s, struct err *err)
{
    CLEANUP(buf_release) struct buf variable = { 0 };

    if (actuator_admit(a, s, err) < 0)
        return -1;
    name(a, s->app, &variable);
    if (str_eq(buf_str(&variable), STR(REVISION)))
        return actuator_fail(a, err, ERR_USAGE,
                             "application '%.*s': its variable would be " REVISION
                             ", which is the marker's: change the setting 'variable'",
                             STR_ARG(s->app));
    return 0;
}

static void add_app(const struct actuator *a, const struct actuator_share *s, struct str variable,
                    struct buf *out)
{
    struct str value = s->share ? s->gateway : s->direct;

    (void)a;
    buf_addf(out, "%.*s=%.*s\n", STR_ARG(variable), STR_ARG(value));
}

static void add_end(const struct actuator *a, struct str marker, uint64_t epoch, struct buf *out)
{
    (void)a, (void)epoch;
    buf_addf(out, REVISION "=%.*s\n", STR_ARG(marker));
}

static bool read_share(const struct actuator *a, struct str lines, struct actuator_share *s)
{
    struct str line, variable;

    (void)a;
    if (!str_split(&lines, '\n', &line) || !str_split(&line, '=', &variable))
        return false;
    s->share = str_eq(line, s->gateway) ? 10000 : 0;
    return true;
}

static const struct actuator_form form = {
    .name = name,
    .app = add_app,
    .end = add_end,
    .share = read_share,
};

/* What `verify` prints first is the value of WEIR_CUTOVER where the application runs. */
static int ask_running(const struct actuator *a, struct buf *ret, struct err *err)
{
    CLEANUP(actuator_outcome_release) struct actuator_outcome o = { 0 };
    struct actuator_program p = { .setting = "verify", .command = actuator_setting(a, "verify") };
    struct str line;

    if (actuator_run(a, &p, NULL, &o, err) < 0)
        return -1;
    if (o.status)
        return actuator_complain(a, "verify", &o, err);
    struct str rest = str_trim(buf_str(&o.output));
    if (!rest.len)
        return actuator_fail(a, err, ERR_SYS, "'verify' printed nothing: expected the value of %s",
                             REVISION);
    str_split(&rest, '\n', &line);
    line = str_trim(line);
    if (str_starts_with(line, STR(REVISION "=")))
        line = str_sub(line, strlen(REVISION "="), SIZE_MAX);
    buf_add_str(ret, str_sub(line, 0, ACTUATOR_NAME_BYTES));
    return 0;
}

static int probe(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    struct err why;

    if (actuator_read_file(a, ret, err) < 0)
        return -1;
    if (!actuator_setting(a, "verify").len)
        buf_add_text(&ret->running, "there is no command 'verify' to ask with");
    else if (ask_running(a, &ret->running, &why) == 0)
        ret->is_running = true;
    else
        buf_add_text(&ret->running, why.text);
    return 0;
}

static int apply(const struct actuator *a, struct str bytes, bool is_there,
                 const struct actuator_wait *wait, struct err *err)
{
    if (actuator_write_file(a, bytes, is_there, err) < 0)
        return -1;
    return actuator_command(a, "restart", "", wait, err);
}

/* Only names that a shell takes. */
static int admits_settings(const struct actuator *a, struct err *err)
{
    struct str pattern = pattern_of(a);
    ptrdiff_t at = str_find(pattern, STR("{app}"), 0);

    for (size_t i = 0; i < pattern.len; i++) {
        char c = pattern.ptr[i];
        if (at >= 0 && i >= (size_t)at && i < (size_t)at + 5)
            continue;
        if (c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            (i > 0 && c >= '0' && c <= '9'))
            continue;
        return actuator_fail(a, err, ERR_USAGE,
                             "setting 'variable': '%.*s' is no name of a variable: expected "
                             "OPENAI_BASE_URL, or {app}_BASE_URL",
                             STR_ARG(str_sub(pattern, 0, 60)));
    }
    return 0;
}

static void set_caps(const struct actuator *a, struct actuator_caps *caps)
{
    caps->tells_running = actuator_setting(a, "verify").len > 0;
}

static const char *const settings[] = {
    "!file", "!restart", "variable", "verify", "timeout", NULL
};

const struct actuator_driver actuator_env = {
    .name = "env",
    .caps = {
        .resolution = 10000,
        .is_sticky = true,
        .needs_reload = true,
    },
    .settings = settings,
    .set_caps = set_caps,
    .admits_settings = admits_settings,
    .admits = admits,
    .rules = &rules,
    .form = &form,
    .probe = probe,
    .render = actuator_form_write,
    .parse = actuator_form_read,
    .apply = apply,
};

#include "config.h"

#include "cli/command.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/json.h"
#include "cli/datadir.h"
#include "proxy/caution.h"
#include "proxy/cutover_file.h"
#include "proxy/proxy_conf.h"
#include "proxy/proxy_policy.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    {.kind = OPTION_FLAG,
     .name = "keys",
     .help = "also read the upstreams' keys and the certificate, which must be there"},
    { .kind = OPTION_FLAG,
     .name = "strict",
     .help = "exit with 3 if there is anything to be careful about"                  },
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

static const char *const kind_names[] = {
    [POLICY_RULE_ACCESS] = "access",
    [POLICY_RULE_LIMIT] = "limits",
    [POLICY_RULE_BUDGET] = "budgets",
    [POLICY_RULE_ROUTE] = "routes",
};

/* "policy: access 2 in enforce, budgets 1 in observe" */
static void add_policy_text(const struct policy *p, struct buf *out)
{
    int64_t rules[ARRAY_LEN(kind_names)][PLAN_MODE_UNSAID + 1] = { { 0 } };
    const char *before = "policy: ";

    for (uint32_t i = 0; i < policy_rule_count(p); i++)
        rules[policy_rule(p, i)->kind][policy_rule(p, i)->mode]++;
    for (size_t kind = 0; kind < ARRAY_LEN(kind_names); kind++)
        for (int mode = PLAN_MODE_ENFORCE; mode >= PLAN_MODE_OFF; mode--) {
            if (!rules[kind][mode])
                continue;
            buf_addf(out, "%s%s %" PRId64 " %s", before, kind_names[kind], rules[kind][mode],
                     mode == PLAN_MODE_OFF ? "off" : "in ");
            if (mode != PLAN_MODE_OFF)
                buf_add_text(out, plan_mode_names[mode]);
            before = ", ";
        }
    if (before[0] == ',')
        buf_add_byte(out, '\n');
}

static void add_policy_json(const struct policy *p, struct buf *out)
{
    json_add_key(out, "policy");
    buf_add_byte(out, '[');
    for (uint32_t i = 0; i < policy_rule_count(p); i++) {
        const struct policy_rule *r = policy_rule(p, i);
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "rule", r->id);
        json_add_str(out, "mode", str_from(plan_mode_names[r->mode]));
        json_add_int(out, "line", r->at.line);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

static void add_text(const struct proxy_conf *c, struct buf *out)
{
    if (c->listen.host.len)
        buf_addf(out, "listens on %.*s:%u%s\n", STR_ARG(c->listen.host), c->listen.port,
                 c->listen.tls_cert.len ? " (TLS)" : "");
    if (c->listen.unix_path.len)
        buf_addf(out, "listens on %.*s (Unix socket%s%.*s)\n", STR_ARG(c->listen.unix_path),
                 c->listen.unix_group.len ? ", group " : "", STR_ARG(c->listen.unix_group));
    if (c->listen.admin_host.len)
        buf_addf(out, "tells its health and metrics on %.*s:%u\n", STR_ARG(c->listen.admin_host),
                 c->listen.admin_port);
    if (c->listen.status_path.len)
        buf_addf(out, "tells its status on %.*s (Unix socket)\n", STR_ARG(c->listen.status_path));
    buf_addf(out, "records in %.*s\n", STR_ARG(c->conf->archive_path));
    for (size_t i = 0; i < c->upstream_count; i++) {
        const struct proxy_upstream *u = &c->upstreams[i];
        buf_addf(out, "/%.*s goes to %s://%.*s%.*s%s%s\n", STR_ARG(u->name),
                 u->tls ? "https" : "http", STR_ARG(u->authority), STR_ARG(u->base_path),
                 u->aws          ? ", signed for AWS"
                 : u->has_key    ? " with a key of its own"
                 : u->drops_key  ? " without a key"
                 : u->passes_key ? " with callers' keys, moved calls too"
                                 : "",
                 u->requires_key ? ", for holders of a key" : "");
    }
    for (size_t i = 0; i < c->conf->app_count; i++)
        if (c->conf->apps[i].upstream.len)
            buf_addf(out, "x-weir-app: %.*s goes to %.*s\n", STR_ARG(c->conf->apps[i].is.app),
                     STR_ARG(c->conf->apps[i].upstream));
    if (c->policy)
        add_policy_text(c->policy->policy, out);
}

/* What works but should not be left so: told as it is found, and as a list. */
struct cautions {
    const struct invocation *inv;
    size_t count;
    struct buf json;
};

static void take_caution(void *ctx, const char *text)
{
    struct cautions *c = ctx;

    buf_add_text(&c->json, c->count++ ? "," : "");
    json_add_string(&c->json, str_from(text));
    cli_note(c->inv, "caution: %s", text);
}

static void add_address(struct str host, unsigned port, const char *key, struct buf *out)
{
    CLEANUP(buf_release) struct buf address = { 0 };

    if (!host.len)
        return;
    buf_addf(&address, "%.*s:%u", STR_ARG(host), port);
    json_add_str(out, key, buf_str(&address));
}

static void add_json(const struct proxy_conf *c, const struct cautions *cautions, struct buf *out)
{
    buf_add_byte(out, '{');
    add_address(c->listen.host, c->listen.port, "listen", out);
    json_add_bool(out, "tls", c->listen.tls_cert.len != 0);
    if (c->listen.unix_path.len)
        json_add_str(out, "unix", c->listen.unix_path);
    if (c->listen.unix_group.len)
        json_add_str(out, "unix_group", c->listen.unix_group);
    add_address(c->listen.admin_host, c->listen.admin_port, "admin", out);
    if (c->listen.status_path.len)
        json_add_str(out, "status", c->listen.status_path);
    json_add_str(out, "archive", c->conf->archive_path);
    json_add_key(out, "upstreams");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < c->upstream_count; i++) {
        const struct proxy_upstream *u = &c->upstreams[i];
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "name", u->name);
        json_add_str(out, "scheme", str_from(u->tls ? "https" : "http"));
        json_add_str(out, "authority", u->authority);
        json_add_str(out, "path", u->base_path);
        json_add_bool(out, "own_key", u->has_key);
        if (u->drops_key || u->passes_key)
            json_add_str(out, "key", str_from(u->drops_key ? "none" : "pass"));
        json_add_bool(out, "requires_key", u->requires_key);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    if (c->policy)
        add_policy_json(c->policy->policy, out);
    json_add_key(out, "cautions");
    buf_addf(out, "[%.*s]}\n", STR_ARG(buf_str(&cautions->json)));
}

/* With a bad one weir does not start. */
static int check_cutover(const struct proxy_conf *c, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(cutover_free) struct cutover *cutover = NULL;

    if (cutover_file_read(c, &text, err) < 0)
        return -1;
    return cutover_file_parse(buf_str(&text), c, &cutover, err);
}

static int load(const struct invocation *inv, struct proxy_conf **ret, struct err *err)
{
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = NULL;
    char *prices = NULL;
    struct err missing;

    if (proxy_conf_load(invocation_operand(inv, 0), invocation_has(inv, "keys"), &c, err) < 0)
        return -1;
    if (datadir_path("prices", &prices, &missing) < 0)
        prices = NULL; /* only budgets ask for it, and say so */
    int r = proxy_policy_make(c, prices, err);
    free(prices);
    if (r < 0 || check_cutover(c, err) < 0)
        return -1;
    *ret = TAKE(c);
    return 0;
}

static int run(const struct invocation *inv)
{
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = NULL;
    CLEANUP(buf_release) struct buf out = { 0 };
    struct cautions cautions = { .inv = inv };
    struct err err;

    if (load(inv, &c, &err) < 0)
        return cli_fail(inv, &err);
    for (size_t i = 0; i < c->conf->unread_count; i++)
        if (!str_eq(c->conf->unread[i], STR("policy")))
            cli_note(inv, "section '%.*s' is not read by the proxy yet",
                     STR_ARG(c->conf->unread[i]));
    cautions_find(c, invocation_operand(inv, 0), take_caution, &cautions);
    if (cli_format(inv) == CLI_FORMAT_JSON)
        add_json(c, &cautions, &out);
    else
        add_text(c, &out);
    cli_out(buf_str(&out));
    buf_release(&cautions.json);
    return cautions.count && invocation_has(inv, "strict") ? EXIT_FINDINGS : EXIT_OK;
}

static const struct example examples[] = {
    {"weir proxy check proxy.yaml",                                  "what would be listened on, and where calls would go"},
    { "weir proxy check --strict --keys proxy.yaml || echo not yet", "before it goes live"                                },
    { NULL,                                                          NULL                                                 },
};

const struct command command_proxy_check = {
    .path = "proxy check",
    .summary = "check a configuration and show what the proxy makes of it",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .options = options,
    .description =
        "Reads the configuration FILE as weir proxy run would, and prints where it would listen "
        "and "
        "which path leads to which upstream. What is wrong is said with file, line and column, and "
        "how to put it right, also in the file of a cutover. Nothing is connected to and nothing "
        "is written. What works but "
        "should not be left so is a caution on standard error: secrets that others on the machine "
        "or on the way can read, listening in clear text beyond the machine, running as root, and "
        "a gateway to which no "
        "cutover can move calls because it has no key.",
    .examples = examples,
    .see_also = "weir-proxy-run(1), weir-config(5)",
    .run = run,
};

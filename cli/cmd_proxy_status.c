/* weir proxy status, weir proxy drain: a word to a running proxy. */
#include "config.h"

#include "cli/command.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/listener.h"
#include "proxy/proxy_conf.h"

#define ANSWER_BYTES_MAX (1u << 20)

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def status_options[] = { OPTION_FORMAT(formats), OPTIONS_END };
static const struct option_def drain_options[] = { OPTIONS_END };

static int read_answer(int fd, struct buf *ret, struct err *err)
{
    for (;;) {
        char *at = buf_reserve(ret, 4096);
        ssize_t n = read(fd, at, 4096);
        if (n < 0)
            return err_sys(err, "cannot read the proxy's answer");
        if (n == 0)
            return ret->len ? 0 : err_set(err, ERR_SYS, "the proxy gave no answer");
        ret->len += (size_t)n;
        if (ret->len > ANSWER_BYTES_MAX)
            return err_set(err, ERR_LIMIT, "the proxy's answer is too long");
    }
}

static int ask(const char *conf_path, struct str word, struct buf *ret, struct err *err)
{
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = NULL;
    int fd;

    if (proxy_conf_load(conf_path, false, &c, err) < 0)
        return -1;
    if (!c->listen.status_path.len)
        return err_set(err, ERR_USAGE,
                       "'%s' names no socket to ask at: add listen: {status: ./weir.sock}",
                       conf_path);
    if (listener_connect_unix(c->listen.status_path.ptr, &fd, err) < 0)
        return err_wrap(err, "is the proxy running?");
    int r = fd_write_all(fd, word, err);
    if (r == 0)
        r = read_answer(fd, ret, err);
    close(fd);
    return r;
}

static void add_value(const json_t *value, struct buf *out)
{
    if (json_is_string(value))
        buf_add_text(out, json_string_value(value));
    else if (json_is_real(value))
        buf_addf(out, "%.6f", json_real_value(value));
    else
        buf_addf(out, "%" PRId64, (int64_t)json_integer_value(value));
}

/* Targets and budgets, each a line: "targets    upstream a, model gpt-4o, health in use". */
static void add_rows(const char *name, json_t *rows, struct buf *out)
{
    size_t index;
    json_t *row, *value;
    const char *key;

    json_array_foreach(rows, index, row)
    {
        const char *before = "";
        buf_addf(out, "%-38s ", name);
        json_object_foreach(row, key, value)
        {
            if (json_is_string(value) && !json_string_length(value))
                continue;
            buf_addf(out, "%s%s ", before, key);
            add_value(value, out);
            before = ", ";
        }
        buf_add_byte(out, '\n');
    }
}

/* Each member a line; those of a member that is an object itself with its name before theirs. */
static void add_text(const char *within, const json_t *answer, struct buf *out)
{
    CLEANUP(buf_release) struct buf name = { 0 };
    const char *key;
    json_t *value;
    union {
        const json_t *in;
        json_t *out;
    } object = { .in = answer }; /* Jansson's iteration takes no const */

    json_object_foreach(object.out, key, value)
    {
        buf_clear(&name);
        buf_addf(&name, "%s%s%s", within, *within ? "_" : "", key);
        if (json_is_array(value)) {
            add_rows(buf_cstr(&name), value, out);
            continue;
        }
        if (json_is_object(value)) { /* as deep as the proxy makes it: once */
            add_text(buf_cstr(&name), value, out);
            continue;
        }
        buf_addf(out, "%-38s ", buf_cstr(&name));
        add_value(value, out);
        buf_add_byte(out, '\n');
    }
}

static int show(const struct invocation *inv, struct str word)
{
    CLEANUP(buf_release) struct buf answer = { 0 }, out = { 0 };
    CLEANUP(json_decref) json_t *doc = NULL;
    struct err err;

    if (ask(invocation_operand(inv, 0), word, &answer, &err) < 0 ||
        json_parse(buf_str(&answer), &doc, &err) < 0)
        return cli_fail(inv, &err);
    add_text("", doc, &out);
    cli_out(buf_str(&out));
    return EXIT_OK;
}

static int run_status(const struct invocation *inv)
{
    CLEANUP(buf_release) struct buf answer = { 0 };
    struct err err;

    if (cli_format(inv) != CLI_FORMAT_JSON)
        return show(inv, STR("status\n"));
    if (ask(invocation_operand(inv, 0), STR("status\n"), &answer, &err) < 0)
        return cli_fail(inv, &err);
    cli_out(buf_str(&answer));
    return EXIT_OK;
}

static int run_drain(const struct invocation *inv)
{
    return show(inv, STR("drain\n"));
}

static const struct example status_examples[] = {
    {"weir proxy status proxy.yaml || echo it is not running", "ask how it is"},
    { NULL,                                                    NULL           },
};
static const struct example drain_examples[] = {
    {"weir proxy drain proxy.yaml || echo it is not running", "let it stop in order"},
    { NULL,                                                   NULL                  },
};

const struct command command_proxy_status = {
    .path = "proxy status",
    .summary = "what a running proxy is doing",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .options = status_options,
    .description =
        "Asks the proxy that runs with the configuration FILE, at the socket listen.status, "
        "and prints its state and the sums of its workers' counters, which are those of "
        "/metrics. With a policy, also each target of its routes: whether it is in use, out (and "
        "until when), being tried again or slow; and what each budget has spent. With a cutover "
        "(weir-cutover(5)), its marker and epoch, of each worker and of all: the marker is mixed "
        "while they differ, and empty while nobody is moved.",
    .examples = status_examples,
    .see_also = "weir-proxy-run(1), weir-proxy-drain(1)",
    .run = run_status,
};

const struct command command_proxy_drain = {
    .path = "proxy drain",
    .summary = "let a running proxy end its calls and stop",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .options = drain_options,
    .description = "Tells the proxy that runs with the configuration FILE, at the socket "
                   "listen.status, to take no more connections and to end when all calls have "
                   "ended or listen.grace is over. Prints its status and does not wait.",
    .examples = drain_examples,
    .see_also = "weir-proxy-run(1), weir-proxy-status(1)",
    .run = run_drain,
};

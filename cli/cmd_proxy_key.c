#include "config.h"

#include "cli/command.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "proxy/client_key.h"

static const char *const formats[] = { "text", "json", NULL };

static const struct option_def options[] = {
    OPTION(VALUE, .name = "app", .value = "APP", .help = "the app whose calls the key makes"),
    OPTION(VALUE, .name = "expires", .value = "TIME", .help = "when it ends, such as 2027-01-01"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

/* What may stand in the line as it is. */
static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return s.len > 0 && s.len <= 128;
}

static void add_json(const struct invocation *inv, struct str key, struct str hash, struct buf *out)
{
    static const char *const said[] = { "app", "expires" };

    buf_add_byte(out, '{');
    json_add_str(out, "name", str_from(invocation_operand(inv, 0)));
    json_add_str(out, "key", key);
    json_add_str(out, "hash", hash);
    for (size_t i = 0; i < ARRAY_LEN(said); i++)
        if (invocation_has(inv, said[i]))
            json_add_str(out, said[i], str_from(invocation_get(inv, said[i])));
    buf_add_text(out, "}\n");
}

/* "NAME: {hash: "sha256:...", app: APP, expires: TIME}". */
static void add_line(struct str name, struct str hash, const char *app, const char *expires,
                     struct buf *out)
{
    buf_addf(out, "%.*s: {hash: \"%.*s\"", STR_ARG(name), STR_ARG(hash));
    if (app)
        buf_addf(out, ", app: %s", app);
    if (expires)
        buf_addf(out, ", expires: \"%s\"", expires);
    buf_add_text(out, "}\n");
}

static int run(const struct invocation *inv)
{
    struct str name = str_from(invocation_operand(inv, 0));
    const char *app = invocation_get(inv, "app"), *expires = invocation_get(inv, "expires");
    CLEANUP(buf_release) struct buf hash = { 0 }, out = { 0 };
    char key[CLIENT_KEY_TEXT_BYTES];
    int64_t expires_us;

    if (!is_word(name))
        return cli_usage(inv, "the name '%.*s' is not made of letters, digits, '-', '_' and '.'",
                         STR_ARG(name));
    if (app && !is_word(str_from(app)))
        return cli_usage(inv, "--app '%s' is not made of letters, digits, '-', '_' and '.'", app);
    if (expires && !timestamp_parse(str_from(expires), &expires_us))
        return cli_usage(inv, "--expires '%s' is not a date such as 2027-01-01", expires);
    if (expires && expires_us <= clock_now_us())
        return cli_usage(inv, "--expires '%s' is past: nobody could use the key", expires);
    client_key_make(key);
    client_key_hash(str_from(key), &hash);
    buf_reserve(&out, 1024); /* growing would leave a copy of the key behind */
    if (cli_format(inv) == CLI_FORMAT_JSON) {
        add_json(inv, str_from(key), buf_str(&hash), &out);
    } else {
        buf_addf(&out, "%s\n", key);
        add_line(name, buf_str(&hash), app, expires, &out);
    }
    cli_out(buf_str(&out));
    explicit_bzero(key, sizeof(key));
    explicit_bzero(out.ptr, out.len);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir proxy key support-bot-1 --app support-bot",
     "a key for the first of the bot's servers"            },
    { NULL,                                            NULL},
};

const struct command command_proxy_key = {
    .path = "proxy key",
    .summary = "make a key for an application to hold instead of the provider's",
    .operands = "NAME",
    .operands_min = 1,
    .operands_max = 1,
    .options = options,
    .description =
        "Prints a new key, and below it the line for clients.keys of the configuration:\n"
        "\n"
        "  weir_5f0c...\n"
        "  support-bot-1: {hash: \"sha256:9d1e...\", app: support-bot}\n"
        "\n"
        "The key is for the application, which sends it as it would send the provider's: weir "
        "puts the upstream's own key in its place. It is printed this once and kept nowhere; the "
        "configuration has its SHA-256 only, from which it cannot be had back. NAME is what the "
        "key is called in the configuration and in logs.",
    .examples = examples,
    .see_also = "weir-proxy-run(1), weir-config(5)",
    .run = run,
};

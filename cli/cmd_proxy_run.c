#include "config.h"

#include "cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/datadir.h"
#include "proxy/parent.h"

#define CREATED_BY "weir " PACKAGE_VERSION

static const char *const levels[] = { "debug", "info", "warn", "error", NULL };

static const struct option_def options[] = {
    {.kind = OPTION_VALUE,
     .name = "workers",
     .letter = 'w',
     .value = "N",
     .help = "processes that carry traffic, instead of what the configuration says"},
    { .kind = OPTION_VALUE,
     .name = "log",
     .letter = 'l',
     .value = "LEVEL",
     .help = "what to log on stderr: this and what is more important (info)",
     .choices = levels },
    OPTIONS_END,
};

/* One write for one line: those of several processes do not mix. */
static void write_line(void *ctx, struct str line)
{
    (void)ctx;
    while (line.len) {
        ssize_t n = write(STDERR_FILENO, line.ptr, line.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody reads the log: the traffic goes on */
        line = str_sub(line, (size_t)n, line.len);
    }
}

static void leave(int code)
{
    _exit(code);
}

static int run(const struct invocation *inv)
{
    const char *workers = invocation_get(inv, "workers"), *level = invocation_get(inv, "log");
    struct parent_options o = {
        .conf_path = invocation_operand(inv, 0),
        .log = {.write = write_line, .least = LOG_LEVEL_INFO, .worker = -1},
        .leave = leave,
        .created_by = CREATED_BY
    };
    int64_t count = 0;
    char *prices = NULL;
    struct err err, missing;

    if (workers && (!str_to_i64(str_from(workers), &count) || count < 1 || count > 64))
        return cli_usage(inv, "--workers '%s' is not a number from 1 to 64", workers);
    o.workers = (unsigned)count;
    for (unsigned i = 0; level && levels[i]; i++)
        if (str_eq(str_from(level), str_from(levels[i])))
            o.log.least = (enum log_level)i;
    if (datadir_path("prices", &prices, &missing) == 0)
        o.prices = prices; /* else only budgets ask for it, and say so */
    int r = parent_run(&o, &err);
    free(prices);
    return r < 0 ? cli_fail(inv, &err) : EXIT_OK;
}

static const struct example examples[] = {
    {"weir proxy check proxy.yaml", "is the configuration fit to run with?"},
    { NULL,                         NULL                                   },
};

const struct command command_proxy_run = {
    .path = "proxy run",
    .summary = "carry calls to providers and record them",
    .operands = "FILE",
    .operands_min = 1,
    .operands_max = 1,
    .options = options,
    .description =
        "Listens where the configuration FILE says, passes each call on to the upstream that its "
        "path names, and records it in the archive. An application changes its base URL and "
        "nothing else:\n"
        "\n"
        "  http://127.0.0.1:8700/support-bot/openai/v1\n"
        "\n"
        "is app support-bot calling upstream openai. Calls reach upstreams by /APP/UPSTREAM/..., "
        "by /UPSTREAM/..., by the Host header (hosts of an upstream), or by the header x-weir-app "
        "(upstream of an app); nothing but the configured upstreams can be reached.\n"
        "\n"
        "Requests and answers pass byte for byte, in the moment they arrive, but for headers that "
        "belong to one connection, Host, Expect, x-weir-* headers, the credential where the "
        "upstream has a key, and accept-encoding, which is cut to what can be decoded again. "
        "Keys of weir's own (clients.keys) go no further, nor does the caller's ?key= where the "
        "upstream has a key. For Bedrock with key.aws each call is signed anew. "
        "traceparent is added where it is missing or not valid (tracestate is left out then), "
        "x-weir-exchange-id always: it is the id of the record. Credentials are replaced by "
        "fingerprints before anything is written.\n"
        "\n"
        "Answers that weir gives itself have the header x-weir-error and a JSON body like the "
        "provider's: 401 without a good key where one is needed, 403 for a key of another "
        "application, 404 for a path of no upstream, 502 and 504 for an upstream that cannot be "
        "reached or does not answer, 408, 413 and 431 for requests beyond the limits, 503 when "
        "the call could not be recorded. What the policy refuses is 403 (access), 429 (a limit, a "
        "budget) or 503 (no target is in use), in the provider's own words.\n"
        "\n"
        "archive.durability says what a crash can cost: with batch the last 50 ms if weir dies, "
        "and "
        "two syncs of the disk more if the machine does; with strict nothing that a client has "
        "received in full; with relaxed 50 ms, or what the kernel had not written. Journals that "
        "are full or old are sealed by a process of their own.\n"
        "\n"
        "SIGTERM and SIGINT take no more connections and end when all calls have ended, or after "
        "listen.grace; a second one ends at once. SIGHUP reads FILE again, and so does a change of "
        "it, or of a key or certificate it points to (reload.watch); if something is wrong with "
        "it, the log says where, and all stays as it was. Connections keep the certificate they "
        "began with; new ones get the new one. The log goes to stderr, one line an event; "
        "it never has a body, a header's value or a query.\n"
        "\n"
        "Started as root, weir becomes listen.user once the ports are open. It leaves no core "
        "file, "
        "which would hold keys.\n"
        "\n"
        "A client that ends its half of a connection in the middle of a call has given up, and "
        "the upstream is stopped, unless its request said \"Connection: close\".",
    .examples = examples,
    .see_also = "weir-proxy-check(1), weir-proxy-status(1), weir-config(5), weir-archive(5)",
    .run = run,
};

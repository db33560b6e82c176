#include "config.h"

#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "replay/scratch.h"
#include "replay/server.h"

static const char *const unmatched[] = { "404", "synth", NULL };

static const struct option_def options[] = {
    {.kind = OPTION_LIST,
     .name = "exchanges",
     .letter = 'e',
     .value = "FILE",
     .help = "serve the exchanges of this file (weir-exchanges(5)) as well",
     .is_path = true },
    { .kind = OPTION_VALUE,
     .name = "listen",
     .letter = 'l',
     .value = "ADDRESS",
     .help = "HOST:PORT to listen on; port 0 is a free one (127.0.0.1:0)"                                                    },
    { .kind = OPTION_VALUE,
     .name = "speed",
     .letter = 's',
     .value = "N|max",
     .help = "how many times as fast as recorded; max does not wait at all (1)"                                                      },
    { .kind = OPTION_VALUE,
     .name = "unmatched",
     .letter = 'u',
     .value = "HOW",
     .help = "what a request gets that nothing recorded fits: 404, or a made-up answer (404)",
     .choices = unmatched },
    { .kind = OPTION_VALUE,
     .name = "tls-cert",
     .value = "FILE",
     .help = "speak TLS with this certificate (PEM)",
     .is_path = true                                                       },
    { .kind = OPTION_VALUE,
     .name = "tls-key",
     .value = "FILE",
     .help = "the key of the certificate (PEM)",
     .is_path = true                                                       },
    OPTIONS_END,
};

struct serving {
    const struct invocation *inv;
    struct loop *loop;
    struct library *library;
    struct scratch *scratch;
    struct server *server;
    struct loop_io signals;
};

static void serving_release(struct serving *s)
{
    server_close(s->server);
    if (s->signals.fd >= 0) {
        loop_io_remove(s->loop, &s->signals);
        close(s->signals.fd);
    }
    loop_close(s->loop);
    library_free(s->library);
    scratch_close(s->scratch);
}
DEFINE_CLEANUP_VALUE(struct serving, serving_release)

/* "2", "0.5", "max" in thousandths. */
static int parse_speed(const char *text, unsigned *ret, struct err *err)
{
    char *end = NULL;

    *ret = PLAY_SPEED_RECORDED;
    if (!text)
        return 0;
    *ret = PLAY_SPEED_MAX;
    if (strcmp(text, "max") == 0)
        return 0;
    double speed = strtod(text, &end);
    if (*end || !(speed >= 0.001 && speed <= 1000000))
        return err_set(err, ERR_USAGE,
                       "--speed '%s' is neither a number from 0.001 to 1000000 nor max", text);
    *ret = (unsigned)(speed * PLAY_SPEED_RECORDED + 0.5);
    return 0;
}

static int listen_at(const struct serving *s, int *ret_fd, struct err *err)
{
    const char *given = invocation_get(s->inv, "listen");
    struct str address = str_from(given ? given : "127.0.0.1:0"), host = address;
    ptrdiff_t colon = -1;
    int64_t port;

    for (size_t i = 0; i < address.len; i++)
        if (address.ptr[i] == ':')
            colon = (ptrdiff_t)i;
    if (colon < 1 || !str_to_i64(str_sub(address, (size_t)colon + 1, SIZE_MAX), &port) ||
        port < 0 || port > 65535)
        return err_set(err, ERR_USAGE, "--listen '%.*s' is not HOST:PORT", STR_ARG(address));
    host.len = (size_t)colon;
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_sub(host, 1, host.len - 2); /* IPv6 */
    return listener_open(host, (uint16_t)port, false, ret_fd, err);
}

static int load_tls(const struct serving *s, struct tls_context **ret, struct err *err)
{
    struct tls_options o = { .cert_path = invocation_get(s->inv, "tls-cert"),
                             .key_path = invocation_get(s->inv, "tls-key") };

    if (!o.cert_path && !o.key_path)
        return 0;
    if (!o.cert_path || !o.key_path)
        return err_set(err, ERR_USAGE, "--tls-cert and --tls-key go together");
    return tls_context_load(&o, ret, err);
}

static int add_archive(struct serving *s, const char *path, struct err *err)
{
    CLEANUP(archive_close) struct archive *a = NULL;
    CLEANUP(archive_journals_release) struct archive_journals journals = { 0 };

    if (archive_open(path, false, &a, err) < 0 || archive_journals_list(a, &journals, err) < 0)
        return -1;
    if (journals.len)
        cli_note(s->inv, "%zu journals of '%s' are not sealed yet: what they hold is not served",
                 journals.len, path);
    return library_add(s->library, a, err);
}

static int load(struct serving *s, struct err *err)
{
    const char *const *files = invocation_list(s->inv, "exchanges");
    const char *tmp = getenv("TMPDIR");
    struct library_stats stats;

    s->library = library_new();
    for (size_t i = 0; i < invocation_operand_count(s->inv); i++)
        if (add_archive(s, invocation_operand(s->inv, i), err) < 0)
            return -1;
    if (files[0] &&
        (scratch_open(tmp && *tmp ? tmp : "/tmp", files, clock_now_us(), &s->scratch, err) < 0 ||
         library_add(s->library, scratch_archive(s->scratch), err) < 0))
        return -1;
    library_stats(s->library, &stats);
    if (stats.without_answer)
        cli_note(s->inv, "%llu exchanges have no answer on record and are not served",
                 (unsigned long long)stats.without_answer);
    if (stats.segments_missing)
        cli_note(s->inv, "%llu segments are gone: their exchanges are not served",
                 (unsigned long long)stats.segments_missing);
    return 0;
}

static void stop(void *ctx)
{
    struct serving *s = ctx;
    loop_stop(s->loop);
}

/* The first one lets answers end, the second one does not. */
static void on_signal(void *ctx, unsigned events)
{
    struct serving *s = ctx;
    struct signalfd_siginfo info;

    (void)events;
    if (read(s->signals.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (s->server->is_draining)
        loop_stop(s->loop);
    else
        server_drain(s->server);
}

static int watch_signals(struct serving *s, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
        (s->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
        return err_sys(err, "cannot wait for signals");
    s->signals.fn = on_signal;
    s->signals.ctx = s;
    return loop_io_add(s->loop, &s->signals, LOOP_READ, err);
}

static int serve(struct serving *s, struct err *err)
{
    struct server_options o = {
        .loop = s->loop,
        .library = s->library,
        .listener = -1,
        .unmatched =
            invocation_get(s->inv, "unmatched") && invocation_get(s->inv, "unmatched")[0] == 's'
                ? SERVER_UNMATCHED_SYNTH
                : SERVER_UNMATCHED_404,
        .on_drained = stop,
        .ctx = s,
    };
    CLEANUP(buf_release) struct buf line = { 0 };
    char address[LISTENER_ADDRESS_BYTES];

    if (parse_speed(invocation_get(s->inv, "speed"), &o.speed, err) < 0 ||
        load_tls(s, &o.tls, err) < 0 || listen_at(s, &o.listener, err) < 0) {
        tls_context_unref(o.tls);
        return -1;
    }
    listener_address(o.listener, address, NULL);
    if (server_open(&o, &s->server, err) < 0)
        return -1;
    buf_addf(&line, "listening on %s://%s\n", o.tls ? "https" : "http", address);
    cli_out(buf_str(&line));
    fflush(stdout); /* whoever started it waits for this */
    return loop_run(s->loop, err);
}

static int run(const struct invocation *inv)
{
    CLEANUP(serving_release) struct serving s = { .inv = inv, .signals = { .fd = -1 } };
    struct err err;

    if (!invocation_operand_count(inv) && !invocation_list(inv, "exchanges")[0] &&
        !invocation_has(inv, "unmatched"))
        return cli_usage(inv, "there is nothing to serve: name an archive, or --exchanges FILE");
    if (loop_open(&s.loop, &err) < 0 || load(&s, &err) < 0 || watch_signals(&s, &err) < 0 ||
        serve(&s, &err) < 0)
        return cli_fail(inv, &err);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir replay serve demo --speed max & sleep 1; kill $!",
     "play the provider of a recorded archive"                    },
    { NULL,                                                   NULL},
};

const struct command command_replay_serve = {
    .path = "replay serve",
    .summary = "a stand-in provider that plays recorded answers back",
    .operands = "[ARCHIVE...]",
    .operands_min = 0,
    .operands_max = -1,
    .options = options,
    .description =
        "Listens and answers requests as the providers did whose answers the archives hold: the "
        "same status, headers and bytes, each piece of a stream as long after the request as it "
        "was when it was recorded. An application under test, or a gateway, needs no more than "
        "another base URL. Prints the address when it is ready.\n\n"
        "A request is answered by the exchange with the same request: method, path (whatever "
        "stands before it in one of the two), query without credentials, and body; JSON bodies "
        "are compared as JSON, without metadata, prompt_cache_key, safety_identifier and user at "
        "their top. If there is none, by one that was answered well and has the same API, model "
        "and streamed or not, with the body nearest in size. Where several fit they take turns, "
        "in the order in which they were recorded: of two equal requests of which the first was "
        "refused with 429, the first is refused again.\n\n"
        "What fits nothing is answered with 404 in the form of the API's provider or, with "
        "--unmatched synth, by a short made-up answer, streamed if asked for so: OpenAI chat, "
        "responses and embeddings, Anthropic messages, Gemini generateContent, Bedrock converse, "
        "Ollama chat.\n\n"
        "Answers that broke off are broken off again. Bodies are sent without content encoding, "
        "as an archive keeps them. Exchanges whose answer was not recorded, or was pruned, are "
        "not served, nor are journals that are not sealed.\n\n"
        "GET /__weir/health answers when the server is up; GET /__weir/stats counts, as JSON, "
        "requests (retries too) and how they were answered: same, alike, synthetic, "
        "unmatched.\n\n"
        "SIGTERM and SIGINT end it when the answers under way have ended; a second one at once. "
        "Requests may have 64 MiB. HTTP/1.1 is spoken, and HTTP/2 with those who begin so or "
        "choose "
        "it by ALPN; with TLS if a certificate is given.",
    .examples = examples,
    .see_also = "weir-proxy-run(1), weir-capture-export(1), weir-exchanges(5), weir-archive(5)",
    .run = run,
};

#include "config.h"

#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "cli/scenarios.h"
#include "cli/signals.h"
#include "cli/values.h"
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
     .help = "HOST:PORT to listen on; port 0 is a free one (127.0.0.1:0)" },
    { .kind = OPTION_VALUE,
     .name = "speed",
     .letter = 's',
     .value = "N|max",
     .help = "how many times as fast as recorded; max does not wait at all (1)" },
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
     .is_path = true },
    { .kind = OPTION_VALUE,
     .name = "tls-key",
     .value = "FILE",
     .help = "the key of the certificate (PEM)",
     .is_path = true },
    { .kind = OPTION_VALUE,
     .name = "scenario",
     .value = "FILE|PRESET",
     .help = "let go wrong what weir-scenario(5) describes",
     .is_path = true },
    OPTION_ONLY,
    { .kind = OPTION_VALUE,
     .name = "seed",
     .value = "N",
     .help = "chance follows from it: the same seed, the same faults (1)"                                                     },
    { .kind = OPTION_LIST,
     .name = "as",
     .value = "UPSTREAM=ADDRESS",
     .help = "listen at ADDRESS as well, and be that upstream of the scenario there"                                                                           },
    { .kind = OPTION_VALUE,
     .name = "control",
     .value = "ADDRESS",
     .help = "HOST:PORT of loopback for control and statistics over HTTP"},
    { .kind = OPTION_VALUE,
     .name = "log",
     .value = "FILE",
     .help = "append a line of JSON for each attempt: what was asked, what was done to it",
     .is_path = true },
    { .kind = OPTION_VALUE,
     .name = "date",
     .value = "TIME",
     .help = "when the scenario begins, for headers that tell the time (now)"                                                     },
    OPTIONS_END,
};

struct serving {
    const struct invocation *inv;
    struct loop *loop;
    struct library *library;
    struct scratch *scratch;
    struct server *server;
    struct trouble *trouble;
    struct signals signals;
    struct buf addresses;
    FILE *log;
    bool log_failed;
};

static void serving_release(struct serving *s)
{
    server_close(s->server);
    trouble_free(s->trouble);
    buf_release(&s->addresses);
    if (s->log)
        fclose(s->log);
    signals_close(&s->signals);
    loop_close(s->loop);
    library_free(s->library);
    scratch_close(s->scratch);
}
DEFINE_CLEANUP_VALUE(struct serving, serving_release)

/* what is the option the address is of. */
static int listen_at(const char *what, struct str address, int *ret_fd, struct err *err)
{
    struct str host = address;
    ptrdiff_t colon = -1;
    int64_t port;

    for (size_t i = 0; i < address.len; i++)
        if (address.ptr[i] == ':')
            colon = (ptrdiff_t)i;
    if (colon < 1 || !str_to_i64(str_sub(address, (size_t)colon + 1, SIZE_MAX), &port) ||
        port < 0 || port > 65535)
        return err_set(err, ERR_USAGE, "%s '%.*s' is not HOST:PORT", what, STR_ARG(address));
    host.len = (size_t)colon;
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_sub(host, 1, host.len - 2); /* IPv6 */
    return listener_open(host, (uint16_t)port, false, ret_fd, err);
}

static int load_tls(const struct serving *s, struct tls_context **ret, struct err *err)
{
    struct tls_options o = { .cert_path = invocation_get(s->inv, "tls-cert"),
                             .key_path = invocation_get(s->inv, "tls-key"),
                             .may_refuse = true };

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
static void on_signal(void *ctx, unsigned count)
{
    struct serving *s = ctx;

    if (count > 1)
        loop_stop(s->loop);
    else
        server_drain(s->server);
}

/* --- what goes wrong --- */

static void write_log(void *ctx, struct str line)
{
    struct serving *s = ctx;

    s->log_failed |= fwrite(line.ptr, 1, line.len, s->log) != line.len || fflush(s->log) != 0;
}

static bool has_trouble(const struct invocation *inv)
{
    static const char *const names[] = { "scenario", "control", "log" };

    if (invocation_list(inv, "only")[0])
        return true;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (invocation_has(inv, names[i]))
            return true;
    return invocation_list(inv, "as")[0] != NULL;
}

static int read_numbers(const struct serving *s, struct trouble_options *ret, struct err *err)
{
    const char *seed = invocation_get(s->inv, "seed"), *date = invocation_get(s->inv, "date");
    int64_t n = 1;

    if (seed && (!str_to_i64(str_from(seed), &n) || n < 0))
        return err_set(err, ERR_USAGE, "--seed '%s' is not a number from 0 on", seed);
    ret->seed = (uint64_t)n;
    if (date && (!timestamp_parse(str_from(date), &ret->date_us) || ret->date_us <= 0))
        return err_set(err, ERR_USAGE, "--date '%s' is not a time such as 2026-11-22T21:00:00Z",
                       date);
    return 0;
}

static int make_trouble(struct serving *s, struct err *err)
{
    const char *scenario = invocation_get(s->inv, "scenario"), *log = invocation_get(s->inv, "log");
    struct trouble_options o = { .log = log ? write_log : NULL, .ctx = s };

    if (!has_trouble(s->inv))
        return 0;
    if (read_numbers(s, &o, err) < 0)
        return -1;
    if (log && !(s->log = fopen(log, "ae")))
        return err_sys(err, "cannot write '%s'", log);
    if (scenarios_open(scenario, invocation_list(s->inv, "only"), &o.scenario, err) < 0)
        return -1;
    scenarios_tell_stand_ins(
        s->inv, o.scenario,
        (struct scenario_means){ .has_tls = invocation_get(s->inv, "tls-cert") != NULL });
    s->trouble = trouble_new(&o);
    return 0;
}

/* "HOST:PORT" of this machine alone: who may control it may do with it what they like. */
static int check_loopback(const char *address, struct err *err)
{
    struct str a = str_from(address);

    if (str_starts_with(a, STR("127.")) || str_starts_with(a, STR("localhost:")) ||
        str_starts_with(a, STR("[::1]:")))
        return 0;
    return err_set(err, ERR_USAGE,
                   "--control '%s' is not an address of loopback: use 127.0.0.1:PORT", address);
}

/* Said when all that listens does. */
static void add_address(struct serving *s, const char *before, int fd, const char *scheme,
                        const char *as)
{
    char address[LISTENER_ADDRESS_BYTES];

    listener_address(fd, address, NULL);
    buf_addf(&s->addresses, "%s %s://%s%s%s\n", before, scheme, address, *as ? " as " : "", as);
}

static int add_upstream(struct serving *s, const char *text, const char *scheme, struct err *err)
{
    struct str address = str_from(text), name;
    int fd;

    if (!str_split(&address, '=', &name) || !name.len || !address.len)
        return err_set(err, ERR_USAGE, "--as '%s' is not UPSTREAM=HOST:PORT", text);
    if (listen_at("--as", address, &fd, err) < 0)
        return -1;
    char *upstream = mem_strndup(name.ptr, name.len);
    int r = server_add_port(s->server, fd, upstream, err);
    if (r == 0)
        add_address(s, "listening on", fd, scheme, upstream);
    free(upstream);
    return r;
}

static int add_ports(struct serving *s, const char *scheme, struct err *err)
{
    const char *const *as = invocation_list(s->inv, "as");
    const char *address = invocation_get(s->inv, "control");
    int fd;

    for (; *as; as++)
        if (add_upstream(s, *as, scheme, err) < 0)
            return -1;
    if (!address)
        return 0;
    if (check_loopback(address, err) < 0 ||
        listen_at("--control", str_from(address), &fd, err) < 0 ||
        server_add_port(s->server, fd, NULL, err) < 0)
        return -1;
    add_address(s, "control on", fd, "http", "");
    return 0;
}

/* --- serving --- */

static int open_server(struct serving *s, struct server_options *o, struct err *err)
{
    const char *listen = invocation_get(s->inv, "listen");
    bool has_default = listen || !invocation_list(s->inv, "as")[0];

    if (value_speed(s->inv, "speed", &o->speed, err) < 0 || load_tls(s, &o->tls, err) < 0 ||
        (has_default &&
         listen_at("--listen", str_from(listen ? listen : "127.0.0.1:0"), &o->listener, err) < 0)) {
        tls_context_unref(o->tls);
        return -1;
    }
    return server_open(o, &s->server, err);
}

static int serve(struct serving *s, struct err *err)
{
    const char *unmatched_as = invocation_get(s->inv, "unmatched");
    struct server_options o = {
        .loop = s->loop,
        .library = s->library,
        .listener = -1,
        .unmatched =
            unmatched_as && unmatched_as[0] == 's' ? SERVER_UNMATCHED_SYNTH : SERVER_UNMATCHED_404,
        .trouble = s->trouble,
        .on_drained = stop,
        .ctx = s,
    };

    if (open_server(s, &o, err) < 0)
        return -1;
    const char *scheme = o.tls ? "https" : "http";
    if (o.listener >= 0)
        add_address(s, "listening on", o.listener, scheme, "");
    if (add_ports(s, scheme, err) < 0)
        return -1;
    cli_out(buf_str(&s->addresses));
    fflush(stdout); /* whoever started it waits for this */
    if (loop_run(s->loop, err) < 0)
        return -1;
    if (s->log_failed)
        return err_set(err, ERR_SYS, "not all of the log could be written");
    return 0;
}

static int run(const struct invocation *inv)
{
    CLEANUP(serving_release) struct serving s = { .inv = inv };
    struct err err;

    if (!invocation_operand_count(inv) && !invocation_list(inv, "exchanges")[0] &&
        !invocation_has(inv, "unmatched"))
        return cli_usage(inv, "there is nothing to serve: name an archive, or --exchanges FILE");
    if (loop_open(&s.loop, &err) < 0 || load(&s, &err) < 0 ||
        signals_open(s.loop, on_signal, &s, &s.signals, &err) < 0 || make_trouble(&s, &err) < 0 ||
        serve(&s, &err) < 0)
        return cli_fail(inv, &err);
    return EXIT_OK;
}

static const struct example examples[] = {
    {"weir replay serve demo --speed max & sleep 1; kill $!",
     "play the provider of a recorded archive"                                            },
    { "weir replay serve --unmatched synth --scenario overloaded & sleep 1; kill $!",
     "one that is more and more overloaded"                                               },
    { NULL,                                                                           NULL},
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
        "With --scenario it stands in for providers on a bad day: it refuses, stalls, breaks off "
        "and "
        "slows down as a scenario says, which is a file (weir-scenario(5)) or the name of one that "
        "comes with weir. The scenario's clock starts with the first request, or by control. With "
        "--as, one server stands for several upstreams, each at a port of its own and with "
        "troubles of its own; without, the upstream's name is default. Where a fault says that "
        "all connections to an upstream are refused, its port is shut, and no attempt can be "
        "counted there; in TLS, where all handshakes fail, each of them is an attempt. What "
        "applications a scenario tells apart is read from the header "
        "x-weir-app. The log and, with --date, the bytes are the same for the same seed and the "
        "same requests in the same order.\n\n"
        "Control answers, as JSON: GET /-/stats (attempts by upstream, model and status; incidents "
        "and when they were over), GET "
        "/-/calls (how many attempts calls took, which are told apart by what they ask, whatever "
        "model and path; ?all=1 for each), GET, PUT and DELETE /-/faults (those there are and how "
        "often each struck; put a scenario beside the given one, whose times count from then; "
        "take that away, which ends what it struck), POST /-/scenario/start, POST /-/scenario/time "
        "with a duration as body, "
        "POST /-/reset (counts, quotas, numbers of attempts).\n\n"
        "SIGTERM and SIGINT end it when the answers under way have ended; a second one at once. "
        "Requests may have 64 MiB. HTTP/1.1 is spoken, and HTTP/2 with those who begin so or "
        "choose "
        "it by ALPN; with TLS if a certificate is given.",
    .examples = examples,
    .see_also = "weir-proxy-run(1), weir-capture-export(1), weir-scenario(5), weir-exchanges(5), "
                "weir-archive(5)",
    .run = run,
};

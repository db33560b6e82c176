#include "config.h"

#include "cli/command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "cli/span.h"
#include "replay/drive_print.h"
#include "replay/drive_record.h"
#include "replay/scratch.h"

#define KEY_BYTES_MAX 8192

static const char *const caller_names[] = { "none", "openai", "anthropic", NULL };

static const struct option_def options[] = {
    OPTION(VALUE, .name = "target", .letter = 't', .value = "URL", .required = true,
           .help = "the server that gets the requests: http://HOST:PORT or https://HOST"),
    OPTION(VALUE, .name = "path", .letter = 'p', .value = "TEMPLATE",
           .help = "where a request goes there: {path} as recorded, {rest} without the application "
                   "and upstream before it, {app}, {upstream}, {model} ({path})"),
    OPTION(LIST, .name = "exchanges", .letter = 'e', .value = "FILE", .is_path = true,
           .help = "make the requests of this file (weir-exchanges(5)) as well"),
    OPTION(VALUE, .name = "app", .value = "PATTERN", .help = "only requests of these applications"),
    OPTIONS_SPAN,
    OPTION(VALUE, .name = "speed", .letter = 's', .value = "N|max",
           .help = "how many times as fast as recorded; max makes a request as soon as it can (1)"),
    OPTION(VALUE, .name = "caller", .letter = 'c', .value = "SDK", .choices = caller_names,
           .help = "how who calls tries again by itself: as that provider's SDKs, or not (none)"),
    OPTION(VALUE, .name = "seed", .value = "N", .help = "of the waits between tries (1)"),
    OPTION(VALUE, .name = "max-under-way", .value = "N",
           .help = "requests at the same time; more wait, and are late (4096)"),
    OPTION(VALUE, .name = "lag", .value = "TIME",
           .help = "no verdict if 1 in 100 requests is made later than this after its moment "
                   "(10ms)"),
    OPTION(VALUE, .name = "key-env", .value = "NAME",
           .help = "the environment's variable with the key that goes with each request"),
    OPTION(LIST, .name = "header", .letter = 'H', .value = "HEADER",
           .help = "\"name: value\" that goes with each request, in place of its own"),
    OPTION(VALUE, .name = "ca", .value = "FILE", .is_path = true,
           .help = "trust the certificates of this PEM file instead of the system's"),
    OPTION(VALUE, .name = "record", .letter = 'r', .value = "DIR", .is_path = true,
           .help = "record what came back in this archive"),
    OPTION(VALUE, .name = "run", .value = "NAME",
           .help = "what the records call this drive, in their label \"run\" (drive)"),
    OPTION(VALUE, .name = "log", .value = "FILE", .is_path = true,
           .help = "write a line of JSON for each request into this file"),
    OPTION_FORMAT(cli_formats),
    OPTIONS_END,
};

struct driving {
    const struct invocation *inv;
    struct loop *loop;
    struct trace *trace;
    struct scratch *scratch;
    struct drive *drive;
    struct drive_record *record;
    struct buf headers, key, line;
    FILE *log;
    struct loop_io signals;
    struct loop_timer progress;
    unsigned was_told; /* to stop, so often */
};

static void driving_release(struct driving *d)
{
    drive_close(d->drive);
    drive_record_close(d->record);
    if (d->loop)
        loop_timer_cancel(d->loop, &d->progress);
    if (d->signals.fd >= 0) {
        loop_io_remove(d->loop, &d->signals);
        close(d->signals.fd);
    }
    loop_close(d->loop);
    trace_free(d->trace);
    scratch_close(d->scratch);
    if (d->log)
        fclose(d->log);
    if (d->key.ptr)
        explicit_bzero(d->key.ptr, d->key.cap);
    buf_release(&d->key);
    buf_release(&d->headers);
    buf_release(&d->line);
}
DEFINE_CLEANUP_VALUE(struct driving, driving_release)

/* --- what the options say --- */

static int read_speed(const struct invocation *inv, unsigned *ret, struct err *err)
{
    const char *text = invocation_get(inv, "speed");
    char *end = NULL;

    *ret = 1000;
    if (!text)
        return 0;
    *ret = DRIVE_SPEED_MAX;
    if (strcmp(text, "max") == 0)
        return 0;
    double speed = strtod(text, &end);
    if (*end || !(speed >= 0.001 && speed <= 1000000))
        return err_set(err, ERR_USAGE,
                       "--speed '%s' is neither a number from 0.001 to 1000000 nor max", text);
    *ret = (unsigned)(speed * 1000 + 0.5);
    return 0;
}

static int read_number(const struct invocation *inv, const char *name, int64_t usual, int64_t *ret,
                       struct err *err)
{
    const char *text = invocation_get(inv, name);

    *ret = usual;
    if (!text || (str_to_i64(str_from(text), ret) && *ret >= 1 && *ret <= 1000000))
        return 0;
    return err_set(err, ERR_USAGE, "--%s '%s' is not a number from 1 to 1000000", name, text);
}

static int read_lag(const struct invocation *inv, int64_t *ret, struct err *err)
{
    const char *text = invocation_get(inv, "lag");

    *ret = DRIVE_LAG_US_DEFAULT;
    if (!text || (duration_parse(str_from(text), ret) && *ret > 0))
        return 0;
    return err_set(err, ERR_USAGE, "--lag '%s' is no duration such as 500us, 10ms or 1s", text);
}

static int read_headers(struct driving *d, struct err *err)
{
    const char *const *given = invocation_list(d->inv, "header");
    CLEANUP(buf_release) struct buf probe = { 0 };

    for (size_t i = 0; given[i]; i++) {
        struct str line = str_from(given[i]);
        ptrdiff_t colon = str_find_char(line, ':', 0);
        struct str name = str_sub(line, 0, colon < 0 ? 0 : (size_t)colon);
        struct str value = str_trim(str_sub(line, (size_t)colon + 1, SIZE_MAX));
        if (colon < 1 || http1_write_header(&probe, name, value) < 0)
            return err_set(err, ERR_USAGE, "--header '%s' is not \"name: value\"", given[i]);
        buf_addf(&d->headers, "%.*s: %.*s\n", STR_ARG(name), STR_ARG(value));
    }
    return 0;
}

static int read_key(struct driving *d, struct err *err)
{
    const char *name = invocation_get(d->inv, "key-env"), *value = name ? getenv(name) : NULL;

    if (!name)
        return 0;
    if (!value || !*value || strlen(value) > KEY_BYTES_MAX)
        return err_set(err, ERR_USAGE, "the environment has no key in '%s'", name);
    buf_add_text(&d->key, value);
    return 0;
}

static int load(struct driving *d, struct err *err)
{
    const char *const *files = invocation_list(d->inv, "exchanges");
    const char *tmp = getenv("TMPDIR"), *app = invocation_get(d->inv, "app");
    struct trace_filter filter = { .app = str_from(app ? app : "") };
    struct trace_stats stats;
    struct span span;

    if (span_parse(d->inv, NULL, &span, err) < 0)
        return -1;
    filter.from_us = span.from_us;
    filter.to_us = span.to_us;
    d->trace = trace_new(&filter);
    for (size_t i = 0; i < invocation_operand_count(d->inv); i++) {
        CLEANUP(archive_close) struct archive *a = NULL;
        if (archive_open(invocation_operand(d->inv, i), false, &a, err) < 0 ||
            trace_add(d->trace, a, err) < 0)
            return -1;
    }
    if (files[0] &&
        (scratch_open(tmp && *tmp ? tmp : "/tmp", files, clock_now_us(), &d->scratch, err) < 0 ||
         trace_add(d->trace, scratch_archive(d->scratch), err) < 0))
        return -1;
    trace_sort(d->trace);
    trace_stats(d->trace, &stats);
    if (stats.without_request)
        cli_note(d->inv, "%llu exchanges have no request on record that could be made again",
                 (unsigned long long)stats.without_request);
    if (stats.segments_missing)
        cli_note(d->inv, "%llu segments are gone: their requests are not made",
                 (unsigned long long)stats.segments_missing);
    if (!stats.requests)
        return err_set(err, ERR_USAGE, "there is no request to make in what was named");
    return 0;
}

/* --- under way --- */

/* The first one lets what is under way end, the second one does not. */
static void on_signal(void *ctx, unsigned events)
{
    struct driving *d = ctx;
    struct signalfd_siginfo info;

    (void)events;
    if (read(d->signals.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    if (d->was_told++)
        loop_stop(d->loop);
    else
        drive_stop(d->drive);
}

static int watch_signals(struct driving *d, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
        (d->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) < 0)
        return err_sys(err, "cannot wait for signals");
    d->signals.fn = on_signal;
    d->signals.ctx = d;
    return loop_io_add(d->loop, &d->signals, LOOP_READ, err);
}

static void on_progress(void *ctx)
{
    struct driving *d = ctx;

    cli_progress(d->inv, "%llu of %zu requests", (unsigned long long)drive_done(d->drive),
                 trace_len(d->trace));
    loop_timer_set(d->loop, &d->progress, loop_now_us(d->loop) + (uint64_t)US_PER_SECOND);
}

static void on_call(void *ctx, const struct drive_call *call, const struct drive_result *result)
{
    struct driving *d = ctx;

    if (!d->log)
        return;
    buf_clear(&d->line);
    drive_print_call(call, result, &d->line);
    fwrite(d->line.ptr, 1, d->line.len, d->log);
}

static int on_exchange(void *ctx, const struct trace_request *request, const struct exchange *x,
                       struct err *err)
{
    struct driving *d = ctx;

    return drive_record_add(d->record, request, x, err);
}

static int open_outputs(struct driving *d, struct drive_options *o, struct err *err)
{
    const char *record = invocation_get(d->inv, "record"), *log = invocation_get(d->inv, "log"),
               *name = invocation_get(d->inv, "run");

    if (log && !(d->log = fopen(log, "we")))
        return err_sys(err, "cannot write '%s'", log);
    if (!record)
        return 0;
    o->on_exchange = on_exchange;
    return drive_record_open(record, str_from(name ? name : "drive"), clock_now_us(), &d->record,
                             err);
}

static int prepare(struct driving *d, struct drive_options *o, struct err *err)
{
    const char *caller = invocation_get(d->inv, "caller"), *path = invocation_get(d->inv, "path");
    int64_t seed, under_way;

    *o = (struct drive_options){
        .target = str_from(path ? path : "{path}"),
        .ca_path = invocation_get(d->inv, "ca"),
        .caller = caller_find(str_from(caller ? caller : "none")),
        .on_call = on_call,
        .ctx = d,
    };
    if (http_url_parse(str_from(invocation_get(d->inv, "target")), &o->url, err) < 0 ||
        drive_target_check(o->target, err) < 0 || read_speed(d->inv, &o->speed, err) < 0 ||
        read_number(d->inv, "seed", 1, &seed, err) < 0 ||
        read_number(d->inv, "max-under-way", DRIVE_UNDER_WAY_DEFAULT, &under_way, err) < 0 ||
        read_lag(d->inv, &o->lag_us, err) < 0 || read_headers(d, err) < 0 || read_key(d, err) < 0 ||
        load(d, err) < 0 || loop_open(&d->loop, err) < 0 || watch_signals(d, err) < 0 ||
        open_outputs(d, o, err) < 0)
        return -1;
    o->loop = d->loop;
    o->trace = d->trace;
    o->seed = (uint64_t)seed;
    o->under_way = (uint32_t)under_way;
    o->headers = buf_str(&d->headers);
    o->key = buf_str(&d->key);
    return drive_open(o, &d->drive, err);
}

static void print(const struct driving *d, const struct drive_options *o,
                  const struct drive_report *r)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    switch (cli_format(d->inv)) {
    case CLI_FORMAT_JSON:
        drive_print_json(r, o, &out);
        break;
    case CLI_FORMAT_CSV:
        drive_print_csv(r, &out);
        break;
    case CLI_FORMAT_TEXT:
        drive_print_text(r, o, &out);
        break;
    }
    cli_out(buf_str(&out));
}

static int finish(struct driving *d, struct err *err)
{
    if (d->record && drive_record_finish(TAKE(d->record), err) < 0)
        return -1;
    if (d->log && fclose(TAKE(d->log)) != 0)
        return err_sys(err, "cannot write '%s'", invocation_get(d->inv, "log"));
    return 0;
}

static int run(const struct invocation *inv)
{
    CLEANUP(driving_release) struct driving d = { .inv = inv, .signals = { .fd = -1 } };
    CLEANUP(drive_report_release) struct drive_report report = { 0 };
    struct drive_options o;
    struct err err;

    if (!invocation_operand_count(inv) && !invocation_list(inv, "exchanges")[0])
        return cli_usage(inv, "there is nothing to make: name an archive, or --exchanges FILE");
    if (prepare(&d, &o, &err) < 0)
        return cli_fail(inv, &err);
    d.progress = (struct loop_timer){ .fn = on_progress, .ctx = &d };
    on_progress(&d);
    if (drive_run(d.drive, &err) < 0)
        return cli_fail(inv, &err);
    drive_report(d.drive, &report);
    print(&d, &o, &report);
    if (finish(&d, &err) < 0)
        return cli_fail(inv, &err);
    if (report.is_late)
        cli_note(inv, "no verdict: this machine was late itself");
    return report.is_late ? EXIT_FINDINGS : EXIT_OK;
}

static const struct example examples[] = {
    {"weir replay serve demo --speed max > port & sleep 1; weir replay drive demo --speed max "
      "--lag 10s --target \"$(sed 's/listening on //' port)\"; kill $!", "make the recorded requests once more, to a stand-in for their providers"},
    { NULL,                                                                   NULL                                                                     },
};

const struct command command_replay_drive = {
    .path = "replay drive",
    .summary = "make recorded requests again and measure what comes back",
    .operands = "[ARCHIVE...]",
    .operands_min = 0,
    .operands_max = -1,
    .options = options,
    .description =
        "Makes the requests of archives once more, to a gateway or a stand-in, each at its "
        "recorded moment divided by --speed, whether those before it have been answered or not. "
        "What is measured counts from that moment, so that a slow server cannot hide behind the "
        "requests that it kept from being made:\n\n"
        " first token = the first event with content had come - the planned moment\n"
        " total       = the answer had ended - the planned moment\n"
        " gap         = from one event with content to the next\n\n"
        "Both are of calls that went well: a 2xx answer, whole, without an error in it. An answer "
        "that is no stream has its first token when its body begins. How late the requests were "
        "made is printed as schedule lag; if it is more than --lag for 1 in 100 requests, the "
        "figures are of this machine as well and there is no verdict.\n\n"
        "With --caller, failures are tried again as SDKs do: twice, after connections that were "
        "lost, 408, 409, 429 and 5xx, after what retry-after says up to 60 s, else after 0.5 s, "
        "doubled, less up to a quarter. The times are those of the whole call.\n\n"
        "Requests are sent as they were recorded, without their credentials, cookies and what "
        "belongs to a connection; --key-env adds a key where the request's API looks for one "
        "(authorization, x-api-key, x-goog-api-key), --header anything else. Calls that have to be "
        "signed (Bedrock) are sent unsigned.\n\n"
        "--record keeps what came back in an archive, with the labels replay_of (the exchange that "
        "was repeated) and run, for weir replay diff and everything else that reads archives. "
        "Beware: driven at a real provider, requests cost what they cost.",
    .findings = "the schedule was not kept: there is no verdict",
    .examples = examples,
    .see_also = "weir-replay-serve(1), weir-capture-ls(1), weir-exchanges(5)",
    .run = run,
};

#include "config.h"

#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "cli/load.h"
#include "cli/scenarios.h"
#include "cli/signals.h"
#include "replay/drive_print.h"
#include "replay/drive_record.h"

static const struct option_def options[] = {
    OPTION(VALUE, .name = "target", .letter = 't', .value = "URL", .required = true,
           .help = "the server that gets the requests: http://HOST:PORT or https://HOST"),
    OPTIONS_LOAD,
    OPTION(VALUE, .name = "scenario", .value = "FILE|NAME", .is_path = true,
           .help = "raise the load as this scenario does, see weir-scenario(5)"),
    OPTION_ONLY,
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
    struct load load;
    struct scenario *scenario;
    struct drive *drive;
    struct drive_record *record;
    struct buf line;
    FILE *log;
    struct signals signals;
    struct loop_timer progress;
};

static void driving_release(struct driving *d)
{
    drive_close(d->drive);
    drive_record_close(d->record);
    if (d->loop)
        loop_timer_cancel(d->loop, &d->progress);
    signals_close(&d->signals);
    loop_close(d->loop);
    load_release(&d->load);
    scenario_free(d->scenario);
    if (d->log)
        fclose(d->log);
    buf_release(&d->line);
}
DEFINE_CLEANUP_VALUE(struct driving, driving_release)

/* --- under way --- */

/* The first one lets what is under way end, the second one does not. */
static void on_signal(void *ctx, unsigned count)
{
    struct driving *d = ctx;

    if (count > 1)
        loop_stop(d->loop);
    else
        drive_stop(d->drive);
}

static void on_progress(void *ctx)
{
    struct driving *d = ctx;

    cli_progress(d->inv, "%llu of %zu requests", (unsigned long long)drive_done(d->drive),
                 trace_len(d->load.trace));
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
    size_t count = invocation_operand_count(d->inv);
    const char **archives = mem_calloc(count + 1, sizeof(*archives));

    for (size_t i = 0; i < count; i++)
        archives[i] = invocation_operand(d->inv, i);
    int r = load_open(d->inv, archives, &d->load, o, err);
    free(archives);
    if (r < 0 ||
        scenarios_open(invocation_get(d->inv, "scenario"), invocation_list(d->inv, "only"),
                       &d->scenario, err) < 0 ||
        http_url_parse(str_from(invocation_get(d->inv, "target")), &o->url, err) < 0 ||
        loop_open(&d->loop, err) < 0 || signals_open(d->loop, on_signal, d, &d->signals, err) < 0 ||
        open_outputs(d, o, err) < 0)
        return -1;
    o->load = d->scenario;
    o->ca_path = invocation_get(d->inv, "ca");
    o->on_call = on_call;
    o->ctx = d;
    o->loop = d->loop;
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

/* Most likely a mistyped address, which a table of zeros does not say. */
static bool nobody_answered(const struct drive_report *r)
{
    return r->errors.len == 1 && r->errors.ptr[0].status == 0 &&
           r->errors.ptr[0].count == r->sums.ptr[0].calls && r->sums.ptr[0].calls > 0;
}

static int run(const struct invocation *inv)
{
    CLEANUP(driving_release) struct driving d = { .inv = inv };
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
    if (nobody_answered(&report))
        cli_note(inv, "no call was answered: is '%s' the server?", invocation_get(inv, "target"));
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

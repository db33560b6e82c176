#include "config.h"

#include "cli/command.h"

#include <inttypes.h>

#include "base/decimal.h"
#include "base/file.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "capture/ledger_scan.h"
#include "capture/lookup.h"
#include "capture/readable.h"
#include "capture/segment_read.h"

static const char *const formats[] = { "text", "json", NULL };
static const char *const bodies[] = { "request", "response", NULL };

static const struct option_def options[] = {
    OPTION_ARCHIVE,
    OPTION(VALUE, .name = "raw-body", .letter = 'r', .value = "WHICH",
           .help = "write this body's bytes and nothing else", .choices = bodies),
    OPTION(FLAG, .name = "events", .letter = 'e',
           .help = "of a stream, show each event instead of the text they add up to"),
    OPTION_FORMAT(formats),
    OPTIONS_END,
};

struct showing {
    const struct invocation *inv;
    struct archive *archive;
    struct lookup found;
    struct segment_reader *segment;
    struct buf out;
};

static void showing_release(struct showing *s)
{
    segment_close(s->segment);
    lookup_release(&s->found);
    archive_close(s->archive);
    buf_release(&s->out);
}
DEFINE_CLEANUP_VALUE(struct showing, showing_release)

static void add_line(struct buf *out, const char *label, struct str value)
{
    if (!value.len)
        return;
    buf_addf(out, "%-12s ", label);
    readable_text(value, out);
    buf_add_byte(out, '\n');
}

static void add_ms(struct buf *out, const char *label, int64_t us)
{
    if (us >= 0)
        buf_addf(out, "%-12s %" PRId64 ".%03d ms\n", label, us / 1000, (int)(us % 1000));
}

/* The path of what came through the proxy is the proxy's: the upstream's host never saw it. */
static bool is_of_proxy(const struct exchange *x)
{
    return str_eq(x->origin, STR("proxy"));
}

static void add_upstream(const struct exchange *x, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_add_str(&text, x->upstream);
    if (is_of_proxy(x) && x->host.len)
        buf_addf(&text, " at %.*s://%.*s", STR_ARG(x->scheme), STR_ARG(x->host));
    add_line(out, "upstream", buf_str(&text));
}

static void add_identity(const struct exchange *x, struct buf *out)
{
    char id[UUID_TEXT_BYTES], at[TIMESTAMP_TEXT_BYTES];

    add_line(out, "exchange", str_from(uuid_format(x->id, id)));
    add_line(out, "started", str_from(timestamp_format(x->started_us, at)));
    add_line(out, "origin", x->origin);
    if (x->requests > 1)
        buf_addf(out, "%-12s %" PRId64 " (this row sums them up)\n", "requests", x->requests);
    add_line(out, "app", x->who.app);
    add_line(out, "team", x->who.team);
    add_line(out, "unit", x->who.business_unit);
    add_line(out, "environment", x->who.environment);
    add_line(out, "purpose", x->who.purpose);
    add_line(out, "end user", x->who.end_user);
    add_line(out, "key", x->key_id);
    add_line(out, "client", x->client_address);
    add_line(out, "user agent", x->user_agent);
    add_upstream(x, out);
    add_line(out, "arm", x->arm);
    if (x->cutover_epoch)
        buf_addf(out, "%-12s epoch %" PRId64 ", share %" PRId32 ".%02" PRId32 "%%%s%.*s\n",
                 "cutover", x->cutover_epoch, x->cutover_share / 100, x->cutover_share % 100,
                 x->cutover_unit.len ? ", unit " : ", no key", STR_ARG(x->cutover_unit));
    add_line(out, "trace", x->trace_id);
    add_line(out, "labels", x->labels);
}

static void add_call(const struct exchange *x, struct buf *out)
{
    const struct call_facts *f = &x->facts;

    buf_addf(out, "%-12s %s, by %s\n", "provider", provider_name(f->provider),
             f->recognised_by ? f->recognised_by : "nothing");
    buf_addf(out, "%-12s %s%s%s\n", "api", api_name(f->api), f->stream ? ", stream" : "",
             f->billable ? "" : ", not billed");
    add_line(out, "model", f->model);
    if (!str_eq(f->model, f->model_requested))
        add_line(out, "requested", f->model_requested);
    add_line(out, "tier", f->service_tier);
    add_line(out, "geo", f->geo);
    add_line(out, "finished", f->finish_reason);
    add_line(out, "response id", f->response_id);
    add_line(out, "request id", f->upstream_request_id);
    add_line(out, "error", str_from(error_class_name(f->error_class)));
    add_line(out, "error code", f->error_code);
    if (x->truncated)
        add_line(out, "truncated", STR("the answer ended early"));
    add_line(out, "wire", str_from(error_class_name(x->transport_error)));
}

static void add_usage(const struct call_facts *f, struct buf *out)
{
    char cost[DECIMAL_TEXT_BYTES];

    buf_addf(out, "%-12s %s", "usage", usage_source_name(f->usage_source));
    if (f->usage_note)
        buf_addf(out, ": %s", f->usage_note);
    buf_add_byte(out, '\n');
    for (size_t i = 0; i < f->part_count; i++) {
        const struct call_part *part = &f->parts[i];
        if (f->part_count > 1)
            add_line(out, "  part", part->model);
        for (int u = 0; u < USAGE_UNIT_COUNT; u++)
            if (usage_has(&part->usage, (enum usage_unit)u))
                buf_addf(out, "%12" PRId64 " %s\n", part->usage.n[u],
                         usage_unit_name((enum usage_unit)u));
    }
    if (f->has_reported_cost)
        buf_addf(out, "%-12s %s USD, as reported in %s\n", "cost",
                 decimal_format(f->reported_cost_pusd, 12, cost),
                 f->reported_cost_field ? f->reported_cost_field : "the record");
}

static void add_timing(const struct exchange *x, struct buf *out)
{
    add_ms(out, "sent after", x->request_us);
    add_ms(out, "head after", x->head_us);
    add_ms(out, "first token", x->first_token_us);
    add_ms(out, "ended after", x->end_us);
    if (x->chunk_count)
        buf_addf(out, "%-12s %zu, from %" PRIu64 ".%03d ms to %" PRIu64 ".%03d ms\n", "chunks",
                 x->chunk_count, x->chunks[0].offset_us / 1000,
                 (int)(x->chunks[0].offset_us % 1000),
                 x->chunks[x->chunk_count - 1].offset_us / 1000,
                 (int)(x->chunks[x->chunk_count - 1].offset_us % 1000));
}

/* "attempt 429 rate_limited at openai, 0.012 ms, for 0.340 ms, first by route chat" */
static void add_attempt(const struct exchange_attempt *a, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (a->skipped)
        buf_add_text(&text, "passed over: ");
    else if (a->status)
        buf_addf(&text, "%d ", a->status);
    if (a->error_class != ERROR_CLASS_NONE)
        buf_addf(&text, "%s ", error_class_name(a->error_class));
    buf_addf(&text, "%s%.*s", a->skipped ? "" : "at ", STR_ARG(a->upstream));
    if (a->model.len)
        buf_addf(&text, " as %.*s", STR_ARG(a->model));
    buf_addf(&text, ", %" PRId64 ".%03d ms", a->start_us / 1000, (int)(a->start_us % 1000));
    if (a->duration_us >= 0)
        buf_addf(&text, ", for %" PRId64 ".%03d ms", a->duration_us / 1000,
                 (int)(a->duration_us % 1000));
    if (a->why.len)
        buf_addf(&text, ", %.*s", STR_ARG(a->why));
    if (a->rule.len)
        buf_addf(&text, " by %.*s", STR_ARG(a->rule));
    add_line(out, "attempt", buf_str(&text));
}

static void add_steps(const struct exchange *x, struct buf *out)
{
    for (size_t i = 0; i < x->attempt_count; i++)
        add_attempt(&x->attempts[i], out);
    for (size_t i = 0; i < x->decision_count; i++) {
        const struct exchange_decision *d = &x->decisions[i];
        CLEANUP(buf_release) struct buf text = { 0 };
        buf_addf(&text, "%.*s %.*s by %.*s%s%.*s", STR_ARG(d->mode), STR_ARG(d->outcome),
                 STR_ARG(d->rule), d->detail.len ? ": " : "", STR_ARG(d->detail));
        if (d->bound)
            buf_addf(&text, ", %" PRId64 " of %" PRId64, d->value, d->bound);
        add_line(out, "decision", buf_str(&text));
    }
}

static void add_headers(const struct call_header *headers, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        readable_text(headers[i].name, out);
        buf_add_text(out, ": ");
        readable_text(headers[i].value, out);
        buf_add_byte(out, '\n');
    }
}

static void add_body(const struct showing *s, struct str content_type, struct str body,
                     bool missing, struct buf *out)
{
    buf_add_byte(out, '\n');
    if (missing)
        buf_add_text(out, "[this body was not recorded]\n");
    else if (body.len)
        readable_body(content_type, body, invocation_has(s->inv, "events"), out);
}

static void add_messages(const struct showing *s, const struct exchange *x, struct buf *out)
{
    if (x->method.len || x->path.len || x->host.len) {
        buf_add_text(out, "\n> ");
        readable_text(x->method, out);
        buf_add_byte(out, ' ');
        if (x->host.len && !is_of_proxy(x)) {
            readable_text(x->scheme.len ? x->scheme : STR("http"), out);
            buf_add_text(out, "://");
            readable_text(x->host, out);
        }
        readable_text(x->path, out);
        if (x->query.len) {
            buf_add_byte(out, '?');
            readable_text(x->query, out);
        }
        buf_add_byte(out, '\n');
        add_headers(x->request_headers, x->request_header_count, out);
        add_body(s, call_header_find(x->request_headers, x->request_header_count, "content-type"),
                 x->request_body, x->request_body_missing, out);
    }
    if (x->status) {
        buf_addf(out, "\n< %d\n", x->status);
        add_headers(x->response_headers, x->response_header_count, out);
        add_body(s, call_header_find(x->response_headers, x->response_header_count, "content-type"),
                 x->response_body, x->response_body_missing, out);
    }
    if (x->body_note)
        buf_addf(out, "\n[%s]\n", x->body_note);
}

/* Bodies as JSON strings, beside what exchanges.jsonl says. */
static void add_json(const struct exchange *x, struct buf *out)
{
    exchange_to_json(x, out);
    out->len--; /* the closing brace */
    if (x->request_body.len)
        json_add_str(out, "request_body", x->request_body);
    if (x->response_body.len)
        json_add_str(out, "response_body", x->response_body);
    if (x->chunk_count) {
        json_add_key(out, "chunks");
        buf_add_byte(out, '[');
        for (size_t i = 0; i < x->chunk_count; i++)
            buf_addf(out, "%s[%" PRIu64 ",%" PRIu64 "]", i ? "," : "", x->chunks[i].offset_us,
                     x->chunks[i].bytes);
        buf_add_byte(out, ']');
    }
    buf_add_text(out, "}\n");
}

static int print_exchange(struct showing *s, const struct exchange *x)
{
    const char *raw = invocation_get(s->inv, "raw-body");
    struct err err;

    if (raw) {
        bool request = str_eq(str_from(raw), STR("request"));
        if (request ? x->request_body_missing : x->response_body_missing) {
            err_set(&err, ERR_LIMIT, "the %s body was not recorded", raw);
            return cli_fail(s->inv, &err);
        }
        cli_out(request ? x->request_body : x->response_body);
        return EXIT_OK;
    }
    if (cli_format(s->inv) == CLI_FORMAT_JSON) {
        add_json(x, &s->out);
    } else {
        add_identity(x, &s->out);
        add_call(x, &s->out);
        add_timing(x, &s->out);
        add_steps(x, &s->out);
        add_usage(&x->facts, &s->out);
        add_messages(s, x, &s->out);
    }
    cli_out(buf_str(&s->out));
    return EXIT_OK;
}

static void add_cell(struct buf *out, const struct ledger_scan *scan, enum ledger_column column,
                     bool json)
{
    const struct parquet_column *c = &ledger_columns()[column];
    char text[DECIMAL_TEXT_BYTES];
    struct str value = ledger_scan_str(scan, column);
    int64_t n = c->type == PARQUET_STRING ? 0 : ledger_scan_int(scan, column);

    if (c->type == PARQUET_TIMESTAMP_US)
        value = str_from(timestamp_format(n, text));
    else if (c->type == PARQUET_DECIMAL_12)
        value = str_from(decimal_format(n, 12, text));
    else if (c->type == PARQUET_BOOL && !json)
        value = n ? STR("true") : STR("false");
    if (json && c->type == PARQUET_BOOL)
        json_add_bool(out, c->name, n != 0);
    else if (json && !value.ptr)
        json_add_int(out, c->name, n);
    else if (json)
        json_add_str(out, c->name, value);
    else if (value.ptr)
        add_line(out, c->name, value);
    else
        buf_addf(out, "%-12s %" PRId64 "\n", c->name, n);
}

/* What is left when the segment was pruned: the ledger's rows. */
static int print_ledger(struct showing *s, struct err *err)
{
    CLEANUP(ledger_scan_close) struct ledger_scan *scan = NULL;
    enum ledger_column all[LEDGER_COLUMN_COUNT];
    bool json = cli_format(s->inv) == CLI_FORMAT_JSON;
    char id[UUID_TEXT_BYTES];
    int r;

    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++)
        all[c] = (enum ledger_column)c;
    if (ledger_scan_open(s->found.ledger_path, all, LEDGER_COLUMN_COUNT, &scan, err) < 0)
        return -1;
    uuid_format(s->found.id, id);
    while ((r = ledger_scan_next(scan, err)) > 0) {
        if (!str_ieq(ledger_scan_str(scan, LEDGER_EXCHANGE_ID), str_from(id)))
            continue;
        if (json)
            buf_add_byte(&s->out, '{');
        for (int c = 0; c < LEDGER_COLUMN_COUNT; c++)
            if (!ledger_scan_is_null(scan, all[c]))
                add_cell(&s->out, scan, all[c], json);
        buf_add_text(&s->out, json ? "}\n" : "\n");
    }
    cli_out(buf_str(&s->out));
    return r;
}

static int show(struct showing *s, struct err *err)
{
    struct exchange x;
    int r;

    if (!file_exists(s->found.segment_path)) {
        if (invocation_has(s->inv, "raw-body"))
            return err_set(err, ERR_LIMIT, "its segment is gone: bodies cannot be shown");
        cli_note(s->inv, "its segment is gone (pruned, or see weir capture verify): this is what "
                         "the ledger has");
        return print_ledger(s, err);
    }
    if (segment_open(s->found.segment_path, &s->segment, err) < 0)
        return err_wrap(err, "segment '%s'", s->found.segment_path);
    r = segment_find(s->segment, s->found.id, s->found.segment_offset, &x, err);
    if (r == 0)
        r = err_set(err, ERR_CORRUPT, "the ledger has this exchange, the segment has not");
    if (r < 0)
        return err_wrap(err, "segment '%s'", s->found.segment_path);
    return print_exchange(s, &x);
}

static int run(const struct invocation *inv)
{
    CLEANUP(showing_release) struct showing s = { .inv = inv };
    const char *id = invocation_operand(inv, 0);
    struct err err;

    if (archive_open(invocation_get(inv, "archive"), false, &s.archive, &err) < 0)
        return cli_fail(inv, &err);
    int r = lookup_exchange(s.archive, str_from(id), &s.found, &err);
    if (r == 0)
        r = err_set(&err, ERR_LIMIT, "there is no exchange '%s' in what is sealed", id);
    if (r > 0)
        r = show(&s, &err);
    return r < 0 ? cli_fail(inv, &err) : r;
}

const struct command command_capture_show = {
    .path = "capture show",
    .summary = "print one exchange readably",
    .operands = "ID",
    .operands_min = 1,
    .operands_max = 1,
    .options = options,
    .description =
        "Prints who sent the exchange, what it was, when what happened, what it used, and both "
        "messages: heads as recorded (without credentials), JSON laid out, a stream put together "
        "to the text it carries. Control characters are shown as \\u00XX, so nothing recorded can "
        "command the terminal.\n"
        "\n"
        "ID is an exchange's id or its first characters, as long as no other begins so.",
    .examples =
        (const struct example[]){
                                 { "weir capture show --archive demo \"$(weir capture ls --archive demo --limit 1 "
              "--format "
              "csv | tail -n 1 | cut -d, -f1)\"",
              "the newest exchange" },
                                 { NULL, NULL },
                                 },
    .see_also = "weir-capture-ls(1), weir-capture-export(1), weir-segment(5)",
    .run = run,
};

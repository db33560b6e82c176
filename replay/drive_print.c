#include "config.h"

#include "replay/drive_print.h"

#include <inttypes.h>

#include "base/csv.h"
#include "base/json.h"
#include "base/table.h"
#include "base/timestamp.h"

static const struct {
    const char *name;
    double q;
} quantiles[] = {
    {"p50",  0.5 },
    { "p95", 0.95},
    { "p99", 0.99},
};

static const char *const end_names[DRIVE_ENDS] = {
    [DRIVE_ANSWERED] = "answered",
    [DRIVE_NOT_CONNECTED] = "not_connected",
    [DRIVE_BROKEN] = "broken",
    [DRIVE_TIMEOUT] = "timeout",
};

/* "1.52 ms"; nothing for what did not happen. */
static void add_us(int64_t us, struct buf *out)
{
    if (us < 0)
        buf_add_byte(out, '-');
    else if (us < 10000)
        buf_addf(out, "%" PRId64 ".%02" PRId64 " ms", us / 1000, us % 1000 / 10);
    else if (us < 10 * US_PER_SECOND)
        buf_addf(out, "%" PRId64 " ms", us / 1000);
    else
        buf_addf(out, "%" PRId64 ".%" PRId64 " s", us / US_PER_SECOND,
                 us % US_PER_SECOND / (US_PER_SECOND / 10));
}

static void us_cell(struct table *t, int64_t us)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    add_us(us, &text);
    table_add_cell(t, buf_str(&text));
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void add_apps(const struct drive_report *r, struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();

    table_add_column(t, "application", false);
    table_add_column(t, "calls", true);
    table_add_column(t, "ok", true);
    table_add_column(t, "tries/call", true);
    for (int first = 1; first >= 0; first--)
        for (size_t q = 0; q < ARRAY_LEN(quantiles); q++) {
            CLEANUP(buf_release) struct buf title = { 0 };
            buf_addf(&title, "%s %s", first ? "first" : "total", quantiles[q].name);
            table_add_column(t, buf_cstr(&title), true);
        }
    for (size_t i = 0; i < r->sums.len; i++) {
        const struct drive_sum *s = &r->sums.ptr[i];
        struct str name = i == 0 ? STR("all") : s->app.len ? s->app : STR("(none)");
        table_add_cell(t, name);
        table_add_cellf(t, "%" PRIu64, s->calls);
        table_add_cellf(t, "%.2f %%", percent(s->ok, s->calls));
        table_add_cellf(t, "%.3f", s->calls ? (double)s->tries / (double)s->calls : 0);
        for (size_t q = 0; q < ARRAY_LEN(quantiles); q++)
            us_cell(t, sketch_quantile(&s->first_us, quantiles[q].q));
        for (size_t q = 0; q < ARRAY_LEN(quantiles); q++)
            us_cell(t, sketch_quantile(&s->total_us, quantiles[q].q));
        if (i == 0 && r->sums.len > 1)
            table_add_rule(t);
    }
    table_print(t, out);
}

static void add_quantiles(const struct sketch *s, struct buf *out)
{
    for (size_t q = 0; q < ARRAY_LEN(quantiles); q++) {
        buf_addf(out, "%s%s ", q ? ", " : "", quantiles[q].name);
        add_us(sketch_quantile(s, quantiles[q].q), out);
    }
    buf_add_text(out, ", most ");
    add_us(sketch_quantile(s, 1), out);
    buf_add_byte(out, '\n');
}

void drive_print_text(const struct drive_report *r, const struct drive_options *o, struct buf *out)
{
    const struct drive_sum *whole = r->sums.ptr;

    add_apps(r, out);
    for (size_t i = 0; i < r->errors.len; i++) {
        const struct drive_error_count *e = &r->errors.ptr[i];
        buf_addf(out, "%s%s", i ? ", " : "\nfailures: ",
                 e->error == ERROR_CLASS_NONE ? "other" : error_class_name(e->error));
        if (e->status)
            buf_addf(out, " (%d)", e->status);
        buf_addf(out, " %" PRIu64, e->count);
    }
    if (r->errors.len)
        buf_add_byte(out, '\n');
    buf_add_text(out, "\ngaps between events: ");
    add_quantiles(&whole->gap_us, out);
    buf_add_text(out, "schedule lag:        ");
    add_quantiles(&whole->lag_us, out);
    buf_addf(
        out,
        "first token = the first event that holds content had come - the moment it was planned "
        "for; total = the answer had ended - that moment; of calls that went well\n");
    if (!r->is_late)
        return;
    buf_add_text(out, "no verdict: more than 1 in 100 requests was made later than ");
    add_us(o->lag_us, out);
    buf_add_text(out,
                 " after its moment, so these times are of this machine as well: lower --speed, "
                 "or raise --lag\n");
}

void drive_print_csv(const struct drive_report *r, struct buf *out)
{
    buf_add_text(out, "app,calls,ok,streams,tries");
    for (size_t q = 0; q < ARRAY_LEN(quantiles); q++)
        buf_addf(out, ",first_%s_us", quantiles[q].name);
    for (size_t q = 0; q < ARRAY_LEN(quantiles); q++)
        buf_addf(out, ",total_%s_us", quantiles[q].name);
    buf_add_text(out, "\n");
    for (size_t i = 1; i < r->sums.len; i++) {
        const struct drive_sum *s = &r->sums.ptr[i];
        csv_add_field(out, s->app, ',', true);
        buf_addf(out, ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64, s->calls, s->ok, s->streams,
                 s->tries);
        for (size_t q = 0; q < ARRAY_LEN(quantiles); q++)
            buf_addf(out, ",%" PRId64, sketch_quantile(&s->first_us, quantiles[q].q));
        for (size_t q = 0; q < ARRAY_LEN(quantiles); q++)
            buf_addf(out, ",%" PRId64, sketch_quantile(&s->total_us, quantiles[q].q));
        buf_add_text(out, "\n");
    }
}

static void add_json_quantiles(const char *key, const struct sketch *s, struct buf *out)
{
    json_add_key(out, key);
    buf_add_byte(out, '{');
    json_add_int(out, "count", (int64_t)s->total);
    for (size_t q = 0; s->total && q < ARRAY_LEN(quantiles); q++)
        json_add_int(out, quantiles[q].name, sketch_quantile(s, quantiles[q].q));
    if (s->total)
        json_add_int(out, "max", sketch_quantile(s, 1));
    buf_add_byte(out, '}');
}

static void add_json_sum(const struct drive_sum *s, bool is_whole, struct buf *out)
{
    static const char *const statuses[] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };

    buf_add_byte(out, '{');
    if (!is_whole)
        json_add_str(out, "app", s->app.ptr ? s->app : STR(""));
    json_add_int(out, "calls", (int64_t)s->calls);
    json_add_int(out, "ok", (int64_t)s->ok);
    json_add_int(out, "streams", (int64_t)s->streams);
    json_add_int(out, "tries", (int64_t)s->tries);
    json_add_key(out, "ends");
    buf_add_byte(out, '{');
    for (int i = 0; i < DRIVE_ENDS; i++)
        json_add_int(out, end_names[i], (int64_t)s->ends[i]);
    buf_add_byte(out, '}');
    json_add_key(out, "statuses");
    buf_add_byte(out, '{');
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        json_add_int(out, statuses[i], (int64_t)s->statuses[i]);
    buf_add_byte(out, '}');
    add_json_quantiles("first_token_us", &s->first_us, out);
    add_json_quantiles("total_us", &s->total_us, out);
    if (is_whole) {
        add_json_quantiles("gap_us", &s->gap_us, out);
        add_json_quantiles("schedule_lag_us", &s->lag_us, out);
    }
    buf_add_byte(out, '}');
}

void drive_print_json(const struct drive_report *r, const struct drive_options *o, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "caller", str_from(o->caller->name));
    json_add_int(out, "elapsed_us", r->elapsed_us);
    json_add_int(out, "planned_us", r->planned_us);
    json_add_bool(out, "stopped", r->was_stopped);
    json_add_bool(out, "has_verdict", !r->is_late);
    json_add_str(out, "first_token_is",
                 STR("first event with content - planned moment; of calls that went well"));
    json_add_key(out, "all");
    add_json_sum(&r->sums.ptr[0], true, out);
    json_add_key(out, "apps");
    buf_add_byte(out, '[');
    for (size_t i = 1; i < r->sums.len; i++) {
        if (i > 1)
            buf_add_byte(out, ',');
        add_json_sum(&r->sums.ptr[i], false, out);
    }
    buf_add_byte(out, ']');
    json_add_key(out, "failures");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < r->errors.len; i++) {
        const struct drive_error_count *e = &r->errors.ptr[i];
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "error_class", str_from(error_class_name(e->error)));
        json_add_int(out, "status", e->status);
        json_add_int(out, "calls", (int64_t)e->count);
        buf_add_byte(out, '}');
    }
    buf_add_text(out, "]}\n");
}

void drive_print_call(const struct drive_call *call, const struct drive_result *r, struct buf *out)
{
    const struct trace_request *request = drive_call_request(call);
    char id[UUID_TEXT_BYTES];

    buf_add_byte(out, '{');
    json_add_int(out, "number", (int64_t)drive_call_number(call));
    json_add_str(out, "replay_of", str_from(uuid_format(request->id, id)));
    json_add_str(out, "app", request->app.ptr ? request->app : STR(""));
    json_add_str(out, "model", request->model.ptr ? request->model : STR(""));
    json_add_bool(out, "stream", request->stream);
    json_add_bool(out, "ok", r->ok);
    json_add_str(out, "end", str_from(end_names[r->end]));
    json_add_int(out, "status", r->status);
    json_add_str(out, "error_class", str_from(error_class_name(r->error)));
    json_add_int(out, "tries", r->tries);
    json_add_int(out, "sent_us", r->sent_us);
    json_add_int(out, "head_us", r->head_us);
    json_add_int(out, "first_token_us", r->first_token_us);
    json_add_int(out, "end_us", r->end_us);
    json_add_int(out, "longest_gap_us", r->longest_gap_us);
    json_add_int(out, "events", (int64_t)r->events);
    json_add_int(out, "answer_bytes", (int64_t)r->answer_bytes);
    buf_add_text(out, "}\n");
}

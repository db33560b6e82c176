#include "config.h"

#include "replay/drill_print.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/table.h"
#include "replay/drive_print.h"
#include "replay/slo_print.h"

bool drill_holds(const struct drill_result *r, const struct slo *s)
{
    i128 value;

    return !drill_value(r, s, &value) || slo_holds(s, value);
}

static const char *verdict_of(const struct drill_result *r, const struct slo *s, struct buf *value)
{
    i128 n;

    if (!drill_value(r, s, &n)) {
        buf_add_byte(value, '-');
        return "not measured";
    }
    slo_add_value(s, n, value);
    return slo_holds(s, n) ? "holds" : "VIOLATED";
}

static void add_slos(const struct drill_print_in *in, struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();

    if (!in->slo_count)
        return;
    table_add_column(t, "assertion", false);
    table_add_column(t, "is", true);
    table_add_column(t, "verdict", false);
    for (size_t i = 0; i < in->slo_count; i++) {
        CLEANUP(buf_release) struct buf value = { 0 };
        const char *verdict = verdict_of(in->result, &in->slos[i], &value);
        table_add_cell(t, in->slos[i].text);
        table_add_cell(t, buf_str(&value));
        table_add_cell(t, str_from(verdict));
    }
    table_print(t, out);
    buf_add_byte(out, '\n');
}

static void us_cell(struct table *t, int64_t us)
{
    if (us < 0)
        table_add_cell(t, STR("-"));
    else
        table_add_cellf(t, "%" PRId64 ".%03" PRId64 " s", us / 1000000, us % 1000000 / 1000);
}

static void add_upstreams(const struct drill_result *r, struct buf *out)
{
    CLEANUP(table_free) struct table *t = table_new();

    table_add_column(t, "stand-in", false);
    table_add_column(t, "attempts", true);
    table_add_column(t, "answered", true);
    table_add_column(t, "struck", true);
    table_add_column(t, "first fault", true);
    table_add_column(t, "another answers", true);
    table_add_column(t, "last fault", true);
    table_add_column(t, "well again", true);
    for (size_t i = 0; i < r->upstreams.len; i++) {
        const struct drill_upstream *u = &r->upstreams.ptr[i];
        table_add_cell(t, u->name);
        table_add_cellf(t, "%" PRIu64, u->attempts);
        table_add_cellf(t, "%" PRIu64, u->answered);
        table_add_cellf(t, "%" PRIu64, u->struck);
        us_cell(t, u->first_struck_us);
        us_cell(t, u->elsewhere_us);
        us_cell(t, u->last_struck_us);
        us_cell(t, u->good_again_us);
    }
    table_print(t, out);
    uint64_t calls = r->report.sums.ptr[0].calls;
    if (r->is_uncounted)
        buf_addf(out,
                 "%" PRIu64 " attempts seen for %" PRIu64 " calls, and those not that were refused "
                 "while nothing listened\n\n",
                 r->attempts, calls);
    else
        buf_addf(out, "%" PRIu64 " attempts for %" PRIu64 " calls: %.3f for each\n\n", r->attempts,
                 calls, calls ? (double)r->attempts / (double)calls : 0);
}

void drill_print_text(const struct drill_print_in *in, struct buf *out)
{
    add_slos(in, out);
    add_upstreams(in->result, out);
    if (in->fidelity)
        fidelity_print_text(in->fidelity, out);
    drive_print_text(&in->result->report, &in->options->drive, out);
}

static void add_json_span(const char *key, int64_t us, struct buf *out)
{
    if (us >= 0)
        json_add_int(out, key, us);
}

static void add_json_longest(const char *key, const struct drill_result *r, enum incident_span span,
                             struct buf *out)
{
    int64_t us;

    if (incidents_longest(&r->incidents, span, r->last_us, &us))
        add_json_span(key, us, out);
}

static void add_json_slos(const struct drill_print_in *in, struct buf *out)
{
    json_add_key(out, "assertions");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < in->slo_count; i++) {
        const struct slo *s = &in->slos[i];
        CLEANUP(buf_release) struct buf value = { 0 };
        i128 n;
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "assertion", s->text);
        if (drill_value(in->result, s, &n)) {
            slo_add_value(s, n, &value);
            json_add_str(out, "is", buf_str(&value));
        }
        json_add_bool(out, "holds", drill_holds(in->result, s));
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
}

void drill_print_json(const struct drill_print_in *in, struct buf *out)
{
    const struct drill_result *r = in->result;

    buf_add_byte(out, '{');
    add_json_slos(in, out);
    json_add_int(out, "attempts", (int64_t)r->attempts);
    json_add_bool(out, "attempts_are_all", !r->is_uncounted);
    add_json_longest("failover_us", r, INCIDENT_FAILOVER, out);
    add_json_longest("restored_us", r, INCIDENT_RESTORED, out);
    add_json_longest("recovery_us", r, INCIDENT_RECOVERY, out);
    json_add_key(out, "stand_ins");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < r->upstreams.len; i++) {
        const struct drill_upstream *u = &r->upstreams.ptr[i];
        buf_add_text(out, i ? ",{" : "{");
        json_add_str(out, "name", u->name);
        json_add_int(out, "attempts", (int64_t)u->attempts);
        json_add_int(out, "answered", (int64_t)u->answered);
        json_add_int(out, "struck", (int64_t)u->struck);
        add_json_span("first_struck_us", u->first_struck_us, out);
        add_json_span("elsewhere_us", u->elsewhere_us, out);
        add_json_span("last_struck_us", u->last_struck_us, out);
        add_json_span("good_again_us", u->good_again_us, out);
        buf_add_byte(out, '}');
    }
    buf_add_byte(out, ']');
    if (in->fidelity)
        fidelity_print_json(in->fidelity, out);
    json_add_key(out, "calls");
    drive_print_json(&r->report, &in->options->drive, out);
    out->len--; /* its line end */
    buf_add_text(out, "}\n");
}

static bool value_of(const void *ctx, const struct slo *s, i128 *ret)
{
    return drill_value(ctx, s, ret);
}

void drill_print_junit(const struct drill_print_in *in, struct buf *out)
{
    struct slo_suite suite = {
        .name = STR("weir replay drill"),
        .slos = in->slos,
        .count = in->slo_count,
        .value = value_of,
        .ctx = in->result,
    };

    slo_junit(&suite, 1, out);
}

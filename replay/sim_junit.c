/* Assertions as JUnit's XML, which every CI system reads. */
#include "config.h"

#include "replay/sim_report.h"

static void add_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '&')
            buf_add_text(out, "&amp;");
        else if (c == '<')
            buf_add_text(out, "&lt;");
        else if (c == '>')
            buf_add_text(out, "&gt;");
        else if (c == '"')
            buf_add_text(out, "&quot;");
        else
            buf_add_byte(out, c < ' ' || c == 0x7f ? ' ' : (char)c);
    }
}

static void add_attribute(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, " %s=\"", name);
    add_escaped(out, value);
    buf_add_byte(out, '"');
}

static void add_value(const struct slo *s, i128 value, struct buf *out)
{
    const struct document d = { .usd_digits = 6 };
    const struct cell cell = { .kind = slo_kind(s), .n = value };

    if (value == PLAN_FOREVER)
        buf_add_text(out, "never");
    else
        cell_format(&d, &cell, out);
}

static void add_case(const struct sim_report_run *run, const struct slo *s, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    i128 value;
    bool applies = sim_report_value(run->result, s, &value);

    buf_add_text(out, "<testcase");
    add_attribute(out, "classname", run->name);
    add_attribute(out, "name", s->text);
    if (!applies) {
        buf_add_text(out, "><skipped message=\"does not apply\"/></testcase>\n");
        return;
    }
    if (slo_holds(s, value)) {
        buf_add_text(out, "/>\n");
        return;
    }
    buf_add_text(&text, "it is ");
    add_value(s, value, &text);
    buf_add_text(out, "><failure");
    add_attribute(out, "message", buf_str(&text));
    buf_add_text(out, "/></testcase>\n");
}

void sim_report_junit(const struct sim_report_in *in, struct buf *out)
{
    for (size_t run = 0; run < in->run_count; run++) {
        size_t failed = 0;
        if (run == 0)
            buf_add_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
        for (size_t i = 0; i < in->slo_count; i++)
            failed += !sim_report_holds(in->runs[run].result, &in->slos[i]);
        buf_add_text(out, "<testsuite");
        add_attribute(out, "name", in->runs[run].name);
        buf_addf(out, " tests=\"%zu\" failures=\"%zu\">\n", in->slo_count, failed);
        for (size_t i = 0; i < in->slo_count; i++)
            add_case(&in->runs[run], &in->slos[i], out);
        buf_add_text(out, "</testsuite>\n");
    }
    buf_add_text(out, "</testsuites>\n");
}

#include "config.h"

#include "replay/slo_print.h"

#include "base/page.h"
#include "policy/plan.h"

void slo_add_value(const struct slo *s, i128 value, struct buf *out)
{
    const struct document d = { .usd_digits = 6 };
    const struct cell cell = { .kind = slo_kind(s), .n = value };

    if (value == PLAN_FOREVER)
        buf_add_text(out, "never");
    else
        cell_format(&d, &cell, out);
}

static void add_attribute(struct buf *out, const char *name, struct str value)
{
    buf_addf(out, " %s=\"", name);
    page_escape(value, out);
    buf_add_byte(out, '"');
}

static void add_case(const struct slo_suite *suite, const struct slo *s, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    i128 value;
    bool applies = suite->value(suite->ctx, s, &value);

    buf_add_text(out, "<testcase");
    add_attribute(out, "classname", suite->name);
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
    slo_add_value(s, value, &text);
    buf_add_text(out, "><failure");
    add_attribute(out, "message", buf_str(&text));
    buf_add_text(out, "/></testcase>\n");
}

static void add_suite(const struct slo_suite *suite, struct buf *out)
{
    size_t failed = 0;
    i128 value;

    for (size_t i = 0; i < suite->count; i++)
        failed +=
            suite->value(suite->ctx, &suite->slos[i], &value) && !slo_holds(&suite->slos[i], value);
    buf_add_text(out, "<testsuite");
    add_attribute(out, "name", suite->name);
    buf_addf(out, " tests=\"%zu\" failures=\"%zu\">\n", suite->count, failed);
    for (size_t i = 0; i < suite->count; i++)
        add_case(suite, &suite->slos[i], out);
    buf_add_text(out, "</testsuite>\n");
}

void slo_junit(const struct slo_suite *suites, size_t count, struct buf *out)
{
    buf_add_text(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (size_t i = 0; i < count; i++)
        add_suite(&suites[i], out);
    buf_add_text(out, "</testsuites>\n");
}

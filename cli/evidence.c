#include "config.h"

#include "cli/evidence.h"

#include <string.h>

#include "base/document_print.h"
#include "base/page.h"

#define GNUPLOT "gnuplot"

const char *const evidence_formats[] = { "text", "html", "json", "csv", NULL };

void evidence_print(const struct invocation *inv, const struct document *d)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    const char *format = invocation_has(inv, "format") ? invocation_get(inv, "format") : "text";
    struct err no_charts;

    if (strcmp(format, "json") == 0)
        document_print_json(d, &out);
    else if (strcmp(format, "csv") == 0)
        document_print_csv(d, &out);
    else if (strcmp(format, "html") != 0)
        document_print_text(d, &out);
    else if (page_print(d, GNUPLOT, &out, &no_charts) < 0)
        cli_note(inv, "the page has no charts, only their tables: %s", no_charts.text);
    cli_out(buf_str(&out));
}

static int keep_one(struct rollout *r, const struct evidence *e, struct str plan, struct err *err)
{
    CLEANUP(buf_release) struct buf json = { 0 };
    struct rollout_entry entry = e->entry;
    char sha[ROLLOUT_SHA_BYTES];

    document_print_json(e->document, &json);
    if (rollout_put_blob(r, buf_str(&json), sha, err) < 0)
        return -1;
    entry.evidence = str_from(sha);
    entry.plan = plan;
    return rollout_append(r, &entry, err);
}

int evidence_keep(const struct migration *m, const struct evidence *list, size_t count,
                  struct err *err)
{
    CLEANUP(rollout_close) struct rollout *r = NULL;
    char plan[ROLLOUT_SHA_BYTES];

    if (rollout_open(m->programme->rollout.ptr, ROLLOUT_WRITE, str_from(m->actor), m->now_us, &r,
                     err) < 0 ||
        rollout_put_blob(r, m->programme->bytes, plan, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (keep_one(r, &list[i], str_from(plan), err) < 0)
            return -1;
    return 0;
}

#include "config.h"

#include "cli/evidence.h"

#include <string.h>

#include "base/document_print.h"
#include "base/page.h"
#include "base/timestamp.h"
#include "cli/stepping.h"

#define LOCK_WAIT_US (60 * US_PER_SECOND)
#define GNUPLOT      "gnuplot"

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

static int keep_one(const struct step_context *c, const struct evidence *e, struct err *err)
{
    CLEANUP(buf_release) struct buf json = { 0 };
    struct rollout_entry entry = e->entry;
    char sha[ROLLOUT_SHA_BYTES];

    document_print_json(e->document, &json);
    if (rollout_put_blob(c->rollout, buf_str(&json), sha, err) < 0)
        return -1;
    entry.evidence = str_from(sha);
    entry.plan = c->programme->sha;
    return step_note(c, &entry, err);
}

int evidence_keep(const struct migration *m, const struct evidence *list, size_t count,
                  struct err *err)
{
    struct step_context c = { .programme = m->programme, .wait = migration_wait() };
    struct rollout *r;
    int result = 0;

    /* What took hours to find out is not lost because a watch looks at this moment. */
    if (stepping_open_rollout(m, LOCK_WAIT_US, &r, err) < 0)
        return -1;
    CLEANUP(notify_free) struct notify *n = notify_new(m->programme, r);
    c.rollout = r;
    c.wall_us = clock_now_us();
    c.began_us = c.wait.now_us(c.wait.ctx);
    c.told = notify_told;
    c.told_ctx = n;
    for (size_t i = 0; result == 0 && i < count; i++)
        result = keep_one(&c, &list[i], err);
    rollout_close(r);
    stepping_tell(m, n, &c);
    return result;
}

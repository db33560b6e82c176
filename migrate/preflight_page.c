/* preflight_page - a preflight as a document. */
#include "config.h"

#include <inttypes.h>

#include "base/timestamp.h"
#include "migrate/preflight.h"

#define EXAMPLE_BYTES_MAX 160 /* of what two answers differ in */
#define EXAMPLE_BEFORE    24  /* of what they have in common before that */
#define EXAMPLES          2

enum { DIRECT, GATEWAY };

static void add_findings(const struct preflight *p, struct document *d)
{
    static const struct column_def columns[] = {
        {"is",    "",     false},
        { "what", "what", false},
    };

    document_section(d, "findings", p->failures ? "What has to be mended first" : "Findings");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < p->findings.len; i++) {
        document_text(d, p->findings.ptr[i].is_failure ? STR("failure") : STR("remark"));
        document_text(d, p->findings.ptr[i].what);
    }
    if (!p->findings.len)
        document_note(d, "Nothing that a caller could notice.");
}

static void add_side(struct str text, size_t from, struct document *d)
{
    struct str part = str_sub(text, from, EXAMPLE_BYTES_MAX);

    document_note(d, "  %s%.*s%s", from ? "..." : "", STR_ARG(part),
                  from + part.len < text.len ? "..." : "");
}

/* From a little before the first byte that differs. */
static void add_examples(const struct diff_count *c, const char *name, struct document *d)
{
    for (size_t i = 0; i < c->examples.len && i < EXAMPLES; i++) {
        const struct diff_example *e = &c->examples.ptr[i];
        struct str a = str_from(e->base), b = str_from(e->other);
        size_t from = 0;
        while (from < a.len && from < b.len && a.ptr[from] == b.ptr[from])
            from++;
        from = from > EXAMPLE_BEFORE ? from - EXAMPLE_BEFORE : 0;
        document_note(d, "%s of %s, recorded and through the gateway:", name, e->id_base);
        add_side(a, from, d);
        add_side(b, from, d);
    }
}

static void add_answers(const struct preflight *p, struct document *d)
{
    static const struct column_def columns[] = {
        {"aspect",          "aspect",             false},
        { "compared",       "compared",           true },
        { "differ",         "differ",             true },
        { "noise_compared", "directly once more", true },
        { "noise_differ",   "differ",             true },
        { "verdict",        "verdict",            false},
    };
    const struct diff *diff = &p->passage.diff;

    document_section(d, "answers", "What callers get, beside the recording");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (int i = 0; i < DIFF_ASPECT_COUNT; i++) {
        const struct diff_count *c = &diff->counts[i];
        bool differs = preflight_differs(diff, (enum diff_aspect)i);
        document_text(d, str_from(diff_aspect_names[i]));
        document_number(d, CELL_COUNT, (i128)c->compared);
        document_number(d, CELL_COUNT, (i128)c->differ);
        document_number(d, CELL_COUNT, (i128)c->noise_compared);
        document_number(d, CELL_COUNT, (i128)c->noise_differ);
        document_text(d, differs        ? STR("differs")
                         : !c->compared ? STR("not compared")
                         : c->differ    ? STR("noise")
                                        : STR("same"));
    }
    for (int i = 0; i < DIFF_ASPECT_COUNT; i++)
        if (preflight_differs(diff, (enum diff_aspect)i))
            add_examples(&diff->counts[i], diff_aspect_names[i], d);
}

static void add_requests(const struct preflight *p, struct document *d)
{
    static const struct column_def columns[] = {
        {"member",   "member",            false},
        { "change",  "on its way",        false},
        { "calls",   "calls",             true },
        { "sent",    "sent",              false},
        { "arrived", "reaches providers", false},
    };

    document_section(d, "requests", "What becomes of requests on their way");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < p->passage.deltas.len; i++) {
        const struct passage_delta *e = &p->passage.deltas.ptr[i];
        document_text(d, e->what);
        document_text(d, str_from(passage_change_name(e->change)));
        document_number(d, CELL_COUNT, (i128)e->calls);
        document_text(d, e->sent);
        document_text(d, e->got);
    }
    document_note(d, "%" PRIu64 " requests were compared member by member%s.", p->passage.compared,
                  p->passage.deltas.len ? "" : ": they arrive as they were sent");
}

static void add_quantile(struct document *d, const struct sketch *s, double q)
{
    int64_t us = sketch_quantile(s, q);

    if (us < 0)
        document_none(d);
    else
        document_number(d, CELL_US, us);
}

static void add_way(struct document *d, const char *way, const char *when)
{
    document_text(d, str_from(way));
    document_text(d, str_from(when));
}

static void add_drill(struct document *d, const char *way, const char *when,
                      const struct drill_result *r)
{
    const struct drive_sum *s = &r->report.sums.ptr[0];

    add_way(d, way, when);
    document_number(d, CELL_COUNT, (i128)s->calls);
    document_number(d, CELL_COUNT, (i128)s->ok);
    document_share(d, (i128)s->ok, (i128)s->calls);
    document_number(d, CELL_COUNT, (i128)r->attempts);
    add_quantile(d, &s->total_us, 0.5);
    add_quantile(d, &s->total_us, 0.95);
}

static void add_runs(const struct preflight *p, struct document *d)
{
    static const struct column_def columns[] = {
        {"way",           "way",       false},
        { "when",         "providers", false},
        { "calls",        "calls",     true },
        { "ok",           "went well", true },
        { "share",        "share",     true },
        { "attempts",     "asked",     true },
        { "total_p50_us", "total p50", true },
        { "total_p95_us", "total p95", true },
    };
    static const char *const ways[] = { "directly", "through the gateway" };

    document_section(d, "runs", "Calls that were made");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (int i = 0; i < 2; i++) {
        add_way(d, ways[i], "as recorded");
        document_number(d, CELL_COUNT, (i128)p->passage.calls);
        document_number(d, CELL_COUNT, (i128)p->passage.ok[i]);
        document_share(d, (i128)p->passage.ok[i], (i128)p->passage.calls);
        document_number(d, CELL_COUNT, (i128)p->passage.attempts[i]);
        add_quantile(d, &p->passage.total_us[i], 0.5);
        add_quantile(d, &p->passage.total_us[i], 0.95);
    }
    if (p->has_drills) {
        add_drill(d, ways[GATEWAY], "as recorded, twice the peak", &p->load);
        for (int i = 0; i < 2; i++)
            add_drill(d, ways[i], "failing", &p->drills[i]);
    }
    if (!p->has_drills)
        return;
    document_note(d,
                  "The busiest ten seconds on record have %.1f calls a second; twice that, and at "
                  "least %d, were %.1f. Stand-ins answer at once: times are those of the way.",
                  p->peak, PREFLIGHT_LOAD_LEAST, p->rate);
    document_note(d, "Of calls that went well. The provider fails as %s%.*s.",
                  p->scenario.len ? "the scenario says: "
                                  : "usual: a third of the attempts for a second, then half are "
                                    "turned away for another",
                  STR_ARG(p->scenario));
}

void preflight_build(const struct preflight_options *o, const struct preflight *p,
                     struct document *ret)
{
    char from[TIMESTAMP_TEXT_BYTES], to[TIMESTAMP_TEXT_BYTES];
    CLEANUP(buf_release) struct buf text = { 0 };

    *ret = (struct document){ .format = STR("weir-preflight/1") };
    document_fact(ret, "app", o->app->name);
    document_fact(ret, "verdict", p->failures ? STR("fail") : STR("pass"));
    document_fact(ret, "plan", o->programme->sha);
    document_fact(ret, "path", p->target);
    buf_addf(&text, "%.3f", p->peak);
    document_fact(ret, "peak_per_s", buf_str(&text));
    buf_clear(&text);
    bool is_loaded = p->has_drills && !p->load.report.is_late;
    buf_addf(&text, "%.3f", is_loaded ? p->rate : 0);
    document_fact(ret, "load_per_s", buf_str(&text));
    buf_clear(&text);
    document_fact(ret, "scenario",
                  !p->has_drills    ? STR("none")
                  : p->scenario.len ? p->scenario
                                    : STR("usual"));
    document_fact(ret, "recorded_from", str_from(timestamp_format(p->from_us, from)));
    document_fact(ret, "recorded_to", str_from(timestamp_format(p->to_us, to)));
    buf_addf(&text, "Preflight of %.*s: %s", STR_ARG(o->app->name), p->failures ? "FAIL" : "pass");
    ret->title = arena_str(&ret->arena, buf_str(&text));
    buf_clear(&text);
    buf_addf(&text, "%zu of its %" PRIu64 " recorded calls, of %zu kinds, from %s to %s.", p->calls,
             p->seen, p->kinds, from, to);
    ret->subtitle = arena_str(&ret->arena, buf_str(&text));
    buf_addf(&text, " Plan %.12s.", o->programme->sha.ptr);
    ret->ending = ret->page_ending = arena_str(&ret->arena, buf_str(&text));
    add_findings(p, ret);
    add_runs(p, ret);
    add_answers(p, ret);
    add_requests(p, ret);
}

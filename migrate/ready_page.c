/* ready_page - what the checks of readiness found, as a document of one page. */
#include "config.h"

#include "base/timestamp.h"
#include "migrate/ready.h"

static const struct {
    const char *what;
    enum ready_question question;
} checks[READY_CHECK_COUNT] = {
#define X(constant, id, question, what) { what, READY_##question },
    READY_CHECKS(X)
#undef X
};

static const struct {
    const char *word, *text;
} questions[READY_QUESTION_COUNT] = {
#define X(constant, word, text) { word, text },
    READY_QUESTIONS(X)
#undef X
};

/* --- the five questions --- */

struct tally {
    size_t results[READY_PASS + 1];
};

static void count(const struct ready_app *a, enum ready_question question, struct tally *t)
{
    for (int c = 0; c < READY_CHECK_COUNT; c++)
        if (checks[c].question == question)
            t->results[a->results[c]]++;
}

static const char *answer(const struct tally *t)
{
    if (t->results[READY_FAIL])
        return "no";
    return t->results[READY_UNKNOWN] ? "not known" : "yes";
}

static void add_questions(const struct ready *r, size_t from, size_t to, struct document *d)
{
    static const struct column_def columns[] = {
        {"question", "about",   false},
        { "text",    "",        false},
        { "answer",  "answer",  false},
        { "pass",    "pass",    true },
        { "fail",    "fail",    true },
        { "unknown", "unknown", true },
    };

    document_section(d, "questions", "The five questions");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (int q = 0; q < READY_QUESTION_COUNT; q++) {
        struct tally t = { 0 };
        for (size_t i = from; i < to; i++)
            count(&r->apps[i], (enum ready_question)q, &t);
        document_text(d, str_from(questions[q].word));
        document_text(d, str_from(questions[q].text));
        document_text(d, str_from(answer(&t)));
        document_number(d, CELL_COUNT, (i128)t.results[READY_PASS]);
        document_number(d, CELL_COUNT, (i128)t.results[READY_FAIL]);
        document_number(d, CELL_COUNT, (i128)t.results[READY_UNKNOWN]);
    }
}

/* --- one application --- */

static void add_checks(const struct ready_app *a, struct document *d)
{
    static const struct column_def columns[] = {
        {"check",     "check",    false},
        { "question", "about",    false},
        { "what",     "what",     false},
        { "result",   "result",   false},
        { "needed",   "needed",   false},
        { "evidence", "evidence", false},
    };

    document_section(d, "checks", "Checks");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (int c = 0; c < READY_CHECK_COUNT; c++) {
        document_text(d, str_from(ready_check_id((enum ready_check)c)));
        document_text(d, str_from(questions[checks[c].question].word));
        document_text(d, str_from(checks[c].what));
        document_text(d, str_from(ready_result_name(a->results[c])));
        document_text(d, a->needed & 1u << c ? STR("yes") : STR("no"));
        document_text(d, a->why[c]);
    }
}

/* --- all --- */

static void add_matrix(const struct ready *r, struct document *d)
{
    document_section(d, "apps", "Applications");
    document_column(d, STR("app"), STR("app"), false);
    document_column(d, STR("owner"), STR("owner"), false);
    for (int c = 0; c < READY_CHECK_COUNT; c++) {
        struct str id = str_from(ready_check_id((enum ready_check)c));
        document_column(d, id, id, false);
    }
    document_column(d, STR("missing"), STR("missing"), true);
    for (size_t i = 0; i < r->in->app_count; i++) {
        const struct ready_app *a = &r->apps[i];
        document_text(d, a->app->app->name);
        document_text(d, a->app->app->owner);
        for (int c = 0; c < READY_CHECK_COUNT; c++)
            document_text(d, str_from(ready_result_name(a->results[c])));
        document_number(d, CELL_COUNT, (i128)a->missing);
    }
    document_note(d, "Missing: of the checks that the plan asks for, how many did not pass.");
}

static void add_missing(const struct ready *r, struct document *d)
{
    static const struct column_def columns[] = {
        {"app",       "app",      false},
        { "check",    "check",    false},
        { "result",   "result",   false},
        { "evidence", "evidence", false},
    };

    document_section(d, "missing", "What is missing");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < r->in->app_count; i++) {
        const struct ready_app *a = &r->apps[i];
        for (int c = 0; c < READY_CHECK_COUNT; c++) {
            if (!(a->needed & 1u << c) || a->results[c] == READY_PASS)
                continue;
            document_text(d, a->app->app->name);
            document_text(d, str_from(ready_check_id((enum ready_check)c)));
            document_text(d, str_from(ready_result_name(a->results[c])));
            document_text(d, a->why[c]);
        }
    }
    if (!r->missing)
        document_note(d, "Nothing.");
}

static void add_legend(struct document *d)
{
    static const struct column_def columns[] = {
        {"check",     "check", false},
        { "question", "about", false},
        { "what",     "what",  false},
    };

    document_section(d, "legend", "What the checks say");
    document_columns(d, columns, ARRAY_LEN(columns));
    for (int c = 0; c < READY_CHECK_COUNT; c++) {
        document_text(d, str_from(ready_check_id((enum ready_check)c)));
        document_text(d, str_from(questions[checks[c].question].word));
        document_text(d, str_from(checks[c].what));
    }
}

static void add_head(const struct ready *r, const struct ready_app *one, struct document *d)
{
    const struct programme *p = r->in->portfolio->programme;
    CLEANUP(buf_release) struct buf text = { 0 };
    char at[TIMESTAMP_TEXT_BYTES];
    size_t missing = one ? one->missing : r->missing;

    timestamp_format(r->in->now_us, at);
    d->format = STR("weir-ready/1");
    document_fact(d, "programme", p->name);
    if (one)
        document_fact(d, "app", one->app->app->name);
    document_fact(d, "verdict", missing ? STR("not ready") : STR("ready"));
    document_fact(d, "at", str_from(at));
    document_fact(d, "plan", p->sha);
    buf_addf(&text, "Readiness of %.*s: %s", STR_ARG(one ? one->app->app->name : p->name),
             missing ? "NOT READY" : "ready");
    d->title = arena_str(&d->arena, buf_str(&text));
    buf_clear(&text);
    if (one)
        buf_addf(&text, "%zu needed check%s did not pass.", missing, missing == 1 ? "" : "s");
    else
        buf_addf(&text, "%zu application%s, %zu needed check%s did not pass.", r->in->app_count,
                 r->in->app_count == 1 ? "" : "s", missing, missing == 1 ? "" : "s");
    d->subtitle = arena_str(&d->arena, buf_str(&text));
    buf_addf(&text, " At %s, plan %.12s.", at, p->sha.ptr);
    d->ending = d->page_ending = arena_str(&d->arena, buf_str(&text));
}

void ready_build(const struct ready *r, size_t index, struct document *ret)
{
    const struct ready_app *one = index == SIZE_MAX ? NULL : &r->apps[index];

    *ret = (struct document){ 0 };
    add_head(r, one, ret);
    if (one) {
        add_questions(r, index, index + 1, ret);
        add_checks(one, ret);
        return;
    }
    add_questions(r, 0, r->in->app_count, ret);
    add_matrix(r, ret);
    add_missing(r, ret);
    add_legend(ret);
}

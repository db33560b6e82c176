/* lint_sample - reads a configuration in a text and lints it, as the command does. */
#ifndef TESTS_LINT_SAMPLE_H
#define TESTS_LINT_SAMPLE_H

#include <check.h>

#include "base/buf.h"
#include "base/timestamp.h"
#include "replay/foreign.h"
#include "replay/lint.h"

struct lint_sample {
    struct foreign_file file;
    struct lint lint;
    struct plan *plan;
    struct proof proof;
    struct prove_options o;
};

static inline void lint_sample_release(struct lint_sample *s)
{
    foreign_file_release(&s->file);
    lint_release(&s->lint);
    plan_free(s->plan);
    proof_release(&s->proof);
}
DEFINE_CLEANUP_VALUE(struct lint_sample, lint_sample_release)

/* deadline_s 0 = 600. */
static inline int lint_sample_read(struct lint_sample *s, const char *text, int deadline_s,
                                   struct err *err)
{
    s->o = (struct prove_options){
        .deadline_us = (deadline_s ? deadline_s : 600) * US_PER_SECOND,
        .retry_after_us = 30 * US_PER_SECOND,
        .client = callers,
    };
    if (foreign_parse(str_from(text), "c", FOREIGN_FORMATS, &s->file, err) < 0 ||
        foreign_read(&s->file, 1, &s->lint, &s->plan, err) < 0)
        return -1;
    prove(s->plan, &s->o, &s->proof);
    lint_check(&s->lint, s->plan, &s->proof, &s->o);
    lint_sort(&s->lint);
    return 0;
}

static inline void lint_sample_open(struct lint_sample *s, const char *text, int deadline_s)
{
    struct err err = { 0 };

    ck_assert_msg(lint_sample_read(s, text, deadline_s, &err) == 0, "%s", err.text);
}

/* "12:3" of the first finding of that rule, "" if there is none. */
static inline const char *lint_sample_place(const struct lint_sample *s, const char *id,
                                            char ret[static 32])
{
    ret[0] = '\0';
    for (size_t i = 0; i < s->lint.findings.len; i++) {
        const struct lint_finding *f = &s->lint.findings.ptr[i];
        if (strcmp(lint_rules[f->rule].id, id) != 0)
            continue;
        snprintf(ret, 32, "%u:%u", f->at.line, f->at.column);
        break;
    }
    return ret;
}

#endif

/* replay_sample - a library of exchanges that a test writes as lines of weir-exchanges(5). */
#ifndef TESTS_REPLAY_SAMPLE_H
#define TESTS_REPLAY_SAMPLE_H

#include <check.h>

#include "base/file.h"
#include "replay/library.h"
#include "replay/scratch.h"
#include "tests/temp_folder.h"

#define REPLAY_SAMPLE_NOW_US INT64_C(1790899140000000)

struct replay_sample {
    struct scratch *scratch;
    struct library *library;
};

/* Needs temp_folder_make before it. */
static inline void replay_sample_open(struct replay_sample *s, const char *lines)
{
    const char *path = temp_path("exchanges.jsonl");
    const char *const files[] = { path, NULL };
    struct err err;

    ck_assert_msg(file_replace(path, str_from(lines), 0600, &err) == 0, "%s", err.text);
    ck_assert_msg(scratch_open(temp_folder, files, REPLAY_SAMPLE_NOW_US, &s->scratch, &err) == 0,
                  "%s", err.text);
    s->library = library_new();
    ck_assert_msg(library_add(s->library, scratch_archive(s->scratch), &err) == 0, "%s", err.text);
}

static inline void replay_sample_close(struct replay_sample *s)
{
    library_free(s->library);
    scratch_close(s->scratch);
    *s = (struct replay_sample){ 0 };
}

#endif

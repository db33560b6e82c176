/* A hint helps when it is what was meant, and misleads when it is anything else. */
#include "config.h"

#include "base/nearest.h"

#include <string.h>

#include "base/mem.h"
#include "tests/check_main.h"

static const char *const names[] = { "archive", "format", "from", "to", "by", "where", NULL };

static const struct row {
    const char *word;
    const char *meant; /* NULL = no hint */
} rows[] = {
    {"archiv",    "archive"},
    { "arhcive",  "archive"},
    { "archivee", "archive"},
    { "forma",    "format" },
    { "form",     "format" }, /* "from" is as near: the first one stays */
    { "frm",      "from"   },
    { "wher",     "where"  },
    { "tp",       "to"     },
    { "archive",  "archive"},
    { "verbose",  NULL     },
    { "xyz",      NULL     },
    { "",         NULL     },
};

/* Loop test: _i is the row. */
START_TEST(a_mistyped_name_is_told_what_was_meant)
{
    const struct row *row = &rows[_i];
    const char *got = nearest_of(str_from(row->word), names);

    if (row->meant)
        ck_assert_msg(got && strcmp(got, row->meant) == 0, "'%s' gives %s", row->word, got);
    else
        ck_assert_msg(!got, "'%s' gives %s", row->word, got);
}
END_TEST

START_TEST(a_word_too_long_to_be_compared_gets_no_hint)
{
    char word[NEAREST_WORD_BYTES_MAX + 2];

    memset(word, 'a', sizeof(word));
    ck_assert_ptr_null(nearest_of((struct str){ word, sizeof(word) - 1 }, names));
    const char *const long_names[] = { word, NULL };
    word[sizeof(word) - 1] = '\0';
    ck_assert_ptr_null(nearest_of(STR("aaa"), long_names));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_mistyped_name_is_told_what_was_meant, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, a_word_too_long_to_be_compared_gets_no_hint);
}
CHECK_MAIN("base/nearest", add_tests)

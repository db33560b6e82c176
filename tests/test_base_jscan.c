#include "config.h"

#include "base/jscan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "tests/check_main.h"

static const char usage_body[] =
    "{ \"id\" : \"x\\\"}\", \"choices\":[{\"text\":\"a ] } \\\\\"},[],{}],\n"
    "\"usage\":{\"prompt_tokens\":12,\"details\":{\"cached\":3},\"completion_tokens\":7},\"n\":"
    "null}";

START_TEST(a_walk_finds_the_members_it_wants_and_skips_the_rest)
{
    struct jscan s;
    struct str key;
    int64_t prompt = 0, completion = 0;

    jscan_init(&s, str_from(usage_body));
    ck_assert(jscan_enter_object(&s));
    while (jscan_next_member(&s, &key)) {
        if (!str_eq(key, STR("usage")))
            continue; /* not consumed: skipped for us */
        ck_assert(jscan_enter_object(&s));
        while (jscan_next_member(&s, &key)) {
            if (str_eq(key, STR("prompt_tokens")))
                ck_assert(jscan_int(&s, &prompt));
            else if (str_eq(key, STR("completion_tokens")))
                ck_assert(jscan_int(&s, &completion));
        }
    }
    ck_assert(!s.failed);
    ck_assert(jscan_at_end(&s));
    ck_assert_int_eq(prompt, 12);
    ck_assert_int_eq(completion, 7);
}
END_TEST

START_TEST(leaving_a_container_early_goes_on_after_its_bracket)
{
    struct jscan s;
    struct str key;
    int64_t value;

    jscan_init(&s, STR("[{\"a\":1,\"b\":[\"]}\",{\"c\":2}]},5]"));
    ck_assert(jscan_enter_array(&s));
    ck_assert(jscan_next_element(&s));
    ck_assert(jscan_enter_object(&s));
    ck_assert(jscan_next_member(&s, &key));
    jscan_leave(&s); /* before the value of a */
    ck_assert(jscan_next_element(&s));
    ck_assert(jscan_int(&s, &value));
    ck_assert_int_eq(value, 5);
    ck_assert(!jscan_next_element(&s));
    ck_assert(jscan_at_end(&s));
}
END_TEST

START_TEST(a_value_of_another_type_is_refused_and_left_where_it_is)
{
    struct jscan s;
    struct str text;
    bool flag;

    jscan_init(&s, STR(" \"text\" "));
    ck_assert(!jscan_enter_object(&s));
    ck_assert(!jscan_enter_array(&s));
    ck_assert(!jscan_number(&s, &text));
    ck_assert(!jscan_bool(&s, &flag));
    ck_assert(!s.failed);
    ck_assert_int_eq(jscan_peek(&s), JSCAN_STRING);
    ck_assert(jscan_string_raw(&s, &text, NULL));
    ck_assert(str_eq(text, STR("text")));
    ck_assert(jscan_at_end(&s));
}
END_TEST

START_TEST(several_texts_in_a_row_are_read_one_after_another)
{
    struct jscan s;

    jscan_init(&s, STR("\xef\xbb\xbf{\"a\":[1]}\n[2]\r\n\t3 "));
    ck_assert(str_eq(jscan_skip_raw(&s), STR("{\"a\":[1]}")));
    ck_assert(str_eq(jscan_skip_raw(&s), STR("[2]")));
    ck_assert(str_eq(jscan_skip_raw(&s), STR("3")));
    ck_assert(jscan_at_end(&s));
    ck_assert_int_eq(jscan_peek(&s), JSCAN_END);
    ck_assert(!s.failed);
    jscan_skip(&s); /* there is nothing to skip */
    ck_assert(s.failed);
}
END_TEST

/* --- numbers --- */

struct int_row {
    const char *text;
    bool ok;
    int64_t value;
};

static const struct int_row int_rows[] = {
    {"0",                     true,  0        },
    { "-0",                   true,  0        },
    { "9223372036854775807",  true,  INT64_MAX},
    { "-9223372036854775808", true,  INT64_MIN},
    { "9223372036854775808",  false, 0        },
    { "12.0",                 true,  12       },
    { "1.2e1",                true,  12       },
    { "1200E-2",              true,  12       },
    { "12.5",                 false, 0        },
    { "1e-1",                 false, 0        },
    { "1e400",                false, 0        },
    { "1e30",                 false, 0        },
    { "0e99999999999",        true,  0        },
    { "true",                 false, 0        },
    { "null",                 false, 0        },
    { "\"12\"",               false, 0        },
    { "{\"a\":[]}",           false, 0        },
};

START_TEST(an_integer_is_read_in_any_spelling_or_passed_over)
{
    const struct int_row *row = &int_rows[_i];
    struct jscan s;
    int64_t value = -77;

    jscan_init(&s, str_from(row->text));
    ck_assert_msg(jscan_int(&s, &value) == row->ok, "%s", row->text);
    ck_assert_msg(!row->ok || value == row->value, "%s gives %" PRId64, row->text, value);
    ck_assert_msg(row->ok || value == -77, "%s changes the result", row->text);
    ck_assert_msg(jscan_at_end(&s), "%s is not consumed", row->text);
}
END_TEST

/* --- damage --- */

struct bad_row {
    const char *text;
    size_t failed_at;
};

static const struct bad_row bad_rows[] = {
    {"{",                  1 },
    { "{\"a\"",            4 },
    { "{\"a\":",           5 },
    { "{\"a\":1",          6 },
    { "{\"a\":1,",         7 },
    { "{\"a\":1,}",        7 },
    { "{\"a\" 1}",         5 },
    { "{\"a\":1 \"b\":2}", 7 },
    { "{a:1}",             1 },
    { "{\"a\":}",          5 },
    { "{1:2}",             1 },
    { "[1,]",              3 },
    { "[1 2]",             3 },
    { "[,1]",              1 },
    { "[1}",               2 },
    { "{\"a\":[1}",        7 },
    { "{\"a\":\"b",        7 },
    { "{\"a\":\"b\\",      8 },
    { "{\"a\":\"b\\\"}",   10},
    { "[tru",              4 },
    { "[trux]",            4 },
    { "[nul",              4 },
    { "[01]",              2 },
    { "[-]",               2 },
    { "[-",                2 },
    { "[1.]",              3 },
    { "[1.e5]",            3 },
    { "[1e]",              3 },
    { "[1e+",              4 },
    { "[.5]",              1 },
    { "[+1]",              1 },
    { "<html>",            0 },
    { "[\"a\" : 1]",       5 },
};

/* Enters everything there is; the value at the cursor must be consumed afterwards. */
static void walk(struct jscan *s)
{
    struct str text;

    if (jscan_enter_object(s)) {
        while (jscan_next_member(s, &text))
            walk(s);
    } else if (jscan_enter_array(s)) {
        while (jscan_next_element(s))
            walk(s);
    } else {
        jscan_skip(s);
    }
}

START_TEST(damage_fails_at_the_byte_that_breaks_the_grammar)
{
    const struct bad_row *row = &bad_rows[_i];
    struct jscan s;
    struct str text;

    jscan_init(&s, str_from(row->text));
    walk(&s);
    ck_assert_msg(s.failed, "%s passes", row->text);
    ck_assert_msg(s.failed_at == row->failed_at, "%s fails at %zu, not %zu", row->text, s.failed_at,
                  row->failed_at);
    /* Failure sticks. */
    ck_assert_int_eq(jscan_peek(&s), JSCAN_END);
    ck_assert(!jscan_enter_object(&s) && !jscan_enter_array(&s));
    ck_assert(!jscan_next_member(&s, &text) && !jscan_next_element(&s));
    ck_assert(jscan_skip_raw(&s).len == 0);
    jscan_leave(&s);
    ck_assert(!jscan_at_end(&s));
    ck_assert_uint_eq(s.failed_at, row->failed_at);
}
END_TEST

START_TEST(asking_for_items_outside_a_container_fails)
{
    struct jscan s;
    struct str key;

    jscan_init(&s, STR("{}"));
    ck_assert(!jscan_next_member(&s, &key));
    ck_assert(s.failed);
    jscan_init(&s, STR(""));
    jscan_leave(&s);
    ck_assert(s.failed);
}
END_TEST

START_TEST(nesting_is_entered_to_a_limit_and_skipped_without_one)
{
    enum { DEPTH = JSCAN_DEPTH_MAX + 1 };
    CLEANUP(buf_release) struct buf text = { 0 };
    struct jscan s;
    int entered = 0;

    for (int i = 0; i < DEPTH; i++)
        buf_add_byte(&text, '[');
    for (int i = 0; i < DEPTH; i++)
        buf_add_byte(&text, ']');
    jscan_init(&s, buf_str(&text));
    while (jscan_enter_array(&s) && jscan_next_element(&s))
        entered++;
    ck_assert(s.failed);
    ck_assert_int_eq(entered, JSCAN_DEPTH_MAX);
    ck_assert_uint_eq(s.failed_at, JSCAN_DEPTH_MAX);

    jscan_init(&s, buf_str(&text));
    jscan_skip(&s);
    ck_assert(jscan_at_end(&s));
}
END_TEST

/* --- escapes --- */

struct escape_row {
    const char *raw, *text;
};

static const struct escape_row escape_rows[] = {
    {"",                            ""                            },
    { "plain",                      "plain"                       },
    { "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t"             },
    { "\\u0041\\u00e9\\u20AC",      "A\xc3\xa9\xe2\x82\xac"       },
    { "\\ud83d\\ude00",             "\xf0\x9f\x98\x80"            },
    { "\\uDBFF\\uDFFF",             "\xf4\x8f\xbf\xbf"            },
    { "\\ud83d",                    "\xef\xbf\xbd"                },
    { "\\ude00",                    "\xef\xbf\xbd"                },
    { "\\ud83dx",                   "\xef\xbf\xbdx"               },
    { "\\ud83d\\u0041",             "\xef\xbf\xbd"
                        "A"                },
    { "\\ud83d\\ud83d\\ude00",      "\xef\xbf\xbd\xf0\x9f\x98\x80"},
    { "\\ude00\\ud83d",             "\xef\xbf\xbd\xef\xbf\xbd"    },
    { "\\u12",                      "\\u12"                       },
    { "\\u12g4",                    "\\u12g4"                     },
    { "\\x41",                      "\\x41"                       },
    { "end\\",                      "end\\"                       },
};

START_TEST(escapes_are_undone_and_unknown_ones_kept)
{
    const struct escape_row *row = &escape_rows[_i];
    CLEANUP(buf_release) struct buf out = { 0 };

    jscan_unescape(str_from(row->raw), &out);
    ck_assert_str_eq(buf_cstr(&out), row->text);
}
END_TEST

START_TEST(a_string_says_whether_it_has_escapes)
{
    struct jscan s;
    struct str raw;
    bool escaped;

    jscan_init(&s, STR("[\"sixteen bytes and more of them\",\"sixteen bytes and \\n more\"]"));
    ck_assert(jscan_enter_array(&s) && jscan_next_element(&s));
    ck_assert(jscan_string_raw(&s, &raw, &escaped));
    ck_assert(!escaped);
    ck_assert(jscan_next_element(&s));
    ck_assert(jscan_string_raw(&s, &raw, &escaped));
    ck_assert(escaped);
}
END_TEST

/* Quotes behind runs of backslashes of every length, at every place in a block of 64. */
START_TEST(a_quote_is_escaped_by_an_odd_run_of_backslashes_wherever_it_stands)
{
    for (size_t shift = 0; shift < 130; shift++)
        for (size_t run = 0; run < 140; run++) {
            CLEANUP(buf_release) struct buf text = { 0 };
            struct jscan s;
            buf_add_text(&text, "[[\"");
            for (size_t i = 0; i < shift; i++)
                buf_add_byte(&text, 'x');
            for (size_t i = 0; i < run; i++)
                buf_add_byte(&text, '\\');
            buf_add_text(&text, "\"]");
            size_t end = text.len; /* of the inner array, if the quote ends the string */
            buf_add_text(&text, "]\"]]");
            jscan_init(&s, buf_str(&text));
            ck_assert(jscan_enter_array(&s) && jscan_next_element(&s));
            struct str raw = jscan_skip_raw(&s);
            ck_assert(!s.failed);
            ck_assert_uint_eq(raw.len + 1, run % 2 ? text.len - 1 : end);
        }
}
END_TEST

/* --- against Jansson --- */

struct random {
    uint64_t state;
};

/* xorshift64*, Vigna 2016. */
static uint64_t random_next(struct random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return r->state * UINT64_C(0x2545f4914f6cdd1d);
}

static size_t random_below(struct random *r, size_t limit)
{
    return (size_t)(random_next(r) >> 33) % limit;
}

static void add_blanks(struct random *r, struct buf *out)
{
    while (random_below(r, 4) == 0)
        buf_add_byte(out, " \t\r\n"[random_below(r, 4)]);
}

static void add_random_string(struct random *r, struct buf *out)
{
    static const char *const parts[] = {
        "a",          "bc",
        "{",          "}",
        "[",          "]",
        ",",          ":",
        "\\\"",       "\\\\",
        "\\n",        "\\/",
        "\\u0041",    "\\ud83d\\ude00",
        "\xc3\xa9",   "\xf0\x9f\x98\x80",
        "0123456789", "some longer words here ",
    };
    size_t len = random_below(r, random_below(r, 8) ? 6 : 60);

    buf_add_byte(out, '"');
    for (size_t i = 0; i < len; i++)
        buf_add_text(out, parts[random_below(r, ARRAY_LEN(parts))]);
    buf_add_byte(out, '"');
}

static void add_random_value(struct random *r, struct buf *out, int depth);

static void add_random_container(struct random *r, struct buf *out, int depth)
{
    bool object = random_below(r, 2);
    size_t len = random_below(r, 7);

    buf_add_byte(out, object ? '{' : '[');
    for (size_t i = 0; i < len; i++) {
        add_blanks(r, out);
        if (i)
            buf_add_byte(out, ',');
        add_blanks(r, out);
        if (object) {
            buf_addf(out, "\"%zu", i); /* keys differ */
            size_t from = out->len;
            add_random_string(r, out);
            memmove(out->ptr + from, out->ptr + from + 1, out->len - from - 1);
            out->len--;
            add_blanks(r, out);
            buf_add_byte(out, ':');
        }
        add_random_value(r, out, depth - 1);
    }
    add_blanks(r, out);
    buf_add_byte(out, object ? '}' : ']');
}

static void add_random_value(struct random *r, struct buf *out, int depth)
{
    static const char *const scalars[] = {
        "true", "false", "null", "0", "-1", "12.5", "1e3", "-0.25E-2", "9007199254740993",
    };

    add_blanks(r, out);
    size_t kind = random_below(r, depth > 0 ? 4 : 2);
    if (kind == 0)
        buf_add_text(out, scalars[random_below(r, ARRAY_LEN(scalars))]);
    else if (kind == 1)
        add_random_string(r, out);
    else
        add_random_container(r, out, depth);
}

/* The tree of the value at the cursor, built by walking it. */
static json_t *build(struct jscan *s)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct str raw = { 0 };
    json_t *out;
    bool flag = false;

    switch (jscan_peek(s)) {
    case JSCAN_OBJECT:
        out = json_object();
        jscan_enter_object(s);
        while (jscan_next_member(s, &raw)) {
            buf_clear(&text);
            jscan_unescape(raw, &text);
            json_object_set_new(out, buf_cstr(&text), build(s));
        }
        return out;
    case JSCAN_ARRAY:
        out = json_array();
        jscan_enter_array(s);
        while (jscan_next_element(s))
            json_array_append_new(out, build(s));
        return out;
    case JSCAN_STRING:
        jscan_string(s, &text);
        return json_stringn(buf_cstr(&text), text.len);
    case JSCAN_NUMBER:
        jscan_number(s, &raw);
        buf_add_str(&text, raw);
        if (strpbrk(buf_cstr(&text), ".eE"))
            return json_real(strtod(buf_cstr(&text), NULL));
        return json_integer(strtoll(buf_cstr(&text), NULL, 10));
    case JSCAN_TRUE:
    case JSCAN_FALSE:
        jscan_bool(s, &flag);
        return json_boolean(flag);
    default:
        jscan_skip(s);
        return json_null();
    }
}

START_TEST(a_walk_sees_exactly_what_jansson_sees)
{
    struct random r = { 0x9e3779b97f4a7c15u + (uint64_t)_i };

    for (int round = 0; round < 400; round++) {
        CLEANUP(buf_release) struct buf text = { 0 };
        CLEANUP(json_decref) json_t *expected = NULL, *seen = NULL;
        struct err err;
        struct jscan s;
        add_random_container(&r, &text, 6);
        ck_assert_msg(json_parse(buf_str(&text), &expected, &err) == 0, "%s", err.text);
        jscan_init(&s, buf_str(&text));
        seen = build(&s);
        ck_assert_msg(jscan_at_end(&s), "fails at %zu of %s", s.failed_at, buf_cstr(&text));
        ck_assert_msg(json_equal(seen, expected), "%s", buf_cstr(&text));
    }
}
END_TEST

START_TEST(skipping_any_value_ends_where_walking_it_ends)
{
    struct random r = { 0xd1342543de82ef95u + (uint64_t)_i };

    for (int round = 0; round < 400; round++) {
        CLEANUP(buf_release) struct buf text = { 0 };
        struct jscan walked, skipped;
        add_random_container(&r, &text, 6);
        size_t len = text.len;
        add_random_value(&r, &text, 3); /* something behind it */
        jscan_init(&walked, buf_str(&text));
        jscan_init(&skipped, buf_str(&text));
        walk(&walked);
        struct str raw = jscan_skip_raw(&skipped);
        ck_assert_uint_eq(walked.at, len);
        ck_assert_uint_eq(skipped.at, len);
        ck_assert_uint_eq(raw.len, len);
    }
}
END_TEST

/* Copies text into memory of its exact size, so that a sanitizer sees any read past it. */
static char *exact_copy(struct str text)
{
    char *copy = mem_realloc(NULL, text.len);

    memcpy(copy, text.ptr, text.len);
    return copy;
}

START_TEST(a_text_cut_anywhere_fails_at_the_cut)
{
    struct random r = { 0xaf251af3b0f025b5u + (uint64_t)_i };
    CLEANUP(buf_release) struct buf text = { 0 };

    add_random_container(&r, &text, 5);
    for (size_t len = 1; len < text.len; len++) {
        char *copy = exact_copy((struct str){ text.ptr, len });
        struct jscan s;
        jscan_init(&s, (struct str){ copy, len });
        jscan_skip(&s);
        ck_assert(s.failed);
        ck_assert_uint_eq(s.failed_at, len);
        jscan_init(&s, (struct str){ copy, len });
        walk(&s);
        ck_assert(s.failed);
        ck_assert_uint_eq(s.failed_at, len);
        free(copy);
    }
}
END_TEST

START_TEST(random_damage_never_leaves_the_text)
{
    struct random r = { 0x8bb84b93962eacc9u + (uint64_t)_i };
    static const char bytes[] = "{}[]\",:\\ue\0\x80\xff 0-.";

    for (int round = 0; round < 300; round++) {
        CLEANUP(buf_release) struct buf text = { 0 };
        struct jscan s;
        add_random_container(&r, &text, 5);
        for (size_t n = random_below(&r, 4) + 1; n > 0; n--)
            text.ptr[random_below(&r, text.len)] = bytes[random_below(&r, sizeof(bytes) - 1)];
        char *copy = exact_copy(buf_str(&text));
        struct str damaged = { copy, text.len };
        jscan_init(&s, damaged);
        json_decref(build(&s));
        ck_assert(s.at <= text.len && (!s.failed || s.failed_at <= text.len));
        jscan_init(&s, damaged);
        jscan_skip(&s);
        ck_assert(s.at <= text.len && (!s.failed || s.failed_at <= text.len));
        free(copy);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_walk_finds_the_members_it_wants_and_skips_the_rest);
    tcase_add_test(tc, leaving_a_container_early_goes_on_after_its_bracket);
    tcase_add_test(tc, a_value_of_another_type_is_refused_and_left_where_it_is);
    tcase_add_test(tc, several_texts_in_a_row_are_read_one_after_another);
    tcase_add_loop_test(tc, an_integer_is_read_in_any_spelling_or_passed_over, 0,
                        ARRAY_LEN(int_rows));
    tcase_add_loop_test(tc, damage_fails_at_the_byte_that_breaks_the_grammar, 0,
                        ARRAY_LEN(bad_rows));
    tcase_add_test(tc, asking_for_items_outside_a_container_fails);
    tcase_add_test(tc, nesting_is_entered_to_a_limit_and_skipped_without_one);
    tcase_add_loop_test(tc, escapes_are_undone_and_unknown_ones_kept, 0, ARRAY_LEN(escape_rows));
    tcase_add_test(tc, a_string_says_whether_it_has_escapes);
    tcase_add_test(tc, a_quote_is_escaped_by_an_odd_run_of_backslashes_wherever_it_stands);
    tcase_add_loop_test(tc, a_walk_sees_exactly_what_jansson_sees, 0, 5);
    tcase_add_loop_test(tc, skipping_any_value_ends_where_walking_it_ends, 0, 5);
    tcase_add_loop_test(tc, a_text_cut_anywhere_fails_at_the_cut, 0, 20);
    tcase_add_loop_test(tc, random_damage_never_leaves_the_text, 0, 5);
}
CHECK_MAIN("base/jscan", add_tests)

#include "config.h"

#include "base/yaml.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "tests/check_main.h"

static struct yaml *parsed(const char *text)
{
    struct yaml *y = NULL;
    struct err err = { 0 };

    ck_assert_msg(yaml_parse(str_from(text), "t.yaml", &y, &err) == 0, "%s", err.text);
    return y;
}

START_TEST(a_document_becomes_a_tree_that_knows_its_places)
{
    CLEANUP(yaml_free)
    struct yaml *y = parsed("# comment\n"
                            "listen: {address: 127.0.0.1:8700}\n"
                            "rules:\n"
                            "  - name: \"one\"\n"
                            "    \xc3\xa9: 2\n"
                            "  - []\n");
    const struct yaml_node *root = yaml_root(y), *rules = yaml_get(root, "rules");
    struct str text;
    struct err err;

    ck_assert_int_eq(root->kind, YAML_MAP);
    ck_assert_uint_eq(root->len, 2);
    ck_assert(yaml_str(y, yaml_get(yaml_get(root, "listen"), "address"), &text, &err) == 0);
    ck_assert(str_eq(text, STR("127.0.0.1:8700")));
    ck_assert_int_eq(rules->kind, YAML_LIST);
    ck_assert_uint_eq(rules->len, 2);
    const struct yaml_node *name = yaml_get(rules->items, "name");
    ck_assert(name->quoted);
    ck_assert_uint_eq(name->line, 4);
    ck_assert_uint_eq(name->column, 11);
    ck_assert(str_eq(name->key->text, STR("name")));
    ck_assert_uint_eq(name->key->column, 5);
    ck_assert_uint_eq(name->next->column, 8); /* columns count characters */
    ck_assert_uint_eq(rules->items->next->len, 0);
    ck_assert_ptr_null(rules->items->next->next);
    ck_assert_ptr_null(yaml_get(root, "absent"));
    ck_assert_ptr_null(yaml_get(rules, "name"));
}
END_TEST

START_TEST(json_is_read_as_the_subset_it_is)
{
    CLEANUP(yaml_free) struct yaml *y = parsed("{\"a\": [1, true, null, \"2\"],\n\t\"b\": {}}");
    const struct yaml_node *n = yaml_get(yaml_root(y), "a")->items;
    int64_t number;
    bool flag;
    struct err err;

    ck_assert(yaml_int(y, n, &number, &err) == 0 && number == 1);
    ck_assert(yaml_bool(y, n->next, &flag, &err) == 0 && flag);
    ck_assert(yaml_is_null(n->next->next));
    ck_assert_int_eq(yaml_int(y, n->next->next->next, &number, &err), -1); /* quoted */
    ck_assert_int_eq(yaml_get(yaml_root(y), "b")->kind, YAML_MAP);
}
END_TEST

START_TEST(an_empty_document_has_no_root)
{
    static const char *const texts[] = { "", "# only a comment\n", "\n\n" };
    CLEANUP(yaml_free) struct yaml *y = parsed(texts[_i]);

    ck_assert_ptr_null(yaml_root(y));
}
END_TEST

struct bad_row {
    const char *text;
    const char *message; /* its beginning */
    enum err_code code;
};

static const struct bad_row bad_rows[] = {
    ROW("a: 1\nb: 2\na: 3\n", "t.yaml:3:1: key 'a' was already given at line 1", ERR_USAGE),
    ROW("m: {x: 1, y: 2, x: 3, y: 4}\n", "t.yaml:1:17: key 'x' was already given at line 1",
        ERR_USAGE),
    ROW("a: &x 1\nb: *x\n", "t.yaml:2:4: aliases ('*x') are not supported", ERR_UNSUPPORTED),
    ROW("a: !secret x\n", "t.yaml:1:4: tag '!secret' is not supported", ERR_UNSUPPORTED),
    ROW("a: !!binary eA==\n", "t.yaml:1:4: tag 'tag:yaml.org,2002:binary' is not", ERR_UNSUPPORTED),
    ROW("a: !!map x\n", "t.yaml:1:4: tag 'tag:yaml.org,2002:map' is not", ERR_UNSUPPORTED),
    ROW("a: !!set {x, y}\n", "t.yaml:1:4: tag 'tag:yaml.org,2002:set' is not", ERR_UNSUPPORTED),
    ROW("a: 1\n---\nb: 2\n", "t.yaml:2:1: a second document begins", ERR_UNSUPPORTED),
    ROW("<<: {a: 1}\n", "t.yaml:1:1: merge keys ('<<') are not supported", ERR_USAGE),
    ROW("? [a, b]\n: 1\n", "t.yaml:1:3: a key must be plain text, not a list", ERR_USAGE),
    ROW("{{a: 1}: 2}\n", "t.yaml:1:2: a key must be plain text, not a map", ERR_USAGE),
    ROW("a: [1, 2\nb: 3\n", "t.yaml:2:2: did not find expected ',' or ']'", ERR_USAGE),
    ROW("a:\n\t- 1\n", "t.yaml:2:1: found character that cannot start any token", ERR_USAGE),
    ROW("a: \"open\n", "t.yaml:2:1: found unexpected end of stream", ERR_USAGE),
    ROW("a: b: c\n", "t.yaml:1:5: mapping values are not allowed", ERR_USAGE),
    ROW("a:\n\tb: c\n",
        "t.yaml:2:1: found character that cannot start any token (while scanning for the "
        "next token from line 2): indent with blanks, not tabs",
        ERR_USAGE),
    ROW("a: *:80\n",
        "t.yaml:1:5: did not find expected alphabetic or numeric character (while "
        "scanning an alias from line 1): quote what begins with *",
        ERR_USAGE),
    ROW("a: \x01\n", "t.yaml: byte 3: control characters are not allowed", ERR_USAGE),
    ROW("a: \xff\n", "t.yaml: byte 3: invalid leading UTF-8 octet", ERR_USAGE),
};

START_TEST(what_configuration_does_not_need_is_an_error_with_its_place)
{
    const struct bad_row *row = &bad_rows[_i];
    struct yaml *y = NULL;
    struct err err = { 0 };

    ck_assert_msg(yaml_parse(str_from(row->text), "t.yaml", &y, &err) == -1, "%s", row->text);
    ck_assert_ptr_null(y);
    ck_assert_msg(str_starts_with(str_from(err.text), str_from(row->message)), "%s: %s", row->text,
                  err.text);
    ck_assert_int_eq(err.code, row->code);
}
END_TEST

START_TEST(nesting_and_size_are_bounded)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(yaml_free) struct yaml *y = NULL;
    struct err err = { 0 };

    for (int i = 0; i < YAML_DEPTH_MAX; i++)
        buf_add_byte(&text, '[');
    for (int i = 0; i < YAML_DEPTH_MAX; i++)
        buf_add_byte(&text, ']');
    ck_assert_msg(yaml_parse(buf_str(&text), "t.yaml", &y, &err) == 0, "%s", err.text);

    buf_clear(&text);
    for (int i = 0; i < 100000; i++)
        buf_add_byte(&text, '[');
    struct yaml *none = NULL;
    ck_assert_int_eq(yaml_parse(buf_str(&text), "t.yaml", &none, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_str_eq(err.text, "t.yaml:1:65: nested deeper than 64 levels");

    buf_clear(&text);
    buf_add_byte(&text, '[');
    for (int i = 0; i < YAML_NODES_MAX; i++)
        buf_add_text(&text, i % 100 ? "1," : "1,\n");
    buf_add_byte(&text, ']');
    ck_assert_int_eq(yaml_parse(buf_str(&text), "t.yaml", &none, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
}
END_TEST

/* --- typed reads --- */

enum read_as { AS_STR, AS_INT, AS_BOOL, AS_DECIMAL };

struct read_row {
    enum read_as as;
    const char *value;  /* of the key v */
    const char *result; /* printed; NULL = an error */
    const char *message;
};

static const struct read_row read_rows[] = {
    ROW(AS_STR, "plain", "plain", NULL),
    ROW(AS_STR, "12", "12", NULL),
    ROW(AS_STR, "yes", "yes", NULL),
    ROW(AS_STR, "''", "", NULL),
    ROW(AS_STR, "'~'", "~", NULL),
    ROW(AS_STR, "!!str 5", "5", NULL),
    ROW(AS_STR, "|\n  two\n  lines\n", "two\nlines\n", NULL),
    ROW(AS_STR, "~", NULL, "t.yaml:1:4: expected text, got nothing (null)"),
    ROW(AS_STR, "", NULL, "t.yaml:1:3: expected text, got nothing (null)"),
    ROW(AS_STR, "[a]", NULL, "t.yaml:1:4: expected text, got a list"),
    ROW(AS_STR, "{a: b}", NULL, "t.yaml:1:4: expected text, got a map"),
    ROW(AS_INT, "-12", "-12", NULL),
    ROW(AS_INT, "0", "0", NULL),
    ROW(AS_INT, "!!int '7'", "7", NULL),
    ROW(AS_INT, "'7'", NULL, "t.yaml:1:4: expected a whole number, got the text \"7\""),
    ROW(AS_INT, "!!str 7", NULL, "t.yaml:1:4: expected a whole number, got the text \"7\""),
    ROW(AS_INT, "1.5", NULL, "t.yaml:1:4: expected a whole number, got '1.5'"),
    ROW(AS_INT, "0x10", NULL, "t.yaml:1:4: expected a whole number, got '0x10'"),
    ROW(AS_INT, "010", NULL,
        "t.yaml:1:4: expected a whole number without leading zeros, got '010'"),
    ROW(AS_INT, "99999999999999999999", NULL,
        "t.yaml:1:4: expected a whole number, got '99999999999999999999'"),
    ROW(AS_BOOL, "true", "1", NULL),
    ROW(AS_BOOL, "False", "0", NULL),
    ROW(AS_BOOL, "yes", NULL, "t.yaml:1:4: expected true or false, got 'yes'"),
    ROW(AS_BOOL, "'true'", NULL, "t.yaml:1:4: expected true or false, got the text \"true\""),
    ROW(AS_BOOL, "1", NULL, "t.yaml:1:4: expected true or false, got '1'"),
    ROW(AS_DECIMAL, "1.25", "1250000", NULL),
    ROW(AS_DECIMAL, "-3e-6", "-3", NULL),
    ROW(AS_DECIMAL, "0.0000001", NULL,
        "t.yaml:1:4: '0.0000001' has more than 6 digits after the point"),
    ROW(AS_DECIMAL, "1e60", NULL, "t.yaml:1:4: '1e60' is too large a number"),
    ROW(AS_DECIMAL, "'1.25'", NULL, "t.yaml:1:4: expected a number, got the text \"1.25\""),
    ROW(AS_DECIMAL, ".inf", NULL, "t.yaml:1:4: expected a number, got '.inf'"),
};

static int read_as(enum read_as as, const struct yaml *y, struct buf *out, struct err *err)
{
    const struct yaml_node *n = yaml_get(yaml_root(y), "v");
    struct str text;
    int64_t number;
    bool flag;
    i128 decimal;
    int r;

    switch (as) {
    case AS_STR:
        if ((r = yaml_str(y, n, &text, err)) == 0)
            buf_add_str(out, text);
        return r;
    case AS_INT:
        if ((r = yaml_int(y, n, &number, err)) == 0)
            buf_addf(out, "%lld", (long long)number);
        return r;
    case AS_BOOL:
        if ((r = yaml_bool(y, n, &flag, err)) == 0)
            buf_addf(out, "%d", flag);
        return r;
    default:
        if ((r = yaml_decimal(y, n, 6, &decimal, err)) == 0)
            buf_addf(out, "%lld", (long long)decimal);
        return r;
    }
}

START_TEST(a_typed_read_takes_its_type_and_names_what_it_got_instead)
{
    const struct read_row *row = &read_rows[_i];
    CLEANUP(buf_release) struct buf text = { 0 }, out = { 0 };
    struct err err = { 0 };

    buf_addf(&text, "v: %s", row->value);
    CLEANUP(yaml_free) struct yaml *y = parsed(buf_cstr(&text));
    int r = read_as(row->as, y, &out, &err);
    ck_assert_msg(r == (row->result ? 0 : -1), "%s: %s", row->value, err.text);
    if (row->result)
        ck_assert_str_eq(buf_cstr(&out), row->result);
    else
        ck_assert_str_eq(err.text, row->message);
}
END_TEST

START_TEST(a_missing_value_is_an_error_without_a_place)
{
    CLEANUP(yaml_free) struct yaml *y = parsed("a: 1");
    struct str text;
    struct err err;

    ck_assert_int_eq(yaml_str(y, yaml_get(yaml_root(y), "v"), &text, &err), -1);
    ck_assert_str_eq(err.text, "t.yaml: expected text, but it is missing");
}
END_TEST

/* --- keys --- */

START_TEST(an_unknown_key_is_an_error_with_a_hint)
{
    static const char *const known[] = { "listen", "archive", "upstreams", NULL };
    CLEANUP(yaml_free) struct yaml *good = parsed("archive: 1\nlisten: 2\n");
    CLEANUP(yaml_free) struct yaml *near = parsed("archive: 1\nlistne: 2\n");
    CLEANUP(yaml_free) struct yaml *far = parsed("archive: 1\nfrobnicate: 2\n");
    CLEANUP(yaml_free) struct yaml *list = parsed("[a]");
    struct err err = { 0 };

    ck_assert_int_eq(yaml_check_keys(good, yaml_root(good), known, &err), 0);
    ck_assert_int_eq(yaml_check_keys(near, yaml_root(near), known, &err), -1);
    ck_assert_str_eq(err.text, "t.yaml:2:1: unknown key 'listne': did you mean 'listen'?");
    ck_assert_int_eq(yaml_check_keys(far, yaml_root(far), known, &err), -1);
    ck_assert_str_eq(err.text, "t.yaml:2:1: unknown key 'frobnicate' (known here: listen, archive, "
                               "upstreams)");
    ck_assert_int_eq(yaml_check_keys(list, yaml_root(list), known, &err), -1);
    ck_assert_str_eq(err.text, "t.yaml:1:1: expected a map (key: value), got a list");
}
END_TEST

START_TEST(any_prefix_of_a_document_parses_or_fails_cleanly)
{
    static const char text[] = "a: [1, {b: 'c', \"d\": |\n  text\n}]\nlist:\n  - x: &n 1\n  - ~\n";

    for (size_t len = 0; len < sizeof(text); len++) {
        char *copy = mem_strndup(text, len);
        struct yaml *y = NULL;
        struct err err = { 0 };
        int r = yaml_parse((struct str){ copy, len }, "t.yaml", &y, &err);
        ck_assert((r == 0) == (y != NULL));
        ck_assert((r == 0) == (err.text[0] == '\0'));
        yaml_free(y);
        free(copy);
    }
}
END_TEST

START_TEST(a_file_is_read_under_its_own_name)
{
    char folder[] = "/tmp/weir-yaml-XXXXXX";
    CLEANUP(buf_release) struct buf path = { 0 };
    CLEANUP(yaml_free) struct yaml *y = NULL;
    struct yaml *none = NULL;
    struct err err = { 0 };

    ck_assert_ptr_nonnull(mkdtemp(folder));
    buf_addf(&path, "%s/c.yaml", folder);
    ck_assert_int_eq(yaml_parse_file(buf_cstr(&path), &none, &err), -1);
    ck_assert(strstr(err.text, "c.yaml"));
    ck_assert(file_replace(buf_cstr(&path), STR("a: 1\n"), 0600, &err) == 0);
    ck_assert_msg(yaml_parse_file(buf_cstr(&path), &y, &err) == 0, "%s", err.text);
    yaml_err(y, yaml_root(y), &err, "bad");
    ck_assert(strstr(err.text, "c.yaml:1:1: bad"));
    ck_assert_int_eq(unlink(buf_cstr(&path)), 0);
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_document_becomes_a_tree_that_knows_its_places);
    tcase_add_test(tc, json_is_read_as_the_subset_it_is);
    tcase_add_loop_test(tc, an_empty_document_has_no_root, 0, 3);
    tcase_add_loop_test(tc, what_configuration_does_not_need_is_an_error_with_its_place, 0,
                        ARRAY_LEN(bad_rows));
    tcase_add_test(tc, nesting_and_size_are_bounded);
    tcase_add_loop_test(tc, a_typed_read_takes_its_type_and_names_what_it_got_instead, 0,
                        ARRAY_LEN(read_rows));
    tcase_add_test(tc, a_missing_value_is_an_error_without_a_place);
    tcase_add_test(tc, an_unknown_key_is_an_error_with_a_hint);
    tcase_add_test(tc, any_prefix_of_a_document_parses_or_fails_cleanly);
    tcase_add_test(tc, a_file_is_read_under_its_own_name);
}
CHECK_MAIN("base/yaml", add_tests)

#include "config.h"

#include "base/toml.h"

#include "base/buf.h"
#include "tests/check_main.h"

/* The tree as one line: {key=value,...}, [items], quoted text in quotes. */
static void add_node(struct buf *out, const struct yaml_node *n)
{
    if (n->key)
        buf_addf(out, "%.*s=", STR_ARG(n->key->text));
    if (n->kind == YAML_SCALAR) {
        buf_addf(out, n->quoted ? "'%.*s'" : "%.*s", STR_ARG(n->text));
        return;
    }
    buf_add_byte(out, n->kind == YAML_LIST ? '[' : '{');
    for (const struct yaml_node *i = n->items; i; i = i->next) {
        if (i != n->items)
            buf_add_byte(out, ',');
        add_node(out, i);
    }
    buf_add_byte(out, n->kind == YAML_LIST ? ']' : '}');
}

static const struct {
    const char *text, *tree;
} documents[] = {
    {"",                                          "{}"                               },
    { "# only a comment",                         "{}"                               },
    { "a = 1\nb = 'x' # y\n",                     "{a=1,b='x'}"                      },
    { "a = 900_000\r\nb = -1\nc = +2",            "{a=900000,b=-1,c=2}"              },
    { "a = 0xff\nb = 0o17\nc = 0b101",            "{a=255,b=15,c=5}"                 },
    { "a = 1.5e-3\nb = inf\nc = true",            "{a=1.5e-3,b=inf,c=true}"          },
    { "a = 2025-01-01T07:32:00Z",                 "{a='2025-01-01T07:32:00Z'}"       },
    { "a = 2025-01-01 07:32:00 # c",              "{a='2025-01-01 07:32:00'}"        },
    { "a = 07:32:00",                             "{a='07:32:00'}"                   },
    { "a = \"x\\n\\u00e9\\U0001f600\"",           "{a='x\n\xc3\xa9\xf0\x9f\x98\x80'}"},
    { "a = \"\"\"\nx\\\n   y\"\"\"",              "{a='xy'}"                         },
    { "a = '''x\n'y'''",                          "{a='x\n'y'}"                      },
    { "a = \"\"\"\"x\"\"\"\"\"",                  "{a='\"x\"\"'}"                    },
    { "[a]\nb = 1\n[a.c]\nd = 2",                 "{a={b=1,c={d=2}}}"                },
    { "[a.c]\nd = 2\n[a]\nb = 1",                 "{a={c={d=2},b=1}}"                },
    { "a.b.c = 1\na.b.d = 2",                     "{a={b={c=1,d=2}}}"                },
    { "a = { b.c = 1, b.d = 2, e = {} }",         "{a={b={c=1,d=2},e={}}}"           },
    { "a = [1, [2, 3], {b = 4},\n # c\n]",        "{a=[1,[2,3],{b=4}]}"              },
    { "[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3", "{a=[{b=1},{b=2,c={d=3}}]}"        },
    { "[\"gpt-4.1\".'x y']\nb = 1",               "{gpt-4.1={x y={b=1}}}"            },
    { "[a]\nb.c = 1\n[a.b.d]\ne = 2",             "{a={b={c=1,d={e=2}}}}"            },
    { "a = {\n b = 1, # c\n}",                    "{a={b=1}}"                        },
    { "\xef\xbb\xbf"
      "a = 1",                               "{a=1}"                            },
};

START_TEST(a_document_becomes_a_tree)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(buf_release) struct buf tree = { 0 };
    struct err err;

    ck_assert_msg(toml_parse(str_from(documents[_i].text), "t.toml", &y, &err) == 0, "%s",
                  err.text);
    add_node(&tree, yaml_root(y));
    ck_assert_str_eq(buf_cstr(&tree), documents[_i].tree);
}
END_TEST

static const struct {
    const char *text, *message;
} refused[] = {
    {"a",                           "1:2: expected '=' behind the key"       },
    { "a =",                        "1:4: expected a value"                  },
    { "a = x",                      "1:5: expected a value"                  },
    { "a = 01",                     "1:5: expected a value"                  },
    { "a = 1__0",                   "1:5: expected a value"                  },
    { "a = 1 b = 2",                "1:7: expected the end of the line"      },
    { "a = 1\na = 2",               "2:1: 'a' was already given at line 1"   },
    { "[a]\n[b]\n[a]",              "3:2: 'a' was already given at line 1"   },
    { "[a]\nb = 1\n[a.b]",          "3:4: 'b' was already given at line 2"   },
    { "a = {b = 1}\na.c = 2",       "2:1: 'a' was already given at line 1"   },
    { "a = [{b = 1}]\n[[a]]",       "2:3: 'a' was already given at line 1"   },
    { "a = {b = 1, b = 2}",         "1:13: 'b' was already given at line 1"  },
    { "a.b = 1\n[a]\nc = 2",        "2:2: 'a' was already given at line 1"   },
    { "[a.b]\nc = 1\n[a]\nb.d = 2", "4:1: 'b' was already given at line 1"   },
    { "[[a]]\n[a]",                 "2:2: 'a' was already given at line 1"   },
    { "a = \"x\n\"",                "the line ends within a string"          },
    { "a = '''x",                   "the text ends within a string"          },
    { "a = \"\\q\"",                "no such escape"                         },
    { "a = \"\\ud800\"",            "this escape names no character"         },
    { "a = [1, 2",                  "expected ',' or ']' of the array"       },
    { "a = {b = 1",                 "expected ',' or '}' of the inline table"},
    { "[a",                         "expected ']'"                           },
    { "[]",                         "expected a key"                         },
    { "a = \"\x01\"",               "1:6: control characters are not allowed"},
    { "a = '\xc3'",                 "this is not UTF-8"                      },
    { "a = '\xed\xa0\x80'",         "this is not UTF-8"                      },
    { "a = 0x8000000000000000",     "expected a value"                       },
    { "\xc3\xa9 = 1",               "1:1: expected a key"                    },
};

START_TEST(what_toml_forbids_is_refused_with_its_place)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    struct err err;

    ck_assert_int_eq(toml_parse(str_from(refused[_i].text), "t.toml", &y, &err), -1);
    ck_assert_msg(strstr(err.text, refused[_i].message), "%s", err.text);
    ck_assert_msg(strncmp(err.text, "t.toml:", 7) == 0, "%s", err.text);
}
END_TEST

START_TEST(nodes_know_their_places)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    struct err err;

    ck_assert_int_eq(toml_parse(STR("[models.m]\n\xc3\xa9x = 1\n"), "t.toml", &y, &err), -1);
    ck_assert_int_eq(toml_parse(STR("[models.m]\n\"\xc3\xa9\" = [ 7 ]\n"), "t.toml", &y, &err), 0);
    const struct yaml_node *m = yaml_get(yaml_get(yaml_root(y), "models"), "m");
    ck_assert_uint_eq(m->key->line, 1);
    ck_assert_uint_eq(m->key->column, 9);
    const struct yaml_node *seven = m->items->items;
    ck_assert_uint_eq(seven->line, 2);
    ck_assert_uint_eq(seven->column, 9); /* characters, not bytes */
}
END_TEST

START_TEST(values_within_values_are_bounded)
{
    CLEANUP(yaml_free) struct yaml *y = NULL;
    CLEANUP(buf_release) struct buf text = { 0 };
    struct err err;

    buf_add_text(&text, "a = ");
    for (int i = 0; i < YAML_DEPTH_MAX + 1; i++)
        buf_add_byte(&text, '[');
    ck_assert_int_eq(toml_parse(buf_str(&text), "t.toml", &y, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_document_becomes_a_tree, 0, (int)ARRAY_LEN(documents));
    tcase_add_loop_test(tc, what_toml_forbids_is_refused_with_its_place, 0,
                        (int)ARRAY_LEN(refused));
    tcase_add_test(tc, nodes_know_their_places);
    tcase_add_test(tc, values_within_values_are_bounded);
}

CHECK_MAIN("base/toml", add_tests)

/* A configuration that is wrong says where, and what to write instead. */
#include "config.h"

#include "capture/conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "check_main.h"

static struct conf *parse(const char *text, struct err *err)
{
    struct conf *c = NULL;
    return conf_parse(str_from(text), "weir.yaml", "/etc/weir", &c, err) == 0 ? c : NULL;
}

static struct conf *parse_good(const char *text)
{
    struct err err;
    struct conf *c = parse(text, &err);
    ck_assert_msg(c != NULL, "%s", err.text);
    return c;
}

START_TEST(every_section_is_read)
{
    CLEANUP(conf_free)
    struct conf *c = parse_good(
        "archive: {path: ./archive, key_file: /keys/org, durability: strict,\n"
        "          segment: {bytes: 256MiB, age: 15m}}\n"
        "upstreams:\n"
        "  openai: {url: \"https://api.openai.com\", api: openai}\n"
        "  gw: {url: \"http://litellm:4000\", api: openai, arm: gateway, key: {env: GW_KEY}}\n"
        "apps:\n"
        "  bot: {team: support, business_unit: cx, environment: prod, purpose: answers,\n"
        "        owner: a@x, risk: high, budget: {month: 4000 USD, alert_at: [50%, 100%]}}\n"
        "attribution:\n"
        "  - {path_prefix: /bot, app: bot}\n"
        "  - {host: [a.example, b.example], upstream: gw, team: other}\n"
        "  - {label: {metadata.team: x*, header.x-cost-center: [c1, c2]}, team: labelled}\n"
        "prices: [contract.yaml, /p/two.yaml]\n"
        "policy: {mode: observe}\n");

    ck_assert(str_eq(c->archive_path, STR("/etc/weir/archive")));
    ck_assert(str_eq(c->key_file, STR("/keys/org")));
    ck_assert_uint_eq(c->upstream_count, 2);
    ck_assert(str_eq(c->upstreams[1].arm, STR("gateway")));
    ck_assert_uint_eq(c->app_count, 1);
    ck_assert(str_eq(c->apps[0].is.team, STR("support")));
    ck_assert(str_eq(c->apps[0].owner, STR("a@x")));
    ck_assert_uint_eq(c->price_count, 2);
    ck_assert(str_eq(c->prices[0], STR("/etc/weir/contract.yaml")));
    ck_assert(str_eq(c->prices[1], STR("/p/two.yaml")));
    ck_assert_uint_eq(c->unread_count, 1);
    ck_assert(str_eq(c->unread[0], STR("policy")));
    ck_assert_uint_eq(attribution_header_count(c->attribution), 1);
    ck_assert(str_eq(attribution_header(c->attribution, 0), STR("x-cost-center")));
}
END_TEST

START_TEST(an_empty_file_is_a_configuration_that_says_nothing)
{
    CLEANUP(conf_free) struct conf *c = parse_good("# nothing yet\n");

    ck_assert_uint_eq(c->app_count, 0);
    ck_assert_uint_eq(c->archive_path.len, 0);
    ck_assert_ptr_nonnull(c->attribution);
}
END_TEST

START_TEST(redaction_is_for_some_upstreams_and_apps)
{
    CLEANUP(conf_free)
    struct conf *c =
        parse_good("upstreams: {a: {url: \"https://a\"}, b: {url: \"https://b\"}}\n"
                   "apps: {x: {}, y: {}}\n"
                   "redaction:\n  rules: [email]\n  upstreams: a\n  apps: [x]\n"
                   "  patterns:\n    - {name: t, pattern: \"T-[0-9]+\", apply_to: heads}\n"
                   "  apply_to: requests\n  hold_bytes: 1MiB\n");

    struct scrub *s = conf_scrub_for(c, STR("a"), STR("x"));
    ck_assert_ptr_nonnull(s);
    ck_assert(scrub_applies(s, SCRUB_REQUESTS) && scrub_applies(s, SCRUB_HEADS));
    ck_assert(!scrub_applies(s, SCRUB_ANSWERS));
    ck_assert_ptr_null(conf_scrub_for(c, STR("b"), STR("x")));
    ck_assert_ptr_null(conf_scrub_for(c, STR("a"), STR("y")));
    ck_assert_int_eq(c->redaction.hold_bytes, 1 << 20);

    CLEANUP(conf_free) struct conf *none = parse_good("apps: {x: {}}\n");
    ck_assert_ptr_null(conf_scrub_for(none, STR("a"), STR("x")));
    CLEANUP(conf_free) struct conf *all = parse_good("redaction: {}\n");
    ck_assert_ptr_nonnull(conf_scrub_for(all, STR("a"), STR("x")));
}
END_TEST

START_TEST(budgets_are_read_of_everybody_who_can_have_one)
{
    CLEANUP(conf_free)
    struct conf *c = parse_good("budget: {day: 100 USD}\n"
                                "business_units: {cx: {budget: {week: 7.5 USD}, owner: b@x}}\n"
                                "teams: {t: {budget: {month: 1 USD, alert_at: [100%, 12.5%]}}}\n"
                                "apps: {a: {}, b: {budget: {day: 1 USD, month: 20 USD}}}\n");

    ck_assert_uint_eq(c->budget_count, 4);
    ck_assert_int_eq(c->budgets[0].of, CONF_BUDGET_ALL);
    ck_assert_int_eq((int64_t)(c->budgets[1].pusd[CONF_BUDGET_WEEK] / 1000000000), 7500);
    ck_assert_int_eq(c->budgets[2].of, CONF_BUDGET_TEAM);
    ck_assert_uint_eq(c->budgets[2].alert_at_count, 2);
    ck_assert_int_eq(c->budgets[2].alert_at[0], 125000);
    ck_assert_int_eq(c->budgets[2].alert_at[1], CONF_MICRO);
    ck_assert(str_eq(c->budgets[3].name, STR("b")));
    ck_assert_uint_eq(c->budgets[3].alert_at_count, 3);
    ck_assert_int_eq(c->budgets[3].alert_at[1], 800000);
    ck_assert(c->budgets[3].pusd[CONF_BUDGET_WEEK] == 0);
}
END_TEST

START_TEST(alerts_have_defaults_and_a_webhook)
{
    CLEANUP(conf_free)
    struct conf *c =
        parse_good("alerts: {by: [team, app], change: 12.5%, floor: 5 USD,\n"
                   "  webhook: {url: \"https://h/x\", secret: {file: s}, tries: 1}}\n");
    CLEANUP(conf_free) struct conf *plain = parse_good("");

    ck_assert_uint_eq(c->alerts.by.count, 2);
    ck_assert_int_eq(c->alerts.change_micro, 125000);
    ck_assert_int_eq(c->alerts.spike_micro, 500000);
    ck_assert(str_eq(c->alerts.webhook.secret.file, STR("/etc/weir/s")));
    ck_assert_int_eq(c->alerts.webhook.tries, 1);
    ck_assert_int_eq(plain->alerts.change_micro, 300000);
    ck_assert_int_eq(plain->alerts.webhook.tries, 3);
    ck_assert(str_eq(plain->alerts.by.list[0], STR("team")));
}
END_TEST

START_TEST(json_is_accepted)
{
    CLEANUP(conf_free)
    struct conf *c =
        parse_good("{\"apps\": {\"a\": {\"team\": \"t\"}}, \"attribution\": [{\"app\": \"a\"}]}");
    ck_assert_uint_eq(c->app_count, 1);
}
END_TEST

/* What each wrong text must say: the place and a word of the hint. */
static const struct {
    const char *text, *place, *hint;
} wrong[] = {
    {"archve: {path: x}\n",                                       "weir.yaml:1:1",  "archive"                   },
    { "archive: {pth: x}\n",                                      "weir.yaml:1:11", "path"                      },
    { "archive: x\n",                                             "weir.yaml:1:10", "expected a map"            },
    { "archive: {segment: {bytes: lots}}\n",                      "weir.yaml:1:28", "256MiB"                    },
    { "archive: {segment: {age: soon}}\n",                        "weir.yaml:1:26", "15m"                       },
    { "archive: {durability: strickt}\n",                         "weir.yaml:1:23", "did you mean 'strict'"     },
    { "upstreams:\n  a: {url: ftp://x}\n",                        "weir.yaml:2:12", "https://"                  },
    { "upstreams:\n  a: {url: \"https://u:p@x\"}\n",              "weir.yaml:2:12", "credentials"               },
    { "upstreams: [a]\n",                                         "weir.yaml:1:12", "expected a map"            },
    { "apps:\n  a: {team: [x]}\n",                                "weir.yaml:2:13", ""                          },
    { "apps:\n  a: {budget: {month: 4000}}\n",                    "weir.yaml:2:23", "4000 USD"                  },
    { "apps:\n  a: {budget: {month: 4000 EUR}}\n",                "weir.yaml:2:23", "4000 USD"                  },
    { "apps:\n  a: {budget: {alert_at: [80]}}\n",                 "weir.yaml:2:27", "80%"                       },
    { "apps:\n  a: {budget: {alert_at: []}}\n",                   "weir.yaml:2:26", "[50%, 100%]"               },
    { "apps:\n  a: {budget: {alert_at: [80%]}}\n",                "weir.yaml:2:15", "add day, week or month"    },
    { "teams:\n  a: {budget: {month: 0 USD}}\n",                  "weir.yaml:2:23", "more than 0"               },
    { "business_units:\n  a: {budget: {month: 1 EUR}}\n",         "weir.yaml:2:23", "4000 USD"                  },
    { "teams:\n  a: {bugdet: {month: 1 USD}}\n",                  "weir.yaml:2:7",  "did you mean 'budget'"     },
    { "alerts: {change: 30}\n",                                   "weir.yaml:1:18", "80%"                       },
    { "alerts: {shift: 90%}\n",                                   "weir.yaml:1:17", "more than 100%"            },
    { "alerts: {floor: 20}\n",                                    "weir.yaml:1:17", "4000 USD"                  },
    { "alerts: {webhook: {url: x}}\n",                            "weir.yaml:1:25", "https://"                  },
    { "alerts: {webhook: {tries: 0}}\n",                          "weir.yaml:1:27", "from 1 to 10"              },
    { "alerts: {webhook: {timeout: 1h}}\n",                       "weir.yaml:1:29", "1ms to 10m"                },
    { "alerts: {webhook: {secret: {env: A, file: b}}}\n",         "weir.yaml:1:28", "either env or file"        },
    { "apps:\n  a: {risk: extreme}\n",                            "weir.yaml:2:13", "low, medium, high"         },
    { "attribution: {app: a}\n",                                  "weir.yaml:1:14", "expected a list"           },
    { "apps: {bot: {}}\nattribution:\n  - {host: x, app: bit}\n", "weir.yaml:3:20",
     "did you mean 'bot'"                                                                                       },
    { "attribution:\n  - {host: x, app: nobody}\n",               "weir.yaml:2:20", "add it there first"        },
    { "attribution:\n  - {upstream: gw, team: t}\n",              "weir.yaml:2:16", "upstreams"                 },
    { "attribution:\n  - {host: x}\n",                            "weir.yaml:2:5",  "sets nothing"              },
    { "attribution:\n  - {hots: x, team: t}\n",                   "weir.yaml:2:6",  "host"                      },
    { "attribution:\n  - {network: 10.0.0.0/33, team: t}\n",      "weir.yaml:2:15", "10.0.0.0/8"                },
    { "attribution:\n  - {network: fe80::/129, team: t}\n",       "weir.yaml:2:15", "no network"                },
    { "attribution:\n  - {key_id: sk-123, team: t}\n",            "weir.yaml:2:14", "16 hexadecimal"            },
    { "attribution:\n  - {provider: opnai, team: t}\n",           "weir.yaml:2:16", "no provider"               },
    { "attribution:\n  - {path_prefix: bot, team: t}\n",          "weir.yaml:2:19", "begins with '/'"           },
    { "attribution:\n  - {model: [], team: t}\n",                 "weir.yaml:2:13", "a list of values"          },
    { "attribution:\n  - {label: x, team: t}\n",                  "weir.yaml:2:13", "expected a map"            },
    { "attribution:\n  - {host: \"\", team: t}\n",                "weir.yaml:2:12", "leave the key out"         },
    { "prices: {a: b}\n",                                         "weir.yaml:1:9",  "list of values"            },
    { "attribution:\n  - {body: {metdata.x: y}, team: t}\n",      "weir.yaml:2:13", "metadata.NAME"             },
    { "redaction: {emails: true}\n",                              "weir.yaml:1:13", "known here"                },
    { "redaction: {rules: [email, crad]}\n",                      "weir.yaml:1:28", "did you mean 'card'"       },
    { "redaction: {rules: none}\n",                               "weir.yaml:1:12", "nothing is to be taken out"},
    { "redaction: {apply_to: bodies}\n",                          "weir.yaml:1:23", "requests, answers or heads"},
    { "redaction: {patterns: [{name: x}]}\n",                     "weir.yaml:1:24", "a name and a pattern"      },
    { "redaction: {patterns: [{name: x, pattern: \"(\"}]}\n",     "weir.yaml:1:43", "missing closing"           },
    { "redaction: {patterns: [{name: email, pattern: y}]}\n",     "weir.yaml:1:47",
     "is there already"                                                                                         },
    { "redaction: {upstreams: [a]}\n",                            "weir.yaml:1:25", "upstreams"                 },
    { "redaction: {apps: [a]}\n",                                 "weir.yaml:1:20", "apps"                      },
    { "redaction: {hold_bytes: 1GiB}\n",                          "weir.yaml:1:25", "256MiB"                    },
    { "redaction: {hold_bytes: 2MiB, hold_total: 1MiB}\n",        "weir.yaml:1:43",
     "less than hold_bytes"                                                                                     },
    { "apps: {a: {team: t}\n",                                    "weir.yaml:",     ""                          },
    { "- a\n",                                                    "weir.yaml:1:1",  "expected a map"            },
};

START_TEST(a_wrong_configuration_says_where_and_what_to_write)
{
    struct err err = { 0 };
    CLEANUP(conf_free) struct conf *c = parse(wrong[_i].text, &err);

    ck_assert_msg(c == NULL, "accepted: %s", wrong[_i].text);
    ck_assert_msg(strncmp(err.text, wrong[_i].place, strlen(wrong[_i].place)) == 0, "%s", err.text);
    ck_assert_msg(strstr(err.text, wrong[_i].hint) != NULL, "%s", err.text);
    ck_assert_int_eq(err.code, ERR_USAGE);
}
END_TEST

static struct buf manual; /* weir-config(5) */

/* The manual names a key in a list item or in running text: ".It Sy path", ".Sy env ,". */
static bool manual_names(const char *key)
{
    struct str rest = buf_str(&manual), line, word;

    while (str_split(&rest, '\n', &line)) {
        bool names = str_starts_with(line, STR(".It Sy ")) || str_starts_with(line, STR(".Sy ")) ||
                     str_starts_with(line, STR(".Ss "));
        while (names && str_split(&line, ' ', &word))
            if (str_eq(word, str_from(key)))
                return true;
    }
    return false;
}

static void check_table(const struct conf_key *keys, int depth)
{
    ck_assert_int_lt(depth, 8);
    for (; keys->name; keys++) {
        ck_assert_msg(keys->help && *keys->help && keys->help[strlen(keys->help) - 1] != '.', "%s",
                      keys->name);
        ck_assert_msg(manual_names(keys->name), "weir-config(5) lacks '%s'", keys->name);
        bool nests = keys->type == CONF_MAP || keys->type == CONF_NAMED || keys->type == CONF_LIST;
        ck_assert_msg(nests == (keys->keys != NULL), "%s", keys->name);
        ck_assert_msg(keys->type == CONF_MAP ||
                          (keys->type == CONF_CHOICE) == (keys->choices != NULL),
                      "%s", keys->name);
        if (nests)
            check_table(keys->keys, depth + 1);
    }
}

START_TEST(every_row_of_the_table_is_complete_and_in_the_manual)
{
    const char *top = getenv("top_srcdir"), *src = getenv("srcdir");
    char path[1024];
    struct err err;

    snprintf(path, sizeof(path), "%s/doc/weir-config.5", top ? top : src ? src : ".");
    ck_assert_msg(file_read(path, 1u << 20, &manual, &err) == 0, "%s", err.text);
    check_table(conf_keys(), 0);
    buf_release(&manual);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, every_section_is_read);
    tcase_add_test(tc, an_empty_file_is_a_configuration_that_says_nothing);
    tcase_add_test(tc, redaction_is_for_some_upstreams_and_apps);
    tcase_add_test(tc, json_is_accepted);
    tcase_add_test(tc, budgets_are_read_of_everybody_who_can_have_one);
    tcase_add_test(tc, alerts_have_defaults_and_a_webhook);
    tcase_add_loop_test(tc, a_wrong_configuration_says_where_and_what_to_write, 0,
                        ARRAY_LEN(wrong));
    tcase_add_test(tc, every_row_of_the_table_is_complete_and_in_the_manual);
}

CHECK_MAIN("capture/conf", add_tests)

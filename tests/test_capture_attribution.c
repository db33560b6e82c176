/* Who caused a call: the first rule that matches decides, for each field by itself. */
#include "config.h"

#include "capture/attribution.h"

#include "capture/conf.h"
#include "check_main.h"

static const char rules[] =
    "upstreams: {gw: {url: \"http://gw:4000\"}}\n"
    "apps:\n"
    "  bot: {team: support, business_unit: cx, environment: prod, purpose: answers}\n"
    "  index: {team: search}\n"
    "attribution:\n"
    "  - {path_prefix: /bot, app: bot}\n"
    "  - {path_prefix: /staging/bot, app: bot, environment: staging}\n"
    "  - {host: \"*.index.example\", app: index, environment: eu}\n"
    "  - {host: \"local:8080\", team: local}\n"
    "  - {key_id: weir:00112233aabbccdd, team: keyed}\n"
    "  - {app_header: \"index-*\", app: index}\n"
    "  - {user_agent: \"OpenAI/*\", purpose: sdk}\n"
    "  - {network: [10.1.0.0/16, 2001:db8::/33], team: net}\n"
    "  - {upstream: gw, environment: gateway}\n"
    "  - {provider: azure, business_unit: it}\n"
    "  - {model: [gpt-5*, o3], purpose: expensive}\n"
    "  - {end_user: bob@example, team: bobs}\n"
    "  - {label: {metadata.cost_center: \"42*\"}, business_unit: cc}\n"
    "  - {label: {header.x-tenant: acme}, end_user: bob@example, team: both}\n"
    "  - {label: {header.x-tenant: acme}, set_end_user: acme}\n"
    "  - {body: {labels.squad: [red, \"blue-*\"]}, team: squad}\n"
    "  - {body: {metadata.user_id: ann@example}, team: anns}\n"
    "  - {body: {requestMetadata.job: nightly, user: ann@example}, purpose: night}\n";

static const struct key key = { .bytes = { 9 } };
static struct conf *conf;

static void setup(void)
{
    struct err err;
    ck_assert_msg(conf_parse(str_from(rules), "t", "", &conf, &err) == 0, "%s", err.text);
    attribution_set_key(conf->attribution, &key);
}

static void teardown(void)
{
    conf_free(conf);
    conf = NULL;
}

static const struct {
    struct attribution_input in;
    const char *app, *team, *unit, *environment, *purpose;
} rows[] = {
    {{ .path = STR_INIT("/bot/openai/v1") },                                                       "bot",   "support", "cx", "prod",    "answers"  },
    { { .path = STR_INIT("/bot") },                                                                "bot",   "support", "cx", "prod",    "answers"  },
    { { .path = STR_INIT("/bottom") },                                                             "",      "",        "",   "",        ""         },
 /* Another rule may set a field that the first left; the app's own entry comes after rules. */
    { { .path = STR_INIT("/staging/bot/x") },                                                      "bot",   "support", "cx", "staging", "answers"  },
    { { .path = STR_INIT("/bot/x"), .host = STR_INIT("A.Index.example:443") },
     "bot",                                                                                                 "support",
     "cx",                                                                                                                   "eu",
     "answers"                                                                                                                                     },
    { { .host = STR_INIT("local:8080") },                                                          "",      "local",   "",   "",        ""         },
    { { .host = STR_INIT("local:8081") },                                                          "",      "",        "",   "",        ""         },
    { { .key_id = STR_INIT("00112233aabbccdd") },                                                  "",      "keyed",   "",   "",        ""         },
    { { .labels = STR_INIT("{\"x-weir-app\":\"index-7\"}") },                                      "index", "search",  "",   "",        ""         },
    { { .user_agent = STR_INIT("OpenAI/JS 6.49.0") },                                              "",      "",        "",   "",        "sdk"      },
    { { .client_address = STR_INIT("10.1.255.3") },                                                "",      "net",     "",   "",        ""         },
    { { .client_address = STR_INIT("10.2.0.1") },                                                  "",      "",        "",   "",        ""         },
    { { .client_address = STR_INIT("10.1.0.1:5123") },                                             "",      "net",     "",   "",        ""         },
    { { .client_address = STR_INIT("[2001:db8:7fff::1]:443") },                                    "",      "net",     "",   "",        ""         },
    { { .client_address = STR_INIT("2001:db8:8000::1") },                                          "",      "",        "",   "",        ""         },
    { { .client_address = STR_INIT("nonsense") },                                                  "",      "",        "",   "",        ""         },
    { { .upstream = STR_INIT("gw") },                                                              "",      "",        "",   "gateway", ""         },
    { { .provider = STR_INIT("azure.ai.openai") },                                                 "",      "",        "it", "",        ""         },
    { { .model = STR_INIT("gpt-5-mini") },                                                         "",      "",        "",   "",        "expensive"},
    { { .model = STR_INIT("o3") },                                                                 "",      "",        "",   "",        "expensive"},
    { { .labels = STR_INIT("{\"metadata.squad\":\"blue-2\"}") },                                   "",      "squad",   "",   "",        ""         },
    { { .labels = STR_INIT("{\"metadata.squad\":\"green\"}") },                                    "",      "",        "",   "",        ""         },
    { { .labels = STR_INIT("{\"metadata.job\":\"nightly\"}") },                                    "",      "",        "",   "",        ""         }, /* whose? */
    { { .model = STR_INIT("o3-mini") },                                                            "",      "",        "",   "",        ""         },
    { { .labels = STR_INIT("{\"metadata.cost_center\":\"4\\u0032-x\"}") },                         "",      "",        "cc", "",        ""         },
    { { .labels = STR_INIT("{\"metadata.cost_center\":42}") },                                     "",      "",        "",   "",        ""         },
    { { .labels = STR_INIT("broken") },                                                            "",      "",        "",   "",        ""         },
 /* What the record says stays where no rule speaks; the app's entry beats it. */
    { { .given = { .app = STR_INIT("bot"), .team = STR_INIT("old"), .end_user = STR_INIT("u") } },
     "bot",                                                                                                 "support",
     "cx",                                                                                                                   "prod",
     "answers"                                                                                                                                     },
    { { .given = { .app = STR_INIT("unlisted"), .team = STR_INIT("old") } },
     "unlisted",                                                                                            "old",
     "",                                                                                                                     "",
     ""                                                                                                                                            },
    { { .path = STR_INIT("/bot"), .given = { .app = STR_INIT("x"), .team = STR_INIT("old") } },
     "bot",                                                                                                 "support",
     "cx",                                                                                                                   "prod",
     "answers"                                                                                                                                     },
    { { .host = STR_INIT("nobody") },                                                              "",      "",        "",   "",        ""         },
};

static void assert_field(struct str got, const char *want, const char *field)
{
    ck_assert_msg(str_eq(got, str_from(want)), "%s: got '%.*s', want '%s'", field, STR_ARG(got),
                  want);
}

START_TEST(a_call_is_attributed)
{
    struct exchange_who who;

    attribution_apply(conf->attribution, &rows[_i].in, &who);
    assert_field(who.app, rows[_i].app, "app");
    assert_field(who.team, rows[_i].team, "team");
    assert_field(who.business_unit, rows[_i].unit, "business_unit");
    assert_field(who.environment, rows[_i].environment, "environment");
    assert_field(who.purpose, rows[_i].purpose, "purpose");
}
END_TEST

START_TEST(an_end_user_is_known_by_fingerprint_and_set_as_one)
{
    char bob[FINGERPRINT_TEXT_BYTES], acme[FINGERPRINT_TEXT_BYTES];
    struct exchange_who who;
    struct attribution_input in = { .labels = STR("{\"header.x-tenant\":\"acme\"}") };

    key_fingerprint(&key, "user", STR("bob@example"), bob);
    key_fingerprint(&key, "user", STR("acme"), acme);
    attribution_apply(conf->attribution, &in, &who);
    assert_field(who.end_user, acme, "end_user");
    assert_field(who.team, "", "team");
    in.end_user = str_from(bob);
    attribution_apply(conf->attribution, &in, &who);
    assert_field(who.team, "bobs", "team");
    in.end_user = STR("bob@example"); /* in clear it is nobody: a ledger never says so */
    attribution_apply(conf->attribution, &in, &who);
    assert_field(who.team, "", "team");
}
END_TEST

START_TEST(without_a_key_no_end_user_in_clear_gets_out)
{
    CLEANUP(conf_free) struct conf *c = NULL;
    struct err err;
    struct exchange_who who;
    struct attribution_input in = { .labels = STR("{\"header.x-tenant\":\"acme\"}") };

    ck_assert_int_eq(conf_parse(str_from(rules), "t", "", &c, &err), 0);
    attribution_apply(c->attribution, &in, &who);
    assert_field(who.end_user, "", "end_user");
}
END_TEST

START_TEST(headers_that_rules_mention_are_listed_once)
{
    ck_assert_uint_eq(attribution_header_count(conf->attribution), 1);
    assert_field(attribution_header(conf->attribution, 0), "x-tenant", "header");
    ck_assert(attribution_needs_call(conf->attribution));
}
END_TEST

START_TEST(a_user_named_in_a_body_is_known_by_fingerprint)
{
    char user[FINGERPRINT_TEXT_BYTES];
    struct exchange_who who;

    key_fingerprint(&key, "user", STR("ann@example"), user);
    struct attribution_input in = { .end_user = str_from(user),
                                    .labels = STR("{\"metadata.job\":\"nightly\"}") };
    attribution_apply(conf->attribution, &in, &who);
    ck_assert(str_eq(who.team, STR("anns")));
    ck_assert(str_eq(who.purpose, STR("night")));
    ck_assert(attribution_needs_body(conf->attribution));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_user_named_in_a_body_is_known_by_fingerprint);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_call_is_attributed, 0, ARRAY_LEN(rows));
    tcase_add_test(tc, an_end_user_is_known_by_fingerprint_and_set_as_one);
    tcase_add_test(tc, without_a_key_no_end_user_in_clear_gets_out);
    tcase_add_test(tc, headers_that_rules_mention_are_listed_once);
}

CHECK_MAIN("capture/attribution", add_tests)

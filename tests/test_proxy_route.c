#include "config.h"

#include "proxy/route.h"

#include "base/mem.h"
#include "tests/check_main.h"

static struct proxy_conf *conf;

static void load(void)
{
    struct err err;
    int r = proxy_conf_parse(STR("listen: {address: \"127.0.0.1:0\"}\n"
                                 "archive: {path: a}\n"
                                 "upstreams:\n"
                                 "  openai: {url: \"https://api.openai.com\"}\n"
                                 "  gw: {url: \"http://gw:4000/base/\", hosts: [\"*.llm.corp\"]}\n"
                                 "apps: {bot: {}, fixed: {upstream: gw}}\n"),
                             "weir.yaml", "", false, &conf, &err);

    ck_assert_msg(r == 0, "%s", err.text);
}

static void unload(void)
{
    proxy_conf_unref(conf);
}

static const struct {
    const char *host, *path, *app_header;
    enum route_result result;
    const char *upstream, *app, *rest;
} rows[] = {
    {"weir:8700",        "/openai/v1/x?y=1",  "",      ROUTE_OK,       "openai", "",         "/v1/x?y=1"   },
    { "weir:8700",       "/openai",           "",      ROUTE_OK,       "openai", "",         ""            },
    { "weir:8700",       "/openai?a=/../b",   "",      ROUTE_OK,       "openai", "",         "?a=/../b"    },
    { "weir:8700",       "/bot/openai/v1/x",  "",      ROUTE_OK,       "openai", "bot",      "/v1/x"       },
    { "weir:8700",       "/unlisted/gw/v1/x", "",      ROUTE_OK,       "gw",     "unlisted", "/v1/x"       },
    { "weir:8700",       "/bot/openai/v1",    "other", ROUTE_OK,       "openai", "other",    "/v1"         },
    { "weir:8700",       "/openai/gw/x",      "",      ROUTE_OK,       "openai", "",         "/gw/x"       },
    { "A.LLM.corp:80",   "/v1/x",             "",      ROUTE_OK,       "gw",     "",         "/v1/x"       },
    { "a.llm.corp",      "/openai/v1/x",      "",      ROUTE_OK,       "gw",     "",         "/openai/v1/x"},
    { "a.llm.corp.evil", "/v1/x",             "",      ROUTE_UNKNOWN,  NULL,     "",         NULL          },
    { "weir",            "/v1/x",             "fixed", ROUTE_OK,       "gw",     "fixed",    "/v1/x"       },
    { "weir",            "/v1/x",             "bot",   ROUTE_UNKNOWN,  NULL,     "",         NULL          },
    { "weir",            "/Openai/v1",        "",      ROUTE_UNKNOWN,  NULL,     "",         NULL          },
    { "weir",            "/open%61i/v1",      "",      ROUTE_UNKNOWN,  NULL,     "",         NULL          },
    { "weir",            "/b%6ft/openai/v1",  "",      ROUTE_UNKNOWN,  NULL,     "",         NULL          },
    { "weir",            "//openai/v1",       "",      ROUTE_UNKNOWN,  NULL,     "",         NULL          },
    { "weir",            "/",                 "",      ROUTE_UNKNOWN,  NULL,     "",         NULL          },
    { "weir",            "*",                 "",      ROUTE_NO_PATH,  NULL,     "",         NULL          },
    { "weir",            "/gw/../x",          "",      ROUTE_BAD_PATH, NULL,     "",         NULL          },
    { "weir",            "/gw/..",            "",      ROUTE_BAD_PATH, NULL,     "",         NULL          },
    { "weir",            "/gw/.%2E/x",        "",      ROUTE_BAD_PATH, NULL,     "",         NULL          },
    { "weir",            "/gw/a%2f..%2fx",    "",      ROUTE_BAD_PATH, NULL,     "",         NULL          },
    { "weir",            "/gw/a\\..\\x",      "",      ROUTE_BAD_PATH, NULL,     "",         NULL          },
    { "weir",            "/gw/./x",           "",      ROUTE_BAD_PATH, NULL,     "",         NULL          },
    { "weir",            "/gw/...",           "",      ROUTE_OK,       "gw",     "",         "/..."        },
    { "weir",            "/gw/a..b/.c",       "",      ROUTE_OK,       "gw",     "",         "/a..b/.c"    },
};

START_TEST(a_request_goes_to_a_configured_upstream_or_nowhere)
{
    struct route_request in = { str_from(rows[_i].host), str_from(rows[_i].path),
                                str_from(rows[_i].app_header) };
    struct route route;

    ck_assert_int_eq(route_find(conf, &in, &route), rows[_i].result);
    if (rows[_i].result != ROUTE_OK)
        return;
    ck_assert(str_eq(route.upstream->name, str_from(rows[_i].upstream)));
    ck_assert_msg(str_eq(route.app, str_from(rows[_i].app)), "app '%.*s'", STR_ARG(route.app));
    ck_assert_msg(str_eq(route.rest, str_from(rows[_i].rest)), "rest '%.*s'", STR_ARG(route.rest));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, load, unload);
    tcase_add_loop_test(tc, a_request_goes_to_a_configured_upstream_or_nowhere, 0, ARRAY_LEN(rows));
}

CHECK_MAIN("proxy/route", add_tests)

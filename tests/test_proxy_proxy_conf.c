#include "config.h"

#include "proxy/proxy_conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define LISTEN  "listen: {address: \"127.0.0.1:8700\"}\n"
#define ARCHIVE "archive: {path: ./archive}\n"
#define UP      "upstreams: {a: {url: \"https://a.example\"}}\n"

static struct proxy_conf *parse(const char *text, bool with_secrets, struct err *err)
{
    struct proxy_conf *c = NULL;

    if (proxy_conf_parse(str_from(text), "weir.yaml", "/etc/weir", with_secrets, &c, err) < 0)
        return NULL;
    return c;
}

START_TEST(every_setting_is_read)
{
    struct err err = { 0 };
    CLEANUP(proxy_conf_unref)
    struct proxy_conf *c = parse(
        "listen: {address: \"[::1]:8700\", admin: \"127.0.0.1:9\", unix: w.sock, status: /run/s,\n"
        "         workers: 3, grace: 5s}\n"
        "archive: {path: a, durability: strict, on_pressure: refuse,\n"
        "          segment: {bytes: 64MiB, age: 5m}}\n"
        "limits: {head: 32KiB, headers: 50, body: 1MiB, connections: 10, head_time: 1s,\n"
        "         body_time: 2s, idle_time: 3s, send_time: 4s}\n"
        "upstreams:\n"
        "  a: {url: \"https://a.example/v1/\", api: openai, arm: gateway, ca: ca.pem,\n"
        "      proxy: \"https://p:3128\", proxy_ca: p.pem, hosts: [x, \"*.y\"], connections: 7,\n"
        "      timeouts: {connect: 1s, head: 2s, idle: 3s}}\n"
        "  b: {url: \"http://[::1]:81\", proxy: none}\n",
        false, &err);

    ck_assert_msg(c != NULL, "%s", err.text);
    ck_assert(str_eq(c->listen.host, STR("::1")));
    ck_assert_uint_eq(c->listen.port, 8700);
    ck_assert_uint_eq(c->listen.admin_port, 9);
    ck_assert(str_eq(c->listen.unix_path, STR("/etc/weir/w.sock")));
    ck_assert(str_eq(c->listen.status_path, STR("/run/s")));
    ck_assert_uint_eq(c->listen.workers, 3);
    ck_assert_uint_eq(c->listen.grace_us, 5000000);
    ck_assert_int_eq(c->durability, JOURNAL_STRICT);
    ck_assert_int_eq(c->pressure, PROXY_REFUSE);
    ck_assert_uint_eq(c->segment_bytes, 64u << 20);
    ck_assert_uint_eq(c->segment_age_us, 300000000);
    ck_assert_uint_eq(c->limits.head_bytes, 32u << 10);
    ck_assert_uint_eq(c->limits.headers, 50);
    ck_assert_uint_eq(c->limits.body_bytes, 1u << 20);
    ck_assert_uint_eq(c->limits.connections, 10);
    ck_assert_uint_eq(c->limits.send_us, 4000000);
    const struct proxy_upstream *a = &c->upstreams[0], *b = &c->upstreams[1];
    ck_assert(a->tls && a->port == 443);
    ck_assert(str_eq(a->authority, STR("a.example")));
    ck_assert(str_eq(a->base_path, STR("/v1")));
    ck_assert(str_eq(a->ca_path, STR("/etc/weir/ca.pem")));
    ck_assert(str_eq(a->proxy_ca_path, STR("/etc/weir/p.pem")));
    ck_assert_uint_eq(a->host_count, 2);
    ck_assert_uint_eq(a->connections, 7);
    ck_assert_uint_eq(a->idle_us, 3000000);
    ck_assert(!b->tls && b->port == 81 && b->no_proxy);
    ck_assert(str_eq(b->host, STR("::1")));
    ck_assert(str_eq(b->authority, STR("[::1]:81")));
}
END_TEST

static const struct {
    const char *api, *extra, *header, *value;
} keys[] = {
    {"openai",        "",                        "authorization",  "Bearer k1"},
    { "anthropic",    "",                        "x-api-key",      "k1"       },
    { "azure_openai", "",                        "api-key",        "k1"       },
    { "gemini",       "",                        "x-goog-api-key", "k1"       },
    { "other",        ", key_header: x-gateway", "x-gateway",      "k1"       },
};

START_TEST(a_key_goes_into_the_header_its_api_has_for_it)
{
    struct err err = { 0 };
    char text[400];

    setenv("WEIR_TEST_KEY", " k1\n", 1);
    snprintf(text, sizeof(text),
             LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", api: %s, key: {env: "
                            "WEIR_TEST_KEY}%s}}\n",
             keys[_i].api, keys[_i].extra);
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = parse(text, true, &err);
    ck_assert_msg(c != NULL, "%s", err.text);
    ck_assert(str_eq(c->upstreams[0].key_header, str_from(keys[_i].header)));
    ck_assert(str_eq(c->upstreams[0].key_value, str_from(keys[_i].value)));
}
END_TEST

START_TEST(a_key_can_lie_in_a_file)
{
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = NULL;
    struct err err = { 0 };
    char text[800];

    temp_folder_make();
    ck_assert_int_eq(file_replace(temp_path("key"), STR("k2\n"), 0600, &err), 0);
    snprintf(text, sizeof(text),
             LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", key: {file: %s}}}\n",
             temp_path("key"));
    c = parse(text, true, &err);
    ck_assert_msg(c != NULL, "%s", err.text);
    ck_assert(str_eq(c->upstreams[0].key_value, STR("Bearer k2")));
    temp_folder_remove();
}
END_TEST

#define HASH1 "\"sha256:1111111111111111111111111111111111111111111111111111111111111111\""
#define HASH2 "\"sha256:2222222222222222222222222222222222222222222222222222222222222222\""

START_TEST(keys_of_applications_are_read)
{
    struct err err = { 0 };
    CLEANUP(proxy_conf_unref)
    struct proxy_conf *c =
        parse(LISTEN ARCHIVE "upstreams:\n"
                             "  a: {url: \"https://a\"}\n"
                             "  b: {url: \"https://b\", requires_key: false}\n"
                             "apps: {bot: {}}\n"
                             "clients:\n"
                             "  keys:\n"
                             "    k1: {hash: " HASH1 ", app: bot, expires: 2027-01-01}\n"
                             "    k2: {hash: " HASH2 ", revoked: true}\n",
              true, &err);

    ck_assert_msg(c != NULL, "%s", err.text);
    ck_assert(c->upstreams[0].requires_key && !c->upstreams[1].requires_key);
    ck_assert_uint_eq(c->client_keys.count, 2);
    const struct client_key *k = c->client_keys.keys;
    ck_assert(str_eq(k[0].id, STR("k1")) && str_eq(k[0].app, STR("bot")) && !k[0].revoked);
    ck_assert_int_eq(k[0].expires_us, INT64_C(1798761600) * 1000000);
    ck_assert(k[1].revoked && k[1].expires_us == INT64_MAX && k[1].digest[31] == 0x22);
}
END_TEST

static const struct {
    const char *clients, *upstream;
    bool required;
} requirements[] = {
    {"",                                                          "",                      false},
    { "clients: {keys: {k: {hash: " HASH1 "}}}",                  "",                      true },
    { "clients: {required: false, keys: {k: {hash: " HASH1 "}}}", "",                      false},
    { "clients: {required: false, keys: {k: {hash: " HASH1 "}}}", ", requires_key: true",  true },
    { "clients: {required: true, keys: {k: {hash: " HASH1 "}}}",  ", requires_key: false", false},
};

START_TEST(an_upstream_says_itself_whether_it_wants_a_key_or_all_do)
{
    struct err err = { 0 };
    char text[600];

    snprintf(text, sizeof(text), LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\"%s}}\n%s\n",
             requirements[_i].upstream, requirements[_i].clients);
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = parse(text, true, &err);
    ck_assert_msg(c != NULL, "%s", err.text);
    ck_assert_int_eq(c->upstreams[0].requires_key, requirements[_i].required);
}
END_TEST

#define AWS(keys)                                                                                  \
    LISTEN ARCHIVE "upstreams: {a: {url: \"https://bedrock-runtime.eu-west-1.amazonaws.com\", "    \
                   "key: {aws: {" keys "}}}}\n"

START_TEST(aws_credentials_come_from_the_environment_or_a_profile)
{
    struct err err = { 0 };

    setenv("WEIR_TEST_ID", "AKID", 1);
    setenv("WEIR_TEST_SECRET", "wJal/+=", 1);
    CLEANUP(proxy_conf_unref)
    struct proxy_conf *c = parse(
        AWS("access_key: {env: WEIR_TEST_ID}, secret_key: {env: WEIR_TEST_SECRET}"), true, &err);
    ck_assert_msg(c != NULL, "%s", err.text);
    const struct proxy_aws *a = c->upstreams[0].aws;
    ck_assert(c->upstreams[0].has_key && a != NULL);
    ck_assert(str_eq(a->access_key, STR("AKID")) && str_eq(a->secret_key, STR("wJal/+=")));
    ck_assert(!a->session_token.len && str_eq(a->service, STR("bedrock")));
    ck_assert(str_eq(a->region, STR("eu-west-1")));

    temp_folder_make();
    char text[900];
    ck_assert_int_eq(file_replace(temp_path("credentials"),
                                  STR("[default]\naws_access_key_id = NO\n# [two]\n[two]\r\n"
                                      "aws_access_key_id=ID2\r\n aws_secret_access_key = S2\n"
                                      "region = x\naws_session_token = T2\n[three]\n"
                                      "aws_access_key_id = NO\n"),
                                  0600, &err),
                     0);
    snprintf(text, sizeof(text), AWS("file: %s, profile: two, region: r1, service: bedrock-mantle"),
             temp_path("credentials"));
    CLEANUP(proxy_conf_unref) struct proxy_conf *d = parse(text, true, &err);
    ck_assert_msg(d != NULL, "%s", err.text);
    a = d->upstreams[0].aws;
    ck_assert(str_eq(a->access_key, STR("ID2")) && str_eq(a->secret_key, STR("S2")));
    ck_assert(str_eq(a->session_token, STR("T2")) && str_eq(a->region, STR("r1")));
    ck_assert(str_eq(a->service, STR("bedrock-mantle")));
    snprintf(text, sizeof(text), AWS("file: %s, profile: four"), temp_path("credentials"));
    ck_assert(parse(text, true, &err) == NULL && strstr(err.text, "no profile [four]"));
    snprintf(text, sizeof(text), AWS("file: %s, profile: three"), temp_path("credentials"));
    ck_assert(parse(text, true, &err) == NULL && strstr(err.text, "aws_secret_access_key"));
    temp_folder_remove();
}
END_TEST

START_TEST(another_process_makes_the_same_of_it_though_the_files_have_changed)
{
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = NULL, *again = NULL;
    CLEANUP(buf_release) struct buf packed = { 0 };
    struct err err = { 0 };

    temp_folder_make();
    ck_assert_int_eq(file_replace(temp_path("key"), STR("k3\n"), 0600, &err), 0);
    ck_assert_int_eq(
        file_replace(temp_path("weir.yaml"),
                     STR(LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", key: {file: key}}}\n"),
                     0600, &err),
        0);
    ck_assert_msg(proxy_conf_load(temp_path("weir.yaml"), true, &c, &err) == 0, "%s", err.text);
    proxy_conf_pack(c, &packed);
    ck_assert_int_eq(unlink(temp_path("key")), 0);
    ck_assert_msg(proxy_conf_unpack(buf_str(&packed), temp_path("weir.yaml"), &again, &err) == 0,
                  "%s", err.text);
    ck_assert(str_eq(again->upstreams[0].key_value, STR("Bearer k3")));
    ck_assert(str_eq(again->text, c->text));
    for (size_t len = 0; len < packed.len; len++) {
        struct proxy_conf *cut = NULL;
        if (proxy_conf_unpack(str_sub(buf_str(&packed), 0, len), "weir.yaml", &cut, &err) == 0)
            ck_abort_msg("cut to %zu and accepted", len);
    }
    temp_folder_remove();
}
END_TEST

static const struct {
    const char *text, *place, *hint;
} wrong[] = {
    {LISTEN ARCHIVE UP "clients: {required: true}\n",                                            "weir.yaml:4:",     "weir proxy key"           },
    { LISTEN ARCHIVE UP "clients: {keys: {k: {}}}\n",                                            "weir.yaml:4:",     "weir proxy key"           },
    { LISTEN ARCHIVE UP "clients: {keys: {k: {hash: md5}}}\n",                                   "weir.yaml:4:",     "64 hex"                   },
    { LISTEN ARCHIVE UP "clients: {keys: {k: {hash: weir_12}}}\n",
     "weir.yaml:4:",                                                                                                 "the key itself"           },
    { LISTEN ARCHIVE UP "clients: {keys: {k: {hash: " HASH1 ", app: no}}}\n",
     "weir.yaml:4:",                                                                                                 "not in apps"              },
    { LISTEN ARCHIVE UP "clients: {keys: {k: {hash: " HASH1 ", expires: soon}}}\n",
     "weir.yaml:4:",                                                                                                 "2027-01-01"               },
    { LISTEN ARCHIVE UP "clients: {keys: {k: {hash: " HASH1 "}, l: {hash: " HASH1 "}}}\n",
     "weir.yaml:4:",                                                                                                 "another key"              },
    { AWS(""),                                                                                   "weir.yaml:3:",     "access_key and secret_key"},
    { AWS("file: x, access_key: {env: A}"),                                                      "weir.yaml:3:",     "not both"                 },
    { AWS("profile: x, access_key: {env: A}, secret_key: {env: B}"),                             "weir.yaml:3:",     "which file"               },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", key: {aws: {file: x}}}}\n",
     "weir.yaml:3:",                                                                                                 "region: us-east-1"        },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", key: {env: A, aws: {}}}}\n",
     "weir.yaml:3:",                                                                                                 "no other key"             },
    { ARCHIVE UP "listen: {address: \"127.0.0.1:1\", group: g}\n",                               "weir.yaml:3:",     "needs a user"             },
    { ARCHIVE UP "listen: {address: \"127.0.0.1:1\", unix_group: g}\n",
     "weir.yaml:3:",                                                                                                 "add unix"                 },
    { ARCHIVE UP "listen: {address: \"127.0.0.1:1\", tls: {cert: /no, key: /no}}\n",
     "weir.yaml:3:",                                                                                                 "/no"                      },
    { "",                                                                                        "weir.yaml: ",      "empty"                    },
    { ARCHIVE UP,                                                                                "weir.yaml: ",      "127.0.0.1:8700"           },
    { LISTEN UP,                                                                                 "weir.yaml: ",      "archive: {path"           },
    { LISTEN ARCHIVE,                                                                            "weir.yaml: ",      "no upstreams"             },
    { ARCHIVE UP "listen: {address: 8700}\n",                                                    "weir.yaml:3:19: ", "127.0.0.1:8700"           },
    { ARCHIVE UP "listen: {address: \"::1:8700\"}\n",                                            "weir.yaml:3:19: ", "127.0.0.1:8700"           },
    { ARCHIVE UP "listen: {address: \"0.0.0.0:8700\"}\n",                                        "weir.yaml:3:19: ", "allow_plaintext"          },
    { ARCHIVE UP "listen: {address: \"127.0.0.1:1\", tls: {cert: c}}\n",
     "weir.yaml:3:",                                                                                                 "cert and key"             },
    { ARCHIVE UP "listen: {address: \"127.0.0.1:1\", workers: 0}\n",                             "weir.yaml:3:",     "1 to 64"                  },
    { LISTEN ARCHIVE "upstreams: {a: {api: openai}}\n",                                          "weir.yaml:3:",     "no url"                   },
    { LISTEN ARCHIVE "upstreams: {a/b: {url: \"https://a\"}}\n",                                 "weir.yaml:3:13: ", "'/'"                      },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a?b\"}}\n",                                 "weir.yaml:3:",     "no '?'"                   },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://\"}}\n",                                    "weir.yaml:3:",     "https://host"             },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", key: {env: WEIR_NO_SUCH}}}\n",
     "weir.yaml:3:",                                                                                                 "not in the environment"   },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", proxy: none, proxy_ca: x}}\n",
     "weir.yaml:3:",                                                                                                 "https://..."              },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", proxy: \"http://p\", proxy_ca: x}}\n",
     "weir.yaml:3:",                                                                                                 "https://..."              },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", proxy_ca: /no/such}}\n",
     "weir.yaml:3:",                                                                                                 "/no/such"                 },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", key: {}}}\n",                          "weir.yaml:3:",     "either"                   },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", key: {file: /no/such}}}\n",
     "weir.yaml:3:",                                                                                                 "/no/such"                 },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\"}}\napps: {a: {}}\n",
     "weir.yaml:3:13: ",                                                                                             "two meanings"             },
    { LISTEN ARCHIVE UP "apps: {x: {upstream: b}}\n",                                            "weir.yaml:4:",     "upstreams"                },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", api: openia}}\n",
     "weir.yaml:3:",                                                                                                 "'openai'"                 },
    { LISTEN ARCHIVE "upstreams: {a: {url: \"https://a\", key: sk-1}}\n",
     "weir.yaml:3:",                                                                                                 "such as {env: ...}"       },
    { LISTEN ARCHIVE "upstreams: {\xc3\xb6: {url: \"https://a\"}}\n",                            "weir.yaml:3:",     "ASCII"                    },
    { LISTEN ARCHIVE UP "limits: {head: 2MiB}\n",                                                "weir.yaml:4:",     "1KiB to 512KiB"           },
    { LISTEN ARCHIVE UP "limits: {headers: -1}\n",                                               "weir.yaml:4:",     "from 0"                   },
    { LISTEN ARCHIVE UP "limits: {bodies: 1MiB}\n",                                              "weir.yaml:4:",     "known here: head"         },
    { LISTEN UP "archive: {path: a, on_pressure: pray}\n",                                       "weir.yaml:3:",     "drop_bodies"              },
    { LISTEN UP "archive: {path: a, segment: {bytes: 1}}\n",                                     "weir.yaml:3:",     "64KiB at least"           },
    { ARCHIVE UP "listen: {address: \"127.0.0.1:1\", allow_plaintext: yes}\n",
     "weir.yaml:3:",                                                                                                 "true"                     },
    { LISTEN ARCHIVE UP "redaction: {emails: true}\n",                                           "weir.yaml:4:",     "known here: rules"        },
};

START_TEST(a_wrong_setting_says_where_and_what_to_write)
{
    struct err err = { 0 };
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = parse(wrong[_i].text, true, &err);

    ck_assert_msg(c == NULL, "accepted: %s", wrong[_i].text);
    ck_assert_msg(strncmp(err.text, wrong[_i].place, strlen(wrong[_i].place)) == 0 ||
                      strcmp(wrong[_i].place, "weir.yaml: ") == 0,
                  "%s", err.text);
    ck_assert_msg(strstr(err.text, wrong[_i].hint) != NULL, "%s", err.text);
    ck_assert_int_eq(err.code, ERR_USAGE);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, every_setting_is_read);
    tcase_add_loop_test(tc, a_key_goes_into_the_header_its_api_has_for_it, 0, ARRAY_LEN(keys));
    tcase_add_test(tc, a_key_can_lie_in_a_file);
    tcase_add_test(tc, keys_of_applications_are_read);
    tcase_add_loop_test(tc, an_upstream_says_itself_whether_it_wants_a_key_or_all_do, 0,
                        ARRAY_LEN(requirements));
    tcase_add_test(tc, aws_credentials_come_from_the_environment_or_a_profile);
    tcase_add_test(tc, another_process_makes_the_same_of_it_though_the_files_have_changed);
    tcase_add_loop_test(tc, a_wrong_setting_says_where_and_what_to_write, 0, ARRAY_LEN(wrong));
}

CHECK_MAIN("proxy/proxy_conf", add_tests)

/* Whatever is imported arrives whole, once, and without its credentials. */
#include "config.h"

#include "capture/import.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/timestamp.h"
#include "capture/conf.h"
#include "check_main.h"
#include "import_sample.h"
#include "shared_data.h"

#define DATE "\"resp_headers\":{\"date\":\"Fri, 31 Jan 2025 17:31:33 GMT\"}"
#define LINE(n)                                                                                    \
    "{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/chat/completions\",\"req_headers\":" \
    "{},\"req_body\":\"{}\",\"status\":200," DATE ",\"resp_body\":\"{\\\"id\\\":" #n "}\"}\n"

static struct sample sample;

static void setup(void)
{
    temp_folder_make();
    sample_open(&sample, "archive");
}

static void teardown(void)
{
    sample_close(&sample);
    temp_folder_remove();
}

START_TEST(a_line_becomes_an_exchange_with_all_it_said)
{
    sample_text(&sample,
                STR("{\"repo\":\"r/x\",\"file\":\"a.yaml\",\"n\":3,\"method\":\"post\","
                    "\"url\":\"https://user:pw@api.openai.com/v1/responses?x=1&key=abc#frag\","
                    "\"req_headers\":{\"User-Agent\":\"OpenAI/JS 6\",\"Accept\":[\"a\",\"b\"],"
                    "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\","
                    "\"authorization\":\"Bearer sk-1\",\"x-n\":7,\":path\":\"/v1\"},"
                    "\"req_body\":\"{\\\"model\\\":\\\"gpt-5\\\",\\\"user\\\":\\\"bob\\\","
                    "\\\"metadata\\\":{\\\"team\\\":\\\"x\\\",\\\"user_id\\\":\\\"u\\\"}}\","
                    "\"status\":429,\"resp_headers\":{\"openai-organization\":\"acme\"},"
                    "\"resp_body_b64\":\"AAH/\",\"started_at\":\"2026-01-02T03:04:05.678901Z\","
                    "\"app\":\"bot\",\"head_us\":5,\"end_us\":9,\"chunks\":[[5,1],[9,2]],"
                    "\"truncated\":true,\"end_user\":\"bob\",\"unknown\":{\"a\":[1]}}"),
                IMPORT_AUTO);
    ck_assert_stats(&sample, 1, 1, 0, 0);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    const json_t *x = json_array_get(lines, 0);
    char bob[FINGERPRINT_TEXT_BYTES], sk[FINGERPRINT_TEXT_BYTES], mark[64];

    key_fingerprint(&sample.key, "user", STR("bob"), bob);
    key_fingerprint(&sample.key, "key", STR("sk-1"), sk);
    ck_assert_member(x, "method", "POST");
    snprintf(mark, sizeof(mark), "Bearer weir:%s", sk);
    ck_assert_member(x, "req_headers.authorization", mark);
    ck_assert_member(x, "key_id", sk);
    ck_assert_ptr_nonnull(strstr(sample_get(x, "url"), "https://api.openai.com/v1/responses?x=1&"
                                                       "key=weir:"));
    ck_assert_ptr_null(strstr(sample_get(x, "url"), "frag"));
    ck_assert_member(x, "req_headers.Accept.1", "b");
    ck_assert_member(x, "req_headers.x-n", "7");
    ck_assert_member(x, "started_at", "2026-01-02T03:04:05.678901Z");
    ck_assert_member(x, "trace_id", "0af7651916cd43dd8448eb211c80319c");
    ck_assert_member(x, "user_agent", "OpenAI/JS 6");
    ck_assert_member(x, "status", "429");
    ck_assert_member(x, "resp_body_b64", "AAH/");
    ck_assert_member(x, "app", "bot");
    ck_assert_member(x, "head_us", "5");
    ck_assert_member(x, "chunks.1.1", "2");
    ck_assert_member(x, "truncated", "true");
    ck_assert_member(x, "end_user_fingerprint", bob);
    ck_assert_member(x, "labels.repo", "r/x");
    ck_assert_member(x, "labels.n", "3");
    ck_assert_ptr_nonnull(json_get(json_get(x, "labels"), "metadata.team"));
    ck_assert_ptr_null(json_get(json_get(x, "labels"), "metadata.user_id"));
    ck_assert_member(x, "labels.openai_organization", "acme");
    ck_assert_member(x, "origin", "import:jsonl");
}
END_TEST

START_TEST(importing_a_file_twice_adds_nothing)
{
    struct str text = STR(LINE(1) LINE(2));

    sample_text(&sample, text, IMPORT_AUTO);
    ck_assert_stats(&sample, 2, 2, 0, 0);
    sample_text(&sample, text, IMPORT_AUTO);
    ck_assert_stats(&sample, 2, 0, 2, 0);
}
END_TEST

START_TEST(equal_lines_in_one_file_are_as_many_calls)
{
    sample_text(&sample, STR(LINE(1) LINE(1) LINE(2) LINE(1)), IMPORT_AUTO);
    ck_assert_stats(&sample, 4, 4, 0, 0);
    sample_text(&sample, STR(LINE(1) LINE(1)), IMPORT_AUTO);
    ck_assert_stats(&sample, 2, 0, 2, 0);
    /* Two files that overlap: only what the first did not have is new. */
    sample_text(&sample, STR(LINE(1) LINE(1) LINE(1) LINE(1) LINE(3)), IMPORT_AUTO);
    ck_assert_stats(&sample, 5, 2, 3, 0);
}
END_TEST

START_TEST(what_a_journal_holds_unsealed_is_not_added_again)
{
    const char *path = sample_file("input", STR(LINE(1)));

    sample_journal(&sample, path, IMPORT_AUTO);
    ck_assert_stats(&sample, 1, 1, 0, 0);
    sample_journal(&sample, path, IMPORT_AUTO);
    ck_assert_stats(&sample, 1, 0, 1, 0);
    sample_seal(&sample);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    ck_assert_uint_eq(json_array_size(lines), 1);
}
END_TEST

START_TEST(an_exchange_has_the_same_id_wherever_it_is_imported)
{
    CLEANUP(sample_close) struct sample other;

    sample_text(&sample, STR(LINE(1)), IMPORT_AUTO);
    sample_open(&other, "other");
    sample_text(&other, STR(LINE(9) LINE(1)), IMPORT_AUTO);
    CLEANUP(json_decref) json_t *a = sample_lines(&sample), *b = NULL;
    b = sample_lines(&other);
    ck_assert_str_eq(sample_get(a, "0.id"), sample_get(b, "1.id"));
    json_decref(b);
    b = NULL;
}
END_TEST

/* Each stands as line 2 between two good ones. */
static const struct {
    const char *line, *reason;
} bad_lines[] = {
    {"{\"method\":\"GET\"",                                                         "is not JSON"              },
    { "nonsense",                                                                   "not a JSON object"        },
    { "[1]",                                                                        "not a JSON object"        },
    { "{\"method\":\"GET\",\"status\":200," DATE "}",                               "no 'url'"                 },
    { "{\"url\":5," DATE "}",                                                       "'url' is not a string"    },
    { "{\"url\":\"https://x/\",\"status\":\"ok\"," DATE "}",                        "'status'"                 },
    { "{\"url\":\"https://x/\",\"status\":2000," DATE "}",                          "'status'"                 },
    { "{\"url\":\"https://x/\",\"req_headers\":7," DATE "}",                        "'req_headers'"            },
    { "{\"url\":\"https://x/\",\"req_headers\":{\"a\":{}}," DATE "}",               "'a' is not a header value"},
    { "{\"url\":\"https://x/\",\"resp_body_b64\":\"%%\"," DATE "}",                 "'resp_body_b64'"          },
    { "{\"url\":\"https://x/\",\"resp_body\":\"abc\",\"chunks\":[[0,2]]," DATE "}", "chunks"                   },
    { "{\"url\":\"https://x/\",\"chunks\":[[0]]," DATE "}",                         "'chunks'"                 },
    { "{\"url\":\"https://x/\",\"started_at\":\"soon\"}",                           "'started_at'"             },
    { "{\"url\":\"https://x/\",\"id\":\"7\"," DATE "}",                             "'id' is not a UUID"       },
    { "{\"url\":\"https://x/\",\"content_id\":\"7\"," DATE "}",                     "'content_id'"             },
    { "{\"url\":\"https://x/\",\"key_id\":\"sk-live\"," DATE "}",                   "'key_id'"                 },
    { "{\"url\":\"https://x/\",\"end_us\":-4," DATE "}",                            "'end_us'"                 },
    { "{\"url\":\"https://x/\",\"transport_error\":\"x\"," DATE "}",                "'transport_error'"        },
    { "{\"url\":\"https://x/\"} trailing",                                          "is not JSON"              },
    { "{\"url\":\"https://x/\",\"status\":200}",                                    "carries no time"          },
};

START_TEST(a_bad_line_is_named_and_those_around_it_are_kept)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "%s%s\n\n%s", LINE(1), bad_lines[_i].line, LINE(2));
    sample_text(&sample, buf_str(&text), IMPORT_EXCHANGES);
    ck_assert_stats(&sample, 3, 2, 0, 1);
    ck_assert_int_eq(sample.result, 0);
    ck_assert_uint_eq(sample.reasons[0].line, 2);
    ck_assert_msg(strstr(sample.reasons[0].text, bad_lines[_i].reason) != NULL, "%s",
                  sample.reasons[0].text);
}
END_TEST

static const struct {
    const char *members, *want;
} times[] = {
    {DATE,                                                                                           "2025-01-31T17:31:33Z"},
    { "\"resp_body\":\"{\\\"created\\\":1772012052}\"",                                              "2026-02-25T09:34:12Z"},
    { "\"resp_body\":\"{\\\"created_at\\\":1772012052}\"",                                           "2026-02-25T09:34:12Z"},
    { "\"resp_body\":\"{\\\"createTime\\\":\\\"2025-05-06T07:08:09.123456Z\\\"}\"",
     "2025-05-06T07:08:09.123456Z"                                                                                         },
    { "\"resp_body\":\"event: x\\ndata: {\\\"a\\\":1}\\n\\ndata: {\\\"created\\\":1772012052}\\n\"",
     "2026-02-25T09:34:12Z"                                                                                                },
    { "\"resp_body\":\"data: {\\\"response\\\":{\\\"created_at\\\":1772012052}}\\n\"",
     "2026-02-25T09:34:12Z"                                                                                                },
    { "\"resp_body\":\"{\\\"created_at\\\":\\\"2025-05-06T07:08:09.1Z\\\",\\\"done\\\":false}\\n\"",
     "2025-05-06T07:08:09.100000Z"                                                                                         },
    { "\"req_headers\":{\"X-Amz-Date\":\"20261122T134026Z\"}",                                       "2026-11-22T13:40:26Z"},
    { "\"resp_body\":\"{\\\"created\\\":0}\"",                                                       "2020-02-02T00:00:00Z"},
    { "\"resp_headers\":{\"date\":\"yesterday\"}",                                                   "2020-02-02T00:00:00Z"},
};

START_TEST(a_record_has_the_time_it_carries_or_else_the_one_given)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    sample.options.has_at = true;
    ck_assert(timestamp_parse(STR("2020-02-02"), &sample.options.at_us));
    buf_addf(&text, "{\"url\":\"https://x/v1\",%s}\n", times[_i].members);
    sample_text(&sample, buf_str(&text), IMPORT_AUTO);
    ck_assert_stats(&sample, 1, 1, 0, 0);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    ck_assert_member(lines, "0.started_at", times[_i].want);
}
END_TEST

/* URLs as recorders write them, and what becomes of them; without a reason they are kept. */
static const struct {
    const char *url;
    const char *host; /* of the header; NULL = none */
    const char *want; /* scheme, host and path as an export has them */
    const char *reason;
} urls[] = {
    {"https://api.openai.com/v1/x?a=b", NULL,                "https://api.openai.com/v1/x?a=b",       NULL                                               },
 /* No scheme, but a host. */
    { "api.anthropic.com/v1/messages",  NULL,                "https://api.anthropic.com/v1/messages", NULL                                               },
    { "api.anthropic.com",              NULL,                "https://api.anthropic.com/",            NULL                                               },
    { "api.anthropic.com?a=b",          NULL,                "https://api.anthropic.com/?a=b",        NULL                                               },
    { " api.anthropic.com/v1#f ",       NULL,                "https://api.anthropic.com/v1",          NULL                                               },
    { "gateway:4000/v1/messages",       NULL,                "https://gateway:4000/v1/messages",      NULL                                               },
    { "localhost/v1",                   NULL,                "https://localhost/v1",                  NULL                                               },
    { "127.0.0.1:80/v1",                NULL,                "https://127.0.0.1:80/v1",               NULL                                               },
    { "[::1]:8080/v1",                  NULL,                "https://[::1]:8080/v1",                 NULL                                               },
    { "user:pw@api.openai.com/v1",      NULL,                "https://api.openai.com/v1",             NULL                                               },
    { "//api.openai.com/v1",            NULL,                "https://api.openai.com/v1",             NULL                                               },
 /* A path: the host is the header's. */
    { "/v1/messages",                   "API.Anthropic.com", "api.anthropic.com/v1/messages",         NULL                                               },
    { "/v1/messages",                   NULL,                "/v1/messages",                          NULL                                               },
    { "///v1",                          "h.example",         "https://h.example/v1",                  NULL                                               },
 /* Neither. */
    { "v1/messages",                    NULL,                NULL,                                    "its URL begins with 'v1', which is no host: write"},
    { "v1/messages",                    "h.example",         NULL,                                    "'v1', which is no host"                           },
    { "../v1",                          NULL,                NULL,                                    "'..', which is no host"                           },
    { "messages?key=hush",              NULL,                NULL,                                    "'messages', which is no host"                     },
    { "user:hush@v1/messages",          NULL,                NULL,                                    "'v1', which is no host"                           },
    { "api.openai.com:x/v1",            NULL,                NULL,                                    "'api.openai.com:x', which is no host"             },
    { "#f",                             NULL,                NULL,                                    "'', which is no host"                             },
 /* One host, one spelling. */
    { "HTTPS://API.OpenAI.com/V1",      NULL,                "https://api.openai.com/V1",             NULL                                               },
    { "https://api.openai.com:443/v1",  NULL,                "https://api.openai.com/v1",             NULL                                               },
    { "https://api.openai.com:/v1",     NULL,                "https://api.openai.com/v1",             NULL                                               },
    { "http://h.example:80/v1",         NULL,                "http://h.example/v1",                   NULL                                               },
    { "http://h.example:443/v1",        NULL,                "http://h.example:443/v1",               NULL                                               },
    { "wss://[FE80::1]:443/v1",         NULL,                "wss://[fe80::1]/v1",                    NULL                                               },
    { "https://[fe80::443]/v1",         NULL,                "https://[fe80::443]/v1",                NULL                                               },
};

static void check_url(int i)
{
    ck_assert_stats(&sample, 1, urls[i].want ? 1 : 0, 0, urls[i].want ? 0 : 1);
    if (!urls[i].want) {
        const char *reason = sample.reasons[0].text;
        ck_assert_msg(strstr(reason, urls[i].reason) != NULL, "%s", reason);
        ck_assert_ptr_null(strstr(reason, "hush"));
        return;
    }
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    CLEANUP(buf_release) struct buf url = { 0 };
    if (!strstr(sample_get(lines, "0.url"), "://"))
        buf_add_text(&url, sample_get(lines, "0.host"));
    buf_add_text(&url, sample_get(lines, "0.url"));
    ck_assert_str_eq(buf_cstr(&url), urls[i].want);
}

START_TEST(an_url_is_whole_a_host_or_a_path_and_its_host_spelled_one_way)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "{\"method\":\"POST\",\"url\":\"%s\",\"req_headers\":{", urls[_i].url);
    if (urls[_i].host)
        buf_addf(&text, "\"Host\":\"%s\"", urls[_i].host);
    buf_add_text(&text, "}," DATE "}\n");
    sample_text(&sample, buf_str(&text), IMPORT_EXCHANGES);
    check_url(_i);
}
END_TEST

START_TEST(an_url_of_a_har_entry_is_read_the_same_way)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text,
             "{\"log\":{\"entries\":[{\"startedDateTime\":\"2026-10-01T00:00:00Z\",\"request\":{"
             "\"method\":\"POST\",\"url\":\"%s\",\"headers\":[",
             urls[_i].url);
    if (urls[_i].host)
        buf_addf(&text, "{\"name\":\"Host\",\"value\":\"%s\"}", urls[_i].host);
    buf_add_text(&text, "]},\"response\":{}}]}}");
    sample_text(&sample, buf_str(&text), IMPORT_HAR);
    check_url(_i);
}
END_TEST

START_TEST(what_browsers_log_without_a_server_is_no_mistake)
{
    sample_text(&sample,
                STR("{\"url\":\"data:text/plain;base64,AAAA\"," DATE "}\n"
                    "{\"url\":\"about:blank\"," DATE "}\n"),
                IMPORT_EXCHANGES);
    ck_assert_stats(&sample, 2, 2, 0, 0);
}
END_TEST

START_TEST(a_dropped_body_is_missing_and_an_empty_one_is_empty)
{
    sample_text(
        &sample,
        STR("{\"url\":\"https://x/a\",\"req_body\":\"\",\"status\":200,\"resp_body\":\"\","
            "\"resp_body_dropped\":true," DATE "}\n"
            "{\"url\":\"https://x/b\",\"req_body\":\"\",\"status\":200,\"resp_body\":\"\"," DATE
            "}\n"
            "{\"url\":\"https://x/c\",\"status\":200," DATE "}\n"),
        IMPORT_AUTO);
    ck_assert_stats(&sample, 3, 3, 0, 0);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    for (size_t i = 0; i < 3; i++) {
        const json_t *x = json_array_get(lines, i);
        bool dropped = strstr(sample_get(x, "url"), "/b") == NULL;
        ck_assert_int_eq(json_get(x, "resp_body_dropped") != NULL, dropped);
        ck_assert_int_eq(json_get(x, "resp_body") != NULL, !dropped);
    }
}
END_TEST

START_TEST(a_line_beyond_the_limit_costs_only_itself)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    size_t long_bytes = (64u << 20) + 10;

    buf_add_text(&text, LINE(1));
    memset(buf_reserve(&text, long_bytes), 'x', long_bytes);
    text.len += long_bytes;
    buf_add_text(&text, "\n" LINE(2));
    sample_text(&sample, buf_str(&text), IMPORT_EXCHANGES);
    ck_assert_stats(&sample, 3, 2, 0, 1);
    ck_assert_uint_eq(sample.reasons[0].line, 2);
    ck_assert_ptr_nonnull(strstr(sample.reasons[0].text, "64 MiB"));
}
END_TEST

static void gzip_into(struct buf *out, struct str text)
{
    z_stream z = { 0 };
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, (uLong)text.len);
    z.next_in = (Bytef *)(uintptr_t)text.ptr;
    z.avail_in = (uInt)text.len;
    z.next_out = (Bytef *)buf_reserve(out, room);
    z.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    out->len += room - z.avail_out;
    deflateEnd(&z);
}

START_TEST(compressed_files_are_read_and_a_cut_one_says_so)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(buf_release) struct buf packed = { 0 };

    for (int i = 0; i < 2000; i++)
        buf_addf(&text, "{\"url\":\"https://x/%d\",\"status\":200," DATE ",\"f\":\"%x\"}\n", i,
                 (unsigned)i * 2654435761u);
    gzip_into(&packed, buf_str(&text));
    struct str half = str_sub(buf_str(&packed), 0, packed.len / 2);
    sample_text(&sample, half, IMPORT_AUTO);
    ck_assert_uint_gt(sample.stats.added, 500);
    ck_assert_uint_eq(sample.stats.bad, 1);
    ck_assert_ptr_nonnull(strstr(sample.reasons[0].text, "ends early"));
    uint64_t first = sample.stats.added;
    sample_text(&sample, buf_str(&packed), IMPORT_AUTO);
    ck_assert_stats(&sample, 2000, 2000 - first, first, 0);
    buf_clear(&packed);
    buf_add_text(&packed, "\x1f\x8bgarbage");
    sample_text(&sample, buf_str(&packed), IMPORT_AUTO);
    ck_assert(sample.result < 0 || sample.stats.bad == 1);
}
END_TEST

START_TEST(a_missing_file_is_an_error_and_an_empty_one_is_not)
{
    sample_import(&sample, temp_path("nothing"), IMPORT_AUTO);
    ck_assert_int_eq(sample.result, -1);
    ck_assert_ptr_nonnull(strstr(sample.err.text, "nothing"));
    sample_text(&sample, STR("\xef\xbb\xbf" LINE(1)), IMPORT_AUTO); /* a byte order mark */
    ck_assert_stats(&sample, 1, 1, 0, 0);
    sample_text(&sample, STR(""), IMPORT_EXCHANGES);
    ck_assert_stats(&sample, 0, 0, 0, 0);
}
END_TEST

START_TEST(rules_see_the_head_the_labels_and_the_model)
{
    CLEANUP(conf_free) struct conf *c = NULL;
    struct err err;

    ck_assert_int_eq(conf_parse(STR("apps: {bot: {team: support}}\n"
                                    "attribution:\n"
                                    "  - {label: {header.x-tenant: acme}, app: bot}\n"
                                    "  - {model: gpt-5*, purpose: new}\n"
                                    "  - {end_user: bob, environment: lab}\n"),
                                "t", "", &c, &err),
                     0);
    attribution_set_key(c->attribution, &sample.key);
    sample.options.attribution = c->attribution;
    sample_text(&sample,
                STR("{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/responses\","
                    "\"req_headers\":{\"X-Tenant\":\"acme\",\"x-weir-app\":\"self\"},"
                    "\"req_body\":\"{\\\"model\\\":\\\"gpt-5\\\",\\\"user\\\":\\\"bob\\\"}\","
                    "\"status\":500," DATE ",\"resp_body\":\"\"}\n"
                    "{\"url\":\"https://x/\",\"req_headers\":{\"x-weir-app\":\"self\"}," DATE "}"),
                IMPORT_AUTO);
    ck_assert_stats(&sample, 2, 2, 0, 0);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    bool first = strcmp(sample_get(lines, "0.app"), "bot") == 0;
    const json_t *x = json_array_get(lines, first ? 0 : 1);
    const json_t *other = json_array_get(lines, first ? 1 : 0);
    ck_assert_member(x, "app", "bot");
    ck_assert_member(x, "team", "support");
    ck_assert_member(x, "purpose", "new");
    ck_assert_member(x, "environment", "lab");
    ck_assert_member(other, "app", "self"); /* what a caller says of itself, if no rule does */
}
END_TEST

static const char redacted_inputs[][900] = {
    "{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/responses?m=jane%40example.com\","
    "\"req_headers\":{\"user-agent\":\"jane@example.com\"},"
    "\"req_body\":\"{\\\"model\\\":\\\"gpt-5\\\",\\\"user\\\":\\\"jane@example.com\\\","
    "\\\"metadata\\\":{\\\"who\\\":\\\"jane@example.com\\\"}}\","
    "\"status\":200," DATE ",\"resp_body\":\"data: {\\\"delta\\\":\\\"jane@exa\\\"}\\n\\n"
    "data: {\\\"delta\\\":\\\"mple.com\\\"}\\n\\n\"}\n",
    "{\"user_id\":\"jane@example.com\",\"event\":\"message_send\",\"time\":1790000000,"
    "\"properties\":{\"main_model\":\"gpt-5\",\"prompt_tokens\":1,\"completion_tokens\":2,"
    "\"edit_format\":\"jane@example.com\"}}\n",
};

START_TEST(what_is_to_be_redacted_is_not_even_in_the_journal)
{
    CLEANUP(conf_free) struct conf *c = NULL;
    struct archive_journals journals = { 0 };
    CLEANUP(buf_release) struct buf bytes = { 0 };
    struct err err;
    char user[FINGERPRINT_TEXT_BYTES];

    ck_assert_int_eq(conf_parse(STR("redaction: {rules: email}\n"), "t", "", &c, &err), 0);
    sample.options.conf = c;
    sample_journal(&sample, sample_file("input", str_from(redacted_inputs[_i])), IMPORT_AUTO);
    ck_assert_stats(&sample, 1, 1, 0, 0);
    ck_assert_int_eq(archive_journals_list(sample.archive, &journals, &err), 0);
    ck_assert_uint_eq(journals.len, 1);
    ck_assert_int_eq(file_read(journals.ptr[0].path, 1u << 20, &bytes, &err), 0);
    ck_assert_ptr_null(memmem(bytes.ptr, bytes.len, "jane", 4));
    ck_assert_ptr_null(memmem(bytes.ptr, bytes.len, "mple.com", 8));
    ck_assert_ptr_nonnull(memmem(bytes.ptr, bytes.len, "[email]", 7));
    archive_journals_release(&journals);

    sample_seal(&sample);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    key_fingerprint(&sample.key, "user", STR("jane@example.com"), user);
    ck_assert_str_eq(sample_get(lines, "0.end_user_fingerprint"), user);
}
END_TEST

START_TEST(all_recorded_exchanges_are_imported)
{
    static const struct {
        const char *file;
        uint64_t lines;
    } files[] = {
        {"openai",     84 },
        { "anthropic", 30 },
        { "bedrock",   62 },
        { "google",    59 },
        { "azure",     19 },
        { "other",     105}
    };
    char name[128], path[SHARED_DATA_PATH_BYTES];

    sample.options.has_at = true;
    sample.options.at_us = SAMPLE_NOW_US;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
            snprintf(name, sizeof(name), "cassettes/exchanges/%s.jsonl", files[i].file);
            if (!shared_data_find(name, path))
                return;
            sample_import(&sample, path, IMPORT_AUTO);
            uint64_t n = files[i].lines;
            ck_assert_stats(&sample, n, round ? 0 : n, round ? n : 0, 0);
        }
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    ck_assert_uint_eq(json_array_size(lines), 359);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_line_becomes_an_exchange_with_all_it_said);
    tcase_add_test(tc, importing_a_file_twice_adds_nothing);
    tcase_add_test(tc, equal_lines_in_one_file_are_as_many_calls);
    tcase_add_test(tc, what_a_journal_holds_unsealed_is_not_added_again);
    tcase_add_test(tc, an_exchange_has_the_same_id_wherever_it_is_imported);
    tcase_add_loop_test(tc, a_bad_line_is_named_and_those_around_it_are_kept, 0,
                        ARRAY_LEN(bad_lines));
    tcase_add_loop_test(tc, a_record_has_the_time_it_carries_or_else_the_one_given, 0,
                        ARRAY_LEN(times));
    tcase_add_loop_test(tc, an_url_is_whole_a_host_or_a_path_and_its_host_spelled_one_way, 0,
                        ARRAY_LEN(urls));
    tcase_add_loop_test(tc, an_url_of_a_har_entry_is_read_the_same_way, 0, ARRAY_LEN(urls));
    tcase_add_test(tc, what_browsers_log_without_a_server_is_no_mistake);
    tcase_add_test(tc, a_dropped_body_is_missing_and_an_empty_one_is_empty);
    tcase_add_test(tc, a_line_beyond_the_limit_costs_only_itself);
    tcase_add_test(tc, compressed_files_are_read_and_a_cut_one_says_so);
    tcase_add_test(tc, a_missing_file_is_an_error_and_an_empty_one_is_not);
    tcase_add_test(tc, rules_see_the_head_the_labels_and_the_model);
    tcase_add_loop_test(tc, what_is_to_be_redacted_is_not_even_in_the_journal, 0,
                        ARRAY_LEN(redacted_inputs));
    tcase_add_test(tc, all_recorded_exchanges_are_imported);
}

CHECK_MAIN("capture/import", add_tests)

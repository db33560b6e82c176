/* A planted secret is looked for in every byte an archive has on disk, at each step of an import.
 */
#include "config.h"

#include "capture/import.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/codec.h"
#include "base/timestamp.h"
#include "base/vec.h"
#include "check_main.h"
#include "import_sample.h"

#define SECRET         "sk-planted/4f9Zq7+xY=" /* with bytes that base64 and URLs write otherwise */
#define URL_SECRET     "sk-planted%2F4f9Zq7%2BxY%3D"
#define FILE_BYTES_MAX (64u << 20)

static struct sample sample;

static void setup(void)
{
    temp_folder_make();
    sample_open(&sample, "archive");
    sample.options.has_at = true;
    sample.options.at_us = SAMPLE_NOW_US;
}

static void teardown(void)
{
    sample_close(&sample);
    temp_folder_remove();
}

/* As the secret may show: as it is, as in a URL, as in JSON, and in hexadecimal or base64 of a
 * whole value. */
static const char *const shapes[] = { SECRET, URL_SECRET, "sk-planted\\/4f9Zq7+xY=", "4f9Zq7" };

static void assert_no_secret(struct str bytes, const char *where)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        ck_assert_msg(str_find(bytes, str_from(shapes[i]), 0) < 0, "%s holds '%s'", where,
                      shapes[i]);
}

static size_t searched_bytes;

static int search_file(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    CLEANUP(buf_release) struct buf bytes = { 0 };
    CLEANUP(buf_release) struct buf plain = { 0 };
    CLEANUP(codec_close) struct codec *codec = NULL;
    struct err err;

    (void)st, (void)ftw;
    if (kind != FTW_F)
        return 0;
    ck_assert_msg(file_read(path, FILE_BYTES_MAX, &bytes, &err) == 0, "%s", err.text);
    assert_no_secret(buf_str(&bytes), path);
    searched_bytes += bytes.len;
    if (str_ends_with(str_from(path), STR(".zst"))) {
        ck_assert_int_eq(codec_open(STR("zstd"), &codec, &err), 0);
        ck_assert_msg(codec_decode(codec, buf_str(&bytes), FILE_BYTES_MAX, &plain, &err) == 0, "%s",
                      err.text);
        assert_no_secret(buf_str(&plain), path);
        searched_bytes += plain.len;
    }
    return 0;
}

/* Every file, what is in the compressed ones, and every value of the ledger. */
static void search_archive(void)
{
    searched_bytes = 0;
    ck_assert_int_eq(nftw(temp_path("archive"), search_file, 16, FTW_PHYS), 0);
    ck_assert_uint_gt(searched_bytes, 200);
}

static void search_exports(void)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    for (int format = EXPORT_JSONL; format <= EXPORT_CSV; format++) {
        sample_export(&sample, (enum export_format)format, &out);
        assert_no_secret(buf_str(&out), "an export");
    }
}

/* Imports the text and looks everywhere, before sealing and after. */
static void import_and_search(struct str text, enum import_kind kind)
{
    sample_journal(&sample, sample_file("input", text), kind);
    ck_assert_msg(sample.stats.added == 1, "%d added: %s", (int)sample.stats.added,
                  sample.reasons[0].text);
    search_archive();
    sample_seal(&sample);
    search_archive();
    search_exports();
}

static const struct {
    const char *name, *value;
} headers[] = {
    {"Authorization",              "Bearer " SECRET                                 },
    { "authorization",             "Basic " SECRET                                  },
    { "authorization",             SECRET                                           },
    { "authorization",             "AWS4-HMAC-SHA256 Credential=" SECRET
                       "x/20261122/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature="
                       "aa"                                   },
    { "authorization",             "AWS4-HMAC-SHA256 Credential=AKIA/20261122/us-east-1/bedrock/aws4_request, "
                       "SignedHeaders=host, Signature=" SECRET},
    { "x-api-key",                 SECRET                                           },
    { "api-key",                   SECRET                                           },
    { "x-goog-api-key",            SECRET                                           },
    { "proxy-authorization",       "Basic " SECRET                                  },
    { "cookie",                    "a=b; session=" SECRET                           },
    { "set-cookie",                "session=" SECRET "; HttpOnly"                   },
    { "x-amz-security-token",      SECRET                                           },
    { "x-litellm-api-key",         SECRET                                           },
    { "x-litellm-key",             SECRET                                           },
    { "x-portkey-api-key",         SECRET                                           },
    { "x-portkey-config",          "{\\\"api_key\\\":\\\"" SECRET "\\\"}"           },
    { "helicone-auth",             "Bearer " SECRET                                 },
    { "cf-aig-authorization",      "Bearer " SECRET                                 },
    { "ocp-apim-subscription-key", SECRET                                           },
    { "x-weir-key",                SECRET                                           },
    { "x-some-vendor-token",       SECRET                                           },
    { "sec-websocket-protocol",    "realtime, openai-insecure-api-key." SECRET      },
    { "referer",                   "https://x/?key=" URL_SECRET                     },
};

static void add_headers_json(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "{\"a\":\"1\",\"%s\":\"%s\"}", name, value);
}

static void add_headers_har(struct buf *out, const char *name, const char *value)
{
    buf_addf(out, "[{\"name\":\"a\",\"value\":\"1\"},{\"name\":\"%s\",\"value\":\"%s\"}]", name,
             value);
}

START_TEST(no_header_of_an_exchange_brings_its_secret_along)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_add_text(&text, "{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/x\","
                        "\"req_headers\":");
    add_headers_json(&text, headers[_i].name, headers[_i].value);
    buf_add_text(&text, ",\"req_body\":\"{}\",\"status\":200,\"resp_headers\":");
    add_headers_json(&text, headers[_i].name, headers[_i].value);
    buf_add_text(&text, ",\"resp_body\":\"{}\"}\n");
    import_and_search(buf_str(&text), IMPORT_AUTO);
}
END_TEST

START_TEST(no_header_of_a_har_entry_brings_its_secret_along)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_add_text(&text, "{\"log\":{\"entries\":[{\"request\":{\"method\":\"POST\",\"url\":"
                        "\"https://api.openai.com/v1/x\",\"cookies\":[{\"name\":\"s\",\"value\":"
                        "\"" SECRET "\"}],\"queryString\":[{\"name\":\"key\",\"value\":\"" SECRET
                        "\"}],\"headers\":");
    add_headers_har(&text, headers[_i].name, headers[_i].value);
    buf_add_text(&text, "},\"response\":{\"status\":200,\"cookies\":[{\"name\":\"s\",\"value\":"
                        "\"" SECRET "\"}],\"content\":{\"size\":2,\"text\":\"{}\"},\"headers\":");
    add_headers_har(&text, headers[_i].name, headers[_i].value);
    buf_add_text(&text, "}}]}}");
    import_and_search(buf_str(&text), IMPORT_AUTO);
}
END_TEST

static const char *const urls[] = {
    "https://" URL_SECRET "@api.openai.com/v1/x",
    "https://user:" URL_SECRET "@api.openai.com/v1/x",
    "https://g.example/v1/x?key=" URL_SECRET,
    "https://g.example/v1/x?alt=sse&api_key=" URL_SECRET "&z=1",
    "https://g.example/v1/x?api-key=" URL_SECRET,
    "https://g.example/v1/x?access_token=" URL_SECRET,
    "https://g.example/v1/x?code=" URL_SECRET,
    "https://g.example/v1/x?sig=" URL_SECRET,
    "https://g.example/v1/x?X-Amz-Signature=" URL_SECRET,
    "https://g.example/v1/x?X-Amz-Credential=" URL_SECRET,
    "https://g.example/v1/x?X-Amz-Security-Token=" URL_SECRET,
    "https://g.example/v1/x?%6B%65%79=" URL_SECRET,
    "https://g.example/v1/x#access_token=" URL_SECRET,
    "/v1/x?key=" URL_SECRET,
};

START_TEST(no_url_brings_its_secret_along)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "{\"method\":\"GET\",\"url\":\"%s\",\"status\":200}\n", urls[_i]);
    import_and_search(buf_str(&text), IMPORT_EXCHANGES);
    buf_clear(&text);
    buf_addf(&text, "{\"log\":{\"entries\":[{\"request\":{\"url\":\"%s\"},\"response\":{}}]}}",
             urls[_i]);
    import_and_search(buf_str(&text), IMPORT_HAR);
    buf_clear(&text);
    buf_addf(&text,
             "{\"started_at\":\"2026-10-01\",\"input_tokens\":1,\"output_tokens\":1,"
             "\"url\":\"%s\"}\n",
             urls[_i]);
    import_and_search(buf_str(&text), IMPORT_ROWS);
}
END_TEST

static const char *const rows[] = {
    "started_at,input_tokens,output_tokens,credential\n2026-10-01,1,2," SECRET "\n",
    "request_id,startTime,spend,prompt_tokens,completion_tokens,model,api_key,api_base\n"
    "1,2026-10-01,0.1,1,2,gpt-5," SECRET ",https://x/?key=" URL_SECRET "\n",
};

START_TEST(no_row_brings_its_secret_along)
{
    import_and_search(str_from(rows[_i]), IMPORT_AUTO);
}
END_TEST

static const char *const bodies[] = {
    "{\\\"value\\\":\\\"ek_" SECRET "\\\",\\\"expires_at\\\":1}",
    "{\\\"client_secret\\\":{\\\"value\\\":\\\"" SECRET "\\\"}}",
    "{\\\"client_secret\\\":{\\\"value\\\":\\\"" SECRET, /* cut short */
    "event: x\\ndata: {\\\"client_secret\\\":\\\"" SECRET "\\\"}\\n\\n",
};

START_TEST(no_answer_that_hands_out_a_credential_is_kept_with_it)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text,
             "{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/realtime/client_secrets\","
             "\"req_body\":\"{}\",\"status\":200,\"resp_body\":\"%s\"}\n",
             bodies[_i]);
    import_and_search(buf_str(&text), IMPORT_EXCHANGES);
}
END_TEST

/* End users are no credentials, but the ledger and the heads may not name them. */
START_TEST(an_end_user_outside_of_a_body_is_a_fingerprint)
{
    static const char *const texts[] = {
        "{\"url\":\"https://x/v1\",\"status\":200,\"end_user\":\"" SECRET "\"}\n",
        "{\"started_at\":\"2026-10-01\",\"input_tokens\":1,\"output_tokens\":1,\"end_user\":"
        "\"" SECRET "\"}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        sample_text(&sample, str_from(texts[i]), IMPORT_AUTO);
        ck_assert_uint_eq(sample.stats.added, 1);
        search_archive();
        search_exports();
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, no_header_of_an_exchange_brings_its_secret_along, 0,
                        ARRAY_LEN(headers));
    tcase_add_loop_test(tc, no_header_of_a_har_entry_brings_its_secret_along, 0,
                        ARRAY_LEN(headers));
    tcase_add_loop_test(tc, no_url_brings_its_secret_along, 0, ARRAY_LEN(urls));
    tcase_add_loop_test(tc, no_row_brings_its_secret_along, 0, ARRAY_LEN(rows));
    tcase_add_loop_test(tc, no_answer_that_hands_out_a_credential_is_kept_with_it, 0,
                        ARRAY_LEN(bodies));
    tcase_add_test(tc, an_end_user_outside_of_a_body_is_a_fingerprint);
}

CHECK_MAIN("capture/secrets", add_tests)

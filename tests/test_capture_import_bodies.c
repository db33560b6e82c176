/* Bodies are read whatever content encoding a recorder left on them, and never lost. */
#include "config.h"

#include "capture/import.h"

#include <stdio.h>
#include <string.h>

#include "capture/ledger_scan.h"
#include "check_main.h"
#include "import_sample.h"

/* One answer: 10 tokens in, 3 out. */
#define ANSWER                                                                                     \
    "{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"gpt-4o-2024-08-06\",\"choices\":["  \
    "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"ok\"},\"finish_reason\":"      \
    "\"stop\"}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":3,\"total_tokens\":13}}"
/* The same under the encodings, in base64. */
#define BR_BEGIN                                                                                   \
    "G+MAQIzTFfOilHGPoOlw2m/+QEQRp11EREFFioGmU2jqsPS9bWNfcahDvigYFK3otlqjMxs70pMlRdEwvqP7NveBvRPY" \
    "aMe11Z8QQko/cJaahjcdl6U8aR/l"
#define BR BR_BEGIN "ZAdzg26SQ49Kw1fBKFJ2feN9HLZUV0odnC9ewq+MFGmfUtfB3750OWDkQPSBIXJBpvf/AQ=="
#define GZIP_BEGIN                                                                                 \
    "H4sIAAAAAAACA0WOzQrCMBCE32XOqaQ/iORVRCSmaxvbZkN3BaHk3aWH6nGGmW9mQ+zhEGoY8ONFQXc1ej0FXvJMGjnB" \
    "YOGeZjgMWauOq8Y2XWUvlT3DIIwcAwncdUNMPX3grMFCIn4guA0rzwQHLxJF"
#define GZIP                                                                                       \
    GZIP_BEGIN                                                                                     \
    "fdK9w0kp7Vs8oRg8Y4oy3lfywgkOopxRbgbvA5JXXrLelSdKAlfbHXI8/NmtgbL6+Z9rS/kCUS6fOeQAAAA="
#define GZIP_BAD /* a byte within its data is another */                                           \
    GZIP_BEGIN                                                                                     \
    "fdK9w0kp7Vs8oRg8Y4oy3lfywgkOoAxRbgbvA5JXXrLelSdKAlfbHXI8/NmtgbL6+Z9rS/kCUS6fOeQAAAA="
#define ZLIB                                                                                       \
    "eNpFjs0KwjAQhN9lzqmkP4jkVUQkpmsb22ZDdwWh5N2lh+"                                               \
    "pxhplvZkPs4RBqGPDjRUF3NXo9BV7yTBo5wWDhnmY4DFmrjqvG"                                           \
    "Nl1lL5U9wyCMHAMJ3HVDTD194KzBQiJ+"                                                             \
    "ILgNK88EBy8SRX3SvcNJKe1bPKEYPGOKMt5X8sIJDqKcUW4G7wOSV16y3pUnSgJX"                             \
    "2x1yPPzZrYGy+vmfa0v5AqnuS8w="
#define DEFLATE_BARE                                                                               \
    "RY7NCsIwEITfZc6ppD+"                                                                          \
    "I5FVEJKZrG9tmQ3cFoeTdpYfqcYaZb2ZD7OEQahjw40VBdzV6PQVe8kwaOcFg4Z5mOAxZq46rxjZd"                \
    "ZS+VPcMgjBwDCdx1Q0w9feCswUIifiC4DSvPBAcvEkV90r3DSSntWzyhGDxjijLeV/"                           \
    "LCCQ6inFFuBu8Dkldest6VJ0oCV9sd"                                                               \
    "cjz82a2Bsvr5n2tL+QI="
#define ZSTD                                                                                       \
    "KLUv/STk5QQAsksiGXBvDj6zwlCN9Ktd2tPt/z9OShPbvvT/CwFZRkiwt9+INye889RoW2lq2oqy3pLs1Db/"         \
    "fS5DrZSH5ZTN"                                                                                 \
    "W/Zo/95Te258e0/"                                                                              \
    "YLJnh31Xa6ti7OpBZpzf3fikz5THknTXKfeLbDQccDigGNwBbAE05f5eU2entc2WrRE0bg4ZPR4WWfbsQ"            \
    "/87IYwEFAEtt1ilh6XdYIIGQCKYdctndgw=="

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

/* What the ledger's only row says of the usage: "reported 10 3", or "unknown". */
static const char *ledger_usage(void)
{
    static const enum ledger_column columns[] = { LEDGER_USAGE_SOURCE, LEDGER_USAGE + USAGE_INPUT,
                                                  LEDGER_USAGE + USAGE_OUTPUT };
    static char text[100];
    CLEANUP(archive_ledgers_release) struct archive_ledgers ledgers = { 0 };
    CLEANUP(ledger_scan_close) struct ledger_scan *scan = NULL;
    struct err err;

    ck_assert_int_eq(archive_ledgers_list(sample.archive, INT64_MIN, INT64_MAX, &ledgers, &err), 0);
    ck_assert_uint_eq(ledgers.len, 1);
    ck_assert_int_eq(ledger_scan_open(ledgers.ptr[0].path, columns, 3, &scan, &err), 0);
    ck_assert_int_eq(ledger_scan_next(scan, &err), 1);
    struct str source = ledger_scan_str(scan, LEDGER_USAGE_SOURCE);
    if (ledger_scan_is_null(scan, LEDGER_USAGE + USAGE_INPUT))
        snprintf(text, sizeof(text), "%.*s", STR_ARG(source));
    else
        snprintf(text, sizeof(text), "%.*s %lld %lld", STR_ARG(source),
                 (long long)ledger_scan_int(scan, LEDGER_USAGE + USAGE_INPUT),
                 (long long)ledger_scan_int(scan, LEDGER_USAGE + USAGE_OUTPUT));
    return text;
}

/* Imports one chat answer with these members of its line. */
static json_t *import_answer(const char *resp_headers, const char *members)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text,
             "{\"started_at\":\"2026-10-01T12:00:00Z\",\"method\":\"POST\",\"url\":\"https://"
             "api.openai.com/v1/chat/completions\",\"status\":200,\"req_body\":\"{}\","
             "\"resp_headers\":{%s},%s}\n",
             resp_headers, members);
    sample_text(&sample, buf_str(&text), IMPORT_AUTO);
    ck_assert_stats(&sample, 1, 1, 0, 0);
    return sample_lines(&sample);
}

#define B64(body)    "\"resp_body_b64\":\"" body "\""
#define SAYS(coding) "\"content-encoding\":\"" coding "\""
#define TYPE(type)   "\"content-type\":\"" type "\""
#define TOLD         ",\"response_encoded\":true"
#define ANSWER_QUOTED                                                                              \
    "{\\\"usage\\\":{\\\"prompt_tokens\\\":10,\\\"completion_tokens\\\":3,"                        \
    "\\\"total_tokens\\\":13},\\\"choices\\\":[]}"

static const struct {
    const char *headers, *members;
    const char *usage;
    const char *kept; /* NULL = the answer in plain; else the base64 that was given */
    const char *note; /* NULL = none */
} answers[] = {
  /* What the header says. */
    {SAYS("br"),                               B64(BR),                                    "reported 10 3", NULL,     NULL                  },
    { SAYS("deflate"),                         B64(ZLIB),                                  "reported 10 3", NULL,     NULL                  },
    { SAYS("deflate"),                         B64(DEFLATE_BARE),                          "reported 10 3", NULL,     NULL                  },
    { SAYS("gzip"),                            B64(GZIP),                                  "reported 10 3", NULL,     NULL                  },
    { SAYS("X-GZip"),                          B64(GZIP),                                  "reported 10 3", NULL,     NULL                  },
    { SAYS("zstd"),                            B64(ZSTD),                                  "reported 10 3", NULL,     NULL                  },
    { SAYS("br") "," TYPE("application/json"), B64(BR) TOLD,                               "reported 10 3", NULL,     NULL                  },
 /* What the bytes say, without a header and against it. */
    { "",                                      B64(GZIP),                                  "reported 10 3", NULL,     NULL                  },
    { "",                                      B64(ZSTD),                                  "reported 10 3", NULL,     NULL                  },
    { SAYS("identity"),                        B64(GZIP),                                  "reported 10 3", NULL,     NULL                  },
    { SAYS("br"),                              B64(GZIP),                                  "reported 10 3", NULL,     NULL                  },
    { SAYS("snappy"),                          B64(ZSTD),                                  "reported 10 3", NULL,     NULL                  },
    { "",                                      B64(GZIP) TOLD,                             "reported 10 3", NULL,     NULL                  },
    { "",                                      B64(ZLIB) TOLD,                             "reported 10 3", NULL,     NULL                  },
 /* Plain already, whatever is said. */
    { SAYS("br"),                              "\"resp_body\":\"" ANSWER_QUOTED "\"",      "reported 10 3", "",       NULL                  },
    { SAYS("gzip"),                            "\"resp_body\":\"" ANSWER_QUOTED "\"" TOLD, "reported 10 3", "",       NULL                  },
    { SAYS("snappy"),                          "\"resp_body\":\"" ANSWER_QUOTED "\"",      "reported 10 3", "",       NULL                  },
 /* What cannot be undone is kept as it is, and says nothing: no tokens, not 0 of them. */
    { "",                                      B64(BR) TOLD,                               "unknown",       BR,       "encoding is not said"},
    { SAYS("snappy"),                          B64(BR),                                    "unknown",       BR,       "snappy"              },
    { SAYS("gzip"),                            B64(BR),                                    "unknown",       BR,       "response body: "     },
    { SAYS("gzip"),                            B64(GZIP_BAD),                              "unknown",       GZIP_BAD, "response body: "     },
    { "",                                      B64(GZIP_BAD),                              "unknown",       GZIP_BAD, "response body: "     },
};

START_TEST(an_answer_is_read_whatever_encoding_was_left_on_it)
{
    CLEANUP(json_decref) json_t *lines = import_answer(answers[_i].headers, answers[_i].members);
    const json_t *x = json_array_get(lines, 0);
    const char *kept = answers[_i].kept, *note = answers[_i].note;

    ck_assert_str_eq(ledger_usage(), answers[_i].usage);
    if (!kept)
        ck_assert_member(x, "resp_body", ANSWER);
    else if (*kept)
        ck_assert_member(x, "resp_body_b64", kept);
    ck_assert_member(x, "response_encoded", kept && *kept ? "true" : "");
    ck_assert_member(x, "truncated", "");
    if (note)
        ck_assert_msg(strstr(sample_get(x, "body_note"), note) != NULL, "%s",
                      sample_get(x, "body_note"));
    else
        ck_assert_member(x, "body_note", "");
}
END_TEST

START_TEST(an_encoded_answer_comes_out_of_an_export_as_it_went_in)
{
    CLEANUP(json_decref) json_t *lines = import_answer("", B64(BR) TOLD);
    CLEANUP(buf_release) struct buf exported = { 0 };
    CLEANUP(sample_close) struct sample other = { 0 };

    sample_export(&sample, EXPORT_JSONL, &exported);
    sample_open(&other, "other");
    sample_text(&other, buf_str(&exported), IMPORT_AUTO);
    ck_assert_stats(&other, 1, 1, 0, 0);
    CLEANUP(json_decref) json_t *again = sample_lines(&other);
    ck_assert_member(again, "0.resp_body_b64", BR);
    ck_assert_member(again, "0.response_encoded", "true");
    ck_assert_str_eq(sample_get(again, "0.body_note"), sample_get(lines, "0.body_note"));
    sample_export(&sample, EXPORT_HAR, &exported);
    CLEANUP(sample_close) struct sample third = { 0 };
    sample_open(&third, "third");
    sample_text(&third, buf_str(&exported), IMPORT_AUTO);
    CLEANUP(json_decref) json_t *har = sample_lines(&third);
    ck_assert_member(har, "0.resp_body_b64", BR);
    ck_assert_member(har, "0.response_encoded", "true");
}
END_TEST

/* Encodings that end early. */
static const struct {
    const char *headers, *members;
} cuts[] = {
    {SAYS("gzip"), B64(GZIP_BEGIN)},
    { "",          B64(GZIP_BEGIN)},
    { SAYS("br"),  B64(BR_BEGIN)  },
};

START_TEST(an_encoding_that_ends_early_gives_what_it_holds_and_says_so)
{
    CLEANUP(json_decref) json_t *lines = import_answer(cuts[_i].headers, cuts[_i].members);
    struct str body = str_from(sample_get(lines, "0.resp_body"));

    ck_assert_uint_gt(body.len, 20);
    ck_assert(str_starts_with(STR(ANSWER), body));
    ck_assert_member(lines, "0.truncated", "true");
    ck_assert_member(lines, "0.body_note", "response body: its content encoding ends early");
}
END_TEST

/* Bodies that are no text: nothing is tried on them without need, and what fails changes nothing.
 */
static const struct {
    const char *headers, *members, *base64;
} binaries[] = {
    {TYPE("audio/mpeg"),                                         B64("SUQzBAAAAP/7kGQAAP+A/w=="), "SUQzBAAAAP/7kGQAAP+A/w=="},
    { TYPE("audio/mpeg") "," SAYS("gzip"),                       B64("SUQzBAAAAP/7kGQAAP+A/w=="),
     "SUQzBAAAAP/7kGQAAP+A/w=="                                                                                             },
    { TYPE("audio/mpeg") "," SAYS("br"),                         B64("SUQzBAAAAP/7kGQAAP+A/w=="),
     "SUQzBAAAAP/7kGQAAP+A/w=="                                                                                             },
    { TYPE("application/gzip"),                                  B64(GZIP),                       GZIP                      },
 /* One event stream frame: a prelude with its check sum, ":event-type" = "x", no payload. */
    { TYPE("application/vnd.amazon.eventstream") "," SAYS("br"),
     B64("AAAAIAAAABC5VOAJCzpldmVudC10eXBlBwABeIGiUSw="),
     "AAAAIAAAABC5VOAJCzpldmVudC10eXBlBwABeIGiUSw="                                                                         },
};

START_TEST(bytes_that_no_encoding_explains_stay_as_they_are)
{
    CLEANUP(json_decref) json_t *lines = import_answer(binaries[_i].headers, binaries[_i].members);

    ck_assert_member(lines, "0.resp_body_b64", binaries[_i].base64);
    ck_assert_member(lines, "0.response_encoded", "");
    ck_assert_member(lines, "0.body_note", "");
}
END_TEST

START_TEST(chunks_count_the_decoded_answer)
{
    CLEANUP(json_decref)
    json_t *lines = import_answer(SAYS("gzip"), B64(GZIP) ",\"chunks\":[[5,100],[9,76]]");

    ck_assert_int_eq(atoi(sample_get(lines, "0.chunks.0.1")) +
                         atoi(sample_get(lines, "0.chunks.1.1")),
                     (int)strlen(ANSWER));
    ck_assert_member(lines, "0.chunks.1.0", "9");
    ck_assert_member(lines, "0.response_bytes", "176");
}
END_TEST

START_TEST(chunks_may_count_the_decoded_answer_already)
{
    CLEANUP(json_decref)
    json_t *lines = import_answer(SAYS("gzip"), B64(GZIP) ",\"chunks\":[[5,100],[9,128]]");

    ck_assert_member(lines, "0.chunks.1.1", "128");
}
END_TEST

/* "{"model":"gpt-4o","messages":[...]}" under br. */
#define REQUEST_BR                                                                                 \
    "G0YAGJ0FdjtyLxcWpN1K4X0tsrcFEjbgVELv6VuHpatvirTQgUNOBG5tSdg8AKwJDCGTB/HCH5NRniOUxUE64js="

START_TEST(requests_are_decoded_likewise)
{
    sample_text(&sample,
                STR("{\"started_at\":\"2026-10-01T12:00:00Z\",\"url\":\"https://x/v1\","
                    "\"req_headers\":{\"content-encoding\":\"br\"},\"req_body_b64\":\"" REQUEST_BR
                    "\"}\n"
                    "{\"started_at\":\"2026-10-01T12:00:01Z\",\"url\":\"https://x/v1\","
                    "\"req_body_b64\":\"" REQUEST_BR "\",\"request_encoded\":true}\n"),
                IMPORT_AUTO);
    ck_assert_stats(&sample, 2, 2, 0, 0);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    ck_assert_member(lines, "0.req_body",
                     "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"user\",\"content\":\"hi hi "
                     "hi hi\"}]}");
    ck_assert_member(lines, "0.request_bytes", "65");
    ck_assert_member(lines, "1.req_body_b64", REQUEST_BR);
    ck_assert_member(lines, "1.request_encoded", "true");
    ck_assert_member(lines, "1.body_note", "request body: its content encoding is not said");
}
END_TEST

START_TEST(har_bodies_are_decoded_likewise)
{
    sample_text(&sample,
                STR("{\"log\":{\"entries\":[{\"startedDateTime\":\"2026-01-01T00:00:00Z\","
                    "\"request\":{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/chat/"
                    "completions\",\"headers\":[{\"name\":\"Content-Encoding\",\"value\":\"br\"}],"
                    "\"postData\":{\"_encoding\":\"base64\",\"text\":\"" REQUEST_BR "\"}},"
                    "\"response\":{\"status\":200,\"headers\":[{\"name\":\"content-encoding\","
                    "\"value\":\"br\"}],\"content\":{\"encoding\":\"base64\",\"text\":\"" BR
                    "\"}}}]}}"),
                IMPORT_AUTO);
    ck_assert_stats(&sample, 1, 1, 0, 0);
    CLEANUP(json_decref) json_t *lines = sample_lines(&sample);
    ck_assert_member(lines, "0.resp_body", ANSWER);
    ck_assert(str_starts_with(str_from(sample_get(lines, "0.req_body")), STR("{\"model\"")));
    ck_assert_str_eq(ledger_usage(), "reported 10 3");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, an_answer_is_read_whatever_encoding_was_left_on_it, 0,
                        ARRAY_LEN(answers));
    tcase_add_test(tc, an_encoded_answer_comes_out_of_an_export_as_it_went_in);
    tcase_add_loop_test(tc, an_encoding_that_ends_early_gives_what_it_holds_and_says_so, 0,
                        ARRAY_LEN(cuts));
    tcase_add_loop_test(tc, bytes_that_no_encoding_explains_stay_as_they_are, 0,
                        ARRAY_LEN(binaries));
    tcase_add_test(tc, chunks_count_the_decoded_answer);
    tcase_add_test(tc, chunks_may_count_the_decoded_answer_already);
    tcase_add_test(tc, requests_are_decoded_likewise);
    tcase_add_test(tc, har_bodies_are_decoded_likewise);
}
CHECK_MAIN("capture/import bodies", add_tests)

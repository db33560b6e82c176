/* What is exported can be read by others, and makes the same exchanges again. */
#include "config.h"

#include "capture/export.h"

#include <stdio.h>
#include <string.h>

#include "base/timestamp.h"
#include "check_main.h"
#include "import_sample.h"
#include "shared_data.h"

static struct sample sample, second;

static void setup(void)
{
    temp_folder_make();
    sample_open(&sample, "archive");
    sample_open(&second, "second");
    sample.options.has_at = second.options.has_at = true;
    sample.options.at_us = second.options.at_us = SAMPLE_NOW_US;
}

static void teardown(void)
{
    sample_close(&sample);
    sample_close(&second);
    temp_folder_remove();
}

static const char traffic[] =
    "{\"method\":\"POST\",\"url\":\"https://api.openai.com/v1/chat/completions?x=1&key=s\","
    "\"req_headers\":{\"authorization\":\"Bearer a\",\"b\":[\"1\",\"2\"]},\"req_body\":\"{\\\"user"
    "\\\":\\\"bob\\\"}\",\"status\":200,\"resp_headers\":{\"content-type\":\"text/event-stream\"},"
    "\"resp_body\":\"data: {}\\n\\ndata: [DONE]\\n\\n\",\"chunks\":[[1000,10],[2500,14]],"
    "\"started_at\":\"2026-01-02T03:04:05.000006Z\",\"request_us\":10,\"head_us\":900,"
    "\"first_token_us\":1000,\"end_us\":2600,\"app\":\"bot\",\"team\":\"t\",\"labels\":{\"k\":\"v "
    "\\u00e9\"},\"attempts\":[{\"upstream\":\"a\",\"status\":529,\"error_class\":\"overloaded\","
    "\"start_us\":5,\"duration_us\":300,\"bytes\":9},{\"upstream\":\"b\",\"model\":\"m\","
    "\"status\":200,"
    "\"start_us\":400,\"duration_us\":2200,\"bytes\":24,\"rule\":\"r\"}],\"decisions\":[{\"rule\":"
    "\"access\",\"mode\":\"observe\",\"outcome\":\"denied\",\"detail\":\"m\"}]}\n"
    "{\"method\":\"GET\",\"url\":\"https://x.example/bin\",\"req_body\":\"\",\"status\":404,"
    "\"resp_headers\":{},\"resp_body_b64\":\"AP/+\"}\n"
    "{\"method\":\"POST\",\"url\":\"http://localhost:11434/api/chat\",\"req_body_b64\":\"/w==\","
    "\"req_headers\":{\"content-type\":\"application/"
    "x\"},\"status\":200,\"resp_body_dropped\":true,"
    "\"resp_headers\":{},\"resp_body\":\"\"}\n"
    "{\"method\":\"POST\",\"url\":\"/relative?a=b\",\"req_headers\":{\"host\":\"h.example\"},"
    "\"req_body\":\"\",\"transport_error\":\"timeout_head\",\"truncated\":true}\n";

/* Lines without what names the way they came: the order of lines does not matter. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *sorted_lines(const struct sample *s)
{
    CLEANUP(json_decref) json_t *lines = sample_lines(s);
    CLEANUP(buf_release) struct buf all = { 0 };
    size_t count = json_array_size(lines);
    char **texts = mem_calloc(count + 1, sizeof(*texts));

    for (size_t i = 0; i < count; i++)
        texts[i] = json_dumps(json_array_get(lines, i), JSON_SORT_KEYS | JSON_COMPACT);
    qsort(texts, count, sizeof(*texts), by_text);
    for (size_t i = 0; i < count; i++) {
        buf_addf(&all, "%s\n", texts[i]);
        free(texts[i]);
    }
    free(texts);
    return mem_strdup(buf_cstr(&all));
}

/* Exports the first archive, imports that into the second, and compares. */
static void round_trip(enum export_format format, size_t exchanges)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    /* With one key, fingerprints can be compared. */
    sample_export(&sample, format, &out);
    sample_text(&second, buf_str(&out), IMPORT_AUTO);
    ck_assert_stats(&second, exchanges, exchanges, 0, 0);
    char *a = sorted_lines(&sample), *b = sorted_lines(&second);
    ck_assert_str_eq(a, b);
    free(a);
    free(b);
    /* Back into the archive it came from: all of it is there. */
    sample_text(&sample, buf_str(&out), IMPORT_AUTO);
    ck_assert_stats(&sample, exchanges, 0, exchanges, 0);
}

START_TEST(json_lines_make_the_same_exchanges_again)
{
    sample_text(&sample, STR(traffic), IMPORT_AUTO);
    ck_assert_stats(&sample, 4, 4, 0, 0);
    round_trip(EXPORT_JSONL, 4);
}
END_TEST

START_TEST(usage_rows_go_through_json_lines_too)
{
    sample_text(&sample,
                STR("started_at,model,input_tokens,cached_input_tokens,output_tokens,cost_usd,"
                    "requests,end_user,service_tier\n"
                    "2026-10-01T00:00:00.5Z,gpt-5,10,3,20,0.5,4,bob,flex\n"),
                IMPORT_AUTO);
    ck_assert_stats(&sample, 1, 1, 0, 0);
    CLEANUP(buf_release) struct buf out = { 0 };
    sample_export(&sample, EXPORT_JSONL, &out);
    sample_text(&second, buf_str(&out), IMPORT_AUTO);
    ck_assert_stats(&second, 1, 1, 0, 0);
    CLEANUP(buf_release) struct buf again = { 0 };
    sample_export(&second, EXPORT_JSONL, &again);
    CLEANUP(json_decref) json_t *a = sample_lines(&sample);
    json_t *b = sample_lines(&second);
    static const char *const same[] = { "0.id",
                                        "0.requests",
                                        "0.end_user_fingerprint",
                                        "0.facts.parts.0.usage.cached_input_tokens",
                                        "0.facts.reported_cost_usd",
                                        "0.facts.service_tier",
                                        "0.content_id",
                                        "0.started_at" };
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        ck_assert_str_ne(sample_get(a, same[i]), "");
        ck_assert_str_eq(sample_get(a, same[i]), sample_get(b, same[i]));
    }
    json_decref(b);
}
END_TEST

START_TEST(har_keeps_ids_times_chunks_and_bytes)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    sample_text(&sample, STR(traffic), IMPORT_AUTO);
    sample_export(&sample, EXPORT_HAR, &out);
    sample_text(&second, buf_str(&out), IMPORT_AUTO);
    ck_assert_stats(&second, 4, 4, 0, 0);
    CLEANUP(json_decref) json_t *a = sample_lines(&sample);
    json_t *b = sample_lines(&second);
    static const char *const same[] = {
        "id",           "started_at", "head_us",         "end_us",        "chunks.1.0",
        "app",          "key_id",     "resp_body",       "resp_body_b64", "req_body",
        "req_body_b64", "status",     "transport_error", "labels.k",      "truncated"
    };
    for (size_t line = 0; line < 4; line++)
        for (size_t i = 0; i < ARRAY_LEN(same); i++) {
            const json_t *x = json_array_get(a, line), *y = json_array_get(b, line);
            ck_assert_msg(strcmp(sample_get(x, same[i]), sample_get(y, same[i])) == 0,
                          "line %zu, %s: '%s', '%s'", line, same[i], sample_get(x, same[i]),
                          sample_get(y, same[i]));
        }
    json_decref(b);
}
END_TEST

static void assert_type(const json_t *object, const char *name, json_type type)
{
    const json_t *value = json_object_get(object, name);
    ck_assert_msg(value && json_typeof(value) == type, "'%s' is missing or of another type", name);
}

/* What the schema of HAR 1.2 requires (har-schema 2.0: har, log, entry, request, response, ...). */
static void check_entry(const json_t *entry)
{
    int64_t us;
    const json_t *request = json_get(entry, "request"), *response = json_get(entry, "response");
    const json_t *timings = json_get(entry, "timings"), *content = json_get(response, "content");

    ck_assert(timestamp_parse(json_get_str(entry, "startedDateTime"), &us));
    ck_assert(json_number_value(json_get(entry, "time")) >= 0);
    assert_type(entry, "cache", JSON_OBJECT);
    static const char *const phases[] = { "send", "wait", "receive" };
    double sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        ck_assert(json_is_number(json_get(timings, phases[i])));
        ck_assert(json_number_value(json_get(timings, phases[i])) >= 0);
        sum += json_number_value(json_get(timings, phases[i]));
    }
    ck_assert_double_eq_tol(sum, json_number_value(json_get(entry, "time")), 0.0011);
    for (int side = 0; side < 2; side++) {
        const json_t *message = side ? response : request;
        assert_type(message, "httpVersion", JSON_STRING);
        assert_type(message, "cookies", JSON_ARRAY);
        assert_type(message, "headers", JSON_ARRAY);
        assert_type(message, "headersSize", JSON_INTEGER);
        assert_type(message, "bodySize", JSON_INTEGER);
        for (size_t i = 0; i < json_array_size(json_get(message, "headers")); i++) {
            assert_type(json_array_get(json_get(message, "headers"), i), "name", JSON_STRING);
            assert_type(json_array_get(json_get(message, "headers"), i), "value", JSON_STRING);
        }
    }
    assert_type(request, "method", JSON_STRING);
    assert_type(request, "queryString", JSON_ARRAY);
    ck_assert_ptr_nonnull(strstr(sample_get(request, "url"), "://"));
    if (json_get(request, "postData"))
        assert_type(json_get(request, "postData"), "mimeType", JSON_STRING);
    assert_type(response, "status", JSON_INTEGER);
    assert_type(response, "statusText", JSON_STRING);
    assert_type(response, "redirectURL", JSON_STRING);
    assert_type(content, "size", JSON_INTEGER);
    assert_type(content, "mimeType", JSON_STRING);
}

static size_t check_har(struct str text)
{
    CLEANUP(json_decref) json_t *har = NULL;
    struct err err;

    ck_assert_msg(json_parse(text, &har, &err) == 0, "%s", err.text);
    const json_t *log = json_get(har, "log"), *entries = json_get(log, "entries");
    ck_assert_str_eq(sample_get(log, "version"), "1.2");
    ck_assert_str_eq(sample_get(log, "creator.name"), "weir");
    assert_type(json_get(log, "creator"), "version", JSON_STRING);
    assert_type(log, "entries", JSON_ARRAY);
    for (size_t i = 0; i < json_array_size(entries); i++)
        check_entry(json_array_get(entries, i));
    return json_array_size(entries);
}

START_TEST(har_has_all_that_its_schema_requires)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    sample_export(&sample, EXPORT_HAR, &out);
    ck_assert_uint_eq(check_har(buf_str(&out)), 0);
    sample_text(&sample, STR(traffic), IMPORT_AUTO);
    sample_text(&sample, STR("started_at,input_tokens,output_tokens\n2026-10-01,1,2\n"),
                IMPORT_AUTO);
    sample_export(&sample, EXPORT_HAR, &out);
    ck_assert_uint_eq(check_har(buf_str(&out)), 4); /* a usage row is no exchange */
}
END_TEST

/* Lets one exchange through: the first it is asked about. */
static struct uuid chosen;
static bool keep_first(void *ctx, struct uuid id)
{
    static const struct uuid none;
    (void)ctx;
    if (memcmp(&chosen, &none, sizeof(none)) == 0)
        chosen = id;
    return memcmp(&chosen, &id, sizeof(id)) == 0;
}

START_TEST(only_what_is_asked_for_is_exported)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct export_stats stats;
    struct err err;
    struct export_options o = { .format = EXPORT_JSONL,
                                .from_us = INT64_MIN,
                                .to_us = SAMPLE_NOW_US,
                                .write = sample_write,
                                .ctx = &out };

    sample_text(&sample, STR(traffic), IMPORT_AUTO);
    ck_assert_int_eq(export_run(sample.archive, &o, &stats, &err), 0);
    ck_assert_uint_eq(stats.exchanges, 1); /* the others are of that very moment */
    o.from_us = SAMPLE_NOW_US;
    o.to_us = INT64_MAX;
    ck_assert_int_eq(export_run(sample.archive, &o, &stats, &err), 0);
    ck_assert_uint_eq(stats.exchanges, 3);
    ck_assert_uint_eq(stats.bodies_missing, 1);
    o.format = EXPORT_CSV;
    ck_assert_int_eq(export_run(sample.archive, &o, &stats, &err), 0);
    ck_assert_uint_eq(stats.exchanges, 3);
    o.keep = keep_first;
    chosen = (struct uuid){ 0 };
    ck_assert_int_eq(export_run(sample.archive, &o, &stats, &err), 0);
    ck_assert_uint_eq(stats.exchanges, 1);
}
END_TEST

START_TEST(recorded_exchanges_survive_the_round_trip)
{
    static const char *const names[] = { "openai", "anthropic", "bedrock",
                                         "google", "azure",     "other" };
    char name[128], path[SHARED_DATA_PATH_BYTES];
    uint64_t total = 0;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(name, sizeof(name), "cassettes/exchanges/%s.jsonl", names[i]);
        if (!shared_data_find(name, path))
            return;
        sample_import(&sample, path, IMPORT_AUTO);
        total += sample.stats.added;
    }
    CLEANUP(buf_release) struct buf out = { 0 };
    sample_export(&sample, EXPORT_HAR, &out);
    ck_assert_uint_eq(check_har(buf_str(&out)), total);
    second.key = sample.key;
    round_trip(EXPORT_JSONL, total);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, json_lines_make_the_same_exchanges_again);
    tcase_add_test(tc, usage_rows_go_through_json_lines_too);
    tcase_add_test(tc, har_keeps_ids_times_chunks_and_bytes);
    tcase_add_test(tc, har_has_all_that_its_schema_requires);
    tcase_add_test(tc, only_what_is_asked_for_is_exported);
    tcase_add_test(tc, recorded_exchanges_survive_the_round_trip);
}

CHECK_MAIN("capture/export", add_tests)

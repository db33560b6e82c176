/* Framing over recorded provider traffic, which lies beside a checkout (tests/shared_data.h). */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/file.h"
#include "base/jscan.h"
#include "base/json.h"
#include "llm/framing.h"
#include "tests/check_main.h"
#include "tests/shared_data.h"

#define FILE_BYTES_MAX (64u << 20)

/* --- event streams --- */

struct counts {
    json_t *types; /* event type to number */
    size_t frames;
    size_t offsets[4096]; /* of the frames, and the end */
    struct buf data;      /* all payloads */
};

static void counts_release(struct counts *c)
{
    json_decref(c->types);
    buf_release(&c->data);
}
DEFINE_CLEANUP_VALUE(struct counts, counts_release)

static int count_event(void *ctx, const struct framing_event *e, struct err *err)
{
    struct counts *c = ctx;
    CLEANUP(buf_release) struct buf name = { 0 };

    (void)err;
    ck_assert_uint_lt(c->frames + 1, ARRAY_LEN(c->offsets));
    c->offsets[c->frames++] = (size_t)e->offset;
    buf_add_str(&c->data, e->data);
    if (c->types) {
        buf_add_str(&name, e->name);
        json_t *old = json_get(c->types, buf_cstr(&name));
        json_object_set_new(c->types, buf_cstr(&name), json_integer(json_integer_value(old) + 1));
    }
    return 0;
}

/* Feeds body in pieces of `step` bytes and finishes; *ret_cut as framer_finish has it. */
static int frame_all(enum framing kind, struct str body, size_t step, struct counts *c,
                     bool *ret_cut, struct err *err)
{
    CLEANUP(framer_free) struct framer *f = framer_new(kind, count_event, c);

    for (size_t at = 0; at < body.len; at += step)
        if (framer_feed(f, str_sub(body, at, step), err) < 0)
            return -1;
    return framer_finish(f, ret_cut, err);
}

static void check_recorded_stream(const json_t *row, struct str body)
{
    const char *name = json_string_value(json_get(row, "file"));
    const size_t steps[] = { body.len, 1, 7, 4096 };

    ck_assert_uint_eq(body.len, (size_t)json_integer_value(json_get(row, "bytes")));
    ck_assert_int_eq(framing_guess(STR(""), body), FRAMING_EVENTSTREAM);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        CLEANUP(counts_release) struct counts c = { .types = json_object() };
        struct err err = { 0 };
        bool cut = true;
        ck_assert_msg(frame_all(FRAMING_EVENTSTREAM, body, steps[i], &c, &cut, &err) == 0, "%s: %s",
                      name, err.text);
        ck_assert_msg(!cut, "%s is cut", name);
        ck_assert_uint_eq(c.frames, (size_t)json_integer_value(json_get(row, "frames")));
        ck_assert_msg(json_equal(c.types, json_get(row, "event_types")), "%s", name);
    }
}

/* One flipped bit in each byte in turn: the frame it lies in must be named. */
static void check_flips(const char *name, struct buf *body)
{
    CLEANUP(counts_release) struct counts clean = { 0 };
    struct err err = { 0 };
    size_t frame = 0;
    bool cut;

    ck_assert_int_eq(frame_all(FRAMING_EVENTSTREAM, buf_str(body), body->len, &clean, &cut, &err),
                     0);
    clean.offsets[clean.frames] = body->len;
    for (size_t at = 0; at < body->len; at++) {
        CLEANUP(counts_release) struct counts c = { 0 };
        char prefix[60];
        char flip = (char)(1 << at % 8);
        frame += at >= clean.offsets[frame + 1];
        /* What lies before is known to be right: begin one frame earlier, to save time. */
        size_t from = frame ? clean.offsets[frame - 1] : 0;
        body->ptr[at] ^= flip;
        int r = frame_all(FRAMING_EVENTSTREAM, str_sub(buf_str(body), from, body->len), body->len,
                          &c, &cut, &err);
        body->ptr[at] ^= flip;
        snprintf(prefix, sizeof(prefix), "frame %d at byte %zu: ", frame ? 1 : 0,
                 clean.offsets[frame] - from);
        ck_assert_msg(r == -1 && err.code == ERR_CORRUPT, "%s: byte %zu passes", name, at);
        ck_assert_msg(strncmp(err.text, prefix, strlen(prefix)) == 0, "%s, byte %zu: %s", name, at,
                      err.text);
        ck_assert_uint_eq(c.frames, frame ? 1 : 0); /* nothing damaged was delivered */
    }
}

/* Calls fn for each file of the manifest that is there. */
static void for_each_stream(void (*fn)(const json_t *row, struct buf *body))
{
    char path[SHARED_DATA_PATH_BYTES];
    CLEANUP(buf_release) struct buf text = { 0 };
    CLEANUP(json_decref) json_t *manifest = NULL;
    struct err err;
    size_t i, present = 0;
    const json_t *row;

    if (!shared_data_find("eventstream/MANIFEST.json", path))
        return;
    ck_assert_msg(file_read(path, FILE_BYTES_MAX, &text, &err) == 0, "%s", err.text);
    ck_assert_msg(json_parse(buf_str(&text), &manifest, &err) == 0, "%s", err.text);
    json_array_foreach(manifest, i, row)
    {
        CLEANUP(buf_release) struct buf name = { 0 }, body = { 0 };
        buf_addf(&name, "eventstream/%s", json_string_value(json_get(row, "file")));
        char *slash = strrchr(path, '/');
        snprintf(slash, sizeof(path) - (size_t)(slash - path), "/%s",
                 json_string_value(json_get(row, "file")));
        if (access(path, R_OK) < 0)
            continue; /* some are kept back for acceptance */
        ck_assert_msg(file_read(path, FILE_BYTES_MAX, &body, &err) == 0, "%s", err.text);
        fn(row, &body);
        present++;
    }
    ck_assert_uint_gt(present, 0);
    printf("%zu of %zu recorded event streams are here\n", present, json_array_size(manifest));
}

static void check_stream(const json_t *row, struct buf *body)
{
    check_recorded_stream(row, buf_str(body));
}

static void flip_stream(const json_t *row, struct buf *body)
{
    check_flips(json_string_value(json_get(row, "file")), body);
}

START_TEST(every_recorded_event_stream_decodes_to_the_frames_of_its_manifest)
{
    for_each_stream(check_stream);
}
END_TEST

START_TEST(a_flipped_bit_in_any_byte_of_a_recorded_event_stream_names_the_frame)
{
    for_each_stream(flip_stream);
}
END_TEST

/* --- exchanges --- */

static const char *const exchange_files[] = {
    "cassettes/exchanges/anthropic.jsonl", "cassettes/exchanges/azure.jsonl",
    "cassettes/exchanges/bedrock.jsonl",   "cassettes/exchanges/google.jsonl",
    "cassettes/exchanges/openai.jsonl",    "cassettes/exchanges/other.jsonl",
};

struct json_check {
    struct buf log; /* every event's data */
    size_t events, not_json;
};

static int check_json(void *ctx, const struct framing_event *e, struct err *err)
{
    struct json_check *c = ctx;
    struct jscan s;

    (void)err;
    buf_addf(&c->log, "%d@%d:", (int)e->index, (int)e->offset);
    buf_add_str(&c->log, e->data);
    jscan_init(&s, e->data);
    jscan_skip(&s);
    c->events++;
    c->not_json += !jscan_at_end(&s) && !str_eq(e->data, STR("[DONE]"));
    return 0;
}

static void frame_exchange(enum framing kind, struct str body, size_t step, struct json_check *c)
{
    CLEANUP(framer_free) struct framer *f = framer_new(kind, check_json, c);
    struct err err = { 0 };
    bool cut;

    for (size_t at = 0; at < body.len; at += step)
        ck_assert_msg(framer_feed(f, str_sub(body, at, step), &err) == 0, "%s", err.text);
    ck_assert_msg(framer_finish(f, &cut, &err) == 0, "%s", err.text);
    buf_addf(&c->log, "cut %d", cut);
}

/* The body as it was sent; false if the recording has none. */
static bool recorded_body(const json_t *exchange, struct buf *ret)
{
    struct str text = json_get_str(exchange, "resp_body");
    struct str coded = json_get_str(exchange, "resp_body_b64");
    struct err err;

    buf_add_str(ret, text);
    if (coded.ptr)
        ck_assert_msg(base64_decode(ret, coded, &err) == 0, "%s", err.text);
    return ret->len > 0;
}

static enum framing recorded_framing(const json_t *exchange, struct str body)
{
    const json_t *headers = json_get(exchange, "resp_headers");
    struct str type = json_get_str(headers, "content-type");

    if (!type.ptr)
        type = json_get_str(headers, "Content-Type");
    return framing_guess(type, body);
}

START_TEST(every_recorded_body_gives_json_events_wherever_it_is_cut)
{
    char path[SHARED_DATA_PATH_BYTES];
    CLEANUP(buf_release) struct buf lines = { 0 };
    struct err err;
    struct str rest, line;
    size_t bodies = 0, kinds[FRAMING_COUNT] = { 0 };

    if (!shared_data_find(exchange_files[_i], path))
        return;
    ck_assert_msg(file_read(path, FILE_BYTES_MAX, &lines, &err) == 0, "%s", err.text);
    rest = buf_str(&lines);
    while (str_split(&rest, '\n', &line)) {
        CLEANUP(json_decref) json_t *exchange = NULL;
        CLEANUP(buf_release) struct buf body = { 0 };
        if (line.len == 0)
            continue;
        ck_assert_msg(json_parse(line, &exchange, &err) == 0, "%s", err.text);
        if (!recorded_body(exchange, &body))
            continue;
        enum framing kind = recorded_framing(exchange, buf_str(&body));
        struct json_check whole = { 0 }, bytewise = { 0 };
        frame_exchange(kind, buf_str(&body), body.len, &whole);
        frame_exchange(kind, buf_str(&body), 1, &bytewise);
        ck_assert(str_eq(buf_str(&whole.log), buf_str(&bytewise.log)));
        ck_assert_msg(kind == FRAMING_OPAQUE || whole.events > 0, "no event in %.*s",
                      STR_ARG(buf_str(&body)));
        ck_assert_msg(whole.not_json == 0, "kind %d: %.*s", (int)kind, STR_ARG(buf_str(&body)));
        buf_release(&whole.log);
        buf_release(&bytewise.log);
        kinds[kind]++;
        bodies++;
    }
    ck_assert_uint_gt(bodies, 0);
    printf("%s: %zu bodies: %zu JSON, %zu SSE, %zu NDJSON, %zu JSON array, %zu event stream, "
           "%zu opaque\n",
           exchange_files[_i], bodies, kinds[FRAMING_JSON], kinds[FRAMING_SSE],
           kinds[FRAMING_NDJSON], kinds[FRAMING_JSON_ARRAY], kinds[FRAMING_EVENTSTREAM],
           kinds[FRAMING_OPAQUE]);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, every_recorded_event_stream_decodes_to_the_frames_of_its_manifest);
    tcase_add_test(tc, a_flipped_bit_in_any_byte_of_a_recorded_event_stream_names_the_frame);
    tcase_add_loop_test(tc, every_recorded_body_gives_json_events_wherever_it_is_cut, 0,
                        ARRAY_LEN(exchange_files));
}
CHECK_MAIN("llm/framing recorded", add_tests)

/* An exchange must come out of a journal as it went in, and half an exchange must not get lost. */
#include "config.h"

#include "capture/record.h"

#include "base/json.h"
#include "tests/capture_sample.h"
#include "tests/check_main.h"

#define WRITER "w0-test"

static struct journal_writer *create(void)
{
    struct journal_writer *j = NULL;

    ck_ok(journal_create(sample_path(WRITER ".journal"), STR(WRITER), SAMPLE_START_US,
                         JOURNAL_RELAXED, &j, &sample_err));
    return j;
}

static struct journal_reader *reopen(struct journal_writer *j)
{
    struct journal_reader *r = NULL;

    ck_ok(journal_close(j, &sample_err));
    ck_ok(journal_open(sample_path(WRITER ".journal"), &r, &sample_err));
    return r;
}

/* The JSON line of x and its bodies and chunks: what there is to compare. */
static char *picture(const struct exchange *x)
{
    struct buf text = { 0 };
    struct exchange as = *x;

    as.writer = STR(WRITER);
    exchange_to_json(&as, &text);
    buf_addf(&text, "\n%.*s\n%.*s\n", STR_ARG(x->request_body), STR_ARG(x->response_body));
    for (size_t i = 0; i < x->chunk_count; i++)
        buf_addf(&text, "%llu %llu\n", (unsigned long long)x->chunks[i].offset_us,
                 (unsigned long long)x->chunks[i].bytes);
    char *result = mem_strdup(buf_cstr(&text));
    buf_release(&text);
    return result;
}

START_TEST(exchanges_come_back_as_they_were_given)
{
    struct journal_writer *j = create();
    struct record_index index;
    struct record_scratch scratch = { 0 };
    struct sample_exchange s;
    struct exchange back;

    sample_append(j, 1, 12);
    struct journal_reader *r = reopen(j);
    ck_ok(record_index(r, false, &index, &sample_err));
    ck_assert_uint_eq(index.len, 12);
    ck_assert_uint_eq(index.run_len, 12); /* one run each: they do not interleave */
    for (unsigned n = 1; n <= 12; n++) {
        sample_make(n, &s);
        s.x.sequence = n;
        s.x.request_bytes = s.x.request_body.len; /* 0 = taken from the body */
        s.x.response_bytes = s.x.response_body.len;
        ck_ok(record_read(r, &index, &index.entries[n - 1], &scratch, &back, &sample_err));
        char *want = picture(&s.x), *have = picture(&back);
        ck_assert_str_eq(have, want);
        free(want);
        free(have);
    }
    record_scratch_release(&scratch);
    record_index_release(&index);
    journal_reader_close(r);
}
END_TEST

static void make_steps(struct exchange *x)
{
    static struct exchange_attempt attempts[3];
    static struct exchange_decision decisions[2];

    attempts[0] = (struct exchange_attempt){ .upstream = STR("openai"),
                                             .status = 429,
                                             .error_class = ERROR_CLASS_RATE_LIMITED,
                                             .start_us = 12,
                                             .duration_us = 340,
                                             .bytes = 99 };
    attempts[1] = (struct exchange_attempt){ .upstream = STR("azure"),
                                             .model = STR("gpt-5-eu"),
                                             .skipped = true,
                                             .start_us = 353,
                                             .duration_us = -1,
                                             .rule = STR("breaker \"azure\"") };
    attempts[2] = (struct exchange_attempt){ .upstream = STR("gateway"),
                                             .model = STR("gpt-5-mini"),
                                             .status = 200,
                                             .why = STR("fallback"),
                                             .start_us = 354,
                                             .duration_us = 0,
                                             .bytes = 88,
                                             .rule = STR("route chat") };
    decisions[0] = (struct exchange_decision){ .rule = STR("access[0]"),
                                               .mode = STR("observe"),
                                               .outcome = STR("instead"),
                                               .detail = STR("gpt-5-mini"),
                                               .at_us = 11 };
    decisions[1] = (struct exchange_decision){ .rule = STR("limit;team"),
                                               .mode = STR("enforce"),
                                               .outcome = STR("limited\n"),
                                               .value = -1,
                                               .bound = 600 };
    x->attempts = attempts;
    x->attempt_count = ARRAY_LEN(attempts);
    x->decisions = decisions;
    x->decision_count = ARRAY_LEN(decisions);
}

/* Every member that exchanges.jsonl has, at a value that is not the default. */
static void make_full(struct sample_exchange *s)
{
    struct call_facts *f = &s->x.facts;

    sample_make(3, s);
    s->x.who = (struct exchange_who){ STR("a"),    STR("t"),  STR("bu"),
                                      STR("prod"), STR("u1"), STR("tests") };
    s->x.client_address = STR("10.0.0.1");
    s->x.user_agent = STR("agent/1 \"quoted\" \xc3\xa9");
    s->x.upstream = STR("openai");
    s->x.arm = STR("direct");
    s->x.cutover_epoch = INT64_C(5000000042);
    s->x.cutover_share = 2500;
    s->x.cutover_unit = STR("fedcba9876543210");
    s->x.labels = STR("{\"x-weir-app\":\"a\"}");
    s->x.origin = STR("import:rows");
    s->x.query = STR("api-version=1&x=%20");
    s->x.truncated = true;
    s->x.requests = 12;
    s->x.transport_error = ERROR_CLASS_STREAM_STALL;
    s->x.request_bytes = 77;
    s->x.response_bytes = 88;
    s->x.request_body = STR("");
    s->x.request_body_missing = true;
    s->x.body_note = "request body: too large to keep";
    make_steps(&s->x);
    *f = (struct call_facts){
        .provider = PROVIDER_ANTHROPIC,
        .api = API_MESSAGES,
        .recognised_by = "host",
        .stream = true,
        .billable = true,
        .model_requested = STR("claude-x"),
        .model = STR("claude-x-1"),
        .service_tier = STR("priority"),
        .geo = STR("us"),
        .finish_reason = STR("end_turn"),
        .response_id = STR("msg_1"),
        .upstream_request_id = STR("req_1"),
        .end_user = STR("someone"),
        .features = CALL_TOOLS | CALL_WEB_SEARCH,
        .error_class = ERROR_CLASS_OVERLOADED,
        .error_code = STR("overloaded_error"),
        .usage_source = USAGE_SOURCE_ESTIMATED,
        .usage_note = "the stream was cut",
        .part_count = 2,
        .has_reported_cost = true,
        .reported_cost_pusd = INT64_C(1234567890123),
        .reported_cost_field = "usage.cost",
        .variant = STR("1024x1024/hd"),
    };
    f->parts[0].model = STR("claude-x-1");
    f->parts[1].model = STR("claude-y");
    for (int u = 0; u < USAGE_UNIT_COUNT; u++)
        usage_set(&f->parts[u % 2].usage, (enum usage_unit)u, 1000 + u);
}

/* Whoever adds a member must have it written: to the tables of exchange.c and exchange_facts.c, to
 * make_full, and then here. */
START_TEST(no_member_of_the_record_is_forgotten)
{
    if (sizeof(void *) != 8)
        return;
    ck_assert_uint_eq(sizeof(struct exchange) - sizeof(struct call_facts), 616);
    ck_assert_uint_eq(sizeof(struct call_facts) - CALL_PARTS_MAX * sizeof(struct call_part), 240);
}
END_TEST

START_TEST(a_full_exchange_with_facts_comes_back_through_journal_and_json)
{
    struct journal_writer *j = create();
    struct record_index index;
    struct record_scratch scratch = { 0 };
    struct sample_exchange s;
    struct exchange back, again;
    struct arena arena = { 0 };
    struct buf line = { 0 }, line_again = { 0 };

    make_full(&s);
    s.x.sequence = 1;
    ck_ok(record_append(j, &s.x, &sample_err));
    struct journal_reader *r = reopen(j);
    ck_ok(record_index(r, false, &index, &sample_err));
    ck_ok(record_read(r, &index, &index.entries[0], &scratch, &back, &sample_err));
    char *want = picture(&s.x), *have = picture(&back);
    ck_assert_str_eq(have, want);

    exchange_to_json(&back, &line);
    ck_assert_msg(exchange_from_json(buf_str(&line), &arena, &again, &sample_err) == 0, "%s",
                  sample_err.text);
    exchange_to_json(&again, &line_again);
    ck_assert_str_eq(buf_cstr(&line_again), buf_cstr(&line));
    ck_assert_uint_eq(again.response_stored_bytes, s.x.response_body.len);
    ck_assert_int_eq(again.facts.reported_cost_pusd, INT64_C(1234567890123));
    ck_assert_int_eq(again.requests, 12);
    ck_assert_int_eq(again.cutover_epoch, INT64_C(5000000042));
    ck_assert_int_eq(again.cutover_share, 2500);
    ck_assert(str_eq(again.cutover_unit, STR("fedcba9876543210")));
    ck_assert(str_eq(again.facts.variant, STR("1024x1024/hd")));
    ck_assert_uint_eq(again.attempt_count, 3);
    ck_assert(str_eq(exchange_answered_by(&again)->upstream, STR("gateway")));
    ck_assert_int_eq(again.attempts[1].duration_us, -1);
    ck_assert(again.attempts[1].skipped && !again.attempts[2].skipped);
    ck_assert_int_eq(again.attempts[0].error_class, ERROR_CLASS_RATE_LIMITED);
    ck_assert_uint_eq(again.decision_count, 2);
    ck_assert(str_eq(again.decisions[1].rule, STR("limit;team")));
    ck_assert_int_eq(again.decisions[1].bound, 600);
    ck_assert_int_eq(again.facts.parts[1].usage.n[USAGE_CACHED_INPUT], 1001);

    free(want);
    free(have);
    buf_release(&line);
    buf_release(&line_again);
    arena_release(&arena);
    record_scratch_release(&scratch);
    record_index_release(&index);
    journal_reader_close(r);
}
END_TEST

START_TEST(a_json_line_cut_or_flipped_at_any_byte_is_an_error_or_another_exchange)
{
    struct sample_exchange s;
    struct arena arena = { 0 };
    struct buf line = { 0 };
    struct exchange back;

    make_full(&s);
    s.x.sequence = 1;
    exchange_to_json(&s.x, &line);
    for (size_t at = 0; at < line.len; at++) {
        arena_reset(&arena);
        ck_assert_int_eq(
            exchange_from_json(str_sub(buf_str(&line), 0, at), &arena, &back, &sample_err), -1);
        for (int bit = 0; bit < 8; bit++) {
            line.ptr[at] ^= (char)(1 << bit);
            exchange_from_json(buf_str(&line), &arena, &back, &sample_err);
            line.ptr[at] ^= (char)(1 << bit);
        }
    }
    ck_assert_int_eq(exchange_from_json(buf_str(&line), &arena, &back, &sample_err), 0);
    buf_release(&line);
    arena_release(&arena);
}
END_TEST

static const struct {
    const char *line, *error;
} bad_lines[] = {
    {"[]",                                                                                       "not an object"          },
    { "{\"id\":\"x\"}",                                                                          "'id' is not a UUID"     },
    { "{\"id\":\"01999999-0000-7000-8000-000000000000\",\"sequence\":0}",                        "'sequence'"             },
    { "{\"id\":\"01999999-0000-7000-8000-000000000000\",\"sequence\":1,\"started_at\":\"x\"}",
     "'started_at'"                                                                                                       },
    { "{\"id\":\"01999999-0000-7000-8000-000000000000\",\"sequence\":1,\"started_at\":"
      "\"2026-10-01\",\"app\":7}",                                                          "'app' is not a string"  },
    { "{\"id\":\"01999999-0000-7000-8000-000000000000\",\"sequence\":1,\"started_at\":"
      "\"2026-10-01\"}",                                                                    "member 'request'"       },
    { "{\"id\":\"01999999-0000-7000-8000-000000000000\",\"sequence\":1,\"started_at\":"
      "\"2026-10-01\",\"request\":{\"headers\":[[\"a\"]]}}",                                "'headers' entry 0"      },
    { "{\"id\":\"01999999-0000-7000-8000-000000000000\",\"sequence\":1,\"started_at\":"
      "\"2026-10-01\",\"request\":{},\"response\":{\"status\":-1}}",                        "'status'"               },
    { "{\"id\":\"01999999-0000-7000-8000-000000000000\",\"sequence\":1,\"started_at\":"
      "\"2026-10-01\",\"request\":{},\"response\":{},\"facts\":{\"provider\":\"nobody\"}}", "'provider' is not known"},
};

START_TEST(a_bad_json_line_names_the_member)
{
    struct arena arena = { 0 };
    struct exchange x;

    ck_assert_int_eq(exchange_from_json(str_from(bad_lines[_i].line), &arena, &x, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
    ck_assert_msg(strstr(sample_err.text, bad_lines[_i].error) != NULL, "%s", sample_err.text);
    arena_release(&arena);
}
END_TEST

#define GOOD_LINE                                                                                  \
    "{\"id\":\"01999999-0000-7000-8000-000000000000\",\"sequence\":1,\"started_at\":\"2026-10-"    \
    "01\","                                                                                        \
    "\"request\":{},\"response\":{},\"facts\":{\"provider\":\"openai\",\"api\":\"chat\","          \
    "\"usage_source\":\"unknown\"}"

static const struct {
    const char *members, *error;
} bad_steps[] = {
    {"\"attempts\":{}",                                "'attempts' is not an array"  },
    { "\"attempts\":[{},7]",                           "'attempts' entry 1"          },
    { "\"attempts\":[{\"status\":1000}]",              "'status' is not"             },
    { "\"attempts\":[{\"start_us\":-1}]",              "is negative"                 },
    { "\"attempts\":[{\"duration_us\":-2}]",           "is negative"                 },
    { "\"attempts\":[{\"bytes\":-1}]",                 "is negative"                 },
    { "\"attempts\":[{\"upstream\":1}]",               "'upstream' is not a string"  },
    { "\"attempts\":[{\"skipped\":1}]",                "'skipped' is neither"        },
    { "\"attempts\":[{\"error_class\":\"bad luck\"}]", "'error_class' is not a known"},
    { "\"decisions\":7",                               "'decisions' is not an array" },
    { "\"decisions\":[[]]",                            "'decisions' entry 0"         },
    { "\"decisions\":[{\"at_us\":-1}]",                "'at_us' is negative"         },
    { "\"decisions\":[{\"bound\":\"x\"}]",             "'bound' is not an integer"   },
    { "\"decisions\":[{\"mode\":true}]",               "'mode' is not a string"      },
};

START_TEST(a_bad_attempt_or_decision_names_its_entry)
{
    CLEANUP(buf_release) struct buf line = { 0 };
    struct arena arena = { 0 };
    struct exchange x;

    buf_addf(&line, "%s,%s}", GOOD_LINE, bad_steps[_i].members);
    ck_assert_int_eq(exchange_from_json(buf_str(&line), &arena, &x, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_CORRUPT);
    ck_assert_msg(strstr(sample_err.text, bad_steps[_i].error) != NULL, "%s", sample_err.text);
    arena_release(&arena);
}
END_TEST

START_TEST(more_steps_than_the_limit_are_refused_and_a_live_writer_leaves_them_out)
{
    CLEANUP(buf_release) struct buf line = { 0 }, end = { 0 };
    static struct exchange_attempt attempts[EXCHANGE_STEPS_MAX + 1];
    struct journal_writer *j = create();
    struct sample_exchange s;
    struct arena arena = { 0 };
    struct exchange x;
    char name[EXCHANGE_STEP_TEXT_MAX + 2];

    /* The limit falls into the second byte of a character, which goes as a whole. */
    memset(name, 'n', sizeof(name));
    memcpy(name + EXCHANGE_STEP_TEXT_MAX - 1, "\xc3\xa9", 2);
    for (size_t i = 0; i < ARRAY_LEN(attempts); i++)
        attempts[i] = (struct exchange_attempt){
            .upstream = {name, sizeof(name)},
              .duration_us = -1
        };
    sample_make(1, &s);
    s.x.attempts = attempts;
    s.x.attempt_count = ARRAY_LEN(attempts);
    ck_assert_int_eq(record_append(j, &s.x, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_LIMIT);
    journal_discard(j);

    buf_addf(&line, "%s,\"attempts\":[{}", GOOD_LINE);
    for (size_t i = 0; i < EXCHANGE_STEPS_MAX; i++)
        buf_add_text(&line, ",{}");
    buf_add_text(&line, "]}");
    ck_assert_int_eq(exchange_from_json(buf_str(&line), &arena, &x, &sample_err), -1);
    ck_assert_int_eq(sample_err.code, ERR_LIMIT);

    buf_clear(&line);
    s.x.sequence = 1;
    exchange_to_json(&s.x, &line);
    ck_ok(exchange_from_json(buf_str(&line), &arena, &x, &sample_err));
    ck_assert_uint_eq(x.attempt_count, EXCHANGE_STEPS_MAX);
    ck_assert_uint_eq(x.attempts[0].upstream.len, EXCHANGE_STEP_TEXT_MAX - 1);
    record_add_end(&end, &s.x);
    ck_assert_uint_lt(end.len, RECORD_HEAD_BYTES_MAX);
    arena_release(&arena);
}
END_TEST

static void append(struct journal_writer *j, enum journal_frame_type type, uint64_t sequence,
                   uint64_t at_us, struct str payload)
{
    struct journal_frame f = {
        .type = type, .sequence = sequence, .at_us = at_us, .payload = payload
    };

    ck_ok(journal_append(j, &f, &sample_err));
}

static void begin_live(struct journal_writer *j, uint64_t sequence)
{
    struct buf fields = { 0 };
    char id[UUID_TEXT_BYTES];
    uint8_t random[10] = { (uint8_t)sequence };

    journal_add_field(&fields, "id",
                      str_from(uuid_format(uuid7_make(SAMPLE_START_US, random), id)));
    journal_add_field(&fields, "origin", STR("proxy"));
    journal_add_field(&fields, "host", STR("api.openai.com"));
    append(j, JOURNAL_BEGIN, sequence, SAMPLE_START_US, buf_str(&fields));
    append(j, JOURNAL_REQUEST, sequence, 100,
           STR("POST /v1/chat/completions?x=1 HTTP/1.1\r\ncontent-type: application/json\r\n"
               "x-odd:no blank\r\n:authority: h"));
    append(j, JOURNAL_REQUEST_BODY, sequence, 150, STR("{\"model\":"));
    append(j, JOURNAL_REQUEST_BODY, sequence, 160, STR("\"m\"}"));
    buf_release(&fields);
}

START_TEST(interleaved_live_exchanges_are_told_apart_and_timed_by_their_frames)
{
    struct journal_writer *j = create();
    struct record_index index;
    struct record_scratch scratch = { 0 };
    struct exchange x;

    begin_live(j, 1);
    begin_live(j, 2);
    append(j, JOURNAL_RESPONSE_HEAD, 1, 300,
           STR("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream"));
    append(j, JOURNAL_CHUNK, 1, 310, STR("one "));
    append(j, JOURNAL_RESPONSE_HEAD, 2, 320, STR("HTTP/1.1 503 Busy\r\nretry-after: 1"));
    append(j, JOURNAL_CHUNK, 1, 330, STR("two"));
    append(j, JOURNAL_END, 2, 340, STR(""));
    append(j, JOURNAL_END, 1, 350, STR(""));
    struct journal_reader *r = reopen(j);
    ck_ok(record_index(r, false, &index, &sample_err));
    ck_assert_uint_eq(index.len, 2);

    ck_ok(record_read(r, &index, &index.entries[0], &scratch, &x, &sample_err));
    ck_assert(str_eq(x.request_body, STR("{\"model\":\"m\"}")));
    ck_assert(str_eq(x.response_body, STR("one two")));
    ck_assert(str_eq(x.path, STR("/v1/chat/completions")) && str_eq(x.query, STR("x=1")));
    ck_assert_uint_eq(x.request_header_count, 3);
    ck_assert(str_eq(x.request_headers[1].value, STR("no blank")));
    ck_assert(str_eq(x.request_headers[2].name, STR(":authority")));
    ck_assert_int_eq(x.request_us, 160);
    ck_assert_int_eq(x.head_us, 300);
    ck_assert_int_eq(x.end_us, 350);
    ck_assert_uint_eq(x.chunk_count, 2);
    ck_assert_uint_eq(x.chunks[1].offset_us, 330);
    ck_assert_uint_eq(x.response_bytes, 7);
    ck_assert(!x.truncated);

    ck_ok(record_read(r, &index, &index.entries[1], &scratch, &x, &sample_err));
    ck_assert_int_eq(x.status, 503);
    ck_assert(str_eq(x.response_body, STR("")));
    record_scratch_release(&scratch);
    record_index_release(&index);
    journal_reader_close(r);
}
END_TEST

START_TEST(the_end_says_who_answered_and_what_was_tried_before)
{
    CLEANUP(buf_release) struct buf fields = { 0 };
    struct journal_writer *j = create();
    struct record_index index;
    struct record_scratch scratch = { 0 };
    struct exchange x, end = { .first_token_us = -1 };

    make_steps(&end);
    end.upstream = STR("gateway");
    end.arm = STR("gateway");
    end.cutover_epoch = 7;
    end.cutover_unit = STR("fedcba9876543210");
    end.scheme = STR("http");
    end.host = STR("gateway.internal");
    end.who.team = STR("t");
    record_add_end(&fields, &end);
    record_add_amendments(&fields, &end);
    begin_live(j, 1); /* api.openai.com */
    append(j, JOURNAL_END, 1, 350, buf_str(&fields));
    struct journal_reader *r = reopen(j);
    ck_ok(record_index(r, false, &index, &sample_err));
    ck_ok(record_read(r, &index, &index.entries[0], &scratch, &x, &sample_err));
    ck_assert(str_eq(x.upstream, STR("gateway")) && str_eq(x.arm, STR("gateway")));
    ck_assert_int_eq(x.cutover_epoch, 7);
    ck_assert_int_eq(x.cutover_share, 0);
    ck_assert(str_eq(x.cutover_unit, STR("fedcba9876543210")));
    ck_assert(str_eq(x.scheme, STR("http")) && str_eq(x.host, STR("gateway.internal")));
    ck_assert(str_eq(x.who.team, STR("t")));
    ck_assert(str_eq(x.origin, STR("proxy")));
    ck_assert_int_eq(x.end_us, 350);
    ck_assert_uint_eq(x.attempt_count, 3);
    ck_assert_uint_eq(x.decision_count, 2);
    ck_assert(str_eq(x.decisions[0].detail, STR("gpt-5-mini")));
    record_scratch_release(&scratch);
    record_index_release(&index);
    journal_reader_close(r);
}
END_TEST

START_TEST(an_exchange_without_end_is_truncated_and_says_why)
{
    struct journal_writer *j = create();
    struct record_index index;
    struct record_scratch scratch = { 0 };
    struct exchange x;

    begin_live(j, 1);
    begin_live(j, 2);
    append(j, JOURNAL_RESPONSE_HEAD, 2, 320, STR("HTTP/1.1 200 OK\r\na: b"));
    append(j, JOURNAL_CHUNK, 2, 330, STR("begun"));
    struct journal_reader *r = reopen(j);
    ck_ok(record_index(r, false, &index, &sample_err));
    for (size_t i = 0; i < 2; i++) {
        ck_assert_uint_eq(index.entries[i].flags & RECORD_ENDED, 0);
        ck_ok(record_read(r, &index, &index.entries[i], &scratch, &x, &sample_err));
        ck_assert(x.truncated);
        ck_assert_int_eq(x.end_us, -1);
        ck_assert_int_eq(x.transport_error,
                         i == 0 ? ERROR_CLASS_TRANSPORT : ERROR_CLASS_STREAM_CUT);
    }
    record_scratch_release(&scratch);
    record_index_release(&index);
    journal_reader_close(r);
}
END_TEST

/* A table of frame orders that no writer of ours makes. */
static const struct {
    enum journal_frame_type types[4];
    uint64_t sequences[4];
    const char *error;
} bad_orders[] = {
    {{ JOURNAL_BEGIN, JOURNAL_END, JOURNAL_CHUNK },                 { 1, 1, 1 },    "has ended before" },
    { { JOURNAL_BEGIN, JOURNAL_FILE },                              { 1, 0 },       "second FILE frame"},
    { { JOURNAL_BEGIN, JOURNAL_END, JOURNAL_CLOSE, JOURNAL_CLOSE }, { 1, 1, 0, 0 }, "CLOSE"            },
    { { JOURNAL_CHUNK },                                            { 0 },          "has not begun"    },
};

START_TEST(frames_out_of_order_are_damage_and_salvage_keeps_what_was_before)
{
    struct journal_writer *j = create();
    struct record_index index;
    size_t begun = 0;

    for (size_t i = 0; i < 4 && bad_orders[_i].types[i]; i++) {
        append(j, bad_orders[_i].types[i], bad_orders[_i].sequences[i], 0, STR(""));
        begun += bad_orders[_i].types[i] == JOURNAL_BEGIN;
    }
    struct journal_reader *r = reopen(j);
    ck_assert_int_eq(record_index(r, false, &index, &sample_err), -1);
    ck_assert_msg(strstr(sample_err.text, bad_orders[_i].error) != NULL, "%s", sample_err.text);
    journal_reader_close(r);
    ck_ok(journal_open(sample_path(WRITER ".journal"), &r, &sample_err));
    ck_ok(record_index(r, true, &index, &sample_err));
    ck_assert_uint_eq(index.len, begun);
    ck_assert(index.damaged);
    record_index_release(&index);
    journal_reader_close(r);
}
END_TEST

START_TEST(text_that_could_break_a_head_apart_is_disarmed)
{
    struct journal_writer *j = create();
    struct record_index index;
    struct record_scratch scratch = { 0 };
    struct sample_exchange s;
    struct exchange x;

    sample_make(1, &s);
    s.x.path = STR("/a b\r\nx: y");
    s.request_headers[0] = (struct call_header){ STR("x:y\r\n"), STR("1\r\nauthorization: 2") };
    s.request_headers[1] = (struct call_header){ STR(""), STR("nameless") };
    s.x.request_header_count = 2;
    ck_ok(record_append(j, &s.x, &sample_err));
    struct journal_reader *r = reopen(j);
    ck_ok(record_index(r, false, &index, &sample_err));
    ck_ok(record_read(r, &index, &index.entries[0], &scratch, &x, &sample_err));
    ck_assert_uint_eq(x.request_header_count, 2);
    ck_assert(str_eq(x.path, STR("/a%20b%0D%0Ax:%20y")));
    ck_assert(str_eq(x.request_headers[0].name, STR("x_y__")));
    ck_assert(str_eq(x.request_headers[0].value, STR("1  authorization: 2")));
    ck_assert(str_eq(x.request_headers[1].value, STR("nameless")));
    record_scratch_release(&scratch);
    record_index_release(&index);
    journal_reader_close(r);
}
END_TEST

START_TEST(what_goes_beyond_a_limit_is_refused_with_nothing_written)
{
    struct journal_writer *j = create();
    uint64_t before = journal_bytes(j);
    struct sample_exchange s;
    char *huge = mem_calloc(1, RECORD_HEAD_BYTES_MAX + 1);

    for (int i = 0; i < 6; i++) {
        sample_make(3, &s);
        if (i == 0)
            s.x.started_us = -1;
        else if (i == 1)
            s.x.started_us = INT64_MAX;
        else if (i == 2)
            s.chunks[0].bytes++;
        else if (i == 3)
            s.x.request_body.len = EXCHANGE_BODY_BYTES_MAX + 1;
        else if (i == 4)
            s.x.request_header_count = EXCHANGE_HEADERS_MAX + 1;
        else
            s.x.labels = (struct str){ huge, RECORD_HEAD_BYTES_MAX + 1 };
        ck_assert_msg(record_append(j, &s.x, &sample_err) == -1, "case %d", i);
        ck_assert_uint_eq(journal_bytes(j), before);
        ck_assert_uint_eq(journal_sequence(j), 1);
    }
    free(huge);
    ck_ok(journal_close(j, &sample_err));
}
END_TEST

START_TEST(large_bodies_come_back_whole)
{
    struct journal_writer *j = create();
    struct record_index index;
    struct record_scratch scratch = { 0 };
    struct sample_exchange s;
    struct exchange x;
    size_t len = (3u << 20) + 17;
    char *body = mem_calloc(1, len);

    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i * 2654435761u >> 24);
    sample_make(1, &s);
    s.x.request_body = s.x.response_body = (struct str){ body, len };
    ck_ok(record_append(j, &s.x, &sample_err));
    struct journal_reader *r = reopen(j);
    ck_ok(record_index(r, false, &index, &sample_err));
    ck_ok(record_read(r, &index, &index.entries[0], &scratch, &x, &sample_err));
    ck_assert(str_eq(x.request_body, s.x.request_body));
    ck_assert(str_eq(x.response_body, s.x.response_body));
    ck_assert_uint_eq(x.chunk_count, 0);
    free(body);
    record_scratch_release(&scratch);
    record_index_release(&index);
    journal_reader_close(r);
}
END_TEST

START_TEST(a_line_break_is_disarmed_wherever_it_stands)
{
    CLEANUP(buf_release) struct buf out = { 0 }, expected = { 0 };
    char value[24];

    for (size_t len = 1; len <= sizeof(value); len++)
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++) {
                struct call_header h = {
                    STR("a"), {value, len}
                };
                struct exchange x = { .status = 200, .response_headers = &h };
                x.response_header_count = 1;
                memset(value, ':', sizeof(value));
                value[at] = (char)c;
                buf_clear(&out);
                record_add_response(&out, &x);
                if (c == '\0' || c == '\r' || c == '\n')
                    value[at] = ' ';
                buf_clear(&expected);
                buf_add_str(&expected, STR("HTTP/1.1 200\r\na: "));
                buf_add_str(&expected, h.value);
                ck_assert(str_eq(buf_str(&out), buf_str(&expected)));
            }
}
END_TEST

/* Values are replaced or as they stand in the head: a bit of _i for each. */
START_TEST(clean_heads_are_recorded_alike_wherever_their_headers_lie)
{
    static const char head[] = "a: 1\r\nb:2\r\nC:  3\r\nd: \r\ne: five\r\n";
    static const struct {
        size_t name, value, len;
    } at[] = {
        {0,   3,  1},
        { 6,  8,  1},
        { 11, 15, 1},
        { 18, 21, 0},
        { 23, 26, 4}
    };
    struct call_header headers[ARRAY_LEN(at)];
    struct exchange x = { .status = 200,
                          .response_headers = headers,
                          .response_header_count = ARRAY_LEN(at),
                          .heads_are_clean = true };
    CLEANUP(buf_release) struct buf out = { 0 }, expected = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(at); i++) {
        struct str value = { head + at[i].value, at[i].len };
        headers[i] = (struct call_header){
            {head + at[i].name, 1},
            value
        };
        if (_i >> i & 1)
            headers[i].value = value.len == 4 ? STR("weir:0") : STR("");
    }
    record_add_response(&out, &x);
    x.heads_are_clean = false;
    record_add_response(&expected, &x);
    ck_assert(str_eq(buf_str(&out), buf_str(&expected)));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, sample_setup, sample_teardown);
    tcase_add_test(tc, exchanges_come_back_as_they_were_given);
    tcase_add_test(tc, no_member_of_the_record_is_forgotten);
    tcase_add_test(tc, a_full_exchange_with_facts_comes_back_through_journal_and_json);
    tcase_add_test(tc, a_json_line_cut_or_flipped_at_any_byte_is_an_error_or_another_exchange);
    tcase_add_loop_test(tc, a_bad_attempt_or_decision_names_its_entry, 0,
                        (int)ARRAY_LEN(bad_steps));
    tcase_add_test(tc, more_steps_than_the_limit_are_refused_and_a_live_writer_leaves_them_out);
    tcase_add_loop_test(tc, a_bad_json_line_names_the_member, 0, (int)ARRAY_LEN(bad_lines));
    tcase_add_test(tc, interleaved_live_exchanges_are_told_apart_and_timed_by_their_frames);
    tcase_add_test(tc, the_end_says_who_answered_and_what_was_tried_before);
    tcase_add_test(tc, an_exchange_without_end_is_truncated_and_says_why);
    tcase_add_loop_test(tc, frames_out_of_order_are_damage_and_salvage_keeps_what_was_before, 0,
                        (int)ARRAY_LEN(bad_orders));
    tcase_add_test(tc, text_that_could_break_a_head_apart_is_disarmed);
    tcase_add_test(tc, a_line_break_is_disarmed_wherever_it_stands);
    tcase_add_test(tc, what_goes_beyond_a_limit_is_refused_with_nothing_written);
    tcase_add_test(tc, large_bodies_come_back_whole);
    tcase_add_loop_test(tc, clean_heads_are_recorded_alike_wherever_their_headers_lie, 0, 32);
}

CHECK_MAIN("capture/record", add_tests)

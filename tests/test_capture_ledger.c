#include "config.h"

#include "capture/ledger.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define STEP_COLUMNS (LEDGER_DECISIONS - LEDGER_ATTEMPTS + 1)

static struct exchange make_exchange(void)
{
    struct exchange x = {
        .writer = STR("w0"),
        .sequence = 7,
        .requests = 12,
        .content_id = STR("c0ffee"),
        .trace_id = STR("4bf92f3577b34da6a3ce929d0e0e4736"),
        .started_us = 1762000000123456,
        .request_us = 10,
        .head_us = 20,
        .first_token_us = 30,
        .end_us = 40,
        .key_id = STR("0123456789abcdef"),
        .client_address = STR("10.0.0.9"),
        .user_agent = STR("openai-python"),
        .upstream = STR("openai"),
        .arm = STR("gateway"),
        .cutover_epoch = INT64_C(5000000042),
        .cutover_share = 500,
        .cutover_unit = STR("fedcba9876543210"),
        .labels = STR("{\"a\":1}"),
        .origin = STR("proxy"),
        .host = STR("api.openai.com"),
        .path = STR("/v1/chat/completions"),
        .status = 200,
        .request_bytes = 1000,
        .response_bytes = 2000,
    };

    x.id = uuid7_make(1762000000123456, (const uint8_t[10]){ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 });
    x.who.app = STR("bot");
    x.who.team = STR("cx");
    x.who.business_unit = STR("sales");
    x.who.environment = STR("production");
    x.who.end_user = STR("hashed-user");
    x.who.purpose = STR("answers");
    x.facts.provider = PROVIDER_OPENAI;
    x.facts.recognised_by = "host";
    x.facts.stream = x.facts.billable = true;
    x.facts.model_requested = STR("gpt-5");
    x.facts.model = STR("gpt-5-2025-08-07");
    x.facts.service_tier = STR("flex");
    x.facts.geo = STR("eu");
    x.facts.finish_reason = STR("stop");
    x.facts.response_id = STR("resp_1");
    x.facts.upstream_request_id = STR("req_1");
    x.facts.end_user = STR("the user's own name");
    x.facts.features = CALL_TOOLS | CALL_VISION;
    x.facts.usage_source = USAGE_SOURCE_REPORTED;
    x.facts.has_reported_cost = true;
    x.facts.reported_cost_pusd = 123456789;
    x.facts.reported_cost_field = "usage.cost";
    x.facts.variant = STR("1024x1024/hd");
    x.facts.part_count = 1;
    usage_set(&x.facts.parts[0].usage, USAGE_INPUT, 100);
    usage_set(&x.facts.parts[0].usage, USAGE_OUTPUT, 0);
    return x;
}

/* A row as one reads it back: null, number or text of each column. */
struct row {
    bool is_null[LEDGER_COLUMN_COUNT];
    int64_t i[LEDGER_COLUMN_COUNT];
    char s[LEDGER_COLUMN_COUNT][80];
};

static void write_rows(const char *path, const struct exchange *x)
{
    CLEANUP(arena_release) struct arena scratch = { 0 };
    struct parquet_writer *w = NULL;
    struct parquet_cell cells[LEDGER_COLUMN_COUNT];
    struct err err = { 0 };

    ck_assert_int_eq(ledger_create(path, &w, &err), 0);
    for (size_t part = 0; part < ledger_rows(x); part++) {
        ledger_cells(x, part, 4096, &scratch, cells);
        ck_assert_msg(parquet_add_row(w, cells, &err) == 0, "%s", err.text);
    }
    ck_assert_int_eq(parquet_finish(w, &err), 0);
}

/* The rows of the file at path; returns how many. */
static size_t read_rows(const char *path, struct row *ret, size_t max)
{
    CLEANUP(parquet_close) struct parquet_file *f = NULL;
    CLEANUP(parquet_values_release) struct parquet_values v = { 0 };
    int map[LEDGER_COLUMN_COUNT];
    struct err err = { 0 };

    ck_assert_msg(ledger_open(path, &f, map, &err) == 0, "%s", err.text);
    ck_assert_uint_le(parquet_rows(f), max);
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        ck_assert_int_ge(map[c], 0);
        ck_assert_msg(parquet_read(f, 0, (size_t)map[c], &v, &err) == 0, "%s", err.text);
        for (size_t r = 0; r < v.count; r++) {
            ret[r].is_null[c] = v.is_null && v.is_null[r];
            ret[r].i[c] = v.ints ? v.ints[r] : 0;
            ret[r].s[c][0] = '\0';
            if (v.codes && !ret[r].is_null[c])
                snprintf(ret[r].s[c], sizeof(ret[r].s[c]), "%.*s",
                         STR_ARG(v.dictionary[v.codes[r]]));
        }
    }
    return (size_t)parquet_rows(f);
}

static const struct text_row {
    enum ledger_column column;
    const char *text;
} texts[] = {
    {LEDGER_EXCHANGE_ID,          "019a3f62-547b-7"                 }, /* its beginning */
    { LEDGER_WRITER,              "w0"                              },
    { LEDGER_CONTENT_ID,          "c0ffee"                          },
    { LEDGER_ORIGIN,              "proxy"                           },
    { LEDGER_TRACE_ID,            "4bf92f3577b34da6a3ce929d0e0e4736"},
    { LEDGER_APP,                 "bot"                             },
    { LEDGER_TEAM,                "cx"                              },
    { LEDGER_BUSINESS_UNIT,       "sales"                           },
    { LEDGER_ENVIRONMENT,         "production"                      },
    { LEDGER_END_USER,            "hashed-user"                     },
    { LEDGER_PURPOSE,             "answers"                         },
    { LEDGER_KEY_ID,              "0123456789abcdef"                },
    { LEDGER_CLIENT_ADDRESS,      "10.0.0.9"                        },
    { LEDGER_USER_AGENT,          "openai-python"                   },
    { LEDGER_UPSTREAM,            "openai"                          },
    { LEDGER_ARM,                 "gateway"                         },
    { LEDGER_CUTOVER_UNIT,        "fedcba9876543210"                },
    { LEDGER_LABELS,              "{\"a\":1}"                       },
    { LEDGER_HOST,                "api.openai.com"                  },
    { LEDGER_PATH,                "/v1/chat/completions"            },
    { LEDGER_PROVIDER,            "openai"                          },
    { LEDGER_RECOGNISED_BY,       "host"                            },
    { LEDGER_MODEL_REQUESTED,     "gpt-5"                           },
    { LEDGER_MODEL,               "gpt-5-2025-08-07"                },
    { LEDGER_FINISH_REASON,       "stop"                            },
    { LEDGER_SERVICE_TIER,        "flex"                            },
    { LEDGER_GEO,                 "eu"                              },
    { LEDGER_RESPONSE_ID,         "resp_1"                          },
    { LEDGER_UPSTREAM_REQUEST_ID, "req_1"                           },
    { LEDGER_USAGE_SOURCE,        "reported"                        },
    { LEDGER_REPORTED_COST_FIELD, "usage.cost"                      },
    { LEDGER_VARIANT,             "1024x1024/hd"                    },
};

static const struct number_row {
    int column;
    int64_t i;
} numbers[] = {
    {LEDGER_PART,                  0               },
    { LEDGER_PARTS,                1               },
    { LEDGER_REQUESTS,             12              },
    { LEDGER_SEQUENCE,             7               },
    { LEDGER_STARTED_AT,           1762000000123456},
    { LEDGER_REQUEST_US,           10              },
    { LEDGER_HEAD_US,              20              },
    { LEDGER_FIRST_TOKEN_US,       30              },
    { LEDGER_END_US,               40              },
    { LEDGER_STREAM,               1               },
    { LEDGER_FEATURES,             3               },
    { LEDGER_STATUS,               200             },
    { LEDGER_TRUNCATED,            0               },
    { LEDGER_BILLABLE,             1               },
    { LEDGER_REQUEST_BYTES,        1000            },
    { LEDGER_RESPONSE_BYTES,       2000            },
    { LEDGER_REPORTED_COST,        123456789       },
    { LEDGER_CUTOVER_EPOCH,        5000000042      },
    { LEDGER_CUTOVER_SHARE,        500             },
    { LEDGER_SEGMENT_OFFSET,       4096            },
    { LEDGER_USAGE + USAGE_INPUT,  100             },
    { LEDGER_USAGE + USAGE_OUTPUT, 0               },
};

START_TEST(an_exchange_comes_back_column_by_column)
{
    static struct row row;
    struct exchange x = make_exchange();
    size_t nulls = 0;

    write_rows(temp_path("l.parquet"), &x);
    ck_assert_uint_eq(read_rows(temp_path("l.parquet"), &row, 1), 1);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t len = texts[i].column == LEDGER_EXCHANGE_ID ? strlen(texts[i].text) : 79;
        ck_assert_msg(strncmp(row.s[texts[i].column], texts[i].text, len) == 0, "%s: %s",
                      ledger_columns()[texts[i].column].name, row.s[texts[i].column]);
        ck_assert(!row.is_null[texts[i].column]);
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        ck_assert_msg(row.i[numbers[i].column] == numbers[i].i, "%s: %" PRId64,
                      ledger_columns()[numbers[i].column].name, row.i[numbers[i].column]);
        ck_assert(!row.is_null[numbers[i].column]);
    }
    ck_assert_uint_eq(strlen(row.s[LEDGER_EXCHANGE_ID]), 36);
    ck_assert_str_eq(row.s[LEDGER_API], api_name(x.facts.api));
    /* error class and code, usage note, attempts, and the units that were not reported */
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        nulls += row.is_null[c];
    ck_assert_uint_eq(nulls, 3 + STEP_COLUMNS + USAGE_UNIT_COUNT - 2);
    ck_assert_uint_eq(ARRAY_LEN(texts) + ARRAY_LEN(numbers) + 1 + nulls, LEDGER_COLUMN_COUNT);
}
END_TEST

START_TEST(what_is_not_known_is_null_and_what_must_be_there_is_empty)
{
    static struct row row;
    struct exchange x = { .request_us = -1, .head_us = -1, .first_token_us = -1, .end_us = -1 };

    x.facts.usage_source = USAGE_SOURCE_UNKNOWN;
    x.facts.usage_note = "no body";
    write_rows(temp_path("l.parquet"), &x);
    ck_assert_uint_eq(read_rows(temp_path("l.parquet"), &row, 1), 1);
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        const struct parquet_column *column = &ledger_columns()[c];
        bool given = c == LEDGER_USAGE_NOTE || c == LEDGER_SEGMENT_OFFSET;
        ck_assert_msg(row.is_null[c] == (column->optional && !given), "%s", column->name);
    }
    ck_assert_str_eq(row.s[LEDGER_PROVIDER], "unknown");
    ck_assert_str_eq(row.s[LEDGER_USAGE_SOURCE], "unknown");
    ck_assert_str_eq(row.s[LEDGER_USAGE_NOTE], "no body");
    ck_assert_str_eq(row.s[LEDGER_WRITER], "");
    ck_assert_int_eq(row.i[LEDGER_PARTS], 1);
    ck_assert_int_eq(row.i[LEDGER_REQUESTS], 1);
}
END_TEST

START_TEST(each_model_has_its_row_and_the_cost_stands_once)
{
    static struct row rows[3];
    struct exchange x = make_exchange();

    x.facts.part_count = 3;
    x.facts.parts[1].model = STR("advisor");
    usage_set(&x.facts.parts[1].usage, USAGE_INPUT, 5);
    usage_set(&x.facts.parts[2].usage, USAGE_OUTPUT, 6);
    write_rows(temp_path("l.parquet"), &x);
    ck_assert_uint_eq(read_rows(temp_path("l.parquet"), rows, 3), 3);
    for (int r = 0; r < 3; r++) {
        ck_assert_int_eq(rows[r].i[LEDGER_PART], r);
        ck_assert_int_eq(rows[r].i[LEDGER_PARTS], 3);
        ck_assert_str_eq(rows[r].s[LEDGER_MODEL], r == 1 ? "advisor" : "gpt-5-2025-08-07");
        ck_assert(!rows[r].is_null[LEDGER_REPORTED_COST]);
        ck_assert_int_eq(rows[r].i[LEDGER_REPORTED_COST], r ? 0 : 123456789);
        ck_assert_str_eq(rows[r].s[LEDGER_EXCHANGE_ID], rows[0].s[LEDGER_EXCHANGE_ID]);
    }
    ck_assert_int_eq(rows[1].i[LEDGER_USAGE + USAGE_INPUT], 5);
    ck_assert(rows[1].is_null[LEDGER_USAGE + USAGE_OUTPUT]);
    ck_assert(rows[2].is_null[LEDGER_USAGE + USAGE_INPUT]);
    ck_assert_int_eq(rows[2].i[LEDGER_USAGE + USAGE_OUTPUT], 6);
}
END_TEST

static const struct cost_row {
    int64_t cost;
    bool is_null;
    const char *note, *want;
} cost_rows[] = {
    {999999999999999999,   false, NULL,    ""                                               },
    { -5,                  false, NULL,    ""                                               },
    { 1000000000000000000, true,  NULL,    "reported cost of a million USD or more left out"},
    { INT64_MIN,           true,  NULL,    "reported cost of a million USD or more left out"},
    { INT64_MAX,           true,  "other", "other"                                          },
};

START_TEST(a_cost_that_does_not_fit_is_left_out_with_a_note)
{
    static struct row rows[2];
    const struct cost_row *c = &cost_rows[_i];
    struct exchange x = make_exchange();

    x.facts.part_count = 2;
    x.facts.reported_cost_pusd = c->cost;
    x.facts.usage_note = c->note;
    write_rows(temp_path("l.parquet"), &x);
    ck_assert_uint_eq(read_rows(temp_path("l.parquet"), rows, 2), 2);
    for (int r = 0; r < 2; r++) {
        ck_assert_int_eq(rows[r].is_null[LEDGER_REPORTED_COST], c->is_null);
        ck_assert_int_eq(rows[r].i[LEDGER_REPORTED_COST], c->is_null || r ? 0 : c->cost);
        ck_assert_str_eq(rows[r].s[LEDGER_USAGE_NOTE], c->want);
    }
}
END_TEST

START_TEST(the_answers_error_wins_over_the_wires)
{
    static struct row row;
    struct exchange x = make_exchange();

    x.transport_error = ERROR_CLASS_STREAM_CUT;
    write_rows(temp_path("a"), &x);
    read_rows(temp_path("a"), &row, 1);
    ck_assert_str_eq(row.s[LEDGER_ERROR_CLASS], "stream_cut");
    x.facts.error_class = ERROR_CLASS_RATE_LIMITED;
    write_rows(temp_path("b"), &x);
    read_rows(temp_path("b"), &row, 1);
    ck_assert_str_eq(row.s[LEDGER_ERROR_CLASS], "rate_limited");
}
END_TEST

/* A file with the ledger's columns, of which one may be left out or be of another kind. */
static void write_variant(const char *path, int skip, int change, struct parquet_column to,
                          const char *version)
{
    struct parquet_column columns[LEDGER_COLUMN_COUNT + 1];
    struct parquet_cell cells[LEDGER_COLUMN_COUNT + 1] = { 0 };
    struct parquet_writer *w = NULL;
    struct err err = { 0 };
    size_t count = 0;

    columns[count++] = (struct parquet_column){ "a_new_column", PARQUET_STRING, true };
    for (int c = LEDGER_COLUMN_COUNT - 1; c >= 0; c--) /* the order does not matter */
        if (c != skip)
            columns[count++] = c == change ? to : ledger_columns()[c];
    ck_assert_int_eq(parquet_create(path, columns, count, &w, &err), 0);
    if (version)
        parquet_add_metadata(w, "weir.ledger.version", str_from(version));
    ck_assert_int_eq(parquet_add_row(w, cells, &err), 0);
    ck_assert_int_eq(parquet_finish(w, &err), 0);
}

static const struct variant_row {
    int skip, change;
    struct parquet_column to;
    const char *version;
    const char *message; /* NULL = opens */
} variants[] = {
    {-1,           -1,              { NULL, 0, false },                     "1",  NULL                                                                                },
    { -1,          -1,              { NULL, 0, false },                     NULL, NULL                                                                                },
    { LEDGER_TEAM, -1,              { NULL, 0, false },                     "1",  NULL                                                                                },
    { -1,          LEDGER_PROVIDER, { "provider", PARQUET_STRING, true },   NULL, NULL                                                                                },
    { LEDGER_PART, -1,              { NULL, 0, false },                     "1",  "no ledger: it has no column 'part'"                                                },
    { -1,
     LEDGER_STARTED_AT,             { "started_at", PARQUET_INT64, false },
     "1",                                                                         "column 'started_at' is a 64-bit integer instead of a UTC timestamp in microseconds"},
    { -1,          -1,              { NULL, 0, false },                     "2",  "ledger version '2', but this weir reads version 1"                                 },
};

START_TEST(ledgers_open_by_name_or_say_why_not)
{
    const struct variant_row *v = &variants[_i];
    struct parquet_file *f = NULL;
    int map[LEDGER_COLUMN_COUNT];
    struct err err = { 0 };

    write_variant(temp_path("v"), v->skip, v->change, v->to, v->version);
    int got = ledger_open(temp_path("v"), &f, map, &err);
    if (v->message) {
        ck_assert_int_eq(got, -1);
        ck_assert_msg(strstr(err.text, v->message) != NULL, "%s", err.text);
        return;
    }
    ck_assert_msg(got == 0, "%s", err.text);
    for (int c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        if (c == v->skip)
            ck_assert_int_eq(map[c], -1);
        else
            ck_assert_str_eq(parquet_column_at(f, (size_t)map[c])->name, ledger_columns()[c].name);
    }
    parquet_close(f);
}
END_TEST

/* --- attempts and decisions --- */

static struct exchange_attempt attempt(const char *upstream, const char *model, int status,
                                       int64_t start_us)
{
    return (struct exchange_attempt){ .upstream = str_from(upstream),
                                      .model = str_from(model),
                                      .status = status,
                                      .error_class =
                                          status == 200 ? ERROR_CLASS_NONE : ERROR_CLASS_STATUS_5XX,
                                      .start_us = start_us,
                                      .duration_us = -1 };
}

/* What the columns from ATTEMPTS on say, "-" where they are null. */
static char *steps_of(const struct exchange *x)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct row row;

    write_rows(temp_path("s"), x);
    ck_assert_uint_eq(read_rows(temp_path("s"), &row, 1), 1);
    for (enum ledger_column c = LEDGER_ATTEMPTS; c <= LEDGER_DECISIONS; c++) {
        buf_add_text(&text, c > LEDGER_ATTEMPTS ? " " : "");
        if (row.is_null[c])
            buf_add_byte(&text, '-');
        else if (ledger_columns()[c].type == PARQUET_STRING)
            buf_add_text(&text, row.s[c]);
        else
            buf_addf(&text, "%" PRId64, row.i[c]);
    }
    buf_addf(&text, " at %s", row.s[LEDGER_UPSTREAM]);
    return mem_strdup(buf_cstr(&text));
}

#define ck_steps(x, want)                                                                          \
    do {                                                                                           \
        char *have_ = steps_of(x);                                                                 \
        ck_assert_str_eq(have_, want);                                                             \
        free(have_);                                                                               \
    } while (0)

START_TEST(what_was_tried_and_decided_has_columns)
{
    struct exchange x = make_exchange();
    struct exchange_attempt a[3];
    struct exchange_decision d[3] = {
        {.rule = STR("access:2;%"), .mode = STR("observe"),    .outcome = STR("denied")},
        {  .rule = STR("r"),      .mode = STR("warn"), .outcome = STR("limited"),               .value = 1 },
        { .rule = STR("r"),      .mode = STR("warn"), .outcome = STR("limited"),               .value = 2 },
    };

    ck_steps(&x, "- - - - - - - - at openai");

    x.attempts = a;
    x.attempt_count = 1;
    a[0] = attempt("eu", "", 200, 700);
    ck_steps(&x, "1 0 eu gpt-5 - 0 0 - at eu");

    /* The same target once more; the first had begun to answer. */
    a[0].error_class = ERROR_CLASS_STREAM_CUT;
    a[0].bytes = 100;
    a[1] = attempt("eu", "gpt-5", 200, 900700);
    x.attempt_count = 2;
    ck_steps(&x, "2 0 eu gpt-5 stream_cut 900000 1 - at eu");

    /* Another model at the same upstream. */
    a[0] = attempt("eu", "", 503, 0);
    a[1] = attempt("eu", "gpt-5-mini", 200, 50);
    ck_steps(&x, "2 1 eu gpt-5 status_5xx 50 0 - at eu");

    /* The first choice was passed over; what came after the last attempt was, too. */
    a[0].skipped = true;
    a[0].error_class = ERROR_CLASS_NONE;
    a[1] = attempt("us", "", 200, 60);
    a[2] = attempt("gateway", "", 0, 90);
    a[2].skipped = true;
    x.attempt_count = 3;
    ck_steps(&x, "1 1 eu gpt-5 skipped 60 0 - at us");

    /* Nothing was tried, and a rule says why; what is said twice is there once. */
    x.attempt_count = 0;
    x.decisions = d;
    x.decision_count = 3;
    ck_steps(&x, "0 - - - - - - observe:denied:access%3A2%3B%25;warn:limited:r at openai");
}
END_TEST

static const char *type_in_manual(enum parquet_type type)
{
    static const char *const names[PARQUET_OTHER] = {
        [PARQUET_STRING] = "text",
        [PARQUET_INT64] = "int64",
        [PARQUET_INT32] = "int32",
        [PARQUET_BOOL] = "boolean",
        [PARQUET_TIMESTAMP_US] = "timestamp",
        [PARQUET_DECIMAL_12] = "decimal",
    };

    return names[type];
}

/* Counts the columns' lines, so that the page has no others either. */
START_TEST(the_manual_lists_every_column_with_its_type)
{
    CLEANUP(buf_release) struct buf page = { 0 };
    const char *srcdir = getenv("srcdir");
    char path[4096], want[200];
    struct err err = { 0 };
    size_t lines = 0;

    snprintf(path, sizeof(path), "%s/doc/weir-ledger.5", srcdir ? srcdir : ".");
    ck_assert_msg(file_read(path, 1u << 20, &page, &err) == 0, "%s", err.text);
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++) {
        const struct parquet_column *column = &ledger_columns()[c];
        snprintf(want, sizeof(want), "\n.It Sy %s Pq %s%s\n", column->name,
                 type_in_manual(column->type), column->optional ? ", may be null" : "");
        ptrdiff_t at = str_find(buf_str(&page), str_from(want), 0);
        ck_assert_msg(at >= 0, "missing: %s", want);
        /* and says something about it */
        struct str after = str_sub(buf_str(&page), (size_t)at + strlen(want), 8);
        ck_assert_msg(!str_starts_with(after, STR(".It")) && !str_starts_with(after, STR(".El")),
                      "says nothing: %s", want);
    }
    for (ptrdiff_t at = -1;
         (at = str_find(buf_str(&page), STR("\n.It Sy "), (size_t)(at + 1))) >= 0;)
        lines++;
    ck_assert_uint_eq(lines, LEDGER_COLUMN_COUNT);
}
END_TEST

START_TEST(usage_columns_follow_the_units)
{
    for (int u = 0; u < USAGE_UNIT_COUNT; u++)
        ck_assert_str_eq(ledger_columns()[LEDGER_USAGE + u].name,
                         usage_unit_name((enum usage_unit)u));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, temp_folder_make, temp_folder_remove);
    tcase_add_test(tc, an_exchange_comes_back_column_by_column);
    tcase_add_test(tc, what_is_not_known_is_null_and_what_must_be_there_is_empty);
    tcase_add_test(tc, each_model_has_its_row_and_the_cost_stands_once);
    tcase_add_loop_test(tc, a_cost_that_does_not_fit_is_left_out_with_a_note, 0,
                        (int)ARRAY_LEN(cost_rows));
    tcase_add_test(tc, the_answers_error_wins_over_the_wires);
    tcase_add_loop_test(tc, ledgers_open_by_name_or_say_why_not, 0, (int)ARRAY_LEN(variants));
    tcase_add_test(tc, what_was_tried_and_decided_has_columns);
    tcase_add_test(tc, the_manual_lists_every_column_with_its_type);
    tcase_add_test(tc, usage_columns_follow_the_units);
}
CHECK_MAIN("capture/ledger", add_tests)

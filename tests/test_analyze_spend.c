/* Spend over ledgers written row by row: what is counted, what is priced, and what is only listed.
 */
#include "config.h"

#include "analyze/spend_print.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

/* 1 USD a million in, 0.1 cached, 3 out; dated: twice that from 2026-10-02 on. */
static const char book_text[] = "format: weir-prices/1\n"
                                "provider: openai\n"
                                "sources: {test: {title: test prices, date: 2026-01-01}}\n"
                                "entries:\n"
                                "  - id: alpha\n"
                                "    source: test\n"
                                "    checked: 2026-01-01\n"
                                "    prices:\n"
                                "      - from: 2026-01-01\n"
                                "        per_million: {input: \"1\", cached_input: "
                                "\"0.1\", output: \"3\"}\n"
                                "      - from: 2026-10-02\n"
                                "        per_million: {input: \"2\", cached_input: "
                                "\"0.2\", output: \"6\"}\n";

static struct price_book *book;
static struct archive *archive;
static struct err err;

static void set_up(void)
{
    temp_folder_make();
    const char *path = temp_path("book.yaml");
    ck_assert_int_eq(file_replace(path, str_from(book_text), 0600, &err), 0);
    book = NULL;
    ck_assert_msg(price_book_load(&book, path, &err) == 0, "%s", err.text);
    ck_assert_msg(archive_open(temp_path("archive"), true, &archive, &err) == 0, "%s", err.text);
}

static void tear_down(void)
{
    archive_close(archive);
    price_book_free(book);
    temp_folder_remove();
}

/* A billable call to alpha on 2026-10-01 at noon, 1000 tokens in (200 of them cached), 100 out. */
static struct exchange a_call(void)
{
    struct exchange x = { .started_us = INT64_C(1790856000000000),
                          .writer = STR("w0"),
                          .origin = STR("proxy"),
                          .status = 200,
                          .request_us = -1,
                          .head_us = -1,
                          .first_token_us = -1,
                          .end_us = -1 };

    x.who.app = STR("bot");
    x.who.team = STR("cx");
    x.facts.provider = PROVIDER_OPENAI;
    x.facts.api = API_CHAT;
    x.facts.recognised_by = "host";
    x.facts.billable = true;
    x.facts.model = STR("alpha");
    x.facts.usage_source = USAGE_SOURCE_REPORTED;
    x.facts.part_count = 1;
    usage_set(&x.facts.parts[0].usage, USAGE_INPUT, 1000);
    usage_set(&x.facts.parts[0].usage, USAGE_CACHED_INPUT, 200);
    usage_set(&x.facts.parts[0].usage, USAGE_OUTPUT, 100);
    return x;
}
/* 800 * 1e-6 + 200 * 1e-7 + 100 * 3e-6 */
#define A_CALL_PUSD INT64_C(1120000000)

/* Writes the exchanges as one ledger of that day. */
static void write_ledger(const char *date, const char *name, struct exchange *xs, size_t count)
{
    CLEANUP(arena_release) struct arena scratch = { 0 };
    struct parquet_writer *w = NULL;
    char *folder = archive_path(archive, "ledger/date=%s", date);
    char *path = archive_path(
        archive, "ledger/date=%s/0190f000-0000-7000-8000-00000000000%s.parquet", date, name);

    ck_assert_msg(dir_make(folder, &err) == 0, "%s", err.text);
    ck_assert_msg(ledger_create(path, &w, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < count; i++)
        for (size_t part = 0; part < ledger_rows(&xs[i]); part++) {
            struct parquet_cell cells[LEDGER_COLUMN_COUNT];
            xs[i].sequence = i + 1;
            xs[i].id.bytes[15] = (uint8_t)i;
            ledger_cells(&xs[i], part, -1, &scratch, cells);
            ck_assert_msg(parquet_add_row(w, cells, &err) == 0, "%s", err.text);
        }
    ck_assert_msg(parquet_finish(w, &err) == 0, "%s", err.text);
    free(folder);
    free(path);
}

/* Runs over everything, grouped by the given dimensions; the caller releases both. */
struct result {
    struct dimension *dimensions[DIMENSIONS_MAX];
    size_t count;
    struct engine_result spend;
};

static void run(struct result *r, const char *by, const char *where_text)
{
    CLEANUP(where_free) struct where *where = NULL;
    struct str rest = str_from(by), name;

    *r = (struct result){ 0 };
    while (by && str_split(&rest, ',', &name))
        ck_assert_msg(dimension_new(name, NULL, &r->dimensions[r->count++], &err) == 0, "%s",
                      err.text);
    if (where_text)
        ck_assert_int_eq(where_parse(str_from(where_text), NULL, &where, &err), 0);
    CLEANUP(ledgers_release) struct ledgers ledgers = { 0 };
    ck_assert_msg(ledgers_add_archive(&ledgers, archive, INT64_MIN, INT64_MAX, &err) == 0, "%s",
                  err.text);
    struct engine_query q = { .ledgers = &ledgers,
                              .book = book,
                              .where = where,
                              .from_us = INT64_MIN,
                              .to_us = INT64_MAX,
                              .dimensions = r->dimensions,
                              .dimension_count = r->count,
                              .measures = ENGINE_MONEY };
    ck_assert_msg(spend_run(&q, &r->spend, &err) == 0, "%s", err.text);
}

static void result_release(struct result *r)
{
    engine_result_release(&r->spend);
    for (size_t i = 0; i < r->count; i++)
        dimension_free(r->dimensions[i]);
}
DEFINE_CLEANUP_VALUE(struct result, result_release)

static void ck_cost(i128 got, int64_t want)
{
    char text[DECIMAL_TEXT_BYTES];

    ck_assert_msg(got == want, "got %s USD", decimal_format(got, PUSD_SCALE, text));
}

START_TEST(an_empty_archive_costs_nothing_and_says_so)
{
    CLEANUP(result_release) struct result r;
    CLEANUP(buf_release) struct buf out = { 0 };
    struct spend_print_options o = { .tz_name = STR("UTC"), .price_book_hash = "abc" };

    run(&r, "app", NULL);
    ck_assert_uint_eq(r.spend.rows.len, 0);
    ck_assert_int_eq(r.spend.totals.requests, 0);
    spend_print_text(&r.spend, &o, &out);
    ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "cost: nothing"));
}
END_TEST

START_TEST(a_call_is_priced_at_the_moment_it_was_made)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_call(), a_call() };

    xs[1].started_us += US_PER_DAY;
    write_ledger("2026-10-01", "a", xs, 1);
    write_ledger("2026-10-02", "b", xs + 1, 1);
    run(&r, "day", NULL);
    ck_assert_uint_eq(r.spend.rows.len, 2);
    ck_cost(engine_cost(&r.spend.rows.ptr[0].sums), A_CALL_PUSD);
    ck_cost(engine_cost(&r.spend.rows.ptr[1].sums), 2 * A_CALL_PUSD);
    ck_cost(engine_cost(&r.spend.totals), 3 * A_CALL_PUSD);
    ck_assert_int_eq(r.spend.totals.input_tokens, 2000);
    ck_assert_int_eq(r.spend.totals.cached_input_tokens, 400);
    ck_assert_int_eq(r.spend.totals.output_tokens, 200);
}
END_TEST

START_TEST(a_reported_cost_beats_the_table_and_is_marked)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_call(), a_call(), a_call() };

    for (int i = 0; i < 3; i++) {
        xs[i].facts.has_reported_cost = i < 2;
        xs[i].facts.reported_cost_pusd = i == 0 ? 42 : 0; /* free is a figure too */
        xs[i].facts.reported_cost_field = "usage.cost";
    }
    write_ledger("2026-10-01", "a", xs, 3);
    run(&r, NULL, NULL);
    ck_cost(r.spend.totals.cost_pusd[COST_REPORTED], 42);
    ck_cost(r.spend.totals.cost_pusd[COST_TABLE], A_CALL_PUSD);
    ck_assert_int_eq(r.spend.totals.requests, 3);
}
END_TEST

START_TEST(an_exchange_of_several_models_is_one_request)
{
    CLEANUP(result_release) struct result r;
    struct exchange x = a_call();

    x.facts.part_count = 2;
    x.facts.parts[0].model = STR("alpha");
    x.facts.parts[1] = (struct call_part){ .model = STR("beta") };
    usage_set(&x.facts.parts[1].usage, USAGE_INPUT, 7);
    write_ledger("2026-10-01", "a", &x, 1);
    run(&r, "model", NULL);
    ck_assert_uint_eq(r.spend.rows.len, 2);
    ck_assert_int_eq(r.spend.totals.requests, 1);
    ck_assert_int_eq(r.spend.totals.input_tokens, 1007);
    ck_assert_uint_eq(r.spend.unpriced.len, 1);
    ck_assert(str_eq(r.spend.unpriced.ptr[0].model, STR("beta")));
    ck_assert_int_eq(r.spend.unpriced.ptr[0].input_tokens, 7);
}
END_TEST

START_TEST(a_reported_cost_covers_all_parts_of_its_exchange)
{
    CLEANUP(result_release) struct result r;
    struct exchange x = a_call();

    x.facts.part_count = 2;
    x.facts.parts[1] = x.facts.parts[0];
    x.facts.has_reported_cost = true;
    x.facts.reported_cost_pusd = 1000;
    x.facts.reported_cost_field = "usage.cost";
    write_ledger("2026-10-01", "a", &x, 1);
    run(&r, NULL, NULL);
    ck_cost(engine_cost(&r.spend.totals), 1000);
}
END_TEST

START_TEST(unknown_usage_and_unknown_models_are_listed_not_zero)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_call(), a_call(), a_call() };

    xs[0].facts.usage_source = USAGE_SOURCE_UNKNOWN;
    xs[0].facts.part_count = 0;
    xs[1].facts.model = STR("omega");
    xs[2].facts.billable = false; /* a token count, or an error: neither */
    xs[2].facts.usage_source = USAGE_SOURCE_UNKNOWN;
    write_ledger("2026-10-01", "a", xs, 3);
    run(&r, NULL, NULL);
    ck_assert_int_eq(r.spend.totals.requests, 3);
    ck_assert_int_eq(r.spend.totals.unknown_requests, 1);
    ck_assert_int_eq(r.spend.totals.unpriced_requests, 1);
    ck_assert_int_eq(r.spend.totals.input_tokens, 1000);
    ck_cost(engine_cost(&r.spend.totals), 0);
    ck_assert(engine_cost_is_unknown(&r.spend.totals));
    ck_assert_uint_eq(r.spend.unpriced.len, 1);
    ck_assert_int_eq(r.spend.unpriced.ptr[0].output_tokens, 100);
}
END_TEST

/* Beside what nobody knows, what costs nothing is as known as what costs much. */
START_TEST(a_cost_is_unknown_only_where_none_of_it_is_known)
{
    static const struct {
        bool free, paid, unknown;
    } cases[] = {
        {true,   false, false},
        { true,  false, true },
        { false, true,  true },
        { false, false, true }
    };
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_call(), a_call(), a_call(), a_call() };

    xs[0].facts.billable = cases[_i].free; /* no token in, none out */
    xs[0].facts.parts[0].usage = (struct usage){ 0 };
    usage_set(&xs[0].facts.parts[0].usage, USAGE_INPUT, 0);
    xs[1].facts.billable = cases[_i].paid;
    xs[2].facts.billable = xs[3].facts.billable = cases[_i].unknown;
    xs[2].facts.model = STR("omega");
    xs[3].facts.usage_source = USAGE_SOURCE_UNKNOWN;
    xs[3].facts.part_count = 0;
    write_ledger("2026-10-01", "a", xs, 4);
    run(&r, NULL, NULL);
    ck_assert_int_eq(r.spend.totals.costed_requests, cases[_i].free + cases[_i].paid);
    ck_assert(engine_cost_is_unknown(&r.spend.totals) == (_i == 3));
    ck_cost(engine_cost(&r.spend.totals), cases[_i].paid ? A_CALL_PUSD : 0);
}
END_TEST

START_TEST(output_without_input_is_priced_and_still_unknown)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_call(), a_call(), a_call() };
    struct usage *half = &xs[0].facts.parts[0].usage;

    *half = (struct usage){ 0 };
    usage_set(half, USAGE_OUTPUT, 5);
    usage_set(&xs[1].facts.parts[0].usage, USAGE_INPUT, 0); /* reported: nothing is missing */
    usage_set(&xs[1].facts.parts[0].usage, USAGE_CACHED_INPUT, 0);
    xs[2].facts.parts[0].usage = *half;
    xs[2].facts.billable = false;
    write_ledger("2026-10-01", "a", xs, 3);
    run(&r, NULL, NULL);
    ck_assert_int_eq(r.spend.totals.unknown_requests, 1);
    ck_assert_int_eq(r.spend.totals.unpriced_requests, 0);
    ck_assert_int_eq(r.spend.totals.output_tokens, 105);
    ck_cost(engine_cost(&r.spend.totals), 105 * INT64_C(3000000)); /* 3 USD a million */
}
END_TEST

START_TEST(calls_without_app_and_team_are_a_row_of_their_own)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_call(), a_call(), a_call() };

    xs[0].who = (struct exchange_who){ 0 };
    xs[1].who.app = (struct str){ 0 };
    write_ledger("2026-10-01", "a", xs, 3);
    run(&r, "app,team", NULL);
    ck_assert_uint_eq(r.spend.rows.len, 3);
    ck_assert_int_eq(r.spend.unattributed.requests, 1);
    ck_cost(engine_cost(&r.spend.unattributed), A_CALL_PUSD);
}
END_TEST

START_TEST(a_row_that_sums_several_requests_counts_them)
{
    CLEANUP(result_release) struct result r;
    struct exchange x = a_call();

    x.requests = 21;
    write_ledger("2026-10-01", "a", &x, 1);
    run(&r, NULL, NULL);
    ck_assert_int_eq(r.spend.totals.requests, 21);
    ck_cost(engine_cost(&r.spend.totals), A_CALL_PUSD);
}
END_TEST

START_TEST(an_impossible_reported_cost_is_called_suspicious)
{
    CLEANUP(result_release) struct result r;
    struct exchange x = a_call();

    x.facts.has_reported_cost = true;
    x.facts.reported_cost_pusd = 9990 * PUSD_PER_USD;
    x.facts.reported_cost_field = "cost";
    write_ledger("2026-10-01", "a", &x, 1);
    run(&r, NULL, NULL);
    ck_assert_uint_eq(r.spend.suspicious_count, 1);
    ck_cost(engine_cost(&r.spend.totals), 9990 * PUSD_PER_USD);
}
END_TEST

START_TEST(a_gateways_own_estimate_counts_only_where_the_table_is_silent)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_call(), a_call() };

    for (int i = 0; i < 2; i++) {
        xs[i].facts.has_reported_cost = true;
        xs[i].facts.reported_cost_pusd = 5000;
        xs[i].facts.reported_cost_field = "usage.pydantic_ai_gateway.cost_estimate";
    }
    xs[1].facts.model = STR("omega");
    write_ledger("2026-10-01", "a", xs, 2);
    run(&r, NULL, NULL);
    ck_cost(r.spend.totals.cost_pusd[COST_TABLE], A_CALL_PUSD);
    ck_cost(r.spend.totals.cost_pusd[COST_GATEWAY], 5000);
    ck_assert_uint_eq(r.spend.unpriced.len, 0);
}
END_TEST

/* Whatever the split into files and their order: one and the same JSON. */
START_TEST(the_result_does_not_depend_on_the_order_of_rows)
{
    static const char *const models[] = { "alpha", "omega", "beta" };
    enum { CALLS = 60 };
    struct exchange xs[CALLS];
    CLEANUP(buf_release) struct buf first = { 0 };
    struct spend_print_options o = { .tz_name = STR("UTC"), .price_book_hash = "abc" };
    uint64_t seed = (uint64_t)_i * 7919 + 1;

    for (size_t i = 0; i < CALLS; i++) {
        xs[i] = a_call();
        xs[i].facts.model = str_from(models[i % 3]);
        xs[i].who.team = i % 4 ? STR("cx") : STR("research");
        usage_set(&xs[i].facts.parts[0].usage, USAGE_INPUT, (int64_t)(i * i));
        usage_set(&xs[i].facts.parts[0].usage, USAGE_CACHED_INPUT, (int64_t)i);
    }
    for (int round = 0; round < 2; round++) {
        CLEANUP(result_release) struct result r;
        CLEANUP(buf_release) struct buf out = { 0 };
        write_ledger("2026-10-01", "a", xs, CALLS / 3);
        write_ledger("2026-10-01", "b", xs + CALLS / 3, CALLS - CALLS / 3);
        run(&r, "team,model", NULL);
        spend_print_json(&r.spend, &o, round ? &out : &first);
        if (round)
            ck_assert_str_eq(buf_cstr(&out), buf_cstr(&first));
        for (size_t i = CALLS - 1; i > 0; i--) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            size_t j = (size_t)(seed >> 33) % (i + 1);
            struct exchange swap = xs[i];
            xs[i] = xs[j];
            xs[j] = swap;
        }
    }
}
END_TEST

START_TEST(the_json_has_the_documented_shape)
{
    CLEANUP(result_release) struct result r;
    CLEANUP(buf_release) struct buf out = { 0 };
    CLEANUP(json_decref) json_t *root = NULL;
    struct spend_print_options o = { .tz_name = STR("UTC"), .price_book_hash = "abc" };
    struct exchange xs[] = { a_call(), a_call() };

    xs[1].facts.model = STR("omega");
    xs[1].who = (struct exchange_who){ 0 };
    write_ledger("2026-10-01", "a", xs, 2);
    run(&r, "app,model", NULL);
    spend_print_json(&r.spend, &o, &out);
    ck_assert_msg(json_parse(buf_str(&out), &root, &err) == 0, "%s", err.text);
    json_t *rows = json_get(root, "rows"), *row = json_array_get(rows, 0);
    ck_assert_uint_eq(json_array_size(rows), 2);
    ck_assert(str_eq(json_get_str(row, "app"), STR("bot")));
    ck_assert(str_eq(json_get_str(row, "cost_usd"), STR("0.001120000000")));
    ck_assert_int_eq(json_integer_value(json_get(row, "cached_input_tokens")), 200);
    ck_assert(json_is_null(json_object_get(json_array_get(rows, 1), "app")));
    ck_assert_int_eq(json_integer_value(json_get(json_get(root, "totals"), "requests")), 2);
    json_t *unpriced = json_array_get(json_get(root, "unpriced"), 0);
    ck_assert(str_eq(json_get_str(unpriced, "model"), STR("omega")));
    ck_assert_int_eq(json_integer_value(json_get(unpriced, "input_tokens")), 1000);
    ck_assert_int_eq(json_integer_value(json_get(json_get(root, "unattributed"), "requests")), 1);
    ck_assert_int_eq(json_integer_value(json_get(json_get(root, "unknown_usage"), "requests")), 0);
}
END_TEST

START_TEST(a_filter_applies_before_anything_is_counted)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_call(), a_call() };

    xs[1].status = 429;
    write_ledger("2026-10-01", "a", xs, 2);
    run(&r, "status", "status < 400");
    ck_assert_uint_eq(r.spend.rows.len, 1);
    ck_assert_int_eq(r.spend.totals.requests, 1);
}
END_TEST

/* A background answer: its request has no usage, every fetch of it has all of it. */
static struct exchange a_fetch(void)
{
    struct exchange x = a_call();

    x.path = STR("/v1/responses/resp_1");
    x.facts.api = API_RESPONSES;
    x.facts.response_id = STR("resp_1");
    return x;
}

START_TEST(an_answer_fetched_many_times_is_billed_once)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_fetch(), a_fetch(), a_fetch() };

    write_ledger("2026-10-01", "a", xs, 2);
    write_ledger("2026-10-02", "b", xs + 2, 1);
    run(&r, NULL, NULL);
    ck_assert_int_eq(r.spend.totals.requests, 3);
    ck_assert_int_eq(r.spend.repeated_requests, 2);
    ck_assert_int_eq(r.spend.totals.input_tokens, 1000);
    ck_cost(engine_cost(&r.spend.totals), A_CALL_PUSD);
}
END_TEST

START_TEST(a_fetch_does_not_count_beside_the_request_that_made_the_answer)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_fetch(), a_fetch() };

    /* The request comes last in the scan: order must not matter. */
    xs[1].path = STR("/v1/responses");
    xs[1].who.app = STR("maker");
    write_ledger("2026-10-01", "a", xs, 2);
    run(&r, "app", NULL);
    ck_assert_uint_eq(r.spend.rows.len, 2);
    ck_assert(str_eq(dimension_value(r.dimensions[0], r.spend.rows.ptr[0].codes[0]), STR("maker")));
    ck_cost(engine_cost(&r.spend.rows.ptr[0].sums), A_CALL_PUSD);
    ck_cost(engine_cost(&r.spend.totals), A_CALL_PUSD);
}
END_TEST

START_TEST(a_request_without_usage_leaves_the_count_to_the_fetch)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_fetch(), a_fetch() };

    xs[0].path = STR("/v1/responses");
    xs[0].facts.billable = false;
    xs[0].facts.usage_source = USAGE_SOURCE_UNKNOWN;
    xs[0].facts.part_count = 0;
    write_ledger("2026-10-01", "a", xs, 2);
    run(&r, NULL, NULL);
    ck_assert_int_eq(r.spend.repeated_requests, 0);
    ck_cost(engine_cost(&r.spend.totals), A_CALL_PUSD);
}
END_TEST

START_TEST(a_cut_stream_gives_way_to_the_fetch_that_knows_its_usage)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_fetch(), a_fetch() };

    xs[0].path = STR("/v1/responses");
    xs[0].facts.usage_source = USAGE_SOURCE_ESTIMATED;
    usage_set(&xs[0].facts.parts[0].usage, USAGE_INPUT, 10200);
    write_ledger("2026-10-01", "a", xs, 2);
    run(&r, NULL, NULL);
    ck_assert_int_eq(r.spend.totals.input_tokens, 1000);
    ck_cost(r.spend.totals.cost_pusd[COST_ESTIMATED], 0);
    ck_cost(engine_cost(&r.spend.totals), A_CALL_PUSD);
}
END_TEST

START_TEST(a_batch_file_read_twice_is_billed_once_with_all_its_models)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_call(), a_call() };

    for (int i = 0; i < 2; i++) {
        xs[i].path = STR("/v1/files/file-1/content");
        xs[i].facts.api = API_BATCH;
        xs[i].facts.part_count = 2;
        xs[i].facts.parts[1] = xs[i].facts.parts[0];
    }
    write_ledger("2026-10-01", "a", xs, 2);
    run(&r, NULL, NULL);
    ck_assert_int_eq(r.spend.totals.input_tokens, 2000);
    ck_cost(engine_cost(&r.spend.totals), 2 * A_CALL_PUSD);
}
END_TEST

START_TEST(equal_ids_of_requests_that_made_answers_are_all_billed)
{
    CLEANUP(result_release) struct result r;
    struct exchange xs[] = { a_fetch(), a_fetch() };

    xs[0].path = xs[1].path = STR("/v1/responses"); /* a server that numbers badly */
    write_ledger("2026-10-01", "a", xs, 2);
    run(&r, NULL, NULL);
    ck_cost(engine_cost(&r.spend.totals), 2 * A_CALL_PUSD);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, an_empty_archive_costs_nothing_and_says_so);
    tcase_add_test(tc, a_call_is_priced_at_the_moment_it_was_made);
    tcase_add_test(tc, a_reported_cost_beats_the_table_and_is_marked);
    tcase_add_test(tc, an_exchange_of_several_models_is_one_request);
    tcase_add_test(tc, a_reported_cost_covers_all_parts_of_its_exchange);
    tcase_add_test(tc, unknown_usage_and_unknown_models_are_listed_not_zero);
    tcase_add_loop_test(tc, a_cost_is_unknown_only_where_none_of_it_is_known, 0, 4);
    tcase_add_test(tc, output_without_input_is_priced_and_still_unknown);
    tcase_add_test(tc, calls_without_app_and_team_are_a_row_of_their_own);
    tcase_add_test(tc, a_row_that_sums_several_requests_counts_them);
    tcase_add_test(tc, an_impossible_reported_cost_is_called_suspicious);
    tcase_add_test(tc, a_gateways_own_estimate_counts_only_where_the_table_is_silent);
    tcase_add_loop_test(tc, the_result_does_not_depend_on_the_order_of_rows, 0, 8);
    tcase_add_test(tc, the_json_has_the_documented_shape);
    tcase_add_test(tc, an_answer_fetched_many_times_is_billed_once);
    tcase_add_test(tc, a_fetch_does_not_count_beside_the_request_that_made_the_answer);
    tcase_add_test(tc, a_request_without_usage_leaves_the_count_to_the_fetch);
    tcase_add_test(tc, a_cut_stream_gives_way_to_the_fetch_that_knows_its_usage);
    tcase_add_test(tc, a_batch_file_read_twice_is_billed_once_with_all_its_models);
    tcase_add_test(tc, equal_ids_of_requests_that_made_answers_are_all_billed);
    tcase_add_test(tc, a_filter_applies_before_anything_is_counted);
}
CHECK_MAIN("analyze/spend", add_tests)

#include "config.h"

#include <stdio.h>

#include "tests/check_main.h"

#include "analyze/engine_remote_parts.h"

/* --- days --- */

#define DAY(n) ((n)*US_PER_DAY)

static const struct {
    int64_t from_us, to_us;
    const char *sql;
} spans[] = {
    {INT64_MIN,    INT64_MAX,   ""                                              },
    { DAY(10),     DAY(20),     " AND date >= toDate(10) AND date <= toDate(19)"},
    { DAY(10) + 1, DAY(20) + 1, " AND date >= toDate(10) AND date <= toDate(20)"},
    { DAY(10),     DAY(11),     " AND date >= toDate(10) AND date <= toDate(10)"},
    { INT64_MIN,   DAY(3),      " AND date <= toDate(2)"                        },
    { DAY(3),      INT64_MAX,   " AND date >= toDate(3)"                        },
    { DAY(-5),     DAY(-1),     ""                                              },
    { DAY(65530),  DAY(70000),  " AND date >= toDate(65530)"                    },
};

START_TEST(days_around_a_span_are_as_far_as_dates_go)
{
    CLEANUP(buf_release) struct buf sql = { 0 };

    remote_add_dates(spans[_i].from_us, spans[_i].to_us, &sql);
    ck_assert_str_eq(buf_cstr(&sql), spans[_i].sql);
}
END_TEST

/* --- buckets --- */

/* What remote_add_low says, of a value that is not negative. */
static int64_t low_of(int64_t v)
{
    int64_t power = v > 0 ? INT64_C(1) << (63 - __builtin_clzll((uint64_t)v)) : 0;
    int64_t width = power / 64 > 1 ? power / 64 : 1;

    return v - v % width;
}

START_TEST(a_bucket_is_known_by_its_least_value)
{
    CLEANUP(buf_release) struct buf sql = { 0 };

    remote_add_low(&sql, "x");
    ck_assert_str_eq(
        buf_cstr(&sql),
        "toInt64(greatest(toInt64(ifNull(x, 0)), toInt64(0)) - "
        "greatest(toInt64(ifNull(x, 0)), toInt64(0)) % "
        "greatest(intDiv(roundToExp2(greatest(toInt64(ifNull(x, 0)), toInt64(0))), 64), "
        "toInt64(1)))");
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 200000; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        int64_t v = (int64_t)(state >> (1 + i % 63));
        ck_assert_uint_eq(sketch_bucket(low_of(v)), sketch_bucket(v));
    }
}
END_TEST

START_TEST(two_buckets_have_two_least_values)
{
    /* Each bucket begins with a value of its own, which is its least. */
    for (int shift = 0; shift < 56; shift++)
        for (int64_t step = 64; step < 128; step++) {
            int64_t v = step << shift;
            ck_assert_int_eq(low_of(v), v);
            ck_assert_uint_eq(sketch_bucket(v), sketch_bucket(v - 1) + 1);
        }
}
END_TEST

/* --- groups --- */

START_TEST(a_price_s_key_has_a_path_and_a_first_choice_only_where_they_matter)
{
    CLEANUP(buf_release) struct buf sql = { 0 }, tuples = { 0 };
    const struct remote r = {
        .keys = {LEDGER_MODEL, LEDGER_PATH, LEDGER_FIRST_MODEL},
          .key_count = 3
    };
    const struct clickhouse_value values[] = { { .s = STR("it's") },
                                               { .s = STR("") },
                                               { .s = STR("b") } };

    remote_add_keys(&r, &sql);
    ck_assert_str_eq(buf_cstr(&sql), "model, if(provider = 'huggingface', path, ''), "
                                     "if(ifNull(fallback, 0) != 0, first_model, '')");
    remote_add_key(&r, values, &tuples);
    remote_add_key(&r, values, &tuples);
    ck_assert_str_eq(buf_cstr(&tuples), "('it\\'s', '', 'b'), ('it\\'s', '', 'b')");
}
END_TEST

START_TEST(groups_are_of_columns_and_a_slot_of_time)
{
    CLEANUP(buf_release) struct buf sql = { 0 };
    enum clickhouse_kind kinds[REMOTE_COLUMNS_MAX];
    const struct remote r = {
        .columns = {LEDGER_TEAM, LEDGER_STARTED_AT, LEDGER_STATUS, LEDGER_FALLBACK},
        .column_count = 4,
        .slot_us = US_PER_DAY
    };

    remote_add_dimensions(&r, kinds, &sql);
    remote_add_slot(&r, &sql);
    ck_assert_str_eq(buf_cstr(&sql),
                     "team AS d0, toInt64(0) AS d1, toInt64(status) AS d2, toInt64(fallback) AS "
                     "d3, intDiv(started_at_us + 86400000000000000, 86400000000) AS slot");
    ck_assert_int_eq(kinds[0], CLICKHOUSE_STRING);
    ck_assert_int_eq(kinds[1], CLICKHOUSE_INT);
    ck_assert_int_eq(kinds[3], CLICKHOUSE_NULLABLE);
}
END_TEST

/* --- rules, applied to a group --- */

START_TEST(rules_and_a_filter_by_what_they_make_hold_for_a_group)
{
    CLEANUP(attribution_free) struct attribution *rules = attribution_new();
    CLEANUP(where_free) struct where *where = NULL;
    const struct str pattern = STR("gpt-?");
    const struct attribution_condition model = { .kind = ATTRIBUTION_MODEL,
                                                 .patterns = &pattern,
                                                 .pattern_count = 1 };
    const struct attribution_rule rule = { .conditions = &model,
                                           .condition_count = 1,
                                           .set = { .team = STR("made") } };
    const struct engine_query query = { .attribution = rules };
    struct clickhouse_value values[] = { { .s = STR("gpt-5") }, { .s = STR("given") } };
    struct remote r = {
        .query = &query, .columns = {LEDGER_MODEL, LEDGER_TEAM},
             .column_count = 2
    };
    struct err err;

    attribution_add_rule(rules, &rule);
    ck_assert_int_eq(where_parse(STR("team = 'made'"), NULL, &where, &err), 0);
    r.where = where;
    ck_assert(remote_start_cell(&r, values));
    ck_assert(str_eq(block_str(&r.cell, LEDGER_TEAM, 0), STR("made")));
    values[0].s = STR("gpt-50");
    ck_assert(!remote_start_cell(&r, values));
    ck_assert(str_eq(block_str(&r.cell, LEDGER_TEAM, 0), STR("given")));
    block_who_release(&r.who);
}
END_TEST

START_TEST(a_group_costs_the_same_however_many_users_came_before)
{
    CLEANUP(attribution_free) struct attribution *rules = attribution_new();
    CLEANUP(where_free) struct where *where = NULL;
    CLEANUP(dimension_free) struct dimension *users = NULL;
    const struct attribution_rule rule = { .set = { .team = STR("made") } };
    struct engine_query query = { .attribution = rules, .dimension_count = 1 };
    struct engine_result tally = { .dimensions = &users };
    struct remote r = {
        .query = &query, .tally = &tally, .columns = { LEDGER_END_USER }, .column_count = 1
    };
    const struct clickhouse_value span[REMOTE_REST] = { 0 };
    char name[16];
    uint32_t code;
    struct err err;

    attribution_add_rule(rules, &rule);
    ck_assert_int_eq(dimension_new(STR("end_user"), NULL, &users, &err), 0);
    ck_assert_int_eq(where_parse(STR("end_user ~ 'u*7' and team = 'made'"), NULL, &where, &err), 0);
    r.where = where;
    for (int i = 0; i < 30000; i++) {
        int user = i % 15000; /* each comes back after it was forgotten */
        snprintf(name, sizeof(name), "u%d", user);
        const struct clickhouse_value value = { .s = str_from(name) };
        ck_assert(remote_start_cell(&r, &value) == (user % 10 == 7));
        ck_assert_int_eq(remote_codes(&r, span, &code, &err), 0);
        ck_assert(code == (uint32_t)user + 1 && str_eq(dimension_value(users, code), value.s));
        ck_assert_uint_eq(r.cell.columns[LEDGER_END_USER].dict_len, 1);
        ck_assert_uint_eq(r.cell.columns[LEDGER_TEAM].dict_len, 1);
        for (size_t c = 0; c < BLOCK_WHO_COLUMNS; c++)
            ck_assert_uint_le(r.who.columns[c].dict.len, 5000);
    }
    block_who_release(&r.who);
}
END_TEST

START_TEST(rules_tell_which_columns_they_look_at)
{
    CLEANUP(attribution_free) struct attribution *rules = attribution_new();
    const struct str pattern = STR("a");
    const struct attribution_condition conditions[] = {
        {.kind = ATTRIBUTION_APP_HEADER, .patterns = &pattern, .pattern_count = 1},
        { .kind = ATTRIBUTION_UPSTREAM,  .patterns = &pattern, .pattern_count = 1},
    };
    const struct attribution_rule rule = { .conditions = conditions, .condition_count = 2 };
    struct scan_columns read = { 0 };
    size_t count = 0;

    block_who_add_inputs(rules, &read);
    attribution_add_rule(rules, &rule);
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        ck_assert(!read.want[c]);
    block_who_add_inputs(rules, &read);
    for (size_t c = 0; c < LEDGER_COLUMN_COUNT; c++)
        count += read.want[c];
    ck_assert(read.want[LEDGER_LABELS] && read.want[LEDGER_UPSTREAM]);
    ck_assert_uint_eq(count, 2);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, days_around_a_span_are_as_far_as_dates_go, 0, ARRAY_LEN(spans));
    tcase_add_test(tc, a_bucket_is_known_by_its_least_value);
    tcase_add_test(tc, two_buckets_have_two_least_values);
    tcase_add_test(tc, a_price_s_key_has_a_path_and_a_first_choice_only_where_they_matter);
    tcase_add_test(tc, groups_are_of_columns_and_a_slot_of_time);
    tcase_add_test(tc, rules_and_a_filter_by_what_they_make_hold_for_a_group);
    tcase_add_test(tc, a_group_costs_the_same_however_many_users_came_before);
    tcase_add_test(tc, rules_tell_which_columns_they_look_at);
}

CHECK_MAIN("analyze/remote", add_tests)

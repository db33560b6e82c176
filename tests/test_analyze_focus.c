/* Rows of FOCUS from charges: what the rules of the specification cannot see (tests/focus/run). */
#include "config.h"

#include "analyze/focus.h"

#include <string.h>

#include "analyze/bill.h"
#include "base/csv.h"
#include "tests/check_main.h"

static struct err err;
static struct billing billing;
static struct dimension *by[FOCUS_DIMENSION_COUNT];
static struct engine_detail detail;
static struct engine_row group;
static struct engine_result result;
static struct buf out;

static void set_value(enum focus_dimension d, const char *value)
{
    group.codes[d] = dimension_intern(by[d], str_from(value));
}

static void set_up(void)
{
    billing_default(&billing);
    memset(&group, 0, sizeof(group));
    memset(&detail, 0, sizeof(detail));
    for (int d = 0; d < FOCUS_DIMENSION_COUNT; d++)
        ck_assert_int_eq(
            dimension_new(str_from(focus_dimension_name((enum focus_dimension)d, NULL)), NULL,
                          &by[d], &err),
            0);
    group.detail = &detail;
    result = (struct engine_result){ .dimensions = by, .dimension_count = FOCUS_DIMENSION_COUNT };
    set_value(FOCUS_BY_PROVIDER, "openai");
    set_value(FOCUS_BY_MODEL, "gpt-5");
}

static void tear_down(void)
{
    for (int d = 0; d < FOCUS_DIMENSION_COUNT; d++)
        dimension_free(by[d]);
    vec_release(&detail.charges);
    buf_release(&out);
}

static int make(enum focus_version version, const struct engine_charge *charge)
{
    struct focus_options o = { .version = version, .billing = &billing };

    vec_clear(&detail.charges);
    vec_push(&detail.charges, *charge);
    buf_clear(&out);
    focus_add_header(&o, &out);
    return focus_add_rows(&o, &result, &group, &out, &err);
}

/* The cell of the one row. */
static void ck_cell(const char *column, const char *want)
{
    FILE *file = fmemopen(out.ptr, out.len, "r");
    struct csv_reader *r = csv_reader_new(file, ',');
    const struct str *fields;
    size_t count, at;

    ck_assert_int_eq(csv_reader_next(r, &fields, &count, &err), 1);
    for (at = 0; at < count && !str_eq(fields[at], str_from(column)); at++)
        continue;
    ck_assert_msg(at < count, "no column %s", column);
    ck_assert_int_eq(csv_reader_next(r, &fields, &count, &err), 1);
    ck_assert_msg(str_eq(fields[at], str_from(want)), "%s is '%.*s', not '%s'", column,
                  STR_ARG(fields[at]), want);
    csv_reader_free(r);
    fclose(file);
}

/* 0.1396875 USD a million tokens, less 15 %: no whole number of 1e-12 USD a token. */
START_TEST(costs_are_exactly_quantity_times_price)
{
    struct engine_charge c = { .source = COST_TABLE,
                               .unit = USAGE_CACHED_INPUT,
                               .n = 12345677,
                               .list_yusd = (i128)139687500000000000,
                               .unit_yusd = (i128)118734375000000000,
                               .cost_pusd = 1465856245799 };

    ck_assert_int_eq(make(FOCUS_1_2, &c), 0);
    ck_cell("ListUnitPrice", "0.1396875");
    ck_cell("PricingQuantity", "12.345677");
    ck_cell("ListCost", "1.7245367559375");
    ck_cell("ContractedUnitPrice", "0.118734375");
    ck_cell("ContractedCost", "1.465856242546875");
    ck_cell("EffectiveCost", "1.465856245799");
    ck_cell("BilledCost", "1.465856245799");
    ck_cell("SkuMeter", "Cached Input Tokens");
    ck_cell("SkuPriceId", "openai/gpt-5/cached-input-tokens@0.1396875");
}
END_TEST

START_TEST(a_reported_cost_is_a_quantity_of_dollars)
{
    struct engine_charge c = {
        .source = COST_REPORTED, .unit = ENGINE_CHARGE_WHOLE, .n = 3, .cost_pusd = 13012000000
    };

    ck_assert_int_eq(make(FOCUS_1_2, &c), 0);
    ck_cell("ListUnitPrice", "1");
    ck_cell("PricingQuantity", "0.013012");
    ck_cell("ListCost", "0.013012");
    ck_cell("ConsumedQuantity", "3");
    ck_cell("ConsumedUnit", "Requests");
    ck_cell("PricingCategory", "Other");
    ck_cell("x_CostSource", "reported");
}
END_TEST

START_TEST(names_of_all_kinds_stay_as_they_are)
{
    struct engine_charge c = { .unit = USAGE_AUDIO_MS,
                               .n = 61500,
                               .list_yusd = (i128)100000000000000000,
                               .unit_yusd = (i128)100000000000000000,
                               .cost_pusd = 6150000000,
                               .flags = PRICE_LONG_CONTEXT };

    set_value(FOCUS_BY_MODEL, "my \"own\", model");
    set_value(FOCUS_BY_TEAM, "R&D \\ \"x\"\n");
    set_value(FOCUS_BY_TIER, "batch");
    set_value(FOCUS_BY_BUCKET, "2026-12-31");
    billing.of[PROVIDER_OPENAI].invoice_issuer = STR("A, Reseller");
    ck_assert_int_eq(make(FOCUS_1_4, &c), 0);
    ck_cell("Tags", "{\"team\":\"R&D \\\\ \\\"x\\\"\\n\"}");
    ck_cell("SkuId", "openai/my \"own\", model/audio-seconds");
    ck_cell("SkuPriceId", "openai/my \"own\", model/audio-seconds/batch/long-context@0.0001");
    ck_cell("ConsumedQuantity", "61.5");
    ck_cell("InvoiceIssuerName", "A, Reseller");
    ck_cell("BilledCost", "0");
    ck_cell("EffectiveCost", "0.00615");
    ck_cell("BillingPeriodEnd", "2027-01-01T00:00:00Z");
    ck_cell("ChargePeriodEnd", "2027-01-01T00:00:00Z");
    ck_cell("HostProviderName", "OpenAI");
}
END_TEST

START_TEST(a_cost_of_too_many_digits_is_an_error)
{
    struct engine_charge c = { .unit = USAGE_INPUT,
                               .n = INT64_MAX,
                               .list_yusd = (i128)1000000000000000000 * 1000000,
                               .unit_yusd = 1 };

    ck_assert_int_eq(make(FOCUS_1_2, &c), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
}
END_TEST

START_TEST(every_unit_has_a_meter_that_is_found_again)
{
    for (int unit = ENGINE_CHARGE_WHOLE; unit <= ENGINE_CHARGE_REQUEST; unit++) {
        const struct bill_meter *m = bill_meter_of(unit);
        ck_assert_msg(m || unit == USAGE_TOOL_CALLS, "%d", unit);
        ck_assert(!m || bill_meter_find(str_from(m->name)) == m);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, costs_are_exactly_quantity_times_price);
    tcase_add_test(tc, a_reported_cost_is_a_quantity_of_dollars);
    tcase_add_test(tc, names_of_all_kinds_stay_as_they_are);
    tcase_add_test(tc, a_cost_of_too_many_digits_is_an_error);
    tcase_add_test(tc, every_unit_has_a_meter_that_is_found_again);
}
CHECK_MAIN("analyze/focus", add_tests)

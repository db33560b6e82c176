#include "config.h"

#include "analyze/focus.h"

#include <ctype.h>
#include <string.h>

#include "analyze/bill.h"
#include "analyze/period.h"
#include "base/csv.h"
#include "base/json.h"

#define YUSD_SCALE 24

/* X(column, versions it is in): FOCUS's own in the order of the alphabet, then ours. */
#define BOTH (FOCUS_1_2 | FOCUS_1_4)
#define COLUMNS(X)                                                                                 \
    X(BilledCost, BOTH)                                                                            \
    X(BillingAccountId, BOTH)                                                                      \
    X(BillingAccountName, BOTH)                                                                    \
    X(BillingCurrency, BOTH)                                                                       \
    X(BillingPeriodEnd, BOTH)                                                                      \
    X(BillingPeriodStart, BOTH)                                                                    \
    X(ChargeCategory, BOTH)                                                                        \
    X(ChargeClass, BOTH)                                                                           \
    X(ChargeDescription, BOTH)                                                                     \
    X(ChargeFrequency, BOTH)                                                                       \
    X(ChargePeriodEnd, BOTH)                                                                       \
    X(ChargePeriodStart, BOTH)                                                                     \
    X(ConsumedQuantity, BOTH)                                                                      \
    X(ConsumedUnit, BOTH)                                                                          \
    X(ContractedCost, BOTH)                                                                        \
    X(ContractedUnitPrice, BOTH)                                                                   \
    X(EffectiveCost, BOTH)                                                                         \
    X(HostProviderName, FOCUS_1_4)                                                                 \
    X(InvoiceDetailId, FOCUS_1_4)                                                                  \
    X(InvoiceId, BOTH)                                                                             \
    X(InvoiceIssuerName, BOTH)                                                                     \
    X(ListCost, BOTH)                                                                              \
    X(ListUnitPrice, BOTH)                                                                         \
    X(PricingCategory, BOTH)                                                                       \
    X(PricingQuantity, BOTH)                                                                       \
    X(PricingUnit, BOTH)                                                                           \
    X(ProviderName, FOCUS_1_2)                                                                     \
    X(PublisherName, FOCUS_1_2)                                                                    \
    X(RegionId, BOTH)                                                                              \
    X(RegionName, BOTH)                                                                            \
    X(ServiceCategory, BOTH)                                                                       \
    X(ServiceName, BOTH)                                                                           \
    X(ServiceProviderName, FOCUS_1_4)                                                              \
    X(ServiceSubcategory, BOTH)                                                                    \
    X(SkuId, BOTH)                                                                                 \
    X(SkuMeter, BOTH)                                                                              \
    X(SkuPriceDetails, BOTH)                                                                       \
    X(SkuPriceId, BOTH)                                                                            \
    X(SubAccountId, BOTH)                                                                          \
    X(SubAccountName, BOTH)                                                                        \
    X(Tags, BOTH)                                                                                  \
    X(x_CostSource, BOTH)                                                                          \
    X(x_Model, BOTH)                                                                               \
    X(x_Provider, BOTH)                                                                            \
    X(x_ServiceTier, BOTH)

enum column {
#define X(name, versions) COLUMN_##name,
    COLUMNS(X)
#undef X
        COLUMN_COUNT
};

static const struct {
    const char *name;
    unsigned versions; /* enum focus_version */
} columns[] = {
#define X(name, versions) { #name, versions },
    COLUMNS(X)
#undef X
};

static const char *const dimension_names[] = {
#define X(constant, name) name,
    FOCUS_DIMENSIONS(X)
#undef X
};

static const char *const source_names[COST_SOURCE_COUNT] = {
    [COST_REPORTED] = "reported",
    [COST_TABLE] = "price book",
    [COST_GATEWAY] = "gateway",
    [COST_ESTIMATED] = "price book, estimated usage",
};

const char *focus_dimension_name(enum focus_dimension d, const char *bucket)
{
    return d == FOCUS_BY_BUCKET && bucket ? bucket : dimension_names[d];
}

void focus_add_header(const struct focus_options *o, struct buf *out)
{
    size_t start = out->len;

    for (size_t c = 0; c < COLUMN_COUNT; c++)
        if (columns[c].versions & o->version)
            csv_add_field(out, str_from(columns[c].name), ',', out->len == start);
    buf_add_byte(out, '\n');
}

/* --- one row --- */

/* Cells lie one after the other in text. */
struct row {
    const struct focus_options *o;
    const struct engine_charge *charge;
    const struct bill_meter *meter;
    const struct billing_party *party;
    struct str by[FOCUS_DIMENSION_COUNT];
    struct buf *text;
    size_t from[COLUMN_COUNT], to[COLUMN_COUNT]; /* equal = null */
};

static void set(struct row *r, enum column c, struct str value)
{
    r->from[c] = r->text->len;
    buf_add_str(r->text, value);
    r->to[c] = r->text->len;
}

static struct str cell(const struct row *r, enum column c)
{
    return str_sub(buf_str(r->text), r->from[c], r->to[c] - r->from[c]);
}

/* Without zeros at the end: "0.25". */
static struct str number(i128 value, int scale, char text[static DECIMAL_TEXT_BYTES])
{
    while (scale > 0 && value % 10 == 0) {
        value /= 10;
        scale--;
    }
    return str_from(decimal_format(value, scale, text));
}

static void set_number(struct row *r, enum column c, i128 value, int scale)
{
    char text[DECIMAL_TEXT_BYTES];

    set(r, c, number(value, scale, text));
}

/* Unit prices are quoted for 10^digits of what is counted, and quantities in as many: their product
 * is exact. */
static int set_price(struct row *r, enum column price, enum column cost, i128 yusd, struct err *err)
{
    int digits = r->meter->priced_digits;
    i128 product;

    if (__builtin_mul_overflow(yusd, (i128)r->charge->n, &product))
        return err_set(err, ERR_LIMIT,
                       "%.*s at this price: a cost with more digits than fit; "
                       "export fewer days at a time",
                       STR_ARG(cell(r, COLUMN_SkuId)));
    set_number(r, price, yusd, YUSD_SCALE - digits);
    set_number(r, cost, product, YUSD_SCALE);
    return 0;
}

static int set_costs(struct row *r, struct err *err)
{
    const struct engine_charge *c = r->charge;
    bool own_bill = str_eq(r->party->invoice_issuer, str_from(r->party->provider));

    set_number(r, COLUMN_EffectiveCost, c->cost_pusd, PUSD_SCALE);
    /* FOCUS: what somebody else invoices is not billed by the provider. */
    set_number(r, COLUMN_BilledCost, own_bill ? c->cost_pusd : 0, PUSD_SCALE);
    set_number(r, COLUMN_ConsumedQuantity, c->n, r->meter->consumed_digits);
    set(r, COLUMN_ConsumedUnit, str_from(r->meter->consumed));
    set(r, COLUMN_PricingUnit, str_from(r->meter->priced));
    if (c->unit != ENGINE_CHARGE_WHOLE) {
        set_number(r, COLUMN_PricingQuantity, c->n, r->meter->priced_digits);
        return set_price(r, COLUMN_ListUnitPrice, COLUMN_ListCost, c->list_yusd, err) < 0
                   ? -1
                   : set_price(r, COLUMN_ContractedUnitPrice, COLUMN_ContractedCost, c->unit_yusd,
                               err);
    }
    set_number(r, COLUMN_PricingQuantity, c->cost_pusd, PUSD_SCALE);
    set(r, COLUMN_ListUnitPrice, STR("1"));
    set(r, COLUMN_ContractedUnitPrice, STR("1"));
    set_number(r, COLUMN_ListCost, c->cost_pusd, PUSD_SCALE);
    set_number(r, COLUMN_ContractedCost, c->cost_pusd, PUSD_SCALE);
    return 0;
}

static struct str or_unknown(struct str s)
{
    return s.len > 0 ? s : STR("unknown");
}

/* "openai/gpt-5/cached-input-tokens"; a price adds what else it depends on, and itself. */
static void set_sku(struct row *r)
{
    CLEANUP(buf_release) struct buf id = { 0 };
    char text[DECIMAL_TEXT_BYTES];

    buf_addf(&id, "%.*s/%.*s/", STR_ARG(or_unknown(r->by[FOCUS_BY_PROVIDER])),
             STR_ARG(or_unknown(r->by[FOCUS_BY_MODEL])));
    for (const char *p = r->meter->name; *p; p++)
        buf_add_byte(&id, *p == ' ' ? '-' : (char)tolower(*p));
    set(r, COLUMN_SkuId, buf_str(&id));
    set(r, COLUMN_SkuMeter, str_from(r->meter->name));
    if (r->by[FOCUS_BY_TIER].len > 0)
        buf_addf(&id, "/%.*s", STR_ARG(r->by[FOCUS_BY_TIER]));
    if (r->by[FOCUS_BY_GEO].len > 0)
        buf_addf(&id, "/%.*s", STR_ARG(r->by[FOCUS_BY_GEO]));
    if (r->charge->flags & PRICE_LONG_CONTEXT)
        buf_add_text(&id, "/long-context");
    if (r->charge->unit != ENGINE_CHARGE_WHOLE)
        buf_addf(&id, "@%.*s",
                 STR_ARG(number(r->charge->list_yusd, YUSD_SCALE - r->meter->priced_digits, text)));
    set(r, COLUMN_SkuPriceId, buf_str(&id));
}

static void set_price_details(struct row *r)
{
    CLEANUP(buf_release) struct buf json = { 0 };

    buf_add_byte(&json, '{');
    json_add_str(&json, "x_Model", or_unknown(r->by[FOCUS_BY_MODEL]));
    if (r->by[FOCUS_BY_TIER].len > 0)
        json_add_str(&json, "x_ServiceTier", r->by[FOCUS_BY_TIER]);
    if (r->charge->flags & PRICE_LONG_CONTEXT)
        json_add_bool(&json, "x_LongContext", true);
    buf_add_byte(&json, '}');
    set(r, COLUMN_SkuPriceDetails, buf_str(&json));
}

static void set_description(struct row *r)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "%.*s: %s", STR_ARG(or_unknown(r->by[FOCUS_BY_MODEL])), r->meter->name);
    if (r->by[FOCUS_BY_TIER].len > 0)
        buf_addf(&text, ", %.*s", STR_ARG(r->by[FOCUS_BY_TIER]));
    if (r->charge->flags & PRICE_LONG_CONTEXT)
        buf_add_text(&text, ", long context");
    set(r, COLUMN_ChargeDescription, buf_str(&text));
}

static void set_tags(struct row *r)
{
    CLEANUP(buf_release) struct buf json = { 0 };

    buf_add_byte(&json, '{');
    for (int d = FOCUS_BY_APP; d < FOCUS_DIMENSION_COUNT; d++)
        if (r->by[d].len > 0)
            json_add_str(&json, dimension_names[d], r->by[d]);
    buf_add_byte(&json, '}');
    if (json.len > 2)
        set(r, COLUMN_Tags, buf_str(&json));
}

static void set_time(struct row *r, enum column c, int64_t us)
{
    char text[TIMESTAMP_TEXT_BYTES];

    set(r, c, str_from(timestamp_format(us, text)));
}

static void set_periods(struct row *r)
{
    int64_t from_us = 0, to_us = 0;

    period_parse(r->by[FOCUS_BY_BUCKET], NULL, &from_us, &to_us);
    if (r->by[FOCUS_BY_BUCKET].len > sizeof("2026-10-01") - 1) /* an hour: "2026-10-01T13:00Z" */
        to_us = from_us + 3600 * US_PER_SECOND;
    struct civil month = { .year = civil_from_us(from_us).year,
                           .month = civil_from_us(from_us).month,
                           .day = 1 };
    set_time(r, COLUMN_ChargePeriodStart, from_us);
    set_time(r, COLUMN_ChargePeriodEnd, to_us);
    set_time(r, COLUMN_BillingPeriodStart, civil_to_us(month));
    month.month++;
    set_time(r, COLUMN_BillingPeriodEnd, civil_to_us(month));
}

static void set_parties(struct row *r)
{
    const struct billing_party *p = r->party;
    struct str provider = str_from(p->provider);
    static const enum column names[] = { COLUMN_ProviderName, COLUMN_PublisherName,
                                         COLUMN_ServiceProviderName, COLUMN_HostProviderName };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        set(r, names[i], provider);
    set(r, COLUMN_InvoiceIssuerName, p->invoice_issuer);
    set(r, COLUMN_BillingAccountId, p->account_id);
    set(r, COLUMN_BillingAccountName, p->account_name);
    set(r, COLUMN_ServiceName, str_from(p->service));
    set(r, COLUMN_SubAccountId, r->by[FOCUS_BY_KEY]);
    set(r, COLUMN_SubAccountName, r->by[FOCUS_BY_KEY]);
    set(r, COLUMN_RegionId, r->by[FOCUS_BY_GEO]);
    set(r, COLUMN_RegionName, r->by[FOCUS_BY_GEO]);
}

static void set_constants(struct row *r)
{
    bool listed = r->charge->unit != ENGINE_CHARGE_WHOLE && !(r->charge->flags & PRICE_ELSEWHERE);

    set(r, COLUMN_BillingCurrency, STR("USD"));
    set(r, COLUMN_ChargeCategory, STR("Usage"));
    set(r, COLUMN_ChargeFrequency, STR("Usage-Based"));
    set(r, COLUMN_ServiceCategory, STR("AI and Machine Learning"));
    set(r, COLUMN_ServiceSubcategory, STR("Generative AI"));
    set(r, COLUMN_PricingCategory, listed ? STR("Standard") : STR("Other"));
    set(r, COLUMN_x_CostSource, str_from(source_names[r->charge->source]));
    set(r, COLUMN_x_Model, r->by[FOCUS_BY_MODEL]);
    set(r, COLUMN_x_Provider, r->by[FOCUS_BY_PROVIDER]);
    set(r, COLUMN_x_ServiceTier, r->by[FOCUS_BY_TIER]);
}

static void print_row(const struct row *r, struct buf *out)
{
    size_t start = out->len;

    for (size_t c = 0; c < COLUMN_COUNT; c++)
        if (columns[c].versions & r->o->version)
            csv_add_field(out, cell(r, (enum column)c), ',', out->len == start);
    buf_add_byte(out, '\n');
}

int focus_add_rows(const struct focus_options *o, const struct engine_result *result,
                   const struct engine_row *group, struct buf *out, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    enum provider provider = PROVIDER_UNKNOWN;
    struct str by[FOCUS_DIMENSION_COUNT];

    for (size_t d = 0; d < FOCUS_DIMENSION_COUNT; d++)
        by[d] = dimension_value(result->dimensions[d], group->codes[d]);
    provider_parse(by[FOCUS_BY_PROVIDER], &provider);
    for (size_t i = 0; i < group->detail->charges.len; i++) {
        const struct engine_charge *charge = &group->detail->charges.ptr[i];
        struct row r = { .o = o,
                         .charge = charge,
                         .meter = bill_meter_of(charge->unit),
                         .party = &o->billing->of[provider],
                         .text = &text };
        buf_clear(&text);
        memcpy(r.by, by, sizeof(by));
        set_sku(&r);
        if (set_costs(&r, err) < 0)
            return -1;
        set_price_details(&r);
        set_description(&r);
        set_tags(&r);
        set_periods(&r);
        set_parties(&r);
        set_constants(&r);
        print_row(&r, out);
    }
    return 0;
}

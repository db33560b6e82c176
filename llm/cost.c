/* cost - what an answer says it cost, exactly as billed. */
#include "config.h"

#include "llm/read.h"

#define PUSD_SCALE       12 /* 1e-12 USD */
#define TICKS_PER_USD    10 /* decimal digits: xAI bills in 1e-10 USD (docs.x.ai, cost tracking) */
#define GATEWAY_FIELD    "usage.pydantic_ai_gateway.cost_estimate"
#define LITELLM_HEADER   "x-litellm-response-cost"
#define OPENROUTER_FIELD "usage.cost"

bool call_cost_is_estimate(struct str field)
{
    return str_eq(field, STR(GATEWAY_FIELD)) || str_eq(field, STR(LITELLM_HEADER));
}

static bool parse_cost(struct str text, int scale, int64_t *ret)
{
    i128 value;
    enum decimal_result result = decimal_parse(text, scale, &value);

    if ((result != DECIMAL_OK && result != DECIMAL_ROUNDED) || value < 0 || value > INT64_MAX)
        return false;
    *ret = (int64_t)value;
    return true;
}

static bool take_cost(struct reading *r, struct str text, int scale, const char *field)
{
    struct call_facts *facts = r->facts;

    if (!text.len)
        return false;
    if (!parse_cost(text, scale, &facts->reported_cost_pusd)) {
        reading_note(r, "%s is nonsense", field);
        return false;
    }
    facts->has_reported_cost = true;
    facts->reported_cost_field = field;
    return true;
}

/* With a key of one's own (BYOK) the cost is the router's fee only; the rest is billed upstream. */
static void add_upstream(struct reading *r)
{
    int64_t upstream;

    if (!(r->flags & READING_BYOK) || !r->text[SLOT_COST_UPSTREAM].len ||
        !parse_cost(r->text[SLOT_COST_UPSTREAM], PUSD_SCALE, &upstream))
        return;
    if (__builtin_add_overflow(r->facts->reported_cost_pusd, upstream,
                               &r->facts->reported_cost_pusd)) {
        r->facts->has_reported_cost = false;
        return;
    }
    r->facts->reported_cost_field = "usage.cost+cost_details.upstream_inference_cost";
}

void read_reported_cost(struct reading *r)
{
    const struct call *call = r->call;

    if (take_cost(r, r->text[SLOT_COST_TICKS], PUSD_SCALE - TICKS_PER_USD,
                  "usage.cost_in_usd_ticks") ||
        take_cost(r, r->text[SLOT_COST_TOTAL], PUSD_SCALE, "usage.cost.total_cost"))
        return;
    if (take_cost(r, r->text[SLOT_COST], PUSD_SCALE, OPENROUTER_FIELD)) {
        add_upstream(r);
        return;
    }
    struct str header =
        call_header_find(call->response_headers, call->response_header_count, LITELLM_HEADER);
    if (!take_cost(r, str_trim(header), PUSD_SCALE, LITELLM_HEADER))
        take_cost(r, r->text[SLOT_COST_GATEWAY], PUSD_SCALE, GATEWAY_FIELD);
}

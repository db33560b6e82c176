/* cost_reading - the short reading of an answer beside the long one: what they must agree in. */
#ifndef TESTS_COST_READING_H
#define TESTS_COST_READING_H

#include <stdbool.h>

#include "base/str.h"
#include "llm/recognise.h"

static inline bool cost_reading_same_usage(const struct usage *a, const struct usage *b)
{
    for (enum usage_unit u = 0; u < USAGE_UNIT_COUNT; u++)
        if (usage_has(a, u) != usage_has(b, u) || (usage_has(a, u) && a->n[u] != b->n[u]))
            return false;
    return true;
}

static inline bool cost_reading_same(const struct call_facts *a, const struct call_facts *b)
{
    bool same = a->provider == b->provider && a->api == b->api && str_eq(a->model, b->model) &&
                str_eq(a->service_tier, b->service_tier) && str_eq(a->geo, b->geo) &&
                str_eq(a->variant, b->variant) && a->billable == b->billable &&
                a->usage_source == b->usage_source && a->part_count == b->part_count &&
                a->has_reported_cost == b->has_reported_cost &&
                (!a->has_reported_cost ||
                 (a->reported_cost_pusd == b->reported_cost_pusd &&
                  str_eq(str_from(a->reported_cost_field), str_from(b->reported_cost_field))));

    for (size_t i = 0; same && i < a->part_count; i++)
        same = str_eq(a->parts[i].model, b->parts[i].model) &&
               cost_reading_same_usage(&a->parts[i].usage, &b->parts[i].usage);
    return same;
}

/* False: they differ.  *ret_is_plain: there was a short one. */
static inline bool cost_reading_agrees(const struct call *call, struct arena *arena,
                                       bool *ret_is_plain)
{
    static struct call_facts brief, full; /* never cleared, as the proxy's */
    struct call asked = *call;
    struct recognition known;

    asked.request_body = STR("");
    asked.request_body_missing = true;
    recognise(&asked, arena, &known);
    *ret_is_plain = call_read_cost(&asked, &known, arena, &brief);
    if (!*ret_is_plain)
        return true;
    call_read_as(&asked, &known, arena, &full);
    return cost_reading_same(&brief, &full);
}

#endif

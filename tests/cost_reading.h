/* cost_reading - the short reading of an answer beside the long one: what they must agree in. */
#ifndef TESTS_COST_READING_H
#define TESTS_COST_READING_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/str.h"
#include "llm/cost_shape.h"
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

#define COST_READING_HEADERS_MAX 256

/* With no other headers than a shape looks at. */
static inline struct call cost_reading_bare(const struct call *call, struct call_header *headers)
{
    struct call bare = *call;

    bare.response_headers = headers;
    bare.response_header_count = 0;
    for (size_t i = 0; i < call->response_header_count; i++)
        if (cost_shape_header(call->response_headers[i].name) &&
            bare.response_header_count < COST_READING_HEADERS_MAX)
            headers[bare.response_header_count++] = call->response_headers[i];
    return bare;
}

static inline bool cost_reading_same_shape(const struct cost_shape_found *f,
                                           const struct call_facts *facts)
{
    struct usage usage = facts->parts[0].usage;
    struct str model = facts->parts[0].model.len ? facts->parts[0].model : facts->model;

    usage.present &= ~(1u << USAGE_TOOL_CALLS);
    return facts->billable && facts->usage_source == USAGE_SOURCE_REPORTED &&
           facts->part_count == 1 && !facts->has_reported_cost &&
           f->query->provider == facts->provider && str_eq(f->query->model, model) &&
           str_eq(f->query->service_tier, facts->service_tier) &&
           str_eq(f->query->geo, facts->geo) && str_eq(f->query->variant, facts->variant) &&
           cost_reading_same_usage(&f->usage, &usage);
}

/* By the shapes of all answers that came before. */
static inline bool cost_reading_shape_agrees(const struct call *call,
                                             const struct recognition *known, struct arena *arena,
                                             const struct call_facts *full)
{
    static struct cost_shapes *shapes;
    static struct call_header headers[COST_READING_HEADERS_MAX];
    static struct call_facts facts;
    struct call bare = cost_reading_bare(call, headers);
    struct cost_shape_found found;

    if (!shapes)
        shapes = cost_shapes_new();
    if (cost_shapes_find(shapes, &bare, known, arena, &found))
        return cost_reading_same_shape(&found, full);
    return !cost_shapes_read(shapes, &bare, known, arena, &facts) ||
           !cost_shapes_find(shapes, &bare, known, arena, &found) ||
           cost_reading_same_shape(&found, full);
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
    call_read_as(&asked, &known, arena, &full);
    return cost_reading_shape_agrees(&asked, &known, arena, &full) &&
           (!*ret_is_plain || cost_reading_same(&brief, &full));
}

#endif

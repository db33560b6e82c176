/* cost_shape - what an answer used, if it has the shape of one that was read before.
 *
 * Answers of one API and model differ in their text, in times and ids, and in their counts.  What
 * reading one comes to depends on its bytes but for the values that nobody looked at, so another
 * that equals it in all others has the same provider, model, tier and price; and its counts stand
 * where that one's stood.  To compare takes a tenth of the time of reading.
 *
 * Only plain answers have shapes (call_read_cost), with usage in one part and no cost reported.
 */
#ifndef LLM_COST_SHAPE_H
#define LLM_COST_SHAPE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/mem.h"
#include "llm/call.h"
#include "llm/price.h"
#include "llm/recognise.h"

#define COST_SHAPES_MAX 32 /* remembered; the one not met for longest goes */

struct cost_shapes;
struct cost_shapes *cost_shapes_new(void);
void cost_shapes_free(struct cost_shapes *s);
DEFINE_CLEANUP(struct cost_shapes, cost_shapes_free)

/* Whether what an answer costs, or how it is read, can depend on a header of that name. */
bool cost_shape_header(struct str name);

/* As call_read_cost would read it, but for tool calls, which cost nothing. */
struct cost_shape_found {
    struct usage usage;
    const struct price_query *query; /* all but at_us; as long as the shape */
    struct price_rates *rates;       /* kept with it; until_us 0 = none yet */
};

/* Of call's headers only those that cost_shape_header names, in their order.  False: it has no
 * shape that is known. */
bool cost_shapes_find(struct cost_shapes *s, const struct call *call,
                      const struct recognition *known, struct arena *arena,
                      struct cost_shape_found *ret);
/* call_read_cost, which learns the shape.  Headers as for cost_shapes_find.  s may be NULL. */
bool cost_shapes_read(struct cost_shapes *s, const struct call *call,
                      const struct recognition *known, struct arena *arena, struct call_facts *ret);

#endif

/* call_used - what an answer used: tokens and cost, read off it when it is over.
 *
 * Of an answer only what usage can stand in is kept: all of a whole one, up to
 * CALL_USED_WHOLE_BYTES; of an event stream its beginning and its end.  What cannot be read, or
 * says nothing of its usage, is unknown: the policy then takes what was reserved for used.
 */
#ifndef PROXY_CALL_USED_H
#define PROXY_CALL_USED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/http1.h"
#include "llm/framing.h"
#include "llm/price.h"
#include "llm/recognise.h"
#include "policy/admit.h"

#define CALL_USED_WHOLE_BYTES (4u << 20)
#define CALL_USED_FIRST_BYTES (32u << 10)
#define CALL_USED_LAST_BYTES  (96u << 10)

struct call_used {
    bool is_on;      /* somebody asks for it */
    bool is_unknown; /* too long, or not to be decoded */
    bool in_events;  /* its beginning and its end are enough */
    struct codec *codec;
    struct buf first, last;
};

void call_used_head(struct call_used *u, const struct http1_head *head);
/* For who knows already what the head says. */
void call_used_head_as(struct call_used *u, enum framing framing, struct str encoding);
void call_used_body(struct call_used *u, struct str bytes);
/* The first of the body, which is moved from there if it can be. */
void call_used_take(struct call_used *u, struct buf *bytes);
void call_used_release(struct call_used *u);

/* Whose answer it is. */
struct call_used_of {
    const struct http1_head *request, *answer;
    const struct recognition *known;
    struct price_cache *prices; /* NULL = costs are not asked for */
    struct cost_shapes *shapes; /* NULL = every answer is read */
    struct arena *arena;        /* for what is needed meanwhile */
    struct call_facts *facts;   /* likewise: seven kilobytes that need not be cleared */
    struct str whole;           /* the body, where it need not be kept; "" = what u kept of it */
    int64_t at_us;              /* when it was asked */
};
void call_used_read(const struct call_used *u, const struct call_used_of *of,
                    struct policy_used *ret);

#endif

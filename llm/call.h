/* call - one HTTP exchange with a model provider, and what can be read off it.
 *
 * call_read is pure: it recognises provider and API (host, then path, then shape of the answer),
 * undoes the framing, and extracts models, usage, tier, reported cost and the class of failure.
 * It never fails: what it cannot read it says so in the facts.
 */
#ifndef LLM_CALL_H
#define LLM_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/decimal.h"
#include "base/str.h"
#include "llm/provider.h"
#include "llm/usage.h"

#define CALL_PARTS_MAX 32

struct call_header {
    struct str name, value;
};

/* Input: all borrowed.  Bodies have their content encoding undone. */
struct call {
    struct str method;
    struct str host;  /* with port, or empty */
    struct str path;  /* percent-encoded as sent, without the query */
    struct str query; /* without the '?' */
    const struct call_header *request_headers;
    size_t request_header_count;
    struct str request_body;
    bool request_body_missing; /* not recorded: nothing may be concluded from its being empty */
    int status;                /* 0: no answer arrived */
    const struct call_header *response_headers;
    size_t response_header_count;
    struct str response_body;
    bool response_body_missing; /* not recorded */
    bool response_cut;          /* transport ended before the message did, or the client left */
};

enum call_feature {
    CALL_TOOLS = 1 << 0,             /* functions were offered */
    CALL_VISION = 1 << 1,            /* images or documents in the input */
    CALL_AUDIO = 1 << 2,             /* audio in or out */
    CALL_STRUCTURED_OUTPUT = 1 << 3, /* a response schema was asked for */
    CALL_REASONING = 1 << 4,         /* a reasoning effort or thinking budget was asked for */
    CALL_WEB_SEARCH = 1 << 5,
};

/* The share of the work one model did: more than one when the provider ran several (Anthropic
 * usage.iterations, Groq compound systems). */
struct call_part {
    struct str model;
    struct usage usage;
};

#define CALL_NOTE_NO_BODY "the answer's body was not recorded" /* a usage_note */

/* Output: strings are borrowed from the call, from static storage or from the arena given. */
struct call_facts {
    enum provider provider;
    enum api api;
    const char *recognised_by; /* "host", "path", "shape", or why it was not recognised */
    bool stream;
    bool cut;      /* the answer ended before its end: recorded so, or missing where it must be */
    bool billable; /* false: token counting, polling, lists, an error the provider does not bill */
    struct str model_requested;
    struct str model; /* that answered; the requested one where the answer names none */
    struct str
        service_tier; /* served: "default", "flex", "priority", "batch", ...; empty = not said */
    struct str geo;   /* inference geography or cloud region, empty = not said */
    struct str finish_reason;
    struct str response_id;
    struct str upstream_request_id; /* x-request-id, request-id, x-amzn-requestid, ... */
    struct str end_user;            /* as sent: callers hash it before it is written anywhere */
    uint32_t features;              /* enum call_feature */
    enum error_class error_class;
    struct str error_code; /* the provider's own word for it */
    enum usage_source usage_source;
    const char *usage_note; /* why usage is unknown, estimated or was rejected; else NULL */
    struct call_part parts[CALL_PARTS_MAX];
    size_t part_count; /* 0 when usage is unknown */
    bool has_reported_cost;
    int64_t reported_cost_pusd;      /* 1e-12 USD, as billed by the provider */
    const char *reported_cost_field; /* "usage.cost", "usage.cost_in_usd_ticks", ... */
    /* What the price of some units depends on: "1024x1024/hd" for images (size/quality), the search
     * context size ("low", "medium", "high") for searches; empty = not said. */
    struct str variant;
};

/* Parts beyond part_count are left as they were. */
void call_read(const struct call *call, struct arena *arena, struct call_facts *ret);

/* True for a reported cost that a gateway worked out from a price table of its own rather than the
 * provider billing it: worth showing, not worth more than our own table. */
bool call_cost_is_estimate(struct str reported_cost_field);

/* The value of the first header of that name (ASCII case ignored), or an empty str with ptr NULL.
 */
struct str call_header_find(const struct call_header *headers, size_t count, const char *name);

#endif

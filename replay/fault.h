/* fault - every way in which a provider's answer can go wrong: what it does on the wire, and what
 * it does to a simulated attempt.
 *
 * One table for `serve` (which plays it), `simulate` (which reckons with it) and `drill` (which
 * checks that the gateway under test stood it).  Statuses, headers and bodies are the providers'
 * own; each row names its source.
 */
#ifndef REPLAY_FAULT_H
#define REPLAY_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "llm/call.h"
#include "policy/plan.h"

/* Where in an answer it strikes. */
enum fault_stage {
    FAULT_CONNECT, /* no connection: refused, reset, no such host, TLS */
    FAULT_HEAD,    /* before or instead of the head: silence, slowness */
    FAULT_REFUSAL, /* a whole answer of another status */
    FAULT_BODY,    /* 200, and the answer is not what it should be */
    FAULT_STREAM,  /* 200, and the stream goes wrong after some pieces */
    FAULT_PACE,    /* right, but slower */
    FAULT_QUOTA,   /* the provider's own limits: refuses beyond a rate */
};

struct fault_kind {
    const char *name; /* "overloaded", "stall", "stall_keepalive", ... as in a scenario file */
    enum fault_stage stage;
    const char *what;   /* one line for people */
    const char *source; /* document and date, or issue */
    /* What becomes of an attempt under the model's clock. */
    enum plan_failure failure; /* PLAN_FAILURES = none */
    int status;                /* of a REFUSAL */
};

extern const struct fault_kind fault_kinds[]; /* ends with name NULL */
const struct fault_kind *fault_kind_find(struct str name);

/* One fault that strikes one attempt, with its parameters; those a kind has no use for are 0. */
struct fault {
    const struct fault_kind *kind;
    int status;              /* of a refusal that leaves it open; 0 = the kind's own */
    int64_t retry_after_us;  /* -1 = the answer says none */
    int64_t delay_us;        /* before what it does; PLAN_FOREVER = for ever */
    int64_t keepalive_us;    /* between keep-alives of a masked stall */
    uint32_t after_pieces;   /* of the stream, before it strikes */
    uint32_t factor_percent; /* of a slowness: 300 = three times as long */
    uint64_t bytes_per_second;
};

/* The head and body of a refusal as that API words it.  Headers are added as "name: value\r\n". */
void fault_refusal(const struct fault *f, enum api api, int *ret_status, struct buf *headers,
                   struct buf *body);
/* The event of an error within a stream, framed for the wire. */
void fault_stream_error(const struct fault *f, enum api api, struct buf *out);

#endif

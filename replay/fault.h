/* fault - every way in which a provider's answer can go wrong: what it does on the wire, and what
 * it does to a simulated attempt.
 *
 * One table for `serve` (which plays it), `simulate` (which reckons with it) and `drill` (which
 * checks that the gateway under test stood it).  Statuses, headers and bodies are the providers'
 * own; each row names its source.
 *
 * A place in a stream is counted in pieces: events that carry content (text, reasoning, arguments
 * of a tool call).  A fault after 0 pieces strikes before the first of them, behind what a provider
 * sends ahead of it (message_start, an empty first delta).
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
    FAULT_STREAM,  /* 200, and the answer goes wrong after some pieces */
    FAULT_PACE,    /* right, but slower */
    FAULT_QUOTA,   /* the provider's own limits: refuses beyond a rate (replay/fault_limiter) */
};

/* What a FAULT_PACE slows down; what comes behind it comes later by as much. */
enum fault_slows {
    FAULT_SLOWS_ALL,
    FAULT_SLOWS_HEAD,
    FAULT_SLOWS_FIRST, /* what is between the head and the first content */
    FAULT_SLOWS_REST,  /* what is behind the first content */
};

/* What the caller of a good gateway, with another target that works, must see. */
enum fault_expected {
    FAULT_ANSWERED_BY_FALLBACK, /* a whole answer, from elsewhere */
    FAULT_PASSED_ON,            /* this answer, whole and unaltered, and no second attempt */
    FAULT_ERROR_TO_CALLER,      /* an error, in time, and not a success: nothing else can help */
};
extern const char *const fault_expected_names[]; /* ends with NULL */

/* Parameters: bits, for which of them a kind has a use. */
#define FAULT_PARAMS(X)                                                                            \
    X(STATUS, "status")                                                                            \
    X(RETRY_AFTER, "retry_after")                                                                  \
    X(RETRY_FORM, "retry_after_as")                                                                \
    X(DELAY, "delay")                                                                              \
    X(KEEPALIVE, "keepalive")                                                                      \
    X(KEEPALIVE_EVERY, "keepalive_every")                                                          \
    X(AFTER, "after")                                                                              \
    X(FACTOR, "factor")                                                                            \
    X(BANDWIDTH, "bytes_per_second")                                                               \
    X(BYTES, "bytes")                                                                              \
    X(ERROR, "error")                                                                              \
    X(REQUESTS, "requests")                                                                        \
    X(TOKENS, "tokens")                                                                            \
    X(COUNTS_FAILED, "counts_failed")
enum fault_param_number {
#define X(constant, name) FAULT_PARAM_##constant,
    FAULT_PARAMS(X)
#undef X
        FAULT_PARAM_COUNT
};
#define FAULT_HAS(constant) (1u << FAULT_PARAM_##constant)
extern const char *const fault_param_names[]; /* by number; ends with NULL */

/* What answers it strikes. */
#define FAULT_ON_STREAM 1u
#define FAULT_ON_WHOLE  2u
#define FAULT_ON_ANY    3u

/* Who notices at the answer's end that it was none, or not all of one. */
enum fault_seen {
    FAULT_SEEN_BY_ALL,     /* the connection says so, or an event of the provider's */
    FAULT_SEEN_BY_READERS, /* a gateway that looks for the end of an answer: weir's own */
    FAULT_SEEN_BY_CALLER,
};

struct fault_kind {
    const char *name; /* "overloaded", "stall", "stall_keepalive", ... as in a scenario file */
    enum fault_stage stage;
    enum fault_slows slows;
    unsigned on, params;
    enum fault_expected expected; /* see fault_expected for what depends on parameters */
    /* What becomes of an attempt if no timer ends it before; PLAN_FAILURES = it ends well. */
    enum plan_failure failure;
    enum fault_seen seen_by;
    int status; /* of a REFUSAL; a provider's own may differ: fault_status */
    /* Usual parameters: see fault_usual. */
    int64_t delay_us, retry_after_us, keepalive_us;
    uint32_t factor_percent;
    const char *what;    /* one line for people */
    const char *nearest; /* on the wire, where a listener cannot do the thing itself; or NULL */
    const char *source;  /* document and date, or issue */
    bool is_secondary;   /* the source is not the provider's own word */
    bool hangs;          /* from where it strikes on nothing of use comes, and nothing ends it */
    bool has_content;    /* some comes before it, whatever `after` says */
    bool stays_open;     /* all of use comes, and nothing ends it */
    bool is_useless;     /* to the caller, though nothing is wrong with it */
};

extern const struct fault_kind fault_kinds[]; /* ends with name NULL */
const struct fault_kind *fault_kind_find(struct str name);

/* Which error an error event within a stream tells of. */
#define FAULT_ERRORS(X)                                                                            \
    X(OVERLOADED, "overloaded")                                                                    \
    X(SERVER, "server_error")                                                                      \
    X(RATE_LIMITED, "rate_limited")                                                                \
    X(TIMEOUT, "timeout")                                                                          \
    X(MODEL, "model_error")                                                                        \
    X(INVALID, "invalid_request")
enum fault_error {
#define X(constant, name) FAULT_ERROR_##constant,
    FAULT_ERRORS(X)
#undef X
        FAULT_ERROR_COUNT
};
extern const char *const fault_error_names[];

/* How a retry-after is said. */
enum fault_retry_form {
    FAULT_RETRY_OWN,     /* as that provider says it */
    FAULT_RETRY_SECONDS, /* retry-after: 20 */
    FAULT_RETRY_DATE,    /* retry-after: Sun, 22 Nov 2026 21:00:00 GMT */
    FAULT_RETRY_MS,      /* retry-after-ms: 20000 */
};
extern const char *const fault_retry_form_names[];

/* What keeps a connection alive and says nothing. */
enum fault_keepalive {
    FAULT_KEEPALIVE_NONE,
    FAULT_KEEPALIVE_PING,       /* ": ping" */
    FAULT_KEEPALIVE_PROCESSING, /* ": OPENROUTER PROCESSING" */
    FAULT_KEEPALIVE_DATA,       /* an empty "data:" */
    FAULT_KEEPALIVE_EVENT,      /* Anthropic's "event: ping" */
};
extern const char *const fault_keepalive_names[];

/* One fault that strikes one attempt, with its parameters; those a kind has no use for are 0. */
struct fault {
    const struct fault_kind *kind;
    uint32_t index;          /* in its scenario */
    int status;              /* of a refusal that leaves it open; 0 = the kind's own */
    int64_t retry_after_us;  /* -1 = the answer says none */
    int64_t delay_us;        /* before what it does; PLAN_FOREVER = for ever */
    int64_t keepalive_us;    /* between keep-alives of a masked stall */
    uint32_t after_pieces;   /* of the stream, before it strikes */
    uint32_t factor_percent; /* of a slowness: 300 = three times as long */
    uint32_t piece_bytes;    /* at most, of what is cut up */
    uint64_t bytes_per_second;
    /* Of a quota; 0 = not limited. */
    int64_t requests, requests_per_us, tokens, tokens_per_us;
    bool counts_failed; /* what is refused counts against the quota, too */
    enum fault_error error;
    enum fault_retry_form retry_form;
    enum fault_keepalive keepalive;
};

/* The kind with its usual parameters. */
struct fault fault_usual(const struct fault_kind *kind);
/* What becomes of the attempt if no timer ends it before; PLAN_FAILURES = it ends well.  A delay
 * and a pace come on top. */
enum plan_failure fault_failure(const struct fault *f);
enum fault_expected fault_expected(const struct fault *f);
/* Whether timers that look at bytes and not at content take it for life. */
static inline bool fault_is_masked(const struct fault *f)
{
    return f->keepalive != FAULT_KEEPALIVE_NONE;
}

/* Whose words a refusal or an event is in. */
enum fault_dialect {
    FAULT_OPENAI,
    FAULT_RESPONSES, /* OpenAI's, whose streams have errors of their own */
    FAULT_AZURE,
    FAULT_ANTHROPIC,
    FAULT_GEMINI,
    FAULT_BEDROCK,
    FAULT_OLLAMA,
    FAULT_COHERE,
    FAULT_DIALECTS,
};
enum fault_dialect fault_dialect(enum provider provider, enum api api);
extern const char *const fault_dialect_names[];

/* A limit as a provider tells of it. */
struct fault_limit {
    int64_t requests, requests_left, requests_reset_us; /* reset: from now on */
    int64_t tokens, tokens_left, tokens_reset_us;
    bool is_tokens; /* what is exceeded: tokens, or requests */
};

/* Who is spoken to, and when. */
struct fault_saying {
    enum fault_dialect dialect;
    struct str model;
    uint64_t number;                 /* of the attempt: request ids follow from it */
    int64_t wall_us;                 /* now */
    uint64_t sequence;               /* of the next event, where events are numbered */
    const struct fault_limit *limit; /* NULL = a usual one */
};

/* The status of a refusal, in that dialect. */
int fault_status(const struct fault *f, enum fault_dialect dialect);
/* Its head and body.  Headers are added as "name: value\r\n", content-type among them. */
void fault_refusal(const struct fault *f, const struct fault_saying *saying, int *ret_status,
                   struct buf *headers, struct buf *body);
/* The headers about a limit that come with every answer. */
void fault_limit_headers(const struct fault_saying *saying, struct buf *headers);

/* Within a stream, framed for the wire. */
void fault_stream_error(const struct fault *f, const struct fault_saying *saying, struct buf *out);
/* What a keep-alive is there; nothing where the framing knows none. */
void fault_stream_keepalive(const struct fault *f, enum fault_dialect dialect, struct buf *out);

/* The page a CDN shows. */
void fault_html_page(int status, uint64_t number, struct buf *out);

#endif

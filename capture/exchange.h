/* exchange - one request of an application and everything done to answer it: the record that
 * the journal carries, the segment stores, the ledger tabulates and every other folder reads.
 *
 * By the time a struct exchange exists, credentials are gone from it (capture/redact): heads hold
 * fingerprints, the query string has no key, key_id is a keyed hash.
 */
#ifndef CAPTURE_EXCHANGE_H
#define CAPTURE_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/uuid.h"
#include "llm/call.h"

#define EXCHANGE_BODY_BYTES_MAX (256u << 20) /* decoded, each of request and response */
#define EXCHANGE_HEADERS_MAX    512
#define EXCHANGE_STEPS_MAX      1000 /* attempts, and decisions */
#define EXCHANGE_STEP_TEXT_MAX  128  /* bytes of a name in one; what is longer is cut */

/* One read from the wire: when, and how many bytes of the (decoded) body it brought. */
struct exchange_chunk {
    uint64_t offset_us; /* since started_at */
    uint64_t bytes;
};

/* Who sent it, as far as attribution could tell; empty = not known. */
struct exchange_who {
    struct str app, team, business_unit, environment, end_user, purpose;
};

/* A target that was due: tried, or passed over.  The last one tried is whose answer the caller got;
 * the first entry is what the route chose first. */
struct exchange_attempt {
    struct str upstream; /* name in the configuration */
    struct str model;    /* asked for there; empty = as the request says */
    bool skipped;        /* passed over: its breaker was open, it was slow, a limit was reached */
    int status;          /* 0 = no answer */
    enum error_class error_class; /* NONE = went well, or was skipped */
    int64_t start_us;             /* since started_us */
    int64_t duration_us;          /* -1 = not known */
    uint64_t bytes;               /* of the answer's body on the wire */
    struct str why;   /* a word: "first", "retry", "fallback", "shifted", "probe"; may be empty */
    struct str rule;  /* that decided so: its id; empty = none */
    struct str begin; /* as exchange_attempt_begin_to_json has it; "" = nobody has done so */
};

/* What a rule of the policy said of the call, whether or not it was enforced. */
struct exchange_decision {
    struct str rule;      /* its id */
    struct str mode;      /* "observe", "warn", "enforce" */
    struct str outcome;   /* a word: "denied", "limited", ... */
    struct str detail;    /* the model or target it is about, or that came instead; may be empty */
    int64_t at_us;        /* since started_us */
    int64_t value, bound; /* what was looked at and its limit: a count, tokens, micro-USD, µs */
    struct str json; /* all this as exchange_decision_to_json has it; "" = nobody has done so */
};

struct exchange {
    struct uuid id;        /* version 7: begins with the milliseconds of started_at */
    struct str writer;     /* the journal it came through */
    uint64_t sequence;     /* within the writer, from 1, without gaps */
    struct str content_id; /* 32 hex digits over an imported record and its repetition count: makes
                              importing twice a no-op; empty for live traffic */
    int64_t requests;      /* 1; more for an imported row that sums several; 0 reads as 1 */
    struct str trace_id;   /* 32 hex digits, W3C */
    int64_t started_us;    /* Unix time in µs, UTC */
    int64_t request_us; /* the rest are offsets from started_us; -1 = did not happen, not known */
    int64_t head_us;
    int64_t first_token_us;
    int64_t end_us;

    struct exchange_who who;
    struct str key_id; /* keyed HMAC of the credential, 16 hex digits; empty = none sent */
    struct str client_address;
    struct str user_agent;
    struct str upstream; /* name in the configuration; empty = not through a proxy */
    struct str arm;      /* "direct", "gateway" or empty */
    /* During a migration (weir-cutover(5)), whichever way the call went. */
    int64_t cutover_epoch;   /* of the cutover that was asked; 0 = none */
    int32_t cutover_share;   /* of 10000, of its entry; nothing without an epoch */
    struct str cutover_unit; /* keyed HMAC of application and key, 16 hex digits; empty = no key */
    struct str labels; /* JSON object of what attribution rules may look at later; may be empty */
    struct str origin; /* "proxy", "import:jsonl", "import:har", "import:rows" */

    struct str method, scheme, host, path, query;
    struct call_header *request_headers;
    size_t request_header_count;
    struct call_header *response_headers;
    size_t response_header_count;
    bool heads_are_clean;             /* for live writers: headers are all as HTTP/1.1 has them */
    int status;                       /* 0 = no answer */
    bool truncated;                   /* the answer ended early */
    enum error_class transport_error; /* seen on the wire, before the body is looked at */
    uint64_t request_bytes, response_bytes; /* bodies on the wire */

    /* Bodies with their content encoding undone, unless *_encoded: then they are as they came over
     * the wire, be it that seal has yet to undo it or that it could not (body_note says why). */
    struct str request_body, response_body;
    bool request_body_missing, response_body_missing; /* not recorded */
    bool request_body_encoded, response_body_encoded;
    /* For live writers (record_add_amendments): it was undone before the body was recorded. */
    bool request_body_decoded, response_body_decoded;
    /* Set by exchange_from_json, which has no bodies at hand: the bytes stored for each. */
    uint64_t request_stored_bytes, response_stored_bytes;
    const char *body_note; /* why a body is stored encoded or is missing; NULL = nothing to say */
    struct exchange_chunk *chunks; /* of the response */
    size_t chunk_count;

    struct exchange_attempt *attempts; /* in the order in which they were due; none = not known */
    size_t attempt_count;
    struct exchange_decision *decisions;
    size_t decision_count;

    struct call_facts facts; /* from llm/, or from the imported row */
};

/* One line of exchanges.jsonl (without the newline): everything but the bodies and chunks. */
void exchange_to_json(const struct exchange *x, struct buf *out);
/* The reverse; strings live in arena.  ERR_CORRUPT names the member. */
int exchange_from_json(struct str line, struct arena *arena, struct exchange *ret, struct err *err);

/* Whose answer the caller got: the last attempt that was not skipped; NULL if there is none. */
const struct exchange_attempt *exchange_answered_by(const struct exchange *x);
/* A member of "attempts" up to its error_class, which few attempts differ in: "{...", or "". */
void exchange_attempt_begin_to_json(const struct exchange_attempt *a, struct buf *out);
/* A member of "decisions". */
void exchange_decision_to_json(const struct exchange_decision *d, struct buf *out);

/* How the call failed: what the answer says (facts), unless the wire tells why it says so little,
 * or the answer is the proxy's own. */
enum error_class exchange_error(const struct exchange *x);

/* Views x as llm/ wants it. */
struct call exchange_call(const struct exchange *x);

#endif

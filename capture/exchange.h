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

/* One read from the wire: when, and how many bytes of the (decoded) body it brought. */
struct exchange_chunk {
    uint64_t offset_us; /* since started_at */
    uint64_t bytes;
};

/* Who sent it, as far as attribution could tell; empty = not known. */
struct exchange_who {
    struct str app, team, business_unit, environment, end_user, purpose;
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
    struct str labels;   /* JSON object of what attribution rules may look at later; may be empty */
    struct str origin;   /* "proxy", "import:jsonl", "import:har", "import:rows" */

    struct str method, scheme, host, path, query;
    struct call_header *request_headers;
    size_t request_header_count;
    struct call_header *response_headers;
    size_t response_header_count;
    int status;                             /* 0 = no answer */
    bool truncated;                         /* the answer ended early */
    enum error_class transport_error;       /* seen on the wire, before the body is looked at */
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

    struct call_facts facts; /* from llm/, or from the imported row */
};

/* One line of exchanges.jsonl (without the newline): everything but the bodies and chunks. */
void exchange_to_json(const struct exchange *x, struct buf *out);
/* The reverse; strings live in arena.  ERR_CORRUPT names the member. */
int exchange_from_json(struct str line, struct arena *arena, struct exchange *ret, struct err *err);

/* Views x as llm/ wants it. */
struct call exchange_call(const struct exchange *x);

#endif

/* drive_call - one request of a drive: sent, its answer read to the end, every moment noted.
 *
 * A call may take several tries, as its caller's SDK would make (replay/caller).  All times count
 * from the moment for which the call was planned, so that what waited before it was sent is part
 * of what its user waited for.
 *
 *     first token = when the first event that holds content had come - when it was planned
 *     gap         = between an event that holds content and the next one
 *     total       = when the answer had ended - when it was planned
 *
 * A stream has ended with its last event ([DONE]), as it has for SDKs, whatever the connection
 * does. An answer that is no stream has its first token when its body's first byte comes.
 */
#ifndef REPLAY_DRIVE_CALL_H
#define REPLAY_DRIVE_CALL_H

#include "base/http1.h"
#include "base/http_client.h"
#include "base/sketch.h"
#include "capture/exchange.h"
#include "replay/caller.h"
#include "replay/trace.h"

#define DRIVE_READ_BYTES     (64u << 10)
#define DRIVE_BODY_BYTES_MAX (16u << 20) /* of an answer, that are looked at */

enum drive_end {
    DRIVE_ANSWERED, /* a whole answer, whatever it says */
    DRIVE_NOT_CONNECTED,
    DRIVE_BROKEN,  /* the connection ended in the middle, or what came is no HTTP */
    DRIVE_TIMEOUT, /* the caller's patience */
    DRIVE_ENDS,
};

/* What became of a call: of its last try. */
struct drive_result {
    enum drive_end end;
    int status;             /* 0 = none */
    enum error_class error; /* as llm/call reads the answer; a broken stream is one */
    bool ok;                /* 2xx, whole, and without an error in it */
    unsigned tries;
    /* Since planned; -1 = did not happen. */
    int64_t sent_us, head_us, first_token_us, end_us;
    int64_t longest_gap_us; /* 0 = fewer than two events */
    uint64_t events, answer_bytes;
    struct call_facts facts; /* of the last answer; strings are valid during on_over */
};

struct drive_call;

/* What all calls of a drive share. */
struct drive_context {
    struct loop *loop;
    struct http_origin *origin;
    struct str authority;
    const struct caller *caller;
    int64_t deadline_us; /* of a try, however much comes; 0 = the caller's own, between bytes */
    uint64_t seed;
    struct sketch *gaps; /* each gap is added, in µs */
    /* Of a call that is over; it is freed after that. */
    void (*on_over)(void *ctx, struct drive_call *call);
    void *ctx;
    struct drive_call *calls;    /* all there are */
    char read[DRIVE_READ_BYTES]; /* for the call whose turn it is */
};

/* head: "name: value" lines with what it takes to be let in.  Everything is copied but the
 * strings of request, which must outlive the call. */
struct drive_call *drive_call_new(struct drive_context *context,
                                  const struct trace_request *request, struct str target,
                                  struct str head, struct str body);
/* planned_us as loop_now_us counts. */
void drive_call_start(struct drive_call *c, uint64_t number, uint64_t planned_us);
void drive_call_free(struct drive_call *c);
/* --- in on_over --- */
const struct drive_result *drive_call_result(const struct drive_call *c);
const struct trace_request *drive_call_request(const struct drive_call *c);
uint64_t drive_call_number(const struct drive_call *c);
/* The last try as a record: heads without the credential that was sent, body and chunks.  Valid
 * until on_over returns. */
void drive_call_exchange(struct drive_call *c, struct exchange *ret);

#endif

/* framing - splits a response body into the JSON texts it carries, a piece at a time, cut anywhere.
 *
 * SSE (WHATWG HTML 9.2.6), NDJSON, a JSON array arriving element by element, AWS event streams
 * (application/vnd.amazon.eventstream, both CRCs checked), or one plain JSON text.
 */
#ifndef LLM_FRAMING_H
#define LLM_FRAMING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define FRAMING_EVENT_BYTES_MAX (64u << 20)

enum framing {
    FRAMING_JSON, /* the whole body is one event */
    FRAMING_SSE,
    FRAMING_NDJSON,     /* one event a line */
    FRAMING_JSON_ARRAY, /* one event an element */
    FRAMING_EVENTSTREAM,
    FRAMING_OPAQUE, /* audio, images: no events */
    FRAMING_COUNT,
};

struct framing_event {
    /* Valid during the call only. */
    struct str name; /* SSE event field, or :event-type / :exception-type / :error-code */
    struct str data;
    struct str error_message; /* event stream: :error-message, which comes without a payload */
    bool is_exception;        /* event stream: :message-type is exception or error */
    uint64_t index;           /* from 0 */
    uint64_t offset;          /* of the event's first byte in the body */
};

/* Returns 0 to go on, -1 (with err set) to stop. */
typedef int (*framing_event_fn)(void *ctx, const struct framing_event *event, struct err *err);

struct framer;
struct framer *framer_new(enum framing kind, framing_event_fn fn, void *ctx);
void framer_free(struct framer *f);
DEFINE_CLEANUP(struct framer, framer_free)
/* ERR_CORRUPT names the event's index, from 0 ("frame 3 at byte 1190: ..."), and sticks; so do
 * ERR_LIMIT and a failure of the callback. */
int framer_feed(struct framer *f, struct str piece, struct err *err);
/* The body is over: delivers a last event that lacks its end mark (SSE without the blank line,
 * NDJSON without the newline) if it is a whole JSON value or "[DONE]", and says in *ret_cut whether
 * the body stopped inside an event that cannot be delivered, or before the end of a JSON array.
 * Call it once, and nothing but framer_free after it. */
int framer_finish(struct framer *f, bool *ret_cut, struct err *err);

/* From the content type, else (or when it is vague or wrong) from the first bytes: the more of
 * them, the better it tells NDJSON from JSON; a kilobyte will do. */
enum framing framing_guess(struct str content_type, struct str first_bytes);

#endif

/* content - which events of a stream are what its caller waits for, and when the first one came.
 */
#ifndef LLM_CONTENT_H
#define LLM_CONTENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"
#include "llm/framing.h"
#include "llm/provider.h"

/* Whether an event holds content that a caller would show: the first token.  Keep-alives, role
 * openings and empty deltas do not; the beginning of a tool call does.  Of an API whose streams are
 * not known here, everything but a keep-alive is content. */
bool content_is_in(enum api api, const struct framing_event *event);
/* A chunk of Bedrock's invoke stream has the vendor's own event in it: appends that.  False for
 * anything else. */
bool content_unwrap(const struct framing_event *e, struct buf *out);

/* A stream as it came, piece by piece: together they are the body. */
struct content_stream {
    enum api api;
    struct str media_type, body;
    size_t piece_count;
    size_t (*piece_bytes)(void *ctx, size_t index);
    void *ctx;
};
/* Which piece the first event with content was complete with; false if none came, or the body is
 * no stream of events. */
bool content_begins(const struct content_stream *s, size_t *ret_piece);

#endif

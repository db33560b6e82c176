/* answer_watch - what an answer comes to, while it comes: content that a caller would show, or a
 * failure that another target may mend.
 *
 * Nothing here knows the call, the time or what is done about it: head and bytes in, verdict out.
 * A refusal is read to its end, or WATCH_REFUSAL_BYTES of it; a stream event by event, with its
 * content encoding undone; anything else has content once it is complete.  What ends in good order
 * and is no answer, or not all of one, has failed (proxy/answer_end).
 *
 * Once a stream has content, bytes in which no word for an error stands, and which do not begin
 * with a keep-alive, are passed over without telling their events apart.
 */
#ifndef PROXY_ANSWER_WATCH_H
#define PROXY_ANSWER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/http1.h"
#include "policy/failure.h"
#include "proxy/answer_end.h"

#define WATCH_REFUSAL_BYTES (64u << 10)
#define WATCH_DECODED_MAX   (256u << 20) /* of a stream that is encoded; more is not looked at */

enum watch_verdict {
    WATCH_MORE,    /* nothing yet */
    WATCH_CONTENT, /* it has begun to answer (told once) */
    WATCH_FAILED,  /* end says how */
};

struct answer_watch {
    enum api api;
    bool asks_stream;
    bool is_stream;    /* an event stream, and events can be told apart */
    bool is_refusal;   /* head.status >= 400 */
    bool has_content;  /* WATCH_CONTENT was told */
    bool has_failed;   /* WATCH_FAILED was told */
    bool is_cut;       /* it ended in good order, behind its first content, and was not all of it */
    bool any_progress; /* since it was last cleared: more than keep-alives came */
    bool has_parts;    /* any of those below */
    bool between_events; /* of what the framer was fed: the next byte begins an event */
    int status;          /* of the head */
    enum framing framing;
    struct str encoding; /* the head's */
    struct steer_end end;
    struct answer_end ending;
    /* Of refusals and streams, and what is encoded. */
    struct framer *framer;
    struct codec *codec;
    struct buf plain;   /* what codec made of a piece */
    struct buf refusal; /* its body */
    struct call_header *headers;
    size_t header_count; /* of a refusal; the strings are the head's */
};

/* Zero-initialised is fine.  api is what the call speaks: the shape of its stream's events;
 * asks_stream: a JSON text that comes will be an array, element by element (Gemini). */
void answer_watch_begin(struct answer_watch *w, enum api api, bool asks_stream);
void answer_watch_release(struct answer_watch *w);

/* The strings of head must stay until the verdict on a refusal. */
enum watch_verdict answer_watch_head(struct answer_watch *w, const struct http1_head *head);
/* now_us is Unix time, for dates in a refusal's head. */
enum watch_verdict answer_watch_body(struct answer_watch *w, struct str bytes, int64_t now_us);
/* The answer is complete. */
enum watch_verdict answer_watch_end(struct answer_watch *w, int64_t now_us);

#endif

/* framing_kinds - what the kinds of framing share.  Private to llm/framing*.c. */
#ifndef LLM_FRAMING_KINDS_H
#define LLM_FRAMING_KINDS_H

#include "base/buf.h"
#include "llm/framing.h"

/* One kind of framing.  A kind is a row in framing.c and a file that implements it. */
struct framing_kind {
    const char *noun; /* what messages call an event */
    /* How many bits of the first bytes speak for this kind; 0 = it cannot be. */
    unsigned (*bid)(struct str first_bytes);
    int (*feed)(struct framer *f, struct str piece, struct err *err);
    int (*finish)(struct framer *f, bool *ret_cut, struct err *err);
};

extern const struct framing_kind framing_kind_json, framing_kind_sse, framing_kind_ndjson,
    framing_kind_json_array, framing_kind_eventstream;

struct sse_state {
    struct buf data; /* each data line and a newline after it */
    struct str only; /* the first one while it is in the piece being fed, instead of in data */
    struct buf name;
    bool has_data; /* a data line was there, be it empty */
};

enum array_place {
    ARRAY_BEFORE,   /* the opening bracket has not come */
    ARRAY_FIRST,    /* after it: an element or the end */
    ARRAY_ELEMENT,  /* after a comma: an element */
    ARRAY_NESTED,   /* inside an element that is an object, an array or a string */
    ARRAY_SCALAR,   /* inside a number or a word */
    ARRAY_FOLLOWED, /* after an element: a comma or the end */
    ARRAY_DONE,
    ARRAY_PLACES,
};

struct array_state {
    enum array_place place;
    size_t depth; /* open brackets of the element */
    bool in_string;
    bool escaped; /* the last byte was a backslash that escapes the next */
};

struct framer {
    const struct framing_kind *kind;
    framing_event_fn fn;
    void *ctx;
    uint64_t fed_bytes;    /* of the pieces before this one */
    uint64_t index;        /* of the next event */
    uint64_t event_offset; /* where the event being read began */
    bool in_event;         /* of several lines: event_offset stays until it ends */
    struct buf pending;    /* its bytes (or its line's) that came with earlier pieces */
    uint64_t line_offset;  /* where the line being read began */
    bool after_cr;         /* a line feed coming next belongs to the line before */
    bool finished;
    bool failed; /* sticky, with why */
    struct err why;
    struct sse_state sse;
    struct array_state array;
    size_t frame_bytes; /* event stream: of the frame being read, 0 = prelude not seen */
};

/* Hands the event to the caller with the next index; offset is f->event_offset. */
int framer_deliver(struct framer *f, struct framing_event event, struct err *err);
/* "frame 3 at byte 1190: ..."; returns -1. */
int framer_err(const struct framer *f, struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Appends to f->pending within FRAMING_EVENT_BYTES_MAX. */
int framer_hold(struct framer *f, struct str bytes, struct err *err);
/* What is pending, without a byte order mark at the body's start (f->line_offset is moved past it).
 */
struct str framer_pending(struct framer *f);

/* Called with each line, without its end; f->line_offset says where it began. */
typedef int (*framer_line_fn)(struct framer *f, struct str line, struct err *err);
/* Splits at LF, CR LF and, if cr_ends, CR alone; keeps the unfinished line in f->pending.  A byte
 * order mark at the very start is dropped. */
int framer_feed_lines(struct framer *f, struct str piece, bool cr_ends, framer_line_fn on_line,
                      struct err *err);

enum framing_wholeness {
    FRAMING_WHOLE,     /* one JSON value, or "[DONE]" */
    FRAMING_CUT_SHORT, /* the beginning of a JSON value; also a number, which could go on */
    FRAMING_OTHER,     /* no JSON */
};
enum framing_wholeness framing_wholeness_of(struct str text);

#endif

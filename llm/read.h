/* read - what is gathered from one answer while it is scanned.  Internal to llm/.
 *
 * A wire is one family of answers.  It is a table of members: which of them matter and what becomes
 * of each; everything else is skipped unread.  Usage objects are the same table for all wires
 * (read_usage.c), because what they are called differs more than what they mean; settle.c turns the
 * counts as sent into the inclusive vector of llm/usage.h.
 */
#ifndef LLM_READ_H
#define LLM_READ_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/jscan.h"
#include "base/mem.h"
#include "base/str.h"
#include "llm/call.h"
#include "llm/framing.h"
#include "llm/recognise.h"

/* Counts that are no unit of their own but tell how to read the others. */
enum count {
    COUNT_TOTAL = USAGE_UNIT_COUNT,
    COUNT_CACHE_MISS,  /* DeepSeek: input that was not cached */
    COUNT_PLAIN_INPUT, /* Cohere: tokens processed, beside the units billed */
    COUNT_PLAIN_OUTPUT,
    COUNT_INPUT_AUDIO_TOOL, /* Gemini: modalities of the tool-use prompt, outside the prompt's */
    COUNT_INPUT_IMAGE_TOOL,
    COUNT_INPUT_VIDEO_TOOL,
    COUNT_COUNT,
};
static_assert(COUNT_COUNT <= 64, "counts.present has a bit per count");

enum count_flag {
    COUNTS_CACHE_OUTSIDE = 1 << 0, /* input does not hold what was read from or put into cache */
    COUNTS_REASONING_OUTSIDE = 1 << 1, /* output does not hold reasoning */
    COUNTS_TOOL_OUTSIDE = 1 << 2,      /* input does not hold the tool-use prompt */
    COUNTS_IMAGE_OUTSIDE = 1 << 3,     /* input does not hold image tokens */
    COUNTS_LIVE = 1 << 4,              /* the total leaves out reasoning (Gemini Live) */
    COUNTS_PROMPT = 1 << 5, /* called prompt_tokens, which holds the cached ones whatever else */
};

/* One usage object, as sent. */
struct counts {
    uint64_t present; /* bit per enum count */
    uint32_t flags;
    int64_t n[COUNT_COUNT];
    const char *bad;      /* why a count that is a sum or an addend is nonsense, or NULL */
    const char *bad_part; /* likewise of a mere part, which was left out */
};

static inline bool counts_has(const struct counts *c, int count)
{
    return c->present >> count & 1;
}
static inline void counts_set(struct counts *c, int count, int64_t n)
{
    c->present |= UINT64_C(1) << count;
    c->n[count] = n;
}
static inline int64_t counts_get(const struct counts *c, int count)
{
    return counts_has(c, count) ? c->n[count] : 0;
}

/* Texts kept until the end.  */
enum slot {
    SLOT_ID,
    SLOT_MODEL,
    SLOT_TIER,
    SLOT_SPEED,
    SLOT_GEO,
    SLOT_FINISH,
    SLOT_STATUS, /* of a response, run or batch */
    SLOT_BLOCK,  /* why a prompt was refused */
    SLOT_ERROR_TYPE,
    SLOT_ERROR_CODE,
    SLOT_ERROR_STATUS,
    SLOT_ERROR_MESSAGE,
    SLOT_SIZE,
    SLOT_QUALITY,
    SLOT_SECONDS,
    SLOT_COST,
    SLOT_COST_TICKS,
    SLOT_COST_TOTAL,
    SLOT_COST_UPSTREAM,
    SLOT_COST_GATEWAY,
    SLOT_IMAGE_MODEL,  /* of a Responses image tool */
    SLOT_LAST_TOOL_ID, /* of a streamed tool call */
    SLOT_PART_MODEL,
    SLOT_COUNT,
};

/* The part of a call another model did, or another turn of it. */
struct part_counts {
    struct str model; /* empty: the answer's */
    struct counts counts;
};

enum reading_flag {
    READING_BYOK = 1 << 0,
    READING_BACKGROUND = 1 << 1,
    READING_DONE = 1 << 2,        /* the event that ends a stream was seen */
    READING_ERROR_EVENT = 1 << 3, /* an error inside an answer that began well */
    READING_MALFORMED = 1 << 4,   /* some of it was not JSON */
    READING_GROQ = 1 << 5,        /* x_groq was there */
    READING_VLLM = 1 << 6,        /* members only vLLM sends */
    READING_SHAPELESS = 1 << 7,   /* no API known yet: look at the shape */
    READING_BORROW = 1 << 8,      /* texts of the event outlive it */
    READING_TOOL_USAGE = 1 << 9,  /* the answer counted its own tool calls */
    READING_STREAM = 1 << 10,     /* more than one event may come */
    READING_BATCH_FREE = 1 << 11, /* this batch line was not billed */
    READING_IN_PARTS = 1 << 14,
    READING_FUNCTION_PART = 1 << 13, /* the part just read is a function call */
    READING_CUT = 1 << 12,           /* the body ends inside an event */
    READING_USAGE_ASKED = 1 << 15,   /* the stream was to end with a usage chunk */
    READING_ONE_VALUE = 1 << 16,     /* the last event was one JSON value, and well-formed */
};

struct wire;

/* An event that left the reading as it was (read_repeat.c). */
#define REPEAT_HOLES_MAX   8
#define REPEAT_CREDIT_INIT 8 /* events learned in vain until we stop: some change all the time */
struct repeat {
    struct buf model;   /* its bytes; empty: there is none */
    uint32_t flags;     /* of the reading then */
    struct str watched; /* the event being learned */
    struct repeat_hole {
        size_t from, to;
    } holes[REPEAT_HOLES_MAX]; /* values in it that nobody looked at */
    size_t hole_count;
    int credit;
};

/* A whole answer, as it was read: the values in it that nobody looked at, and those of which only
 * the count was taken (cost_shape.c). */
#define DRAFT_HOLES_MAX 40
#define DRAFT_PASSED    (-1) /* no count: a value that nobody looked at */
#define DRAFT_ID        (-2) /* the answer's id, a text without escapes */
struct shape_draft {
    struct str body; /* all of it */
    bool is_odd;     /* more was read of it than can be told here */
    size_t hole_count;
    struct shape_hole {
        size_t from, to;
        int count; /* enum count, or as above */
    } holes[DRAFT_HOLES_MAX];
};

struct reading {
    const struct call *call;
    struct arena *arena;
    struct call_facts *facts;
    struct recognition *recognised;
    const struct wire *wire;
    struct shape_draft *draft; /* NULL: nobody wants one */
    uint32_t flags;
    struct str text[SLOT_COUNT];
    /* Of the current event: borrowed, undecoded. */
    struct str event_name, event_type, event_object;
    struct counts event_counts;
    uint64_t events;
    /* The last that carried any, or an overlay of all, as the wire has it. */
    struct counts counts;
    struct counts metrics; /* Bedrock's own counts beside the vendor's */
    struct counts tools;   /* calls counted by us, and fees the usage object leaves out */
    struct counts image_tool;
    size_t part_count;
    const char *parts_bad;    /* why the parts cannot be told apart, or NULL: outlives any event */
    struct str containers[8]; /* code interpreter sessions already counted */
    size_t container_count;
    int64_t images; /* in the answer */
    const char *note;
    struct repeat repeat; /* what is before it is the state that an event may change */
    struct part_counts parts[CALL_PARTS_MAX]; /* last: only part_count of them are initialised */
};

enum take {
    TAKE_COUNT,    /* a number into event_counts[arg], with flags set */
    TAKE_TEXT,     /* a string (or number, as text) kept in text[arg] */
    TAKE_EVENT,    /* the event's type (arg 0) or object (arg 1) */
    TAKE_OBJECT,   /* into the members below */
    TAKE_ELEMENTS, /* an array: each element into the members below */
    TAKE_FLAG,     /* true sets reading flag arg */
    TAKE_MARK,     /* being there at all, even null, sets reading flag arg */
    TAKE_CALL,     /* fn */
};

struct members;
typedef void (*member_fn)(struct reading *r, struct jscan *s, int arg);

struct member {
    struct str name;
    enum take take;
    int arg;
    uint32_t flags; /* enum count_flag */
    const struct members *into;
    member_fn fn;
};

struct members {
    const struct member *rows;
    size_t count;
};
#define MEMBERS(array)                                                                             \
    {                                                                                              \
        (array), ARRAY_LEN(array)                                                                  \
    }

struct wire {
    const char *name;
    const struct members *top;
    /* After each event; NULL: counts of the event replace those before. */
    void (*event_end)(struct reading *r);
    /* After the whole body; may be NULL. */
    void (*end)(struct reading *r);
    /* A stream of it that lacks its last event was cut. */
    bool ends_with_event;
    /* Reading an event touches nothing but struct reading, nor looks at anything but the event's
     * JSON and struct reading: what nobody reads of it may be passed over (read_repeat.c). */
    bool repeats;
    /* The same holds of a whole answer, and passing over is told of (cost_shape.c). */
    bool has_shapes;
    /* Other than JSON may be in the events: called instead of reading `top`; may be NULL. */
    void (*event)(struct reading *r, const struct framing_event *event);
};

/* read.c */
void read_members(struct reading *r, struct jscan *s, const struct members *members);
/* One value; false if the key is none of the members. */
bool read_member(struct reading *r, struct jscan *s, struct str key, const struct members *members);
void read_event_json(struct reading *r, struct str json);
/* The whole body, by framing; calls the wire's end. */
void read_body(struct reading *r);
/* The same of a body that is JSON by its type and its first byte.  False: it may be something else
 * all the same. */
bool read_json_body(struct reading *r);
/* Calls fn for each event of the response body, in order. */
void read_events(struct reading *r, framing_event_fn fn, void *ctx);
/* Decodes the "bytes" of a Bedrock chunk event into out; false if there are none. */
bool read_bedrock_chunk(struct str json, struct buf *out);
void keep_text(struct reading *r, enum slot slot, struct str raw, bool escaped);
/* Adds "; " and the text to the usage note. */
void reading_note(struct reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Field by field added to what was there. */
void counts_sum(struct counts *to, const struct counts *from);
/* Field by field onto what was there. */
void counts_overlay(struct counts *onto, const struct counts *from);
/* The next value as a count: 1 = *ret set, 0 = null or no number, -1 = nonsense (*ret_why). */
int take_count(struct jscan *s, int64_t *ret, const char **ret_why);
void counts_add(struct counts *c, int count, int64_t n);
/* An array of tool calls: counts those with a new id, and those without any where they cannot be
 * pieces of one. */
void count_tool_calls(struct reading *r, struct jscan *s, int always_whole);
/* The elements of an array, into r->images. */
void count_images(struct reading *r, struct jscan *s, int arg);

/* read_repeat.c */
typedef void (*repeat_fn)(struct reading *r, struct str json);
/* Whether reading the event would leave everything as it is. */
bool repeat_is_known(struct reading *r, struct str json);
/* Has the event read, and learns from it. */
void repeat_read(struct reading *r, struct str json, repeat_fn read);
/* The value at the cursor is one nobody looks at, not even at its type; it is skipped, now or with
 * the next member. */
void repeat_pass(struct reading *r, struct jscan *s);
void repeat_release(struct repeat *p);
/* How many bytes two texts begin with alike. */
size_t repeat_common_len(struct str a, struct str b);

/* cost_shape.c */
struct cost_shapes;
/* The value of s from `from` to the cursor was taken so. */
void shape_note(struct shape_draft *d, const struct jscan *s, size_t from, int count);
/* Whether another shape is to be learned: where none comes twice, few are. */
bool cost_shapes_want(struct cost_shapes *shapes);
/* r has read a plain answer, whose draft it has. */
void shape_learn(struct cost_shapes *shapes, const struct reading *r,
                 const struct recognition *known);

/* read_usage.c */
extern const struct members usage_members;
/* A usage object, or nothing if it is null: its counts go into event_counts. */
void read_usage(struct reading *r, struct jscan *s, int arg);
/* An array of shares of the work, each with counts and maybe a model of its own, into r->parts. */
void read_parts(struct reading *r, struct jscan *s, int arg);

/* settle.c: counts as sent into the inclusive vector; -1 when nothing can be made of them. */
int settle(struct reading *r, const struct counts *counts, struct usage *ret);

/* estimate.c: from the bytes seen, onto what was reported before the answer broke off; says so in
 * the note. */
void estimate_usage(struct reading *r, struct usage *usage);
/* Bytes of text the model wrote. */
int64_t estimate_output_bytes(struct reading *r);

/* cost.c: what the answer says it cost. */
void read_reported_cost(struct reading *r);

/* request.c */
struct request_facts {
    struct str model, tier, end_user, size, quality, search_context;
    struct str input; /* a text to be spoken: raw, escapes not undone */
    bool stream;
    bool include_usage; /* OpenAI: stream_options asks for a last chunk with the usage */
    uint32_t features;
};
void request_read(const struct call *call, struct arena *arena, struct request_facts *ret);

/* errors.c */
/* An error member: a text, or an object with some of type, code, status and message. */
void read_error(struct reading *r, struct jscan *s, int arg);
/* The body of an answer that is an error altogether. */
void errors_read(struct reading *r);
void errors_classify(struct reading *r);

extern const struct wire wire_chat, wire_media, wire_responses, wire_assistants, wire_realtime,
    wire_batch, wire_messages, wire_gemini, wire_predict, wire_interactions, wire_converse,
    wire_invoke, wire_cohere, wire_ollama, wire_none;

#endif

/* exchange_fields - the simple members of struct exchange as a table: what they are called in
 * exchanges.jsonl and in the journal's frames.
 *
 * Private to capture/: exchange.c walks the rows for JSON, record.c for BEGIN and END.
 */
#ifndef CAPTURE_EXCHANGE_FIELDS_H
#define CAPTURE_EXCHANGE_FIELDS_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "capture/exchange.h"

enum field_kind {
    FIELD_TEXT,  /* struct str; left out when empty */
    FIELD_TIME,  /* int64_t, µs after started_us; left out when -1 */
    FIELD_COUNT, /* uint64_t; left out when 0 */
    FIELD_SMALL, /* int32_t, likewise */
    FIELD_FLAG,  /* bool; left out when false */
};

enum field_place { PLACE_TOP, PLACE_REQUEST, PLACE_RESPONSE, PLACE_COUNT };

enum field_frame {
    FRAME_NONE, /* goes with the head or the body */
    FRAME_BEGIN,
    FRAME_END,
};

struct exchange_field {
    const char *json;  /* name of the JSON member */
    const char *frame; /* name of the journal field; NULL = the same */
    enum field_kind kind;
    enum field_place place;
    enum field_frame where;
    size_t offset; /* in struct exchange */
};

extern const struct exchange_field exchange_fields[];
extern const size_t exchange_field_count;

static inline const char *exchange_field_frame_name(const struct exchange_field *f)
{
    return f->frame ? f->frame : f->json;
}

/* END fields beside the table's (exchange_fields). */
#define FIELD_TIMES_GIVEN      "times_given"      /* only the fields know times; frames do not */
#define FIELD_CHUNKS_UNTIMED   "chunks_untimed"   /* how the answer was cut up is not known */
#define FIELD_REQUEST_DECODED  "request_decoded"  /* content encoding is already undone */
#define FIELD_RESPONSE_DECODED "response_decoded" /* likewise */
#define FIELD_REQUEST_ENCODED  "request_encoded"  /* it is not, whatever the header says */
#define FIELD_RESPONSE_ENCODED "response_encoded" /* likewise */
#define FIELD_TRANSPORT_ERROR  "transport_error"
#define FIELD_BODY_NOTE        "body_note"
#define FIELD_STATUS           "status"    /* where there is no RESPONSE_HEAD */
#define FIELD_ATTEMPTS         "attempts"  /* as in exchanges.jsonl */
#define FIELD_DECISIONS        "decisions" /* likewise */
#define FIELD_FACTS            "facts"     /* of origin "import:rows": as in exchanges.jsonl */

#define ORIGIN_ROWS    "import:rows"
#define ORIGIN_IMPORTS "import:"

/* The member "facts" as a JSON object, and the reverse; strings live in arena. */
void exchange_facts_to_json(const struct call_facts *facts, struct buf *out);
int exchange_facts_from_json(const json_t *obj, struct arena *arena, struct call_facts *ret,
                             struct err *err);
/* The members "attempts" and "decisions": JSON arrays of at most EXCHANGE_STEPS_MAX objects, and
 * the reverse; strings live in arena.  A NULL list is an empty one. */
void exchange_attempts_to_json(const struct exchange *x, struct buf *out);
void exchange_decisions_to_json(const struct exchange *x, struct buf *out);
/* Both as members of an object, each if there are any. */
void exchange_add_steps(const struct exchange *x, struct buf *out);
int exchange_attempts_from_json(const json_t *list, struct arena *arena, struct exchange *x,
                                struct err *err);
int exchange_decisions_from_json(const json_t *list, struct arena *arena, struct exchange *x,
                                 struct err *err);
/* A string member of obj copied into arena; a missing or null one gives an empty str. */
int exchange_json_text(const json_t *obj, const char *name, struct arena *arena, struct str *ret,
                       struct err *err);
/* An integer member; a missing or null one leaves *ret alone. */
int exchange_json_int(const json_t *obj, const char *name, int64_t *ret, struct err *err);
int exchange_json_bool(const json_t *obj, const char *name, bool *ret, struct err *err);
/* By its record name. */
bool exchange_error_class_parse(struct str name, enum error_class *ret);

#endif

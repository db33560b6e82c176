/* scrub_edits - what is to be replaced in a body (private to capture/scrub). */
#ifndef CAPTURE_SCRUB_EDITS_H
#define CAPTURE_SCRUB_EDITS_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "base/vec.h"
#include "capture/scrub_plain.h"
#include "capture/scrub_rules.h"
#include "llm/framing.h"

enum scrub_edit_kind {
    SCRUB_MARK,   /* the rule's mark takes the place */
    SCRUB_STRING, /* the mark in quotes: for a number of JSON's */
    SCRUB_BLANK,  /* nothing takes it: the mark stands elsewhere */
};

struct scrub_edit {
    uint32_t start, end;
    uint32_t rule;
    enum scrub_edit_kind kind;
};

/* A string of an event, as part of the text that it is a piece of. */
struct scrub_piece {
    uint64_t channel; /* which text: by the path of members and indexes that led to it */
    uint32_t start, end;
};

/* Rules and what finding edits needs, reused from body to body. */
struct scrub {
    struct scrub_rules rules;
    struct scrub_hits hits;
    struct scrub_plain plain, again[2];
    VEC(struct scrub_edit) edits; /* of the body in hand: in order, none touching another */
    VEC(struct scrub_piece) pieces;
    struct buf inner, spare; /* of event streams */
};

struct scrub_range {
    uint32_t start, end;
};

/* Fills s->edits. */
int scrub_find_edits(struct scrub *s, unsigned place, struct str body, enum framing kind,
                     struct err *err);
/* Likewise of an answer whose events are these parts of body; no edit leaves its part. */
int scrub_find_event_edits(struct scrub *s, unsigned place, struct str body,
                           const struct scrub_range *events, size_t count, struct err *err);
/* One text, not JSON. */
int scrub_find_text_edits(struct scrub *s, unsigned place, struct str text, unsigned escapes,
                          struct err *err);
/* body[from, to) with the edits in it applied, which are those from *index on; moves *index past
 * them.  No edit may cross a border. */
void scrub_apply(struct scrub *s, struct str body, uint32_t from, uint32_t to, size_t *index,
                 struct buf *out);

#endif

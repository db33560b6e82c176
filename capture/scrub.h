/* scrub - takes personal data and keys out of what is to be recorded, by rules.
 *
 * Not to be confused with capture/redact, which takes out the credentials of the call itself and
 * always runs.  These rules come from the configuration's section `redaction`.
 *
 * What a rule matches is replaced by a mark such as "[email]".  JSON stays JSON: a rule looks at
 * one string at a time, with its escapes undone (\u0040, \/, and those of JSON or percent-encoding
 * within the string, SCRUB_LEVELS deep; odd blanks, dashes and digits of Unicode count as plain
 * ones), and a number that matches as a whole becomes a string.  In a streamed answer the pieces of
 * one text are also looked at put together, whatever events they came in: the mark stands in the
 * first event, and in the others what belonged to the match is left out.  Bodies that are neither
 * JSON nor a stream of it are looked at as one text.
 *
 * Where a rule cannot be applied to the end (a match limit) the body must not be kept.
 */
#ifndef CAPTURE_SCRUB_H
#define CAPTURE_SCRUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "capture/exchange.h"

#define SCRUB_LEVELS         3 /* of escapes within escapes */
#define SCRUB_RULES_MAX      64
#define SCRUB_NAME_BYTES_MAX 32
#define SCRUB_MARK_BYTES_MAX 64
#define SCRUB_BODY_BYTES_MAX (256u << 20)

/* Where a rule applies. */
enum scrub_place {
    SCRUB_REQUESTS = 1 << 0, /* bodies */
    SCRUB_ANSWERS = 1 << 1,  /* bodies */
    SCRUB_HEADS = 1 << 2,    /* paths, query strings, header values, labels */
    SCRUB_EVERYWHERE = SCRUB_REQUESTS | SCRUB_ANSWERS | SCRUB_HEADS,
};

/* A rule of the user's. */
struct scrub_pattern {
    struct str name;    /* letters, digits, '_' and '-' */
    struct str regex;   /* PCRE2, over bytes */
    struct str replace; /* the mark; empty = "[NAME]" */
    unsigned places;
};

struct scrub;

/* Without rules nothing matches. */
struct scrub *scrub_new(void);
void scrub_free(struct scrub *s);
DEFINE_CLEANUP(struct scrub, scrub_free)
/* The names of the shipped rules; NULL ends them. */
const char *const *scrub_shipped_names(void);
/* A shipped rule by its name; ERR_USAGE if there is none or it is there already. */
int scrub_add_shipped(struct scrub *s, struct str name, unsigned places, struct err *err);
int scrub_add_pattern(struct scrub *s, const struct scrub_pattern *p, struct err *err);
/* True if a rule applies to one of places. */
bool scrub_applies(const struct scrub *s, unsigned places);

enum scrub_result {
    SCRUB_SAME,    /* nothing matched; out says nothing */
    SCRUB_CHANGED, /* out has what may be kept */
    SCRUB_FAILED,  /* err says why: it must not be kept */
};

/* Content encodings must be undone (capture/body_decode). */
struct scrub_body {
    unsigned place; /* SCRUB_REQUESTS or SCRUB_ANSWERS */
    struct str body;
    struct str content_type;       /* may be empty */
    struct exchange_chunk *chunks; /* add up to body; those of CHANGED add up to out */
    size_t chunk_count;
    struct buf *out;
};

/* Not for two threads at once on one s, like all below. */
enum scrub_result scrub_body(struct scrub *s, struct scrub_body *b, struct err *err);
/* A header's value, a path, a query string. */
enum scrub_result scrub_text(struct scrub *s, struct str text, struct buf *out, struct err *err);

/* "2 email, 1 card": what was taken out since the last call (or since s was made), appended; and
 * how many values that is. */
uint64_t scrub_report(struct scrub *s, struct buf *out);

#endif

/* scrub_rules - the rules of capture/scrub, and where they match in a run of plain bytes (private).
 *
 * A shipped rule is one or more PCRE2 patterns that are tried only where its trigger stands (an
 * '@', the first digit of a number, a literal), found in one pass over pairs of bytes; a rule of
 * the user's runs over the whole text.
 */
#ifndef CAPTURE_SCRUB_RULES_H
#define CAPTURE_SCRUB_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pattern.h"
#include "base/str.h"
#include "base/vec.h"
#include "capture/scrub.h"

#define SCRUB_TRIGGERS_BYTES (65536u / 8) /* one bit for each pair of bytes */

/* A kind of value to take out. */
struct scrub_rule {
    char *name, *mark;        /* mark: what stands there instead */
    struct pattern *user;     /* NULL for a shipped rule */
    unsigned places;          /* enum scrub_place */
    uint64_t hits;            /* since the rules were made */
    uint64_t counted, report; /* private to capture/scrub: of the body in hand, of the caller's */
};

/* One pattern of a shipped rule, ready. */
struct scrub_probe {
    const struct scrub_shipped *row;
    struct pattern *pattern;
    size_t rule;
    uint32_t begins; /* the first two bytes of its literal; SCRUB_NO_LITERAL: it has none */
};
#define SCRUB_NO_LITERAL UINT32_MAX

struct scrub_hit {
    uint32_t start, end;
    uint32_t rule;
};

struct scrub_hits {
    struct scrub_hit *ptr;
    size_t len, cap;
};

struct scrub_rules {
    VEC(struct scrub_rule) all;
    VEC(struct scrub_probe) probes;
    uint8_t triggers[SCRUB_TRIGGERS_BYTES];
    bool has_user;
    bool has_email, has_number;
};

void scrub_rules_release(struct scrub_rules *r);
int scrub_rules_add_shipped(struct scrub_rules *r, struct str name, unsigned places,
                            struct err *err);
int scrub_rules_add_pattern(struct scrub_rules *r, const struct scrub_pattern *p, struct err *err);
/* Adds what matches in text to hits; -1 (ERR_LIMIT) if a pattern hit its match limit. */
int scrub_rules_match(struct scrub_rules *r, unsigned place, struct str text,
                      struct scrub_hits *hits, struct err *err);

#endif

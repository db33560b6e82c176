/* scrub_plain - text with its escapes undone, and where each byte of it came from (private to
 * capture/scrub).
 */
#ifndef CAPTURE_SCRUB_PLAIN_H
#define CAPTURE_SCRUB_PLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* Where a byte came from, in the body: the whole escape. */
struct scrub_origin {
    uint32_t start, end;
};

struct scrub_plain {
    struct buf text;
    struct scrub_origin *origins; /* of each byte of text */
    size_t cap;
};

enum scrub_escapes {
    SCRUB_JSON = 1 << 0,    /* \n, \u0040 */
    SCRUB_PERCENT = 1 << 1, /* %40 */
    SCRUB_FORM = 1 << 2,    /* '+' is a blank */
};

void scrub_plain_release(struct scrub_plain *p);
void scrub_plain_clear(struct scrub_plain *p);
/* Whether undoing them would change text. */
bool scrub_plain_has(struct str text, unsigned escapes);
/* Adds raw, whose first byte is the body's at base, with escapes undone, and with the blanks,
 * dashes and digits that writing systems have of their own as plain ones. */
void scrub_plain_add(struct scrub_plain *p, struct str raw, uint32_t base, unsigned escapes);
/* Once more, into to: what from has still escaped. */
void scrub_plain_again(struct scrub_plain *to, const struct scrub_plain *from, unsigned escapes);

#endif

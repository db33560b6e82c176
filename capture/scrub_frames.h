/* scrub_frames - bodies that are AWS event streams (private to capture/scrub). */
#ifndef CAPTURE_SCRUB_FRAMES_H
#define CAPTURE_SCRUB_FRAMES_H

#include "capture/scrub.h"

/* As scrub_body.  Payloads are looked at as a stream of JSON, also those that {"bytes":"..."}
 * carries in base64; lengths and checksums are made anew; values of headers are masked in place.
 * What follows the last whole frame cannot be looked into: it is left out. */
enum scrub_result scrub_frames(struct scrub *s, struct scrub_body *b, struct err *err);

#endif

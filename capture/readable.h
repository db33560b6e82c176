/* readable - bodies as a person wants to see them: JSON laid out, streams put together.
 *
 * For looking at only: what a body really is, segment_find gives.
 */
#ifndef CAPTURE_READABLE_H
#define CAPTURE_READABLE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* Appends body, ending in a newline.  A stream becomes the text its events add up to, and how many
 * events of which kind there were; with events, each event's data instead.  Bytes that are no text
 * are only counted. */
void readable_body(struct str content_type, struct str body, bool events, struct buf *out);
/* Appends text with control characters (but newlines and tabs) as \u00XX and broken UTF-8 as
 * U+FFFD, so that nothing recorded can command the terminal it is shown on. */
void readable_text(struct str text, struct buf *out);

#endif

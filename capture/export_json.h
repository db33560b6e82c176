/* export_json - parts that JSON lines and HAR share (private to capture/export). */
#ifndef CAPTURE_EXPORT_JSON_H
#define CAPTURE_EXPORT_JSON_H

#include "base/buf.h"
#include "capture/exchange.h"

/* The members that only weir has: id, started_at, who, times, chunks, ... (import_set_extra reads
 * them back).  Appends them to an open object. */
void export_add_extras(struct buf *out, const struct exchange *x);
/* "https://host/path?query", or what of it is known. */
void export_url(const struct exchange *x, struct buf *out);
/* True if s can stand in JSON as it is. */
bool export_is_utf8(struct str s);

#endif

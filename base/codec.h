/* codec - HTTP content encodings (RFC 9110 8.4), decoded a piece at a time.
 *
 * gzip (several members too), deflate (zlib-wrapped as RFC 9110 says, and bare as some servers
 * send), br, zstd, identity; a list such as "gzip, br" is undone from right to left.
 */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define CODEC_STAGES_MAX 4 /* names in one content-encoding header */

struct codec;

/* For the value of a content-encoding header; empty = identity.  ERR_UNSUPPORTED for an unknown
 * name. */
int codec_open(struct str content_encoding, struct codec **ret, struct err *err);
void codec_close(struct codec *c);
DEFINE_CLEANUP(struct codec, codec_close)
/* Decodes the next piece, cut anywhere, and appends what came out.  More than max_out_bytes in
 * total since open is ERR_LIMIT (a decompression bomb); damage is ERR_CORRUPT.  Both stick, and out
 * has what came before them (max_out_bytes at most). */
int codec_decode(struct codec *c, struct str piece, size_t max_out_bytes, struct buf *out,
                 struct err *err);
/* True if the stream ended where it should: false = the input was cut short, or damaged.  No input
 * at all is complete: answers without a body (HEAD, 204, 304) keep the header. */
bool codec_is_complete(const struct codec *c);

/* Do bytes begin a frame of RFC 8878?  To be asked before libzstd decodes one: it may also have the
 * decoders of what zstd wrote before 0.8, which give out memory that nobody wrote. */
bool codec_begins_zstd(struct str bytes);

#endif

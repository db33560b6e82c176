/* base64 - RFC 4648, standard and URL-safe alphabets. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* Appends the padded standard encoding of bytes. */
void base64_encode(struct buf *out, struct str bytes);
/* Appends the decoded bytes; accepts both alphabets, with or without padding, no blanks. */
int base64_decode(struct buf *out, struct str text, struct err *err);

#endif

/* redact - takes credentials out of a call before any part of it reaches a file.
 *
 * Every credential becomes "weir:" and a keyed fingerprint (capture/key), so that two calls made
 * with one key can still be told to be so and the key itself cannot be had back.  What goes:
 *
 *     headers    the rows of a table (redact.c), then any name that ends like a credential's
 *     URLs       user:password@, and query parameters by the same two rules
 *     bodies     only answers and forms whose whole purpose is a credential: realtime client
 *                secrets, OAuth tokens.  Other bodies are left alone.
 *
 * A name the table lists as harmless is kept though it looks like one that is not.
 */
#ifndef CAPTURE_REDACT_H
#define CAPTURE_REDACT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "capture/key.h"
#include "llm/call.h"

#define REDACT_MARK "weir:"

/* The caller's own credential, as seen so far: the best-ranked one wins (an Authorization header
 * before a query parameter).  Zero-initialised is "none yet". */
struct redact_caller {
    char key_id[FINGERPRINT_TEXT_BYTES]; /* "" = none sent */
    int rank;                            /* private: from 1, the lower the better */
};

/* Replaces values in place by strings of arena (or leaves them).  caller may be NULL (an answer's
 * headers say nothing about who called). */
void redact_headers(const struct key *k, struct arena *arena, struct call_header *headers,
                    size_t count, struct redact_caller *caller);
/* True if the value of a header of that name stays as it is, whatever it is. */
bool redact_keeps_header(struct str name);
/* One header's value; as redact_headers. */
struct str redact_header(const struct key *k, struct arena *arena, struct call_header header,
                         struct redact_caller *caller);
/* A query string without its '?', also the body of a form. */
struct str redact_query(const struct key *k, struct arena *arena, struct str query,
                        struct redact_caller *caller);
/* A whole URL or a path with a query: without fragment, user:password@ and credentials. */
struct str redact_url(const struct key *k, struct arena *arena, struct str url,
                      struct redact_caller *caller);

/* True if calls to path (without the query) carry credentials in their bodies. */
bool redact_is_credential_path(struct str path);
/* Appends body without the credentials such a call carries; 0, or -1 with nothing appended when it
 * cannot be read well enough to be sure: then the body must not be kept. */
int redact_body(const struct key *k, struct str body, struct buf *out);

#endif

/* asked - what a request asks for, as far as a policy wants to know: the model and where it says
 * so, whether the answer is to be a stream, and how long it may get.
 *
 * The model is in the body ("model"), or in the path: .../models/MODEL:verb (Gemini, Vertex),
 * .../model/MODEL/verb (Bedrock), .../deployments/MODEL/... (Azure).  Providers read JSON in
 * different ways: of two members "model" some take the first and some the last, some undo escapes
 * in names, some do not mind their case.  A body in which they could read different models is
 * ambiguous, and no rule may be passed by it.
 */
#ifndef PROXY_ASKED_H
#define PROXY_ASKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

struct asked {
    struct str model; /* "" = not said */
    bool is_stream;
    bool is_ambiguous;     /* providers may not agree on what the model is */
    struct str user;       /* whom it is for, as it says; "" = it does not */
    int64_t output_tokens; /* at most, as it says itself; 0 = it does not */
    /* Where the model stands; len 0 = not there. */
    size_t path_at, path_len; /* the segment, or its part before ':' */
    size_t body_at, body_len; /* the JSON string with its quotes */
};

/* path: origin form.  What is decoded lies in arena, the rest in what was given. */
void asked_read_path(struct str path, struct arena *arena, struct asked *ret);
/* body: JSON, whole or its beginning (then what comes later is not known).  A multipart body's
 * field "model" is found, but not rewritten. */
void asked_read_body(struct str body, struct str content_type, struct arena *arena,
                     struct asked *ret);
/* Adds path or body with another model.  False: a model is in it that cannot be replaced. */
bool asked_write_path(const struct asked *a, struct str path, struct str model, struct buf *out);
bool asked_write_body(const struct asked *a, struct str body, struct str model, struct buf *out);

#endif

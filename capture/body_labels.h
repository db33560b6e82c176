/* body_labels - what the body of a request says about its caller, for attribution.
 *
 * OpenAI's and Anthropic's `metadata`, Bedrock's `requestMetadata`, Gemini's `labels`: each member
 * that is a string becomes a label "metadata.NAME".  Not those that name the end user, whom records
 * know by fingerprint only.
 */
#ifndef CAPTURE_BODY_LABELS_H
#define CAPTURE_BODY_LABELS_H

#include <stdbool.h>

#include "base/str.h"

#define BODY_LABEL_PREFIX    "metadata."
#define BODY_LABEL_BYTES_MAX 1024 /* names longer are passed over, values cut */

/* Both are valid during the call only. */
typedef void (*body_label_fn)(void *ctx, struct str name, struct str value);

void body_labels(struct str request_body, body_label_fn fn, void *ctx);
/* Whether a member of metadata is the end user's id. */
bool body_label_is_user(struct str name);

#endif

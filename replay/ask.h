/* ask - a recorded request, asking for another model: what a gateway calls a group, say.
 */
#ifndef REPLAY_ASK_H
#define REPLAY_ASK_H

#include "base/buf.h"
#include "base/str.h"

/* Appends body with model in place of the text that its member "model" is; as it is if it has none,
 * or is no JSON object.  True: it was replaced. */
bool ask_write_body(struct str body, struct str model, struct buf *out);
/* Appends path with model in place of the segment, or what of it is before a colon, behind models/,
 * model/, deployments/ or engines/, as Gemini's, Bedrock's and Azure's paths have it; as it is if
 * there is none. */
void ask_write_path(struct str path, struct str model, struct buf *out);

#endif

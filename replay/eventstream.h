/* eventstream - messages of application/vnd.amazon.eventstream, as Bedrock's streams have them.
 *
 *     length 4, headers' length 4, CRC-32 of both 4, headers, payload, CRC-32 of all before it 4
 */
#ifndef REPLAY_EVENTSTREAM_H
#define REPLAY_EVENTSTREAM_H

#include "base/buf.h"

/* headers are as they are on the wire. */
void eventstream_add(struct buf *out, struct str headers, struct str payload);
/* payload is JSON. */
void eventstream_add_event(struct buf *out, struct str type, struct str payload);
void eventstream_add_exception(struct buf *out, struct str type, struct str payload);

#endif

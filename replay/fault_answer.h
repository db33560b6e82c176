/* fault_answer - pieces of answers in each dialect, for faults that end an answer in another way
 * than the provider did: text, the beginning of a tool call, an end. */
#ifndef REPLAY_FAULT_ANSWER_H
#define REPLAY_FAULT_ANSWER_H

#include "replay/fault.h"

enum fault_finish {
    FAULT_FINISH_STOP,
    FAULT_FINISH_LENGTH, /* too many tokens */
    FAULT_FINISH_FILTER, /* by a content filter */
};

/* An event with that text as content. */
void fault_answer_text(const struct fault_saying *saying, struct str text, struct buf *out);
/* The beginning of a tool call, up to the middle of its arguments' JSON. */
void fault_answer_tool(const struct fault_saying *saying, struct buf *out);
/* The events that end a stream whose text has begun. */
void fault_answer_close(const struct fault_saying *saying, enum fault_finish why, struct buf *out);
/* An answer that is no stream. */
void fault_answer_whole(const struct fault_saying *saying, enum fault_finish why, struct str text,
                        struct buf *out);

#endif

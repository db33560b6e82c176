/* fault_parts - the words of an error, for those that put them on the wire: fault_refusal.c and
 * fault_stream.c alone. */
#ifndef REPLAY_FAULT_PARTS_H
#define REPLAY_FAULT_PARTS_H

#include "replay/fault.h"

/* What is said, with everything that was left open filled in. */
struct fault_telling {
    const struct fault *fault;
    const struct fault_saying *saying;
    enum fault_dialect dialect; /* RESPONSES is OPENAI here */
    int status;
    struct str type, code, param; /* ptr NULL = null */
    struct fault_limit limit;
    struct buf says; /* to be released */
    char request_id[40];
};

void fault_tell(struct fault_telling *t, const struct fault *f, const struct fault_saying *saying);

#endif

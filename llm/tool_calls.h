/* tool_calls - which functions an answer wants called, and with what: whole or from a stream.
 *
 * OpenAI chat and responses, Anthropic messages, Gemini, Bedrock converse, Ollama; told apart by
 * the shape of each event, so that a gateway's rewriting does not matter.
 */
#ifndef LLM_TOOL_CALLS_H
#define LLM_TOOL_CALLS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "llm/framing.h"

#define TOOL_CALLS_MAX 1024 /* of one answer; more are passed over */

struct tool_call {
    struct buf name;
    struct buf arguments; /* JSON; of a stream that broke off, the beginning of it */
    int64_t place;        /* what pieces of a stream belong to; private */
};

struct tool_calls {
    VEC(struct tool_call) list;
};

/* Adds those of one event (one JSON text) of an answer; what is no JSON has none. */
void tool_calls_add_event(struct tool_calls *t, struct str event);
/* Adds those of a whole body.  0, or -1 if its framing is broken: what came before is there. */
int tool_calls_read(struct tool_calls *t, enum framing framing, struct str body, struct err *err);
void tool_calls_release(struct tool_calls *t);
DEFINE_CLEANUP_VALUE(struct tool_calls, tool_calls_release)

#endif

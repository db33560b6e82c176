/* read_ollama - the native API: counts are in the last object, the one that says done. */
#include "config.h"

#include "llm/read_macros.h"

static const struct member message_rows[] = { CALL("tool_calls", count_tool_calls, 1) };
static const struct members message_members = MEMBERS(message_rows);

static const struct member ollama_rows[] = {
    TEXT("model", MODEL),        OBJECT("message", message_members), FLAG("done", DONE),
    TEXT("done_reason", FINISH), COUNT("prompt_eval_count", INPUT),  COUNT("eval_count", OUTPUT),
    ERROR_MEMBER("error"),
};
static const struct members ollama_members = MEMBERS(ollama_rows);

/* Absent when the whole prompt was in the cache of the model runner, so it is not zero. */
static void end_ollama(struct reading *r)
{
    if (counts_has(&r->counts, USAGE_OUTPUT) && !counts_has(&r->counts, USAGE_INPUT))
        reading_note(r, "prompt_eval_count is missing: input unknown");
}

const struct wire wire_ollama = {
    .name = "ollama",
    .top = &ollama_members,
    .end = end_ollama,
    .ends_with_event = true,
};

/* read_cohere - chat (v1, v2), generate, embed and rerank.  Billed units beat tokens: a prompt's
 * framing is counted in `tokens` and not billed. */
#include "config.h"

#include "llm/read_macros.h"

static const struct member message_rows[] = { CALL("tool_calls", count_tool_calls, 0) };
static const struct members message_members = MEMBERS(message_rows);

static const struct member delta_rows[] = {
    TEXT("finish_reason", FINISH),
    USAGE("usage"),
    TEXT("error", ERROR_MESSAGE),
};
static const struct members delta_members = MEMBERS(delta_rows);

#define CHAT_ROWS                                                                                  \
    TEXT("id", ID), TEXT("response_id", ID), TEXT("finish_reason", FINISH), USAGE("usage"),        \
        USAGE("meta"), OBJECT("message", message_members)

static const struct member response_rows[] = { CHAT_ROWS };
static const struct members response_members = MEMBERS(response_rows);

static const struct member cohere_rows[] = {
    EVENT_TYPE("type"),
    EVENT_TYPE("event_type"),
    OBJECT("delta", delta_members),
    OBJECT("response", response_members), /* v1 stream-end */
    FLAG("is_finished", DONE),
    TEXT("model", MODEL),
    ERROR_MEMBER("error"),
    CHAT_ROWS,
};
static const struct members cohere_members = MEMBERS(cohere_rows);

static void end_cohere_event(struct reading *r)
{
    if (str_eq(r->event_type, STR("message-end")) || str_eq(r->event_type, STR("stream-end")))
        r->flags |= READING_DONE;
    if (r->event_counts.present || r->event_counts.bad)
        r->counts = r->event_counts;
}

const struct wire wire_cohere = {
    .name = "cohere",
    .top = &cohere_members,
    .event_end = end_cohere_event,
    .ends_with_event = true,
};

/* read_anthropic - Messages, also on Vertex, and the text completions before them. */
#include "config.h"

#include "llm/read_macros.h"

/* A content block: tool_use is a function of the application's; server tools are in the usage. */
static void read_block(struct reading *r, struct jscan *s, int arg)
{
    struct str key, type = { 0 };

    (void)arg;
    if (!jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key))
        if (!str_eq(key, STR("type")))
            repeat_pass(r, s);
        else if (jscan_peek(s) == JSCAN_STRING)
            jscan_string_raw(s, &type, NULL);
    if (str_eq(type, STR("tool_use")))
        counts_add(&r->tools, USAGE_TOOL_CALLS, 1);
}

static void read_content(struct reading *r, struct jscan *s, int arg)
{
    if (!jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_element(s))
        read_block(r, s, arg);
}

static const struct member delta_rows[] = { TEXT("stop_reason", FINISH) };
static const struct members delta_members = MEMBERS(delta_rows);

#define MESSAGE_ROWS                                                                               \
    TEXT("id", ID), TEXT("model", MODEL), USAGE("usage"), TEXT("stop_reason", FINISH),             \
        CALL("content", read_content, 0)

static const struct member message_rows[] = { MESSAGE_ROWS };
static const struct members message_members = MEMBERS(message_rows);

static const struct member messages_rows[] = {
    EVENT_TYPE("type"),
    OBJECT("message", message_members),
    OBJECT("delta", delta_members),
    CALL("content_block", read_block, 0),
    ERROR_MEMBER("error"),
    MESSAGE_ROWS,
};
static const struct members messages_members = MEMBERS(messages_rows);

/* message_start has the input side and a placeholder for the output; message_delta is cumulative
 * and repeats the input side or not: field by field, what came last stands. */
static void end_messages_event(struct reading *r)
{
    if (str_eq(r->event_type, STR("message_start")) || str_eq(r->event_type, STR("message"))) {
        r->counts = r->event_counts;
        return;
    }
    if (str_eq(r->event_type, STR("message_stop")))
        r->flags |= READING_DONE;
    if (str_eq(r->event_type, STR("error")))
        r->flags |= READING_ERROR_EVENT;
    counts_overlay(&r->counts, &r->event_counts);
}

/* Text and keep-alives hold nothing we read, and are most of a stream. */
static void take_messages_event(struct reading *r, const struct framing_event *event)
{
    if (!str_eq(event->name, STR("content_block_delta")) && !str_eq(event->name, STR("ping")) &&
        !str_eq(event->name, STR("content_block_stop")))
        read_event_json(r, event->data);
}

const struct wire wire_messages = {
    .name = "messages",
    .top = &messages_members,
    .event_end = end_messages_event,
    .event = take_messages_event,
    .ends_with_event = true,
    .has_shapes = true,
};

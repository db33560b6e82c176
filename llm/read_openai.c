/* read_openai - chat completions and their many copies, Responses, images and speech. */
#include "config.h"

#include "llm/read_macros.h"

/* --- chat, text completions, embeddings, OCR --- */

static const struct member message_rows[] = { CALL("tool_calls", count_tool_calls, 0) };
static const struct members message_members = MEMBERS(message_rows);

static const struct member choice_rows[] = {
    TEXT("finish_reason", FINISH),      OBJECT("delta", message_members),
    OBJECT("message", message_members), USAGE("usage"), /* Moonshot streams */
    MARK("stop_reason", VLLM),
};
static const struct members choice_members = MEMBERS(choice_rows);

static const struct member breakdown_rows[] = { CALL("models", read_parts, 0) };
static const struct members breakdown_members = MEMBERS(breakdown_rows);

static void mark_groq(struct reading *r, struct jscan *s, int arg)
{
    static const struct member rows[] = {
        USAGE("usage"),
        OBJECT("usage_breakdown", breakdown_members),
        ERROR_MEMBER("error"),
    };
    static const struct members members = MEMBERS(rows);

    (void)arg;
    r->flags |= READING_GROQ;
    read_members(r, s, &members);
}

static const struct member chat_rows[] = {
    TEXT("id", ID),
    EVENT_OBJECT("object"),
    TEXT("model", MODEL),
    EACH("choices", choice_members),
    USAGE("usage"),
    TEXT("service_tier", TIER),
    ERROR_MEMBER("error"),
    CALL("x_groq", mark_groq, 0),
    OBJECT("usage_breakdown", breakdown_members),
    OBJECT("usage_info", usage_members), /* Mistral OCR */
    MARK("kv_transfer_params", VLLM),
    MARK("prompt_logprobs", VLLM),
};
static const struct members chat_members = MEMBERS(chat_rows);

const struct wire wire_chat = {
    .name = "chat",
    .top = &chat_members,
    .ends_with_event = true,
    .repeats = true,
    .has_shapes = true,
};

/* --- images and audio --- */

static const struct member media_rows[] = {
    EVENT_TYPE("type"),
    TEXT("id", ID),
    TEXT("model", MODEL),
    USAGE("usage"),
    CALL("data", count_images, 0),
    TEXT("size", SIZE),
    TEXT("quality", QUALITY),
    TEXT("duration", SECONDS), /* verbose_json transcriptions, whose older answers lack usage */
    TEXT("service_tier", TIER),
    ERROR_MEMBER("error"),
};
static const struct members media_members = MEMBERS(media_rows);

static void end_media_event(struct reading *r)
{
    struct str type = r->event_type;

    if (str_ends_with(type, STR(".completed")) || str_ends_with(type, STR(".done")))
        r->flags |= READING_DONE;
    if (str_starts_with(type, STR("image_")) && str_ends_with(type, STR(".completed")))
        r->images++;
    if (r->event_counts.present || r->event_counts.bad)
        r->counts = r->event_counts;
}

const struct wire wire_media = {
    .name = "media",
    .top = &media_members,
    .event_end = end_media_event,
    .ends_with_event = true,
};

/* --- Responses --- */

/* Tools that cost a fee of their own.  Of web searches only the search itself is charged, not the
 * pages opened in its course (OpenAI, "Web search", 2026-08). */
static const struct {
    struct str type;
    enum usage_unit unit;
} tool_fees[] = {
    {STR_INIT("function_call"),          USAGE_TOOL_CALLS   },
    { STR_INIT("custom_tool_call"),      USAGE_TOOL_CALLS   },
    { STR_INIT("web_search_call"),       USAGE_WEB_SEARCHES },
    { STR_INIT("file_search_call"),      USAGE_FILE_SEARCHES},
    { STR_INIT("code_interpreter_call"), USAGE_CODE_SESSIONS},
    { STR_INIT("image_generation_call"), USAGE_IMAGES       },
};

struct output_item {
    struct str type, action, container;
};

static void read_action(struct jscan *s, struct str *ret)
{
    struct str key;

    if (!jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key))
        if (str_eq(key, STR("type")) && jscan_peek(s) == JSCAN_STRING)
            jscan_string_raw(s, ret, NULL);
}

/* A container serves many calls and is charged once. */
static bool is_new_container(struct reading *r, struct str id)
{
    if (!id.len)
        return true;
    for (size_t i = 0; i < r->container_count; i++)
        if (str_eq(r->containers[i], id))
            return false;
    if (r->container_count < ARRAY_LEN(r->containers))
        r->containers[r->container_count++] = arena_str(r->arena, id);
    return true;
}

static void count_item(struct reading *r, const struct output_item *item)
{
    for (size_t i = 0; i < ARRAY_LEN(tool_fees); i++) {
        enum usage_unit unit = tool_fees[i].unit;
        if (!str_eq(tool_fees[i].type, item->type))
            continue;
        if (unit == USAGE_WEB_SEARCHES && item->action.len && !str_eq(item->action, STR("search")))
            return;
        if (unit == USAGE_CODE_SESSIONS && !is_new_container(r, item->container))
            return;
        counts_add(&r->tools, (int)unit, 1);
        return;
    }
}

static void read_item(struct reading *r, struct jscan *s)
{
    struct output_item item = { 0 };
    struct str key;

    if (!jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key)) {
        if (str_eq(key, STR("action"))) {
            read_action(s, &item.action);
            continue;
        }
        struct str *to = str_eq(key, STR("type"))           ? &item.type
                         : str_eq(key, STR("container_id")) ? &item.container
                                                            : NULL;
        if (!to)
            repeat_pass(r, s);
        else if (jscan_peek(s) == JSCAN_STRING)
            jscan_string_raw(s, to, NULL);
    }
    count_item(r, &item);
}

/* Each event carries the whole output so far: the last one counts. */
static void read_output(struct reading *r, struct jscan *s, int arg)
{
    (void)arg;
    if (!jscan_enter_array(s)) {
        jscan_skip(s);
        return;
    }
    r->tools = (struct counts){ 0 };
    r->container_count = 0;
    while (jscan_next_element(s))
        read_item(r, s);
}

static void read_web_requests(struct reading *r, struct jscan *s, int arg)
{
    const char *why;
    int64_t n;

    (void)arg;
    if (take_count(s, &n, &why) > 0)
        counts_set(&r->image_tool, USAGE_WEB_SEARCHES, n);
}

static const struct member web_search_rows[] = { CALL("num_requests", read_web_requests, 0) };
static const struct members web_search_members = MEMBERS(web_search_rows);

/* Tokens of the image model, which `usage` leaves out. */
static void read_image_gen(struct reading *r, struct jscan *s, int arg)
{
    struct counts whole = r->event_counts;

    r->event_counts = (struct counts){ 0 };
    read_usage(r, s, arg);
    counts_overlay(&r->image_tool, &r->event_counts);
    r->flags |= READING_TOOL_USAGE;
    r->event_counts = whole;
}

static const struct member tool_usage_rows[] = {
    CALL("image_gen", read_image_gen, 0),
    OBJECT("web_search", web_search_members),
};
static const struct members tool_usage_members = MEMBERS(tool_usage_rows);

static const struct member tool_rows[] = { TEXT("model", IMAGE_MODEL) };
static const struct members tool_members = MEMBERS(tool_rows);

static const struct member incomplete_rows[] = { TEXT("reason", FINISH) };
static const struct members incomplete_members = MEMBERS(incomplete_rows);

#define RESPONSE_ROWS                                                                              \
    TEXT("id", ID), EVENT_OBJECT("object"), TEXT("model", MODEL), TEXT("status", STATUS),          \
        USAGE("usage"), TEXT("service_tier", TIER), CALL("output", read_output, 0),                \
        EACH("tools", tool_members), FLAG("background", BACKGROUND), ERROR_MEMBER("error"),        \
        OBJECT("incomplete_details", incomplete_members), OBJECT("tool_usage", tool_usage_members)

static const struct member response_rows[] = { RESPONSE_ROWS };
static const struct members response_members = MEMBERS(response_rows);

static const struct member responses_rows[] = {
    EVENT_TYPE("type"),
    OBJECT("response", response_members),
    TEXT("code", ERROR_CODE), /* of an error event */
    TEXT("message", ERROR_MESSAGE),
    RESPONSE_ROWS,
};
static const struct members responses_members = MEMBERS(responses_rows);

static void end_responses_event(struct reading *r)
{
    static const struct str last[] = {
        STR_INIT("response.completed"),
        STR_INIT("response.incomplete"),
        STR_INIT("response.failed"),
    };

    for (size_t i = 0; i < ARRAY_LEN(last); i++)
        if (str_eq(r->event_type, last[i]))
            r->flags |= READING_DONE;
    if (str_eq(r->event_type, STR("error")))
        r->flags |= READING_ERROR_EVENT;
    if (r->event_counts.present || r->event_counts.bad)
        r->counts = r->event_counts;
}

/* Events between the first and the last carry text only. */
static void take_responses_event(struct reading *r, const struct framing_event *event)
{
    bool is_delta = str_ends_with(event->name, STR(".delta")) ||
                    str_ends_with(event->name, STR(".in_progress"));

    if (!is_delta)
        read_event_json(r, event->data);
}

static bool is_unfinished(struct str status)
{
    return str_eq(status, STR("queued")) || str_eq(status, STR("in_progress")) ||
           str_eq(status, STR("requires_action")) || str_eq(status, STR("cancelling"));
}

static void end_responses(struct reading *r)
{
    if (!is_unfinished(r->text[SLOT_STATUS]) || r->flags & READING_STREAM)
        return;
    r->facts->billable = false;
    reading_note(r, "the response is not finished: billed when it is");
}

const struct wire wire_responses = {
    .name = "responses",
    .top = &responses_members,
    .event_end = end_responses_event,
    .event = take_responses_event,
    .end = end_responses,
    .ends_with_event = true,
    .has_shapes = true,
};

/* --- assistants: runs --- */

static const struct member submit_rows[] = { CALL("tool_calls", count_tool_calls, 0) };
static const struct members submit_members = MEMBERS(submit_rows);
static const struct member action_rows[] = { OBJECT("submit_tool_outputs", submit_members) };
static const struct members action_members = MEMBERS(action_rows);

static const struct member run_rows[] = {
    TEXT("id", ID),
    TEXT("model", MODEL),
    TEXT("status", STATUS),
    USAGE("usage"),
    ERROR_MEMBER("last_error"),
    ERROR_MEMBER("error"),
    OBJECT("required_action", action_members),
    OBJECT("incomplete_details", incomplete_members),
};
static const struct members run_members = MEMBERS(run_rows);

/* Steps carry usage too, of which the run's is the sum. */
static void take_run_event(struct reading *r, const struct framing_event *event)
{
    struct str name = event->name;

    if (str_eq(name, STR("error")))
        r->flags |= READING_ERROR_EVENT;
    if (name.len && !str_eq(name, STR("error")) &&
        (!str_starts_with(name, STR("thread.run.")) ||
         str_starts_with(name, STR("thread.run.step."))))
        return;
    read_event_json(r, event->data);
    if (name.len && !is_unfinished(r->text[SLOT_STATUS]))
        r->flags |= READING_DONE;
}

/* Every poll of a finished run repeats its usage; whoever sums must drop repeats of one run id. */
static void end_run(struct reading *r)
{
    if (!r->counts.present && r->call->response_body.len) {
        r->facts->billable = false;
        reading_note(r, "the run is not finished: billed when it is");
    }
}

const struct wire wire_assistants = {
    .name = "assistants",
    .top = &run_members,
    .event = take_run_event,
    .end = end_run,
};

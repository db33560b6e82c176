#include "config.h"

#include "llm/tool_calls.h"

#include "base/json.h"

/* Pieces of one call have one place: which choice, which block. */
#define PLACE(choice, index) ((int64_t)(choice)*65536 + (int64_t)(index))

static struct tool_call *call_at(struct tool_calls *t, int64_t place)
{
    for (size_t i = t->list.len; i-- > 0;)
        if (t->list.ptr[i].place == place)
            return &t->list.ptr[i];
    return NULL;
}

static struct tool_call *add_call(struct tool_calls *t, int64_t place)
{
    if (t->list.len == TOOL_CALLS_MAX)
        return NULL;
    vec_push(&t->list, (struct tool_call){ .place = place });
    return &t->list.ptr[t->list.len - 1];
}

/* An object as its JSON, a string as it is. */
static void add_arguments(struct tool_call *c, const json_t *value)
{
    if (json_is_string(value)) {
        buf_add(&c->arguments, json_string_value(value), json_string_length(value));
    } else if (value && !json_is_null(value)) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
        buf_add_text(&c->arguments, text ? text : "");
        free(text);
    }
}

/* One that is there whole. */
static void add_whole(struct tool_calls *t, const json_t *named, const char *arguments)
{
    struct str name = json_get_str(named, "name");
    struct tool_call *c = name.ptr ? add_call(t, -1) : NULL;

    if (!c)
        return;
    buf_add_str(&c->name, name);
    add_arguments(c, json_get(named, arguments));
}

static void add_piece(struct tool_calls *t, int64_t place, const json_t *name,
                      const json_t *arguments)
{
    struct tool_call *c = call_at(t, place);

    if (!c)
        c = add_call(t, place);
    if (!c)
        return;
    if (json_is_string(name) && !c->name.len)
        buf_add(&c->name, json_string_value(name), json_string_length(name));
    add_arguments(c, arguments);
}

/* --- the shapes --- */

/* message.tool_calls[].function of OpenAI and Ollama. */
static void add_message(struct tool_calls *t, const json_t *message)
{
    size_t i;
    const json_t *call;

    json_array_foreach(json_get(message, "tool_calls"), i, call)
        add_whole(t, json_get(call, "function"), "arguments");
}

static void add_choices(struct tool_calls *t, const json_t *event)
{
    size_t i, k;
    const json_t *choice, *call;

    json_array_foreach(json_get(event, "choices"), i, choice)
    {
        add_message(t, json_get(choice, "message"));
        json_int_t number = json_integer_value(json_get(choice, "index"));
        json_array_foreach(json_get(json_get(choice, "delta"), "tool_calls"), k, call)
        {
            const json_t *index = json_get(call, "index"), *f = json_get(call, "function");
            json_int_t at = json_is_integer(index) ? json_integer_value(index) : (json_int_t)k;
            add_piece(t, PLACE(number, at), json_get(f, "name"), json_get(f, "arguments"));
        }
    }
}

static bool is_type(const json_t *of, const char *type)
{
    return str_eq(json_get_str(of, "type"), str_from(type));
}

/* Anthropic: whole messages and the blocks of a stream. */
static void add_blocks(struct tool_calls *t, const json_t *event)
{
    const json_t *block = json_get(event, "content_block"), *delta = json_get(event, "delta");
    int64_t place = PLACE(0, json_integer_value(json_get(event, "index")));
    size_t i;
    const json_t *part;

    json_array_foreach(json_get(event, "content"), i, part) if (is_type(part, "tool_use"))
        add_whole(t, part, "input");
    if (is_type(block, "tool_use")) { /* its input comes in pieces, and begins as {} */
        struct tool_call *c = add_call(t, place);
        struct str name = json_get_str(block, "name");
        if (c)
            buf_add_str(&c->name, name.ptr ? name : STR(""));
    }
    if (is_type(delta, "input_json_delta"))
        add_piece(t, place, NULL, json_get(delta, "partial_json"));
}

/* OpenAI responses: items are whole when they are done; response.completed repeats them. */
static void add_items(struct tool_calls *t, const json_t *event)
{
    size_t i;
    const json_t *item;

    if (is_type(event, "response.output_item.done") &&
        is_type(json_get(event, "item"), "function_call"))
        add_whole(t, json_get(event, "item"), "arguments");
    json_array_foreach(json_get(event, "output"), i, item) if (is_type(item, "function_call"))
        add_whole(t, item, "arguments");
}

static void add_candidates(struct tool_calls *t, const json_t *event)
{
    size_t i, k;
    const json_t *candidate, *part;

    json_array_foreach(json_get(event, "candidates"), i, candidate)
        json_array_foreach(json_get(json_get(candidate, "content"), "parts"), k, part)
            add_whole(t, json_get(part, "functionCall"), "args");
}

static void add_converse(struct tool_calls *t, const json_t *event)
{
    const json_t *content = json_get(json_get(json_get(event, "output"), "message"), "content");
    const json_t *start = json_get(json_get(event, "start"), "toolUse"),
                 *delta = json_get(json_get(event, "delta"), "toolUse");
    int64_t place = PLACE(0, json_integer_value(json_get(event, "contentBlockIndex")));
    size_t i;
    const json_t *part;

    json_array_foreach(content, i, part) add_whole(t, json_get(part, "toolUse"), "input");
    if (json_is_object(start))
        add_piece(t, place, json_get(start, "name"), NULL);
    if (json_is_object(delta))
        add_piece(t, place, NULL, json_get(delta, "input"));
}

void tool_calls_add_event(struct tool_calls *t, struct str event)
{
    CLEANUP(json_decref) json_t *e = NULL;
    struct err err;

    if (json_parse(event, &e, &err) < 0 || !json_is_object(e))
        return;
    add_choices(t, e);
    add_message(t, json_get(e, "message"));
    add_blocks(t, e);
    add_items(t, e);
    add_candidates(t, e);
    add_converse(t, e);
}

static int on_event(void *ctx, const struct framing_event *event, struct err *err)
{
    (void)err;
    tool_calls_add_event(ctx, event->data);
    return 0;
}

int tool_calls_read(struct tool_calls *t, enum framing framing, struct str body, struct err *err)
{
    CLEANUP(framer_free) struct framer *f = framer_new(framing, on_event, t);
    bool cut;

    if (framer_feed(f, body, err) < 0 || framer_finish(f, &cut, err) < 0)
        return -1;
    return 0;
}

void tool_calls_release(struct tool_calls *t)
{
    for (size_t i = 0; i < t->list.len; i++) {
        buf_release(&t->list.ptr[i].name);
        buf_release(&t->list.ptr[i].arguments);
    }
    vec_release(&t->list);
}

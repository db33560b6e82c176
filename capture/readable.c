#include "config.h"

#include "capture/readable.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/map.h"
#include "llm/framing.h"

#define JSON_BYTES_MAX (64u << 20) /* laid out only up to here: the tree takes 20 times that */

/* Where streams carry the text that adds up to the answer: a path of member names, '*' for every
 * element.  guard: a member that must have that value, since elsewhere the same path repeats the
 * whole. */
static const struct delta {
    const char *path;
    const char *guard, *value; /* value ending in '*' is a prefix, beginning with it a suffix */
} deltas[] = {
    {"choices.*.delta.reasoning_content",                NULL,         NULL             }, /* DeepSeek, vLLM */
    { "choices.*.delta.reasoning",                       NULL,         NULL             }, /* OpenRouter, Groq */
    { "choices.*.delta.content",                         NULL,         NULL             },
    { "choices.*.delta.tool_calls.*.function.arguments", NULL,         NULL             },
    { "choices.*.text",                                  NULL,         NULL             },
    { "delta",                                           "type",       "*.delta"        }, /* OpenAI responses */
    { "delta.thinking",                                  NULL,         NULL             },
    { "delta.text",                                      NULL,         NULL             }, /* Anthropic, Bedrock converse */
    { "delta.partial_json",                              NULL,         NULL             },
    { "delta.reasoningContent.text",                     NULL,         NULL             },
    { "delta.toolUse.input",                             NULL,         NULL             },
    { "delta.message.content.text",                      NULL,         NULL             }, /* Cohere v2 */
    { "text",                                            "event_type", "text-generation"}, /* Cohere v1 */
    { "candidates.*.content.parts.*.text",               NULL,         NULL             },
    { "message.content",                                 "done",       NULL             }, /* Ollama chat */
    { "response",                                        "done",       NULL             }, /* Ollama generate */
    { "outputText",                                      NULL,         NULL             }, /* Bedrock invoke: Titan */
    { "generation",                                      NULL,         NULL             }, /* Llama */
    { "outputs.*.text",                                  NULL,         NULL             }, /* Mistral */
    { "completion",                                      NULL,         NULL             }, /* Anthropic legacy */
};

static void add_text(struct buf *out, struct str text)
{
    size_t from = out->len;

    json_add_string(out, text); /* escapes, and repairs UTF-8 */
    /* Back to what a reader wants: no quotes, and the escapes that are harmless undone. */
    size_t to = from;
    for (size_t at = from + 1; at + 1 < out->len; at++) {
        char c = out->ptr[at];
        if (c == '\\' && strchr("nt\"\\", out->ptr[at + 1])) {
            c = out->ptr[++at];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        out->ptr[to++] = c;
    }
    out->len = to;
}

/* U+0080 to U+009F are control characters too (8-bit CSI and such), and so is DEL. */
static bool is_c1(struct str text, size_t at)
{
    return text.ptr[at] == '\xc2' && at + 1 < text.len && (text.ptr[at + 1] & '\xe0') == '\x80';
}

void readable_text(struct str text, struct buf *out)
{
    size_t clean = 0;

    for (size_t at = 0; at < text.len; at++) {
        if (text.ptr[at] != '\x7f' && !is_c1(text, at))
            continue;
        add_text(out, str_sub(text, clean, at - clean));
        bool wide = text.ptr[at] != '\x7f';
        buf_addf(out, "\\u%04x", wide ? (unsigned char)text.ptr[at + 1] : 0x7fu);
        at += wide;
        clean = at + 1;
    }
    add_text(out, str_sub(text, clean, SIZE_MAX));
}

static void end_line(struct buf *out)
{
    if (out->len && out->ptr[out->len - 1] != '\n')
        buf_add_byte(out, '\n');
}

static bool add_json(struct str body, struct buf *out)
{
    CLEANUP(json_decref) json_t *doc = NULL;
    struct err ignored;

    if (body.len > JSON_BYTES_MAX || json_parse(body, &doc, &ignored) < 0)
        return false;
    char *text = json_dumps(doc, JSON_INDENT(2) | JSON_ENCODE_ANY);
    if (!text)
        return false;
    readable_text(str_from(text), out);
    free(text);
    return true;
}

static bool is_text(struct str body)
{
    return str_find_char(str_sub(body, 0, 4096), '\0', 0) < 0;
}

/* A stream being put together. */
struct stream {
    struct buf *out;
    struct map kinds; /* of events, counted */
    bool events;      /* show each instead of putting them together */
    bool has_text;
};

static bool guard_holds(const json_t *event, const struct delta *d)
{
    struct str have, want = str_from(d->value);

    if (!d->guard)
        return true;
    if (!d->value)
        return json_object_get(event, d->guard) != NULL;
    have = json_get_str(event, d->guard);
    if (want.len && want.ptr[0] == '*')
        return str_ends_with(have, str_sub(want, 1, SIZE_MAX));
    return str_eq(have, want);
}

static void add_delta(struct stream *s, const json_t *value, struct str path)
{
    struct str name;

    if (!path.len) {
        if (json_is_string(value)) {
            readable_text((struct str){ json_string_value(value), json_string_length(value) },
                          s->out);
            s->has_text = true;
        }
        return;
    }
    str_split(&path, '.', &name);
    if (str_eq(name, STR("*"))) {
        for (size_t i = 0; i < json_array_size(value); i++)
            add_delta(s, json_array_get(value, i), path);
        return;
    }
    char *key = mem_strndup(name.ptr, name.len);
    const json_t *next = json_get(value, key);
    free(key);
    if (next)
        add_delta(s, next, path);
}

/* Bedrock invoke wraps a model's own events: {"bytes": base64}. */
static void unwrap(json_t **event)
{
    CLEANUP(buf_release) struct buf inner = { 0 };
    struct str wrapped = json_get_str(*event, "bytes");
    json_t *doc = NULL;
    struct err ignored;

    if (!wrapped.ptr || base64_decode(&inner, wrapped, &ignored) < 0 ||
        json_parse(buf_str(&inner), &doc, &ignored) < 0)
        return;
    json_decref(*event);
    *event = doc;
}

static struct str kind_of(const json_t *event, const struct framing_event *e)
{
    struct str kind = e->name;

    if (!kind.len)
        kind = json_get_str(event, "type");
    if (!kind.len)
        kind = json_get_str(event, "object");
    if (!kind.len && !event) /* "[DONE]" */
        kind = e->data;
    return kind.len ? kind : STR("event");
}

static int on_event(void *ctx, const struct framing_event *e, struct err *err)
{
    CLEANUP(json_decref) json_t *event = NULL;
    struct stream *s = ctx;
    struct err ignored;

    (void)err;
    if (json_parse(e->data, &event, &ignored) == 0)
        unwrap(&event);
    map_put(&s->kinds, str_sub(kind_of(event, e), 0, 60), NULL)->value++;
    if (s->events) {
        buf_addf(s->out, "%llu ", (unsigned long long)e->index);
        if (e->name.len) {
            readable_text(e->name, s->out);
            buf_add_byte(s->out, ' ');
        }
        readable_text(e->data, s->out);
        end_line(s->out);
        return 0;
    }
    for (size_t i = 0; event && i < ARRAY_LEN(deltas); i++)
        if (guard_holds(event, &deltas[i]))
            add_delta(s, event, str_from(deltas[i].path));
    return 0;
}

static void add_stream(enum framing framing, struct str body, bool events, struct buf *out)
{
    struct stream s = { .out = out, .events = events };
    CLEANUP(framer_free) struct framer *framer = framer_new(framing, on_event, &s);
    struct err err;
    bool cut = false;
    int r = framer_feed(framer, body, &err);

    if (r == 0)
        r = framer_finish(framer, &cut, &err);
    if (s.has_text)
        end_line(out);
    buf_add_text(out, "[");
    for (size_t i = 0; i < s.kinds.len; i++) {
        buf_addf(out, "%s%llu x ", i ? ", " : "", (unsigned long long)s.kinds.entries[i].value);
        readable_text(s.kinds.entries[i].key, out);
    }
    buf_addf(out, "%s%s]\n", s.kinds.len ? "" : "no events", cut ? "; cut within an event" : "");
    if (r < 0)
        buf_addf(out, "[%s]\n", err.text);
    map_release(&s.kinds);
}

void readable_body(struct str content_type, struct str body, bool events, struct buf *out)
{
    enum framing framing = framing_guess(content_type, body);

    if (framing == FRAMING_JSON && add_json(body, out)) {
        end_line(out);
    } else if (framing == FRAMING_OPAQUE || framing == FRAMING_JSON) {
        if (is_text(body))
            readable_text(body, out);
        else
            buf_addf(out, "[%zu bytes that are no text]", body.len);
        end_line(out);
    } else {
        add_stream(framing, body, events, out);
    }
}

#include "config.h"

#include "llm/content.h"

#include <string.h>

#include "base/base64.h"
#include "base/jfind.h"

#define GUESS_BYTES 1024

bool content_unwrap(const struct framing_event *e, struct buf *out)
{
    struct str encoded = jfind_word(e->data, "bytes");
    struct err err;

    return !e->is_exception && encoded.len && base64_decode(out, encoded, &err) == 0;
}

/* A type begins with a dot: it must end so. */
static const struct content {
    enum api api;
    const char *type; /* "" = any */
    const char *path;
} contents[] = {
    {API_CHAT,              "",                           "choices[].delta.content"                         },
    { API_CHAT,             "",                           "choices[].delta.reasoning_content"               },
    { API_CHAT,             "",                           "choices[].delta.reasoning"                       },
    { API_CHAT,             "",                           "choices[].delta.tool_calls"                      },
    { API_CHAT,             "",                           "choices[].delta.function_call"                   },
    { API_CHAT,             "",                           "choices[].delta.refusal"                         },
    { API_CHAT,             "",                           "choices[].delta.audio"                           },
    { API_CHAT,             "",                           "choices[].delta.images"                          },
    { API_CHAT,             "",                           "choices[].message.content"                       },
    { API_CHAT,             "",                           "choices[].message.tool_calls"                    },
    { API_COMPLETIONS,      "",                           "choices[].text"                                  },
    { API_RESPONSES,        ".delta",                     "delta"                                           },
    { API_RESPONSES,        ".partial_image",             "partial_image_b64"                               },
    { API_RESPONSES,        "response.output_item.added", "item.name"                                       },
    { API_RESPONSES,        "response.output_item.done",  "item"                                            },
    { API_RESPONSES,        "response.completed",         "response.output"                                 },
    { API_MESSAGES,         "content_block_delta",        "delta.text"                                      },
    { API_MESSAGES,         "content_block_delta",        "delta.thinking"                                  },
    { API_MESSAGES,         "content_block_delta",        "delta.partial_json"                              },
    { API_MESSAGES,         "content_block_delta",        "delta.citation"                                  },
    { API_MESSAGES,         "content_block_start",        "content_block.text"                              },
    { API_MESSAGES,         "content_block_start",        "content_block.name"                              },
    { API_MESSAGES,         "content_block_start",        "content_block.data"                              },
    { API_MESSAGES,         "content_block_start",        "content_block.tool_use_id"                       },
    { API_COMPLETE,         "",                           "completion"                                      },
    { API_GENERATE_CONTENT, "",                           "candidates[].content.parts[].text"               },
    { API_GENERATE_CONTENT, "",                           "candidates[].content.parts[].functionCall"       },
    { API_GENERATE_CONTENT, "",                           "candidates[].content.parts[].inlineData"         },
    { API_GENERATE_CONTENT, "",                           "candidates[].content.parts[].executableCode"     },
    { API_GENERATE_CONTENT, "",                           "candidates[].content.parts[].codeExecutionResult"},
    { API_CONVERSE,         "contentBlockDelta",          "delta.text"                                      },
    { API_CONVERSE,         "contentBlockDelta",          "delta.toolUse.input"                             },
    { API_CONVERSE,         "contentBlockDelta",          "delta.reasoningContent"                          },
    { API_CONVERSE,         "contentBlockStart",          "start.toolUse"                                   },
    { API_OLLAMA_CHAT,      "",                           "message.content"                                 },
    { API_OLLAMA_CHAT,      "",                           "message.thinking"                                },
    { API_OLLAMA_CHAT,      "",                           "message.tool_calls"                              },
    { API_OLLAMA_GENERATE,  "",                           "response"                                        },
    { API_OLLAMA_GENERATE,  "",                           "thinking"                                        },
    { API_COHERE_CHAT,      "content-delta",              "delta.message.content"                           },
    { API_COHERE_CHAT,      "tool-plan-delta",            "delta.message.tool_plan"                         },
    { API_COHERE_CHAT,      "tool-call-start",            "delta.message.tool_calls"                        },
    { API_COHERE_CHAT,      "",                           "text"                                            },
};

static bool is_type(struct str type, const char *wanted)
{
    if (*wanted == '.')
        return str_ends_with(type, str_from(wanted));
    return !*wanted || str_eq(type, str_from(wanted));
}

/* What the event calls itself, else how it is framed. */
static struct str type_of(const struct framing_event *e)
{
    struct str type = jfind_word(e->data, "type");

    return type.len ? type : e->name;
}

/* Whether the last name of a path is anywhere in it: reading is dear, and most are not. */
static bool may_be_at(struct str json, const char *path)
{
    const char *dot = strrchr(path, '.');

    return str_find(json, str_from(dot ? dot + 1 : path), 0) >= 0;
}

static bool has_content(enum api api, const struct framing_event *e)
{
    bool is_known = false;

    for (size_t i = 0; i < ARRAY_LEN(contents); i++) {
        const struct content *c = &contents[i];
        if (c->api != api)
            continue;
        is_known = true;
        if (may_be_at(e->data, c->path) && (!*c->type || is_type(type_of(e), c->type)) &&
            jfind_something(e->data, c->path))
            return true;
    }
    return !is_known && !str_eq(type_of(e), STR("ping"));
}

/* The vendors' streams within Bedrock's: told by their shape. */
static bool inner_has_content(struct str json)
{
    static const char *const paths[] = {
        "delta.text",
        "delta.thinking",
        "delta.partial_json",
        "content_block.name",
        "contentBlockDelta.delta.text",
        "contentBlockDelta.delta.reasoningContent",
        "contentBlockDelta.delta.toolUse",
        "generation", /* Nova; Llama */
        "outputs[].text",
        "text",
        "outputText", /* Mistral, Cohere, Titan */
        "choices[].delta.content",
        "choices[].text",
        "choices[].message.content",
        "completion",
    };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (jfind_something(json, paths[i]))
            return true;
    return false;
}

bool content_is_in(enum api api, const struct framing_event *event)
{
    CLEANUP(buf_release) struct buf inner = { 0 };

    if (event->is_exception || !event->data.len || str_eq(event->data, STR("[DONE]")))
        return false;
    if (api == API_INVOKE)
        return content_unwrap(event, &inner) && inner_has_content(buf_str(&inner));
    return has_content(api, event);
}

/* --- where it begins --- */

struct search {
    enum api api;
    bool is_found;
};

static int look_at(void *ctx, const struct framing_event *event, struct err *err)
{
    struct search *s = ctx;

    s->is_found = content_is_in(s->api, event);
    return s->is_found ? err_set(err, ERR_LIMIT, "that is far enough") : 0;
}

bool content_begins(const struct content_stream *s, size_t *ret_piece)
{
    struct search search = { .api = s->api };
    enum framing kind = framing_guess(s->media_type, str_sub(s->body, 0, GUESS_BYTES));
    CLEANUP(framer_free) struct framer *f = NULL;
    struct err err;
    size_t at = 0;

    if (kind == FRAMING_JSON || kind == FRAMING_OPAQUE)
        return false;
    f = framer_new(kind, look_at, &search);
    for (size_t i = 0; i < s->piece_count; i++) {
        size_t len = s->piece_bytes(s->ctx, i);
        if (framer_feed(f, str_sub(s->body, at, len), &err) < 0) {
            *ret_piece = i;
            return search.is_found;
        }
        at += len;
    }
    return false;
}

/* request - what a request body says of the call: model, stream, tier, end user, features. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "llm/read.h"

#define CONTENT_DEPTH_MAX 12 /* of messages, for images and sound in them */

struct asking {
    struct arena *arena;
    struct request_facts *facts;
};

typedef void (*asking_fn)(struct asking *a, struct jscan *s);

struct asking_row {
    struct str name;
    asking_fn fn;
};

static struct str take_string(struct asking *a, struct jscan *s)
{
    struct str raw;
    bool escaped;

    if (jscan_peek(s) != JSCAN_STRING || !jscan_string_raw(s, &raw, &escaped))
        return (struct str){ 0 };
    if (!escaped)
        return raw;
    CLEANUP(buf_release) struct buf text = { 0 };
    jscan_unescape(raw, &text);
    return arena_str(a->arena, buf_str(&text));
}

static void read_asking(struct asking *a, struct jscan *s, const struct asking_row *rows,
                        size_t count)
{
    struct str key;

    if (jscan_peek(s) != JSCAN_OBJECT || !jscan_enter_object(s))
        return;
    while (jscan_next_member(s, &key)) {
        for (size_t i = 0; i < count; i++) {
            if (str_eq(rows[i].name, key)) {
                rows[i].fn(a, s);
                break;
            }
        }
    }
}

/* --- plain members --- */

static void take_model(struct asking *a, struct jscan *s)
{
    struct str model = take_string(a, s);

    if (model.len)
        a->facts->model = model;
}

static void take_stream(struct asking *a, struct jscan *s)
{
    bool value;

    if (jscan_peek(s) == JSCAN_TRUE && jscan_bool(s, &value))
        a->facts->stream = true;
}

static void take_include_usage(struct asking *a, struct jscan *s)
{
    bool value;

    if (jscan_peek(s) == JSCAN_TRUE && jscan_bool(s, &value))
        a->facts->include_usage = true;
}

static void take_stream_options(struct asking *a, struct jscan *s)
{
    static const struct asking_row rows[] = {
        {STR_INIT("include_usage"), take_include_usage}
    };

    read_asking(a, s, rows, ARRAY_LEN(rows));
}

static void take_tier_type(struct asking *a, struct jscan *s)
{
    a->facts->tier = take_string(a, s);
}

/* A string; of Bedrock an object with a type. */
static void take_tier(struct asking *a, struct jscan *s)
{
    static const struct asking_row rows[] = {
        {STR_INIT("type"), take_tier_type}
    };

    if (jscan_peek(s) == JSCAN_OBJECT)
        read_asking(a, s, rows, ARRAY_LEN(rows));
    else
        a->facts->tier = take_string(a, s);
}

static void take_size(struct asking *a, struct jscan *s)
{
    a->facts->size = take_string(a, s);
}

static void take_quality(struct asking *a, struct jscan *s)
{
    a->facts->quality = take_string(a, s);
}

static void take_search_context(struct asking *a, struct jscan *s)
{
    a->facts->search_context = take_string(a, s);
}

/* --- end user: OpenAI's user is deprecated for safety_identifier but still what most send --- */

static void take_user(struct asking *a, struct jscan *s)
{
    struct str user = take_string(a, s);

    if (user.len)
        a->facts->end_user = user;
}

static void take_user_if_none(struct asking *a, struct jscan *s)
{
    struct str user = take_string(a, s);

    if (user.len && !a->facts->end_user.len)
        a->facts->end_user = user;
}

static void take_metadata(struct asking *a, struct jscan *s)
{
    static const struct asking_row rows[] = {
        {STR_INIT("user_id"),   take_user_if_none},
        { STR_INIT("userId"),   take_user_if_none},
        { STR_INIT("user"),     take_user_if_none},
        { STR_INIT("end_user"), take_user_if_none},
        { STR_INIT("endUser"),  take_user_if_none},
    };

    read_asking(a, s, rows, ARRAY_LEN(rows));
}

/* --- features --- */

static void has_feature(struct asking *a, uint32_t feature)
{
    a->facts->features |= feature;
}

static bool is_set(struct jscan *s)
{
    enum jscan_type type = jscan_peek(s);

    return type != JSCAN_NULL && type != JSCAN_FALSE && type != JSCAN_END;
}

static void note_functions(struct asking *a, struct jscan *s)
{
    if (jscan_peek(s) == JSCAN_ARRAY && jscan_enter_array(s))
        while (jscan_next_element(s)) {
            has_feature(a, CALL_TOOLS);
            jscan_skip(s);
        }
}

static void note_search(struct asking *a, struct jscan *s)
{
    if (is_set(s))
        has_feature(a, CALL_WEB_SEARCH);
}

static void note_search_options(struct asking *a, struct jscan *s)
{
    static const struct asking_row rows[] = {
        {STR_INIT("search_context_size"), take_search_context},
    };

    note_search(a, s);
    read_asking(a, s, rows, ARRAY_LEN(rows));
}

static void note_tool_type(struct asking *a, struct jscan *s)
{
    struct str type = take_string(a, s);

    has_feature(a, str_starts_with(type, STR("web_search")) || str_eq(type, STR("google_search")) ||
                           str_starts_with(type, STR("openrouter:web"))
                       ? CALL_WEB_SEARCH
                       : CALL_TOOLS);
}

static void note_tool(struct asking *a, struct jscan *s)
{
    if (is_set(s))
        has_feature(a, CALL_TOOLS);
}

static void note_tools(struct asking *a, struct jscan *s)
{
    static const struct asking_row rows[] = {
        {STR_INIT("type"),                   note_tool_type     },
        { STR_INIT("search_context_size"),   take_search_context},
        { STR_INIT("name"),                  note_tool          }, /* Anthropic's own tools have a type as well */
        { STR_INIT("function"),              note_tool          },
        { STR_INIT("functionDeclarations"),  note_functions     },
        { STR_INIT("function_declarations"), note_functions     },
        { STR_INIT("googleSearch"),          note_search        },
        { STR_INIT("google_search"),         note_search        },
        { STR_INIT("googleSearchRetrieval"), note_search        },
        { STR_INIT("toolSpec"),              note_tool          },
    };

    if (jscan_peek(s) != JSCAN_ARRAY || !jscan_enter_array(s))
        return;
    while (jscan_next_element(s)) {
        uint32_t before = a->facts->features & CALL_TOOLS;
        a->facts->features &= ~(uint32_t)CALL_TOOLS;
        read_asking(a, s, rows, ARRAY_LEN(rows));
        /* A web search has a name too, but is no function. */
        if (a->facts->features & CALL_WEB_SEARCH && !before)
            a->facts->features &= ~(uint32_t)CALL_TOOLS;
        a->facts->features |= before;
    }
}

static void note_tool_config(struct asking *a, struct jscan *s)
{
    static const struct asking_row rows[] = {
        {STR_INIT("tools"), note_tools}
    };

    read_asking(a, s, rows, ARRAY_LEN(rows));
}

static void note_schema(struct asking *a, struct jscan *s)
{
    if (is_set(s))
        has_feature(a, CALL_STRUCTURED_OUTPUT);
}

static void note_format_type(struct asking *a, struct jscan *s)
{
    struct str type = take_string(a, s);

    if (type.len && !str_eq(type, STR("text")))
        has_feature(a, CALL_STRUCTURED_OUTPUT);
}

static void note_format(struct asking *a, struct jscan *s)
{
    static const struct asking_row rows[] = {
        {STR_INIT("type"), note_format_type}
    };

    if (jscan_peek(s) == JSCAN_OBJECT)
        read_asking(a, s, rows, ARRAY_LEN(rows));
}

static void note_nested_format(struct asking *a, struct jscan *s)
{
    static const struct asking_row rows[] = {
        {STR_INIT("format"), note_format}
    };

    read_asking(a, s, rows, ARRAY_LEN(rows));
}

/* Ollama: "json" or a schema; others have an object or none. */
static void note_ollama_format(struct asking *a, struct jscan *s)
{
    if (jscan_peek(s) == JSCAN_OBJECT || take_string(a, s).len)
        has_feature(a, CALL_STRUCTURED_OUTPUT);
}

static void note_mime_type(struct asking *a, struct jscan *s)
{
    if (str_eq(take_string(a, s), STR("application/json")))
        has_feature(a, CALL_STRUCTURED_OUTPUT);
}

static void note_reasoning(struct asking *a, struct jscan *s)
{
    enum jscan_type type = jscan_peek(s);
    struct str effort = take_string(a, s);

    if (type == JSCAN_OBJECT || type == JSCAN_TRUE || type == JSCAN_NUMBER ||
        (effort.len && !str_eq(effort, STR("none"))))
        has_feature(a, CALL_REASONING);
}

static void note_thinking_type(struct asking *a, struct jscan *s)
{
    struct str type = take_string(a, s);

    if (type.len && !str_eq(type, STR("disabled")))
        has_feature(a, CALL_REASONING);
}

static void note_thinking(struct asking *a, struct jscan *s)
{
    static const struct asking_row rows[] = {
        {STR_INIT("type"), note_thinking_type}
    };

    read_asking(a, s, rows, ARRAY_LEN(rows));
}

static void note_audio(struct asking *a, struct jscan *s)
{
    if (is_set(s))
        has_feature(a, CALL_AUDIO);
}

static void note_modalities(struct asking *a, struct jscan *s)
{
    if (jscan_peek(s) != JSCAN_ARRAY || !jscan_enter_array(s))
        return;
    while (jscan_next_element(s))
        if (str_ieq(take_string(a, s), STR("audio")))
            has_feature(a, CALL_AUDIO);
}

static void note_generation_config(struct asking *a, struct jscan *s)
{
    static const struct asking_row rows[] = {
        {STR_INIT("responseSchema"),       note_schema    },
        { STR_INIT("responseJsonSchema"),  note_schema    },
        { STR_INIT("response_schema"),     note_schema    },
        { STR_INIT("responseMimeType"),    note_mime_type },
        { STR_INIT("response_mime_type"),  note_mime_type },
        { STR_INIT("thinkingConfig"),      note_reasoning },
        { STR_INIT("thinking_config"),     note_reasoning },
        { STR_INIT("thinking_level"),      note_reasoning },
        { STR_INIT("responseModalities"),  note_modalities},
        { STR_INIT("response_modalities"), note_modalities},
    };

    read_asking(a, s, rows, ARRAY_LEN(rows));
}

/* --- what the messages hold --- */

static uint32_t feature_of_type(struct str type)
{
    static const struct {
        struct str name;
        uint32_t feature;
    } rows[] = {
        {STR_INIT("image_url"),     CALL_VISION},
        { STR_INIT("input_image"),  CALL_VISION},
        { STR_INIT("image"),        CALL_VISION},
        { STR_INIT("document"),     CALL_VISION},
        { STR_INIT("document_url"), CALL_VISION},
        { STR_INIT("input_file"),   CALL_VISION},
        { STR_INIT("file"),         CALL_VISION},
        { STR_INIT("video_url"),    CALL_VISION},
        { STR_INIT("input_audio"),  CALL_AUDIO },
        { STR_INIT("audio"),        CALL_AUDIO },
        { STR_INIT("audio_url"),    CALL_AUDIO },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(rows[i].name, type))
            return rows[i].feature;
    return 0;
}

static void scan_content(struct asking *a, struct jscan *s, int depth);

static void scan_member(struct asking *a, struct jscan *s, struct str key, int depth)
{
    enum jscan_type type = jscan_peek(s);

    if (type == JSCAN_STRING) {
        bool is_mime = str_eq(key, STR("mimeType")) || str_eq(key, STR("mime_type"));
        struct str raw;
        if (!is_mime && !str_eq(key, STR("type")))
            return;
        if (!jscan_string_raw(s, &raw, NULL))
            return;
        if (!is_mime)
            has_feature(a, feature_of_type(raw));
        else if (!str_starts_with(raw, STR("text/")))
            has_feature(a, str_starts_with(raw, STR("audio/")) ? CALL_AUDIO : CALL_VISION);
        return;
    }
    if (type == JSCAN_OBJECT && depth > 1) /* Bedrock: {"image":{...}} */
        has_feature(a, feature_of_type(key));
    if (str_eq(key, STR("images")) && type == JSCAN_ARRAY) { /* Ollama */
        if (!jscan_enter_array(s))
            return;
        while (jscan_next_element(s)) {
            has_feature(a, CALL_VISION);
            jscan_skip(s);
        }
        return;
    }
    scan_content(a, s, depth);
}

static void scan_content(struct asking *a, struct jscan *s, int depth)
{
    struct str key;
    enum jscan_type type = jscan_peek(s);

    if (depth == CONTENT_DEPTH_MAX)
        return;
    if (type == JSCAN_OBJECT && jscan_enter_object(s)) {
        while (jscan_next_member(s, &key))
            scan_member(a, s, key, depth + 1);
    } else if (type == JSCAN_ARRAY && jscan_enter_array(s)) {
        while (jscan_next_element(s))
            scan_content(a, s, depth + 1);
    }
}

static void note_content(struct asking *a, struct jscan *s)
{
    scan_content(a, s, 0);
}

/* Responses: text or items; speech: the text to be spoken. */
static void take_input(struct asking *a, struct jscan *s)
{
    if (jscan_peek(s) == JSCAN_STRING)
        jscan_string_raw(s, &a->facts->input, NULL);
    else
        scan_content(a, s, 0);
}

static const struct asking_row top_rows[] = {
    {STR_INIT("messages"),            note_content          },
    { STR_INIT("input"),              take_input            },
    { STR_INIT("contents"),           note_content          },
    { STR_INIT("images"),             note_content          },
    { STR_INIT("model"),              take_model            },
    { STR_INIT("stream"),             take_stream           },
    { STR_INIT("stream_options"),     take_stream_options   },
    { STR_INIT("service_tier"),       take_tier             },
    { STR_INIT("serviceTier"),        take_tier             },
    { STR_INIT("user"),               take_user             },
    { STR_INIT("safety_identifier"),  take_user_if_none     },
    { STR_INIT("metadata"),           take_metadata         },
    { STR_INIT("requestMetadata"),    take_metadata         },
    { STR_INIT("labels"),             take_metadata         },
    { STR_INIT("tools"),              note_tools            },
    { STR_INIT("functions"),          note_functions        },
    { STR_INIT("toolConfig"),         note_tool_config      },
    { STR_INIT("response_format"),    note_format           },
    { STR_INIT("text"),               note_nested_format    },
    { STR_INIT("output_format"),      note_format           },
    { STR_INIT("output_config"),      note_nested_format    },
    { STR_INIT("format"),             note_ollama_format    },
    { STR_INIT("generationConfig"),   note_generation_config},
    { STR_INIT("generation_config"),  note_generation_config},
    { STR_INIT("reasoning"),          note_reasoning        },
    { STR_INIT("reasoning_effort"),   note_reasoning        },
    { STR_INIT("thinking"),           note_thinking         },
    { STR_INIT("think"),              note_reasoning        },
    { STR_INIT("web_search_options"), note_search_options   },
    { STR_INIT("modalities"),         note_modalities       },
    { STR_INIT("audio"),              note_audio            },
    { STR_INIT("size"),               take_size             },
    { STR_INIT("quality"),            take_quality          },
};

/* --- multipart/form-data: transcriptions and image edits --- */

static struct str form_field(struct str body, const char *name)
{
    char head[64];
    int len = snprintf(head, sizeof(head), "name=\"%s\"", name);
    ptrdiff_t at = str_find(body, (struct str){ head, (size_t)len }, 0);

    if (at < 0)
        return (struct str){ 0 };
    ptrdiff_t blank = str_find(body, STR("\r\n\r\n"), (size_t)at);
    if (blank < 0)
        return (struct str){ 0 };
    size_t from = (size_t)blank + 4;
    ptrdiff_t end = str_find(body, STR("\r\n"), from);
    return end < 0 ? (struct str){ 0 } : str_sub(body, from, (size_t)end - from);
}

static void read_form(struct str body, struct request_facts *ret)
{
    ret->model = form_field(body, "model");
    ret->end_user = form_field(body, "user");
    ret->size = form_field(body, "size");
    ret->quality = form_field(body, "quality");
    ret->stream = str_eq(form_field(body, "stream"), STR("true"));
}

void request_read(const struct call *call, struct arena *arena, struct request_facts *ret)
{
    struct asking a = { arena, ret };
    struct jscan s;
    struct str metadata = call_header_find(call->request_headers, call->request_header_count,
                                           "x-amzn-bedrock-request-metadata");

    *ret = (struct request_facts){ 0 };
    if (str_starts_with(call->request_body, STR("--"))) {
        read_form(call->request_body, ret);
        return;
    }
    jscan_init(&s, call->request_body);
    read_asking(&a, &s, top_rows, ARRAY_LEN(top_rows));
    if (metadata.len && !ret->end_user.len) {
        jscan_init(&s, metadata);
        take_metadata(&a, &s);
    }
}

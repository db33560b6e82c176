#include "config.h"

#include "proxy/asked.h"

#include "base/digest.h"
#include "base/jscan.h"
#include "base/json.h"
#include "base/mem.h"

#define OUTPUT_TOKENS_MAX INT64_C(1000000000) /* more is nonsense */

/* --- the path --- */

/* Escapes undone. */
static struct str decode(struct str text, struct arena *arena)
{
    CLEANUP(buf_release) struct buf out = { 0 };

    if (str_find_char(text, '%', 0) < 0)
        return text;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%' && hex_decode(str_sub(text, i + 1, 2), &c, 1) == 0)
            i += 2;
        buf_add_byte(&out, c);
    }
    return arena_str(arena, buf_str(&out));
}

/* What of a segment is the model; verb: it ends at a ':', which must be there (also escaped).  The
 * last one: Bedrock's ids and Ollama's tags have colons of their own. */
static size_t model_len(struct str segment, bool has_verb)
{
    for (size_t i = segment.len; has_verb && i-- > 0;)
        if (segment.ptr[i] == ':' || str_istarts_with(str_sub(segment, i, 3), STR("%3a")))
            return i;
    return has_verb ? 0 : segment.len;
}

static bool is_stream_verb(struct str verb)
{
    static const struct str verbs[] = { STR_INIT("streamGenerateContent"),
                                        STR_INIT("streamRawPredict"),
                                        STR_INIT("serverStreamingPredict"),
                                        STR_INIT("converse-stream"),
                                        STR_INIT("invoke-with-response-stream") };

    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (str_eq(verb, verbs[i]))
            return true;
    return false;
}

static const struct {
    struct str before;
    bool has_verb; /* in the same segment, behind a ':' */
} places[] = {
    {STR_INIT("models"),       true },
    { STR_INIT("tunedModels"), true },
    { STR_INIT("model"),       false},
    { STR_INIT("deployments"), false},
    { STR_INIT("engines"),     false},
};

static void take_segment(struct str path, size_t at, struct str segment, bool has_verb,
                         struct asked *ret)
{
    size_t len = model_len(segment, has_verb);

    if (!len || (!has_verb && at + segment.len == path.len))
        return; /* a list, or something about a model: no call of it */
    ret->path_at = at;
    ret->path_len = len;
}

void asked_read_path(struct str path, struct arena *arena, struct asked *ret)
{
    ptrdiff_t query = str_find_char(path, '?', 0);
    struct str rest = query < 0 ? path : str_sub(path, 0, (size_t)query), segment = { 0 };
    struct str plain = rest, before = { 0 };

    while (rest.len && str_split(&rest, '/', &segment)) {
        for (size_t i = 0; i < ARRAY_LEN(places) && segment.len; i++)
            if (str_eq(before, places[i].before))
                take_segment(plain, (size_t)(segment.ptr - plain.ptr), segment, places[i].has_verb,
                             ret);
        before = segment;
    }
    ptrdiff_t colon = -1;
    for (size_t i = 0; i < before.len; i++)
        if (before.ptr[i] == ':')
            colon = (ptrdiff_t)i;
    ret->is_stream |= is_stream_verb(str_sub(before, (size_t)(colon + 1), before.len));
    if (ret->path_len)
        ret->model = decode(str_sub(path, ret->path_at, ret->path_len), arena);
}

bool asked_write_path(const struct asked *a, struct str path, struct str model, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";

    if (!a->path_len) {
        buf_add_str(out, path);
        return true;
    }
    buf_add_str(out, str_sub(path, 0, a->path_at));
    for (size_t i = 0; i < model.len; i++) {
        unsigned char c = (unsigned char)model.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                        (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '~';
        if (is_plain) {
            buf_add_byte(out, (char)c);
        } else {
            buf_add_byte(out, '%');
            buf_add_byte(out, digits[c >> 4]);
            buf_add_byte(out, digits[c & 15]);
        }
    }
    buf_add_str(out, str_sub(path, a->path_at + a->path_len, path.len));
    return true;
}

/* --- the body --- */

struct body_reading {
    struct asked *asked;
    struct arena *arena;
    struct str body;
    struct str body_model; /* found so far */
    bool any_model;
};

static void take_tokens(struct body_reading *b, struct jscan *s)
{
    int64_t n;

    if (jscan_peek(s) == JSCAN_NUMBER && jscan_int(s, &n) && n > b->asked->output_tokens)
        b->asked->output_tokens = n > OUTPUT_TOKENS_MAX ? OUTPUT_TOKENS_MAX : n;
}

static void take_stream(struct body_reading *b, struct jscan *s)
{
    b->asked->is_stream |= jscan_peek(s) == JSCAN_TRUE;
    jscan_skip(s);
}

static void take_model(struct body_reading *b, struct jscan *s)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    struct str raw, model;
    bool escaped = false;

    if (jscan_peek(s) != JSCAN_STRING) { /* who reads it as nothing, who as its text? */
        b->asked->is_ambiguous = true;
        jscan_skip(s);
        return;
    }
    if (!jscan_string_raw(s, &raw, &escaped))
        return;
    model = raw;
    if (escaped) {
        jscan_unescape(raw, &text);
        model = arena_str(b->arena, buf_str(&text));
    }
    b->asked->is_ambiguous |= b->any_model; /* twice: which one would be rewritten? */
    b->any_model = true;
    b->body_model = model;
    b->asked->body_at = (size_t)(raw.ptr - b->body.ptr) - 1;
    b->asked->body_len = raw.len + 2;
}

/* The first that is there. */
static void take_user(struct body_reading *b, struct jscan *s)
{
    struct str raw;

    if (jscan_peek(s) != JSCAN_STRING)
        jscan_skip(s);
    else if (jscan_string_raw(s, &raw, NULL) && !b->asked->user.len)
        b->asked->user = raw;
}

static void take_metadata(struct body_reading *b, struct jscan *s)
{
    struct str key;

    if (jscan_peek(s) != JSCAN_OBJECT || !jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key))
        if (str_eq(key, STR("user_id")))
            take_user(b, s);
        else
            jscan_skip(s);
}

static void take_config(struct body_reading *b, struct jscan *s);

/* By length: that alone tells most members of a body apart from these. */
static const struct {
    struct str name;
    void (*take)(struct body_reading *b, struct jscan *s);
} members[] = {
    {STR_INIT("user"),                   take_user    },
    { STR_INIT("stream"),                take_stream  },
    { STR_INIT("options"),               take_config  },
    { STR_INIT("metadata"),              take_metadata},
    { STR_INIT("maxTokens"),             take_tokens  },
    { STR_INIT("max_tokens"),            take_tokens  },
    { STR_INIT("num_predict"),           take_tokens  },
    { STR_INIT("maxOutputTokens"),       take_tokens  },
    { STR_INIT("inferenceConfig"),       take_config  },
    { STR_INIT("generationConfig"),      take_config  },
    { STR_INIT("prompt_cache_key"),      take_user    },
    { STR_INIT("max_output_tokens"),     take_tokens  },
    { STR_INIT("generation_config"),     take_config  },
    { STR_INIT("safety_identifier"),     take_user    },
    { STR_INIT("max_tokens_to_sample"),  take_tokens  },
    { STR_INIT("max_completion_tokens"), take_tokens  },
};
/* The first that is so long, or longer. */
static const uint8_t members_of[] = {
    0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 9, 11, 14, 14, 14, 15,
};

static void take_member(struct body_reading *b, struct str key, struct jscan *s)
{
    size_t from = key.len < ARRAY_LEN(members_of) ? members_of[key.len] : ARRAY_LEN(members);

    for (size_t i = from; i < ARRAY_LEN(members) && members[i].name.len == key.len; i++)
        if (str_eq(key, members[i].name)) {
            members[i].take(b, s);
            return;
        }
    jscan_skip(s);
}

static void take_config(struct body_reading *b, struct jscan *s)
{
    struct str key;

    if (jscan_peek(s) != JSCAN_OBJECT || !jscan_enter_object(s)) {
        jscan_skip(s);
        return;
    }
    while (jscan_next_member(s, &key))
        if (str_ieq(key, STR("maxOutputTokens")) || str_eq(key, STR("maxTokens")) ||
            str_eq(key, STR("max_output_tokens")) || str_eq(key, STR("num_predict")))
            take_tokens(b, s);
        else
            jscan_skip(s);
}

static bool is_model_escaped(struct str key)
{
    CLEANUP(buf_release) struct buf plain = { 0 };

    jscan_unescape(key, &plain);
    return str_ieq(buf_str(&plain), STR("model"));
}

/* "model" in any case, and with escapes: who could read it so? */
static bool is_model(struct str key)
{
    if (key.len < 10) /* an escape takes six bytes */
        return key.len == 5 && str_ieq(key, STR("model"));
    return str_find_char(key, '\\', 0) >= 0 && is_model_escaped(key);
}

static void read_json(struct body_reading *b)
{
    struct jscan s;
    struct str key;

    jscan_init(&s, b->body);
    if (!jscan_enter_object(&s))
        return;
    while (jscan_next_member(&s, &key))
        if (is_model(key)) {
            b->asked->is_ambiguous |= !str_eq(key, STR("model"));
            take_model(b, &s);
        } else {
            take_member(b, key, &s);
        }
}

/* The field "model" of a form: Content-Disposition: form-data; name="model" CRLF CRLF value CRLF.
 */
static void read_form(struct body_reading *b)
{
    ptrdiff_t at = str_find(b->body, STR("name=\"model\""), 0);
    ptrdiff_t value = at < 0 ? -1 : str_find(b->body, STR("\r\n\r\n"), (size_t)at);
    ptrdiff_t end = value < 0 ? -1 : str_find(b->body, STR("\r\n"), (size_t)value + 4);

    if (end < 0)
        return;
    b->any_model = true;
    b->body_model = str_sub(b->body, (size_t)value + 4, (size_t)(end - value) - 4);
    b->asked->is_ambiguous |= str_find(b->body, STR("name=\"model\""), (size_t)end) >= 0;
}

void asked_read_body(struct str body, struct str content_type, struct arena *arena,
                     struct asked *ret)
{
    struct body_reading b = { .asked = ret, .arena = arena, .body = body };
    bool is_usual = content_type.len && content_type.ptr[0] == 'a'; /* application/json */

    if (!is_usual && str_istarts_with(str_trim(content_type), STR("multipart/")))
        read_form(&b);
    else
        read_json(&b);
    if (b.any_model && !ret->path_len) /* what the path says is what counts */
        ret->model = b.body_model;
}

bool asked_write_body(const struct asked *a, struct str body, struct str model, struct buf *out)
{
    if (a->body_len) {
        buf_add_str(out, str_sub(body, 0, a->body_at));
        json_add_string(out, model);
        body = str_sub(body, a->body_at + a->body_len, body.len);
    }
    buf_add_str(out, body);
    return a->body_len || a->path_len;
}

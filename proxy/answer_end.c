#include "config.h"

#include "proxy/answer_end.h"

#include <string.h>

/* What the last events of a whole stream have in them (the providers' references, Nov 2026). */
static const struct {
    enum api api;
    struct str word;
    bool has_text; /* a member, with a text as its value */
} marks[] = {
    {API_CHAT,              STR_INIT("[DONE]"),              false},
    { API_CHAT,             STR_INIT("\"finish_reason\""),   true },
    { API_COMPLETIONS,      STR_INIT("[DONE]"),              false},
    { API_COMPLETIONS,      STR_INIT("\"finish_reason\""),   true },
    { API_RESPONSES,        STR_INIT("[DONE]"),              false},
    { API_RESPONSES,        STR_INIT("response.completed"),  false},
    { API_RESPONSES,        STR_INIT("response.incomplete"), false},
    { API_RESPONSES,        STR_INIT("response.failed"),     false},
    { API_RESPONSES,        STR_INIT("response.cancelled"),  false},
    { API_MESSAGES,         STR_INIT("message_stop"),        false},
    { API_MESSAGES,         STR_INIT("\"stop_reason\""),     true },
    { API_COMPLETE,         STR_INIT("\"stop_reason\""),     true },
    { API_GENERATE_CONTENT, STR_INIT("\"finishReason\""),    true },
    { API_GENERATE_CONTENT, STR_INIT("\"blockReason\""),     true },
    { API_CONVERSE,         STR_INIT("messageStop"),         false},
    { API_OLLAMA_CHAT,      STR_INIT("\"done\":true"),       false},
    { API_OLLAMA_CHAT,      STR_INIT("\"done\": true"),      false},
    { API_OLLAMA_GENERATE,  STR_INIT("\"done\":true"),       false},
    { API_OLLAMA_GENERATE,  STR_INIT("\"done\": true"),      false},
    { API_COHERE_CHAT,      STR_INIT("message-end"),         false},
    { API_COHERE_CHAT,      STR_INIT("stream-end"),          false},
    { API_COHERE_CHAT,      STR_INIT("\"finish_reason\""),   true },
};

/* What events have in them that are in the form of an API: others use its paths, too. */
static const struct {
    enum api api;
    struct str word;
} forms[] = {
    {API_CHAT,              STR_INIT("\"choices\"")    },
    { API_COMPLETIONS,      STR_INIT("\"choices\"")    },
    { API_RESPONSES,        STR_INIT("\"response.")    },
    { API_MESSAGES,         STR_INIT("content_block")  },
    { API_MESSAGES,         STR_INIT("message_start")  },
    { API_COMPLETE,         STR_INIT("\"completion\"") },
    { API_GENERATE_CONTENT, STR_INIT("\"candidates\"") },
    { API_CONVERSE,         STR_INIT("contentBlock")   },
    { API_CONVERSE,         STR_INIT("messageStart")   },
    { API_OLLAMA_CHAT,      STR_INIT("\"done\"")       },
    { API_OLLAMA_GENERATE,  STR_INIT("\"done\"")       },
    { API_COHERE_CHAT,      STR_INIT("\"content-")     },
    { API_COHERE_CHAT,      STR_INIT("message-start")  },
    { API_COHERE_CHAT,      STR_INIT("text-generation")},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

void answer_end_begin(struct answer_end *e, enum api api, bool is_stream)
{
    answer_end_release(e);
    *e = (struct answer_end){ .api = api, .is_stream = is_stream };
    for (size_t i = 0; i < ARRAY_LEN(marks) && !e->is_on; i++)
        e->is_on = marks[i].api == api;
}

void answer_end_release(struct answer_end *e)
{
    buf_release(&e->tail);
    e->is_on = false;
}

/* --- bytes --- */

/* One of eight bytes is a blank or a control character. */
static bool may_be_blank(const char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t eight;

    memcpy(&eight, at, sizeof(eight));
    return ((eight - ones * (' ' + 1)) & ~eight & ones * 0x80) != 0;
}

static void add_to_begin(struct answer_end *e, struct str bytes)
{
    if (e->begin_len == 0 && bytes.len >= sizeof(e->begin) && !may_be_blank(bytes.ptr) &&
        !may_be_blank(bytes.ptr + 8)) {
        memcpy(e->begin, bytes.ptr, sizeof(e->begin));
        e->begin_len = sizeof(e->begin);
        return;
    }
    for (size_t i = 0; i < bytes.len && e->begin_len < sizeof(e->begin); i++)
        if (!is_blank(bytes.ptr[i]))
            e->begin[e->begin_len++] = bytes.ptr[i];
}

/* Twice as much is held as is looked at, so that not every piece moves what is kept. */
static void add_to_tail(struct answer_end *e, struct str bytes)
{
    if (bytes.len > ANSWER_END_TAIL_BYTES)
        bytes = str_sub(bytes, bytes.len - ANSWER_END_TAIL_BYTES, bytes.len);
    if (e->tail.len + bytes.len > 2 * ANSWER_END_TAIL_BYTES)
        buf_consume(&e->tail, e->tail.len - ANSWER_END_TAIL_BYTES);
    buf_add_str(&e->tail, bytes);
}

static bool may_be_error(const struct answer_end *e)
{
    struct str begin = { e->begin, e->begin_len };

    if (e->begin_len < 3 || (e->begin[2] != 'e' && e->begin[2] != 't'))
        return false;
    return str_starts_with(begin, STR("{\"error\":")) ||
           str_starts_with(begin, STR("{\"type\":\"error\""));
}

void answer_end_add(struct answer_end *e, struct str bytes)
{
    if (!e->is_on || !bytes.len)
        return;
    e->bytes += bytes.len;
    if (e->is_stream) {
        add_to_tail(e, bytes);
        return;
    }
    if (e->begin_len < sizeof(e->begin))
        add_to_begin(e, bytes);
    for (size_t i = bytes.len; i-- > 0;)
        if (!is_blank(bytes.ptr[i])) {
            e->last = bytes.ptr[i];
            break;
        }
    bool is_told = e->begin_len == sizeof(e->begin);
    if ((!is_told || may_be_error(e)) && e->tail.len + bytes.len <= ANSWER_END_ERROR_BYTES)
        buf_add_str(&e->tail, bytes);
}

/* --- verdicts --- */

/* A colon and a text. */
static bool has_text(struct str rest)
{
    rest = str_trim(rest);
    if (!rest.len || rest.ptr[0] != ':')
        return false;
    rest = str_trim(str_sub(rest, 1, rest.len));
    return rest.len && rest.ptr[0] == '"';
}

static bool has_mark(const struct answer_end *e)
{
    struct str tail = buf_str(&e->tail);

    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        size_t len = marks[i].word.len;
        if (marks[i].api != e->api)
            continue;
        for (ptrdiff_t at = -1; (at = str_find(tail, marks[i].word, (size_t)(at + 1))) >= 0;)
            if (!marks[i].has_text || has_text(str_sub(tail, (size_t)at + len, tail.len)))
                return true;
    }
    return false;
}

/* Nothing but comments is in every form. */
static bool is_in_form(const struct answer_end *e)
{
    struct str tail = buf_str(&e->tail), line;
    bool has_event = false;

    for (size_t i = 0; i < ARRAY_LEN(forms); i++)
        if (forms[i].api == e->api && str_find(tail, forms[i].word, 0) >= 0)
            return true;
    while (!has_event && str_split(&tail, '\n', &line))
        has_event = str_trim(line).len && line.ptr[0] != ':';
    return !has_event;
}

/* Whether what is kept has the beginning of the last event.  A comment is none. */
static bool has_last_event(const struct answer_end *e)
{
    struct str tail = str_trim(buf_str(&e->tail));
    bool in_lines = e->api == API_OLLAMA_CHAT || e->api == API_OLLAMA_GENERATE;

    if (e->bytes == e->tail.len)
        return true;
    for (size_t i = tail.len; i-- > 2;)
        if (tail.ptr[i - 1] == '\n' && (in_lines || tail.ptr[i - 2] == '\n' ||
                                        str_ends_with(str_sub(tail, 0, i), STR("\n\r\n"))))
            return tail.ptr[i] != ':';
    return false;
}

static bool lacks_its_end(const struct answer_end *e)
{
    char first = e->begin_len ? e->begin[0] : '\0';

    if (e->is_stream)
        return has_last_event(e) && !has_mark(e) && is_in_form(e);
    return !first || first == '<' || (first == '{' && e->last != '}') ||
           (first == '[' && e->last != ']');
}

bool answer_end_looks_bad(const struct answer_end *e)
{
    return e->is_on && !e->is_stream && e->begin_len && (e->begin[0] == '<' || may_be_error(e));
}

bool answer_end_is_bad(const struct answer_end *e, struct steer_end *ret)
{
    struct framing_event whole = { .data = buf_str(&e->tail) };

    if (!e->is_on)
        return false;
    if (!e->is_stream && may_be_error(e) && e->tail.len == e->bytes &&
        failure_of_event(e->api, &whole, ret))
        return true;
    *ret = (struct steer_end){ .failed = true,
                               .failure = PLAN_FAILED_FIRST_TOKEN,
                               .retry_after_us = -1,
                               .first_token_us = -1 };
    return lacks_its_end(e);
}

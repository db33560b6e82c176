#include "config.h"

#include "replay/synth.h"

#include "base/json.h"
#include "replay/eventstream.h"

#define BYTES_PER_TOKEN 4
#define INPUTS_MAX      2048 /* texts to embed in one request */

static const char *const words[] = { "This", " answer", " was", " made", " up", "." };

/* What the answers of one kind are made of.  In the texts,
 *
 *     $M the model, $F the whole text, $W its next word: as JSON strings
 *     $N a number for ids; $P, $O, $S tokens of prompt, output, and their sum
 *
 * A stream is opening, one piece for each word, closing.  In an event stream's texts each line is
 * an event's type, a blank, and its payload. */
struct form {
    enum api api;
    bool stream;
    const char *content_type;
    const char *opening, *piece, *closing;
};

#define JSON_TYPE "application/json"
#define SSE_TYPE  "text/event-stream; charset=utf-8"
#define AWS_TYPE  "application/vnd.amazon.eventstream"

#define CHAT_USAGE "\"usage\":{\"prompt_tokens\":$P,\"completion_tokens\":$O,\"total_tokens\":$S}"
#define CHAT_CHUNK(delta, finish)                                                                  \
    "data: {\"id\":\"chatcmpl-synth$N\",\"object\":\"chat.completion.chunk\","                     \
    "\"created\":1700000000,\"model\":$M,\"choices\":[{\"index\":0,\"delta\":" delta               \
    ",\"finish_reason\":" finish "}]"

#define RESPONSE(status, output, usage)                                                            \
    "{\"id\":\"resp_synth$N\",\"object\":\"response\",\"created_at\":1700000000,\"status\":"       \
    "\"" status "\",\"error\":null,\"incomplete_details\":null,\"instructions\":null,"             \
    "\"metadata\":{},\"model\":$M,\"output\":[" output "],\"parallel_tool_calls\":true,"           \
    "\"temperature\":1,\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":1,\"usage\":" usage "}"
#define RESPONSE_PART(text) "{\"type\":\"output_text\",\"text\":" text ",\"annotations\":[]}"
#define RESPONSE_ITEM(status, parts)                                                               \
    "{\"id\":\"msg_synth$N\",\"type\":\"message\",\"status\":\"" status                            \
    "\",\"role\":\"assistant\",\"content\":[" parts "]}"
#define RESPONSE_USAGE                                                                             \
    "{\"input_tokens\":$P,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":$O,"    \
    "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":$S}"
#define RESPONSE_DONE                                                                              \
    RESPONSE("completed", RESPONSE_ITEM("completed", RESPONSE_PART("$F")), RESPONSE_USAGE)
#define SSE(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"
#define RESPONSE_AT        ",\"item_id\":\"msg_synth$N\",\"output_index\":0,\"content_index\":0"

#define MESSAGE(content, stop, usage)                                                              \
    "{\"id\":\"msg_synth$N\",\"type\":\"message\",\"role\":\"assistant\",\"model\":$M,"            \
    "\"content\":[" content "],\"stop_reason\":" stop ",\"stop_sequence\":null,\"usage\":" usage   \
    "}"

#define GEMINI(text, finish)                                                                       \
    "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":" text "}],\"role\":\"model\"},"          \
    "\"index\":0" finish "}],\"usageMetadata\":{\"promptTokenCount\":$P,"                          \
    "\"candidatesTokenCount\":$O,\"totalTokenCount\":$S},\"modelVersion\":$M,"                     \
    "\"responseId\":\"synth$N\"}"

#define CONVERSE_USAGE                                                                             \
    "\"usage\":{\"inputTokens\":$P,\"outputTokens\":$O,\"totalTokens\":$S},"                       \
    "\"metrics\":{\"latencyMs\":200}"

#define OLLAMA(text, done)                                                                         \
    "{\"model\":$M,\"created_at\":\"2023-11-14T22:13:20Z\",\"message\":{\"role\":\"assistant\","   \
    "\"content\":" text "},\"done\":" done "}\n"
#define OLLAMA_DONE                                                                                \
    "true,\"done_reason\":\"stop\",\"total_duration\":320000000,\"load_duration\":1000000,"        \
    "\"prompt_eval_count\":$P,\"prompt_eval_duration\":200000000,\"eval_count\":$O,"               \
    "\"eval_duration\":119000000"

/* A row, which the formatter leaves in one piece: it aligns the members of braces. */
#define FORM(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static const struct form forms[] = {
    FORM(.api = API_CHAT, .content_type = JSON_TYPE,
         .opening = "{\"id\":\"chatcmpl-synth$N\",\"object\":\"chat.completion\","
                    "\"created\":1700000000,\"model\":$M,\"choices\":[{\"index\":0,\"message\":"
                    "{\"role\":\"assistant\",\"content\":$F,\"refusal\":null},\"logprobs\":null,"
                    "\"finish_reason\":\"stop\"}]," CHAT_USAGE "}\n"),
    FORM(.api = API_CHAT, .stream = true, .content_type = SSE_TYPE,
         .opening = CHAT_CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null") "}\n\n",
         .piece = CHAT_CHUNK("{\"content\":$W}", "null") "}\n\n",
         .closing = CHAT_CHUNK("{}", "\"stop\"") "," CHAT_USAGE "}\n\ndata: [DONE]\n\n"),
    FORM(.api = API_RESPONSES, .content_type = JSON_TYPE, .opening = RESPONSE_DONE "\n"),
    FORM(.api = API_RESPONSES, .stream = true, .content_type = SSE_TYPE,
         .opening = SSE("response.created", ",\"response\":" RESPONSE("in_progress", "", "null"))
             SSE("response.output_item.added",
                 ",\"output_index\":0,\"item\":" RESPONSE_ITEM("in_progress", ""))
                 SSE("response.content_part.added", RESPONSE_AT ",\"part\":" RESPONSE_PART("\"\"")),
         .piece = SSE("response.output_text.delta", RESPONSE_AT ",\"delta\":$W,\"logprobs\":[]"),
         .closing = SSE("response.output_text.done", RESPONSE_AT ",\"text\":$F,\"logprobs\":[]")
             SSE("response.content_part.done", RESPONSE_AT ",\"part\":" RESPONSE_PART("$F"))
                 SSE("response.output_item.done", ",\"output_index\":0,\"item\":" RESPONSE_ITEM(
                                                      "completed", RESPONSE_PART("$F")))
                     SSE("response.completed", ",\"response\":" RESPONSE_DONE)),
    FORM(.api = API_MESSAGES, .content_type = JSON_TYPE,
         .opening = MESSAGE("{\"type\":\"text\",\"text\":$F}", "\"end_turn\"",
                            "{\"input_tokens\":$P,\"output_tokens\":$O}") "\n"),
    FORM(.api = API_MESSAGES, .stream = true, .content_type = SSE_TYPE,
         .opening =
             SSE("message_start",
                 ",\"message\":" MESSAGE("", "null", "{\"input_tokens\":$P,\"output_tokens\":1}"))
                 SSE("content_block_start",
                     ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}")
                     SSE("ping", ""),
         .piece = SSE("content_block_delta",
                      ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":$W}"),
         .closing = SSE("content_block_stop", ",\"index\":0")
             SSE("message_delta", ",\"delta\":{\"stop_reason\":\"end_turn\","
                                  "\"stop_sequence\":null},\"usage\":{\"output_tokens\":$O}")
                 SSE("message_stop", "")),
    FORM(.api = API_GENERATE_CONTENT, .content_type = JSON_TYPE,
         .opening = GEMINI("$F", ",\"finishReason\":\"STOP\"") "\n"),
    FORM(.api = API_GENERATE_CONTENT, .stream = true, .content_type = "text/event-stream",
         .opening = "", .piece = "data: " GEMINI("$W", "") "\r\n\r\n",
         .closing = "data: " GEMINI("\"\"", ",\"finishReason\":\"STOP\"") "\r\n\r\n"),
    FORM(.api = API_CONVERSE, .content_type = JSON_TYPE,
         .opening =
             "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":$F}]}},"
             "\"stopReason\":\"end_turn\"," CONVERSE_USAGE "}\n"),
    FORM(.api = API_CONVERSE, .stream = true, .content_type = AWS_TYPE,
         .opening = "messageStart {\"role\":\"assistant\"}",
         .piece = "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":$W}}",
         .closing = "contentBlockStop {\"contentBlockIndex\":0}\n"
                    "messageStop {\"stopReason\":\"end_turn\"}\n"
                    "metadata {" CONVERSE_USAGE "}"),
    FORM(.api = API_OLLAMA_CHAT, .content_type = JSON_TYPE, .opening = OLLAMA("$F", OLLAMA_DONE)),
    FORM(.api = API_OLLAMA_CHAT, .stream = true, .content_type = "application/x-ndjson",
         .opening = "", .piece = OLLAMA("$W", "false"), .closing = OLLAMA("\"\"", OLLAMA_DONE)),
};

struct synth {
    const struct form *form;
    struct str model;
    uint64_t number;
    int64_t prompt_tokens, output_tokens;
    const char *word;
};

static void add_words(struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        buf_add_text(&text, words[i]);
    json_add_string(out, buf_str(&text));
}

static void add_value(const struct synth *s, char name, struct buf *out)
{
    switch (name) {
    case 'M':
        json_add_string(out, s->model);
        break;
    case 'F':
        add_words(out);
        break;
    case 'W':
        json_add_string(out, str_from(s->word));
        break;
    case 'N':
        buf_add_int(out, (int64_t)s->number);
        break;
    default:
        buf_add_int(out,
                    (name == 'O' ? 0 : s->prompt_tokens) + (name == 'P' ? 0 : s->output_tokens));
    }
}

static void fill(const struct synth *s, const char *text, struct buf *out)
{
    for (; *text; text++) {
        if (*text == '$')
            add_value(s, *++text, out);
        else
            buf_add_byte(out, *text);
    }
}

/* --- application/vnd.amazon.eventstream --- */

/* Lines of "type payload" as events. */
static void add_aws_events(struct buf *out, struct str lines)
{
    struct str line, type;

    while (str_split(&lines, '\n', &line))
        if (str_split(&line, ' ', &type) && type.len)
            eventstream_add_event(out, type, line);
}

/* --- answers --- */

static void add_part(const struct synth *s, struct answer *a, uint64_t at_us, const char *text)
{
    CLEANUP(buf_release) struct buf filled = { 0 }, events = { 0 };
    bool is_aws = s->form->stream && str_eq(str_from(s->form->content_type), STR(AWS_TYPE));

    fill(s, text, &filled);
    if (is_aws)
        add_aws_events(&events, buf_str(&filled));
    struct str bytes = buf_str(is_aws ? &events : &filled);
    if (bytes.len)
        answer_add_chunk(a, at_us, bytes);
}

static struct answer *stream_answer(struct synth *s)
{
    struct answer *a = answer_new(200);
    uint64_t at_us = SYNTH_FIRST_US;

    a->is_chunked = true;
    a->head_us = at_us;
    answer_add_header(a, STR("content-type"), str_from(s->form->content_type));
    add_part(s, a, at_us, s->form->opening);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        s->word = words[i];
        add_part(s, a, at_us, s->form->piece);
        at_us += SYNTH_EVERY_US;
    }
    add_part(s, a, at_us, s->form->closing);
    return a;
}

/* As many vectors as there are texts, in the encoding that was asked for. */
static struct answer *embeddings_answer(const struct synth *s, struct str body)
{
    CLEANUP(json_decref) json_t *doc = NULL;
    CLEANUP(buf_release) struct buf out = { 0 };
    struct answer *a = answer_new(200);
    struct err err;
    size_t count = 1;

    if (json_parse(body, &doc, &err) == 0 && json_is_array(json_get(doc, "input")))
        count = json_array_size(json_get(doc, "input"));
    bool base64 = str_eq(json_get_str(doc, "encoding_format"), STR("base64"));
    buf_add_text(&out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < count && i < INPUTS_MAX; i++)
        buf_addf(&out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":%s}", i ? "," : "",
                 i, base64 ? "\"AAAAPwAAgL4AAAA+\"" : "[0.5,-0.25,0.125]");
    fill(s, "],\"model\":$M,\"usage\":{\"prompt_tokens\":$P,\"total_tokens\":$P}}\n", &out);
    answer_set_body(a, STR(JSON_TYPE), buf_str(&out));
    return a;
}

static struct answer *unary_answer(const struct synth *s)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct answer *a = answer_new(200);

    fill(s, s->form->opening, &out);
    answer_set_body(a, str_from(s->form->content_type), buf_str(&out));
    return a;
}

struct answer *synth_answer(const struct call_facts *asked, struct str body, uint64_t number)
{
    struct synth s = { .model = asked->model_requested,
                       .number = number,
                       .prompt_tokens = (int64_t)(body.len / BYTES_PER_TOKEN),
                       .output_tokens = ARRAY_LEN(words) };

    if (asked->api == API_EMBEDDINGS)
        return embeddings_answer(&s, body);
    for (size_t i = 0; i < ARRAY_LEN(forms) && !s.form; i++)
        if (forms[i].api == asked->api && forms[i].stream == asked->stream)
            s.form = &forms[i];
    if (!s.form)
        return NULL;
    return s.form->stream ? stream_answer(&s) : unary_answer(&s);
}

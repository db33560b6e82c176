#include "config.h"

#include "replay/fault_answer.h"

#include "base/json.h"
#include "replay/eventstream.h"

/* In the texts,
 *
 *     $M the model, $T a text: as JSON strings
 *     $N a number for ids, $I that of the next event, $R the reason for the end
 *
 * Bedrock's are lines of an event's type, a blank, and its payload. */
struct form {
    const char *text, *tool, *close, *whole;
    const char *close_early, *whole_early; /* for other ends than STOP; NULL = the same */
    const char *reasons[3];
};

#define SSE(type, members) "event: " type "\ndata: {\"type\":\"" type "\"" members "}\n\n"

#define CHAT(delta, finish)                                                                        \
    "data: {\"id\":\"chatcmpl-$N\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"   \
    "\"model\":$M,\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish         \
    "}]}\n\n"

#define RESPONSE(status, details, output)                                                          \
    "{\"id\":\"resp_$N\",\"object\":\"response\",\"created_at\":1700000000,\"status\":\"" status   \
    "\",\"error\":null,\"incomplete_details\":" details ",\"instructions\":null,\"metadata\":{},"  \
    "\"model\":$M,\"output\":[" output "],\"parallel_tool_calls\":true,\"temperature\":1,"         \
    "\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":1,\"usage\":{\"input_tokens\":1,"             \
    "\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":1,"                          \
    "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":2}}"
#define RESPONSE_TEXT                                                                              \
    "{\"id\":\"msg_$N\",\"type\":\"message\",\"status\":\"completed\",\"role\":\"assistant\","     \
    "\"content\":[{\"type\":\"output_text\",\"text\":$T,\"annotations\":[]}]}"

#define GEMINI(parts, finish)                                                                      \
    "{\"candidates\":[{\"content\":{\"parts\":[" parts "],\"role\":\"model\"},\"index\":0" finish  \
    "}],\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":1,"                     \
    "\"totalTokenCount\":2},\"modelVersion\":$M,\"responseId\":\"$N\"}"
#define GEMINI_FINISH ",\"finishReason\":\"$R\""

#define CONVERSE_USAGE                                                                             \
    "\"usage\":{\"inputTokens\":1,\"outputTokens\":1,\"totalTokens\":2},"                          \
    "\"metrics\":{\"latencyMs\":200}"

#define OLLAMA_HEAD       "{\"model\":$M,\"created_at\":\"2023-11-14T22:13:20Z\",\"message\":"
#define OLLAMA_SAYS(text) "{\"role\":\"assistant\",\"content\":" text "}"
#define OLLAMA_DONE                                                                                \
    ",\"done\":true,\"done_reason\":\"$R\",\"total_duration\":320000000,"                          \
    "\"load_duration\":1000000,\"prompt_eval_count\":1,\"prompt_eval_duration\":200000000,"        \
    "\"eval_count\":1,\"eval_duration\":119000000}\n"

/* A row, which the formatter leaves in one piece: it aligns the members of braces. */
#define FORM(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

#define CHAT_FORM                                                                                  \
    FORM(.text = CHAT("{\"content\":$T}", "null"),                                                 \
         .tool = CHAT("{\"tool_calls\":[{\"index\":0,\"id\":\"call_$N\",\"type\":\"function\","    \
                      "\"function\":{\"name\":\"get_weather\",\"arguments\":\"\"}}]}",             \
                      "null") CHAT("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"    \
                                   "\"{\\\"city\\\":\\\"Ber\"}}]}",                                \
                                   "null"),                                                        \
         .close = CHAT("{}", "\"$R\"") "data: [DONE]\n\n",                                         \
         .whole = "{\"id\":\"chatcmpl-$N\",\"object\":\"chat.completion\",\"created\":1700000000," \
                  "\"model\":$M,\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","    \
                  "\"content\":$T,\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"$R\"}]," \
                  "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1,\"total_tokens\":2}}\n", \
         .reasons = { "stop", "length", "content_filter" })

static const struct form forms[FAULT_DIALECTS] = {
    [FAULT_OPENAI] = CHAT_FORM,
    [FAULT_AZURE] = CHAT_FORM,
    [FAULT_RESPONSES] =
        FORM(.text = SSE("response.output_text.delta",
                         ",\"sequence_number\":$I,\"item_id\":\"msg_$N\",\"output_index\":0,"
                         "\"content_index\":0,\"delta\":$T,\"logprobs\":[]"),
             .tool = SSE("response.output_item.added",
                         ",\"sequence_number\":$I,\"output_index\":1,\"item\":{\"id\":\"fc_$N\","
                         "\"type\":\"function_call\",\"status\":\"in_progress\",\"arguments\":\"\","
                         "\"call_id\":\"call_$N\",\"name\":\"get_weather\"}")
                 SSE("response.function_call_arguments.delta",
                     ",\"item_id\":\"fc_$N\",\"output_index\":1,\"delta\":\"{\\\"city\\\":"
                     "\\\"Ber\""),
             .close = SSE("response.completed", ",\"sequence_number\":$I,\"response\":" RESPONSE(
                                                    "completed", "null", "")),
             .close_early =
                 SSE("response.incomplete", ",\"sequence_number\":$I,\"response\":" RESPONSE(
                                                "incomplete", "{\"reason\":\"$R\"}", "")),
             .whole = RESPONSE("completed", "null", RESPONSE_TEXT) "\n",
             .whole_early = RESPONSE("incomplete", "{\"reason\":\"$R\"}", RESPONSE_TEXT) "\n",
             .reasons = { "", "max_output_tokens", "content_filter" }),
    [FAULT_ANTHROPIC] =
        FORM(.text = SSE("content_block_delta",
                         ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":$T}"),
             .tool = SSE("content_block_stop", ",\"index\":0")
                 SSE("content_block_start",
                     ",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_$N\","
                     "\"name\":\"get_weather\",\"input\":{}}")
                     SSE("content_block_delta", ",\"index\":1,\"delta\":{\"type\":"
                                                "\"input_json_delta\",\"partial_json\":"
                                                "\"{\\\"city\\\": \\\"Ber\"}"),
             .close = SSE("content_block_stop", ",\"index\":0")
                 SSE("message_delta", ",\"delta\":{\"stop_reason\":\"$R\",\"stop_sequence\":null},"
                                      "\"usage\":{\"output_tokens\":1}") SSE("message_stop", ""),
             .whole =
                 "{\"id\":\"msg_$N\",\"type\":\"message\",\"role\":\"assistant\",\"model\":$M,"
                 "\"content\":[{\"type\":\"text\",\"text\":$T}],\"stop_reason\":\"$R\","
                 "\"stop_sequence\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}\n",
             .reasons = { "end_turn", "max_tokens", "refusal" }),
    [FAULT_GEMINI] =
        FORM(.text = "data: " GEMINI("{\"text\":$T}", "") "\r\n\r\n",
             .tool = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":"
                     "\"get_weather\",\"args\":{\"city\":\"Ber",
             .close = "data: " GEMINI("{\"text\":\"\"}", GEMINI_FINISH) "\r\n\r\n",
             .whole = GEMINI("{\"text\":$T}", GEMINI_FINISH) "\n",
             .reasons = { "STOP", "MAX_TOKENS", "SAFETY" }),
    [FAULT_BEDROCK] =
        FORM(.text = "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":$T}}",
             .tool = "contentBlockStop {\"contentBlockIndex\":0}\n"
                     "contentBlockStart {\"contentBlockIndex\":1,\"start\":{\"toolUse\":{"
                     "\"toolUseId\":\"tooluse_$N\",\"name\":\"get_weather\"}}}\n"
                     "contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":"
                     "\"{\\\"city\\\":\\\"Ber\"}}}",
             .close = "contentBlockStop {\"contentBlockIndex\":0}\nmessageStop {\"stopReason\":"
                      "\"$R\"}\nmetadata {" CONVERSE_USAGE "}",
             .whole =
                 "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"text\":$T}]}"
                 "},\"stopReason\":\"$R\"," CONVERSE_USAGE "}\n",
             .reasons = { "end_turn", "max_tokens", "content_filtered" }),
    [FAULT_OLLAMA] =
        FORM(.text = OLLAMA_HEAD OLLAMA_SAYS("$T") ",\"done\":false}\n",
             .tool = OLLAMA_HEAD "{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{"
                                 "\"function\":{\"name\":\"get_weather\",\"arguments\":{\"city\":"
                                 "\"Ber",
             .close = OLLAMA_HEAD OLLAMA_SAYS("\"\"") OLLAMA_DONE,
             .whole = OLLAMA_HEAD OLLAMA_SAYS("$T") OLLAMA_DONE,
             .reasons = { "stop", "length", "stop" }),
    [FAULT_COHERE] =
        FORM(.text = SSE("content-delta",
                         ",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":$T}}}"),
             .tool = SSE("tool-call-start",
                         ",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"call_$N\","
                         "\"type\":\"function\",\"function\":{\"name\":\"get_weather\","
                         "\"arguments\":\"\"}}}}")
                 SSE("tool-call-delta",
                     ",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{"
                     "\"function\":{\"arguments\":\"{\\\"city\\\":\\\"Ber\"}}}}"),
             .close = SSE("content-end", ",\"index\":0")
                 SSE("message-end", ",\"delta\":{\"finish_reason\":\"$R\",\"usage\":{\"tokens\":{"
                                    "\"input_tokens\":1,\"output_tokens\":1}}}"),
             .whole = "{\"id\":\"$N\",\"message\":{\"role\":\"assistant\",\"content\":[{\"type\":"
                      "\"text\",\"text\":$T}]},\"finish_reason\":\"$R\",\"usage\":{\"tokens\":{"
                      "\"input_tokens\":1,\"output_tokens\":1}}}\n",
             .reasons = { "COMPLETE", "MAX_TOKENS", "ERROR" }),
};

struct filling {
    const struct fault_saying *saying;
    struct str text;
    const char *reason;
};

static void fill(const struct filling *f, const char *form, struct buf *out)
{
    for (; *form; form++) {
        if (*form != '$') {
            buf_add_byte(out, *form);
            continue;
        }
        switch (*++form) {
        case 'M':
            json_add_string(out, f->saying->model);
            break;
        case 'T':
            json_add_string(out, f->text);
            break;
        case 'R':
            buf_add_text(out, f->reason);
            break;
        default: /* N, I */
            buf_add_int(out, (int64_t)(*form == 'N' ? f->saying->number : f->saying->sequence));
        }
    }
}

/* Lines of "type payload" as messages, or the text as it is. */
static void frame(const struct filling *f, const char *form, struct buf *out)
{
    CLEANUP(buf_release) struct buf filled = { 0 };
    struct str lines, line, type;

    if (f->saying->dialect != FAULT_BEDROCK) {
        fill(f, form, out);
        return;
    }
    fill(f, form, &filled);
    lines = buf_str(&filled);
    while (str_split(&lines, '\n', &line))
        if (str_split(&line, ' ', &type) && type.len)
            eventstream_add_event(out, type, line);
}

void fault_answer_text(const struct fault_saying *saying, struct str text, struct buf *out)
{
    struct filling f = { .saying = saying, .text = text };

    frame(&f, forms[saying->dialect].text, out);
}

void fault_answer_tool(const struct fault_saying *saying, struct buf *out)
{
    struct filling f = { .saying = saying };

    frame(&f, forms[saying->dialect].tool, out);
}

void fault_answer_close(const struct fault_saying *saying, enum fault_finish why, struct buf *out)
{
    const struct form *form = &forms[saying->dialect];
    struct filling f = { .saying = saying, .reason = form->reasons[why] };
    bool is_early = why != FAULT_FINISH_STOP && form->close_early;

    frame(&f, is_early ? form->close_early : form->close, out);
}

void fault_answer_whole(const struct fault_saying *saying, enum fault_finish why, struct str text,
                        struct buf *out)
{
    const struct form *form = &forms[saying->dialect];
    struct filling f = { .saying = saying, .text = text, .reason = form->reasons[why] };
    bool is_early = why != FAULT_FINISH_STOP && form->whole_early;

    fill(&f, is_early ? form->whole_early : form->whole, out);
}

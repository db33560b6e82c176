#include "config.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/crc.h"
#include "base/mem.h"
#include "tools/sample.h"

#define JSON "application/json"
#define SSE  "text/event-stream; charset=utf-8"
#define AWS  "application/vnd.amazon.eventstream"

#define OPENAI "https://api.openai.com/v1/"

/* C leaves the order of arguments open: a call may draw only one number among them, or the sample
 * would depend on the compiler. */

/* Ten hexadecimal digits, as in providers' ids. */
static const char *id(struct sample *s)
{
    static char text[16];

    snprintf(text, sizeof(text), "%010" PRIx64, sample_random(s, 0, UINT64_C(0xffffffffff)));
    return text;
}

static unsigned long long tokens(struct sample *s, uint64_t least, uint64_t most)
{
    return (unsigned long long)sample_random(s, least, most);
}

static long long seconds(const struct sample *s)
{
    return (long long)(s->at_us / 1000000);
}

static void chat_request(struct sample *s, const char *model, const char *more)
{
    buf_addf(&s->request, "{\"model\":\"%s\"%s,\"messages\":[{\"role\":\"system\",\"content\":\"",
             model, more);
    sample_words(s, 12, &s->request);
    buf_add_text(&s->request, "\"},{\"role\":\"user\",\"content\":\"");
    sample_words(s, 20, &s->request);
    buf_add_text(&s->request, "\"}]}");
}

/* The counts of OpenAI's chat API. */
static void chat_usage(struct sample *s, bool reasons)
{
    unsigned long long input = tokens(s, 400, 6000), cached = input / 128 / 2 * 128;
    unsigned long long output = tokens(s, 60, 900), reasoning = reasons ? output / 2 / 64 * 64 : 0;

    buf_addf(&s->response,
             "\"usage\":{\"prompt_tokens\":%llu,\"completion_tokens\":%llu,\"total_tokens\":%llu,"
             "\"prompt_tokens_details\":{\"cached_tokens\":%llu,\"audio_tokens\":0},"
             "\"completion_tokens_details\":{\"reasoning_tokens\":%llu,\"audio_tokens\":0}}",
             input, output, input + output, cached, reasoning);
}

static void chat_answer(struct sample *s, const char *model, bool reasons)
{
    buf_addf(&s->response,
             "{\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion\",\"created\":%lld,"
             "\"model\":\"%s\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
             "\"content\":\"",
             id(s), seconds(s), model);
    sample_words(s, 25, &s->response);
    buf_add_text(&s->response, "\"},\"finish_reason\":\"stop\"}],");
    chat_usage(s, reasons);
    buf_add_text(&s->response, ",\"service_tier\":\"default\"}");
}

static void chat_chunk(struct sample *s, const char *chunk_id, const char *model)
{
    buf_addf(&s->response,
             "data: {\"id\":\"chatcmpl-%s\",\"object\":\"chat.completion.chunk\","
             "\"created\":%lld,\"model\":\"%s\",",
             chunk_id, seconds(s), model);
}

static void chat_deltas(struct sample *s, const char *chunk_id, const char *model)
{
    for (uint64_t i = sample_random(s, 3, 6); i > 0; i--) {
        chat_chunk(s, chunk_id, model);
        buf_add_text(&s->response, "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"");
        sample_words(s, 4, &s->response);
        buf_add_text(&s->response, " \"},\"finish_reason\":null}]}\n\n");
    }
}

static void chat_stream(struct sample *s, const char *model, bool with_usage, bool whole)
{
    char chunk_id[16];

    s->content_type = SSE;
    snprintf(chunk_id, sizeof(chunk_id), "%s", id(s));
    chat_deltas(s, chunk_id, model);
    if (!whole)
        return;
    chat_chunk(s, chunk_id, model);
    buf_add_text(&s->response,
                 "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
    if (with_usage) {
        chat_chunk(s, chunk_id, model);
        buf_add_text(&s->response, "\"choices\":[],");
        chat_usage(s, false);
        buf_add_text(&s->response, "}\n\n");
    }
    buf_add_text(&s->response, "data: [DONE]\n\n");
}

static void make_chat(struct sample *s)
{
    buf_add_text(&s->url, OPENAI "chat/completions");
    chat_request(s, "gpt-5-mini", "");
    chat_answer(s, "gpt-5-mini-2025-08-07", true);
}

static void make_chat_stream(struct sample *s)
{
    buf_add_text(&s->url, OPENAI "chat/completions");
    chat_request(s, "gpt-5-mini", ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    chat_stream(s, "gpt-5-mini-2025-08-07", true, true);
}

static void make_chat_stream_without_usage(struct sample *s)
{
    buf_add_text(&s->url, OPENAI "chat/completions");
    chat_request(s, "gpt-4.1-mini", ",\"stream\":true");
    chat_stream(s, "gpt-4.1-mini-2025-04-14", false, true);
}

/* The connection broke before the end, and with it the usage was lost. */
static void make_chat_stream_cut(struct sample *s)
{
    buf_add_text(&s->url, OPENAI "chat/completions");
    chat_request(s, "gpt-5-mini", ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
    chat_stream(s, "gpt-5-mini-2025-08-07", true, false);
}

static void make_rate_limited(struct sample *s)
{
    buf_add_text(&s->url, OPENAI "chat/completions");
    chat_request(s, "gpt-5-mini", "");
    s->status = 429;
    s->extra_name = "retry-after";
    s->extra_value = "2";
    buf_add_text(&s->response,
                 "{\"error\":{\"message\":\"Too many tokens this minute: wait and try again.\","
                 "\"type\":\"tokens\",\"param\":null,\"code\":\"rate_limit_exceeded\"}}");
}

static void make_responses(struct sample *s)
{
    unsigned long long input = tokens(s, 2000, 20000), output = tokens(s, 500, 4000);

    buf_add_text(&s->url, OPENAI "responses");
    buf_add_text(&s->request, "{\"model\":\"gpt-5\",\"reasoning\":{\"effort\":\"medium\"},"
                              "\"input\":\"");
    sample_words(s, 30, &s->request);
    buf_add_text(&s->request, "\"}");
    buf_addf(
        &s->response,
        "{\"id\":\"resp_%s\",\"object\":\"response\",\"created_at\":%lld,"
        "\"status\":\"completed\",\"model\":\"gpt-5-2025-08-07\",\"output\":[{\"type\":"
        "\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"",
        id(s), seconds(s));
    sample_words(s, 30, &s->response);
    buf_addf(&s->response,
             "\"}]}],\"service_tier\":\"default\",\"usage\":{\"input_tokens\":%llu,"
             "\"input_tokens_details\":{\"cached_tokens\":%llu},\"output_tokens\":%llu,"
             "\"output_tokens_details\":{\"reasoning_tokens\":%llu},\"total_tokens\":%llu}}",
             input, input / 256 * 128, output, output / 128 * 64, input + output);
}

static void make_embeddings(struct sample *s)
{
    unsigned long long input = tokens(s, 200, 8000), first = tokens(s, 1, 999);

    buf_add_text(&s->url, OPENAI "embeddings");
    buf_add_text(&s->request, "{\"model\":\"text-embedding-3-small\",\"input\":\"");
    sample_words(s, 25, &s->request);
    buf_add_text(&s->request, "\"}");
    buf_addf(&s->response,
             "{\"object\":\"list\",\"data\":[{\"object\":\"embedding\",\"index\":0,"
             "\"embedding\":[0.0%llu,-0.0%llu]}],\"model\":\"text-embedding-3-small\","
             "\"usage\":{\"prompt_tokens\":%llu,\"total_tokens\":%llu}}",
             first, 1000 - first, input, input);
}

#define CLAUDE "claude-sonnet-4-5-20250929"

static void messages_request(struct sample *s, const char *more)
{
    buf_add_text(&s->url, "https://api.anthropic.com/v1/messages");
    buf_addf(&s->request,
             "{\"model\":\"claude-sonnet-4-5\",\"max_tokens\":2048%s,\"system\":[{\"type\":"
             "\"text\",\"text\":\"",
             more);
    sample_words(s, 30, &s->request);
    buf_add_text(&s->request, "\",\"cache_control\":{\"type\":\"ephemeral\"}}],\"messages\":"
                              "[{\"role\":\"user\",\"content\":\"");
    sample_words(s, 15, &s->request);
    buf_add_text(&s->request, "\"}]}");
}

/* Three of four calls read what one of them has put into the cache.  The output is the caller's. */
static void messages_usage(struct sample *s, unsigned long long output)
{
    bool writes = sample_random(s, 1, 4) == 1;
    unsigned long long shared = 12000;

    buf_addf(&s->response,
             "\"usage\":{\"input_tokens\":%llu,\"cache_creation_input_tokens\":%llu,"
             "\"cache_read_input_tokens\":%llu,\"cache_creation\":{"
             "\"ephemeral_5m_input_tokens\":%llu,\"ephemeral_1h_input_tokens\":0},"
             "\"output_tokens\":%llu,\"service_tier\":\"standard\"}",
             tokens(s, 20, 900), writes ? shared : 0, writes ? 0 : shared, writes ? shared : 0,
             output);
}

static void make_messages(struct sample *s)
{
    messages_request(s, "");
    buf_addf(&s->response,
             "{\"id\":\"msg_%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"" CLAUDE
             "\",\"content\":[{\"type\":\"text\",\"text\":\"",
             id(s));
    sample_words(s, 30, &s->response);
    buf_add_text(&s->response, "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,");
    messages_usage(s, tokens(s, 200, 1200));
    buf_add_text(&s->response, "}");
}

static void make_messages_stream(struct sample *s)
{
    messages_request(s, ",\"stream\":true");
    s->content_type = SSE;
    buf_addf(&s->response,
             "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":"
             "\"msg_%s\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"" CLAUDE
             "\",\"content\":[],\"stop_reason\":null,",
             id(s));
    messages_usage(s, 1);
    buf_add_text(&s->response,
                 "}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\","
                 "\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
                 "event: ping\ndata: {\"type\": \"ping\"}\n\n");
    for (uint64_t i = sample_random(s, 2, 5); i > 0; i--) {
        buf_add_text(&s->response,
                     "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
                     "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"");
        sample_words(s, 5, &s->response);
        buf_add_text(&s->response, " \"}}\n\n");
    }
    buf_addf(&s->response,
             "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
             "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
             "\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":%llu}}\n\n"
             "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
             tokens(s, 200, 1200));
}

static void make_overloaded(struct sample *s)
{
    messages_request(s, "");
    s->status = 529;
    buf_add_text(&s->response, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
                               "\"message\":\"Overloaded\"}}");
}

static void gemini_request(struct sample *s, const char *verb)
{
    buf_addf(&s->url, "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:%s",
             verb);
    buf_add_text(&s->request, "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"");
    sample_words(s, 20, &s->request);
    buf_add_text(&s->request, "\"}]}]}");
}

/* Thoughts stand beside the candidates' tokens, not among them. */
static void gemini_chunk(struct sample *s, unsigned words, unsigned long long input,
                         unsigned long long output, unsigned long long thoughts)
{
    buf_add_text(&s->response, "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"");
    sample_words(s, words, &s->response);
    buf_addf(&s->response,
             "\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],"
             "\"usageMetadata\":{\"promptTokenCount\":%llu,\"candidatesTokenCount\":%llu,"
             "\"totalTokenCount\":%llu,\"promptTokensDetails\":[{\"modality\":\"TEXT\","
             "\"tokenCount\":%llu}],\"thoughtsTokenCount\":%llu},"
             "\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"%s\"}",
             input, output, input + output + thoughts, input, thoughts, id(s));
}

static void make_gemini(struct sample *s)
{
    unsigned long long input = tokens(s, 100, 3000), thoughts = tokens(s, 40, 900);

    gemini_request(s, "generateContent");
    gemini_chunk(s, 25, input, tokens(s, 50, 700), thoughts);
}

/* Counts are running totals: the last ones count, the ones before do not add to them. */
static void make_gemini_stream(struct sample *s)
{
    unsigned long long input = tokens(s, 100, 3000), thoughts = tokens(s, 40, 900);

    gemini_request(s, "streamGenerateContent?alt=sse");
    s->content_type = "text/event-stream";
    for (unsigned i = 1; i <= 3; i++) {
        buf_add_text(&s->response, "data: ");
        gemini_chunk(s, 8, input, 40ull * i, thoughts);
        buf_add_text(&s->response, "\r\n\r\n");
    }
}

#define HAIKU "eu.anthropic.claude-haiku-4-5-20251001-v1%3A0"

static void bedrock_request(struct sample *s, const char *verb)
{
    buf_addf(&s->url, "https://bedrock-runtime.eu-central-1.amazonaws.com/model/%s/%s", HAIKU,
             verb);
    buf_add_text(&s->request, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"");
    sample_words(s, 25, &s->request);
    buf_add_text(&s->request, "\"}]}]}");
}

static void bedrock_usage(struct sample *s, struct buf *out)
{
    unsigned long long input = tokens(s, 3000, 30000), output = tokens(s, 100, 1500);

    buf_addf(out,
             "\"usage\":{\"inputTokens\":%llu,\"outputTokens\":%llu,\"totalTokens\":%llu},"
             "\"metrics\":{\"latencyMs\":%llu}}",
             input, output, input + output, tokens(s, 700, 9000));
}

static void make_converse(struct sample *s)
{
    bedrock_request(s, "converse");
    buf_add_text(&s->response, "{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":"
                               "[{\"text\":\"");
    sample_words(s, 25, &s->response);
    buf_add_text(&s->response, "\"}]}},\"stopReason\":\"end_turn\",");
    bedrock_usage(s, &s->response);
}

static void be32_add(struct buf *out, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_byte(out, (char)(value >> shift & 0xff));
}

static void event_header(struct buf *out, const char *name, const char *value)
{
    struct str n = str_from(name), v = str_from(value);

    buf_add_byte(out, (char)n.len);
    buf_add_str(out, n);
    buf_add_byte(out, 7); /* a string */
    buf_add_byte(out, (char)(v.len >> 8));
    buf_add_byte(out, (char)(v.len & 0xff));
    buf_add_str(out, v);
}

/* One message of application/vnd.amazon.eventstream: lengths, their CRC, headers, payload, CRC. */
static void event_add(struct buf *out, const char *type, struct str payload)
{
    CLEANUP(buf_release) struct buf headers = { 0 };
    size_t begin = out->len;

    event_header(&headers, ":event-type", type);
    event_header(&headers, ":content-type", JSON);
    event_header(&headers, ":message-type", "event");
    be32_add(out, (uint32_t)(12 + headers.len + payload.len + 4));
    be32_add(out, (uint32_t)headers.len);
    be32_add(out, crc32_ieee(0, out->ptr + begin, 8));
    buf_add_str(out, buf_str(&headers));
    buf_add_str(out, payload);
    be32_add(out, crc32_ieee(0, out->ptr + begin, out->len - begin));
}

static void make_converse_stream(struct sample *s)
{
    CLEANUP(buf_release) struct buf payload = { 0 };

    bedrock_request(s, "converse-stream");
    s->content_type = AWS;
    s->is_binary = true;
    event_add(&s->response, "messageStart", STR("{\"role\":\"assistant\"}"));
    for (int i = 0; i < 2; i++) {
        buf_clear(&payload);
        buf_add_text(&payload, "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"");
        sample_words(s, 6, &payload);
        buf_add_text(&payload, "\"}}");
        event_add(&s->response, "contentBlockDelta", buf_str(&payload));
    }
    event_add(&s->response, "contentBlockStop", STR("{\"contentBlockIndex\":0}"));
    event_add(&s->response, "messageStop", STR("{\"stopReason\":\"end_turn\"}"));
    buf_clear(&payload);
    buf_add_text(&payload, "{");
    bedrock_usage(s, &payload);
    event_add(&s->response, "metadata", buf_str(&payload));
}

static void make_azure(struct sample *s)
{
    buf_add_text(&s->url, "https://riverbank-eu.openai.azure.com/openai/deployments/gpt-4.1/"
                          "chat/completions?api-version=2024-10-21");
    chat_request(s, "gpt-4.1", "");
    chat_answer(s, "gpt-4.1-2025-04-14", false);
}

static void make_mistral(struct sample *s)
{
    unsigned long long input = tokens(s, 50, 2000), output = tokens(s, 30, 500);

    buf_add_text(&s->url, "https://api.mistral.ai/v1/chat/completions");
    chat_request(s, "mistral-small-latest", "");
    buf_addf(&s->response,
             "{\"id\":\"%s\",\"object\":\"chat.completion\",\"created\":%lld,"
             "\"model\":\"mistral-small-latest\",\"usage\":{\"prompt_tokens\":%llu,"
             "\"total_tokens\":%llu,\"completion_tokens\":%llu},\"choices\":[{\"index\":0,"
             "\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"",
             id(s), seconds(s), input, input + output, output);
    sample_words(s, 15, &s->response);
    buf_add_text(&s->response, "\"}}]}");
}

/* Reports what it charged. */
static void make_openrouter(struct sample *s)
{
    unsigned long long input = tokens(s, 100, 4000), output = tokens(s, 50, 600);
    unsigned long long micro_usd = input / 2 + output * 3;

    buf_add_text(&s->url, "https://openrouter.ai/api/v1/chat/completions");
    chat_request(s, "qwen/qwen3-max", ",\"usage\":{\"include\":true}");
    buf_addf(&s->response,
             "{\"id\":\"gen-%s\",\"provider\":\"Alibaba\",\"model\":\"qwen/qwen3-max\","
             "\"object\":\"chat.completion\",\"created\":%lld,\"choices\":[{\"finish_reason\":"
             "\"stop\",\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"",
             id(s), seconds(s));
    sample_words(s, 15, &s->response);
    buf_addf(&s->response,
             "\"}}],\"usage\":{\"prompt_tokens\":%llu,\"completion_tokens\":%llu,"
             "\"total_tokens\":%llu,\"cost\":0.%06llu}}",
             input, output, input + output, micro_usd);
}

/* A model of the company's own, on its own machine: nobody's price list has it. */
static void make_own_model(struct sample *s)
{
    buf_add_text(&s->url, "http://models.riverbank.example/v1/chat/completions");
    chat_request(s, "riverbank-writer-2", "");
    chat_answer(s, "riverbank-writer-2", false);
}

static const char support[] = "sample-key-support";
static const char search[] = "sample-key-search";
static const char reports[] = "sample-key-reports";
static const char mobile[] = "sample-key-mobile";
static const char legal[] = "sample-key-legal";
static const char writers[] = "sample-key-writers";
static const char somebody[] = "sample-key-somebody";

#define NODE "riverbank-support/4.2 OpenAI/JS 5.12"

const struct sample_kind sample_kinds[] = {
    {14,  "support-bot",      NODE,                  support,  make_chat                     },
    { 20, "support-bot",      NODE,                  support,  make_chat_stream              },
    { 2,  "support-bot",      NODE,                  support,  make_chat_stream_cut          },
    { 4,  "support-bot",      NODE,                  support,  make_rate_limited             },
    { 22, NULL,               "search-index/2.1",    search,   make_embeddings               },
    { 10, NULL,               "nightly-reports/7",   reports,  make_messages                 },
    { 10, NULL,               "nightly-reports/7",   reports,  make_messages_stream          },
    { 2,  NULL,               "nightly-reports/7",   reports,  make_overloaded               },
    { 6,  NULL,               "nightly-reports/7",   reports,  make_responses                },
    { 10, "mobile-assistant", "okhttp/5.1",          mobile,   make_gemini                   },
    { 6,  "mobile-assistant", "okhttp/5.1",          mobile,   make_gemini_stream            },
    { 6,  NULL,               "contract-review/1.0", legal,    make_converse                 },
    { 6,  NULL,               "contract-review/1.0", legal,    make_converse_stream          },
    { 6,  NULL,               "contract-review/1.0", legal,    make_azure                    },
    { 6,  "copy-desk",        "copy-desk/0.3",       writers,  make_own_model                },
    { 5,  "copy-desk",        "copy-desk/0.3",       writers,  make_openrouter               },
    { 4,  "copy-desk",        "copy-desk/0.3",       writers,  make_chat_stream_without_usage},
    { 6,  NULL,               "curl/8.5.0",          somebody, make_mistral                  },
};
const unsigned sample_kind_count = ARRAY_LEN(sample_kinds);

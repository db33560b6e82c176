/* provider - names of providers, their APIs, and how a call can fail.
 *
 * Provider names are OpenTelemetry's gen_ai.provider.name values where it defines one
 * (semantic-conventions 1.37, 2025); error classes are weir's own, shared by every layer above.
 */
#ifndef LLM_PROVIDER_H
#define LLM_PROVIDER_H

#include <stdbool.h>

#include "base/str.h"

/* X(constant, name in records, the short names also accepted where a user types one) */
#define PROVIDERS(X)                                                                               \
    X(UNKNOWN, "unknown", "")                                                                      \
    X(OPENAI, "openai", "")                                                                        \
    X(AZURE_OPENAI, "azure.ai.openai", "azure,azure_openai")                                       \
    X(ANTHROPIC, "anthropic", "claude")                                                            \
    X(GEMINI, "gcp.gemini", "gemini,google")                                                       \
    X(VERTEX, "gcp.vertex_ai", "vertex,vertex_ai")                                                 \
    X(BEDROCK, "aws.bedrock", "bedrock,aws")                                                       \
    X(MISTRAL, "mistral_ai", "mistral")                                                            \
    X(COHERE, "cohere", "")                                                                        \
    X(DEEPSEEK, "deepseek", "")                                                                    \
    X(XAI, "x_ai", "xai,x-ai")                                                                     \
    X(GROQ, "groq", "")                                                                            \
    X(OPENROUTER, "openrouter", "")                                                                \
    X(TOGETHER, "together", "together_ai")                                                         \
    X(VOYAGE, "voyage", "voyageai")                                                                \
    X(PERPLEXITY, "perplexity", "")                                                                \
    X(OLLAMA, "ollama", "")                                                                        \
    X(VLLM, "vllm", "")                                                                            \
    X(CEREBRAS, "cerebras", "")                                                                    \
    X(FIREWORKS, "fireworks", "fireworks_ai")                                                      \
    X(HUGGINGFACE, "huggingface", "")                                                              \
    X(ZAI, "zai", "z.ai")                                                                          \
    X(SNOWFLAKE, "snowflake", "")                                                                  \
    X(HEROKU, "heroku", "")                                                                        \
    X(CRUSOE, "crusoe", "")                                                                        \
    X(WRITER, "writer", "")                                                                        \
    X(MOONSHOT, "moonshotai", "moonshot,kimi")                                                     \
    X(MINIMAX, "minimax", "")                                                                      \
    X(COMPATIBLE, "compatible", "") /* speaks a known API; the host does not say who it is */

enum provider {
#define X(constant, name, aliases) PROVIDER_##constant,
    PROVIDERS(X)
#undef X
        PROVIDER_COUNT
};

/* X(constant, name) */
#define APIS(X)                                                                                    \
    X(UNKNOWN, "unknown")                                                                          \
    X(CHAT, "chat") /* OpenAI chat completions and all that copy it */                             \
    X(RESPONSES, "responses")                                                                      \
    X(RESPONSES_COMPACT, "responses_compact")                                                      \
    X(COMPLETIONS, "completions") /* OpenAI legacy text completions */                             \
    X(EMBEDDINGS, "embeddings")                                                                    \
    X(IMAGES, "images")                                                                            \
    X(TRANSCRIPTION, "transcription") /* speech in, text out; translations too */                  \
    X(SPEECH, "speech")               /* text in, speech out */                                    \
    X(MODERATIONS, "moderations")                                                                  \
    X(REALTIME, "realtime")                                                                        \
    X(ASSISTANTS, "assistants") /* threads and runs */                                             \
    X(BATCH, "batch")                                                                              \
    X(MESSAGES, "messages")                 /* Anthropic */                                        \
    X(COMPLETE, "complete")                 /* Anthropic legacy text completions */                \
    X(COUNT_TOKENS, "count_tokens")         /* any provider's token counter: never billed */       \
    X(GENERATE_CONTENT, "generate_content") /* Gemini, Vertex */                                   \
    X(EMBED_CONTENT, "embed_content")                                                              \
    X(INTERACTIONS, "interactions") /* Gemini */                                                   \
    X(PREDICT, "predict")           /* Vertex :predict */                                          \
    X(CONVERSE, "converse")         /* Bedrock; the stream flag tells converse-stream */           \
    X(INVOKE, "invoke")             /* Bedrock InvokeModel; the stream flag likewise */            \
    X(GUARDRAIL, "guardrail")                                                                      \
    X(RERANK, "rerank")                                                                            \
    X(OCR, "ocr")                                                                                  \
    X(OLLAMA_CHAT, "ollama_chat")                                                                  \
    X(OLLAMA_GENERATE, "ollama_generate")                                                          \
    X(OLLAMA_EMBED, "ollama_embed")                                                                \
    X(COHERE_CHAT, "cohere_chat") /* v1 and v2 */                                                  \
    X(MODELS, "models")           /* lists of models */                                            \
    X(FILES, "files")             /* files, stores, caches: no tokens are billed per request */    \
    X(USAGE_ROW, "usage_row")     /* imported counts without an exchange */

enum api {
#define X(constant, name) API_##constant,
    APIS(X)
#undef X
        API_COUNT
};

/* X(constant, name): why an exchange failed; DESIGN of the record, shared by policy and replay. */
#define ERROR_CLASSES(X)                                                                           \
    X(NONE, "")                                                                                    \
    X(TRANSPORT, "transport")                                                                      \
    X(TIMEOUT_HEAD, "timeout_head")                                                                \
    X(TIMEOUT_FIRST_TOKEN, "timeout_first_token")                                                  \
    X(STATUS_4XX, "status_4xx")                                                                    \
    X(RATE_LIMITED, "rate_limited")                                                                \
    X(QUOTA_EXHAUSTED, "quota_exhausted")                                                          \
    X(OVERLOADED, "overloaded")                                                                    \
    X(STATUS_5XX, "status_5xx")                                                                    \
    X(STREAM_ERROR_EVENT, "stream_error_event")                                                    \
    X(STREAM_CUT, "stream_cut")                                                                    \
    X(STREAM_STALL, "stream_stall")                                                                \
    X(MALFORMED, "malformed")                                                                      \
    X(CONTENT_FILTER, "content_filter")                                                            \
    X(CONTEXT_LENGTH, "context_length")                                                            \
    X(CLIENT_GONE, "client_gone")                                                                  \
    X(DENIED, "denied")

enum error_class {
#define X(constant, name) ERROR_CLASS_##constant,
    ERROR_CLASSES(X)
#undef X
        ERROR_CLASS_COUNT
};

const char *provider_name(enum provider p);
const char *api_name(enum api a);
const char *error_class_name(enum error_class e);
/* By record name or alias, ASCII case ignored; false if there is none. */
bool provider_parse(struct str name, enum provider *ret);
bool api_parse(struct str name, enum api *ret);

#endif

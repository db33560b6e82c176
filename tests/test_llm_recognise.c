#include "config.h"

#include "llm/call.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "llm/recognise.h"
#include "tests/check_main.h"

struct given {
    const char *method, *host, *path;
    const char *header, *header_value; /* of the response; NULL = none */
    const char *response;              /* NULL = "{}" */
    enum provider provider;
    enum api api;
    const char *by;
    const char *model; /* requested, as the path names it; NULL = none there */
    const char *geo;
};

#define CHAT_BODY        "{\"object\":\"chat.completion\",\"choices\":[],\"created\":1}"
#define ADDRESS(m, h, p) .method = (m), .host = (h), .path = (p)
#define IS(p, a, how)    .provider = PROVIDER_##p, .api = API_##a, .by = (how)

static const struct given rows[] = {
  /* hosts */
    {ADDRESS("POST",                                                                "api.openai.com",                                       "/v1/chat/completions"),IS(OPENAI, CHAT,  "host")},
    { ADDRESS("POST",                                                               "API.OpenAI.com:443",                                   "/v1/responses"),IS(OPENAI, RESPONSES,"host")},
    { ADDRESS("POST",                                                               "eu.api.openai.com",                                    "/v1/responses"),IS(OPENAI, RESPONSES,"host"),
     .geo = "eu" },
    { ADDRESS("GET",                                                                            "api.openai.com",                                                                                                                     "/v1/responses/resp_1"),IS(OPENAI,RESPONSES,"host")                                                                                                                        },
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/responses/compact"),
     IS(OPENAI,RESPONSES_COMPACT,"host")                                                                                                                                                                                                                                      },
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/responses/input_tokens"),
     IS(OPENAI,COUNT_TOKENS,"host")                                                                                                                                                                                                                                                },
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/completions"),IS(OPENAI,COMPLETIONS,"host")},
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/embeddings"),IS(OPENAI,EMBEDDINGS,"host")                                                                                                                                                                                                                                                 },
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/images/generations"),IS(OPENAI,IMAGES,"host")},
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/images/edits"),IS(OPENAI,IMAGES,"host")                                                                                                                                                                                                                                                 },
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/audio/transcriptions"),
     IS(OPENAI,TRANSCRIPTION,"host")                                                                                                                                                                                                                                             },
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/audio/translations"),
     IS(OPENAI,TRANSCRIPTION,"host")                                                                                                                                                                                                                                           },
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/audio/speech"),IS(OPENAI,SPEECH,"host")},
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/moderations"),IS(OPENAI,MODERATIONS,"host")                                                                                                                                                                                                                                      },
    { ADDRESS("GET",                                                                            "api.openai.com",                                                                                                                     "/v1/realtime"),IS(OPENAI,REALTIME,"host")},
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/threads/t/runs"),IS(OPENAI,ASSISTANTS,"host")                                                                                                                                                                                                                                     },
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/threads/t/messages"),IS(OPENAI,ASSISTANTS,"host")},
    { ADDRESS("POST",                                                                            "api.openai.com",                                                                                                                    "/v1/batches"),IS(OPENAI,BATCH,"host")                                                                                                                                                                                                                                          },
    { ADDRESS("GET",                                                                            "api.openai.com",                                                                                                                     "/v1/models"),IS(OPENAI,MODELS,"host")},
    { ADDRESS("GET",                                                                            "api.openai.com",                                                                                                                     "/v1/files/f"),IS(OPENAI,FILES,"host")                                                                                                                                                                                                                                           },
    { ADDRESS("POST",                                                                            "r.openai.azure.com",                                                                                                                    "/openai/deployments/my-gpt/chat/completions"),
     IS(AZURE_OPENAI,CHAT,"host"),                                                                                                                                                                                                                                                                        .model = "my-gpt" },
    { ADDRESS("POST",                                                            "r.openai.azure.com",                                                                                                                 "//openai/deployments/e/embeddings"),
     IS(AZURE_OPENAI,EMBEDDINGS,"host"),.model = "e" },
    { ADDRESS("POST",                                                                      "r.cognitiveservices.azure.com",                                                                                                                "/openai/v1/responses"),
     IS(AZURE_OPENAI,RESPONSES,                                                                                                                              "host")            },
    { ADDRESS("POST",                                                                    "r.services.ai.azure.com",                                                                                                                   "/anthropic/v1/messages"),
     IS(AZURE_OPENAI,    MESSAGES,"host")},
    { ADDRESS("POST",                                                                     "x.azure-api.net",                                                                                                                    "/team/openai/deployments/d/completions"),
     IS(AZURE_OPENAI,COMPLETIONS,                                                                           "host"),                                                                                                                                                                                                                                                                                       .model = "d" },
    { ADDRESS("POST",                                                                  "api.anthropic.com",                                                                                                                 "/v1/messages"),IS(ANTHROPIC,   MESSAGES,"host")},
    { ADDRESS("POST",                                                                 "api.anthropic.com",                                                                                                               "/v1/messages/count_tokens"),
     IS(ANTHROPIC,          COUNT_TOKENS,                                                                                  "host")                                                                                                                                                                                                                                                                                                                                                                                                                                                          },
    { ADDRESS("POST",                                                                  "api.anthropic.com",                                                                                                            "/v1/complete"),IS(ANTHROPIC,COMPLETE,"host")},
    { ADDRESS("POST",                                                                 "api.anthropic.com",                                                                                                               "/v1/chat/completions"),    IS(ANTHROPIC,                                                                          CHAT,                                                                                                                                                                                                                         "host")                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           },
    { ADDRESS("GET",                                                                 "api.anthropic.com",                                                                                                                   "/v1/messages/batches/b/results"),
     IS(ANTHROPIC,BATCH,"host")},
    { ADDRESS("POST",                                                                  "generativelanguage.googleapis.com",
     "/v1beta/models/gemini-2.5-pro:generateContent"),
     IS(GEMINI,                                                                             GENERATE_CONTENT,                                                                                                                                                                                                                                                                                                                                                                                                                              "host"),                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  .model = "gemini-2.5-pro" },
    { ADDRESS("POST",                                                                     "generativelanguage.googleapis.com",
     "/v1beta/models/models%2Fgemini-2.5-pro:streamGenerateContent"),
     IS(GEMINI,GENERATE_CONTENT,"host"),.model = "gemini-2.5-pro" },
    { ADDRESS("POST",               "generativelanguage.googleapis.com",                                                                                                                             "/v1beta/models/g%3AcountTokens"),
     IS(GEMINI,                                                                                                        COUNT_TOKENS,                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "host"),                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                        .model = "g" },
    { ADDRESS("POST",                            "generativelanguage.googleapis.com","/v1beta/models/e:batchEmbedContents"),
     IS(GEMINI,EMBED_CONTENT,"host"),.model = "e" },
    { ADDRESS("POST",                                                               "generativelanguage.googleapis.com",                                                       "/v1beta/openai/chat/completions"),
     IS(GEMINI,CHAT,                                                                                                              "host")                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                        },
    { ADDRESS("POST",                                                                            "generativelanguage.googleapis.com",                                                                                                                    "/v1beta/interactions"),
     IS(GEMINI,INTERACTIONS,"host")},
    { ADDRESS("POST",                                                                            "generativelanguage.googleapis.com",                                                                                                                    "/v1beta/cachedContents"),
     IS(GEMINI,FILES,"host")                                                                                                                                                                                              },
    { ADDRESS("POST",                                                                            "us-central1-aiplatform.googleapis.com",
     "/v1/projects/p/locations/us-central1/publishers/google/models/g:generateContent"),
     IS(VERTEX,GENERATE_CONTENT,"host"),                                                                                                                                                                                                                                                                     .model = "g", .geo = "us-central1" },
    { ADDRESS("POST",                                                                            "aiplatform.googleapis.com",
     "/v1/projects/p/locations/global/publishers/google/models/g:embedContent"),
     IS(VERTEX,EMBED_CONTENT,"host"),                                                                                                                                                                                                                                                            .model = "g", .geo = "global" },
    { ADDRESS("POST",                                                                 "aiplatform.googleapis.com",
     "/v1/projects/p/locations/europe-west4/endpoints/77:generateContent"),
     IS(VERTEX,GENERATE_CONTENT,"host"),.model = "77", .geo = "europe-west4" },
    { ADDRESS("POST",                                                                "us-east5-aiplatform.googleapis.com",
     "/v1/projects/p/locations/us-east5/publishers/anthropic/models/"
              "claude-sonnet-4-5%4020250929:streamRawPredict"),
     IS(VERTEX,                             MESSAGES,                                                  "host"),.model = "claude-sonnet-4-5@20250929", .geo = "us-east5" },
    { ADDRESS("POST",         "us-east5-aiplatform.googleapis.com",
     "/v1/projects/p/locations/us-east5/publishers/anthropic/models/"
              "count-tokens:rawPredict"),
     IS(VERTEX,                   COUNT_TOKENS,                                                                                                                                                                                 "host"),                                                                                                                                                                                                                                            .geo = "us-east5" },
    { ADDRESS("POST",                                                               "us-central1-aiplatform.googleapis.com",
     "/v1/projects/p/locations/us-central1/publishers/mistralai/models/m:rawPredict"),
     IS(VERTEX,CHAT,"host"),.model = "m", .geo = "us-central1" },
    { ADDRESS("POST",                                                            "us-central1-aiplatform.googleapis.com",
     "/v1/projects/p/locations/us-central1/publishers/google/models/e:predict"),
     IS(VERTEX,PREDICT,"host"),.model = "e", .geo = "us-central1" },
    { ADDRESS("POST",                                                                      "us-central1-aiplatform.googleapis.com",
     "/v1/projects/p/locations/us-central1/endpoints/openapi/chat/completions"),
     IS(VERTEX,CHAT,"host"),.geo = "us-central1" },
    { ADDRESS("POST",                                                                         "bedrock-runtime.eu-west-1.amazonaws.com",
     "/model/eu.anthropic.claude-x-v1%3A0/converse"),
     IS(BEDROCK,CONVERSE,                   "host"),                                                                                                                    .model = "eu.anthropic.claude-x-v1:0", .geo = "eu-west-1" },
    { ADDRESS("POST",    "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
     "/model/a.b-v1:0/converse-stream"),
     IS(BEDROCK,                                                         CONVERSE,                                                                                             "host"),                                                                                        .model = "a.b-v1:0", .geo = "us-gov-west-1" },
    { ADDRESS("POST",                                                               "vpce-0a1-b2.bedrock-runtime.us-west-2.vpce.amazonaws.com",
     "/model/a.b-v1/invoke"),
     IS(BEDROCK,INVOKE,                                       "host"),                                                                                                                                                                                                                                                                                                                                                                          .model = "a.b-v1", .geo = "us-west-2" },
    { ADDRESS("POST",                                                                            "bedrock-runtime.us-east-1.amazonaws.com",
     "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fx/"
              "invoke-with-response-stream"),
     IS(BEDROCK,INVOKE,"host"),
     .model = "arn:aws:bedrock:us-east-1:1:application-inference-profile/x", .geo = "us-east-1" },
    { ADDRESS("POST",                                        "bedrock-runtime.us-east-1.amazonaws.com",
     "/model/arn:aws:bedrock:us-east-1:1:inference-profile/us.a.b-v1:0/converse"),
     IS(BEDROCK,CONVERSE,"host"),
     .model = "arn:aws:bedrock:us-east-1:1:inference-profile/us.a.b-v1:0", .geo = "us-east-1" },
    { ADDRESS("POST",                                                                     "bedrock-runtime.us-east-1.amazonaws.com",                                                                                                                    "/model/m/count-tokens"),
     IS(BEDROCK,COUNT_TOKENS,"host"),.model = "m", .geo = "us-east-1" },
    { ADDRESS("POST",                                                       "bedrock-runtime.us-east-1.amazonaws.com",                                                                                                                            "/guardrail/g/version/1/apply"),
     IS(BEDROCK,GUARDRAIL,"host"),.geo = "us-east-1" },
    { ADDRESS("POST",                                                               "bedrock-mantle.us-east-1.api.aws", "/openai/v1/responses"),
     IS(BEDROCK,RESPONSES,                                     "host"),                                             .geo = "us-east-1" },
    { ADDRESS("POST",                                                           "api.mistral.ai",                                                                                                                "/v1/chat/completions"),IS(MISTRAL,CHAT,"host")},
    { ADDRESS("POST",                                                                      "codestral.mistral.ai",                                                                  "/v1/fim/completions"),
     IS(MISTRAL,COMPLETIONS,"host")},
    { ADDRESS("POST",                                                                    "api.mistral.ai",                                                                                                              "/v1/ocr"),IS(MISTRAL,                                                                         OCR,                                                                                                                                                                                                                                                                                          "host")                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           },
    { ADDRESS("POST","api.cohere.com","/v2/chat"),IS(COHERE,COHERE_CHAT,                                                 "host")                                                                                                                                                                                                                                                                                                                                                                                                                                                                                             },
    { ADDRESS("POST",                                                               "api.cohere.ai",                     "/v1/chat"),IS(COHERE,COHERE_CHAT,"host")},
    { ADDRESS("POST",                                                                            "api.cohere.com",                                                                                                                    "/v1/rerank"),IS(COHERE,RERANK,"host")},
    { ADDRESS("POST",                                                                            "api.cohere.com",                                                                                                                    "/v2/embed"),IS(COHERE,EMBEDDINGS,"host")                                                                          },
    { ADDRESS("POST",                                                                            "api.cohere.com",                                                                                                                    "/v1/tokenize"),IS(COHERE,COUNT_TOKENS,"host")},
    { ADDRESS("POST",                                                                            "api.deepseek.com",                                                                                                                    "/beta/chat/completions"),IS(DEEPSEEK,                                                                           CHAT,                                                                                                           "host")},
    { ADDRESS("POST",                                                                            "api.deepseek.com",                                                                                                                    "/responses"),IS(DEEPSEEK,RESPONSES,                "host")},
    { ADDRESS("POST",                                                                            "api.deepseek.com",                                                                                                                    "/anthropic/v1/messages"),
     IS(DEEPSEEK,MESSAGES,"host")                                                                                                                                                   },
    { ADDRESS("POST",                                                                            "us-east-1.api.x.ai",                                                                                                                    "/v1/chat/completions"),IS(XAI,CHAT,"host"),
     .geo = "us-east-1" },
    { ADDRESS("POST",                                                                            "api.groq.com",                                                                                                                    "/openai/v1/chat/completions"),IS(GROQ,CHAT,"host")                  },
    { ADDRESS("POST",                                                                            "api.groq.com",                                                                                                                    "/openai/v1/audio/transcriptions"),
     IS(GROQ,TRANSCRIPTION,"host")},
    { ADDRESS("POST",                                                                            "openrouter.ai",                                                                                                                    "/api/v1/chat/completions"),IS(OPENROUTER,CHAT,"host")                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                     },
    { ADDRESS("POST",                                                                            "api.together.xyz",                                                                                                                    "/v1/completions"),IS(TOGETHER,COMPLETIONS,"host")                                                                                                                                                                                                                                  },
    { ADDRESS("POST",                                                                            "api.voyageai.com",                                                                                                                    "/v1/rerank"),IS(VOYAGE,RERANK,"host")},
    { ADDRESS("POST",                                                            "api.perplexity.ai",                                                                                                                 "/chat/completions"),IS(PERPLEXITY,CHAT,"host")},
    { ADDRESS("POST",                                                                      "ollama.com",                                                                                                                           "/api/chat"),IS(OLLAMA,OLLAMA_CHAT,"host")},
    { ADDRESS("POST",                                                                      "router.huggingface.co",                                                                                                                           "/novita/v3/openai/chat/completions"),
     IS(HUGGINGFACE,CHAT,"host")                                                                                                                                                                                                                                                                                                                                                                            },
    { ADDRESS("POST",                                                                      "api.z.ai",                                                                                                                           "/api/paas/v4/chat/completions"),IS(ZAI,CHAT,"host")},
    { ADDRESS("POST",                                                                      "acme.snowflakecomputing.com",                                                                                                                           "/api/v2/cortex/inference:complete"),
     IS(SNOWFLAKE,CHAT,"host")},
    { ADDRESS("POST",                                                                      "us.inference.heroku.com",                                                                                                                           "/v1/chat/completions"),IS(HEROKU,CHAT,"host"),
     .geo = "us" },
    { ADDRESS("POST",                                                                      "api.writer.com",                                                                                                                           "/v1/chat"),IS(WRITER,CHAT,                              "host")                                                                                                                                                                                                                                   },
    { ADDRESS("POST",                                                                      "api.openai.com",                                                                                                                           "/v1/something/new"),
     IS(OPENAI,UNKNOWN,"the host is a provider's, the path none of its APIs we know")},
    { ADDRESS("POST",                                                                      "api.openai.com",                                                                                                                           "/v1/something/new"),.response = CHAT_BODY,
     IS(OPENAI,CHAT,"host") },

 /* gateways: the path names the provider */
    { ADDRESS("POST",                                                                      "weir:8700",                                                                                                                           "/support-bot/openai/v1/chat/completions"),
     IS(OPENAI,CHAT,"path")},
    { ADDRESS("POST",                                                                      "gateway.pydantic.dev",                                                                                                                           "/proxy/openai/responses"),
     IS(OPENAI,RESPONSES,"path")                                                                                                                                                                                                                                                                                                                                                      },
    { ADDRESS("POST",                                                                      "localhost:8787",                                                                                                                           "/groq/openai/v1/chat/completions"),
     IS(GROQ,CHAT,"path")},
    { ADDRESS("POST",                                                                         "localhost:8787",                                                                                                                        "/anthropic/v1/messages"),
     IS(ANTHROPIC,                                                                              MESSAGES,"path")},
    { ADDRESS("POST",                                                                      "localhost:8787",                                                              "/bedrock/model/amazon.nova-micro-v1%3A0/converse"),
     IS(BEDROCK,                               CONVERSE,                                                                                                 "path"),.model = "amazon.nova-micro-v1:0" },
    { ADDRESS("POST",                                                                     "localhost:8787",
     "/google-vertex/v1beta1/publishers/google/models/g:generateContent"),
     IS(VERTEX,GENERATE_CONTENT,                                                                                                                                                                                        "path"),                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                              .model = "g" },
    { ADDRESS("POST",                                                                     "gateway.ai.cloudflare.com",
     "/v1/acct/gw/google-ai-studio/v1/models/g:"
              "generateContent"),
     IS(GEMINI,                                                                                                     GENERATE_CONTENT,                                                                                                                                                                                                                                                                       "path"),                                                                                                                                                                                               .model = "g" },
    { ADDRESS("POST",                                                                     "gw",                                                                                                                  "/openai/deployments/d/chat/completions"),
     IS(AZURE_OPENAI,                                                                                            CHAT,                                                                                                                        "path"),.model = "d" },
    { ADDRESS("POST",                                                                       "gw",                                                                                                                         "/model/arn:aws:bedrock:eu-west-3:1:provisioned-model/p/invoke"),
     IS(BEDROCK,      INVOKE,                                                                                                                          "path"),                                                                                                                                                                                                                                                                                                     .model = "arn:aws:bedrock:eu-west-3:1:provisioned-model/p",
     .geo = "eu-west-3" },
    { ADDRESS("POST",                                                                  "gw",                                                                                                                "/v2/chat"),IS(COHERE,COHERE_CHAT,"path")                                                                                                                                                                                                                     },

 /* gateways: the path names the API only */
    { ADDRESS("POST",                                                                    "localhost:4000",                                                                                                                  "/chat/completions"),IS(COMPATIBLE,CHAT,"path")},
    { ADDRESS("POST",          "10.0.0.7",                                                                                                                             "/v1/messages"),IS(COMPATIBLE,MESSAGES,"path")},
    { ADDRESS("POST","[::1]:8080",                                                                                                           "/v1/embeddings"),IS(COMPATIBLE,EMBEDDINGS,"path")},
    { ADDRESS("POST",                                                               "api.portkey.ai",                                             "/v1/prompts/p/completions"),
     IS(COMPATIBLE,CHAT,"path")},
    { ADDRESS("POST",                                                                            "localhost:11434",                                                                                                                    "/v1/chat/completions"),IS(OLLAMA,CHAT,"port")},
    { ADDRESS("POST",                   "127.0.0.1:11434",                                                                                                                    "/api/generate"),IS(OLLAMA,OLLAMA_GENERATE,"port")},
    { ADDRESS("POST",                                                                  "127.0.0.1:11434",                                                                                                                 "/api/embed"),IS(OLLAMA,                                                                        OLLAMA_EMBED,                                                                                                 "port")},

 /* the answer names the provider */
    { ADDRESS("POST",                                                                         "gw",                                                                                                                        "/v1/chat/completions"),.header = "openai-organization",
     .header_value = "acme",                                                                                                                                                                                                                                                         IS(OPENAI,                                                                                                                                                                                                                                                                                                             CHAT, "header") },
    { ADDRESS("POST",                                                                     "gw",                                                                                                                    "/v1/chat/completions"),.header = "llm_provider-x-groq-region",
     .header_value = "us",                                                                                                                                                                         IS(GROQ,                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                    CHAT, "header") },
    { ADDRESS("POST",                                                                   "gw",                                                                                                                  "/v1/messages"),.header = "Anthropic-Organization-Id",
     .header_value = "o",                                                                                                                                                                                                                                                                                                                                                                                                                                      IS(ANTHROPIC,                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                               MESSAGES, "header") },
    { ADDRESS("POST",                                                                         "gw",                                                                                                                        "/v1/chat/completions"),.header = "apim-request-id",
     .header_value = "1",                IS(AZURE_OPENAI,                                                                                                                             CHAT, "header") },
    { ADDRESS("POST",                                                                         "gw",                                                                                                                        "/v1/chat/completions"),.response = "{\"id\":\"gen-1-a\"}",
     IS(OPENROUTER,                                                                                                                                                                                                                                            CHAT,                                                                                                                                       "shape") },
    { ADDRESS("POST",                                                              "gw",                                                                                                             "/v1/messages"),.response = "{\"id\":\"msg_bdrk_1\"}",
     IS(BEDROCK,                                 MESSAGES,                                                                                                                                                   "shape") },
    { ADDRESS("POST",                                                                 "gw",                                                                                                                "/v1/messages"),.response = "{\"id\":\"msg_vrtx_1\"}",
     IS(VERTEX,MESSAGES,"shape") },
    { ADDRESS("POST",                                                        "gw",                                                                                                     "/v1/messages"),.response = "{\"id\":\"msg_01A\"}",
     IS(ANTHROPIC,MESSAGES,"shape") },
    { ADDRESS("POST",                                                      "gw","/v1/chat/completions"),
     .response = "{\"object\":\"chat.completion\",\"x_groq\":{\"id\":\"r\"}}",
     IS(GROQ,CHAT,"shape") },
    { ADDRESS("POST",                                                               "localhost:8000",                                               "/v1/chat/completions"),
     .response = "{\"choices\":[{\"finish_reason\":\"stop\",\"stop_reason\":null}]}",
     IS(VLLM,CHAT,"shape") },

 /* neither host nor path: the shape of the answer */
    { ADDRESS("POST",                                                                    "gw",                                                                                                                         "/ask"),.response = CHAT_BODY,IS(COMPATIBLE,CHAT,"shape") },
    { ADDRESS("POST",                                                              "gw",                                                                                                                "/ask"),
     .response = "data: {\"object\":\"chat.completion.chunk\",\"choices\":[]}\n\n",
     IS(COMPATIBLE,CHAT,"shape") },
    { ADDRESS("POST",                                           "gw",                                                                                                                         "/ask"),.response = "{\"object\":\"text_completion\"}",
     IS(COMPATIBLE,COMPLETIONS,"shape") },
    { ADDRESS("POST",                                                              "gw","/ask"),.response = "{\"id\":\"r\",\"object\":\"response\"}",
     IS(COMPATIBLE,RESPONSES,"shape") },
    { ADDRESS("POST",         "gw","/ask"),.response = "{\"type\":\"message\",\"role\":\"assistant\"}",
     IS(COMPATIBLE,                                                                                                                                                                                                                                                                            MESSAGES,                                                                                                                                                                                                                                                                                                                                                                                                                                                           "shape") },
    { ADDRESS("POST",                                                               "gw",                                                          "/ask"),.response = "{\"candidates\":[],\"usageMetadata\":{}}",
     IS(COMPATIBLE,GENERATE_CONTENT,                                                                                                                                                                                                                                                                                       "shape") },
    { ADDRESS("POST",                                                                            "gw",                                                                                                                    "/ask"),
     .response = "{\"output\":{\"message\":{}},\"stopReason\":\"end_turn\",\"metrics\":{}}",
     IS(COMPATIBLE,CONVERSE,"shape") },
    { ADDRESS("POST",                                                                     "gw",                                                                                                                          "/ask"),.response = "{\"model\":\"m\",\"done\":true,\"eval_count\":1}",
     IS(COMPATIBLE,OLLAMA_CHAT,"shape") },
    { ADDRESS("POST",                                                                         "gw",                                                                                                                       "/ask"),
     .response = "{\"response_id\":\"1\",\"meta\":{\"billed_units\":{}}}",
     IS(COMPATIBLE,COHERE_CHAT,                                                                                                                                                                                                                                                      "shape") },
    { ADDRESS("POST",                                                                "gw",                                                                                                                  "/ask"),
     .response = "{\"object\":\"list\",\"data\":[],\"usage\":{\"total_tokens\":1}}",
     IS(COMPATIBLE,                                                                                                                                                                                                                                                                                                                                     EMBEDDINGS,                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                       "shape") },

 /* nothing of ours */
    { ADDRESS("GET", "cdn.example.com",                                                                                                                         "/images/a.webp"),.response = "RIFF",
     IS(UNKNOWN,                                    UNKNOWN,                                                                                                                                                                                                                                                                                                         "not a model provider's host or path") },
    { ADDRESS("POST",                                                                      "api.example.com","/v2/guardrails/pii/execute"),
     .response = "{\"result\":{\"has_pii\":true},\"pass\":false}",
     IS(UNKNOWN,                                                                                                                                                                                                                                        UNKNOWN,                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                              "not a model provider's host or path") },
    { ADDRESS("POST",            "forms.example.com",                                                                                         "/surveys/responses"),.response = "{\"id\":7}",
     IS(UNKNOWN,                                       UNKNOWN,                                                                                                                                                                                                                                                        "not a model provider's host or path") },
    { ADDRESS("POST",                                                               "api.openai.com.example.net",                                                                                                         "/x"),
     IS(UNKNOWN,                                                                                                                                                                  UNKNOWN,"not a model provider's host or path")},
    { ADDRESS("POST",                                                                            "",                                                                                                                    ""),IS(UNKNOWN,UNKNOWN,    "not a model provider's host or path")},
};

START_TEST(a_call_is_recognised)
{
    const struct given *given = &rows[_i];
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct call_header header = { str_from(given->header), str_from(given->header_value) };
    struct call_facts facts;
    struct call call = {
        .method = str_from(given->method),
        .host = str_from(given->host),
        .path = str_from(given->path),
        .request_body = STR("{}"),
        .status = 200,
        .response_headers = &header,
        .response_header_count = given->header ? 1 : 0,
        .response_body = given->response ? str_from(given->response) : STR("{}"),
    };

    call_read(&call, &arena, &facts);
    ck_assert_msg(facts.provider == given->provider && facts.api == given->api &&
                      strcmp(facts.recognised_by, given->by) == 0,
                  "%s%s: %s %s by '%s'", given->host, given->path, provider_name(facts.provider),
                  api_name(facts.api), facts.recognised_by);
    struct str model = given->model ? str_from(given->model) : STR("");
    struct str geo = given->geo ? str_from(given->geo) : STR("");
    ck_assert_msg(str_eq(facts.model_requested, model), "%s: model '%.*s'", given->path,
                  STR_ARG(facts.model_requested));
    ck_assert_msg(str_eq(facts.geo, geo), "%s%s: geo '%.*s'", given->host, given->path,
                  STR_ARG(facts.geo));
}
END_TEST

/* Fills the holes of a template with what fits them. */
static void path_of(const char *pattern, char *ret, size_t size)
{
    static const struct {
        const char *hole, *fill;
    } fills[] = {
        {"{model+}", "m"},
        { "{model}", "m"},
        { "{}",      "x"},
        { "/**",     "" }
    };
    size_t len = (size_t)snprintf(ret, size, "/v1/");

    for (const char *at = pattern; *at;) {
        size_t i = 0;
        while (i < ARRAY_LEN(fills) && strncmp(at, fills[i].hole, strlen(fills[i].hole)) != 0)
            i++;
        if (i < ARRAY_LEN(fills)) {
            len += (size_t)snprintf(ret + len, size - len, "%s", fills[i].fill);
            at += strlen(fills[i].hole);
        } else {
            ret[len++] = *at++;
        }
        ret[len] = '\0';
    }
}

/* A pattern is a host that matches it: '*' stands for itself too. */
static const char *host_of(enum provider provider)
{
    for (size_t i = 0; i < recognise_host_count; i++)
        if (recognise_hosts[i].provider == provider)
            return recognise_hosts[i].pattern.ptr;
    return "api.openai.com";
}

/* No row is shadowed by another: a path made from its template, on a host of its provider, is
 * recognised as its API. */
START_TEST(every_row_of_the_table_can_win)
{
    const struct api_row *row = &recognise_apis[_i];
    CLEANUP(arena_release) struct arena arena = { 0 };
    struct recognition rec;
    char path[256];
    struct call call = { .host = str_from(host_of(row->provider)) };

    path_of(row->pattern.ptr, path, sizeof(path));
    call.path = str_from(path);
    call.method = row->method ? str_from(row->method) : STR("POST");
    recognise(&call, &arena, &rec);
    ck_assert_msg(rec.row, "%s: no row", path);
    ck_assert_msg(rec.api == row->api && rec.wire == row->wire, "%s %s is read as %s",
                  row->pattern.ptr, path, rec.row->pattern.ptr);
    ck_assert_msg(!(row->flags & ROW_FREE) || row->note, "%s: free without a reason",
                  row->pattern.ptr);
}
END_TEST

START_TEST(every_host_pattern_names_a_provider)
{
    struct str pattern = recognise_hosts[_i].pattern;

    ck_assert_uint_ge(pattern.len, HOST_TAIL_BYTES);
    ck_assert_int_lt(str_find_char(pattern, '*', pattern.len - HOST_TAIL_BYTES), 0);
    ck_assert_int_ne(recognise_hosts[_i].provider, PROVIDER_UNKNOWN);
    for (const char *at = recognise_hosts[_i].pattern.ptr; *at; at++)
        ck_assert_msg(*at < 'A' || *at > 'Z', "%s is not lower case",
                      recognise_hosts[_i].pattern.ptr);
}
END_TEST

START_TEST(names_of_providers_and_apis_are_found_again)
{
    enum provider p;
    enum api a;

    for (enum provider i = 0; i < PROVIDER_COUNT; i++) {
        ck_assert(provider_parse(str_from(provider_name(i)), &p));
        ck_assert_int_eq(p, i);
    }
    for (enum api i = 0; i < API_COUNT; i++) {
        ck_assert(api_parse(str_from(api_name(i)), &a));
        ck_assert_int_eq(a, i);
    }
    ck_assert(provider_parse(STR("Claude"), &p));
    ck_assert_int_eq(p, PROVIDER_ANTHROPIC);
    ck_assert(!provider_parse(STR(""), &p));
    ck_assert(!provider_parse(STR("nobody"), &p));
    ck_assert(!api_parse(STR("nothing"), &a));
}
END_TEST

START_TEST(a_path_of_a_thousand_segments_is_read_from_its_end)
{
    CLEANUP(arena_release) struct arena arena = { 0 };
    CLEANUP(buf_release) struct buf path = { 0 };
    struct recognition rec;

    for (int i = 0; i < 1000; i++)
        buf_add_text(&path, "/a%2");
    buf_add_text(&path, "/v1/chat/completions");
    struct call call = { .method = STR("POST"), .host = STR("h"), .path = buf_str(&path) };
    recognise(&call, &arena, &rec);
    ck_assert_int_eq(rec.api, API_CHAT);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, a_call_is_recognised, 0, ARRAY_LEN(rows));
    tcase_add_loop_test(tc, every_row_of_the_table_can_win, 0, (int)recognise_api_count);
    tcase_add_loop_test(tc, every_host_pattern_names_a_provider, 0, (int)recognise_host_count);
    tcase_add_test(tc, names_of_providers_and_apis_are_found_again);
    tcase_add_test(tc, a_path_of_a_thousand_segments_is_read_from_its_end);
}

CHECK_MAIN("llm/recognise", add_tests)

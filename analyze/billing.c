#include "config.h"

#include "analyze/billing.h"

#include "base/yaml.h"
#include "capture/conf.h"

/* Those whose bill is another's, or whose name is not that of a company. */
static const struct {
    enum provider is;
    const char *provider, *service;
} parties[] = {
    {PROVIDER_OPENAI,        "OpenAI",              "OpenAI API"              },
    { PROVIDER_AZURE_OPENAI, "Microsoft",           "Azure OpenAI Service"    },
    { PROVIDER_ANTHROPIC,    "Anthropic",           "Claude API"              },
    { PROVIDER_GEMINI,       "Google",              "Gemini API"              },
    { PROVIDER_VERTEX,       "Google Cloud",        "Vertex AI"               },
    { PROVIDER_BEDROCK,      "Amazon Web Services", "Amazon Bedrock"          },
    { PROVIDER_MISTRAL,      "Mistral AI",          "Mistral API"             },
    { PROVIDER_COHERE,       "Cohere",              "Cohere API"              },
    { PROVIDER_DEEPSEEK,     "DeepSeek",            "DeepSeek API"            },
    { PROVIDER_XAI,          "xAI",                 "xAI API"                 },
    { PROVIDER_GROQ,         "Groq",                "GroqCloud"               },
    { PROVIDER_OPENROUTER,   "OpenRouter",          "OpenRouter API"          },
    { PROVIDER_TOGETHER,     "Together AI",         "Together API"            },
    { PROVIDER_VOYAGE,       "Voyage AI",           "Voyage API"              },
    { PROVIDER_PERPLEXITY,   "Perplexity",          "Perplexity API"          },
    { PROVIDER_CEREBRAS,     "Cerebras",            "Cerebras Inference"      },
    { PROVIDER_FIREWORKS,    "Fireworks AI",        "Fireworks API"           },
    { PROVIDER_HUGGINGFACE,  "Hugging Face",        "Inference Providers"     },
    { PROVIDER_ZAI,          "Z.ai",                "Z.ai API"                },
    { PROVIDER_SNOWFLAKE,    "Snowflake",           "Snowflake Cortex"        },
    { PROVIDER_HEROKU,       "Heroku",              "Heroku Managed Inference"},
    { PROVIDER_CRUSOE,       "Crusoe",              "Crusoe Inference"        },
    { PROVIDER_WRITER,       "Writer",              "Writer API"              },
    { PROVIDER_MOONSHOT,     "Moonshot AI",         "Moonshot API"            },
    { PROVIDER_MINIMAX,      "MiniMax",             "MiniMax API"             },
};

void billing_default(struct billing *ret)
{
    for (size_t p = 0; p < PROVIDER_COUNT; p++) {
        const char *name = provider_name((enum provider)p);
        ret->of[p] = (struct billing_party){ .provider = name, .service = name };
    }
    for (size_t i = 0; i < ARRAY_LEN(parties); i++) {
        ret->of[parties[i].is].provider = parties[i].provider;
        ret->of[parties[i].is].service = parties[i].service;
    }
    for (size_t p = 0; p < PROVIDER_COUNT; p++) {
        struct billing_party *party = &ret->of[p];
        party->account_id = str_from(provider_name((enum provider)p));
        party->account_name = party->invoice_issuer = str_from(party->provider);
    }
}

static int read_party(const struct conf *c, const struct yaml_node *n, struct billing_party *party,
                      struct err *err)
{
    const struct {
        const char *key;
        struct str *to;
    } texts[] = {
        {"account_id",      &party->account_id    },
        { "account_name",   &party->account_name  },
        { "invoice_issuer", &party->invoice_issuer},
    };

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct yaml_node *value = yaml_get(n, texts[i].key);
        if (value && yaml_str(c->yaml, value, texts[i].to, err) < 0)
            return -1;
    }
    /* An account that is named by its identifier alone. */
    if (yaml_get(n, "account_id") && !yaml_get(n, "account_name"))
        party->account_name = party->account_id;
    return 0;
}

int billing_read(const struct conf *c, struct billing *b, struct err *err)
{
    const struct yaml_node *root = c->yaml ? yaml_root(c->yaml) : NULL;
    const struct yaml_node *section = root ? yaml_get(root, "billing") : NULL;
    enum provider p;

    for (const struct yaml_node *n = section ? section->items : NULL; n; n = n->next) {
        if (!provider_parse(n->key->text, &p))
            return yaml_err(c->yaml, n->key, err,
                            "no provider is called '%.*s': write openai, anthropic, "
                            "aws.bedrock or another of weir-ledger(5)",
                            STR_ARG(n->key->text));
        if (read_party(c, n, &b->of[p], err) < 0)
            return -1;
    }
    return 0;
}

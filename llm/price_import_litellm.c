#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "llm/price_importing.h"

/* LiteLLM's litellm_provider values, what stands before a key, and whose price it is. */
static const struct {
    struct str name;
    bool is_prefix; /* of the name: "vertex_ai-anthropic_models", ... */
    enum provider provider;
    const char *key_prefix;
} providers[] = {
    {STR_INIT("openai"),                  false, PROVIDER_OPENAI,       "openai/"        },
    { STR_INIT("text-completion-openai"), false, PROVIDER_OPENAI,       "openai/"        },
    { STR_INIT("azure"),                  false, PROVIDER_AZURE_OPENAI, "azure/"         },
    { STR_INIT("azure_text"),             false, PROVIDER_AZURE_OPENAI, "azure/"         },
    { STR_INIT("azure_ai"),               false, PROVIDER_AZURE_OPENAI, "azure_ai/"      },
    { STR_INIT("anthropic"),              false, PROVIDER_ANTHROPIC,    "anthropic/"     },
    { STR_INIT("gemini"),                 false, PROVIDER_GEMINI,       "gemini/"        },
    { STR_INIT("vertex_ai"),              true,  PROVIDER_VERTEX,       "vertex_ai/"     },
    { STR_INIT("bedrock_mantle"),         false, PROVIDER_BEDROCK,      "bedrock_mantle/"},
    { STR_INIT("bedrock"),                true,  PROVIDER_BEDROCK,      "bedrock/"       },
    { STR_INIT("mistral"),                false, PROVIDER_MISTRAL,      "mistral/"       },
    { STR_INIT("codestral"),              false, PROVIDER_MISTRAL,      "codestral/"     },
    { STR_INIT("cohere_chat"),            false, PROVIDER_COHERE,       "cohere_chat/"   },
    { STR_INIT("cohere"),                 false, PROVIDER_COHERE,       "cohere/"        },
    { STR_INIT("deepseek"),               false, PROVIDER_DEEPSEEK,     "deepseek/"      },
    { STR_INIT("xai"),                    false, PROVIDER_XAI,          "xai/"           },
    { STR_INIT("groq"),                   false, PROVIDER_GROQ,         "groq/"          },
    { STR_INIT("openrouter"),             false, PROVIDER_OPENROUTER,   "openrouter/"    },
    { STR_INIT("together_ai"),            false, PROVIDER_TOGETHER,     "together_ai/"   },
    { STR_INIT("fireworks_ai"),           true,  PROVIDER_FIREWORKS,    "fireworks_ai/"  },
    { STR_INIT("voyage"),                 false, PROVIDER_VOYAGE,       "voyage/"        },
    { STR_INIT("perplexity"),             false, PROVIDER_PERPLEXITY,   "perplexity/"    },
    { STR_INIT("cerebras"),               false, PROVIDER_CEREBRAS,     "cerebras/"      },
    { STR_INIT("zai"),                    false, PROVIDER_ZAI,          "zai/"           },
    { STR_INIT("moonshot"),               false, PROVIDER_MOONSHOT,     "moonshot/"      },
    { STR_INIT("minimax"),                false, PROVIDER_MINIMAX,      "minimax/"       },
    { STR_INIT("snowflake"),              false, PROVIDER_SNOWFLAKE,    "snowflake/"     },
    { STR_INIT("heroku"),                 false, PROVIDER_HEROKU,       "heroku/"        },
    { STR_INIT("crusoe"),                 false, PROVIDER_CRUSOE,       "crusoe/"        },
};

/* Fields with a price of one token; with the suffixes below they also stand for tiers and steps. */
static const struct {
    struct str field;
    int unit;
} token_fields[] = {
    {STR_INIT("input_cost_per_token"),                       USAGE_INPUT         },
    { STR_INIT("output_cost_per_token"),                     USAGE_OUTPUT        },
    { STR_INIT("cache_read_input_token_cost"),               USAGE_CACHED_INPUT  },
    { STR_INIT("input_cost_per_token_cache_hit"),            USAGE_CACHED_INPUT  },
    { STR_INIT("cache_creation_input_token_cost"),           USAGE_CACHE_WRITE   },
    { STR_INIT("cache_creation_input_token_cost_above_1hr"), USAGE_CACHE_WRITE_1H},
    { STR_INIT("input_cost_per_audio_token"),                USAGE_INPUT_AUDIO   },
    { STR_INIT("input_cost_per_image_token"),                USAGE_INPUT_IMAGE   },
    { STR_INIT("input_cost_per_video_token"),                USAGE_INPUT_VIDEO   },
    { STR_INIT("cache_read_input_audio_token_cost"),         USAGE_CACHED_AUDIO  },
    { STR_INIT("cache_read_input_image_token_cost"),         USAGE_CACHED_IMAGE  },
    { STR_INIT("output_cost_per_reasoning_token"),           USAGE_REASONING     },
    { STR_INIT("output_cost_per_audio_token"),               USAGE_OUTPUT_AUDIO  },
    { STR_INIT("output_cost_per_image_token"),               USAGE_OUTPUT_IMAGE  },
};

/* Fields with a price of something else. */
static const struct {
    struct str field;
    int unit;
    enum price_per per;
    const char *mode; /* only where the model does this; NULL = always */
} piece_fields[] = {
    {STR_INIT("input_cost_per_second"),              USAGE_AUDIO_MS,      PRICE_PER_SECOND,   "audio_transcription"},
    { STR_INIT("output_cost_per_second"),            USAGE_AUDIO_MS,      PRICE_PER_SECOND,   "audio_transcription"},
    { STR_INIT("input_cost_per_character"),          USAGE_CHARACTERS,    PRICE_PER_MILLION,  "audio_speech"       },
    { STR_INIT("input_cost_per_query"),              USAGE_SEARCH_UNITS,  PRICE_PER_THOUSAND, "rerank"             },
    { STR_INIT("ocr_cost_per_page"),                 USAGE_PAGES,         PRICE_PER_THOUSAND, NULL                 },
    { STR_INIT("output_cost_per_image"),             USAGE_IMAGES,        PRICE_PER_EACH,     "image_generation"   },
    { STR_INIT("input_cost_per_image"),              USAGE_IMAGES,        PRICE_PER_EACH,     "image_generation"   },
    { STR_INIT("code_interpreter_cost_per_session"), USAGE_CODE_SESSIONS, PRICE_PER_EACH,     NULL                 },
    { STR_INIT("input_cost_per_request"),            PRICE_UNIT_REQUEST,  PRICE_PER_THOUSAND, NULL                 },
};

static const struct {
    struct str suffix, tier;
} tier_suffixes[] = {
    {STR_INIT("_batches"),   STR_INIT("batch")   },
    { STR_INIT("_flex"),     STR_INIT("flex")    },
    { STR_INIT("_priority"), STR_INIT("priority")},
};

#define TIERS (1 + ARRAY_LEN(tier_suffixes)) /* the first is the standard tier */

/* Steps of one tier, by threshold. */
struct steps {
    int64_t thresholds[PRICE_LEVELS_MAX];
    struct price_filling sets[PRICE_LEVELS_MAX];
    size_t count;
};

/* One model being read. */
struct reading {
    struct price_import *im;
    enum provider provider;
    struct price_filling sets[TIERS];
    struct steps steps[TIERS];
};

static struct price_filling *step(struct steps *s, int64_t threshold)
{
    size_t at = 0;

    while (at < s->count && s->thresholds[at] < threshold)
        at++;
    if (at < s->count && s->thresholds[at] == threshold)
        return &s->sets[at];
    if (s->count == PRICE_LEVELS_MAX)
        return NULL;
    memmove(&s->thresholds[at + 1], &s->thresholds[at], (s->count - at) * sizeof(s->thresholds[0]));
    memmove(&s->sets[at + 1], &s->sets[at], (s->count - at) * sizeof(s->sets[0]));
    s->thresholds[at] = threshold;
    s->sets[at] = (struct price_filling){ 0 };
    s->count++;
    return &s->sets[at];
}

/* "..._above_200k_tokens_priority": takes the suffixes off and says what they mean. */
static struct str take_suffixes(struct str key, size_t *ret_tier, int64_t *ret_threshold)
{
    *ret_tier = 0;
    *ret_threshold = 0;
    for (size_t i = 0; i < ARRAY_LEN(tier_suffixes); i++) {
        if (str_ends_with(key, tier_suffixes[i].suffix)) {
            key.len -= tier_suffixes[i].suffix.len;
            *ret_tier = i + 1;
            break;
        }
    }
    ptrdiff_t at = str_find(key, STR("_above_"), 0);
    /* "_above_1hr" comes first where both are there. */
    if (at >= 0 && str_starts_with(str_sub(key, (size_t)at, key.len), STR("_above_1hr")))
        at = str_find(key, STR("_above_"), (size_t)at + 1);
    if (at < 0 || !str_ends_with(key, STR("k_tokens")))
        return key;
    size_t digits = (size_t)at + strlen("_above_");
    if (!str_to_i64(str_sub(key, digits, key.len - digits - strlen("k_tokens")), ret_threshold) ||
        *ret_threshold <= 0 || *ret_threshold > 1000000)
        *ret_threshold = 0;
    *ret_threshold *= 1000;
    return str_sub(key, 0, (size_t)at);
}

static void read_token_field(struct reading *r, struct str key, const json_t *value)
{
    size_t tier;
    int64_t threshold;
    struct str field = take_suffixes(key, &tier, &threshold);

    for (size_t i = 0; i < ARRAY_LEN(token_fields); i++) {
        if (!str_eq(field, token_fields[i].field))
            continue;
        struct price_filling *set =
            threshold > 0 ? step(&r->steps[tier], threshold) : &r->sets[tier];
        if (set)
            price_fill(r->im, set, token_fields[i].unit, PRICE_PER_MILLION, value, true);
        return;
    }
}

/* [{"range": [0, 32000], "input_cost_per_token": ...}, ...] */
static void read_ranges(struct reading *r, const json_t *ranges)
{
    size_t i;
    json_t *range;

    json_array_foreach(ranges, i, range)
    {
        double from = json_number_value(json_array_get(json_get(range, "range"), 0));
        struct price_filling *set = &r->sets[0];
        if (from >= 1 && from < 1e12)
            set = step(&r->steps[0], (int64_t)from);
        for (size_t f = 0; f < ARRAY_LEN(token_fields) && set; f++)
            price_fill(r->im, set, token_fields[f].unit, PRICE_PER_MILLION,
                       json_get(range, token_fields[f].field.ptr), true);
    }
}

static void read_pieces(struct reading *r, const json_t *model)
{
    struct price_filling *set = &r->sets[0];
    struct str mode = json_get_str(model, "mode");
    const json_t *search = json_get(model, "search_context_cost_per_query");

    for (size_t i = 0; i < ARRAY_LEN(piece_fields); i++) {
        const json_t *value = json_get(model, piece_fields[i].field.ptr);
        if (!value || (piece_fields[i].mode && !str_eq(mode, str_from(piece_fields[i].mode))))
            continue;
        /* 0 beside token prices means "not billed so". */
        if (json_number_value(value) > 0)
            price_fill(r->im, set, piece_fields[i].unit, piece_fields[i].per, value, true);
    }
    price_fill(r->im, set, USAGE_FILE_SEARCHES, PRICE_PER_THOUSAND,
               json_get(model, "file_search_cost_per_1k_calls"), false);
    price_fill(r->im, set, USAGE_WEB_SEARCHES, PRICE_PER_THOUSAND,
               json_get(search, "search_context_size_medium"), true);
}

/* What is sold by the second, page or picture has no token price, and zeros are only fillers. */
static void drop_fillers(struct reading *r)
{
    static const int pieces[] = { USAGE_AUDIO_MS, USAGE_CHARACTERS, USAGE_SEARCH_UNITS,
                                  USAGE_IMAGES };
    struct price_filling *set = &r->sets[0];
    bool by_token = price_filled(set, USAGE_OUTPUT_IMAGE) || price_filled(set, USAGE_INPUT_AUDIO);

    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        if (!price_filled(set, pieces[i]))
            continue;
        if (by_token) {
            price_unfill(set, pieces[i]);
        } else if (pieces[i] != USAGE_IMAGES) {
            price_unfill(set, USAGE_INPUT);
            price_unfill(set, USAGE_OUTPUT);
        }
    }
}

/* xAI's step begins at its threshold (docs.x.ai, models); all others' above it. */
static void set_levels(struct reading *r, const struct steps *steps, struct price_level **ret,
                       size_t *ret_count)
{
    if (steps->count == 0)
        return;
    *ret = arena_alloc(&r->im->file->arena, steps->count * sizeof(**ret));
    *ret_count = steps->count;
    for (size_t i = 0; i < steps->count; i++) {
        (*ret)[i].threshold = steps->thresholds[i];
        (*ret)[i].inclusive = r->provider == PROVIDER_XAI;
        (*ret)[i].set = price_filled_set(r->im, &steps->sets[i]);
    }
}

static void set_tiers(struct reading *r, struct price_period *p)
{
    p->tiers = arena_alloc(&r->im->file->arena, TIERS * sizeof(*p->tiers));
    for (size_t i = 1; i < TIERS; i++) {
        if (r->sets[i].count == 0)
            continue;
        struct price_tier *tier = &p->tiers[p->tier_count++];
        tier->name = tier_suffixes[i - 1].tier;
        tier->set = price_filled_set(r->im, &r->sets[i]);
        set_levels(r, &r->steps[i], &tier->levels, &tier->level_count);
    }
}

static enum provider provider_of(struct str name, struct str *key)
{
    for (size_t i = 0; i < ARRAY_LEN(providers); i++) {
        if (!(providers[i].is_prefix ? str_starts_with : str_eq)(name, providers[i].name))
            continue;
        struct str prefix = str_from(providers[i].key_prefix);
        if (str_starts_with(*key, prefix))
            *key = str_sub(*key, prefix.len, key->len);
        return providers[i].provider;
    }
    return PROVIDER_UNKNOWN;
}

static void read_model(struct price_import *im, struct str key, const json_t *model)
{
    struct reading r = { .im = im };
    const char *field;
    json_t *value;

    r.provider = provider_of(json_get_str(model, "litellm_provider"), &key);
    if (!price_import_wants(im, r.provider))
        return;
    json_object_foreach((json_t *)(uintptr_t)model, field, value)
        read_token_field(&r, str_from(field), value);
    read_ranges(&r, json_get(model, "tiered_pricing"));
    read_pieces(&r, model);
    drop_fillers(&r);
    struct price_period period = price_import_period(im);
    struct price_entry entry = {
        .id = price_import_lower(im, key),
        .provider = r.provider,
        .match.kind = PRICE_RULE_ANY,
    };
    period.set = price_filled_set(im, &r.sets[0]);
    set_levels(&r, &r.steps[0], &period.levels, &period.level_count);
    set_tiers(&r, &period);
    price_import_entry(im, entry, &period, 1);
}

int price_import_litellm(struct price_import *im, const json_t *root, struct err *err)
{
    const char *key;
    json_t *model;

    if (!json_is_object(root))
        return err_set(err, ERR_CORRUPT, "not an object of models");
    json_object_foreach((json_t *)(uintptr_t)root, key, model)
    {
        if (json_is_object(model) && strcmp(key, "sample_spec") != 0)
            read_model(im, str_from(key), model);
    }
    return 0;
}

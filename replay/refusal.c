#include "config.h"

#include "replay/refusal.h"

#include "base/json.h"

/* The errors' forms as the providers' API references give them (read November 2026); the message
 * goes between the two texts. */
struct form {
    const char *before, *after;
    const char *header, *value; /* that the clients tell errors by */
};

enum form_kind {
    FORM_OPENAI,
    FORM_ANTHROPIC,
    FORM_GEMINI,
    FORM_BEDROCK,
    FORM_OLLAMA,
    FORM_COHERE,
};

/* clang-format off: the texts are of very different lengths */
static const struct form forms[] = {
    [FORM_OPENAI] = {
        .before = "{\"error\":{\"message\":",
        .after = ",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"not_found\"}}",
    },
    [FORM_ANTHROPIC] = {
        .before = "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":",
        .after = "}}",
    },
    [FORM_GEMINI] = {
        .before = "{\"error\":{\"code\":404,\"message\":",
        .after = ",\"status\":\"NOT_FOUND\"}}",
    },
    [FORM_BEDROCK] = {
        .before = "{\"message\":",
        .after = "}",
        .header = "x-amzn-errortype",
        .value = "ResourceNotFoundException",
    },
    [FORM_OLLAMA] = {
        .before = "{\"error\":",
        .after = "}",
    },
    [FORM_COHERE] = {
        .before = "{\"message\":",
        .after = "}",
    },
};
/* clang-format on */

static const struct {
    enum api api;
    enum form_kind form;
} api_forms[] = {
    {API_MESSAGES,          FORM_ANTHROPIC},
    { API_COMPLETE,         FORM_ANTHROPIC},
    { API_GENERATE_CONTENT, FORM_GEMINI   },
    { API_EMBED_CONTENT,    FORM_GEMINI   },
    { API_INTERACTIONS,     FORM_GEMINI   },
    { API_PREDICT,          FORM_GEMINI   },
    { API_CONVERSE,         FORM_BEDROCK  },
    { API_INVOKE,           FORM_BEDROCK  },
    { API_GUARDRAIL,        FORM_BEDROCK  },
    { API_OLLAMA_CHAT,      FORM_OLLAMA   },
    { API_OLLAMA_GENERATE,  FORM_OLLAMA   },
    { API_OLLAMA_EMBED,     FORM_OLLAMA   },
    { API_COHERE_CHAT,      FORM_COHERE   },
};

static struct answer *make(unsigned status, const struct form *form, struct str message)
{
    CLEANUP(buf_release) struct buf body = { 0 };
    struct answer *a = answer_new(status);

    buf_add_text(&body, form->before);
    json_add_string(&body, message);
    buf_add_text(&body, form->after);
    buf_add_byte(&body, '\n');
    answer_set_body(a, STR("application/json"), buf_str(&body));
    if (form->header)
        answer_add_header(a, str_from(form->header), str_from(form->value));
    return a;
}

struct answer *refusal_not_found(enum api api, struct str message)
{
    enum form_kind form = FORM_OPENAI;

    for (size_t i = 0; i < ARRAY_LEN(api_forms); i++)
        if (api_forms[i].api == api)
            form = api_forms[i].form;
    return make(404, &forms[form], message);
}

struct answer *refusal_plain(unsigned status, struct str message)
{
    static const struct form form = { .before = "{\"error\":{\"type\":\"weir_error\",\"message\":",
                                      .after = "}}" };

    return make(status, &form, message);
}

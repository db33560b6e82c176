/* What names say: user agents, models, tools. */
#include "config.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "migrate/inventory.h"

/* Marks of SDKs in user agents, as their sources build them (openai-python, openai-node,
 * anthropic-sdk, google-genai, aws-sdk, ai (Vercel), langchain, litellm, ...; 2026). */
static const char *const sdk_marks[] = {
    "OpenAI/",
    "AsyncOpenAI/",
    "AzureOpenAI/",
    "Anthropic/",
    "AsyncAnthropic/",
    "AnthropicBedrock/",
    "google-genai-sdk/",
    "google-api-nodejs-client/",
    "genai-js/",
    "Boto3/",
    "aws-sdk-",
    "cohere-python/",
    "cohere-",
    "mistral-client-",
    "Groq/",
    "AsyncGroq/",
    "ai-sdk/",
    "langchain",
    "litellm/",
    "ollama-python/",
    "ollama-js/",
    "azsdk-",
    "Together/",
};

/* Words of a tool's name that change something.  "get", "list", "search" and their like are in
 * none: a tool is harmless only as far as its name can say. */
static const char *const writing_words[] = {
    "create", "add",    "insert", "update",  "edit",    "delete",   "remove",   "drop",
    "write",  "save",   "set",    "put",     "patch",   "post",     "send",     "mail",
    "email",  "notify", "pay",    "charge",  "refund",  "transfer", "buy",      "order",
    "book",   "cancel", "close",  "execute", "exec",    "run",      "deploy",   "apply",
    "move",   "rename", "upload", "publish", "approve", "assign",   "schedule", "submit",
    "grant",  "revoke", "reset",  "restart", "merge",   "push",     "commit",
};

struct str inventory_sdk(struct str agent)
{
    for (size_t i = 0; i < ARRAY_LEN(sdk_marks); i++) {
        ptrdiff_t at = str_find(agent, str_from(sdk_marks[i]), 0);
        if (at < 0)
            continue;
        struct str rest = str_sub(agent, (size_t)at, agent.len);
        size_t len = strlen(sdk_marks[i]);
        /* "OpenAI/JS 5.12": the version is the next word. */
        bool has_words =
            len < rest.len && rest.ptr[len - 1] == '/' && isalpha((unsigned char)rest.ptr[len]);
        ptrdiff_t end = str_find_char(rest, ' ', 0);
        if (has_words && end >= 0)
            end = str_find_char(rest, ' ', (size_t)end + 1);
        return end < 0 ? rest : str_sub(rest, 0, (size_t)end);
    }
    return STR("");
}

static bool digits(struct str s, size_t from, size_t count)
{
    if (from + count > s.len)
        return false;
    for (size_t i = from; i < from + count; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return true;
}

/* A year of this century, with or without dashes behind it: 2025-08-07, 20250514. */
bool inventory_is_pinned(struct str model)
{
    for (size_t i = 0; i + 8 <= model.len; i++) {
        bool starts = i == 0 || model.ptr[i - 1] < '0' || model.ptr[i - 1] > '9';
        if (!starts || !digits(model, i, 4) || model.ptr[i] != '2' || model.ptr[i + 1] != '0')
            continue;
        bool plain = digits(model, i, 8) && !digits(model, i + 8, 1);
        bool dashed = i + 10 <= model.len && model.ptr[i + 4] == '-' && model.ptr[i + 7] == '-' &&
                      digits(model, i + 5, 2) && digits(model, i + 8, 2);
        if (plain || dashed)
            return true;
    }
    return false;
}

static bool is_writing(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(writing_words); i++)
        if (str_ieq(word, str_from(writing_words[i])))
            return true;
    return false;
}

/* Words are set apart by anything that is no letter, and by capitals: send_mail, sendMail. */
bool inventory_writes(struct str tool)
{
    size_t start = 0;

    for (size_t i = 0; i <= tool.len; i++) {
        unsigned char c = i < tool.len ? (unsigned char)tool.ptr[i] : 0;
        bool humped = i > start && isupper(c) && islower((unsigned char)tool.ptr[i - 1]);
        if (isalpha(c) && !humped)
            continue;
        if (i > start && is_writing(str_sub(tool, start, i - start)))
            return true;
        start = humped ? i : i + 1;
    }
    return false;
}

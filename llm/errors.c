/* errors - why a call failed, from status, the provider's own word and, last, its message.
 *
 * Words are those of the providers' error references and of recorded answers; they are matched
 * without regard to case.  Row order is precedence among messages only.
 */
#include "config.h"

#include "llm/read_macros.h"

#include <ctype.h>
#include <string.h>

struct word_row {
    struct str word;
    enum error_class class;
};

#define ROW(word, class)                                                                           \
    {                                                                                              \
        STR_INIT(word), ERROR_CLASS_##class                                                        \
    }

static const struct word_row words[] = {
    ROW("insufficient_quota", QUOTA_EXHAUSTED),
    ROW("credit_balance_exhausted", QUOTA_EXHAUSTED),
    ROW("billing_hard_limit_reached", QUOTA_EXHAUSTED),
    ROW("billing_not_active", QUOTA_EXHAUSTED),
    ROW("billing_error", QUOTA_EXHAUSTED),
    ROW("enforced_spend_limit_reached", QUOTA_EXHAUSTED),
    ROW("exceeded_current_quota_error", QUOTA_EXHAUSTED),
    ROW("ServiceQuotaExceededException", QUOTA_EXHAUSTED),
    ROW("insufficient_balance", QUOTA_EXHAUSTED),
    ROW("budget_exceeded", QUOTA_EXHAUSTED),
    ROW("rate_limit_exceeded", RATE_LIMITED),
    ROW("rate_limit_error", RATE_LIMITED),
    ROW("rate_limited", RATE_LIMITED),
    ROW("too_many_requests", RATE_LIMITED),
    ROW("slow_down", RATE_LIMITED),
    ROW("ThrottlingException", RATE_LIMITED),
    ROW("TooManyRequestsException", RATE_LIMITED),
    ROW("RESOURCE_EXHAUSTED", RATE_LIMITED),
    ROW("overloaded_error", OVERLOADED),
    ROW("engine_overloaded_error", OVERLOADED),
    ROW("server_is_overloaded", OVERLOADED),
    ROW("server_overloaded", OVERLOADED),
    ROW("UNAVAILABLE", OVERLOADED),
    ROW("ServiceUnavailableException", OVERLOADED),
    ROW("service_unavailable_error", OVERLOADED),
    ROW("ModelNotReadyException", OVERLOADED),
    ROW("context_length_exceeded", CONTEXT_LENGTH),
    ROW("string_above_max_length", CONTEXT_LENGTH),
    ROW("model_context_window_exceeded", CONTEXT_LENGTH),
    ROW("max_tokens_exceeded", CONTEXT_LENGTH),
    ROW("content_filter", CONTENT_FILTER),
    ROW("content_filter_error", CONTENT_FILTER),
    ROW("content_policy_violation", CONTENT_FILTER),
    ROW("ResponsibleAIPolicyViolation", CONTENT_FILTER),
    ROW("moderation_blocked", CONTENT_FILTER),
    ROW("image_generation_user_error", CONTENT_FILTER),
    ROW("invalid_prompt", CONTENT_FILTER),
    ROW("server_error", STATUS_5XX),
    ROW("api_error", STATUS_5XX),
    ROW("internal_error", STATUS_5XX),
    ROW("internal_server_error", STATUS_5XX),
    ROW("InternalServerException", STATUS_5XX),
    ROW("INTERNAL", STATUS_5XX),
    ROW("ModelErrorException", STATUS_5XX),
    ROW("ModelStreamErrorException", STATUS_5XX),
    ROW("ModelTimeoutException", STATUS_5XX),
    ROW("DEADLINE_EXCEEDED", STATUS_5XX),
};

/* For providers that answer every mistake with the same word. */
static const struct word_row phrases[] = {
    ROW("prompt is too long", CONTEXT_LENGTH),
    ROW("maximum context length", CONTEXT_LENGTH),
    ROW("context window", CONTEXT_LENGTH),
    ROW("context length", CONTEXT_LENGTH),
    ROW("input is too long", CONTEXT_LENGTH),
    ROW("too many input tokens", CONTEXT_LENGTH),
    ROW("exceeds the maximum number of tokens", CONTEXT_LENGTH),
    ROW("input token count", CONTEXT_LENGTH),
    ROW("exceeded your current quota", QUOTA_EXHAUSTED),
    ROW("credit balance is too low", QUOTA_EXHAUSTED),
    ROW("insufficient balance", QUOTA_EXHAUSTED),
    ROW("insufficient credits", QUOTA_EXHAUSTED),
    ROW("content management policy", CONTENT_FILTER),
    ROW("content filtering policy", CONTENT_FILTER),
    ROW("safety system", CONTENT_FILTER),
    ROW("overloaded", OVERLOADED),
    ROW("server busy", OVERLOADED), /* Ollama */
};

/* Finish reasons of answers that are no answers. */
static const struct word_row finishes[] = {
    ROW("content_filter", CONTENT_FILTER),
    ROW("content_filtered", CONTENT_FILTER),
    ROW("guardrail_intervened", CONTENT_FILTER),
    ROW("refusal", CONTENT_FILTER),
    ROW("SAFETY", CONTENT_FILTER),
    ROW("IMAGE_SAFETY", CONTENT_FILTER),
    ROW("RECITATION", CONTENT_FILTER),
    ROW("BLOCKLIST", CONTENT_FILTER),
    ROW("PROHIBITED_CONTENT", CONTENT_FILTER),
    ROW("SPII", CONTENT_FILTER),
    ROW("ERROR_TOXIC", CONTENT_FILTER),
    ROW("model_context_window_exceeded", CONTEXT_LENGTH),
    ROW("ERROR_LIMIT", CONTEXT_LENGTH),
};

static const struct {
    int from, to;
    enum error_class class;
} statuses[] = {
    {402,  402, ERROR_CLASS_QUOTA_EXHAUSTED},
    { 429, 429, ERROR_CLASS_RATE_LIMITED   },
    { 499, 499, ERROR_CLASS_CLIENT_GONE    },
    { 529, 529, ERROR_CLASS_OVERLOADED     },
    { 400, 499, ERROR_CLASS_STATUS_4XX     },
    { 500, 599, ERROR_CLASS_STATUS_5XX     },
};

/* --- reading --- */

static const struct member detail_rows[] = { TEXT("error_code", ERROR_CODE) };
static const struct members detail_members = MEMBERS(detail_rows);

static const struct member error_rows[] = {
    TEXT("type", ERROR_TYPE),       TEXT("code", ERROR_CODE),          TEXT("status", ERROR_STATUS),
    TEXT("message", ERROR_MESSAGE), OBJECT("details", detail_members),
};
static const struct members error_members = MEMBERS(error_rows);

void read_error(struct reading *r, struct jscan *s, int arg)
{
    struct str raw;
    bool escaped;

    (void)arg;
    if (jscan_peek(s) == JSCAN_STRING && jscan_string_raw(s, &raw, &escaped) && raw.len) {
        keep_text(r, SLOT_ERROR_MESSAGE, raw, escaped);
        r->flags |= READING_ERROR_EVENT;
    } else if (jscan_peek(s) == JSCAN_OBJECT) {
        read_members(r, s, &error_members);
        r->flags |= READING_ERROR_EVENT;
    }
}

/* Anthropic's outermost type is "error", which tells nothing. */
static void read_outer_type(struct reading *r, struct jscan *s, int arg)
{
    struct str raw;

    (void)arg;
    if (jscan_peek(s) == JSCAN_STRING && jscan_string_raw(s, &raw, NULL) &&
        !str_eq(raw, STR("error")))
        keep_text(r, SLOT_ERROR_TYPE, raw, false);
}

static const struct member body_rows[] = {
    ERROR_MEMBER("error"),    TEXT("message", ERROR_MESSAGE),   TEXT("detail", ERROR_MESSAGE),
    TEXT("code", ERROR_CODE), CALL("type", read_outer_type, 0), TEXT("__type", ERROR_TYPE),
};
static const struct members body_members = MEMBERS(body_rows);

/* "ValidationException:http://internal..." */
static void read_amazon_header(struct reading *r)
{
    const struct call *call = r->call;
    struct str value =
        call_header_find(call->response_headers, call->response_header_count, "x-amzn-errortype");
    ptrdiff_t colon = str_find_char(value, ':', 0);

    keep_text(r, SLOT_ERROR_CODE, colon < 0 ? value : str_sub(value, 0, (size_t)colon), false);
}

void errors_read(struct reading *r)
{
    struct jscan s;

    r->flags |= READING_BORROW;
    jscan_init(&s, r->call->response_body);
    /* Gemini's streams wrap an error in an array. */
    if (jscan_peek(&s) == JSCAN_ARRAY && (!jscan_enter_array(&s) || !jscan_next_element(&s)))
        return;
    if (jscan_peek(&s) == JSCAN_OBJECT)
        read_members(r, &s, &body_members);
    read_amazon_header(r);
}

/* --- judging --- */

static enum error_class class_of_word(const struct word_row *rows, size_t count, struct str word)
{
    for (size_t i = 0; word.len && i < count; i++)
        if (str_ieq(rows[i].word, word))
            return rows[i].class;
    return ERROR_CLASS_NONE;
}

static bool contains_phrase(struct str text, struct str phrase)
{
    for (size_t at = 0; at + phrase.len <= text.len; at++)
        if (tolower((unsigned char)text.ptr[at]) == phrase.ptr[0] &&
            str_ieq(str_sub(text, at, phrase.len), phrase))
            return true;
    return false;
}

static enum error_class class_of_message(struct str message)
{
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++)
        if (contains_phrase(message, phrases[i].word))
            return phrases[i].class;
    return ERROR_CLASS_NONE;
}

static enum error_class class_of_status(int64_t status)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (status >= statuses[i].from && status <= statuses[i].to)
            return statuses[i].class;
    return ERROR_CLASS_NONE;
}

static const enum slot word_slots[] = { SLOT_ERROR_CODE, SLOT_ERROR_TYPE, SLOT_ERROR_STATUS };

static enum error_class class_of_error(const struct reading *r)
{
    enum error_class class = ERROR_CLASS_NONE;
    int64_t number = 0;

    for (size_t i = 0; i < ARRAY_LEN(word_slots) && !class; i++)
        class = class_of_word(words, ARRAY_LEN(words), r->text[word_slots[i]]);
    if (!class)
        class = class_of_message(r->text[SLOT_ERROR_MESSAGE]);
    if (!class && r->call->status >= 400)
        class = class_of_status(r->call->status);
    if (!class && str_to_i64(r->text[SLOT_ERROR_CODE], &number))
        class = class_of_status(number);
    return class;
}

/* The first that is a word rather than the status again. */
static struct str error_word(const struct reading *r)
{
    int64_t number;

    for (size_t i = 0; i < ARRAY_LEN(word_slots); i++) {
        struct str word = r->text[word_slots[i]];
        if (word.len && !str_to_i64(word, &number))
            return word;
    }
    return r->text[SLOT_ERROR_CODE];
}

void errors_classify(struct reading *r)
{
    struct call_facts *facts = r->facts;

    if (r->call->status >= 400) {
        facts->error_class = class_of_error(r);
        facts->error_code = error_word(r);
        return;
    }
    if (r->flags & READING_ERROR_EVENT) {
        bool is_stream = r->flags & READING_STREAM;
        enum error_class class = is_stream ? ERROR_CLASS_NONE : class_of_error(r);
        facts->error_class = class ? class : ERROR_CLASS_STREAM_ERROR_EVENT;
        facts->error_code = error_word(r);
        return;
    }
    struct str finish = facts->finish_reason;
    facts->error_class = class_of_word(finishes, ARRAY_LEN(finishes), finish);
    if (facts->error_class)
        facts->error_code = finish;
    else if (r->text[SLOT_BLOCK].len) {
        facts->error_class = ERROR_CLASS_CONTENT_FILTER;
        facts->error_code = r->text[SLOT_BLOCK];
    }
}

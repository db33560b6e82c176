#include "config.h"

#include "proxy/reply.h"

#include "base/json.h"

const struct reply replies[REPLY_COUNT] = {
#define X(constant, status, code, message) [REPLY_##constant] = { status, code, message, NULL, 0 },
    REPLIES(X)
#undef X
};

enum reply_kind reply_for_refusal(unsigned status)
{
    static const struct {
        unsigned status;
        enum reply_kind kind;
    } rows[] = {
        {405,  REPLY_BAD_METHOD     },
        { 414, REPLY_TARGET_TOO_LONG},
        { 417, REPLY_BAD_EXPECTATION},
        { 431, REPLY_HEAD_TOO_LARGE },
        { 501, REPLY_NOT_IMPLEMENTED},
        { 505, REPLY_BAD_VERSION    },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].status == status)
            return rows[i].kind;
    return REPLY_BAD_REQUEST;
}

/* What the providers call the statuses that weir may give; others are the last row. */
static const struct {
    unsigned status;
    const char *openai, *openai_code, *anthropic, *gemini, *bedrock;
} words[] = {
    {400,  "weir_error",            NULL,              "invalid_request_error", "INVALID_ARGUMENT",  "ValidationException"        },
    { 401, "invalid_request_error", "invalid_api_key", "authentication_error",  "UNAUTHENTICATED",
     "UnrecognizedClientException"                                                                                                },
    { 403, "weir_error",            NULL,              "permission_error",      "PERMISSION_DENIED", "AccessDeniedException"      },
    { 404, "weir_error",            NULL,              "not_found_error",       "NOT_FOUND",         "ResourceNotFoundException"  },
    { 408, "weir_error",            NULL,              "timeout_error",         "DEADLINE_EXCEEDED", "ModelTimeoutException"      },
    { 413, "weir_error",            NULL,              "request_too_large",     "INVALID_ARGUMENT",  "ValidationException"        },
    { 504, "weir_error",            NULL,              "timeout_error",         "DEADLINE_EXCEEDED", "ModelTimeoutException"      },
    { 0,   "weir_error",            NULL,              "api_error",             "UNAVAILABLE",       "ServiceUnavailableException"},
};

struct answer {
    const struct reply *reply;
    size_t row; /* of words */
    struct str message;
};

static void write_ours(const struct answer *a, struct buf *out)
{
    buf_add_text(out, "{\"error\":{");
    json_add_str(out, "type", STR("weir_error"));
    json_add_str(out, "code", str_from(a->reply->code));
    json_add_str(out, "message", a->message);
    buf_add_text(out, "}}\n");
}

static void write_openai(const struct answer *a, struct buf *out)
{
    const char *code = words[a->row].openai_code;

    buf_add_text(out, "{\"error\":{");
    json_add_str(out, "type", str_from(words[a->row].openai));
    json_add_str(out, "code", str_from(code ? code : a->reply->code));
    json_add_str(out, "message", a->message);
    json_add_key(out, "param");
    buf_add_text(out, "null}}\n");
}

static void write_anthropic(const struct answer *a, struct buf *out)
{
    buf_add_text(out, "{\"type\":\"error\",\"error\":{");
    json_add_str(out, "type", str_from(words[a->row].anthropic));
    json_add_str(out, "message", a->message);
    buf_add_text(out, "}}\n");
}

static void write_gemini(const struct answer *a, struct buf *out)
{
    buf_add_text(out, "{\"error\":{");
    json_add_int(out, "code", a->reply->status);
    json_add_str(out, "message", a->message);
    json_add_str(out, "status", str_from(words[a->row].gemini));
    buf_add_text(out, "}}\n");
}

/* AWS clients take the exception's name from here if no header has it. */
static void write_bedrock(const struct answer *a, struct buf *out)
{
    buf_add_byte(out, '{');
    json_add_str(out, "__type", str_from(words[a->row].bedrock));
    json_add_str(out, "message", a->message);
    buf_add_text(out, "}\n");
}

void reply_write_body(const struct reply *reply, struct str api, struct buf *out)
{
    static const struct {
        const char *api;
        void (*write)(const struct answer *a, struct buf *out);
    } shapes[] = {
        {"openai",        write_openai   },
        { "azure_openai", write_openai   },
        { "anthropic",    write_anthropic},
        { "gemini",       write_gemini   },
        { "bedrock",      write_bedrock  },
    };
    CLEANUP(buf_release) struct buf message = { 0 };
    struct answer a = { .reply = reply };

    buf_addf(&message, "weir: %s", reply->message);
    a.message = buf_str(&message);
    while (words[a.row].status && words[a.row].status != reply->status)
        a.row++;
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        if (str_eq(api, str_from(shapes[i].api))) {
            shapes[i].write(&a, out);
            return;
        }
    write_ours(&a, out);
}

void reply_write_head(const struct reply *reply, size_t body_bytes, const char *exchange_id,
                      bool keep_alive, struct buf *out)
{
    http1_write_status_line(out, reply->status, STR(""));
    http1_write_header(out, STR("Content-Type"), STR("application/json"));
    http1_write_header(out, STR("x-weir-error"), str_from(reply->code));
    for (size_t i = 0; i < reply->header_count; i++)
        http1_write_header(out, reply->headers[i].name, reply->headers[i].value);
    if (reply->status == 401) /* RFC 9110 15.5.2 */
        http1_write_header(out, STR("WWW-Authenticate"), STR("Bearer realm=\"weir\""));
    if (exchange_id)
        http1_write_header(out, STR("x-weir-exchange-id"), str_from(exchange_id));
    if (!keep_alive)
        http1_write_header(out, STR("Connection"), STR("close"));
    http1_write_framing(out, HTTP1_LENGTH, body_bytes);
    http1_write_end(out);
}

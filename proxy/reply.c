#include "config.h"

#include "proxy/reply.h"

#include "base/http1.h"
#include "base/json.h"

const struct reply replies[REPLY_COUNT] = {
#define X(constant, status, code, message) [REPLY_##constant] = { status, code, message },
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

void reply_write_body(const struct reply *reply, struct str detail, struct buf *out)
{
    CLEANUP(buf_release) struct buf message = { 0 };

    buf_addf(&message, "weir: %s", reply->message);
    if (detail.len)
        buf_addf(&message, ": %.*s", STR_ARG(detail));
    buf_add_text(out, "{\"error\":{");
    json_add_str(out, "type", STR("weir_error"));
    json_add_str(out, "code", str_from(reply->code));
    json_add_str(out, "message", buf_str(&message));
    buf_add_text(out, "}}\n");
}

void reply_write_head(const struct reply *reply, size_t body_bytes, const char *exchange_id,
                      bool keep_alive, struct buf *out)
{
    http1_write_status_line(out, reply->status, STR(""));
    http1_write_header(out, STR("Content-Type"), STR("application/json"));
    http1_write_header(out, STR("x-weir-error"), str_from(reply->code));
    if (exchange_id)
        http1_write_header(out, STR("x-weir-exchange-id"), str_from(exchange_id));
    if (!keep_alive)
        http1_write_header(out, STR("Connection"), STR("close"));
    http1_write_framing(out, HTTP1_LENGTH, body_bytes);
    http1_write_end(out);
}

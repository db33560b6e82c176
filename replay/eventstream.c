#include "config.h"

#include "replay/eventstream.h"

#include "base/crc.h"

static void add_be32(struct buf *out, uint32_t n)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_byte(out, (char)(n >> shift & 255));
}

/* A header with a string (type 7). */
static void add_header(struct buf *out, struct str name, struct str value)
{
    buf_add_byte(out, (char)name.len);
    buf_add_str(out, name);
    buf_add_byte(out, 7);
    buf_add_byte(out, (char)(value.len >> 8));
    buf_add_byte(out, (char)(value.len & 255));
    buf_add_str(out, value);
}

void eventstream_add(struct buf *out, struct str headers, struct str payload)
{
    CLEANUP(buf_release) struct buf message = { 0 };

    add_be32(&message, (uint32_t)(16 + headers.len + payload.len));
    add_be32(&message, (uint32_t)headers.len);
    add_be32(&message, crc32_ieee(0, message.ptr, message.len));
    buf_add_str(&message, headers);
    buf_add_str(&message, payload);
    add_be32(&message, crc32_ieee(0, message.ptr, message.len));
    buf_add_str(out, buf_str(&message));
}

void eventstream_add_event(struct buf *out, struct str type, struct str payload)
{
    CLEANUP(buf_release) struct buf headers = { 0 };

    add_header(&headers, STR(":event-type"), type);
    add_header(&headers, STR(":content-type"), STR("application/json"));
    add_header(&headers, STR(":message-type"), STR("event"));
    eventstream_add(out, buf_str(&headers), payload);
}

void eventstream_add_exception(struct buf *out, struct str type, struct str payload)
{
    CLEANUP(buf_release) struct buf headers = { 0 };

    add_header(&headers, STR(":exception-type"), type);
    add_header(&headers, STR(":content-type"), STR("application/json"));
    add_header(&headers, STR(":message-type"), STR("exception"));
    eventstream_add(out, buf_str(&headers), payload);
}

/* http2_frames - HTTP/2 as bytes, made by hand: what no proper client would send, too. */
#ifndef TESTS_HTTP2_FRAMES_H
#define TESTS_HTTP2_FRAMES_H

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

enum { FRAME_DATA, FRAME_HEADERS, FRAME_PRIORITY, FRAME_RST, FRAME_SETTINGS, FRAME_PUSH };
enum { FRAME_PING = 6, FRAME_GOAWAY, FRAME_WINDOW, FRAME_CONTINUATION };
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4 };
#define FLAG_BOTH (FLAG_END_STREAM | FLAG_END_HEADERS)

static inline void frame_add(struct buf *out, int type, int flags, uint32_t stream, struct str body)
{
    const char head[] = {
        (char)(body.len >> 16),
        (char)(body.len >> 8),
        (char)body.len,
        (char)type,
        (char)flags,
        (char)(stream >> 24),
        (char)(stream >> 16),
        (char)(stream >> 8),
        (char)stream,
    };

    buf_add(out, head, sizeof(head));
    buf_add_str(out, body);
}

/* A payload of one 32-bit number: RST_STREAM's reason, WINDOW_UPDATE's increment. */
static inline void frame_add_number(struct buf *out, int type, uint32_t stream, uint32_t number)
{
    const char body[] = { (char)(number >> 24), (char)(number >> 16), (char)(number >> 8),
                          (char)number };

    frame_add(out, type, 0, stream, (struct str){ body, sizeof(body) });
}

static inline void hpack_add_text(struct buf *out, struct str text)
{
    size_t rest = text.len - 127;

    if (text.len < 127) {
        buf_add_byte(out, (char)text.len);
    } else {
        buf_add_byte(out, 127);
        for (; rest >= 128; rest >>= 7)
            buf_add_byte(out, (char)(rest % 128 + 128));
        buf_add_byte(out, (char)rest);
    }
    buf_add_str(out, text);
}

static inline void hpack_add(struct buf *out, struct str name, struct str value)
{
    buf_add_byte(out, 0); /* a literal with a literal name, not indexed */
    hpack_add_text(out, name);
    hpack_add_text(out, value);
}

/* Of lines "name=value\n", in which \1 stands for NUL, \2 for CR and \3 for LF. */
static inline void hpack_add_lines(struct buf *out, const char *lines)
{
    struct str rest = str_from(lines), line;

    while (rest.len && str_split(&rest, '\n', &line)) {
        struct buf bytes = { 0 };
        for (size_t i = 0; i < line.len; i++)
            buf_add_byte(&bytes, line.ptr[i] > 3 || line.ptr[i] < 0 ? line.ptr[i]
                                                                    : "\0\0\r\n"[(int)line.ptr[i]]);
        size_t is = (size_t)str_find_char(buf_str(&bytes), '=', 0);
        if (line.len)
            hpack_add(out, str_sub(buf_str(&bytes), 0, is),
                      str_sub(buf_str(&bytes), is + 1, bytes.len));
        buf_release(&bytes);
    }
}

static inline void frame_add_head(struct buf *out, uint32_t stream, int flags, const char *lines)
{
    struct buf block = { 0 };

    hpack_add_lines(&block, lines);
    frame_add(out, FRAME_HEADERS, flags, stream, buf_str(&block));
    buf_release(&block);
}

static inline void frame_add_preface(struct buf *out)
{
    buf_add_text(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame_add(out, FRAME_SETTINGS, 0, 0, STR(""));
}

struct frame {
    int type, flags;
    uint32_t stream;
    struct str body;
};

/* The next frame of *in, or false. */
static inline bool frame_next(struct str *in, struct frame *ret)
{
    const unsigned char *at = (const unsigned char *)in->ptr;

    if (in->len < 9)
        return false;
    size_t len = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
    ret->type = at[3];
    ret->flags = at[4];
    ret->stream = (uint32_t)at[5] << 24 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 8 | at[8];
    ret->body = str_sub(*in, 9, len);
    *in = str_sub(*in, 9 + len, in->len);
    return ret->body.len == len;
}

static inline uint32_t frame_number(const struct frame *f, size_t at)
{
    const unsigned char *p = (const unsigned char *)f->body.ptr + at;

    return f->body.len < at + 4
               ? UINT32_MAX
               : (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#endif

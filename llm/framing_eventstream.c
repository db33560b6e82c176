/* AWS event streams (application/vnd.amazon.eventstream), as specified by smithy-lang/smithy
 * @0f73231, docs/source-2.0/aws/amazon-eventstream.rst.  Big-endian:
 *
 *     u32 frame length, u32 headers length, u32 CRC-32 of these 8 bytes,
 *     headers, payload, u32 CRC-32 of all before
 *     header: u8 length, name, u8 type, value
 */
#include "config.h"

#include "base/crc.h"
#include "llm/framing_kinds.h"

#define PRELUDE_BYTES 12u
#define CRC_BYTES     4u

static uint32_t be32_get(const char *at)
{
    const uint8_t *b = (const uint8_t *)at;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* --- headers --- */

#define SIZE_PREFIXED (-1) /* a u16 length stands before the value */

static const int8_t value_bytes[] = {
    [0] = 0,             /* true */
    [1] = 0,             /* false */
    [2] = 1,             /* byte */
    [3] = 2,             /* short */
    [4] = 4,             /* integer */
    [5] = 8,             /* long */
    [6] = SIZE_PREFIXED, /* bytes */
    [7] = SIZE_PREFIXED, /* string */
    [8] = 8,             /* timestamp, ms since the epoch */
    [9] = 16,            /* uuid */
};

#define TYPE_STRING 7

/* The headers that say what a frame is. */
struct frame_headers {
    struct str message_type;
    struct str event_type;
    struct str exception_type;
    struct str error_code;
    struct str error_message;
};

struct header_row {
    struct str name;
    size_t place; /* in struct frame_headers */
};

static const struct header_row header_rows[] = {
    {STR_INIT(":message-type"),    offsetof(struct frame_headers, message_type)  },
    { STR_INIT(":event-type"),     offsetof(struct frame_headers, event_type)    },
    { STR_INIT(":exception-type"), offsetof(struct frame_headers, exception_type)},
    { STR_INIT(":error-code"),     offsetof(struct frame_headers, error_code)    },
    { STR_INIT(":error-message"),  offsetof(struct frame_headers, error_message) },
};

static void keep_header(struct frame_headers *h, struct str name, struct str value)
{
    for (size_t i = 0; i < ARRAY_LEN(header_rows); i++)
        if (str_eq(name, header_rows[i].name))
            *(struct str *)(void *)((char *)h + header_rows[i].place) = value;
}

/* Splits n bytes off the front; false if there are fewer. */
static bool take(struct str *rest, size_t n, struct str *ret)
{
    if (rest->len < n)
        return false;
    *ret = str_sub(*rest, 0, n);
    *rest = str_sub(*rest, n, rest->len);
    return true;
}

static size_t byte_at(struct str s, size_t i)
{
    return (uint8_t)s.ptr[i];
}

/* One header off the front of *rest; NULL, or what is wrong with it. */
static const char *parse_header(struct str *rest, struct frame_headers *h)
{
    struct str head, name, type, size, value;

    if (!take(rest, 1, &head) || !take(rest, byte_at(head, 0), &name) || !take(rest, 1, &type))
        return "a header is cut short";
    if (name.len == 0)
        return "a header has no name";
    if (byte_at(type, 0) >= ARRAY_LEN(value_bytes))
        return "a header has an unknown type";
    int len = value_bytes[byte_at(type, 0)];
    if (len == SIZE_PREFIXED) {
        if (!take(rest, 2, &size))
            return "a header is cut short";
        len = (int)(byte_at(size, 0) << 8 | byte_at(size, 1));
    }
    if (!take(rest, (size_t)len, &value))
        return "a header is cut short";
    if (byte_at(type, 0) == TYPE_STRING)
        keep_header(h, name, value);
    return NULL;
}

/* --- frames --- */

/* Checks the first 12 bytes and sets f->frame_bytes.  The checksum comes first: damaged lengths
 * must not be believed. */
static int check_prelude(struct framer *f, const char *at, struct err *err)
{
    uint32_t frame = be32_get(at), headers = be32_get(at + 4);

    if (crc32_ieee(0, at, 8) != be32_get(at + 8))
        return framer_err(f, err, ERR_CORRUPT, "the checksum of the lengths is wrong");
    if (frame < PRELUDE_BYTES + CRC_BYTES || headers > frame - PRELUDE_BYTES - CRC_BYTES)
        return framer_err(f, err, ERR_CORRUPT, "%u bytes with %u of headers cannot be", frame,
                          headers);
    if (frame > FRAMING_EVENT_BYTES_MAX)
        return framer_err(f, err, ERR_LIMIT, "%u bytes is more than %u", frame,
                          FRAMING_EVENT_BYTES_MAX);
    f->frame_bytes = frame;
    return 0;
}

static int decode_frame(struct framer *f, struct str frame, struct err *err)
{
    size_t body_end = frame.len - CRC_BYTES;
    struct str headers = str_sub(frame, PRELUDE_BYTES, be32_get(frame.ptr + 4));
    struct frame_headers h = { 0 };

    if (crc32_ieee(0, frame.ptr, body_end) != be32_get(frame.ptr + body_end))
        return framer_err(f, err, ERR_CORRUPT, "the checksum is wrong");
    size_t payload_at = PRELUDE_BYTES + headers.len;
    while (headers.len) {
        const char *problem = parse_header(&headers, &h);
        if (problem)
            return framer_err(f, err, ERR_CORRUPT, "%s", problem);
    }
    struct framing_event event = {
        .name = h.event_type,
        .data = str_sub(frame, payload_at, body_end - payload_at),
        .error_message = h.error_message,
    };
    if (str_eq(h.message_type, STR("exception"))) {
        event.is_exception = true;
        event.name = h.exception_type;
    } else if (str_eq(h.message_type, STR("error"))) {
        event.is_exception = true;
        event.name = h.error_code;
    }
    f->frame_bytes = 0;
    return framer_deliver(f, event, err);
}

/* Moves bytes from *rest to pending until it holds `want`; true if it does. */
static bool fill_pending(struct framer *f, struct str *rest, size_t want)
{
    struct str part = str_sub(*rest, 0, want - f->pending.len);

    buf_add_str(&f->pending, part); /* want is bounded by check_prelude */
    *rest = str_sub(*rest, part.len, rest->len);
    return f->pending.len == want;
}

/* The frame that earlier pieces began: 1 = delivered, 0 = more bytes are needed. */
static int continue_frame(struct framer *f, struct str *rest, struct err *err)
{
    if (f->frame_bytes == 0) {
        if (!fill_pending(f, rest, PRELUDE_BYTES))
            return 0;
        if (check_prelude(f, f->pending.ptr, err) < 0)
            return -1;
    }
    if (!fill_pending(f, rest, f->frame_bytes))
        return 0;
    int r = decode_frame(f, buf_str(&f->pending), err);
    buf_clear(&f->pending);
    return r < 0 ? -1 : 1;
}

static int feed_eventstream(struct framer *f, struct str piece, struct err *err)
{
    struct str rest = piece;

    while (rest.len) {
        if (f->pending.len == 0) {
            f->event_offset = f->fed_bytes + (piece.len - rest.len);
            if (rest.len >= PRELUDE_BYTES && check_prelude(f, rest.ptr, err) < 0)
                return -1;
            if (f->frame_bytes && rest.len >= f->frame_bytes) {
                struct str frame = str_sub(rest, 0, f->frame_bytes);
                rest = str_sub(rest, frame.len, rest.len);
                if (decode_frame(f, frame, err) < 0)
                    return -1;
                continue;
            }
        }
        if (continue_frame(f, &rest, err) < 0)
            return -1;
    }
    return 0;
}

static int finish_eventstream(struct framer *f, bool *ret_cut, struct err *err)
{
    (void)err;
    *ret_cut = f->pending.len > 0;
    return 0;
}

static unsigned bid_eventstream(struct str first_bytes)
{
    if (first_bytes.len < PRELUDE_BYTES ||
        crc32_ieee(0, first_bytes.ptr, 8) != be32_get(first_bytes.ptr + 8))
        return 0;
    return 96;
}

const struct framing_kind framing_kind_eventstream = { "frame", bid_eventstream, feed_eventstream,
                                                       finish_eventstream };

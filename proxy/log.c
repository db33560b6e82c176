#include "config.h"

#include "proxy/log.h"

#include <inttypes.h>

#include "base/buf.h"
#include "base/timestamp.h"

#define VALUE_BYTES_MAX 512

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static bool is_bare(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] <= ' ' || s.ptr[i] == '"' || s.ptr[i] == '=' ||
            s.ptr[i] == '\\' || (unsigned char)s.ptr[i] == 0x7f)
            return false;
    return s.len > 0;
}

static void add_quoted(struct buf *out, struct str s)
{
    buf_add_byte(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            buf_addf(out, "\\x%02x", c);
        else
            buf_add_byte(out, (char)c);
    }
    buf_add_byte(out, '"');
}

void log_write(const struct log_sink *s, enum log_level level, uint64_t wall_us, const char *event,
               const struct log_field *fields)
{
    CLEANUP(buf_release) struct buf line = { 0 };
    char at[TIMESTAMP_TEXT_BYTES];

    if (!log_wants(s, level) || !s->write)
        return;
    buf_addf(&line, "time=%s level=%s event=%s", timestamp_format((int64_t)wall_us, at),
             level_names[level], event);
    if (s->worker >= 0)
        buf_addf(&line, " worker=%d", s->worker);
    for (; fields && fields->key; fields++) {
        struct str text = str_sub(fields->text, 0, VALUE_BYTES_MAX);
        buf_addf(&line, " %s=", fields->key);
        if (!text.ptr)
            buf_addf(&line, "%" PRId64, fields->number);
        else if (is_bare(text))
            buf_add_str(&line, text);
        else
            add_quoted(&line, text);
    }
    buf_add_byte(&line, '\n');
    s->write(s->ctx, buf_str(&line));
}

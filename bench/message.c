#include "config.h"

#include "bench/message.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

uint64_t message_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void message_reset(struct message *m)
{
    m->state = MESSAGE_HEAD;
    m->head_len = 0;
    m->left = 0;
    m->stamp_digits = -1;
}

unsigned message_status(const struct message *m)
{
    return m->head_len > 12 && memcmp(m->head, "HTTP/1.", 7) == 0 ? (unsigned)atoi(m->head + 9) : 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void scan_stamps(struct message *m, const char *at, size_t len)
{
    const char *end = at + len;

    while (at < end) {
        if (m->stamp_digits < 0) {
            at = memchr(at, '@', (size_t)(end - at));
            if (!at)
                return;
            at++;
            m->stamp = 0;
            m->stamp_digits = 0;
            continue;
        }
        int digit = hex_value(*at++);
        m->stamp = m->stamp << 4 | (uint64_t)(digit & 15);
        if (digit < 0)
            m->stamp_digits = -1;
        else if (++m->stamp_digits == 16) {
            m->stamp_digits = -1;
            if (m->on_stamp)
                m->on_stamp(m->ctx, m->stamp);
        }
    }
}

/* Reads the framing off a whole head. */
static int end_head(struct message *m)
{
    bool chunked = false, has_length = false;

    m->head[m->head_len] = '\0';
    for (const char *line = strstr(m->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, "content-length:", 15) == 0) {
            m->left = strtoull(line + 15, NULL, 10);
            has_length = true;
        } else if (strncasecmp(line, "transfer-encoding: chunked", 26) == 0) {
            chunked = true;
        }
    }
    if (chunked) {
        m->left = 0;
        m->size_ended = false;
        m->state = MESSAGE_SIZE_LINE;
        return 0;
    }
    m->state = MESSAGE_BODY;
    bool is_answer = memcmp(m->head, "HTTP/", 5) == 0;
    if (is_answer && !has_length)
        return -1; /* until the end of the connection: no peer has reason to */
    return m->left == 0;
}

/* The line that the byte c ends or goes on: true = ended. */
static bool take_size(struct message *m, char c)
{
    int digit = hex_value(c);

    if (c == '\n')
        return true;
    if (digit < 0)
        m->size_ended = true;
    else if (!m->size_ended)
        m->left = m->left << 4 | (uint64_t)digit;
    return false;
}

static size_t take_head(struct message *m, const char *bytes, size_t len, int *ret)
{
    size_t room = sizeof(m->head) - 1 - m->head_len, before = m->head_len;
    size_t n = len < room ? len : room;

    memcpy(m->head + before, bytes, n);
    size_t from = before < 3 ? 0 : before - 3;
    const char *end = memmem(m->head + from, before + n - from, "\r\n\r\n", 4);
    if (!end) {
        m->head_len += n;
        *ret = n == room ? -1 : 0;
        return n;
    }
    m->head_len = (size_t)(end - m->head) + 4;
    *ret = end_head(m);
    return m->head_len - before;
}

static size_t take_content(struct message *m, const char *bytes, size_t len, int *ret)
{
    size_t n = m->left < len ? (size_t)m->left : len;

    scan_stamps(m, bytes, n);
    m->left -= n;
    if (m->left == 0) {
        *ret = m->state == MESSAGE_BODY;
        m->state = MESSAGE_CHUNK_END;
    }
    return n;
}

/* A byte of what stands between chunks. */
static int take_framing(struct message *m, char c)
{
    switch (m->state) {
    case MESSAGE_SIZE_LINE:
        if (take_size(m, c))
            m->state = m->left ? MESSAGE_CHUNK : MESSAGE_LAST_LINE;
        return 0;
    case MESSAGE_CHUNK_END:
        if (c == '\n') {
            m->left = 0;
            m->size_ended = false;
            m->state = MESSAGE_SIZE_LINE;
        }
        return 0;
    default: /* the end; no peer here has trailers */
        return c == '\n' ? 1 : 0;
    }
}

int message_feed(struct message *m, const char *bytes, size_t len, size_t *used)
{
    size_t at = 0;
    int ret = 0;

    while (at < len && ret == 0) {
        if (m->state == MESSAGE_HEAD)
            at += take_head(m, bytes + at, len - at, &ret);
        else if (m->state == MESSAGE_BODY || m->state == MESSAGE_CHUNK)
            at += take_content(m, bytes + at, len - at, &ret);
        else
            ret = take_framing(m, bytes[at++]);
    }
    *used = at;
    return ret;
}

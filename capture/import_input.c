#include "config.h"

#include "capture/import_input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"

#define READ_BYTES (256u << 10)
/* Compressed bytes handed to a decoder at a time: bounds what one step can blow up to (zstd holds
 * runs of 128 KiB in 4 bytes). */
#define PIECE_BYTES 1024u

struct import_input {
    int fd;
    bool fd_is_ours;
    struct codec *codec; /* NULL = not compressed */
    struct buf raw;      /* compressed bytes not decoded yet */
    size_t raw_at;
    struct buf out; /* decoded bytes; those before at are taken */
    size_t at;
    size_t line_taken; /* bytes that the last line or element given out still occupies */
    bool eof;
    uint64_t line;  /* number of line breaks before out[at] */
    uint64_t taken; /* decoded bytes before out[0] */
    uint64_t read;
    struct err failure; /* sticky: code ERR_NONE = none */
};

static ssize_t read_some(struct import_input *in, char *to, size_t len)
{
    ssize_t n;
    do
        n = read(in->fd, to, len);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EISDIR)
        err_set(&in->failure, ERR_USAGE, "a folder: name the files in it");
    else if (n < 0)
        err_sys(&in->failure, "cannot read");
    else
        in->read += (uint64_t)n;
    return n;
}

/* Decodes more compressed bytes into out; in->eof when the stream is over. */
static void fill_decoded(struct import_input *in)
{
    size_t before = in->out.len;

    while (in->out.len == before && !in->eof && !in->failure.code) {
        if (in->raw_at == in->raw.len) {
            buf_clear(&in->raw);
            in->raw_at = 0;
            ssize_t n = read_some(in, buf_reserve(&in->raw, READ_BYTES), READ_BYTES);
            if (n < 0)
                return;
            in->raw.len = (size_t)n;
            if (n == 0) {
                in->eof = true;
                if (!codec_is_complete(in->codec))
                    err_set(&in->failure, ERR_CORRUPT,
                            "the compressed file ends early: what could be read was");
                return;
            }
        }
        struct str piece = str_sub(buf_str(&in->raw), in->raw_at, PIECE_BYTES);
        in->raw_at += piece.len;
        if (codec_decode(in->codec, piece, SIZE_MAX, &in->out, &in->failure) < 0)
            err_wrap(&in->failure, "compressed byte %llu",
                     (unsigned long long)(in->read - (in->raw.len - in->raw_at)));
    }
}

/* Adds bytes to out; false if there are no more (in->failure says whether that is an error). */
static bool fill(struct import_input *in)
{
    size_t before = in->out.len;

    if (in->failure.code || in->eof)
        return false;
    if (in->codec) {
        fill_decoded(in);
        return in->out.len > before;
    }
    ssize_t n = read_some(in, buf_reserve(&in->out, READ_BYTES), READ_BYTES);
    if (n == 0)
        in->eof = true;
    if (n > 0)
        in->out.len += (size_t)n;
    return n > 0;
}

/* Forgets bytes that were taken, once they are many. */
static void compact(struct import_input *in)
{
    if (in->at < READ_BYTES && in->at != in->out.len)
        return;
    in->taken += in->at;
    buf_consume(&in->out, in->at);
    in->at = 0;
}

static int open_codec(struct import_input *in, struct err *err)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *name;
    } formats[] = {
        {"\x1f\x8b",          2, "gzip"},
        { "\x28\xb5\x2f\xfd", 4, "zstd"},
    };
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (in->out.len < formats[i].len ||
            memcmp(in->out.ptr, formats[i].magic, formats[i].len) != 0)
            continue;
        in->raw = in->out;
        in->out = (struct buf){ 0 };
        return codec_open(str_from(formats[i].name), &in->codec, err);
    }
    return 0;
}

int import_input_open(const char *path, struct import_input **ret, struct err *err)
{
    CLEANUP(import_input_close) struct import_input *in = mem_calloc(1, sizeof(*in));

    in->fd = STDIN_FILENO;
    if (strcmp(path, "-") != 0) {
        in->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (in->fd < 0)
            return err_sys(err, "cannot open");
        in->fd_is_ours = true;
    }
    while (in->out.len < 4 && fill(in))
        continue;
    if (in->failure.code) {
        *err = in->failure;
        return -1;
    }
    if (open_codec(in, err) < 0)
        return -1;
    if (in->codec)
        in->eof = false;
    *ret = TAKE(in);
    return 0;
}

void import_input_close(struct import_input *in)
{
    if (!in)
        return;
    codec_close(in->codec);
    buf_release(&in->raw);
    buf_release(&in->out);
    if (in->fd_is_ours)
        close(in->fd);
    free(in);
}

int import_input_peek(struct import_input *in, struct str *ret, struct err *err)
{
    while (in->out.len - in->at < IMPORT_PEEK_BYTES && fill(in))
        continue;
    if (in->out.len == in->at && import_input_failure(in, err) < 0)
        return -1;
    if (in->taken + in->at == 0 &&
        str_starts_with(buf_str(&in->out), STR("\xef\xbb\xbf"))) /* a byte order mark */
        in->at = 3;
    *ret = str_sub(buf_str(&in->out), in->at, IMPORT_PEEK_BYTES);
    return 0;
}

uint64_t import_input_bytes(const struct import_input *in)
{
    return in->taken + in->at;
}

uint64_t import_input_read_bytes(const struct import_input *in)
{
    return in->read;
}

int import_input_failure(const struct import_input *in, struct err *err)
{
    if (!in->failure.code)
        return 0;
    *err = in->failure;
    return -1;
}

/* Takes bytes up to and with the next line break, keeping none. */
static void skip_line(struct import_input *in)
{
    for (;;) {
        const char *from = in->out.ptr + in->at;
        const char *end = in->out.len > in->at ? memchr(from, '\n', in->out.len - in->at) : NULL;
        if (end) {
            in->at += (size_t)(end - from) + 1;
            in->line++;
            return;
        }
        in->at = in->out.len;
        compact(in);
        if (!fill(in))
            return;
    }
}

int import_input_line(struct import_input *in, struct str *ret, uint64_t *ret_number,
                      struct err *err)
{
    size_t seen = 0; /* bytes from at that hold no line break */

    compact(in);
    for (;;) {
        size_t len = in->out.len - in->at;
        const char *from = in->out.ptr + in->at;
        const char *end = len > seen ? memchr(from + seen, '\n', len - seen) : NULL;
        size_t line = end ? (size_t)(end - from) : len;

        if (line > IMPORT_LINE_BYTES_MAX) {
            *ret_number = in->line + 1;
            skip_line(in);
            return err_set(err, ERR_LIMIT, "longer than %u MiB: one record must fit into that",
                           IMPORT_LINE_BYTES_MAX >> 20);
        }
        if (end || (!fill(in) && len > 0 && !in->failure.code)) {
            *ret = (struct str){ in->out.ptr + in->at, line };
            *ret_number = ++in->line;
            in->at += line + (end ? 1 : 0);
            return 1;
        }
        if (in->out.len - in->at == len) {
            *ret_number = in->line + 1;
            return import_input_failure(in, err); /* 0 = the end */
        }
        seen = len;
    }
}

/* The byte at offset from the cursor, or -1. */
static int byte_at(struct import_input *in, size_t offset)
{
    while (in->out.len - in->at <= offset)
        if (!fill(in))
            return -1;
    return (unsigned char)in->out.ptr[in->at + offset];
}

static void take(struct import_input *in, size_t len)
{
    for (size_t i = 0; i < len; i++)
        in->line += in->out.ptr[in->at + i] == '\n';
    in->at += len;
}

/* Takes blanks (and commas, which separate what we look for) and gives the next byte, or -1. */
static int next_byte(struct import_input *in)
{
    for (;;) {
        compact(in);
        int c = byte_at(in, 0);
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != ',')
            return c;
        take(in, 1);
    }
}

/* Measures the value at the cursor: strings and brackets, not grammar.  Its length, 0 if the input
 * ends first; *ret_excess if it is longer than limit: then all but its last bytes are taken and the
 * length is that of those. */
static size_t value_length(struct import_input *in, size_t limit, bool *ret_excess)
{
    size_t at = 0, depth = 0;
    bool in_string = false;

    *ret_excess = false;
    for (int c; (c = byte_at(in, at)) >= 0; at++) {
        if (at >= limit) { /* drop what is held: only the end still matters */
            *ret_excess = true;
            take(in, at);
            compact(in);
            at = 0;
        }
        if (in_string) {
            if (c == '\\')
                at++;
            else if (c == '"')
                in_string = false;
            if (!in_string && depth == 0)
                return at + 1;
            continue;
        }
        if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return at; /* the end of the container a bare value stands in */
            if (--depth == 0)
                return at + 1;
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
            return at;
        }
    }
    return 0;
}

static int ends_early(const struct import_input *in, struct err *err)
{
    if (import_input_failure(in, err) < 0)
        return -1;
    return err_set(err, ERR_CORRUPT, "the JSON document ends early");
}

/* Passes over one value of any size. */
static int skip_value(struct import_input *in, struct err *err)
{
    bool excess;
    size_t len = value_length(in, READ_BYTES, &excess);
    if (len == 0)
        return next_byte(in) < 0 ? ends_early(in, err)
                                 : err_set(err, ERR_CORRUPT, "no JSON: expected a value");
    take(in, len);
    return 0;
}

/* In an object on the path: finds the member that leads on, or the object's end.  1 = the cursor
 * is at its value, 0 = the object ended. */
static int find_member(struct import_input *in, struct str name, struct err *err)
{
    for (int c; (c = next_byte(in)) >= 0;) {
        bool excess;
        if (c == '}') {
            take(in, 1);
            return 0;
        }
        if (c != '"')
            return err_set(err, ERR_CORRUPT, "no JSON: expected a member name");
        size_t len = value_length(in, READ_BYTES, &excess);
        if (len < 2)
            break;
        bool match = str_eq((struct str){ in->out.ptr + in->at + 1, len - 2 }, name);
        take(in, len);
        if (next_byte(in) != ':')
            break;
        take(in, 1);
        c = next_byte(in);
        if (match)
            return 1;
        if (skip_value(in, err) < 0)
            return -1;
    }
    return ends_early(in, err);
}

/* Walks from the cursor into the array at the path: 1 = inside it, 0 = the input is over. */
static int enter(struct import_input *in, struct import_elements *e, struct err *err)
{
    for (;;) {
        int c = next_byte(in);
        if (c < 0)
            return e->level ? ends_early(in, err) : import_input_failure(in, err);
        if (e->level == e->path_len && c == '[') {
            take(in, 1);
            e->in_array = e->found = true;
            return 1;
        }
        if (e->path_len == 0 && c == '{')
            return 1; /* objects one after the other */
        if (e->level < e->path_len && c == '{') {
            take(in, 1);
        } else if (skip_value(in, err) < 0) {
            return -1;
        } else if (e->level == 0) {
            continue;
        } else {
            e->level--; /* what the member held was not what we look for: go on behind it */
        }
        int r = find_member(in, e->path[e->level], err);
        while (r == 0 && e->level > 0)
            r = find_member(in, e->path[--e->level], err);
        if (r < 0)
            return -1;
        e->level += r == 1;
    }
}

/* Leaves the array: the rest of its document is passed over. */
static int leave(struct import_input *in, struct import_elements *e, struct err *err)
{
    take(in, 1);
    e->in_array = false;
    while (e->level > 0) {
        e->level--;
        int r = find_member(in, e->path[e->level], err);
        if (r < 0)
            return -1;
        if (r == 1 && skip_value(in, err) < 0) /* a second member of that name: not looked at */
            return -1;
        if (r == 1)
            e->level++;
    }
    return 0;
}

int import_input_element(struct import_input *in, struct import_elements *e, struct str *ret,
                         uint64_t *ret_line, struct err *err)
{
    for (;;) {
        bool excess;

        if (!e->in_array) {
            int r = enter(in, e, err);
            *ret_line = in->line + 1;
            if (r <= 0)
                return r;
        }
        int c = next_byte(in);
        *ret_line = in->line + 1;
        if (c == ']' && e->in_array) {
            if (leave(in, e, err) < 0)
                return -1;
            continue;
        }
        size_t len = c < 0 ? 0 : value_length(in, IMPORT_ELEMENT_BYTES_MAX, &excess);
        if (len == 0)
            return c < 0 && !e->in_array ? import_input_failure(in, err) : ends_early(in, err);
        if (excess) {
            take(in, len);
            return err_set(err, ERR_LIMIT, "an entry is larger than %u MiB",
                           IMPORT_ELEMENT_BYTES_MAX >> 20);
        }
        *ret = (struct str){ in->out.ptr + in->at, len };
        take(in, len);
        return 1;
    }
}

static ssize_t cookie_read(void *cookie, char *to, size_t len)
{
    struct import_input *in = cookie;

    compact(in);
    if (in->at == in->out.len && !fill(in)) {
        if (in->failure.code)
            errno = EIO;
        return in->failure.code ? -1 : 0;
    }
    size_t n = in->out.len - in->at < len ? in->out.len - in->at : len;
    memcpy(to, in->out.ptr + in->at, n);
    in->at += n;
    return (ssize_t)n;
}

FILE *import_input_file(struct import_input *in)
{
    return fopencookie(in, "r", (cookie_io_functions_t){ .read = cookie_read });
}

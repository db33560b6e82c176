#include "config.h"

#include "capture/body_decode.h"

#include <string.h>

#include "base/codec.h"
#include "llm/framing.h"

/* Encodings that a body names itself by how it begins: RFC 1952 2.3.1 (with the one method there
 * is), RFC 8878 3.1.1. */
static const struct {
    struct str first, encoding;
} marks[] = {
    {STR_INIT("\x1f\x8b\x08"),      STR_INIT("gzip")},
    { STR_INIT("\x28\xb5\x2f\xfd"), STR_INIT("zstd")},
};

/* Files that are compressed themselves: without a word of an encoding, they are what was sent. */
static const struct str packed_types[] = {
    STR_INIT("application/gzip"),
    STR_INIT("application/x-gzip"),
    STR_INIT("application/zstd"),
};

static struct str encoding_by_mark(struct str body)
{
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (str_starts_with(body, marks[i].first))
            return marks[i].encoding;
    return STR("");
}

/* RFC 1950 2.2: method 8, a window up to 32 KiB, and a check sum over the two bytes. */
static bool has_zlib_head(struct str body)
{
    if (body.len < 2)
        return false;
    unsigned first = (unsigned char)body.ptr[0], second = (unsigned char)body.ptr[1];
    return (first & 15) == 8 && first >> 4 <= 7 && (first * 256 + second) % 31 == 0;
}

/* How many bytes the UTF-8 sequence at has after its first; -1 = none begins here. */
static int utf8_rest(unsigned char first)
{
    if (first < 0x80)
        return 0;
    return first >= 0xf5 ? -1 : first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc2 ? 1 : -1;
}

/* UTF-8, perhaps cut in a character at its end. */
static bool is_utf8(struct str body)
{
    for (size_t i = 0; i < body.len; i++) {
        int rest = utf8_rest((unsigned char)body.ptr[i]);
        if (rest < 0)
            return false;
        for (; rest > 0 && i + 1 < body.len; rest--)
            if (((unsigned char)body.ptr[++i] & 0xc0) != 0x80)
                return false;
    }
    return true;
}

/* Text, or the frames of an event stream (whose head has a check sum).  Compressed bytes hold
 * control characters: 40 of them come without any in 1 of 100 cases, and are UTF-8 in none. */
static bool is_readable(struct str body)
{
    enum framing framing = framing_guess(STR(""), body);

    if (framing == FRAMING_EVENTSTREAM)
        return true;
    for (size_t i = 0; i < body.len; i++)
        if ((unsigned char)body.ptr[i] < 32 && !memchr("\t\n\r\f", body.ptr[i], 4))
            return false;
    return framing != FRAMING_OPAQUE || is_utf8(body); /* JSON in Latin-1 is text, too */
}

static bool is_packed_type(struct str media_type)
{
    for (size_t i = 0; i < ARRAY_LEN(packed_types); i++)
        if (str_istarts_with(media_type, packed_types[i]))
            return true;
    return false;
}

/* Whether a body of this type should be readable: if it is not, something is still on it. */
static bool is_text_type(struct str media_type)
{
    return media_type.len == 0 || str_istarts_with(media_type, STR("text/")) ||
           str_find(media_type, STR("json"), 0) >= 0 ||
           str_istarts_with(media_type, STR("application/vnd.amazon.eventstream"));
}

static int decode_pieces(struct codec *codec, struct body_decoding *d, struct err *err)
{
    size_t at = 0;

    if (!d->chunk_count)
        return codec_decode(codec, d->body, EXCHANGE_BODY_BYTES_MAX, d->out, err);
    for (size_t i = 0; i < d->chunk_count; i++) {
        struct str piece = str_sub(d->body, at, (size_t)d->chunks[i].bytes);
        size_t before = d->out->len;
        if (codec_decode(codec, piece, EXCHANGE_BODY_BYTES_MAX, d->out, err) < 0)
            return -1;
        d->ret_chunks[i] = (struct exchange_chunk){ .offset_us = d->chunks[i].offset_us,
                                                    .bytes = d->out->len - before };
        at += piece.len;
    }
    return 0;
}

/* An encoding that ends early counts only if something came out that it can have been: br finds a
 * beginning in nearly all bytes. */
static int try_encoding(struct body_decoding *d, struct str encoding, struct err *err)
{
    CLEANUP(codec_close) struct codec *codec = NULL;

    buf_clear(d->out);
    if (codec_open(encoding, &codec, err) < 0 || decode_pieces(codec, d, err) < 0)
        return -1;
    d->ret_cut = !codec_is_complete(codec);
    if (!d->ret_cut)
        return 0;
    bool marked = encoding_by_mark(d->body).len || has_zlib_head(d->body);
    if (d->out->len && (marked || is_readable(buf_str(d->out))))
        return 0;
    return err_set(err, ERR_CORRUPT, BODY_NOTE_CUT " or is none");
}

static enum body_coding failed(const struct body_decoding *d, bool marked, struct err *err)
{
    if (!d->told && !marked && !is_text_type(d->media_type))
        return BODY_PLAIN; /* audio and the like, of which the encoding was undone */
    if (err->text[0] == '\0')
        err_set(err, ERR_UNSUPPORTED, "its content encoding is not said");
    return BODY_ENCODED;
}

enum body_coding body_decode(struct body_decoding *d, struct err *err)
{
    struct str header = str_trim(d->encoding), mark = encoding_by_mark(d->body);
    struct err ignored;

    if (str_ieq(header, STR("identity")))
        header = STR("");
    if (!header.len && !d->told && (!mark.len || is_packed_type(d->media_type)))
        return BODY_PLAIN;
    if (d->body.len == 0 || is_readable(d->body))
        return BODY_PLAIN;

    err->text[0] = '\0';
    if (header.len && try_encoding(d, header, err) == 0)
        return BODY_DECODED;
    /* What the header says is the better reason if both fail. */
    if (mark.len && !str_ieq(mark, header) &&
        try_encoding(d, mark, err->text[0] ? &ignored : err) == 0)
        return BODY_DECODED;
    if (!mark.len && !header.len && has_zlib_head(d->body) &&
        try_encoding(d, STR("deflate"), err) == 0)
        return BODY_DECODED;
    return failed(d, mark.len > 0, err);
}

const char *body_note_add(const char *note, const char *what, const char *why, struct arena *arena)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_addf(&text, "%s body: %s", what, why);
    if (!note)
        return arena_str(arena, buf_str(&text)).ptr;
    if (strstr(note, buf_cstr(&text)))
        return note;
    CLEANUP(buf_release) struct buf both = { 0 };
    buf_addf(&both, "%s; %s", note, buf_cstr(&text));
    return arena_str(arena, buf_str(&both)).ptr;
}

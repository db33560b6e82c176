#include "config.h"

#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct str bytes)
{
    char *to = buf_reserve(out, bytes.len / 3 * 4 + 4);
    size_t i = 0, n = 0;

    for (; i < bytes.len; i += 3) {
        uint32_t group = 0;
        size_t left = bytes.len - i < 3 ? bytes.len - i : 3;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (k < left ? (uint8_t)bytes.ptr[i + k] : 0u);
        for (size_t k = 0; k < 4; k++)
            to[n++] = k <= left ? alphabet[group >> (18 - 6 * k) & 63] : '=';
    }
    out->len += n;
}

/* The six bits a character stands for, or -1. */
static int bits_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Without the padding: none, or as much as fills the last group of four. */
static int cut_padding(struct str *text, struct err *err)
{
    size_t padding = 0;

    while (padding < 2 && padding < text->len && text->ptr[text->len - 1 - padding] == '=')
        padding++;
    if (padding > 0 && text->len % 4 != 0)
        return err_set(err, ERR_CORRUPT, "base64: padding does not fill the last group of four");
    text->len -= padding;
    if (text->len % 4 == 1)
        return err_set(err, ERR_CORRUPT, "base64: cut short within a byte");
    return 0;
}

int base64_decode(struct buf *out, struct str text, struct err *err)
{
    uint32_t group = 0;
    int bits = 0;

    if (cut_padding(&text, err) < 0)
        return -1;
    char *to = buf_reserve(out, text.len / 4 * 3 + 3);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int six = bits_of(text.ptr[i]);
        if (six < 0)
            return err_set(err, ERR_CORRUPT, "base64: byte %zu is not of the alphabet", i);
        group = group << 6 | (uint32_t)six;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            to[n++] = (char)(group >> bits & 255);
        }
    }
    /* RFC 4648 3.5: bits that make no byte must be zero, or one value would have two texts. */
    if (group & ((1u << bits) - 1))
        return err_set(err, ERR_CORRUPT, "base64: bits are left over at the end");
    out->len += n;
    return 0;
}

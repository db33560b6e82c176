/* The names of models in exports: written for people, or made of an identifier. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "analyze/invoice.h"
#include "base/buf.h"

#define WORDS_MAX 24

/* What may stand before the model's own name, in any number, each with '.' or '/' behind it. */
static const char *const prefixes[] = { "us",        "eu",     "apac",   "jp",     "au",
                                        "us-gov",    "global", "amazon", "meta",   "mistral",
                                        "anthropic", "cohere", "ai21",   "openai", "deepseek",
                                        "google",    "models", "qwen" };

static struct str without_prefixes(struct str s)
{
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        struct str p = str_from(prefixes[i]);
        if (str_istarts_with(s, p) && s.len > p.len &&
            (s.ptr[p.len] == '.' || s.ptr[p.len] == '/')) {
            s = str_sub(s, p.len + 1, s.len);
            i = (size_t)-1; /* from the beginning */
        }
    }
    return s;
}

/* "-v1:0", as Bedrock ends its identifiers. */
static struct str without_version(struct str s)
{
    ptrdiff_t colon = str_find_char(s, ':', 0);

    if (colon < 0)
        return s;
    struct str head = str_sub(s, 0, (size_t)colon);
    size_t end = head.len;
    while (end > 0 && isdigit((unsigned char)head.ptr[end - 1]))
        end--;
    if (end < 2 || head.ptr[end - 1] != 'v' || head.ptr[end - 2] != '-')
        return s;
    return str_sub(s, 0, end - 2);
}

static bool is_digits(struct str s, size_t len)
{
    if (s.len != len)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!isdigit((unsigned char)s.ptr[i]))
            return false;
    return true;
}

/* The next run of letters or of digits. */
static bool next_word(struct str *rest, struct str *ret)
{
    size_t i = 0, end;

    while (i < rest->len && !isalnum((unsigned char)rest->ptr[i]))
        i++;
    if (i == rest->len)
        return false;
    bool digits = isdigit((unsigned char)rest->ptr[i]);
    for (end = i; end < rest->len && isalnum((unsigned char)rest->ptr[end]) &&
                  (isdigit((unsigned char)rest->ptr[end]) != 0) == digits;)
        end++;
    *ret = str_sub(*rest, i, end - i);
    *rest = str_sub(*rest, end, rest->len);
    return true;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static bool is_year(struct str word)
{
    return is_digits(word, 4) && word.ptr[0] == '2' && word.ptr[1] == '0';
}

void invoice_model_key(struct str model, struct buf *out)
{
    CLEANUP(buf_release) struct buf lower = { 0 };
    struct str words[WORDS_MAX], rest, word;
    size_t count = 0;

    buf_add_str(&lower, str_trim(model));
    for (size_t i = 0; i < lower.len; i++)
        lower.ptr[i] = (char)tolower((unsigned char)lower.ptr[i]);
    rest = without_version(without_prefixes(buf_str(&lower)));

    while (count < WORDS_MAX && next_word(&rest, &word)) {
        if (is_digits(word, 8) && str_starts_with(word, STR("20")))
            continue;
        words[count++] = word;
        if (count >= 3 && is_digits(word, 2) && is_digits(words[count - 2], 2) &&
            is_year(words[count - 3]))
            count -= 3; /* 2024-08-06 */
    }
    if (count)
        qsort(words, count, sizeof(*words), by_name);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_add_byte(out, '-');
        buf_add_str(out, words[i]);
    }
}

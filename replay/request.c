#include "config.h"

#include "replay/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/vec.h"
#include "capture/redact.h"

/* What says who asks: it changes from call to call, and no answer follows from it. */
static const char *const ignored_members[] = { "metadata", "prompt_cache_key", "safety_identifier",
                                               "user" };

/* --- path --- */

static bool path_byte(struct str *rest, char *ret)
{
    uint8_t byte;

    if (!rest->len)
        return false;
    *ret = rest->ptr[0];
    if (*ret == '%' && hex_decode(str_sub(*rest, 1, 2), &byte, 1) == 0) {
        *ret = (char)byte;
        *rest = str_sub(*rest, 3, rest->len);
    } else {
        *rest = str_sub(*rest, 1, rest->len);
    }
    return true;
}

static void decode_path(struct str path, struct buf *out)
{
    char byte;

    while (path_byte(&path, &byte))
        buf_add_byte(out, byte);
}

bool request_is_same_path(struct str a, struct str b)
{
    CLEANUP(buf_release) struct buf left = { 0 }, right = { 0 };

    decode_path(a, &left);
    decode_path(b, &right);
    struct str shorter = buf_str(left.len < right.len ? &left : &right);
    struct str longer = buf_str(left.len < right.len ? &right : &left);
    if (shorter.len == longer.len)
        return str_eq(shorter, longer);
    return shorter.len && shorter.ptr[0] == '/' && str_ends_with(longer, shorter);
}

static void hash(struct sha256 *h, struct str part)
{
    uint64_t len = part.len; /* so that no two lists of parts run into the same bytes */

    sha256_update(h, &len, sizeof(len));
    sha256_update(h, part.ptr, part.len);
}

static void hash_last_segment(struct sha256 *h, struct str path)
{
    CLEANUP(buf_release) struct buf plain = { 0 };
    size_t at = path.len;

    while (at && path.ptr[at - 1] != '/')
        at--;
    decode_path(str_sub(path, at, path.len), &plain);
    hash(h, buf_str(&plain));
}

/* --- query --- */

static int compare_strs(const void *a, const void *b)
{
    const struct str *left = a, *right = b;

    return str_cmp(*left, *right);
}

static bool is_credential(struct str parameter)
{
    ptrdiff_t equals = str_find_char(parameter, '=', 0);

    return equals >= 0 &&
           str_starts_with(str_sub(parameter, (size_t)equals + 1, parameter.len), STR(REDACT_MARK));
}

static void hash_query(struct sha256 *h, struct str query)
{
    static const struct key no_key; /* only the mark is looked at */
    CLEANUP(arena_release) struct arena arena = { 0 };
    VEC(struct str) parameters = { 0 };
    struct str rest = redact_query(&no_key, &arena, query, NULL), parameter;

    while (str_split(&rest, '&', &parameter))
        if (parameter.len && !is_credential(parameter))
            vec_push(&parameters, parameter);
    if (parameters.len)
        qsort(parameters.ptr, parameters.len, sizeof(*parameters.ptr), compare_strs);
    for (size_t i = 0; i < parameters.len; i++)
        hash(h, parameters.ptr[i]);
    vec_release(&parameters);
}

/* --- body --- */

/* The one text of all JSON texts that say the same, to be freed; NULL if body is no JSON object or
 * list, or one that Jansson cannot hold. */
static char *canonical_json(struct str body)
{
    CLEANUP(json_decref) json_t *doc = NULL;
    struct str text = str_trim(body);
    struct err err;

    if (!text.len || (text.ptr[0] != '{' && text.ptr[0] != '[') || json_parse(text, &doc, &err) < 0)
        return NULL;
    for (size_t i = 0; json_is_object(doc) && i < ARRAY_LEN(ignored_members); i++)
        json_object_del(doc, ignored_members[i]);
    return json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
}

static void hash_body(struct sha256 *h, struct str body)
{
    char *canonical = canonical_json(body);

    hash(h, canonical ? str_from(canonical) : body);
    free(canonical);
}

void request_digest(const struct request *r, uint8_t ret[static REQUEST_DIGEST_BYTES])
{
    CLEANUP(sha256_free) struct sha256 *h = sha256_new();
    uint8_t full[SHA256_BYTES];

    hash(h, r->method);
    hash_last_segment(h, r->path);
    hash_query(h, r->query);
    hash(h, STR("body"));
    hash_body(h, r->body);
    sha256_final(h, full);
    memcpy(ret, full, REQUEST_DIGEST_BYTES);
}

/* --- what is asked --- */

#define BYTES_PER_TOKEN 4

/* What a gateway has no reason to change. */
static const char *const asking_members[] = { "messages", "input",     "contents",
                                              "prompt",   "message",   "texts",
                                              "query",    "documents", "inputText" };
static const char *const most_members[] = { "max_tokens", "max_completion_tokens",
                                            "max_output_tokens" };

static void hash_member(struct sha256 *h, const char *name, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

    hash(h, str_from(name));
    hash(h, str_from(text));
    free(text);
}

void request_asked(const struct request *r, struct request_asked *ret)
{
    CLEANUP(sha256_free) struct sha256 *h = sha256_new();
    CLEANUP(json_decref) json_t *doc = NULL;
    uint8_t full[SHA256_BYTES];
    struct err err;
    bool asks = false;

    ret->tokens = (int64_t)(r->body.len / BYTES_PER_TOKEN);
    if (json_parse(r->body, &doc, &err) < 0)
        doc = NULL;
    for (size_t i = 0; i < ARRAY_LEN(asking_members); i++) {
        const json_t *value = json_get(doc, asking_members[i]);
        asks |= value != NULL;
        if (value)
            hash_member(h, asking_members[i], value);
    }
    if (!asks)
        hash(h, r->body);
    for (size_t i = 0; i < ARRAY_LEN(most_members); i++) {
        json_int_t most = json_integer_value(json_get(doc, most_members[i]));
        ret->tokens += most > 0 && most < INT32_MAX ? most : 0;
    }
    sha256_final(h, full);
    memcpy(ret->digest, full, REQUEST_DIGEST_BYTES);
}

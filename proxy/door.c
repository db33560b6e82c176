#include "config.h"

#include "proxy/door.h"

#include "base/digest.h"
#include "proxy/names.h"

/* What a caller may send as its credential, in the order in which a key of ours is looked for. */
static const struct str credential_headers[] = {
    STR_INIT("authorization"),
    STR_INIT("x-api-key"),
    STR_INIT("api-key"),
    STR_INIT("x-goog-api-key"),
};

/* Google's, Azure's and what others call theirs, and a URL that was signed beforehand. */
static const struct str credential_parameters[] = {
    STR_INIT("key"),
    STR_INIT("api_key"),
    STR_INIT("api-key"),
    STR_INIT("apikey"),
    STR_INIT("access_token"),
    STR_INIT("subscription-key"),
    STR_INIT("X-Amz-Algorithm"),
    STR_INIT("X-Amz-Credential"),
    STR_INIT("X-Amz-Date"),
    STR_INIT("X-Amz-Expires"),
    STR_INIT("X-Amz-SignedHeaders"),
    STR_INIT("X-Amz-Signature"),
    STR_INIT("X-Amz-Security-Token"),
};

#define NAME_BYTES_MAX 64 /* of a parameter that could be one of these */

/* What follows prefix (in any case) and blanks, or nothing. */
static struct str after(struct str value, struct str prefix)
{
    return str_istarts_with(value, prefix) ? str_trim(str_sub(value, prefix.len, value.len))
                                           : STR("");
}

/* The key of ours in a header's value: all of it, or of what stands behind Bearer, or where AWS has
 * the access key id. */
static struct str key_in(struct str value)
{
    struct str bearer = after(value, STR("Bearer ")), aws = after(value, STR("AWS4-"));

    if (client_key_is_ours(value))
        return value;
    if (client_key_is_ours(bearer))
        return bearer;
    ptrdiff_t at = str_find(aws, STR("Credential="), 0);
    if (at < 0)
        return STR("");
    struct str rest = str_sub(aws, (size_t)at + 11, aws.len), id;
    return str_split(&rest, '/', &id) && client_key_is_ours(id) ? id : STR("");
}

bool door_shows_key(const struct http1_header *h)
{
    return names_of(h) & NAME_CREDENTIAL && key_in(h->value).len;
}

/* --- the query --- */

/* Names may be escaped, which providers undo. */
static bool is_credential_parameter(struct str name)
{
    char plain[NAME_BYTES_MAX];
    size_t len = 0;

    for (size_t i = 0; i < name.len; i++) {
        if (len == sizeof(plain))
            return false;
        plain[len] = name.ptr[i];
        if (name.ptr[i] == '%' && hex_decode(str_sub(name, i + 1, 2), &plain[len], 1) == 0)
            i += 2;
        len++;
    }
    for (size_t i = 0; i < ARRAY_LEN(credential_parameters); i++)
        if (str_ieq((struct str){ plain, len }, credential_parameters[i]))
            return true;
    return false;
}

/* "name=value" into its parts. */
static void split_parameter(struct str item, struct str *ret_name, struct str *ret_value)
{
    *ret_value = item;
    if (!str_split(ret_value, '=', ret_name))
        *ret_name = item;
}

static struct str query_of(struct str path)
{
    ptrdiff_t at = str_find_char(path, '?', 0);

    return at < 0 ? STR("") : str_sub(path, (size_t)at + 1, path.len);
}

static struct str key_in_query(struct str path)
{
    struct str rest = query_of(path), item, name, value;

    while (rest.len && str_split(&rest, '&', &item)) {
        split_parameter(item, &name, &value);
        if (client_key_is_ours(value) && is_credential_parameter(name))
            return value;
    }
    return STR("");
}

void door_copy_path(struct str path, bool all, struct buf *out)
{
    struct str rest = query_of(path), item, name, value;
    char between = '?';

    if (!rest.len) {
        buf_add_str(out, path);
        return;
    }
    buf_add_str(out, str_sub(path, 0, path.len - rest.len - 1));
    while (str_split(&rest, '&', &item)) {
        split_parameter(item, &name, &value);
        if (client_key_is_ours(value) || (all && is_credential_parameter(name)))
            continue;
        buf_add_byte(out, between);
        buf_add_str(out, item);
        between = '&';
    }
}

/* --- the door --- */

static bool shows_any(const struct http1_head *head)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (door_shows_key(&head->headers[i]))
            return true;
    return false;
}

static struct str shown_key(const struct http1_head *head, bool is_any)
{
    const struct http1_header *own = names_find(head, NAME_KEY);

    if (own)
        return own->value;
    for (size_t i = 0; is_any && i < ARRAY_LEN(credential_headers); i++)
        for (size_t k = 0; k < head->header_count; k++) {
            const struct http1_header *h = &head->headers[k];
            struct str key = STR("");
            if (str_ieq(h->name, credential_headers[i]))
                key = key_in(h->value);
            if (key.len)
                return key;
        }
    return key_in_query(head->path);
}

bool door_admits(const struct proxy_conf *c, const struct http1_head *head, struct route *route,
                 int64_t now_us, struct door *ret, enum reply_kind *ret_why)
{
    static const enum reply_kind why[] = {
        [CLIENT_KEY_GOOD] = REPLY_KEY_APP,
        [CLIENT_KEY_UNKNOWN] = REPLY_KEY_UNKNOWN,
        [CLIENT_KEY_EXPIRED] = REPLY_KEY_EXPIRED,
        [CLIENT_KEY_REVOKED] = REPLY_KEY_REVOKED,
    };

    bool is_any = shows_any(head);

    *ret = (struct door){ .shown = shown_key(head, is_any), .shows_none = !is_any };
    if (!ret->shown.len) {
        *ret_why = REPLY_KEY_MISSING;
        return !route->upstream->requires_key;
    }
    enum client_key_state state = client_keys_check(&c->client_keys, ret->shown, now_us, &ret->key);
    *ret_why = why[state];
    if (state != CLIENT_KEY_GOOD)
        return false;
    if (!ret->key->app.len)
        return true;
    if (route->app.len && !str_eq(route->app, ret->key->app))
        return false;
    route->app = ret->key->app;
    return true;
}

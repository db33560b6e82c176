#include "config.h"

#include "capture/redact.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>

#include "base/digest.h"
#include "base/jscan.h"

/* Deeper values of a credential answer are not looked into: such answers are two levels deep. */
#define BODY_DEPTH_MAX 32

enum how {
    KEEP,          /* harmless, though its name may look otherwise */
    WHOLE,         /* the value is the credential */
    AUTHORIZATION, /* "Bearer TOKEN", "Basic ...", "AWS4-HMAC-SHA256 Credential=..., ..." */
    URL,           /* a URL or path whose query may hold one */
    SUBPROTOCOLS,  /* OpenAI's browsers pass the key as "openai-insecure-api-key.KEY" */
};

/* name ends with '*' for a prefix.  caller: the value says who calls; earlier rows rank better. */
struct header_row {
    struct str name;
    enum how how;
    bool caller;
};

static const struct header_row header_rows[] = {
    {STR_INIT("x-weir-key"),                          WHOLE,         true },
    { STR_INIT("authorization"),                      AUTHORIZATION, true },
    { STR_INIT("x-api-key"),                          WHOLE,         true }, /* Anthropic */
    { STR_INIT("api-key"),                            WHOLE,         true }, /* Azure OpenAI */
    { STR_INIT("x-goog-api-key"),                     WHOLE,         true },
    { STR_INIT("ocp-apim-subscription-key"),          WHOLE,         true }, /* Azure API Management */
    { STR_INIT("x-litellm-api-key"),                  AUTHORIZATION, true },
    { STR_INIT("x-portkey-api-key"),                  WHOLE,         true },
    { STR_INIT("helicone-auth"),                      AUTHORIZATION, true },
    { STR_INIT("cf-aig-authorization"),               AUTHORIZATION, true },
    { STR_INIT("sec-websocket-protocol"),             SUBPROTOCOLS,  true },
    { STR_INIT("proxy-authorization"),                AUTHORIZATION, false},
    { STR_INIT("cookie"),                             WHOLE,         false},
    { STR_INIT("cookie2"),                            WHOLE,         false},
    { STR_INIT("set-cookie"),                         WHOLE,         false},
    { STR_INIT("set-cookie2"),                        WHOLE,         false},
    { STR_INIT("x-amz-security-token"),               WHOLE,         false},
    { STR_INIT("x-amzn-bedrock-security-token"),      WHOLE,         false},
    { STR_INIT("x-goog-iap-jwt-assertion"),           WHOLE,         false},
    { STR_INIT("x-ms-token-*"),                       WHOLE,         false}, /* App Service sign-in */
    { STR_INIT("x-ms-client-principal"),              WHOLE,         false},
    { STR_INIT("dpop"),                               WHOLE,         false}, /* RFC 9449 */
    { STR_INIT("x-forwarded-client-cert"),            WHOLE,         false},
    { STR_INIT("authentication-info"),                WHOLE,         false},
    { STR_INIT("www-authenticate"),                   KEEP,          false}, /* a question, no answer */
    { STR_INIT("proxy-authenticate"),                 KEEP,          false},
    { STR_INIT("idempotency-key"),                    KEEP,          false},
    { STR_INIT("x-idempotency-key"),                  KEEP,          false},
    { STR_INIT("openai-idempotency-key"),             KEEP,          false},
    { STR_INIT("x-stainless-*"),                      KEEP,          false},
    { STR_INIT("surrogate-key"),                      KEEP,          false},
    { STR_INIT("x-cache-key"),                        KEEP,          false},
    { STR_INIT("sec-websocket-key"),                  KEEP,          false}, /* a nonce */
    { STR_INIT(":path"),                              URL,           true }, /* HTTP/2, as browsers log */
    { STR_INIT("referer"),                            URL,           false},
    { STR_INIT("origin"),                             URL,           false},
    { STR_INIT("location"),                           URL,           false},
    { STR_INIT("content-location"),                   URL,           false},
    { STR_INIT("operation-location"),                 URL,           false},
    { STR_INIT("x-goog-upload-url"),                  URL,           false},
    { STR_INIT("x-goog-upload-control-url"),          URL,           false},
    { STR_INIT("x-original-url"),                     URL,           false},
    { STR_INIT("x-rewrite-url"),                      URL,           false},
    { STR_INIT("x-forwarded-uri"),                    URL,           false},
    { STR_INIT("x-envoy-original-path"),              URL,           false},
    { STR_INIT("x-litellm-call-id"),                  KEEP,          false},
    { STR_INIT("x-litellm-trace-id"),                 KEEP,          false},
    { STR_INIT("x-litellm-session-id"),               KEEP,          false},
    { STR_INIT("x-litellm-tags"),                     KEEP,          false},
    { STR_INIT("x-litellm-timeout"),                  KEEP,          false},
    { STR_INIT("x-litellm-stream-timeout"),           KEEP,          false},
    { STR_INIT("x-litellm-num-retries"),              KEEP,          false},
    { STR_INIT("x-litellm-end-user-id"),              KEEP,          false},
    { STR_INIT("x-litellm-customer-id"),              KEEP,          false},
    { STR_INIT("x-litellm-enable-message-redaction"), KEEP,          false},
    { STR_INIT("x-litellm-response-cost"),            KEEP,          false},
    { STR_INIT("x-litellm-response-cost-original"),   KEEP,          false},
    { STR_INIT("x-litellm-response-duration-ms"),     KEEP,          false},
    { STR_INIT("x-litellm-overhead-duration-ms"),     KEEP,          false},
    { STR_INIT("x-litellm-model-id"),                 KEEP,          false},
    { STR_INIT("x-litellm-model-group"),              KEEP,          false},
    { STR_INIT("x-litellm-model-region"),             KEEP,          false},
    { STR_INIT("x-litellm-version"),                  KEEP,          false},
    { STR_INIT("x-litellm-cache-key"),                KEEP,          false},
    { STR_INIT("x-litellm-key-spend"),                KEEP,          false},
    { STR_INIT("x-litellm-key-max-budget"),           KEEP,          false},
    { STR_INIT("x-litellm-key-tpm-limit"),            KEEP,          false},
    { STR_INIT("x-litellm-key-rpm-limit"),            KEEP,          false},
    { STR_INIT("x-litellm-attempted-retries"),        KEEP,          false},
    { STR_INIT("x-litellm-attempted-fallbacks"),      KEEP,          false},
    { STR_INIT("x-litellm-max-retries"),              KEEP,          false},
    { STR_INIT("x-litellm-max-fallbacks"),            KEEP,          false},
    { STR_INIT("x-litellm-*"),                        WHOLE,         false},
    { STR_INIT("x-portkey-provider"),                 KEEP,          false},
    { STR_INIT("x-portkey-trace-id"),                 KEEP,          false},
    { STR_INIT("x-portkey-span-*"),                   KEEP,          false},
    { STR_INIT("x-portkey-metadata"),                 KEEP,          false},
    { STR_INIT("x-portkey-cache*"),                   KEEP,          false},
    { STR_INIT("x-portkey-request-timeout"),          KEEP,          false},
    { STR_INIT("x-portkey-retry-*"),                  KEEP,          false},
    { STR_INIT("x-portkey-last-used-option-*"),       KEEP,          false},
    { STR_INIT("x-portkey-custom-host"),              URL,           false},
    { STR_INIT("x-portkey-*"),                        WHOLE,         false}, /* configs hold keys */
};

/* What the names of credentials we have not heard of end with; '-' and '_' are the same here. */
static const struct str credential_endings[] = {
    STR_INIT("authorization"), STR_INIT("bearer"),         STR_INIT("apikey"),
    STR_INIT("-auth"),         STR_INIT("-key"),           STR_INIT("-token"),
    STR_INIT("-secret"),       STR_INIT("-password"),      STR_INIT("-passwd"),
    STR_INIT("-passphrase"),   STR_INIT("-credential"),    STR_INIT("-credentials"),
    STR_INIT("-jwt"),          STR_INIT("-assertion"),     STR_INIT("-signature"),
    STR_INIT("-cookie"),       STR_INIT("-access-key-id"), STR_INIT("-otp"),
    STR_INIT("-private-pem"),
};

/* Query parameters that endings do not find, and those they find wrongly.  Rank after headers. */
static const struct header_row query_rows[] = {
    {STR_INIT("key"),                   WHOLE, true }, /* Google */
    { STR_INIT("api_key"),              WHOLE, true },
    { STR_INIT("api-key"),              WHOLE, true },
    { STR_INIT("apikey"),               WHOLE, true },
    { STR_INIT("subscription-key"),     WHOLE, true },
    { STR_INIT("access_token"),         WHOLE, true },
    { STR_INIT("token"),                WHOLE, true },
    { STR_INIT("x-amz-credential"),     WHOLE, true }, /* its first part: see redact_parameter */
    { STR_INIT("x-goog-credential"),    WHOLE, true },
    { STR_INIT("awsaccesskeyid"),       WHOLE, true },
    { STR_INIT("googleaccessid"),       WHOLE, false},
    { STR_INIT("auth"),                 WHOLE, false},
    { STR_INIT("jwt"),                  WHOLE, false},
    { STR_INIT("code"),                 WHOLE, false}, /* OAuth; Azure Functions */
    { STR_INIT("sig*"),                 WHOLE, false}, /* "sig" of an Azure shared access signature, ... */
    { STR_INIT("secret"),               WHOLE, false},
    { STR_INIT("password"),             WHOLE, false},
    { STR_INIT("passwd"),               WHOLE, false},
    { STR_INIT("pwd"),                  WHOLE, false},
    { STR_INIT("assertion"),            WHOLE, false},
    { STR_INIT("code_verifier"),        WHOLE, false},
    { STR_INIT("x-amz-security-token"), WHOLE, false},
    { STR_INIT("x-amz-signature"),      WHOLE, false},
    { STR_INIT("x-goog-signature"),     WHOLE, false},
    { STR_INIT("page_token"),           KEEP,  false},
    { STR_INIT("next_page_token"),      KEEP,  false},
    { STR_INIT("pagetoken"),            KEEP,  false},
};

enum {
    RANK_QUERY = ARRAY_LEN(header_rows) + 1, /* any header says better who calls */
    RANK_USERINFO = RANK_QUERY + ARRAY_LEN(query_rows) + 1,
};

/* Authentication schemes whose name may stay in front of the fingerprint: any other first word
 * may itself be the credential. */
static const char *const schemes[] = { "Bearer", "Basic", "Digest", "Token", "Key", "ApiKey" };

static const struct str credential_paths[] = {
    STR_INIT("/realtime/client_secrets"),
    STR_INIT("/realtime/sessions"),
    STR_INIT("/realtime/transcription_sessions"),
    STR_INIT("/oauth/token"),
    STR_INIT("/oauth2/token"),
    STR_INIT("/oauth2/v2.0/token"),
    STR_INIT("/v1/token"),
    STR_INIT("/token"),
    STR_INIT("/getAccessToken"),
};

/* Members of such answers whose string, or whose object's strings, are credentials. */
static const char *const credential_members[] = {
    "client_secret", "access_token", "refresh_token", "id_token",
    "assertion",     "accessToken",  "refreshToken",  "client_assertion",
};

static struct str concat(struct arena *arena, const struct str *parts, size_t count)
{
    size_t len = 0;
    for (size_t i = 0; i < count; i++)
        len += parts[i].len;

    char *to = arena_alloc(arena, len + 1);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(to + at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    return (struct str){ to, len };
}

/* "weir:" and the fingerprint; an empty value hides nothing and one already marked stays. */
static struct str fingerprint(const struct key *k, struct arena *arena, struct str secret,
                              int caller_rank, struct redact_caller *caller)
{
    struct str mark = STR(REDACT_MARK);
    char hex[FINGERPRINT_TEXT_BYTES];

    if (secret.len == 0)
        return secret;
    if (str_starts_with(secret, mark) && secret.len == mark.len + sizeof(hex) - 1 &&
        hex_decode(str_sub(secret, mark.len, secret.len), (uint8_t[8]){ 0 }, 8) == 0)
        snprintf(hex, sizeof(hex), "%.*s", STR_ARG(str_sub(secret, mark.len, secret.len)));
    else
        key_fingerprint(k, "key", secret, hex);

    if (caller && caller_rank && (!caller->rank || caller_rank < caller->rank)) {
        caller->rank = caller_rank;
        memcpy(caller->key_id, hex, sizeof(hex));
    }
    return concat(arena,
                  (struct str[]){
                      mark, {hex, sizeof(hex) - 1}
    },
                  2);
}

/* Which rows of a table a name can be in: those that begin like it, or end like it.  Every header
 * of every call is looked up, so comparing with each row would be most of what a call costs. */
#define INDEX_ROWS_MAX 127
struct name_index {
    uint8_t first[64];                /* row + 1, by the letter; 0 = none */
    uint8_t next[INDEX_ROWS_MAX + 1]; /* row + 1, in the order of the table; by row */
};

static struct name_index header_index, query_index, ending_index;
static atomic_bool has_indexes;
static_assert(ARRAY_LEN(header_rows) <= INDEX_ROWS_MAX, "rows fit the index");

/* By the first letter; of "x-..." by the one behind it. */
static unsigned letter_of_start(struct str name)
{
    bool is_x = name.len > 2 && (name.ptr[0] | 0x20) == 'x' && name.ptr[1] == '-';

    return is_x ? 32u | ((unsigned)name.ptr[2] & 31) : name.len ? (unsigned)name.ptr[0] & 31 : 0;
}

static unsigned letter_of_end(struct str name)
{
    return name.len ? (unsigned)name.ptr[name.len - 1] & 31 : 0;
}

static void index_add(struct name_index *x, unsigned letter, size_t row)
{
    uint8_t *at = &x->first[letter];

    while (*at)
        at = &x->next[*at - 1];
    *at = (uint8_t)(row + 1);
}

static void make_indexes(void)
{
    for (size_t i = 0; i < ARRAY_LEN(header_rows); i++)
        index_add(&header_index, letter_of_start(header_rows[i].name), i);
    for (size_t i = 0; i < ARRAY_LEN(query_rows); i++)
        index_add(&query_index, letter_of_start(query_rows[i].name), i);
    for (size_t i = 0; i < ARRAY_LEN(credential_endings); i++)
        index_add(&ending_index, letter_of_end(credential_endings[i]), i);
    atomic_store_explicit(&has_indexes, true, memory_order_release);
}

/* call_once alone takes longer than a look into an index. */
static void need_indexes(void)
{
    static once_flag once = ONCE_FLAG_INIT;

    if (!atomic_load_explicit(&has_indexes, memory_order_acquire))
        call_once(&once, make_indexes);
}

static bool name_matches(struct str p, struct str name)
{
    if (p.ptr[p.len - 1] == '*')
        return str_istarts_with(name, str_sub(p, 0, p.len - 1));
    return str_ieq(name, p);
}

/* The tail of name, '_' read as '-', ASCII case ignored. */
static bool ends_like(struct str name, struct str ending)
{
    size_t len = ending.len;
    if (name.len < len)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name.ptr[name.len - len + i];
        c = c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        if (c != ending.ptr[i])
            return false;
    }
    return true;
}

static bool looks_like_credential(struct str name)
{
    need_indexes();
    for (unsigned i = ending_index.first[letter_of_end(name)]; i; i = ending_index.next[i - 1])
        if (ends_like(name, credential_endings[i - 1]))
            return true;
    return false;
}

static const struct header_row *row_find(const struct header_row *rows,
                                         const struct name_index *index, struct str name)
{
    need_indexes();
    for (unsigned i = index->first[letter_of_start(name)]; i; i = index->next[i - 1])
        if (name_matches(rows[i - 1].name, name))
            return &rows[i - 1];
    return NULL;
}

/* What the name of a header says. */
struct verdict {
    uint8_t row; /* of header_rows, + 1; 0 = none, and then: */
    bool looks_like_credential;
};

static struct verdict judge(struct str name)
{
    const struct header_row *row = row_find(header_rows, &header_index, name);

    return (struct verdict){ .row = row ? (uint8_t)(row - header_rows + 1) : 0,
                             .looks_like_credential = !row && looks_like_credential(name) };
}

/* Verdicts given lately: nearly all calls have the headers of those before. */
#define MEMOS           256u
#define MEMO_NAME_BYTES 32u
struct name_memo {
    uint64_t name[MEMO_NAME_BYTES / 8]; /* as it was sent, behind it zeros */
    size_t len;                         /* 0 = none */
    struct verdict verdict;
};

static _Thread_local struct name_memo name_memos[MEMOS];

static struct verdict judge_again(struct str name)
{
    uint64_t words[MEMO_NAME_BYTES / 8] = { 0 }, mixed;

    if (!name.len || name.len > MEMO_NAME_BYTES)
        return judge(name);
    memcpy(words, name.ptr, name.len);
    mixed = (words[0] ^ words[1] << 1 ^ words[2] << 2 ^ words[3] << 3) + name.len;
    mixed = (mixed ^ mixed >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    struct name_memo *memo = &name_memos[mixed >> 56 & (MEMOS - 1)];
    if (memo->len != name.len || memcmp(memo->name, words, sizeof(words)) != 0) {
        memcpy(memo->name, words, sizeof(words));
        memo->len = name.len;
        memo->verdict = judge(name);
    }
    return memo->verdict;
}

/* The value after `name=` in an AWS authorization, up to ',' or '/' or blank; empty if absent. */
static struct str aws_field(struct str value, const char *name, const char *ends)
{
    ptrdiff_t at = str_find(value, str_from(name), 0);
    if (at < 0)
        return (struct str){ 0 };
    size_t from = (size_t)at + strlen(name), to = from;
    while (to < value.len && !strchr(ends, value.ptr[to]))
        to++;
    return str_sub(value, from, to - from);
}

/* "/20261122/us-east-1/bedrock/aws4_request", the scope behind an access key id: a date, then
 * names. Anything else behind an id may be part of a secret. */
static bool is_scope(struct str s)
{
    struct str rest = s, part;
    bool ended = false;

    for (int i = 0; str_split(&rest, '/', &part); i++) {
        for (size_t k = 0; k < part.len; k++)
            if (!strchr(i == 1 ? "0123456789" : "abcdefghijklmnopqrstuvwxyz0123456789-_",
                        part.ptr[k]))
                return false;
        if ((i == 0) != (part.len == 0) || (i == 1 && part.len != 8) || ended)
            return false;
        ended = i > 1 && str_ends_with(part, STR("4_request"));
    }
    return ended;
}

/* What follows id in value up to the next ',' or blank. */
static struct str scope_after(struct str value, struct str id)
{
    size_t from = (size_t)(id.ptr - value.ptr) + id.len, to = from;
    while (to < value.len && value.ptr[to] != ',' && value.ptr[to] != ' ')
        to++;
    return str_sub(value, from, to - from);
}

/* AWS SigV4: keeps scheme, date, region and the list of signed headers; the access key id is the
 * caller's credential (the signature proves it and differs from call to call). */
static struct str redact_sigv4(const struct key *k, struct arena *arena, struct str value, int rank,
                               struct redact_caller *caller)
{
    struct str id = aws_field(value, "Credential=", "/, ");
    struct str signature = aws_field(value, "Signature=", ", ");

    if (id.len == 0 || signature.len == 0 || signature.ptr < id.ptr ||
        !is_scope(scope_after(value, id)))
        return fingerprint(k, arena, value, rank, caller);

    struct str parts[] = {
        {value.ptr,        (size_t)(id.ptr - value.ptr)             },
        fingerprint(k, arena, id, rank, caller),
        { id.ptr + id.len, (size_t)(signature.ptr - id.ptr) - id.len},
        fingerprint(k, arena, signature, 0, NULL),
    };
    /* Nothing follows the signature in any known client; what might is left out. */
    return concat(arena, parts, ARRAY_LEN(parts));
}

static struct str redact_authorization(const struct key *k, struct arena *arena, struct str value,
                                       int rank, struct redact_caller *caller)
{
    value = str_trim(value);
    if (str_istarts_with(value, STR("AWS4-")))
        return redact_sigv4(k, arena, value, rank, caller);

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        struct str scheme = str_from(schemes[i]);
        if (value.len > scheme.len && value.ptr[scheme.len] == ' ' &&
            str_istarts_with(value, scheme)) {
            struct str token = str_trim(str_sub(value, scheme.len, value.len));
            struct str parts[] = { str_sub(value, 0, scheme.len + 1),
                                   fingerprint(k, arena, token, rank, caller) };
            return concat(arena, parts, 2);
        }
    }
    return fingerprint(k, arena, value, rank, caller);
}

static struct str redact_subprotocols(const struct key *k, struct arena *arena, struct str value,
                                      int rank, struct redact_caller *caller)
{
    static const char *const marks[] = { "openai-insecure-api-key.", "openai-ephemeral-user-id." };
    struct str rest = value, head, ret = STR("");

    while (str_split(&rest, ',', &head)) {
        struct str part = str_trim(head);
        for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
            struct str mark = str_from(marks[i]);
            if (str_istarts_with(part, mark))
                part = concat(
                    arena,
                    (struct str[]){ mark, fingerprint(k, arena, str_sub(part, mark.len, part.len),
                                                      i == 0 ? rank : 0, caller) },
                    2);
        }
        ret = concat(arena, (struct str[]){ ret, ret.len ? STR(", ") : STR(""), part }, 3);
    }
    return ret;
}

bool redact_keeps_header(struct str name)
{
    struct verdict verdict = judge(name);

    return verdict.row ? header_rows[verdict.row - 1].how == KEEP : !verdict.looks_like_credential;
}

struct str redact_header(const struct key *k, struct arena *arena, struct call_header header,
                         struct redact_caller *caller)
{
    struct verdict verdict = judge_again(header.name);
    if (!verdict.row)
        return verdict.looks_like_credential ? fingerprint(k, arena, header.value, 0, NULL)
                                             : header.value;

    const struct header_row *row = &header_rows[verdict.row - 1];

    int rank = row->caller ? (int)(row - header_rows) + 1 : 0;
    switch (row->how) {
    case KEEP:
        return header.value;
    case WHOLE:
        return fingerprint(k, arena, str_trim(header.value), rank, caller);
    case AUTHORIZATION:
        return redact_authorization(k, arena, header.value, rank, caller);
    case URL:
        return redact_url(k, arena, header.value, row->caller ? caller : NULL);
    case SUBPROTOCOLS:
        return redact_subprotocols(k, arena, header.value, rank, caller);
    }
    assert(false && "a row without a way");
    return (struct str){ 0 };
}

void redact_headers(const struct key *k, struct arena *arena, struct call_header *headers,
                    size_t count, struct redact_caller *caller)
{
    for (size_t i = 0; i < count; i++)
        headers[i].value = redact_header(k, arena, headers[i], caller);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct str percent_decode(struct arena *arena, struct str s)
{
    char *to = arena_alloc(arena, s.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '%' && i + 2 < s.len && hex_value(s.ptr[i + 1]) >= 0 &&
            hex_value(s.ptr[i + 2]) >= 0) {
            to[len++] = (char)(hex_value(s.ptr[i + 1]) << 4 | hex_value(s.ptr[i + 2]));
            i += 2;
        } else {
            to[len++] = s.ptr[i];
        }
    }
    return (struct str){ to, len };
}

/* The value of one query parameter.  The fingerprint is of the decoded value: "?key=" and
 * "x-goog-api-key:" of one key give one key_id. */
static struct str redact_parameter(const struct key *k, struct arena *arena, struct str name,
                                   struct str value, struct redact_caller *caller)
{
    struct str plain = percent_decode(arena, name);
    const struct header_row *row = row_find(query_rows, &query_index, plain);

    if (row ? row->how == KEEP : !looks_like_credential(plain))
        return value;

    int rank = row && row->caller ? RANK_QUERY + (int)(row - query_rows) : 0;
    struct str secret = percent_decode(arena, value);
    if (str_iends_with(plain, STR("-credential"))) {
        ptrdiff_t slash = str_find_char(secret, '/', 0);
        struct str rest = str_sub(secret, slash > 0 ? (size_t)slash : secret.len, secret.len);
        if (is_scope(rest)) { /* "AKIA.../20261122/us-east-1/bedrock/aws4_request" */
            struct str id = fingerprint(k, arena, str_sub(secret, 0, (size_t)slash), rank, caller);
            return concat(arena, (struct str[]){ id, rest }, 2);
        }
    }
    return fingerprint(k, arena, secret, rank, caller);
}

struct str redact_query(const struct key *k, struct arena *arena, struct str query,
                        struct redact_caller *caller)
{
    struct buf out = { 0 };
    size_t at = 0;

    while (at < query.len) {
        size_t end = at;
        while (end < query.len && query.ptr[end] != '&' && query.ptr[end] != ';')
            end++;
        struct str pair = str_sub(query, at, end - at);
        ptrdiff_t eq = str_find_char(pair, '=', 0);
        if (eq >= 0) {
            struct str name = str_sub(pair, 0, (size_t)eq);
            buf_add(&out, pair.ptr, (size_t)eq + 1);
            buf_add_str(&out, redact_parameter(k, arena, name,
                                               str_sub(pair, (size_t)eq + 1, pair.len), caller));
        } else {
            buf_add_str(&out, pair);
        }
        if (end < query.len)
            buf_add_byte(&out, query.ptr[end]);
        at = end + 1;
    }
    struct str ret = arena_str(arena, buf_str(&out));
    buf_release(&out);
    return ret;
}

struct str redact_url(const struct key *k, struct arena *arena, struct str url,
                      struct redact_caller *caller)
{
    ptrdiff_t hash = str_find_char(url, '#', 0);
    if (hash >= 0)
        url = str_sub(url, 0, (size_t)hash);

    ptrdiff_t mark = str_find_char(url, '?', 0);
    struct str base = mark >= 0 ? str_sub(url, 0, (size_t)mark) : url;
    struct str query = mark >= 0 ? str_sub(url, (size_t)mark + 1, url.len) : STR("");

    struct str scheme = STR("");
    ptrdiff_t slashes = str_find(base, STR("//"), 0);
    if (slashes >= 0 && (slashes == 0 || base.ptr[slashes - 1] == ':')) {
        scheme = str_sub(base, 0, (size_t)slashes + 2);
        base = str_sub(base, scheme.len, base.len);
        ptrdiff_t slash = str_find_char(base, '/', 0);
        size_t authority = slash >= 0 ? (size_t)slash : base.len;
        for (size_t i = authority; i > 0; i--) {
            if (base.ptr[i - 1] == '@') {
                fingerprint(k, arena, str_sub(base, 0, i - 1), RANK_USERINFO, caller);
                base = str_sub(base, i, base.len);
                break;
            }
        }
    }
    struct str parts[] = { scheme, base, mark >= 0 ? STR("?") : STR(""),
                           redact_query(k, arena, query, caller) };
    return concat(arena, parts, ARRAY_LEN(parts));
}

bool redact_is_credential_path(struct str path)
{
    for (size_t i = 0; i < ARRAY_LEN(credential_paths); i++)
        if (str_ends_with(path, credential_paths[i]))
            return true;
    return false;
}

struct body_walk {
    const struct key *key;
    struct jscan scan;
    struct arena arena;
    struct buf *out;
    size_t copied; /* bytes of scan.text already in out */
};

/* The answer of /realtime/client_secrets is {"value":"ek_...", ...}. */
static bool is_client_secret(struct str name, struct str raw, int depth)
{
    return str_eq(name, STR("value")) && (depth == 1 || str_starts_with(raw, STR("ek_")));
}

static void walk_string(struct body_walk *w, struct str name, bool secret, int depth)
{
    struct str raw;
    if (!jscan_string_raw(&w->scan, &raw, NULL))
        return;
    if (!secret && !is_client_secret(name, raw, depth))
        return;

    size_t from = (size_t)(raw.ptr - w->scan.text.ptr);
    buf_add(w->out, w->scan.text.ptr + w->copied, from - w->copied);
    buf_add_str(w->out, fingerprint(w->key, &w->arena, raw, 0, NULL));
    w->copied = from + raw.len;
}

static bool is_credential_member(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(credential_members); i++)
        if (str_eq(name, str_from(credential_members[i])))
            return true;
    return false;
}

/* Walks one value; secret = every string in it is a credential. */
static void walk_value(struct body_walk *w, struct str name, bool secret, int depth)
{
    struct str key;

    if (depth > BODY_DEPTH_MAX) {
        w->scan.failed = true;
        return;
    }
    switch (jscan_peek(&w->scan)) {
    case JSCAN_OBJECT:
        jscan_enter_object(&w->scan);
        while (jscan_next_member(&w->scan, &key))
            walk_value(w, key, secret || is_credential_member(key), depth + 1);
        break;
    case JSCAN_ARRAY:
        jscan_enter_array(&w->scan);
        while (jscan_next_element(&w->scan))
            walk_value(w, name, secret, depth + 1);
        break;
    case JSCAN_STRING:
        walk_string(w, name, secret, depth);
        break;
    default:
        jscan_skip(&w->scan);
    }
}

/* "a=b&c=d" with nothing in it that a form could not hold. */
static bool is_form(struct str body)
{
    return body.len && str_find_char(body, '=', 0) > 0 && body.ptr[0] != '{' &&
           body.ptr[0] != '[' && str_find_char(body, '\n', 0) < 0 &&
           str_find_char(body, '"', 0) < 0 && str_find_char(body, ' ', 0) < 0;
}

int redact_body(const struct key *k, struct str body, struct buf *out)
{
    struct body_walk w = { .key = k, .out = out };
    size_t before = out->len;
    bool ok = true;

    if (str_trim(body).len == 0) {
        buf_add_str(out, body);
    } else if (is_form(str_trim(body))) {
        buf_add_str(out, redact_query(k, &w.arena, body, NULL));
    } else {
        jscan_init(&w.scan, body);
        walk_value(&w, STR(""), false, 0);
        ok = !w.scan.failed && jscan_at_end(&w.scan);
        if (ok)
            buf_add(out, body.ptr + w.copied, body.len - w.copied);
        else
            out->len = before;
    }
    arena_release(&w.arena);
    return ok ? 0 : -1;
}

#include "config.h"

#include "capture/import_who.h"

#include <stdio.h>
#include <string.h>

#include "base/jscan.h"
#include "base/json.h"
#include "base/timestamp.h"
#include "capture/body_labels.h"
#include "llm/provider.h"

#define SSE_EVENTS_LOOKED_AT 8
/* Times before 2010 are test data or a zero, not when a language model answered. */
#define CREATED_MIN_US (INT64_C(1262304000) * US_PER_SECOND)

/* A member's value as a time. */
static bool read_created(struct jscan *s, int64_t *ret_us)
{
    struct str text;
    bool got =
        jscan_peek(s) == JSCAN_STRING ? jscan_string_raw(s, &text, NULL) : jscan_number(s, &text);
    return got && timestamp_parse(text, ret_us) && *ret_us >= CREATED_MIN_US;
}

/* {"created":...}, or one level down in "response" (OpenAI Responses events) or "message". */
static bool created_in(struct str json, int64_t *ret_us)
{
    static const char *const names[] = { "created", "created_at", "createTime", "createdAt" };
    struct jscan s;
    struct str key;

    jscan_init(&s, json);
    if (!jscan_enter_object(&s))
        return false;
    while (jscan_next_member(&s, &key)) {
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (str_eq(key, str_from(names[i])) && read_created(&s, ret_us))
                return true;
        if (str_eq(key, STR("response")) && jscan_peek(&s) == JSCAN_OBJECT &&
            created_in(jscan_skip_raw(&s), ret_us))
            return true;
    }
    return false;
}

/* The first events of a stream: "data: {...}" lines, JSON lines, or an array's first element. */
static bool created_in_body(struct str body, int64_t *ret_us)
{
    struct str rest = body, line;
    int looked = 0;

    if (created_in(body, ret_us))
        return true;
    while (looked < SSE_EVENTS_LOOKED_AT && str_split(&rest, '\n', &line)) {
        line = str_trim(line);
        if (str_starts_with(line, STR("data:")))
            line = str_trim(str_sub(line, 5, line.len));
        while (line.len && (line.ptr[0] == '[' || line.ptr[0] == ','))
            line = str_sub(line, 1, line.len);
        if (line.len == 0 || line.ptr[0] != '{')
            continue;
        if (created_in(line, ret_us))
            return true;
        looked++;
    }
    return false;
}

/* "20261122T134026Z", as AWS signs it. */
static bool parse_amz_date(struct str s, int64_t *ret_us)
{
    char text[24];
    if (s.len != 16 || s.ptr[8] != 'T' || s.ptr[15] != 'Z')
        return false;
    snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", s.ptr, s.ptr + 4, s.ptr + 6,
             s.ptr + 9, s.ptr + 11, s.ptr + 13);
    return timestamp_parse(str_from(text), ret_us);
}

bool import_find_time(const struct import_record *rec, int64_t *ret_us)
{
    const struct exchange *x = &rec->x;
    struct str date = call_header_find(x->response_headers, x->response_header_count, "date");
    struct str amz = call_header_find(x->request_headers, x->request_header_count, "x-amz-date");

    if (date.len && timestamp_parse_http(str_trim(date), ret_us))
        return true;
    if (amz.len && parse_amz_date(str_trim(amz), ret_us))
        return true;
    return !x->response_body_encoded && created_in_body(x->response_body, ret_us);
}

static bool has_label(const struct import_record *rec, struct str name)
{
    for (size_t i = 0; i < rec->labels.len; i++)
        if (str_ieq(rec->labels.ptr[i].name, name))
            return true;
    return false;
}

void import_label(struct import *im, struct str name, struct str value)
{
    struct import_record *rec = &im->record;

    if (value.len == 0 || name.len == 0 || name.len > IMPORT_LABEL_BYTES_MAX ||
        rec->labels.len == IMPORT_LABELS_MAX || has_label(rec, name))
        return;
    size_t len = value.len < IMPORT_LABEL_BYTES_MAX ? value.len : IMPORT_LABEL_BYTES_MAX;
    while (len < value.len && len > 0 && ((unsigned char)value.ptr[len] & 0xc0) == 0x80)
        len--; /* not inside a UTF-8 sequence */
    vec_push(&rec->labels, (struct import_label){ arena_str(&im->arena, name),
                                                  arena_str(&im->arena, str_sub(value, 0, len)) });
}

static void add_label(void *ctx, struct str name, struct str value)
{
    import_label(ctx, name, value);
}

static void label_body(struct import *im)
{
    if (!im->record.x.request_body_encoded)
        body_labels(im->record.x.request_body, add_label, im);
}

/* Headers that say who, and the name they go by in labels. */
static const struct {
    const char *header, *label;
} label_headers[] = {
    {"x-weir-app",           "x-weir-app"         },
    { "openai-organization", "openai_organization"},
    { "openai-project",      "openai_project"     },
};

static struct str find_header(const struct exchange *x, const char *name)
{
    struct str s = call_header_find(x->request_headers, x->request_header_count, name);
    if (!s.len)
        s = call_header_find(x->response_headers, x->response_header_count, name);
    return s;
}

static void label_heads(struct import *im)
{
    const struct attribution *a = im->options.attribution;
    const struct exchange *x = &im->record.x;

    for (size_t i = 0; i < ARRAY_LEN(label_headers); i++)
        import_label(im, str_from(label_headers[i].label), find_header(x, label_headers[i].header));

    CLEANUP(buf_release) struct buf name = { 0 };
    for (size_t i = 0; a && i < attribution_header_count(a); i++) {
        struct str header = attribution_header(a, i); /* NUL-terminated: an arena's */
        buf_clear(&name);
        buf_addf(&name, "header.%.*s", STR_ARG(header));
        import_label(im, buf_str(&name),
                     call_header_find(x->request_headers, x->request_header_count, header.ptr));
    }
}

static void write_labels(struct import *im)
{
    struct import_record *rec = &im->record;
    CLEANUP(buf_release) struct buf json = { 0 };

    if (rec->labels.len == 0)
        return;
    buf_add_byte(&json, '{');
    for (size_t i = 0; i < rec->labels.len; i++) {
        if (i)
            buf_add_byte(&json, ',');
        json_add_string(&json, rec->labels.ptr[i].name);
        buf_add_byte(&json, ':');
        json_add_string(&json, rec->labels.ptr[i].value);
    }
    buf_add_byte(&json, '}');
    rec->x.labels = arena_str(&im->arena, buf_str(&json));
}

static struct str user_fingerprint(struct import *im, struct str user)
{
    char hex[FINGERPRINT_TEXT_BYTES];
    if (user.len == 0)
        return (struct str){ 0 };
    key_fingerprint(im->key, "user", user, hex);
    return arena_str(&im->arena, str_from(hex));
}

void import_attribute(struct import *im)
{
    const struct attribution *a = im->options.attribution;
    struct import_record *rec = &im->record;
    struct exchange *x = &rec->x;
    bool is_row = str_eq(rec->kind, STR("rows"));

    label_heads(im);
    label_body(im);
    write_labels(im);
    if (!x->who.app.len)
        x->who.app = call_header_find(x->request_headers, x->request_header_count, "x-weir-app");
    if (!x->who.end_user.len)
        x->who.end_user = user_fingerprint(im, rec->end_user);
    if (!a)
        return;

    struct call_facts read = { 0 };
    const struct call_facts *facts = &x->facts;
    if (!is_row && attribution_needs_call(a)) {
        struct call call = exchange_call(x);
        call_read(&call, &im->arena, &read);
        facts = &read;
    }
    struct attribution_input in = {
        .host = x->host,
        .path = x->path,
        .key_id = x->key_id,
        .user_agent = x->user_agent,
        .client_address = x->client_address,
        .upstream = x->upstream,
        .provider = facts->provider ? str_from(provider_name(facts->provider)) : STR(""),
        .model = facts->model.len ? facts->model : facts->model_requested,
        .end_user = x->who.end_user.len ? x->who.end_user : user_fingerprint(im, facts->end_user),
        .labels = x->labels,
        .given = x->who,
    };
    attribution_apply(a, &in, &x->who);
}

void import_settle_user(struct import *im)
{
    struct exchange *x = &im->record.x;
    struct str user = x->facts.end_user;

    if (!str_eq(im->record.kind, STR("rows")) && !x->request_body_encoded) {
        struct call_facts read = { 0 };
        struct call call = exchange_call(x);
        call_read(&call, &im->arena, &read);
        user = read.end_user;
    }
    if (!x->who.end_user.len)
        x->who.end_user = user_fingerprint(im, user);
    x->facts.end_user = (struct str){ 0 };
}

#include "config.h"

#include "capture/exchange.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "capture/exchange_fields.h"

#define AT(member) offsetof(struct exchange, member)

/* clang-format off */
const struct exchange_field exchange_fields[] = {
    { "content_id",      NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(content_id) },
    { "requests",        NULL,             FIELD_COUNT, PLACE_TOP,      FRAME_BEGIN, AT(requests) },
    { "trace_id",        NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(trace_id) },
    { "origin",          NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(origin) },
    { "app",             NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(who.app) },
    { "team",            NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(who.team) },
    { "business_unit",   NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(who.business_unit) },
    { "environment",     NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(who.environment) },
    { "end_user",        NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(who.end_user) },
    { "purpose",         NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(who.purpose) },
    { "key_id",          NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(key_id) },
    { "client_address",  NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(client_address) },
    { "user_agent",      NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(user_agent) },
    { "upstream",        NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(upstream) },
    { "arm",             NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(arm) },
    { "cutover_epoch",   NULL,             FIELD_COUNT, PLACE_TOP,      FRAME_BEGIN, AT(cutover_epoch) },
    { "cutover_share",   NULL,             FIELD_SMALL, PLACE_TOP,      FRAME_BEGIN, AT(cutover_share) },
    { "cutover_unit",    NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(cutover_unit) },
    { "labels",          NULL,             FIELD_TEXT,  PLACE_TOP,      FRAME_BEGIN, AT(labels) },
    { "request_us",      NULL,             FIELD_TIME,  PLACE_TOP,      FRAME_END,   AT(request_us) },
    { "head_us",         NULL,             FIELD_TIME,  PLACE_TOP,      FRAME_END,   AT(head_us) },
    { "first_token_us",  NULL,             FIELD_TIME,  PLACE_TOP,      FRAME_END,   AT(first_token_us) },
    { "end_us",          NULL,             FIELD_TIME,  PLACE_TOP,      FRAME_END,   AT(end_us) },
    { "method",          NULL,             FIELD_TEXT,  PLACE_REQUEST,  FRAME_NONE,  AT(method) },
    { "scheme",          NULL,             FIELD_TEXT,  PLACE_REQUEST,  FRAME_BEGIN, AT(scheme) },
    { "host",            NULL,             FIELD_TEXT,  PLACE_REQUEST,  FRAME_BEGIN, AT(host) },
    { "path",            NULL,             FIELD_TEXT,  PLACE_REQUEST,  FRAME_NONE,  AT(path) },
    { "query",           NULL,             FIELD_TEXT,  PLACE_REQUEST,  FRAME_NONE,  AT(query) },
    { "bytes",           "request_bytes",  FIELD_COUNT, PLACE_REQUEST,  FRAME_END,   AT(request_bytes) },
    { "body_bytes",      NULL,             FIELD_COUNT, PLACE_REQUEST,  FRAME_NONE,  AT(request_stored_bytes) },
    { "body_missing",    "request_missing", FIELD_FLAG, PLACE_REQUEST,  FRAME_END,   AT(request_body_missing) },
    { "body_encoded",    "request_encoded", FIELD_FLAG, PLACE_REQUEST,  FRAME_NONE,  AT(request_body_encoded) },
    { "truncated",       NULL,             FIELD_FLAG,  PLACE_RESPONSE, FRAME_END,   AT(truncated) },
    { "bytes",           "response_bytes", FIELD_COUNT, PLACE_RESPONSE, FRAME_END,   AT(response_bytes) },
    { "body_bytes",      NULL,             FIELD_COUNT, PLACE_RESPONSE, FRAME_NONE,  AT(response_stored_bytes) },
    { "body_missing",    "response_missing", FIELD_FLAG, PLACE_RESPONSE, FRAME_END,  AT(response_body_missing) },
    { "body_encoded",    "response_encoded", FIELD_FLAG, PLACE_RESPONSE, FRAME_NONE, AT(response_body_encoded) },
};
/* clang-format on */
const size_t exchange_field_count = ARRAY_LEN(exchange_fields);

static const void *member(const struct exchange *x, const struct exchange_field *f)
{
    return (const char *)x + f->offset;
}

static void add_field(struct buf *out, const struct exchange *x, const struct exchange_field *f)
{
    const void *at = member(x, f);

    switch (f->kind) {
    case FIELD_TEXT:
        if (((const struct str *)at)->len)
            json_add_str(out, f->json, *(const struct str *)at);
        break;
    case FIELD_TIME:
        if (*(const int64_t *)at >= 0)
            json_add_int(out, f->json, *(const int64_t *)at);
        break;
    case FIELD_COUNT:
        if (*(const uint64_t *)at)
            json_add_int(out, f->json, (int64_t) * (const uint64_t *)at);
        break;
    case FIELD_SMALL:
        if (*(const int32_t *)at)
            json_add_int(out, f->json, *(const int32_t *)at);
        break;
    case FIELD_FLAG:
        if (*(const bool *)at)
            json_add_bool(out, f->json, true);
        break;
    }
}

static void add_fields(struct buf *out, const struct exchange *x, enum field_place place)
{
    for (size_t i = 0; i < exchange_field_count; i++)
        if (exchange_fields[i].place == place)
            add_field(out, x, &exchange_fields[i]);
}

/* "headers":[["name","value"],...]: an object would lose order and repeated names. */
static void add_headers(struct buf *out, const struct call_header *headers, size_t count)
{
    if (!count)
        return;
    json_add_key(out, "headers");
    buf_add_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        buf_add_text(out, i ? ",[" : "[");
        json_add_string(out, headers[i].name);
        buf_add_byte(out, ',');
        json_add_string(out, headers[i].value);
        buf_add_byte(out, ']');
    }
    buf_add_byte(out, ']');
}

void exchange_to_json(const struct exchange *x, struct buf *out)
{
    char id[UUID_TEXT_BYTES], at[TIMESTAMP_TEXT_BYTES];
    struct exchange stored = *x;

    if (x->request_body.ptr)
        stored.request_stored_bytes = x->request_body.len;
    if (x->response_body.ptr)
        stored.response_stored_bytes = x->response_body.len;
    buf_add_byte(out, '{');
    json_add_str(out, "id", str_from(uuid_format(x->id, id)));
    json_add_str(out, "writer", x->writer);
    json_add_int(out, "sequence", (int64_t)x->sequence);
    json_add_str(out, "started_at", str_from(timestamp_format(x->started_us, at)));
    add_fields(out, x, PLACE_TOP);
    json_add_key(out, "request");
    buf_add_byte(out, '{');
    add_fields(out, &stored, PLACE_REQUEST);
    add_headers(out, x->request_headers, x->request_header_count);
    buf_add_text(out, "}");
    json_add_key(out, "response");
    buf_add_byte(out, '{');
    if (x->status)
        json_add_int(out, "status", x->status);
    add_fields(out, &stored, PLACE_RESPONSE);
    if (x->transport_error != ERROR_CLASS_NONE)
        json_add_str(out, "transport_error", str_from(error_class_name(x->transport_error)));
    add_headers(out, x->response_headers, x->response_header_count);
    buf_add_text(out, "}");
    if (x->body_note)
        json_add_str(out, "body_note", str_from(x->body_note));
    exchange_add_steps(x, out);
    json_add_key(out, FIELD_FACTS);
    exchange_facts_to_json(&x->facts, out);
    buf_add_byte(out, '}');
}

int exchange_json_text(const json_t *obj, const char *name, struct arena *arena, struct str *ret,
                       struct err *err)
{
    const json_t *value = json_get(obj, name);

    *ret = (struct str){ 0 };
    if (!value)
        return 0;
    if (!json_is_string(value))
        return err_set(err, ERR_CORRUPT, "'%s' is not a string", name);
    *ret = arena_str(arena, json_get_str(obj, name));
    return 0;
}

int exchange_json_int(const json_t *obj, const char *name, int64_t *ret, struct err *err)
{
    const json_t *value = json_get(obj, name);

    if (!value)
        return 0;
    if (!json_is_integer(value))
        return err_set(err, ERR_CORRUPT, "'%s' is not an integer", name);
    *ret = json_integer_value(value);
    return 0;
}

int exchange_json_bool(const json_t *obj, const char *name, bool *ret, struct err *err)
{
    const json_t *value = json_get(obj, name);

    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return err_set(err, ERR_CORRUPT, "'%s' is neither true nor false", name);
    *ret = json_is_true(value);
    return 0;
}

bool exchange_error_class_parse(struct str name, enum error_class *ret)
{
    for (int i = 0; i < ERROR_CLASS_COUNT; i++)
        if (str_eq(name, str_from(error_class_name((enum error_class)i)))) {
            *ret = (enum error_class)i;
            return true;
        }
    return false;
}

static int read_number(const json_t *obj, const struct exchange_field *f, void *to, struct err *err)
{
    int64_t n = f->kind == FIELD_TIME ? -1 : 0;

    if (exchange_json_int(obj, f->json, &n, err) < 0)
        return -1;
    if (n < (f->kind == FIELD_TIME ? -1 : 0))
        return err_set(err, ERR_CORRUPT, "'%s' is negative", f->json);
    if (f->kind == FIELD_SMALL && n > INT32_MAX)
        return err_set(err, ERR_CORRUPT, "'%s' is above %d", f->json, INT32_MAX);
    if (f->kind == FIELD_TIME)
        *(int64_t *)to = n;
    else if (f->kind == FIELD_SMALL)
        *(int32_t *)to = (int32_t)n;
    else
        *(uint64_t *)to = (uint64_t)n;
    return 0;
}

static int read_fields(const json_t *obj, enum field_place place, struct arena *arena,
                       struct exchange *x, struct err *err)
{
    for (size_t i = 0; i < exchange_field_count; i++) {
        const struct exchange_field *f = &exchange_fields[i];
        void *to = (char *)x + f->offset;
        int r;
        if (f->place != place)
            continue;
        if (f->kind == FIELD_TEXT)
            r = exchange_json_text(obj, f->json, arena, to, err);
        else if (f->kind == FIELD_FLAG)
            r = exchange_json_bool(obj, f->json, to, err);
        else
            r = read_number(obj, f, to, err);
        if (r < 0)
            return -1;
    }
    return 0;
}

static int read_header(const json_t *pair, struct arena *arena, struct call_header *ret)
{
    const json_t *name = json_array_get(pair, 0), *value = json_array_get(pair, 1);

    if (json_array_size(pair) != 2 || !json_is_string(name) || !json_is_string(value))
        return -1;
    ret->name = arena_str(arena, (struct str){ json_string_value(name), json_string_length(name) });
    ret->value =
        arena_str(arena, (struct str){ json_string_value(value), json_string_length(value) });
    return 0;
}

static int read_headers(const json_t *obj, struct arena *arena, struct call_header **ret,
                        size_t *ret_count, struct err *err)
{
    const json_t *list = json_get(obj, "headers");
    size_t count = json_array_size(list);

    if (list && !json_is_array(list))
        return err_set(err, ERR_CORRUPT, "'headers' is not an array");
    if (count > EXCHANGE_HEADERS_MAX)
        return err_set(err, ERR_LIMIT, "'headers' has %zu entries, more than %d", count,
                       EXCHANGE_HEADERS_MAX);
    struct call_header *headers = arena_alloc(arena, count * sizeof(*headers) + 1);
    for (size_t i = 0; i < count; i++)
        if (read_header(json_array_get(list, i), arena, &headers[i]) < 0)
            return err_set(err, ERR_CORRUPT, "'headers' entry %zu is not [name, value]", i);
    *ret = headers;
    *ret_count = count;
    return 0;
}

static int read_request(const json_t *obj, struct arena *arena, struct exchange *x, struct err *err)
{
    if (!json_is_object(obj))
        return err_set(err, ERR_CORRUPT, "is not an object");
    if (read_fields(obj, PLACE_REQUEST, arena, x, err) < 0)
        return -1;
    return read_headers(obj, arena, &x->request_headers, &x->request_header_count, err);
}

static int read_response(const json_t *obj, struct arena *arena, struct exchange *x,
                         struct err *err)
{
    int64_t status = 0;
    struct str transport_error;

    if (!json_is_object(obj))
        return err_set(err, ERR_CORRUPT, "is not an object");
    if (exchange_json_int(obj, "status", &status, err) < 0 ||
        read_fields(obj, PLACE_RESPONSE, arena, x, err) < 0 ||
        exchange_json_text(obj, "transport_error", arena, &transport_error, err) < 0)
        return -1;
    if (status < 0 || status > 999)
        return err_set(err, ERR_CORRUPT, "'status' is not a status code");
    x->status = (int)status;
    if (transport_error.len && !exchange_error_class_parse(transport_error, &x->transport_error))
        return err_set(err, ERR_CORRUPT, "'transport_error' is not a known class");
    return read_headers(obj, arena, &x->response_headers, &x->response_header_count, err);
}

static int read_identity(const json_t *obj, struct arena *arena, struct exchange *x,
                         struct err *err)
{
    struct str id, at, note;
    int64_t sequence = 0;

    if (exchange_json_text(obj, "id", arena, &id, err) < 0 ||
        exchange_json_text(obj, "writer", arena, &x->writer, err) < 0 ||
        exchange_json_int(obj, "sequence", &sequence, err) < 0 ||
        exchange_json_text(obj, "started_at", arena, &at, err) < 0 ||
        exchange_json_text(obj, "body_note", arena, &note, err) < 0)
        return -1;
    if (!uuid_parse(id, &x->id))
        return err_set(err, ERR_CORRUPT, "'id' is not a UUID");
    if (sequence < 1)
        return err_set(err, ERR_CORRUPT, "'sequence' is missing or below 1");
    if (!timestamp_parse(at, &x->started_us))
        return err_set(err, ERR_CORRUPT, "'started_at' is not a time");
    x->sequence = (uint64_t)sequence;
    x->body_note = note.ptr; /* arena_str ends with a NUL */
    return 0;
}

int exchange_from_json(struct str line, struct arena *arena, struct exchange *ret, struct err *err)
{
    CLEANUP(json_decref) json_t *doc = NULL;
    struct exchange x = { 0 };

    if (json_parse(line, &doc, err) < 0)
        return -1;
    if (!json_is_object(doc))
        return err_set(err, ERR_CORRUPT, "the line is not an object");
    if (read_identity(doc, arena, &x, err) < 0 || read_fields(doc, PLACE_TOP, arena, &x, err) < 0)
        return -1;
    if (read_request(json_get(doc, "request"), arena, &x, err) < 0)
        return err_wrap(err, "member 'request'");
    if (read_response(json_get(doc, "response"), arena, &x, err) < 0)
        return err_wrap(err, "member 'response'");
    if (exchange_attempts_from_json(json_get(doc, FIELD_ATTEMPTS), arena, &x, err) < 0 ||
        exchange_decisions_from_json(json_get(doc, FIELD_DECISIONS), arena, &x, err) < 0)
        return -1;
    if (exchange_facts_from_json(json_get(doc, FIELD_FACTS), arena, &x.facts, err) < 0)
        return err_wrap(err, "member 'facts'");
    *ret = x;
    return 0;
}

/* Whether the answer had begun when what was seen on the wire ended it. */
static bool broke_off(const struct exchange *x)
{
    static const enum error_class classes[] = { ERROR_CLASS_TRANSPORT,
                                                ERROR_CLASS_TIMEOUT_FIRST_TOKEN,
                                                ERROR_CLASS_STREAM_CUT, ERROR_CLASS_STREAM_STALL,
                                                ERROR_CLASS_CLIENT_GONE };

    for (size_t i = 0; x->status && i < ARRAY_LEN(classes); i++)
        if (x->transport_error == classes[i])
            return true;
    return false;
}

/* An answer that is a proxy's own has its word for it in a header; what is recorded of the wire
 * beside it is what it was given for. */
static bool is_own_answer(const struct exchange *x)
{
    return call_header_find(x->response_headers, x->response_header_count, "x-weir-error").len > 0;
}

/* To the answer, a stream that its reader left looks like one that its provider cut. */
static bool knows_why(enum error_class wire)
{
    return wire == ERROR_CLASS_CLIENT_GONE || wire == ERROR_CLASS_TIMEOUT_HEAD ||
           wire == ERROR_CLASS_TIMEOUT_FIRST_TOKEN || wire == ERROR_CLASS_STREAM_STALL;
}

enum error_class exchange_error(const struct exchange *x)
{
    enum error_class wire = x->transport_error, said = x->facts.error_class;
    bool is_just_incomplete = said == ERROR_CLASS_TRANSPORT || said == ERROR_CLASS_STREAM_CUT;

    if (wire == ERROR_CLASS_NONE)
        return said;
    if (said == ERROR_CLASS_NONE || wire == ERROR_CLASS_DENIED || is_own_answer(x))
        return wire;
    return is_just_incomplete && knows_why(wire) ? wire : said;
}

struct call exchange_call(const struct exchange *x)
{
    return (struct call){
        .method = x->method,
        .host = x->host,
        .path = x->path,
        .query = x->query,
        .request_headers = x->request_headers,
        .request_header_count = x->request_header_count,
        .request_body = x->request_body,
        .request_body_missing = x->request_body_missing,
        .status = x->status,
        .response_headers = x->response_headers,
        .response_header_count = x->response_header_count,
        .response_body = x->response_body,
        .response_body_missing = x->response_body_missing,
        .response_cut = x->truncated || broke_off(x),
    };
}

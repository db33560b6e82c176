/* The members that weir itself adds to what it exports, read back: weir-exchanges(5). */
#include "config.h"

#include <string.h>

#include "base/digest.h"
#include "base/jscan.h"
#include "base/timestamp.h"
#include "capture/exchange_fields.h"
#include "capture/import_record.h"

bool import_json_string(struct import *im, struct str value, struct str *ret)
{
    struct jscan s;
    struct str raw;
    bool escaped;

    jscan_init(&s, value);
    if (!jscan_string_raw(&s, &raw, &escaped))
        return false;
    if (!escaped) {
        *ret = raw;
        return true;
    }
    CLEANUP(buf_release) struct buf plain = { 0 };
    jscan_unescape(raw, &plain);
    *ret = arena_str(&im->arena, buf_str(&plain));
    return true;
}

static int expected(struct str name, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "'%.*s' is not %s", STR_ARG(name), what);
}

static int set_started(struct import *im, struct str name, struct str value, struct err *err)
{
    struct str text = value;

    import_json_string(im, value, &text);
    if (!timestamp_parse(text, &im->record.x.started_us))
        return expected(name, "a time such as 2026-10-01T12:00:00.5Z", err);
    im->record.has_time = true;
    return 1;
}

static int set_id(struct import *im, struct str name, struct str value, struct err *err)
{
    struct str text;

    if (!import_json_string(im, value, &text) || !uuid_parse(text, &im->record.x.id))
        return expected(name, "a UUID", err);
    im->record.has_id = true;
    return 1;
}

static int set_content_id(struct import *im, struct str name, struct str value, struct err *err)
{
    if (!import_json_string(im, value, &im->record.content_id))
        return expected(name, "a string", err);
    return 1;
}

static int set_end_user(struct import *im, struct str name, struct str value, struct err *err)
{
    if (!import_json_string(im, value, &im->record.end_user))
        return expected(name, "a string", err);
    return 1;
}

static bool is_fingerprint(struct str s)
{
    return s.len == FINGERPRINT_TEXT_BYTES - 1 && hex_decode(s, (uint8_t[8]){ 0 }, 8) == 0;
}

static int set_end_user_fingerprint(struct import *im, struct str name, struct str value,
                                    struct err *err)
{
    struct str text;
    if (!import_json_string(im, value, &text) || !is_fingerprint(text))
        return expected(name, "16 hexadecimal digits", err);
    im->record.x.who.end_user = text;
    return 1;
}

static int set_key_id(struct import *im, struct str name, struct str value, struct err *err)
{
    struct str text;
    if (!import_json_string(im, value, &text) || !is_fingerprint(text))
        return expected(name, "16 hexadecimal digits: a credential goes into a header", err);
    im->record.x.key_id = text;
    return 1;
}

static int set_requests(struct import *im, struct str name, struct str value, struct err *err)
{
    struct jscan s;
    jscan_init(&s, value);
    if (!jscan_int(&s, &im->record.x.requests) || im->record.x.requests < 1)
        return expected(name, "a count of at least 1", err);
    return 1;
}

/* {"name": "value", ...}; members that are no strings are passed over. */
static int set_labels(struct import *im, struct str name, struct str value, struct err *err)
{
    struct jscan s;
    struct str key, text;

    jscan_init(&s, value);
    if (!jscan_enter_object(&s))
        return expected(name, "an object", err);
    while (jscan_next_member(&s, &key))
        if (import_json_string(im, jscan_skip_raw(&s), &text)) {
            CLEANUP(buf_release) struct buf plain = { 0 };
            jscan_unescape(key, &plain);
            import_label(im, buf_str(&plain), text);
        }
    return 1;
}

/* [[offset in µs, bytes], ...] */
static int set_chunks(struct import *im, struct str name, struct str value, struct err *err)
{
    struct jscan s;

    jscan_init(&s, value);
    if (!jscan_enter_array(&s))
        return expected(name, "an array", err);
    while (jscan_next_element(&s)) {
        int64_t at = -1, bytes = -1;
        bool pair = jscan_enter_array(&s) && jscan_next_element(&s) && jscan_int(&s, &at) &&
                    jscan_next_element(&s) && jscan_int(&s, &bytes) && !jscan_next_element(&s);
        if (!pair || at < 0 || bytes < 0)
            return expected(name, "a list of [offset_us, bytes] pairs", err);
        vec_push(&im->record.chunks, (struct exchange_chunk){ (uint64_t)at, (uint64_t)bytes });
    }
    return s.failed ? expected(name, "a list of [offset_us, bytes] pairs", err) : 1;
}

static int set_attempts(struct import *im, struct str name, struct str value, struct err *err)
{
    CLEANUP(json_decref) json_t *list = NULL;

    if (json_parse(value, &list, err) < 0)
        return err_wrap(err, "'%.*s'", STR_ARG(name));
    return exchange_attempts_from_json(list, &im->arena, &im->record.x, err) < 0 ? -1 : 1;
}

static int set_decisions(struct import *im, struct str name, struct str value, struct err *err)
{
    CLEANUP(json_decref) json_t *list = NULL;

    if (json_parse(value, &list, err) < 0)
        return err_wrap(err, "'%.*s'", STR_ARG(name));
    return exchange_decisions_from_json(list, &im->arena, &im->record.x, err) < 0 ? -1 : 1;
}

static int set_transport_error(struct import *im, struct str name, struct str value,
                               struct err *err)
{
    struct str text;
    if (!import_json_string(im, value, &text) ||
        !exchange_error_class_parse(text, &im->record.x.transport_error))
        return expected(name, "an error class", err);
    return 1;
}

static int set_body_note(struct import *im, struct str name, struct str value, struct err *err)
{
    struct str text;
    if (!import_json_string(im, value, &text))
        return expected(name, "a string", err);
    im->record.x.body_note = arena_str(&im->arena, text).ptr;
    return 1;
}

static int set_true(struct str name, struct str value, bool *ret, struct err *err)
{
    struct jscan s;
    jscan_init(&s, value);
    return jscan_bool(&s, ret) ? 1 : expected(name, "true or false", err);
}

static int set_request_encoded(struct import *im, struct str name, struct str value,
                               struct err *err)
{
    return set_true(name, value, &im->record.x.request_body_encoded, err);
}

static int set_response_encoded(struct import *im, struct str name, struct str value,
                                struct err *err)
{
    return set_true(name, value, &im->record.x.response_body_encoded, err);
}

/* How it was first imported stays; live traffic becomes an import here.  Rows say so by facts. */
static int set_origin(struct import *im, struct str name, struct str value, struct err *err)
{
    struct str text;
    if (!import_json_string(im, value, &text))
        return expected(name, "a string", err);
    if (str_eq(text, STR("import:har")) || str_eq(text, STR("import:jsonl")))
        im->record.x.origin = text;
    return 1;
}

static const struct {
    const char *name;
    int (*set)(struct import *im, struct str name, struct str value, struct err *err);
} setters[] = {
    {"id",                    set_id                  },
    { "started_at",           set_started             },
    { "content_id",           set_content_id          },
    { "end_user",             set_end_user            },
    { "end_user_fingerprint", set_end_user_fingerprint},
    { "key_id",               set_key_id              },
    { "requests",             set_requests            },
    { "labels",               set_labels              },
    { "chunks",               set_chunks              },
    { FIELD_ATTEMPTS,         set_attempts            },
    { FIELD_DECISIONS,        set_decisions           },
    { "transport_error",      set_transport_error     },
    { "body_note",            set_body_note           },
    { "request_encoded",      set_request_encoded     },
    { "response_encoded",     set_response_encoded    },
    { "origin",               set_origin              },
};

/* A member that maps straight onto struct exchange. */
static int set_field(struct import *im, const struct exchange_field *f, struct str name,
                     struct str value, struct err *err)
{
    void *at = (char *)&im->record.x + f->offset;
    struct jscan s;
    int64_t n;

    jscan_init(&s, value);
    switch (f->kind) {
    case FIELD_TEXT:
        return import_json_string(im, value, at) ? 1 : expected(name, "a string", err);
    case FIELD_FLAG:
        return set_true(name, value, at, err);
    case FIELD_TIME:
    case FIELD_COUNT:
    case FIELD_SMALL:
        if (!jscan_int(&s, &n) || n < 0 || (f->kind == FIELD_SMALL && n > INT32_MAX))
            return expected(name, "a whole number", err);
        if (f->kind == FIELD_TIME)
            *(int64_t *)at = n;
        else if (f->kind == FIELD_SMALL)
            *(int32_t *)at = (int32_t)n;
        else
            *(uint64_t *)at = (uint64_t)n;
        return 1;
    }
    return 0;
}

int import_set_extra(struct import *im, struct str name, struct str value, struct err *err)
{
    if (str_eq(value, STR("null")))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(setters); i++)
        if (str_eq(name, str_from(setters[i].name)))
            return setters[i].set(im, name, value, err);
    for (size_t i = 0; i < exchange_field_count; i++) {
        const struct exchange_field *f = &exchange_fields[i];
        if (f->where != FRAME_NONE && str_eq(name, str_from(exchange_field_frame_name(f))))
            return set_field(im, f, name, value, err);
    }
    return 0;
}

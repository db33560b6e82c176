/* Recorded exchanges, one JSON object a line: weir-exchanges(5). */
#include "config.h"

#include <string.h>

#include "base/base64.h"
#include "base/jscan.h"
#include "capture/exchange_fields.h"
#include "capture/import_record.h"

/* Where a body is given, and what is said about it. */
struct body_member {
    const char *text, *base64, *dropped;
    bool response;
};

static const struct body_member bodies[] = {
    {"req_body",   "req_body_b64",  "req_body_dropped",  false},
    { "resp_body", "resp_body_b64", "resp_body_dropped", true },
};

static int not_a(struct str name, const char *what, struct err *err)
{
    return err_set(err, ERR_CORRUPT, "'%.*s' is not %s", STR_ARG(name), what);
}

static int add_header(struct import *im, bool response, struct str name, struct str value,
                      struct err *err)
{
    struct call_header h = { name, { 0 } };

    if (!import_json_string(im, value, &h.value)) {
        if (str_eq(value, STR("null")) || value.len == 0 || value.ptr[0] == '{' ||
            value.ptr[0] == '[')
            return not_a(name, "a header value", err);
        h.value = value; /* a number or a truth value, as some recorders leave it */
    }
    if (name.len == 0 || name.ptr[0] == ':') /* HTTP/2 writes method, path, ... so */
        return 0;
    if (response)
        vec_push(&im->record.response_headers, h);
    else
        vec_push(&im->record.request_headers, h);
    return 0;
}

/* {"name": "value" | ["value", ...], ...}, or [["name", "value"], ...]. */
static int read_headers(struct import *im, bool response, struct str name, struct str value,
                        struct err *err)
{
    struct jscan s;
    struct str key;

    jscan_init(&s, value);
    if (jscan_enter_object(&s)) {
        while (jscan_next_member(&s, &key)) {
            CLEANUP(buf_release) struct buf plain = { 0 };
            jscan_unescape(key, &plain);
            struct str header = arena_str(&im->arena, buf_str(&plain));
            if (!jscan_enter_array(&s)) {
                if (add_header(im, response, header, jscan_skip_raw(&s), err) < 0)
                    return -1;
                continue;
            }
            while (jscan_next_element(&s))
                if (add_header(im, response, header, jscan_skip_raw(&s), err) < 0)
                    return -1;
        }
    } else if (jscan_enter_array(&s)) {
        while (jscan_next_element(&s)) {
            struct str header;
            if (!jscan_enter_array(&s) || !jscan_next_element(&s) ||
                !import_json_string(im, jscan_skip_raw(&s), &header) || !jscan_next_element(&s) ||
                add_header(im, response, header, jscan_skip_raw(&s), err) < 0 ||
                jscan_next_element(&s))
                return not_a(name, "a list of [name, value] pairs", err);
        }
    } else if (!str_eq(value, STR("null"))) {
        return not_a(name, "an object of headers", err);
    }
    return s.failed ? not_a(name, "an object of headers", err) : 0;
}

/* What is known of the two bodies so far. */
struct body_state {
    bool given[2];
    bool dropped[2];
};

static int read_body(struct import *im, size_t which, bool base64, struct str name,
                     struct str value, struct err *err)
{
    struct exchange *x = &im->record.x;
    struct str text;

    if (!import_json_string(im, value, &text))
        return not_a(name, "a string", err);
    if (base64) {
        CLEANUP(buf_release) struct buf bytes = { 0 };
        if (base64_decode(&bytes, text, err) < 0)
            return err_wrap(err, "'%.*s'", STR_ARG(name));
        text = arena_str(&im->arena, buf_str(&bytes));
    }
    *(bodies[which].response ? &x->response_body : &x->request_body) = text;
    return 0;
}

/* 1 = one of the bodies' members. */
static int read_body_member(struct import *im, struct body_state *state, struct str name,
                            struct str value, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        bool base64 = str_eq(name, str_from(bodies[i].base64));
        if (base64 || str_eq(name, str_from(bodies[i].text))) {
            if (str_eq(value, STR("null")))
                return 1;
            state->given[i] = true;
            return read_body(im, i, base64, name, value, err) < 0 ? -1 : 1;
        }
        if (str_eq(name, str_from(bodies[i].dropped))) {
            state->dropped[i] = str_eq(value, STR("true"));
            return 1;
        }
    }
    return 0;
}

static int read_status(struct import *im, struct str value, struct err *err)
{
    struct jscan s;
    int64_t status = 0;

    jscan_init(&s, value);
    if (!str_eq(value, STR("null")) && (!jscan_int(&s, &status) || status < 0 || status > 999))
        return err_set(err, ERR_CORRUPT, "'status' is not an HTTP status");
    im->record.x.status = (int)status;
    return 0;
}

/* Recorders name the file and the place an exchange came from: kept as labels. */
static bool is_provenance(struct str name)
{
    return str_eq(name, STR("repo")) || str_eq(name, STR("file")) || str_eq(name, STR("n"));
}

static int read_facts(struct import *im, struct str value, struct err *err)
{
    CLEANUP(json_decref) json_t *facts = NULL;
    struct exchange *x = &im->record.x;

    if (json_parse(value, &facts, err) < 0 ||
        exchange_facts_from_json(facts, &im->arena, &x->facts, err) < 0)
        return err_wrap(err, "'facts'");
    x->facts.end_user = (struct str){ 0 }; /* a fingerprint already: end_user_fingerprint has it */
    im->record.kind = STR("rows");
    x->origin = STR(ORIGIN_ROWS);
    return 0;
}

static int read_member(struct import *im, struct body_state *state, struct str name,
                       struct str value, struct err *err)
{
    struct import_record *rec = &im->record;

    if (str_eq(name, STR("method")) || str_eq(name, STR("url"))) {
        struct str *to = name.ptr[0] == 'm' ? &rec->x.method : &rec->url;
        return import_json_string(im, value, to) ? 0 : not_a(name, "a string", err);
    }
    if (str_eq(name, STR("status")))
        return read_status(im, value, err);
    if (str_eq(name, STR("req_headers")) || str_eq(name, STR("resp_headers")))
        return read_headers(im, name.ptr[2] == 's', name, value, err);
    if (str_eq(name, STR("facts")))
        return read_facts(im, value, err);
    if (is_provenance(name)) {
        struct str text = value;
        import_json_string(im, value, &text);
        import_label(im, name, text);
        return 0;
    }
    int r = read_body_member(im, state, name, value, err);
    if (r == 0)
        r = import_set_extra(im, name, value, err);
    return r < 0 ? -1 : 0; /* members nobody knows are other recorders' own */
}

static void upper_case_method(struct import *im)
{
    struct str *method = &im->record.x.method;
    char *to = arena_alloc(&im->arena, method->len + 1);

    for (size_t i = 0; i < method->len; i++) {
        char c = method->ptr[i];
        to[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    *method = (struct str){ to, method->len };
}

static int check_exchange(struct import *im, const struct body_state *state, struct err *err)
{
    struct import_record *rec = &im->record;
    struct exchange *x = &rec->x;

    if (str_eq(x->origin, STR(ORIGIN_ROWS)))
        return 0;
    if (rec->url.len == 0)
        return err_set(err, ERR_CORRUPT, "has no 'url'");
    upper_case_method(im);
    x->request_body_missing |= state->dropped[0] || !state->given[0];
    x->response_body_missing |= state->dropped[1] || (!state->given[1] && x->status != 0);
    import_undo_encodings(im);
    return 0;
}

int import_parse_exchange(struct import *im, struct str text, struct err *err)
{
    struct body_state state = { 0 };
    struct jscan s;
    struct str key;

    im->record.kind = STR("exchanges");
    im->record.raw = text;
    im->record.x.origin = STR("import:jsonl");
    jscan_init(&s, text);
    if (!jscan_enter_object(&s))
        return err_set(err, ERR_CORRUPT, "is not a JSON object");
    while (jscan_next_member(&s, &key)) {
        struct str value = jscan_skip_raw(&s);
        if (!s.failed && read_member(im, &state, key, value, err) < 0)
            return -1;
    }
    if (!jscan_at_end(&s))
        return err_set(err, ERR_CORRUPT, "is not JSON from byte %zu on",
                       s.failed ? s.failed_at : s.at);
    return check_exchange(im, &state, err);
}

int import_read_exchanges(struct import *im, struct import_input *in, struct err *err)
{
    struct str line;
    uint64_t number = 0;
    int r;

    while ((r = import_input_line(in, &line, &number, err)) != 0) {
        import_begin(im);
        line = r > 0 ? str_trim(line) : STR("");
        if (r > 0 && line.len == 0)
            continue;
        if (r < 0 && err->code != ERR_LIMIT) {
            import_report(im, number, err->text);
            return 0; /* what came before the damage is in */
        }
        if (r < 0 || import_parse_exchange(im, line, err) < 0)
            import_report(im, number, err->text);
        else if (import_add_at(im, number, err) < 0)
            return -1;
        import_progress(im, in);
    }
    return 0;
}

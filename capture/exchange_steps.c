/* What was tried to answer an exchange, and what the policy said of it, as JSON. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "capture/exchange_fields.h"

const struct exchange_attempt *exchange_answered_by(const struct exchange *x)
{
    for (size_t i = x->attempt_count; i-- > 0;)
        if (!x->attempts[i].skipped)
            return &x->attempts[i];
    return NULL;
}

/* How many bytes of s a name may have, without half a character at the end. */
static struct str clip(struct str s)
{
    size_t len = EXCHANGE_STEP_TEXT_MAX;

    if (s.len <= len)
        return s;
    while (len > 0 && ((unsigned char)s.ptr[len] & 0xc0) == 0x80)
        len--;
    return str_sub(s, 0, len);
}

/* A member's name as it is written, with a comma before it; the first one's becomes the bracket.
 * Every call of a route has these. */
#define KEY(name) STR(",\"" name "\":")

static inline __attribute__((always_inline)) void add_key(struct buf *out, struct str key)
{
    memcpy(buf_reserve(out, key.len), key.ptr, key.len); /* of a known length: no call */
    out->len += key.len;
}

static inline __attribute__((always_inline)) void add_name(struct buf *out, struct str key,
                                                           struct str value)
{
    if (!value.len)
        return;
    add_key(out, key);
    json_add_string(out, clip(value));
}

static inline __attribute__((always_inline)) void add_number(struct buf *out, struct str key,
                                                             int64_t n)
{
    add_key(out, key);
    buf_add_int(out, n);
}

/* One member at least has been added. */
static void end_object(struct buf *out, size_t from)
{
    out->ptr[from] = '{';
    buf_add_byte(out, '}');
}

static void add_begin(struct buf *out, const struct exchange_attempt *a)
{
    add_name(out, KEY("upstream"), a->upstream);
    add_name(out, KEY("model"), a->model);
    if (a->skipped)
        buf_add_text(out, ",\"skipped\":true");
    if (a->status)
        add_number(out, KEY("status"), a->status);
    if (a->error_class != ERROR_CLASS_NONE)
        add_name(out, KEY("error_class"), str_from(error_class_name(a->error_class)));
}

void exchange_attempt_begin_to_json(const struct exchange_attempt *a, struct buf *out)
{
    size_t from = out->len;

    add_begin(out, a);
    if (out->len > from)
        out->ptr[from] = '{';
}

static void add_attempt(struct buf *out, const struct exchange_attempt *a)
{
    size_t from = out->len;

    if (a->begin.len)
        buf_add_str(out, a->begin);
    else
        add_begin(out, a);
    add_number(out, KEY("start_us"), a->start_us);
    if (a->duration_us >= 0)
        add_number(out, KEY("duration_us"), a->duration_us);
    if (a->bytes)
        add_number(out, KEY("bytes"), (int64_t)a->bytes);
    add_name(out, KEY("why"), a->why);
    add_name(out, KEY("rule"), a->rule);
    end_object(out, from);
}

void exchange_attempts_to_json(const struct exchange *x, struct buf *out)
{
    buf_add_byte(out, '[');
    for (size_t i = 0; i < x->attempt_count && i < EXCHANGE_STEPS_MAX; i++) {
        if (i)
            buf_add_byte(out, ',');
        add_attempt(out, &x->attempts[i]);
    }
    buf_add_byte(out, ']');
}

void exchange_decision_to_json(const struct exchange_decision *d, struct buf *out)
{
    size_t from = out->len;

    if (d->json.len) {
        buf_add_str(out, d->json);
        return;
    }
    add_name(out, KEY("rule"), d->rule);
    add_name(out, KEY("mode"), d->mode);
    add_name(out, KEY("outcome"), d->outcome);
    add_name(out, KEY("detail"), d->detail);
    add_number(out, KEY("at_us"), d->at_us);
    if (d->value)
        add_number(out, KEY("value"), d->value);
    if (d->bound)
        add_number(out, KEY("bound"), d->bound);
    end_object(out, from);
}

void exchange_decisions_to_json(const struct exchange *x, struct buf *out)
{
    buf_add_byte(out, '[');
    for (size_t i = 0; i < x->decision_count && i < EXCHANGE_STEPS_MAX; i++) {
        if (i)
            buf_add_byte(out, ',');
        exchange_decision_to_json(&x->decisions[i], out);
    }
    buf_add_byte(out, ']');
}

void exchange_add_steps(const struct exchange *x, struct buf *out)
{
    if (x->attempt_count) {
        json_add_key(out, FIELD_ATTEMPTS);
        exchange_attempts_to_json(x, out);
    }
    if (x->decision_count) {
        json_add_key(out, FIELD_DECISIONS);
        exchange_decisions_to_json(x, out);
    }
}

static int check_list(const json_t *list, const char *name, struct err *err)
{
    if (list && !json_is_array(list))
        return err_set(err, ERR_CORRUPT, "'%s' is not an array", name);
    if (json_array_size(list) > EXCHANGE_STEPS_MAX)
        return err_set(err, ERR_LIMIT, "'%s' has %zu entries, more than %d", name,
                       json_array_size(list), EXCHANGE_STEPS_MAX);
    return 0;
}

static int read_name(const json_t *obj, const char *name, struct arena *arena, struct str *ret,
                     struct err *err)
{
    if (exchange_json_text(obj, name, arena, ret, err) < 0)
        return -1;
    *ret = clip(*ret);
    return 0;
}

static int read_numbers(const json_t *obj, struct exchange_attempt *a, struct err *err)
{
    int64_t status = 0, bytes = 0;

    a->duration_us = -1;
    if (exchange_json_int(obj, "status", &status, err) < 0 ||
        exchange_json_int(obj, "start_us", &a->start_us, err) < 0 ||
        exchange_json_int(obj, "duration_us", &a->duration_us, err) < 0 ||
        exchange_json_int(obj, "bytes", &bytes, err) < 0)
        return -1;
    if (status < 0 || status > 999)
        return err_set(err, ERR_CORRUPT, "'status' is not a status code");
    if (a->start_us < 0 || a->duration_us < -1 || bytes < 0)
        return err_set(err, ERR_CORRUPT, "'start_us', 'duration_us' or 'bytes' is negative");
    a->status = (int)status;
    a->bytes = (uint64_t)bytes;
    return 0;
}

static int read_attempt(const json_t *obj, struct arena *arena, struct exchange_attempt *a,
                        struct err *err)
{
    struct str error_class;

    if (!json_is_object(obj))
        return err_set(err, ERR_CORRUPT, "is not an object");
    if (read_name(obj, "upstream", arena, &a->upstream, err) < 0 ||
        read_name(obj, "model", arena, &a->model, err) < 0 ||
        read_name(obj, "why", arena, &a->why, err) < 0 ||
        read_name(obj, "rule", arena, &a->rule, err) < 0 ||
        exchange_json_bool(obj, "skipped", &a->skipped, err) < 0 ||
        exchange_json_text(obj, "error_class", arena, &error_class, err) < 0 ||
        read_numbers(obj, a, err) < 0)
        return -1;
    if (error_class.len && !exchange_error_class_parse(error_class, &a->error_class))
        return err_set(err, ERR_CORRUPT, "'error_class' is not a known class");
    return 0;
}

int exchange_attempts_from_json(const json_t *list, struct arena *arena, struct exchange *x,
                                struct err *err)
{
    size_t count = json_array_size(list);

    if (check_list(list, FIELD_ATTEMPTS, err) < 0)
        return -1;
    struct exchange_attempt *attempts = arena_alloc(arena, count * sizeof(*attempts) + 1);
    for (size_t i = 0; i < count; i++) {
        attempts[i] = (struct exchange_attempt){ 0 };
        if (read_attempt(json_array_get(list, i), arena, &attempts[i], err) < 0)
            return err_wrap(err, "'%s' entry %zu", FIELD_ATTEMPTS, i);
    }
    x->attempts = attempts;
    x->attempt_count = count;
    return 0;
}

static int read_decision(const json_t *obj, struct arena *arena, struct exchange_decision *d,
                         struct err *err)
{
    if (!json_is_object(obj))
        return err_set(err, ERR_CORRUPT, "is not an object");
    if (read_name(obj, "rule", arena, &d->rule, err) < 0 ||
        read_name(obj, "mode", arena, &d->mode, err) < 0 ||
        read_name(obj, "outcome", arena, &d->outcome, err) < 0 ||
        read_name(obj, "detail", arena, &d->detail, err) < 0 ||
        exchange_json_int(obj, "at_us", &d->at_us, err) < 0 ||
        exchange_json_int(obj, "value", &d->value, err) < 0 ||
        exchange_json_int(obj, "bound", &d->bound, err) < 0)
        return -1;
    return d->at_us < 0 ? err_set(err, ERR_CORRUPT, "'at_us' is negative") : 0;
}

int exchange_decisions_from_json(const json_t *list, struct arena *arena, struct exchange *x,
                                 struct err *err)
{
    size_t count = json_array_size(list);

    if (check_list(list, FIELD_DECISIONS, err) < 0)
        return -1;
    struct exchange_decision *decisions = arena_alloc(arena, count * sizeof(*decisions) + 1);
    for (size_t i = 0; i < count; i++) {
        decisions[i] = (struct exchange_decision){ 0 };
        if (read_decision(json_array_get(list, i), arena, &decisions[i], err) < 0)
            return err_wrap(err, "'%s' entry %zu", FIELD_DECISIONS, i);
    }
    x->decisions = decisions;
    x->decision_count = count;
    return 0;
}

#include "config.h"

#include "replay/trouble_control.h"

#include "base/timestamp.h"
#include "replay/refusal.h"

struct asking {
    struct trouble *trouble;
    const struct request *request;
    uint64_t now_us;
    struct buf *out;
    bool has_changed;
};

static int get_health(struct asking *a, struct err *err)
{
    (void)err;
    buf_add_text(a->out, "{\"status\":\"ok\"}\n");
    return 0;
}

static int get_stats(struct asking *a, struct err *err)
{
    (void)err;
    trouble_tell_stats(a->trouble, a->now_us, a->out);
    return 0;
}

static int get_calls(struct asking *a, struct err *err)
{
    (void)err;
    trouble_tell_calls(a->trouble, str_eq(a->request->query, STR("all=1")), a->out);
    return 0;
}

static int get_faults(struct asking *a, struct err *err)
{
    (void)err;
    trouble_tell_faults(a->trouble, a->now_us, a->out);
    return 0;
}

static int put_faults(struct asking *a, struct err *err)
{
    if (trouble_set(a->trouble, a->request->body, a->now_us, err) < 0)
        return -1;
    a->has_changed = true;
    return get_faults(a, err);
}

static int delete_faults(struct asking *a, struct err *err)
{
    trouble_clear(a->trouble, a->now_us);
    a->has_changed = true;
    return get_faults(a, err);
}

static int start_scenario(struct asking *a, struct err *err)
{
    trouble_start(a->trouble, a->now_us);
    a->has_changed = true;
    return get_faults(a, err);
}

static int set_time(struct asking *a, struct err *err)
{
    struct str text = str_trim(a->request->body);
    int64_t at_us;

    if (!duration_parse(text, &at_us))
        return err_set(err, ERR_USAGE, "expected a duration such as 90s, got '%.*s'",
                       STR_ARG(str_sub(text, 0, 40)));
    trouble_set_time(a->trouble, a->now_us, at_us);
    a->has_changed = true;
    return get_faults(a, err);
}

static int reset(struct asking *a, struct err *err)
{
    trouble_reset(a->trouble);
    return get_stats(a, err);
}

static const struct {
    const char *method, *path;
    int (*fn)(struct asking *a, struct err *err);
} calls[] = {
    {"GET",     "health",         get_health    },
    { "GET",    "stats",          get_stats     },
    { "GET",    "calls",          get_calls     },
    { "GET",    "faults",         get_faults    },
    { "PUT",    "faults",         put_faults    },
    { "DELETE", "faults",         delete_faults },
    { "POST",   "scenario/start", start_scenario},
    { "POST",   "scenario/time",  set_time      },
    { "POST",   "reset",          reset         },
};

static struct answer *unknown(bool has_path)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    buf_add_text(&text, "there is");
    for (size_t i = 0; i < ARRAY_LEN(calls); i++)
        buf_addf(&text, "%s %s " TROUBLE_CONTROL_PATH "%s", i ? "," : "", calls[i].method,
                 calls[i].path);
    return refusal_plain(has_path ? 405 : 404, buf_str(&text));
}

struct answer *trouble_control(struct trouble *t, const struct request *r, uint64_t now_us,
                               bool *ret_changed)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct asking a = { .trouble = t, .request = r, .now_us = now_us, .out = &out };
    bool has_path = false;
    struct err err;

    *ret_changed = false;
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        struct str path = r->path;
        if (!str_starts_with(path, STR(TROUBLE_CONTROL_PATH)) ||
            !str_eq(str_sub(path, sizeof(TROUBLE_CONTROL_PATH) - 1, path.len),
                    str_from(calls[i].path)))
            continue;
        has_path = true;
        if (!str_eq(r->method, str_from(calls[i].method)))
            continue;
        if (calls[i].fn(&a, &err) < 0)
            return refusal_plain(400, str_from(err.text));
        *ret_changed = a.has_changed;
        struct answer *answer = answer_new(200);
        answer_set_body(answer, STR("application/json"), buf_str(&out));
        return answer;
    }
    return unknown(has_path);
}

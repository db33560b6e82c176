#include "config.h"

#include "replay/sim_ending.h"

#include <string.h>

#include "base/timestamp.h"
#include "llm/framing.h"
#include "policy/failure.h"

#define HEADERS_MAX 64
/* Some moment, for dates in headers: what is read from them is how long after it they are. */
#define SOME_TIME_US (INT64_C(1790000000) * US_PER_SECOND)

void sim_endings_release(struct sim_endings *e)
{
    for (size_t i = 0; i < e->list.len; i++)
        free(e->list.ptr[i]);
    vec_release(&e->list);
}

static size_t split_headers(struct str text, struct call_header ret[HEADERS_MAX])
{
    struct str line;
    size_t n = 0;

    while (n < HEADERS_MAX && text.len) {
        str_split(&text, '\n', &line);
        ret[n].value = str_trim(line);
        if (str_split(&ret[n].value, ':', &ret[n].name)) {
            ret[n].value = str_trim(ret[n].value);
            n++;
        }
    }
    return n;
}

static void end_of_refusal(const struct fault *f, const struct fault_saying *saying,
                           struct steer_end *ret)
{
    CLEANUP(buf_release) struct buf head = { 0 }, body = { 0 };
    struct call_header headers[HEADERS_MAX];
    int status;

    fault_refusal(f, saying, &status, &head, &body);
    size_t count = split_headers(buf_str(&head), headers);
    failure_of_answer(status, headers, count, buf_str(&body), SOME_TIME_US, ret);
}

/* The first event that tells of a failure. */
struct event_search {
    enum api api;
    bool found;
    struct steer_end end;
};

static int look_at_event(void *ctx, const struct framing_event *event, struct err *err)
{
    struct event_search *s = ctx;

    (void)err;
    s->found = s->found || failure_of_event(s->api, event, &s->end);
    return 0;
}

static bool end_of_event(const struct fault *f, const struct fault_saying *saying, enum api api,
                         struct steer_end *ret)
{
    CLEANUP(buf_release) struct buf event = { 0 };
    struct event_search search = { .api = api };
    struct err err;
    bool cut;

    fault_stream_error(f, saying, &event);
    if (event.len == 0)
        return false;
    CLEANUP(framer_free)
    struct framer *framer =
        framer_new(framing_guess(STR(""), buf_str(&event)), look_at_event, &search);
    if (framer_feed(framer, buf_str(&event), &err) < 0 || framer_finish(framer, &cut, &err) < 0)
        return false;
    *ret = search.end;
    return search.found;
}

static void find_end(struct sim_ending *e)
{
    const struct fault *f = &e->fault;
    struct fault_saying saying = { .dialect = e->dialect,
                                   .model = STR("model"),
                                   .wall_us = SOME_TIME_US };

    e->end = (struct steer_end){
        .failed = true, .failure = fault_failure(f), .retry_after_us = -1, .first_token_us = -1
    };
    if (f->kind->stage == FAULT_REFUSAL || f->kind->stage == FAULT_QUOTA)
        end_of_refusal(f, &saying, &e->end);
    else if (f->kind->params & FAULT_HAS(ERROR) && !end_of_event(f, &saying, e->api, &e->end))
        e->end.failure = PLAN_FAILED_STREAM;
    e->end.failed = true;
    e->end.first_token_us = -1;
}

static bool is_same(const struct fault *a, const struct fault *b)
{
    return a->kind == b->kind && a->status == b->status && a->retry_after_us == b->retry_after_us &&
           a->retry_form == b->retry_form && a->error == b->error && a->index == b->index;
}

const struct steer_end *sim_ending_of(struct sim_endings *e, const struct fault *f,
                                      enum fault_dialect dialect, enum api api)
{
    for (size_t i = e->list.len; i-- > 0;) {
        const struct sim_ending *one = e->list.ptr[i];
        if (one->dialect == dialect && one->api == api && is_same(&one->fault, f))
            return &one->end;
    }
    struct sim_ending *new = mem_calloc(1, sizeof(*new));
    new->fault = *f;
    new->dialect = dialect;
    new->api = api;
    find_end(new);
    vec_push(&e->list, new);
    return &new->end;
}

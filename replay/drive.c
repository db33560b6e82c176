#include "config.h"

#include "replay/drive.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "replay/ask.h"

struct drive {
    struct drive_options options;
    struct drive_context context;
    struct http_pool *pool;
    struct buf authority;
    struct drive_plan plan;
    size_t next;              /* of the plan */
    struct drive_call *ready; /* the next one, made before its time */
    uint64_t ready_due_us;
    uint64_t begun_us;
    uint64_t begun, done, under_way;
    bool is_stopping, has_failed;
    struct err failure;
    struct loop_timer timer;
    struct map apps; /* name to index in sums */
    VEC(struct drive_sum) sums;
    VEC(struct drive_error_count) errors;
    struct sketch gaps;
};

/* --- where to --- */

static const char *const placeholders[] = { "path", "rest", "app", "upstream", "model", NULL };

int drive_target_check(struct str text, struct err *err)
{
    struct str rest = text;

    if (!text.len || (text.ptr[0] != '/' && text.ptr[0] != '{'))
        return err_set(err, ERR_USAGE, "the target '%.*s' does not begin with '/' or a placeholder",
                       STR_ARG(text));
    for (ptrdiff_t open; (open = str_find_char(rest, '{', 0)) >= 0;) {
        ptrdiff_t close = str_find_char(rest, '}', (size_t)open);
        bool is_known = false;
        struct str name = close < 0 ? str_sub(rest, (size_t)open, SIZE_MAX)
                                    : str_sub(rest, (size_t)open + 1, (size_t)(close - open - 1));
        for (int i = 0; placeholders[i]; i++)
            is_known |= close >= 0 && str_eq(name, str_from(placeholders[i]));
        if (!is_known)
            return err_set(err, ERR_USAGE,
                           "'%.*s' in the target: known are {path}, {rest}, {app}, {upstream} and "
                           "{model}",
                           STR_ARG(name));
        rest = str_sub(rest, (size_t)close + 1, SIZE_MAX);
    }
    return 0;
}

/* Without "/" and the word, if it begins so. */
static struct str without_first(struct str path, struct str word)
{
    if (word.len && path.len > word.len && path.ptr[0] == '/' &&
        str_eq(str_sub(path, 1, word.len), word) &&
        (path.len == word.len + 1 || path.ptr[word.len + 1] == '/'))
        return str_sub(path, word.len + 1, SIZE_MAX);
    return path;
}

static void add_target(const struct drive *d, const struct trace_request *r, struct buf *out)
{
    CLEANUP(buf_release) struct buf asked = { 0 };
    struct str rest = d->options.target, path = r->path, model = r->model;

    if (d->options.ask.len) {
        ask_write_path(r->path, d->options.ask, &asked);
        path = buf_str(&asked);
        model = d->options.ask;
    }
    struct str bare = without_first(without_first(path, r->app), r->upstream);
    struct str values[] = { path, bare, r->app, r->upstream, model };

    while (rest.len) {
        ptrdiff_t open = str_find_char(rest, '{', 0);
        buf_add_str(out, str_sub(rest, 0, open < 0 ? rest.len : (size_t)open));
        if (open < 0)
            break;
        ptrdiff_t close = str_find_char(rest, '}', (size_t)open);
        struct str name = str_sub(rest, (size_t)open + 1, (size_t)(close - open - 1));
        for (int i = 0; placeholders[i]; i++)
            if (str_eq(name, str_from(placeholders[i])))
                buf_add_str(out, values[i]);
        rest = str_sub(rest, (size_t)close + 1, SIZE_MAX);
    }
    if (r->query.len)
        buf_addf(out, "?%.*s", STR_ARG(r->query));
}

/* --- what goes with it --- */

static bool is_given(struct str lines, struct str name)
{
    struct str line;

    while (str_split(&lines, '\n', &line))
        if (line.len > name.len && line.ptr[name.len] == ':' &&
            str_ieq(str_sub(line, 0, name.len), name))
            return true;
    return false;
}

static const char *key_header(enum api api)
{
    switch (api) {
    case API_MESSAGES:
        return "x-api-key: ";
    case API_GENERATE_CONTENT:
        return "x-goog-api-key: ";
    default:
        return "authorization: Bearer ";
    }
}

static void add_head(const struct drive *d, const struct trace_request *r, struct buf *out)
{
    struct str rest = r->head, line, name;

    while (str_split(&rest, '\n', &line)) {
        struct str after = line;
        if (line.len && str_split(&after, ':', &name) && !is_given(d->options.headers, name))
            buf_addf(out, "%.*s\n", STR_ARG(line));
    }
    buf_add_str(out, d->options.headers);
    if (d->options.key.len)
        buf_addf(out, "%s%.*s\n", key_header(r->api), STR_ARG(d->options.key));
}

/* --- the schedule --- */

static void fail(struct drive *d, const struct err *err)
{
    if (!d->has_failed)
        d->failure = *err;
    d->has_failed = true;
    loop_stop(d->options.loop);
}

static int make_next(struct drive *d, struct err *err)
{
    CLEANUP(buf_release) struct buf target = { 0 };
    CLEANUP(buf_release) struct buf head = { 0 };
    CLEANUP(buf_release) struct buf asked = { 0 };
    struct trace_request r;
    struct drive_moment moment;
    struct str body;

    if (d->ready || d->is_stopping || d->next == drive_plan_len(&d->plan))
        return 0;
    drive_plan_at(&d->plan, d->next++, &moment);
    trace_at(d->options.trace, moment.request, &r);
    if (trace_body(d->options.trace, moment.request, &body, err) < 0)
        return -1;
    add_target(d, &r, &target);
    add_head(d, &r, &head);
    if (d->options.ask.len) {
        ask_write_body(body, d->options.ask, &asked);
        body = buf_str(&asked);
    }
    d->ready = drive_call_new(&d->context, &r, buf_str(&target), buf_str(&head), body);
    d->ready_due_us = d->begun_us + moment.since_us;
    return 0;
}

static struct drive_sum *sum_of(struct drive *d, struct str app)
{
    bool is_new;
    struct map_entry *e = map_put(&d->apps, app, &is_new);

    if (is_new) {
        e->value = d->sums.len;
        vec_push(&d->sums, (struct drive_sum){ .app = app });
    }
    return &d->sums.ptr[e->value];
}

static void settle(struct drive *d)
{
    struct loop *loop = d->options.loop;
    bool is_full = d->under_way >= d->options.under_way;

    if (!d->ready && !d->under_way)
        loop_stop(loop);
    else if (d->ready && !is_full)
        loop_timer_set(loop, &d->timer, d->ready_due_us);
    else
        loop_timer_cancel(loop, &d->timer);
}

/* What is due, and can be under way. */
static void on_timer(void *ctx)
{
    struct drive *d = ctx;
    struct loop *loop = d->options.loop;
    struct err err;

    while (d->ready && d->ready_due_us <= loop_now_us(loop) &&
           d->under_way < d->options.under_way) {
        struct drive_call *c = TAKE(d->ready);
        uint64_t due = d->options.speed == PLAY_SPEED_MAX ? loop_now_us(loop) : d->ready_due_us;
        d->under_way++;
        sketch_add(&d->sums.ptr[0].lag_us, (int64_t)(loop_now_us(loop) - due));
        drive_call_start(c, d->begun++, due);
        loop_read_clocks(loop);
        if (make_next(d, &err) < 0) {
            fail(d, &err);
            return;
        }
    }
    settle(d);
}

/* --- what became of them --- */

static void count(struct drive_sum *s, const struct trace_request *request,
                  const struct drive_result *r, uint64_t since_us)
{
    s->calls++;
    s->ok += r->ok;
    s->streams += request->stream;
    s->tries += r->tries;
    s->ends[r->end]++;
    s->statuses[r->status / 100 % 6]++;
    if (!r->ok)
        return;
    if (!s->first_good_us)
        s->first_good_us = since_us;
    if (r->first_token_us >= 0)
        sketch_add(&s->first_us, r->first_token_us);
    sketch_add(&s->total_us, r->end_us);
}

static void count_error(struct drive *d, const struct drive_result *r)
{
    for (size_t i = 0; i < d->errors.len; i++) {
        struct drive_error_count *e = &d->errors.ptr[i];
        if (e->error == r->error && e->status == r->status) {
            e->count++;
            return;
        }
    }
    vec_push(&d->errors, (struct drive_error_count){ r->error, r->status, 1 });
}

static void on_over(void *ctx, struct drive_call *call)
{
    struct drive *d = ctx;
    const struct drive_result *r = drive_call_result(call);
    const struct trace_request *request = drive_call_request(call);
    uint64_t since_us = loop_now_us(d->options.loop) - d->begun_us;
    struct exchange x;
    struct err err;

    d->under_way--;
    d->done++;
    count(sum_of(d, request->app), request, r, since_us);
    count(&d->sums.ptr[0], request, r, since_us);
    if (!r->ok)
        count_error(d, r);
    if (d->options.on_call)
        d->options.on_call(d->options.ctx, call, r);
    if (d->options.on_exchange) {
        drive_call_exchange(call, &x);
        if (d->options.on_exchange(d->options.ctx, request, &x, &err) < 0)
            fail(d, &err);
    }
    settle(d);
}

/* --- a drive --- */

static int open_origin(struct drive *d, struct err *err)
{
    char *host = mem_strndup(d->options.url.host.ptr, d->options.url.host.len);
    struct http_origin_options o = {
        .tls = d->options.url.tls,
        .host = host,
        .port = d->options.url.port,
        .ca_path = d->options.ca_path,
        .max_idle = d->options.under_way,
    };

    int r = http_origin_new(d->pool, &o, &d->context.origin, err);
    free(host);
    return r;
}

int drive_open(const struct drive_options *options, struct drive **ret, struct err *err)
{
    CLEANUP(drive_close) struct drive *d = mem_calloc(1, sizeof(*d));

    d->options = *options;
    if (!d->options.under_way)
        d->options.under_way = DRIVE_UNDER_WAY_DEFAULT;
    d->timer = (struct loop_timer){ .fn = on_timer, .ctx = d };
    buf_add_str(&d->authority, options->url.authority);
    d->context = (struct drive_context){
        .loop = options->loop,
        .authority = buf_str(&d->authority),
        .caller = options->caller,
        .deadline_us = options->deadline_us,
        .seed = options->seed,
        .gaps = &d->gaps,
        .on_over = on_over,
        .ctx = d,
    };
    vec_push(&d->sums, (struct drive_sum){ 0 }); /* the whole */
    if (drive_plan_make(options->trace, options->speed, options->load, options->seed, &d->plan,
                        err) < 0 ||
        http_pool_new(options->loop, &d->pool, err) < 0 || open_origin(d, err) < 0)
        return -1;
    *ret = TAKE(d);
    return 0;
}

int drive_run(struct drive *d, struct err *err)
{
    if (!trace_len(d->options.trace))
        return err_set(err, ERR_USAGE, "there is no request to make");
    loop_read_clocks(d->options.loop);
    d->begun_us = loop_now_us(d->options.loop) + 1;
    if (make_next(d, err) < 0)
        return -1;
    settle(d);
    if (loop_run(d->options.loop, err) < 0)
        return -1;
    if (!d->has_failed)
        return 0;
    *err = d->failure;
    return -1;
}

void drive_stop(struct drive *d)
{
    d->is_stopping = true;
    drive_call_free(TAKE(d->ready));
    settle(d);
}

uint64_t drive_done(const struct drive *d)
{
    return d->done;
}

static void release_sums(struct drive_sum *sums, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sketch_release(&sums[i].first_us);
        sketch_release(&sums[i].total_us);
        sketch_release(&sums[i].gap_us);
        sketch_release(&sums[i].lag_us);
    }
}

static int by_app(const void *left, const void *right)
{
    const struct drive_sum *a = left, *b = right;

    return str_cmp(a->app, b->app);
}

static int most_first(const void *left, const void *right)
{
    const struct drive_error_count *a = left, *b = right;

    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    if (a->error != b->error)
        return a->error < b->error ? -1 : 1;
    return a->status - b->status;
}

void drive_report(struct drive *d, struct drive_report *ret)
{
    struct drive_sum *whole = d->sums.ptr;
    struct drive_moment last;

    *ret = (struct drive_report){ 0 };
    whole->gap_us = d->gaps;
    d->gaps = (struct sketch){ 0 };
    ret->is_late = sketch_quantile(&whole->lag_us, 0.99) > d->options.lag_us;
    ret->was_stopped = d->is_stopping;
    ret->elapsed_us = (int64_t)(loop_now_us(d->options.loop) - d->begun_us);
    drive_plan_at(&d->plan, drive_plan_len(&d->plan) - 1, &last);
    ret->planned_us = (int64_t)last.since_us;
    if (d->sums.len > 2)
        qsort(d->sums.ptr + 1, d->sums.len - 1, sizeof(*d->sums.ptr), by_app);
    if (d->errors.len)
        qsort(d->errors.ptr, d->errors.len, sizeof(*d->errors.ptr), most_first);
    for (size_t i = 0; i < d->sums.len; i++)
        vec_push(&ret->sums, d->sums.ptr[i]);
    for (size_t i = 0; i < d->errors.len; i++)
        vec_push(&ret->errors, d->errors.ptr[i]);
    vec_clear(&d->sums);
}

void drive_report_release(struct drive_report *r)
{
    release_sums(r->sums.ptr, r->sums.len);
    vec_release(&r->sums);
    vec_release(&r->errors);
}

void drive_close(struct drive *d)
{
    if (!d)
        return;
    loop_timer_cancel(d->options.loop, &d->timer);
    while (d->context.calls) /* the next one among them */
        drive_call_free(d->context.calls);
    http_pool_free(d->pool);
    drive_plan_release(&d->plan);
    release_sums(d->sums.ptr, d->sums.len);
    vec_release(&d->sums);
    vec_release(&d->errors);
    sketch_release(&d->gaps);
    map_release(&d->apps);
    buf_release(&d->authority);
    free(d);
}

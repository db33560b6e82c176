#include "config.h"

#include "migrate/notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "analyze/webhook.h"
#include "base/file.h"
#include "base/json.h"
#include "base/subprocess.h"
#include "base/timestamp.h"
#include "base/vec.h"

#define SECRET_BYTES_MAX 4096u
#define TIMEOUT_US       (10 * US_PER_SECOND) /* of a hook without its own */
#define GRACE_US         (US_PER_SECOND / 2)
#define LOOK_US          5000
#define TRIES            3
#define SEQS_SHOWN       5
#define PATIENCE_US      (30 * US_PER_SECOND) /* that a hook's failures may take, all together */

struct event {
    size_t hook;
    uint64_t seq;
    struct buf body;
};

/* What became of a hook. */
struct outcome {
    int64_t failed, failed_us;
    struct buf seqs; /* "5, 8": the first few */
    struct buf why;  /* the first time */
};

struct notify {
    const struct programme *programme;
    const struct rollout *rollout;
    VEC(struct event) events;
};

struct notify *notify_new(const struct programme *p, const struct rollout *r)
{
    struct notify *n = mem_calloc(1, sizeof(*n));

    n->programme = p;
    n->rollout = r;
    return n;
}

static void forget(struct notify *n)
{
    for (size_t i = 0; i < n->events.len; i++)
        buf_release(&n->events.ptr[i].body);
    vec_clear(&n->events);
}

void notify_free(struct notify *n)
{
    if (!n)
        return;
    forget(n);
    vec_release(&n->events);
    free(n);
}

static bool wants(const struct programme_hook *hook, const struct rollout_entry *e)
{
    for (size_t i = 0; i < hook->on.len; i++) {
        struct str word = hook->on.list[i];
        if (str_eq(word, STR("*")) || str_eq(word, str_from(rollout_kind_name(e->kind))))
            return true;
        if (str_eq(word, STR("rolled_back")) && e->kind == ROLLOUT_COMMITTED &&
            e->why == ROLLOUT_ROLLBACK)
            return true;
    }
    return false;
}

/* The moves of the entry's step, which only its INTENT has. */
static const struct rollout_entry *find_moves(const struct notify *n, const struct rollout_entry *e)
{
    if (e->move_count || !e->epoch)
        return e;
    for (size_t i = rollout_count(n->rollout); i > 0; i--) {
        const struct rollout_entry *intent = rollout_at(n->rollout, i - 1);
        if (intent->kind == ROLLOUT_INTENT && intent->epoch == e->epoch)
            return intent;
    }
    return e;
}

static void add_if(struct buf *out, const char *key, struct str value)
{
    if (value.len)
        json_add_str(out, key, value);
}

static void print(const struct notify *n, const struct rollout_entry *e, struct buf *out)
{
    char at[TIMESTAMP_TEXT_BYTES];

    buf_add_byte(out, '{');
    json_add_str(out, "programme", n->programme->name);
    json_add_int(out, "seq", (int64_t)e->seq);
    json_add_str(out, "at", str_from(timestamp_format(e->at_us, at)));
    json_add_str(out, "kind", str_from(rollout_kind_name(e->kind)));
    if (e->why != ROLLOUT_NO_STEP)
        json_add_str(out, "why", str_from(rollout_why_name(e->why)));
    add_if(out, "actor", e->actor);
    add_if(out, "app", e->app);
    add_if(out, "actuator", e->actuator);
    if (e->epoch)
        json_add_int(out, "epoch", (int64_t)e->epoch);
    rollout_add_moves(find_moves(n, e), out);
    if (e->value)
        json_add_int(out, "value", e->value);
    add_if(out, "detail", e->detail);
    add_if(out, "evidence", e->evidence);
    add_if(out, "hash", e->hash);
    buf_add_text(out, "}\n");
}

void notify_told(void *ctx, const struct rollout_entry *e)
{
    struct notify *n = ctx;

    for (size_t i = 0; i < n->programme->hook_count; i++) {
        struct event event = { .hook = i, .seq = e->seq };
        if (!wants(&n->programme->hooks[i], e))
            continue;
        print(n, e, &event.body);
        vec_push(&n->events, event);
    }
}

/* --- a command --- */

static int64_t timeout_of(const struct programme_hook *hook)
{
    return hook->timeout_us > 0 ? hook->timeout_us : TIMEOUT_US;
}

/* With the document as its standard input: a file in memory, which no reader has to wait for. */
static int start(const struct programme_hook *hook, struct str body, struct subprocess *ret,
                 struct err *err)
{
    const char **argv = mem_calloc(hook->command.len + 1, sizeof(*argv));
    int fd = memfd_create("weir-hook", MFD_CLOEXEC);
    char path[40];
    int r = -1;

    for (size_t i = 0; i < hook->command.len; i++)
        argv[i] = hook->command.list[i].ptr;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct subprocess_options o = { .argv = argv, .output = "/dev/null", .input = path };
    if (fd < 0)
        err_sys(err, "cannot make a file in memory");
    else if (fd_write_all(fd, body, err) == 0)
        r = subprocess_start(&o, ret, err);
    if (fd >= 0)
        close(fd);
    free(argv);
    return r;
}

static int run_command(const struct programme_hook *hook, const struct actuator_wait *wait,
                       struct str body, struct err *err)
{
    CLEANUP(buf_release) struct buf how = { 0 };
    struct subprocess p = { 0 };
    int64_t end_us = wait->now_us(wait->ctx) + timeout_of(hook);

    if (start(hook, body, &p, err) < 0)
        return -1;
    while (!subprocess_is_over(&p) && wait->now_us(wait->ctx) < end_us)
        wait->sleep_us(wait->ctx, LOOK_US);
    bool is_late = !subprocess_is_over(&p);
    if (is_late)
        subprocess_stop(&p, GRACE_US);
    if (is_late)
        return err_set(err, ERR_LIMIT, "it took longer than %d ms and was ended",
                       (int)(timeout_of(hook) / 1000));
    subprocess_describe(&p, &how);
    if (p.status != 0)
        return err_set(err, ERR_SYS, "it ended with %s", buf_cstr(&how));
    return 0;
}

/* --- a webhook --- */

static int load_secret(const struct programme_hook *hook, struct buf *ret, struct err *err)
{
    const char *value = hook->secret_env.len ? getenv(hook->secret_env.ptr) : NULL;

    if (hook->secret_env.len && !value)
        return err_set(err, ERR_USAGE, "the environment has no %s", hook->secret_env.ptr);
    if (value)
        buf_add_text(ret, value);
    if (hook->secret_file.len && file_read(hook->secret_file.ptr, SECRET_BYTES_MAX, ret, err) < 0)
        return -1;
    if ((hook->secret_env.len || hook->secret_file.len) && !str_trim(buf_str(ret)).len)
        return err_set(err, ERR_USAGE, "its secret is empty");
    return 0;
}

static int post(const struct programme_hook *hook, struct str body, struct err *err)
{
    CLEANUP(buf_release) struct buf secret = { 0 };

    if (load_secret(hook, &secret, err) < 0)
        return -1;
    struct webhook webhook = { .url = hook->url,
                               .secret = str_trim(buf_str(&secret)),
                               .timeout_us = timeout_of(hook),
                               .tries = TRIES };
    int r = webhook_post(&webhook, body, err);
    if (secret.ptr)
        explicit_bzero(secret.ptr, secret.len);
    return r;
}

/* --- all of them --- */

static void fail(struct outcome *o, uint64_t seq, const struct err *err)
{
    if (o->failed++ == 0)
        buf_add_text(&o->why, err->text);
    if (o->failed <= SEQS_SHOWN)
        buf_addf(&o->seqs, "%s%" PRIu64, o->failed > 1 ? ", " : "", seq);
    else if (o->failed == SEQS_SHOWN + 1)
        buf_add_text(&o->seqs, " and later ones");
}

/* False: it failed, or has failed for so long that it is not tried any more. */
static bool send_one(struct notify *n, const struct actuator_wait *wait, const struct event *e,
                     struct outcome *o, struct buf *ret_failed)
{
    const struct programme_hook *hook = &n->programme->hooks[e->hook];
    struct str body = buf_str(&e->body);
    int64_t begin_us = wait->now_us(wait->ctx);
    struct err err;

    if (o->failed_us > PATIENCE_US) {
        fail(o, e->seq, NULL);
        return false;
    }
    if ((hook->command.len ? run_command(hook, wait, body, &err) : post(hook, body, &err)) == 0)
        return true;
    o->failed_us += wait->now_us(wait->ctx) - begin_us;
    fail(o, e->seq, &err);
    buf_addf(ret_failed, "%s:%u: the hook failed, what it was to be told stands: %s%s\n",
             n->programme->file.ptr, hook->at.line, err.text,
             o->failed_us > PATIENCE_US ? "; it is not tried again now" : "");
    return false;
}

/* The events that are kept now, but for those of hooks that have failed already. */
static size_t send_all(struct notify *n, const struct actuator_wait *wait, struct outcome *outcomes,
                       struct buf *ret_failed)
{
    VEC(struct event) events = { 0 };
    size_t failed = 0;

    for (size_t i = 0; i < n->events.len; i++)
        vec_push(&events, n->events.ptr[i]);
    vec_clear(&n->events);
    for (size_t i = 0; i < events.len; i++) {
        struct event *e = &events.ptr[i];
        failed += !send_one(n, wait, e, &outcomes[e->hook], ret_failed);
        buf_release(&e->body);
    }
    vec_release(&events);
    return failed;
}

static void note_failed(struct notify *n, const struct outcome *o, size_t hook, notify_note_fn note,
                        void *ctx, struct buf *ret_failed)
{
    CLEANUP(buf_release) struct buf detail = { 0 };
    struct err err;

    buf_addf(&detail, "%s:%u: the hook failed and was not told of %s %.*s: %.*s",
             n->programme->file.ptr, n->programme->hooks[hook].at.line,
             o->failed == 1 ? "entry" : "entries", STR_ARG(buf_str(&o->seqs)),
             STR_ARG(buf_str(&o->why)));
    struct rollout_entry e = { .kind = ROLLOUT_UNTOLD,
                               .value = o->failed,
                               .detail = buf_str(&detail) };
    if (note(ctx, &e, &err) < 0)
        buf_addf(ret_failed, "that a hook failed could not be noted: %s\n", err.text);
}

/* Who failed once is not asked to tell of it. */
static void drop_events_of_failed(struct notify *n, const struct outcome *outcomes)
{
    size_t kept = 0;

    for (size_t i = 0; i < n->events.len; i++)
        if (outcomes[n->events.ptr[i].hook].failed)
            buf_release(&n->events.ptr[i].body);
        else
            n->events.ptr[kept++] = n->events.ptr[i];
    n->events.len = kept;
}

size_t notify_send(struct notify *n, const struct actuator_wait *wait, notify_note_fn note,
                   void *ctx, struct buf *ret_failed)
{
    size_t count = n->programme->hook_count;
    struct outcome *outcomes = mem_calloc(count + 1, sizeof(*outcomes));
    size_t failed = send_all(n, wait, outcomes, ret_failed);

    for (size_t i = 0; i < count; i++)
        if (outcomes[i].failed)
            note_failed(n, &outcomes[i], i, note, ctx, ret_failed);
    drop_events_of_failed(n, outcomes);
    failed += send_all(n, wait, outcomes, ret_failed);
    for (size_t i = 0; i < count; i++) {
        buf_release(&outcomes[i].seqs);
        buf_release(&outcomes[i].why);
    }
    free(outcomes);
    return failed;
}

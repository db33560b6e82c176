#include "config.h"

#include "migrate/notify.h"

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

struct event {
    size_t hook;
    struct buf body;
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
        struct event event = { .hook = i };
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

size_t notify_send(struct notify *n, const struct actuator_wait *wait, struct buf *ret_failed)
{
    size_t failed = 0;

    for (size_t i = 0; i < n->events.len; i++) {
        const struct programme_hook *hook = &n->programme->hooks[n->events.ptr[i].hook];
        struct str body = buf_str(&n->events.ptr[i].body);
        struct err err;
        int r = hook->command.len ? run_command(hook, wait, body, &err) : post(hook, body, &err);
        if (r == 0)
            continue;
        failed++;
        buf_addf(ret_failed, "%s:%u: the hook failed, what it was to be told stands: %s\n",
                 n->programme->file.ptr, hook->at.line, err.text);
    }
    forget(n);
    return failed;
}

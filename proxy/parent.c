#include "config.h"

#include "proxy/parent.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/listener.h"
#include "proxy/admin.h"
#include "proxy/budgets.h"
#include "proxy/child.h"
#include "proxy/cutover_keeper.h"
#include "proxy/policy_keeper.h"
#include "proxy/privileges.h"
#include "proxy/proxy_policy.h"
#include "proxy/sealer.h"
#include "proxy/watch.h"

#define SEAL_US    UINT64_C(2000000) /* between looks for journals to seal */
#define RESPAWN_US UINT64_C(500000)  /* so that a worker that cannot start does not spin */

struct parent;

struct child_slot {
    struct parent *parent;
    int number;
    int listen_fd; /* its own TCP listener, -1 = none */
    pid_t pid;     /* 0 = not running */
    struct loop_io pipe;
    struct buf out; /* for the pipe */
    struct loop_timer respawn;
};

struct parent {
    struct parent_options o;
    struct loop *loop;
    struct proxy_conf *conf;
    struct archive *archive;
    struct key key;
    struct proxy_stats *stats; /* shared with the workers, one each; the last one is its own */
    struct child_slot children[PROXY_WORKERS_MAX];
    unsigned child_count;
    struct proxy_conf *started; /* what we began with: its places are ours until we end */
    int unix_fd, admin_fd, status_fd;
    struct loop_io signals;
    sigset_t old_mask;
    struct admin *admin;
    struct watch *watch; /* NULL = only signals reload */
    struct cutover_keeper *cutover;
    uint8_t ticket_keys[TLS_TICKET_KEYS_MAX * TLS_TICKET_KEY_BYTES]; /* the newest first */
    size_t ticket_key_bytes;
    struct loop_timer seal_timer, ticket_timer;
    struct sealer *sealer;
    struct policy_keeper *keeper;
    bool is_draining;
    uint64_t started_us; /* wall */
};

static void say(const struct parent *p, enum log_level level, const char *event, const char *reason)
{
    log_event(&p->o.log, level, loop_wall_us(p->loop), event, LOG_STR("reason", str_from(reason)));
}

/* --- workers --- */

static void close_inherited(struct parent *p)
{
    for (unsigned i = 0; i < p->child_count; i++)
        if (p->children[i].pid > 0)
            close(p->children[i].pipe.fd);
    close(p->signals.fd);
    watch_close_inherited(p->watch);
    cutover_keeper_close_inherited(p->cutover);
}

/* In the new process.  The parent's loop must not be touched: its epoll is shared. */
static int run_child(struct parent *p, const struct child_slot *slot, int pipe_fd)
{
    int listeners[WORKER_LISTENERS_MAX];
    struct child_options o = {
        .worker = {.conf = p->conf,
                   .listeners = listeners,
                   .has_unix = p->unix_fd >= 0,
                   .log = p->o.log,
                   .stats = &p->stats[slot->number],
                   .shared = policy_keeper_shared(p->keeper),
                   .ticket_keys = { (const char *)p->ticket_keys, p->ticket_key_bytes },
                   .cutover = cutover_keeper_text(p->cutover)},
        .pipe_fd = pipe_fd,
        .prices = p->o.prices,
        .conf_path = p->o.conf_path,
    };

    if (slot->listen_fd >= 0)
        listeners[o.worker.listener_count++] = slot->listen_fd;
    if (p->unix_fd >= 0)
        listeners[o.worker.listener_count++] = p->unix_fd;
    o.worker.log.worker = slot->number;
    close_inherited(p);
    return child_run(&o);
}

static void on_pipe(void *ctx, unsigned events);

static int start_child(struct child_slot *slot, struct err *err)
{
    struct parent *p = slot->parent;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return err_sys(err, "cannot make a pipe");
    pid_t pid = fork();
    if (pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return err_sys(err, "cannot fork");
    }
    if (pid == 0) {
        close(ends[0]);
        p->o.leave(run_child(p, slot, ends[1]));
    }
    close(ends[1]);
    slot->pid = pid;
    slot->pipe = (struct loop_io){ .fd = ends[0], .fn = on_pipe, .ctx = slot };
    log_event(&p->o.log, LOG_LEVEL_INFO, loop_wall_us(p->loop), "worker_started",
              LOG_INT("number", slot->number), LOG_INT("pid", pid));
    return loop_io_add(p->loop, &slot->pipe, 0, err);
}

static void start_later(struct child_slot *slot)
{
    loop_timer_set(slot->parent->loop, &slot->respawn,
                   loop_now_us(slot->parent->loop) + RESPAWN_US);
}

static void on_respawn(void *ctx)
{
    struct child_slot *slot = ctx;
    struct err err;

    if (slot->parent->is_draining || start_child(slot, &err) == 0)
        return;
    say(slot->parent, LOG_LEVEL_ERROR, "worker_not_started", err.text);
    start_later(slot);
}

static void push_messages(struct child_slot *slot)
{
    while (slot->out.len) {
        ssize_t n = send(slot->pipe.fd, slot->out.ptr, slot->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n <= 0)
            break;
        buf_consume(&slot->out, (size_t)n);
    }
    if (!slot->out.len && slot->out.ptr) { /* it may have held secrets */
        explicit_bzero(slot->out.ptr, slot->out.cap);
        buf_release(&slot->out);
    }
    loop_io_want(slot->parent->loop, &slot->pipe, slot->out.len ? LOOP_WRITE : 0);
}

static void on_pipe(void *ctx, unsigned events)
{
    struct child_slot *slot = ctx;

    if (events & LOOP_HANGUP) { /* it is dying: SIGCHLD comes */
        loop_io_remove(slot->parent->loop, &slot->pipe);
        return;
    }
    push_messages(slot);
}

static void tell(struct parent *p, enum child_message kind, struct str bytes)
{
    for (unsigned i = 0; i < p->child_count; i++) {
        struct child_slot *slot = &p->children[i];
        if (slot->pid <= 0 || !slot->pipe.is_added)
            continue;
        child_write_message(&slot->out, kind, bytes);
        push_messages(slot);
    }
}

static unsigned children_alive(const struct parent *p)
{
    unsigned alive = 0;

    for (unsigned i = 0; i < p->child_count; i++)
        alive += p->children[i].pid > 0;
    return alive;
}

static void on_child_end(struct child_slot *slot, int status)
{
    struct parent *p = slot->parent;

    loop_io_remove(p->loop, &slot->pipe);
    close(slot->pipe.fd);
    buf_release(&slot->out);
    slot->pid = 0;
    p->stats[slot->number].up = 0;
    policy_keeper_forget(p->keeper, slot->number);
    log_event(&p->o.log, p->is_draining ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, loop_wall_us(p->loop),
              "worker_ended", LOG_INT("number", slot->number),
              LOG_INT("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
              LOG_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
    if (!p->is_draining)
        start_later(slot);
    else if (!children_alive(p))
        loop_stop(p->loop);
}

/* --- signals --- */

static void drain(struct parent *p)
{
    if (p->is_draining) {
        tell(p, CHILD_STOP, STR(""));
        return;
    }
    say(p, LOG_LEVEL_INFO, "draining", "told to stop");
    p->is_draining = true;
    tell(p, CHILD_DRAIN, STR(""));
    if (!children_alive(p))
        loop_stop(p->loop);
}

/* What only a new start can change. */
static bool needs_restart(const struct proxy_conf *a, const struct proxy_conf *b)
{
    return !str_eq(a->listen.host, b->listen.host) || a->listen.port != b->listen.port ||
           !str_eq(a->listen.admin_host, b->listen.admin_host) ||
           a->listen.admin_port != b->listen.admin_port ||
           !str_eq(a->listen.unix_path, b->listen.unix_path) ||
           !str_eq(a->listen.unix_group, b->listen.unix_group) ||
           !str_eq(a->listen.status_path, b->listen.status_path) ||
           a->listen.workers != b->listen.workers || !str_eq(a->listen.user, b->listen.user) ||
           !str_eq(a->listen.group, b->listen.group) ||
           !str_eq(a->conf->archive_path, b->conf->archive_path) ||
           !str_eq(a->conf->key_file, b->conf->key_file);
}

/* The parent's own counters. */
static struct proxy_stats *own_stats(const struct parent *p)
{
    return &p->stats[p->child_count];
}

static void use_conf(struct parent *p, struct proxy_conf *c)
{
    proxy_conf_unref(p->conf);
    p->conf = c;
    own_stats(p)->certificate_expires_timestamp_seconds = (uint64_t)c->listen.cert_not_after;
}

/* Those of the configuration, and more: paths with a NUL behind each. */
static void watch_files(struct parent *p, struct str more)
{
    VEC(struct str) paths = { 0 };

    if (!p->watch)
        return;
    if (p->conf->watch)
        vec_push(&paths, str_from(p->o.conf_path));
    for (size_t i = 0; p->conf->watch && i < p->conf->files.len; i++)
        vec_push(&paths, p->conf->files.ptr[i].path);
    for (; p->conf->watch && more.len; more = str_sub(more, strlen(more.ptr) + 1, more.len))
        vec_push(&paths, str_from(more.ptr));
    watch_set(p->watch, paths.ptr, paths.len);
    vec_release(&paths);
}

/* --- session tickets --- */

static void set_ticket_timer(struct parent *p)
{
    loop_timer_set(p->loop, &p->ticket_timer, loop_now_us(p->loop) + p->conf->listen.tickets_us);
}

/* A new key makes tickets from now on; those of the one before are still taken, those of the one
 * before that no more: whoever learns a key can read the sessions of two periods at most. */
static void make_ticket_key(struct parent *p)
{
    memmove(p->ticket_keys + TLS_TICKET_KEY_BYTES, p->ticket_keys,
            sizeof(p->ticket_keys) - TLS_TICKET_KEY_BYTES);
    random_bytes(p->ticket_keys, TLS_TICKET_KEY_BYTES);
    if (p->ticket_key_bytes < sizeof(p->ticket_keys))
        p->ticket_key_bytes += TLS_TICKET_KEY_BYTES;
}

static void on_ticket_timer(void *ctx)
{
    struct parent *p = ctx;

    set_ticket_timer(p);
    make_ticket_key(p);
    if (p->conf->listen.tls_cert.len) {
        say(p, LOG_LEVEL_DEBUG, "ticket_key_changed", "");
        tell(p, CHILD_TICKETS, (struct str){ (const char *)p->ticket_keys, p->ticket_key_bytes });
    }
}

/* --- the cutover --- */

static void tell_cutover(void *ctx, struct str text)
{
    tell(ctx, CHILD_CUTOVER, text);
}

static int open_cutover(struct parent *p, struct err *err)
{
    struct cutover_keeper_options o = {
        .loop = p->loop, .log = &p->o.log, .stats = own_stats(p), .tell = tell_cutover, .ctx = p
    };

    return cutover_keeper_open(&o, p->conf, &p->cutover, err);
}

static void reload(struct parent *p)
{
    CLEANUP(buf_release) struct buf packed = { 0 }, paths = { 0 };
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = NULL;
    struct err err;

    if (proxy_conf_reload(p->o.conf_path, &c, &paths, &err) < 0 ||
        proxy_policy_make(c, p->o.prices, &err) < 0 ||
        cutover_keeper_fit(p->cutover, c, &err) < 0) {
        own_stats(p)->reloads_refused++;
        say(p, LOG_LEVEL_ERROR, "reload_refused", err.text);
        watch_files(p, buf_str(&paths)); /* a change of one of them may mend it */
        return;
    }
    if (needs_restart(p->started, c))
        say(p, LOG_LEVEL_WARN, "reload_in_part",
            "listen addresses, workers, the user and the archive's place change with the next "
            "start");
    own_stats(p)->reloads++;
    say(p, LOG_LEVEL_INFO, "reloaded", p->o.conf_path);
    proxy_conf_pack(c, &packed);
    policy_keeper_use(p->keeper, c);
    bool is_other_time = c->listen.tickets_us != p->conf->listen.tickets_us;
    use_conf(p, TAKE(c));
    if (is_other_time)
        set_ticket_timer(p);
    watch_files(p, STR(""));
    tell(p, CHILD_RELOAD, buf_str(&packed));
    explicit_bzero(packed.ptr, packed.len);
    cutover_keeper_use(p->cutover, p->conf);
}

/* The cutover as well: it may fit only now, and a bad configuration must not keep it from changing.
 */
static void reload_all(struct parent *p)
{
    reload(p);
    cutover_keeper_read(p->cutover);
}

static void on_change(void *ctx)
{
    struct parent *p = ctx;

    if (!p->is_draining)
        reload_all(p);
}

static void reap(struct parent *p)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        sealer_on_exit(p->sealer, pid, status, loop_now_us(p->loop), loop_wall_us(p->loop));
        for (unsigned i = 0; i < p->child_count; i++)
            if (p->children[i].pid == pid)
                on_child_end(&p->children[i], status);
    }
}

static void on_signal(void *ctx, unsigned events)
{
    static const struct {
        uint32_t number;
        void (*fn)(struct parent *p);
    } rows[] = {
        {SIGTERM,  drain     },
        { SIGINT,  drain     },
        { SIGHUP,  reload_all},
        { SIGCHLD, reap      },
    };
    struct parent *p = ctx;
    struct signalfd_siginfo info;

    (void)events;
    if (read(p->signals.fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].number == info.ssi_signo)
            rows[i].fn(p);
}

static int take_signals(struct parent *p, struct err *err)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN); /* a peer that closed is an error of the write, here and in workers */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &p->old_mask);
    p->signals = (struct loop_io){ .fn = on_signal, .ctx = p };
    p->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (p->signals.fd < 0)
        return err_sys(err, "cannot take signals");
    return loop_io_add(p->loop, &p->signals, LOOP_READ, err);
}

/* --- sealing --- */

static void on_seal_timer(void *ctx)
{
    struct parent *p = ctx;

    loop_timer_set(p->loop, &p->seal_timer, loop_now_us(p->loop) + SEAL_US);
    sealer_tick(p->sealer, loop_now_us(p->loop), loop_wall_us(p->loop));
}

static int open_sealer(struct parent *p, struct err *err)
{
    struct sealer_options o = {
        .archive = p->archive,
        .key = p->conf->conf->key_file.len ? &p->key : NULL,
        .log = &p->o.log,
        .stats = own_stats(p),
        .created_by = p->o.created_by,
        .leave = p->o.leave,
    };

    return sealer_open(&o, &p->sealer, err);
}

/* --- admin --- */

static bool is_ready(void *ctx)
{
    const struct parent *p = ctx;
    uint64_t up = 0;

    for (unsigned i = 0; i < p->child_count; i++)
        up += p->stats[i].up && !p->stats[i].journal_failing;
    return up > 0 && !p->is_draining;
}

static void add_metrics(void *ctx, struct buf *out)
{
    const struct parent *p = ctx;

    stats_write_metrics(p->stats, p->child_count + 1, out);
    policy_keeper_metrics(p->keeper, out);
    if (p->conf->cutover_path.len)
        stats_cutover_metrics(p->stats, p->child_count, out);
}

static bool answer_command(void *ctx, struct str word, struct buf *out)
{
    struct parent *p = ctx;
    bool is_drain = str_eq(word, STR("drain"));

    if (!is_drain && !str_eq(word, STR("status")))
        return false;
    if (is_drain && !p->is_draining)
        drain(p);
    buf_add_byte(out, '{');
    json_add_str(out, "state", str_from(p->is_draining ? "draining" : "serving"));
    json_add_int(out, "pid", getpid());
    json_add_int(out, "uptime_s",
                 (int64_t)((loop_wall_us(p->loop) - p->started_us) / UINT64_C(1000000)));
    json_add_int(out, "workers", p->child_count);
    stats_write_json(p->stats, p->child_count + 1, out);
    if (p->conf->cutover_path.len)
        stats_cutover_json(p->stats, p->child_count, out);
    policy_keeper_status(p->keeper, out);
    buf_add_text(out, "}\n");
    return true;
}

/* --- starting --- */

static void log_listening(const struct parent *p, const char *what, int fd)
{
    char address[LISTENER_ADDRESS_BYTES];

    listener_address(fd, address, NULL);
    log_event(&p->o.log, LOG_LEVEL_INFO, loop_wall_us(p->loop), what,
              LOG_STR("address", str_from(address)));
}

/* Once all that clients may connect to is there. */
static void log_places(const struct parent *p)
{
    if (p->conf->listen.host.len)
        log_listening(p, "listening", p->children[0].listen_fd);
    if (p->admin_fd >= 0)
        log_listening(p, "admin_listening", p->admin_fd);
}

static void warn_of_unread(const struct parent *p)
{
    for (size_t i = 0; i < p->conf->conf->unread_count; i++)
        if (!str_eq(p->conf->conf->unread[i], STR("policy")))
            log_event(&p->o.log, LOG_LEVEL_WARN, loop_wall_us(p->loop), "section_not_read",
                      LOG_STR("section", p->conf->conf->unread[i]));
}

static int open_workers_listeners(struct parent *p, struct err *err)
{
    const struct proxy_listen *l = &p->conf->listen;
    char address[LISTENER_ADDRESS_BYTES];
    uint16_t port = l->port;
    int probe;

    if (l->host.len && port && p->child_count > 1) {
        /* Workers share a port, and would with those of another weir: that is an error here. */
        if (listener_open(l->host, port, false, &probe, err) < 0)
            return -1;
        close(probe);
    }
    for (unsigned i = 0; l->host.len && i < p->child_count; i++) {
        if (listener_open(l->host, port, p->child_count > 1, &p->children[i].listen_fd, err) < 0)
            return -1;
        listener_address(p->children[i].listen_fd, address, &port);
    }
    return 0;
}

static int open_ports(struct parent *p, struct err *err)
{
    const struct proxy_listen *l = &p->conf->listen;

    if (open_workers_listeners(p, err) < 0)
        return -1;
    if (l->admin_host.len &&
        listener_open(l->admin_host, l->admin_port, false, &p->admin_fd, err) < 0)
        return err_wrap(err, "admin");
    return 0;
}

static int open_sockets(struct parent *p, struct err *err)
{
    const struct proxy_listen *l = &p->conf->listen;
    const struct admin_answers answers = {
        .is_ready = is_ready, .metrics = add_metrics, .command = answer_command, .ctx = p
    };

    if (l->unix_path.len && listener_open_unix(l->unix_path.ptr, &p->unix_fd, err) < 0)
        return -1;
    if (l->unix_group.len && privileges_share_socket(l->unix_path.ptr, l->unix_group.ptr, err) < 0)
        return err_wrap(err, "configuration '%s': listen.unix_group", p->o.conf_path);
    if (l->status_path.len && listener_open_unix(l->status_path.ptr, &p->status_fd, err) < 0)
        return -1;
    return admin_open(p->loop, p->admin_fd, p->status_fd, &answers, &p->admin, err);
}

/* Whom the configuration says, and without a core that would hold keys. */
static int become(struct parent *p, struct err *err)
{
    const struct proxy_listen *l = &p->conf->listen;

    if (l->user.len && privileges_drop(l->user.ptr, l->group.len ? l->group.ptr : NULL, err) < 0)
        return err_wrap(err, "configuration '%s': listen.user", p->o.conf_path);
    if (l->user.len)
        log_event(&p->o.log, LOG_LEVEL_INFO, loop_wall_us(p->loop), "user_is",
                  LOG_STR("user", l->user));
    privileges_forbid_cores();
    return 0;
}

static unsigned worker_count(const struct parent *p, const struct proxy_conf *c)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = p->o.workers ? p->o.workers : c->listen.workers;

    if (!count)
        count = processors > 0 ? (unsigned)processors : 1;
    return count > PROXY_WORKERS_MAX ? PROXY_WORKERS_MAX : count;
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_archive(struct parent *p, struct err *err)
{
    struct str key_file = p->conf->conf->key_file;

    if (archive_open(p->conf->conf->archive_path.ptr, true, &p->archive, err) < 0)
        return -1;
    return key_file.len ? key_load(key_file.ptr, false, &p->key, err) : 0;
}

/* Once the archive is there, which is where budgets are kept. */
static int open_keeper(struct parent *p, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };
    struct policy_keeper_options o = { .loop = p->loop, .log = &p->o.log };

    buf_addf(&path, "%.*s/" BUDGETS_FILE, STR_ARG(p->conf->conf->archive_path));
    o.budgets_path = buf_cstr(&path);
    return policy_keeper_open(&o, p->conf, &p->keeper, err);
}

static int share_stats(struct parent *p, struct err *err)
{
    p->stats = mmap(NULL, sizeof(*p->stats) * (PROXY_WORKERS_MAX + 1), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p->stats != MAP_FAILED)
        return 0;
    p->stats = NULL;
    return err_sys(err, "cannot share memory with the workers");
}

/* Ports first, which may need root; all else is made by, and within reach of, whom we become. */
static int prepare(struct parent *p, struct err *err)
{
    CLEANUP(proxy_conf_unref) struct proxy_conf *c = NULL;

    if (proxy_conf_load(p->o.conf_path, true, &c, err) < 0 ||
        proxy_policy_make(c, p->o.prices, err) < 0)
        return -1;
    p->child_count = worker_count(p, c);
    if (share_stats(p, err) < 0)
        return -1;
    p->started = proxy_conf_ref(c);
    use_conf(p, TAKE(c));
    make_ticket_key(p);
    warn_of_unread(p);
    raise_descriptor_limit();
    p->started_us = loop_wall_us(p->loop);
    if (open_ports(p, err) < 0 || become(p, err) < 0 || open_archive(p, err) < 0)
        return -1;
    return open_cutover(p, err) < 0 ? -1 : open_keeper(p, err);
}

static int start(struct parent *p, struct err *err)
{
    if (take_signals(p, err) < 0 || prepare(p, err) < 0 || open_sockets(p, err) < 0 ||
        watch_open(p->loop, on_change, p, &p->watch, err) < 0 || open_sealer(p, err) < 0)
        return -1;
    watch_files(p, STR(""));
    log_places(p);
    for (unsigned i = 0; i < p->child_count; i++)
        if (start_child(&p->children[i], err) < 0)
            return -1;
    loop_timer_set(p->loop, &p->seal_timer, loop_now_us(p->loop));
    set_ticket_timer(p);
    return 0;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void stop(struct parent *p)
{
    p->is_draining = true;
    tell(p, CHILD_STOP, STR(""));
    for (unsigned i = 0; i < p->child_count; i++) {
        struct child_slot *slot = &p->children[i];
        if (slot->pid > 0)
            waitpid(slot->pid, NULL, 0);
        if (slot->pid > 0) {
            loop_io_remove(p->loop, &slot->pipe);
            close(slot->pipe.fd);
        }
        buf_release(&slot->out);
        loop_timer_cancel(p->loop, &slot->respawn);
        close_fd(slot->listen_fd);
    }
    sealer_close(p->sealer);
    admin_close(p->admin);
    if (p->unix_fd >= 0)
        unlink(p->started->listen.unix_path.ptr);
    if (p->status_fd >= 0)
        unlink(p->started->listen.status_path.ptr);
    close_fd(p->unix_fd);
    close_fd(p->status_fd);
    close_fd(p->admin_fd);
}

static void release(struct parent *p)
{
    loop_io_remove(p->loop, &p->signals);
    loop_timer_cancel(p->loop, &p->seal_timer);
    loop_timer_cancel(p->loop, &p->ticket_timer);
    watch_close(p->watch);
    cutover_keeper_close(p->cutover);
    policy_keeper_close(p->keeper);
    close_fd(p->signals.fd);
    sigprocmask(SIG_SETMASK, &p->old_mask, NULL);
    if (p->stats)
        munmap(p->stats, sizeof(*p->stats) * (PROXY_WORKERS_MAX + 1));
    archive_close(p->archive);
    proxy_conf_unref(p->conf);
    proxy_conf_unref(p->started);
    loop_close(p->loop);
    explicit_bzero(p, sizeof(*p));
    free(p);
}

int parent_run(const struct parent_options *options, struct err *err)
{
    struct parent *p = mem_calloc(1, sizeof(*p));

    p->o = *options;
    p->unix_fd = p->admin_fd = p->status_fd = p->signals.fd = -1;
    p->seal_timer = (struct loop_timer){ .fn = on_seal_timer, .ctx = p };
    p->ticket_timer = (struct loop_timer){ .fn = on_ticket_timer, .ctx = p };
    for (int i = 0; i < PROXY_WORKERS_MAX; i++) {
        p->children[i] = (struct child_slot){ .parent = p, .number = i, .listen_fd = -1 };
        p->children[i].respawn = (struct loop_timer){ .fn = on_respawn, .ctx = &p->children[i] };
    }
    sigprocmask(SIG_SETMASK, NULL, &p->old_mask);
    if (loop_open(&p->loop, err) < 0) {
        free(p);
        return -1;
    }
    loop_read_clocks(p->loop);
    int r = start(p, err);
    if (r == 0)
        r = loop_run(p->loop, err);
    if (r == 0)
        say(p, LOG_LEVEL_INFO, "stopped", "all calls have ended");
    stop(p);
    release(p);
    return r;
}

#include "config.h"

#include "proxy/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/vec.h"

#define LINKS_MAX 16 /* on the way to one file */
#define EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB |            \
     IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* Which file it is, and which version of it. */
struct mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec written, changed;
};

struct watched {
    char *path;
    struct mark mark; /* zero = it is not there */
};

struct watch {
    struct loop *loop;
    void (*fn)(void *ctx);
    void *ctx;
    struct loop_io io;
    struct loop_timer quiet, poll;
    uint64_t first_us; /* when the present changes began */
    VEC(struct watched) files;
    VEC(int) folders; /* watch descriptors */
};

static struct mark mark_of(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return (struct mark){ 0 };
    return (struct mark){ st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim };
}

static bool is_same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same(const struct mark *a, const struct mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           is_same_time(a->written, b->written) && is_same_time(a->changed, b->changed);
}

/* --- folders --- */

static void add_folder(struct watch *w, const char *path)
{
    CLEANUP(buf_release) struct buf folder = { 0 };
    const char *slash = strrchr(path, '/');

    if (slash)
        buf_add(&folder, path, slash == path ? 1 : (size_t)(slash - path));
    else
        buf_add_byte(&folder, '.');
    int wd = inotify_add_watch(w->io.fd, buf_cstr(&folder), EVENTS);
    if (wd < 0)
        return; /* the poll remains */
    for (size_t i = 0; i < w->folders.len; i++)
        if (w->folders.ptr[i] == wd)
            return;
    vec_push(&w->folders, wd);
}

/* The folders that hold path and each link it leads through. */
static void add_folders(struct watch *w, const char *path)
{
    char at[PATH_MAX], target[PATH_MAX];

    if (strlen(path) >= sizeof(at))
        return;
    memcpy(at, path, strlen(path) + 1);
    for (int i = 0; i < LINKS_MAX; i++) {
        add_folder(w, at);
        ssize_t n = readlink(at, target, sizeof(target) - 1);
        if (n <= 0)
            return;
        target[n] = '\0';
        char *slash = strrchr(at, '/');
        size_t kept = target[0] != '/' && slash ? (size_t)(slash - at) + 1 : 0;
        if (kept + (size_t)n >= sizeof(at))
            return;
        memcpy(at + kept, target, (size_t)n + 1);
    }
}

static void watch_folders(struct watch *w)
{
    if (w->io.fd < 0)
        return;
    for (size_t i = 0; i < w->folders.len; i++)
        inotify_rm_watch(w->io.fd, w->folders.ptr[i]);
    vec_clear(&w->folders);
    for (size_t i = 0; i < w->files.len; i++)
        add_folders(w, w->files.ptr[i].path);
}

/* --- changes --- */

/* Whether any is another now; remembers what they are. */
static bool take_changes(struct watch *w)
{
    bool changed = false;

    for (size_t i = 0; i < w->files.len; i++) {
        struct mark now = mark_of(w->files.ptr[i].path);
        changed |= !is_same(&now, &w->files.ptr[i].mark);
        w->files.ptr[i].mark = now;
    }
    return changed;
}

static void look(struct watch *w)
{
    if (!take_changes(w))
        return;
    watch_folders(w); /* links may lead elsewhere */
    w->fn(w->ctx);
}

static void on_quiet(void *ctx)
{
    look(ctx);
}

static void on_poll(void *ctx)
{
    struct watch *w = ctx;

    loop_timer_set(w->loop, &w->poll, loop_now_us(w->loop) + WATCH_POLL_US);
    look(w);
}

static void on_event(void *ctx, unsigned events)
{
    struct watch *w = ctx;
    char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    uint64_t now = loop_now_us(w->loop);

    (void)events;
    /* Which folder and name does not matter: all files are looked at. */
    while (read(w->io.fd, bytes, sizeof(bytes)) > 0)
        continue;
    if (!loop_timer_is_set(&w->quiet))
        w->first_us = now;
    uint64_t due = now + WATCH_QUIET_US, last = w->first_us + WATCH_WAIT_US;
    loop_timer_set(w->loop, &w->quiet, due < last ? due : last);
}

/* --- life --- */

int watch_open(struct loop *l, void (*fn)(void *ctx), void *ctx, struct watch **ret,
               struct err *err)
{
    CLEANUP(watch_close) struct watch *w = mem_calloc(1, sizeof(*w));

    w->loop = l;
    w->fn = fn;
    w->ctx = ctx;
    w->quiet = (struct loop_timer){ .fn = on_quiet, .ctx = w };
    w->poll = (struct loop_timer){ .fn = on_poll, .ctx = w };
    w->io = (struct loop_io){ .fn = on_event, .ctx = w };
    w->io.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->io.fd < 0 && errno != EMFILE && errno != ENFILE && errno != ENOSYS)
        return err_sys(err, "cannot watch files");
    if (w->io.fd >= 0 && loop_io_add(l, &w->io, LOOP_READ, err) < 0)
        return -1;
    loop_timer_set(l, &w->poll, loop_now_us(l) + WATCH_POLL_US);
    *ret = TAKE(w);
    return 0;
}

void watch_close(struct watch *w)
{
    if (!w)
        return;
    loop_timer_cancel(w->loop, &w->quiet);
    loop_timer_cancel(w->loop, &w->poll);
    loop_io_remove(w->loop, &w->io);
    if (w->io.fd >= 0)
        close(w->io.fd);
    for (size_t i = 0; i < w->files.len; i++)
        free(w->files.ptr[i].path);
    vec_release(&w->files);
    vec_release(&w->folders);
    free(w);
}

void watch_close_inherited(const struct watch *w)
{
    if (w && w->io.fd >= 0)
        close(w->io.fd);
}

static const struct watched *find(const struct watched *files, size_t count, struct str path)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(str_from(files[i].path), path))
            return &files[i];
    return NULL;
}

void watch_set(struct watch *w, const struct str *paths, size_t count)
{
    struct watched *old = w->files.ptr;
    size_t old_count = w->files.len;

    w->files.ptr = NULL;
    w->files.len = w->files.cap = 0;
    for (size_t i = 0; i < count; i++) {
        const struct watched *known = find(old, old_count, paths[i]);
        if (find(w->files.ptr, w->files.len, paths[i]))
            continue;
        char *path = mem_strndup(paths[i].ptr, paths[i].len);
        vec_push(&w->files, ((struct watched){ path, known ? known->mark : mark_of(path) }));
    }
    for (size_t i = 0; i < old_count; i++)
        free(old[i].path);
    free(old);
    watch_folders(w);
}

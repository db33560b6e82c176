#include "config.h"

#include "cli/migration.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/timestamp.h"
#include "capture/conf.h"
#include "cli/datadir.h"

#define DEFAULT_PLAN "programme.yaml"

const struct exit_status migration_exits[] = {
    {EXIT_HOLD,         "nothing was done: what was asked for has to wait, and why is printed"},
    { EXIT_DRIFT,       "what is live is not what the ledger says: somebody else changed it"  },
    { EXIT_ROLLED_BACK, "an application was rolled back, or a step was undone"                },
    { EXIT_NOT_READY,
     "a check of readiness, a preflight or a rehearsal is missing, old, or failed"            },
    { EXIT_LOCKED,      "somebody else changes this rollout now"                              },
    { 0,                NULL                                                                  },
};

/* Who runs it: what the ledger remembers. */
static char *actor_of(void)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    const struct passwd *who = getpwuid(geteuid());
    char host[256] = "";

    if (gethostname(host, sizeof(host) - 1) < 0)
        host[0] = '\0';
    if (who)
        buf_add_text(&text, who->pw_name);
    else
        buf_addf(&text, "uid%u", (unsigned)geteuid());
    buf_addf(&text, "@%s", host[0] ? host : "localhost");
    return mem_strndup(text.ptr, text.len);
}

static int load_plan(const struct invocation *inv, struct programme **ret, struct err *err)
{
    const char *plan = invocation_get(inv, "plan");
    const char *path = plan ? plan : DEFAULT_PLAN;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return err_set(err, ERR_USAGE,
                       "there is no plan '%s': --plan FILE names another one, 'weir migrate plan "
                       "--archive DIR' drafts one from recorded traffic",
                       path);
    return programme_load(path, ret, err);
}

static bool has_name(const char *folder, const char *name)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_addf(&path, "%s/%s", folder, name);
    return file_exists(buf_cstr(&path));
}

static int open_rollout(enum rollout_mode mode, struct migration *ret, struct err *err)
{
    if (rollout_open(ret->programme->rollout.ptr, mode, str_from(ret->actor), ret->now_us,
                     &ret->rollout, err) < 0)
        return -1;
    return portfolio_read(ret->programme, ret->rollout, &ret->portfolio, err);
}

int migration_open(const struct invocation *inv, enum rollout_mode mode, struct migration *ret,
                   struct err *err)
{
    *ret = (struct migration){ .inv = inv, .now_us = clock_now_us(), .actor = actor_of() };
    return load_plan(inv, &ret->programme, err) < 0 ? -1 : open_rollout(mode, ret, err);
}

/* --- without a plan --- */

/* The rollouts beside the plan. */
static int list_rollouts(const char *folder, struct buf *ret_last, size_t *ret_count,
                         struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list list = { 0 };
    CLEANUP(buf_release) struct buf path = { 0 };

    if (dir_list_read(folder[0] ? folder : ".", &list, err) < 0)
        return -1;
    for (size_t i = 0; i < list.len; i++) {
        buf_clear(&path);
        buf_addf(&path, "%s%s%s", folder, folder[0] ? "/" : "", list.names[i]);
        if (!has_name(buf_cstr(&path), ROLLOUT_FILE))
            continue;
        ++*ret_count;
        buf_clear(ret_last);
        buf_add_str(ret_last, buf_str(&path));
    }
    return 0;
}

/* Which rollout the plan that cannot be read has; why: it cannot. */
static int guess_rollout(const struct invocation *inv, const char *folder, const struct err *why,
                         struct buf *ret, struct err *err)
{
    const char *given = invocation_get(inv, "rollout");
    size_t count = 0;

    if (given) {
        buf_add_text(ret, given);
        return has_name(given, ROLLOUT_FILE)
                   ? 0
                   : err_set(err, ERR_USAGE, "'%s' is no rollout's folder: it has no " ROLLOUT_FILE,
                             given);
    }
    if (list_rollouts(folder, ret, &count, err) < 0)
        return -1;
    if (count == 1)
        return 0;
    *err = *why;
    return err_wrap(err, "%s; without a plan",
                    count ? "there is more than one rollout beside it, --rollout DIR says which"
                          : "there is no rollout beside it, --rollout DIR says where it is");
}

/* The plan by which an actuator was last made what it is, where an entry says so; "" = none. */
static struct str settled_by(const struct rollout *r, size_t index)
{
    const struct rollout_entry *e = rollout_at(r, index);

    return e->kind == ROLLOUT_COMMITTED || e->kind == ROLLOUT_ACCEPTED ? e->plan : STR("");
}

static bool has_operands(const struct invocation *inv, const struct programme *p)
{
    for (size_t i = 0; i < invocation_operand_count(inv); i++) {
        const char *name = invocation_operand(inv, i);
        if (strcmp(name, "all") != 0 && !programme_find_app(p, str_from(name)) &&
            !programme_find_wave(p, str_from(name)))
            return false;
    }
    return true;
}

/* The plan in a blob; NULL if it is not one. */
static struct programme *read_blob(const struct rollout *r, struct str sha, const char *folder)
{
    CLEANUP(buf_release) struct buf text = { 0 }, name = { 0 };
    struct programme *p = NULL;
    struct err err;

    buf_addf(&name, "blobs/%.*s", STR_ARG(sha));
    if (rollout_get_blob(r, sha, &text, &err) < 0 ||
        programme_parse(buf_str(&text), buf_cstr(&name), folder, &p, &err) < 0)
        return NULL;
    return p;
}

/* The latest that has all of the operands, else the latest. */
static struct programme *find_last_plan(const struct invocation *inv, const struct rollout *r,
                                        const char *folder, const struct rollout_entry **ret_by)
{
    struct programme *best = NULL;
    struct str tried = STR("");

    for (size_t i = rollout_count(r); i > 0; i--) {
        struct str sha = settled_by(r, i - 1);
        if (!sha.len || str_eq(sha, tried))
            continue;
        tried = sha;
        struct programme *p = read_blob(r, sha, folder);
        if (p && (!best || has_operands(inv, p))) {
            programme_free(best);
            best = p;
            *ret_by = rollout_at(r, i - 1);
        } else {
            programme_free(p);
        }
        if (best && has_operands(inv, best))
            break;
    }
    return best;
}

static int recall_plan(enum rollout_mode mode, const struct err *why, struct migration *ret,
                       struct buf *ret_said, struct err *err)
{
    const struct invocation *inv = ret->inv;
    CLEANUP(rollout_close) struct rollout *r = NULL;
    CLEANUP(buf_release) struct buf folder = { 0 }, rollout = { 0 };
    const char *path = invocation_get(inv, "plan");
    const char *slash = path ? strrchr(path, '/') : NULL;
    const struct rollout_entry *by = NULL;

    if (slash)
        buf_add(&folder, path, slash == path ? 1 : (size_t)(slash - path));
    if (guess_rollout(inv, buf_cstr(&folder), why, &rollout, err) < 0 ||
        rollout_open(buf_cstr(&rollout), mode == ROLLOUT_REPAIR ? mode : ROLLOUT_READ,
                     str_from(ret->actor), ret->now_us, &r, err) < 0)
        return -1;
    struct programme *p = find_last_plan(inv, r, buf_cstr(&folder), &by);
    if (!p) {
        *err = *why;
        return err_wrap(err, "no step in '%s' was committed by a plan that can be read",
                        buf_cstr(&rollout));
    }
    /* A plan's own word for it may be relative to where it lay then. */
    p->rollout = arena_str(&p->arena, buf_str(&rollout));
    ret->programme = p;
    buf_addf(ret_said, "%s; going by the plan of entry %" PRIu64 " of '%s' instead (blobs/%.*s)",
             why->text, by->seq, p->rollout.ptr, STR_ARG(by->plan));
    return 0;
}

int migration_open_anyhow(const struct invocation *inv, enum rollout_mode mode,
                          struct migration *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf said = { 0 };
    struct err why;

    *ret = (struct migration){ .inv = inv, .now_us = clock_now_us(), .actor = actor_of() };
    if (load_plan(inv, &ret->programme, &why) < 0 && recall_plan(mode, &why, ret, &said, err) < 0)
        return -1;
    if (open_rollout(mode, ret, err) < 0)
        return -1;
    if (said.len)
        cli_note(inv, "%s", buf_cstr(&said));
    return 0;
}

/* --- the ledger alone --- */

int migration_find_rollout(const struct invocation *inv, struct programme **ret_programme,
                           const char **ret_folder, struct err *err)
{
    if (invocation_operand_count(inv)) {
        const char *folder = invocation_operand(inv, 0);
        *ret_folder = folder;
        if (has_name(folder, ROLLOUT_FILE) || has_name(folder, "blobs"))
            return 0;
        return err_set(err, ERR_USAGE, "'%s' is no rollout's folder: it has no " ROLLOUT_FILE,
                       folder);
    }
    if (load_plan(inv, ret_programme, err) < 0)
        return -1;
    *ret_folder = (*ret_programme)->rollout.ptr;
    return 0;
}

int migration_read_again(struct migration *m, struct err *err)
{
    portfolio_free(m->portfolio);
    m->portfolio = NULL;
    return portfolio_read(m->programme, m->rollout, &m->portfolio, err);
}

void price_keeper_release(struct price_keeper *k)
{
    price_book_free(k->book);
    buf_release(&k->marks);
}

/* Files and folders, each loaded on top of those before. */
struct price_paths {
    VEC(char *) list;
};

static void price_paths_release(struct price_paths *p)
{
    for (size_t i = 0; i < p->list.len; i++)
        free(p->list.ptr[i]);
    vec_release(&p->list);
}
DEFINE_CLEANUP_VALUE(struct price_paths, price_paths_release)

static int find_prices(const struct programme *p, struct price_paths *ret, struct err *err)
{
    CLEANUP(conf_free) struct conf *conf = NULL;
    char *shipped;

    if (datadir_path("prices", &shipped, err) < 0)
        return -1;
    vec_push(&ret->list, shipped);
    if (!p->config.len)
        return 0;
    if (conf_load(p->config.ptr, &conf, err) < 0)
        return -1;
    for (size_t i = 0; i < conf->price_count; i++)
        vec_push(&ret->list, mem_strndup(conf->prices[i].ptr, conf->prices[i].len));
    return 0;
}

static int load_prices(struct migration *m, struct err *err)
{
    CLEANUP(price_paths_release) struct price_paths paths = { 0 };
    CLEANUP(price_book_free) struct price_book *book = NULL;
    CLEANUP(buf_release) struct buf marks = { 0 };
    struct price_keeper *k = m->keeper;

    if (find_prices(m->programme, &paths, err) < 0)
        return -1;
    /* Before they are read: what changes meanwhile is read again by the next look. */
    for (size_t i = 0; k && i < paths.list.len; i++)
        if (price_book_mark(paths.list.ptr[i], &marks, err) < 0)
            return -1;
    if (k && k->book && str_eq(buf_str(&marks), buf_str(&k->marks))) {
        m->prices = k->book;
        return 0;
    }
    for (size_t i = 0; i < paths.list.len; i++)
        if (price_book_load(&book, paths.list.ptr[i], err) < 0)
            return -1;
    if (k) {
        price_keeper_release(k);
        *k = (struct price_keeper){ .book = book, .marks = marks };
        marks = (struct buf){ 0 };
    }
    m->prices = TAKE(book);
    return 0;
}

int migration_open_archive(struct migration *m, struct err *err)
{
    const struct programme *p = m->programme;

    if (!p->archive.len)
        return err_set(err, ERR_USAGE,
                       "%s names no archive: without one nothing can be judged; add 'archive: DIR'",
                       p->file.ptr);
    if (archive_open(p->archive.ptr, false, &m->archive, err) < 0)
        return err_wrap(err, "%s", p->file.ptr);
    return load_prices(m, err);
}

void migration_close(struct migration *m)
{
    if (!m->keeper)
        price_book_free(m->prices);
    archive_close(m->archive);
    portfolio_free(m->portfolio);
    rollout_close(m->rollout);
    programme_free(m->programme);
    free(m->actor);
}

int migration_fail(const struct invocation *inv, const struct err *err)
{
    int status = cli_fail(inv, err);

    return err->code == ERR_LIMIT && err->sys == EWOULDBLOCK ? EXIT_LOCKED : status;
}

static int64_t wait_now(void *ctx)
{
    struct timespec t;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void wait_sleep(void *ctx, int64_t us)
{
    struct timespec t = { us / 1000000, us % 1000000 * 1000 };

    (void)ctx;
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

struct actuator_wait migration_wait(void)
{
    return (struct actuator_wait){ .now_us = wait_now, .sleep_us = wait_sleep };
}

/* Marks in is_wanted whom one operand names. */
static int want(const struct migration *m, const char *name, bool *is_wanted, struct err *err)
{
    const struct programme *p = m->programme;
    const struct programme_app *app = programme_find_app(p, str_from(name));
    const struct programme_wave *wave = programme_find_wave(p, str_from(name));
    struct nearest nearest;

    if (app) {
        is_wanted[app - p->apps] = true;
        return 0;
    }
    for (size_t i = 0; wave && i < wave->app_count; i++)
        is_wanted[wave->apps[i] - p->apps] = true;
    if (wave)
        return 0;
    if (strcmp(name, "all") == 0) {
        memset(is_wanted, true, p->app_count);
        return 0;
    }
    nearest_init(&nearest, str_from(name));
    for (size_t i = 0; i < p->app_count; i++)
        nearest_offer(&nearest, p->apps[i].name.ptr);
    for (size_t i = 0; i < p->wave_count; i++)
        nearest_offer(&nearest, p->waves[i].name.ptr);
    return err_set(err, ERR_USAGE, "'%s' is no application and no wave of %s%s%s%s", name,
                   p->file.ptr, nearest.best ? "; did you mean '" : "",
                   nearest.best ? nearest.best : "", nearest.best ? "'?" : "");
}

int migration_apps_named(const struct migration *m, struct migration_apps *ret, struct err *err)
{
    const struct programme *p = m->programme;
    bool *is_wanted = mem_calloc(p->app_count + 1, sizeof(*is_wanted));
    int r = 0;

    for (size_t i = 0; r == 0 && i < invocation_operand_count(m->inv); i++)
        r = want(m, invocation_operand(m->inv, i), is_wanted, err);
    for (size_t i = 0; r == 0 && i < p->app_count; i++)
        if (is_wanted[i] && (!p->apps[i].retired || m->portfolio->apps[i].share > 0))
            vec_push(&ret->list, &m->portfolio->apps[i]);
    free(is_wanted);
    return r;
}

void migration_apps_release(struct migration_apps *l)
{
    vec_release(&l->list);
}

void migration_add_share(int32_t share, struct buf *out)
{
    if (share % 100 == 0)
        buf_addf(out, "%d %%", share / 100);
    else
        buf_addf(out, share % 10 ? "%d.%02d %%" : "%d.%d %%", share / 100,
                 share % 10 ? share % 100 : share % 100 / 10);
}

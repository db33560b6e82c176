#include "config.h"

#include "cli/migration.h"

#include <errno.h>
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

int migration_open(const struct invocation *inv, enum rollout_mode mode, struct migration *ret,
                   struct err *err)
{
    *ret = (struct migration){ .inv = inv, .now_us = clock_now_us(), .actor = actor_of() };
    if (load_plan(inv, &ret->programme, err) < 0)
        return -1;
    if (rollout_open(ret->programme->rollout.ptr, mode, str_from(ret->actor), ret->now_us,
                     &ret->rollout, err) < 0)
        return -1;
    return portfolio_read(ret->programme, ret->rollout, &ret->portfolio, err);
}

static bool has_name(const char *folder, const char *name)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_addf(&path, "%s/%s", folder, name);
    return file_exists(buf_cstr(&path));
}

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

static int load_prices(struct migration *m, struct err *err)
{
    char *shipped;

    if (datadir_path("prices", &shipped, err) < 0)
        return -1;
    int r = price_book_load(&m->prices, shipped, err);
    free(shipped);
    if (r < 0 || !m->programme->config.len)
        return r;
    CLEANUP(conf_free) struct conf *conf = NULL;
    if (conf_load(m->programme->config.ptr, &conf, err) < 0)
        return -1;
    for (size_t i = 0; i < conf->price_count; i++)
        if (price_book_load(&m->prices, conf->prices[i].ptr, err) < 0)
            return -1;
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

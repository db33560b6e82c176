#include "config.h"

#include "proxy/syncer.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct syncer {
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_busy; /* the loop's view: only it looks at this */
    /* Under lock: */
    struct sync_job *jobs;
    size_t count;
    bool done, stopping;
};

static int run_ticket(struct sync_job *job)
{
    return journal_sync_run(&job->ticket, &job->err);
}

static int run_finish(struct sync_job *job)
{
    return journal_finish(TAKE(job->writer), &job->err);
}

static int run_close(struct sync_job *job)
{
    return journal_close(TAKE(job->writer), &job->err);
}

static int run_create(struct sync_job *job)
{
    return archive_journal_create(job->archive, job->name, (int64_t)job->wall_us, JOURNAL_STRICT,
                                  &job->writer, &job->err);
}

static void run_jobs(struct sync_job *jobs, size_t count)
{
    static int (*const kinds[])(struct sync_job * job) = {
        [SYNC_TICKET] = run_ticket,
        [SYNC_FINISH] = run_finish,
        [SYNC_CLOSE] = run_close,
        [SYNC_CREATE] = run_create,
    };

    for (size_t i = 0; i < count; i++)
        jobs[i].failed = kinds[jobs[i].kind](&jobs[i]) < 0;
}

static void *run(void *ctx)
{
    struct syncer *s = ctx;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->stopping && (!s->jobs || s->done))
            pthread_cond_wait(&s->changed, &s->lock);
        if (!s->jobs || s->done)
            break;
        pthread_mutex_unlock(&s->lock);
        run_jobs(s->jobs, s->count);
        pthread_mutex_lock(&s->lock);
        s->done = true;
        loop_wake(s->loop);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int syncer_start(struct loop *l, struct syncer **ret, struct err *err)
{
    struct syncer *s = mem_calloc(1, sizeof(*s));
    sigset_t all, old;

    s->loop = l;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    /* Signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(&s->thread, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0) {
        free(s);
        return err_set(err, ERR_SYS, "cannot start the thread that syncs journals");
    }
    *ret = s;
    return 0;
}

void syncer_stop(struct syncer *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

bool syncer_is_busy(const struct syncer *s)
{
    return s->is_busy;
}

void syncer_submit(struct syncer *s, struct sync_job *jobs, size_t count)
{
    assert(!s->is_busy && count > 0);
    s->is_busy = true;
    pthread_mutex_lock(&s->lock);
    s->jobs = jobs;
    s->count = count;
    s->done = false;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

bool syncer_collect(struct syncer *s)
{
    pthread_mutex_lock(&s->lock);
    bool done = s->done;
    if (done) {
        s->jobs = NULL;
        s->done = false;
    }
    pthread_mutex_unlock(&s->lock);
    if (done)
        s->is_busy = false;
    return done;
}

#include "config.h"

#include "proxy/syncer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

/* The loop takes no lock: who holds one may have been put aside by the scheduler, and then the loop
 * would stand still until its turn comes.  jobs and count belong to the thread from submitted on
 * until is_done. */
struct syncer {
    struct loop *loop;
    pthread_t thread;
    sem_t submitted;
    bool is_busy; /* the loop's view: only it looks at this */
    struct sync_job *jobs;
    size_t count;
    atomic_bool is_done, is_stopping;
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

    for (;;) {
        while (sem_wait(&s->submitted) < 0)
            assert(errno == EINTR);
        if (s->jobs) {
            run_jobs(s->jobs, s->count);
            s->jobs = NULL;
            atomic_store(&s->is_done, true);
            loop_wake(s->loop);
        }
        if (atomic_load(&s->is_stopping))
            return NULL;
    }
}

int syncer_start(struct loop *l, struct syncer **ret, struct err *err)
{
    struct syncer *s = mem_calloc(1, sizeof(*s));
    sigset_t all, old;

    s->loop = l;
    sem_init(&s->submitted, 0, 0);
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
    atomic_store(&s->is_stopping, true);
    sem_post(&s->submitted);
    pthread_join(s->thread, NULL);
    sem_destroy(&s->submitted);
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
    s->jobs = jobs;
    s->count = count;
    sem_post(&s->submitted);
}

bool syncer_collect(struct syncer *s)
{
    if (!atomic_exchange(&s->is_done, false))
        return false;
    s->is_busy = false;
    return true;
}

#include "config.h"

#include "proxy/shared_state.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 64u

static const char *const label_names[SHARED_COUNTER_KINDS][SHARED_LABELS] = {
    [SHARED_DECISIONS] = {"rule",      "outcome", "mode"   },
    [SHARED_ATTEMPTS] = { "upstream", "why",     "outcome"},
};

/* The beginning of the region; the policy's state follows. */
struct shared_state {
    pthread_mutex_t mutex;
    uint64_t recoveries;
    struct shared_counter counters[SHARED_COUNTERS_MAX];
    size_t counter_count;
    _Alignas(ALIGNMENT) unsigned char state[];
};

static size_t region_bytes(void)
{
    return sizeof(struct shared_state) + policy_state_bytes(POLICY_SLOTS_DEFAULT);
}

static int init_mutex(pthread_mutex_t *m)
{
    pthread_mutexattr_t a;
    int r = pthread_mutexattr_init(&a);

    if (r != 0)
        return r;
    if ((r = pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED)) == 0 &&
        (r = pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST)) == 0)
        r = pthread_mutex_init(m, &a);
    pthread_mutexattr_destroy(&a);
    return r;
}

int shared_state_open(struct shared_state **ret, struct err *err)
{
    struct shared_state *s =
        mmap(NULL, region_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (s == MAP_FAILED)
        return err_sys(err, "cannot share memory with the workers");
    errno = init_mutex(&s->mutex);
    if (errno != 0) {
        err_sys(err, "cannot make a lock that processes share");
        munmap(s, region_bytes());
        return -1;
    }
    policy_state_init(s->state, POLICY_SLOTS_DEFAULT);
    *ret = s;
    return 0;
}

void shared_state_close(struct shared_state *s)
{
    if (s)
        munmap(s, region_bytes());
}

/* Workers read what strangers send and can write here, so neither the lock nor what says how far
 * the state reaches is trusted by whoever comes next: a lock that is none any more is made anew. */
struct policy_state *shared_state_lock(struct shared_state *s)
{
    struct policy_state *state = (struct policy_state *)(void *)s->state;
    int r = pthread_mutex_lock(&s->mutex);
    bool is_mended = r != 0;

    if (r == EOWNERDEAD)
        r = pthread_mutex_consistent(&s->mutex);
    else if (r != 0 && (r = init_mutex(&s->mutex)) == 0)
        r = pthread_mutex_lock(&s->mutex);
    if (r != 0) /* it cannot be: it could be made at the start */
        abort();
    is_mended = policy_state_mend(state, POLICY_SLOTS_DEFAULT) || is_mended;
    s->recoveries += is_mended;
    return state;
}

void shared_state_unlock(struct shared_state *s)
{
    pthread_mutex_unlock(&s->mutex);
}

uint64_t shared_state_recoveries(const struct shared_state *s)
{
    return s->recoveries;
}

/* --- counters --- */

/* The value as a label's, in Prometheus' text format. */
static size_t add_value(char *to, size_t room, struct str value)
{
    size_t len = 0, i = 0;

    for (; i < value.len && len + 3 < room; i++) {
        char c = value.ptr[i];
        if (c == '"' || c == '\\')
            to[len++] = '\\';
        to[len++] = (unsigned char)c < ' ' ? ' ' : c;
    }
    while (i < value.len && len && (unsigned char)to[len - 1] >= 0x80)
        len--; /* of a character that may have been cut */
    return len;
}

static void write_labels(struct shared_counter *c, const struct str values[static SHARED_LABELS])
{
    /* The first is the one that can be long; the others are words of ours. */
    static const size_t room[SHARED_LABELS] = { 100, 24, 24 };
    size_t at = 0;

    for (size_t i = 0; i < SHARED_LABELS; i++) {
        at += (size_t)snprintf(c->labels + at, sizeof(c->labels) - at, "%s%s=\"", i ? "," : "",
                               label_names[c->kind][i]);
        at += add_value(c->labels + at, room[i], values[i]);
        c->labels[at++] = '"';
    }
    c->labels[at] = '\0';
}

static uint64_t key_of(enum shared_counter_kind kind, const struct str values[static SHARED_LABELS])
{
    uint64_t key = (uint64_t)kind;

    for (size_t i = 0; i < SHARED_LABELS; i++)
        key = policy_key(values[i].ptr, values[i].len, key);
    return key ? key : 1;
}

uint32_t shared_state_counter(struct shared_state *s, enum shared_counter_kind kind,
                              const struct str values[static SHARED_LABELS])
{
    static const struct str others[SHARED_LABELS] = { STR_INIT("other"), STR_INIT("other"),
                                                      STR_INIT("other") };
    bool is_full = s->counter_count >= SHARED_COUNTERS_MAX * 3 / 4;
    uint64_t key = key_of(kind, values);
    size_t i = key % SHARED_COUNTERS_MAX;

    for (; s->counters[i].key && s->counters[i].key != key;)
        i = (i + 1) % SHARED_COUNTERS_MAX;
    struct shared_counter *c = &s->counters[i];
    if (!c->key && is_full && values != others && s->counter_count < SHARED_COUNTERS_MAX - 1)
        return shared_state_counter(s, kind, others); /* has a place: as many as there are kinds */
    if (!c->key) {
        c->kind = kind;
        write_labels(c, values);
        s->counter_count++;
        c->key = key;
    }
    return (uint32_t)i;
}

void shared_state_count(struct shared_state *s, uint32_t counter)
{
    assert(counter < SHARED_COUNTERS_MAX);
    s->counters[counter].n++;
}

/* Workers write them, who read what strangers send: none is longer than its place, nor makes lines
 * of its own. */
static void cut_labels(struct shared_counter *c)
{
    c->labels[sizeof(c->labels) - 1] = '\0';
    for (char *at = c->labels; *at; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
}

size_t shared_state_counters(struct shared_state *s,
                             struct shared_counter ret[static SHARED_COUNTERS_MAX])
{
    size_t count = 0;

    shared_state_lock(s);
    for (size_t i = 0; i < SHARED_COUNTERS_MAX; i++)
        if (s->counters[i].key) {
            ret[count] = s->counters[i];
            cut_labels(&ret[count++]);
        }
    shared_state_unlock(s);
    return count;
}

/* proxy_load - clients that keep a proxy busy, across its deaths, and keep book of what they got.
 *
 * Every answer is made from an id that occurs once (upstream.h, /made), so is every request body;
 * an answer counts once all of it was received: then the archive must have both, byte for byte.
 */
#ifndef TESTS_PROXY_LOAD_H
#define TESTS_PROXY_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/map.h"
#include "base/vec.h"
#include "capture/segment_read.h"
#include "tests/proxy_run.h"

#define LOAD_CLIENTS     6
#define LOAD_ANSWERS_MAX 200000

struct load_answer {
    char id[UUID_TEXT_BYTES]; /* of the exchange */
    unsigned long made;       /* of the bytes */
    size_t request_bytes, bytes;
    uint64_t got_us; /* monotonic, when its last byte was there */
};

struct load {
    pthread_t threads[LOAD_CLIENTS];
    pthread_mutex_t lock;
    atomic_int port; /* of the proxy; changes with its restarts */
    atomic_bool stop;
    atomic_ulong next_made;
    unsigned seed;
    atomic_ulong cut_after_us; /* the longest that a client had waited when its call was cut */
    size_t count;
    size_t refused; /* answers with 503 */
    size_t wrong;   /* complete, and not what was asked for */
    bool is_small;  /* small answers only */
    struct load_answer answers[LOAD_ANSWERS_MAX];
};

static inline uint64_t load_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* What a client asks for. */
struct load_call {
    unsigned long made;
    size_t request_bytes, bytes, chunks;
    unsigned wait_ms;
    bool chunked_request;
};

static inline struct load_call load_pick(struct load *l, unsigned *seed)
{
    struct load_call c = { .made = atomic_fetch_add(&l->next_made, 1) };

    switch (rand_r(seed) % (l->is_small ? 2 : 6)) {
    case 0:
        c.bytes = (size_t)(rand_r(seed) % 3000);
        break;
    case 1:
        c.bytes = 200;
        c.request_bytes = (size_t)(rand_r(seed) % 5000);
        break;
    case 2: /* as a stream of events */
        c.bytes = 2000;
        c.chunks = 20;
        c.wait_ms = (unsigned)rand_r(seed) % 10;
        break;
    case 3:
        c.bytes = 100000 + (size_t)(rand_r(seed) % 700000);
        break;
    case 4:
        c.bytes = 100;
        c.request_bytes = 50000 + (size_t)(rand_r(seed) % 200000);
        c.chunked_request = rand_r(seed) % 2;
        break;
    default:
        c.bytes = 30000;
        c.chunks = 7;
        break;
    }
    return c;
}

/* What the request's body is made from: not the answer's id. */
static inline unsigned long load_request_id(unsigned long made)
{
    return made + 0x40000000;
}

static inline void load_send(int fd, const struct load_call *c)
{
    struct buf out = { 0 };

    buf_addf(&out, "%s /up/made/%lu/%zu/%zu/%u HTTP/1.1\r\nHost: w\r\n",
             c->request_bytes ? "POST" : "GET", c->made, c->bytes, c->chunks, c->wait_ms);
    if (c->request_bytes && c->chunked_request)
        buf_addf(&out, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", c->request_bytes);
    else if (c->request_bytes)
        buf_addf(&out, "Content-Length: %zu\r\n\r\n", c->request_bytes);
    else
        buf_add_text(&out, "\r\n");
    upstream_made(load_request_id(c->made), 0, buf_reserve(&out, c->request_bytes),
                  c->request_bytes);
    out.len += c->request_bytes;
    if (c->request_bytes && c->chunked_request)
        buf_add_text(&out, "\r\n0\r\n\r\n");
    upstream_send(fd, out.ptr, out.len);
    buf_release(&out);
}

/* Takes the body of a complete answer into *body: 1; 0 = not complete yet. */
static inline int load_body(const struct buf *in, struct buf *body)
{
    const char *head = in->len ? memmem(in->ptr, in->len, "\r\n\r\n", 4) : NULL;

    if (!head)
        return 0;
    struct str rest = { head + 4, in->len - (size_t)(head + 4 - in->ptr) };
    const char *length = memmem(in->ptr, (size_t)(head - in->ptr), "\r\nContent-Length: ", 18);
    if (!length)
        length = memmem(in->ptr, (size_t)(head - in->ptr), "\r\ncontent-length: ", 18);
    buf_clear(body);
    if (length) {
        size_t want = strtoul(length + 18, NULL, 10);
        buf_add_str(body, str_sub(rest, 0, want));
        return rest.len >= want;
    }
    for (;;) {
        ptrdiff_t end = str_find_char(rest, '\n', 0);
        if (end < 0)
            return 0;
        size_t size = strtoul(rest.ptr, NULL, 16);
        if (rest.len < (size_t)end + 1 + size + 2)
            return 0;
        if (size == 0)
            return 1;
        buf_add(body, rest.ptr + end + 1, size);
        rest = str_sub(rest, (size_t)end + 1 + size + 2, SIZE_MAX);
    }
}

static inline bool load_is_made(unsigned long made, struct str bytes)
{
    char *want = malloc(bytes.len + 1);

    upstream_made(made, 0, want, bytes.len);
    bool same = memcmp(want, bytes.ptr ? bytes.ptr : "", bytes.len) == 0;
    free(want);
    return same;
}

static inline void load_note(struct load *l, const struct load_call *c, const struct buf *in,
                             const struct buf *body)
{
    const char *id = memmem(in->ptr, in->len, "x-weir-exchange-id: ", 20);
    bool ok = strncmp(in->ptr, "HTTP/1.1 200", 12) == 0;

    pthread_mutex_lock(&l->lock);
    if (strncmp(in->ptr, "HTTP/1.1 503", 12) == 0) {
        l->refused++;
    } else if (ok && id && body->len == c->bytes && load_is_made(c->made, buf_str(body))) {
        if (l->count < LOAD_ANSWERS_MAX) {
            struct load_answer *a = &l->answers[l->count++];
            *a = (struct load_answer){ .made = c->made,
                                       .request_bytes = c->request_bytes,
                                       .bytes = c->bytes,
                                       .got_us = load_now_us() };
            memcpy(a->id, id + 20, UUID_TEXT_BYTES - 1);
        }
    } else if (ok) {
        l->wrong++;
    }
    pthread_mutex_unlock(&l->lock);
}

/* false: the connection is gone. */
static inline bool load_call(struct load *l, int fd, unsigned *seed, struct buf bufs[static 2])
{
    struct load_call c = load_pick(l, seed);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    uint64_t from_us = load_now_us();

    buf_clear(&bufs[0]);
    load_send(fd, &c);
    while (!atomic_load(&l->stop)) {
        if (poll(&p, 1, 50) <= 0)
            continue;
        char *at = buf_reserve(&bufs[0], 65536);
        ssize_t n = recv(fd, at, 65536, 0);
        uint64_t waited_us = load_now_us() - from_us;
        if (n <= 0 && waited_us > atomic_load(&l->cut_after_us))
            atomic_store(&l->cut_after_us, waited_us);
        if (n <= 0)
            return false;
        from_us += waited_us;
        bufs[0].len += (size_t)n;
        /* Then it is too early to take it apart. */
        if (bufs[0].len < c.bytes && memcmp(bufs[0].ptr, "HTTP/1.1 200 ", 13) == 0)
            continue;
        if (load_body(&bufs[0], &bufs[1])) {
            load_note(l, &c, &bufs[0], &bufs[1]);
            return strncmp(bufs[0].ptr, "HTTP/1.1 2", 10) == 0;
        }
    }
    return false;
}

static inline void *load_client(void *ctx)
{
    struct load *l = ctx;
    struct buf bufs[2] = { { 0 } };
    unsigned seed = (unsigned)atomic_fetch_add(&l->next_made, 1) + l->seed;

    while (!atomic_load(&l->stop)) {
        int fd = proxy_connect(atomic_load(&l->port));
        while (fd >= 0 && !atomic_load(&l->stop) && load_call(l, fd, &seed, bufs))
            ;
        if (fd >= 0)
            close(fd);
        proxy_sleep_ms(2);
    }
    buf_release(&bufs[0]);
    buf_release(&bufs[1]);
    return NULL;
}

static inline void load_start(struct load *l, int port, unsigned seed)
{
    atomic_store(&l->port, port);
    atomic_store(&l->stop, false);
    atomic_store(&l->next_made, 1);
    l->seed = seed;
    l->count = l->refused = l->wrong = 0;
    atomic_store(&l->cut_after_us, 0);
    pthread_mutex_init(&l->lock, NULL);
    for (int i = 0; i < LOAD_CLIENTS; i++)
        ck_assert_int_eq(pthread_create(&l->threads[i], NULL, load_client, l), 0);
}

static inline size_t load_count(struct load *l)
{
    pthread_mutex_lock(&l->lock);
    size_t count = l->count;
    pthread_mutex_unlock(&l->lock);
    return count;
}

/* Until so many more answers were received: a busy machine takes longer. */
static inline void load_wait(struct load *l, size_t more)
{
    size_t until = load_count(l) + more;

    for (int i = 0; i < 30000 && load_count(l) < until; i++)
        proxy_sleep_ms(2);
    ck_assert_msg(load_count(l) >= until, "not %zu answers in a minute", more);
}

static inline void load_stop(struct load *l)
{
    atomic_store(&l->stop, true);
    for (int i = 0; i < LOAD_CLIENTS; i++)
        pthread_join(l->threads[i], NULL);
    ck_assert_msg(l->wrong == 0, "%zu answers were complete and wrong", l->wrong);
}

/* What became of the answers. */
struct load_found {
    size_t exact;  /* in the archive, byte for byte */
    size_t marked; /* there, with a body that is said to be left out */
    size_t twice;
    size_t dropped;        /* bodies that the disk did not take in time, received in full or not */
    VEC(uint64_t) lost_us; /* when those were received that are not there, or without an end */
    struct map seen;       /* ids of all exchanges of the archive that have an end */
};

static inline void load_check_one(const struct load *l, const struct map *by_id,
                                  const struct exchange *x, struct load_found *f)
{
    char text[UUID_TEXT_BYTES];
    bool is_new;

    if (x->body_note && strcmp(x->body_note, "the disk did not take it in time") == 0)
        f->dropped += (size_t)x->request_body_missing + x->response_body_missing;
    uuid_format(x->id, text);
    const struct map_entry *entry = map_find(by_id, str_from(text));
    if (!entry || x->truncated) /* what nobody got in full can be whatever */
        return;
    map_put(&f->seen, str_from(text), &is_new);
    f->twice += !is_new;
    const struct load_answer *a = &l->answers[entry->value];
    if (x->request_body_missing || x->response_body_missing) {
        f->marked++;
        return;
    }
    ck_assert_msg(x->response_body.len == a->bytes && load_is_made(a->made, x->response_body),
                  "%s: the answer's body is not what was received: %zu bytes instead of %zu", text,
                  x->response_body.len, a->bytes);
    ck_assert_msg(x->request_body.len == a->request_bytes &&
                      load_is_made(load_request_id(a->made), x->request_body),
                  "%s: the request's body is not what was sent: %zu bytes instead of %zu", text,
                  x->request_body.len, a->request_bytes);
    f->exact++;
}

/* Reads the sealed archive. */
static inline struct load_found load_check(const struct load *l, const char *archive_path_)
{
    struct load_found f = { 0 };
    struct archive *a = NULL;
    struct archive_ledgers ledgers = { 0 };
    struct map by_id = { 0 };
    struct err err;

    for (size_t i = 0; i < l->count; i++)
        map_put(&by_id, str_from(l->answers[i].id), NULL)->value = i;
    ck_assert_msg(archive_open(archive_path_, false, &a, &err) == 0, "%s", err.text);
    ck_assert_int_eq(archive_ledgers_list(a, INT64_MIN, INT64_MAX, &ledgers, &err), 0);
    for (size_t i = 0; i < ledgers.len; i++) {
        struct segment_reader *r = NULL;
        struct exchange x;
        char *path =
            archive_path(a, "segments/date=%s/%s.tar.zst", ledgers.ptr[i].date, ledgers.ptr[i].id);
        ck_assert_msg(segment_open(path, &r, &err) == 0, "%s: %s", path, err.text);
        while (segment_next(r, true, &x, &err) > 0)
            load_check_one(l, &by_id, &x, &f);
        segment_close(r);
        free(path);
    }
    for (size_t i = 0; i < l->count; i++)
        if (!map_find(&f.seen, str_from(l->answers[i].id)))
            vec_push(&f.lost_us, l->answers[i].got_us);
    archive_ledgers_release(&ledgers);
    archive_close(a);
    map_release(&by_id);
    map_release(&f.seen);
    return f;
}

#endif

/* step_sample - an actuator that fails or dies where it is told to, and time that only passes when
 * somebody looks at the clock.
 *
 * What it holds lies in memory that a child shares: a test can have a child die in the middle of a
 * step, and go on from there as the next command would.
 */
#ifndef TESTS_STEP_SAMPLE_H
#define TESTS_STEP_SAMPLE_H

#include <check.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "migrate/step.h"
#include "tests/temp_folder.h"

#define SAMPLE_FILE_BYTES (256u << 10)
#define SAMPLE_STATUS     9 /* of a child that died where it should */

enum sample_fault {
    SAMPLE_NO_FAULT,
    SAMPLE_FAIL_BEFORE, /* the call fails and has done nothing */
    SAMPLE_FAIL_AFTER,  /* it fails, and has done all */
    SAMPLE_HALF,        /* an apply writes the file and fails to tell the program */
    SAMPLE_DIE_BEFORE,
    SAMPLE_DIE_AFTER,
    SAMPLE_DIE_HALF,
    SAMPLE_FAULTS,
};

struct sample {
    enum sample_fault fault;
    unsigned at;    /* the call that it happens to, from 1 */
    unsigned calls; /* probe, check and apply so far */
    unsigned applies;
    unsigned again; /* applies of what was live and ran already */
    bool is_deaf;   /* the program takes up nothing */
    bool refuses;   /* check says no */
    bool is_mute;   /* what runs cannot be asked */
    bool tells;     /* caps.tells_running */
    bool is_there;
    size_t len;
    char file[SAMPLE_FILE_BYTES];
    char running[ACTUATOR_MARKER_BYTES];
    int64_t clock_us;
};

static struct sample *sample;

static inline void sample_make(void)
{
    sample = mmap(NULL, sizeof(*sample), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(sample != MAP_FAILED);
    sample->tells = true;
    temp_folder_make();
}

static inline void sample_remove(void)
{
    munmap(sample, sizeof(*sample));
    temp_folder_remove();
}

/* Counts a call; whether the fault is now. */
static inline bool sample_is_now(enum sample_fault fault)
{
    return sample->fault == fault && sample->calls == sample->at;
}

static inline int sample_begin(struct err *err)
{
    sample->calls++;
    if (sample_is_now(SAMPLE_DIE_BEFORE))
        _exit(SAMPLE_STATUS);
    if (sample_is_now(SAMPLE_FAIL_BEFORE))
        return err_set(err, ERR_SYS, "planted before call %u", sample->at);
    return 0;
}

static inline int sample_end(struct err *err)
{
    if (sample_is_now(SAMPLE_DIE_AFTER))
        _exit(SAMPLE_STATUS);
    if (sample_is_now(SAMPLE_FAIL_AFTER))
        return err_set(err, ERR_SYS, "planted after call %u", sample->at);
    return 0;
}

static inline int sample_probe(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    (void)a;
    if (sample_begin(err) < 0)
        return -1;
    ret->is_there = sample->is_there;
    buf_add(&ret->bytes, sample->file, sample->is_there ? sample->len : 0);
    ret->is_running = sample->tells && !sample->is_mute;
    if (ret->is_running)
        buf_add_text(&ret->running, sample->running);
    return sample_end(err);
}

/* "marker", then a line per application. */
static inline int sample_render(const struct actuator *a, const struct actuator_share *shares,
                                size_t count, uint64_t epoch, struct buf *ret, struct err *err)
{
    char marker[ACTUATOR_MARKER_BYTES];

    (void)a, (void)err;
    actuator_marker(shares, count, epoch, marker);
    buf_addf(ret, "%s\n", marker);
    for (size_t i = 0; i < count; i++)
        buf_addf(ret, "%.*s %d\n", STR_ARG(shares[i].app), (int)shares[i].share);
    return 0;
}

static inline int sample_parse(const struct actuator *a, struct str bytes, struct arena *arena,
                               struct actuator_share **ret, size_t *ret_count, uint64_t *ret_epoch,
                               struct err *err)
{
    struct str line;
    size_t count = 0;
    int64_t number;

    (void)a;
    if (!str_ends_with(bytes, STR("\n")) || !str_split(&bytes, '\n', &line) || !line.len ||
        line.ptr[0] != 'e')
        return err_set(err, ERR_CORRUPT, "not ours");
    struct str epoch = str_sub(line, 1, SIZE_MAX);
    ptrdiff_t dash = str_find_char(epoch, '-', 0);
    if (dash < 0 || !str_to_i64(str_sub(epoch, 0, (size_t)dash), &number))
        return err_set(err, ERR_CORRUPT, "no marker");
    *ret_epoch = (uint64_t)number;
    *ret = arena_alloc(arena, (bytes.len + 1) * sizeof(**ret));
    while (str_split(&bytes, '\n', &line) && line.len) {
        struct str app;
        if (!str_split(&line, ' ', &app) || !str_to_i64(line, &number))
            return err_set(err, ERR_CORRUPT, "a bad line");
        (*ret)[count++] = (struct actuator_share){ .app = app, .share = (int32_t)number };
    }
    *ret_count = count;
    return 0;
}

static inline int sample_check(const struct actuator *a, struct str bytes,
                               const struct actuator_wait *wait, struct err *err)
{
    (void)a, (void)bytes, (void)wait;
    if (sample_begin(err) < 0)
        return -1;
    if (sample->refuses)
        return err_set(err, ERR_USAGE, "the program would not take it");
    return sample_end(err);
}

static inline void sample_marker_of_file(char ret[static ACTUATOR_MARKER_BYTES])
{
    size_t len = sample->is_there ? strcspn(sample->file, "\n") : 0;

    snprintf(ret, ACTUATOR_MARKER_BYTES, "%.*s", (int)len, sample->file);
}

static inline int sample_apply(const struct actuator *a, struct str bytes, bool is_there,
                               const struct actuator_wait *wait, struct err *err)
{
    char marker[ACTUATOR_MARKER_BYTES];

    (void)a, (void)wait;
    if (sample_begin(err) < 0)
        return -1;
    ck_assert_uint_lt(bytes.len, SAMPLE_FILE_BYTES);
    sample_marker_of_file(marker);
    sample->applies++;
    sample->again += is_there == sample->is_there && bytes.len == sample->len &&
                     memcmp(bytes.ptr ? bytes.ptr : "", sample->file, bytes.len) == 0 &&
                     strcmp(marker, sample->running) == 0;
    sample->is_there = is_there;
    sample->len = is_there ? bytes.len : 0;
    memcpy(sample->file, bytes.ptr ? bytes.ptr : "", bytes.len);
    sample->file[bytes.len] = '\0';
    if (sample_is_now(SAMPLE_DIE_HALF))
        _exit(SAMPLE_STATUS);
    if (sample_is_now(SAMPLE_HALF))
        return err_set(err, ERR_SYS, "planted within call %u", sample->at);
    if (!sample->is_deaf)
        sample_marker_of_file(sample->running);
    return sample_end(err);
}

static inline void sample_set_caps(const struct actuator *a, struct actuator_caps *caps)
{
    (void)a;
    caps->tells_running = sample->tells;
}

static const struct actuator_driver sample_driver = {
    .name = "sample",
    .caps = {.resolution = 1, .is_sticky = true, .is_atomic = true, .tells_running = true},
    .set_caps = sample_set_caps,
    .probe = sample_probe,
    .render = sample_render,
    .parse = sample_parse,
    .check = sample_check,
    .apply = sample_apply,
};

static inline int64_t sample_now_us(void *ctx)
{
    (void)ctx;
    return sample->clock_us += 10;
}

static inline void sample_sleep_us(void *ctx, int64_t us)
{
    (void)ctx;
    sample->clock_us += us;
}

/* A programme whose actuators are all the sample. */
static inline struct programme *sample_programme(const char *text)
{
    struct programme *p;
    struct actuator *list;
    struct err err;

    ck_assert_msg(programme_parse(str_from(text), "p.yaml", temp_folder, &p, &err) == 0, "%s",
                  err.text);
    memcpy(&list, &p->actuators, sizeof(list)); /* they are const to all but this */
    for (size_t i = 0; i < p->actuator_count; i++)
        list[i].driver = &sample_driver;
    return p;
}

#define SAMPLE_WALL_US INT64_C(1793000000000000) /* 2026-10-26 */

static inline struct step_context sample_context(const struct programme *p, struct rollout *r)
{
    return (struct step_context){
        .programme = p,
        .rollout = r,
        .wait = {.now_us = sample_now_us, .sleep_us = sample_sleep_us},
        .wall_us = SAMPLE_WALL_US,
    };
}

static inline struct rollout *sample_open(const struct programme *p)
{
    struct rollout *r;
    struct err err;

    ck_assert_msg(rollout_open(p->rollout.ptr, ROLLOUT_WRITE, STR("tests@here"), SAMPLE_WALL_US, &r,
                               &err) == 0,
                  "%s", err.text);
    return r;
}

/* The live share of an application, -1 = none. */
static inline int32_t sample_live(const char *app)
{
    const char *at = sample->is_there ? sample->file : "";
    size_t len = strlen(app);

    for (; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
        if (strncmp(at, app, len) == 0 && at[len] == ' ')
            return (int32_t)strtol(at + len, NULL, 10);
    return -1;
}

#endif

/* rollout_sample - rollouts for tests, in a fresh folder each (tests/temp_folder.h). */
#ifndef TESTS_ROLLOUT_SAMPLE_H
#define TESTS_ROLLOUT_SAMPLE_H

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "migrate/rollout.h"
#include "tests/check_main.h"
#include "tests/temp_folder.h"

#define SAMPLE_US     INT64_C(1790000000000001) /* 2026-09-21 */
#define SAMPLE_USER   STR("ana@host")
#define SAMPLE_LEDGER "r/" ROLLOUT_FILE

static struct err sample_err;

#define ck_ok(call)                                                                                \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            ck_abort_msg("%s: %s", #call, sample_err.text);                                        \
    } while (0)

static inline struct rollout *sample_open(const char *name, enum rollout_mode mode)
{
    struct rollout *r = NULL;

    ck_ok(rollout_open(temp_path(name), mode, SAMPLE_USER, SAMPLE_US, &r, &sample_err));
    return r;
}

static inline void sample_append(struct rollout *r, struct rollout_entry e)
{
    e.at_us = SAMPLE_US + (int64_t)rollout_count(r);
    ck_ok(rollout_append(r, &e, &sample_err));
}

/* A step from its INTENT to `end` (COMMITTED or ABORTED), with the next epoch. */
static inline void sample_step(struct rollout *r, struct rollout_entry e, enum rollout_kind end)
{
    e.kind = ROLLOUT_INTENT;
    e.epoch = rollout_epoch(r) + 1;
    if (!e.actuator.len)
        e.actuator = STR("edge");
    sample_append(r, e);
    struct rollout_entry next = { .actuator = e.actuator, .epoch = e.epoch };
    for (next.kind = ROLLOUT_APPLIED; next.kind <= ROLLOUT_VERIFIED; next.kind++)
        sample_append(r, next);
    next.kind = end;
    sample_append(r, next);
}

/* One application's step. */
static inline void sample_move(struct rollout *r, const char *app, int32_t from, int32_t to)
{
    struct rollout_move move = { str_from(app), from, to };

    sample_step(r,
                (struct rollout_entry){ .why = to > from ? ROLLOUT_ADVANCE : ROLLOUT_ROLLBACK,
                                        .moves = &move,
                                        .move_count = 1 },
                ROLLOUT_COMMITTED);
}

static inline void sample_read(const char *path, struct buf *ret)
{
    buf_clear(ret);
    ck_ok(file_read(path, SIZE_MAX / 2, ret, &sample_err));
}

static inline void sample_write(const char *path, struct str bytes)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes.ptr ? bytes.ptr : "", 1, bytes.len, f), bytes.len);
    ck_assert_int_eq(fclose(f), 0);
}

/* The first bad entry of the rollout "r", 0 if all is well. */
static inline uint64_t sample_verify(const char *anchor)
{
    CLEANUP(rollout_audit_release) struct rollout_audit a = { 0 };
    char begin[40];
    int r = rollout_verify(temp_path("r"), str_from(anchor), &a, &sample_err);

    ck_assert_msg(r >= 0, "%s", sample_err.text);
    ck_assert_int_eq(r, a.bad != 0);
    snprintf(begin, sizeof(begin), "entry %llu: ", (unsigned long long)a.bad);
    if (a.bad)
        ck_assert_msg(str_starts_with(buf_str(&a.why), str_from(begin)), "%s", buf_cstr(&a.why));
    if (a.bad)
        ck_assert_uint_lt(a.entries, a.bad);
    return a.bad;
}

#endif

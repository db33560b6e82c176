/* actuator_sample - actuators made of a table of settings, shares, and time that passes. */
#ifndef TESTS_ACTUATOR_SAMPLE_H
#define TESTS_ACTUATOR_SAMPLE_H

#include <check.h>
#include <errno.h>
#include <time.h>

#include "base/file.h"
#include "migrate/actuator.h"
#include "tests/temp_folder.h"

#define SAMPLE_SETTINGS 12

struct sample_actuator {
    struct actuator a;
    struct actuator_setting settings[SAMPLE_SETTINGS];
    char texts[SAMPLE_SETTINGS][1200];
};

static inline void sample_init(struct sample_actuator *s, const char *driver)
{
    struct err err;

    memset(s, 0, sizeof(*s));
    s->a.driver = actuator_find_driver(str_from(driver), &err);
    ck_assert_msg(s->a.driver != NULL, "%s", err.text);
    s->a.name = STR("edge");
    s->a.settings = s->settings;
}

/* name lives on; value is copied. */
__attribute__((format(printf, 3, 4))) static inline void
sample_set(struct sample_actuator *s, const char *name, const char *value, ...)
{
    size_t i = 0;
    va_list args;

    while (i < s->a.setting_count && !str_eq(s->settings[i].name, str_from(name)))
        i++;
    ck_assert_uint_lt(i, SAMPLE_SETTINGS);
    va_start(args, value);
    vsnprintf(s->texts[i], sizeof(s->texts[i]), value, args);
    va_end(args);
    s->settings[i] = (struct actuator_setting){ str_from(name), str_from(s->texts[i]) };
    if (i == s->a.setting_count)
        s->a.setting_count++;
}

static inline int64_t sample_now(void *ctx)
{
    struct timespec t;

    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline void sample_sleep(void *ctx, int64_t us)
{
    struct timespec t = { us / 1000000, us % 1000000 * 1000 };

    (void)ctx;
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

static inline struct actuator_wait sample_wait(int64_t ms)
{
    return (struct actuator_wait){ .now_us = sample_now,
                                   .sleep_us = sample_sleep,
                                   .until_us = sample_now(NULL) + ms * 1000 };
}

static inline void sample_apply(const struct actuator *a, struct str bytes)
{
    struct actuator_wait wait = sample_wait(20000);
    struct err err;

    ck_assert_msg(a->driver->apply(a, bytes, true, &wait, &err) == 0, "%s", err.text);
}

/* Renders, applies and waits until it runs; bytes stay in ret. */
static inline void sample_step(const struct actuator *a, const struct actuator_share *shares,
                               size_t count, uint64_t epoch, struct buf *ret)
{
    struct actuator_wait wait = sample_wait(20000);
    CLEANUP(buf_release) struct buf seen = { 0 };
    char marker[ACTUATOR_MARKER_BYTES];
    struct err err;

    buf_clear(ret);
    actuator_marker(shares, count, epoch, marker);
    ck_assert_msg(a->driver->render(a, shares, count, epoch, ret, &err) == 0, "%s", err.text);
    sample_apply(a, buf_str(ret));
    int r = actuator_verify(a, marker, buf_str(ret), 8, &wait, &seen, &err);
    ck_assert_msg(r == 1, "%s runs, not %s: %s", buf_cstr(&seen), marker, r < 0 ? err.text : "");
}

static inline void sample_write(const char *path, const char *text)
{
    struct err err;

    ck_assert_msg(file_replace(path, str_from(text), 0644, &err) == 0, "%s", err.text);
}

#endif

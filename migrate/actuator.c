#include "config.h"

#include "migrate/actuator.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/nearest.h"
#include "migrate/actuator_tools.h"

#define POLL_FIRST_US 2000 /* doubled each time, up to: */
#define POLL_LAST_US  200000

static const struct actuator_driver *const drivers[] = {
    &actuator_weir,  &actuator_nginx, &actuator_haproxy,
    &actuator_envoy, &actuator_env,   &actuator_exec,
};

const struct actuator_driver *actuator_find_driver(struct str name, struct err *err)
{
    struct nearest near;

    nearest_init(&near, name);
    for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
        if (str_eq(name, str_from(drivers[i]->name)))
            return drivers[i];
        nearest_offer(&near, drivers[i]->name);
    }
    err_set(err, ERR_USAGE, "there is no driver '%.*s'%s%s%s", STR_ARG(str_sub(name, 0, 60)),
            near.best ? "; did you mean '"
                      : ": there are weir, nginx, haproxy, envoy, env and exec",
            near.best ? near.best : "", near.best ? "'?" : "");
    return NULL;
}

/* --- settings --- */

struct str actuator_setting(const struct actuator *a, const char *name)
{
    for (size_t i = 0; i < a->setting_count; i++)
        if (str_eq(a->settings[i].name, str_from(name)))
            return a->settings[i].value;
    return STR("");
}

static const char *setting_name(const char *row)
{
    return row + (row[0] == '!');
}

static int check_known(const struct actuator *a, struct str name, struct err *err)
{
    struct nearest near;

    nearest_init(&near, name);
    for (const char *const *s = a->driver->settings; *s; s++) {
        if (str_eq(name, str_from(setting_name(*s))))
            return 0;
        nearest_offer(&near, setting_name(*s));
    }
    return actuator_fail(a, err, ERR_USAGE, "%s has no setting '%.*s'%s%s%s", a->driver->name,
                         STR_ARG(str_sub(name, 0, 60)), near.best ? "; did you mean '" : "",
                         near.best ? near.best : "", near.best ? "'?" : "");
}

int actuator_check_settings(const struct actuator *a, struct err *err)
{
    int64_t timeout;

    for (size_t i = 0; i < a->setting_count; i++) {
        if (check_known(a, a->settings[i].name, err) < 0)
            return -1;
        if (memchr(a->settings[i].value.ptr ? a->settings[i].value.ptr : "", '\0',
                   a->settings[i].value.len))
            return actuator_fail(a, err, ERR_USAGE, "a NUL in the setting '%.*s'",
                                 STR_ARG(a->settings[i].name));
    }
    for (const char *const *s = a->driver->settings; *s; s++)
        if ((*s)[0] == '!' && !actuator_setting(a, *s + 1).len)
            return actuator_fail(a, err, ERR_USAGE,
                                 "%s needs the setting '%s': see weir-actuator(5)", a->driver->name,
                                 *s + 1);
    if (actuator_duration(a, "timeout", &timeout, err) < 0)
        return -1;
    return a->driver->admits_settings ? a->driver->admits_settings(a, err) : 0;
}

struct actuator_caps actuator_caps(const struct actuator *a)
{
    struct actuator_caps caps = a->driver->caps;

    if (a->driver->set_caps)
        a->driver->set_caps(a, &caps);
    return caps;
}

/* --- markers --- */

static void hash_text(struct sha256 *h, struct str text)
{
    uint8_t len[4] = { (uint8_t)(text.len >> 24), (uint8_t)(text.len >> 16),
                       (uint8_t)(text.len >> 8), (uint8_t)text.len };

    sha256_update(h, len, sizeof(len));
    sha256_update(h, text.ptr, text.len);
}

void actuator_marker(const struct actuator_share *shares, size_t count, uint64_t epoch,
                     char ret[static ACTUATOR_MARKER_BYTES])
{
    CLEANUP(sha256_free) struct sha256 *h = sha256_new();
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES], number[16];

    for (size_t i = 0; i < count; i++) {
        snprintf(number, sizeof(number), "%" PRId32, shares[i].share);
        hash_text(h, shares[i].app);
        hash_text(h, shares[i].direct);
        hash_text(h, shares[i].gateway);
        hash_text(h, shares[i].key);
        hash_text(h, str_from(number));
    }
    sha256_final(h, digest);
    snprintf(ret, ACTUATOR_MARKER_BYTES, "e%" PRIu64 "-%.12s", epoch,
             hex_encode(digest, SHA256_BYTES, hex));
}

/* --- what is live --- */

void actuator_live_release(struct actuator_live *l)
{
    buf_release(&l->bytes);
    buf_release(&l->running);
}

/* 1 it is as wanted, 0 it is not, 2 it could not be asked; seen says what is there instead. */
static int look(const struct actuator *a, const char *marker, struct str bytes, struct buf *seen,
                struct err *err)
{
    CLEANUP(actuator_live_release) struct actuator_live live = { 0 };

    buf_clear(seen);
    if (a->driver->probe(a, &live, err) < 0)
        return -1;
    if (!str_eq(buf_str(&live.bytes), bytes)) {
        buf_add_text(seen, live.is_there ? "another file" : "no file");
        return 0;
    }
    if (!actuator_caps(a).tells_running)
        return 1;
    buf_add_str(seen, buf_str(&live.running));
    if (!live.is_running)
        return 2;
    return str_eq(buf_str(&live.running), str_from(marker));
}

int actuator_verify(const struct actuator *a, const char *marker, struct str bytes, unsigned times,
                    const struct actuator_wait *wait, struct buf *ret_seen, struct err *err)
{
    int64_t pause = POLL_FIRST_US;
    unsigned in_a_row = 0;

    for (;;) {
        int r = look(a, marker, bytes, ret_seen, err);
        if (r < 0)
            return -1;
        in_a_row = r == 1 ? in_a_row + 1 : 0;
        if (r == 1 && (in_a_row >= times || !actuator_caps(a).tells_running))
            return 1;
        int64_t left = wait->until_us - wait->now_us(wait->ctx);
        if (left <= 0 && r == 2)
            return actuator_fail(a, err, ERR_SYS, "cannot be asked what runs: %.*s",
                                 STR_ARG(buf_str(ret_seen)));
        if (left <= 0)
            return 0;
        if (r == 1)
            continue;
        wait->sleep_us(wait->ctx, pause < left ? pause : left);
        pause = pause * 2 < POLL_LAST_US ? pause * 2 : POLL_LAST_US;
    }
}

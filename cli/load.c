#include "config.h"

#include "cli/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"

#define KEY_BYTES_MAX 8192

static int read_number(const struct invocation *inv, const char *name, int64_t usual, int64_t *ret,
                       struct err *err)
{
    const char *text = invocation_get(inv, name);

    *ret = usual;
    if (!text || (str_to_i64(str_from(text), ret) && *ret >= 1 && *ret <= 1000000))
        return 0;
    return err_set(err, ERR_USAGE, "--%s '%s' is not a number from 1 to 1000000", name, text);
}

static int read_headers(const struct invocation *inv, struct load *l, struct err *err)
{
    const char *const *given = invocation_list(inv, "header");
    CLEANUP(buf_release) struct buf probe = { 0 };

    for (size_t i = 0; given[i]; i++) {
        struct str line = str_from(given[i]);
        ptrdiff_t colon = str_find_char(line, ':', 0);
        struct str name = str_sub(line, 0, colon < 0 ? 0 : (size_t)colon);
        struct str value = str_trim(str_sub(line, (size_t)colon + 1, SIZE_MAX));
        if (colon < 1 || http1_write_header(&probe, name, value) < 0)
            return err_set(err, ERR_USAGE, "--header '%s' is not \"name: value\"", given[i]);
        buf_addf(&l->headers, "%.*s: %.*s\n", STR_ARG(name), STR_ARG(value));
    }
    return 0;
}

static int read_key(const struct invocation *inv, struct load *l, struct err *err)
{
    const char *name = invocation_get(inv, "key-env"), *value = name ? getenv(name) : NULL;

    if (!name)
        return 0;
    if (!value || !*value || strlen(value) > KEY_BYTES_MAX)
        return err_set(err, ERR_USAGE, "the environment has no key in '%s'", name);
    buf_add_text(&l->key, value);
    return 0;
}

static int read_requests(const struct invocation *inv, const char *const *archives, struct load *l,
                         struct err *err)
{
    const char *const *files = invocation_list(inv, "exchanges");
    const char *tmp = getenv("TMPDIR"), *app = invocation_get(inv, "app");
    struct trace_filter filter = { .app = str_from(app ? app : "") };
    struct trace_stats stats;
    struct span span;

    if (span_parse(inv, NULL, &span, err) < 0)
        return -1;
    filter.from_us = span.from_us;
    filter.to_us = span.to_us;
    l->trace = trace_new(&filter);
    for (size_t i = 0; archives[i]; i++) {
        CLEANUP(archive_close) struct archive *a = NULL;
        if (archive_open(archives[i], false, &a, err) < 0 || trace_add(l->trace, a, err) < 0)
            return -1;
    }
    if (files[0] &&
        (scratch_open(tmp && *tmp ? tmp : "/tmp", files, clock_now_us(), &l->scratch, err) < 0 ||
         trace_add(l->trace, scratch_archive(l->scratch), err) < 0))
        return -1;
    trace_sort(l->trace);
    trace_stats(l->trace, &stats);
    if (stats.without_request)
        cli_note(inv, "%llu exchanges have no request on record that could be made again",
                 (unsigned long long)stats.without_request);
    if (stats.segments_missing)
        cli_note(inv, "%llu segments are gone: their requests are not made",
                 (unsigned long long)stats.segments_missing);
    if (!stats.requests)
        return err_set(err, ERR_USAGE, "there is no request to make in what was named");
    return 0;
}

int load_open(const struct invocation *inv, const char *const *archives, struct load *ret,
              struct drive_options *ret_options, struct err *err)
{
    const char *caller = invocation_get(inv, "caller"), *path = invocation_get(inv, "path");
    const char *ask = invocation_get(inv, "ask");
    CLEANUP(load_release) struct load l = { 0 };
    int64_t seed, under_way;

    *ret_options = (struct drive_options){
        .target = str_from(path ? path : "{path}"),
        .ask = str_from(ask ? ask : ""),
        .caller = caller_find(str_from(caller ? caller : "none")),
        .lag_us = DRIVE_LAG_US_DEFAULT,
    };
    if (drive_target_check(ret_options->target, err) < 0 ||
        value_speed(inv, "speed", &ret_options->speed, err) < 0 ||
        read_number(inv, "seed", 1, &seed, err) < 0 ||
        read_number(inv, "max-under-way", DRIVE_UNDER_WAY_DEFAULT, &under_way, err) < 0 ||
        value_duration(inv, "lag", &ret_options->lag_us, err) < 0 ||
        value_duration(inv, "deadline", &ret_options->deadline_us, err) < 0 ||
        read_headers(inv, &l, err) < 0 || read_key(inv, &l, err) < 0 ||
        read_requests(inv, archives, &l, err) < 0)
        return -1;
    ret_options->trace = l.trace;
    ret_options->seed = (uint64_t)seed;
    ret_options->under_way = (uint32_t)under_way;
    ret_options->headers = buf_str(&l.headers);
    ret_options->key = buf_str(&l.key);
    *ret = l;
    l = (struct load){ 0 };
    return 0;
}

void load_release(struct load *l)
{
    trace_free(l->trace);
    scratch_close(l->scratch);
    if (l->key.ptr)
        explicit_bzero(l->key.ptr, l->key.cap);
    buf_release(&l->key);
    buf_release(&l->headers);
}

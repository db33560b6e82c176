#include "config.h"

#include "migrate/actuator_tools.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/file.h"
#include "base/http_fetch.h"
#include "base/listener.h"
#include "base/timestamp.h"

#define FILE_MODE      0644 /* the program that reads it is often another user's */
#define TIMEOUT_MAX_US INT64_C(3600000000)
#define ANSWER_PIECE   4096

int actuator_wrap(const struct actuator *a, struct err *err)
{
    return err_wrap(err, "actuator '%.*s'", STR_ARG(str_sub(a->name, 0, ACTUATOR_NAME_BYTES)));
}

int actuator_fail(const struct actuator *a, struct err *err, enum err_code code, const char *fmt,
                  ...)
{
    char text[sizeof(err->text)];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err_set(err, code, "%s", text);
    return actuator_wrap(a, err);
}

/* --- settings --- */

const char *actuator_path(const struct actuator *a, const char *name, struct buf *ret)
{
    struct str path = actuator_setting(a, name);

    buf_clear(ret);
    if (a->folder.len && path.len && path.ptr[0] != '/')
        buf_addf(ret, "%.*s/", STR_ARG(a->folder));
    buf_add_str(ret, path);
    return buf_cstr(ret);
}

int actuator_duration(const struct actuator *a, const char *name, int64_t *ret_us, struct err *err)
{
    struct str text = actuator_setting(a, name);

    *ret_us = 0;
    if (!text.len)
        return 0;
    if (!duration_parse(text, ret_us) || *ret_us < 1 || *ret_us > TIMEOUT_MAX_US)
        return actuator_fail(a, err, ERR_USAGE,
                             "setting '%s': expected a duration such as 30s, up to 60m, got '%.*s'",
                             name, STR_ARG(str_sub(text, 0, 40)));
    return 0;
}

bool actuator_percent(struct str text, int32_t *ret)
{
    i128 value;

    if (text.len < 2 || text.ptr[0] < '0' || text.ptr[0] > '9' || !str_ends_with(text, STR("%")) ||
        decimal_parse(str_sub(text, 0, text.len - 1), 2, &value) != DECIMAL_OK || value < 0 ||
        value > 10000)
        return false;
    *ret = (int32_t)value;
    return true;
}

/* --- the file --- */

int actuator_read_file(const struct actuator *a, struct actuator_live *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 };

    if (file_read(actuator_path(a, "file", &path), ACTUATOR_BYTES_MAX, &ret->bytes, err) == 0) {
        ret->is_there = true;
        return 0;
    }
    return err->code == ERR_SYS && err->sys == ENOENT ? 0 : actuator_wrap(a, err);
}

int actuator_write_file(const struct actuator *a, struct str bytes, bool is_there, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    const char *path = actuator_path(a, "file", &text);
    struct stat st;

    if (is_there && stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return actuator_fail(a, err, ERR_USAGE, "'%s' is no file", path);
    int r =
        is_there ? file_replace_shared(path, bytes, FILE_MODE, err) : file_remove_shared(path, err);
    return r < 0 ? actuator_wrap(a, err) : 0;
}

/* --- servers --- */

int actuator_get(struct str url, size_t max_bytes, struct buf *ret, struct err *err)
{
    CLEANUP(http_fetch_close) struct http_fetch *f = NULL;
    struct http_fetch_options o = { .proxy = "", .idle_us = (uint64_t)ACTUATOR_ASK_US };
    struct http_fetch_request request = { .method = STR("GET"), .answer_bytes_max = max_bytes };
    struct http_fetch_answer answer;

    if (http_url_parse(url, &o.url, err) < 0 || http_fetch_open(&o, &f, err) < 0)
        return -1;
    request.target = o.url.target;
    if (http_fetch(f, &request, &answer, err) < 0)
        return -1;
    if (answer.head->status != 200)
        return err_set(err, ERR_SYS, "%.*s answers with status %d", STR_ARG(o.url.authority),
                       answer.head->status);
    buf_add_str(ret, answer.body);
    return 0;
}

/* A peer that stays silent for ACTUATOR_ASK_US is given up. */
static int read_answer(int fd, size_t max_bytes, struct buf *ret, struct err *err)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    size_t start = ret->len;

    for (;;) {
        int ready = poll(&p, 1, (int)(ACTUATOR_ASK_US / 1000));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return err_set(err, ERR_SYS, "no answer for %d s", (int)(ACTUATOR_ASK_US / 1000000));
        char *at = buf_reserve(ret, ANSWER_PIECE);
        ssize_t n = read(fd, at, ANSWER_PIECE);
        if (n == 0)
            return 0;
        if (n < 0)
            return err_sys(err, "cannot read the answer");
        ret->len += (size_t)n;
        if (ret->len - start > max_bytes)
            return err_set(err, ERR_LIMIT, "its answer is longer than %zu bytes", max_bytes);
    }
}

int actuator_ask(const char *path, struct str words, size_t max_bytes, struct buf *ret,
                 struct err *err)
{
    int fd;

    if (listener_connect_unix(path, &fd, err) < 0)
        return -1;
    int r = fd_write_all(fd, words, err);
    if (r == 0)
        r = read_answer(fd, max_bytes, ret, err);
    close(fd);
    return r < 0 ? err_wrap(err, "'%s'", path) : 0;
}

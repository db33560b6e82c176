#include "config.h"

#include "migrate/baseline.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"

/* Another version may measure otherwise. */
#define FIRST_LINE "weir baseline 1 " PACKAGE_VERSION " "

static void path_of(const char *folder, struct buf *ret)
{
    buf_addf(ret, "%s/" BASELINE_FILE, folder);
}

static void hash_of(struct str text, char ret[static SHA256_HEX_BYTES])
{
    uint8_t sha[SHA256_BYTES];

    sha256_of(text, sha);
    hex_encode(sha, sizeof(sha), ret);
}

static bool read_line(struct str line, struct baseline_metric *ret)
{
    struct str key, metric, calls;

    if (!str_split(&line, ' ', &key) || !str_split(&line, ' ', &metric) ||
        !str_split(&line, ' ', &calls) || key.len + 1 != sizeof(ret->key))
        return false;
    *ret = (struct baseline_metric){ .metric = GATE_METRIC_COUNT };
    memcpy(ret->key, key.ptr, key.len);
    for (int m = 0; m < GATE_METRIC_COUNT; m++)
        if (str_eq(metric, str_from(gate_metric_name((enum gate_metric)m))))
            ret->metric = (enum gate_metric)m;
    return ret->metric != GATE_METRIC_COUNT && str_to_i64(calls, &ret->calls) &&
           str_to_i64(line, &ret->value) && ret->calls >= 0;
}

void baselines_read(const char *folder, struct baselines *ret)
{
    CLEANUP(buf_release) struct buf path = { 0 }, text = { 0 };
    char hash[SHA256_HEX_BYTES];
    struct baseline_metric m;
    struct str rest, line;
    struct err ignored;

    *ret = (struct baselines){ 0 };
    path_of(folder, &path);
    if (file_read(buf_cstr(&path), BASELINE_BYTES_MAX, &text, &ignored) < 0)
        return;
    rest = buf_str(&text);
    if (!str_split(&rest, '\n', &line) || !str_starts_with(line, STR(FIRST_LINE)))
        return;
    hash_of(rest, hash);
    if (!str_eq(str_sub(line, strlen(FIRST_LINE), SIZE_MAX), str_from(hash)))
        return;
    while (str_split(&rest, '\n', &line))
        if (read_line(line, &m))
            vec_push(&ret->list, m);
}

void baselines_release(struct baselines *b)
{
    vec_release(&b->list);
    vec_release(&b->used);
}

bool baselines_find(struct baselines *b, const char *key, enum gate_metric metric,
                    struct baseline_metric *ret)
{
    for (size_t i = 0; i < b->list.len; i++) {
        const struct baseline_metric *m = &b->list.ptr[i];
        if (m->metric != metric || strcmp(m->key, key) != 0)
            continue;
        *ret = *m;
        vec_push(&b->used, *m);
        return true;
    }
    return false;
}

void baselines_put(struct baselines *b, const struct baseline_metric *m)
{
    vec_push(&b->used, *m);
    b->is_changed = true;
}

int baselines_write(const char *folder, const struct baselines *b, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 }, lines = { 0 }, text = { 0 };
    char hash[SHA256_HEX_BYTES];

    if (!b->is_changed)
        return 0;
    for (size_t i = 0; i < b->used.len; i++) {
        const struct baseline_metric *m = &b->used.ptr[i];
        buf_addf(&lines, "%s %s %" PRId64 " %" PRId64 "\n", m->key, gate_metric_name(m->metric),
                 m->calls, m->value);
    }
    hash_of(buf_str(&lines), hash);
    buf_addf(&text, FIRST_LINE "%s\n", hash);
    buf_add_str(&text, buf_str(&lines));
    path_of(folder, &path);
    return file_replace(buf_cstr(&path), buf_str(&text), 0600, err);
}

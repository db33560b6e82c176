#include "config.h"

#include "analyze/alerts_state.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

#define FORMAT "weir-alerts/1"

static int add_told(struct alerts_state *s, const json_t *entry, struct err *err)
{
    struct str key = json_get_str(entry, "key"), at = json_get_str(entry, "at");
    int64_t us;

    if (!key.len || !timestamp_parse(at, &us))
        return err_set(err, ERR_CORRUPT, "an entry of 'told' has no key or no time");
    map_put(&s->told, key, NULL)->value = (uint64_t)us;
    return 0;
}

static int parse_state(struct alerts_state *s, struct str text, struct err *err)
{
    CLEANUP(json_decref) json_t *root = NULL;
    const json_t *told;
    size_t i;
    json_t *entry;

    if (json_parse(text, &root, err) < 0)
        return -1;
    told = json_get(root, "told");
    if (!str_eq(json_get_str(root, "format"), STR(FORMAT)) || !json_is_array(told))
        return err_set(err, ERR_CORRUPT, "this is no state of alerts (format %s)", FORMAT);
    json_array_foreach(told, i, entry)
    {
        if (add_told(s, entry, err) < 0)
            return -1;
    }
    return 0;
}

static int read_state(struct alerts_state *s, struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    if (!file_exists(s->path))
        return 0;
    if (file_read(s->path, ALERTS_STATE_BYTES_MAX, &text, err) < 0)
        return -1;
    if (parse_state(s, buf_str(&text), err) < 0)
        return err_wrap(err,
                        "state '%s' is damaged: put a copy back, or remove it, and alerts of this "
                        "period are told once more",
                        s->path);
    return 0;
}

int alerts_state_open(const char *path, struct alerts_state *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf lock = { 0 };

    *ret = (struct alerts_state){ .path = mem_strdup(path), .lock_fd = -1 };
    buf_addf(&lock, "%s.lock", path);
    if (file_lock(buf_cstr(&lock), true, &ret->lock_fd, err) < 0)
        return -1;
    return read_state(ret, err);
}

size_t alerts_state_mark(const struct alerts_state *s, struct alerts *a)
{
    size_t count = 0;

    for (size_t i = 0; i < a->list.len; i++) {
        a->list.ptr[i].is_new = !map_find(&s->told, a->list.ptr[i].key);
        count += a->list.ptr[i].is_new;
    }
    return count;
}

int alerts_state_save(struct alerts_state *s, const struct alerts *a, int64_t now_us,
                      struct err *err)
{
    CLEANUP(buf_release) struct buf text = { 0 };
    int64_t oldest_us = now_us - ALERTS_STATE_DAYS * US_PER_DAY;
    char at[TIMESTAMP_TEXT_BYTES];
    bool is_new;

    for (size_t i = 0; i < a->list.len; i++) {
        struct map_entry *e = map_put(&s->told, a->list.ptr[i].key, &is_new);
        if (is_new)
            e->value = (uint64_t)now_us;
    }
    buf_add_text(&text, "{");
    json_add_str(&text, "format", STR(FORMAT));
    json_add_key(&text, "told");
    buf_add_text(&text, "[");
    for (size_t i = 0; i < s->told.len; i++) {
        const struct map_entry *e = &s->told.entries[i];
        if ((int64_t)e->value < oldest_us)
            continue;
        buf_add_text(&text, text.ptr[text.len - 1] == '[' ? "\n{" : ",\n{");
        json_add_str(&text, "key", e->key);
        json_add_str(&text, "at", str_from(timestamp_format((int64_t)e->value, at)));
        buf_add_text(&text, "}");
    }
    buf_add_text(&text, "\n]}\n");
    return file_replace(s->path, buf_str(&text), 0600, err);
}

void alerts_state_close(struct alerts_state *s)
{
    map_release(&s->told);
    free(s->path);
    if (s->path && s->lock_fd >= 0)
        close(s->lock_fd);
    *s = (struct alerts_state){ .lock_fd = -1 };
}

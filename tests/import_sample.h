/* import_sample - an archive in a fresh folder, files to import into it, and what came of them:
 * what the tests of import and export share.
 */
#ifndef TESTS_IMPORT_SAMPLE_H
#define TESTS_IMPORT_SAMPLE_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/vec.h"
#include "capture/export.h"
#include "capture/import.h"
#include "capture/seal.h"
#include "temp_folder.h"

#define SAMPLE_NOW_US      INT64_C(1790899140000000)
#define SAMPLE_REASONS_MAX 32

/* One archive and what importing into it reported last. */
struct sample {
    struct archive *archive;
    struct key key;
    struct import_options options; /* may be changed between imports */
    struct import_stats stats;
    struct err err;
    int result; /* of import_file */
    struct {
        uint64_t line;
        char text[256];
    } reasons[SAMPLE_REASONS_MAX];
    size_t reason_count;
};

static inline void sample_bad(void *ctx, const char *file, uint64_t line, const char *reason)
{
    struct sample *s = ctx;
    (void)file;
    if (s->reason_count == SAMPLE_REASONS_MAX)
        return;
    s->reasons[s->reason_count].line = line;
    snprintf(s->reasons[s->reason_count].text, sizeof(s->reasons[0].text), "%s", reason);
    s->reason_count++;
}

static inline const char *sample_maps(void)
{
    static char path[1024];
    const char *top = getenv("top_srcdir"), *src = getenv("srcdir");
    snprintf(path, sizeof(path), "%s/share/maps", top ? top : src ? src : ".");
    return path;
}

static inline void sample_open(struct sample *s, const char *name)
{
    memset(s, 0, sizeof(*s));
    ck_assert_msg(archive_open(temp_path(name), true, &s->archive, &s->err) == 0, "%s",
                  s->err.text);
    ck_assert_msg(archive_key(s->archive, &s->key, &s->err) == 0, "%s", s->err.text);
    s->options = (struct import_options){ .key = &s->key,
                                          .maps_folder = sample_maps(),
                                          .now_us = SAMPLE_NOW_US,
                                          .bad = sample_bad,
                                          .ctx = s };
}

static inline void sample_close(struct sample *s)
{
    archive_close(s->archive);
}
DEFINE_CLEANUP_VALUE(struct sample, sample_close)

static inline const char *sample_file(const char *name, struct str bytes)
{
    struct err err;
    const char *path = temp_path(name);
    ck_assert_msg(file_replace(path, bytes, 0600, &err) == 0, "%s", err.text);
    return path;
}

/* Imports one file up to its finished journal. */
static inline void sample_journal(struct sample *s, const char *path, enum import_kind kind)
{
    CLEANUP(import_discard) struct import *im = NULL;

    s->stats = (struct import_stats){ 0 };
    s->reason_count = 0;
    ck_assert_msg(import_open(s->archive, &s->options, &im, &s->err) == 0, "%s", s->err.text);
    s->result = import_file(im, path, kind, &s->stats, &s->err);
    struct err err;
    ck_assert_msg(import_finish(TAKE(im), &err) == 0, "%s", err.text);
}

static inline void sample_seal(struct sample *s)
{
    struct seal_options o = { .key = &s->key };
    struct seal_stats stats;
    struct err err;
    ck_assert_msg(seal_run(s->archive, &o, &stats, &err) == 0, "%s", err.text);
}

static inline void sample_import(struct sample *s, const char *path, enum import_kind kind)
{
    sample_journal(s, path, kind);
    sample_seal(s);
}

/* Text as a file, imported. */
static inline void sample_text(struct sample *s, struct str text, enum import_kind kind)
{
    sample_import(s, sample_file("input", text), kind);
}

static inline int sample_write(void *ctx, struct str bytes, struct err *err)
{
    (void)err;
    buf_add_str(ctx, bytes);
    return 0;
}

static inline void sample_export(const struct sample *s, enum export_format format, struct buf *out)
{
    struct err err;
    struct export_stats stats;
    struct export_options o = { .format = format,
                                .from_us = INT64_MIN,
                                .to_us = INT64_MAX,
                                .creator_version = "0",
                                .write = sample_write,
                                .ctx = out };
    buf_clear(out);
    ck_assert_msg(export_run(s->archive, &o, &stats, &err) == 0, "%s", err.text);
}

/* The archive's exchanges as an array of exported lines; a new reference. */
static inline json_t *sample_lines(const struct sample *s)
{
    CLEANUP(buf_release) struct buf out = { 0 };
    struct err err;
    struct str rest, line;
    json_t *array = json_array();

    sample_export(s, EXPORT_JSONL, &out);
    rest = buf_str(&out);
    while (str_split(&rest, '\n', &line)) {
        json_t *object = NULL;
        if (line.len == 0)
            continue;
        ck_assert_msg(json_parse(line, &object, &err) == 0, "%s", err.text);
        json_array_append_new(array, object);
    }
    return array;
}

/* A member deep in a line, "facts.parts" style; "" if there is none. */
static inline const char *sample_get(const json_t *object, const char *path)
{
    static char number[4][64];
    static unsigned turn;
    struct str rest = str_from(path), head;

    while (str_split(&rest, '.', &head)) {
        char name[64];
        snprintf(name, sizeof(name), "%.*s", STR_ARG(head));
        object = json_is_array(object) ? json_array_get(object, (size_t)strtoul(name, NULL, 10))
                                       : json_get(object, name);
    }
    if (json_is_string(object))
        return json_string_value(object);
    char *text = number[turn++ % 4];
    if (json_is_integer(object))
        snprintf(text, sizeof(number[0]), "%" JSON_INTEGER_FORMAT, json_integer_value(object));
    else
        snprintf(text, sizeof(number[0]), "%s", json_is_true(object) ? "true" : "");
    return text;
}

#define ck_assert_member(object, path, want)                                                       \
    ck_assert_msg(strcmp(sample_get(object, path), want) == 0, "%s: '%s', want '%s'", path,        \
                  sample_get(object, path), want)

#define ck_assert_stats(s, read_, added_, already_, bad_)                                          \
    ck_assert_msg((s)->stats.read == (read_) && (s)->stats.added == (added_) &&                    \
                      (s)->stats.already == (already_) && (s)->stats.bad == (bad_),                \
                  "%d read, %d added, %d already, %d bad: %s", (int)(s)->stats.read,               \
                  (int)(s)->stats.added, (int)(s)->stats.already, (int)(s)->stats.bad,             \
                  (s)->reason_count ? (s)->reasons[0].text : "")

#endif

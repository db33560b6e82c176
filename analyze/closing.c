#include "config.h"

#include "analyze/closing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"

#define FORMAT          "weir-closed-month/1"
#define FILE_BYTES_MAX  (1u << 20)
#define PRICE_BYTES_MAX (64u << 20)
#define LAYERS_MAX      9999

static void path_of(struct buf *ret, const char *dir, struct month m)
{
    char text[MONTH_TEXT_BYTES];

    buf_addf(ret, "%s/%s.json", dir, month_format(m, text));
}

static bool is_hash(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!strchr("0123456789abcdef", s.ptr[i]))
            return false;
    return s.len == CLOSING_HASH_BYTES - 1;
}

int closing_find(const char *dir, struct month m, struct closing *ret, struct err *err)
{
    CLEANUP(buf_release) struct buf path = { 0 }, text = { 0 };
    CLEANUP(json_decref) json_t *json = NULL;

    path_of(&path, dir, m);
    if (!file_exists(buf_cstr(&path)))
        return 0;
    if (file_read(buf_cstr(&path), FILE_BYTES_MAX, &text, err) < 0)
        return -1;
    if (json_parse(buf_str(&text), &json, err) < 0)
        return err_wrap(err, "'%s'", buf_cstr(&path));
    struct str hash = json_get_str(json, "price_book"), at = json_get_str(json, "closed_at");
    if (!str_eq(json_get_str(json, "format"), STR(FORMAT)) || !is_hash(hash) ||
        at.len >= TIMESTAMP_TEXT_BYTES)
        return err_set(err, ERR_CORRUPT,
                       "'%s' does not say how the month was closed: restore it, or remove it and "
                       "close the month anew",
                       buf_cstr(&path));
    snprintf(ret->hash, sizeof(ret->hash), "%.*s", STR_ARG(hash));
    snprintf(ret->closed_at, sizeof(ret->closed_at), "%.*s", STR_ARG(at));
    return 1;
}

int closing_load(const char *dir, const struct closing *c, struct price_book **ret, struct err *err)
{
    CLEANUP(price_book_free) struct price_book *book = NULL;
    CLEANUP(dir_list_release) struct dir_list layers = { 0 };
    CLEANUP(buf_release) struct buf path = { 0 };

    buf_addf(&path, "%s/prices/%s", dir, c->hash);
    if (dir_list_read(buf_cstr(&path), &layers, err) < 0)
        return -1;
    for (size_t i = 0; i < layers.len; i++) {
        buf_clear(&path);
        buf_addf(&path, "%s/prices/%s/%s", dir, c->hash, layers.names[i]);
        if (price_book_load(&book, buf_cstr(&path), err) < 0)
            return -1;
    }
    if (!book || strcmp(price_book_hash(book), c->hash) != 0)
        return err_set(err, ERR_CORRUPT,
                       "'%s/prices/%s' is not the price book of that hash: restore it, or close "
                       "the month anew with --reprice",
                       dir, c->hash);
    *ret = TAKE(book);
    return 0;
}

static int copy_file(const char *from, const char *to_dir, const char *name, struct err *err)
{
    CLEANUP(buf_release) struct buf bytes = { 0 }, to = { 0 };

    buf_addf(&to, "%s/%s", to_dir, name);
    if (file_read(from, PRICE_BYTES_MAX, &bytes, err) < 0)
        return -1;
    return file_replace(buf_cstr(&to), buf_str(&bytes), 0644, err);
}

/* The files that price_book_load reads from there. */
static int copy_layer(const char *from, const char *to, struct err *err)
{
    CLEANUP(dir_list_release) struct dir_list names = { 0 };
    CLEANUP(buf_release) struct buf path = { 0 };
    struct stat st;

    if (stat(from, &st) < 0)
        return err_sys(err, "cannot read prices from '%s'", from);
    if (dir_make(to, err) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode))
        return copy_file(from, to, "prices.yaml", err);
    if (dir_list_read(from, &names, err) < 0)
        return -1;
    for (size_t i = 0; i < names.len; i++) {
        if (!str_ends_with(str_from(names.names[i]), STR(".yaml")) || names.names[i][0] == '.')
            continue;
        buf_clear(&path);
        buf_addf(&path, "%s/%s", from, names.names[i]);
        if (copy_file(buf_cstr(&path), to, names.names[i], err) < 0)
            return -1;
    }
    return 0;
}

static int copy_book(const char *dir, const struct closing *c, char *const *paths, size_t count,
                     struct err *err)
{
    CLEANUP(price_book_free) struct price_book *check = NULL;
    CLEANUP(buf_release) struct buf to = { 0 };

    if (count > LAYERS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d price files", LAYERS_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_clear(&to);
        buf_addf(&to, "%s/prices/%s/%04zu", dir, c->hash, i);
        if (copy_layer(paths[i], buf_cstr(&to), err) < 0)
            return -1;
    }
    return closing_load(dir, c, &check, err);
}

int closing_write(const char *dir, struct month m, const struct price_book *book,
                  char *const *paths, size_t count, int64_t now_us, struct err *err)
{
    CLEANUP(price_book_free) struct price_book *there = NULL;
    CLEANUP(buf_release) struct buf path = { 0 }, text = { 0 };
    char month[MONTH_TEXT_BYTES], at[TIMESTAMP_TEXT_BYTES];
    struct closing c = { 0 };
    struct err ignored;

    snprintf(c.hash, sizeof(c.hash), "%s", price_book_hash(book));
    if (closing_load(dir, &c, &there, &ignored) < 0 && copy_book(dir, &c, paths, count, err) < 0)
        return -1;
    buf_add_byte(&text, '{');
    json_add_str(&text, "format", STR(FORMAT));
    json_add_str(&text, "month", str_from(month_format(m, month)));
    json_add_str(&text, "price_book", str_from(c.hash));
    json_add_str(&text, "closed_at", str_from(timestamp_format(now_us, at)));
    buf_add_text(&text, "}\n");
    path_of(&path, dir, m);
    return file_replace(buf_cstr(&path), buf_str(&text), 0644, err);
}

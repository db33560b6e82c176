#include "config.h"

#include "analyze/clickhouse.h"

#include <stdlib.h>
#include <string.h>

#include "base/http_fetch.h"

#define SCHEME     STR("clickhouse://")
#define SCHEME_TLS STR("clickhouses://")
#define NAME_MAX_  64u

/* A query may say nothing for as long as it works. */
#define IDLE_US         UINT64_C(3600000000)
#define ERROR_BYTES_MAX 300u

struct clickhouse {
    struct http_fetch *fetch;
    char *user, *password; /* may be NULL */
    char *database, *name, *table;
};

bool clickhouse_is_url(struct str url)
{
    return str_starts_with(url, SCHEME) || str_starts_with(url, SCHEME_TLS);
}

/* What needs no escaping in URLs and quotes. */
static bool is_name(struct str s)
{
    if (s.len == 0 || s.len > NAME_MAX_)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= 'a' && s.ptr[i] <= 'z') || (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z') ||
              (s.ptr[i] >= '0' && s.ptr[i] <= '9') || s.ptr[i] == '_'))
            return false;
    return true;
}

static int read_names(struct clickhouse *c, struct str target, struct err *err)
{
    struct str path = str_sub(target, 1, target.len), table = STR(CLICKHOUSE_TABLE);
    ptrdiff_t query = str_find_char(path, '?', 0);

    if (query >= 0) {
        struct str rest = str_sub(path, (size_t)query + 1, path.len);
        path = str_sub(path, 0, (size_t)query);
        if (!str_starts_with(rest, STR("table=")))
            return err_set(err, ERR_USAGE, "after '?' only table=NAME is known");
        table = str_sub(rest, 6, rest.len);
    }
    if (!is_name(path) || !is_name(table))
        return err_set(err, ERR_USAGE,
                       "the database and table are named by 1 to %u letters, digits and '_': "
                       "clickhouse://HOST:8123/DATABASE[?table=NAME]",
                       NAME_MAX_);
    c->database = mem_strndup(path.ptr, path.len);
    c->name = mem_strndup(table.ptr, table.len);
    CLEANUP(buf_release) struct buf quoted = { 0 };
    clickhouse_add_table(c, "", &quoted);
    c->table = mem_strdup(buf_cstr(&quoted));
    return 0;
}

/* The same as a URL that http_url_parse knows, with the port of ClickHouse if it names none. */
static int parse_url(struct str text, struct buf *scratch, struct http_url *ret, struct err *err)
{
    bool tls = str_starts_with(text, SCHEME_TLS);
    struct str rest = str_sub(text, tls ? SCHEME_TLS.len : SCHEME.len, text.len);

    if (!clickhouse_is_url(text))
        return err_set(err, ERR_USAGE, "expected clickhouse://HOST:8123/DATABASE");
    size_t len = 0;
    while (len < rest.len && rest.ptr[len] != '/')
        len++;
    struct str authority = str_sub(rest, 0, len);
    ptrdiff_t bracket = str_find_char(authority, ']', 0);
    bool has_port = str_find_char(authority, ':', bracket < 0 ? 0 : (size_t)bracket) >= 0;
    buf_addf(scratch, "%s://", tls ? "https" : "http");
    buf_add_str(scratch, authority);
    if (!has_port)
        buf_add_text(scratch, tls ? ":8443" : ":8123");
    buf_add_str(scratch, str_sub(rest, len, rest.len));
    return http_url_parse(buf_str(scratch), ret, err);
}

int clickhouse_open(const struct clickhouse_options *options, struct clickhouse **ret,
                    struct err *err)
{
    CLEANUP(clickhouse_close) struct clickhouse *c = mem_calloc(1, sizeof(*c));
    CLEANUP(buf_release) struct buf url = { 0 };
    struct http_fetch_options o = { .ca_path = options->ca_path, .idle_us = IDLE_US };

    if (parse_url(options->url, &url, &o.url, err) < 0 || read_names(c, o.url.target, err) < 0 ||
        http_fetch_open(&o, &c->fetch, err) < 0)
        return err_wrap(err, "ClickHouse");
    if (options->user && *options->user) {
        c->user = mem_strdup(options->user);
        c->password = mem_strdup(options->password ? options->password : "");
    }
    *ret = TAKE(c);
    return 0;
}

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void clickhouse_close(struct clickhouse *c)
{
    if (!c)
        return;
    http_fetch_close(c->fetch);
    wipe(c->password);
    free(c->user);
    free(c->database);
    free(c->name);
    free(c->table);
    free(c);
}

const char *clickhouse_table(const struct clickhouse *c)
{
    return c->table;
}

const char *clickhouse_table_name(const struct clickhouse *c)
{
    return c->name;
}

void clickhouse_add_table(const struct clickhouse *c, const char *suffix, struct buf *out)
{
    buf_addf(out, "`%s`.`%s%s`", c->database, c->name, suffix);
}

/* --- requests --- */

static void add_percent(struct buf *out, struct str s)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
        if (plain) {
            buf_add_byte(out, (char)byte);
            continue;
        }
        buf_add_byte(out, '%');
        buf_add_byte(out, hex[byte >> 4]);
        buf_add_byte(out, hex[byte & 15]);
    }
}

/* The server says what is wrong on the first line of its answer, 2018's in one long line. */
static int refused(const struct http_fetch_answer *a, struct err *err)
{
    struct str text = str_trim(a->body), line = text;
    ptrdiff_t end = str_find_char(text, '\n', 0);

    if (end >= 0)
        line = str_sub(text, 0, (size_t)end);
    line = str_sub(line, 0, ERROR_BYTES_MAX);
    if (line.len == 0)
        return err_set(err, ERR_SYS, "ClickHouse answered with status %u", a->head->status);
    return err_set(err, ERR_SYS, "ClickHouse refuses: %.*s", STR_ARG(line));
}

struct exchange_parts {
    struct buf *target;
    struct str body;
    int (*on_body)(void *ctx, struct str bytes, struct err *err);
    void *ctx;
};

static int post(struct clickhouse *c, const struct exchange_parts *p, struct err *err)
{
    struct http_fetch_header headers[2] = {
        {STR("X-ClickHouse-User"), str_from(c->user)    },
        { STR("X-ClickHouse-Key"), str_from(c->password)},
    };
    struct http_fetch_request r = { .method = STR("POST"),
                                    .target = buf_str(p->target),
                                    .headers = headers,
                                    .header_count = c->user ? 2 : 0,
                                    .body = p->body,
                                    .on_body = p->on_body,
                                    .ctx = p->ctx };
    struct http_fetch_answer a;

    if (http_fetch(c->fetch, &r, &a, err) < 0)
        return -1;
    return a.head->status == 200 ? 0 : refused(&a, err);
}

int clickhouse_exec(struct clickhouse *c, struct str sql, struct err *err)
{
    CLEANUP(buf_release) struct buf target = { 0 };
    struct exchange_parts p = { .target = &target, .body = sql };

    buf_add_text(&target, "/?wait_end_of_query=1");
    return post(c, &p, err);
}

int clickhouse_insert(struct clickhouse *c, struct str sql, struct str query_id, struct str rows,
                      struct err *err)
{
    CLEANUP(buf_release) struct buf target = { 0 };
    struct exchange_parts p = { .target = &target, .body = rows };

    /* Into a Distributed table: done when the shards have it, not when it waits for them. */
    buf_add_text(&target, "/?insert_distributed_sync=1&query_id=");
    add_percent(&target, query_id);
    buf_add_text(&target, "&query=");
    add_percent(&target, sql);
    return post(c, &p, err);
}

/* --- results --- */

struct rows {
    const struct clickhouse_query *query;
    struct buf rest; /* a row that is not whole yet */
};

/* Moves *at behind a length; false if there is no whole one. */
static bool take_length(struct str bytes, size_t *at, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 63 && *at < bytes.len; shift += 7) {
        uint8_t byte = (uint8_t)bytes.ptr[(*at)++];
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool take_string(struct str bytes, size_t *at, struct clickhouse_value *ret)
{
    uint64_t len;

    if (!take_length(bytes, at, &len) || len > bytes.len - *at)
        return false;
    ret->s = str_sub(bytes, *at, (size_t)len);
    *at += (size_t)len;
    return true;
}

static bool take_int(struct str bytes, size_t *at, struct clickhouse_value *ret)
{
    uint64_t value = 0;

    if (bytes.len - *at < 8)
        return false;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)(uint8_t)bytes.ptr[*at + i] << 8 * i;
    *at += 8;
    ret->i = (int64_t)value;
    return true;
}

static bool take_nullable(struct str bytes, size_t *at, struct clickhouse_value *ret)
{
    if (bytes.len == *at)
        return false;
    ret->is_null = bytes.ptr[(*at)++] != 0;
    return ret->is_null || take_int(bytes, at, ret);
}

static bool (*const takers[])(struct str, size_t *, struct clickhouse_value *) = {
    [CLICKHOUSE_STRING] = take_string,
    [CLICKHOUSE_INT] = take_int,
    [CLICKHOUSE_NULLABLE] = take_nullable,
};

static int take_rows(void *ctx, struct str bytes, struct err *err)
{
    struct rows *r = ctx;
    const struct clickhouse_query *q = r->query;
    struct clickhouse_value values[CLICKHOUSE_COLUMNS];
    size_t done = 0;

    buf_add_str(&r->rest, bytes);
    for (;;) {
        size_t at = done;
        memset(values, 0, q->kind_count * sizeof(*values));
        for (size_t i = 0; i < q->kind_count; i++)
            if (!takers[q->kinds[i]](buf_str(&r->rest), &at, &values[i])) {
                buf_consume(&r->rest, done);
                return r->rest.len <= CLICKHOUSE_ROW_BYTES
                           ? 0
                           : err_set(err, ERR_CORRUPT, "a row of over %u bytes",
                                     CLICKHOUSE_ROW_BYTES);
            }
        if (q->on_row(q->ctx, values, err) < 0)
            return -1;
        done = at;
    }
}

int clickhouse_rows(struct clickhouse *c, const struct clickhouse_query *query, struct err *err)
{
    CLEANUP(buf_release) struct buf target = { 0 }, sql = { 0 };
    struct rows rows = { .query = query };
    struct exchange_parts p = { .target = &target, .on_body = take_rows, .ctx = &rows };

    if (query->kind_count == 0 || query->kind_count > CLICKHOUSE_COLUMNS)
        return err_set(err, ERR_LIMIT, "more than %u columns", CLICKHOUSE_COLUMNS);
    /* Without waiting for the end, an error in the middle comes as status 200. */
    buf_add_text(&target, "/?wait_end_of_query=1");
    buf_add_str(&sql, query->sql);
    buf_add_text(&sql, " FORMAT RowBinary");
    if (sql.len > 200000) /* the default of what it parses is 256 KiB */
        buf_add_text(&target, "&max_query_size=16777216&max_ast_elements=10000000");
    p.body = buf_str(&sql);
    int r = post(c, &p, err);
    if (r == 0 && rows.rest.len)
        r = err_set(err, ERR_CORRUPT, "ClickHouse's answer ends within a row");
    buf_release(&rows.rest);
    return r;
}

/* --- writing --- */

void clickhouse_add_text(struct buf *out, struct str text)
{
    buf_add_byte(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\0') {
            buf_add_text(out, "\\0");
            continue;
        }
        if (text.ptr[i] == '\'' || text.ptr[i] == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, text.ptr[i]);
    }
    buf_add_byte(out, '\'');
}

void clickhouse_put_string(struct buf *out, struct str value)
{
    size_t len = value.len;

    for (; len >= 128; len >>= 7)
        buf_add_byte(out, (char)(len | 128));
    buf_add_byte(out, (char)len);
    buf_add_str(out, value);
}

void clickhouse_put_int(struct buf *out, int64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        buf_add_byte(out, (char)((uint64_t)value >> 8 * i));
}

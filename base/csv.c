#include "config.h"

#include "base/csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/vec.h"

#define BLOCK_BYTES (64u << 10)

struct csv_reader {
    FILE *file;
    char separator;
    bool started; /* the first block has been looked at for a byte order mark */
    bool failed;  /* the file cannot be read on */
    bool quoted;  /* a field of this row was */
    uint64_t line, row_line;
    size_t at, len; /* in block */
    struct buf row; /* the bytes of all fields, one after the other */
    VEC(size_t) ends;
    VEC(struct str) fields;
    char block[BLOCK_BYTES];
};

struct csv_reader *csv_reader_new(FILE *file, char separator)
{
    struct csv_reader *r = mem_calloc(1, sizeof(*r));

    r->file = file;
    r->separator = separator;
    r->line = 1;
    return r;
}

void csv_reader_free(struct csv_reader *r)
{
    if (!r)
        return;
    buf_release(&r->row);
    vec_release(&r->ends);
    vec_release(&r->fields);
    free(r);
}

/* More bytes in the block: 1, 0 = end, -1 = error. */
static int refill(struct csv_reader *r, struct err *err)
{
    if (r->at < r->len)
        return 1;
    if (r->failed)
        return err_set(err, ERR_SYS, "cannot read on");
    errno = 0;
    r->at = 0;
    r->len = fread(r->block, 1, BLOCK_BYTES, r->file);
    if (r->len == 0 && ferror(r->file)) {
        r->failed = true;
        return err_sys(err, "cannot read");
    }
    return r->len > 0;
}

static bool is_utf8_marked(struct str head)
{
    return str_starts_with(head, STR("\xef\xbb\xbf"));
}

static bool is_utf16_marked(struct str head)
{
    return str_starts_with(head, STR("\xff\xfe")) || str_starts_with(head, STR("\xfe\xff"));
}

/* Passes over a UTF-8 byte order mark; UTF-16, which spreadsheets like to save, is named. */
static int start(struct csv_reader *r, struct err *err)
{
    struct str head;

    if (refill(r, err) < 0)
        return -1;
    r->started = true;
    head = (struct str){ r->block, r->len };
    if (is_utf8_marked(head))
        r->at = 3;
    if (is_utf16_marked(head)) {
        r->failed = true;
        r->at = r->len;
        return err_set(err, ERR_UNSUPPORTED,
                       "the file is encoded in UTF-16: save it as UTF-8 and try again");
    }
    return 0;
}

/* The next byte into *ret, -1 = the end. */
static int peek(struct csv_reader *r, int *ret, struct err *err)
{
    int got = refill(r, err);

    *ret = got > 0 ? (unsigned char)r->block[r->at] : -1;
    return got < 0 ? -1 : 0;
}

static int add_bytes(struct csv_reader *r, const char *bytes, size_t len, struct err *err)
{
    if (len > CSV_ROW_BYTES_MAX - r->row.len)
        return err_set(err, ERR_LIMIT, "line %llu: a row longer than %u bytes%s",
                       (unsigned long long)r->row_line, CSV_ROW_BYTES_MAX,
                       r->line > r->row_line ? " (is a quote missing?)" : "");
    buf_add(&r->row, bytes, len);
    return 0;
}

static int end_field(struct csv_reader *r, struct err *err)
{
    if (r->ends.len == CSV_FIELDS_MAX)
        return err_set(err, ERR_LIMIT, "line %llu: more than %d fields",
                       (unsigned long long)r->row_line, CSV_FIELDS_MAX);
    vec_push(&r->ends, r->row.len);
    return 0;
}

/* The rest of a quoted field, whose opening quote is read, up to and with its closing quote. */
static int read_quoted(struct csv_reader *r, struct err *err)
{
    uint64_t line = r->line;

    for (;;) {
        int got = refill(r, err);
        if (got < 0)
            return -1;
        if (got == 0)
            return err_set(err, ERR_CORRUPT,
                           "line %llu: a field begins with a quote that is never closed",
                           (unsigned long long)line);
        const char *from = r->block + r->at, *quote = memchr(from, '"', r->len - r->at);
        size_t len = quote ? (size_t)(quote - from) : r->len - r->at;
        for (size_t i = 0; i < len; i++)
            r->line += from[i] == '\n';
        r->at += len;
        if (add_bytes(r, from, len, err) < 0)
            return -1;
        if (!quote)
            continue;
        r->at++;
        int next;
        if (peek(r, &next, err) < 0)
            return -1;
        if (next != '"')
            return 0;
        r->at++;
        if (add_bytes(r, "\"", 1, err) < 0)
            return -1;
    }
}

/* Bytes up to the next separator or line end, which stay. */
static int read_plain(struct csv_reader *r, struct err *err)
{
    for (;;) {
        int got = refill(r, err);
        if (got <= 0)
            return got;
        size_t from = r->at;
        while (r->at < r->len && r->block[r->at] != r->separator && r->block[r->at] != '\n')
            r->at++;
        if (add_bytes(r, r->block + from, r->at - from, err) < 0)
            return -1;
        if (r->at < r->len)
            return 0;
    }
}

/* A carriage return that precedes the end of the line belongs to it. */
static void drop_cr(struct csv_reader *r, size_t field_start)
{
    if (r->row.len > field_start && r->row.ptr[r->row.len - 1] == '\r')
        r->row.len--;
}

/* One field and the separator or line end after it: 1 = more fields follow, 0 = last, -1. */
static int read_field(struct csv_reader *r, struct err *err)
{
    size_t start_len = r->row.len;
    bool quoted;
    int c;

    if (peek(r, &c, err) < 0)
        return -1;
    quoted = c == '"';
    if (quoted) {
        r->at++;
        r->quoted = true;
        if (read_quoted(r, err) < 0)
            return -1;
        start_len = r->row.len;
    }
    if (read_plain(r, err) < 0 || peek(r, &c, err) < 0)
        return -1;
    if (c == '\n' || c == -1)
        drop_cr(r, start_len);
    if (quoted && r->row.len > start_len)
        return err_set(err, ERR_CORRUPT,
                       "line %llu: text after the closing quote of field %zu (a quote within a "
                       "quoted field is written twice)",
                       (unsigned long long)r->line, r->ends.len + 1);
    if (end_field(r, err) < 0)
        return -1;
    if (c != -1)
        r->at++;
    r->line += c == '\n';
    return c != '\n' && c != -1;
}

/* After a bad row: to the start of the next line, so that the caller can go on. */
static void skip_line(struct csv_reader *r)
{
    struct err ignored;

    while (!r->failed && refill(r, &ignored) > 0) {
        char *end = memchr(r->block + r->at, '\n', r->len - r->at);
        r->at = end ? (size_t)(end - r->block) + 1 : r->len;
        if (end) {
            r->line++;
            return;
        }
    }
}

static int read_row(struct csv_reader *r, struct err *err)
{
    int more;

    buf_clear(&r->row);
    vec_clear(&r->ends);
    r->row_line = r->line;
    r->quoted = false;
    do {
        more = read_field(r, err);
    } while (more > 0);
    return more;
}

/* A line with nothing on it reads as one empty field; "" in quotes is a real one. */
static bool is_blank(const struct csv_reader *r)
{
    return r->ends.len == 1 && r->row.len == 0 && !r->quoted;
}

int csv_reader_next(struct csv_reader *r, const struct str **ret, size_t *ret_count,
                    struct err *err)
{
    size_t start_of_field = 0;
    int c;

    if (!r->started && start(r, err) < 0)
        return -1;
    do {
        if (peek(r, &c, err) < 0)
            return -1;
        if (c == -1)
            return 0;
        if (read_row(r, err) < 0) {
            skip_line(r);
            return -1;
        }
    } while (is_blank(r));
    vec_clear(&r->fields);
    for (size_t i = 0; i < r->ends.len; i++) {
        vec_push(&r->fields,
                 str_sub(buf_str(&r->row), start_of_field, r->ends.ptr[i] - start_of_field));
        start_of_field = r->ends.ptr[i];
    }
    *ret = r->fields.ptr;
    *ret_count = r->fields.len;
    return 1;
}

uint64_t csv_reader_line(const struct csv_reader *r)
{
    return r->row_line;
}

/* What a spreadsheet would take for a formula; a plain number may begin with a sign. */
static bool is_formula(struct str field)
{
    i128 ignored;

    return field.len > 0 && field.ptr[0] && strchr("=+-@\t\r", field.ptr[0]) &&
           decimal_parse(field, 0, &ignored) == DECIMAL_BAD;
}

/* The first field of a row must also not read as no row at all (when empty and alone), nor as a
 * byte order mark. */
static bool needs_quotes(struct str field, char separator, bool first)
{
    if (first && (field.len == 0 || is_utf8_marked(field) || is_utf16_marked(field)))
        return true;
    return str_find_char(field, separator, 0) >= 0 || str_find_char(field, '"', 0) >= 0 ||
           str_find_char(field, '\n', 0) >= 0 || str_find_char(field, '\r', 0) >= 0;
}

void csv_add_field(struct buf *out, struct str field, char separator, bool first)
{
    bool formula = is_formula(field);

    if (!first)
        buf_add_byte(out, separator);
    if (!formula && !needs_quotes(field, separator, first)) {
        buf_add_str(out, field);
        return;
    }
    buf_add_text(out, formula ? "\"'" : "\"");
    for (size_t i = 0; i < field.len; i++) {
        if (field.ptr[i] == '"')
            buf_add_byte(out, '"');
        buf_add_byte(out, field.ptr[i]);
    }
    buf_add_byte(out, '"');
}

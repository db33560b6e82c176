/* Tables of usage through a map of their columns: weir-map(5).
 *
 * Text with separators (a header line first), JSON lines, a JSON array, or a JSON document that
 * holds the rows somewhere inside.
 */
#include "config.h"

#include <string.h>

#include "base/csv.h"
#include "base/jscan.h"
#include "capture/import_map.h"
#include "capture/import_record.h"
#include "capture/import_row.h"

#define FIELD_SEPARATOR '\x1f' /* between fields in what identifies a row of text */

struct reading {
    struct import *im;
    const struct import_map *map;
    struct import_row row;
    struct buf raw;    /* what identifies the current row */
    struct buf prefix; /* of JSON member names */
    size_t *fields;    /* CSV: per column of the map, index + 1 of the table's column; 0 = none */
    size_t *require;   /* likewise for map->require */
    struct str *got;   /* JSON: per column of the map, what the current row has */
    size_t field_count;
};

static void release(struct reading *r)
{
    buf_release(&r->raw);
    buf_release(&r->prefix);
    free(r->fields);
    free(r->require);
    free(r->got);
}

/* Counts the row filled in r->row. */
static int add_row(struct reading *r, uint64_t line, struct err *err)
{
    struct import *im = r->im;

    im->record.kind = STR("rows");
    im->record.raw = buf_str(&r->raw);
    switch (import_row_finish(&r->row, im, err)) {
    case 0:
        im->stats.read++;
        im->stats.ignored++;
        return 0;
    case 1:
        return import_add_at(im, line, err);
    default:
        import_report(im, line, err->text);
        return 0;
    }
}

/* --- text --- */

struct header {
    const struct str *names;
    size_t count;
};

static bool header_has(const void *ctx, struct str name)
{
    const struct header *h = ctx;
    for (size_t i = 0; i < h->count; i++)
        if (str_eq(str_trim(h->names[i]), name))
            return true;
    return false;
}

/* Index + 1 of the column called name, or, for "a.b.c", of the column "a" or "a.b" that may hold
 * JSON; 0 = none. */
static size_t find_column(const struct header *h, struct str name)
{
    for (;;) {
        for (size_t i = 0; i < h->count; i++)
            if (str_eq(str_trim(h->names[i]), name))
                return i + 1;
        while (name.len && name.ptr[name.len - 1] != '.')
            name.len--;
        if (name.len == 0)
            return 0;
        name.len--;
    }
}

/* The separator that the header line has most of. */
static char guess_separator(struct str peek)
{
    static const char separators[] = { ',', '\t', ';', '|' };
    char best = ',';
    size_t most = 0;
    struct str rest = peek, line = { 0 };

    str_split(&rest, '\n', &line);
    for (size_t s = 0; s < ARRAY_LEN(separators); s++) {
        size_t n = 0;
        for (size_t i = 0; i < line.len; i++)
            n += line.ptr[i] == separators[s];
        if (n > most) {
            most = n;
            best = separators[s];
        }
    }
    return best;
}

/* A member of the JSON that a text column holds: source "metadata.usage.cached", column "metadata".
 */
static void fill_from_cell(struct reading *r, size_t column, struct str cell, struct str name)
{
    struct str source = r->map->columns[column].source;

    if (source.len == name.len) {
        import_row_set(&r->row, r->im, column, cell);
        return;
    }
    struct str got = import_row_json_find(r->im, cell, str_sub(source, name.len + 1, source.len));
    if (got.ptr)
        import_row_set(&r->row, r->im, column, got);
}

static bool is_required_missing(const struct reading *r, const struct str *cells)
{
    for (size_t i = 0; i < r->map->require_count; i++)
        if (r->require[i] && import_row_is_null(r->map, cells[r->require[i] - 1]))
            return true;
    return false;
}

static int read_cells(struct reading *r, const struct header *h, const struct str *cells,
                      uint64_t line, struct err *err)
{
    import_begin(r->im);
    buf_clear(&r->raw);
    for (size_t i = 0; i < r->field_count; i++) {
        buf_add_str(&r->raw, cells[i]);
        buf_add_byte(&r->raw, FIELD_SEPARATOR);
    }
    import_row_begin(&r->row, r->map);
    if (is_required_missing(r, cells)) {
        r->im->stats.read++;
        r->im->stats.ignored++;
        return 0;
    }
    for (size_t c = 0; c < r->map->column_count; c++)
        if (r->fields[c])
            fill_from_cell(r, c, str_trim(cells[r->fields[c] - 1]),
                           str_trim(h->names[r->fields[c] - 1]));
    for (size_t i = 0; r->map->identity && i < h->count; i++)
        import_row_set_named(&r->row, r->im, str_trim(h->names[i]), str_trim(cells[i]));
    return add_row(r, line, err);
}

static void bind_header(struct reading *r, const struct header *h)
{
    r->field_count = h->count;
    r->fields = mem_calloc(r->map->column_count + 1, sizeof(*r->fields));
    r->require = mem_calloc(r->map->require_count + 1, sizeof(*r->require));
    for (size_t c = 0; c < r->map->column_count; c++)
        r->fields[c] = find_column(h, r->map->columns[c].source);
    for (size_t i = 0; i < r->map->require_count; i++)
        r->require[i] = find_column(h, r->map->require[i]);
}

static int check_header(const struct reading *r, struct err *err)
{
    for (size_t c = 0; c < r->map->column_count; c++)
        if (r->fields[c])
            return 0;
    return r->map->identity
               ? 0
               : err_set(err, ERR_USAGE, "none of the columns of map '%.*s' is in its header line",
                         STR_ARG(r->map->name));
}

static int read_table(struct reading *r, struct import_input *in, struct csv_reader *csv,
                      const struct header *h, struct err *err)
{
    const struct str *cells;
    size_t count;
    int got;

    bind_header(r, h);
    if (check_header(r, err) < 0)
        return -1;
    while ((got = csv_reader_next(csv, &cells, &count, err)) != 0) {
        uint64_t line = csv_reader_line(csv);
        struct err under;
        if (import_input_failure(in, &under) < 0 && got < 0) {
            import_report(r->im, line, under.text);
            return 0; /* the rows before the damage are in */
        }
        if (got > 0 && count != r->field_count)
            got = err_set(err, ERR_CORRUPT, "has %zu fields where the header has %zu", count,
                          r->field_count);
        if (got < 0)
            import_report(r->im, line, err->text);
        else if (read_cells(r, h, cells, line, err) < 0)
            return -1;
        if (got < 0 && err->code != ERR_CORRUPT && err->code != ERR_LIMIT)
            return 0;
        import_progress(r->im, in);
    }
    return 0;
}

static int find_map(struct import *im, bool (*has_column)(const void *ctx, struct str name),
                    const void *ctx, bool json, struct import_map **ret, struct err *err)
{
    if (im->options.map)
        return import_map_find(im->options.map, im->options.maps_folder, ret, err);
    return import_map_detect(im->options.maps_folder, has_column, ctx, json, ret, err);
}

static void close_file(FILE **file)
{
    if (*file)
        fclose(*file);
}

static int read_text(struct import *im, struct import_input *in, struct str peek, struct err *err)
{
    CLEANUP(import_map_free) struct import_map *map = NULL;
    __attribute__((cleanup(close_file))) FILE *file = NULL;
    CLEANUP(csv_reader_free) struct csv_reader *csv = NULL;
    struct arena names = { 0 };
    const struct str *cells;
    size_t count;
    char separator = guess_separator(peek);

    if (im->options.map && import_map_find(im->options.map, im->options.maps_folder, &map, err) < 0)
        return -1;
    if (map && map->separator)
        separator = map->separator;
    file = import_input_file(in);
    csv = csv_reader_new(file, separator);
    int got = csv_reader_next(csv, &cells, &count, err);
    if (got <= 0)
        return got; /* an empty file holds nothing */

    struct str *copy = arena_alloc(&names, (count + 1) * sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = arena_str(&names, cells[i]);
    struct header h = { copy, count };
    int r = map ? 0 : find_map(im, header_has, &h, false, &map, err);
    if (r == 0) {
        struct reading reading = { .im = im, .map = map };
        r = read_table(&reading, in, csv, &h, err);
        release(&reading);
    }
    arena_release(&names);
    return r;
}

/* --- JSON --- */

/* Whether the text, which may be cut short, has a member of that name at any depth. */
static bool text_has_member(const void *ctx, struct str name)
{
    const struct str *text = ctx;
    ptrdiff_t at = 0;

    for (size_t i = name.len; i > 0; i--) /* "metadata.usage": its last part */
        if (name.ptr[i - 1] == '.') {
            name = str_sub(name, i, name.len);
            break;
        }
    while ((at = str_find(*text, name, (size_t)at)) >= 0) {
        size_t from = (size_t)at, to = from + name.len;
        at++;
        if (from == 0 || text->ptr[from - 1] != '"' || to >= text->len || text->ptr[to] != '"')
            continue;
        do
            to++;
        while (to < text->len && strchr(" \t\r\n", text->ptr[to]));
        if (to < text->len && text->ptr[to] == ':')
            return true;
    }
    return false;
}

static bool is_wanted_prefix(const struct import_map *map, struct str name)
{
    for (size_t c = 0; c < map->column_count; c++) {
        struct str source = map->columns[c].source;
        if (source.len > name.len && source.ptr[name.len] == '.' && str_starts_with(source, name))
            return true;
    }
    return false;
}

static void fill_from_object(struct reading *r, struct str object, int depth);

/* One member: fills the columns called so, and looks into it where a column asks for. */
static void fill_from_member(struct reading *r, struct str value, int depth)
{
    struct str name = buf_str(&r->prefix), text = value;
    bool is_string = import_json_string(r->im, value, &text);

    if (depth == 0 && r->map->identity)
        import_row_set_named(&r->row, r->im, name, text);
    for (size_t c = 0; c < r->map->column_count; c++)
        if (!r->got[c].ptr && str_eq(r->map->columns[c].source, name) &&
            !str_eq(value, STR("null")))
            r->got[c] = arena_str(&r->im->arena, text);
    if (text.len && text.ptr[0] == '{' && depth < 8 && is_wanted_prefix(r->map, name))
        fill_from_object(r, is_string ? text : value, depth + 1);
}

static void fill_from_object(struct reading *r, struct str object, int depth)
{
    struct jscan s;
    struct str key;
    size_t before = r->prefix.len;

    jscan_init(&s, object);
    if (!jscan_enter_object(&s))
        return;
    while (jscan_next_member(&s, &key)) {
        struct str value = jscan_skip_raw(&s);
        if (s.failed)
            return;
        if (before)
            buf_add_byte(&r->prefix, '.');
        jscan_unescape(key, &r->prefix);
        if (!str_eq(buf_str(&r->prefix), r->map->nested) || depth > 0)
            fill_from_member(r, value, depth);
        r->prefix.len = before;
    }
}

static bool is_object(struct str text)
{
    struct jscan s;
    jscan_init(&s, text);
    if (jscan_peek(&s) != JSCAN_OBJECT)
        return false;
    jscan_skip(&s);
    return jscan_at_end(&s);
}

/* One row, inside outer or by itself; raw is filled. */
static int read_object(struct reading *r, struct str outer, struct str object, uint64_t line,
                       struct err *err)
{
    import_row_begin(&r->row, r->map);
    buf_clear(&r->prefix);
    for (size_t c = 0; c < r->map->column_count; c++)
        r->got[c] = (struct str){ 0 };
    fill_from_object(r, object, 0); /* the row's own members before its bucket's */
    if (outer.len)
        fill_from_object(r, outer, 0);
    for (size_t c = 0; c < r->map->column_count; c++)
        if (r->got[c].ptr)
            import_row_set(&r->row, r->im, c, r->got[c]);
    for (size_t i = 0; i < r->map->require_count; i++) {
        struct str got = import_row_json_find(r->im, object, r->map->require[i]);
        if (import_row_is_null(r->map, got)) {
            r->im->stats.read++;
            r->im->stats.ignored++;
            return 0;
        }
    }
    return add_row(r, line, err);
}

/* A bucket whose member map->nested holds the rows. */
static int read_nested(struct reading *r, struct str outer, uint64_t line, struct err *err)
{
    struct jscan s;
    struct str key, list = { 0 };

    jscan_init(&s, outer);
    if (!jscan_enter_object(&s))
        return 0;
    while (jscan_next_member(&s, &key)) {
        struct str value = jscan_skip_raw(&s);
        if (!s.failed && str_eq(key, r->map->nested))
            list = value;
    }
    jscan_init(&s, list);
    if (!jscan_enter_array(&s))
        return 0;
    while (jscan_next_element(&s)) {
        struct str object = jscan_skip_raw(&s);
        if (s.failed)
            break;
        import_begin(r->im);
        buf_clear(&r->raw); /* the bucket without its rows, and this row */
        buf_add(&r->raw, outer.ptr, (size_t)(list.ptr - outer.ptr));
        buf_add_str(&r->raw, object);
        if (read_object(r, outer, object, line, err) < 0)
            return -1;
    }
    return 0;
}

static int read_element(struct reading *r, struct str text, uint64_t line, struct err *err)
{
    import_begin(r->im);
    if (!is_object(text)) {
        import_report(r->im, line, "is not a JSON object");
        return 0;
    }
    if (r->map->nested.len)
        return read_nested(r, text, line, err);
    buf_clear(&r->raw);
    buf_add_str(&r->raw, text);
    return read_object(r, STR(""), text, line, err);
}

/* JSON lines: a broken one costs only itself. */
static int read_lines(struct reading *r, struct import_input *in, struct err *err)
{
    struct str line;
    uint64_t number = 0;
    int got;

    while ((got = import_input_line(in, &line, &number, err)) != 0) {
        if (got < 0) {
            import_report(r->im, number, err->text);
            if (err->code != ERR_LIMIT)
                return 0;
            continue;
        }
        line = str_trim(line);
        if (line.len && read_element(r, line, number, err) < 0)
            return -1;
        import_progress(r->im, in);
    }
    return 0;
}

static int read_elements(struct reading *r, struct import_input *in, bool is_array, struct err *err)
{
    struct import_elements e = { 0 };
    struct str text;
    uint64_t line = 1;
    int got;

    if (!is_array && r->map->records.len) {
        struct str rest = r->map->records, part;
        while (e.path_len < IMPORT_PATH_DEPTH_MAX && str_split(&rest, '.', &part))
            e.path[e.path_len++] = part;
    }
    while ((got = import_input_element(in, &e, &text, &line, err)) != 0) {
        if (got < 0) {
            import_report(r->im, line, err->text);
            if (err->code != ERR_LIMIT)
                return 0;
            continue;
        }
        if (read_element(r, text, line, err) < 0)
            return -1;
        import_progress(r->im, in);
    }
    return 0;
}

static int read_json(struct import *im, struct import_input *in, struct str peek, struct err *err)
{
    CLEANUP(import_map_free) struct import_map *map = NULL;
    struct reading r = { .im = im };
    struct str rest = str_trim(peek), first_line;
    bool is_array = rest.ptr[0] == '[';

    if (find_map(im, text_has_member, &peek, true, &map, err) < 0)
        return -1;
    r.map = map;
    r.got = mem_calloc(map->column_count + 1, sizeof(*r.got));
    /* One line an object, unless the map, the brackets or a first line that is none say otherwise.
     */
    str_split(&rest, '\n', &first_line);
    bool lines = !is_array && !map->records.len && (!rest.ptr || is_object(first_line));
    int got = lines ? read_lines(&r, in, err) : read_elements(&r, in, is_array, err);
    release(&r);
    return got;
}

int import_read_rows(struct import *im, struct import_input *in, struct err *err)
{
    struct str peek;

    if (import_input_peek(in, &peek, err) < 0)
        return -1;
    struct str text = str_trim(peek);
    if (text.len && (text.ptr[0] == '{' || text.ptr[0] == '['))
        return read_json(im, in, peek, err);
    return read_text(im, in, peek, err);
}

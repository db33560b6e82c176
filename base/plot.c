#include "config.h"

#include "base/plot.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/figure.h"
#include "base/plot_run.h"
#include "base/timestamp.h"

#define LABEL_MAX 20
#define DOTS_MAX  62    /* of a chart in which all are marked: gnuplot draws one in 14 KB */
#define DOT_SHARE 0.004 /* the radius of a mark, of the width */
#define FEW       5     /* things: gnuplot marks every half of so many */

/* --- what gnuplot is told --- */

bool plot_has_data(const struct section *s)
{
    for (size_t row = 0; row < section_rows(s); row++)
        for (size_t i = 0; i < s->chart.count; i++)
            if (s->chart.kind != CHART_NONE && section_cell(s, row, s->chart.first + i)->n != 0)
                return true;
    return false;
}

size_t plot_colour(const struct chart *c, size_t series)
{
    bool is_rest = c->kind == CHART_STACK && series + 1 == c->count;

    return is_rest || series >= PLOT_COLOURS ? PLOT_COLOURS : series + 1;
}

static void add_colour(struct buf *out, size_t colour)
{
    buf_addf(out, "linecolor rgb '#0a00%02zx'", colour);
}

static void add_value(struct buf *out, const struct cell *c)
{
    static const int digits[] = {
        [CELL_USD] = FIGURE_USD_DIGITS,
        [CELL_USD_CHANGE] = FIGURE_USD_DIGITS,
        [CELL_SHARE] = 6,
        [CELL_CHANGE] = 6,
        [CELL_US] = 6,
        [CELL_NUMBER] = 6,
    };
    char text[DECIMAL_TEXT_BYTES];

    if (c->kind == CELL_NONE)
        buf_add_text(out, " ?");
    else
        buf_addf(out, " %s", decimal_format(c->n, digits[c->kind], text));
}

/* Of a day only its number. */
static struct str label_of(const struct section *s, size_t row)
{
    struct str name = section_cell(s, row, 0)->text;

    return s->chart.kind != CHART_WATERFALL && name.len == 10 ? str_sub(name, 8, 2)
                                                              : str_sub(name, 0, LABEL_MAX);
}

/* The name of a row in letters that mean nothing to gnuplot. */
static void add_label(struct buf *out, const struct section *s, size_t row)
{
    struct str name = label_of(s, row);

    buf_add_text(out, "\"");
    for (size_t i = 0; i < name.len; i++)
        buf_add_byte(out,
                     isalnum((unsigned char)name.ptr[i]) || name.ptr[i] == '-' ? name.ptr[i] : ' ');
    buf_add_text(out, "\"");
}

static void add_rows(const struct section *s, struct buf *out)
{
    buf_add_text(out, "$data << END\n");
    for (size_t row = 0; row < section_rows(s); row++) {
        buf_addf(out, "%zu ", row + 1);
        add_label(out, s, row);
        for (size_t i = 0; i < s->chart.count; i++)
            add_value(out, section_cell(s, row, s->chart.first + i));
        buf_add_byte(out, '\n');
    }
    buf_add_text(out, "END\n");
}

/* Of things that are counted, so few that the axis would be marked in halves. */
static bool counts_few(const struct section *s)
{
    for (size_t row = 0; row < section_rows(s); row++) {
        i128 sum = 0;
        for (size_t i = 0; i < s->chart.count; i++) {
            const struct cell *cell = section_cell(s, row, s->chart.first + i);
            if (cell->kind != CELL_COUNT && cell->kind != CELL_NONE)
                return false;
            sum += cell->n;
        }
        if (sum > FEW)
            return false;
    }
    return true;
}

static void add_stack(const struct section *s, struct buf *out)
{
    add_rows(s, out);
    if (counts_few(s))
        buf_add_text(out, "set ytics 1\n");
    buf_add_text(out, "set style data histograms\nset style histogram rowstacked\n"
                      "set style fill solid 1 noborder\nset boxwidth 0.8\nset yrange [0:*]\n");
    for (size_t i = 0; i < s->chart.count; i++) {
        buf_addf(out, "%s using %zu%s ", i ? ", ''" : "plot $data", i + 3, i ? "" : ":xtic(2)");
        add_colour(out, plot_colour(&s->chart, i));
    }
    buf_add_byte(out, '\n');
}

/* Boxes from where the sum stood to where it stands: what stands (1), adds (2), takes away (3). */
static void add_boxes(const struct section *s, int colour, struct buf *out)
{
    size_t rows = section_rows(s);
    i128 at = 0;

    buf_addf(out, "$data%d << END\n", colour);
    for (size_t row = 0; row < rows; row++) {
        const struct cell *c = section_cell(s, row, s->chart.first);
        bool stands = row == 0 || row + 1 == rows;
        char from[DECIMAL_TEXT_BYTES], to[DECIMAL_TEXT_BYTES];
        i128 base = stands ? 0 : at;
        at = base + c->n;
        if (colour == (stands ? 1 : c->n >= 0 ? 2 : 3))
            buf_addf(out, "%zu %s %s\n", row + 1, decimal_format(base, FIGURE_USD_DIGITS, from),
                     decimal_format(at, FIGURE_USD_DIGITS, to));
    }
    buf_add_text(out, "END\n");
}

static void add_waterfall(const struct section *s, struct buf *out)
{
    size_t rows = section_rows(s);

    for (int colour = 1; colour <= 3; colour++)
        add_boxes(s, colour, out);
    buf_addf(out,
             "set style fill solid 1 noborder\nset xrange [0.4:%zu.6]\n"
             "set xzeroaxis linecolor rgb '#010101' linetype 1\nset xtics (",
             rows);
    for (size_t row = 0; row < rows; row++) {
        buf_add_text(out, row ? ", " : "");
        add_label(out, s, row);
        buf_addf(out, " %zu", row + 1);
    }
    buf_add_text(out, ")\n");
    const char *comma = "plot ";
    for (size_t colour = 1; colour <= 3; colour++) {
        buf_addf(out, "%s$data%zu using 1:2:($1-0.35):($1+0.35):2:3 with boxxyerror ", comma,
                 colour);
        add_colour(out, colour);
        comma = ", ";
    }
    buf_add_byte(out, '\n');
}

/* As many as have room beside each other, letters being at most 8 wide. */
static void add_some_labels(const struct section *s, struct buf *out)
{
    const size_t room = PLOT_WIDTH - 80;
    size_t rows = section_rows(s), letters = 1, step;

    for (size_t row = 0; row < rows; row++) {
        size_t len = label_of(s, row).len;
        letters = len > letters ? len : letters;
    }
    step = (rows * (letters + 1) * 8 + room - 1) / room;
    buf_add_text(out, "set xtics (");
    for (size_t row = 0; row < rows; row += step) {
        buf_add_text(out, row ? ", " : "");
        add_label(out, s, row);
        buf_addf(out, " %zu", row + 1);
    }
    buf_add_text(out, ")\n");
}

static bool is_known(const struct section *s, size_t row, size_t series)
{
    return row < section_rows(s) &&
           section_cell(s, row, s->chart.first + series)->kind != CELL_NONE;
}

/* Points of a series: all, or those that no line reaches; false if there are none. */
static bool add_dots(const struct section *s, size_t series, struct buf *out)
{
    size_t rows = section_rows(s), count = 0, start = out->len;

    buf_addf(out, "$dots%zu << END\n", series);
    for (size_t row = 0; row < rows; row++) {
        bool is_alone = !is_known(s, row - 1, series) && !is_known(s, row + 1, series);
        if (!is_known(s, row, series) || (rows * s->chart.count > DOTS_MAX && !is_alone))
            continue;
        buf_addf(out, "%zu", row + 1);
        add_value(out, section_cell(s, row, s->chart.first + series));
        buf_add_byte(out, '\n');
        count++;
    }
    buf_add_text(out, "END\n");
    if (!count)
        out->len = start;
    return count;
}

static void add_lines(const struct section *s, struct buf *out)
{
    size_t rows = section_rows(s);
    CLEANUP(buf_release) struct buf plot = { 0 };

    add_rows(s, out);
    buf_addf(out, "set datafile missing '?'\nset yrange [0:*]\nset xrange [0.5:%zu.5]\n", rows);
    buf_add_text(out, "set style fill solid 1 noborder\n");
    add_some_labels(s, out);
    for (size_t i = 0; i < s->chart.count; i++) { /* a day between two without has no line */
        buf_addf(&plot, "%s using 1:%zu with lines linewidth 2 ", i ? ", $data" : "plot $data",
                 i + 3);
        add_colour(&plot, plot_colour(&s->chart, i));
        if (!add_dots(s, i, out))
            continue;
        buf_addf(&plot, ", $dots%zu using 1:2:(%.3f) with circles ", i, DOT_SHARE * (double)rows);
        add_colour(&plot, plot_colour(&s->chart, i));
    }
    buf_add_str(out, buf_str(&plot));
    buf_add_byte(out, '\n');
}

void plot_script(const struct section *s, struct buf *out)
{
    static void (*const add[])(const struct section *, struct buf *) = {
        [CHART_STACK] = add_stack,
        [CHART_WATERFALL] = add_waterfall,
        [CHART_LINES] = add_lines,
    };

    assert(s->chart.kind != CHART_NONE);
    buf_addf(out,
             "set terminal svg size %d,%d fixed font 'sans-serif,13' noenhanced\n"
             "set border 3 linecolor rgb '#010101'\n"
             "set tics nomirror textcolor rgb '#010101'\n"
             "set grid ytics linecolor rgb '#020202' linetype 1 linewidth 0.5\n"
             "unset key\n",
             PLOT_WIDTH, PLOT_HEIGHT);
    add[s->chart.kind](s, out);
}

/* --- what is kept of its answer --- */

static const char *const kept_tags[] = { "g", "path", "text", "rect", "polygon", "circle", "line" };
static const char *const kept_attributes[] = {
    "d",
    "x",
    "y",
    "width",
    "height",
    "points",
    "cx",
    "cy",
    "r",
    "x1",
    "x2",
    "y1",
    "y2",
    "fill",
    "stroke",
    "stroke-width",
    "stroke-linecap",
    "stroke-linejoin",
    "transform",
    "font-size",
    "text-anchor",
};

static bool is_listed(struct str name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(name, str_from(list[i])))
            return true;
    return false;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == ':' || c == '_';
}

/* "rgb( 10, 0, 3)" is colour 3; 1 is ink, 2 is the grid. */
static void add_paint(struct str value, struct buf *out)
{
    int64_t n[3] = { 0 };
    struct str rest, part;

    if (!str_starts_with(value, STR("rgb("))) {
        bool is_known = str_eq(value, STR("none"));
        buf_add_text(out, is_known ? "none" : "currentColor");
        return;
    }
    rest = str_sub(value, 4, value.len - 5);
    for (size_t i = 0; i < 3 && str_split(&rest, ',', &part); i++)
        str_to_i64(str_trim(part), &n[i]);
    if (n[0] == 10 && n[2] >= 1 && n[2] <= PLOT_COLOURS)
        buf_addf(out, "var(--c%d)", (int)n[2]);
    else
        buf_add_text(out, n[0] == 2 ? "var(--grid)" : "currentColor");
}

/* One attribute of the tag's inside at *at: 1 it was there, 0 the end, -1 what is none. */
static int next_attribute(struct str in, size_t *at, struct str *name, struct str *value)
{
    size_t i = *at;

    while (i < in.len && (isspace((unsigned char)in.ptr[i]) || in.ptr[i] == '/'))
        i++;
    if (i == in.len)
        return 0;
    size_t from = i;
    while (i < in.len && is_name(in.ptr[i]))
        i++;
    *name = str_sub(in, from, i - from);
    while (i < in.len && (in.ptr[i] == ' ' || in.ptr[i] == '='))
        i++;
    if (name->len == 0 || i == in.len || (in.ptr[i] != '"' && in.ptr[i] != '\''))
        return -1;
    ptrdiff_t end = str_find_char(in, in.ptr[i], i + 1);
    if (end < 0)
        return -1;
    *value = str_sub(in, i + 1, (size_t)end - i - 1);
    *at = (size_t)end + 1;
    return 1;
}

static int add_tag(struct str name, struct str inside, struct buf *out)
{
    struct str attribute, value;
    size_t at = 0;
    int r;

    buf_addf(out, "<%.*s", STR_ARG(name));
    while ((r = next_attribute(inside, &at, &attribute, &value)) > 0) {
        if (!is_listed(attribute, kept_attributes, ARRAY_LEN(kept_attributes)) ||
            str_find_char(value, '"', 0) >= 0 || str_find_char(value, '<', 0) >= 0)
            continue;
        buf_addf(out, " %.*s=\"", STR_ARG(attribute));
        if (str_eq(attribute, STR("fill")) || str_eq(attribute, STR("stroke")))
            add_paint(value, out);
        else
            buf_add_str(out, str_trim(value));
        buf_add_byte(out, '"');
    }
    buf_add_text(out, str_ends_with(inside, STR("/")) ? "/>" : ">");
    return r;
}

/* Groups that hold nothing are most of what gnuplot prints: they are taken back. */
struct groups {
    size_t starts[16];
    size_t depth;
};

static int close_tag(struct groups *g, struct str name, struct buf *out)
{
    if (!str_eq(name, STR("g"))) {
        buf_addf(out, "</%.*s>", STR_ARG(name));
        return 0;
    }
    if (g->depth == 0)
        return -1;
    size_t start = g->starts[--g->depth];
    const char *end = memchr(out->ptr + start, '>', out->len - start);
    if (end == out->ptr + out->len - 1)
        out->len = start;
    else
        buf_add_text(out, "</g>\n");
    return 0;
}

static int open_tag(struct groups *g, struct str name, struct str inside, struct buf *out)
{
    bool is_group = str_eq(name, STR("g")) && !str_ends_with(inside, STR("/"));

    if (is_group && g->depth == ARRAY_LEN(g->starts))
        return -1;
    if (is_group)
        g->starts[g->depth++] = out->len;
    return add_tag(name, inside, out);
}

/* Past the end of the element that a tag begins. */
static size_t skip_element(struct str svg, struct str name, size_t at)
{
    char end[16];
    int n = snprintf(end, sizeof(end), "</%.*s>", STR_ARG(name));
    ptrdiff_t found = str_find(svg, (struct str){ end, (size_t)n }, at);

    return found < 0 ? svg.len : (size_t)found + (size_t)n;
}

static bool is_skipped(struct str name)
{
    return str_eq(name, STR("title")) || str_eq(name, STR("desc")) || str_eq(name, STR("defs")) ||
           str_eq(name, STR("script")) || str_eq(name, STR("style"));
}

/* The tag at svg[*at]: what is kept of it is added. */
static int clean_tag(struct groups *g, struct str svg, size_t *at, struct buf *out)
{
    ptrdiff_t end = str_find_char(svg, '>', *at);

    if (end < 0)
        return -1;
    bool closes = (*at) + 1 < svg.len && svg.ptr[*at + 1] == '/';
    size_t from = *at + 1 + closes, i = from;
    while (i < (size_t)end && is_name(svg.ptr[i]))
        i++;
    struct str name = str_sub(svg, from, i - from);
    *at = (size_t)end + 1;
    if (is_skipped(name)) {
        *at = closes ? *at : skip_element(svg, name, *at);
        return 0;
    }
    if (!is_listed(name, kept_tags, ARRAY_LEN(kept_tags)))
        return 0;
    return closes ? close_tag(g, name, out)
                  : open_tag(g, name, str_sub(svg, i, (size_t)end - i), out);
}

int plot_clean(struct str svg, struct buf *out, struct err *err)
{
    struct groups groups = { 0 };
    size_t start = out->len, at = 0;
    bool in_text = false;

    while (at < svg.len) {
        if (svg.ptr[at] != '<') {
            if (in_text && (svg.ptr[at] != ' ' || out->ptr[out->len - 1] != '>'))
                buf_add_byte(out, svg.ptr[at]);
            at++;
            continue;
        }
        in_text = str_starts_with(str_sub(svg, at, 6), STR("<text>")) ||
                  str_starts_with(str_sub(svg, at, 6), STR("<text "));
        if (clean_tag(&groups, svg, &at, out) < 0) {
            out->len = start;
            return err_set(err, ERR_CORRUPT, "gnuplot did not print the SVG that was expected");
        }
    }
    if (groups.depth || out->len == start) {
        out->len = start;
        return err_set(err, ERR_CORRUPT, "gnuplot printed no whole picture");
    }
    return 0;
}

int plot_draw(const struct section *s, const char *program, struct buf *out, struct err *err)
{
    CLEANUP(buf_release) struct buf script = { 0 }, svg = { 0 };

    plot_script(s, &script);
    if (plot_run(program, buf_str(&script), &svg, err) < 0)
        return -1;
    return plot_clean(buf_str(&svg), out, err);
}

#include "config.h"

#include "base/picture.h"

#include "base/page.h"
#include "base/plot.h"

#define MARGIN        24
#define LINE          24
#define LETTER        8 /* the widest a letter of a legend is taken for */
#define KEY           22
#define LEGEND_BYTES  60 /* of a name */
#define CHART_HEIGHT  (PLOT_HEIGHT + 2 * LINE)
#define PICTURE_WIDTH (PLOT_WIDTH + 2 * MARGIN)

/* As the page has them: base/page. */
static const struct {
    const char *name, *light, *dark;
} colours[] = {
    {"currentColor", "#1b2430", "#e6eaef"},
    { "var(--grid)", "#c9d1da", "#3c4652"},
    { "var(--c1)",   "#1f5fa8", "#6aa9f0"},
    { "var(--c2)",   "#b5530a", "#f0a35e"},
    { "var(--c3)",   "#1d7f5f", "#5cc9a2"},
    { "var(--c4)",   "#8a4fa3", "#c79be0"},
    { "var(--c5)",   "#8a6a00", "#d9b84a"},
    { "var(--c6)",   "#b03a5b", "#f08fa9"},
    { "var(--c7)",   "#6b7280", "#a3abb8"},
};
#define SERIES_COLOUR(n) (1 + (n)) /* its row, n from 1 */

static void add_style(struct buf *out)
{
    buf_add_text(out, "<style>@media (prefers-color-scheme:dark){.ground{fill:#14181d}");
    for (size_t i = 0; i < ARRAY_LEN(colours); i++)
        buf_addf(out, "[fill=\"%s\"]{fill:%s}[stroke=\"%s\"]{stroke:%s}", colours[i].light,
                 colours[i].dark, colours[i].light, colours[i].dark);
    buf_add_text(out, "}</style>\n");
}

/* shapes with values for the names of colours. */
static void add_shapes(struct str shapes, struct buf *out)
{
    for (size_t at = 0; at < shapes.len;) {
        struct str rest = str_sub(shapes, at, shapes.len);
        size_t i = 0;
        while (i < ARRAY_LEN(colours) && !str_starts_with(rest, str_from(colours[i].name)))
            i++;
        if (i < ARRAY_LEN(colours)) {
            buf_add_text(out, colours[i].light);
            at += strlen(colours[i].name);
        } else {
            buf_add_byte(out, shapes.ptr[at++]);
        }
    }
}

static void add_text(int x, int y, int size, struct str text, struct buf *out)
{
    buf_addf(out, "<text x=\"%d\" y=\"%d\" font-size=\"%d\" fill=\"%s\">", x, y, size,
             colours[0].light);
    page_escape(text, out);
    buf_add_text(out, "</text>\n");
}

/* A name as far as it has room, without half a character. */
static struct str clip(struct str name)
{
    size_t len = LEGEND_BYTES;

    if (name.len <= len)
        return name;
    while (len > 0 && ((unsigned char)name.ptr[len] & 0xc0) == 0x80)
        len--;
    return str_sub(name, 0, len);
}

/* Returns where what follows begins. */
static int add_legend(const struct section *s, int y, struct buf *out)
{
    int x = MARGIN;

    for (size_t i = 0; i < s->chart.count; i++) {
        struct str name = clip(s->columns.ptr[s->chart.first + i].title);
        int width = KEY + LETTER * (int)name.len + MARGIN;
        if (x > MARGIN && x + width > PICTURE_WIDTH) {
            x = MARGIN;
            y += LINE;
        }
        buf_addf(out, "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"14\" fill=\"%s\"/>\n", x,
                 y - 12, colours[SERIES_COLOUR(plot_colour(&s->chart, i))].light);
        add_text(x + KEY, y, 14, name, out);
        x += width;
    }
    return y + LINE;
}

static int add_chart(const struct section *s, const char *gnuplot, int y, struct buf *out,
                     struct err *err)
{
    CLEANUP(buf_release) struct buf shapes = { 0 };

    if (plot_draw(s, gnuplot, &shapes, err) < 0)
        return -1;
    buf_addf(out,
             "<g id=\"%.*s\" role=\"img\" aria-labelledby=\"%.*s-t %.*s-d\""
             " transform=\"translate(%d,%d)\">\n<title id=\"%.*s-t\">",
             STR_ARG(s->id), STR_ARG(s->id), STR_ARG(s->id), MARGIN, y, STR_ARG(s->id));
    page_escape(s->chart.title, out);
    buf_addf(out, "</title>\n<desc id=\"%.*s-d\">", STR_ARG(s->id));
    page_escape(s->chart.text, out);
    buf_add_text(out, "</desc>\n");
    add_text(0, LINE - 8, 16, s->chart.title, out);
    buf_addf(out, "<g transform=\"translate(0,%d)\">\n", LINE);
    add_shapes(buf_str(&shapes), out);
    buf_add_text(out, "</g>\n</g>\n");
    return 0;
}

/* "Nothing to draw: errors %, cost USD." */
static void add_missing(const struct document *d, struct buf *out)
{
    const char *comma = "Nothing to draw, as all is zero or not known: ";

    for (size_t i = 0; i < d->list.len; i++)
        if (!plot_has_data(d->list.ptr[i])) {
            buf_add_text(out, comma);
            buf_add_str(out, d->list.ptr[i]->title);
            comma = ", ";
        }
}

static int add_body(const struct document *d, const char *gnuplot, struct buf *out, int *ret_height,
                    struct err *err)
{
    CLEANUP(buf_release) struct buf missing = { 0 };
    int y = MARGIN + 2 * LINE;

    add_text(MARGIN, MARGIN + 8, 22, d->title, out);
    add_text(MARGIN, y, 14, d->subtitle, out);
    y += LINE + 8;
    if (d->list.len)
        y = add_legend(d->list.ptr[0], y, out);
    for (size_t i = 0; i < d->list.len; i++) {
        if (!plot_has_data(d->list.ptr[i]))
            continue;
        if (add_chart(d->list.ptr[i], gnuplot, y, out, err) < 0)
            return -1;
        y += CHART_HEIGHT;
    }
    add_missing(d, &missing);
    if (missing.len)
        add_text(MARGIN, y, 14, buf_str(&missing), out);
    *ret_height = y + MARGIN;
    return 0;
}

int picture_print(const struct document *d, const char *gnuplot, struct buf *out, struct err *err)
{
    CLEANUP(buf_release) struct buf body = { 0 };
    int height;

    if (add_body(d, gnuplot, &body, &height, err) < 0)
        return -1;
    buf_addf(out,
             "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
             "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\""
             " height=\"%d\" font-family=\"system-ui,sans-serif\" color=\"%s\">\n<title>",
             PICTURE_WIDTH, height, PICTURE_WIDTH, height, colours[0].light);
    page_escape(d->title, out);
    buf_add_text(out, "</title>\n<desc>");
    page_escape(d->subtitle, out);
    buf_add_text(out, "</desc>\n");
    add_style(out);
    buf_addf(out, "<rect class=\"ground\" width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
             PICTURE_WIDTH, height);
    buf_add_str(out, buf_str(&body));
    buf_add_text(out, "</svg>\n");
    return 0;
}

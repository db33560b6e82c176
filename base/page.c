#include "config.h"

#include "base/page.h"

#include "base/plot.h"

/* Contrast of text is at least 4.5, of the colours of charts at least 3, on both grounds. */
static const char style[] =
    ":root{color-scheme:light dark;--ground:#fff;--panel:#f4f6f8;--ink:#1b2430;--soft:#4a5666;"
    "--line:#c9d1da;--grid:#c9d1da;--link:#0b57a4;--c1:#1f5fa8;--c2:#b5530a;--c3:#1d7f5f;"
    "--c4:#8a4fa3;--c5:#8a6a00;--c6:#b03a5b;--c7:#6b7280}\n"
    "@media (prefers-color-scheme:dark){:root{--ground:#14181d;--panel:#1e242b;--ink:#e6eaef;"
    "--soft:#b3bcc7;--line:#3c4652;--grid:#3c4652;--link:#8ab8f0;--c1:#6aa9f0;--c2:#f0a35e;"
    "--c3:#5cc9a2;--c4:#c79be0;--c5:#d9b84a;--c6:#f08fa9;--c7:#a3abb8}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:76rem;padding:1.5rem;background:var(--ground);color:var(--ink);"
    "font:1rem/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.8rem;margin:0}h2{font-size:1.3rem;margin:2.5rem 0 .75rem}\n"
    "a{color:var(--link)}p{margin:.5rem "
    "0;overflow-wrap:anywhere}.soft,figcaption,caption{color:var(--soft)}\n"
    "nav ul,.legend{list-style:none;padding:0;margin:.75rem 0;display:flex;flex-wrap:wrap;"
    "gap:.25rem 1.25rem}\n"
    ".cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.75rem;"
    "margin:0}\n"
    ".cards>div{background:var(--panel);border-radius:.5rem;padding:.75rem 1rem}"
    ".cards .zero{padding:.5rem 1rem;font-size:.85rem}.cards .zero .big{font-size:1rem}\n"
    "dt{color:var(--soft)}dd{margin:0}.big{font-size:1.5rem;font-weight:600;"
    "font-variant-numeric:tabular-nums}\n"
    "figure{margin:0 0 1rem}svg{width:100%;height:auto;font-family:system-ui,sans-serif}\n"
    ".key{display:inline-block;width:.8rem;height:.8rem;margin-right:.4rem}\n"
    ".k1{background:var(--c1)}.k2{background:var(--c2)}.k3{background:var(--c3)}"
    ".k4{background:var(--c4)}.k5{background:var(--c5)}.k6{background:var(--c6)}"
    ".k7{background:var(--c7)}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;font-size:.9rem;"
    "font-variant-numeric:tabular-nums}\n"
    "caption{text-align:left;padding:.25rem 0}small{font-size:.8rem;font-weight:400;"
    "color:var(--soft)}\n"
    ".heard{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);"
    "white-space:nowrap}\n"
    "th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);text-align:left;"
    "vertical-align:top}\n"
    "thead th{border-bottom:2px solid var(--line)}tbody th{font-weight:400;white-space:nowrap}\n"
    "th.n,td.n{text-align:right}td.n{white-space:nowrap}thead th{vertical-align:bottom}"
    "thead th:first-child{white-space:nowrap}"
    "tr>th:first-child{position:sticky;left:0;background:var(--ground)}\n"
    "footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem}\n"
    "@media print{:root{--ground:#fff;--panel:#fff;--ink:#000;--soft:#333;--line:#999;"
    "--grid:#bbb;--link:#000;--c1:#1f5fa8;--c2:#b5530a;--c3:#1d7f5f;--c4:#8a4fa3;--c5:#8a6a00;"
    "--c6:#b03a5b;--c7:#6b7280}body{max-width:none;padding:0;font-size:9pt}nav{display:none}"
    ".wide{overflow:visible}table{font-size:7pt}tr,figure,.cards>div{break-inside:avoid}"
    "h2{break-after:avoid}thead{display:table-header-group}.cards>div{border:1px solid #999}"
    ".key{print-color-adjust:exact}}\n";

void page_escape(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '&')
            buf_add_text(out, "&amp;");
        else if (c == '<')
            buf_add_text(out, "&lt;");
        else if (c == '>')
            buf_add_text(out, "&gt;");
        else if (c == '"')
            buf_add_text(out, "&quot;");
        else
            buf_add_byte(out, c < ' ' || c == 0x7f ? ' ' : (char)c);
    }
}

static void add_element(struct buf *out, const char *open, struct str text, const char *close)
{
    buf_add_text(out, open);
    page_escape(text, out);
    buf_add_text(out, close);
}

static void add_cell(const struct document *d, const struct cell *c, struct buf *out)
{
    CLEANUP(buf_release) struct buf text = { 0 };

    cell_format(d, c, &text);
    page_escape(buf_str(&text), out);
}

/* --- sections --- */

/* Has numbers, and all of them are 0: less of a card. */
static bool is_zero(const struct section *s, size_t row)
{
    size_t numbers = 0;

    for (size_t c = 0; c < s->columns.len; c++) {
        const struct cell *cell = section_cell(s, row, c);
        numbers += cell->kind > CELL_TEXT;
        if (cell->kind > CELL_TEXT && cell->n != 0)
            return false;
    }
    return numbers > 0;
}

/* Two numbers of one kind in a row: things are compared, and each number needs the name of its
 * column. */
static bool is_comparison(const struct section *s, size_t row)
{
    uint32_t seen = 0;

    for (size_t c = 0; c < s->columns.len; c++) {
        const struct cell *cell = section_cell(s, row, c);
        if (cell->kind <= CELL_TEXT)
            continue;
        if (seen & 1u << cell->kind)
            return true;
        seen |= 1u << cell->kind;
    }
    return false;
}

static void add_card_cell(const struct document *d, const struct section *s, size_t row, size_t c,
                          struct buf *out)
{
    const struct cell *cell = section_cell(s, row, c);

    add_cell(d, cell, out);
    if (cell->kind == CELL_USD || cell->kind == CELL_USD_CHANGE)
        buf_add_text(out, " USD");
    if (cell->kind > CELL_TEXT && is_comparison(s, row))
        add_element(out, " <small>", s->columns.ptr[c].title, "</small>");
}

/* A row is a card: its name, its numbers, its note. */
static void add_cards(const struct document *d, const struct section *s, struct buf *out)
{
    buf_add_text(out, "<dl class=\"cards\">\n");
    for (size_t row = 0; row < section_rows(s); row++) {
        bool is_big = true;
        buf_add_text(out, is_zero(s, row) ? "<div class=\"zero\">" : "<div>");
        for (size_t c = 0; c < s->columns.len; c++) {
            const struct cell *cell = section_cell(s, row, c);
            if (cell->kind == CELL_NONE || (cell->kind == CELL_TEXT && cell->text.len == 0))
                continue;
            bool is_number = cell->kind != CELL_TEXT;
            buf_add_text(out, c == 0                ? "<dt>"
                              : is_number && is_big ? "<dd class=\"big\">"
                                                    : "<dd>");
            is_big = is_big && !is_number;
            add_card_cell(d, s, row, c, out);
            buf_add_text(out, c == 0 ? "</dt>" : "</dd>");
        }
        buf_add_text(out, "</div>\n");
    }
    buf_add_text(out, "</dl>\n");
}

static bool has_kind(const struct section *s, enum cell_kind kind)
{
    for (size_t i = 0; i < s->cells.len; i++)
        if (s->cells.ptr[i].kind == kind)
            return true;
    return false;
}

/* A column without a title has no header: an empty one is read out as one. */
static void add_head(const struct section *s, struct buf *out)
{
    buf_add_text(out, "<thead><tr>");
    for (size_t c = 0; c < s->columns.len; c++) {
        const struct column *column = &s->columns.ptr[c];
        if (!column->title.len)
            buf_add_text(out, "<td></td>");
        else
            add_element(out,
                        column->is_number ? "<th scope=\"col\" class=\"n\">" : "<th scope=\"col\">",
                        column->title, "</th>");
    }
    buf_add_text(out, "</tr></thead>\n<tbody>\n");
}

static void add_table(const struct document *d, const struct section *s, struct buf *out)
{
    if (section_rows(s) == 0) {
        buf_add_text(out, "<p>Nothing.</p>\n");
        return;
    }
    add_element(out, "<section class=\"wide\" tabindex=\"0\" aria-label=\"Table: ", s->title,
                "\">\n<table>\n");
    /* The heading above says it to those who see: to others, a table is announced by its caption.
     */
    if (has_kind(s, CELL_USD))
        add_element(out, "<caption><span class=\"heard\">", s->title,
                    ", </span>amounts in USD</caption>\n");
    else
        add_element(out, "<caption class=\"heard\">", s->title, "</caption>\n");
    add_head(s, out);
    for (size_t row = 0; row < section_rows(s); row++) {
        buf_add_text(out, "<tr>");
        for (size_t c = 0; c < s->columns.len; c++) {
            buf_add_text(out, c == 0                        ? "<th scope=\"row\">"
                              : s->columns.ptr[c].is_number ? "<td class=\"n\">"
                                                            : "<td>");
            add_cell(d, section_cell(s, row, c), out);
            buf_add_text(out, c == 0 ? "</th>" : "</td>");
        }
        buf_add_text(out, "</tr>\n");
    }
    buf_add_text(out, "</tbody>\n</table>\n</section>\n");
}

static void add_legend(const struct section *s, struct buf *out)
{
    if (s->chart.kind == CHART_WATERFALL)
        return;
    buf_add_text(out, "<ul class=\"legend\">\n");
    for (size_t i = 0; i < s->chart.count; i++) {
        buf_addf(out, "<li><span class=\"key k%zu\"></span>", plot_colour(&s->chart, i));
        add_element(out, "", s->columns.ptr[s->chart.first + i].title, "</li>\n");
    }
    buf_add_text(out, "</ul>\n");
}

/* 0, or -1 if there should be a chart and is none. */
static int add_chart(const struct section *s, const char *gnuplot, struct buf *out, struct err *err)
{
    CLEANUP(buf_release) struct buf shapes = { 0 };

    if (s->chart.kind == CHART_NONE || !plot_has_data(s))
        return 0;
    if (!gnuplot)
        return err_set(err, ERR_UNSUPPORTED, "charts were not asked for");
    if (plot_draw(s, gnuplot, &shapes, err) < 0)
        return -1;
    buf_addf(
        out,
        "<figure>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-labelledby=\"%.*s-t %.*s-d\">\n"
        "<title id=\"%.*s-t\">",
        PLOT_WIDTH, PLOT_HEIGHT, STR_ARG(s->id), STR_ARG(s->id), STR_ARG(s->id));
    page_escape(s->chart.title, out);
    buf_addf(out, "</title>\n<desc id=\"%.*s-d\">", STR_ARG(s->id));
    page_escape(s->chart.text, out);
    buf_add_text(out, "</desc>\n");
    buf_add_str(out, buf_str(&shapes));
    buf_add_text(out, "</svg>\n");
    add_legend(s, out);
    add_element(out, "<figcaption>", s->chart.title, "</figcaption>\n</figure>\n");
    return 0;
}

static int add_section(const struct document *d, const struct section *s, const char *gnuplot,
                       struct buf *out, struct err *err)
{
    buf_addf(out, "<section id=\"%.*s\" aria-labelledby=\"%.*s-h\">\n<h2 id=\"%.*s-h\">",
             STR_ARG(s->id), STR_ARG(s->id), STR_ARG(s->id));
    add_element(out, "", s->title, "</h2>\n");
    int r = add_chart(s, gnuplot, out, err);
    if (r < 0)
        buf_add_text(out, "<p>The chart is missing: it could not be drawn with gnuplot. The table "
                          "has its figures.</p>\n");
    if (str_eq(s->id, STR("summary")))
        add_cards(d, s, out);
    else
        add_table(d, s, out);
    for (size_t i = 0; i < s->notes.len; i++)
        add_element(out, "<p class=\"soft\">", s->notes.ptr[i], "</p>\n");
    buf_add_text(out, "</section>\n");
    return r;
}

int page_print(const struct document *d, const char *gnuplot, struct buf *out, struct err *err)
{
    int r = 0;

    buf_add_text(out,
                 "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                 "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                 "style-src 'unsafe-inline'\">\n<meta name=\"color-scheme\" content=\"light dark\">"
                 "\n");
    add_element(out, "<title>", d->title, "</title>\n<style>\n");
    buf_add_text(out, style);
    add_element(out, "</style>\n</head>\n<body>\n<header>\n<h1>", d->title, "</h1>\n");
    add_element(out, "<p class=\"soft\">", d->subtitle,
                "</p>\n</header>\n<nav aria-label=\"Sections\">\n<ul>\n");
    for (size_t i = 0; i < d->list.len; i++) {
        const struct section *s = d->list.ptr[i];
        buf_addf(out, "<li><a href=\"#%.*s\">", STR_ARG(s->id));
        add_element(out, "", s->title, "</a></li>\n");
    }
    buf_add_text(out, "</ul>\n</nav>\n<main>\n");
    for (size_t i = 0; i < d->list.len; i++)
        if (add_section(d, d->list.ptr[i], gnuplot, out, err) < 0)
            r = -1;
    add_element(out, "</main>\n<footer>\n<p class=\"soft\">", d->page_ending,
                "</p>\n</footer>\n</body>\n</html>\n");
    return r;
}

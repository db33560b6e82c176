#include "config.h"

#include "cli/help.h"

#include <string.h>

#include "cli/parse.h"

#define INDENT         2
#define SUMMARY_COLUMN 30 /* of option and command lists */

/* Splits off the next run of bytes that are no blanks. */
static bool next_word(struct str *rest, struct str *ret)
{
    size_t len = 0;

    *rest = str_trim(*rest);
    while (len < rest->len && rest->ptr[len] != ' ' && rest->ptr[len] != '\n')
        len++;
    *ret = str_sub(*rest, 0, len);
    *rest = str_sub(*rest, len, rest->len);
    return len > 0;
}

void help_wrap(struct str text, size_t indent, size_t column, size_t width, struct buf *out)
{
    struct str rest = text, word;
    bool first = true;

    while (next_word(&rest, &word)) {
        if (!first && column + 1 + word.len > width) {
            buf_addf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            buf_add_byte(out, ' ');
            column++;
        }
        buf_add_str(out, word);
        column += word.len;
        first = false;
    }
    buf_add_byte(out, '\n');
}

bool help_paragraph(struct str *rest, struct help_paragraph *ret)
{
    while (rest->len && rest->ptr[0] == '\n')
        *rest = str_sub(*rest, 1, rest->len);
    if (rest->len == 0)
        return false;
    ptrdiff_t end = str_find(*rest, STR("\n\n"), 0);
    ret->text = str_sub(*rest, 0, end < 0 ? rest->len : (size_t)end);
    ret->is_literal = ret->text.ptr[0] == ' ';
    *rest = str_sub(*rest, ret->text.len, rest->len);
    return true;
}

static void add_heading(const char *text, bool bold, struct buf *out)
{
    buf_addf(out, bold ? "\n\033[1m%s\033[0m\n" : "\n%s\n", text);
}

static void add_title(const char *path, const char *summary, struct buf *out)
{
    CLEANUP(buf_release) struct buf line = { 0 };

    buf_addf(&line, "weir %s - %s", path, summary);
    help_wrap(buf_str(&line), INDENT, 0, HELP_COLUMNS, out);
}

/* "  left      right", the right part wrapped in its column. */
static void add_entry(struct str left, struct str right, struct buf *out)
{
    buf_addf(out, "%*s%.*s", INDENT, "", STR_ARG(left));
    size_t column = INDENT + left.len;
    if (column + 2 > SUMMARY_COLUMN) {
        buf_add_byte(out, '\n');
        column = 0;
    }
    buf_addf(out, "%*s", (int)(SUMMARY_COLUMN - column), "");
    help_wrap(right, SUMMARY_COLUMN, SUMMARY_COLUMN, HELP_COLUMNS, out);
}

static void add_exit_hint(struct buf *out)
{
    buf_add_text(out, "\n'weir COMMAND --help' says more about a command, its manual page "
                      "everything.\n");
}

/* Lists the commands whose path begins with the group's words. */
static void add_commands(struct str group, struct buf *out)
{
    for (const struct command *const *c = commands; *c; c++) {
        struct str path = str_from((*c)->path);
        if (str_starts_with(path, group) && (group.len == 0 || path.ptr[group.len] == ' '))
            add_entry(path, str_from((*c)->summary), out);
    }
}

void help_overview(bool bold, struct buf *out)
{
    buf_add_text(out,
                 "weir - LLM traffic recorded, priced, replayed, and moved behind a gateway\n");
    add_heading("Usage", bold, out);
    buf_add_text(out, "  weir COMMAND [OPTION...] [ARGUMENT...]\n"
                      "  weir --version\n");
    for (const struct command_group *g = command_groups; g->path; g++) {
        if (strchr(g->path, ' '))
            continue;
        CLEANUP(buf_release) struct buf title = { 0 };
        buf_addf(&title, "%s: %s", g->path, g->summary);
        add_heading(buf_cstr(&title), bold, out);
        add_commands(str_from(g->path), out);
    }
    add_exit_hint(out);
}

bool help_group(struct str path, bool bold, struct buf *out)
{
    for (const struct command_group *g = command_groups; g->path; g++) {
        if (!str_eq(path, str_from(g->path)))
            continue;
        add_title(g->path, g->summary, out);
        add_heading("Commands", bold, out);
        add_commands(path, out);
        add_exit_hint(out);
        return true;
    }
    return false;
}

/* "-a, --archive DIR". */
static void add_option_words(const struct option_def *def, struct buf *out)
{
    if (def->letter)
        buf_addf(out, "-%c, ", def->letter);
    buf_addf(out, "--%s", def->name);
    if (def->value)
        buf_addf(out, " %s", def->value);
}

static void add_option(const struct option_def *def, struct buf *out)
{
    CLEANUP(buf_release) struct buf left = { 0 }, right = { 0 };

    add_option_words(def, &left);
    buf_add_text(&right, def->help);
    if (def->choices) {
        buf_add_text(&right, ":");
        for (const char *const *choice = def->choices; *choice; choice++)
            buf_addf(&right, " %s%s", *choice, choice[1] ? "," : "");
    }
    if (def->required)
        buf_add_text(&right, " (required)");
    if (def->kind == OPTION_LIST)
        buf_add_text(&right, " (repeatable)");
    add_entry(buf_str(&left), buf_str(&right), out);
}

static void add_usage(const struct command *c, struct buf *out)
{
    CLEANUP(buf_release) struct buf line = { 0 };

    buf_addf(&line, "weir %s", c->path);
    for (const struct option_def *def = c->options; def->kind != OPTION_END; def++)
        if (def->required)
            buf_addf(&line, " --%s %s", def->name, def->value);
    buf_addf(&line, " [OPTION...]%s%s", c->operands[0] ? " " : "", c->operands);
    buf_addf(out, "%*s", INDENT, "");
    help_wrap(buf_str(&line), INDENT + 4, INDENT, HELP_COLUMNS, out);
}

static void add_description(struct str rest, struct buf *out)
{
    struct help_paragraph paragraph;
    struct str line;

    for (bool first = true; help_paragraph(&rest, &paragraph); first = false) {
        if (!first)
            buf_add_byte(out, '\n');
        if (!paragraph.is_literal) {
            buf_addf(out, "%*s", INDENT, "");
            help_wrap(paragraph.text, INDENT, INDENT, HELP_COLUMNS, out);
            continue;
        }
        while (str_split(&paragraph.text, '\n', &line))
            buf_addf(out, "%*s%.*s\n", INDENT, "", STR_ARG(line));
    }
}

void help_command(const struct command *c, bool bold, struct buf *out)
{
    add_title(c->path, c->summary, out);
    add_heading("Usage", bold, out);
    add_usage(c, out);
    add_heading("Options", bold, out);
    for (const struct option_def *def = c->options; def->kind != OPTION_END; def++)
        add_option(def, out);
    add_entry(STR("-h, --help"), STR("print this and do nothing else"), out);
    add_heading("Description", bold, out);
    add_description(str_from(c->description), out);
    add_heading("Examples", bold, out);
    for (const struct example *e = c->examples; e->command; e++)
        buf_addf(out, "  %s\n      $ %s\n", e->what, e->command);
}
